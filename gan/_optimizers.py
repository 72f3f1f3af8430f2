"""Optimisers from text, and how their rates and momenta move during a run."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

from gan import _spec

__all__ = ["critic_steps", "momentum", "optimizer", "rate"]


def _adam(lr: float = 1e-3, beta1: float = 0.5, beta2: float = 0.9, *, parameters: list[Tensor]) -> Optimizer:
    # one kernel for all weights: at small networks the optimiser is a large share of a step
    return torch.optim.Adam(parameters, lr=lr, betas=(float(beta1), float(beta2)), fused=True)


def _rmsprop(lr: float = 5e-5, alpha: float = 0.99, *, parameters: list[Tensor]) -> Optimizer:
    return torch.optim.RMSprop(parameters, lr=lr, alpha=alpha, foreach=True)


def _sgd(lr: float = 0.1, momentum: float = 0.0, *, parameters: list[Tensor]) -> Optimizer:
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum, fused=True)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"adam": _adam, "rmsprop": _rmsprop, "sgd": _sgd}


def optimizer(text: str, parameters: Iterable[Tensor]) -> Optimizer:
    """The optimiser a text names; each group remembers its first rate as ``first_lr``."""
    try:
        made = _spec.build(text, OPTIMIZERS, "an optimizer", parameters=list(parameters))
    except TypeError as error:
        raise ValueError(f"cannot make an optimizer from {text!r}: {error}") from None
    for group in made.param_groups:
        group["first_lr"] = group["lr"]
    return made


# ── schedules ───────────────────────────────────────────────────────────────────────────────


def _check_share(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(f"a schedule's {name} must be a finite number of at least 0, got {value!r}")


def _cosine(final: float = 0.0, *, iterations: int) -> Callable[[int], float]:
    _check_share("final", final)
    return lambda t: final + (1 - final) * 0.5 * (1 + math.cos(math.pi * t / iterations))


def _linear(final: float = 0.0, *, iterations: int) -> Callable[[int], float]:
    _check_share("final", final)
    return lambda t: 1 + (final - 1) * t / iterations


def _exponential(rate: float = 4e-6, floor: float = 0.0, *, iterations: int) -> Callable[[int], float]:
    _check_share("rate", rate)
    _check_share("floor", floor)
    return lambda t: max((1 + rate) ** -t, floor)


def _constant(*, iterations: int) -> Callable[[int], float]:
    return lambda t: 1.0


SCHEDULES = {"constant": _constant, "cosine": _cosine, "linear": _linear, "exponential": _exponential}


def rate(text: str, iterations: int) -> Callable[[int], float]:
    """What the learning rates are multiplied by at iteration t."""
    return _spec.build(text, SCHEDULES, "a schedule", iterations=iterations)


def momentum(text: str | None) -> Callable[[int], float] | None:
    """The momentum at iteration t of ``"0.5 to 0.7 in 125000"``, linear and then constant."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*([\d.]+) to ([\d.]+) in (\d+)\s*", text)
    if match is None or int(match[3]) == 0:
        raise ValueError(f"momentum must read like '0.5 to 0.7 in 125000' (iterations), got {text!r}")
    start, stop, length = float(match[1]), float(match[2]), int(match[3])
    return lambda t: start + (stop - start) * min(t / length, 1.0)


def critic_steps(value: int | str) -> Callable[[int], int]:
    """How many critic steps come before generator step t: ``5``, or ``"100 until 25, then 5"``.

    >>> steps = critic_steps("100 until 25, then 5")
    >>> steps(0), steps(24), steps(25)
    (100, 100, 5)
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return lambda t: value
    text = str(value).strip()
    pieces = [part.strip().removeprefix("then ") for part in text.split(",")]
    bounds: list[tuple[int, float]] = []
    for piece in pieces:
        match = re.fullmatch(r"(\d+)(?: until (\d+))?", piece)
        if match is None or int(match[1]) < 1:
            break
        bounds.append((int(match[1]), math.inf if match[2] is None else int(match[2])))
    ends = [end for _, end in bounds]
    if len(bounds) != len(pieces) or ends != sorted(set(ends)) or ends[-1] != math.inf:
        raise ValueError(
            f"critic_steps must be a number of at least 1 or read like '100 until 25, then 5', got {value!r}"
        )
    return lambda t: next(steps for steps, end in bounds if t < end)
