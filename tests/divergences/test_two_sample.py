"""Permutation tests: the fast routes against the metric itself, all relabellings, levels, groups."""

from __future__ import annotations

import itertools
import json
import math

import joblib
import numpy as np
import pytest
import scipy.stats
import sklearn
import torch

import divergences as dv
from divergences import TestResult, two_sample_test
from divergences._inputs import check_pair
from divergences.inference.splits import check_groups, draw_splits
from divergences.inference.statistics import Pooled, split_statistics
from divergences.registry import parse

PAIR_SPECS = [
    "energy",
    "cramer",
    "kid",
    "squared_mmd",
    "squared_mmd(estimator='biased')",
    "squared_mmd(kernel='laplace', bandwidth=0.7)",
    "squared_mmd(kernel='rational_quadratic', bandwidth=[0.5, 2.0])",
    "squared_mmd(kernel='polynomial', estimator='biased')",
    "squared_mmd(kernel='linear')",
]


def by_hand(spec, z, chosen):
    row = parse(spec)
    return np.array([float(row(z[u.astype(bool)], z[~u.astype(bool)])) for u in chosen])


@pytest.mark.parametrize("d", [1, 3, 20])
def test_the_statistics_of_relabellings_are_those_of_the_metric(rng, d) -> None:
    """One visit for all metrics and relabellings, against a call of the metric for each."""
    x, y = 5.0 + rng.normal(size=(13, d)), 5.3 + 2.0 * rng.normal(size=(9, d))
    specs = [*PAIR_SPECS, "wasserstein", "sliced_wasserstein(rng=3)"]
    chosen = draw_splits(13, 9, 40, None, rng).chosen
    pooled = Pooled.of(check_pair(x, y), x, y)
    found, sizes = split_statistics([parse(spec) for spec in specs], pooled, chosen, seed=0)
    z = np.concatenate([x, y])
    for spec, values, size in zip(specs, found, sizes, strict=True):
        np.testing.assert_allclose(values, by_hand(spec, z, chosen), rtol=0, atol=1e-12 * size, err_msg=spec)
    assert found[0, 0] == pytest.approx(float(dv.energy(x, y)), rel=1e-12)


