"""The drawing that pictures share: one style, figures without pyplot, histograms, legends, mosaics.

Only matplotlib's object API is used: no window, no pyplot state, the user's settings untouched.
"""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "COLORS",
    "INK",
    "WIDTH",
    "Picture",
    "canvas",
    "histograms",
    "legend",
    "mosaic",
    "quiet",
    "shortened",
    "spans_decades",
    "svg",
]

COLORS = ("#2b7bba", "#d95f0e")  # x blue, y orange: told apart by every kind of colour vision
INK = "#24292f"
WIDTH = 5.4  # inches: narrow enough to stay readable on a phone

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


@contextmanager
def quiet() -> Iterator[None]:
    """What a measure warns of stands in the report's table; a font without a sign is no news."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def style() -> Iterator[None]:
    import matplotlib

    plain = {key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"}
    with matplotlib.rc_context({**plain, **STYLE}):
        yield


@contextmanager
def canvas(panels: int, *, columns: int, height: float) -> Iterator[tuple[Any, list[Any]]]:
    """A figure of the usual width and ``panels`` axes in it, in our own style throughout."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        rows = -(-panels // columns)
        yield figure, [figure.add_subplot(rows, columns, k + 1) for k in range(panels)]


def svg(figure: Any) -> str:
    """The drawing as SVG, its ink that of the reader's light or dark scheme."""
    out = io.StringIO()
    with style(), quiet():
        figure.savefig(out, format="svg", dpi=160, metadata={"Date": None, "Creator": None})
    drawing = out.getvalue()
    drawing = drawing[drawing.index("<svg") :].replace(INK, "currentColor")
    scheme = f"<style>svg{{color:{INK}}}@media(prefers-color-scheme:dark){{svg{{color:#d8dde3}}}}</style>"
    return re.sub(r"(<svg[^>]*>)", lambda tag: tag[1] + scheme, drawing, count=1)


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with the sentence that says how to read it. ``figure`` is None where none could be drawn."""

    title: str
    caption: str
    alt: str
    figure: Any = None

    def svg(self) -> str:
        """The drawing as SVG that follows the reader's light or dark scheme."""
        return svg(self.figure)

    def uri(self) -> str:
        """The SVG as a data URI."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg().encode()).decode()


def histograms(
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


def spans_decades(values: np.ndarray) -> bool:
    """Whether a linear axis would squash most of these non-negative values into one bin."""
    low, high = np.quantile(values, [0.1, 0.99])
    return bool(0 < 30 * low < high)


def legend(figure: Any, labels: Iterable[str], *, markers: bool = False) -> None:
    """What the two colours mean, above the panels."""
    from matplotlib.lines import Line2D

    shapes = (("", "o"), ("", "^")) if markers else (("-", ""), ("--", ""))
    handles = [
        Line2D([], [], color=color, linestyle=line, marker=marker)
        for color, (line, marker) in zip(COLORS, shapes, strict=True)
    ]
    texts = [shortened(label) for label in labels]
    figure.legend(handles, texts, loc="outside upper left", ncols=2, handlelength=1.6)


def shortened(name: str) -> str:
    """A label that fits, with matplotlib's own markup made plain."""
    short = name if len(name) <= 36 else name[:35] + "…"
    return short.replace("$", r"\$")


def mosaic(images: np.ndarray, shape: tuple[int, ...], grid: tuple[int, int]) -> np.ndarray:
    """Rows as tiles of one image, with gaps; NaN (left unpainted) where a tile is missing."""
    (rows, columns), (height, width, *channels) = grid, shape
    tiles = np.full((rows * columns, height + 1, width + 1, *channels), np.nan)
    tiles[: len(images), :height, :width] = images.reshape(len(images), *shape)
    parted = tiles.reshape(rows, columns, height + 1, width + 1, *channels)
    whole = np.moveaxis(parted, 2, 1).reshape(rows * (height + 1), columns * (width + 1), *channels)
    if channels:  # imshow paints NaN in RGB black: give it an alpha channel instead
        painted = np.isfinite(whole[..., :1])
        return np.concatenate([np.nan_to_num(whole), painted], axis=-1)
    return whole
