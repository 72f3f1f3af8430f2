"""SciPy, POT and scikit-learn: the same numbers under their conventions, right ones where theirs are not."""

from __future__ import annotations

import importlib
import math
import warnings

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import pairwise
from sklearn.neighbors import KernelDensity

import divergences as dv
from divergences import gaussian, pmf

SUM = 1e-12  # sums of a few thousand terms in another order


@pytest.fixture
def line(rng, read_only):
    return read_only(rng.normal(size=40)), read_only(rng.normal(0.5, 1.5, size=55))


@pytest.fixture
def masses(rng, read_only):
    return read_only(rng.uniform(size=40)), read_only(rng.uniform(size=55))


@pytest.fixture
def pmfs(rng, read_only):
    return read_only(rng.dirichlet(np.ones(7))), read_only(rng.dirichlet(np.ones(7)))


def close(value, other, rel=SUM):
    assert float(value) == pytest.approx(float(other), rel=rel)


# ── SciPy ───────────────────────────────────────────────────────────────────────────────────


def test_scipy_energy_distance_is_the_root_of_energy(line, masses):
    a, b = masses
    close(dv.energy(*line), stats.energy_distance(*line) ** 2)
    close(dv.energy(*line, x_weights=a, y_weights=b), stats.energy_distance(*line, a, b) ** 2)


def test_scipy_wasserstein_distance_is_w1_on_the_line(line, masses):
    a, b = masses
    close(dv.wasserstein(*line), stats.wasserstein_distance(*line))
    close(dv.wasserstein(*line, x_weights=a, y_weights=b), stats.wasserstein_distance(*line, a, b))


def test_scipy_wasserstein_distance_nd_is_w1_in_space(rng):
    x, y = rng.normal(size=(12, 3)), rng.normal(1.0, 1.0, size=(9, 3))
    close(
        dv.wasserstein(x, y), stats.wasserstein_distance_nd(x, y), rel=1e-9
    )  # its programme is feasible to 1e-9


def test_scipy_cramer_von_mises_of_ranks_orders_as_cramer(rng):
    # its statistic is nm/(n+m)² Σ (F−G)² over pooled points: ∫ (F−G)² on ranks, an equal step each
    x, y = rng.normal(size=30), rng.normal(0.5, 1.0, size=40)
    ranks = stats.rankdata(np.concatenate([x, y]))
    n, m = 30, 40
    close(
        dv.cramer(ranks[:n], ranks[n:]), stats.cramervonmises_2samp(x, y).statistic * (n + m) ** 2 / (n * m)
    )


def test_scipy_jensenshannon_is_js_distance(pmfs):
    close(pmf.js_distance(*pmfs), jensenshannon(*pmfs))
    close(pmf.js(*pmfs) / math.log(2), jensenshannon(*pmfs, base=2) ** 2)


def test_scipy_entropy_is_kl_and_entropy(pmfs):
    p, q = pmfs
    close(pmf.kl(p, q), stats.entropy(p, q))
    close(pmf.reverse_kl(p, q), stats.entropy(q, p))
    close(pmf.entropy(p), stats.entropy(p))


def test_scipy_power_divergence_is_alpha_divergence(pmfs):
    p, q = pmfs
    for alpha in (-2.0, 0.5, 2.0 / 3.0, 3.0):  # λ = α − 1; theirs is 2 α-divergence (Cressie & Read 1984)
        statistic = stats.power_divergence(p, q, lambda_=alpha - 1).statistic
        close(pmf.alpha(p, q, alpha=alpha), statistic / 2)
    close(pmf.chi2(p, q), stats.chisquare(p, q).statistic)


def test_scipy_gaussian_kde_density(rng):
    x, y = rng.normal(size=(20, 1)), rng.normal(size=(30, 1))
    theirs = stats.gaussian_kde(y[:, 0], bw_method=0.3)
    width = math.sqrt(theirs.covariance.item())
    close(dv.parzen_log_likelihood(x, y, bandwidth=width), theirs.logpdf(x[:, 0]).mean())


