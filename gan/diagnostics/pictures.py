"""Pictures of what the diagnostics found: each function takes a record and returns a ``Picture``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from divergences._canvas import COLORS, INK, canvas
from divergences.plots import Picture
from gan.diagnostics._drawings import dirac, film, four_panels, span
from gan.diagnostics.equilibrium import DualityGap
from gan.diagnostics.gradients import GradientNorms
from gan.diagnostics.optimal import OptimalCritic, ValueCurve
from gan.diagnostics.slopes import Lipschitz

__all__ = [
    "dirac",
    "duality_gap",
    "film",
    "four_panels",
    "generator_gradients",
    "lipschitz",
    "optimal_critic",
    "value_along_training",
]

BLUE, ORANGE = COLORS


# ── the discriminator on the line ───────────────────────────────────────────────────────────


def optimal_critic(found: OptimalCritic) -> Picture:
    """Both densities above; D and p/(p + q) below."""
    at = found.position
    low, high = span(at)
    with canvas(2, columns=1, height=4.2) as (figure, axes):
        for masses, color, dash, name in zip(
            (at.p, at.q), COLORS, ("-", "--"), (f"p, {found.names[0]}", f"q, {found.names[1]}"), strict=True
        ):
            axes[0].plot(at.x, masses / at.width, color=color, linestyle=dash, label=name)
            axes[0].fill_between(at.x, masses / at.width, color=color, alpha=0.12, linewidth=0)
        axes[0].set_ylim(bottom=0)
        axes[0].set_title("densities", loc="left")
        axes[0].legend(loc="upper right")
        axes[1].plot(at.x, at.optimum, color=INK, linewidth=3, alpha=0.3, label="p/(p + q)")
        axes[1].plot(at.x, at.discriminator, color=BLUE, linestyle="--", label="trained D")
        axes[1].set_ylim(-0.03, 1.03)
        axes[1].set_title("discriminator", loc="left")
        axes[1].legend(loc="upper right")
        for axis in axes:
            axis.set_xlim(low, high)
    return Picture(
        "The optimal discriminator",
        f"A discriminator trained by the {found.objective} loss against p/(p + q). Mean error under ½(P + Q) "
        f"{found.mean_error:.4f}; its value is {found.value:.4f}, the largest there is {found.bound:.4f}.",
        "Two densities on the line, and below them a trained discriminator over the optimal one.",
        figure,
    )


def value_along_training(found: ValueCurve) -> Picture:
    """What the critic says along a run, what is true, and what a critic trained on says."""
    logistic = found.divergence == "js"
    said = "V + log 4, D of the run" if logistic else f"{found.objective}: the critic's word"
    with canvas(1, columns=1, height=3.2) as (figure, (axis,)):
        axis.plot(found.iterations, found.divergences, color=INK, linewidth=3, alpha=0.3, label=found.what)
        # a critic's word may fall below 0, and then has no place on a logarithmic axis
        above = np.where(found.values > 0, found.values, np.nan)
        axis.plot(found.iterations, above, color=BLUE, marker=".", markersize=4, label=said)
        if len(found.best):
            label = "the same, D trained on"
            axis.plot(
                found.best_at, found.best, "o", color=ORANGE, markersize=6, mfc="none", mew=1.5, label=label
            )
        axis.set_yscale("log")
        axis.set_xlabel("iteration")
        axis.set_ylabel("nats" if found.divergence in ("js", "kl", "reverse_kl", "jeffreys") else None)
        axis.legend(loc="upper right")
    return Picture(
        "What the critic says and what is true",
        "The grey curve is the divergence between data and generator, by quadrature. The critic of the run "
        "stays below it; trained on with the generator held, it reaches it."
        if found.is_bound
        else "The grey curve is the distance between data and generator, by quadrature. The critic's word "
        "bounds it only as far as its slopes are at most 1.",
        "Line plot over the iterations of a divergence and of what a critic makes of it.",
        figure,
    )


# ── gradients, slopes, gains ────────────────────────────────────────────────────────────────


def generator_gradients(found: Sequence[GradientNorms]) -> Picture:
    """Gradient norms of both generator losses as D is trained, one curve for each generator."""
    panels = ("gradient of log(1 − D)", "gradient of −log D", "accuracy of D")
    with canvas(3, columns=3, height=2.7) as (figure, axes):
        shades = np.linspace(0.35, 1, len(found))
        low = min(float(one.saturating.min()) for one in found)
        high = max(float((one.non_saturating + one.non_saturating_spread).max()) for one in found)
        for one, shade in zip(found, shades, strict=True):
            at = np.maximum(one.steps, 0.5)  # step 0 has a place on the logarithmic axis
            curves = (
                (axes[0], one.saturating, one.saturating_spread, BLUE),
                (axes[1], one.non_saturating, one.non_saturating_spread, ORANGE),
            )
            for axis, norms, spread, color in curves:
                axis.plot(at, norms, color=color, alpha=shade, label=f"iteration {one.iteration}")
                axis.fill_between(
                    at, np.maximum(norms - spread, low), norms + spread, color=color, alpha=0.1, lw=0
                )
                axis.set_yscale("log")
                axis.set_ylim(low / 1.5, high * 1.5)
            axes[2].plot(at, one.accuracy, color=INK, alpha=shade)
        axes[2].set_ylim(0.45, 1.02)
        for axis, title in zip(axes, panels, strict=True):
            axis.set_xscale("log")
            axis.set_title(title, loc="left")
            axis.set_xlabel("steps of D")
        axes[1].sharey(axes[0])
        figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3, title="generator of",
            alignment="left",
        )  # fmt: skip
    return Picture(
        "What is left for the generator as D gets better",
        "Each curve holds one generator and trains a fresh discriminator. Norm of the generator's gradient "
        "over 2,048 noises; the band is the spread between batches of an eighth of them.",
        "Gradient norms of both generator losses and the discriminator's accuracy against its steps.",
        figure,
    )


def lipschitz(found: Mapping[str, Lipschitz]) -> Picture:
    """Each critic's constant as a bar from its lower to its upper bound; the mean slope between samples."""
    with canvas(1, columns=1, height=0.9 + 0.36 * len(found)) as (figure, (axis,)):
        rows = np.arange(len(found))[::-1]
        ends = [value for one in found.values() for value in (one.lower, one.upper) if value]
        right = max(ends) * 3
        for row, one in zip(rows, found.values(), strict=True):
            upper = right if one.upper is None else one.upper
            dash = "-" if one.upper is not None else ":"
            axis.plot(
                [one.lower, upper], [row, row], dash, color=BLUE, lw=5, alpha=0.35, solid_capstyle="butt"
            )
            axis.plot(one.lower, row, "o", color=BLUE, markersize=5)
            axis.plot(one.slopes["between"].mean(), row, "|", color=ORANGE, markersize=11, mew=2)
            if one.upper is not None:
                axis.plot(one.upper, row, "|", color=BLUE, markersize=11, mew=2)
        axis.axvline(1, color=INK, linewidth=0.8, linestyle=":")
        axis.set_xscale("log")
        axis.set_ylim(-0.6, len(found) - 0.4)
        axis.set_yticks(rows, list(found))
        axis.grid(False, axis="y")
        axis.set_xlabel("Lipschitz constant")
        _key(figure, [("|", ORANGE, "mean slope between samples"), ("o", BLUE, "steepest slope seen"),
                      ("|", BLUE, "proved bound")])  # fmt: skip
    return Picture(
        "Lipschitz constants of critics",
        "The constant lies on the bar: at least the steepest slope seen, at most the product of the layers' "
        "constants. The dotted line is 1, which W1 asks for.",
        "For each critic a bar from a lower to an upper bound of its Lipschitz constant.",
        figure,
    )


