"""All pairs in tiles: the k nearest rows, and the rows in balls, exact in float64.

The work is cut into runs of row tiles, which joblib's workers share. With one worker and y = x a
product serves both of its sides, which needs the heaps of all rows at once.
"""

from __future__ import annotations

import sys

import numpy as np

from divergences._neighbor_search.kernels import NONE_WANTED, NONE_YET, TINY, count_tiles, search_tiles
from divergences._neighbor_search.tiles import Frame, Side, common_frame, side
from divergences._pairwise.workers import spread
from divergences._progress import Bar
from divergences._rows import working_memory

__all__ = ["count_by_tiles", "nearest_by_tiles"]

COARSE = 16  # evaluated pairs a row and neighbour: with more, the float32 bound is too coarse
RUNS = 64  # that the work is cut into, at most; each at least RUN_TILES
RUN_TILES = 4
STATE_BYTES = 2**26  # heaps that a run may hold
LABEL = "nearest neighbours"
LONG = 2e11  # multiplications from which on a search shows its progress


def nearest_by_tiles(
    x: np.ndarray, y: np.ndarray, k: int, *, exclude_self: bool, kth: bool
) -> np.ndarray | None:
    """Columns of the k nearest, nearest first (of the ``kth`` alone: one column); None: out of range.

    Equal distances are told apart by column, except 0.
    """
    frame = common_frame(x, y)
    if frame is None:
        return None
    symmetric = y is x and _one_worker() and 16 * k * len(x) <= working_memory() / 8
    find = _nearest_symmetric if symmetric else _nearest_by_rows
    return find(x, y, k, frame, exclude_self, kth)


def _nearest_symmetric(
    x: np.ndarray, y: np.ndarray, k: int, frame: Frame, exclude_self: bool, kth: bool
) -> np.ndarray:
    one = side(x, frame, rows=True, tiles=True)
    count = len(one.order)
    state = _state(one, 0, count, k)
    runs = [(0, count, True), *((*run, False) for run in _runs(count, count))]
    evaluated = 0
    with _bar(len(x), x) as bar:
        for first, last, diagonal in runs:
            evaluated += search_tiles(
                first, last, 0, True, diagonal, exclude_self, x, x, one, one, frame.kernel, *state
            )
            if frame.single and evaluated > _too_many(len(x), k):
                frame = frame._replace(single=False)
                one = side(x, frame, rows=True, tiles=True)
            # of the tiles above the diagonal this share is left
            bar.reach(0 if diagonal else len(x) * (1 - (1 - last / count) ** 2))
    return _scattered(len(x), [(one.order, _sorted(*state[:2], kth))])


