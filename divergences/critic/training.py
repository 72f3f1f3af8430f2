"""Training a critic: maximise its bound on batches, keep the weights that do best on rows set aside."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divergences.critic.dual import Dual
from divergences.critic.networks import Kind

__all__ = [
    "Batches",
    "Rows",
    "fit",
    "gradient_norms",
    "largest_slope",
    "on_both",
    "outputs",
    "resampler",
    "seeded",
    "trained",
]

CHECKS = 40  # times a run looks at the rows set aside
PATIENCE = 12  # of those without a gain, after which it stops
WARM = 0.5  # share of an f-divergence's run spent on logistic regression, whose optimum is the same

Batches = Callable[[], tuple[Tensor, Tensor]]
Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # x, y and their weights, which sum to 1


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """torch's generators seeded inside, as they were outside."""
    devices = [device] if device.type == "cuda" else []
    with torch.inference_mode(False), torch.random.fork_rng(devices=devices), torch.enable_grad():
        torch.manual_seed(seed)
        yield


def resampler(x: Tensor, y: Tensor, batch: int, weights: tuple[Tensor, Tensor] | None = None) -> Batches:
    """Batches drawn from two samples with replacement, by weight; all rows where they are few."""
    if weights is None and max(len(x), len(y)) <= batch:
        return lambda: (x, y)

    def rows(samples: Tensor, w: Tensor | None) -> Tensor:
        if w is None:
            return samples[torch.randint(len(samples), (batch,), device=samples.device)]
        return samples[torch.multinomial(w, batch, replacement=True)]

    a, b = weights if weights is not None else (None, None)
    return lambda: (rows(x, a), rows(y, b))


