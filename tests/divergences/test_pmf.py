"""Divergences of probability vectors: exact values, limits, laws 1–38, histograms."""

from __future__ import annotations

import itertools
import math
import warnings
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from divergences import DivergenceWarning, pmf

mpmath.mp.dps = 40
LOG2 = math.log(2)
P, Q = [Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)], [Fraction(1, 4), Fraction(1, 4), Fraction(1, 2)]

# the textbook sums, on fractions turned to 40 digits
TEXTBOOK = {
    "kl": lambda p, q: sum(a * mpmath.log(a / b) for a, b in zip(p, q, strict=True) if a),
    "tv": lambda p, q: sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2,
    "chi2": lambda p, q: sum((a - b) ** 2 / b for a, b in zip(p, q, strict=True)),
    "triangular": lambda p, q: sum((a - b) ** 2 / (a + b) for a, b in zip(p, q, strict=True)),
    "hellinger": lambda p, q: mpmath.sqrt(1 - sum(mpmath.sqrt(a * b) for a, b in zip(p, q, strict=True))),
}
TEXTBOOK["reverse_kl"] = lambda p, q: TEXTBOOK["kl"](q, p)
TEXTBOOK["neyman_chi2"] = lambda p, q: TEXTBOOK["chi2"](q, p)
TEXTBOOK["jeffreys"] = lambda p, q: TEXTBOOK["kl"](p, q) + TEXTBOOK["kl"](q, p)


def _js(p: list, q: list):
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return (TEXTBOOK["kl"](p, middle) + TEXTBOOK["kl"](q, middle)) / 2


TEXTBOOK["js"] = _js
TEXTBOOK["js_distance"] = lambda p, q: mpmath.sqrt(_js(p, q))
BOTH_WAYS = ("js", "js_distance", "tv", "hellinger", "jeffreys", "triangular")


def digits(values: list) -> list:
    return [
        mpmath.mpf(v.numerator) / v.denominator if isinstance(v, Fraction) else mpmath.mpf(float(v))
        for v in values
    ]


# ── values ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_values(name: str) -> None:
    truth = float(TEXTBOOK[name](digits(P), digits(Q)))
    function = getattr(pmf, name)
    p, q = [float(v) for v in P], [float(v) for v in Q]
    assert function(p, q) == pytest.approx(truth, rel=1e-14)
    assert function([3, 2, 1], [1, 1, 2]) == pytest.approx(truth, rel=1e-14)  # counts
    in_torch = function(torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64))
    assert float(in_torch) == pytest.approx(truth, rel=1e-14)
    if name in BOTH_WAYS:
        assert function(q, p) == pytest.approx(truth, rel=1e-14)


@pytest.mark.parametrize("name", TEXTBOOK)
def test_near_equality_no_digit_is_lost_and_nothing_is_negative(name: str) -> None:
    """Where SciPy, torch and torchmetrics returned a third of their results negative or NaN."""
    rng = np.random.default_rng(0)
    for size in (1e-15, 1e-12, 1e-8, 1e-5):
        q = rng.dirichlet(np.ones(8))
        p = pmf.normalize(q * (1 + size * rng.normal(size=8)))
        value = float(getattr(pmf, name)(p, q))
        # the inputs sum to 1 only to rounding: the truth is that of the standardised generators
        assert value >= 0
        if size >= 1e-8:
            exact_p, exact_q = digits(list(p)), digits(list(q))
            exact_p, exact_q = ([v / sum(values) for v in values] for values in (exact_p, exact_q))
            truth = float(TEXTBOOK[name](exact_p, exact_q))
            assert value == pytest.approx(truth, rel=1e-6)
        assert getattr(pmf, name)(q, q) == 0


@pytest.mark.parametrize("name", TEXTBOOK)
def test_batches_broadcast(name: str) -> None:
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(4), size=(5, 1)), rng.dirichlet(np.ones(4), size=(3,))
    function = getattr(pmf, name)
    values = function(p, q)
    assert values.shape == (5, 3)
    for i, j in itertools.product(range(5), range(3)):
        assert values[i, j] == pytest.approx(float(function(p[i, 0], q[j])), rel=1e-14)
    assert np.ndim(function(p[0, 0], q[0])) == 0
    assert function(torch.tensor(p), torch.tensor(q)).shape == (5, 3)


