"""Checked Gaussians: means and covariances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergences._arrays import Array, Namespace, detached, is_floating, namespace, widened
from divergences._inputs.arrays import as_array, check_finite, check_same_library
from divergences._inputs.frame import restored, scalar

__all__ = ["Gaussians", "check_gaussian", "check_gaussians"]


def check_gaussian(mean: Any, cov: Any, name: str) -> tuple[Array, Array, Any]:
    """A mean ``(d,)`` and a symmetric positive semi-definite covariance ``(d, d)``.

    In one dimension plain numbers (mean, variance) are taken too.
    """
    mean, cov = as_array(mean, f"{name}_mean"), as_array(cov, f"{name}_cov")
    check_same_library(mean, cov, (f"{name}_mean", f"{name}_cov"))
    if len(mean.shape) == 0:
        mean = mean.reshape(1)
    if len(cov.shape) == 0:
        cov = cov.reshape(1, 1)
    d = int(mean.shape[0])
    if len(mean.shape) != 1 or d == 0 or tuple(cov.shape) != (d, d):
        raise ValueError(
            f"{name}_mean must have shape (d,) and {name}_cov shape (d, d); got "
            f"{tuple(mean.shape)} and {tuple(cov.shape)}. divergences.gaussian.fit(samples) returns both"
        )
    check_finite(mean, f"{name}_mean", "fit it on finite samples")
    check_finite(cov, f"{name}_cov", "fit it on finite samples")
    xp = namespace(cov)
    source = str(cov.dtype) if is_floating(cov) else "exact"
    tolerance = 1e-2 if "16" in source else 1e-4 if "32" in source else 1e-9
    (mean, mean_dtype), (cov, cov_dtype) = widened(mean), widened(cov)
    size = float(xp.max(xp.abs(detached(cov)))) or 1.0
    plain = detached(cov) / size  # in units of the largest entry, so that nothing overflows
    skew = float(xp.max(xp.abs(plain - plain.T)))
    if skew > tolerance:
        raise ValueError(
            f"{name}_cov must be symmetric; its entries differ from their mirror images by up to "
            f"{skew * size:.3g}. Pass ({name}_cov + {name}_cov.T) / 2 if that is rounding"
        )
    lowest = float(xp.min(xp.linalg.eigvalsh(plain)))
    if lowest < -d * tolerance:
        raise ValueError(
            f"{name}_cov must be positive semi-definite; its lowest eigenvalue is {lowest * size:.3g}. "
            "A covariance from divergences.gaussian.fit is"
        )
    return mean, cov / 2 + cov.T / 2, mean_dtype if mean_dtype == cov_dtype else xp.float64


@dataclass(frozen=True, slots=True)
class Gaussians:
    """Two checked Gaussians in float64, P = x and Q = y.

    Only the difference of the means matters to a distance. ``p_eps`` and ``q_eps`` are the rounding
    of the dtype that each covariance came in. ``result`` returns the caller's kind of scalar.
    """

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

    def result(self, value: Array | None, scale: float = 1.0, degree: int = 0) -> Any:
        """``value * scale**degree`` in the caller's dtype; None stands for a divergence that is inf."""
        if value is None:
            return scalar(self.constant(math.inf), self.dtype)
        if not math.isfinite(float(detached(value))):  # finite in truth, but not in float64
            raise ValueError(
                "the result is beyond the range of float64: the Gaussians are too far apart to say how far"
            )
        mend = "Pass float64, or means and deviations in other units"
        return restored(value, scale, degree, self.dtype, mend)


def check_gaussians(x_mean: Any, x_cov: Any, y_mean: Any, y_cov: Any) -> Gaussians:
    """Check two Gaussians together: one library, one dimension, means that can be subtracted."""
    x_mean, p, x_dtype = check_gaussian(x_mean, x_cov, "x")
    y_mean, q, y_dtype = check_gaussian(y_mean, y_cov, "y")
    check_same_library(x_mean, y_mean, ("x_mean", "y_mean"))
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
    return Gaussians(
        delta=delta, p=p, q=q, x_mean=x_mean, y_mean=y_mean, xp=xp,
        dtype=x_dtype if x_dtype == y_dtype else xp.float64,
        p_eps=float(xp.finfo(x_dtype).eps), q_eps=float(xp.finfo(y_dtype).eps),
    )  # fmt: skip
