"""How numbers, directions and times are written, the same in every dress."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from divergences._record import Report, Row

__all__ = [
    "DIRECTIONS",
    "count",
    "errors",
    "meanings",
    "number",
    "outcome",
    "seconds",
    "size",
    "uncertainty",
    "versions",
]

NAMED = 6  # columns that are named in a line
DIRECTIONS = {"lower": "↓ lower", "higher": "↑ higher", "none": "–"}


def number(value: float) -> str:
    """Six significant digits, never "-0"."""
    if math.isnan(value):
        return "nan"
    return "0" if value == 0 else f"{value:.6g}"


def seconds(value: float) -> str:
    if value < 0.01:
        return "<0.01"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def count(value: int) -> str:
    return f"{value:,}"


def outcome(row: Row) -> str:
    """The value, or what became of it."""
    return row.status if row.value is None else number(row.value)


def uncertainty(row: Row) -> str:
    """What is known about the value's error: "± 0.01, [1, 2], floor 0.5", "p = 0.03", or nothing."""
    return ", ".join(errors(row))


def errors(row: Row) -> list[str]:
    """The same, one by one."""
    parts = []
    if row.standard_error is not None:
        parts.append(f"± {row.standard_error:.2g}")
    if row.interval is not None:
        parts.append(f"[{row.interval[0]:.4g}, {row.interval[1]:.4g}]")
    if row.extrapolated is not None:
        parts.append(f"without bias {row.extrapolated:.4g}")
    if row.null_floor is not None:
        parts.append(f"floor {row.null_floor:.4g}")
    if row.p_value is not None:
        parts.append(f"p = {row.p_value:.2g}")
    return parts


def meanings(report: Report) -> list[str]:
    """What each row tells; empty where it would repeat the row above, as in a metric of several values."""
    told = [row.meaning for row in report.rows]
    return ["" if k and told[k - 1] == text else text for k, text in enumerate(told)]


def size(report: Report) -> str:
    x, y = report.names
    text = f"{x}: {count(report.n)} rows, {y}: {count(report.m)} rows, {count(report.d)} features"
    columns = report.columns or ()
    named = ", ".join(columns[:NAMED]) + ", …" * (len(columns) > NAMED)
    return text + (f" ({named})" if named else "") + (f" by {report.features}" if report.features else "")


def versions(report: Report) -> str:
    return ", ".join(f"{package} {version}" for package, version in report.versions.items())
