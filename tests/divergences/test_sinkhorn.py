"""Sinkhorn divergence: both limits, closed forms, the convex programme itself, and its gradient."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import sklearn
import torch

import divergences as dv
from divergences.sinkhorn import sinkhorn_divergence


@pytest.fixture
def clouds(rng):
    x, y = rng.normal(size=(12, 2)), 0.7 * rng.normal(size=(9, 2)) + 0.5
    return x, y, rng.random(12) + 0.1, rng.random(9) + 0.1


def entropic_cost(x, y, a, b, epsilon, p):
    """OT_ε from its definition: plain Sinkhorn in probability space, run until its marginals hold."""
    cost = np.linalg.norm(x[:, None] - y[None], axis=-1) ** p
    kernel, v = np.exp(-cost / epsilon) * a[:, None] * b[None, :], np.ones(len(b))
    missed = math.inf
    while missed > 1e-13:
        for _ in range(1000):
            u = a / (kernel @ v)
            v = b / (u @ kernel)
        missed = np.abs(u * (kernel @ v) - a).sum()
    plan = u[:, None] * kernel * v[None, :]
    return float(np.sum(plan * cost) + epsilon * np.sum(plan * np.log(plan / np.outer(a, b))))


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("epsilon", [0.3, 2.0])
def test_it_is_the_debiased_entropic_cost(clouds, p, epsilon):
    x, y, wa, wb = clouds
    a, b = wa / wa.sum(), wb / wb.sum()
    expected = entropic_cost(x, y, a, b, epsilon, p)
    expected -= 0.5 * entropic_cost(x, x, a, a, epsilon, p) + 0.5 * entropic_cost(y, y, b, b, epsilon, p)
    value = sinkhorn_divergence(x, y, p=p, epsilon=epsilon, tolerance=1e-11, x_weights=wa, y_weights=wb)
    assert value == pytest.approx(expected, abs=1e-9)


def test_a_shift_costs_its_square(clouds):
    x = clouds[0]
    for epsilon in (0.1, 1.0, 10.0):
        assert sinkhorn_divergence(x, x + 1.0, epsilon=epsilon) == pytest.approx(2.0, abs=1e-5)


def test_small_epsilon_is_transport_and_large_is_energy(clouds):
    x, y, *_ = clouds
    exact = dv.wasserstein(x, y, p=2) ** 2
    assert sinkhorn_divergence(x, y, epsilon=0.01, max_iterations=50_000) == pytest.approx(exact, rel=0.02)
    half = dv.energy(x, y) / 2
    assert sinkhorn_divergence(x, y, p=1, epsilon=1e5) == pytest.approx(half, rel=1e-4)
    means = float(np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2))
    assert sinkhorn_divergence(x, y, p=2, epsilon=1e6) == pytest.approx(means, rel=1e-4)


def test_two_points_by_hand():
    # OT_ε between {0, 1} and itself moves 1/(1 + e^{1/ε}) of the mass (LAWS 68)
    epsilon = 0.5
    moved = 1.0 / (1.0 + math.exp(1.0 / epsilon))
    points, half = np.array([[0.0], [1.0]]), np.array([0.5, 0.5])
    stay = 1.0 - moved
    self_cost = moved + epsilon * (moved * math.log(2 * moved) + stay * math.log(2 * stay))
    assert entropic_cost(points, points, half, half, epsilon, 2) == pytest.approx(self_cost, abs=1e-12)
    value = sinkhorn_divergence(points, points + 3.0, epsilon=epsilon, tolerance=1e-12)
    assert value == pytest.approx(9.0, abs=1e-9)


def test_never_negative_and_exactly_zero_on_itself(clouds):
    x = clouds[0]
    assert sinkhorn_divergence(x, x, epsilon=0.05) == 0.0
    assert 0.0 <= sinkhorn_divergence(x, x[::-1], epsilon=0.5) < 1e-6
    assert 0.0 <= sinkhorn_divergence(x, x + 1e-9, epsilon=0.5) < 1e-9


def test_relaxed_marginals_leave_an_outlier_alone(rng):
    x = rng.normal(size=(20, 2))
    y = np.concatenate([x[:-1], [[100.0, 0.0]]])
    balanced = sinkhorn_divergence(x, y, epsilon=1.0)
    relaxed = sinkhorn_divergence(x, y, epsilon=1.0, unbalanced=5.0)
    assert balanced > 400
    assert 0 < relaxed < 1
    almost = sinkhorn_divergence(x, y + 0.1, epsilon=1.0, unbalanced=1e9)
    assert almost == pytest.approx(sinkhorn_divergence(x, y + 0.1, epsilon=1.0), rel=1e-5)


def relaxed_cost(x, y, a, b, epsilon, rho, p):
    """The relaxed problem from its definition: its primal at the plan that scaling converges to."""

    def kl(q, r):
        return float(np.sum(q * np.log(q / r) - q + r))

    cost = np.linalg.norm(x[:, None] - y[None], axis=-1) ** p
    kernel, v, power = np.exp(-cost / epsilon) * np.outer(a, b), np.ones(len(b)), rho / (rho + epsilon)
    for _ in range(20_000):
        u = (a / (kernel @ v)) ** power
        v = (b / (u @ kernel)) ** power
    plan = u[:, None] * kernel * v[None, :]
    marginals = rho * kl(plan.sum(axis=1), a) + rho * kl(plan.sum(axis=0), b)
    return float(np.sum(plan * cost)) + epsilon * kl(plan, np.outer(a, b)) + marginals


@pytest.mark.parametrize("p", [1.0, 2.0])
@pytest.mark.parametrize("rho", [0.3, 4.0])
def test_relaxed_marginals_are_their_convex_programme(clouds, p, rho):
    x, y, wa, wb = clouds
    a, b = wa / wa.sum(), wb / wb.sum()
    expected = relaxed_cost(x, y, a, b, 0.5, rho, p)
    expected -= 0.5 * relaxed_cost(x, x, a, a, 0.5, rho, p) + 0.5 * relaxed_cost(y, y, b, b, 0.5, rho, p)
    value = sinkhorn_divergence(
        x, y, p=p, epsilon=0.5, unbalanced=rho, tolerance=1e-12, x_weights=wa, y_weights=wb
    )
    assert value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("unbalanced", [None, 0.7])
def test_rows_without_weight_are_not_there(clouds, unbalanced):
    x, y, wa, wb = clouds
    wa[::3], wb[1] = 0.0, 0.0
    options = {"epsilon": 0.3, "unbalanced": unbalanced, "tolerance": 1e-11}
    value = sinkhorn_divergence(x, y, x_weights=wa, y_weights=wb, **options)
    fewer = sinkhorn_divergence(x[wa > 0], y[wb > 0], x_weights=wa[wa > 0], y_weights=wb[wb > 0], **options)
    assert value == pytest.approx(float(fewer), rel=1e-9)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
def test_the_tolerance_bounds_the_value_too(clouds, tolerance):
    """A marginal error of t moves the dual by at most t times the range of the costs, in all three terms."""
    x, y, *_ = clouds
    costs = np.linalg.norm(x[:, None] - y[None], axis=-1) ** 2
    truth = sinkhorn_divergence(x, y, epsilon=0.1, tolerance=1e-12)
    value = sinkhorn_divergence(x, y, epsilon=0.1, tolerance=tolerance)
    assert abs(value - truth) <= 2.0 * tolerance * costs.max()


def test_blocks_change_nothing_and_no_matrix_is_held(rng):
    x, y = rng.normal(size=(500, 3)), rng.normal(0.5, 1.0, size=(450, 3))
    whole = sinkhorn_divergence(x, y, epsilon=1.0)
    with sklearn.config_context(working_memory=0.1):
        assert sinkhorn_divergence(x, y, epsilon=1.0) == pytest.approx(float(whole), rel=1e-9)
    x, y = rng.normal(size=(4000, 2)), rng.normal(0.5, 1.0, size=(4000, 2))

    def run() -> None:
        with sklearn.config_context(working_memory=4), pytest.warns(dv.DivergenceWarning):
            sinkhorn_divergence(x, y, epsilon=5.0, max_iterations=1, tolerance=1e-15)

    run()  # loads and compiles, which takes memory of its own
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4000 * 4000 * 8 / 10  # a tenth of one cost matrix


@pytest.mark.parametrize("p", [1.0, 2.0])
@pytest.mark.parametrize("unbalanced", [None, 0.7])
def test_gradients_in_points_and_weights(clouds, p, unbalanced):
    inputs = [torch.tensor(v[:4], requires_grad=True) for v in clouds]

    def value(x, y, a, b):
        return sinkhorn_divergence(
            x, y, p=p, epsilon=1.0, unbalanced=unbalanced, tolerance=1e-12, x_weights=a, y_weights=b
        )

    assert torch.autograd.gradcheck(value, inputs, atol=1e-6, rtol=1e-4)


def test_gradient_is_finite_where_points_coincide(clouds):
    x = torch.tensor(clouds[0], requires_grad=True)
    sinkhorn_divergence(x, torch.tensor(clouds[0]), epsilon=0.1, p=1).backward()
    assert torch.equal(x.grad, torch.zeros_like(x))
    x.grad = None
    sinkhorn_divergence(x, x.detach()[:6], epsilon=0.5, p=1).backward()
    assert bool(torch.isfinite(x.grad).all())


def test_scale_and_offset(clouds):
    x, y, *_ = clouds
    value = sinkhorn_divergence(x, y, epsilon=0.5)
    assert sinkhorn_divergence(x * 2**60, y * 2**60, epsilon=0.5 * 2**120) == pytest.approx(value * 2**120)
    assert sinkhorn_divergence(x * 1e-80, y * 1e-80) == pytest.approx(sinkhorn_divergence(x, y) * 1e-160)
    assert sinkhorn_divergence(x + 1e8, y + 1e8, epsilon=0.5) == pytest.approx(value, rel=1e-5)


def test_an_epsilon_beyond_all_costs_is_the_limit(clouds):
    x, y, *_ = clouds
    means = float(np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2))
    for epsilon in (1e10, 1e20, 1e300):
        assert sinkhorn_divergence(x, y, epsilon=epsilon) == pytest.approx(means, rel=1e-6)


@pytest.mark.parametrize("epsilon", [1e-12, 1e-300, 1e-320])
def test_an_epsilon_below_all_costs_is_refused(clouds, epsilon):
    with pytest.raises(ValueError, match="epsilon must be at least 1e-09 of the mean cost"):
        sinkhorn_divergence(clouds[0], clouds[1], epsilon=epsilon)


def test_an_unfinished_run_says_so(clouds):
    x, y, *_ = clouds
    with pytest.warns(dv.DivergenceWarning, match="Raise epsilon or max_iterations"):
        sinkhorn_divergence(x, y, epsilon=1e-4, max_iterations=3)


@pytest.mark.parametrize(
    "options", [{"epsilon": 0}, {"epsilon": -1}, {"epsilon": math.nan}, {"unbalanced": 0}, {"p": 0.5}]
)
def test_refusals_name_the_option(clouds, options):
    x, y, *_ = clouds
    with pytest.raises(ValueError, match=next(iter(options))):
        sinkhorn_divergence(x, y, **options)
