"""Many numbers on a line: the compiled sort, areas between CDFs and couplings, against plain ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

import divergences as dv
from divergences import _line, _line_kernels

SHAPES = ("normal", "uniform", "cauchy", "ties", "sorted", "decades", "one outlier", "constant", "subnormal")


def draw(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    if kind == "normal":
        return rng.normal(size=n)
    if kind == "uniform":
        return rng.uniform(size=n)
    if kind == "cauchy":
        return rng.standard_cauchy(size=n)
    if kind == "ties":
        return rng.integers(-3, 4, size=n) / 4.0
    if kind == "sorted":
        return np.linspace(-1.0, 1.0, n)
    if kind == "decades":
        return rng.choice([-1.0, 1.0], size=n) * 10.0 ** rng.uniform(-290.0, 0.0, n)
    if kind == "one outlier":
        return np.append(rng.normal(size=n - 1), 1e12)
    if kind == "constant":
        return np.full(n, 0.7)
    return rng.integers(-5, 6, size=n) * 5e-324


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every size takes the compiled way."""
    monkeypatch.setattr(_line, "COMPILED", 0)


# a slot that is full has more than 32, and more than CACHED numbers are first parted
SIZES = (1, 2, 3, 31, 32, 33, 500, _line_kernels.CACHED + 12_345)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("n", SIZES)
def test_the_sort_sorts_and_masses_stay_with_their_numbers(kind: str, n: int) -> None:
    values = draw(kind, n, np.random.default_rng(n))
    plain, moved, tags = values.copy(), values.copy(), np.arange(float(n))
    _line_kernels.sort(plain, None, np.empty(n), None)
    _line_kernels.sort(moved, tags, np.empty(n), np.empty(n))
    assert np.array_equal(plain, np.sort(values))
    assert np.array_equal(moved, plain)
    assert np.array_equal(values[tags.astype(int)], moved)
    assert np.array_equal(np.sort(tags), np.arange(n))


def test_numbers_that_no_slots_part_are_compared() -> None:
    """Clusters within clusters, each far below its neighbour's slots: deeper than the slots go."""
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [(1.0 + 2.0**-50 * rng.integers(0, 8, 400)) * 2.0 ** (-(3.0**k)) for k in range(6)]
    )
    values = np.concatenate([values + 1.0, values, 2.0**-40 * values])
    rng.shuffle(values)
    found = values.copy()
    _line_kernels.sort(found, None, np.empty_like(found), None)
    assert np.array_equal(found, np.sort(values))


def exact_powers(x, y, a, b, p):
    """∫ |F⁻¹ − G⁻¹|^p du in long double, from the levels of both, weights as they are."""
    x_order, y_order = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
    a, b = (np.asarray(w, dtype=np.longdouble) for w in (a, b))
    f, g = np.cumsum(a[x_order]) / a.sum(), np.cumsum(b[y_order]) / b.sum()
    levels = np.sort(np.concatenate([f, g]))
    mass = np.diff(levels, prepend=np.longdouble(0))
    middle = levels - mass / 2
    i = np.minimum(np.searchsorted(f, middle), len(x) - 1)
    j = np.minimum(np.searchsorted(g, middle), len(y) - 1)
    gaps = np.abs(x[x_order][i].astype(np.longdouble) - y[y_order][j])
    return float((mass * gaps**p).sum() ** (1 / np.longdouble(p)))


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("kind", ["normal", "cauchy", "ties", "decades", "one outlier", "uniform"])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 7), (40, 40), (300, 200), (3000, 4001)])
@pytest.mark.parametrize("weighted", [False, True])
def test_distances_against_long_doubles(kind: str, n: int, m: int, weighted: bool) -> None:
    rng = np.random.default_rng(n + m)
    x, y = draw(kind, n, rng), draw(kind, m, rng) + 0.125
    a, b = np.ones(n), np.ones(m)
    if weighted:
        a, b = rng.random(n), rng.random(m)
        a[rng.random(n) < 0.5], b[0] = 0.0, 1.0
        a[-1] = 1.0
    weights = {"x_weights": a, "y_weights": b} if weighted else {}
    for p in (1, 2, 1.5, 7):
        assert dv.wasserstein(x, y, p=p, **weights) == pytest.approx(exact_powers(x, y, a, b, p), rel=1e-11)
    grid = np.sort(np.concatenate([x, y]).astype(np.longdouble))
    gap = [(a @ (x <= t)) / a.sum() - (b @ (y <= t)) / b.sum() for t in grid[:-1]] if n + m < 1000 else None
    if gap is not None:
        area = float(2 * (np.array(gap, dtype=np.longdouble) ** 2 * np.diff(grid)).sum())
        assert dv.energy(x, y, **weights) == pytest.approx(area, rel=1e-10)
        assert dv.cramer(x, y, **weights) == pytest.approx(area / 2, rel=1e-10)


