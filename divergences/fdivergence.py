"""f-divergences as data: one row gives the pmf value, the sample estimators and the f-GAN loss.

D_f(P‖Q) = E_Q f(dP/dQ) with f convex and f(1) = 0 (Csiszár 1963; Ali & Silvey 1966). Every row
here is standardised so that f ≥ 0 and f'(1) = 0, by adding a multiple of t − 1, which changes no
divergence: the terms q f(p/q) are then non-negative one by one and nothing cancels.

The variational form is D_f = sup_T E_P T − E_Q f*(T) (Nguyen, Wainwright & Jordan 2010), attained
at T = f'(p/q). An output activation g maps any real v into the domain of f*, and is chosen so
that v = log(p/q) is the optimum: g(v) = f'(eᵛ) (Nowozin, Cseke & Tomioka 2016, Table 2, up to
the standardisation). Total variation's f' is a step; its activation is a sigmoid of that range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergences._arrays import Array, from_numpy, is_torch, namespace, safe_sqrt
from divergences._inputs import check_option, check_positive

__all__ = ["FDIVERGENCES", "FDivergence", "alpha_divergence", "as_fdivergence"]

LOG2 = math.log(2.0)
LARGEST_RATIO = 1e300  # an f of the user's is not asked for more: f(inf) is often inf − inf


@dataclass(frozen=True, slots=True)
class FDivergence:
    """A row: ``f`` on [0, ∞), its ``derivative``, convex ``conjugate`` and output ``activation``.

    ``f`` alone is enough to measure between pmfs and samples; the other three are what a
    variational bound and an f-GAN need. All are called with arrays (NumPy or torch) and must
    return arrays. ``composite`` is v ↦ f*(g(v)) in one closed form: taken one after the other, the
    two overflow where g saturates (left out, they are). ``at_zero`` = f(0) and ``slope`` =
    lim f(t)/t say what an outcome that only one side has costs; left out, they are read off
    ``f(0)`` and ``derivative(inf)`` or f itself.
    ``terms``, if given, computes q·f(p/q) directly, zeros included, more accurately than f can.

    >>> import numpy as np
    >>> from divergences import pmf
    >>> square = FDivergence("square", lambda t: (t - 1) ** 2)
    >>> round(float(pmf.f_divergence([0.5, 0.5], [0.25, 0.75], square)), 6)
    0.333333
    """

    name: str
    f: Callable[[Array], Array]
    derivative: Callable[[Array], Array] | None = None
    conjugate: Callable[[Array], Array] | None = None
    activation: Callable[[Array], Array] | None = None
    composite: Callable[[Array], Array] | None = None
    at_zero: float | None = None
    slope: float | None = None
    terms: Callable[[Array, Array], Array] | None = None

    def __post_init__(self) -> None:
        if self.composite is None and self.conjugate is not None and self.activation is not None:
            conjugate, activation = self.conjugate, self.activation
            object.__setattr__(self, "composite", lambda v: conjugate(activation(v)))

    def perspective(self, p: Array, q: Array) -> Array:
        """q · f(p/q), elementwise, with its limits where p or q is 0 (0 where both are)."""
        with np.errstate(over="ignore"):  # a term beyond float64 is inf
            return self._by_f(p, q) if self.terms is None else self.terms(p, q)

    def _by_f(self, p: Array, q: Array) -> Array:
        xp = namespace(p)
        at_one = float(self.f(from_numpy(1.0, p)))
        if not abs(at_one) <= 1e-9:
            raise ValueError(
                f"FDivergence {self.name!r} must have f(1) = 0, so that D_f(P‖P) = 0; got f(1) = {at_one:g}. "
                f"Subtract that constant from f"
            )
        both = (p > 0) & (q > 0)
        p1, q1 = xp.where(both, p, 1.0), xp.where(both, q, 1.0)
        beyond = p1 > LARGEST_RATIO * q1  # p · f(r)/r there, at the largest ratio that f can be asked for
        ratio = xp.where(beyond, LARGEST_RATIO, p1 / xp.where(beyond, 1.0, q1))
        inside = xp.where(beyond, p1 / LARGEST_RATIO, q1) * self.f(ratio)
        only_p = xp.where(q > 0, 0.0, _mass_times(xp, p, self._limit("slope", p)))
        only_q = xp.where(p > 0, 0.0, _mass_times(xp, q, self._limit("at_zero", p)))
        return xp.where(both, inside, only_p + only_q)

    def _limit(self, which: str, like: Array) -> float:
        stated = getattr(self, which)
        if stated is not None:
            return float(stated)
        with np.errstate(all="ignore"):
            if which == "at_zero":
                value = float(self.f(from_numpy(0.0, like)))
            elif self.derivative is not None:
                value = float(self.derivative(from_numpy(math.inf, like)))
            else:
                # a convex f over t settles to its slope; an unbounded one keeps growing
                early, late = (float(self.f(from_numpy(t, like))) / t for t in (1e75, 1e150))
                value = late if abs(late - early) <= 1e-6 * max(1.0, abs(early)) else math.inf
        if math.isnan(value):
            raise ValueError(
                f"FDivergence {self.name!r} needs {which}= stated: "
                f"{'f(0)' if which == 'at_zero' else 'lim f(t)/t'} came out as NaN"
            )
        return value


def _mass_times(xp: Any, mass: Array, limit: float) -> Array:
    """mass · limit, with 0 · inf = 0, in the gradient too."""
    positive = mass > 0
    if math.isinf(limit):
        return xp.where(positive, xp.full_like(mass, limit), 0.0)
    return xp.where(positive, xp.where(positive, mass, 1.0) * limit, 0.0)


# ── f, term by term ─────────────────────────────────────────────────────────────────────────


def _array(t: Any) -> Array:
    return t if is_torch(t) else np.asarray(t, dtype=np.float64)


def _of_ratio(terms: Callable[[Array, Array], Array]) -> Callable[[Array], Array]:
    """f(t) = terms(t, 1)."""

    def f(t: Array) -> Array:
        t = _array(t)
        return terms(t, namespace(t).ones_like(t))

    return f


def _kl_terms(p: Array, q: Array) -> Array:
    """p log(p/q) − p + q ≥ 0; a series where p is near q, so that nothing cancels."""
    xp = namespace(p)
    both = (p > 0) & (q > 0)
    p1, q1 = xp.where(both, p, 1.0), xp.where(both, q, 1.0)
    near = xp.abs(p1 - q1) <= 1e-2 * q1
    delta = xp.where(near, p1 - q1, 0.0) / xp.where(near, q1, 1.0)
    series = 0.0
    for k in range(9, 1, -1):  # (1+δ) log(1+δ) − δ = Σ (−δ)^k / (k (k−1))
        series = (-1.0) ** k / (k * (k - 1)) + delta * series
    far = p1 * (xp.log(p1) - xp.log(q1)) - p1 + q1
    inside = xp.where(near, q1 * delta * delta * series, far)
    return xp.where(both, inside, xp.where(p > 0, xp.inf, q))


def _reverse_kl_terms(p: Array, q: Array) -> Array:
    return _kl_terms(q, p)


def _js_terms(p: Array, q: Array) -> Array:
    # against p + q and not its half: halving a subnormal would lose it
    return (_kl_terms(2.0 * p, p + q) + _kl_terms(2.0 * q, p + q)) / 4.0


def _jeffreys_terms(p: Array, q: Array) -> Array:
    return _kl_terms(p, q) + _kl_terms(q, p)


def _tv_terms(p: Array, q: Array) -> Array:
    return namespace(p).abs(p - q) / 2.0


def _squared_hellinger_terms(p: Array, q: Array) -> Array:
    # (√p − √q)² / 2 = (p − q)² / (2 (√p + √q)²): the difference is taken before the roots
    xp = namespace(p)
    p1, q1 = xp.where(p > 0, p, 1.0), xp.where(q > 0, q, 1.0)
    both = (p > 0) & (q > 0)
    ratio = (p1 - q1) / (xp.sqrt(p1) + xp.sqrt(q1))
    return xp.where(both, ratio * ratio / 2.0, (p + q) / 2.0)


def _chi2_terms(p: Array, q: Array) -> Array:
    xp = namespace(p)
    q1 = xp.where(q > 0, q, 1.0)
    return xp.where(q > 0, (p - q) * ((p - q) / q1), xp.where(p > 0, xp.inf, 0.0))


def _neyman_terms(p: Array, q: Array) -> Array:
    return _chi2_terms(q, p)


def _triangular_terms(p: Array, q: Array) -> Array:
    xp = namespace(p)
    total = xp.where(p + q > 0, p + q, 1.0)
    return (p - q) * ((p - q) / total)


# ── conjugates that need a word ─────────────────────────────────────────────────────────────


def _softplus(v: Array) -> Array:
    xp = namespace(v)
    return xp.maximum(v, xp.zeros_like(v)) + xp.log1p(xp.exp(-xp.abs(v)))


def _log_mean(v: Array) -> Array:
    """log((1 + e^v)/2), to full digits near 0 too."""
    xp = namespace(v)
    return xp.maximum(v, xp.zeros_like(v)) + xp.log1p(xp.expm1(-xp.abs(v)) / 2.0)


def _log_wright_omega(z: Array) -> Array:
    """log ω where ω + log ω = z, by Newton's method (differentiable in torch)."""
    xp = namespace(z)
    z = xp.clip(z, None, xp.finfo(z.dtype).max / 4.0)
    log_omega = xp.where(z > 1.0, xp.log(xp.where(z > 1.0, z, 1.0)), z - 1.0)
    for _ in range(30):
        omega = xp.exp(log_omega)
        log_omega = log_omega - (omega + log_omega - z) / (omega + 1.0)
    return log_omega


