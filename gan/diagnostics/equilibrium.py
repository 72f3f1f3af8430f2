"""Is this a Nash equilibrium? What each player could gain alone, found by training copies.

At an equilibrium neither can: the duality gap max_D V(G, D) − min_G V(G, D) is 0 there and only there
(Grnarova et al. 2019). For a game that is not zero-sum the sum of both gains plays its part (Nikaidô &
Isoda 1955), and is the same for one that is. Training finds some of the gain: the gap is a lower bound.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divergences._progress import Bar
from gan._random import seeded
from gan.data import Dataset
from gan.diagnostics._play import Players, check_steps, descend, looks
from gan.model import Model
from gan.objectives import Objective

__all__ = ["DualityGap", "Gain", "duality_gap"]

CHUNKS = 10  # of the held-out data: their scatter gives the standard error


@dataclass(frozen=True, slots=True, eq=False)
class Gain:
    """What one player's training gained it: losses on held-out data at ``steps``, the other player held.

    ``value`` is the loss before less the loss of the best step, chosen on one half of the held-out data and
    valued on the other with ``standard_error``; 0 where no step was better.
    """

    steps: np.ndarray
    losses: np.ndarray
    best_step: int
    value: float
    standard_error: float

    @property
    def significant(self) -> bool:
        """Whether it is above two standard errors: the player can do better."""
        return self.value > 2 * self.standard_error


@dataclass(frozen=True, slots=True, eq=False)
class DualityGap:
    """What the critic and the generator gain by answering the other as it stands."""

    objective: str
    iteration: int
    critic: Gain
    generator: Gain

    @property
    def gap(self) -> float:
        """The sum of both gains; for a zero-sum objective the duality gap. 0 at an equilibrium."""
        return self.critic.value + self.generator.value

    @property
    def equilibrium(self) -> bool:
        """Whether neither player was found to gain beyond two standard errors."""
        return not (self.critic.significant or self.generator.significant)

    def __str__(self) -> str:
        parts = [
            f"the {name} gains {round(gain.value, 4) + 0.0:.4f} ± {gain.standard_error:.4f}"
            for name, gain in (("critic", self.critic), ("generator", self.generator))
        ]
        said = (
            "no gain found: an equilibrium, as far as this training sees"
            if self.equilibrium
            else "no equilibrium"
        )
        return (
            f"{self.objective}, iteration {self.iteration}: {' and '.join(parts)}, gap {self.gap:.4f}; {said}"
        )


def duality_gap(
    model: Model, dataset: Dataset, *, objective: str | Objective | None = None, steps: int = 500,
    batch: int = 512, rate: float = 2e-3, seed: int = 0, progress: bool | None = None,
) -> DualityGap:  # fmt: skip
    """Train a copy of each player against the other, held still; what each gained on held-out data.

    Losses are the run's own, with its regulariser for the critic, at the networks' last weights. ``steps``
    of Adam from ``rate`` with fresh noise; more steps find more of the gap. ``objective`` overrides the
    recipe's: "minimax" for the duality gap of the game of value V where a run used the non-saturating loss.

    Grnarova et al. 2019, definition 1 and section 3.2.
    """
    check_steps("steps", steps)
    check_steps("batch", batch, 2)
    players = Players(model, dataset, objective=objective)
    critic: Any = copy.deepcopy(model.critic).eval()  # type: ignore[union-attr]
    generator = copy.deepcopy(model.raw).eval()
    batch -= batch % model.recipe.packing
    with seeded(players.device, seed), Bar(2 * steps, progress, "best responses") as bar:
        held_out = _HeldOut(players)

        def critic_loss() -> Tensor:
            players.constrain(trained, trains=True)
            with torch.no_grad():
                fake = players.fake(generator, batch)
            return players.critic_loss(trained, players.real(batch), fake)

        def generator_loss() -> Tensor:
            return players.generator_loss(critic, players.real(batch), players.fake(trained, batch))

        trained: nn.Module = copy.deepcopy(critic)
        first = _response(
            trained, critic_loss,
            lambda real, z: players.critic_loss(trained, real, players.made(generator, z)),
            lambda: players.constrain(trained, trains=False), held_out, steps, rate, bar, 0,
        )  # fmt: skip
        trained = copy.deepcopy(generator)
        second = _response(
            trained, generator_loss,
            lambda real, z: players.generator_loss(critic, real, players.made(trained, z)),
            lambda: None, held_out, steps, rate, bar, steps,
        )  # fmt: skip
    return DualityGap(players.objective.name, model.iteration, first, second)


class _HeldOut:
    """Held-out rows with as many noises, fixed, in chunks: even ones choose, odd ones report."""

    def __init__(self, players: Players) -> None:
        rows = players.held_out[torch.randperm(len(players.held_out), device=players.device)[:10_000]]
        packing = players.recipe.packing
        size = len(rows) // (2 * CHUNKS) // packing * packing
        if size < 2:
            raise ValueError(f"the gap needs at least {4 * CHUNKS * packing} held-out rows, got {len(rows)}")
        self.chunks = [
            (players.packed(part), [players.noise(size) for _ in range(players.objective.fake_batches)])
            for part in rows[: 2 * CHUNKS * size].split(size)
        ]

    def losses(self, loss: Any) -> np.ndarray:
        """(2 · CHUNKS,) losses; what a penalty draws is the same at every look."""
        with seeded(self.chunks[0][0].device, 17):
            return np.array([float(loss(real, noises).detach()) for real, noises in self.chunks])


def _response(
    network: nn.Module, loss: Any, valued: Any, settle: Any, held_out: _HeldOut, steps: int, rate: float,
    bar: Any, before: int,
) -> Gain:  # fmt: skip
    """``settle`` is called before each look: what is valued is a player that may play."""
    chosen, found = looks(steps, 25), []
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    for step in descend(weights, loss, steps=steps, rate=rate):
        bar.reach(before + step)
        if step in chosen:
            settle()
            found.append(held_out.losses(valued))
    losses = np.array(found)
    best = int(losses[:, ::2].mean(1).argmin())
    gains = (losses[0] - losses[best])[1::2]
    error = float(gains.std(ddof=1) / np.sqrt(len(gains)))
    return Gain(np.array(chosen), losses.mean(1), chosen[best], float(gains.mean()), error)
