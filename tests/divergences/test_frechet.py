"""Fréchet distance of samples: against formed covariances, degenerate shapes, offsets, gradients."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
import torch

from divergences import gaussian
from divergences._inputs import DivergenceWarning
from divergences.frechet import frechet

few = pytest.mark.filterwarnings("ignore::divergences._inputs.DivergenceWarning")


def by_covariances(x, y):
    """The textbook route, with NumPy's own eigenvalues; good for well-conditioned covariances."""
    p, q = np.cov(x.T), np.cov(y.T)
    cross = np.sqrt(np.linalg.eigvals(p @ q).real.clip(0)).sum()
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(p) + np.trace(q) - 2 * cross


def test_closed_forms(samples):
    x, y = samples
    assert frechet([0.0, 2.0], [3.0, 5.0]) == pytest.approx(9.0, rel=1e-14)  # equal variances
    assert frechet([0.0, 2.0], [0.0, 6.0]) == pytest.approx(4 + 2 * (3 - 1) ** 2, rel=1e-14)  # ddof = 1
    assert frechet(x, y) == pytest.approx(by_covariances(x, y), rel=1e-12)
    assert frechet(x, y) == pytest.approx(frechet(y, x), rel=1e-13)
    assert frechet(x, y[:, [0, 1]] @ np.eye(2, 3)) > 0


def test_it_is_the_gaussian_frechet_of_the_fits(samples, rng):
    x, y = samples
    a, b = rng.uniform(size=len(x)), rng.uniform(size=len(y))
    fits = (*gaussian.fit(x, weights=a, ddof=1), *gaussian.fit(y, weights=b, ddof=1))
    assert frechet(x, y, x_weights=a, y_weights=b) == pytest.approx(gaussian.frechet(*fits), rel=1e-12)
    doubled = frechet(np.repeat(x, 2, axis=0), y)  # ddof = 1 tells two copies from one
    whole = frechet(x, y, x_weights=np.full(len(x), 2.0))
    assert whole == pytest.approx(frechet(x, y), rel=1e-13)
    assert doubled != pytest.approx(whole, rel=1e-6)


def test_identical_is_exactly_zero_and_shuffled_nearly(samples):
    x, _ = samples
    assert frechet(x, x) == 0
    assert 0 <= frechet(x, x[::-1]) < 1e-28


def test_offset_of_1e8(rng):
    x = np.round(rng.normal(size=(500, 2)) * 2**10) / 2**10  # exact after the offset
    assert frechet(x + 1e8, x + 1e8 + 2) == pytest.approx(8.0, rel=1e-13)
    y = x * np.array([2.0, 1.0])
    assert frechet(x + 1e8, y + 1e8) == pytest.approx(frechet(x, y), rel=1e-10)


@few
def test_fewer_samples_than_dimensions(rng):
    x, y = rng.normal(size=(10, 60)), rng.normal(size=(14, 60))
    p, q = np.cov(x.T), np.cov(y.T)  # ranks 9 and 13
    assert frechet(x, y) == pytest.approx(gaussian.frechet(x.mean(0), p, y.mean(0), q), rel=1e-12)
    assert frechet(x, 3 * x - 2 * x.mean(0)) == pytest.approx(4 * np.trace(p), rel=1e-12)  # law 90
    wide = np.c_[x, np.zeros((10, 5))]
    assert frechet(wide, np.c_[y, np.zeros((14, 5))]) == pytest.approx(frechet(x, y), rel=1e-12)


def test_nearly_dependent_features_keep_their_digits(rng):
    x = rng.normal(size=(200, 3))
    x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T)).T)  # covariance I
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    stretch, other = np.diag([1.0, 1.0, 1e-9]), np.diag([1.0, 1.0, 3e-9])
    # the third direction alone differs: (3e-9 − 1e-9)², which covariances would drown in 1e-16
    value = frechet(x @ stretch @ turn, x @ other @ turn)
    assert value == pytest.approx(4e-18, rel=1e-5, abs=0)


def test_never_more_than_the_transport_of_the_samples(rng):  # law 88, with ddof undone
    x, y = rng.exponential(size=(30, 1)), rng.normal(size=(30, 1))
    transported = ((np.sort(x[:, 0]) - np.sort(y[:, 0])) ** 2).mean()
    assert gaussian.frechet(*gaussian.fit(x), *gaussian.fit(y)) <= transported