def fit(
    critic: nn.Module,
    kind: Kind,
    dual: Dual,
    batches: Batches,
    score: Callable[[nn.Module], float],
    *,
    steps: int,
    keep_best: bool = True,
    advance: Callable[[float], None] | None = None,
) -> float:
    """Maximise ``dual.bound`` over batches by Adam, cosine rate; returns the best ``score``.

    The critic ends with the weights that scored best (the last ones, unless ``keep_best``). A bound that
    grows like e^v is reached through logistic regression first: its optimum log p/q is that of every
    f-divergence, its gradients are bounded.
    """
    optimiser = torch.optim.Adam(critic.parameters(), lr=kind.rate, betas=kind.betas)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    best, kept, since = -math.inf, copy.deepcopy(critic.state_dict()), 0
    for step in range(steps):
        critic.train()
        if hasattr(critic, "progress"):
            critic.progress = step / steps
        real, fake = batches()
        warm = not dual.lipschitz and step < WARM * steps
        on_real, on_fake = on_both(critic, real, fake)
        loss = _logistic(on_real, on_fake) if warm else -dual.bound(on_real, on_fake)
        if kind.penalty:
            loss = loss + kind.penalty * _slope_penalty(critic, real, fake, kind.one_sided)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(critic.parameters(), 10.0)
        if bool(torch.isfinite(loss)):
            optimiser.step()
        schedule.step()
        if kind.clip is not None:
            with torch.no_grad():
                for weight in critic.parameters():
                    weight.clamp_(-kind.clip, kind.clip)
        if keep_best and ((step + 1) % max(1, steps // CHECKS) == 0 or step + 1 == steps):
            value = score(critic)
            since += 1
            if value > best:
                best, kept, since = value, copy.deepcopy(critic.state_dict()), 0
            if since >= PATIENCE and not warm:
                break
        if advance is not None:
            advance(1)
    if keep_best:
        critic.load_state_dict(kept)
    critic.eval()
    return best


def on_both(critic: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs on both sides from one pass: orthogonal weights cost as much as the data does."""
    out = critic(torch.cat([real, fake])).reshape(-1)
    return out[: len(real)], out[len(real) :]


def _logistic(on_real: Tensor, on_fake: Tensor) -> Tensor:
    return nn.functional.softplus(-on_real).mean() + nn.functional.softplus(on_fake).mean()


def _slope_penalty(critic: nn.Module, real: Tensor, fake: Tensor, one_sided: bool) -> Tensor:
    """E(|∇v| − 1)² at points between paired real and fake (Gulrajani et al. 2017; Petzka et al. 2018)."""
    count = min(len(real), len(fake))
    share = torch.rand(count, 1, device=real.device, dtype=real.dtype)
    excess = gradient_norms(critic, torch.lerp(real[:count], fake[:count], share), create_graph=True) - 1.0
    return (excess.clamp_min(0.0) if one_sided else excess).square().mean()


def gradient_norms(critic: nn.Module, points: Tensor, *, create_graph: bool = False) -> Tensor:
    """|∇v| at each point."""
    at = points.detach().requires_grad_(True)
    (slopes,) = torch.autograd.grad(critic(at).sum(), at, create_graph=create_graph)
    return slopes.norm(dim=1)


# ── from NumPy and back ─────────────────────────────────────────────────────────────────────


def trained(
    kind: Kind,
    dual: Dual,
    train: Rows,
    valid: Rows,
    *,
    steps: int,
    batch: int,
    seed: int,
    device: Any = None,
    advance: Callable[[float], None] | None = None,
) -> tuple[nn.Module, float]:
    """A critic fitted in float32 on ``train``, returned in float64 with its score on ``valid``."""
    with seeded(seed, torch.device(device or "cpu")):
        x, y, *weights = (torch.as_tensor(v, dtype=torch.float32, device=device) for v in train)
        known = [torch.as_tensor(v, dtype=torch.float32, device=device) for v in valid]
        uniform = all(bool((w == w[0]).all()) for w in weights)
        # what is made of rows heeds their weights too
        critic = kind.make(*((x, y) if uniform else map(_by_weight, (x, y), weights)))
        if not isinstance(critic, nn.Module):
            raise TypeError(
                "critic must return a torch.nn.Module, given the number of features; "
                f"got {type(critic).__name__}"
            )
        critic = critic.to(device=device, dtype=torch.float32)
        _one_output(critic, x[:2])

        @torch.no_grad()
        def score(candidate: nn.Module) -> float:
            candidate.eval()
            return float(dual.bound(*on_both(candidate, known[0], known[1]), known[2], known[3]))

        if kind.solved:
            if advance is not None:
                advance(steps)
            best = score(critic)
            return critic.double().eval(), best
        batches = resampler(x, y, batch, None if uniform else (weights[0], weights[1]))
        best = fit(critic, kind, dual, batches, score, steps=steps, advance=advance)
    return critic.double().eval(), best


def _one_output(critic: nn.Module, rows: Tensor) -> None:
    if not any(weight.requires_grad for weight in critic.parameters()):
        raise ValueError("critic must return a module with weights to train; it has none")
    try:
        with torch.no_grad():
            shape = tuple(critic.eval()(rows).shape)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"critic must return a module that takes rows (n, {rows.shape[1]}); it failed with: {error}"
        ) from None
    if shape not in ((len(rows),), (len(rows), 1)):
        raise ValueError(
            f"critic must give one number a row, shape ({len(rows)},) or ({len(rows)}, 1); got {shape}"
        )


def _by_weight(rows: Tensor, weights: Tensor) -> Tensor:
    return rows[torch.multinomial(weights, len(rows), replacement=True)]


@torch.no_grad()
def outputs(critic: nn.Module, points: np.ndarray, device: Any = None) -> np.ndarray:
    """The critic's values at each row, in float64."""
    values: np.ndarray = critic(torch.as_tensor(points, device=device)).reshape(-1).cpu().numpy()
    return values


def largest_slope(critic: nn.Module, points: np.ndarray, device: Any = None) -> float:
    """The largest |∇v| over the rows: what is seen of a Lipschitz constant, not a proof of it."""
    with torch.enable_grad():
        return float(gradient_norms(critic, torch.as_tensor(points, device=device)).max())
