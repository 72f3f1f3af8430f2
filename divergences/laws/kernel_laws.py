"""Laws of the energy and Cramér distances and of maximum mean discrepancy."""

from __future__ import annotations

import itertools
import math

import numpy as np

from divergences._arrays import Array
from divergences.laws.law import law
from divergences.laws.measured import Measured, Outcome, at_most, both, equal, exactly_at_most, sqrt
from divergences.laws.reference import Family, distances
from divergences.laws.transport import cdf_integral, diameter, loose, mean_gap

__all__: list[str] = []

SZEKELY = "Székely & Rizzo 2013"
GRETTON = "Gretton et al. 2012"
BELLEMARE = "Bellemare et al. 2017"
SEJDINOVIC = "Sejdinovic et al. 2013"


@law(
    "E = 2E|X−Y| − E|X−X'| − E|Y−Y'|, which is MMD² with the kernel −|x − y|",
    source=SZEKELY + "; " + SEJDINOVIC,
    on="samples",
    claims="energy",
)
def energy_definition(d: Family, x: Array, y: Array) -> Outcome:
    return equal(d.energy(x, y), d.references().energy(x, y))


@law("with weights, too: E|X−Y| = Σ aᵢbⱼ|xᵢ − yⱼ|", source=SZEKELY, on="samples", claims="energy")
def energy_with_weights(d: Family, x: Array, y: Array, a: Array, b: Array) -> Outcome:
    return equal(d.energy(x, y, a, b), d.references().energy(x, y, a, b))


@law(
    "E = 2 ∫ (F − G)² on the line: twice Cramér's distance",
    source="Székely 2003",
    on="samples",
    claims="energy",
)
def cramer_is_half_the_energy(d: Family, u: Array, v: Array) -> Outcome:
    return equal(d.energy(u, v), 2 * cdf_integral(u, v, 2.0))


@law(
    "E = (π/2) × mean over directions of the projections' E, in the plane",
    source="Rizzo & Székely 2016, §3",
    on="samples",
    claims="energy",
)
def energy_is_a_mean_over_directions(d: Family, x: Array, y: Array) -> Outcome:
    if x.shape[1] != 2:
        return None
    count = 64
    angles = (np.arange(count) + 0.5) * math.pi / count
    values = [d.energy(x @ u, y @ u) for u in (np.array([[math.cos(t)], [math.sin(t)]]) for t in angles)]
    mean = sum(values, Measured(0.0)) * (math.pi / 2 / count)
    # the midpoint rule on |cos|: the mean is off by a factor between s cot s and s/sin s, s = π/(2·count)
    step = math.pi / (2 * count)
    slack = (step / math.sin(step) - step / math.tan(step)) * 2 * float(distances(x, y).mean()) * 2
    return equal(d.energy(x, y), Measured(mean.value, mean.error + slack))


@law(
    "E({a}, {b}) = 2|a − b|, and 2E|X − a| − E|X − X'| to a point",
    source=SZEKELY,
    on="samples",
    claims="energy",
)
def energy_to_a_point(d: Family, x: Array, y: Array) -> Outcome:
    apart, within = distances(x, y[:1]), distances(x, x)
    wanted = loose(float(2 * apart.mean() - within.mean()), float(apart.max() + within.max()), within.size)
    point = 2 * loose(float(apart[0, 0]), 0.0)
    return both(equal(d.energy(x, y[:1]), wanted), equal(d.energy(x[:1], y[:1]), point))


@law(
    "E ≤ 2 W1",
    source="f(x) = E|x − Y| − E|x − X| is 2-Lipschitz; " + SEJDINOVIC,
    on="samples",
    claims=("energy", "wasserstein"),
)
def energy_below_twice_w1(d: Family, x: Array, y: Array) -> Outcome:
    return at_most(d.energy(x, y), 2 * d.wasserstein(x, y))


@law(
    "½E ≤ W1 ≤ √(range · ½E) on the line",
    source=BELLEMARE + "; Cauchy–Schwarz",
    on="samples",
    claims=("energy", "wasserstein"),
)
def cramer_and_w1(d: Family, u: Array, v: Array) -> Outcome:
    squared, w1 = 0.5 * d.energy(u, v), d.wasserstein(u, v)
    return both(at_most(squared, w1), at_most(w1, sqrt(diameter(u, v) * squared)))


@law(
    "½E ≤ range · KS², W1 ≤ range · KS on the line, KS = sup|F − G|",
    source="Gibbs & Su 2002",
    on="samples",
    claims=("energy", "wasserstein"),
)
def kolmogorov_bounds(d: Family, u: Array, v: Array) -> Outcome:
    knots = np.concatenate([u, v])[:, 0]
    cdfs = [np.searchsorted(np.sort(s[:, 0]), knots, side="right") / len(s) for s in (u, v)]
    ks, wide = loose(float(np.abs(cdfs[0] - cdfs[1]).max()), 0.0), diameter(u, v)
    outcomes = []
    if "wasserstein" not in d.fn.claims:
        outcomes.append(at_most(0.5 * d.energy(u, v), wide * ks * ks))
    else:
        outcomes.append(at_most(d.wasserstein(u, v), wide * ks))
    return both(*outcomes)


