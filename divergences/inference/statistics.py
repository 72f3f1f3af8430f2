"""Statistics under every relabelling of the pooled rows at once.

Averages over pairs (energy, MMD) share one visit of the pairs; distances on the line share one sort;
any other metric is called once for each relabelling.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from divergences._arrays import detached, to_numpy
from divergences._inputs import DivergenceWarning, Pair
from divergences._pairwise import StationaryGrams, split_sums, spread
from divergences.inference.rows import with_rng
from divergences.kernels import PairKernel, pair_kernel
from divergences.registry import Metric

__all__ = ["Pooled", "at_once", "line_statistics", "split_statistics"]

AVERAGES = ("energy", "cramer", "squared_mmd", "kid")  # over pairs of rows
TASK = 16  # relabellings that a worker takes at a time
LINE_NUMBERS = 2**21  # of cumulative sums in memory at a time


@dataclass(frozen=True)
class Pooled:
    """Both samples: as a pair, and as rows z = (x, y) in the caller's coordinates."""

    pair: Pair
    z: np.ndarray

    @classmethod
    def of(cls, pair: Pair, x: Any, y: Any) -> Pooled:
        parts = [np.asarray(to_numpy(detached(side)), dtype=np.float64) for side in (x, y)]
        return cls(replace(pair, x=to_numpy(pair.x), y=to_numpy(pair.y)), np.concatenate(parts))

    @property
    def framed(self) -> np.ndarray:
        return np.concatenate([self.pair.x, self.pair.y])


