"""The same number, however it is computed: other libraries, blocks, threads; and gradients by differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from divergences._arrays import Array
from divergences.laws.law import law
from divergences.laws.measured import Measured, Outcome, both, equal
from divergences.laws.reference import Family
from divergences.laws.subject import Crashed, NotApplicable, Refused, Subject

__all__: list[str] = []

SMALL_BLOCKS = 0.0005  # MiB: three rows or so


def _in_the_other_library(fn: Subject, *arrays: Array) -> Outcome:
    other = replace(fn, library="numpy" if fn.library == "torch" else "torch", cache={})
    return equal(fn(*arrays), other(*arrays))


@law("NumPy and torch give the same number", source="one code", on="pmf", claims="both libraries")
def numpy_and_torch_agree(d: Family, p: Array, q: Array) -> Outcome:
    return _in_the_other_library(d.fn, p, q)


@law("NumPy and torch give the same number", source="one code", on="samples", claims="both libraries")
def numpy_and_torch_agree_on_samples(d: Family, x: Array, y: Array) -> Outcome:
    return _in_the_other_library(d.fn, x, y)


@law("NumPy and torch give the same number", source="one code", on="gaussian", claims="both libraries")
def numpy_and_torch_agree_on_gaussians(
    d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array
) -> Outcome:
    return _in_the_other_library(d.fn, x_mean, x_cov, y_mean, y_cov)


@law("the size of the row blocks changes nothing", source="a sum in parts", on="samples", claims="blocks")
def size_of_the_blocks(d: Family, x: Array, y: Array) -> Outcome:
    from sklearn import config_context

    wanted = d.fn(x, y)
    with config_context(working_memory=SMALL_BLOCKS):
        got = replace(d.fn, cache={})(x, y)
    return equal(got, wanted)


@law(
    "two threads at once, and workers, change nothing",
    source="a sum in parts",
    on="samples",
    claims="threads",
)
def threads(d: Family, x: Array, y: Array) -> Outcome:
    from joblib import parallel_config
    from sklearn import config_context

    wanted = d.fn(x, y)
    alone = [replace(d.fn, cache={}) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(lambda fn: fn(x, y), alone))
    with config_context(working_memory=SMALL_BLOCKS), parallel_config(backend="threading", n_jobs=2):
        got.append(replace(d.fn, cache={})(x, y))
    return both(*(equal(value, wanted) for value in got))


# ── gradients ───────────────────────────────────────────────────────────────────────────────


def _slopes_agree(
    fn: Subject,
    arrays: tuple[Array, ...],
    directions: tuple[Array, ...],
    step: float,
    through: Callable[..., tuple[Any, ...]],
) -> Outcome:
    """The directional derivative by autograd lies between the one-sided differences.

    For a smooth function the two differ by step·f'' and their mean from the derivative by no more;
    at a kink a subgradient lies between them. Their rounding is that of two values over the step.
    """
    if fn.library != "torch":
        raise NotApplicable("gradients are torch's")
    import torch

    if fn.dtype == "float32":
        raise NotApplicable("differences in float32 keep no digits of a derivative")
    here = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
    try:
        value = fn.function(*through(*here), **fn.options)
    except (ValueError, TypeError) as error:
        raise Refused(str(error)) from error
    except Exception as error:
        raise Crashed(str(error)) from error
    if not math.isfinite(float(value)):
        return None
    if not value.requires_grad:
        return math.inf
    grads = torch.autograd.grad(value, here, allow_unused=True)
    if any(g is None or not bool(torch.isfinite(g).all()) for g in grads):
        return math.inf
    slope = sum(float((g * torch.tensor(v)).sum()) for g, v in zip(grads, directions, strict=True))

    def at(s: float) -> Measured:
        moved = through(*(torch.tensor(a + s * v) for a, v in zip(arrays, directions, strict=True)))
        return fn(*(part.numpy() for part in moved))

    middle = at(0.0)
    ahead, behind = (at(step) - middle) * (1 / step), (middle - at(-step)) * (1 / step)
    width = abs(ahead.value - behind.value)
    centre = 0.5 * (ahead + behind)
    return equal(slope, Measured(centre.value, centre.error + width))


def _spread(x: Array) -> Array:
    """Rows moved off the grid and apart, so that no tie or kink is near."""
    n, d = x.shape
    return x + 0.37 * np.sin(1.0 + np.arange(n * d).reshape(n, d) * 1.618)


@law("the gradient is the derivative", source="finite differences", on="samples", claims="differentiable")
def gradient_in_the_samples(d: Family, x: Array, y: Array, x2: Array, y2: Array) -> Outcome:
    x, y = _spread(x) - x[0], _spread(y)[:, ::-1].copy() - x[0]
    return _slopes_agree(d.fn, (x, y), (x2 - x2.mean(), y2 - y2.mean()), 2.0**-18, lambda *s: s)


@law(
    "the gradient is the derivative along the simplex",
    source="finite differences",
    on="pmf",
    claims="differentiable",
)
def gradient_on_the_simplex(d: Family, p: Array, q: Array, test: Array) -> Outcome:
    import sys

    torch = sys.modules.get("torch")
    if torch is None or d.fn.library != "torch":
        raise NotApplicable("gradients are torch's")
    logits = [np.log(v + 0.05) for v in (p, q)]
    return _slopes_agree(
        d.fn,
        tuple(logits),
        (test, test[::-1].copy()),
        2.0**-18,
        lambda *s: tuple(torch.softmax(v, 0) for v in s),
    )


@law(
    "the gradient is the derivative in means and covariances",
    source="finite differences",
    on="gaussian",
    claims="differentiable",
)
def gradient_of_gaussians(
    d: Family, x_mean: Array, x_cov: Array, y_mean: Array, y_cov: Array, z_mean: Array, z_cov: Array
) -> Outcome:
    k = len(x_mean)
    factors = [np.linalg.cholesky(c + np.eye(k)) for c in (x_cov, y_cov)]
    directions = (
        z_mean,
        z_cov / (1 + np.abs(z_cov).max()),
        -z_mean,
        z_cov.T[::-1] / (1 + np.abs(z_cov).max()),
    )

    def through(m: Any, a: Any, n: Any, b: Any) -> tuple[Any, ...]:
        return m, a @ a.T, n, b @ b.T

    return _slopes_agree(
        d.fn, (x_mean, factors[0], y_mean, factors[1]), tuple(v.copy() for v in directions), 2.0**-18, through
    )
