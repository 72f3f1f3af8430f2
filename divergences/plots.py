"""Pictures of a report: each function takes a ``Report`` and returns a ``Picture``.

They bin, project and draw, and measure nothing that the report does not already say. At most
``POINTS`` rows of each sample are drawn, chosen with a fixed seed (and by weight, if weighted).
How lines, colours and axes look is in ``_canvas``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from divergences._canvas import (
    COLORS,
    INK,
    WIDTH,
    Picture,
    canvas,
    histograms,
    legend,
    mosaic,
    quiet,
    shortened,
    spans_decades,
)
from divergences._evidence_pictures import agreement, carriers, forest, has_carriers
from divergences._neighbor_search import nearest

if TYPE_CHECKING:
    from divergences._record import Report

__all__ = [
    "COLORS",
    "Picture",
    "agreement",
    "carriers",
    "distribution",
    "forest",
    "images",
    "intervals",
    "marginals",
    "neighbor_distances",
    "parzen_curve",
    "pictures",
    "projection",
]

POINTS = 2000
FEATURES = 6
GRID_ROWS, GRID_COLUMNS = 6, 10


def pictures(report: Report) -> list[Picture]:
    """Every picture that makes sense for the report; one that fails says so in place of the drawing."""
    drawers: list[tuple[str, Callable[[Report], Picture]]] = []
    if any(row.null_floor is not None for row in report.rows):
        drawers.append(("How sure", intervals))
    if report.evidence is not None and report.evidence.estimators is not None:
        drawers.append(("Estimators", agreement))
    if has_carriers(report):
        drawers.append(("Which rows carry the distance", carriers))
    if len(report.x) == 0:  # read from a file, which holds no samples
        return [_drawn_or_said(title, draw, report) for title, draw in drawers]
    if report.image_shape is not None:
        drawers.append(("Samples", images))
    if report.d == 1:
        drawers.append(("Distribution", distribution))
    else:
        drawers += [("Common projection", projection), ("Features that differ most", marginals)]
    drawers += [("Nearest neighbours", neighbor_distances), ("Parzen window width", parzen_curve)]
    return [_drawn_or_said(title, draw, report) for title, draw in drawers]


def _drawn_or_said(title: str, draw: Callable[[Report], Picture], report: Report) -> Picture:
    try:
        with quiet():
            return draw(report)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return Picture(title, f"This picture could not be drawn. {reason}", "")


# ── the pictures ────────────────────────────────────────────────────────────────────────────


def intervals(report: Report) -> Picture:
    """Every value with its interval, beside what two halves of the reference are apart: one scale each."""
    rows = [row for row in report.rows if row.null_floor is not None and np.isfinite(row.value or 0.0)]
    with canvas(len(rows), columns=1, height=0.62 * len(rows) + 0.3) as (figure, axes):
        for axis, row in zip(axes, rows, strict=True):
            if row.interval is not None:
                axis.plot(
                    row.interval, [0, 0], color=COLORS[1], linewidth=4, alpha=0.45, solid_capstyle="butt"
                )
            axis.plot([row.value], [0], "o", color=COLORS[1], markersize=5)
            if row.extrapolated is not None:
                axis.plot([row.extrapolated], [0], "|", color=COLORS[1], markersize=11, markeredgewidth=1.8)
            axis.axvline(row.null_floor, color=COLORS[0], linewidth=1.2, linestyle="--")
            axis.set_yticks([0], [shortened(row.metric)])
            axis.set_ylim(-1, 1)
            axis.margins(x=0.12)
    level = f"{100 * (report.confidence or 0.95):g} %"
    return Picture(
        "How sure",
        f"Each measure on a scale of its own: a dot for the value, its {level} interval where theory gives "
        "one, with a stroke where the value lies without bias, and, dashed, what two halves of "
        f"{report.names[0]} are apart. A dot near the dashed line says nothing.",
        "For each measure its value, interval and floor.",
        figure,
    )


def distribution(report: Report) -> Picture:
    """One-dimensional samples: histogram and distribution function, side by side."""
    (x, y), (a, b) = _columns(report), _weights(report)
    with canvas(2, columns=2, height=2.6) as (figure, axes):
        histograms(axes[0], x[:, 0], y[:, 0], a, b)
        axes[0].set_title("share of rows in each bin")
        for values, weights, color, dash in zip((x, y), (a, b), COLORS, ("-", "--"), strict=True):
            order = np.argsort(values[:, 0])
            heights = np.cumsum(weights[order]) / weights.sum()
            axes[1].step(values[order, 0], heights, where="post", color=color, linestyle=dash)
        axes[1].set_title("share of rows at or below")
        legend(figure, report.names)
    return Picture(
        "Distribution",
        "Left, where the values of each sample lie; right, the share of rows at or below each value. The "
        "area between the two curves on the right is the Wasserstein distance W₁.",
        f"Histogram and distribution function of {report.names[0]} and {report.names[1]}.",
        figure,
    )


def marginals(report: Report) -> Picture:
    """Histograms of the features whose means differ most, in units of their spread."""
    (x, y), (a, b) = _columns(report), _weights(report)
    shift = np.average(y, axis=0, weights=b) - np.average(x, axis=0, weights=a)
    spread = np.sqrt((np.var(x, axis=0) + np.var(y, axis=0)) / 2)
    differs = np.divide(shift, spread, out=np.zeros_like(shift), where=spread > 0)
    chosen = np.argsort(-np.abs(differs), kind="stable")[:FEATURES]
    rows = -(-len(chosen) // 2)
    with canvas(len(chosen), columns=2, height=0.55 + 1.45 * rows) as (figure, axes):
        for axis, column in zip(axes, chosen, strict=True):
            histograms(axis, x[:, column], y[:, column], a, b)
            axis.set_title(f"{_feature(report, int(column))}   shift {differs[column]:+.2g} sd")
            axis.set_yticks([])
        legend(figure, report.names)
    which = f"The {len(chosen)} of {report.d} features" if report.d > len(chosen) else "The features"
    return Picture(
        "Features that differ most",
        f"{which} with the largest difference of means, in standard deviations, counted from 0. Curves "
        "that cover each other agree; the end bins hold everything beyond them.",
        f"Overlaid histograms of {len(chosen)} features of {report.names[0]} and {report.names[1]}.",
        figure,
    )


def _feature(report: Report, column: int) -> str:
    """A column's own name, where the samples were tables of as many columns."""
    known = report.columns if report.columns and len(report.columns) == report.d else None
    return shortened(known[column]) if known else f"feature {column}"


