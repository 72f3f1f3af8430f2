"""Where people already work: torchmetrics, Lightning, training loops, scikit-learn, experiment trackers.

Each module here is a thin skin over the same measures, loads its library when it is imported itself and
says what to install where that is not there. ``log`` needs none: it writes to whatever it is given.
"""

from __future__ import annotations

from divergences.integrations.trackers import log, scalars

__all__ = ["log", "scalars"]
