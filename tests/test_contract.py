"""What every metric promises, whoever wrote it: one harness over METRICS × library × dtype.

A new row of METRICS is tested from the moment it exists, with its default options; to have more of
its options tested, add a line to ``SPECS``. Where a promise does not hold by definition, ``EXEMPT``
says why, in one table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn
import torch

import divergences as dv
from divergences import METRICS, Metric, _pairwise, parse

pytestmark = pytest.mark.filterwarnings("ignore::divergences._inputs.DivergenceWarning")

EPS = {"float64": float(np.finfo(np.float64).eps), "float32": float(np.finfo(np.float32).eps)}
OPERATIONS = 2000  # roundings that may pile up: pairs of the samples below, all one way
FRAME_SHIFT = 1e8

RATIO = ("kl", "reverse_kl", "js", "tv", "hellinger", "chi2", "renyi", "f_divergence")
SPECS = """
energy
cramer
squared_mmd
squared_mmd(estimator='biased')
squared_mmd(kernel='laplace', bandwidth=1.0)
squared_mmd(kernel='rational_quadratic', bandwidth=(0.5, 2.0), estimator='biased')
squared_mmd(kernel='polynomial')
squared_mmd(kernel='linear', estimator='biased')
kid
wasserstein
wasserstein(p=2)
wasserstein(p=3)
sliced_wasserstein(rng=0, n_projections=8)
sliced_wasserstein(rng=0, n_projections=8, p=1)
max_sliced_wasserstein(rng=0, n_projections=8)
parzen_log_likelihood
parzen_log_likelihood(bandwidth=0.5)
sinkhorn_divergence(tolerance=1e-10)
sinkhorn_divergence(epsilon=0.5, tolerance=1e-10)
sinkhorn_divergence(epsilon=0.5, p=1, tolerance=1e-10)
frechet
precision_recall
precision_recall(k=1)
classifier_two_sample(rng=0)
renyi(alpha=2)
js(estimator='histogram')
js(estimator='parzen')
gaussian.renyi(alpha=0.5)
gaussian.renyi(alpha=2)
pmf.renyi(alpha=0)
pmf.renyi(alpha=0.5)
pmf.renyi(alpha=2)
pmf.renyi(alpha=1e999)
pmf.alpha(alpha=-1)
pmf.alpha(alpha=0.5)
pmf.alpha(alpha=3)
pmf.f_divergence(f='tv')
f_divergence(f='triangular')
"""
REQUIRED = {"alpha": 0.5, "f": "js"}


def _rows() -> Iterator[Metric]:
    """The rows to test: those named above, and every metric with defaults where it is not."""
    named = [parse(line) for line in SPECS.split("\n") if line]
    yield from named
    for row in METRICS.values():
        needed = {key: REQUIRED[key] for key, p in row.keywords.items() if p.default is p.empty}
        if "rng" in row.keywords:
            needed["rng"] = 0
        if not any(other.name == row.name for other in named) or row.name in RATIO:
            yield row.with_options(**needed)
        if row.name in RATIO:
            yield row.with_options(estimator="histogram", bins=4, **needed)
            yield row.with_options(estimator="parzen", bandwidth=0.7, **needed)
            if row.name in ("kl", "js"):  # a fit a fold: two of the family will do
                yield row.with_options(estimator="classifier", folds=2, **needed)


ROWS = list({row.spec: row for row in _rows()}.values())


def estimator(row: Metric) -> str:
    """How a divergence between samples gets its density ratio; empty for everything else."""
    return row.options.get("estimator", "knn") if row.name in RATIO else ""


def trained(row: Metric) -> bool:
    return row.name == "classifier_two_sample" or estimator(row) == "classifier"


def unbiased_mmd(row: Metric) -> bool:
    return row.name == "kid" or (row.name == "squared_mmd" and row.options.get("estimator") != "biased")


def polynomial(row: Metric) -> bool:
    return row.name == "kid" or row.options.get("kernel") == "polynomial"


def has_unit(row: Metric) -> bool:
    """Options in the data's unit: scaling the data without them is another question."""
    return "bandwidth" in row.options or "epsilon" in row.options


