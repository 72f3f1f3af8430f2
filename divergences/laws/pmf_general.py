"""Laws of any divergence between probability vectors, by what it claims to be."""

from __future__ import annotations

import math

import numpy as np

from divergences._arrays import Array
from divergences.laws.draw import normalised
from divergences.laws.law import law
from divergences.laws.measured import Outcome, at_most, both, equal, exactly_at_most, sqrt, total
from divergences.laws.reference import Family, provided

__all__: list[str] = []

COVER = "Cover & Thomas 2006, ch. 2"
CSISZAR = "Csiszár 1967; Liese & Vajda 2006"
ANY = (
    "never negative",
    "identity",
    "symmetric",
    "metric",
    "root is a metric",
    "relabelling",
    "data processing",
    "jointly convex",
    "definite",
)


def mixture(p: Array, q: Array, t: float) -> Array:
    """(1 − t) p + t q."""
    return (1 - t) * p + t * q


def product(p: Array, q: Array) -> Array:
    """The joint law of independent draws."""
    return np.multiply.outer(p, q).ravel()


@law("D(P, Q) is a number in [−∞, ∞] for all P, Q", source="definition", on="pmf", claims=ANY)
def is_a_number(d: Family, p: Array, q: Array) -> Outcome:
    d.fn(p, q)  # NaN is a violation by itself
    return 0.0


@law("D(P, Q) ≥ 0, without any tolerance", source="definition", on="pmf", claims="never negative")
def never_negative(d: Family, p: Array, q: Array) -> Outcome:
    return exactly_at_most(0.0, d.fn(p, q))


@law("D(P, P) = 0", source="definition", on="pmf", claims="identity")
def zero_at_equality(d: Family, p: Array) -> Outcome:
    return equal(d.fn(p, p.copy()), 0.0)


@law("D(P, Q) = 0 only if P = Q", source="definition", on="pmf", claims="definite")
def zero_only_at_equality(d: Family, p: Array, q: Array) -> Outcome:
    if 0.5 * np.abs(p - q).sum() < 0.01:
        return None
    return 0.0 if d.fn(p, q).value > 0 else math.inf


@law("D(P, Q) = D(Q, P)", source="definition", on="pmf", claims="symmetric")
def symmetry(d: Family, p: Array, q: Array) -> Outcome:
    return equal(d.fn(p, q), d.fn(q, p))


@law("D(P, Q) ≤ D(P, R) + D(R, Q)", source="definition of a metric", on="pmf", claims="metric")
def triangle_inequality(d: Family, p: Array, q: Array, r: Array) -> Outcome:
    return at_most(d.fn(p, q), d.fn(p, r) + d.fn(r, q))


@law(
    "√D(P, Q) ≤ √D(P, R) + √D(R, Q)",
    source="Endres & Schindelin 2003 (JS); Topsøe 2000 (triangular)",
    on="pmf",
    claims="root is a metric",
)
def triangle_inequality_of_the_root(d: Family, p: Array, q: Array, r: Array) -> Outcome:
    return at_most(sqrt(d.fn(p, q)), sqrt(d.fn(p, r)) + sqrt(d.fn(r, q)))


@law("D(πP, πQ) = D(P, Q) for a permutation π", source=CSISZAR, on="pmf", claims="relabelling")
def relabelling(d: Family, p: Array, q: Array, order: Array) -> Outcome:
    return equal(d.fn(p[order], q[order]), d.fn(p, q))


@law("an outcome that neither has changes nothing", source=CSISZAR, on="pmf", claims="relabelling")
def zero_padding(d: Family, p: Array, q: Array) -> Outcome:
    return equal(d.fn(np.append(p, 0.0), np.append(q, 0.0)), d.fn(p, q))


@law(
    "D(PK, QK) ≤ D(P, Q) for every Markov kernel K",
    source="Csiszár 1967; Polyanskiy & Wu, ch. 7",
    on="pmf",
    claims="data processing",
)
def data_processing(d: Family, p: Array, q: Array, channel: Array) -> Outcome:
    return at_most(d.fn(p @ channel, q @ channel), d.fn(p, q))


