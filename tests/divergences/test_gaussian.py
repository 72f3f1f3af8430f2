"""Gaussians: closed forms, independent references, laws 87–94, degenerate covariances, gradients."""

from __future__ import annotations

import doctest
import inspect
import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.stats
import torch

from divergences import gaussian
from divergences.registry import METRICS

NAMES = ("kl", "js", "hellinger", "renyi", "wasserstein", "frechet")
ROWS = [METRICS[f"gaussian.{name}"] for name in NAMES]


def call(name, *arguments):
    options = {"alpha": 0.7} if name == "renyi" else {}
    return getattr(gaussian, name)(*arguments, **options)


def random_gaussian(rng, d, rank=None):
    factor = rng.normal(size=(d, rank or d + 2))
    return rng.normal(size=d), factor @ factor.T


# ── known values ────────────────────────────────────────────────────────────────────────────


def test_unit_shift_has_its_known_values():
    pair = (0.0, 1.0, 1.0, 1.0)
    assert gaussian.kl(*pair) == pytest.approx(0.5, abs=1e-15)
    assert gaussian.js(*pair) == pytest.approx(0.11142148218473619, abs=1e-14)
    assert gaussian.hellinger(*pair) ** 2 == pytest.approx(-math.expm1(-1 / 8), abs=1e-15)
    assert gaussian.renyi(*pair, alpha=3.0) == pytest.approx(1.5, abs=1e-14)
    assert gaussian.wasserstein(*pair) == pytest.approx(1.0, abs=1e-15)
    assert gaussian.frechet(0.0, 1.0, 3.0, 25.0) == pytest.approx(25.0, abs=1e-13)


@pytest.mark.parametrize(("y_mean", "y_deviation"), [(0.5, 2.0), (-3.0, 0.2), (4.0, 1.0)])
def test_against_brute_quadrature(y_mean, y_deviation):
    p, q = scipy.stats.norm(0.0, 1.0), scipy.stats.norm(y_mean, y_deviation)
    pair = (0.0, 1.0, y_mean, y_deviation**2)

    def integral(f):
        return scipy.integrate.quad(f, -20, 20, points=[0, y_mean], limit=500, epsabs=1e-13)[0]

    def skewed(t):
        p_part, q_part = p.pdf(t), q.pdf(t)
        return scipy.special.rel_entr(p_part, (p_part + q_part) / 2)

    def mirrored(t):
        p_part, q_part = p.pdf(t), q.pdf(t)
        return scipy.special.rel_entr(q_part, (p_part + q_part) / 2)

    kl = integral(lambda t: p.pdf(t) * (p.logpdf(t) - q.logpdf(t)))
    js = integral(lambda t: (skewed(t) + mirrored(t)) / 2)
    overlap = integral(lambda t: math.exp((p.logpdf(t) + q.logpdf(t)) / 2))
    renyi = math.log(integral(lambda t: math.exp(0.7 * p.logpdf(t) + 0.3 * q.logpdf(t)))) / -0.3
    assert gaussian.kl(*pair) == pytest.approx(kl, rel=1e-9)
    assert gaussian.js(*pair) == pytest.approx(js, rel=1e-9)
    assert gaussian.hellinger(*pair) == pytest.approx(math.sqrt(1 - overlap), rel=1e-9)
    assert gaussian.renyi(*pair, alpha=0.7) == pytest.approx(renyi, rel=1e-9)


@pytest.mark.parametrize(
    ("pair", "expected"),  # mpmath at 30 digits
    [
        ((0.0, 1.0, 0.0, (1 + 1e-6) ** 2), 2.4999974995886675e-13),
        ((0.0, 1.0, 1e-5, 1.0), 1.2499999999843754e-11),
        ((0.0, 1.0, 0.3, 1e6), 0.6845659799212422),
        ((0.0, 1e-12, 0.7, 1.0), 0.6931298521250895),
        ((0.0, 1.0, 12.0, 1.0), 0.6931471775541748),
        ((0.0, 1.0, 3e5, 1e12), 0.6931264317912964),
    ],
)
def test_js_over_its_whole_range(pair, expected):
    assert gaussian.js(*pair) == pytest.approx(expected, rel=1e-10, abs=0)
    assert gaussian.js(*pair[2:], *pair[:2]) == pytest.approx(gaussian.js(*pair), rel=1e-13, abs=0)


