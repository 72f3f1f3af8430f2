"""Samples that stay where they are: rows read block by block, in the coordinates of a pair.

A source is anything that has ``shape`` and ``dtype`` and is sliced by rows: a NumPy memmap, an HDF5
dataset, a Zarr or Dask array. Nothing here knows these libraries; a slice is turned into NumPy.
"""

from __future__ import annotations

import bisect
import copy
import importlib
import math
import mmap
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Rows", "block_bytes", "is_row_source", "resident", "working_memory"]

BLOCK_BYTES = 16 * 2**20  # what one block of float64 rows may take; more is not read any faster
RESIDENT_SHARE = 4  # a source is loaded where its float64 form takes at most 1/4 of the working memory
LARGEST_SINGLE_SCALE = 2.0**32  # beyond it, float32 divided by the scale would lose its smallest values


def working_memory() -> float:
    """scikit-learn's ``working_memory`` setting, in bytes."""
    sklearn = sys.modules.get("sklearn")  # not loaded: nobody can have changed its default
    return float(sklearn.get_config()["working_memory"] if sklearn else 1024) * 2**20


def block_bytes() -> float:
    """The size a block of rows should have in float64: temporaries of a few of them fit the setting."""
    return min(BLOCK_BYTES, working_memory() / 16)


def is_row_source(value: Any) -> bool:
    """Whether ``value`` holds its numbers elsewhere and hands them out by row slices."""
    if isinstance(value, np.ndarray):
        return isinstance(value, np.memmap)
    if isinstance(value, np.generic) or type(value).__module__.split(".")[0] in {"pandas", "scipy"}:
        return False
    sliced = hasattr(value, "shape") and hasattr(value, "__getitem__")
    return sliced and isinstance(getattr(value, "dtype", None), np.dtype)


def resident(shape: tuple[int, ...]) -> bool:
    """Whether samples of this shape are small enough to be loaded at once."""
    return 8.0 * float(np.prod(shape, dtype=np.float64)) * RESIDENT_SHARE <= working_memory()


