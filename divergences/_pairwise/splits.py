"""Sums over the pairs within a part of the pooled rows, for very many parts at once.

A permutation test asks for Σ k(z_i, z_j) over the rows that a relabelling calls x, for a thousand
relabellings. With the relabellings as rows of a matrix U of zeros and ones that is the diagonal of
U K Uᵀ: each tile of K is computed once, by whatever number of kernels, and met by a matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from divergences._arrays import Array
from divergences._pairwise.blocks import budget, slices
from divergences._pairwise.distances import squared_distances
from divergences._pairwise.workers import spread

__all__ = ["Grams", "StationaryGrams", "split_sums"]

Grams = Callable[[np.ndarray, np.ndarray], Sequence[np.ndarray]]

TILE = 512  # rows and columns of a tile: large enough for BLAS
SPLITS = 1024  # relabellings that meet a tile together
LONG = 1e11  # products of pair and relabelling from which a bar is worthwhile


@dataclass(frozen=True)
class StationaryGrams:
    """Several functions of distance from one block of squared distances."""

    functions: Sequence[Callable[[Array], Array]]

    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
        squared = squared_distances(rows, columns)
        return [f(squared) for f in self.functions]


def split_sums(
    z: np.ndarray, chosen: np.ndarray, grams: Grams, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Σ_{i≠j} u_i u_j k(z_i, z_j) for each row u of ``chosen``, Σ_{j≠i} k(z_i, z_j), and k(z_i, z_i).

    ``chosen`` (splits, N), zeros and ones in one byte each; ``grams`` returns ``count`` symmetric
    kernels' blocks for rows and columns of z (N, d). Shapes: (count, splits), (count, N), (count, N).
    O(N² splits) time, O(N splits) bytes: no N × N object is held.
    """
    n, splits = len(z), len(chosen)
    # a tile, its mask and the products of the relabellings with it
    step = max(16, min(TILE, n, int(math.sqrt(budget(4) / 8))))
    parts = list(slices(0, n, step))
    tiles = [(row, column) for k, row in enumerate(parts) for column in parts[k:]]
    within, rows = np.zeros((count, splits)), np.zeros((count, n))
    diagonals = np.zeros((count, n))
    label = f"{n}² pairs × {splits} permutations" if float(n) * n * splits > LONG else None
    results = spread(_tile, tiles, (z, chosen, grams), label=label)
    for (row, column), (inside, by_row, by_column, diagonal) in zip(tiles, results, strict=True):
        within += inside
        rows[:, row] += by_row
        if row != column:
            rows[:, column] += by_column
        else:
            diagonals[:, row] = diagonal
    return within, rows, diagonals


def _tile(
    tile: tuple[slice, slice], z: np.ndarray, chosen: np.ndarray, grams: Grams
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    row, column = tile
    once = row == column
    blocks = [np.array(block, dtype=np.float64) for block in grams(z[row], z[column])]
    diagonal = np.array([block.diagonal() if once else [] for block in blocks])
    for block in blocks:
        if once:
            np.fill_diagonal(block, 0.0)
    inside = np.zeros((len(blocks), len(chosen)))
    for part in slices(0, len(chosen), SPLITS):
        left = chosen[part, row].astype(np.float64)
        right = left if once else chosen[part, column].astype(np.float64)
        for k, block in enumerate(blocks):
            inside[k, part] = np.einsum("sc,sc->s", left @ block, right)
    if not once:
        inside *= 2.0  # the tile below the diagonal is this one's transpose
    return (
        inside,
        np.array([block.sum(axis=1) for block in blocks]),
        np.array([block.sum(axis=0) for block in blocks]),
        diagonal,
    )