def test_infinite_and_finite_answers_at_zeros() -> None:
    missed, covered = ([0.5, 0.5, 0.0], [0.5, 0.0, 0.5]), ([0.5, 0.5, 0.0], [0.25, 0.25, 0.5])
    for name in ("kl", "reverse_kl", "chi2", "neyman_chi2", "jeffreys"):
        assert getattr(pmf, name)(*missed) == math.inf
    assert pmf.kl(*covered) == pytest.approx(LOG2)
    assert pmf.reverse_kl(*covered) == math.inf
    assert pmf.chi2(*covered) == pytest.approx(1.0)
    disjoint = [1.0, 0.0], [0.0, 1.0]
    bounded = {"js": LOG2, "js_distance": math.sqrt(LOG2), "tv": 1.0, "hellinger": 1.0, "triangular": 2.0}
    for name, bound in bounded.items():
        assert getattr(pmf, name)(*disjoint) == pytest.approx(bound, rel=1e-15)
    tiny = [1.0 - 1e-16, 5e-324], [1.0, 0.0]
    assert pmf.kl(*tiny) == math.inf
    assert pmf.js(*tiny) == pytest.approx(0.0, abs=1e-16)


def test_entropy() -> None:
    assert pmf.entropy([1.0, 0.0]) == 0
    assert str(pmf.entropy([1.0, 0.0])) == "0.0"  # not −0
    assert pmf.entropy(np.full((2, 3, 8), 1 / 8)) == pytest.approx(np.full((2, 3), math.log(8)))
    truth = -sum(v * mpmath.log(v) for v in digits(P))
    assert pmf.entropy([3, 2, 1]) == pytest.approx(float(truth), rel=1e-15)


