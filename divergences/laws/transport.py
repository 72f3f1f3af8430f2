"""Laws of Wasserstein distances (W_p, the root taken), exact, sliced and entropic."""

from __future__ import annotations

import math

import numpy as np

from divergences._arrays import Array
from divergences.laws.law import law
from divergences.laws.measured import Measured, Outcome, at_most, both, equal, power
from divergences.laws.reference import EPS, Family, distances, power_mean
from divergences.laws.subject import NotApplicable

__all__: list[str] = []

VILLANI = "Villani 2009, ch. 6"
PEYRE = "Peyré & Cuturi 2019"
GIBBS = "Gibbs & Su 2002"
FEYDY = "Feydy et al. 2019"


def loose(value: float, size: float, terms: int = 1) -> Measured:
    """A plain float64 sum of ``terms`` numbers of this size."""
    return Measured(value, 32 * (terms + 8) * EPS * (abs(value) + size))


def diameter(*samples: Array) -> float:
    pooled = np.concatenate(samples)
    return float(distances(pooled, pooled).max())


def mean_gap(x: Array, y: Array) -> Measured:
    return loose(
        float(np.linalg.norm(x.mean(0) - y.mean(0))),
        float(np.abs(np.concatenate([x, y])).max()),
        len(x) + len(y),
    )


@law("W_p^p = min over couplings of E|X − Y|^p", source=VILLANI, on="samples", claims="wasserstein")
def least_cost_of_a_coupling(d: Family, x: Array, y: Array) -> Outcome:
    plain = d.references()
    return both(*(equal(d.wasserstein(x, y, p), plain.wasserstein(x, y, p)) for p in _orders(d)))


@law("with weights, too", source=VILLANI, on="samples", claims="wasserstein")
def least_cost_with_weights(d: Family, x: Array, y: Array, a: Array, b: Array) -> Outcome:
    plain = d.references()
    return both(*(equal(d.wasserstein(x, y, p, a, b), plain.wasserstein(x, y, p, a, b)) for p in _orders(d)))


def _orders(d: Family) -> tuple[float, ...]:
    """The p that the function can be asked for."""
    trial = "wasserstein" in d.fn.claims
    return (1.0, 2.0, 3.0) if not trial or d.fn.takes("p") else (1.0,)


@law(
    "W1 = ∫ |F − G| on the line",
    source=PEYRE + ", rem. 2.30; Vallender 1974",
    on="samples",
    claims="wasserstein",
)
def area_between_the_cdfs(d: Family, u: Array, v: Array) -> Outcome:
    area = cdf_integral(u, v, 1.0)
    return equal(d.wasserstein(u, v), area)


def cdf_integral(u: Array, v: Array, exponent: float) -> Measured:
    """∫ |F − G|^exponent."""
    knots = np.sort(np.concatenate([u[:, 0], v[:, 0]]))
    cdfs = [np.searchsorted(np.sort(s[:, 0]), knots[:-1], side="right") / len(s) for s in (u, v)]
    terms = np.abs(cdfs[0] - cdfs[1]) ** exponent * np.diff(knots)
    return loose(float(terms.sum()), float(terms.sum()), len(terms))


@law(
    "W_p^p = ∫ |F⁻¹ − G⁻¹|^p on the line: sorting",
    source=PEYRE + ", rem. 2.28",
    on="samples",
    claims="wasserstein",
)
def quantiles_are_coupled(d: Family, u: Array, v: Array) -> Outcome:
    k = min(len(u), len(v))
    gaps = np.abs(np.sort(u[:k, 0]) - np.sort(v[:k, 0]))
    return both(*(equal(d.wasserstein(u[:k], v[:k], p), power_mean(gaps**p, p)) for p in _orders(d)))


