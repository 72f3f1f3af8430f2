"""Samples that are read by blocks: every source gives what its array gives, in less memory, as strictly."""

from __future__ import annotations

import doctest
import itertools
import pickle
import re
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import sklearn
import torch

import divergences
from divergences import gaussian, pmf
from divergences._inputs import arrays as checked_arrays
from divergences._inputs import check_pair, check_samples
from divergences._quantiles import distinct, quantile_cuts
from divergences._rows import Rows, is_row_source, resident
from divergences.partial import pair_sums

SMALL = 0.02  # MiB of working memory: far less than the samples here, so that they are streamed
KINDS = ["memmap", "memmap columns", "hdf5", "hdf5 contiguous", "zarr", "dask", "dask uneven", "object"]


class Sliced:
    """The least a source needs: a shape, a dtype and row slices. It counts what is read of it."""

    def __init__(self, array, chunk=None):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype
        self.reads = Counter()
        self.chunks = None if chunk is None else (chunk, *array.shape[1:])

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self._array))
        chunk = self.chunks[0] if self.chunks else 1
        for k in range(start // chunk, -(-stop // chunk)):
            self.reads[k] += 1
        return self._array[rows]


@pytest.fixture
def source(tmp_path):
    """A function that puts an array where it is read from by slices."""

    def make(kind, array):
        array = np.asarray(array)
        path = tmp_path / f"samples{len(list(tmp_path.iterdir()))}"
        if kind.startswith("memmap"):
            wide = np.concatenate([array, array], axis=1) if kind == "memmap columns" else array
            np.save(path.with_suffix(".npy"), wide)
            mapped = np.load(path.with_suffix(".npy"), mmap_mode="r")
            return mapped[:, : array.shape[1]] if kind == "memmap columns" else mapped
        if kind.startswith("hdf5"):
            h5py = pytest.importorskip("h5py")
            chunks = None if kind == "hdf5 contiguous" else (min(97, len(array)), *array.shape[1:])
            file = h5py.File(path.with_suffix(".h5"), "w")
            return file.create_dataset("samples", data=array, chunks=chunks)
        if kind == "zarr":
            zarr = pytest.importorskip("zarr")
            stored = zarr.open_array(
                str(path.with_suffix(".zarr")), mode="w", shape=array.shape, dtype=array.dtype,
                chunks=(100, *(2 for _ in array.shape[1:])),
            )  # fmt: skip
            stored[...] = array
            return stored
        if kind.startswith("dask"):
            dask_array = pytest.importorskip("dask.array")
            rest = ((side,) for side in array.shape[1:])
            cuts = (7, 300, 1, len(array) - 308) if kind == "dask uneven" else 110
            return dask_array.from_array(array, chunks=(cuts, *rest))
        return Sliced(array)

    return make


@pytest.fixture
def streamed():
    """Within it nothing but the smallest samples is loaded at once."""
    with sklearn.config_context(working_memory=SMALL):
        yield


@pytest.fixture
def both(rng):
    """x (1003, 3) with dependent features at an offset, and y (411, 3)."""
    x = rng.normal(size=(1003, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 2.0, 0.3], [0.0, 0.0, 0.1]])
    y = rng.normal(0.2, 1.3, size=(411, 3))
    return np.round(x * 2**12) / 2**12, np.round(y * 2**12) / 2**12