@pytest.mark.parametrize("same_law", [False, True])
def test_a_million_numbers_against_scipy(same_law: bool) -> None:
    """Large enough for the compiled way by itself: CDFs that cross once, and everywhere."""
    rng = np.random.default_rng(5)
    n, m = 600_000, 450_000
    x, y = rng.normal(size=n), rng.normal(size=m) * (1.0 if same_law else 1.5)
    assert n + m >= _line.COMPILED
    assert dv.wasserstein(x, y) == pytest.approx(stats.wasserstein_distance(x, y), rel=1e-10)
    assert dv.energy(x, y) == pytest.approx(stats.energy_distance(x, y) ** 2, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("p", [1, 2, 3.5])
@pytest.mark.parametrize("m", [60, 47])
def test_both_ways_agree(monkeypatch: pytest.MonkeyPatch, rng, weighted: bool, p: float, m: int) -> None:
    x, y = rng.normal(size=(60, 3)), rng.normal(0.2, 1.5, size=(m, 3))
    weights = {"x_weights": rng.random(60), "y_weights": rng.random(m)} if weighted else {}
    metrics = {
        "wasserstein": lambda: dv.wasserstein(x[:, 0], y[:, 0], p=p, **weights),
        "sliced": lambda: dv.sliced_wasserstein(x, y, p=p, n_projections=16, rng=1, **weights),
        "max sliced": lambda: dv.max_sliced_wasserstein(x, y, p=p, n_projections=16, rng=1, **weights),
        "energy": lambda: dv.energy(x[:, 0], y[:, 0], **weights),
        "tensor": lambda: dv.wasserstein(torch.tensor(x[:, 0]), torch.tensor(y[:, 0]), p=p, **weights),
        "single": lambda: dv.wasserstein(x[:, 0].astype(np.float32), y[:, 0].astype(np.float32), p=p),
    }
    plain = {name: measure() for name, measure in metrics.items()}
    monkeypatch.setattr(_line, "COMPILED", 0)
    for name, measure in metrics.items():
        value = measure()
        assert type(value) is type(plain[name]), name
        assert value.dtype == plain[name].dtype, name
        assert float(value) == pytest.approx(float(plain[name]), rel=1e-6 if name == "single" else 1e-12), (
            name
        )


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("at", [0.0, 0.7, 1e8])
def test_one_point_however_often_is_at_distance_zero(at: float) -> None:
    x, y = np.full(9, at), np.full(4, at)
    for p in (1, 2):
        assert dv.wasserstein(x, y, p=p) == 0.0
        assert dv.wasserstein(x, y, p=p, x_weights=np.arange(9.0)) == 0.0
    assert dv.energy(x, y) == 0.0


@pytest.mark.usefixtures("compiled")
def test_what_came_is_left_as_it_was(rng) -> None:
    x, y = rng.normal(size=50) / 8, rng.normal(size=40) / 8
    x[0] = 1.5  # a scale of 1: nothing is copied on the way in
    kept = x.copy(), y.copy()
    for p in (1, 2):
        dv.wasserstein(x, y, p=p)
    dv.energy(x, y)
    dv.sliced_wasserstein(np.stack([x, x], axis=1), np.stack([y, y], axis=1), rng=0)
    assert np.array_equal(x, kept[0])
    assert np.array_equal(y, kept[1])


@pytest.mark.usefixtures("compiled")
def test_gradients_keep_their_own_way(rng) -> None:
    x = torch.tensor(rng.normal(size=(6, 1)), requires_grad=True)
    y = torch.tensor(rng.normal(size=(5, 1)), requires_grad=True)
    for measure in (dv.wasserstein, dv.energy):
        assert torch.autograd.gradcheck(measure, (x, y))


@pytest.mark.usefixtures("compiled")
def test_nan_is_refused(rng) -> None:
    x = rng.normal(size=100)
    x[17] = math.nan
    for measure in (dv.wasserstein, dv.energy):
        with pytest.raises(ValueError, match="x must be finite; got nan at index 17"):
            measure(x, rng.normal(size=100))
