"""The compiled visit: tasks of some rows against all columns, block of columns by block, tile by tile.

Products of float64 rows are taken in float64. Where only log sums are wanted they are first taken in
float32, whose error is bounded (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, §3.1:
|fl(x·y) − x·y| ≤ γ_d |x|·|y| whatever the order of summation): terms that the bound proves smaller
than a share ``NEGLIGIBLE`` of the sum, all together, are passed over, and all others are computed from
differences in float64. Where too many of them matter the tile is done again in float64.

Rows that came in float32 (``Request.single``) are multiplied in float32: their distances are then those
of rows that have moved by about a float32 rounding of their distance from the centre, in the way that the
samples themselves are known no better. What is near by that measure is taken from differences, and all
sums run in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from divergences._pairwise.blocks import Tiling, resident, slices
from divergences._pairwise.compiled import (
    Found,
    Tile,
    Wanted,
    differences_tile,
    direct_tile,
    finished_tile,
    product_tile,
    screened_tile,
)
from divergences._pairwise.compiled_single import single_tile, widened_tile
from divergences._pairwise.distances import CANCELLATION, DIRECT_DIMENSIONS
from divergences._pairwise.near import near_log_sums
from divergences._pairwise.spectrum import Spectrum
from divergences._pairwise.workers import shares_memory, spread

__all__ = ["Request", "compiled_visit"]

DIRECT_TILE = 512  # columns whose distances from one row stay in the first cache
SPECTRUM_ROWS, SPECTRUM_COLUMNS = 256, 8192  # of a tile whose rows each get a histogram
SCREENED_COLUMNS = 256  # fewer, and float32 saves nothing
SCREENED_SHARE = 24  # of a tile's terms at most one in so many may matter
SINGLE_CANCELLATION = 1 / 32  # CANCELLATION of products in float32
CLOSE_SHARE = 24  # of a tile's pairs at most one in so many may be taken from differences
NEGLIGIBLE = 1e-11  # relative: what all the terms passed over may add
SYMMETRIC_ROWS = 512  # of a task of a sample with itself
UNIT32 = 2.0**-24
LONG = 2e10  # multiplications from which on a visit takes seconds and shows its progress


class Request(NamedTuple):
    """What is wanted: (code, rate) of each function to sum, and the rates of log sums by row."""

    functions: tuple[tuple[int, float], ...] = ()
    rates: tuple[float, ...] = ()
    rooted: bool = False  # log sums of −rate · distance, not of its square
    many: bool = False  # log sums by histogram, where that suits
    single: bool = False  # the rows are float32


class _Centred:
    """Rows about a centre. The subtraction rounds, so these serve the products alone."""

    plain: np.ndarray
    centre: np.ndarray

    @cached_property
    def centred(self) -> np.ndarray:
        return self.plain - self.centre

    @cached_property
    def squares(self) -> np.ndarray:
        return np.einsum("ij,ij->i", self.centred, self.centred)

    @cached_property
    def single(self) -> np.ndarray:
        """To float32 on the way: rows in float32 need no centred ones in float64."""
        return np.subtract(self.plain, self.centre, out=np.empty(self.plain.shape, dtype=np.float32))

    @cached_property
    def single_squares(self) -> np.ndarray:
        """Of the rounded rows: of rows multiplied with themselves nothing is left."""
        return np.einsum("ij,ij->i", self.single, self.single, dtype=np.float64)


@dataclass
class Columns(_Centred):
    """Some rows of y, prepared for tiles; each form is made when it is first used."""

    start: int
    plain: np.ndarray  # (columns, d)
    centre: np.ndarray
    _shifted: tuple[np.ndarray, float] | None = None

    @property
    def stop(self) -> int:
        return self.start + len(self.plain)

    @cached_property
    def features(self) -> np.ndarray:
        return np.ascontiguousarray(self.plain.T)

    @cached_property
    def expanded(self) -> np.ndarray:
        """(y, 1, ‖y‖²): times (−2x, ‖x‖², 1) that is the squared distance."""
        return _beside(self.centred, 1.0, self.squares)

    def shifted(self, rate: float, logs: np.ndarray) -> tuple[np.ndarray, float]:
        """(y, −shift) in float32: times (x, 1) that is x·y − shift; and the largest shift.

        The logarithm of a term is 2 · rate · (x·y − shift) − rate · ‖x‖². Made once: all tasks of a
        visit have the same weights.
        """
        if self._shifted is None:
            shifts = 0.5 * self.squares - 0.5 / rate * logs
            largest = np.abs(shifts, where=np.isfinite(shifts), out=np.zeros_like(shifts)).max()
            with np.errstate(over="ignore"):
                self._shifted = _beside(self.centred, -shifts, dtype=np.float32), float(largest)
        return self._shifted


def _beside(rows: np.ndarray, *columns: Any, dtype: Any = np.float64) -> np.ndarray:
    """The rows with more features."""
    n, d = rows.shape
    out = np.empty((n, d + len(columns)), dtype=dtype)
    out[:, :d] = rows
    for k, column in enumerate(columns):
        out[:, d + k] = column
    return out


def compiled_visit(
    x: Any,
    y: Any,
    a: np.ndarray | None,
    b: np.ndarray | None,
    log_b: np.ndarray | None,
    own: np.ndarray | None,
    request: Request,
) -> tuple[list[float], np.ndarray | None]:
    """Sums of functions, and log sums ``(rates, n)``; ``y=None`` is x with itself."""
    itself = y is None
    others = x if itself else y
    (n, d), m = x.shape, others.shape[0]
    request = request._replace(single=request.single and d > DIRECT_DIMENSIONS)  # else nothing is multiplied
    if log_b is not None and not request.rooted:
        request = request._replace(many=Spectrum.suits(request.rates, log_b, single=request.single))
    label = f"{n} × {m} pairs" if float(n) * m * (d + 8) > LONG else None
    alone = not request.functions and not request.many and d <= DIRECT_DIMENSIONS
    if log_b is not None and alone and resident(x) and resident(others):
        x, others = (np.asarray(v, dtype=np.float64) for v in (x, others))
        return [], near_log_sums(x, others, log_b, own, request.rates, rooted=request.rooted, label=label)
    tiling = Tiling.of(n, m, d)
    centre = _centre(others, tiling)
    kept = list(_columns(others, centre, tiling)) if shares_memory() and resident(others) else None
    # rows in memory are read again for nothing: short tasks leave fewer pairs to be met twice
    rows = min(tiling.rows, SYMMETRIC_ROWS) if itself and kept else tiling.rows
    parts = list(slices(0, n, rows))
    arguments = (x, y, a, b, log_b, own, request, tiling, centre, kept)
    sums = np.zeros((len(parts), len(request.functions)))
    logs = np.empty((len(request.rates), n)) if request.rates else None
    for k, (part, (part_sums, part_logs)) in enumerate(
        zip(parts, spread(_task, parts, arguments, label=label), strict=True)
    ):
        sums[k] = part_sums
        if logs is not None:
            logs[:, part] = part_logs
    return [math.fsum(column) for column in sums.T], logs


def _centre(rows: Any, tiling: Tiling) -> np.ndarray:
    """About the mean of y the expansion cancels as little as it can; any point would be right."""
    return np.asarray(rows[slice(0, tiling.columns)]).mean(axis=0, dtype=np.float64)


def _columns(rows: Any, centre: np.ndarray, tiling: Tiling, start: int = 0) -> Iterator[Columns]:
    for where in slices(start - start % tiling.columns, rows.shape[0], tiling.columns):
        yield Columns(where.start, np.ascontiguousarray(rows[where], dtype=np.float64), centre)


def _task(
    part: slice,
    x: Any,
    y: Any,
    a: np.ndarray | None,
    b: np.ndarray | None,
    log_b: np.ndarray | None,
    own: np.ndarray | None,
    request: Request,
    tiling: Tiling,
    centre: np.ndarray,
    kept: list[Columns] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The rows ``part`` of x against all columns: (their share of the sums, their log sums)."""
    itself = y is None
    m = (x if itself else y).shape[0]
    rows = _Rows(np.ascontiguousarray(x[part], dtype=np.float64), centre, own, part, request, m)
    weights = b
    if itself and a is not None:
        # columns left of the block were met as rows before, so those to its right count twice
        weights = np.concatenate([a[: part.stop], 2.0 * a[part.stop :]])
    first = part.start if itself else 0
    source = x if itself else y
    for columns in kept or _columns(source, centre, tiling, first):
        if columns.stop > first:
            rows.meet(columns, max(first - columns.start, 0), weights, log_b, tiling)
    shares = rows.found.sums @ a[part] if a is not None and request.functions else np.zeros(0)
    with np.errstate(divide="ignore"):
        return shares, rows.found.tops + np.log(rows.found.totals)


