"""estimate: what the interval is of, whether it covers, and what has none."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import divergences as dv
from divergences import Parzen, estimate
from divergences.inference.estimation import METHODS
from divergences.inference.intervals import mean_interval
from divergences.registry import METRICS
from divergences.wasserstein import projected_costs


@pytest.mark.parametrize("p", [1, 2, 3])
def test_sliced_is_its_value_and_the_spread_of_its_directions(samples, p) -> None:
    x, y = samples
    found = estimate("sliced_wasserstein", x, y, p=p, n_projections=40, rng=3)
    value = dv.sliced_wasserstein(x, y, p=p, n_projections=40, rng=3)
    assert found.value == pytest.approx(float(value), rel=1e-12)
    costs, unit = projected_costs(x, y, p=p, n_projections=40, rng=3)
    costs = costs * unit**p
    assert len(costs) == 40
    error = costs.std(ddof=1) / math.sqrt(40)
    assert found.standard_error == pytest.approx(error * costs.mean() ** (1 / p - 1) / p, rel=1e-9)
    ends = np.array(mean_interval(costs, 0.95)) ** (1 / p)
    assert (found.interval.lower, found.interval.upper) == pytest.approx(tuple(ends), rel=1e-7)
    plain = (costs.mean() + np.array([-2.0226909, 2.0226909]) * error) ** (1 / p)  # Student's
    assert abs(ends - plain).max() < 0.3 * (plain[1] - plain[0])
    assert found.seed == 3
    assert (found.n, found.m, found.d) == (len(x), len(y), x.shape[1])
    assert "40 random directions" in found.notes[0]


def test_the_interval_of_sliced_covers_at_its_level() -> None:
    """x against x + a: W_2 along θ is |⟨θ, a⟩|, and sliced W_2 over all directions |a|/√d."""
    x, a = np.zeros((2, 3)), np.array([1.0, 2.0, 2.0])
    truth = 3.0 / math.sqrt(3.0)
    held = sum(
        truth in estimate("sliced_wasserstein", x, x + a, n_projections=60, confidence=0.8, rng=seed).interval
        for seed in range(300)
    )
    assert 0.73 * 300 < held < 0.87 * 300  # ± 3 standard deviations of a binomial


def test_directions_that_do_not_differ() -> None:
    line = estimate("sliced_wasserstein", [0.0, 1.0], [2.0, 4.0], rng=0)
    assert line.standard_error == 0.0
    assert line.interval.lower == line.interval.upper == line.value
    same = estimate(dv.sliced_wasserstein, [[0.0, 1.0]], [[0.0, 1.0]], rng=0)
    assert (same.value, same.standard_error) == (0.0, 0.0)
    single = estimate("sliced_wasserstein(n_projections=1)", [[0.0, 1.0]], [[1.0, 1.0]], rng=0)
    assert single.interval is None
    assert "Raise n_projections" in single.notes[0]


def test_sliced_at_any_scale(samples) -> None:
    x, y = samples
    base = estimate("sliced_wasserstein", x, y, p=9, rng=0)
    for scale in (1e-150, 1e150):
        found = estimate("sliced_wasserstein", x * scale, y * scale, p=9, rng=0)
        assert found.value == pytest.approx(base.value * scale, rel=1e-9)
        assert found.standard_error == pytest.approx(base.standard_error * scale, rel=1e-9)
        assert found.interval.upper == pytest.approx(base.interval.upper * scale, rel=1e-9)


def test_parzen_is_the_score_of_its_window(samples) -> None:
    x, y = samples
    weights = np.linspace(1.0, 2.0, len(x))
    for options in ({"bandwidth": 0.5}, {"grid": [0.2, 0.5, 1.0, 2.0, 8.0]}, {}):
        found = estimate("parzen_log_likelihood", x, y, x_weights=weights, confidence=0.9, **options)
        window = Parzen(y, 0.5) if "bandwidth" in options else Parzen.fit(y, **options)
        score = window.score(x, x_weights=weights)
        assert found.value == pytest.approx(score.value, rel=1e-12)
        value = dv.parzen_log_likelihood(x, y, x_weights=weights, **options)
        assert found.value == pytest.approx(float(value), rel=1e-9)
        assert found.standard_error == pytest.approx(score.standard_error)
        assert found.interval.upper == pytest.approx(score.value + 1.6448536 * score.standard_error)
    one = estimate("parzen_log_likelihood", x[:1], y, bandwidth=0.5)
    assert one.interval is None
    assert one.standard_error is None


def test_every_other_row_says_why_it_has_none(samples) -> None:
    x, y = samples
    names = (
        "wasserstein(p=2)",
        "max_sliced_wasserstein",
        "sinkhorn_divergence",
        "kl",
        "js(estimator='parzen')",
    )
    said = set()
    for name in names:
        found = estimate(name, x, y, rng=1)
        assert found.interval is None
        assert found.notes[0].startswith("no interval: ")
        said.add(found.notes[0])
    assert len(said) == len(names)
    for weighted in ("energy", "frechet"):
        found = estimate(weighted, x, y, x_weights=np.arange(1.0, len(x) + 1), rng=0)
        assert (found.interval, found.standard_error) == (None, None)
        assert "unequal weight" in found.notes[0]
        assert found.null_floor is not None
    assert estimate("energy", x[:3], y).interval is None
    assert estimate("energy", x, y).value == float(dv.energy(x, y))
    seeded = estimate(dv.max_sliced_wasserstein, x, y, rng=1)
    assert (seeded.value, seeded.seed) == (float(dv.max_sliced_wasserstein(x, y, rng=1)), 1)
    assert estimate("energy", x, y, rng=1).seed == 1


def test_every_method_has_a_row_and_tensors_do(samples) -> None:
    assert {row.interval for row in METRICS.values()} >= set(METHODS)
    x, y = (torch.tensor(v, requires_grad=True) for v in samples)
    for name in ("sliced_wasserstein", "parzen_log_likelihood(bandwidth=0.5)", "energy"):
        assert type(estimate(name, x, y).value) is float


def test_no_seed_is_told_afterwards(samples) -> None:
    x, y = samples
    found = estimate("sliced_wasserstein", x, y)
    assert estimate("sliced_wasserstein", x, y, rng=found.seed) == found
    drawn = estimate("sliced_wasserstein", x, y, rng=np.random.default_rng(4))
    assert drawn.seed is None
    assert drawn.value == pytest.approx(float(dv.sliced_wasserstein(x, y, rng=4)))


@pytest.mark.parametrize(
    ("metric", "options", "message"),
    [
        ("pmf.kl", {}, "must take samples"),
        ("precision_recall", {}, "must have one value"),
        ("energy", {"confidence": 1.0}, "confidence must be below 1"),
        ("energy", {"halvings": -1}, "halvings must be at least 0"),
        ("energy", {"confidence": 0.0}, "confidence must be finite and above 0"),
        ("energy", {"bandwidth": 1.0}, "no option 'bandwidth'"),
        ("enrgy", {}, "did you mean 'energy'"),
        (np.mean, {}, "row of METRICS"),
        ("parzen_log_likelihood", {"bandwidth": 1.0, "grid": [1.0]}, "not both"),
    ],
)
def test_refusals(samples, metric, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        estimate(metric, *samples, **options)


def test_warnings_travel_with_the_estimate(rng) -> None:
    x, y = rng.normal(size=(2, 30, 40))
    with pytest.warns(dv.DivergenceWarning, match="singular") as caught:
        found = estimate("frechet", x, y, halvings=0)
    assert len(caught) == 1
    assert found.warnings == (str(caught[0].message),)
    assert caught[0].filename == __file__
    assert dv.Estimate.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert found.interval is None
    assert "30 rows for 40 features" in found.notes[0]


def test_few_rows_for_their_features_are_told(rng) -> None:
    few, enough = (estimate("frechet", *rng.normal(size=(2, n, 10)), halvings=0, rng=0) for n in (15, 30))
    assert any("two rows for each feature" in note for note in few.notes)
    assert not any("two rows for each feature" in note for note in enough.notes)


def test_a_combined_test_prints_its_least_component(rng) -> None:
    x, y = rng.normal(size=(2, 30, 2))
    found = dv.two_sample_test(["energy", "squared_mmd"], x, y + 1.0, permutations=99, rng=0)
    assert str(found).startswith("p = 0.01 by 2 statistics (99 random permutations); least by ")
