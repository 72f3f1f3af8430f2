"""The larger drawings: phase portraits of the Dirac-GAN, Goodfellow's figure and its film."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from divergences._canvas import COLORS, INK, canvas, style
from divergences.plots import Picture
from gan.diagnostics._line import Position
from gan.diagnostics.figure import FourPanels
from gan.diagnostics.games import Dirac

__all__ = ["dirac", "film", "four_panels", "span"]

BLUE, ORANGE = COLORS
GREEN = "#3a923a"  # the generator, as in Goodfellow's figure


# ── the Dirac-GAN ───────────────────────────────────────────────────────────────────────────


def dirac(found: Sequence[Sequence[Dirac]]) -> Picture:
    """Phase portraits: a row for each game, a column for each update rule."""
    columns = max(map(len, found))
    with canvas(len(found) * columns, columns=columns, height=0.3 + 1.75 * len(found)) as (figure, axes):
        for place, (axis, one) in enumerate(zip(axes, [one for row in found for one in row], strict=True)):
            _portrait(axis, one)
            row, column = divmod(place, columns)
            if row == 0:
                axis.set_title(f"{one.update}\n{axis.get_title(loc='left')}", loc="left", fontsize=8)
            if row < len(found) - 1:
                axis.tick_params(labelbottom=False)
            else:
                axis.set_xlabel("θ", labelpad=1)
            if column:
                axis.tick_params(labelleft=False)
            else:
                added = "" if one.regularizer == "none" else f" + {one.regularizer}"
                axis.set_ylabel(
                    f"{one.objective}{added}\nψ".replace("gradient-penalty", "penalty"), fontsize=8
                )
    return Picture(
        "The Dirac-GAN",
        "Data at 0, one generated point at θ, critic D(x) = ψx; equilibrium in the middle. Arrows: where one "
        "step of the training loop leads. Curve: a run from the dot. ρ is the largest modulus of the "
        "eigenvalues of a step at the equilibrium: below 1 the run converges, above 1 it is driven away.",
        "Phase portraits of the Dirac-GAN for several games and update rules.",
        figure,
    )


def _portrait(axis: Any, one: Dirac) -> None:
    reach = float(np.abs(one.grid).max()) * 1.08
    lengths = np.maximum(np.hypot(*one.arrows.T), 1e-12)
    shown = one.arrows / lengths[:, None]  # where to, not how far: far out the steps are many times longer
    axis.quiver(*one.grid.T, *shown.T, color=INK, alpha=0.28, angles="xy", scale=15, width=0.008, pivot="mid")
    color = {"converges": GREEN, "cycles": BLUE}.get(one.verdict, ORANGE)
    axis.plot(*one.path.T, color=color, linewidth=1.0)
    axis.plot(*one.path[0], "o", color=color, markersize=4)
    axis.plot(0, 0, "+", color=INK, markersize=7)
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    axis.grid(False)
    number = "" if one.radius is None else f", ρ {one.radius:.4f}"
    axis.set_title(f"{one.verdict}{number}", loc="left", fontsize=8)


# ── Goodfellow's figure ─────────────────────────────────────────────────────────────────────


def four_panels(found: FourPanels) -> Picture:
    """The four moments side by side: densities and discriminator above, the way from z to x below."""
    ends, top = span(found.panels[3]), _top(found)
    titles = (
        f"(a) iteration {found.panels[0].iteration}", "(b) D trained on", "(c) generator's answer",
        f"(d) iteration {found.panels[3].iteration}",
    )  # fmt: skip
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8.4, 2.9), layout="constrained")
        grid = figure.add_gridspec(2, 4, height_ratios=[3, 1.1], hspace=0.0)
        for column, (at, title) in enumerate(zip(found.panels, titles, strict=True)):
            above, below = figure.add_subplot(grid[0, column]), figure.add_subplot(grid[1, column])
            _moment(above, below, at, ends, top, legend=False)
            above.set_title(title, loc="left")
        handles, labels = above.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3)
    return Picture(
        "Four moments of a run",
        "Data (dotted), density of the generator (solid) and discriminator (dashed), as in figure 1 of "
        f"Goodfellow et al. 2014, from a run on {found.data} with the {found.objective} loss. Below, where "
        "the generator takes equally likely noises z. (b) and (c) go on from copies of (a): D alone, then "
        f"the generator alone. JS {', '.join(f'{value:.3f}' for value in found.js)}.",
        "Four panels with data density, generator density and discriminator, and arrows from z to x.",
        figure,
    )


def film(found: FourPanels, path: str | os.PathLike[str], *, fps: int = 8) -> None:
    """The run as an animated GIF: one frame for each of ``found.frames``, the last held."""
    ends, top = span(found.panels[3]), _top(found)
    with style():
        from matplotlib.animation import PillowWriter
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(4.6, 3.3), facecolor="white")
        FigureCanvasAgg(figure)
        above = figure.add_axes((0.09, 0.36, 0.88, 0.55))
        below = figure.add_axes((0.09, 0.08, 0.88, 0.21))
        writer = PillowWriter(fps=fps)
        with writer.saving(figure, os.fspath(path), dpi=90):
            for at in [*found.frames, *[found.frames[-1]] * (2 * fps)]:
                above.clear()
                below.clear()
                _moment(above, below, at, ends, top, legend=True)
                above.set_title(f"iteration {at.iteration}    JS {at.divergence('js'):.3f}", loc="left")
                writer.grab_frame(facecolor="white")


def _moment(
    above: Any, below: Any, at: Position, ends: tuple[float, float], top: float, *, legend: bool
) -> None:
    """One moment: densities and D; below, lines from the noise to where it is taken."""
    above.plot(at.x, at.p / at.width, color=INK, linestyle=":", linewidth=1.6, label="data")
    above.plot(at.x, at.q / at.width, color=GREEN, linewidth=1.4, label="generator")
    # D in a height of its own: from 0 to 1 over the panel
    above.plot(at.x, top * at.discriminator, color=BLUE, linestyle="--", linewidth=1.4, label="discriminator")
    above.axhline(top / 2, color=BLUE, linewidth=0.5, alpha=0.5)
    above.set_ylim(0, top * 1.02)
    above.set_yticks([0, top / 2, top], ["0", "½", "1"], color=BLUE)
    above.tick_params(axis="x", labelbottom=False)
    if legend:
        above.legend(loc="upper right", fontsize=7.5)
    reach = float(np.abs(at.z).max()) * 1.1
    middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    for z, x in zip(at.z, at.images, strict=True):
        below.annotate(
            "", (x, 1), (middle + half * z / reach, 0), annotation_clip=True,
            arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0,
                        "mutation_scale": 6},
        )  # fmt: skip
    below.set_ylim(0, 1)
    below.set_yticks([0, 1], ["z", "x"])
    below.set_xticks([])
    below.grid(False)
    below.spines["top"].set_visible(True)
    for axis in (above, below):
        axis.set_xlim(*ends)


def span(at: Position) -> tuple[float, float]:
    """Where nearly all of P and Q lies, with a little room."""
    found = []
    for masses in (at.p, at.q):
        below = np.cumsum(masses)
        found.append(at.x[np.searchsorted(below, [0.001, 0.999]).clip(0, len(at.x) - 1)])
    low, high = min(one[0] for one in found), max(one[1] for one in found)
    return float(low - 0.12 * (high - low)), float(high + 0.12 * (high - low))


def _top(found: FourPanels) -> float:
    """A height that leaves room above the data's density for the generator's."""
    at = found.panels[3]
    return 1.8 * float(at.p.max() / at.width)
