"""Reductions over pairs: accuracy by direct differences in long double, blocks, memory."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import sklearn
import torch
from scipy.special import logsumexp

import divergences as dv
from divergences import _pairwise as pw

DIMENSIONS = (1, 3, 12, 13, 40)  # direct differences up to 12, the matrix product above
LIBRARIES = pytest.mark.parametrize("library", ["numpy", "torch"])


def as_library(library: str, *arrays: np.ndarray):
    return arrays if library == "numpy" else tuple(torch.tensor(a) for a in arrays)


def exact(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    wide_x, wide_y = x.astype(np.longdouble), y.astype(np.longdouble)
    return ((wide_x[:, None] - wide_y[None]) ** 2).sum(axis=2).astype(np.float64)


def scenes(rng: np.random.Generator, d: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    x, y = rng.normal(size=(30, d)), rng.normal(size=(25, d))
    far = np.repeat([[0.0], [1e7]], [15, 15], axis=0)
    return {
        "plain": (x, y),
        "offset": (x + 1e6, y + 1e6),
        "near-duplicates": (x, x[:25] + 1e-9 * y),
        "nearer and nearer": (x, x[:25] + np.geomspace(1e-6, 0.1, 25)[:, None] * y),
        "two clusters far apart": (x + far, np.concatenate([y[:10], y[10:] + 1e7])),
        "one outlier": (np.concatenate([x, [np.full(d, 1e8)]]), y),
        "scales": (x * np.geomspace(1e-6, 1e6, d), y * np.geomspace(1e-6, 1e6, d)),
    }


# ── distances ───────────────────────────────────────────────────────────────────────────────


@LIBRARIES
@pytest.mark.parametrize("d", DIMENSIONS)
def test_squared_distances_to_ten_digits(rng: np.random.Generator, library: str, d: int) -> None:
    for name, (x, y) in scenes(rng, d).items():
        got = np.asarray(pw.squared_distances(*as_library(library, x, y)))
        np.testing.assert_allclose(got, exact(x, y), rtol=1e-10, err_msg=name)


@LIBRARIES
@pytest.mark.parametrize("d", DIMENSIONS)
def test_equal_rows_are_at_zero_exactly(rng: np.random.Generator, library: str, d: int) -> None:
    for name, (x, _) in scenes(rng, d).items():
        got = np.asarray(pw.squared_distances(*as_library(library, x, x[::-1].copy())))
        assert np.all(got[np.arange(len(x)), np.arange(len(x))[::-1]] == 0), name
        assert np.all(got >= 0), name


@pytest.mark.parametrize("p", [1, 2, 3.5])
@pytest.mark.parametrize("d", DIMENSIONS)
def test_distance_matrix(rng: np.random.Generator, d: int, p: float) -> None:
    for x, y in scenes(rng, d).values():
        np.testing.assert_allclose(pw.distance_matrix(x, y, p), exact(x, y) ** (p / 2), rtol=1e-9)


def test_paired_distances_broadcast(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(4, 1, 3)), rng.normal(size=(5, 3))
    assert pw.paired_squared_distances(x, y).shape == (4, 5)
    np.testing.assert_allclose(pw.paired_squared_distances(x, y), exact(x[:, 0], y), rtol=1e-14)


# ── blocks ──────────────────────────────────────────────────────────────────────────────────


def test_a_block_follows_the_working_memory_setting() -> None:
    with sklearn.config_context(working_memory=1):
        assert pw.block_rows(1000) == 2**20 // 4 // 8000
    with sklearn.config_context(working_memory=1e-6):
        assert pw.block_rows(10**9) == 1
    for rows, columns in ((1, 1), (17, 10**6), (5000, 1000)):
        slices = list(pw.row_slices(rows, columns))
        assert [i for part in slices for i in range(part.start, part.stop)] == list(range(rows))


@LIBRARIES
@pytest.mark.parametrize("d", [2, 20])
def test_blocked_is_unblocked(rng: np.random.Generator, library: str, d: int) -> None:
    x, y = rng.normal(size=(83, d)), rng.normal(size=(71, d))
    a, b = rng.random(83), rng.random(71)
    x, y, a, b = as_library(library, x, y, a, b)
    roots = [pw.euclidean, lambda squared: squared]

    def everything() -> list[np.ndarray]:
        return [
            np.asarray(v)
            for v in (
                *pw.weighted_sums(x, y, a, b, roots),
                *pw.self_sums(x, a, roots),
                pw.gram_sums(x, y, a, b, lambda s, t: s @ t.T),
                pw.gram_diagonal(x, lambda s, t: s @ t.T),
                pw.row_logsumexp(x, y, b, [0.1, 2.0]),
            )
        ]

    whole = everything()
    with sklearn.config_context(working_memory=0.02):
        assert pw.block_rows(71) < 20
        blocked = everything()
    for one, other in zip(whole, blocked, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@LIBRARIES
@pytest.mark.parametrize("d", [1, 3, 20])
def test_self_sums_are_weighted_sums_with_itself(rng: np.random.Generator, library: str, d: int) -> None:
    x, a = as_library(library, rng.normal(size=(90, d)), rng.random(90))
    functions = [pw.euclidean, lambda squared: 1.0 / (1.0 + squared)]
    with sklearn.config_context(working_memory=0.02):
        for one, other in zip(
            pw.self_sums(x, a, functions), pw.weighted_sums(x, x, a, a, functions), strict=True
        ):
            assert float(one) == pytest.approx(float(other), rel=1e-12)


def test_the_diagonal_of_a_kernel(rng: np.random.Generator) -> None:
    x = rng.normal(size=(150, 3))
    np.testing.assert_allclose(
        pw.gram_diagonal(x, lambda s, t: (s @ t.T + 1) ** 3), ((x * x).sum(1) + 1) ** 3
    )


def test_memory_of_energy_stays_far_below_a_matrix(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(6000, 3)), rng.normal(size=(6000, 3))
    dv.energy(x[:10], y[:10])  # what loads once
    tracemalloc.start()
    try:
        dv.energy(x, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6000 * 6000 * 8 / 3
    with sklearn.config_context(working_memory=8):
        tracemalloc.start()
        try:
            dv.energy(x, y)
            _, small = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert small < 10 * 2**20


# ── representative rows, log sums ───────────────────────────────────────────────────────────


def test_representative_rows_are_free_of_row_order(rng: np.random.Generator) -> None:
    x = rng.normal(size=(500, 3))
    order = rng.permutation(500)
    chosen = x[pw.representative_rows(x, 60)]
    again = x[order][pw.representative_rows(x[order], 60)]
    np.testing.assert_array_equal(chosen, again)
    assert len(np.unique(chosen, axis=0)) == 60
    np.testing.assert_array_equal(pw.representative_rows(x, 500), np.arange(500))
    np.testing.assert_allclose(chosen.mean(axis=0), x.mean(axis=0), atol=0.4)


@LIBRARIES
@pytest.mark.parametrize("d", [1, 20])
def test_row_logsumexp_and_leave_one_out(rng: np.random.Generator, library: str, d: int) -> None:
    y, b = rng.normal(size=(40, d)), rng.random(40)
    rows = np.array([3, 39, 0, 17])
    rates = [0.3, 1e-3, 1e4]
    x_, y_, b_, own = as_library(library, y[rows], y, np.log(b), rows)
    squared = exact(y[rows], y)
    got = np.asarray(pw.row_logsumexp(x_, y_, b_, rates))
    left_out = np.asarray(pw.row_logsumexp(x_, y_, b_, rates, own=own))
    for k, rate in enumerate(rates):
        logs = np.log(b) - rate * squared
        np.testing.assert_allclose(got[k], logsumexp(logs, axis=1), rtol=1e-10)
        logs[np.arange(4), rows] = -np.inf
        np.testing.assert_allclose(left_out[k], logsumexp(logs, axis=1), rtol=1e-10)


def test_row_logsumexp_of_rows_without_weight(rng: np.random.Generator) -> None:
    y = rng.normal(size=(3, 2))
    value = pw.row_logsumexp(y, y, np.array([-np.inf, -np.inf, 0.0]), [1.0])
    np.testing.assert_allclose(value[0], -((y - y[2]) ** 2).sum(axis=1))
    assert np.all(pw.row_logsumexp(y, y, np.full(3, -np.inf), [1.0]) == -np.inf)


def test_euclidean_has_gradient_zero_where_it_vanishes() -> None:
    squared = torch.tensor([0.0, 4.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(pw.euclidean(squared).sum(), squared)
    assert gradient.tolist() == [0.0, 0.25]
    assert math.isclose(float(pw.euclidean(np.asarray(9.0))), 3.0)
