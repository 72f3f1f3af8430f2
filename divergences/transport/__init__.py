"""Exact optimal transport between point clouds, with a certificate of how exact it is.

``exact`` holds the public function; ``dispatch`` chooses a solver; ``dense``,
``column_generation`` and ``auction`` are solvers, alike in what they take and return
(``problem``); ``pricing`` and ``kdtree`` find smallest reduced costs; ``certificate`` proves.
"""
