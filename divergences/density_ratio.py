"""f-divergences between samples: every one by every estimator, over one estimate of log p/q.

An estimator gives log p/q at the rows of x and of y. The divergence is then

    D_f = E_Q[f(r); r ≤ 1] + E_P[f(r)/r; r > 1],     r = p/q,

which is D_f = ∫ q f(p/q) with each region averaged over the sample that is plentiful there: the
terms are non-negative and a heavy tail of r is never averaged under Q. KL by nearest neighbours
is the exception: it keeps the published form of Wang, Kulkarni & Verdú.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from divergences._arrays import Array, detached, from_numpy, safe_log, safe_sqrt, to_numpy
from divergences._histogram import common_cells
from divergences._inputs import (
    Pair,
    check_integer,
    check_option,
    check_pair,
    check_positive,
    check_proportion,
    check_rng,
    warn,
)
from divergences._neighbor_search import kth_nearest
from divergences._pairwise import (
    paired_squared_distances,
    row_logsumexp,
)
from divergences.classifier import cross_fitted_log_ratios
from divergences.critic.neural import dual_value
from divergences.fdivergence import FDIVERGENCES, FDivergence, alpha_divergence, as_fdivergence
from divergences.parzen import Parzen
from divergences.registry import metric

__all__ = ["chi2", "f_divergence", "hellinger", "js", "kl", "renyi", "reverse_kl", "tv"]

ESTIMATORS = {
    "knn": ("k",),
    "histogram": ("bins",),
    "parzen": ("bandwidth",),
    "classifier": ("classifier", "folds", "rng"),
    "variational": ("rng",),
}
ENOUGH_ROWS = 20  # from here on one row should not carry half of an average
LARGEST_LOG_RATIO = 690.0  # exp of this and its reciprocal are representable

# What every one of them promises, by estimator: see divergences.laws.
UNTRAINED = "estimator == 'knn' or estimator == 'histogram' or estimator == 'parzen'"
ESTIMATED = (
    f"order of rows if {UNTRAINED}",
    f"translation invariant if {UNTRAINED}",
    "scale invariant if estimator == 'knn' or estimator == 'histogram'",
    "rotation invariant if estimator == 'knn'",
    "identity if estimator == 'histogram'",
    "weighted if estimator == 'histogram' or estimator == 'parzen'",
    "needs 8 rows",
    "piecewise constant if estimator == 'histogram'",
    "chosen from the data if estimator == 'parzen'",
    "a fit if estimator == 'classifier' or estimator == 'variational'",
)

_CHOICE = """
    ``estimator`` and its own options (any other option is an error):

    - "knn" (``k``): nearest-neighbour distances; the default. Right for continuous data in low
      to moderate dimension, no tuning. k = 5 for KL, about √n for the ratio form of the others.
      No weights. Ties and duplicates are handled by counting.
    - "histogram" (``bins``, see ``pmf.histogram``): plug-in on common cells. Right for discrete
      data and for 1 to 3 features with many samples; biased upward at few samples a cell, and
      infinite where a cell of one side is empty and f says so.
    - "parzen" (``bandwidth``: a number or None for leave-one-out choice on each side): smooth
      densities, left-one-out on their own rows. Right for few, smooth dimensions and small n.
    - "classifier" (``classifier``, ``folds`` = 5, ``rng``): cross-fitted log-odds of a
      scikit-learn probabilistic classifier on held-out rows. Right in many dimensions, and
      whenever you know a good classifier for the data. As good as the classifier: log-odds it
      cannot represent are missed (too low); at small n its own noise is added (a few % too high).

    - "variational": a critic's dual, ``neural_dual`` without its record (and 0 where that is negative).
      Right where a network must find the difference: thousands of rows. A lower bound in expectation,
      valued on the half of the rows it was not trained on. Needs PyTorch.

    In torch "knn" and "parzen" are differentiable; the others return constants.
