"""Tables beside the reports: text that lines up, HTML that escapes."""

from __future__ import annotations

import pytest

from divergences.report.html import page
from divergences.report.tables import Table


def table(**fields):
    rows = (("a<b>", "1", "one"), ("c", "22.5", "and & more"))
    return Table(**{"title": "T <i>", "head": ("", "n", "told"), "rows": rows, "words": (0, 2), **fields})


def test_text_lines_up():
    assert table(notes=("A note.",)).text().splitlines() == [
        "T <i>",
        "         n  told",
        "a<b>     1  one",
        "c     22.5  and & more",
        "A note.",
    ]


def test_html_escapes_and_aligns():
    html = table(notes=("x < y",)).html()
    assert "<h2>T &lt;i&gt;</h2>" in html
    assert '<th scope="row">a&lt;b&gt;</th><td class="number">1</td><td>one</td>' in html
    assert "and &amp; more" in html
    assert "x &lt; y" in html


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="must have 3 cells"):
        table(rows=(("a", "b"),))


def test_a_page_of_tables_alone():
    html = page("A & B", "<p>", ["w & w"], [table()], footer="made by hand")
    assert "<title>A &amp; B</title>" in html
    assert "<p>&lt;p&gt;</p>" in html
    assert "<footer>made by hand</footer>" in html
    assert html.count("<table>") == 1
