"""What every test may use: a seeded generator, read-only inputs, the shared data sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores: where each has as many threads as there are cores, those wait for each other,
    # and some tests take fifty times as long. Read when the libraries below are loaded.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# The same examples on every run and machine; a slow machine is not a failure.
settings.register_profile(
    "deterministic", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("deterministic")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with the same seed for every test."""
    return np.random.default_rng(20240229)


@pytest.fixture
def read_only() -> Callable[..., np.ndarray]:
    """An array that a function writing into its inputs fails on."""

    def freeze(values: object, dtype: object = None) -> np.ndarray:
        array = np.array(values, dtype=dtype)
        array.flags.writeable = False
        return array

    return freeze


@pytest.fixture
def samples(rng: np.random.Generator, read_only: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Two read-only samples, (40, 3) and (50, 3), from different distributions."""
    return read_only(rng.normal(size=(40, 3))), read_only(rng.normal(0.5, 1.5, size=(50, 3)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data sets beside the checkout; a test that needs it is skipped elsewhere."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the shared data sets are not beside this checkout")
    return path
