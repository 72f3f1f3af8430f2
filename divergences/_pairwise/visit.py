"""One visit of all pairs, any number of reductions of their distances.

NumPy arrays and CPU tensors go through compiled loops, tile by tile, and so do their gradients; small
problems, other devices and gradients of gradients through the same reductions written in the array
library, where blocks are recomputed by the backward pass, not stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from divergences._arrays import (
    Array,
    array_device,
    blockwise,
    carries_gradient,
    differentiable,
    from_numpy,
    is_torch,
    logsumexp,
    namespace,
    to_numpy,
)
from divergences._pairwise.blocks import block_rows, resident, slices
from divergences._pairwise.distances import squared_distances
from divergences._pairwise.functions import Stationary, euclidean

__all__ = ["LogSums", "row_logsumexp", "self_sums", "visit", "weighted_sums"]

COMPILED_PAIRS = 2**22  # below, all pairs take less than loading the compiled loops
TENSOR_PAIRS = 2**16  # the same for tensors: whoever trains comes again

Function = Callable[[Array], Array]


@dataclass(frozen=True)
class LogSums:
    """log Σ_j exp(log_b_j − rate · ‖x_i − y_j‖^power) for each row i and rate.

    ``own[i]`` is the column that row i may not use (leave one out).
    """

    log_b: Array
    rates: Sequence[float]
    own: Array | None = None
    power: float = 2.0


def visit(
    x: Array,
    y: Array | None,
    a: Array | None,
    b: Array | None,
    functions: Sequence[Function] = (),
    logs: LogSums | None = None,
    *,
    single: bool = False,
) -> tuple[list[Array], Array | None]:
    """Σ_ij a_i b_j f(‖x_i − y_j‖²) for each f, and the log sums ``(rates, n)`` if asked for.

    ``y=None``: x with itself, each unordered pair once. x and y may be row sources, read by blocks.
    ``single``: the rows are known to float32's digits, so that float32 products do, where that is faster.
    """
    if logs is not None and y is None:
        raise ValueError("log sums are by row; pass y=x")
    if logs is not None and logs.own is not None and functions:
        raise ValueError("sums are over all pairs; ask for log sums that leave one out on their own")
    if not _compiles(x, y, a, b, functions, logs):
        return _visit_in_library(x, y, a, b, functions, logs)
    from divergences._pairwise.tiles import Request, compiled_visit  # loads the compiled loops

    request = Request(
        functions=tuple((f.code, f.rate) for f in functions if isinstance(f, Stationary)),
        rates=() if logs is None else tuple(float(rate) for rate in logs.rates),
        rooted=logs is not None and logs.power == 1.0,
        single=single,
    )
    if carries_gradient(x, y, a, b, None if logs is None else logs.log_b):
        return _with_gradient(x, y, a, b, functions, logs, request)
    plain_x, plain_y, plain_a, plain_b = (_plain(v) for v in (x, y, a, b))
    log_b, own = (None, None) if logs is None else (_plain(logs.log_b), _plain(logs.own))
    sums, log_sums = compiled_visit(plain_x, plain_y, plain_a, plain_b, log_b, own, request)
    like = next((v for v in (a, x, y) if is_torch(v)), a)
    found = [from_numpy(np.float64(total), like) for total in sums]
    return found, None if log_sums is None else from_numpy(log_sums, like)


def weighted_sums(x: Array, y: Array, a: Array, b: Array, functions: Sequence[Function]) -> list[Array]:
    """Σ_ij a_i b_j f(‖x_i − y_j‖²) for each f, all in one visit of the distances."""
    return visit(x, y, a, b, functions)[0]


def self_sums(x: Array, a: Array, functions: Sequence[Function]) -> list[Array]:
    """Σ_ij a_i a_j f(‖x_i − x_j‖²) for each f, visiting each unordered pair about once."""
    return visit(x, None, a, None, functions)[0]


def row_logsumexp(
    x: Array,
    y: Array,
    log_b: Array,
    rates: Sequence[float],
    *,
    own: Array | None = None,
    power: float | None = None,
    single: bool = False,
) -> Array:
    """log Σ_j exp(log_b_j − rate · ‖x_i − y_j‖²) for each rate: ``(len(rates), len(x))``.

    ``own[i]`` is the column that row i may not use (leave one out). ``power`` takes the distance to
    another power than 2.
    """
    logs = LogSums(log_b, rates, own, 2.0 if power is None else power)
    return visit(x, y, None, None, (), logs, single=single)[1]


def _plain(value: Any) -> Any:
    return to_numpy(value) if is_torch(value) else value


def _with_gradient(
    x: Array,
    y: Array | None,
    a: Array | None,
    b: Array | None,
    functions: Sequence[Function],
    logs: LogSums | None,
    request: Any,
) -> tuple[list[Array], Array | None]:
    """The compiled visit of CPU tensors, and a compiled one more for their gradients."""
    from divergences._pairwise.slopes import visit_slopes
    from divergences._pairwise.tiles import compiled_visit

    log_b, own = (None, None) if logs is None else (logs.log_b, _plain(logs.own))

    def values(x: Any, y: Any, a: Any, b: Any, log_b: Any) -> tuple[np.ndarray, np.ndarray]:
        sums, log_sums = compiled_visit(x, y, a, b, log_b, own, request)
        return np.asarray(sums, dtype=np.float64), np.zeros((0, 0)) if log_sums is None else log_sums

    def slopes(upstream: Any, found: Any, needed: Any, x: Any, y: Any, a: Any, b: Any, log_b: Any) -> Any:
        by_sums, by_logs = upstream
        return visit_slopes(x, y, a, b, log_b, own, request, by_sums, by_logs, found[1], needed)

    def plain(x: Array, y: Array, a: Array, b: Array, log_b: Array) -> list[Array]:
        again = None if logs is None else replace(logs, log_b=log_b)
        sums, log_sums = _visit_in_library(x, y, a, b, functions, again)
        nothing = x.new_zeros(0)
        return [namespace(x).stack(sums) if sums else nothing, nothing if log_sums is None else log_sums]

    sums, log_sums = differentiable(values, slopes, plain, x, y, a, b, log_b)
    return list(sums), None if logs is None else log_sums


def _compiles(
    x: Array,
    y: Array | None,
    a: Array | None,
    b: Array | None,
    functions: Sequence[Function],
    logs: LogSums | None,
) -> bool:
    """Whether the compiled loops know all of this and pay."""
    if not all(isinstance(f, Stationary) for f in functions) or (
        logs is not None and logs.power not in (1.0, 2.0)
    ):
        return False
    tensors = [v for v in (x, y, a, b, *((logs.log_b,) if logs else ())) if is_torch(v)]
    if any(v.device.type != "cpu" or v.element_size() != 8 for v in tensors):
        return False
    if not all(is_torch(v) or resident(v) for v in (x, y) if v is not None):
        return True
    rows = x.shape[0]
    least = TENSOR_PAIRS if tensors else COMPILED_PAIRS
    return rows * (rows / 2 if y is None else y.shape[0]) >= least


# ── in the array library ────────────────────────────────────────────────────────────────────


def _visit_in_library(
    x: Array,
    y: Array | None,
    a: Array | None,
    b: Array | None,
    functions: Sequence[Function],
    logs: LogSums | None,
) -> tuple[list[Array], Array | None]:
    columns, weights = (x, a) if y is None else (y, b)
    n, m = int(x.shape[0]), int(columns.shape[0])
    whole = is_torch(columns) or resident(columns)
    step = block_rows(m) if whole else max(1, math.isqrt(block_rows(1)))  # blocks of step × step
    totals: list[Any] = [0.0] * len(functions)
    found: list[Array] = []
    for part in slices(0, n, step):
        rows, by_row = _block(x, part), None
        for where in slices(part.start if y is None else 0, m, m if whole else step):
            others = None if weights is None else weights[where]
            if y is None and others is not None and where.stop > part.stop:
                # columns left of the block were met as rows before, so those to its right count twice
                split = max(part.stop - where.start, 0)
                others = namespace(others).concat([others[:split], 2.0 * others[split:]])
            sums, log_sums = blockwise(
                _reduce,
                rows,
                _block(columns, where),
                None if a is None else a[part],
                others,
                None if logs is None else logs.log_b[where],
                None if logs is None or logs.own is None else logs.own[part] - where.start,
                functions,
                logs,
            )
            totals = [total + sums[k] for k, total in enumerate(totals)]
            if log_sums is not None:
                by_row = log_sums if by_row is None else namespace(log_sums).logaddexp(by_row, log_sums)
        if by_row is not None:
            found.append(by_row)
    return totals, namespace(found[0]).concat(found, axis=1) if found else None


def _block(rows: Array, part: slice) -> Array:
    block = rows[part]
    return block if is_torch(block) else np.asarray(block, dtype=np.float64)


def _reduce(
    rows: Array,
    columns: Array,
    a: Array | None,
    b: Array | None,
    log_b: Array | None,
    own: Array | None,
    functions: Sequence[Function],
    logs: LogSums | None,
) -> tuple[Array | None, Array | None]:
    """The weighted sums ``(functions,)`` and the log sums ``(rates, rows)`` of one block."""
    xp = namespace(rows)
    squared = squared_distances(rows, columns)
    sums = xp.stack([a @ (f(squared) @ b) for f in functions]) if functions else None
    if logs is None or log_b is None:
        return sums, None
    if own is not None:
        mask = xp.arange(columns.shape[0], device=array_device(own))[None, :] == own[:, None]
        squared = xp.where(mask, xp.inf, squared)
    costs = squared if logs.power == 2.0 else euclidean(squared) ** logs.power
    return sums, xp.stack([logsumexp(xp, log_b[None, :] - rate * costs) for rate in logs.rates])
