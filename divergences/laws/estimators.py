"""Laws of what is estimated from samples: densities, neighbours, moments, histograms, classifiers."""

from __future__ import annotations

import math

import numpy as np

from divergences._arrays import Array
from divergences.laws.law import law
from divergences.laws.measured import EPS, Measured, Outcome, at_most, both, equal, exp
from divergences.laws.reference import REFERENCES, Family, distances
from divergences.laws.transport import loose, mean_gap

__all__: list[str] = []

PARZEN = "Parzen 1962"
WANG = "Wang, Kulkarni & Verdú 2009"
KYNKAANNIEMI = "Kynkäänniemi et al. 2019, eq. 1"
NAEEM = "Naeem et al. 2020, eqs. 3 and 4"
HEUSEL = "Heusel et al. 2017, eq. 6"


# ── Parzen windows ──────────────────────────────────────────────────────────────────────────


def _parzen(d: Family, x: Array, y: Array, width: float) -> Measured:
    """The value with an error that follows the size of its exponents."""
    value = d.fn(x, y, bandwidth=float(width))
    size = (
        1
        + float(((distances(x, y) ** 2).max(axis=1)).max()) / (2 * width**2)
        + abs(math.log(width)) * x.shape[1]
    )
    return Measured(value.value, value.error * size)


def peak(dimension: int, width: float) -> float:
    """log of a window's density at its centre."""
    return -dimension * (math.log(width) + 0.5 * math.log(2 * math.pi))


@law("LL = mean log (1/m) Σ N(x; y_j, σ²I)", source=PARZEN, on="samples", claims="parzen")
def parzen_definition(d: Family, x: Array, y: Array, width: float) -> Outcome:
    exponents = -(distances(x, y) ** 2) / (2 * width**2)
    top = exponents.max(axis=1)
    logs = top + np.log(np.exp(exponents - top[:, None]).mean(axis=1)) + peak(x.shape[1], width)
    return equal(_parzen(d, x, y, width), loose(float(logs.mean()), float(np.abs(logs).max()), logs.size))


@law(
    "LL(cx, cy; cσ) = LL(x, y; σ) − d log c",
    source=PARZEN + "; law of a density's unit",
    on="samples",
    claims="parzen",
)
def parzen_scaling(d: Family, x: Array, y: Array, width: float, factor: float) -> Outcome:
    scaled = _parzen(d, factor * x, factor * y, float(factor * width))
    return equal(scaled, _parzen(d, x, y, width) - x.shape[1] * math.log(factor))


@law(
    "LL ≤ −(d/2) log 2πσ²: no density exceeds a window's peak",
    source="Theis et al. 2016",
    on="samples",
    claims="parzen",
)
def parzen_below_the_peak(d: Family, x: Array, y: Array, width: float) -> Outcome:
    return at_most(_parzen(d, x, y, width), peak(x.shape[1], width))


@law(
    "LL(y, y) ≥ peak − log m: memorising the data",
    source="Theis et al. 2016, §4",
    on="samples",
    claims="parzen",
)
def parzen_rewards_memory(d: Family, y: Array, width: float) -> Outcome:
    return at_most(peak(y.shape[1], width) - math.log(len(y)), _parzen(d, y, y, width))


@law(
    "e^LL-mixtures: the density of y ∪ y' is the mean of the two densities",
    source=PARZEN,
    on="samples",
    claims="parzen",
)
def parzen_densities_mix(d: Family, x: Array, y: Array, y2: Array, width: float) -> Outcome:
    one = x[:1]
    parts = [_parzen(d, one, s, width) for s in (y, y2)]
    if max(part.value for part in parts) < -600 or min(part.value for part in parts) < -600:
        return None
    both_halves = _parzen(d, one, np.concatenate([y, y2]), width)
    return equal(exp(both_halves), 0.5 * (exp(parts[0]) + exp(parts[1])))


# ── nearest neighbours ──────────────────────────────────────────────────────────────────────


@law("KL̂ = (d/n) Σ log(ν_k/ρ_k) + log(m/(n−1))", source=WANG + ", eq. 5", on="samples", claims="knn kl")
def knn_definition(d: Family, x: Array, y: Array) -> Outcome:
    within, across = distances(x, x), distances(x, y)
    np.fill_diagonal(within, np.inf)
    k = 1
    rho, nu = np.sort(within, axis=1)[:, k - 1], np.sort(across, axis=1)[:, k - 1]
    if rho.min() == 0 or nu.min() == 0:
        return None  # ties are counted instead
    logs = np.log(nu) - np.log(rho)
    value = x.shape[1] * float(logs.mean()) + math.log(len(y) / (len(x) - 1))
    return equal(d.fn(x, y, k=k), loose(value, x.shape[1] * float(np.abs(logs).max()) + 10, len(x)))


