"""Every row of FDIVERGENCES, and the α family, against its definition in 50 digits."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch

from divergences import pmf
from divergences.fdivergence import FDIVERGENCES, FDivergence, alpha_divergence, as_fdivergence

mpmath.mp.dps = 50

ALPHAS = (-1.0, -0.5, 0.0, 0.3, 0.5, 1.0, 1 + 1e-9, 2.0, 2.3, 3.0)
ROWS = {**FDIVERGENCES, **{f"alpha={a!r}": alpha_divergence(a) for a in ALPHAS}}
EVERY_ROW = pytest.mark.parametrize("name", ROWS)


def _alpha_f(alpha: float):
    a = mpmath.mpf(alpha)
    return lambda t: (t**a - a * t + a - 1) / (a * (a - 1))


# f as its defining formula reads, standardised by a multiple of t − 1 so that f'(1) = 0
DEFINITIONS = {
    "kl": lambda t: t * mpmath.log(t) - t + 1,
    "reverse_kl": lambda t: -mpmath.log(t) + t - 1,
    "js": lambda t: (t * mpmath.log(2 * t / (1 + t)) + mpmath.log(2 / (1 + t))) / 2,
    "jeffreys": lambda t: (t - 1) * mpmath.log(t),
    "tv": lambda t: abs(t - 1) / 2,
    "squared_hellinger": lambda t: (1 - mpmath.sqrt(t)) ** 2 / 2,
    "chi2": lambda t: (t - 1) ** 2,
    "neyman_chi2": lambda t: (t - 1) ** 2 / t,
    "triangular": lambda t: (t - 1) ** 2 / (t + 1),
    **{f"alpha={a!r}": _alpha_f(a) for a in ALPHAS if a not in (0.0, 1.0)},
}
DEFINITIONS["alpha=0.0"], DEFINITIONS["alpha=1.0"] = DEFINITIONS["reverse_kl"], DEFINITIONS["kl"]

RATIOS = np.concatenate(
    [np.geomspace(1e-6, 1e6, 41), 1 + np.geomspace(1e-9, 0.5, 20), 1 - np.geomspace(1e-9, 0.5, 20)]
)


def exactly(name: str, t: float) -> float:
    return float(DEFINITIONS[name](mpmath.mpf(float(t))))


def range_of_derivative(row: FDivergence) -> tuple[float, float]:
    """f' runs from f'(0+) to the slope at infinity; between them the conjugate is finite."""
    with np.errstate(all="ignore"):
        return float(row.derivative(np.asarray(0.0))), row.slope


# ── f and its derivative ────────────────────────────────────────────────────────────────────


@EVERY_ROW
def test_f_is_the_defining_formula_near_one_too(name: str) -> None:
    row = ROWS[name]
    values = row.f(RATIOS)
    truth = np.array([exactly(name, t) for t in RATIOS])
    np.testing.assert_allclose(values, truth, rtol=1e-10)
    assert np.all(values >= 0)
    assert row.f(np.asarray(1.0)) == 0
    assert row.derivative(np.asarray(1.0)) == 0


@EVERY_ROW
def test_limits_at_zero_and_infinity(name: str) -> None:
    row = ROWS[name]
    at_zero, slope = row.at_zero, row.slope
    tiny, huge = mpmath.mpf(10) ** -4000, mpmath.mpf(10) ** 4000
    near_zero, near_infinity = DEFINITIONS[name](tiny), DEFINITIONS[name](huge) / huge
    if math.isinf(at_zero):
        assert near_zero > 1000
    else:
        assert float(near_zero) == pytest.approx(at_zero, rel=1e-12)
    if math.isinf(slope):
        # α = 1 + 1e−9 grows like t^1e−9: slowly, and without bound
        assert near_infinity > 1000 or DEFINITIONS[name](huge**1000000) / huge**1000000 > 2 * near_infinity
    else:
        assert float(near_infinity) == pytest.approx(slope, rel=1e-12)


@EVERY_ROW
def test_derivative_is_that_of_f(name: str) -> None:
    for t in (0.01, 0.3, 0.9, 1.1, 4.0, 100.0):
        truth = float(mpmath.diff(DEFINITIONS[name], mpmath.mpf(t)))
        assert float(ROWS[name].derivative(np.asarray(t))) == pytest.approx(truth, rel=1e-11)


# ── the conjugate ───────────────────────────────────────────────────────────────────────────


@EVERY_ROW
def test_fenchel_young_equality_at_the_derivative(name: str) -> None:
    row = ROWS[name]
    t = np.geomspace(0.02, 50.0, 31)
    u = row.derivative(t)
    np.testing.assert_allclose(row.f(t) + row.conjugate(u), t * u, rtol=1e-9, atol=1e-12)


@EVERY_ROW
def test_fenchel_young_inequality_everywhere(name: str) -> None:
    row = ROWS[name]
    t, u = np.meshgrid(np.geomspace(1e-3, 1e3, 61), np.linspace(-6.0, 6.0, 121))
    with np.errstate(over="ignore"):
        left = row.f(t) + row.conjugate(u)
    assert not np.any(np.isnan(left))
    assert np.all(left >= t * u - 1e-9 * (1 + np.abs(t * u)))


@EVERY_ROW
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_conjugate_is_the_supremum(name: str, library: str) -> None:
    """sup over t ≥ 0 of ut − f(t): at t = 0 below f'(0), without bound above the slope."""
    row = ROWS[name]
    low, high = range_of_derivative(row)
    t = np.concatenate([[0.0], np.geomspace(1e-12, 1e12, 400_001)])
    f = row.f(t)
    for u in (-9.0, -3.0, -1.5, -0.7, -0.2, 0.0, 0.1, 0.3, 0.7, 1.5, 4.0):
        value = float(
            row.conjugate(np.asarray(u) if library == "numpy" else torch.tensor(u, dtype=torch.float64))
        )
        if u > high:
            assert value == math.inf, u
            continue
        # between low and high a grid of 36,000 points a decade misses the top by little
        assert value == pytest.approx(float(np.max(u * t - f)), rel=1e-6, abs=1e-7), u
        if u < low:
            assert value == pytest.approx(-float(row.at_zero), rel=1e-12)


