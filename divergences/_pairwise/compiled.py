"""The inner loops, compiled: one tile of squared distances at a time, all reductions while it is in cache.

Loaded on first use. Sums run in float64. ``reassoc`` lets the compiler sum in vector lanes; infinities
keep their meaning (weights of 0 have the logarithm −inf), NaNs do not occur.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from divergences._pairwise.compiled_numbers import (
    LOOSE,
    UNDERFLOW,
    bits,
    exp,
    maximum,
    minimum_with_mass,
)

__all__ = [
    "Found",
    "Tile",
    "Wanted",
    "differences_tile",
    "direct_tile",
    "finished_tile",
    "group_log_sums",
    "moments_tile",
    "product_tile",
    "screened_tile",
]

ROOT, GAUSSIAN, LAPLACE, RATIONAL, POWER = range(5)  # the codes of functions.py

ROOM = 30.0  # a sum is scaled anew when a term exceeds the largest before by more than e^ROOM
FEW = 16  # terms that may be passed over for what they are, beside all that are certainly less
CHUNK = 64  # columns that are passed over at once where the largest of them does not matter


class Wanted(NamedTuple):
    """The functions to sum, by code and rate, and the rates of log sums (of the root, if ``rooted``)."""

    codes: np.ndarray
    rates: np.ndarray
    log_rates: np.ndarray
    rooted: bool


class Found(NamedTuple):
    """What has been summed for each row so far: ``(functions, rows)``; log sums as total · exp(top)."""

    sums: np.ndarray
    tops: np.ndarray
    totals: np.ndarray


class Tile(NamedTuple):
    """Rows against columns, with the columns' weights and log weights.

    Row i counts as row ``place + i`` of what is found; column j is column ``first + j`` of all, and
    ``own[i]`` the one that row i may not use (``own`` is empty where all may).
    """

    x: np.ndarray
    y: np.ndarray
    x_squares: np.ndarray
    y_squares: np.ndarray
    own: np.ndarray
    place: int
    first: int
    b: np.ndarray
    logs: np.ndarray


# ── reductions of one row of a tile ─────────────────────────────────────────────────────────


@njit(fastmath=LOOSE)
def _sum_of(code: int, rate: float, t: np.ndarray, b: np.ndarray) -> float:
    """Σ_j b_j f(t_j); t are squared distances."""
    total = 0.0
    if code == ROOT:
        for j in range(t.size):
            total += b[j] * math.sqrt(t[j])
    elif code == GAUSSIAN:
        for j in range(t.size):
            total += b[j] * exp(max(-rate * t[j], UNDERFLOW))
    elif code == LAPLACE:
        for j in range(t.size):
            total += b[j] * exp(max(-rate * math.sqrt(t[j]), UNDERFLOW))
    elif code == RATIONAL:
        for j in range(t.size):
            total += b[j] / (1.0 + rate * t[j])
    else:
        for j in range(t.size):
            total += b[j] * t[j] ** rate
    return total


@njit(fastmath=LOOSE)
def _log_sum(
    t: np.ndarray, logs: np.ndarray, rate: float, exponents: np.ndarray, top: float, total: float
) -> tuple[float, float]:
    """(top, total) with Σ exp so far = total · exp(top), after the terms logs_j − rate · t_j."""
    above, room = 0, top + ROOM  # a count runs in vector lanes, a maximum does not
    for j in range(t.size):
        value = logs[j] - rate * t[j]
        exponents[j] = value
        above += value > room
    if above:
        largest = max(top, maximum(exponents[: t.size]))
        total *= math.exp(max(top - largest, UNDERFLOW))
        top = largest
    if top == -np.inf:
        return top, total
    new = 0.0
    for j in range(t.size):
        new += exp(max(exponents[j] - top, UNDERFLOW))
    return top, total + new


@njit(fastmath=LOOSE)
def reduce_row(
    t: np.ndarray, i: int, b: np.ndarray, logs: np.ndarray, wanted: Wanted, found: Found, work: np.ndarray
) -> None:
    """Every reduction of row i's squared distances ``t``, which are spent afterwards."""
    for k in range(wanted.codes.size):
        found.sums[k, i] += _sum_of(wanted.codes[k], wanted.rates[k], t, b)
    if wanted.rooted:
        for j in range(t.size):
            t[j] = math.sqrt(t[j])
    for k in range(wanted.log_rates.size):
        found.tops[k, i], found.totals[k, i] = _log_sum(
            t, logs, wanted.log_rates[k], work, found.tops[k, i], found.totals[k, i]
        )


@njit(fastmath=LOOSE)
def differences(row: np.ndarray, features: np.ndarray, start: int, stop: int, t: np.ndarray) -> None:
    """Squared distances of one row to columns start … stop, feature by feature."""
    value, feature = row[0], features[0, start:stop]
    for j in range(t.size):
        step = value - feature[j]
        t[j] = step * step
    for k in range(1, row.size):
        value, feature = row[k], features[k, start:stop]
        for j in range(t.size):
            step = value - feature[j]
            t[j] += step * step


