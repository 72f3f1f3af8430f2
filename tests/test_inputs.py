"""The input policy: what is refused and with which words, what is taken, and that numbers survive it."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import divergences
from divergences._arrays import to_numpy, widened
from divergences._inputs import (
    DivergenceWarning,
    check_gaussian,
    check_integer,
    check_option,
    check_pair,
    check_pmf,
    check_pmfs,
    check_positive,
    check_rng,
    check_samples,
    check_weights,
    warn,
)

NAN, INF = float("nan"), float("inf")
GOOD = [[0.0, 1.0], [2.0, 3.0], [4.0, 6.0]]


def numpy_of(values, dtype=np.float64):
    return np.asarray(values, dtype=dtype)


def torch_of(values, dtype=torch.float64):
    return torch.as_tensor(values, dtype=dtype)


both_libraries = pytest.mark.parametrize("make", [numpy_of, torch_of], ids=["numpy", "torch"])


def raw(pair, side):
    """The sample a Pair came from, undone by the formula it documents."""
    return to_numpy(getattr(pair, side)) * pair.scale + to_numpy(pair.origin)


# ── refused samples ─────────────────────────────────────────────────────────────────────────

# what is passed as x → (exception, what the message says came, what it says to do)
REFUSED = {
    "none": (None, TypeError, "got NoneType", "array of numbers"),
    "string": ("1, 2", TypeError, "got str", "array of numbers"),
    "bytes": (b"12", TypeError, "got bytes", "array of numbers"),
    "dictionary": ({"a": 1.0}, TypeError, "got dict", "array of numbers"),
    "set": ({1.0, 2.0}, TypeError, "got set", "array of numbers"),
    "generator": ((i for i in range(3)), TypeError, "got dtype object", r"np\.asarray\(x, dtype=float\)"),
    "strings": (["a", "b"], TypeError, "got text", "Convert or drop"),
    "numbers as text": (["1", "2"], TypeError, "got text", "Convert or drop"),
    "objects": ([1.0, None], TypeError, "got dtype object", r"np\.asarray\(x, dtype=float\)"),
    "complex": (np.array([1j, 2.0]), TypeError, r"got complex numbers \(dtype complex128\)", "Convert"),
    "datetimes": (np.array(["2020-01-01"], dtype="M8[D]"), TypeError, "got datetimes", "Convert"),
    "time differences": (np.array([1], dtype="m8[s]"), TypeError, "got time differences", "Convert"),
    "records": (np.zeros(2, dtype=[("a", "f8")]), TypeError, "got records", "Convert"),
    "masked": (np.ma.masked_greater([1.0, 9.0], 5), TypeError, "masked array", r"x\[~mask\]"),
    "masked, nothing hidden": (np.ma.array([1.0, 2.0]), TypeError, "masked array", r"compressed\(\)"),
    "sparse": (scipy.sparse.csr_matrix([[1.0]]), TypeError, "got a sparse csr_matrix", r"x\.toarray\(\)"),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError, "inhomogeneous", "rectangular"),
    "list of tensors": ([torch.zeros(2), torch.zeros(2)], TypeError, "list of tensors", r"torch\.stack\(x\)"),
    "pandas text": (pd.Series(["a", "b"]), TypeError, "got dtype object", "dtype=float"),
    "pandas missing": (pd.Series([1, None], dtype="Int64"), ValueError, "got nan", "drop or impute"),
    "pandas dates": (pd.Series(pd.date_range("2020", periods=2)), TypeError, "got datetimes", "Convert"),
    "single number": (3.5, ValueError, "single number", r"Pass \[3\.5\]"),
    "0-d array": (np.array(3.5), ValueError, "single number", r"Pass \[3\.5\]"),
    "empty list": ([], ValueError, r"must not be empty; got shape \(0,\)", ""),
    "no rows": (np.zeros((0, 2)), ValueError, r"must not be empty; got shape \(0, 2\)", ""),
    "no columns": (np.zeros((2, 0)), ValueError, r"must not be empty; got shape \(2, 0\)", ""),
    "three axes": (np.zeros((2, 3, 4)), ValueError, r"3 axes, shape \(2, 3", r"x\.reshape\(len\(x\), -1\)"),
    "nan": ([[0, 1], [NAN, 2]], ValueError, r"got nan at index \(1, 0\) \(1 such value\)", "drop or"),
    "inf": ([0.0, INF, -INF], ValueError, r"got inf at index 1 \(2 such values\)", "drop or impute"),
    "half nan": (np.array([NAN], dtype=np.float16), ValueError, "got nan at index 0", "drop or impute"),
    "beyond float64": (np.array([np.longdouble("1e400")]), ValueError, "got inf", "drop or impute"),
    "huge integers": ([2**60, 2**60 + 1], ValueError, "below 2", "common offset.*x.astype"),
    "negative huge integers": ([-(2**63), 0], ValueError, "below 2", "common offset"),
    "torch scalar": (torch.tensor(3.5), ValueError, "single number", r"Pass \[3\.5\]"),
    "torch empty": (torch.zeros(0, 2), ValueError, r"must not be empty; got shape \(0, 2\)", ""),
    "torch three axes": (torch.zeros(2, 3, 4), ValueError, "3 axes", r"x\.reshape\(len\(x\), -1\)"),
    "torch nan": (torch.tensor([[NAN, 1.0]]), ValueError, r"got nan at index \(0, 0\)", "drop or impute"),
    "torch inf": (torch.tensor([1.0, INF]), ValueError, "got inf at index 1", "drop or impute"),
    "bfloat16 nan": (torch.tensor([NAN]).bfloat16(), ValueError, "got nan at index 0", "drop or impute"),
    "gradient and nan": (torch.tensor([NAN], requires_grad=True), ValueError, "got nan", "drop or impute"),
    "torch complex": (torch.tensor([1j]), TypeError, "got dtype torch.complex64", "real part"),
    "torch sparse": (torch.eye(2).to_sparse(), TypeError, "got layout torch.sparse", r"x\.to_dense\(\)"),
    "torch without values": (torch.zeros(2, device="meta"), TypeError, "device 'meta'", "Load it"),
    "torch eight bits": (torch.zeros(2).to(torch.float8_e5m2), TypeError, "dtype torch.f", r"x\.float"),
    "torch huge integers": (torch.tensor([2**60, 0]), ValueError, "below 2", "common offset.*x.double"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "error", "came", "mend"), REFUSED.values(), ids=REFUSED)
def test_refused_samples(value, error, came, mend):
    with pytest.raises(error, match=came) as caught:
        check_samples(value, "x")
    assert caught.match(r"^x\b"), "the message does not begin with the argument's name"
    assert caught.match(mend), "the message does not say what to do"


def test_a_quantized_tensor_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is taking its quantized dtypes away
        quantized = torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.quint8)
    with pytest.raises(TypeError, match=r"x must not be quantized; pass x\.dequantize\(\)"):
        check_samples(quantized, "x")


@pytest.mark.parametrize("side", [0, 1])
def test_the_message_names_the_argument_that_is_wrong(side):
    data = [GOOD, GOOD]
    data[side] = [NAN, 1.0]
    with pytest.raises(ValueError, match=f"^{'xy'[side]} must be finite"):
        check_pair(*data)
    with pytest.raises(ValueError, match=f"^{['real', 'fake'][side]} must be finite"):
        check_pair(*data, names=("real", "fake"))


@both_libraries
def test_feature_counts_must_agree(make):
    with pytest.raises(ValueError, match=r"x and y .*columns.* got shapes \(3, 2\) and \(2, 3\)\. Transpose"):
        check_pair(make(GOOD), make([[1.0, 2, 3], [4, 5, 6]]))


@both_libraries
def test_too_few_rows(make):
    with pytest.raises(ValueError, match="y must have at least 3 rows for this measure; got 2.*Draw more"):
        check_pair(make(GOOD), make(GOOD[:2]), min_rows=3)


@pytest.mark.parametrize("other", [numpy_of(GOOD), GOOD, pd.DataFrame(GOOD)])
def test_numpy_mixed_with_torch(other):
    for x, y, tensor in ((torch_of(GOOD), other, "x"), (other, torch_of(GOOD), "y")):
        with pytest.raises(TypeError, match=f"one library; {tensor} is a torch tensor .*{tensor}.detach"):
            check_pair(x, y)


def test_two_devices():
    # no second device here: the check runs before anything is computed, so names are enough
    class Elsewhere(torch.Tensor):
        device = torch.device("cuda:0")

    far = torch_of(GOOD).as_subclass(Elsewhere)
    with pytest.raises(ValueError, match=r"one device; got cpu and cuda:0\. Move one with \.to\('cpu'\)"):
        check_pair(torch_of(GOOD), far)
    with pytest.raises(ValueError, match=r"y_weights must be on the samples' device, cpu; got cuda:0"):
        check_pair(torch_of(GOOD), torch_of(GOOD), None, torch.ones(3).as_subclass(Elsewhere))


# ── taken samples ───────────────────────────────────────────────────────────────────────────


def memory_map(tmp_path):
    np.save(tmp_path / "x.npy", numpy_of(GOOD))
    return np.load(tmp_path / "x.npy", mmap_mode="r")


TAKEN = {
    "list": (lambda _: GOOD, np.float64),
    "tuple": (lambda _: tuple(map(tuple, GOOD)), np.float64),
    "list of rows": (lambda _: [np.array(row) for row in GOOD], np.float64),
    "float64": (lambda _: numpy_of(GOOD), np.float64),
    "float32": (lambda _: numpy_of(GOOD, np.float32), np.float32),
    "float16": (lambda _: numpy_of(GOOD, np.float16), np.float64),
    "long double": (lambda _: numpy_of(GOOD, np.longdouble), np.float64),
    "big-endian": (lambda _: numpy_of(GOOD, ">f8"), np.float64),
    "big-endian float32": (lambda _: numpy_of(GOOD, ">f4"), np.float32),
    "int64": (lambda _: numpy_of(GOOD, np.int64), np.float64),
    "uint8": (lambda _: numpy_of(GOOD, np.uint8), np.float64),
    "big-endian int": (lambda _: numpy_of(GOOD, ">i4"), np.float64),
    "Fortran order": (lambda _: np.asfortranarray(GOOD), np.float64),
    "strided": (lambda _: np.repeat(np.repeat(numpy_of(GOOD), 2, 0), 3, 1)[::2, ::3], np.float64),
    "reversed": (lambda _: numpy_of(GOOD[::-1])[::-1], np.float64),
    "memory map": (memory_map, np.float64),
    "data frame": (lambda _: pd.DataFrame(GOOD, columns=["a", "b"]), np.float64),
    "float32 data frame": (lambda _: pd.DataFrame(GOOD, dtype=np.float32), np.float32),
    "nullable data frame": (lambda _: pd.DataFrame(GOOD).convert_dtypes(), np.float64),
    "torch float64": (lambda _: torch_of(GOOD), torch.float64),
    "torch float32": (lambda _: torch_of(GOOD, torch.float32), torch.float32),
    "torch float16": (lambda _: torch_of(GOOD, torch.float16), torch.float32),
    "torch bfloat16": (lambda _: torch_of(GOOD, torch.bfloat16), torch.float32),
    "torch int64": (lambda _: torch_of(GOOD, torch.int64), torch.float32),
    "torch uint8": (lambda _: torch_of(GOOD, torch.uint8), torch.float32),
    "torch requires_grad": (lambda _: torch_of(GOOD).requires_grad_(), torch.float64),
    "torch transposed": (lambda _: torch_of(GOOD).T.contiguous().T, torch.float64),
    "torch negated view": (lambda _: torch.conj(-1j * torch_of(GOOD)).imag, torch.float64),
}


@pytest.mark.parametrize(("make", "dtype"), TAKEN.values(), ids=TAKEN)
def test_taken_samples(make, dtype, tmp_path):
    value = make(tmp_path)
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    pair = check_pair(value, value)
    np.testing.assert_array_equal(raw(pair, "x"), GOOD)
    np.testing.assert_array_equal(raw(pair, "y"), GOOD)
    assert (pair.n, pair.m, pair.d) == (3, 3, 2)
    assert str(pair.x.dtype).endswith("float64")  # sums are accumulated in float64 whatever came
    assert pair.dtype == dtype
    assert pair.same
    result = pair.result(pair.a[0], degree=0)
    assert result.dtype == dtype
    assert result.ndim == 0
    assert isinstance(result, torch.Tensor if isinstance(value, torch.Tensor) else np.generic)


@pytest.mark.parametrize(
    "make", [list, np.array, pd.Series, torch.tensor, lambda v: np.array(v).astype(bool)]
)
def test_one_axis_is_samples_of_dimension_one(make):
    array = check_samples(make([0, 1, 1]), "x")
    assert tuple(array.shape) == (3, 1)
    np.testing.assert_array_equal(to_numpy(array).ravel(), [0, 1, 1])


@both_libraries
def test_bool_is_zero_and_one(make):
    pair = check_pair(make([True, False], bool if make is numpy_of else torch.bool), make([1.0, 0.0]))
    assert pair.same


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (np.float32, np.float32, np.float32),
        (np.float32, np.float64, np.float64),
        (np.float32, np.int64, np.float64),
        (np.float16, np.float32, np.float64),
        (torch.float32, torch.float32, torch.float32),
        (torch.float32, torch.float64, torch.float64),
        (torch.float32, torch.int64, torch.float32),
        (torch.float16, torch.bfloat16, torch.float32),
        (torch.int64, torch.float64, torch.float64),
    ],
)
def test_result_dtype_of_a_mixture(x, y, expected):
    make = torch_of if isinstance(expected, torch.dtype) else numpy_of
    assert check_pair(make(GOOD, x), make(GOOD, y)).dtype == expected


def test_inputs_are_never_written():
    x, y = numpy_of(GOOD), numpy_of(GOOD) + 1e8
    before = x.copy(), y.copy()
    check_pair(x, y, [1, 2, 3], [3, 2, 1])
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_the_gradient_passes_through():
    x = torch_of(GOOD).add(1e8).requires_grad_()
    w = torch_of([1.0, 2.0, 3.0]).requires_grad_()
    pair = check_pair(x, x.detach() + 1, w)
    pair.result((pair.a[:, None] * pair.x).sum(), degree=1).backward()
    np.testing.assert_allclose(to_numpy(x.grad), np.array([[1, 1], [2, 2], [3, 3]]) / 6)
    assert abs(float(w.grad @ w.detach())) < 1e-6 * float(abs(w.grad).max())  # scale-free in the weights
    assert not pair.origin.requires_grad


def test_zero_keeps_the_graph():
    x = torch_of(GOOD).requires_grad_()
    pair = check_pair(x, x.detach())
    pair.result(pair.zero(), 1).backward()
    assert float(abs(x.grad).max()) == 0.0
    assert check_pair(GOOD, GOOD).result(check_pair(GOOD, GOOD).zero(), 1) == 0.0
    assert not check_pair(torch_of(GOOD), torch_of(GOOD)).zero().requires_grad


# ── common coordinates ──────────────────────────────────────────────────────────────────────

SIZES = [1.0, 3.0, 1e-3, 1e8, 1e200, 1e-200, 1e300, 1e-300, 1.7e308, 1e-308]


@both_libraries
@pytest.mark.parametrize("size", SIZES)
def test_a_scale_is_taken_out_exactly(make, size):
    x = numpy_of([[0.3, -0.7], [1.0, 0.11]]) * size
    y = numpy_of([[-0.9, 0.5], [0.2, -0.13]]) * size
    pair = check_pair(make(x), make(y))
    np.testing.assert_array_equal(raw(pair, "x"), x)
    np.testing.assert_array_equal(raw(pair, "y"), y)
    assert math.frexp(pair.scale)[0] == 0.5  # a power of two: exact to take out and put back
    largest = max(float(abs(pair.x).max()), float(abs(pair.y).max()))
    assert 1 <= largest < 2 or (1 / 16 <= largest <= 16 and pair.scale == 1)


@pytest.mark.parametrize(("size", "shared"), [(1.0, True), (10.0, True), (100.0, False), (0.01, False)])
def test_samples_of_ordinary_size_are_not_copied(rng, size, shared):
    x, y = size * rng.uniform(-1, 1, size=(2, 50, 3))
    pair = check_pair(x, y)
    assert np.shares_memory(pair.x, x) is shared
    assert (pair.scale == 1.0) is shared
    x.flags.writeable = False  # another type to compiled loops
    assert check_pair(x, y).x.flags.writeable


@pytest.mark.parametrize("kind", ["f4", ">f8", "f2", "i4", "u1", "?"])
def test_every_dtype_is_widened_exactly(rng, kind):
    for offset in (0, 50):
        x = (rng.integers(0, 3, size=(20, 3)) + offset).astype(kind)
        pair = check_pair(x, x[:7])
        assert pair.x.dtype == np.float64
        np.testing.assert_array_equal(raw(pair, "x"), x.astype(np.float64))


def test_memory_order_changes_no_bit(rng):
    x, y = rng.normal(size=(2, 300, 7))
    value = divergences.frechet(x, y)
    assert divergences.frechet(np.asfortranarray(x), np.asfortranarray(y)) == value
    assert divergences.energy(x[:, ::-1], y[:, ::-1]) == divergences.energy(
        x[:, ::-1].copy(), y[:, ::-1].copy()
    )


@both_libraries
@pytest.mark.parametrize("offset", [1e8, -1e8, 2.0**52, 1e300, -1e300])
def test_an_offset_changes_nothing(make, offset):
    step = np.spacing(abs(offset))  # coordinates that the offset can hold
    base = numpy_of([[0, 5], [3, -2], [7, 1]]) * step
    x, y = base + offset, base[:2] + offset + step
    pair = check_pair(make(x), make(y))
    differences = to_numpy(pair.x)[:, None] - to_numpy(pair.y)[None]
    np.testing.assert_array_equal(differences * pair.scale, x[:, None] - y[None])
    np.testing.assert_array_equal(raw(pair, "x"), x)


def test_only_the_columns_that_need_it_are_shifted():
    pair = check_pair([[1e8, 0.0], [1e8 + 1, 1.0]], [[1e8, 5.0], [1e8 + 2, -4.0]])
    assert pair.origin[0] == 1e8 + 1
    assert pair.origin[1] == 0.0


def test_an_outlier_costs_the_others_no_digits():
    x = numpy_of([0.1, 0.2, 0.3, 1e15])
    pair = check_pair(x, x[:3])
    np.testing.assert_array_equal(raw(pair, "x").ravel(), x)


finite = st.floats(
    allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300, allow_subnormal=False
)


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(2)), elements=finite),
    hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(2)), elements=finite),
)
def test_raw_is_scale_times_x_plus_origin(x, y):
    pair = check_pair(x, y)
    # what lies 2⁻¹⁰⁷⁴ below the largest entry is beyond float64 beside it: it may be rounded to zero
    absolute = pair.scale * np.finfo(float).smallest_normal
    for side, values in (("x", x), ("y", y)):
        np.testing.assert_allclose(raw(pair, side), values, rtol=0, atol=absolute)
    assert np.isfinite(pair.x).all()
    assert np.isfinite(pair.y).all()


def test_constant_and_zero_samples_have_scale_one():
    assert check_pair([0.0, 0.0], [0.0]).scale == 1.0
    pair = check_pair([7.5, 7.5], [7.5])
    assert (pair.scale, float(pair.origin[0])) == (1.0, 7.5)


def test_same():
    x = numpy_of(GOOD)
    assert check_pair(x, x.copy()).same
    assert check_pair(x, x.astype(np.float32)).same
    assert check_pair(x, x, [1, 1, 1], [2, 2, 2]).same
    assert check_pair(x, x, [1, 2, 3], [2, 4, 6]).same
    assert not check_pair(x, x, [1, 2, 3]).same
    assert not check_pair(x, x[::-1]).same  # row by row, not as sets
    assert not check_pair(x, x[:2]).same
    assert not check_pair(x + 1e8, x + np.array([0, 1e-7]) + 1e8).same


# ── results ─────────────────────────────────────────────────────────────────────────────────


@both_libraries
@pytest.mark.parametrize("degree", [0, 1, 2, 3, -1, 0.5, 1.5])
@pytest.mark.parametrize("size", [1.0, 1e-60, 1e60])
def test_result_restores_the_scale(make, size, degree):
    pair = check_pair(make([0.0, 3.0 * size]), make([size, 2.0 * size]))
    value = pair.result(pair.xp.asarray(make(0.75)), degree)
    np.testing.assert_allclose(float(value), 0.75 * pair.scale**degree, rtol=1e-12)
    if degree == int(degree):
        assert float(value) == math.ldexp(0.75, round(math.log2(pair.scale)) * int(degree))


@both_libraries
@pytest.mark.parametrize(
    ("size", "degree", "value"),
    [
        (1e200, 2, 1.0),
        (1e-200, 2, 1.0),
        (1e300, 3, 1.0),
        (1e-300, 3, 1.0),
        (1e300, 40, 1.0),
        (1e-200, -2, 1.0),
    ],
)
def test_a_result_beyond_the_dtype_is_refused(make, size, degree, value):
    pair = check_pair(make([0.0, size]), make([size, size / 2]))
    with pytest.raises(
        ValueError, match=r"the result, .* is beyond the range of float64\. Divide x and y by"
    ):
        pair.result(pair.xp.asarray(make(value)), degree)


@pytest.mark.parametrize(("make", "dtype"), [(numpy_of, np.float32), (torch_of, torch.float32)])
def test_a_result_beyond_float32_is_refused(make, dtype):
    pair = check_pair(make([0.0, 1e30], dtype), make([1e30, 1.0], dtype))
    with pytest.raises(ValueError, match="is beyond the range of float32"):
        pair.result(pair.xp.asarray(make(1.0)), 2)


@pytest.mark.parametrize(("make", "dtype"), [(numpy_of, np.float32), (torch_of, torch.float32)])
def test_a_value_tiny_in_itself_rounds_to_zero_in_float32(make, dtype):
    near, far = check_pair(make([0.0, 1.0], dtype), make([1.0, 0.5], dtype)), 1e-30
    for degree in (0, 1, -2):  # the scale is 1, or asks for nothing
        assert float(near.result(near.xp.asarray(make(1e-60)), degree)) == 0
    small = check_pair(make([0.0, far], dtype), make([far, 0.0], dtype))
    assert float(small.result(small.xp.asarray(make(1e-60)))) == 0
    with pytest.raises(ValueError, match=r"the result, 1 \* .*\*\*2, is beyond the range of float32"):
        small.result(small.xp.asarray(make(1.0)), 2)
    with pytest.raises(ValueError, match=r"the result, 1e\+60, is beyond the range of float32"):
        near.result(near.xp.asarray(make(1e60)))


def test_intermediate_factors_may_overflow_where_the_result_does_not():
    pair = check_pair([0.0, 1e300], [1e300, 1.0])
    assert float(pair.result(np.float64(1e-295), 2)) == pytest.approx(
        1e-295 * pair.scale * pair.scale, rel=1e-12
    )
    tiny = check_pair([0.0, 1e-300], [1e-300, 0.0])
    assert float(tiny.result(np.float64(1e300), 2)) == pytest.approx(
        1e300 * tiny.scale * tiny.scale, rel=1e-12
    )


@both_libraries
@pytest.mark.parametrize("value", [INF, -INF, 0.0])
def test_infinite_and_zero_answers_stay(make, value):
    pair = check_pair(make([0.0, 1e200]), make([1e200, 1.0]))
    assert float(pair.result(make(value), 2)) == value


# ── weights ─────────────────────────────────────────────────────────────────────────────────

WEIGHTS_REFUSED = {
    "negative": ([1.0, -1.0, 1.0], ValueError, "must not be negative; got a minimum of -1"),
    "nan": ([1.0, NAN, 1.0], ValueError, "must be finite; got nan at index 1"),
    "inf": ([1.0, INF, 1.0], ValueError, "must be finite; got inf at index 1"),
    "all zero": ([0, 0, 0], ValueError, "must not all be zero"),
    "another length": ([1.0, 1.0], ValueError, r"one number per row, shape \(3,\); got shape \(2,\)"),
    "a column": ([[1.0], [1.0], [1.0]], ValueError, r"one number per row, shape \(3,\); got shape \(3, 1\)"),
    "a number": (1.0, ValueError, r"one number per row, shape \(3,\); got shape \(\)"),
    "empty": ([], ValueError, r"one number per row, shape \(3,\); got shape \(0,\)"),
    "text": ("uniform", TypeError, "array of numbers; got str"),
    "complex": ([1j, 1, 1], TypeError, "got complex numbers"),
}


@pytest.mark.parametrize("side", ["x_weights", "y_weights"])
@pytest.mark.parametrize(("value", "error", "message"), WEIGHTS_REFUSED.values(), ids=WEIGHTS_REFUSED)
@both_libraries
def test_refused_weights(make, value, error, message, side):
    with pytest.raises(error, match=f"^{side} .*{message}"):
        check_pair(make(GOOD), make(GOOD), **{side: value})


def test_torch_weights_for_numpy_samples():
    with pytest.raises(TypeError, match=r"x_weights is a torch tensor.*x_weights\.detach\(\)\.numpy\(\)"):
        check_pair(GOOD, GOOD, torch.ones(3))


@pytest.mark.parametrize(
    "value", [[1, 2, 1], (0.25, 0.5, 0.25), [1e308, 1.7e308, 1e308], [5e-324, 1e-323, 5e-324]]
)
@both_libraries
def test_weights_are_normalised_without_overflow(make, value):
    pair = check_pair(make(GOOD), make(GOOD), value)
    expected = [1 / 4, 2 / 4, 1 / 4] if value[0] < 1e300 else np.array([1, 1.7, 1]) / 3.7
    np.testing.assert_allclose(to_numpy(pair.a), expected, rtol=1e-15)
    np.testing.assert_allclose(to_numpy(pair.b), [1 / 3] * 3, rtol=1e-15)
    assert not pair.uniform


@both_libraries
def test_uniform(make):
    x = make(GOOD)
    assert check_pair(x, x).uniform
    assert check_pair(x, x, [2, 2, 2], [0.1, 0.1, 0.1]).uniform
    assert not check_pair(x, x, None, [1, 1, 2]).uniform
    assert not check_pair(x, x, [0, 1, 1]).uniform


@pytest.mark.parametrize("kind", [np.array, pd.Series, list, torch.tensor, lambda v: torch.tensor(v).half()])
def test_weights_are_taken_in_every_kind(kind):
    weights, uniform = check_weights(kind([1, 0, 3]), torch_of(GOOD), "x_weights")
    np.testing.assert_array_equal(to_numpy(weights), [0.25, 0.0, 0.75])
    assert weights.dtype == torch.float64
    assert not uniform


# ── probability vectors ─────────────────────────────────────────────────────────────────────

PMF_REFUSED = {
    "a number": (1.0, ValueError, r"at least one probability.*got shape \(\)"),
    "empty": ([], ValueError, r"at least one probability.*got shape \(0,\)"),
    "nan": ([NAN, 1.0], ValueError, "must be finite; got nan at index 0"),
    "inf": ([INF, 1.0], ValueError, "must be finite; got inf"),
    "negative": ([-0.5, 1.5], ValueError, "must not be negative; got a minimum of -0.5"),
    "negative count": ([-1, 2], ValueError, "must not be negative; got -1"),
    "no counts": ([0, 0], ValueError, "all zero"),
    "too little": ([0.25, 0.25], ValueError, r"a sum of 0\.5\. .* divergences\.pmf\.normalize\(p\)"),
    "one row of two": ([[0.5, 0.5], [0.6, 0.6]], ValueError, r"got a sum of 1\.2"),
    "overflow": ([1.5e308, 1.5e308], ValueError, "got a sum of inf"),
    "just off": ([0.5, 0.5 + 1e-7], ValueError, "must sum to 1"),
    "masked": (np.ma.array([0.5, 0.5]), TypeError, "masked array"),
    "complex": ([0.5j, 1.0], TypeError, "complex"),
    "text": ("ab", TypeError, "got str"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "error", "message"), PMF_REFUSED.values(), ids=PMF_REFUSED)
def test_refused_pmfs(value, error, message):
    with pytest.raises(error, match=message) as caught:
        check_pmf(value, "p")
    assert caught.match(r"^p\b")
    if not isinstance(value, (str, np.ma.MaskedArray)):
        with pytest.raises(error, match="^q"):
            check_pmf(
                torch.tensor(value, dtype=torch.float64 if np.asarray(value).dtype == float else None), "q"
            )


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_a_pmf_in_any_precision(dtype):
    p, returned = check_pmf(np.array([0.1, 0.2, 0.7], dtype=dtype), "p")
    assert p.dtype == np.float64
    assert returned == (np.float32 if dtype == np.float32 else np.float64)
    np.testing.assert_array_equal(p, np.array([0.1, 0.2, 0.7], dtype=dtype))  # not renormalised


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_pmf_in_any_torch_precision(dtype):
    p, returned = check_pmf(torch.full((3,), 1 / 3, dtype=dtype), "p")
    assert p.dtype == torch.float64
    assert returned == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize(
    "counts", [[1, 0, 3], np.array([1, 0, 3], dtype=np.uint8), (2, 0, 6), pd.Series([1, 0, 3])]
)
def test_integers_are_counts(counts):
    np.testing.assert_array_equal(check_pmf(counts, "p")[0], [0.25, 0, 0.75])
    np.testing.assert_array_equal(to_numpy(check_pmf(torch.tensor(list(counts)), "p")[0]), [0.25, 0, 0.75])


def test_bool_is_a_count_too():
    np.testing.assert_array_equal(check_pmf([True, False, True], "p")[0], [0.5, 0, 0.5])


def test_pmfs_together():
    p, q, _, dtype = check_pmfs([[0.5, 0.5], [0.2, 0.8]], [1, 3])
    assert (p.shape, q.shape, dtype) == ((2, 2), (2,), np.float64)
    half = np.float32([0.5, 0.5])
    assert check_pmfs(half, half)[3] == np.float32
    assert check_pmfs(half, half.astype(float))[3] == np.float64
    with pytest.raises(ValueError, match=r"outcomes on the last axis; got shapes \(2,\) and \(3,\)\. Pad"):
        check_pmfs([0.5, 0.5], [0.5, 0.25, 0.25])
    with pytest.raises(
        ValueError, match=r"leading axes of p and q must broadcast; got shapes \(2, 2\) and \(3, 2\)"
    ):
        check_pmfs([[0.5, 0.5]] * 2, [[0.5, 0.5]] * 3)
    with pytest.raises(TypeError, match="p and q must come from one library; q is a torch tensor"):
        check_pmfs([0.5, 0.5], torch.tensor([0.5, 0.5]))


# ── Gaussians ───────────────────────────────────────────────────────────────────────────────

GAUSSIAN_REFUSED = {
    "shapes": ([0, 0], np.eye(3), r"x_mean must .*got \(2,\) and \(3, 3\)\. divergences\.gaussian\.fit"),
    "mean with two axes": ([[0, 0]], np.eye(2), r"got \(1, 2\) and \(2, 2\)"),
    "variances for a covariance": ([0, 0], [1, 1], r"got \(2,\) and \(2,\)"),
    "empty": ([], np.zeros((0, 0)), r"got \(0,\) and \(0, 0\)"),
    "nan mean": ([NAN, 0], np.eye(2), "x_mean must be finite; got nan at index 0"),
    "inf covariance": ([0, 0], [[1, 0], [0, INF]], r"x_cov must be finite; got inf at index \(1, 1\)"),
    "not symmetric": ([0, 0], [[1, 0.5], [0.4, 1]], r"must be symmetric; .* up to 0\.1\. Pass \(x_cov \+"),
    "wildly asymmetric": ([0, 0], [[1, 1.7e308], [-1.7e308, 1]], "x_cov must be symmetric"),
    "indefinite": ([0, 0], [[1, 2], [2, 1]], r"positive semi-definite; its lowest eigenvalue is -1\. "),
    "slightly indefinite": (0, -1e-300, "positive semi-definite; its lowest eigenvalue is -1e-300"),
    "integers are exact": ([0, 0], np.diag([1000, -1]).astype(np.int16), "positive semi-definite"),
}  # fmt: skip


@pytest.mark.parametrize(("mean", "cov", "message"), GAUSSIAN_REFUSED.values(), ids=GAUSSIAN_REFUSED)
@both_libraries
def test_refused_gaussians(make, mean, cov, message):
    dtype = getattr(cov, "dtype", None)
    cov = (
        np.asarray(cov) if make is numpy_of else torch.as_tensor(cov, dtype=None if dtype else torch.float64)
    )
    with pytest.raises(ValueError, match=message):
        check_gaussian(make(mean), cov, "x")


def test_gaussians_of_two_libraries():
    with pytest.raises(TypeError, match="y_mean and y_cov must come from one library"):
        check_gaussian(np.zeros(2), torch.eye(2), "y")


@pytest.mark.parametrize(
    ("mean", "cov", "dtype"),
    [
        ([0, 1], [[2, 1], [1, 2]], np.float64),
        (np.float32([0, 1]), np.float32([[2, 1], [1, 2]]), np.float32),
        (np.float32([0, 1]), np.float64([[2, 1], [1, 2]]), np.float64),
        (0.5, 2.0, np.float64),
        ([0.0, 0.0], np.zeros((2, 2)), np.float64),
        (0.0, 1.7e308, np.float64),
        (0.0, 1e-307, np.float64),
        (torch.zeros(2), torch.eye(2), torch.float32),
        (torch.zeros(2), torch.ones(2, 2).double(), torch.float64),
    ],
)
def test_taken_gaussians(mean, cov, dtype):
    got_mean, got_cov, got_dtype = check_gaussian(mean, cov, "x")
    assert got_dtype == dtype
    np.testing.assert_array_equal(to_numpy(got_mean), np.atleast_1d(np.asarray(mean)))
    np.testing.assert_array_equal(to_numpy(got_cov), np.atleast_2d(np.asarray(cov)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_rank_deficient_covariance_survives_its_rounding(dtype, rng):
    cov = torch.as_tensor(np.cov(rng.normal(size=(5, 30)), rowvar=False)).to(dtype)
    check_gaussian(torch.zeros(30, dtype=dtype), cov, "x")


# ── options ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), torch.tensor(2.0, requires_grad=True)])
def test_check_positive(value):
    number = check_positive(value, "bandwidth")
    assert number == 2.0
    assert type(number) is float


@pytest.mark.parametrize("value", [0, -1.0, NAN, INF, -INF, 10**400])
def test_check_positive_refuses_a_value(value):
    with pytest.raises(ValueError, match="^bandwidth must be finite and above 0; got "):
        check_positive(value, "bandwidth")


@pytest.mark.parametrize("value", ["1", b"1", True, np.True_, None, 1j, [1.0], np.array([1.0, 2.0])])
def test_check_positive_refuses_a_type(value):
    with pytest.raises(TypeError, match="^bandwidth must be a number; got "):
        check_positive(value, "bandwidth")


def test_check_positive_bounds():
    assert check_positive(0, "epsilon", strict=False) == 0.0
    assert check_positive(1, "p", minimum=1, strict=False) == 1.0
    with pytest.raises(ValueError, match=r"p must be finite and at least 1; got 0\.5"):
        check_positive(0.5, "p", minimum=1, strict=False)
    with pytest.raises(ValueError, match="alpha must be finite and above 1; got 1"):
        check_positive(1, "alpha", minimum=1)


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), torch.tensor(3)])
def test_check_integer(value):
    number = check_integer(value, "k")
    assert number == 3
    assert type(number) is int


def test_check_integer_refuses():
    for value in (3.0, "3", True, np.True_, None, [3]):
        with pytest.raises(TypeError, match="^k must be an integer; got "):
            check_integer(value, "k")
    with pytest.raises(ValueError, match="k must be at least 1; got 0"):
        check_integer(0, "k")
    with pytest.raises(ValueError, match=r"k must be below 5 \(x has 5 rows\); got 5"):
        check_integer(5, "k", below=5, why="x has 5 rows")


def test_check_option():
    assert check_option("knn", "estimator", ["knn", "histogram"]) == "knn"
    with pytest.raises(
        ValueError, match="estimator must be one of 'knn', 'histogram'; got 'knm'; did you mean 'knn'"
    ):
        check_option("knm", "estimator", ["knn", "histogram"])
    for value in (None, 3, ["knn"]):
        with pytest.raises(ValueError, match=r"estimator must be one of .*; got "):
            check_option(value, "estimator", ["knn", "histogram"])


def test_check_rng():
    generator = np.random.default_rng(1)
    assert check_rng(generator) is generator
    assert check_rng(7).random() == check_rng(np.int64(7)).random() == np.random.default_rng(7).random()
    assert check_rng(None).random() != check_rng(None).random()
    for value in (-1, 1.5, "7", True, np.random.RandomState(0), torch.Generator()):
        with pytest.raises(TypeError, match="^rng must be None, a non-negative integer seed or"):
            check_rng(value)


# ── warnings and the widening of dtypes ─────────────────────────────────────────────────────


def test_a_warning_points_at_the_line_outside_the_package():
    # two frames that pass for the package's, as a public function and a helper would be
    module = {"__name__": "divergences.made_up", "warn": warn}
    exec("def helper():\n    warn('too few samples')\ndef public():\n    helper()\n", module)
    for function in (module["helper"], module["public"]):
        with pytest.warns(DivergenceWarning, match="too few samples") as caught:
            function()
        assert caught[0].filename == __file__


def test_widened():
    for dtype in (np.float64, ">f8", np.float16, np.int8, bool):
        wide, returned = widened(np.zeros(2, dtype=dtype))
        assert (wide.dtype, returned) == (np.float64, np.float64)
        assert wide.dtype.isnative
    assert widened(np.zeros(2, dtype=">f4"))[1] == np.float32
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool):
        wide, returned = widened(torch.zeros(2, dtype=dtype))
        assert (wide.dtype, returned) == (torch.float64, torch.float32)


def test_to_numpy_takes_every_tensor():
    for tensor in (
        torch.tensor([-2.0], requires_grad=True),
        torch.tensor([-2.0]).bfloat16(),
        torch.conj(torch.tensor([1 + 2j])).imag,  # a view that only remembers its sign
    ):
        np.testing.assert_array_equal(to_numpy(tensor), [-2.0])