def test_conjugate_of_jeffreys_keeps_its_digits_far_out() -> None:
    """f*(f'(t)) = t f'(t) − f(t) = log t + t − 1 (t → 0: as negative as log t, however large |u|)."""
    row = FDIVERGENCES["jeffreys"]
    for log_t in (-300.0, -200.0, -50.0, -5.0, 0.5, 30.0):
        t = math.exp(log_t)
        assert float(row.conjugate(np.asarray(log_t + 1 - 1 / t))) == pytest.approx(log_t + t - 1, rel=1e-9)


# ── the activation ──────────────────────────────────────────────────────────────────────────


@EVERY_ROW
def test_activation_of_a_log_ratio_is_the_optimal_critic(name: str) -> None:
    row = ROWS[name]
    t = np.geomspace(1e-4, 1e4, 41)
    if name == "tv":  # f' is a step; the activation has its range
        assert np.all(np.abs(row.activation(np.log(t))) <= 0.5)
        return
    np.testing.assert_allclose(row.activation(np.log(t)), row.derivative(t), rtol=1e-9, atol=1e-12)


@EVERY_ROW
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_activation_stays_in_the_domain_of_the_conjugate(name: str, dtype: torch.dtype) -> None:
    row = ROWS[name]
    magnitudes = torch.logspace(-6, 4, 201, dtype=dtype)
    v = torch.cat([-magnitudes.flip(0), torch.zeros(1, dtype=dtype), magnitudes])
    u = row.activation(v)
    value = row.conjugate(u)
    high = row.slope
    assert not torch.isnan(u).any()
    assert not torch.isnan(value).any()
    assert (u <= torch.tensor(high, dtype=dtype)).all()
    assert (u[1:] >= u[:-1]).all()
    # f* is finite inside its domain; only where rounding has carried u to the very end may it be inf
    outside = torch.isinf(value) & (v < 5)
    assert not (outside & (value > 0)).any()


@EVERY_ROW
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_the_variational_terms_have_gradients_without_nan(name: str, dtype: torch.dtype) -> None:
    row = ROWS[name]
    v = torch.tensor([-30.0, -3.0, 0.0, 3.0, 15.0], dtype=dtype, requires_grad=True)
    for term in (row.activation, lambda w: row.conjugate(row.activation(w))):
        (gradient,) = torch.autograd.grad(term(v).sum(), v)
        assert not torch.isnan(gradient).any()


# ── terms ───────────────────────────────────────────────────────────────────────────────────


@EVERY_ROW
def test_terms_are_q_times_f_of_the_ratio(name: str) -> None:
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(60)), rng.dirichlet(np.ones(60))
    truth = [
        float(mpmath.mpf(b) * DEFINITIONS[name](mpmath.mpf(a) / mpmath.mpf(b)))
        for a, b in zip(p, q, strict=True)
    ]
    np.testing.assert_allclose(ROWS[name].perspective(p, q), truth, rtol=1e-9)


