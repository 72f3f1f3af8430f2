"""The price tree answers as brute force does, whatever the points and the prices."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from divergences.transport.kdtree import PriceTree

COSTS = [(1.0, "euclidean"), (1.5, "euclidean"), (2.0, "euclidean"), (3.0, "euclidean"), (1.0, "cityblock")]


def clouds(kind, d, rng, n=200, q=30):
    x, y = rng.normal(size=(q, d)), rng.normal(size=(n, d))
    if kind == "tied":
        return np.round(x), np.round(y)
    if kind == "heavy":
        return rng.standard_cauchy((q, d)), rng.standard_cauchy((n, d))
    if kind == "clustered":
        return x + 5 * rng.integers(0, 3, (q, 1)), 1e-3 * y + 5 * rng.integers(0, 3, (n, 1))
    return x, y


def brute(x, y, prices, p, ground, k):
    return np.sort(cdist(x, y, ground) ** p + prices, axis=1)[:, :k]


def check(tree, x, y, prices, p, ground, k):
    columns, values = tree.query(x, k)
    expected = brute(x, y, prices, p, ground, k)
    close = {"rtol": 1e-13, "atol": 1e-13 * np.abs(expected).max()}
    np.testing.assert_allclose(values, expected, **close)
    # the columns are the values' own, and no column comes twice
    own = np.take_along_axis(cdist(x, y, ground) ** p + prices, columns, axis=1)
    np.testing.assert_allclose(own, values, **close)
    assert all(len(set(row)) == columns.shape[1] for row in columns)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("kind", ["normal", "tied", "heavy", "clustered"])
@pytest.mark.parametrize(("p", "ground"), COSTS)
def test_a_query_is_brute_force(p, ground, kind, d):
    rng = np.random.default_rng([d, len(kind)])
    x, y = clouds(kind, d, rng)
    for scale in (0.0, 1e-4, 1.0, 1e6):  # no prices, small ones, and ones that swamp the costs
        prices = scale * rng.normal(size=len(y))
        check(PriceTree(y, prices, p, ground), x, y, prices, p, ground, 7)


@pytest.mark.parametrize(("p", "ground"), COSTS)
def test_prices_of_a_potential(p, ground):
    """They leave many nearly equal reduced costs: the case in which bounds are tight."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(300, 2)), rng.normal(size=(300, 2))
    prices = -(cdist(x, y, ground) ** p).min(axis=0)
    check(PriceTree(y, prices, p, ground), x, y, prices, p, ground, 12)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_bounds_hold_while_prices_rise_and_update_takes_any_prices(p):
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(400, 2))
    prices = rng.normal(size=400)
    tree = PriceTree(y, prices, p)
    prices[rng.integers(0, 400, 100)] += 3 * rng.random()
    tree.prices[:] = prices[tree.order]  # no refit: the bounds are stale
    check(tree, x, y, prices, p, "euclidean", 5)
    prices = rng.normal(size=400) - 7  # fallen
    tree.update(prices)
    check(tree, x, y, prices, p, "euclidean", 5)


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_few_points_and_more_asked_for_than_there_are(n):
    rng = np.random.default_rng(n)
    x, y, prices = rng.normal(size=(5, 2)), rng.normal(size=(n, 2)), rng.normal(size=n)
    columns, values = PriceTree(y, prices).query(x, 12)
    assert columns.shape == values.shape == (5, n)
    np.testing.assert_allclose(values, brute(x, y, prices, 2, "euclidean", n), rtol=1e-13)


def test_equal_points_with_equal_prices():
    columns, values = PriceTree(np.ones((50, 3)), np.full(50, 2.0)).query(np.ones((2, 3)), 4)
    np.testing.assert_array_equal(values, 2.0)
    assert all(len(set(row)) == 4 for row in columns)
