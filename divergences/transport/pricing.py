"""Pricing: the smallest reduced costs c_ij − v_j of every row over all columns, exact in float64.

No n × m array is ever held. In many dimensions a float32 matrix product with a proved error bound
(Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, §3.1: |fl(x·y) − x·y| ≤ γ_d |x|·|y|
whatever the order of summation) picks candidates, whose costs are then recomputed from direct
differences in float64: nothing that a rounding error could have hidden is left out. In few dimensions
a k-d tree with prices does the same without looking at all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divergences._pairwise import DIRECT_DIMENSIONS
from divergences.transport.problem import Problem

__all__ = ["c_transform", "smallest_reduced"]

BLOCK_NUMBERS = 2**19  # of a block of reduced costs: it should stay in cache
GROUPS = 16  # columns whose minimum stands for them when a threshold is sought
TREE_DIMENSIONS = 5  # up to here the k-d tree is faster than all pairs: measured at n = m = 10,000
TREE_PAIRS = 10**6  # and from here on: below, all pairs take less than loading the compiled tree
CANDIDATES = 16  # a row and a wanted value: with more, the float32 bound is too coarse for the data
UNIT32, UNIT64 = 2.0**-24, 2.0**-53


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
    if _suits_tree(problem):
        from divergences.transport.kdtree import PriceTree

        tree = PriceTree(problem.y, -v, p=problem.p, ground=problem.ground)
        columns[:, :k], values[:, :k] = tree.query(problem.x, k)
        if below is not None:
            outside = values >= below[:, None]
            columns[outside], values[outside] = -1, np.inf
        return columns, values
    blocks = _Blocks.of(problem, v)
    step = max(1, BLOCK_NUMBERS // problem.m)
    for start in range(0, problem.n, step):
        part = slice(start, min(start + step, problem.n))
        bound = None if below is None else below[part]
        rows, found = blocks.candidates(part, k, bound)
        reduced = problem.costs(rows + start, found) - v[found]
        if bound is not None:
            wanted = reduced < bound[rows]
            rows, found, reduced = rows[wanted], found[wanted], reduced[wanted]
        order = np.lexsort((found, reduced, rows))
        rows, found, reduced = rows[order], found[order], reduced[order]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        first = place < k
        columns[start + rows[first], place[first]] = found[first]
        values[start + rows[first], place[first]] = reduced[first]
    return columns, values


def _suits_tree(problem: Problem) -> bool:
    few = problem.n * problem.m < TREE_PAIRS
    return problem.matrix is None and 0 < problem.d <= TREE_DIMENSIONS and not few


def c_transform(problem: Problem, v: np.ndarray) -> np.ndarray:
    """u_i = min_j c_ij − v_j, the largest u that is feasible with v."""
    return smallest_reduced(problem, v, 1)[1][:, 0]


@dataclass(slots=True)
class _Blocks:
    """Blocks of c − v, and how far they may be off: by float32 products or direct differences."""

    problem: Problem
    v: np.ndarray
    left: np.ndarray | None = None  # [x, ‖x‖², 1] and
    right: np.ndarray | None = None  # [−2y, 1, ‖y‖² − v]: their product is ‖x − y‖² − v
    margin: np.ndarray | None = None  # a row: error bound of the product
    buffer: np.ndarray | None = None  # one for all blocks: fresh pages cost more than the product

    @classmethod
    def of(cls, problem: Problem, v: np.ndarray) -> _Blocks:
        squares = problem.matrix is None and problem.ground == "euclidean" and problem.p <= 2
        if not squares or (problem.p < 2 and problem.d <= DIRECT_DIMENSIONS):
            return cls(problem, v)
        centre = 0.5 * (problem.x.mean(axis=0) + problem.y.mean(axis=0))
        x, y = problem.x - centre, problem.y - centre
        x_squares, y_squares = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
        last = y_squares - v if problem.p == 2 else y_squares
        left = np.concatenate([x, x_squares[:, None], np.ones((len(x), 1))], axis=1)
        right = np.concatenate([-2 * y, np.ones((len(y), 1)), last[:, None]], axis=1)
        # |x|·|y| of the extended vectors, by Cauchy–Schwarz: what γ_d multiplies in the error bound;
        # d + 2 terms, two factors rounded to float32, and some for centring and v
        size = 2 * np.sqrt(x_squares * y_squares.max()) + x_squares + np.abs(last).max()
        margin = 1.01 * (problem.d + 6) * UNIT32 * size
        return cls(problem, v, left.astype(np.float32), right.T.astype(np.float32), margin)

    def candidates(self, part: slice, k: int, below: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """(row within the block, column) of a set that holds each row's k smallest, if below ``below``."""
        if self.left is not None and self.right is not None and self.margin is not None:
            reduced, margin = self._product(self.left[part], self.right, self.margin[part])
            limit = _limit(reduced, k, 2 * margin, below, margin)
            limit += 2 * UNIT32 * np.abs(limit)  # comparing rounds it to float32
            chosen = reduced <= limit.astype(np.float32)[:, None]
            flat = np.flatnonzero(chosen)
            if len(flat) <= CANDIDATES * (k + 1) * len(chosen):
                rows = flat // self.problem.m
                return rows, flat - rows * self.problem.m
            self.left = None  # far-apart clusters or heavy tails: from here on in float64
        reduced, relative, scale = self._direct(part)
        limit = _limit(reduced, k, 0.0, None, 0.0)
        limit += 2 * relative * (np.abs(limit) + scale)
        if below is not None:
            np.minimum(limit, below + relative * (np.abs(below) + scale), out=limit)
        flat = np.flatnonzero(reduced <= limit[:, None])
        rows = flat // self.problem.m
        return rows, flat - rows * self.problem.m

    def _product(
        self, left: np.ndarray, right: np.ndarray, margin: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.buffer is None:
            self.buffer = np.empty((len(left), self.problem.m), dtype=np.float32)
        reduced = np.matmul(left, right, out=self.buffer[: len(left)])
        if self.problem.p == 2:
            return reduced, margin
        # |s^q − t^q| ≤ min(δ^q, q δ t^(q−1)) for |s − t| ≤ δ and q ≤ 1, t the smaller
        q = self.problem.p / 2
        least = np.maximum(reduced.min(axis=1) - 2.0 * margin, 0.0)
        np.maximum(reduced, 0.0, out=reduced)
        reduced = np.sqrt(reduced, out=reduced) if q == 0.5 else np.power(reduced, np.float32(q), out=reduced)
        with np.errstate(divide="ignore"):
            power = np.minimum(margin**q, q * margin * least ** (q - 1))
        reduced -= self.v.astype(np.float32)
        scale = np.abs(self.v).max() + reduced.max(axis=1)
        return reduced, power + 8 * UNIT32 * (np.abs(scale) + np.abs(self.v).max())

    def _direct(self, part: slice) -> tuple[np.ndarray, float, float]:
        """(block of c − v, its relative error, what beside the value itself the error refers to)."""
        reduced = self.problem.block(part)
        reduced -= self.v
        # _pairwise promises squared distances to 1e-10 where it does not take differences
        relative = 4 * (self.problem.d + 4) * UNIT64 if self.problem.d <= DIRECT_DIMENSIONS else 1e-10
        relative *= max(1.0, self.problem.p)
        return reduced, relative, float(np.abs(self.v).max())


def _limit(
    reduced: np.ndarray,
    k: int,
    margin: np.ndarray | float,
    below: np.ndarray | None,
    below_margin: np.ndarray | float,
) -> np.ndarray:
    """A number a row that bounds its k smallest values: with ``margin``, their approximations.

    The k-th smallest of minima over disjoint groups is at least the k-th smallest of all; groups
    are strided, as neighbours in memory are often neighbours in space.
    """
    if below is not None and k == 1:
        return below + below_margin
    height, width = reduced.shape
    groups = width // GROUPS
    if groups >= 4 * k:
        reduced = reduced[:, : groups * GROUPS].reshape(height, GROUPS, groups).min(axis=1)
    kth = reduced.min(axis=1) if k == 1 else np.partition(reduced, k - 1, axis=1)[:, k - 1]
    limit: np.ndarray = kth.astype(np.float64) + margin
    if below is not None:
        np.minimum(limit, below + below_margin, out=limit)
    return limit
