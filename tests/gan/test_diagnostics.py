"""The diagnostics against closed forms: known densities, known equilibria, published eigenvalues."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit, ndtr
from scipy.stats import norm
from torch import nn

from divergences.critic.networks import OrthogonalCritic
from gan import cli, data, diagnostics, networks, regularizers
from gan.commands.diagnose import plain
from gan.diagnostics import (
    dirac,
    duality_gap,
    equilibrium,
    four_panels,
    generator_gradients,
    lipschitz,
    optimal_critic,
    pictures,
    slopes,
    value_along_training,
)
from gan.diagnostics._line import position
from gan.diagnostics.optimal import LINE, ValueCurve
from gan.model import Frame, Model
from gan.objectives import parse
from gan.recipes import Recipe
from gan.training import train

GAUSSIAN = data.load("gaussian(n=2000)")
FRAME = Frame(1, None, np.zeros(1), np.ones(1))
JS_OF_A_SHIFT = 0.1114214  # between N(0, 1) and N(1, 1)


class Map(nn.Module):
    """A network given as a function of its input and one weight."""

    def __init__(self, function, value=0.0):
        super().__init__()
        self.function, self.value = function, nn.Parameter(torch.tensor(float(value)))

    def forward(self, x):
        return self.function(x, self.value)


def model(generator, critic, recipe=None):
    """A model that stands where it is put: N(0, 1) noise in one dimension."""
    recipe = Recipe(data="gaussian", objective="minimax", latent=1) if recipe is None else recipe
    return Model(recipe, FRAME, generator, generator, critic, recipe.iterations)


def shifted(by, critic):
    return model(Map(lambda z, shift: z + shift, by), critic)


def small_critic(zero=False):
    torch.manual_seed(0)
    network = networks.critic("mlp(32, 32)", networks.Space(1))
    if zero:
        nn.init.zeros_(network[-1].weight)
    return network


# ── the line ────────────────────────────────────────────────────────────────────────────────


def masses_between(edges, below):
    return np.diff([below(edge) for edge in edges])


@pytest.mark.parametrize(
    ("function", "below"),
    [
        (lambda z, _: 0.5 * z + 1, lambda x: ndtr(2 * (x - 1))),
        (lambda z, _: -z, ndtr),
        (lambda z, _: z.abs(), lambda x: max(2 * ndtr(x) - 1, 0)),
        (lambda z, _: z.clamp_min(0.0), lambda x: ndtr(x) if x >= 0 else 0.0),  # half the mass at 0
    ],
    ids=["linear", "mirrored", "folded", "flat"],
)
def test_a_generators_masses_are_those_of_its_distribution(function, below):
    at = position(model(Map(function), small_critic()), GAUSSIAN)
    np.testing.assert_allclose(at.q, masses_between(at.edges, below), atol=1e-5)
    assert at.q.sum() == pytest.approx(1)


@pytest.mark.parametrize(("prior", "half"), [("uniform", 1.0), ("unit-uniform", math.sqrt(3))])
def test_uniform_noise_and_the_data_have_their_densities(prior, half):
    recipe = Recipe(data="gaussian", objective="minimax", latent=1, prior=prior)
    at = position(model(Map(lambda z, _: 2 * z), small_critic(), recipe), GAUSSIAN)
    np.testing.assert_allclose(
        at.q, masses_between(at.edges, lambda x: np.clip(x / (4 * half) + 0.5, 0, 1)), atol=1e-6
    )
    np.testing.assert_allclose(at.p, masses_between(at.edges, ndtr), atol=1e-6)
    assert np.all(np.diff(at.z) > 0)
    np.testing.assert_allclose(at.images, 2 * at.z, rtol=1e-6)


def test_divergences_on_the_line_are_the_closed_forms():
    at = position(shifted(1.0, Map(lambda x, _: 0.5 - x)), GAUSSIAN)
    assert at.divergence("js") == pytest.approx(JS_OF_A_SHIFT, abs=1e-5)
    assert at.divergence("kl") == pytest.approx(0.5, abs=1e-4)
    assert at.divergence("wasserstein") == pytest.approx(1.0, abs=1e-4)
    # log p/q = 1/2 − x: the optimal discriminator of this pair, and its value
    seen = at.p > 1e-6
    np.testing.assert_allclose(at.discriminator[seen], at.optimum[seen], atol=1e-4)
    assert at.bound(parse("minimax")) == pytest.approx(JS_OF_A_SHIFT, abs=1e-5)
    assert at.bound(parse("minimax")) <= at.divergence("js")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"latent": 2}, "use latent=1"), ({"packing": 2, "batch": 4}, "packing=1")],
)
def test_what_has_no_known_density_is_refused(changes, message):
    recipe = Recipe(data="gaussian", objective="minimax").but(**{"latent": 1, **changes})
    with pytest.raises(ValueError, match=message):
        position(model(Map(lambda z, _: z[:, :1]), small_critic(), recipe), GAUSSIAN)


def test_data_of_unknown_density_are_refused():
    with pytest.raises(ValueError, match="on the line whose density is known"):
        optimal_critic("ring(n=100)", steps=1)
    nameless = data.Dataset("mine", *[GAUSSIAN.train] * 3)
    with pytest.raises(ValueError, match="no known density"):
        optimal_critic(nameless, steps=1)


# ── the discriminator ───────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def trained():
    return optimal_critic(
        "gaussian(n=2000)", "gaussian(n=2000, mean=1)", steps=400, critic="mlp(32, 32)", batch=512
    )


def test_a_trained_discriminator_is_near_p_over_p_plus_q(trained):
    assert trained.mean_error < 0.02
    assert trained.mean_error <= trained.rms_error
    # independent quadrature of the errors and of the bound
    p, q = norm(0, 1).pdf, norm(1, 1).pdf
    at = trained.position
    d = np.interp(at.x, at.x, at.discriminator)
    mixture = (p(at.x) + q(at.x)) / 2 * at.width
    assert trained.mean_error == pytest.approx(float(mixture @ np.abs(d - expit(0.5 - at.x))), rel=1e-3)
    bound = quad(lambda x: p(x) * np.log(expit(0.5 - x)) + q(x) * np.log(expit(x - 0.5)), -9, 10)[0]
    assert trained.bound == pytest.approx(bound, abs=1e-6)
    assert trained.bound == pytest.approx(-math.log(4) + 2 * JS_OF_A_SHIFT, abs=1e-6)
    assert "mean error" in str(trained)


def test_the_value_left_bounds_the_error(trained):
    """V* − V = 2 E KL(Bernoulli(D*) ‖ Bernoulli(D)) ≥ 4 E (D − D*)², by Pinsker's inequality."""
    untrained = optimal_critic(steps=0)
    for found in (trained, untrained):
        assert found.gap > 0
        assert found.rms_error <= math.sqrt(found.gap / 4)
    assert untrained.gap > 20 * trained.gap
    assert untrained.rms_error > 5 * trained.rms_error


