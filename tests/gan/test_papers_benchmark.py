"""benchmarks/papers.py: what it computes itself, against counting by hand; a page from what is saved."""

from __future__ import annotations

import sys
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # scripts import their parts by name; last, for tests have a truth too

import papers  # noqa: E402
from papers_parts import digits, toys  # noqa: E402

from gan.evaluation import reverse_kl_floor  # noqa: E402


@pytest.mark.parametrize(("theta", "m"), [("3/5", 1), ("3/5", 3), ("1/10", 4)])
def test_the_expected_w1_is_that_of_counting_every_sample(theta, m):
    star = Fraction(theta)
    for other in (Fraction(0), Fraction(2, 3), Fraction(1)):
        total = Fraction(0)
        for sample in product((0, 1), repeat=m):
            ones = sum(sample)
            total += star**ones * (1 - star) ** (m - ones) * abs(Fraction(ones, m) - other)
        assert toys.expected_w1(float(other), float(star), m) == pytest.approx(float(total), abs=1e-14)


def test_the_minimiser_of_three_samples_is_two_thirds_at_2107():
    found = toys.bernoulli(0.6, 3)
    assert found["minimiser"] == pytest.approx(2 / 3, abs=1e-6)
    assert (round(found["value"], 4), round(found["value_at_truth"], 4)) == (0.2107, 0.2304)


class Reader:
    """A classifier that reads a digit off its first pixel."""

    def labels(self, rows):
        return np.round(rows[:, 0] * 10).astype(int)


def test_stacked_digits_are_counted_channel_by_channel():
    triples = np.array([(1, 2, 3), (1, 2, 3), (3, 2, 1), (0, 0, 0)])
    rows = np.zeros((4, 784, 3))
    rows[:, 0] = triples / 10
    found = digits.count(Reader(), rows.reshape(4, -1))
    assert (found.modes, found.n) == (3, 4)
    shares = np.array([0.5, 0.25, 0.25])
    assert found.kl == pytest.approx(float((shares * np.log(1000 * shares)).sum()))
    assert found.floor == reverse_kl_floor(1000, 4)


def test_a_row_that_was_not_run_says_so_and_how(monkeypatch, tmp_path):
    monkeypatch.setattr(papers, "RESULTS", tmp_path)
    sections = {name: make({}) for name, (_, _, make, computes) in papers.SECTIONS.items() if not computes}
    text = papers.page({"sections": sections, "versions": {"python": "3"}})
    assert "| not run |" in text
    for command in ("papers --run gmmn", "papers --run stacked", "losses.py --tier standard", "`modes.py`"):
        assert command in text
    runs = {"100": {"value": 280.0, "cpu_seconds": 9.0}, "101": {"value": 284.0, "cpu_seconds": 8.0}}
    row = next(row for row in papers.parzen({"gmmn": {"runs": runs}}) if "GMMN +" in row["what"])
    assert (row["ours"], row["interval"]) == ("282.0", "280.0 to 284.0")
