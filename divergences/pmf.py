"""Divergences between probability vectors: histograms, categorical distributions, softmaxes.

Every function takes ``p, q`` of shape ``(..., k)``: reference first, batches broadcast, the last
axis summing to 1. Integer arrays are counts and are normalised; floats that do not sum to 1 are
refused (``normalize`` mends them). Logarithms are natural. The result has shape ``(...)`` in the
caller's library and dtype; a 0-d scalar for plain vectors. In torch it is differentiable, with
finite gradients everywhere: an outcome of probability 0 contributes gradient 0 where the true
one-sided derivative is infinite, and gradients are defined up to a constant (the simplex).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from divergences._arrays import Array, logsumexp, namespace, safe_log, safe_sqrt
from divergences._histogram import common_cells
from divergences._inputs import (
    check_masses,
    check_pair,
    check_pmf,
    check_pmfs,
    check_positive,
    scalar,
)
from divergences.fdivergence import FDIVERGENCES, FDivergence, alpha_divergence, as_fdivergence
from divergences.registry import metric

__all__ = [
    "alpha",
    "chi2",
    "entropy",
    "f_divergence",
    "hellinger",
    "histogram",
    "jeffreys",
    "js",
    "js_distance",
    "kl",
    "neyman_chi2",
    "normalize",
    "renyi",
    "reverse_kl",
    "triangular",
    "tv",
]

CSISZAR = "Csiszár 1967; Liese & Vajda 2006"


def _divergence(p: Any, q: Any, row: FDivergence) -> Any:
    p, q, xp, dtype = check_pmfs(p, q)
    return scalar(xp.sum(row.perspective(p, q), axis=-1), dtype)


@metric(
    laws=("f-divergence", "kl"),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="expected log-likelihood lost by coding P with Q; infinite where Q misses an outcome of P",
    reference="Kullback & Leibler 1951",
)  # fmt: skip
def kl(p: Any, q: Any) -> Any:
    """Kullback–Leibler divergence KL(p‖q) = Σ p log(p/q), in nats, in [0, ∞].

    ``inf`` where some p > 0 has q = 0. Never negative, however close p and q are.

    >>> round(float(kl([0.5, 0.5], [0.25, 0.75])), 6)
    0.143841
    """
    return _divergence(p, q, FDIVERGENCES["kl"])


@metric(
    laws=("f-divergence", "reverse kl"),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="KL with the roles exchanged: infinite where P misses an outcome of Q",
    reference="Kullback & Leibler 1951",
)  # fmt: skip
def reverse_kl(p: Any, q: Any) -> Any:
    """Reverse Kullback–Leibler divergence KL(q‖p) = Σ q log(q/p), in nats, in [0, ∞].

    >>> round(float(reverse_kl([0.25, 0.75], [0.5, 0.5])), 6)
    0.143841
    """
    return _divergence(p, q, FDIVERGENCES["reverse_kl"])


@metric(
    laws=("f-divergence", "js", "symmetric"),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="information one draw carries about which of P and Q it came from; at most log 2",
    reference="Lin 1991",
)  # fmt: skip
def js(p: Any, q: Any) -> Any:
    """Jensen–Shannon divergence ½KL(p‖m) + ½KL(q‖m), m = ½(p+q): not rooted, nats, in [0, log 2].

    SciPy's ``jensenshannon`` is its root: see ``js_distance``.

    >>> round(float(js([1.0, 0.0], [0.0, 1.0])), 6)
    0.693147
    """
    return _divergence(p, q, FDIVERGENCES["js"])


@metric(
    laws=("metric", "js distance", "square root"),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="the root of Jensen–Shannon, which is a metric",
    reference="Endres & Schindelin 2003",
)  # fmt: skip
def js_distance(p: Any, q: Any) -> Any:
    """Jensen–Shannon distance √JS (what SciPy's ``jensenshannon`` returns), in [0, √log 2].

    >>> round(float(js_distance([1.0, 0.0], [0.0, 1.0])), 6)
    0.832555
    """
    p, q, xp, dtype = check_pmfs(p, q)
    return scalar(safe_sqrt(xp, xp.sum(FDIVERGENCES["js"].perspective(p, q), axis=-1)), dtype)


@metric(
    laws=("f-divergence", "tv", "metric"),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="the largest difference of probability any event has under P and Q",
    reference="Tsybakov 2009, §2.4",
)  # fmt: skip
def tv(p: Any, q: Any) -> Any:
    """Total variation ½ Σ|p − q|, in [0, 1].

    >>> float(tv([0.5, 0.5], [0.25, 0.75]))
    0.25
    """
    return _divergence(p, q, FDIVERGENCES["tv"])


@metric(
    laws=("metric", "hellinger", "square root"),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="distance between the square roots of the probabilities; 1 means disjoint",
    reference="Tsybakov 2009, §2.4",
)  # fmt: skip
def hellinger(p: Any, q: Any) -> Any:
    """Hellinger distance √(1 − Σ√(pq)) (rooted, with the factor ½ inside), in [0, 1].

    >>> float(hellinger([1.0, 0.0], [0.0, 1.0]))
    1.0
    """
    p, q, xp, dtype = check_pmfs(p, q)
    squared = xp.sum(FDIVERGENCES["squared_hellinger"].perspective(p, q), axis=-1)
    return scalar(safe_sqrt(xp, squared), dtype)


@metric(
    laws=("f-divergence", "chi2"),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="variance of the likelihood ratio under Q; infinite where Q misses an outcome of P",
    reference="Pearson 1900",
)  # fmt: skip
def chi2(p: Any, q: Any) -> Any:
    """Pearson's χ²(p‖q) = Σ (p − q)² / q, no half, in [0, ∞].

    >>> round(float(chi2([0.5, 0.5], [0.25, 0.75])), 6)
    0.333333
    """
    return _divergence(p, q, FDIVERGENCES["chi2"])


@metric(
    laws=("f-divergence", "neyman chi2"),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="Pearson's χ² with the roles exchanged",
    reference="Neyman 1949",
)  # fmt: skip
def neyman_chi2(p: Any, q: Any) -> Any:
    """Neyman's χ²: Σ (p − q)² / p = χ²(q‖p), no half, in [0, ∞].

    >>> round(float(neyman_chi2([0.25, 0.75], [0.5, 0.5])), 6)
    0.333333
    """
    return _divergence(p, q, FDIVERGENCES["neyman_chi2"])


@metric(
    laws=("f-divergence", "jeffreys", "symmetric"),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="KL plus reverse KL",
    reference="Jeffreys 1946",
)  # fmt: skip
def jeffreys(p: Any, q: Any) -> Any:
    """Jeffreys divergence KL(p‖q) + KL(q‖p) (the sum, not the mean), in nats, in [0, ∞].

    >>> round(float(jeffreys([0.5, 0.5], [0.25, 0.75])), 6)
    0.274653
    """
    return _divergence(p, q, FDIVERGENCES["jeffreys"])


@metric(
    laws=("f-divergence", "triangular", "symmetric"),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="a bounded, symmetric χ²: within a factor of two of JS",
    reference="Topsøe 2000",
)  # fmt: skip
def triangular(p: Any, q: Any) -> Any:
    """Triangular discrimination Σ (p − q)² / (p + q) (no half), in [0, 2].

    >>> float(triangular([1.0, 0.0], [0.0, 1.0]))
    2.0
    """
    return _divergence(p, q, FDIVERGENCES["triangular"])


@metric(
    laws=("f-divergence", "alpha"),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="Amari's family between reverse KL (0) and KL (1) and beyond",
    reference="Cressie & Read 1984",
)  # fmt: skip
def alpha(p: Any, q: Any, *, alpha: float) -> Any:
    """α-divergence (Σ pᵅ q¹⁻ᵅ − 1) / (α(α − 1)), any real α; 1 is KL, 0 reverse KL; in [0, ∞].

    >>> from divergences import pmf
    >>> round(2 * float(pmf.alpha([0.5, 0.5], [0.25, 0.75], alpha=2)), 6)
    0.333333
    """
    return _divergence(p, q, alpha_divergence(alpha))


@metric(
    laws=("renyi",),
    on="pmf", degree=None, interval=None, cost="n",
    meaning="KL's family by order: α = 1 is KL, ∞ the worst-case log ratio",
    reference="Rényi 1961; van Erven & Harremoës 2014",
)  # fmt: skip
def renyi(p: Any, q: Any, *, alpha: float) -> Any:
    """Rényi divergence log(Σ pᵅ q¹⁻ᵅ) / (α − 1) of order α in [0, ∞], in nats, in [0, ∞].

    The limits are taken at 0 (−log Q(p > 0)), 1 (KL) and ∞ (log max p/q).

    >>> round(float(renyi([0.5, 0.5], [0.25, 0.75], alpha=2)), 6)
    0.287682
    """
    order = alpha if alpha == math.inf else check_positive(alpha, "alpha", strict=False)
    p, q, xp, dtype = check_pmfs(p, q)
    return scalar(_renyi(xp, p, q, float(order)), dtype)


def _renyi(xp: Any, p: Array, q: Array, order: float) -> Array:
    if order == 1:
        return xp.sum(FDIVERGENCES["kl"].perspective(p, q), axis=-1)
    if order == 0:
        shared = xp.sum(xp.where(p > 0, q, 0.0 * p), axis=-1)  # 0 · p: in the graph, with gradient 0
        return xp.where(shared > 0, xp.abs(safe_log(xp, shared)), xp.inf)
    log_ratio = safe_log(xp, p) - safe_log(xp, q)
    both = (p > 0) & (q > 0)
    escaped = xp.any((p > 0) & ~(q > 0), axis=-1)  # mass of P where Q has none
    if order >= 1e300:  # its powers would overflow, and no digit tells it from the limit
        # a difference of logarithms loses the digits of ratios near 1
        with np.errstate(over="ignore"):
            change = xp.where(both, (p - q) / xp.where(both, q, 1.0), 0.0)
        near = both & (xp.abs(change) < 0.5)
        log_ratio = xp.where(near, xp.log1p(xp.where(near, change, 0.0)), log_ratio)
        top = xp.max(xp.where(both, log_ratio, -xp.inf), axis=-1)
        return xp.where(escaped, xp.inf, xp.maximum(top, xp.zeros_like(top)))
    # near equality through the α-divergence, whose terms do not cancel; else in log domain,
    # where no power overflows
    with np.errstate(over="ignore"):
        small = order * ((order - 1.0) * xp.sum(alpha_divergence(order).perspective(p, q), axis=-1))
    near = xp.abs(small) < 0.5
    by_terms = xp.log1p(xp.where(near, small, 0.0)) / (order - 1.0)
    exponents = xp.where(both, order * log_ratio + safe_log(xp, q), -xp.inf)
    by_logs = logsumexp(xp, exponents) / (order - 1.0)
    value = xp.where(near, by_terms, by_logs)
    return xp.where(escaped, xp.inf, value) if order > 1 else value


@metric(
    on="pmf", degree=None, interval=None, cost="n", laws=("f-divergence",),
    meaning="any f-divergence, by name or from a convex f of your own",
    reference=CSISZAR,
)  # fmt: skip
def f_divergence(p: Any, q: Any, f: str | FDivergence) -> Any:
    """D_f(p‖q) = Σ q f(p/q) for a named or user-made ``FDivergence``, with its limits at zeros.

    >>> float(f_divergence([0.5, 0.5], [0.25, 0.75], "tv"))
    0.25
    """
    return _divergence(p, q, as_fdivergence(f))


def entropy(p: Any) -> Any:
    """Shannon entropy −Σ p log p of ``(..., k)`` probabilities, in nats, in [0, log k].

    >>> round(float(entropy([0.5, 0.5])), 6)
    0.693147
    """
    p, dtype = check_pmf(p, "p")
    xp = namespace(p)
    value = -xp.sum(p * safe_log(xp, p), axis=-1)
    return scalar(xp.where(value > 0, value, xp.zeros_like(value)), dtype)


def normalize(counts: Any) -> Any:
    """Non-negative numbers ``(..., k)`` divided by their sum along the last axis.

    Refuses negative and non-finite entries and rows that are all zero.

    >>> normalize([1.0, 3.0])
    array([0.25, 0.75])
    """
    array, dtype = check_masses(counts, "counts")
    return scalar(array, dtype)


# ── from samples ────────────────────────────────────────────────────────────────────────────


def histogram(
    x: Any,
    y: Any,
    *,
    bins: int | str | Sequence[Any] = "quantile",
    x_weights: Any = None,
    y_weights: Any = None,
) -> tuple[Any, Any, tuple[np.ndarray, ...]]:
    """Two samples as pmfs ``p, q`` of shape ``(k,)`` on common edges, and those edges, one array an axis.

    One to three dimensions; cells in C order. ``bins``: "quantile" (the default) puts edges at
    quantiles of the even mixture of the two samples, about n^(1/3) cells in all, so that no cell
    is empty of both and outliers cannot stretch the grid; few distinct values get a cell each. An
    integer gives that many equal widths an axis; a NumPy rule such as "fd" or "auto" chooses the
    width; or edges, an array an axis. Values outside given edges are refused: dropped mass would
    be a silently wrong answer.

    The plug-in is biased at small n: KL and its kin come out too high by about
    (cells − 1)/2 · (1/n + 1/m) when P = Q (Miller 1955). A DivergenceWarning says so when there
    are fewer than five samples a cell.

    Samples too large to load (a memmap, an HDF5, Zarr or Dask array) are counted in blocks, with the
    same edges; a NumPy rule holds one feature at a time. With edges given, counts of parts add up:
    the pmf of a union is the mean of the parts' pmfs weighted by their numbers of rows.

    >>> p, q, edges = histogram([0.0, 1.0], [0.0, 0.0], bins=[-0.5, 0.5, 1.5])
    >>> p, q
    (array([0.5, 0.5]), array([1., 0.]))
    """
    pair = check_pair(x, y, x_weights, y_weights, streams=True)
    p, q, edges = common_cells(pair, bins)
    return scalar(p, pair.dtype), scalar(q, pair.dtype), edges