def test_an_f_gan_critic_has_the_same_optimum():
    found = optimal_critic(
        "gaussian(n=2000)", "gaussian(n=2000, mean=1)", objective="f-gan(divergence=kl)", steps=300,
        critic="mlp(32, 32)", batch=512,
    )  # fmt: skip
    assert found.bound == pytest.approx(0.5, abs=1e-5)
    assert 0 < found.gap < 0.05
    assert found.mean_error < 0.05


@pytest.mark.parametrize("name", ["hinge", "wgan", "lsgan"])
def test_outputs_that_are_no_log_ratio_are_refused(name):
    with pytest.raises(ValueError, match="are not log p/q"):
        optimal_critic(objective=name, steps=1)
    with pytest.raises(ValueError, match="no bound to look at"):
        optimal_critic(objective="relativistic", steps=1)


SHORT = LINE.but(
    iterations=60, batch=128, generator="mlp(16, activation=tanh)",
    critic="fourier(32, directions=8, low=0.3, high=4.0)",
)  # fmt: skip


def test_along_a_run_the_value_is_below_the_divergence_and_reaches_it_when_d_is_trained_on():
    found = value_along_training(SHORT, looks=6, best=2, best_steps=250)
    assert found.worst_excess <= 1e-9
    np.testing.assert_array_equal(found.iterations, [0, 10, 20, 30, 40, 50, 60])
    np.testing.assert_array_equal(found.best_at, [0, 30])
    truth = found.divergences[[0, 3]]
    assert (found.best <= truth + 1e-9).all()
    assert (found.best > 0.9 * truth).all()
    assert (found.best > found.values[[0, 3]]).all()
    assert found.slope == 2
    assert found.divergences[0] == pytest.approx(2 * found_js_at_start(), rel=1e-9)


