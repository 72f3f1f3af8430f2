"""A generator with all it takes to draw samples in the data's own units, from a run or a checkpoint."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan import _checkpoint, networks
from gan.autoencoder import Autoencoder
from gan.data import Dataset
from gan.recipes import Recipe

__all__ = ["Frame", "Model", "load", "noise", "noise_on"]

CHUNK = 4096  # samples decoded at a time


@dataclass(frozen=True, slots=True)
class Frame:
    """From the data's units to the space the networks live in: (x − shift) / scale, then perhaps codes.

    ``d`` and ``image_shape`` are the data's; ``space`` is what the networks see.
    """

    d: int
    image_shape: tuple[int, ...] | None
    shift: np.ndarray
    scale: np.ndarray
    autoencoder: Autoencoder | None = None

    @classmethod
    def of(cls, dataset: Dataset, scaling: str, autoencoder: Autoencoder | None = None) -> Frame:
        shift, scale = np.zeros(1), np.ones(1)
        if scaling != "none" and autoencoder is None:
            rows = dataset.train.astype(np.float64)
            # one number for all pixels keeps a picture a picture; columns of points have their own middle
            shift = np.full(1, rows.mean()) if dataset.image_shape else rows.mean(axis=0)
            variances = ((rows - shift) ** 2).mean(axis=0)
            scale = np.sqrt(variances if scaling == "feature" else variances.mean(keepdims=True))
            scale[scale == 0] = 1.0
        return cls(dataset.d, dataset.image_shape, shift, scale, autoencoder)

    def space(self, marginals: Tensor | None = None) -> networks.Space:
        if self.autoencoder is not None:
            return networks.Space(self.autoencoder.code)
        return networks.Space(self.d, self.image_shape, marginals)

    @torch.no_grad()
    def inside(self, rows: np.ndarray) -> Tensor:
        """Data as the networks see them."""
        scaled = torch.from_numpy(np.ascontiguousarray((rows - self.shift) / self.scale, np.float32))
        return scaled if self.autoencoder is None else self.autoencoder.codes(scaled)

    @torch.no_grad()
    def outside(self, samples: Tensor) -> np.ndarray:
        """What the networks made, in the data's units, float32."""
        if self.autoencoder is not None:
            samples = self.autoencoder.images(samples)
        return (samples.float().cpu().numpy() * self.scale + self.shift).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        code = self.autoencoder
        return {
            "d": self.d, "image_shape": self.image_shape,
            "shift": torch.from_numpy(self.shift), "scale": torch.from_numpy(self.scale),
            "autoencoder": None if code is None else {"widths": code.widths, "weights": code.state_dict()},
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Frame:
        code = None
        if state["autoencoder"] is not None:
            code = Autoencoder(*state["autoencoder"]["widths"])
            code.load_state_dict(state["autoencoder"]["weights"])
            code.eval()
        shape = state["image_shape"]
        return cls(state["d"], shape and tuple(shape), state["shift"].numpy(), state["scale"].numpy(), code)


def noise(n: int, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """``(n, latent)`` from the recipe's prior; the same on every device."""
    if recipe.half_width is not None:
        z = recipe.half_width * rng.uniform(-1, 1, size=(n, recipe.latent))
    else:
        z = rng.standard_normal((n, recipe.latent))
    return torch.from_numpy(z.astype(np.float32))


def noise_on(device: torch.device, dtype: torch.dtype, n: int, recipe: Recipe) -> Tensor:
    """The same from torch's own generator, there and then: what training draws."""
    shape = (n, recipe.latent)
    if recipe.half_width is not None:
        return (torch.rand(shape, device=device, dtype=dtype) * 2 - 1) * recipe.half_width
    return torch.randn(shape, device=device, dtype=dtype)


@dataclass(slots=True, eq=False)
class Model:
    """What a run leaves: ``sample`` draws from the averaged generator, ``critic`` and ``raw`` are there too.

    ``history`` is the log, a record for each line: iteration, seconds, losses, the estimated divergence.
    """

    recipe: Recipe
    frame: Frame
    generator: nn.Module  # averaged over the run, where the recipe averages
    raw: nn.Module  # as it was at the last step
    critic: nn.Module | None
    iteration: int
    history: list[dict[str, Any]] = field(default_factory=list)

    def sample(
        self, n: int, *, rng: int | list[int] | np.random.Generator | None = None, average: bool = True
    ) -> np.ndarray:
        """``n`` samples in the data's units, ``(n, d)`` float32; ``average=False`` from the last weights."""
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise ValueError(f"n must be a whole number of samples, at least 1; got {n!r}")
        return self.decode(noise(int(n), self.recipe, np.random.default_rng(rng)), average=average)

    @torch.no_grad()
    def decode(self, z: Tensor, *, average: bool = True) -> np.ndarray:
        """The samples that the noise ``z`` (n, latent) becomes: for interpolations and grids."""
        network = self.generator if average else self.raw
        weight = next(network.parameters())
        was_training = network.training
        network.eval()
        try:
            parts = [
                self.frame.outside(network(part.to(weight.device, weight.dtype))) for part in z.split(CHUNK)
            ]
        finally:
            network.train(was_training)
        return np.concatenate(parts)


def load(
    path: str | os.PathLike[str], *, generator: nn.Module | None = None, critic: nn.Module | None = None
) -> Model:
    """The model in a checkpoint of ``gan train``, on the processor.

    ``generator`` and ``critic``: of a run that was given networks of its own, such networks again, whose
    weights are then those of the checkpoint. ValueError where they do not fit.
    """
    state = _checkpoint.load(path)
    recipe, frame = Recipe.from_dict(state["recipe"]), Frame.from_state(state["frame"])
    space = frame.space()
    made = [
        networks.generator(recipe.generator, recipe.latent, space) if generator is None
        else copy.deepcopy(generator) for _ in range(2)
    ]  # fmt: skip
    for network, name in zip(made, ("average", "generator"), strict=True):
        _fill(network, state[name], path, "generator")
    if state["critic"] is None:
        critic = None
    else:
        from gan import regularizers

        critic = (
            networks.critic(recipe.critic, space, packing=recipe.packing) if critic is None
            else copy.deepcopy(critic)
        )  # fmt: skip
        regularizers.parse(state["regularizer_text"]).prepare(critic)
        _fill(critic, state["critic"], path, "critic")
    return Model(recipe, frame, made[0], made[1], critic, state["iteration"], state["history"])


def _fill(network: nn.Module, weights: dict[str, Tensor], path: Any, name: str) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError:
        raise ValueError(
            f"{path}: its {name} is not the recipe's; a run that was given a network of its own is "
            f"loaded with such a one again: gan.load(path, {name}=...)"
        ) from None
    network.eval()