"""


def _documented(function: Any) -> Any:
    """Every function here takes the same estimators; the choice is explained once."""
    function.__doc__ = function.__doc__.replace("\n    {CHOICE}\n", _CHOICE)
    return function


# ── the public functions ────────────────────────────────────────────────────────────────────


@_documented
@metric(
    laws=("estimates kl", "knn kl if estimator == 'knn'", "never negative if estimator != 'knn'", *ESTIMATED),
    on="samples", degree=0, cost="n*m",
    meaning="log-likelihood lost by modelling x with y's distribution; punishes missing what is real",
    reference="Wang, Kulkarni & Verdú 2009",
)  # fmt: skip
def kl(
    x: Any, y: Any, *, estimator: str = "knn", k: int | None = None, bins: Any = None,
    bandwidth: float | None = None, classifier: Any = None, folds: int | None = None,
    x_weights: Any = None, y_weights: Any = None, rng: Any = None,
) -> Any:  # fmt: skip
    """Kullback–Leibler divergence KL(P‖Q) from samples x ~ P (n, d) and y ~ Q (m, d), in nats.

    With "knn": (d/n) Σ log(ν_k/ρ_k) + log(m/(n−1)), ρ_k the distance from x_i to its k-th
    neighbour in x without itself, ν_k in y (Wang, Kulkarni & Verdú 2009, eq. 5). It may come out
    negative near P = Q, where its error exceeds the value: a DivergenceWarning then says so.
    At a tied row (a distance of 0) the rows of x and of y that coincide with it are counted instead:
    data with atoms are compared by their masses. The other estimators never return a negative value.

    {CHOICE}

    Disjoint supports: inf from "histogram", a large finite number from the others.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2000, 2))
    >>> abs(kl(z[:1000, :1], z[1000:, :1] + 1.0) - 0.5) < 0.1
    np.True_
    """
    options = _chosen(estimator, locals())
    pair = _pair(x, y, x_weights, y_weights, estimator)
    return pair.result(_kl(pair, FDIVERGENCES["kl"], options))


@_documented
@metric(
    laws=("never negative if estimator != 'knn'", *ESTIMATED),
    on="samples", degree=0, cost="n*m",
    meaning="KL with the roles exchanged; punishes inventing what is not real",
    reference="Wang, Kulkarni & Verdú 2009",
)  # fmt: skip
def reverse_kl(
    x: Any, y: Any, *, estimator: str = "knn", k: int | None = None, bins: Any = None,
    bandwidth: float | None = None, classifier: Any = None, folds: int | None = None,
    x_weights: Any = None, y_weights: Any = None, rng: Any = None,
) -> Any:  # fmt: skip
    """Reverse Kullback–Leibler divergence KL(Q‖P) from samples x ~ P and y ~ Q, in nats.

    ``kl`` with the samples exchanged; see there.

    {CHOICE}

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2000, 2))
    >>> abs(reverse_kl(z[:1000, :1], z[1000:, :1] + 1.0) - 0.5) < 0.1
    np.True_
    """
    options = _chosen(estimator, locals())
    pair = _pair(x, y, x_weights, y_weights, estimator)
    return pair.result(_kl(pair, FDIVERGENCES["reverse_kl"], options))


@_documented
@metric(
    laws=("estimates js", f"symmetric if {UNTRAINED}", "never negative", *ESTIMATED),
    on="samples", degree=0, cost="n*m",
    meaning="information one draw carries about which set it came from: 0 to log 2 = 0.693",
    reference="Lin 1991",
)  # fmt: skip
def js(
    x: Any, y: Any, *, estimator: str = "knn", k: int | None = None, bins: Any = None,
    bandwidth: float | None = None, classifier: Any = None, folds: int | None = None,
    x_weights: Any = None, y_weights: Any = None, rng: Any = None,
) -> Any:  # fmt: skip
    """Jensen–Shannon divergence (not rooted) from samples, in nats, in [0, log 2].

    ½KL(P‖M) + ½KL(Q‖M), M = ½(P+Q) (Lin 1991).

    {CHOICE}

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2000, 2))
    >>> abs(js(z[:1000, :1], z[1000:, :1] + 1.0) - 0.1114) < 0.03
    np.True_
    """
    return _f_divergence(x, y, "js", _chosen(estimator, locals()), x_weights, y_weights)


@_documented
@metric(
    laws=("estimates tv", f"symmetric if {UNTRAINED}", "never negative", *ESTIMATED),
    on="samples", degree=0, cost="n*m",
    meaning="the largest difference of probability any event has: 1 means perfectly told apart",
    reference="Tsybakov 2009, §2.4",
)  # fmt: skip
def tv(
    x: Any, y: Any, *, estimator: str = "knn", k: int | None = None, bins: Any = None,
    bandwidth: float | None = None, classifier: Any = None, folds: int | None = None,
    x_weights: Any = None, y_weights: Any = None, rng: Any = None,
) -> Any:  # fmt: skip
    """Total variation ½∫|p − q| from samples, in [0, 1].

    |p − q| has a kink where p = q, so noise in the ratio biases every estimate upward near P = Q.

    {CHOICE}

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2000, 2))
    >>> abs(tv(z[:1000, :1], z[1000:, :1] + 1.0) - 0.3829) < 0.05
    np.True_
    """
    return _f_divergence(x, y, "tv", _chosen(estimator, locals()), x_weights, y_weights)


@_documented
@metric(
    laws=(
        "estimates hellinger", f"symmetric if {UNTRAINED}", "never negative", "square root", *ESTIMATED,
    ),
    on="samples", degree=0, cost="n*m",
    meaning="distance between root densities: 0 to 1",
    reference="Tsybakov 2009, §2.4",
)  # fmt: skip
def hellinger(
    x: Any, y: Any, *, estimator: str = "knn", k: int | None = None, bins: Any = None,
    bandwidth: float | None = None, classifier: Any = None, folds: int | None = None,
    x_weights: Any = None, y_weights: Any = None, rng: Any = None,
) -> Any:  # fmt: skip
    """Hellinger distance √(1 − ∫√(pq)) (rooted) from samples, in [0, 1].

    {CHOICE}

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2000, 2))
    >>> abs(hellinger(z[:1000, :1], z[1000:, :1] + 1.0) ** 2 - 0.1175) < 0.03
    np.True_
    """
    options = _chosen(estimator, locals())
    pair = _pair(x, y, x_weights, y_weights, estimator)
    squared = _value(pair, FDIVERGENCES["squared_hellinger"], options)
    return pair.result(safe_sqrt(pair.xp, squared))


@_documented
@metric(
    laws=("estimates chi2", "never negative", *ESTIMATED),
    on="samples", degree=0, cost="n*m",
    meaning="variance of the likelihood ratio: dominated by where the model is thinnest",
    reference="Pearson 1900",
)  # fmt: skip
def chi2(
    x: Any, y: Any, *, estimator: str = "knn", k: int | None = None, bins: Any = None,
    bandwidth: float | None = None, classifier: Any = None, folds: int | None = None,
    x_weights: Any = None, y_weights: Any = None, rng: Any = None,
) -> Any:  # fmt: skip
    """Pearson's χ²(P‖Q) = ∫ (p − q)²/q from samples, no half, in [0, ∞].

    Heavy tails make it the hardest of the family: expect it low at small n; from "parzen", whose
    windows end abruptly, one row of x beyond those of y can also make it huge.

    {CHOICE}

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2000, 2))
    >>> abs(chi2(z[:1000, :1], z[1000:, :1] + 1.0, estimator="classifier", rng=0) - 1.718) < 0.5
    np.True_
    """
    return _f_divergence(x, y, "chi2", _chosen(estimator, locals()), x_weights, y_weights)


@_documented
@metric(
    laws=("never negative", *ESTIMATED),
    on="samples", degree=0, cost="n*m",
    meaning="KL's family by order alpha: small orders look at overlap, large ones at the worst ratio",
    reference="Rényi 1961; van Erven & Harremoës 2014",
)  # fmt: skip
def renyi(
    x: Any, y: Any, *, alpha: float, estimator: str = "knn", k: int | None = None, bins: Any = None,
    bandwidth: float | None = None, classifier: Any = None, folds: int | None = None,
    x_weights: Any = None, y_weights: Any = None, rng: Any = None,
) -> Any:  # fmt: skip
    """Rényi divergence log(∫ pᵅ q¹⁻ᵅ)/(α − 1) of finite order α > 0 from samples, in nats, in [0, ∞].

    α = 1 is ``kl``; others through the α-divergence A: log(1 + α(α−1)A)/(α−1).

    {CHOICE}

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2000, 2))
    >>> abs(renyi(z[:1000, :1], z[1000:, :1] + 1.0, alpha=0.5) - 0.25) < 0.08
    np.True_
    """
    options = _chosen(estimator, locals())
    alpha = check_positive(alpha, "alpha")
    pair = _pair(x, y, x_weights, y_weights, estimator)
    if alpha == 1:
        return pair.result(_kl(pair, FDIVERGENCES["kl"], options))
    moment = alpha * (alpha - 1.0) * _value(pair, alpha_divergence(alpha), options)
    # below order 1 the moment is −1 for disjoint sets: log 0, which the division makes +inf
    xp = pair.xp
    gone = moment <= -1.0
    value = xp.log1p(xp.where(gone, 0.0, moment)) / (alpha - 1.0)
    return pair.result(xp.where(gone, xp.inf, value))


@_documented
@metric(
    laws=("never negative", *ESTIMATED),
    on="samples", degree=0, cost="n*m",
    meaning="any f-divergence, by name or from a convex f of your own",
    reference="Csiszár 1967; Liese & Vajda 2006",
)  # fmt: skip
def f_divergence(
    x: Any, y: Any, f: str | FDivergence, *, estimator: str = "knn", k: int | None = None, bins: Any = None,
    bandwidth: float | None = None, classifier: Any = None, folds: int | None = None,
    x_weights: Any = None, y_weights: Any = None, rng: Any = None,
) -> Any:  # fmt: skip
    """D_f(P‖Q) = E_Q f(p/q) from samples, for a named or user-made ``FDivergence``, in [0, ∞].

    {CHOICE}

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2000, 2))
    >>> abs(f_divergence(z[:1000, :1], z[1000:, :1] + 1.0, "triangular") - 0.408) < 0.1
    np.True_
    """
    return _f_divergence(x, y, f, _chosen(estimator, locals()), x_weights, y_weights)


# ── options ─────────────────────────────────────────────────────────────────────────────────


def _chosen(estimator: str, given: dict[str, Any]) -> dict[str, Any]:
    """The estimator's own options; one that belongs to another estimator is an error."""
    check_option(estimator, "estimator", ESTIMATORS)
    for owner, names in ESTIMATORS.items():
        for name in names:
            # a seed may always be passed: it is how callers make everything repeatable
            if owner != estimator and name != "rng" and given[name] is not None:
                raise ValueError(
                    f"{name} belongs to estimator={owner!r}; estimator={estimator!r} takes "
                    f"{', '.join(ESTIMATORS[estimator])}"
                )
    return {"estimator": estimator, **{name: given[name] for name in ESTIMATORS[estimator]}}


