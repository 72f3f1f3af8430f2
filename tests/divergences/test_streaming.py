"""Measures that read by blocks: every source gives what its array gives, in less memory, as strictly."""

from __future__ import annotations

import itertools
import re
import tracemalloc

import numpy as np
import pytest
import sklearn
import torch
from row_sources import KINDS, SMALL, Sliced

import divergences
from divergences import gaussian, pmf
from divergences._inputs import arrays as checked_arrays
from divergences._inputs import check_pair, check_samples
from divergences._rows import Rows, resident

# ── pairs ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_a_streamed_pair_is_the_pair_in_memory(kind, offset, source, both, rng, streamed):
    x, y = (values + offset for values in both)
    weights = rng.uniform(size=len(x))
    known = check_pair(x, y, weights)
    lazy_x, lazy_y = source(kind, x), source(kind, y)
    for pair in (
        check_pair(lazy_x, y, weights, streams=True),
        check_pair(x, lazy_y, weights, streams=True),
        check_pair(lazy_x, lazy_y, source(kind.replace("memmap columns", "memmap"), weights), streams=True),
    ):
        assert isinstance(pair.x, Rows) or isinstance(pair.y, Rows)
        for ours, theirs in ((pair.x, known.x), (pair.y, known.y)):
            values = ours.load() if isinstance(ours, Rows) else ours
            # the origin may differ in its last digits, and every row with it
            assert np.allclose(
                values + (pair.origin - known.origin) / known.scale, theirs, rtol=0, atol=1e-15
            )
        assert np.array_equal(pair.a, known.a)
        assert np.array_equal(pair.b, known.b)
        same_fields = ("scale", "dtype", "uniform", "same", "n", "m", "d")
        assert [getattr(pair, f) for f in same_fields] == [getattr(known, f) for f in same_fields]
        assert pair.result(np.float64(2.0), 1) == known.result(np.float64(2.0), 1)
        assert pair.zero() == 0


def test_small_sources_and_other_measures_are_loaded(source, both):
    x, y = both
    lazy = source("memmap", x)
    assert resident(x.shape)
    assert isinstance(check_pair(lazy, y, streams=True).x, np.ndarray)
    with sklearn.config_context(working_memory=SMALL):
        assert not resident(x.shape)
        assert isinstance(check_pair(lazy, y).x, np.ndarray)
        assert isinstance(check_pair(x, y, streams=True).x, np.ndarray), "an array is in memory already"
        assert divergences.wasserstein(lazy[:40], y[:40]) == divergences.wasserstein(x[:40], y[:40])


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_can_be_loaded(kind, source, both):
    x, y = both
    assert np.array_equal(check_samples(source(kind, x), "x"), x)
    assert divergences.frechet(source(kind, x), y) == divergences.frechet(x, y)
    single = check_pair(source(kind, x.astype(np.float32)), y.astype(np.float32))
    assert single.dtype == np.float32


@pytest.mark.parametrize("kind", ["memmap", "hdf5", "zarr", "dask"])
def test_sameness(kind, source, both, streamed):
    x, _ = both
    lazy, changed = source(kind, x), x.copy()
    changed[-1, -1] += 1
    assert check_pair(lazy, lazy, streams=True).same
    assert check_pair(lazy, source(kind, x), streams=True).same
    assert check_pair(lazy, x, streams=True).same
    assert not check_pair(lazy, source(kind, changed), streams=True).same
    assert not check_pair(lazy, lazy, np.arange(1003.0), streams=True).same
    single = source(kind, x.astype(np.float32))
    assert check_pair(single, x.astype(np.float32), streams=True).same
    assert check_pair(single, x.astype(np.float32), streams=True).dtype == np.float32


def test_sameness_reads_no_further_than_it_must(rng, streamed):
    x, y = Sliced(rng.normal(size=(1000, 4))), Sliced(rng.normal(size=(1000, 4)))
    assert not check_pair(x, y, streams=True).same
    assert max(x.reads.values()) == 2
    assert x.reads[999] == 1, "the pass that checks, and no other"
    assert check_pair(y, y, streams=True).same
    assert y.reads[999] == 2, "one object on both sides is read once"


