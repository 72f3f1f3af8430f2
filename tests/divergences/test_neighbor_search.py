"""Neighbour searches beside brute force in long double, on ties, duplicates and far offsets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from divergences import _neighbor_search as ns

LIBRARIES = pytest.mark.parametrize("library", ["numpy", "torch"])


def as_library(library: str, *arrays: np.ndarray):
    return arrays if library == "numpy" else tuple(torch.tensor(a) for a in arrays)


def exact(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    wide_x, wide_y = x.astype(np.longdouble), y.astype(np.longdouble)
    return ((wide_x[:, None] - wide_y[None]) ** 2).sum(axis=2).astype(np.float64)


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
        columns = ns.nearest(*as_library(library, x, y), k)
        assert columns.shape == (len(x), k)
        got = exact(x, y)[np.arange(len(x))[:, None], columns]
        np.testing.assert_allclose(got, truth, rtol=1e-9, atol=1e-300)
        assert all(len(set(row)) == k for row in columns)
        kth = ns.kth_nearest(*as_library(library, x, y), k)
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
        columns = ns.nearest(*as_library(library, y, y), k, exclude_self=True)
        assert np.all(columns != np.arange(len(y))[:, None])
        np.testing.assert_allclose(
            squared[np.arange(len(y))[:, None], columns], truth, rtol=1e-9, atol=1e-300
        )
        kth = ns.kth_nearest(*as_library(library, y, y), k, exclude_self=True)
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
                column = ns.kth_nearest(queries, y, k)
                np.testing.assert_array_equal(np.abs(queries[:, 0] - y[column, 0]), ordered[:, k - 1])


@LIBRARIES
@pytest.mark.parametrize("d", [1, 3, 20])
def test_count_within_keeps_its_boundaries(rng: np.random.Generator, library: str, d: int) -> None:
    x, y = (rng.integers(0, 3, size=(rows, d)).astype(float) for rows in (40, 30))
    radii = rng.integers(0, 2 * d + 1, size=30).astype(float)
    holding, inside, boundary = ns.count_within(*as_library(library, x, y, radii))
    squared = exact(x, y)
    np.testing.assert_array_equal(holding, (squared <= radii).sum(axis=1))
    np.testing.assert_array_equal(inside, (squared < radii).sum(axis=0))
    np.testing.assert_array_equal(boundary, (squared == radii).sum(axis=0))
