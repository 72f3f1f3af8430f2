"""An order in which neighbours in space are neighbours in memory."""

# Compiled kernels carry no annotations: numba infers their types.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"
from __future__ import annotations

import numba
import numpy as np

__all__ = ["sort_points"]


@numba.njit(cache=True, nogil=True)
def _select(values, order, first, last, middle):
    """Hoare's selection: order[first:middle] gets the smaller values, also where many are equal."""
    low, high = first, last - 1
    while low < high:
        pivot = values[order[(low + high) // 2]]
        i, j = low, high
        while i <= j:
            while values[order[i]] < pivot:
                i += 1
            while values[order[j]] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@numba.njit(cache=True, nogil=True)
def sort_points(points, depth):
    """The order of the leaves of a balanced k-d tree: node i of level l holds [i·n >> l, (i + 1)·n >> l)."""
    n, d = points.shape
    order = np.arange(n)
    columns = np.ascontiguousarray(points.T)
    for level in range(depth):
        for node in range(1 << level):
            first, last = (node * n) >> level, ((node + 1) * n) >> level
            middle = ((2 * node + 1) * n) >> (level + 1)
            widest, axis = -1.0, 0
            for k in range(d):
                low, high = np.inf, -np.inf
                for s in range(first, last):
                    value = columns[k, order[s]]
                    low, high = min(low, value), max(high, value)
                if high - low > widest:
                    widest, axis = high - low, k
            if widest > 0:
                _select(columns[axis], order, first, last, middle)
    return order