# promise: [(which rows are exempt, why)]
EXEMPT = {
    "order of rows": [
        (trained, "rows are dealt into folds by position"),
    ],
    "scale": [
        (has_unit, "the bandwidth (or ε) has a unit and is not scaled with the data"),
        (polynomial, "its +1 sets a unit, as published"),
    ],
    "translation": [
        (polynomial, "inner products have an origin, as published"),
        (lambda row: estimator(row) == "classifier", "logistic regression stops at a tolerance"),
    ],
    "zero at equality": [
        (unbiased_mmd, "leaves the diagonals out: unbiased, so below 0 half the time"),
        (lambda row: estimator(row) in ("knn", "parzen", "classifier"), "an estimate, with an error"),
        (lambda row: row.better == "higher" or trained(row), "not a distance"),
    ],
    "never negative": [
        (unbiased_mmd, "unbiased, so below 0 half the time when P = Q"),
        (lambda row: estimator(row) == "knn" and row.name in ("kl", "reverse_kl"), "as published; it warns"),
        (lambda row: row.name == "parzen_log_likelihood", "a log density"),
    ],
    "symmetry": [
        (trained, "the folds of x are drawn before those of y"),
    ],
    "zero weights": [
        (trained, "rows of weight 0 take part in dealing out the folds"),
    ],
    "whole weights": [
        (trained, "copies of a row may fall into different folds: another question"),
        (unbiased_mmd, "a copy is a new pair for an unbiased estimate"),
        (lambda row: row.name == "frechet", "ddof=1 tells two copies from one"),
        (lambda row: row.name == "parzen_log_likelihood" and not has_unit(row), "leave-one-out sees copies"),
        (lambda row: estimator(row) == "parzen", "leave-one-out sees copies"),
        (lambda row: estimator(row) == "histogram" and "bins" not in row.options,
         "the number of cells follows the number of rows"),
        (lambda row: row.name == "squared_mmd" and not has_unit(row) and "kernel" not in row.options,
         "the median is over distinct rows, not over mass"),
    ],
    "gradient": [
        (lambda row: estimator(row) == "histogram", "cells are counts: piecewise constant"),
        (lambda row: estimator(row) == "classifier", "through the fit of another library"),
    ],
}  # fmt: skip


def exempt(promise: str, row: Metric) -> bool:
    return any(applies(row) for applies, _ in EXEMPT[promise])


def which(*spaces: str, promise: str | None = None, extra: Any = None) -> Any:
    """Parametrise a test over the rows on these spaces that make this promise."""
    rows = [
        row
        for row in ROWS
        if row.on in spaces
        and (promise is None or not exempt(promise, row))
        and (extra is None or extra(row))
    ]
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.spec)


samples_only = which("samples")
everything = which("samples", "pmf", "gaussian")
weighted = [row for row in ROWS if row.on == "samples" and row.weighted and estimator(row) != "knn"]


# ── data ────────────────────────────────────────────────────────────────────────────────────


def data_for(row: Metric, d: int = 2, rows: tuple[int, int] = (24, 30)) -> tuple[np.ndarray, ...]:
    """Generic data on a grid of 2⁻¹⁰, which an offset of 1e8 and float32 both hold exactly."""
    rng = np.random.default_rng(7)

    def grid(values: np.ndarray) -> np.ndarray:
        return np.round(values * 1024) / 1024

    if row.on == "samples":
        return grid(rng.normal(size=(rows[0], d))), grid(rng.normal(0.5, 1.5, size=(rows[1], d)))
    if row.on == "pmf":
        return np.array([1, 2, 4, 9, 0, 16]) / 32, np.array([8, 4, 2, 1, 1, 16]) / 32
    d = 1 if row.name == "gaussian.js" else d
    x, y = grid(rng.normal(size=(40, d))), grid(rng.normal(0.5, 1.5, size=(40, d)))
    return x.mean(0), np.cov(x.T).reshape(d, d), y.mean(0), np.cov(y.T).reshape(d, d)


def dimensions(row: Metric) -> tuple[int, ...]:
    if trained(row):
        return (2,)
    return (1, 2) if estimator(row) == "histogram" else (1, 2, 16)


def parts(value: Any) -> tuple[Any, ...]:
    """The scalars a metric returned, one or several."""
    if isinstance(value, dv.TestResult):
        return value.statistic, value.p_value
    return tuple(value) if isinstance(value, tuple) else (value,)


def numbers(value: Any) -> list[float]:
    return [float(part) for part in parts(value)]


def same(row: Metric, got: Any, wanted: Any, *, eps: float = EPS["float64"], size: float = 0.0) -> None:
    """Equal to rounding: ``OPERATIONS`` roundings of terms no larger than the value, 1 or ``size``."""
    tolerance = OPERATIONS * eps
    assert numbers(got) == pytest.approx(numbers(wanted), rel=tolerance, abs=tolerance * max(size, 1.0))


