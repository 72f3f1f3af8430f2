"""Energy, Cramér and MMD: closed forms, enumeration of every sample, the published formulas."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch

from divergences import cramer, energy, kid, squared_mmd


def pairs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x[:, None] - y[None], axis=2)


# ── energy ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("d", [1, 2, 20])
def test_energy_is_its_definition(rng: np.random.Generator, d: int) -> None:
    x, y = rng.normal(size=(30, d)), rng.normal(0.5, 1.5, size=(25, d))
    a, b = rng.random(30), rng.random(25)
    for weights in ((None, None), (a, b)):
        p, q = (
            (np.full(30, 1 / 30), np.full(25, 1 / 25)) if weights[0] is None else (a / a.sum(), b / b.sum())
        )
        truth = 2 * p @ pairs(x, y) @ q - p @ pairs(x, x) @ p - q @ pairs(y, y) @ q
        assert energy(x, y, x_weights=weights[0], y_weights=weights[1]) == pytest.approx(truth, rel=1e-12)


def test_sorting_and_pairs_agree(rng: np.random.Generator) -> None:
    """A second feature that is constant sends the same data down the other path."""
    x, y = rng.normal(size=60), np.round(rng.normal(0.2, 1.0, size=40), 1)
    flat_x, flat_y = np.stack([x, 0 * x + 7.0], axis=1), np.stack([y, 0 * y + 7.0], axis=1)
    a, b = rng.random(60), rng.random(40)
    assert energy(x, y) == pytest.approx(energy(flat_x, flat_y), rel=1e-11)
    assert energy(x, y, x_weights=a, y_weights=b) == pytest.approx(
        energy(flat_x, flat_y, x_weights=a, y_weights=b), rel=1e-11
    )


def test_conventions_beside_scipy_and_the_cdf(rng: np.random.Generator) -> None:
    """SciPy's energy_distance is the root; Cramér is half of ours and ∫(F − G)²."""
    x, y = rng.normal(size=50), rng.normal(0.5, 2.0, size=70)
    assert energy(x, y) == pytest.approx(scipy.stats.energy_distance(x, y) ** 2, rel=1e-12)
    points = np.sort(np.concatenate([x, y]))
    gap = np.array([np.mean(x <= t) - np.mean(y <= t) for t in points[:-1]])
    assert cramer(x, y) == pytest.approx(float(gap**2 @ np.diff(points)), rel=1e-12)
    assert cramer(np.c_[x, x], np.c_[y, y]) == pytest.approx(energy(np.c_[x, x], np.c_[y, y]) / 2)


def test_energy_of_two_normals_in_the_mean() -> None:
    """E|N(μ, 2)| closed form: the V-statistic of N(0,1) and N(1,1) is above it by (1/n + 1/m)·2/√π."""
    folded = 2 / math.sqrt(math.pi) * math.exp(-0.25) + math.erf(0.5)
    within = 2 / math.sqrt(math.pi)
    rng, n, repeats = np.random.default_rng(0), 200, 400
    draws = rng.normal(size=(repeats, 2, n)) + np.array([[[0.0], [1.0]]])
    values = np.array([float(energy(x, y)) for x, y in draws])
    truth = 2 * folded - 2 * within + 2 / n * within
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(repeats)
    assert values.std() / math.sqrt(repeats) < 0.01 * truth


def test_energy_of_bernoulli_samples_by_enumeration() -> None:
    """E over all samples of the V-statistic: D + (1/n + 1/m)·(expected distance within)."""
    p, q, n, m = 0.3, 0.6, 3, 2
    total = 0.0
    for bits in itertools.product((0.0, 1.0), repeat=n + m):
        x, y = np.array(bits[:n]), np.array(bits[n:])
        chance = math.prod(p if s else 1 - p for s in x) * math.prod(q if s else 1 - q for s in y)
        total += chance * float(energy(x, y))
    within = 2 * p * (1 - p), 2 * q * (1 - q)
    assert total == pytest.approx(2 * (p - q) ** 2 + within[0] / n + within[1] / m, rel=1e-12)


# ── maximum mean discrepancy ────────────────────────────────────────────────────────────────

FORMULAS = {
    "gaussian": lambda r, s: np.exp(-(r**2) / (2 * s**2)),
    "laplace": lambda r, s: np.exp(-r / s),
    "rational_quadratic": lambda r, s: 1 / (1 + r**2 / (2 * s**2)),
}


def direct_mmd(gram, x: np.ndarray, y: np.ndarray, unbiased: bool) -> float:
    """Gretton et al. 2012, eqs. 3 and 5, as they stand."""
    kxx, kyy, kxy = gram(x, x), gram(y, y), gram(x, y)
    n, m = len(x), len(y)
    if unbiased:
        within = (kxx.sum() - np.trace(kxx)) / (n * (n - 1)) + (kyy.sum() - np.trace(kyy)) / (m * (m - 1))
    else:
        within = kxx.mean() + kyy.mean()
    return float(within - 2 * kxy.mean())