@EVERY_ROW
def test_terms_at_zeros(name: str) -> None:
    row = ROWS[name]
    values = row.perspective(np.array([0.0, 0.0, 0.3, 0.0]), np.array([0.0, 0.3, 0.0, 1.0]))
    assert values[0] == 0  # 0 · f(0/0) = 0
    assert values[1] == pytest.approx(0.3 * row.at_zero)
    assert values[2] == pytest.approx(0.3 * row.slope)
    assert values[3] == pytest.approx(row.at_zero)


@EVERY_ROW
@pytest.mark.parametrize("step", [1e-15, 1e-12, 1e-8, 1e-4, 9.9e-3, 1.01e-2, 3e-2])
def test_digits_near_equality(name: str, step: float) -> None:
    q = np.full(4, 0.25)
    p = np.array([0.25 + step / 4, 0.25 - step / 4, 0.25 + step / 8, 0.25 - step / 8])
    truth = sum(
        mpmath.mpf(b) * DEFINITIONS[name](mpmath.mpf(float(a)) / mpmath.mpf(b))
        for a, b in zip(p, q, strict=True)
    )
    value = float(np.sum(ROWS[name].perspective(p, q)))
    assert value == pytest.approx(float(truth), rel=1e-10)
    assert value > 0


@EVERY_ROW
def test_subnormal_masses(name: str) -> None:
    tiny = 5e-324
    p, q = np.array([tiny, 1.0, tiny, 1.0]), np.array([1.0, tiny, 3 * tiny, 0.0])
    values = ROWS[name].perspective(p, q)
    assert not np.any(np.isnan(values))
    assert np.all(values >= 0)
    for k in range(3):
        truth = mpmath.mpf(float(q[k])) * DEFINITIONS[name](mpmath.mpf(float(p[k])) / mpmath.mpf(float(q[k])))
        expected = float(truth) if truth < mpmath.mpf("1.7e308") else math.inf
        assert values[k] == pytest.approx(expected, rel=1e-9, abs=1e-322)


@EVERY_ROW
def test_gradients_of_terms_are_those_of_the_formula(name: str) -> None:
    p = torch.tensor([0.1, 0.2, 0.7 * (1 + 1e-4), 0.4], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([0.3, 0.1, 0.7, 0.4], dtype=torch.float64, requires_grad=True)
    got_p, got_q = torch.autograd.grad(ROWS[name].perspective(p, q).sum(), (p, q))
    for k in range(3):
        a, b = mpmath.mpf(p[k].item()), mpmath.mpf(q[k].item())
        slope = mpmath.diff(DEFINITIONS[name], a / b)
        assert float(got_p[k]) == pytest.approx(float(slope), rel=1e-8)
        assert float(got_q[k]) == pytest.approx(float(DEFINITIONS[name](a / b) - a / b * slope), rel=1e-8)
    assert float(got_p[3]) == 0
    assert float(got_q[3]) == 0


@EVERY_ROW
def test_gradients_are_finite_where_one_side_has_no_mass(name: str) -> None:
    row = ROWS[name]
    p = torch.tensor([0.0, 0.0, 0.5, 0.5], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([0.0, 0.5, 0.5, 0.0], dtype=torch.float64, requires_grad=True)
    for gradient in torch.autograd.grad(row.perspective(p, q).sum(), (p, q)):
        assert torch.isfinite(gradient).all()


# ── the α family ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("alpha", "name", "factor"),
    [
        (1, "kl", 1),
        (0, "reverse_kl", 1),
        (2, "chi2", 0.5),
        (0.5, "squared_hellinger", 4),
        (-1, "neyman_chi2", 0.5),
    ],
)
def test_named_members_of_the_alpha_family(alpha: float, name: str, factor: float) -> None:
    rng = np.random.default_rng(2)
    p, q = rng.dirichlet(np.ones(30)), rng.dirichlet(np.ones(30))
    np.testing.assert_allclose(
        alpha_divergence(alpha).perspective(p, q), factor * FDIVERGENCES[name].perspective(p, q), rtol=1e-9
    )


@pytest.mark.parametrize("alpha", [1e-320, 1e-300, 1e-17, 1e-9, 1 - 1e-9, 1 + 1e-15, 1e6, 1e40, 1e200, -1e40])
def test_extreme_orders_have_no_nan(alpha: float) -> None:
    row = alpha_divergence(alpha)
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.5, 0.25])
    values = row.perspective(p, q)
    assert not np.any(np.isnan(values))
    assert np.all(values >= 0)
    assert values[1] == 0
    if abs(alpha) < 1e-8 or abs(alpha - 1) < 1e-8:
        limit = FDIVERGENCES["kl" if alpha > 0.5 else "reverse_kl"].perspective(p, q)
        assert values[0] == pytest.approx(limit[0], rel=1e-7)


