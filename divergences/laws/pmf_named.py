"""Identities and inequalities between the named divergences of probability vectors.

Pinsker's relates KL and TV: a function that claims either is held to it, the other being a reference.
"""

from __future__ import annotations

import itertools
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
    log,
    log1p,
    measured,
    sqrt,
    total,
)
from divergences.laws.pmf_general import mixture, product
from divergences.laws.reference import Family, bhattacharyya, entropy

__all__: list[str] = []

COVER = "Cover & Thomas 2006, ch. 2"
TSYBAKOV = "Tsybakov 2009, §2.4"
POLYANSKIY = "Polyanskiy & Wu, ch. 7"
ERVEN = "van Erven & Harremoës 2014"
LOG2 = math.log(2.0)
ORDERS = (0.25, 0.5, 2.0, 3.0)


# ── Kullback–Leibler ────────────────────────────────────────────────────────────────────────


@law("KL(P‖Q) = −Σ p log q − H(P)", source=COVER, on="pmf", claims="kl")
def kl_is_cross_entropy_minus_entropy(d: Family, p: Array, q: Array) -> Outcome:
    s = p > 0
    if np.any(q[s] == 0):
        return equal(d.kl(p, q), math.inf)
    cross = total(Measured(v, 800 * 2.0**-52 * abs(v)) for v in -p[s] * np.log(q[s]))
    return equal(d.kl(p, q), cross - entropy(p))


@law("KL(P‖uniform) = log k − H(P)", source=COVER, on="pmf", claims="kl")
def kl_to_uniform(d: Family, p: Array) -> Outcome:
    k = len(p)
    return equal(d.kl(p, np.full(k, 1.0 / k)), math.log(k) - entropy(p))


@law("KL(δᵢ‖Q) = −log qᵢ", source=COVER, on="pmf", claims="kl")
def kl_from_a_point(d: Family, q: Array) -> Outcome:
    i = int(np.argmax(q))
    return equal(d.kl(np.eye(len(q))[i], q), -math.log(q[i]))


@law("KL(P‖Q) = ∞ iff P has mass where Q has none", source=COVER, on="pmf", claims="kl")
def kl_is_infinite_iff_mass_escapes(d: Family, p: Array, q: Array) -> Outcome:
    escapes = bool(np.any((p > 0) & (q == 0)))
    return 0.0 if math.isinf(d.kl(p, q).value) == escapes else math.inf


@law(
    "KL(P K‖Q L) = KL(P‖Q) + Σ p(x) KL(K(·|x)‖L(·|x)) for joint laws",
    source=COVER + ", thm 2.5.3",
    on="pmf",
    claims="kl",
)
def chain_rule(d: Family, p: Array, q: Array, channel: Array, channel2: Array) -> Outcome:
    joint = [(v[:, None] * k).ravel() for v, k in ((p, channel), (q, channel2))]
    inner = total(p[i] * d.kl(channel[i], channel2[i]) for i in range(len(p)) if p[i] > 0)
    return equal(d.kl(*joint), d.kl(p, q) + inner)


@law("KL(P₁⊗P₂‖Q₁⊗Q₂) = KL(P₁‖Q₁) + KL(P₂‖Q₂)", source=COVER, on="pmf", claims="kl")
def tensorisation(d: Family, p: Array, q: Array, p2: Array, q2: Array) -> Outcome:
    return equal(d.kl(product(p, p2), product(q, q2)), d.kl(p, q) + d.kl(p2, q2))


@law(
    "Σ tᵢ KL(Pᵢ‖Q) = Σ tᵢ KL(Pᵢ‖M) + KL(M‖Q), M = Σ tᵢ Pᵢ",
    source="Topsøe 1967 (compensation identity)",
    on="pmf",
    claims="kl",
)
def compensation_identity(d: Family, p: Array, r: Array, q: Array, t: float) -> Outcome:
    m = mixture(p, r, t)
    left = (1 - t) * d.kl(p, q) + t * d.kl(r, q)
    return equal(left, (1 - t) * d.kl(p, m) + t * d.kl(r, m) + d.kl(m, q))