def found_js_at_start():
    """The same first position, from a run that only begins."""
    seen = []
    dataset = data.load(SHORT.data, seed=SHORT.seed)
    train(
        SHORT.but(iterations=1),
        dataset=dataset,
        measure=None,
        watch=lambda m: seen.append(position(m, dataset)),
    )
    return seen[0].divergence("js")


def test_a_wasserstein_critics_word_is_called_no_bound():
    found = value_along_training(
        SHORT.but(objective="wgan-gp", regularizer=None, iterations=4), looks=2, best=1, best_steps=3
    )
    assert not found.is_bound
    assert found.slope == 1
    assert found.divergence == "wasserstein"
    assert "bounds it only as far" in pictures.value_along_training(found).caption
    with pytest.raises(ValueError, match="no bound to look at"):
        value_along_training(SHORT.but(objective="energy"))


# ── gradients ───────────────────────────────────────────────────────────────────────────────


def test_where_supports_are_apart_the_saturating_gradient_dies_and_the_other_does_not():
    """Arjovsky & Bottou 2017, theorem 2.4 and figure 2."""
    found = generator_gradients(
        shifted(8.0, small_critic()), GAUSSIAN, critic="mlp(32)", steps=300, batch=64, rate=1e-2
    )
    assert found.accuracy[-1] > 0.99
    assert found.saturating[-1] < 1e-2 * found.saturating.max()
    assert found.non_saturating[-1] > 0.5 * found.non_saturating[0]
    assert found.steps[0] == 0
    assert found.steps[-1] == 300


def test_where_p_is_q_both_gradients_stay_alike():
    found = generator_gradients(
        shifted(0.0, small_critic()), GAUSSIAN, critic="mlp(32)", steps=100, batch=256
    )
    assert found.accuracy[-1] < 0.6
    # D near 1/2 weighs both by a half
    np.testing.assert_allclose(found.saturating, found.non_saturating, rtol=0.5, atol=5e-3)


def test_the_gradients_are_those_of_the_losses():
    """At a critic of known slope: d/dθ log(1 − D(z + θ)) = −s D, and of −log D, −s (1 − D)."""
    by = 1.5
    found = generator_gradients(
        shifted(by, small_critic()), GAUSSIAN, critic="mlp(init=default)", steps=1, batch=4000
    )
    torch.manual_seed(0)
    from gan._random import seeded

    with seeded(torch.device("cpu"), 0):
        line = networks.critic("mlp(init=default)", networks.Space(1))
    weight, bias = (float(part.detach().squeeze()) for part in line.parameters())
    z = norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    d = expit(weight * (z + by) + bias)
    assert found.saturating[0] == pytest.approx(abs(weight) * d.mean(), rel=0.03)
    assert found.non_saturating[0] == pytest.approx(abs(weight) * (1 - d).mean(), rel=0.03)


# ── slopes ──────────────────────────────────────────────────────────────────────────────────


def between(network, d, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, 400, d, generator=generator)
    return lipschitz(network.double(), x.double(), 3 * y.double()), x.double(), 3 * y.double()


def test_the_slope_of_a_known_function():
    x = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    found = lipschitz(lambda z: z.square().sum(1), x, -x)
    assert found.lower == pytest.approx(10.0)
    assert found.upper is None
    assert "no torch module" in found.missing
    assert set(found.slopes) == {"real", "fake", "between"}


IMAGE = networks.Space(64, (8, 8))


@pytest.mark.parametrize(
    ("text", "space"),
    [
        *((f"mlp(16, 16, activation={name})", networks.Space(3)) for name in networks.ACTIVATIONS),
        ("mlp(16, dropout=0.5)", networks.Space(3)),
        ("fourier(16, directions=8, high=4.0)", networks.Space(2)),
        ("goodfellow(units=12)", networks.Space(5)),
        ("conv(width=4)", IMAGE),
    ],
)
def test_the_constant_lies_between_the_bounds(text, space):
    torch.manual_seed(1)
    found, *_ = between(networks.critic(text, space), space.d)
    network = networks.critic(text, space)
    assert found.missing is None
    assert 0 < found.lower <= found.upper
    assert found.upper == pytest.approx(math.prod(bound for _, bound in found.layers))
    assert max(values.max() for values in found.slopes.values()) == found.lower
    assert len(found.layers) == len(slopes._chain(network))


