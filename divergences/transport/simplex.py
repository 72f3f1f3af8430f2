"""A primal network simplex over a pool of arcs, that keeps its basis when the pool changes.

The spanning-tree method of Cunningham (*A network simplex method*, 1976), whose leaving rule keeps
it from cycling; block search for the entering arc. The tree is kept as a list of its nodes in preorder,
in which every subtree is one stretch (Barr, Glover, Klingman, *Enhancements to spanning tree labelling
procedures for network optimization*, 1979).
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

BLOCK = 3  # times the root of the pool's size: arcs compared a pivot; pivots cost more than comparing
PIVOTS = 2000  # between looks at the clock

# rows of ``links``: the parent, how many nodes the subtree has, the next and the previous node in preorder
# (a ring through the root), the last node of the subtree; and of arcs to the root the sign of their flow
PARENT, SIZE, NEXT, PREVIOUS, LAST, SIGN = range(6)
# rows of ``values``: flow and cost of the arc to the parent, potential
FLOW, COST, POTENTIAL = range(3)


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
        self.links = np.full((6, self.total + 1), -1, dtype=np.int32)  # a row each: walks stay in cache
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
            top = self.links[PARENT, :-1] == self.total
            outside = self.values[FLOW, :-1][top].max(initial=0.0) > 1e-9
            if fresh and not outside:
                return True
            # potentials anew from the costs: the penalty and many shifts left rounding in them
            if outside:
                self.penalty *= 16.0
            _refresh(self.n, self.penalty, self.links, self.values)
            position, fresh = 0, True

    def plan(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # from the masses anew: what thousands of pivots added and took away left rounding in the flows
        _flow_from_masses(self.n, self.supply, self.links, self.values)
        parent, flow = self.links[PARENT, :-1], self.values[FLOW, :-1]
        node = np.flatnonzero((parent < self.total) & (flow > 0))
        is_row = node < self.n
        rows, columns = np.where(is_row, node, parent[node]), np.where(is_row, parent[node], node)
        return rows, columns - self.n, flow[node] * self.unit

    def potentials(self) -> tuple[np.ndarray, np.ndarray]:
        potential = self.values[POTENTIAL]
        return potential[: self.n].copy(), potential[self.n : self.total].copy()


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
        if links[PARENT, seed] >= 0:
            continue
        links[PARENT, seed] = total
        queue[tail] = seed
        tail += 1
        while head < tail:
            node = queue[head]
            head += 1
            for e in range(starts[node], starts[node + 1]):
                other = neighbours[e]
                if links[PARENT, other] < 0:
                    links[PARENT, other], values[COST, other] = node, weights[e]
                    queue[tail] = other
                    tail += 1
    net = supply.copy()
    for k in range(total - 1, -1, -1):
        node = queue[k]
        flow = net[node] if node < n else -net[node]
        if links[PARENT, node] < total and flow >= 0.0:
            values[FLOW, node] = flow
            net[links[PARENT, node]] += net[node]
        else:
            links[PARENT, node] = total
            values[FLOW, node], values[COST, node] = abs(flow), hint[node]
            links[SIGN, node] = 0 if abs(flow) < 1e-11 else (1 if flow > 0 else -1)
    _in_preorder(queue, links)


@njit(cache=True, nogil=True)
def _in_preorder(queue, links):
    """Sizes and the preorder of the tree of parents; in the queue parents come before their children."""
    total = len(queue)
    links[SIZE] = 1
    for k in range(total - 1, -1, -1):
        links[SIZE, links[PARENT, queue[k]]] += links[SIZE, queue[k]]
    place = np.zeros(total + 1, dtype=np.int64)  # of a node; then where its next child's subtree goes
    first = np.empty(total + 1, dtype=np.int64)
    order = np.empty(total + 1, dtype=np.int64)
    order[0], first[total], place[total] = total, 0, 1
    for node in queue:
        parent = links[PARENT, node]
        first[node] = place[parent]
        place[parent] += links[SIZE, node]
        place[node] = first[node] + 1
        order[first[node]] = node
    for k in range(total + 1):
        node, after = order[k], order[(k + 1) % (total + 1)]
        links[NEXT, node], links[PREVIOUS, after] = after, node
        links[LAST, node] = order[k + links[SIZE, node] - 1]


@njit(cache=True, nogil=True)
def _refresh(n, penalty, links, values):
    """Potentials from the tree; at the root a subtree with mass to give or take is dear."""
    root = links.shape[1] - 1
    node = links[NEXT, root]
    while node != root:
        parent = links[PARENT, node]
        if parent == root:
            values[POTENTIAL, node] = values[COST, node] + penalty * links[SIGN, node]
        else:
            values[POTENTIAL, node] = values[COST, node] - values[POTENTIAL, parent]
        node = links[NEXT, node]


@njit(cache=True, nogil=True)
def _flow_from_masses(n, supply, links, values):
    """The flow that the tree and the masses determine; below the root only what is left over."""
    root, net = links.shape[1] - 1, supply.copy()
    node = links[PREVIOUS, root]
    while node != root:
        parent = links[PARENT, node]
        if parent < root:
            values[FLOW, node] = max(net[node] if node < n else -net[node], 0.0)
            net[parent] += net[node]
        node = links[PREVIOUS, node]


@njit(cache=True, nogil=True)
def _room(n, node, from_row, links, flow):
    """How much the arc above ``node`` can lose: inf where it gains."""
    if links[PARENT, node] == links.shape[1] - 1:
        if links[SIGN, node] == 0:
            return 0.0
        loses = (node < n) == (from_row == (links[SIGN, node] > 0))
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
        if links[SIZE, p] <= links[SIZE, q]:  # then p is not above q
            room = _room(n, p, True, links, flow)
            if room < delta_p:
                delta_p, out_p = room, p
            p = links[PARENT, p]
        else:
            room = _room(n, q, False, links, flow)
            if room <= delta_q:
                delta_q, out_q = room, q
            q = links[PARENT, q]
    if delta_q <= delta_p:
        return out_q, delta_q, p, False
    return out_p, delta_p, p, True


@njit(cache=True, nogil=True)
def _cut(out, join, links):
    """Take the subtree of ``out`` from the ring: what is above it forgets it."""
    before, last, size = links[PREVIOUS, out], links[LAST, out], links[SIZE, out]
    after = links[NEXT, last]
    links[NEXT, before], links[PREVIOUS, after] = after, before
    node = links[PARENT, out]
    while node >= 0 and links[LAST, node] == last:
        links[LAST, node] = before
        node = links[PARENT, node]
    node = links[PARENT, out]
    while node != join:
        links[SIZE, node] -= size
        node = links[PARENT, node]


@njit(cache=True, nogil=True)
def _turn(inner, out, parent, cost, flow, links, values):
    """Make ``inner`` the root of the subtree of ``out``, below ``parent`` by a new arc.

    From inner to out every node becomes the child of the one before. What its subtree had beyond the
    subtree of that one, a stretch before and a stretch after it in the old preorder, follows in the new.
    """
    whole = links[SIZE, out]
    node, tail, follow = inner, -1, -1
    child_size, child_last, stretch_end = 0, -1, -1  # the old subtree of the node before
    while True:
        above, before = links[PARENT, node], links[PREVIOUS, node]
        size, last = links[SIZE, node], links[LAST, node]
        old_flow, old_cost = values[FLOW, node], values[COST, node]
        links[PARENT, node], values[FLOW, node], values[COST, node] = parent, flow, cost
        links[SIZE, node] = whole - child_size
        if node != inner:
            links[NEXT, tail], links[PREVIOUS, node] = node, tail
            tail = stretch_end
        if last != child_last:
            if node != inner:
                links[NEXT, tail], links[PREVIOUS, follow] = follow, tail
            tail, follow = last, links[NEXT, last]
        if node == out:
            break
        child_size, child_last, stretch_end = size, last, before
        parent, flow, cost = node, old_flow, old_cost
        node = above
    while node != inner:
        links[LAST, node] = tail
        node = links[PARENT, node]
    links[LAST, inner] = tail


@njit(cache=True, nogil=True)
def _hang(inner, parent, join, links):
    """Put the subtree of ``inner`` into the ring, right behind its parent."""
    tail, size, after = links[LAST, inner], links[SIZE, inner], links[NEXT, parent]
    links[NEXT, parent], links[PREVIOUS, inner] = inner, parent
    links[NEXT, tail], links[PREVIOUS, after] = after, tail
    node = parent
    while node >= 0 and links[LAST, node] == parent:
        links[LAST, node] = tail
        node = links[PARENT, node]
    node = parent
    while node != join:
        links[SIZE, node] += size
        node = links[PARENT, node]


@njit(cache=True, nogil=True)
def _shift(n, inner, shift, links, values):
    """Potentials of rows below ``inner`` up by ``shift``, of columns down; or the others the other way."""
    start, end = inner, links[NEXT, links[LAST, inner]]
    if 2 * links[SIZE, inner] > links.shape[1]:
        start, end, shift = end, start, -shift
    while start != end:
        values[POTENTIAL, start] += shift if start < n else -shift
        start = links[NEXT, start]


@njit(cache=True, nogil=True)
def _pivot(n, rows, columns, costs, links, values, position, block, noise, limit):
    """At most ``limit`` pivots of the primal network simplex; the next position, −1 at the optimum."""
    flow, potential, root = values[FLOW], values[POTENTIAL], links.shape[1] - 1
    for _ in range(limit):
        arc, position = _entering(rows, columns, costs, potential, position, block, noise)
        if arc < 0:
            return -1
        i, j = rows[arc], columns[arc]
        reduced = costs[arc] - potential[i] - potential[j]
        out, delta, join, from_row = _leaving(n, i, j, links, flow)
        if delta > 0:
            for start, sign in ((i, -delta), (j, delta)):
                node = start
                while node != join:
                    turned = links[PARENT, node] == root and links[SIGN, node] < 0
                    flow[node] += sign if (node < n) != turned else -sign
                    node = links[PARENT, node]
        inner, parent = (i, j) if from_row else (j, i)
        _cut(out, join, links)
        _turn(inner, out, parent, costs[arc], delta, links, values)
        _hang(inner, parent, join, links)
        _shift(n, inner, reduced if from_row else -reduced, links, values)
    return position
