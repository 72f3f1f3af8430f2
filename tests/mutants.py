"""Our own functions with one mistake each: the mistakes that are made. Laws must tell every one.

A mutant stands in for a row of METRICS: it answers to that row's claims. ``SURVIVORS`` says why a
mutant that no law can tell is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import divergences as dv
from divergences import gaussian, pmf
from divergences.laws import Subject
from divergences.laws.claims import metric_subjects


@dataclass(frozen=True)
class Mutant:
    name: str
    row: str
    function: Callable[..., Any]
    part: str = ""

    def subject(self) -> Subject:
        subjects = metric_subjects(dv.parse(self.row))
        (subject,) = [s for s in subjects if s.part == self.part]
        return replace(subject, function=self.function, name=self.name, part="", cache={})


def mean_distance(x: Any, y: Any, a: Any = None, b: Any = None, power: float = 1) -> Any:
    x, y = np.asarray(x), np.asarray(y)
    gaps = np.linalg.norm(x[:, None] - y[None], axis=-1) ** power
    return np.average(np.average(gaps, axis=1, weights=b), weights=a)


def energy_with(
    across: float = 2, within: float = 1, power: float = 1, *, drop: str = "", diagonal: bool = True
) -> Any:
    def energy(x: Any, y: Any, *, x_weights: Any = None, y_weights: Any = None) -> Any:
        a, b = (None if drop == "x" else x_weights), (None if drop == "y" else y_weights)
        value = across * mean_distance(x, y, a, b, power)
        for s, w in ((x, a), (y, b)):
            n = len(s)
            grow = 1.0 if diagonal or n < 2 else n / (n - 1)
            value -= within * grow * mean_distance(s, s, w, w, power)
        return value

    return energy


def biased(x: Any, y: Any, kernel: str = "gaussian", bandwidth: Any = 1.0) -> Any:
    return dv.squared_mmd(x, y, kernel=kernel, **_width(kernel, bandwidth), estimator="biased")


def _width(kernel: str, bandwidth: Any) -> dict[str, Any]:
    return {} if kernel in ("linear", "polynomial") else {"bandwidth": bandwidth}


def mmd_with(change: Callable[..., Any]) -> Any:
    def squared_mmd(
        x: Any, y: Any, *, kernel: str = "gaussian", bandwidth: Any = 1.0, estimator: str = "biased"
    ) -> Any:
        return change(x, y, kernel, bandwidth, estimator)

    return squared_mmd


def mmd(x: Any, y: Any, kernel: str, bandwidth: Any, estimator: str) -> Any:
    return dv.squared_mmd(x, y, kernel=kernel, **_width(kernel, bandwidth), estimator=estimator)


def wasserstein_with(change: Callable[..., Any]) -> Any:
    def wasserstein(x: Any, y: Any, *, p: float = 1, x_weights: Any = None, y_weights: Any = None) -> Any:
        return change(x, y, p, {"x_weights": x_weights, "y_weights": y_weights})

    return wasserstein


def logs(p: Any, q: Any) -> tuple[Any, Any]:
    s = (p > 0) & (q > 0)
    return np.asarray(p)[s], np.asarray(q)[s]


def kl_dropping_escaped_mass(p: Any, q: Any) -> Any:
    p, q = logs(p, q)
    return float((p * np.log(p / q)).sum())


def kl_with_epsilon(p: Any, q: Any) -> Any:
    return float((p * np.log((p + 1e-10) / (q + 1e-10))).sum())


def js_with_epsilon(p: Any, q: Any) -> Any:
    m = (p + q) / 2
    return float(0.5 * sum((u * np.log((u + 1e-8) / (m + 1e-8))).sum() for u in (p, q)))


def kl_by_cancellation(p: Any, q: Any) -> Any:
    if np.any((p > 0) & (q == 0)):
        return math.inf
    p, q = logs(p, q)
    return float((p * np.log(p)).sum() - (p * np.log(q)).sum())


def wp(x: Any, y: Any, p: float, weights: dict[str, Any]) -> Any:
    return dv.wasserstein(x, y, p=p, **weights)


def frechet_with(ddof: int = 1, *, root: bool = False, factor: float = 1.0, means: bool = True) -> Any:
    def frechet(x: Any, y: Any, *, x_weights: Any = None, y_weights: Any = None) -> Any:
        (m, s), (n, t) = (gaussian.fit(v, ddof=ddof) for v in (x, y))
        value = gaussian.frechet(m if means else 0 * m, s, n if means else 0 * n, factor * t)
        return math.sqrt(value) if root else value

    return frechet


def parzen_with(change: Callable[..., Any]) -> Any:
    def parzen(
        x: Any, y: Any, *, bandwidth: float = 0.5, x_weights: Any = None, y_weights: Any = None
    ) -> Any:
        return change(x, y, bandwidth)

    return parzen


def knn_with(change: Callable[..., Any]) -> Any:
    def kl(x: Any, y: Any, *, k: int = 5, estimator: str = "knn") -> Any:
        return change(x, y, k)

    return kl


def supports_with(change: Callable[..., Any]) -> Any:
    def share(x: Any, y: Any, *, k: int = 5) -> Any:
        return change(x, y, k)

    return share


def covariance_bures_of_diagonals(m: Any, s: Any, n: Any, t: Any) -> Any:
    roots = np.sqrt(np.diag(s)) - np.sqrt(np.diag(t))
    return float(((m - n) ** 2).sum() + (roots**2).sum())


def sinkhorn_with(change: Callable[..., Any]) -> Any:
    def sinkhorn(
        x: Any, y: Any, *, p: float = 2, epsilon: Any = 2.0, x_weights: Any = None, y_weights: Any = None
    ) -> Any:
        return change(x, y, p, epsilon, {"x_weights": x_weights, "y_weights": y_weights})

    return sinkhorn


def sinkhorn(x: Any, y: Any, p: float, epsilon: float, weights: dict[str, Any]) -> Any:
    return dv.sinkhorn_divergence(x, y, p=p, epsilon=epsilon, tolerance=1e-10, **weights)


def entropic_cost(x: Any, y: Any, p: float, epsilon: float) -> float:
    """OT_ε by plain scaling: not debiased."""
    cost = np.linalg.norm(np.asarray(x)[:, None] - np.asarray(y)[None], axis=-1) ** p
    f, g = np.zeros(len(x)), np.zeros(len(y))

    def soft(values: Any, axis: int) -> Any:
        top = values.max(axis=axis, keepdims=True)
        return (top + np.log(np.exp(values - top).mean(axis=axis, keepdims=True))).squeeze(axis)

    for _ in range(200):
        f = -epsilon * soft((g[None, :] - cost) / epsilon, 1)
        g = -epsilon * soft((f[:, None] - cost) / epsilon, 0)
    return float(f.mean() + g.mean())


W, E, MMD, FD = "wasserstein", "energy", "squared_mmd(estimator='biased', bandwidth=1.0)", "frechet"
PARZEN, SINKHORN, KNN = (
    "parzen_log_likelihood(bandwidth=0.5)",
    "sinkhorn_divergence(epsilon=2.0, tolerance=1e-10)",
    "kl",
)

MUTANTS = [
    # probability vectors
    Mutant("kl: log2 for log", "pmf.kl", lambda p, q: pmf.kl(p, q) / math.log(2)),
    Mutant("kl: arguments exchanged", "pmf.kl", lambda p, q: pmf.kl(q, p)),
    Mutant("kl: a factor of two", "pmf.kl", lambda p, q: 2 * pmf.kl(p, q)),
    Mutant("kl: escaped mass dropped", "pmf.kl", kl_dropping_escaped_mass),
    Mutant("kl: 1e-10 added in the log", "pmf.kl", kl_with_epsilon),
    Mutant("kl: by cancellation of two sums", "pmf.kl", kl_by_cancellation),
    Mutant("kl: the root", "pmf.kl", lambda p, q: math.sqrt(pmf.kl(p, q))),
    Mutant("kl: clipped at 10", "pmf.kl", lambda p, q: min(float(pmf.kl(p, q)), 10.0)),
    Mutant("reverse kl: not exchanged", "pmf.reverse_kl", lambda p, q: pmf.kl(p, q)),
    Mutant("js: the root", "pmf.js", lambda p, q: pmf.js_distance(p, q)),
    Mutant("js: half missing", "pmf.js", lambda p, q: 2 * pmf.js(p, q)),
    Mutant("js: bits", "pmf.js", lambda p, q: pmf.js(p, q) / math.log(2)),
    Mutant("js: one side only", "pmf.js", lambda p, q: pmf.kl(p, (p + q) / 2)),
    Mutant("js: 1e-8 added in the logs", "pmf.js", js_with_epsilon),
    Mutant("js distance: not rooted", "pmf.js_distance", lambda p, q: pmf.js(p, q)),
    Mutant("tv: half missing", "pmf.tv", lambda p, q: np.abs(p - q).sum()),
    Mutant("tv: Euclidean norm", "pmf.tv", lambda p, q: np.sqrt(((p - q) ** 2).sum()) / 2),
    Mutant("tv: last outcome dropped", "pmf.tv", lambda p, q: np.abs(p - q)[:-1].sum() / 2),
    Mutant("hellinger: no 1/√2", "pmf.hellinger", lambda p, q: math.sqrt(2) * pmf.hellinger(p, q)),
    Mutant("hellinger: squared", "pmf.hellinger", lambda p, q: pmf.hellinger(p, q) ** 2),
    Mutant("chi2: Neyman's", "pmf.chi2", lambda p, q: pmf.neyman_chi2(p, q)),
    Mutant("chi2: a half", "pmf.chi2", lambda p, q: pmf.chi2(p, q) / 2),
    Mutant("chi2: divided by p + q", "pmf.chi2", lambda p, q: pmf.triangular(p, q)),
    Mutant("jeffreys: the mean, not the sum", "pmf.jeffreys", lambda p, q: pmf.jeffreys(p, q) / 2),
    Mutant("triangular: a half", "pmf.triangular", lambda p, q: pmf.triangular(p, q) / 2),
    Mutant("renyi: α and 1 − α exchanged", "pmf.renyi", lambda p, q, *, alpha: pmf.renyi(q, p, alpha=alpha)),
    Mutant(
        "renyi: 1/α for 1/(α−1)",
        "pmf.renyi",
        lambda p, q, *, alpha: (
            pmf.renyi(p, q, alpha=alpha) * (abs(alpha - 1) / alpha if 0 < alpha < 99 else 1)
        ),
    ),
    Mutant(
        "alpha: without the 1/α",
        "pmf.alpha",
        lambda p, q, *, alpha: pmf.alpha(p, q, alpha=alpha) * (alpha if alpha not in (0, 1) else 1),
    ),
    # transport
    Mutant("wasserstein: cost ** 1. / p", W, wasserstein_with(lambda x, y, p, w: wp(x, y, p, w) ** p / p)),
    Mutant("wasserstein: the p-th power", W, wasserstein_with(lambda x, y, p, w: wp(x, y, p, w) ** p)),
    Mutant("wasserstein: p ignored", W, wasserstein_with(lambda x, y, p, w: wp(x, y, 1, w))),
    Mutant("wasserstein: weights dropped", W, wasserstein_with(lambda x, y, p, w: wp(x, y, p, {}))),
    Mutant(
        "wasserstein: y's weights dropped",
        W,
        wasserstein_with(lambda x, y, p, w: wp(x, y, p, {"x_weights": w["x_weights"]})),
    ),
    Mutant(
        "wasserstein: raveled features",
        W,
        wasserstein_with(
            lambda x, y, p, w: (
                wp(np.ravel(x), np.ravel(y), p, {}) if w["x_weights"] is None else wp(x, y, p, w)
            )
        ),
    ),
    Mutant(
        "wasserstein: independent coupling",
        W,
        wasserstein_with(
            lambda x, y, p, w: mean_distance(x, y, w["x_weights"], w["y_weights"], p) ** (1 / p)
        ),
    ),
    Mutant(
        "wasserstein: half the square",
        W,
        wasserstein_with(lambda x, y, p, w: wp(x, y, p, w) / math.sqrt(2) if p == 2 else wp(x, y, p, w)),
    ),
    Mutant(
        "wasserstein: first column only",
        W,
        wasserstein_with(
            lambda x, y, p, w: wp(x[:, :1] if x.ndim > 1 else x, y[:, :1] if y.ndim > 1 else y, p, w)
        ),
    ),
    Mutant(
        "sliced: other directions for y",
        "sliced_wasserstein(rng=0, n_projections=16)",
        lambda x, y, *, p=2, n_projections=16, rng=0: dv.sliced_wasserstein(
            x, y[:, ::-1].copy() if y.ndim > 1 else y, p=p, n_projections=n_projections, rng=0
        ),
    ),
    Mutant(
        "sliced: fresh directions on each call",
        "sliced_wasserstein(rng=0, n_projections=16)",
        lambda x, y, *, p=2, n_projections=16, rng=0: dv.sliced_wasserstein(
            x, y, p=p, n_projections=n_projections, rng=abs(hash((x.tobytes(), y.tobytes())))
        ),
    ),
    Mutant(
        "sliced: the p-th power",
        "sliced_wasserstein(rng=0, n_projections=16)",
        lambda x, y, *, p=2, n_projections=16, rng=0: (
            dv.sliced_wasserstein(x, y, p=p, n_projections=n_projections, rng=0) ** p
        ),
    ),
    Mutant(
        "sinkhorn: not debiased", SINKHORN, sinkhorn_with(lambda x, y, p, e, w: entropic_cost(x, y, p, e))
    ),
    Mutant(
        "sinkhorn: a half in the cost",
        SINKHORN,
        sinkhorn_with(lambda x, y, p, e, w: sinkhorn(x, y, p, 2 * e, w) / 2),
    ),
    Mutant(
        "sinkhorn: one self term subtracted twice",
        SINKHORN,
        sinkhorn_with(lambda x, y, p, e, w: entropic_cost(x, y, p, e) - entropic_cost(x, x, p, e)),
    ),
    # energy and kernels
    Mutant("energy: the root", E, lambda x, y, **w: math.sqrt(dv.energy(x, y, **w))),
    Mutant("energy: the half", E, lambda x, y, **w: dv.energy(x, y, **w) / 2),
    Mutant("energy: 2 missing before the cross term", E, energy_with(across=1)),
    Mutant("energy: halves before the self terms", E, energy_with(within=0.5)),
    Mutant("energy: squared distances", E, energy_with(power=2)),
    Mutant("energy: x's weights dropped", E, energy_with(drop="x")),
    Mutant("energy: U-statistic of the self terms", E, energy_with(diagonal=False)),
    Mutant("cramer: not halved", "cramer", lambda x, y, **w: dv.energy(x, y, **w)),
    Mutant("mmd: bandwidth squared twice", MMD, mmd_with(lambda x, y, k, s, e: mmd(x, y, k, s**2, e))),
    Mutant(
        "mmd: exp(−r²/σ²), the 2 missing",
        MMD,
        mmd_with(lambda x, y, k, s, e: mmd(x, y, k, s / math.sqrt(2) if k == "gaussian" else s, e)),
    ),
    Mutant("mmd: the root", MMD, mmd_with(lambda x, y, k, s, e: math.sqrt(max(mmd(x, y, k, s, e), 0)))),
    Mutant("mmd: biased called unbiased", MMD, mmd_with(lambda x, y, k, s, e: mmd(x, y, k, s, "biased"))),
    Mutant(
        "mmd: unbiased called biased",
        MMD,
        mmd_with(
            lambda x, y, k, s, e: (
                mmd(x, y, k, s, "unbiased") if min(len(x), len(y)) > 1 else mmd(x, y, k, s, e)
            )
        ),
    ),
    Mutant("mmd: clipped unbiased", MMD, mmd_with(lambda x, y, k, s, e: max(mmd(x, y, k, s, e), 0.0))),
    Mutant("kid: biased", "kid", lambda x, y: biased(x, y, "polynomial")),
    Mutant(
        "kid: not divided by d",
        "kid",
        lambda x, y: dv.kid(x * math.sqrt(x.shape[-1]), y * math.sqrt(y.shape[-1])),
    ),
    # moments, densities, neighbours
    Mutant("frechet: ddof = 0", FD, frechet_with(ddof=0)),
    Mutant("frechet: the root", FD, frechet_with(root=True)),
    Mutant("frechet: means left out", FD, frechet_with(means=False)),
    Mutant("frechet: one covariance doubled", FD, frechet_with(factor=2.0)),
    Mutant("gaussian kl: half missing", "gaussian.kl", lambda *g: 2 * gaussian.kl(*g)),
    Mutant("gaussian kl: exchanged", "gaussian.kl", lambda m, s, n, t: gaussian.kl(n, t, m, s)),
    Mutant("gaussian w2: not rooted", "gaussian.wasserstein", lambda *g: gaussian.frechet(*g)),
    Mutant("gaussian w2²: diagonals only", "gaussian.frechet", covariance_bures_of_diagonals),
    Mutant(
        "gaussian w2²: Frobenius of the covariances",
        "gaussian.frechet",
        lambda m, s, n, t: float(((m - n) ** 2).sum() + ((s - t) ** 2).sum()),
    ),
    Mutant("gaussian hellinger: squared", "gaussian.hellinger", lambda *g: gaussian.hellinger(*g) ** 2),
    Mutant("gaussian renyi: α ignored", "gaussian.renyi", lambda *g, alpha: gaussian.renyi(*g, alpha=0.5)),
    Mutant(
        "parzen: no normaliser in d",
        PARZEN,
        parzen_with(
            lambda x, y, s: dv.parzen_log_likelihood(x, y, bandwidth=s) + (x.shape[-1] - 1) * math.log(s)
        ),
    ),
    Mutant(
        "parzen: sum for mean",
        PARZEN,
        parzen_with(lambda x, y, s: dv.parzen_log_likelihood(x, y, bandwidth=s) * len(x)),
    ),
    Mutant(
        "parzen: no 1/m",
        PARZEN,
        parzen_with(lambda x, y, s: dv.parzen_log_likelihood(x, y, bandwidth=s) + math.log(len(y))),
    ),
    Mutant(
        "knn kl: log m/n for log m/(n−1)",
        KNN,
        knn_with(lambda x, y, k: dv.kl(x, y, k=k) + math.log((len(x) - 1) / len(x))),
    ),
    Mutant(
        "knn kl: d left out",
        KNN,
        knn_with(
            lambda x, y, k: (
                (dv.kl(x, y, k=k) - math.log(len(y) / (len(x) - 1))) / x.shape[-1]
                + math.log(len(y) / (len(x) - 1))
            )
        ),
    ),
    Mutant(
        "precision: is recall",
        "precision_recall",
        supports_with(lambda x, y, k: dv.precision_recall(x, y, k=k).recall),
        "precision",
    ),
    Mutant(
        "recall: k off by one",
        "precision_recall",
        supports_with(
            lambda x, y, k: dv.precision_recall(x, y, k=k + 1 if k + 1 < min(len(x), len(y)) else k).recall
        ),
        "recall",
    ),
    Mutant(
        "coverage: is precision",
        "precision_recall",
        supports_with(lambda x, y, k: dv.precision_recall(x, y, k=k).precision),
        "coverage",
    ),
    Mutant(
        "density: not divided by k",
        "precision_recall",
        supports_with(lambda x, y, k: 2 * dv.precision_recall(x, y, k=k).density),
        "density",
    ),
    Mutant(
        "kl: rounded to float32 inside",
        "pmf.kl",
        lambda p, q: float(pmf.kl(np.asarray(p, np.float32), np.asarray(q, np.float32))),
    ),
    Mutant(
        "energy: distances rounded to float32",
        E,
        lambda x, y, **w: float(dv.energy(np.asarray(x, np.float32), np.asarray(y, np.float32), **w)),
    ),
    Mutant(
        "energy: clipped below 1e-9", E, lambda x, y, **w: v if (v := dv.energy(x, y, **w)) > 1e-9 else 0.0
    ),
]

# name: why no law tells it
SURVIVORS = {
    "energy: clipped below 1e-9": "on a grid of 2⁻⁶, ten rows a side, no two different samples are that near",
}

# A mutant that is a plain lambda also fails at batches, tensors and plain vectors: that does not count.
NOT_THE_MISTAKE = (
    "pmf.a batch is its rows",
    "one axis is one feature",
    "numpy and torch agree on samples",
    "pmf.numpy and torch agree",
    "gaussian.numpy and torch agree on gaussians",
    "size of the blocks",
    "threads",
)
