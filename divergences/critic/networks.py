"""Networks that serve as critics: some whose Lipschitz constant is proved to be 1, some where it is not.

A critic takes (n, d) and returns (n,). For W1 it must be 1-Lipschitz; the proved ones are so by
construction, whatever their weights:

- ``OrthogonalCritic``: layers with orthonormal rows or columns and GroupSort between them, which only
  sorts (Anil, Lucas & Grosse 2019). Universal, and the better one where the potential is nearly linear.
- ``FunnelCritic``: min_k |x − a_k| + b_k, or max_k b_k − |x − a_k|. Every 1-Lipschitz function on a
  finite set is of either form (McShane 1934); an optimal W1 potential is of the first with the points of
  y as centres, of the second with those of x. Every slope is exactly 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divergences.transport.dispatch import solve
from divergences.transport.problem import Problem

__all__ = [
    "CRITICS",
    "FunnelCritic",
    "Kind",
    "MaxMin",
    "OrthogonalCritic",
    "RatioCritic",
    "custom",
    "plain_critic",
]

CHUNK = 4096  # rows whose distances from all centres are held at once, outside training
POTENTIAL_ROWS = 2048  # a side, of the exact dual that "potential" is
SHARP = 1e-3  # of the spread: what softens the minimum of the funnels when training ends
FULL_QUADRATIC = 32  # features up to which products enter the log-ratio


class MaxMin(nn.Module):
    """GroupSort in pairs: the larger halves, then the smaller; 1-Lipschitz and gradient-preserving."""

    def forward(self, z: Tensor) -> Tensor:
        first, second = z.chunk(2, dim=-1)
        return torch.cat([torch.maximum(first, second), torch.minimum(first, second)], dim=-1)


class OrthogonalCritic(nn.Module):
    """A GroupSort network, 1-Lipschitz: each weight has singular values 1 (Cayley parametrisation).

    >>> critic = OrthogonalCritic(3, width=8).double()
    >>> x, y = torch.randn(2, 50, 3, dtype=torch.float64)
    >>> bool(((critic(x) - critic(y)).abs() <= (x - y).norm(dim=1) + 1e-9).all())
    True
    """

    def __init__(self, d: int, *, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inner in [d] + [width] * (depth - 1):
            layers += [_orthogonal(inner, width), MaxMin()]
        self.layers = nn.Sequential(*layers, _orthogonal(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out.squeeze(-1)


def _orthogonal(inner: int, outer: int) -> nn.Linear:
    layer = nn.Linear(inner, outer)
    nn.init.orthogonal_(layer.weight)
    return nn.utils.parametrizations.orthogonal(layer, orthogonal_map="cayley")


class FunnelCritic(nn.Module):
    """min_k |x − a_k| + b_k, 1-Lipschitz; in training a soft minimum, which is 1-Lipschitz too.

    ``peaks``: max_k b_k − |x − a_k| instead, the other of McShane's forms: what one makes easy is hard for
    the other, as x and y exchange roles.

    ``softness`` is the temperature of that minimum, and goes to ``SHARP`` of itself as ``progress``
    goes from 0 to 1: at first every centre learns, at last only the nearest counts.
    """

    def __init__(self, centres: Tensor, *, softness: float = 0.1, peaks: bool = False) -> None:
        super().__init__()
        self.centres = nn.Parameter(centres.clone())
        self.heights = nn.Parameter(torch.zeros(len(centres), dtype=centres.dtype, device=centres.device))
        self.softness, self.progress = softness, 0.0
        self.sign = -1.0 if peaks else 1.0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            parts = [(torch.cdist(part, self.centres) + self.heights).amin(dim=1) for part in x.split(CHUNK)]
            return self.sign * torch.cat(parts)
        funnels = torch.cdist(x, self.centres) + self.heights
        temperature = self.softness * SHARP**self.progress
        return -self.sign * temperature * torch.logsumexp(-funnels / temperature, dim=1)


class RatioCritic(nn.Module):
    """log p/q: a quadratic form, exact for Gaussians, plus a network that starts at 0.

    Products of features enter up to 32 of them, squares beyond.
    """

    def __init__(self, d: int, *, width: int = 64) -> None:
        super().__init__()
        self.linear = nn.Linear(d, 1)
        self.products = nn.Parameter(torch.zeros((d, d) if d <= FULL_QUADRATIC else (d,)))
        self.network = plain_critic(d, width=width, depth=2)
        with torch.no_grad():
            for part in (*self.linear.parameters(), *self.network[-2].parameters()):
                part.zero_()

    def forward(self, x: Tensor) -> Tensor:
        quadratic = (x @ self.products * x).sum(1) if self.products.ndim == 2 else x * x @ self.products
        out: Tensor = self.linear(x).squeeze(-1) + quadratic + self.network(x)
        return out


def plain_critic(d: int, *, width: int = 128, depth: int = 3) -> nn.Sequential:
    """A fully connected network; nothing bounds its slope."""
    sizes = [d] + [width] * depth
    layers: list[nn.Module] = []
    for inner, outer in pairwise(sizes):
        layers += [nn.Linear(inner, outer), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(width, 1), nn.Flatten(0))


# ── by name ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Kind:
    """A critic by name: how it is made from standardised training data, and how it is trained.

    ``proved``: 1-Lipschitz by construction. ``solved``: made as good as it gets, and not trained.
    ``penalty`` weighs (|∇v| − 1)² between real and fake (``one_sided``: only where |∇v| > 1), ``clip``
    bounds every weight; none of these proves anything.
    """

    make: Callable[[Tensor, Tensor], nn.Module]
    rate: float = 0.0
    proved: bool = False
    solved: bool = False
    penalty: float = 0.0
    one_sided: bool = False
    clip: float | None = None
    betas: tuple[float, float] = (0.9, 0.99)


def _width(samples: Tensor) -> int:
    """Neurons a layer: what few rows can teach."""
    return 64 if len(samples) > 10_000 else 32


def _some(rows: Tensor, count: int = 256) -> Tensor:
    return rows[torch.randperm(len(rows), device=rows.device)[:count]]


def _potential(x: Tensor, y: Tensor) -> FunnelCritic:
    """An optimal W1 potential between some rows of each side, continued: u(z) = min_j |z − y_j| − v_j."""
    x, y = _some(x, POTENTIAL_ROWS), _some(y, POTENTIAL_ROWS)
    left, right = (np.ascontiguousarray(side.double().cpu().numpy()) for side in (x, y))
    a, b = np.full(len(left), 1 / len(left)), np.full(len(right), 1 / len(right))
    v = solve(Problem(left, right, a, b, p=1.0), tolerance=1e-9).v
    critic = FunnelCritic(y)
    with torch.no_grad():
        critic.heights.copy_(torch.as_tensor(-v))
    return critic.eval()


CRITICS: dict[str, Kind] = {
    "orthogonal": Kind(lambda x, y: OrthogonalCritic(x.shape[1], width=_width(x)), 1e-2, proved=True),
    "funnels": Kind(lambda x, y: FunnelCritic(_some(y)), 3e-2, proved=True),
    "potential": Kind(_potential, proved=True, solved=True),
    "peaks": Kind(lambda x, y: FunnelCritic(_some(x), peaks=True), 3e-2, proved=True),
    "gradient-penalty": Kind(lambda x, y: plain_critic(x.shape[1]), 1e-3, penalty=10.0, betas=(0.5, 0.9)),
    "clip": Kind(lambda x, y: plain_critic(x.shape[1]), 5e-4, clip=0.05),
    "ratio": Kind(lambda x, y: RatioCritic(x.shape[1]), 5e-3),
}


def custom(make: Callable[[int], Any]) -> Kind:
    """A critic of the user's: a function of the number of features that returns a module."""
    if isinstance(make, nn.Module):
        raise TypeError("critic must be a function of the number of features: critic=lambda d: module")
    return Kind(lambda x, y: make(int(x.shape[1])), 1e-3)
