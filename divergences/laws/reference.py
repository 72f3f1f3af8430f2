"""Plain formulas of the quantities that laws relate to each other, in float64 with their rounding error.

They are written from the definitions and share no code with the package's own. A law asks a
``Family`` for ``d.kl``, ``d.tv`` …: the function on trial answers where it claims to be that quantity.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from divergences._arrays import Array
from divergences.laws.measured import EPS, Measured, exp, log1p, power, sqrt
from divergences.laws.subject import NotApplicable, Subject

__all__ = ["REFERENCES", "Family", "bhattacharyya", "distances", "entropy", "provided", "singular"]


def _sum(terms: Any, roundings: float = 16.0) -> Measured:
    """Σ terms, each computed with a few roundings."""
    terms = np.asarray(terms, dtype=np.float64).ravel()
    if not np.all(np.isfinite(terms)):
        return Measured(float(terms.sum()))
    size = float(np.abs(terms).sum())
    return Measured(math.fsum(terms), roundings * EPS * size + terms.size * 5e-324)


# ── probability vectors ─────────────────────────────────────────────────────────────────────


def _kl(p: Array, q: Array) -> Measured:
    if np.any((p > 0) & (q == 0)):
        return Measured(math.inf)
    s = p > 0
    return _sum(
        p[s] * (np.log(p[s]) - np.log(q[s])), 32.0 + 750.0
    )  # a log of up to 745 is off by as many ulps


def _js(p: Array, q: Array) -> Measured:
    terms = [u[u > 0] * (np.log(2 * u[u > 0]) - np.log((p + q)[u > 0])) for u in (p, q)]
    return 0.5 * _sum(np.concatenate(terms), 800.0)


def _tv(p: Array, q: Array) -> Measured:
    return 0.5 * _sum(np.abs(p - q))


def _hellinger(p: Array, q: Array) -> Measured:
    return sqrt(0.5 * _sum((np.sqrt(p) - np.sqrt(q)) ** 2, 64.0))


def _chi2(p: Array, q: Array) -> Measured:
    if np.any((p > 0) & (q == 0)):
        return Measured(math.inf)
    s = q > 0
    with np.errstate(over="ignore"):
        return _sum((p[s] - q[s]) * ((p[s] - q[s]) / q[s]))


def _triangular(p: Array, q: Array) -> Measured:
    s = p + q > 0
    return _sum((p[s] - q[s]) * ((p[s] - q[s]) / (p[s] + q[s])))


def _renyi(p: Array, q: Array, alpha: float) -> Measured:
    if alpha == 1:
        return _kl(p, q)
    both = (p > 0) & (q > 0)
    escaped = bool(np.any((p > 0) & (q == 0)))
    if alpha == math.inf:
        return Measured(math.inf) if escaped else _log_sum(np.log(p[both]) - np.log(q[both]), np.max)
    if (alpha > 1 and escaped) or not both.any():
        return Measured(math.inf)
    if alpha == 0:
        return -_log_sum(np.log(q[both]), _logsumexp)
    value = _log_sum(alpha * np.log(p[both]) + (1 - alpha) * np.log(q[both]), _logsumexp)
    return value * (1.0 / (alpha - 1.0))


def _logsumexp(exponents: Array) -> float:
    top = float(exponents.max())
    return top + math.log(float(np.exp(exponents - top).sum()))


def _log_sum(exponents: Array, combine: Callable[[Array], Any]) -> Measured:
    return Measured(float(combine(exponents)), 64.0 * EPS * (1.0 + float(np.abs(exponents).max())))


def _alpha(p: Array, q: Array, alpha: float) -> Measured:
    if alpha == 1:
        return _kl(p, q)
    if alpha == 0:
        return _kl(q, p)
    if (alpha > 1 and np.any((p > 0) & (q == 0))) or (alpha < 0 and np.any((q > 0) & (p == 0))):
        return Measured(math.inf)
    both = (p > 0) & (q > 0)
    with np.errstate(over="ignore"):
        terms = np.exp(alpha * np.log(p[both]) + (1 - alpha) * np.log(q[both]))
    return (_sum(terms, 64.0 + 1500.0 * max(1.0, abs(alpha))) - 1.0) * (1.0 / (alpha * (alpha - 1.0)))


# ── samples ─────────────────────────────────────────────────────────────────────────────────


def distances(x: Array, y: Array) -> Array:
    """|x_i − y_j|, from direct differences."""
    return np.sqrt(((x[:, None, :] - y[None, :, :]) ** 2).sum(axis=-1))


def _masses(x: Array, a: Array | None) -> Array:
    return np.full(len(x), 1.0 / len(x)) if a is None else a / a.sum()


def _energy(x: Array, y: Array, a: Array | None = None, b: Array | None = None) -> Measured:
    a, b = _masses(x, a), _masses(y, b)
    parts = [
        sign * np.outer(u, v) * distances(s, t)
        for sign, s, t, u, v in ((2, x, y, a, b), (-1, x, x, a, a), (-1, y, y, b, b))
    ]
    return _sum(np.concatenate([part.ravel() for part in parts]))


def _wasserstein(
    x: Array, y: Array, p: float = 1, a: Array | None = None, b: Array | None = None
) -> Measured:
    """W_p by an assignment between as many copies of each row as its whole-numbered mass asks for."""
    from scipy.optimize import linear_sum_assignment

    left, right = _copies(x, a), _copies(y, b)
    common = math.lcm(len(left), len(right))
    left = np.repeat(left, common // len(left), axis=0)
    right = np.repeat(right, common // len(right), axis=0)
    cost = distances(left, right) ** p
    rows, columns = linear_sum_assignment(cost)
    return power_mean(cost[rows, columns], p)


def power_mean(costs: Array, p: float) -> Measured:
    """(mean of the costs)^(1/p)."""
    return power(_sum(costs / len(costs)), 1.0 / p)


def _copies(x: Array, a: Array | None) -> Array:
    if a is None:
        return x
    counts = np.round(a).astype(int)
    if not np.array_equal(counts, a):
        raise NotApplicable("the reference needs whole-numbered weights")
    return np.repeat(x, counts // math.gcd(*counts.tolist()), axis=0)


KERNELS: dict[str, Callable[[Array, Array, float], Array]] = {
    "gaussian": lambda x, y, s: np.exp(-(distances(x, y) ** 2) / (2 * s * s)),
    "laplace": lambda x, y, s: np.exp(-distances(x, y) / s),
    "linear": lambda x, y, s: x @ y.T,
    "polynomial": lambda x, y, s: (x @ y.T / x.shape[1] + 1) ** 3,
}


def _mmd(
    x: Array, y: Array, kernel: str = "gaussian", bandwidth: float = 1.0, estimator: str = "biased"
) -> Measured:
    """MMD² by its definition: a mean over all pairs, of distinct rows for the unbiased estimator."""
    k = KERNELS[kernel]
    parts = [-2.0 * k(x, y, bandwidth) / (len(x) * len(y))]
    for s in (x, y):
        gram = k(s, s, bandwidth)
        if estimator == "unbiased":
            gram = gram - np.diag(np.diag(gram))
            parts.append(gram / (len(s) * (len(s) - 1)))
        else:
            parts.append(gram / len(s) ** 2)
    return _sum(np.concatenate([part.ravel() for part in parts]), 64.0)


# ── Gaussians ───────────────────────────────────────────────────────────────────────────────


def singular(*covs: Array) -> bool:
    """Whether one of them is singular to a rounding: then the likelihood formulas do not apply."""
    return any(np.linalg.eigvalsh(c)[0] <= 1e-9 * max(np.linalg.eigvalsh(c)[-1], 1e-300) for c in covs)


def _conditioned(value: float, size: float, *covs: Array) -> Measured:
    condition = max(np.linalg.cond(c) for c in covs)
    return Measured(value, 64.0 * len(covs[0]) ** 2 * EPS * condition * (abs(value) + size))


def _gaussian_kl(m: Array, s: Array, n: Array, t: Array) -> Measured:
    inverse, d = np.linalg.inv(t), len(m)
    parts = (np.trace(inverse @ s), -d, np.linalg.slogdet(t)[1] - np.linalg.slogdet(s)[1])
    quadratic = (n - m) @ inverse @ (n - m)
    value = 0.5 * (sum(parts) + quadratic)
    return _conditioned(float(value), sum(map(abs, parts)) + float(quadratic), s, t)


def _gaussian_renyi(m: Array, s: Array, n: Array, t: Array, alpha: float) -> Measured:
    if alpha == 1:
        return _gaussian_kl(m, s, n, t)
    mixed = alpha * t + (1 - alpha) * s
    if np.linalg.eigvalsh(mixed)[0] <= 1e-9 * np.linalg.eigvalsh(mixed)[-1]:
        return Measured(math.nan if alpha < 1 else math.inf)
    logs = [np.linalg.slogdet(c)[1] for c in (mixed, s, t)]
    first = 0.5 * alpha * (m - n) @ np.linalg.inv(mixed) @ (m - n)
    second = (logs[0] - (1 - alpha) * logs[1] - alpha * logs[2]) / (2 * (1 - alpha))
    size = float(first) + sum(abs(v) for v in logs) * (1 + alpha) / abs(2 * (1 - alpha))
    return _conditioned(float(first + second), size, s, t, mixed)


def _gaussian_hellinger(m: Array, s: Array, n: Array, t: Array) -> Measured:
    return sqrt(1.0 - exp(-0.5 * _gaussian_renyi(m, s, n, t, 0.5)))


def _gaussian_w2(m: Array, s: Array, n: Array, t: Array) -> Measured:
    """W2² = |Δ|² + tr S + tr T − 2‖S^½ T^½‖_* (the sum of singular values)."""
    roots = []
    for cov in (s, t):
        values, vectors = np.linalg.eigh(cov)
        roots.append(vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T)
    nuclear = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    size = float(np.trace(s) + np.trace(t) + (m - n) @ (m - n))
    value = float((m - n) @ (m - n) + np.trace(s) + np.trace(t) - 2 * nuclear)
    relative = 64.0 * len(m) ** 2 * EPS
    condition = 1e300 if singular(s, t) else max(np.linalg.cond(s), np.linalg.cond(t))
    return Measured(max(value, 0.0), min(math.sqrt(relative), relative * math.sqrt(condition)) * size)


# ── the family ──────────────────────────────────────────────────────────────────────────────

REFERENCES: dict[str, Callable[..., Measured]] = {
    "kl": _kl,
    "js": _js,
    "tv": _tv,
    "hellinger": _hellinger,
    "chi2": _chi2,
    "triangular": _triangular,
    "jeffreys": lambda p, q: _kl(p, q) + _kl(q, p),
    "renyi": _renyi,
    "alpha": _alpha,
    "energy": _energy,
    "wasserstein": _wasserstein,
    "mmd": _mmd,
    "gaussian_kl": _gaussian_kl,
    "gaussian_renyi": _gaussian_renyi,
    "gaussian_hellinger": _gaussian_hellinger,
    "gaussian_w2": _gaussian_w2,
}


PMF_QUANTITIES = ("kl", "js", "tv", "hellinger", "chi2", "triangular", "jeffreys", "renyi", "alpha")


def _with_defect(
    function: Callable[..., Measured], p: Array, q: Array, *rest: Any, **options: Any
) -> Measured:
    """The value with the error that comes of masses whose sums are not quite 1 in the dtype on trial."""
    value = function(p, q, *rest, **options)
    if not math.isfinite(value.value):
        return value
    defect = abs(1 - math.fsum(p)) + abs(1 - math.fsum(q)) + len(p) * EPS
    added = 4 * defect * (1 + abs(value.value))
    if function is _hellinger:  # a root
        added = min(math.sqrt(added), added / max(value.value, 1e-300))
    return Measured(value.value, value.error + added)


def _order_error(fn: Subject) -> Callable[..., Measured]:
    """Rényi's 1/(α − 1) multiplies the error of the sum it divides."""

    def call(p: Array, q: Array, alpha: float) -> Measured:
        value = fn(p, q, alpha=alpha)
        factor = 1.0 if alpha in (0.0, 1.0, math.inf) else max(1.0, (1 + alpha) / abs(alpha - 1))
        return Measured(value.value, value.error * factor)

    return call


