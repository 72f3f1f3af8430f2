"""Every measure in one call: ``evaluate(x, y) -> Report``.

A report never stops halfway: a measure that fails, or that would cost far more than the others,
leaves a row that says so. Drawing and typesetting live in ``plots`` and ``report``; they only
read what is recorded here.
"""

from __future__ import annotations

import math
import platform
import re
import time
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from os import PathLike
from typing import Any

import numpy as np

from divergences._arrays import detached, is_torch, to_numpy
from divergences._inputs import (
    DivergenceWarning,
    check_integer,
    check_pair,
    check_rng,
    check_samples,
)
from divergences.registry import METRICS, Metric, parse
from divergences.results import Estimate, TestResult

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
EXACT_TRANSPORT_PAIRS = 4e6  # beyond this many pairs exact transport is run only when asked for


# ── the record ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report. ``value`` is None unless ``status`` is "ok".

    ``metric`` is the spec that ``parse`` reads; a metric of several values has a row for each,
    named ``metric.field``. ``status`` is "ok", "failed" or "left out", and ``error`` says why.
    ``warnings`` are to be heeded; ``notes`` only say how the value came about.
    """

    metric: str
    value: float | None
    status: str
    meaning: str
    better: str
    convention: str
    seconds: float
    standard_error: float | None = None
    p_value: float | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What ``evaluate`` found: one row a value, and what is needed to read and repeat it.

    ``report["energy"]`` is a row; ``print(report)`` a table; ``markdown``, ``to_json``, ``frame``
    and ``html`` (with pictures) are the same in other dress. ``rng=report.seed`` repeats it.
    The samples are kept for pictures only and are not part of any text form.
    """

    rows: tuple[Row, ...]
    x: np.ndarray = field(repr=False, compare=False)
    y: np.ndarray = field(repr=False, compare=False)
    names: tuple[str, str]
    n: int
    m: int
    d: int
    seconds: float
    seed: int
    versions: Mapping[str, str]
    created: str
    image_shape: tuple[int, ...] | None = None
    validation: np.ndarray | None = field(default=None, repr=False, compare=False)
    x_weights: np.ndarray | None = field(default=None, repr=False, compare=False)
    y_weights: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __getitem__(self, metric: str) -> Row:
        """The row of a metric, by its full text or, where only one fits, without its options."""
        exact = [row for row in self.rows if row.metric == metric]
        close = exact or [row for row in self.rows if re.sub(r"\(.*\)", "", row.metric) == metric]
        if len(close) == 1 or exact:
            return close[0]
        reason = "several rows fit" if close else "no such row"
        raise KeyError(f"{reason}: {metric!r}; this report has {', '.join(r.metric for r in self.rows)}")

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers; the samples are left out."""
        return {
            "names": list(self.names),
            "n": self.n,
            "m": self.m,
            "d": self.d,
            "created": self.created,
            "seconds": self.seconds,
            "seed": self.seed,
            "versions": dict(self.versions),
            "image_shape": None if self.image_shape is None else list(self.image_shape),
            "rows": [
                {**asdict(row), "warnings": list(row.warnings), "notes": list(row.notes)} for row in self.rows
            ],
        }

    def to_json(self, path: str | PathLike[str] | None = None, indent: int | None = 2) -> str:
        """``to_dict`` as JSON, also written to ``path``; "inf", "-inf" and "nan" are strings there."""
        from divergences.report.files import json_text

        return _written(json_text(self.to_dict(), indent), path)

    def frame(self) -> Any:
        """The rows as a pandas DataFrame."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "Report.frame() needs pandas: pip install pandas. to_dict()['rows'] holds the same rows"
            ) from error
        return pandas.DataFrame(self.to_dict()["rows"])

    def text(self, width: int | None = None, *, color: bool = False) -> str:
        """A fixed-width table, as wide as the terminal unless ``width`` is given; plain unless ``color``."""
        from divergences.report import text

        return text.table(self, width=width, color=color)

    def markdown(self) -> str:
        """The table as GitHub markdown."""
        from divergences.report import text

        return text.markdown(self)

    def html(self, path: str | PathLike[str] | None = None, title: str | None = None) -> str:
        """One self-contained page with the table and the pictures, also written to ``path``."""
        from divergences.report import html

        title = f"{self.names[0]} and {self.names[1]}: how far apart?" if title is None else title
        return _written(html.render([self], title=title), path)

    def _repr_html_(self) -> str:
        from divergences.report import html

        return html.notebook(self)


def _written(text: str, path: str | PathLike[str] | None) -> str:
    if path is not None:
        from divergences.report.files import write_text

        write_text(path, text)
    return text


# ── evaluate ────────────────────────────────────────────────────────────────────────────────


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


