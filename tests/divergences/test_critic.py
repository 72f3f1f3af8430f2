"""Dual bounds against exact divergences, critics against their Lipschitz constant, neural_dual against W1."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import nn

import divergences as dv
from divergences import pmf
from divergences._inputs import DivergenceWarning, check_pair
from divergences.critic import networks, neural, training
from divergences.critic.dual import DUALS, as_dual, variational
from divergences.fdivergence import FDIVERGENCES, FDivergence, alpha_divergence

SEPARABLE = [name for name, dual in DUALS.items() if not dual.lipschitz]
EVERY_DUAL = pytest.mark.parametrize("name", SEPARABLE)


def finite(rng, k=12):
    return rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(k))


def exact(name, p, q):
    return float(np.sum(FDIVERGENCES[DUALS[name].divergence].perspective(p, q)))


# ── the bounds ──────────────────────────────────────────────────────────────────────────────


@EVERY_DUAL
def test_the_bound_at_its_optimum_is_the_divergence(name, rng):
    for _ in range(5):
        p, q = finite(rng)
        v = DUALS[name].optimum(np.log(p / q))
        assert float(DUALS[name].bound(v, v, p, q)) == pytest.approx(exact(name, p, q), abs=1e-10, rel=1e-10)


@EVERY_DUAL
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_no_critic_is_above_the_divergence(name, library, rng):
    p, q = finite(rng)
    truth = exact(name, p, q)
    best = DUALS[name].optimum(np.log(p / q))
    for size in (0.01, 0.3, 3.0):
        v = np.clip(best, -5, 5) + size * rng.normal(size=len(p))
        arrays = (v, v, p, q) if library == "numpy" else [torch.from_numpy(z) for z in (v, v, p, q)]
        assert float(DUALS[name].bound(*arrays)) <= truth + 1e-12


def test_donsker_varadhan_is_never_below_the_variational_bound(rng):
    p, q = finite(rng)
    for _ in range(20):
        v = rng.normal(size=len(p))
        tight, loose = (float(DUALS[name].bound(v, v, p, q)) for name in ("kl", "nwj"))
        assert loose <= tight <= exact("kl", p, q)


def test_the_js_bound_is_the_discriminators(rng):
    """½(E log D + E log(1 − D) + log 4)."""
    on_real, on_fake = rng.normal(size=50), rng.normal(size=60)
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    value = np.mean(np.log(sigmoid(on_real))) + np.mean(np.log(1 - sigmoid(on_fake)))
    assert float(DUALS["js"].bound(on_real, on_fake)) == pytest.approx((value + math.log(4)) / 2, rel=1e-12)


@pytest.mark.parametrize("name", DUALS)
def test_weights_are_repeated_rows(name, rng):
    on_real, on_fake, counts = rng.normal(size=6), rng.normal(size=6), np.array([1, 3, 2, 0, 1, 1])
    weighted = DUALS[name].bound(on_real, on_fake, counts / counts.sum(), counts / counts.sum())
    repeated = DUALS[name].bound(np.repeat(on_real, counts), np.repeat(on_fake, counts))
    assert float(weighted) == pytest.approx(float(repeated), rel=1e-12)


@pytest.mark.parametrize("name", ["js", "kl", "chi2", "wasserstein"])
def test_standard_error_is_the_spread_of_the_bound(name, rng):
    dual = DUALS[name]
    draws = [(0.5 * rng.normal(size=400) + 0.3, 0.5 * rng.normal(size=300)) for _ in range(600)]
    spread = np.std([float(dual.bound(*draw)) for draw in draws])
    claimed = np.mean([dual.standard_error(*draw) for draw in draws])
    assert claimed == pytest.approx(spread, rel=0.1)


def test_as_dual():
    assert as_dual("kl").log_mean
    assert not as_dual("nwj").log_mean
    assert as_dual(DUALS["hinge"]) is DUALS["hinge"]
    assert as_dual(alpha_divergence(0.5)).name == "alpha(0.5)"
    assert DUALS["wasserstein"].guarantee == "every 1-Lipschitz critic"
    assert DUALS["js"].guarantee == "every critic"
    with pytest.raises(ValueError, match="did you mean 'wasserstein'"):
        as_dual("waserstein")
    with pytest.raises(TypeError, match="divergence must be a name"):
        as_dual(3)
    with pytest.raises(ValueError, match="needs activation="):
        variational(FDivergence("mine", lambda t: (t - 1) ** 2))


# ── the networks ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", neural.PROVED)
@pytest.mark.parametrize("d", [1, 2, 70])
def test_a_proved_critic_is_1_lipschitz_before_in_and_after_training(kind, d):
    with training.seeded(1, torch.device("cpu")):
        x, y = torch.randn(60, d), torch.randn(60, d) + 1
        critic = networks.CRITICS[kind].make(x, y)
        for stage in range(3):
            far, near = torch.randn(2, 200, d, dtype=torch.float64) * 3
            for mode in (True, False):
                plain = critic.double().train(mode)
                with torch.no_grad():
                    rise = (plain(far) - plain(near)).abs()
                assert bool((rise <= (far - near).norm(dim=1) * (1 + 1e-5) + 1e-9).all())
            critic.float()
            if stage == 0:
                training.fit(
                    critic,
                    networks.CRITICS[kind],
                    DUALS["wasserstein"],
                    lambda: (x, y),
                    lambda _: 0.0,
                    steps=20,
                )


def test_the_exact_potential_is_a_critic_and_wins_where_rows_are_enough():
    rng = np.random.default_rng(5)
    # between few rows W1 is above, and their potential elsewhere below, the W1 of the distributions
    x, y = rng.normal(size=(5000, 2)), rng.normal(size=(5000, 2)) * 1.5 + [1.0, 0.0]
    found = dv.neural_dual(x, y, critic="potential", rng=0)
    assert found.certificate.lower <= found.certificate.upper
    assert found.value == pytest.approx(found.certificate.upper, rel=0.02)
    chosen = dv.neural_dual(x[:900], y[:900], steps=40, rng=0)  # 40 steps teach nobody enough to beat it
    assert chosen.notes[0].startswith("critic 'potential'")


def test_the_exact_potential_heeds_weights():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 200, 2))
    y[100:] += 50.0  # of no weight: none of these may be a centre
    rows = (x, y, np.full(200, 1 / 200), np.repeat([1 / 100, 0.0], 100))
    kind, dual = networks.CRITICS["potential"], DUALS["wasserstein"]
    critic, _ = training.trained(kind, dual, rows, rows, steps=1, batch=50, seed=0)
    assert float(critic.centres.detach().max()) < 25.0


def test_a_clearly_better_critic_is_preferred_to_the_exact_potential():
    rng = np.random.default_rng(5)  # in 64 dimensions 300 rows are too few for an exact potential
    x, y = rng.normal(size=(600, 64)), rng.normal(size=(600, 64)) + 0.5
    found = dv.neural_dual(x, y, steps=150, rng=0)
    assert found.notes[0].startswith("critic 'orthogonal'")


def test_weights_stay_orthonormal_while_the_loss_pulls_on_them():
    with training.seeded(1, torch.device("cpu")):
        x, y = torch.randn(60, 3), torch.randn(60, 3) + 1
        kind = networks.CRITICS["orthogonal"]
        critic = kind.make(x, y)
        training.fit(
            critic, kind, DUALS["wasserstein"], lambda: (x, y), lambda _: 0.0, steps=30, keep_best=False
        )
        layers = [layer for layer in critic.modules() if isinstance(layer, torch.nn.Linear)]
        assert len(layers) == 4
        for layer in layers:
            np.testing.assert_allclose(torch.linalg.svdvals(layer.weight.detach()), 1.0, atol=1e-5)


def test_rows_that_value_a_critic_did_not_train_it(rng):
    """In 64 dimensions any two samples can be told apart by rote; on fresh rows that is worth nothing."""
    x, y = rng.normal(size=(120, 64)), rng.normal(size=(120, 64))
    found = dv.neural_dual(x, y, critic="orthogonal", steps=100, rng=0)
    assert abs(found.value) < 4 * found.standard_error


def test_a_funnel_has_slope_one():
    critic = networks.FunnelCritic(torch.randn(9, 4, dtype=torch.float64)).eval()
    norms = training.gradient_norms(critic, torch.randn(50, 4, dtype=torch.float64))
    np.testing.assert_allclose(norms.numpy(), 1.0, rtol=1e-9)


@pytest.mark.parametrize("d", [3, 40])
def test_the_ratio_critic_starts_at_zero(d):
    assert float(networks.RatioCritic(d)(torch.randn(5, d)).abs().max().detach()) == 0


# ── W1 ──────────────────────────────────────────────────────────────────────────────────────


def mixture(rng, centres, n):
    return np.asarray(centres)[rng.integers(len(centres), size=n)] + 0.5 * rng.normal(size=(n, 2))


def test_w1_of_mixtures_in_the_plane_is_within_two_percent_of_exact():
    rng = np.random.default_rng(1)
    x, y = (mixture(rng, c, 4000) for c in ([[0, 0], [4, 0], [0, 4]], [[1, 1], [5, -1], [-2, 3]]))
    found = dv.neural_dual(x, y, critic="orthogonal", steps=500, rng=0)
    held = found.certificate.upper
    assert found.value == pytest.approx(held, rel=0.02)
    assert 0.98 * held <= found.certificate.lower <= held
    assert found.value == pytest.approx(float(dv.wasserstein(x, y)), rel=0.02)
    assert found.value in found.interval
    assert "% low" in found.notes[-1]
    assert (found.n, found.m, found.d, found.seed) == (4000, 4000, 2, 0)


def test_w1_of_a_shift_in_64_dimensions_is_within_five_percent():
    """Of the distributions: the exact W1 of the samples is far above it, and the certificate says so."""
    rng = np.random.default_rng(0)
    shift = np.zeros(64)
    shift[:4] = 2.0
    x, y = rng.normal(size=(2000, 64)), rng.normal(size=(2000, 64)) + shift
    found = dv.neural_dual(x, y, critic="orthogonal", steps=200, exact=True, rng=0)
    assert found.value == pytest.approx(4.0, rel=0.05)
    assert found.certificate.lower == pytest.approx(found.certificate.upper, rel=0.05)
    assert found.certificate.upper > 8


@pytest.mark.parametrize("theta", [0.7, -30.0])
def test_parallel_lines(theta):
    """Arjovsky et al. 2017, example 1: W1 = |θ|, JS = log 2, by the exact and by the neural dual."""
    rng = np.random.default_rng(2)
    x, y = (np.stack([np.full(600, at), rng.random(600)], axis=1) for at in (0.0, theta))
    found = dv.neural_dual(x, y, critic="orthogonal", steps=100, rng=0)
    assert found.value == pytest.approx(abs(theta), rel=0.01)
    assert found.certificate.lower == pytest.approx(abs(theta), rel=0.01)
    assert dv.neural_dual(x, y, divergence="js", steps=100, rng=0).value == pytest.approx(
        math.log(2), abs=1e-3
    )
    edges = np.array([min(theta, 0) - 1, theta / 2, max(theta, 0) + 1])
    assert float(dv.js(x[:, 0], y[:, 0], estimator="histogram", bins=edges)) == pytest.approx(math.log(2))


def test_the_certified_bound_is_never_above_the_exact_value():
    """100 random problems, every kind of critic, the exact value by another library's assignment."""
    kinds = [name for name in networks.CRITICS if name != "ratio"]
    tightest = 0.0
    for seed in range(100):
        rng = np.random.default_rng([9, seed])
        n, d = int(rng.integers(16, 40)), int(rng.integers(1, 6))
        scale = 10.0 ** rng.integers(-3, 4)
        x, y = (
            scale * rng.normal(size=(n, d)),
            scale * (rng.normal(size=(n, d)) * rng.random() + rng.normal(size=d)),
        )
        found = dv.neural_dual(x, y, critic=kinds[seed % len(kinds)], steps=6, exact=False, rng=seed)
        split = neural._Split.of(check_pair(x, y), np.random.default_rng(seed), affine=False)
        costs = cdist(*split.raw)
        truth = costs[linear_sum_assignment(costs)].mean() * check_pair(x, y).scale
        assert found.certificate.lower <= truth * (1 + 1e-12), seed
        assert found.certificate.upper >= truth * (1 - 1e-12), seed
        tightest = max(tightest, found.certificate.lower / truth)
    assert tightest > 0.99, "a bound that is never near proves nothing"


