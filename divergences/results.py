"""Records that travel with a value: what is known about it, and how sure one can be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from numbers import Integral
from typing import Any

from divergences._arrays import detached

__all__ = ["Certificate", "Estimate", "Interval", "TestResult"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval ``[lower, upper]`` at level ``confidence``."""

    lower: float
    upper: float
    confidence: float = 0.95

    def __contains__(self, value: float) -> bool:
        return bool(self.lower <= value <= self.upper)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Proved bounds: the true value of the problem lies in ``[lower, upper]``.

    ``lower`` is the value of a feasible dual, ``upper`` that of a feasible primal;
    both are evaluated in float64 whatever precision was used to find them.
    """

    lower: float
    upper: float

    @property
    def gap(self) -> float:
        """``upper - lower``: zero means proved exact."""
        return self.upper - self.lower


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with what is known about it. ``float(estimate)`` is the value.

    ``null_floor`` is what the same measure gives between two halves of the reference; ``bias`` how much
    too large the value is on average, and ``extrapolated`` the value with it taken off; ``method`` how
    the interval was found. Fields that do not apply are ``None``; ``notes`` are sentences for a person
    to read, ``warnings`` what the metric warned of.
    """

    value: float
    interval: Interval | None = None
    standard_error: float | None = None
    certificate: Certificate | None = None
    null_floor: float | None = None
    notes: tuple[str, ...] = ()
    n: int | None = None
    m: int | None = None
    d: int | None = None
    seed: int | None = None
    bias: float | None = None
    extrapolated: float | None = None
    method: str | None = None
    metric: str | None = None
    convention: str | None = None
    warnings: tuple[str, ...] = ()

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        text = f"{self.value:.6g}"
        if self.standard_error is not None:
            text += f" ± {self.standard_error:.2g}"
        if self.interval is not None:
            level = round(100 * self.interval.confidence, 4)
            text += f" [{self.interval.lower:.6g}, {self.interval.upper:.6g}] ({level:g} %)"
        if self.bias and self.extrapolated is not None:
            text += f"; without bias {self.extrapolated:.6g}"
        if self.null_floor is not None:
            text += f"; floor {self.null_floor:.4g}"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers, ready for JSON."""
        return dict(_plain(self))

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Estimate:
        """The record that ``to_dict`` wrote, through JSON or not.

        >>> first = Estimate(0.5, Interval(0.25, 0.75), notes=("biased",))
        >>> Estimate.from_dict(first.to_dict()) == first
        True
        """
        known = _known(cls, found)
        if known.get("interval") is not None:
            known["interval"] = Interval(**known["interval"])
        if known.get("certificate") is not None:
            bounds = known["certificate"]
            known["certificate"] = Certificate(bounds["lower"], bounds["upper"])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class TestResult:
    """A two-sample test: ``statistic`` and the probability of one as large if P = Q.

    ``null_mean`` and ``null_standard_deviation`` describe the statistic when P = Q. ``method`` says
    how that was found, with how many ``permutations`` and from what ``seed``. A test that combines
    several statistics has them in ``components``: each with its own ``p_value``, and with the
    ``adjusted_p_value`` that stands up to there being several. ``float(result)`` is the statistic.
    """

    __test__ = False  # the name starts with Test; pytest must not collect it

    statistic: float
    p_value: float
    null_mean: float
    null_standard_deviation: float
    notes: tuple[str, ...] = ()
    n: int | None = None
    m: int | None = None
    metric: str | None = None
    method: str | None = None
    permutations: int | None = None
    seed: int | None = None
    adjusted_p_value: float | None = None
    components: tuple[TestResult, ...] = ()

    def __float__(self) -> float:
        return float(self.statistic)

    def __str__(self) -> str:
        if self.components:
            least = min(
                self.components, key=lambda each: each.p_value if math.isfinite(each.p_value) else math.inf
            )
            return (
                f"p = {self.p_value:.3g} by {len(self.components)} statistics ({self.method}); "
                f"least by {least.metric}: {least}"
            )
        return (
            f"{self.statistic:.6g} (p = {self.p_value:.3g}; "
            f"null {self.null_mean:.4g} ± {self.null_standard_deviation:.2g})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers, ready for JSON."""
        return dict(_plain(self))

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> TestResult:
        """The record that ``to_dict`` wrote, through JSON or not."""
        known = _known(cls, found)
        known["components"] = tuple(cls.from_dict(each) for each in known.get("components", ()))
        return cls(**known)


def _known(record: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record in what was read, lists as tuples; a key that is none of them is an error."""
    names = {each.name for each in fields(record)}
    unknown = sorted(set(found) - names)
    if unknown:
        raise ValueError(
            f"{record.__name__} has no field {unknown[0]!r}; it has {', '.join(sorted(names))}. Was the file "
            "written by another version?"
        )
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}


def _plain(value: Any) -> Any:
    """Records as dictionaries (a certificate with its gap), tuples as lists, numbers as Python's own."""
    if is_dataclass(value):
        found = {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        return {**found, "gap": float(value.gap)} if isinstance(value, Certificate) else found
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, bool)):
        return value
    return int(value) if isinstance(value, Integral) else float(detached(value))
