"""The only file that visits an n × m object: in row blocks, never holding n × m numbers.

A block's height follows from scikit-learn's ``working_memory`` setting (MiB), capped where
larger blocks stop being faster. Every measure over pairs is written over the reductions here.

Squared distances come from ‖x‖² + ‖y‖² − 2⟨x, y⟩ after centring, which a matrix product makes
fast; entries that cancellation would spoil (relative error above ~1e-10) are recomputed from
direct differences. In few dimensions direct differences are used throughout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from divergences._arrays import (
    Array,
    blockwise,
    carries_gradient,
    detached,
    is_torch,
    logsumexp,
    namespace,
    safe_sqrt,
    to_numpy,
)

__all__ = [
    "block_rows",
    "distance_matrix",
    "euclidean",
    "gram_diagonal",
    "gram_sums",
    "paired_squared_distances",
    "representative_rows",
    "row_logsumexp",
    "row_slices",
    "self_sums",
    "squared_distances",
    "weighted_sums",
]

DIRECT_DIMENSIONS = 12  # up to here direct differences are as fast as the matrix product
CANCELLATION = 1e-5  # recompute where d² < this * (‖x‖² + ‖y‖²)
BLOCK_BYTES = 32 * 2**20  # beyond this a block falls out of cache and gains nothing


# ── blocks ──────────────────────────────────────────────────────────────────────────────────


def block_rows(columns: int, *, copies: int = 4) -> int:
    """Rows in a block of ``columns`` float64 numbers, with ``copies`` temporaries of that size."""
    sklearn = sys.modules.get("sklearn")  # not loaded: nobody can have changed its default
    budget = (sklearn.get_config()["working_memory"] if sklearn else 1024) * 2**20
    return max(1, int(min(BLOCK_BYTES, budget / copies) // (8 * max(columns, 1))))


def row_slices(rows: int, columns: int) -> Iterator[slice]:
    """Slices that cover ``rows`` in blocks of ``block_rows(columns)``."""
    step = block_rows(columns)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def squared_distances(x: Array, y: Array) -> Array:
    """The full block ‖x_i − y_j‖², ``(len(x), len(y))``; exactly 0 for equal rows."""
    if is_torch(x):
        return _squared_distances_torch(x, y)
    from scipy.spatial.distance import cdist

    if x.shape[1] <= DIRECT_DIMENSIONS:
        return cdist(x, y, "sqeuclidean")
    near_x, near_y = _centred(x, y)
    x_norms, y_norms = np.einsum("ij,ij->i", near_x, near_x), np.einsum("ij,ij->i", near_y, near_y)
    out = near_x @ near_y.T
    out *= -2.0
    out += x_norms[:, None]
    out += y_norms[None, :]
    # one bound a row, from the largest ‖y‖: a few entries more, and no second matrix
    rows, columns = np.nonzero(out < (CANCELLATION * (x_norms + y_norms.max()))[:, None])
    if len(rows) > out.size // 8:  # far-apart clusters: cheaper to do the whole block directly
        return cdist(x, y, "sqeuclidean")
    for part in row_slices(len(rows), x.shape[1]):
        out[rows[part], columns[part]] = paired_squared_distances(x[rows[part]], y[columns[part]])
    return out


def _squared_distances_torch(x: Array, y: Array) -> Array:
    if x.shape[1] <= DIRECT_DIMENSIONS:
        # one feature at a time: no (n, m, d) temporary
        total = (x[:, None, 0] - y[None, :, 0]) ** 2
        for k in range(1, x.shape[1]):
            total = total + (x[:, None, k] - y[None, :, k]) ** 2
        return total
    near_x, near_y = _centred(x, y)
    x_norms, y_norms = (near_x * near_x).sum(dim=1), (near_y * near_y).sum(dim=1)
    out = x_norms[:, None] + y_norms[None, :] - 2.0 * (near_x @ near_y.T)
    spoiled = detached(out) < CANCELLATION * detached(x_norms[:, None] + y_norms[None, :])
    rows, columns = spoiled.nonzero(as_tuple=True)
    if len(rows):
        out = out.index_put((rows, columns), paired_squared_distances(x[rows], y[columns]))
    return out


def paired_squared_distances(x: Array, y: Array) -> Array:
    """‖x_i − y_i‖² of matching rows, from direct differences; leading axes broadcast."""
    return ((x - y) ** 2).sum(-1)


def _centred(x: Array, y: Array) -> tuple[Array, Array]:
    """Both about the mean of y: the expansion then cancels as little as it can.

    For the expansion alone: the subtraction rounds, and near-duplicates would lose their digits.
    """
    centre = detached(namespace(y).mean(y, axis=0))
    return x - centre, y - centre


# ── reductions ──────────────────────────────────────────────────────────────────────────────


def weighted_sums(
    x: Array, y: Array, a: Array, b: Array, functions: Sequence[Callable[[Array], Array]]
) -> list[Array]:
    """Σ_ij a_i b_j f(‖x_i − y_j‖²) for each f, all in one visit of the distances."""
    totals: list[Any] = [0.0] * len(functions)

    def one_block(rows: Array, columns: Array, weights: Array, others: Array) -> Array:
        squared = squared_distances(rows, columns)
        xp = namespace(squared)
        return xp.stack([weights @ (f(squared) @ others) for f in functions])

    for part in row_slices(x.shape[0], y.shape[0]):
        values = blockwise(one_block, x[part], y, a[part], b)
        totals = [total + values[k] for k, total in enumerate(totals)]
    return totals


def self_sums(x: Array, a: Array, functions: Sequence[Callable[[Array], Array]]) -> list[Array]:
    """Σ_ij a_i a_j f(‖x_i − x_j‖²) for each f, visiting each unordered pair about once."""
    xp = namespace(x)
    totals: list[Any] = [0.0] * len(functions)

    def one_block(rows: Array, columns: Array, weights: Array, others: Array) -> Array:
        squared = squared_distances(rows, columns)
        return xp.stack([weights @ (f(squared) @ others) for f in functions])

    for part in row_slices(x.shape[0], x.shape[0]):
        # columns left of the block were met as rows before, so those to its right count twice
        twice = xp.concat([a[part], 2.0 * a[part.stop :]])
        values = blockwise(one_block, x[part], x[part.start :], a[part], twice)
        totals = [total + values[k] for k, total in enumerate(totals)]
    return totals


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


def representative_rows(x: np.ndarray, count: int) -> np.ndarray:
    """Indices of at most ``count`` rows, spread over the sample; a choice free of row order."""
    if len(x) <= count:
        return np.arange(len(x))
    key = x @ np.cos(np.arange(1.0, x.shape[1] + 1.0))  # a fixed direction, along no axis
    order = np.argsort(key, kind="stable")
    return order[np.linspace(0, len(x) - 1, count).round().astype(int)]


def row_logsumexp(
    x: Array,
    y: Array,
    log_b: Array,
    rates: Sequence[float],
    *,
    own: Array | None = None,
    power: float | None = None,
) -> Array:
    """log Σ_j exp(log_b_j − rate · ‖x_i − y_j‖²) for each rate: ``(len(rates), len(x))``.

    ``own[i]`` is the column that row i may not use (leave one out). ``power`` takes the distance to
    another power than 2.
    """
    xp = namespace(x)

    def one_block(rows: Array, columns: Array, logs: Array, left_out: Array | None = None) -> Array:
        squared = squared_distances(rows, columns)
        if left_out is not None:
            mask = xp.arange(columns.shape[0], device=left_out.device)[None, :] == left_out[:, None]
            squared = xp.where(mask, xp.inf, squared)
        costs = squared if power is None else euclidean(squared) ** power
        return xp.stack([logsumexp(xp, logs[None, :] - rate * costs) for rate in rates])

    parts = []
    for part in row_slices(x.shape[0], y.shape[0]):
        left_out = () if own is None else (own[part],)
        parts.append(blockwise(one_block, x[part], y, log_b, *left_out))
    return xp.concat(parts, axis=1)


def distance_matrix(x: Array, y: Array, p: float) -> np.ndarray:
    """The whole cost matrix ‖x_i − y_j‖^p in NumPy: for solvers that need it, within their size."""
    squared = squared_distances(to_numpy(x), to_numpy(y))
    if p == 2:
        return squared
    return np.power(squared, p / 2, out=squared)


def euclidean(squared: Array) -> Array:
    """Distances from squared distances, with gradient 0 where they vanish."""
    return (
        safe_sqrt(namespace(squared), squared)
        if carries_gradient(squared)
        else namespace(squared).sqrt(squared)
    )
