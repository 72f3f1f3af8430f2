"""The k smallest c(x, y_j) + price_j over all j, without looking at all j.

A balanced k-d tree whose nodes carry a box and an affine lower bound of their prices (the lazy c-transform
of multiscale solvers: Schmitzer, "A sparse multiscale algorithm for dense optimal transport", 2016). Prices
that have risen since the last ``update`` leave every bound a lower bound. Nothing is pruned by guess: each
bound is lowered by what float64 can have added to it, so the answer is that of brute force.
"""

# Compiled kernels carry no annotations: numba infers their types.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"
from __future__ import annotations

import numba
import numpy as np

from divergences.transport.ordering import sort_points

__all__ = ["PriceTree", "cost", "fit", "nearest", "nearest_all"]

LEAF = 8
EPS = 2.0**-52
# Kinds of ground cost, as the kernels see them.
SQUARED, EUCLIDEAN, CITYBLOCK = 0, 1, 2
# Columns of the node table after the three blocks of d: low corner, high corner, gradient.
OFFSET, LOWEST, TANGENT = 0, 1, 2


@numba.njit(cache=True, nogil=True)
def _boxes(points, nodes, depth):
    n, d = points.shape
    for level in range(depth, -1, -1):
        for i in range(1 << level):
            node = nodes[(1 << level) + i]
            for k in range(d):
                low, high = np.inf, -np.inf
                if level == depth:
                    for s in range((i * n) >> level, ((i + 1) * n) >> level):
                        low, high = min(low, points[s, k]), max(high, points[s, k])
                else:
                    child = (1 << (level + 1)) + 2 * i
                    low = min(nodes[child, k], nodes[child + 1, k])
                    high = max(nodes[child, d + k], nodes[child + 1, d + k])
                node[k], node[d + k] = low, high


@numba.njit(cache=True, nogil=True)
def _slope(points, prices, first, last, matrix, slope):
    """Least-squares gradient of the prices over one node, by Cholesky with a little ridge."""
    d = points.shape[1]
    count = last - first
    centre = np.zeros(d)
    mean = 0.0
    for s in range(first, last):
        mean += prices[s]
        for k in range(d):
            centre[k] += points[s, k]
    mean /= count
    centre /= count
    matrix[:] = 0.0
    slope[:] = 0.0
    for s in range(first, last):
        for k in range(d):
            step = points[s, k] - centre[k]
            slope[k] += step * (prices[s] - mean)
            for q in range(k + 1):
                matrix[k, q] += step * (points[s, q] - centre[q])
    trace = 0.0
    for k in range(d):
        trace += matrix[k, k]
    if not trace > 0 or count <= d:
        slope[:] = 0.0
        return
    for k in range(d):
        matrix[k, k] += 1e-6 * trace
        for q in range(k + 1):
            value = matrix[k, q]
            for r in range(q):
                value -= matrix[k, r] * matrix[q, r]
            matrix[k, q] = np.sqrt(value) if q == k else value / matrix[q, q]
    for k in range(d):
        for q in range(k):
            slope[k] -= matrix[k, q] * slope[q]
        slope[k] /= matrix[k, k]
    for k in range(d - 1, -1, -1):
        for q in range(k + 1, d):
            slope[k] -= matrix[q, k] * slope[q]
        slope[k] /= matrix[k, k]
    for k in range(d):
        if not np.isfinite(slope[k]):  # any gradient is valid; none is as good as a broken one
            slope[:] = 0.0
            return


@numba.njit(cache=True, nogil=True)
def fit(points, prices, nodes, depth):
    """Fresh gradients, offsets and lowest prices for all nodes."""
    n, d = points.shape
    matrix, slope = np.empty((d, d)), np.empty(d)
    for level in range(depth + 1):
        for i in range(1 << level):
            node = nodes[(1 << level) + i]
            first, last = (i * n) >> level, ((i + 1) * n) >> level
            _slope(points, prices, first, last, matrix, slope)
            lowest, offset, largest = np.inf, np.inf, 0.0
            for s in range(first, last):
                value = prices[s]
                lowest, largest = min(lowest, value), max(largest, abs(value))
                for k in range(d):
                    value -= slope[k] * points[s, k]
                offset = min(offset, value)
            middle, size = 0.0, largest
            for k in range(d):
                node[2 * d + k] = slope[k]
                size += 2 * abs(slope[k]) * max(abs(node[k]), abs(node[d + k]))
                middle += slope[k] * (0.5 * node[k] + 0.5 * node[d + k])
            # All sums of prices and gradients, here and in the bounds, err by less than this.
            margin = (4 * d + 16) * EPS * size
            node[3 * d + OFFSET] = offset - margin
            node[3 * d + LOWEST] = lowest - margin
            node[3 * d + TANGENT] = offset + middle - margin


