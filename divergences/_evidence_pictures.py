"""Pictures of a report's evidence: rows that carry the distance, estimators side by side, models ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from divergences._canvas import COLORS, INK, WIDTH, Picture, canvas, legend, mosaic, shortened

if TYPE_CHECKING:
    from divergences._record import Report
    from divergences.inference.comparison import Comparison

__all__ = ["agreement", "carriers", "forest", "has_carriers"]

COLUMNS = 12  # images in a strip
BACKGROUND = 1500  # rows of each sample behind those that are marked


def has_carriers(report: Report) -> bool:
    """Whether there are rows to show, and samples to show them in."""
    found = report.evidence
    there = found is not None and (found.carriers or found.strays is not None)
    return bool(there) and len(report.x) > 0 and (report.image_shape is not None or report.d > 1)


def carriers(report: Report) -> Picture:
    """The rows that carry the distance and those far from all data: as images, or marked among all others."""
    marked = _marked(report)
    if report.image_shape is not None:
        return _strips(report, marked)
    return _marks(report, marked)


def _marked(report: Report) -> list[tuple[str, int, list[int]]]:
    """(what, 0 for x or 1 for y, rows) of each kind of row to be shown."""
    found: Any = report.evidence
    x_name, y_name = map(shortened, report.names)
    shown: list[tuple[str, int, list[int]]] = []
    if found.carriers:
        first = found.carriers[0]
        shown.append((f"{x_name}: {y_name} puts too little here", 0, list(first.x_rows)))
        shown.append((f"{y_name}: puts too much here", 1, list(first.y_rows)))
    if found.strays is not None:
        shown.append((f"{y_name}: farthest from all of {x_name}", 1, list(found.strays.y_rows)))
    if found.regions is not None:
        for k, (p, rows) in enumerate(zip(found.regions.p_values, found.regions.x_rows, strict=True)):
            if p < 0.05 and k < 3:
                shown.append((f"{x_name}: cluster {k}, left out", 0, list(rows)))
    return shown


def _strips(report: Report, marked: list[tuple[str, int, list[int]]]) -> Picture:
    shape: Any = report.image_shape
    low, high = float(np.min(report.x)), float(np.max(report.x))
    strip = 0.28 + WIDTH / COLUMNS * shape[0] / shape[1]
    with canvas(len(marked), columns=1, height=strip * len(marked)) as (figure, axes):
        for axis, (what, side, rows) in zip(axes, marked, strict=True):
            sample = report.x if side == 0 else report.y
            tiles = np.asarray(sample[rows[:COLUMNS]], dtype=np.float64).reshape(len(rows[:COLUMNS]), -1)
            scaled = np.clip((tiles - low) / (high - low if high > low else 1.0), 0, 1)
            image = mosaic(scaled, shape, (1, COLUMNS))
            axis.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(what, color=COLORS[side], loc="left")
            axis.set_axis_off()
    return Picture(
        "Which rows carry the distance",
        "From left to right the largest share first. The rows are those of the tables, on the reference's "
        "scale of brightness.",
        "Strips of images: " + "; ".join(what for what, _, _ in marked) + ".",
        figure,
    )


def _marks(report: Report, marked: list[tuple[str, int, list[int]]]) -> Picture:
    samples = [np.asarray(z, dtype=np.float64).reshape(len(z), -1) for z in (report.x, report.y)]
    rng = np.random.default_rng(0)
    shown = [z[rng.permutation(len(z))[:BACKGROUND]] for z in samples]
    labels = ("feature 0", "feature 1")
    plane = [z[:, :2] for z in samples]
    behind = [z[:, :2] for z in shown]
    if report.d > 2:
        from sklearn.decomposition import PCA

        pca = PCA(2, random_state=0).fit(np.concatenate(shown))
        plane, behind = [pca.transform(z) for z in samples], [pca.transform(z) for z in shown]
        labels = ("principal axis 1", "axis 2")
    with canvas(1, columns=1, height=4.4) as (figure, axes):
        for points, color in zip(behind, COLORS, strict=True):
            axes[0].scatter(
                points[:, 0], points[:, 1], s=5, color=color, alpha=0.18, linewidths=0, rasterized=True
            )
        rings = [each for each in marked if "farthest" not in each[0] and "cluster" not in each[0]]
        for _, side, rows in rings:
            at = plane[side][rows]
            axes[0].scatter(at[:, 0], at[:, 1], s=46, facecolors="none", edgecolors=COLORS[side])
        for what, side, rows in marked:
            if "farthest" in what:
                at = plane[side][rows]
                axes[0].scatter(at[:, 0], at[:, 1], s=34, marker="x", color=INK, linewidths=1.1)
        axes[0].set_xlabel(labels[0])
        axes[0].set_ylabel(labels[1])
        legend(figure, report.names, markers=True)
    return Picture(
        "Which rows carry the distance",
        f"Rings: the rows with the largest shares, blue where {report.names[1]} puts too little, "
        "orange where it puts too much. Crosses: the rows farthest from all data.",
        "Both samples in a common plane, the rows that carry the distance marked.",
        figure,
    )


def agreement(report: Report) -> Picture:
    """The estimators of one divergence, each with its interval, beside the trusted one."""
    found: Any = report.evidence
    panel = found.estimators
    names = [name for name, each in panel.estimates.items() if np.isfinite(each.value)]
    with canvas(1, columns=1, height=0.55 + 0.3 * len(names)) as (figure, axes):
        for k, name in enumerate(names):
            each = panel.estimates[name]
            color = COLORS[0] if name == panel.trusted else COLORS[1] if name in panel.disagree else INK
            if each.interval is not None:
                span = (each.interval.lower, each.interval.upper)
                axes[0].plot(span, [k, k], color=color, linewidth=4, alpha=0.45, solid_capstyle="butt")
            axes[0].plot([each.value], [k], "o", color=color, markersize=5)
        trusted = panel.estimates[panel.trusted].value
        if np.isfinite(trusted):
            axes[0].axvline(trusted, color=COLORS[0], linewidth=0.9, linestyle="--")
        axes[0].set_yticks(range(len(names)), names)
        axes[0].set_ylim(len(names) - 0.4, -0.6)
        axes[0].set_xlabel(f"{panel.divergence} in nats")
    return Picture(
        f"Estimators of {panel.divergence}",
        f"In blue {panel.trusted}, the one to trust at this size; in orange those that contradict it. The "
        "bars are the scatter of each, not what it may be wrong by: an estimator can be sure and wrong.",
        "Each estimator's value and interval.",
        figure,
    )


def forest(found: Comparison, metric: str) -> Picture:
    """The models under one metric: values with intervals and the floor; differences from the first beside."""
    standings = found.ranked(metric)
    names = [each.model for each in standings]
    first = names[0]
    with canvas(2, columns=2, height=0.75 + 0.3 * len(names)) as (figure, axes):
        for k, each in enumerate(standings):
            estimate = each.estimate
            color = COLORS[0] if each.rank == 1 else COLORS[1]
            if estimate.interval is not None:
                span = (estimate.interval.lower, estimate.interval.upper)
                axes[0].plot(span, [k, k], color=color, linewidth=4, alpha=0.45, solid_capstyle="butt")
            axes[0].plot([estimate.value], [k], "o", color=color, markersize=5)
            if estimate.bias:
                axes[0].plot([estimate.extrapolated], [k], "|", color=color, markersize=11)
            if k:
                gap = found.difference(each.model, first, metric)
                color = INK if gap.closer is None else COLORS[1]
                span = (gap.interval.lower, gap.interval.upper)
                axes[1].plot(span, [k, k], color=color, linewidth=4, alpha=0.45, solid_capstyle="butt")
                axes[1].plot([gap.value], [k], "o", color=color, markersize=5)
        floor = standings[0].estimate.null_floor
        if floor is not None:
            axes[0].axvline(floor, color=INK, linewidth=1.0, linestyle="--")
        axes[1].axvline(0.0, color=INK, linewidth=1.0, linestyle=":")
        axes[0].set_yticks(range(len(names)), [f"{each.rank}. {shortened(each.model)}" for each in standings])
        axes[1].set_yticks(range(len(names)), [""] * len(names))
        for axis in axes:
            axis.set_ylim(len(names) - 0.4, -0.6)
        axes[0].set_title("value", loc="left")
        axes[1].set_title(f"less that of {shortened(first)}", loc="left")
    if metric != found.metrics[0]:
        return Picture(metric, f"The same by {metric}.", f"{len(names)} models by {metric}.", figure)
    level = f"{100 * found.confidence:g} %"
    beside = "" if floor is None else ", dashed what two halves of the reference are apart"
    return Picture(
        metric,
        f"Left, each model's value, a stroke where it lies without bias, its own {level} "
        f"interval{beside}. Right, how much more than {first}, with intervals that hold for all pairs of "
        "models and all metrics together: one that meets the dotted line is a tie.",
        f"Values and differences of {len(names)} models by {metric}.",
        figure,
    )
