"""The jackknife of two samples: a metric without one group of rows at a time, its bias and variance.

For a metric that depends smoothly on the two distributions: plug-in bias falls like 1/n, and the
variance of the leave-out values is that of the influence functions (Shao & Tu 1995, ch. 2).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from divergences._inputs import DivergenceWarning
from divergences._pairwise import spread
from divergences.registry import Metric

__all__ = ["Jackknife", "jackknife"]

GROUPS = 50  # of rows, of each sample


@dataclass(frozen=True)
class Jackknife:
    """The value, its bias and variance by deleting groups, and the variance's degrees of freedom.

    ``largest_share``: of the variance, in the group that holds most of it.
    """

    value: float
    bias: float
    variance: float
    freedom: int
    largest_share: float


def jackknife(
    row: Metric, x: np.ndarray, y: np.ndarray, rng: np.random.Generator, groups: int = GROUPS
) -> Jackknife:
    """Delete-a-group jackknife in each sample; the groups are random, and equal to within one row."""
    value = float(row(x, y))
    bias = variance = 0.0
    freedom, largest = 0, 0.0
    with warnings.catch_warnings():  # the value itself has said what there is to say
        warnings.simplefilter("ignore", DivergenceWarning)
        for rows, other, is_x in ((x, y, True), (y, x, False)):
            count = min(groups, len(rows))
            labels = rng.permutation(np.arange(len(rows)) % count)
            label = f"{row.name}, {count} groups left out"
            left = spread(_without, range(count), (row, rows, other, labels, is_x), label=label)
            values = np.array(list(left))
            bias += (count - 1) * (values.mean() - value)
            parts = (count - 1) / count * (values - values.mean()) ** 2
            variance += float(parts.sum())
            largest = max(largest, float(parts.max()))
            freedom += count - 1
    return Jackknife(value, float(bias), variance, freedom, largest / variance if variance > 0 else 0.0)


def _without(
    group: int, row: Metric, rows: np.ndarray, other: np.ndarray, labels: np.ndarray, is_x: bool
) -> float:
    kept = rows[labels != group]
    return float(row(kept, other) if is_x else row(other, kept))
