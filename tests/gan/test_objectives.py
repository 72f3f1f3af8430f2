"""Objectives as a training loop uses them: shapes, gradients, names, and the very functions of the report."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import divergences as dv
from gan import regularizers
from gan.models import Flow, Gaussian, fit
from gan.objectives import ADVERSARIAL, EXPLICIT, OBJECTIVES, Objective, SampleObjective, Value, parse
from gan.recipes import Recipe
from gan.training import train

CRITICS = list(ADVERSARIAL)
SAMPLES = [
    "energy", "cramer", "squared_mmd", "squared_mmd(bandwidth=1.0)", "kid", "sliced_wasserstein(rng=0)",
    "max_sliced_wasserstein(rng=0)", "sinkhorn_divergence", "wasserstein", "wasserstein(p=2)", "frechet",
    "parzen_log_likelihood(bandwidth=0.5)",
]  # fmt: skip


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(32, 3, generator=generator)
    fake = [(torch.randn(32, 3, generator=generator) + 1).requires_grad_(True) for _ in range(2)]
    return real, fake


def network():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))


# ── with a critic ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", CRITICS)
@pytest.mark.parametrize("flat", [False, True], ids=["(n, 1)", "(n,)"])
def test_both_losses_have_gradients_where_they_should(name, flat, batches):
    objective, critic = parse(name), network()
    call = (lambda z: critic(z)[:, 0]) if flat else critic
    real, fake = batches
    fake = tuple(fake) if objective.fake_batches == 2 else fake[0]
    parts = fake if isinstance(fake, tuple) else (fake,)
    assert objective.needs_critic
    loss = objective.critic_loss(call, real, fake)
    assert loss.ndim == 0
    gradients = torch.autograd.grad(loss, list(critic.parameters()), allow_unused=True)
    assert sum(float(g.abs().sum()) for g in gradients if g is not None) > 0
    for slope in torch.autograd.grad(objective.generator_loss(call, real, fake), parts):
        assert torch.isfinite(slope).all()
        assert float(slope.abs().max()) > 0
    assert objective.estimate(call, real, fake).ndim == 0


@pytest.mark.parametrize("name", CRITICS)
def test_training_the_critic_raises_the_estimate_above_zero(name, batches):
    """The sign convention: real high, fake low, and the estimate of two different samples is positive."""
    objective, critic = parse(name), network()
    real, (first, second) = batches[0], (part.detach() for part in batches[1])
    fake = (first, second) if objective.fake_batches == 2 else first
    optimiser = torch.optim.Adam(critic.parameters(), lr=0.01)
    for _ in range(100):
        optimiser.zero_grad()
        objective.critic_loss(critic, real, fake).backward()
        optimiser.step()
    with torch.no_grad():
        assert float(objective.estimate(critic, real, fake)) > 0.05
        if name not in ("cramer-gan", "mmd-gan"):  # their features have no sign
            assert float(critic(real).mean()) > float(critic(first).mean())


@pytest.mark.parametrize("name", [n for n in CRITICS if n not in ("cramer-gan", "mmd-gan", "lsgan")])
def test_the_generator_is_pushed_to_where_the_critic_is_high(name):
    real, fake = torch.zeros(4, 1), torch.zeros(4, 1, requires_grad=True)
    loss = parse(name).generator_loss(lambda z: z[:, 0], real, fake)
    (slope,) = torch.autograd.grad(loss, fake)
    assert bool((slope < 0).all()), "descending the loss moves up the critic"


def test_lsgan_is_least_squares(batches):
    real, fake = batches[0], batches[1][0]
    critic = network()
    on_real, on_fake = critic(real), critic(fake)
    loss = 0.5 * (on_real - 1).square().mean() + 0.5 * (on_fake + 1).square().mean()
    torch.testing.assert_close(parse("lsgan").critic_loss(critic, real, fake), loss)
    torch.testing.assert_close(
        parse("lsgan(target=1)").generator_loss(critic, real, fake), 0.5 * (on_fake - 1).square().mean()
    )


def test_texts_of_metrics_are_read_with_options_and_hyphens():
    assert parse("squared-mmd(bandwidth=1.5)").metric.options == {"bandwidth": 1.5}
    assert parse("transport(p=1)").metric.options["p"] == 1
    with pytest.raises(ValueError, match="takes its options by name"):
        parse("transport(1)")


def test_hinge_is_the_hinge(batches):
    real, fake = batches[0], batches[1][0]
    critic = network()
    loss = torch.relu(1 - critic(real)).mean() + torch.relu(1 + critic(fake)).mean()
    torch.testing.assert_close(parse("hinge").critic_loss(critic, real, fake), loss)


def test_minimax_is_binary_cross_entropy(batches):
    real, fake = batches[0], batches[1][0]
    critic = network()
    ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    for name, generator in (
        ("minimax", -loss(critic(fake), zeros)),
        ("non-saturating", loss(critic(fake), ones)),
    ):
        objective = parse(name)
        whole = loss(critic(real), ones) + loss(critic(fake), zeros)
        torch.testing.assert_close(objective.critic_loss(critic, real, fake), whole)
        torch.testing.assert_close(objective.generator_loss(critic, real, fake), generator)


@pytest.mark.parametrize("divergence", ["kl", "reverse_kl", "js", "squared_hellinger", "triangular", "tv"])
@pytest.mark.parametrize("far", [-1e4, 1e4])
def test_f_gan_losses_are_finite_or_honestly_infinite_far_out(divergence, far):
    objective = parse(f"f-gan(divergence={divergence})")
    critic = lambda z: z[:, 0]  # noqa: E731
    real, fake = torch.full((2, 1), far), torch.full((2, 1), far, requires_grad=True)
    loss = objective.generator_loss(critic, real, fake)
    assert not torch.isnan(loss)
    assert not torch.isnan(torch.autograd.grad(loss, fake)[0]).any()
    if divergence in ("reverse_kl", "js", "triangular", "tv"):
        assert torch.isfinite(loss)


@pytest.mark.parametrize("divergence", ["chi2", "neyman_chi2"])
def test_f_gans_of_both_chi2_can_be_trained(divergence):
    """With e^2v in their losses, both stopped at a gradient beyond any limit within thirty iterations."""
    recipe = Recipe(
        data="ring(n=500)", generator="fourier(32, 32)", critic="fourier(32, 32, high=20.0)", latent=2,
        batch=128, objective=f"f-gan(divergence={divergence})", regularizer="r1r2(0.2, every=4)",
        generator_optimizer="adam(lr=0.01, beta1=0.5, beta2=0.9)",
        critic_optimizer="adam(lr=0.01, beta1=0.5, beta2=0.9)", iterations=150,
    )  # fmt: skip
    model = train(recipe, measure=None, progress=False)
    assert np.isfinite(model.sample(10, rng=0)).all()


def test_f_gan_non_saturating(batches):
    real, fake = batches[0], batches[1][0]
    objective = parse("f-gan(divergence=js, saturating=False)")
    critic = network()
    value = -objective.dual.activation(critic(fake)[:, 0]).mean()
    torch.testing.assert_close(objective.generator_loss(critic, real, fake), value)


@pytest.mark.parametrize("name", CRITICS)
def test_published_companions_are_regularizers(name):
    objective = parse(name)
    assert isinstance(regularizers.parse(objective.regularizer), regularizers.Regularizer)
    assert objective.reference
    assert objective.descends


def test_the_cramer_witness_can_be_penalised(batches):
    objective, critic = parse("cramer-gan"), network()
    real, fake = batches[0], tuple(part.detach() for part in batches[1])
    penalty = regularizers.GradientPenalty(10.0)
    term = penalty.term(objective.witness(critic, real, fake), real, fake[0])
    gradients = torch.autograd.grad(term, list(critic.parameters())[:3])
    assert all(torch.isfinite(g).all() and float(g.abs().sum()) > 0 for g in gradients)
    assert parse("wgan-gp").witness(critic, real, fake) is critic


def test_the_mmd_gans_penalty_sees_features_that_cancel_in_their_sum(batches):
    """Bińkowski et al. 2018 bound the slope of the witness; that of the sum of all features may be 0."""
    real, fake = batches[0], batches[1][0].detach()
    objective, penalty = parse("mmd-gan"), regularizers.GradientPenalty(1.0, centre=0.0)

    def opposite(x):
        return torch.stack([x[:, 0], -x[:, 0]], dim=1)

    witness = objective.witness(opposite, real, fake)
    torch.manual_seed(0)
    assert float(penalty.term(witness, real, fake).detach()) > 1e-3
    # E f(x) − E f(y) is the biased squared MMD of the features, which f is the witness of
    gap = witness(real).mean() - witness(fake).mean()
    whole = dv.squared_mmd(opposite(real), opposite(fake), bandwidth=objective.bandwidths, estimator="biased")
    torch.testing.assert_close(gap, whole)
    critic = torch.nn.Linear(3, 4)
    term = penalty.term(objective.witness(critic, real, fake), real, fake)
    assert float(torch.autograd.grad(term, critic.weight)[0].abs().sum()) > 0


def test_a_critic_with_features_is_refused_but_where_features_are_meant(batches):
    real, fake = batches[0], batches[1][0]
    with pytest.raises(ValueError, match="one number a sample"):
        parse("hinge").critic_loss(lambda z: z, real, fake)
    with pytest.raises(TypeError, match="needs a critic"):
        parse("hinge").generator_loss(None, real, fake)
    assert parse("mmd-gan").critic_loss(lambda z: z, real, fake).ndim == 0


# ── without ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spec", SAMPLES)
def test_a_sample_objective_calls_the_function_the_report_calls(spec, batches):
    real, fake = batches[0], batches[1][0]
    objective = parse(spec)
    assert isinstance(objective, SampleObjective)
    assert not objective.needs_critic
    value = dv.parse(spec)(real, fake)
    loss = objective.generator_loss(None, real, fake)
    sign = -1 if objective.metric.better == "higher" else 1
    assert torch.equal(objective.estimate(None, real, fake), value)
    assert torch.equal(loss, sign * value)
    (slope,) = torch.autograd.grad(loss, fake)
    assert torch.isfinite(slope).all()
    assert float(slope.abs().max()) > 0
    with pytest.raises(TypeError, match="has no critic"):
        objective.critic_loss(network(), real, fake)


def test_images_are_flattened():
    real, fake = torch.rand(6, 1, 4, 4), torch.rand(6, 1, 4, 4, requires_grad=True)
    loss = parse("energy").generator_loss(None, real, fake)
    assert torch.equal(loss, dv.energy(real.flatten(1), fake.flatten(1)))


def test_exact_transport_on_minibatches(batches):
    real, fake = batches[0], batches[1][0]
    for spec, p in (("transport", 2), ("transport(p=1)", 1)):
        cost = dv.transport(real, fake, p=p).cost
        assert torch.equal(parse(spec).generator_loss(None, real, fake), cost)


def test_random_projections_follow_torchs_seed(batches):
    real, fake = batches[0], batches[1][0].detach()
    objective = parse("sliced_wasserstein")
    torch.manual_seed(5)
    one, other = (float(objective.generator_loss(None, real, fake)) for _ in range(2))
    torch.manual_seed(5)
    assert float(objective.generator_loss(None, real, fake)) == one != other


@pytest.mark.parametrize(
    "spec",
    ["energy", "transport", "sinkhorn_divergence(epsilon=1.0)", "parzen_log_likelihood(bandwidth=0.5)"],
)
def test_descending_a_measure_brings_the_samples_together(spec):
    torch.manual_seed(0)
    real = torch.randn(64, 2)
    fake = (0.1 * torch.randn(64, 2) + 2).requires_grad_(True)
    objective, optimiser = parse(spec), torch.optim.Adam([fake], lr=0.1)
    before = float(dv.energy(real, fake.detach()))
    for _ in range(80):
        optimiser.zero_grad()
        objective.generator_loss(None, real, fake).backward()
        optimiser.step()
    assert float(dv.energy(real, fake.detach())) < 0.05 * before


# ── explicit models ─────────────────────────────────────────────────────────────────────────


def test_explicit_objectives_say_what_they_need():
    for name in EXPLICIT:
        objective = parse(name)
        assert objective.needs_model
        assert not objective.needs_critic
        with pytest.raises(TypeError, match=r"gan\.models\.fit"):
            objective.generator_loss(None, torch.zeros(2, 1), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="objective must be"):
        fit(Gaussian(1), torch.zeros(4, 1), objective="energy")
    with pytest.raises(TypeError, match="P's log density"):
        fit(Gaussian(1), torch.zeros(4, 1), objective="model-reverse-kl")
    with pytest.raises(TypeError, match="takes samples"):
        fit(Gaussian(1), lambda z: z)
    with pytest.raises(ValueError, match="at least 2"):
        Flow(1)


def test_maximum_likelihood_of_a_gaussian_is_its_moments():
    torch.manual_seed(0)
    data = torch.randn(500, 2) @ torch.tensor([[1.0, 0.5], [0.0, 2.0]]) + torch.tensor([1.0, -1.0])
    model = Gaussian(2)
    losses = fit(model, data, steps=400, batch=500, rate=0.05, seed=1)
    np.testing.assert_allclose(model.mean.detach(), data.mean(0), atol=1e-2)
    covariance = (model.factor @ model.factor.T).detach()
    np.testing.assert_allclose(covariance, torch.cov(data.T, correction=0), rtol=0.02, atol=0.02)
    entropy = 0.5 * torch.logdet(2 * math.pi * math.e * torch.cov(data.T, correction=0))
    assert losses[-1] == pytest.approx(float(entropy), abs=1e-3)


def test_fitting_with_a_seed_repeats_and_leaves_torch_alone():
    data = torch.randn(300, 1)
    torch.manual_seed(9)
    expected = torch.rand(2)
    torch.manual_seed(9)
    one = fit(Gaussian(1), data, steps=5, batch=10, seed=0)
    assert torch.equal(torch.rand(2), expected)
    assert fit(Gaussian(1), data, steps=5, batch=10, seed=0) == one


# ── names ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_name_is_an_objective(name):
    needs = {"renyi": "alpha=0.5", "f_divergence": "f='js'", "parzen_log_likelihood": "bandwidth=0.2"}
    found = parse(f"{name}({needs[name]})" if name in needs else name)
    assert isinstance(found, Objective)
    assert parse(found) is found
    if name not in ("f-gan",):
        assert found.name.startswith(name)


def test_every_name_reads_back():
    for text in ("f-gan(divergence=chi2)", "squared_mmd(bandwidth=1.0)", "transport(p=1)"):
        found = parse(text)
        again = parse(found.name)
        assert (again.name, again.divergence) == (found.name, found.divergence)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hinje", "did you mean 'hinge'"),
        ("hinge(x=1)", "no option 'x'"),
        ("precision_recall", "cannot be descended"),
        ("parzen_log_likelihood", "needs a bandwidth"),
        ("f-gan(divergence=nothing)", "f must be one of"),
        ("renyi", "needs alpha"),
        ("squared_mmd(bandwith=1)", "no option 'bandwith'"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_value_at_the_optimum():
    assert Value(-2.0, 2.0)(1.0) == 0.0
    assert parse("minimax").value_at_optimum(math.log(2)) == 0.0
    assert parse("cramer-gan").value_at_optimum is None