# ── rows of the user's own ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", [n for n in FDIVERGENCES if n not in ("kl", "reverse_kl", "js", "jeffreys", "neyman_chi2")]
)
def test_f_alone_is_enough(name: str) -> None:
    row = FDIVERGENCES[name]
    own = FDivergence("own", row.f)
    p, q = np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.25, 0.0, 0.75, 0.0])
    np.testing.assert_allclose(own.perspective(p, q), row.perspective(p, q), rtol=1e-12)


def test_the_slope_is_read_off_the_derivative_or_off_f() -> None:
    p, q = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    disjoint = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    bounded = FDivergence("bounded", lambda t: np.abs(t - 1) / 2)
    assert pmf.f_divergence(*disjoint, bounded) == pytest.approx(1.0)
    cubic = FDivergence("cubic", lambda t: (t - 1) ** 2 * (t + 2))
    assert pmf.f_divergence(*disjoint, cubic) == math.inf
    assert pmf.f_divergence(p, q, cubic) == pytest.approx(0.5 * 4 + 0.5 * 2)
    derived = FDivergence(
        "derived", lambda t: (t - 1) ** 2 / (t + 1), derivative=lambda t: 1 - 4 / (t + 1) ** 2
    )
    assert pmf.f_divergence(*disjoint, derived) == pytest.approx(2.0)


def test_a_limit_that_comes_out_nan_is_asked_for() -> None:
    entropy_like = FDivergence("tlogt", lambda t: t * np.log(t))
    disjoint = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    with pytest.raises(ValueError, match="'tlogt' needs at_zero= stated"):
        pmf.f_divergence(*disjoint, entropy_like)
    stated = FDivergence("tlogt", lambda t: t * np.log(t), at_zero=0.0)
    assert pmf.f_divergence([0.5, 0.5, 0.0], [0.25, 0.25, 0.5], stated) == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match="needs slope= stated"):
        pmf.f_divergence(
            *disjoint,
            FDivergence("odd", lambda t: t**2 - 1, derivative=lambda t: t / (1 + t), at_zero=0.0),
        )


def test_an_f_that_is_not_zero_at_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'shifted' must have f\(1\) = 0.*got f\(1\) = 1"):
        pmf.f_divergence([0.5, 0.5], [0.5, 0.5], FDivergence("shifted", np.square))


def test_a_ratio_beyond_float64_is_not_nan() -> None:
    own = FDivergence("own", lambda t: t * np.log(np.where(t > 0, t, 1.0)) - t + 1)
    value = own.perspective(np.array([0.5]), np.array([1e-310]))[0]
    assert value == pytest.approx(0.5 * math.log(1e300) - 0.5)  # at the largest ratio f is asked for


def test_a_row_written_with_torch_functions() -> None:
    own = FDivergence("own", lambda t: torch.abs(t - 1) / 2)
    p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.0, 0.75])
    assert float(pmf.f_divergence(p, q, own)) == pytest.approx(0.75)


def test_a_row_written_with_operators_takes_both_libraries() -> None:
    own = FDivergence("own", lambda t: (t - 1) ** 2)
    p, q = [0.5, 0.5], [0.25, 0.75]
    truth = 1 / 3
    assert float(pmf.f_divergence(p, q, own)) == pytest.approx(truth)
    tensor = torch.tensor(p, dtype=torch.float64, requires_grad=True)
    value = pmf.f_divergence(tensor, torch.tensor(q, dtype=torch.float64), own)
    assert float(value.detach()) == pytest.approx(truth)
    (gradient,) = torch.autograd.grad(value, tensor)
    torch.testing.assert_close(gradient, torch.tensor([2.0, -2.0 / 3.0], dtype=torch.float64))


@pytest.mark.parametrize("zero", ["p", "q", "none"])
def test_gradients_of_an_own_row_with_an_infinite_slope(zero: str) -> None:
    own = FDivergence("own", lambda t: (t - 1) ** 2)
    p = torch.tensor(
        [0.5, 0.5, 0.0] if zero == "p" else [0.5, 0.25, 0.25], dtype=torch.float64, requires_grad=True
    )
    q = torch.tensor(
        [0.5, 0.5, 0.0] if zero == "q" else [0.25, 0.25, 0.5], dtype=torch.float64, requires_grad=True
    )
    for gradient in torch.autograd.grad(own.perspective(p, q).sum(), (p, q)):
        assert torch.isfinite(gradient).all()