class Rows:
    """Rows of a source as NumPy blocks: ``rows[a:b]`` is ``(b − a, d)``, read when it is asked for.

    float32 stays float32, every other kind becomes float64; a 1-D source is one column. ``framed``
    gives the same rows with an origin subtracted and a power of two divided out, exactly. Blocks
    are not to be written to. Where the source is stored in chunks, ``slices`` follows their
    boundaries and the last chunk read is kept, so that a pass reads each chunk once.
    """

    __slots__ = ("_chunks", "_held", "_origin", "_scale", "_source", "_start", "counts", "dtype", "shape")

    def __init__(self, source: Any) -> None:
        rows = int(source.shape[0])
        self._source = source
        self._start = 0
        self._chunks = _boundaries(source, rows)
        self._origin: np.ndarray | None = None
        self._scale = 1.0
        self._held: tuple[int, int, np.ndarray] | None = None
        self.counts = source.dtype.kind in "iu" and source.dtype.itemsize >= 8
        self.dtype = np.dtype(np.float32 if source.dtype.newbyteorder("=") == np.float32 else np.float64)
        self.shape = (rows, int(source.shape[1]) if len(source.shape) > 1 else 1)

    @property
    def ndim(self) -> int:
        return 2

    @property
    def step(self) -> int:
        """Rows in a block, unless the reader has a wish."""
        return max(1, int(block_bytes() // (8 * self.shape[1])))

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Rows({type(self._source).__name__}, shape={self.shape}, dtype={self.dtype})"

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("Rows are read by blocks, rows[a:b]; rows.load() reads them all")

    def __getstate__(self) -> dict[str, Any]:
        """For another process: files are opened again there, by name, and never sent."""
        state = {name: getattr(self, name) for name in self.__slots__ if name != "_held"}
        state["_source"] = _reference(self._source)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        if isinstance(self._source, _Reference):
            self._source = self._source.opened()
        self._held = None

    def __copy__(self) -> Rows:
        rows = Rows.__new__(Rows)
        for name in self.__slots__:
            setattr(rows, name, getattr(self, name))
        rows._held = None
        return rows

    def same_source(self, other: Rows) -> bool:
        """Whether both are the same rows of one object."""
        return self._source is other._source and (self._start, self.shape) == (other._start, other.shape)

    def framed(self, origin: np.ndarray, scale: float) -> Rows:
        """The rows as ``(row − origin) / scale``; in float32 only where that is exact."""
        rows = copy.copy(self)
        shifted = bool(np.any(origin != 0))
        fits = scale <= LARGEST_SINGLE_SCALE and bool(np.all(origin.astype(np.float32) == origin))
        if rows.dtype == np.float32 and not fits:
            rows.dtype = np.dtype(np.float64)
        rows._origin = origin.astype(rows.dtype) if shifted else None
        rows._scale = scale
        return rows

    def part(self, start: int, stop: int) -> Rows:
        """The rows from ``start`` up to ``stop``, not read either."""
        rows = copy.copy(self)
        rows._start = self._start + start
        rows.shape = (stop - start, self.shape[1])
        return rows

    def slices(self, step: int | None = None) -> Iterator[slice]:
        """Slices that cover the rows, of about ``step`` rows each: whole chunks where they are no larger."""
        step = step or self.step
        start = 0
        while start < len(self):
            stop = min(start + step, len(self))
            to_the_end = stop == len(self) and self._chunk_start(start) == start
            boundary = stop if to_the_end else self._chunk_start(stop)
            if boundary > start:
                stop = boundary
            elif stop < len(self):  # a chunk larger than the step is cut in even pieces
                left = min(self._chunk_stop(stop), len(self)) - start
                stop = start + -(-left // -(-left // step))
            yield slice(start, stop)
            start = stop

    def blocks(self, step: int | None = None) -> Iterator[tuple[slice, np.ndarray]]:
        """Every row once, with the slice it came from."""
        for part in self.slices(step):
            yield part, self[part]

    def load(self) -> np.ndarray:
        """All rows at once."""
        return self[0 : len(self)]

    def take(self, indices: np.ndarray) -> np.ndarray:
        """The rows at ``indices``, in that order; reads no block that holds none of them."""
        out = np.empty((len(indices), self.shape[1]), dtype=self.dtype)
        order = np.argsort(indices, kind="stable")
        ordered = np.asarray(indices)[order]
        for part in self.slices():
            first, last = np.searchsorted(ordered, [part.start, part.stop])
            if last > first:
                out[order[first:last]] = self[part][ordered[first:last] - part.start]
        return out

    def __getitem__(self, part: slice) -> np.ndarray:
        if not isinstance(part, slice):
            raise TypeError(f"Rows are read by slices, rows[a:b]; got {part!r}")
        start, stop, stride = part.indices(len(self))
        if stride != 1:
            raise ValueError(f"Rows are read in their order; got a step of {stride}")
        stop = max(start, stop)
        if self._chunks is None or start == stop:
            return self._read(start, stop)
        held = self._held  # one reference: another thread may replace it
        if held is not None and held[0] <= start and stop <= held[1]:
            return held[2][start - held[0] : stop - held[0]]
        first, last = max(self._chunk_start(start), 0), min(self._chunk_stop(stop), len(self))
        if (first, last) == (start, stop) or 8 * (last - first) * self.shape[1] > working_memory() / 4:
            return self._read(start, stop)
        block = self._read(first, last)
        self._held = first, last, block
        return block[start - first : stop - first]

    def _chunk_start(self, row: int) -> int:
        """The last boundary at or before ``row``; ``row`` itself where there are no chunks."""
        if self._chunks is None:
            return row
        return self._chunks[bisect.bisect_right(self._chunks, row + self._start) - 1] - self._start

    def _chunk_stop(self, row: int) -> int:
        """The first boundary at or after ``row``."""
        if self._chunks is None:
            return len(self)
        place = bisect.bisect_left(self._chunks, row + self._start)
        return self._chunks[place] - self._start if place < len(self._chunks) else len(self)

    def _read(self, start: int, stop: int) -> np.ndarray:
        block = self._source[self._start + start : self._start + stop]
        if isinstance(block, np.ma.MaskedArray) and np.ma.is_masked(block):
            raise ValueError(
                f"rows {start} to {stop} of the {type(self._source).__name__} have masked values; "
                "fill or drop them first"
            )
        with np.errstate(over="ignore"):  # long double beyond float64 is inf, and refused as such
            block = np.asarray(block).astype(self.dtype, copy=False).reshape(-1, self.shape[1])
        if len(block) != stop - start:
            raise ValueError(
                f"the {type(self._source).__name__} gave {len(block)} rows for the slice "
                f"{self._start + start}:{self._start + stop}; its shape says there are more"
            )
        if self._origin is not None:
            block = block - self._origin
        if self._scale == 1.0:
            return block
        exponent = math.frexp(self._scale)[1] - 1
        if abs(exponent) < 100:
            return block * self.dtype.type(2.0**-exponent)
        return np.ldexp(block, -exponent)  # 1/scale itself may overflow


def _boundaries(source: Any, rows: int) -> Sequence[int] | None:
    """Where the chunks of rows begin and end; None where rows are read one as cheaply as many."""
    chunks = getattr(source, "chunks", None)
    if not isinstance(chunks, tuple) or not chunks:
        return None
    if isinstance(chunks[0], tuple):  # Dask: the length of each
        return [0, *np.cumsum(chunks[0]).tolist()]
    return range(0, rows + int(chunks[0]), int(chunks[0]))  # HDF5, Zarr: all alike, the last cut off


# ── other processes ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Reference:
    """A source in a file, by what opens it again: every process must see the file under its name."""

    opener: str  # "memmap" or "hdf5"
    file: str
    inside: tuple[Any, ...]  # dtype, shape, offset, strides of the map; or the name of the data set

    def opened(self) -> Any:
        if self.opener == "hdf5":
            return importlib.import_module("h5py").File(self.file, "r")[self.inside[0]]
        dtype, shape, offset, strides = self.inside
        whole = np.memmap(self.file, dtype=np.uint8, mode="r")
        view: np.ndarray = np.ndarray(shape, dtype, buffer=whole, offset=offset, strides=strides)
        return view


def _reference(source: Any) -> Any:
    """How to open the source elsewhere; the source itself where it can be sent (Zarr, Dask)."""
    if isinstance(source, np.memmap) and source.filename is not None:
        mapped = source
        while isinstance(mapped.base, np.memmap):
            mapped = mapped.base
        if isinstance(mapped.base, mmap.mmap):
            address = source.__array_interface__["data"][0] - mapped.__array_interface__["data"][0]
            offset = mapped.offset + address
            inside = (source.dtype, source.shape, offset, source.strides)
            return _Reference("memmap", os.path.abspath(source.filename), inside)
    if type(source).__module__.split(".")[0] == "h5py":
        return _Reference("hdf5", os.path.abspath(source.file.filename), (source.name,))
    return source
