"""A comparison as a table in the terminal and as a page with curves and samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from divergences import plots
from divergences._canvas import COLORS, WIDTH, canvas, mosaic
from divergences.report.html import page
from divergences.report.tables import Table
from gan import objectives
from gan.comparison import BETTER, Comparison
from gan.data import Dataset
from gan.evaluation.likelihood import TRAP

__all__ = ["render", "table"]

HUES = (*COLORS[::-1], "#3a923a", "#9467bd", "#8c564b", "#d62784", "#7f7f7f", "#17a2b8")
ARROWS = {"lower": "↓", "higher": "↑", "none": ""}
CHART = 8  # as many objectives as there are colours to tell apart
GRID = (3, 12)


def table(found: Comparison, *, intervals: bool) -> Table:
    """Objectives in rows, then the controls; medians over the runs that finished, with intervals if asked."""
    summary = found.summary()
    names = [
        name
        for name in BETTER
        if any(name in row for row in summary.values()) or any(name in row for row in found.controls.values())
    ]
    head = ("", "descends", "finished", *(f"{name} {ARROWS[BETTER[name]]}".strip() for name in names))
    rows = [
        (
            name, objectives.parse(name).divergence, f"{row['runs'] - row['failed']} of {row['runs']}",
            *(_cell(row.get(value), intervals) for value in names),
            _cell(row["cpu_seconds"], intervals), f"{_iterations(found, name):,}",
        )
        for name, row in summary.items()
    ]  # fmt: skip
    rows += [
        (name, "", "", *(_cell({"median": row.get(value)}, False) for value in names), "", "")
        for name, row in found.controls.items()
    ]
    notes = (
        "Medians over the runs that finished. Last rows: samples that no generator made; training rows show "
        "what a perfect sampler of this size would score.",
        TRAP,
    )
    return Table("Objectives", (*head, "CPU s", "iterations"), tuple(rows), notes, words=(0, 1))


def render(found: Comparison, dataset: Dataset) -> str:
    """The page: the table with intervals, faults, energy distance against time, samples of each objective."""
    seeds = sorted({int(seed) for runs in found.runs.values() for seed in runs})
    recipe = found.settings["recipe"]
    seconds = found.settings["cpu_seconds"]
    budget = f"{seconds:g} CPU seconds" if seconds else f"{recipe['iterations']:,} generator steps"
    introduction = (
        f"Data {recipe['data']}, generator {recipe['generator']}, critic {recipe['critic']}, batch "
        f"{recipe['batch']}: the same for every objective, as is the budget of {budget}. Seeds "
        f"{', '.join(map(str, seeds))}. Objectives published with a regularizer or a number of critic steps "
        "have those, the others the regularizer of the recipe; those of features, a critic with 16 outputs. "
        "Brackets hold 95 % bootstrap intervals of the median over seeds."
    )
    faults = [
        f"{name}, seed {seed}: {run['fault']}"
        for name, runs in found.runs.items() for seed, run in runs.items() if "fault" in run
    ]  # fmt: skip
    drawn = [*_curves(found), *(_samples(name, rows, dataset) for name, rows in found.samples.items())]
    versions = ", ".join(f"{name} {number}" for name, number in found.settings["versions"].items())
    title = f"Objectives on {dataset.name}"
    tables = [table(found, intervals=True)]
    return page(title, introduction, faults, tables, drawn, footer=f"Trained with {versions}.")


# ── small pieces ────────────────────────────────────────────────────────────────────────────


def _cell(value: Mapping[str, Any] | None, intervals: bool) -> str:
    if value is None or value["median"] is None:
        return "–"
    told = f"{value['median']:.4g}"
    if intervals and value.get("low") is not None:
        told += f" [{value['low']:.3g}, {value['high']:.3g}]"
    return told


def _iterations(found: Comparison, name: str) -> int:
    return max(run["iterations"] for run in found.runs[name].values())


def _curves(found: Comparison) -> list[plots.Picture]:
    """Energy distance against time, where any run was measured more than once."""
    runs = {
        name: [np.array(run["curve"], float).T for run in runs.values() if len(run.get("curve", ())) > 1]
        for name, runs in found.runs.items()
    }
    names = [name for name in runs if runs[name]][:CHART]
    if not names:
        return []
    with canvas(1, columns=1, height=3.2) as (figure, axes):
        for name, color in zip(names, HUES, strict=False):
            for number, (seconds, values) in enumerate(runs[name]):
                label = None if number else name
                axes[0].plot(seconds, np.maximum(values, 1e-6), color=color, linewidth=0.9, label=label)
        axes[0].set_yscale("log")
        axes[0].legend(loc="best")
        axes[0].set_xlabel("seconds")
        axes[0].set_ylabel("energy distance to held-out data")
    caption = "The energy distance between samples and validation data during training; a line for each run"
    caption += f", the first {CHART} objectives." if len(runs) > CHART else "."
    alt = "Energy distance against seconds, a colour for each objective."
    return [plots.Picture("Against time", caption, alt, figure)]


def _samples(name: str, rows: np.ndarray, dataset: Dataset) -> plots.Picture:
    shape, caption = dataset.image_shape, "Samples of one run, none of them chosen."
    if shape is None:
        drawing, caption = _points(rows, dataset.test), f"{caption} Held-out data in blue."
    else:
        height = 0.2 + WIDTH * GRID[0] * shape[0] / (GRID[1] * shape[1])
        with canvas(1, columns=1, height=height) as (drawing, axes):
            tiles = mosaic(np.clip(rows[: GRID[0] * GRID[1]], 0, 1), shape, GRID)
            axes[0].imshow(tiles, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes[0].set_axis_off()
    return plots.Picture(name, caption, f"Samples of {name}.", drawing)


def _points(rows: np.ndarray, real: np.ndarray) -> Any:
    """Real in blue below, generated in orange above; by principal axes where there are more than two."""
    real = real[: len(rows)]
    if real.shape[1] > 2:
        from sklearn.decomposition import PCA

        pca = PCA(2, random_state=0).fit(real)
        real, rows = pca.transform(real), pca.transform(rows)
    with canvas(1, columns=1, height=3.2) as (figure, axes):
        for points, color in ((real, COLORS[0]), (rows, COLORS[1])):
            if points.shape[1] == 1:
                axes[0].hist(points[:, 0], 60, density=True, histtype="step", color=color)
            else:
                axes[0].scatter(
                    points[:, 0], points[:, 1], s=4, color=color, alpha=0.4, linewidths=0, rasterized=True
                )
    return figure
