"""A report as a fixed-width table and as GitHub markdown."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from divergences.report import wording
from divergences.report.panels import panels
from divergences.report.tables import escaped

if TYPE_CHECKING:
    from divergences._record import Report, Row

__all__ = ["markdown", "table"]

SHOWN = 5  # rows of samples in a list
LEAST_MEANING = 16  # columns of it
ROOM_FOR_MEANING = 100  # columns; below this the table keeps to the numbers
STATUS_STYLES = {"ok": "", "failed": "red", "left out": "dim"}


def table(report: Report, *, width: int | None = None, color: bool = False) -> str:
    """A table to read in a terminal; warnings and failures follow as numbered notes."""
    from rich.console import Console
    from rich.text import Text

    columns = width or max(60, min(shutil.get_terminal_size((100, 24)).columns, 140))
    out = io.StringIO()
    console = Console(
        file=out, width=columns, force_terminal=color, color_system="standard" if color else None,
        highlight=False, markup=False, emoji=False, legacy_windows=False,
    )  # fmt: skip
    marks, notes = _notes(report)
    console.print(Text(wording.size(report)))
    console.print(_fitting(console, report, marks, columns))
    for number, note in enumerate(notes, start=1):
        console.print(Text(f"[{number}] {note}"), soft_wrap=False)
    for panel in panels(report, SHOWN):
        console.print()
        console.print(Text(panel.text()), soft_wrap=True)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _fitting(console: Any, report: Report, marks: list[str], columns: int) -> Any:
    """The fullest table that no cell of is cut in: times are given up first, then whole values fold."""
    from rich.measure import Measurement

    wide = console.options.update(width=1000)
    meanings = columns >= ROOM_FOR_MEANING
    longest = max((len(row.metric) for row in report.rows), default=0)
    for times, folded in ((True, False), (False, False), (False, True)):
        bare = _grid(report, marks, columns, meanings=False, times=times, folded=folded)
        # names of metrics may fold; the meaning takes what is left
        needed = Measurement.get(console, wide, bare).maximum - longest + min(longest, columns // 3)
        if needed + LEAST_MEANING * meanings <= columns:
            break
    return _grid(report, marks, columns, meanings=meanings, times=times, folded=folded)


def _grid(
    report: Report, marks: list[str], columns: int, *, meanings: bool, times: bool, folded: bool
) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    longest = max((len(row.metric) for row in report.rows), default=0)
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    grid.add_column("metric", overflow="fold", min_width=min(longest, columns // 3))
    grid.add_column("value", justify="right", no_wrap=not folded, overflow="fold")
    grid.add_column("", no_wrap=True)
    grid.add_column("better", no_wrap=True)
    if times:
        grid.add_column("seconds", justify="right", no_wrap=True)
    if meanings:
        grid.add_column("what it tells", ratio=1)
    for row, mark, meaning in zip(report.rows, marks, wording.meanings(report), strict=True):
        style = STATUS_STYLES[row.status]
        value = "\n".join(filter(None, [wording.outcome(row), *wording.errors(row)]))
        cells = [row.metric, value, mark, wording.DIRECTIONS[row.better]]
        cells += [wording.seconds(row.seconds)] * times + [meaning] * meanings
        grid.add_row(*(Text(cell, style=style) for cell in cells))
    return grid


def _notes(report: Report) -> tuple[list[str], list[str]]:
    """A mark for each row, such as "[1][2]", and the notes they point at, each said once."""
    numbers: dict[str, int] = {}
    marks = []
    for row in report.rows:
        mine = [numbers.setdefault(note, len(numbers) + 1) for note in _remarks(row)]
        marks.append("".join(f"[{number}]" for number in mine))
    return marks, list(numbers)


def _remarks(row: Row) -> Iterator[str]:
    yield from row.warnings
    yield from row.notes
    if row.error:
        yield row.error


def markdown(report: Report) -> str:
    """A GitHub table with a line about the samples above and the notes below."""
    marks, notes = _notes(report)
    lines = [
        escaped(wording.size(report)),
        "",
        "| metric | value | better | what it tells | seconds |",
        "|:--|--:|:--|:--|--:|",
    ]
    for row, mark in zip(report.rows, marks, strict=True):
        value = " ".join(filter(None, [wording.outcome(row), wording.uncertainty(row), mark]))
        cells = [row.metric, value, wording.DIRECTIONS[row.better], row.meaning, wording.seconds(row.seconds)]
        lines.append(f"| {' | '.join(map(escaped, cells))} |")
    lines += ["", *(f"- {escaped(f'[{number}] {note}')}" for number, note in enumerate(notes, start=1))]
    parts = ["\n".join(lines), *(panel.markdown() for panel in panels(report, SHOWN))]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"