def split_statistics(
    rows: Sequence[Metric], pooled: Pooled, chosen: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each metric under each relabelling, (metrics, splits), and the size of each one's rounding, (metrics,).

    ``chosen`` (splits, N) are the relabellings; metrics that draw all draw from ``seed``, for each
    relabelling anew, so that relabelled samples meet the same directions.
    """
    found = np.empty((len(rows), len(chosen)))
    sizes = np.empty(len(rows))
    kernels: dict[int, PairKernel] = {}
    for k, row in enumerate(rows):
        if pooled.pair.d == 1 and _line_power(row) is not None:
            found[k] = line_statistics(pooled, chosen, _line_power(row) or 0) * _line_factor(row)
            sizes[k] = _size(found[k])
            continue
        kernel = pair_kernel(row.name, pooled.pair, **row.options)
        if kernel is not None:
            kernels[k] = kernel
        else:
            found[k] = _one_by_one(row, pooled.z, chosen, seed)
            sizes[k] = _size(found[k])
    for together in _visits(kernels):
        values, scales = _by_pairs([kernels[k] for k in together], pooled, chosen)
        found[together], sizes[together] = values, scales
    return found, sizes


def _size(values: np.ndarray) -> float:
    """The largest of the finite ones."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


# ── averages over pairs ─────────────────────────────────────────────────────────────────────


def _visits(kernels: dict[int, PairKernel]) -> list[list[int]]:
    """Which can be had from the same blocks: those that are functions of distance, together."""
    stationary = [k for k, kernel in kernels.items() if isinstance(kernel.grams, StationaryGrams)]
    return [*([stationary] if stationary else []), *([k] for k in kernels if k not in stationary)]


def _by_pairs(
    kernels: Sequence[PairKernel], pooled: Pooled, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n, total = pooled.pair.n, pooled.pair.n + pooled.pair.m
    first = kernels[0]
    grams, places = first.grams, [[0]]
    parts_of = [kernel.grams.functions for kernel in kernels if isinstance(kernel.grams, StationaryGrams)]
    if parts_of:
        functions = list(dict.fromkeys(f for part in parts_of for f in part))
        grams = StationaryGrams(tuple(functions))
        places = [[functions.index(f) for f in part] for part in parts_of]
    count = max(max(place) for place in places) + 1
    z = pooled.z if first.raw else pooled.framed
    within, by_row, diagonals = split_sums(z, chosen, grams, count)
    values, sizes = np.empty((len(kernels), len(chosen))), np.empty(len(kernels))
    for k, (kernel, place) in enumerate(zip(kernels, places, strict=True)):
        # a mixture of kernels is one kernel
        inside = within[place].mean(axis=0)
        rows, diagonal = by_row[place].mean(axis=0), diagonals[place].mean(axis=0)
        met = _inside(chosen, rows)  # Σ over x's rows of their sums with all others
        across = met - inside
        outside = rows.sum() - 2.0 * met + inside
        m = total - n
        if kernel.unbiased:
            parts = inside / (n * (n - 1)), outside / (m * (m - 1)), across / (n * m)
        else:
            own = _inside(chosen, diagonal)
            parts = (inside + own) / n**2, (outside + diagonal.sum() - own) / m**2, across / (n * m)
        unit = kernel.factor * pooled.pair.scale**kernel.degree
        values[k] = unit * (parts[0] + parts[1] - 2.0 * parts[2])
        sizes[k] = abs(unit) * (abs(parts[0][0]) + abs(parts[1][0]) + 2.0 * abs(parts[2][0]))
    return values, sizes


def _inside(chosen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Σ u_i values_i for each relabelling."""
    found = [part.astype(np.float64) @ values for part in np.array_split(chosen, -(-len(chosen) // 64))]
    return np.concatenate(found)


# ── on the line ─────────────────────────────────────────────────────────────────────────────


def _line_power(row: Metric) -> int | None:
    """p where the metric is c ∫ |F − G|^p dt, in one dimension."""
    if row.name in ("energy", "cramer"):
        return 2
    if row.name == "wasserstein" and row.options.get("p", 1) == 1:
        return 1
    return None


def at_once(row: Metric, d: int) -> bool:
    """Whether all relabellings cost little more than one: averages over pairs, distances on the line."""
    return row.name in AVERAGES or (d == 1 and _line_power(row) is not None)


def _line_factor(row: Metric) -> float:
    return 2.0 if row.name == "energy" else 1.0


def line_statistics(pooled: Pooled, chosen: np.ndarray, p: int) -> np.ndarray:
    """∫ |F − G|^p dt for each relabelling, from one sort of all points."""
    z = pooled.framed[:, 0]
    order = np.argsort(z, kind="stable")
    gaps = np.diff(z[order])
    n, total = pooled.pair.n, len(z)
    m = total - n
    met = np.arange(1, total)  # points up to each gap
    found = np.empty(len(chosen))
    step = max(1, LINE_NUMBERS // total)
    for start in range(0, len(chosen), step):
        inside = np.cumsum(chosen[start : start + step, order[:-1]], axis=1, dtype=np.int64)
        difference = inside * (1.0 / n) - (met - inside) * (1.0 / m)
        powers = np.abs(difference) if p == 1 else difference * difference
        found[start : start + step] = powers @ gaps
    unit: float = pooled.pair.scale
    return found * unit


# ── any other ───────────────────────────────────────────────────────────────────────────────


def _one_by_one(row: Metric, z: np.ndarray, chosen: np.ndarray, seed: int) -> np.ndarray:
    """The metric of each relabelling; what the observed one warns of is said, once."""
    bound = with_rng(row, seed)
    observed = _task(slice(0, 1), bound, z, chosen)
    parts = [slice(k, min(k + TASK, len(chosen))) for k in range(1, len(chosen), TASK)]
    label = f"{row.name}, {len(chosen) - 1} permutations"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        rest = list(spread(_task, parts, (bound, z, chosen), label=label))
    return np.concatenate([observed, *rest])


def _task(part: slice, row: Metric, z: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    found = []
    for labels in chosen[part]:
        inside = labels.astype(bool)
        value = row(z[inside], z[~inside])
        if isinstance(value, tuple):
            raise ValueError(
                f"metric must have one value; {row.name} has {len(value)}. Test with one of the measures "
                "that evaluate lists"
            )
        found.append(float(value))
    return np.array(found)
