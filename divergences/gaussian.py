"""Divergences between Gaussians in closed form, and the Gaussian that fits a sample.

Every function takes ``(x_mean, x_cov, y_mean, y_cov)``: means ``(d,)`` and covariances ``(d, d)``,
P = x first; in one dimension plain numbers (mean, variance) will do. Covariances may be singular.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergences._arrays import (
    Array,
    Namespace,
    detached,
    envelope,
    from_numpy,
    namespace,
    safe_sqrt,
    widened,
)
from divergences._inputs import (
    _dtype_name,
    _frame,
    _same_library,
    check_gaussian,
    check_integer,
    check_positive,
    check_samples,
    check_weights,
    scalar,
)
from divergences.registry import metric

__all__ = ["fit", "frechet", "hellinger", "js", "kl", "merge", "renyi", "wasserstein"]

NOISE = 8.0  # an eigenvalue below NOISE * sqrt(d) * eps of a unit-diagonal matrix is rounding (measured: 2)
SERIES = 1e-2  # below this log differences are summed as a power series
NEAR = 0.5  # relative changes of covariance up to here are taken from eigenvalues of P − Q
REACH = 12.0  # standard deviations beyond which a density counts for nothing (1e-32)
APART = 20.0  # centres this many (σ + σ) apart: JS differs from log 2 by less than 1e-43


# ── fitting ─────────────────────────────────────────────────────────────────────────────────


def fit(x: Any, *, weights: Any = None, ddof: int = 0) -> tuple[Array, Array]:
    """Mean ``(d,)`` and covariance ``(d, d)`` of samples ``x`` (n, d): argmin over Gaussians of KL(p̂‖·).

    With ``ddof=0`` this is maximum likelihood, which is the KL projection of the empirical
    distribution onto the Gaussians (White 1982, Econometrica 50:1). ``ddof=1`` divides by
    n − 1, with weights a by 1 − Σa², which is unbiased. A common offset costs no digits.

    Raises ValueError for fewer than 1 + ddof rows, or where float range cannot hold the answer.

    >>> mean, cov = fit([[1e8, 0.0], [1e8 + 2.0, 4.0]])
    >>> mean.tolist(), cov.tolist()
    ([100000001.0, 2.0], [[1.0, 2.0], [2.0, 4.0]])
    """
    ddof = _check_ddof(ddof)
    x, dtype = widened(check_samples(x, "x", min_rows=1 + ddof))
    a, _ = check_weights(weights, x, "weights")
    xp = namespace(x)
    origin, scale = _frame(xp, detached(x), detached(x))
    mean, centred, divisor = _centred(xp, _divided(x - origin, scale), a, ddof)
    cov = (a[:, None] * centred).T @ centred / divisor
    return _fitted(xp, origin + mean * scale, cov, scale, dtype)


def merge(
    x_mean: Any,
    x_cov: Any,
    y_mean: Any,
    y_cov: Any,
    *,
    x_weight: float,
    y_weight: float,
    ddof: int = 0,
) -> tuple[Array, Array]:
    """Mean and covariance of the union of two samples, from those of each (law of total covariance).

    ``x_weight`` and ``y_weight`` are the numbers of samples (with ``ddof=0`` any positive
    weights), ``ddof`` what both covariances were fitted with. Merging is associative, so chunks
    fitted one by one give the fit of them all (Chan, Golub & LeVeque 1983, eq. 2.1).

    >>> merge(*fit([0.0, 2.0]), *fit([7.0]), x_weight=2, y_weight=1)[0].tolist()
    [3.0]
    """
    ddof = _check_ddof(ddof)
    two = _check(x_mean, x_cov, y_mean, y_cov)
    n = check_positive(x_weight, "x_weight", minimum=float(ddof), strict=ddof == 0)
    m = check_positive(y_weight, "y_weight", minimum=float(ddof), strict=ddof == 0)
    share_x, share_y = n / (n + m), m / (n + m)
    delta, p, q, scale = _scaled(two)
    inflation = 1 - ddof / (n + m)
    cov = p * ((n - ddof) / (n + m)) + q * ((m - ddof) / (n + m))
    cov = (cov + (share_x * share_y) * delta[:, None] * delta[None, :]) / inflation
    # from the heavier side, so that its digits are kept
    mean = two.x_mean - two.delta * share_y if n >= m else two.y_mean + two.delta * share_x
    return _fitted(two.xp, mean, cov, scale, two.dtype)


def _check_ddof(ddof: Any) -> int:
    return check_integer(ddof, "ddof", minimum=0, below=2, why="0 is maximum likelihood, 1 is unbiased")


def _centred(xp: Namespace, x: Array, a: Array, ddof: int) -> tuple[Array, Array, Array]:
    """The mean, the rows about it, and what weighted squares of them are to be divided by."""
    mean = a @ x
    divisor = xp.sum(a * (1 - a)) if ddof else xp.sum(a)
    if not float(detached(divisor)) > 0:
        raise ValueError(
            "weights must be positive on at least two rows for an unbiased covariance; "
            "all the weight is on one. Spread it, or drop the weights"
        )
    return mean, x - mean, divisor


def _fitted(xp: Namespace, mean: Array, cov: Array, scale: float, dtype: Any) -> tuple[Array, Array]:
    """A mean and a covariance (still to be multiplied by scale²) in the caller's dtype."""
    with np.errstate(over="ignore", under="ignore"):
        restored = xp.astype((cov + cov.T) / 2 * scale * scale, dtype)
    before, after = float(xp.max(xp.abs(detached(cov)))), float(xp.max(xp.abs(detached(restored))))
    if not math.isfinite(after) or (before > 0 and after == 0):
        raise ValueError(
            f"the covariance, about {before:.3g} * {scale:.3g}**2, is beyond the range of "
            f"{_dtype_name(dtype)}. Divide the samples by {scale:.3g} first"
        )
    return xp.astype(mean, dtype), restored


