"""Laws of any divergence between samples, by what it claims to be."""

from __future__ import annotations

import math

import numpy as np

from divergences._arrays import Array
from divergences.laws.law import law
from divergences.laws.measured import Outcome, at_most, equal, exactly_at_most, sqrt
from divergences.laws.reference import Family

__all__: list[str] = []

EMPIRICAL = "a function of the two empirical distributions"
BELLEMARE = "Bellemare et al. 2017, §3"
ANY = (
    "never negative",
    "identity",
    "symmetric",
    "metric",
    "root is a metric",
    "order of rows",
    "translation invariant",
    "plug-in",
    "definite",
    "homogeneous",
    "a number",
)
TURN = np.array([[3.0, -4.0], [4.0, 3.0]])  # five times a rotation, exact on whole numbers


@law("D(x, y) is a number in [−∞, ∞]", source="definition", on="samples", claims=ANY)
def is_a_number(d: Family, x: Array, y: Array) -> Outcome:
    d.fn(x, y)
    return 0.0


@law("D(x, y) ≥ 0, without any tolerance", source="definition", on="samples", claims="never negative")
def never_negative(d: Family, x: Array, y: Array) -> Outcome:
    return exactly_at_most(0.0, d.fn(x, y))


@law("D(x, x) = 0", source="definition", on="samples", claims="identity")
def zero_at_equality(d: Family, x: Array) -> Outcome:
    return equal(d.fn(x, x.copy()), 0.0)


@law("D(x, πx) = 0 for another order of the same rows", source=EMPIRICAL, on="samples", claims="identity")
def zero_for_another_order(d: Family, x: Array, order: Array) -> Outcome:
    return equal(d.fn(x, x[order]), 0.0)


@law("D(x, y) = 0 only if the samples are the same", source="definition", on="samples", claims="definite")
def zero_only_at_equality(d: Family, x: Array, y: Array) -> Outcome:
    pooled = np.concatenate([x, y])
    if np.linalg.norm(x.mean(0) - y.mean(0)) < 0.1 * max(np.ptp(pooled, axis=0).max(), 0.1):
        return None
    return 0.0 if d.fn(x, y).value > 0 else math.inf


@law("D(x, y) = D(y, x)", source="definition", on="samples", claims="symmetric")
def symmetry(d: Family, x: Array, y: Array) -> Outcome:
    return equal(d.fn(x, y), d.fn(y, x))


@law("D(x, y) ≤ D(x, z) + D(z, y)", source="definition of a metric", on="samples", claims="metric")
def triangle_inequality(d: Family, x: Array, y: Array, z: Array) -> Outcome:
    return at_most(d.fn(x, y), d.fn(x, z) + d.fn(z, y))


@law(
    "√D(x, y) ≤ √D(x, z) + √D(z, y)",
    source="Székely & Rizzo 2013; Gretton et al. 2012",
    on="samples",
    claims=("root is a metric", "squared ipm"),
)
def triangle_inequality_of_the_root(d: Family, x: Array, y: Array, z: Array) -> Outcome:
    return at_most(sqrt(d.fn(x, y)), sqrt(d.fn(x, z)) + sqrt(d.fn(z, y)))


# ── what changes nothing ────────────────────────────────────────────────────────────────────


@law("the order of the rows does not matter", source="samples are sets", on="samples", claims="order of rows")
def order_of_rows(d: Family, x: Array, y: Array, order: Array, order2: Array) -> Outcome:
    return equal(d.fn(x[order], y[order2]), d.fn(x, y))


@law(
    "the order of the features does not matter",
    source="the norm is symmetric in them",
    on="samples",
    claims="order of features",
)
def order_of_features(d: Family, x: Array, y: Array) -> Outcome:
    if x.shape[1] == 1:
        return None
    return equal(d.fn(x[:, ::-1].copy(), y[:, ::-1].copy()), d.fn(x, y))


@law(
    "D(x + a, y + a) = D(x, y)", source="translation invariance", on="samples", claims="translation invariant"
)
def translation(d: Family, x: Array, y: Array, shift: Array) -> Outcome:
    return equal(d.fn(x + shift, y + shift), d.fn(x, y))


@law("D(−x, −y) = D(x, y)", source="reflection", on="samples", claims="rotation invariant")
def reflection(d: Family, x: Array, y: Array) -> Outcome:
    return equal(d.fn(-x, -y), d.fn(x, y))


@law(
    "D(Rx, Ry) = D(x, y) for a rotation R",
    source="the Euclidean norm",
    on="samples",
    claims="rotation invariant",
)
def rotation(d: Family, x: Array, y: Array) -> Outcome:
    if x.shape[1] < 2 or max(np.abs(x).max(), np.abs(y).max()) > 1024:
        return None

    def turned(s: Array) -> Array:
        return np.concatenate([s[:, :2] @ TURN, 5.0 * s[:, 2:]], axis=1)

    return equal(d.fn(turned(x), turned(y)), d.fn(5.0 * x, 5.0 * y))


@law(
    "a feature that is constant adds nothing",
    source="the Euclidean norm",
    on="samples",
    claims="isometry invariant",
)
def constant_feature(d: Family, x: Array, y: Array) -> Outcome:
    wider = [np.concatenate([s, np.full((len(s), 1), 3.0)], axis=1) for s in (x, y)]
    return equal(d.fn(*wider), d.fn(x, y))


