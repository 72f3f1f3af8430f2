"""Values at n → ∞ against closed forms, the bias of histograms by simulation, sizes that are enough."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import divergences as dv
from divergences import estimate
from divergences.inference import extrapolate, rows_needed
from divergences.inference.extrapolation import _line_at_0
from divergences.inference.plugin import histogram_bias


def test_a_line_is_read_at_0() -> None:
    at = np.array([0.1, 0.2, 0.4])
    assert _line_at_0(at, 3.0 + 2.0 * at, np.array([2.0, 1.0, 1.0])) == (
        pytest.approx(3.0),
        pytest.approx(0.0),
    )


@pytest.mark.parametrize(("metric", "truth"), [("frechet", 2.0), ("energy", None)])
def test_the_bias_is_gone(metric, truth) -> None:
    """Over 25 samples: without bias within 4 standard errors, with it far off."""
    generator = np.random.default_rng(0)
    plain, ends, unbiased = [], [], []
    for seed in range(25):
        x, y = generator.normal(size=(60, 8)), 0.5 + generator.normal(size=(60, 8))
        found = extrapolate(metric, x, y, rng=seed)
        plain.append(found.value)
        ends.append(found.extrapolated)
        assert found.bias == found.value - found.extrapolated
        assert found.extrapolated in found.interval
        if truth is None:
            unbiased.append(estimate("energy", x, y, halvings=0).extrapolated)
    if truth is None:  # the U-statistic has no bias, of the same rows
        gaps = np.array(ends) - np.array(unbiased)
        assert abs(gaps.mean()) < 4 * gaps.std() / 5.0
        assert np.mean(plain) - np.mean(unbiased) > 5 * gaps.std() / 5.0
        return
    error = np.std(ends) / 5.0
    assert abs(np.mean(ends) - truth) < 4 * error
    assert np.mean(plain) - truth > 5 * error


def test_extrapolation_repeats(samples) -> None:
    x, y = samples
    x, y = np.concatenate([x, x + 0.1]), np.concatenate([y, y - 0.1])
    found = extrapolate("frechet", x, y)
    assert extrapolate("frechet", torch.tensor(x), torch.tensor(y), rng=found.seed) == found
    assert extrapolate("sliced_wasserstein", x, y, rng=1).value == pytest.approx(
        estimate("sliced_wasserstein", x, y, rng=1).value, rel=0.2
    )


@pytest.mark.parametrize("name", ["kl", "reverse_kl", "js"])
def test_the_bias_of_histograms(name) -> None:
    """Shares drawn from known ones: the mean of the told bias is that of the values."""
    generator = np.random.default_rng(0)
    p, q = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.2, 0.3, 0.3, 0.2])
    truth = float(getattr(dv.pmf, name)(p, q) if name != "reverse_kl" else dv.pmf.kl(q, p))
    edges, cells = [np.arange(5) - 0.5], np.arange(4)
    values, told = [], []
    for _ in range(800):
        x, y = generator.choice(cells, 80, p=p), generator.choice(cells, 60, p=q)
        values.append(float(dv.parse(name)(x, y, estimator="histogram", bins=edges)))
        told.append(histogram_bias(name, x, y, edges))
    finite = np.isfinite(values)
    assert finite.mean() > 0.99
    real = np.mean(np.array(values)[finite]) - truth
    assert np.mean(np.array(told)[finite]) == pytest.approx(real, rel=0.25)


def test_estimate_tells_the_bias_of_histograms(rng) -> None:
    x, y = rng.normal(size=300), rng.normal(size=300)
    for name in ("kl", "js"):
        found = estimate(name, x, y, estimator="histogram", bins=8, rng=0)
        assert found.interval is None
        if math.isfinite(found.value):
            assert found.extrapolated == pytest.approx(found.value - found.bias)
            assert 0.0 < found.bias < 0.2
    apart = estimate("kl", x, y + 50.0, estimator="histogram", bins=8, rng=0)
    assert (apart.value, apart.bias, apart.extrapolated) == (math.inf, math.inf, None)
    assert estimate("tv", x, y, estimator="histogram", bins=8, rng=0).bias is None


def test_sizes_keep_their_promise() -> None:
    """With as many rows as told, a difference of 0.2 in squared MMD is found in about 80 % of cases."""
    generator = np.random.default_rng(0)
    pilot = generator.normal(size=(400, 1)), 1.0 + generator.normal(size=(400, 1))
    n = rows_needed("squared_mmd(bandwidth=1.0)", *pilot, difference=0.05)
    errors = [
        estimate(
            "squared_mmd(bandwidth=1.0)", generator.normal(size=n), 1.0 + generator.normal(size=n), halvings=0
        ).standard_error
        for _ in range(8)
    ]
    assert 0.05 / np.mean(errors) == pytest.approx(1.95996 + 0.84162, rel=0.1)
    null = generator.normal(size=(300, 1)), generator.normal(size=(300, 1))  # all of it second order
    n = rows_needed("energy", *null, difference=0.02)
    errors = [
        estimate("energy", generator.normal(size=n), generator.normal(size=n), halvings=0).standard_error
        for _ in range(10)
    ]
    assert 0.02 / np.mean(errors) == pytest.approx(1.95996 + 0.84162, rel=0.25)
    assert rows_needed("energy", *pilot, difference=0.1, power=0.9) > rows_needed(
        "energy", *pilot, difference=0.1
    )
    assert rows_needed("energy", *pilot, difference=1e3) == 4
    assert rows_needed("frechet", *pilot, difference=0.1, rng=0) > 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: extrapolate("energy", x[:10], x), "at least 16"),
        (lambda x: extrapolate("energy", x, x, points=2), "points must be"),
        (lambda x: extrapolate("energy", x, x, confidence=1.0), "below 1"),
        (lambda x: extrapolate("energy", x, x, x_weights=np.ones(20)), "weigh the same"),
        (lambda x: rows_needed("energy", x, x, difference=0.0), "difference must be"),
        (lambda x: rows_needed("energy", x, x, difference=1.0, power=0.4), "power must be above 0.5"),
        (lambda x: rows_needed("energy", x, x, difference=1.0, power=1.0), "power must be below 1"),
        (lambda x: rows_needed("kl", x, x, difference=1.0), "no size can be planned"),
        (lambda x: rows_needed("sliced_wasserstein", x, x, difference=1.0), "no size can be planned"),
    ],
)
def test_refusals(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0).normal(size=(20, 2)))


@pytest.mark.parametrize("name", ["kl", "reverse_kl", "js"])
def test_estimate_takes_the_cells_that_the_metric_takes(name, rng) -> None:
    x, y = rng.normal(size=(300, 1)), rng.normal(size=(400, 1)) + 0.5
    found = estimate(f"{name}(estimator='histogram')", x, y, halvings=0)
    named = estimate(f"{name}(estimator='histogram', bins='quantile')", x, y, halvings=0)
    assert (found.value, found.bias) == (named.value, named.bias)
    assert found.extrapolated == pytest.approx(found.value - histogram_bias(name, x, y, "quantile"))


@pytest.mark.parametrize(("spec", "d", "at_zero"), [
    ("wasserstein", 3, 0.2), ("wasserstein(p=2)", 8, 0.6), ("max_sliced_wasserstein", 8, 0.4),
    ("sinkhorn_divergence", 3, 0.25),
])  # fmt: skip
def test_the_null_floor_comes_off_transport(spec, d, at_zero) -> None:
    """Translates 0.5 apart in each feature: |shift|, or its square; and nothing where P = Q."""
    shift = 0.5 * math.sqrt(d)
    truth = shift**2 if spec.startswith("sinkhorn") else shift
    apart, equal = [], []
    for seed in range(4):
        x, y = np.random.default_rng(seed).normal(size=(2, 150, d))
        apart.append(extrapolate(spec, x, y + 0.5, rng=0))
        equal.append(extrapolate(spec, x, y, rng=0))
    plain, without = (np.mean([getattr(each, k) for each in apart]) for k in ("value", "extrapolated"))
    assert abs(without - truth) < 0.15 * max(truth, 1.0)
    assert abs(without - truth) < abs(plain - truth)
    assert np.mean([each.extrapolated for each in equal]) < at_zero * np.mean([each.value for each in equal])
    first = apart[0]
    assert first.interval is None
    assert first.method == "null floor"
    assert first.metric == spec
    assert first.bias == pytest.approx(first.value - first.extrapolated)


def test_the_floor_of_few_rows_is_brought_to_all() -> None:
    """Halves of 300 rows in four dimensions, by n^(−1/4), against samples of 300."""
    rng = np.random.default_rng(0)
    whole = np.mean([dv.wasserstein(*rng.normal(size=(2, 300, 4))) for _ in range(6)])
    found = extrapolate("wasserstein", *rng.normal(size=(2, 300, 4)), rng=0)
    assert found.null_floor == pytest.approx(whole, rel=0.05)
