"""Cases to try a law on: every role a law may read, drawn with NumPy alone.

The flavours are those that break divergences: zeros, near-equal and disjoint masses, masses near
the end of the dtype; ties, shared rows, outliers, constant features, far offsets, n ≠ m; covariances
of low rank. Samples lie on a grid of 2⁻⁶ and stay below 2¹³, and factors are powers of two, so that
shifting and scaling them is exact in float32 too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["GAUSSIAN_ROLES", "PMF_ROLES", "SAMPLES_ROLES", "draw", "normalised", "rounded"]

PMF_ROLES = ("p", "q", "r", "s")  # of one length
SAMPLES_ROLES = ("x", "y", "z", "x2", "y2")  # of one dimension; x and x2, y and y2 of one length
LINE_ROLES = ("u", "v", "w")  # one column
GAUSSIAN_ROLES = ("x_mean", "x_cov", "y_mean", "y_cov", "z_mean", "z_cov")
GRID = 64.0
TINY = {"float64": 1e-280, "float32": 1e-25}  # times the rest of a case, still a normal number


def draw(
    on: str,
    rng: np.random.Generator,
    *,
    dtype: str = "float64",
    min_rows: int = 1,
    fixed: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """A case: an array for every role that laws on this space read, exact in ``dtype``.

    ``fixed``: ``p`` and ``q``, or ``x`` and ``y``, drawn elsewhere; the rest is drawn to go with them.

    >>> import numpy as np
    >>> sorted(draw("pmf", np.random.default_rng(0)))[:4]
    ['channel', 'channel2', 'order', 'p']
    """
    if on == "pmf":
        case = _pmf_case(rng, dtype, fixed)
    elif on == "samples":
        case = _samples_case(rng, min_rows, fixed)
    else:
        case = _gaussian_case(rng)
    return {role: rounded(value, dtype) for role, value in case.items()}


def rounded(value: Any, dtype: str) -> Any:
    """The nearest numbers that ``dtype`` holds, as float64."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    return value.astype(dtype).astype(np.float64)


def normalised(p: np.ndarray) -> np.ndarray:
    """``p`` over its sum along the last axis."""
    return p / p.sum(axis=-1, keepdims=True)


# ── probability vectors ─────────────────────────────────────────────────────────────────────


def _pmf_case(
    rng: np.random.Generator, dtype: str, fixed: Mapping[str, np.ndarray] | None = None
) -> dict[str, Any]:
    k, m = int(rng.integers(2, 7)) if not fixed else len(fixed["p"]), int(rng.integers(2, 4))
    p, q = _two_pmfs(rng, k, dtype) if not fixed else (fixed["p"], fixed["q"])
    r, s = (_pmf(rng, k, dtype) for _ in range(2))
    if rng.integers(3) == 0:
        r = normalised(p + q + (0.0 if rng.integers(2) else 0.1))  # between them
    return {
        "p": p, "q": q, "r": r, "s": s,
        "p2": _pmf(rng, m), "q2": _pmf(rng, m),
        "channel": _channel(rng, k, m), "channel2": _channel(rng, k, m),
        "t": np.float64(rng.integers(1, 16) / 16),
        "test": np.round(rng.normal(size=k) * 8) / 8,
        "order": rng.permutation(k),
    }  # fmt: skip


