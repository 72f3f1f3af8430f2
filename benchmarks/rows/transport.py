"""Exact transport in the plane and in many dimensions, against POT's emd2 and SciPy's assignment."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np

from rows.common import Row, Solver

Clouds = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def problem(n: int, d: int, kind: str, seed: int, size: int | None) -> Clouds:
    """x ~ N(0, I), y ~ 1.1·N(0, I) + 0.3, unless the kind says otherwise."""
    n = size or n
    m = n + 3 * n // 5 if kind == "unequal" else n
    rng = np.random.default_rng(seed)
    if kind == "clusters":  # 20 of them, of unequal mass on the two sides
        centres = 10.0 * rng.normal(size=(20, d))
        x, y = (centres[rng.choice(20, n, p=rng.dirichlet(np.ones(20)))] for _ in range(2))
        x, y = x + rng.normal(size=x.shape), y + rng.normal(size=y.shape)
    elif kind == "heavy":  # Student's t with two degrees of freedom: no variance
        x, y = rng.standard_t(2, size=(n, d)), 1.1 * rng.standard_t(2, size=(n, d)) + 0.3
    elif kind == "grid":  # ties and duplicates
        x, y = (rng.integers(0, 60, size=(n, d)).astype(np.float64) for _ in range(2))
    else:
        x, y = rng.normal(size=(n, d)), 1.1 * rng.normal(size=(m, d)) + 0.3
    a, b = np.ones(n), np.ones(m)
    if kind == "weighted":
        a, b = rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, m)
    elif kind == "half-zero":
        a, b = ((rng.random(n) < 0.5) * rng.uniform(0.5, 1.5, n) for _ in range(2))
    return x, y, a, b


def digits(seed: int, size: int | None) -> Clouds:
    """MNIST: 10,000 test against the first 10,000 training images (the seed changes nothing)."""
    folder = os.environ.get("MNIST")
    if folder is None:
        raise SystemExit("set MNIST to the folder of the original files")
    from divergences.readers import read

    part = slice(0, size or 10_000)
    names = (Path(folder) / f"{name}-images-idx3-ubyte.gz" for name in ("t10k", "train"))
    x, y = (read(name, rows=part).array for name in names)  # pixels in [0, 1]
    return x, y, np.ones(len(x)), np.ones(len(y))


def ours(
    p: int, x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, time_limit: float | None = None
) -> dict[str, float]:
    import divergences as dv

    answer = dv.transport(x, y, p=p, x_weights=a, y_weights=b, time_limit=time_limit)
    bounds = answer.certificate
    gap = bounds.gap / bounds.upper
    found = {"cost": float(answer.cost), "lower": bounds.lower, "upper": bounds.upper, "gap": gap}
    return {**found, "rounds": answer.rounds, "converged": float(answer.converged)}


def pot(p: int, x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    import ot

    metric = "sqeuclidean" if p == 2 else "euclidean"
    return {"cost": float(ot.emd2(a / a.sum(), b / b.sum(), ot.dist(x, y, metric), numItermax=10**9))}


def scipy(p: int, x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    costs = cdist(x, y, "sqeuclidean" if p == 2 else "euclidean")
    rows, columns = linear_sum_assignment(costs)
    return {"cost": float(costs[rows, columns].mean())}


PEERS: dict[str, Solver] = {"pot": pot, "scipy": scipy}


def row(n: int, d: int, kind: str, p: int, *peers: str) -> Row:
    found = {name: partial(PEERS[name], p) for name in peers}
    # large enough for the compiled solver, so that its loading is not counted
    return Row(partial(problem, n, d, kind), partial(ours, p), found, warm=1_200)


# the peers that can do it in the memory of an ordinary machine
ROWS: dict[str, Row] = {
    "5000-2-uniform-W2": row(5_000, 2, "uniform", 2, "pot"),
    "5000-2-weighted-W2": row(5_000, 2, "weighted", 2, "pot"),
    "5000-2-uniform-W1": row(5_000, 2, "uniform", 1, "pot"),
    "5000-64-uniform-W2": row(5_000, 64, "uniform", 2, "pot", "scipy"),
    "10000-2-uniform-W2": row(10_000, 2, "uniform", 2, "pot"),
    "10000-2-weighted-W2": row(10_000, 2, "weighted", 2, "pot"),
    "10000-2-uniform-W1": row(10_000, 2, "uniform", 1, "pot"),
    "10000-64-uniform-W2": row(10_000, 64, "uniform", 2, "scipy"),
    "10000-64-weighted-W2": row(10_000, 64, "weighted", 2, "pot"),
    "50000-2-uniform-W2": row(50_000, 2, "uniform", 2),
    "100000-2-uniform-W2": row(100_000, 2, "uniform", 2),
    "50000-64-uniform-W2": row(50_000, 64, "uniform", 2),
    "2000-2-clusters-W2": row(2_000, 2, "clusters", 2, "pot"),
    "2000-64-clusters-W2": row(2_000, 64, "clusters", 2, "pot"),
    "10000-2-clusters-W2": row(10_000, 2, "clusters", 2, "pot"),
    "10000-64-clusters-W2": row(10_000, 64, "clusters", 2, "pot"),
    "5000-2-heavy-W2": row(5_000, 2, "heavy", 2, "pot"),
    "5000-64-heavy-W2": row(5_000, 64, "heavy", 2, "pot"),
    "5000-2-grid-W2": row(5_000, 2, "grid", 2, "pot"),
    "5000-2-unequal-W2": row(5_000, 2, "unequal", 2, "pot"),
    "5000-64-unequal-W2": row(5_000, 64, "unequal", 2, "pot"),
    "5000-2-half-zero-W2": row(5_000, 2, "half-zero", 2, "pot"),
    "mnist-W2": Row(digits, partial(ours, 2), {"scipy": partial(scipy, 2)}, warm=1_200),
    "mnist-W1": Row(digits, partial(ours, 1), {"scipy": partial(scipy, 1)}, warm=1_200),
    "1000000-2-time-limit-W2": Row(
        partial(problem, 1_000_000, 2, "uniform"), partial(ours, 2, time_limit=240.0), warm=1_200
    ),
}
