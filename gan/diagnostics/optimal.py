"""The discriminator against its optimum p/(p + q), its value against −log 4 + 2 JS, at rest and in a run."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from divergences._progress import Bar
from gan import data, networks, objectives
from gan._random import seeded
from gan.data import Dataset
from gan.diagnostics._line import CELLS, Position, critic_outputs, dual_of, known, masses, position, reach
from gan.diagnostics._play import Players, check_steps, descend
from gan.model import Frame, Model
from gan.objectives import DualObjective, Objective
from gan.recipes import Recipe
from gan.training import train

__all__ = [
    "FOLLOWED",
    "LINE",
    "OptimalCritic",
    "ValueCurve",
    "critic_trained_on",
    "optimal_critic",
    "value_along_training",
]

# A run on the line whose generator's density is known at every step: two modes, one number of noise. A smooth
# generator has a smooth density; a critic with Fourier features follows it (one without leaves half unseen).
LINE = Recipe(
    data="mixture", objective="non-saturating", generator="mlp(32, 32, activation=tanh)",
    critic="fourier(64, 64, directions=16, low=0.3, high=4.0)", latent=1, batch=512, iterations=3000,
    regularizer="r1r2(0.1)", schedule="cosine(final=0.02)", seed=3,
    generator_optimizer="adam(lr=1e-3, beta1=0.5, beta2=0.9)",
    critic_optimizer="adam(lr=4e-3, beta1=0.5, beta2=0.9)",
)  # fmt: skip

# The same with a critic kept near its optimum: Algorithm 1 with k = 3, a slower generator, a light penalty.
FOLLOWED = LINE.but(
    iterations=1500, critic_steps=3, regularizer="r1(0.003)",
    generator_optimizer="adam(lr=3e-4, beta1=0.5, beta2=0.9)",
)  # fmt: skip


# ── at rest ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class OptimalCritic:
    """A trained discriminator and the optimal one, on cells of the line with masses ``p`` and ``q``.

    ``mean_error`` is E|D − D*|, ``rms_error`` its root mean square, both under ½(P + Q). ``value`` is V(D)
    as the objective counts it and ``bound`` its largest value (−log 4 + 2 JS for minimax): never below.
    """

    names: tuple[str, str]
    objective: str
    divergence: str
    position: Position
    mean_error: float
    rms_error: float
    value: float
    bound: float

    @property
    def gap(self) -> float:
        """How much value the discriminator leaves; 0 only at the optimum."""
        return self.bound - self.value

    def __str__(self) -> str:
        return (
            f"D against p/(p+q) for {self.names[0]} and {self.names[1]}: mean error {self.mean_error:.4f} "
            f"(root mean square {self.rms_error:.4f}); value {self.value:.5f} of at most {self.bound:.5f}, "
            f"{self.gap:.1e} short"
        )


def optimal_critic(
    p: str | Dataset = "mixture", q: str | Dataset = "gaussian(scale=1.5)", *,
    objective: str | Objective = "minimax", critic: str = "mlp(64, 64)", steps: int = 1500,
    batch: int = 1024, rate: float = 1e-2, seed: int = 0, progress: bool | None = None,
) -> OptimalCritic:  # fmt: skip
    """Train a discriminator between two known densities on the line; compare it with p/(p + q).

    ``p`` and ``q`` name data on the line with a known density ("gaussian", "mixture"), or are such. Samples
    are fresh at every step; errors, value and bound are by quadrature over the line. ``objective``: one
    whose optimal outputs are log p/q, so that D = sigmoid(output): minimax, non-saturating, f-gan.

    Goodfellow et al. 2014, proposition 1 and theorem 1.

    >>> found = optimal_critic(steps=30, critic="mlp(16)", batch=128)
    >>> found.value < found.bound
    True
    """
    check_steps("steps", steps, 0)
    kind = _logistic(dual_of(objectives.parse(objective)))
    sides = [known(data.load(side, seed=seed) if isinstance(side, str) else side) for side in (p, q)]
    ends = np.array([reach(side) for side in sides])
    edges = np.linspace(ends[:, 0].min(), ends[:, 1].max(), CELLS + 1)
    pooled = np.concatenate([side.train for side in sides])
    frame = Frame(1, None, pooled.mean(0), pooled.std(0))
    rng = np.random.default_rng([seed, 2])
    with seeded(torch.device("cpu"), seed), Bar(steps, progress, "training a discriminator") as bar:
        network = networks.critic(critic, networks.Space(1))

        def loss() -> torch.Tensor:
            real, fake = (frame.inside(side.draw(batch, rng)) for side in sides)  # type: ignore[misc]
            return kind.critic_loss(network, real, fake)

        for step in descend(list(network.parameters()), loss, steps=steps, rate=rate):
            bar.reach(step)
    outputs = critic_outputs(network, frame, (edges[1:] + edges[:-1]) / 2)
    none = np.empty(0)
    at = Position(steps, edges, masses(sides[0], edges), masses(sides[1], edges), outputs, none, none)
    return _compared(at, kind, (sides[0].name, sides[1].name))


def _logistic(objective: DualObjective) -> DualObjective:
    """``objective``, if its optimal outputs are log p/q."""
    ratio, optimum = np.linspace(-2, 2, 5), objective.dual.optimum
    if optimum is None or not np.array_equal(optimum(ratio), ratio):
        raise ValueError(
            f"the optimal outputs of {objective.name} are not log p/q, so sigmoid(output) is no D to compare "
            "with p/(p + q); take minimax, non-saturating or f-gan(divergence=kl)"
        )
    return objective


def _compared(at: Position, objective: DualObjective, names: tuple[str, str]) -> OptimalCritic:
    there = at.p + at.q > 0
    error = np.abs(at.discriminator - at.optimum)[there]
    mixture = (at.p + at.q)[there] / 2
    whole = objective.value_at_optimum
    value, bound = at.bound(objective), at.divergence(objective.divergence)
    if whole is not None:
        value, bound = whole(value), whole(bound)
    return OptimalCritic(
        names, objective.name, objective.divergence, at, float(mixture @ error),
        float(np.sqrt(mixture @ error**2)), value, bound,
    )  # fmt: skip


# ── in a run ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class ValueCurve:
    """The critic's word for the divergence, and the divergence, along a run on the line.

    For minimax and non-saturating ``values`` are V + log 4 and ``divergences`` 2 JS (in general: the slope
    of the objective's value times its bound and its divergence). ``best`` are the values after training a
    copy of the critic on, the generator held, at ``best_at``.
    """

    objective: str
    divergence: str
    slope: float
    is_bound: bool
    iterations: np.ndarray
    values: np.ndarray
    divergences: np.ndarray
    best_at: np.ndarray
    best: np.ndarray
    last: Position

    @property
    def worst_excess(self) -> float:
        """The most a value stands above its divergence: at most 0 to rounding, where the value is a bound."""
        return float((self.values - self.divergences).max())

    @property
    def what(self) -> str:
        """What ``divergences`` are, in words: "2 JS", "2 TV", "0.5 triangular"."""
        name = self.divergence.upper() if len(self.divergence) == 2 else self.divergence
        return name if self.slope == 1 else f"{self.slope:g} {name}"

    def __str__(self) -> str:
        of = np.interp(self.best_at, self.iterations, self.divergences)
        share = float(np.mean(self.best[of > 0.01] / of[of > 0.01])) if (of > 0.01).any() else float("nan")
        return (
            f"{self.objective}: {self.what} went from {self.divergences[0]:.4f} to "
            f"{self.divergences[-1]:.4f}; the critic of the run saw {self.values[-1]:.4f} of it at the end, "
            f"one trained on at each look {100 * share:.1f} % on average"
        )


def value_along_training(
    recipe: Recipe = FOLLOWED, *, dataset: Dataset | None = None, looks: int = 50, best: int = 10,
    best_steps: int = 400, progress: bool | None = None,
) -> ValueCurve:  # fmt: skip
    """Train on the line; at ``looks`` moments compare what the critic says with the divergence there is.

    Both by quadrature: P's density is known, and Q's follows from a generator of one number of noise
    (``latent=1``). At ``best`` of the moments a copy of the critic is trained ``best_steps`` further against
    the generator as it stands: V + log 4 is then 2 JS, as theorem 1 of Goodfellow et al. 2014 says.

    >>> quick = LINE.but(iterations=6, batch=32, generator="mlp(8)", critic="mlp(8)")
    >>> value_along_training(quick, looks=3, best=1, best_steps=5).worst_excess < 1e-9
    True
    """
    check_steps("looks", looks), check_steps("best", best, 0), check_steps("best_steps", best_steps)
    found = known(data.load(recipe.data, seed=recipe.seed) if dataset is None else dataset)
    objective = dual_of(objectives.parse(recipe.objective))
    slope = objective.value_at_optimum.slope if objective.value_at_optimum else 1.0
    every = max(recipe.iterations // looks, 1)
    chosen = np.unique(np.linspace(0, recipe.iterations // every, best + 1)[:-1].astype(int) * every)
    seen: list[Position] = []
    trained: list[tuple[int, float]] = []

    def watch(model: Model) -> None:
        seen.append(position(model, found))
        if model.iteration in chosen[:best]:
            trained.append((model.iteration, slope * _trained_on(model, found, objective, best_steps)))

    train(recipe, dataset=found, measure=None, log_every=every, watch=watch, progress=progress)
    return ValueCurve(
        objective.name, objective.divergence, slope, not objective.dual.lipschitz,
        np.array([at.iteration for at in seen]),
        np.array([slope * at.bound(objective) for at in seen]),
        np.array([slope * at.divergence(objective.divergence) for at in seen]),
        np.array([when for when, _ in trained]), np.array([value for _, value in trained]), seen[-1],
    )  # fmt: skip


def _trained_on(model: Model, dataset: Dataset, objective: DualObjective, steps: int) -> float:
    """The bound of a copy of the critic after ``steps`` more: the best it can say."""
    return position(critic_trained_on(model, dataset, objective, steps), dataset).bound(objective)


def critic_trained_on(model: Model, dataset: Dataset, objective: Objective, steps: int) -> Model:
    """``model`` with a copy of its critic trained on, its generator held.

    Without the run's penalty, which stands in the way of the optimum, unless the bound needs it (W1).
    """
    players = Players(model, dataset, objective=objective)
    critic: Any = copy.deepcopy(model.critic)
    weights = [weight for weight in critic.parameters() if weight.requires_grad]
    bare = not (isinstance(objective, DualObjective) and objective.dual.lipschitz)
    with seeded(players.device, model.recipe.seed, model.iteration):

        def loss() -> torch.Tensor:
            with torch.no_grad():
                fake = players.fake(model.raw, 1024)
            real = players.real(1024)
            if bare:
                return objective.critic_loss(critic, real, fake)
            players.regularizer.constrain(critic)
            return players.critic_loss(critic, real, fake)

        for _ in descend(weights, loss, steps=steps, rate=5e-3):
            pass
    return replace(model, critic=critic)