# ── rows ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_the_arrays(kind, source, both):
    x, _ = both
    rows = Rows(source(kind, x))
    assert (rows.shape, rows.dtype, rows.ndim, len(rows)) == (x.shape, np.float64, 2, 1003)
    assert np.array_equal(rows.load(), x)
    for step in (1, 7, 97, 100, 110, 5000, None):
        blocks = list(rows.blocks(step))
        assert [part.start for part, _ in blocks[1:]] == [part.stop for part, _ in blocks[:-1]]
        assert np.array_equal(np.concatenate([block for _, block in blocks]), x)
        assert step is None or max(len(block) for _, block in blocks) <= step
    for part in (slice(5, 9), slice(90, 205), slice(1000, None), slice(-3, None), slice(4, 4), slice(9, 2)):
        assert np.array_equal(rows[part], x[part])
    assert np.array_equal(rows.part(120, 900)[3:400], x[123:520])
    chosen = np.array([1002, 0, 5, 5, 400])
    assert np.array_equal(rows.take(chosen), x[chosen])


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_rows_go_to_other_processes(kind, source, both):
    x, _ = both
    made = source(kind, x)
    rows = Rows(made).framed(np.array([8.0, 0.0, 0.0]), 2.0).part(50, 700)
    sent = pickle.dumps(rows)
    assert kind.startswith("dask") or len(sent) < 2000, "the numbers were sent, not the name"
    assert np.array_equal(pickle.loads(sent).load(), (x[50:700] - [8.0, 0, 0]) / 2)


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", ">f4", "f8", ">f8", "i1", "u2", ">i4", "i8", "u8", "bool", "longdouble"]
)
def test_numbers_are_converted_as_in_memory(dtype, rng):
    values = rng.integers(0, 2 if dtype == "bool" else 100, size=(50, 2)).astype(dtype)
    rows = Rows(Sliced(values))
    assert rows.dtype == (np.float32 if dtype.endswith("f4") else np.float64)
    assert rows[3:9].dtype == rows.dtype
    assert rows[3:9].dtype.isnative
    assert np.array_equal(rows.load(), values.astype(np.float64))