def _nearest_by_rows(
    x: np.ndarray, y: np.ndarray, k: int, frame: Frame, exclude_self: bool, kth: bool
) -> np.ndarray:
    def both(frame: Frame) -> tuple[Side, Side]:
        return side(x, frame, rows=True, tiles=False), side(y, frame, rows=False, tiles=True)

    x_side, y_side = both(frame)
    runs = _runs(len(x_side.order), int(STATE_BYTES // (16 * k * x_side.order.shape[1])))
    arguments = (x, y, x_side, y_side, frame.kernel, k, exclude_self, kth)
    found = [_nearest_of_run(runs[0], *arguments)]
    if frame.single and found[0][1] > _too_many(runs[0][1] * x_side.order.shape[1], k):
        frame = frame._replace(single=False)
        arguments = (x, y, *both(frame), frame.kernel, k, exclude_self, kth)
    label = LABEL if _long(x, y) else None
    found += spread(_nearest_of_run, runs[1:], arguments, label=label)
    orders = (x_side.order[first:last] for first, last in runs)
    return _scattered(len(x), [(order, columns) for order, (columns, _) in zip(orders, found, strict=True)])


def _nearest_of_run(
    run: tuple[int, int],
    x: np.ndarray,
    y: np.ndarray,
    x_side: Side,
    y_side: Side,
    frame: tuple[float, float],
    k: int,
    exclude_self: bool,
    kth: bool,
) -> tuple[np.ndarray, int]:
    first, last = run
    state = _state(x_side, first, last, k)
    evaluated = search_tiles(
        first, last, first, False, False, exclude_self, x, y, x_side, y_side, frame, *state
    )
    return _sorted(*state[:2], kth), evaluated


def _state(rows: Side, first: int, last: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Empty heaps of some tiles' rows, and their thresholds."""
    order = rows.order[first:last]
    values = np.full((*order.shape, k), np.inf)
    columns = np.full((*order.shape, k), np.iinfo(np.int64).max)
    return values, columns, np.where(order < 0, NONE_WANTED, NONE_YET)


def _sorted(values: np.ndarray, columns: np.ndarray, kth: bool) -> np.ndarray:
    if kth:
        return columns[..., :1]  # the heap's top is its largest
    by_value = np.lexsort((columns, values), axis=-1)
    return np.take_along_axis(columns, by_value, axis=-1)


def _scattered(n: int, parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """From the order of the tiles back to that of the sample."""
    out = np.empty((n, parts[0][1].shape[-1]), dtype=np.int64)
    for order, columns in parts:
        out[order[order >= 0]] = columns[order >= 0]
    return out


# ── balls ───────────────────────────────────────────────────────────────────────────────────


def count_by_tiles(
    x: np.ndarray, y: np.ndarray, x_squared: np.ndarray, y_squared: np.ndarray | None, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """``balls`` over tiles; None: out of range."""
    frame = common_frame(x, y)
    if frame is None:
        return None

    def prepared(frame: Frame) -> tuple:
        x_side = side(x, frame, rows=True, tiles=False)
        y_side = side(y, frame, rows=False, tiles=True)
        nothing = np.full(len(y), -np.inf) if y_squared is None else y_squared
        radii = (_radii(s, r, frame, tolerance) for s, r in ((x_side, x_squared), (y_side, nothing)))
        return x, y, x_side, y_side, frame.kernel, *radii

    arguments = prepared(frame)
    runs = _runs(len(arguments[2].order), len(arguments[2].order))
    totals = _count_run(runs[0], *arguments)
    if frame.single and totals[-1] > _too_many(runs[0][1] * arguments[2].order.shape[1], 0):
        arguments = prepared(frame._replace(single=False))
    label = LABEL if _long(x, y) else None
    for counts in spread(_count_run, runs[1:], arguments, label=label):
        totals = tuple(total + count for total, count in zip(totals, counts, strict=True))
    return totals[:4]


def _count_run(
    run: tuple[int, int],
    x: np.ndarray,
    y: np.ndarray,
    x_side: Side,
    y_side: Side,
    frame: tuple[float, float],
    x_radii: tuple[np.ndarray, np.ndarray, np.ndarray],
    y_radii: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple:
    counts = tuple(np.zeros(size, dtype=np.int64) for size in (len(x), len(x), len(x), len(y)))
    return *counts, count_tiles(*run, x, y, x_side, y_side, frame, x_radii, y_radii, *counts)


def _radii(
    one: Side, squared: np.ndarray, frame: Frame, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strictly inside below, closed up to, and the latter as thresholds in the order of the tiles."""
    closed = squared * (1 + tolerance)
    limits = np.minimum(closed[one.order] * frame.kernel[0] * (1 + 2.0**-22) + TINY, NONE_YET)
    return squared * (1 - tolerance), closed, np.where(one.order < 0, NONE_WANTED, limits).astype(np.float32)


# ── how the work is cut ─────────────────────────────────────────────────────────────────────


def _runs(tiles: int, most: int) -> list[tuple[int, int]]:
    """Runs of row tiles, of at most ``most``."""
    step = max(1, min(most, max(RUN_TILES, -(-tiles // RUNS))))
    return [(first, min(first + step, tiles)) for first in range(0, tiles, step)]


def _too_many(rows: int, k: int) -> int:
    return COARSE * (k + 8) * rows


def _one_worker() -> bool:
    joblib = sys.modules.get("joblib")  # not loaded: nobody can have asked for workers
    return joblib is None or joblib.effective_n_jobs(None) == 1


def _long(x: np.ndarray, y: np.ndarray) -> bool:
    return float(len(x)) * len(y) * (x.shape[1] + 16) > LONG


def _bar(total: int, x: np.ndarray) -> Bar:
    return Bar(total, None if _long(x, x) else False, LABEL)
