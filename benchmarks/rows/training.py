"""The training loop: the recipe of the ring against bare arithmetic, and against a published-style loop."""

from __future__ import annotations

import copy
import math
from typing import Any

from rows.common import Row

ITERATIONS = 600


def rates(recipe: Any) -> tuple[float, float]:
    """Of generator and critic."""
    from gan import _spec

    texts = recipe.generator_optimizer, recipe.critic_optimizer
    first, second = (_spec.parse(text, "an optimizer").options["lr"] for text in texts)
    return first, second


def penalty(recipe: Any) -> tuple[float, float, int]:
    """R1 + R2 of the recipe: first and last weight, and every how many steps."""
    from gan import _spec

    spec = _spec.parse(recipe.regularizer, "a regularizer")
    return spec.values[0], spec.options["final"], spec.options["every"]


def problem(seed: int, size: int | None) -> tuple[Any, ...]:
    """The ring's recipe for some iterations, its data, and a pair of networks to start from."""
    import torch

    from gan import data, networks
    from gan.recipes import RECIPES

    torch.set_num_threads(1)
    recipe = RECIPES["ring"].but(iterations=size or ITERATIONS, seed=seed)
    torch.manual_seed(seed)
    space = networks.Space(2)
    pair = networks.generator(recipe.generator, recipe.latent, space), networks.critic(recipe.critic, space)
    return recipe, data.load(recipe.data, seed=seed), *pair


def ours(recipe: Any, dataset: Any, generator: Any, critic: Any) -> dict[str, float]:
    from gan.training import train

    model = train(
        recipe, dataset=dataset, generator=generator, critic=critic, measure=None, accelerator="cpu"
    )
    return {"iterations": recipe.iterations, "critic_loss": model.history[-1]["critic_loss"]}


def bare(recipe: Any, dataset: Any, generator: Any, critic: Any) -> dict[str, float]:
    """The arithmetic alone: the same forward and backward passes and fused steps, on one fixed batch."""
    import torch
    from torch.nn.functional import softplus

    real = torch.from_numpy(dataset.train[: recipe.batch] / dataset.train.std())
    z = torch.randn(recipe.batch, recipe.latent)
    pair = [
        torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.9), fused=True)
        for network, rate in zip((generator, critic), rates(recipe), strict=True)
    ]
    first, _, every = penalty(recipe)
    weights = list(critic.parameters())
    for t in range(recipe.iterations):
        fake = generator(z)
        held = fake.detach()
        loss = softplus(critic(held) - critic(real)).mean()
        if t % every == 0:
            points = torch.cat([real, held]).requires_grad_(True)
            (slopes,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
            # γ/2 times the sum of both means, which is twice the mean over all points
            loss = loss + every * first * slopes.square().sum(1).mean()
        pair[1].zero_grad()
        loss.backward()
        pair[1].step()
        for weight in weights:
            weight.requires_grad_(False)
        loss = softplus(critic(real) - critic(fake)).mean()
        pair[0].zero_grad()
        loss.backward()
        pair[0].step()
        for weight in weights:
            weight.requires_grad_(True)
    return {"iterations": recipe.iterations}


def published_style(recipe: Any, dataset: Any, generator: Any, critic: Any) -> dict[str, float]:
    """The usual loop: a DataLoader, a new fake batch for each network, logs read off at every step.

    The same networks, losses, lazy penalty, rates and average as the recipe's, written the way GAN
    libraries and tutorials write them; PyTorch's default Adam.
    """
    import torch
    from torch.nn.functional import softplus
    from torch.utils.data import DataLoader, TensorDataset

    rows = torch.from_numpy(dataset.train / dataset.train.std())
    loader = DataLoader(TensorDataset(rows), batch_size=recipe.batch, shuffle=True, drop_last=True)
    average = copy.deepcopy(generator)
    of_generator, of_critic = rates(recipe)
    first, final, every = penalty(recipe)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=of_generator, betas=(0.5, 0.9))
    optimizer_d = torch.optim.Adam(critic.parameters(), lr=of_critic, betas=(0.5, 0.9))
    schedules = [
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.iterations, eta_min=0.01 * rate)
        for optimizer, rate in ((optimizer_g, of_generator), (optimizer_d, of_critic))
    ]

    def zero_centred(points: Any) -> Any:
        points = points.detach().requires_grad_(True)
        (slopes,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
        return slopes.square().sum(1).mean()

    log: dict[str, float] = {}
    batches = iter(loader)
    for t in range(recipe.iterations):
        try:
            (real,) = next(batches)
        except StopIteration:
            batches = iter(loader)
            (real,) = next(batches)
        optimizer_d.zero_grad()
        with torch.no_grad():
            fake = generator(torch.randn(recipe.batch, recipe.latent))
        on_real, on_fake = critic(real), critic(fake)
        loss_d = softplus(on_fake - on_real).mean()
        if t % every == 0:
            gamma = first * (final / first) ** (t / recipe.iterations)
            loss_d = loss_d + every * gamma / 2 * (zero_centred(real) + zero_centred(fake))
        loss_d.backward()
        optimizer_d.step()
        log["errD"] = loss_d.item()
        log["D(x)"] = torch.sigmoid(on_real).mean().item()
        log["D(G(z))"] = torch.sigmoid(on_fake).mean().item()
        optimizer_g.zero_grad()
        fake = generator(torch.randn(recipe.batch, recipe.latent))
        loss_g = softplus(critic(real) - critic(fake)).mean()
        loss_g.backward()
        optimizer_g.step()
        log["errG"] = loss_g.item()
        for schedule in schedules:
            schedule.step()
        decay = min(recipe.ema, (t + 1) / (t + 10))
        with torch.no_grad():
            for mean, now in zip(average.parameters(), generator.parameters(), strict=True):
                mean.mul_(decay).add_(now, alpha=1 - decay)
    if not math.isfinite(log["errD"]):
        raise ArithmeticError("the published-style loop went astray")
    return {"iterations": recipe.iterations, "critic_loss": log["errD"]}


# one epoch of warming up pays for imports and the first draws
ROWS: dict[str, Row] = {
    "ring-loop": Row(problem, ours, {"bare": bare, "published_style": published_style}, warm=100),
}
