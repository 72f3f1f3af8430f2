"""Tables: pandas, polars and Arrow frames and Hugging Face datasets, by the names of their columns.

None of these libraries is loaded here: a table is known by the library its class comes from.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["as_plain", "check_columns", "column_names", "plain_samples"]

LIBRARIES = ("pandas", "polars", "pyarrow", "datasets")
SELECT = {"datasets": ".select_columns({0}.column_names)", "pyarrow": ".select({0}.column_names)"}


def column_names(value: Any) -> tuple[str, ...] | None:
    """The names of a table's columns; None for what is no table, or has only counted its columns."""
    if _library(value) not in LIBRARIES or len(getattr(value, "shape", ())) != 2:
        return None
    columns: Any = getattr(value, "column_names", None) or getattr(value, "columns", ())
    if type(columns).__name__ == "RangeIndex":  # pandas counts columns that were given no names
        return None
    return tuple(str(each) for each in columns)


def check_columns(x: Any, y: Any, names: tuple[str, str] = ("x", "y")) -> tuple[str, ...] | None:
    """The columns of two tables, which must be the same in one order; None where neither has names."""
    first, second = column_names(x), column_names(y)
    if first is None or second is None or first == second:
        return first or second
    if sorted(first) == sorted(second):
        select = SELECT.get(_library(y), "[list({0}.columns)]").format(names[0])
        raise ValueError(
            f"{names[0]} and {names[1]} must have their columns in one order; got {_few(first)} and "
            f"{_few(second)}. Pass {names[1]}{select}"
        )
    alone = [
        f"only {name} has {_few([each for each in mine if each not in other])}"
        for name, mine, other in ((names[0], first, second), (names[1], second, first))
        if set(mine) - set(other)
    ]
    raise ValueError(
        f"{names[0]} and {names[1]} must have the same columns; "
        f"{', '.join(alone) or 'one has a column twice'}. Select or rename them"
    )


def as_plain(value: Any, name: str) -> Any:
    """A table as one NumPy array, a column each; a column of vectors takes several. Others unchanged."""
    library = _library(value)
    if library not in LIBRARIES:
        return value
    kind = type(value).__name__
    if kind == "LazyFrame":
        raise TypeError(f"{name} must be read before it is measured; got a LazyFrame. Pass {name}.collect()")
    if kind == "IterableDataset":
        raise TypeError(f"{name} must know its rows; got an IterableDataset. Pass list({name}.take(1000))")
    if kind in ("DatasetDict", "IterableDatasetDict"):
        split = next(iter(value), "train")
        raise TypeError(f"{name} must be one split; got a {kind}. Pass {name}[{split!r}]")
    if library == "datasets":
        return _of_dataset(value, name)
    columns = column_names(value)
    if columns is None and len(getattr(value, "shape", ())) != 2:
        return value
    array = np.ascontiguousarray(value)  # stored by columns, sums would round otherwise than an array's
    return array if array.dtype.kind in "fiub" else _of_columns(value, columns, array, name)


def plain_samples(x: Any, y: Any, names: tuple[str, str] = ("x", "y")) -> tuple[Any, Any]:
    """Both samples, tables as arrays once their columns are known to agree."""
    check_columns(x, y, names)
    return as_plain(x, names[0]), as_plain(y, names[1])


def _library(value: Any) -> str:
    return type(value).__module__.split(".")[0]


def _of_columns(value: Any, columns: Sequence[str] | None, array: np.ndarray, name: str) -> np.ndarray:
    """Numbers that NumPy has as objects, or the columns that hold none."""
    labels = columns or [str(k) for k in range(array.shape[1])]
    numeric = [_is_numeric(array[:, k]) for k in range(array.shape[1])] if array.dtype.kind == "O" else []
    if numeric and all(numeric):
        to_float = getattr(value, "astype", None)  # pandas turns its own missing values into NaN
        return np.asarray(to_float(np.float64) if to_float else array, dtype=np.float64)
    bad = [label for label, fine in zip(labels, numeric, strict=True) if not fine] if numeric else labels
    raise TypeError(
        f"{name} must hold numbers in every column; {_few(bad)} hold{'s' * (len(bad) == 1)} others "
        f"(dtype {array.dtype}). Leave such columns out, or encode them as numbers"
    )


def _is_numeric(column: np.ndarray) -> bool:
    return all(isinstance(item, numbers.Real) or type(item).__name__ == "NAType" for item in column)


def _of_dataset(value: Any, name: str) -> Any:
    """A Hugging Face dataset, or one column of it."""
    if not hasattr(value, "column_names"):  # ds["embedding"]
        return np.asarray(value[:])
    if not value.column_names:
        raise ValueError(f"{name} must not be empty; got a dataset without columns")
    parts = []
    # left to itself the format makes float32 of doubles
    for label, column in value.with_format("numpy", dtype=np.float64)[:].items():
        part = np.asarray(column)
        if part.dtype.kind not in "fiub":
            raise TypeError(
                f"{name} must hold numbers in every column, in vectors of one length; column {label!r} does "
                f"not. Pass {name}.select_columns([...])"
            )
        if len(value.column_names) > 1 and part.ndim > 2:
            raise ValueError(
                f"{name} must hold numbers or vectors; column {label!r} has shape {part.shape}. Flatten it, "
                f"or pass {name}[{label!r}] with features="
            )
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def _few(labels: Sequence[str], limit: int = 5) -> str:
    return ", ".join(map(repr, labels[:limit])) + (", …" if len(labels) > limit else "")
