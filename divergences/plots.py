"""Pictures of a report: each function takes a ``Report`` and returns a ``Picture``.

They bin, project and draw, and measure nothing that the report does not already say. At most
``POINTS`` rows of each sample are drawn, chosen with a fixed seed (and by weight, if weighted).
Only matplotlib's object API is used: no window, no pyplot state, the user's settings untouched.
"""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from divergences._pairwise import nearest

if TYPE_CHECKING:
    from divergences._record import Report

__all__ = [
    "COLORS",
    "Picture",
    "distribution",
    "images",
    "marginals",
    "neighbor_distances",
    "parzen_curve",
    "pictures",
    "projection",
]

COLORS = ("#2b7bba", "#d95f0e")  # x blue, y orange: told apart by every kind of colour vision
INK = "#24292f"
POINTS = 2000
FEATURES = 6
WIDTH = 5.4  # inches: narrow enough to stay readable on a phone
GRID_ROWS, GRID_COLUMNS = 6, 10

STYLE = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "grid.color": INK,
    "grid.alpha": 0.12,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.facecolor": "none",
    "svg.hashsalt": "divergences",  # the same report gives the same file
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with the sentence that says how to read it. ``figure`` is None where none could be drawn."""

    title: str
    caption: str
    alt: str
    figure: Any = None

    def svg(self) -> str:
        """The drawing as SVG that follows the reader's light or dark scheme."""
        out = io.StringIO()
        with _style(), _quiet():
            self.figure.savefig(out, format="svg", dpi=160, metadata={"Date": None, "Creator": None})
        drawing = out.getvalue()
        drawing = drawing[drawing.index("<svg") :].replace(INK, "currentColor")
        scheme = f"<style>svg{{color:{INK}}}@media(prefers-color-scheme:dark){{svg{{color:#d8dde3}}}}</style>"
        return re.sub(r"(<svg[^>]*>)", lambda tag: tag[1] + scheme, drawing, count=1)

    def uri(self) -> str:
        """The SVG as a data URI."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg().encode()).decode()


def pictures(report: Report) -> list[Picture]:
    """Every picture that makes sense for the report; one that fails says so in place of the drawing."""
    drawers: list[tuple[str, Callable[[Report], Picture]]] = []
    if report.image_shape is not None:
        drawers.append(("Samples", images))
    if report.d == 1:
        drawers.append(("Distribution", distribution))
    else:
        drawers += [("Common projection", projection), ("Features that differ most", marginals)]
    drawers += [("Nearest neighbours", neighbor_distances), ("Parzen window width", parzen_curve)]
    drawn = []
    for title, draw in drawers:
        try:
            with _quiet():
                drawn.append(draw(report))
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            drawn.append(Picture(title, f"This picture could not be drawn. {reason}", ""))
    return drawn


# ── the pictures ────────────────────────────────────────────────────────────────────────────


def distribution(report: Report) -> Picture:
    """One-dimensional samples: histogram and distribution function, side by side."""
    (x, y), (a, b) = _columns(report), _weights(report)
    with _canvas(2, columns=2, height=2.6) as (figure, axes):
        _histograms(axes[0], x[:, 0], y[:, 0], a, b)
        axes[0].set_title("share of rows in each bin")
        for values, weights, color, dash in zip((x, y), (a, b), COLORS, ("-", "--"), strict=True):
            order = np.argsort(values[:, 0])
            heights = np.cumsum(weights[order]) / weights.sum()
            axes[1].step(values[order, 0], heights, where="post", color=color, linestyle=dash)
        axes[1].set_title("share of rows at or below")
        _legend(figure, report)
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
    with _canvas(len(chosen), columns=2, height=0.55 + 1.45 * rows) as (figure, axes):
        for axis, column in zip(axes, chosen, strict=True):
            _histograms(axis, x[:, column], y[:, column], a, b)
            axis.set_title(f"feature {column}   shift {differs[column]:+.2g} sd")
            axis.set_yticks([])
        _legend(figure, report)
    which = f"The {len(chosen)} of {report.d} features" if report.d > len(chosen) else "The features"
    return Picture(
        "Features that differ most",
        f"{which} with the largest difference of means, in standard deviations, counted from 0. Curves "
        "that cover each other agree; the end bins hold everything beyond them.",
        f"Overlaid histograms of {len(chosen)} features of {report.names[0]} and {report.names[1]}.",
        figure,
    )


def projection(report: Report) -> Picture:
    """Both samples in one plane: the two features, or the first principal axes of the pooled points."""
    x, y = _drawn(report)
    labels = ("feature 0", "feature 1")
    how = "The two features."
    if report.d > 2:
        from sklearn.decomposition import PCA

        pca = PCA(2, random_state=0).fit(np.concatenate([x, y]))
        x, y = pca.transform(x), pca.transform(y)
        shares = 100 * np.nan_to_num(pca.explained_variance_ratio_)
        labels = (f"principal axis 1 ({shares[0]:.0f} % of variance)", f"axis 2 ({shares[1]:.0f} %)")
        how = "The plane in which the pooled points vary most."
    with _canvas(1, columns=1, height=4.4) as (figure, axes):
        for rows, color, marker, order in zip((x, y), COLORS, ("o", "^"), (2, 3), strict=True):
            axes[0].scatter(
                rows[:, 0], rows[:, 1], s=9, color=color, marker=marker, alpha=0.45, linewidths=0,
                rasterized=len(rows) > 200, zorder=order,
            )  # fmt: skip
        axes[0].set_xlabel(labels[0])
        axes[0].set_ylabel(labels[1])
        _legend(figure, report, markers=True)
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
    with _canvas(1, columns=1, height=2.9) as (figure, axes):
        log = _spans_decades(np.concatenate([within, to_x]))
        _histograms(axes[0], within, to_x, np.ones(len(within)), np.ones(len(to_x)), log=log)
        axes[0].set_xlabel(f"distance to the nearest row of {_shortened(x_name)}")
        axes[0].set_ylabel("share of rows")
        _legend(figure, report, labels=(f"within {x_name}", f"{y_name} to {x_name}"))
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
    with _canvas(1, columns=1, height=2.9) as (figure, axes):
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
    with _canvas(2, columns=1, height=min(height, 8.0)) as (figure, axes):
        for axis, rows, name, color in zip(axes, (x, y), report.names, COLORS, strict=True):
            scaled = np.clip((rows - low) / (high - low if high > low else 1.0), 0, 1)
            axis.imshow(_mosaic(scaled, shape), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(_shortened(name), color=color, loc="left", fontweight="bold")
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


@contextmanager
def _quiet() -> Iterator[None]:
    """What a measure warns of stands in the report's table; a font without a sign is no news."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib

    plain = {key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"}
    with matplotlib.rc_context({**plain, **STYLE}):
        yield


@contextmanager
def _canvas(panels: int, *, columns: int, height: float) -> Iterator[tuple[Any, list[Any]]]:
    """A figure of the usual width and ``panels`` axes in it, in our own style throughout."""
    with _style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        rows = -(-panels // columns)
        yield figure, [figure.add_subplot(rows, columns, k + 1) for k in range(panels)]


def _histograms(
    axis: Any, x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, *, log: bool = False
) -> None:
    """The share of each sample's weight in common bins; the end bins take what lies beyond them."""
    pooled = np.concatenate([x, y])
    low, high = np.quantile(pooled[pooled > 0] if log else pooled, [0.001, 0.999])
    if low == high:
        low, high = pooled.min(), pooled.max()
    if low == high:
        low, high = low - 0.5, high + 0.5
    bins = int(np.clip(np.sqrt(min(len(x), len(y))), 10, 50))
    edges = np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)
    for values, weights, color, dash in zip((x, y), (a, b), COLORS, ("-", "--"), strict=True):
        inside = np.clip(values, edges[0], edges[-1])
        shares = np.histogram(inside, edges, weights=weights / weights.sum())[0]
        axis.stairs(shares, edges, fill=True, color=color, alpha=0.2)
        axis.stairs(shares, edges, color=color, linestyle=dash, linewidth=1.2)
    if log:
        axis.set_xscale("log")


def _spans_decades(values: np.ndarray) -> bool:
    """Whether a linear axis would squash most of these non-negative values into one bin."""
    low, high = np.quantile(values, [0.1, 0.99])
    return bool(0 < 30 * low < high)


def _legend(
    figure: Any, report: Report, *, labels: tuple[str, str] | None = None, markers: bool = False
) -> None:
    from matplotlib.lines import Line2D

    shapes = (("", "o"), ("", "^")) if markers else (("-", ""), ("--", ""))
    handles = [
        Line2D([], [], color=color, linestyle=line, marker=marker)
        for color, (line, marker) in zip(COLORS, shapes, strict=True)
    ]
    texts = [_shortened(label) for label in labels or report.names]
    figure.legend(handles, texts, loc="outside upper left", ncols=2, handlelength=1.6)


def _shortened(name: str) -> str:
    """A label that fits, with matplotlib's own markup made plain."""
    short = name if len(name) <= 36 else name[:35] + "…"
    return short.replace("$", r"\$")


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


def _mosaic(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rows as tiles of one image, with gaps; NaN (left unpainted) where a tile is missing."""
    height, width, *channels = shape
    tiles = np.full((GRID_ROWS * GRID_COLUMNS, height + 1, width + 1, *channels), np.nan)
    tiles[: len(rows), :height, :width] = rows.reshape(len(rows), *shape)
    grid = tiles.reshape(GRID_ROWS, GRID_COLUMNS, height + 1, width + 1, *channels)
    whole = np.moveaxis(grid, 2, 1).reshape(GRID_ROWS * (height + 1), GRID_COLUMNS * (width + 1), *channels)
    if channels:  # imshow paints NaN in RGB black: give it an alpha channel instead
        painted = np.isfinite(whole[..., :1])
        return np.concatenate([np.nan_to_num(whole), painted], axis=-1)
    return whole
