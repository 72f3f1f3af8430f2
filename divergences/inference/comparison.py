"""Which of several models is closer to the reference, and which differences are more than noise?

The models are judged by the same reference rows, so that their errors are correlated and a difference
is known better than either value. Rows (or groups of rows) of the reference move all values at once,
rows of a model its own: from both comes the joint covariance of all values, and from that the
intervals of all differences together (max-T: Westfall & Young 1993; Hothorn et al. 2008).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np

from divergences._arrays import detached, to_numpy
from divergences._features import extracted
from divergences._inputs import check_confidence, check_integer, check_pair, check_rng, plain_samples
from divergences.inference.estimation import estimate
from divergences.inference.floor import null_values
from divergences.inference.influence import Influence, influence
from divergences.inference.intervals import squared_length_interval, student_quantile
from divergences.inference.rows import row_of, seed_of
from divergences.registry import Metric
from divergences.results import Estimate, Interval

__all__ = ["Comparison", "Difference", "Standing", "compare_models"]

HALVINGS = 5  # of x, for the floor
MANY_HALVINGS = 20  # where their variance is asked for too
NO_INTERVAL = "no interval: ± is of the rows drawn, the bias may be as large; in differences it cancels"
DRAWS = 20_000  # of the largest of the standardised differences


@dataclass(frozen=True, slots=True)
class Standing:
    """A model under a metric: its value, and its rank, one more than the number of models surely closer."""

    metric: str
    model: str
    estimate: Estimate
    rank: int


@dataclass(frozen=True, slots=True)
class Difference:
    """value(first) − value(second), both without known bias, between two models.

    ``interval`` and ``p_value`` hold for all pairs and metrics at once.
    ``closer`` names the model that is surely closer to the reference, None if neither is.
    """

    metric: str
    first: str
    second: str
    value: float
    standard_error: float
    interval: Interval
    p_value: float
    closer: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What ``compare_models`` found: a ``Standing`` of each model, a ``Difference`` of each pair, by metric.

    ``print`` shows the ranking of each metric, models that cannot be told apart joined by "=", and all notes.
    """

    standings: tuple[Standing, ...]
    differences: tuple[Difference, ...]
    confidence: float
    n: int
    d: int
    seed: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics, in the order they were given."""
        return tuple(dict.fromkeys(each.metric for each in self.standings))

    def ranked(self, metric: str | None = None) -> list[Standing]:
        """The models from the closest to the farthest; those that share a rank, by their values."""
        wanted = self.metrics[0] if metric is None else metric
        found = [each for each in self.standings if each.metric == wanted]
        return sorted(found, key=lambda each: (each.rank, self._order(each)))

    def ranks(self, metric: str | None = None) -> dict[str, int]:
        """The rank of each model, 1 the closest; models that cannot be told apart may share one."""
        wanted = self.metrics[0] if metric is None else metric
        found = {each.model: each.rank for each in self.standings if each.metric == wanted}
        if not found:
            raise KeyError(f"no such metric: {wanted!r}; compared were {', '.join(self.metrics)}")
        return found

    def difference(self, first: str, second: str, metric: str | None = None) -> Difference:
        """value(first) − value(second), whichever way round it was computed."""
        wanted = self.metrics[0] if metric is None else metric
        for each in self.differences:
            if each.metric == wanted and (each.first, each.second) == (first, second):
                return each
            if each.metric == wanted and (each.second, each.first) == (first, second):
                interval = Interval(-each.interval.upper, -each.interval.lower, each.interval.confidence)
                return replace(each, first=first, second=second, value=-each.value, interval=interval)
        raise KeyError(f"{wanted}: {first!r} and {second!r} were not compared")

    def __str__(self) -> str:
        lines = []
        for metric in self.metrics:
            rows = self.ranked(metric)
            lines.append(f"{metric}: {self.ranking(metric)}")
            lines += [f"  {each.rank}. {each.model}: {each.estimate}" for each in rows]
        lines.append(
            f"('<': closer to the reference, sure at {100 * self.confidence:g} % for all pairs together)"
        )
        lines += [f"note: {note}" for note in self._said()]
        return "\n".join(lines)

    def ranking(self, metric: str | None = None) -> str:
        """The models in a line, closest first: "a = b < c"; "=" between neighbours that tie."""
        rows = self.ranked(metric)
        text = rows[0].model
        for before, after in itertools.pairwise(rows):
            told = self.difference(before.model, after.model, rows[0].metric).closer is not None
            text += f" {'<' if told else '='} {after.model}"
        return text

    def _said(self) -> list[str]:
        """Every note once, that of a value with the metrics it is of."""
        of: dict[str, list[str]] = {}
        for each in self.standings:
            for note in each.estimate.notes:
                if each.metric not in of.setdefault(note, []):
                    of[note].append(each.metric)
        return [f"{', '.join(metrics)}: {note}" for note, metrics in of.items()] + list(self.notes)

    def _order(self, standing: Standing) -> float:
        value = standing.estimate.value
        return -value if "higher is closer" in standing.estimate.notes else value

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers, ready for JSON."""
        from dataclasses import asdict

        found = asdict(self)
        found["standings"] = [
            {**asdict(each), "estimate": each.estimate.to_dict()} for each in self.standings
        ]
        found["differences"] = [asdict(each) for each in self.differences]
        found["notes"] = list(self.notes)
        return found

    def html(self, path: str | PathLike[str] | None = None, *, reference: str = "x") -> str:
        """One self-contained page: rankings, values beside the floor, all differences; also to ``path``."""
        from divergences.report import models

        return models.written(models.page(self, reference), path)

    def markdown(self, path: str | PathLike[str] | None = None, *, reference: str = "x") -> str:
        """The rankings and all differences as GitHub tables, also to ``path``."""
        from divergences.report import models

        return models.written(models.markdown(self, reference), path)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Comparison:
        """The record that ``to_dict`` wrote, through JSON or not."""
        standings = (
            Standing(**{**each, "estimate": Estimate.from_dict(each["estimate"])})
            for each in found["standings"]
        )
        differences = (
            Difference(**{**each, "interval": Interval(**each["interval"])}) for each in found["differences"]
        )
        rest = {**found, "notes": tuple(found["notes"])}
        return cls(**{**rest, "standings": tuple(standings), "differences": tuple(differences)})


