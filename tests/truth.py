"""Inputs with exact answers: by hand, in rational arithmetic, over all couplings, from closed forms.

Nothing here uses the package. ``CASES`` holds at least one case for every row of METRICS, and a
test asserts it: a new metric starts with a new case. Rational data are integers over powers of
two, so that floats hold them exactly; logarithms are taken by ``decimal`` to 50 digits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.special import ndtr

EPS = float(np.finfo(np.float64).eps)
EXACT = 64 * EPS  # a few dozen roundings of well-conditioned sums


@dataclass(frozen=True)
class Case:
    """``metric`` (a name in METRICS) of ``data`` with ``options`` is ``value``, for the reason ``source``.

    ``rel`` is the relative tolerance, ``absolute`` the absolute one; ``value`` is a number, or a
    tuple for a metric that returns several.
    """

    metric: str
    data: tuple[Any, ...]
    value: Any
    source: str
    options: dict[str, Any] = field(default_factory=dict)
    rel: float = EXACT
    absolute: float = 0.0

    @property
    def id(self) -> str:
        return f"{self.metric}: {self.source}"


# ── exact arithmetic ────────────────────────────────────────────────────────────────────────


def fractions(values: Sequence[float]) -> list[Fraction]:
    return [Fraction(v) for v in values]


def shares(weights: Sequence[float] | None, count: int) -> list[Fraction]:
    """Weights as fractions that sum to 1."""
    masses = [Fraction(1)] * count if weights is None else fractions(weights)
    return [mass / sum(masses) for mass in masses]


def mean_over_pairs(
    kernel: Callable[[Any, Any], Fraction], x: Sequence[Any], y: Sequence[Any], a: Any, b: Any
) -> Fraction:
    return sum(
        (p * q * kernel(s, t) for s, p in zip(x, a, strict=True) for t, q in zip(y, b, strict=True)),
        Fraction(0),
    )


def rational_energy(x: Sequence[float], y: Sequence[float], a: Any = None, b: Any = None) -> Fraction:
    """2E|X−Y| − E|X−X'| − E|Y−Y'| on the line, pair by pair."""
    xs, ys, a, b = fractions(x), fractions(y), shares(a, len(x)), shares(b, len(y))

    def gap(s: Fraction, t: Fraction) -> Fraction:
        return abs(s - t)

    across, within_x, within_y = (
        mean_over_pairs(gap, *four) for four in ((xs, ys, a, b), (xs, xs, a, a), (ys, ys, b, b))
    )
    return 2 * across - within_x - within_y


def rational_cdf_integral(
    x: Sequence[float], y: Sequence[float], power: int, a: Any = None, b: Any = None
) -> Fraction:
    """∫ |F − G|^power dt: W1 for power 1, the Cramér distance for power 2."""
    xs, ys, a, b = fractions(x), fractions(y), shares(a, len(x)), shares(b, len(y))
    points = sorted({*xs, *ys})
    total = Fraction(0)
    for low, high in itertools.pairwise(points):
        f = sum((w for s, w in zip(xs, a, strict=True) if s <= low), Fraction(0))
        g = sum((w for s, w in zip(ys, b, strict=True) if s <= low), Fraction(0))
        total += abs(f - g) ** power * (high - low)
    return total


def rational_quantile_cost(
    x: Sequence[float], y: Sequence[float], p: int, a: Any = None, b: Any = None
) -> Fraction:
    """W_p^p on the line: ∫ |F⁻¹ − G⁻¹|^p, walking both samples mass by mass."""
    left = sorted(zip(fractions(x), shares(a, len(x)), strict=True))
    right = sorted(zip(fractions(y), shares(b, len(y)), strict=True))
    total, (i, j), (ri, rj) = Fraction(0), (0, 0), (left[0][1], right[0][1])
    while True:
        step = min(ri, rj)
        total += step * abs(left[i][0] - right[j][0]) ** p
        ri, rj = ri - step, rj - step
        if ri == 0:
            i += 1
            if i == len(left):
                return total
            ri = left[i][1]
        if rj == 0:
            j += 1
            if j == len(right):
                return total
            rj = right[j][1]


def rational_mmd(
    kernel: Callable[[Any, Any], Fraction],
    x: Sequence[Sequence[float]],
    y: Sequence[Sequence[float]],
    *,
    unbiased: bool,
    a: Any = None,
    b: Any = None,
) -> Fraction:
    """E k(X,X') + E k(Y,Y') − 2E k(X,Y), the diagonals in (biased) or out and renormalised."""
    xs, ys = [fractions(row) for row in x], [fractions(row) for row in y]
    a, b = shares(a, len(x)), shares(b, len(y))

    def within(rows: list[Any], w: list[Fraction]) -> Fraction:
        total = mean_over_pairs(kernel, rows, rows, w, w)
        if not unbiased:
            return total
        diagonal = sum((v * v * kernel(r, r) for r, v in zip(rows, w, strict=True)), Fraction(0))
        return (total - diagonal) / (1 - sum(v * v for v in w))

    return within(xs, a) + within(ys, b) - 2 * mean_over_pairs(kernel, xs, ys, a, b)


def inner(s: Sequence[Fraction], t: Sequence[Fraction]) -> Fraction:
    return sum((u * v for u, v in zip(s, t, strict=True)), Fraction(0))


def cubic(s: Sequence[Fraction], t: Sequence[Fraction]) -> Fraction:
    """(⟨s, t⟩/d + 1)³, the kernel of KID."""
    return (inner(s, t) / len(s) + 1) ** 3


def counted_precision_recall(
    x: Sequence[Sequence[int]], y: Sequence[Sequence[int]], k: int
) -> tuple[Fraction, ...]:
    """Precision, recall, density, coverage by counting integer squared distances.

    No two rows of one set are equally far from a third: balls are closed, those of density open.
    """

    def squared(s: Sequence[int], t: Sequence[int]) -> int:
        return sum((u - v) ** 2 for u, v in zip(s, t, strict=True))

    def radii(rows: Sequence[Sequence[int]]) -> list[int]:
        return [
            sorted(squared(r, t) for j, t in enumerate(rows) if j != i)[k - 1] for i, r in enumerate(rows)
        ]

    n, m, x_radii, y_radii = len(x), len(y), radii(x), radii(y)
    in_x = [[squared(s, t) <= r for t in y] for s, r in zip(x, x_radii, strict=True)]
    in_y = [[squared(s, t) <= r for s in x] for t, r in zip(y, y_radii, strict=True)]
    return (
        Fraction(sum(any(ball[j] for ball in in_x) for j in range(m)), m),
        Fraction(sum(any(ball[i] for ball in in_y) for i in range(n)), n),
        Fraction(sum(squared(s, t) < r for s, r in zip(x, x_radii, strict=True) for t in y), k * m),
        Fraction(sum(any(ball) for ball in in_x), n),
    )


# ── transport, two ways ─────────────────────────────────────────────────────────────────────


def by_permutations(x: np.ndarray, y: np.ndarray, p: float) -> float:
    """W_p of equally many points: the best of all n! matchings (Birkhoff)."""
    cost = np.linalg.norm(x[:, None] - y[None], axis=-1) ** p
    rows = range(len(x))
    best = min(
        math.fsum(cost[i, s] for i, s in zip(rows, order, strict=True))
        for order in itertools.permutations(rows)
    )
    return float((best / len(x)) ** (1 / p))


def by_linear_programme(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, p: float) -> float:
    """W_p of weighted points from Kantorovich's linear programme."""
    n, m = len(x), len(y)
    a, b = a / a.sum(), b / b.sum()
    cost = np.linalg.norm(x[:, None] - y[None], axis=-1) ** p
    marginals = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    solved = linprog(cost.ravel(), A_eq=marginals, b_eq=np.concatenate([a, b]), method="highs")
    assert solved.success, solved.message
    return float(solved.fun ** (1 / p))


