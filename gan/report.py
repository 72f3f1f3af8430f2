"""What a run leaves to look at: curves and samples as PNG and SVG, one HTML page with every usual measure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from divergences import plots
from divergences._canvas import COLORS, canvas, svg
from divergences._record import Report
from divergences.report.files import json_text, write_text
from gan.data import Dataset
from gan.evaluation import PARTS, Evaluation, evaluate
from gan.model import Model

__all__ = ["curves", "save_picture", "write", "write_evaluation"]

KEPT = 10_000  # samples left in the folder


def write(model: Model, dataset: Dataset, folder: Path, *, progress: bool | None = None) -> Report:
    """Judge ``model`` on held-out data and leave everything in ``folder``; the measures, as a Report.

    ``samples.npy`` (10,000 samples, in the data's units), ``samples``, ``curves`` and ``progress`` as .png
    and .svg, ``recipe.json``, ``report.json`` and ``report.html``.
    """
    samples = model.sample(KEPT, rng=[model.recipe.seed, 1])
    np.save(folder / "samples.npy", samples)
    # the protocol of the Parzen tables takes longer than many a training; gan evaluate has it
    parts = [part for part in PARTS if part != "parzen" and (part != "modes" or dataset.modes is not None)]
    found = evaluate(model, dataset, samples=samples, seed=model.recipe.seed, parts=parts, progress=progress)
    report: Any = found.report  # asked for
    shown = curves(model.history)
    for name, picture in zip(("samples", "curves", "progress"), (_samples(report), *shown), strict=False):
        save_picture(picture, folder / name)
    write_text(folder / "recipe.json", json_text(model.recipe.to_dict()))
    report.to_json(folder / "report.json")
    page = found.html(introduction=_told(model), words=_found(model), pictures=shown)
    write_text(folder / "report.html", page)
    return report


def write_evaluation(found: Evaluation, model: Model, folder: Path) -> None:
    """``evaluation.json`` and ``evaluation.html`` in ``folder``: what ``gan.evaluation.evaluate`` found."""
    write_text(folder / "evaluation.json", json_text(found.to_dict()))
    page = found.html(introduction=_told(model), words=_found(model), pictures=curves(model.history))
    write_text(folder / "evaluation.html", page)


def curves(history: Sequence[dict[str, Any]]) -> list[plots.Picture]:
    """The log as pictures: losses with the objective's own estimate, what held-out data say.

    None for a run that was stopped before its first record.
    """
    if not history:
        return []
    inner = {"iteration", "seconds", "rate", "estimate", "critic_norm", "generator_norm"}
    losses = [name for name in ("critic_loss", "generator_loss") if any(name in line for line in history)]
    names = dict.fromkeys(name for line in history for name in line)
    measured = [name for name in names if name not in inner and name not in losses]
    drawn = [
        plots.Picture(
            "Training curves",
            "Losses show whether the game is in balance, not how good the samples are. The estimate is the "
            "divergence as the objective sees it on its own batches.",
            "Line plots of losses and estimated divergence against the iteration.",
            _panels(history, [("loss", losses), ("estimated divergence", ["estimate"])]),
        )
    ]
    if measured:
        drawn.append(
            plots.Picture(
                "Progress on held-out data",
                "Samples of the averaged generator, from the same noise every time, against data that no "
                "network has seen: what training is for.",
                f"Line plots of {', '.join(measured)} against the iteration.",
                _panels(history, [(name, [name]) for name in measured]),
            )
        )
    return drawn


def _panels(history: Sequence[dict[str, Any]], panels: Sequence[tuple[str, Sequence[str]]]) -> Any:
    """A figure with a panel for each title and its columns of the log."""
    with canvas(len(panels), columns=1, height=0.5 + 1.6 * max(len(panels), 2)) as (figure, axes):
        for axis, (title, names) in zip(axes, panels, strict=True):
            for name, color in zip(names, COLORS, strict=False):
                lines = [line for line in history if name in line]
                values = np.array([line[name] for line in lines], float)
                mark = "o" if len(lines) < 40 else ""
                at = [line["iteration"] for line in lines]
                axis.plot(at, values, color=color, marker=mark, markersize=3, label=name.replace("_", " "))
                if len(values) and (values > 0).all() and values.max() > 1000 * values.min():
                    axis.set_yscale("log")
            axis.set_title(title, loc="left")
            if len(names) > 1:
                axis.legend(loc="best")
        axes[-1].set_xlabel("iteration")
    return figure


def _samples(report: Report) -> plots.Picture:
    if report.image_shape is not None:
        return plots.images(report)
    return plots.distribution(report) if report.d == 1 else plots.projection(report)


def save_picture(picture: plots.Picture, path: Path) -> None:
    """``path`` with .svg and with .png, the latter on white."""
    write_text(path.with_suffix(".svg"), svg(picture.figure))
    picture.figure.savefig(path.with_suffix(".png"), dpi=160, facecolor="white")


def _told(model: Model) -> str:
    recipe = model.recipe
    seconds = model.history[-1]["seconds"] if model.history else 0.0
    averaged = "averaged over the run" if recipe.ema else "of the last iteration"
    critic = f", critic {recipe.critic}" if model.critic is not None else ", no critic"
    return (
        f"Objective {recipe.objective} on {recipe.data}: generator {recipe.generator}{critic}; "
        f"{model.iteration:,} iterations of batch {recipe.batch} in {seconds:.0f} s, seed {recipe.seed}. "
        f"Samples come from the generator {averaged}; everything below is on data held out of it."
    )


def _found(model: Model) -> list[str]:
    """What the curves say, in words."""
    lines = [line for line in model.history if "energy" in line]
    if len(lines) < 2:
        return []
    first, last = lines[0], lines[-1]
    return [
        f"The energy distance between samples and held-out data went from {first['energy']:.3g} at iteration "
        f"{first['iteration']:,} to {last['energy']:.3g} at iteration {last['iteration']:,}."
    ]