# ── POT ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("p", [1, 2, 3])
def test_pot_emd2_is_the_p_th_power(rng, p):
    ot = pytest.importorskip("ot")
    x, y, a, b = (
        rng.normal(size=(20, 3)),
        rng.normal(1, 1, size=(25, 3)),
        rng.uniform(size=20),
        rng.uniform(size=25),
    )
    cost = np.linalg.norm(x[:, None] - y[None], axis=-1) ** p
    theirs = ot.emd2(a / a.sum(), b / b.sum(), cost)
    close(dv.wasserstein(x, y, p=p, x_weights=a, y_weights=b) ** p, theirs, rel=1e-10)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_pot_wasserstein_1d_is_the_p_th_power(line, masses, p):
    ot = pytest.importorskip("ot")
    (x, y), (a, b) = line, masses
    close(dv.wasserstein(x, y, p=p) ** p, ot.wasserstein_1d(x, y, p=p), rel=1e-10)
    theirs = ot.wasserstein_1d(x, y, a / a.sum(), b / b.sum(), p=p)
    close(dv.wasserstein(x, y, p=p, x_weights=a, y_weights=b) ** p, theirs, rel=1e-10)


def test_pot_sliced_wasserstein_distance_on_the_same_directions(rng):
    ot = pytest.importorskip("ot")
    module = importlib.import_module("divergences.wasserstein")  # the name dv.wasserstein is the function
    x, y = rng.normal(size=(30, 4)), rng.normal(1, 1, size=(35, 4))
    directions = module._directions(np.random.default_rng(3), 50, 4)
    theirs = ot.sliced_wasserstein_distance(x, y, n_projections=50, projections=directions, p=2)
    close(dv.sliced_wasserstein(x, y, n_projections=50, rng=3), theirs)


def test_pot_bures_wasserstein_distance_is_the_root_of_frechet(rng):
    ot = pytest.importorskip("ot")
    x, y = rng.normal(size=(60, 3)), rng.normal(1, 2, size=(70, 3))
    theirs = ot.gaussian.bures_wasserstein_distance(x.mean(0), y.mean(0), np.cov(x.T), np.cov(y.T))
    close(dv.frechet(x, y), theirs**2, rel=1e-10)


# ── scikit-learn ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
@pytest.mark.parametrize("kernel", ["gaussian", "laplace", "polynomial", "linear"])
def test_sklearn_kernels_give_squared_mmd(rng, kernel, estimator):
    x, y, sigma = rng.normal(size=(20, 3)), rng.normal(0.5, 1.5, size=(25, 3)), 1.3

    def gram(s, t):
        if kernel == "gaussian":
            return pairwise.rbf_kernel(s, t, gamma=1 / (2 * sigma**2))
        if kernel == "laplace":  # theirs takes the Manhattan distance
            return np.exp(-pairwise.euclidean_distances(s, t) / sigma)
        if kernel == "polynomial":
            return pairwise.polynomial_kernel(s, t, degree=3, coef0=1)
        return pairwise.linear_kernel(s, t)

    xx, yy, xy = gram(x, x), gram(y, y), gram(x, y)
    if estimator == "biased":
        wanted = xx.mean() + yy.mean() - 2 * xy.mean()
    else:
        within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (xx, yy)]
        wanted = sum(within) - 2 * xy.mean()
    width = {"bandwidth": sigma} if kernel in ("gaussian", "laplace") else {}
    value = dv.squared_mmd(x, y, kernel=kernel, estimator=estimator, **width)
    assert float(value) == pytest.approx(wanted, abs=SUM * np.abs(xx).max())


def test_sklearn_kernel_density_scores(rng):
    x, y, b = rng.normal(size=(20, 3)), rng.normal(size=(30, 3)), rng.uniform(size=30)
    theirs = KernelDensity(bandwidth=0.7, rtol=0, atol=0).fit(y, sample_weight=b)
    ours = dv.Parzen(y, 0.7, y_weights=b).log_density(x)
    assert np.allclose(ours, theirs.score_samples(x), rtol=1e-10)
    close(dv.parzen_log_likelihood(x, y, bandwidth=0.7, y_weights=b), theirs.score(x) / 20, rel=1e-10)


# ── where the neighbours are silently wrong ─────────────────────────────────────────────────

TRANSPORTS = [dv.wasserstein, dv.sliced_wasserstein, dv.max_sliced_wasserstein]
ALL = [*TRANSPORTS, dv.energy, dv.cramer, dv.squared_mmd, dv.frechet, dv.kl, dv.precision_recall]
names = {"ids": lambda function: function.__name__}


