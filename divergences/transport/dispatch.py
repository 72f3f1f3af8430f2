"""From a checked pair to a certified solution: which solver, and what holds of its answer."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from divergences._arrays import Array, to_numpy
from divergences._inputs import Pair, check_cost, check_option, check_positive
from divergences._progress import Bar
from divergences.results import Certificate
from divergences.transport.certificate import certify
from divergences.transport.pricing import c_transform
from divergences.transport.problem import Problem, Solution

__all__ = ["Answer", "build_problem", "solve"]

GROUND_COSTS = ("euclidean", "sqeuclidean", "cityblock")
SMALL = 1_000_000  # pairs: below this the dense network simplex is the faster one
BYTES_A_PAIR = 44  # the dense solver's memory, measured: 4.4 GB at 10,000 × 10,000


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
    matrix = check_cost(cost, "cost", (pair.n, pair.m), like=pair.x)
    return Problem(x, y, a, b, p=1.0, matrix=to_numpy(matrix)), matrix


def solve(
    problem: Problem,
    *,
    tolerance: float,
    time_limit: float | None = None,
    progress: bool | None = None,
) -> Answer:
    """Solve, certify, and extend the potentials to the rows that carry no mass.

    ``progress``: a bar on stderr; None shows one on a terminal when it takes long.
    """
    check_positive(tolerance, "tolerance")
    start = time.monotonic()
    deadline = None if time_limit is None else start + check_positive(time_limit, "time_limit")
    keep_x, keep_y = problem.a > 0, problem.b > 0
    core = _restricted(problem, keep_x, keep_y)
    with Bar(1.0, progress, "transport") as bar:
        method, certificate, solution = _certified(core, tolerance, deadline, bar)
    u, v = solution.u, solution.v
    full_u, full_v = np.empty(problem.n), np.empty(problem.m)
    full_u[keep_x], full_v[keep_y] = u, v
    # y without mass first, against x with mass; then x without mass against all of y
    if not keep_y.all():
        rest = _restricted(problem, keep_x, ~keep_y)
        full_v[~keep_y] = c_transform(rest.transposed, u)
    if not keep_x.all():
        rest = _restricted(problem, ~keep_x, np.ones(problem.m, dtype=bool))
        full_u[~keep_x] = c_transform(rest, full_v)
    return Answer(
        rows=np.flatnonzero(keep_x)[solution.rows],
        columns=np.flatnonzero(keep_y)[solution.columns],
        mass=solution.mass,
        u=full_u,
        v=full_v,
        certificate=certificate,
        converged=_proved(certificate, tolerance),
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


def _certified(
    problem: Problem, tolerance: float, deadline: float | None, bar: Bar
) -> tuple[str, Certificate, Solution]:
    """The solver that measurement prefers for this kind of problem, and the proof of its answer."""
    found: list[tuple[str, Certificate, Solution]] = []
    for name in _solvers(problem):
        # each works to thresholds of its own: where one's are too coarse, the other goes on
        solution = _run(name, problem, tolerance, deadline, bar)
        found.append((name, *certify(problem, solution)))
        if _proved(found[-1][1], tolerance) or (deadline is not None and time.monotonic() > deadline):
            break
    return min(found, key=lambda item: item[1].gap)


def _solvers(problem: Problem) -> tuple[str, ...]:
    if problem.n * problem.m <= SMALL:
        return "network simplex", "column generation"
    if problem.matrix is not None and _fits(problem.n * problem.m):
        return "column generation", "network simplex"
    return ("column generation",)


def _run(name: str, problem: Problem, tolerance: float, deadline: float | None, bar: Bar) -> Solution:
    if name == "network simplex":
        from divergences.transport import dense

        return dense.solve(problem)
    if "divergences.transport.column_generation" not in sys.modules:
        bar.label("transport (the first solve compiles it, some seconds, once)")

    from divergences.transport import column_generation

    def progress(fraction: float) -> None:
        bar.label("transport")
        bar.reach(fraction)

    return column_generation.solve(problem, tolerance=tolerance, deadline=deadline, progress=progress)


def _proved(certificate: Certificate, tolerance: float) -> bool:
    return certificate.gap <= tolerance * max(abs(certificate.upper), float(np.finfo(np.float64).tiny))


def _fits(pairs: int) -> bool:
    """Whether the dense solver's tables for so many pairs fit into this machine's memory."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system tells
        return False
    return pairs * BYTES_A_PAIR <= there
