"""A primal network simplex over a pool of arcs, that keeps its basis when the pool changes.

The spanning-tree method of Cunningham (*A network simplex method*, 1976), whose leaving rule keeps
it from cycling; block search for the entering arc.
"""

# Compiled kernels carry no annotations: numba infers their types.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"
from __future__ import annotations

import math
import time

import numpy as np
from numba import njit

from divergences.transport.problem import Problem, arc_costs

__all__ = ["Basis", "too_late"]

BLOCK = 4  # times the root of the pool's size: arcs compared a pivot; pivots cost more than comparing
PIVOTS = 2000  # between looks at the clock


def too_late(deadline: float | None) -> bool:
    """Whether ``deadline``, of ``time.monotonic``, has passed."""
    return deadline is not None and time.monotonic() >= deadline


class Basis:
    """A spanning tree of rows, columns and a root, that carries a feasible plan and potentials.

    A node keeps the arc to its parent, so the tree does not refer to a pool: arcs outside it carry
    nothing, and the pool may change under it. Arcs to the root only hold the parts of the first plan
    together; they have no capacity, so each leaves the tree in the first cycle that meets it.
    """

    def __init__(self, problem: Problem, rows: np.ndarray, columns: np.ndarray, hint: np.ndarray) -> None:
        """A tree of the arcs given, the first that close no cycle; ``hint`` are potentials (u, v)."""
        self.n, self.total = problem.n, problem.n + problem.m
        self.supply, self.unit = _supply(problem)
        self.links = np.full((6, self.total + 1), -1, dtype=np.int32)
        self.values = np.zeros((3, self.total + 1))
        costs = arc_costs(problem, rows, columns)
        self.penalty = 2.0 * float(np.abs(costs).max()) or 1.0
        _plant(self.n, rows, columns + self.n, costs, self.supply, hint, self.links, self.values)
        _refresh(self.n, self.penalty, self.links, self.values)

    def improve(
        self, rows: np.ndarray, columns: np.ndarray, costs: np.ndarray, noise: float, deadline: float | None
    ) -> bool:
        """Pivot until no arc of the pool has a reduced cost below −noise; False if it got too late."""
        block, position = BLOCK * int(math.sqrt(len(rows))), 0
        rows, columns = rows.astype(np.int32), (columns + self.n).astype(np.int32)
        fresh = False
        while True:
            position = _pivot(
                self.n, rows, columns, costs, self.links, self.values, position, block, noise, PIVOTS
            )
            if too_late(deadline):
                return False
            if position >= 0:
                fresh = False
                continue
            top = self.links[0, :-1] == self.total
            outside = self.values[0, :-1][top].max(initial=0.0) > 1e-9
            if fresh and not outside:
                return True
            # potentials anew from the costs: the penalty and many shifts left rounding in them
            if outside:
                self.penalty *= 16.0
            _refresh(self.n, self.penalty, self.links, self.values)
            position, fresh = 0, True

    def plan(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # from the masses anew: what thousands of pivots added and took away left rounding in the flows
        _flow_from_masses(self.n, np.argsort(-self.links[1, :-1]), self.supply, self.links, self.values)
        parent, flow = self.links[0, :-1], self.values[0, :-1]
        node = np.flatnonzero((parent < self.total) & (flow > 0))
        is_row = node < self.n
        rows, columns = np.where(is_row, node, parent[node]), np.where(is_row, parent[node], node)
        return rows, columns - self.n, flow[node] * self.unit

    def potentials(self) -> tuple[np.ndarray, np.ndarray]:
        return self.values[2, : self.n].copy(), self.values[2, self.n : self.total].copy()


def _supply(problem: Problem) -> tuple[np.ndarray, float]:
    """What rows give and columns take (negative), and the mass of one unit: integers if all are equal."""
    n, m = problem.n, problem.m
    if np.all(problem.a == problem.a[0]) and np.all(problem.b == problem.b[0]):
        divisor = math.gcd(n, m)
        whole = np.concatenate([np.full(n, m // divisor), np.full(m, -(n // divisor))])
        return whole.astype(np.float64), float(problem.a.sum()) * divisor / (n * m)
    unit = float(problem.a.sum()) / max(n, m)
    return np.concatenate([problem.a, -problem.b]) / unit, unit


@njit(cache=True, nogil=True)
def _fill(rows, columns, a, b):
    """As much mass as still fits on one arc after the other; a and b are left with the rest."""
    mass = np.zeros(len(rows))
    for e in range(len(rows)):
        i, j = rows[e], columns[e]
        mass[e] = min(a[i], b[j])
        a[i] -= mass[e]
        b[j] -= mass[e]
    return mass


@njit(cache=True, nogil=True)
def _attach(node, parent, links):
    first = links[2, parent]
    links[0, node], links[3, node], links[4, node] = parent, first, -1
    if first >= 0:
        links[4, first] = node
    links[2, parent] = node


@njit(cache=True, nogil=True)
def _detach(node, links):
    right, left = links[3, node], links[4, node]
    if left >= 0:
        links[3, left] = right
    else:
        links[2, links[0, node]] = right
    if right >= 0:
        links[4, right] = left


@njit(cache=True, nogil=True)
def _find(group, node):
    while group[node] != node:
        group[node] = group[group[node]]
        node = group[node]
    return node


@njit(cache=True, nogil=True)
def _forest(total, rows, columns, costs):
    """The arcs that close no cycle, as neighbours of each node: (starts, neighbours, costs)."""
    group = np.arange(total)
    used = np.zeros(len(rows), dtype=np.bool_)
    starts = np.zeros(total + 1, dtype=np.int64)
    for e in range(len(rows)):
        p, q = _find(group, rows[e]), _find(group, columns[e])
        if p != q:
            group[q] = p
            used[e] = True
            starts[rows[e] + 1] += 1
            starts[columns[e] + 1] += 1
    starts = np.cumsum(starts)
    fill = starts[:-1].copy()
    neighbours, weights = np.empty(starts[-1], dtype=np.int64), np.empty(starts[-1])
    for e in range(len(rows)):
        if used[e]:
            for p, q in ((rows[e], columns[e]), (columns[e], rows[e])):
                neighbours[fill[p]], weights[fill[p]] = q, costs[e]
                fill[p] += 1
    return starts, neighbours, weights


@njit(cache=True, nogil=True)
def _plant(n, rows, columns, costs, supply, hint, links, values):
    """Fill the tree from arcs, with the flows that meet the masses; where one would be negative, cut."""
    total = len(supply)
    starts, neighbours, weights = _forest(total, rows, columns, costs)
    queue = np.empty(total, dtype=np.int64)
    tail = head = 0
    for seed in range(total):
        if links[0, seed] >= 0:
            continue
        links[0, seed] = total
        queue[tail] = seed
        tail += 1
        while head < tail:
            node = queue[head]
            head += 1
            for e in range(starts[node], starts[node + 1]):
                other = neighbours[e]
                if links[0, other] < 0:
                    links[0, other], values[1, other] = node, weights[e]
                    queue[tail] = other
                    tail += 1
    net = supply.copy()
    for k in range(total - 1, -1, -1):
        node = queue[k]
        flow = net[node] if node < n else -net[node]
        if links[0, node] < total and flow >= 0.0:
            values[0, node] = flow
            net[links[0, node]] += net[node]
        else:
            links[0, node], values[0, node], values[1, node] = total, abs(flow), hint[node]
            links[5, node] = 0 if abs(flow) < 1e-11 else (1 if flow > 0 else -1)
    for node in range(total):
        _attach(node, links[0, node], links)


@njit(cache=True, nogil=True)
def _refresh(n, penalty, links, values):
    """Depths and potentials from the tree; at the root a subtree with mass to give or take is dear."""
    root = links.shape[1] - 1
    links[1, root] = 0
    node = root
    while True:
        if links[2, node] >= 0:
            node = links[2, node]
        else:
            while node != root and links[3, node] < 0:
                node = links[0, node]
            if node == root:
                return
            node = links[3, node]
        parent = links[0, node]
        links[1, node] = links[1, parent] + 1
        if parent == root:
            values[2, node] = values[1, node] + penalty * links[5, node]
        else:
            values[2, node] = values[1, node] - values[2, parent]


@njit(cache=True, nogil=True)
def _flow_from_masses(n, deepest_first, supply, links, values):
    """The flow that the tree and the masses determine; below the root only what is left over."""
    root, net = links.shape[1] - 1, supply.copy()
    for node in deepest_first:
        parent = links[0, node]
        if parent < root:
            values[0, node] = max(net[node] if node < n else -net[node], 0.0)
            net[parent] += net[node]


@njit(cache=True, nogil=True)
def _room(n, node, from_row, links, flow):
    """How much the arc above ``node`` can lose: inf where it gains."""
    if links[0, node] == links.shape[1] - 1:
        if links[5, node] == 0:
            return 0.0
        loses = (node < n) == (from_row == (links[5, node] > 0))
    else:
        loses = (node < n) == from_row
    return flow[node] if loses else np.inf


@njit(cache=True, nogil=True)
def _entering(rows, columns, costs, potential, position, block, noise):
    """(arc, next position): the smallest reduced cost of the first block that has one below −noise."""
    best, arc, seen = -noise, -1, 0
    while seen < len(rows):
        for _ in range(min(block, len(rows) - seen)):
            reduced = costs[position] - potential[rows[position]] - potential[columns[position]]
            if reduced < best:
                best, arc = reduced, position
            position += 1
            if position == len(rows):
                position = 0
            seen += 1
        if arc >= 0:
            break
    return arc, position


@njit(cache=True, nogil=True)
def _leaving(n, i, j, links, flow):
    """(node whose arc leaves, mass that goes round, the join): the least flow against the cycle.

    Mass goes from row i to column j, and back through the tree: below i the arcs of rows lose, below j
    those of columns. Of several the last one on the way round leaves (Cunningham, *A network simplex
    method*, 1976), which keeps degenerate pivots from going in circles.
    """
    p, q = i, j
    delta_p, out_p, delta_q, out_q = np.inf, -1, np.inf, -1
    while p != q:
        if links[1, p] >= links[1, q]:
            room = _room(n, p, True, links, flow)
            if room < delta_p:
                delta_p, out_p = room, p
            p = links[0, p]
        else:
            room = _room(n, q, False, links, flow)
            if room <= delta_q:
                delta_q, out_q = room, q
            q = links[0, q]
    if delta_q <= delta_p:
        return out_q, delta_q, p, False
    return out_p, delta_p, p, True


@njit(cache=True, nogil=True)
def _rehang(n, i, j, out, from_row, cost, delta, shift, links, values):
    """Put the arc (i, j) into the tree for the one above ``out``, and shift the potentials below it."""
    inner, parent = (i, j) if from_row else (j, i)
    node, weight, flow = inner, cost, delta
    while True:
        next_node, next_flow, next_weight = links[0, node], values[0, node], values[1, node]
        _detach(node, links)
        _attach(node, parent, links)
        values[0, node], values[1, node] = flow, weight
        if node == out:
            break
        node, parent, weight, flow = next_node, node, next_weight, next_flow
    if not from_row:
        shift = -shift
    node = inner
    while True:
        links[1, node] = links[1, links[0, node]] + 1
        values[2, node] += shift if node < n else -shift
        if links[2, node] >= 0:
            node = links[2, node]
            continue
        while node != inner and links[3, node] < 0:
            node = links[0, node]
        if node == inner:
            break
        node = links[3, node]


@njit(cache=True, nogil=True)
def _pivot(n, rows, columns, costs, links, values, position, block, noise, limit):
    """At most ``limit`` pivots of the primal network simplex; the next position, −1 at the optimum."""
    flow, potential, root = values[0], values[2], links.shape[1] - 1
    for _ in range(limit):
        arc, position = _entering(rows, columns, costs, potential, position, block, noise)
        if arc < 0:
            return -1
        i, j = rows[arc], columns[arc]
        shift = costs[arc] - potential[i] - potential[j]
        out, delta, join, from_row = _leaving(n, i, j, links, flow)
        if delta > 0:
            for start, sign in ((i, -delta), (j, delta)):
                node = start
                while node != join:
                    turned = links[0, node] == root and links[5, node] < 0
                    flow[node] += sign if (node < n) != turned else -sign
                    node = links[0, node]
        _rehang(n, i, j, out, from_row, costs[arc], delta, shift, links, values)
    return position
