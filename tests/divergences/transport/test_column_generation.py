"""Column generation: POT's value on every kind of small problem, deadlines, progress, equal points."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import ot
import pytest

from divergences.transport import column_generation, dense
from divergences.transport.certificate import certify
from divergences.transport.column_generation import solve
from divergences.transport.problem import Problem


@pytest.fixture
def many_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coarse levels also for small problems, or they would all go to the dense simplex."""
    monkeypatch.setattr(column_generation, "COARSEST", 20)


def gaussian(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    return rng.normal(size=(n, d)), 1.1 * rng.normal(size=(m, d)) + 0.3, np.ones(n), np.ones(m)


def weighted(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    x, y, _, _ = gaussian(rng, n, m, d)
    return x, y, rng.exponential(size=n), rng.exponential(size=m)


def grid(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    x, y, a, b = gaussian(rng, n, m, d)
    return np.round(x), np.round(y), a, b


def duplicates(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    x, y, a, b = weighted(rng, n, m, d)
    return x[rng.integers(5, size=n)], np.concatenate([x, y])[rng.integers(n + m, size=m)], a, b


def collinear(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    x, y, a, b = gaussian(rng, n, m, d)
    return np.outer(x[:, 0], np.ones(d)), np.outer(y[:, 0], np.ones(d)), a, b


def one_place(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    _, y, a, b = weighted(rng, n, m, d)
    return np.ones((n, d)), y, a, b


def heavy_tails(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    return rng.standard_t(1, size=(n, d)), rng.standard_t(1, size=(m, d)), np.ones(n), np.ones(m)


def clusters(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    centres = 5.0 * rng.normal(size=(5, d))
    sides = [centres[rng.choice(5, size, p=rng.dirichlet(np.ones(5)))] for size in (n, m)]
    return *(side + 0.1 * rng.normal(size=side.shape) for side in sides), np.ones(n), np.ones(m)


def tiny_weights(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    x, y, a, b = weighted(rng, n, m, d)
    return x, y, np.where(rng.random(n) < 0.5, 1e-9, 1.0) * a, np.where(rng.random(m) < 0.5, 1e-9, 1.0) * b


def many_to_few(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, ...]:
    return gaussian(rng, 8 * n, 3, d)


KINDS = [gaussian, weighted, grid, duplicates, collinear, one_place, heavy_tails, clusters, tiny_weights]
KINDS += [many_to_few]


def make(kind: Callable[..., tuple[np.ndarray, ...]], seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    n, m, d = int(rng.integers(25, 90)), int(rng.integers(25, 90)), int(rng.choice([1, 2, 3, 10, 30]))
    x, y, a, b = kind(rng, n, n if seed % 3 == 0 else m, d)
    scale = max(np.abs(x).max(), np.abs(y).max())
    p, ground = [1.0, 2.0, 1.5, 3.0][seed % 4], "cityblock" if seed % 5 == 0 else "euclidean"
    return Problem(x / scale, y / scale, a / a.sum(), b / b.sum(), p, ground)


@pytest.mark.usefixtures("many_levels")
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_pot(kind: Callable[..., tuple[np.ndarray, ...]]) -> None:
    for seed in range(21):  # 210 problems in all
        problem = make(kind, seed)
        reference = ot.emd2(problem.a, problem.b, problem.block(slice(None)), numItermax=10**7)
        solution = solve(problem)
        certificate = certify(problem, solution)[0]
        assert solution.converged
        assert certificate.upper == pytest.approx(reference, rel=1e-9), (kind, seed)
        assert certificate.gap <= 1e-9 * certificate.upper, (kind, seed)


@pytest.mark.usefixtures("many_levels")
def test_takes_a_cost_matrix(rng: np.random.Generator) -> None:
    matrix = rng.normal(size=(90, 120))
    a, b = rng.dirichlet(np.ones(90)), rng.dirichlet(np.ones(120))
    problem = Problem(np.zeros((90, 0)), np.zeros((120, 0)), a, b, p=1.0, matrix=matrix)
    certificate = certify(problem, solve(problem))[0]
    assert certificate.upper == pytest.approx(ot.emd2(a, b, matrix), rel=1e-9)
    assert certificate.gap <= 1e-9 * abs(certificate.upper)


@pytest.mark.usefixtures("many_levels")
def test_equal_samples_cost_nothing(rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 2))
    a = rng.dirichlet(np.ones(300))
    problem = Problem(x, x.copy(), a, a.copy())
    certificate = certify(problem, solve(problem))[0]
    assert (certificate.lower, certificate.upper) == (0.0, 0.0)


@pytest.mark.parametrize("n", [3000])
@pytest.mark.parametrize(("d", "p"), [(2, 1.0), (2, 2.0), (20, 2.0), (20, 1.0)])
def test_larger_than_dense(n: int, d: int, p: float, rng: np.random.Generator) -> None:
    x, y, a, b = weighted(rng, n, n // 2, d)
    problem = Problem(x / 5, y / 5, a / a.sum(), b / b.sum(), p)
    solution = solve(problem)
    certificate = certify(problem, solution)[0]
    assert solution.converged
    assert certificate.gap <= 1e-9 * certificate.upper
    assert len(solution.mass) <= problem.n + problem.m - 1


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.1])
def test_deadline_still_proves_something(seconds: float, rng: np.random.Generator) -> None:
    x, y, a, b = weighted(rng, 2500, 2500, 2)
    problem = Problem(x / 5, y / 5, a / a.sum(), b / b.sum())
    truth = certify(problem, solve(problem))[0]
    late = solve(problem, deadline=time.monotonic() + seconds)
    certificate, mended = certify(problem, late)
    assert certificate.lower <= truth.upper * (1 + 1e-12)
    assert certificate.upper >= truth.lower * (1 - 1e-12)
    assert certificate.lower > 0
    if seconds == 0:
        assert not late.converged
    np.testing.assert_allclose(np.bincount(mended.rows, mended.mass), problem.a, rtol=1e-12, atol=1e-15)


def test_progress_rises_to_one(rng: np.random.Generator) -> None:
    x, y, a, b = gaussian(rng, 1200, 1000, 30)
    seen: list[float] = []
    problem = Problem(x / 5, y / 5, a / 1200, b / 1000)
    solve(problem, progress=seen.append)
    assert seen[-1] == 1.0
    assert all(0.0 <= fraction <= 1.0 for fraction in seen)


def test_interrupt_leaves_nothing_behind(rng: np.random.Generator) -> None:
    x, y, a, b = gaussian(rng, 1200, 1000, 2)
    problem = Problem(x / 5, y / 5, a / 1200, b / 1000)

    def interrupt(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(problem, progress=interrupt)
    first, second = solve(problem), solve(problem)
    np.testing.assert_array_equal(first.mass, second.mass)


def test_dense_equals_column_generation(rng: np.random.Generator) -> None:
    x, y, a, b = weighted(rng, 700, 600, 3)
    problem = Problem(x / 5, y / 5, a / a.sum(), b / b.sum())
    sparse, full = certify(problem, solve(problem))[0], certify(problem, dense.solve(problem))[0]
    assert sparse.upper == pytest.approx(full.upper, rel=1e-11)
