"""Wasserstein distances: exact (sorting in 1-D, linear programming in n-D) and sliced.

``wasserstein`` returns W_p, the root taken. In one dimension the optimal plan couples quantiles;
in several it is that of ``transport``, certified by a feasible dual in float64. Gradients come
from the plan and the potentials by the envelope theorem.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from divergences import _line
from divergences._arrays import (
    Array,
    carries_gradient,
    detached,
    from_numpy,
    namespace,
    safe_sqrt,
    to_numpy,
)
from divergences._inputs import Pair, check_integer, check_pair, check_positive, check_rng, warn
from divergences._pairwise import paired_squared_distances, row_slices
from divergences.registry import metric
from divergences.transport.dispatch import build_problem, solve
from divergences.transport.exact import plan_cost, rooted

__all__ = ["max_sliced_wasserstein", "sliced_wasserstein", "wasserstein"]

EPS = float(np.finfo(np.float64).eps)
GRID = 2.0**36  # a step of it is nothing to a direction, and far more than rounding
STARTS, DISTINCT = 4, 0.9  # max-sliced climbs from so many directions, no two closer (|cos|) than that
TOLERANCE = 1e-9  # the relative duality gap asked of exact transport
CERTIFIED = 1e-6  # one above this is reported


@metric(
    laws=("wasserstein", "metric", "isometry invariant", "ipm if p == 1", "p-th root"),
    on="samples", degree=1, cost="n^3", interval="jackknife",
    meaning="the least average distance mass must travel to turn one set into the other",
    reference="Villani 2009; Peyré & Cuturi 2019",
)  # fmt: skip
def wasserstein(x: Any, y: Any, *, p: float = 1, x_weights: Any = None, y_weights: Any = None) -> Any:
    """Wasserstein distance W_p = (min E|X−Y|^p)^(1/p), the root taken, in the data's unit, in [0, ∞).

    ``x`` (n, d), ``y`` (m, d), n ≠ m and weights welcome; Euclidean ground distance; any finite
    p ≥ 1. Exact between the two empirical distributions: by sorting in one dimension
    (O(n log n); compiled from a million numbers on), by ``transport`` otherwise (memory linear in
    n + m; that function returns the plan and the certificate too). A DivergenceWarning says so
    should the solver's duality gap exceed 1e-6 of the cost (as it may at p = 50, where costs span
    fifty decades).

    POT's ``emd2`` and ``wasserstein_1d`` return W_p^p. Even for P = Q the value is positive at
    finite n, of order n^(−1/d). Differentiable in torch in points and weights (a subgradient at
    ties, 0 where points coincide).

    >>> float(wasserstein([0.0, 1.0], [5.0, 6.0]))
    5.0
    >>> round(float(wasserstein([[0.0, 0.0]], [[3.0, 4.0]], p=2)), 12)
    5.0
    """
    p = check_positive(p, "p", minimum=1.0, strict=False)
    pair = check_pair(x, y, x_weights, y_weights)
    if pair.same:
        return pair.result(pair.zero(), degree=1)
    if pair.d == 1:
        return pair.result(_on_line(pair, p), degree=1)
    return pair.result(_by_transport(pair, p), degree=1)


# ── one dimension ───────────────────────────────────────────────────────────────────────────


def _on_line(pair: Pair, p: float) -> Array:
    """W_p in one dimension: by sorting, or for p = 1 as the area between the CDFs."""
    numbers = pair.n + pair.m
    if p == 1 and _line.pays(pair, numbers):
        return from_numpy(_line.area(pair), pair.x)
    return _between_rows(pair, pair.x.T, pair.y.T, p, numbers)[0]


def _between_rows(pair: Pair, x: Array, y: Array, p: float, numbers: int) -> Array:
    """W_p between each row of x (L, n) and that of y (L, m): (L,). ``numbers`` are to be sorted in all."""
    if not _line.pays(pair, numbers):
        return _root_mean_power(*_coupled(pair, x, y), p)
    masses, rows = _line.unequal_masses(pair), zip(to_numpy(x), to_numpy(y), strict=True)
    return from_numpy([_root_mean_power(*_line.coupled(*row, *masses), p) for row in rows], pair.x)


def _coupled(pair: Pair, x: Array, y: Array) -> tuple[Array, Array | None]:
    """The monotone coupling of each row of x (L, n) with that of y (L, m): gaps, and the mass of each.

    Gaps of equal mass have mass None.
    """
    xp = pair.xp
    if pair.uniform and not carries_gradient(pair.a, pair.b):
        xs, ys = xp.sort(x, axis=1, stable=False), xp.sort(y, axis=1, stable=False)
        if pair.n == pair.m:
            return xs - ys, None
        rows, columns, mass = _couple_quantiles(xp, pair.a, pair.b)
        return xp.take(xs, rows, axis=1) - xp.take(ys, columns, axis=1), mass[None, :]
    gaps, masses = [], []
    for x_row, y_row in zip(x, y, strict=True):
        x_order, y_order = (xp.argsort(detached(row), stable=False) for row in (x_row, y_row))
        rows, columns, mass = _couple_quantiles(xp, xp.take(pair.a, x_order), xp.take(pair.b, y_order))
        gaps.append(x_row[x_order][rows] - y_row[y_order][columns])
        masses.append(mass)
    return xp.stack(gaps), xp.stack(masses)


def _couple_quantiles(xp: Any, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """The monotone coupling of two sorted samples: which rows meet, and with how much mass."""
    both = xp.concat([xp.cumulative_sum(a), xp.cumulative_sum(b)])
    order = xp.argsort(detached(both))
    levels, from_a = xp.take(both, order), order < a.shape[0]
    mass = xp.concat([levels[:1], levels[1:] - levels[:-1]])
    plain = detached(levels)
    # rows of x used up before each level; at a tie too, so that weights get a subgradient there
    used = xp.astype(from_a, xp.int64)
    rows = xp.cumulative_sum(used) - used
    columns = xp.cumulative_sum(xp.ones_like(used)) - 1 - rows
    # a level of a and one of b nearer than the rounding of their sums are one level: the sliver
    # between would couple rows that do not meet, and 1e-16 of mass counts for half its gap at p = 50
    sliver = (from_a[1:] != from_a[:-1]) & (plain[1:] - plain[:-1] <= both.shape[0] * EPS)
    sliver = xp.concat([xp.zeros_like(sliver[:1]), sliver])
    mass = mass - xp.where(sliver, detached(mass), 0.0)  # its gradient stays
    return xp.clip(rows, 0, a.shape[0] - 1), xp.clip(columns, 0, b.shape[0] - 1), mass


def _root_mean_power(gaps: Array, mass: Array | None, p: float) -> Array:
    """(Σ mass · |gap|^p)^(1/p) along the last axis; the largest gap is factored out first."""
    xp = namespace(gaps)
    sizes = xp.abs(gaps)
    if p == 1:
        return xp.mean(sizes, axis=-1) if mass is None else xp.sum(mass * sizes, axis=-1)
    top = xp.max(detached(sizes), axis=-1, keepdims=True)
    top = xp.where(top > 0, top, xp.ones_like(top))
    powers = (sizes / top) ** p
    mean = xp.mean(powers, axis=-1) if mass is None else xp.sum(mass * powers, axis=-1)
    return top[..., 0] * rooted(xp, mean, p)


# ── several dimensions ──────────────────────────────────────────────────────────────────────


def _by_transport(pair: Pair, p: float) -> Array:
    problem, _ = build_problem(pair, p, "euclidean")
    answer = solve(problem, tolerance=TOLERANCE)
    bounds = answer.certificate
    if bounds.gap > CERTIFIED * bounds.upper:
        warn(
            f"optimal transport stopped with a duality gap of {bounds.gap / bounds.upper:.2g} relative: "
            "the value is an upper bound, off by at most that"
        )
    if carries_gradient(pair.a, pair.b):
        return rooted(pair.xp, plan_cost(pair, problem, None, answer), p)
    rows, columns = from_numpy(answer.rows, pair.x), from_numpy(answer.columns, pair.x)
    squared = paired_squared_distances(pair.x[rows], pair.y[columns])
    mass = from_numpy(answer.mass, pair.x)
    return _root_mean_power(safe_sqrt(pair.xp, squared), mass, p)


# ── sliced ──────────────────────────────────────────────────────────────────────────────────


@metric(
    laws=("sliced wasserstein", "metric", "translation invariant", "mean over directions", "p-th root"),
    on="samples", degree=1, interval="projections", cost="n log n",
    meaning="Wasserstein distance averaged over one-dimensional shadows of the two sets",
    reference="Rabin et al. 2011; Bonneel et al. 2015",
)  # fmt: skip
def sliced_wasserstein(
    x: Any,
    y: Any,
    *,
    p: float = 2,
    n_projections: int = 128,
    x_weights: Any = None,
    y_weights: Any = None,
    rng: Any = None,
) -> Any:
    """Sliced Wasserstein (mean over directions of W_p^p)^(1/p), the root taken, in [0, ∞).

    Directions are uniform on the sphere, drawn once from ``rng`` (seed, Generator or None) and
    used for both sides: the same seed gives the same number. O(L(nd + n log n)) time and memory
    flat in L = ``n_projections``. The Monte-Carlo error falls as 1/√L: ``estimate`` tells it.
    SW_2 ≤ W_2/√d; in 1-D it is W_p itself. From a million projected numbers on (L(n + m)) they are
    sorted by compiled loops, whose loading takes half a second once, and on the first use of all some
    more to compile. Differentiable in torch (Bonneel et al. 2015, eq. 9).

    >>> round(float(sliced_wasserstein([0.0], [3.0], rng=0)), 12)
    3.0
    """
    pair, distances = _projected(x, y, p, n_projections, x_weights, y_weights, rng)
    return pair.result(_root_mean_power(distances, None, float(p)), degree=1)


def projected_costs(
    x: Any,
    y: Any,
    *,
    p: float = 2,
    n_projections: int = 128,
    x_weights: Any = None,
    y_weights: Any = None,
    rng: Any = None,
) -> tuple[np.ndarray, float]:
    """What ``sliced_wasserstein`` averages: W_p^p along each direction (L,), and the unit of W_p.

    With the same options and rng it is unit · (mean of the costs)^(1/p). The unit keeps costs from
    over- and underflowing: they are at most 1. In one dimension there is the one direction.
    """
    pair, distances = _projected(x, y, p, n_projections, x_weights, y_weights, rng)
    values = to_numpy(distances).astype(np.float64)
    largest = float(values.max()) or 1.0
    return (values / largest) ** float(p), float(pair.result(largest, degree=1))


def _projected(
    x: Any, y: Any, p: float, n_projections: int, x_weights: Any, y_weights: Any, rng: Any
) -> tuple[Pair, Array]:
    """The checked pair, and W_p along each direction, in its coordinates."""
    p = check_positive(p, "p", minimum=1.0, strict=False)
    count, rng = check_integer(n_projections, "n_projections"), check_rng(rng)
    pair = check_pair(x, y, x_weights, y_weights)
    if pair.same:
        return pair, pair.zero()[None]
    if pair.d == 1:
        return pair, _on_line(pair, p)[None]
    return pair, _along_directions(pair, _directions(rng, count, pair.d), p)


@metric(
    laws=(
        "sliced wasserstein", "max sliced", "metric", "translation invariant", "p-th root",
        "kinked at its maximum",
    ),
    on="samples", degree=1, cost="n log n",
    meaning="Wasserstein distance along the one direction that tells the sets apart best",
    reference="Deshpande et al. 2019",
)  # fmt: skip
def max_sliced_wasserstein(
    x: Any,
    y: Any,
    *,
    p: float = 2,
    n_projections: int = 128,
    x_weights: Any = None,
    y_weights: Any = None,
    rng: Any = None,
) -> Any:
    """Max-sliced Wasserstein max_θ W_p(⟨θ,x⟩, ⟨θ,y⟩), the root taken, in the data's unit, in [0, ∞).

    The maximum over the sphere is not concave: the best of ``n_projections`` random directions
    and the difference of means is improved by subgradient ascent until it stops rising, so the
    value is a lower bound of the supremum, attained by a real direction. Differentiable in
    torch at that direction (envelope theorem) (Deshpande et al. 2019, §3).

    >>> round(float(max_sliced_wasserstein([[0.0, 0.0]], [[3.0, 4.0]], rng=0)), 9)
    5.0
    """
    p = check_positive(p, "p", minimum=1.0, strict=False)
    count = check_integer(n_projections, "n_projections")
    rng = check_rng(rng)
    pair = check_pair(x, y, x_weights, y_weights)
    if pair.same:
        return pair.result(pair.zero(), degree=1)
    if pair.d == 1:
        return pair.result(_on_line(pair, p), degree=1)
    best = _best_direction(pair, _directions(rng, count, pair.d), p)
    return pair.result(_along_directions(pair, best[:, None], p)[0], degree=1)


def _directions(rng: np.random.Generator, count: int, d: int) -> np.ndarray:
    raw = rng.normal(size=(d, count))
    return raw / np.linalg.norm(raw, axis=0)


def _along_directions(pair: Pair, directions: np.ndarray, p: float) -> Array:
    """W_p along each column of ``directions``, a block of them at a time: (L,)."""
    count, size = directions.shape[1], pair.n + pair.m
    # only projections are held for all of a block: a product with many columns is several times as fast
    share = size // 4 if _line.pays(pair, count * size) else 2 * size
    blocks = []
    for part in row_slices(count, share):
        theta = from_numpy(directions[:, part].T, pair.x)
        blocks.append(_between_rows(pair, theta @ pair.x.T, theta @ pair.y.T, p, count * size))
    return pair.xp.concat(blocks)


def _best_direction(pair: Pair, directions: np.ndarray, p: float) -> np.ndarray:
    """The best direction found by climbing from the best few starts."""
    x, y, a, b = (to_numpy(v) for v in (pair.x, pair.y, pair.a, pair.b))
    centre = a @ x
    (x, a), (y, b) = _canonical(x, a, centre), _canonical(y, b, centre)
    plain = Pair(
        x=x, y=y, a=a, b=b, xp=namespace(x), dtype=np.float64, origin=to_numpy(pair.origin),
        scale=pair.scale, uniform=pair.uniform, same=pair.same,
    )  # fmt: skip
    shift = a @ x - b @ y
    if np.linalg.norm(shift) > 0:
        directions = np.concatenate([shift[:, None] / np.linalg.norm(shift), directions], axis=1)
    values = _along_directions(plain, directions, p)
    starts: list[np.ndarray] = []
    for theta in directions[:, np.argsort(values)[::-1]].T:
        if all(abs(theta @ start) < DISTINCT for start in starts):
            starts.append(theta)
        if len(starts) == STARTS:
            break
    climbed = [_climb(plain, theta, p) for theta in starts]
    return max(climbed, key=lambda found: found[0])[1]


def _canonical(rows: np.ndarray, weights: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows about the centre, on a grid and in order, for the search alone.

    At ties a rounding error decides where a climb goes on; here neither the order of rows nor where
    they lie makes one.
    """
    rows = np.round((rows - centre) * GRID) / GRID
    order = np.lexsort((weights, *rows.T))
    return np.ascontiguousarray(rows[order]), weights[order]


