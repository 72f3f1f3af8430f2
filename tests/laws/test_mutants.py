"""The harness is itself proved: every mistake in tests/mutants.py is caught by some law."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from mutants import MUTANTS, NOT_THE_MISTAKE, SURVIVORS

from divergences.laws import LAWS
from divergences.laws.check import judge
from divergences.laws.draw import draw

CASES = 20


def killer(mutant) -> str | None:
    """The first law that tells the mutant."""
    subject = mutant.subject()
    rules = [law for law in LAWS.values() if law.applies_to(subject) and law.name not in NOT_THE_MISTAKE]
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(CASES):
            case = draw(subject.on, rng, min_rows=subject.min_rows)
            subject.cache.clear()
            for rule in rules:
                if judge(rule, subject, case).broken:
                    return rule.name
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant):
    assert (killer(mutant) is None) == (mutant.name in SURVIVORS)


def test_there_are_enough_of_them_and_few_survive():
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names)) >= 40
    assert set(names) >= set(SURVIVORS)
    assert len(SURVIVORS) <= 0.05 * len(names)
    assert all(SURVIVORS.values())
