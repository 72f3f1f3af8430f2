"""The sampling error of W₁ on the line, from its influence function, and a test of W₁ = 0.

W₁ = ∫ |F − G| dt has the directional derivative ∫ sign(F − G) h dt plus ∫ |h| dt over where F = G (Fang &
Santos 2019, §2). Away from P = Q the first part rules, and each row adds the integral of the sign beyond
it. Near P = Q the second does, which no standard error tells: there the permutations of the rows say
whether 0 can be left out of the interval.
"""

from __future__ import annotations

import math

import numpy as np

from divergences._inputs import Pair
from divergences.inference.splits import draw_splits
from divergences.inference.statistics import Pooled, line_statistics

__all__ = ["line_error", "line_p_value"]


def line_error(x: np.ndarray, y: np.ndarray) -> float:
    """The standard error of W₁(x, y) for samples (n,) and (m,) of uniform weight."""
    z = np.concatenate([x, y])
    n, m = len(x), len(y)
    order = np.argsort(z, kind="stable")
    inside = np.cumsum(order < n)[:-1]
    outside = np.arange(1, n + m) - inside
    signed = np.sign(inside / n - outside / m) * np.diff(z[order])
    beyond = np.zeros(n + m)  # Σ of what lies to the right of each row, whose indicator is 1 there
    beyond[order[:-1]] = np.cumsum(signed[::-1])[::-1]
    return math.sqrt(np.var(beyond[:n], ddof=1) / n + np.var(beyond[n:], ddof=1) / m)


def line_p_value(pair: Pair, pooled: Pooled, permutations: int, rng: np.random.Generator) -> float:
    """The permutation p-value of W₁ as a statistic of P = Q."""
    chosen = draw_splits(pair.n, pair.m, permutations, None, rng).chosen
    values = line_statistics(pooled, chosen, 1)
    return float(np.mean(values >= values[0] * (1.0 - 1e-12)))