def test_one_axis_is_one_feature(source, rng, streamed):
    x = rng.normal(size=2000)
    for kind in ("memmap", "hdf5", "zarr", "dask"):
        pair = check_pair(source(kind, x), x[:50], streams=True)
        assert pair.x.shape == (2000, 1)
        assert np.array_equal(pair.x.load(), check_pair(x, x[:50]).x)


def with_value(x, row, value):
    x = x.copy()
    x[row, 1] = value
    return x


WRONG = {
    "nan in the last row": (lambda x: with_value(x, -1, np.nan), ValueError, r"got nan at index \(1002, 1\)"),
    "inf": (lambda x: with_value(x, 500, -np.inf), ValueError, r"got -inf at index \(500, 1\).*drop or"),
    "complex": (lambda x: x + 1j, TypeError, "got complex numbers"),
    "three axes": (lambda x: x[:, :, None], ValueError, r"3 axes, shape \(1003, 3, 1\)"),
    "empty": (lambda x: x[:0], ValueError, r"must not be empty; got shape \(0, 3\)"),
    "too few rows": (lambda x: x[:1], ValueError, "at least 2 rows"),
    "features": (lambda x: x[:, :2], ValueError, r"got shapes \(1003, 2\) and \(411, 3\)"),
    "huge integers": (lambda x: (x * 0 + 2**60).astype(np.int64), ValueError, "below 2.*common offset"),
    "negative huge integers": (lambda x: (x * 0 - 2.0**60).astype(np.int64), ValueError, "below 2"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["memmap", "hdf5", "zarr", "dask", "object"])
@pytest.mark.parametrize(("change", "error", "match"), WRONG.values(), ids=WRONG)
def test_refusals(kind, change, error, match, source, both, streamed):
    x, y = both
    wrong = change(x)
    if kind == "memmap" and wrong.size == 0:
        pytest.skip("an empty file cannot be mapped")
    if kind == "dask" and wrong.size == 0:
        dask_array = pytest.importorskip("dask.array")
        lazy = dask_array.from_array(wrong)
    elif kind in ("hdf5", "zarr") and wrong.size == 0:
        lazy = Sliced(wrong)
    else:
        lazy = source(kind, wrong)
    for arguments in ((lazy, y), (y, lazy)):
        name = "x and y" if "shapes" in match else "x" if arguments[0] is lazy else "y"
        expected = (
            match if arguments[0] is lazy else re.sub(r"shapes (.*) and (.*)", r"shapes \2 and \1", match)
        )
        with pytest.raises(error, match=expected) as caught:
            divergences.frechet(*arguments)
        assert str(caught.value).startswith(name)


def test_refusals_of_types(source, both, streamed):
    x, y = both
    dask_array = pytest.importorskip("dask.array")
    lazy = dask_array.from_array(x, chunks=(100, 3))
    with pytest.raises(ValueError, match=r"x must know its number of rows.*x\.compute_chunk_sizes\(\)"):
        divergences.frechet(lazy[lazy[:, 0] > 0], y)
    with pytest.raises(ValueError, match=r"x must know its number of rows"):
        divergences.wasserstein(lazy[lazy[:, 0] > 0], y)
    with pytest.raises(TypeError, match="one library; y is a torch tensor"):
        divergences.frechet(lazy, torch.tensor(y))
    with pytest.raises(TypeError, match="got text"):
        divergences.frechet(Sliced(np.full((1000, 3), "abc")), y)
    with pytest.raises(TypeError, match="dtype object"):
        divergences.frechet(Sliced(x.astype(object)), y)
    with pytest.raises(ValueError, match="single number"):
        divergences.frechet(source("hdf5 contiguous", np.array(3.0)), y)
    for weights, match in (
        (np.ones(3), "one number per row"),
        (-np.ones(1003), "negative"),
        ([np.nan] * 1003, "finite"),
    ):
        untouched = Sliced(x)
        with pytest.raises(ValueError, match=f"x_weights must.*{match}"):
            divergences.frechet(untouched, y, x_weights=weights)
        assert not untouched.reads, "wrong weights cost no pass"
    hidden = Sliced(np.ma.masked_greater(x, 2.0))
    with pytest.raises(ValueError, match="masked values; fill or drop"):
        divergences.frechet(hidden, y)
    assert divergences.frechet(Sliced(np.ma.array(x)), y) == divergences.frechet(Sliced(x), y)


def test_too_large_for_a_measure_that_needs_it_all(both, source, monkeypatch):
    x, y = both
    monkeypatch.setattr(checked_arrays, "available_memory", lambda: 2.0**13)
    with pytest.raises(
        ValueError, match=r"x has shape \(1003, 3\), 2.24e-05 GiB in float64.*7.63e-06 GiB are free.*frechet"
    ):
        divergences.wasserstein(source("memmap", x), y)
    with sklearn.config_context(working_memory=SMALL):
        assert divergences.frechet(source("memmap", x), y) > 0

    class Huge(Sliced):
        def __getitem__(self, rows):
            raise MemoryError

    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"this measure needs it all in memory"):
        divergences.wasserstein(Huge(x), y)
    assert checked_arrays.available_memory() > 2**20