def test_js_tends_to_log_2_and_never_exceeds_it():
    for gap in (10.0, 19.0, 39.0, 41.0, 1e10, 1e200):
        assert 0.69314 < gaussian.js(0.0, 1.0, gap, 1.0) <= math.log(2)
    for ratio in (1e8, 1e20, 1e100, 1e145):
        assert gaussian.js(0.0, 1.0, 0.0, ratio**2) == pytest.approx(math.log(2), abs=1e-6)


def test_kl_and_frechet_against_other_libraries(rng):
    (m, p), (n, q) = random_gaussian(rng, 6), random_gaussian(rng, 6)
    normal = torch.distributions.MultivariateNormal
    expected = torch.distributions.kl_divergence(
        normal(torch.tensor(m), torch.tensor(p)), normal(torch.tensor(n), torch.tensor(q))
    )
    assert gaussian.kl(m, p, n, q) == pytest.approx(float(expected), rel=1e-11)
    root = scipy.linalg.sqrtm(p)
    cross = scipy.linalg.sqrtm(root @ q @ root)
    expected = ((m - n) ** 2).sum() + np.trace(p + q - 2 * cross.real)
    assert gaussian.frechet(m, p, n, q) == pytest.approx(expected, rel=1e-10)  # law 87
    nuclear = np.linalg.norm(scipy.linalg.sqrtm(p) @ scipy.linalg.sqrtm(q), "nuc")  # law 91
    assert gaussian.frechet(m, p, n, q) == pytest.approx(
        ((m - n) ** 2).sum() + np.trace(p + q) - 2 * nuclear, rel=1e-10
    )


@pytest.mark.parametrize("alpha", [0.05, 0.5, 0.999999, 1.00001, 1.3])
def test_renyi_against_its_textbook_form(rng, alpha):
    (m, p), (n, q) = random_gaussian(rng, 4), random_gaussian(rng, 4)
    q = q + 4 * np.trace(p) * np.eye(4)  # so that orders above 1 are finite
    mixed = alpha * q + (1 - alpha) * p
    log_det = [np.linalg.slogdet(cov)[1] for cov in (mixed, p, q)]
    gap = m - n
    expected = alpha / 2 * gap @ np.linalg.solve(mixed, gap)
    expected -= (log_det[0] - (1 - alpha) * log_det[1] - alpha * log_det[2]) / (2 * (alpha - 1))
    assert gaussian.renyi(m, p, n, q, alpha=alpha) == pytest.approx(expected, rel=1e-8)


def test_renyi_orders(rng):
    (m, p), (n, q) = random_gaussian(rng, 3), random_gaussian(rng, 3)
    q = q + np.trace(p) * np.eye(3)
    values = [gaussian.renyi(m, p, n, q, alpha=alpha) for alpha in (0, 0.1, 0.49, 0.51, 0.99, 1, 1.01, 1.2)]
    assert values[0] == 0
    assert all(low < high for low, high in itertools.pairwise(values))  # law 29
    assert values[5] == gaussian.kl(m, p, n, q)
    assert gaussian.renyi(m, p, n, q, alpha=1 + 1e-9) == pytest.approx(values[5], rel=1e-8)  # law 30
    overlap = 1 - gaussian.hellinger(m, p, n, q) ** 2
    assert gaussian.renyi(m, p, n, q, alpha=0.5) == pytest.approx(-2 * math.log(overlap), rel=1e-12)  # 31
    assert gaussian.renyi(0.0, 4.0, 0.0, 1.0, alpha=1.3) < math.inf  # 1.3 − 0.3·4 > 0
    assert gaussian.renyi(0.0, 4.0, 0.0, 1.0, alpha=1.4) == math.inf  # 1.4 − 0.4·4 < 0
    assert gaussian.renyi(0.0, 1.0, 0.0, 4.0, alpha=50.0) < math.inf


