"""Compiled passes over a block of reduced costs, while it is in cache.

Written so that the compiler can compare many entries at once: slices of fixed length, no index sums.
"""

# Compiled kernels carry no annotations: numba infers their types.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["at_most", "keep_smallest"]

LANES = 32  # entries that are compared together before any of them is looked at
GROUPS = 128  # columns (mod this) whose minima bound the smallest values of a row


@njit(cache=True, nogil=True)
def _replace_largest(values, items, value, item):
    """Put an entry in the place of the largest of a max-heap."""
    size, place = len(values), 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and values[child + 1] > values[child]:
            child += 1
        if values[child] <= value:
            break
        values[place], items[place] = values[child], items[child]
        place = child
    values[place], items[place] = value, item


@njit(cache=True, nogil=True)
def _enough(row, count, least):
    """A number that at least ``count`` entries are not above; inf where the row is too short to tell.

    Of minima over disjoint groups the count-th smallest is not below that of all.
    """
    if len(row) < 4 * GROUPS or count > GROUPS:
        return row.dtype.type(np.inf)
    least[:] = row[:GROUPS]
    for start in range(GROUPS, len(row) - GROUPS + 1, GROUPS):
        part = row[start : start + GROUPS]
        for j in range(GROUPS):
            value = part[j]
            if value < least[j]:
                least[j] = value
    return np.partition(least, count - 1)[count - 1]


@njit(cache=True, nogil=True)
def keep_smallest(block, first_row, row_values, row_columns, column_limits, column_values, column_rows):
    """Push a block's entries on the max-heaps of its rows and of all columns.

    ``column_limits[j]`` is the top of column j's heap, apart, so that many can be compared at once.
    """
    height, width = block.shape
    least = np.empty(GROUPS, dtype=block.dtype)
    for i in range(height):
        row = block[i]
        values, columns = row_values[first_row + i], row_columns[first_row + i]
        limit = min(values[0], _enough(row, len(values), least))
        for start in range(0, width, LANES):
            part, limits = row[start : start + LANES], column_limits[start : start + LANES]
            if len(part) == LANES:
                below = block.dtype.type(np.inf)
                for j in range(LANES):
                    over = part[j] - max(limit, limits[j])
                    below = over if over < below else below
                if below > 0:
                    continue
            for j in range(len(part)):
                value = part[j]
                if value <= limit and value < values[0]:
                    _replace_largest(values, columns, value, start + j)
                    limit = min(limit, values[0])
                if value < limits[j]:
                    column = start + j
                    _replace_largest(column_values[column], column_rows[column], value, first_row + i)
                    limits[j] = column_values[column, 0]


@njit(cache=True, nogil=True)
def at_most(block, limits, rows, columns):
    """Row and column of the entries not above their row's limit, and how many there are.

    Those that no longer fit into ``rows`` and ``columns`` are only counted.
    """
    height, width = block.shape
    found = 0
    for i in range(height):
        row, limit = block[i], limits[i]
        for start in range(0, width, LANES):
            part = row[start : start + LANES]
            if len(part) == LANES:
                least = part[0]
                for j in range(LANES):
                    value = part[j]
                    least = value if value < least else least
                if least > limit:
                    continue
            for j in range(len(part)):
                if part[j] <= limit:
                    if found < len(rows):
                        rows[found], columns[found] = i, start + j
                    found += 1
    return found
