"""How sure is a value? ``estimate`` returns it as a record with its error, its bias and its floor.

A row of METRICS names in ``interval`` the method that tells its error; METHODS holds them by that name,
WHY_NOT the reasons of those that have none. A method takes the row, both samples, the confidence and
the rng, and returns an Estimate.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from divergences._arrays import detached, to_numpy
from divergences._inputs import (
    DivergenceWarning,
    check_confidence,
    check_integer,
    check_pair,
    plain_samples,
    warn,
)
from divergences.inference.floor import null_values
from divergences.inference.intervals import (
    mean_interval,
    normal_quantile,
    squared_length_interval,
    student_quantile,
)
from divergences.inference.jackknife import jackknife
from divergences.inference.line import line_error, line_p_value
from divergences.inference.plugin import histogram_bias
from divergences.inference.rows import row_of, seed_of, sizes, with_rng
from divergences.inference.statistics import Pooled
from divergences.inference.ustatistic import pair_mean
from divergences.kernels import pair_kernel
from divergences.parzen import parzen_window
from divergences.registry import Metric
from divergences.results import Estimate, Interval
from divergences.wasserstein import projected_costs

__all__ = ["estimate"]

FLOOR_ROWS = 8  # of the reference, to be parted in halves
FEW_ROWS_SHARE = 0.15  # of the variance, in one group of fifty: heavy tails
NOISE_SHARE = 0.1  # of the first-order variance: a second-order part above it may show in the coverage
HALVINGS = 20  # that the second-order variance of a smooth metric is read from


def estimate(
    metric: str | Metric | Callable[..., Any],
    x: Any,
    y: Any,
    *,
    confidence: float = 0.95,
    halvings: int = 5,
    rng: Any = None,
    **options: Any,
) -> Estimate:
    """A metric's value with standard error, confidence interval, null floor and bias, where it has them.

    ``metric`` is a row of METRICS by name or spec ("sliced_wasserstein(p=1)"), the row, or its
    function; ``x``, ``y`` and ``options`` (weights too) are what it takes. ``rng`` (seed, Generator or
    None) is for what is drawn. What the interval is of, ``method`` and ``notes`` say:

    - ``energy``, ``cramer``, ``squared_mmd``, ``kid``: of the true value. Both orders of the variance of
      the U-statistic (Hoeffding 1948), inverted as Wilson's interval is, so that it holds where P and Q
      are near and where they are not. A median bandwidth is taken as given.
    - ``wasserstein`` with p = 1 in one dimension: of the true value, by its influence function; 0 is left
      out only where permutations of the rows rule it out, for near P = Q the error is of another kind.
    - ``frechet`` and other 1-D ``wasserstein``: of the true value, by deleting groups of rows (Shao & Tu
      1995, ch. 2), with the bias taken off. A note says where tails are too heavy for it.
    - ``sliced_wasserstein``: of its random directions. Student's interval for the mean of W_p^p over
      them, its root taken; the standard error is that of the root to first order (the delta method:
      van der Vaart 1998, ch. 3). The samples are taken as they are.
    - ``parzen_log_likelihood``: of the test rows ``x``, as in the published tables (Goodfellow et al.
      2014); a normal interval.
    - every other metric: value only, ``interval`` None, with the reason.

    ``null_floor``: the mean of the metric between two random halves of ``x`` (n/2 rows each), over
    ``halvings`` of them; 0 leaves it out. A value near it says nothing. ``bias`` and ``extrapolated``,
    where known: what finite samples add on average, and the value without it.

    A metric of several values is refused, as are ``pmf`` and ``gaussian`` rows, which take no samples.

    >>> answer = estimate("sliced_wasserstein", [[0.0, 0.0]], [[3.0, 4.0]], rng=0)
    >>> answer.value in answer.interval, round(5 / 2**0.5, 3) in answer.interval
    (True, True)
    >>> print(estimate("energy", [0.0, 1.0, 2.0, 4.0], [5.0, 6.0, 8.0, 9.0], halvings=0))
    7.125 ± 2.9 [2.31467, 14.631] (95 %); without bias 6
    """
    row = row_of(metric, **options)
    x, y = plain_samples(x, y)
    confidence = check_confidence(confidence)
    halvings = check_integer(halvings, "halvings", minimum=0)
    seed = seed_of(rng)
    draws = rng if seed is None else seed
    method = METHODS.get(row.interval or "", _value_only)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DivergenceWarning)
        found = method(row, x, y, confidence, draws)
    told = _passed_on(caught)
    found = replace(found, metric=row.spec, convention=row.convention, seed=seed, warnings=told)
    return _floored(found, row, x, halvings, np.random.default_rng(draws)) if halvings else found


def _passed_on(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """What the metric warned of, once each, and warned of again at the caller's own line."""
    told: dict[str, None] = {}
    for one in caught:
        if not issubclass(one.category, DivergenceWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        elif str(one.message) not in told:
            told[str(one.message)] = None
            warn(str(one.message))
    return tuple(told)


def _floored(found: Estimate, row: Metric, x: Any, halvings: int, rng: np.random.Generator) -> Estimate:
    """With what the metric gives between two halves of x."""
    rows = found.n or 0
    if rows < FLOOR_ROWS:
        note = f"no floor: {rows} rows of x are too few to part in halves"
        return replace(found, notes=(*found.notes, note))
    try:
        values = null_values(row, x, halvings, rng)
    except ValueError as error:
        note = f"no floor: half of x will not do. {error}"
        return replace(found, notes=(*found.notes, note))
    note = f"floor: the mean of {halvings} random halvings of x, {rows // 2} rows against {rows // 2}"
    return replace(found, null_floor=float(values.mean()), notes=(*found.notes, note))


# ── methods ─────────────────────────────────────────────────────────────────────────────────


def _over_pairs(row: Metric, x: Any, y: Any, confidence: float, rng: Any) -> Estimate:
    """Averages over pairs: the variance of a U-statistic."""
    refusal = _not_plain(row, x, y)
    value = float(detached(row(x, y)))
    counts = sizes(x, y)
    if refusal:
        return Estimate(value, notes=(f"no interval: {refusal}",), **counts)
    pair = check_pair(detached(x), detached(y)).loaded()
    pair = replace(pair, x=to_numpy(pair.x), y=to_numpy(pair.y), origin=to_numpy(pair.origin))
    kernel = pair_kernel(row.name, pair, **row.options)
    if kernel is None:
        raise ValueError(f"{row.name} is no average over pairs, so its interval cannot be 'u-statistic'")
    found = pair_mean(kernel, pair)
    notes = []
    if row.name == "squared_mmd" and row.options.get("bandwidth", "median") == "median" and not kernel.raw:
        notes.append("the interval is for the kernel at this bandwidth, taken as given")
    if found.second > NOISE_SHARE * found.first:
        notes.append(MOSTLY_SAFE)
    return Estimate(
        value, found.interval(confidence), found.standard_error, notes=tuple(notes), method="U-statistic",
        bias=0.0 if kernel.unbiased else found.biased - found.unbiased, extrapolated=found.unbiased, **counts,
    )  # fmt: skip


def _not_plain(row: Metric, x: Any, y: Any) -> str | None:
    """Why these samples have no error by theory, or None."""
    counts = sizes(x, y)
    if any(row.options.get(name) is not None for name in ("x_weights", "y_weights")):
        return "there is no theory here for rows of unequal weight. Resample by weight first"
    if min(counts["n"], counts["m"]) < 4:
        return "it takes four rows a side to tell how much rows differ"
    return None


def _by_groups(row: Metric, x: Any, y: Any, confidence: float, rng: Any) -> Estimate:
    """Smooth functions of the two distributions: the jackknife."""
    counts = sizes(x, y)
    if row.name == "wasserstein" and counts["d"] > 1:
        return _value_only(row, x, y, confidence, rng)
    refusal = _not_plain(row, x, y)
    fewest = min(counts["n"], counts["m"])
    if row.name == "frechet" and fewest <= counts["d"] and not refusal:
        refusal = FEWER_THAN_FEATURES.format(rows=fewest, d=counts["d"])
    if refusal:
        return Estimate(float(detached(row(x, y))), notes=(f"no interval: {refusal}",), **counts)
    if row.name == "wasserstein" and row.options.get("p", 1) == 1:
        return _of_first_order(row, x, y, confidence, rng)
    draws = np.random.default_rng(rng)
    plain = [np.asarray(to_numpy(detached(side)), dtype=np.float64) for side in (x, y)]
    found = jackknife(row, plain[0], plain[1], draws)
    without, error = found.value - found.bias, math.sqrt(found.variance)
    if row.name == "frechet":  # a squared length
        nulls = null_values(row, plain[0], HALVINGS, draws)
        half = counts["n"] // 2
        second = float(nulls.var(ddof=1)) * ((1 / counts["n"] + 1 / counts["m"]) / (2 / half)) ** 2
        first = found.variance - 2.0 * second
        interval = squared_length_interval(without, found.bias, first, second, confidence)
    else:
        reach = student_quantile(confidence, found.freedom) * error
        interval = Interval(max(without - reach, 0.0), max(without + reach, 0.0), confidence)
    notes: tuple[str, ...] = ()
    if row.name == "wasserstein":
        notes = (OF_HIGHER_ORDER,)
    elif row.name == "frechet" and fewest < 2 * counts["d"]:
        notes = (FEW_FOR_FEATURES,)
    if found.largest_share > FEW_ROWS_SHARE:
        share = round(100 * found.largest_share)
        notes += (
            f"a few rows make up {share} % of the variance: where tails are heavy the interval is too short",
        )
    return Estimate(
        found.value, interval, error, method="jackknife", bias=found.bias, extrapolated=without, notes=notes,
        **counts,
    )  # fmt: skip


def _of_first_order(row: Metric, x: Any, y: Any, confidence: float, rng: Any) -> Estimate:
    """W₁ on the line: its influence function, and 0 let in unless permutations rule it out."""
    value = float(detached(row(x, y)))
    pair = check_pair(detached(x), detached(y)).loaded()
    pooled = Pooled.of(pair, x, y)
    error = line_error(pooled.pair.x[:, 0], pooled.pair.y[:, 0]) * pair.scale
    reach = student_quantile(confidence, min(pair.n, pair.m) - 1) * error
    permutations = max(199, math.ceil(10.0 / (1.0 - confidence)) - 1)
    near = line_p_value(pair, pooled, permutations, np.random.default_rng(rng)) > 1.0 - confidence
    lower = 0.0 if near else max(value - reach, 0.0)
    note = (NEAR,) if near else ()
    return Estimate(
        value, Interval(lower, value + reach, confidence), error, notes=note, method="influence function",
        **sizes(x, y),
    )  # fmt: skip


def _over_projections(row: Metric, x: Any, y: Any, confidence: float, rng: Any) -> Estimate:
    """The mean of W_p^p over random directions, and its root."""
    costs, unit = projected_costs(x, y, **{**row.options, "rng": rng})
    p = float(row.options.get("p", row.keywords["p"].default))
    mean, count = float(np.mean(costs)), len(costs)
    value = unit * mean ** (1.0 / p)
    counts = sizes(x, y)
    if counts["d"] == 1 or value == 0.0:
        note = "no error of directions: along every one the value is the same"
        return Estimate(value, Interval(value, value, confidence), 0.0, notes=(note,), **counts)
    if count == 1:
        note = "no interval: one direction does not tell how much directions differ. Raise n_projections"
        return Estimate(value, notes=(note,), **counts)
    error = float(np.std(costs, ddof=1)) / math.sqrt(count)
    ends = [unit * max(0.0, end) ** (1.0 / p) for end in mean_interval(np.asarray(costs), confidence)]
    note = f"± is the error of {count} random directions, not that of drawing x and y"
    slope = value / (p * mean)  # of the root
    return Estimate(
        value, Interval(ends[0], ends[1], confidence), slope * error, notes=(note,),
        method="random directions", **counts,
    )  # fmt: skip


def _over_test_rows(row: Metric, x: Any, y: Any, confidence: float, rng: Any) -> Estimate:
    """The mean over the rows of x of what each contributes."""
    options = dict(row.options)
    found = parzen_window(y, **options).score(x, x_weights=options.get("x_weights"))
    error = found.standard_error
    if error is None or not math.isfinite(error):
        note = "no interval: one row with weight does not tell how much rows differ"
        return Estimate(found.value, notes=(note,), n=found.n, m=found.m, d=found.d)
    reach = normal_quantile(confidence) * error
    interval = Interval(found.value - reach, found.value + reach, confidence)
    return Estimate(
        found.value, interval, error, notes=found.notes, n=found.n, m=found.m, d=found.d, method="test rows"
    )


def _value_only(row: Metric, x: Any, y: Any, confidence: float, rng: Any) -> Estimate:
    """The value, and why it comes without an interval."""
    value = with_rng(row, rng)(x, y)
    if isinstance(value, Sequence):
        raise ValueError(f"metric must have one value; {row.name} has {len(value)}. evaluate lists them all")
    estimator = row.options.get("estimator", getattr(row.keywords.get("estimator"), "default", ""))
    why = WHY_NOT.get(estimator) or WHY_NOT.get(row.name) or f"{row.name} declares none"
    number = float(detached(value))
    if estimator != "histogram" or row.name not in ("kl", "reverse_kl", "js") or _not_plain(row, x, y):
        return Estimate(number, notes=(f"no interval: {why}",), **sizes(x, y))
    bias = histogram_bias(row.name, x, y, row.options.get("bins", row.keywords["bins"].default))
    extrapolated = number - bias if math.isfinite(bias) and math.isfinite(number) else None
    note = "the bias is that of these cells with this many rows (Miller 1955), not of cutting into cells"
    return Estimate(
        number, notes=(f"no interval: {why}", note), bias=bias, extrapolated=extrapolated, **sizes(x, y)
    )


METHODS: dict[str, Callable[[Metric, Any, Any, float, Any], Estimate]] = {
    "u-statistic": _over_pairs,
    "jackknife": _by_groups,
    "projections": _over_projections,
    "test rows": _over_test_rows,
}

NEAR = "P and Q are as near as samples of this size can tell, and the interval is on the safe side"
MOSTLY_SAFE = (
    "P and Q are near for samples of this size, where the interval is mostly on the safe side: it covers in "
    "93 to 99 % of cases, not 95. two_sample_test asks whether they differ at all"
)
FEWER_THAN_FEATURES = (
    "{rows} rows for {d} features: the covariances are singular, and most of the value is bias of no known "
    "size. Take more rows or fewer features, or kid, which has no bias"
)
FEW_FOR_FEATURES = (
    "fewer than two rows for each feature: the bias is not of order 1/n yet, and the interval is too short "
    "(of 20 features it covered in 87 to 90 % of simulations)"
)
OF_HIGHER_ORDER = (
    "for p above 1 the interval holds only where P and Q are far apart for their spread and have light tails "
    "(del Barrio & Loubes 2019): for p = 2 it covered in 94 to 97 % of simulations at 500 and 2,000 rows, in "
    "89 to 94 % at 100, and under t(3) in 62 to 72 % at all three"
)

# by metric, or by the estimator that a metric is asked for
WHY_NOT = {
    "wasserstein": "in two dimensions or more the distance of samples varies about its own mean, not the "
    "true one (del Barrio & Loubes 2019), which is lower by as much as n^(−1/d): compare with the floor",
    "max_sliced_wasserstein": "the direction is fitted to the same rows, which biases the value upward by an "
    "amount no theory gives: compare with the floor",
    "sinkhorn_divergence": "where P and Q are near its error is not normal, and no interval for both cases "
    "is known: compare with the floor",
    "classifier_two_sample": "the accuracy is of one classifier; its p-value is exact (two_sample_test)",
    "knn": "rows drawn anew repeat themselves, so a nearest distance would be 0, and the bias is as large as "
    "the error: compare with the floor",
    "histogram": "the bias of cells with few rows is as large as the error: compare with the floor",
    "parzen": "the bias of the window is as large as the error: compare with the floor",
    "classifier": "the bias of a classifier that does not find the true ratio is unknown; it is low, mostly",
    "variational": "the critic's bound is biased low by an unknown amount; neural_dual gives its interval",
}
