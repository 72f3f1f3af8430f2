"""Classifiers that tell the two samples apart: density ratios by cross-fitting, and a two-sample test.

A probabilistic classifier trained on balanced classes estimates D*(z) = p/(p+q); its log-odds are
log p/q. Every log-odds used here is that of a held-out row: a classifier judged on its own
training rows would find a difference between any two samples.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from divergences._arrays import to_numpy
from divergences._inputs import Pair, check_integer, check_pair, check_rng
from divergences.registry import metric
from divergences.results import TestResult

__all__ = ["classifier_two_sample", "cross_fitted_log_ratios", "default_classifier"]

QUADRATIC_FEATURES = 20  # above this, squares only: products would outnumber the rows
FEW = 40  # held-out rows up to which ranks are relabelled, above which their sum is normal
RELABELLINGS = 9999


def default_classifier(d: int) -> Any:
    """Logistic regression on standardised features with their squares (and products, d ≤ 20).

    Its log-odds are quadratic: exact for Gaussians, calibrated, fast. Pass your own scikit-learn
    classifier where the difference is subtler: HistGradientBoostingClassifier() for tables.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler

    if d <= QUADRATIC_FEATURES:
        expand = PolynomialFeatures(2, include_bias=False)
    else:
        expand = FunctionTransformer(_with_squares)
    return make_pipeline(StandardScaler(), expand, StandardScaler(), LogisticRegression(max_iter=300))


def _with_squares(z: np.ndarray) -> np.ndarray:
    return np.concatenate([z, z * z], axis=1)