@numba.njit(cache=True, nogil=True, inline="always")
def cost(x, y, kind, power, dims):
    """c(x, y), every time by the same operations, so that equal pairs give equal numbers."""
    total = 0.0
    if kind == CITYBLOCK:
        for k in range(len(dims)):
            total += abs(x[k] - y[k])
        return total if power == 1 else total**power
    for k in range(len(dims)):
        step = x[k] - y[k]
        total += step * step
    if kind == SQUARED:
        return total
    return np.sqrt(total) if power == 1 else total ** (0.5 * power)


@numba.njit(cache=True, nogil=True)
def _bound_squared(x, node, dims):
    """min over the box of |x − y|² + g·y + offset: the square is completed one coordinate at a time."""
    d = len(dims)
    squares, total = 0.0, node[3 * d + OFFSET]
    for k in range(d):
        slope = node[2 * d + k]
        target = min(max(x[k] - 0.5 * slope, node[k]), node[d + k])
        step = x[k] - target
        squares += step * step
        total += slope * target
    return total + squares * (1 - (4 * d + 16) * EPS)


@numba.njit(cache=True, nogil=True)
def _bound_convex(x, node, kind, power, dims):
    """The better of two bounds: box distance + lowest price, and the cost's tangent at the box's centre.

    With w the tangent's slope and h the half widths, c(x, y) + g·y ≥ c(x, centre) + g·centre − Σ |w + g| h.
    """
    d = len(dims)
    nearest_, far = 0.0, 0.0
    for k in range(d):
        outside = max(node[k] - x[k], 0.0, x[k] - node[d + k])
        middle = 0.5 * node[k] + 0.5 * node[d + k] - x[k]
        if kind == CITYBLOCK:
            nearest_ += outside
            far += abs(middle)
        else:
            nearest_ += outside * outside
            far += middle * middle
    if kind != CITYBLOCK:
        nearest_, far = np.sqrt(nearest_), np.sqrt(far)
    steepness = 1.0
    centre_cost = far
    if power != 1:
        nearest_ = nearest_**power
        centre_cost = far**power
        steepness = power * centre_cost / far if far > 0 else 0.0
    shrink = (4 * d + 16) * EPS * (1 + power)
    flat = nearest_ * (1 - shrink) + node[3 * d + LOWEST]
    spread, size = 0.0, 0.0
    for k in range(d):
        middle = 0.5 * node[k] + 0.5 * node[d + k] - x[k]
        if kind == CITYBLOCK:
            slope = steepness if middle > 0 else (-steepness if middle < 0 else 0.0)
        else:
            slope = steepness * middle / far if far > 0 else 0.0
        half = node[d + k] - node[k]
        # The rounded centre may be off by an ulp of the corner: the half width takes that in.
        half = 0.5 * half * (1 + 2 * EPS) + 4 * EPS * max(abs(node[k]), abs(node[d + k]))
        spread += abs(slope + node[2 * d + k]) * half
        size += abs(slope) * half
    tangent = centre_cost * (1 - shrink) + node[3 * d + TANGENT] - spread * (1 + shrink) - size * shrink
    return max(flat, tangent)


