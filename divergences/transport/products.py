"""Blocks of reduced costs c_ij − u_i − v_j, each with a proved bound on its error.

A matrix product gives ‖x‖² − u + ‖y‖² − v − 2⟨x, y⟩ of all pairs of a block at once, in float32 where
that is fine enough for the problem and in float64 else. The bound is that of Higham, *Accuracy and
Stability of Numerical Algorithms*, 2002, §3.1: |fl(s·t) − s·t| ≤ γ_k |s|·|t| for vectors of k numbers,
whatever the order of summation. Other costs are computed directly, entry by entry.
"""

from __future__ import annotations

import sys

import numpy as np

from divergences._pairwise import DIRECT_DIMENSIONS
from divergences.transport.problem import Problem

__all__ = ["ReducedCosts", "block_rows", "within"]

BLOCK_NUMBERS = 2**19  # of a block: it should stay in cache
BLOCK_ROWS = 128  # but a product of fewer rows is slow; measured: 46 GF/s at 16, 93 at 128, 101 at 256
LARGEST_BLOCK = 2**23  # numbers, whatever its rows
COMPILED = 2**18  # numbers in a block from which the compiled scan is worth loading
UNIT = {np.dtype(np.float32): 2.0**-24, np.dtype(np.float64): 2.0**-53}


class ReducedCosts:
    """c − u − v of a problem, block by block: ``for rows, block, margin in costs.blocks()``."""

    def __init__(
        self, problem: Problem, u: np.ndarray | None, v: np.ndarray, dtype: type[np.floating] = np.float32
    ) -> None:
        self.problem = problem
        euclidean = problem.matrix is None and problem.ground == "euclidean"
        # in few dimensions a square root costs more than direct differences do
        self.by_product = euclidean and (problem.p == 2 or (problem.p < 2 and problem.d > DIRECT_DIMENSIONS))
        self.dtype = np.dtype(dtype) if self.by_product else np.dtype(np.float64)
        self._buffer: np.ndarray | None = None  # one for all blocks: fresh pages cost more than the product
        if self.by_product:
            self._prepare()
        self.take(u, v)

    def _prepare(self) -> None:
        problem = self.problem
        centre = 0.5 * (problem.x.mean(axis=0) + problem.y.mean(axis=0))
        x, y = problem.x - centre, problem.y - centre
        self._x_squares, self._y_squares = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
        self._left = np.empty((len(x), problem.d + 2), dtype=self.dtype)
        self._right = np.empty((problem.d + 2, len(y)), dtype=self.dtype)
        self._left[:, :-2], self._left[:, -1] = x, 1.0
        np.multiply(y.T, -2.0, out=self._right[:-2], casting="same_kind")
        self._right[-2] = 1.0

    def take(self, u: np.ndarray | None, v: np.ndarray) -> None:
        """Go over to other potentials."""
        self.u, self.v = u, v
        if not self.by_product:
            return
        squared = self.problem.p == 2
        first = self._x_squares if u is None or not squared else self._x_squares - u
        last = self._y_squares - v if squared else self._y_squares
        self._left[:, -2], self._right[-1] = first, last
        # |s|·|t| by Cauchy–Schwarz; k = d + 2 terms, two factors rounded to the dtype, some for centring
        size = 2 * np.sqrt(self._x_squares * self._y_squares.max()) + np.abs(first) + np.abs(last).max()
        self._margin = 1.01 * (self.problem.d + 6) * UNIT[self.dtype] * size

    def blocks(self) -> list[slice]:
        step = block_rows(self.problem.m)
        return [slice(start, min(start + step, self.problem.n)) for start in range(0, self.problem.n, step)]

    def block(
        self, rows: slice | np.ndarray, columns: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(the block, what each row's entries are off by at most); the block is overwritten by the next."""
        if not self.by_product:
            return self._direct(rows, columns)
        left = self._left[rows]
        right = self._right if columns is None else np.ascontiguousarray(self._right[:, columns])
        size = len(left) * right.shape[1]
        if self._buffer is None or self._buffer.size < size:
            self._buffer = np.empty(size, dtype=self.dtype)
        block = np.matmul(left, right, out=self._buffer[:size].reshape(len(left), right.shape[1]))
        margin = self._margin[rows]
        return (block, margin) if self.problem.p == 2 else self._rooted(block, margin, rows, columns)

    def _rooted(
        self, block: np.ndarray, margin: np.ndarray, rows: slice | np.ndarray, columns: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """From squared distances to c − u − v at p < 2.

        |s^q − t^q| ≤ min(δ^q, q δ t^(q−1)) for |s − t| ≤ δ and q ≤ 1, t the smaller.
        """
        q = self.problem.p / 2
        least = np.maximum(block.min(axis=1) - 2.0 * margin, 0.0)
        np.maximum(block, 0.0, out=block)
        block = np.sqrt(block, out=block) if q == 0.5 else np.power(block, self.dtype.type(q), out=block)
        with np.errstate(divide="ignore"):
            power = np.minimum(margin**q, q * margin * least ** (q - 1))
        size = block.max(axis=1) + np.abs(self.v).max()
        v = self.v if columns is None else self.v[columns]
        block -= v.astype(self.dtype)
        if self.u is not None:
            u = self.u[rows]
            block -= u.astype(self.dtype)[:, None]
            size = size + np.abs(u)
        return block, power + 8 * UNIT[self.dtype] * size

    def _direct(self, rows: slice | np.ndarray, columns: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        problem = self.problem
        block = problem.block(rows, slice(None) if columns is None else columns)
        # _pairwise promises squared distances to 1e-10 where it does not take differences
        relative = 4 * (problem.d + 4) * 2.0**-53 if problem.d <= DIRECT_DIMENSIONS else 1e-10
        relative *= max(1.0, problem.p)
        size = np.abs(block).max(axis=1) + np.abs(self.v).max()
        block -= self.v if columns is None else self.v[columns]
        if self.u is not None:
            u = self.u[rows]
            block -= u[:, None]
            size = size + np.abs(u)
        return block, relative * size


def block_rows(columns: int) -> int:
    """How many rows of so many columns make a block."""
    return max(1, BLOCK_NUMBERS // columns, min(BLOCK_ROWS, LARGEST_BLOCK // columns))


def within(block: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the entries not above their row's limit."""
    # rounded up: a limit between two numbers of the block's dtype must not lose the lower one's equals
    narrow = np.nextafter(limits.astype(block.dtype), block.dtype.type(np.inf))
    if "divergences.transport.scan" not in sys.modules and block.size < COMPILED:
        flat = np.flatnonzero(block <= narrow[:, None])
        rows = flat // block.shape[1]
        return rows, flat - rows * block.shape[1]
    from divergences.transport import scan

    room = max(1024, 4 * len(block))
    while True:
        rows, columns = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        count = scan.at_most(block, narrow, rows, columns)
        if count <= room:
            return rows[:count], columns[:count]
        room = count
