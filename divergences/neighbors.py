"""Precision, recall, density and coverage: what a model's samples miss and what they invent.

Each set's support is estimated by balls about its points, reaching to the k-th nearest other
point of that set (Kynkäänniemi et al. 2019; Naeem et al. 2020).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from divergences._arrays import Array, detached, from_numpy, to_numpy
from divergences._inputs import check_integer, check_pair, scalar
from divergences._neighbor_search import balls, nearest
from divergences._pairwise import paired_squared_distances
from divergences.registry import metric

__all__ = ["PrecisionRecall", "precision_recall"]

TIE = 1e-9  # squared distances closer than this, relative, are equal: their accuracy


class PrecisionRecall(NamedTuple):
    """``precision`` and ``recall`` in [0, 1], ``density`` in [0, ∞), ``coverage`` in [0, 1]."""

    precision: Any
    recall: Any
    density: Any
    coverage: Any


# what each row of a report tells
PrecisionRecall.precision.__doc__ = "share of model samples that look real: inside the ball of a real one"
PrecisionRecall.recall.__doc__ = "share of real samples the model reaches: in the ball of one of its own"
PrecisionRecall.density.__doc__ = "how densely real samples surround the model's: about 1 when P = Q"
PrecisionRecall.coverage.__doc__ = "share of real samples with a model sample in their own ball"


@metric(
    laws=(
        "parts: precision recall density coverage", "similarity invariant", "order of rows",
        "needs 7 rows",
    ),
    on="samples", degree=0, differentiable=False, better="higher", cost="n*m",
    meaning="share of model samples that look real (precision, density) and of real ones that are reached "
    "(recall, coverage)",
    reference="Kynkäänniemi et al. 2019; Naeem et al. 2020",
)  # fmt: skip
def precision_recall(x: Any, y: Any, *, k: int = 5) -> PrecisionRecall:
    """Precision, recall, density and coverage of generated ``y`` against real ``x``; higher is better.

    precision: share of y inside some ball of x. recall: share of x inside some ball of y.
    coverage: share of x whose ball holds some y. density: mean over y of (number of balls of x
    that hold it)/k; about 1 when P = Q, above 1 where y crowds the modes. The ball of a point
    reaches to its k-th nearest other point of its own set (self excluded).

    Boundaries: balls are closed (distance ≤ radius) for precision, recall and coverage, so that
    constant data are defined. For density each ball of x counts as holding exactly k of the n
    rows of x, its centre included: with no ties that is the open ball of prdc, and ties on the
    boundary share the count that is left. Identical sets therefore give 1, 1, 1, 1, always.

    ``k`` must be below both sample sizes. Not differentiable. Invariant under shifts, rotations
    and scalings of the data (Kynkäänniemi et al. 2019, eq. 1; Naeem et al. 2020, eqs. 3 and 4).

    >>> precision_recall([0.0, 1.0, 2.0], [0.0, 1.0, 9.0], k=1)[:2]
    (np.float64(0.6666666666666666), np.float64(1.0))
    """
    k = check_integer(k, "k")
    pair = check_pair(x, y)
    check_integer(k, "k", below=min(pair.n, pair.m), why="a row needs k others of its own set")
    x_radii, tied = _squared_radii(pair.x, k)
    y_radii, _ = _squared_radii(pair.y, k)
    strictly, on_boundary, fake_hold_x, real_hold_y = balls(pair.x, pair.y, x_radii, y_radii, tolerance=TIE)
    if tied:
        own_strictly, own_boundary, _, _ = balls(pair.x, pair.x, x_radii, tolerance=TIE)
        share = np.where(own_boundary > 0, (k - own_strictly) / np.maximum(own_boundary, 1), 0.0)
    else:
        share = np.zeros(pair.n)  # the centre and k − 1 neighbours are strictly inside already
    values = (
        np.mean(real_hold_y > 0),
        np.mean(fake_hold_x > 0),
        np.sum(strictly + share * on_boundary) / (k * pair.m),
        np.mean(strictly + on_boundary > 0),
    )
    return PrecisionRecall(*(scalar(from_numpy(v, pair.x), pair.dtype) for v in values))


def _squared_radii(x: Array, k: int) -> tuple[Array, bool]:
    """Squared distance to the k-th nearest other row, and whether any ball has ties at its edge."""
    x = detached(x)
    wanted = min(k + 1, int(x.shape[0]) - 1)
    columns = nearest(x, x, wanted, exclude_self=True)
    squared = np.stack(
        [to_numpy(paired_squared_distances(x, x[from_numpy(c, x)])) for c in columns.T], axis=1
    )
    squared.sort(axis=1)  # near-ties may come in either order
    radii = squared[:, k - 1]
    below = squared[:, k - 2] if k > 1 else np.full(len(squared), -1.0)
    above = squared[:, k] if wanted > k else np.full(len(squared), np.inf)
    tied = (radii <= 0) | (below >= radii * (1 - TIE)) | (above <= radii * (1 + TIE))
    return from_numpy(radii, x), bool(tied.any())