@law(
    "merging outcomes never increases D",
    source=COVER + " (log-sum inequality)",
    on="pmf",
    claims="data processing",
)
def coarse_graining(d: Family, p: Array, q: Array) -> Outcome:
    if len(p) < 3:
        return None
    merged = [np.append(v[:-2], v[-2] + v[-1]) for v in (p, q)]
    return at_most(d.fn(*merged), d.fn(p, q))


@law(
    "splitting an outcome by a coin that both share changes nothing",
    source="Csiszár 1967 (sufficiency)",
    on="pmf",
    claims="data processing",
)
def sufficiency(d: Family, p: Array, q: Array, t: float) -> Outcome:
    split = [np.concatenate([[t * v[0], (1 - t) * v[0]], v[1:]]) for v in (p, q)]
    return equal(d.fn(*split), d.fn(p, q))


@law(
    "D(tP + (1−t)R, tQ + (1−t)S) ≤ t D(P, Q) + (1−t) D(R, S)",
    source=COVER + ", thm 2.7.2; Csiszár 1967",
    on="pmf",
    claims="jointly convex",
)
def joint_convexity(d: Family, p: Array, q: Array, r: Array, s: Array, t: float) -> Outcome:
    left = d.fn(mixture(r, p, t), mixture(s, q, t))
    return at_most(left, t * d.fn(p, q) + (1 - t) * d.fn(r, s))


@law("D((1−t)P + tQ, Q) ≤ (1−t) D(P, Q)", source=CSISZAR, on="pmf", claims="jointly convex")
def mixing_towards_q_contracts(d: Family, p: Array, q: Array, t: float) -> Outcome:
    return at_most(d.fn(mixture(p, q, t), q), (1 - t) * d.fn(p, q))


@law("t ↦ D(P, (1−t)P + tQ) is non-decreasing", source=CSISZAR, on="pmf", claims="jointly convex")
def monotone_along_a_mixture(d: Family, p: Array, q: Array, t: float) -> Outcome:
    return at_most(d.fn(p, mixture(p, q, t / 2)), d.fn(p, mixture(p, q, t)))


