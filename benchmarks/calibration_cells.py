"""What intervals are simulated on: distributions whose distances are known, and samples given once.

Both distributions are mixtures of isotropic Gaussians (Student's t too, as a mixture of variances), so that
the true values are sums or one-dimensional integrals. The intervals of sliced distances and Parzen
likelihoods hold given the samples: of random directions, and of test rows. Their truth is what many more
of those give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import divergences as dv

__all__ = ["Blend", "Sampler", "covered", "gaussian", "given", "student"]

MANY_DIRECTIONS, MANY_ROWS = 10_000, 100_000
Sampler = Callable[[np.random.Generator, int], np.ndarray]


# ── distributions ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Blend:
    """A mixture of N(mean e₁, variance I) in d dimensions, by weights; and how to draw from it."""

    d: int
    means: np.ndarray
    variances: np.ndarray
    weights: np.ndarray
    draw: Sampler

    @property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        mean = np.zeros(self.d)
        mean[0] = self.weights @ self.means
        covariance = np.eye(self.d) * (self.weights @ self.variances)
        covariance[0, 0] += self.weights @ (self.means - mean[0]) ** 2
        return mean, covariance


def gaussian(d: int, mean: float = 0.0, deviation: float = 1.0) -> Blend:
    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        z = deviation * rng.normal(size=(n, d))
        z[:, 0] += mean
        return z

    return Blend(d, np.array([mean]), np.array([deviation**2]), np.ones(1), draw)


def two_modes(d: int, apart: float = 1.5) -> Blend:
    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        z = rng.normal(size=(n, d))
        z[:, 0] += apart * rng.choice([-1.0, 1.0], size=n)
        return z

    return Blend(d, np.array([-apart, apart]), np.ones(2), np.full(2, 0.5), draw)


def student(d: int, freedom: int = 3) -> Blend:
    """N(0, I)/√(χ²_ν/ν): a mixture over variances, here 600 of them."""
    from scipy.stats import chi2

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.normal(size=(n, d)) / np.sqrt(rng.chisquare(freedom, size=(n, 1)) / freedom)

    nodes, weights = np.polynomial.legendre.leggauss(600)
    share = 0.5 * (nodes + 1.0)  # of probability, to the sixth power: fine where variances are large
    quantiles = chi2.ppf(share**6, freedom) / freedom
    masses = 0.5 * weights * 6.0 * share**5
    return Blend(d, np.zeros(600), 1.0 / quantiles, masses / masses.sum(), draw)


def alternatives(d: int) -> dict[str, Blend]:
    return {
        "shift": gaussian(d, 0.5),
        "scale": gaussian(d, 0.0, 1.5),
        "heavy": student(d),
        "mixture": two_modes(d),
    }


# ── true values ─────────────────────────────────────────────────────────────────────────────


def mean_over_pairs(function: Callable[[np.ndarray, np.ndarray], np.ndarray], p: Blend, q: Blend) -> float:
    """E f of a difference that is N(mean e₁, variance I), over the components of both."""
    means = p.means[:, None] - q.means[None, :]
    variances = p.variances[:, None] + q.variances[None, :]
    return float(p.weights @ function(means, variances) @ q.weights)


def true_energy(p: Blend, q: Blend) -> float:
    from scipy.special import gammaln, hyp1f1

    d = p.d

    def length(means: np.ndarray, variances: np.ndarray) -> np.ndarray:
        chi = math.exp(0.5 * math.log(2.0) + gammaln((d + 1) / 2) - gammaln(d / 2))
        return np.sqrt(variances) * chi * hyp1f1(-0.5, d / 2, -(means**2) / (2.0 * variances))

    pairs = ((p, q, 2.0), (p, p, -1.0), (q, q, -1.0))
    return sum(sign * mean_over_pairs(length, a, b) for a, b, sign in pairs)


def true_mmd(p: Blend, q: Blend, bandwidth: float) -> float:
    def kernel(means: np.ndarray, variances: np.ndarray) -> np.ndarray:
        wide = bandwidth**2 + variances
        return (bandwidth**2 / wide) ** (p.d / 2) * np.exp(-(means**2) / (2.0 * wide))

    pairs = ((p, q, -2.0), (p, p, 1.0), (q, q, 1.0))
    return sum(sign * mean_over_pairs(kernel, a, b) for a, b, sign in pairs)


def true_frechet(p: Blend, q: Blend) -> float:
    return float(dv.gaussian.frechet(*p.moments, *q.moments))


def true_wasserstein(p: Blend, q: Blend) -> float:
    from scipy.special import ndtr

    t = np.sinh(np.linspace(-9.0, 9.0, 200_001))

    def below(blend: Blend) -> np.ndarray:
        found = np.zeros_like(t)
        for mean, variance, weight in zip(blend.means, blend.variances, blend.weights, strict=True):
            found += weight * ndtr((t - mean) / math.sqrt(variance))
        return found

    return float(np.trapezoid(np.abs(below(p) - below(q)), t))


def true_quadratic(p: Blend, q: Blend) -> float:
    """W₂ on the line for p = N(0, 1): (∫ (s − G⁻¹(Φ(s)))² φ(s) ds)^½, each half by its own tail."""
    from scipy.interpolate import PchipInterpolator
    from scipy.special import log_ndtr, logsumexp

    t = np.sinh(np.linspace(-3.0, 40.0, 40_001))
    s = np.linspace(0.0, 12.0, 60_001)
    total = 0.0
    for side in (1.0, -1.0):  # of the line, mirrored
        parts = [
            math.log(weight) + log_ndtr((side * mean - t) / math.sqrt(variance))
            for mean, variance, weight in zip(q.means, q.variances, q.weights, strict=True)
        ]
        beyond = logsumexp(parts, axis=0)  # log of the mass beyond t
        falls = np.concatenate([[True], np.diff(beyond) < 0]) & np.isfinite(beyond)
        quantile = PchipInterpolator(-beyond[falls], t[falls], extrapolate=False)
        found = quantile(-log_ndtr(-s))
        density = np.exp(-0.5 * s**2) / math.sqrt(2 * math.pi)
        total += float(np.trapezoid((s - found) ** 2 * density, s))
    return math.sqrt(total)


def covered(n_of: list[int]) -> Iterator[tuple[str, str, Blend, Blend, int, float]]:
    """(cell, metric, P, Q, n, true value)."""
    for n in n_of:
        for d in (1, 4, 16):
            p, width = gaussian(d), math.sqrt(2.0 * d)
            for name, q in alternatives(d).items():
                truths = {
                    "energy": true_energy(p, q),
                    f"squared_mmd(bandwidth={width:.3f})": true_mmd(p, q, float(f"{width:.3f}")),
                    "frechet": true_frechet(p, q),
                }
                if name != "heavy":
                    truths["kid"] = true_kid(p, q)
                if d == 1:
                    truths["wasserstein"] = true_wasserstein(p, q)
                    truths["wasserstein(p=2)"] = true_quadratic(p, q)
                for metric, truth in truths.items():
                    yield f"{metric} | {name} | d = {d} | n = {n}", metric, p, q, n, truth


def true_kid(p: Blend, q: Blend) -> float:
    """E k(X, X') + E k(Y, Y') − 2 E k(X, Y) for k = (⟨x, y⟩/d + 1)³; of t(3) it is infinite."""
    d = p.d

    def kernel(one: tuple[float, float], other: tuple[float, float]) -> float:
        (mu, v), (nu, w) = one, other
        first = mu * nu
        second = mu**2 * (nu**2 + w) + v * (nu**2 + d * w)
        cube = nu**3 + 3 * nu * w  # E y₁³
        third = mu**3 * cube + 3 * mu * v * (cube + (d - 1) * w * nu)
        return third / d**3 + 3 * second / d**2 + 3 * first / d + 1

    def mean(one: Blend, other: Blend) -> float:
        return sum(
            float(a * b) * kernel((float(mu), float(v)), (float(nu), float(w)))
            for a, mu, v in zip(one.weights, one.means, one.variances, strict=True)
            for b, nu, w in zip(other.weights, other.means, other.variances, strict=True)
        )

    return mean(p, p) + mean(q, q) - 2.0 * mean(p, q)


# ── given the samples ───────────────────────────────────────────────────────────────────────

Values = Callable[[np.random.Generator], dv.Estimate]


def given(n_of: list[int]) -> Iterator[tuple[str, Callable[[np.random.Generator], tuple[float, Values]]]]:
    """(cell, draw): ``draw`` gives samples, as the true value for them and a function that estimates it."""
    for n in n_of:
        for d in (1, 4, 16):
            p = gaussian(d)
            for name, q in alternatives(d).items():
                where = f"{name} | d = {d} | n = {n}"
                if d > 1:  # on the line all directions are one
                    yield f"sliced_wasserstein | {where}", _directions(p, q, n)
                yield f"parzen_log_likelihood | {where}", _test_rows(p, q, n)


def _directions(p: Blend, q: Blend, n: int) -> Callable[[np.random.Generator], tuple[float, Values]]:
    def draw(rng: np.random.Generator) -> tuple[float, Values]:
        x, y = p.draw(rng, n), q.draw(rng, n)
        truth = float(dv.sliced_wasserstein(x, y, n_projections=MANY_DIRECTIONS, rng=rng))
        return truth, lambda more: dv.estimate("sliced_wasserstein", x, y, halvings=0, rng=more)

    return draw


def _test_rows(p: Blend, q: Blend, n: int) -> Callable[[np.random.Generator], tuple[float, Values]]:
    metric = dv.parse("parzen_log_likelihood(bandwidth=0.5)")

    def draw(rng: np.random.Generator) -> tuple[float, Values]:
        y = q.draw(rng, n)
        truth = float(metric(p.draw(rng, MANY_ROWS), y))
        return truth, lambda more: dv.estimate(metric, p.draw(more, n), y, halvings=0, rng=more)

    return draw
