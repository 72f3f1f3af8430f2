"""Nearest neighbours: which rows of one set are closest to each row of another, and how many balls hold it.

In one dimension by sorting, in few by a k-d tree, in many by blocks of all pairs.
"""

from __future__ import annotations

import numpy as np

from divergences._arrays import Array, detached, is_torch, namespace, smallest, to_numpy
from divergences._pairwise import row_slices, squared_distances

__all__ = ["count_within", "kth_nearest", "nearest"]

TREE_DIMENSIONS = 8  # up to here a k-d tree beats brute force (KERNELS: cKDTree loses at d = 16)


def nearest(x: Array, y: Array, k: int, *, exclude_self: bool = False) -> np.ndarray:
    """Column indices of the k nearest rows of ``y`` for each row of ``x``, nearest first, NumPy.

    ``exclude_self`` (y is x): row i never counts as its own neighbour, duplicates of it do.
    """
    plain_x, plain_y = detached(x), detached(y)
    on_cpu = not is_torch(plain_x) or plain_x.device.type == "cpu"
    if on_cpu:
        plain_x, plain_y = to_numpy(plain_x), to_numpy(plain_y)
        if x.shape[1] <= TREE_DIMENSIONS:
            return _nearest_by_tree(plain_x, plain_y, k, exclude_self)
    found = []
    for part in row_slices(x.shape[0], y.shape[0]):
        squared = squared_distances(plain_x[part], plain_y)
        if exclude_self:
            xp = namespace(squared)
            rows = xp.arange(part.stop - part.start)
            squared[rows, rows + part.start] = xp.inf
        found.append(to_numpy(smallest(squared, k)[1]))
    return np.concatenate(found)


def kth_nearest(x: Array, y: Array, k: int, *, exclude_self: bool = False) -> np.ndarray:
    """Column index of the k-th nearest row of ``y`` for each row of ``x``; see ``nearest``."""
    on_cpu = not is_torch(x) or x.device.type == "cpu"
    if x.shape[1] == 1 and on_cpu:
        plain_x, plain_y = to_numpy(x)[:, 0], to_numpy(y)[:, 0]
        return _kth_on_line(plain_x, plain_y, k + 1 if exclude_self else k)  # self is always nearest
    return nearest(x, y, k, exclude_self=exclude_self)[:, -1]


def _kth_on_line(x: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """In one dimension the k nearest are a window of the sorted y: bisect for where it starts."""
    order = np.argsort(y, kind="stable")
    ordered = y[order]
    after = np.searchsorted(ordered, x)
    low = np.clip(after - k, 0, len(y) - k)
    high = np.clip(after, 0, len(y) - k)
    while np.any(low < high):
        middle = (low + high) // 2
        # sliding the window right pays while its first point is farther than the next one after it
        right = (low < high) & (x - ordered[middle] > ordered[np.minimum(middle + k, len(y) - 1)] - x)
        low = np.where(right, middle + 1, low)
        high = np.where(right, high, np.minimum(middle, high))
    last = low + k - 1
    farthest = np.where(x - ordered[low] > ordered[last] - x, low, last)
    return order[farthest]


def _nearest_by_tree(x: np.ndarray, y: np.ndarray, k: int, exclude_self: bool) -> np.ndarray:
    from scipy.spatial import cKDTree

    wanted = k + 1 if exclude_self else k
    # duplicates make a balanced median split degenerate; the sliding midpoint does not mind
    columns = cKDTree(y, balanced_tree=False, compact_nodes=True).query(x, wanted, workers=-1)[1]
    columns = columns.reshape(len(x), wanted)
    if not exclude_self:
        return columns
    is_self = columns == np.arange(len(x))[:, None]
    is_self[~is_self.any(axis=1), -1] = True  # crowded out by k + 1 duplicates: any may go
    return columns[~is_self].reshape(len(x), k)


def count_within(
    x: Array, y: Array, squared_radii: Array, *, tolerance: float = 1e-9
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Balls about the rows of ``y`` with the given squared radii, and the rows of ``x`` in them.

    Returns (how many balls hold x_i closed, how many x lie strictly inside ball j, how many on
    its boundary). Equality is judged to ``tolerance`` relative, the accuracy of the distances.
    """
    x, y = detached(x), detached(y)
    xp = namespace(x)
    radii = detached(squared_radii)[None, :]
    holding: list[np.ndarray] = []
    inside, boundary = np.zeros(len(y), dtype=np.int64), np.zeros(len(y), dtype=np.int64)
    for part in row_slices(x.shape[0], y.shape[0]):
        squared = squared_distances(x[part], y)
        closed = squared <= radii * (1 + tolerance)
        strict = squared < radii * (1 - tolerance)
        holding.append(to_numpy(xp.sum(closed, axis=1)))
        inside = inside + to_numpy(xp.sum(strict, axis=0))
        boundary = boundary + to_numpy(xp.sum(closed & ~strict, axis=0))
    return np.concatenate(holding), inside, boundary