@pytest.mark.parametrize("function", ALL, **names)
def test_a_nan_is_refused_and_never_the_best_score(rng, function):  # POT emd2: 0.0
    x = rng.normal(size=(20, 2))
    bad = x.copy()
    bad[3, 1] = np.nan
    for pair in ((bad, x), (x, bad)):
        with pytest.raises(ValueError, match="must be finite; got nan at index"):
            function(*pair)


@pytest.mark.parametrize("d", [1, 2, 20])
@pytest.mark.parametrize("function", TRANSPORTS, **names)
def test_transport_at_offset_1e8(function, d):  # POT emd2: 0.0 for 1.0
    x = np.arange(10.0)[:, None] * np.ones(d)
    shift = np.zeros(d)
    shift[0] = 1.0
    if function is dv.sliced_wasserstein:
        assert function(x + 1e8, x + 1e8 + shift, rng=0) == function(x, x + shift, rng=0) > 0
    else:
        assert function(x + 1e8, x + 1e8 + shift) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 20])
@pytest.mark.parametrize("function", [*TRANSPORTS, dv.energy, dv.cramer, dv.frechet], **names)
def test_a_sample_is_at_distance_zero_from_itself(rng, function, d):  # POT: 2.3e-9
    x = rng.normal(size=(40, d))
    assert function(x, x.copy()) == 0


@pytest.mark.parametrize("function", [f for f in ALL if f not in (dv.kl, dv.precision_recall)], **names)
def test_negative_and_too_many_weights_are_refused(line, function):  # POT wasserstein_1d: a number
    x, y = line
    for weights, message in ((np.r_[-1.0, np.ones(39)], "negative"), (np.ones(41), "one number per row")):
        with pytest.raises(ValueError, match=f"^x_weights must.*{message}"):
            function(x, y, x_weights=weights)


@pytest.mark.parametrize("function", [*TRANSPORTS, dv.energy, dv.squared_mmd, dv.frechet], **names)
def test_small_integers_do_not_wrap(function):  # POT: 127 − (−128) in int8 is −1
    x, y = np.array([-128, -100, -90, 127]), np.array([127, 126, 100, -128])
    assert function(x.astype(np.int8), y.astype(np.int8)) == function(x.astype(float), y.astype(float))


@pytest.mark.parametrize("function", ALL, **names)
def test_a_masked_array_is_refused(line, function):  # SciPy: the masked value counts
    x, y = line
    with pytest.raises(TypeError, match="masked"):
        function(np.ma.masked_greater(x, 1.0), y)


@pytest.mark.parametrize("scale", [2.0**664, 2.0**-664])
@pytest.mark.parametrize("p", [1, 2])
def test_wasserstein_in_space_at_scale_1e200(rng, scale, p):  # SciPy: TypeError about NoneType
    x, y = rng.normal(size=(10, 2)), rng.normal(1, 1, size=(12, 2))
    assert dv.wasserstein(x * scale, y * scale, p=p) / scale == dv.wasserstein(x, y, p=p)


PMF_DISTANCES = [
    pmf.kl,
    pmf.reverse_kl,
    pmf.js,
    pmf.js_distance,
    pmf.tv,
    pmf.hellinger,
    pmf.chi2,
    pmf.jeffreys,
]


@pytest.mark.parametrize("function", PMF_DISTANCES, **names)
def test_nearly_equal_pmfs_are_never_negative_or_nan(function):  # SciPy, torch: a third of 300
    rng = np.random.default_rng(0)
    for _ in range(300):
        p = rng.dirichlet(np.ones(10))
        q = p * (1 + 10.0 ** rng.uniform(-17, -6) * rng.normal(size=10))
        value = function(p, q / q.sum())
        assert value >= 0
        assert math.isfinite(value)


def test_nearly_equal_pmfs_keep_their_digits():
    # p = ½ ± δ against ½ ± 0: KL = 2δ² + O(δ⁴), JS = χ²/8 = δ²/2
    for delta in (1e-4, 1e-7, 1e-9):
        p, q = [0.5 + delta, 0.5 - delta], [0.5, 0.5]
        held = p[0] - 0.5  # what float64 kept of δ
        assert pmf.kl(p, q) == pytest.approx(2 * held**2, rel=1e-7)
        assert pmf.js(p, q) == pytest.approx(held**2 / 2, rel=1e-7)


