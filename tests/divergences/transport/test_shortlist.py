"""Short lists against brute force: what they say of all pairs, however the potentials moved."""

from __future__ import annotations

import numpy as np
import pytest

from divergences.transport import products, shortlist
from divergences.transport.problem import Problem, distinct
from divergences.transport.products import ReducedCosts
from divergences.transport.shortlist import Shortlist

KINDS = [(1.0, "euclidean"), (1.5, "euclidean"), (2.0, "euclidean"), (3.0, "euclidean"), (1.0, "cityblock")]


def make(rng: np.random.Generator, p: float, ground: str, n: int = 150, m: int = 900, d: int = 20) -> Problem:
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    y[7:11] = y[6]  # equal columns
    return Problem(x, y, np.full(n, 1 / n), np.full(m, 1 / m), p, ground)


def reduced(problem: Problem, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    rows, columns = np.indices((problem.n, problem.m))
    costs = problem.costs(rows.ravel(), columns.ravel()).reshape(problem.n, problem.m)
    return costs - u[:, None] - v


def started(problem: Problem, rng: np.random.Generator) -> tuple[Shortlist, np.ndarray, np.ndarray]:
    v = 0.1 * rng.normal(size=problem.m)
    u = reduced(problem, np.zeros(problem.n), v).min(axis=1)
    return Shortlist(problem, u + 0.01 * rng.normal(size=problem.n), v, kept=5), u, v


@pytest.mark.parametrize(("p", "ground"), KINDS)
def test_block_is_within_its_margin(rng: np.random.Generator, p: float, ground: str) -> None:
    problem = make(rng, p, ground)
    u, v = rng.normal(size=problem.n), rng.normal(size=problem.m)
    truth = reduced(problem, u, v)
    for dtype in (np.float32, np.float64):
        costs = ReducedCosts(problem, u, v, dtype)
        for part in costs.blocks():
            block, margin = costs.block(part)
            assert np.all(np.abs(block - truth[part]) <= margin[:, None])
            assert np.all(margin < 0.1 * np.abs(truth[part]).max())  # a bound that says something
        rows, columns = np.array([3, 70, 4]), np.array([8, 800, 5, 6])
        block, margin = costs.block(rows, columns)
        assert np.all(np.abs(block - truth[np.ix_(rows, columns)]) <= margin[:, None])


@pytest.mark.parametrize(("p", "ground"), KINDS)
def test_arcs_are_the_smallest_of_rows_and_columns(rng: np.random.Generator, p: float, ground: str) -> None:
    problem = make(rng, p, ground)
    lists, u, v = started(problem, rng)
    np.testing.assert_allclose(lists.u, u, atol=1e-12)
    arcs = set(lists.arcs().tolist())
    truth = reduced(problem, lists._u, v)
    for i, row in enumerate(truth):
        assert {i * problem.m + j for j in np.argsort(row)[:4]} <= arcs  # the fifth may be rounding's choice
    for j, column in enumerate(truth.T):
        assert {i * problem.m + j for i in np.argsort(column)[:4]} <= arcs


@pytest.mark.parametrize("step", [0.0, 0.05, 0.5, 5.0])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("p", "ground"), KINDS)
def test_no_violation_is_missed(
    rng: np.random.Generator,
    p: float,
    ground: str,
    share: float,
    step: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shortlist, "STAIRCASE", share)  # 0: new lists whenever the old ones do not do
    monkeypatch.setattr(products, "BLOCK_NUMBERS", 2000)
    monkeypatch.setattr(products, "BLOCK_ROWS", 1)
    problem = make(rng, p, ground)
    lists, _, v = started(problem, rng)
    u = lists.u
    for _ in range(3):
        v = v + step * rng.normal(size=problem.m) * (rng.random(problem.m) < 0.1)
        u = u + 0.2 * step * rng.normal(size=problem.n)
        truth = reduced(problem, u, v)
        keys, feasible = lists.violations(u, v, 1e-12, most=3)
        rows, columns = np.divmod(keys, problem.m)
        assert np.all(truth[rows, columns] < -1e-12)
        for i in np.flatnonzero((truth < -1e-12).any(axis=1)):  # the worst of every row is there
            assert i * problem.m + np.argmin(truth[i]) in keys
        exact = np.minimum(truth.min(axis=1), 0.0) + u
        assert np.all(feasible <= exact + 1e-12)  # feasible, and as large as can be
        np.testing.assert_allclose(feasible, exact, atol=1e-4 if step == 5.0 else 1e-10)


def test_goes_over_to_float64_where_float32_knows_nothing(rng: np.random.Generator) -> None:
    centres = np.where(rng.random(300)[:, None] < 0.5, 0.0, 1.0)
    x, y = (centres + 1e-6 * rng.normal(size=(300, 30)) for _ in range(2))
    problem = Problem(x, y, np.full(300, 1 / 300), np.full(300, 1 / 300))
    lists = Shortlist(problem, np.zeros(300), np.zeros(300), kept=5)
    assert lists._costs.dtype == np.float64
    np.testing.assert_allclose(
        lists.u, reduced(problem, np.zeros(300), np.zeros(300)).min(axis=1), rtol=1e-12
    )


def test_a_row_that_the_list_holds_whole(rng: np.random.Generator) -> None:
    problem = make(rng, 2.0, "euclidean", n=40, m=20)
    lists, u, v = started(problem, rng)
    u, v = u + 5.0, v + rng.normal(size=20)
    keys, feasible = lists.violations(u, v, 0.0, most=100)
    truth = reduced(problem, u, v)
    np.testing.assert_array_equal(keys, np.flatnonzero(truth < 0))
    np.testing.assert_allclose(feasible, truth.min(axis=1) + u, rtol=1e-12)


def test_distinct_keys(rng: np.random.Generator) -> None:
    first, second = rng.integers(0, 50, 40), rng.integers(0, 50, (8, 5))
    np.testing.assert_array_equal(distinct(first, second.ravel()), np.union1d(first, second))
    assert len(distinct(np.empty(0, dtype=np.int64))) == 0
