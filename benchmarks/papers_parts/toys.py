"""What papers say of small examples, computed anew: parallel lines, biased W1 gradients, critics on toys."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import binom

import divergences as dv
from divergences.critic.neural import neural_dual
from gan import data, networks, objectives, regularizers
from gan.comparison import median_interval
from gan.model import Frame

ROWS, DUAL_STEPS = 2000, 400  # rows of each side and critic steps, for the lines
SEEDS = (0, 1, 2)


# ── parallel lines (Arjovsky, Chintala & Bottou 2017, example 1) ────────────────────────────


def lines(theta: float) -> dict[str, Any]:
    """JS and W1 between the lines at 0 and θ: exactly, and as critics measure them from samples."""
    start = time.process_time()
    found: dict[str, list[float]] = {"js": [], "w1": []}
    for seed in SEEDS:
        x = data.load("lines(theta=0.0)", seed=seed).train[:ROWS]
        y = data.load(f"lines(theta={theta})", seed=seed + 100).train[:ROWS]
        found["js"].append(
            neural_dual(x, y, divergence="js", steps=DUAL_STEPS, rng=seed, progress=False).value
        )
        found["w1"].append(neural_dual(x, y, steps=DUAL_STEPS, rng=seed, progress=False).value)
    return {
        "theta": theta, "js": median_interval(found["js"]), "w1": median_interval(found["w1"]),
        "cpu_seconds": time.process_time() - start,
    }  # fmt: skip


# ── Bernoulli (Bellemare et al. 2017, theorem 1 and its example) ────────────────────────────


def expected_w1(theta: float, theta_star: float, m: int) -> float:
    """E W1 between m samples of Bernoulli(θ*) and Bernoulli(θ) itself: E|A/m − θ| over the binomial A."""
    counts = np.arange(m + 1)
    return float(binom.pmf(counts, m, theta_star) @ np.abs(counts / m - theta))


def bernoulli(theta_star: float, m: int) -> dict[str, float]:
    """The θ that the expected sample W1 is least at: linear in pieces; a grid, then refined."""
    grid = np.linspace(0, 1, 2001)
    values = np.array([expected_w1(theta, theta_star, m) for theta in grid])
    near = int(values.argmin())
    bounds = (grid[max(near - 1, 0)], grid[min(near + 1, len(grid) - 1)])
    fine = minimize_scalar(
        expected_w1, bounds=bounds, args=(theta_star, m), method="bounded", options={"xatol": 1e-10}
    )
    ends = [(values[near], float(grid[near])), (float(fine.fun), float(fine.x))]
    value, minimiser = min(ends)
    return {
        "theta_star": theta_star, "m": m, "minimiser": minimiser, "value": float(value),
        "value_at_truth": expected_w1(theta_star, theta_star, m),
    }  # fmt: skip


# ── critics on toys (Gulrajani et al. 2017, section 3 and figure 1) ─────────────────────────

TOYS = ("ring(sigma=0.02)", "grid(sigma=0.05)", "swiss-roll")
STEPS, BATCH, HELD_OUT, RATE = 600, 256, 1000, 5e-4
CRITICS = {"clipping": "clip(0.01)", "gradient penalty": "gradient-penalty(0.1)"}


def critic(toy: str, regularizer: str, seed: int) -> dict[str, float]:
    """A critic trained to optimality, the "generator" held at the data plus Gaussian noise, as in the paper.

    Its estimate over exact W1 of held-out rows, its slope between them, how many of its weights lie at
    the largest magnitude (of clipping: the limit).
    """
    start = time.process_time()
    dataset = data.load(toy, seed=seed)
    frame = Frame.of(dataset, "unit")
    real = frame.inside(dataset.train)
    rng = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    network = networks.critic("mlp(256, 256, 256, activation='relu')", networks.Space(2))
    objective, rule = objectives.parse("wgan-gp"), regularizers.parse(regularizer)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, betas=(0.5, 0.9))

    def pair(count: int, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = (rows[torch.randint(len(rows), (count,), generator=rng)] for _ in range(2))
        return x, y + torch.randn(y.shape, generator=rng)

    for step in range(STEPS):
        x, y = pair(BATCH, real)
        rule.constrain(network)
        loss = objective.critic_loss(network, x, y)
        penalty = rule.penalty(network, x, y, step=step, progress=step / STEPS)
        optimizer.zero_grad()
        (loss if penalty is None else loss + penalty).backward()
        optimizer.step()
    rule.constrain(network)
    x, y = pair(HELD_OUT, frame.inside(dataset.test))
    with torch.no_grad():
        said = float(objective.estimate(network, x, y))
        weights = torch.cat([weight.flatten() for weight in network.parameters() if weight.ndim == 2]).abs()
    share = torch.rand(len(x), 1, generator=rng)
    slopes = regularizers.input_gradients(network, torch.lerp(x, y, share)).norm(dim=1)
    true = float(dv.wasserstein(x.numpy(), y.numpy()))
    return {
        "ratio": said / true, "w1": true, "slope": float(slopes.mean()),
        "at_limit": float((weights > 0.99 * weights.max()).double().mean()),
        "cpu_seconds": time.process_time() - start,
    }  # fmt: skip


def critics() -> list[dict[str, Any]]:
    """Every toy and regulariser; medians over seeds."""
    found = []
    for toy in TOYS:
        for name, regularizer in CRITICS.items():
            runs = [critic(toy, regularizer, seed) for seed in SEEDS]
            row = {key: median_interval([run[key] for run in runs]) for key in ("ratio", "slope", "at_limit")}
            seconds = sum(run["cpu_seconds"] for run in runs)
            found.append({"toy": toy.split("(")[0], "critic": name, **row, "cpu_seconds": seconds})
    return found
