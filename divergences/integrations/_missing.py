"""What is said where a library is not installed."""

from __future__ import annotations

__all__ = ["missing"]


def missing(library: str, extra: str) -> ImportError:
    """The error that names the extra to install."""
    return ImportError(
        f"divergences.integrations.{extra} needs {library}: pip install 'divergences[{extra}]'", name=library
    )