def _climb(pair: Pair, theta: np.ndarray, p: float) -> tuple[float, np.ndarray]:
    """A local maximum of W_p^p near θ: towards ∇/|∇|, by steps that shrink until the value rises.

    The whole step is right where one coupling is best on the way; where the best one changes it
    may overshoot, and the maximum may lie at the very change.
    """
    value, gradient = _power_and_gradient(pair, theta, p)
    step = 1.0
    for _ in range(200):
        norm = np.linalg.norm(gradient)
        if norm == 0 or step < 1e-9:
            break
        trial = (1.0 - step) * theta + step * gradient / norm
        trial /= np.linalg.norm(trial)
        new_value, new_gradient = _power_and_gradient(pair, trial, p)
        if new_value > value * (1 + 1e-14):
            theta, value, gradient, step = trial, new_value, new_gradient, min(1.0, 2.0 * step)
        else:
            step /= 4.0
    return value, theta


def _power_and_gradient(pair: Pair, theta: np.ndarray, p: float) -> tuple[float, np.ndarray]:
    """W_p^p along θ and its gradient in θ with the coupling held fixed."""
    x, y = pair.x @ theta, pair.y @ theta
    x_order, y_order = np.argsort(x), np.argsort(y)
    rows, columns, mass = _couple_quantiles(pair.xp, pair.a[x_order], pair.b[y_order])
    rows, columns = x_order[rows], y_order[columns]
    gaps = x[rows] - y[columns]
    slopes = p * np.sign(gaps) * np.abs(gaps) ** (p - 1) * mass
    # Σ slope · (x_i − y_j), summed by rows first: no array of pairs by features
    pulls = np.bincount(rows, slopes, pair.n) @ pair.x - np.bincount(columns, slopes, pair.m) @ pair.y
    return float(mass @ np.abs(gaps) ** p), pulls