def test_no_two_points_are_further_apart_than_the_bound_allows():
    torch.manual_seed(2)
    network = networks.critic("mlp(16, 16)", networks.Space(3)).double()
    found, x, y = between(network, 3)
    with torch.no_grad():
        ratios = (network(x) - network(y)).abs().squeeze(1) / (x - y).norm(dim=1)
    assert float(ratios.max()) <= found.upper


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "groups"), [(3, 1, 1, 1), (4, 2, 1, 1), (3, 2, 0, 2), (2, 3, 0, 1)]
)
def test_a_convolutions_bound_is_above_its_norm(kernel, stride, padding, groups):
    """The operator as a matrix, from its action on every unit vector."""
    torch.manual_seed(3)
    layer = nn.Conv2d(2, 4, kernel, stride=stride, padding=padding, groups=groups, bias=False).double()
    units = torch.eye(2 * 8 * 8, dtype=torch.float64).reshape(-1, 2, 8, 8)
    with torch.no_grad():
        matrix = layer(units).flatten(1)
    ((_, bound),), missing = slopes.upper_bound(layer)
    exact = float(torch.linalg.matrix_norm(matrix, 2))
    assert missing is None
    assert exact <= bound * (1 + 1e-12)
    assert bound < 3 * exact


def test_the_bound_of_fourier_features_is_exact():
    torch.manual_seed(4)
    layer = networks.FourierFeatures(3, 16, 0.5, 10.0).double()
    jacobian = torch.autograd.functional.jacobian(lambda x: layer(x[None])[0], torch.randn(3).double())
    ((_, bound),), _ = slopes.upper_bound(layer)
    assert float(torch.linalg.matrix_norm(jacobian, 2)) == pytest.approx(bound, rel=1e-12)


def test_activations_are_no_steeper_than_said():
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    for make in networks.ACTIVATIONS.values():
        layer = make()
        ((_, bound),), _ = slopes.upper_bound(layer)
        steepest = float(regularizers.input_gradients(lambda z: layer(z), x[:, None]).abs().max())  # noqa: B023
        assert bound - 1e-3 < steepest <= bound + 1e-9


def test_batch_normalisation_scales_by_its_running_variance():
    layer = nn.BatchNorm1d(3).double().eval()
    layer.running_var.copy_(torch.tensor([4.0, 0.25, 1.0]))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, -3.0, 2.0]))
    ((_, bound),), _ = slopes.upper_bound(layer)
    assert bound == pytest.approx(6.0, rel=1e-4)


def test_proved_critics_have_a_bound_of_one_and_spectral_normalisation_about_one():
    torch.manual_seed(5)
    found, *_ = between(OrthogonalCritic(3, width=16), 3)
    assert found.upper == pytest.approx(1.0, abs=1e-6)
    assert 0.3 < found.lower <= found.upper
    normed = networks.critic("mlp(16, 16)", networks.Space(3))
    regularizers.SpectralNorm().prepare(normed)
    for _ in range(100):  # its power iterations
        normed(torch.zeros(1, 3))
    assert between(normed, 3)[0].upper == pytest.approx(1.0, abs=1e-2)


def test_a_layer_nobody_knows_leaves_no_upper_bound():
    found, *_ = between(nn.Sequential(nn.Linear(3, 4), nn.Hardswish(), nn.Linear(4, 1)), 3)
    assert found.upper is None
    assert found.lower > 0
    assert "Hardswish" in str(found)
    assert pictures.lipschitz({"mine": found}).figure is not None


@pytest.mark.parametrize("shape", [(4,), (2, 2)])
def test_the_slope_of_features_is_that_of_their_jacobian(shape):
    """Slopes of a sum of outputs may lie above what is proved, or be 0."""
    torch.manual_seed(0)
    layer = nn.Linear(3, 4)
    features = nn.Sequential(layer, nn.Unflatten(1, shape)) if len(shape) > 1 else layer
    found = lipschitz(features, torch.randn(5, 3), torch.randn(5, 3))
    assert found.lower == pytest.approx(float(torch.linalg.matrix_norm(layer.weight.detach(), 2)), rel=1e-6)
    assert found.upper == pytest.approx(found.lower, rel=1e-6)
    flat = lipschitz(lambda x: torch.cat([x, -x], dim=1), torch.randn(5, 3), torch.randn(5, 3))
    assert flat.lower == pytest.approx(math.sqrt(2), rel=1e-6)