# ── moments ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_fit_and_frechet_are_those_in_memory(kind, offset, source, both, rng):
    x, y = (values + offset for values in both)
    weights = rng.uniform(size=len(x)) * (rng.uniform(size=len(x)) < 0.8)
    for ddof, a in ((0, None), (1, None), (0, weights), (1, weights)):
        mean, cov = gaussian.fit(x, weights=a, ddof=ddof)
        with sklearn.config_context(working_memory=SMALL):
            lazy_mean, lazy_cov = gaussian.fit(source(kind, x), weights=a, ddof=ddof)
        assert lazy_mean == pytest.approx(mean, rel=1e-15, abs=1e-15)
        assert lazy_cov == pytest.approx(cov, rel=1e-12, abs=1e-14)
    known = divergences.frechet(x, y, x_weights=weights)
    with sklearn.config_context(working_memory=SMALL):
        lazy_x, lazy_y = source(kind, x), source(kind, y)
        assert divergences.frechet(lazy_x, y, x_weights=weights) == pytest.approx(known, rel=1e-12)
        assert divergences.frechet(y, lazy_x, y_weights=weights) == pytest.approx(known, rel=1e-12)
        assert divergences.frechet(lazy_x, lazy_y, x_weights=weights) == pytest.approx(known, rel=1e-12)
        assert divergences.frechet(lazy_x, lazy_x) == 0


def test_fit_reads_once(rng, streamed):
    x = Sliced(rng.normal(size=(3000, 4)), 50)
    gaussian.fit(x)
    assert set(x.reads.values()) == {1}


def test_fit_and_frechet_keep_their_digits(rng, streamed):
    x = rng.normal(size=(3000, 3))
    x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T)).T)  # covariance I
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    thin, thick = (x @ np.diag([1.0, 1.0, s]) @ turn for s in (1e-9, 3e-9))
    # (3e-9 − 1e-9)², which formed covariances would drown in 1e-16
    assert divergences.frechet(Sliced(thin), Sliced(thick)) == pytest.approx(4e-18, rel=1e-5, abs=0)
    for scale in (1e-140, 1e140):
        mean, cov = gaussian.fit(Sliced(x * scale + scale))
        assert mean == pytest.approx(np.full(3, scale), rel=1e-14)
        assert cov / scale / scale == pytest.approx(np.eye(3) * (2999 / 3000), abs=1e-13)
    drifting = np.sort(rng.normal(size=(4000, 1)), axis=0) * 1e6 + 5e6  # no block is like another
    assert gaussian.fit(Sliced(drifting))[1][0, 0] == pytest.approx(drifting.var(), rel=1e-13)
    jumping = np.concatenate([np.full((2000, 1), 1e308), np.full((2000, 1), -1e308)]) / 1e155
    assert gaussian.fit(Sliced(jumping))[1] == pytest.approx(1e306, rel=1e-12)
    late = np.concatenate([np.zeros((2000, 1)), np.full((2000, 1), 1.0)])
    assert gaussian.fit(Sliced(late), weights=np.repeat([0.0, 1.0], 2000))[0] == pytest.approx(1.0, rel=1e-15)


