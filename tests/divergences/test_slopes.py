"""The compiled gradients of sums over pairs against the differentiable operations they replace."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import sklearn
import torch

import divergences as dv
from divergences._pairwise import Distance, Gaussian, Laplace, LogSums, Power, Rational, visit

FUNCTIONS = [Distance(), Gaussian(0.3), Laplace(0.4), Rational(0.2), Power(0.75)]
WAYS = ("itself", "across", "squares", "two rates", "roots", "leave one out")


@pytest.fixture
def compiled(monkeypatch):
    """Sets from how many pairs on tensors go through the compiled loops: never or always, in small tiles."""
    module = importlib.import_module("divergences._pairwise.visit")
    slopes = importlib.import_module("divergences._pairwise.slopes")
    monkeypatch.setattr(slopes, "SYMMETRIC_ROWS", 32)
    monkeypatch.setattr(slopes, "DIRECT_TILE", 40)
    with sklearn.config_context(working_memory=0.05):
        yield lambda wanted: monkeypatch.setattr(module, "TENSOR_PAIRS", 1 if wanted else 2**60)


def problem(d: int) -> list[torch.Tensor]:
    """x, y, their weights and log weights, with equal and nearly equal rows and a weight of nothing."""
    generator = torch.Generator().manual_seed(d)
    x, y = (torch.randn(n, d, generator=generator, dtype=torch.float64) for n in (70, 90))
    x[9], x[11], y[5], y[6] = x[10], x[12] + 1e-7, x[7], x[8] + 1e-7
    a, b = (torch.rand(n, generator=generator, dtype=torch.float64) for n in (70, 90))
    log_b = b.log()
    log_b[3] = -torch.inf
    return [v.requires_grad_() for v in (x, y, a, b, log_b)]


def total(way: str, x, y, a, b, log_b) -> torch.Tensor:
    """One number of everything ``visit`` finds, each part with a weight of its own."""
    if way in ("itself", "across"):
        sums = visit(x, None, a, None, FUNCTIONS) if way == "itself" else visit(x, y, a, b, FUNCTIONS)
        return sum((k + 1) * value for k, value in enumerate(sums[0]))
    own = torch.arange(len(x)) if way == "leave one out" else None
    rates = [0.1, 0.3] if way == "two rates" else [0.2]
    found = visit(x, y, None, None, (), LogSums(log_b, rates, own, 1.0 if way == "roots" else 2.0))[1]
    weights = torch.linspace(-1, 2, found.numel(), dtype=torch.float64).reshape(found.shape)
    return (weights * found).sum()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("d", [1, 8, 13])
def test_gradients_are_those_of_the_plain_operations(compiled, d, way):
    found = []
    for wanted in (False, True):
        compiled(wanted)
        inputs = problem(d)
        value = total(way, *inputs)
        found.append((value.detach(), torch.autograd.grad(value, inputs, allow_unused=True)))
    (plain, plain_slopes), (value, slopes) = found
    torch.testing.assert_close(value, plain, rtol=1e-13, atol=0.0)
    for name, slope, expected in zip(["x", "y", "a", "b", "log_b"], slopes, plain_slopes, strict=True):
        assert (slope is None) == (expected is None), name
        if slope is not None:
            scale = float(expected.abs().max())
            torch.testing.assert_close(slope, expected, rtol=0.0, atol=1e-13 * scale, msg=name)


def test_only_what_is_asked_for(compiled):
    compiled(True)
    x, y, a, b, _ = problem(3)
    found = visit(x.detach(), y, a.detach(), b.detach(), [Distance()])[0][0]
    assert "Compiled" in names_of(found.grad_fn)
    found.backward()
    assert y.grad is not None
    assert x.grad is None
    assert b.grad is None


@pytest.mark.parametrize("way", ["across", "squares"])
def test_second_derivatives(compiled, way):
    found = []
    for wanted in (False, True):
        compiled(wanted)
        inputs = problem(2)
        (slope,) = torch.autograd.grad(total(way, *inputs), inputs[1], create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), inputs[0])[0])
    scale = float(found[0].abs().max())
    torch.testing.assert_close(found[1], found[0], rtol=0.0, atol=1e-11 * scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_energy_of_a_training_batch(dtype):
    """Large enough to be compiled without being told to; the gradient by differences of the value."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 3, generator=generator, dtype=dtype)
    y = torch.randn(280, 3, generator=generator, dtype=dtype).requires_grad_()
    value = dv.energy(x, y)
    assert value.dtype == dtype
    assert "Compiled" in names_of(value.grad_fn)
    value.backward()
    assert y.grad.dtype == dtype
    step = torch.randn(280, 3, generator=generator, dtype=torch.float64)
    both = [dv.energy(x.double(), y.detach().double() + h * step) for h in (1e-5, -1e-5)]
    slope = float((y.grad.double() * step).sum())
    assert slope == pytest.approx(
        float(both[0] - both[1]) / 2e-5, rel=1e-5 if dtype is torch.float32 else 1e-7
    )


def test_an_offset_changes_nothing():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(300, 20)).round(6), rng.normal(size=(300, 20)).round(6)
    slopes = []
    for offset in (0.0, 2.0**20):
        moved = torch.tensor(y + offset, requires_grad=True)
        dv.energy(torch.tensor(x + offset), moved).backward()
        slopes.append(moved.grad)
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-8, atol=1e-12)


def names_of(node) -> str:
    """The names of all functions in a gradient's graph."""
    if node is None:
        return ""
    return type(node).__name__ + " " + " ".join(names_of(one) for one, _ in node.next_functions)
