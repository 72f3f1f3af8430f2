"""Nearest neighbours: which rows of one set are closest to each row of another, and who is in whose ball.

The way there is chosen by measurement and cannot be told from the answer, which is always that of
direct differences in float64: in one dimension by sorting, in few by a k-d tree, and beyond by all
pairs, compiled where that pays for loading the compiler.
"""

from __future__ import annotations

import numpy as np

from divergences._arrays import Array, detached, is_torch, namespace, smallest, to_numpy
from divergences._neighbor_search.line import kth_on_line
from divergences._pairwise import row_slices, squared_distances

__all__ = ["balls", "kth_nearest", "nearest"]

TREE_DIMENSIONS = 8  # up to here a k-d tree beats blocks of all pairs,
TILE_DIMENSIONS = 7  # and from here on compiled tiles beat both,
TILE_PAIRS = 2e7  # if this many pairs pay for loading them


def nearest(x: Array, y: Array, k: int, *, exclude_self: bool = False) -> np.ndarray:
    """Column indices of the k nearest rows of ``y`` for each row of ``x``, nearest first, NumPy.

    ``exclude_self`` (y is x): row i never counts as its own neighbour, duplicates of it do.
    """
    return _nearest(x, y, k, exclude_self, kth=False)


def kth_nearest(x: Array, y: Array, k: int, *, exclude_self: bool = False) -> np.ndarray:
    """Column index of the k-th nearest row of ``y`` for each row of ``x``; see ``nearest``."""
    if x.shape[1] == 1 and _on_cpu(x):
        plain_x, plain_y = to_numpy(x)[:, 0], to_numpy(y)[:, 0]
        return kth_on_line(plain_x, plain_y, k + 1 if exclude_self else k)  # self is always nearest
    return _nearest(x, y, k, exclude_self, kth=True)[:, -1]


def _nearest(x: Array, y: Array, k: int, exclude_self: bool, *, kth: bool) -> np.ndarray:
    """``nearest``; with ``kth`` the last column is enough."""
    if not _on_cpu(x):
        return _nearest_by_blocks(detached(x), detached(y), k, exclude_self)
    same = y is x
    x = to_numpy(x)
    y = x if same else to_numpy(y)
    if _by_tiles(x, y):
        from divergences._neighbor_search.search import nearest_by_tiles

        found = nearest_by_tiles(*_float64(x, y), k, exclude_self=exclude_self, kth=kth)
        if found is not None:
            return found
    if x.shape[1] <= TREE_DIMENSIONS:
        return _nearest_by_tree(x, y, k, exclude_self)
    return _nearest_by_blocks(x, y, k, exclude_self)


def _on_cpu(x: Array) -> bool:
    return not is_torch(x) or x.device.type == "cpu"


def _by_tiles(x: np.ndarray, y: np.ndarray) -> bool:
    return x.shape[1] >= TILE_DIMENSIONS and float(len(x)) * len(y) >= TILE_PAIRS


def _float64(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In the form the kernels are compiled for; y stays x where it is."""
    x_, y_ = (np.ascontiguousarray(s, dtype=np.float64) for s in (x, y))
    return x_, x_ if y is x else y_


def _nearest_by_blocks(x: Array, y: Array, k: int, exclude_self: bool) -> np.ndarray:
    found = []
    for part in row_slices(x.shape[0], y.shape[0]):
        squared = squared_distances(x[part], y)
        if exclude_self:
            rows = namespace(squared).arange(part.stop - part.start)
            squared[rows, rows + part.start] = float("inf")
        found.append(to_numpy(smallest(squared, k)[1]))
    return np.concatenate(found)


def _nearest_by_tree(x: np.ndarray, y: np.ndarray, k: int, exclude_self: bool) -> np.ndarray:
    from scipy.spatial import cKDTree

    wanted = k + 1 if exclude_self else k
    # duplicates make a balanced median split degenerate; the sliding midpoint does not mind
    tree = cKDTree(y, balanced_tree=False, compact_nodes=True)
    # rows that follow one another through the tree find its nodes in cache: a third faster
    order = (tree if y is x else cKDTree(x, balanced_tree=False, compact_nodes=False)).indices
    columns = np.empty((len(x), wanted), dtype=np.int64)
    columns[order] = tree.query(x[order], wanted, workers=-1)[1].reshape(len(x), wanted)
    if not exclude_self:
        return columns
    is_self = columns == np.arange(len(x))[:, None]
    is_self[~is_self.any(axis=1), -1] = True  # crowded out by k + 1 duplicates: any may go
    return columns[~is_self].reshape(len(x), k)


def balls(
    x: Array, y: Array, x_squared: Array, y_squared: Array | None = None, *, tolerance: float = 1e-9
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Balls with squared radii ``x_squared`` about the rows of x, ``y_squared`` about those of y.

    Returns, from one visit: how many y lie strictly inside each ball of x, how many on its edge, how
    many closed balls of y hold each row of x, and of x each row of y. Equality is judged to
    ``tolerance`` relative, the accuracy of the distances.
    """
    x, y, x_squared = detached(x), detached(y), detached(x_squared)
    y_squared = None if y_squared is None else detached(y_squared)
    if _on_cpu(x) and float(x.shape[0]) * y.shape[0] >= TILE_PAIRS:
        from divergences._neighbor_search.search import count_by_tiles

        plain_x, plain_y = _float64(to_numpy(x), to_numpy(y))
        others = None if y_squared is None else to_numpy(y_squared)
        found = count_by_tiles(plain_x, plain_y, to_numpy(x_squared), others, tolerance)
        if found is not None:
            return found
    xp = namespace(x)
    inside, edge, x_held = [], [], []
    y_held = np.zeros(len(y), dtype=np.int64)
    for part in row_slices(x.shape[0], y.shape[0]):
        squared = squared_distances(x[part], y)
        radii = x_squared[part, None]
        closed, strict = squared <= radii * (1 + tolerance), squared < radii * (1 - tolerance)
        inside.append(to_numpy(xp.sum(strict, axis=1)))
        edge.append(to_numpy(xp.sum(closed & ~strict, axis=1)))
        y_held += to_numpy(xp.sum(closed, axis=0))
        if y_squared is not None:
            x_held.append(to_numpy(xp.sum(squared <= y_squared[None, :] * (1 + tolerance), axis=1)))
    none = np.zeros(len(x), dtype=np.int64)
    return np.concatenate(inside), np.concatenate(edge), np.concatenate(x_held) if x_held else none, y_held
