"""Sums of a kernel by row, by column and squared: what the variance of its mean over pairs is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from divergences._pairwise.blocks import budget, slices
from divergences._pairwise.workers import spread

__all__ = ["RowSums", "row_sums"]

TILE = 1024
LONG = 1e10  # numbers to subtract and square from which a bar is worthwhile


@dataclass(frozen=True)
class RowSums:
    """Σ_j k(x_i, y_j) by i, ``rows`` (n,), and by j, ``columns`` (m,); Σ k², and k(x_i, x_i)."""

    rows: np.ndarray
    columns: np.ndarray
    squares: float
    diagonal: np.ndarray


def row_sums(
    x: np.ndarray, y: np.ndarray | None, gram: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> RowSums:
    """The sums for the kernel whose blocks ``gram`` gives; ``y=None``: x with itself, without i = j."""
    others = x if y is None else y
    n, m = len(x), len(others)
    step = max(16, min(TILE, int(math.sqrt(budget(6) / 8))))
    tiles = [
        (row, column)
        for row in slices(0, n, step)
        for column in slices(row.start if y is None else 0, m, step)
    ]
    rows, columns, squares = np.zeros(n), np.zeros(m), []
    diagonal = np.zeros(n if y is None else 0)
    label = f"{n} × {m} pairs" if float(n) * m * (x.shape[1] + 8) > LONG else None
    for (row, column), found in zip(tiles, spread(_tile, tiles, (x, y, gram), label=label), strict=True):
        rows[row] += found.rows
        if y is None and row != column:  # its transpose
            rows[column] += found.columns
        columns[column] += found.columns
        squares.append(found.squares * (2.0 if y is None and row != column else 1.0))
        if len(found.diagonal):
            diagonal[row] = found.diagonal
    return RowSums(rows, rows if y is None else columns, math.fsum(squares), diagonal)


def _tile(
    tile: tuple[slice, slice],
    x: np.ndarray,
    y: np.ndarray | None,
    gram: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> RowSums:
    row, column = tile
    block = np.array(gram(x[row], (x if y is None else y)[column]), dtype=np.float64)
    diagonal = np.zeros(0)
    if y is None and row == column:
        diagonal = block.diagonal().copy()
        np.fill_diagonal(block, 0.0)
    squares = float(np.einsum("ij,ij->", block, block))
    return RowSums(block.sum(axis=1), block.sum(axis=0), squares, diagonal)
