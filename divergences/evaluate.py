"""Every measure in one call: ``evaluate(x, y) -> Report``.

A report never stops halfway: a measure that fails, or that would cost far more than the others,
leaves a row that says so.
"""

from __future__ import annotations

import math
import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from divergences._arrays import detached, is_torch, to_numpy
from divergences._features import extracted, feature_name
from divergences._inputs import (
    DivergenceWarning,
    as_plain,
    check_columns,
    check_confidence,
    check_integer,
    check_pair,
    check_rng,
    check_samples,
    plain_samples,
)
from divergences._pairwise import SHARED, Steps, run_together
from divergences._progress import Bar
from divergences._record import Report, Row
from divergences.inference import estimate
from divergences.inference.rows import with_rng
from divergences.registry import METRICS, Metric, complete, parse
from divergences.results import Estimate, TestResult

if TYPE_CHECKING:
    from divergences.inference.evidence import Evidence

__all__ = ["DEFAULT_METRICS", "Report", "Row", "evaluate"]

DEFAULT_METRICS = (
    "frechet",
    "energy",
    "squared_mmd",
    "sliced_wasserstein",
    "wasserstein",
    "kl",
    "reverse_kl",
    "js",
    "classifier_two_sample",
    "precision_recall",
    "parzen_log_likelihood",
)
SEVERAL = ("precision_recall", "classifier_two_sample")  # values, or a test with a p-value of its own
UNWEIGHTED = ("kl", "reverse_kl", "js")  # by default estimated from neighbours, which take no weights
HISTOGRAM_FEATURES = 3  # up to here a histogram has rows enough in its cells
SHARED_PAIRS = 1e6  # from here on metrics over all pairs share one visit of them
EXACT_TRANSPORT_PAIRS = 4e6  # beyond this many pairs exact transport is run only when asked for


@dataclass(frozen=True, slots=True)
class _Data:
    """What every metric is called with; arrays in the caller's own library."""

    x: Any
    y: Any
    weights: Mapping[str, Any]
    validation: Any
    seed: int
    pairs: int
    d: int
    confidence: float | None


def evaluate(
    x: Any,
    y: Any,
    metrics: str | Metric | Iterable[str | Metric] | None = None,
    *,
    validation: Any = None,
    x_weights: Any = None,
    y_weights: Any = None,
    confidence: float | None = None,
    rng: Any = None,
    names: tuple[str, str] = ("x", "y"),
    image_shape: Sequence[int] | None = None,
    features: Callable[[Any], Any] | None = None,
    batch_size: int = 256,
    progress: bool | None = None,
) -> Report:
    """Every measure of how far the model's samples ``y`` (m, d) lie from the reference ``x`` (n, d).

    ``metrics``: specs such as ``"squared_mmd(bandwidth=1.0)"``; None for a set that covers moments,
    kernels, transport, densities, a classifier and neighbours. ``validation``: samples of P held
    out for measures that tune themselves. ``confidence``, such as 0.95, asks ``estimate`` of each metric
    of one value: its interval, its floor between two halves of ``x`` and its value without bias, where
    it has them, at several times the cost; and gathers ``evidence``: permutation tests of what permutes all
    at once, the rows that carry the distance, parts of x left out, rows of y far from x (by at most 2,500
    rows of each, drawn at random), estimators of the first f-divergence side by side (1,000 rows). What
    is left out says why. ``names`` are what reports call the two samples;
    ``image_shape``, (h, w) or (h, w, 3), says that rows are images. ``features``: a callable, such as a
    torch module or a sentence encoder, that turns a batch of ``batch_size`` samples of any kind into rows
    (b, k), which are then measured in place of x, y and ``validation``. Tables (pandas, polars, Arrow,
    Hugging Face) must have the same columns in one order; the report keeps their names. ``progress``:
    True or False forces a bar on stderr; by default one appears on a terminal after two seconds.

    Bad input raises ``ValueError`` or ``TypeError``. A metric that fails gets a row that says why.
    Each metric draws from a generator of its own, made from one seed and its name, so that
    adding a metric changes no other's number.

    >>> report = evaluate([0.0, 1.0], [5.0, 6.0], ["energy", "wasserstein"])
    >>> [(row.metric, row.value) for row in report.rows]
    [('energy', 9.0), ('wasserstein', 5.0)]
    """
    started = time.perf_counter()
    columns = None
    if features is None:
        columns = check_columns(x, y)
        x, y = plain_samples(x, y)
        validation = as_plain(validation, "validation")
    else:
        x, y, validation = (
            side if side is None else extracted(features, side, name, batch_size=batch_size)
            for side, name in ((x, "x"), (y, "y"), (validation, "validation"))
        )
    data = _checked(x, y, {"x_weights": x_weights, "y_weights": y_weights}, validation, rng, confidence)
    names, image_shape = _checked_names(names), _checked_image_shape(image_shape, data.d)
    rows: list[Row] = []
    chosen = _chosen(metrics, data)
    shared = _shared(chosen, data)
    with Bar(len(chosen) + (data.confidence is not None), progress) as bar:
        for k, metric in enumerate(chosen):
            bar.label(metric.spec)
            too_much = _too_much(metric, data) if metrics is None else None
            rows += shared[k] if k in shared else _rows(metric, data, too_much)
            bar.advance()
        kept = _kept(x, "x"), _kept(y, "y")
        evidence = None
        if data.confidence is not None:
            bar.label("tests and evidence")
            evidence = _evidence(chosen, kept, data)
            rows = _with_p_values(rows, evidence)
            bar.advance()
    return Report(
        rows=tuple(rows),
        x=kept[0],
        y=kept[1],
        names=names,
        n=len(data.x),
        m=len(data.y),
        d=data.d,
        seconds=time.perf_counter() - started,
        seed=data.seed,
        versions=_versions(x),
        created=_now(),
        image_shape=image_shape,
        validation=None if validation is None else to_numpy(check_samples(validation, "validation")),
        x_weights=None if x_weights is None else to_numpy(x_weights),
        y_weights=None if y_weights is None else to_numpy(y_weights),
        confidence=data.confidence,
        columns=columns,
        features=None if features is None else feature_name(features),
        evidence=evidence,
    )


