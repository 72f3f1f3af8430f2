"""Wasserstein against all couplings, both one-dimensional forms, and what a bad solver must not hide."""

from __future__ import annotations

import itertools
import math
import os
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

import divergences as dv
from divergences import DivergenceWarning, wasserstein
from divergences.transport import dense
from divergences.transport.problem import Problem, Solution

# ── one dimension ───────────────────────────────────────────────────────────────────────────


def by_cdf(x: np.ndarray, y: np.ndarray) -> float:
    """W_1 = ∫ |F − G| dt."""
    points = np.sort(np.concatenate([x, y]))
    gap = [np.mean(x <= t) - np.mean(y <= t) for t in points[:-1]]
    return float(np.abs(gap) @ np.diff(points))


def by_quantiles(x: np.ndarray, y: np.ndarray, p: float) -> float:
    """(∫ |F⁻¹ − G⁻¹|^p du)^(1/p), by repeating every row until both samples have lcm(n, m) rows."""
    size = math.lcm(len(x), len(y))
    left, right = np.repeat(np.sort(x), size // len(x)), np.repeat(np.sort(y), size // len(y))
    return float(np.mean(np.abs(left - right) ** p) ** (1 / p))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 7), (6, 9), (5, 13), (1, 8)])
def test_quantile_form_is_the_cdf_form(rng: np.random.Generator, n: int, m: int) -> None:
    x, y = rng.normal(size=n), rng.normal(0.5, 2.0, size=m)
    assert wasserstein(x, y) == pytest.approx(by_cdf(x, y), rel=1e-13)
    for p in (1, 1.5, 2, 3, 7):
        assert wasserstein(x, y, p=p) == pytest.approx(by_quantiles(x, y, p), rel=1e-12)


def told_if_unsolved(d: int, p: float):
    """At p = 50 in several dimensions costs span 50 decades: the solver may stop early, and must say so."""
    return warnings.catch_warnings(record=True, action="always" if d > 1 and p == 50 else "error")


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("p", [1, 2, 3, 10, 50])
def test_weights_are_repetitions(rng: np.random.Generator, d: int, p: float) -> None:
    x, y = rng.normal(size=(6, d)), rng.normal(0.3, 1.0, size=(5, d))
    a, b = np.array([1, 2, 3, 1, 4, 1]), np.array([2, 1, 1, 3, 1])
    repeated = np.repeat(x, a, axis=0), np.repeat(y, b, axis=0)
    with told_if_unsolved(d, p) as caught:
        values = wasserstein(x, y, p=p, x_weights=a, y_weights=b), wasserstein(*repeated, p=p)
    # a gap of 1e-6 of the cost, the most that goes untold, is 1e-6/p of its p-th root
    exact = 1e-9 if d == 1 or p < 50 else 1e-6 / p
    assert values[0] == pytest.approx(values[1], rel=exact if not caught else 1e-2)


@pytest.mark.parametrize("measure", [wasserstein, dv.sliced_wasserstein, dv.max_sliced_wasserstein])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("p", [1, 2, 10, 50])
def test_the_same_distribution_written_otherwise_is_at_distance_zero(measure, d: int, p: float) -> None:
    """Rounded weights must leave no sliver of mass between rows that do not meet: 1e-16^(1/50) is ½."""
    rng = np.random.default_rng(3)
    options = {} if measure is wasserstein else {"rng": 0, "n_projections": 8}
    for n in (3, 7, 14, 37):
        x, counts = rng.normal(size=(n, d)), rng.integers(1, 6, size=n)
        for other, weights in ((np.repeat(x, 3, axis=0), None), (np.repeat(x, counts, axis=0), counts)):
            with told_if_unsolved(d if measure is wasserstein else 1, p) as caught:
                value = measure(x, other, p=p, x_weights=weights, **options)
            assert caught or value < 1e-12


def test_snapping_leaves_small_weights_alone() -> None:
    weights = [1.0, 1e-13]  # a thousandth of a millionth of a ten-thousandth, and counted
    value = wasserstein([0.0, 1.0], [0.0], x_weights=weights)
    assert value == pytest.approx(1e-13, rel=1e-2)
    value = wasserstein([[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0]], x_weights=weights)
    assert value == pytest.approx(1e-13, rel=1e-2)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_large_p_neither_underflows_nor_overflows(d: int) -> None:
    """W_p of a translation is its length, at any scale; W_p climbs to the largest gap needed."""
    x = np.random.default_rng(5).normal(size=(12, d))
    step = np.full(d, 3.0 / math.sqrt(d))
    for scale in (1e-100, 1.0, 1e100):
        with told_if_unsolved(d, 50) as caught:
            value = wasserstein(x * scale, (x + step) * scale, p=50)
        assert value == pytest.approx(3.0 * scale, rel=0.02 if caught else 1e-9)
    zeros = np.zeros((4, d))
    moved = zeros.copy()
    moved[0, 0] = 1e-9
    assert wasserstein(zeros, moved, p=50) == pytest.approx(0.25 ** (1 / 50) * 1e-9, rel=1e-9)