@law("every row of y twice adds log 2, at k = 1", source=WANG, on="samples", claims="knn kl")
def doubling_y_adds_log_two(d: Family, x: Array, y: Array) -> Outcome:
    within = distances(x, x)
    np.fill_diagonal(within, np.inf)
    if within.min() == 0 or distances(x, y).min() == 0:
        return None
    return equal(d.fn(x, np.repeat(y, 2, axis=0), k=1), d.fn(x, y, k=1) + math.log(2))


# ── precision, recall, density, coverage ────────────────────────────────────────────────────


def _inside(points: Array, centres: Array, k: int) -> Array:
    """(points, centres): within the ball to the k-th nearest other centre; closed."""
    own = distances(centres, centres)
    np.fill_diagonal(own, np.inf)
    radii = np.sort(own, axis=1)[:, k - 1]
    return distances(points, centres) <= radii[None, :] * (1 + 1e-12)


SUPPORTS = ("precision", "recall", "density", "coverage")


def _which(d: Family) -> str:
    return next(name for name in SUPPORTS if name in d.fn.claims)


@law(
    "precision = share of y in a ball of x; recall = share of x in a ball of y; "
    "coverage = share of balls of x that hold a y",
    source=KYNKAANNIEMI + "; " + NAEEM,
    on="samples",
    claims=("precision", "recall", "coverage"),
)
def support_definitions(d: Family, x: Array, y: Array) -> Outcome:
    outcomes = []
    for k in (1, 2):
        if min(len(x), len(y)) <= k:
            continue
        shares = {
            "precision": _inside(y, x, k).any(axis=1).mean(),
            "recall": _inside(x, y, k).any(axis=1).mean(),
            "coverage": _inside(y, x, k).any(axis=0).mean(),
        }
        outcomes.append(equal(d.fn(x, y, k=k), float(shares[_which(d)])))
    return both(*outcomes)


@law(
    "precision, recall and coverage are shares, density is not negative",
    source=KYNKAANNIEMI,
    on="samples",
    claims=SUPPORTS,
)
def support_range(d: Family, x: Array, y: Array) -> Outcome:
    value = d.fn(x, y, k=1)
    return both(at_most(0.0, value), None if _which(d) == "density" else at_most(value, 1.0))


@law(
    "precision, recall and coverage grow with k",
    source=KYNKAANNIEMI,
    on="samples",
    claims=("precision", "recall", "coverage"),
)
def support_grows_with_k(d: Family, x: Array, y: Array) -> Outcome:
    if min(len(x), len(y)) < 4:
        return None
    values = [d.fn(x, y, k=k) for k in (1, 2, 3)]
    return both(at_most(values[0], values[1]), at_most(values[1], values[2]))


@law("identical sets give 1", source=NAEEM, on="samples", claims=SUPPORTS)
def identical_sets_give_one(d: Family, x: Array) -> Outcome:
    return equal(d.fn(x, x.copy(), k=1), 1.0)


@law("sets far apart give 0", source=KYNKAANNIEMI, on="samples", claims=SUPPORTS)
def sets_far_apart_give_zero(d: Family, x: Array, y: Array) -> Outcome:
    reach = float(distances(x, x).max() + distances(y, y).max())
    far = y - y.min(axis=0) + x.max(axis=0) + 2.0 ** (math.ceil(math.log2(reach + 1)) + 1)
    return equal(d.fn(x, far, k=1), 0.0)


# ── Fréchet ─────────────────────────────────────────────────────────────────────────────────


def _moments(x: Array) -> tuple[Array, Array]:
    centred = x - x.mean(axis=0)
    return x.mean(axis=0), np.atleast_2d(centred.T @ centred / (len(x) - 1))


@law(
    "FD = W2² between the fitted Gaussians, covariances with ddof = 1",
    source=HEUSEL,
    on="samples",
    claims="frechet",
)
def frechet_definition(d: Family, x: Array, y: Array) -> Outcome:
    if min(len(x), len(y)) < 2:
        return None
    return equal(d.fn(x, y), REFERENCES["gaussian_w2"](*_moments(x), *_moments(y)))