# ── f-divergences of rational pmfs ──────────────────────────────────────────────────────────


def decimal_sum(
    term: Callable[[Decimal, Decimal], Decimal], p: Sequence[Fraction], q: Sequence[Fraction]
) -> float:
    """Σ term(p, q) to 50 digits."""
    with localcontext() as context:
        context.prec = 50

        def number(value: Fraction) -> Decimal:
            return Decimal(value.numerator) / Decimal(value.denominator)

        return float(sum(term(number(s), number(t)) for s, t in zip(p, q, strict=True)))


def kl_term(p: Decimal, q: Decimal) -> Decimal:
    return p * (p / q).ln() if p else Decimal(0)


def js_term(p: Decimal, q: Decimal) -> Decimal:
    return (kl_term(p, (p + q) / 2) + kl_term(q, (p + q) / 2)) / 2 if p + q else Decimal(0)


def affinity_term(p: Decimal, q: Decimal) -> Decimal:
    return (p * q).sqrt()


def pmf_truths(p: Sequence[Fraction], q: Sequence[Fraction]) -> dict[str, float]:
    """Every pmf divergence without options, of two positive rational pmfs."""
    js = decimal_sum(js_term, p, q)
    pairs = list(zip(p, q, strict=True))
    return {
        "kl": decimal_sum(kl_term, p, q),
        "reverse_kl": decimal_sum(kl_term, q, p),
        "js": js,
        "js_distance": math.sqrt(js),
        "tv": float(sum(abs(s - t) for s, t in pairs) / 2),
        "hellinger": math.sqrt(1 - decimal_sum(affinity_term, p, q)),
        "chi2": float(sum((s - t) ** 2 / t for s, t in pairs)),
        "neyman_chi2": float(sum((s - t) ** 2 / s for s, t in pairs)),
        "jeffreys": decimal_sum(kl_term, p, q) + decimal_sum(kl_term, q, p),
        "triangular": float(sum((s - t) ** 2 / (s + t) for s, t in pairs)),
    }


