"""Checked samples, their weights, and costs between their rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from divergences._arrays import Array, detached, device_name, from_numpy, is_torch, namespace, widened
from divergences._inputs.arrays import as_array, check_exact, check_finite

__all__ = ["check_cost", "check_proportion", "check_samples", "check_shape", "check_weights"]


def check_samples(value: Any, name: str, *, min_rows: int = 1) -> Array:
    """A finite real 2-D array of the caller's library, ``(rows, features)``."""
    array = as_array(value, name)
    if len(array.shape) == 0:
        raise ValueError(f"{name} must hold samples, one a row; got a single number. Pass [{array.item()!r}]")
    check_shape(tuple(array.shape), name, min_rows)
    check_finite(array, name, "drop or impute those rows")
    check_exact(array, name)
    return array.reshape(-1, 1) if len(array.shape) == 1 else array


def check_shape(shape: tuple[int, ...], name: str, min_rows: int) -> None:
    """Refuse what is not rows of features, or too few of them."""
    if len(shape) > 2:
        raise ValueError(
            f"{name} must be (rows, features); got {len(shape)} axes, shape {shape}. "
            f"Flatten each sample: {name}.reshape(len({name}), -1)"
        )
    if 0 in shape:
        raise ValueError(f"{name} must not be empty; got shape {shape}")
    if shape[0] < min_rows:
        raise ValueError(
            f"{name} must have at least {min_rows} rows for this measure; got {shape[0]}. Draw more samples"
        )


def check_weights(value: Any, samples: Array, name: str) -> tuple[Array, bool]:
    """Weights summing to 1, in the samples' library, and whether they are all equal."""
    xp, rows = namespace(samples), int(samples.shape[0])
    if value is None:
        return xp.full((rows,), 1.0 / rows, dtype=samples.dtype, device=_device(samples)), True
    array = as_array(value, name)
    if is_torch(samples) and not is_torch(array):
        array = from_numpy(array.astype(np.float64), samples)
    elif is_torch(array) and not is_torch(samples):
        raise TypeError(
            f"{name} is a torch tensor but the samples are NumPy; pass both in one library, "
            f"for example {name}.detach().numpy()"
        )
    elif is_torch(array) and array.device != samples.device:
        raise ValueError(
            f"{name} must be on the samples' device, {device_name(samples)}; got {device_name(array)}. "
            f"Move it with .to({device_name(samples)!r})"
        )
    if tuple(array.shape) != (rows,):
        raise ValueError(
            f"{name} must be one number per row, shape ({rows},); got shape {tuple(array.shape)}"
        )
    check_finite(array, name, "replace them")
    array, _ = widened(array)
    plain = detached(array)
    if bool(xp.any(plain < 0)):
        raise ValueError(f"{name} must not be negative; got a minimum of {float(xp.min(plain)):g}")
    largest = float(xp.max(plain))
    if largest == 0:
        raise ValueError(f"{name} must not all be zero: a sample needs some mass")
    array = array / largest
    return array / xp.sum(array), bool(xp.all(plain == plain[0]))


def check_proportion(width: float, scale: float) -> float:
    """A bandwidth in units of the values' size, where its square and that of d/σ must be representable."""
    relative = width / scale
    if not 1e-150 < relative < 1e150:
        raise ValueError(
            f"bandwidth is out of all proportion to the samples: {width:g} for values of size {scale:.3g}. "
            "Take one nearer the distances between rows, or leave it to be chosen"
        )
    return relative


def check_cost(value: Any, name: str, shape: tuple[int, int], *, like: Array) -> Array:
    """A finite cost for every pair of rows, in float64, of the library that the rows are of."""
    array = as_array(value, name)
    if is_torch(array) != is_torch(like):
        mine, its = ("torch", "NumPy") if is_torch(like) else ("NumPy", "torch")
        raise TypeError(f"{name} must be of the library of x and y, {mine}; got {its}. Convert one of them")
    if tuple(array.shape) != shape:
        raise ValueError(
            f"{name} must be one number for each pair of rows, shape {shape}; got shape {tuple(array.shape)}"
        )
    check_finite(array, name, "give a forbidden pair ten times the largest other cost")
    return widened(array)[0]


def _device(array: Array) -> Any:
    return array.device if is_torch(array) else None