@law("|E X − E Y| ≤ W1 ≤ W2 ≤ W3", source=VILLANI + ", rem. 6.6", on="samples", claims="wasserstein")
def monotone_in_p(d: Family, x: Array, y: Array) -> Outcome:
    values = [mean_gap(x, y), *(d.wasserstein(x, y, p) for p in _orders(d))]
    return both(*(at_most(values[i], values[i + 1]) for i in range(len(values) - 1)))


@law(
    "E f(X) − E f(Y) ≤ W1 for every 1-Lipschitz f",
    source="Kantorovich & Rubinstein 1958; " + VILLANI,
    on="samples",
    claims="wasserstein",
)
def kantorovich_rubinstein(d: Family, x: Array, y: Array, centres: Array, heights: Array) -> Outcome:
    f, g = ((heights + distances(s, centres)).min(axis=1) for s in (x, y))
    gap = loose(abs(float(f.mean() - g.mean())), float(np.abs(np.concatenate([f, g])).max()), len(f) + len(g))
    return at_most(gap, d.wasserstein(x, y))


@law(
    "E φ(X) + E ψ(Y) ≤ W_p^p whenever φ(x) + ψ(y) ≤ |x − y|^p",
    source=PEYRE + ", prop. 2.4 (weak duality)",
    on="samples",
    claims="wasserstein",
)
def weak_duality(d: Family, x: Array, y: Array, centres: Array, heights: Array) -> Outcome:
    outcomes = []
    for p in _orders(d):
        cost = distances(x, y) ** p
        psi = (heights - distances(y, centres)).max(axis=1)
        phi = (cost - psi[None, :]).min(axis=1)
        bound = loose(float(phi.mean() + psi.mean()), float(cost.max() + np.abs(psi).max()), cost.size)
        outcomes.append(at_most(bound, power(d.wasserstein(x, y, p), p)))
    return both(*outcomes)


@law(
    "W_p ≤ (E|X − Y|^p)^(1/p) for any coupling: the independent one, and one by rank",
    source=VILLANI,
    on="samples",
    claims="wasserstein",
)
def any_coupling_bounds_from_above(d: Family, x: Array, y: Array) -> Outcome:
    k = min(len(x), len(y))
    paired = np.linalg.norm(x[:k] - y[:k], axis=1)
    outcomes = []
    for p in _orders(d):
        outcomes.append(at_most(d.wasserstein(x, y, p), power_mean((distances(x, y) ** p).ravel(), p)))
        outcomes.append(at_most(d.wasserstein(x[:k], y[:k], p), power_mean(paired**p, p)))
    return both(*outcomes)


@law(
    "(E min_j |X − y_j|^p)^(1/p) ≤ W_p",
    source="every unit of mass travels at least to the nearest point",
    on="samples",
    claims="wasserstein",
)
def nearest_neighbours_bound_from_below(d: Family, x: Array, y: Array) -> Outcome:
    near = distances(x, y).min(axis=1)
    return both(*(at_most(power_mean(near**p, p), d.wasserstein(x, y, p)) for p in _orders(d)))


@law("d_min TV ≤ W1 ≤ diam TV", source=GIBBS + ", thm 4", on="samples", claims="wasserstein")
def total_variation_bounds_w1(d: Family, x: Array, y: Array) -> Outcome:
    points, index = np.unique(np.concatenate([x, y]), axis=0, return_inverse=True)
    if len(points) < 2:
        return None
    index = index.reshape(-1)
    p = np.bincount(index[: len(x)], minlength=len(points)) / len(x)
    q = np.bincount(index[len(x) :], minlength=len(points)) / len(y)
    tv = loose(0.5 * float(np.abs(p - q).sum()), 0.0, len(points))
    apart = distances(points, points)
    least = float(apart[~np.eye(len(points), dtype=bool)].min())
    w1 = d.wasserstein(x, y)
    return both(at_most(least * tv, w1), at_most(w1, float(apart.max()) * tv))


