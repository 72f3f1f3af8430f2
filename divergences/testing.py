"""Hypothesis strategies for divergences, and ``law_test``: laws as ordinary pytest tests.

    from divergences.testing import law_test

    test_my_distance = law_test(my_distance, claims={"metric"}, on="pmf")

Strategies draw what breaks divergences: zeros, ties, near-equal and disjoint masses, far offsets,
outliers, n ≠ m, covariances of low rank. Needs hypothesis: ``pip install divergences[laws]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from divergences.fdivergence import FDIVERGENCES, FDivergence, alpha_divergence
from divergences.laws import Law
from divergences.laws.check import Verdict, chosen_laws, judge, subjects_of
from divergences.laws.draw import draw as draw_case
from divergences.laws.draw import normalised
from divergences.registry import Metric

try:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st
except ImportError as error:  # pragma: no cover
    raise ImportError("divergences.testing needs hypothesis: pip install divergences[laws]") from error

__all__ = [
    "cases",
    "couplings",
    "fdivergences",
    "gaussians",
    "law_test",
    "lipschitz_functions",
    "markov_kernels",
    "pmf_pairs",
    "pmfs",
    "sample_pairs",
    "samples",
    "weights",
]

TINY = 1e-280


# ── probability vectors ─────────────────────────────────────────────────────────────────────


@st.composite
def pmfs(draw: Any, k: int | None = None, *, max_outcomes: int = 8) -> np.ndarray:
    """Probability vectors: dense, sparse, a point, uniform, with a mass of 1e-280.

    >>> p = pmfs(3).example()  # doctest: +SKIP
    """
    k = draw(st.integers(1, max_outcomes)) if k is None else k
    masses = draw(st.lists(st.integers(0, 16), min_size=k, max_size=k).filter(any))
    p = np.array(masses, dtype=float)
    if draw(st.integers(0, 3)) == 0:
        p = np.where(p == 0, TINY, p)
    elif draw(st.booleans()):
        p = p * np.array(draw(st.lists(st.floats(1e-6, 1.0), min_size=k, max_size=k)))
    return normalised(p)


@st.composite
def pmf_pairs(draw: Any, *, max_outcomes: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Two vectors of one length: independent, equal, nearly equal, disjoint."""
    k = draw(st.integers(2, max_outcomes))
    p = draw(pmfs(k))
    kind = draw(st.sampled_from(["independent", "equal", "nearly equal", "disjoint"]))
    if kind == "equal":
        return p, p.copy()
    if kind == "nearly equal":
        tilt = np.array(draw(st.lists(st.floats(-1, 1), min_size=k, max_size=k)))
        return p, normalised(p * (1 + 10.0 ** -draw(st.integers(3, 16)) * tilt))
    if kind == "disjoint":
        cut = draw(st.integers(1, k - 1))
        first = np.arange(k) < cut
        return normalised(np.where(first, p + 1.0, 0.0)), normalised(np.where(first, 0.0, p + 1.0))
    return p, draw(pmfs(k))


@st.composite
def markov_kernels(draw: Any, k: int | None = None, m: int | None = None) -> np.ndarray:
    """Row-stochastic matrices (k, m), among them maps of outcomes."""
    k, m = (draw(st.integers(1, 6)) if size is None else size for size in (k, m))
    if draw(st.booleans()):
        return np.eye(m)[draw(st.lists(st.integers(0, m - 1), min_size=k, max_size=k))]
    return np.stack([draw(pmfs(m)) for _ in range(k)])