def test_near_equal_covariances_keep_their_digits():
    tiny = 2.0**-30
    q = np.array([[2.0, 1.0], [1.0, 2.0]])
    p = q * (1 + tiny)
    assert gaussian.kl([0.0, 0], p, [0.0, 0], q) == pytest.approx(tiny**2 / 2, rel=1e-8, abs=0)
    assert gaussian.renyi([0.0, 0], p, [0.0, 0], q, alpha=0.7) == pytest.approx(
        0.7 * tiny**2 / 2, rel=1e-8, abs=0
    )
    assert gaussian.hellinger([0.0, 0], p, [0.0, 0], q) == pytest.approx(tiny / math.sqrt(8), rel=1e-8)
    expected = (math.sqrt(1 + tiny) - 1) * math.sqrt(4)
    assert gaussian.wasserstein([0.0, 0], p, [0.0, 0], q) == pytest.approx(expected, rel=1e-5)


# ── laws ────────────────────────────────────────────────────────────────────────────────────


def test_transport_is_a_metric_with_a_trace_bound(rng):  # law 89
    a, b, c = (random_gaussian(rng, 4) for _ in range(3))
    ab, bc, ac = gaussian.wasserstein(*a, *b), gaussian.wasserstein(*b, *c), gaussian.wasserstein(*a, *c)
    assert ab == pytest.approx(gaussian.wasserstein(*b, *a), rel=1e-13)
    assert ac <= ab + bc
    independent = ((a[0] - b[0]) ** 2).sum() + np.trace(a[1] + b[1])
    assert 0 <= gaussian.frechet(*a, *b) <= independent


def test_scaled_covariance(rng):  # law 90
    mean, cov = random_gaussian(rng, 5)
    assert gaussian.frechet(mean, cov, mean, 9 * cov) == pytest.approx(4 * np.trace(cov), rel=1e-13)


def test_affine_invariance(rng):  # law 92
    (m, p), (n, q) = random_gaussian(rng, 4), random_gaussian(rng, 4)
    a = rng.normal(size=(4, 4)) * np.array([1e-8, 1.0, 1e5, 1e9])[:, None]
    for name in ("kl", "hellinger", "renyi"):
        moved = call(name, a @ m, a @ p @ a.T, a @ n, a @ q @ a.T)
        assert moved == pytest.approx(call(name, m, p, n, q), rel=1e-9)


def test_talagrand(rng):  # law 93: W2²(P, N(0, I)) ≤ 2 KL(P‖N(0, I))
    for _ in range(20):
        mean, cov = random_gaussian(rng, 3)
        standard = (np.zeros(3), np.eye(3))
        assert gaussian.frechet(mean, cov, *standard) <= 2 * gaussian.kl(mean, cov, *standard)
    assert gaussian.frechet(2.0, 1.0, 0.0, 1.0) == pytest.approx(2 * gaussian.kl(2.0, 1.0, 0.0, 1.0))


def test_equal_variance_hellinger(rng):  # law 94
    mean, cov = random_gaussian(rng, 3)
    gap = rng.normal(size=3)
    expected = -math.expm1(-gap @ np.linalg.solve(cov, gap) / 8)
    assert gaussian.hellinger(mean, cov, mean + gap, cov) ** 2 == pytest.approx(expected, rel=1e-9)


