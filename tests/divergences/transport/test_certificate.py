"""The certificate against an exact linear program, and against what a broken solver might hand in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from divergences.transport import column_generation, dense
from divergences.transport.certificate import certify, feasible_plan, north_west_corner
from divergences.transport.problem import Problem, Solution


def make(rng: np.random.Generator, n: int = 9, m: int = 12, p: float = 2.0, d: int = 2) -> Problem:
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    return Problem(rng.normal(size=(n, d)), rng.normal(size=(m, d)) + 0.3, a, b, p)


def exact(problem: Problem) -> float:
    n, m = problem.n, problem.m
    sums = np.concatenate([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    masses = np.concatenate([problem.a, problem.b])
    costs = problem.block(slice(None)).ravel()
    return float(linprog(costs, A_eq=sums, b_eq=masses, method="highs").fun)


def assert_marginals(problem: Problem, solution: Solution) -> None:
    rows = np.bincount(solution.rows, solution.mass, minlength=problem.n)
    columns = np.bincount(solution.columns, solution.mass, minlength=problem.m)
    np.testing.assert_allclose(rows, problem.a, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(columns, problem.b, rtol=1e-13, atol=1e-15)
    assert np.all(solution.mass > 0)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("seed", range(5))
def test_holds_the_exact_value(seed: int, p: float) -> None:
    problem = make(np.random.default_rng(seed), p=p)
    certificate, solution = certify(problem, dense.solve(problem))
    truth = exact(problem)
    assert certificate.lower <= truth * (1 + 1e-9)
    assert certificate.upper >= truth * (1 - 1e-9)
    assert 0 <= certificate.gap <= 1e-11 * certificate.upper
    assert_marginals(problem, solution)
    slack = problem.block(slice(None)) - solution.u[:, None] - solution.v
    assert slack.min() >= -1e-14


def corrupt_potentials(solution: Solution, rng: np.random.Generator) -> Solution:
    return replace(solution, v=solution.v + 0.1 * rng.normal(size=len(solution.v)))


def nan_potentials(solution: Solution, rng: np.random.Generator) -> Solution:
    return replace(solution, v=np.where(np.arange(len(solution.v)) < 3, np.nan, solution.v))


def shuffled_plan(solution: Solution, rng: np.random.Generator) -> Solution:
    return replace(solution, columns=rng.permutation(solution.columns))


def lost_mass(solution: Solution, rng: np.random.Generator) -> Solution:
    return replace(solution, mass=np.where(np.arange(len(solution.mass)) % 3 == 0, 0.0, solution.mass))


def too_much_mass(solution: Solution, rng: np.random.Generator) -> Solution:
    return replace(solution, mass=solution.mass * rng.uniform(0.5, 3.0, size=len(solution.mass)))


def wrong_mass(solution: Solution, rng: np.random.Generator) -> Solution:
    return replace(solution, mass=np.where(np.arange(len(solution.mass)) < 2, -1.0, np.nan))


@pytest.mark.parametrize(
    "damage", [corrupt_potentials, nan_potentials, shuffled_plan, lost_mass, too_much_mass, wrong_mass]
)
@pytest.mark.parametrize("seed", range(3))
def test_damage_widens_but_stays_true(
    damage: Callable[[Solution, np.random.Generator], Solution], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    problem = make(rng, 30, 40)
    solution = dense.solve(problem)
    truth = exact(problem)
    certificate, mended = certify(problem, damage(solution, rng))
    assert certificate.lower <= truth * (1 + 1e-9)
    assert certificate.upper >= truth * (1 - 1e-9)
    assert certificate.gap > 1e-4 * truth  # and it shows
    assert_marginals(problem, mended)


def test_a_claimed_value_is_not_believed(rng: np.random.Generator) -> None:
    problem = make(rng)
    nothing = np.zeros(0, dtype=np.int64)
    empty = Solution(nothing, nothing, np.zeros(0), np.full(9, 1e6), np.full(12, 1e6), 1, True)
    certificate, solution = certify(problem, empty)
    truth = exact(problem)
    assert certificate.lower <= truth <= certificate.upper
    assert_marginals(problem, solution)


def test_equal_samples_cost_exactly_nothing(rng: np.random.Generator) -> None:
    x = rng.normal(size=(50, 3))
    problem = Problem(x, x.copy(), np.full(50, 0.02), np.full(50, 0.02))
    certificate = certify(problem, dense.solve(problem))[0]
    assert (certificate.lower, certificate.upper) == (0.0, 0.0)


def test_negative_costs_have_a_negative_lower_bound(rng: np.random.Generator) -> None:
    matrix = rng.normal(size=(8, 8)) - 5.0
    uniform = np.full(8, 1 / 8)
    problem = Problem(np.zeros((8, 0)), np.zeros((8, 0)), uniform, uniform, matrix=matrix)
    certificate = certify(problem, dense.solve(problem))[0]
    assert certificate.upper == pytest.approx(exact(problem), rel=1e-9)
    assert 0 <= certificate.gap <= 1e-12


def test_repair_leaves_a_right_plan_alone(rng: np.random.Generator) -> None:
    problem = make(rng, 60, 70)
    solution = column_generation.solve(problem)
    rows, columns, mass = feasible_plan(problem, solution.rows, solution.columns, solution.mass)
    assert len(mass) <= problem.n + problem.m - 1
    np.testing.assert_array_equal(rows, solution.rows)
    np.testing.assert_array_equal(columns, solution.columns)
    np.testing.assert_allclose(mass, solution.mass, rtol=1e-12)


def test_north_west_corner_has_the_marginals(rng: np.random.Generator) -> None:
    a, b = rng.dirichlet(np.ones(7)), rng.dirichlet(np.ones(4))
    rows, columns, mass = north_west_corner(a, b, rng.permutation(7), rng.permutation(4))
    np.testing.assert_allclose(np.bincount(rows, mass, minlength=7), a, rtol=1e-13)
    np.testing.assert_allclose(np.bincount(columns, mass, minlength=4), b, rtol=1e-13)
    assert len(mass) <= 10
