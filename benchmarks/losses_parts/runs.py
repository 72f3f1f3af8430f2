"""What a cell does: a trial of settings, a run to be judged, controls, a critic beside W1, gradients."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import divergences as dv
from divergences.parzen import parzen_window
from gan import diagnostics, evaluation, training
from gan.model import Model
from gan.recipes import Recipe, with_objective
from losses_parts import design, problems
from losses_parts.problems import Problem
from losses_parts.units import Store

LOOKS = 12  # along a run
MEASURED = 1000  # rows of a side at each look
CHOSEN_BY = 2000  # validation rows, and as many samples, that settings are chosen by
PILOT = 1.5  # CPU seconds, at most, that tell a trial's pace
FIT = 500  # rows of validation that the window of a trial's score is chosen by
COMPARED = 2000  # rows of a side when all pairs are looked at
BOUND = 600  # rows a side of the exact W1 beside a critic's word


@dataclass(frozen=True)
class Bench:
    """Where cells are kept, which tier they are of, and where the files of data sets lie."""

    tier_name: str
    folder: str
    data: str | None = None

    @property
    def tier(self) -> design.Tier:
        return design.TIERS[self.tier_name]

    @property
    def store(self) -> Store:
        return Store(Path(self.folder))

    def problem(self, name: str) -> Problem:
        return problems.load(name, self.data, self.tier.samples, self.folder, self.tier.share)

    def cpu(self, name: str) -> float:
        return design.DATA[name].cpu * self.tier.share

    def gradients(self, name: str) -> int:
        return max(int(design.DATA[name].gradients * self.tier.share), 12)

    def samples(self, name: str) -> int:
        return min(design.DATA[name].samples, self.tier.samples or 10**9)

    # ── settings of cells ──

    def trial(self, name: str, objective: str, settings: dict[str, Any]) -> dict[str, Any]:
        recipe = design.recipe(design.DATA[name], objective, settings, design.TUNING_SEED)
        return {
            "kind": "trial", "data": name, "objective": objective, "settings": settings,
            "recipe": _text_of(recipe), "cpu": self.cpu(name), "samples": self.samples(name),
        }  # fmt: skip

    def trials(self, name: str, objective: str) -> list[dict[str, Any]]:
        tried = design.trials(design.DATA[name], objective, self.tier.trials)
        return [self.trial(name, objective, settings) for settings in tried]

    def run(self, name: str, objective: str, budget: str, seed: int) -> dict[str, Any] | None:
        """The settings of a run to be judged; None as long as the trials are not done."""
        chosen = self.chosen(name, objective)
        if chosen is None:
            return None
        recipe = design.recipe(design.DATA[name], objective, chosen["settings"], seed)
        if budget == "cpu":
            iterations = int(self.cpu(name) / chosen["pace"])
        else:
            iterations = self.gradients(name) // design.gradients_a_step(recipe)
        made = recipe.but(iterations=max(iterations, 2))
        return {
            "kind": "run", "data": name, "objective": objective, "budget": budget, "seed": seed,
            "recipe": _text_of(made, iterations=True), "samples": self.samples(name),
            "tier": self.tier_name,
        }  # fmt: skip

    def chosen(self, name: str, objective: str) -> dict[str, Any] | None:
        """Settings and pace of the best trial by validation; of the first, if all of them failed."""
        found = []
        for settings in self.trials(name, objective):
            kept = self.store.get(settings)
            if kept is None:
                return None
            found.append({**kept, "settings": settings["settings"]})
        return max(found, key=lambda one: one["score"] if one.get("score") is not None else -np.inf)

    def controls(self, name: str) -> dict[str, Any]:
        return {"kind": "controls", "data": name, "samples": self.samples(name), "tier": self.tier_name}


def _text_of(recipe: Recipe, *, iterations: bool = False) -> dict[str, Any]:
    kept = recipe.to_dict()
    return kept if iterations else {key: value for key, value in kept.items() if key != "iterations"}


def do(bench: Bench, settings: dict[str, Any]) -> str:
    """One cell, if it is not there yet; a line that says what it found."""
    kept = bench.store.get(settings)
    if kept is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what trial settings do wrong is no news
            kept = bench.store.put(settings, KINDS[settings["kind"]](bench, settings))
    head = " ".join(
        str(settings[part]) for part in ("kind", "data", "objective", "budget", "seed") if part in settings
    )
    return f"{head}: {_told(settings, kept)}"


def _told(settings: dict[str, Any], kept: dict[str, Any]) -> str:
    if "fault" in kept:
        return f"fault, {kept['fault'][:60]}"
    if "budget" in settings and "values" in kept:
        return ", ".join(f"{name} {float(value):.4g}" for name, value in kept["values"].items())
    return ", ".join(f"{name} {value:.4g}" for name, value in kept.items() if isinstance(value, float))


# ── training ────────────────────────────────────────────────────────────────────────────────


class _Enough(Exception):
    """Raised from a run that has told its pace."""


@dataclass
class _Trained:
    model: Model | None
    seconds: float  # CPU, without the looks
    curve: list[list[float]]
    fault: str | None = None
    iteration: int | None = None


def _train(
    recipe: Recipe, problem: Problem, *, looks: int = 0, look: Callable[[Model], list[float]] | None = None,
) -> _Trained:  # fmt: skip
    """Train in the problem's space; ``look`` gives numbers for the curve, and its time is not counted."""
    curve: list[list[float]] = []
    start, spent = time.process_time(), 0.0

    def watch(model: Model) -> None:
        nonlocal spent
        now = time.process_time()
        if look is not None:
            curve.append([now - start - spent, model.iteration, *look(model)])
        spent += time.process_time() - now

    every = max(recipe.iterations // max(looks, 1), 1) if looks else 100
    try:
        model = training.train(
            recipe, dataset=problem.seen, frame=problem.frame, measure=None, accelerator="cpu",
            log_every=every, tensorboard=False, progress=False, watch=watch,
        )  # fmt: skip
    except training.TrainingFault as fault:
        seconds = time.process_time() - start - spent
        return _Trained(None, seconds, curve, str(fault), fault.iteration)
    except ValueError as error:  # a measure refuses samples that are NaN before the loop looks at its loss
        done = int(curve[-1][1]) if curve else None
        return _Trained(None, time.process_time() - start - spent, curve, str(error), done)
    return _Trained(model, time.process_time() - start - spent, curve)


def pace(recipe: Recipe, problem: Problem, seconds: float) -> float:
    """CPU seconds of an iteration, from a few of them: the first ones, which also load, are left out."""
    seen: list[tuple[int, float]] = []

    def watch(model: Model) -> None:
        seen.append((model.iteration, time.process_time()))
        if len(seen) > 3 and seen[-1][1] - seen[1][1] > seconds:
            raise _Enough

    with contextlib.suppress(_Enough, training.TrainingFault, ValueError):
        training.train(
            recipe.but(iterations=2_000), dataset=problem.seen, frame=problem.frame, measure=None,
            accelerator="cpu", log_every=4 if seconds > 0.5 else 1, tensorboard=False, progress=False,
            watch=watch,
        )  # fmt: skip
    if len(seen) < 3:
        return 0.01  # a fault at once: the trial itself will tell
    return max((seen[-1][1] - seen[1][1]) / (seen[-1][0] - seen[1][0]), 1e-5)


def _trial(bench: Bench, settings: dict[str, Any]) -> dict[str, Any]:
    """A run on the tuning seed at the CPU budget, and its score on validation rows: higher is better."""
    problem = bench.problem(settings["data"])
    recipe = Recipe.from_dict({**settings["recipe"], "iterations": 1})
    each = pace(recipe, problem, min(PILOT, 0.15 * settings["cpu"]))
    iterations = max(int(settings["cpu"] / each), 2)
    trained = _train(recipe.but(iterations=iterations), problem)
    done = iterations if trained.model is not None else max(trained.iteration or 1, 1)
    found = {
        "iterations": iterations, "cpu_seconds": trained.seconds,
        "pace": trained.seconds / done if done > 20 else each,
    }  # fmt: skip
    if trained.model is None:
        return {**found, "score": None, "fault": trained.fault}
    drawn = problem.decode(trained.model.sample(CHOSEN_BY, rng=[recipe.seed, 4]))
    if not np.isfinite(drawn).all():
        return {**found, "score": None, "fault": "the generator makes NaN"}
    return {**found, "score": criterion(problem, drawn)}


def criterion(problem: Problem, drawn: np.ndarray) -> float:
    """What settings are chosen by, on validation rows alone; higher is better.

    "parzen": log likelihood of one part of the rows under windows whose width the other part chose.
    "energy": minus the energy distance.
    """
    rows = problem.judged.validation[:CHOSEN_BY]
    if problem.data.criterion == "energy":
        return -float(dv.energy(rows, drawn[: len(rows)]))
    cut = min(FIT, len(rows) // 2)
    return float(parzen_window(drawn, validation=rows[:cut]).score(rows[cut:]).value)


def _run(bench: Bench, settings: dict[str, Any]) -> dict[str, Any]:
    """A run at the chosen settings, judged on the test rows."""
    problem = bench.problem(settings["data"])
    recipe = Recipe.from_dict(settings["recipe"])
    trained = _train(recipe, problem, looks=LOOKS, look=lambda model: [_distance(problem, model)])
    found: dict[str, Any] = {"cpu_seconds": trained.seconds, "curve": trained.curve}
    if trained.model is None:
        return {**found, "fault": trained.fault, "iteration": trained.iteration}
    drawn = problem.decode(trained.model.sample(settings["samples"], rng=[recipe.seed, 2]))
    if not np.isfinite(drawn).all():
        return {**found, "fault": "the generator makes NaN", "iteration": recipe.iterations}
    found["values"] = judged(problem, drawn)
    if settings["seed"] == bench.tier.seeds[0] and settings["budget"] == "cpu":
        found["samples"] = problems.packed(drawn, problem)
    return found


def judged(problem: Problem, drawn: np.ndarray) -> dict[str, float]:
    """The numbers of a row, against the test rows.

    Modes and Parzen windows by their published protocols (the latter where such scores are published or
    settings were chosen by them), the rest on at most 2,000 rows a side.
    """
    judge = problem.judged
    found: dict[str, float] = {}
    if judge.modes is not None:
        cover = evaluation.coverage(drawn, judge.modes)
        found = {
            "modes": cover.modes, "high quality %": cover.high_quality, "reverse KL": cover.reverse_kl,
            "spread": cover.spread,
        }  # fmt: skip
    rows = COMPARED if judge.d < 1000 else COMPARED // 2
    real, fake = judge.test[:rows], drawn[:rows]
    near = dv.precision_recall(real, fake)
    found |= {
        "energy": float(dv.energy(real, fake)),
        "sliced_wasserstein": float(dv.sliced_wasserstein(real, fake, rng=0)),
        "precision": float(near.precision), "recall": float(near.recall),
    }  # fmt: skip
    if problem.data.criterion == "parzen" or judge.image_shape is not None:
        found["parzen"] = evaluation.score("", drawn, judge).value
    return found


def _distance(problem: Problem, model: Model) -> float:
    """Energy distance to validation rows in the space that is trained in: the same for all, and cheap."""
    count = MEASURED if problem.seen.d <= 100 else MEASURED // 4
    drawn = model.sample(count, rng=[model.recipe.seed, 0])
    if not np.isfinite(drawn).all():
        return float("nan")
    return float(dv.energy(problem.seen.validation[:count], drawn))


def _controls(bench: Bench, settings: dict[str, Any]) -> dict[str, Any]:
    problem = bench.problem(settings["data"])
    rows = problems.controls(problem, settings["samples"])
    values = {name: judged(problem, one) for name, one in rows.items()}
    if problem.judged.draw is None:
        # the rows of validation are the only fresh ones, and the width of a Parzen window is chosen by them
        values["real: fresh data"].pop("parzen", None)
    return {
        "values": values,
        "autoencoder_cpu_seconds": problem.autoencoder_seconds,
        "samples": problems.packed(problem.judged.test, problem),
    }


# ── what a critic says, and what is true ────────────────────────────────────────────────────

# name → (objective, regularizer, critic's rate). The published clip and penalty, and milder ones.
CRITICS = {
    "wgan-gp λ=10": ("wgan-gp", "gradient-penalty(10)", 1e-3),
    "wgan-gp λ=0.1": ("wgan-gp", "gradient-penalty(0.1)", 1e-3),
    "wgan-lp λ=10": ("wgan-lp", "one-sided-gradient-penalty(10)", 1e-3),
    "wgan clip 0.01": ("wgan", "clip(0.01)", 1e-3),
    "wgan clip 0.1": ("wgan", "clip(0.1)", 1e-3),
    "non-saturating (JS)": ("non-saturating", "none", 1e-3),
    "relativistic + R1 R2": ("relativistic", "r1r2(0.1)", 1e-3),
}
CRITIC_RUN = Recipe(
    data="ring", generator="mlp(64, 64)", critic="mlp(128, 128)", latent=2, batch=256,
    critic_steps="40 until 10, then 5",
    generator_optimizer="adam(lr=2e-4, beta1=0.5, beta2=0.9)", iterations=500, ema=0.0,
)  # fmt: skip
CRITIC_LOOKS = 30


def critic_cells(bench: Bench) -> list[dict[str, Any]]:
    """The cells of the study of critics, seeds outermost."""
    iterations = max(int(CRITIC_RUN.iterations * bench.tier.side), CRITIC_LOOKS)
    return [
        {"kind": "critic", "objective": name, "seed": seed, "recipe": _text_of(recipe, iterations=True)}
        for seed in bench.tier.seeds
        for name, (objective, regularizer, rate) in CRITICS.items()
        for recipe in [
            with_objective(CRITIC_RUN.but(seed=seed, iterations=iterations), objective).but(
                regularizer=regularizer, critic_steps=CRITIC_RUN.critic_steps,
                critic_optimizer=f"adam(lr={rate:g}, beta1=0.5, beta2=0.9)",
            )
        ]
    ]  # fmt: skip


def _critic(bench: Bench, settings: dict[str, Any]) -> dict[str, Any]:
    """Along a run: the critic's estimate and the exact W1 of the very same rows, where the networks live."""
    from gan import objectives, regularizers

    problem = bench.problem("ring")
    recipe = Recipe.from_dict(settings["recipe"])
    objective = objectives.parse(recipe.objective)
    real = problem.frame.inside(problem.judged.validation[:BOUND])

    def look(model: Model) -> list[float]:
        drawn = model.sample(len(real), rng=[recipe.seed, 6], average=False)
        fake = problem.frame.inside(drawn)
        if not torch.isfinite(fake).all():
            return [float("nan")] * 3
        with torch.no_grad():
            said = float(objective.estimate(model.critic, real, fake))
        share = torch.rand(len(real), 1, generator=torch.Generator().manual_seed(0))
        slopes = regularizers.input_gradients(model.critic, torch.lerp(real, fake, share)).norm(dim=1)
        return [said, float(dv.wasserstein(real.numpy(), fake.numpy())), float(slopes.mean())]

    trained = _train(recipe, problem, looks=CRITIC_LOOKS, look=look)
    found: dict[str, Any] = {"cpu_seconds": trained.seconds, "curve": trained.curve}
    return (
        found if trained.fault is None else {**found, "fault": trained.fault, "iteration": trained.iteration}
    )


# ── what is left for the generator ──────────────────────────────────────────────────────────

AGES = (0, 300, 1500)  # iterations of the held generators


def gradient_cells(bench: Bench) -> list[dict[str, Any]]:
    data = design.DATA["digits"]
    recipe = design.recipe(data, "non-saturating", {"own": 1.0, "rate": design.RATES[0]}, bench.tier.seeds[0])
    steps = max(int(600 * bench.tier.side), 10)
    return [
        {"kind": "slopes", "data": "digits", "age": max(int(age * min(bench.tier.side, 1)), 1 if age else 0),
         "steps": steps, "recipe": _text_of(recipe)}
        for age in AGES
    ]  # fmt: skip


def _slopes(bench: Bench, settings: dict[str, Any]) -> dict[str, Any]:
    """The gradients of both generator losses while a fresh discriminator learns, the generator held."""
    problem = bench.problem("digits")
    recipe = Recipe.from_dict({**settings["recipe"], "iterations": max(settings["age"], 1)})
    first: list[Model] = []

    def watch(model: Model) -> None:
        first.append(model)
        if not settings["age"]:
            raise _Enough  # the networks as they were drawn

    try:
        model = training.train(
            recipe, dataset=problem.seen, frame=problem.frame, measure=None, accelerator="cpu",
            tensorboard=False, progress=False, watch=watch,
        )  # fmt: skip
    except _Enough:
        model = first[0]
    norms = diagnostics.generator_gradients(model, problem.judged, steps=settings["steps"], progress=False)
    kept = asdict(norms)
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in kept.items()}


KINDS: dict[str, Callable[[Bench, dict[str, Any]], dict[str, Any]]] = {
    "trial": _trial, "run": _run, "controls": _controls, "critic": _critic, "slopes": _slopes,
}  # fmt: skip
