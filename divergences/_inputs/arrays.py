"""What every array goes through: a dense real NumPy array or torch tensor, in one voice."""

from __future__ import annotations

import numbers
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

__all__ = ["as_array", "check_exact", "check_finite", "check_same_library"]


KINDS = {"c": "complex numbers", "M": "datetimes", "m": "time differences", "V": "records"}


def as_array(value: Any, name: str) -> Array:
    """A dense real NumPy array or torch tensor; every other kind is refused by name."""
    if is_torch(value):
        return _checked_tensor(value, name)
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
    if array.dtype.kind == "O":
        raise TypeError(
            f"{name} must hold numbers; got dtype object (mixed types, missing values or rows of "
            f"unequal length). Convert it: np.asarray({name}, dtype=float)"
        )
    if array.dtype.kind not in "fiub":
        kind = KINDS.get(array.dtype.kind, "text")
        raise TypeError(
            f"{name} must hold real numbers; got {kind} (dtype {array.dtype}). Convert or drop them"
        )
    return array


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
    if largest >= 2.0**53:
        kind = "double()" if is_torch(array) else "astype(float)"
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
