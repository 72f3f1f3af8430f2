"""Values without the bias of finite samples, and how many rows it takes to see a difference."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from divergences._arrays import detached, to_numpy
from divergences._inputs import (
    DivergenceWarning,
    check_confidence,
    check_integer,
    check_pair,
    check_positive,
    check_rng,
)
from divergences._pairwise import spread
from divergences.inference.estimation import estimate
from divergences.inference.floor import null_values
from divergences.inference.intervals import normal_quantile, student_quantile
from divergences.inference.rows import row_of, seed_of, sizes, with_rng
from divergences.inference.ustatistic import pair_mean
from divergences.kernels import pair_kernel
from divergences.registry import Metric
from divergences.results import Estimate, Interval

__all__ = ["extrapolate", "rows_needed"]


def extrapolate(
    metric: str | Metric | Callable[..., Any],
    x: Any,
    y: Any,
    *,
    points: int = 15,
    repeats: int = 4,
    confidence: float = 0.95,
    rng: Any = None,
    **options: Any,
) -> Estimate:
    """A metric's value at n → ∞: a line through its values on subsamples, or less the null floor.

    The line is against 1/rows, read at 0.

    Both samples are cut to ``points`` shares of their rows, evenly spaced from a half to all, each drawn
    ``repeats`` times (Chong & Forsyth 2020, §4, for the Fréchet distance; theirs start at 5,000 of
    50,000 rows). For metrics whose bias falls like 1/n: ``frechet``, ``energy``, plug-in f-divergences
    with fixed bins, 1-D ``wasserstein`` away from P = Q; not for estimators by neighbours.

    ``extrapolated`` is the value read at 0, ``bias`` what the whole samples have on top of it; the
    ``interval`` is of the line's end, by the scatter of fresh subsamples: it tells how well the
    line is known from these rows, not how other rows would differ (``estimate`` does).

    For ``wasserstein`` in several dimensions, ``max_sliced_wasserstein`` and ``sinkhorn_divergence``, whose
    bias falls more slowly and shrinks as P and Q part, no such line is drawn. What is taken off is the
    null floor, the mean of x's and of y's, ``repeats`` halvings each: of the value for
    ``sinkhorn_divergence``, of the square for the others. For W2 of a distribution and its translate
    that is exact on average: E W2²(Pₙ, Qₘ) = |shift|² + E W2²(Pₙ, P'ₘ). The floor is brought from half the
    rows to all: by a factor ½ for ``sinkhorn_divergence`` (quadratic in small differences),
    2^(−1/max(d, 2p)) for ``wasserstein`` (Fournier & Guillin 2015, theorem 1), 2^(−1/(2p)) along one
    direction. There is no ``interval``; the notes give what the triangle inequality allows.

    Raises ValueError for fewer than 16 rows and for weights.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2, 400, 8))
    >>> found = extrapolate("frechet", z[0], z[1], rng=0)
    >>> found.value > 0.1, abs(found.extrapolated) < 0.1
    (True, True)
    """
    row = row_of(metric, **options)
    points = check_integer(points, "points", minimum=3)
    repeats = check_integer(repeats, "repeats")
    confidence = check_confidence(confidence)
    if any(row.options.get(name) is not None for name in ("x_weights", "y_weights")):
        raise ValueError("x_weights, y_weights: subsamples are drawn of rows that weigh the same")
    pair = check_pair(detached(x), detached(y), min_rows=16)
    seed = seed_of(rng)
    draws = check_rng(rng if seed is None else seed)
    fixed = int(draws.integers(2**32))
    bound = with_rng(row, fixed)
    plain = [np.asarray(to_numpy(detached(side)), dtype=np.float64) for side in (x, y)]
    value = float(bound(plain[0], plain[1]))
    shrinks = _shrinking(row, pair.d)
    if shrinks is not None:
        found = _by_floors(bound, plain, value, shrinks, repeats, draws)
        return replace(found, seed=seed, metric=row.spec, convention=row.convention, **sizes(x, y))
    shares = np.repeat(np.linspace(0.5, 1.0, points)[:-1], repeats)
    parts = [[draws.permutation(len(rows))[: round(share * len(rows))] for rows in plain] for share in shares]
    with warnings.catch_warnings():  # of fewer rows than the caller has
        warnings.simplefilter("ignore", DivergenceWarning)
        label = f"{row.name} of {len(parts)} subsamples"
        values = [value, *spread(_of_part, parts, (bound, plain), label=label)]
    at = np.array([_both(pair.n, pair.m), *(_both(len(a), len(b)) for a, b in parts)])
    # the whole samples are one point, of much less scatter: as heavy as a share's repeats
    weights = np.array([float(repeats), *np.ones(len(parts))])
    end, error = _line_at_0(at, np.array(values), weights)
    reach = student_quantile(confidence, len(at) - 2) * error
    return Estimate(
        value, Interval(end - reach, end + reach, confidence), error,
        notes=(f"the interval is of the end of a line through {len(parts)} subsamples, not of drawing rows",),
        seed=seed, bias=value - end, extrapolated=end, method="line in 1/n", metric=row.spec,
        convention=row.convention, **sizes(x, y),
    )  # fmt: skip


def _shrinking(row: Metric, d: int) -> float | None:
    """By what the null floor shrinks from n/2 rows to n, where it falls more slowly than 1/n or unevenly."""
    p = float(row.options.get("p", getattr(row.keywords.get("p"), "default", 1)))
    if row.name == "wasserstein" and d > 1:
        return 2.0 ** (-1.0 / max(float(d), 2.0 * p))
    if row.name == "max_sliced_wasserstein":
        return 2.0 ** (-1.0 / (2.0 * p))
    return 0.5 if row.name == "sinkhorn_divergence" else None


def _by_floors(
    row: Metric, plain: list[np.ndarray], value: float, shrinks: float, repeats: int, rng: np.random.Generator
) -> Estimate:
    """Less what samples of one distribution are apart: values for a divergence, squares for a distance."""
    power = 1 if row.name == "sinkhorn_divergence" else 2
    floors = [
        shrinks * float(np.mean(null_values(row, rows, repeats, rng) ** power)) ** (1.0 / power)
        for rows in plain
    ]
    floor = (0.5 * sum(each**power for each in floors)) ** (1.0 / power)
    without = max(value**power - floor**power, 0.0) ** (1.0 / power)
    notes = [f"null floor at these sizes: {floors[0]:.4g} for x, {floors[1]:.4g} for y"]
    if power == 2:
        notes.append(
            "on average the distance lies between the value less both floors, "
            f"{max(value - sum(floors), 0.0):.4g}, and the value, {value:.4g}"
        )
    return Estimate(
        value, null_floor=floor, notes=tuple(notes), bias=value - without, extrapolated=without,
        method="null floor",
    )  # fmt: skip


def _both(n: int, m: int) -> float:
    return 0.5 / n + 0.5 / m


def _of_part(part: list[np.ndarray], row: Metric, plain: list[np.ndarray]) -> float:
    return float(row(plain[0][part[0]], plain[1][part[1]]))


def _line_at_0(at: np.ndarray, values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Weighted least squares: the line's value at 0, and its standard error."""
    design = np.stack([np.ones(len(at)), at / at.max()], axis=1)
    normal = np.linalg.inv(design.T @ (weights[:, None] * design))
    fit = normal @ (design.T @ (weights * values))
    spread = float(weights @ (values - design @ fit) ** 2) / (len(at) - 2)
    return float(fit[0]), math.sqrt(spread * float(normal[0, 0]))