@metric(
    laws=("parts: statistic", "accuracy", "needs 8 rows"),
    on="samples", degree=0, differentiable=False, better="lower", interval=None, cost="fit",
    meaning="held-out accuracy of a classifier telling real from model: 0.5 means it cannot",
    reference="Lopez-Paz & Oquab 2017",
)  # fmt: skip
def classifier_two_sample(x: Any, y: Any, *, classifier: Any = None, rng: Any = None) -> TestResult:
    """Classifier two-sample test: balanced held-out accuracy in [0, 1], and its p-value when P = Q.

    A random half of each sample trains the classifier (``classifier``: any scikit-learn one;
    None for ``default_classifier``, its classes balanced; give your own ``class_weight="balanced"``
    where n ≠ m, or it loses power), the other half is classified. ``statistic`` is the mean of
    the two classes' accuracies, so n ≠ m does not move its null mean of ½; its
    ``null_standard_deviation`` is that at the observed share t of rows called "y" (½/√rows at t = ½)
    (Lopez-Paz & Oquab 2017, §3). Under P = Q, given the classifier, the log-odds it gives to held-out
    rows do not depend on the set they came from: ``p_value`` is the one-sided rank-sum test of that
    (Friedman 2003; Mann & Whitney 1947), by 9,999 relabellings up to 40 held-out rows. Accuracies take
    few values and ranks many, so it is level and has more power than a test of the count. Of a classifier
    that only names classes it is Fisher's exact test of the count.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(400, 1))
    >>> result = classifier_two_sample(z[:200], z[200:] + 3.0, rng=0)
    >>> result.statistic > 0.9, result.p_value < 1e-6
    (True, True)
    """
    rng = check_rng(rng)
    pair = check_pair(x, y, min_rows=4)
    samples = to_numpy(pair.x), to_numpy(pair.y)
    orders = [rng.permutation(len(s)) for s in samples]
    train = [s[o[: len(s) // 2]] for s, o in zip(samples, orders, strict=True)]
    test = [s[o[len(s) // 2 :]] for s, o in zip(samples, orders, strict=True)]
    # a classifier trained on unequal classes calls nearly every row by the larger one's name
    balance = (np.ones(len(train[0])), np.ones(len(train[1]))) if classifier is None else None
    model = _fitted(classifier, train[0], train[1], balance, rng)
    called_y = [int(np.sum(np.asarray(model.predict(part)) == 1)) for part in test]
    sizes = [len(part) for part in test]
    accuracy = 0.5 * ((sizes[0] - called_y[0]) / sizes[0] + called_y[1] / sizes[1])
    rate = sum(called_y) / sum(sizes)
    spread = 0.5 * math.sqrt(rate * (1.0 - rate) * (1.0 / sizes[0] + 1.0 / sizes[1]))
    return TestResult(
        statistic=accuracy,
        p_value=_told_apart(model, test[0], test[1], called_y, rng),
        null_mean=0.5,
        null_standard_deviation=spread,
        notes=(f"trained on {len(train[0])} + {len(train[1])} rows, tested on {sizes[0]} + {sizes[1]}",),
        n=pair.n,
        m=pair.m,
    )


def _told_apart(
    model: Any, x: np.ndarray, y: np.ndarray, called_y: list[int], rng: np.random.Generator
) -> float:
    """The p-value of held-out rows: y's are ranked, or at least called, more like y than x's are."""
    from scipy.stats import fisher_exact, mannwhitneyu, rankdata

    rows = np.concatenate([x, y])  # together: infinite odds must be ties
    if hasattr(model, "predict_proba"):
        scores = -_log_odds(model, rows)
    elif hasattr(model, "decision_function"):
        scores = np.asarray(model.decision_function(rows), dtype=np.float64)
    else:
        table = [[called_y[1], len(y) - called_y[1]], [called_y[0], len(x) - called_y[0]]]
        return float(fisher_exact(table, alternative="greater").pvalue)
    if len(rows) > FEW:
        at_x, at_y = scores[: len(x)], scores[len(x) :]
        return float(mannwhitneyu(at_y, at_x, alternative="greater", method="asymptotic").pvalue)
    ranks = rankdata(scores)
    relabelled = rng.permuted(np.tile(ranks, (RELABELLINGS, 1)), axis=1)[:, len(x) :].sum(axis=1)
    # ranks are halves of integers: their sums are exact, and ties count against rejecting
    return float((1 + np.sum(relabelled >= ranks[len(x) :].sum())) / (1 + RELABELLINGS))


def cross_fitted_log_ratios(
    pair: Pair, *, classifier: Any, folds: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """log p/q at every row of x and of y, each from a classifier that never saw that row."""
    check_integer(
        folds, "folds", minimum=2, below=min(pair.n, pair.m) + 1, why="each fold needs rows of both"
    )
    x, y = to_numpy(pair.x), to_numpy(pair.y)
    weights = None if pair.uniform else (to_numpy(pair.a), to_numpy(pair.b))
    x_fold, y_fold = _folds(pair.n, folds, rng), _folds(pair.m, folds, rng)
    at_x, at_y = np.empty(pair.n), np.empty(pair.m)
    for fold in range(folds):
        keep_x, keep_y = x_fold != fold, y_fold != fold
        part = None if weights is None else (weights[0][keep_x], weights[1][keep_y])
        model = _fitted(classifier, x[keep_x], y[keep_y], part, rng)
        # with weights the classes were balanced in the fit; without, undo the class sizes
        prior = 0.0 if part is not None else math.log(keep_y.sum() / keep_x.sum())
        at_x[~keep_x] = _log_odds(model, x[~keep_x]) + prior
        at_y[~keep_y] = _log_odds(model, y[~keep_y]) + prior
    return at_x, at_y


def _folds(rows: int, folds: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(np.arange(rows) % folds)


def _fitted(
    classifier: Any, x: np.ndarray, y: np.ndarray, weights: tuple[np.ndarray, np.ndarray] | None, rng: Any
) -> Any:
    """A fresh classifier trained to tell x (class 0) from y (class 1)."""
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    model = default_classifier(x.shape[1]) if classifier is None else _cloned(clone, classifier)
    seeds = [name for name in model.get_params() if name.split("__")[-1] == "random_state"]
    model.set_params(**{name: int(rng.integers(2**31)) for name in seeds})
    rows, labels = np.concatenate([x, y]), np.repeat([0, 1], [len(x), len(y)])
    options = {}
    if weights is not None:
        for w, name in zip(weights, ("x_weights", "y_weights"), strict=True):
            if not w.sum() > 0:
                raise ValueError(
                    f"{name} puts its mass on so few rows that a training fold has none of it; give weight "
                    "to more rows, or use another estimator"
                )
        balanced = np.concatenate([w / w.sum() for w in weights]) * len(rows) / 2.0
        options[_weight_keyword(model)] = balanced
    with warnings.catch_warnings():
        # a regularised fit stopped a little early is still a fit: held-out rows judge it
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, labels, **options)


def _cloned(clone: Any, classifier: Any) -> Any:
    from sklearn.base import is_classifier

    if not (
        hasattr(classifier, "fit") and hasattr(classifier, "predict") and hasattr(classifier, "get_params")
    ):
        raise TypeError(
            f"classifier must be a scikit-learn classifier (fit, predict, predict_proba); got "
            f"{type(classifier).__name__}. Pass an instance, for example HistGradientBoostingClassifier()"
        )
    if isinstance(classifier, type) or not is_classifier(classifier):
        raise TypeError(
            f"classifier must be an instance of a scikit-learn classifier; got {classifier!r}. Pass, for "
            "example, HistGradientBoostingClassifier()"
        )
    return clone(classifier)


def _weight_keyword(model: Any) -> str:
    steps = getattr(model, "steps", None)
    return f"{steps[-1][0]}__sample_weight" if steps else "sample_weight"


def _log_odds(model: Any, rows: np.ndarray) -> np.ndarray:
    """log P(class 0) − log P(class 1), capped where a forest says exactly 0 or 1."""
    if not hasattr(model, "predict_proba"):
        raise TypeError(
            f"classifier must be probabilistic (predict_proba) for a density ratio; {type(model).__name__} "
            "is not. Wrap it in sklearn.calibration.CalibratedClassifierCV"
        )
    if hasattr(model, "predict_log_proba"):
        with np.errstate(divide="ignore"):
            logs = np.asarray(model.predict_log_proba(rows), dtype=np.float64)
    else:
        with np.errstate(divide="ignore"):
            logs = np.log(np.asarray(model.predict_proba(rows), dtype=np.float64))
    cap = math.log(4.0 * len(rows))  # a probability of exactly 0 is known no better than this
    odds = logs[:, 0] - logs[:, 1]
    return np.where(np.isinf(odds), np.sign(odds) * cap, odds)