@law(
    "every pair of disjoint P, Q has the same D, and no pair has more",
    source="Vajda 1972; Liese & Vajda 2006",
    on="pmf",
    claims="f-divergence",
)
def greatest_when_disjoint(d: Family, p: Array, q: Array) -> Outcome:
    apart = d.fn(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    if np.any((p > 0) & (q > 0)):
        return at_most(d.fn(p, q), apart)
    return equal(d.fn(p, q), apart)


@law(
    "D_f(P ⊕ R, Q ⊕ R) = t D_f(P, Q), masses t on P and Q, 1−t on a common R elsewhere",
    source=CSISZAR,
    on="pmf",
    claims="f-divergence",
)
def common_part_counts_nothing(d: Family, p: Array, q: Array, r: Array, t: float) -> Outcome:
    joined = [np.concatenate([t * v, (1 - t) * r]) for v in (p, q)]
    return equal(d.fn(*joined), t * d.fn(p, q))


@law("D_f of a direct sum is the average of the parts' D_f", source=CSISZAR, on="pmf", claims="f-divergence")
def additive_over_direct_sums(d: Family, p: Array, q: Array, p2: Array, q2: Array, t: float) -> Outcome:
    joined = np.concatenate([t * p, (1 - t) * p2]), np.concatenate([t * q, (1 - t) * q2])
    return equal(d.fn(*joined), t * d.fn(p, q) + (1 - t) * d.fn(p2, q2))


@law(
    "D_f(PK, QK) ≤ η D_f(P, Q), η = max TV of two rows of K",
    source="Cohen, Kemperman & Zbăganu 1998; Raginsky 2016",
    on="pmf",
    claims="f-divergence",
)
def strong_data_processing(d: Family, p: Array, q: Array, channel: Array) -> Outcome:
    rows = 0.5 * np.abs(channel[:, None] - channel[None]).sum(axis=-1)
    value = d.fn(p, q)
    if not math.isfinite(value.value):
        return None
    return at_most(d.fn(p @ channel, q @ channel), float(rows.max()) * value)


@law(
    "D_f(P ⊗ R, Q ⊗ R) = D_f(P, Q)",
    source=CSISZAR + " (a common factor is not informative)",
    on="pmf",
    claims="data processing",
)
def a_common_factor_changes_nothing(d: Family, p: Array, q: Array, p2: Array) -> Outcome:
    return equal(d.fn(product(p, p2), product(q, p2)), d.fn(p, q))


@law("D(p, q) of a batch is that of each pair", source="broadcasting", on="pmf", claims="batched")
def a_batch_is_its_rows(d: Family, p: Array, q: Array, r: Array) -> Outcome:
    batch = d.fn.raw(np.stack([p, r]), np.stack([q, q]))
    values = [d.fn(p, q), d.fn(r, q)]
    if tuple(np.shape(batch)) != (2,):
        return math.inf
    return both(*(equal(float(got), wanted) for got, wanted in zip(batch, values, strict=True)))


CURVATURE = {
    "kl": 0.5, "reverse kl": 0.5, "js": 0.125, "jeffreys": 1.0, "chi2": 1.0, "neyman chi2": 1.0,
    "triangular": 0.5, "hellinger": 0.125, "js distance": 0.125,
}  # fmt: skip


@law(
    "D(Q(1+εv), Q) = c χ² + O(ε³) with c = f''(1)/2: KL ½, JS ⅛, H² ⅛",
    source="Polyanskiy & Wu, §7.10",
    on="pmf",
    claims=tuple(CURVATURE),
)
def local_behaviour(d: Family, q: Array, test: Array) -> Outcome:
    q = mixture(q, np.full(len(q), 1.0 / len(q)), 0.5)
    direction = test - q @ test
    size = float(np.abs(direction).max())
    if size < 1e-3:
        return None
    epsilon = 2.0**-6
    p = normalised(q * (1 + epsilon * direction / size))
    for claim, c in CURVATURE.items():
        if claim in d.fn.claims:
            value = d.fn(p, q)
            value = value * value if claim in ("hellinger", "js distance") else value
            second = c * float(((p - q) ** 2 / q).sum())
            # |f'''/f''| ≤ 3 for all of these: the next order is at most ε of the second, doubled for the rest
            return both(
                at_most(value, (1 + 2 * epsilon) * second), at_most((1 - 2 * epsilon) * second, value)
            )
    return None


@law(
    "D_f(P, Q) = Σ q f(p/q)",
    source=CSISZAR,
    on="pmf",
    claims=("kl", "js", "tv", "hellinger", "chi2", "jeffreys", "triangular"),
)
def definition(d: Family, p: Array, q: Array) -> Outcome:
    plain = d.references()
    return both(*(
        equal(getattr(d, name)(p, q), getattr(plain, name)(p, q)) for name in sorted(provided(d.fn))
        if name not in ("renyi", "alpha")
    ))  # fmt: skip


@law(
    "D_f(P, Q) ≥ D_f of the indicator of any event",
    source="data processing to one bit",
    on="pmf",
    claims="data processing",
)
def any_event_bounds_from_below(d: Family, p: Array, q: Array, test: Array) -> Outcome:
    event = test > 0
    bits = [np.array([v[event].sum(), v[~event].sum()]) for v in (p, q)]
    return at_most(d.fn(*bits), d.fn(p, q))


@law(
    "Σ tᵢ D(Pᵢ, Q) ≥ D(Σ tᵢ Pᵢ, Q): convex in the first argument",
    source=CSISZAR,
    on="pmf",
    claims="jointly convex",
)
def convex_in_the_first_argument(d: Family, p: Array, q: Array, r: Array, t: float) -> Outcome:
    parts = total([(1 - t) * d.fn(p, q), t * d.fn(r, q)])
    return at_most(d.fn(mixture(p, r, t), q), parts)