def frozen(arrays: tuple[np.ndarray, ...], dtype: str = "float64") -> tuple[np.ndarray, ...]:
    out = tuple(np.array(a, dtype=dtype) for a in arrays)
    for array in out:
        array.flags.writeable = False
    return out


def tensors(arrays: tuple[np.ndarray, ...], dtype: str = "float64", *, grad: bool = False) -> tuple[Any, ...]:
    return tuple(torch.tensor(np.array(a), dtype=getattr(torch, dtype), requires_grad=grad) for a in arrays)


# ── library, dtype, type ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@everything
def test_value_type_and_inputs(row, library, dtype):
    for d in dimensions(row) if row.on == "samples" else (2,):
        arrays = data_for(row, d)
        if row.on == "gaussian" and dtype == "float32":  # the same rounded numbers to both precisions
            arrays = tuple(a.astype(np.float32).astype(np.float64) for a in arrays)
        reference = row(*frozen(arrays))
        given = frozen(arrays, dtype) if library == "numpy" else tensors(arrays, dtype)
        before = [a.copy() if library == "numpy" else a.clone() for a in given]
        value = row(*given)
        if not isinstance(value, dv.TestResult):
            for part in parts(value):
                if library == "numpy":
                    assert type(part) is getattr(np, dtype)
                else:
                    assert part.shape == ()
                    assert part.dtype == getattr(torch, dtype)
                    assert part.device == given[0].device
                    assert not part.requires_grad
        same(row, value, reference, eps=EPS["float64"] if dtype == "float64" else EPS[dtype])
        assert all(bool((a == b).all()) for a, b in zip(given, before, strict=True))


@samples_only
def test_lists_integers_and_layouts(row):
    x, y = (np.round(s * 3) for s in data_for(row))
    if row.options.get("bins"):
        x, y = x + np.linspace(0, 0.5, len(x))[:, None].round(2), y + 0.25
    wanted = row(x, y)
    wide = np.zeros((2 * len(x), 5))
    wide[::2, 1:3] = x
    taken = {
        "lists": (x.tolist(), y.tolist()),
        "Fortran order": (np.asfortranarray(x), np.asfortranarray(y)),
        "every second row of a wider array": (wide[::2, 1:3], y),
        "reversed twice": (x[::-1][::-1], y[:, ::-1][:, ::-1]),
        "big-endian": (x.astype(">f8"), y),
        "torch views": (torch.tensor(wide)[::2, 1:3], torch.tensor(y.T.copy()).T),
    }
    if not row.options.get("bins"):
        taken["integers"] = (x.astype(np.int8), y.astype(np.int64))
        taken["torch integers"] = (torch.tensor(x).to(torch.int8), torch.tensor(y).to(torch.int64))
    for kind, pair in taken.items():
        eps = EPS["float32"] if kind == "torch integers" else EPS["float64"]
        try:
            same(row, row(*pair), wanted, eps=eps)
        except AssertionError as error:
            raise AssertionError(f"{kind}: {error}") from error


@samples_only
def test_one_axis_is_one_feature(row):
    x, y = data_for(row, 1)
    assert numbers(row(x[:, 0], y[:, 0])) == numbers(row(x, y))


# ── blocks, order of rows ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("how", ["working_memory", "BLOCK_BYTES"])
@samples_only
def test_blocks_change_nothing(row, library, how, monkeypatch):
    for d in dimensions(row):
        given = data_for(row, d) if library == "numpy" else tensors(data_for(row, d))
        whole = row(*given)
        if how == "working_memory":
            with sklearn.config_context(working_memory=0.002):
                assert _pairwise.block_rows(30) < 10
                blocked = row(*given)
        else:
            with monkeypatch.context() as patch:
                patch.setattr(_pairwise.blocks, "BLOCK_BYTES", 7 * 8 * 30)
                blocked = row(*given)
        same(row, blocked, whole)


@which("samples", promise="order of rows")
def test_order_of_rows_changes_nothing(row):
    rng = np.random.default_rng(1)
    for d in dimensions(row):
        x, y = data_for(row, d)
        same(row, row(rng.permutation(x), rng.permutation(y)), row(x, y))


def test_order_of_outcomes_changes_nothing():
    for row in ROWS:
        if row.on == "pmf":
            p, q = data_for(row)
            order = np.random.default_rng(1).permutation(len(p))
            same(row, row(p[order], q[order]), row(p, q))


# ── weights ─────────────────────────────────────────────────────────────────────────────────

weight_rows = pytest.mark.parametrize("row", weighted, ids=lambda row: row.spec)
zero_rows = pytest.mark.parametrize(
    "row", [row for row in weighted if not exempt("zero weights", row)], ids=lambda row: row.spec
)
whole_rows = pytest.mark.parametrize(
    "row", [row for row in weighted if not exempt("whole weights", row)], ids=lambda row: row.spec
)


