"""Distributions that are known: rings, grids and rolls, pairs of densities, lines, hidden subspaces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gan.data.base import Dataset, Modes

__all__ = ["gaussian", "grid", "lines", "mixture", "ring", "subspace", "swiss_roll"]

# The sizes of the parts where samples cost nothing; PacGAN trains on 100,000 fixed points.
TRAIN, HELD_OUT = 100_000, 10_000

Draw = Callable[[int, np.random.Generator], np.ndarray]


def _parts(
    name: str, draw: Draw, seed: int, n: int, *, modes: Modes | None = None,
    log_density: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Dataset:  # fmt: skip
    if isinstance(n, bool) or not isinstance(n, int) or n < 2:
        raise ValueError(f"n must be a number of training samples, at least 2; got {n!r}")
    # a stream for each part: more training points leave the held-out ones as they are
    train, validation, test = (
        draw(count, np.random.default_rng([seed, part])).astype(np.float32)
        for part, count in enumerate([n, HELD_OUT, HELD_OUT])
    )
    return Dataset(name, train, validation, test, modes=modes, log_density=log_density, draw=draw)


def _normal_mixture(name: str, centres: np.ndarray, sigma: float, seed: int, n: int) -> Dataset:
    """Equal weights, isotropic modes."""

    def draw(count: int, rng: np.random.Generator) -> np.ndarray:
        chosen = centres[rng.integers(len(centres), size=count)]
        return chosen + sigma * rng.normal(size=chosen.shape)

    def log_density(points: np.ndarray) -> np.ndarray:
        from scipy.special import logsumexp

        squares = ((np.asarray(points, float)[:, None] - centres) ** 2).sum(2)
        norm = 0.5 * centres.shape[1] * np.log(2 * np.pi * sigma**2) + np.log(len(centres))
        return logsumexp(-squares / (2 * sigma**2), axis=1) - norm

    return _parts(name, draw, seed, n, modes=Modes(centres, sigma), log_density=log_density)


def ring(
    *, modes: int = 8, radius: float = 1.0, sigma: float = 0.01, n: int = TRAIN, seed: int = 0
) -> Dataset:
    """``modes`` Gaussians on a circle: PacGAN's 2D-ring (8, radius 1, σ 0.01).

    Angles are 2πi/modes: ``linspace(0, 2π, 8)`` with its endpoint would lay two modes on one another.
    """
    angles = 2 * np.pi * np.arange(modes) / modes
    return _normal_mixture("ring", radius * np.stack([np.cos(angles), np.sin(angles)], 1), sigma, seed, n)


def grid(
    *, side: int = 5, spacing: float = 2.0, sigma: float = 0.05, n: int = TRAIN, seed: int = 0
) -> Dataset:
    """side² Gaussians on a square lattice around 0: PacGAN's 2D-grid ({−4, −2, 0, 2, 4}², σ 0.05)."""
    axis = spacing * (np.arange(side) - (side - 1) / 2)
    centres = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    return _normal_mixture("grid", centres, sigma, seed, n)


def gaussian(*, mean: float = 0.0, scale: float = 1.0, n: int = TRAIN, seed: int = 0) -> Dataset:
    """A Gaussian on the line, density known."""
    return _normal_mixture("gaussian", np.array([[float(mean)]]), scale, seed, n)


def mixture(*, distance: float = 4.0, scale: float = 0.5, n: int = TRAIN, seed: int = 0) -> Dataset:
    """Two Gaussians on the line, ``distance`` apart, density known: Goodfellow's figure has such a p."""
    return _normal_mixture("mixture", np.array([[-distance / 2], [distance / 2]]), scale, seed, n)


def swiss_roll(*, noise: float = 0.25, n: int = TRAIN, seed: int = 0) -> Dataset:
    """scikit-learn's roll seen from the side: (t cos t, t sin t) / 4, t in [1.5π, 4.5π], noise / 4."""

    def draw(count: int, rng: np.random.Generator) -> np.ndarray:
        t = 1.5 * np.pi * (1 + 2 * rng.random(count))
        points = t[:, None] * np.stack([np.cos(t), np.sin(t)], 1)
        return (points + noise * rng.normal(size=points.shape)) / 4

    return _parts("swiss-roll", draw, seed, n)


def lines(*, theta: float = 0.0, n: int = TRAIN, seed: int = 0) -> Dataset:
    """(θ, U[0, 1]): a line beside the one at 0 (Arjovsky et al. 2017, example 1).

    Between θ ≠ 0 and θ = 0: KL = ∞, JS = log 2, TV = 1 and W1 = |θ|.
    """

    def draw(count: int, rng: np.random.Generator) -> np.ndarray:
        return np.stack([np.full(count, float(theta)), rng.random(count)], 1)

    return _parts("lines", draw, seed, n)


def subspace(
    *, modes: int = 10, inner: int = 700, d: int = 1200, sigma: float = 1.0, spread: float = 10.0,
    n: int = 10_000, seed: int = 0,
) -> Dataset:  # fmt: skip
    """VEEGAN's 1200-d set: 10 Gaussians in a random 700-d subspace, with a 10σ rule (Srivastava et al. 2017).

    The paper leaves open how far apart the centres are and what 10σ is where a perfect sample lies √700·σ
    from its centre. Here the centres are N(0, spread²·I) in the subspace, and a sample counts for a mode
    within (√700 + 10)·σ of its centre, in all 1200 dimensions: what leaves the subspace pays for it.
    """
    rng = np.random.default_rng([seed, d])
    basis = np.linalg.qr(rng.normal(size=(d, inner)))[0].T
    centres = spread * rng.normal(size=(modes, inner))

    def draw(count: int, rng: np.random.Generator) -> np.ndarray:
        chosen = centres[rng.integers(modes, size=count)]
        return (chosen + sigma * rng.normal(size=chosen.shape)) @ basis

    return _parts("subspace", draw, seed, n, modes=Modes(centres @ basis, sigma, inner**0.5 + 10.0))
