"""The Parzen-window score by the protocol of Goodfellow et al. 2014, and the controls to read it beside."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergences._inputs import DivergenceWarning
from divergences.parzen import parzen_window
from gan.data import Dataset

__all__ = ["TRAP", "Score", "controls", "score"]

CHOOSE = 1000  # validation rows that the bandwidth is chosen by
PER_CENTROID = 5  # training rows for each centroid: 10,000 centroids of 50,000 images
PASSES = 5  # of Lloyd's algorithm: centroids near enough for a control

TRAP = (
    "A Parzen window rewards lying near test data, not being like them: k-means centroids score above real "
    "data (Theis, van den Oord & Bethge 2016). A score above that of the training data shows smooth samples, "
    "not better ones; read it beside the controls."
)


@dataclass(frozen=True, slots=True)
class Score:
    """Mean log density, nats, of ``n`` test rows under windows of width ``bandwidth`` on ``m`` rows.

    ``standard_error`` is over the test rows, as in the published tables: training again moves the score
    far more. ``warnings`` say what the choice of the bandwidth ran into.
    """

    name: str
    value: float
    standard_error: float
    bandwidth: float
    n: int
    m: int
    warnings: tuple[str, ...] = ()


def score(name: str, samples: np.ndarray, dataset: Dataset) -> Score:
    """The Parzen score of ``samples`` (m, d): σ by 1,000 validation rows, then all test rows.

    σ is one of logspace(−1, 0, 10) for images (pixels in [0, 1]), as in the published script; data in units
    of their own take the fine search of ``Parzen.fit``.
    """
    grid = None if dataset.image_shape is None else "goodfellow"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DivergenceWarning)
        window = parzen_window(samples, validation=dataset.validation[:CHOOSE], grid=grid)
        found = window.score(dataset.test)
    error: Any = found.standard_error
    told = tuple(dict.fromkeys(str(one.message) for one in caught))
    return Score(name, found.value, error, window.bandwidth, len(dataset.test), len(samples), told)


def controls(
    dataset: Dataset, m: int, *, frame: Any = None, seed: int = 0
) -> Iterator[tuple[str, np.ndarray]]:
    """Samples no model made, to be scored beside those of one, with their names: at most ``m`` rows each.

    Training rows; k-means centroids, one for every five training rows; and what the autoencoder of
    ``frame`` makes of training rows, the ceiling of any generator in its code space.
    """
    rng = np.random.default_rng([seed, 3])
    train = dataset.train
    real = train if len(train) <= m else train[np.sort(rng.choice(len(train), m, replace=False))]
    yield f"{len(real):,} training rows", real
    if frame is not None and frame.autoencoder is not None:
        yield f"{len(real):,} reconstructions", frame.outside(frame.inside(real))
    centres = _centroids(train, min(m, len(train) // PER_CENTROID), rng)
    if len(centres):
        yield f"{len(centres):,} k-means centroids", centres


def _centroids(train: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Lloyd's algorithm from random rows, on at most five rows a centroid."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    if count < 2:
        return train[:0]
    rows = train[rng.permutation(len(train))[: PER_CENTROID * count]]
    means = KMeans(count, init=rows[:count], n_init=1, max_iter=PASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # duplicate rows make fewer clusters
        return means.fit(rows).cluster_centers_.astype(train.dtype)
