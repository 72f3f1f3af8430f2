"""Features of samples: a callable applied to both sides, batch by batch, before anything is measured."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from divergences._arrays import Array, is_torch
from divergences._inputs import check_integer

__all__ = ["evaluating", "extracted", "feature_name"]


def extracted(features: Callable[[Any], Any], samples: Any, name: str, *, batch_size: int = 256) -> Array:
    """What ``features`` makes of ``samples``: (n, d), in the library it answers in.

    ``samples`` is anything sliced by rows (an array of any number of axes, a list of texts or images, a
    column of a table), cut into ``batch_size`` rows each, or an iterable of batches such as a DataLoader.
    A torch module is put in evaluation mode while it is asked, gets no gradients, and is handed arrays
    as tensors of its own device and dtype; any other callable gets the batches as they are.
    """
    if not callable(features):
        raise TypeError(f"features must be a callable that takes a batch; got {type(features).__name__}")
    size = check_integer(batch_size, "batch_size", minimum=1)
    module = _is_module(features)
    parts = []
    with evaluating(features) if module else nullcontext():
        for batch in _batches(samples, size, name):
            answer = features(_as_input(batch, features) if module else batch)
            parts.append(_checked(answer, batch, name))
    if not parts:
        raise ValueError(f"{name} must not be empty; got no batch")
    if len({(is_torch(part), part.shape[1]) for part in parts}) > 1:
        shapes = sorted({f"{type(part).__name__} (·, {part.shape[1]})" for part in parts})
        raise ValueError(f"features must answer alike for every batch of {name}; got {' and '.join(shapes)}")
    if is_torch(parts[0]):
        return sys.modules["torch"].cat(parts)
    return np.concatenate(parts)


def feature_name(features: Any) -> str:
    """What a report calls a feature extractor: a function's own name or an object's class."""
    return getattr(features, "__name__", None) or type(features).__name__


@contextmanager
def evaluating(*modules: Any) -> Iterator[None]:
    """Evaluation mode and no gradients inside; outside, every module is in the mode it was in."""
    modes = [(part, part.training) for module in modules if _is_module(module) for part in module.modules()]
    torch = sys.modules.get("torch")
    try:
        for part, _ in modes:
            part.training = False
        with torch.no_grad() if torch else nullcontext():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


def _is_module(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _batches(samples: Any, size: int, name: str) -> Iterator[Any]:
    if isinstance(samples, (str, bytes)) or samples is None:
        raise TypeError(f"{name} must be samples; got {type(samples).__name__}")
    if not hasattr(samples, "__getitem__"):
        if not hasattr(samples, "__iter__"):
            raise TypeError(f"{name} must be rows or an iterable of batches; got {type(samples).__name__}")
        yield from samples
        return
    shape = getattr(samples, "shape", None)
    rows = int(shape[0]) if shape else len(samples)
    source = getattr(samples, "iloc", samples)  # pandas before 3 cuts an index of floats by label
    for start in range(0, rows, size):
        yield source[start : start + size]


def _as_input(batch: Any, module: Any) -> Any:
    """NumPy rows as a tensor on the module's device and, if they are floats, in its dtype."""
    torch = sys.modules["torch"]
    tensor = torch.as_tensor(np.ascontiguousarray(batch)) if isinstance(batch, np.ndarray) else batch
    own = next(iter(module.parameters()), None)
    if own is None or not is_torch(tensor):
        return tensor
    return tensor.to(own.device, own.dtype if tensor.is_floating_point() else tensor.dtype)


def _checked(answer: Any, batch: Any, name: str) -> Array:
    if isinstance(answer, (tuple, dict)) or answer is None:
        raise TypeError(f"features must return one array a batch; got {type(answer).__name__} for {name}")
    rows = answer.detach() if is_torch(answer) else np.asarray(answer)
    if rows.ndim not in (1, 2):
        raise ValueError(
            f"features must return (rows, d); got shape {tuple(rows.shape)} for a batch of {name}. Pool or "
            "flatten the other axes"
        )
    shape = getattr(batch, "shape", None)
    expected = int(shape[0]) if shape else len(batch) if isinstance(batch, list) else None
    if expected is not None and len(rows) != expected:
        raise ValueError(
            f"features must return a row for each sample; got {len(rows)} for {expected} of {name}"
        )
    return rows.reshape(len(rows), -1)
