"""Neighbour searches beside brute force in long double, on ties, duplicates and far offsets."""

from __future__ import annotations

import itertools

import joblib
import numpy as np
import pytest
import sklearn
import torch
from scipy.spatial.distance import cdist

from divergences import _neighbor_search as ns
from divergences._neighbor_search import search, tiles

LIBRARIES = pytest.mark.parametrize("library", ["numpy", "torch"])


def as_library(library: str, *arrays: np.ndarray):
    return arrays if library == "numpy" else tuple(torch.tensor(a) for a in arrays)


def exact(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    wide_x, wide_y = x.astype(np.longdouble), y.astype(np.longdouble)
    return ((wide_x[:, None] - wide_y[None]) ** 2).sum(axis=2).astype(np.float64)


@pytest.fixture(params=["few pairs", "tiles"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Small problems take the plain way; here they take that of large ones too."""
    if request.param == "tiles":
        monkeypatch.setattr(ns, "TILE_PAIRS", 0)
    return str(request.param)


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
@pytest.mark.usefixtures("way")
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
@pytest.mark.usefixtures("way")
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
@pytest.mark.usefixtures("way")
def test_balls_keep_their_boundaries(rng: np.random.Generator, library: str, d: int) -> None:
    x, y = (rng.integers(0, 3, size=(rows, d)).astype(float) for rows in (40, 30))
    x_radii, y_radii = (rng.integers(0, 2 * d + 1, size=rows).astype(float) for rows in (40, 30))
    squared = exact(x, y)
    held = {
        "inside": (squared < x_radii[:, None]).sum(axis=1),
        "edge": (squared == x_radii[:, None]).sum(axis=1),
        "x held": (squared <= y_radii).sum(axis=1),
        "y held": (squared <= x_radii[:, None]).sum(axis=0),
    }
    found = ns.balls(*as_library(library, x, y, x_radii, y_radii))
    for got, (name, wanted) in zip(found, held.items(), strict=True):
        np.testing.assert_array_equal(got, wanted, err_msg=name)
    held["x held"] = np.zeros(40)
    found = ns.balls(*as_library(library, x, y, x_radii))
    for got, (name, wanted) in zip(found, held.items(), strict=True):
        np.testing.assert_array_equal(got, wanted, err_msg=name)


# ── tiles ───────────────────────────────────────────────────────────────────────────────────
# widths 128 and 64, one and three slices of the features, more than one tile

TILED = pytest.mark.parametrize("d", [3, 70, 500])


def tile_scenes(rng: np.random.Generator, d: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    x, y = rng.normal(size=(150, d)), 1.2 * rng.normal(size=(300, d)) + 0.2
    far_x, far_y = (np.repeat([[0.0], [1e7]], [half, half], axis=0) for half in (75, 150))
    return {
        "plain": (x, y),
        "offset": (x + 1e8, y + 1e8),
        "duplicates": (x, np.concatenate([x, x, y[:20]])),
        "near-duplicates": (x, np.concatenate([x + 1e-9 * rng.normal(size=x.shape), y])),
        "ties": (rng.integers(0, 3, (150, d)) * 1.0, rng.integers(0, 3, (300, d)) * 1.0),
        "one value": (x, np.repeat(y[:2], [200, 100], axis=0)),
        "constant feature": (x * (np.arange(d) > 0) + 7, y * (np.arange(d) > 0) + 7),
        "clusters": (x + far_x, y + far_y),
        "heavy tails": (rng.standard_cauchy((150, d)) ** 3, rng.standard_cauchy((300, d)) ** 3),
        "outliers": (np.concatenate([x, np.full((1, d), 1e9)]), np.concatenate([y, np.full((1, d), -1e8)])),
        "features of all scales": (x * np.geomspace(1e-6, 1e6, d), y * np.geomspace(1e-6, 1e6, d)),
        "small": (x * 1e-120, y * 1e-120),
        "sorted": (np.sort(x, axis=0), np.sort(y, axis=0)),
        "a row": (x[:1], y),
    }


def direct(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return cdist(x, y, "sqeuclidean")


def assert_nearest(squared: np.ndarray, columns: np.ndarray | None, k: int) -> None:
    assert columns is not None
    found = squared[np.arange(len(squared))[:, None], columns]
    np.testing.assert_allclose(found, np.sort(squared, axis=1)[:, :k], rtol=1e-12)
    assert all(len(set(row)) == k for row in columns)


@TILED
@pytest.mark.parametrize("k", [1, 6])
def test_tiles_find_what_brute_force_finds(rng: np.random.Generator, d: int, k: int) -> None:
    for x, y in tile_scenes(rng, d).values():
        assert_nearest(direct(x, y), search.nearest_by_tiles(x, y, k, exclude_self=False, kth=False), k)
        squared = direct(y, y)
        np.fill_diagonal(squared, np.inf)
        by_symmetry = search.nearest_by_tiles(y, y, k, exclude_self=True, kth=False)
        assert_nearest(squared, by_symmetry, k)
        last = search.nearest_by_tiles(y, y, k, exclude_self=True, kth=True)
        np.testing.assert_array_equal(
            squared[np.arange(len(y)), last[:, 0]], squared[np.arange(len(y)), by_symmetry[:, -1]]
        )
        with sklearn.config_context(working_memory=1e-3):  # no room for the heaps of all rows
            by_rows = search.nearest_by_tiles(y, y, k, exclude_self=True, kth=False)
        apart = squared[np.arange(len(y)), by_rows[:, -1]] > 0
        np.testing.assert_array_equal(by_rows[apart], by_symmetry[apart])


@TILED
@pytest.mark.parametrize("crowded", [False, True])
def test_tiles_count_what_brute_force_counts(rng: np.random.Generator, d: int, crowded: bool) -> None:
    tolerance = 1e-9
    for name, (x, y) in tile_scenes(rng, d).items():
        squared = direct(x, y)
        x_radii = np.quantile(squared, 0.9 if crowded else 0.05, axis=1)
        y_radii = np.quantile(squared, 0.02, axis=0)
        closed, strict = (x_radii[:, None] * (1 + sign * tolerance) for sign in (1, -1))
        wanted = (
            np.sum(squared < strict, axis=1),
            np.sum((squared <= closed) & (squared >= strict), axis=1),
            np.sum(squared <= y_radii * (1 + tolerance), axis=1),
            np.sum(squared <= closed, axis=0),
        )
        found = search.count_by_tiles(x, y, x_radii, y_radii, tolerance)
        assert found is not None
        for got, truth in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(got, truth, err_msg=name)


@pytest.mark.parametrize("d", [3, 40, 500])
def test_the_bound_is_one_and_is_close(rng: np.random.Generator, d: int) -> None:
    """What the kernels compare never exceeds the distance, and falls short of it by little."""
    for x, y in tile_scenes(rng, d).values():
        frame = tiles.common_frame(x, y)
        assert frame is not None
        squared = direct(x, y) * frame.scale**2
        for single in (True, False):
            one = tiles.side(x, frame._replace(single=single), rows=True, tiles=False)
            other = tiles.side(y, frame._replace(single=single), rows=False, tiles=True)
            for i, j in itertools.product(range(len(one.order)), range(len(other.order))):
                product = sum(one.rows[i, s] @ other.tiles[j, s] for s in range(one.rows.shape[1]))
                low = (product + other.low[j]).astype(np.float64) + one.low[i][:, None]
                true = squared[one.order[i][:, None], other.order[j]]
                real = (one.order[i][:, None] >= 0) & (other.order[j] >= 0)
                size = (one.low[i][:, None] + other.low[j])[real]
                assert np.all(low[real] <= true[real] + 1e-30)
                unit = 2.0**-24 if single else 2.0**-53
                assert np.all(true[real] - low[real] <= 2.1 * (d + 20) * unit * size + 1e-30)


def test_a_bound_that_is_too_coarse_is_taken_in_float64(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def noted(x: np.ndarray, frame: tiles.Frame, **how: bool) -> tiles.Side:
        taken.append(frame.single)
        return tiles.side(x, frame, **how)

    monkeypatch.setattr(search, "side", noted)
    x = rng.normal(size=(1500, 20))
    search.nearest_by_tiles(x, x, 3, exclude_self=True, kth=True)
    assert taken == [True]
    x += np.repeat([[0.0], [1e6]], 750, axis=0)
    for y in (x, x.copy()):
        del taken[:]
        columns = search.nearest_by_tiles(x, y, 3, exclude_self=True, kth=False)
        assert set(taken) == {True, False}
        squared = direct(x, y)
        np.fill_diagonal(squared, np.inf)
        assert_nearest(squared, columns, 3)


def test_workers_find_the_same(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(3000, 10)), rng.normal(size=(2000, 10))
    radii = rng.uniform(1.0, 5.0, size=3000)

    def everything() -> list[np.ndarray]:
        return [
            search.nearest_by_tiles(x, y, 4, exclude_self=False, kth=False),
            search.nearest_by_tiles(x, x, 4, exclude_self=True, kth=False),
            *search.count_by_tiles(x, y, radii, None, 1e-9),
        ]

    alone = everything()
    with joblib.parallel_config(backend="threading", n_jobs=2):
        together = everything()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_order_of_rows_does_not_matter(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2000, 9))
    order = rng.permutation(2000)
    columns = search.nearest_by_tiles(x, x, 5, exclude_self=True, kth=False)
    again = search.nearest_by_tiles(x[order], x[order], 5, exclude_self=True, kth=False)
    np.testing.assert_array_equal(order[again], columns[order])


def test_what_leaves_the_range_of_float64_goes_another_way(rng: np.random.Generator) -> None:
    x = rng.normal(size=(30, 10))
    for s in (np.zeros((30, 10)), x * 1e-150, x * 1e150):
        assert search.nearest_by_tiles(s, s, 3, exclude_self=True, kth=False) is None
        assert search.count_by_tiles(s, s, np.ones(30), None, 1e-9) is None


def test_a_spatial_order_is_an_order_of_near_rows(rng: np.random.Generator) -> None:
    points = rng.uniform(size=(1000, 2))
    order = tiles.spatial_order(points, 64)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    areas = [np.prod(np.ptp(points[order[start : start + 64]], axis=0)) for start in range(0, 1000, 64)]
    assert sum(areas) < 1.0