def test_inequalities_between_them():
    for pair in [(0.0, 1.0, 1.0, 4.0), (0.0, 1.0, 9.0, 0.1), (0.0, 1.0, 1e-3, 1.001)]:
        h2, kl, js = gaussian.hellinger(*pair) ** 2, gaussian.kl(*pair), gaussian.js(*pair)
        assert 2 * h2 <= -2 * math.log1p(-h2) <= kl * (1 + 1e-12)  # law 12
        assert js <= (kl + gaussian.kl(*pair[2:], *pair[:2])) / 4  # law 22


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_degree(row):
    name = row.name.removeprefix("gaussian.")
    pair, c = (0.3, 2.0, 1.1, 0.7), 3.0
    scaled = call(name, *(v * c ** (1 + i % 2) for i, v in enumerate(pair)))
    assert scaled == pytest.approx(call(name, *pair) * c**row.degree, rel=1e-12)


# ── ranges, dtypes, degenerate inputs ───────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_identical_is_exactly_zero(rng, read_only, name):
    d = 1 if name == "js" else 5
    for rank in (d, 2, 1):
        mean, cov = random_gaussian(rng, d, rank)
        frozen = read_only(mean), read_only(cov)
        assert call(name, *frozen, *frozen) == 0
    zero = np.zeros(d), np.zeros((d, d))
    assert call(name, *zero, *zero) == 0


@pytest.mark.parametrize("scale", [1e100, 1e-100, 1e150, 1e-150])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_extreme_scales(row, scale):
    name = row.name.removeprefix("gaussian.")
    value = call(name, 0.0, scale**2, scale, 2 * scale**2)
    assert value == pytest.approx(call(name, 0.0, 1.0, 1.0, 2.0) * scale**row.degree, rel=1e-12)


def test_far_apart():
    assert gaussian.wasserstein(0.0, 1.0, 1e300, 1.0) == pytest.approx(1e300)
    assert gaussian.hellinger(0.0, 1.0, 1e200, 1.0) == 1
    with pytest.raises(ValueError, match="beyond the range of float64"):
        gaussian.kl(0.0, 1.0, 1e200, 1.0)
    with pytest.raises(ValueError, match="beyond the range of float64"):
        gaussian.frechet(0.0, 1.0, 1e200, 1.0)
    with pytest.raises(ValueError, match="beyond the range of float32"):
        gaussian.frechet(np.float32(0), np.float32(1), np.float32(1e25), np.float32(1))


def test_a_tiny_divergence_rounds_to_zero_in_float32():
    one = np.float32(1)
    assert gaussian.kl(np.float32(0), one, np.float32(1e-30), one) == 0  # 5e-61
    with pytest.raises(ValueError, match="beyond the range of float32"):
        gaussian.frechet(np.float32(0), np.float32(0), np.float32(1e-30), np.float32(0))


def test_a_common_offset_changes_nothing():
    for name in NAMES:
        assert call(name, 1e8, 1.0, 1e8 + 1, 2.0) == call(name, 0.0, 1.0, 1.0, 2.0)


def test_rank_deficient_in_many_dimensions(rng):
    zero = np.zeros(60)
    f, g = rng.normal(size=(60, 10)), rng.normal(size=(60, 10))
    p, q = f @ f.T, g @ g.T
    expected = (f**2).sum() + (g**2).sum() - 2 * np.linalg.norm(f.T @ g, "nuc")
    assert gaussian.frechet(zero, p, zero, q) == pytest.approx(expected, rel=1e-12)
    assert gaussian.frechet(zero, p, zero, 4 * p) == pytest.approx(np.trace(p), rel=1e-12)
    assert gaussian.kl(zero, p, zero, 4 * p) == pytest.approx(5 * (0.25 - 1 + math.log(4)), rel=1e-10)
    shift = f @ np.ones(10)  # within the range: adds |f⁻¹shift|²/2 = 5
    assert gaussian.kl(shift, p, zero, p) == pytest.approx(5.0, rel=1e-9)
    for value in (gaussian.kl(zero, p, zero, q), gaussian.renyi(zero, p, zero, q, alpha=0.3)):
        assert value == math.inf
    assert gaussian.kl(zero, p, zero, np.eye(60)) == math.inf  # P singular, Q not
    assert gaussian.kl(zero, np.eye(60), zero, p) == math.inf  # Q singular, P not
    assert gaussian.kl(zero + 1.0, p, zero, p) == math.inf  # the means are off the subspace
    assert gaussian.hellinger(zero, p, zero, q) == 1


