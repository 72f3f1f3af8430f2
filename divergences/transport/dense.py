"""The network simplex on the full cost matrix, for problems small enough to hold one."""

from __future__ import annotations

import warnings

import numpy as np

from divergences.transport.problem import Problem, Solution

__all__ = ["solve"]

PIVOTS = 10**9  # a bound no problem of this size reaches


def solve(problem: Problem) -> Solution:
    """Exact transport by POT's network simplex (Bonneel et al., *Displacement interpolation using
    Lagrangian mass transport*, 2011). Time O(n m (n + m)) about, memory 8 n m bytes and more.

    It cannot be stopped half way: keep it to small problems.
    """
    from ot.lp import emd

    costs = problem.block(slice(None))
    # the simplex compares with absolute thresholds: costs of order 1, masses that sum to one exactly
    scale = float(np.abs(costs).max()) or 1.0
    costs /= scale
    a, b = problem.a / problem.a.sum(), problem.b / problem.b.sum()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plan, log = emd(a, b, costs, PIVOTS, log=True, center_dual=False, check_marginals=False)
    rows, columns = np.nonzero(plan)
    mass = plan[rows, columns] * problem.a.sum()
    u, v = np.asarray(log["u"]) * scale, np.asarray(log["v"]) * scale
    converged = log["result_code"] == 1 and not caught
    return Solution(rows, columns, mass, u, v, rounds=1, converged=converged)