def _kept(samples: Any, name: str) -> np.ndarray:
    """The samples as pictures take them; a mapped file, checked by now, stays one."""
    if isinstance(samples, np.memmap):
        return np.asarray(samples).reshape(len(samples), -1)
    return to_numpy(check_samples(samples, name))


def _checked(
    x: Any, y: Any, weights: Mapping[str, Any], validation: Any, rng: Any, confidence: float | None
) -> _Data:
    """What the metrics are called with, or the error they would all end in."""
    confidence = None if confidence is None else check_confidence(confidence)
    pair = check_pair(x, y, **weights, streams=True)  # each metric decides for itself whether it streams
    if validation is not None:
        check_pair(validation, x, names=("validation", "x"))
    return _Data(
        x=detached(x),
        y=detached(y),
        weights={key: detached(value) for key, value in weights.items() if value is not None},
        validation=detached(validation),
        seed=_seed(rng),
        pairs=pair.n * pair.m,
        d=pair.d,
        confidence=confidence,
    )


def _chosen(metrics: str | Metric | Iterable[str | Metric] | None, data: _Data) -> list[Metric]:
    if metrics is None:
        return [_fitting(METRICS[name], data) for name in DEFAULT_METRICS]
    if isinstance(metrics, (str, Metric)):
        metrics = [metrics]
    chosen = [complete(parse(spec)) for spec in metrics]
    if not chosen:
        raise ValueError("metrics must name at least one metric; got an empty list. None is the usual set")
    return chosen


def _fitting(metric: Metric, data: _Data) -> Metric:
    """The metric, with an estimator that takes weights where there are some: neighbours do not."""
    if not data.weights or metric.name not in UNWEIGHTED:
        return metric
    return metric.with_options(estimator="histogram" if data.d <= HISTOGRAM_FEATURES else "classifier")


def _checked_names(names: Any) -> tuple[str, str]:
    if isinstance(names, str) or len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise ValueError(f"names must be two strings, for x and for y; got {names!r}")
    return (names[0], names[1])


def _checked_image_shape(shape: Sequence[int] | None, d: int) -> tuple[int, ...] | None:
    if shape is None:
        return None
    sides = tuple(check_integer(side, "image_shape") for side in shape)
    if len(sides) not in (2, 3) or (len(sides) == 3 and sides[2] != 3) or math.prod(sides) != d:
        raise ValueError(
            f"image_shape must be (height, width) or (height, width, 3) with a product of {d}, the number "
            f"of features; got {sides}. Leave it out if rows are not images"
        )
    return sides


def _seed(rng: Any) -> int:
    """One integer that repeats the run: the caller's own, or drawn from the caller's generator."""
    generator = check_rng(rng)
    if rng is None or isinstance(rng, np.random.Generator):
        return int(generator.integers(2**32))
    return int(rng)