# ── N(0, 1) against N(1, 1) ─────────────────────────────────────────────────────────────────


def _unit_shift_js() -> float:
    """½(p + q) · (z tanh z − log cosh z) with z half the log ratio, summed: exact for analytic densities."""
    t = np.linspace(-15, 16, 20_001)
    z = (0.5 - t) / 2
    density = (np.exp(-(t**2) / 2) + np.exp(-((t - 1) ** 2) / 2)) / math.sqrt(8 * math.pi)
    return float(np.sum(density * (z * np.tanh(z) - np.log(np.cosh(z)))) * (t[1] - t[0]))


def _unit_shift_energy() -> float:
    """2E|N(1, 2)| − 2E|N(0, 2)|."""
    return (
        4 * math.exp(-0.25) / math.sqrt(math.pi)
        + 2 * (2 * float(ndtr(math.sqrt(0.5))) - 1)
        - 4 / math.sqrt(math.pi)
    )


UNIT_SHIFT = {
    "kl": 0.5,
    "reverse_kl": 0.5,
    "js": _unit_shift_js(),  # 0.1114215
    "js_distance": math.sqrt(_unit_shift_js()),
    "tv": 2 * float(ndtr(0.5)) - 1,  # 0.3829249
    "hellinger": math.sqrt(-math.expm1(-1 / 8)),  # H² = 0.1175031
    "chi2": math.expm1(1),  # 1.7182818
    "neyman_chi2": math.expm1(1),
    "jeffreys": 1.0,
    "wasserstein": 1.0,
    "energy": _unit_shift_energy(),  # 0.5418066
    "cramer": _unit_shift_energy() / 2,  # 0.2709033
}


def normal_cells(mean: float, cells: int = 20_000, reach: float = 10.0) -> np.ndarray:
    """Masses of N(mean, 1) in equal cells of [−reach, 1 + reach]; upper tails from the other side.

    Refinement error of an f-divergence is O(width²): 1e-3 wide, about 1e-7 of f″.
    """
    edges = np.linspace(-reach, 1 + reach, cells + 1)
    low, high = edges[:-1] - mean, edges[1:] - mean
    masses = np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    return masses / masses.sum()