def projection(report: Report) -> Picture:
    """Both samples in one plane: the two features, or the first principal axes of the pooled points."""
    x, y = _drawn(report)
    labels = (_feature(report, 0), _feature(report, 1))
    how = "The two features."
    if report.d > 2:
        from sklearn.decomposition import PCA

        pca = PCA(2, random_state=0).fit(np.concatenate([x, y]))
        x, y = pca.transform(x), pca.transform(y)
        shares = 100 * np.nan_to_num(pca.explained_variance_ratio_)
        labels = (f"principal axis 1 ({shares[0]:.0f} % of variance)", f"axis 2 ({shares[1]:.0f} %)")
        how = "The plane in which the pooled points vary most."
    with canvas(1, columns=1, height=4.4) as (figure, axes):
        for rows, color, marker, order in zip((x, y), COLORS, ("o", "^"), (2, 3), strict=True):
            axes[0].scatter(
                rows[:, 0], rows[:, 1], s=9, color=color, marker=marker, alpha=0.45, linewidths=0,
                rasterized=len(rows) > 200, zorder=order,
            )  # fmt: skip
        axes[0].set_xlabel(labels[0])
        axes[0].set_ylabel(labels[1])
        legend(figure, report.names, markers=True)
    return Picture(
        "Common projection",
        f"{how} Where only one colour lies, the model leaves a region out or makes things up. "
        + _how_many(x, y, report),
        f"Scatter plot of {report.names[0]} and {report.names[1]} in a common plane.",
        figure,
    )


def neighbor_distances(report: Report) -> Picture:
    """How near the model's points come to the reference, against the reference's own spacing."""
    x, y = _drawn(report)
    if len(x) < 2:
        return Picture("Nearest neighbours", "Left out: x has a single row, which has no neighbour.", "")
    to_x = np.linalg.norm(y - x[nearest(y, x, 1)[:, 0]], axis=1)
    within = np.linalg.norm(x - x[nearest(x, x, 1, exclude_self=True)[:, 0]], axis=1)
    x_name, y_name = report.names
    with canvas(1, columns=1, height=2.9) as (figure, axes):
        log = spans_decades(np.concatenate([within, to_x]))
        histograms(axes[0], within, to_x, np.ones(len(within)), np.ones(len(to_x)), log=log)
        axes[0].set_xlabel(f"distance to the nearest row of {shortened(x_name)}")
        axes[0].set_ylabel("share of rows")
        legend(figure, (f"within {x_name}", f"{y_name} to {x_name}"))
    copies = int((to_x == 0).sum())
    copied = f"{copies} of the {len(to_x)} drawn rows of {y_name} are exact copies. " if copies else ""
    return Picture(
        "Nearest neighbours",
        f"Orange to the left of blue: {y_name} sits closer to {x_name} than {x_name} to itself, as after "
        f"memorising. To the right: {y_name} strays from {x_name}. {copied}{_how_many(x, y, report)}",
        f"Histograms of nearest-neighbour distances within {x_name} and from {y_name} to {x_name}.",
        figure,
    )