# Each is +inf where no t attains it: u above the slope of f at infinity.


def _reverse_kl_conjugate(u: Array) -> Array:
    u = _array(u)
    xp = namespace(u)
    inside = u < 1.0
    return xp.where(inside, -xp.log1p(-xp.where(inside, u, 0.0)), xp.inf)


def _js_conjugate(u: Array) -> Array:
    u = _array(u)
    xp = namespace(u)
    inside = u < LOG2 / 2.0
    grown = xp.expm1(2.0 * xp.where(inside, u, 0.0))
    inside = inside & (grown < 1.0)
    return xp.where(inside, -xp.log1p(-xp.where(inside, grown, 0.0)) / 2.0, xp.inf)


def _jeffreys_conjugate(u: Array) -> Array:
    u = _array(u)
    minus_log_t = _log_wright_omega(1.0 - u)  # at the optimum f'(t) = log t + 1 − 1/t = u
    return namespace(u).expm1(-minus_log_t) - minus_log_t


def _squared_hellinger_conjugate(u: Array) -> Array:
    u = _array(u)
    xp = namespace(u)
    inside, low = u < 0.5, u < -1.0
    near = xp.where(inside & ~low, u, 0.0)
    far = xp.where(low, u, -1.0)
    value = xp.where(low, 0.5 / (1.0 - 2.0 * far) - 0.5, near / (1.0 - 2.0 * near))
    return xp.where(inside, value, xp.inf)