@law(
    "Σ p log(p/q) ≥ E_P T − log E_Q e^T for every T", source="Donsker & Varadhan 1983", on="pmf", claims="kl"
)
def donsker_varadhan(d: Family, p: Array, q: Array, test: Array) -> Outcome:
    bound = float(p @ test) - log(Measured(float(q @ np.exp(test)), 1e-14))
    return at_most(bound, d.kl(p, q))


@law(
    "KL ≥ E_P T − E_Q e^(T−1) for every T, and no more than Donsker–Varadhan",
    source="Nguyen, Wainwright & Jordan 2010; Poole et al. 2019",
    on="pmf",
    claims="kl",
)
def nguyen_wainwright_jordan(d: Family, p: Array, q: Array, test: Array) -> Outcome:
    return at_most(Measured(float(p @ test - q @ np.exp(test - 1)), 1e-14), d.kl(p, q))


@law("both bounds are tight at T = log p/q (and + 1)", source="Poole et al. 2019, §2", on="pmf", claims="kl")
def variational_bounds_are_tight(d: Family, p: Array, q: Array) -> Outcome:
    if np.any((p > 0) != (q > 0)):
        return None
    s = p > 0
    best = np.log(p[s]) - np.log(q[s])
    value = Measured(
        float(p[s] @ best - math.log(q[s] @ np.exp(best))),
        800 * 2.0**-52 * float(p[s] @ np.abs(best)) + 1e-14,
    )
    return equal(d.kl(p, q), value)


@law("KL(P‖Q) ≤ log max p/q", source=ERVEN + ", thm 3", on="pmf", claims="kl")
def kl_below_the_largest_log_ratio(d: Family, p: Array, q: Array) -> Outcome:
    return at_most(d.kl(p, q), d.renyi(p, q, alpha=math.inf))


@law(
    "Jeffreys(P, Q) = KL(P‖Q) + KL(Q‖P) = Σ (p − q) log(p/q)",
    source="Jeffreys 1946",
    on="pmf",
    claims=("kl", "jeffreys"),
)
def jeffreys_is_both_kl(d: Family, p: Array, q: Array) -> Outcome:
    if np.any((p > 0) != (q > 0)):
        return equal(d.jeffreys(p, q), math.inf) if "jeffreys" in d.fn.claims else None
    s = p > 0
    terms = (p[s] - q[s]) * (np.log(p[s]) - np.log(q[s]))
    size = float(((p[s] + q[s]) * (np.abs(np.log(p[s])) + np.abs(np.log(q[s])))).sum())
    direct = Measured(math.fsum(terms), 16 * 2.0**-52 * size)
    return both(equal(d.jeffreys(p, q), d.kl(p, q) + d.kl(q, p)), equal(d.jeffreys(p, q), direct))


# ── KL against the others ───────────────────────────────────────────────────────────────────


@law("2 TV² ≤ KL", source="Pinsker; " + TSYBAKOV + ", lemma 2.5", on="pmf", claims=("kl", "tv"))
def pinsker(d: Family, p: Array, q: Array) -> Outcome:
    return at_most(2 * d.tv(p, q) * d.tv(p, q), d.kl(p, q))


@law(
    "TV ≤ √(1 − e^−KL) ≤ 1 − ½ e^−KL",
    source="Bretagnolle & Huber 1979; " + TSYBAKOV,
    on="pmf",
    claims=("kl", "tv"),
)
def bretagnolle_huber(d: Family, p: Array, q: Array) -> Outcome:
    decay = exp(-d.kl(p, q))
    return both(at_most(d.tv(p, q), sqrt(1 - decay)), at_most(d.tv(p, q), 1 - 0.5 * decay))