def test_small_variances_are_not_rounded_away():
    p, q, zero = np.diag([1.0, 1e-12]), np.diag([1.0, 4e-12]), np.zeros(2)
    assert gaussian.wasserstein(zero, p, zero, q) == pytest.approx(1e-6, rel=1e-10, abs=0)


def test_point_masses():
    assert gaussian.kl(0.0, 0.0, 1.0, 0.0) == math.inf
    assert gaussian.kl([0.0, 1.0], [[1.0, 0], [0, 0]], [1.0, 1.0], [[1.0, 0], [0, 0]]) == pytest.approx(0.5)
    for other in ((1.0, 0.0), (0.0, 1.0)):
        assert gaussian.js(0.0, 0.0, *other) == math.log(2)
        assert gaussian.hellinger(0.0, 0.0, *other) == 1
        assert gaussian.wasserstein(0.0, 0.0, *other) == 1
    assert gaussian.kl([0.0, 0], np.diag([1, 1e-20]), [0.0, 0], np.diag([1, 4e-20])) == pytest.approx(
        (0.25 - 1 + math.log(4)) / 2
    )  # small in its own right, not singular


@pytest.mark.parametrize("name", NAMES)
def test_dtype_and_library_of_the_result(name):
    single = [np.float32(v) for v in (0.0, 1.0, 1.0, 2.0)]
    assert isinstance(call(name, *single), np.float32)
    assert isinstance(call(name, *single[:2], 1.0, 2.0), np.float64)
    assert isinstance(call(name, 0, 1, 1, 2), np.float64)
    tensors = [torch.tensor(v) for v in (0.0, 1.0, 1.0, 2.0)]
    for dtype in (torch.float32, torch.float64):
        value = call(name, *(t.to(dtype) for t in tensors))
        assert value.dtype == dtype
        assert value.shape == ()
        assert float(value) == pytest.approx(float(call(name, 0, 1, 1, 2)), rel=1e-6)
    equal = call(name, *tensors[:2], *tensors[:2])
    assert equal.dtype == torch.float32
    assert float(equal) == 0


# ── gradients ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spread", [0.1, 1.0])
def test_gradcheck(name, spread):
    d = 1 if name == "js" else 3
    generator = torch.Generator().manual_seed(3)
    factor = torch.eye(d).double() + 0.1 * torch.randn(d, d, generator=generator).double()
    shift = spread * torch.randn(d, d, generator=generator).double()
    means = torch.randn(2, d, generator=generator).double()

    def function(m, a, n, b):
        return call(name, m, a @ a.T, n, b @ b.T)

    arguments = [means[0], factor, means[1], factor + shift]
    assert torch.autograd.gradcheck(function, [a.clone().requires_grad_() for a in arguments])


def test_renyi_above_one_gradcheck():
    def function(m, v, n, w):
        return gaussian.renyi(m, v, n, w, alpha=1.5)

    arguments = [torch.tensor([v], dtype=torch.float64) for v in (0.0, 1.0, 0.5, 1.3)]
    arguments[1], arguments[3] = arguments[1][:, None], arguments[3][:, None]
    assert torch.autograd.gradcheck(function, [a.requires_grad_() for a in arguments])


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_where_things_degenerate(rng, name):
    d = 1 if name == "js" else 4
    full, thin, zero = np.eye(d), np.outer(np.ones(d), np.ones(d)), np.zeros((d, d))
    for p, q in [(full, full), (thin, thin), (zero, zero), (thin, full), (full, zero), (thin, 2 * thin)]:
        for gap in (0.0, 1.0):
            inputs = [torch.zeros(d), torch.tensor(p), torch.full((d,), gap), torch.tensor(q)]
            inputs = [t.double().requires_grad_() for t in inputs]
            value = call(name, *inputs)
            value.backward()
            assert not torch.isnan(value)
            assert all(bool(torch.isfinite(t.grad).all()) for t in inputs)