def _versions(x: Any) -> dict[str, str]:
    import platform
    from importlib import metadata  # slow to load, so not with the package

    found = {"python": platform.python_version()}
    for package in ("divergences", "numpy", "scipy", "scikit-learn", *(["torch"] if is_torch(x) else [])):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # a source tree that was never installed
            found[package] = "unknown"
    return found


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="seconds")


# ── what stands behind them ─────────────────────────────────────────────────────────────────


def _evidence(chosen: list[Metric], kept: tuple[np.ndarray, np.ndarray], data: _Data) -> Evidence:
    """Tests, carriers and estimators, by as many rows as take seconds."""
    from divergences.inference.evidence import Evidence, gather  # only a report with a confidence asks

    if data.weights:
        reason = "tests and shares are of rows that weigh the same; resample by weight first"
        return Evidence(left_out={"all": reason})
    draws = _generator(data.seed, "evidence")
    with warnings.catch_warnings():  # what a measure warns of stands in its row
        warnings.simplefilter("ignore")
        return gather(*kept, chosen, confidence=data.confidence or 0.95, rng=draws)


def _with_p_values(rows: list[Row], evidence: Evidence) -> list[Row]:
    """The rows with the p-values of their permutation tests."""
    tests = evidence.tests
    parts = () if tests is None else tests.components or (tests,)
    found = {part.metric: part.p_value for part in parts}
    return [replace(row, p_value=found.get(row.metric, row.p_value)) for row in rows]


# ── one metric ──────────────────────────────────────────────────────────────────────────────


def _rows(metric: Metric, data: _Data, too_much: str | None) -> list[Row]:
    """The rows of one metric, whatever happens to it."""
    refusal = too_much or _refusal(metric, data)
    if refusal:
        return [_row(metric, status="left out", error=refusal)]
    values: list[dict[str, Any]] = []
    error = None
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            values = list(_values(_called(metric, data)))
        except Exception as failure:
            error = " ".join(f"{type(failure).__name__}: {failure}".split())
    seconds = time.perf_counter() - started
    texts = _texts(caught)
    if error is not None:
        return [_row(metric, status="failed", seconds=seconds, warnings=texts, error=error)]
    share = seconds / max(len(values), 1)  # several values of one metric came out of one computation
    return [_row(metric, **value, warnings=texts, seconds=share) for value in values]


def _shared(chosen: list[Metric], data: _Data) -> dict[int, list[Row]]:
    """The rows of metrics that large samples let share one visit of all pairs, by place.

    What cannot share, or fails, is left to be called by itself.
    """
    able = {k: metric for k, metric in enumerate(chosen) if metric.name in SHARED}
    if len(able) < 2 or data.d == 1 or data.pairs < SHARED_PAIRS or data.confidence is not None:
        return {}
    started = time.perf_counter()
    pair = check_pair(data.x, data.y, **data.weights, streams=True)
    if pair.same or min(pair.n, pair.m) < 2:
        return {}
    texts: dict[int, tuple[str, ...]] = {}

    def told(k: int, steps: Steps) -> Steps:
        """The steps, with what they warn of kept for their own row."""
        found: Any = None
        caught: list[warnings.WarningMessage] = []
        while True:
            with warnings.catch_warnings(record=True) as new:
                warnings.simplefilter("always")
                try:
                    wish = next(steps) if found is None else steps.send(found)
                except StopIteration as done:
                    texts[k] = _texts([*caught, *new])
                    return done.value
            caught += new
            found = yield wish

    values = run_together(pair, [told(k, SHARED[m.name](pair, **m.options)) for k, m in able.items()])
    finished = {k: v for k, v in zip(able, values, strict=True) if not isinstance(v, Exception)}
    seconds = (time.perf_counter() - started) / max(len(finished), 1)
    return {
        k: [_row(able[k], **fields, warnings=texts[k], seconds=seconds) for fields in _values(value)]
        for k, value in finished.items()
    }


def _row(metric: Metric, *, suffix: str = "", **known: Any) -> Row:
    return Row(
        metric=metric.spec + suffix,
        **{
            "value": None,
            "status": "ok",
            "meaning": metric.meaning,
            "better": metric.better,
            "convention": metric.convention,
            "seconds": 0.0,
            **known,
        },
    )


