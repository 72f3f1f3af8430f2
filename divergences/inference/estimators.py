"""One divergence by every estimator, side by side: where they disagree, and which to trust here.

The scatter of each is read from random halves of the rows, drawn without replacement: the values on
halves vary among themselves as much as values on whole samples of fresh rows do (the delete-half
jackknife: Shao & Tu 1995, ch. 2; Politis, Romano & Wolf 1999), and how far their mean lies from the value on
all rows tells whether the value has settled.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from divergences._arrays import detached, to_numpy
from divergences._inputs import DivergenceWarning, check_confidence, check_integer, check_option, check_pair
from divergences._pairwise import spread
from divergences.density_ratio import ESTIMATORS
from divergences.inference.intervals import normal_quantile, student_quantile
from divergences.inference.rows import row_of, seed_of
from divergences.registry import Metric
from divergences.results import Estimate, Interval

__all__ = ["DIVERGENCES", "Estimators", "compare_estimators"]

DIVERGENCES = ("kl", "reverse_kl", "js", "tv", "hellinger", "chi2")
TIED = 0.1  # of the rows: from here on the data have atoms
FEW_FEATURES = 8  # up to here neighbours are near
SETTLED = 0.1  # of the value: halves that move it by more say that it has not settled
FEWEST = 32  # rows a side


@dataclass(frozen=True, slots=True)
class Estimators:
    """What each estimator says of one divergence.

    ``estimates`` by name, with intervals of their scatter; ``refused`` why an estimator has none.
    ``trusted`` names the one to read at this n and d; ``agree`` those whose difference from it is within
    their common error, ``disagree`` the others. ``notes`` say so in words. ``float`` is the trusted value.
    """

    divergence: str
    estimates: dict[str, Estimate]
    refused: dict[str, str]
    trusted: str
    agree: tuple[str, ...]
    disagree: tuple[str, ...]
    notes: tuple[str, ...]

    def __float__(self) -> float:
        return float(self.estimates[self.trusted])

    def __str__(self) -> str:
        width = max(map(len, [*self.estimates, *self.refused]))
        lines = [f"{self.divergence} by {len(self.estimates)} estimators"]
        for name, found in self.estimates.items():
            mark = "*" if name == self.trusted else " " if name in self.agree else "!"
            lines.append(f"{mark} {name:<{width}}  {found}")
        lines += [f"  {name:<{width}}  – {reason}" for name, reason in self.refused.items()]
        return "\n".join([*lines, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers, ready for JSON."""
        return {
            "divergence": self.divergence,
            "estimates": {name: found.to_dict() for name, found in self.estimates.items()},
            "refused": dict(self.refused),
            "trusted": self.trusted,
            "agree": list(self.agree),
            "disagree": list(self.disagree),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Estimators:
        """The record that ``to_dict`` wrote, through JSON or not."""
        estimates = {name: Estimate.from_dict(each) for name, each in found["estimates"].items()}
        lists = {key: tuple(found[key]) for key in ("agree", "disagree", "notes")}
        return cls(**{**found, **lists, "estimates": estimates, "refused": dict(found["refused"])})


def compare_estimators(
    x: Any,
    y: Any,
    divergence: str = "kl",
    *,
    estimators: Sequence[str] | None = None,
    halvings: int = 12,
    confidence: float = 0.95,
    rng: Any = None,
) -> Estimators:
    """An f-divergence in nats by every estimator, with its scatter, and which of them to trust.

    ``x`` (n, d) and ``y`` (m, d), at least 32 rows each. ``divergence``: "kl", "reverse_kl", "js", "tv",
    "hellinger" or "chi2". ``estimators``: some of "knn", "histogram", "parzen", "classifier", "variational"
    (needs PyTorch); None takes all but what cannot be had. ``halvings``: random halves that the scatter is
    read from. Intervals are Student's, of what the estimator gives on average at this n, not of the truth:
    an estimator may be sure and wrong, which is why there are several. The variational one is trained
    once; its interval is of its held-out rows.

    Which is trusted follows from the data alone: the histogram for data with atoms and in one dimension,
    neighbours up to 8 dimensions unless the classifier lies surely above them, the classifier beyond, and
    the variational bound there where half the rows move the classifier. The notes say which others
    contradict it, which way estimators of their kind err, and whose value still moves when rows are taken
    away.

    Raises ValueError for an unknown name and for fewer rows.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2, 400))
    >>> found = compare_estimators(z[0], z[1] + 1.0, estimators=["knn", "histogram"], rng=0)
    >>> found.trusted, found.agree, abs(float(found) - 0.5) < 0.15
    ('histogram', ('knn',), True)
    """
    divergence = check_option(divergence, "divergence", DIVERGENCES)
    names = tuple(ESTIMATORS) if estimators is None else tuple(estimators)
    for name in names:
        check_option(name, "estimators", tuple(ESTIMATORS))
    if not names:
        raise ValueError(f"estimators must name at least one of {', '.join(ESTIMATORS)}")
    halvings = check_integer(halvings, "halvings", minimum=3)
    confidence = check_confidence(confidence)
    pair = check_pair(detached(x), detached(y), min_rows=FEWEST)
    seed = seed_of(rng)
    draws = np.random.default_rng(rng if seed is None else seed)
    plain = [np.asarray(to_numpy(detached(side)), dtype=np.float64) for side in (x, y)]
    fixed = int(draws.integers(2**32))
    halves = [[draws.permutation(len(rows))[: len(rows) // 2] for rows in plain] for _ in range(halvings)]
    estimates: dict[str, Estimate] = {}
    refused: dict[str, str] = {}
    moved: dict[str, float] = {}  # by how much half the rows change the value
    for name in names:
        try:
            if name == "variational":
                found = _trained(divergence, plain, confidence, fixed)
            else:
                row = row_of(divergence, estimator=name, **({"rng": fixed} if name == "classifier" else {}))
                found, moved[name] = _scattered(row, plain, halves, confidence)
        except (ValueError, ModuleNotFoundError) as error:
            if estimators is not None:
                raise
            refused[name] = str(error)
            continue
        estimates[name] = replace(
            found, metric=f"{divergence}(estimator={name!r})", n=pair.n, m=pair.m, d=pair.d, seed=seed
        )
    unsettled = [name for name, move in moved.items() if _unsettled(estimates[name], move)]
    trusted, why = _trusted(plain, pair.d, estimates, unsettled)
    agree, disagree = _compared(estimates, trusted)
    notes = _notes(estimates, unsettled, trusted, why, disagree)
    return Estimators(divergence, estimates, refused, trusted, agree, disagree, notes)


# ── values and their scatter ────────────────────────────────────────────────────────────────


def _scattered(
    row: Metric, plain: list[np.ndarray], halves: Any, confidence: float
) -> tuple[Estimate, float]:
    """The value on all rows with its scatter from halves, and how far the mean of the halves lies off."""
    with warnings.catch_warnings():  # what a value near 0 or a heavy tail would say, the panel says
        warnings.simplefilter("ignore", DivergenceWarning)
        value = float(row(*plain))
        found = np.array(list(spread(_of_half, halves, (row, plain), label=f"{row.spec}, halves")))
    if not (math.isfinite(value) and np.isfinite(found).all()):
        return Estimate(value, notes=("no scatter: infinite on some of the rows",), method="halves"), 0.0
    error = float(found.std(ddof=1))
    reach = student_quantile(confidence, len(found) - 1) * error
    move = float(found.mean()) - value
    note = f"half the rows give {move:+.2g} on average"
    interval = Interval(value - reach, value + reach, confidence)
    return Estimate(value, interval, error, notes=(note,), method="halves"), move


def _of_half(half: list[np.ndarray], row: Metric, plain: list[np.ndarray]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        return float(row(plain[0][half[0]], plain[1][half[1]]))


def _trained(divergence: str, plain: list[np.ndarray], confidence: float, seed: int) -> Estimate:
    from divergences.critic.neural import neural_dual

    found = neural_dual(*plain, divergence=divergence, confidence=confidence, rng=seed)
    return replace(found, method="held-out half")


# ── who is right ────────────────────────────────────────────────────────────────────────────


def _unsettled(found: Estimate, move: float) -> bool:
    """Whether half the rows change the value by more than its error, and not by a little."""
    return abs(move) > max(SETTLED * abs(found.value), found.standard_error or 0.0)


def _trusted(
    plain: list[np.ndarray], d: int, estimates: dict[str, Estimate], unsettled: Sequence[str]
) -> tuple[str, str]:
    """The estimator for data like these, and the reason."""
    pooled = np.concatenate([rows.reshape(len(rows), -1) for rows in plain])
    tied = 1.0 - len(np.unique(pooled, axis=0)) / len(pooled)
    order = [("knn", "in few dimensions neighbours are near and nothing has to be chosen")]
    if tied > TIED:
        order.insert(0, ("histogram", f"{100 * tied:.0f} % of the rows repeat others: masses can be counted"))
    elif d == 1:
        order.insert(0, ("histogram", "on the line cells hold enough rows"))
    elif d > FEW_FEATURES:
        far = f"in {d} dimensions no row has near neighbours"
        order = [("classifier", far)]
        if "classifier" in unsettled:  # its own noise is in its value, and not in that of rows held out
            order.insert(0, ("variational", f"{far}, and a classifier wants more rows: a bound from below"))
    elif "classifier" not in unsettled and _apart(estimates, "classifier", "knn") > 0:
        order = [("classifier", "it lies above knn, and what a classifier cannot represent only lowers it")]
    for name, why in order:
        if name in estimates and math.isfinite(estimates[name].value):
            return name, why
    finite = [name for name, found in estimates.items() if math.isfinite(found.value)]
    return (finite or list(estimates))[0], "the one for data like these is not at hand"


def _apart(estimates: dict[str, Estimate], name: str, other: str) -> int:
    """1 or −1 where one lies above or below the other by more than both errors; 0 if that cannot be said."""
    if name not in estimates or other not in estimates:
        return 0
    difference = estimates[name].value - estimates[other].value
    errors = [estimates[each].standard_error for each in (name, other)]
    if math.isinf(difference):
        return 1 if difference > 0 else -1
    if math.isnan(difference) or errors[0] is None or errors[1] is None:
        return 0
    if abs(difference) <= normal_quantile(0.95) * math.hypot(errors[0], errors[1]):
        return 0
    return 1 if difference > 0 else -1


def _with_scatter(estimates: dict[str, Estimate]) -> list[str]:
    """Those that can agree or contradict: an infinite value can, a finite one without error cannot."""
    return [
        name
        for name, found in estimates.items()
        if found.standard_error is not None or not math.isfinite(found.value)
    ]


def _compared(estimates: dict[str, Estimate], trusted: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that do not contradict the trusted one, and those that do."""
    others = [name for name in _with_scatter(estimates) if name != trusted]
    agree = tuple(name for name in others if _apart(estimates, name, trusted) == 0)
    return agree, tuple(name for name in others if name not in agree)


# how each errs: (above, below)
KINDS = {
    "knn": (
        "near P = Q the scatter of neighbours brings it up",
        "neighbours come out low where P and Q are far apart for the number of dimensions",
    ),
    "histogram": (
        "cells with few rows bring it up, and one that only P meets makes it infinite",
        "wide cells smooth differences away",
    ),
    "parzen": ("narrow windows feign differences", "wide windows smooth differences away"),
    "classifier": (
        "with few rows for its features its own noise is added",
        "log-odds that it cannot represent are missed",
    ),
    "variational": (
        "its held-out rows happen to be far apart",
        "it is a lower bound, as high as its critic is good",
    ),
}


def _notes(
    estimates: dict[str, Estimate], unsettled: Sequence[str], trusted: str, why: str, disagree: Sequence[str]
) -> tuple[str, ...]:
    notes = [f"trust {trusted} here: {why}"]
    for name in disagree:
        above = _apart(estimates, name, trusted) > 0
        side = "above" if above else "below"
        notes.append(f"{name} lies {side} it by more than their errors: {KINDS[name][0 if above else 1]}")
    silent = [name for name in estimates if name not in _with_scatter(estimates) and name != trusted]
    if silent:
        notes.append(f"without scatter, neither agreeing nor contradicting: {', '.join(silent)}")
    if estimates[trusted].standard_error is None:
        notes.append(f"{trusted} has no scatter here, so that nothing can be said to contradict it")
    elif not disagree and len(estimates) > 1 + len(silent):
        notes.append(f"all{' others' * bool(silent)} agree within their errors")
    if unsettled:
        notes.append(f"not settled, half the rows give another value: {', '.join(unsettled)}")
    if trusted in unsettled:
        notes.append(f"take {trusted} as rough: more rows would move it")
    return tuple(notes)
