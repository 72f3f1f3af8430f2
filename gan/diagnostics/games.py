"""The Dirac-GAN: the smallest game that shows which training converges (Mescheder, Geiger & Nowozin 2018).

P is a point at 0, the generator's Q a point at θ, the critic D(x) = ψx: the equilibrium is θ = ψ = 0. The
losses are those of ``gan.objectives``, the regularisers those of ``gan.regularizers`` and the steps those
of the training loop itself; the eigenvalues of one step at the equilibrium say where it leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan import training
from gan._random import seeded
from gan._run import Run
from gan.data import Dataset
from gan.diagnostics._play import check_steps
from gan.recipes import Recipe

__all__ = ["Dirac", "dirac"]

STEP = 1e-4  # of the differences that give the Jacobian
NEAR = 1e-6  # of a modulus to 1: rounding and differences leave 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Dirac:
    """A run of the Dirac-GAN. ``path`` (steps + 1, 2) are its (θ, ψ).

    ``eigenvalues`` (2,) complex, of the Jacobian of one step at (0, 0), largest modulus first; None where the
    step has a kink there (penalties that aim at slope 1). ``grid`` and ``arrows`` (k, 2): where one step
    leads from other points.
    """

    objective: str
    update: str
    regularizer: str
    rate: float
    path: np.ndarray
    eigenvalues: np.ndarray | None
    grid: np.ndarray
    arrows: np.ndarray

    @property
    def radius(self) -> float | None:
        """The largest modulus: the factor by which distance from the equilibrium changes in a step."""
        return None if self.eigenvalues is None else float(np.abs(self.eigenvalues).max())

    @property
    def distance(self) -> np.ndarray:
        """From the equilibrium, at every step."""
        return np.hypot(*self.path.T)

    @property
    def verdict(self) -> str:
        """ "converges", "cycles" or "diverges", near the equilibrium; "does not settle" by the path alone."""
        if self.radius is None:
            tail = self.distance[-len(self.distance) // 4 :]
            return "converges" if tail.max() < 1e-3 * self.distance[0] else "does not settle"
        if abs(self.radius - 1) <= NEAR:
            return "cycles"
        return "converges" if self.radius < 1 else "diverges"

    def __str__(self) -> str:
        modulus = "no Jacobian at 0" if self.radius is None else f"largest modulus {self.radius:.6f}"
        return (
            f"{self.objective} + {self.regularizer}, {self.update}, rate {self.rate:g}: {self.verdict} "
            f"({modulus}; distance {self.distance[0]:.3g} at first, {self.distance[-1]:.3g} after "
            f"{len(self.path) - 1} steps)"
        )


class _Point(nn.Module):
    """The generator: every sample is θ."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(1, 1))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta.expand(len(z), 1)


class _Slope(nn.Module):
    """The critic: D(x) = ψx."""

    def __init__(self) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.zeros(1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.psi


def dirac(
    objective: str = "minimax", *, update: str = "alternating", regularizer: str = "none", rate: float = 0.1,
    critic_steps: int = 1, steps: int = 500, start: tuple[float, float] = (1.0, 1.0), extent: float = 2.0,
    arrows: int = 9, seed: int = 0,
) -> Dirac:  # fmt: skip
    """Play the Dirac-GAN with the loop's own steps of gradient descent; its path, and where a step leads.

    ``objective`` and ``regularizer`` as text ("minimax", "r1(1.0)"), ``update`` "alternating",
    "simultaneous" or "extragradient", ``rate`` of both players; the path begins at ``start`` = (θ, ψ).
    ``arrows`` a side of a grid over [−extent, extent]².

    Unregularised, simultaneous steps diverge and alternating ones cycle; R1 and R2 converge; clipping and
    WGAN-GP do not (Mescheder et al. 2018, sections 2 and 3).

    >>> dirac(regularizer="r1(1.0)").verdict, dirac(update="simultaneous").verdict
    ('converges', 'diverges')
    """
    check_steps("steps", steps, 0)
    game = _Game(objective, update, regularizer, rate, critic_steps, steps, seed)
    with seeded(torch.device("cpu"), seed):
        path = [tuple(map(float, start))]
        for number in range(steps):
            path.append(game.step(path[-1], number))
        axis = np.linspace(-extent, extent, arrows)
        grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        led = np.array([game.step(at, 0) for at in grid]).reshape(-1, 2)
        found = game.eigenvalues()
    return Dirac(objective, update, regularizer, rate, np.array(path), found, grid, led - grid)


class _Game:
    """The training loop's own run, on networks of one weight each and data at 0, in float64."""

    def __init__(
        self, objective: str, update: str, regularizer: str, rate: float, critic_steps: int, steps: int,
        seed: int,
    ) -> None:  # fmt: skip
        descent = f"sgd(lr={rate!r})"
        recipe = Recipe(
            objective=objective, update=update, regularizer=regularizer, critic_steps=critic_steps, latent=1,
            batch=2, iterations=max(steps, 1), scaling="none", ema=0.0, seed=seed,
            generator_optimizer=descent, critic_optimizer=descent,
        )  # fmt: skip
        zeros = np.zeros((2, 1), np.float32)
        self.update = training.UPDATES[recipe.update]
        self.run: Any = Run(
            recipe, training._fabric("cpu", "32-true"), Dataset("a point at 0", zeros, zeros, zeros), None,
            generator=_Point().double(), critic=_Slope().double(), frame=None, compile=False, progress=False,
            folder=None, resume=False,
        )  # fmt: skip
        if self.run.critic is None:
            raise ValueError(f"the Dirac-GAN is a game of two; {objective} has no critic")

    def step(self, at: Any, number: int) -> tuple[float, float]:
        """Where one step of the loop leads from ``at`` = (θ, ψ)."""
        run = self.run
        with torch.no_grad():
            run.generator.theta.fill_(float(at[0]))
            run.critic.psi.fill_(float(at[1]))
        run.iteration = run.critic_step = number
        self.update(run)
        return float(run.generator.theta.detach()), float(run.critic.psi.detach())

    def eigenvalues(self) -> np.ndarray | None:
        """Of the Jacobian at (0, 0) by differences; None where shorter ones give another: there is a kink."""
        found, again = (self._jacobian(length) for length in (STEP, STEP / 10))
        if not np.allclose(found, again, rtol=1e-3, atol=1e-3):
            return None
        values = np.linalg.eigvals(found).astype(complex)
        return values[np.argsort(-np.abs(values))]

    def _jacobian(self, length: float) -> np.ndarray:
        ahead, behind = (
            np.array([self.step(sign * length * axis, 0) for axis in np.eye(2)]) for sign in (1, -1)
        )
        return (ahead - behind).T / (2 * length)
