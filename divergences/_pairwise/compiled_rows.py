"""A tile's sums by row, by column and of squares, compiled: what the variance of a mean over pairs needs."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from divergences._pairwise.compiled import GAUSSIAN, LAPLACE, RATIONAL, ROOT
from divergences._pairwise.compiled_numbers import LOOSE, UNDERFLOW, exp

__all__ = ["kernel_tile"]


@njit(fastmath=LOOSE)
def _add_values(code: int, rate: float, t: np.ndarray, out: np.ndarray) -> None:
    """Add f(t_j) for squared distances t."""
    if code == ROOT:
        for j in range(t.size):
            out[j] += math.sqrt(t[j])
    elif code == GAUSSIAN:
        for j in range(t.size):
            out[j] += exp(max(-rate * t[j], UNDERFLOW))
    elif code == LAPLACE:
        for j in range(t.size):
            out[j] += exp(max(-rate * math.sqrt(t[j]), UNDERFLOW))
    elif code == RATIONAL:
        for j in range(t.size):
            out[j] += 1.0 / (1.0 + rate * t[j])
    else:
        for j in range(t.size):
            out[j] += t[j] ** rate


@njit(cache=True, nogil=True, fastmath=LOOSE)
def kernel_tile(
    squared: np.ndarray, codes: np.ndarray, rates: np.ndarray, itself: bool, by_row: np.ndarray,
    by_column: np.ndarray, diagonal: np.ndarray,
) -> float:  # fmt: skip
    """Σ k² of the mean k of some functions over a tile of squared distances; its sums by row and by column.

    ``itself``: rows and columns are the same, and what is i = j goes to ``diagonal`` alone.
    """
    values = np.empty(squared.shape[1])
    share, squares = 1.0 / codes.size, 0.0
    for i in range(squared.shape[0]):
        values[:] = 0.0
        for k in range(codes.size):
            _add_values(codes[k], rates[k], squared[i], values)
        if itself:
            diagonal[i] = share * values[i]
            values[i] = 0.0
        total = 0.0
        for j in range(values.size):
            value = share * values[j]
            total += value
            by_column[j] += value
            squares += value * value
        by_row[i] = total
    return squares