@pytest.mark.parametrize("tiny", [5e-324, 1e-310, 1e-300])
def test_js_with_a_subnormal(tiny):  # SciPy: inf
    p, q = [1.0, tiny, 0.0], [0.5, 0.0, 0.5]
    wanted = pmf.js([1.0, 0.0], [0.5, 0.5])
    assert pmf.js(p, q) == pytest.approx(wanted, rel=1e-15)
    assert pmf.js_distance([1.0, tiny], [1.0, 0.0]) >= 0


@pytest.mark.parametrize("function", PMF_DISTANCES, **names)
def test_gradients_at_a_probability_of_zero_are_finite(function):  # torchmetrics: every one NaN
    p = torch.tensor([0.0, 0.25, 0.75], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64, requires_grad=True)
    function(p, q).backward()
    assert bool(torch.isfinite(p.grad).all())
    assert bool(torch.isfinite(q.grad).all())
    if function is pmf.kl:  # ∂/∂q = −p/q up to a constant
        slopes = q.grad - q.grad[0]
        assert torch.allclose(slopes, torch.tensor([0.0, -1.0, -3.0], dtype=torch.float64))


def test_energy_is_exact_where_an_entropic_default_is_not(rng):  # GeomLoss: 1e-4 off
    x, y = rng.normal(size=(30, 3)), rng.normal(1, 1, size=(35, 3))

    def mean(s, t):
        return np.linalg.norm(s[:, None] - t[None], axis=-1).mean()

    close(dv.energy(x, y), 2 * mean(x, y) - mean(x, x) - mean(y, y))


@pytest.mark.parametrize("function", [dv.energy, dv.wasserstein, dv.squared_mmd], **names)
@pytest.mark.parametrize("d", [1, 3, 20])
def test_float32_at_offset_1e4(rng, function, d):  # GeomLoss: 0.141 for 0.319
    x = (rng.normal(size=(30, d)) + 1e4).astype(np.float32)
    y = (rng.normal(0.5, 1.0, size=(35, d)) + 1e4).astype(np.float32)
    wanted = function(x.astype(np.float64) - 1e4, y.astype(np.float64) - 1e4)  # exact: Sterbenz
    for pair in ((x, y), (torch.tensor(x), torch.tensor(y))):
        value = function(*pair)
        assert "float32" in str(value.dtype)
        assert float(value) == pytest.approx(wanted, rel=2.0**-22)


@pytest.mark.parametrize("d", [1, 20])
@pytest.mark.parametrize("make", [np.asarray, torch.tensor], ids=["NumPy", "torch"])
def test_squared_distances_at_offset_1e8(make, d):  # scikit-learn, torch: 0 for 1
    x, y = np.full((1, d), 1e8), np.full((1, d), 1e8)
    y[0, 0] += 1
    assert float(dv.energy(make(x), make(y))) == pytest.approx(2.0, rel=1e-15)
    value = float(dv.squared_mmd(make(x), make(y), bandwidth=1.0, estimator="biased"))
    assert value == pytest.approx(2 - 2 * math.exp(-0.5), rel=1e-15)


def test_biased_mmd_at_offset_1e8_is_not_negative(rng):  # by expansion: −0.0196
    x = np.round(rng.normal(size=(50, 20)) * 1024) / 1024
    y = x[rng.permutation(50)] + 1 / 1024
    far = dv.squared_mmd(x + 1e8, y + 1e8, bandwidth=1.0, estimator="biased")
    assert far == pytest.approx(float(dv.squared_mmd(x, y, bandwidth=1.0, estimator="biased")), abs=1e-14)
    assert far >= 0


def test_fid_at_offset_1e8(rng):  # torchmetrics: −4.0 for 7.99
    x = np.round(rng.normal(size=(500, 2)) * 1024) / 1024
    value = dv.frechet(x + 1e8, x + 1e8 + 2)
    assert value == pytest.approx(8.0, rel=1e-12)