@pytest.mark.parametrize("critic", ["gradient-penalty", "clip"])
def test_penalised_and_clipped_critics_are_called_what_they_are(critic):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 3
    found = dv.neural_dual(x, y, critic=critic, steps=100, rng=0)
    assert "no bound" in found.notes[0]
    assert found.certificate.lower <= found.certificate.upper
    assert found.certificate.lower > 0.8 * found.certificate.upper


def test_without_asking_large_problems_are_not_solved_exactly(monkeypatch):
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + 1
    monkeypatch.setattr(neural, "EXACT_PAIRS", 100)
    found = dv.neural_dual(x, y, steps=5, rng=0)
    assert "exact=True" in found.notes[-1]
    solved = dv.neural_dual(x, y, steps=5, exact=True, rng=0)
    assert solved.value == found.value
    assert solved.certificate.upper <= found.certificate.upper


def test_the_unit_and_origin_of_the_data_are_the_answers(rng):
    x, y = rng.normal(size=(200, 3)), rng.normal(size=(200, 3)) + 1
    one = dv.neural_dual(x, y, critic="funnels", steps=20, rng=0)
    other = dv.neural_dual(1024 * x + 2**20, 1024 * y + 2**20, critic="funnels", steps=20, rng=0)
    assert other.value == pytest.approx(1024 * one.value, rel=1e-3)
    assert other.certificate.lower == pytest.approx(1024 * one.certificate.lower, rel=1e-3)