# ── two Gaussians ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Two:
    """Two checked Gaussians in float64: only the difference of the means matters to a distance."""

    delta: Array  # x_mean − y_mean
    p: Array
    q: Array
    x_mean: Array
    y_mean: Array
    xp: Namespace
    dtype: Any
    p_eps: float
    q_eps: float

    @property
    def d(self) -> int:
        return int(self.delta.shape[0])

    @property
    def same(self) -> bool:
        xp = self.xp
        equal = xp.all(detached(self.p) == detached(self.q)) & xp.all(detached(self.delta) == 0)
        return bool(equal)

    def constant(self, value: float) -> Array:
        """``value``, joined to the inputs' gradient, which is 0 there."""
        parts = (self.delta, self.p, self.q)
        return value + sum(self.xp.sum(part - detached(part)) for part in parts) * 0.0


def _check(x_mean: Any, x_cov: Any, y_mean: Any, y_cov: Any) -> _Two:
    x_mean, p, x_dtype = check_gaussian(x_mean, x_cov, "x")
    y_mean, q, y_dtype = check_gaussian(y_mean, y_cov, "y")
    _same_library(x_mean, y_mean, ("x_mean", "y_mean"))
    if x_mean.shape != y_mean.shape:
        raise ValueError(
            f"the two Gaussians must have the same dimension; got {x_mean.shape[0]} for x and "
            f"{y_mean.shape[0]} for y. Fit both on the same features"
        )
    xp = namespace(x_mean)
    with np.errstate(over="ignore"):
        delta = x_mean - y_mean
    if not bool(xp.all(xp.isfinite(detached(delta)))):
        raise ValueError("x_mean - y_mean is beyond the range of float64; divide means and deviations by 10")
    return _Two(
        delta=delta, p=p, q=q, x_mean=x_mean, y_mean=y_mean, xp=xp,
        dtype=x_dtype if x_dtype == y_dtype else xp.float64,
        p_eps=float(xp.finfo(x_dtype).eps), q_eps=float(xp.finfo(y_dtype).eps),
    )  # fmt: skip