@pytest.mark.parametrize("measure", [wasserstein, dv.sliced_wasserstein])
@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("weights", [(0.25, 0.25, 0.5), (1.0, 1.0, 1.0), (0.2, 0.3, 0.5)])
def test_gradient_of_weights_at_coinciding_levels(measure, d: int, weights: tuple[float, ...]) -> None:
    """Between the one-sided finite differences, where the levels of both samples coincide too."""
    x = torch.tensor([[2.0, 1.0], [0.0, 0.3], [1.0, -2.0]], dtype=torch.float64)[:, :d]
    y = torch.tensor([[4.0, 1.5], [0.5, 0.2], [3.0, 1.0]], dtype=torch.float64)[:, :d]
    b = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64) if weights[0] == 0.25 else None
    options = {"y_weights": b} if measure is wasserstein else {"y_weights": b, "rng": 3, "n_projections": 5}

    def cost(a: torch.Tensor) -> torch.Tensor:
        return measure(x, y, p=1, x_weights=a, **options)

    a = torch.tensor(weights, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(cost(a), a)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        step = torch.zeros(3, dtype=torch.float64)
        step[i], step[j] = 1e-6, -1e-6
        slope = float(gradient[i] - gradient[j])
        base = cost(a.detach())
        sides = [float(cost(a.detach() + s * step) - base) / (s * 1e-6) for s in (-1, 1)]
        assert min(sides) - 1e-5 <= slope <= max(sides) + 1e-5


# ── several dimensions ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("n", [2, 4, 6])
@pytest.mark.parametrize("p", [1, 2, 3, 9])
def test_equal_sizes_against_every_permutation(rng: np.random.Generator, n: int, p: float) -> None:
    x, y = rng.normal(size=(n, 3)), rng.normal(size=(n, 3))
    distances = np.linalg.norm(x[:, None] - y[None], axis=2)
    orders = itertools.permutations(range(n))
    best = min(np.mean(distances[np.arange(n), list(order)] ** p) for order in orders)
    assert wasserstein(x, y, p=p) == pytest.approx(best ** (1 / p), rel=1e-10)


def test_unequal_weights_against_every_vertex_of_the_polytope(rng: np.random.Generator) -> None:
    """The optimum is a vertex: a spanning tree of the 2 × 3 cells. All of them, by brute force."""
    x, y = rng.normal(size=(2, 2)), rng.normal(size=(3, 2))
    a, b = np.array([0.3, 0.7]), np.array([0.2, 0.5, 0.3])
    cost = np.linalg.norm(x[:, None] - y[None], axis=2).ravel()
    sums_of_rows, sums_of_columns = np.repeat(np.eye(2), 3, axis=1), np.tile(np.eye(3), 2)
    rows = np.concatenate([sums_of_rows, sums_of_columns])
    best = math.inf
    for cells in itertools.combinations(range(6), 4):
        sub = rows[:, cells]
        mass, _, rank, _ = np.linalg.lstsq(sub, np.concatenate([a, b]), rcond=None)
        if rank == 4 and np.all(mass >= -1e-12) and np.allclose(sub @ mass, np.concatenate([a, b])):
            best = min(best, float(mass @ cost[list(cells)]))
    assert wasserstein(x, y, x_weights=a, y_weights=b) == pytest.approx(best, rel=1e-10)


def test_monotone_in_p_and_bounded_by_the_diameter(rng: np.random.Generator) -> None:
    """Laws 45 and 51: W_1 ≤ W_2 ≤ W_3 and W_p ≤ diam^((p−1)/p) W_1^(1/p)."""
    for d in (1, 2, 5):
        x, y = rng.normal(size=(20, d)), rng.normal(0.4, 2.0, size=(15, d))
        diameter = np.linalg.norm(x[:, None] - y[None], axis=2).max()
        values = [float(wasserstein(x, y, p=p)) for p in (1, 1.5, 2, 3, 8, 30)]
        assert all(low <= high * (1 + 1e-12) for low, high in itertools.pairwise(values))
        for p, value in zip((1, 1.5, 2, 3, 8, 30), values, strict=True):
            assert value <= diameter ** ((p - 1) / p) * values[0] ** (1 / p) * (1 + 1e-12)


def test_translation_and_the_split_of_the_means(rng: np.random.Generator) -> None:
    """Laws 52 and 54: W_p(x, x + a) = |a|; W_2²(x, y + a) = W_2²(x, y) + |a|² + 2⟨a, ȳ − x̄⟩."""
    x, y, a = rng.normal(size=(15, 3)), rng.normal(size=(15, 3)), np.array([1.0, -2.0, 2.0])
    for p in (1, 2, 4):
        assert wasserstein(x, x + a, p=p) == pytest.approx(3.0, rel=1e-10)
    base, moved = wasserstein(x, y, p=2) ** 2, wasserstein(x, y + a, p=2) ** 2
    assert moved == pytest.approx(base + 9.0 + 2 * a @ (y.mean(axis=0) - x.mean(axis=0)), rel=1e-10)


# ── what the solver did ─────────────────────────────────────────────────────────────────────


def _points(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(8, 2)), rng.normal(size=(8, 2))


def test_a_plan_that_is_not_optimal_is_told(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    solve = dense.solve

    def product_plan(problem: Problem, **options: Any) -> Solution:
        rows, columns = np.divmod(np.arange(problem.n * problem.m), problem.m)
        mass = problem.a[rows] * problem.b[columns]
        return replace(solve(problem, **options), rows=rows, columns=columns, mass=mass)

    x, y = _points(rng)
    truth = float(wasserstein(x, y))
    monkeypatch.setattr(dense, "solve", product_plan)
    with pytest.warns(DivergenceWarning, match="duality gap") as caught:
        value = float(wasserstein(x, y))
    assert value > truth * 1.01
    relative = float(str(caught[0].message).split("gap of ")[1].split()[0])
    assert value * (1 - relative) <= truth * 1.05  # off by at most the gap it tells (two digits)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("wrong", ["zero", "infeasible"])
def test_potentials_that_prove_nothing_are_told(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """The plan is right, but no dual proves it: the certificate never trusts the solver's potentials."""
    solve = dense.solve

    def unproved(problem: Problem, **options: Any) -> Solution:
        found = solve(problem, **options)
        wild = 0 * found.v if wrong == "zero" else np.linspace(50.0, 0.0, len(found.v))
        return replace(found, u=0 * found.u, v=wild)

    x, y = _points(rng)
    truth = float(wasserstein(x, y))
    monkeypatch.setattr(dense, "solve", unproved)
    with pytest.warns(DivergenceWarning, match="duality gap"):
        assert float(wasserstein(x, y)) == pytest.approx(truth, rel=1e-12)


def test_a_large_cost_matrix_needs_no_tables_of_the_dense_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}  # 4 MB
    monkeypatch.setattr(os, "sysconf", lambda name: pages[name])
    x = np.random.default_rng(0).normal(size=(1100, 2))
    cost = np.abs(x[:, :1] - x[:, 1])
    answer = dv.transport(x, x, cost=cost)
    assert answer.method == "column generation"
    assert answer.converged
    rows, columns = linear_sum_assignment(cost)
    assert float(answer.cost) == pytest.approx(cost[rows, columns].mean(), rel=1e-9)


# ── sliced ──────────────────────────────────────────────────────────────────────────────────


def test_sliced_of_a_translation_is_its_length_over_root_d(rng: np.random.Generator) -> None:
    """Law 60 in expectation over directions: the mean of ⟨θ, a⟩² is |a|²/d."""
    for d in (2, 5):
        x, a = rng.normal(size=(10, d)), rng.normal(size=d)
        value = dv.sliced_wasserstein(x, x + a, n_projections=200_000 // d, rng=1)
        assert value == pytest.approx(np.linalg.norm(a) / math.sqrt(d), rel=0.01)


def test_sliced_is_at_most_w2_over_root_d(rng: np.random.Generator) -> None:
    """Law 59, up to the Monte-Carlo error of the directions."""
    for d in (2, 3, 6):
        x, y = rng.normal(size=(30, d)), rng.normal(0.5, 1.5, size=(30, d))
        sliced = dv.sliced_wasserstein(x, y, n_projections=5000, rng=2)
        assert sliced <= wasserstein(x, y, p=2) / math.sqrt(d) * 1.03


@pytest.mark.parametrize("p", [1, 2, 5])
def test_sliced_is_the_mean_over_its_directions(rng: np.random.Generator, p: float) -> None:
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(7, 3))
    a, b = rng.random(9), rng.random(7)
    directions = np.random.default_rng(11).normal(size=(3, 20))
    directions /= np.linalg.norm(directions, axis=0)
    for weights in ({}, {"x_weights": a, "y_weights": b}):
        powers = [float(wasserstein(x @ t, y @ t, p=p, **weights)) ** p for t in directions.T]
        value = dv.sliced_wasserstein(x, y, p=p, n_projections=20, rng=11, **weights)
        assert value == pytest.approx(np.mean(powers) ** (1 / p), rel=1e-10)
        best = dv.max_sliced_wasserstein(x, y, p=p, n_projections=20, rng=11, **weights)
        assert best >= max(powers) ** (1 / p) * (1 - 1e-12)


def test_the_same_seed_gives_the_same_number(samples: tuple[np.ndarray, np.ndarray]) -> None:
    for measure in (dv.sliced_wasserstein, dv.max_sliced_wasserstein):
        assert measure(*samples, rng=4) == measure(*samples, rng=4)
        assert measure(*samples, rng=np.random.default_rng(4)) == measure(*samples, rng=4)
    assert dv.sliced_wasserstein(*samples, rng=4) != dv.sliced_wasserstein(*samples, rng=5)


@pytest.mark.parametrize("measure", [dv.sliced_wasserstein, dv.max_sliced_wasserstein])
def test_sliced_weights_are_repetitions(rng: np.random.Generator, measure) -> None:
    x, y = rng.normal(size=(6, 3)), rng.normal(0.3, 1.0, size=(5, 3))
    a, b = np.array([1, 2, 3, 1, 4, 1]), np.array([2, 1, 1, 3, 0])
    repeated = measure(np.repeat(x, a, axis=0), np.repeat(y, b, axis=0), rng=0)
    assert measure(x, y, x_weights=a, y_weights=b, rng=0) == pytest.approx(repeated, rel=1e-9)


def test_max_sliced_finds_the_planted_direction() -> None:
    """Equal means and variances apart from one direction in twelve dimensions, where y is stretched."""
    rng = np.random.default_rng(8)
    planted = rng.normal(size=12)
    planted /= np.linalg.norm(planted)
    x, y = rng.normal(size=(1500, 12)), rng.normal(size=(1500, 12))
    y += np.outer(y @ planted, planted) * 2.0  # standard deviation 3 along it
    along = float(wasserstein(x @ planted, y @ planted, p=2))
    found = float(dv.max_sliced_wasserstein(x, y, rng=0))
    assert found >= along * 0.999
    assert found <= along * 1.05
    assert found > 2 * dv.sliced_wasserstein(x, y, rng=0)


def test_max_sliced_lies_between_sliced_and_the_whole(rng: np.random.Generator) -> None:
    for _ in range(5):
        x, y = rng.normal(size=(20, 3)), rng.normal(0.3, 2.0, size=(25, 3))
        sliced, best = (f(x, y, rng=1) for f in (dv.sliced_wasserstein, dv.max_sliced_wasserstein))
        assert sliced <= best <= wasserstein(x, y, p=2) * (1 + 1e-9)


def test_max_sliced_ties_do_not_tell_rows_by_their_order_or_place() -> None:
    """Found by the laws at length: at ties a rounding error chose where the climb went on, 1e-4 apart."""
    x = np.array([[3.0, 0, 0], [0, 0, 0], [0, 1, 1], [2, 0, 1], [3, 1, 0], [2, 0, 3]])
    y = np.array([[1.0, 2, 3], [1, 2, 2], [2, 2, 1], [4, 2, 0], [0, 3, 2], [1, 1, 0]])
    value = dv.max_sliced_wasserstein(x, y, n_projections=16, rng=0)
    turned = dv.max_sliced_wasserstein(x[[4, 5, 1, 3, 2, 0]], y[[1, 5, 2, 4, 0, 3]], n_projections=16, rng=0)
    assert turned == pytest.approx(value, rel=1e-13)
    for shift in (-5.0, 1e3, 1.0 / 3.0):
        moved = dv.max_sliced_wasserstein(x + shift, y + shift, n_projections=16, rng=0)
        assert moved == pytest.approx(value, rel=1e-12)
