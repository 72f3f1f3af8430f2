"""What the readers share: the record each returns, the one error, and how lists are put in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["ReadError", "Table", "chosen", "few", "one_line"]


class ReadError(ValueError):
    """A file that cannot be read as samples; the message is one line and names the file."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a reader of one format returns: the array as stored and the names of its columns."""

    array: np.ndarray
    names: tuple[str, ...] | None = None


def chosen(arrays: Mapping[str, Any], choice: str | None, name: str) -> str:
    """The key of the one array in the file, or of the one asked for."""
    keys = ", ".join(arrays) or "none"
    if choice is not None:
        if choice not in arrays:
            raise ReadError(f"{name}: has no array {choice!r}; it holds {keys}")
        return choice
    if len(arrays) != 1:
        hint = f"; choose one: {name}:{next(iter(arrays))}" if arrays else ""
        raise ReadError(f"{name}: must hold one array, has {len(arrays)} ({keys}){hint}")
    return next(iter(arrays))


def one_line(error: Exception, limit: int = 160) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def few(labels: Sequence[str], separator: str = ",", limit: int = 6) -> str:
    return separator.join(labels[:limit]) + (f"{separator}…" if len(labels) > limit else "")
