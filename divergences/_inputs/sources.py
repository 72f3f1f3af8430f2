"""Checked samples too large to load: a row source becomes ``Rows``, its values checked as they pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from divergences._arrays import Array, widened
from divergences._inputs.arrays import check_dtype, check_known, loaded, refuse_inexact
from divergences._inputs.samples import check_shape
from divergences._progress import Bar
from divergences._rows import Rows, is_row_source, resident

__all__ = ["check_rows", "checked_blocks", "equal_rows", "extent", "in_memory"]


def check_rows(value: Any, name: str, *, min_rows: int = 1) -> Rows | None:
    """A row source to be read in blocks, its shape and kind checked; None for what is better loaded.

    The values are checked by the first pass over them: ``checked_blocks``, or ``extent``.
    """
    if not is_row_source(value) or len(value.shape) == 0:
        return None
    check_known(value, name)
    check_dtype(value.dtype, name)
    check_shape(tuple(value.shape), name, min_rows)
    return None if resident(value.shape) else Rows(value)


def checked_blocks(
    rows: Rows, name: str, step: int | None = None
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Every row once: its slice, the block, and the least and greatest value of each column in it."""
    with Bar(len(rows), label=f"reading {name}") as bar:
        for part, block in rows.blocks(step):
            low, high = block.min(axis=0), block.max(axis=0)
            if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):  # NaN goes through min and max
                _refuse(block, part.start, name)
            if rows.counts:
                refuse_inexact(max(float(-low.min()), float(high.max())), name, "astype(float)")
            yield part, block, low, high
            bar.advance(len(block))


def _refuse(block: np.ndarray, start: int, name: str) -> None:
    row, column = np.argwhere(~np.isfinite(block))[0]
    raise ValueError(
        f"{name} must be finite; got {block[row, column]} at index ({start + row}, {column}), the first such "
        "row: drop or impute those rows"
    )


def in_memory(side: Array | Rows, name: str) -> Array:
    """All rows of a side in float64, where there is room for them."""
    return loaded(side, name).astype(np.float64, copy=False) if isinstance(side, Rows) else side


def extent(side: Array | Rows, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest value of each column, in float64; of Rows, with every check of values."""
    if not isinstance(side, Rows):
        return widened(side.min(axis=0))[0], widened(side.max(axis=0))[0]
    low, high = np.full(side.shape[1], np.inf), np.full(side.shape[1], -np.inf)
    for _, _, least, greatest in checked_blocks(side, name):
        low, high = np.minimum(low, least), np.maximum(high, greatest)
    return low, high


def equal_rows(x: Array | Rows, y: Array | Rows) -> bool:
    """Whether two sides of a pair are equal row by row; reads no further than the first that differ."""
    if x.shape != y.shape:
        return False
    if isinstance(x, Rows) and isinstance(y, Rows) and x.same_source(y):
        return True
    leader = x if isinstance(x, Rows) else y
    return all(np.array_equal(x[part], y[part]) for part in leader.slices())
