"""Intervals of averages over pairs and of smooth metrics: brute force, closed forms, simulation."""

from __future__ import annotations

import json
import math
import sys

import joblib
import numpy as np
import pytest
import sklearn
import torch

import divergences as dv
from divergences import Estimate, estimate
from divergences._inputs import check_pair
from divergences._pairwise import Distance, Gaussian, Laplace, Power, Rational, StationaryGrams, row_sums
from divergences.inference.intervals import mean_interval, squared_length_interval, student_quantile
from divergences.inference.jackknife import jackknife
from divergences.inference.line import line_error
from divergences.inference.ustatistic import pair_mean
from divergences.kernels import pair_kernel
from divergences.registry import parse


def found_of(name, x, y, **options):
    pair = check_pair(x, y)
    return pair_mean(pair_kernel(name, pair, **options), pair)


@pytest.mark.parametrize("working_memory", [None, 0.01])
def test_row_sums_are_those_of_the_matrix(rng, working_memory) -> None:
    x, y = rng.normal(size=(70, 3)), rng.normal(size=(45, 3))

    def gram(rows, columns):
        return (rows @ columns.T + 1.0) ** 2

    def grams(rows, columns):
        return [2.0 * gram(rows, columns), 0.0 * gram(rows, columns)]  # their mean counts

    with sklearn.config_context(working_memory=working_memory or 1024):
        across, within = row_sums(x, y, grams), row_sums(x, None, grams)
    whole, own = gram(x, y), gram(x, x)
    np.testing.assert_allclose(across.rows, whole.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(across.columns, whole.sum(axis=0), rtol=1e-12)
    assert across.squares == pytest.approx((whole**2).sum(), rel=1e-12)
    np.testing.assert_allclose(within.diagonal, own.diagonal(), rtol=1e-12)
    np.fill_diagonal(own, 0.0)
    np.testing.assert_allclose(within.rows, own.sum(axis=1), rtol=1e-12)
    assert within.squares == pytest.approx((own**2).sum(), rel=1e-12)


@pytest.mark.parametrize("d", [1, 3, 20])
@pytest.mark.parametrize(
    "functions",
    [
        (Distance(),),
        (Gaussian(0.3),),
        (Laplace(0.7), Rational(0.2)),
        (Power(0.75),),
        (Gaussian(5.0), Gaussian(0.01)),
    ],
)
def test_compiled_row_sums_are_the_plain_ones(monkeypatch, rng, d, functions) -> None:
    x, y = rng.normal(size=(1100, d)), rng.normal(0.5, 2.0, size=(90, d))
    y[:3] = x[:3]
    for pair in ((x, y), (x, None), (y, None)):
        found = []
        for least in (np.inf, 0):
            monkeypatch.setattr(sys.modules["divergences._pairwise.row_sums"], "COMPILED_PAIRS", least)
            found.append(row_sums(*pair, StationaryGrams(functions)))
        plain, compiled = found
        for name in ("rows", "columns", "squares", "diagonal"):
            np.testing.assert_allclose(getattr(compiled, name), getattr(plain, name), rtol=1e-12, atol=1e-13)


def test_a_skewed_mean_is_covered(rng) -> None:
    """Of 20 exponentials Student's interval covers in 91.7 % of cases, and misses nearly always low."""
    draws = rng.exponential(size=(4000, 20))
    means, errors = draws.mean(axis=1), draws.std(axis=1, ddof=1) / math.sqrt(20)
    plain = abs(means - 1) < student_quantile(0.95, 19) * errors
    ends = np.array([mean_interval(row, 0.95) for row in draws])
    below, above = (ends[:, 1] < 1).mean(), (ends[:, 0] > 1).mean()
    assert plain.mean() < 0.925
    assert 0.932 < 1 - below - above < 0.955
    assert above > 0.01


def test_an_even_mean_has_students_interval() -> None:
    values = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) + 3.0
    reach = student_quantile(0.9, 4) * values.std(ddof=1) / math.sqrt(5)
    assert mean_interval(values, 0.9) == pytest.approx((3.0 - reach, 3.0 + reach))
    assert mean_interval(np.array([2.0, 2.0]), 0.9) == (2.0, 2.0)
    assert mean_interval(np.array([1.0, 2.0]), 0.9)[0] < 1.5 < mean_interval(np.array([1.0, 2.0]), 0.9)[1]


