"""The sampling error of averages over pairs (energy, MMD): the variance of a two-sample U-statistic.

Hoeffding's decomposition of U = mean k(x, x') + mean k(y, y') − 2 mean k(x, y): a first-order part,
which dominates where P and Q differ, and a second-order part, which is all there is where they do not.
Both are estimated, so that the standard error is right in between (Hoeffding 1948; for MMD Sutherland
et al. 2017, appendix A).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from divergences._arrays import to_numpy
from divergences._inputs import Pair
from divergences._pairwise import RowSums, row_sums
from divergences.inference.intervals import squared_length_interval
from divergences.kernels import PairKernel
from divergences.results import Interval

__all__ = ["KernelMeans", "PairMean", "kernel_means", "pair_mean"]


@dataclass(frozen=True)
class PairMean:
    """U, the V-statistic of the same kernel, and the variance of U, first and second order."""

    unbiased: float
    biased: float
    first: float
    second: float
    x_influence: np.ndarray  # (n − 1)(U − U without the row), mean 0: (n,)
    y_influence: np.ndarray

    @property
    def standard_error(self) -> float:
        return math.sqrt(self.first + self.second)

    def interval(self, confidence: float) -> Interval:
        """For the true value, which is a squared length."""
        bias = self.biased - self.unbiased
        return squared_length_interval(self.unbiased, bias, self.first, self.second, confidence)


@dataclass(frozen=True)
class KernelMeans:
    """The mean of the kernel of each row with its own sample, i = j included, and with the other one."""

    x_own: np.ndarray
    x_other: np.ndarray
    y_own: np.ndarray
    y_other: np.ndarray


def kernel_means(kernel: PairKernel, pair: Pair) -> KernelMeans:
    """For uniform weights; without the kernel's factor and scale."""
    in_x, in_y, across = _sums(kernel, pair)
    return KernelMeans(
        x_own=(in_x.rows + in_x.diagonal) / pair.n,
        x_other=across.rows / pair.m,
        y_own=(in_y.rows + in_y.diagonal) / pair.m,
        y_other=across.columns / pair.n,
    )


def pair_mean(kernel: PairKernel, pair: Pair) -> PairMean:
    """U and its variance for uniform weights and at least four rows a side, in the caller's unit."""
    in_x, in_y, across = _sums(kernel, pair)
    n, m = pair.n, pair.m
    a, b = in_x.rows / (n - 1), in_y.rows / (m - 1)  # mean of each row over its own sample
    c, e = across.rows / m, across.columns / n  # and over the other
    unbiased = float(a.mean() + b.mean() - 2.0 * c.mean())
    within = (in_x.rows.sum() + in_x.diagonal.sum()) / n**2 + (in_y.rows.sum() + in_y.diagonal.sum()) / m**2
    biased = float(within - 2.0 * c.mean())
    # what is left of each kernel's variance when functions of one argument have explained theirs
    left_across = _left_across(across.squares / (n * m), c, e)
    left_x = _left_within(in_x.squares / (n * (n - 1)), a)
    left_y = _left_within(in_y.squares / (m * (m - 1)), b)
    second = 2.0 * left_x / (n * (n - 1)) + 2.0 * left_y / (m * (m - 1)) + 4.0 * left_across / (n * m)
    # a row's mean over its own sample misses that row, and all means are blurred by that remainder
    by_x, by_y = a * ((n - 1) / (n - 2)) - c, b * ((m - 1) / (m - 2)) - e
    first = 4.0 * (float(np.var(by_x, ddof=1)) - left_x / (n - 2) - left_across / m) / n
    first += 4.0 * (float(np.var(by_y, ddof=1)) - left_y / (m - 2) - left_across / n) / m
    unit = kernel.factor * pair.scale**kernel.degree
    return PairMean(
        unbiased=float(unit * unbiased),
        biased=float(unit * biased),
        first=float(unit**2 * max(first, 0.0)),
        second=float(unit**2 * second),
        x_influence=unit * 2.0 * (by_x - by_x.mean()),
        y_influence=unit * 2.0 * (by_y - by_y.mean()),
    )


def _sums(kernel: PairKernel, pair: Pair) -> tuple[RowSums, RowSums, RowSums]:
    """Sums over the pairs within x, within y and across."""
    x, y = map(to_numpy, pair.raw() if kernel.raw else (pair.x, pair.y))
    return row_sums(x, None, kernel.grams), row_sums(y, None, kernel.grams), row_sums(x, y, kernel.grams)


def _left_within(mean_square: float, means: np.ndarray) -> float:
    """ζ₂: the variance of k(x, x') that no function of x or x' alone explains, without bias.

    ζ₁ is that of E[k | x]. On average the variance of the rows' means is ζ₁((n−2)/(n−1))² + ζ₂(n−2)/(n−1)²,
    and the mean of k² less the squared mean ζ₁(2 − 4/n) + ζ₂(1 − 2/(n(n−1))).
    """
    n = len(means)
    own, blur = ((n - 2) / (n - 1)) ** 2, (n - 2) / (n - 1) ** 2
    twice, whole = 2.0 - 4.0 / n, 1.0 - 2.0 / (n * (n - 1))
    spread, total = float(np.var(means, ddof=1)), mean_square - float(means.mean()) ** 2
    return max((total * own - spread * twice) / (whole * own - blur * twice), 0.0)


def _left_across(mean_square: float, by_row: np.ndarray, by_column: np.ndarray) -> float:
    """The same of k(x, y), whose means by row have variance ζ_x + ζ/m and by column ζ_y + ζ/n."""
    n, m = len(by_row), len(by_column)
    total = mean_square - float(by_row.mean()) ** 2
    spreads = (1 - 1 / n) * float(np.var(by_row, ddof=1)) + (1 - 1 / m) * float(np.var(by_column, ddof=1))
    return max((total - spreads) / ((1 - 1 / n) * (1 - 1 / m)), 0.0)