def _pair(x: Any, y: Any, x_weights: Any, y_weights: Any, estimator: str) -> Pair:
    if estimator == "knn" and not (x_weights is None and y_weights is None):
        raise ValueError(
            "x_weights and y_weights are not taken by estimator='knn': neighbour distances have no "
            "weighted form. Use 'histogram', 'parzen' or 'classifier', or resample by weight"
        )
    counts = estimator == "histogram"  # a cell takes its rows in any order, block by block
    return check_pair(x, y, x_weights, y_weights, min_rows=1 if counts else 2, streams=counts)


# ── values ──────────────────────────────────────────────────────────────────────────────────


def _f_divergence(x: Any, y: Any, f: Any, options: dict[str, Any], x_weights: Any, y_weights: Any) -> Any:
    row = as_fdivergence(f)
    pair = _pair(x, y, x_weights, y_weights, options["estimator"])
    return pair.result(_value(pair, row, options))


def _value(pair: Pair, row: FDivergence, options: dict[str, Any]) -> Array:
    if options["estimator"] == "histogram":
        p, q, _ = common_cells(pair, options["bins"])
        return pair.xp.sum(row.perspective(p, q))
    if options["estimator"] == "variational":
        bound = dual_value(pair, row.name if FDIVERGENCES.get(row.name) is row else row, options["rng"])
        return from_numpy(np.float64(max(0.0, bound)), pair.x)
    at_x, at_y = _log_ratios(pair, options)
    xp = pair.xp
    at_x, at_y = xp.where(pair.a > 0, at_x, 0.0), xp.where(pair.b > 0, at_y, 0.0)
    largest = max(float(xp.max(xp.abs(detached(v)))) for v in (at_x, at_y))
    if largest > LARGEST_LOG_RATIO:
        warn(
            f"log p/q reaches {largest:.3g}: x and y hardly overlap, and ratios were capped at "
            f"e^±{LARGEST_LOG_RATIO:g}. Use a distance that sees how far apart they are: wasserstein, energy"
        )
        at_x, at_y = (xp.clip(v, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO) for v in (at_x, at_y))
    above, below = at_x > 0, at_y <= 0
    inverse = xp.exp(-xp.where(above, at_x, 0.0))
    ratio = xp.exp(xp.where(below, at_y, 0.0))
    over_p = xp.where(above, row.perspective(xp.ones_like(inverse), inverse), 0.0)
    over_q = xp.where(below, row.perspective(ratio, xp.ones_like(ratio)), 0.0)
    value = xp.sum(pair.a * over_p) + xp.sum(pair.b * over_q)
    plain, heaviest = float(detached(value)), float(xp.max(detached(pair.a * over_p)))
    if pair.n >= ENOUGH_ROWS and heaviest > 0.5 * plain:
        warn(
            f"one row of x carries {heaviest / plain:.0%} of the estimate of {row.name}: y is so "
            "thin there that the ratio is not resolved. Use estimator='classifier' or a bounded divergence"
        )
    return value