# ── equilibria ──────────────────────────────────────────────────────────────────────────────


def test_at_the_equilibrium_nobody_gains():
    found = duality_gap(shifted(0.0, small_critic(zero=True)), data.load("gaussian"), steps=100, rate=1e-3)
    assert found.equilibrium
    assert abs(found.gap) < 1e-3
    assert "equilibrium, as far" in str(found)


def test_away_from_it_the_critic_gains_twice_the_js_and_a_flat_critic_leaves_the_generator_nothing():
    found = duality_gap(shifted(1.0, small_critic(zero=True)), data.load("gaussian"), steps=250, rate=1e-2)
    assert not found.equilibrium
    assert found.critic.significant
    assert found.critic.value == pytest.approx(2 * JS_OF_A_SHIFT, abs=3 * found.critic.standard_error + 5e-3)
    assert found.generator.value == pytest.approx(0.0, abs=1e-9)
    assert found.gap == found.critic.value + found.generator.value


def test_the_generators_gain_is_that_of_its_best_answer():
    """−log D with D = sigmoid(−x²): from N(2, 1) the best shift is back to N(0, 1)."""
    recipe = Recipe(data="gaussian", objective="non-saturating", latent=1)
    bowl = Map(lambda x, curve: -x.square() - 0 * curve)
    players = model(Map(lambda z, shift: z + shift, 2.0), bowl, recipe)
    found = duality_gap(players, data.load("gaussian"), steps=300, rate=5e-2)
    loss = lambda shift: quad(lambda z: norm.pdf(z) * np.logaddexp(0, (z + shift) ** 2), -9, 9)[0]  # noqa: E731
    truth = loss(2.0) - loss(0.0)
    assert found.generator.value == pytest.approx(truth, abs=4 * found.generator.standard_error + 5e-3)
    assert found.generator.significant


@pytest.mark.parametrize("name", ["wgan-gp", "cramer-gan", "mmd-gan", "relativistic", "lsgan", "wgan"])
def test_every_adversarial_game_can_be_asked(name):
    recipe = Recipe(data="gaussian", objective=name, latent=1, packing=2, batch=32)
    torch.manual_seed(0)
    outputs = 4 if name in ("cramer-gan", "mmd-gan") else 1
    critic = networks.critic(f"mlp(8, outputs={outputs})", networks.Space(1), packing=2)
    small = data.load("gaussian(n=200)")
    small = data.Dataset("small", small.train, small.validation[:400], small.test[:400])
    found = duality_gap(model(Map(lambda z, shift: z + shift, 1.0), critic, recipe), small, steps=3, batch=32)
    assert np.isfinite(found.critic.losses).all()
    assert np.isfinite(found.generator.losses).all()
    assert len(found.critic.losses) == len(found.critic.steps)


@pytest.mark.parametrize("regularizer", ["spectral-norm", "clip(0.05)"])
def test_a_best_response_is_a_critic_within_the_constraint(monkeypatch, regularizer):
    """Spectral norms must follow the weights, and clipped ones be valued as clipped."""
    recipe = Recipe(data="gaussian", objective="wgan", latent=1, regularizer=regularizer)
    torch.manual_seed(0)
    critic = networks.critic("mlp(16, 16)", networks.Space(1))
    regularizers.parse(regularizer).prepare(critic)
    regularizers.parse(regularizer).constrain(critic)
    for _ in range(50):
        critic(torch.randn(4, 1))
    valued = []
    losses = equilibrium._HeldOut.losses

    def noted(self, loss):
        valued.append([layer.weight.detach().clone() for layer in answering[0].modules()
                       if isinstance(layer, nn.Linear)])  # fmt: skip
        return losses(self, loss)

    answering = []
    respond = equilibrium._response
    monkeypatch.setattr(
        equilibrium,
        "_response",
        lambda network, *rest: (answering.insert(0, network), respond(network, *rest))[1],
    )
    monkeypatch.setattr(equilibrium._HeldOut, "losses", noted)
    small = data.load("gaussian(n=400)")
    critic.eval()
    duality_gap(
        model(Map(lambda z, shift: z + shift, 2.0), critic, recipe), small, steps=200, batch=64, rate=1e-2
    )
    for weights in filter(None, valued):
        for weight in weights:
            if regularizer == "spectral-norm":
                assert float(torch.linalg.matrix_norm(weight, 2)) < 1.1
            else:
                assert float(weight.abs().max()) <= 0.05 + 1e-8  # of float32