@law("2H² ≤ −2 log(1 − H²) ≤ KL", source=TSYBAKOV, on="pmf", claims=("kl", "hellinger"))
def hellinger_below_kl(d: Family, p: Array, q: Array) -> Outcome:
    h = d.hellinger(p, q)
    return both(at_most(2 * h * h, 2 * bhattacharyya(h)), at_most(2 * bhattacharyya(h), d.kl(p, q)))


@law("KL ≤ log(1 + χ²) ≤ χ²", source=TSYBAKOV, on="pmf", claims=("kl", "chi2"))
def kl_below_chi2(d: Family, p: Array, q: Array) -> Outcome:
    c = d.chi2(p, q)
    return both(at_most(d.kl(p, q), log1p(c)), at_most(log1p(c), c))


@law("KL ≤ log(1 + 2 TV²/min q)", source="Sason & Verdú 2016", on="pmf", claims=("kl", "tv"))
def reverse_pinsker(d: Family, p: Array, q: Array) -> Outcome:
    if q.min() < 1e-100:
        return None
    return at_most(d.kl(p, q), log1p((2.0 / q.min()) * (d.tv(p, q) * d.tv(p, q))))


# ── total variation ─────────────────────────────────────────────────────────────────────────


@law("TV ≤ 1, without tolerance beyond a rounding", source="definition", on="pmf", claims="tv")
def tv_is_at_most_one(d: Family, p: Array, q: Array) -> Outcome:
    return at_most(d.tv(p, q), 1.0)


@law("TV = max over events A of P(A) − Q(A)", source=TSYBAKOV + ", lemma 2.1", on="pmf", claims="tv")
def tv_is_a_supremum_over_events(d: Family, p: Array, q: Array) -> Outcome:
    events = np.array(list(itertools.product((0.0, 1.0), repeat=len(p))))
    return equal(d.tv(p, q), float((events @ (p - q)).max()))


@law("TV = 1 − Σ min(p, q)", source=TSYBAKOV + " (Scheffé)", on="pmf", claims="tv")
def scheffe(d: Family, p: Array, q: Array) -> Outcome:
    return equal(d.tv(p, q), 1.0 - math.fsum(np.minimum(p, q)))


@law(
    "TV ≤ P(X ≠ Y) for every coupling, with equality for one (W1 under the 0–1 cost)",
    source="Strassen 1965",
    on="pmf",
    claims="tv",
)
def coupling_inequality(d: Family, p: Array, q: Array, t: float) -> Outcome:
    shared = np.minimum(p, q)
    rest_p, rest_q = p - shared, q - shared
    maximal = np.diag(shared)
    if rest_p.sum() > 0 and rest_q.sum() > 0:
        maximal = maximal + np.outer(rest_p, rest_q) / rest_q.sum()
    mixed = t * maximal + (1 - t) * np.outer(p, q)
    costs = [float(plan.sum() - np.trace(plan)) for plan in (maximal, mixed)]
    return both(equal(d.tv(p, q), Measured(costs[0], 1e-14)), at_most(d.tv(p, q), Measured(costs[1], 1e-14)))


@law(
    "½ Σ min(p, q) = (1 − TV)/2: the Bayes error, which no test beats",
    source="Cover & Thomas 2006, ch. 11",
    on="pmf",
    claims="tv",
)
def bayes_error(d: Family, p: Array, q: Array, test: Array) -> Outcome:
    best = 0.5 * (1.0 - d.tv(p, q))
    error = 0.5 * float(p[test <= 0].sum() + q[test > 0].sum())
    return both(equal(best, 0.5 * math.fsum(np.minimum(p, q))), at_most(best, Measured(error, 1e-15)))


@law("TV(P₁⊗P₂, Q₁⊗Q₂) ≤ TV(P₁, Q₁) + TV(P₂, Q₂)", source=TSYBAKOV, on="pmf", claims="tv")
def tv_is_subadditive(d: Family, p: Array, q: Array, p2: Array, q2: Array) -> Outcome:
    return at_most(d.tv(product(p, p2), product(q, q2)), d.tv(p, q) + d.tv(p2, q2))