@njit(fastmath=LOOSE)
def apart(one: np.ndarray, other: np.ndarray) -> float:
    total = 0.0
    for k in range(one.size):
        step = one[k] - other[k]
        total += step * step
    return total


# ── tiles ───────────────────────────────────────────────────────────────────────────────────


@njit(cache=True, nogil=True, fastmath=LOOSE)
def direct_tile(
    x: np.ndarray, features: np.ndarray, begin: int, own: np.ndarray, first: int,
    b: np.ndarray, logs: np.ndarray, width: int, wanted: Wanted, found: Found,
) -> None:  # fmt: skip
    """Reduce the distances of the rows x (n, d) to the columns ``features[:, begin:]`` from differences.

    ``own[i] − first`` is the column that row i may not use. ``width`` columns are in hand at a time.
    """
    t, work = np.empty(width), np.empty(width)
    for start in range(begin, features.shape[1], width):
        stop = min(start + width, features.shape[1])
        part_b, part_logs = b[start:stop], logs[start:stop]
        line = t[: stop - start]
        for i in range(x.shape[0]):
            differences(x[i], features, start, stop, line)
            if own.size and first + start <= own[i] < first + stop:
                line[own[i] - first - start] = np.inf
            reduce_row(line, i, part_b, part_logs, wanted, found, work)


@njit(fastmath=LOOSE)
def mend(t: np.ndarray, tile: Tile, i: int, limit: float) -> None:
    """What is below ``limit`` of row i's squared distances anew, from differences."""
    for j in range(t.size):
        if t[j] < limit:
            t[j] = apart(tile.x[i], tile.y[j])


@njit(fastmath=LOOSE)
def leave_out(t: np.ndarray, tile: Tile, i: int) -> None:
    """Infinitely far is what row i may not use."""
    if tile.own.size and tile.first <= tile.own[i] < tile.first + t.size:
        t[tile.own[i] - tile.first] = np.inf


@njit(fastmath=LOOSE)
def _finish(t: np.ndarray, tile: Tile, i: int, cancels: float, largest: float) -> None:
    """Mend row i of a tile of expanded squared distances; ``largest`` is max ‖y‖²."""
    limit = cancels * (tile.x_squares[i] + largest)
    close = 0  # a count runs in vector lanes, a minimum does not
    for j in range(t.size):
        close += t[j] < limit
    if close:
        mend(t, tile, i, limit)
    leave_out(t, tile, i)


@njit(cache=True, nogil=True, fastmath=LOOSE)
def product_tile(squared: np.ndarray, tile: Tile, cancels: float, wanted: Wanted, found: Found) -> None:
    """The same from a tile of squared distances by the expansion about a common centre.

    Where t < cancels · (‖x‖² + max ‖y‖²) too few digits are left: those are taken from differences.
    """
    work = np.empty(tile.y.shape[0])
    largest = tile.y_squares.max()
    for i in range(tile.x.shape[0]):
        t = squared[i]
        _finish(t, tile, i, cancels, largest)
        reduce_row(t, tile.place + i, tile.b, tile.logs, wanted, found, work)


