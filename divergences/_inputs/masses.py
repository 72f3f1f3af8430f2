"""Checked probability vectors and counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from divergences._arrays import Array, Namespace, detached, is_floating, namespace, to_numpy, widened
from divergences._inputs.arrays import as_array, check_finite, check_same_library

__all__ = ["check_masses", "check_pmf", "check_pmfs"]


def check_pmfs(p: Any, q: Any) -> tuple[Array, Array, Namespace, Any]:
    """Two batches of probability vectors ``(..., k)``, their namespace and result dtype."""
    p, p_dtype = check_pmf(p, "p")
    q, q_dtype = check_pmf(q, "q")
    check_same_library(p, q, ("p", "q"))
    if p.shape[-1] != q.shape[-1]:
        raise ValueError(
            f"p and q must have the same number of outcomes on the last axis; got shapes "
            f"{tuple(p.shape)} and {tuple(q.shape)}. Pad the shorter with zeros, outcome by outcome"
        )
    try:
        np.broadcast_shapes(tuple(p.shape), tuple(q.shape))
    except ValueError:
        raise ValueError(
            f"the leading axes of p and q must broadcast; got shapes {tuple(p.shape)} and {tuple(q.shape)}"
        ) from None
    xp = namespace(p)
    return p, q, xp, p_dtype if p_dtype == q_dtype else xp.float64


def check_pmf(value: Any, name: str) -> tuple[Array, Any]:
    """Probabilities ``(..., k)`` in float64; integers are counts and are normalised."""
    array = _masses(value, name)
    if not is_floating(array):
        return check_masses(value, name)
    xp, single = namespace(array), str(array.dtype)
    # half precision: the rounding of the entries alone, 2⁻⁸ (bfloat16) or 2⁻¹¹ of the sum
    tolerance = 5e-3 if "bfloat16" in single else 1e-3 if "16" in single else 1e-5 if "32" in single else 1e-8
    array, dtype = widened(array)
    with np.errstate(over="ignore"):  # a sum beyond float64 is inf, and refused as such
        total = xp.sum(detached(array), axis=-1).reshape(-1)
    worst = float(total[int(xp.argmax(xp.abs(total - 1)))])
    if abs(worst - 1) > tolerance:
        raise ValueError(
            f"{name} must sum to 1 along its last axis; got a sum of {worst:.9g}. "
            f"Normalise it with divergences.pmf.normalize({name})"
        )
    return array, dtype


def check_masses(value: Any, name: str) -> tuple[Array, Any]:
    """Non-negative masses or counts ``(..., k)``, normalised along the last axis in float64."""
    array, dtype = widened(_masses(value, name))
    xp = namespace(array)
    largest = xp.max(detached(array), axis=-1, keepdims=True)
    if bool(xp.any(largest == 0)):
        raise ValueError(f"{name} is all zero along its last axis somewhere; some mass must be positive")
    array = array / largest  # first, so that the sum cannot overflow
    return array / xp.sum(array, axis=-1, keepdims=True), dtype


def _masses(value: Any, name: str) -> Array:
    array = as_array(value, name)
    shape = tuple(array.shape)
    if len(shape) == 0 or 0 in shape:
        raise ValueError(f"{name} must hold at least one probability on its last axis; got shape {shape}")
    check_finite(array, name, "a probability is a number")
    if is_floating(array) and bool(namespace(array).any(detached(array) < 0)):
        raise ValueError(f"{name} must not be negative; got a minimum of {float(detached(array).min()):g}")
    if not is_floating(array) and int(to_numpy(array).min()) < 0:
        raise ValueError(f"{name} holds counts and must not be negative; got {int(to_numpy(array).min())}")
    return array
