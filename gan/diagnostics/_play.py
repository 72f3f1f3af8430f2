"""Both players of a run outside its loop: batches, their own losses with the regulariser, plain descent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan import _optimizers, objectives, regularizers
from gan.data import Dataset
from gan.model import Model, noise_on
from gan.objectives import Objective

__all__ = ["Players", "check_steps", "descend", "looks"]


class Players:
    """The game a model was trained in: ``real`` and ``fake`` draw batches, the losses are the run's own.

    The critic's loss includes its penalty, at the weight it had when the run stood here, at every step
    (lazy application only spares time). Networks are used in evaluation mode.
    """

    def __init__(self, model: Model, dataset: Dataset, *, objective: str | Objective | None = None) -> None:
        recipe = model.recipe
        self.model, self.recipe = model, recipe
        self.objective = objectives.parse(recipe.objective if objective is None else objective)
        if model.critic is None or not self.objective.needs_critic:
            raise ValueError(f"{recipe.objective} has no critic: there is no game to look at")
        text = recipe.regularizer
        self.regularizer = regularizers.parse(self.objective.regularizer if text is None else text)
        weight = next(model.raw.parameters())
        self.device, self.dtype = weight.device, weight.dtype
        self.train, self.held_out = (
            model.frame.inside(rows).to(self.device, self.dtype) for rows in (dataset.train, dataset.test)
        )
        self.progress = min(model.iteration / recipe.iterations, 1.0)

    def real(self, count: int) -> Tensor:
        """Random rows of the training data, packed as the critic takes them."""
        return self.packed(self.train[torch.randint(len(self.train), (count,), device=self.device)])

    def noise(self, count: int) -> Tensor:
        return noise_on(self.device, self.dtype, count, self.recipe)

    def fake(self, generator: nn.Module, count: int) -> Any:
        """A batch of samples, or a tuple of them where the objective takes several."""
        batches = self.objective.fake_batches
        return self.made(generator, [self.noise(count) for _ in range(batches)])

    def made(self, generator: nn.Module, noises: Sequence[Tensor]) -> Any:
        """What given noises become; as many of them as the objective takes batches."""
        found = tuple(self.packed(generator(z)) for z in noises)
        return found if len(found) > 1 else found[0]

    def packed(self, samples: Tensor) -> Tensor:
        count = self.recipe.packing
        return samples if count == 1 else samples.reshape(len(samples) // count, -1)

    def constrain(self, critic: nn.Module, *, trains: bool) -> None:
        """Take a critic back within the run's constraint; while it ``trains``, spectral norms follow it."""
        self.regularizer.constrain(critic)
        for part in critic.modules():
            # in evaluation mode its power iteration stands still, and the weights outgrow it unseen
            if isinstance(part, parametrize.ParametrizationList):
                part.train(trains)

    def critic_loss(self, critic: nn.Module, real: Tensor, fake: Any) -> Tensor:
        """What the critic minimises, penalty included."""
        fake = tuple(part.detach() for part in fake) if isinstance(fake, tuple) else fake.detach()
        loss = self.objective.critic_loss(critic, real, fake)
        one = fake[0] if isinstance(fake, tuple) else fake
        witness = self.objective.witness(critic, real, fake)
        for part in getattr(self.regularizer, "parts", [self.regularizer]):
            term = part.term(witness, real, one)
            if term is not None:
                loss = loss + part.weight_at(self.progress) * term
        return loss

    def generator_loss(self, critic: nn.Module, real: Tensor, fake: Any) -> Tensor:
        """What the generator minimises; gradients flow through ``fake``."""
        return self.objective.generator_loss(critic, real, fake)


def descend(
    weights: Sequence[Tensor], loss: Callable[[], Tensor], *, steps: int, rate: float
) -> Iterator[int]:
    """Adam on ``loss()``, the rate falling to 5 % of itself; yields 0 before, then after each step."""
    optimiser = _optimizers.optimizer(f"adam(lr={rate}, beta1=0.9, beta2=0.99)", weights)
    factor = _optimizers.rate("cosine(final=0.05)", max(steps, 1))
    yield 0
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = group["first_lr"] * factor(step)
        # of these weights only: the other player's gradients are none of this loss's business
        for weight, slope in zip(
            weights, torch.autograd.grad(loss(), weights, allow_unused=True), strict=True
        ):
            weight.grad = slope
        optimiser.step()
        yield step + 1


def looks(steps: int, count: int = 40) -> list[int]:
    """Step numbers to look at: 0, then about evenly on a logarithmic axis up to ``steps``."""
    if steps == 0:
        return [0]
    spaced = np.unique(np.round(np.geomspace(1, steps, count)).astype(int))
    return [0, *spaced.tolist()]


def check_steps(name: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}; got {value!r}")
    return int(value)
