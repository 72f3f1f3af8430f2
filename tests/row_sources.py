"""Sources that are read by row slices, for tests: the libraries' own and the least there can be."""

from __future__ import annotations

from collections import Counter

SMALL = 0.02  # MiB of working memory: far less than the samples here, so that they are streamed
KINDS = ["memmap", "memmap columns", "hdf5", "hdf5 contiguous", "zarr", "dask", "dask uneven", "object"]


class Sliced:
    """The least a source needs: a shape, a dtype and row slices. It counts what is read of it."""

    def __init__(self, array, chunk=None):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype
        self.reads = Counter()
        self.chunks = None if chunk is None else (chunk, *array.shape[1:])

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self._array))
        chunk = self.chunks[0] if self.chunks else 1
        for k in range(start // chunk, -(-stop // chunk)):
            self.reads[k] += 1
        return self._array[rows]
