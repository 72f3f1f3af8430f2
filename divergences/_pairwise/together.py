"""Several measures from the same visits of the pairs.

A measure over pairs is written as steps: a generator that yields a ``Wish``, what it wants summed over
the pairs, is sent what was ``Found``, and returns its value. ``run`` grants the wishes of many
measures in one visit of x with y and one of each sample with itself.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from divergences._arrays import Array, namespace, safe_log
from divergences._pairwise.visit import Function, LogSums, visit

__all__ = ["SHARED", "Found", "Steps", "Wish", "log_weights", "run", "run_together", "shares"]


@dataclass(frozen=True)
class Wish:
    """Functions of distance to average between x and y (``across``) and in each of them (``within``).

    ``log_sums``: the rates of log Σ_j b_j exp(−rate ‖x_i − y_j‖²) for each row of x.
    """

    across: Sequence[Function] = ()
    within: Sequence[Function] = ()
    log_sums: Sequence[float] = ()


@dataclass(frozen=True)
class Found:
    """The averages, in the order of the wish, and the log sums by rate, each ``(n,)``."""

    across: list[Array]
    within_x: list[Array]
    within_y: list[Array]
    log_sums: list[Array]


Steps = Generator[Wish, Found, Any]

# by the name of a measure: its steps to the value it returns, from a pair and the measure's options
SHARED: dict[str, Callable[..., Steps]] = {}


def shares(name: str) -> Callable[[Callable[..., Steps]], Callable[..., Steps]]:
    """Say that the measure ``name`` can share visits; options that cannot raise NotImplementedError."""

    def enter(steps: Callable[..., Steps]) -> Callable[..., Steps]:
        SHARED[name] = steps
        return steps

    return enter


def run(pair: Any, steps: Steps) -> Any:
    """The value of one measure; whatever it raises is raised."""
    (value,) = run_together(pair, [steps], catching=())
    return value


def run_together(
    pair: Any, measures: Sequence[Steps], *, catching: tuple[type[Exception], ...] = (Exception,)
) -> list[Any]:
    """The value of each measure; in place of it, an exception that it raised."""
    values: list[Any] = [None] * len(measures)
    wishes: dict[int, Wish] = {}

    def advance(k: int, step: Callable[[], Wish]) -> None:
        wishes.pop(k, None)
        try:
            wishes[k] = step()
        except StopIteration as done:
            values[k] = done.value
        except catching as error:
            values[k] = error

    for k, steps in enumerate(measures):
        advance(k, lambda steps=steps: next(steps))  # type: ignore[misc]
    while wishes:
        found = _granted(pair, wishes)
        for k, one in found.items():
            advance(k, lambda k=k, one=one: measures[k].send(one))  # type: ignore[misc]
    return values


def _granted(pair: Any, wishes: dict[int, Wish]) -> dict[int, Found]:
    """One visit across and one within each sample, each function summed once however many want it."""
    across = _distinct(f for wish in wishes.values() for f in wish.across)
    within = _distinct(f for wish in wishes.values() for f in wish.within)
    rates = _distinct(rate for wish in wishes.values() for rate in wish.log_sums)
    logs = LogSums(log_weights(pair.b), rates) if rates else None
    look = partial(visit, single=pair.single)
    between, log_sums = look(pair.x, pair.y, pair.a, pair.b, across, logs) if across or logs else ([], None)
    in_x = look(pair.x, None, pair.a, None, within)[0] if within else []
    in_y = look(pair.y, None, pair.b, None, within)[0] if within else []
    return {
        k: Found(
            across=[between[across.index(f)] for f in wish.across],
            within_x=[in_x[within.index(f)] for f in wish.within],
            within_y=[in_y[within.index(f)] for f in wish.within],
            log_sums=[] if log_sums is None else [log_sums[rates.index(rate)] for rate in wish.log_sums],
        )
        for k, wish in wishes.items()
    }


def log_weights(b: Array) -> Array:
    """log b, −inf where a row weighs nothing; its gradient is finite there."""
    xp = namespace(b)
    return xp.where(b > 0, safe_log(xp, b), -xp.inf)


def _distinct(items: Any) -> list[Any]:
    return list(dict.fromkeys(items))
