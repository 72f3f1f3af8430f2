"""Gradients of the compiled visit: one more visit of all pairs, nothing of it stored.

For S = Σ_ij a_i b_j f(‖x_i − y_j‖²) and L_i = log Σ_j exp(log_b_j − rate · ‖x_i − y_j‖²) the slope by x_i is
Σ_j w_ij (x_i − y_j) and that by y_j is −Σ_i w_ij (x_i − y_j), with w_ij = 2 a_i b_j f′ for the sums and
−2 · rate · exp(log_b_j − rate · ‖x_i − y_j‖² − L_i) for the log sums: two products of w with the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divergences._pairwise.blocks import Tiling, slices
from divergences._pairwise.compiled import Tile, Wanted
from divergences._pairwise.compiled_slopes import Upstream, direct_slopes, weigh_tile
from divergences._pairwise.distances import CANCELLATION, DIRECT_DIMENSIONS
from divergences._pairwise.tiles import DIRECT_TILE, SYMMETRIC_ROWS, Request

__all__ = ["visit_slopes"]


class _Slopes:
    """By x, y (feature by feature where they are few), a, b and the log weights."""

    def __init__(self, x: np.ndarray, y: np.ndarray, *, few: bool) -> None:
        self.x = np.zeros(x.shape)
        self.y = np.zeros(y.T.shape if few else y.shape)
        self.a, self.b, self.logs = np.zeros(len(x)), np.zeros(len(y)), np.zeros(len(y))


def visit_slopes(
    x: np.ndarray,
    y: np.ndarray | None,
    a: np.ndarray | None,
    b: np.ndarray | None,
    log_b: np.ndarray | None,
    own: np.ndarray | None,
    request: Request,
    by_sums: np.ndarray,
    by_logs: np.ndarray,
    log_sums: np.ndarray,
    needed: Sequence[bool],
) -> list[np.ndarray | None]:
    """The slopes by x, y, a, b and log_b where ``needed``, from those by the sums and by the log sums.

    ``by_sums`` (functions,), ``by_logs`` and the found ``log_sums`` (rates, n). ``y=None`` is x with itself.
    """
    itself = y is None
    others = x if y is None else y
    column_masses = a if itself else b
    few = x.shape[1] <= DIRECT_DIMENSIONS
    found = _Slopes(x, others, few=few)
    wanted = Wanted(
        codes=np.array([code for code, _ in request.functions], dtype=np.int64),
        rates=np.array([rate for _, rate in request.functions], dtype=np.float64),
        log_rates=np.array(request.rates, dtype=np.float64),
        rooted=bool(request.rates) and request.rooted,
    )
    rows = _filled(a, len(x)), _filled(own, 0).astype(np.int64)
    columns = _filled(column_masses, len(others)), _filled(log_b, len(others))
    masses, by_columns = bool(needed[2] or needed[3]), bool(itself or needed[1])
    shapes = np.ascontiguousarray(by_logs, dtype=np.float64), np.ascontiguousarray(log_sums, dtype=np.float64)
    upstream = Upstream(np.asarray(by_sums, dtype=np.float64), *shapes, len(others), masses, by_columns)
    (_direct if few else _products)(x, others, rows, columns, wanted, upstream, found, itself=itself)
    by_y = found.y.T if few else found.y
    if itself:  # each row was met as a row and as a column
        return [found.x + by_y, None, found.a + found.b if needed[2] else None, None, None]
    every = [found.x, by_y, found.a, found.b, found.logs]
    return [one if wish else None for one, wish in zip(every, needed, strict=True)]


def _filled(values: np.ndarray | None, count: int) -> np.ndarray:
    return np.zeros(count) if values is None else np.ascontiguousarray(values)


def _of_rows(up: Upstream, part: slice, *, itself: bool) -> Upstream:
    # columns left of the block were met as rows before, so those to its right count twice
    twice = part.stop if itself else up.twice
    return up._replace(logs=up.logs[:, part], log_sums=up.log_sums[:, part], twice=twice)


def _direct(
    x: np.ndarray,
    y: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    columns: tuple[np.ndarray, np.ndarray],
    wanted: Wanted,
    up: Upstream,
    found: _Slopes,
    *,
    itself: bool,
) -> None:
    (a, own), (b, logs) = rows, columns
    features = np.ascontiguousarray(y.T)
    for part in slices(0, len(x), SYMMETRIC_ROWS):
        direct_slopes(
            np.ascontiguousarray(x[part]), features, part.start if itself else 0, own[part], a[part], b,
            logs, DIRECT_TILE, wanted, _of_rows(up, part, itself=itself),
            found.x[part], found.y, found.a[part], found.b, found.logs,
        )  # fmt: skip


def _products(
    x: np.ndarray,
    y: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    columns: tuple[np.ndarray, np.ndarray],
    wanted: Wanted,
    up: Upstream,
    found: _Slopes,
    *,
    itself: bool,
) -> None:
    (a, own), (b, logs) = rows, columns
    tiling = Tiling.of(len(x), len(y), x.shape[1])
    # the subtraction rounds, so what is centred serves the products alone
    centre = y.mean(axis=0)
    near_x, near_y = x - centre, y - centre
    x_squares, y_squares = (np.einsum("ij,ij->i", rows, rows) for rows in (near_x, near_y))
    plain_x, plain_y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    for height in slices(0, len(x), tiling.tile_rows):
        # columns left of the block were met as rows before, so those to its right count twice
        of_rows = up._replace(twice=height.stop) if itself else up
        for width in slices(height.start if itself else 0, len(y), tiling.tile_columns):
            squared = near_x[height] @ near_y[width].T
            squared *= -2.0
            squared += x_squares[height, None]
            squared += y_squares[width]
            tile = Tile(
                plain_x[height], plain_y[width], x_squares[height], y_squares[width], own[height],
                height.start, width.start, b[width], logs[width],
            )  # fmt: skip
            weigh_tile(
                squared, tile, a[height], CANCELLATION, wanted, of_rows,
                found.x[height], found.y[width], found.a[height], found.b[width], found.logs[width],
            )  # fmt: skip
            found.x[height] += near_x[height] * squared.sum(axis=1)[:, None] - squared @ near_y[width]
            if up.columns:
                found.y[width] += near_y[width] * squared.sum(axis=0)[:, None] - squared.T @ near_x[height]
