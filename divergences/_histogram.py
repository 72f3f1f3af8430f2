"""Common cells of two samples: edges, and the mass of each sample in every cell, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from divergences._arrays import Array, from_numpy, to_numpy
from divergences._inputs import Pair, check_integer, warn
from divergences._progress import Bar
from divergences._quantiles import distinct, quantile_cuts
from divergences._rows import Rows, working_memory

__all__ = ["common_cells"]

MOST_CELLS = 10_000_000
Weighted = tuple[np.ndarray, np.ndarray]  # rows and their masses


def common_cells(pair: Pair, bins: Any) -> tuple[Array, Array, tuple[np.ndarray, ...]]:
    """``pmf.histogram`` of a pair, in float64; ``bins`` and the edges returned are in the caller's unit.

    ``bins`` None: "quantile", as the estimator takes where nothing is asked for.
    """
    bins = "quantile" if bins is None else bins
    if pair.d > 3:
        raise ValueError(
            f"histogram takes 1 to 3 features; got {pair.d}: almost every cell would be empty. "
            "Use estimator='knn' or 'classifier', or choose features"
        )
    sides = _Sides(pair)
    edges = _edges(sides, bins)
    cells = math.prod(len(each) - 1 for each in edges)
    if cells > MOST_CELLS:
        raise ValueError(
            f"bins must make at most {MOST_CELLS:,} cells; these make {cells:,} in {pair.d} dimensions. Use "
            "fewer an axis"
        )
    p, q = (_masses(side, edges) for side in (sides.x(), sides.y()))
    if len(p) * 5 > min(sides.n, sides.m):
        bias = (len(p) - 1) / 2 * (1 / sides.n + 1 / sides.m)
        warn(
            f"{len(p)} cells for {min(sides.n, sides.m)} samples: a plug-in divergence is biased upward by "
            f"about {bias:.2g} nats; use fewer bins or estimator='knn'"
        )
    origin = to_numpy(pair.origin)
    restored = tuple(e * pair.scale + origin[k] for k, e in enumerate(edges))
    return from_numpy(p / p.sum(), pair.x), from_numpy(q / q.sum(), pair.x), restored


def _masses(blocks: Iterable[Weighted], edges: list[np.ndarray]) -> np.ndarray:
    """The mass in every cell: blocks add up, so any part of the rows may be counted anywhere."""
    total = np.zeros([len(e) - 1 for e in edges])
    for rows, masses in blocks:
        total += np.histogramdd(rows, bins=edges, weights=masses)[0]
    return total.reshape(-1)


class _Sides:
    """The rows of a pair that carry mass, in blocks: rows of weight 0 must not stretch the grid."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.a, self.b = to_numpy(pair.a), to_numpy(pair.b)
        self.n, self.m = int(np.count_nonzero(self.a)), int(np.count_nonzero(self.b))
        self.low, self.high = np.full(pair.d, np.inf), np.full(pair.d, -np.inf)
        for rows, _ in self.both():
            self.low, self.high = (
                np.minimum(self.low, rows.min(axis=0)),
                np.maximum(self.high, rows.max(axis=0)),
            )

    def x(self) -> Iterator[Weighted]:
        return _with_mass(self.pair.x, self.a)

    def y(self) -> Iterator[Weighted]:
        return _with_mass(self.pair.y, self.b)

    def both(self) -> Iterator[Weighted]:
        """The even mixture of the two samples."""
        for side in (self.x(), self.y()):
            for rows, masses in side:
                yield rows, masses / 2

    def column(self, k: int) -> Iterator[Weighted]:
        for rows, masses in self.both():
            yield rows[:, k], masses


def _with_mass(side: Array | Rows, weights: np.ndarray) -> Iterator[Weighted]:
    if not isinstance(side, Rows):
        kept = weights > 0
        rows = to_numpy(side)
        yield (rows, weights) if kept.all() else (rows[kept], weights[kept])
        return
    with Bar(len(side), label="counting") as bar:
        for part, rows in side.blocks():
            kept = weights[part] > 0
            if kept.any():
                yield rows[kept].astype(np.float64, copy=False), weights[part][kept]
            bar.advance(len(rows))