@njit(cache=True, nogil=True, fastmath=LOOSE)
def screened_tile(
    brackets: np.ndarray, tile: Tile, margins: np.ndarray, negligible: float, depth: float, most: int,
    rate: float, found: Found,
) -> bool:  # fmt: skip
    """Log sums of a tile from float32 products: the terms that they cannot rule out, in float64.

    The logarithm of a term is 2 · rate · bracket − rate · ‖x‖²; the bracket, x·y_j − shift_j, is known to
    within ``margins[i]``. Terms that are certainly below exp(top − depth) are passed over, and of those
    below exp(top) · negligible / FEW as many as add up to exp(top) · negligible; the others are computed
    from differences. False, and nothing done, if there are more than ``most`` of them.
    """
    slight = math.log(negligible / FEW)
    chunks = np.empty((brackets.shape[1] + CHUNK - 1) // CHUNK, dtype=np.float32)
    rows = slice(tile.place, tile.place + tile.x.shape[0])
    tops, totals = found.tops[0, rows].copy(), found.totals[0, rows].copy()
    taken = 0
    for i in range(tile.x.shape[0]):
        line = brackets[i]
        if tile.own.size and tile.first <= tile.own[i] < tile.first + line.size:
            line[tile.own[i] - tile.first] = -np.inf
        for c in range(chunks.size):
            start, stop = c * CHUNK, min((c + 1) * CHUNK, line.size)
            largest = np.float32(-np.inf)
            for j in range(start, stop):
                largest = max(largest, line[j])
            chunks[c] = largest
        top, total = tops[i], totals[i]
        offset = rate * tile.x_squares[i]
        least = max(top, 2.0 * rate * (np.float64(chunks.max()) - margins[i]) - offset) - depth
        limit = (least + offset) / (2.0 * rate) - margins[i]
        highest, passed = least + depth, 0.0
        for c in range(chunks.size):
            if chunks[c] < limit or chunks[c] == -np.inf:
                continue
            for j in range(c * CHUNK, min((c + 1) * CHUNK, line.size)):
                if line[j] < limit or line[j] == -np.inf:
                    continue
                bound = 2.0 * rate * (line[j] + margins[i]) - offset - highest
                if bound < slight and passed < negligible:
                    passed += math.exp(bound)
                    continue
                taken += 1
                value = tile.logs[j] - rate * apart(tile.x[i], tile.y[j])
                if value > top:
                    total = total * math.exp(max(top - value, UNDERFLOW)) + 1.0
                    top = value
                else:
                    total += math.exp(max(value - top, UNDERFLOW))
        if taken > most:
            return False
        tops[i], totals[i] = top, total
    found.tops[0, rows], found.totals[0, rows] = tops, totals
    return True


# ── log sums of near groups ─────────────────────────────────────────────────────────────────


@njit(cache=True, nogil=True, fastmath=LOOSE)
def group_log_sums(
    x: np.ndarray, own: np.ndarray, features: np.ndarray, logs: np.ndarray, low: np.ndarray, high: np.ndarray,
    weights: np.ndarray, height: int, width: int, rates: np.ndarray, rooted: bool, slack: float,
    tops: np.ndarray, totals: np.ndarray,
) -> None:  # fmt: skip
    """Log sums of rows with groups of ``width`` columns, near groups first, far ones passed over.

    A group is left out for a rate where its bound, ``weights[g]`` − rate · (distance of the boxes)², is
    below every row's largest term by more than −slack. ``own[i]``: the column that row i may not use.
    """
    t, work, apart = np.empty(width), np.empty(width), np.empty(weights.size)
    for begin in range(0, x.shape[0], height):
        end = min(begin + height, x.shape[0])
        apart[:] = 0.0
        for k in range(x.shape[1]):
            below, above = x[begin:end, k].min(), x[begin:end, k].max()
            for g in range(weights.size):
                gap = max(low[g, k] - above, below - high[g, k], 0.0)
                apart[g] += gap * gap
        for g in np.argsort(apart):
            start = g * width
            stop = min(start + width, features.shape[1])
            line, distance = t[: stop - start], math.sqrt(apart[g]) if rooted else apart[g]
            needed = False
            for r in range(rates.size):
                if weights[g] - rates[r] * distance > tops[r, begin:end].min() + slack:
                    needed = True
            if not needed:
                continue
            for i in range(begin, end):
                differences(x[i], features, start, stop, line)
                if own.size and start <= own[i] < stop:
                    line[own[i] - start] = np.inf
                if rooted:
                    for j in range(line.size):
                        line[j] = math.sqrt(line[j])
                for r in range(rates.size):
                    if weights[g] - rates[r] * distance > tops[r, i] + slack:
                        tops[r, i], totals[r, i] = _log_sum(
                            line, logs[start:stop], rates[r], work, tops[r, i], totals[r, i]
                        )


# ── many log sums from one histogram a row ──────────────────────────────────────────────────


@njit(cache=True, nogil=True, fastmath=LOOSE)
def finished_tile(squared: np.ndarray, tile: Tile, cancels: float) -> None:
    """Mend a tile of expanded squared distances; inf where a row may not use a column."""
    largest = tile.y_squares.max()
    for i in range(tile.x.shape[0]):
        _finish(squared[i], tile, i, cancels, largest)


@njit(cache=True, nogil=True, fastmath=LOOSE)
def differences_tile(
    x: np.ndarray, features: np.ndarray, start: int, own: np.ndarray, first: int, out: np.ndarray
) -> None:
    """The same from differences; ``first`` is the place of column ``start`` among all."""
    for i in range(x.shape[0]):
        differences(x[i], features, start, start + out.shape[1], out[i])
        if own.size and first <= own[i] < first + out.shape[1]:
            out[i, own[i] - first] = np.inf


@njit(cache=True, nogil=True, fastmath=LOOSE)
def moments_tile(
    t: np.ndarray, masses: np.ndarray, centres: np.ndarray, inverses: np.ndarray, low: float, high: float,
    moments: np.ndarray, lows: np.ndarray,
) -> None:  # fmt: skip
    """Eight moments of each row's t − min t in each geometric bin, ``(rows, bins, 8)``.

    Bin 0 ends at ``low``, a power of two; then 32 bins an octave, up to ``high``. What lies beyond is
    passed over. ``lows`` takes the minima.
    """
    base = (bits(low) >> 47) - 1  # type: ignore[call-arg]
    for i in range(t.shape[0]):
        line = t[i]
        least = minimum_with_mass(line, masses)
        lows[i] = least
        if least == np.inf:
            continue
        for j in range(line.size):
            above = line[j] - least
            if above >= high or masses[j] == 0.0:
                continue
            b = 0 if above < low else (bits(above) >> 47) - base
            v, w = (above - centres[b]) * inverses[b], masses[j]
            out = moments[i, b]
            v2 = v * v
            w2, w4 = w * v2, w * v2 * v2
            w6 = w4 * v2
            out[0] += w
            out[1] += w * v
            out[2] += w2
            out[3] += w2 * v
            out[4] += w4
            out[5] += w4 * v
            out[6] += w6
            out[7] += w6 * v