def test_covariance_gradient_is_that_of_the_optimal_map(rng):
    (m, p), (n, q) = random_gaussian(rng, 3), random_gaussian(rng, 3)
    cov = torch.tensor(p, requires_grad=True)
    gaussian.frechet(torch.tensor(m), cov, torch.tensor(n), torch.tensor(q)).backward()
    optimal = np.eye(3) - cov.grad.numpy()
    assert optimal @ p @ optimal == pytest.approx(q, abs=1e-10)


# ── fitting ─────────────────────────────────────────────────────────────────────────────────


def test_fit_is_numpys_covariance(rng, read_only):
    x, weights = read_only(rng.normal(size=(50, 3))), read_only(rng.uniform(size=50))
    for ddof in (0, 1):
        mean, cov = gaussian.fit(x, ddof=ddof)
        assert mean == pytest.approx(x.mean(0))
        assert cov == pytest.approx(np.cov(x.T, ddof=ddof), rel=1e-12)
        mean, cov = gaussian.fit(x, weights=weights, ddof=ddof)
        assert mean == pytest.approx(np.average(x, axis=0, weights=weights))
        assert cov == pytest.approx(np.cov(x.T, aweights=weights, ddof=ddof), rel=1e-12)


def test_fit_maximises_the_likelihood(rng):  # law 43: argmin KL
    x = rng.normal(2.0, 3.0, size=200)
    mean, cov = gaussian.fit(x)
    best = scipy.stats.norm(mean[0], math.sqrt(cov[0, 0])).logpdf(x).sum()
    for mean_change, factor in [(0.01, 1.0), (-0.01, 1.0), (0.0, 1.01), (0.0, 0.99)]:
        other = scipy.stats.norm(mean[0] + mean_change, math.sqrt(cov[0, 0] * factor)).logpdf(x).sum()
        assert other < best


def test_fit_of_offset_and_scaled_samples(rng):
    x = np.round(rng.normal(size=(100, 2)) * 2**10) / 2**10  # exact after the offset
    cov = gaussian.fit(x)[1]
    assert gaussian.fit(x + 1e8)[1] == pytest.approx(cov, rel=1e-13)
    for scale in (2.0**500, 2.0**-500):
        assert np.array_equal(gaussian.fit(x * scale)[1], cov * scale * scale)
    assert gaussian.fit(np.full((5, 1), 0.1))[1] == 0
    for scale in (1e200, 1e-200):
        with pytest.raises(ValueError, match="beyond the range"):
            gaussian.fit(x * scale)


def test_fits_of_dependent_features_share_their_range(rng):
    x = rng.normal(size=(20000, 2))
    x = np.c_[x, x.sum(axis=1)]
    first, whole = gaussian.fit(x[:10000]), gaussian.fit(x)
    assert 0 < gaussian.kl(*first, *whole) < 1e-3
    assert gaussian.kl(*first, *gaussian.fit(rng.normal(size=(100, 3)))) == math.inf


def test_fit_keeps_library_dtype_and_gradient(rng):
    x = rng.normal(size=(20, 2))
    assert all(part.dtype == np.float32 for part in gaussian.fit(x.astype(np.float32)))
    assert all(part.dtype == torch.float32 for part in gaussian.fit(torch.tensor(x).float()))
    tensor, weights = torch.tensor(x[:6]).requires_grad_(), torch.rand(6).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda t, w: gaussian.fit(t, weights=w, ddof=1), (tensor, weights))