def test_the_true_curve_is_called_what_it_is():
    for objective, slope, named in (
        ("hinge", 2.0, "2 TV"),
        ("lsgan", 0.5, "0.5 triangular"),
        ("minimax", 2.0, "2 JS"),
    ):
        divergence = {"hinge": "tv", "lsgan": "triangular", "minimax": "js"}[objective]
        at = np.array([1, 2, 3])
        found = ValueCurve(objective, divergence, slope, True, at, at / 9, at / 5, at[:0], at[:0] / 1, None)
        axis = pictures.value_along_training(found).figure.axes[0]
        assert axis.get_legend_handles_labels()[1][0] == named
        assert axis.get_ylabel() == ("nats" if divergence == "js" else "")


@pytest.mark.parametrize(("objective", "critic", "packing"), [
    ("minimax", "mlp(8)", 5), ("cramer-gan", "mlp(8, outputs=4)", 1),
])  # fmt: skip
def test_gradients_of_packed_runs_and_of_runs_on_features(objective, critic, packing):
    recipe = Recipe(data="gaussian", objective=objective, latent=1, packing=packing, batch=50, critic=critic)
    players = model(
        Map(lambda z, shift: z + shift, 1.0),
        networks.critic(critic, networks.Space(1), packing=packing),
        recipe,
    )
    found = generator_gradients(players, GAUSSIAN, steps=5, batch=64)
    assert np.isfinite(found.saturating).all()
    assert ((found.accuracy >= 0) & (found.accuracy <= 1)).all()


def test_a_run_without_a_critic_has_no_equilibrium_to_ask_for():
    with pytest.raises(ValueError, match="no critic"):
        duality_gap(model(Map(lambda z, _: z), None, Recipe(objective="energy", latent=1)), GAUSSIAN)
    few = data.Dataset("few", *[GAUSSIAN.train[:30]] * 3)
    with pytest.raises(ValueError, match="at least 40 held-out rows"):
        duality_gap(shifted(0.0, small_critic()), few, steps=1)


# ── the Dirac-GAN ───────────────────────────────────────────────────────────────────────────

H = 0.1
# f'(0) of Mescheder et al. 2018: the slope of the loss in D at the equilibrium
SLOPES = {"minimax": 0.5, "non-saturating": 0.5, "wgan": 1.0, "hinge": 1.0}


def published(update, slope, *, gamma=0.0, critic_steps=1):
    """Eigenvalues of a step at (0, 0): Mescheder et al. 2018, section 2 and, with penalties, section 3."""
    if gamma:
        field = -gamma / 2 + np.array([1, -1]) * np.emath.sqrt(gamma**2 / 4 - slope**2)
        return 1 + H * field
    turn = 1j * H * slope * np.array([1, -1])
    if update == "simultaneous":
        return 1 + turn
    if update == "extragradient":
        return 1 + turn + turn**2
    alpha = math.sqrt(critic_steps) * H * slope
    return 1 - alpha**2 / 2 + np.array([1, -1]) * np.emath.sqrt((1 - alpha**2 / 2) ** 2 - 1)


def same_eigenvalues(found, truth, tolerance=1e-7):
    np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(truth), atol=tolerance)


@pytest.mark.parametrize("objective", SLOPES)
@pytest.mark.parametrize(
    ("update", "verdict"),
    [("simultaneous", "diverges"), ("alternating", "cycles"), ("extragradient", "converges")],
)
def test_without_a_regulariser_the_rule_decides(objective, update, verdict):
    found = dirac(objective, update=update, rate=H, steps=0)
    same_eigenvalues(found.eigenvalues, published(update, SLOPES[objective]))
    assert found.verdict == verdict


@pytest.mark.parametrize("critic_steps", [2, 5])
def test_more_critic_steps_only_turn_faster(critic_steps):
    found = dirac(critic_steps=critic_steps, rate=H, steps=0)
    same_eigenvalues(found.eigenvalues, published("alternating", 0.5, critic_steps=critic_steps))
    assert found.verdict == "cycles"