def compare_models(
    metric: str | Metric | Callable[..., Any] | Iterable[Any],
    x: Any,
    models: Mapping[str, Any],
    *,
    confidence: float = 0.95,
    groups: int = 20,
    rng: Any = None,
    features: Callable[[Any], Any] | None = None,
    batch_size: int = 256,
    **options: Any,
) -> Comparison:
    """Which model's samples are closer to the reference ``x``: differences, simultaneous intervals, ranks.

    ``x`` (n, d); ``models`` a mapping from names to samples (m, d), at least two, drawn independently.
    ``metric``: a row of METRICS by name or spec, the row, its function, or a list of them; ``options``
    go to each. ``features``: a callable that turns a batch of ``batch_size`` samples of any kind into rows,
    as in ``evaluate``. All differences between models, of all metrics, are covered together with probability
    ``confidence``; their p-values are adjusted likewise, by Student's t of the joint covariance. A model
    ranks behind those that are surely closer, so those that cannot be told apart may share a rank.

    energy, cramer, squared_mmd and kid: the covariance of U-statistics, from the rows' influences. Any
    other metric: the jackknife, by leaving out each of ``groups`` groups of rows, once for all models
    where the rows are the reference's; it is called 2·groups times for each model. Of frechet and, in
    one dimension, wasserstein the bias is taken off; what others have of it cancels in a difference as
    far as the models have as many rows. With ``bandwidth="median"`` each model would have an MMD of its
    own: the median over x and all models is taken for all. A model's own value has an interval where
    ``estimate`` has one for draws of the rows, by the same theory; elsewhere only differences do.

    Raises ValueError for fewer than two models, weights, or fewer than four rows of any sample.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(4, 200, 2))
    >>> found = compare_models("energy", z[0], {"near": z[1] + 0.1, "far": z[2] + 2.0, "close": z[3]})
    >>> found.ranks(), found.difference("far", "near").closer
    ({'near': 1, 'far': 3, 'close': 1}, 'near')
    """
    confidence = check_confidence(confidence)
    groups = check_integer(groups, "groups", minimum=3)
    if features is not None and isinstance(models, Mapping):
        x = extracted(features, x, "x", batch_size=batch_size)
        models = {
            name: extracted(features, y, f"models[{name!r}]", batch_size=batch_size)
            for name, y in models.items()
        }
    samples = _checked(x, models)
    named: list[Any] = [metric] if isinstance(metric, (str, Metric)) or callable(metric) else list(metric)
    if not named:
        raise ValueError("metric must name at least one metric; got an empty list")
    rows = [row_of(each, **options) for each in named]
    for row in rows:
        if any(row.options.get(name) is not None for name in ("x_weights", "y_weights")):
            raise ValueError(
                "x_weights, y_weights: models are compared without weights. Resample by weight first"
            )
    seed = seed_of(rng)
    draws = check_rng(rng if seed is None else seed)
    drawn = int(draws.integers(2**32))
    found = [influence(row, samples[0], samples[1:], groups, drawn) for row in rows]
    floors = [_floor(row, samples[0], drawn) for row in rows]
    intervals = [
        _intervals(row, each, samples, floor, confidence)
        for row, each, floor in zip(rows, found, floors, strict=True)
    ]
    signs = np.repeat([-1.0 if row.better == "higher" else 1.0 for row in rows], len(models))
    return _assembled(
        rows, list(models), found, floors, intervals, signs, confidence, draws, samples[0].shape, seed
    )


