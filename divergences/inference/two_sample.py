"""Are two samples from one distribution? Permutation tests with any metric, exact at every sample size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from divergences._arrays import detached, to_numpy
from divergences._inputs import (
    Pair,
    check_integer,
    check_option,
    check_pair,
    check_positive,
    check_rng,
    plain_samples,
)
from divergences.inference.rows import row_of, seed_of, with_rng
from divergences.inference.splits import Splits, check_groups, draw_splits
from divergences.inference.statistics import Pooled, split_statistics
from divergences.kernels import STATIONARY, distance_quantiles
from divergences.registry import Metric
from divergences.results import TestResult

__all__ = ["two_sample_test"]

COMBINATIONS = ("max", "min_p", "harmonic")
ROUNDING = 1e-12  # statistics that differ by less, for their size, are tied
KOLMOGOROV = (math.sqrt(math.pi / 2) * math.log(2), 0.26032)  # mean and standard deviation of sup |bridge|


def two_sample_test(
    metric: str | Metric | Callable[..., Any] | Iterable[Any],
    x: Any,
    y: Any,
    *,
    permutations: int = 999,
    groups: Any = None,
    bandwidths: int | Sequence[float] | None = None,
    combine: str = "min_p",
    rng: Any = None,
    **options: Any,
) -> TestResult:
    """Permutation test of P = Q with a metric or several, p-value in (0, 1], exact at any sample size.

    ``x`` (n, d) and ``y`` (m, d), NumPy or torch. ``metric``: a row of METRICS by name or spec, the row,
    its function, or a list of them; ``options`` go to each. The rows of both samples are pooled and
    relabelled ``permutations`` times; p = (k + 1)/(permutations + 1), with k the relabellings whose
    statistic is as large, is never 0, and under P = Q at most α with probability at most α (Phipson &
    Smyth 2010, eq. 2). Where there are no more relabellings than that, all are taken.

    ``groups``: rows are exchangeable within groups only. "paired" for row i of x with row i of y, or
    (labels of x's rows, labels of y's rows) for blocks such as days or subjects.
    ``bandwidths``: for squared_mmd, one component for each: numbers in the data's unit, or how many,
    spread geometrically from half the 5 % quantile of the pooled distances to twice the 95 % quantile, by
    √2 less for kernels of r²/(2σ²) (the range of Schrab et al. 2023, §5.2): the aggregated MMD test.
    ``combine`` several components by the same permutations, which keeps the test exact: "min_p" the
    smallest p-value (Schrab et al. 2023), ties by "harmonic", which is the mean of 1/p; "max" the
    largest statistic in standard deviations. ``components`` hold each one's p-value and, but for
    "harmonic", the one adjusted for their number (Westfall & Young 1993).

    energy, cramer, squared_mmd and kid visit the pairs of rows once for all permutations and bandwidths,
    in O(N²·permutations) time and O(N·permutations) bytes, N = n + m; in one dimension energy, cramer
    and wasserstein sort once; any other metric is called for each permutation, over the workers of
    ``joblib.parallel_config``. Kernels of your own must be symmetric. Two tests need no permutations:
    "classifier_two_sample", Fisher's exact test of held-out labels, and "kolmogorov_smirnov", in one
    dimension (SciPy's).

    Raises ValueError for weights, a metric of several values, and groups that leave nothing to permute.

    >>> x, y = [[0.0], [1.0], [2.0], [3.0]], [[10.0], [11.0], [12.0], [13.0]]
    >>> result = two_sample_test("energy", x, y)
    >>> result.p_value, result.method  # 2 of the 70 ways to split 8 rows are as far apart
    (0.02857142857142857, 'all 70 relabellings')
    """
    check_option(combine, "combine", COMBINATIONS)
    x, y = plain_samples(x, y)
    permutations = check_integer(permutations, "permutations")
    named: list[Any] = [metric] if isinstance(metric, (str, Metric)) or callable(metric) else list(metric)
    if not named:
        raise ValueError("metric must name at least one metric; got an empty list")
    if "kolmogorov_smirnov" in named:
        _refuse_company("kolmogorov_smirnov", named, groups)
        return _smirnov(x, y, options)
    rows = [row_of(each, **options) for each in named]
    if any(row.name == "classifier_two_sample" for row in rows):
        _refuse_company("classifier_two_sample", named, groups)
        return _by_classifier(rows[0], x, y, rng)
    for row in rows:
        _refuse_weights(row)
    pair = check_pair(x, y, min_rows=2)
    if bandwidths is not None:
        rows = [wider for row in rows for wider in _with_bandwidths(row, bandwidths, pair)]
    generator = check_rng(rng)
    given = seed_of(rng)
    seed = int(generator.integers(2**32)) if given is None else given
    draws = np.random.default_rng(seed)
    splits = draw_splits(pair.n, pair.m, permutations, check_groups(groups, pair.n, pair.m), draws)
    values, sizes = split_statistics(rows, Pooled.of(pair, x, y), splits.chosen, int(draws.integers(2**32)))
    _refuse_nan(values, rows)
    signs = np.array([-1.0 if row.better == "higher" else 1.0 for row in rows])
    known = {"n": pair.n, "m": pair.m, "method": _method(splits), "seed": seed}
    known["permutations"] = len(splits.chosen) - 1
    if len(rows) == 1:
        return _one(rows[0], values[0], signs[0] * values[0], sizes[0], known)
    return _combined(rows, values, signs[:, None] * values, sizes, combine, known)


def _method(splits: Splits) -> str:
    if splits.exhaustive:
        return f"all {len(splits.chosen)} relabellings"
    return f"{len(splits.chosen) - 1} random permutations"


def _one(
    row: Metric, values: np.ndarray, far: np.ndarray, size: float, known: Mapping[str, Any]
) -> TestResult:
    """A component: its statistic, where among all of them it ranks, and how they spread."""
    with np.errstate(invalid="ignore"):  # infinite values have no spread
        mean, spread = float(values.mean()), float(values.std())
    return TestResult(
        statistic=float(values[0]),
        p_value=float(np.mean(far >= _tied(far[0], size))),
        null_mean=mean,
        null_standard_deviation=spread,
        metric=row.spec,
        **known,
    )


def _tied(observed: float, size: float) -> float:
    """From where on a statistic counts as as large as the observed one."""
    return observed if math.isinf(observed) else observed - ROUNDING * size


def _combined(
    rows: Sequence[Metric],
    values: np.ndarray,
    far: np.ndarray,
    sizes: np.ndarray,
    combine: str,
    known: Mapping[str, Any],
) -> TestResult:
    """Several statistics as one, ranked among the same combination of every relabelling's."""
    parts = [_one(row, v, f, s, known) for row, v, f, s in zip(rows, values, far, sizes, strict=True)]
    if combine == "max":
        if not np.isfinite(far).all():
            raise ValueError(
                "combine='max' needs finite statistics, and some are infinite. Use combine='min_p'"
            )
        spread = far.std(axis=1, keepdims=True)
        scores = (far - far.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        said = "largest statistic in standard deviations"
    else:
        scores = 1.0 / np.array([_ranks(f, s) for f, s in zip(far, sizes, strict=True)])
        said = "smallest p-value" if combine == "min_p" else "harmonic mean of p-values"
    joint = scores.mean(axis=0) if combine == "harmonic" else scores.max(axis=0)
    if combine != "harmonic":
        parts = [
            replace(part, adjusted_p_value=float(np.mean(joint >= score[0] - 1e-12 * abs(score[0]))))
            for part, score in zip(parts, scores, strict=True)
        ]
    if combine == "min_p":
        # p-values are coarse, so that many relabellings tie; less than two of them differ by
        joint = joint + 1e-6 * scores.mean(axis=0) / scores.shape[1]
    return TestResult(
        statistic=float(joint[0]),
        p_value=float(np.mean(joint >= joint[0] - 1e-12 * abs(joint[0]))),
        null_mean=float(joint.mean()),
        null_standard_deviation=float(joint.std()),
        notes=(f"{said} of {len(rows)} statistics, among those of the same relabellings",),
        components=tuple(parts),
        **known,
    )


def _ranks(far: np.ndarray, size: float) -> np.ndarray:
    """Each relabelling's own p-value: the share of all whose statistic is as large."""
    ordered = np.sort(far)
    thresholds = np.array(far)
    np.subtract(far, ROUNDING * size, out=thresholds, where=np.isfinite(far))
    return (len(far) - np.searchsorted(ordered, thresholds, side="left")) / len(far)


def _refuse_weights(row: Metric) -> None:
    for name in ("x_weights", "y_weights"):
        if row.options.get(name) is not None:
            raise ValueError(
                f"{name}: rows of unequal weight are not exchangeable, so there is no permutation test with "
                "weights. Resample by weight first"
            )


def _refuse_nan(values: np.ndarray, rows: Sequence[Metric]) -> None:
    for row, found in zip(rows, values, strict=True):
        if np.isnan(found).any():
            raise ValueError(
                f"{row.spec} is not a number for {int(np.isnan(found).sum())} of {len(found)} relabellings; "
                "test with another metric or other options"
            )


def _with_bandwidths(row: Metric, bandwidths: Any, pair: Pair) -> list[Metric]:
    if row.name != "squared_mmd" or row.options.get("kernel", "gaussian") not in STATIONARY:
        raise ValueError(
            f"bandwidths are for squared_mmd with one of the kernels {', '.join(STATIONARY)}; got {row.spec}"
        )
    if "bandwidth" in row.options:
        raise ValueError(f"give bandwidth or bandwidths, not both; got {row.spec} with bandwidths")
    if np.ndim(bandwidths) == 0:
        count = check_integer(bandwidths, "bandwidths")
        # the published kernels are functions of r/λ, and a Gaussian of width λ there has σ = λ/√2
        unit = pair.scale * (1.0 if row.options.get("kernel") == "laplace" else 0.5**0.5)
        low, high = distance_quantiles(pair, [0.05, 0.95]) * unit
        widths = np.geomspace(low / 2.0, high * 2.0, count) if count > 1 else np.array([(low * high) ** 0.5])
    else:
        widths = np.array([check_positive(width, "bandwidths") for width in bandwidths])
        if not len(widths):
            raise ValueError("bandwidths must be a number of them or a non-empty sequence")
    return [row.with_options(bandwidth=float(width)) for width in widths]


# ── tests that need no permutations ─────────────────────────────────────────────────────────


def _refuse_company(name: str, named: Sequence[Any], groups: Any) -> None:
    if len(named) > 1 or groups is not None:
        raise ValueError(f"{name} is a test of its own, without permutations: call it alone, without groups")


def _by_classifier(row: Metric, x: Any, y: Any, rng: Any) -> TestResult:
    given = seed_of(rng)
    seed = int(check_rng(rng).integers(2**32)) if given is None else given
    found: TestResult = with_rng(row, seed)(x, y)
    return replace(found, metric=row.spec, method="Fisher's exact test of held-out labels", seed=seed)


def _smirnov(x: Any, y: Any, options: Mapping[str, Any]) -> TestResult:
    from scipy.stats import ks_2samp

    if options:
        raise ValueError(f"kolmogorov_smirnov takes no options; got {', '.join(options)}")
    pair = check_pair(x, y)
    if pair.d != 1:
        raise ValueError(
            f"kolmogorov_smirnov is for one dimension; got {pair.d} features. Test with 'energy', or with "
            "'squared_mmd' and bandwidths=10"
        )
    # in the pair's coordinates, where ties are those of the values given
    found = ks_2samp(to_numpy(detached(pair.x))[:, 0], to_numpy(detached(pair.y))[:, 0])
    unit = math.sqrt(1.0 / pair.n + 1.0 / pair.m)
    return TestResult(
        statistic=float(found.statistic),
        p_value=max(float(found.pvalue), math.ulp(0.0)),  # one too small to write is still not 0
        null_mean=KOLMOGOROV[0] * unit,
        null_standard_deviation=KOLMOGOROV[1] * unit,
        notes=(
            "largest gap between the two distribution functions; its null spread is that of large samples",
        ),
        n=pair.n,
        m=pair.m,
        metric="kolmogorov_smirnov",
        method="Kolmogorov–Smirnov",
    )
