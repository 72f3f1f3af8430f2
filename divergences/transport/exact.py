"""The public function: exact transport as a record, differentiable in torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from divergences._arrays import Array, carries_gradient, detached, envelope, from_numpy, safe_sqrt, to_numpy
from divergences._inputs import Pair, check_pair, check_positive, warn
from divergences._pairwise import paired_squared_distances
from divergences.results import Certificate
from divergences.transport.dispatch import Answer, build_problem, solve
from divergences.transport.pricing import smallest_reduced
from divergences.transport.problem import Problem
from divergences.transport.record import Plan, Potentials, Transport

__all__ = ["plan_cost", "rooted", "transport"]


def transport(
    x: Any,
    y: Any,
    *,
    p: float = 1,
    cost: Any = "euclidean",
    x_weights: Any = None,
    y_weights: Any = None,
    tolerance: float = 1e-9,
    time_limit: float | None = None,
    progress: bool | None = None,
) -> Transport:
    """Exact optimal transport min Σ mass·c(x_i, y_j)^p: cost W_p^p, distance W_p, plan, potentials, proof.

    ``x`` (n, d), ``y`` (m, d), n ≠ m and weights welcome, any finite p ≥ 1. ``cost`` is the ground
    distance: "euclidean", "sqeuclidean" (its square), "cityblock" (the 1-norm); or, with p left
    out, an (n, m) matrix or a function ``(X, Y) -> (n, m)`` of your own.

    The answer is exact to ``tolerance``, relative, and says so: ``certificate.lower`` is the value
    of feasible potentials, ``certificate.upper`` that of the plan, both in float64. With
    ``time_limit`` (seconds) the solver may stop early: the bounds then still hold, ``converged``
    is False and ``cost`` is the upper bound. The clock is looked at between passes over the points,
    and the proof takes one or two more.

    ``progress``: True or False shows or hides a bar on stderr; None shows one on a terminal when it
    takes long. The first solve of more than a million pairs compiles its loops (some seconds); they
    are then kept on disk.

    A named cost takes memory linear in n + m; a matrix is what it is. In torch ``cost`` and
    ``distance`` are differentiable in points, weights and matrix by the envelope theorem (first
    order; a subgradient where the plan is not unique, 0 where points coincide). Source:
    Peyré & Cuturi 2019, chapters 2 and 3.

    >>> answer = transport([[0.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 1.0]])
    >>> float(answer.cost), answer.converged, answer.plan.masses
    (1.0, True, array([0.5, 0.5]))
    """
    p = check_positive(p, "p", minimum=1.0, strict=False)
    pair = check_pair(x, y, x_weights, y_weights)
    problem, matrix = build_problem(pair, p, cost)
    answer = solve(problem, tolerance=tolerance, time_limit=time_limit, progress=progress)
    power = 0.0 if matrix is not None else problem.p
    value = plan_cost(pair, problem, matrix, answer)
    whole = pair.result(value, degree=power)  # refuses what float64 cannot hold, before the rest is scaled
    if time_limit is None and not answer.converged:
        gap = answer.certificate.gap / max(abs(answer.certificate.upper), 1e-300)
        warn(
            f"transport stopped with a relative duality gap of {gap:.2g}: cost is an upper bound, off by "
            "at most that. Costs that span many decades do this: a forbidden pair needs no more than ten "
            "times the largest cost allowed"
        )
    with np.errstate(over="ignore", under="ignore"):
        unit = float(np.exp2(power * np.log2(pair.scale)))
    certificate = Certificate(answer.certificate.lower * unit, answer.certificate.upper * unit)
    return Transport(
        cost=whole,
        distance=pair.result(value if p == 1 else rooted(pair.xp, value, p), degree=power / p),
        plan=Plan(answer.rows, answer.columns, answer.mass),
        potentials=Potentials(answer.u * unit, answer.v * unit),
        certificate=certificate,
        converged=answer.converged,
        rounds=answer.rounds,
        seconds=answer.seconds,
        method=answer.method,
        _extend=None if matrix is not None else _potential(pair, problem, answer.v),
    )


def rooted(xp: Any, value: Array, p: float) -> Array:
    """value^(1/p), with gradient 0 at 0."""
    if p == 2:
        return safe_sqrt(xp, value)
    positive = value > 0
    return xp.where(positive, xp.where(positive, value, 1.0) ** (1.0 / p), 0.0)


def plan_cost(pair: Pair, problem: Problem, matrix: Array | None, answer: Answer) -> Array:
    """Σ mass · c over the plan, in the caller's library; plan and potentials give its gradient."""
    xp = pair.xp
    rows, columns = from_numpy(answer.rows, pair.x), from_numpy(answer.columns, pair.x)
    if matrix is not None:
        costs = matrix[rows, columns]
    else:
        costs = _paired_costs(xp, pair.x[rows], pair.y[columns], problem)
    value = xp.sum(from_numpy(answer.mass, pair.x) * costs)
    if carries_gradient(pair.a, pair.b):
        # ∂cost/∂a is the potential; its part along 1 is fixed by Σa = 1 and drops out upstream
        parts = [(pair.a, from_numpy(answer.u, pair.x)), (pair.b, from_numpy(answer.v, pair.x))]
        value = value + envelope(0.0 * detached(value), parts)
    return value


def _paired_costs(xp: Any, x: Array, y: Array, problem: Problem) -> Array:
    if problem.ground == "cityblock":
        return xp.sum(xp.abs(x - y), axis=-1) ** problem.p
    squared = paired_squared_distances(x, y)
    return squared if problem.p == 2 else safe_sqrt(xp, squared) ** problem.p


def _potential(pair: Pair, problem: Problem, v: np.ndarray) -> Any:
    """The c-transform of v at new points, differentiable there."""
    y = problem.y.copy()  # it may be the caller's own, who may write to it before asking

    def extend(x_new: Any) -> Any:
        new = check_pair(x_new, x_new, names=("x_new", "x_new"))
        if new.d != pair.d:
            raise ValueError(f"x_new must have {pair.d} features, as x and y have; got {new.d}")
        shift = (new.origin - from_numpy(to_numpy(pair.origin), new.x)) / pair.scale
        points = new.x * (new.scale / pair.scale) + shift
        plain = np.ascontiguousarray(to_numpy(points))
        mass = np.full(len(plain), 1.0 / len(plain))
        asked = Problem(plain, y, mass, problem.b, problem.p, problem.ground)
        columns = smallest_reduced(asked, v, 1)[0][:, 0]
        nearest = from_numpy(y[columns], points)
        values = _paired_costs(new.xp, points, nearest, problem) - from_numpy(v[columns], points)
        return values * pair.scale**problem.p

    return extend
