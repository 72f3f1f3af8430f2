"""Samples from files: one row a sample, whatever the format; a file here for each kind.

A name may carry a choice after a colon, then a slice in brackets: ``gan.npz:fake[0:10000]``.
A file whose name really ends that way wins. What cannot be read is a ``ReadError`` of one line.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from divergences.readers.arrays import read_npy, read_npz, read_torch
from divergences.readers.common import ReadError, Table
from divergences.readers.idx import looks_like_idx, read_idx
from divergences.readers.images import as_images, read_images
from divergences.readers.stores import is_zarr, read_hdf5, read_zarr
from divergences.readers.tables import read_csv, read_csv_file, read_parquet

__all__ = ["FORMATS", "Data", "ReadError", "read"]

FORMATS = (
    ".npy, .npz, .pt, .pth, .csv, .tsv, .parquet, .h5, .hdf5, .zarr, MNIST's idx (-ubyte, .idx, also .gz), "
    "a folder of images, - for CSV from standard input"
)
READERS: dict[str, Callable[[Path, str, str | None], Table]] = {
    ".csv": read_csv_file,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".npy": read_npy,
    ".npz": read_npz,
    ".parquet": read_parquet,
    ".pt": read_torch,
    ".pth": read_torch,
    ".tsv": read_csv_file,
}

SLICE = re.compile(r"(?P<name>.+)\[(?P<inside>[^\[\]]*)\]")
BOUNDS = re.compile(r"(\d*):(\d*)")
CHOICE = re.compile(
    r"(?P<name>.+\.(?:npz|pth?|csv|tsv|parquet|h5|hdf5|zarr)|-):(?P<choice>.+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Samples from a file.

    ``array`` is (n, d), float64 or the file's own float32 or float64. ``names`` are the columns
    of a table. ``image_shape`` is (height, width) or (height, width, 3) where each row is such an
    image, flattened. ``source`` is the name as it was asked for.
    """

    array: np.ndarray
    names: tuple[str, ...] | None
    image_shape: tuple[int, ...] | None
    source: str


def read(path: str | Path, *, rows: slice | None = None) -> Data:
    """The samples in a file, ``(n, d)``; ``rows`` cuts them, after a slice in the name.

    Formats: ``.npy``; ``.npz``, ``.pt``, ``.pth`` (one array in it, or ``file.npz:key``);
    ``.csv``, ``.tsv``, ``.parquet`` (numeric columns, or ``file.csv:a,b`` to choose);
    ``.h5``, ``.hdf5``, ``.zarr`` (one array in it, or ``file.h5:group/name``);
    MNIST's idx, plain or gzipped; a folder of images of one size and mode, sorted by name;
    ``-`` for CSV from standard input. ``[start:stop]`` after the name takes those rows, as in
    Python. Nothing is ever unpickled. A large .npy, and an HDF5 data set that is
    neither chunked nor compressed, are mapped: measures that stream then read them by blocks.

    Images are flattened and their shape kept. An array of three axes is (n, height, width), of
    four (n, height, width, channels); four axes with 1, 3 or 4 channels first are turned channels
    last, so that both layouts compare. **uint8 images are divided by 255**, into [0, 1]; other
    numbers stay as they are. More axes are flattened as they lie. A single axis is n samples of
    one dimension. NaN is left for the measures to refuse.

    >>> read("missing.npy")
    Traceback (most recent call last):
    divergences.readers.common.ReadError: missing.npy: no such file
    """
    source = str(path)
    name, cut = _split_slice(source)
    name, choice = _split_choice(name)
    cuts = [part for part in (cut, rows) if part is not None]
    if name == "-":
        table = read_csv(sys.stdin.buffer.read(), "-", choice)
    elif Path(name).is_dir() and is_zarr(Path(name)):
        table = read_zarr(Path(name), name, choice)
    elif Path(name).is_dir():
        table, cuts = read_images(Path(name), cuts), []
    else:
        table = _read_file(Path(name), name, choice)
    return _as_samples(table, cuts, source)


def located(source: str) -> Path:
    """The file or folder that a text for ``read`` names, without the choice and the rows after it."""
    match = SLICE.fullmatch(source)  # whatever is in the brackets
    name = source if match is None or Path(source).exists() else match["name"]
    return Path(_split_choice(name)[0])


def is_chosen(source: str) -> bool:
    """Whether the text says which columns or which array to take."""
    return _split_choice(_split_slice(source)[0])[1] is not None


# ── names ───────────────────────────────────────────────────────────────────────────────────


def _split_slice(source: str) -> tuple[str, slice | None]:
    match = SLICE.fullmatch(source)
    if match is None or Path(source).exists():
        return source, None
    bounds = BOUNDS.fullmatch(match["inside"])
    if bounds is None:
        raise ReadError(f"{source}: rows are chosen as [start:stop], for example {match['name']}[0:1000]")
    start, stop = (int(text) if text else None for text in bounds.groups())
    return match["name"], slice(start, stop)


def _split_choice(name: str) -> tuple[str, str | None]:
    match = CHOICE.fullmatch(name)
    if match is None or Path(name).exists():
        return name, None
    return match["name"], match["choice"]


def _read_file(path: Path, name: str, choice: str | None) -> Table:
    try:
        if not path.exists():
            raise ReadError(f"{name}: no such file")
        if not path.is_file():
            raise ReadError(f"{name}: not a regular file")
        if path.stat().st_size == 0:
            raise ReadError(f"{name}: the file is empty")
        return _reader_of(path, name)(path, name, choice)
    except MemoryError:
        raise ReadError(f"{name}: does not fit into memory") from None
    except OSError as error:
        raise ReadError(f"{name}: {error.strerror or error}") from None


def _reader_of(path: Path, name: str) -> Callable[[Path, str, str | None], Table]:
    reader = READERS.get(path.suffix.lower())
    if reader is not None:
        return reader
    if path.name.lower().removesuffix(".gz").endswith(("-ubyte", ".idx")) or looks_like_idx(path):
        return read_idx
    ending = repr(path.suffix) if path.suffix else "no ending"
    raise ReadError(f"{name}: unknown format ({ending}); known are {FORMATS}")


# ── from what is stored to samples ──────────────────────────────────────────────────────────


def _as_samples(table: Table, cuts: Sequence[slice], source: str) -> Data:
    array = table.array
    if array.dtype.kind not in "fiub":
        raise ReadError(f"{source}: holds {array.dtype} values; samples must be real numbers")
    if array.ndim == 0:
        raise ReadError(f"{source}: holds a single number; samples are one a row")
    stored = len(array)
    for cut in cuts:
        array = array[cut]
    if array.size == 0:
        what = f"no rows left of {stored}" if stored and cuts else f"no samples in it, shape {array.shape}"
        raise ReadError(f"{source}: {what}")
    array, image_shape = as_images(array)
    if array.dtype not in (np.float32, np.float64) or not array.dtype.isnative:
        # float32 and float64 of another byte order keep their precision; all else is float64
        wanted = array.dtype.newbyteorder("=") if array.dtype.kind == "f" else np.dtype(np.float64)
        array = array.astype(wanted if wanted in (np.float32, np.float64) else np.float64)
    return Data(array.reshape(len(array), -1), table.names, image_shape, source)