def _chi2_conjugate(u: Array) -> Array:
    u = _array(u)
    return namespace(u).where(u >= -2.0, u + u * u / 4.0, -1.0)  # t ≥ 0 binds below −2


def _neyman_conjugate(u: Array) -> Array:
    u = _array(u)
    xp = namespace(u)
    return xp.where(u <= 1.0, 2.0 - 2.0 * safe_sqrt(xp, 1.0 - u), xp.inf)


def _triangular_conjugate(u: Array) -> Array:
    u = _array(u)
    xp = namespace(u)
    value = xp.where(u >= -3.0, 4.0 - u - 4.0 * safe_sqrt(xp, 1.0 - u), -1.0)  # t ≥ 0 binds below −3
    return xp.where(u <= 1.0, value, xp.inf)


def _alpha_conjugate(u: Array, alpha: float) -> Array:
    """((1 + (α−1)u)^(α/(α−1)) − 1)/α; beyond its range t ≥ 0 binds (α > 1) or none attains it."""
    xp = namespace(u)
    inside = (alpha - 1.0) * u > -1.0
    base = xp.where(inside, (alpha - 1.0) * u, 0.0)
    value = xp.expm1(alpha / (alpha - 1.0) * xp.log1p(base)) / alpha
    at_edge = xp.inf if 0.0 < alpha < 1.0 else -1.0 / alpha
    further = -1.0 / alpha if alpha > 1 else xp.inf
    beyond = xp.where((alpha - 1.0) * u == -1.0, xp.full_like(u, at_edge), further)
    return xp.where(inside, value, beyond)


