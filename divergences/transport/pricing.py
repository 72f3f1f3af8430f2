"""Pricing: the smallest reduced costs c_ij − v_j of every row over all columns, exact in float64.

No n × m array is ever held. In many dimensions a float32 matrix product with a proved error bound
(Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, §3.1: |fl(x·y) − x·y| ≤ γ_d |x|·|y|
whatever the order of summation) picks candidates, whose costs are then recomputed from direct
differences in float64: nothing that a rounding error could have hidden is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from divergences.transport.problem import Problem

__all__ = ["c_transform", "smallest_reduced"]

BLOCK_NUMBERS = 2**20  # of a block of reduced costs: it should stay in cache
GROUPS = 16  # columns whose minimum stands for them when a threshold is sought
MARGIN_SHARE = 0.02  # float64 from here: a float32 margin above this share of the costs picks too many
CANDIDATES = 64  # a row, beyond the k wanted, before a block is done again in float64
UNIT32, UNIT64 = 2.0**-24, 2.0**-53


def smallest_reduced(
    problem: Problem, v: np.ndarray, k: int, below: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` smallest c_ij − v_j of each row, ascending: (columns int64, values), each ``(n, k)``.

    With ``below`` (a number a row) only values strictly below it are wanted, which is much faster
    when few are; missing places have column −1 and value inf. The same where m < k.
    """
    k = min(k, problem.m)
    columns = np.full((problem.n, k), -1, dtype=np.int64)
    values = np.full((problem.n, k), np.inf)
    for part, approximate, margin in _blocks(problem, v):
        limit = _limits(approximate, k, margin)
        if below is not None:
            np.minimum(limit, below[part] + margin, out=limit)
        rows, found = np.nonzero(approximate <= limit.astype(approximate.dtype)[:, None])
        reduced = problem.costs(rows + part.start, found) - v[found]
        if below is not None:
            wanted = reduced < below[part][rows]
            rows, found, reduced = rows[wanted], found[wanted], reduced[wanted]
        order = np.lexsort((found, reduced, rows))
        rows, found, reduced = rows[order], found[order], reduced[order]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        first = place < k
        columns[part.start + rows[first], place[first]] = found[first]
        values[part.start + rows[first], place[first]] = reduced[first]
    return columns, values


def c_transform(problem: Problem, v: np.ndarray) -> np.ndarray:
    """u_i = min_j c_ij − v_j, the largest u that is feasible with v."""
    return smallest_reduced(problem, v, 1)[1][:, 0]


def _limits(approximate: np.ndarray, k: int, margin: np.ndarray) -> np.ndarray:
    """A number a row which no approximation of its k smallest values exceeds.

    The k-th smallest of minima over disjoint groups is at least the k-th smallest of all; groups
    are strided, as neighbours in memory are often neighbours in space.
    """
    height, width = approximate.shape
    groups = width // GROUPS
    if groups >= 4 * k:
        grouped = approximate[:, : groups * GROUPS].reshape(height, GROUPS, groups)
        approximate = grouped.min(axis=1)
    kth = approximate.min(axis=1) if k == 1 else np.partition(approximate, k - 1, axis=1)[:, k - 1]
    limit = kth.astype(np.float64) + 2 * margin
    return limit + 4 * UNIT32 * np.abs(limit)  # the sum itself is rounded to float32 when compared


def _blocks(problem: Problem, v: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """(rows, approximate c − v of the rows, how far each row's may be off), over all rows."""
    step = max(1, BLOCK_NUMBERS // max(problem.m, 1))
    slices = [slice(start, min(start + step, problem.n)) for start in range(0, problem.n, step)]
    if problem.matrix is None and problem.ground == "euclidean" and problem.p == 2:
        yield from _squared_blocks(problem, v, slices)
        return
    scale = float(np.abs(v).max(initial=0.0))
    for part in slices:
        reduced = problem.block(part)
        largest = reduced.max(axis=1)
        reduced -= v
        # _pairwise promises squared distances to 1e-10; the power p/2 multiplies that
        yield part, reduced, 1e-10 * max(1.0, problem.p) * largest + 4 * UNIT64 * scale


def _squared_blocks(
    problem: Problem, v: np.ndarray, slices: list[slice]
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """‖x − y‖² − v_j as one matrix product of [x, ‖x‖², 1] and [−2y, 1, ‖y‖² − v]."""
    centre = 0.5 * (problem.x.mean(axis=0) + problem.y.mean(axis=0))
    x, y = problem.x - centre, problem.y - centre
    x_squares, y_squares = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    left = np.concatenate([x, x_squares[:, None], np.ones((len(x), 1))], axis=1)
    right = np.concatenate([-2 * y, np.ones((len(y), 1)), (y_squares - v)[:, None]], axis=1)
    # |x|·|y| of the extended vectors, by Cauchy–Schwarz: what γ_d multiplies in the error bound
    size = 2 * np.sqrt(x_squares * y_squares.max()) + x_squares + np.abs(y_squares - v).max()
    # d + 2 products, and three roundings more: each factor to float32, and centring in float64
    margin32 = 1.01 * (problem.d + 5) * UNIT32 * size
    margin64 = 1.01 * (problem.d + 9) * UNIT64 * size
    left32, right32 = left.astype(np.float32), right.T.astype(np.float32)
    for part in slices:
        approximate = left32[part] @ right32
        yield part, approximate, margin32[part]
