"""Neighbour searches: KL by nearest neighbours, and precision, recall, density and coverage."""

from __future__ import annotations

import sys
from functools import partial
from unittest import mock

import numpy as np

from rows.common import Row, Solver

Samples = tuple[np.ndarray, np.ndarray]
K = 5


def problem(n: int, d: int, seed: int, size: int | None) -> Samples:
    """x ~ N(0, I), y ~ 1.1·N(0, I) + 0.3/√d: neighbours are where structure helps the least."""
    n = size or n
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), 1.1 * rng.normal(size=(n, d)) + 0.3 / np.sqrt(d)


# ── KL ──────────────────────────────────────────────────────────────────────────────────────
# The peers find neighbours only: the same two searches, and the estimate from what they return.


def estimate(x: np.ndarray, y: np.ndarray, own: np.ndarray, other: np.ndarray) -> dict[str, float]:
    n, d = x.shape
    return {"kl": float(d * np.mean(np.log(other) - np.log(own)) + np.log(len(y) / (n - 1)))}


def kl_ours(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import divergences as dv

    return {"kl": float(dv.kl(x, y, k=K))}


def kl_scipy(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    from scipy.spatial import cKDTree

    return estimate(x, y, cKDTree(x).query(x, K + 1)[0][:, -1], cKDTree(y).query(x, K)[0][:, -1])


def kl_sklearn(algorithm: str, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    from sklearn.neighbors import NearestNeighbors

    def kth(among: np.ndarray, k: int) -> np.ndarray:
        found = NearestNeighbors(n_neighbors=k, algorithm=algorithm).fit(among).kneighbors(x)
        return np.asarray(found[0][:, -1])

    return estimate(x, y, kth(x, K + 1), kth(y, K))


def kl_faiss(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """In float32, without recomputation: its distances have about four digits."""
    import faiss

    faiss.omp_set_num_threads(1)

    def kth(among: np.ndarray, k: int) -> np.ndarray:
        index = faiss.IndexFlatL2(x.shape[1])
        index.add(among.astype(np.float32))
        return np.sqrt(np.asarray(index.search(x.astype(np.float32), k)[0][:, -1], dtype=np.float64))

    return estimate(x, y, kth(x, K + 1), kth(y, K))


# ── balls ───────────────────────────────────────────────────────────────────────────────────


def balls_ours(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    import divergences as dv

    return {name: float(value) for name, value in dv.precision_recall(x, y, k=K)._asdict().items()}


def balls_prdc(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    from prdc import compute_prdc

    return {name: float(value) for name, value in compute_prdc(x, y, nearest_k=K).items()}


def balls_fidelity(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Precision and recall alone, in float32 as its features are."""
    import torch

    # its feature extractors want torchvision, which does not load beside every torch; they are not used here
    parts = ("", ".datasets", ".models", ".transforms", ".transforms.functional")
    sys.modules.update({f"torchvision{name}": mock.MagicMock() for name in parts})
    from torch_fidelity.metric_prc import prc_features_to_metric

    torch.set_num_threads(1)
    features = (torch.as_tensor(s, dtype=torch.float32) for s in (y, x))
    found = prc_features_to_metric(*features, prc_neighborhood=K, prc_batch_size=10_000, verbose=False)
    return {name: float(value) for name, value in found.items()}


PEERS: dict[str, Solver] = {
    "scipy": kl_scipy,
    "sklearn_brute": partial(kl_sklearn, "brute"),
    "sklearn_tree": partial(kl_sklearn, "kd_tree"),
    "faiss": kl_faiss,
    "prdc": balls_prdc,
    "fidelity": balls_fidelity,
}


def row(ours: Solver, n: int, d: int, *peers: str) -> Row:
    # warm enough for the compiled tiles, so that their loading is not counted
    return Row(partial(problem, n, d), ours, {name: PEERS[name] for name in peers}, warm=5_000)


# cKDTree and scikit-learn's trees are left out where they take longer than any brute force
ROWS: dict[str, Row] = {
    "kl-100000-2": row(kl_ours, 100_000, 2, "scipy", "sklearn_tree"),
    "kl-100000-16": row(kl_ours, 100_000, 16, "sklearn_brute", "faiss"),
    "kl-100000-64": row(kl_ours, 100_000, 64, "sklearn_brute", "faiss"),
    "kl-10000-784": row(kl_ours, 10_000, 784, "sklearn_brute", "faiss"),
    # both peers hold n × m numbers: at 50,000 they would take 20 GB and more
    "prdc-10000-64": row(balls_ours, 10_000, 64, "prdc", "fidelity"),
    "prdc-50000-64": row(balls_ours, 50_000, 64),
}
