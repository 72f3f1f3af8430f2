"""One dimension, sliced distances, and the exact answer in the plane against entropic ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from rows.common import Row, Solver

# where n + m numbers are sorted by compiled loops, so that their loading is not counted
WARM = 600_000


def numbers(n: int, weighted: bool, seed: int, size: int | None) -> tuple[np.ndarray | None, ...]:
    """x ~ N(0, 1), y ~ 1.1·N(0, 1) + 0.3; weights from U(½, 3/2)."""
    n = size or n
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=n), 1.1 * rng.normal(size=n) + 0.3
    return (x, y, rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, n)) if weighted else (x, y, None, None)


def ours_on_line(name: str, x: Any, y: Any, a: Any, b: Any) -> dict[str, float]:
    import divergences as dv

    metric = dv.parse(name)
    return {"value": float(metric(x, y, x_weights=a, y_weights=b))}


def scipy_wasserstein(x: Any, y: Any, a: Any, b: Any) -> dict[str, float]:
    from scipy.stats import wasserstein_distance

    return {"value": float(wasserstein_distance(x, y, a, b))}


def scipy_energy(x: Any, y: Any, a: Any, b: Any) -> dict[str, float]:
    from scipy.stats import energy_distance

    return {"value": float(energy_distance(x, y, a, b)) ** 2}


def shares(weights: np.ndarray | None) -> np.ndarray | None:
    return None if weights is None else weights / weights.sum()


def pot_wasserstein_1d(p: int, x: Any, y: Any, a: Any, b: Any) -> dict[str, float]:
    import ot

    return {"value": float(ot.wasserstein_1d(x, y, shares(a), shares(b), p=p)) ** (1 / p)}


def pot_emd2_1d(p: int, x: Any, y: Any, a: Any, b: Any) -> dict[str, float]:
    import ot

    metric = "sqeuclidean" if p == 2 else "euclidean"
    return {"value": float(ot.emd2_1d(x, y, shares(a), shares(b), metric=metric)) ** (1 / p)}


def on_line(n: int, name: str, peers: dict[str, Solver], *, weighted: bool = False) -> Row:
    return Row(partial(numbers, n, weighted), partial(ours_on_line, name), peers, warm=WARM)


# ── sliced ──────────────────────────────────────────────────────────────────────────────────


def clouds(n: int, d: int, seed: int, size: int | None) -> tuple[np.ndarray, np.ndarray]:
    n = size or n
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), 1.1 * rng.normal(size=(n, d)) + 0.3


def ours_sliced(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import divergences as dv

    return {"value": float(dv.sliced_wasserstein(x, y, n_projections=50, rng=0))}


def ours_max_sliced(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import divergences as dv

    return {"value": float(dv.max_sliced_wasserstein(x, y, n_projections=50, rng=0))}


def pot_sliced(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import ot

    return {"value": float(ot.sliced_wasserstein_distance(x, y, n_projections=50, seed=0))}


def pot_max_sliced(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The best of its random directions: it does not climb."""
    import ot

    return {"value": float(ot.max_sliced_wasserstein_distance(x, y, n_projections=50, seed=0))}


# ── exact against entropic ──────────────────────────────────────────────────────────────────

# the coarsest settings, of a few tried on seed 0, whose W_2² is within about 1 % of the exact one
POT_EPSILON, GEOMLOSS_BLUR, GEOMLOSS_SCALING, OURS_EPSILON = 0.01, 0.05, 0.9, 0.01


def plane(n: int, seed: int, size: int | None) -> tuple[np.ndarray, np.ndarray]:
    return clouds(n, 2, seed, size)


def exact(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import divergences as dv

    return {"value": float(dv.transport(x, y, p=2).cost)}


def ours_sinkhorn(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import divergences as dv

    return {"value": float(dv.sinkhorn_divergence(x, y, p=2, epsilon=OURS_EPSILON, tolerance=1e-3))}


def pot_sinkhorn(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """⟨plan, cost⟩ of the plain method; the log-domain one takes several times as long."""
    import ot

    a = np.full(len(x), 1 / len(x))
    return {"value": float(ot.sinkhorn2(a, a, ot.dist(x, y), POT_EPSILON, numItermax=10_000, stopThr=1e-4))}


def geomloss(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The debiased divergence; its cost is |x − y|²/2."""
    import torch
    from geomloss import SamplesLoss

    torch.set_num_threads(1)
    loss = SamplesLoss("sinkhorn", p=2, blur=GEOMLOSS_BLUR, scaling=GEOMLOSS_SCALING, backend="tensorized")
    return {"value": 2.0 * float(loss(torch.from_numpy(x), torch.from_numpy(y)))}


POT_1D: dict[str, Solver] = {
    "pot_wasserstein_1d": partial(pot_wasserstein_1d, 1),
    "pot_emd2_1d": partial(pot_emd2_1d, 1),
}
LINE_W1: dict[str, Solver] = {"scipy": scipy_wasserstein, **POT_1D}
LINE_W2: dict[str, Solver] = {
    "pot_wasserstein_1d": partial(pot_wasserstein_1d, 2),
    "pot_emd2_1d": partial(pot_emd2_1d, 2),
}
ENTROPIC: dict[str, Solver] = {
    "sinkhorn_divergence": ours_sinkhorn,
    "pot_sinkhorn": pot_sinkhorn,
    "geomloss": geomloss,
}

ROWS: dict[str, Row] = {
    "1e6-W1": on_line(10**6, "wasserstein", LINE_W1),
    "1e7-W1": on_line(10**7, "wasserstein", LINE_W1),
    "1e6-weighted-W1": on_line(10**6, "wasserstein", LINE_W1, weighted=True),
    "1e7-weighted-W1": on_line(10**7, "wasserstein", LINE_W1, weighted=True),
    "1e6-W2": on_line(10**6, "wasserstein(p=2)", LINE_W2),
    "1e6-weighted-W2": on_line(10**6, "wasserstein(p=2)", LINE_W2, weighted=True),
    "1e6-energy": on_line(10**6, "energy", {"scipy": scipy_energy}),
    "100000-64-sliced-W2": Row(partial(clouds, 100_000, 64), ours_sliced, {"pot": pot_sliced}, warm=20_000),
    "10000-64-max-sliced-W2": Row(
        partial(clouds, 10_000, 64), ours_max_sliced, {"pot": pot_max_sliced}, warm=1_000
    ),
    "2000-2-exact-W2": Row(partial(plane, 2_000), exact, ENTROPIC, warm=1_200),
}
