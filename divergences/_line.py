"""Two samples on a line, many numbers at a time: the area between their CDFs, and sorting.

``wasserstein`` and ``energy`` in one dimension, and every direction of a sliced distance, come here
once there is enough to do. Plain float64 NumPy of order 1, as a Pair holds them; ``a`` and ``b`` are
masses that sum to 1, both None where all are equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from divergences._arrays import carries_gradient, is_torch, to_numpy
from divergences._inputs import Pair

__all__ = ["area", "coupled", "pays", "squared_area", "unequal_masses"]

EPS = float(np.finfo(np.float64).eps)
COMPILED = 2**20  # numbers from which a compiled sort pays for loading: measured, 0.6 s against 55 ns each
OCCUPANCY, CELLS = 16, 2**16  # numbers in a cell, on average; at most so many cells
CLEAR = 1.5  # a CDF gap so many times what a cell could take from it keeps its sign there


def pays(pair: Pair, numbers: int) -> bool:
    """Whether compiled loops are to sort ``numbers`` of this pair: by size alone, so that runs repeat.

    Tensors on other devices and whatever carries a gradient are left to their own library.
    """
    arrays = pair.x, pair.y, pair.a, pair.b
    on_cpu = all(not is_torch(array) or array.device.type == "cpu" for array in arrays)
    return numbers >= COMPILED and max(pair.n, pair.m) < 2**31 and on_cpu and not carries_gradient(*arrays)


def unequal_masses(pair: Pair) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The masses of both samples in NumPy; None, both, where all are equal."""
    return (None, None) if pair.uniform else (to_numpy(pair.a), to_numpy(pair.b))


# ── areas between CDFs ──────────────────────────────────────────────────────────────────────


def area(pair: Pair) -> float:
    """∫ |F − G| dt, which is W_1 (Vallender 1974), mostly without sorting, in O(n).

    The line is cut into cells. Where |F − G| at a cell's left edge exceeds what the cell can take from
    it, its sign stays, and the integral over the cell needs only the cell's masses and first moments.
    The numbers of the other cells, a few about each crossing, are sorted. Every cell adds a positive
    area, known to a small multiple of its rounding, so the sum is.
    """
    from divergences import _line_kernels as kernels

    (x, y), (a, b) = _columns(pair), unequal_masses(pair)
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    if low == high:
        return 0.0
    count = max(1, min(CELLS, (len(x) + len(y)) // OCCUPANCY))
    rate = count / (high - low) * (1.0 - 4.0 * EPS)  # so that ``high`` is in the last cell
    edges = np.append(low + np.arange(count) / rate, high)
    unit_x, unit_y = (float(len(y)), float(len(x))) if a is None else (1.0, 1.0)  # whole numbers: exact
    (up, x_moment), (down, y_moment) = np.zeros((2, 2, count))
    kernels.tally(x, a, unit_x, low, rate, edges, up, x_moment)
    kernels.tally(y, b, unit_y, low, rate, edges, down, y_moment)
    gaps = _gaps(up, down)
    areas = np.abs((gaps + up - down) * np.diff(edges) - (x_moment - y_moment))
    clear = np.where(gaps >= 0, gaps >= CLEAR * down, -gaps >= CLEAR * up)
    total = float(np.sum(areas[clear]))
    if not clear.all():
        (x, a), (y, b) = (_sorted_in(kernels, s, w, low, rate, ~clear) for s, w in ((x, a), (y, b)))
        total += kernels.area_in_order(x, a, unit_x, y, b, unit_y, low, rate, edges, gaps)
    return total / (unit_x * unit_y)


def _gaps(up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """F − G at left edges, summed from the end that has less mass: a far tail keeps its digits."""
    change, both = up - down, np.cumsum(up + down)
    from_right = -np.cumsum(change[::-1])[::-1]
    return np.where(both < both[-1] / 2.0, np.cumsum(change) - change, from_right)


def _sorted_in(
    kernels: Any, values: np.ndarray, masses: np.ndarray | None, low: float, rate: float, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """The numbers, with their masses, that lie in wanted cells, in order."""
    found, found_masses = np.empty_like(values), None if masses is None else np.empty_like(masses)
    size = kernels.gather(values, masses, low, rate, wanted, found, found_masses)
    found, found_masses = found[:size], None if found_masses is None else found_masses[:size]
    return _sorted(kernels, found, found_masses) if size else (found, found_masses)


def _columns(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """The one coordinate of each sample."""
    x, y = (np.ascontiguousarray(to_numpy(sample)[:, 0]) for sample in (pair.x, pair.y))
    return x, y


def squared_area(pair: Pair) -> float:
    """∫ (F − G)² dt, half the energy distance (Székely 2003), by sorting."""
    from divergences import _line_kernels as kernels

    (x, y), (a, b) = _columns(pair), unequal_masses(pair)
    return float(kernels.squared_area(*_sorted(kernels, x, a), *_sorted(kernels, y, b)))


# ── quantiles ───────────────────────────────────────────────────────────────────────────────


def coupled(
    x: np.ndarray, y: np.ndarray, a: np.ndarray | None, b: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The gaps of the monotone coupling of x (n,) with y (m,), and their masses.

    Where n = m and all masses are equal there are n gaps, of equal mass (None).
    """
    from divergences import _line_kernels as kernels

    x, a = _sorted(kernels, x, a)
    y, b = _sorted(kernels, y, b)
    if a is None and len(x) == len(y):
        return np.subtract(x, y, out=x), None
    gaps, mass = np.empty((2, len(x) + len(y)))
    kernels.couple(x, a, y, b, 0.0 if a is None else len(gaps) * EPS, gaps, mass)
    return gaps, mass


def _sorted(
    kernels: Any, values: np.ndarray, masses: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """A copy of the numbers in order, and of their masses in the same order."""
    values, spare = np.array(values), np.empty(len(values))
    if masses is None:
        kernels.sort(values, None, spare, None)
    else:
        masses = np.array(masses)
        kernels.sort(values, masses, spare, np.empty(len(values)))
    return values, masses
