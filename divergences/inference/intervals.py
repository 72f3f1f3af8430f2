"""Intervals from a value and its variance."""

from __future__ import annotations

import math

import numpy as np

from divergences.results import Interval

__all__ = ["mean_interval", "normal_quantile", "squared_length_interval", "student_quantile"]


def squared_length_interval(
    unbiased: float, bias: float, first: float, second: float, confidence: float
) -> Interval:
    """The true θ ≥ 0 within z standard errors of U, were θ true: {θ: (U − θ)² ≤ z²(αθ + β)}.

    For an estimate U of a squared length, whose variance has a first-order part proportional to θ and
    a second-order part β (``second``) that is left at θ = 0. A standard error taken at U itself is too
    small whenever U happens to be, and its interval covers in 87 % of cases where 95 are due; this one
    is to it what Wilson's is to Wald's. α is first/U, drawn by half a β^½ towards what noise in no
    particular direction has: between its mean variance along a direction, from β and the ``bias`` of
    the plug-in value, and its largest.
    """
    z = normal_quantile(confidence)
    noise = math.sqrt(max(second, 0.0))
    mean = 2.0 * second / bias if bias > 0 else 0.0
    between = math.sqrt(max(mean, 0.0) * math.sqrt(8.0) * noise)
    whole = max(unbiased, 0.0) + 0.5 * noise
    alpha = (max(first, 0.0) + 0.5 * noise * between) / whole if whole > 0 else 0.0
    middle = unbiased + 0.5 * z**2 * alpha
    reach = math.sqrt(max(middle**2 - unbiased**2 + z**2 * second, 0.0))
    return Interval(max(middle - reach, 0.0), max(middle + reach, 0.0), confidence)


def mean_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Ends for the mean of what ``values`` (at least two) are drawn from: Student's, freed of their skewness.

    T = (mean − μ)/error is skewed against the values. With r = skewness/√n, g(T) = T + rT²/3 + r²T³/27 + r/6
    is not, and has an inverse (Hall, *On the removal of skewness by transformation*, 1992).
    """
    n = len(values)
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    if deviation == 0:
        return mean, mean
    r = float((((values - mean) / deviation) ** 3).mean()) / math.sqrt(n)

    def inverse(t: float) -> float:
        return t if abs(r) < 1e-6 else 3.0 / r * (float(np.cbrt(1.0 + r * (t - r / 6.0))) - 1.0)

    reach, error = student_quantile(confidence, n - 1), deviation / math.sqrt(n)
    lower, upper = mean - error * inverse(reach), mean - error * inverse(-reach)
    return min(lower, mean), max(upper, mean)  # at low confidence much skewness would leave the mean out


def normal_quantile(confidence: float) -> float:
    """The two-sided quantile of the normal distribution."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + confidence / 2.0)


def student_quantile(confidence: float, freedom: float) -> float:
    """The two-sided quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + confidence / 2.0))
