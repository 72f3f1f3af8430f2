"""Tables: numbers between commas, semicolons or tabs, and parquet."""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from divergences.readers.common import ReadError, Table, few, one_line

__all__ = ["read_csv", "read_csv_file", "read_parquet"]


def read_csv_file(path: Path, name: str, choice: str | None) -> Table:
    return read_csv(path.read_bytes(), name, choice)


def read_csv(content: bytes, name: str, choice: str | None) -> Table:
    """Numbers between commas, semicolons or tabs, with or without a header."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ReadError(f"{name}: is not text in UTF-8") from None
    if not text.strip():
        raise ReadError(f"{name}: no samples in it")
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\n")
    separator = max(",;\t", key=text.split("\n", 1)[0].count)
    lines = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        first, second = ([cell.strip() for cell in next(lines, [])] for _ in range(2))
    except csv.Error as error:
        raise ReadError(f"{name}: {one_line(error)}") from None
    names = tuple(first) if _is_header(first, second) else None
    columns = _columns(names or tuple(map(str, range(len(first)))), choice, name)
    if names is not None and "" in names and choice is None:
        raise ReadError(
            f"{name}: column {names.index('') + 1} has no name (pandas writes its index so); "
            f"choose columns: {name}:{few([label for label in names if label])}"
        )
    if names is not None and not text.partition("\n")[2].strip():
        raise ReadError(f"{name}: no samples in it, only a header")
    try:
        array = np.loadtxt(
            io.StringIO(text), delimiter=separator, skiprows=int(names is not None), comments=None,
            usecols=columns, quotechar='"', ndmin=2,
        )  # fmt: skip
    except ValueError as error:
        with contextlib.suppress(csv.Error):  # NumPy's own words then
            error = ValueError(_text_columns(text, separator, names, columns, name) or error)
        complaint = one_line(error)
        raise ReadError(f"{name}: {complaint}") from None
    return Table(array, tuple(names[k] for k in columns or range(len(names))) if names else None)


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
    bad = few([f"{labels[k]!r} ({where})" for k, where in found.items()], ", ")
    good = [label for k, label in enumerate(labels) if k not in found]
    hint = f"choose others: {name}:{few(good)}" if good else "no column is numeric throughout"
    return f"not a number in column{'s' if len(found) > 1 else ''} {bad}; {hint}"


def read_parquet(path: Path, name: str, choice: str | None) -> Table:
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
        raise ReadError(f"{name}: is damaged or no parquet file ({one_line(error)})") from None
    columns = _columns(tuple(map(str, frame.columns)), choice, name)
    frame = frame if columns is None else frame.iloc[:, columns]
    labels, kinds = tuple(map(str, frame.columns)), list(frame.dtypes)
    numeric = [pandas.api.types.is_numeric_dtype(kind) for kind in kinds]
    if not all(numeric):
        bad = [f"{labels[k]!r} ({kinds[k]})" for k, fine in enumerate(numeric) if not fine]
        good = [labels[k] for k, fine in enumerate(numeric) if fine]
        hint = f"choose others: {name}:{few(good)}" if good else "no column is numeric"
        plural = "s" if len(bad) > 1 else ""
        raise ReadError(f"{name}: not numbers in column{plural} {few(bad, ', ')}; {hint}")
    single = all(str(kind).lower() == "float32" for kind in kinds)
    return Table(frame.to_numpy(dtype=np.float32 if single else np.float64, na_value=np.nan), labels)


def _columns(names: Sequence[str], choice: str | None, name: str) -> list[int] | None:
    """The positions of the columns asked for; None for all. Without a header they count from 0."""
    if choice is None:
        return None
    chosen = [label.strip() for label in choice.split(",")]
    for label in chosen:
        if names.count(label) != 1:
            trouble = "has no column" if label not in names else "has more than one column"
            raise ReadError(f"{name}: {trouble} {label!r}; its columns are {few(names, ', ')}")
    return [names.index(label) for label in chosen]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