# ── the cases ───────────────────────────────────────────────────────────────────────────────

LINE_X, LINE_Y = [0.0, 1.0, 2.5, -4.0], [0.5, 0.5, 7.0]
LINE_A, LINE_B = [1.0, 2.0, 0.5, 4.0], [3.0, 1.0, 1.0]
PLANE_X = [[0.0, 1.0], [2.0, -1.0], [0.5, 0.25]]
PLANE_Y = [[1.0, 1.0], [-2.0, 3.0], [4.0, 0.0], [0.0, 0.5]]
PLANE_A, PLANE_B = [1.0, 2.0, 5.0], [2.0, 1.0, 1.0, 4.0]
GRID_X = [[0, 0], [3, 1], [7, 2], [1, 9], [12, 5], [30, 4]]
GRID_Y = [[1, 1], [4, 8], [6, 3], [13, 6], [100, 90]]
HALVES, QUARTERS = [Fraction(1, 2), Fraction(1, 2)], [Fraction(1, 4), Fraction(3, 4)]
FIVE_P = [Fraction(k, 16) for k in (1, 2, 3, 4, 6)]
FIVE_Q = [Fraction(k, 16) for k in (5, 1, 3, 6, 1)]


def _line_cases() -> list[Case]:
    weights = {"x_weights": LINE_A, "y_weights": LINE_B}
    data, cases = (LINE_X, LINE_Y), []
    for options, masses in (({}, ()), (weights, (LINE_A, LINE_B))):
        kind = "weighted" if masses else "equal weights"
        energy = rational_energy(*data, *masses)
        area = rational_cdf_integral(*data, 2, *masses)
        assert energy == 2 * area  # Székely 2003: two derivations, one number
        first = rational_cdf_integral(*data, 1, *masses)
        assert first == rational_quantile_cost(*data, 1, *masses)
        cases += [
            Case("energy", data, float(energy), f"fractions, pair by pair, {kind}", options),
            Case("cramer", data, float(area), f"fractions, ∫(F−G)², {kind}", options),
            Case("wasserstein", data, float(first), f"fractions, ∫|F−G|, {kind}", options),
        ]
        for p in (2, 3):
            root = float(rational_quantile_cost(*data, p, *masses)) ** (1 / p)
            for name in ("wasserstein", "sliced_wasserstein", "max_sliced_wasserstein"):
                cases.append(
                    Case(name, data, root, f"fractions, quantiles, p={p}, {kind}", {**options, "p": p})
                )
    return cases


def _transport_cases() -> list[Case]:
    cases, draw = [], np.random.default_rng(3)
    for n, d, p in ((2, 2, 1), (3, 3, 2), (4, 2, 3), (5, 4, 1), (5, 2, 2), (5, 20, 1.5)):
        x, y = draw.normal(size=(n, d)), draw.normal(0.5, 2.0, size=(n, d))
        value = by_permutations(x, y, p)
        cases.append(Case("wasserstein", (x, y), value, f"all {n}! matchings in {d}-D, p={p}", {"p": p}))
    for p in (1, 2, 3):
        x, y, a, b = (np.array(v) for v in (PLANE_X, PLANE_Y, PLANE_A, PLANE_B))
        value = by_linear_programme(x, y, a, b, p)
        options = {"p": p, "x_weights": a, "y_weights": b}
        # the programme is feasible to 1e-9 or so
        cases.append(
            Case("wasserstein", (x, y), value, f"linear programme, weighted, p={p}", options, rel=1e-9)
        )
    square = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    shifted = [[u + 3.0, v + 4.0] for u, v in square]
    for name in ("wasserstein", "max_sliced_wasserstein"):
        cases.append(Case(name, (square, shifted), 5.0, "law 52: a translate is |a| away", rel=1e-12))
    return cases


