"""Rows that came in float32 are multiplied in float32: how far that may move a result."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
import torch

import divergences as dv
from divergences import _pairwise as pw
from divergences._inputs import check_pair
from divergences._rows import Rows

FUNCTIONS = [pw.Distance(), pw.Gaussian(0.02), pw.Laplace(0.2), pw.Rational(0.05), pw.Power(0.75)]
MANY = list(np.geomspace(0.01, 1.0, 45))  # enough for the histogram
RATES = {"one": [0.05], "narrow": [20.0], "three": [0.5, 1e-3, 5.0], "many": MANY}
EPS = 2.0**-24
DIMENSIONS = pytest.mark.parametrize("d", [13, 100])

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    for least in ("COMPILED_PAIRS", "TENSOR_PAIRS"):
        monkeypatch.setattr(sys.modules["divergences._pairwise.visit"], least, 0)


def problem(rng: np.random.Generator, n: int, m: int, d: int) -> tuple:
    """Rows of float32 in float64, some in common, some near-duplicates, with weights."""
    x, y = rng.normal(size=(n, d)), rng.normal(0.1, 1.0, size=(m, d))
    y[:5], y[5:9] = x[:5], x[5:9] + 1e-4
    x, y = (v.astype(np.float32).astype(np.float64) for v in (x, y))
    return x, y, rng.random(n) / n, (rng.random(m) + 0.5) / m


def exact(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ((x[:, None] - y[None]) ** 2).sum(axis=2)


def room(x: np.ndarray, y: np.ndarray) -> float:
    """What a squared distance may be off: a few roundings of the largest square about the centre."""
    far = max(float(((v - y.mean(axis=0)) ** 2).sum(axis=1).max()) for v in (x, y))
    return 8 * EPS * far


@DIMENSIONS
@pytest.mark.parametrize("rates", RATES)
def test_single_is_as_good_as_the_rows_are_known(rng: np.random.Generator, d: int, rates: str) -> None:
    x, y, a, b = problem(rng, 60, 700, d)
    squared, own = exact(x, y), np.arange(60) * 5
    sums, _ = pw.visit(x, y, a, b, FUNCTIONS, single=True)
    for value, function in zip(sums, FUNCTIONS, strict=True):
        assert float(value) == pytest.approx(float(a @ function(squared) @ b), rel=3e-7)
    squares = exact(x, x)
    for value, function in zip(pw.visit(x, None, a, None, FUNCTIONS, single=True)[0], FUNCTIONS, strict=True):
        assert float(value) == pytest.approx(float(a @ function(squares) @ a), rel=3e-7)
    without = squared.copy()
    without[np.arange(60), own] = np.inf
    light = np.log(b) - 100.0 * (np.arange(700) < 9)  # the nearest columns weigh next to nothing
    for weights in (np.log(b), np.log(b * np.geomspace(1, 1e9, 700)), light):
        together = pw.visit(x, y, a, b, FUNCTIONS, pw.LogSums(weights, RATES[rates]), single=True)[1]
        alone = pw.row_logsumexp(x, y, weights, RATES[rates], single=True)
        others = pw.row_logsumexp(x, y, weights, RATES[rates], own=own, single=True)
        for found, t in ((together, squared), (alone, squared), (others, without)):
            for k, rate in enumerate(RATES[rates]):
                truth = np.logaddexp.reduce(weights - rate * t, axis=1)
                np.testing.assert_allclose(found[k], truth, rtol=0, atol=rate * room(x, y) + 3e-7)


def test_near_rows_keep_their_digits(rng: np.random.Generator) -> None:
    """‖x‖² + ‖y‖² − 2⟨x, y⟩ in float32 leaves nothing of a distance of 1e-3."""
    x = rng.normal(size=(300, 40)).astype(np.float32).astype(np.float64)
    y = x + np.geomspace(1e-4, 0.5, 300)[:, None] * rng.normal(size=(300, 40))
    y = y.astype(np.float32).astype(np.float64)
    nearest = exact(x, y).min(axis=1)
    found = -pw.row_logsumexp(x, y, np.zeros(300), [1e9], single=True)[0] / 1e9
    np.testing.assert_allclose(found, nearest, rtol=2e-5, atol=1e-20)
    # windows narrower than float32 can say: only equal rows are met
    assert np.all(pw.row_logsumexp(x, x, np.zeros(300), [1e39, 1e300], single=True) == 0)
    kernels = [pw.Gaussian(1e39), pw.Laplace(1e300)]
    for value in pw.visit(x, None, np.full(300, 1 / 300), None, kernels, single=True)[0]:
        assert float(value) == pytest.approx(1 / 300)
    assert float(pw.visit(x, x, np.eye(300)[7], np.eye(300)[7], [pw.Distance()], single=True)[0][0]) == 0


def test_clusters_far_apart_go_back_to_float64(rng: np.random.Generator) -> None:
    """Within a cluster all pairs are near: too many for differences one by one."""
    centres = 1e4 * rng.normal(size=(3, 30))
    x, y = ((centres[np.arange(600) % 3] + rng.normal(size=(600, 30))).astype(np.float32) for _ in range(2))
    got, truth = dv.energy(x, y), dv.energy(x.astype(float), y.astype(float))
    assert float(got) == pytest.approx(float(truth), rel=1e-6)
    sums = [
        pw.visit(x.astype(float), y.astype(float), a, a, [pw.Distance()], single=single)[0][0]
        for a in [np.full(600, 1 / 600)]
        for single in (True, False)
    ]
    assert float(sums[0]) == pytest.approx(float(sums[1]), rel=1e-14)


@DIMENSIONS
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_float32_samples_are_multiplied_in_float32(
    rng: np.random.Generator, d: int, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[str] = []
    plain = importlib.import_module("divergences._pairwise.tiles")._Rows  # loaded on first use
    product = plain._product
    monkeypatch.setattr(
        plain, "_product", lambda *parts: kinds.append(parts[1].dtype.name) or product(*parts)
    )
    x, y, *_ = problem(rng, 200, 300, d)
    offset = 2.0**10
    measures = {
        "energy": dv.energy,
        "mmd": lambda x, y: dv.squared_mmd(x, y, bandwidth=3.0),
        "parzen": lambda x, y: dv.parzen_log_likelihood(x, y, bandwidth=1.5),
        "search": lambda x, y: dv.parzen_log_likelihood(x, y, validation=x, grid=[0.2, 1.2, 7.0]),
    }
    for name, measure in measures.items():
        truth = float(measure(x, y))
        for shift in (0.0, offset):
            # in float32 the shift rounds: both get what is left
            single = [(v + shift).astype(np.float32) for v in (x, y)]
            double = [v.astype(np.float64) for v in single]
            kinds.clear()
            got = measure(*(single if library == "numpy" else map(torch.from_numpy, single)))
            assert set(kinds) == {"float32"}, name
            kinds.clear()
            truth = float(measure(*double))
            assert "float64" in kinds or name == "parzen"  # whose far terms are ruled out in float32
            assert "float32" in str(got.dtype)
            assert float(got) == pytest.approx(truth, rel=3e-6), (name, shift)
    mixed = dv.energy(x.astype(np.float32), y)  # one side is known better
    assert float(mixed) == pytest.approx(float(dv.energy(x, y)), rel=1e-6)
    kinds.clear()
    dv.energy(x.astype(np.float32), y)
    assert set(kinds) == {"float64"}


@DIMENSIONS
def test_blocks_change_no_more_than_rounding(
    rng: np.random.Generator, d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, a, b = problem(rng, 40, 330, d)
    logs = pw.LogSums(np.log(b), [0.05, 0.5])

    def everything(x: object, y: object) -> list[np.ndarray]:
        sums, found = pw.visit(x, y, a, b, FUNCTIONS, logs, single=True)
        return [*sums, *pw.visit(x, None, a, None, FUNCTIONS, single=True)[0], found]

    whole = everything(x, y)
    for size in (8 * d, 8 * d * 60):
        with monkeypatch.context() as patch:
            patch.setattr(pw.blocks, "BLOCK_BYTES", size)
            for one, other in ((x, y), (Rows(_Elsewhere(x)), Rows(_Elsewhere(y)))):
                for value, truth in zip(everything(one, other), whole, strict=True):
                    np.testing.assert_allclose(value, truth, rtol=3e-7, atol=0.5 * room(x, y))


class _Elsewhere:
    """float32 rows that can only be sliced."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows.astype(np.float32)
        self.shape, self.dtype = self._rows.shape, self._rows.dtype

    def __getitem__(self, part: slice) -> np.ndarray:
        return self._rows[part]


def test_a_pair_knows_whether_both_sides_are_float32() -> None:
    x = np.arange(6.0).reshape(3, 2)
    kinds = {"f4": True, "f8": False, "i8": False, "f2": False, ">f4": True}
    for kind, single in kinds.items():
        assert check_pair(x.astype(kind), x.astype(kind)).single is single, kind
    assert not check_pair(x.astype("f4"), x).single
    for dtype, single in ((torch.float32, True), (torch.float64, False), (torch.float16, True)):
        assert check_pair(torch.as_tensor(x, dtype=dtype), torch.as_tensor(x, dtype=dtype)).single is single
