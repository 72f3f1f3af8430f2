"""Parzen windows against scipy and scikit-learn, quadrature, brute-force bandwidths and their laws."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from scipy.integrate import quad
from scipy.special import logsumexp
from sklearn.neighbors import KernelDensity

import divergences as dv
from divergences import DivergenceWarning, Parzen, parzen_log_likelihood
from divergences.parzen import GOODFELLOW_GRID


def log_density(x: np.ndarray, y: np.ndarray, width: float, b: np.ndarray | None = None) -> np.ndarray:
    """log Σ_j b_j N(x; y_j, σ²I), as it stands."""
    b = np.full(len(y), 1 / len(y)) if b is None else b / b.sum()
    squared = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    logs = -squared / (2 * width**2) - x.shape[1] * math.log(width * math.sqrt(2 * math.pi))
    with np.errstate(divide="ignore"):
        return logsumexp(logs + np.log(b), axis=1)


def leave_one_out(y: np.ndarray, width: float) -> float:
    values = [log_density(y[[i]], np.delete(y, i, axis=0), width)[0] for i in range(len(y))]
    return float(np.mean(values))


# ── the density ─────────────────────────────────────────────────────────────────────────────


def test_one_row_is_a_normal_density() -> None:
    x = np.linspace(-3, 9, 7)
    truth = scipy.stats.norm(2.0, 1.5).logpdf(x)
    np.testing.assert_allclose(Parzen([[2.0]], 1.5).log_density(x), truth, rtol=1e-13)


@pytest.mark.parametrize("d", [1, 3, 20])
def test_against_sklearn(rng: np.random.Generator, d: int) -> None:
    x, y, b = rng.normal(size=(30, d)), rng.normal(0.5, 1.5, size=(40, d)), rng.random(40)
    for weights in (None, b):
        theirs = KernelDensity(bandwidth=0.8, atol=0, rtol=0).fit(y, sample_weight=weights)
        mine = Parzen(y, 0.8, y_weights=weights)
        np.testing.assert_allclose(mine.log_density(x), theirs.score_samples(x), rtol=1e-9)
        value = parzen_log_likelihood(x, y, bandwidth=0.8, y_weights=weights)
        assert value == pytest.approx(theirs.score(x) / 30, rel=1e-9)


def test_the_density_integrates_to_one() -> None:
    window = Parzen([0.0, 1.0, 4.0], 0.6, y_weights=[1.0, 2.0, 5.0])
    total, _ = quad(lambda t: math.exp(float(window.log_density([t])[0])), -6, 10, points=[0, 1, 4])
    assert total == pytest.approx(1.0, abs=1e-8)


def test_far_rows_do_not_underflow() -> None:
    value = parzen_log_likelihood([[1e6]], [[0.0]], bandwidth=1.0)
    assert value == pytest.approx(-0.5e12 - 0.5 * math.log(2 * math.pi), rel=1e-12)


def test_weights_are_repetitions(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(5, 2))
    a, b = np.array([1, 0, 2, 3, 1, 1]), np.array([2, 1, 3, 0, 1])
    repeated = parzen_log_likelihood(np.repeat(x, a, axis=0), np.repeat(y, b, axis=0), bandwidth=0.7)
    assert parzen_log_likelihood(x, y, bandwidth=0.7, x_weights=a, y_weights=b) == pytest.approx(
        repeated, rel=1e-12
    )


@pytest.mark.parametrize("d", [1, 3, 30])
def test_scale_offset_peak(rng: np.random.Generator, d: int) -> None:
    """Laws 95–97: c·data with c·σ costs d log c; at most the peak; on its own rows at least peak − log n."""
    x, y = rng.normal(size=(20, d)), rng.normal(size=(30, d))
    value = parzen_log_likelihood(x, y, bandwidth=0.5)
    peak = -d * math.log(0.5 * math.sqrt(2 * math.pi))
    assert parzen_log_likelihood(8 * x, 8 * y, bandwidth=4.0) == pytest.approx(
        value - d * math.log(8), rel=1e-12
    )
    assert parzen_log_likelihood(x + 2.0**20, y + 2.0**20, bandwidth=0.5) == pytest.approx(value, rel=1e-6)
    assert value <= peak
    assert parzen_log_likelihood(y, y, bandwidth=0.5) >= (peak - math.log(30)) - 1e-12 * abs(peak)


def test_gibbs_inequality(rng: np.random.Generator) -> None:
    """Law 98: no window beats the window that drew the sample, in the mean."""
    truth, other = Parzen([[0.0], [3.0]], 0.7), Parzen([[0.5], [3.0]], 0.7)
    x = truth.sample(4000, rng=0)
    difference = truth.log_density(x) - other.log_density(x)
    assert difference.mean() > 3 * difference.std() / math.sqrt(4000)


def test_gradient_in_torch() -> None:
    x = torch.tensor([[0.3, 1.0], [0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.3, 1.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s, t: parzen_log_likelihood(s, t, bandwidth=0.7), (x, y))


# ── score and sample ────────────────────────────────────────────────────────────────────────


def test_score_has_the_standard_error_of_the_published_tables(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(50, 2)), rng.normal(size=(40, 2))
    values = log_density(x, y, 0.6)
    estimate = Parzen(y, 0.6).score(x)
    assert float(estimate) == pytest.approx(values.mean(), rel=1e-12)
    assert estimate.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(50), rel=1e-12)
    assert (estimate.n, estimate.m, estimate.d) == (50, 40, 2)
    same = Parzen(y, 0.6).score(x, x_weights=np.full(50, 3.0))
    assert same.standard_error == pytest.approx(estimate.standard_error, rel=1e-12)
    assert math.isnan(Parzen(y, 0.6).score(x[:1]).standard_error)


def test_sample_has_the_mixture_mean_and_covariance() -> None:
    centres, weights = np.array([[0.0, 1e6], [4.0, 1e6 + 2]]), np.array([1.0, 3.0])
    draws = Parzen(centres, 0.5, y_weights=weights).sample(40_000, rng=1)
    share = weights / 4
    mean = share @ centres
    spread = (centres - mean).T @ np.diag(share) @ (centres - mean) + 0.25 * np.eye(2)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=5 * math.sqrt(spread.max() / 40_000))
    np.testing.assert_allclose(np.cov(draws.T), spread, atol=0.06)
    np.testing.assert_array_equal(draws, Parzen(centres, 0.5, y_weights=weights).sample(40_000, rng=1))


# ── choosing the bandwidth ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("d", [1, 2, 8])
def test_fit_finds_the_leave_one_out_optimum(d: int) -> None:
    y = np.random.default_rng(d).normal(size=(40, d)) * 3.0
    window = Parzen.fit(y)
    grid = np.geomspace(0.1, 20.0, 1500)
    scores = [leave_one_out(y, width) for width in grid[::25]]
    coarse = 25 * int(np.argmax(scores))
    fine = grid[max(coarse - 25, 0) : coarse + 26]
    best = max(leave_one_out(y, width) for width in fine)
    assert leave_one_out(y, window.bandwidth) >= best - 1e-3
    widths, values = window.curve
    assert window.bandwidth == widths[np.argmax(values)]
    assert np.all(np.diff(widths) > 0)
    for k in (0, len(widths) // 2, len(widths) - 1):  # the curve is in the data's unit
        assert values[k] == pytest.approx(leave_one_out(y, widths[k]), rel=1e-9)


def test_fit_by_validation_rows(rng: np.random.Generator) -> None:
    y, held_out = rng.normal(size=(50, 2)), rng.normal(size=(40, 2))
    window = Parzen.fit(y, validation=held_out)
    grid = np.geomspace(0.05, 5, 800)
    best = max(log_density(held_out, y, width).mean() for width in grid)
    assert log_density(held_out, y, window.bandwidth).mean() >= best - 1e-3
    own = Parzen.fit(y, validation=held_out, grid=[0.2, 0.9, 0.4])
    scores = {width: log_density(held_out, y, width).mean() for width in (0.2, 0.4, 0.9)}
    assert own.bandwidth == pytest.approx(max(scores, key=scores.get))
    np.testing.assert_allclose(own.curve[1], [scores[w] for w in (0.2, 0.4, 0.9)], rtol=1e-12)


def test_the_published_grid(rng: np.random.Generator) -> None:
    np.testing.assert_allclose(GOODFELLOW_GRID, np.logspace(-1, 0, 10), rtol=1e-15)
    y = rng.random((60, 12))
    window = Parzen.fit(y, validation=rng.random((40, 12)), grid="goodfellow")
    assert min(abs(window.bandwidth - width) for width in GOODFELLOW_GRID) < 1e-12
    np.testing.assert_allclose(window.curve[0], GOODFELLOW_GRID, rtol=1e-12)


def test_the_edge_of_a_grid_is_told(rng: np.random.Generator) -> None:
    y = rng.normal(size=(30, 1))
    with pytest.warns(DivergenceWarning, match="the largest of the grid"):
        Parzen.fit(y, grid=[0.001, 0.002])
    with pytest.warns(DivergenceWarning, match="holds duplicates"):
        Parzen.fit(np.repeat(y, 2, axis=0))


def test_equivariance_of_the_fit(rng: np.random.Generator) -> None:
    y = rng.normal(size=(40, 2))
    width = Parzen.fit(y).bandwidth
    assert Parzen.fit(16 * y).bandwidth == pytest.approx(16 * width, rel=1e-9)
    assert Parzen.fit(y + 1e5).bandwidth == pytest.approx(width, rel=1e-6)
    assert Parzen.fit(y[::-1]).bandwidth == pytest.approx(width, rel=1e-12)


def test_rows_without_weight_have_no_say_in_the_fit(rng: np.random.Generator) -> None:
    y = rng.normal(size=(30, 2))
    padded, weights = np.concatenate([y, 50 * y]), np.repeat([1.0, 0.0], 30)
    assert Parzen.fit(padded, y_weights=weights).bandwidth == pytest.approx(Parzen.fit(y).bandwidth, rel=1e-9)
    with pytest.raises(ValueError, match="at least 2 rows with weight"):
        Parzen.fit(y, y_weights=[1.0] + [0.0] * 29)


def test_weighted_leave_one_out_weighs_the_rows_too(rng: np.random.Generator) -> None:
    y, b = rng.normal(size=(12, 1)), rng.random(12)
    window = Parzen.fit(y, y_weights=b, grid=[0.05, 0.5, 9.0])
    for width, value in zip(*window.curve, strict=True):
        rows = [log_density(y[[i]], np.delete(y, i, 0), width, np.delete(b, i))[0] for i in range(12)]
        assert value == pytest.approx(float(b @ rows / b.sum()), rel=1e-10)


def test_what_would_be_ignored_is_refused() -> None:
    y = np.array([[0.0], [1.0], [3.0]])
    for extra in ({"validation": y}, {"grid": "goodfellow"}):
        with pytest.raises(ValueError, match="not both"):
            parzen_log_likelihood(y, y, bandwidth=1.0, **extra)
    with pytest.raises(ValueError, match="out of all proportion"):
        parzen_log_likelihood(y, y, bandwidth=1e-200)
    with pytest.raises(ValueError, match="bandwidth must be finite and above 0"):
        Parzen(y, 0.0)


# ── the published protocol, small ───────────────────────────────────────────────────────────


def _digits(path: Path, start: int, count: int) -> np.ndarray:
    with gzip.open(path) as file:
        file.seek(16 + 784 * start)
        return np.frombuffer(file.read(784 * count), dtype=np.uint8).reshape(count, 784) / 255.0


def test_the_mnist_protocol_on_a_part_of_it(shared_data: Path) -> None:
    """σ from the published grid by validation digits, the score of 1,000 test digits under 2,000 others."""
    y = _digits(shared_data / "mnist" / "train-images-idx3-ubyte.gz", 0, 2000)
    held_out = _digits(shared_data / "mnist" / "train-images-idx3-ubyte.gz", 50_000, 300)
    x = _digits(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz", 0, 1000)
    window = Parzen.fit(y, validation=held_out, grid="goodfellow")

    def direct(rows: np.ndarray, width: float) -> np.ndarray:
        squared = (rows**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * rows @ y.T
        logs = logsumexp(-squared / (2 * width**2), axis=1) - math.log(len(y))
        return logs - 784 * math.log(width * math.sqrt(2 * math.pi))

    means = [direct(held_out, width).mean() for width in GOODFELLOW_GRID]
    assert window.bandwidth == pytest.approx(GOODFELLOW_GRID[int(np.argmax(means))], rel=1e-12)
    estimate, truth = window.score(x), direct(x, window.bandwidth)
    assert float(estimate) == pytest.approx(truth.mean(), rel=1e-9)
    assert estimate.standard_error == pytest.approx(truth.std(ddof=1) / math.sqrt(1000), rel=1e-6)
    assert 100 < float(estimate) < 300  # Goodfellow et al.: 225 ± 2 with 10,000 samples


@pytest.mark.parametrize("width", [1e-200, 1e200])
def test_bandwidths_whose_squares_no_number_holds_are_refused_everywhere(rng, width):
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    for call in (
        lambda: dv.parzen_log_likelihood(x, y, bandwidth=width),
        lambda: dv.parzen_log_likelihood(x, y, grid=[width, 1.0]),
        lambda: dv.Parzen.fit(x, grid=[width, 1.0]),
        lambda: dv.kl(x, y, estimator="parzen", bandwidth=width),
        lambda: dv.squared_mmd(x, y, bandwidth=width),
        lambda: dv.partial.pair_sums(x, y, kernel="gaussian", bandwidth=width, share=(0, 1)),
    ):
        with pytest.raises(ValueError, match="out of all proportion to the samples"):
            call()
