"""Numbers for the compiled loops: exponentials and extremes that run in vector lanes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = [
    "LOOSE",
    "UNDERFLOW",
    "UNDERFLOW_32",
    "bits",
    "exp",
    "exp_32",
    "maximum",
    "minimum",
    "minimum_with_mass",
]

LOOSE = {"nnan", "nsz", "reassoc", "contract", "arcp"}
EXACT = {"nnan", "nsz", "contract"}  # for exp: its rounding tricks are no algebra
UNDERFLOW = -700.0  # exponents are clamped: denormal results are a hundred times slower, and add nothing

LOG2_E = 1.4426950408889634
LOG_2_HIGH, LOG_2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # Cody & Waite 1980
ROUND = 1.5 * 2.0**52  # adding it leaves the nearest integer in the lowest bits
TAYLOR = tuple(1.0 / math.factorial(k) for k in range(13))  # on |r| ≤ log(2)/2: below half a rounding

# the same in float32
UNDERFLOW_32 = np.float32(-87.0)
LOG2_E_32, ROUND_32 = np.float32(LOG2_E), np.float32(1.5 * 2.0**23)
LOG_2_HIGH_32, LOG_2_LOW_32 = np.float32(0.693359375), np.float32(-2.12194440e-4)  # Cody & Waite 1980
TAYLOR_32 = tuple(np.float32(one) for one in TAYLOR[:8])


@intrinsic
def bits(_typing: Any, value: Any) -> Any:
    """The 64 bits of a float as an integer."""

    def generate(_c: Any, builder: Any, _s: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def from_bits(_typing: Any, value: Any) -> Any:
    """The float of 64 bits."""

    def generate(_c: Any, builder: Any, _s: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@njit(fastmath=EXACT)
def exp(value: float) -> float:
    """exp of −708 … 709 to half a unit in the last place; unlike the library's it runs in vector lanes."""
    shifted = value * LOG2_E + ROUND
    whole = shifted - ROUND
    r = (value - whole * LOG_2_HIGH) - whole * LOG_2_LOW
    p = TAYLOR[12]
    p = p * r + TAYLOR[11]
    p = p * r + TAYLOR[10]
    p = p * r + TAYLOR[9]
    p = p * r + TAYLOR[8]
    p = p * r + TAYLOR[7]
    p = p * r + TAYLOR[6]
    p = p * r + TAYLOR[5]
    p = p * r + TAYLOR[4]
    p = p * r + TAYLOR[3]
    p = p * r + TAYLOR[2]
    p = p * r + 1.0
    p = p * r + 1.0
    return p * from_bits((bits(shifted) + 1023) << 52)  # type: ignore[call-arg]


@intrinsic
def bits_32(_typing: Any, value: Any) -> Any:
    """The 32 bits of a float as an integer."""

    def generate(_c: Any, builder: Any, _s: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@intrinsic
def power_32(_typing: Any, value: Any) -> Any:
    """2^k in float32, from the integer whose lowest bits are k."""

    def generate(_c: Any, builder: Any, _s: Any, arguments: Any) -> Any:
        biased = builder.add(arguments[0], ir.Constant(ir.IntType(32), 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(ir.IntType(32), 23)), ir.FloatType())

    return types.float32(types.int32), generate


@njit(fastmath=EXACT)
def exp_32(value: np.float32) -> np.float32:
    """exp of −87 … 88 to about a unit in float32's last place."""
    shifted = value * LOG2_E_32 + ROUND_32
    whole = shifted - ROUND_32
    r = (value - whole * LOG_2_HIGH_32) - whole * LOG_2_LOW_32
    p = TAYLOR_32[7]
    p = p * r + TAYLOR_32[6]
    p = p * r + TAYLOR_32[5]
    p = p * r + TAYLOR_32[4]
    p = p * r + TAYLOR_32[3]
    p = p * r + TAYLOR_32[2]
    p = p * r + TAYLOR_32[1]
    p = p * r + TAYLOR_32[0]
    return p * power_32(bits_32(shifted))  # type: ignore[call-arg]


# A maximum of floats runs one after the other, one of integers in vector lanes: the bits of floats are in
# the floats' order once those of negative ones are turned over.


@njit
def maximum(values: np.ndarray) -> float:
    """The largest; −inf of none."""
    found: Any = bits(-np.inf) ^ 0x7FFFFFFFFFFFFFFF  # type: ignore[call-arg]
    for j in range(values.size):
        key = bits(values[j])
        found = max(found, key ^ ((key >> 63) & 0x7FFFFFFFFFFFFFFF))
    return from_bits(found ^ ((found >> 63) & 0x7FFFFFFFFFFFFFFF))


@njit
def minimum(values: np.ndarray) -> float:
    """The smallest of values ≥ 0."""
    found: Any = bits(np.inf)  # type: ignore[call-arg]
    for j in range(values.size):
        found = min(found, bits(values[j]))
    return from_bits(found)


@njit
def minimum_with_mass(values: np.ndarray, masses: np.ndarray) -> float:
    """The smallest of values ≥ 0 whose mass is positive; inf without one."""
    found: Any = bits(np.inf)  # type: ignore[call-arg]
    for j in range(values.size):
        key = bits(values[j])
        found = min(found, key if masses[j] > 0.0 else found)
    return from_bits(found)