@weight_rows
def test_equal_weights_are_none(row):
    for d in dimensions(row):
        x, y = data_for(row, d)
        same(row, row(x, y, x_weights=np.full(len(x), 3.0), y_weights=[1.0] * len(y)), row(x, y))


@zero_rows
def test_rows_of_weight_zero_do_not_matter(row):
    rng = np.random.default_rng(3)
    for d in dimensions(row):
        x, y = data_for(row, d)
        a, b = rng.integers(1, 4, size=len(x)) / 2, rng.integers(1, 4, size=len(y)) / 2
        ghosts = x[:3] * 20 + 8  # far out, where a grid or a bandwidth would notice
        got = row(
            np.concatenate([ghosts, x]), np.concatenate([y, ghosts]),
            x_weights=np.r_[0, 0, 0, a], y_weights=np.r_[b, 0, 0, 0],
        )  # fmt: skip
        same(row, got, row(x, y, x_weights=a, y_weights=b))


@whole_rows
def test_whole_weights_are_repetition(row):
    rng = np.random.default_rng(3)
    for d in dimensions(row):
        x, y = data_for(row, d)
        a, b = rng.integers(1, 4, size=len(x)), rng.integers(1, 4, size=len(y))
        same(row, row(x, y, x_weights=a, y_weights=b), row(np.repeat(x, a, axis=0), np.repeat(y, b, axis=0)))


# ── scale, translation ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("exponent", [-60, -3, 1, 40])
@which("samples", "gaussian", promise="scale", extra=lambda row: row.degree is not None)
def test_scaling_by_a_power_of_two(row, exponent):
    arrays, scale = data_for(row), 2.0**exponent
    squared = (0, 2, 0, 2) if row.on == "gaussian" else None
    if squared:
        arrays_scaled = tuple(a * scale ** (2 if k % 2 else 1) for k, a in enumerate(arrays))
    else:
        arrays_scaled = tuple(a * scale for a in arrays)
    got = [v / scale**row.degree for v in numbers(row(*arrays_scaled))]
    same(row, tuple(got), row(*arrays))


@pytest.mark.parametrize("library", ["numpy", "torch"])
@which("samples", promise="translation")
def test_an_offset_of_1e8_changes_nothing(row, library):
    for d in dimensions(row):
        x, y = data_for(row, d)
        given, moved = (x, y), (x + FRAME_SHIFT, y + FRAME_SHIFT)
        assert np.array_equal(moved[0] - FRAME_SHIFT, x)  # the data hold the offset exactly
        if library == "torch":
            given, moved = tensors(given), tensors(moved)
        same(row, row(*moved), row(*given))


@pytest.mark.parametrize("scale", [1e200, 1e-200])
@which("samples", promise="scale")
def test_extreme_scales_are_right_or_refused(row, scale):
    scale = 2.0 ** round(math.log2(scale))
    x, y = data_for(row)
    if row.options.get("kernel") == "linear" or row.degree == 2:
        with pytest.raises(ValueError, match="beyond the range of float64"):
            row(x * scale, y * scale)
        return
    value = row(x * scale, y * scale)
    if row.name == "parzen_log_likelihood":  # law 95: a density
        wanted = float(row(x, y)) - 2 * math.log(scale)
        assert float(value) == pytest.approx(wanted, rel=OPERATIONS * EPS["float64"])
    else:
        degree = 0 if row.name == "squared_mmd" else row.degree
        same(row, tuple(v / scale**degree for v in numbers(value)), row(x, y))


