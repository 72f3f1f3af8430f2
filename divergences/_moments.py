"""Means and second moments of rows read by blocks: one pass, merged block by block, no digits lost.

The second moment is kept either as the scatter S = Σ a (x − mean)(x − mean)ᵀ, or as a triangular
root R with RᵀR = S, which keeps the digits of nearly dependent features (S has the square of R's
condition number). Both merge: a block's deviations are stacked under what there is, with one row
for the shift of the mean (Chan, Golub & LeVeque 1983, eq. 2.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from divergences._arrays import Array
from divergences._inputs import common_frame, divided, power_of_two

__all__ = ["Moments", "accumulated", "scatter", "triangular"]

LARGEST_OFFSET = 1e300  # subtracting more could overflow on a row of the other sign


@dataclass(frozen=True, slots=True)
class Moments:
    """Total weight, mean and second moment of rows, from an origin and over a scale.

    The mean of the rows is ``origin + scale * mean``.
    """

    weight: float
    origin: np.ndarray
    scale: float
    mean: np.ndarray
    second: np.ndarray  # S / scale², or R / scale


def scatter(second: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """S + rowsᵀ rows."""
    return second + rows.T @ rows


def triangular(root: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The triangular root of RᵀR + rowsᵀ rows, at most as tall as wide."""
    factor: Array = np.linalg.qr(np.concatenate([root, rows]), mode="r")
    return factor


def accumulated(
    blocks: Iterable[tuple[np.ndarray, np.ndarray]],
    absorb: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    degree: int,
) -> Moments:
    """The moments of blocks of (rows, weights); ``absorb`` is ``scatter`` (degree 2) or ``triangular`` (1).

    The origin is taken from the first block, a column each where its offset exceeds its spread, so
    that a common offset costs no digits; the scale grows as larger rows come, so that nothing
    overflows.
    """
    total: Moments | None = None
    for rows, weights in blocks:
        rows = rows.astype(np.float64, copy=False)
        if total is None:
            origin = common_frame(np, rows, rows)[0]
            origin[np.abs(origin) > LARGEST_OFFSET] = 0.0
            start = np.zeros((rows.shape[1],) * 2 if degree == 2 else (0, rows.shape[1]))
            total = Moments(0.0, origin, 2.0**-1000, np.zeros(rows.shape[1]), start)
        if np.any(total.origin != 0):
            rows = rows - total.origin
        total = _with(total, rows, weights, absorb, degree)
    if total is None:
        raise ValueError("there are no rows")
    return total


def _with(
    total: Moments,
    rows: np.ndarray,
    weights: np.ndarray,
    absorb: Callable[[np.ndarray, np.ndarray], np.ndarray],
    degree: int,
) -> Moments:
    weight = float(weights.sum())
    if weight == 0.0:
        return total
    scale = max(total.scale, power_of_two(float(np.max(np.abs(rows)))) if np.any(rows) else 0.0)
    rows, shrunk = divided(rows, scale), total.scale / scale
    mean = (weights / weight) @ rows
    deviations = rows - mean
    deviations *= np.sqrt(weights)[:, None]
    both = total.weight + weight
    before = total.mean * shrunk
    delta = mean - before
    shift = delta * math.sqrt(total.weight * weight / both)
    return Moments(
        weight=both,
        origin=total.origin,
        scale=scale,
        mean=before + delta * (weight / both),
        second=absorb(total.second * shrunk**degree, np.concatenate([deviations, shift[None, :]])),
    )
