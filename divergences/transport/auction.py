"""Exact transport between two uniform clouds of one size: a lazy auction with ε-scaling.

Rows bid for columns: a row takes the column of least cost + price and raises its price until the column is
only as good as the row's second best, plus ε; whoever held the column bids again (Bertsekas, "The auction
algorithm", 1988; ε-scaling: Bertsekas, "Auction algorithms for network flow problems", 1992). An assignment
at ε costs at most n·ε more than the best, and ε falls phase by phase.

Prices only rise. So a row need only keep its k best columns and the k-th value: until its best listed value
passes that threshold, no column outside the list can be better, on the full graph. Lists are renewed by a
k-d tree query when they run out, the first prices come from coarser clouds (both ideas: Schmitzer, "A sparse
multiscale algorithm for dense optimal transport", 2016).
"""

# Compiled kernels carry no annotations: numba infers their types.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np

from divergences.transport.kdtree import LEAF, SQUARED, PriceTree, cost, nearest
from divergences.transport.ordering import coarsen, sort_points
from divergences.transport.problem import Problem, Solution

__all__ = ["solve"]

COARSEST = 300  # below twice this, no coarser level
FACTOR = 5.0  # ε falls by this much a phase
TINY = 1e-290  # an ε for problems whose costs are all zero
# Work is counted in opened leaves, about 0.1 µs each: the same on every machine, unlike seconds.
CHUNK = 200_000  # between two looks at the clock
REFIT = 30  # a row, between two fits of the tree's bounds
WAR = 600  # a row, in the first phase: then ε was too small
ROWS = 4096  # rows listed or checked between two looks at the clock


@numba.njit(cache=True, nogil=True)
def _renew(i, x, tree, lists, scratch):
    """A fresh list for row i, the search bounded by the old one at present prices; the leaves opened."""
    columns, costs, thresholds = lists
    found, values, pending, bounds = scratch
    points, prices, _, _, kind, power, dims = tree
    k = len(found)
    ceiling = np.inf
    if columns[i, 0] >= 0:
        ceiling = -np.inf
        for r in range(k):
            # The same operations as in the query, so that the old columns themselves pass the ceiling.
            ceiling = max(ceiling, costs[i, r] + prices[columns[i, r]])
    opened = nearest(x[i], tree, ceiling, found, values, pending, bounds)
    for r in range(k):
        columns[i, r] = found[r]
        costs[i, r] = cost(x[i], points[found[r]], kind, power, dims)
    thresholds[i] = values[k - 1]
    return opened


@numba.njit(cache=True, nogil=True)
def _scratch(k, depth):
    return np.empty(k, np.int64), np.empty(k), np.empty(depth + 2, np.int64), np.empty(depth + 2)


@numba.njit(cache=True, nogil=True)
def _fill(first, last, x, tree, lists):
    """First lists of rows first:last; sums of last − best value, best column's cost, cost in plain order."""
    points, _, _, depth, kind, power, dims = tree
    scratch = _scratch(lists[0].shape[1], depth)
    sums = np.zeros(3)
    for i in range(first, last):
        _renew(i, x, tree, lists, scratch)
        sums[0] += scratch[1][-1] - scratch[1][0]
        sums[1] += lists[1][i, 0]
        sums[2] += cost(x[i], points[i], kind, power, dims)
    return sums


@numba.njit(cache=True, nogil=True)
def _bid(queue, state, x, tree, lists, match, eps, most_work):
    """Let queued rows bid until none is left, or ``most_work`` leaves (and ten times as many bids) are spent.

    ``queue`` is a ring; ``state`` = its head, its length, bids so far, leaves opened so far. The second best
    value is cut at the threshold: that only makes a bid smaller, and keeps it valid with a short list.
    """
    columns, costs, thresholds = lists
    owner, column, paid = match
    n, k = columns.shape
    prices = tree[1]
    scratch = _scratch(k, tree[3])
    head, count, bids, work = state[0], state[1], 0, 0
    while count > 0 and work < most_work and bids < 10 * most_work:
        i = queue[head]
        head = head + 1 if head + 1 < n else 0
        count -= 1
        best, second, choice = np.inf, np.inf, -1
        for attempt in range(2):
            best, second = np.inf, np.inf
            for r in range(k):
                value = costs[i, r] + prices[columns[i, r]]
                if value < best:
                    best, second, choice = value, best, r
                elif value < second:
                    second = value
            if best <= thresholds[i] or attempt == 1:
                break
            work += _renew(i, x, tree, lists, scratch)
        j = columns[i, choice]
        prices[j] += max(min(second, thresholds[i]) - best, 0.0) + eps
        bids += 1
        loser = owner[j]
        owner[j], column[i], paid[i] = i, j, costs[i, choice]
        if loser >= 0:
            column[loser] = -1
            tail = head + count
            queue[tail if tail < n else tail - n] = loser
            count += 1
    state[0], state[1] = head, count
    state[2] += bids
    state[3] += work


