"""f-divergences from samples: the published neighbour form by brute force, known answers, refusals."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch
from scipy.special import digamma
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

import divergences as dv
from divergences import DivergenceWarning, pmf
from divergences.fdivergence import FDIVERGENCES

FUNCTIONS = {
    "kl": dv.kl,
    "reverse_kl": dv.reverse_kl,
    "js": dv.js,
    "tv": dv.tv,
    "hellinger": dv.hellinger,
    "chi2": dv.chi2,
    "renyi": lambda x, y, **options: dv.renyi(x, y, alpha=0.5, **options),
    "triangular": lambda x, y, **options: dv.f_divergence(x, y, "triangular", **options),
}


def wkv(x: np.ndarray, y: np.ndarray, k: int) -> float:
    """Wang, Kulkarni & Verdú 2009, eq. 5, as it stands."""
    (n, d), m = x.shape, len(y)
    own = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(own, np.inf)
    rho = np.sort(own, axis=1)[:, k - 1]
    nu = np.sort(np.linalg.norm(x[:, None] - y[None], axis=2), axis=1)[:, k - 1]
    return float(d / n * np.sum(np.log(nu / rho)) + math.log(m / (n - 1)))


# ── nearest neighbours ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("d", [1, 2, 7, 15])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_kl_by_neighbours_is_the_published_form(rng: np.random.Generator, d: int, k: int) -> None:
    x, y = rng.normal(size=(60, d)), rng.normal(3.0, 1.5, size=(45, d))
    assert dv.kl(x, y, k=k) == pytest.approx(wkv(x, y, k), rel=1e-10)
    assert dv.reverse_kl(x, y, k=k) == pytest.approx(wkv(y, x, k), rel=1e-10)
    assert dv.renyi(x, y, alpha=1.0, k=k) == pytest.approx(wkv(x, y, k), rel=1e-10)


def test_the_default_is_five_neighbours_and_fewer_in_small_samples(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(30, 2)), rng.normal(2.0, 1.0, size=(30, 2))
    assert dv.kl(x, y) == pytest.approx(wkv(x, y, 5), rel=1e-10)
    assert dv.kl(x[:4], y) == pytest.approx(wkv(x[:4], y, 3), rel=1e-10)


def test_doubling_y_adds_log_two(rng: np.random.Generator) -> None:
    """Law 100 at k = 1, where a second copy of y is no nearer than the first."""
    x, y = rng.normal(size=(50, 3)), rng.normal(1.0, 1.0, size=(40, 3))
    base = float(dv.kl(x, y, k=1))
    assert dv.kl(x, np.concatenate([y, y]), k=1) == pytest.approx(base + math.log(2), rel=1e-12)


def test_similarity_invariance(rng: np.random.Generator) -> None:
    """Law 99: shifts, rotations and scalings of both."""
    x, y = rng.normal(size=(50, 3)), rng.normal(1.0, 1.0, size=(40, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    for k in (1, 5):
        moved = dv.kl(3.7 * x @ turn + 11.0, 3.7 * y @ turn + 11.0, k=k)
        assert moved == pytest.approx(float(dv.kl(x, y, k=k)), rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 10])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_ties_and_duplicates_stay_finite(d: int, name: str) -> None:
    rng = np.random.default_rng(4)
    x, y = (rng.integers(0, 3, size=(rows, d)).astype(float) for rows in (40, 50))
    for k in (1, 5):
        assert math.isfinite(_quietly(FUNCTIONS[name], x, y, k=k))
        assert math.isfinite(_quietly(FUNCTIONS[name], x, x, k=k))
        assert math.isfinite(_quietly(FUNCTIONS[name], np.ones((20, d)), np.ones((30, d)), k=k))
        assert math.isfinite(_quietly(FUNCTIONS[name], x, np.concatenate([x, y]), k=k))


def _quietly(function, *samples, **options) -> float:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        return float(function(*samples, **options))


def test_a_tied_row_is_counted_where_it_stands() -> None:
    """Row 0 of x has a twin, and no row of y coincides with it: one against a half."""
    x, y = np.array([0.0, 0.0, 1.5, 7.0]), np.array([2.0, 9.0, 30.0])
    terms = [digamma(1) - digamma(0.5)] * 2  # rows 0 and 1
    terms += [math.log(0.5 / 1.5), math.log(2.0 / 5.5)]  # rows 2 and 3 have no tie
    truth = np.mean(terms) + math.log(3 / 3)
    assert _quietly(dv.kl, x, y, k=1) == pytest.approx(truth, rel=1e-12)


def test_duplicated_data_answer_like_the_discrete_truth() -> None:
    """Two atoms (¾, ¼) against (¼, ¾): KL = ½ log 3, from counts within a radius of 0."""
    x, y = np.repeat([0.0, 1.0], [600, 200]), np.repeat([0.0, 1.0], [250, 750])
    assert dv.kl(x, y, k=5) == pytest.approx(0.5 * math.log(3), abs=0.01)


@pytest.mark.parametrize("shift", [1, 100])
def test_disjoint_atoms_are_told_apart(shift: int) -> None:
    """Constant or integer data: no atom of one is an atom of the other.

    "None" counts as a half, against 60 or 500: JS falls short of log 2 by about log(r)/2r, r ≈ 400.
    """
    rng = np.random.default_rng(0)
    for x in (np.zeros(500), rng.integers(0, 5, 300) * 200.0):
        assert dv.js(x, x + shift) == pytest.approx(math.log(2), abs=0.02)
        assert dv.tv(x, x + shift) > 0.98
        assert 4 < dv.kl(x, x + shift) < math.inf


def test_a_negative_neighbour_estimate_is_told() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 4))
    with pytest.warns(DivergenceWarning, match="below 0") as caught:
        value = dv.kl(x, x + 1e-9 * rng.normal(size=x.shape))
    assert value < 0
    assert caught[0].filename == __file__


def test_gradient_by_neighbours() -> None:
    rng = np.random.default_rng(1)
    x = torch.tensor(rng.normal(size=(12, 2)), requires_grad=True)
    y = torch.tensor(rng.normal(3.0, 1.0, size=(10, 2)), requires_grad=True)
    for function in (dv.kl, dv.js, FUNCTIONS["renyi"]):
        assert torch.autograd.gradcheck(lambda s, t, f=function: f(s, t, k=2), (x, y), fast_mode=True)


# ── known answers ───────────────────────────────────────────────────────────────────────────

SHIFT_ONE = {
    "kl": 0.5, "reverse_kl": 0.5, "js": 0.111381, "tv": 0.382925,
    "hellinger": math.sqrt(1 - math.exp(-1 / 8)),
    "chi2": math.e - 1, "renyi": 0.25, "triangular": 0.408109,
}  # fmt: skip
# rows of each sample; relative error, bias + 4 standard deviations over 8 seeds; that of chi2
ERRORS = {
    "knn": (8000, 0.2, 0.5), "histogram": (8000, 0.17, 0.45), "classifier": (4000, 0.28, 0.55),
    "parzen": (300, 0.8, None),
}  # fmt: skip


@pytest.mark.parametrize("estimator", ERRORS)
@pytest.mark.parametrize("name", SHIFT_ONE)
def test_normals_one_apart(name: str, estimator: str) -> None:
    """N(0, 1) and N(1, 1)."""
    n, allowed, allowed_chi2 = ERRORS[estimator]
    allowed = allowed_chi2 if name == "chi2" else allowed
    if allowed is None:
        pytest.skip("one row of x beyond the windows of y decides a window estimate of chi2")
    rng = np.random.default_rng(12)
    x, y = rng.normal(size=n), rng.normal(1.0, 1.0, size=n)
    options = {"rng": 0} if estimator == "classifier" else {}
    value = float(FUNCTIONS[name](x, y, estimator=estimator, **options))
    assert value == pytest.approx(SHIFT_ONE[name], rel=allowed)


@pytest.mark.parametrize("name", ["js", "tv"])  # bounded: no tail decides
def test_parzen_at_a_given_width_compares_the_smoothed_sets(name: str) -> None:
    """Windows of width h turn N(μ, 1) into N(μ, 1 + h²): log p/q = (½ − t)/(1 + h²), on the same rows."""
    rng = np.random.default_rng(0)
    x, y, row = rng.normal(size=2000), rng.normal(1.0, 1.0, size=2000), FDIVERGENCES[name]
    at_x, at_y = (0.5 - x) / (1 + 0.3**2), (0.5 - y) / (1 + 0.3**2)
    over_p = np.where(at_x > 0, row.perspective(np.ones(2000), np.exp(-at_x)), 0.0).mean()
    over_q = np.where(at_y <= 0, row.perspective(np.exp(at_y), np.ones(2000)), 0.0).mean()
    value = dv.f_divergence(x, y, name, estimator="parzen", bandwidth=0.3)
    assert value == pytest.approx(over_p + over_q, rel=0.06)


@pytest.mark.filterwarnings("ignore:one row of x carries:divergences.DivergenceWarning")
@pytest.mark.parametrize("estimator", ERRORS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_estimator_but_wkv_is_negative(name: str, estimator: str) -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(size=(400, 2))
    if (name, estimator) in (("kl", "knn"), ("reverse_kl", "knn")):
        pytest.skip("keeps the published form, and warns")
    options = {"rng": 0} if estimator == "classifier" else {}
    assert FUNCTIONS[name](z[:200], z[200:], estimator=estimator, **options) >= 0


def test_an_estimate_that_hangs_on_one_row_says_so() -> None:
    z = np.random.default_rng(3).normal(size=(400, 2))
    with pytest.warns(dv.DivergenceWarning, match="one row of x carries .* of the estimate of chi2"):
        dv.chi2(z[:200], z[200:], estimator="parzen")


def test_discrete_data_by_histogram_equal_the_pmf(rng: np.random.Generator) -> None:
    x, y = rng.integers(0, 4, size=300), rng.integers(0, 5, size=(400))
    edges = np.arange(6) - 0.5
    p, q = np.bincount(x, minlength=5) / 300, np.bincount(y, minlength=5) / 400
    for name, function in FUNCTIONS.items():
        options = {"alpha": 0.5} if name == "renyi" else {}
        truth = getattr(pmf, name)(p, q, **options)
        assert function(x, y, estimator="histogram", bins=edges) == pytest.approx(float(truth), rel=1e-12)


def test_weights_by_estimator(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(80, 1)), rng.normal(0.7, 1.0, size=(70, 1))
    a, b = rng.integers(0, 4, size=80), rng.integers(1, 4, size=70)
    with pytest.raises(ValueError, match="no weighted form"):
        dv.kl(x, y, x_weights=a)
    weighted = dv.js(x, y, estimator="histogram", bins=[-5, 0, 1, 6], x_weights=a, y_weights=b)
    repeated = dv.js(np.repeat(x, a, 0), np.repeat(y, b, 0), estimator="histogram", bins=[-5, 0, 1, 6])
    assert weighted == pytest.approx(float(repeated), rel=1e-12)
    for estimator, options in (("parzen", {"bandwidth": 0.5}), ("parzen", {}), ("classifier", {"rng": 0})):
        plain = float(dv.js(x, y, estimator=estimator, **options))
        same = float(dv.js(x, y, estimator=estimator, x_weights=np.full(80, 3.0), **options))
        assert same == pytest.approx(plain, rel=1e-9)
        moved = float(dv.js(x, y, estimator=estimator, x_weights=np.exp(0.7 * x[:, 0]), **options))
        assert moved < plain  # the weights carry N(0, 1) to N(0.7, 1)


def test_parzen_with_weights_is_its_formula(rng: np.random.Generator) -> None:
    x, y, width = rng.normal(size=(8, 2)), rng.normal(0.5, 1.0, size=(7, 2)), 0.8
    a, b = rng.random(8), rng.random(7)
    a, b = a / a.sum(), b / b.sum()

    def density(z: np.ndarray, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
        squared = ((z[:, None] - points[None]) ** 2).sum(axis=2)
        return np.exp(-squared / (2 * width**2)) @ (weights / weights.sum())

    def leave_one_out(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
        rows = range(len(points))
        return np.array(
            [density(points[[i]], np.delete(points, i, 0), np.delete(weights, i))[0] for i in rows]
        )

    at_x, at_y = leave_one_out(x, a) / density(x, y, b), density(y, x, a) / leave_one_out(y, b)
    over_p = np.where(at_x > 1, (1 - 1 / at_x) ** 2 / (1 + 1 / at_x), 0.0)  # triangular: f(r)/r
    over_q = np.where(at_y <= 1, (at_y - 1) ** 2 / (at_y + 1), 0.0)
    value = dv.f_divergence(x, y, "triangular", estimator="parzen", bandwidth=width, x_weights=a, y_weights=b)
    assert value == pytest.approx(float(a @ over_p + b @ over_q), rel=1e-10)


def test_rows_without_weight_change_nothing(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(40, 1)), rng.normal(0.7, 1.0, size=(50, 1))
    far = np.concatenate([x, [[500.0], [600.0]]])
    weights = [1.0] * 40 + [0.0] * 2
    for options in ({"bandwidth": 0.5}, {}):
        value = dv.js(far, y, estimator="parzen", x_weights=weights, **options)
        assert value == pytest.approx(float(dv.js(x, y, estimator="parzen", **options)), rel=1e-9)
    with pytest.raises(ValueError, match="y_weights puts all of it on one row"):
        dv.js(x, y, estimator="parzen", y_weights=[1.0] + [0.0] * 49)


def test_disjoint_supports(rng: np.random.Generator) -> None:
    x, y = rng.random((100, 1)), rng.random((100, 1)) + 50.0
    assert dv.kl(x, y, estimator="histogram", bins=[0, 1, 50, 51]) == math.inf
    assert dv.js(x, y, estimator="histogram", bins=[0, 1, 50, 51]) == pytest.approx(math.log(2))
    assert 3 < dv.kl(x, y) < math.inf
    with pytest.warns(DivergenceWarning, match="hardly overlap"):
        assert dv.js(x, y, estimator="parzen", bandwidth=0.1) == pytest.approx(math.log(2), rel=1e-6)
    assert dv.tv(x, y, estimator="classifier", rng=0) > 0.95


# ── classifiers ─────────────────────────────────────────────────────────────────────────────


def test_a_classifier_of_ones_own(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(900, 5)), rng.normal(0.0, 1.0, size=(600, 5)) + np.eye(5)[0]
    for classifier in (LogisticRegression(), LinearDiscriminantAnalysis(), QuadraticDiscriminantAnalysis()):
        value = dv.kl(x, y, estimator="classifier", classifier=classifier, rng=0)
        assert value == pytest.approx(0.5, rel=0.3)  # n ≠ m: class sizes are undone
        assert not hasattr(classifier, "classes_")  # a clone was fitted
    first, second = (dv.kl(x, y, estimator="classifier", folds=3, rng=1) for _ in range(2))
    assert first == second


def test_a_classifier_with_weights_sees_the_weighted_sets(rng: np.random.Generator) -> None:
    """Importance weights e^(t − ½) turn N(0, 1) into N(1, 1): nothing is left to tell apart."""
    x, y = rng.normal(size=3000), rng.normal(1.0, 1.0, size=1500)
    ratio = np.exp(x - 0.5)
    plain = dv.js(x, y, estimator="classifier", rng=0)
    weighted = dv.js(x, y, estimator="classifier", x_weights=ratio, rng=0)
    assert plain > 0.09
    assert weighted < 0.01
    own = dv.js(x, y, estimator="classifier", classifier=LogisticRegression(), x_weights=ratio, rng=0)
    assert own < 0.01


def test_classifiers_that_will_not_do() -> None:
    from sklearn.svm import LinearSVC

    x = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(TypeError, match="probabilistic"):
        dv.kl(x, x + 1, estimator="classifier", classifier=LinearSVC(), rng=0)
    with pytest.raises(TypeError, match="scikit-learn classifier"):
        dv.kl(x, x + 1, estimator="classifier", classifier="forest", rng=0)
    with pytest.raises(ValueError, match="folds"):
        dv.kl(x, x + 1, estimator="classifier", folds=1, rng=0)
    with pytest.raises(ValueError, match="folds must be below 31"):
        dv.kl(x, x + 1, estimator="classifier", folds=31, rng=0)


# ── options ─────────────────────────────────────────────────────────────────────────────────

OWNERS = {"k": 3, "bins": 4, "bandwidth": 0.5, "classifier": LogisticRegression(), "folds": 3}


@pytest.mark.parametrize("option", OWNERS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_option_belongs_to_one_estimator(name: str, option: str) -> None:
    owner = {"k": "knn", "bins": "histogram", "bandwidth": "parzen"}.get(option, "classifier")
    x = np.random.default_rng(0).normal(size=(30, 1))
    for estimator in ERRORS:
        if estimator != owner:
            with pytest.raises(ValueError, match=f"{option} belongs to estimator='{owner}'"):
                FUNCTIONS[name](x, x + 1, estimator=estimator, **{option: OWNERS[option]})


def test_a_seed_may_always_be_passed() -> None:
    x = np.random.default_rng(0).normal(size=(40, 1))
    assert dv.js(x, x + 1, rng=0) == dv.js(x, x + 1)


def test_unknown_estimators_and_orders() -> None:
    x = np.random.default_rng(0).normal(size=(30, 1))
    with pytest.raises(ValueError, match="did you mean 'knn'"):
        dv.kl(x, x, estimator="kn")
    for alpha in (0.0, -1.0, math.inf):
        with pytest.raises(ValueError, match="alpha must be"):
            dv.renyi(x, x, alpha=alpha)
    with pytest.raises(ValueError, match="k must be below 30"):
        dv.kl(x, x, k=30)


def test_the_choice_is_explained_in_every_docstring() -> None:
    for function in (dv.kl, dv.reverse_kl, dv.js, dv.tv, dv.hellinger, dv.chi2, dv.renyi, dv.f_divergence):
        text = inspect.getdoc(function)
        assert "{CHOICE}" not in text
        for estimator in ERRORS:
            assert f'"{estimator}"' in text


@pytest.mark.parametrize("estimator", ["knn", "classifier", "parzen"])
def test_renyi_approaches_its_neighbours_in_order(estimator: str) -> None:
    """Laws 29 and 31: monotone in α, and α = ½ is −2 log(1 − H²) from the same ratios."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(600, 1)), rng.normal(1.0, 1.0, size=(600, 1))
    options = {"estimator": estimator, **({"rng": 0} if estimator == "classifier" else {})}
    squared = float(dv.hellinger(x, y, **options)) ** 2
    assert dv.renyi(x, y, alpha=0.5, **options) == pytest.approx(-2 * math.log(1 - squared), rel=1e-9)
    values = [float(dv.renyi(x, y, alpha=a, **options)) for a in (0.1, 0.5, 0.9, 1.1, 2.0)]
    assert values == sorted(values)
