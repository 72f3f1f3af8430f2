"""Exact quantiles of weighted numbers that come in blocks, in bounded memory.

Numbers are counted in ever finer intervals about each quantile until what is left is small enough
to be held and sorted. What comes out is what sorting all of them would give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

__all__ = ["distinct", "quantile_cuts"]

Blocks = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]  # a pass: (numbers, masses), block by block

PARTS = 4096  # pieces that an interval is cut into in one pass
GLANCE = 2**16  # numbers looked at in one go
ROUNDING = 1e-12  # a cumulative mass this close to a level has reached it


def distinct(blocks: Blocks, limit: int) -> np.ndarray | None:
    """The distinct numbers, ascending; None where there are more than ``limit``."""
    found = np.empty(0)
    for numbers, _ in blocks():
        for start in range(0, len(numbers), GLANCE):  # mostly the first few say that there are more
            found = np.union1d(found, numbers[start : start + GLANCE])
            if len(found) > limit:
                return None
    return found


def quantile_cuts(
    blocks: Blocks, levels: np.ndarray, low: float, high: float, count: int, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """At each level the number that holds it and the next larger one; without the largest of all.

    ``levels`` ascend in (0, 1), the masses sum to 1, the ``count`` numbers lie in [low, high]; about
    ``limit`` of them may be held at once.
    """
    intervals, below = np.array([[low, high]]), np.zeros(1)
    while count > limit and np.any(intervals[:, 0] < intervals[:, 1]):
        parts, parent = _subdivided(intervals)
        mass, counts = _tallied(blocks, parts)
        reach = _reached(mass, below, parent)
        kept = np.unique(np.minimum(np.searchsorted(reach, levels - ROUNDING), len(reach) - 1))
        intervals, below = parts[kept], reach[kept] - mass[kept]
        count = int(counts[kept].sum())
    numbers, mass, successors = _collected(blocks, intervals, limit)
    parent = np.searchsorted(intervals[:, 1], numbers)
    reach = _reached(mass, below, parent)
    at = np.unique(np.minimum(np.searchsorted(reach, levels - ROUNDING), len(reach) - 1))
    following = np.minimum(at + 1, len(numbers) - 1)
    inside = (following > at) & (parent[following] == parent[at])
    following = np.where(inside, numbers[following], successors[parent[at]])
    return numbers[at][following < np.inf], following[following < np.inf]


def _reached(mass: np.ndarray, below: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """The mass up to the end of each piece: below its interval, and within it."""
    total = np.cumsum(mass)
    first = np.searchsorted(parent, parent)  # the first piece of the same interval
    return below[parent] + (total - (total[first] - mass[first]))


def _subdivided(intervals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each interval in pieces, closed on both sides and disjoint, and which one a piece is of."""
    pieces, parents = [], []
    for k, (first, last) in enumerate(_keys(intervals).tolist()):
        starts = range(first, last + 1, -(-(last + 1 - first) // PARTS))
        ends = [start - 1 for start in starts[1:]] + [last]
        pieces.append(np.array([starts, ends], dtype=np.uint64).T)
        parents.append(np.full(len(starts), k))
    return _numbers(np.concatenate(pieces)), np.concatenate(parents)


def _tallied(blocks: Blocks, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mass and the count of the numbers in each part."""
    mass, counts = np.zeros(len(parts)), np.zeros(len(parts), dtype=np.int64)
    for numbers, masses in blocks():
        place = np.searchsorted(parts[:, 0], numbers, side="right") - 1
        inside = (place >= 0) & (numbers <= parts[place, 1])
        mass += np.bincount(place[inside], masses[inside], len(parts))
        counts += np.bincount(place[inside], minlength=len(parts))
    return mass, counts


def _collected(blocks: Blocks, intervals: np.ndarray, limit: float) -> tuple[np.ndarray, ...]:
    """The distinct numbers in the intervals with their masses, and the number next after each interval."""
    successors = np.full(len(intervals), np.inf)
    numbers, mass = np.empty(0), np.empty(0)
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    for found, masses in blocks():
        ends_before = np.searchsorted(intervals[:, 1], found)
        beyond = ends_before > 0
        np.minimum.at(successors, ends_before[beyond] - 1, found[beyond])
        place = np.minimum(ends_before, len(intervals) - 1)
        inside = (found >= intervals[place, 0]) & (found <= intervals[place, 1])
        waiting.append((found[inside], masses[inside]))
        if sum(len(some) for some, _ in waiting) > limit:
            numbers, mass = _joined([(numbers, mass), *waiting])
            waiting = []
    numbers, mass = _joined([(numbers, mass), *waiting])
    return numbers, mass, np.minimum.accumulate(successors[::-1])[::-1]


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    numbers, which = np.unique(np.concatenate([some for some, _ in parts]), return_inverse=True)
    return numbers, np.bincount(which.reshape(-1), np.concatenate([mass for _, mass in parts]))


# Doubles in the order of 64-bit integers, so that halving an interval always separates two of them.


def _keys(numbers: np.ndarray) -> np.ndarray:
    bits = (numbers + 0.0).view(np.uint64)  # -0.0 is 0.0
    return np.where(bits >> np.uint64(63), ~bits, bits | np.uint64(1 << 63))


def _numbers(keys: np.ndarray) -> np.ndarray:
    bits = np.where(keys >> np.uint64(63), keys ^ np.uint64(1 << 63), ~keys)
    return np.ascontiguousarray(bits).view(np.float64)
