"""What a transport solver is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from divergences._pairwise import squared_distances

__all__ = ["Problem", "Solution", "arc_costs", "distinct"]

GROUND = ("euclidean", "cityblock")


@dataclass(frozen=True, slots=True)
class Problem:
    """Minimise Σ mass · c(x_i, y_j) over plans with marginals a and b; every mass is positive.

    Points are float64, C-contiguous, in coordinates of order 1. The cost is ``ground`` distance to
    the power ``p``, or ``matrix`` if the user brought one. ``uniform``: n = m and equal masses.
    """

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray
    b: np.ndarray
    p: float = 2.0
    ground: str = "euclidean"
    matrix: np.ndarray | None = None

    @property
    def n(self) -> int:
        return len(self.a)

    @property
    def m(self) -> int:
        return len(self.b)

    @property
    def d(self) -> int:
        return int(self.x.shape[1])

    @property
    def uniform(self) -> bool:
        return self.n == self.m and bool(np.all(self.a == self.a[0]) and np.all(self.b == self.a[0]))

    @property
    def transposed(self) -> Problem:
        """The same problem with the two sides exchanged."""
        matrix = None if self.matrix is None else self.matrix.T
        return replace(self, x=self.y, y=self.x, a=self.b, b=self.a, matrix=matrix)

    def costs(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """c(x_i, y_j) of matching indices, from direct differences in float64."""
        if self.matrix is not None:
            return np.asarray(self.matrix[rows, columns], dtype=np.float64)
        steps = self.x[rows] - self.y[columns]
        if self.ground == "cityblock":
            distances = np.abs(steps).sum(axis=-1)
            return distances if self.p == 1 else distances**self.p
        squared = np.einsum("...d,...d->...", steps, steps)
        return squared if self.p == 2 else squared ** (self.p / 2)

    def block(self, rows: slice | np.ndarray, columns: slice | np.ndarray = slice(None)) -> np.ndarray:
        """A dense block of the cost matrix, float64; rows and columns by slice or by index."""
        if self.matrix is not None:
            return np.array(self.matrix[rows][:, columns], dtype=np.float64)
        if self.ground == "cityblock":
            from scipy.spatial.distance import cdist

            distances = cdist(self.x[rows], self.y[columns], "cityblock")
            return distances if self.p == 1 else distances**self.p
        squared = squared_distances(self.x[rows], self.y[columns])
        if self.p == 2:
            return squared
        return np.power(squared, self.p / 2, out=squared)


@dataclass(frozen=True, slots=True)
class Solution:
    """A sparse plan (rows, columns, mass) and dual values u, v; the certificate judges both.

    The plan's marginals and the dual's feasibility are the certificate's business: a solver may
    return either with rounding errors, never with a claim.
    """

    rows: np.ndarray
    columns: np.ndarray
    mass: np.ndarray
    u: np.ndarray
    v: np.ndarray
    rounds: int
    converged: bool


def arc_costs(problem: Problem, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Costs of many arcs, in parts that stay in cache: in 64 dimensions three times as fast."""
    step = max(1, 2**17 // max(problem.d, 1))
    parts = [slice(start, start + step) for start in range(0, len(rows), step)] or [slice(0)]
    return np.concatenate([problem.costs(rows[part], columns[part]) for part in parts])


def distinct(*keys: np.ndarray) -> np.ndarray:
    """The different ones of non-negative integers, in order: sorting them beats NumPy's hashing by far."""
    ordered = np.sort(np.concatenate(keys), axis=None)
    return ordered[np.diff(ordered, prepend=-1) > 0]