@pytest.mark.parametrize("kernel", FORMULAS)
@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@pytest.mark.parametrize("d", [1, 3, 30])
def test_mmd_is_the_published_formula(rng: np.random.Generator, kernel: str, estimator: str, d: int) -> None:
    x, y = rng.normal(size=(20, d)), rng.normal(0.5, 1.5, size=(30, d))
    value = squared_mmd(x, y, kernel=kernel, bandwidth=1.7, estimator=estimator)
    truth = direct_mmd(lambda s, t: FORMULAS[kernel](pairs(s, t), 1.7), x, y, estimator == "unbiased")
    assert value == pytest.approx(truth, rel=1e-11)


@pytest.mark.parametrize("kernel", [*FORMULAS, "polynomial", "linear", "own"])
def test_unbiased_over_every_sample_of_a_small_population(kernel: str) -> None:
    """Law 82: the mean over all samples with replacement is the population's MMD², exactly."""
    p_points, q_points, n, m = np.array([[0.0], [1.0], [3.0]]), np.array([[1.0], [2.5]]), 2, 3
    options = {"kernel": (lambda s, t: np.cos(s - t.T) + 0.2 * s @ t.T) if kernel == "own" else kernel}
    if kernel in FORMULAS:
        options["bandwidth"] = 1.3
    values = [
        float(squared_mmd(p_points[list(i)], q_points[list(j)], **options))
        for i in itertools.product(range(3), repeat=n)
        for j in itertools.product(range(2), repeat=m)
    ]
    population = float(squared_mmd(p_points, q_points, estimator="biased", **options))
    assert np.mean(values) == pytest.approx(population, rel=1e-10)


def test_weighted_unbiased_leaves_the_diagonal_out(rng: np.random.Generator) -> None:
    x, y, a = rng.normal(size=(5, 2)), rng.normal(size=(4, 2)), np.array([0.1, 0.2, 0.3, 0.4, 0.0])
    gram = lambda s, t: FORMULAS["gaussian"](pairs(s, t), 1.0)  # noqa: E731
    w = np.outer(a, a)
    np.fill_diagonal(w, 0.0)
    kyy = gram(y, y)
    across = a @ gram(x, y) @ np.full(4, 0.25)
    truth = (w * gram(x, x)).sum() / w.sum() + (kyy.sum() - 4.0) / 12.0 - 2 * across
    assert squared_mmd(x, y, bandwidth=1.0, x_weights=a) == pytest.approx(truth, rel=1e-12)
    with pytest.raises(ValueError, match="x_weights puts all of it on one"):
        squared_mmd(x, y, bandwidth=1.0, x_weights=[0, 0, 1, 0, 0])


def test_linear_kernel_is_the_difference_of_means(rng: np.random.Generator) -> None:
    """Law 85, also at an offset, where ⟨x, y⟩ itself has no digits left."""
    x, y = rng.normal(size=(20, 4)), rng.normal(0.5, 1.0, size=(30, 4))
    truth = float(np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2))
    for offset in (0.0, 2.0**27):
        value = squared_mmd(x + offset, y + offset, kernel="linear", estimator="biased")
        assert value == pytest.approx(truth, rel=1e-6 if offset else 1e-12)


def test_wide_gaussian_kernels_see_the_difference_of_means(rng: np.random.Generator) -> None:
    """Law 86: σ²·MMD² → |difference of means|²."""
    x, y = rng.normal(size=(20, 2)), rng.normal(0.5, 1.0, size=(30, 2))
    truth = float(np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2))
    assert 1e6 * squared_mmd(x, y, bandwidth=1e3, estimator="biased") == pytest.approx(truth, rel=1e-4)


@pytest.mark.parametrize("kernel", FORMULAS)
def test_several_bandwidths_are_the_mean_of_each(rng: np.random.Generator, kernel: str) -> None:
    x, y = rng.normal(size=(20, 3)), rng.normal(0.5, 1.0, size=(15, 3))
    widths = (0.5, 1.0, 4.0)
    each = [float(squared_mmd(x, y, kernel=kernel, bandwidth=w)) for w in widths]
    assert squared_mmd(x, y, kernel=kernel, bandwidth=widths) == pytest.approx(np.mean(each), rel=1e-12)


def test_a_kernel_of_ones_own_is_called_on_blocks(rng: np.random.Generator) -> None:
    """A Gaussian kernel written outside is the one inside, whatever the block size."""
    import sklearn

    x, y = rng.normal(size=(150, 3)), rng.normal(0.5, 1.0, size=(90, 3))
    shapes = []

    def own(s: np.ndarray, t: np.ndarray) -> np.ndarray:
        shapes.append((len(s), len(t)))
        return FORMULAS["gaussian"](pairs(s, t), 1.0)

    truth = float(squared_mmd(x, y, bandwidth=1.0))
    with sklearn.config_context(working_memory=0.1):
        assert squared_mmd(x, y, kernel=own) == pytest.approx(truth, rel=1e-11)
    assert max(rows for rows, _ in shapes) < 150