@law("|E_P g − E_Q g| ≤ TV · (max g − min g)", source=POLYANSKIY, on="pmf", claims="tv")
def tv_bounds_expectations(d: Family, p: Array, q: Array, test: Array) -> Outcome:
    gap = Measured(abs(float((p - q) @ test)), 1e-14)
    return at_most(gap, float(np.ptp(test)) * d.tv(p, q))


@law("TV((1−t)P + tQ, Q) = (1−t) TV(P, Q)", source="a norm of p − q", on="pmf", claims="tv")
def tv_is_a_norm_of_the_difference(d: Family, p: Array, q: Array, t: float) -> Outcome:
    return equal(d.tv(mixture(p, q, t), q), (1 - t) * d.tv(p, q))


@law("4 TV² ≤ χ²", source=TSYBAKOV + " (Cauchy–Schwarz)", on="pmf", claims=("tv", "chi2"))
def tv_below_chi2(d: Family, p: Array, q: Array) -> Outcome:
    return at_most(4 * d.tv(p, q) * d.tv(p, q), d.chi2(p, q))


@law(
    "H² ≤ TV ≤ H √(2 − H²)",
    source="Le Cam; " + TSYBAKOV + ", lemma 2.3",
    on="pmf",
    claims=("tv", "hellinger"),
)
def le_cam(d: Family, p: Array, q: Array) -> Outcome:
    h = d.hellinger(p, q)
    return both(at_most(h * h, d.tv(p, q)), at_most(d.tv(p, q), h * sqrt(2 - h * h)))


# ── Hellinger, χ² ───────────────────────────────────────────────────────────────────────────


@law("H ≤ 1, equality iff disjoint", source=TSYBAKOV, on="pmf", claims="hellinger")
def hellinger_is_at_most_one(d: Family, p: Array, q: Array) -> Outcome:
    h = d.hellinger(p, q)
    apart = not np.any((p > 0) & (q > 0))
    return both(at_most(h, 1.0), equal(h, 1.0) if apart else None)


@law("1 − H² = Σ √(pq), and it multiplies over products", source=TSYBAKOV, on="pmf", claims="hellinger")
def bhattacharyya_multiplies(d: Family, p: Array, q: Array, p2: Array, q2: Array) -> Outcome:
    first, second = (1 - d.hellinger(*pair) * d.hellinger(*pair) for pair in ((p, q), (p2, q2)))
    h = d.hellinger(product(p, p2), product(q, q2))
    return both(equal(1 - h * h, first * second), equal(first, Measured(float(np.sqrt(p * q).sum()), 1e-14)))


@law("H²(P₁⊗P₂, Q₁⊗Q₂) ≤ H²(P₁, Q₁) + H²(P₂, Q₂)", source=TSYBAKOV, on="pmf", claims="hellinger")
def hellinger_is_subadditive(d: Family, p: Array, q: Array, p2: Array, q2: Array) -> Outcome:
    parts = [d.hellinger(*pair) for pair in ((product(p, p2), product(q, q2)), (p, q), (p2, q2))]
    whole, first, second = (h * h for h in parts)
    return at_most(whole, first + second)


@law("1 + χ² multiplies over products", source=POLYANSKIY, on="pmf", claims="chi2")
def chi2_multiplies(d: Family, p: Array, q: Array, p2: Array, q2: Array) -> Outcome:
    factors = [1 + d.chi2(*pair) for pair in ((product(p, p2), product(q, q2)), (p, q), (p2, q2))]
    return equal(factors[0], factors[1] * factors[2])


