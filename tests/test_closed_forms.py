"""Every metric against inputs whose answer is known, and estimators against what they converge to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr, polygamma
from truth import CASES, UNIT_SHIFT, Case

import divergences as dv
from divergences import METRICS

pytestmark = pytest.mark.filterwarnings("ignore::divergences._inputs.DivergenceWarning")


def test_every_metric_has_a_case_with_a_known_answer():
    assert {case.metric for case in CASES} == set(METRICS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_known_answer(case: Case):
    value = METRICS[case.metric](*case.data, **case.options)
    if isinstance(value, dv.TestResult):
        value = value.statistic
    wanted = case.value if isinstance(case.value, tuple) else float(case.value)
    got = tuple(map(float, value)) if isinstance(case.value, tuple) else float(value)
    assert got == pytest.approx(wanted, rel=case.rel, abs=case.absolute)


# ── convergence: N(0, 1) against N(1, 1) ────────────────────────────────────────────────────

SIGMAS = 4.0  # standard errors: a right estimator with a fresh seed fails once in 16,000
GRID = np.linspace(-12, 13, 50_001)


def draws(rows: int, shift: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    return rng.normal(size=rows), rng.normal(shift, 1.0, size=rows)


def standard_error(at_x: np.ndarray, at_y: np.ndarray, rows: int) -> float:
    """Of an estimate with these influence functions on GRID, for x ~ N(0, 1) and y ~ N(1, 1)."""
    total = 0.0
    for mean, values in ((0.0, at_x), (1.0, at_y)):
        density = np.exp(-((GRID - mean) ** 2) / 2)
        density /= density.sum()
        total += density @ (values - density @ values) ** 2
    return math.sqrt(total / rows)


R = np.exp(0.5 - GRID)  # p/q
# f'(r) and f*(f'(r)) = r f'(r) − f(r): an efficient estimate of D_f has these influence functions
INFLUENCE = {
    "kl": (np.log(R), R),
    "reverse_kl": (-1 / R, np.log(R)),
    "js": (np.log(2 * R / (1 + R)) / 2, np.log((1 + R) / 2) / 2),
    "tv": (np.sign(R - 1) / 2, np.sign(R - 1) / 2),
    "hellinger": (-1 / np.sqrt(R) / 2, np.sqrt(R) / 2),  # of H²
    "chi2": (2 * R, R * R),
}


def standardised(name: str, value: float) -> float:
    """Hellinger squared, where its error is that of an average."""
    return value**2 if name == "hellinger" else value


@pytest.mark.parametrize("name", INFLUENCE)
def test_histogram_converges_to_the_divergence_of_the_cells(name):
    rows, inner = 8000, np.linspace(-1.5, 2.5, 21)
    x, y = draws(rows)
    levels = np.concatenate([[-np.inf], inner, [np.inf]])
    p, q = (np.diff(ndtr(levels - mean)) for mean in (0.0, 1.0))
    wanted = standardised(name, float(getattr(dv.pmf, name)(p, q)))
    bins = np.concatenate([[-9.0], inner, [9.0]])
    value = standardised(name, float(getattr(dv, name)(x, y, estimator="histogram", bins=bins)))
    upward = (len(p) - 1) / rows  # Miller 1955
    assert abs(value - wanted) < SIGMAS * standard_error(*INFLUENCE[name], rows) + upward


@pytest.mark.parametrize("name", INFLUENCE)
def test_classifier_converges(name):
    rows = 8000
    value = standardised(name, float(getattr(dv, name)(*draws(rows), estimator="classifier", rng=0)))
    assert abs(value - standardised(name, UNIT_SHIFT[name])) < SIGMAS * standard_error(*INFLUENCE[name], rows)


@pytest.mark.parametrize("name", ["kl", "reverse_kl"])
def test_neighbours_converge_to_kl(name):
    rows, k = 8000, 5
    value = float(getattr(dv, name)(*draws(rows), k=k))
    neighbours = 2 * polygamma(1, k) / rows  # variance of log ρ and log ν
    tolerance = SIGMAS * math.sqrt(standard_error(*INFLUENCE[name], rows) ** 2 + neighbours)
    assert abs(value - UNIT_SHIFT[name]) < tolerance


@pytest.mark.parametrize("name", ["js", "tv", "hellinger"])
def test_neighbours_converge_to_bounded_divergences(name):
    rows, k = 8000, 40
    value = standardised(name, float(getattr(dv, name)(*draws(rows), k=k)))
    # no window is narrower than k rows: the mass k/n at each end of each sample is smoothed over
    smoothed = 2 * k / rows
    tolerance = SIGMAS * standard_error(*INFLUENCE[name], rows) + smoothed
    assert abs(value - standardised(name, UNIT_SHIFT[name])) < tolerance


@pytest.mark.parametrize("name", ["kl", "reverse_kl", "js", "tv", "hellinger"])
def test_windows_converge_to_the_smoothed_divergence(name):
    rows, bandwidth = 3000, 0.5
    wide = math.sqrt(1 + bandwidth**2)  # both sides convolved with the window: N(0, 1 + σ²), N(1, 1 + σ²)
    p, q = (np.exp(-(((GRID - mean) / wide) ** 2) / 2) for mean in (0.0, 1.0))
    wanted = standardised(name, float(getattr(dv.pmf, name)(p / p.sum(), q / q.sum())))
    value = standardised(
        name, float(getattr(dv, name)(*draws(rows), estimator="parzen", bandwidth=bandwidth))
    )
    # the densities are smoothed but the averages are over rows that are not: KL is an expectation
    # under P of ½(1 − 2x)/(1 + σ²), the same number; the others lie between smoothed and true
    true = standardised(name, UNIT_SHIFT[name])
    error = SIGMAS * standard_error(*INFLUENCE[name], rows)
    assert min(wanted, true) - error < value < max(wanted, true) + error


def absolute_gap(u: np.ndarray) -> np.ndarray:
    """E|u − Z|, Z standard normal."""
    return 2 * np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi) + u * (2 * ndtr(u) - 1)


def smooth_kernel(u: np.ndarray) -> np.ndarray:
    """E exp(−(u − Z)²/2)."""
    return np.exp(-(u**2) / 4) / math.sqrt(2)


CUBIC_GAP = -(
    3 * GRID + 3 * GRID**2 + 4 * GRID**3
)  # Σ_j C(3,j) (E x^j − E y^j) t^j; moments 1,0,1,0 and 1,1,2,4
ENERGY_GAP = 2 * (absolute_gap(GRID - 1) - absolute_gap(GRID))
KERNEL_GAP = 2 * (smooth_kernel(GRID) - smooth_kernel(GRID - 1))
NEAR_PARZEN = -((GRID - 1) ** 2) / 2.5  # log N(·; 1, 1 + ½²)
# ∫ N(x; 0, 1) N(x; y, ¼) / N(x; 1, 5/4) dx = c exp(quadratic): what one model row adds
COARSE = GRID[::50]
PULL = np.array(
    [
        np.trapezoid(np.exp(-(COARSE**2) / 2 - 2 * (COARSE - t) ** 2 - NEAR_PARZEN[::50]), COARSE)
        for t in GRID[::500]
    ]
)
PULL = np.interp(GRID, GRID[::500], PULL) * math.sqrt(1.25 / (2 * math.pi * 0.25))

CONVERGENT = {
    "energy": (dv.energy, {}, UNIT_SHIFT["energy"], (ENERGY_GAP, -ENERGY_GAP), 4 / math.sqrt(math.pi)),
    "cramer": (dv.cramer, {}, UNIT_SHIFT["cramer"], (ENERGY_GAP / 2, ENERGY_GAP / 2), 2 / math.sqrt(math.pi)),
    "wasserstein, p=1": (dv.wasserstein, {"p": 1}, 1.0, (GRID, GRID), 0.0),
    # W2² is that of the means plus about log log n / n a side (Bobkov & Ledoux 2019, cor. 6.14)
    "wasserstein, p=2": (dv.wasserstein, {"p": 2}, 1.0, (GRID, GRID), 4.0),
    "sliced_wasserstein on the line": (dv.sliced_wasserstein, {"rng": 0}, 1.0, (GRID, GRID), 4.0),
    "squared_mmd": (
        dv.squared_mmd, {"bandwidth": 1.0}, -2 / math.sqrt(3) * math.expm1(-1 / 6),
        (KERNEL_GAP, KERNEL_GAP), 0.0,
    ),
    "kid": (dv.kid, {}, 22.0, (2 * CUBIC_GAP, 2 * CUBIC_GAP), 0.0),
    "frechet": (dv.frechet, {}, 1.0, (2 * GRID, 2 * GRID), 4.0),
    "parzen_log_likelihood": (
        dv.parzen_log_likelihood, {"bandwidth": 0.5}, -0.5 * math.log(2 * math.pi * 1.25) - 0.8,
        (NEAR_PARZEN, PULL), 0.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERGENT)
def test_sample_metrics_converge(name):
    function, options, wanted, influence, bias = CONVERGENT[name]
    rows = 4000
    value = float(function(*draws(rows), **options))
    assert abs(value - wanted) < SIGMAS * standard_error(*influence, rows) + bias / rows


def test_the_classifier_reaches_the_accuracy_of_the_bayes_rule():
    rows = 4000
    result = dv.classifier_two_sample(*draws(rows), rng=0)
    best = float(ndtr(0.5))  # law 26: 1 − (1 − TV)/2
    assert abs(result.statistic - best) < SIGMAS * math.sqrt(best * (1 - best) / rows)
    assert result.p_value < 1e-12


@pytest.mark.parametrize("d", [2, 10])
def test_sliced_of_a_translate(d):  # law 60: |a|/√d in the mean over directions
    x, shift, directions = np.random.default_rng(0).normal(size=(200, d)), np.linspace(-1, 2, d), 4096
    value = float(dv.sliced_wasserstein(x, x + shift, n_projections=directions, rng=5))
    squared = float(shift @ shift)
    deviation = squared * math.sqrt(2 * (d - 1) / (d * d * (d + 2)))  # of (a·θ)² on the sphere
    assert abs(value**2 - squared / d) < SIGMAS * deviation / math.sqrt(directions)


def test_precision_and_recall_of_equal_distributions_converge():
    # P = Q: a row of y falls outside all balls of x as often as one of x outside the others' balls
    rng = np.random.default_rng(4)
    result = dv.precision_recall(rng.normal(size=(2000, 2)), rng.normal(size=(2000, 2)), k=5)
    assert abs(result.density - 1) < SIGMAS * math.sqrt(2 / (5 * 2000)) * 5  # balls overlap about 5-fold
    assert abs(result.coverage - (1 - 2.0**-5)) < SIGMAS * math.sqrt(2.0**-5 / 2000) * 2  # Naeem 2020, eq. 8
    assert abs(result.precision - result.recall) < SIGMAS * math.sqrt(2 * 0.05 / 2000)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_max_sliced_finds_the_maximum_in_the_plane(seed, p):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(7, 2)), rng.normal(0.5, 1.5, size=(7, 2))
    angles = np.linspace(0, np.pi, 4001)
    theta = np.stack([np.cos(angles), np.sin(angles)])
    gaps = np.abs(np.sort(x @ theta, axis=0) - np.sort(y @ theta, axis=0))
    scanned = (gaps**p).mean(axis=0).max() ** (1 / p)
    value = float(dv.max_sliced_wasserstein(x, y, p=p, rng=0))
    # the scan misses the maximum by at most its angle times the length of the data
    assert (
        scanned * (1 - 1e-9) <= value <= scanned + (angles[1] / 2) * np.abs([x, y]).max() * 2 * math.sqrt(2)
    )