def duality_gap(found: Sequence[DualityGap]) -> Picture:
    """What each player gains as it answers the other, held still; a curve for each moment of the run."""
    from matplotlib.lines import Line2D

    with canvas(2, columns=2, height=2.7) as (figure, axes):
        shades = np.linspace(0.35, 1, len(found))
        for one, shade in zip(found, shades, strict=True):
            for axis, gain, color in ((axes[0], one.critic, BLUE), (axes[1], one.generator, ORANGE)):
                at = np.maximum(gain.steps, 0.5)  # step 0 has a place on the logarithmic axis
                axis.plot(at, gain.losses[0] - gain.losses, color=color, alpha=shade)
        for axis, title in zip(
            axes, ("gain of the critic alone", "gain of the generator alone"), strict=True
        ):
            axis.set_xscale("log")
            axis.axhline(0, color=INK, linewidth=0.8, linestyle=":")
            axis.set_title(title, loc="left")
            axis.set_xlabel("steps of its answer")
        lines = [Line2D([], [], color=INK, alpha=shade) for shade in shades]
        names = [f"iteration {one.iteration}" for one in found]
        figure.legend(lines, names, loc="outside upper left", ncols=4)
    gaps = ", ".join(f"{one.gap:.4f} at iteration {one.iteration}" for one in found)
    return Picture(
        "Is this an equilibrium?",
        "What each player's loss falls by, on held-out data, when it alone trains on against the other as it "
        f"stands. At a Nash equilibrium neither gains. The sum of both: {gaps}.",
        "Gains of critic and generator against the steps of their best responses.",
        figure,
    )


def _key(figure: Any, marks: Sequence[tuple[str, str, str]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            color=color,
            linestyle="",
            marker=mark,
            markersize=9 if mark == "|" else 5,
            mew=2 if mark == "|" else 0,
        )
        for mark, color, _ in marks
    ]
    figure.legend(
        handles, [text for *_, text in marks], loc="outside upper left", ncols=len(marks), handlelength=1
    )