# ── f-divergences ───────────────────────────────────────────────────────────────────────────


def gaussian_truth(name, delta):
    """N(δ, 1) against N(0, 1), by quadrature; any shift of length δ in any dimension is the same."""
    t = np.linspace(-12, 12, 40_001)
    p, q = np.exp(-((t - delta) ** 2) / 2), np.exp(-(t**2) / 2)
    return (
        float(np.sum(FDIVERGENCES[DUALS[name].divergence].perspective(p, q)))
        * (t[1] - t[0])
        / math.sqrt(2 * math.pi)
    )


@pytest.mark.parametrize(
    ("name", "d"),
    [
        ("kl", 1),
        ("kl", 8),
        ("nwj", 2),
        ("js", 4),
        ("js", 8),
        ("tv", 8),
        ("reverse_kl", 8),
        ("squared_hellinger", 8),
    ],
)
def test_f_duals_of_gaussians_are_within_ten_percent(name, d):
    rng = np.random.default_rng([5, d])
    n, delta = 20_000, 1.0
    x, y = rng.normal(size=(n, d)) + delta / math.sqrt(d), rng.normal(size=(n, d))
    found = dv.neural_dual(x, y, divergence=name, steps=200, rng=0)
    assert found.value == pytest.approx(gaussian_truth(name, delta), rel=0.1)
    assert abs(found.value - gaussian_truth(name, delta)) < 4 * found.standard_error
    assert found.certificate is None
    assert "in expectation" in found.notes[0]