def test_fit_refuses_as_in_memory(rng, streamed):
    x = rng.normal(size=(3000, 3))
    lone = np.zeros(3000)
    lone[7] = 1.0
    for weights, match in ((lone, "at least two rows"), (np.ones(5), "one number per row")):
        with pytest.raises(ValueError, match=match):
            gaussian.fit(Sliced(x), weights=weights, ddof=1)
    with pytest.raises(ValueError, match=r"x must be finite; got nan at index \(2999, 1\)"):
        gaussian.fit(Sliced(with_value(x, -1, np.nan)))
    with pytest.raises(ValueError, match="beyond the range of float64"):
        gaussian.fit(Sliced(x * 1e200))


def test_fits_of_chunks_merge_to_the_fit_of_all(rng):
    x = rng.normal(size=(1000, 3)) + 1e8
    cuts = [0, 1, 400, 405, 1000]
    merged, rows = None, 0
    for start, stop in itertools.pairwise(cuts):
        part = gaussian.fit(x[start:stop])
        merged = (
            part if merged is None else gaussian.merge(*merged, *part, x_weight=rows, y_weight=stop - start)
        )
        rows = stop
    mean, cov = gaussian.fit(x)
    assert merged[0] == pytest.approx(mean, rel=1e-15)
    assert merged[1] == pytest.approx(cov, rel=1e-7)  # means of 1e8 have 1e-8 of rounding


# ── pairs of rows ───────────────────────────────────────────────────────────────────────────

OVER_PAIRS = {
    "energy": (divergences.energy, {}),
    "cramer": (divergences.cramer, {}),
    "mmd": (divergences.squared_mmd, {}),
    "mmd mixture": (divergences.squared_mmd, {"bandwidth": [0.5, 2.0], "estimator": "biased"}),
    "linear": (divergences.squared_mmd, {"kernel": "linear", "estimator": "biased"}),
    "own kernel": (divergences.squared_mmd, {"kernel": lambda u, v: np.abs(u @ v.T)}),
    "kid": (divergences.kid, {}),
    "parzen": (divergences.parzen_log_likelihood, {}),
    "parzen, one width": (divergences.parzen_log_likelihood, {"bandwidth": 0.5}),
    "parzen, a grid": (divergences.parzen_log_likelihood, {"grid": [0.02, 0.2, 1.0, 9.0]}),
}


@pytest.mark.parametrize(("measure", "options"), OVER_PAIRS.values(), ids=OVER_PAIRS)
def test_measures_over_pairs_are_those_in_memory(measure, options, source, both, rng):
    x, y = (values[:200] for values in both)
    weights = {
        "x_weights": rng.uniform(size=200) * (rng.uniform(size=200) < 0.7),
        "y_weights": rng.uniform(size=200),
    }
    for given in ({}, weights):
        known = measure(x, y, **options, **given)
        with sklearn.config_context(working_memory=SMALL):
            lazy_x, lazy_y = source("hdf5", x), source("memmap", y)
            for pair in ((lazy_x, y), (x, lazy_y), (lazy_x, lazy_y)):
                assert measure(*pair, **options, **given) == pytest.approx(known, rel=1e-11)