def test_degree_two_and_extreme_scales(samples):
    x, y = samples
    value = frechet(x, y)
    assert frechet(3 * x, 3 * y) == pytest.approx(9 * value, rel=1e-13)
    for scale in (1e100, 1e-100, 1e150, 1e-150):
        assert frechet(x * scale, y * scale) / scale / scale == pytest.approx(value, rel=1e-12)
    with pytest.raises(ValueError, match="beyond the range of float64"):
        frechet(x * 1e200, y * 1e200)


def test_dtype_and_library(samples):
    x, y = samples
    value = frechet(x, y)
    assert isinstance(value, np.float64)
    assert isinstance(frechet(x.astype(np.float32), y.astype(np.float32)), np.float32)
    for dtype in (torch.float32, torch.float64):
        other = frechet(torch.tensor(x).to(dtype), torch.tensor(y).to(dtype))
        assert other.dtype == dtype
        assert other.shape == ()
        assert float(other) == pytest.approx(value, rel=1e-5 if dtype == torch.float32 else 1e-12)
    assert frechet(x.astype(np.float32), y.astype(np.float32)) == pytest.approx(value, rel=1e-5)


@few
@pytest.mark.parametrize("rows", [9, 3])
def test_gradcheck_in_samples_and_weights(rng, rows):
    # 3 rows in 4 dimensions: singular covariances, and the samples' gradient is still exact
    x, y = torch.tensor(rng.normal(size=(rows, 4))), torch.tensor(rng.normal(size=(9, 4)))
    a, b = torch.rand(rows).double() + 0.5, torch.rand(9).double() + 0.5

    def function(x, y, a, b):
        return frechet(x, y, x_weights=a, y_weights=b)

    assert torch.autograd.gradcheck(function, [t.requires_grad_() for t in (x, y, a, b)])


@few
def test_gradients_are_finite_where_things_degenerate(rng):
    x = torch.tensor(rng.normal(size=(6, 3)))
    constant, thin = torch.ones(6, 3).double(), torch.ones(6, 3).double() * torch.arange(6)[:, None]
    for first, second in [
        (x, x),
        (constant, constant),
        (constant, x),
        (thin, x),
        (x, x.flip(0)),
        (thin, thin),
    ]:
        first, second = (t.clone().requires_grad_() for t in (first, second))
        weights = torch.tensor([0.0, 1, 1, 2, 1, 1]).double().requires_grad_()
        frechet(first, second, x_weights=weights, y_weights=weights).backward()
        assert all(bool(torch.isfinite(t.grad).all()) for t in (first, second, weights))
    equal = x.clone().requires_grad_()
    frechet(equal, x).backward()
    assert not equal.grad.any()


def test_descends_to_the_target(rng):
    target = torch.tensor(rng.normal(size=(64, 2)) @ np.array([[2.0, 1.0], [0.0, 0.5]]) + 3)
    moving = torch.tensor(rng.normal(size=(64, 2))).requires_grad_()
    optimiser = torch.optim.SGD([moving], lr=16.0)
    for _ in range(100):
        optimiser.zero_grad()
        frechet(target, moving).backward()
        optimiser.step()
    assert float(frechet(target, moving.detach())) < 1e-6


def test_warns_with_few_samples_at_the_callers_line(rng):
    with pytest.warns(DivergenceWarning, match=r"5 and 50 samples in 5 dimensions.*energy or kid") as record:
        frechet(rng.normal(size=(5, 5)), rng.normal(size=(50, 5)))
    assert record[0].filename == __file__


@pytest.mark.parametrize(
    ("arguments", "weights", "match"),
    [
        (([[1.0]], [[1.0], [2.0]]), {}, "x must have at least 2 rows"),
        (([1.0, 2.0], [[1.0, 2.0], [2.0, 3.0]]), {}, "same number of features"),
        (([1.0, 2.0], [1.0, 3.0]), {"y_weights": [0, 1]}, "on at least two rows"),
        (([1.0, np.nan], [1.0, 3.0]), {}, "x must be finite"),
    ],
)
def test_refusals(arguments, weights, match):
    with pytest.raises(ValueError, match=match):
        frechet(*arguments, **weights)


def test_docstring_runs():
    # by name: divergences.frechet is the function
    assert doctest.testmod(importlib.import_module("divergences.frechet")).failed == 0
