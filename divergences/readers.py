"""Samples from files: one row a sample, whatever the format.

A name may carry a choice after a colon, then a slice in brackets: ``gan.npz:fake[0:10000]``.
A file whose name really ends that way wins. What cannot be read is a ``ReadError`` of one line.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import math
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

__all__ = ["FORMATS", "Data", "ReadError", "read"]

FORMATS = (
    ".npy, .npz, .pt, .pth, .csv, .tsv, .parquet, MNIST's idx (-ubyte, .idx, also .gz), "
    "a folder of images, - for CSV from standard input"
)

MAP_BYTES = 64 * 2**20  # a larger .npy is mapped, not loaded
IMAGES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
CHANNELS = (1, 3, 4)
IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

SLICE = re.compile(r"(?P<name>.+)\[(?P<inside>[^\[\]]*)\]")
BOUNDS = re.compile(r"(\d*):(\d*)")
CHOICE = re.compile(r"(?P<name>.+\.(?:npz|pt|pth|csv|tsv|parquet)|-):(?P<choice>.+)", re.IGNORECASE)


class ReadError(ValueError):
    """A file that cannot be read as samples; the message is one line and names the file."""


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


@dataclass(frozen=True, slots=True)
class _Table:
    """What a reader of one format returns: the array as stored and the names of its columns."""

    array: np.ndarray
    names: tuple[str, ...] | None = None


def read(path: str | Path, *, rows: slice | None = None) -> Data:
    """The samples in a file, ``(n, d)``; ``rows`` cuts them, after a slice in the name.

    Formats: ``.npy``; ``.npz``, ``.pt``, ``.pth`` (one array in it, or ``file.npz:key``);
    ``.csv``, ``.tsv``, ``.parquet`` (numeric columns, or ``file.csv:a,b`` to choose);
    MNIST's idx, plain or gzipped; a folder of images of one size and mode, sorted by name;
    ``-`` for CSV from standard input. ``[start:stop]`` after the name takes those rows, as in
    Python. Nothing is ever unpickled.

    Images are flattened and their shape kept. An array of three axes is (n, height, width), of
    four (n, height, width, channels); four axes with 1, 3 or 4 channels first are turned channels
    last, so that both layouts compare. **uint8 images are divided by 255**, into [0, 1]; other
    numbers stay as they are. More axes are flattened as they lie. A single axis is n samples of
    one dimension. NaN is left for the measures to refuse.

    >>> read("missing.npy")
    Traceback (most recent call last):
    divergences.readers.ReadError: missing.npy: no such file
    """
    source = str(path)
    name, cut = _split_slice(source)
    name, choice = _split_choice(name)
    cuts = [part for part in (cut, rows) if part is not None]
    if name == "-":
        table = _read_csv(sys.stdin.buffer.read(), "-", choice)
    elif Path(name).is_dir():
        table, cuts = _read_images(Path(name), cuts), []
    else:
        table = _read_file(Path(name), name, choice)
    return _as_samples(table, cuts, source)


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


def _read_file(path: Path, name: str, choice: str | None) -> _Table:
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


def _reader_of(path: Path, name: str) -> Callable[[Path, str, str | None], _Table]:
    reader = READERS.get(path.suffix.lower())
    if reader is not None:
        return reader
    if path.name.lower().removesuffix(".gz").endswith(("-ubyte", ".idx")) or _looks_like_idx(path):
        return _read_idx
    ending = repr(path.suffix) if path.suffix else "no ending"
    raise ReadError(f"{name}: unknown format ({ending}); known are {FORMATS}")


# ── from what is stored to samples ──────────────────────────────────────────────────────────


def _as_samples(table: _Table, cuts: Sequence[slice], source: str) -> Data:
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
    array, image_shape = _as_images(array)
    if array.dtype not in (np.float32, np.float64) or not array.dtype.isnative:
        # float32 and float64 of another byte order keep their precision; all else is float64
        wanted = array.dtype.newbyteorder("=") if array.dtype.kind == "f" else np.dtype(np.float64)
        array = array.astype(wanted if wanted in (np.float32, np.float64) else np.float64)
    return Data(array.reshape(len(array), -1), table.names, image_shape, source)


def _as_images(array: np.ndarray) -> tuple[np.ndarray, tuple[int, ...] | None]:
    """Channels last, bytes as [0, 1]; and the shape of one image where it is grey or RGB."""
    if array.ndim < 3:
        return array, None
    if array.ndim == 4 and array.shape[1] in CHANNELS and array.shape[3] not in CHANNELS:
        array = np.moveaxis(array, 1, 3)
    if array.dtype == np.uint8:
        array = array / 255.0
    shape = array.shape[1:]
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    return array, shape if len(shape) == 2 or (len(shape) == 3 and shape[2] == 3) else None


def _chosen(arrays: Mapping[str, Any], choice: str | None, name: str) -> str:
    """The key of the one array in the file, or of the one asked for."""
    keys = ", ".join(arrays) or "none"
    if choice is not None:
        if choice not in arrays:
            raise ReadError(f"{name}: has no array {choice!r}; it holds {keys}")
        return choice
    if len(arrays) != 1:
        hint = f"; choose one: {name}:{next(iter(arrays))}" if arrays else ""
        raise ReadError(f"{name}: must hold one array, has {len(arrays)} ({keys}){hint}")
    return next(iter(arrays))


# ── NumPy and torch ─────────────────────────────────────────────────────────────────────────


def _read_npy(path: Path, name: str, choice: str | None) -> _Table:
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise ReadError(f"{name}: is not a .npy file")
    mode: Literal["r"] | None = "r" if path.stat().st_size > MAP_BYTES else None
    try:
        return _Table(np.load(path, mmap_mode=mode, allow_pickle=False))
    except (ValueError, EOFError, SyntaxError) as error:
        raise ReadError(_numpy_complaint(name, error)) from None


def _read_npz(path: Path, name: str, choice: str | None) -> _Table:
    if not zipfile.is_zipfile(path):
        raise ReadError(f"{name}: is not a .npz archive, or is truncated")
    try:
        with np.load(path, allow_pickle=False) as archive:
            array = archive[_chosen(archive, choice, name)]
    except ReadError:
        raise
    except (ValueError, EOFError, SyntaxError, zipfile.BadZipFile, zlib.error) as error:
        raise ReadError(_numpy_complaint(name, error)) from None
    if not isinstance(array, np.ndarray):
        raise ReadError(f"{name}: what it holds is not a NumPy array")
    return _Table(array)


def _numpy_complaint(name: str, error: Exception) -> str:
    if "allow_pickle" in str(error) or "Python objects" in str(error):
        return f"{name}: holds pickled Python objects, which are never loaded; save plain numbers"
    return f"{name}: is damaged or truncated ({_one_line(error)})"


def _read_torch(path: Path, name: str, choice: str | None) -> _Table:
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        raise ReadError(f"{name}: needs PyTorch to be read; pip install 'divergences[torch]'") from None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler met
        if "weights_only" in str(error):
            raise ReadError(f"{name}: holds Python objects, which are never loaded; save tensors") from None
        raise ReadError(f"{name}: is damaged or no file of torch.save ({_one_line(error)})") from None
    if isinstance(found, Mapping):
        tensors = {str(key): value for key, value in found.items() if isinstance(value, torch.Tensor)}
        found = tensors[_chosen(tensors, choice, name)]
    elif choice is not None:
        raise ReadError(f"{name}: holds no named tensors, so {choice!r} cannot be chosen")
    if not isinstance(found, torch.Tensor):
        raise ReadError(f"{name}: must hold a tensor or a dict of tensors; holds a {type(found).__name__}")
    if found.layout != torch.strided or found.is_quantized:
        raise ReadError(f"{name}: must hold a dense tensor that is not quantized")
    found = found.detach().resolve_conj().resolve_neg()
    return _Table((found.float() if found.dtype == torch.bfloat16 else found).numpy())


# ── MNIST's idx ─────────────────────────────────────────────────────────────────────────────


def _looks_like_idx(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start[:2] == b"\x1f\x8b":
            with gzip.open(path) as file:
                start = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in IDX_TYPES and start[3] > 0


def _read_idx(path: Path, name: str, choice: str | None) -> _Table:
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ReadError(f"{name}: is damaged or truncated ({_one_line(error)})") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES or content[3] == 0:
        raise ReadError(f"{name}: is not an idx file (its first bytes are {content[:4].hex(' ')})")
    dtype, axes = np.dtype(IDX_TYPES[content[2]]), content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise ReadError(f"{name}: is truncated within its header")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", axes, offset=4))
    expected = start + dtype.itemsize * math.prod(shape)
    if len(content) != expected:
        state = "truncated" if len(content) < expected else "damaged"
        raise ReadError(f"{name}: is {state}: shape {shape} takes {expected} bytes, it has {len(content)}")
    return _Table(np.frombuffer(content, dtype, offset=start).reshape(shape))


# ── tables ──────────────────────────────────────────────────────────────────────────────────


def _read_csv_file(path: Path, name: str, choice: str | None) -> _Table:
    return _read_csv(path.read_bytes(), name, choice)


def _read_csv(content: bytes, name: str, choice: str | None) -> _Table:
    """Numbers between commas, semicolons or tabs, with or without a header."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ReadError(f"{name}: is not text in UTF-8") from None
    if not text.strip():
        raise ReadError(f"{name}: no samples in it")
    text = text.lstrip("\r\n")
    separator = max(",;\t", key=text.split("\n", 1)[0].count)
    lines = csv.reader(io.StringIO(text), delimiter=separator)
    first, second = ([cell.strip() for cell in next(lines, [])] for _ in range(2))
    names = tuple(first) if _is_header(first, second) else None
    columns = _columns(names or tuple(map(str, range(len(first)))), choice, name)
    if names is not None and "" in names and choice is None:
        raise ReadError(
            f"{name}: column {names.index('') + 1} has no name (pandas writes its index so); "
            f"choose columns: {name}:{_few([label for label in names if label])}"
        )
    if names is not None and not text.partition("\n")[2].strip():
        raise ReadError(f"{name}: no samples in it, only a header")
    try:
        array = np.loadtxt(
            io.StringIO(text), delimiter=separator, skiprows=int(names is not None), comments=None,
            usecols=columns, quotechar='"', ndmin=2,
        )  # fmt: skip
    except ValueError as error:
        complaint = _text_columns(text, separator, names, columns, name) or _one_line(error)
        raise ReadError(f"{name}: {complaint}") from None
    return _Table(array, tuple(names[k] for k in columns or range(len(names))) if names else None)