@law("χ² = Σ p²/q − 1", source="Pearson 1900", on="pmf", claims="chi2")
def chi2_is_a_second_moment(d: Family, p: Array, q: Array) -> Outcome:
    if np.any((p > 0) & (q < 1e-150)):
        return None
    s = q > 0
    moment = float((p[s] * (p[s] / q[s])).sum())
    return equal(d.chi2(p, q), Measured(moment - 1, 1e-15 * len(p) * (1 + moment)))


@law(
    "(E_P g − E_Q g)² ≤ χ²(P‖Q) Var_Q g",
    source="Hammersley 1950; Chapman & Robbins 1951; " + POLYANSKIY,
    on="pmf",
    claims="chi2",
)
def hammersley_chapman_robbins(d: Family, p: Array, q: Array, test: Array) -> Outcome:
    gap = float((p - q) @ test)
    variance = float(q @ (test - q @ test) ** 2)
    if variance < 1e-6:
        return None
    return at_most(
        Measured(gap * gap, 1e-14 * (1 + gap * gap)),
        d.chi2(p, q) * Measured(variance, 1e-14 * (1 + variance)),
    )


# ── Jensen–Shannon, triangular ──────────────────────────────────────────────────────────────


@law("JS ≤ log 2, equality iff disjoint", source="Lin 1991", on="pmf", claims="js")
def js_is_at_most_log_two(d: Family, p: Array, q: Array) -> Outcome:
    apart = not np.any((p > 0) & (q > 0))
    return both(at_most(d.js(p, q), LOG2), equal(d.js(p, q), LOG2) if apart else None)


@law("JS = H(M) − ½H(P) − ½H(Q), M = ½(P + Q)", source="Lin 1991, eq. 4.1", on="pmf", claims="js")
def js_by_entropies(d: Family, p: Array, q: Array) -> Outcome:
    return equal(d.js(p, q), entropy((p + q) / 2) - 0.5 * entropy(p) - 0.5 * entropy(q))


@law("JS = ½KL(P‖M) + ½KL(Q‖M), M = ½(P + Q)", source="Lin 1991", on="pmf", claims=("js", "kl"))
def js_by_kl(d: Family, p: Array, q: Array) -> Outcome:
    if min(p[p > 0].min(), q[q > 0].min()) < 1e-290:
        return None  # halving a subnormal loses it
    m = (p + q) / 2
    return equal(d.js(p, q), 0.5 * (d.kl(p, m) + d.kl(q, m)))


@law("JS ≤ ½KL(P‖R) + ½KL(Q‖R) for every R", source="Topsøe 2000", on="pmf", claims=("js", "kl"))
def js_is_the_least_mean_kl(d: Family, p: Array, q: Array, r: Array) -> Outcome:
    return at_most(d.js(p, q), 0.5 * (d.kl(p, r) + d.kl(q, r)))


@law("½TV² ≤ JS ≤ log 2 · TV", source="Lin 1991, thm 3; Topsøe 2000", on="pmf", claims=("js", "tv"))
def js_and_tv(d: Family, p: Array, q: Array) -> Outcome:
    tv = d.tv(p, q)
    return both(at_most(0.5 * tv * tv, d.js(p, q)), at_most(d.js(p, q), LOG2 * tv))


@law("JS ≤ ¼ Jeffreys", source="Lin 1991, thm 1", on="pmf", claims=("js", "jeffreys"))
def js_below_jeffreys(d: Family, p: Array, q: Array) -> Outcome:
    return at_most(d.js(p, q), 0.25 * d.jeffreys(p, q))


@law("JS ≤ log 2/(1 + e^(−J/2)), J = Jeffreys", source="Crooks 2008", on="pmf", claims=("js", "jeffreys"))
def crooks(d: Family, p: Array, q: Array) -> Outcome:
    return at_most(d.js(p, q), log(2.0 / (1.0 + exp(-0.5 * d.jeffreys(p, q)))))


