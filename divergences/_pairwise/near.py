"""Log sums in few dimensions: rows and columns in the order of a k-d tree, far groups passed over.

A group of columns adds at most exp(log Σ_j b_j − rate · δ²) to the sum of a row, δ the distance between
the boxes around the two groups. Where that is below a share NEGLIGIBLE / groups of what the row has
already, the group is passed over: all together they change the sum by less than NEGLIGIBLE, relative
(the pruning rule of Gray & Moore, *Nonparametric density estimation: toward computational
tractability*, 2003, with one level of groups). Near groups come first.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from divergences._pairwise.blocks import slices
from divergences._pairwise.compiled import group_log_sums
from divergences._pairwise.workers import spread

__all__ = ["near_log_sums"]

ROWS, COLUMNS = 32, 256  # of a group
GROUPS = 64  # of rows in a task
NEGLIGIBLE = 1e-11


class Groups(NamedTuple):
    """Columns in order: features ``(d, m)``, log weights; of each group its box and the log of its weight."""

    features: np.ndarray
    logs: np.ndarray
    low: np.ndarray
    high: np.ndarray
    totals: np.ndarray


def near_log_sums(
    x: np.ndarray,
    y: np.ndarray,
    log_b: np.ndarray,
    own: np.ndarray | None,
    rates: tuple[float, ...],
    *,
    rooted: bool,
    label: str | None,
) -> np.ndarray:
    """log Σ_j exp(log_b_j − rate · ‖x_i − y_j‖²), or of the distance if ``rooted``: ``(rates, n)``."""
    x_order, y_order = _order(x), _order(y)
    groups = _groups(y[y_order], log_b[y_order])
    place = np.zeros(0, dtype=np.int64)
    if own is not None:
        place = np.empty(len(y), dtype=np.int64)
        place[y_order] = np.arange(len(y))
        place = place[own[x_order]]
    parts = list(slices(0, len(x), ROWS * GROUPS))
    arguments = (x[x_order], groups, place, np.array(rates), rooted)
    logs = np.empty((len(rates), len(x)))
    for part, found in zip(parts, spread(_task, parts, arguments, label=label), strict=True):
        logs[:, x_order[part]] = found
    return logs


def _order(rows: np.ndarray) -> np.ndarray:
    """Rows near in space near in the order; sliding midpoints end well with equal rows."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(rows, leafsize=ROWS, balanced_tree=False).indices, dtype=np.int64)


def _groups(y: np.ndarray, log_b: np.ndarray) -> Groups:
    starts = np.arange(0, len(y), COLUMNS)
    top = np.maximum.reduceat(log_b, starts)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        totals = safe + np.log(np.add.reduceat(np.exp(log_b - np.repeat(safe, COLUMNS)[: len(y)]), starts))
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    return Groups(np.ascontiguousarray(y.T), log_b, low, high, totals)


def _task(
    part: slice, x: np.ndarray, groups: Groups, own: np.ndarray, rates: np.ndarray, rooted: bool
) -> Any:
    rows, mine = x[part], own[part]
    tops = np.full((len(rates), len(rows)), -np.inf)
    totals = np.zeros((len(rates), len(rows)))
    # half for the groups passed over, half for the rounding of this bound
    slack = math.log(0.5 * NEGLIGIBLE / len(groups.totals))
    group_log_sums(rows, mine, *groups, ROWS, COLUMNS, rates, rooted, slack, tops, totals)
    with np.errstate(divide="ignore"):
        return tops + np.log(totals)
