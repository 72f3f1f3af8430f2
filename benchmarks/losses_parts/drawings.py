"""Pictures of the pages, from the saved JSON alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from divergences._canvas import COLORS, canvas, mosaic
from divergences.plots import Picture
from losses_parts.problems import unpacked
from losses_parts.results import ranked, summary

HUES = (*COLORS, "#3a923a", "#9467bd", "#8c564b", "#d62784", "#7f7f7f", "#17a2b8")
STYLES = ("-", "--")
SIDES = {"digits": (8, 8), "mnist": (28, 28), "fashion": (28, 28), "cifar10": (32, 32, 3)}


def of_data(name: str, one: dict[str, Any]) -> list[Picture]:
    return [picture for picture in (curves(name, one), samples(name, one)) if picture is not None]


def curves(name: str, one: dict[str, Any]) -> Picture | None:
    """Energy distance to validation rows against CPU seconds: medians over seeds."""
    table = summary(one, "cpu")
    if not table:
        return None
    order = ranked(table, one["headline"])
    half = -(-len(order) // 2)  # a line each in one panel would be a skein
    with canvas(2, columns=2, height=5.6) as (figure, axes):
        for number, objective in enumerate(order):
            runs = [run["curve"] for run in one["runs"][objective]["cpu"].values()]
            longest = max(map(len, runs), default=0)
            whole = [np.array(curve, float) for curve in runs if len(curve) == longest]
            if longest < 2:
                continue
            middle = np.median(np.stack(whole), axis=0)
            panel, place = divmod(number, half)
            axes[panel].plot(
                middle[1:, 0], np.maximum(middle[1:, 2], 1e-6), label=objective, linewidth=1.1,
                color=HUES[place % len(HUES)], linestyle=STYLES[place // len(HUES) % len(STYLES)],
            )  # fmt: skip
        axes[1].sharey(axes[0])
        for panel, axis in enumerate(axes):
            axis.set_yscale("log")
            axis.set_xlabel("CPU seconds of training")
            axis.set_title(("first half of the table", "second half")[panel], fontsize=8)
            if axis.lines:
                below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16)}
                axis.legend(**below, fontsize=7, handlelength=1.6, ncols=2)
        axes[0].set_ylabel("energy distance to validation data")
    caption = (
        "Energy distance between validation data and samples of the averaged generator during "
        "training, where "
        "the networks live; medians over seeds, equal CPU time. In the order of the table."
    )
    alt = f"Energy distance against CPU seconds on {name}, a line for each objective."
    return Picture(f"Against time: {name}", caption, alt, figure)


def samples(name: str, one: dict[str, Any]) -> Picture | None:
    """Samples of the first seed of each objective, none of them chosen, and the data."""
    table = summary(one, "cpu")
    shown: dict[str, Any] = {}
    if one["controls"] is not None and "samples" in one["controls"]:
        shown["test data"] = one["controls"]["samples"]
    for objective in ranked(table, one["headline"]) if table else ():
        kept = next(
            (run["samples"] for run in one["runs"][objective]["cpu"].values() if "samples" in run), None
        )
        if kept is not None:
            shown[objective] = kept
    if len(shown) < 2:
        return None
    side = SIDES.get(name)
    columns = 4 if side is None else 3
    rows = -(-len(shown) // columns)
    with canvas(len(shown), columns=columns, height=(1.5 if side is None else 0.85) * rows) as (figure, axes):
        for axis, (title, kept) in zip(axes, shown.items(), strict=True):
            drawn = unpacked(kept)
            axis.set_title(title, fontsize=7)
            axis.grid(False)
            axis.set_xticks([])
            axis.set_yticks([])
            if side is None:
                color = COLORS[0] if title == "test data" else COLORS[1]
                axis.scatter(drawn[:, 0], drawn[:, 1], s=1.5, color=color, linewidths=0, rasterized=True)
                axis.set_xlim(kept["low"], kept["high"])
                axis.set_ylim(kept["low"], kept["high"])
                axis.set_aspect("equal")
            else:
                axis.imshow(mosaic(drawn, side, (2, 6)), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
                axis.set_axis_off()
    where = " along the test data's two principal axes" if name == "subspace" else ""
    caption = (
        f"Samples of the first seed at equal CPU time, none of them chosen{where}; in the order of the table."
    )
    return Picture(f"Samples: {name}", caption, f"Samples on {name}, a panel for each objective.", figure)


def critics(found: dict[str, Any]) -> list[Picture]:
    """A critic's estimate and exact W1 along the first run of each."""
    first: dict[str, Any] = {}
    for run in found["critics"]:
        first.setdefault(run["settings"]["objective"], run)
    with canvas(len(first), columns=2, height=1.7 * -(-len(first) // 2)) as (figure, axes):
        for axis, (title, run) in zip(axes, first.items(), strict=True):
            curve = np.array(run["curve"], float)
            axis.set_title(title, fontsize=8)
            if len(curve):
                axis.plot(curve[:, 1], curve[:, 3], color=COLORS[0], linewidth=1.2, label="exact W1")
                axis.plot(
                    curve[:, 1],
                    curve[:, 2],
                    color=COLORS[1],
                    linewidth=1.2,
                    linestyle="--",
                    label="critic's estimate",
                )
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=8)
        figure.supxlabel("iteration", fontsize=8)
    caption = (
        "What the critic says and exact W1 of the very same 600 + 600 rows, along the first run "
        "of each, on "
        "the ring in unit variance. A generator learning rate of 2e-4, five critic steps (40 in each "
        "of the first ten)."
    )
    return [
        Picture("Critic and exact W1", caption, "Critic's estimate and exact W1 against iterations.", figure)
    ]


def slopes(found: dict[str, Any]) -> list[Picture]:
    runs = sorted(found["slopes"], key=lambda run: run["iteration"])
    with canvas(len(runs), columns=len(runs), height=2.6) as (figure, axes):
        for axis, run in zip(axes, runs, strict=True):
            for key, color, dash, label in (
                ("saturating", COLORS[0], "-", "log(1 − D)"), ("non_saturating", COLORS[1], "--", "−log D"),
            ):  # fmt: skip
                axis.plot(
                    run["steps"][1:],
                    np.maximum(run[key][1:], 1e-12),
                    color=color,
                    linestyle=dash,
                    label=label,
                )
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.set_title(f"generator of iteration {run['iteration']}", fontsize=7)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=8)
        figure.supxlabel("steps of a fresh discriminator", fontsize=8)
        figure.supylabel("norm of the generator's gradient", fontsize=8)
    caption = "The gradients of both generator losses while a fresh discriminator learns, the generator held."
    return [Picture("Saturating and not", caption, "Gradient norms against discriminator steps.", figure)]
