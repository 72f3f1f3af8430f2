"""What the generator is told as the discriminator gets better: the gradients of log(1 − D) and of −log D.

The experiment of Arjovsky & Bottou 2017 (figures 2 and 3): hold a generator, train a discriminator from
scratch against it, and look at the generator's gradient along the way. Where the supports can be told
apart, D becomes perfect and the gradient of log(1 − D) dies; that of −log D does not, but scatters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from divergences._progress import Bar
from gan import _spec, networks, objectives
from gan._random import seeded
from gan.data import Dataset
from gan.diagnostics._play import Players, check_steps, descend, looks
from gan.model import Model

__all__ = ["GradientNorms", "generator_gradients"]

BATCHES = 8  # whose gradients are taken at each look: their spread is what −log D pays with


@dataclass(frozen=True, slots=True, eq=False)
class GradientNorms:
    """Norms of the generator's gradient after ``steps`` (k,) of the discriminator, the generator held.

    ``saturating`` is that of E log(1 − D(G(z))), ``non_saturating`` of −E log D(G(z)): the norm of the mean
    over 8 batches; ``*_spread`` the root mean square distance of a batch's gradient from that mean.
    ``accuracy`` is D's on fresh fakes and held-out data, each half.
    """

    iteration: int
    steps: np.ndarray
    saturating: np.ndarray
    saturating_spread: np.ndarray
    non_saturating: np.ndarray
    non_saturating_spread: np.ndarray
    accuracy: np.ndarray

    def __str__(self) -> str:
        fall = self.saturating.max() / self.saturating[-1]
        change = self.non_saturating[-1] / self.non_saturating[0]
        return (
            f"generator of iteration {self.iteration}: in {self.steps[-1]} steps of D (accuracy "
            f"{100 * self.accuracy[-1]:.1f} %) the gradient of log(1 - D) fell by {_powers(fall)}; that of "
            f"-log D is {change:.2g} times what it was, norm {self.non_saturating[-1]:.2g} with a spread of "
            f"{self.non_saturating_spread[-1]:.2g} between batches"
        )


def _powers(ratio: float) -> str:
    return f"{np.log10(ratio):.1f} powers of ten" if ratio > 10 else f"a factor of {ratio:.2g}"


def generator_gradients(
    model: Model, dataset: Dataset, *, critic: str | None = None, steps: int = 1000, batch: int = 256,
    rate: float = 2e-3, seed: int = 0, progress: bool | None = None,
) -> GradientNorms:  # fmt: skip
    """Train a fresh discriminator against a held generator; the norms of both generator losses' gradients.

    ``critic`` names its network (None: that of the model's recipe). Trained by the minimax loss; both
    gradients are those of ``objectives.parse("minimax")`` and ``"non-saturating"`` in the generator's
    weights, in evaluation mode, over the same noise every time.

    Arjovsky & Bottou 2017, theorems 2.4 and 2.6, figures 2 and 3.
    """
    check_steps("steps", steps)
    check_steps("batch", batch, 2)
    packing = model.recipe.packing
    batch = max(batch - batch % packing, packing)
    minimax = objectives.parse("minimax")
    both = [minimax, objectives.parse("non-saturating")]
    players = Players(model, dataset, objective=minimax)
    generator, chosen = model.raw, set(looks(steps))
    was_training = generator.training
    generator.eval()
    found: list[tuple[float, ...]] = []
    with seeded(players.device, seed), Bar(steps, progress, "training a discriminator") as bar:
        text = critic or _with_one_output(model.recipe.critic)
        space = networks.Space(model.frame.space().d, model.frame.space().image_shape)
        network = networks.critic(text, space, packing=packing)
        network = network.to(players.device, players.dtype).eval()
        noises = [players.noise(batch) for _ in range(BATCHES)]
        none = noises[0][:0]

        def loss() -> torch.Tensor:
            with torch.no_grad():
                fake = players.fake(generator, batch)
            return minimax.critic_loss(network, players.real(batch), fake)

        for step in descend(list(network.parameters()), loss, steps=steps, rate=rate):
            bar.reach(step)
            if step not in chosen:
                continue
            # neither loss looks at real samples
            losses = (
                (one.generator_loss(network, none, players.made(generator, [z])) for z in noises)
                for one in both
            )
            norms = [_norm_and_spread([_gradient(generator, value) for value in each]) for each in losses]
            found.append((step, *norms[0], *norms[1], _accuracy(players, network, generator, noises)))
    generator.train(was_training)
    columns = np.array(found).T
    return GradientNorms(model.iteration, columns[0].astype(int), *columns[1:])


def _with_one_output(critic: str) -> str:
    """The recipe's network as a discriminator, where it had features."""
    spec = _spec.parse(critic, "a network")
    options = {name: value for name, value in spec.options.items() if name != "outputs"}
    return _spec.text(spec.name, spec.values, options) if len(options) < len(spec.options) else critic


def _gradient(generator: nn.Module, loss: torch.Tensor) -> torch.Tensor:
    weights = [weight for weight in generator.parameters() if weight.requires_grad]
    return torch.cat([slope.flatten() for slope in torch.autograd.grad(loss, weights)]).double()


def _norm_and_spread(gradients: list[torch.Tensor]) -> tuple[float, float]:
    stacked = torch.stack(gradients)
    mean = stacked.mean(0)
    return float(mean.norm()), float((stacked - mean).square().sum(1).mean().sqrt())


@torch.no_grad()
def _accuracy(players: Players, critic: nn.Module, generator: nn.Module, noises: list[torch.Tensor]) -> float:
    whole = len(players.held_out) // players.recipe.packing * players.recipe.packing
    real = critic(players.packed(players.held_out[:whole])) > 0
    fake = torch.cat([critic(players.made(generator, [z])) for z in noises]) < 0
    return float(real.double().mean() + fake.double().mean()) / 2
