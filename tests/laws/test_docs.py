"""The page on laws: its example runs, prints what it says, and its table is LAWS."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from divergences.laws import LAWS

PAGE = (Path(__file__).parents[2] / "docs" / "laws.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_page_says():
    first, second = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    (wanted, *_) = re.findall(r"```text\n(.*?)```", PAGE, flags=re.S)
    scope, printed = {"__name__": "__main__"}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(first, scope)
    assert printed.getvalue().split() == wanted.split()
    exec(second, scope)
    scope["test_my_distance"]("pmf.symmetry")


def test_every_law_is_in_the_table():
    assert f"## The {len(LAWS)} laws" in PAGE
    for name in LAWS:
        assert f"\n| {name} |" in PAGE, "run: python benchmarks/truth.py laws --page"


def test_the_page_counts_the_mutants():
    from mutants import MUTANTS, SURVIVORS

    assert f"{len(MUTANTS)} mutants" in PAGE
    assert len(SURVIVORS) == 1
