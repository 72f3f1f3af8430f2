"""Fréchet distance between samples: squared W2 between the Gaussians fitted to them (FID)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from divergences._arrays import (
    Array,
    Namespace,
    carries_gradient,
    detached,
    envelope,
    is_torch,
    safe_sqrt,
)
from divergences._gaussian_kernels import centred, divisor_of, procrustes
from divergences._inputs import check_pair, warn
from divergences._moments import accumulated, triangular
from divergences._progress import Bar
from divergences._rows import Rows
from divergences.registry import metric

__all__ = ["frechet"]


@metric(
    laws=(
        "frechet",
        "symmetric",
        "root is a metric",
        "isometry invariant",
        "order of rows",
        "weighted",
        "needs 2 rows",
    ),
    on="samples",
    meaning="difference in mean and covariance: the squared W2 between fitted Gaussians (FID on features)",
    degree=2,
    cost="n",
    interval="jackknife",
    reference="Heusel et al. 2017, eq. 6; Dowson & Landau 1982",
)
def frechet(x: Any, y: Any, *, x_weights: Any = None, y_weights: Any = None) -> Any:
    """Squared W2 between the Gaussians fitted to x (n, d) and y (m, d), ddof=1; in [0, inf).

    |Δ|² + tr P + tr Q − 2 tr (P^½ Q P^½)^½ (Heusel et al. 2017, eq. 6) with the unbiased covariances,
    weighted ones divided by 1 − Σa². It sees means and covariances only: 0 does not make the
    distributions equal. Biased upward in small samples, and warned about where n or m ≤ d.
    Differentiable in x, y and positive weights; the gradient at equal inputs is 0. Samples too large
    to load (a memmap, an HDF5, Zarr or Dask array) are read in blocks, with O(d²) in memory.

    Raises ValueError for fewer than two rows, or two with weight.

    >>> float(frechet([[0.0], [2.0]], [[3.0], [5.0]]))
    9.0
    """
    pair = check_pair(x, y, x_weights, y_weights, min_rows=2, streams=True)
    if min(pair.n, pair.m) <= pair.d:
        warn(
            f"frechet of {pair.n} and {pair.m} samples in {pair.d} dimensions: with no more samples than "
            "dimensions the fitted covariances are singular and the value is biased upward. "
            "Use more samples, or energy or kid, which do not fit a covariance"
        )
    if pair.same:
        return pair.result(pair.zero(), degree=2)
    x_mean, x_factor = _deviations(pair.xp, pair.x, pair.a)
    y_mean, y_factor = _deviations(pair.xp, pair.y, pair.b)
    value = pair.xp.sum((x_mean - y_mean) ** 2) + _bures(pair.xp, x_factor, y_factor)
    return pair.result(value, degree=2)


def _deviations(xp: Namespace, x: Array, a: Array) -> tuple[Array, Array]:
    """The mean and A with AᵀA the unbiased covariance: (n, d), of Rows no taller than wide."""
    if isinstance(x, Rows):
        with Bar(len(x), label="fitting") as bar:
            found = accumulated(_told(x, a, bar), triangular, degree=1)
        root = found.second * (found.scale / np.sqrt(divisor_of(xp, a, 1)))
        return found.origin + found.mean * found.scale, root
    mean, rows, divisor = centred(xp, x, a, 1)
    return mean, rows * safe_sqrt(xp, a / divisor)[:, None]


def _told(x: Rows, a: np.ndarray, bar: Bar) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for part, block in x.blocks(max(x.step, 4 * x.shape[1])):  # tall blocks: each costs a factorisation
        yield block, a[part]
        bar.advance(len(block))


def _bures(xp: Namespace, x: Array, y: Array) -> Array:
    """‖A‖² + ‖B‖² − 2‖ABᵀ‖_* of factors A (n, d) and B (m, d) of two covariances.

    From triangular factors, never from a covariance, whose condition number is the square.
    """
    wanted = carries_gradient(x, y)
    x_basis, x_root = _triangular(xp, detached(x), wanted)
    y_basis, y_root = _triangular(xp, detached(y), wanted)
    value, polar = procrustes(xp, x_root.T, y_root.T)
    if not wanted:
        return value
    parts = [(x, 2 * (x - x_basis(polar @ y_root))), (y, 2 * (y - y_basis(polar.T @ x_root)))]
    return envelope(value, parts)


def _triangular(xp: Namespace, a: Array, basis: bool) -> tuple[Callable[[Array], Array], Array]:
    """A = QR with R no taller than wide: r ↦ Qr, for which Q is only formed on request, and R."""
    if a.shape[0] <= a.shape[1]:
        return lambda r: r, a
    if not basis and not is_torch(a):  # the array API has no mode without Q, which is half the work
        return lambda r: r, np.linalg.qr(a, mode="r")
    q, root = xp.linalg.qr(a)
    return lambda r: q @ r, root
