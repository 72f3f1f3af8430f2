"""Tensors on another device: the same numbers, where the tensors are, in blocks.

Without a GPU the same code runs on the CPU's tensors, past the compiled loops that they would be given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import divergences as dv

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")),
]
MEASURES: dict[str, Callable[..., Any]] = {
    "energy": dv.energy,
    "squared_mmd": lambda x, y: dv.squared_mmd(x, y, bandwidth=2.0),
    "parzen": lambda x, y: dv.parzen_log_likelihood(x, y, bandwidth=0.8),
    "parzen search": lambda x, y: dv.parzen_log_likelihood(x, y, validation=x[:50], grid=[0.1, 0.9, 8.0]),
    "kl": dv.kl,
    "js": dv.js,
    "sinkhorn": lambda x, y: dv.sinkhorn_divergence(x, y, epsilon=2.0),
    "frechet": dv.frechet,
    "sliced": lambda x, y: dv.sliced_wasserstein(x, y, rng=0),
    "wasserstein": dv.wasserstein,
    "precision": lambda x, y: dv.precision_recall(x, y).precision,
    "coverage": lambda x, y: dv.precision_recall(x, y).coverage,
}
DESCENDED = ("energy", "squared_mmd", "parzen", "sinkhorn", "frechet", "sliced", "wasserstein")


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys.modules["divergences._pairwise.visit"], "_compiles", lambda *_: False)
    return request.param


def samples(dtype: torch.dtype, device: str) -> list[torch.Tensor]:
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(150, 5)), rng.normal(0.3, 1.2, size=(130, 5))
    return [torch.tensor(v, dtype=dtype, device=device) for v in rows]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", MEASURES)
def test_values_are_those_of_arrays_and_stay_on_the_device(
    name: str, dtype: torch.dtype, device: str
) -> None:
    x, y = samples(dtype, device)
    found = MEASURES[name](x, y)
    truth = MEASURES[name](*(v.cpu().double().numpy() for v in (x, y)))
    assert float(found) == pytest.approx(float(truth), rel=1e-9 if dtype == torch.float64 else 1e-5)
    if isinstance(found, torch.Tensor):
        assert found.device.type == device
        assert found.dtype == dtype


@pytest.mark.parametrize("name", DESCENDED)
def test_gradients_are_those_of_the_cpu(name: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slopes = []
    for where in (device, "cpu"):
        if len(slopes):
            monkeypatch.undo()
        x, y = samples(torch.float64, where)
        MEASURES[name](x, y.requires_grad_()).backward()
        assert y.grad is not None
        assert y.grad.device.type == where
        slopes.append(y.grad.cpu().numpy())
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-7, atol=1e-10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_memory_of_the_device_stays_far_below_a_matrix() -> None:
    x, y = (torch.randn(20_000, 16, device="cuda") for _ in range(2))
    for measure in (MEASURES["energy"], MEASURES["squared_mmd"], MEASURES["parzen"]):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        measure(x, y.clone().requires_grad_()).backward()
        assert torch.cuda.max_memory_allocated() - before < 2**30  # 20,000² in float64 are 3.2 GB
