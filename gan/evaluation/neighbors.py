"""Are samples copies of the training data? Distances to the nearest training row, and held-out data's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divergences._neighbor_search import nearest

__all__ = ["Neighbors", "neighbors"]


@dataclass(frozen=True, slots=True, eq=False)
class Neighbors:
    """The nearest training row of each sample, and how far it is, beside what held-out data have.

    ``closer`` is the chance that a sample is nearer to its training row than a held-out row to its own, ties
    counted half: 0.5 for samples as good as new data, near 1 for copies (or for samples from the
    middle of the data alone), near 0 for samples off the data. ``copies``: how many are equal to a row.
    """

    rows: np.ndarray  # (m,) indices into the training data
    distances: np.ndarray  # (m,)
    held_out_distances: np.ndarray  # (n,)
    closer: float
    copies: int


def neighbors(samples: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> Neighbors:
    """Nearest rows of ``train`` to the rows of ``samples``, and whether that is nearer than chance.

    All (·, d). The statistic is Mann and Whitney's U over its range, as in the data-copying test of Meehan,
    Chaudhuri & Dasgupta 2020 (equation 2, without their cells).

    >>> train, held_out = np.array([[0.0], [4.0]]), np.array([[1.0], [2.0]])
    >>> found = neighbors(np.array([[4.0], [0.5]]), train, held_out)
    >>> found.rows.tolist(), found.copies, found.closer
    ([1, 0], 1, 1.0)
    """
    rows, distances = _nearest(samples, train)
    _, held_out_distances = _nearest(held_out, train)
    order = np.sort(held_out_distances)
    above = len(order) - np.searchsorted(order, distances, side="right")
    equal = len(order) - np.searchsorted(order, distances, side="left") - above
    return Neighbors(
        rows, distances, held_out_distances,
        closer=float((above + 0.5 * equal).mean() / len(order)),
        copies=int((distances == 0).sum()),
    )  # fmt: skip


def _nearest(samples: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    samples, train = np.asarray(samples, np.float64), np.asarray(train, np.float64)
    rows = nearest(samples, train, 1)[:, 0]
    return rows, np.linalg.norm(samples - train[rows], axis=1)
