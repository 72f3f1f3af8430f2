"""Stores of chunked arrays: HDF5 files and Zarr folders."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from divergences.readers.common import ReadError, Table, chosen, one_line

__all__ = ["is_zarr", "read_hdf5", "read_zarr"]


def is_zarr(path: Path) -> bool:
    return any((path / mark).is_file() for mark in ("zarr.json", ".zarray", ".zgroup"))


def read_hdf5(path: Path, name: str, choice: str | None) -> Table:
    """The one data set in the file, or ``file.h5:group/name``; mapped where it lies in one piece."""
    h5py = _library("h5py", name)
    try:
        with h5py.File(path, "r") as file:
            found: dict[str, Any] = {}
            file.visititems(lambda key, item: found.update({key: item} if hasattr(item, "dtype") else {}))
            data = found[chosen(found, choice, name)]
            offset = data.id.get_offset()
            if offset is not None and data.dtype.kind in "fiu" and data.ndim > 0:
                return Table(np.memmap(path, data.dtype, "r", offset=offset, shape=data.shape))
            return Table(np.asarray(data[()]))
    except ReadError:
        raise
    except MemoryError:
        raise ReadError(f"{name}: does not fit into memory") from None
    except Exception as error:  # HDF5's own library says no more than OSError and RuntimeError
        raise ReadError(f"{name}: is damaged or no HDF5 file ({one_line(error)})") from None


def read_zarr(path: Path, name: str, choice: str | None) -> Table:
    """The array in the folder, the one array of a group, or ``folder.zarr:name``."""
    zarr = _library("zarr", name)
    try:
        store = zarr.open(str(path), mode="r")
        if hasattr(store, "dtype"):
            if choice is not None:
                raise ReadError(f"{name}: is one array, so {choice!r} cannot be chosen")
            return Table(np.asarray(store[...]))
        found = dict(store.arrays())
        return Table(np.asarray(found[chosen(found, choice, name)][...]))
    except ReadError:
        raise
    except MemoryError:
        raise ReadError(f"{name}: does not fit into memory") from None
    except Exception as error:  # each codec fails in its own way
        raise ReadError(f"{name}: is damaged or no Zarr store ({one_line(error)})") from None


def _library(library: str, name: str) -> Any:
    try:
        return importlib.import_module(library)
    except ImportError:
        raise ReadError(f"{name}: needs {library} to be read; pip install 'divergences[storage]'") from None
