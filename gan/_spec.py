"""Choices written as text, the way calls look: ``"adam(lr=0.01, beta1=0.5)"``, ``"mlp(64, 64)"``.

A recipe is plain text and numbers, so that a checkpoint, a command line and a table can hold it. Values
are Python literals; a bare word inside the brackets is text. Nothing is ever evaluated.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["Spec", "build", "did_you_mean", "parse", "text"]

T = TypeVar("T")

CALL = re.compile(r"(?P<name>[A-Za-z][\w-]*)\s*(\((?P<inside>.*)\))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Spec:
    """A parsed text: the name called, its values in order, its values by name."""

    name: str
    values: tuple[Any, ...]
    options: dict[str, Any]


def parse(text: str, what: str) -> Spec:
    """The call that ``text`` is; ``what`` names the thing in the error.

    >>> parse("mlp(64, 64, activation=relu)", "a network")
    Spec(name='mlp', values=(64, 64), options={'activation': 'relu'})
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} is named by a string such as 'name(option=1)', got {type(text).__name__}")
    match = CALL.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError("it is not a name with brackets")
        call = ast.parse(f"f({match['inside'] or ''})", mode="eval").body
        if not isinstance(call, ast.Call) or ast.unparse(call.func) != "f":
            raise ValueError("it is more than one call")
        values = tuple(map(_value, call.args))
        options: dict[str, Any] = {}
        for keyword in call.keywords:
            if keyword.arg is None or keyword.arg in options:
                raise ValueError("an option has no name, or is given twice")
            options[keyword.arg] = _value(keyword.value)
    # null bytes are a ValueError, text too deep a RecursionError
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"cannot read {what} {text!r} ({error}); write it as a call, for example 'name(option=1)'"
        ) from None
    name = match["name"].replace("_", "-")
    return Spec(name, values, options)


def text(name: str, values: Iterable[Any] = (), options: Mapping[str, Any] | None = None) -> str:
    """The text that ``parse`` reads so.

    >>> text("mlp", (64, 64), {"activation": "relu"})
    "mlp(64, 64, activation='relu')"
    """
    inside = [repr(value) for value in values]
    inside += [f"{key}={value!r}" for key, value in (options or {}).items()]
    return f"{name}({', '.join(inside)})"


def build(text: str, known: Mapping[str, Callable[..., T]], what: str, **given: Any) -> T:
    """What ``text`` names in ``known``, called with its values; an unknown name or option is an error.

    ``given`` are values the caller adds by name, such as the shape of the data; they are no options.
    """
    spec = parse(text, what)
    names = {name.replace("_", "-"): name for name in known}
    if spec.name not in names:
        raise ValueError(
            f"unknown {what.removeprefix('a ').removeprefix('an ')} {spec.name!r}"
            f"{did_you_mean(spec.name, names)}; there are {', '.join(sorted(names))}"
        )
    make = known[names[spec.name]]
    parameters = inspect.signature(make).parameters
    options = [name for name in parameters if name not in given]
    for key in spec.options:
        if key not in options:
            raise ValueError(
                f"{spec.name} has no option {key!r}{did_you_mean(key, options)}; "
                f"it takes {', '.join(options) or 'none'}"
            )
    try:
        bound = inspect.signature(make).bind(*spec.values, **spec.options, **given)
    except TypeError as error:
        raise ValueError(f"cannot make {what} from {text!r}: {error}") from None
    return make(*bound.args, **bound.kwargs)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return node.id
    return ast.literal_eval(node)
