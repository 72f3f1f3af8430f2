"""How rows of the reference and of each model move the models' values: what their covariance is made of."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from divergences._inputs import DivergenceWarning, check_pair
from divergences._pairwise import spread
from divergences.inference.rows import with_rng
from divergences.inference.ustatistic import PairMean, pair_mean
from divergences.kernels import STATIONARY, distance_quantiles, pair_kernel
from divergences.registry import Metric

__all__ = ["Influence", "influence"]


@dataclass(frozen=True)
class Influence:
    """Values of one metric for each model, without known bias, and factors of their covariance.

    ``shared`` (models, rows of x or groups of them): its product with its transpose is the part of the
    covariance that x gives; ``own``, a vector for each model, whose square is the part its rows give.
    ``plain`` are the values as the metric returns them.
    """

    values: np.ndarray
    plain: np.ndarray
    shared: np.ndarray
    own: list[np.ndarray]
    sizes: tuple[int, ...]
    freedom: int
    method: str
    notes: tuple[str, ...] = ()
    known: tuple[PairMean, ...] = ()  # of each model, where theory gives it


def influence(row: Metric, x: np.ndarray, models: Sequence[np.ndarray], groups: int, seed: int) -> Influence:
    """By leaving out each row for averages over pairs, groups of rows for any other metric.

    Both are jackknives, whose variance is on average too large if anything (Efron & Stein 1981).
    """
    sizes = tuple(len(y) for y in models)
    row, notes = _with_one_bandwidth(row, x, models)
    pairs = [check_pair(x, y) for y in models]
    kernels = [pair_kernel(row.name, pair, **row.options) for pair in pairs]
    known = [
        pair_mean(kernel, pair) for kernel, pair in zip(kernels, pairs, strict=True) if kernel is not None
    ]
    if len(known) == len(models):
        return Influence(
            values=np.array([each.unbiased for each in known]),
            plain=np.array([
                each.unbiased if kernel is None or kernel.unbiased else each.biased
                for each, kernel in zip(known, kernels, strict=True)
            ]),
            shared=np.stack([_factor(each.x_influence) for each in known]),
            own=[_factor(each.y_influence) for each in known],
            sizes=sizes, freedom=min(len(x), *sizes) - 1, method="U-statistic", notes=notes,
            known=tuple(known),
        )  # fmt: skip
    return _left_out(row, x, models, groups, seed, sizes)


def _with_one_bandwidth(
    row: Metric, x: np.ndarray, models: Sequence[np.ndarray]
) -> tuple[Metric, tuple[str, ...]]:
    median = row.options.get("bandwidth", "median") == "median"
    if row.name != "squared_mmd" or row.options.get("kernel", "gaussian") not in STATIONARY or not median:
        return row, ()
    pair = check_pair(x, np.concatenate(models))
    width = float(distance_quantiles(pair, [0.5])[0]) * pair.scale
    note = f"squared_mmd: bandwidth {width:.6g}, the median distance in x and all models, for every model"
    return row.with_options(bandwidth=width), (note,)


def _factor(by_row: np.ndarray) -> np.ndarray:
    """Its square is the variance of the mean of the influences."""
    centred = by_row - by_row.mean()
    found: np.ndarray = centred / np.sqrt(len(by_row) * (len(by_row) - 1.0))
    return found


def _left_out(
    row: Metric, x: np.ndarray, models: Sequence[np.ndarray], groups: int, seed: int, sizes: tuple[int, ...]
) -> Influence:
    rng = np.random.default_rng(seed)
    bound = with_rng(row, seed)
    whole = np.array([_value(bound, x, y) for y in models])
    labels = [rng.permutation(np.arange(len(rows)) % min(groups, len(rows))) for rows in (x, *models)]
    tasks = [
        (k, g, side) for k in range(len(models)) for side in (0, 1) for g in range(_count(labels, k, side))
    ]
    with warnings.catch_warnings():  # the values themselves have said what there is to say
        warnings.simplefilter("ignore", DivergenceWarning)
        label = f"{row.name}, {len(tasks)} times without a group of rows"
        values = dict(
            zip(tasks, spread(_without, tasks, (bound, x, models, labels), label=label), strict=True)
        )
    corrected = row.name == "frechet" or (row.name == "wasserstein" and x.shape[1] == 1)
    unbiased = whole.copy()
    shared: list[np.ndarray] = []
    own: list[np.ndarray] = []
    for k in range(len(models)):
        for side, factors in ((0, shared), (1, own)):
            count = _count(labels, k, side)
            left = np.array([values[k, g, side] for g in range(count)])
            factors.append(np.sqrt((count - 1) / count) * (left - left.mean()))
            unbiased[k] -= (count - 1) * (left.mean() - whole[k]) if corrected else 0.0
    freedom = min(min(groups, len(rows)) for rows in (x, *models)) - 1
    return Influence(
        values=unbiased, plain=whole, shared=np.stack(shared), own=own, sizes=sizes,
        freedom=2 * freedom, method="jackknife",
    )  # fmt: skip


def _count(labels: Sequence[np.ndarray], model: int, side: int) -> int:
    return int(labels[0 if side == 0 else model + 1].max()) + 1


def _without(
    task: tuple[int, int, int],
    row: Metric,
    x: np.ndarray,
    models: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
) -> float:
    k, group, side = task
    if side == 0:
        return _value(row, x[labels[0] != group], models[k])
    return _value(row, x, models[k][labels[k + 1] != group])


def _value(row: Metric, x: np.ndarray, y: np.ndarray) -> float:
    value = row(x, y)
    if isinstance(value, tuple):
        raise ValueError(f"metric must have one value; {row.name} has {len(value)}")
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(
            f"{row.spec} is {number}: such values have no differences. Compare by energy, which is finite"
        )
    return number
