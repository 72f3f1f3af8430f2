"""What a run must keep to: ``frechet>10`` says when it fails, and each value is judged by it."""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from divergences._record import Row
from divergences.registry import Metric, complete, parse
from divergences.report import wording

__all__ = ["Limit", "Verdict", "judged", "metrics_of", "parsed"]

CONDITION = re.compile(r"(?P<what>[^<>]+?)\s*(?P<sign>>=|<=|>|<)\s*(?P<bound>[^<>=\s]+)\s*")
FIELD = re.compile(r"(?P<spec>.+)\.(?P<field>\w+)")


@dataclass(frozen=True, slots=True)
class Limit:
    """When a run fails: where the value of ``metric``, or its ``field``, is ``sign`` ``bound``."""

    metric: Metric
    field: str
    sign: str
    bound: float

    @property
    def row(self) -> str:
        """The row of a report that holds the value."""
        return self.metric.spec + (f".{self.field}" if self.field and self.field != "p_value" else "")

    @property
    def what(self) -> str:
        """The value's name."""
        return self.metric.spec + (f".{self.field}" if self.field else "")

    def __str__(self) -> str:
        return f"{self.what} {self.sign} {self.bound:g}"

    def broken_by(self, value: float) -> bool:
        """NaN breaks every limit: a number that is none shows nothing."""
        if math.isnan(value):
            return True
        return {">": value > self.bound, ">=": value >= self.bound,
                "<": value < self.bound, "<=": value <= self.bound}[self.sign]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """A limit and what came of it; ``subject`` is the model that was judged."""

    limit: Limit
    subject: str
    value: float | None
    failed: bool
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"fail_if": str(self.limit), "subject": self.subject, "value": self.value,
                "failed": self.failed, "reason": self.reason}  # fmt: skip


def parsed(text: str) -> Limit:
    """The limit a text such as ``"squared_mmd(bandwidth=1.0) >= 0.1"`` states; ValueError says what is wrong.

    >>> str(parsed("precision_recall(k=3).recall<0.5"))
    'precision_recall(k=3).recall < 0.5'
    """
    found = CONDITION.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            "a limit is a metric, one of > >= < <= and a number, in quotes, such as 'frechet>10'; "
            f"got {text!r}"
        )
    try:
        bound = float(found["bound"])
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        raise ValueError(f"a limit must end in a number; got {found['bound']!r} in {text!r}")
    metric, field = _named(found["what"].strip())
    known = (*_fields(metric), "p_value")
    if field and field not in known:
        raise ValueError(f"{metric.name} has no value {field!r}; it has {', '.join(known)}")
    if not field and len(known) > 1:
        raise ValueError(f"{metric.name} has several values; name one, as in {metric.spec}.{known[0]}")
    return Limit(metric, field, found["sign"], bound)


def _named(text: str) -> tuple[Metric, str]:
    """A metric, and the field after the last dot where the whole is no metric itself."""
    try:
        return complete(parse(text)), ""
    except ValueError:
        found = FIELD.fullmatch(text)
        if found is None:
            raise
        try:
            return complete(parse(found["spec"])), found["field"]
        except ValueError:
            pass  # what is wrong with the whole says more
        raise


def _fields(metric: Metric) -> tuple[str, ...]:
    """The values of a metric that returns several."""
    try:
        returned = typing.get_type_hints(metric.function).get("return")
    except (NameError, TypeError):  # a metric of the user's own may be annotated with anything
        return ()
    return tuple(getattr(returned, "_fields", ()))


def metrics_of(limits: Iterable[Limit], chosen: Sequence[Metric]) -> tuple[list[Limit], list[Metric]]:
    """The limits, and the metrics chosen with those that only limits name.

    A metric without options means the one that was chosen by that name, whatever its options, if it is one.
    """
    found, metrics = [], list(chosen)
    for limit in limits:
        alike = [metric for metric in chosen if metric.name == limit.metric.name]
        if not limit.metric.options and len(alike) == 1:
            limit = replace(limit, metric=alike[0])
        if limit.metric.spec not in {metric.spec for metric in metrics}:
            metrics.append(limit.metric)
        found.append(limit)
    return found, metrics


def judged(limits: Iterable[Limit], rows: Mapping[str, Row], subject: str) -> list[Verdict]:
    """Each limit held against the row it names; a value that is not there has failed."""
    return [_judged(limit, rows, subject) for limit in limits]


def _judged(limit: Limit, rows: Mapping[str, Row], subject: str) -> Verdict:
    row = rows.get(limit.row) or rows.get(limit.metric.spec)
    value = None if row is None else row.p_value if limit.field == "p_value" else row.value
    if value is None:
        why = "there is no such value" if row is None or row.error is None else f"{row.status}: {row.error}"
        return Verdict(limit, subject, None, True, f"{limit.what}: {why}")
    failed = limit.broken_by(value)
    said = "fails, as NaN always does" if math.isnan(value) else "fails" if failed else "does not"
    reason = f"{limit.what} = {wording.number(value)}: {said} (fail if {limit.sign} {limit.bound:g})"
    return Verdict(limit, subject, value, failed, reason)
