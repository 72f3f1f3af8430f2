"""The inner loops of gradients, compiled: what each pair of rows adds to the slopes of the sums over pairs.

A pair adds w · (x_i − y_j) to row i and takes it from row j, where w is the derivative of all that is asked
for by the halved squared distance. Where a product would spoil differences they are taken directly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from divergences._pairwise.compiled import (
    GAUSSIAN,
    LAPLACE,
    RATIONAL,
    ROOT,
    Tile,
    Wanted,
    apart,
    differences,
)
from divergences._pairwise.compiled_numbers import LOOSE, UNDERFLOW, exp

__all__ = ["Upstream", "direct_slopes", "weigh_tile"]


class Upstream(NamedTuple):
    """The derivatives by what was found: by each sum, and by each row's log sums ``(rates, rows)``.

    ``log_sums`` are the found ones, of the same shape. ``twice`` is the column from which on a pair counts
    twice. ``masses`` says whether slopes by the weights are wanted, ``columns`` those by y.
    """

    sums: np.ndarray
    logs: np.ndarray
    log_sums: np.ndarray
    twice: int
    masses: bool
    columns: bool


@njit(fastmath=LOOSE)
def _slopes_of(code: int, rate: float, g: float, t: np.ndarray, w: np.ndarray) -> None:
    """w_j += 2g f′(t_j); 0 where rows coincide."""
    if code == ROOT:
        for j in range(t.size):
            w[j] += g / math.sqrt(t[j]) if t[j] > 0.0 else 0.0
    elif code == GAUSSIAN:
        for j in range(t.size):
            w[j] -= 2.0 * g * rate * exp(max(-rate * t[j], UNDERFLOW))
    elif code == LAPLACE:
        for j in range(t.size):
            root = math.sqrt(t[j])
            w[j] -= g * rate * exp(max(-rate * root, UNDERFLOW)) / root if root > 0.0 else 0.0
    elif code == RATIONAL:
        for j in range(t.size):
            share = 1.0 / (1.0 + rate * t[j])
            w[j] -= 2.0 * g * rate * share * share
    else:
        for j in range(t.size):
            w[j] += 2.0 * g * rate * t[j] ** (rate - 1.0) if t[j] > 0.0 else 0.0


@njit(fastmath=LOOSE)
def _values_of(code: int, rate: float, g: float, t: np.ndarray, v: np.ndarray) -> None:
    """v_j += g f(t_j)."""
    for j in range(t.size):
        if code == ROOT:
            v[j] += g * math.sqrt(t[j])
        elif code == GAUSSIAN:
            v[j] += g * exp(max(-rate * t[j], UNDERFLOW))
        elif code == LAPLACE:
            v[j] += g * exp(max(-rate * math.sqrt(t[j]), UNDERFLOW))
        elif code == RATIONAL:
            v[j] += g / (1.0 + rate * t[j])
        else:
            v[j] += g * t[j] ** rate


@njit(fastmath=LOOSE)
def _weigh(
    t: np.ndarray, first: int, i: int, mass: float, b: np.ndarray, logs: np.ndarray, wanted: Wanted,
    up: Upstream, w: np.ndarray, v: np.ndarray, by_b: np.ndarray, by_logs: np.ndarray,
) -> float:  # fmt: skip
    """w of row i and columns ``first`` …; slopes by b and the log weights are added; that by a_i returned."""
    w[:] = 0.0
    by_mass = 0.0
    if wanted.codes.size:
        for k in range(wanted.codes.size):
            _slopes_of(wanted.codes[k], wanted.rates[k], up.sums[k], t, w)
        if up.masses:
            v[:] = 0.0
            for k in range(wanted.codes.size):
                _values_of(wanted.codes[k], wanted.rates[k], up.sums[k], t, v)
        single = min(max(up.twice - first, 0), t.size)
        for start, stop, times in ((0, single, 1.0), (single, t.size, 2.0)):
            for j in range(start, stop):
                w[j] *= times * mass * b[j]
            if up.masses:
                for j in range(start, stop):
                    by_mass += times * v[j] * b[j]
                    by_b[j] += times * v[j] * mass
    for r in range(wanted.log_rates.size):
        g, rate, total = up.logs[r, i], wanted.log_rates[r], up.log_sums[r, i]
        if total == -np.inf or g == 0.0:
            continue
        for j in range(t.size):
            root = math.sqrt(t[j])
            share = g * exp(
                min(max(logs[j] - rate * (root if wanted.rooted else t[j]) - total, UNDERFLOW), 1.0)
            )
            by_logs[j] += share
            if not wanted.rooted:
                w[j] -= 2.0 * rate * share
            elif root > 0.0:
                w[j] -= rate * share / root
    return by_mass


@njit(cache=True, nogil=True, fastmath=LOOSE)
def direct_slopes(
    x: np.ndarray, features: np.ndarray, begin: int, own: np.ndarray, a: np.ndarray, b: np.ndarray,
    logs: np.ndarray, width: int, wanted: Wanted, up: Upstream, by_x: np.ndarray, by_features: np.ndarray,
    by_a: np.ndarray, by_b: np.ndarray, by_logs: np.ndarray,
) -> None:  # fmt: skip
    """Slopes of the rows x and the columns ``features[:, begin:]``, all from differences.

    ``own[i]`` is the column that row i may not use. ``width`` columns are in hand at a time.
    """
    line, weights, values = np.empty(width), np.empty(width), np.empty(width)
    for start in range(begin, features.shape[1], width):
        stop = min(start + width, features.shape[1])
        t, w, v = line[: stop - start], weights[: stop - start], values[: stop - start]
        for i in range(x.shape[0]):
            differences(x[i], features, start, stop, t)
            if own.size and start <= own[i] < stop:
                t[own[i] - start] = np.inf
            by_a[i] += _weigh(
                t, start, i, a[i], b[start:stop], logs[start:stop], wanted, up, w, v,
                by_b[start:stop], by_logs[start:stop],
            )  # fmt: skip
            for k in range(x.shape[1]):
                value, feature, total = x[i, k], features[k, start:stop], 0.0
                if up.columns:
                    by_feature = by_features[k, start:stop]
                    for j in range(t.size):
                        step = w[j] * (value - feature[j])
                        total += step
                        by_feature[j] -= step
                else:
                    for j in range(t.size):
                        total += w[j] * (value - feature[j])
                by_x[i, k] += total


@njit(cache=True, nogil=True, fastmath=LOOSE)
def weigh_tile(
    squared: np.ndarray, tile: Tile, a: np.ndarray, cancels: float, wanted: Wanted, up: Upstream,
    by_x: np.ndarray, by_y: np.ndarray, by_a: np.ndarray, by_b: np.ndarray, by_logs: np.ndarray,
) -> None:  # fmt: skip
    """A tile of expanded squared distances becomes the w of its pairs, for two products with the rows.

    Rows so near each other that too few digits of their distance are left add their slopes here, from
    differences, and have w = 0 in the tile.
    """
    w, v = np.empty(squared.shape[1]), np.empty(squared.shape[1])
    largest = tile.y_squares.max()
    for i in range(squared.shape[0]):
        t = squared[i]
        limit = cancels * (tile.x_squares[i] + largest)
        close = 0
        for j in range(t.size):
            close += t[j] < limit
        near = np.empty(close, dtype=np.int64)
        if close:
            found = 0
            for j in range(t.size):
                if t[j] < limit:
                    near[found] = j
                    found += 1
            for j in near:  # type: ignore[assignment]
                t[j] = apart(tile.x[i], tile.y[j])
        mine = tile.own[i] - tile.first if tile.own.size else -1
        if 0 <= mine < t.size:
            t[mine] = np.inf
        by_a[i] += _weigh(
            t, tile.first, tile.place + i, a[i], tile.b, tile.logs, wanted, up, w, v, by_b, by_logs
        )
        for j in near:  # type: ignore[assignment]
            for k in range(tile.x.shape[1]):
                step = w[j] * (tile.x[i, k] - tile.y[j, k])
                by_x[i, k] += step
                by_y[j, k] -= step
            w[j] = 0.0
        t[:] = w