@law("W_p ≤ diam^((p−1)/p) W1^(1/p)", source=VILLANI + "; " + PEYRE, on="samples", claims="wasserstein")
def interpolation_in_p(d: Family, x: Array, y: Array) -> Outcome:
    wide = diameter(x, y)
    return both(*(
        at_most(power(d.wasserstein(x, y, p), p), wide ** (p - 1) * d.wasserstein(x, y)) for p in _orders(d)
    ))  # fmt: skip


@law("W_p(x, x + a) = |a|", source=VILLANI, on="samples", claims="wasserstein")
def a_shift_costs_its_length(d: Family, x: Array, shift: Array) -> Outcome:
    length = loose(float(np.linalg.norm(shift)), 0.0)
    return both(*(equal(d.wasserstein(x, x + shift, p), length) for p in _orders(d)))


@law(
    "W2²(x, y) = |E X − E Y|² + W2²(x − E X, y − E Y)",
    source=PEYRE + ", rem. 2.19",
    on="samples",
    claims="wasserstein",
)
def w2_splits_off_the_means(d: Family, x: Array, y: Array, shift: Array) -> Outcome:
    if 2.0 not in _orders(d):
        return None
    gap = x.mean(0) - y.mean(0)
    moved = d.wasserstein(x + shift, y, 2.0)
    plain = d.wasserstein(x, y, 2.0)
    change = float(2 * shift @ gap + shift @ shift)  # |gap + a|² − |gap|²
    wide = diameter(x, y, x + shift)
    return equal(moved * moved, plain * plain + loose(change, wide**2, len(x) + len(y)))


@law(
    "W_p between points is their distance, and to a point E|X − a|^p",
    source=VILLANI,
    on="samples",
    claims="wasserstein",
)
def to_a_point(d: Family, x: Array, y: Array) -> Outcome:
    cost = distances(x, y[:1])[:, 0]
    return both(*(equal(d.wasserstein(x, y[:1], p), power_mean(cost**p, p)) for p in _orders(d)))


@law(
    "a map that is 1-Lipschitz never increases W_p: a coordinate, |·|, clipping",
    source=VILLANI,
    on="samples",
    claims=("wasserstein",),
)
def lipschitz_maps_contract(d: Family, x: Array, y: Array) -> Outcome:
    p = _orders(d)[-1]
    value = d.wasserstein(x, y, p)
    images = (
        (x[:, :1].copy(), y[:, :1].copy()),
        (np.abs(x), np.abs(y)),
        (x.clip(-1.0, 1.0), y.clip(-1.0, 1.0)),
    )
    return both(*(at_most(d.wasserstein(*pair, p), value) for pair in images))


@law(
    "W_p^p(½P + ½P', ½Q + ½Q') ≤ ½W_p^p(P, Q) + ½W_p^p(P', Q')",
    source="Villani 2009, thm 4.8",
    on="samples",
    claims="wasserstein",
)
def convexity_of_the_cost(d: Family, x: Array, y: Array, x2: Array, y2: Array) -> Outcome:
    outcomes = []
    for p in _orders(d):
        parts = [power(d.wasserstein(*pair, p), p) for pair in ((x, y), (x2, y2))]
        joined = d.wasserstein(np.concatenate([x, x2]), np.concatenate([y, y2]), p)
        outcomes.append(at_most(power(joined, p), 0.5 * (parts[0] + parts[1])))
    return both(*outcomes)


@law(
    "W between two parallel lines is their gap",
    source="Arjovsky, Chintala & Bottou 2017, ex. 1",
    on="samples",
    claims="wasserstein",
)
def parallel_lines(d: Family, u: Array, shift: Array) -> Outcome:
    gap = float(abs(shift[0]))
    lines = [np.concatenate([np.full_like(u, level), u], axis=1) for level in (0.0, gap)]
    return both(*(equal(d.wasserstein(*lines, p), gap) for p in _orders(d)))


