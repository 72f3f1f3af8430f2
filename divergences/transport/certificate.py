"""The proof that goes with an exact transport: both bounds in float64, from the points alone.

Nothing a solver claims is used. The plan is repaired until its marginals hold and its cost is summed
anew; the dual values are made feasible by a c-transform over all pairs (Villani, *Topics in Optimal
Transportation*, 2003, §2.1). Weak duality then puts the true value between the two sums.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from divergences.results import Certificate
from divergences.transport.pricing import smallest_reduced
from divergences.transport.problem import Problem, Solution

__all__ = ["certify", "feasible_plan", "north_west_corner", "projections"]

EPS = float(np.finfo(np.float64).eps)
ROUNDING = 16 * EPS  # a marginal this close, relative, is met
SLIVER = 1e-6  # a share of a row or column that no rounding makes
SECOND_TRANSFORM = 1e-12  # a relative gap, beside rounding, not worth a second pass over all pairs


def certify(problem: Problem, solution: Solution) -> tuple[Certificate, Solution]:
    """The certificate, and the solution it is about: a feasible plan, and u_i + v_j ≤ c_ij everywhere.

    ``lower`` is Σ a u + Σ b v less a bound on the rounding in u and v; ``upper`` is the cost of the
    repaired plan. Both sums are compensated. A wrong plan or wrong potentials make the bounds wide,
    never wrong.
    """
    rows, columns, mass = feasible_plan(problem, solution.rows, solution.columns, solution.mass)
    upper = math.fsum(mass * problem.costs(rows, columns))
    v = np.where(np.isfinite(solution.v), solution.v, 0.0)  # any v proves something
    u, lower, doubt = _transformed(problem, v)
    if upper - lower > SECOND_TRANSFORM * abs(upper) + 2.0 * doubt:
        v, lower, _ = _transformed(problem.transposed, u)
    if problem.matrix is None:
        lower = max(lower, 0.0)  # no distance is negative
    certified = replace(solution, rows=rows, columns=columns, mass=mass, u=u, v=v)
    return Certificate(min(lower, upper), upper), certified


def _transformed(problem: Problem, v: np.ndarray) -> tuple[np.ndarray, float, float]:
    """u = the c-transform of v, a proved lower bound Σ a u + Σ b v less rounding, and that rounding."""
    columns, values = smallest_reduced(problem, v, 1)
    u = values[:, 0]
    # u_i = c − v_j of one column j: each of the three may be off by a rounding, c by d + 2 of them
    terms = problem.d + 4 if problem.matrix is None else 2
    doubt = EPS * terms * max(1.0, problem.p) * math.fsum(problem.a * (np.abs(u) + np.abs(v[columns[:, 0]])))
    return u, math.fsum(np.concatenate([problem.a * u, problem.b * v])) - doubt, doubt


def _counts(problem: Problem, mass: np.ndarray, available: np.ndarray) -> np.ndarray:
    """Whether a mass is more than the rounding of the sums that made it, or is much of a small row."""
    return (mass > (problem.n + problem.m) * EPS) | (mass > SLIVER * available)


def feasible_plan(
    problem: Problem, rows: np.ndarray, columns: np.ndarray, mass: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The plan with marginals a and b to rounding: what is too much scaled down, what is missing added.

    The rounding of Altschuler, Weed and Rigollet (*Near-linear time approximation algorithms for
    optimal transport via Sinkhorn iteration*, 2017, algorithm 2), the missing part by the
    north-west-corner rule, so the plan stays sparse.
    """
    rows, columns = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
    mass = np.where(np.isfinite(mass) & (mass > 0), mass, 0.0)
    # what a solver's subtractions leave behind is no mass: at p = 50 even 1e-16 of it would count
    mass = np.where(_counts(problem, mass, np.minimum(problem.a[rows], problem.b[columns])), mass, 0.0)
    for _ in range(3):  # what is added is right to rounding of the total: the next pass mends that
        for index, wanted in ((rows, problem.a), (columns, problem.b)):
            sums = np.bincount(index, mass, minlength=len(wanted))
            mass *= np.minimum(wanted / np.maximum(sums, wanted), 1.0)[index]
        missing = []
        for index, wanted in ((rows, problem.a), (columns, problem.b)):
            lacking = wanted - np.bincount(index, mass, minlength=len(wanted))
            missing.append(np.where(lacking > ROUNDING * wanted, lacking, 0.0))
        if not (missing[0].any() and missing[1].any()):
            break
        orders = (np.argsort(line, kind="stable") for line in projections(problem))
        more = north_west_corner(*missing, *orders)
        rows, columns = np.concatenate([rows, more[0]]), np.concatenate([columns, more[1]])
        mass = np.concatenate([mass, more[2]])
    held = mass > 0
    return rows[held], columns[held], mass[held]


def projections(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Both point sets on one line, the widest direction of the two together; indices for a matrix."""
    if problem.matrix is not None or problem.d == 0:
        return np.arange(problem.n) / problem.n, np.arange(problem.m) / problem.m
    points = np.concatenate([problem.x, problem.y])
    points = points - points.mean(axis=0)
    direction = points.std(axis=0)
    for _ in range(8):  # power iteration: a rough direction will do
        direction = (points @ direction) @ points
        direction /= max(float(np.linalg.norm(direction)), np.finfo(np.float64).tiny)
    line = points @ direction
    return line[: problem.n], line[problem.n :]


def north_west_corner(
    a: np.ndarray, b: np.ndarray, x_order: np.ndarray, y_order: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The plan that fills a and b in the given orders: (rows, columns, mass), at most n + m − 1 of them."""
    x_order, y_order = x_order[a[x_order] > 0], y_order[b[y_order] > 0]
    x_ends, y_ends = np.cumsum(a[x_order]), np.cumsum(b[y_order])
    ends = np.unique(np.concatenate([x_ends, y_ends * (x_ends[-1] / y_ends[-1])]))
    starts = np.concatenate([[0.0], ends[:-1]])
    middles = 0.5 * (starts + ends)
    i = np.minimum(np.searchsorted(x_ends, middles), len(x_order) - 1)
    j = np.minimum(np.searchsorted(y_ends * (x_ends[-1] / y_ends[-1]), middles), len(y_order) - 1)
    return x_order[i], y_order[j], ends - starts