def _kl(pair: Pair, row: FDivergence, options: dict[str, Any]) -> Array:
    """KL or reverse KL: the published neighbour form, the common form for the other estimators."""
    if options["estimator"] != "knn":
        return _value(pair, row, options)
    k = _neighbours(pair, options["k"], default=5)
    x, y = (pair.x, pair.y) if row.name == "kl" else (pair.y, pair.x)
    value = pair.xp.mean(_neighbour_log_ratio(pair.xp, x, y, k))
    plain = float(detached(value))
    if plain < 0:
        warn(
            f"the nearest-neighbour estimate of {row.name} is {plain:.3g}, below 0: its error exceeds the "
            "value, as happens near P = Q and in many dimensions. Read it as unresolved; take more "
            "samples, or estimator='classifier'"
        )
    return value


def _log_ratios(pair: Pair, options: dict[str, Any]) -> tuple[Array, Array]:
    if options["estimator"] == "knn":
        k = _neighbours(pair, options["k"], default=max(5, round(math.sqrt(min(pair.n, pair.m)))))
        at_x = _neighbour_log_ratio(pair.xp, pair.x, pair.y, k)
        return at_x, -_neighbour_log_ratio(pair.xp, pair.y, pair.x, k)
    if options["estimator"] == "parzen":
        return _parzen_log_ratios(pair, options["bandwidth"])
    at_x, at_y = cross_fitted_log_ratios(
        pair,
        classifier=options["classifier"],
        folds=min(5, pair.n, pair.m) if options["folds"] is None else options["folds"],
        rng=check_rng(options["rng"]),
    )
    return from_numpy(at_x, pair.x), from_numpy(at_y, pair.y)


