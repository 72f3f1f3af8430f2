"""In one dimension neighbours are neighbours in sorted order."""

from __future__ import annotations

import numpy as np

__all__ = ["kth_on_line"]


def kth_on_line(x: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
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
