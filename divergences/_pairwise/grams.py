"""Sums of a kernel that is no function of distance, in row blocks: products, or a function of the user's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from divergences._arrays import Array, blockwise, is_torch, namespace
from divergences._pairwise.blocks import block_rows, resident, row_slices, slices

__all__ = ["gram_diagonal", "gram_sums"]


def gram_sums(x: Array, y: Array, a: Array, b: Array, gram: Callable[[Array, Array], Array]) -> Array:
    """Σ_ij a_i b_j gram(x, y)_ij for a kernel that is not a function of distance."""

    def one_block(rows: Array, columns: Array, weights: Array, others: Array) -> Array:
        return weights @ (gram(rows, columns) @ others)

    whole = is_torch(y) or resident(y)
    m = int(y.shape[0])
    side = max(1, math.isqrt(block_rows(1)))  # of a square block, where the columns are read too
    total: Any = 0.0
    for part in row_slices(x.shape[0], m) if whole else slices(0, x.shape[0], side):
        rows = _block(x[part])
        for where in slices(0, m, m if whole else side):
            total = total + blockwise(one_block, rows, _block(y[where]), a[part], b[where])
    return total


def _block(rows: Array) -> Array:
    return rows if is_torch(rows) else np.asarray(rows, dtype=np.float64)


def gram_diagonal(x: Array, gram: Callable[[Array, Array], Array]) -> Array:
    """gram(x_i, x_i) for each row, from small square blocks."""
    found = []
    for part in slices(0, int(x.shape[0]), 64):
        block = _block(x[part])
        found.append(namespace(block).linalg.diagonal(gram(block, block)))
    return namespace(found[0]).concat(found)
