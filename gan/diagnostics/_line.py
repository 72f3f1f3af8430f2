"""Training on the line, seen exactly: P, the generator's Q and the critic on one grid of cells.

P's masses come from its known density. Q's come from the generator itself: with one number of noise it is
a curve x = G(z), and the mass of each small step of z lies between the two ends of its image. Nothing is
sampled, so what holds on finite supports (V ≤ −log 4 + 2 JS, say) holds here to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divergences.fdivergence import FDIVERGENCES
from gan.data import Dataset
from gan.model import Frame, Model
from gan.objectives import DualObjective, Objective

__all__ = ["CELLS", "Position", "critic_outputs", "dual_of", "known", "masses", "position", "reach"]

CELLS = 1000
STEPS = 4096  # of the noise, each of which the generator takes to a short piece of the line
ENDS = 9.0  # of normal noise: far enough for Q to have mass wherever P has, in divergences such as KL
DEEP, FARTHEST = 21.0, 20  # nats below the top, and how many tenths of the samples' range one looks for it
SHOWN = 16  # noises whose way from z to x is kept for the arrows


@dataclass(frozen=True, slots=True, eq=False)
class Position:
    """Both players at one moment: masses ``p``, ``q`` (k,) of the cells between ``edges`` (k + 1,).

    ``outputs`` are the critic's raw outputs at the middles. ``z`` is a row of equally likely noises,
    ``images`` where the generator takes them.
    """

    iteration: int
    edges: np.ndarray
    p: np.ndarray
    q: np.ndarray
    outputs: np.ndarray
    z: np.ndarray
    images: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """The middles of the cells."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def width(self) -> float:
        return float(self.edges[1] - self.edges[0])

    @property
    def discriminator(self) -> np.ndarray:
        """D = sigmoid of the outputs."""
        return _sigmoid(self.outputs)

    @property
    def optimum(self) -> np.ndarray:
        """D* = p/(p + q); NaN where there is neither."""
        return np.divide(self.p, self.p + self.q, out=np.full_like(self.p, np.nan), where=self.p + self.q > 0)

    def divergence(self, name: str) -> float:
        """Any f-divergence by name, or "wasserstein" (W1), between P and Q on these cells."""
        if name == "wasserstein":
            return float(np.abs(np.cumsum(self.p - self.q)).sum() * self.width)
        return float(np.sum(FDIVERGENCES[name].perspective(self.p, self.q)))

    def bound(self, objective: DualObjective) -> float:
        """What this critic makes of the objective's divergence: the dual, by quadrature."""
        return float(objective.dual.bound(self.outputs, self.outputs, self.p, self.q))


