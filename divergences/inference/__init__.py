"""How sure is a value? Errors and floors, permutation tests, comparison of models."""

from __future__ import annotations

from divergences.inference.comparison import Comparison, compare_models
from divergences.inference.estimation import estimate
from divergences.inference.two_sample import two_sample_test

__all__ = ["Comparison", "compare_models", "estimate", "two_sample_test"]
