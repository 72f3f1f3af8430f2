"""Histograms counted by blocks: the same edges and masses, by exact quantiles in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from row_sources import SMALL

import divergences
from divergences import pmf
from divergences._quantiles import distinct, quantile_cuts

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


def test_too_many_cells_are_refused_and_not_tried(rng):
    x = rng.normal(size=(60, 2))
    with pytest.raises(
        ValueError, match="at most 10,000,000 cells; these make 10,000,000,000 in 2 dimensions"
    ):
        divergences.js(x, x + 1, estimator="histogram", bins=100_000)
    with pytest.raises(
        ValueError, match="the rule 'fd' asks for too many bins: an outlier stretches the range"
    ):
        divergences.js(np.append(x[:, 0], 1e25), x[:, 1], estimator="histogram", bins="fd")
    with pytest.raises(ValueError, match="bins must be 'quantile', a NumPy rule.*got 'zzz'"):
        divergences.js(x[:, 0], x[:, 1], estimator="histogram", bins="zzz")
