"""Pricing against brute force: every ground cost, few and many dimensions, blocks, tree and bounds."""

from __future__ import annotations

import numpy as np
import pytest

from divergences.transport import pricing, products
from divergences.transport.pricing import c_transform, smallest_reduced
from divergences.transport.problem import Problem

COSTS = [(1.0, "euclidean"), (1.5, "euclidean"), (2.0, "euclidean"), (3.0, "euclidean")]
COSTS += [(1.0, "cityblock"), (2.0, "cityblock")]


def make(rng: np.random.Generator, n: int, m: int, d: int, p: float, ground: str) -> Problem:
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    y[5] = x[3]  # a distance of zero
    y[7:11] = y[6]  # and equal columns
    return Problem(x, y, np.full(n, 1 / n), np.full(m, 1 / m), p, ground)


def brute(problem: Problem, v: np.ndarray) -> np.ndarray:
    rows, columns = np.indices((problem.n, problem.m))
    costs = problem.costs(rows.ravel(), columns.ravel()).reshape(problem.n, problem.m)
    return np.sort(costs - v, axis=1)


@pytest.mark.parametrize(("p", "ground"), COSTS)
@pytest.mark.parametrize("d", [1, 3, 20, 64])
@pytest.mark.parametrize("k", [1, 7])
def test_equals_brute_force(
    rng: np.random.Generator, d: int, p: float, ground: str, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make(rng, 40, 900, d, p, ground)
    v = 0.3 * rng.normal(size=problem.m)
    monkeypatch.setattr(products, "BLOCK_NUMBERS", 900 * 7)  # several blocks, the last one shorter
    columns, reduced = smallest_reduced(problem, v, k)
    np.testing.assert_array_equal(reduced, brute(problem, v)[:, :k])
    rows = np.repeat(np.arange(problem.n), k)
    np.testing.assert_array_equal(problem.costs(rows, columns.ravel()) - v[columns.ravel()], reduced.ravel())
    np.testing.assert_array_equal(c_transform(problem, v), brute(problem, v)[:, 0])


@pytest.mark.parametrize(("p", "ground"), COSTS)
@pytest.mark.parametrize("d", [2, 20])
def test_below_keeps_exactly_what_is_below(rng: np.random.Generator, d: int, p: float, ground: str) -> None:
    problem = make(rng, 30, 500, d, p, ground)
    v = 0.3 * rng.normal(size=problem.m)
    every = brute(problem, v)
    bound = every[np.arange(30), np.arange(30) % 6]  # strictly: the bound itself stays out
    columns, reduced = smallest_reduced(problem, v, 4, bound)
    expected = np.where(every[:, :4] < bound[:, None], every[:, :4], np.inf)
    np.testing.assert_array_equal(reduced, expected)
    np.testing.assert_array_equal(columns >= 0, np.isfinite(expected))


@pytest.mark.parametrize(("p", "ground"), COSTS)
def test_tree_equals_blocks(
    rng: np.random.Generator, p: float, ground: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make(rng, 40, 300, 2, p, ground)
    v = 0.3 * rng.normal(size=problem.m)
    blocks = smallest_reduced(problem, v, 5)[1]
    monkeypatch.setattr(pricing, "TREE_PAIRS", 0)
    np.testing.assert_allclose(smallest_reduced(problem, v, 5)[1], blocks, rtol=1e-14, atol=1e-14)


def test_matrix_and_fewer_columns_than_wanted(rng: np.random.Generator) -> None:
    matrix = rng.normal(size=(6, 3))
    problem = Problem(np.zeros((6, 0)), np.zeros((3, 0)), np.full(6, 1 / 6), np.full(3, 1 / 3), matrix=matrix)
    v = rng.normal(size=3)
    columns, reduced = smallest_reduced(problem, v, 5)
    np.testing.assert_array_equal(reduced[:, :3], np.sort(matrix - v, axis=1))
    assert np.all(columns[:, 3:] == -1)
    assert np.all(np.isinf(reduced[:, 3:]))
    np.testing.assert_array_equal(c_transform(problem.transposed, np.zeros(6)), matrix.min(axis=0))


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_exact_where_float32_knows_nothing(rng: np.random.Generator, p: float) -> None:
    # two clusters far apart, each so tight that all its distances drown in float32's rounding
    centres = np.where(rng.random(200)[:, None] < 0.5, 0.0, 1.0)
    x = centres + 1e-6 * rng.normal(size=(200, 30))
    y = centres[::-1] + 1e-6 * rng.normal(size=(200, 30))
    problem = Problem(x, y, np.full(200, 1 / 200), np.full(200, 1 / 200), p)
    np.testing.assert_array_equal(smallest_reduced(problem, np.zeros(200), 3)[1], brute(problem, 0.0)[:, :3])
