"""What numbers do not show: nearest training rows beside samples, ways through the latent space, modes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from divergences._canvas import COLORS, INK, WIDTH, canvas, histograms, legend, mosaic
from divergences.plots import Picture
from gan.evaluation.modes import Coverage
from gan.evaluation.neighbors import Neighbors

__all__ = ["interpolations", "modes", "nearest_rows"]

SHOWN = 10  # samples beside their nearest training rows
POINTS = 2000  # training points drawn behind the paths


def nearest_rows(
    samples: np.ndarray, train: np.ndarray, found: Neighbors, image_shape: tuple[int, ...] | None
) -> Picture:
    """Samples of images above their nearest training images; of other data, the two sets of distances."""
    if image_shape is None:
        drawing = _distances(found)
        how = "Distances to the nearest training row, of generated samples and of data held out."
    else:
        some = slice(0, min(SHOWN, len(samples)))
        pairs = np.concatenate([samples[some], train[found.rows[some]]])
        drawing = _strips(
            pairs, image_shape, (2, len(pairs) // 2), ["generated above, nearest training below"]
        )
        how = "Above, samples; below each, the training image nearest to it."
    return Picture(
        "Nearest training rows",
        f"{how} A sample is nearer to a training row than a held-out row is in {100 * found.closer:.0f} % of "
        f"pairs (50 % for new data, towards 100 % for copies); {found.copies} of {len(found.rows):,} samples "
        "are equal to a training row.",
        "Generated samples and the training rows nearest to them.",
        drawing,
    )


def interpolations(paths: np.ndarray, train: np.ndarray, image_shape: tuple[int, ...] | None) -> Picture:
    """``paths`` (rows, steps, d): what the generator makes on the way from one noise vector to another."""
    rows, steps, d = paths.shape
    if image_shape is not None:
        drawing = _strips(paths.reshape(rows * steps, d), image_shape, (rows, steps), ["each row is one way"])
    elif d == 1:
        drawing = _lines(paths[:, :, 0])
    else:
        drawing = _ways(paths, train)
    return Picture(
        "Ways through the latent space",
        "From one noise vector to another in equal steps. Smooth changes with every step a plausible sample "
        "speak for a model that generalises; jumps between copies, for one that memorised. Between "
        "separate modes some steps must lie off the data.",
        "Samples along paths between pairs of noise vectors.",
        drawing,
    )


def modes(found: Mapping[str, Coverage]) -> Picture:
    """The share of each mode, for samples and truth."""
    with canvas(1, columns=1, height=2.6) as (figure, axes):
        count = next(iter(found.values())).of
        for (name, one), color, place in zip(found.items(), COLORS[::-1], (-0.2, 0.2), strict=False):
            axes[0].bar(np.arange(count) + place, one.shares, 0.4, color=color, label=name)
        axes[0].axhline(1 / count, color=INK, linewidth=0.9, linestyle=":")
        axes[0].set_xlabel("mode")
        axes[0].set_ylabel("share")
        axes[0].legend(loc="lower right")
    return Picture(
        "Modes",
        "The share of high-quality samples in each mode; the dotted line is the true share.",
        "Bars of the share of each mode.",
        figure,
    )


# ── drawing ─────────────────────────────────────────────────────────────────────────────────


def _strips(rows: np.ndarray, shape: tuple[int, ...], grid: tuple[int, int], titles: list[str]) -> Any:
    height = 0.35 + WIDTH * grid[0] * shape[0] / (grid[1] * shape[1])
    with canvas(1, columns=1, height=min(height, 8.0)) as (figure, axes):
        axes[0].imshow(
            mosaic(np.clip(rows, 0, 1), shape, grid), cmap="gray", vmin=0, vmax=1, interpolation="nearest"
        )
        axes[0].set_title(titles[0], loc="left")
        axes[0].set_axis_off()
    return figure


def _distances(found: Neighbors) -> Any:
    held_out, own = found.held_out_distances, found.distances
    with canvas(1, columns=1, height=2.6) as (figure, axes):
        histograms(axes[0], held_out, own, np.ones(len(held_out)), np.ones(len(own)))
        axes[0].set_xlabel("distance to the nearest training row")
        axes[0].set_ylabel("share of rows")
        legend(figure, ("held-out data", "generated"))
    return figure


def _lines(values: np.ndarray) -> Any:
    with canvas(1, columns=1, height=2.6) as (figure, axes):
        for way in values:
            axes[0].plot(np.linspace(0, 1, len(way)), way, color=COLORS[1])
        axes[0].set_xlabel("share of the way")
        axes[0].set_ylabel("sample")
    return figure


def _ways(paths: np.ndarray, train: np.ndarray) -> Any:
    """Ways over the training points: in their plane, or in that of their first principal axes."""
    rows = train[np.random.default_rng(0).permutation(len(train))[:POINTS]]
    labels = ("feature 0", "feature 1")
    if train.shape[1] > 2:
        from sklearn.decomposition import PCA

        pca = PCA(2, random_state=0).fit(rows)
        rows, labels = pca.transform(rows), ("principal axis 1", "principal axis 2")
        paths = pca.transform(paths.reshape(-1, paths.shape[2])).reshape(*paths.shape[:2], 2)
    with canvas(1, columns=1, height=4.4) as (figure, axes):
        axes[0].scatter(
            rows[:, 0], rows[:, 1], s=6, color=COLORS[0], alpha=0.3, linewidths=0, rasterized=True
        )
        for way in paths:
            axes[0].plot(way[:, 0], way[:, 1], color=COLORS[1], marker=".", markersize=4, linewidth=0.8)
        axes[0].set_xlabel(labels[0])
        axes[0].set_ylabel(labels[1])
    return figure
