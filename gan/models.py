"""Models with a density, for maximum likelihood and its mirror image: Gaussian, mixture, a small flow.

``log_density(z)`` is exact, ``sample(count)`` draws, and ``reparameterised(count)`` draws so that gradients
reach the parameters. On these KL(P‖Q) and KL(Q‖P) can both be minimised, which shows what each prefers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan.objectives import LikelihoodObjective, parse

__all__ = ["Flow", "Gaussian", "Mixture", "Model", "fit"]

FLOOR = 1e-3  # of a standard deviation in a mixture: a component on one sample would have infinite likelihood


class Model(nn.Module):
    """A distribution on R^d with parameters to fit."""

    d: int

    def log_density(self, z: Tensor) -> Tensor:
        """log q at each row of z (n, d), in nats: (n,)."""
        raise NotImplementedError

    def reparameterised(self, count: int) -> tuple[Tensor, Tensor]:
        """Samples (k, d) that gradients flow through, and their shares (k,), which sum to 1."""
        raise NotImplementedError

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        """Independent draws, (count, d)."""
        return self.reparameterised(count)[0]


def _normal_log_density(z: Tensor) -> Tensor:
    return -0.5 * (z.square() + math.log(2.0 * math.pi)).sum(-1)


class Gaussian(Model):
    """N(mean, LLᵀ), L lower triangular with a positive diagonal.

    >>> Gaussian(2).log_density(torch.zeros(1, 2))
    tensor([-1.8379], grad_fn=<SubBackward0>)
    """

    def __init__(self, d: int) -> None:
        super().__init__()
        self.d = d
        self.mean = nn.Parameter(torch.zeros(d))
        self.lower = nn.Parameter(torch.zeros(d, d))
        self.log_diagonal = nn.Parameter(torch.zeros(d))

    @property
    def factor(self) -> Tensor:
        """L."""
        return torch.tril(self.lower, -1) + torch.diag(self.log_diagonal.exp())

    def log_density(self, z: Tensor) -> Tensor:
        white = torch.linalg.solve_triangular(self.factor, (z - self.mean).T, upper=False).T
        return _normal_log_density(white) - self.log_diagonal.sum()

    def reparameterised(self, count: int) -> tuple[Tensor, Tensor]:
        noise = torch.randn(count, self.d, dtype=self.mean.dtype, device=self.mean.device)
        return self.mean + noise @ self.factor.T, self.mean.new_full((count,), 1.0 / count)


class Mixture(Model):
    """Σ_k π_k N(μ_k, diag σ_k²). ``centres`` (k, d) are where the means start: rows of the data, say."""

    def __init__(self, centres: Tensor, *, deviation: float = 1.0) -> None:
        super().__init__()
        self.d = int(centres.shape[1])
        self.means = nn.Parameter(centres.detach().clone())
        self.raw = nn.Parameter(torch.full_like(centres, math.log(math.expm1(deviation))))
        self.logits = nn.Parameter(centres.new_zeros(len(centres)))

    @property
    def deviations(self) -> Tensor:
        """σ, one a component and feature."""
        return FLOOR + softplus(self.raw)

    def log_density(self, z: Tensor) -> Tensor:
        deviations = self.deviations
        white = (z[:, None] - self.means) / deviations
        inside = _normal_log_density(white) - deviations.log().sum(-1)
        return torch.logsumexp(self.logits.log_softmax(0) + inside, dim=1)

    def reparameterised(self, count: int) -> tuple[Tensor, Tensor]:
        """As many draws of every component, each with the component's share: exact in the weights."""
        each = max(1, count // len(self.means))
        noise = torch.randn(each, *self.means.shape, dtype=self.means.dtype, device=self.means.device)
        samples = (self.means + self.deviations * noise).flatten(0, 1)
        return samples, (self.logits.softmax(0) / each).repeat(each)

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        chosen = torch.multinomial(self.logits.softmax(0), count, replacement=True)
        return self.means[chosen] + self.deviations[chosen] * torch.randn_like(self.means[chosen])


class Flow(Model):
    """Real NVP: affine couplings on alternating features, d ≥ 2 (Dinh, Sohl-Dickstein & Bengio 2017)."""

    def __init__(self, d: int, *, layers: int = 6, width: int = 64) -> None:
        super().__init__()
        if d < 2:
            raise ValueError(f"a flow of couplings needs d of at least 2; got {d}. Use a Mixture")
        self.d = d
        self.nets = nn.ModuleList(
            nn.Sequential(
                nn.Linear(d, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2 * d)
            )
            for _ in range(layers)
        )  # fmt: skip
        for net in self.nets:  # starts as the identity
            nn.init.zeros_(net[-1].weight)
            nn.init.zeros_(net[-1].bias)
        self.register_buffer("even", (torch.arange(d) % 2 == 0).to(torch.get_default_dtype()))

    def _coupling(self, number: int, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The features kept, and log scale and shift of the others."""
        kept = self.even if number % 2 else 1.0 - self.even
        scale, shift = self.nets[number](z * kept).chunk(2, dim=-1)
        return kept, (1.0 - kept) * 2.0 * torch.tanh(scale / 2.0), (1.0 - kept) * shift

    def log_density(self, z: Tensor) -> Tensor:
        total = z.new_zeros(len(z))
        for number in reversed(range(len(self.nets))):
            _, scale, shift = self._coupling(number, z)
            z = (z - shift) * torch.exp(-scale)
            total = total - scale.sum(-1)
        return _normal_log_density(z) + total

    def reparameterised(self, count: int) -> tuple[Tensor, Tensor]:
        z = torch.randn(count, self.d, dtype=self.even.dtype, device=self.even.device)
        for number in range(len(self.nets)):
            _, scale, shift = self._coupling(number, z)
            z = z * torch.exp(scale) + shift
        return z, z.new_full((count,), 1.0 / count)


def fit(
    model: Model,
    target: Tensor | Callable[[Tensor], Tensor],
    *,
    objective: str | LikelihoodObjective = "maximum-likelihood",
    steps: int = 500,
    batch: int = 256,
    rate: float = 0.02,
    seed: int | None = None,
) -> list[float]:
    """Fit by Adam with a cosine rate; returns the loss of every step.

    "maximum-likelihood" takes samples (n, d) as ``target`` and descends KL(P‖Q); "model-reverse-kl" takes
    P's log density (up to a constant) and descends KL(Q‖P). ``seed`` leaves torch's generator alone.

    >>> losses = fit(Gaussian(1), torch.randn(200, 1) + 3.0, steps=50, seed=0)
    >>> losses[-1] < losses[0]
    True
    """
    chosen: Any = parse(objective)
    if not chosen.needs_model:
        raise ValueError(f"objective must be 'maximum-likelihood' or 'model-reverse-kl'; got {chosen.name!r}")
    by_samples = chosen.name == "maximum-likelihood"
    if isinstance(target, Tensor) != by_samples:
        wanted = "samples, a tensor (n, d)" if by_samples else "P's log density, a function,"
        raise TypeError(f"{chosen.name} takes {wanted} as target; got {type(target).__name__}")
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        optimiser = torch.optim.Adam(model.parameters(), lr=rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        losses = []
        for _ in range(steps):
            part: Any = target
            if isinstance(target, Tensor) and len(target) > batch:
                part = target[torch.randint(len(target), (batch,))]
            loss = chosen.loss(model, part, batch)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
    return losses
