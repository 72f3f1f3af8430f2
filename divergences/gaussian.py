"""Divergences between Gaussians in closed form, and the Gaussian that fits a sample.

Every function takes ``(x_mean, x_cov, y_mean, y_cov)``: means ``(d,)`` and covariances ``(d, d)``,
P = x first; in one dimension plain numbers (mean, variance) will do. Covariances may be singular.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from divergences._arrays import Array, Namespace, detached, namespace, safe_sqrt, widened
from divergences._gaussian_kernels import (
    centred,
    divisor_of,
    js_on_line,
    renyi_of_order,
    scaled,
    squared_transport,
)
from divergences._inputs import (
    check_gaussians,
    check_integer,
    check_positive,
    check_rows,
    check_samples,
    check_weights,
    checked_blocks,
    common_frame,
    divided,
    dtype_name,
)
from divergences._moments import accumulated, scatter
from divergences._rows import Rows
from divergences.registry import metric

__all__ = ["fit", "frechet", "hellinger", "js", "kl", "merge", "renyi", "wasserstein"]


# ── fitting ─────────────────────────────────────────────────────────────────────────────────


def fit(x: Any, *, weights: Any = None, ddof: int = 0) -> tuple[Array, Array]:
    """Mean ``(d,)`` and covariance ``(d, d)`` of samples ``x`` (n, d): argmin over Gaussians of KL(p̂‖·).

    With ``ddof=0`` this is maximum likelihood, which is the KL projection of the empirical
    distribution onto the Gaussians (White 1982, Econometrica 50:1). ``ddof=1`` divides by
    n − 1, with weights a by 1 − Σa², which is unbiased. A common offset costs no digits. An x too large
    to load (a memmap, an HDF5, Zarr or Dask array) is read once, in blocks.

    Raises ValueError for fewer than 1 + ddof rows, or where float range cannot hold the answer.

    >>> mean, cov = fit([[1e8, 0.0], [1e8 + 2.0, 4.0]])
    >>> mean.tolist(), cov.tolist()
    ([100000001.0, 2.0], [[1.0, 2.0], [2.0, 4.0]])
    """
    ddof = _check_ddof(ddof)
    rows = check_rows(x, "x", min_rows=1 + ddof)
    if rows is not None:
        return _fit_in_blocks(rows, weights, ddof)
    x, dtype = widened(check_samples(x, "x", min_rows=1 + ddof))
    a, _ = check_weights(weights, x, "weights")
    xp = namespace(x)
    origin, scale = common_frame(xp, detached(x), detached(x))
    mean, rows, divisor = centred(xp, divided(x - origin, scale), a, ddof)
    cov = (a[:, None] * rows).T @ rows / divisor
    return _fitted(xp, origin + mean * scale, cov, scale, dtype)


def _fit_in_blocks(x: Rows, weights: Any, ddof: int) -> tuple[np.ndarray, np.ndarray]:
    a, _ = check_weights(weights, np.empty((len(x), 0)), "weights")
    divisor = divisor_of(np, a, ddof)
    blocks = checked_blocks(x, "x", max(x.step, 4 * x.shape[1]))
    found = accumulated(((block, a[part]) for part, block, _, _ in blocks), scatter, degree=2)
    mean = found.origin + found.mean * found.scale
    return _fitted(np, mean, found.second / divisor, found.scale, x.dtype.type)


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
    two = check_gaussians(x_mean, x_cov, y_mean, y_cov)
    n = check_positive(x_weight, "x_weight", minimum=float(ddof), strict=ddof == 0)
    m = check_positive(y_weight, "y_weight", minimum=float(ddof), strict=ddof == 0)
    share_x, share_y = n / (n + m), m / (n + m)
    delta, p, q, scale = scaled(two)
    inflation = 1 - ddof / (n + m)
    cov = p * ((n - ddof) / (n + m)) + q * ((m - ddof) / (n + m))
    cov = (cov + (share_x * share_y) * delta[:, None] * delta[None, :]) / inflation
    # from the heavier side, so that its digits are kept
    mean = two.x_mean - two.delta * share_y if n >= m else two.y_mean + two.delta * share_x
    return _fitted(two.xp, mean, cov, scale, two.dtype)


def _check_ddof(ddof: Any) -> int:
    return check_integer(ddof, "ddof", minimum=0, below=2, why="0 is maximum likelihood, 1 is unbiased")


def _fitted(xp: Namespace, mean: Array, cov: Array, scale: float, dtype: Any) -> tuple[Array, Array]:
    """A mean and a covariance (still to be multiplied by scale²) in the caller's dtype."""
    with np.errstate(over="ignore", under="ignore"):
        restored = xp.astype((cov + cov.T) / 2 * scale * scale, dtype)
    before, after = float(xp.max(xp.abs(detached(cov)))), float(xp.max(xp.abs(detached(restored))))
    if not math.isfinite(after) or (before > 0 and after == 0):
        raise ValueError(
            f"the covariance, about {before:.3g} * {scale:.3g}**2, is beyond the range of "
            f"{dtype_name(dtype)}. Divide the samples by {scale:.3g} first"
        )
    return xp.astype(mean, dtype), restored


# ── likelihood ratios: Kullback–Leibler, Rényi, Hellinger ────────────────────────────────────


@metric(
    laws=("gaussian kl",),
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
    two = check_gaussians(x_mean, x_cov, y_mean, y_cov)
    return two.result(renyi_of_order(two, 1.0))


@metric(
    laws=("gaussian renyi",),
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
    two = check_gaussians(x_mean, x_cov, y_mean, y_cov)
    return two.result(renyi_of_order(two, alpha))


@metric(
    laws=("gaussian hellinger", "symmetric", "square root"),
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
    two = check_gaussians(x_mean, x_cov, y_mean, y_cov)
    value = renyi_of_order(two, 0.5)
    if value is None:
        return two.result(two.constant(1.0))
    return two.result(safe_sqrt(two.xp, -two.xp.expm1(-value / 2)))


# ── Jensen–Shannon in one dimension ─────────────────────────────────────────────────────────


@metric(
    laws=("gaussian js", "symmetric"),
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
    two = check_gaussians(x_mean, x_cov, y_mean, y_cov)
    if two.d > 1:
        raise ValueError(
            f"gaussian.js is for one dimension, where it can be integrated; got d = {two.d}. "
            "Draw samples and use divergences.js(x, y), or gaussian.hellinger, which has a closed form"
        )
    return two.result(js_on_line(two))


# ── transport ───────────────────────────────────────────────────────────────────────────────


@metric(
    laws=("gaussian wasserstein", "metric", "square root"),
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
    two = check_gaussians(x_mean, x_cov, y_mean, y_cov)
    squared, scale = squared_transport(two)
    return two.result(safe_sqrt(two.xp, squared), scale, 1)


@metric(
    laws=("gaussian frechet", "symmetric"),
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
    two = check_gaussians(x_mean, x_cov, y_mean, y_cov)
    squared, scale = squared_transport(two)
    return two.result(squared, scale, 2)