@law(
    "¼Δ ≤ JS ≤ ½ log 2 · Δ, Δ = Σ (p − q)²/(p + q)",
    source="Topsøe 2000",
    on="pmf",
    claims=("js", "triangular"),
)
def js_and_triangular(d: Family, p: Array, q: Array) -> Outcome:
    delta = d.triangular(p, q)
    return both(at_most(0.25 * delta, d.js(p, q)), at_most(d.js(p, q), 0.5 * LOG2 * delta))


@law(
    "log 2 · H² ≤ JS ≤ H²",
    source="Guntuboyina, Saha & Schiebinger 2014",
    on="pmf",
    claims=("js", "hellinger"),
)
def js_and_hellinger(d: Family, p: Array, q: Array) -> Outcome:
    squared = d.hellinger(p, q) * d.hellinger(p, q)
    return both(at_most(LOG2 * squared, d.js(p, q)), at_most(d.js(p, q), squared))


@law(
    "Δ = 2 χ²(P‖M), M = ½(P + Q)", source="Le Cam 1986; Vincze 1981", on="pmf", claims=("triangular", "chi2")
)
def triangular_is_chi2_to_the_middle(d: Family, p: Array, q: Array) -> Outcome:
    return equal(d.triangular(p, q), 2 * d.chi2(p, (p + q) / 2))


@law("2 TV² ≤ Δ ≤ 2 TV", source="Topsøe 2000", on="pmf", claims=("triangular", "tv"))
def triangular_and_tv(d: Family, p: Array, q: Array) -> Outcome:
    tv = d.tv(p, q)
    return both(at_most(2 * tv * tv, d.triangular(p, q)), at_most(d.triangular(p, q), 2 * tv))


# ── Rényi, α ────────────────────────────────────────────────────────────────────────────────


@law("D_α ≤ D_β for α ≤ β", source=ERVEN + ", thm 3", on="pmf", claims="renyi")
def renyi_is_monotone_in_its_order(d: Family, p: Array, q: Array) -> Outcome:
    values = [d.renyi(p, q, alpha=a) for a in (0.0, 0.25, 0.5, 0.9, 1.0, 1.1, 2.0, 5.0, math.inf)]
    return both(*(at_most(low, high) for low, high in itertools.pairwise(values)))


@law(
    "D_1 = KL, and KL lies between D_(1−δ) and D_(1+δ)", source=ERVEN + ", thm 5", on="pmf", claims=("renyi",)
)
def renyi_at_one_is_kl(d: Family, p: Array, q: Array) -> Outcome:
    value = d.kl(p, q)
    return both(
        equal(d.renyi(p, q, alpha=1.0), value), at_most(d.renyi(p, q, alpha=0.99), value),
        at_most(value, d.renyi(p, q, alpha=1.01)),
    )  # fmt: skip


@law("D_½ = −2 log(1 − H²)", source=ERVEN, on="pmf", claims=("renyi", "hellinger"))
def renyi_at_one_half(d: Family, p: Array, q: Array) -> Outcome:
    h = d.hellinger(p, q)
    if h.value > 1 - 1e-6:
        return None  # a logarithm of nearly nothing
    return equal(d.renyi(p, q, alpha=0.5), 2 * bhattacharyya(h))


@law("D_2 = log(1 + χ²)", source=ERVEN, on="pmf", claims=("renyi", "chi2"))
def renyi_at_two(d: Family, p: Array, q: Array) -> Outcome:
    return equal(d.renyi(p, q, alpha=2.0), log1p(d.chi2(p, q)))


@law("D_∞ = log max p/q", source=ERVEN + ", thm 6", on="pmf", claims="renyi")
def renyi_at_infinity(d: Family, p: Array, q: Array) -> Outcome:
    s = p > 0
    if np.any(q[s] == 0):
        return equal(d.renyi(p, q, alpha=math.inf), math.inf)
    with np.errstate(over="ignore"):
        change = (p[s] - q[s]) / q[s]
    near = np.abs(change) < 0.5  # a difference of logarithms has no digits there
    top = float(np.where(near, np.log1p(np.where(near, change, 0.0)), np.log(p[s]) - np.log(q[s])).max())
    return equal(d.renyi(p, q, alpha=math.inf), Measured(top, 2.0**-40 * (1 + abs(top)) * 2.0**-8))


