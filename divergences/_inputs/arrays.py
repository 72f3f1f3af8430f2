"""What every array goes through: a dense real NumPy array or torch tensor, in one voice."""

from __future__ import annotations

import math
import numbers
import os
import sys
from typing import Any

import numpy as np

from divergences._arrays import (
    Array,
    detached,
    device_name,
    is_floating,
    is_torch,
    namespace,
    to_numpy,
    widened,
)
from divergences._inputs.tables import as_plain
from divergences._rows import is_row_source

__all__ = [
    "as_array",
    "available_memory",
    "check_dtype",
    "check_exact",
    "check_finite",
    "check_known",
    "check_same_library",
    "loaded",
    "refuse_inexact",
]

KINDS = {"c": "complex numbers", "M": "datetimes", "m": "time differences", "V": "records"}


def as_array(value: Any, name: str) -> Array:
    """A dense real NumPy array or torch tensor; every other kind is refused by name."""
    if is_torch(value):
        return _checked_tensor(value, name)
    if is_row_source(value):
        value = loaded(value, name)
    value = as_plain(value, name)
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must not be a masked array: the mask would be ignored. "
            f"Pass {name}[~mask] or {name}.compressed()"
        )
    if type(value).__module__.startswith("scipy.sparse"):
        raise TypeError(f"{name} must be dense; got a sparse {type(value).__name__}. Pass {name}.toarray()")
    if isinstance(value, (list, tuple)) and any(is_torch(item) for item in value):
        raise TypeError(f"{name} is a list of tensors; join it with torch.stack({name}) first")
    if value is None or isinstance(value, (str, bytes, dict, set)):
        raise TypeError(f"{name} must be an array of numbers; got {type(value).__name__}")
    try:
        array = np.asarray(value)
        if array.dtype.kind == "f" and array.dtype.itemsize > 8:
            with np.errstate(over="ignore"):  # long double beyond float64 is inf, and refused as such
                array = array.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} must be a rectangular array of numbers; NumPy says: {error}") from None
    if array.dtype.kind == "O" and type(value).__module__.startswith("pandas"):
        array = _plain_table(value, array)
    check_dtype(array.dtype, name)
    return array


def check_dtype(dtype: np.dtype, name: str) -> None:
    """Refuse what are no real numbers."""
    if dtype.kind == "O":
        raise TypeError(
            f"{name} must hold numbers; got dtype object (mixed types, missing values or rows of "
            f"unequal length). Convert it: np.asarray({name}, dtype=float)"
        )
    if dtype.kind not in "fiub":
        kind = KINDS.get(dtype.kind, "text")
        raise TypeError(f"{name} must hold real numbers; got {kind} (dtype {dtype}). Convert or drop them")


def check_known(value: Any, name: str) -> None:
    """Refuse a lazy array that cannot say how long it is."""
    if not all(isinstance(side, (int, np.integer)) for side in value.shape):
        raise ValueError(
            f"{name} must know its number of rows; got shape {tuple(value.shape)}. "
            f"Call {name}.compute_chunk_sizes() first"
        )


def loaded(source: Any, name: str) -> Any:
    """All of a row source, where memory can hold it in the precision we compute in."""
    check_known(source, name)
    check_dtype(np.dtype(source.dtype), name)
    needed, free = 8.0 * math.prod(source.shape), available_memory()
    refusal = (
        f"{name} has shape {tuple(source.shape)}, {needed / 2**30:.3g} GiB in float64, and this measure "
        f"needs it all in memory, where {free / 2**30:.3g} GiB are free. Pass some of its rows, or use "
        "a measure that reads block by block: frechet, energy, squared_mmd, parzen_log_likelihood, or "
        "estimator='histogram'"
    )
    if needed > free:
        raise ValueError(refusal)
    try:
        array = source[:] if len(source.shape) else source[()]
        return array.data if isinstance(array, np.ma.MaskedArray) and not np.ma.is_masked(array) else array
    except MemoryError:
        raise ValueError(refusal) from None


def available_memory() -> float:
    """Bytes that could still be used without swapping; all there are where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return 1024.0 * int(line.split()[1])
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, AttributeError):
        return math.inf


def _plain_table(table: Any, array: np.ndarray) -> np.ndarray:
    """The numbers of a pandas object whose nullable columns NumPy sees as objects."""
    if all(isinstance(item, numbers.Real) for item in array.flat):
        return np.asarray(table, dtype=np.float64)
    return array


def _checked_tensor(value: Array, name: str) -> Array:
    if value.is_nested:
        raise TypeError(f"{name} must be rectangular; got a nested tensor. Give every row the same length")
    if value.is_meta:
        raise TypeError(f"{name} has no values: it is on the device 'meta'. Load it first")
    if value.is_floating_point() and value.dtype.itemsize < 2:
        raise TypeError(f"{name} must hold real numbers; got dtype {value.dtype}. Pass {name}.float()")
    if value.layout != sys.modules["torch"].strided:
        raise TypeError(f"{name} must be a dense tensor; got layout {value.layout}. Pass {name}.to_dense()")
    if value.is_complex():
        raise TypeError(f"{name} must hold real numbers; got dtype {value.dtype}. Pass its real part")
    if value.is_quantized:
        raise TypeError(f"{name} must not be quantized; pass {name}.dequantize()")
    return value


def check_exact(array: Array, name: str) -> None:
    """Refuse integers that float64 cannot tell apart: their differences would be silently wrong."""
    if is_floating(array) or array.dtype.itemsize < 8:
        return
    wide = widened(array)[0]
    largest = float(namespace(wide).max(abs(wide)))
    refuse_inexact(largest, name, "double()" if is_torch(array) else "astype(float)")


def refuse_inexact(largest: float, name: str, kind: str) -> None:
    if largest >= 2.0**53:
        raise ValueError(
            f"{name} must hold integers below 2**53 in size; got {largest:.17g}. Subtract a common offset "
            f"first, or accept the rounding with {name}.{kind}"
        )


def check_finite(array: Array, name: str, mend: str) -> None:
    xp = namespace(array)
    if not is_floating(array) or bool(xp.all(xp.isfinite(detached(array)))):
        return
    plain = to_numpy(detached(array)).astype(np.float64)
    bad = ~np.isfinite(plain)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    raise ValueError(
        f"{name} must be finite; got {plain[first]} at index {first[0] if len(first) == 1 else first} "
        f"({int(bad.sum())} such value{'s' if bad.sum() > 1 else ''}): {mend}"
    )


def check_same_library(x: Array, y: Array, names: tuple[str, str]) -> None:
    """Two arrays of one library, on one device."""
    if is_torch(x) != is_torch(y):
        tensor = names[0] if is_torch(x) else names[1]
        raise TypeError(
            f"{names[0]} and {names[1]} must come from one library; {tensor} is a torch tensor and the "
            f"other is NumPy. Convert one: torch.as_tensor(...) or {tensor}.detach().numpy()"
        )
    if is_torch(x) and x.device != y.device:
        raise ValueError(
            f"{names[0]} and {names[1]} must be on one device; got {device_name(x)} and {device_name(y)}. "
            f"Move one with .to({device_name(x)!r})"
        )