def _xp(function: Callable[[Any, Array], Array]) -> Callable[[Array], Array]:
    """A one-line formula ``(xp, t) -> array`` as a function of any array or number."""

    def call(t: Array) -> Array:
        t = _array(t)
        return function(namespace(t), t)

    return call


# ── the rows ────────────────────────────────────────────────────────────────────────────────

FDIVERGENCES: dict[str, FDivergence] = {
    row.name: row
    for row in (
        FDivergence(
            "kl", _of_ratio(_kl_terms),
            derivative=_xp(lambda xp, t: xp.log(t)),
            conjugate=_xp(lambda xp, u: xp.expm1(u)),
            activation=_xp(lambda xp, v: v),
            composite=_xp(lambda xp, v: xp.expm1(v)),
            at_zero=1.0, slope=math.inf, terms=_kl_terms,
        ),
        FDivergence(
            "reverse_kl", _of_ratio(_reverse_kl_terms),
            derivative=_xp(lambda xp, t: 1.0 - 1.0 / t),
            conjugate=_reverse_kl_conjugate,
            activation=_xp(lambda xp, v: -xp.expm1(-v)),
            composite=_xp(lambda xp, v: v),
            at_zero=math.inf, slope=1.0, terms=_reverse_kl_terms,
        ),
        FDivergence(
            "js", _of_ratio(_js_terms),
            derivative=_xp(lambda xp, t: xp.log(2.0 * t / (1.0 + t)) / 2.0),
            conjugate=_js_conjugate,
            activation=_xp(lambda xp, v: -_log_mean(-v) / 2.0),
            composite=_xp(lambda xp, v: _log_mean(v) / 2.0),
            at_zero=LOG2 / 2, slope=LOG2 / 2, terms=_js_terms,
        ),
        FDivergence(
            "jeffreys", _of_ratio(_jeffreys_terms),
            derivative=_xp(lambda xp, t: xp.log(t) + 1.0 - 1.0 / t),
            conjugate=_jeffreys_conjugate,
            activation=_xp(lambda xp, v: v - xp.expm1(-v)),
            composite=_xp(lambda xp, v: xp.expm1(v) + v),
            at_zero=math.inf, slope=math.inf, terms=_jeffreys_terms,
        ),
        FDivergence(
            "tv", _of_ratio(_tv_terms),
            derivative=_xp(lambda xp, t: xp.sign(t - 1.0) / 2.0),
            conjugate=_xp(lambda xp, u: xp.where(u <= 0.5, xp.where(u >= -0.5, u, -0.5), xp.inf)),
            activation=_xp(lambda xp, v: xp.tanh(v / 2.0) / 2.0),
            composite=_xp(lambda xp, v: xp.tanh(v / 2.0) / 2.0),
            at_zero=0.5, slope=0.5, terms=_tv_terms,
        ),
        FDivergence(
            "squared_hellinger", _of_ratio(_squared_hellinger_terms),
            derivative=_xp(lambda xp, t: (1.0 - 1.0 / xp.sqrt(t)) / 2.0),
            conjugate=_squared_hellinger_conjugate,
            activation=_xp(lambda xp, v: -xp.expm1(-v / 2.0) / 2.0),
            composite=_xp(lambda xp, v: xp.expm1(v / 2.0) / 2.0),
            at_zero=0.5, slope=0.5, terms=_squared_hellinger_terms,
        ),
        FDivergence(
            "chi2", _of_ratio(_chi2_terms),
            derivative=_xp(lambda xp, t: 2.0 * (t - 1.0)),
            conjugate=_chi2_conjugate,
            activation=_xp(lambda xp, v: 2.0 * xp.expm1(v)),
            composite=_xp(lambda xp, v: xp.expm1(2.0 * v)),
            at_zero=1.0, slope=math.inf, terms=_chi2_terms,
        ),
        FDivergence(
            "neyman_chi2", _of_ratio(_neyman_terms),
            derivative=_xp(lambda xp, t: 1.0 - 1.0 / (t * t)),
            conjugate=_neyman_conjugate,
            activation=_xp(lambda xp, v: -xp.expm1(-2.0 * v)),
            composite=_xp(lambda xp, v: -2.0 * xp.expm1(-v)),
            at_zero=math.inf, slope=1.0, terms=_neyman_terms,
        ),
        FDivergence(
            "triangular", _of_ratio(_triangular_terms),
            derivative=_xp(lambda xp, t: 1.0 - 4.0 / (t + 1.0) ** 2),
            conjugate=_triangular_conjugate,
            activation=_xp(lambda xp, v: 1.0 - 4.0 * xp.exp(-2.0 * _softplus(v))),
            composite=_xp(lambda xp, v: xp.tanh(v / 2.0) * (2.0 + xp.tanh(v / 2.0))),
            at_zero=1.0, slope=1.0, terms=_triangular_terms,
        ),
    )
}  # fmt: skip