class _Rows(_Centred):
    """Some rows of x and what has been summed for each of them so far."""

    def __init__(
        self,
        plain: np.ndarray,
        centre: np.ndarray,
        own: np.ndarray | None,
        part: slice,
        request: Request,
        m: int,
    ) -> None:
        self.plain = plain
        self.centre = centre
        self.own = np.zeros(0, dtype=np.int64) if own is None else np.asarray(own[part], dtype=np.int64)
        rates = np.array(request.rates, dtype=np.float64)
        self.wanted = Wanted(
            codes=np.array([code for code, _ in request.functions], dtype=np.int64),
            rates=np.array([rate for _, rate in request.functions], dtype=np.float64),
            log_rates=rates,
            rooted=bool(len(rates)) and request.rooted,
        )
        self.found = Found(
            sums=np.zeros((len(request.functions), len(plain))),
            tops=np.full((len(rates), len(plain)), -np.inf),
            totals=np.zeros((len(rates), len(plain))),
        )
        # relative: what a column's terms may lack; half for all terms e^−depth below the largest
        self.share = 0.5 * NEGLIGIBLE / m
        self.depth = -math.log(self.share)
        self.spectrum = Spectrum(rates) if request.many and not request.functions else None
        # one of a kind for all tiles: fresh pages cost more than the product
        self.buffers: dict[np.dtype, np.ndarray] = {}
        # float32 first, until it does not pay
        self.singles = request.single
        self.screens = len(rates) == 1 and not request.functions and not request.rooted and not request.single

    def meet(
        self,
        columns: Columns,
        start: int,
        weights: np.ndarray | None,
        log_b: np.ndarray | None,
        tiling: Tiling,
    ) -> None:
        """Reduce the distances to the columns from ``start`` of this block on."""
        where = slice(columns.start, columns.stop)
        nothing = np.zeros(len(columns.plain))
        b = nothing if weights is None else np.ascontiguousarray(weights[where])
        logs = nothing if log_b is None else np.ascontiguousarray(log_b[where])
        if self.spectrum is not None:
            self._counted(columns, start, logs, self.spectrum, tiling)
            return
        if self.plain.shape[1] <= DIRECT_DIMENSIONS:
            direct_tile(
                self.plain, columns.features, start, self.own, columns.start,
                b, logs, min(DIRECT_TILE, tiling.tile_columns), self.wanted, self.found,
            )  # fmt: skip
            return
        for width in slices(start, len(columns.plain), tiling.tile_columns):
            for height in slices(0, len(self.plain), tiling.tile_rows):
                tile = self._tile(columns, width, height, b, logs)
                if self.screens and len(tile.y) >= SCREENED_COLUMNS:
                    self.screens = self._screened(columns, width, height, tile, logs)
                    if self.screens:
                        continue
                if self.singles:
                    products, most = self._single(columns, width, height)
                    self.singles = single_tile(
                        products, tile, SINGLE_CANCELLATION, most, self.wanted, self.found
                    )
                    if self.singles:
                        continue
                    tile = self._tile(columns, width, height, b, logs)
                squared = self._product(self.expanded[height], columns.expanded[width])
                product_tile(squared, tile, CANCELLATION, self.wanted, self.found)

    def _tile(self, columns: Columns, width: slice, height: slice, b: np.ndarray, logs: np.ndarray) -> Tile:
        """The tile for ``single_tile`` while float32 pays, for all others after."""
        return Tile(
            x=self.plain[height],
            y=columns.plain[width],
            x_squares=(self.single_squares if self.singles else self.squares)[height],
            y_squares=(columns.single_squares if self.singles else columns.squares)[width],
            own=self.own[height],
            place=height.start,
            first=columns.start + width.start,
            b=b[width],
            logs=logs[width],
        )

    def _counted(
        self, columns: Columns, start: int, logs: np.ndarray, spectrum: Spectrum, tiling: Tiling
    ) -> None:
        """Log sums at many rates, by histogram."""
        step = max(1, int(tiling.tile_rows * tiling.tile_columns // SPECTRUM_COLUMNS))
        for width in slices(start, len(columns.plain), max(tiling.tile_columns, SPECTRUM_COLUMNS)):
            for height in slices(0, len(self.plain), min(step, SPECTRUM_ROWS)):
                if self.plain.shape[1] <= DIRECT_DIMENSIONS:
                    t = np.empty((height.stop - height.start, width.stop - width.start))
                    first = columns.start + width.start
                    rows, own = self.plain[height], self.own[height]
                    differences_tile(rows, columns.features, width.start, own, first, t)
                else:
                    t = self._squared(columns, width, height, logs)
                spectrum.add(t, logs[width], self.found.tops[:, height], self.found.totals[:, height])

    def _squared(self, columns: Columns, width: slice, height: slice, logs: np.ndarray) -> np.ndarray:
        """A tile's squared distances, inf where a row may not use a column."""
        tile = self._tile(columns, width, height, logs, logs)
        if self.singles:
            products, most = self._single(columns, width, height)
            out = self._space(products.shape, np.float64)
            self.singles = widened_tile(products, tile, SINGLE_CANCELLATION, most, out)
            if self.singles:
                return out
            tile = self._tile(columns, width, height, logs, logs)
        out = self._product(self.expanded[height], columns.expanded[width])
        finished_tile(out, tile, CANCELLATION)
        return out

    def _single(self, columns: Columns, width: slice, height: slice) -> tuple[np.ndarray, int]:
        """The inner products in float32, and how many of them may be mended."""
        products = self._product(self.single[height], columns.single[width])
        return products, products.size // CLOSE_SHARE

    def _product(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return np.matmul(rows, columns.T, out=self._space((len(rows), len(columns)), rows.dtype))

    def _space(self, shape: tuple[int, int], dtype: Any) -> np.ndarray:
        """Room for a tile, of no particular content."""
        dtype, size = np.dtype(dtype), shape[0] * shape[1]
        if dtype not in self.buffers or self.buffers[dtype].size < size:
            self.buffers[dtype] = np.empty(size, dtype=dtype)
        return self.buffers[dtype][:size].reshape(shape)

    def _screened(self, columns: Columns, width: slice, height: slice, tile: Tile, logs: np.ndarray) -> bool:
        """Whether the tile's float32 products were enough."""
        d, rate = self.plain.shape[1], float(self.wanted.log_rates[0])
        shifted, largest = columns.shifted(rate, logs)
        if not largest < 1e37:
            return False
        # γ_d of d + 1 products in float32 of two factors rounded to it, by Cauchy–Schwarz; what underflows
        size = np.sqrt(tile.x_squares * tile.y_squares.max())
        margins = 1.01 * UNIT32 * (d + 5) * (size + largest) + d * 1e-37
        brackets = self._product(self.shifted[height], shifted[width])
        most = brackets.size // SCREENED_SHARE
        share = self.share * len(tile.y)
        return bool(screened_tile(brackets, tile, margins, share, self.depth, most, rate, self.found))

    @cached_property
    def expanded(self) -> np.ndarray:
        return _beside(-2.0 * self.centred, self.squares, 1.0)

    @cached_property
    def shifted(self) -> np.ndarray:
        """(x, 1): times (y, −shift) that is x·y − shift."""
        return _beside(self.centred, 1.0, dtype=np.float32)