# ── laws ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("library", ["numpy", "torch"])
@which("samples", "pmf", "gaussian", promise="zero at equality")
def test_exactly_zero_at_equality(row, library):
    for d in dimensions(row) if row.on == "samples" else (2,):
        arrays = data_for(row, d)
        half = arrays[: len(arrays) // 2]
        given = (*half, *(a.copy() for a in half))
        assert numbers(row(*(tensors(given) if library == "torch" else given))) == [0.0]


@which("samples", promise="zero at equality")
def test_zero_to_rounding_between_a_sample_and_its_rows_in_another_order(row):
    for d in dimensions(row):
        x, _ = data_for(row, d)
        (value,) = numbers(row(x, x[::-1]))
        # a root turns a rounding of 1e-16 into 1e-8, of the sum of squares it is taken of
        rooted = row.name in ("hellinger",) or row.name.endswith("wasserstein")
        assert (
            0 <= value <= OPERATIONS * EPS["float64"] * (1 if not rooted else 1 / math.sqrt(EPS["float64"]))
        )


@which("samples", "pmf", "gaussian", promise="symmetry",
       extra=lambda row: {"symmetric", "metric"} & set(row.laws))  # fmt: skip
def test_symmetry(row):
    for d in dimensions(row) if row.on == "samples" else (2,):
        arrays = data_for(row, d)
        half = len(arrays) // 2
        same(row, row(*arrays[half:], *arrays[:half]), row(*arrays))


@which("samples", "pmf", "gaussian", promise="never negative")
def test_never_negative(row):
    rng = np.random.default_rng(0)
    for _ in range(3):
        if row.on == "samples":
            x = rng.normal(size=(20, 2))
            arrays = (x, x[rng.permutation(20)] + 1e-9 * rng.normal(size=(20, 2)))
        elif row.on == "pmf":
            p = rng.dirichlet(np.ones(6))
            q = p * (1 + 1e-9 * rng.normal(size=6))
            arrays = (p, q / q.sum())
        else:
            mean, cov, *_ = data_for(row)
            arrays = (mean, cov, mean + 1e-9, cov * (1 + 1e-9))
        assert all(value >= 0 for value in numbers(row(*arrays)))


@which("samples")
def test_finite_or_infinite_but_never_nan(row):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20, 2))
    situations = {
        "disjoint": (z, z + 1e3),
        "one constant feature": (z * [1, 0], (z + 1) * [1, 0]),
        "constant data": (np.ones((12, 2)), np.ones((13, 2))),
        "two constants": (np.ones((12, 2)), np.zeros((13, 2))),
        "duplicates": (np.repeat(z[:5], 4, axis=0), np.repeat(z[3:8], 4, axis=0)),
        "one outlier": (np.r_[z, [[1e12, 0]]], z),
        "shared rows": (z, np.r_[z[:10], z[:10] + 1]),
    }
    if estimator(row) != "histogram":
        situations["fewer rows than features"] = (rng.normal(size=(8, 11)), rng.normal(size=(9, 11)))
    for what, pair in situations.items():
        if "epsilon" in row.options and what == "one outlier":  # costs dwarf a stated ε: refused by name
            with pytest.raises(ValueError, match="epsilon must be at least"):
                row(*pair)
            continue
        values = numbers(row(*pair))
        assert not any(math.isnan(v) for v in values), what
        assert row.name in (*RATIO, "parzen_log_likelihood") or all(map(math.isfinite, values)), what


@samples_only
def test_one_row_is_measured_or_refused(row):
    needs_two = unbiased_mmd(row) or trained(row) or estimator(row) in ("knn", "parzen")
    needs_two |= row.name in ("frechet", "precision_recall")
    needs_two |= row.name == "parzen_log_likelihood" and not has_unit(row)
    one, three = [[0.0]], [[1.0], [2.0], [4.0]]
    for pair in ((one, [[1.0]]), (one, three), (three, one)):
        refuses = needs_two and (row.name != "parzen_log_likelihood" or pair[1] is not three)
        if refuses:
            with pytest.raises(ValueError, match=r"\brows?\b"):
                row(*pair)
        else:
            assert not any(map(math.isnan, numbers(row(*pair))))


@which("samples", extra=lambda row: row.name in ("energy", "cramer", "wasserstein", "frechet", "squared_mmd")
       and not polynomial(row))  # fmt: skip
def test_a_constant_feature_adds_nothing(row):
    x, y = data_for(row)
    wider = [np.c_[s[:, :1], np.full(len(s), 5.0), s[:, 1:]] for s in (x, y)]
    same(row, row(*wider), row(x, y))


BOUNDS = {
    "kl": math.inf, "reverse_kl": math.inf, "chi2": math.inf, "js": math.log(2), "tv": 1.0, "hellinger": 1.0,
    "f_divergence": math.log(2), "renyi": math.inf,
}  # fmt: skip


@pytest.mark.parametrize("name", RATIO)
def test_disjoint_supports_by_histogram(name):
    row = parse(name).with_options(**{k: v for k, v in REQUIRED.items() if k in METRICS[name].keywords})
    z = np.linspace(0, 1, 40)
    assert float(row(z, z + 5, estimator="histogram", bins=12)) == pytest.approx(BOUNDS[name], rel=1e-15)


@which("samples", extra=lambda row: row.name in ("js", "tv", "hellinger"))
def test_bounded_divergences_stay_within_their_bounds(row):
    z = np.random.default_rng(0).normal(size=(60, 1))
    for shift in (0.0, 3.0, 1e3):
        assert 0 <= float(row(z[:30], z[30:] + shift)) <= BOUNDS[row.name] * (1 + 4 * EPS["float64"])