# ── edges ───────────────────────────────────────────────────────────────────────────────────


def _edges(sides: _Sides, bins: Any) -> list[np.ndarray]:
    d = sides.pair.d
    if isinstance(bins, str) and bins == "quantile":
        return [_quantile_edges(sides, k) for k in range(d)]
    if isinstance(bins, str):  # NumPy's rules want the whole column
        columns = (np.concatenate([column for column, _ in sides.column(k)]) for k in range(d))
        return [_rule_edges(column, bins) for column in columns]
    if not isinstance(bins, (list, tuple)) and np.ndim(bins) == 0:  # np.ndim fails on edges of two lengths
        count = check_integer(bins, "bins")
        return [_equal_edges(sides.low[k], sides.high[k], count) for k in range(d)]
    given = [bins] if len(bins) == 0 or np.ndim(bins[0]) == 0 else list(bins)
    if len(given) != d:
        raise ValueError(f"bins must give edges for each of the {d} features; got {len(given)} arrays")
    return [_given_edges(sides, k, edges) for k, edges in enumerate(given)]


def _given_edges(sides: _Sides, k: int, edges: Any) -> np.ndarray:
    scale, origin = sides.pair.scale, to_numpy(sides.pair.origin)[k]
    edges = (np.asarray(edges, dtype=np.float64) - origin) / scale
    if edges.ndim != 1 or len(edges) < 2 or not np.all(np.diff(edges) > 0):
        raise ValueError("bins must be increasing edges, at least two an axis")
    low, high = sides.low[k], sides.high[k]
    if low < edges[0] or high > edges[-1]:
        raise ValueError(
            f"bins must cover the samples; feature {k} spans [{low * scale + origin:g}, "
            f"{high * scale + origin:g}], beyond the given edges. Widen them, or clip the samples"
        )
    return edges


def _quantile_edges(sides: _Sides, k: int) -> np.ndarray:
    """Edges midway between distinct values, at equal masses of the even mixture of the two samples.

    The number of cells is even, so that the mixture's median, which parts disjoint samples of any
    two sizes, is an edge. Few distinct values are discrete data: a cell each.
    """
    low, high = float(sides.low[k]), float(sides.high[k])
    if low == high:
        return _equal_edges(low, high, 1)
    cells = max(2, 2 * round(min(sides.n, sides.m) ** (1 / (3 * sides.pair.d)) / 2))

    def blocks() -> Iterator[Weighted]:
        return sides.column(k)

    values = distinct(blocks, 2 * cells)
    if values is not None:
        below, above = values[:-1], values[1:]
    else:
        levels = np.arange(1, cells) / cells
        whole = not (isinstance(sides.pair.x, Rows) or isinstance(sides.pair.y, Rows))
        limit = np.inf if whole else working_memory() / 64  # sorting takes about eight times its input
        below, above = quantile_cuts(blocks, levels, low, high, sides.n + sides.m, limit)
    return np.concatenate([[low], below / 2 + above / 2, [high]])


def _rule_edges(column: np.ndarray, rule: str) -> np.ndarray:
    try:
        edges = np.histogram_bin_edges(column, bins=rule)
    except ValueError as error:
        if "is not a valid estimator" not in str(error):
            raise _stretched(rule, "too many") from None  # the name is right
        raise ValueError(
            f"bins must be 'quantile', a NumPy rule ('auto', 'fd', 'scott', 'sturges' …), an integer "
            f"or edges; got {rule!r}"
        ) from None
    except MemoryError:
        edges = np.empty(10**6)
    if len(edges) > 10**5:
        raise _stretched(rule, str(len(edges)))
    return edges


def _stretched(rule: str, count: str) -> ValueError:
    return ValueError(
        f"the rule {rule!r} asks for {count} bins: an outlier stretches the range. "
        "Use bins='quantile' or give edges"
    )


def _equal_edges(low: float, high: float, count: int) -> np.ndarray:
    if low == high:  # one value: a cell around it
        pad = max(abs(low), 1.0) / 2
        low, high = low - pad, high + pad
    return np.linspace(low, high, count + 1)
