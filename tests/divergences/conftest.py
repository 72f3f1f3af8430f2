"""What tests of samples that are read by blocks may use."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from row_sources import SMALL, Sliced


@pytest.fixture
def source(tmp_path):
    """A function that puts an array where it is read from by slices."""

    def make(kind, array):
        array = np.asarray(array)
        path = tmp_path / f"samples{len(list(tmp_path.iterdir()))}"
        if kind.startswith("memmap"):
            wide = np.concatenate([array, array], axis=1) if kind == "memmap columns" else array
            np.save(path.with_suffix(".npy"), wide)
            mapped = np.load(path.with_suffix(".npy"), mmap_mode="r")
            return mapped[:, : array.shape[1]] if kind == "memmap columns" else mapped
        if kind.startswith("hdf5"):
            h5py = pytest.importorskip("h5py")
            chunks = None if kind == "hdf5 contiguous" else (min(97, len(array)), *array.shape[1:])
            file = h5py.File(path.with_suffix(".h5"), "w")
            return file.create_dataset("samples", data=array, chunks=chunks)
        if kind == "zarr":
            zarr = pytest.importorskip("zarr")
            stored = zarr.open_array(
                str(path.with_suffix(".zarr")), mode="w", shape=array.shape, dtype=array.dtype,
                chunks=(100, *(2 for _ in array.shape[1:])),
            )  # fmt: skip
            stored[...] = array
            return stored
        if kind.startswith("dask"):
            dask_array = pytest.importorskip("dask.array")
            rest = ((side,) for side in array.shape[1:])
            cuts = (7, 300, 1, len(array) - 308) if kind == "dask uneven" else 110
            return dask_array.from_array(array, chunks=(cuts, *rest))
        return Sliced(array)

    return make


@pytest.fixture
def streamed():
    """Within it nothing but the smallest samples is loaded at once."""
    with sklearn.config_context(working_memory=SMALL):
        yield


@pytest.fixture
def both(rng):
    """x (1003, 3) with dependent features at an offset, and y (411, 3)."""
    x = rng.normal(size=(1003, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 2.0, 0.3], [0.0, 0.0, 0.1]])
    y = rng.normal(0.2, 1.3, size=(411, 3))
    return np.round(x * 2**12) / 2**12, np.round(y * 2**12) / 2**12