@law(
    "W2 ≥ W2 of the Gaussians with the samples' means and covariances (ddof = 0)",
    source="Gelbrich 1990",
    on="samples",
    claims="wasserstein",
)
def gelbrich(d: Family, x: Array, y: Array) -> Outcome:
    if 2.0 not in _orders(d):
        return None
    covs = [np.atleast_2d((s - s.mean(0)).T @ (s - s.mean(0)) / len(s)) for s in (x, y)]
    bound = d.gaussian_w2(x.mean(0), covs[0], y.mean(0), covs[1])
    w2 = d.wasserstein(x, y, 2.0)
    return at_most(bound, w2 * w2)


@law(
    "E W1(P̂, Q) ≥ W1(P, Q), P̂ two draws from P",
    source="Jensen; Bellemare et al. 2017",
    on="samples",
    claims="wasserstein",
)
def a_sample_is_farther_on_average(d: Family, x: Array, y: Array) -> Outcome:
    pairs = [np.stack([x[i], x[j]]) for i in range(len(x)) for j in range(len(x))]
    if len(x) > 4:
        return None
    mean = sum((d.wasserstein(pair, y) for pair in pairs), Measured(0.0)) * (1.0 / len(pairs))
    return at_most(d.wasserstein(x, y), mean)


# ── sliced ──────────────────────────────────────────────────────────────────────────────────


@law(
    "each projection is 1-Lipschitz: sliced W_p ≤ W_p",
    source="Bonnotte 2013, ch. 5",
    on="samples",
    claims=("sliced wasserstein",),
)
def sliced_below_exact(d: Family, x: Array, y: Array) -> Outcome:
    return both(*(at_most(d.fn(x, y, p=p), d.wasserstein(x, y, p)) for p in (1.0, 2.0)))


@law(
    "in one dimension sliced W_p is W_p",
    source="Rabin et al. 2011",
    on="samples",
    claims="sliced wasserstein",
)
def sliced_on_the_line(d: Family, u: Array, v: Array) -> Outcome:
    return both(*(equal(d.fn(u, v, p=p), d.wasserstein(u, v, p)) for p in (1.0, 2.0)))


@law("sliced W_p is non-decreasing in p", source="Jensen", on="samples", claims="sliced wasserstein")
def sliced_is_monotone_in_p(d: Family, x: Array, y: Array) -> Outcome:
    if "max sliced" in d.fn.claims:
        raise NotApplicable("one fixed set of directions")
    values = [d.fn(x, y, p=p) for p in (1.0, 2.0, 3.0)]
    return both(at_most(values[0], values[1]), at_most(values[1], values[2]))


@law(
    "sliced W2(x, x + a) = |a|/√d in the mean over directions",
    source="Nadjahi et al. 2021",
    on="samples",
    claims="mean over directions",
)
def sliced_shift(d: Family, x: Array, shift: Array) -> Outcome:
    dimension, count = len(shift), 128
    squared = float(shift @ shift)
    if squared == 0:
        return None
    value = d.fn(x, x + shift, p=2.0, n_projections=count)
    # ⟨θ, a⟩² has mean |a|²/d and variance 2(d−1)|a|⁴/(d²(d+2)); by Chebyshev ten deviations are 1 % of seeds
    deviation = squared * math.sqrt(2 * (dimension - 1) / (dimension**2 * (dimension + 2)) / count)
    return equal(value * value, Measured(squared / dimension, 10 * deviation))


@law("max-sliced W_p ≥ |E X − E Y|", source="Deshpande et al. 2019", on="samples", claims="max sliced")
def max_sliced_sees_the_means(d: Family, x: Array, y: Array) -> Outcome:
    return at_most(mean_gap(x, y), d.fn(x, y, p=2.0))


# ── Sinkhorn ────────────────────────────────────────────────────────────────────────────────


def mean_cost(x: Array, y: Array, p: float) -> float:
    return float((distances(x, y) ** p).mean())


