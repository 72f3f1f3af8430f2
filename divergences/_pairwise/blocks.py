"""How large a block is: as scikit-learn's ``working_memory`` allows, and no larger than pays."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Tiling", "block_rows", "resident", "row_slices", "slices"]

BLOCK_BYTES = 32 * 2**20  # beyond this a block falls out of cache and gains nothing
TASK_ROWS, TASK_SHARE = 1024, 8  # rows of a task: at most, and so that there are about so many tasks
COLUMN_BYTES = 64 * 2**20  # of columns that are read and prepared together
TILE_COLUMNS = (
    1040  # of a product; no power of two, whose rows would share the cache's sets (1.8 × at d = 16)
)
FEW_FEATURES = 256  # beyond, twice as many columns


def budget(copies: int) -> float:
    """Bytes that one of ``copies`` temporaries may take."""
    sklearn = sys.modules.get("sklearn")  # not loaded: nobody can have changed its default
    setting = (sklearn.get_config()["working_memory"] if sklearn else 1024) * 2**20
    return float(min(BLOCK_BYTES, setting / copies))


def block_rows(columns: int, *, copies: int = 4) -> int:
    """Rows in a block of ``columns`` float64 numbers, with ``copies`` temporaries of that size."""
    return max(1, int(budget(copies) // (8 * max(columns, 1))))


def row_slices(rows: int, columns: int) -> Iterator[slice]:
    """Slices that cover ``rows`` in blocks of ``block_rows(columns)``."""
    return slices(0, rows, block_rows(columns))


def slices(start: int, stop: int, step: int) -> Iterator[slice]:
    """Slices of ``step`` that cover ``start`` up to ``stop``; the last may be shorter."""
    for first in range(start, stop, step):
        yield slice(first, min(first + step, stop))


class Tiling(NamedTuple):
    """The rows of a task, the columns prepared together, and the tile that is in cache at a time."""

    rows: int
    columns: int
    tile_rows: int
    tile_columns: int

    @classmethod
    def of(cls, n: int, m: int, d: int) -> Tiling:
        allowed = budget(4) / 8  # numbers
        rows = max(1, min(TASK_ROWS, -(-n // TASK_SHARE), int(allowed // (3 * d))))
        columns = max(1, min(m, int(min(COLUMN_BYTES / 8, 2 * allowed) // (3 * d))))
        # the more features, the larger the tile that makes packing them worthwhile
        tile_columns = max(
            1, min(columns, TILE_COLUMNS if d <= FEW_FEATURES else 2 * TILE_COLUMNS, int(allowed))
        )
        tile_rows = max(1, min(rows, max(512, 2 * d), int(allowed // tile_columns)))
        return cls(rows, columns, tile_rows, tile_columns)


def resident(values: Any) -> bool:
    """Whether all rows are in memory as one NumPy array."""
    return isinstance(values, np.ndarray)
