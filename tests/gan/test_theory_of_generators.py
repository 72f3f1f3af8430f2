"""What each generator descends when its critic is optimal, and that every objective's statement is proved.

``test_theory`` holds the critics' side: the value at the optimum is the divergence.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from supports import divergence_gradient, finite, generator_gradient, table

import divergences as dv
from divergences import gaussian, pmf
from divergences.fdivergence import FDIVERGENCES, as_fdivergence
from gan.models import Gaussian
from gan.objectives import ADVERSARIAL, EXPLICIT, OBJECTIVES, SampleObjective, parse

SMOOTH = [name for name in FDIVERGENCES if name != "tv"]


def logits_of(rng, k=6):
    return torch.from_numpy(rng.normal(size=k)).requires_grad_(True)


# ── with critics ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["minimax", *(f"f-gan(divergence={name})" for name in SMOOTH)])
def test_a_zero_sum_generator_descends_its_divergence(name, rng):
    """Danskin: with the critic at its optimum the bound's gradient is the divergence's."""
    objective = parse(name)
    for _ in range(3):
        p, logits = rng.dirichlet(np.ones(6)), logits_of(rng)
        row, slope = as_fdivergence(objective.divergence), objective.value_at_optimum.slope
        truth = divergence_gradient(lambda q: slope * row.perspective(torch.from_numpy(p), q).sum(), logits)  # noqa: B023
        np.testing.assert_allclose(generator_gradient(objective, p, logits), truth, rtol=1e-9, atol=1e-11)


def test_the_hinge_generator_descends_twice_total_variation(rng):
    p, logits = rng.dirichlet(np.ones(6)), logits_of(rng)
    truth = divergence_gradient(lambda q: 2 * pmf.tv(torch.from_numpy(p), q), logits)
    np.testing.assert_allclose(generator_gradient(parse("hinge"), p, logits), truth, atol=1e-12)


def test_the_lsgan_value_is_half_the_triangular_discrimination(rng):
    """Mao et al. 2017, theorem 1 with labels 1, −1 and aim 0: ½E_P v² + ½E_Q v² at v* = (p − q)/(p + q)."""
    objective = parse("lsgan")
    p, q, real, fake = finite(rng)
    critic = table(objective.dual.optimum(np.log(p / q)))
    value = float(objective.generator_loss(critic, None, fake) + objective.generator_loss(critic, None, real))
    assert value == pytest.approx(0.5 * float(np.sum((p - q) ** 2 / (p + q))), abs=1e-12)


def test_a_non_saturating_generator_rests_where_q_is_p(rng):
    """E_Q g(v*) is not the divergence, but at q = p its gradient is 0 as well."""
    logits = logits_of(rng)
    p = torch.softmax(logits, 0).detach().numpy()
    for name in ("kl", "js", "reverse_kl", "squared_hellinger"):
        found = generator_gradient(parse(f"f-gan(divergence={name}, saturating=False)"), p, logits)
        np.testing.assert_allclose(found, 0.0, atol=1e-12)
    for name in ("non-saturating", "lsgan"):
        np.testing.assert_allclose(generator_gradient(parse(name), p, logits), 0.0, atol=1e-12)


@pytest.mark.parametrize("name", ["wgan", "wgan-gp", "wgan-lp"])
def test_a_wasserstein_generator_descends_w1(name, rng):
    """Where Q is P moved by a vector an optimal potential is known, −⟨e, ·⟩: its gradient is that of W1."""
    x = torch.from_numpy(rng.normal(size=(40, 3)))
    direction = torch.tensor([2.0, -1.0, 2.0], dtype=torch.float64) / 3
    y = (x + 5 * direction).requires_grad_(True)
    critic = lambda samples: -samples @ direction  # noqa: E731
    objective = parse(name)
    assert float(objective.estimate(critic, x, y.detach())) == pytest.approx(5.0, rel=1e-12)
    w1 = dv.wasserstein(x, y)
    assert float(w1.detach()) == pytest.approx(5.0, rel=1e-12)
    (truth,) = torch.autograd.grad(w1, y)
    (found,) = torch.autograd.grad(objective.generator_loss(critic, x, y), y)
    np.testing.assert_allclose(found, truth, atol=1e-12)


def test_feature_objectives_descend_the_measures_of_the_features(rng):
    """Cramér GAN (both fake batches the same: the V-statistic) and MMD GAN."""
    x = torch.from_numpy(rng.normal(size=(30, 3)))
    y = torch.from_numpy(rng.normal(size=(30, 3)) + 0.5).requires_grad_(True)
    weights = torch.from_numpy(rng.normal(size=(3, 2)))
    critic = lambda samples: torch.tanh(samples @ weights)  # noqa: E731
    (found,) = torch.autograd.grad(parse("cramer-gan").generator_loss(critic, x, (y, y)), y)
    (truth,) = torch.autograd.grad(dv.energy(critic(x), critic(y)), y)
    np.testing.assert_allclose(found, truth, atol=1e-10)
    objective = parse("mmd-gan")
    (found,) = torch.autograd.grad(objective.generator_loss(critic, x, y), y)
    measure = dv.squared_mmd(critic(x), critic(y), bandwidth=objective.bandwidths)
    np.testing.assert_allclose(found, torch.autograd.grad(measure, y)[0], atol=1e-12)


def test_the_second_fake_sample_of_a_cramer_gan_is_needed():
    """By enumeration: with y' independent the expected loss is least where Q = P; with y' = y it is not.

    Bernoulli P with θ* = 0.3: two fake rows, drawn independently or the same row twice.
    """
    objective, theta_star = parse("cramer-gan"), 0.3
    critic = lambda samples: samples  # noqa: E731
    real = torch.tensor([[1.0]] * 3 + [[0.0]] * 7, dtype=torch.float64)

    def loss(theta, same):
        total = 0.0
        for first in (0.0, 1.0):
            for second in (first,) if same else (0.0, 1.0):
                shares = [theta if value else 1 - theta for value in ((first,) if same else (first, second))]
                batches = tuple(torch.tensor([[value]], dtype=torch.float64) for value in (first, second))
                total += math.prod(shares) * float(objective.generator_loss(critic, real, batches))
        return total

    grid = np.linspace(0, 1, 1001)
    assert grid[np.argmin([loss(theta, same=False) for theta in grid])] == pytest.approx(theta_star, abs=1e-3)
    assert grid[np.argmin([loss(theta, same=True) for theta in grid])] == 0.0, "it collapses"


def test_the_relativistic_losses_are_each_others_mirror(rng):
    *_, real, fake = finite(rng, 5)
    critic = table(rng.normal(size=5))
    objective = parse("relativistic")
    assert float(objective.generator_loss(critic, real, fake)) == pytest.approx(
        float(objective.critic_loss(critic, fake, real)), abs=1e-15
    )


# ── without ─────────────────────────────────────────────────────────────────────────────────


def test_maximum_likelihood_is_kl_plus_the_entropy_of_the_data():
    """Stratified quantiles of N(0.5, 0.8²) stand for P; the model is N(0, 1)."""
    mean, scale = 0.5, 0.8
    real = torch.from_numpy(mean + scale * norm.ppf((np.arange(200_000) + 0.5) / 200_000))[:, None]
    with torch.no_grad():
        loss = float(parse("maximum-likelihood").loss(Gaussian(1).double(), real))
    kl = float(gaussian.kl([mean], [[scale**2]], [0.0], [[1.0]]))
    assert loss == pytest.approx(kl + norm.entropy(mean, scale), abs=1e-4)


SEPARATELY = {  # where the value at the optimal critic is held to the divergence in test_theory
    "minimax", "non-saturating", "lsgan", "hinge", "f-gan", "wgan", "wgan-gp", "wgan-lp", "cramer-gan",
    "mmd-gan", "relativistic", "maximum-likelihood", "model-reverse-kl",
}  # fmt: skip


def test_every_objective_is_proved_or_is_a_measure():
    """A new adversarial objective needs its theorem here and in test_theory."""
    assert set(ADVERSARIAL) | set(EXPLICIT) == SEPARATELY
    given = {"renyi": "alpha=0.5", "f_divergence": "f='js'", "parzen_log_likelihood": "bandwidth=0.5"}
    rng = np.random.default_rng(5)
    x = torch.from_numpy(rng.normal(size=(60, 2)))
    y = torch.from_numpy(2 + 2 * rng.normal(size=(60, 2)))  # far enough for every estimate to be above 0
    for name in sorted(set(OBJECTIVES) - SEPARATELY):
        objective = parse(f"{name}({given.get(name, '')})")
        assert isinstance(objective, SampleObjective)
        assert objective.divergence == name
        torch.manual_seed(1)
        value = float(objective.estimate(None, x, y))
        torch.manual_seed(1)
        loss = float(objective.generator_loss(None, x, y))
        assert math.isfinite(value)
        assert loss == (-value if objective.metric.better == "higher" else value)
