"""Exact transport in the plane and in many dimensions, against POT's emd2 and SciPy's assignment."""

from __future__ import annotations

from functools import partial

import numpy as np

from rows.common import Row, Solver

Clouds = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def problem(n: int, d: int, kind: str, seed: int, size: int | None) -> Clouds:
    """x ~ N(0, I), y ~ 1.1·N(0, I) + 0.3; or 20 clusters of unequal mass on the two sides."""
    n = size or n
    rng = np.random.default_rng(seed)
    if kind == "clusters":
        centres = 10.0 * rng.normal(size=(20, d))
        x, y = (centres[rng.choice(20, n, p=rng.dirichlet(np.ones(20)))] for _ in range(2))
        x, y = x + rng.normal(size=x.shape), y + rng.normal(size=y.shape)
    else:
        x, y = rng.normal(size=(n, d)), 1.1 * rng.normal(size=(n, d)) + 0.3
    if kind == "weighted":
        return x, y, rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, n)
    return x, y, np.ones(n), np.ones(n)


def ours(p: int, x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    import divergences as dv

    answer = dv.transport(x, y, p=p, x_weights=a, y_weights=b)
    gap = answer.certificate.gap / answer.certificate.upper
    return {"cost": float(answer.cost), "gap": gap, "rounds": answer.rounds}


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
    "5000-64-weighted-W2": row(5_000, 64, "weighted", 2, "pot"),
    "10000-2-uniform-W2": row(10_000, 2, "uniform", 2, "pot"),
    "10000-2-weighted-W2": row(10_000, 2, "weighted", 2, "pot"),
    "10000-2-uniform-W1": row(10_000, 2, "uniform", 1, "pot"),
    "10000-64-uniform-W2": row(10_000, 64, "uniform", 2, "scipy"),
    "50000-2-uniform-W2": row(50_000, 2, "uniform", 2),
    "100000-2-uniform-W2": row(100_000, 2, "uniform", 2),
    "2000-2-clusters-W2": row(2_000, 2, "clusters", 2, "pot"),
    "2000-64-clusters-W2": row(2_000, 64, "clusters", 2, "pot"),
}
