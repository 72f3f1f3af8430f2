"""What stands behind a report: is there a difference at all, which rows carry it, do estimators agree?

Every part is bounded by a number of rows, drawn at random where there are more, and what is left out
says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from divergences._neighbor_search import nearest
from divergences.inference.estimators import DIVERGENCES, Estimators, compare_estimators
from divergences.inference.shares import attribution, distances_out, p_values_out, uncovered_clusters
from divergences.inference.statistics import at_once
from divergences.inference.two_sample import two_sample_test
from divergences.registry import Metric
from divergences.results import TestResult

__all__ = ["Carriers", "Evidence", "Regions", "Strays", "gather"]

ROWS = 2500  # of each sample, for what visits all pairs: a second or two
FEW_ROWS = 1000  # for the optimal plan and for a dozen estimates by each estimator
PERMUTATIONS = 999
SHOWN = 12  # rows that a list holds
CLUSTERS = 10
ROWS_A_CLUSTER = 20  # on average, at least
OUT = 0.01  # as far from the data as one row in a hundred of the data itself


@dataclass(frozen=True, slots=True)
class Carriers:
    """The rows with the largest shares of a distance, largest first; a share is of ``total``, from 0 to 1.

    ``half``: the smallest number of rows of y that hold half of all positive shares of y, out of ``rows``.
    """

    metric: str
    meaning: str
    total: float
    x_rows: tuple[int, ...]
    x_shares: tuple[float, ...]
    y_rows: tuple[int, ...]
    y_shares: tuple[float, ...]
    half: int
    rows: int


@dataclass(frozen=True, slots=True)
class Regions:
    """Clusters of the reference and the share of each sample in them, what the model lacks most first.

    ``p_values`` of the model having too little, adjusted for their number; ``x_rows`` the rows of x nearest
    to each centre, nearest first.
    """

    x_shares: tuple[float, ...]
    y_shares: tuple[float, ...]
    p_values: tuple[float, ...]
    x_rows: tuple[tuple[int, ...], ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Strays:
    """Rows of y far from all of x, farthest first, with a p-value each; ``share`` of the rows of y are as
    far as one in 1/``level`` rows of x is from the others.
    """

    y_rows: tuple[int, ...]
    p_values: tuple[float, ...]
    share: float
    level: float
    rows: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """The panels of a report with a ``confidence``; None where one is left out, ``left_out`` says why."""

    tests: TestResult | None = None
    carriers: tuple[Carriers, ...] = ()
    regions: Regions | None = None
    strays: Strays | None = None
    estimators: Estimators | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers, ready for JSON."""
        return {
            "tests": None if self.tests is None else self.tests.to_dict(),
            "carriers": [_listed(asdict(each)) for each in self.carriers],
            "regions": None if self.regions is None else _listed(asdict(self.regions)),
            "strays": None if self.strays is None else _listed(asdict(self.strays)),
            "estimators": None if self.estimators is None else self.estimators.to_dict(),
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Evidence:
        """The record that ``to_dict`` wrote, through JSON or not."""
        tests, regions, strays = found["tests"], found["regions"], found["strays"]
        estimators = found["estimators"]
        return cls(
            None if tests is None else TestResult.from_dict(tests),
            tuple(Carriers(**_tupled(each)) for each in found["carriers"]),
            None if regions is None else Regions(**_tupled(regions)),
            None if strays is None else Strays(**_tupled(strays)),
            None if estimators is None else Estimators.from_dict(estimators),
            dict(found["left_out"]),
        )


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tupled(item) for key, item in value.items()}
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value