@law("D_0 = −log Q(p > 0)", source=ERVEN + ", thm 4", on="pmf", claims="renyi")
def renyi_at_zero(d: Family, p: Array, q: Array) -> Outcome:
    mass = math.fsum(q[p > 0])
    return equal(d.renyi(p, q, alpha=0.0), -log(Measured(mass, 1e-15 * mass)) if mass > 0 else math.inf)


@law("(1−α) D_α(P‖Q) = α D_(1−α)(Q‖P), 0 < α < 1", source=ERVEN + ", prop. 2", on="pmf", claims="renyi")
def skew_symmetry(d: Family, p: Array, q: Array) -> Outcome:
    return equal(0.75 * d.renyi(p, q, alpha=0.25), 0.25 * d.renyi(q, p, alpha=0.75))


@law("D_α(P₁⊗P₂‖Q₁⊗Q₂) = D_α(P₁‖Q₁) + D_α(P₂‖Q₂)", source=ERVEN + ", thm 28", on="pmf", claims="renyi")
def renyi_adds_over_products(d: Family, p: Array, q: Array, p2: Array, q2: Array) -> Outcome:
    whole = product(p, p2), product(q, q2)
    return both(*(
        equal(d.renyi(*whole, alpha=a), d.renyi(p, q, alpha=a) + d.renyi(p2, q2, alpha=a))
        for a in ORDERS
    ))  # fmt: skip


@law(
    "2α TV² ≤ D_α, 0 < α ≤ 1",
    source="Gilardoni 2010; " + ERVEN + ", thm 31",
    on="pmf",
    claims=("renyi", "tv"),
)
def renyi_pinsker(d: Family, p: Array, q: Array) -> Outcome:
    tv = d.tv(p, q)
    return both(*(at_most(2 * a * tv * tv, d.renyi(p, q, alpha=a)) for a in (0.25, 0.5, 1.0)))


@law("D_α = log Σ p^α q^(1−α) / (α − 1)", source="Rényi 1961", on="pmf", claims="renyi")
def renyi_definition(d: Family, p: Array, q: Array) -> Outcome:
    plain = d.references()
    return both(*(equal(d.renyi(p, q, alpha=a), plain.renyi(p, q, a)) for a in ORDERS))


@law("D_α(PK‖QK) ≤ D_α(P‖Q)", source=ERVEN + ", thm 9", on="pmf", claims="renyi")
def renyi_data_processing(d: Family, p: Array, q: Array, channel: Array) -> Outcome:
    pushed = p @ channel, q @ channel
    return both(*(at_most(d.renyi(*pushed, alpha=a), d.renyi(p, q, alpha=a)) for a in (0.5, 1.0, 2.0)))


@law("A_α(P‖Q) = A_(1−α)(Q‖P)", source="Liese & Vajda 2006", on="pmf", claims="alpha")
def alpha_duality(d: Family, p: Array, q: Array) -> Outcome:
    return both(*(equal(d.alpha(p, q, alpha=a), d.alpha(q, p, alpha=1 - a)) for a in (-1.0, 0.0, 0.25, 2.0)))


@law("A_2 = ½χ², A_1 = KL, A_½ = 4H²", source="Cressie & Read 1984", on="pmf", claims="alpha")
def alpha_special_cases(d: Family, p: Array, q: Array) -> Outcome:
    h = d.hellinger(p, q)
    cases = ((2.0, 0.5 * d.chi2(p, q)), (1.0, d.kl(p, q)), (0.0, d.kl(q, p)), (0.5, 4 * (h * h)))
    return both(*(equal(d.alpha(p, q, alpha=a), value) for a, value in cases))


