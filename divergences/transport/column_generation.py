"""Exact transport by column generation: a linear program over few arcs, priced over all of them.

Only n + m − 1 of the n m arcs carry mass. A coarse problem gives starting potentials and a plan, the
arcs of smallest reduced cost make a pool, a network simplex solves the pool, pricing finds arcs
outside it that would still pay, and the simplex goes on from the basis it has (Schmitzer, *A sparse
multiscale algorithm for dense optimal transport*, 2016). It ends when primal and dual value agree.
Memory is linear in n + m.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from divergences.transport import dense
from divergences.transport.certificate import feasible_plan
from divergences.transport.pricing import TreeQueries, c_transform, suits_tree
from divergences.transport.problem import Problem, Solution, arc_costs, distinct
from divergences.transport.shortlist import Shortlist
from divergences.transport.simplex import Basis, too_late

__all__ = ["solve"]

ARCS = 16  # arcs a node in the first pool
PRICED = 6  # arcs a node that one pricing adds at most
GROUP = 4  # points that become one on the next coarser level
COARSEST = 400  # points a side up to which the dense simplex is as fast
COARSE_TOLERANCE = 1e-3  # a coarse level only has to give good potentials
CENTROID_DIMENSIONS = 8  # above, a centroid of neighbours is far from all of them: take one of them
POOL = 60  # arcs a node: beyond, arcs of large reduced cost are dropped
ROUNDS = 200  # never reached: an end for what only rounding errors keep alive
PRICED_ONCE = 0.3  # of the work is done when the finest level has been priced for the first time
NOISE = 1e-14  # of the largest cost: a reduced cost of this size is rounding


def solve(
    problem: Problem,
    *,
    tolerance: float = 1e-9,
    deadline: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> Solution:
    """An optimal plan and potentials, to a relative duality gap of ``tolerance``.

    At the ``deadline`` (of ``time.monotonic``) it returns what it has: a feasible plan, potentials
    and ``converged=False``. ``progress`` is called between rounds with a fraction of the work.
    """
    x_order, y_order = _orders(problem)
    # neighbours in space become neighbours in memory, which is worth a factor of three
    ordered = _taken(problem, x_order, y_order)
    solution = _solve(ordered, tolerance, deadline, progress)
    u, v = np.empty(problem.n), np.empty(problem.m)
    u[x_order], v[y_order] = solution.u, solution.v
    return replace(solution, rows=x_order[solution.rows], columns=y_order[solution.columns], u=u, v=v)


def _solve(
    problem: Problem,
    tolerance: float,
    deadline: float | None,
    progress: Callable[[float], None] | None = None,
) -> Solution:
    if max(problem.n, problem.m) <= COARSEST or min(problem.n, problem.m) == 1:
        return dense.solve(problem)
    coarse = _coarse(problem)
    start = _solve(coarse, max(tolerance, COARSE_TOLERANCE), deadline)
    plan = _lifted(problem, start)
    # the coarse potentials, extended to all rows
    u = c_transform(replace(problem, y=coarse.y, b=coarse.b, matrix=_matrix_columns(problem)), start.v)
    if too_late(deadline):
        return Solution(*plan, u, c_transform(problem.transposed, u), 0, False)
    lists = _lists(problem, coarse, start, u)
    if progress is not None:
        progress(PRICED_ONCE)
    pool = lists.arcs()
    rows, columns = np.divmod(pool, problem.m)
    reduced = arc_costs(problem, rows, columns) - lists.u[rows] - lists.v[columns]
    order = np.argsort(reduced, kind="stable")
    basis = Basis(problem, rows[order], columns[order], np.concatenate([lists.u, lists.v]))
    pool = distinct(pool, plan[0] * problem.m + plan[1])
    solution = _rounds(problem, basis, pool, lists, tolerance, deadline, progress)
    if solution.rounds <= 1 and not solution.converged:
        return _cheaper(problem, solution, plan)
    return solution


def _cheaper(problem: Problem, solution: Solution, plan: tuple[np.ndarray, ...]) -> Solution:
    """The solution with the lifted plan, where the simplex was stopped before it had a better one."""
    repaired = feasible_plan(problem, solution.rows, solution.columns, solution.mass)
    costs = [math.fsum(mass * problem.costs(rows, columns)) for rows, columns, mass in (repaired, plan)]
    if costs[0] <= costs[1]:
        return solution
    rows, columns, mass = plan
    return replace(solution, rows=rows, columns=columns, mass=mass)


def _lists(problem: Problem, coarse: Problem, start: Solution, u: np.ndarray) -> TreeQueries | Shortlist:
    """Pricing of the fine problem, from what the coarse one says of its potentials."""
    if suits_tree(problem):
        return TreeQueries(problem, u, ARCS)
    other = problem.transposed
    sparse = replace(other, y=coarse.x, b=coarse.a, matrix=_matrix_columns(other))
    return Shortlist(problem, u, c_transform(sparse, start.u), ARCS)


def _rounds(
    problem: Problem,
    basis: Basis,
    pool: np.ndarray,
    lists: TreeQueries | Shortlist,
    tolerance: float,
    deadline: float | None,
    progress: Callable[[float], None] | None,
) -> Solution:
    """Solve the pool, price everything, add what pays; the lists' potentials are feasible."""
    best, best_u, best_v = _dual_value(problem, lists.u, lists.v), lists.u, lists.v
    plan, done = basis.plan(), False
    for number in range(1, ROUNDS + 1):  # noqa: B007
        rows, columns = np.divmod(pool, problem.m)
        costs = arc_costs(problem, rows, columns)
        noise = NOISE * float(np.abs(costs).max())
        finished = basis.improve(rows, columns, costs, noise, deadline)
        plan = basis.plan()
        if not finished:
            break
        upper = math.fsum(plan[2] * problem.costs(plan[0], plan[1]))
        u, v = basis.potentials()
        more, feasible = lists.violations(u, v, noise, PRICED)
        value = _dual_value(problem, feasible, v)
        if value > best:
            best, best_u, best_v = value, feasible, v
        gap = upper - best
        done = gap <= 0.5 * tolerance * abs(upper) or len(more) == 0
        if progress is not None:
            fraction = 1.0 if done else _fraction(gap, abs(upper), tolerance)
            progress(PRICED_ONCE + (1.0 - PRICED_ONCE) * fraction)
        if done or too_late(deadline):
            break
        if len(pool) > POOL * (problem.n + problem.m):
            pool = pool[costs - u[rows] - v[columns] <= np.median(costs - u[rows] - v[columns])]
        pool = distinct(pool, more)
    return Solution(*plan, best_u, best_v, number, done)


