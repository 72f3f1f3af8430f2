"""The strategies draw what they promise, and ``law_test`` fails where it should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import divergences as dv
from divergences import pmf, testing
from divergences.testing import law_test

few = settings(max_examples=60)


@few
@given(pair=testing.pmf_pairs())
def test_pmf_pairs_sum_to_one(pair):
    for p in pair:
        assert p.sum() == pytest.approx(1.0, abs=1e-12)
        assert (p >= 0).all()
    assert pair[0].shape == pair[1].shape
    pmf.kl(*pair)


@few
@given(kernel=testing.markov_kernels(4, 3))
def test_markov_kernels_are_stochastic(kernel):
    assert kernel.shape == (4, 3)
    assert np.allclose(kernel.sum(axis=1), 1)


@few
@given(data=st.data())
def test_couplings_have_their_marginals(data):
    p, q = data.draw(testing.pmfs(4)), data.draw(testing.pmfs(3))
    plan = data.draw(testing.couplings(p, q))
    assert (plan >= -1e-15).all()
    assert np.allclose(plan.sum(axis=1), p, atol=1e-12)
    assert np.allclose(plan.sum(axis=0), q, atol=1e-12)
    if len(p) == len(q):
        assert 1 - np.trace(plan) >= pmf.tv(p, q) - 1e-12


@few
@given(pair=testing.sample_pairs(min_rows=2), data=st.data())
def test_samples_weights_and_lipschitz_functions(pair, data):
    x, y = pair
    assert x.shape[1] == y.shape[1]
    assert min(len(x), len(y)) >= 2
    assert np.array_equal(x, x.astype(np.float32))  # exact in both precisions
    f = data.draw(testing.lipschitz_functions(x.shape[1]))
    a = data.draw(testing.weights(len(x)))
    assert a.sum() > 0
    gap = abs(np.average(f(x), weights=a) - f(y).mean())
    assert gap <= dv.wasserstein(x, y, x_weights=a) * (1 + 1e-9) + 1e-9


@few
@given(x=testing.gaussians(2), y=testing.gaussians(2))
def test_gaussians_are_taken(x, y):
    assert dv.gaussian.frechet(*x, *y) >= 0


@few
@given(f=testing.fdivergences(), pair=testing.pmf_pairs())
def test_fdivergences_are_divergences(f, pair):
    p, q = pair
    assert pmf.f_divergence(p, q, f) >= 0
    assert pmf.f_divergence(p, p, f) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("strategy", "wanted"),
    [
        (testing.pmfs(4), lambda p: (p == 0).any()),
        (testing.pmfs(4), lambda p: 0 < p[p > 0].min() < 1e-200),
        (testing.pmf_pairs(), lambda pair: not ((pair[0] > 0) & (pair[1] > 0)).any()),
        (testing.pmf_pairs(), lambda pair: 0 < abs(pair[0] - pair[1]).max() < 1e-9),
        (testing.samples(2), lambda x: len(np.unique(x, axis=0)) < len(x)),
        (testing.samples(2), lambda x: x.min() > 500),
        (testing.sample_pairs(), lambda pair: len(pair[0]) != len(pair[1])),
        (testing.gaussians(3), lambda g: np.linalg.matrix_rank(g[1]) == 1),
    ],
)
def test_the_hard_cases_are_among_them(strategy, wanted):
    from hypothesis import find

    find(strategy, wanted, settings=settings(max_examples=2000, database=None, derandomize=True))


# what a user's own test file looks like
test_total_variation = law_test(pmf.tv, claims={"tv", "batched"}, on="pmf", examples=10)
test_energy = law_test(dv.METRICS["cramer"], examples=5)
test_precision_and_recall = law_test(
    dv.METRICS["precision_recall"], laws=["identical sets give one"], examples=5
)


def test_a_violation_fails_with_a_shrunk_example():
    broken = law_test(lambda p, q: np.abs(p - q).sum(), claims={"tv"}, on="pmf", examples=30)
    with pytest.raises(AssertionError, match=r"breaks the law 'pmf.tv is at most one': TV ≤ 1") as caught:
        broken("pmf.tv is at most one")
    assert "p = np.array([" in str(caught.value)


def test_a_law_that_tested_nothing_fails():
    from divergences.laws import Law

    never = Law("pmf.never met", "nothing", "nobody", "pmf", ("metric",), lambda d, p: None)
    test = law_test(pmf.tv, claims={"metric"}, on="pmf", laws=[never], examples=5)
    with pytest.raises(AssertionError, match="tested nothing"):
        test("pmf.never met")


def test_what_a_function_lacks_is_skipped():
    test = law_test(lambda x, y: 0.0, claims={"plug-in"}, on="samples", laws=["weight zero"], examples=5)
    with pytest.raises(pytest.skip.Exception, match="needs weights"):
        test("weight zero")