def _is_header(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether the first line names columns: it holds no number, or counts them as pandas does."""
    if not any(_is_number(cell) for cell in first):
        return True
    labels = first[1:] if first[0] == "" else first
    counted = list(labels) == [str(k) for k in range(len(labels))]
    return counted and (len(first) > 2 or not all(cell.isdigit() for cell in second))


def _text_columns(
    text: str, separator: str, names: Sequence[str] | None, columns: Sequence[int] | None, name: str
) -> str | None:
    """Which columns hold a cell that is no number, and how to choose the others."""
    lines = csv.reader(io.StringIO(text), delimiter=separator)
    if names is not None:
        next(lines)
    found: dict[int, str] = {}
    width = 0
    for cells in lines:
        width = max(width, len(cells))
        for k in columns or range(len(cells)):
            if k < len(cells) and k not in found and not _is_number(cells[k]):
                found[k] = f"{cells[k].strip()!r} in line {lines.line_num}"
    if not found:
        return None
    labels = names if names is not None and len(names) >= width else [str(k) for k in range(width)]
    bad = _few([f"{labels[k]!r} ({where})" for k, where in found.items()], ", ")
    good = [label for k, label in enumerate(labels) if k not in found]
    hint = f"choose others: {name}:{_few(good)}" if good else "no column is numeric throughout"
    return f"not a number in column{'s' if len(found) > 1 else ''} {bad}; {hint}"


def _read_parquet(path: Path, name: str, choice: str | None) -> _Table:
    try:
        pandas = importlib.import_module("pandas")
        importlib.import_module("pyarrow")
    except ImportError:
        raise ReadError(
            f"{name}: needs pandas and pyarrow to be read; pip install 'divergences[tables]'"
        ) from None
    try:
        frame = pandas.read_parquet(path, engine="pyarrow")
    except Exception as error:  # pyarrow's errors share no base but this
        raise ReadError(f"{name}: is damaged or no parquet file ({_one_line(error)})") from None
    columns = _columns(tuple(map(str, frame.columns)), choice, name)
    frame = frame if columns is None else frame.iloc[:, columns]
    labels, kinds = tuple(map(str, frame.columns)), list(frame.dtypes)
    numeric = [pandas.api.types.is_numeric_dtype(kind) for kind in kinds]
    if not all(numeric):
        bad = [f"{labels[k]!r} ({kinds[k]})" for k, fine in enumerate(numeric) if not fine]
        good = [labels[k] for k, fine in enumerate(numeric) if fine]
        hint = f"choose others: {name}:{_few(good)}" if good else "no column is numeric"
        plural = "s" if len(bad) > 1 else ""
        raise ReadError(f"{name}: not numbers in column{plural} {_few(bad, ', ')}; {hint}")
    single = all(str(kind).lower() == "float32" for kind in kinds)
    return _Table(frame.to_numpy(dtype=np.float32 if single else np.float64, na_value=np.nan), labels)


def _columns(names: Sequence[str], choice: str | None, name: str) -> list[int] | None:
    """The positions of the columns asked for; None for all. Without a header they count from 0."""
    if choice is None:
        return None
    chosen = [label.strip() for label in choice.split(",")]
    for label in chosen:
        if names.count(label) != 1:
            trouble = "has no column" if label not in names else "has more than one column"
            raise ReadError(f"{name}: {trouble} {label!r}; its columns are {_few(names, ', ')}")
    return [names.index(label) for label in chosen]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


# ── images ──────────────────────────────────────────────────────────────────────────────────


def _read_images(folder: Path, cuts: Sequence[slice]) -> _Table:
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGES)
    except OSError as error:
        raise ReadError(f"{folder}: {error.strerror or error}") from None
    if not files:
        raise ReadError(f"{folder}: no images directly in it ({', '.join(IMAGES)})")
    stored = len(files)
    for cut in cuts:
        files = files[cut]
    if not files:
        raise ReadError(f"{folder}: no rows left of {stored}")
    first, kind = _read_image(files[0])
    array = np.empty((len(files), *first.shape), dtype=np.uint8)
    for k, file in enumerate(files):
        array[k], _ = _read_image(file, (files[0], kind))
    return _Table(array)


def _read_image(file: Path, like: tuple[Path, str] | None = None) -> tuple[np.ndarray, str]:
    """The pixels and a text of their kind; an image of another kind than ``like`` is refused."""
    try:
        image_module = importlib.import_module("PIL.Image")
    except ImportError:
        raise ReadError(f"{file}: needs Pillow to be read; pip install pillow") from None
    try:
        with image_module.open(file) as image:
            if image.mode == "P":  # numbers in a palette are no colours
                image = image.convert("RGBA" if "transparency" in image.info else "RGB")
            elif image.mode == "1":
                image = image.convert("L")
            kind = f"{image.width}x{image.height} {image.mode}"
            if like is not None and kind != like[1]:
                raise ReadError(
                    f"{file.parent}: images must be of one size and mode; {like[0].name} is {like[1]}, "
                    f"{file.name} is {kind}"
                )
            if image.mode not in ("L", "RGB", "RGBA"):
                raise ReadError(f"{file}: mode {image.mode} is not taken; convert it to L, RGB or RGBA")
            return np.asarray(image), kind
    except ReadError:
        raise
    except Exception as error:  # each decoder of Pillow fails in its own way
        raise ReadError(f"{file}: is damaged or no image ({_one_line(error)})") from None


# ── words ───────────────────────────────────────────────────────────────────────────────────


def _one_line(error: Exception, limit: int = 160) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _few(labels: Sequence[str], separator: str = ",", limit: int = 6) -> str:
    return separator.join(labels[:limit]) + (f"{separator}…" if len(labels) > limit else "")


READERS: dict[str, Callable[[Path, str, str | None], _Table]] = {
    ".csv": _read_csv_file,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".parquet": _read_parquet,
    ".pt": _read_torch,
    ".pth": _read_torch,
    ".tsv": _read_csv_file,
}
