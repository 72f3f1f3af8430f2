"""Common coordinates: an origin and a power of two taken out of samples, and put back into results."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from divergences._arrays import Array, Namespace, detached, is_torch, widened

__all__ = ["common_frame", "divided", "dtype_name", "frame_between", "power_of_two", "restored", "scalar"]

ORDINARY = 16.0  # samples whose largest number is within this factor of 1 keep their scale, and need no copy


def common_frame(xp: Namespace, x: Array, y: Array) -> tuple[Array, float]:
    """The offset to subtract, a column each, and the power of two to divide by.

    A column is shifted only where its offset exceeds its spread: then the subtraction is exact
    (Sterbenz), and an outlier can never cost the other rows their digits.
    """
    low, high = ([widened(find(side, axis=0))[0] for side in (x, y)] for find in (xp.min, xp.max))
    return frame_between(xp, xp.minimum(*low), xp.maximum(*high))


def frame_between(xp: Namespace, low: Array, high: Array) -> tuple[Array, float]:
    """``common_frame`` from the least and the greatest value of each column."""
    middle = low / 2 + high / 2
    shifted = xp.abs(middle) / 2 > high / 2 - low / 2  # halved: the spread itself may overflow
    origin = xp.where(shifted, middle, 0.0)
    largest = float(xp.max(xp.maximum(xp.abs(low - origin), xp.abs(high - origin))))
    ordinary = 1 / ORDINARY <= largest <= ORDINARY
    return origin, 1.0 if ordinary else power_of_two(largest)


def power_of_two(size: float) -> float:
    """The largest power of two that is no larger than ``size``; 1 for 0."""
    return 2.0 ** (math.frexp(size)[1] - 1) if size > 0 else 1.0


def divided(array: Array, scale: float, *, out: np.ndarray | None = None) -> Array:
    """``array / scale`` for a power of two, in float64 where it is NumPy's; into ``out`` where given.

    In two steps where 1/scale might overflow.
    """
    factors = [1.0 / scale]  # one pass, and exactly the same numbers
    if not 2.0**-120 < scale < 2.0**120:
        half = 2.0 ** (math.frexp(scale)[1] // 2)
        factors = [1.0 / half, half / scale]
    for factor in factors:
        if is_torch(array):
            array = array * factor
        else:
            array = np.multiply(array, factor, out=out, dtype=np.float64, order="C")
    return array


def restored(value: Array, scale: float, degree: float, dtype: Any, mend: str) -> Any:
    """``value * scale**degree`` as a 0-d scalar of ``dtype``; ``scale`` is a power of two.

    What the scale makes too large or too small for ``dtype`` is refused, and ``mend`` says what to do.
    A value that is tiny in itself rounds to 0, one that is infinite stays so.
    """
    exponent = degree * math.log2(scale)
    whole = math.floor(exponent)
    product = value * 2.0 ** (exponent - whole)  # exactly value where degree is an integer
    with np.errstate(over="ignore", under="ignore"):
        while whole:  # in steps: the whole factor may itself overflow
            step = max(-1000, min(1000, whole))
            product, whole = product * 2.0**step, whole - step
    out = scalar(product, dtype)
    before, after = float(detached(value)), float(detached(out))
    vanished = after == 0 and float(scalar(detached(value), dtype)) != 0
    if math.isfinite(before) and (vanished or not math.isfinite(after)):
        factor = f" * {scale:.3g}**{degree:g}" if degree else ""
        raise ValueError(
            f"the result, {before:.3g}{factor}, is beyond the range of {dtype_name(dtype)}. {mend}"
        )
    return out


def scalar(value: Array, dtype: Any) -> Any:
    """A 0-d result in the caller's dtype: a NumPy scalar or a 0-d tensor."""
    if is_torch(value):
        return value.to(dtype)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(value).astype(dtype)[()]


def dtype_name(dtype: Any) -> str:
    """The dtype as a user writes it: ``"float32"``."""
    return str(dtype).removeprefix("torch.") if "torch" in str(dtype) else np.dtype(dtype).name