def evaluate(
    x: Any,
    y: Any,
    metrics: str | Metric | Iterable[str | Metric] | None = None,
    *,
    validation: Any = None,
    x_weights: Any = None,
    y_weights: Any = None,
    rng: Any = None,
    names: tuple[str, str] = ("x", "y"),
    image_shape: Sequence[int] | None = None,
    progress: bool | None = None,
) -> Report:
    """Every measure of how far the model's samples ``y`` (m, d) lie from the reference ``x`` (n, d).

    ``metrics``: specs such as ``"squared_mmd(bandwidth=1.0)"``; None for a set that covers moments,
    kernels, transport, densities, a classifier and neighbours. ``validation``: samples of P held
    out for measures that tune themselves. ``names`` are what reports call the two samples;
    ``image_shape``, (h, w) or (h, w, 3), says that rows are images. ``progress``: True or False
    forces a bar on stderr; by default one appears on a terminal after two seconds.

    Bad input raises ``ValueError`` or ``TypeError``. A metric that fails gets a row that says why.
    Each metric draws from a generator of its own, made from one seed and its name, so that
    adding a metric changes no other's number.
    """
    started = time.perf_counter()
    check_pair(x, y, x_weights, y_weights)
    plain_x, plain_y = to_numpy(check_samples(x, "x")), to_numpy(check_samples(y, "y"))
    if validation is not None:
        check_pair(validation, x, names=("validation", "x"))
    names, image_shape = _checked_names(names), _checked_image_shape(image_shape, plain_x.shape[1])
    chosen = _chosen(metrics)
    given = {"x_weights": x_weights, "y_weights": y_weights}
    data = _Data(
        x=detached(x),
        y=detached(y),
        weights={key: detached(value) for key, value in given.items() if value is not None},
        validation=detached(validation),
        seed=_seed(rng),
        pairs=len(plain_x) * len(plain_y),
        d=plain_x.shape[1],
    )
    rows: list[Row] = []
    for metric in _with_progress(chosen, progress):
        too_much = _too_much(metric, data) if metrics is None else None
        rows += _rows(metric, data, too_much)
    return Report(
        rows=tuple(rows),
        x=plain_x,
        y=plain_y,
        names=names,
        n=len(plain_x),
        m=len(plain_y),
        d=data.d,
        seconds=time.perf_counter() - started,
        seed=data.seed,
        versions=_versions(x),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        image_shape=image_shape,
        validation=None if validation is None else to_numpy(check_samples(validation, "validation")),
        x_weights=None if x_weights is None else to_numpy(x_weights),
        y_weights=None if y_weights is None else to_numpy(y_weights),
    )


def _chosen(metrics: str | Metric | Iterable[str | Metric] | None) -> list[Metric]:
    if metrics is None:
        return [METRICS[name] for name in DEFAULT_METRICS]
    if isinstance(metrics, (str, Metric)):
        metrics = [metrics]
    chosen = [parse(spec) for spec in metrics]
    if not chosen:
        raise ValueError("metrics must name at least one metric; got an empty list. None is the usual set")
    return chosen


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
    found = {"python": platform.python_version()}
    for package in ("divergences", "numpy", "scipy", "scikit-learn", *(["torch"] if is_torch(x) else [])):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # a source tree that was never installed
            found[package] = "unknown"
    return found


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
        return (
            f"{metric.name} takes probability vectors, not samples; for samples use "
            f"{name}(estimator='histogram')"
        )
    if data.weights and metric.on == "samples" and not metric.weighted:
        return f"{metric.name} takes no weights; resample by weight first, or evaluate without weights"
    return None


def _too_much(metric: Metric, data: _Data) -> str | None:
    """Why the usual set passes over exact transport here, or None."""
    if metric.name != "wasserstein" or data.d == 1 or data.pairs <= EXACT_TRANSPORT_PAIRS:
        return None
    n, m = len(data.x), len(data.y)
    # memory and growth as seen from 1,000² to 4,000² pairs
    seconds = 2 * (data.pairs / EXACT_TRANSPORT_PAIRS) ** 1.4
    steps = ((90, 1, "s"), (5400, 60, "min"), (math.inf, 3600, "h"))
    duration = next(f"{seconds / unit:.0f} {name}" for limit, unit, name in steps if seconds < limit)
    return (
        f"exact transport of {n} × {m} pairs needs about {40e-9 * data.pairs:.2g} GB and {duration}; "
        "ask for it with metrics=['wasserstein'] or read sliced_wasserstein"
    )


def _called(metric: Metric, data: _Data) -> Any:
    """The metric's own result, with the options it takes and the caller did not bind."""
    offered: dict[str, Any] = dict(data.weights) if metric.weighted else {}
    if data.validation is not None:
        offered["validation"] = data.validation
    offered["rng"] = _generator(data.seed, metric.name)
    options = {k: v for k, v in offered.items() if k in metric.keywords and k not in metric.options}
    if metric.on == "samples":
        return metric(data.x, data.y, **options)
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


def _with_progress(chosen: list[Metric], progress: bool | None) -> Iterator[Metric]:
    """The metrics one by one, with a bar on stderr where one is wanted."""
    from divergences.report.progress import Bar

    with Bar(len(chosen), progress) as bar:
        for metric in chosen:
            bar.label(metric.spec)
            yield metric
            bar.advance()
