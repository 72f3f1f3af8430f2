"""Checked options: numbers, words, seeds."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from divergences._arrays import detached

__all__ = ["check_confidence", "check_integer", "check_option", "check_positive", "check_rng"]


def check_positive(value: Any, name: str, *, minimum: float = 0.0, strict: bool = True) -> float:
    """A finite real number above (or, not strict, at least) ``minimum``."""
    try:
        if isinstance(value, (bool, np.bool_, str, bytes)):  # float() takes them
            raise TypeError
        number = float(detached(value))
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be a number; got {type(value).__name__} {value!r}") from None
    if not math.isfinite(number) or number < minimum or (strict and number == minimum):
        bound = f"above {minimum:g}" if strict else f"at least {minimum:g}"
        raise ValueError(f"{name} must be finite and {bound}; got {number:g}")
    return number


def check_confidence(value: Any) -> float:
    """The level of an interval, strictly between 0 and 1."""
    level = check_positive(value, "confidence")
    if level >= 1.0:
        raise ValueError(f"confidence must be below 1; got {level:g}. Write 0.95 for 95 %")
    return level


def check_integer(value: Any, name: str, *, minimum: int = 1, below: int | None = None, why: str = "") -> int:
    """An integer in ``[minimum, below)``; ``why`` says where the upper limit comes from."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer; got {type(value).__name__} {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}; got {number}")
    if below is not None and number >= below:
        raise ValueError(f"{name} must be below {below}{f' ({why})' if why else ''}; got {number}")
    return number


def check_option(value: Any, name: str, options: Iterable[str]) -> str:
    """One of a few words; the message suggests the nearest."""
    known = list(options)
    if isinstance(value, str) and value in known:
        return value
    import difflib  # only a misspelt option needs it

    close = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}; got {value!r}{hint}")


def check_rng(rng: Any) -> np.random.Generator:
    """A NumPy Generator from a seed, a Generator, or None (fresh entropy)."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or (isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0):
        return np.random.default_rng(rng)
    raise TypeError(f"rng must be None, a non-negative integer seed or a numpy.random.Generator; got {rng!r}")
