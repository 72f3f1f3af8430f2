"""Measures over all pairs: Parzen, energy, MMD, against scikit-learn, SciPy, torch and the matrix product."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rows.common import Row, Solver

Samples = tuple[np.ndarray, np.ndarray]
BANDWIDTH = {2: 0.2, 64: 2.0, 784: 1.0}  # of standard normal rows: about the best by likelihood


def normals(n: int, m: int, d: int, seed: int, size: int | None, *, dtype: str = "float64") -> Samples:
    """x ~ N(0, I), y ~ 1.1·N(0, I) + 0.1."""
    rng = np.random.default_rng(seed)
    n, m = (n, m) if size is None else (size, size)
    x, y = rng.normal(size=(n, d)), 1.1 * rng.normal(size=(m, d)) + 0.1
    return x.astype(dtype), y.astype(dtype)


# ── Parzen ──────────────────────────────────────────────────────────────────────────────────


def parzen(x: np.ndarray, y: np.ndarray, *, times: float = 1.0) -> dict[str, float]:
    import divergences as dv

    return {"value": float(dv.parzen_log_likelihood(x, y, bandwidth=times * BANDWIDTH[x.shape[1]]))}


def parzen_search(count: int, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import divergences as dv

    width = BANDWIDTH[x.shape[1]]
    window = dv.Parzen.fit(y, validation=x, grid=list(np.geomspace(width / 4, 4 * width, count)))
    return {"value": float(window.curve[1].max())}


def sklearn_density(rtol: float, share: int, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The sum over ``1 / share`` of the rows of x: its time is as many times longer for all of them."""
    from sklearn.neighbors import KernelDensity

    part = x[: max(1, len(x) // share)]
    density = KernelDensity(bandwidth=BANDWIDTH[x.shape[1]], rtol=rtol).fit(y)
    return {"value": float(density.score_samples(part).mean()), "share_of_rows": len(part) / len(x)}


def torch_density(dtype: str, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import torch

    left, right = (torch.as_tensor(v, dtype=getattr(torch, dtype)) for v in (x, y))
    width, d, total = BANDWIDTH[x.shape[1]], x.shape[1], 0.0
    for part in left.split(2_000):  # the matrix of all pairs at once is slower still
        logs = torch.cdist(part, right).square_().mul_(-0.5 / width**2)
        total += float(torch.logsumexp(logs, dim=1).double().sum())
    return {"value": total / len(x) - np.log(len(y)) - d * np.log(width * np.sqrt(2 * np.pi))}


def product(dtype: str, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The floor: the inner products and nothing else, in blocks that BLAS likes."""
    left, right = x.astype(dtype), y.astype(dtype).T
    out = np.empty((min(1_000, len(x)), len(y)), dtype=dtype)
    for start in range(0, len(x), 1_000):
        np.matmul(left[start : start + 1_000], right, out=out[: len(left[start : start + 1_000])])
    return {"value": float(out[0, 0])}


# ── energy and MMD ──────────────────────────────────────────────────────────────────────────


def energy(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import divergences as dv

    return {"value": float(dv.energy(x, y))}


def scipy_energy(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    from scipy.spatial.distance import cdist

    within = cdist(x, x).mean() + cdist(y, y).mean()
    return {"value": float(2 * cdist(x, y).mean() - within)}


def torch_energy(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import torch

    left, right = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.float32)

    def mean(one: Any, other: Any) -> float:
        return sum(float(torch.cdist(part, other).sum()) for part in one.split(2_000)) / len(one) / len(other)

    return {"value": 2 * mean(left, right) - mean(left, left) - mean(right, right)}


def mmd(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import divergences as dv

    return {"value": float(dv.squared_mmd(x, y, bandwidth=8.0, estimator="biased"))}


def sklearn_mmd(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    from sklearn.metrics.pairwise import rbf_kernel

    xx, yy, xy = (rbf_kernel(u, v, gamma=1 / 128).mean() for u, v in ((x, x), (y, y), (x, y)))
    return {"value": float(xx + yy - 2 * xy)}


def torch_mmd(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import torch

    def mean(one: Any, other: Any) -> float:
        parts = torch.as_tensor(one).split(2_000)
        right = torch.as_tensor(other)
        sums = (float(torch.exp(torch.cdist(part, right).square() / -128).sum()) for part in parts)
        return sum(sums) / len(one) / len(other)

    return {"value": mean(x, x) + mean(y, y) - 2 * mean(x, y)}


# ── gradients ───────────────────────────────────────────────────────────────────────────────

DESCENTS = 20  # a training's: the same batch again and again


def descend(measure: Any, dtype: str, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The gradient of ``measure`` by the second sample, as a training takes it."""
    import torch

    left = torch.as_tensor(x, dtype=getattr(torch, dtype))
    right = torch.as_tensor(y, dtype=getattr(torch, dtype)).requires_grad_()
    for _ in range(DESCENTS):
        right.grad = None
        measure(left, right).backward()
    return {"slope": float(right.grad.square().sum())}


def energy_of(x: Any, y: Any) -> Any:
    import divergences as dv

    return dv.energy(x, y)


def torch_energy_of(x: Any, y: Any) -> Any:
    """As it is usually written."""
    import torch

    return 2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()


# ── larger than memory, and several workers ─────────────────────────────────────────────────


def mapped(n: int, m: int, d: int, seed: int, size: int | None) -> tuple[np.memmap, np.ndarray]:
    """x float32 on disk, written block by block; y in memory."""
    n, m = (n, m) if size is None else (size, size)
    rng = np.random.default_rng(seed)
    path = Path(tempfile.gettempdir()) / f"pairwise-{n}-{d}-{seed}.dat"
    x = np.memmap(path, dtype=np.float32, mode="w+", shape=(n, d))
    for start in range(0, n, 100_000):
        x[start : start + 100_000] = rng.normal(size=(len(x[start : start + 100_000]), d))
    x.flush()
    x = np.memmap(path, dtype=np.float32, mode="r", shape=(n, d))
    path.unlink()  # gone when the map is
    return x, rng.normal(size=(m, d)).astype("f4")


def one_visit(x: np.memmap, y: np.ndarray) -> dict[str, float]:
    """What energy, MMD at three bandwidths and Parzen want of x with y, from one visit.

    The sums within x are n²/2 pairs more and no more memory: they are left out of the timing.
    """
    from divergences import _pairwise as pw
    from divergences._inputs import check_pair

    pair = check_pair(x, y, streams=True)
    functions = [pw.Distance(), *(pw.Gaussian(0.5 * (pair.scale / width) ** 2) for width in (4.0, 8.0, 16.0))]
    logs = pw.LogSums(pw.log_weights(pair.b), [0.5 * pair.scale**2 / 4.0])
    sums, log_sums = pw.visit(pair.x, pair.y, pair.a, pair.b, functions, logs)
    return {"distance": float(sums[0]), "mean_log_sum": float(log_sums.mean())}


def parzen_jobs(jobs: int, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import joblib

    with joblib.parallel_config(n_jobs=jobs):
        return parzen(x, y)


def row(n: int, m: int, d: int, ours: Solver, *, dtype: str = "float64", **peers: Solver) -> Row:
    return Row(partial(normals, n, m, d, dtype=dtype), ours, peers, warm=2_200)


# The search's own bandwidths end at a quarter of and four times the usual one. Of float64 samples a narrow
# window's far terms are ruled out by products in float32; a wide one, like the search, needs them in float64.
SINGLE: dict[str, Solver] = {"one_bandwidth": parzen, "widest_bandwidth": partial(parzen, times=4.0)}
HIGH: dict[str, Solver] = {
    "torch64": partial(torch_density, "float64"),
    "torch32": partial(torch_density, "float32"),
    "product32": partial(product, "float32"),
    "product64": partial(product, "float64"),
}
ROWS: dict[str, Row] = {
    "parzen-10k-10k-784": row(
        10_000, 10_000, 784, parzen, sklearn_50th=partial(sklearn_density, 0.0, 50), **HIGH
    ),
    "parzen-10k-10k-784-search-10": row(10_000, 10_000, 784, partial(parzen_search, 10), **SINGLE),
    "parzen-10k-10k-784-search-100": row(10_000, 10_000, 784, partial(parzen_search, 100), **SINGLE),
    "parzen-10k-10k-784-float32": row(
        10_000, 10_000, 784, parzen, dtype="float32", torch32=HIGH["torch32"], product32=HIGH["product32"]
    ),
    "parzen-10k-10k-784-search-10-float32": row(
        10_000, 10_000, 784, partial(parzen_search, 10), dtype="float32", **SINGLE
    ),
    "parzen-10k-10k-784-search-100-float32": row(
        10_000, 10_000, 784, partial(parzen_search, 100), dtype="float32", **SINGLE
    ),
    "parzen-10k-100k-2": row(
        10_000,
        100_000,
        2,
        parzen,
        sklearn_20th=partial(sklearn_density, 0.0, 20),
        sklearn_1e_6_20th=partial(sklearn_density, 1e-6, 20),
    ),
    "energy-10k-2": row(10_000, 10_000, 2, energy, scipy=scipy_energy, torch32=torch_energy),
    "energy-10k-64": row(10_000, 10_000, 64, energy, scipy=scipy_energy, torch32=torch_energy),
    "energy-50k-64": row(50_000, 50_000, 64, energy, torch32=torch_energy),
    "mmd-10k-64": row(10_000, 10_000, 64, mmd, sklearn=sklearn_mmd, torch64=torch_mmd),
    # samples in float32, as features come from networks: every library is given the same arrays
    "energy-10k-64-float32": row(
        10_000, 10_000, 64, energy, dtype="float32", scipy=scipy_energy, torch32=torch_energy
    ),
    "energy-50k-64-float32": row(50_000, 50_000, 64, energy, dtype="float32", torch32=torch_energy),
    "mmd-10k-64-float32": row(
        10_000, 10_000, 64, mmd, dtype="float32", sklearn=sklearn_mmd, torch32=torch_mmd
    ),
    **{
        f"energy-gradient-1024-{d}": row(
            1_024,
            1_024,
            d,
            partial(descend, energy_of, "float32"),
            torch32=partial(descend, torch_energy_of, "float32"),
            torch64=partial(descend, torch_energy_of, "float64"),
        )
        for d in (8, 64)
    },
    "one-visit-memmap-2M-20k-64": Row(partial(mapped, 2_000_000, 20_000, 64), one_visit, warm=2_200),
    "parzen-10k-10k-784-2-workers": row(
        10_000, 10_000, 784, partial(parzen_jobs, 2), one_worker=partial(parzen_jobs, 1)
    ),
}