def _kernel_cases() -> list[Case]:
    data, cases = (PLANE_X, PLANE_Y), []
    weights = {"x_weights": PLANE_A, "y_weights": PLANE_B}
    for kernel, function in (("polynomial", cubic), ("linear", inner)):
        for estimator in ("unbiased", "biased"):
            for options, masses in (({}, {}), (weights, {"a": PLANE_A, "b": PLANE_B})):
                value = float(rational_mmd(function, *data, unbiased=estimator == "unbiased", **masses))
                source = f"fractions, {kernel}, {estimator}{', weighted' if masses else ''}"
                chosen = {"kernel": kernel, "estimator": estimator, **options}
                cases.append(Case("squared_mmd", data, value, source, chosen, rel=16 * EXACT))
    kid = float(rational_mmd(cubic, *data, unbiased=True))
    cases.append(Case("kid", data, kid, "fractions, the cubic kernel", rel=16 * EXACT))
    # two points one apart: 2 − 2k for the biased form; one pair a side, unbiased: 2k(1) − (k(3)+2k(2)+k(1))/2
    e, two = math.exp(-0.5), {"bandwidth": 1.0}
    cases += [
        Case("squared_mmd", ([0.0], [1.0]), 2 - 2 * e, "two points", {**two, "estimator": "biased"}),
        Case(
            "squared_mmd", ([0.0, 1.0], [2.0, 3.0]), 2 * e - (e**9 + 2 * e**4 + e) / 2,
            "four points, off diagonals", two,
        ),
        Case("squared_mmd", ([0.0], [2.0]), 2 - 2 * math.exp(-0.5), "median bandwidth of one pair: itself",
             {"estimator": "biased"}),
        Case("squared_mmd", ([0.0], [2.0]), 2 - 2 * math.exp(-2), "Laplace kernel exp(−r/σ)",
             {"estimator": "biased", "kernel": "laplace", "bandwidth": 1.0}),
        Case("squared_mmd", ([0.0], [2.0]), 2 - 2 / 3, "rational quadratic kernel 1/(1 + r²/2σ²)",
             {"estimator": "biased", "kernel": "rational_quadratic", "bandwidth": 1.0}),
        Case("squared_mmd", ([0.0], [2.0]), 2 - math.exp(-2) - math.exp(-0.5), "two bandwidths: their mean",
             {"estimator": "biased", "bandwidth": [1.0, 2.0]}),
        Case("energy", ([[0.0, 0.0]], [[3.0, 4.0]]), 10.0, "two points 5 apart"),
        Case("cramer", ([[0.0, 0.0], [6.0, 8.0]], [[3.0, 4.0]]), 2.5, "the middle of two points: 5 − 10/4"),
        Case("sinkhorn_divergence", ([0.0], [3.0]), 9.0, "one point each: the cost", {"epsilon": 2.0}),
        Case("sinkhorn_divergence", ([0.0, 1.0], [3.0, 4.0]), 9.0, "law 66: a shift costs its square",
             {"epsilon": 0.5, "tolerance": 1e-10}, rel=1e-9),
    ]  # fmt: skip
    return cases


def _neighbour_cases() -> list[Case]:
    cases = []
    for k in (1, 2, 3):
        value = tuple(map(float, counted_precision_recall(GRID_X, GRID_Y, k)))
        cases.append(Case("precision_recall", (GRID_X, GRID_Y), value, f"counted, k={k}", {"k": k}))
    cases.append(Case("precision_recall", ([1.0] * 6, [1.0] * 7), (1.0,) * 4, "constant data", {"k": 2}))
    cases.append(Case("precision_recall", ([0.0, 1, 2], [9.0, 10, 11]), (0.0,) * 4, "disjoint", {"k": 1}))
    # kNN KL, k = 1, on the line: ρ and ν read off by eye
    x, y = [0.0, 1.0, 3.0], [0.5, 5.0]
    rho, nu = (1.0, 1.0, 2.0), (0.5, 0.5, 2.0)
    value = sum(math.log(v / r) for v, r in zip(nu, rho, strict=True)) / 3 + math.log(2 / 2)
    cases.append(Case("kl", (x, y), value, "k=1 by hand: Wang, Kulkarni & Verdú 2009, eq. 5", {"k": 1}))
    cases.append(Case("reverse_kl", (y, x), value, "k=1 by hand, exchanged", {"k": 1}))
    return cases