def _divided(array: Array, scale: float) -> Array:
    """``array / scale`` for a power of two, in two steps: 1/scale itself may overflow."""
    half = 2.0 ** (math.frexp(scale)[1] // 2)
    return array / half / (scale / half)


def _scaled(two: _Two) -> tuple[Array, Array, Array, float]:
    """Δ, P, Q with a common power of two taken out of lengths, and that power."""
    xp = two.xp
    largest = max(
        float(xp.max(xp.abs(detached(two.delta)))),
        math.sqrt(float(xp.max(xp.abs(detached(two.p))))),
        math.sqrt(float(xp.max(xp.abs(detached(two.q))))),
    )
    scale = 2.0 ** (math.frexp(largest)[1] - 1) if largest > 0 else 1.0
    p, q = (_divided(_divided(cov, scale), scale) for cov in (two.p, two.q))
    return _divided(two.delta, scale), p, q, scale


def _result(value: Array | None, two: _Two, scale: float = 1.0, degree: int = 0) -> Any:
    """``value * scale**degree`` in the caller's dtype, refused where that cannot hold it; None is inf."""
    if value is None:
        return scalar(two.constant(math.inf), two.dtype)
    restored = value
    with np.errstate(over="ignore", under="ignore"):
        for _ in range(degree):
            restored = restored * scale
        out = scalar(restored, two.dtype)
    before, after = float(detached(value)), float(detached(out))
    if not math.isfinite(after) or (before != 0 and after == 0):
        raise ValueError(
            f"the result, {before:.3g} * {scale:.3g}**{degree}, is beyond the range of "
            f"{_dtype_name(two.dtype)}; pass float64, or means and deviations in other units"
        )
    return out


# ── likelihood ratios: Kullback–Leibler, Rényi, Hellinger ────────────────────────────────────


@metric(
    on="gaussian",
    meaning="extra nats per sample paid for coding P with the Gaussian Q",
    degree=0,
    interval=None,
    cost="n",
    reference="Kullback 1959, ch. 9",
)
def kl(x_mean: Any, x_cov: Any, y_mean: Any, y_cov: Any) -> Any:
    """KL(P‖Q) in nats between Gaussians P = x and Q = y; in [0, inf].

    ½ [tr(Q⁻¹P) − d − log det(Q⁻¹P) + ΔᵀQ⁻¹Δ] (Kullback 1959, ch. 9, eq. 1.4). Two Gaussians on one
    subspace are compared there; on different ones (also: one singular, the other not) they are
    mutually singular and the answer is inf. Invariant under invertible affine maps. Whether a
    covariance is singular is judged to the rounding of its dtype: prefer float64 in many dimensions.

    >>> float(kl(0.0, 1.0, 1.0, 1.0))
    0.5
    """
    two = _check(x_mean, x_cov, y_mean, y_cov)
    return _result(_order(two, 1.0), two)


@metric(
    on="gaussian",
    meaning="how unlike the densities are, with weight on the ratio p/q growing with alpha",
    degree=0,
    interval=None,
    cost="n",
    reference="Gil, Alajaji & Linder 2013, table 2; van Erven & Harremoës 2014",
)
def renyi(x_mean: Any, x_cov: Any, y_mean: Any, y_cov: Any, *, alpha: float) -> Any:
    """Rényi divergence D_α(P‖Q) in nats between Gaussians P = x and Q = y; in [0, inf].

    With Σ_α = αQ + (1−α)P, half of α ΔᵀΣ_α⁻¹Δ + log(|Σ_α| / |P|^(1−α)|Q|^α) / (1−α)
    (Gil, Alajaji & Linder 2013, table 2); ``alpha=1`` is KL. Infinite for mutually singular P and Q, and
    for α > 1 where Σ_α is not positive definite. ValueError unless alpha is finite and ≥ 0.

    >>> float(renyi(0.0, 1.0, 1.0, 1.0, alpha=2))
    1.0
    """
    alpha = check_positive(alpha, "alpha", minimum=0.0, strict=False)
    two = _check(x_mean, x_cov, y_mean, y_cov)
    return _result(_order(two, alpha), two)


@metric(
    on="gaussian",
    meaning="distance between the square roots of the densities, 1 where they do not overlap",
    degree=0,
    interval=None,
    cost="n",
    reference="Pardo 2006; van Erven & Harremoës 2014",
)
def hellinger(x_mean: Any, x_cov: Any, y_mean: Any, y_cov: Any) -> Any:
    """Hellinger distance sqrt(1 − ∫√(pq)) (the root) between Gaussians; in [0, 1].

    −log ∫√(pq) = ½ Σ log((1+λ)/(2√λ)) + ⅛ Δᵀ[(P+Q)/2]⁻¹Δ with λ the eigenvalues of Q⁻¹P
    (Pardo 2006, p. 51), half the Rényi divergence of order ½. Mutually singular Gaussians: 1.

    >>> round(float(hellinger(0.0, 1.0, 1.0, 1.0)) ** 2, 7)
    0.1175031
    """
    two = _check(x_mean, x_cov, y_mean, y_cov)
    value = _order(two, 0.5)
    if value is None:
        return _result(two.constant(1.0), two)
    return _result(safe_sqrt(two.xp, -two.xp.expm1(-value / 2)), two)


def _order(two: _Two, alpha: float) -> Array | None:
    """The Rényi divergence of order alpha, KL at 1; None where it is infinite."""
    common = _common_support(two)
    if common is None:
        return None
    if alpha == 0 or len(common[0]) == 0:  # equal supports; equal point masses
        return two.constant(0.0)
    return _renyi(two.xp, *common, alpha=alpha)


def _common_support(two: _Two) -> tuple[Array, Array, Array] | None:
    """Δ, P, Q in coordinates where both covariances are positive definite.

    None where P and Q live on different subspaces: Gaussians are equivalent or mutually singular,
    never in between (Feldman–Hájek). Singular means: to the rounding of the inputs' dtype. Ratios of
    densities do not care for units, so each coordinate is first put in its own: whether a matrix
    is singular is then not a matter of metres or miles.
    """
    xp = two.xp
    q_variance, p_variance = (xp.linalg.diagonal(detached(cov)) for cov in (two.q, two.p))
    moving = q_variance > 0
    if bool(xp.any(moving != (p_variance > 0))) or bool(xp.any(~moving & (detached(two.delta) != 0))):
        return None
    kept = xp.nonzero(moving)[0]
    unit = 2.0 ** xp.round(xp.log2(q_variance[kept]) / 2)  # powers of two: exact
    delta = two.delta[kept] / unit
    with np.errstate(over="ignore", under="ignore"):
        p, q = (cov[kept][:, kept] / unit[:, None] / unit[None, :] for cov in (two.p, two.q))
    if not bool(xp.all(xp.isfinite(detached(p)))):
        raise ValueError(
            "the ratio of x_cov to y_cov is beyond the range of float64; a variance of y_cov that is meant "
            "to be 0 must be 0 exactly"
        )
    if len(kept) == 0:
        return delta, p, q
    tolerance = NOISE * math.sqrt(len(kept))
    size = xp.maximum(xp.abs(detached(two.x_mean)), xp.abs(detached(two.y_mean)))[kept] / unit
    slack = max(two.p_eps, two.q_eps) * float(xp.sum(size))
    reduced = _projected(xp, delta, p, q, slack, tolerance * two.p_eps, tolerance * two.q_eps)
    if reduced is None or not _definite(xp, detached(reduced[1]), tolerance * two.p_eps):
        return None
    return reduced


def _projected(
    xp: Namespace, delta: Array, p: Array, q: Array, slack: float, p_noise: float, q_noise: float
) -> tuple[Array, Array, Array] | None:
    """Everything in a basis of Q's range, a constant; None where P reaches outside of it."""
    values, vectors = xp.linalg.eigh(detached(q))
    inside = values > q_noise
    if bool(xp.all(inside)):
        return delta, p, q
    basis, normal = vectors[:, inside], vectors[:, ~inside]
    turn = q_noise / float(xp.min(values[inside]))  # how far rounding may have turned the range
    outside = float(xp.sum((normal.T @ detached(p)) * normal.T))
    reach = float(xp.linalg.vector_norm(normal.T @ detached(delta)))
    if outside > (p_noise + q_noise + turn**2) * float(xp.linalg.trace(detached(p))):
        return None
    if reach > slack + turn * float(xp.linalg.vector_norm(detached(delta))):
        return None
    return basis.T @ delta, basis.T @ p @ basis, basis.T @ q @ basis


def _definite(xp: Namespace, cov: Array, noise: float) -> bool:
    """Whether a covariance is positive definite beyond rounding, in its own units."""
    variance = xp.linalg.diagonal(cov)
    if bool(xp.any(variance <= 0)):
        return False
    deviation = xp.sqrt(variance)
    return bool(xp.min(xp.linalg.eigvalsh(cov / deviation[:, None] / deviation[None, :])) > noise)


def _renyi(xp: Namespace, delta: Array, p: Array, q: Array, *, alpha: float) -> Array | None:
    """D_α of positive definite Gaussians, KL at α = 1; None where it is infinite.

    With t the eigenvalues of Q⁻¹(P − Q) and ε = 1 − α, the part of the covariances is
    ½ Σ [log(1 + εt)/ε − log(1 + t)]. Eigenvalues of the difference keep their digits near P = Q;
    far from there log-determinants from Cholesky factors keep theirs.
    """
    if alpha < 0.5:  # skew symmetry; keeps ε away from 1, where the terms cancel
        swapped = _renyi(xp, -delta, q, p, alpha=1 - alpha)
        return None if swapped is None else swapped * (alpha / (1 - alpha))
    epsilon = 1 - alpha
    root = xp.linalg.cholesky(q)
    half = xp.linalg.solve(root, p - q)
    change = xp.linalg.solve(root, half.T)
    change = (change + change.T) / 2
    t = xp.linalg.eigvalsh(change)
    plain = detached(t)
    if epsilon < 0 and 1 + epsilon * float(plain[-1]) <= NOISE * len(plain) * np.finfo(np.float64).eps:
        return None
    if bool(xp.max(xp.abs(plain)) <= NEAR):
        spread = xp.sum(_log_gap(xp, t, epsilon))
    else:
        log_q, log_p = _log_det(xp, root), _log_det(xp, xp.linalg.cholesky(p))
        if epsilon > 1e-3:
            mixed = (_log_det(xp, xp.linalg.cholesky(alpha * q + epsilon * p)) - log_q) / epsilon
        else:
            mixed = xp.sum(xp.log1p(epsilon * t)) / epsilon if epsilon else xp.linalg.trace(change)
        spread = mixed - (log_p - log_q)
    with np.errstate(over="ignore"):
        return (spread + alpha * _mahalanobis(xp, delta, p, q, root, change, epsilon)) / 2


def _mahalanobis(
    xp: Namespace, delta: Array, p: Array, q: Array, root: Array, change: Array, epsilon: float
) -> Array:
    """ΔᵀΣ_α⁻¹Δ, a sum of squares whatever the rounding."""
    if epsilon > 0:
        whitened = xp.linalg.solve(xp.linalg.cholesky((1 - epsilon) * q + epsilon * p), delta)
        return xp.sum(whitened**2)
    whitened = xp.linalg.solve(root, delta)
    if epsilon < 0:
        identity = from_numpy(np.eye(len(delta)), change)
        whitened = xp.linalg.solve(xp.linalg.cholesky(identity + epsilon * change), whitened)
    return xp.sum(whitened**2)


def _log_det(xp: Namespace, root: Array) -> Array:
    return 2 * xp.sum(xp.log(xp.linalg.diagonal(root)))


def _log_gap(xp: Namespace, t: Array, epsilon: float) -> Array:
    """log(1 + εt)/ε − log(1 + t), which is αt²/2 near 0 and never negative."""
    small = max(1.0, abs(epsilon)) * xp.abs(detached(t)) < SERIES
    near, far = xp.where(small, t, 0.0), xp.where(small, 0.0, t)
    series = sum((-near) ** k * (1 - epsilon ** (k - 1)) / k for k in range(2, 12))
    mixed = xp.log1p(epsilon * far) / epsilon if epsilon else far
    return xp.where(small, series, mixed - xp.log1p(far))


# ── Jensen–Shannon in one dimension ─────────────────────────────────────────────────────────


@metric(
    on="gaussian",
    meaning="nats a sample tells, on average, about which of two Gaussians on the line it came from",
    degree=0,
    interval=None,
    cost="n",
    reference="Lin 1991",
)
def js(x_mean: Any, x_cov: Any, y_mean: Any, y_cov: Any) -> Any:
    """Jensen–Shannon divergence (not its root) in nats between Gaussians on the line; in [0, log 2].

    No closed form exists: Lin (1991), eq. 4.1, integrated by Gauss–Legendre panels of half a
    standard deviation, to about 1e-13. A point mass against anything else is log 2. In more than one
    dimension ValueError: use ``divergences.js`` on samples.

    >>> round(float(js(0.0, 1.0, 1.0, 1.0)), 7)
    0.1114215
    """
    two = _check(x_mean, x_cov, y_mean, y_cov)
    if two.d > 1:
        raise ValueError(
            f"gaussian.js is for one dimension, where it can be integrated; got d = {two.d}. "
            "Draw samples and use divergences.js(x, y), or gaussian.hellinger, which has a closed form"
        )
    if two.same:
        return _result(two.constant(0.0), two)
    variances = [float(detached(cov)[0, 0]) for cov in (two.p, two.q)]
    apart = abs(float(detached(two.delta)[0])) > APART * sum(math.sqrt(max(v, 0.0)) for v in variances)
    if apart or min(variances) <= 1e-280 * max(variances):  # off log 2 by less than 1e-130
        return _result(two.constant(math.log(2)), two)
    delta, p, q, _ = _scaled(two)
    if variances[0] > variances[1]:  # symmetric: let p be the narrow one
        delta, p, q = -delta, q, p
    narrow, wide = two.xp.sqrt(p[0, 0]), two.xp.sqrt(q[0, 0])
    with np.errstate(over="ignore", under="ignore"):
        value = _js_on_line(two.xp, narrow, wide, -delta[0])
    return _result(two.xp.where(value < math.log(2), value, math.log(2)), two)


def _js_on_line(xp: Namespace, narrow: Array, wide: Array, gap: Array) -> Array:
    """∫ ½(p + q) · (z tanh z − log cosh z), z half the log ratio: non-negative point by point.

    Nodes are constants, so the gradient is that of the integrand. ``gap``: wide centre − narrow.
    """
    nodes, weights = _panels(float(detached(narrow)), float(detached(wide)), float(detached(gap)))
    u, weights = from_numpy(nodes, gap), from_numpy(weights, gap)
    at_narrow, at_wide = u / narrow, (u - gap) / wide
    # difference of squares, with the difference from the parameters: exact as they become equal
    shift = -(gap + u * ((wide - narrow) / narrow)) / wide
    ratio = xp.log1p((wide - narrow) / narrow) + shift * (at_wide + at_narrow) / 2
    mean_density = (xp.exp(-(at_narrow**2) / 2) / narrow + xp.exp(-(at_wide**2) / 2) / wide) / 2
    return xp.sum(weights * mean_density * _binary_gap(xp, ratio / 2)) / math.sqrt(2 * math.pi)


def _panels(narrow: float, wide: float, gap: float, order: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Legendre nodes and weights about the narrow centre, fine wherever a density bends.

    Within reach of the narrow density its own half deviations are fine enough for both.
    """
    steps = np.arange(-REACH, REACH + 0.25, 0.5)
    outer = steps * wide + gap
    breaks = np.sort(np.concatenate([steps * narrow, outer[np.abs(outer) > REACH * narrow]]))
    points, weights = np.polynomial.legendre.leggauss(order)
    halves = np.diff(breaks)[:, None] / 2
    return (breaks[:-1, None] + halves * (1 + points)).ravel(), (halves * weights).ravel()


def _binary_gap(xp: Namespace, z: Array) -> Array:
    """z tanh z − log cosh z, from z²/2 near 0 to log 2 far away, without overflow."""
    z = xp.abs(xp.where(xp.abs(z) < 700, z, 700.0))
    near = z < 1
    small, large = xp.where(near, z, 0.0), xp.where(near, 1.0, z)
    inner = small * xp.tanh(small) - xp.log1p(2 * xp.sinh(small / 2) ** 2)
    fade = xp.exp(-2 * large)
    return xp.where(near, inner, math.log(2) - xp.log1p(fade) - 2 * large * fade / (1 + fade))


# ── transport ───────────────────────────────────────────────────────────────────────────────


@metric(
    on="gaussian",
    meaning="least root mean square distance that turns one Gaussian into the other",
    degree=1,
    interval=None,
    cost="n",
    reference="Dowson & Landau 1982; Gelbrich 1990",
)
def wasserstein(x_mean: Any, x_cov: Any, y_mean: Any, y_cov: Any) -> Any:
    """W2 (the root) between Gaussians, in the units of the space; in [0, inf).

    The square root of :func:`frechet`; at equal inputs the gradient is 0.

    >>> float(wasserstein(0.0, 1.0, 1.0, 1.0))
    1.0
    """
    two = _check(x_mean, x_cov, y_mean, y_cov)
    squared, scale = _squared_transport(two)
    return _result(safe_sqrt(two.xp, squared), two, scale, 1)


@metric(
    on="gaussian",
    meaning="least mean squared distance that turns one Gaussian into the other",
    degree=2,
    interval=None,
    cost="n",
    reference="Dowson & Landau 1982; Gelbrich 1990; Heusel et al. 2017, eq. 6",
)
def frechet(x_mean: Any, x_cov: Any, y_mean: Any, y_cov: Any) -> Any:
    """Squared W2 between Gaussians: |Δ|² + tr P + tr Q − 2 tr (P^½ Q P^½)^½; in [0, inf).

    Dowson & Landau (1982), eq. 4; on features of a network this is FID. Evaluated as
    |Δ|² + min over rotations O of ‖P^½ − Q^½O‖², which is never negative and loses no digits to
    cancellation. The gradient in P is I − T with T the optimal map; on a singular P, the map of its range.

    >>> float(frechet(0.0, 1.0, 3.0, 25.0))
    25.0
    """
    two = _check(x_mean, x_cov, y_mean, y_cov)
    squared, scale = _squared_transport(two)
    return _result(squared, two, scale, 2)


def _squared_transport(two: _Two) -> tuple[Array, float]:
    """Squared W2 with a scale taken out, and that scale."""
    xp = two.xp
    if two.same:
        return two.constant(0.0), 1.0
    delta, p, q, scale = _scaled(two)
    (f, f_inverse), (g, g_inverse) = _factor(xp, detached(p)), _factor(xp, detached(q))
    value, polar = _procrustes(xp, f, g)
    identity = from_numpy(np.eye(two.d), f)
    p_map, q_map = g @ polar.T @ f_inverse, f @ polar @ g_inverse
    parts = [(p, identity - (p_map + p_map.T) / 2), (q, identity - (q_map + q_map.T) / 2)]
    return xp.sum(delta**2) + envelope(value, parts), scale


def _factor(xp: Namespace, cov: Array) -> tuple[Array, Array]:
    """F with cov = F Fᵀ, and its pseudo-inverse; eigenvalues that are rounding count as 0."""
    values, vectors = xp.linalg.eigh(cov)
    floor = len(values) * np.finfo(np.float64).eps * xp.max(xp.abs(values))
    kept = values > floor
    roots = xp.where(kept, xp.sqrt(xp.where(kept, values, 1.0)), 0.0)
    inverse = xp.where(kept, 1 / xp.where(kept, roots, 1.0), 0.0)
    return vectors * roots, inverse[:, None] * vectors.T


def _procrustes(xp: Namespace, f: Array, g: Array) -> tuple[Array, Array]:
    """min over rotations O of ‖f − g O‖² for f (d, r) and g (d, s), and the polar factor of fᵀg.

    Equal to ‖f‖² + ‖g‖² − 2‖fᵀg‖_* (the nuclear norm), but as a sum of squares. The polar factor
    leaves out null directions, where any rotation is as good: a finite subgradient.
    """
    if f.shape[1] > g.shape[1]:
        value, polar = _procrustes(xp, g, f)
        return value, polar.T
    u, values, vt = xp.linalg.svd(f.T @ g, full_matrices=True)
    r = f.shape[1]
    turned = g @ vt.T
    value = xp.sum((f @ u - turned[:, :r]) ** 2) + xp.sum(turned[:, r:] ** 2)
    kept = values > max(g.shape) * np.finfo(np.float64).eps * xp.max(values)
    return value, (u * xp.where(kept, 1.0, 0.0)) @ vt[:r]
