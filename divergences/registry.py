"""One table of metrics. Command line, report, laws, contract tests, docs and gan read it.

A metric declares its abilities once, where it is written::

    @metric(on="samples", degree=1, differentiable=True, cost="n*m", reference="Székely & Rizzo 2013")
    def energy(x, y, *, x_weights=None, y_weights=None): ...

The decorator returns the function unwrapped.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

__all__ = ["METRICS", "Metric", "complete", "metric", "parse"]

F = TypeVar("F", bound=Callable[..., Any])

SPACES = ("samples", "pmf", "gaussian")
COSTS = ("n", "n log n", "n*m", "n^3", "fit")


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of METRICS: a function and what it declares about itself.

    ``on`` is what it takes: samples, probability vectors, or (mean, covariance) pairs.
    ``degree``: scaling both samples by c multiplies the value by c**degree; None where no
    such law holds. ``better``: "lower", "higher", or "none" where neither is better in itself.
    ``interval`` names the method by which ``estimate`` tells its error, None where there is none.
    ``options`` are bound by ``parse`` or ``with_options``. Calling the row calls the function.
    """

    name: str
    function: Callable[..., Any]
    on: str
    meaning: str
    laws: tuple[str, ...] = ()
    degree: float | None = 1
    differentiable: bool = True
    better: str = "lower"
    interval: str | None = None
    cost: str = "n*m"
    reference: str = ""
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    def __call__(self, x: Any, y: Any, *args: Any, **options: Any) -> Any:
        return self.function(x, y, *args, **{**self.options, **options})

    @property
    def convention(self) -> str:
        """The first line of the docstring: what is computed, in what convention and unit."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]

    @property
    def keywords(self) -> dict[str, inspect.Parameter]:
        """The options it takes, by name: every parameter after the data."""
        data = 4 if self.on == "gaussian" else 2
        return dict(list(inspect.signature(self.function).parameters.items())[data:])

    @property
    def weighted(self) -> bool:
        """Whether it takes ``x_weights`` and ``y_weights``."""
        return "x_weights" in self.keywords

    @property
    def spec(self) -> str:
        """The text ``parse`` turns back into this row."""
        inner = ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        return f"{self.name}({inner})" if inner else self.name

    def with_options(self, **options: Any) -> Metric:
        """The same row with options bound; an unknown one is an error with a suggestion."""
        for key in options:
            if key not in self.keywords:
                raise ValueError(
                    f"{self.name} has no option {key!r}{_did_you_mean(key, self.keywords)}; "
                    f"it takes {', '.join(self.keywords) or 'none'}"
                )
        return replace(self, options={**self.options, **options})


METRICS: dict[str, Metric] = {}


def metric(
    *,
    on: str,
    meaning: str,
    laws: Iterable[str] = (),
    degree: float | None = 1,
    differentiable: bool = True,
    better: str = "lower",
    interval: str | None = None,
    cost: str = "n*m",
    reference: str = "",
) -> Callable[[F], F]:
    """Enter a function into METRICS and return it unwrapped.

    ``meaning`` is one sentence for a person: what the number tells. Names of metrics on
    probability vectors and Gaussians carry their module: "pmf.kl", "gaussian.kl".
    """
    if on not in SPACES:
        raise ValueError(f"on must be one of {SPACES}, got {on!r}")
    if cost not in COSTS:
        raise ValueError(f"cost must be one of {COSTS}, got {cost!r}")
    if better not in ("lower", "higher", "none"):
        raise ValueError(f"better must be 'lower', 'higher' or 'none', got {better!r}")

    def enter(function: F) -> F:
        name = function.__name__ if on == "samples" else f"{on}.{function.__name__}"
        known = METRICS.get(name)
        if known is not None and known.function.__module__ != function.__module__:
            raise ValueError(f"metric {name!r} is already defined in {known.function.__module__}")
        METRICS[name] = Metric(
            name=name,
            function=function,
            on=on,
            meaning=meaning,
            laws=tuple(laws),
            degree=degree,
            differentiable=differentiable,
            better=better,
            interval=interval,
            cost=cost,
            reference=reference,
        )
        return function

    return enter


def parse(spec: str | Metric) -> Metric:
    """The metric a text names, its options bound: ``parse("squared_mmd(bandwidth=1.0)")``.

    Option values are Python literals. Unknown names, unknown options and anything that is not
    a plain call raise ValueError with the nearest known name.

    >>> parse("squared_mmd(bandwidth=1.0)").options
    {'bandwidth': 1.0}
    """
    if isinstance(spec, Metric):
        return spec
    if not isinstance(spec, str):
        raise TypeError(f"a metric is named by a string such as 'energy', got {type(spec).__name__}")
    try:
        tree = ast.parse(spec.strip(), mode="eval").body
    # null bytes are a ValueError, text too long or too deep the other two
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"cannot read the metric {spec!r}: write it as a call, for example 'squared_mmd(bandwidth=1.0)'"
        ) from error
    call = tree if isinstance(tree, ast.Call) else ast.Call(func=tree, args=[], keywords=[])
    name = ast.unparse(call.func)
    if name not in METRICS:
        raise ValueError(
            f"unknown metric {name!r}{_did_you_mean(name, METRICS)}; 'divergences metrics' lists them all"
        )
    if call.args:
        raise ValueError(f"options of {name} are given by name: {name}(option=value), got {spec!r}")
    options: dict[str, Any] = {}
    for key, value in map(_literal, call.keywords):
        if key in options:  # ast, unlike the compiler, lets the second one win
            raise ValueError(f"option {key} of {name} is given twice in {spec!r}")
        options[key] = value
    return METRICS[name].with_options(**options)


def complete(metric: Metric) -> Metric:
    """``metric`` if every option it requires is bound; else ValueError says which are not."""
    missing = [
        name
        for name, parameter in metric.keywords.items()
        if parameter.default is parameter.empty and name not in metric.options
    ]
    if missing:
        example = ", ".join(f"{name}=…" for name in missing)
        raise ValueError(f"{metric.name} needs {' and '.join(missing)}: write {metric.name}({example})")
    return metric


def _literal(keyword: ast.keyword) -> tuple[str, Any]:
    if keyword.arg is None:
        raise ValueError("options are given by name; '**' is not understood here")
    try:
        return keyword.arg, ast.literal_eval(keyword.value)
    except (ValueError, TypeError) as error:
        text = ast.unparse(keyword.value)
        hint = f"; did you mean {keyword.arg}='{text}'?" if isinstance(keyword.value, ast.Name) else ""
        raise ValueError(f"option {keyword.arg}={text} is not a plain value{hint}") from error


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