def _wasserstein_by(fn: Subject) -> Callable[..., Measured]:
    def call(x: Array, y: Array, p: float = 1, a: Array | None = None, b: Array | None = None) -> Measured:
        options: dict[str, Any] = {} if a is None else {"x_weights": a, "y_weights": b}
        if p != 1 or fn.takes("p"):
            options["p"] = p
        return fn(x, y, **options)

    return call


def _energy_by(fn: Subject, factor: float) -> Callable[..., Measured]:
    def call(x: Array, y: Array, a: Array | None = None, b: Array | None = None) -> Measured:
        return factor * (fn(x, y) if a is None else fn(x, y, x_weights=a, y_weights=b))

    return call


# claim: (the quantity it makes the function, how that quantity is got from the function)
PROVIDES: dict[str, tuple[str, Callable[[Subject], Callable[..., Measured]]]] = {
    "kl": ("kl", lambda fn: fn),
    "reverse kl": ("kl", lambda fn: lambda p, q: fn(q, p)),
    "js": ("js", lambda fn: fn),
    "js distance": ("js", lambda fn: lambda p, q: fn(p, q) * fn(p, q)),
    "tv": ("tv", lambda fn: fn),
    "hellinger": ("hellinger", lambda fn: fn),
    "chi2": ("chi2", lambda fn: fn),
    "neyman chi2": ("chi2", lambda fn: lambda p, q: fn(q, p)),
    "jeffreys": ("jeffreys", lambda fn: fn),
    "triangular": ("triangular", lambda fn: fn),
    "renyi": ("renyi", _order_error),
    "alpha": ("alpha", lambda fn: lambda p, q, alpha: fn(p, q, alpha=alpha)),
    "energy": ("energy", lambda fn: _energy_by(fn, 1.0)),
    "cramer": ("energy", lambda fn: _energy_by(fn, 2.0)),
    "wasserstein": ("wasserstein", _wasserstein_by),
    "squared mmd": ("mmd", lambda fn: lambda x, y, **options: fn(x, y, **options)),
    "gaussian kl": ("gaussian_kl", lambda fn: fn),
    "gaussian renyi": ("gaussian_renyi", lambda fn: lambda *g, alpha: fn(*g, alpha=alpha)),
    "gaussian hellinger": ("gaussian_hellinger", lambda fn: fn),
    "gaussian wasserstein": ("gaussian_w2", lambda fn: lambda *g: fn(*g) * fn(*g)),
    "gaussian frechet": ("gaussian_w2", lambda fn: fn),
}


