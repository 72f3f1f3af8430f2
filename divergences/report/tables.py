"""A table of anything, as fixed-width text and as HTML: what a page holds beside its reports."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["WIDTH", "Table", "escaped"]

WIDTH = 100  # columns of sentences in a terminal


@dataclass(frozen=True, slots=True)
class Table:
    """``rows`` of cells under ``head``; the first cell names its row. ``notes`` are sentences below it.

    ``words`` are the columns, by number, whose cells are read as words; all others hold numbers.

    >>> print(Table("Scores", ("model", "nats"), (("a", "1.5"), ("bc", "10"))).text())
    Scores
    model  nats
    a       1.5
    bc       10
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    words: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise ValueError(f"each row must have {len(self.head)} cells, as the head has; got {row}")

    def text(self) -> str:
        """The table in a terminal, whatever its width: a line a row, notes below."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.head))]
        told = [
            "  ".join(
                cell.ljust(width) if column in self.words else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *told, *(textwrap.fill(note, WIDTH) for note in self.notes)])

    def markdown(self) -> str:
        """A GitHub table under its title, notes below."""
        rules = (":--" if column in self.words else "--:" for column in range(len(self.head)))
        lines = [f"**{escaped(self.title)}**", "", *map(_line, [self.head]), f"| {' | '.join(rules)} |"]
        lines += [*map(_line, self.rows), "", *(escaped(note) for note in self.notes)]
        return "\n".join(lines).rstrip() + "\n"

    def html(self) -> str:
        """A section of the page; every cell is escaped."""
        head = "".join(
            f'<th scope="col"{self._kind(k)}>{escape(cell)}</th>' for k, cell in enumerate(self.head)
        )
        body = "\n".join(self._row(row) for row in self.rows)
        notes = "".join(f'<p class="soft">{escape(note)}</p>' for note in self.notes)
        return f"""
<section>
<h2>{escape(self.title)}</h2>
<div class="plain"><table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table></div>
{notes}
</section>
"""

    def _row(self, row: Sequence[str]) -> str:
        cells = "".join(f"<td{self._kind(k)}>{escape(cell)}</td>" for k, cell in enumerate(row) if k)
        return f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>'

    def _kind(self, column: int) -> str:
        return "" if column in self.words else ' class="number"'


def escaped(text: str) -> str:
    """Inert in a markdown cell: no markup, no new column, no new line."""
    plain = escape(" ".join(text.split()), quote=False)
    for special in "\\|*_`[]":
        plain = plain.replace(special, "\\" + special)
    return plain


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escaped, cells))} |"
