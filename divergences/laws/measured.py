"""Numbers that carry a bound on their own rounding error, so that no law needs a tuned tolerance.

A law compares two expressions. Each evaluation of a divergence comes with the error its dtype
allows it (``Subject``), arithmetic carries the errors along to first order (Higham 2002, §3.3),
and a comparison is judged in units of the sum of the two sides' errors.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Measured",
    "Outcome",
    "at_most",
    "both",
    "equal",
    "exactly_at_most",
    "exp",
    "expm1",
    "log",
    "log1p",
    "measured",
    "power",
    "sqrt",
    "total",
]

EPS = 2.0**-52
Outcome = float | None  # a violation in tolerances (above 1: violated), or None: the precondition failed


@dataclass(frozen=True, slots=True)
class Measured:
    """``value`` ± ``error``.

    >>> (Measured(2.0, 0.5) * 3.0).error >= 1.5
    True
    """

    value: float
    error: float = 0.0

    __array_ufunc__ = None  # NumPy's scalars leave the arithmetic to this class

    def __add__(self, other: Any) -> Measured:
        other = measured(other)
        return _rounded(self.value + other.value, self.error + other.error)

    def __neg__(self) -> Measured:
        return Measured(-self.value, self.error)

    def __sub__(self, other: Any) -> Measured:
        return self + (-measured(other))

    def __rsub__(self, other: Any) -> Measured:
        return measured(other) - self

    def __mul__(self, other: Any) -> Measured:
        other = measured(other)
        if other.value == 0 == other.error or self.value == 0 == self.error:
            return Measured(0.0)
        error = abs(self.value) * other.error + abs(other.value) * self.error + self.error * other.error
        return _rounded(self.value * other.value, error)

    def __truediv__(self, other: Any) -> Measured:
        other = measured(other)
        least = abs(other.value) - other.error
        if least <= 0:
            return Measured(math.nan)
        quotient = self.value / other.value
        return _rounded(quotient, (self.error + abs(quotient) * other.error) / least)

    def __rtruediv__(self, other: Any) -> Measured:
        return measured(other) / self

    __radd__ = __add__
    __rmul__ = __mul__


def measured(value: Any) -> Measured:
    """A plain number is exact."""
    return value if isinstance(value, Measured) else Measured(float(value))


def _rounded(value: float, error: float) -> Measured:
    return Measured(value, error + EPS * abs(value) if math.isfinite(value) else 0.0)


def _mapped(x: Any, function: Callable[[float], float], low: float = -math.inf) -> Measured:
    """A monotone function, its error the larger of those at the ends of the interval."""
    x = measured(x)
    if not math.isfinite(x.value):
        return Measured(function(x.value))
    middle = function(max(x.value, low))
    if middle == -math.inf and x.error > 0:
        return Measured(math.nan)  # the logarithm of what may be a rounding of 0 says nothing
    ends = [function(max(x.value - x.error, low)), function(max(x.value + x.error, low))]
    return _rounded(middle, max(abs(end - middle) for end in ends if not math.isnan(end)))


def sqrt(x: Any) -> Measured:
    """√x, of max(x, 0): a negative x is a rounding of 0."""
    return _mapped(x, math.sqrt, 0.0)


def exp(x: Any) -> Measured:
    return _mapped(x, lambda v: math.inf if v > 709.0 else math.exp(v))


def expm1(x: Any) -> Measured:
    return _mapped(x, lambda v: math.inf if v > 709.0 else math.expm1(v))


def log(x: Any) -> Measured:
    return _mapped(x, lambda v: math.log(v) if v > 0 else -math.inf, 0.0)


def log1p(x: Any) -> Measured:
    return _mapped(x, lambda v: math.log1p(v) if v > -1 else -math.inf, -1.0)


def power(x: Any, exponent: float) -> Measured:
    """x^exponent of max(x, 0), for an exponent above 0."""
    return _mapped(x, lambda v: v**exponent, 0.0)


def total(values: Iterable[Any]) -> Measured:
    """The sum of measured numbers."""
    out = Measured(0.0)
    for value in values:
        out = out + value
    return out


# ── verdicts ────────────────────────────────────────────────────────────────────────────────


def at_most(left: Any, right: Any) -> Outcome:
    """By how many tolerances ``left`` exceeds ``right``: above 1 is a violation, below 0 slack.

    None where a side is inf − inf: then the law says nothing.
    """
    left, right = measured(left), measured(right)
    if math.isnan(left.value) or math.isnan(right.value):
        return None
    if left.value == right.value:
        return 0.0
    gap, tolerance = left.value - right.value, left.error + right.error
    if math.isinf(gap) or tolerance == 0:
        return math.copysign(math.inf, gap)
    return gap / tolerance


def equal(left: Any, right: Any) -> Outcome:
    """By how many tolerances the two differ."""
    outcome = at_most(left, right)
    return None if outcome is None else abs(outcome)


def exactly_at_most(left: Any, right: Any) -> Outcome:
    """``at_most`` without any tolerance: inf where it fails, 0 where it holds."""
    holds = operator.le(measured(left).value, measured(right).value)
    return 0.0 if holds else math.inf


def both(*outcomes: Outcome) -> Outcome:
    """The worst of several comparisons; None only if none of them said anything."""
    said = [outcome for outcome in outcomes if outcome is not None]
    return max(said) if said else None