def _neighbours(pair: Pair, k: int | None, *, default: int) -> int:
    rows = min(pair.n, pair.m)
    if k is None:
        return min(default, rows - 1)
    return check_integer(k, "k", below=rows, why="a row needs k others of its own set")


# ── nearest neighbours ──────────────────────────────────────────────────────────────────────


def _neighbour_log_ratio(xp: Any, x: Array, y: Array, k: int) -> Array:
    """log p/q at each row of x: d log(ν_k/ρ_k) + log(m/(n−1)), ties counted instead."""
    n, m, d = int(x.shape[0]), int(y.shape[0]), int(x.shape[1])
    own = kth_nearest(x, x, k, exclude_self=True)
    other = kth_nearest(x, y, k)
    rho = paired_squared_distances(x, x[from_numpy(own, x)])
    nu = paired_squared_distances(x, y[from_numpy(other, x)])
    logs = 0.5 * d * (safe_log(xp, nu) - safe_log(xp, rho)) + math.log(m / (n - 1))
    tied = to_numpy((detached(rho) <= 0) | (detached(nu) <= 0))
    if not tied.any():
        return logs
    counted = _counted_log_ratio(to_numpy(x), to_numpy(y))
    return xp.where(from_numpy(tied, x), from_numpy(counted, x), logs)