def test_the_median_bandwidth_is_the_median_distance(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(40, 3)), rng.normal(1.0, 2.0, size=(30, 3))
    pooled = np.concatenate([x, y, y[:5]])  # duplicates are not distances between distinct points
    distances = pairs(pooled, pooled)[np.triu_indices(len(pooled), 1)]
    median = float(np.median(distances[distances > 0]))
    doubled = np.concatenate([y, y[:5]])
    assert squared_mmd(x, doubled) == pytest.approx(
        float(squared_mmd(x, doubled, bandwidth=median)), rel=1e-12
    )
    assert squared_mmd(8 * x, 8 * doubled) == pytest.approx(float(squared_mmd(x, doubled)), rel=1e-12)


def test_rows_without_weight_have_no_say_in_the_median(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(20, 2)), rng.normal(1.0, 2.0, size=(15, 2))
    with_outliers = np.concatenate([x, 1e3 * x])
    value = squared_mmd(with_outliers, y, x_weights=[1] * 20 + [0] * 20)
    assert value == pytest.approx(float(squared_mmd(x, y)), rel=1e-10)


@pytest.mark.parametrize("kernel", FORMULAS)
@pytest.mark.parametrize("bandwidth", [1e-300, 1e-200, 1e200, 1e300])
def test_a_bandwidth_out_of_all_proportion_is_refused(kernel: str, bandwidth: float) -> None:
    x = np.array([[0.0], [1.0]])
    with pytest.raises(ValueError, match="out of all proportion"):
        squared_mmd(x, x + 1, kernel=kernel, bandwidth=bandwidth)
    # in proportion, at the same size of number
    scale = bandwidth / 1.5
    assert squared_mmd(x * scale, (x + 1) * scale, kernel=kernel, bandwidth=bandwidth) == pytest.approx(
        float(squared_mmd(x, x + 1, kernel=kernel, bandwidth=1.5)), rel=1e-9
    )


def test_options_that_belong_elsewhere_are_refused() -> None:
    x = np.array([[0.0], [1.0]])
    with pytest.raises(ValueError, match="has no bandwidth"):
        squared_mmd(x, x, kernel="linear", bandwidth=1.0)
    with pytest.raises(ValueError, match="did you mean 'gaussian'"):
        squared_mmd(x, x, kernel="gausian")
    with pytest.raises(ValueError, match="non-empty"):
        squared_mmd(x, x, bandwidth=[])


# ── KID ─────────────────────────────────────────────────────────────────────────────────────


def test_kid_is_the_published_formula(rng: np.random.Generator) -> None:
    x, y = rng.normal(1.0, 1.0, size=(25, 6)), rng.normal(1.2, 1.5, size=(35, 6))
    truth = direct_mmd(lambda s, t: (s @ t.T / 6 + 1) ** 3, x, y, unbiased=True)
    assert kid(x, y) == pytest.approx(truth, rel=1e-10)
    # it depends on the origin, as published: the common offset must be given back
    truth = direct_mmd(lambda s, t: (s @ t.T / 6 + 1) ** 3, x + 50, y + 50, unbiased=True)
    assert kid(x + 50, y + 50) == pytest.approx(truth, rel=1e-7)


def test_a_kernel_that_overflows_is_refused() -> None:
    x = np.array([[1e120], [2e120], [3e120]])
    with pytest.raises(ValueError, match="overflows"):
        kid(x, -x)


def test_gradients_are_those_of_finite_differences() -> None:
    rng = np.random.default_rng(6)
    y = torch.tensor(rng.normal(size=(4, 2)))
    for measure, options in (
        (energy, {}),
        (kid, {}),
        *((squared_mmd, {"kernel": k, "bandwidth": 1.2}) for k in FORMULAS),
        (squared_mmd, {"kernel": "linear"}),
    ):
        x = torch.tensor(rng.normal(size=(3, 2)), requires_grad=True)
        assert torch.autograd.gradcheck(lambda z, m=measure, o=options: m(z, y, **o), x)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (lambda x, y: np.full((len(x), len(y)), np.nan), "kernel returned NaN"),
        (lambda x, y: np.ones((len(x), len(y) + 1)), r"one number for each pair of rows, shape \(30, 20\)"),
        (lambda x, y: 1.0, "got float"),
    ],
)
def test_what_a_kernel_of_yours_returns_is_looked_at(rng, kernel, message):
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(20, 2))
    with pytest.raises(ValueError, match=message):
        squared_mmd(x, y, kernel=kernel)


@pytest.mark.parametrize("bandwidth", ["nonsense", 1.0, [1.0]])
def test_a_kernel_without_a_bandwidth_takes_none(rng, bandwidth):
    x = rng.normal(size=(30, 2))
    with pytest.raises(ValueError, match="has no bandwidth; leave bandwidth out"):
        squared_mmd(x, x + 1, kernel="linear", bandwidth=bandwidth)