@law("D(cx, cy) = c^degree D(x, y)", source="homogeneity, " + BELLEMARE, on="samples", claims="homogeneous")
def scaling(d: Family, x: Array, y: Array, factor: float) -> Outcome:
    degree = d.fn.degree
    if degree is None:
        return None
    return equal(d.fn(factor * x, factor * y), float(factor) ** degree * d.fn(x, y))


@law("D(cx, cy) = D(x, y)", source="scale invariance", on="samples", claims="scale invariant")
def scale_invariance(d: Family, x: Array, y: Array, factor: float) -> Outcome:
    return equal(d.fn(factor * x, factor * y), d.fn(x, y))


@law("every row twice is the same distribution", source=EMPIRICAL, on="samples", claims="plug-in")
def duplication(d: Family, x: Array, y: Array) -> Outcome:
    return equal(d.fn(np.repeat(x, 2, axis=0), np.tile(y, (3, 1))), d.fn(x, y))


# ── weights ─────────────────────────────────────────────────────────────────────────────────


@law("equal weights are none", source=EMPIRICAL, on="samples", claims=("plug-in", "weighted"))
def equal_weights(d: Family, x: Array, y: Array) -> Outcome:
    a, b = np.full(len(x), 3.0), np.full(len(y), 0.5)
    return equal(d.fn(x, y, x_weights=a, y_weights=b), d.fn(x, y))


@law("whole weights are repetition", source=EMPIRICAL, on="samples", claims="plug-in")
def weights_are_repetition(d: Family, x: Array, y: Array, a: Array, b: Array) -> Outcome:
    repeated = np.repeat(x, a.astype(int), axis=0), np.repeat(y, b.astype(int), axis=0)
    return equal(d.fn(x, y, x_weights=a, y_weights=b), d.fn(*repeated))


@law("a row of weight 0 is not there", source=EMPIRICAL, on="samples", claims=("plug-in", "weighted"))
def weight_zero(d: Family, x: Array, y: Array, z: Array, a: Array, b: Array) -> Outcome:
    ghosts = np.concatenate([x, z]), np.concatenate([z, y])
    weights = np.concatenate([a, np.zeros(len(z))]), np.concatenate([np.zeros(len(z)), b])
    got = d.fn(*ghosts, x_weights=weights[0], y_weights=weights[1])
    return equal(got, d.fn(x, y, x_weights=a, y_weights=b))


# ── mixtures and sums ───────────────────────────────────────────────────────────────────────


@law(
    "D(½P + ½P', ½Q + ½Q') ≤ ½D(P, Q) + ½D(P', Q')",
    source="Villani 2009, thm 4.8; Gretton et al. 2012",
    on="samples",
    claims="jointly convex",
)
def joint_convexity(d: Family, x: Array, y: Array, x2: Array, y2: Array) -> Outcome:
    joined = d.fn(np.concatenate([x, x2]), np.concatenate([y, y2]))
    return at_most(joined, 0.5 * (d.fn(x, y) + d.fn(x2, y2)))


@law("D(½P + ½R, ½Q + ½R) = ½ D(P, Q)", source="Müller 1997", on="samples", claims="ipm")
def common_part_cancels(d: Family, x: Array, y: Array, x2: Array) -> Outcome:
    k = min(len(x), len(y))
    joined = [np.concatenate([s[:k], x2[:k]]) for s in (x, y)]
    return equal(d.fn(*joined), 0.5 * d.fn(x[:k], y[:k]))


@law(
    "D²(½P + ½R, ½Q + ½R) = ¼ D²(P, Q)",
    source="Müller 1997; Sejdinovic et al. 2013",
    on="samples",
    claims="squared ipm",
)
def common_part_cancels_in_the_square(d: Family, x: Array, y: Array, x2: Array) -> Outcome:
    k = min(len(x), len(y))
    joined = [np.concatenate([s[:k], x2[:k]]) for s in (x, y)]
    return equal(d.fn(*joined), 0.25 * d.fn(x[:k], y[:k]))


@law(
    "D(X + A, Y + A) ≤ D(X, Y) for A independent of X and Y",
    source=BELLEMARE + " (sum invariance)",
    on="samples",
    claims=("wasserstein", "energy", "ideal"),
)
def independent_noise_contracts(d: Family, x: Array, y: Array, z: Array) -> Outcome:
    noise = z[:2] - z[0]
    blurred = [(s[:, None, :] + noise[None]).reshape(-1, s.shape[1]) for s in (x, y)]
    return at_most(d.fn(*blurred), d.fn(x, y))


@law("|D(x, z) − D(y, z)| ≤ D(x, y)", source="definition of a metric", on="samples", claims="metric")
def reverse_triangle_inequality(d: Family, x: Array, y: Array, z: Array) -> Outcome:
    return at_most(d.fn(x, z) - d.fn(y, z), d.fn(x, y))


@law("a 1-D array is n samples of one feature", source="convention", on="samples", claims="one axis")
def one_axis_is_one_feature(d: Family, u: Array, v: Array) -> Outcome:
    return equal(d.fn(u[:, 0].copy(), v[:, 0].copy()), d.fn(u, v))