def _floor(row: Metric, x: np.ndarray, seed: int) -> np.ndarray | None:
    """How far random halves of x are apart, where half of x will do."""
    splits = MANY_HALVINGS if row.name == "frechet" else HALVINGS
    try:
        return null_values(row, x, splits, np.random.default_rng(seed))
    except ValueError:
        return None


def _intervals(
    row: Metric, found: Influence, samples: list[np.ndarray], floor: np.ndarray | None, confidence: float
) -> list[Interval | str]:
    """Each model's own, by the theory that ``estimate`` has for the metric, or why there is none."""
    x, *models = samples
    if found.known:
        return [each.interval(confidence) for each in found.known]
    if row.interval == "jackknife" and row.name == "wasserstein" and x.shape[1] == 1:
        alone = [estimate(row, x, y, confidence=confidence, halvings=0, rng=0) for y in models]
        return [each.interval or NO_INTERVAL for each in alone]
    if row.name == "frechet" and floor is not None and min(len(x), *found.sizes) > x.shape[1]:
        return [
            _of_squared_length(found, i, len(x), float(floor.var(ddof=1)), confidence)
            for i in range(len(models))
        ]
    if row.interval == "test rows":
        errors = [
            math.sqrt(float(found.shared[i] @ found.shared[i] + own @ own)) for i, own in enumerate(found.own)
        ]
        reach = student_quantile(confidence, found.freedom)
        return [
            Interval(float(value - reach * error), float(value + reach * error), confidence)
            for value, error in zip(found.values, errors, strict=True)
        ]
    return [NO_INTERVAL] * len(models)


def _of_squared_length(found: Influence, i: int, n: int, null: float, confidence: float) -> Interval:
    """As ``estimate`` has it for the Fréchet distance; ``null`` is the variance between halves of x."""
    m, half = found.sizes[i], n // 2
    second = null * ((1 / n + 1 / m) / (2 / half)) ** 2
    variance = float(found.shared[i] @ found.shared[i] + found.own[i] @ found.own[i])
    bias = float(found.plain[i] - found.values[i])
    return squared_length_interval(float(found.values[i]), bias, variance - 2.0 * second, second, confidence)


def _checked(x: Any, models: Any) -> list[np.ndarray]:
    """x and every model's samples in float64, in that order."""
    if not isinstance(models, Mapping) or not all(isinstance(name, str) for name in models):
        raise TypeError(
            f"models must map names to samples, such as {{'a': y_a, 'b': y_b}}; got {type(models).__name__}"
        )
    if len(models) < 2:
        raise ValueError(f"models must hold at least two; got {len(models)}. estimate is for one")
    samples: list[np.ndarray] = []
    for name, y in models.items():
        names = ("x", f"models[{name!r}]")
        first, y = plain_samples(x, y, names)
        pair = check_pair(first, y, min_rows=4, names=names)
        if not samples:
            samples.append(np.asarray(to_numpy(detached(first)), dtype=np.float64).reshape(pair.n, pair.d))
        samples.append(np.asarray(to_numpy(detached(y)), dtype=np.float64).reshape(pair.m, pair.d))
    return samples


