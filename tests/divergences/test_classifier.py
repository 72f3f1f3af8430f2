"""The classifier two-sample test: valid when nothing differs, powerful when something does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import fisher_exact, mannwhitneyu
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import divergences as dv
from divergences import TestResult, classifier_two_sample


@pytest.mark.parametrize(("n", "m", "d"), [(24, 24, 1), (40, 16, 3), (12, 60, 2)])
def test_p_values_are_valid_when_nothing_differs(n: int, m: int, d: int) -> None:
    """P(p ≤ α) ≤ α: 100 draws put at most 12 at or below 0.05 (binomial tail 3e-3 at exact size)."""
    rng = np.random.default_rng(100 * n + m)
    results, classifier = [], LogisticRegression(class_weight="balanced")
    for _ in range(100):
        x, y = rng.standard_t(5, size=(n, d)), rng.standard_t(5, size=(m, d))
        results.append(classifier_two_sample(x, y, classifier=classifier, rng=rng))
    p = np.array([result.p_value for result in results])
    assert np.mean(p <= 0.05) <= 0.12
    assert np.mean(p <= 0.5) <= 0.65
    statistics = np.array([result.statistic for result in results])
    assert abs(statistics.mean() - 0.5) < 5 * statistics.std() / 10
    # the spread it states is the spread it has
    stated = np.sqrt(np.mean([result.null_standard_deviation**2 for result in results]))
    assert statistics.std() == pytest.approx(stated, rel=0.3)


def test_the_default_classifier_keeps_the_level_in_twenty_dimensions() -> None:
    rng = np.random.default_rng(7)
    p = [classifier_two_sample(*rng.normal(size=(2, 40, 20)), rng=rng).p_value for _ in range(40)]
    assert np.mean(np.array(p) <= 0.05) <= 0.2


def test_power_against_a_shift_and_a_stretch() -> None:
    rng = np.random.default_rng(1)
    for y in (rng.normal(0.8, 1.0, size=(200, 3)), rng.normal(0.0, 2.0, size=(200, 3))):
        result = classifier_two_sample(rng.normal(size=(200, 3)), y, rng=0)
        assert result.p_value < 1e-4
        assert result.statistic > 0.65


def test_accuracy_of_normals_one_apart() -> None:
    """The Bayes accuracy is Φ(½) = 0.6915 (law 26)."""
    rng = np.random.default_rng(2)
    result = classifier_two_sample(rng.normal(size=4000), rng.normal(1.0, 1.0, size=4000), rng=0)
    assert result.statistic == pytest.approx(0.6915, abs=0.02)
    assert result.null_standard_deviation == pytest.approx(0.5 / math.sqrt(4000), rel=0.01)


def test_the_record_says_what_was_done() -> None:
    rng = np.random.default_rng(3)
    result = classifier_two_sample(rng.normal(size=(31, 2)), rng.normal(1.0, 1.0, size=(50, 2)), rng=0)
    assert isinstance(result, TestResult)
    assert (result.n, result.m, result.null_mean) == (31, 50, 0.5)
    assert result.notes == ("trained on 15 + 25 rows, tested on 16 + 25",)
    again = classifier_two_sample(np.random.default_rng(3).normal(size=(31, 2)), np.ones((50, 2)), rng=0)
    assert again.p_value <= 1


class NamesOnly(ClassifierMixin, BaseEstimator):
    """Calls "y" what lies above zero: its accuracy can be counted by hand."""

    def fit(self, rows: np.ndarray, labels: np.ndarray) -> NamesOnly:
        assert sorted(set(labels)) == [0, 1]
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return (rows[:, 0] > 0).astype(int)


class FirstFeature(NamesOnly):
    """The first feature is its log-odds of y."""

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        y = 1 / (1 + np.exp(-rows[:, 0]))
        return np.stack([1 - y, y], axis=1)


class Decides(NamesOnly):
    """The same without probabilities."""

    def decision_function(self, rows: np.ndarray) -> np.ndarray:
        return 3.0 * rows[:, 0]


@pytest.mark.parametrize("classifier", [FirstFeature(), Decides()], ids=["probabilities", "decisions"])
def test_the_p_value_is_of_the_ranks_of_held_out_rows(classifier) -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(80, 1)), rng.normal(0.5, 1.0, size=(60, 1))
    orders = np.random.default_rng(0)
    held = [s[orders.permutation(len(s))[len(s) // 2 :], 0] for s in (x, y)]
    result = classifier_two_sample(x, y, classifier=classifier, rng=0)
    assert result.p_value == pytest.approx(mannwhitneyu(held[1], held[0], alternative="greater").pvalue)
    few = classifier_two_sample(x[:16], y[:14], classifier=classifier, rng=0)
    orders = np.random.default_rng(0)
    held = [s[orders.permutation(len(s))[len(s) // 2 :], 0] for s in (x[:16], y[:14])]
    exact = mannwhitneyu(held[1], held[0], alternative="greater", method="exact").pvalue
    assert few.p_value == pytest.approx(exact, abs=4 * math.sqrt(exact / 9999))


class Certain(NamesOnly):
    """Probabilities of exactly 0 and 1, as a forest gives: their log-odds are infinite."""

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        return np.eye(2)[self.predict(rows)]


def test_infinite_odds_are_ties_whatever_the_sizes() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(0.4, 1.0, size=(60, 1)), rng.normal(0.6, 1.0, size=(400, 1))
    orders = np.random.default_rng(0)
    held = [s[orders.permutation(len(s))[len(s) // 2 :], 0] > 0 for s in (x, y)]
    result = classifier_two_sample(x, y, classifier=Certain(), rng=0)
    expected = mannwhitneyu(held[1], held[0], alternative="greater", method="asymptotic").pvalue
    assert result.p_value == pytest.approx(expected)


def test_ties_count_against_rejecting() -> None:
    x = np.zeros((12, 1))
    assert classifier_two_sample(x, x, classifier=FirstFeature(), rng=0).p_value == 1.0
    assert classifier_two_sample(x.repeat(9, 0), x.repeat(9, 0), classifier=Decides(), rng=0).p_value >= 0.5


def test_statistic_and_p_value_by_hand() -> None:
    """All of x at −1, half of y at 1: balanced accuracy is (1 + share of 1s in y's test half)/2."""
    x, y = np.full((20, 1), -1.0), np.repeat([[1.0], [-1.0]], 15, axis=0)
    result = classifier_two_sample(x, y, classifier=NamesOnly(), rng=0)
    hits = round((2 * result.statistic - 1) * 15)
    assert result.statistic == pytest.approx(0.5 * (1 + hits / 15))
    table = [[hits, 15 - hits], [0, 10]]
    assert result.p_value == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
    rate = hits / 25
    spread = 0.5 * math.sqrt(rate * (1 - rate) * (1 / 10 + 1 / 15))
    assert result.null_standard_deviation == pytest.approx(spread)


def test_a_classifier_that_cannot_tell_is_at_one_half() -> None:
    x = np.full((20, 1), -1.0)
    result = classifier_two_sample(x, x[:12], classifier=FirstFeature(), rng=0)
    assert (result.statistic, result.p_value, result.null_standard_deviation) == (0.5, 1.0, 0.0)


@pytest.mark.parametrize(("n", "m"), [(1800, 200), (200, 1800)])
def test_unequal_sizes_cost_no_power(n: int, m: int) -> None:
    """A classifier trained on 9:1 calls nearly everything by the larger name; the default is balanced."""
    rng = np.random.default_rng(4)
    result = classifier_two_sample(rng.normal(size=n), rng.normal(1.0, 1.0, size=m), rng=0)
    assert result.statistic == pytest.approx(0.6915, abs=0.06)
    assert result.p_value < 1e-6


@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), KNeighborsClassifier(5)),
        RandomForestClassifier(20),
    ],
    ids=["logistic", "pipeline", "forest"],
)
def test_any_classifier_and_the_same_seed(classifier) -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(60, 2)), rng.normal(2.0, 1.0, size=(40, 2))
    first, second = (classifier_two_sample(x, y, classifier=classifier, rng=9) for _ in range(2))
    assert first == second
    assert first.statistic > 0.8
    assert not hasattr(classifier, "classes_")  # the one given stays untrained


def test_refusals() -> None:
    x = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(ValueError, match="at least 4 rows"):
        classifier_two_sample(x[:3], x)
    with pytest.raises(TypeError, match="scikit-learn classifier"):
        classifier_two_sample(x, x, classifier=lambda rows: rows)
    with pytest.raises(TypeError, match="rng"):
        classifier_two_sample(x, x, rng="seed")
    with pytest.raises(TypeError, match="x_weights"):
        classifier_two_sample(x, x, x_weights=np.ones(30))


@pytest.mark.parametrize("wrong", [LinearRegression(), LogisticRegression])
def test_what_is_not_a_classifier_is_refused(wrong) -> None:
    z = np.random.default_rng(0).normal(size=(40, 1))
    with pytest.raises(TypeError, match="classifier must be an instance of a scikit-learn classifier"):
        dv.classifier_two_sample(z, z + 50, classifier=wrong, rng=0)


def test_mass_on_too_few_rows_for_the_folds_is_refused() -> None:
    z = np.random.default_rng(0).normal(size=(40, 1))
    with pytest.raises(ValueError, match="x_weights puts its mass on so few rows"):
        dv.js(z, z + 1, estimator="classifier", x_weights=[1.0] + [0.0] * 39, rng=0)