@pytest.mark.parametrize("kind", ["memmap", "zarr"])
def test_float32_and_offsets_over_pairs(kind, source, both, streamed):
    x, y = ((values[:200] + 1e8).astype(np.float64) for values in both)
    near_x, near_y = (values[:200] for values in both)
    for measure in (divergences.energy, divergences.squared_mmd, divergences.parzen_log_likelihood):
        with sklearn.config_context(working_memory=1024):
            known = measure(near_x, near_y)
        assert measure(source(kind, x), source(kind, y)) == pytest.approx(known, rel=1e-6)
    single = [values.astype(np.float32) for values in (near_x, near_y)]
    value = divergences.energy(source(kind, single[0]), source(kind, single[1]))
    assert isinstance(value, np.float32)
    assert value == pytest.approx(divergences.energy(*single), rel=1e-6)


def test_parzen_windows_on_a_source(source, both, rng, streamed):
    x, y = (values[:150] for values in both)
    lazy, weights = source("hdf5", y), rng.uniform(size=150) * (rng.uniform(size=150) < 0.7)
    validation = source("memmap", x)
    for options in ({}, {"y_weights": weights}, {"validation": validation}):
        with sklearn.config_context(working_memory=1024):
            known = divergences.Parzen.fit(y, **options)
        window = divergences.Parzen.fit(lazy, **options)
        assert window.bandwidth == pytest.approx(known.bandwidth, rel=1e-12)
        assert window.score(validation).value == pytest.approx(known.score(x).value, rel=1e-12)
        assert np.allclose(window.sample(9, rng=0), known.sample(9, rng=0), atol=1e-12)
        assert "150 rows, 3 features" in repr(window)


def test_energy_on_the_line_is_loaded_or_refused(source, both, streamed, monkeypatch):
    x, y = (values[:, :1] for values in both)
    lazy = source("memmap", np.repeat(x, 4, axis=0))
    assert divergences.energy(lazy, y) == pytest.approx(
        divergences.energy(np.repeat(x, 4, axis=0), y), rel=1e-12
    )
    monkeypatch.setattr(checked_arrays, "available_memory", lambda: 2.0**13)
    with pytest.raises(ValueError, match="x has shape .* needs it all in memory"):
        divergences.energy(lazy, y)


# ── reports ─────────────────────────────────────────────────────────────────────────────────


def test_evaluate_takes_sources(source, both, streamed):
    x, y = both
    metrics = ["frechet", "energy", "wasserstein"]
    known = divergences.evaluate(x[:200], y[:90], metrics, rng=0)
    for kind in ("memmap", "hdf5", "dask"):
        report = divergences.evaluate(source(kind, x[:200]), source(kind, y[:90]), metrics, rng=0)
        values = [row.value for row in report.rows]
        assert values == pytest.approx([row.value for row in known.rows], rel=1e-11)
        assert np.array_equal(report.x, x[:200])
        assert (report.n, report.m, report.d) == (200, 90, 3)
        assert "frechet" in report._repr_html_()


# ── memory ──────────────────────────────────────────────────────────────────────────────────


def peak(function):
    tracemalloc.start()
    function()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 2**20


def test_memory_does_not_follow_the_source(tmp_path, rng):
    rows, block = 400_000, rng.normal(size=(40_000, 8)).astype(np.float32)
    x = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(rows, 8))
    for start in range(0, rows, len(block)):
        x[start : start + len(block)] = block
    y = block[:1000] + 1
    divergences.frechet(x[:100], y)  # what is imported on first use is not counted
    whole = rows * 8 * 8 / 2**20  # 24 MiB in float64
    with sklearn.config_context(working_memory=8):
        assert peak(lambda: divergences.frechet(x, y)) < 6 + 3.1  # blocks, and the weights: 8 bytes a row
        assert peak(lambda: gaussian.fit(x)) < 6 + 3.1
        assert peak(lambda: pmf.histogram(x[:, :1], y[:, :1])) < 10
    assert peak(lambda: check_pair(x, y)) > whole, "this test can fail"
