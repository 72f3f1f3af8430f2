"""Pricing: the smallest reduced costs c_ij − v_j of every row over all columns, exact in float64.

No n × m array is ever held. In many dimensions matrix products with a proved error bound pick
candidates, whose costs are then recomputed from direct differences in float64: nothing that a rounding
error could have hidden is left out. In few dimensions a k-d tree with prices does the same without
looking at all pairs.
"""

from __future__ import annotations

import numpy as np

from divergences.transport.problem import Problem, arc_costs, distinct
from divergences.transport.products import ReducedCosts, within

__all__ = ["TreeQueries", "c_transform", "smallest_reduced", "suits_tree"]

GROUPS = 16  # columns whose minimum stands for them when a threshold is sought
TREE_DIMENSIONS = 5  # up to here the k-d tree is faster than all pairs: measured at n = m = 10,000
TREE_PAIRS = 10**6  # and from here on: below, all pairs take less than loading the compiled tree
CANDIDATES = 16  # a row and a wanted value: with more, the float32 bound is too coarse for the data


def smallest_reduced(
    problem: Problem, v: np.ndarray, k: int, below: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` smallest c_ij − v_j of each row, ascending: (columns int64, values), each ``(n, k)``.

    With ``below`` (a number a row) only values strictly below it are wanted, which is much faster
    when they are few; missing places have column −1 and value inf. So have they where m < k.
    """
    columns = np.full((problem.n, k), -1, dtype=np.int64)
    values = np.full((problem.n, k), np.inf)
    k = min(k, problem.m)
    if suits_tree(problem):
        from divergences.transport.kdtree import PriceTree

        tree = PriceTree(problem.y, -v, p=problem.p, ground=problem.ground)
        columns[:, :k], values[:, :k] = tree.query(problem.x, k)
        if below is not None:
            outside = values >= below[:, None]
            columns[outside], values[outside] = -1, np.inf
        return columns, values
    costs = ReducedCosts(problem, None, v)
    for part in costs.blocks():
        bound = None if below is None else below[part]
        rows, found = _candidates(costs, part, k, bound)
        if len(rows) > CANDIDATES * (k + 1) * (part.stop - part.start) and costs.dtype == np.float32:
            costs = ReducedCosts(problem, None, v, np.float64)  # far-apart clusters, heavy tails
            rows, found = _candidates(costs, part, k, bound)
        reduced = arc_costs(problem, rows + part.start, found) - v[found]
        if bound is not None:
            wanted = reduced < bound[rows]
            rows, found, reduced = rows[wanted], found[wanted], reduced[wanted]
        order = np.lexsort((found, reduced, rows))
        rows, found, reduced = rows[order], found[order], reduced[order]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        first = place < k
        columns[part.start + rows[first], place[first]] = found[first]
        values[part.start + rows[first], place[first]] = reduced[first]
    return columns, values


def _candidates(
    costs: ReducedCosts, part: slice, k: int, below: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(row within the block, column) of a set that holds each row's k smallest, if below ``below``."""
    block, margin = costs.block(part)
    return within(block, _limit(block, k, margin, below))


def _limit(block: np.ndarray, k: int, margin: np.ndarray, below: np.ndarray | None) -> np.ndarray:
    """A number a row that bounds the approximations of its k smallest values, if those are below ``below``.

    The k-th smallest of minima over disjoint groups is at least the k-th smallest of all; groups
    are strided, as neighbours in memory are often neighbours in space.
    """
    if below is not None and k == 1:
        return below + margin
    height, width = block.shape
    groups = width // GROUPS
    if groups >= 4 * k:
        block = block[:, : groups * GROUPS].reshape(height, GROUPS, groups).min(axis=1)
    kth = block.min(axis=1) if k == 1 else np.partition(block, k - 1, axis=1)[:, k - 1]
    limit: np.ndarray = kth.astype(np.float64) + 2 * margin
    if below is not None:
        np.minimum(limit, below + margin, out=limit)
    return limit


def suits_tree(problem: Problem) -> bool:
    """Whether a k-d tree prices this problem faster than looking at all pairs."""
    few = problem.n * problem.m < TREE_PAIRS
    return problem.matrix is None and 0 < problem.d <= TREE_DIMENSIONS and not few


def c_transform(problem: Problem, v: np.ndarray) -> np.ndarray:
    """u_i = min_j c_ij − v_j, the largest u that is feasible with v."""
    return smallest_reduced(problem, v, 1)[1][:, 0]


class TreeQueries:
    """Pricing of one problem by k-d trees, anew for each pair of potentials; see ``Shortlist``."""

    def __init__(self, problem: Problem, u: np.ndarray, kept: int) -> None:
        """From any u: v is its c-transform, u that of v; ``kept`` arcs of every row and column."""
        self.problem = problem
        self._rows, reduced = smallest_reduced(problem.transposed, u, kept)
        self.v = reduced[:, 0]
        self._columns, reduced = smallest_reduced(problem, self.v, kept)
        self.u = reduced[:, 0]

    def arcs(self) -> np.ndarray:
        """row · m + column of the smallest of every row and of every column."""
        m = self.problem.m
        return distinct(_keys(self._columns, m, True), _keys(self._rows, m, False))

    def violations(
        self, u: np.ndarray, v: np.ndarray, noise: float, most: int
    ) -> tuple[np.ndarray, np.ndarray]:
        columns, values = smallest_reduced(self.problem, v, most, u - noise)
        rows = smallest_reduced(self.problem.transposed, u, most, v - noise)[0]
        m = self.problem.m
        keys = distinct(_keys(columns, m, True), _keys(rows, m, False))
        return keys, np.minimum(u, values[:, 0])


def _keys(table: np.ndarray, m: int, of_rows: bool) -> np.ndarray:
    """row · m + column of the arcs in a table of neighbours, one line a row or a column; −1 is none."""
    line, place = np.nonzero(table >= 0)
    found = table[line, place]
    return line * m + found if of_rows else found * m + line