def provided(subject: Subject) -> set[str]:
    """The quantities that the function on trial claims to be."""
    return {PROVIDES[claim][0] for claim in subject.claims if claim in PROVIDES}


class Family:
    """``fn``, the function on trial, and every quantity by name: on trial if claimed, else by reference."""

    def __init__(self, fn: Subject, *, trial: bool = True) -> None:
        self.fn = fn
        self._on_trial = {
            PROVIDES[claim][0]: PROVIDES[claim][1](fn) for claim in fn.claims if trial and claim in PROVIDES
        }

    def references(self) -> Family:
        """The same names, every one a plain formula."""
        return Family(self.fn, trial=False)

    def __getattr__(self, name: str) -> Callable[..., Measured]:
        if name in self._on_trial:
            return self._on_trial[name]
        if name in PMF_QUANTITIES:
            return functools.partial(_with_defect, REFERENCES[name])
        if name in REFERENCES:
            return REFERENCES[name]
        raise AttributeError(f"no quantity {name!r}")


def bhattacharyya(h: Measured) -> Measured:
    """−log(1 − H²), H the Hellinger distance."""
    return -log1p(-(h * h))


def entropy(p: Array) -> Measured:
    """−Σ p log p."""
    s = p > 0
    return _sum(-p[s] * np.log(p[s]), 800.0)
