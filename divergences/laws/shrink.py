"""From the worst case found to the smallest that still breaks the law."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from divergences.laws.draw import normalised, rounded

__all__ = ["shrunk"]

Case = dict[str, Any]
ATTEMPTS = 2000  # evaluations of the law: every one that helps starts over


def shrunk(case: Case, on: str, roles: Sequence[str], breaks: Callable[[Case], bool], dtype: str) -> Case:
    """The smallest case found by greedy steps for which ``breaks`` is still true.

    Fewer outcomes, rows or dimensions come first, then rounder numbers; a step is taken if it
    makes the case smaller and the law is still broken.
    """
    case = {role: case[role] for role in roles}
    attempts = 0
    going = True
    while going:
        going = False
        for candidate in STEPS[on](case):
            candidate = {role: rounded(value, dtype) for role, value in candidate.items()}
            if complexity(candidate) >= complexity(case):
                continue
            attempts += 1
            if attempts > ATTEMPTS:
                return case
            if breaks(candidate):
                case, going = candidate, True
                break
    return case


def complexity(case: Case) -> tuple[int, int]:
    """How many numbers, and how long they are to write."""
    numbers = [value for array in case.values() for value in np.ravel(array).tolist()]
    return len(numbers), sum(_length(value) for value in numbers)


def _length(value: float) -> int:
    """Digits, with a sign and a point: 0 before 1 before 2, 0.5 before 0.25."""
    text = repr(value).removesuffix(".0")
    return 0 if text == "0" else len(text) * 10 + (text not in ("1", "0.5"))


# ── steps ───────────────────────────────────────────────────────────────────────────────────


def _pmf_steps(case: Case) -> Iterator[Case]:
    yield from _without(case, ("p", "q", "r", "s", "test", "order", "channel", "channel2"), 0)
    yield from _without(case, ("p2", "q2"), 0, partners=("channel", "channel2"))
    for role, value in case.items():
        if role in ("order", "test") or np.ndim(value) == 0:
            yield from _simpler(case, role)
            continue
        for simple in _simple_masses(value):
            yield {**case, role: simple}


def _simple_masses(p: np.ndarray) -> Iterator[np.ndarray]:
    """Rounder pmfs (or channels, row by row)."""
    k = p.shape[-1]
    yield np.full(p.shape, 1.0 / k)
    for i in range(k):
        yield np.broadcast_to(np.eye(k)[i], p.shape).copy()
    for parts in (2, 4, 8, 10, 16, 100, 1000, 10**6):
        counts = np.round(p * parts)
        counts[..., 0] += parts - counts.sum(axis=-1)
        if np.all(counts >= 0):
            yield counts / parts
    for index in np.ndindex(p.shape):  # one mass to 0
        if p[index] > 0:
            less = p.copy()
            less[index] = 0.0
            if np.all(less.sum(axis=-1) > 0):
                yield normalised(less)


def _samples_steps(case: Case) -> Iterator[Case]:
    for group in (("x", "x2", "a", "order"), ("y", "y2", "b", "order2"), ("z",), ("u",), ("v",), ("w",),
                  ("centres", "heights")):  # fmt: skip
        yield from _without(case, group, 0)
    columns = [role for role in ("x", "y", "z", "x2", "y2", "centres") if role in case]
    yield from _without(case, columns, 1, partners=("shift",))
    yield from _moved_to_the_origin(case)
    for role in case:
        yield from _simpler(case, role)


def _moved_to_the_origin(case: Case) -> Iterator[Case]:
    for roles in (("x", "y", "z", "x2", "y2", "centres"), ("u", "v", "w")):
        present = [role for role in roles if role in case]
        if present:
            low = np.min([case[role].min(axis=0) for role in present], axis=0)
            yield {**case, **{role: case[role] - low for role in present}}


def _gaussian_steps(case: Case) -> Iterator[Case]:
    d = len(case["x_mean"])
    for i in range(d) if d > 1 else ():
        keep = np.arange(d) != i
        out: Case = {}
        for role, value in case.items():
            if role in ("x_cov", "y_cov", "z_cov", "matrix"):
                out[role] = value[np.ix_(keep, keep)]
            elif role == "order":
                out[role] = _reranked(value, keep)
            else:
                out[role] = value[keep] if np.ndim(value) else value
        yield out
    for role, value in case.items():
        if role.endswith("_cov"):
            yield {**case, role: np.eye(d)}
            yield {**case, role: np.diag(np.diag(value))}
            yield {**case, role: np.round(np.diag(np.diag(value)))}
            yield {**case, role: np.round(value)}
        elif role == "matrix":
            yield {**case, role: 2.0 * np.eye(d)}
        else:
            yield from _simpler(case, role)


STEPS: dict[str, Callable[[Case], Iterator[Case]]] = {
    "pmf": _pmf_steps,
    "samples": _samples_steps,
    "gaussian": _gaussian_steps,
}


def _without(case: Case, roles: Sequence[str], axis: int, partners: Sequence[str] = ()) -> Iterator[Case]:
    """The case with one entry of this axis taken out of all these roles; ``partners`` lose it on the last."""
    present = [role for role in roles if role in case and np.ndim(case[role]) > axis]
    if not present or case[present[0]].shape[axis] < 2:
        return
    size = case[present[0]].shape[axis]
    for i in reversed(range(size)):
        keep = np.arange(size) != i
        out = dict(case)
        for role in present:
            out[role] = np.compress(keep, case[role], axis=axis)
            if role in ("order", "order2"):
                out[role] = _reranked(case[role], keep)
            elif role in ("p", "q", "r", "s", "p2", "q2"):
                if out[role].sum() == 0:
                    break
                out[role] = normalised(out[role])
        else:
            for role in partners:
                if role in case:
                    out[role] = np.compress(keep, case[role], axis=-1)
                    if role.startswith("channel"):
                        if np.any(out[role].sum(axis=-1) == 0):
                            break
                        out[role] = normalised(out[role])
            else:
                yield out


def _reranked(order: np.ndarray, keep: np.ndarray) -> np.ndarray:
    kept = order[np.isin(order, np.flatnonzero(keep))]
    return np.argsort(np.argsort(kept))


def _simpler(case: Case, role: str) -> Iterator[Case]:
    """The same shapes with rounder numbers."""
    value = case[role]
    if role in ("order", "order2"):
        yield {**case, role: np.arange(len(value))}
        return
    if np.ndim(value) == 0:
        for simple in (2.0, 1.0, 0.5):
            yield {**case, role: np.float64(simple)}
        return
    ones = role in ("a", "b")
    yield {**case, role: np.ones_like(value) if ones else np.zeros_like(value)}
    if not ones:
        for digits in (0, 1, 2):
            yield {**case, role: np.round(value, digits) + 0.0}
    for index in np.ndindex(value.shape):
        for simple in (1.0,) if ones else (0.0, 1.0, float(np.round(value[index]))):
            less = value.copy()
            less[index] = simple
            yield {**case, role: less}