@st.composite
def couplings(draw: Any, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Joint laws (k, m) with marginals p and q: by the north-west corner of two random orders, mixed
    with the independent one."""
    rows, columns = draw(st.permutations(range(len(p)))), draw(st.permutations(range(len(q))))
    plan, left, right = np.zeros((len(p), len(q))), np.array(p, float), np.array(q, float)
    i = j = 0
    while i < len(p) and j < len(q):
        mass = min(left[rows[i]], right[columns[j]])
        plan[rows[i], columns[j]] += mass
        left[rows[i]] -= mass
        right[columns[j]] -= mass
        if left[rows[i]] <= right[columns[j]]:
            i += 1
        else:
            j += 1
    t = draw(st.sampled_from([0.0, 0.25, 1.0]))
    return (1 - t) * plan + t * np.outer(p, q)


@st.composite
def fdivergences(draw: Any) -> FDivergence:
    """A named f-divergence, an α-divergence, or a positive combination of two."""
    named = st.sampled_from(sorted(FDIVERGENCES)).map(FDIVERGENCES.__getitem__)
    one = draw(named | st.sampled_from([-1.0, 0.25, 2.0, 3.0]).map(alpha_divergence))
    if draw(st.booleans()):
        return one
    other, weight = draw(named), draw(st.floats(0.1, 4.0))

    def f(t: Any) -> Any:
        return one.f(t) + weight * other.f(t)

    ends = [(v, w) for v, w in ((one.at_zero, other.at_zero), (one.slope, other.slope))]
    at_zero, slope = (None if v is None or w is None else v + weight * w for v, w in ends)
    return FDivergence(f"{one.name} + {weight:g} {other.name}", f, at_zero=at_zero, slope=slope)


# ── samples ─────────────────────────────────────────────────────────────────────────────────


@st.composite
def samples(
    draw: Any, d: int | None = None, *, min_rows: int = 1, max_rows: int = 8, dtype: str = "float64"
) -> np.ndarray:
    """Samples (n, d) on a grid of 2⁻⁶: with ties and duplicates, an outlier, another scale, far from 0."""
    d = draw(st.integers(1, 3)) if d is None else d
    n = draw(st.integers(min_rows, max_rows))
    reach = draw(st.sampled_from([2, 64, 256]))
    numbers = draw(st.lists(st.integers(-reach, reach), min_size=n * d, max_size=n * d))
    x = np.array(numbers, dtype=float).reshape(n, d) / 64.0
    kind = draw(st.sampled_from(["plain", "duplicates", "outlier", "scale", "offset", "constant"]))
    if kind == "duplicates":
        x = x[np.arange(n) // 2]
    elif kind == "outlier":
        x[0] += 512.0
    elif kind == "scale":
        x = x * 2.0 ** draw(st.integers(-8, 4))
    elif kind == "offset":
        x = x + 2.0 ** draw(st.integers(6, 11))
    elif kind == "constant":
        x[:, 0] = 1.0
    return x.astype(dtype)


@st.composite
def sample_pairs(
    draw: Any, *, min_rows: int = 1, max_rows: int = 8, dtype: str = "float64"
) -> tuple[np.ndarray, np.ndarray]:
    """Two samples of one dimension, n ≠ m welcome: independent, nearly equal, sharing rows, far apart."""
    d = draw(st.integers(1, 3))
    x = draw(samples(d, min_rows=min_rows, max_rows=max_rows, dtype=dtype))
    kind = draw(st.sampled_from(["independent", "nearly equal", "shared", "apart"]))
    if kind == "nearly equal":
        return x, x[draw(st.permutations(range(len(x))))] + np.asarray(1 / 64, dtype=dtype)
    y = draw(samples(d, min_rows=min_rows, max_rows=max_rows, dtype=dtype))
    if kind == "shared":
        y = np.concatenate([x[: (len(x) + 1) // 2], y])[: max(len(y), min_rows)]
    elif kind == "apart":
        y = y + np.asarray(64.0, dtype=dtype)
    return x, y


@st.composite
def weights(draw: Any, n: int, *, zeros: bool = True) -> np.ndarray:
    """``n`` non-negative whole weights, not all zero."""
    low = 0 if zeros else 1
    return np.array(draw(st.lists(st.integers(low, 4), min_size=n, max_size=n).filter(any)), dtype=float)


@st.composite
def lipschitz_functions(draw: Any, d: int) -> Callable[[np.ndarray], np.ndarray]:
    """1-Lipschitz functions of (n, d) samples: the least of a few cones."""
    count = draw(st.integers(1, 4))
    coordinates = st.integers(-256, 256).map(lambda v: v / 64)
    centres = np.array(draw(st.lists(coordinates, min_size=count * d, max_size=count * d))).reshape(count, d)
    heights = np.array(draw(st.lists(coordinates, min_size=count, max_size=count)))
    sign = draw(st.sampled_from([-1.0, 1.0]))

    def cone(x: np.ndarray) -> np.ndarray:
        gaps = np.linalg.norm(x[:, None, :] - centres[None], axis=-1)
        return sign * (gaps + heights).min(axis=1)

    return cone


@st.composite
def gaussians(draw: Any, d: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(mean, covariance), of full rank or less; exact in float32."""
    d = draw(st.integers(1, 3)) if d is None else d
    rank = draw(st.integers(0, d + 2))
    quarters = st.integers(-12, 12).map(lambda v: v / 4)
    factor = np.array(draw(st.lists(quarters, min_size=d * rank, max_size=d * rank)), float).reshape(d, rank)
    mean = np.array(draw(st.lists(quarters, min_size=d, max_size=d)))
    return mean, factor @ factor.T


# ── laws as tests ───────────────────────────────────────────────────────────────────────────


def cases(on: str, *, dtype: str = "float64", min_rows: int = 1) -> st.SearchStrategy[dict[str, Any]]:
    """Everything a law on "pmf", "samples" or "gaussian" may read, by role: ``law.violation(fn, **case)``.

    The pair itself is drawn by the strategies above, the rest of the case from a seed.
    """
    if on == "pmf":
        pair = pmf_pairs().map(lambda drawn: {"p": drawn[0], "q": drawn[1]})
    elif on == "samples":
        drawn = sample_pairs(min_rows=min_rows, max_rows=min_rows + 6, dtype=dtype)
        pair = drawn.map(lambda two: {"x": two[0].astype(float), "y": two[1].astype(float)})
    else:
        pair = st.just({})
    return st.builds(
        lambda seed, fixed: draw_case(
            on, np.random.default_rng(seed), dtype=dtype, min_rows=min_rows, fixed=fixed
        ),
        st.integers(0, 2**32 - 1), pair,
    )  # fmt: skip


def law_test(
    metric: Callable[..., Any] | Metric,
    *,
    claims: Iterable[str] = (),
    on: str | None = None,
    laws: str | Law | Iterable[str | Law] | None = None,
    examples: int = 100,
    **known: Any,
) -> Callable[..., None]:
    """A pytest test of ``metric``, one case a law: assign it to a name that starts with ``test_``.

    ``claims``, ``on``, ``laws`` and ``known`` (``dtype``, ``library``, ``degree`` …) as in ``laws.check``;
    a row of METRICS brings its own. Hypothesis draws ``examples`` pairs a law; a violation is shrunk and
    shown as runnable Python. A law whose precondition no example met fails too: it tested nothing.

    >>> test_total_variation = law_test(
    ...     lambda p, q: abs(p - q).sum() / 2, claims={"tv"}, on="pmf", laws=["tv is at most one"], examples=5
    ... )
    >>> test_total_variation("pmf.tv is at most one")
    """
    import pytest

    named = [laws] if isinstance(laws, (str, Law)) else list(laws or ())
    subjects = subjects_of(metric, claims=claims, on=on, **known)
    trials = {}
    for subject in subjects:
        for law in chosen_laws(None if laws is None else named, subject):
            name = law.name if len(subjects) == 1 else f"{subject.part}: {law.name}"
            trials[name] = (subject, law)

    @pytest.mark.parametrize("law", list(trials))
    def test(law: str) -> None:
        subject, rule = trials[law]
        applied = 0
        broken: list[Verdict] = []

        @settings(
            max_examples=examples, deadline=None, database=None, derandomize=True,
            phases=[Phase.generate],  # a violation is shrunk by the laws' own shrinker, number by number
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=cases(subject.on, dtype=subject.dtype, min_rows=subject.min_rows))
        def run(case: dict[str, Any]) -> None:
            nonlocal applied
            subject.cache.clear()
            verdict = judge(rule, subject, case)
            if verdict.skipped == "not applicable":
                pytest.skip(verdict.note)
            applied += verdict.outcome is not None
            if verdict.broken:
                broken.append(verdict)
                raise AssertionError

        try:
            run()
        except AssertionError:
            if not broken:
                raise
            raise AssertionError(broken[0].report()) from None
        if not applied:
            raise AssertionError(f"{law}: its precondition held for none of the examples: it tested nothing")

    return test