@law("D_α = log(1 + α(α−1) A_α)/(α−1)", source="Liese & Vajda 2006", on="pmf", claims=("alpha", "renyi"))
def alpha_and_renyi(d: Family, p: Array, q: Array) -> Outcome:
    values = []
    for a in (0.5, 2.0, 3.0):
        moment = 1 + a * (a - 1) * d.alpha(p, q, a)
        if 1e-6 < moment.value < 1e300:  # neither a logarithm of nearly nothing nor an overflow
            values.append(equal(d.renyi(p, q, alpha=a), log(moment) * (1 / (a - 1))))
    return both(*values)


# ── adversarial training ────────────────────────────────────────────────────────────────────


def discriminator_value(p: Array, q: Array, scores: Array) -> Measured:
    """V(D) = E_P log D + E_Q log(1 − D)."""
    terms = [w * np.log(v) for w, v in ((p[p > 0], scores[p > 0]), (q[q > 0], 1 - scores[q > 0]))]
    flat = np.concatenate(terms)
    return Measured(math.fsum(flat), 64 * 2.0**-52 * (1 + float(np.abs(flat).sum())))


def best_discriminator(p: Array, q: Array) -> Array:
    """D* = p/(p + q), ½ where neither has mass."""
    return np.where(p + q > 0, p / np.where(p + q > 0, p + q, 1.0), 0.5)


@law("V(D*) = −log 4 + 2 JS(P, Q)", source="Goodfellow et al. 2014, thm 1", on="pmf", claims="js")
def gan_value_at_the_optimum(d: Family, p: Array, q: Array) -> Outcome:
    small = min(p[p > 0].min(), q[q > 0].min())
    if small < 1e-12:
        return None  # 1 − D* would lose it
    return equal(discriminator_value(p, q, best_discriminator(p, q)), 2 * d.js(p, q) - math.log(4))


@law(
    "½(V(D) + log 4) ≤ JS(P, Q) for every discriminator D",
    source="Goodfellow et al. 2014, prop. 1",
    on="pmf",
    claims="js",
)
def any_discriminator_bounds_js(d: Family, p: Array, q: Array, test: Array) -> Outcome:
    scores = 1 / (1 + np.exp(-test))
    return at_most(0.5 * (discriminator_value(p, q, scores) + math.log(4)), d.js(p, q))


@law(
    "the gradient in G of E_G[−log D*] at fixed D* is that of KL(G‖P) − 2 JS(P, G)",
    source="Arjovsky & Bottou 2017, thm 2.5",
    on="pmf",
    claims=("kl", "js"),
)
def gradient_of_the_log_d_trick(d: Family, p: Array, q: Array, test: Array) -> Outcome:
    u = np.full(len(p), 1.0 / len(p))
    p, g = mixture(p, u, 0.5), mixture(q, u, 0.5)
    direction = test - test.mean()
    size = float(np.abs(direction).max())
    if size < 1e-3:
        return None
    direction = direction / size
    h = 2.0**-10 / len(p)  # below half the smallest mass

    def objective(at: Array) -> Measured:
        return d.kl(at, p) - 2 * d.js(p, at)

    slopes = [s * (objective(g + s * h * direction) - objective(g)) * (1 / h) for s in (1.0, -1.0)]
    wanted = float(direction @ -np.log(p / (p + g)))
    low, high = sorted(slopes, key=lambda slope: slope.value)
    # a derivative lies between the two one-sided slopes up to the third order
    width = high.value - low.value
    return both(at_most(low - width, wanted), at_most(wanted, high + width))


@law(
    "argmin over Q of the cross-entropy −Σ p log q is P: Gibbs' inequality",
    source=COVER + ", thm 2.6.3",
    on="pmf",
    claims="kl",
)
def gibbs(d: Family, p: Array, q: Array) -> Outcome:
    return both(exactly_at_most(d.kl(p, p), d.kl(p, q)), at_most(measured(0.0), d.kl(p, q)))