@law(
    "E over samples of Cramér's gradient in θ is its gradient at the truth: Bernoulli, exactly",
    source=BELLEMARE + ", thm 2",
    on="samples",
    claims="energy",
)
def unbiased_sample_gradient(d: Family, a: Array, b: Array) -> Outcome:
    truth, model, steps = int(a[0]), int(b[0]), 4  # P = Bernoulli(truth/4), Q_θ = Bernoulli(model/4)

    def bits(ones: int, size: int) -> Array:
        return np.array([[1.0]] * ones + [[0.0]] * (size - ones))

    def slope(ones: int, size: int) -> Measured:
        """The derivative of a quadratic in θ: its central difference, exactly."""
        sides = [d.energy(bits(ones, size), bits(model + s, steps)) for s in (1, -1)]
        return (sides[0] - sides[1]) * (steps / 2)

    share, draws = truth / steps, 3
    chances = [math.comb(draws, k) * share**k * (1 - share) ** (draws - k) for k in range(draws + 1)]
    mean = sum((c * slope(k, draws) for k, c in enumerate(chances)), Measured(0.0))
    return equal(mean, slope(truth, steps))


@law(
    "W1's sample gradient is biased: |θ̂ − θ| has slope ±1, in the mean 1 − 2P(θ̂ > θ)",
    source=BELLEMARE + ", thm 1",
    on="samples",
    claims="wasserstein",
)
def biased_sample_gradient_of_w1(d: Family, a: Array) -> Outcome:
    truth, steps, draws = int(a[0]), 8, 3

    def bits(ones: int, size: int) -> Array:
        return np.array([[1.0]] * ones + [[0.0]] * (size - ones))

    model = 4 if truth < 3 else 2
    share = truth / steps
    chances = [math.comb(draws, k) * share**k * (1 - share) ** (draws - k) for k in range(draws + 1)]
    slopes = [
        (
            d.wasserstein(bits(k, draws), bits(model + 1, steps))
            - d.wasserstein(bits(k, draws), bits(model, steps))
        )
        * steps
        for k in range(draws + 1)
    ]
    mean = sum((c * s for c, s in zip(chances, slopes, strict=True)), Measured(0.0))
    wanted = sum(
        c * (abs(k / draws - (model + 1) / steps) - abs(k / draws - model / steps)) * steps
        for k, c in enumerate(chances)
    )
    return equal(mean, Measured(wanted, 1e-13))


# ── maximum mean discrepancy ────────────────────────────────────────────────────────────────


@law("MMD² = E k(X,X') + E k(Y,Y') − 2E k(X,Y)", source=GRETTON + ", lemma 6", on="samples", claims="mmd")
def mmd_definition(d: Family, x: Array, y: Array, width: float) -> Outcome:
    plain, outcomes = d.references(), []
    for kernel, estimator in itertools.product(("gaussian", "laplace"), ("biased", "unbiased")):
        if estimator == "unbiased" and min(len(x), len(y)) < 2:
            continue
        options = {"kernel": kernel, "bandwidth": float(width), "estimator": estimator}
        outcomes.append(equal(d.mmd(x, y, **options), plain.mmd(x, y, **options)))
    return both(*outcomes)


@law(
    "biased MMD² ≥ 0, without tolerance, and 0 for the same samples",
    source=GRETTON,
    on="samples",
    claims="mmd",
)
def biased_mmd_is_a_square(d: Family, x: Array, y: Array, width: float) -> Outcome:
    options = {"kernel": "gaussian", "bandwidth": float(width), "estimator": "biased"}
    return both(exactly_at_most(0.0, d.mmd(x, y, **options)), equal(d.mmd(x, x, **options), 0.0))


@law("biased MMD obeys the triangle inequality", source=GRETTON, on="samples", claims="mmd")
def mmd_is_a_metric(d: Family, x: Array, y: Array, z: Array, width: float) -> Outcome:
    options = {"kernel": "gaussian", "bandwidth": float(width), "estimator": "biased"}
    sides = [sqrt(d.mmd(*pair, **options)) for pair in ((x, y), (x, z), (z, y))]
    return at_most(sides[0], sides[1] + sides[2])


