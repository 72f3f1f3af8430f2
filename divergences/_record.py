"""What ``evaluate`` returns: a ``Report`` of one ``Row`` a value, and which of several is best.

Drawing and typesetting live in ``plots`` and ``report``; they only read what is recorded here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from divergences.inference.evidence import Evidence

__all__ = ["Report", "Row", "best"]

NUMBERS = ("value", "seconds", "standard_error", "p_value", "null_floor", "extrapolated")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report. ``value`` is None unless ``status`` is "ok".

    ``metric`` is the spec that ``parse`` reads; a metric of several values has a row for each,
    named ``metric.field``. ``status`` is "ok", "failed" or "left out", and ``error`` says why.
    ``warnings`` are to be heeded; ``notes`` only say how the value came about. ``interval`` (lower,
    upper), ``null_floor`` (the value between two halves of x) and ``extrapolated`` (the value without
    bias) are there where ``evaluate`` was given a ``confidence`` and the metric has them.
    """

    metric: str
    value: float | None
    status: str
    meaning: str
    better: str
    convention: str
    seconds: float
    standard_error: float | None = None
    p_value: float | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    notes: tuple[str, ...] = ()
    interval: tuple[float, float] | None = None
    null_floor: float | None = None
    extrapolated: float | None = None


@dataclass(frozen=True)
class Report:
    """What ``evaluate`` found: one row a value, and what is needed to read and repeat it.

    ``report["energy"]`` is a row; ``print(report)`` a table; ``markdown``, ``to_json``, ``frame``
    and ``html`` (with pictures) are the same in other dress. ``rng=report.seed`` repeats it.
    ``columns`` are the names that a table's features had, ``features`` is what made features of the samples.
    The samples are kept for pictures only and are not part of any text form. ``evidence`` is there with a
    ``confidence``: permutation tests, the rows that carry the distance, agreement of estimators.
    """

    rows: tuple[Row, ...]
    x: np.ndarray = field(repr=False, compare=False)
    y: np.ndarray = field(repr=False, compare=False)
    names: tuple[str, str]
    n: int
    m: int
    d: int
    seconds: float
    seed: int
    versions: Mapping[str, str]
    created: str
    image_shape: tuple[int, ...] | None = None
    validation: np.ndarray | None = field(default=None, repr=False, compare=False)
    x_weights: np.ndarray | None = field(default=None, repr=False, compare=False)
    y_weights: np.ndarray | None = field(default=None, repr=False, compare=False)
    confidence: float | None = None
    columns: tuple[str, ...] | None = None
    features: str | None = None
    evidence: Evidence | None = None

    def __getitem__(self, metric: str) -> Row:
        """The row of a metric, by its full text or, where only one fits, without its options."""
        exact = [row for row in self.rows if row.metric == metric]
        close = exact or [row for row in self.rows if re.sub(r"\(.*\)", "", row.metric) == metric]
        if len(close) == 1 or exact:
            return close[0]
        reason = "several rows fit" if close else "no such row"
        raise KeyError(f"{reason}: {metric!r}; this report has {', '.join(r.metric for r in self.rows)}")

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers; the samples are left out."""
        return {
            "names": list(self.names),
            "n": self.n,
            "m": self.m,
            "d": self.d,
            "created": self.created,
            "seconds": self.seconds,
            "seed": self.seed,
            "confidence": self.confidence,
            "versions": dict(self.versions),
            "image_shape": None if self.image_shape is None else list(self.image_shape),
            "columns": None if self.columns is None else list(self.columns),
            "features": self.features,
            "rows": [
                {
                    **asdict(row),
                    "warnings": list(row.warnings),
                    "notes": list(row.notes),
                    "interval": None if row.interval is None else list(row.interval),
                }
                for row in self.rows
            ],
            "evidence": None if self.evidence is None else self.evidence.to_dict(),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Report:
        """The report that ``to_dict`` wrote, through JSON or not; without samples, so without their pictures.

        >>> from divergences import evaluate
        >>> report = evaluate([0.0, 1.0], [5.0, 6.0], ["energy"], rng=0)
        >>> Report.from_dict(report.to_dict()) == report
        True
        """
        from divergences.inference.evidence import Evidence  # not with the package

        evidence, shape = found.get("evidence"), found["image_shape"]
        known = {
            "rows": tuple(Row(**_read(row)) for row in found["rows"]),
            "names": tuple(found["names"]),
            "image_shape": None if shape is None else tuple(shape),
            "columns": None if found.get("columns") is None else tuple(found["columns"]),
            "evidence": None if evidence is None else Evidence.from_dict(evidence),
        }
        none = np.empty((0, found["d"]))
        return cls(**{**found, **known, "x": none, "y": none})

    def to_json(self, path: str | PathLike[str] | None = None, indent: int | None = 2) -> str:
        """``to_dict`` as JSON, also written to ``path``; "inf", "-inf" and "nan" are strings there."""
        from divergences.report.files import json_text

        return _written(json_text(self.to_dict(), indent), path)

    def frame(self) -> Any:
        """The rows as a pandas DataFrame."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "Report.frame() needs pandas: pip install pandas. to_dict()['rows'] holds the same rows"
            ) from error
        return pandas.DataFrame(self.to_dict()["rows"])

    def text(self, width: int | None = None, *, color: bool = False) -> str:
        """A fixed-width table, as wide as the terminal unless ``width`` is given; plain unless ``color``."""
        from divergences.report import text

        return text.table(self, width=width, color=color)

    def markdown(self) -> str:
        """The table as GitHub markdown."""
        from divergences.report import text

        return text.markdown(self)

    def html(self, path: str | PathLike[str] | None = None, title: str | None = None) -> str:
        """One self-contained page with the table and the pictures, also written to ``path``."""
        from divergences.report import html

        title = f"{self.names[0]} and {self.names[1]}: how far apart?" if title is None else title
        return _written(html.render([self], title=title), path)

    def _repr_html_(self) -> str:
        from divergences.report import html

        return html.notebook(self)


def best(rows: Iterable[Row | None]) -> list[Row]:
    """The rows with the best value, of one metric in several reports; None stands for a missing one.

    Empty where no direction is better, where fewer than two values differ, and where the best value
    carries a warning: a number that is not to be trusted is no lead, nor is a lead over the rest of them.
    """
    known = [(row.value, row) for row in rows if row is not None and row.value is not None]
    known = [(value, row) for value, row in known if not math.isnan(value)]
    values = {value for value, _ in known}
    better = known[0][1].better if len(values) > 1 else "none"
    if better == "none":
        return []
    top = min(values) if better == "lower" else max(values)
    first = [row for value, row in known if value == top]
    return [] if any(row.warnings for row in first) else first


def _read(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row as JSON has them: lists for tuples, and words for inf and nan."""
    numbers = {key: float(row[key]) for key in NUMBERS if isinstance(row.get(key), str)}
    lists = {key: tuple(map(float, row[key])) for key in ("interval",) if row.get(key) is not None}
    texts = {key: tuple(row[key]) for key in ("warnings", "notes")}
    return {**row, **numbers, **lists, **texts}


def _written(text: str, path: str | PathLike[str] | None) -> str:
    if path is not None:
        from divergences.report.files import write_text

        write_text(path, text)
    return text