def _density_cases() -> list[Case]:
    peak = -0.5 * math.log(2 * math.pi)
    two = math.log((math.exp(-0.5) + 3 * math.exp(-2.0)) / 4)
    wide = {"x_weights": None, "y_weights": [1.0, 3.0], "bandwidth": 1.0}
    return [
        Case("parzen_log_likelihood", ([0.0], [0.0]), peak, "its own peak: law 96", {"bandwidth": 1.0}),
        Case("parzen_log_likelihood", ([0.0], [1.0, 2.0]), peak + two, "two windows, weights 1 : 3", wide),
        Case(
            "parzen_log_likelihood", ([[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0]]),
            2 * peak - 2 * math.log(0.5) - 25 / (2 * 0.25) / 2, "one window in the plane", {"bandwidth": 0.5},
        ),
        Case("frechet", ([0.0, 2.0], [3.0, 5.0]), 9.0, "equal variances: the means"),
        Case("frechet", ([[0.0, 1.0], [2.0, 1.0], [1.0, 1.0]], [[0.0, 3.0], [4.0, 3.0], [2.0, 3.0]]),
             5.0 + (2.0 - 1.0) ** 2, "ddof=1: deviations 1 and 2, means (1, 1) and (2, 3)"),
        Case("classifier_two_sample", (np.arange(40.0), np.arange(40.0) + 1e3), 1.0, "far apart", {"rng": 0}),
    ]  # fmt: skip


