"""Shares of rows sum to the value, uncovered clusters are found and not invented, far rows are ranked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import divergences as dv
from divergences.inference import attribution, far_from_data, uncovered_clusters


@pytest.mark.parametrize(
    "spec",
    [
        "energy",
        "cramer",
        "squared_mmd(estimator='biased')",
        "squared_mmd(kernel='laplace', bandwidth=[0.5, 1.0], estimator='biased')",
        "squared_mmd(kernel='polynomial', estimator='biased')",
    ],
)
@pytest.mark.parametrize("d", [1, 3])
def test_shares_sum_to_the_value(rng, spec, d) -> None:
    x, y = 7.0 + 3.0 * rng.normal(size=(20, d)), 7.5 + rng.normal(size=(30, d))
    found = attribution(spec, x, y)
    assert found.total == pytest.approx(found.value, rel=1e-9)
    assert found.value == pytest.approx(float(dv.parse(spec)(x, y)))
    assert (found.x.shape, found.y.shape) == ((20,), (30,))


def test_shares_are_the_witness(rng) -> None:
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(5, 2))
    found = attribution("energy", x, y)

    def mean_distance(row, rows):
        return np.mean(np.linalg.norm(rows - row, axis=1))

    for k, row in enumerate(x):
        assert found.x[k] == pytest.approx((mean_distance(row, y) - mean_distance(row, x)) / 6)
    for k, row in enumerate(y):
        assert found.y[k] == pytest.approx((mean_distance(row, x) - mean_distance(row, y)) / 5)


@pytest.mark.parametrize("p", [1, 2])
def test_shares_of_the_plan(rng, p) -> None:
    x, y = rng.normal(size=(12, 2)), 1.0 + rng.normal(size=(9, 2))
    found = attribution("wasserstein", x, y, p=p)
    assert found.total == pytest.approx(found.value**p, rel=1e-9)
    assert found.value == pytest.approx(float(dv.wasserstein(x, y, p=p)))
    assert min(found.x.min(), found.y.min()) >= 0.0
    assert found.x.sum() == pytest.approx(found.y.sum())


def test_the_odd_one_out_has_the_largest_share(rng) -> None:
    x, y = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
    y[17] = 12.0
    for metric in ("energy", "wasserstein", dv.cramer):
        assert attribution(metric, torch.tensor(x), torch.tensor(y)).largest(1).tolist() == [17]
    lost = attribution("squared_mmd", np.concatenate([x, x[:20] + 9.0]), y)
    assert set(lost.largest(20, of="x")) == set(range(60, 80))


def test_far_rows_by_hand() -> None:
    x, y = [[0.0], [1.0], [3.0], [7.0]], [[0.5], [2.0], [11.0], [12.0]]
    # to the nearest: among x 1, 1, 2, 4, from y 0.5, 1, 4, 5; to the second: 3, 2, 3, 6 and 0.5, 1, 8, 9
    np.testing.assert_allclose(far_from_data(x, y), np.array([5, 5, 2, 1]) / 5)
    np.testing.assert_allclose(far_from_data(x, y, k=2), np.array([5, 5, 1, 1]) / 5)
    tensors = far_from_data(torch.tensor(x), torch.tensor(y))
    assert isinstance(tensors, np.ndarray)


def test_few_rows_of_the_references_own_kind_are_far() -> None:
    generator = np.random.default_rng(0)
    found = np.concatenate([far_from_data(*generator.normal(size=(2, 80, 3))) for _ in range(60)])
    assert np.mean(found <= 0.1) == pytest.approx(0.1, abs=0.02)


def test_clusters_that_a_model_leaves_out() -> None:
    generator = np.random.default_rng(0)
    centres = 20.0 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    x = centres[generator.integers(0, 4, 300)] + generator.normal(size=(300, 2))
    y = centres[generator.integers(0, 3, 250)] + generator.normal(size=(250, 2))
    found = uncovered_clusters(x, y, clusters=4, rng=0)
    assert found.uncovered.tolist() == [0]
    np.testing.assert_allclose(found.centres[0], [20.0, 20.0], atol=0.7)
    assert found.y_shares[0] == 0.0
    assert found.x_shares.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(150 * found.x_shares, np.round(150 * found.x_shares))  # of the half held out
    assert (np.bincount(found.x_labels) % 2 == 1).any()  # of all 300 rows they would be half a row off
    assert (np.linalg.norm(x - found.centres[found.x_labels], axis=1) < 6.0).all()
    assert 0 not in found.y_labels
    again = uncovered_clusters(x, y, clusters=4, rng=found.seed)
    np.testing.assert_array_equal(again.p_values, found.p_values)


def test_clusters_are_not_invented() -> None:
    """By chance in at most 5 % of repeats; the clusters' own rows would lie closer than others."""
    generator = np.random.default_rng(0)
    false = 0
    for seed in range(60):
        x, y = generator.normal(size=(80, 2)), generator.normal(size=(80, 2))
        false += len(uncovered_clusters(x, y, clusters=6, rng=seed).uncovered) > 0
    assert false <= 8


def test_refusals(rng) -> None:
    x = rng.normal(size=(8, 2))
    with pytest.raises(ValueError, match="not a sum over rows"):
        attribution("frechet", x, x + 1.0)
    with pytest.raises(ValueError, match="weigh the same"):
        attribution("energy", x, x, x_weights=np.ones(8))
    with pytest.raises(ValueError, match="of must be 'x' or 'y'"):
        attribution("energy", x, x).largest(of="z")
    with pytest.raises(ValueError, match="clusters must be below 5"):
        uncovered_clusters(x, x, clusters=5)
    with pytest.raises(ValueError, match="k must be below 8"):
        far_from_data(x, x, k=8)


def test_a_critic_may_be_the_witness(rng) -> None:
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(60, 2)) + 1.0
    y[7] = 9.0
    found = attribution("wasserstein", x, y, critic=lambda rows: -rows.sum(1) + 100.0)
    assert found.value == pytest.approx(y.sum(1).mean() - x.sum(1).mean())
    assert found.total == pytest.approx(found.value)
    assert found.x.sum() + found.y.sum() == pytest.approx(found.total)
    assert found.largest(1).tolist() == [7]
    layer = torch.nn.Linear(2, 1)
    tensors = [torch.as_tensor(side, dtype=torch.float32) for side in (x, y)]
    again = attribution("wasserstein", *tensors, critic=layer)
    means = [layer(side).detach().double().mean().item() for side in tensors]
    assert again.value == pytest.approx(means[0] - means[1], abs=1e-6)
    with pytest.raises(ValueError, match="one number for each row"):
        attribution("wasserstein", x, y, critic=lambda rows: rows)
