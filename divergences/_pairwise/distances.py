"""Squared distances between rows: fast by the matrix product, right to ten digits.

‖x‖² + ‖y‖² − 2⟨x, y⟩ after centring; entries that cancellation would spoil (relative error above
~1e-10) are recomputed from direct differences. In few dimensions those are used throughout.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divergences._arrays import Array, detached, is_torch, namespace, to_numpy
from divergences._pairwise.blocks import row_slices, slices
from divergences._rows import Rows

__all__ = [
    "CANCELLATION",
    "DIRECT_DIMENSIONS",
    "distance_matrix",
    "paired_squared_distances",
    "representative_rows",
    "representatives",
    "rows_at",
    "squared_distances",
]

DIRECT_DIMENSIONS = 12  # up to here direct differences are as fast as the matrix product
CACHED = 2**15  # numbers
CANCELLATION = 1e-5  # recompute where d² < this * (‖x‖² + ‖y‖²)


def squared_distances(x: Array, y: Array) -> Array:
    """The full block ‖x_i − y_j‖², ``(len(x), len(y))``; exactly 0 for equal rows."""
    if is_torch(x):
        return _squared_distances_torch(x, y)
    from scipy.spatial.distance import cdist

    if x.shape[1] <= DIRECT_DIMENSIONS:
        return cdist(x, y, "sqeuclidean")
    near_x, near_y = _centred(x, y)
    x_norms, y_norms = np.einsum("ij,ij->i", near_x, near_x), np.einsum("ij,ij->i", near_y, near_y)
    ones = np.ones((max(len(x), len(y)), 1))
    # (−2x, ‖x‖², 1) · (y, 1, ‖y‖²): passes over the block would cost as much as the product
    left = np.concatenate([-2.0 * near_x, x_norms[:, None], ones[: len(x)]], axis=1)
    right = np.concatenate([near_y, ones[: len(y)], y_norms[:, None]], axis=1)
    out = left @ right.T
    # one bound a row, from the largest ‖y‖: a few entries more, and no second matrix
    close = out < (CANCELLATION * (x_norms + y_norms.max()))[:, None]
    if not close.any():
        return out
    rows, columns = np.nonzero(close)
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
    if is_torch(x) or x.ndim != 2 or x.shape != y.shape:
        return ((x - y) ** 2).sum(-1)
    out = np.empty(len(x), dtype=np.result_type(x, y))
    # temporaries that fall out of the cache cost more than the arithmetic
    for part in slices(0, len(x), max(1, CACHED // max(x.shape[1], 1))):
        out[part] = ((x[part] - y[part]) ** 2).sum(-1)
    return out


def _centred(x: Array, y: Array) -> tuple[Array, Array]:
    """Both about the mean of y: the expansion then cancels as little as it can.

    For the expansion alone: the subtraction rounds, and near-duplicates would lose their digits.
    """
    centre = detached(namespace(y).mean(y, axis=0))
    return x - centre, y - centre


def distance_matrix(x: Array, y: Array, p: float) -> np.ndarray:
    """The whole cost matrix ‖x_i − y_j‖^p in NumPy: for solvers that need it, within their size."""
    squared = squared_distances(to_numpy(x), to_numpy(y))
    if p == 2:
        return squared
    return np.power(squared, p / 2, out=squared)


def representatives(
    samples: Sequence[tuple[Array, Array]], count: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """At most ``count`` rows of the pooled samples that carry mass, spread over them, and their indices.

    ``samples`` are (rows, weights); the indices are by sample. The choice is free of row order.
    """
    kept = [np.flatnonzero(to_numpy(weights) > 0) for _, weights in samples]
    key = np.concatenate([_keys(rows)[k] for (rows, _), k in zip(samples, kept, strict=True)])
    chosen = _spread(key, count)
    bounds = np.cumsum([0, *map(len, kept)])
    indices = [
        k[chosen[(chosen >= low) & (chosen < high)] - low]
        for k, low, high in zip(kept, bounds[:-1], bounds[1:], strict=True)
    ]
    return np.concatenate([rows_at(s, i) for (s, _), i in zip(samples, indices, strict=True)]), indices


def rows_at(rows: Array, indices: np.ndarray) -> np.ndarray:
    """Some rows in NumPy and float64, wherever they are."""
    found = rows.take(indices) if isinstance(rows, Rows) else to_numpy(rows)[indices]
    return np.asarray(found, dtype=np.float64)


def representative_rows(x: np.ndarray, count: int) -> np.ndarray:
    """Indices of at most ``count`` rows, spread over the sample; a choice free of row order."""
    return _spread(_keys(x), count)


def _keys(x: Array) -> np.ndarray:
    """Each row as one number: how far it lies along a fixed direction, which is along no axis."""
    direction = np.cos(np.arange(1.0, x.shape[1] + 1.0))
    if isinstance(x, Rows):
        return np.concatenate([block @ direction for _, block in x.blocks()])
    keys: np.ndarray = to_numpy(x) @ direction
    return keys


def _spread(key: np.ndarray, count: int) -> np.ndarray:
    if len(key) <= count:
        return np.arange(len(key))
    order = np.argsort(key, kind="stable")
    return order[np.linspace(0, len(key) - 1, count).round().astype(int)]
