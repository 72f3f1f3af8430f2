"""Exact optimal transport between point clouds, with a certificate of how exact it is.

``exact`` holds the public function; ``dispatch`` chooses a solver; ``dense`` and
``column_generation`` (over ``simplex``) are solvers, alike in what they take and return
(``problem``); ``pricing`` and ``kdtree`` find smallest reduced costs; ``certificate`` proves.
"""
