"""A short list of columns for every row, and proof of when looking beyond the lists is needless.

One pass over all pairs keeps, with potentials (u⁰, v⁰), the columns of smallest reduced cost of every
row, and a bound that all others are above. Later potentials (u, v) lower the reduced cost of a pair
outside the lists by at most (u − u⁰)_i + (v − v⁰)_j, so only pairs of a row with little room and a
column whose v rose that much have to be looked at again: a staircase in the matrix, often empty. Where
it is large, the lists are made anew.
"""

from __future__ import annotations

import numpy as np

from divergences.transport import scan
from divergences.transport.problem import Problem, arc_costs, distinct
from divergences.transport.products import ReducedCosts, block_rows, within

__all__ = ["Shortlist"]

KEPT = 32  # columns kept a row
STAIRCASE = 0.3  # a share of all pairs: a staircase beyond it costs as much as new lists
COARSE = 4.0  # margins: where a row's list is not this much wider, float32 is too coarse for the problem
NONE = np.empty(0, dtype=np.int64)


class Shortlist:
    """Exact pricing of one problem for many potentials, in memory linear in n + m."""

    def __init__(self, problem: Problem, u: np.ndarray, v: np.ndarray, kept: int) -> None:
        """From any potentials near the best; the c-transform of v takes u's place.

        ``kept`` is how many arcs of every row and column ``arcs`` gives.
        """
        self.problem, self._kept = problem, kept
        self._costs = ReducedCosts(problem, u, v)
        self._column_rows = np.empty((problem.m, 0), dtype=np.int32)
        self._build(u, v, min(kept, problem.n))
        self.v, self.u = v, self._row_minima()

    def _build(self, u: np.ndarray, v: np.ndarray, kept_rows: int) -> None:
        """Lists of every row (and, ``kept_rows`` not 0, of every column) at these potentials."""
        problem, kept = self.problem, min(KEPT, self.problem.m)
        while True:
            costs, dtype = self._costs, self._costs.dtype
            costs.take(u, v)
            values = np.full((problem.n, kept), np.inf, dtype=dtype)
            columns = np.zeros((problem.n, kept), dtype=np.int32)
            limits = np.full(problem.m, np.inf if kept_rows else -np.inf, dtype=dtype)
            others = np.full((problem.m, kept_rows), np.inf, dtype=dtype)
            rows_of = np.zeros((problem.m, kept_rows), dtype=np.int32)
            margins = np.empty(problem.n)
            for number, part in enumerate(costs.blocks()):
                block, margins[part] = costs.block(part)
                scan.keep_smallest(block, part.start, values, columns, limits, others, rows_of)
                width = values[part].max(axis=1) - values[part].min(axis=1)
                if (
                    number == 0
                    and dtype == np.float32
                    and np.median(width) < COARSE * np.median(margins[part])
                ):
                    break
            else:
                break
            self._costs = ReducedCosts(problem, u, v, np.float64)
        self._u, self._v, self._margins = u, v, margins
        self._values, self._columns = values.astype(np.float64), columns
        # of the pairs outside the lists; none are outside where the list holds the whole row
        complete = kept == problem.m
        self._beyond = np.full(problem.n, np.inf) if complete else self._values.max(axis=1) - margins
        if kept_rows:
            self._column_rows = rows_of

    def arcs(self) -> np.ndarray:
        """row · m + column of the smallest of every row and of every column."""
        m, chosen = self.problem.m, self._columns
        if self._kept < chosen.shape[1]:
            places = np.argpartition(self._values, self._kept - 1, axis=1)[:, : self._kept]
            chosen = np.take_along_axis(chosen, places, axis=1)
        by_row = np.arange(self.problem.n)[:, None] * m + chosen
        by_column = self._column_rows.astype(np.int64) * m + np.arange(m)[:, None]
        return distinct(by_row.ravel(), by_column.ravel())

    def violations(
        self, u: np.ndarray, v: np.ndarray, noise: float, most: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(row · m + column of pairs with c − u − v < −noise, a u that is feasible with v).

        Of every row and of every column the ``most`` worst, or more; none means that there are none.
        """
        stairs = self._staircase(u, v, noise)
        anew = stairs is None
        if stairs is None:
            self._build(u, v, 0)
            stairs = NONE
        keys = distinct(self._listed(u, v, np.full(self.problem.n, -noise)), stairs)
        rows, columns = np.divmod(keys, self.problem.m)
        reduced = arc_costs(self.problem, rows, columns) - u[rows] - v[columns]
        below = reduced < -noise
        keys, rows, columns, reduced = keys[below], rows[below], columns[below], reduced[below]
        feasible = u.copy()
        np.minimum.at(feasible, rows, u[rows] + reduced)
        if anew:  # a row all of whose list is violated may go on beyond it
            feasible = np.minimum(feasible, u + np.minimum(self._beyond, 0.0))
        worst = (_rank(rows, reduced) < most) | (_rank(columns, reduced) < most)
        return keys[worst], feasible

    def _row_minima(self) -> np.ndarray:
        """The c-transform of v, or a rigorous lower bound of it where the least is not in the list."""
        keys = self._listed(self._u, self._v, self._values.min(axis=1) + 2 * self._margins)
        rows, columns = np.divmod(keys, self.problem.m)
        least = np.full(self.problem.n, np.inf)
        np.minimum.at(least, rows, arc_costs(self.problem, rows, columns) - self._v[columns])
        return np.minimum(least, self._beyond + self._u)

    def _listed(self, u: np.ndarray, v: np.ndarray, below: np.ndarray) -> np.ndarray:
        """Listed pairs whose c − u − v may be below a number for the row."""
        rise = v - self._v
        approximate = self._values + (self._u - u - self._margins - below)[:, None] - rise[self._columns]
        rows, places = np.nonzero(approximate < 0)
        return rows * self.problem.m + self._columns[rows, places]

    def _staircase(self, u: np.ndarray, v: np.ndarray, noise: float) -> np.ndarray | None:
        """Pairs outside the lists that may be below −noise; None if too many would have to be looked at."""
        problem, rise = self.problem, v - self._v
        room = self._beyond + self._u - u + noise
        tall = np.flatnonzero(room < rise.max())
        if len(tall) == 0:
            return NONE
        wide = np.argsort(-rise, kind="stable")
        tall = tall[np.argsort(room[tall], kind="stable")]
        widths = np.searchsorted(-rise[wide], -room[tall])  # columns that rose by more than the room
        if widths.sum() > STAIRCASE * problem.n * problem.m:
            return None
        self._costs.take(u, v)
        found, start = [NONE], 0
        while start < len(tall):
            columns = wide[: widths[start]]
            if len(columns) == 0:
                break
            rows = tall[start : start + block_rows(len(columns))]
            block, margin = self._costs.block(rows, columns)
            i, j = within(block, margin - noise)
            found.append(rows[i] * problem.m + columns[j])
            start += len(rows)
        return np.concatenate(found)


def _rank(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The place of each value among those of its group, the smallest 0."""
    order = np.lexsort((values, groups))
    ordered = groups[order]
    place = np.empty(len(groups), dtype=np.int64)
    place[order] = np.arange(len(groups)) - np.searchsorted(ordered, ordered)
    return place