def _histogram_cases() -> list[Case]:
    """Samples that fall 1 : 2 : 3 : 4 : 6 and 5 : 1 : 3 : 6 : 1 into five cells."""
    x = np.repeat(np.arange(5.0), [k.numerator * (16 // k.denominator) for k in FIVE_P])
    y = np.repeat(np.arange(5.0), [k.numerator * (16 // k.denominator) for k in FIVE_Q])
    options = {"estimator": "histogram", "bins": [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5]}
    truth = pmf_truths(FIVE_P, FIVE_Q)
    cases = [
        Case(name, (x, y), truth[name], "five cells, fractions", options)
        for name in ("kl", "reverse_kl", "js", "tv", "hellinger", "chi2")
    ]
    cases.append(
        Case(
            "f_divergence",
            (x, y),
            truth["triangular"],
            "five cells, fractions",
            {"f": "triangular", **options},
        )
    )
    second = math.log(1 + truth["chi2"])  # law 32
    half = -2 * math.log(1 - truth["hellinger"] ** 2)  # law 31
    cases.append(Case("renyi", (x, y), second, "order 2: log(1 + χ²)", {"alpha": 2, **options}))
    cases.append(Case("renyi", (x, y), half, "order ½: −2 log(1 − H²)", {"alpha": 0.5, **options}))
    weights = {"x_weights": [float(k) for k in FIVE_P], "y_weights": [float(k) for k in FIVE_Q]}
    points = (np.arange(5.0), np.arange(5.0))
    cases.append(Case("kl", points, truth["kl"], "five cells by weight", {**options, **weights}))
    return cases


def _pmf_cases() -> list[Case]:
    cases = []
    for p, q, kind in ((HALVES, QUARTERS, "two outcomes"), (FIVE_P, FIVE_Q, "five outcomes")):
        data = tuple([float(v) for v in r] for r in (p, q))
        truth = pmf_truths(p, q)
        half = -2 * math.log1p(-(truth["hellinger"] ** 2))
        top = math.log(max(s / t for s, t in zip(p, q, strict=True)))
        cases += [Case(f"pmf.{name}", data, value, f"{kind}, 50 digits") for name, value in truth.items()]
        cases += [
            Case("pmf.alpha", data, truth["chi2"] / 2, f"{kind}: α = 2 is χ²/2", {"alpha": 2}),
            Case("pmf.alpha", data, truth["neyman_chi2"] / 2, f"{kind}: α = −1 is Neyman/2", {"alpha": -1}),
            Case("pmf.alpha", data, 4 * truth["hellinger"] ** 2, f"{kind}: α = ½ is 4H²", {"alpha": 0.5}),
            Case("pmf.alpha", data, truth["kl"], f"{kind}: α = 1 is KL", {"alpha": 1}),
            Case("pmf.alpha", data, truth["reverse_kl"], f"{kind}: α = 0 is reverse KL", {"alpha": 0}),
            Case("pmf.renyi", data, truth["kl"], f"{kind}: α = 1 is KL", {"alpha": 1}),
            Case("pmf.renyi", data, math.log(1 + truth["chi2"]), f"{kind}: α = 2, law 32", {"alpha": 2}),
            Case("pmf.renyi", data, half, f"{kind}: α = ½, law 31", {"alpha": 0.5}),
            Case("pmf.renyi", data, top, f"{kind}: α = ∞, law 33", {"alpha": math.inf}),
            Case("pmf.renyi", data, 0.0, f"{kind}: α = 0, equal supports", {"alpha": 0}),
            Case("pmf.f_divergence", data, truth["tv"], f"{kind}: by name", {"f": "tv"}),
        ]  # fmt: skip
    apart = {
        "kl": math.inf, "reverse_kl": math.inf, "js": math.log(2), "js_distance": math.sqrt(math.log(2)),
        "tv": 1.0, "hellinger": 1.0, "chi2": math.inf, "neyman_chi2": math.inf, "jeffreys": math.inf,
        "triangular": 2.0,
    }  # fmt: skip
    cases += [Case(f"pmf.{k}", ([1.0, 0.0], [0.0, 1.0]), v, "disjoint") for k, v in apart.items()]
    # the third outcome is one that neither has
    cases += [
        Case("pmf.kl", ([1.0, 0.0, 0.0], [0.5, 0.5, 0.0]), math.log(2), "a point against a coin"),
        Case("pmf.reverse_kl", ([1.0, 0.0, 0.0], [0.5, 0.5, 0.0]), math.inf, "a point against a coin"),
        Case(
            "pmf.renyi", ([1.0, 0.0, 0.0], [0.5, 0.5, 0.0]), math.log(2), "α = 0: −log Q(p > 0)", {"alpha": 0}
        ),
    ]
    p, q = normal_cells(0.0), normal_cells(1.0)
    names = ("kl", "reverse_kl", "js", "js_distance", "tv", "hellinger", "chi2", "neyman_chi2", "jeffreys")
    cases += [
        Case(f"pmf.{name}", (p, q), UNIT_SHIFT[name], "N(0,1) and N(1,1) in cells", rel=0, absolute=3e-7)
        for name in names
    ]
    return cases


def _gaussian_cases() -> list[Case]:
    shift = (0.0, 1.0, 1.0, 1.0)
    cases = [
        Case(f"gaussian.{k}", shift, UNIT_SHIFT[k], "N(0,1) and N(1,1)", rel=1e-12)
        for k in ("kl", "js", "hellinger", "wasserstein")
    ]
    cases.append(Case("gaussian.frechet", shift, 1.0, "N(0,1) and N(1,1)"))
    cases += [
        Case("gaussian.renyi", shift, a / 2, f"N(0,1) and N(1,1): α/2, α={a}", {"alpha": a})
        for a in (0.5, 1, 2)
    ]
    plane = ([0.0, 0.0], [[1.0, 0.0], [0.0, 4.0]], [1.0, -1.0], [[4.0, 0.0], [0.0, 1.0]])
    cases += [
        Case("gaussian.frechet", plane, 2.0 + 1.0 + 1.0, "commuting covariances: (σ − τ)² each"),
        Case("gaussian.kl", plane, 0.5 * (0.25 + 4 - 2 + 0 + 0.25 + 1.0), "½[tr − d − log det + ΔᵀQ⁻¹Δ]"),
    ]
    return cases


CASES: list[Case] = [
    *_line_cases(),
    *_transport_cases(),
    *_kernel_cases(),
    *_neighbour_cases(),
    *_density_cases(),
    *_histogram_cases(),
    *_pmf_cases(),
    *_gaussian_cases(),
]
