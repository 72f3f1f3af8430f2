"""The theory of adversarial training, executed: what the papers prove, as numbers.

Distributions on finite supports are samples with repeated rows, so that a mean over a sample is the exact
expectation, and a critic is a free table of outputs (``supports``). What generators descend is in
``test_theory_of_generators``.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from supports import (
    ROWS,
    binomial,
    divergence_gradient,
    expected_gradient,
    finite,
    generator_gradient,
    table,
)

import divergences as dv
from divergences import pmf
from divergences.critic.dual import DUALS
from divergences.fdivergence import FDIVERGENCES, as_fdivergence
from gan.models import Flow, Gaussian, Mixture, fit
from gan.objectives import parse

F_GANS = [f"f-gan(divergence={name})" for name in FDIVERGENCES]
DUAL_OBJECTIVES = ["minimax", "non-saturating", "lsgan", "hinge", *F_GANS]


# ── the discriminator ───────────────────────────────────────────────────────────────────────


def test_the_value_at_the_optimal_discriminator_is_minus_log_4_plus_2_js(rng):
    """Goodfellow et al. 2014, theorem 1, with D* = p/(p+q), that is v* = log p/q."""
    objective = parse("minimax")
    for _ in range(50):
        p, q, real, fake = finite(rng)
        critic = table(np.log(p / q))
        d = p / (p + q)
        value = float(-objective.critic_loss(critic, real, fake))
        assert value == pytest.approx(float(p @ np.log(d) + q @ np.log(1 - d)), abs=1e-12)
        assert value == pytest.approx(-math.log(4) + 2 * float(pmf.js(p, q)), abs=1e-10)
        assert objective.value_at_optimum(float(pmf.js(p, q))) == pytest.approx(value, abs=1e-10)


def test_the_value_is_minus_log_4_where_p_is_q_and_nowhere_below(rng):
    real = finite(rng)[2]
    assert float(parse("minimax").critic_loss(table(np.zeros(7)), real, real)) == pytest.approx(math.log(4))


def test_no_discriminator_does_better(rng):
    p, q, real, fake = finite(rng)
    objective = parse("minimax")
    best = float(objective.critic_loss(table(np.log(p / q)), real, fake))
    for size in (1e-3, 0.1, 2.0):
        assert (
            float(objective.critic_loss(table(np.log(p / q) + size * rng.normal(size=7)), real, fake)) > best
        )


# ── every objective at its optimal critic ───────────────────────────────────────────────────


def stated(objective, p, q):
    return float(np.sum(FDIVERGENCES[objective.divergence].perspective(p, q)))


@pytest.mark.parametrize("name", DUAL_OBJECTIVES)
def test_an_objective_at_its_optimal_critic_is_the_divergence_it_states(name, rng):
    objective = parse(name)
    for _ in range(5):
        p, q, real, fake = finite(rng)
        critic = table(objective.dual.optimum(np.log(p / q)))
        truth = stated(objective, p, q)
        assert float(objective.estimate(critic, real, fake)) == pytest.approx(truth, abs=1e-10, rel=1e-10)
        value = -float(objective.critic_loss(critic, real, fake))
        assert value == pytest.approx(objective.value_at_optimum(truth), abs=1e-10, rel=1e-10)


def optimised(loss, size):
    """The least value of a convex loss of a free table."""
    free = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [free], max_iter=500, max_eval=2000, tolerance_grad=1e-13, tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        optimiser.zero_grad()
        value = loss(lambda samples: free[samples[:, 0].long()])
        value.backward()
        return value

    optimiser.step(closure)
    return float(closure().detach()), free.detach().numpy()


@pytest.mark.parametrize("name", ["minimax", "lsgan", "f-gan(divergence=kl)", "f-gan(divergence=triangular)"])
def test_a_critic_trained_as_a_free_table_reaches_it(name, rng):
    objective = parse(name)
    p, q, real, fake = finite(rng, 5)
    least, _ = optimised(lambda critic: objective.critic_loss(critic, real, fake), 5)
    assert -least == pytest.approx(objective.value_at_optimum(stated(objective, p, q)), abs=1e-8)


def test_relativistic_pairing_descends_the_js_of_the_exchanged_product(rng):
    """Which of a pair is real is logistic regression between P⊗Q and Q⊗P: v* = log p/q, nothing beats it."""
    objective = parse("relativistic")
    p, q, real, fake = finite(rng, 4)
    real, fake = real.repeat_interleave(ROWS, 0), fake.repeat(ROWS, 1)  # all pairs: the mean under P⊗Q
    truth = float(pmf.js(np.outer(p, q).ravel(), np.outer(q, p).ravel()))
    estimate = float(objective.estimate(table(np.log(p / q)), real, fake))
    assert estimate == pytest.approx(truth, abs=1e-12)
    assert -float(objective.critic_loss(table(np.log(p / q)), real, fake)) == pytest.approx(
        objective.value_at_optimum(truth), abs=1e-12
    )
    least, v = optimised(lambda critic: objective.critic_loss(critic, real, fake), 4)
    assert -least == pytest.approx(objective.value_at_optimum(truth), abs=1e-10)
    np.testing.assert_allclose(v - v[0], np.log(p / q) - np.log(p / q)[0], atol=1e-5)


@pytest.mark.parametrize("name", ["wgan", "wgan-gp", "wgan-lp"])
def test_wasserstein_objectives_at_the_optimal_potential_are_w1(name, rng):
    x = torch.from_numpy(rng.normal(size=(30, 3)))
    y = torch.from_numpy(rng.normal(size=(25, 3)) + 1)
    answer = dv.transport(x, y)
    objective = parse(name)
    estimate = float(objective.estimate(answer.potential, x, y))
    assert estimate == pytest.approx(float(answer.cost), rel=1e-9)
    assert -float(objective.critic_loss(answer.potential, x, y)) == pytest.approx(
        float(answer.cost), rel=1e-9
    )


def test_the_cramer_gan_is_the_energy_distance_between_features(rng):
    """Generator loss − E|h(x) − h(x')| = energy, by enumeration; one fake batch for two is not."""
    objective = parse("cramer-gan")
    x, y = torch.from_numpy(rng.normal(size=(40, 3))), torch.from_numpy(rng.normal(size=(40, 3)) + 0.5)
    weights = torch.from_numpy(rng.normal(size=(3, 2)))
    critic = lambda samples: torch.tanh(samples @ weights)  # noqa: E731
    h, g = critic(x), critic(y)
    truth = float(dv.energy(h, g))
    assert float(objective.estimate(critic, x, (y, y))) == pytest.approx(truth, rel=1e-12)
    within_x = float(torch.cdist(h, h).mean())
    # y against itself as both batches: exactly the V-statistic
    assert float(objective.generator_loss(critic, x, (y, y))) - within_x == pytest.approx(truth, rel=1e-9)
    with pytest.raises(ValueError, match="two independent batches"):
        objective.generator_loss(critic, x, y)
    # the surrogate, from its definition
    f = lambda z: torch.cdist(z, g).mean(1) - z.norm(dim=1)  # noqa: E731
    surrogate = float(f(g).mean() - f(h).mean())
    assert float(objective.critic_loss(critic, x, (y, y))) == pytest.approx(surrogate, rel=1e-9)
    np.testing.assert_allclose(objective.witness(critic, x, (y, y))(x), f(h), rtol=1e-9)


def test_the_mmd_gan_is_the_squared_mmd_between_features(rng):
    objective = parse("mmd-gan")
    x, y = torch.from_numpy(rng.normal(size=(40, 3))), torch.from_numpy(rng.normal(size=(30, 3)) + 0.5)
    critic = lambda samples: samples @ torch.ones(3, 2, dtype=torch.float64)  # noqa: E731
    truth = float(dv.squared_mmd(critic(x), critic(y), bandwidth=(1.0, 2.0, 4.0, 8.0, 16.0)))
    assert float(objective.generator_loss(critic, x, y)) == pytest.approx(truth, rel=1e-12)
    assert -float(objective.critic_loss(critic, x, y)) == pytest.approx(
        objective.value_at_optimum(truth), rel=1e-12
    )


# ── gradients of the generator ──────────────────────────────────────────────────────────────


def test_minus_log_d_descends_kl_minus_twice_js(rng):
    """Arjovsky & Bottou 2017, theorem 2.5: at D*, E_Q[−log D] has the gradient of KL(Q‖P) − 2 JS."""
    p = rng.dirichlet(np.ones(6))
    logits = torch.from_numpy(rng.normal(size=6)).requires_grad_(True)
    found = generator_gradient(parse("non-saturating"), p, logits)
    truth = divergence_gradient(
        lambda q: pmf.kl(q, torch.from_numpy(p)) - 2 * pmf.js(torch.from_numpy(p), q), logits
    )
    np.testing.assert_allclose(found, truth, atol=1e-12)


@pytest.mark.parametrize("name", ["minimax", "f-gan(divergence=kl)", "f-gan(divergence=chi2)"])
def test_a_zero_sum_generator_descends_the_stated_divergence(name, rng):
    objective = parse(name)
    p = rng.dirichlet(np.ones(6))
    logits = torch.from_numpy(rng.normal(size=6)).requires_grad_(True)
    found = generator_gradient(objective, p, logits)
    row = as_fdivergence(objective.divergence)
    slope = objective.value_at_optimum.slope
    truth = divergence_gradient(lambda q: slope * row.perspective(torch.from_numpy(p), q).sum(), logits)
    np.testing.assert_allclose(found, truth, atol=1e-12)


def test_the_saturating_gradient_vanishes_where_the_discriminator_is_right_and_the_other_does_not():
    """At D = sigmoid(−x): as D tells that x is fake, log(1 − D) goes flat, and −log D does not."""
    norms = {}
    for name in ("minimax", "non-saturating"):
        for sureness in (0.0, 5.0, 20.0):
            x = torch.tensor([[sureness]], dtype=torch.float64, requires_grad=True)
            loss = parse(name).generator_loss(lambda s: -s[:, 0], None, x)
            norms[name, sureness] = float(torch.autograd.grad(loss, x)[0].abs())
    assert norms["minimax", 0.0] == norms["non-saturating", 0.0] == 0.5
    assert norms["minimax", 20.0] < 1e-8
    assert norms["non-saturating", 20.0] == pytest.approx(1.0)


# ── parallel lines ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("theta", [0.0, 0.25, -2.0])
def test_parallel_lines_have_no_gradient_but_in_w1(theta):
    """Arjovsky et al. 2017, example 1: the common heights drawn once, so that the samples are exact."""
    heights = torch.linspace(0, 1, 50, dtype=torch.float64)
    at = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    x = torch.stack([torch.zeros(50, dtype=torch.float64), heights], dim=1)
    y = torch.stack([at.expand(50), heights], dim=1)
    w1 = dv.wasserstein(x, y)
    assert float(w1.detach()) == pytest.approx(abs(theta), abs=1e-12)
    (slope,) = torch.autograd.grad(w1, at, allow_unused=True)
    assert slope is None or float(slope) == pytest.approx(np.sign(theta), abs=1e-12)
    # masses on two points, one at each line
    p, q = ([1.0, 0.0], [0.0, 1.0]) if theta else ([1.0, 0.0], [1.0, 0.0])
    assert float(pmf.js(p, q)) == pytest.approx(math.log(2) if theta else 0.0)
    assert float(pmf.kl(p, q)) == (math.inf if theta else 0.0)
    assert float(pmf.tv(p, q)) == (1.0 if theta else 0.0)


# ── biased gradients (Bellemare et al. 2017) ────────────────────────────────────────────────


def sample_w1(m, theta_star, theta):
    """E W1(P̂_m, Q_θ): m draws of Bernoulli(θ*) against Bernoulli(θ) itself."""
    return float(binomial(m, theta_star) @ np.abs(np.arange(m + 1) / m - theta))


def test_w1_between_bernoullis_is_the_difference_of_their_means():
    for share, theta in itertools.product((0.0, 1 / 3, 1.0), (0.0, 0.6)):
        value = dv.wasserstein(
            [0.0, 1.0], [0.0, 1.0], x_weights=[1 - share, share], y_weights=[1 - theta, theta]
        )
        assert float(value) == pytest.approx(abs(share - theta))


# θ*, m, the minimiser of E W1 over samples of size m, its value, the value at θ*
BERNOULLIS = [
    (0.6, 1, 1.0, 0.4000, 0.4800),
    (0.6, 2, 0.5, 0.2600, 0.2880),
    (0.6, 3, 2 / 3, 0.2107, 0.2304),
    (0.6, 6, 2 / 3, 0.1600, 0.1659),
    (0.6, 10, 0.6, 0.1204, None),
    *((0.1, m, 0.0, None, None) for m in range(1, 7)),
    (0.1, 7, 1 / 7, 0.0938, 0.0957),
]


@pytest.mark.parametrize(("theta_star", "m", "minimiser", "value", "at_truth"), BERNOULLIS)
def test_minimising_the_sample_w1_gives_the_wrong_parameter(theta_star, m, minimiser, value, at_truth):
    grid = np.unique(np.concatenate([np.linspace(0, 1, 5001), [minimiser]]))
    losses = [sample_w1(m, theta_star, theta) for theta in grid]
    best = int(np.argmin(losses))
    assert grid[best] == pytest.approx(minimiser, abs=1e-3)
    if value is not None:
        assert losses[best] == pytest.approx(value, abs=1e-4)
    if at_truth is not None:
        assert sample_w1(m, theta_star, theta_star) == pytest.approx(at_truth, abs=1e-4)


@pytest.mark.parametrize(("theta_star", "m", "minimiser"), [row[:3] for row in BERNOULLIS])
def test_descending_the_product_s_own_w1_stops_there(theta_star, m, minimiser):
    """The expected sample gradient of ``wasserstein`` changes sign within 1e-3 of the biased minimiser."""
    left, right = (minimiser + step for step in (-1e-3, 1e-3))
    if left > 0:
        assert expected_gradient(dv.wasserstein, m, theta_star, left) < 0
    if right < 1:
        assert expected_gradient(dv.wasserstein, m, theta_star, right) > 0


@pytest.mark.parametrize("m", range(1, 11))
def test_the_cramer_gradient_is_exact_for_every_sample_size(m):
    """E over samples of P of the sample gradient is the true one, 2(θ − θ*); that of W1 is not (−1)."""
    for theta, theta_star in ((0.3, 0.6), (0.35, 0.1)):
        cramer = expected_gradient(dv.cramer, m, theta_star, theta)
        assert cramer == pytest.approx(2 * (theta - theta_star), abs=1e-12)
    shares = np.arange(m + 1) / m
    w1 = expected_gradient(dv.wasserstein, m, 0.6, 0.3)
    assert w1 == pytest.approx(float(binomial(m, 0.6) @ np.sign(0.3 - shares)), abs=1e-9)
    assert abs(w1 + 1) > 0.02


# ── explicit models ─────────────────────────────────────────────────────────────────────────


def two_modes(z):
    """log density of ½N(−3, ½²) + ½N(3, ½²)."""
    logs = torch.stack([-0.5 * ((z[:, 0] - c) / 0.5) ** 2 for c in (-3.0, 3.0)])
    return torch.logsumexp(logs, 0) - math.log(2 * 0.5 * math.sqrt(2 * math.pi))


def test_kl_covers_both_modes_and_reverse_kl_takes_one():
    generator = torch.Generator().manual_seed(0)
    signs = torch.sign(torch.randn(4000, 1, generator=generator))
    samples = 3 * signs + 0.5 * torch.randn(4000, 1, generator=generator)
    wide, narrow = Gaussian(1), Gaussian(1)
    torch.nn.init.constant_(narrow.mean, 0.5)
    fit(wide, samples, steps=300, rate=0.05, seed=0)
    fit(narrow, two_modes, objective="model-reverse-kl", steps=300, rate=0.05, seed=0)
    assert abs(float(wide.mean.detach())) < 0.3
    assert float(wide.factor.detach()) == pytest.approx(float(samples.std()), rel=0.05)
    assert float(narrow.mean.detach()) == pytest.approx(3.0, abs=0.05)
    assert float(narrow.factor.detach()) == pytest.approx(0.5, rel=0.05)


def test_the_reverse_kl_loss_is_the_reverse_kl():
    """One mode of two: KL(N(3, ½²) ‖ mixture) = log 2."""
    model = Gaussian(1)
    with torch.no_grad():
        model.mean.fill_(3.0)
        model.log_diagonal.fill_(math.log(0.5))
    loss = parse("model-reverse-kl").loss(model, two_modes, 2000)
    assert float(loss.detach()) == pytest.approx(math.log(2), abs=1e-4)


def test_maximum_likelihood_overfits_a_small_sample():
    """As many components as samples: the training likelihood rises, the held-out one falls."""
    generator = torch.Generator().manual_seed(1)
    train, test = torch.randn(12, 1, generator=generator), torch.randn(2000, 1, generator=generator)
    model = Mixture(train, deviation=0.5)
    with torch.no_grad():
        before = float(model.log_density(test).mean())
    losses = fit(model, train, steps=400, rate=0.05, seed=0)
    with torch.no_grad():
        after = float(model.log_density(test).mean())
    entropy = 0.5 * math.log(2 * math.pi * math.e)
    assert -losses[-1] > -entropy + 0.5, "better on its own samples than the truth is"
    assert after < before - 0.5, "and far worse on others"


@pytest.mark.parametrize(
    "make", [lambda: Gaussian(2), lambda: Mixture(torch.randn(3, 2)), lambda: Flow(2, layers=4, width=8)]
)
def test_a_density_integrates_to_one_and_is_that_of_its_samples(make):
    torch.manual_seed(3)
    model = make().double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.15 * torch.randn_like(weight))
        line = torch.linspace(-9, 9, 241, dtype=torch.float64)
        grid = torch.cartesian_prod(line, line)
        mass = model.log_density(grid).exp() * float(line[1] - line[0]) ** 2
        assert float(mass.sum()) == pytest.approx(1.0, abs=2e-3)
        samples = model.sample(20_000)
        mean = (mass[:, None] * grid).sum(0)
        np.testing.assert_allclose(samples.mean(0), mean, atol=0.06)
        variance = (mass[:, None] * (grid - mean) ** 2).sum(0)
        np.testing.assert_allclose(samples.var(0), variance, rtol=0.08)


def test_the_flow_learns_what_no_gaussian_can():
    generator = torch.Generator().manual_seed(4)
    angle = 3 * torch.rand(2000, 1, generator=generator)
    data = torch.cat([torch.cos(angle), torch.sin(angle)], 1) + 0.1 * torch.randn(
        2000, 2, generator=generator
    )
    torch.manual_seed(0)
    flow, gaussian = Flow(2, layers=4, width=32), Gaussian(2)
    flow_loss = np.mean(fit(flow, data, steps=200, rate=0.01, seed=0)[-20:])
    assert flow_loss < np.mean(fit(gaussian, data, steps=200, seed=0)[-20:]) - 0.3


def test_duals_of_the_objectives_are_those_that_measure():
    assert parse("minimax").dual is DUALS["js"]
    assert parse("hinge").dual is DUALS["hinge"]
    assert parse("wgan").dual is DUALS["wasserstein"]