# ── refusals ────────────────────────────────────────────────────────────────────────────────

GOOD = np.random.default_rng(2).normal(size=(24, 2))
WITH_NAN = np.where(np.arange(48).reshape(24, 2) == 7, np.nan, GOOD)
BAD_SAMPLES = {
    "NaN": WITH_NAN,
    "inf": np.where(np.arange(48).reshape(24, 2) == 7, np.inf, GOOD),
    "empty": np.empty((0, 2)),
    "no columns": np.empty((24, 0)),
    "masked": np.ma.masked_array(GOOD, mask=GOOD > 1),
    "complex": GOOD.astype(complex),
    "strings": GOOD.astype(str),
    "a string": "samples",
    "None": None,
    "a dict": {"a": [1.0]},
    "objects": GOOD.astype(object),
    "dates": np.arange(48).reshape(24, 2).astype("datetime64[D]"),
    "three axes": GOOD[:, :, None],
    "a number": 3.0,
    "ragged": [[1.0, 2.0], [3.0]],
    "other features": np.c_[GOOD, GOOD],
    "other library": torch.tensor(GOOD),
    "huge integers": np.full((24, 2), 2**60),
}
one_a_name = list({row.name: row for row in reversed(ROWS) if row.on == "samples"}.values())


@pytest.mark.parametrize("side", ["x", "y"])
@pytest.mark.parametrize("bad", BAD_SAMPLES)
@pytest.mark.parametrize("row", one_a_name, ids=lambda row: row.name)
def test_bad_samples_are_refused_by_name(row, bad, side):
    pair = (BAD_SAMPLES[bad], GOOD) if side == "x" else (GOOD, BAD_SAMPLES[bad])
    with pytest.raises((ValueError, TypeError), match=rf"^{side} |^x and y "):
        row(*pair)


BAD_WEIGHTS = {
    "negative": np.where(np.arange(24) == 3, -1.0, 1.0),
    "NaN": np.where(np.arange(24) == 3, np.nan, 1.0),
    "inf": np.where(np.arange(24) == 3, np.inf, 1.0),
    "all zero": np.zeros(24),
    "too long": np.ones(25),
    "too short": np.ones(23),
    "a column": np.ones((24, 1)),
    "a number": 1.0,
    "strings": np.ones(24).astype(str),
    "masked": np.ma.masked_array(np.ones(24), mask=np.arange(24) == 2),
    "complex": np.ones(24, dtype=complex),
}


@pytest.mark.parametrize("side", ["x_weights", "y_weights"])
@pytest.mark.parametrize("bad", BAD_WEIGHTS)
@pytest.mark.parametrize("row", list({r.name: r for r in weighted}.values()), ids=lambda row: row.name)
def test_bad_weights_are_refused_by_name(row, bad, side):
    with pytest.raises((ValueError, TypeError), match=rf"^{side} "):
        row(GOOD, GOOD + 1, **{side: BAD_WEIGHTS[bad]})


@pytest.mark.parametrize("row", [r for r in ROWS if estimator(r) == "knn"], ids=lambda row: row.spec)
def test_neighbour_estimates_refuse_weights(row):
    with pytest.raises(ValueError, match="x_weights and y_weights are not taken"):
        row(GOOD, GOOD + 1, x_weights=np.ones(24))


BAD_OPTIONS = {
    "p": (0.5, 0, -1, math.nan, math.inf, "2", None),
    "n_projections": (0, -1, 2.5, "10", None),
    "rng": (-1, 1.5, "0", True, np.random.RandomState(0)),
    "kernel": ("gauss", 3, None),
    "bandwidth": (0, -1.0, math.nan, math.inf, "medain", [], [1.0, -1.0]),
    "estimator": ("nn", None, 1),
    "k": (0, -1, 24, 2.5, "5"),
    "bins": (0, -3, "fdd", [1.0], [2.0, 1.0], [0.0, 0.1]),
    "folds": (1, 0, 25, 2.5),
    "classifier": (3.5, "logistic"),
    "alpha": (-1.0, math.nan, "2", None),
    "f": ("klx", 3, None),
    "epsilon": (0, -1.0, math.nan, math.inf, "small"),
    "unbalanced": (0, -1.0, math.nan, math.inf, "yes"),
    "tolerance": (0, -1e-9, math.nan, "tight", None),
    "max_iterations": (0, 2.5, "many", None),
    "grid": ("gan", [], [-1.0], [math.nan]),
    "validation": (WITH_NAN, np.ones((3, 5)), "rows"),
}
OWNER = {"bins": "histogram", "folds": "classifier", "classifier": "classifier"}


