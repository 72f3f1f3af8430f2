"""Train generative models with the measures of ``divergences`` as objectives, and judge them with the same.

``train(RECIPES["ring"])`` returns a ``Model`` to ``sample`` from; ``Recipe`` says what a run is; ``load``
reads a model back from a checkpoint. ``gan train`` does the same from a shell. Parts: ``objectives``,
``regularizers``, ``networks``, ``data``, ``recipes``, ``training``, ``evaluation`` (how good a model is) and
``comparison`` (objectives side by side), each to be used on its own.

What needs torch is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gan.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    from gan.model import Model, load
    from gan.training import TrainingFault, train

__all__ = ["RECIPES", "Model", "Recipe", "TrainingFault", "load", "train"]

_HOMES = {"Model": "model", "load": "model", "TrainingFault": "training", "train": "training"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gan' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"gan.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