def parzen_curve(report: Report) -> Picture:
    """The mean log density of held-out points as the width of the Parzen window grows."""
    from divergences.parzen import Parzen

    y = _drawn(report)[1]
    held_out = None if report.validation is None else _subsample(report.validation, None)
    fitted = Parzen.fit(y, validation=held_out) if held_out is not None else Parzen.fit(y)
    curve: Any = fitted.curve  # always there after fit
    bandwidths, heights = (np.asarray(part, dtype=float) for part in curve)
    order, chosen = np.argsort(bandwidths), float(fitted.bandwidth)
    top, last = heights[np.isfinite(heights)].max(), heights[order][-1]
    floor = top - max(4 * (top - last), 1.0)  # towards σ = 0 the curve falls without end
    with canvas(1, columns=1, height=2.9) as (figure, axes):
        axes[0].plot(bandwidths[order], heights[order], color=COLORS[1])
        axes[0].axvline(chosen, color=INK, linewidth=0.9, linestyle=":")
        axes[0].set_ylim(max(floor, heights.min()) - 0.05 * (top - floor), top + 0.08 * (top - floor))
        axes[0].annotate(
            f"σ = {chosen:.3g}",
            (chosen, 0.04),
            xycoords=("data", "axes fraction"),
            xytext=(5, 0),
            textcoords="offset points",
        )
        axes[0].set_xscale("log")
        axes[0].set_xlabel("window width σ")
        axes[0].set_ylabel("mean log density (nats)")
    source = "held-out rows" if held_out is not None else f"rows of {report.names[1]} left out in turn"
    return Picture(
        "Parzen window width",
        f"How likely {source} are under windows of width σ on {report.names[1]}; the dotted line is the "
        "choice. A top at the edge of the curve means that the true best lies beyond it. "
        + _how_many(y[:0], y, report),
        "Mean log density against window width, with the chosen width marked.",
        figure,
    )


def images(report: Report) -> Picture:
    """A few rows of each sample shown as images, both on the reference's scale of brightness."""
    x, y = _drawn(report, GRID_ROWS * GRID_COLUMNS)
    shape: Any = report.image_shape  # ``pictures`` asks only where rows are images
    low, high = x.min(), x.max()  # one wild pixel of y must not grey out the rest
    height = 0.35 + 2 * WIDTH * GRID_ROWS / GRID_COLUMNS * shape[0] / shape[1]
    with canvas(2, columns=1, height=min(height, 8.0)) as (figure, axes):
        for axis, rows, name, color in zip(axes, (x, y), report.names, COLORS, strict=True):
            scaled = np.clip((rows - low) / (high - low if high > low else 1.0), 0, 1)
            axis.imshow(
                mosaic(scaled, shape, (GRID_ROWS, GRID_COLUMNS)),
                cmap="gray",
                vmin=0,
                vmax=1,
                interpolation="nearest",
            )
            axis.set_title(shortened(name), color=color, loc="left", fontweight="bold")
            axis.set_axis_off()
    x_name, y_name = report.names
    return Picture(
        "Samples",
        f"Up to {GRID_ROWS * GRID_COLUMNS} rows of each sample, drawn at random. Look for kinds of image "
        f"that {x_name} has and {y_name} lacks, and for the same image again and again.",
        f"Two grids of images: {x_name} above, {y_name} below.",
        figure,
    )


# ── what they share ─────────────────────────────────────────────────────────────────────────


def _columns(report: Report) -> tuple[np.ndarray, np.ndarray]:
    return _matrix(report.x), _matrix(report.y)


def _matrix(sample: np.ndarray) -> np.ndarray:
    return np.asarray(sample, dtype=np.float64).reshape(len(sample), -1)


def _weights(report: Report) -> tuple[np.ndarray, np.ndarray]:
    a = np.ones(report.n) if report.x_weights is None else np.asarray(report.x_weights, np.float64)
    b = np.ones(report.m) if report.y_weights is None else np.asarray(report.y_weights, np.float64)
    return a, b


def _drawn(report: Report, limit: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most ``limit`` rows of each sample."""
    return (
        _subsample(report.x, report.x_weights, limit),
        _subsample(report.y, report.y_weights, limit),
    )


def _subsample(sample: np.ndarray, weights: np.ndarray | None, limit: int = POINTS) -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = len(sample)
    if weights is None:
        chosen = np.arange(rows) if rows <= limit else np.sort(rng.choice(rows, limit, replace=False))
    else:  # without replacement: a row drawn twice would look like a copy
        shares = np.asarray(weights, float) / np.sum(weights, dtype=float)
        chosen = np.sort(rng.choice(rows, min(limit, int(np.count_nonzero(shares))), replace=False, p=shares))
    return _matrix(sample[chosen])


def _how_many(x: np.ndarray, y: np.ndarray, report: Report) -> str:
    """Says that only some rows are drawn, where that is so."""
    parts = [
        f"{len(drawn)} of {rows} rows of {name}"
        for drawn, rows, name in zip((x, y), (report.n, report.m), report.names, strict=True)
        if 0 < len(drawn) < rows
    ]
    return f"Drawn from {' and '.join(parts)}." if parts else ""