@pytest.mark.parametrize("regularizer", ["r1", "r2"])
@pytest.mark.parametrize("gamma", [0.3, 1.5])
def test_zero_centred_penalties_have_the_published_eigenvalues_and_converge(regularizer, gamma):
    found = dirac(update="simultaneous", regularizer=f"{regularizer}({gamma})", rate=H, steps=700)
    same_eigenvalues(found.eigenvalues, published("simultaneous", 0.5, gamma=gamma))
    assert found.verdict == "converges"
    assert found.distance[-1] < 1e-3


def test_alternating_with_r1_is_the_product_of_its_two_steps():
    found = dirac(regularizer="r1(0.3)", rate=H, steps=0)
    critic_step = np.array([[1, 0], [-H / 2, 1 - H * 0.3]])
    generator_step = np.array([[1, H / 2], [0, 1]])
    same_eigenvalues(found.eigenvalues, np.linalg.eigvals(generator_step @ critic_step))


def test_paths_do_what_the_theory_says():
    apart = dirac(update="simultaneous", rate=H, steps=400)
    assert (np.diff(apart.distance) > 0).all()  # in every single step
    around = dirac(rate=H, steps=600)
    assert (
        0.9 < around.distance.min() / around.distance[0] <= around.distance.max() / around.distance[0] < 1.1
    )
    for update in ("simultaneous", "alternating"):
        clipped = dirac("wgan", update=update, regularizer="clip(1.0)", rate=H, steps=400)
        assert clipped.distance[-150:].min() > 0.5
        assert np.abs(clipped.path[1:, 1]).max() <= 1 + 2 * H
    ahead = dirac("wgan", update="extragradient", regularizer="clip(0.5)", rate=H, steps=60)
    assert np.abs(ahead.path[1:, 1]).max() <= 0.5 + 2 * H
    exact = dirac("wgan", update="simultaneous", rate=H, steps=1)
    np.testing.assert_allclose(exact.path, [[1.0, 1.0], [1 + H, 1 - H]], atol=1e-12)


@pytest.mark.parametrize("update", ["simultaneous", "alternating", "extragradient"])
def test_a_penalty_that_aims_at_slope_one_has_no_jacobian_and_never_settles(update):
    found = dirac("wgan-gp", update=update, regularizer="gradient-penalty(1.0)", rate=H, steps=500)
    assert found.eigenvalues is None
    assert found.radius is None
    assert found.verdict == "does not settle"
    assert found.distance[-300:].min() > 0.3
    assert "no Jacobian" in str(found)


def test_arrows_lead_where_a_step_leads():
    found = dirac("wgan", update="simultaneous", rate=H, steps=0, arrows=3, extent=1.0)
    theta, psi = found.grid.T
    np.testing.assert_allclose(found.arrows, H * np.stack([psi, -theta], 1), atol=1e-12)


def test_a_game_of_one_is_refused():
    with pytest.raises(ValueError, match="game of two"):
        dirac("energy", steps=0)


# ── the figure ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def figure():
    return four_panels(SHORT.but(iterations=300), early=60, critic_steps=300, generator_steps=5, frames=6)


def test_the_four_panels_are_what_they_are_called(figure):
    a, b, c, d = figure.panels
    assert (a.iteration, d.iteration) == (60, 300)
    # (b): the same generator, a discriminator nearer to its optimum
    np.testing.assert_array_equal(a.q, b.q)
    minimax = parse("minimax")
    assert a.bound(minimax) < b.bound(minimax) <= b.divergence("js") + 1e-12
    assert b.bound(minimax) > 0.8 * b.divergence("js")
    # (c): the same discriminator, a generator that it takes for real more often
    loss = lambda at: float(at.q @ np.logaddexp(0, -at.outputs))  # noqa: E731
    assert loss(c) < loss(b)
    # (d): near the data
    assert d.divergence("js") < 0.5 * figure.frames[0].divergence("js")
    assert [at.iteration for at in figure.frames] == sorted({at.iteration for at in figure.frames})
    assert figure.frames[0].iteration == 0
    assert figure.js[3] == d.divergence("js")