@pytest.mark.parametrize("chunk", [1, 7, 64, 999, 5000])
@pytest.mark.parametrize("step", [1, 10, 64, 300, 5000])
def test_a_pass_reads_each_chunk_once(chunk, step, rng):
    kept = Sliced(rng.normal(size=(1003, 2)), chunk)
    for _ in Rows(kept).blocks(step):
        pass
    assert set(kept.reads.values()) == {1}
    assert len(kept.reads) == -(-1003 // chunk)


def test_a_chunk_too_large_to_keep_is_read_in_part(rng, streamed):
    kept = Sliced(rng.normal(size=(2000, 8)), 2000)  # 128 kB in 20 kB of working memory
    assert [len(block) for _, block in Rows(kept).blocks(500)] == [500] * 4
    assert Rows(kept)[10:20].shape == (10, 8)
    assert kept.reads[0] == 5


def test_float32_stays_where_the_frame_is_exact(rng):
    values = (rng.normal(size=(50, 1)) + 1000).astype(np.float32)
    rows = Rows(Sliced(values))
    exact = rows.framed(np.array([1000.0]), 4.0)
    assert exact.dtype == exact[0:5].dtype == np.float32
    assert np.array_equal(exact.load().astype(float), (values.astype(float) - 1000) / 4)
    for origin, scale in ((1000.1, 4.0), (1000.0, 2.0**40)):
        wide = rows.framed(np.array([origin]), scale)
        assert wide.dtype == wide[0:5].dtype == np.float64
        assert np.array_equal(wide.load(), (values.astype(float) - origin) / scale)
    far = Rows(Sliced(values.astype(float) * 1e300)).framed(np.array([0.0]), 2.0**1000)
    assert np.array_equal(far.load(), values.astype(float) * 1e300 / 2.0**1000)


def test_rows_refuse_to_be_loaded_by_accident(rng):
    rows = Rows(Sliced(rng.normal(size=(50, 2))))
    with pytest.raises(TypeError, match=r"rows\.load\(\)"):
        np.asarray(rows)
    with pytest.raises(TypeError, match="by slices"):
        rows[3]
    with pytest.raises(ValueError, match="a step of 2"):
        rows[::2]


def test_a_source_that_lies_about_its_length(rng):
    short = Sliced(rng.normal(size=(50, 2)))
    short.shape = (60, 2)
    with pytest.raises(ValueError, match=r"gave 10 rows for the slice 40:60"):
        Rows(short)[40:60]


def test_what_is_a_row_source(tmp_path, rng):
    import pandas as pd

    values = rng.normal(size=(5, 2))
    np.save(tmp_path / "x.npy", values)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert is_row_source(mapped)
    assert is_row_source(Sliced(values))
    frame = pd.DataFrame(values)
    for other in (values, torch.tensor(values), values.tolist(), frame, frame[0], np.float64(3.0), None, "x"):
        assert not is_row_source(other)


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


# ── histograms ──────────────────────────────────────────────────────────────────────────────

COLUMNS = {
    "normal": lambda rng: rng.normal(size=(5003, 2)),
    "offset": lambda rng: rng.normal(size=(5003, 1)) + 1e8,
    "heavy tails": lambda rng: rng.standard_cauchy(size=(5003, 1)) * 1e100,
    "few values": lambda rng: rng.integers(0, 4, size=(5003, 2)).astype(float),
    "an atom": lambda rng: np.where(rng.uniform(size=(5003, 1)) < 0.6, 0.0, rng.normal(size=(5003, 1))),
    "tiny": lambda rng: rng.normal(size=(5003, 1)) * 1e-310,
    "negative": lambda rng: -rng.exponential(size=(5003, 1)),
    "integers": lambda rng: rng.integers(-500, 500, size=(5000, 3)),
    "float32": lambda rng: rng.normal(size=(5003, 2)).astype(np.float32),
    "one value": lambda rng: np.full((5003, 1), 3.0),
}


@pytest.mark.filterwarnings("ignore::divergences.DivergenceWarning")
@pytest.mark.parametrize("make", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("bins", ["quantile", "sturges", 7])
def test_histograms_are_those_in_memory(make, bins, source, rng):
    x = make(rng)
    y = (x[::3] * 0.7).astype(x.dtype)
    weights = rng.uniform(size=len(x)) * (rng.uniform(size=len(x)) < 0.7)
    for a in (None, weights):
        p, q, edges = pmf.histogram(x, y, bins=bins, x_weights=a)
        with sklearn.config_context(working_memory=SMALL):
            lazy = source("memmap", x)
            streamed_p, streamed_q, streamed_edges = pmf.histogram(lazy, y, bins=bins, x_weights=a)
            pair = pmf.histogram(lazy, source("memmap", y), bins=bins, x_weights=a)
        assert len(edges) == len(streamed_edges) == x.shape[1]
        for ours, theirs, third in zip(streamed_edges, edges, pair[2], strict=True):
            assert np.allclose(ours, theirs, rtol=1e-15, atol=0)
            assert np.array_equal(ours, third)
        tolerance = 1e-6 if x.dtype == np.float32 else 1e-12
        assert streamed_p == pytest.approx(p, abs=tolerance)
        assert streamed_q == pytest.approx(q, abs=tolerance)
        assert streamed_p.dtype == p.dtype


@pytest.mark.filterwarnings("ignore::divergences.DivergenceWarning")
def test_histogram_estimators_and_given_edges(source, both, streamed):
    x, y = (values[:, :1] for values in both)
    for kind in ("memmap", "hdf5", "zarr", "dask"):
        lazy = source(kind, x)
        assert divergences.js(lazy, y, estimator="histogram") == pytest.approx(
            divergences.js(x, y, estimator="histogram"), rel=1e-12
        )
    edges = np.linspace(-6, 6, 10)
    for ours, theirs in zip(
        pmf.histogram(lazy, y, bins=edges)[:2], pmf.histogram(x, y, bins=edges)[:2], strict=True
    ):
        assert ours == pytest.approx(theirs, abs=1e-15)
    with pytest.raises(ValueError, match="bins must cover the samples; feature 0 spans"):
        pmf.histogram(lazy, y, bins=[-1.0, 0.0, 1.0])


def test_histograms_of_parts_merge(rng):
    x, y = rng.normal(size=(900, 1)), rng.normal(size=(300, 1))
    edges = np.linspace(-6, 6, 7)
    whole = pmf.histogram(x, y, bins=edges)[0]
    parts = [x[:500], x[500:]]
    merged = sum(len(part) / len(x) * pmf.histogram(part, y, bins=edges)[0] for part in parts)
    assert merged == pytest.approx(whole, abs=1e-15)


@pytest.mark.parametrize("limit", [1, 10, 500, 10**6])
@pytest.mark.parametrize(
    "make", [COLUMNS[name] for name in ("normal", "heavy tails", "an atom", "tiny", "integers")]
)
def test_quantiles_are_those_of_the_sorted(make, limit, rng):
    numbers = make(rng)[:, 0].astype(float)
    masses = rng.uniform(size=len(numbers))
    masses /= masses.sum()
    levels = np.array([1e-6, 0.1, 0.25, 0.25001, 0.5, 0.9, 1 - 1e-9])
    order = np.argsort(numbers, kind="stable")
    values, first = np.unique(numbers[order], return_index=True)
    below = np.add.reduceat(masses[order], first).cumsum()
    at = np.unique(np.minimum(np.searchsorted(below, levels), len(values) - 1))
    at = at[at < len(values) - 1]

    def blocks():
        for part in np.array_split(np.arange(len(numbers)), 9):
            yield numbers[part], masses[part]

    found = quantile_cuts(blocks, levels, numbers.min(), numbers.max(), len(numbers), limit)
    assert np.array_equal(found[0], values[at])
    assert np.array_equal(found[1], values[at + 1])
    kept = distinct(blocks, len(values))
    assert np.array_equal(kept, values)
    assert distinct(blocks, len(values) - 1) is None


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
    x, y = (values[:300] for values in both)
    weights = {
        "x_weights": rng.uniform(size=300) * (rng.uniform(size=300) < 0.7),
        "y_weights": rng.uniform(size=300),
    }
    for given in ({}, weights):
        known = measure(x, y, **options, **given)
        with sklearn.config_context(working_memory=SMALL):
            lazy_x, lazy_y = source("hdf5", x), source("memmap", y)
            for pair in ((lazy_x, y), (x, lazy_y), (lazy_x, lazy_y)):
                assert measure(*pair, **options, **given) == pytest.approx(known, rel=1e-11)


@pytest.mark.parametrize("kind", ["memmap", "hdf5", "zarr", "dask uneven"])
def test_float32_and_offsets_over_pairs(kind, source, both, streamed):
    x, y = ((values[:400] + 1e8).astype(np.float64) for values in both)
    near_x, near_y = (values[:400] for values in both)
    for measure in (divergences.energy, divergences.squared_mmd, divergences.parzen_log_likelihood):
        with sklearn.config_context(working_memory=1024):
            known = measure(near_x, near_y)
        assert measure(source(kind, x), source(kind, y)) == pytest.approx(known, rel=1e-6)
    single = [values.astype(np.float32) for values in (near_x, near_y)]
    value = divergences.energy(source(kind, single[0]), source(kind, single[1]))
    assert isinstance(value, np.float32)
    assert value == pytest.approx(divergences.energy(*single), rel=1e-6)


def test_parzen_windows_on_a_source(source, both, rng, streamed):
    x, y = (values[:300] for values in both)
    lazy, weights = source("hdf5", y), rng.uniform(size=300) * (rng.uniform(size=300) < 0.7)
    validation = source("memmap", x)
    for options in ({}, {"y_weights": weights}, {"validation": validation}):
        with sklearn.config_context(working_memory=1024):
            known = divergences.Parzen.fit(y, **options)
        window = divergences.Parzen.fit(lazy, **options)
        assert window.bandwidth == pytest.approx(known.bandwidth, rel=1e-12)
        assert window.score(validation).value == pytest.approx(known.score(x).value, rel=1e-12)
        assert np.allclose(window.sample(9, rng=0), known.sample(9, rng=0), atol=1e-12)
        assert "300 rows, 3 features" in repr(window)


def test_energy_on_the_line_is_loaded_or_refused(source, both, streamed, monkeypatch):
    x, y = (values[:, :1] for values in both)
    lazy = source("memmap", np.repeat(x, 4, axis=0))
    assert divergences.energy(lazy, y) == pytest.approx(
        divergences.energy(np.repeat(x, 4, axis=0), y), rel=1e-12
    )
    monkeypatch.setattr(checked_arrays, "available_memory", lambda: 2.0**13)
    with pytest.raises(ValueError, match="x has shape .* needs it all in memory"):
        divergences.energy(lazy, y)


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


def test_the_page_on_large_samples_runs(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "large.md"
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0


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
