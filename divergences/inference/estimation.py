"""How sure is a value? ``estimate`` returns it as a record with its error, where the metric has one.

A row of METRICS names in ``interval`` the method that tells its error; METHODS holds them by that name.
A method takes the row, both samples, the confidence and the rng, and returns an Estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from divergences._arrays import detached
from divergences._inputs import check_positive
from divergences.inference.rows import row_of, seed_of, sizes
from divergences.parzen import parzen_window
from divergences.registry import Metric
from divergences.results import Estimate, Interval
from divergences.wasserstein import projected_costs

__all__ = ["estimate"]


def estimate(
    metric: str | Metric | Callable[..., Any],
    x: Any,
    y: Any,
    *,
    confidence: float = 0.95,
    rng: Any = None,
    **options: Any,
) -> Estimate:
    """A metric's value with its standard error and a confidence interval, where the metric has them.

    ``metric`` is a row of METRICS by name or spec ("sliced_wasserstein(p=1)"), the row, or its
    function; ``x``, ``y`` and ``options`` (weights too) are what it takes. ``rng`` (seed, Generator or
    None) goes to the metrics that draw. What the error is of, the ``notes`` say:

    - ``sliced_wasserstein``: of its random directions. Student's interval for the mean of W_p^p over
      them, its root taken; the standard error is that of the root to first order (the delta method:
      van der Vaart 1998, ch. 3). The samples are taken as they are.
    - ``parzen_log_likelihood``: of the test rows ``x``, as in the published tables (Goodfellow et al.
      2014); a normal interval.
    - every other metric: value only, ``interval`` None, with the reason.

    A metric of several values is refused, as are ``pmf`` and ``gaussian`` rows, which take no samples.

    >>> answer = estimate("sliced_wasserstein", [[0.0, 0.0]], [[3.0, 4.0]], rng=0)
    >>> answer.value in answer.interval, round(5 / 2**0.5, 3) in answer.interval
    (True, True)
    """
    row = row_of(metric, **options)
    confidence = check_positive(confidence, "confidence")
    if confidence >= 1.0:
        raise ValueError(f"confidence must be below 1; got {confidence:g}. 0.95 is the usual one")
    seed = seed_of(rng)
    found = METHODS.get(row.interval or "", _value_only)(row, x, y, confidence, rng if seed is None else seed)
    return found if "rng" not in row.keywords else _with_seed(found, seed)


def _with_seed(found: Estimate, seed: int | None) -> Estimate:
    from dataclasses import replace

    return replace(found, seed=seed)


# ── methods ─────────────────────────────────────────────────────────────────────────────────


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
    reach = _student(confidence, count - 1) * error
    ends = [unit * max(0.0, end) ** (1.0 / p) for end in (mean - reach, mean + reach)]
    note = f"± is the error of {count} random directions, not that of drawing x and y"
    slope = value / (p * mean)  # of the root
    return Estimate(value, Interval(ends[0], ends[1], confidence), slope * error, notes=(note,), **counts)


def _over_test_rows(row: Metric, x: Any, y: Any, confidence: float, rng: Any) -> Estimate:
    """The mean over the rows of x of what each contributes."""
    options = dict(row.options)
    found = parzen_window(y, **options).score(x, x_weights=options.get("x_weights"))
    error = found.standard_error
    if error is None or not math.isfinite(error):
        note = "no interval: one row with weight does not tell how much rows differ"
        return Estimate(found.value, notes=(note,), n=found.n, m=found.m, d=found.d)
    reach = _student(confidence, math.inf) * error
    interval = Interval(found.value - reach, found.value + reach, confidence)
    return Estimate(found.value, interval, error, notes=found.notes, n=found.n, m=found.m, d=found.d)


def _value_only(row: Metric, x: Any, y: Any, confidence: float, rng: Any) -> Estimate:
    """The value, and why it comes without an interval."""
    options = {"rng": rng} if "rng" in row.keywords and "rng" not in row.options else {}
    value = row(x, y, **options)
    if isinstance(value, Sequence):
        raise ValueError(f"metric must have one value; {row.name} has {len(value)}. evaluate lists them all")
    if row.interval is None:
        note = f"no interval: {row.name} declares none"
    else:
        note = "no interval: the error of drawing x and y would take resampling, which is not done here"
    return Estimate(float(detached(value)), notes=(note,), **sizes(x, y))


METHODS: dict[str, Callable[[Metric, Any, Any, float, Any], Estimate]] = {
    "projections": _over_projections,
    "test rows": _over_test_rows,
}


def _student(confidence: float, freedom: float) -> float:
    """The two-sided quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + confidence / 2.0))