def test_tiles_and_workers_change_nothing(rng) -> None:
    x, y = rng.normal(size=(70, 4)), rng.normal(size=(50, 4))
    specs = ["energy", "squared_mmd(kernel='polynomial')", "squared_mmd(bandwidth=[0.3, 1.0])", "wasserstein"]
    rows = [parse(spec) for spec in specs]
    chosen = draw_splits(70, 50, 35, None, rng).chosen
    pooled = Pooled.of(check_pair(x, y), x, y)
    whole, _ = split_statistics(rows, pooled, chosen, seed=0)
    with sklearn.config_context(working_memory=0.01):  # tiles of 18 rows
        tiled, _ = split_statistics(rows, pooled, chosen, seed=0)
    with joblib.parallel_config(n_jobs=2, backend="threading"):
        shared, _ = split_statistics(rows, pooled, chosen, seed=0)
    np.testing.assert_allclose(tiled, whole, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(shared, whole, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("spec", ["energy", "squared_mmd(bandwidth=1.0)", "wasserstein(p=2)"])
@pytest.mark.parametrize("d", [1, 2])
def test_all_relabellings_where_they_are_few(rng, spec, d) -> None:
    x, y = rng.normal(size=(4, d)), 1.0 + rng.normal(size=(3, d))
    z, row = np.concatenate([x, y]), parse(spec)
    every = []
    for inside in itertools.combinations(range(7), 4):
        outside = [i for i in range(7) if i not in inside]
        every.append(float(row(z[list(inside)], z[outside])))
    observed = float(row(x, y))
    found = two_sample_test(spec, x, y)
    assert found.method == "all 35 relabellings"
    assert found.permutations == 34
    assert found.p_value == pytest.approx(np.mean(np.array(every) >= observed - 1e-12))
    assert found.null_mean == pytest.approx(np.mean(every))
    assert found.null_standard_deviation == pytest.approx(np.std(every))
    drawn = two_sample_test(spec, x, y, permutations=20, rng=0)
    assert drawn.method == "20 random permutations"


def test_p_counts_ties_and_is_never_0() -> None:
    far = two_sample_test("energy", np.zeros((30, 2)), np.ones((30, 2)), permutations=99, rng=0)
    assert far.p_value == 1 / 100
    same = two_sample_test("energy", np.ones((30, 2)), np.ones((30, 2)), permutations=99, rng=0)
    assert same.p_value == 1.0
    coins = np.array([0.0, 1.0] * 10)  # the statistic depends on the number of ones in x alone
    for spec in ("energy", "squared_mmd(bandwidth=1.0)", "wasserstein"):
        found = two_sample_test(spec, coins, coins, permutations=99, rng=0)
        assert found.p_value == 1.0, spec


def test_every_relabelling_is_as_likely() -> None:
    """Splits of 2 + 3 rows: ten, each a tenth of the draws; the first is the observed one."""
    splits = draw_splits(2, 3, 8, None, np.random.default_rng(0))
    assert not splits.exhaustive
    assert splits.chosen[0].tolist() == [1, 1, 0, 0, 0]
    generator = np.random.default_rng(0)
    draws = np.concatenate([draw_splits(2, 3, 8, None, generator).chosen[1:] for _ in range(1000)])
    assert (draws.sum(axis=1) == 2).all()
    _, counts = np.unique(draws @ (1 << np.arange(5)), return_counts=True)
    assert len(counts) == 10
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_groups_are_permuted_within() -> None:
    labels = np.array(["a", "b", "b", "c"]), np.array(["b", "a", "a", "b", "c"])
    groups = check_groups(labels, 4, 5)
    observed = np.repeat([1, 0], [4, 5])
    every = draw_splits(4, 5, 10_000, groups, np.random.default_rng(0))
    assert every.exhaustive
    assert len(every.chosen) == math.comb(3, 1) * math.comb(4, 2) * math.comb(2, 1)
    assert len(np.unique(every.chosen, axis=0)) == len(every.chosen)
    drawn = draw_splits(4, 5, 30, groups, np.random.default_rng(0))
    for splits in (every, drawn):
        assert (splits.chosen[0] == observed).all()
        for group in range(3):
            inside = splits.chosen[:, groups == group].sum(axis=1)
            assert (inside == observed[groups == group].sum()).all()
    assert len(np.unique(drawn.chosen, axis=0)) > 15


def test_pairs_are_swapped() -> None:
    """x and y share a large effect of the subject, which only a paired test sees past."""
    generator = np.random.default_rng(1)
    subject = generator.normal(size=(40, 1)) * 30.0
    x, y = subject + generator.normal(size=(40, 1)), subject + 1.5 + generator.normal(size=(40, 1))
    assert two_sample_test("energy", x, y, rng=0).p_value > 0.3
    found = two_sample_test("energy", x, y, groups="paired", rng=0)
    assert found.p_value < 0.01
    few = two_sample_test("energy", x[:5], y[:5], groups="paired")
    assert few.method == "all 32 relabellings"
    z = np.stack([x[:5], y[:5]])
    every = []
    for swaps in itertools.product([0, 1], repeat=5):
        mine, other = z[swaps, range(5)], z[1 - np.array(swaps), range(5)]
        every.append(float(dv.energy(mine, other)))
    assert few.p_value == pytest.approx(np.mean(np.array(every) >= every[0] - 1e-12))


@pytest.mark.parametrize("combine", ["min_p", "harmonic", "max"])
def test_combinations_are_of_the_same_relabellings(rng, combine) -> None:
    """By hand, from all relabellings of 4 + 4 rows."""
    x, y = rng.normal(size=(4, 2)), 0.7 + rng.normal(size=(4, 2))
    specs = ["energy", "squared_mmd(bandwidth=0.3)", "frechet"]
    found = two_sample_test(specs, x, y, combine=combine)
    splits = draw_splits(4, 4, 99, None, rng)
    z = np.concatenate([x, y])
    values = np.array([by_hand(spec, z, splits.chosen) for spec in specs])
    p_values = np.array([[np.mean(v >= each - 1e-9) for each in v] for v in values])
    scores = {
        "min_p": 1.0 / p_values,
        "harmonic": 1.0 / p_values,
        "max": (values - values.mean(1)[:, None]) / values.std(1)[:, None],
    }[combine]
    joint = scores.mean(axis=0) if combine == "harmonic" else scores.max(axis=0)
    assert found.statistic == pytest.approx(joint[0], rel=1e-5)
    order = joint + 1e-6 * scores.mean(axis=0) if combine == "min_p" else joint  # ties by the harmonic mean
    assert found.p_value == pytest.approx(np.mean(order >= order[0] - 1e-10))
    assert [part.metric for part in found.components] == specs
    for part, own, score in zip(found.components, p_values, scores, strict=True):
        assert part.p_value == pytest.approx(own[0])
        if combine == "harmonic":
            assert part.adjusted_p_value is None
        else:
            assert part.adjusted_p_value == pytest.approx(np.mean(joint >= score[0] - 1e-9))
            assert part.adjusted_p_value >= part.p_value - 1e-12
    assert TestResult.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_bandwidths_make_components(rng) -> None:
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    found = two_sample_test("squared_mmd(kernel='laplace')", x, y, bandwidths=5, permutations=50, rng=0)
    widths = [parse(part.metric).options["bandwidth"] for part in found.components]
    distances = scipy.spatial.distance.pdist(np.concatenate([x, y]))
    low, high = np.quantile(distances, [0.05, 0.95])
    np.testing.assert_allclose(widths, np.geomspace(low / 2, 2 * high, 5), rtol=1e-9)
    # the published kernels are functions of r/λ: exp(−r²/λ²) is the Gaussian of σ = λ/√2
    gaussian = two_sample_test("squared_mmd", x, y, bandwidths=5, permutations=50, rng=0)
    sigmas = [parse(part.metric).options["bandwidth"] for part in gaussian.components]
    np.testing.assert_allclose(sigmas, np.array(widths) / 2**0.5, rtol=1e-9)
    given = two_sample_test("squared_mmd", x, y, bandwidths=[0.5, 2.0], permutations=50, rng=0)
    alone = two_sample_test("squared_mmd(bandwidth=0.5)", x, y, permutations=50, rng=0)
    assert given.components[0].p_value == alone.p_value
    assert given.components[0].statistic == pytest.approx(alone.statistic, rel=1e-12)
    assert given.components[0].statistic == pytest.approx(
        float(dv.squared_mmd(x, y, bandwidth=0.5)), rel=1e-9
    )


@pytest.mark.parametrize(
    ("spec", "options"),
    [("energy", {}), ("squared_mmd", {"bandwidths": 4}), ("frechet", {}), (["energy", "kid"], {})],
)
def test_the_level_is_kept(spec, options) -> None:
    """Under P = Q p ≤ 0.1 in a tenth of 300 samples: within 4 standard deviations."""
    generator = np.random.default_rng(0)
    low = 0
    for _ in range(300):
        z = generator.standard_t(2, size=(24, 2))
        low += two_sample_test(spec, z[:10], z[10:], permutations=19, rng=generator, **options).p_value <= 0.1
    assert 30 - 4 * 5.2 < low < 30 + 4 * 5.2


def test_higher_is_nearer_for_some_metrics(rng) -> None:
    x = rng.normal(size=(40, 1))
    far = two_sample_test("parzen_log_likelihood(bandwidth=0.5)", x, x + 3.0, permutations=39, rng=0)
    assert far.p_value == 1 / 40
    assert far.statistic < far.null_mean


def test_repeats_and_libraries(rng) -> None:
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(15, 2))
    found = two_sample_test("sliced_wasserstein", x, y, permutations=30)
    assert two_sample_test("sliced_wasserstein", x, y, permutations=30, rng=found.seed) == found
    tensors = two_sample_test(
        dv.sliced_wasserstein,
        torch.tensor(x, requires_grad=True),
        torch.tensor(y),
        permutations=30,
        rng=found.seed,
    )
    assert tensors.p_value == found.p_value
    assert type(tensors.statistic) is float
    whole = two_sample_test("energy", np.round(9 * x).astype(int), np.round(9 * y).astype(int), rng=1)
    assert (
        whole.p_value
        == two_sample_test("energy", np.round(9 * x) + 1e8, np.round(9 * y) + 1e8, rng=1).p_value
    )


def test_tests_that_need_no_permutations(rng) -> None:
    x, y = rng.normal(size=60), rng.normal(size=50) + 0.8
    smirnov = two_sample_test("kolmogorov_smirnov", x, y)
    assert smirnov.p_value == pytest.approx(scipy.stats.ks_2samp(x, y).pvalue)
    assert smirnov.method == "Kolmogorov–Smirnov"
    assert two_sample_test("kolmogorov_smirnov", np.zeros(20_000), np.ones(20_000)).p_value > 0.0
    classified = two_sample_test("classifier_two_sample", x, y, rng=5)
    assert classified.p_value == dv.classifier_two_sample(x, y, rng=5).p_value
    assert classified.seed == 5
    for found in (smirnov, classified):
        assert found.permutations is None
    # the null spread of the largest gap: that of simulated ones
    gaps = [scipy.stats.ks_2samp(*rng.random((2, 400))).statistic for _ in range(300)]
    null = two_sample_test("kolmogorov_smirnov", rng.random(400), rng.random(400))
    assert np.mean(gaps) == pytest.approx(null.null_mean, rel=0.1)
    assert np.std(gaps) == pytest.approx(null.null_standard_deviation, rel=0.15)


@pytest.mark.parametrize(
    ("metric", "options", "error", "message"),
    [
        ("energy", {"permutations": 0}, ValueError, "permutations must be at least 1"),
        ("energy", {"x_weights": [1.0] * 6}, ValueError, "not exchangeable"),
        ("energy", {"groups": "pairs"}, ValueError, "groups must be 'paired'"),
        ("energy", {"groups": "paired"}, ValueError, "as many rows; got 6 and 5"),
        ("energy", {"groups": ([0] * 6, [0] * 4)}, ValueError, "each row of y"),
        ("energy", {"groups": ([0] * 6, [1] * 5)}, ValueError, "leave nothing to permute"),
        ("energy", {"groups": ([0.0] * 6, [math.nan] * 5)}, ValueError, "finite labels"),
        ("energy", {"groups": 3}, TypeError, "two arrays"),
        ("energy", {"bandwidths": 3}, ValueError, "bandwidths are for squared_mmd"),
        ("squared_mmd(bandwidth=1.0)", {"bandwidths": 3}, ValueError, "not both"),
        ("squared_mmd", {"bandwidths": []}, ValueError, "non-empty"),
        ("squared_mmd", {"bandwidths": [0.0]}, ValueError, "bandwidths must be finite and above 0"),
        (["energy", "kid"], {"combine": "mean"}, ValueError, "combine must be one of"),
        ([], {}, ValueError, "at least one"),
        ("precision_recall(k=2)", {}, ValueError, "must have one value"),
        ("pmf.kl", {}, ValueError, "must take samples"),
        (np.mean, {}, ValueError, "row of METRICS"),
        ("kolmogorov_smirnov", {}, ValueError, "one dimension"),
        ("kolmogorov_smirnov", {"p": 1}, ValueError, "takes no options"),
        (["classifier_two_sample", "energy"], {}, ValueError, "call it alone"),
    ],
)  # fmt: skip
def test_refusals(metric, options, error, message) -> None:
    x, y = np.arange(12.0).reshape(6, 2), 20.0 + np.arange(10.0).reshape(5, 2)
    with pytest.raises(error, match=message):
        two_sample_test(metric, x, y, **options)


def test_infinite_statistics() -> None:
    """KL of disjoint supports is the largest statistic; its distance in standard deviations is none."""
    x, y = np.arange(20.0), 100.0 + np.arange(20.0)
    specs = ["kl(estimator='histogram', bins=2)", "energy"]
    found = two_sample_test(specs[0], x, y, permutations=99, rng=0)
    assert (found.statistic, found.p_value) == (math.inf, 0.01)
    assert two_sample_test(specs, x, y, permutations=99, rng=0).p_value == 0.01
    with pytest.raises(ValueError, match="some are infinite. Use combine='min_p'"):
        two_sample_test(specs, x, y, combine="max", permutations=99, rng=0)
