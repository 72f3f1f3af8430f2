"""How sure is a value? Errors and floors, permutation tests, comparison of models."""

from __future__ import annotations

from divergences.inference.estimation import estimate

__all__ = ["estimate"]