def _bad_options() -> Iterator[Any]:
    for row in METRICS.values():
        for key in row.keywords if row.on == "samples" else ():
            for value in BAD_OPTIONS.get(key, ()):
                if value is None and row.keywords[key].default is None:
                    continue
                yield pytest.param(row, key, value, id=f"{row.name}-{key}={value!r:.25}")


@pytest.mark.parametrize(("row", "key", "value"), list(_bad_options()))
def test_bad_options_are_refused_by_name(row, key, value):
    options = {k: REQUIRED[k] for k, p in row.keywords.items() if p.default is p.empty and k != key}
    if row.name in RATIO:
        if key in OWNER:
            options["estimator"] = OWNER[key]
        elif key == "bandwidth":
            options["estimator"] = "parzen"
        elif key == "rng":
            options["estimator"] = "classifier"
    with pytest.raises((ValueError, TypeError), match=rf"\b{key}\b"):
        row(GOOD, GOOD + 1, **{**options, key: value})


@everything
def test_unknown_options_are_errors(row):
    with pytest.raises(TypeError, match="unexpected keyword"):
        row(*data_for(row), bandwith=1.0)


def test_every_option_has_bad_values_to_try():
    options = {key for row in METRICS.values() if row.on == "samples" for key in row.keywords}
    assert options - {"x_weights", "y_weights"} <= set(BAD_OPTIONS)


@pytest.mark.parametrize("name", RATIO)
def test_an_option_of_another_estimator_is_an_error(name):
    row = parse(name).with_options(**{k: v for k, v in REQUIRED.items() if k in METRICS[name].keywords})
    for options in ({"bins": 4}, {"bandwidth": 1.0}, {"folds": 3}, {"estimator": "histogram", "k": 3}):
        with pytest.raises(ValueError, match="belongs to estimator"):
            row(GOOD, GOOD, **options)


# ── randomness ──────────────────────────────────────────────────────────────────────────────


@everything
def test_the_global_generators_are_left_alone(row):
    arrays = data_for(row)
    np.random.seed(0)  # noqa: NPY002 - the state to be left alone
    before, torch_before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    row(*arrays)
    row(*tensors(arrays))
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    assert torch.equal(torch_before, torch.get_rng_state())


@which("samples", extra=lambda row: "rng" in row.options)
def test_a_seed_repeats(row):
    x, y = data_for(row, 2)
    first = numbers(row(x, y))
    assert numbers(row(x, y)) == first
    assert numbers(row(x, y, rng=np.random.default_rng(0))) == first
    assert not any(math.isnan(v) for v in numbers(row(x, y, rng=None)))


def test_another_seed_gives_another_value():
    x, y = data_for(METRICS["sliced_wasserstein"])
    assert dv.sliced_wasserstein(x, y, rng=0) != dv.sliced_wasserstein(x, y, rng=1)


# ── gradients ───────────────────────────────────────────────────────────────────────────────

differentiable = which("samples", "pmf", "gaussian", promise="gradient", extra=lambda row: row.differentiable)


def gradients(row: Metric, arrays: tuple[np.ndarray, ...], **options: Any) -> list[torch.Tensor]:
    given = tensors(arrays, grad=True)
    value = row(*given, **options)
    assert value.requires_grad
    value.backward()
    return [g.grad for g in given]


@differentiable
def test_gradients_are_finite(row):
    rng = np.random.default_rng(0)
    if row.on == "samples":
        x, y = data_for(row)
        situations = {
            "generic": (x, y),
            "equal": (x, x),
            "equal in another order": (x, x[::-1]),
            "duplicated rows": (np.repeat(x[:6], 4, axis=0), np.repeat(y[:6], 5, axis=0)),
            "shared rows": (x, np.r_[x[:12], y[:18]]),
            "a constant feature": (x * [1, 0], y * [1, 0]),
            "on the line": (x[:, :1], y[:, :1]),
            "on the line, rounded to ties": (np.round(x[:, :1]), np.round(y[:, :1])),
            "many features": (rng.normal(size=(24, 16)), rng.normal(size=(30, 16))),
            "constant": (np.ones((24, 2)), np.ones((30, 2))),
            "two constants": (np.ones((24, 2)), np.zeros((30, 2))),
        }
    elif row.on == "pmf":
        p, q = data_for(row)
        situations = {
            "generic": (p[[0, 1, 2, 3, 5]], q[[0, 1, 2, 3, 5]] + 1 / 160),
            "equal": (p, p),
            "a zero in p": (p, q),
            "a zero in q": (q, p),
            "zeros in both": (np.array([0.5, 0.5, 0, 0]), np.array([0.5, 0, 0.5, 0])),
            "disjoint": (np.array([1.0, 0]), np.array([0, 1.0])),
            "nearly equal": (p, p + np.array([1e-17, -1e-17, 0, 0, 0, 0])),
        }
    else:
        mean, cov, y_mean, y_cov = data_for(row)
        situations = {"generic": (mean, cov, y_mean, y_cov), "equal": (mean, cov, mean, cov)}
    for what, arrays in situations.items():
        for gradient in gradients(row, arrays):
            assert gradient is not None, what
            assert bool(torch.isfinite(gradient).all()), what


