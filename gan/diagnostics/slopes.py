"""The Lipschitz constant of a critic, from both sides: the steepest slope seen, and a proved upper bound.

The largest gradient norm at any point is a lower bound of the constant (Euclidean norm, over all of space);
the product of the layers' own constants is an upper one. The truth lies between; finding it is NP-hard
(Virmaux & Scaman 2018). Both are in the space the networks see.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divergences.critic.networks import MaxMin, OrthogonalCritic
from gan._random import seeded
from gan.networks import FourierFeatures, Images, Maxout, Rows
from gan.regularizers import input_gradients

__all__ = ["LAYERS", "Lipschitz", "lipschitz", "upper_bound"]


@dataclass(frozen=True, slots=True, eq=False)
class Lipschitz:
    """``lower`` ≤ the critic's Lipschitz constant ≤ ``upper`` (None where a layer has no known bound).

    ``slopes`` are the norms of the gradient (of several features: of their Jacobian) met on "real", "fake"
    and the segments "between" them, of which ``lower`` is the largest; ``layers`` are (layer, its bound),
    whose product is ``upper``; ``missing`` names the layer that has none. A critic divided by ``upper`` is
    1-Lipschitz, by proof; by ``lower`` it is not.
    """

    lower: float
    upper: float | None
    slopes: dict[str, np.ndarray]
    layers: tuple[tuple[str, float], ...]
    missing: str | None = None

    def __str__(self) -> str:
        above = (
            f"at most {self.upper:.4g} (proved)" if self.upper is not None else f"no bound: {self.missing}"
        )
        means = ", ".join(f"{values.mean():.3g} {name}" for name, values in self.slopes.items())
        return (
            f"Lipschitz constant at least {self.lower:.4g} (steepest slope seen), {above}; mean slope {means}"
        )


def lipschitz(
    critic: nn.Module | Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, *, per_segment: int = 4,
    seed: int = 0,
) -> Lipschitz:  # fmt: skip
    """Bounds on a critic's Lipschitz constant: from its slopes at samples and between, and from its layers.

    ``real`` (n, d) and ``fake`` (m, d) as the critic takes them; ``per_segment`` random points on each
    segment between pairs. The critic (n, d) → (n,) or (n, k), features included, must treat each sample by
    itself; modules are looked at in evaluation mode.

    Gouk et al. 2021, section 3; Tsuzuku et al. 2018, section 4.1 (convolutions).

    >>> slope = nn.Linear(2, 1)
    >>> _ = nn.init.constant_(slope.weight, 3.0)
    >>> found = lipschitz(slope, torch.zeros(1, 2), torch.ones(1, 2))
    >>> round(found.lower, 4), round(found.upper, 4)
    (4.2426, 4.2426)
    """
    module = critic if isinstance(critic, nn.Module) else None
    was_training = module.training if module else False
    if module:
        module.eval()
    try:
        count = min(len(real), len(fake))
        with seeded(real.device, seed):
            shares = torch.rand(
                per_segment, count, *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype
            )
        between = torch.lerp(real[:count], fake[:count].to(real.dtype), shares).flatten(0, 1)
        points = {"real": real, "fake": fake, "between": between}
        slopes = {name: _slopes(critic, where) for name, where in points.items() if len(where)}
    finally:
        if module:
            module.train(was_training)
    layers, missing = (
        upper_bound(module) if module else ((), "it is no torch module, so its layers are unknown")
    )
    upper = None if missing else math.prod(bound for _, bound in layers)
    return Lipschitz(max(float(values.max()) for values in slopes.values()), upper, slopes, layers, missing)


def _slopes(critic: Any, points: Tensor) -> np.ndarray:
    """The largest singular value of the Jacobian at each point: of one output, the gradient's norm."""
    with torch.no_grad():
        out = critic(points[:1])
    count = 1 if out.ndim == 1 else out.flatten(1).shape[1]
    outputs = [lambda samples, k=k: critic(samples).reshape(len(samples), -1)[:, k] for k in range(count)]
    return np.concatenate([
        torch.linalg.matrix_norm(
            torch.stack([input_gradients(one, part).flatten(1).double() for one in outputs], dim=1), 2
        ).cpu().numpy()
        for part in points.split(4096)
    ])  # fmt: skip