def _two_pmfs(rng: np.random.Generator, k: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    p = _pmf(rng, k, dtype)
    kind = rng.integers(6)
    if kind == 0:  # nearly equal
        q = normalised(p * (1 + 10.0 ** rng.uniform(-17, -2) * rng.normal(size=k).clip(-3, 3)))
    elif kind == 1:  # disjoint
        split = rng.permutation(k) < rng.integers(1, k)
        p, q = normalised(np.where(split, p + 0.1, 0.0)), normalised(np.where(split, 0.0, p + 0.1))
    elif kind == 2:  # on the same support
        q = normalised(np.where(p > 0, rng.dirichlet(np.ones(k)) + 1e-3, 0.0))
    else:
        q = _pmf(rng, k, dtype)
    return p, q


def _pmf(rng: np.random.Generator, k: int, dtype: str | None = None) -> np.ndarray:
    kind = rng.integers(7)
    if kind == 0:  # sparse
        keep = rng.permutation(k) < rng.integers(1, k + 1)
        return normalised(np.where(keep, rng.dirichlet(np.ones(k)) + 0.01, 0.0))
    if kind == 1:  # sixteenths
        return rng.multinomial(16, np.ones(k) / k) / 16.0
    if kind == 2 and dtype is not None:  # with a mass near the end of the dtype
        p = rng.dirichlet(np.ones(k)) + 0.01
        p[rng.integers(k)] = TINY[dtype]
        return normalised(p)
    if kind == 3:
        return np.full(k, 1.0 / k)
    if kind == 4:  # steep
        return normalised(10.0 ** rng.uniform(-8, 0, size=k))
    return normalised(rng.dirichlet(np.ones(k)) + 1e-3)


def _channel(rng: np.random.Generator, k: int, m: int) -> np.ndarray:
    if rng.integers(3) == 0:  # a map: a partition of the outcomes
        return np.eye(m)[rng.integers(m, size=k)]
    return np.stack([_pmf(rng, m) for _ in range(k)])


# ── samples ─────────────────────────────────────────────────────────────────────────────────


def on_grid(values: Any) -> np.ndarray:
    """The nearest multiples of 2⁻⁶."""
    return np.round(np.asarray(values) * GRID) / GRID + 0.0


def _samples_case(
    rng: np.random.Generator, min_rows: int, fixed: Mapping[str, np.ndarray] | None = None
) -> dict[str, Any]:
    d = int(rng.integers(1, 4))
    n, m, k = (int(rng.integers(min_rows, min_rows + 6)) for _ in range(3))
    if fixed:
        x, y = fixed["x"], fixed["y"]
        (n, d), m = x.shape, len(y)
    else:
        x, y = _two_samples(rng, n, m, d)
    u, v = _two_samples(rng, n, m, 1)
    generic = on_grid(rng.normal(size=(k, d)) * 2)
    third = generic if rng.integers(2) else np.concatenate([x, y])[rng.integers(n + m, size=k)]
    case: dict[str, Any] = {
        "x": x, "y": y, "z": third,
        "x2": on_grid(rng.normal(size=(n, d))), "y2": on_grid(rng.normal(size=(m, d)) + 1),
        "u": u, "v": v, "w": on_grid(rng.normal(size=(k, 1)) * 2),
        "a": rng.integers(1, 4, size=n).astype(float), "b": rng.integers(1, 4, size=m).astype(float),
        "shift": on_grid(rng.normal(size=d) * 3), "factor": np.float64(2.0 ** rng.integers(-6, 7)),
        "width": np.float64(2.0 ** rng.integers(-1, 4)),
        "centres": on_grid(rng.normal(size=(3, d)) * 2), "heights": on_grid(rng.normal(size=3)),
        "order": rng.permutation(n), "order2": rng.permutation(m),
    }  # fmt: skip
    if not fixed and rng.integers(6) == 0:  # far from the origin
        offset = 2.0 ** int(rng.integers(6, 12))
        for role in (*SAMPLES_ROLES, *LINE_ROLES, "centres"):
            case[role] = np.add(case[role], offset)
    return case


def _two_samples(rng: np.random.Generator, n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d)) * 1.5 + 0.5
    kind = rng.integers(8)
    if kind == 0:  # ties
        x, y = np.round(x), np.round(y)
    elif kind == 1:  # y is x, a little moved and in another order
        y = x[rng.integers(n, size=m)] + rng.integers(-1, 2, size=(m, d)) / GRID
    elif kind == 2:  # shared rows
        y[: min(n, m) // 2 + 1] = x[: min(n, m) // 2 + 1][: len(y)]
    elif kind == 3:  # an outlier
        x[0] += 512.0
    elif kind == 4:  # apart
        y = y + 32.0
    elif kind == 5 and d > 1:  # a constant feature
        x[:, 0] = y[:, 0] = 1.0
    return on_grid(x.clip(-2000, 2000)), on_grid(y)


# ── Gaussians ───────────────────────────────────────────────────────────────────────────────


def _gaussian_case(rng: np.random.Generator) -> dict[str, Any]:
    d = int(rng.integers(1, 4))
    x_mean, x_cov = _gaussian(rng, d)
    kind = rng.integers(6)
    if kind == 0:  # a scaled copy
        y_mean, y_cov = x_mean + 1.0, x_cov * 4.0
    elif kind == 1:  # nearly the same
        y_mean, y_cov = x_mean + 2.0**-12, x_cov * (1 + 2.0**-12)
    else:
        y_mean, y_cov = _gaussian(rng, d)
    z_mean, z_cov = _gaussian(rng, d)
    matrix = np.round(rng.normal(size=(d, d)) * 2)
    matrix += np.diag(np.abs(matrix).sum(axis=1) + 1.0)  # diagonally dominant
    return {
        "x_mean": x_mean, "x_cov": x_cov, "y_mean": y_mean, "y_cov": y_cov, "z_mean": z_mean, "z_cov": z_cov,
        "matrix": matrix, "shift": np.round(rng.normal(size=d) * 8) / 8,
        "factor": np.float64(2.0 ** rng.integers(-4, 5)), "order": rng.permutation(d),
        "t": np.float64(rng.integers(1, 8) / 8),
    }  # fmt: skip


def _gaussian(rng: np.random.Generator, d: int) -> tuple[np.ndarray, np.ndarray]:
    rank = d + 2 if rng.integers(4) else int(rng.integers(1, d + 1))
    factor = np.round(rng.normal(size=(d, rank)) * 4) / 4  # so that the covariance is exact
    if rng.integers(4) == 0 and rank > d:
        factor = np.diag(np.abs(np.diag(factor[:, :d])) + 0.25)
    return np.round(rng.normal(size=d) * 8) / 8, factor @ factor.T