def test_both_means_are_the_metrics(rng) -> None:
    x, y = 3.0 + rng.normal(size=(30, 2)), 3.5 + 2.0 * rng.normal(size=(20, 2))
    for options in (
        {"bandwidth": 0.7},
        {"kernel": "linear"},
        {"kernel": "polynomial"},
        {"bandwidth": [0.5, 2.0]},
    ):
        found = found_of("squared_mmd", x, y, **options)
        assert found.unbiased == pytest.approx(float(dv.squared_mmd(x, y, **options)), rel=1e-9)
        biased = dv.squared_mmd(x, y, estimator="biased", **options)
        assert found.biased == pytest.approx(float(biased), rel=1e-9)
    assert found_of("energy", x, y).biased == pytest.approx(float(dv.energy(x, y)), rel=1e-12)
    assert found_of("cramer", x, y).biased == pytest.approx(float(dv.cramer(x, y)), rel=1e-12)
    assert found_of("kid", x, y).unbiased == pytest.approx(float(dv.kid(x, y)), rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_the_variance_is_exact_on_average(shift) -> None:
    """k(x, y) = xy between N(0, 1) and N(shift, 2²): U = (mean difference)² without its bias."""
    n, m = 12, 9
    first = 4.0 * shift**2 * (1.0 / n + 4.0 / m)
    second = 2.0 / (n * (n - 1)) + 2.0 * 16.0 / (m * (m - 1)) + 4.0 * 4.0 / (n * m)
    generator = np.random.default_rng(0)
    parts, firsts, seconds = [], [], []
    for _ in range(3000):
        x, y = generator.normal(size=n), shift + 2.0 * generator.normal(size=m)
        found = found_of("squared_mmd", x, y, kernel="linear")
        parts.append(found.unbiased)
        firsts.append(found.first)
        seconds.append(found.second)
    assert np.var(parts) == pytest.approx(first + second, rel=0.15)  # the simulation is of the right thing
    assert np.mean(seconds) == pytest.approx(second, rel=0.06)
    if shift == 2.0:  # elsewhere the part that would come out negative is cut off
        assert np.mean(firsts) == pytest.approx(first, rel=0.05)


def test_the_first_order_part_is_without_the_blur_of_the_second() -> None:
    """k(x, y) = xy between N(0, 1) and N(1.5, 1), six rows each: 4 · 1.5² (1/6 + 1/6) on average."""
    generator = np.random.default_rng(0)
    firsts = [
        found_of(
            "squared_mmd", generator.normal(size=6), 1.5 + generator.normal(size=6), kernel="linear"
        ).first
        for _ in range(6000)
    ]
    assert np.mean(firsts) == pytest.approx(3.0, rel=0.03)


def test_influences_are_what_leaving_a_row_out_takes_away(rng) -> None:
    x, y = rng.normal(size=(20, 2)), 1.0 + rng.normal(size=(30, 2))

    def value(x: np.ndarray, y: np.ndarray) -> float:
        return float(dv.squared_mmd(x, y, bandwidth=1.0))

    found, whole = found_of("squared_mmd", x, y, bandwidth=1.0), value(x, y)
    without_x = [19 * (whole - value(np.delete(x, i, axis=0), y)) for i in range(20)]
    without_y = [29 * (whole - value(x, np.delete(y, i, axis=0))) for i in range(30)]
    np.testing.assert_allclose(found.x_influence, without_x, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.y_influence, without_y, rtol=1e-9, atol=1e-12)


def energy_of_shift(shift: float) -> float:
    """2E|X − Y| − E|X − X'| − E|Y − Y'| of N(0, 1) and N(shift, 1), by the folded normal."""

    def folded(mean: float) -> float:
        return 2.0 / math.sqrt(math.pi) * math.exp(-(mean**2) / 4.0) + mean * math.erf(mean / 2.0)

    return 2.0 * folded(shift) - 2.0 * folded(0.0)


@pytest.mark.parametrize(("shift", "n"), [(0.0, 30), (0.5, 60), (2.0, 30)])
def test_the_interval_of_energy_covers(shift, n) -> None:
    """500 samples at 90 %: within 4 standard deviations, never fewer; at P = Q it may cover more."""
    generator = np.random.default_rng(1)
    truth, held = energy_of_shift(shift), 0
    for _ in range(500):
        x, y = generator.normal(size=n), shift + generator.normal(size=n)
        interval = estimate("energy", x, y, confidence=0.9, halvings=0, rng=0).interval
        held += truth in interval
    assert held > 450 - 4 * 6.7
    if shift:
        assert held < 450 + 4 * 6.7


def test_the_interval_of_frechet_covers() -> None:
    """(shift)² + (1 − s)² in one dimension."""
    generator = np.random.default_rng(2)
    held = 0
    for _ in range(60):
        x, y = generator.normal(size=40), 0.5 + 1.5 * generator.normal(size=40)
        found = estimate("frechet", x, y, confidence=0.9, halvings=0, rng=0)
        held += 0.5 in found.interval
    assert held > 54 - 4 * 2.3


def test_the_interval_of_wasserstein_in_one_dimension_covers() -> None:
    generator = np.random.default_rng(3)
    held = 0
    for _ in range(60):
        x, y = generator.normal(size=30), 1.0 + generator.normal(size=40)
        held += 1.0 in estimate("wasserstein", x, y, confidence=0.9, halvings=0, rng=0).interval
    assert held > 54 - 4 * 2.3


def test_the_jackknife_by_hand(rng) -> None:
    x, y, row = rng.normal(size=20), 1.0 + 2.0 * rng.normal(size=15), parse("frechet")
    found = jackknife(row, x, y, rng)
    value = float(row(x, y))
    left = np.array([float(row(np.delete(x, i), y)) for i in range(20)])
    other = np.array([float(row(x, np.delete(y, i))) for i in range(15)])
    assert found.value == value
    assert found.bias == pytest.approx(19 * (left.mean() - value) + 14 * (other.mean() - value))
    assert found.variance == pytest.approx(19 * left.var() + 14 * other.var())
    assert found.freedom == 33
    largest = max(19 / 20 * ((left - left.mean()) ** 2).max(), 14 / 15 * ((other - other.mean()) ** 2).max())
    assert found.largest_share == pytest.approx(largest / found.variance)
    grouped = jackknife(row, x, y, rng, groups=5)
    assert grouped.freedom == 8
    assert grouped.variance == pytest.approx(found.variance, rel=2.0)


def test_the_bias_of_frechet_is_taken_off() -> None:
    generator = np.random.default_rng(4)
    plain, without = [], []
    for _ in range(30):
        x, y = generator.normal(size=(40, 4)), 1.0 + generator.normal(size=(60, 4))
        found = estimate("frechet", x, y, halvings=0, rng=0)
        plain.append(found.value)
        without.append(found.extrapolated)
        assert found.extrapolated == found.value - found.bias
    error = np.std(without) / math.sqrt(30)
    assert abs(np.mean(without) - 4.0) < 4 * error
    assert np.mean(plain) - 4.0 > 3 * error


def test_heavy_tails_are_said(rng) -> None:
    x, y = rng.standard_t(1.5, size=200), rng.normal(size=200)
    assert any("heavy" in note for note in estimate("frechet", x, y, rng=0).notes)
    assert not any("heavy" in note for note in estimate("frechet", y, y + 1.0, rng=0).notes)


def test_squared_lengths() -> None:
    """{θ: (U − θ)² ≤ z²(αθ + β)}, by a grid of θ; Wald's interval where θ is far off."""
    z = 1.959963984540054
    for unbiased, first, second in ((0.5, 0.02, 0.001), (0.01, 0.001, 0.002), (-0.02, 0.0, 0.001)):
        found = squared_length_interval(unbiased, 0.1, first, second, 0.95)
        noise = math.sqrt(second)
        alpha = (first + 0.5 * noise * math.sqrt(20.0 * second * math.sqrt(8.0) * noise)) / (
            max(unbiased, 0.0) + 0.5 * noise
        )
        grid = np.linspace(0.0, 3.0, 300_001)
        kept = grid[(unbiased - grid) ** 2 <= z**2 * (alpha * grid + second)]
        assert found.lower == pytest.approx(kept[0], abs=2e-5)
        assert found.upper == pytest.approx(kept[-1], abs=2e-5)
    far = squared_length_interval(100.0, 0.01, 0.04, 1e-8, 0.95)
    assert (far.lower, far.upper) == pytest.approx((100.0 - z * 0.2, 100.0 + z * 0.2), abs=1e-3)
    assert squared_length_interval(-10.0, 0.1, 0.0, 1e-6, 0.95).upper == 0.0
    nothing = squared_length_interval(0.0, 0.0, 0.0, 0.0, 0.95)
    assert (nothing.lower, nothing.upper) == (0.0, 0.0)


def test_the_floor_is_that_of_halves(samples) -> None:
    x, y = samples
    found = estimate("energy", x, y, halvings=4, rng=3)
    generator, half = np.random.default_rng(3), len(x) // 2
    generator.integers(2**32)  # the seed of metrics that draw
    values = []
    for _ in range(4):
        order = generator.permutation(len(x))
        values.append(float(dv.energy(x[order[:half]], x[order[half : 2 * half]])))
    assert found.null_floor == pytest.approx(np.mean(values))
    assert estimate("energy", x, y, halvings=0).null_floor is None
    few = estimate("energy", x[:7], y)
    assert few.null_floor is None
    assert "too few to part" in few.notes[-1]
    deep = estimate("kl(k=5)", x[:9], y, rng=0)
    assert deep.null_floor is None
    assert "half of x will not do" in deep.notes[-1]
    weights = np.zeros(len(x))
    weights[: len(x) // 2] = 1.0
    weighted = estimate("energy", x, y, x_weights=weights, halvings=3, rng=0)
    assert weighted.null_floor > 0.0


@pytest.mark.parametrize("metric", ["energy", "squared_mmd", "kid", "frechet", "kl", "sliced_wasserstein"])
def test_an_estimate_comes_back_from_json_and_repeats(samples, metric) -> None:
    x, y = samples
    found = estimate(metric, x, y, rng=5)
    assert Estimate.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert estimate(metric, x, y, rng=5) == found
    assert (found.metric, found.seed) == (metric, 5)
    assert found.convention == parse(metric).convention
    fresh = estimate(metric, x, y)
    assert estimate(metric, x, y, rng=fresh.seed) == fresh
    tensor = estimate(metric, torch.tensor(x, requires_grad=True), torch.tensor(y), rng=5)
    assert tensor.value == pytest.approx(found.value)
    if found.interval is not None:
        assert tensor.interval.upper == pytest.approx(found.interval.upper)
    assert "\n" not in str(found)


def test_scale_and_offset(samples) -> None:
    x, y = samples
    for metric, degree in (("energy", 1), ("frechet", 2), ("squared_mmd", 0)):
        base = estimate(metric, x, y, rng=0)
        moved = estimate(metric, 1000.0 * x + 2**20, 1000.0 * y + 2**20, rng=0)
        assert moved.interval.upper == pytest.approx(base.interval.upper * 1000.0**degree, rel=1e-6)
        assert moved.standard_error == pytest.approx(base.standard_error * 1000.0**degree, rel=1e-6)


def test_processes_give_the_same(samples) -> None:
    x, y = samples
    alone = [estimate("energy", x, y, rng=0), dv.two_sample_test("frechet", x, y, permutations=40, rng=0)]
    with joblib.parallel_config(backend="loky", n_jobs=2):
        shared = [
            estimate("energy", x, y, rng=0),
            dv.two_sample_test("frechet", x, y, permutations=40, rng=0),
        ]
    assert shared == alone


# ── W₁ on the line ──────────────────────────────────────────────────────────────────────────


def test_the_error_on_the_line_is_that_of_the_influence_function(rng) -> None:
    x, y = rng.normal(size=31), 0.4 + 1.5 * rng.normal(size=23)
    step = 1e-6
    variance = 0.0
    for rows, side in ((x, "x_weights"), (y, "y_weights")):
        slopes = []
        for k in range(len(rows)):
            weights = np.full(len(rows), (1.0 - step) / len(rows))
            weights[k] += step
            slopes.append((dv.wasserstein(x, y, **{side: weights}) - dv.wasserstein(x, y)) / step)
        variance += np.var(slopes, ddof=1) / len(rows)
    assert line_error(x, y) == pytest.approx(math.sqrt(variance), rel=1e-4)
    found = estimate("wasserstein", x, y, halvings=0, rng=0)
    assert found.standard_error == pytest.approx(line_error(x, y), rel=1e-9)
    assert found.method == "influence function"


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.7])
def test_the_interval_on_the_line_covers_near_equality_and_far(shift) -> None:
    generator = np.random.default_rng(0)
    held = near = 0
    for k in range(500):
        x, y = generator.normal(size=60), shift + generator.normal(size=60)
        found = estimate("wasserstein", x, y, halvings=0, rng=k)
        held += shift in found.interval
        near += any("as near as samples" in note for note in found.notes)
        assert ("as near" in str(found.notes)) == (found.interval.lower == 0.0) or shift > 0.0
    assert 460 <= held <= 495  # 92 to 99 % of 500: 95 % and its error
    assert near >= 460 if shift == 0.0 else near <= 475


def test_heavy_tails_are_said_to_shorten_the_interval_of_frechet() -> None:
    generator = np.random.default_rng(0)
    said = {"heavy": 0, "normal": 0}
    for k in range(12):
        x = generator.normal(size=(200, 2))
        heavy, normal = generator.standard_t(3, size=(200, 2)), generator.normal(0.5, size=(200, 2))
        for name, y in (("heavy", heavy), ("normal", normal)):
            notes = estimate("frechet", x, y, halvings=0, rng=k).notes
            said[name] += "the interval is too short" in str(notes)
    assert said["heavy"] >= 11
    assert said["normal"] <= 2


def test_an_interval_where_noise_of_second_order_matters_says_so() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(80, 4))
    near, far = (estimate("energy", x, x[::-1] * 1.0 + shift, halvings=0) for shift in (0.05, 3.0))
    assert "on the safe side" in str(near.notes)
    assert far.notes == ()
    for found in (near, far):
        parts = found_of("energy", x, x[::-1] + (0.05 if found is near else 3.0))
        assert (parts.second > 0.25 * parts.first) == bool(found.notes)
