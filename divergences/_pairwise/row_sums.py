"""Sums of a kernel by row, by column and squared: what the variance of its mean over pairs is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from divergences._pairwise.blocks import budget, slices
from divergences._pairwise.distances import squared_distances
from divergences._pairwise.functions import Stationary
from divergences._pairwise.splits import Grams, StationaryGrams
from divergences._pairwise.workers import spread

__all__ = ["RowSums", "row_sums"]

TILE = 1024
LONG = 1e10  # numbers to subtract and square from which a bar is worthwhile
COMPILED_PAIRS = 2**21  # below, all pairs take less than loading the compiled loops


@dataclass(frozen=True)
class RowSums:
    """Σ_j k(x_i, y_j) by i, ``rows`` (n,), and by j, ``columns`` (m,); Σ k², and k(x_i, x_i)."""

    rows: np.ndarray
    columns: np.ndarray
    squares: float
    diagonal: np.ndarray


def row_sums(x: np.ndarray, y: np.ndarray | None, grams: Grams) -> RowSums:
    """The sums for the mean of the kernels whose blocks ``grams`` gives; ``y=None``: x with itself, i ≠ j."""
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
    reduce = _compiled_tile if _compiles(grams, n * m) else _tile
    for (row, column), found in zip(tiles, spread(reduce, tiles, (x, y, grams), label=label), strict=True):
        rows[row] += found.rows
        if y is None and row != column:  # its transpose
            rows[column] += found.columns
        columns[column] += found.columns
        squares.append(found.squares * (2.0 if y is None and row != column else 1.0))
        if len(found.diagonal):
            diagonal[row] = found.diagonal
    return RowSums(rows, rows if y is None else columns, math.fsum(squares), diagonal)


def _compiles(grams: Grams, pairs: int) -> bool:
    if pairs < COMPILED_PAIRS or not isinstance(grams, StationaryGrams):
        return False
    return all(isinstance(function, Stationary) for function in grams.functions)


def _tile(tile: tuple[slice, slice], x: np.ndarray, y: np.ndarray | None, grams: Grams) -> RowSums:
    row, column = tile
    blocks = grams(x[row], (x if y is None else y)[column])
    block = np.array(np.mean(blocks, axis=0) if len(blocks) > 1 else blocks[0], dtype=np.float64)
    diagonal = np.zeros(0)
    if y is None and row == column:
        diagonal = block.diagonal().copy()
        np.fill_diagonal(block, 0.0)
    squares = float(np.einsum("ij,ij->", block, block))
    return RowSums(block.sum(axis=1), block.sum(axis=0), squares, diagonal)


def _compiled_tile(
    tile: tuple[slice, slice], x: np.ndarray, y: np.ndarray | None, grams: StationaryGrams
) -> RowSums:
    """The same in one pass over the squared distances."""
    from divergences._pairwise.compiled_rows import kernel_tile  # loads the compiled loops

    row, column = tile
    squared = squared_distances(x[row], (x if y is None else y)[column])
    functions = [function for function in grams.functions if isinstance(function, Stationary)]
    codes = np.array([function.code for function in functions], dtype=np.int64)
    rates = np.array([function.rate for function in functions], dtype=np.float64)
    itself = y is None and row == column
    rows, columns = np.empty(squared.shape[0]), np.zeros(squared.shape[1])
    diagonal = np.empty(len(rows) if itself else 0)
    squares = kernel_tile(squared, codes, rates, itself, rows, columns, diagonal)
    return RowSums(rows, columns, float(squares), diagonal)