@law(
    "0 ≤ biased − unbiased ≤ 1/n + 1/m for a kernel in [0, 1]",
    source=GRETTON + ", §3",
    on="samples",
    claims="mmd",
)
def gap_of_the_two_estimators(d: Family, x: Array, y: Array, width: float) -> Outcome:
    if min(len(x), len(y)) < 2:
        return None
    values = [
        d.mmd(x, y, kernel="gaussian", bandwidth=float(width), estimator=e) for e in ("biased", "unbiased")
    ]
    gap = values[0] - values[1]
    return both(at_most(0.0, gap), at_most(gap, 1 / len(x) + 1 / len(y)))


@law(
    "the mean of the unbiased MMD² over all pairs of rows is that of the whole samples",
    source=GRETTON + ", lemma 6 (U-statistic)",
    on="samples",
    claims="mmd",
)
def unbiased_in_the_mean(d: Family, x: Array, y: Array, width: float) -> Outcome:
    if not 2 <= min(len(x), len(y)) <= max(len(x), len(y)) <= 5:
        return None
    options = {"kernel": "gaussian", "bandwidth": float(width), "estimator": "unbiased"}
    values = [
        d.mmd(x[list(i)], y[list(j)], **options)
        for i in itertools.combinations(range(len(x)), 2)
        for j in itertools.combinations(range(len(y)), 2)
    ]
    return equal(sum(values, Measured(0.0)) * (1.0 / len(values)), d.mmd(x, y, **options))


@law("biased MMD² ≤ 2 sup k", source=GRETTON, on="samples", claims="mmd")
def mmd_is_bounded(d: Family, x: Array, y: Array, width: float) -> Outcome:
    return at_most(d.mmd(x, y, kernel="gaussian", bandwidth=float(width), estimator="biased"), 2.0)


@law(
    "MMD ≤ W1/σ for the Gaussian kernel",
    source="Sriperumbudur et al. 2010, thm 21",
    on="samples",
    claims=("mmd", "wasserstein"),
)
def mmd_below_w1(d: Family, x: Array, y: Array, width: float) -> Outcome:
    mmd = d.mmd(x, y, kernel="gaussian", bandwidth=float(width), estimator="biased")
    return at_most(sqrt(mmd), d.wasserstein(x, y) * (1 / float(width)))


@law("MMD² with the linear kernel is |E X − E Y|²", source=GRETTON, on="samples", claims="mmd")
def linear_kernel_sees_the_means(d: Family, x: Array, y: Array) -> Outcome:
    gap = mean_gap(x, y)
    value = d.mmd(x, y, kernel="linear", estimator="biased")
    scale = float(max(np.abs(x).max(), np.abs(y).max()))
    terms = x.shape[1] * scale**2  # inner products, which have an origin
    return equal(Measured(value.value, value.error * max(1.0, terms)), gap * gap)


@law(
    "σ² MMD² → |E X − E Y|² as σ → ∞, to within D⁴/(2σ²)",
    source="expansion of the kernel",
    on="samples",
    claims="mmd",
)
def wide_kernels_see_the_means(d: Family, x: Array, y: Array) -> Outcome:
    wide = diameter(x, y)
    sigma = 64.0 * max(wide, 1.0)
    gap = mean_gap(x, y)
    value = sigma**2 * d.mmd(x, y, kernel="gaussian", bandwidth=sigma, estimator="biased")
    limit = gap * gap
    return equal(value, Measured(limit.value, limit.error + wide**4 / (2 * sigma**2)))


@law("MMD²(cx, cy; cσ) = MMD²(x, y; σ)", source="homogeneity of |x − y|/σ", on="samples", claims="mmd")
def bandwidth_is_in_the_unit_of_the_data(
    d: Family, x: Array, y: Array, width: float, factor: float
) -> Outcome:
    values = [
        d.mmd(c * x, c * y, kernel="gaussian", bandwidth=float(c * width), estimator="biased")
        for c in (1.0, factor)
    ]
    return equal(*values)


@law(
    "|E f(X) − E f(Y)| ≤ MMD for f = k(·, c), which has norm 1",
    source=GRETTON + ", lemma 4",
    on="samples",
    claims="mmd",
)
def witness_functions(d: Family, x: Array, y: Array, centres: Array, width: float) -> Outcome:
    f, g = (np.exp(-(distances(s, centres[:1]) ** 2) / (2 * float(width) ** 2)) for s in (x, y))
    gap = loose(abs(float(f.mean() - g.mean())), 1.0, len(f) + len(g))
    return at_most(gap, sqrt(d.mmd(x, y, kernel="gaussian", bandwidth=float(width), estimator="biased")))


@law(
    "KID = unbiased MMD² with (⟨x, y⟩/d + 1)³", source="Bińkowski et al. 2018, §4", on="samples", claims="kid"
)
def kid_definition(d: Family, x: Array, y: Array) -> Outcome:
    if min(len(x), len(y)) < 2:
        return None
    return equal(d.fn(x, y), d.references().mmd(x, y, "polynomial", 1.0, "unbiased"))