def alpha_divergence(alpha: float) -> FDivergence:
    """Amari's α-divergence in Cressie–Read form, f(t) = (tᵅ − αt + α − 1) / (α(α − 1)).

    Any real α: 1 is KL, 0 reverse KL, 2 half of Pearson's χ², ½ four times squared Hellinger,
    −1 half of Neyman's χ² (Cressie & Read 1984; Liese & Vajda 2006).

    >>> alpha_divergence(2).name
    'alpha(2)'
    """
    alpha = check_positive(alpha, "alpha", minimum=-math.inf, strict=False)
    if alpha == 1.0:
        return FDIVERGENCES["kl"]
    if alpha == 0.0:
        return FDIVERGENCES["reverse_kl"]

    def terms(p: Array, q: Array) -> Array:
        return _alpha_terms(p, q, alpha)

    return FDivergence(
        f"alpha({alpha:g})",
        _of_ratio(terms),
        derivative=_xp(lambda xp, t: xp.expm1((alpha - 1.0) * xp.log(t)) / (alpha - 1.0)),
        conjugate=_xp(lambda xp, u: _alpha_conjugate(u, alpha)),
        activation=_xp(lambda xp, v: xp.expm1((alpha - 1.0) * v) / (alpha - 1.0)),
        composite=_xp(lambda xp, v: xp.expm1(alpha * v) / alpha),
        at_zero=1.0 / alpha if alpha > 0 else math.inf,
        slope=1.0 / (1.0 - alpha) if alpha < 1 else math.inf,
        terms=terms,
    )


def _alpha_terms(p: Array, q: Array, alpha: float) -> Array:
    if alpha < 0.5:  # the same function with p and q exchanged: always work at α ≥ ½
        return _alpha_terms(q, p, 1.0 - alpha)
    if alpha == 1.0:  # 1 − α for an α below the rounding of 1
        return _kl_terms(p, q)
    xp = namespace(p)
    both = (p > 0) & (q > 0)
    p1, q1 = xp.where(both, p, 1.0), xp.where(both, q, 1.0)
    near = xp.abs(p1 - q1) <= 1e-2 / max(1.0, alpha) * q1
    delta = xp.where(near, p1 - q1, 0.0) / xp.where(near, q1, 1.0)
    series = term = delta * delta / 2.0
    for k in range(2, 11):  # ((1+δ)^α − 1 − αδ) / (α(α−1)) = Σ (α−2)…(α−k+1) δ^k / k!
        term = term * ((alpha - k) * delta / (k + 1))  # a product that stays small, however large α
        series = series + term
    # p·((p/q)^(α−1) − 1)/(α−1) keeps its digits as α → 1; a huge power is one exponential
    exponent = (alpha - 1.0) * (xp.log(p1) - xp.log(q1))
    large = exponent > 30.0
    power = xp.where(
        large,
        xp.exp(xp.where(large, exponent, 0.0) + xp.log(p1)) - p1,
        p1 * xp.expm1(xp.where(large, 0.0, exponent)),
    )
    far = (power / (alpha - 1.0) - p1 + q1) / alpha
    inside = xp.where(near, q1 * series, far)
    only_p = p / (1.0 - alpha) if alpha < 1 else xp.where(p > 0, xp.inf, 0.0)
    return xp.where(both, inside, xp.where(p > 0, only_p, q / alpha))


def as_fdivergence(f: str | FDivergence) -> FDivergence:
    """The row a name stands for; a row is returned as it is."""
    if isinstance(f, FDivergence):
        return f
    if not isinstance(f, str):
        raise TypeError(
            f"f must be a name or an FDivergence; got {type(f).__name__}. "
            "Wrap a function: FDivergence('mine', f)"
        )
    return FDIVERGENCES[check_option(f, "f", FDIVERGENCES)]
