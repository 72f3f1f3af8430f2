"""``gan diagnose``: every diagnostic from a shell, on a small run of its own or on a checkpoint of yours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from gan import _shell

__all__ = ["DIAGNOSES", "Asked", "diagnose", "plain"]


class Asked:
    """What a diagnosis is to look at: a model of the user's, or None for a run of its own."""

    def __init__(
        self,
        run: str | None = None,
        data: str | None = None,
        seed: int | None = None,
        quick: bool = False,
        progress: bool | None = None,
    ) -> None:
        self.seed, self.quick, self.progress = seed or 0, quick, progress
        self.changes = {} if seed is None else {"seed": seed}  # of recipes that have a seed of their own
        self.model: Any = None
        self.dataset: Any = None
        if run is not None:
            from gan import data as sets
            from gan import model

            path = Path(run)
            self.model = model.load(path / "checkpoint.pt" if path.is_dir() else path)
            self.dataset = sets.load(data or self.model.recipe.data, seed=self.model.recipe.seed)

    def moments(self, recipe: Any, at: Sequence[int]) -> tuple[list[Any], Any]:
        """The user's model alone, or copies of a run of ``recipe`` at some iterations; and the data."""
        if self.model is not None:
            return [self.model], self.dataset
        import copy
        import math

        from gan import data as sets
        from gan import training

        dataset, kept = sets.load(recipe.data, seed=recipe.seed), []

        def watch(model: Any) -> None:
            if model.iteration in at:
                kept.append(copy.deepcopy(model))

        training.train(
            recipe,
            dataset=dataset,
            measure=None,
            log_every=math.gcd(*at),
            watch=watch,
            progress=self.progress,
        )
        return kept, dataset

    def steps(self, count: int) -> int:
        return max(count // 50, 4) if self.quick else count


def _optimal(asked: Asked) -> tuple[Any, Any]:
    from gan.diagnostics import optimal_critic, pictures

    found = optimal_critic(steps=asked.steps(1500), seed=asked.seed, progress=asked.progress)
    return [found], pictures.optimal_critic(found)


def _value(asked: Asked) -> tuple[Any, Any]:
    from gan.diagnostics import optimal, pictures

    recipe = optimal.FOLLOWED.but(iterations=asked.steps(1500), **asked.changes)
    found = optimal.value_along_training(recipe, best_steps=asked.steps(400), progress=asked.progress)
    return [found], pictures.value_along_training(found)


def _gradients(asked: Asked) -> tuple[Any, Any]:
    from gan.diagnostics import generator_gradients, pictures
    from gan.recipes import RECIPES

    at = [asked.steps(count) for count in (100, 500, 2000)]
    models, dataset = asked.moments(RECIPES["digits"].but(iterations=at[-1], seed=asked.seed), at)
    found = [
        generator_gradients(one, dataset, steps=asked.steps(1000), seed=asked.seed, progress=asked.progress)
        for one in models
    ]
    return found, pictures.generator_gradients(found)


def _lipschitz(asked: Asked) -> tuple[Any, Any]:
    import torch

    from gan.diagnostics import lipschitz, pictures

    found: dict[str, Any] = {}
    cases = ["none", "r1r2(0.1)", "gradient-penalty(0.1)", "clip(0.05)", "spectral-norm"]
    for text in ["checkpoint"] if asked.model is not None else cases:
        models, dataset = asked.moments(_wgan(asked, text), [asked.steps(500)])
        model = models[0]
        if model.critic is None:
            raise ValueError(f"{model.recipe.objective} has no critic, whose slopes could be looked at")
        weight = next(model.critic.parameters())
        rows = model.frame.inside(dataset.test[:2000]).to(weight)
        fake = model.frame.inside(model.sample(2000, rng=asked.seed, average=False)).to(weight)
        pack = model.recipe.packing
        real, fake = (
            part[: len(part) // pack * pack].reshape(-1, part.shape[1] * pack) for part in (rows, fake)
        )
        found[text] = lipschitz(model.critic, real, torch.as_tensor(fake), seed=asked.seed)
    return found, pictures.lipschitz(found)


def _wgan(asked: Asked, regularizer: str) -> Any:
    from gan.recipes import Recipe

    objective = "non-saturating" if regularizer in ("none", "r1r2(0.1)") else "wgan"
    adam = "adam(lr=1e-3, beta1=0.5, beta2=0.9)"
    return Recipe(
        data="ring", objective=objective, regularizer=regularizer, critic_steps=3, generator="mlp(64, 64)",
        critic="mlp(64, 64)", generator_optimizer=adam, critic_optimizer=adam, iterations=asked.steps(500),
        seed=asked.seed,
    )  # fmt: skip


def _equilibrium(asked: Asked) -> tuple[Any, Any]:
    from gan.diagnostics import duality_gap, optimal, pictures

    at = [asked.steps(count) for count in (100, 500, 3000)]
    models, dataset = asked.moments(optimal.LINE.but(iterations=at[-1], **asked.changes), at)
    found = [
        duality_gap(one, dataset, steps=asked.steps(500), seed=asked.seed, progress=asked.progress)
        for one in models
    ]
    return found, pictures.duality_gap(found)


GAMES = (
    ("minimax", "none"),
    ("minimax", "r1(1.0)"),
    ("minimax", "r2(1.0)"),
    ("minimax", "r1r2(1.0)"),
    ("minimax", "dragan(1.0)"),
    ("minimax", "lecam(0.3)"),
    ("wgan", "clip(1.0)"),
    ("wgan-gp", "gradient-penalty(1.0)"),
    ("wgan", "one-sided-gradient-penalty(1.0)"),
)  # fmt: skip  (spectral normalisation leaves a critic of one weight no choice but its sign)


def _dirac(asked: Asked) -> tuple[Any, Any]:
    from gan.diagnostics import dirac, pictures

    rules = ("simultaneous", "alternating", "extragradient")
    found = [
        [
            dirac(objective, update=rule, regularizer=text, steps=asked.steps(500), seed=asked.seed)
            for rule in rules
        ]
        for objective, text in GAMES
    ]
    return [one for row in found for one in row], pictures.dirac(found)


def _four_panels(asked: Asked) -> tuple[Any, Any]:
    from gan.diagnostics import figure, optimal, pictures

    recipe = optimal.LINE.but(iterations=asked.steps(3000), **asked.changes)
    found = figure.four_panels(
        recipe, critic_steps=asked.steps(1000), frames=6 if asked.quick else 60, progress=asked.progress
    )
    return [found], pictures.four_panels(found)


DIAGNOSES: dict[str, Callable[[Asked], tuple[Any, Any]]] = {
    "optimal-critic": _optimal,
    "value": _value,
    "gradients": _gradients,
    "lipschitz": _lipschitz,
    "equilibrium": _equilibrium,
    "dirac": _dirac,
    "four-panels": _four_panels,
}
OF_A_RUN = ("gradients", "lipschitz", "equilibrium")


def diagnose(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help=f"{', '.join(DIAGNOSES)}; all of them, if none."),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help=f"A run of gan train to look at: {', '.join(OF_A_RUN)}."),
    ] = None,
    data: Annotated[str | None, typer.Option(metavar="DATA", help="Where that run's data are now.")] = None,
    out: Annotated[
        str, typer.Option(metavar="FOLDER", help="Where pictures and numbers go.")
    ] = "gan-diagnostics",
    seed: Annotated[int | None, typer.Option(metavar="INT", help="Repeats everything.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A fiftieth of the steps: to see that it runs.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Look into a run: is D optimal, does the generator get a gradient, is this an equilibrium?

    Each diagnosis prints what it found and leaves a picture (.png, .svg) and its numbers (.json) in a folder;
    four-panels a film (.gif) too. Without --run they train small networks of their own, about three minutes
    for all; with it, the last weights of the checkpoint are looked at.
    """
    with _shell.refusals():
        chosen = _chosen(names, run)
        asked = Asked(run, data, seed, quick, False if quiet else None)
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            found, picture = DIAGNOSES[name](asked)
            _leave(name, found, picture, folder)
            for key, record in found.items() if isinstance(found, dict) else enumerate(found):
                typer.echo(f"{name}: " + (f"{key}: " if isinstance(key, str) else "") + str(record))
    typer.echo(f"\npictures and numbers are in {folder}")


def _chosen(names: list[str] | None, run: str | None) -> list[str]:
    from gan._spec import did_you_mean

    known = OF_A_RUN if run is not None else tuple(DIAGNOSES)
    for name in names or ():
        if name not in DIAGNOSES:
            raise ValueError(
                f"unknown diagnosis {name!r}{did_you_mean(name, DIAGNOSES)}; there are {', '.join(DIAGNOSES)}"
            )
        if name not in known:
            raise ValueError(
                f"{name} trains on the line for itself and takes no --run; {', '.join(OF_A_RUN)} do"
            )
    return list(names or known)


def _leave(name: str, found: Any, picture: Any, folder: Path) -> None:
    from divergences.report.files import json_text, write_text
    from gan.diagnostics import pictures
    from gan.report import save_picture

    save_picture(picture, folder / name)
    write_text(folder / f"{name}.json", json_text({"caption": picture.caption, "found": plain(found)}) + "\n")
    if name == "four-panels":
        pictures.film(found[0], folder / "four-panels.gif")


LARGEST = 64  # numbers of an array that a file keeps: curves, not densities


def plain(value: Any) -> Any:
    """Records as dictionaries with the sentence they say; long arrays and frames of the film are left out."""
    import numpy as np

    if is_dataclass(value) and not isinstance(value, type):
        kept = {one.name: getattr(value, one.name) for one in fields(value) if one.name != "frames"}
        said = {"says": str(value)} if type(value).__str__ is not object.__str__ else {}
        return {**said, **{name: bare for name, one in kept.items() if (bare := plain(one)) is not None}}
    if isinstance(value, np.ndarray):
        if value.size > LARGEST:
            return None
        return [[one.real, one.imag] for one in value] if np.iscomplexobj(value) else value.tolist()
    if isinstance(value, dict):
        return {key: bare for key, one in value.items() if (bare := plain(one)) is not None}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value
