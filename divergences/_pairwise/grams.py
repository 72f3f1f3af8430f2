"""Sums of a kernel that is no function of distance, in row blocks: products, or a function of the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from divergences._arrays import Array, blockwise, namespace
from divergences._pairwise.blocks import row_slices

__all__ = ["gram_diagonal", "gram_sums"]


def gram_sums(x: Array, y: Array, a: Array, b: Array, gram: Callable[[Array, Array], Array]) -> Array:
    """Σ_ij a_i b_j gram(x, y)_ij for a kernel that is not a function of distance."""

    def one_block(rows: Array, columns: Array, weights: Array, others: Array) -> Array:
        return weights @ (gram(rows, columns) @ others)

    total: Any = 0.0
    for part in row_slices(x.shape[0], y.shape[0]):
        total = total + blockwise(one_block, x[part], y, a[part], b)
    return total


def gram_diagonal(x: Array, gram: Callable[[Array, Array], Array]) -> Array:
    """gram(x_i, x_i) for each row, from small square blocks."""
    xp, step = namespace(x), 64
    blocks = [x[start : start + step] for start in range(0, x.shape[0], step)]
    return xp.concat([xp.linalg.diagonal(gram(block, block)) for block in blocks])