def upper_bound(critic: nn.Module) -> tuple[tuple[tuple[str, float], ...], str | None]:
    """Each layer's Lipschitz bound in order, and what stands in the way of a bound for all, or None."""
    found: list[tuple[str, float]] = []
    for layer in _chain(critic):
        name = type(layer).__name__.removeprefix("Parametrized")
        rule = next((rule for kind, rule in LAYERS.items() if isinstance(layer, kind)), None)
        with torch.no_grad():
            bound = math.inf if rule is None else float(rule(layer))
        if math.isinf(bound):
            return tuple(found), f"nothing is known of the layer {name}"
        found.append((name, bound))
    return tuple(found), None


def _chain(network: nn.Module) -> list[nn.Module]:
    """Layers applied one after the other; a module of unknown inner workings is one layer."""
    if isinstance(network, OrthogonalCritic):
        return _chain(network.layers)
    if isinstance(network, nn.Sequential):
        return [layer for part in network for layer in _chain(part)]
    return [network]


# ── layers ──────────────────────────────────────────────────────────────────────────────────


def _spectral(weight: Tensor) -> float:
    """The largest singular value."""
    return float(torch.linalg.matrix_norm(weight.double().flatten(1), 2))


def _convolution(layer: Any) -> float:
    """Each input pixel is in at most ⌈k/s⌉ patches a side, so the norm is within √(their number) of W's."""
    overlaps = math.prod(-(-k // s) for k, s in zip(layer.kernel_size, layer.stride, strict=True))
    if any(one != 1 for one in layer.dilation):
        overlaps = math.prod(layer.kernel_size)
    # the weight by output channels, whatever the groups: a block matrix's norm is that of its largest block
    blocks = layer.weight.chunk(layer.groups)
    norm = max(_spectral(block) for block in blocks) * math.sqrt(overlaps)
    # other paddings repeat a pixel more often than overlaps count
    return norm if layer.padding_mode == "zeros" else math.inf


def _batch_norm(layer: Any) -> float:
    if layer.running_var is None:
        return math.inf
    scale = 1 / torch.sqrt(layer.running_var.double() + layer.eps)
    return float((scale if layer.weight is None else scale * layer.weight.double().abs()).max())


def _fourier(layer: Any) -> float:
    """(x, sin Wx, cos Wx): JᵀJ = I + WᵀW at every point, so this is exact."""
    return math.sqrt(1 + _spectral(layer.W) ** 2)


def _one(layer: nn.Module) -> float:
    return 1.0


# silu'(x) is largest where x·tanh(x/2) = 2, at 2.39936
SILU = 1.0998393194501417

LAYERS: dict[Any, Callable[[Any], float]] = {
    nn.Linear: lambda layer: _spectral(layer.weight),
    # the largest of several linear maps moves no more than all of them together
    Maxout: lambda layer: _spectral(layer.linear.weight),
    (nn.Conv1d, nn.Conv2d, nn.Conv3d): _convolution,
    (nn.BatchNorm1d, nn.BatchNorm2d): _batch_norm,
    FourierFeatures: _fourier,
    nn.LeakyReLU: lambda layer: max(1.0, abs(layer.negative_slope)),
    nn.ELU: lambda layer: max(1.0, layer.alpha),
    nn.SiLU: lambda layer: SILU,
    nn.Sigmoid: lambda layer: 0.25,
    (nn.ReLU, nn.Tanh, nn.Softplus, MaxMin): _one,
    # isometries, and dropout, which does nothing in evaluation
    (nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout, Images, Rows): _one,
}