@numba.njit(cache=True, nogil=True)
def nearest(x, tree, ceiling, columns, values, pending, bounds):
    """Fill columns and values with the len(values) least cost + price, ascending; return the leaves opened.

    ``ceiling``: at least that many columns are known to be this cheap, or inf. ``pending`` and ``bounds`` are
    scratch for the nodes still to be opened.
    """
    points, prices, nodes, depth, kind, power, dims = tree
    n = len(points)
    count = len(values)
    values[:] = ceiling
    columns[:] = -1
    # A column's value is rounded too: what lies this close above the limit may still round to it.
    guard = (2 * len(dims) + 8) * EPS * (1 + power)
    limit = ceiling + guard * abs(ceiling)
    first_leaf = 1 << depth
    pending[0], bounds[0] = 1, -np.inf
    top, opened = 1, 0
    while top > 0:
        top -= 1
        if bounds[top] > limit:
            continue
        i = pending[top]
        while 0 < i < first_leaf:  # down to a leaf on the cheaper side; the dearer side is kept for later
            near, far = 2 * i, 2 * i + 1
            if kind == SQUARED:
                low, high = _bound_squared(x, nodes[near], dims), _bound_squared(x, nodes[far], dims)
            else:
                low = _bound_convex(x, nodes[near], kind, power, dims)
                high = _bound_convex(x, nodes[far], kind, power, dims)
            if high < low:
                near, far = far, near
                low, high = high, low
            if high <= limit:
                pending[top], bounds[top] = far, high
                top += 1
            i = near if low <= limit else 0
        if i == 0:
            continue
        leaf = i - first_leaf
        opened += 1
        for s in range((leaf * n) >> depth, ((leaf + 1) * n) >> depth):
            value = cost(x, points[s], kind, power, dims) + prices[s]
            if value < values[count - 1] or (columns[count - 1] < 0 and value <= values[count - 1]):
                r = count - 1
                while r > 0 and (values[r - 1] > value or columns[r - 1] < 0):
                    values[r], columns[r] = values[r - 1], columns[r - 1]
                    r -= 1
                values[r], columns[r] = value, s
                limit = values[count - 1] + guard * abs(values[count - 1])
    return opened


@numba.njit(cache=True, nogil=True)
def nearest_all(queries, tree, columns, values):
    """``nearest`` for every row of ``queries``."""
    depth = tree[3]
    pending, bounds = np.empty(depth + 2, np.int64), np.empty(depth + 2)
    for i in range(len(queries)):
        nearest(queries[i], tree, np.inf, columns[i], values[i], pending, bounds)


class PriceTree:
    """A tree over ``points`` with ``prices``, both kept in the order ``order``."""

    def __init__(
        self, points: np.ndarray, prices: np.ndarray, p: float = 2.0, ground: str = "euclidean"
    ) -> None:
        points = np.ascontiguousarray(points, dtype=np.float64)
        n, d = points.shape
        self.power = float(p)
        self.kind = CITYBLOCK if ground == "cityblock" else SQUARED if p == 2 else EUCLIDEAN
        self.depth = max(0, int(np.ceil(np.log2(n / LEAF))))
        self.order = sort_points(points, self.depth)
        self.points = points[self.order]
        self.prices = np.zeros(n)
        self.nodes = np.zeros((2 << self.depth, 3 * d + 3))
        _boxes(self.points, self.nodes, self.depth)
        self.update(prices)

    @property
    def kernel(self) -> tuple:
        """What the compiled kernels take; the last item's length tells them d when they are compiled."""
        d = self.points.shape[1]
        return self.points, self.prices, self.nodes, self.depth, self.kind, self.power, (0,) * d

    def update(self, prices: np.ndarray) -> None:
        """Take new prices (in the caller's order) and fit every bound to them."""
        self.prices[:] = np.asarray(prices, dtype=np.float64)[self.order]
        self.refit()

    def refit(self) -> None:
        """Fit every bound to the present ``self.prices``; until then risen prices only make bounds loose."""
        fit(self.points, self.prices, self.nodes, self.depth)

    def query(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k smallest c(x, y_j) + price_j of every query: columns (q, k), values (q, k) ascending."""
        queries = np.ascontiguousarray(queries, dtype=np.float64)
        k = min(k, len(self.points))
        columns = np.empty((len(queries), k), dtype=np.int64)
        values = np.empty((len(queries), k))
        nearest_all(queries, self.kernel, columns, values)
        return self.order[columns], values