def test_normalize() -> None:
    np.testing.assert_allclose(pmf.normalize([[1, 3], [2, 2]]), [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(pmf.normalize([1e308, 1e308, 0.0]), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(pmf.normalize([5e-324, 5e-324]), [0.5, 0.5])
    assert pmf.normalize(torch.tensor([1.0, 3.0])).dtype == torch.float32
    for wrong, message in (([-1.0, 2.0], "negative"), ([0.0, 0.0], "all zero"), ([math.nan, 1.0], "finite")):
        with pytest.raises(ValueError, match=message):
            pmf.normalize(wrong)
    with pytest.raises(ValueError, match=r"sum to 1.*pmf\.normalize"):
        pmf.kl([0.5, 0.6], [0.5, 0.5])


# ── Rényi and α ─────────────────────────────────────────────────────────────────────────────


def exact_renyi(p: list, q: list, order: float) -> float:
    a = mpmath.mpf(order)
    return float(mpmath.log(sum(s**a * t ** (1 - a) for s, t in zip(p, q, strict=True))) / (a - 1))


@pytest.mark.parametrize(
    "order",
    [1e-300, 1e-17, 1e-6, 0.1, 0.5, 0.99, 1 - 1e-12, 1 + 1e-12, 1.01, 2.0, 30.0, 1e3, 1e6, 1e40, 1e200],
)
def test_renyi_of_every_order(order: float) -> None:
    p, q = [float(v) for v in P], [float(v) for v in Q]
    if order < 1e-10:
        truth = order * float(pmf.reverse_kl(p, q))
    elif abs(order - 1) < 1e-10:
        truth = float(TEXTBOOK["kl"](digits(P), digits(Q)))
    elif order > 1e5:  # log max p/q + log of that outcome's p, over the order
        truth = LOG2 - math.log(2) / (order - 1)
    else:
        truth = exact_renyi(digits(P), digits(Q), order)
    assert pmf.renyi(p, q, alpha=order) == pytest.approx(truth, rel=1e-9)
    assert pmf.renyi(p, p, alpha=order) == 0
    assert pmf.renyi([[*p], [*q]], q, alpha=order).shape == (2,)


def test_renyi_at_its_limits() -> None:
    p, q = [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]
    assert pmf.renyi(p, q, alpha=0) == pytest.approx(LOG2)  # −log Q(p > 0)
    assert pmf.renyi(q, p, alpha=0) == 0
    assert pmf.renyi(p, q, alpha=1) == pytest.approx(float(pmf.kl(p, q)))
    for order in (math.inf, 1e300, 1.7e308):
        assert pmf.renyi(p, q, alpha=order) == pytest.approx(LOG2)
        assert pmf.renyi(q, p, alpha=order) == math.inf
    disjoint = [1.0, 0.0], [0.0, 1.0]
    for order in (0, 0.3, 0.5, 1, 2, math.inf):
        assert pmf.renyi(*disjoint, alpha=order) == math.inf
    near = [0.5 + 1e-9, 0.5 - 1e-9], [0.5, 0.5]
    for order in (0.5, 2.0, 7.0):  # α/2 · χ² near equality
        assert pmf.renyi(*near, alpha=order) == pytest.approx(order / 2 * 4e-18, rel=1e-6)
    with pytest.raises(ValueError, match="alpha"):
        pmf.renyi(*near, alpha=-0.1)
    with pytest.raises(ValueError, match="alpha"):
        pmf.renyi(*near, alpha=math.nan)


def test_the_alpha_family() -> None:
    p, q = [float(v) for v in P], [float(v) for v in Q]
    assert pmf.alpha(p, q, alpha=1) == pytest.approx(float(pmf.kl(p, q)), rel=1e-14)
    assert pmf.alpha(p, q, alpha=0) == pytest.approx(float(pmf.reverse_kl(p, q)), rel=1e-14)
    assert pmf.alpha(p, q, alpha=2) == pytest.approx(float(pmf.chi2(p, q)) / 2, rel=1e-14)
    assert pmf.alpha(p, q, alpha=-1) == pytest.approx(float(pmf.neyman_chi2(p, q)) / 2, rel=1e-14)
    assert pmf.alpha(p, q, alpha=0.5) == pytest.approx(4 * float(pmf.hellinger(p, q)) ** 2, rel=1e-13)
    for a in (-2.5, 0.3, 0.7, 1.5, 4.0):
        truth = (sum(s**a * t ** (1 - a) for s, t in zip(digits(P), digits(Q), strict=True)) - 1) / (
            a * (a - 1)
        )
        assert pmf.alpha(p, q, alpha=a) == pytest.approx(float(truth), rel=1e-12)
        assert pmf.alpha(q, p, alpha=1 - a) == pytest.approx(float(truth), rel=1e-12)  # skew symmetry


# ── laws ────────────────────────────────────────────────────────────────────────────────────


@st.composite
def pmfs(draw, count: int = 2, zeros: bool = True, size: int | None = None):
    """``count`` vectors over one alphabet; zeros and many decades on purpose."""
    k = size or draw(st.integers(2, 6))
    mass = st.one_of(st.just(0.0), st.floats(1e-9, 1.0)) if zeros else st.floats(1e-4, 1.0)
    vector = st.lists(mass, min_size=k, max_size=k).filter(lambda v: sum(v) > 0)
    return [pmf.normalize(draw(vector)) for _ in range(count)]


def at_most(low: float, high: float, slack: float = 1e-12) -> bool:
    return bool(low <= high + slack * (1 + abs(high)) or high == math.inf)


@given(pmfs())
def test_inequalities_between_divergences(pair: list[np.ndarray]) -> None:
    """Laws 1, 9–16, 20–22 and the ranges."""
    p, q = pair
    kl, js, tv, chi2 = (float(f(p, q)) for f in (pmf.kl, pmf.js, pmf.tv, pmf.chi2))
    h = float(pmf.hellinger(p, q))
    assert min(kl, js, tv, chi2, h) >= 0
    assert at_most(2 * tv**2, kl)  # 9 Pinsker
    assert at_most(tv, math.sqrt(1 - math.exp(-kl)))  # 10 Bretagnolle–Huber
    assert at_most(h**2, tv)  # 11
    assert at_most(tv, h * math.sqrt(max(0.0, 2 - h**2)))
    half = float(pmf.renyi(p, q, alpha=0.5))
    assert at_most(2 * h**2, half)  # 12
    assert at_most(half, kl)
    assert at_most(kl, math.log1p(chi2))  # 13
    assert at_most(4 * tv**2, chi2)  # 14
    assert at_most(js, LOG2)  # 16
    assert at_most(js, LOG2 * tv)  # 20
    assert at_most(tv**2 / 2, js)  # 21
    assert at_most(js, float(pmf.jeffreys(p, q)) / 4)  # 22
    assert at_most(tv, 1.0, 1e-15)
    assert at_most(h, 1.0, 1e-15)
    if np.all(q > 0):
        assert at_most(kl, math.log1p(2 * tv**2 / q.min()))  # 15 Sason–Verdú


@given(pmfs())
def test_identities_between_divergences(pair: list[np.ndarray]) -> None:
    """Laws 2, 17, 24, 29, 31, 32, 34."""
    p, q = pair
    if np.all(q > 0):
        cross = -float(p @ np.log(q))
        assert pmf.kl(p, q) == pytest.approx(cross - float(pmf.entropy(p)), rel=1e-9, abs=1e-12)
        assert pmf.renyi(p, q, alpha=2) == pytest.approx(
            math.log1p(float(pmf.chi2(p, q))), rel=1e-9, abs=1e-13
        )
    entropy_form = float(pmf.entropy((p + q) / 2) - (pmf.entropy(p) + pmf.entropy(q)) / 2)
    assert pmf.js(p, q) == pytest.approx(entropy_form, rel=1e-9, abs=1e-13)
    assert pmf.tv(p, q) == pytest.approx(1 - float(np.minimum(p, q).sum()), rel=1e-12, abs=1e-14)
    cells = range(len(p))
    events = itertools.chain.from_iterable(itertools.combinations(cells, size) for size in (0, *cells))
    gaps = [abs(float((p - q)[list(event)].sum())) for event in events]
    assert pmf.tv(p, q) == pytest.approx(max(gaps), rel=1e-12, abs=1e-14)
    orders = (0.0, 0.2, 0.5, 0.9, 1.0, 1.1, 2.0, 10.0, math.inf)
    values = [float(pmf.renyi(p, q, alpha=a)) for a in orders]
    assert all(at_most(low, high, 1e-10) for low, high in itertools.pairwise(values))
    assert (1 - 0.3) * float(pmf.renyi(p, q, alpha=0.3)) / 0.3 == pytest.approx(
        float(pmf.renyi(q, p, alpha=0.7)), rel=1e-9, abs=1e-12
    )


ALL = {
    **{name: getattr(pmf, name) for name in TEXTBOOK if name not in ("js_distance", "hellinger")},
    "squared hellinger": lambda p, q: pmf.f_divergence(p, q, "squared_hellinger"),
    "alpha 3": lambda p, q: pmf.alpha(p, q, alpha=3),
    "alpha -0.5": lambda p, q: pmf.alpha(p, q, alpha=-0.5),
}


@given(pmfs(), st.integers(0, 2**16))
def test_data_processing_relabelling_padding(pair: list[np.ndarray], seed: int) -> None:
    """Laws 7, 8 and 36, under a random Markov kernel, a permutation, and cells that neither has."""
    p, q = pair
    rng = np.random.default_rng(seed)
    kernel = rng.dirichlet(np.full(3, 0.5), size=len(p))
    order = rng.permutation(len(p))
    for divergence in (
        *ALL.values(),
        lambda s, t: pmf.renyi(s, t, alpha=0.5),
        lambda s, t: pmf.renyi(s, t, alpha=2),
    ):
        value = float(divergence(p, q))
        assert at_most(float(divergence(pmf.normalize(p @ kernel), pmf.normalize(q @ kernel))), value, 1e-9)
        assert divergence(p[order], q[order]) == pytest.approx(value, rel=1e-12)
        assert divergence(np.append(p, 0.0), np.append(q, 0.0)) == pytest.approx(value, rel=1e-12)


@given(pmfs(count=4, zeros=False, size=4), st.floats(0, 1))
def test_joint_convexity(four: list[np.ndarray], share: float) -> None:
    """Law 6."""
    p, q, r, s = four
    mixed = share * p + (1 - share) * r, share * q + (1 - share) * s
    for divergence in ALL.values():
        bound = share * float(divergence(p, q)) + (1 - share) * float(divergence(r, s))
        assert at_most(float(divergence(*mixed)), bound, 1e-10)


@given(pmfs(count=3, size=4))
def test_triangle_inequalities(three: list[np.ndarray]) -> None:
    """Laws 18 and 19."""
    for distance in (pmf.js_distance, pmf.hellinger, pmf.tv):
        a, b, c = (float(distance(three[i], three[j])) for i, j in ((0, 1), (1, 2), (0, 2)))
        assert at_most(c, a + b, 1e-9)


@given(pmfs(count=4, size=3, zeros=False))
def test_products_and_the_chain_rule(four: list[np.ndarray]) -> None:
    """Laws 4, 5, 27 and 28."""
    p, q, r, s = four
    product_p, product_q = np.outer(p, r).ravel(), np.outer(q, s).ravel()
    for additive in (pmf.kl, lambda a, b: pmf.renyi(a, b, alpha=0.7), lambda a, b: pmf.renyi(a, b, alpha=3)):
        total = float(additive(p, q) + additive(r, s))
        assert additive(product_p, product_q) == pytest.approx(total, rel=1e-9, abs=1e-12)
    assert 1 + pmf.chi2(product_p, product_q) == pytest.approx(
        (1 + pmf.chi2(p, q)) * (1 + pmf.chi2(r, s)), rel=1e-10
    )
    assert at_most(float(pmf.tv(product_p, product_q)), float(pmf.tv(p, q) + pmf.tv(r, s)))
    # chain rule: a joint whose second coordinate depends on the first
    joint_p = p[:, None] * np.stack([r, s, q])
    joint_q = q[:, None] * np.stack([s, p, r])
    steps = pmf.kl(p, q) + p @ pmf.kl(np.stack([r, s, q]), np.stack([s, p, r]))
    assert pmf.kl(pmf.normalize(joint_p.ravel()), pmf.normalize(joint_q.ravel())) == pytest.approx(
        float(steps), rel=1e-9, abs=1e-12
    )


@given(pmfs(count=3, size=4, zeros=False))
def test_compensation_identity(three: list[np.ndarray]) -> None:
    """Law 23: ½KL(p‖r) + ½KL(q‖r) = JS(p, q) + KL(m‖r)."""
    p, q, r = three
    left = float(pmf.kl(p, r) + pmf.kl(q, r)) / 2
    assert left == pytest.approx(float(pmf.js(p, q) + pmf.kl((p + q) / 2, r)), rel=1e-9, abs=1e-12)


@given(pmfs(zeros=False))
def test_variational_bounds(pair: list[np.ndarray]) -> None:
    """Laws 37 and 38: any critic bounds from below; Donsker–Varadhan above Nguyen–Wainwright–Jordan."""
    p, q = pair
    kl = float(pmf.kl(p, q))
    for critic in (np.log(p / q), 0.5 * np.log(p / q) + 0.3, np.arange(len(p)) / 3.0):
        donsker = float(p @ critic - np.log(q @ np.exp(critic)))
        nguyen = float(p @ critic - q @ np.expm1(critic))
        assert at_most(nguyen, donsker, 1e-9)
        assert at_most(donsker, kl, 1e-9)
    support = np.arange(len(p))
    variance = float(q @ support**2 - (q @ support) ** 2)
    assert at_most(float((p @ support - q @ support) ** 2) / variance, float(pmf.chi2(p, q)), 1e-9)


def test_local_behaviour() -> None:
    """Law 35: KL ≈ χ²/2, JS ≈ χ²/8, H² ≈ χ²/8."""
    q = np.array([0.1, 0.2, 0.3, 0.4])
    p = q + 1e-6 * np.array([1.0, -2.0, 3.0, -2.0])
    chi2 = float(pmf.chi2(p, q))
    for value, share in ((pmf.kl(p, q), 2), (pmf.js(p, q), 8), (pmf.hellinger(p, q) ** 2, 8)):
        assert value == pytest.approx(chi2 / share, rel=1e-4)


@pytest.mark.parametrize("name", [*TEXTBOOK, "renyi", "alpha"])
@pytest.mark.parametrize("case", ["equal", "zeros", "one-hot"])
def test_gradients_are_finite(name: str, case: str) -> None:
    values = {"equal": [0.2, 0.3, 0.5], "zeros": [0.0, 0.4, 0.6], "one-hot": [0.0, 0.0, 1.0]}[case]
    p = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    q = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64, requires_grad=True)
    options = {"alpha": 2.5} if name in ("renyi", "alpha") else {}
    for pair in ((p, q), (q, p)):
        for gradient in torch.autograd.grad(getattr(pmf, name)(*pair, **options), (p, q)):
            assert torch.isfinite(gradient).all()


# ── histograms ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("d", [1, 2, 3])
def test_given_edges_are_numpy_histogramdd(rng: np.random.Generator, d: int) -> None:
    x, y, a = rng.random((400, d)), rng.random((300, d)) ** 2, rng.random(400)
    edges = [np.array([0.0, 0.3, 1.0]), np.array([0.0, 0.5, 0.8, 1.0]), np.array([0.0, 0.6, 1.0])][:d]
    p, q, returned = pmf.histogram(x, y, bins=edges if d > 1 else edges[0], x_weights=a)
    np.testing.assert_allclose(p, np.histogramdd(x, edges, weights=a / a.sum())[0].ravel(), rtol=1e-12)
    np.testing.assert_allclose(q, np.histogramdd(y, edges)[0].ravel() / 300, rtol=1e-12)
    for one, other in zip(returned, edges, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-15)


def test_an_edge_belongs_to_the_cell_on_its_right_and_the_last_to_both() -> None:
    p, _, _ = pmf.histogram([0.0, 1.0, 1.0, 2.0, 2.0, 2.0] * 5, [0.5] * 30, bins=[0.0, 1.0, 2.0])
    np.testing.assert_allclose(p, [1 / 6, 5 / 6])


def test_an_offset_changes_nothing(rng: np.random.Generator) -> None:
    x, y = np.round(rng.random(300) * 64) / 64, np.round(rng.random(300) * 64) / 64
    for bins in ("quantile", 5, "fd", [-0.25, 0.25, 0.5, 1.0]):
        moved = bins if not isinstance(bins, list) else [e + 1e8 for e in bins]
        here, there = pmf.histogram(x, y, bins=bins), pmf.histogram(x + 1e8, y + 1e8, bins=moved)
        np.testing.assert_allclose(here[0], there[0], rtol=1e-12)
        np.testing.assert_allclose(here[1], there[1], rtol=1e-12)
        np.testing.assert_allclose(here[2][0] + 1e8, there[2][0], rtol=1e-15)


def test_an_integer_gives_equal_widths(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(200, 2)), rng.normal(size=(300, 2))
    p, _, edges = pmf.histogram(x, y, bins=4)
    assert p.shape == (16,)
    pooled = np.concatenate([x, y])
    for k in range(2):
        np.testing.assert_allclose(
            edges[k], np.linspace(pooled[:, k].min(), pooled[:, k].max(), 5), rtol=1e-12
        )


@pytest.mark.parametrize("rule", ["auto", "fd", "scott", "sturges", "sqrt", "rice"])
def test_numpy_rules(rng: np.random.Generator, rule: str) -> None:
    x, y = rng.normal(size=900), rng.normal(size=900)
    _, _, edges = pmf.histogram(x, y, bins=rule)
    np.testing.assert_allclose(edges[0], np.histogram_bin_edges(np.concatenate([x, y]), rule), rtol=1e-9)


def test_quantile_cells_hold_equal_shares_and_do_not_mind_outliers(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=1000), rng.standard_cauchy(1000) * 1e6
    p, q, edges = pmf.histogram(x, y)
    assert len(p) == 10
    np.testing.assert_allclose(p + q, 0.2, atol=0.003)
    lattice = rng.integers(0, 3, size=1000)
    p, q, edges = pmf.histogram(lattice, lattice[::-1])
    assert np.all(p + q > 0)  # no cell is empty of both, whatever ties
    assert np.all(np.diff(edges[0]) > 0)
    x, y = rng.normal(size=(1000, 2)), rng.normal(size=(1000, 2))
    assert pmf.histogram(x, y)[0].shape == (16,)  # an even number an axis, near n^(1/6)


@pytest.mark.parametrize(("n", "m"), [(1000, 10), (40, 40), (10, 1000), (7, 5)])
def test_quantile_cells_part_disjoint_samples_of_any_sizes(rng: np.random.Generator, n: int, m: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)  # few samples a cell: not the point here
        p, q, _ = pmf.histogram(rng.random(n), rng.random(m) + 5.0)
    assert pmf.kl(p, q) == np.inf
    assert pmf.js(p, q) == pytest.approx(np.log(2), rel=1e-14)


def test_few_distinct_values_get_a_cell_each(rng: np.random.Generator) -> None:
    x, y = rng.choice(5, 400, p=[0.9, 0.04, 0.03, 0.02, 0.01]), rng.integers(0, 5, 300)
    p, q, _ = pmf.histogram(x, y)
    np.testing.assert_allclose(p, np.bincount(x, minlength=5) / 400, rtol=1e-12)
    np.testing.assert_allclose(q, np.bincount(y, minlength=5) / 300, rtol=1e-12)


def test_constant_data(rng: np.random.Generator) -> None:
    for value in (0.0, 3.0, -1e8):
        for bins in ("quantile", 3, "fd"):
            p, q, edges = pmf.histogram(np.full(50, value), np.full(60, value), bins=bins)
            assert pmf.js(p, q) == 0
            assert edges[0][0] <= value <= edges[0][-1]


def test_few_samples_a_cell_are_told(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=20), rng.normal(size=30)
    with pytest.warns(DivergenceWarning, match=r"biased upward by about 0\.25 nats") as caught:
        pmf.histogram(x, y, bins=7)  # (7 − 1)/2 · (1/20 + 1/30)
    assert caught[0].filename == __file__


def test_the_bias_it_tells_is_the_bias_it_has() -> None:
    """Miller 1955: KL of two samples of one pmf is (cells − 1)/2 · (1/n + 1/m) too high."""
    rng = np.random.default_rng(0)
    n, m, cells = 400, 800, 5
    values = [
        float(pmf.kl(rng.multinomial(n, np.full(cells, 0.2)), rng.multinomial(m, np.full(cells, 0.2))))
        for _ in range(1000)
    ]
    assert np.mean(values) == pytest.approx((cells - 1) / 2 * (1 / n + 1 / m), rel=0.1)


def test_histogram_in_torch(rng: np.random.Generator) -> None:
    x, y = rng.random((100, 2)), rng.random((100, 2))
    p, q, edges = pmf.histogram(torch.tensor(x).float(), torch.tensor(y).float(), bins=2)
    assert p.dtype == q.dtype == torch.float32
    assert all(isinstance(edge, np.ndarray) for edge in edges)
    np.testing.assert_allclose(
        p.numpy(), pmf.histogram(x.astype(np.float32), y.astype(np.float32), bins=2)[0]
    )
    assert math.isfinite(float(pmf.kl(p, q)))


def test_refusals(rng: np.random.Generator) -> None:
    x = rng.random(100)
    for bins, message in (
        ([0.5, 0.7], "must cover the samples"),
        ([0.0, 0.5, 0.5, 1.0], "increasing"),
        ([1.0, 0.0], "increasing"),
        ([[0, 1], [0, 1]], "each of the 1 features"),
        ([[0, 1], [0, 0.5, 1]], "each of the 1 features"),
        ([], "increasing edges"),
        ("quantiles", "bins must be 'quantile'"),
        (0, "at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            pmf.histogram(x, x, bins=bins)
    with pytest.raises(ValueError, match="1 to 3 features"):
        pmf.histogram(np.ones((10, 4)), np.ones((10, 4)))
    with pytest.raises(ValueError, match="outlier stretches the range"):
        pmf.histogram(np.append(x, 1e9), x, bins="fd")


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=6), st.lists(st.integers(0, 50), min_size=2, max_size=6)
)
def test_counts_are_normalised(left: list[int], right: list[int]) -> None:
    size = min(len(left), len(right))
    left, right = left[:size], right[:size]
    if sum(left) == 0 or sum(right) == 0:
        return
    fractions = [float(Fraction(v, sum(left))) for v in left], [float(Fraction(v, sum(right))) for v in right]
    assert pmf.tv(left, right) == pytest.approx(float(pmf.tv(*fractions)), rel=1e-12, abs=1e-15)


def test_renyi_of_infinite_order_keeps_the_digits_of_ratios_near_one():
    tiny = 1e-200
    p, q = np.array([1.0 - tiny, tiny * (1 + 1e-10)]), np.array([1.0 - tiny, tiny])
    assert float(pmf.renyi(p, q, alpha=math.inf)) == pytest.approx(1e-10, rel=1e-5)