def _dual_value(problem: Problem, u: np.ndarray, v: np.ndarray) -> float:
    return math.fsum(problem.a * u) + math.fsum(problem.b * v)


def _fraction(gap: float, value: float, tolerance: float) -> float:
    """How far a gap has come on the way from 1 to the tolerance, in decades."""
    relative = max(gap / max(value, 1e-300), tolerance)
    return float(np.clip(math.log(relative) / math.log(min(tolerance, 0.1)), 0.0, 0.99))


# ── levels ──────────────────────────────────────────────────────────────────────────────────


def _orders(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Orders in which neighbours in space are neighbours; random where space has too many dimensions."""
    if problem.matrix is None and 0 < problem.d <= CENTROID_DIMENSIONS:
        from scipy.spatial import cKDTree

        # sliding midpoints: a balanced split of many equal points would not end well
        trees = (cKDTree(points, leafsize=GROUP, balanced_tree=False) for points in (problem.x, problem.y))
        x_order, y_order = (np.asarray(tree.indices, dtype=np.int64) for tree in trees)
        return x_order, y_order
    rng = np.random.default_rng(0)  # any fixed seed: the answer does not depend on it
    return rng.permutation(problem.n), rng.permutation(problem.m)


def _taken(problem: Problem, rows: np.ndarray, columns: np.ndarray) -> Problem:
    matrix = None if problem.matrix is None else problem.matrix[np.ix_(rows, columns)]
    return replace(
        problem,
        x=problem.x[rows],
        a=problem.a[rows],
        y=problem.y[columns],
        b=problem.b[columns],
        matrix=matrix,
    )


def _coarse(problem: Problem) -> Problem:
    """Every ``GROUP`` consecutive points as one that has their mass: the first of them, or the centroid."""
    starts = np.arange(0, problem.n, GROUP), np.arange(0, problem.m, GROUP)
    coarse = _taken(problem, *starts)
    a, b = np.add.reduceat(problem.a, starts[0]), np.add.reduceat(problem.b, starts[1])
    if problem.matrix is None and 0 < problem.d <= CENTROID_DIMENSIONS:
        x = np.add.reduceat(problem.x * problem.a[:, None], starts[0]) / a[:, None]
        y = np.add.reduceat(problem.y * problem.b[:, None], starts[1]) / b[:, None]
        return replace(coarse, x=x, y=y, a=a, b=b)
    return replace(coarse, a=a, b=b)


def _matrix_columns(problem: Problem) -> np.ndarray | None:
    return None if problem.matrix is None else problem.matrix[:, ::GROUP]


def _lifted(problem: Problem, start: Solution) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A coarse plan as a plan of the fine points, again a forest.

    The mass of a group's coarse arcs, one after the other, fills its points one after the other, on
    both sides: along each coarse arc that is the north-west-corner rule.
    """
    by_row, by_column = np.lexsort((start.columns, start.rows)), np.lexsort((start.rows, start.columns))
    mass = start.mass[by_row]
    ends = np.cumsum(mass)
    starts = ends - mass
    other_starts = np.empty(len(mass))  # where the arc's mass begins among the columns
    other_starts[by_column] = np.cumsum(start.mass[by_column]) - start.mass[by_column]
    other_starts = other_starts[by_row]
    x_ends, y_ends = np.cumsum(problem.a), np.cumsum(problem.b)
    x_ends *= ends[-1] / x_ends[-1]
    y_ends *= ends[-1] / y_ends[-1]
    # the ends of the columns' masses, on the rows' line
    order = np.argsort(other_starts)
    arc = order[np.maximum(np.searchsorted(other_starts[order], y_ends) - 1, 0)]
    breaks = np.sort(np.concatenate([ends, x_ends, starts[arc] + y_ends - other_starts[arc]]))
    breaks = breaks[np.diff(breaks, prepend=0.0) > 1e-9 * ends[-1] / max(problem.n, problem.m)]
    begins = np.concatenate([[0.0], breaks[:-1]])
    middles = 0.5 * (begins + breaks)
    arc = np.minimum(np.searchsorted(ends, middles), len(mass) - 1)
    rows = np.minimum(np.searchsorted(x_ends, middles), problem.n - 1)
    on_y = other_starts[arc] + middles - starts[arc]
    columns = np.minimum(np.searchsorted(y_ends, on_y), problem.m - 1)
    return rows, columns, breaks - begins
