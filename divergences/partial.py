"""Sums over pairs of rows in shares that add up: one measure by several machines, with no engine of ours.

Every machine sees the same two sources (files on common storage, say), takes one share of the pairs
and returns a small record; the sum of the records is the measure. Fits merge by ``gaussian.merge``,
histograms with given edges by their numbers of rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from divergences._arrays import Array, detached
from divergences._inputs import check_integer, check_option, check_pair, check_positive, check_proportion
from divergences._pairwise import Distance, Stationary, self_sums, weighted_sums
from divergences._rows import Rows
from divergences.kernels import STATIONARY

__all__ = ["PairSums", "pair_sums"]


@dataclass(frozen=True, slots=True)
class PairSums:
    """Shares of Σ a_i b_j k(x_i, y_j), Σ a_i a_j k(x_i, x_j) and Σ b_i b_j k(y_i, y_j); ``+`` joins shares.

    ``share`` holds the numbers of the shares that are in it, ``of`` how many there are. The weights
    sum to 1; ``squares_x`` = Σa² and ``squares_y`` = Σb² are of all rows.
    """

    kernel: str
    bandwidth: float | None
    n: int
    m: int
    squares_x: float
    squares_y: float
    same: bool  # whether x and y are equal row by row
    of: int
    share: frozenset[int]
    across: float
    within_x: float
    within_y: float

    def __add__(self, other: PairSums) -> PairSums:
        if not isinstance(other, PairSums):
            return NotImplemented
        if self._common() != other._common():
            raise ValueError(
                "only shares of one computation add up: the same samples, kernel, bandwidth and number of "
                f"shares; got {self._common()} and {other._common()}"
            )
        twice = sorted(self.share & other.share)
        if twice:
            raise ValueError(f"share {twice[0]} is in both records; add each share once")
        return replace(
            self,
            share=self.share | other.share,
            across=self.across + other.across,
            within_x=self.within_x + other.within_x,
            within_y=self.within_y + other.within_y,
        )

    def __radd__(self, other: Any) -> PairSums:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # sum() starts with 0

    def energy(self) -> float:
        """``divergences.energy`` of the samples, from all shares of ``kernel="distance"``."""
        self._complete()
        if self.kernel != "distance":
            raise ValueError(f"energy needs the sums of kernel='distance'; these are of {self.kernel!r}")
        return 0.0 if self.same else max(2.0 * self.across - self.within_x - self.within_y, 0.0)

    def squared_mmd(self, *, estimator: str = "unbiased") -> float:
        """``divergences.squared_mmd`` of the samples, from all shares of its kernel and bandwidth."""
        check_option(estimator, "estimator", ("unbiased", "biased"))
        self._complete()
        if self.kernel == "distance":
            raise ValueError("squared_mmd needs the sums of a kernel; these are of kernel='distance'")
        if estimator == "biased":
            return 0.0 if self.same else max(self.within_x + self.within_y - 2.0 * self.across, 0.0)
        if min(1.0 - self.squares_x, 1.0 - self.squares_y) <= 1e-12:
            raise ValueError(
                "estimator='unbiased' needs two rows with weight on each side. Use estimator='biased'"
            )
        within_x = (self.within_x - self.squares_x) / (1.0 - self.squares_x)  # k(x, x) = 1
        within_y = (self.within_y - self.squares_y) / (1.0 - self.squares_y)
        return within_x + within_y - 2.0 * self.across

    def _common(self) -> tuple[Any, ...]:
        return (self.kernel, self.bandwidth, self.n, self.m, self.squares_x, self.squares_y, self.of)

    def _complete(self) -> None:
        missing = sorted(set(range(self.of)) - self.share)
        if missing:
            raise ValueError(
                f"{len(missing)} of {self.of} shares are missing, the first is {missing[0]}; add the records "
                "of all shares first"
            )


def pair_sums(
    x: Any,
    y: Any,
    *,
    share: tuple[int, int],
    kernel: str = "distance",
    bandwidth: float | None = None,
    x_weights: Any = None,
    y_weights: Any = None,
) -> PairSums:
    """Share k of K of the sums behind ``energy`` and ``squared_mmd``, for ``share=(k, K)``, k from 0.

    ``x`` (n, d) and ``y`` (m, d): the whole samples, the same on every machine; those too large to
    load (a memmap, an HDF5, Zarr or Dask array) are read by blocks. ``kernel``: "distance" for energy;
    "gaussian", "laplace" or "rational_quadratic" with a ``bandwidth`` in the data's unit, as in
    ``squared_mmd``. The shares are about equal in work, O(nmd / K); each also reads all rows once,
    to check them.

    Raises ValueError for k outside [0, K), and TypeError or ValueError for bad samples.

    >>> x, y = [[0.0], [1.0], [4.0]], [[5.0], [6.0]]
    >>> parts = [pair_sums(x, y, share=(k, 3)) for k in range(3)]  # each on a machine of its own
    >>> round(sum(parts).energy(), 6)
    5.388889
    """
    check_option(kernel, "kernel", ("distance", *STATIONARY))
    if not (isinstance(share, tuple) and len(share) == 2):
        raise TypeError(f"share must be (k, K), which of how many; got {share!r}")
    of = check_integer(share[1], "share[1]")
    k = check_integer(share[0], "share[0]", minimum=0, below=of, why="shares count from 0")
    if (bandwidth is None) != (kernel == "distance"):
        needed = "takes no bandwidth" if kernel == "distance" else "needs a bandwidth, one for all shares"
        raise ValueError(f"kernel={kernel!r} {needed}; got {bandwidth!r}")
    width = None if bandwidth is None else check_positive(bandwidth, "bandwidth")
    pair = check_pair(x, y, x_weights, y_weights, streams=True)
    function = Distance() if width is None else STATIONARY[kernel](check_proportion(width, pair.scale))
    unit = pair.scale if width is None else 1.0
    rows = _cut(pair.n, np.arange(of + 1) / of, k)
    across = 0.0
    if rows.start < rows.stop:  # more shares than rows leave some of them empty
        across = _number(weighted_sums(_part(pair.x, rows), pair.y, pair.a[rows], pair.b, [function])[0])
    return PairSums(
        kernel=kernel, bandwidth=width, n=pair.n, m=pair.m,
        squares_x=_number(pair.a @ pair.a), squares_y=_number(pair.b @ pair.b), same=pair.same,
        of=of, share=frozenset([k]), across=unit * across,
        within_x=unit * _within(pair.x, pair.a, function, k, of),
        within_y=unit * _within(pair.y, pair.b, function, k, of),
    )  # fmt: skip


def _within(x: Array | Rows, a: Array, function: Stationary, k: int, of: int) -> float:
    """The share of Σ a_i a_j f, each unordered pair once: earlier rows have more partners after them."""
    n = int(x.shape[0])
    rows = _cut(n, 1.0 - np.sqrt(1.0 - np.arange(of + 1) / of), k)
    if rows.start == rows.stop:
        return 0.0
    total = _number(self_sums(_part(x, rows), a[rows], [function])[0])
    later = slice(rows.stop, n)
    if rows.stop < n:
        total += 2.0 * _number(
            weighted_sums(_part(x, rows), _part(x, later), a[rows], a[later], [function])[0]
        )
    return total


def _cut(n: int, fractions: np.ndarray, k: int) -> slice:
    start, stop = (round(n * float(f)) for f in fractions[k : k + 2])
    return slice(start, stop)


def _part(rows: Array | Rows, part: slice) -> Array | Rows:
    return rows.part(part.start, part.stop) if isinstance(rows, Rows) else rows[part]


def _number(value: Any) -> float:
    return float(detached(value))