def test_mixing_libraries_is_refused() -> None:
    with pytest.raises(TypeError, match="one library"):
        pmf.f_divergence(np.array([0.5, 0.5]), torch.tensor([0.5, 0.5]), "kl")


def test_names_and_functions() -> None:
    assert as_fdivergence("js") is FDIVERGENCES["js"]
    with pytest.raises(ValueError, match="did you mean 'chi2'"):
        as_fdivergence("chi_2")
    with pytest.raises(TypeError, match="Wrap a function"):
        as_fdivergence(lambda t: t)


# ── the composite ───────────────────────────────────────────────────────────────────────────


@EVERY_ROW
def test_composite_is_the_conjugate_of_the_activation_in_fifty_digits(name: str) -> None:
    """f*(f'(t)) = t f'(t) − f(t) at t = e^v, to |v| = 10⁴: exact where it is representable, else ±inf."""
    row = ROWS[name]
    if name == "tv":  # f' is a step, whose conjugate is itself on [−½, ½]
        v = np.array([-1e4, -3.0, 0.0, 1e-8, 3.0, 1e4])
        np.testing.assert_allclose(row.composite(v), np.tanh(v / 2) / 2, rtol=1e-15)
        return
    for v in (-1e4, -800.0, -30.0, -2.0, -1e-6, 0.0, 1e-9, 0.3, 5.0, 40.0, 650.0, 1e4):
        with mpmath.workdps(12_000 if abs(v) > 100 else 60):
            t = mpmath.exp(mpmath.mpf(v))
            f = DEFINITIONS[name]
            slope = mpmath.mpf(0) if v == 0 else _derivative(name)(t)
            truth = t * slope - f(t)
            wanted = float(truth) if abs(truth) < 1e308 else math.copysign(math.inf, truth)
        with np.errstate(over="ignore"):
            value = float(row.composite(np.asarray(v)))
        assert value == pytest.approx(wanted, rel=1e-9, abs=1e-300), (v, value, wanted)


def _derivative(name: str):
    """f' from its formula, by hand: a numerical derivative has not the digits."""
    simple = {
        "kl": lambda t: mpmath.log(t),
        "reverse_kl": lambda t: 1 - 1 / t,
        "js": lambda t: mpmath.log(2 * t / (1 + t)) / 2,
        "jeffreys": lambda t: mpmath.log(t) + 1 - 1 / t,
        "squared_hellinger": lambda t: (1 - 1 / mpmath.sqrt(t)) / 2,
        "chi2": lambda t: 2 * (t - 1),
        "neyman_chi2": lambda t: 1 - 1 / t**2,
        "triangular": lambda t: 1 - 4 / (t + 1) ** 2,
        "alpha=0.0": lambda t: 1 - 1 / t,
        "alpha=1.0": lambda t: mpmath.log(t),
    }
    if name in simple:
        return simple[name]
    alpha = mpmath.mpf(float(name.removeprefix("alpha=")))
    return lambda t: (t ** (alpha - 1) - 1) / (alpha - 1)


@EVERY_ROW
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_composite_has_no_nan_anywhere(name: str, dtype: torch.dtype) -> None:
    magnitudes = torch.logspace(-6, 4, 101, dtype=dtype)
    v = torch.cat([-magnitudes, torch.zeros(1, dtype=dtype), magnitudes]).requires_grad_(True)
    value = ROWS[name].composite(v)
    assert not torch.isnan(value).any()
    (gradient,) = torch.autograd.grad(value.sum(), v)
    assert not torch.isnan(gradient).any()
    # where the activation saturates the composite is finite, as the conjugate after it is not
    bounded = math.isfinite(ROWS[name].slope)
    assert (
        not bounded
        or torch.isfinite(value[v < 5]).all()
        or name in ("neyman_chi2", "alpha=-1.0", "alpha=-0.5")
    )


def test_a_row_without_a_composite_composes_its_parts() -> None:
    row = FDivergence(
        "square",
        lambda t: (t - 1) ** 2,
        conjugate=lambda u: u + u * u / 4,
        activation=lambda v: 2 * np.expm1(v),
    )
    v = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(row.composite(v), FDIVERGENCES["chi2"].composite(v), rtol=1e-12)
    assert FDivergence("square", lambda t: (t - 1) ** 2).composite is None