@pytest.mark.parametrize("ddof", [0, 1])
def test_merging_chunks_is_fitting_the_union(rng, ddof):
    x = rng.normal(size=(60, 3)) + 1e6
    cuts = [x[:10], x[10:35], x[35:]]
    fits = [(*gaussian.fit(c, ddof=ddof), len(c)) for c in cuts]

    def join(a, b):
        merged = gaussian.merge(*a[:2], *b[:2], x_weight=a[2], y_weight=b[2], ddof=ddof)
        return (*merged, a[2] + b[2])

    left, right = join(join(fits[0], fits[1]), fits[2]), join(fits[0], join(fits[1], fits[2]))
    mean, cov = gaussian.fit(x, ddof=ddof)
    for merged in (left, right):
        assert merged[0] == pytest.approx(mean, rel=1e-14)
        assert merged[1] == pytest.approx(cov, rel=1e-8)


def test_merging_a_single_row(rng):
    x = rng.normal(size=(11, 2))
    last = (x[10], np.zeros((2, 2)))
    merged = gaussian.merge(*gaussian.fit(x[:10], ddof=1), *last, x_weight=10, y_weight=1, ddof=1)
    assert merged[1] == pytest.approx(gaussian.fit(x, ddof=1)[1], rel=1e-12)
    merged = gaussian.merge(*last, *last, x_weight=1, y_weight=1, ddof=1)
    assert not merged[1].any()


# ── refusals ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("function", "error", "match"),
    [
        (lambda: gaussian.js([0.0, 0], np.eye(2), [0.0, 0], np.eye(2)), ValueError, "one dimension"),
        (lambda: gaussian.kl(0.0, 1.0, [0.0, 0], np.eye(2)), ValueError, "same dimension; got 1 for x and 2"),
        (lambda: gaussian.kl(0.0, 1.0, torch.tensor(0.0), torch.tensor(1.0)), TypeError, "one library"),
        (lambda: gaussian.kl(0.0, -1.0, 0.0, 1.0), ValueError, "x_cov must be positive semi-definite"),
        (lambda: gaussian.kl(0.0, 1.0, math.nan, 1.0), ValueError, "y_mean must be finite"),
        (lambda: gaussian.frechet([0.0, 0], [[1.0, 2], [0, 1]], 0.0, 1.0), ValueError, "x_cov must be symm"),
        (lambda: gaussian.renyi(0.0, 1.0, 0.0, 1.0, alpha=-1), ValueError, "alpha must be finite and"),
        (lambda: gaussian.renyi(0.0, 1.0, 0.0, 1.0, alpha="1"), TypeError, "alpha must be a number"),
        (lambda: gaussian.wasserstein(-1.7e308, 1.0, 1.7e308, 1.0), ValueError, "beyond the range"),
        (lambda: gaussian.fit([1.0], ddof=1), ValueError, "at least 2 rows"),
        (lambda: gaussian.fit([1.0, 2.0], ddof=2), ValueError, "ddof must be below 2"),
        (lambda: gaussian.fit([1.0, 2.0], weights=[1, 0], ddof=1), ValueError, "at least two rows"),
        (lambda: gaussian.merge(0, 1, 0, 1, x_weight=0, y_weight=1), ValueError, "x_weight must be"),
        (
            lambda: gaussian.merge(0, 1, 0, 1, x_weight=0.5, y_weight=1, ddof=1),
            ValueError,
            "x_weight must be finite and at least 1",
        ),
    ],
)
def test_refusals(function, error, match):
    with pytest.raises(error, match=match):
        function()


def test_docstrings_run_and_all_is_sorted():
    assert doctest.testmod(gaussian).failed == 0
    assert gaussian.__all__ == sorted(gaussian.__all__)
    for name in gaussian.__all__:
        assert ">>>" in inspect.getdoc(getattr(gaussian, name))
