"""Reductions over pairs: accuracy by direct differences in long double, blocks, neighbours, memory."""

from __future__ import annotations

import itertools
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
    radii = (y * y).sum(1)
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
                pw.nearest(x, y, 4),
                *pw.count_within(x, y, radii),
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


# ── neighbours ──────────────────────────────────────────────────────────────────────────────


def neighbour_scenes(rng: np.random.Generator, d: int) -> list[tuple[np.ndarray, np.ndarray]]:
    x, y = rng.normal(size=(50, d)), rng.normal(size=(60, d))
    return [
        (x, y),
        (x, np.concatenate([x[:20], x[:20], y])),  # duplicates
        (rng.integers(0, 3, size=(50, d)).astype(float), rng.integers(0, 3, size=(40, d)).astype(float)),
        (np.zeros((20, d)), np.zeros((15, d))),
        (x, y + 1e6),
    ]


@LIBRARIES
@pytest.mark.parametrize("d", [1, 2, 8, 9, 20])  # the tree up to 8, blocks above
@pytest.mark.parametrize("k", [1, 4])
def test_nearest_against_brute_force(rng: np.random.Generator, library: str, d: int, k: int) -> None:
    for x, y in neighbour_scenes(rng, d):
        truth = np.sort(exact(x, y), axis=1)[:, :k]
        columns = pw.nearest(*as_library(library, x, y), k)
        assert columns.shape == (len(x), k)
        got = exact(x, y)[np.arange(len(x))[:, None], columns]
        np.testing.assert_allclose(got, truth, rtol=1e-9, atol=1e-300)
        assert all(len(set(row)) == k for row in columns)
        kth = pw.kth_nearest(*as_library(library, x, y), k)
        np.testing.assert_allclose(exact(x, y)[np.arange(len(x)), kth], truth[:, -1], rtol=1e-9, atol=1e-300)


@LIBRARIES
@pytest.mark.parametrize("d", [1, 2, 9, 20])
@pytest.mark.parametrize("k", [1, 4, 7])
def test_a_row_is_not_its_own_neighbour_but_its_double_is(
    rng: np.random.Generator, library: str, d: int, k: int
) -> None:
    for _, y in neighbour_scenes(rng, d):
        squared = exact(y, y)
        np.fill_diagonal(squared, np.inf)
        truth = np.sort(squared, axis=1)[:, :k]
        columns = pw.nearest(*as_library(library, y, y), k, exclude_self=True)
        assert np.all(columns != np.arange(len(y))[:, None])
        np.testing.assert_allclose(
            squared[np.arange(len(y))[:, None], columns], truth, rtol=1e-9, atol=1e-300
        )
        kth = pw.kth_nearest(*as_library(library, y, y), k, exclude_self=True)
        distances = exact(y, y)[np.arange(len(y)), kth]
        np.testing.assert_allclose(distances, truth[:, -1], rtol=1e-9, atol=1e-300)


def test_kth_on_the_line_over_every_small_configuration() -> None:
    """All multisets of up to four points out of {0, 1, 2, 4}, every query, every k."""
    queries = np.array([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 9.0])[:, None]
    for size in (1, 2, 3, 4):
        for points in itertools.combinations_with_replacement((4.0, 0.0, 2.0, 1.0), size):
            y = np.array(points)[:, None]
            ordered = np.sort(np.abs(queries - y.T), axis=1)
            for k in range(1, size + 1):
                column = pw.kth_nearest(queries, y, k)
                np.testing.assert_array_equal(np.abs(queries[:, 0] - y[column, 0]), ordered[:, k - 1])


@LIBRARIES
@pytest.mark.parametrize("d", [1, 3, 20])
def test_count_within_keeps_its_boundaries(rng: np.random.Generator, library: str, d: int) -> None:
    x, y = (rng.integers(0, 3, size=(rows, d)).astype(float) for rows in (40, 30))
    radii = rng.integers(0, 2 * d + 1, size=30).astype(float)
    holding, inside, boundary = pw.count_within(*as_library(library, x, y, radii))
    squared = exact(x, y)
    np.testing.assert_array_equal(holding, (squared <= radii).sum(axis=1))
    np.testing.assert_array_equal(inside, (squared < radii).sum(axis=0))
    np.testing.assert_array_equal(boundary, (squared == radii).sum(axis=0))


def test_euclidean_has_gradient_zero_where_it_vanishes() -> None:
    squared = torch.tensor([0.0, 4.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(pw.euclidean(squared).sum(), squared)
    assert gradient.tolist() == [0.0, 0.25]
    assert math.isclose(float(pw.euclidean(np.asarray(9.0))), 3.0)