def _counted_log_ratio(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """ψ(l) − ψ(c) + log(m/(n−1)): l and c rows of x and of y that coincide with each row.

    A tie is an atom, so masses are compared and not densities; none at all counts as one half.
    """
    from scipy.special import digamma

    rows = np.concatenate([x, y]) + 0.0  # −0.0 and 0.0 are the same point, but not the same bytes
    points = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
    atoms = np.unique(points, return_inverse=True)[1]
    at_x, at_y = np.split(atoms, [len(x)])
    inside_x = np.bincount(at_x, minlength=len(rows))[at_x] - 1  # without the row itself
    inside_y = np.bincount(at_y, minlength=len(rows))[at_x]
    ratio = digamma(np.maximum(inside_x, 0.5)) - digamma(np.maximum(inside_y, 0.5))
    return np.asarray(ratio + math.log(len(y) / (len(x) - 1)))


# ── Parzen windows ──────────────────────────────────────────────────────────────────────────


def _parzen_log_ratios(pair: Pair, bandwidth: float | None) -> tuple[Array, Array]:
    """Log density of x's window minus y's, each left-one-out on its own rows."""
    xp = pair.xp
    for weights, name in ((pair.a, "x_weights"), (pair.b, "y_weights")):
        if float(xp.max(detached(weights))) == 1.0:
            raise ValueError(
                f"estimator='parzen' leaves each row out in turn: {name} puts all of it on one row. "
                "Give weight to at least two"
            )
    if bandwidth is None:
        widths = [
            Parzen.fit(detached(s), y_weights=detached(w)).bandwidth
            for s, w in ((pair.x, pair.a), (pair.y, pair.b))
        ]
    else:
        widths = [check_proportion(check_positive(bandwidth, "bandwidth"), pair.scale)] * 2
    rates = [0.5 / width**2 for width in widths]
    normaliser = pair.d * (math.log(widths[1]) - math.log(widths[0]))
    log_a = xp.where(pair.a > 0, safe_log(xp, pair.a), -xp.inf)
    log_b = xp.where(pair.b > 0, safe_log(xp, pair.b), -xp.inf)
    own_x, own_y = (from_numpy(np.arange(count), pair.x) for count in (pair.n, pair.m))
    p_at_x = row_logsumexp(pair.x, pair.x, log_a, rates[:1], own=own_x)[0] - xp.log1p(-pair.a)
    q_at_x = row_logsumexp(pair.x, pair.y, log_b, rates[1:])[0]
    p_at_y = row_logsumexp(pair.y, pair.x, log_a, rates[:1])[0]
    q_at_y = row_logsumexp(pair.y, pair.y, log_b, rates[1:], own=own_y)[0] - xp.log1p(-pair.b)
    return p_at_x - q_at_x + normaliser, p_at_y - q_at_y + normaliser