@pytest.mark.parametrize(("name", "truth"), [("kl", 18.0), ("nwj", 18.0), ("chi2", math.expm1(36.0))])
def test_rows_that_are_told_apart_say_at_least_and_no_more(name, truth):
    """N(0, 1) and N(6, 1): the bound on separate rows has no ceiling of its own."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(400, 1)), generator.normal(size=(400, 1)) + 6.0
    with pytest.warns(DivergenceWarning, match="may be far larger"):
        found = dv.neural_dual(x, y, divergence=name, steps=60, rng=0)
    assert 0 < found.value < truth
    assert "may be far larger" in found.notes[-1]


@pytest.mark.parametrize("name", ["js", "tv", "least-squares"])
def test_a_row_on_the_wrong_side_costs_no_more_than_its_share(name):
    """Few rows set aside are told apart by chance, and held-out ones are not."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(60, 1)), generator.normal(size=(60, 1)) + 3.0
    assert dv.neural_dual(x, y, divergence=name, steps=60, rng=0).value > -1.0


def test_equal_distributions_are_not_told_apart():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(1000, 4)), rng.normal(size=(1000, 4))
    for name in ("kl", "js", "chi2"):
        found = dv.neural_dual(x, y, divergence=name, steps=60, rng=0)
        assert abs(found.value) < 0.03, name


