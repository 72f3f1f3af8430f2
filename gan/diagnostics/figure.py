"""Goodfellow's figure from a run that took place: data, generator, discriminator on the line; its film.

Figure 1 of Goodfellow et al. 2014 draws (a) an adversarial pair near convergence, (b) the discriminator
trained on to its optimum, (c) the generator moved by its gradient, (d) the end, where D = 1/2. The four
panels here are those moments of one run: (b) and (c) go on from copies of (a), (d) is its last iteration.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch

from gan import data, objectives
from gan._random import seeded
from gan.data import Dataset
from gan.diagnostics._line import Position, known, position
from gan.diagnostics._play import Players, check_steps, descend
from gan.diagnostics.optimal import LINE, critic_trained_on
from gan.model import Model
from gan.recipes import Recipe
from gan.training import train

__all__ = ["FourPanels", "four_panels"]


@dataclass(frozen=True, slots=True, eq=False)
class FourPanels:
    """``panels``: the four moments; ``frames``: the whole run, for the film. ``js`` of panel k: ``js[k]``."""

    data: str
    objective: str
    panels: tuple[Position, Position, Position, Position]
    frames: tuple[Position, ...]

    @property
    def js(self) -> tuple[float, ...]:
        """JS between data and generator in each panel, by quadrature."""
        return tuple(at.divergence("js") for at in self.panels)

    def __str__(self) -> str:
        a, _, c, d = self.js
        end = self.panels[3]
        off = float((end.p + end.q) @ abs(end.discriminator - 0.5)) / 2
        return (
            f"{self.objective} on {self.data}: JS {a:.4f} at iteration {self.panels[0].iteration}, {c:.4f} "
            f"after the generator's answer to the optimal D, {d:.5f} at the end, where E|D - 1/2| = {off:.4f}"
        )


def four_panels(
    recipe: Recipe = LINE, *, dataset: Dataset | None = None, early: int | None = None,
    critic_steps: int = 1000, generator_steps: int = 4, frames: int = 60, progress: bool | None = None,
) -> FourPanels:  # fmt: skip
    """Train on the line and keep the four moments of Goodfellow's figure, and ``frames`` of the whole run.

    ``early`` is the iteration of panel (a) (None: a twenty-fifth of the run); (b) is ``critic_steps`` of the
    discriminator alone from there, (c) ``generator_steps`` of the generator alone against that, (d) the end.
    Needs data on the line with a known density and a generator of one number of noise (``latent=1``).

    Goodfellow et al. 2014, figure 1.
    """
    check_steps("critic_steps", critic_steps), check_steps("generator_steps", generator_steps)
    check_steps("frames", frames, 2)
    early = max(recipe.iterations // 25, 1) if early is None else check_steps("early", early, 0)
    if early > recipe.iterations:
        raise ValueError(f"early must be an iteration of the run, at most {recipe.iterations}; got {early}")
    found = known(data.load(recipe.data, seed=recipe.seed) if dataset is None else dataset)
    every = max(recipe.iterations // 300, 1)
    early -= early % every
    # much happens at first, little at the end: frames at squares
    last = recipe.iterations // every
    wanted = {round(last * (k / (frames - 1)) ** 2) * every for k in range(frames)} | {recipe.iterations}
    kept: list[Position] = []
    moments: list[Position] = []

    def watch(model: Model) -> None:
        if model.iteration in wanted:
            kept.append(position(model, found))
        if model.iteration == early:
            moments.extend(_answers(model, found, critic_steps, generator_steps))

    train(recipe, dataset=found, measure=None, log_every=every, watch=watch, progress=progress)
    a, b, c = moments
    return FourPanels(found.name, recipe.objective, (a, b, c, kept[-1]), tuple(kept))


def _answers(model: Model, dataset: Dataset, critic_steps: int, generator_steps: int) -> list[Position]:
    """Panels (a), (b) and (c) from copies of the model as it stands."""
    objective = objectives.parse(model.recipe.objective)
    optimal = critic_trained_on(model, dataset, objective, critic_steps)
    players = Players(optimal, dataset)
    generator, critic = copy.deepcopy(model.raw), optimal.critic
    weights = [weight for weight in generator.parameters() if weight.requires_grad]
    with seeded(players.device, model.recipe.seed, model.iteration, 1):

        def loss() -> torch.Tensor:
            fake = players.fake(generator, 1024)
            return players.generator_loss(critic, players.real(1024), fake)

        for _ in descend(weights, loss, steps=generator_steps, rate=1e-3):
            pass
    moved = replace(optimal, raw=generator)
    return [position(one, dataset) for one in (model, optimal, moved)]
