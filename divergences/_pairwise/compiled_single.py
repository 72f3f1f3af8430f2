"""Tiles of rows that came in float32: products in float32, sums in float64."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from divergences._pairwise.compiled import (
    GAUSSIAN,
    LAPLACE,
    RATIONAL,
    ROOT,
    Found,
    Tile,
    Wanted,
    leave_out,
    mend,
    reduce_row,
)
from divergences._pairwise.compiled_numbers import LOOSE, UNDERFLOW, UNDERFLOW_32, exp_32, minimum

__all__ = ["single_tile", "widened_tile"]

STEEPEST = 3e38  # of rates: infinity times a distance of 0 would be no number
EVEN = 7.0  # of log weights: how far they may be apart where the nearest column has the largest term


@njit(fastmath=LOOSE)
def _sum_of_32(code: int, rate: float, t: np.ndarray, b: np.ndarray) -> float:
    """``_sum_of`` float32 distances: the functions in float32, their sum in float64."""
    total, slope = 0.0, np.float32(-min(rate, STEEPEST))
    if code == ROOT:
        for j in range(t.size):
            total += b[j] * np.float64(math.sqrt(t[j]))
    elif code == GAUSSIAN:
        for j in range(t.size):
            total += b[j] * np.float64(exp_32(max(slope * t[j], UNDERFLOW_32)))
    elif code == LAPLACE:
        for j in range(t.size):
            total += b[j] * np.float64(exp_32(max(slope * math.sqrt(t[j]), UNDERFLOW_32)))
    elif code == RATIONAL:
        for j in range(t.size):
            total += b[j] / (1.0 + rate * t[j])
    else:
        for j in range(t.size):
            total += b[j] * np.float64(t[j]) ** rate
    return total


@njit(fastmath=LOOSE)
def _log_sums_32(
    t: np.ndarray, slopes: np.ndarray, highest: float, lows: np.ndarray, rates: np.ndarray, i: int,
    found: Found, work: np.ndarray,
) -> None:  # fmt: skip
    """``_log_sum`` at all rates with exponentials in float32, for weights of one order of magnitude.

    ``lows`` are the log weights below ``highest``, their maximum. Terms are measured against that of the
    least t with the largest weight, which none of them exceeds.
    """
    least = minimum(t)
    if least == np.inf:
        return
    for j in range(t.size):
        work[j] = np.float32(t[j] - least)
    for k in range(rates.size):
        slope, new = slopes[k], 0.0
        for j in range(t.size):
            new += np.float64(exp_32(max(lows[j] - slope * work[j], UNDERFLOW_32)))
        here = highest - rates[k] * least
        top = max(found.tops[k, i], here)
        found.totals[k, i] = found.totals[k, i] * math.exp(max(found.tops[k, i] - top, UNDERFLOW)) + (
            new * math.exp(max(here - top, UNDERFLOW))
        )
        found.tops[k, i] = top


@njit(fastmath=LOOSE)
def _widened(line: np.ndarray, squares: np.ndarray, square: float, limit: float, t: np.ndarray) -> int:
    """A row's squared distances in float64 from its inner products, and how many are below ``limit``.

    ``squares`` are ‖y‖², ``square`` is ‖x‖².
    """
    close = 0
    for j in range(t.size):
        t[j] = square + squares[j] - 2.0 * line[j]
        close += t[j] < limit
    return close


@njit(fastmath=LOOSE)
def _single(line: np.ndarray, squares: np.ndarray, square: np.float32, limit: np.float32) -> int:
    """The same in float32 and in place."""
    close, twice = 0, np.float32(2.0)
    for j in range(line.size):
        line[j] = square + squares[j] - twice * line[j]
        close += line[j] < limit
    return close


@njit(cache=True, nogil=True, fastmath=LOOSE)
def single_tile(
    products: np.ndarray, tile: Tile, cancels: float, most: int, wanted: Wanted, found: Found
) -> bool:
    """``product_tile`` from inner products in float32, which are spent.

    ``x_squares`` and ``y_squares`` must be of the very rows that were multiplied. False, and nothing
    done, if more than ``most`` pairs are so close that they need differences.
    """
    rows = slice(tile.place, tile.place + tile.x.shape[0])
    kept = Found(found.sums[:, rows].copy(), found.tops[:, rows].copy(), found.totals[:, rows].copy())
    width, largest = tile.y.shape[0], tile.y_squares.max()
    squares, logs = tile.y_squares.astype(np.float32), wanted.log_rates.size > 0
    t, work = np.empty(width if logs else 0), np.empty(width if logs else 0)
    highest = tile.logs.max()
    even = wanted.codes.size == 0 and not wanted.rooted and highest - tile.logs.min() < EVEN
    lows = (tile.logs - highest).astype(np.float32)
    slopes = np.minimum(wanted.log_rates, STEEPEST).astype(np.float32)
    single = np.empty(width, dtype=np.float32)
    for i in range(tile.x.shape[0]):
        square, line = tile.x_squares[i], products[i]
        limit = cancels * (square + largest)
        if logs:
            close = _widened(line, tile.y_squares, square, limit, t)
        else:
            close = _single(line, squares, np.float32(square), np.float32(limit))
        most -= close
        if most < 0:
            return False
        if logs:
            if close:
                mend(t, tile, i, limit)
            leave_out(t, tile, i)
            if even:
                _log_sums_32(t, slopes, highest, lows, wanted.log_rates, i, kept, single)
            else:
                reduce_row(t, i, tile.b, tile.logs, wanted, kept, work)
        else:
            if close:
                mend(line, tile, i, limit)
            for k in range(wanted.codes.size):
                kept.sums[k, i] += _sum_of_32(wanted.codes[k], wanted.rates[k], line, tile.b)
    found.sums[:, rows], found.tops[:, rows], found.totals[:, rows] = kept.sums, kept.tops, kept.totals
    return True


@njit(cache=True, nogil=True, fastmath=LOOSE)
def widened_tile(products: np.ndarray, tile: Tile, cancels: float, most: int, out: np.ndarray) -> bool:
    """``finished_tile`` from inner products in float32, into ``out``; False as ``single_tile``."""
    largest = tile.y_squares.max()
    for i in range(tile.x.shape[0]):
        square = tile.x_squares[i]
        limit = cancels * (square + largest)
        close = _widened(products[i], tile.y_squares, square, limit, out[i])
        most -= close
        if most < 0:
            return False
        if close:
            mend(out[i], tile, i, limit)
        leave_out(out[i], tile, i)
    return True