@numba.njit(cache=True, nogil=True)
def _values(first, last, x, tree, lists, match, tolerated, values):
    """values[i] ≤ min_j c_ij + price_j, exact where the row may be more than ``tolerated`` above it."""
    columns, costs, thresholds = lists
    _, column, paid = match
    k = columns.shape[1]
    prices = tree[1]
    scratch = _scratch(k, tree[3])
    for i in range(first, last):
        now = paid[i] + prices[column[i]] if column[i] >= 0 else np.inf
        for attempt in range(2):
            best = np.inf
            for r in range(k):
                best = min(best, costs[i, r] + prices[columns[i, r]])
            values[i] = min(best, thresholds[i])
            if attempt == 1 or best <= thresholds[i] or now - values[i] <= tolerated:
                break
            _renew(i, x, tree, lists, scratch)


@numba.njit(cache=True, nogil=True)
def _release(queue, state, prices, match, values, eps):
    """Queue the rows without a column and those more than ε above their best; the latter lose theirs."""
    owner, column, paid = match
    count = 0
    for i in range(len(column)):
        j = column[i]
        if j >= 0 and paid[i] + prices[j] - values[i] <= eps:
            continue
        if j >= 0:
            owner[j], column[i] = -1, -1
        queue[count] = i
        count += 1
    state[0], state[1] = 0, count


class _Stop(Exception):
    """The deadline is past, or the work is more than an auction is worth."""


@dataclass
class _Clock:
    """Looked at between chunks: raises at the deadline, tells the progress."""

    deadline: float | None
    progress: Callable[[float], object] | None
    told: float = 0.0

    def look(self, fraction: float = 0.0) -> None:
        if self.progress is not None:
            self.told = max(self.told, min(fraction, 1.0))
            self.progress(self.told)
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise _Stop


class _Auction:
    """One level: the rows' lists, the assignment so far, and the prices (kept in the tree)."""

    def __init__(self, x: np.ndarray, y: np.ndarray, prices: np.ndarray, problem: Problem) -> None:
        self.n = len(x)
        self.x = x
        self.tree = PriceTree(y, prices, problem.p, problem.ground)
        # Squared costs have a clear best column; others have rays of nearly equal ones.
        k = min(self.n, 4 if self.tree.kind == SQUARED else 24)
        self.lists = np.full((self.n, k), -1), np.empty((self.n, k)), np.empty(self.n)
        self.match = np.full(self.n, -1), np.full(self.n, -1), np.zeros(self.n)
        self.values = np.full(self.n, -np.inf)
        self.queue = np.arange(self.n)
        self.state = np.array([0, self.n, 0, 0])
        self.phases = 0
        # About half of what a dense network simplex would take; no less than easy small problems need.
        self.allowed = max(10_000 * self.n, 2 * self.n * self.n)

    def run(self, tolerance: float, clock: _Clock) -> bool:
        """Phases until the gap is at most tolerance × cost; False if ε or the work allowed ends before."""
        sums = np.zeros(3)
        for first in range(0, self.n, ROWS):
            sums += _fill(first, min(first + ROWS, self.n), self.x, self.tree.kernel, self.lists)
            clock.look()
        # Too small a first ε is a price war. Ties make the first two scales zero, equal clouds all three.
        eps = float(np.max(sums * (10, 0.1, 0.01))) / self.n
        while True:
            self.phases += 1
            # Sums of a cost and a price err by this much: a smaller ε would be lost in them.
            floor = 2.0**-50 * (np.abs(self.tree.prices).max() + self.lists[1].max()) + TINY
            eps = self.phase(max(eps, floor), clock)
            if self.state[1]:
                return False
            gap, upper = self.gap(eps / FACTOR, clock)
            if gap <= 0.2 * tolerance * upper or eps <= floor:
                return bool(gap <= tolerance * upper + 4 * floor)
            eps /= FACTOR
            _release(self.queue, self.state, self.tree.prices, self.match, self.values, eps)

    def phase(self, eps: float, clock: _Clock) -> float:
        """Bid until every row has a column or the work allowed is done; returns ε.

        A first ε that is too small means a price war, many small bids for few columns: it grows. Later on
        it must not: the released rows would only fight again.
        """
        fitted = war = self.state[3]
        while self.state[1] and self.state[3] < self.allowed:
            _bid(self.queue, self.state, self.x, self.tree.kernel, self.lists, self.match, eps, CHUNK)
            if self.state[3] - fitted > REFIT * self.n:
                self.tree.refit()
                fitted = self.state[3]
            if self.phases == 1 and self.state[3] - war > WAR * self.n:
                eps, war = FACTOR * eps, self.state[3]
            clock.look(0.9 * (1 - self.state[1] / self.n))
        self.tree.refit()
        return eps

    def gap(self, tolerated: float, clock: _Clock) -> tuple[float, float]:
        """Mean gap and mean cost of a complete assignment."""
        for first in range(0, self.n, ROWS):
            last = min(first + ROWS, self.n)
            _values(first, last, self.x, self.tree.kernel, self.lists, self.match, tolerated, self.values)
            clock.look()
        _, column, paid = self.match
        return float(np.mean(paid + self.tree.prices[column] - self.values)), float(np.mean(paid))


