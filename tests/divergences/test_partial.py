"""Sums over pairs in shares that add up to the measure."""

from __future__ import annotations

import doctest
import pickle
from pathlib import Path

import numpy as np
import pytest
import sklearn
from row_sources import SMALL

import divergences
from divergences.partial import pair_sums

# ── shares ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("of", [1, 2, 7, 130])
@pytest.mark.parametrize("lazy", [False, True])
def test_shares_add_up(of, lazy, source, both, rng):
    x, y = (values[:120] for values in both)
    a = rng.uniform(size=120) * (rng.uniform(size=120) < 0.7)
    known = divergences.energy(x, y, x_weights=a)
    mmd = {
        e: divergences.squared_mmd(x, y, bandwidth=0.7, estimator=e, x_weights=a)
        for e in ("biased", "unbiased")
    }
    with sklearn.config_context(working_memory=SMALL / 8 if lazy else 1024):
        if lazy:
            x, y = source("hdf5", x), source("memmap", y)
        order = rng.permutation(of)
        distances = sum(pair_sums(x, y, share=(k, of), x_weights=a) for k in order)
        kernels = sum(
            pair_sums(x, y, share=(k, of), kernel="gaussian", bandwidth=0.7, x_weights=a) for k in order
        )
    assert distances.energy() == pytest.approx(known, rel=1e-12)
    for estimator, value in mmd.items():
        assert kernels.squared_mmd(estimator=estimator) == pytest.approx(value, rel=1e-11)


def test_shares_are_about_equal_and_exactly_zero_for_equal_samples(rng):
    x = rng.normal(size=(400, 3))
    parts = [pair_sums(x, x, share=(k, 4)) for k in range(4)]
    whole = sum(parts)
    assert whole.energy() == 0
    for part in parts:
        assert part.across == pytest.approx(whole.across / 4, rel=0.3)
        assert part.within_x == pytest.approx(whole.within_x / 4, rel=0.3)
    assert pickle.loads(pickle.dumps(parts[0])) == parts[0]
    assert sum(parts[::-1]).share == frozenset(range(4))


def test_shares_that_do_not_belong_together(rng):
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(30, 2))
    first = pair_sums(x, y, share=(0, 2))
    for other, match in (
        (first, "share 0 is in both"),
        (pair_sums(x, y, share=(1, 3)), "only shares of one computation"),
        (pair_sums(x, y[:9], share=(1, 2)), "only shares of one computation"),
        (pair_sums(x, y, share=(1, 2), kernel="laplace", bandwidth=1.0), "only shares of one computation"),
    ):
        with pytest.raises(ValueError, match=match):
            first + other
    with pytest.raises(TypeError):
        first + 1.0
    with pytest.raises(ValueError, match="1 of 2 shares are missing, the first is 1"):
        first.energy()
    whole = pair_sums(x, y, share=(0, 1))
    with pytest.raises(ValueError, match="kernel='distance'"):
        whole.squared_mmd()
    with pytest.raises(ValueError, match="these are of 'gaussian'"):
        pair_sums(x, y, share=(0, 1), kernel="gaussian", bandwidth=1.0).energy()
    for options, error, match in (
        ({"share": (2, 2)}, ValueError, r"share\[0\] must be below 2"),
        ({"share": 3}, TypeError, r"share must be \(k, K\)"),
        ({"share": (0, 1), "bandwidth": 1.0}, ValueError, "takes no bandwidth"),
        ({"share": (0, 1), "kernel": "gaussian"}, ValueError, "needs a bandwidth"),
        ({"share": (0, 1), "kernel": "gauss"}, ValueError, "did you mean 'gaussian'"),
        ({"share": (0, 1), "kernel": "gaussian", "bandwidth": -1}, ValueError, "bandwidth must be"),
    ):
        with pytest.raises(error, match=match):
            pair_sums(x, y, **options)
    lone = pair_sums(x, y, share=(0, 1), kernel="gaussian", bandwidth=1.0, x_weights=np.eye(20)[0])
    with pytest.raises(ValueError, match="two rows with weight"):
        lone.squared_mmd()


def test_the_page_on_large_samples_runs(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "large.md"
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0