@law("FD(x, x + a) = |a|²", source=HEUSEL, on="samples", claims="frechet")
def frechet_shift(d: Family, x: Array, shift: Array) -> Outcome:
    if len(x) < 2:
        return None
    return equal(d.fn(x, x + shift), loose(float(shift @ shift), 0.0))


@law("|Δ|² ≤ FD ≤ |Δ|² + tr P + tr Q", source=HEUSEL, on="samples", claims="frechet")
def frechet_bounds(d: Family, x: Array, y: Array) -> Outcome:
    if min(len(x), len(y)) < 2:
        return None
    gap = mean_gap(x, y)
    spread = sum(float(np.trace(_moments(s)[1])) for s in (x, y))
    value = d.fn(x, y)
    return both(at_most(gap * gap, value), at_most(value, gap * gap + Measured(spread, 1e-13 * spread)))


@law(
    "|Δ|² + (n−1)/n · (FD − |Δ|²) ≤ W2² for n = m: the Gaussian part with ddof = 0",
    source="Gelbrich 1990",
    on="samples",
    claims="frechet",
)
def frechet_below_transport(d: Family, x: Array, y: Array) -> Outcome:
    k = min(len(x), len(y))
    if k < 2:
        return None
    x, y = x[:k], y[:k]
    gap = mean_gap(x, y) * mean_gap(x, y)
    w2 = d.wasserstein(x, y, 2)
    return at_most(gap + ((k - 1) / k) * (d.fn(x, y) - gap), w2 * w2)


# ── histograms and other estimators of f-divergences ────────────────────────────────────────

PLUG_IN = {
    "estimates kl": "kl", "estimates js": "js", "estimates tv": "tv", "estimates hellinger": "hellinger",
    "estimates chi2": "chi2",
}  # fmt: skip


@law(
    "on given cells the histogram estimate is the divergence of the relative frequencies",
    source="plug-in",
    on="samples",
    claims=tuple(PLUG_IN),
)
def histogram_is_the_plug_in(d: Family, u: Array, v: Array) -> Outcome:
    low, high = min(u.min(), v.min()), max(u.max(), v.max())
    edges = np.linspace(low - 1, high + 1, 5)
    p, q = (np.histogram(s[:, 0], bins=edges)[0] / len(s) for s in (u, v))
    name = next(PLUG_IN[claim] for claim in PLUG_IN if claim in d.fn.claims)
    value = d.fn(u, v, estimator="histogram", bins=edges.tolist())
    return equal(value, getattr(d.references(), name)(p, q))


@law(
    "whatever the estimator: JS ≤ log 2, TV ≤ 1, H ≤ 1",
    source="Lin 1991; Tsybakov 2009",
    on="samples",
    claims=("estimates js", "estimates tv", "estimates hellinger"),
)
def estimates_stay_within_their_bounds(d: Family, x: Array, y: Array) -> Outcome:
    bound = math.log(2) if "estimates js" in d.fn.claims else 1.0
    return at_most(d.fn(x, y), bound * (1 + 4 * EPS))


@law(
    "the largest gap of the CDFs at the cells' edges is at most the TV of the cells",
    source="an event's gap",
    on="samples",
    claims="estimates tv",
)
def kolmogorov_below_histogram_tv(d: Family, u: Array, v: Array) -> Outcome:
    edges = np.linspace(min(u.min(), v.min()) - 1, max(u.max(), v.max()) + 1, 5)
    gaps = [abs(float((u[:, 0] < e).mean() - (v[:, 0] < e).mean())) for e in edges[1:-1]]
    value = d.fn(u, v, estimator="histogram", bins=edges.tolist())
    return at_most(loose(max(gaps), 1.0), value)


@law("an accuracy lies in [0, 1]", source="definition", on="samples", claims="accuracy")
def accuracy_is_a_share(d: Family, x: Array, y: Array) -> Outcome:
    value = d.fn(x, y)
    return both(at_most(0.0, value), at_most(value, 1.0))


@law(
    "sets that a line parts perfectly are told apart",
    source="Lopez-Paz & Oquab 2017",
    on="samples",
    claims="accuracy",
)
def a_wide_gap_is_told_apart(d: Family, u: Array, v: Array) -> Outcome:
    if min(len(u), len(v)) < 8:
        return None
    steps = np.arange(len(u))[:, None] / 8.0, 64.0 + np.arange(len(v))[:, None] / 8.0
    return equal(d.fn(*steps), 1.0)
