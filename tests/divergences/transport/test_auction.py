"""The auction's assignments are optimal, its duals prove it, and stopping early leaves valid answers."""

import time
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from divergences.transport import auction
from divergences.transport.auction import solve
from divergences.transport.problem import Problem

COSTS = [(2.0, "euclidean"), (1.0, "euclidean"), (1.5, "euclidean"), (1.0, "cityblock")]
KINDS = ["normal", "heavy", "clusters", "grid", "duplicates", "line", "equal", "same"]


def problem(kind, n, d, p=2.0, ground="euclidean", seed=0):
    rng = np.random.default_rng([seed, n, d, KINDS.index(kind)])
    x, y = rng.normal(size=(n, d)), 1.1 * rng.normal(size=(n, d)) + 0.3
    if kind == "heavy":
        x, y = rng.standard_cauchy((2, n, d)) / 100
    elif kind == "clusters":  # of different masses on the two sides
        centres, masses = 5 * rng.normal(size=(10, d)), rng.dirichlet(np.ones(10), size=2)
        x = centres[rng.choice(10, n, p=masses[0])] + 0.1 * x
        y = centres[rng.choice(10, n, p=masses[1])] + 0.1 * y
    elif kind == "grid":
        x, y = rng.integers(0, 5, (2, n, d)).astype(float)
    elif kind == "duplicates":
        x, y = x[rng.integers(0, n // 5 + 1, n)], y[rng.integers(0, n // 5 + 1, n)]
    elif kind == "line":
        x, y = x[:, :1] * np.ones(d), y[:, :1] * np.ones(d)
    elif kind == "equal":
        x, y = np.ones((2, n, d))
    elif kind == "same":
        y = x[rng.permutation(n)]
    weights = np.full(n, 1 / n)
    return Problem(np.ascontiguousarray(x), np.ascontiguousarray(y), weights, weights, p, ground)


def best_cost(given):
    costs = given.block(slice(None))
    return costs[linear_sum_assignment(costs)].mean()


def bounds(given, solution):
    """(lower, upper) by brute force from v and the plan alone; the plan's marginals are checked."""
    assert sorted(solution.rows) == sorted(solution.columns) == list(range(given.n))
    np.testing.assert_array_equal(solution.mass, given.a)
    u = (given.block(slice(None)) - solution.v).min(axis=1)
    # the solver's own u is feasible too, but for rounding
    assert np.all(solution.u <= u + 1e-12 * (1 + np.abs(u).max()))
    upper = np.sum(given.costs(solution.rows, solution.columns) * solution.mass)
    return given.a @ np.minimum(u, solution.u) + given.b @ solution.v, upper


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("p", "ground"), COSTS)
@pytest.mark.parametrize("d", [2, 3])
def test_optimal_on_small_problems_of_every_kind(kind, p, ground, d):
    for n in (1, 2, 3, 17, 80):
        given = problem(kind, n, d, p, ground)
        solution = solve(given)
        lower, upper = bounds(given, solution)
        assert solution.converged
        assert upper == pytest.approx(best_cost(given), rel=1e-9, abs=1e-13)
        assert upper - lower <= 1e-9 * upper + 1e-13


@pytest.mark.parametrize(("p", "ground"), COSTS[:3])
def test_coarser_levels_lead_to_the_same_optimum(p, ground):
    given = problem("normal", 1300, 2, p, ground)  # two coarser levels
    solution = solve(given)
    lower, upper = bounds(given, solution)
    assert solution.converged
    assert upper == pytest.approx(best_cost(given), rel=1e-9)
    assert upper - lower <= 1e-9 * upper


def test_more_work_than_allowed_ends_unconverged_with_valid_bounds(monkeypatch):
    """Cityblock costs tie whole quadrants of columns: lists run out at every bid."""
    given = problem("normal", 700, 2, 1.0, "cityblock")
    whole = auction._Auction.__init__

    def little(self, *given):
        whole(self, *given)
        self.allowed = 20 * self.n

    monkeypatch.setattr(auction._Auction, "__init__", little)
    solution = solve(given)
    lower, upper = bounds(given, solution)
    assert not solution.converged
    assert lower <= best_cost(given) <= upper


def test_a_looser_tolerance_is_kept_and_reached_in_fewer_phases():
    given = problem("normal", 700, 2)
    loose, tight = solve(given, tolerance=1e-2), solve(given)
    lower, upper = bounds(given, loose)
    assert loose.converged
    assert upper - lower <= 1e-2 * upper
    assert loose.rounds < tight.rounds


@pytest.mark.parametrize("kind", ["normal", "clusters", "grid"])
@pytest.mark.parametrize("looks", [1, 5, 12])
def test_out_of_time_at_any_moment_there_is_a_plan_and_a_bound(kind, looks, monkeypatch):
    given = problem(kind, 1500, 2)
    ticks = iter([0.0] * looks)
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks, 2.0))
    solution = solve(given, deadline=1.0)
    lower, upper = bounds(given, solution)
    best = best_cost(given)
    assert not solution.converged
    assert lower <= best * (1 + 1e-12)
    assert best <= upper * (1 + 1e-12)


def test_an_interrupt_passes_through_and_the_next_call_works():
    given = problem("normal", 1500, 2)

    def interrupt(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(given, progress=interrupt)
    assert solve(given).converged


def test_progress_rises_within_zero_and_one():
    heard = []
    solve(problem("normal", 1500, 2), progress=heard.append)
    assert heard
    assert all(0 <= before <= after <= 1 for before, after in pairwise(heard))


def test_the_same_input_gives_the_same_answer_and_is_left_alone():
    given = problem("clusters", 400, 2)
    for array in (given.x, given.y, given.a, given.b):
        array.flags.writeable = False
    first, second = solve(given), solve(given)
    for name in ("rows", "columns", "mass", "u", "v"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
