"""A function by its name: ``package.module:function``, or a metric's spec."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from divergences.registry import Metric, parse

__all__ = ["resolve"]


def resolve(target: str) -> Callable[..., Any] | Metric:
    """The function that ``target`` names: "package.module:function", else a metric such as "energy".

    Modules are looked for where Python looks, and in the working directory.

    >>> resolve("math:hypot")
    <built-in function hypot>
    """
    module_name, colon, path = target.partition(":")
    if not colon or "(" in module_name:
        return parse(target)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise ValueError(f"cannot import {module_name!r}: {error}") from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise ValueError(f"{module_name} has no {path!r}; write package.module:function")
        found = getattr(found, name)
    if not callable(found):
        raise ValueError(f"{target} is not a function; got {type(found).__name__}")
    return found
