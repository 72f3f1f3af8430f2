"""Functions of neighbouring libraries under our conventions, for the scorecard of laws.

An adapter undoes a convention (a root, a half, a p-th power) and nothing else; the claims are what the
library's documentation says the function computes. ValueError: not offered by the library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from divergences.laws import Subject, implied

__all__ = ["PEERS", "Peer"]


@dataclass(frozen=True)
class Peer:
    """A function of another library under our conventions, and what its documentation says it is."""

    package: str
    name: str
    function: Callable[..., Any]
    on: str
    claims: tuple[str, ...]
    degree: float | None = None
    root: float = 1.0
    min_rows: int = 1
    accuracy: float = 0.0
    part: str = ""

    def subject(self, dtype: str) -> Subject:
        size = _polynomial if "kid" in self.claims else None
        return Subject(
            self.function,
            self.on,
            implied(self.claims),
            name=f"{self.package} {self.name}",
            degree=self.degree,
            root=self.root,
            min_rows=self.min_rows,
            accuracy=self.accuracy,
            dtype=dtype,
            size=size,
            part=self.part,
        )


def _polynomial(x: np.ndarray, y: np.ndarray) -> float:
    return (max(float((s * s).sum(axis=1).max()) for s in (x, y)) / x.shape[1] + 1.0) ** 3


def _line(x: np.ndarray) -> np.ndarray:
    if x.ndim > 1 and x.shape[1] > 1:
        raise ValueError("one dimension only")
    return np.asarray(x).reshape(-1)


def _tensors(*arrays: Any) -> list[Any]:
    import torch

    return [torch.tensor(np.array(a)) for a in arrays]


def scipy_kl(p: Any, q: Any) -> Any:
    from scipy.stats import entropy

    return entropy(p, q)


def scipy_js(p: Any, q: Any) -> Any:
    from scipy.spatial.distance import jensenshannon

    return jensenshannon(p, q)


def scipy_wasserstein(x: Any, y: Any, *, x_weights: Any = None, y_weights: Any = None) -> Any:
    from scipy.stats import wasserstein_distance

    return wasserstein_distance(_line(x), _line(y), x_weights, y_weights)


def scipy_wasserstein_nd(x: Any, y: Any, *, x_weights: Any = None, y_weights: Any = None) -> Any:
    from scipy.stats import wasserstein_distance_nd

    return wasserstein_distance_nd(x, y, x_weights, y_weights)


def scipy_energy(x: Any, y: Any, *, x_weights: Any = None, y_weights: Any = None) -> Any:
    from scipy.stats import energy_distance

    return energy_distance(_line(x), _line(y), x_weights, y_weights) ** 2


def pot_emd2(x: Any, y: Any, *, p: float = 1, x_weights: Any = None, y_weights: Any = None) -> Any:
    import ot

    a, b = (
        np.full(len(s), 1 / len(s)) if w is None else w / w.sum() for s, w in ((x, x_weights), (y, y_weights))
    )
    cost = ot.dist(x, y, metric="euclidean") ** p
    return ot.emd2(np.asarray(a, cost.dtype), np.asarray(b, cost.dtype), cost) ** (1 / p)


def pot_wasserstein_1d(x: Any, y: Any, *, p: float = 1, x_weights: Any = None, y_weights: Any = None) -> Any:
    import ot

    a, b = (None if w is None else w / w.sum() for w in (x_weights, y_weights))
    return float(ot.wasserstein_1d(_line(x), _line(y), a, b, p=p)) ** (1 / p)


def pot_sliced(x: Any, y: Any, *, p: float = 2, n_projections: int = 50) -> Any:
    import ot

    return ot.sliced_wasserstein_distance(x, y, p=p, n_projections=n_projections, seed=0)


def pot_max_sliced(x: Any, y: Any, *, p: float = 2) -> Any:
    import ot

    return ot.max_sliced_wasserstein_distance(x, y, p=p, n_projections=50, seed=0)


def pot_bures(m: Any, s: Any, n: Any, t: Any) -> Any:
    import ot

    return ot.gaussian.bures_wasserstein_distance(m, n, s, t)


def pot_sinkhorn(x: Any, y: Any) -> Any:
    import ot

    return ot.bregman.empirical_sinkhorn_divergence(x, y, reg=1.0, numIterMax=500, stopThr=1e-10)


def geomloss_energy(x: Any, y: Any) -> Any:
    from geomloss import SamplesLoss

    return 2 * float(SamplesLoss("energy", backend="tensorized")(*_tensors(x, y)))


def geomloss_mmd(
    x: Any, y: Any, *, kernel: str = "gaussian", bandwidth: float = 1.0, estimator: str = "biased"
) -> Any:
    from geomloss import SamplesLoss

    if estimator != "biased" or kernel not in ("gaussian", "laplace"):
        raise ValueError("not offered")
    kind = {"gaussian": "gaussian", "laplace": "laplacian"}[kernel]
    return 2 * float(SamplesLoss(kind, blur=bandwidth, backend="tensorized")(*_tensors(x, y)))


def geomloss_sinkhorn(x: Any, y: Any) -> Any:
    """The documented defaults; W2²/2 in the limit of a small blur."""
    from geomloss import SamplesLoss

    return float(SamplesLoss("sinkhorn", backend="tensorized")(*_tensors(x, y)))


def _without_torchvision() -> None:
    """A stand-in for it: torchmetrics imports it where installed, for metrics that are not wanted here."""
    import sys
    from importlib.machinery import ModuleSpec
    from unittest.mock import MagicMock

    if "torchmetrics" not in sys.modules:
        for name in ("torchvision", "torchvision.datasets", "torchvision.models", "torchvision.transforms"):
            sys.modules[name] = MagicMock(__spec__=ModuleSpec(name, None), __version__="0.0")


def torchmetrics_kl(p: Any, q: Any) -> Any:
    _without_torchvision()
    from torchmetrics.functional import kl_divergence

    return float(kl_divergence(*(t[None] for t in _tensors(p, q))))


def torchmetrics_js(p: Any, q: Any) -> Any:
    _without_torchvision()
    from torchmetrics.functional.regression import jensen_shannon_divergence

    return float(jensen_shannon_divergence(*(t[None] for t in _tensors(p, q))))


def torchmetrics_fid(m: Any, s: Any, n: Any, t: Any) -> Any:
    _without_torchvision()
    from torchmetrics.image.fid import _compute_fid

    return float(_compute_fid(*_tensors(m, s, n, t)))


def torchmetrics_kid(x: Any, y: Any) -> Any:
    _without_torchvision()
    from torchmetrics.image.kid import poly_mmd

    if len(x) != len(y):
        raise ValueError("subsets have one size")
    return float(poly_mmd(*_tensors(x, y)))


def torch_kl(p: Any, q: Any) -> Any:
    import torch

    p, q = _tensors(p, q)
    return float(torch.nn.functional.kl_div(q.log(), p, reduction="sum"))


def sklearn_energy(x: Any, y: Any) -> Any:
    """The usual recipe on its pairwise distances."""
    from sklearn.metrics import pairwise_distances as far

    return 2 * far(x, y).mean() - far(x, x).mean() - far(y, y).mean()


def sklearn_mmd(
    x: Any, y: Any, *, kernel: str = "gaussian", bandwidth: float = 1.0, estimator: str = "biased"
) -> Any:
    """The usual recipe on its kernels."""
    from sklearn.metrics.pairwise import linear_kernel, rbf_kernel

    if estimator != "biased" or kernel not in ("gaussian", "linear"):
        raise ValueError("not offered")
    k = partial(rbf_kernel, gamma=1 / (2 * bandwidth**2)) if kernel == "gaussian" else linear_kernel
    return k(x).mean() + k(y).mean() - 2 * k(x, y).mean()


def sklearn_parzen(x: Any, y: Any, *, bandwidth: float = 1.0) -> Any:
    from sklearn.neighbors import KernelDensity

    return KernelDensity(bandwidth=bandwidth).fit(y).score_samples(x).mean()


def dcor_energy(x: Any, y: Any) -> Any:
    import dcor

    return dcor.energy_distance(x, y)


def prdc_part(part: str, x: Any, y: Any, *, k: int = 5) -> Any:
    import contextlib
    import io

    import joblib
    from prdc import compute_prdc

    # its eight processes for a few rows would take most of the time
    with contextlib.redirect_stdout(io.StringIO()), joblib.parallel_config(backend="sequential"):
        return compute_prdc(x, y, k)[part]


ENERGY = ("energy",)
LINE = 1.0
PEERS = (
    Peer("scipy", "stats.entropy", scipy_kl, "pmf", ("kl",)),
    Peer("scipy", "distance.jensenshannon", scipy_js, "pmf", ("js distance",), root=2),
    Peer(
        "scipy", "stats.wasserstein_distance", scipy_wasserstein, "samples", ("wasserstein", "homogeneous"), 1
    ),
    Peer(
        "scipy",
        "stats.wasserstein_distance_nd",
        scipy_wasserstein_nd,
        "samples",
        ("wasserstein", "homogeneous"),
        1,
        accuracy=1e-7,
    ),
    Peer("scipy", "stats.energy_distance ** 2", scipy_energy, "samples", ("energy", "homogeneous"), 1),
    Peer("POT", "emd2 ** (1/p)", pot_emd2, "samples", ("wasserstein", "homogeneous"), 1),
    Peer("POT", "wasserstein_1d ** (1/p)", pot_wasserstein_1d, "samples", ("wasserstein", "homogeneous"), 1),
    Peer(
        "POT",
        "sliced_wasserstein_distance",
        pot_sliced,
        "samples",
        ("sliced wasserstein", "homogeneous"),
        1,
        root=2,
    ),
    Peer(
        "POT",
        "max_sliced_wasserstein_distance",
        pot_max_sliced,
        "samples",
        ("homogeneous", "metric", "translation invariant", "order of rows"),
        1,
        root=2,
    ),
    Peer(
        "POT",
        "gaussian.bures_wasserstein_distance",
        pot_bures,
        "gaussian",
        ("gaussian wasserstein",),
        1,
        root=2,
    ),
    Peer(
        "POT",
        "empirical_sinkhorn_divergence",
        pot_sinkhorn,
        "samples",
        ("never negative", "symmetric", "identity", "plug-in", "isometry invariant"),
        2,
        accuracy=1e-9,
    ),
    Peer("geomloss", "SamplesLoss('energy') * 2", geomloss_energy, "samples", ("energy", "homogeneous"), 1),
    Peer(
        "geomloss",
        "SamplesLoss('gaussian') * 2",
        geomloss_mmd,
        "samples",
        ("squared mmd", "squared ipm", "plug-in", "isometry invariant"),
    ),
    Peer(
        "geomloss",
        "SamplesLoss('sinkhorn')",
        geomloss_sinkhorn,
        "samples",
        ("never negative", "symmetric", "identity", "definite", "plug-in", "isometry invariant"),
        2,
        accuracy=1e-3,
    ),
    Peer("torchmetrics", "kl_divergence", torchmetrics_kl, "pmf", ("kl",)),
    Peer("torchmetrics", "jensen_shannon_divergence", torchmetrics_js, "pmf", ("js",)),
    Peer("torchmetrics", "image.fid._compute_fid", torchmetrics_fid, "gaussian", ("gaussian frechet",), 2),
    Peer(
        "torchmetrics",
        "image.kid.poly_mmd",
        torchmetrics_kid,
        "samples",
        ("kid", "symmetric", "order of rows"),
        min_rows=2,
    ),
    Peer("torch", "nn.functional.kl_div", torch_kl, "pmf", ("kl",)),
    Peer(
        "scikit-learn",
        "pairwise_distances, as energy",
        sklearn_energy,
        "samples",
        ("energy", "homogeneous"),
        1,
    ),
    Peer(
        "scikit-learn",
        "rbf_kernel, as MMD²",
        sklearn_mmd,
        "samples",
        ("squared mmd", "squared ipm", "plug-in", "isometry invariant"),
    ),
    Peer(
        "scikit-learn",
        "KernelDensity.score_samples",
        sklearn_parzen,
        "samples",
        ("parzen", "translation invariant", "rotation invariant", "order of rows"),
    ),
    Peer("dcor", "energy_distance", dcor_energy, "samples", ("energy", "homogeneous"), 1),
    *(
        Peer(
            "prdc",
            f"compute_prdc: {part}",
            partial(prdc_part, part),
            "samples",
            (part, "similarity invariant", "order of rows"),
            min_rows=7,
        )
        for part in ("precision", "recall", "density", "coverage")
    ),
)
