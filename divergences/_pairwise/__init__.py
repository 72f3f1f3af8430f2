"""The only place that visits an n × m object: in blocks, never holding n × m numbers.

``visit`` looks at every pair of rows once and reduces their distances in all the ways asked for: sums
of functions of distance, log sums of exponentials by row. Every measure over pairs is written over
it. A block's height follows from scikit-learn's ``working_memory`` setting; blocks are spread over
the workers that ``joblib.parallel_config`` names.
"""

from __future__ import annotations

from divergences._pairwise.blocks import block_rows, row_slices
from divergences._pairwise.distances import (
    DIRECT_DIMENSIONS,
    distance_matrix,
    paired_squared_distances,
    representative_rows,
    representatives,
    rows_at,
    squared_distances,
)
from divergences._pairwise.functions import (
    Distance,
    Gaussian,
    Laplace,
    Power,
    Rational,
    Stationary,
    euclidean,
)
from divergences._pairwise.grams import gram_diagonal, gram_sums
from divergences._pairwise.row_sums import RowSums, row_sums
from divergences._pairwise.splits import StationaryGrams, split_sums
from divergences._pairwise.together import SHARED, Steps, Wish, log_weights, run, run_together, shares
from divergences._pairwise.visit import LogSums, row_logsumexp, self_sums, visit, weighted_sums
from divergences._pairwise.workers import spread

__all__ = [
    "DIRECT_DIMENSIONS",
    "SHARED",
    "Distance",
    "Gaussian",
    "Laplace",
    "LogSums",
    "Power",
    "Rational",
    "RowSums",
    "Stationary",
    "StationaryGrams",
    "Steps",
    "Wish",
    "block_rows",
    "distance_matrix",
    "euclidean",
    "gram_diagonal",
    "gram_sums",
    "log_weights",
    "paired_squared_distances",
    "representative_rows",
    "representatives",
    "row_logsumexp",
    "row_slices",
    "row_sums",
    "rows_at",
    "run",
    "run_together",
    "self_sums",
    "shares",
    "split_sums",
    "spread",
    "squared_distances",
    "visit",
    "weighted_sums",
]