@law("S_ε(x, x + a) = |a|² for the squared cost", source=FEYDY, on="samples", claims="sinkhorn")
def sinkhorn_shift(d: Family, x: Array, shift: Array) -> Outcome:
    epsilon = 0.25 * mean_cost(x, x + shift, 2.0)
    if epsilon == 0:
        return None
    return equal(d.fn(x, x + shift, p=2, epsilon=epsilon), float(shift @ shift))


@law("S_ε between two points is their cost", source=FEYDY, on="samples", claims="sinkhorn")
def sinkhorn_of_points(d: Family, x: Array, y: Array) -> Outcome:
    cost = float(distances(x[:1], y[:1])[0, 0])
    if cost == 0:
        return None
    return both(*(equal(d.fn(x[:1], y[:1], p=p, epsilon=cost**p), cost**p) for p in (1, 2)))


@law(
    "S_ε({0}, {−h, h}) = h^p + ½ε log ½(1 + e^(−(2h)^p/ε))",
    source=PEYRE + ", §4.1, solved by symmetry",
    on="samples",
    claims="sinkhorn",
)
def sinkhorn_of_three_points(d: Family, factor: float) -> Outcome:
    h = float(factor)
    x, y = np.array([[0.0]]), np.array([[-h], [h]])
    outcomes = []
    for p in (1, 2):
        epsilon = h**p
        wanted = h**p + 0.5 * epsilon * math.log(0.5 * (1 + math.exp(-((2 * h) ** p) / epsilon)))
        outcomes.append(equal(d.fn(x, y, p=p, epsilon=epsilon), loose(wanted, h**p)))
    return both(*outcomes)


@law(
    "|S_ε − ½E| ≤ C²/(8ε) for p = 1, E the energy distance, C the largest cost; |E X − E Y|² for p = 2",
    source=FEYDY + "; Hoeffding's lemma",
    on="samples",
    claims="sinkhorn",
)
def sinkhorn_at_large_epsilon(d: Family, x: Array, y: Array) -> Outcome:
    outcomes = []
    for p in (1, 2):
        largest = diameter(x, y) ** p
        if largest == 0:
            return None
        epsilon = 1024.0 * largest
        gap = mean_gap(x, y)
        limit = 0.5 * d.energy(x, y) if p == 1 else gap * gap
        slack = Measured(limit.value, limit.error + largest**2 / (8 * epsilon))
        outcomes.append(equal(d.fn(x, y, p=p, epsilon=epsilon), slack))
    return both(*outcomes)


@law(
    "W_p^p − ½ε(log n + log m) ≤ S_ε ≤ W_p^p + ε log min(n, m)",
    source=PEYRE + ", prop. 4.1; Feydy et al. 2019",
    on="samples",
    claims="sinkhorn",
)
def sinkhorn_near_transport(d: Family, x: Array, y: Array) -> Outcome:
    outcomes = []
    for p in (1, 2):
        epsilon = 0.125 * mean_cost(x, y, p)
        if epsilon == 0:
            return None
        value = d.fn(x, y, p=p, epsilon=epsilon)
        exact = power(d.wasserstein(x, y, p), p)
        below = 0.5 * epsilon * (math.log(len(x)) + math.log(len(y)))
        above = epsilon * math.log(min(len(x), len(y)))
        outcomes += [at_most(exact - below, value), at_most(value, exact + above)]
    return both(*outcomes)


@law("S_cε^p(cx, cy) = c^p S_ε(x, y)", source="homogeneity", on="samples", claims="sinkhorn")
def sinkhorn_scaling(d: Family, x: Array, y: Array, factor: float) -> Outcome:
    epsilon = 0.25 * mean_cost(x, y, 2.0)
    if epsilon == 0:
        return None
    scaled = d.fn(factor * x, factor * y, p=2, epsilon=factor**2 * epsilon)
    return equal(scaled, factor**2 * d.fn(x, y, p=2, epsilon=epsilon))
