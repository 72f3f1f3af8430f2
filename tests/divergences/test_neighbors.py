"""Precision, recall, density, coverage: by hand, by brute force in whole numbers, beside prdc's formula."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from divergences import PrecisionRecall, precision_recall


def as_floats(result: PrecisionRecall) -> tuple[float, ...]:
    return tuple(float(value) for value in result)


def prdc(x: np.ndarray, y: np.ndarray, k: int) -> tuple[float, ...]:
    """Naeem et al.'s published code, in its own terms: radii by the (k+1)-th column, open balls."""
    xx, yy, xy = (np.linalg.norm(s[:, None] - t[None], axis=2) for s, t in ((x, x), (y, y), (x, y)))
    x_radii, y_radii = np.sort(xx, axis=1)[:, k], np.sort(yy, axis=1)[:, k]
    return (
        (xy < x_radii[:, None]).any(axis=0).mean(),
        (xy < y_radii[None, :]).any(axis=1).mean(),
        (xy < x_radii[:, None]).sum(axis=0).mean() / k,
        (xy.min(axis=1) < x_radii).mean(),
    )


def counted(x: np.ndarray, y: np.ndarray, k: int) -> tuple[float, ...]:
    """The docstring, in whole numbers: closed balls; for density each ball shares k among what it holds."""

    def squared(s: np.ndarray, t: np.ndarray) -> int:
        return int(((s - t) ** 2).sum())

    def radius(points: np.ndarray, i: int) -> int:
        return sorted(squared(points[i], points[j]) for j in range(len(points)) if j != i)[k - 1]

    x_radii = [radius(x, i) for i in range(len(x))]
    y_radii = [radius(y, j) for j in range(len(y))]
    n, m = len(x), len(y)
    precision = Fraction(sum(any(squared(x[i], t) <= x_radii[i] for i in range(n)) for t in y), m)
    recall = Fraction(sum(any(squared(s, y[j]) <= y_radii[j] for j in range(m)) for s in x), n)
    coverage = Fraction(sum(any(squared(x[i], t) <= x_radii[i] for t in y) for i in range(n)), n)
    density = Fraction(0)
    for i in range(n):
        own = [squared(x[i], s) for s in x]
        inside, edge = sum(d < x_radii[i] for d in own), sum(d == x_radii[i] for d in own)
        share = Fraction(k - inside, edge)
        for t in y:
            d = squared(x[i], t)
            density += 1 if d < x_radii[i] else share if d == x_radii[i] else 0
    return float(precision), float(recall), float(density / (k * m)), float(coverage)


def test_a_configuration_by_hand() -> None:
    """Radii of x at k = 1: 1, 1, 7. Radii of y: 2, 2, 90."""
    x, y = np.array([0.0, 1.0, 8.0]), np.array([-1.0, 1.0, 100.0])
    result = precision_recall(x, y, k=1)
    assert result.precision == pytest.approx(2 / 3)  # −1 on the edge of 0's ball, 1 in it, 100 in none
    assert result.recall == pytest.approx(1.0)  # 0 and 1 in 1's ball of radius 2; 8 in 100's of radius 99
    assert result.coverage == pytest.approx(1.0)  # 8's ball reaches 1, on its edge
    # each ball holds k = 1 of x: the centre, strictly inside, so a point on the edge has no share
    assert result.density == pytest.approx(1 / 3)


@pytest.mark.parametrize("d", [1, 2, 5, 20])
@pytest.mark.parametrize("k", [1, 3, 7])
def test_equals_prdc_where_nothing_ties(rng: np.random.Generator, d: int, k: int) -> None:
    x, y = rng.normal(size=(60, d)), rng.normal(0.3, 1.2, size=(45, d))
    assert as_floats(precision_recall(x, y, k=k)) == pytest.approx(prdc(x, y, k), abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("d", [1, 2, 3])
def test_boundaries_on_a_lattice(seed: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 4, size=(14, d)), rng.integers(0, 5, size=(11, d))
    for k in (1, 2, 5):
        result = as_floats(precision_recall(x, y, k=k))
        assert result == pytest.approx(counted(x, y, k), abs=1e-12)
        moved = as_floats(precision_recall(x * 0.1 + 1e5, y * 0.1 + 1e5, k=k))
        assert moved == pytest.approx(result, abs=1e-12)


@pytest.mark.parametrize("d", [1, 2, 12])
@pytest.mark.parametrize("k", [1, 4])
def test_identical_sets_are_perfect(rng: np.random.Generator, d: int, k: int) -> None:
    lattice = rng.integers(0, 3, size=(30, d)).astype(float)
    for x in (
        rng.normal(size=(30, d)),
        lattice,
        np.ones((30, d)),
        np.repeat(rng.normal(size=(10, d)), 3, axis=0),
    ):
        assert as_floats(precision_recall(x, x[::-1], k=k)) == pytest.approx((1, 1, 1, 1), abs=1e-12)


def test_constant_sets_and_disjoint_sets() -> None:
    x = np.zeros((6, 2))
    assert as_floats(precision_recall(x, np.zeros((9, 2)), k=3)) == pytest.approx((1, 1, 1, 1))
    assert as_floats(precision_recall(x, np.ones((9, 2)), k=3)) == (0, 0, 0, 0)


def test_a_crowded_mode_is_precise_and_covers_little(rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 2))
    y = np.zeros((200, 2)) + 1e-3 * rng.normal(size=(200, 2))
    result = precision_recall(x, y)
    assert result.precision == 1
    assert result.coverage < 0.2
    assert result.recall < 0.2
    # in twenty dimensions the centre lies in nearly every ball: density has no upper bound of 1
    x = rng.normal(size=(200, 20))
    assert precision_recall(x, y[:, :1] * np.ones(20)).density > 20


def test_bounds_and_monotone_in_k(rng: np.random.Generator) -> None:
    """Law 101: larger balls hold more."""
    x, y = rng.normal(size=(40, 3)), rng.normal(1.0, 1.0, size=(30, 3))
    results = [precision_recall(x, y, k=k) for k in range(1, 30)]
    for name in ("precision", "recall", "coverage"):
        values = [float(getattr(result, name)) for result in results]
        assert values == sorted(values)
        assert 0 <= values[0] <= values[-1] <= 1
    assert all(float(result.density) >= 0 for result in results)


def test_k_is_below_both_sizes() -> None:
    x = np.arange(6.0)
    assert precision_recall(x, x[:3] * 1.1, k=2)
    for k in (3, 6):
        with pytest.raises(ValueError, match="k must be below 3"):
            precision_recall(x, x[:3], k=k)
        with pytest.raises(ValueError, match="k must be below 3"):
            precision_recall(x[:3], x, k=k)
    with pytest.raises(ValueError, match="at least 1"):
        precision_recall(x, x, k=0)
    with pytest.raises(TypeError, match="integer"):
        precision_recall(x, x, k=2.0)
