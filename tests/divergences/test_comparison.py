"""Comparison of models: covariances by simulation, ladders in order, equals called equal."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import divergences as dv
from divergences import compare_models, estimate
from divergences.inference import Comparison
from divergences.inference.comparison import _covariance
from divergences.inference.influence import influence
from divergences.registry import parse


def models_of(generator, n, shifts, d=2):
    return {f"m{k}": shift + generator.normal(size=(n, d)) for k, shift in enumerate(shifts)}


@pytest.mark.parametrize("metric", ["energy", "squared_mmd(bandwidth=1.0)", "frechet", "wasserstein"])
def test_the_covariance_of_models_is_that_of_repeats(metric) -> None:
    """Two models by the same reference, over 200 fresh samples of everything."""
    generator, row = np.random.default_rng(0), parse(metric)
    d = 1 if metric == "wasserstein" else 2
    values, told = [], []
    for seed in range(200):
        x = generator.normal(size=(40, d))
        models = [0.8 + generator.normal(size=(40, d)), 0.6 + 1.3 * generator.normal(size=(30, d))]
        found = influence(row, x, models, 10, seed)
        values.append(found.values)
        told.append(_covariance([found], 2)[0])
    real, mean = np.cov(np.array(values).T), np.mean(told, axis=0)
    for i, j in ((0, 0), (1, 1), (0, 1)):
        assert mean[i, j] == pytest.approx(real[i, j], rel=0.35), (i, j)
    assert real[0, 1] > 0.1 * real[0, 0]  # they do share the reference
    gap, of_gap = real[0, 0] + real[1, 1] - 2 * real[0, 1], mean[0, 0] + mean[1, 1] - 2 * mean[0, 1]
    assert of_gap == pytest.approx(gap, rel=0.3)


def test_values_are_those_of_the_metric(rng) -> None:
    x, models = rng.normal(size=(30, 2)), models_of(rng, 25, [0.0, 1.0])
    found = compare_models(["energy", "frechet", "sliced_wasserstein(rng=2)", "kid"], x, models, rng=0)
    for each in found.standings:
        row, y = parse(each.metric), models[each.model]
        assert each.estimate.value == pytest.approx(float(row(x, y)), rel=1e-9)
    assert found.standings[0].estimate.extrapolated == pytest.approx(
        estimate("energy", x, models["m0"], halvings=0).extrapolated
    )
    one = found.difference("m0", "m1", "energy")
    values = [each.estimate.extrapolated for each in found.standings if each.metric == "energy"]
    assert one.value == pytest.approx(values[0] - values[1])
    assert one.value in one.interval


def test_intervals_hold_for_all_pairs_together() -> None:
    """Four models, two of them equally far: every true difference in its interval in 90 % of 200 repeats."""
    generator = np.random.default_rng(3)
    shifts = [0.5, 0.5, 1.0, 1.5]
    truth = {f"m{k}": squared_mmd_of_shift(shift) for k, shift in enumerate(shifts)}
    held = 0
    for _ in range(200):
        x, models = generator.normal(size=(60, 1)), models_of(generator, 60, shifts, d=1)
        found = compare_models("squared_mmd(bandwidth=1.0)", x, models, confidence=0.9, rng=0)
        held += all(truth[e.first] - truth[e.second] in e.interval for e in found.differences)
    assert 180 - 4 * 4.3 < held < 180 + 4 * 4.3


def squared_mmd_of_shift(shift: float) -> float:
    return 2.0 / math.sqrt(3.0) * (1.0 - math.exp(-(shift**2) / 6.0))


@pytest.mark.parametrize("metric", ["energy", "frechet"])
def test_equal_models_are_called_equal(metric) -> None:
    generator, equal = np.random.default_rng(1), 0
    for _ in range(100):
        x, models = generator.normal(size=(50, 2)), models_of(generator, 50, [0.0, 0.0])
        equal += set(compare_models(metric, x, models, groups=10, rng=0).ranks().values()) == {1}
    assert equal >= 90


def test_a_ladder_of_noise_is_put_in_order(rng) -> None:
    z = rng.normal(size=(5, 300, 3))
    models = {
        f"noise {s}": z[k + 1] + s * rng.normal(size=(300, 3)) for k, s in enumerate([0.0, 1.0, 2.0, 4.0])
    }
    for metric in ("energy", "squared_mmd", "frechet"):
        found = compare_models(metric, z[0], models, groups=10, rng=0)
        assert list(found.ranks().values()) == [1, 2, 3, 4]
        assert str(found).startswith(f"{metric}: noise 0.0 < noise 1.0 < noise 2.0 < noise 4.0")
        assert all(each.closer == each.first and each.p_value < 0.05 for each in found.differences)


def test_higher_is_closer_for_some(rng) -> None:
    x, models = rng.normal(size=(80, 1)), models_of(rng, 80, [0.0, 3.0], d=1)
    found = compare_models("parzen_log_likelihood(bandwidth=0.5)", x, models, groups=8, rng=0)
    assert found.ranks() == {"m0": 1, "m1": 2}
    assert found.difference("m0", "m1").value > 0
    assert found.difference("m0", "m1").closer == "m0"
    assert str(found).splitlines()[0].endswith("m0 < m1")


def test_records(rng) -> None:
    x, models = rng.normal(size=(30, 2)), models_of(rng, 30, [0.0, 0.0, 2.0])
    found = compare_models(["energy", "squared_mmd"], x, models)
    assert Comparison.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert compare_models(["energy", "squared_mmd"], x, models, rng=found.seed) == found
    assert "median distance in x and all models" in found.notes[0]
    assert found.metrics[0] == "energy"
    turned, straight = found.difference("m2", "m0"), found.difference("m0", "m2")
    assert turned.value == -straight.value
    assert turned.interval.lower == -straight.interval.upper
    assert str(found).splitlines()[-1] == f"note: {found.notes[0]}"
    sliced = str(compare_models("sliced_wasserstein", x, models, rng=0))
    assert sliced.count("note: sliced_wasserstein: no interval: ") == 1  # of three models, said once
    assert "m0 = m1 < m2" in str(found) or "m1 = m0 < m2" in str(found)
    with pytest.raises(KeyError, match="no such metric"):
        found.ranks("kid")
    with pytest.raises(KeyError, match="were not compared"):
        found.difference("m0", "m9")
    tensors = {name: torch.tensor(y) for name, y in models.items()}
    assert compare_models(dv.energy, torch.tensor(x), tensors, rng=0).ranks()["m2"] == 3
    same = compare_models("energy", x, {"a": models["m0"], "b": models["m0"]}, rng=0)
    assert same.differences[0].value == 0.0
    assert same.differences[0].closer is None


@pytest.mark.parametrize(
    ("metric", "models", "options", "error", "message"),
    [
        ("energy", {"a": [[0.0]] * 5}, {}, ValueError, "at least two"),
        ("energy", [[0.0]], {}, TypeError, "must map names"),
        ("energy", {"a": [[0.0]] * 5, "b": [[1.0]] * 3}, {}, ValueError, "models\\['b'\\]"),
        ("energy", {"a": [[0.0]] * 5, "b": [[1.0, 2.0]] * 5}, {}, ValueError, "same number of features"),
        ([], {"a": [[0.0]] * 5, "b": [[1.0]] * 5}, {}, ValueError, "at least one metric"),
        ("energy", {"a": [[0.0]] * 5, "b": [[1.0]] * 5}, {"confidence": 1.0}, ValueError, "below 1"),
        ("energy", {"a": [[0.0]] * 5, "b": [[1.0]] * 5}, {"groups": 2}, ValueError, "groups must be"),
        ("energy", {"a": [[0.0]] * 5, "b": [[1.0]] * 5}, {"x_weights": [1.0]}, ValueError, "without weights"),
        ("precision_recall(k=1)", {"a": [[0.0]] * 5, "b": [[1.0]] * 5}, {}, ValueError, "one value"),
    ],
)  # fmt: skip
def test_refusals(metric, models, options, error, message) -> None:
    with pytest.raises(error, match=message):
        compare_models(metric, np.arange(6.0)[:, None], models, **options)


@pytest.mark.parametrize("metric", ["energy", "squared_mmd(bandwidth=1.0)", "kid", "wasserstein"])
def test_a_models_own_interval_is_that_of_estimate(metric, rng) -> None:
    z = rng.normal(size=(3, 60, 1))
    found = compare_models(metric, z[0], {"same": z[1], "far": z[2] + 1.0}, rng=0)
    for each, y in zip(found.standings, (z[1], z[2] + 1.0), strict=True):
        assert each.estimate.interval == estimate(metric, z[0], y, halvings=0, rng=0).interval


def test_a_models_own_interval_holds_the_frechet_distance(rng) -> None:
    z = rng.normal(size=(3, 200, 4))
    found = compare_models("frechet", z[0], {"same": z[1], "far": z[2] + 1.0}, rng=0)
    same, far = (each.estimate.interval for each in found.standings)
    assert same.lower == 0.0
    assert 0.0 < same.upper < 0.3
    assert 4.0 in far
    assert far.upper - far.lower < 2.0


@pytest.mark.parametrize(
    ("metric", "d"), [("js", 2), ("wasserstein", 3), ("sliced_wasserstein", 3), ("frechet", 70)]
)
def test_no_interval_where_estimate_has_none_of_drawing_rows(metric, d, rng) -> None:
    z = rng.normal(size=(3, 60, d))
    if metric == "frechet":
        with pytest.warns(dv.DivergenceWarning, match="singular"):
            found = compare_models(metric, z[0], {"a": z[1], "b": z[2]}, rng=0)
    else:
        found = compare_models(metric, z[0], {"a": z[1], "b": z[2]}, rng=0)
    assert all(each.estimate.interval is None for each in found.standings)
    assert all("no interval" in each.estimate.notes[-1] for each in found.standings)
    assert Comparison.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert "<img" in found.html()
