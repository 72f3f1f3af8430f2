"""What is compared: objectives with their small grids, data sets with their networks, tiers with budgets.

Everything here is plain text and numbers, so that a cell's settings name it completely.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gan.recipes import Recipe, with_objective

__all__ = ["DATA", "OBJECTIVES", "TIERS", "Data", "Objective", "Tier", "gradients_a_step", "trials"]

# Learning rates of both players; the second axis of the grid is each objective's own.
RATES = (3e-3, 1e-2)
SMOKE_TRIALS = 2


@dataclass(frozen=True)
class Objective:
    """``spec`` with ``{own}`` for its own setting and ``{scale}`` times it for lengths of the data.

    ``axis`` says what ``own`` is: "objective" fills the text, "regularizer" that of ``regularizer``, "rate"
    multiplies the learning rates (for objectives without a setting, so that all have as many trials).
    """

    spec: str
    axis: str
    own: tuple[float, ...]
    regularizer: str | None = None
    critic_steps: int | None = None


# Losses without a published penalty take the penalty of the data set's recipe (R1 + R2, its weight falling)
# at the recipe's weight and at a tenth: without one, most diverge. WGAN's clip is of its paper, and tenfold;
# λ of the gradient penalties that of the paper for images, and for its toys.
_PENALTY = {"axis": "regularizer", "own": (1.0, 0.1), "regularizer": "recipe"}
_GRADIENT = {"axis": "regularizer", "own": (10.0, 0.1), "regularizer": "gradient-penalty({own:g})"}
_ONE_SIDED = {**_GRADIENT, "regularizer": "one-sided-gradient-penalty({own:g})"}
OBJECTIVES: dict[str, Objective] = {
    "relativistic + R1 R2": Objective("relativistic", **_PENALTY),
    "non-saturating": Objective("non-saturating", **_PENALTY),
    "minimax": Objective("minimax", **_PENALTY),
    "lsgan": Objective("lsgan", **_PENALTY),
    "hinge": Objective("hinge", **_PENALTY),
    "f-gan KL": Objective("f-gan(divergence=kl)", **_PENALTY),
    "f-gan Hellinger": Objective("f-gan(divergence=squared_hellinger)", **_PENALTY),
    "f-gan reverse KL": Objective("f-gan(divergence=reverse_kl)", **_PENALTY),
    "f-gan JS": Objective("f-gan(divergence=js)", **_PENALTY),
    "f-gan Jeffreys": Objective("f-gan(divergence=jeffreys)", **_PENALTY),
    "f-gan TV": Objective("f-gan(divergence=tv)", **_PENALTY),
    "f-gan Pearson": Objective("f-gan(divergence=chi2)", **_PENALTY),
    "f-gan Neyman": Objective("f-gan(divergence=neyman_chi2)", **_PENALTY),
    "f-gan triangular": Objective("f-gan(divergence=triangular)", **_PENALTY),
    # its 100 critic steps in each of the first 25 would be more than these budgets: 5 throughout
    "wgan (clipping)": Objective("wgan", "regularizer", (0.01, 0.1), "clip({own:g})", critic_steps=5),
    "wgan-gp": Objective("wgan-gp", **_GRADIENT),
    "wgan-lp": Objective("wgan-lp", **_ONE_SIDED),
    "cramer-gan": Objective("cramer-gan", **_GRADIENT),
    "mmd-gan": Objective("mmd-gan", **_GRADIENT),
    "energy": Objective("energy", "rate", (1.0, 1.8)),
    "mmd (GMMN)": Objective(
        "squared_mmd(bandwidth=({0.05}, {0.1}, {0.25}, {0.5}, {1.0}))", "objective", (1.0, 0.3)
    ),
    "sliced wasserstein": Objective("sliced_wasserstein(n_projections={own:g})", "objective", (64, 16)),
    "sinkhorn": Objective(
        "sinkhorn_divergence(p=2, epsilon={cost}, tolerance=1e-3, max_iterations=50)", "objective",
        (0.5, 0.1),
    ),
    "transport": Objective("transport(p=1)", "rate", (1.0, 1.8)),
    # windows of the order that validation chooses when it scores, in medians of rows' distances
    "parzen likelihood": Objective("parzen_log_likelihood(bandwidth={1.0})", "objective", (0.1, 0.03)),
}  # fmt: skip


@dataclass(frozen=True)
class Data:
    """A data set: the recipe all objectives share, the median distance of two rows where the networks live.

    ``weight`` is (first, last) of R1 + R2. ``cpu`` seconds and ``gradients`` are the two budgets of tier
    "standard". Settings are chosen by ``criterion`` on validation rows. ``samples`` are judged.
    """

    recipe: Recipe
    scale: float
    weight: tuple[float, float]
    cpu: float
    gradients: int
    criterion: str = "energy"
    samples: int = 2_500
    file: str | None = None  # the folder's name under --data
    headline: str = "energy"


_POINTS = Recipe(
    generator="fourier(64, 64, directions=32, low=0.5, high=10.0)",
    critic="fourier(64, 64, directions=64, low=0.5, high=20.0)",
    latent=2, batch=128, schedule="cosine(final=0.01)", ema=0.99,
)  # fmt: skip
_CODES = Recipe(
    data="mnist", space="autoencoder(8, iterations=3000)", latent=16, scaling="none", batch=128,
    generator="fourier(128, 128, directions=64, low=0.2, high=2.0)",
    critic="fourier(128, 128, directions=64, low=0.2, high=3.0)",
    schedule="cosine(final=0.01)", ema=0.99,
)  # fmt: skip

DATA: dict[str, Data] = {
    "ring": Data(
        _POINTS.but(data="ring"), 1.9, (0.2, 1e-4), 5.0, 1_000, "parzen", headline="parzen"
    ),
    "grid": Data(
        _POINTS.but(data="grid"), 1.9, (0.2, 1e-4), 8.0, 1_600, "parzen", headline="parzen"
    ),
    "digits": Data(
        Recipe(
            data="digits", generator="mlp(256, 256, output=sigmoid)", critic="mlp(256, 256)", latent=16,
            scaling="none", batch=128, schedule="cosine(final=0.05)",
        ),
        3.0, (1.0, 0.1), 4.0, 800, samples=1_000,
    ),
    "subspace": Data(
        Recipe(
            data="subspace", generator="fourier(128, 128, directions=64, low=0.5, high=30.0)",
            critic="mlp(128, 128)", latent=1, batch=128, schedule="cosine(final=0.01)", ema=0.99,
        ),
        49.0, (0.2, 1e-3), 6.0, 500,
    ),
    "mnist": Data(
        _CODES, 3.9, (0.3, 3e-3), 6.0, 800, "parzen", samples=10_000, file="mnist", headline="parzen"
    ),
    "fashion": Data(
        _CODES.but(data="fashion"), 3.9, (0.3, 3e-3), 6.0, 800, "parzen", samples=10_000, file="fashion",
        headline="parzen",
    ),
    "cifar10": Data(
        _CODES.but(data="cifar10", space="autoencoder(32, iterations=3000)"), 7.8, (0.3, 3e-3), 6.0, 800,
        samples=2_000, file="cifar10",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Tier:
    """Which data and seeds, and how much of each data set's budgets; ``side``: how long the side studies are.

    All objectives take part but those named in ``without``.
    """

    data: tuple[str, ...]
    seeds: tuple[int, ...]
    share: float = 1.0  # of CPU seconds and gradient evaluations
    trials: int = 4
    side: float = 1.0
    without: tuple[str, ...] = ()
    samples: int | None = None  # no more than this are judged


# f-GANs differ in f alone: where only the parts are tried, two stand for nine
_ALIKE = tuple(
    name for name in OBJECTIVES if name.startswith("f-gan") and name not in ("f-gan KL", "f-gan Hellinger")
)
TIERS: dict[str, Tier] = {
    "smoke": Tier(("ring", "digits"), (100, 101), 0.02, SMOKE_TRIALS, 0.04, ("transport", *_ALIKE), 300),
    "standard": Tier(("ring", "grid", "digits", "subspace", "mnist"), tuple(range(100, 105))),
    "full": Tier(tuple(DATA), tuple(range(100, 110)), 8.0, side=2.0),
}
TUNING_SEED = 900


def trials(data: Data, name: str, count: int) -> list[dict[str, Any]]:
    """The settings an objective is tried with: its own setting × learning rate, as many for all."""
    objective = OBJECTIVES[name]
    # the corners in an order in which few trials already differ in both
    grid = [(own, rate) for rate, own in itertools.product(RATES, objective.own)]
    order = [grid[k] for k in (0, 3, 1, 2)]
    return [{"own": own, "rate": rate} for own, rate in order[:count]]


def recipe(data: Data, name: str, settings: dict[str, Any], seed: int) -> Recipe:
    """The data set's recipe on an objective at these settings; ``iterations`` are the caller's."""
    objective, own, rate = OBJECTIVES[name], settings["own"], settings["rate"]
    text = objective.spec
    if objective.axis == "objective":
        for share in (0.05, 0.1, 0.25, 0.5, 1.0):
            text = text.replace(f"{{{share}}}", f"{share * own * data.scale:.4g}")
        text = text.replace("{cost}", f"{own * data.scale**2:.4g}").replace("{own:g}", f"{own:g}")
    made = with_objective(data.recipe.but(seed=seed), text)
    if objective.axis == "rate":
        rate = rate * own
    adam = f"adam(lr={rate:g}, beta1=0.5, beta2=0.9)"
    made = made.but(generator_optimizer=adam, critic_optimizer=adam)
    if objective.axis == "regularizer":
        first, last = (weight * own for weight in data.weight)
        penalty = f"r1r2({first:g}, final={last:g}, every=4)"
        given = objective.regularizer or "none"
        made = made.but(regularizer=penalty if given == "recipe" else given.replace("{own:g}", f"{own:g}"))
    return made if objective.critic_steps is None else made.but(critic_steps=objective.critic_steps)


def gradients_a_step(made: Recipe) -> int:
    """Gradient evaluations of one iteration: one a critic step, one for the generator, each of a batch."""
    from gan import objectives

    found = objectives.parse(made.objective)
    if not found.needs_critic:
        return 1
    steps = found.critic_steps if made.critic_steps is None else made.critic_steps
    return 1 + int(steps)


BUDGETS = ("cpu", "gradients")


def cells(tier: Tier, data: str, budgets: tuple[str, ...] = BUDGETS) -> Iterator[tuple[str, str, str, int]]:
    """(data, objective, budget, seed) of every run, in the order that makes unfinished tables useful."""
    for budget in budgets:
        for seed in tier.seeds:
            for name in names(tier):
                yield data, name, budget, seed


def names(tier: Tier) -> list[str]:
    return [name for name in OBJECTIVES if name not in tier.without]