@pytest.mark.parametrize("name", ["kl", "hellinger"])
def test_the_variational_estimator_is_the_neural_dual(name, monkeypatch):
    monkeypatch.setattr(neural, "STEPS", 60)
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(150, 2)) + 1, rng.normal(size=(150, 2))
    value = getattr(dv, name)(x, y, estimator="variational", rng=0)
    row = "squared_hellinger" if name == "hellinger" else name
    dual = max(0.0, dv.neural_dual(x, y, divergence=row, steps=60, rng=0).value)
    assert float(value) == pytest.approx(math.sqrt(dual) if name == "hellinger" else dual, rel=1e-12)
    assert type(value) is np.float64


def test_a_users_divergence_needs_the_dual_parts():
    z = np.random.default_rng(0).normal(size=(40, 1))
    with pytest.raises(ValueError, match="no variational bound"):
        dv.f_divergence(z[:20], z[20:], FDivergence("mine", lambda t: (t - 1) ** 2), estimator="variational")


# ── what every call promises ────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_number_and_leaves_torch_alone(rng):
    x, y = rng.normal(size=(64, 2)), rng.normal(size=(64, 2)) + 1
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    one = dv.neural_dual(x, y, steps=20, rng=5)
    assert torch.equal(torch.rand(3), expected)
    assert dv.neural_dual(x, y, steps=20, rng=5) == one
    assert dv.neural_dual(torch.from_numpy(x), torch.from_numpy(y), steps=20, rng=5) == one
    assert dv.neural_dual(x, y, steps=20, rng=6) != one
    with torch.no_grad():
        assert dv.neural_dual(x, y, steps=20, rng=5) == one


def test_rows_without_weight_have_no_say(rng):
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(40, 2)) + 1
    plain = dv.neural_dual(x, y, steps=20, rng=0, x_weights=np.ones(40), y_weights=np.ones(40))
    more = np.concatenate([x, [[0.9, -0.9]] * 3])
    found = dv.neural_dual(more, y, steps=20, rng=0, x_weights=[1.0] * 40 + [0.0] * 3)
    assert found.value == pytest.approx(plain.value, rel=1e-6)
    assert found.certificate.lower == pytest.approx(plain.certificate.lower, rel=1e-6)


def test_weights_are_densities(rng):
    """y reweighted to x's distribution is x's distribution."""
    x, y = rng.normal(size=(4000, 1)) + 1.0, rng.normal(size=(4000, 1))
    weights = np.exp(y[:, 0] - 0.5)
    unweighted = dv.neural_dual(x, y, divergence="js", steps=100, rng=0)
    weighted = dv.neural_dual(x, y, divergence="js", y_weights=weights, steps=100, rng=0)
    assert unweighted.value > 0.09
    assert abs(weighted.value) < 0.03