def gather(
    x: np.ndarray, y: np.ndarray, metrics: Sequence[Metric], *, confidence: float, rng: np.random.Generator
) -> Evidence:
    """Every panel for x (n, d) and y (m, d); a panel that fails is left out, with the reason.

    ``metrics`` are those of the report: those that permute all at once are tested together, and the
    rows are listed that carry the first of them and, where it is there, the optimal plan.
    """
    seeds = [int(seed) for seed in rng.integers(2**32, size=5)]
    some, few = (_Some.of(x, y, limit, rng) for limit in (ROWS, FEW_ROWS))
    left_out: dict[str, str] = {}

    def tried(name: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except Exception as failure:  # a report never stops halfway
            left_out[name] = " ".join(str(failure).split()) or type(failure).__name__
            return None

    found = Evidence(
        tests=tried("tests", lambda: _tests(metrics, some, seeds[0])),
        carriers=tuple(tried("carriers", lambda: _carriers(metrics, some, few)) or ()),
        regions=tried("regions", lambda: _regions(some, seeds[1])),
        strays=tried("strays", lambda: _strays(some)),
        estimators=tried("estimators", lambda: _estimators(metrics, few, confidence, seeds[2])),
        left_out=left_out,
    )
    others = [row.spec for row in metrics if row.on == "samples" and not at_once(row, x.shape[1])]
    if found.tests is not None and others:
        left_out["p-values"] = (
            f"none for {', '.join(others)}: two_sample_test calls such a measure once for every permutation"
        )
    return found


@dataclass(frozen=True)
class _Some:
    """At most so many rows of both samples, and their places in the whole."""

    x: np.ndarray
    y: np.ndarray
    x_rows: np.ndarray
    y_rows: np.ndarray
    note: str  # empty where these are all

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, limit: int, rng: np.random.Generator) -> _Some:
        chosen = [
            np.arange(len(z)) if len(z) <= limit else np.sort(rng.choice(len(z), limit, replace=False))
            for z in (x, y)
        ]
        parts = [np.asarray(z[rows], dtype=np.float64) for z, rows in zip((x, y), chosen, strict=True)]
        cut = [
            f"{limit:,} of {len(z):,} rows of {name}"
            for z, name in zip((x, y), "xy", strict=True)
            if len(z) > limit
        ]
        return cls(
            parts[0],
            parts[1],
            chosen[0],
            chosen[1],
            f"on {' and '.join(cut)}, drawn at random" if cut else "",
        )


def _tests(metrics: Sequence[Metric], some: _Some, seed: int) -> TestResult:
    able = [row for row in metrics if at_once(row, some.x.shape[1])]
    if not able:
        raise ValueError(
            "none of the measures permutes all at once; two_sample_test calls any other once for every "
            "permutation"
        )
    found = two_sample_test(able, some.x, some.y, permutations=PERMUTATIONS, rng=seed)
    return _noted(found, some.note)


def _noted(found: TestResult, note: str) -> TestResult:
    return replace(found, notes=(*found.notes, note)) if note else found


def _carriers(metrics: Sequence[Metric], some: _Some, few: _Some) -> list[Carriers]:
    witness = next((row for row in metrics if at_once(row, 2)), None)  # 2: averages over pairs alone
    plan = next((row for row in metrics if row.name == "wasserstein"), None)
    found = []
    for row, rows in ((witness, some), (plan, few)):
        if row is None:
            continue
        shares = attribution(row, rows.x, rows.y)
        whole = shares.total if shares.total > 0 else 1.0
        tops = {side: shares.largest(SHOWN, of=side) for side in "xy"}
        positive = np.sort(np.maximum(shares.y, 0.0))[::-1]
        half = int(np.searchsorted(np.cumsum(positive), 0.5 * positive.sum())) + 1
        found.append(
            Carriers(
                row.spec, shares.meaning, shares.total,
                x_rows=_numbers(rows.x_rows[tops["x"]]), x_shares=_floats(shares.x[tops["x"]] / whole),
                y_rows=_numbers(rows.y_rows[tops["y"]]), y_shares=_floats(shares.y[tops["y"]] / whole),
                half=min(half, len(positive)), rows=len(positive),
            )
        )  # fmt: skip
    if not found:
        raise ValueError(
            "shares of rows are known of energy, squared_mmd, kid and wasserstein; none of them is asked for"
        )
    return found


def _regions(some: _Some, seed: int) -> Regions:
    count = min(CLUSTERS, len(some.x) // (2 * ROWS_A_CLUSTER))
    if count < 2:
        raise ValueError(f"clusters take {4 * ROWS_A_CLUSTER} rows of x; got {len(some.x)}")
    found = uncovered_clusters(some.x, some.y, clusters=count, rng=seed)
    near = nearest(found.centres, some.x, min(SHOWN, len(some.x)))
    return Regions(
        _floats(found.x_shares), _floats(found.y_shares), _floats(found.p_values),
        tuple(_numbers(some.x_rows[rows]) for rows in near), len(some.x),
    )  # fmt: skip


def _strays(some: _Some) -> Strays:
    own, others = distances_out(some.x, some.y, 1)
    p_values = p_values_out(own, others)
    order = np.lexsort((-others, p_values))[:SHOWN]
    return Strays(
        _numbers(some.y_rows[order]), _floats(p_values[order]), float(np.mean(p_values <= OUT)), OUT,
        len(some.y),
    )  # fmt: skip


def _estimators(metrics: Sequence[Metric], few: _Some, confidence: float, seed: int) -> Estimators:
    name = next((row.name for row in metrics if row.name in DIVERGENCES), None)
    if name is None:
        raise ValueError(f"estimators are compared where one of {', '.join(DIVERGENCES)} is asked for")
    found = compare_estimators(few.x, few.y, name, confidence=confidence, rng=seed)
    return replace(found, notes=(*found.notes, few.note)) if few.note else found


def _numbers(values: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
