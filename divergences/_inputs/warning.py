"""The package's one warning, issued at the caller's own line."""

from __future__ import annotations

import sys
import warnings

__all__ = ["DivergenceWarning", "warn"]


class DivergenceWarning(UserWarning):
    """The number is right as defined, but may not be what you want; the text says what to do."""


def warn(message: str) -> None:
    """Issue a DivergenceWarning that points at the caller's own line."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("divergences."):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, DivergenceWarning, stacklevel=depth)