def test_looking_changes_nothing(figure):
    again = four_panels(SHORT.but(iterations=300), early=30, critic_steps=3, generator_steps=1, frames=2)
    np.testing.assert_array_equal(again.panels[3].q, figure.panels[3].q)
    np.testing.assert_array_equal(again.panels[3].outputs, figure.panels[3].outputs)


def test_a_moment_outside_the_run_is_refused():
    with pytest.raises(ValueError, match="early must be an iteration of the run"):
        four_panels(SHORT, early=61)


def test_the_film_has_its_frames(figure, tmp_path):
    from PIL import Image

    pictures.film(figure, tmp_path / "film.gif", fps=2)
    with Image.open(tmp_path / "film.gif") as film:
        # equal frames are merged, the held last one too
        assert len(figure.frames) <= film.n_frames <= len(figure.frames) + 4


# ── pictures and the command ────────────────────────────────────────────────────────────────


def test_every_record_has_its_picture(trained, figure):
    gaps = [duality_gap(shifted(1.0, small_critic()), GAUSSIAN, steps=3)]
    norms = [generator_gradients(shifted(1.0, small_critic()), GAUSSIAN, critic="mlp(4)", steps=3)]
    curve = value_along_training(SHORT.but(iterations=4), looks=2, best=1, best_steps=2)
    bounds = {"one": between(small_critic(), 1)[0]}
    drawn = [
        pictures.optimal_critic(trained),
        pictures.four_panels(figure),
        pictures.duality_gap(gaps),
        pictures.generator_gradients(norms),
        pictures.value_along_training(curve),
        pictures.lipschitz(bounds),
        pictures.dirac([[dirac(steps=5), dirac(update="simultaneous", steps=5)]]),
    ]
    for picture in drawn:
        assert picture.svg().startswith("<svg")
        assert picture.title
        assert picture.caption.endswith(".")
        assert picture.alt
    assert len({picture.title for picture in drawn}) == len(drawn)


def gan(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main([*map(str, arguments)])
    return left.value.code


def test_the_command_leaves_pictures_and_numbers(tmp_path, capsys):
    assert gan("diagnose", "four-panels", "--quick", "-q", "--out", tmp_path) == 0
    out = capsys.readouterr().out
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"four-panels.{kind}" for kind in ("png", "svg", "json", "gif")}
    numbers = json.loads((tmp_path / "four-panels.json").read_text())
    assert f"four-panels: {numbers['found'][0]['says']}" in out
    assert numbers["found"][0]["panels"][3]["iteration"] == 60


def test_numbers_are_kept_as_plain_ones():
    numbers = json.loads(json.dumps(plain([dirac(update="simultaneous", rate=H, steps=2)])))
    assert numbers[0]["says"].startswith("minimax + none, simultaneous, rate 0.1: diverges")
    assert math.hypot(*numbers[0]["eigenvalues"][0]) == pytest.approx(abs(1 + 0.05j), abs=1e-7)
    assert len(numbers[0]["path"]) == 3
    assert "grid" not in numbers[0], "162 numbers are for a picture"


def test_the_command_looks_at_a_run_of_yours(tmp_path, capsys):
    rows = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    np.save(tmp_path / "mine.npy", rows)
    recipe = Recipe(
        data=str(tmp_path / "mine.npy"), generator="mlp(8)", critic="mlp(8)", batch=16, iterations=3
    )
    train(recipe, out=tmp_path / "run", measure=None, tensorboard=False, accelerator="cpu")
    assert gan("diagnose", "--run", tmp_path / "run", "--quick", "-q", "--out", tmp_path / "seen") == 0
    out = capsys.readouterr().out
    assert "lipschitz: checkpoint: Lipschitz constant at least" in out
    assert "equilibrium: relativistic, iteration 3" in out
    assert (tmp_path / "seen" / "gradients.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dirak"], "unknown diagnosis 'dirak'; did you mean 'dirac'?"),
        (["value", "--run", "x.pt"], "value trains on the line for itself and takes no --run"),
        (["lipschitz", "--run", "nowhere.pt"], "nowhere.pt: no such checkpoint"),
    ],
)
def test_what_cannot_be_diagnosed_is_one_line(arguments, message, tmp_path, capsys):
    assert gan("diagnose", *arguments, "--out", tmp_path) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_names_are_there():
    assert all(callable(getattr(diagnostics, name)) for name in diagnostics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'dirak'"):
        diagnostics.dirak  # noqa: B018