def test_a_critic_of_ones_own(rng):
    x, y = rng.normal(size=(100, 3)), rng.normal(size=(100, 3)) + 1

    def make(d):
        return torch.nn.Linear(d, 1)

    found = dv.neural_dual(x, y, critic=make, steps=30, rng=0)
    assert "your critic" in found.notes[0]
    assert found.certificate.lower <= found.certificate.upper
    with pytest.raises(TypeError, match=r"critic must return a torch\.nn\.Module"):
        dv.neural_dual(x, y, critic=lambda d: abs, steps=3)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"divergence": "w1"}, ValueError, "divergence must be one of"),
        ({"critic": "ratio"}, ValueError, "critic must be one of"),
        ({"critic": "funnels", "divergence": "js"}, ValueError, "critic must be one of 'ratio'"),
        ({"critic": 3}, TypeError, "critic must be a name or a function"),
        ({"steps": 0}, ValueError, "steps must be at least 1"),
        ({"batch": 1}, ValueError, "batch must be at least 2"),
        ({"confidence": 1.0}, ValueError, "confidence must be below 1"),
        ({"rng": -1}, TypeError, "rng must be"),
        ({"x_weights": [1.0] * 10 + [0.0] * 20}, ValueError, "x_weights must leave at least 16 rows"),
    ],
)
def test_bad_options_are_refused_by_name(options, error, message):
    z = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.raises(error, match=message):
        dv.neural_dual(z[:30], z[30:], **{"steps": 2, **options})


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="at least 16 rows"):
        dv.neural_dual(np.zeros((8, 1)), np.ones((20, 1)))


def test_without_torch_the_message_says_what_to_install():
    code = """
import sys
sys.modules["torch"] = None
import divergences as dv
try:
    dv.neural_dual([[0.0]] * 20, [[1.0]] * 20)
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install divergences[torch]" in done.stdout


def test_the_exact_js_of_a_finite_support_is_what_a_free_critic_reaches(rng):
    """A table trained by gradient on the dual ends at the exact divergence."""
    p, q = finite(rng, 6)
    table = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    weights = torch.from_numpy(p), torch.from_numpy(q)
    optimiser = torch.optim.LBFGS([table], max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = -DUALS["js"].bound(table, table, *weights)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert -float(closure().detach()) == pytest.approx(float(pmf.js(p, q)), abs=1e-10)


@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor])
def test_a_critic_is_trained_inside_inference_mode_too(rng, library):
    x = rng.normal(size=(60, 2))
    outside = [float(dv.kl(library(x), library(x + 1), estimator="variational", rng=0)),
               dv.neural_dual(library(x), library(x + 1), steps=20, rng=0).value]  # fmt: skip
    with torch.inference_mode():
        inside = [float(dv.kl(library(x), library(x + 1), estimator="variational", rng=0)),
                  dv.neural_dual(library(x), library(x + 1), steps=20, rng=0).value]  # fmt: skip
    assert inside == outside


@pytest.mark.parametrize(
    ("critic", "kind", "message"),
    [
        (nn.Linear(2, 1), TypeError, "function of the number of features"),
        (lambda d: nn.Linear(d, 2), ValueError, r"one number a row, shape \(2,\) or \(2, 1\); got \(2, 2\)"),
        (lambda d: nn.Linear(d + 1, 1), ValueError, r"takes rows \(n, 2\); it failed with"),
        (lambda d: nn.Flatten(), ValueError, "with weights to train"),
    ],
)
def test_critics_of_yours_that_cannot_be_are_refused(rng, critic, kind, message):
    x = rng.normal(size=(60, 2))
    with pytest.raises(kind, match=message):
        dv.neural_dual(x, x + 1, divergence="js", critic=critic, steps=5)
