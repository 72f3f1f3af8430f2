"""Samples cut into tiles of near rows, in the form that the compiled search multiplies.

With x and y about a common centre, ‖x − y‖² = ‖x‖² + ‖y‖² − 2⟨x, y⟩. A product of d features in
precision u errs by at most (d + c) u · 2|x||y| ≤ (d + c) u (‖x‖² + ‖y‖²) whatever the order of
summation (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, §3.1), c for the rounding of
the factors, of the squares and of the sums. So with every ‖·‖² shrunk by the factor 1 − (d + 16) u
the expansion is a lower bound of the squared distance: near rows are never missed, and a far outlier
loosens its own bounds only.

Boxes about the tiles, in the data's own features or in 16 of their principal directions, bound whole
products: those that nothing can come of are not taken.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from divergences._neighbor_search.kernels import GROUP, fill_tiles

__all__ = ["Frame", "Side", "common_frame", "side"]

FEW_FEATURES = 60  # up to here twice as wide a tile is still multiplied without packing
SLICE_FEATURES = 240  # GROUP² times this: the largest product that BLAS does not pack first
BOX_AXES = 16
SAMPLE = 1000  # rows of each side that centre and directions are taken from: any would be right
LARGEST_SINGLE = 100_000  # features up to which the bound in float32 is worth anything
BLOCK_ROWS = 1024


class Frame(NamedTuple):
    """Origin and scale (a power of two, so exact) in which both sides are multiplied."""

    centre: np.ndarray
    scale: float
    axes: np.ndarray | None  # (d, BOX_AXES) orthonormal, or None: the features themselves
    single: bool

    @property
    def slack(self) -> float:
        """What rounding can have added to a squared box distance, where the largest feature is 1."""
        return 1e-12 * len(self.centre)

    @property
    def kernel(self) -> tuple[float, float]:
        return self.scale**2, self.slack


class Side(NamedTuple):
    """One sample in tiles, as the kernels take it; padded with rows that are infinitely far."""

    rows: np.ndarray  # (tiles, slices, width, features), or empty
    tiles: np.ndarray  # (tiles, slices, features, width): −2 times the rows, or empty
    low: np.ndarray  # (tiles, width): shrunken squared lengths
    order: np.ndarray  # (tiles, width): rows of the sample, −1 where padded
    boxes: np.ndarray  # (tiles, 2, axes): lowest and highest corner


def common_frame(x: np.ndarray, y: np.ndarray) -> Frame | None:
    """About the median, which outliers do not move; None where the data leave float64's range."""
    d = x.shape[1]
    sample = np.concatenate([s[:: max(1, len(s) // SAMPLE)] for s in ((x,) if y is x else (x, y))])
    centre = np.median(sample, axis=0)
    sides = (x,) if y is x else (x, y)
    largest = max(
        float(np.abs(edge - centre).max()) for s in sides for edge in (s.min(axis=0), s.max(axis=0))
    )
    if not 1e-140 < largest < 1e140:  # squares would leave the range; 0 is a constant sample
        return None
    scale = 2.0 ** -np.ceil(np.log2(largest))
    axes = None
    if d > BOX_AXES:
        spread = sample - centre
        spread *= scale
        axes = np.linalg.qr(np.random.default_rng(0).normal(size=(d, BOX_AXES)))[0]
        for _ in range(3):
            axes = np.linalg.qr(spread.T @ (spread @ axes))[0]
    return Frame(centre, float(scale), axes, single=d <= LARGEST_SINGLE)


def side(x: np.ndarray, frame: Frame, *, rows: bool, tiles: bool) -> Side:
    """Rows in spatial order, each tile its own box."""
    n, d = x.shape
    width = 2 * GROUP if d <= FEW_FEATURES else GROUP
    count, slices = -(-n // width), -(-d // SLICE_FEATURES)
    step = -(-d // slices)
    points = np.empty((n, d if frame.axes is None else BOX_AXES))
    for start in range(0, n, BLOCK_ROWS):
        part = (x[start : start + BLOCK_ROWS] - frame.centre) * frame.scale
        points[start : start + BLOCK_ROWS] = part if frame.axes is None else part @ frame.axes
    found = spatial_order(points, width)
    boxes = np.empty((count, 2, points.shape[1]))
    starts = np.arange(0, n, width)
    points = points[found]
    np.minimum.reduceat(points, starts, axis=0, out=boxes[:, 0])
    np.maximum.reduceat(points, starts, axis=0, out=boxes[:, 1])
    order = np.full(count * width, -1)
    order[:n] = found
    order = order.reshape(count, width)
    dtype = np.float32 if frame.single else np.float64
    made = Side(
        np.zeros((count if rows else 0, slices, width, step), dtype),
        np.zeros((count if tiles else 0, slices, step, width), dtype),
        np.empty((count, width), dtype),
        order,
        boxes,
    )
    fill_tiles(x, order, frame.centre, frame.scale, float(np.finfo(dtype).eps) / 2, *made[:3])
    return made


def spatial_order(points: np.ndarray, width: int) -> np.ndarray:
    """An order whose consecutive runs of ``width`` are near one another: the leaves of a k-d tree."""
    order = np.arange(len(points))
    pending = [(0, -(-len(points) // width))]
    while pending:
        first, last = pending.pop()
        if last - first < 2:
            continue
        middle = (first + last) // 2
        part = order[first * width : last * width]
        near = points[part]
        axis = int(np.argmax(near.max(axis=0) - near.min(axis=0)))
        order[first * width : last * width] = part[np.argpartition(near[:, axis], (middle - first) * width)]
        pending += [(first, middle), (middle, last)]
    return order
