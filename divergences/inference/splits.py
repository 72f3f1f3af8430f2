"""Relabellings of the pooled rows: which of them a permutation calls x.

Under P = Q every relabelling that keeps the sizes (within each group, where rows are grouped) is as
likely as the observed one. All of them are listed where they are few.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Splits", "check_groups", "draw_splits"]

SORTED_AT_ONCE = 2**22  # random keys in memory at a time


@dataclass(frozen=True)
class Splits:
    """``chosen`` (splits, N): ones, a byte each, where a relabelling says x. The first is the observed one.

    ``exhaustive``: these are all there are, so that the p-value has no error of drawing.
    """

    chosen: np.ndarray
    exhaustive: bool


def draw_splits(
    n: int, m: int, permutations: int, groups: np.ndarray | None, rng: np.random.Generator
) -> Splits:
    """The observed relabelling and ``permutations`` random ones, or all of them if there are no more."""
    observed = np.repeat(np.array([1, 0], dtype=np.int8), [n, m])
    members = [np.arange(n + m)] if groups is None else _members(groups)
    sizes = [(len(rows), int(observed[rows].sum())) for rows in members]
    if all(inside in (0, total) for total, inside in sizes):
        raise ValueError(
            "groups leave nothing to permute: every group lies within x or within y. A group must have rows "
            "of both; groups='paired' pairs row i of x with row i of y"
        )
    if math.prod(math.comb(total, inside) for total, inside in sizes) <= permutations + 1:
        return Splits(_all(n + m, members, sizes), exhaustive=True)
    chosen = np.empty((permutations + 1, n + m), dtype=np.int8)
    chosen[0] = observed
    if groups is None:
        rng.permuted(np.broadcast_to(observed, (permutations, n + m)), axis=1, out=chosen[1:])
        return Splits(chosen, exhaustive=False)
    # within groups: rows in the order of their groups, and within those of random keys
    place, ordered = np.concatenate(members), np.repeat(np.arange(len(members)), [len(r) for r in members])
    step = max(1, SORTED_AT_ONCE // (n + m))
    for first in range(1, permutations + 1, step):
        part = chosen[first : first + step]
        keys = rng.random(part.shape) + ordered
        part[:, place] = observed[place][np.argsort(keys, axis=1)]
    return Splits(chosen, exhaustive=False)


def _members(groups: np.ndarray) -> list[np.ndarray]:
    """The rows of each group."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _all(rows: int, members: list[np.ndarray], sizes: list[tuple[int, int]]) -> np.ndarray:
    """Every relabelling; the observed one first, for in each group the rows of x come first."""
    ways = [itertools.combinations(range(total), inside) for total, inside in sizes]
    found = []
    for choice in itertools.product(*ways):
        labels = np.zeros(rows, dtype=np.int8)
        for group, inside in zip(members, choice, strict=True):
            labels[group[list(inside)]] = 1
        found.append(labels)
    return np.array(found, dtype=np.int8)


def check_groups(groups: Any, n: int, m: int) -> np.ndarray | None:
    """The group of each pooled row as an integer: from "paired", or labels of x's rows and of y's."""
    if groups is None:
        return None
    if isinstance(groups, str):
        if groups != "paired":
            raise ValueError(f"groups must be 'paired' or (labels of x, labels of y); got {groups!r}")
        if n != m:
            raise ValueError(
                f"groups='paired' pairs row i of x with row i of y, so both need as many rows; got {n} and "
                f"{m}. Give labels: groups=(labels of x, labels of y)"
            )
        return np.concatenate([np.arange(n), np.arange(n)])
    if not isinstance(groups, (tuple, list)) or len(groups) != 2:
        raise TypeError(
            "groups must be 'paired' or two arrays, labels of x's rows and of y's; got "
            f"{type(groups).__name__}"
        )
    labels = [np.asarray(each) for each in groups]
    for each, rows, name in zip(labels, (n, m), "xy", strict=True):
        if each.shape != (rows,):
            raise ValueError(
                f"groups must have one label for each row of {name}: shape ({rows},); got {each.shape}"
            )
    joined = np.concatenate(labels)
    if joined.dtype.kind == "f" and not np.isfinite(joined).all():
        raise ValueError("groups must be finite labels; got NaN or inf. Leave those rows out")
    return np.asarray(np.unique(joined, return_inverse=True)[1])
