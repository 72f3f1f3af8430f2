"""The bias of divergences of histograms: more cells than rows to fill them look like a difference."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from divergences._arrays import detached, to_numpy
from divergences._histogram import common_cells
from divergences._inputs import DivergenceWarning, check_pair

__all__ = ["histogram_bias"]


def histogram_bias(name: str, x: Any, y: Any, bins: Any) -> float:
    """The first-order bias of a plug-in ``kl``, ``reverse_kl`` or ``js`` over fixed cells, in nats.

    E f(p̂, q̂) − f(p, q) to second order in p̂ − p and q̂ − q, at the observed shares. For KL the part of
    the entropy is Miller's (K − 1)/(2n) (Miller 1955; Paninski 2003, §4), that of the cross entropy
    Σ p (1 − q)/q / (2m).
    """
    pair = check_pair(detached(x), detached(y))
    with warnings.catch_warnings():  # the value itself has said that the cells are many
        warnings.simplefilter("ignore", DivergenceWarning)
        p, q, _ = common_cells(pair, bins)
    p, q = np.asarray(to_numpy(p)), np.asarray(to_numpy(q))
    if name == "reverse_kl":
        return _kl_bias(q, p, pair.m, pair.n)
    if name == "kl":
        return _kl_bias(p, q, pair.n, pair.m)
    # JS = H((p + q)/2) − H(p)/2 − H(q)/2, and Miller's correction of each
    mean = 0.5 * (p + q)
    met = mean > 0
    spread = 0.25 * (p * (1 - p) / pair.n + q * (1 - q) / pair.m)
    of_mean = -0.5 * float(np.sum(spread[met] / mean[met]))
    alone = 0.25 * ((np.count_nonzero(p) - 1) / pair.n + (np.count_nonzero(q) - 1) / pair.m)
    return float(of_mean + alone)


def _kl_bias(p: np.ndarray, q: np.ndarray, n: int, m: int) -> float:
    if np.any((p > 0) & (q == 0)):
        return math.inf
    met = p > 0
    own = (np.count_nonzero(met) - 1) / (2.0 * n)
    return float(own + np.sum(p[met] * (1.0 - q[met]) / q[met]) / (2.0 * m))
