"""What every command shares: refusals in one line, settings as text, the data of a recipe."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from gan.data import Dataset
    from gan.recipes import Recipe

__all__ = ["complain", "free", "load", "refusals", "settings"]


def complain(text: str) -> None:
    """One line on stderr, whatever the message looked like."""
    sys.stderr.write(f"gan: {' '.join(text.split())}\n")


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What the user can mend becomes one line and exit code 2."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror or error}")
        raise typer.Exit(2) from None
    except ModuleNotFoundError as error:
        hint = "; pip install 'divergences[gan]'" if error.name in ("torch", "lightning_fabric") else ""
        complain(f"{error}{hint}")
        raise typer.Exit(2) from None
    except (ValueError, TypeError) as error:
        complain(str(error))
        raise typer.Exit(2) from None


def settings(texts: Sequence[str]) -> dict[str, Any]:
    """``field=value`` pairs; a value that reads as a number is one."""
    import ast

    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set takes FIELD=VALUE, such as batch=256; got {text!r}")
        try:
            number = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            number = value
        found[name.strip()] = number if isinstance(number, (int, float)) or number is None else value
    return found


def load(recipe: Recipe) -> Dataset:
    """The data of a recipe, split by its seed."""
    from gan import data

    return data.load(recipe.data, seed=recipe.seed)


def free(name: str) -> Path:
    """A folder that holds no run yet."""
    candidates = [Path(name), *(Path(f"{name}-{number}") for number in range(2, 10_000))]
    return next(folder for folder in candidates if not folder.exists())
