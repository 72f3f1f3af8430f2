"""How sure is a value? Errors and floors, permutation tests, comparison of models, shares of rows."""

from __future__ import annotations

from divergences.inference.comparison import Comparison, compare_models
from divergences.inference.estimation import estimate
from divergences.inference.estimators import Estimators, compare_estimators
from divergences.inference.extrapolation import extrapolate, rows_needed
from divergences.inference.shares import (
    Attribution,
    Clusters,
    attribution,
    far_from_data,
    uncovered_clusters,
)
from divergences.inference.two_sample import two_sample_test

__all__ = [
    "Attribution",
    "Clusters",
    "Comparison",
    "Estimators",
    "attribution",
    "compare_estimators",
    "compare_models",
    "estimate",
    "extrapolate",
    "far_from_data",
    "rows_needed",
    "two_sample_test",
    "uncovered_clusters",
]