def _assembled(
    rows: list[Metric],
    names: list[str],
    found: list[Influence],
    floors: list[np.ndarray | None],
    intervals: list[list[Interval | str]],
    signs: np.ndarray,
    confidence: float,
    rng: np.random.Generator,
    shape: tuple[int, ...],
    seed: int | None,
) -> Comparison:
    values = np.concatenate([each.values for each in found])
    covariance, freedom = _covariance(found, len(names))
    count = len(names)
    pairs = [
        (k * count + i, k * count + j)
        for k in range(len(rows))
        for i, j in itertools.combinations(range(count), 2)
    ]
    first, second = np.array(pairs).T
    gaps = values[first] - values[second]
    errors = np.sqrt(
        np.maximum(covariance[first, first] + covariance[second, second] - 2 * covariance[first, second], 0.0)
    )
    largest = _largest(covariance, first, second, errors, freedom, rng)
    reach = float(np.quantile(largest, confidence)) * errors
    differences, behind = [], np.zeros(len(values), dtype=int)
    for (i, j), gap, error, half in zip(pairs, gaps, errors, reach, strict=True):
        told = abs(gap) > half
        nearer, farther = (i, j) if signs[i] * gap < 0 else (j, i)
        behind[farther] += told
        ratio = abs(gap) / error if error > 0 else (math.inf if gap else 0.0)
        differences.append(
            Difference(
                metric=rows[i // count].spec, first=names[i % count], second=names[j % count],
                value=float(gap), standard_error=float(error),
                interval=Interval(float(gap - half), float(gap + half), confidence),
                p_value=float((1 + np.sum(largest >= ratio)) / (1 + len(largest))),
                closer=names[nearer % count] if told else None,
            )
        )  # fmt: skip
    standings = []
    for k, (row, each, floor) in enumerate(zip(rows, found, floors, strict=True)):
        for i, name in enumerate(names):
            place = k * count + i
            error = math.sqrt(covariance[place, place])
            own = intervals[k][i]
            notes = ("higher is closer",) if row.better == "higher" else ()
            value = Estimate(
                float(each.plain[i]), own if isinstance(own, Interval) else None, error,
                null_floor=None if floor is None else float(floor.mean()),
                bias=float(each.plain[i] - each.values[i]), extrapolated=float(each.values[i]),
                notes=notes if isinstance(own, Interval) else (*notes, own),
                n=shape[0], m=each.sizes[i], d=shape[1], metric=row.spec, method=each.method,
            )  # fmt: skip
            standings.append(Standing(row.spec, name, value, 1 + int(behind[place])))
    return Comparison(
        tuple(standings), tuple(differences), confidence, n=shape[0], d=shape[1], seed=seed,
        notes=tuple(dict.fromkeys(note for each in found for note in each.notes)),
    )  # fmt: skip


def _covariance(found: list[Influence], count: int) -> tuple[np.ndarray, int]:
    """Of all values, metric by metric and in it model by model; and its degrees of freedom."""
    size = len(found) * count
    covariance = np.zeros((size, size))
    for (k, one), (h, other) in itertools.product(enumerate(found), repeat=2):
        at, to = slice(k * count, (k + 1) * count), slice(h * count, (h + 1) * count)
        if one.shared.shape[1] == other.shared.shape[1]:  # by the same rows or groups
            covariance[at, to] += one.shared @ other.shared.T
        for i in range(count):
            if len(one.own[i]) == len(other.own[i]):
                covariance[k * count + i, h * count + i] += one.own[i] @ other.own[i]
    return covariance, min(each.freedom for each in found)


def _largest(
    covariance: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    errors: np.ndarray,
    freedom: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws of the largest standardised difference, were none real: multivariate t."""
    scale, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(scale, 0.0))
    contrasts = (root[first] - root[second]) / np.where(errors > 0, errors, 1.0)[:, None]
    normal = np.abs(rng.normal(size=(DRAWS, root.shape[1])) @ contrasts.T).max(axis=1)
    found: np.ndarray = normal / np.sqrt(rng.chisquare(freedom, size=DRAWS) / freedom)
    return found