def rows_needed(
    metric: str | Metric | Callable[..., Any],
    x: Any,
    y: Any,
    *,
    difference: float,
    confidence: float = 0.95,
    power: float = 0.8,
    rng: Any = None,
    **options: Any,
) -> int:
    """Rows of each sample that it takes to tell this value from one that differs by ``difference``.

    ``x`` and ``y`` are a pilot: the metric's variance is theirs, its first-order part falling like 1/n
    and its second-order part like 1/n². The smallest n at which a two-sided test at level
    1 − ``confidence`` finds a difference of that size with probability ``power``:
    (z_{1−α/2} + z_power)² Var(n) ≤ difference². For the metrics that ``estimate`` gives a standard error of.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2, 100, 1))
    >>> few, many = (rows_needed("energy", z[0], z[1] + 1.0, difference=delta) for delta in (0.4, 0.04))
    >>> 95 < many / few < 105  # ten times as fine takes a hundred times the rows
    True
    """
    row = row_of(metric, **options)
    difference = check_positive(difference, "difference")
    for name, share in (("confidence", confidence), ("power", power)):
        if check_positive(share, name) >= 1.0:
            raise ValueError(f"{name} must be below 1; got {share:g}")
    planned = row.interval in ("u-statistic", "jackknife")
    found = estimate(row, x, y, halvings=0, rng=rng) if planned else None
    if found is None or found.standard_error is None:
        raise ValueError(
            f"{row.name} has no error of drawing x and y by theory, so no size can be planned. Plan with "
            "energy, squared_mmd or frechet"
        )
    pilot = 2.0 / (1.0 / (found.n or 1) + 1.0 / (found.m or 1))
    first, second = found.standard_error**2 * pilot, 0.0
    if row.interval == "u-statistic":
        pair = check_pair(detached(x), detached(y)).loaded()
        kernel = pair_kernel(row.name, pair, **row.options)
        if kernel is not None:
            known = pair_mean(kernel, pair)
            first, second = known.first * pilot, known.second * pilot**2
    # Var(n) = first/n + second/n² at the largest allowed
    z = normal_quantile(confidence) + normal_quantile(2.0 * power - 1.0) if power > 0.5 else math.nan
    if math.isnan(z):
        raise ValueError(f"power must be above 0.5: a coin finds half of all differences; got {power:g}")
    allowed = (difference / z) ** 2
    return max(4, math.ceil((first + math.sqrt(first**2 + 4.0 * allowed * second)) / (2.0 * allowed)))
