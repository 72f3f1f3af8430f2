"""Laws of divergences between Gaussians, given as (mean, covariance)."""

from __future__ import annotations

import math

import numpy as np

from divergences._arrays import Array
from divergences.laws.law import law
from divergences.laws.measured import (
    Measured,
    Outcome,
    at_most,
    both,
    equal,
    exactly_at_most,
    exp,
    log1p,
    power,
    sqrt,
)
from divergences.laws.reference import Family, distances, singular

__all__: list[str] = []

DOWSON = "Dowson & Landau 1982"
KULLBACK = "Kullback 1959, ch. 9"
GIL = "Gil, Alajaji & Linder 2013"
LIKELIHOODS = ("gaussian kl", "gaussian renyi", "gaussian hellinger", "gaussian js", "affine invariant")
TRANSPORTS = ("gaussian w2",)
ANY = (
    "never negative",
    "identity",
    "symmetric",
    "metric",
    "root is a metric",
    "affine invariant",
    *TRANSPORTS,
)


@law("D is a number in [−∞, ∞]", source="definition", on="gaussian", claims=ANY)
def is_a_number(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    d.fn(x_mean, x_cov, y_mean, y_cov)
    return 0.0


@law("D(P, Q) ≥ 0, without any tolerance", source="definition", on="gaussian", claims="never negative")
def never_negative(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    return exactly_at_most(0.0, d.fn(x_mean, x_cov, y_mean, y_cov))


@law("D(P, P) = 0", source="definition", on="gaussian", claims="identity")
def zero_at_equality(d: Family, x_mean: Array, x_cov: Array) -> Outcome:
    return equal(d.fn(x_mean, x_cov, x_mean.copy(), x_cov.copy()), 0.0)


@law("D(P, Q) = 0 only if P = Q", source="definition", on="gaussian", claims="definite")
def zero_only_at_equality(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    if np.abs(x_mean - y_mean).max() < 0.1 and np.abs(x_cov - y_cov).max() < 0.1 * np.abs(x_cov).max():
        return None
    return 0.0 if d.fn(x_mean, x_cov, y_mean, y_cov).value > 0 else math.inf


@law("D(P, Q) = D(Q, P)", source="definition", on="gaussian", claims="symmetric")
def symmetry(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    return equal(d.fn(x_mean, x_cov, y_mean, y_cov), d.fn(y_mean, y_cov, x_mean, x_cov))


@law("D(P, Q) ≤ D(P, R) + D(R, Q)", source="definition of a metric", on="gaussian", claims="metric")
def triangle_inequality(
    d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array, z_mean: Array, z_cov: Array
) -> Outcome:
    x, y, z = (x_mean, x_cov), (y_mean, y_cov), (z_mean, z_cov)
    return at_most(d.fn(*x, *y), d.fn(*x, *z) + d.fn(*z, *y))


@law("√D(P, Q) ≤ √D(P, R) + √D(R, Q)", source=DOWSON, on="gaussian", claims="root is a metric")
def triangle_inequality_of_the_root(
    d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array, z_mean: Array, z_cov: Array
) -> Outcome:
    x, y, z = (x_mean, x_cov), (y_mean, y_cov), (z_mean, z_cov)
    return at_most(sqrt(d.fn(*x, *y)), sqrt(d.fn(*x, *z)) + sqrt(d.fn(*z, *y)))


@law("D(P + a, Q + a) = D(P, Q)", source="translation invariance", on="gaussian", claims=ANY)
def translation(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array, shift: Array) -> Outcome:
    return equal(d.fn(x_mean + shift, x_cov, y_mean + shift, y_cov), d.fn(x_mean, x_cov, y_mean, y_cov))


@law("the order of the coordinates does not matter", source="relabelling", on="gaussian", claims=ANY)
def order_of_coordinates(
    d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array, order: Array
) -> Outcome:
    turned = x_mean[order], x_cov[np.ix_(order, order)], y_mean[order], y_cov[np.ix_(order, order)]
    return equal(d.fn(*turned), d.fn(x_mean, x_cov, y_mean, y_cov))


@law(
    "D of the images under an invertible affine map is D(P, Q)",
    source=KULLBACK,
    on="gaussian",
    claims="affine invariant",
)
def affine_invariance(
    d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array, matrix: Array, shift: Array
) -> Outcome:
    if singular(x_cov, y_cov):
        return None
    moved = [
        part
        for m, c in ((x_mean, x_cov), (y_mean, y_cov))
        for part in (matrix @ m + shift, matrix @ c @ matrix.T)
    ]
    return equal(d.fn(*moved), d.fn(x_mean, x_cov, y_mean, y_cov))


@law(
    "D of a marginal is no larger",
    source="data processing; a projection is 1-Lipschitz",
    on="gaussian",
    claims=("affine invariant", *TRANSPORTS),
)
def marginals_contract(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    if len(x_mean) < 2:
        return None
    return at_most(
        d.fn(x_mean[:1], x_cov[:1, :1], y_mean[:1], y_cov[:1, :1]), d.fn(x_mean, x_cov, y_mean, y_cov)
    )


def joined(first: Array, second: Array) -> Array:
    """The block-diagonal covariance of independent parts."""
    out = np.zeros((len(first) + len(second),) * 2)
    out[: len(first), : len(first)], out[len(first) :, len(first) :] = first, second
    return out


@law(
    "independent parts: KL adds, W2² adds, the affinity 1 − H² multiplies",
    source=KULLBACK,
    on="gaussian",
    claims=("gaussian kl", "gaussian hellinger", *TRANSPORTS),
)
def tensorisation(
    d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array, z_mean: Array, z_cov: Array
) -> Outcome:
    if len(x_mean) > 2:
        return None
    whole = (
        np.concatenate([x_mean, z_mean]), joined(x_cov, z_cov),
        np.concatenate([y_mean, z_mean + 1]), joined(y_cov, z_cov),
    )  # fmt: skip
    parts = (x_mean, x_cov, y_mean, y_cov), (z_mean, z_cov, z_mean + 1, z_cov)
    outcomes = []
    if "gaussian hellinger" in d.fn.claims:
        h, first, second = (1 - d.fn(*g) * d.fn(*g) for g in (whole, *parts))
        outcomes.append(equal(h, first * second))
    elif "gaussian kl" in d.fn.claims:
        outcomes.append(equal(d.fn(*whole), d.fn(*parts[0]) + d.fn(*parts[1])))
    else:
        outcomes.append(equal(d.gaussian_w2(*whole), d.gaussian_w2(*parts[0]) + d.gaussian_w2(*parts[1])))
    return both(*outcomes)


# ── transport ───────────────────────────────────────────────────────────────────────────────


@law(
    "W2² = |Δ|² + tr P + tr Q − 2 tr (P^½ Q P^½)^½ = |Δ|² + tr P + tr Q − 2‖P^½Q^½‖_*",
    source=DOWSON + "; Olkin & Pukelsheim 1982",
    on="gaussian",
    claims=TRANSPORTS,
)
def bures_closed_form(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    g = (x_mean, x_cov, y_mean, y_cov)
    return equal(d.gaussian_w2(*g), d.references().gaussian_w2(*g))


@law("|Δ|² ≤ W2² ≤ |Δ|² + tr P + tr Q", source=DOWSON, on="gaussian", claims=TRANSPORTS)
def means_and_traces_bound_w2(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    gap = float((x_mean - y_mean) @ (x_mean - y_mean))
    value = d.gaussian_w2(x_mean, x_cov, y_mean, y_cov)
    above = gap + float(np.trace(x_cov) + np.trace(y_cov))
    return both(at_most(Measured(gap, 1e-15 * gap), value), at_most(value, Measured(above, 1e-14 * above)))


@law("W2² between N(m, P) and N(n, P) is |m − n|²", source=DOWSON, on="gaussian", claims=TRANSPORTS)
def equal_covariances_leave_the_means(d: Family, x_mean: Array, x_cov: Array, y_mean: Array) -> Outcome:
    gap = float((x_mean - y_mean) @ (x_mean - y_mean))
    return equal(d.gaussian_w2(x_mean, x_cov, y_mean, x_cov), Measured(gap, 1e-15 * gap))


@law("W2²(P, c²P) = (c − 1)² tr P", source=DOWSON, on="gaussian", claims=TRANSPORTS)
def scaled_copy(d: Family, x_mean: Array, x_cov: Array, factor: float) -> Outcome:
    wanted = (float(factor) - 1) ** 2 * float(np.trace(x_cov))
    return equal(d.gaussian_w2(x_mean, x_cov, x_mean, factor**2 * x_cov), Measured(wanted, 1e-14 * wanted))


@law("W2² to a point n is |m − n|² + tr P", source=DOWSON, on="gaussian", claims=TRANSPORTS)
def to_a_point_mass(d: Family, x_mean: Array, x_cov: Array, y_mean: Array) -> Outcome:
    gap = float((x_mean - y_mean) @ (x_mean - y_mean) + np.trace(x_cov))
    return equal(d.gaussian_w2(x_mean, x_cov, y_mean, np.zeros_like(x_cov)), Measured(gap, 1e-14 * gap))


@law(
    "|Δ|² + Σ (√λᵢ − √μᵢ)² ≤ W2², λ and μ the ordered eigenvalues, equal for diagonal P, Q in one order",
    source="Bhatia, Jain & Lim 2019",
    on="gaussian",
    claims=TRANSPORTS,
)
def eigenvalues_bound_w2(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    roots = [np.sqrt(np.maximum(np.linalg.eigvalsh(c), 0.0)) for c in (x_cov, y_cov)]
    size = float(np.trace(x_cov) + np.trace(y_cov))
    gap = float((x_mean - y_mean) @ (x_mean - y_mean)) + float(((roots[0] - roots[1]) ** 2).sum())
    diagonal = [np.diag(r**2) for r in roots]
    return both(
        at_most(Measured(gap, 1e-7 * size), d.gaussian_w2(x_mean, x_cov, y_mean, y_cov)),
        equal(d.gaussian_w2(x_mean, diagonal[0], y_mean, diagonal[1]), Measured(gap, 1e-14 * (gap + size))),
    )


@law(
    "W2²(cP, cQ) = c² W2²(P, Q) for the variables scaled by c",
    source=DOWSON,
    on="gaussian",
    claims=TRANSPORTS,
)
def scaling(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array, factor: float) -> Outcome:
    scaled = d.gaussian_w2(factor * x_mean, factor**2 * x_cov, factor * y_mean, factor**2 * y_cov)
    return equal(scaled, float(factor) ** 2 * d.gaussian_w2(x_mean, x_cov, y_mean, y_cov))


@law(
    "W2²(Q, N(0, I)) ≤ 2 KL(Q‖N(0, I))",
    source="Talagrand 1996 (T2)",
    on="gaussian",
    claims=("gaussian kl", *TRANSPORTS),
)
def talagrand(d: Family, x_mean: Array, x_cov: Array) -> Outcome:
    if singular(x_cov):
        return None
    g = (x_mean, x_cov, np.zeros_like(x_mean), np.eye(len(x_mean)))
    return at_most(d.gaussian_w2(*g), 2 * d.gaussian_kl(*g))


# ── likelihoods ─────────────────────────────────────────────────────────────────────────────


@law(
    "KL = ½[tr Q⁻¹P − d − log det Q⁻¹P + ΔᵀQ⁻¹Δ]",
    source=KULLBACK + ", eq. 1.4",
    on="gaussian",
    claims="gaussian kl",
)
def kl_closed_form(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    if singular(x_cov, y_cov):
        return None
    g = (x_mean, x_cov, y_mean, y_cov)
    return equal(d.gaussian_kl(*g), d.references().gaussian_kl(*g))


@law(
    "KL of a singular Gaussian against one of full rank, or the reverse, is ∞",
    source="mutual singularity",
    on="gaussian",
    claims="gaussian kl",
)
def kl_of_singular_is_infinite(d: Family, x_mean: Array, x_cov: Array, y_mean: Array) -> Outcome:
    if singular(x_cov):
        return None
    flat = np.zeros_like(x_cov)
    return both(
        *(
            equal(d.gaussian_kl(*g), math.inf)
            for g in ((x_mean, x_cov, y_mean, flat), (y_mean, flat, x_mean, x_cov))
        )
    )


@law("KL(N(m, P)‖N(n, P)) = ½ ΔᵀP⁻¹Δ, symmetric", source=KULLBACK, on="gaussian", claims="gaussian kl")
def kl_of_equal_covariances(d: Family, x_mean: Array, x_cov: Array, y_mean: Array) -> Outcome:
    if singular(x_cov):
        return None
    quadratic = 0.5 * float((x_mean - y_mean) @ np.linalg.solve(x_cov, x_mean - y_mean))
    wanted = Measured(quadratic, 1e-13 * float(np.linalg.cond(x_cov)) * (1 + quadratic))
    return both(
        *(equal(d.gaussian_kl(a, x_cov, b, x_cov), wanted) for a, b in ((x_mean, y_mean), (y_mean, x_mean)))
    )


@law(
    "2H² ≤ −2 log(1 − H²) ≤ KL",
    source="Tsybakov 2009, §2.4",
    on="gaussian",
    claims=("gaussian kl", "gaussian hellinger"),
)
def hellinger_below_kl(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    if singular(x_cov, y_cov):
        return None
    g = (x_mean, x_cov, y_mean, y_cov)
    h = d.gaussian_hellinger(*g)
    return both(at_most(h * h, -log1p(-(h * h))), at_most(-2 * log1p(-(h * h)), d.gaussian_kl(*g)))


@law(
    "Bhattacharyya: 1 − H² = e^(−D_½/2)",
    source=GIL,
    on="gaussian",
    claims=("gaussian hellinger", "gaussian renyi"),
)
def hellinger_is_renyi_of_one_half(
    d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array
) -> Outcome:
    if singular(x_cov, y_cov):
        return None
    g = (x_mean, x_cov, y_mean, y_cov)
    h = d.gaussian_hellinger(*g)
    return equal(1 - h * h, exp(-0.5 * d.gaussian_renyi(*g, alpha=0.5)))


@law(
    "equal covariances: 1 − H² = e^(−ΔᵀP⁻¹Δ/8)",
    source="Pardo 2006",
    on="gaussian",
    claims="gaussian hellinger",
)
def hellinger_of_equal_covariances(d: Family, x_mean: Array, x_cov: Array, y_mean: Array) -> Outcome:
    if singular(x_cov):
        return None
    quadratic = float((x_mean - y_mean) @ np.linalg.solve(x_cov, x_mean - y_mean))
    h = d.gaussian_hellinger(x_mean, x_cov, y_mean, x_cov)
    return equal(
        1 - h * h, Measured(math.exp(-quadratic / 8), 1e-13 * float(np.linalg.cond(x_cov)) * (1 + quadratic))
    )


@law("H ≤ 1", source="definition", on="gaussian", claims="gaussian hellinger")
def hellinger_is_at_most_one(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    return at_most(d.gaussian_hellinger(x_mean, x_cov, y_mean, y_cov), 1.0)


@law(
    "D_α ≤ D_β for α ≤ β, D_1 = KL",
    source="van Erven & Harremoës 2014, thm 3",
    on="gaussian",
    claims="gaussian renyi",
)
def renyi_is_monotone_in_its_order(
    d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array
) -> Outcome:
    if singular(x_cov, y_cov):
        return None
    g = (x_mean, x_cov, y_mean, y_cov)
    orders = (0.25, 0.5, 1.0, 2.0)
    values = [d.gaussian_renyi(*g, alpha=a) for a in orders]
    # 1/(1 − α) multiplies the rounding of the log determinants
    wide = [Measured(v.value, v.error * 4) for v in values]
    return both(*(at_most(wide[i], wide[i + 1]) for i in range(3)), equal(wide[2], d.gaussian_kl(*g)))


@law("D_α by determinants", source=GIL + ", table 2", on="gaussian", claims="gaussian renyi")
def renyi_closed_form(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    if singular(x_cov, y_cov):
        return None
    g, outcomes = (x_mean, x_cov, y_mean, y_cov), []
    for a in (0.25, 0.5, 1.0, 2.0):
        value = d.gaussian_renyi(*g, alpha=a)
        outcomes.append(
            equal(Measured(value.value, 4 * value.error), d.references().gaussian_renyi(*g, alpha=a))
        )
    return both(*outcomes)


@law("JS ≤ log 2 and JS ≤ ¼(KL + reverse KL)", source="Lin 1991", on="gaussian", claims="gaussian js")
def js_is_bounded(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    g = (x_mean[:1], x_cov[:1, :1], y_mean[:1], y_cov[:1, :1])
    value = d.fn(*g)
    if singular(g[1], g[3]):
        return at_most(value, math.log(2))
    jeffreys = d.gaussian_kl(*g) + d.gaussian_kl(*g[2:], *g[:2])
    return both(at_most(value, math.log(2)), at_most(value, 0.25 * jeffreys))


@law(
    "log 2 · H² ≤ JS ≤ H²", source="Guntuboyina, Saha & Schiebinger 2014", on="gaussian", claims="gaussian js"
)
def js_and_hellinger(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    g = (x_mean[:1], x_cov[:1, :1], y_mean[:1], y_cov[:1, :1])
    if singular(g[1], g[3]):
        return None
    squared = power(d.gaussian_hellinger(*g), 2.0)
    value = d.fn(*g)
    return both(at_most(math.log(2) * squared, value), at_most(value, squared))


@law(
    "W2² between Gaussians is no more than any coupling's cost: |Δ|² + ‖A − B‖² for factors P = AAᵀ, Q = BBᵀ",
    source="Givens & Shortt 1984",
    on="gaussian",
    claims=TRANSPORTS,
)
def factors_bound_from_above(d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array) -> Outcome:
    if singular(x_cov, y_cov):
        return None
    factors = [np.linalg.cholesky(c) for c in (x_cov, y_cov)]
    gap = float(distances(x_mean[None], y_mean[None])[0, 0]) ** 2 + float(
        ((factors[0] - factors[1]) ** 2).sum()
    )
    size = float(np.trace(x_cov) + np.trace(y_cov))
    return at_most(d.gaussian_w2(x_mean, x_cov, y_mean, y_cov), Measured(gap, 1e-13 * (gap + size)))