def _levels(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(x, y), finest first; both sorted, so that four consecutive points are neighbours."""
    levels = [(x, y)]
    while len(levels[-1][0]) >= 2 * COARSEST:
        levels.append((coarsen(levels[-1][0]), coarsen(levels[-1][1])))
    return levels


def _sorted(points: np.ndarray) -> np.ndarray:
    return sort_points(points, max(0, int(np.ceil(np.log2(len(points) / LEAF)))))


def solve(
    problem: Problem,
    *,
    tolerance: float = 1e-9,
    deadline: float | None = None,
    progress: Callable[[float], object] | None = None,
) -> Solution:
    """An optimal assignment of two uniform clouds of one size, to a relative gap of ``tolerance``.

    ``deadline``: a value of ``time.monotonic()``; once past it, what is assigned is kept, the rest is
    completed in k-d order, and the solution is not converged. ``progress`` hears a rising fraction.
    """
    clock = _Clock(deadline, progress)
    rows, columns = _sorted(problem.x), _sorted(problem.y)
    levels = _levels(problem.x[rows], problem.y[columns])
    prices = np.zeros(len(levels[-1][1]))
    converged, phases = False, 0
    try:
        while levels:
            x, y = levels.pop()
            auction = _Auction(x, y, prices, problem)
            converged = auction.run(tolerance if not levels else 1e-3, clock)
            phases += auction.phases
            if levels:
                if auction.state[1]:
                    auction.values[:] = auction.tree.query(x, 1)[1][:, 0]
                # v_j = min_i c_ij − u_i of the coarse rows is feasible for any y, the finer ones too.
                duals = PriceTree(x, -auction.values, problem.p, problem.ground)
                prices = -duals.query(levels[-1][1], 1)[1][:, 0]
    except _Stop:
        converged = False
        if levels:
            auction = _refined(auction, *levels[0], problem)
    return _solution(problem, auction, rows, columns, phases, converged)


def _complete(auction: _Auction) -> None:
    """Give the free rows the free columns, in the order of both."""
    owner, column, _ = auction.match
    free = np.flatnonzero(column < 0)
    column[free] = np.flatnonzero(owner < 0)


def _refined(coarse: _Auction, x: np.ndarray, y: np.ndarray, problem: Problem) -> _Auction:
    """The finest level, when there is no time for it: a coarse assignment and its duals, carried over.

    Sorted points belong to coarse ones in blocks: rows are ranked by their block's partner.
    """
    _complete(coarse)
    values = coarse.tree.query(coarse.x, 1)[1][:, 0]
    duals = PriceTree(coarse.x, -values, problem.p, problem.ground)
    fine = _Auction(x, y, -duals.query(y, 1)[1][:, 0], problem)
    partner = coarse.tree.order[coarse.match[1]]
    ranked = np.argsort(partner[np.arange(fine.n) * coarse.n // fine.n], kind="stable")
    place = np.empty(fine.n, dtype=np.int64)  # of each sorted point in the tree
    place[fine.tree.order] = np.arange(fine.n)
    fine.match[1][ranked] = place
    return fine


def _solution(
    problem: Problem, auction: _Auction, rows: np.ndarray, columns: np.ndarray, phases: int, converged: bool
) -> Solution:
    """Complete the assignment and go back to the caller's order."""
    tree, column = auction.tree, auction.match[1]
    if np.any(column < 0):
        _complete(auction)
    u, v = np.empty(problem.n), np.empty(problem.n)
    if not converged:
        auction.values[:] = tree.query(auction.x, 1)[1][:, 0]
    u[rows] = auction.values
    target = columns[tree.order]
    v[target] = -tree.prices
    return Solution(rows, target[column], problem.a[rows], u, v, phases, converged)
