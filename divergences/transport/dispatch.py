"""From a checked pair to a certified solution: which solver, and what holds of its answer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from divergences._arrays import Array, to_numpy
from divergences._inputs import Pair, check_cost, check_option, check_positive
from divergences.results import Certificate
from divergences.transport.certificate import certify
from divergences.transport.pricing import c_transform
from divergences.transport.problem import Problem, Solution

__all__ = ["Answer", "build_problem", "solve"]

GROUND_COSTS = ("euclidean", "sqeuclidean", "cityblock")
SMALL = 1_000_000  # pairs: below this the dense network simplex is the faster one
TREE_DIMENSIONS = 5  # up to here the auction's price tree prunes well
CRITIC_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Answer:
    """A certified solution in the problem's own unit, over all rows of x and y."""

    rows: np.ndarray
    columns: np.ndarray
    mass: np.ndarray
    u: np.ndarray
    v: np.ndarray
    certificate: Certificate
    converged: bool
    rounds: int
    seconds: float
    method: str


def build_problem(pair: Pair, p: float, cost: Any) -> tuple[Problem, Array | None]:
    """The full problem, rows without mass included, and the user's own cost matrix if there is one."""
    x, y, a, b = (np.ascontiguousarray(to_numpy(v)) for v in (pair.x, pair.y, pair.a, pair.b))
    if isinstance(cost, str):
        check_option(cost, "cost", GROUND_COSTS)
        ground = "cityblock" if cost == "cityblock" else "euclidean"
        return Problem(x, y, a, b, p=2 * p if cost == "sqeuclidean" else p, ground=ground), None
    if p != 1:
        raise ValueError(
            f"p applies to a cost given by name; raise your cost to the power {p:g} yourself and leave p out"
        )
    if callable(cost):  # on the user's own coordinates
        cost = cost(pair.x * pair.scale + pair.origin, pair.y * pair.scale + pair.origin)
    matrix = check_cost(cost, "cost", (pair.n, pair.m))
    return Problem(x, y, a, b, p=1.0, matrix=to_numpy(matrix)), matrix


def solve(
    problem: Problem,
    *,
    tolerance: float,
    time_limit: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> Answer:
    """Solve, certify, and extend the potentials to the rows that carry no mass."""
    check_positive(tolerance, "tolerance")
    start = time.monotonic()
    deadline = None if time_limit is None else start + check_positive(time_limit, "time_limit")
    keep_x, keep_y = problem.a > 0, problem.b > 0
    core = _restricted(problem, keep_x, keep_y)
    method, solution = _attempt(core, tolerance, deadline, progress)
    certificate, u, v, mass = certify(core, solution)
    full_u, full_v = np.empty(problem.n), np.empty(problem.m)
    full_u[keep_x], full_v[keep_y] = u, v
    # y without mass first, against x with mass; then x without mass against all of y
    if not keep_y.all():
        rest = _restricted(problem, keep_x, ~keep_y)
        full_v[~keep_y] = c_transform(rest.transposed, u)
    if not keep_x.all():
        rest = _restricted(problem, ~keep_x, np.ones(problem.m, dtype=bool))
        full_u[~keep_x] = c_transform(rest, full_v)
    scale = max(abs(certificate.upper), np.finfo(float).tiny)
    return Answer(
        rows=np.flatnonzero(keep_x)[solution.rows],
        columns=np.flatnonzero(keep_y)[solution.columns],
        mass=mass,
        u=full_u,
        v=full_v,
        certificate=certificate,
        converged=bool(certificate.gap <= tolerance * scale),
        rounds=solution.rounds,
        seconds=time.monotonic() - start,
        method=method,
    )


def _restricted(problem: Problem, keep_x: np.ndarray, keep_y: np.ndarray) -> Problem:
    if keep_x.all() and keep_y.all():
        return problem
    matrix = None if problem.matrix is None else problem.matrix[np.ix_(keep_x, keep_y)]
    return replace(
        problem, x=problem.x[keep_x], y=problem.y[keep_y], a=problem.a[keep_x], b=problem.b[keep_y],
        matrix=matrix,
    )  # fmt: skip


def _attempt(
    problem: Problem, tolerance: float, deadline: float | None, progress: Callable[[float], None] | None
) -> tuple[str, Solution]:
    """The solver that measurement prefers for this kind of problem."""
    options = {"tolerance": tolerance, "deadline": deadline, "progress": progress}
    if problem.matrix is not None or problem.n * problem.m <= SMALL:
        from divergences.transport import dense

        _refuse_what_cannot_fit(problem.n, problem.m)
        return "network simplex", dense.solve(problem, **options)
    from divergences.transport import column_generation

    return "column generation", column_generation.solve(problem, **options)


BYTES_A_PAIR = 44  # the dense solver's memory, measured: 4.4 GB at 10,000 × 10,000


def _refuse_what_cannot_fit(n: int, m: int) -> None:
    needed = BYTES_A_PAIR * n * m
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system tells
        return
    if needed > there:
        raise ValueError(
            f"a cost matrix of {n:,} × {m:,} needs about {needed / 1e9:.0f} GB; this machine has "
            f"{there / 1e9:.0f} GB. Name the cost instead ('euclidean', 'sqeuclidean', 'cityblock')"
        )
