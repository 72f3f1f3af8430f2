"""What a measure says when there is nothing to say: its value between two halves of the reference."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from divergences._arrays import detached, to_numpy
from divergences._inputs import DivergenceWarning
from divergences.inference.rows import with_rng
from divergences.registry import Metric

__all__ = ["null_values"]


def null_values(row: Metric, x: Any, splits: int, rng: np.random.Generator) -> np.ndarray:
    """The metric between two halves of x, (splits,), each of n // 2 rows and parted at random anew.

    The halves are of distinct rows: rows drawn with replacement repeat themselves, and whatever looks
    at nearest neighbours takes two samples that share rows for closer than they are.
    """
    rows = np.asarray(to_numpy(detached(x)))
    half = len(rows) // 2
    seed = int(rng.integers(2**32))
    bound = with_rng(row, seed)
    weights = row.options.get("x_weights")
    found = []
    with warnings.catch_warnings():  # of half as many rows than the caller has
        warnings.simplefilter("ignore", DivergenceWarning)
        for _ in range(splits):
            order = rng.permutation(len(rows))
            parts = order[:half], order[half : 2 * half]
            found.append(float(_reweighted(bound, weights, parts)(rows[parts[0]], rows[parts[1]])))
    return np.array(found)


def _reweighted(row: Metric, weights: Any, parts: tuple[np.ndarray, np.ndarray]) -> Metric:
    """The metric with the weights of the rows in each half, where it has any."""
    given = {name for name in ("x_weights", "y_weights") if row.options.get(name) is not None}
    if not given:
        return row
    if weights is None:
        return row.with_options(y_weights=None)
    whole = np.asarray(to_numpy(detached(weights)))
    return row.with_options(x_weights=whole[parts[0]], y_weights=whole[parts[1]])
