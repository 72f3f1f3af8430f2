"""The arithmetic of Gaussian measures: supports, likelihood ratios, quadrature, optimal maps.

Everything here takes what ``_inputs`` has checked, in float64, and returns plain numbers of it.
"""

from __future__ import annotations

import math

import numpy as np

from divergences._arrays import Array, Namespace, detached, envelope, from_numpy
from divergences._inputs import Gaussians, divided, power_of_two

__all__ = [
    "centred",
    "divisor_of",
    "js_on_line",
    "procrustes",
    "renyi_of_order",
    "scaled",
    "squared_transport",
]

NOISE = (
    64.0  # an eigenvalue below NOISE * sqrt(d) * eps of a unit-diagonal matrix is rounding (measured: up to
)
# 4 with AVX2, 13 with AVX-512, whose products sum more terms in a row)
SERIES = 1e-2  # below this log differences are summed as a power series
NEAR = 0.5  # relative changes of covariance up to here are taken from eigenvalues of P − Q
REACH = 12.0  # standard deviations beyond which a density counts for nothing (1e-32)
APART = 20.0  # centres this many (σ + σ) apart: JS differs from log 2 by less than 1e-43


# ── common ground ───────────────────────────────────────────────────────────────────────────


def centred(xp: Namespace, x: Array, a: Array, ddof: int) -> tuple[Array, Array, Array]:
    """The mean, the rows about it, and what weighted squares of them are to be divided by."""
    mean = a @ x
    return mean, x - mean, divisor_of(xp, a, ddof)


def divisor_of(xp: Namespace, a: Array, ddof: int) -> Array:
    """What squares weighted by ``a``, which sums to 1, are to be divided by for a covariance."""
    divisor = xp.sum(a * (1 - a)) if ddof else xp.sum(a)
    if not float(detached(divisor)) > 0:
        raise ValueError(
            "weights must be positive on at least two rows for an unbiased covariance; "
            "all the weight is on one. Spread it, or drop the weights"
        )
    return divisor


def scaled(two: Gaussians) -> tuple[Array, Array, Array, float]:
    """Δ, P, Q with a common power of two taken out of lengths, and that power."""
    xp = two.xp
    largest = max(
        float(xp.max(xp.abs(detached(two.delta)))),
        math.sqrt(float(xp.max(xp.abs(detached(two.p))))),
        math.sqrt(float(xp.max(xp.abs(detached(two.q))))),
    )
    scale = power_of_two(largest)
    p, q = (divided(divided(cov, scale), scale) for cov in (two.p, two.q))
    return divided(two.delta, scale), p, q, scale


# ── likelihood ratios ───────────────────────────────────────────────────────────────────────


def renyi_of_order(two: Gaussians, alpha: float) -> Array | None:
    """The Rényi divergence of order alpha, KL at 1; None where it is infinite."""
    common = _common_support(two)
    if common is None:
        return None
    if alpha == 0 or len(common[0]) == 0:  # equal supports; equal point masses
        return two.constant(0.0)
    return _definite_renyi(two.xp, *common, alpha=alpha)


def _common_support(two: Gaussians) -> tuple[Array, Array, Array] | None:
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


def _definite_renyi(xp: Namespace, delta: Array, p: Array, q: Array, *, alpha: float) -> Array | None:
    """D_α of positive definite Gaussians, KL at α = 1; None where it is infinite.

    With t the eigenvalues of Q⁻¹(P − Q) and ε = 1 − α, the part of the covariances is
    ½ Σ [log(1 + εt)/ε − log(1 + t)]. Eigenvalues of the difference keep their digits near P = Q;
    far from there log-determinants from Cholesky factors keep theirs.
    """
    if alpha < 0.5:  # skew symmetry; keeps ε away from 1, where the terms cancel
        swapped = _definite_renyi(xp, -delta, q, p, alpha=1 - alpha)
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


def js_on_line(two: Gaussians) -> Array:
    """Jensen–Shannon in nats between two Gaussians in one dimension."""
    if two.same:
        return two.constant(0.0)
    variances = [float(detached(cov)[0, 0]) for cov in (two.p, two.q)]
    apart = abs(float(detached(two.delta)[0])) > APART * sum(math.sqrt(max(v, 0.0)) for v in variances)
    if apart or min(variances) <= 1e-280 * max(variances):  # off log 2 by less than 1e-130
        return two.constant(math.log(2))
    delta, p, q, _ = scaled(two)
    if variances[0] > variances[1]:  # symmetric: let p be the narrow one
        delta, p, q = -delta, q, p
    narrow, wide = two.xp.sqrt(p[0, 0]), two.xp.sqrt(q[0, 0])
    with np.errstate(over="ignore", under="ignore"):
        value = _integral(two.xp, narrow, wide, -delta[0])
    return two.xp.where(value < math.log(2), value, math.log(2))


def _integral(xp: Namespace, narrow: Array, wide: Array, gap: Array) -> Array:
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


def squared_transport(two: Gaussians) -> tuple[Array, float]:
    """Squared W2 with a scale taken out, and that scale."""
    xp = two.xp
    if two.same:
        return two.constant(0.0), 1.0
    delta, p, q, scale = scaled(two)
    (f, f_inverse), (g, g_inverse) = _factor(xp, detached(p)), _factor(xp, detached(q))
    value, polar = procrustes(xp, f, g)
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


def procrustes(xp: Namespace, f: Array, g: Array) -> tuple[Array, Array]:
    """min over rotations O of ‖f − g O‖² for f (d, r) and g (d, s), and the polar factor of fᵀg.

    Equal to ‖f‖² + ‖g‖² − 2‖fᵀg‖_* (the nuclear norm), but as a sum of squares. The polar factor
    leaves out null directions, where any rotation is as good: a finite subgradient.
    """
    if f.shape[1] > g.shape[1]:
        value, polar = procrustes(xp, g, f)
        return value, polar.T
    u, values, vt = xp.linalg.svd(f.T @ g, full_matrices=True)
    r = f.shape[1]
    turned = g @ vt.T
    value = xp.sum((f @ u - turned[:, :r]) ** 2) + xp.sum(turned[:, r:] ** 2)
    kept = values > max(g.shape) * np.finfo(np.float64).eps * xp.max(values)
    return value, (u * xp.where(kept, 1.0, 0.0)) @ vt[:r]