def test_rank_ten_covariances_in_sixty_dimensions(rng):  # POT Bures: NaN
    z, turn = rng.normal(size=(400, 10)), rng.normal(size=(10, 60))
    x, y = z @ turn, 3 * z @ turn
    value = gaussian.frechet(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    wanted = ((2 * x.mean(0)) ** 2).sum() + 4 * np.trace(np.cov(x.T))  # law 90
    assert value == pytest.approx(wanted, rel=1e-10)
    assert dv.frechet(x, y) == pytest.approx(wanted, rel=1e-10)


def test_precision_and_recall_of_shifted_data(rng):  # prdc at 1e8: 0/0/0/0
    x, y = (np.round(rng.normal(size=(60, 2)) * 1024) / 1024 for _ in range(2))
    assert dv.precision_recall(x + 1e8, y + 1e8) == dv.precision_recall(x, y)


def test_precision_and_recall_of_constant_data():  # prdc#7: undefined
    assert dv.precision_recall(np.ones((10, 3)), np.ones((12, 3))) == (1.0, 1.0, 1.0, 1.0)
    assert dv.precision_recall(np.ones((10, 3)), np.zeros((12, 3))) == (0.0, 0.0, 0.0, 0.0)


def test_kl_of_disjoint_supports_is_infinite():  # infomeasure: −0.69
    assert pmf.kl([0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]) == math.inf
    x, y = np.linspace(0, 1, 50), np.linspace(5, 6, 50)
    assert dv.kl(x, y, estimator="histogram", bins=5) == math.inf
    assert dv.kl(x, y) > 2  # nearest neighbours see that they are far, and say nothing of infinity


@pytest.mark.parametrize("function", TRANSPORTS, **names)
def test_columns_are_features_and_never_ravelled(function):  # michaelnowotny/divergence: W = 0 for 6.9
    x = np.array([[0.0, 10.0], [0.0, 10.0]])
    y = np.array([[10.0, 0.0], [10.0, 0.0]])  # the same numbers when ravelled
    assert function(x, y) > 5
    if function is not dv.sliced_wasserstein:
        assert function(x, y) == pytest.approx(math.sqrt(200), rel=1e-12)


@pytest.mark.filterwarnings("ignore::divergences._inputs.DivergenceWarning")
@pytest.mark.parametrize("name", ["kl", "reverse_kl", "js", "tv", "hellinger", "chi2"])
def test_ties_never_give_minus_infinity(rng, name):  # entropy_estimators#3
    x, y = rng.integers(0, 4, size=60), rng.integers(0, 4, size=50)
    for pair in ((x, y), (x, x), (np.repeat(x, 10), y), (np.zeros(20), np.zeros(20)), (np.zeros(20), y)):
        assert math.isfinite(getattr(dv, name)(*pair))


def test_neighbour_kl_explains_a_negative_value(rng):  # universal-divergence#5
    x, y = rng.normal(size=300), rng.normal(size=300)
    pairs = [(x, y), (y, x), (x[:100], y[:100]), (y[:100], x[:100])]
    seen = 0
    for pair in pairs:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            value = dv.kl(*pair)
        told = [str(w.message) for w in caught if issubclass(w.category, dv.DivergenceWarning)]
        assert bool(told) == (value < 0)
        seen += value < 0
    assert seen


def test_large_costs_do_not_spoil_the_plan(rng):  # POT#229
    x = rng.normal(size=(15, 2))
    y = x[rng.permutation(15)] + [3.0, 4.0]
    for scale in (2.0**-40, 1.0, 2.0**40):
        assert dv.wasserstein(x * scale, y * scale, p=3) / scale == pytest.approx(5.0, rel=1e-10)


def test_float32_weights_are_not_infeasible(rng):  # POT#126, #190
    x, y = rng.normal(size=(300, 2)).astype(np.float32), rng.normal(size=(200, 2)).astype(np.float32)
    a, b = rng.uniform(size=300).astype(np.float32), rng.uniform(size=200).astype(np.float32)
    wide = dv.wasserstein(
        *(v.astype(np.float64) for v in (x, y)), x_weights=a.astype(float), y_weights=b.astype(float)
    )
    assert dv.wasserstein(x, y, x_weights=a, y_weights=b) == pytest.approx(wide, rel=1e-6)
