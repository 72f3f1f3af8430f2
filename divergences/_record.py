"""What ``evaluate`` returns: a ``Report`` of one ``Row`` a value, and which of several is best.

Drawing and typesetting live in ``plots`` and ``report``; they only read what is recorded here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike
from typing import Any

import numpy as np

__all__ = ["Report", "Row", "best"]


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
    The samples are kept for pictures only and are not part of any text form.
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
        }

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


def _written(text: str, path: str | PathLike[str] | None) -> str:
    if path is not None:
        from divergences.report.files import write_text

        write_text(path, text)
    return text