def _sigmoid(v: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    out: np.ndarray = expit(v)
    return out


def known(dataset: Dataset) -> Dataset:
    """``dataset``, if it lies on the line and its density is known."""
    if dataset.d != 1 or dataset.log_density is None or dataset.draw is None:
        raise ValueError(
            f"this needs data on the line whose density is known, such as 'gaussian' or 'mixture'; "
            f"{dataset.name} has {dataset.d} feature{'s' * (dataset.d > 1)}"
            + ("" if dataset.log_density else " and no known density")
        )
    return dataset


def dual_of(objective: Objective) -> DualObjective:
    """``objective``, if its critic's outputs make a bound."""
    if not isinstance(objective, DualObjective):
        raise ValueError(
            f"{objective.name} has no bound to look at; take minimax, non-saturating, lsgan, hinge, wgan, or "
            "f-gan(divergence=...)"
        )
    return objective


def reach(dataset: Dataset) -> tuple[float, float]:
    """Where the density lies: past the samples until it is a billionth of its height."""
    density: Any = dataset.log_density
    low, high = float(dataset.train.min()), float(dataset.train.max())
    room, top = 0.1 * (high - low), float(density(dataset.train).max())

    def negligible(x: float) -> bool:
        return bool(density(np.array([[x]]))[0] < top - DEEP)

    for _ in range(FARTHEST):
        low -= 0 if negligible(low) else room
        high += 0 if negligible(high) else room
    return low, high


def masses(dataset: Dataset, edges: np.ndarray) -> np.ndarray:
    """P's mass in each cell by the midpoint rule, summing to 1."""
    middles = (edges[1:] + edges[:-1]) / 2
    found = np.exp(dataset.log_density(middles[:, None])) * np.diff(edges)  # type: ignore[misc]
    return found / found.sum()


def position(model: Model, dataset: Dataset, *, cells: int = CELLS) -> Position:
    """Where a model with one number of noise stands against ``dataset``, by its last weights."""
    known(dataset)
    steps, shares = _noise(model)
    with torch.no_grad():
        images = model.decode(torch.from_numpy(steps[:, None].astype(np.float32)), average=False)[:, 0]
    images = images.astype(np.float64)
    low, high = reach(dataset)
    edges = np.linspace(min(low, images.min()), max(high, images.max()), cells + 1)
    q = _between(images, shares, edges)
    middles = (edges[1:] + edges[:-1]) / 2
    shown = np.searchsorted(np.cumsum(shares), (np.arange(SHOWN) + 0.5) / SHOWN)
    return Position(
        model.iteration, edges, masses(dataset, edges), q / q.sum(),
        critic_outputs(model.critic, model.frame, middles), steps[shown], images[shown],
    )  # fmt: skip


def critic_outputs(critic: nn.Module | None, frame: Frame, x: np.ndarray) -> np.ndarray:
    """The critic's raw outputs (k,) at points (k,) in the data's own units."""
    if critic is None:
        raise ValueError("this run has no critic to look at; take an adversarial objective")
    weight = next(critic.parameters())
    points: Tensor = frame.inside(x[:, None]).to(weight.device, weight.dtype)
    was_training = critic.training
    critic.eval()
    try:
        with torch.no_grad():
            out = critic(points)
    finally:
        critic.train(was_training)
    if out.numel() != len(points):
        raise ValueError(f"the critic must return one number a sample; got shape {tuple(out.shape)}")
    return out.reshape(-1).double().cpu().numpy()


def _noise(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Ends of ``STEPS`` small steps of the noise, and the mass of each."""
    recipe = model.recipe
    if recipe.latent != 1 or recipe.packing != 1:
        raise ValueError(
            "the density of what a generator makes is known where it takes one number of noise: use latent=1 "
            f"and packing=1; got latent={recipe.latent}, packing={recipe.packing}"
        )
    if recipe.half_width is not None:
        return recipe.half_width * np.linspace(-1, 1, STEPS + 1), np.full(STEPS, 1.0 / STEPS)
    from scipy.special import ndtr

    ends = np.linspace(-ENDS, ENDS, STEPS + 1)
    shares = np.diff(ndtr(ends[: STEPS // 2 + 1]))  # the right half near 1 has lost its digits
    return ends, np.concatenate([shares, shares[::-1]]) / (2 * shares.sum())


def _between(images: np.ndarray, shares: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The mass between edges, each step's spread evenly between the images of its ends."""
    below = _below(images, shares, edges)
    above = _below(-images, shares, -edges[::-1])[::-1]
    # far to the right the mass below is 1 to all digits: there the mass above tells the cells apart
    return np.where(below[1:] < 0.5, np.diff(below), -np.diff(above))


def _below(images: np.ndarray, shares: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The mass at or below each edge."""
    low, high = np.minimum(images[1:], images[:-1]), np.maximum(images[1:], images[:-1])
    length = high - low
    flat = length == 0  # an atom
    length = np.where(flat, 1.0, length)
    within = (np.where(flat, edge >= high, np.clip((edge - low) / length, 0.0, 1.0)) for edge in edges)
    return np.array([shares @ share for share in within])