def _refusal(metric: Metric, data: _Data) -> str | None:
    """Why a metric cannot be asked about these samples at all, or None."""
    if metric.on == "pmf":
        name = metric.name.removeprefix("pmf.")
        if name in METRICS:
            mend = f"for samples use {name}(estimator='histogram')"
        else:
            mend = "divergences.pmf.histogram(x, y) makes such vectors of samples"
        return f"{metric.name} takes probability vectors, not samples; {mend}"
    if data.weights and metric.on == "samples" and not metric.weighted:
        return f"{metric.name} takes no weights; resample by weight first, or evaluate without weights"
    return None


def _too_much(metric: Metric, data: _Data) -> str | None:
    """Why the usual set passes over exact transport here, or None."""
    if metric.name != "wasserstein" or data.d == 1 or data.pairs <= EXACT_TRANSPORT_PAIRS:
        return None
    n, m = len(data.x), len(data.y)
    # as seen: 2 s for 2,000² pairs in the plane, 20 s for 10,000², 90 s for those in 784 dimensions
    seconds = 2 * (data.pairs / EXACT_TRANSPORT_PAIRS) ** 0.75 * (1 + data.d / 200)
    steps = ((90, 1, "s"), (5400, 60, "min"), (math.inf, 3600, "h"))
    duration = next(f"{seconds / unit:.0f} {name}" for limit, unit, name in steps if seconds < limit)
    return (
        f"exact transport of {n} × {m} pairs takes about {duration}; "
        "ask for it with metrics=['wasserstein'] or read sliced_wasserstein"
    )


def _called(metric: Metric, data: _Data) -> Any:
    """The metric's own result, with the options it takes and the caller did not bind."""
    offered: dict[str, Any] = dict(data.weights) if metric.weighted else {}
    if data.validation is not None:
        offered["validation"] = data.validation
    draws = _generator(data.seed, metric.name)
    options = {k: v for k, v in offered.items() if k in metric.keywords and k not in metric.options}
    if metric.on == "samples" and data.confidence is not None and metric.name not in SEVERAL:
        bound = metric.with_options(**options)
        return estimate(bound, data.x, data.y, confidence=data.confidence, rng=draws)
    if metric.on == "samples":
        return with_rng(metric.with_options(**options), draws)(data.x, data.y)
    from divergences import gaussian

    fitted_x = gaussian.fit(data.x, **_weights_for(data, "x_weights"))
    fitted_y = gaussian.fit(data.y, **_weights_for(data, "y_weights"))
    return metric(*fitted_x, *fitted_y, **options)


def _weights_for(data: _Data, side: str) -> dict[str, Any]:
    return {"weights": data.weights[side]} if side in data.weights else {}


def _generator(seed: int, name: str) -> np.random.Generator:
    key = zlib.crc32(name.encode())  # hash() differs from one process to the next
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))


def _values(result: Any, suffix: str = "") -> Iterator[dict[str, Any]]:
    """Whatever a metric returned, as the fields of one row for each value."""
    if isinstance(result, Estimate):
        yield {
            "suffix": suffix,
            "value": float(result.value),
            "standard_error": result.standard_error,
            "notes": result.notes,
            "interval": None if result.interval is None else (result.interval.lower, result.interval.upper),
            "null_floor": result.null_floor,
            "extrapolated": result.extrapolated if result.bias else None,
        }
    elif isinstance(result, TestResult):
        yield {
            "suffix": suffix,
            "value": float(result.statistic),
            "p_value": float(result.p_value),
            "notes": result.notes,
        }
    elif isinstance(result, tuple) and hasattr(result, "_fields"):
        for name in result._fields:
            yield from (
                {**_said_of(result, name), **value}
                for value in _values(getattr(result, name), f"{suffix}.{name}")
            )
    else:
        value = to_numpy(result)
        if value.size != 1:
            raise ValueError(f"the metric returned an array of shape {value.shape}, not one number")
        yield {"suffix": suffix, "value": float(value.reshape(()))}


def _said_of(result: Any, name: str) -> dict[str, str]:
    """The meaning of a named field, where its author wrote one as the field's docstring."""
    text = getattr(type(result), name).__doc__ or ""
    return {} if not text or text.startswith("Alias for field number") else {"meaning": text}


def _texts(caught: Iterable[warnings.WarningMessage]) -> tuple[str, ...]:
    """Each once. Our own are sentences already; others are named, so that they can be looked up."""
    ours = ((issubclass(w.category, DivergenceWarning), w) for w in caught)
    texts = (str(w.message) if own else f"{w.category.__name__}: {w.message}" for own, w in ours)
    return tuple(dict.fromkeys(texts))
