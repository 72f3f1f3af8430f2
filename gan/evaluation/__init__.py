"""How good are the samples? Held-out data, fresh noise, and controls beside every number that flatters.

``evaluate(model, dataset)`` gives everything as an ``Evaluation``; its parts stand on their own: ``score``
and ``controls`` (Parzen windows by Goodfellow's protocol), ``coverage`` (modes), ``neighbors`` (copies of
training data), ``interpolate`` (the latent space).
"""

from __future__ import annotations

from gan.evaluation.judge import PARTS, Evaluation, evaluate
from gan.evaluation.latent import interpolate
from gan.evaluation.likelihood import Score, controls, score
from gan.evaluation.modes import Coverage, coverage, reverse_kl_floor
from gan.evaluation.neighbors import Neighbors, neighbors

__all__ = [
    "PARTS",
    "Coverage",
    "Evaluation",
    "Neighbors",
    "Score",
    "controls",
    "coverage",
    "evaluate",
    "interpolate",
    "neighbors",
    "reverse_kl_floor",
    "score",
]