@differentiable
def test_a_gradient_on_one_side_is_enough(row):
    arrays = data_for(row)
    half = len(arrays) // 2
    whole = gradients(row, arrays)
    for chosen in (range(half), range(half, len(arrays))):
        given = list(tensors(arrays))
        for k in chosen:
            given[k].requires_grad_()
        row(*given).backward()
        for k in chosen:
            assert torch.allclose(given[k].grad, whole[k], rtol=1e-9, atol=1e-12)


@which("samples", extra=lambda row: exempt("gradient", row) or not row.differentiable)
def test_values_without_gradient_still_take_tensors_that_ask_for_one(row):
    arrays = data_for(row)
    same(row, row(*tensors(arrays, grad=True)), row(*arrays))


def smooth(row: Metric) -> bool:
    """Whether the gradient is the derivative at generic points. Not so by definition: a bandwidth
    (or ε) chosen from the data is a constant to gradients; a maximum over directions of a minimum over
    couplings usually lies at a kink, where one coupling's gradient is given."""
    chosen_bandwidth = not has_unit(row) and (
        row.name == "parzen_log_likelihood"
        or estimator(row) == "parzen"
        or (row.name == "squared_mmd" and "kernel" not in row.options)
        or row.name == "sinkhorn_divergence"
    )
    return row.differentiable and not chosen_bandwidth and row.name != "max_sliced_wasserstein"


def through_smooth_parameters(row: Metric) -> tuple[Any, tuple[torch.Tensor, ...]]:
    """The metric as a function of free parameters: logits for pmfs, factors for covariances."""
    rng = np.random.default_rng(5)
    if row.on == "pmf":
        logits = tuple(torch.tensor(rng.normal(size=5), requires_grad=True) for _ in range(2))
        return lambda u, v: row(torch.softmax(u, 0), torch.softmax(v, 0)), logits
    if row.on == "gaussian":
        d = 1 if row.name == "gaussian.js" else 2
        free = tuple(
            torch.tensor(0.2 * rng.normal(size=shape) + centre, requires_grad=True)
            for shape, centre in (
                ((d,), 0.0),
                ((d, d), 2 * np.eye(d)),
                ((d,), 1.0),
                ((d, d), 2.5 * np.eye(d)),
            )
        )
        return lambda m, f, n, g: row(m, f @ f.T, n, g @ g.T), free
    x, y = rng.normal(size=(7, 2)), rng.normal(0.5, 1.5, size=(8, 2))
    return row, tensors((x, y), grad=True)


@which("samples", "pmf", "gaussian", promise="gradient", extra=smooth)
def test_gradcheck(row):
    function, free = through_smooth_parameters(row)
    assert torch.autograd.gradcheck(function, free)


@which("samples", promise="gradient",
       extra=lambda row: smooth(row) and row.weighted and estimator(row) != "knn")  # fmt: skip
def test_gradcheck_in_weights(row):
    rng = np.random.default_rng(5)
    x, y = tensors((rng.normal(size=(7, 2)), rng.normal(0.5, 1.5, size=(8, 2))))
    a, b = tensors((rng.uniform(0.5, 2, size=7), rng.uniform(0.5, 2, size=8)), grad=True)

    def function(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return row(x, y, x_weights=a, y_weights=b)

    assert torch.autograd.gradcheck(function, (a, b))


def test_gradcheck_of_max_sliced_where_one_coupling_is_best_all_around():
    z = np.arange(12.0).reshape(6, 2) ** 1.5 / 40  # far along one line: no crossing near the best direction
    function = METRICS["max_sliced_wasserstein"].with_options(rng=0)
    assert torch.autograd.gradcheck(function, tensors((z, z[:, ::-1] * 0.5 + 40), grad=True))
