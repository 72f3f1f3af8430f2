"""Every check of user input, in one voice. Kernels never check.

``check_pair`` turns what a user brings into a ``Pair``; refusals are ``ValueError`` or
``TypeError`` that name the argument, what is required, what came, and how to mend it.
"""

from __future__ import annotations

import math
import numbers
import operator
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergences._arrays import (
    Array,
    Namespace,
    carries_gradient,
    detached,
    device_name,
    from_numpy,
    is_floating,
    is_torch,
    namespace,
    to_numpy,
    widened,
)

__all__ = [
    "DivergenceWarning",
    "Gaussians",
    "Pair",
    "check_cost",
    "check_gaussian",
    "check_gaussians",
    "check_integer",
    "check_masses",
    "check_option",
    "check_pair",
    "check_pmf",
    "check_pmfs",
    "check_positive",
    "check_rng",
    "check_same_library",
    "check_samples",
    "check_weights",
    "common_frame",
    "divided",
    "dtype_name",
    "power_of_two",
    "restored",
    "scalar",
    "warn",
]


class DivergenceWarning(UserWarning):
    """The number is right as defined, but may not be what you want; the text says what to do."""


def warn(message: str) -> None:
    """Issue a DivergenceWarning that points at the caller's own line."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("divergences."):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, DivergenceWarning, stacklevel=depth)


# ── the pair ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Pair:
    """Two checked samples, ready for a kernel.

    ``x`` (n, d) and ``y`` (m, d) are finite, in float64, in coordinates with a common offset and
    a common power-of-two scale taken out (``raw_x = x * scale + origin``); ``a`` and ``b`` are
    their weights, always there, summing to 1. ``result`` undoes the scale and returns the
    caller's kind of scalar. ``same`` says the two weighted samples are identical row by row.
    """

    x: Array
    y: Array
    a: Array
    b: Array
    xp: Namespace
    dtype: Any
    origin: Array
    scale: float
    uniform: bool
    same: bool

    @property
    def n(self) -> int:
        return int(self.x.shape[0])

    @property
    def m(self) -> int:
        return int(self.y.shape[0])

    @property
    def d(self) -> int:
        return int(self.x.shape[1])

    def zero(self) -> Array:
        """The value 0, joined to the inputs' gradient (which is 0 there)."""
        total = 0.0 * self.a[0]
        if carries_gradient(self.x, self.y, self.a, self.b):
            total = total + 0.0 * (self.x.sum() + self.y.sum() + self.a.sum() + self.b.sum())
        return total

    def result(self, value: Any, degree: float = 0) -> Any:
        """``value * scale**degree`` as a 0-d scalar of the caller's library and dtype.

        What the scale puts beyond the caller's dtype is refused, never returned as inf or 0.
        """
        value = value if is_torch(value) else from_numpy(value, self.x)
        mend = f"Divide x and y by {self.scale:.3g}: the value then comes out without that last factor"
        return restored(value, self.scale, degree, self.dtype, mend)


def restored(value: Array, scale: float, degree: float, dtype: Any, mend: str) -> Any:
    """``value * scale**degree`` as a 0-d scalar of ``dtype``; ``scale`` is a power of two.

    What the scale makes too large or too small for ``dtype`` is refused, and ``mend`` says what to do.
    A value that is tiny in itself rounds to 0, one that is infinite stays so.
    """
    exponent = degree * math.log2(scale)
    whole = math.floor(exponent)
    product = value * 2.0 ** (exponent - whole)  # exactly value where degree is an integer
    with np.errstate(over="ignore", under="ignore"):
        while whole:  # in steps: the whole factor may itself overflow
            step = max(-1000, min(1000, whole))
            product, whole = product * 2.0**step, whole - step
    out = scalar(product, dtype)
    before, after = float(detached(value)), float(detached(out))
    vanished = after == 0 and float(scalar(detached(value), dtype)) != 0
    if math.isfinite(before) and (vanished or not math.isfinite(after)):
        factor = f" * {scale:.3g}**{degree:g}" if degree else ""
        raise ValueError(
            f"the result, {before:.3g}{factor}, is beyond the range of {dtype_name(dtype)}. {mend}"
        )
    return out


def scalar(value: Array, dtype: Any) -> Any:
    """A 0-d result in the caller's dtype: a NumPy scalar or a 0-d tensor."""
    if is_torch(value):
        return value.to(dtype)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(value).astype(dtype)[()]


def check_pair(
    x: Any,
    y: Any,
    x_weights: Any = None,
    y_weights: Any = None,
    *,
    min_rows: int = 1,
    names: tuple[str, str] = ("x", "y"),
) -> Pair:
    """Check two samples and their weights together and put them in common coordinates."""
    x, y = check_samples(x, names[0], min_rows=min_rows), check_samples(y, names[1], min_rows=min_rows)
    check_same_library(x, y, names)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same number of features (columns); got shapes "
            f"{tuple(x.shape)} and {tuple(y.shape)}. Transpose or select the columns of one of them"
        )
    xp = namespace(x)
    wide_x, x_dtype = widened(x)
    wide_y, y_dtype = widened(y)
    dtype = x_dtype if x_dtype == y_dtype else xp.float64
    origin, scale = common_frame(xp, detached(wide_x), detached(wide_y))
    if bool(xp.any(origin != 0)):
        wide_x, wide_y = wide_x - origin, wide_y - origin
    if scale != 1.0:
        wide_x, wide_y = divided(wide_x, scale), divided(wide_y, scale)
    a, x_uniform = check_weights(x_weights, wide_x, f"{names[0]}_weights")
    b, y_uniform = check_weights(y_weights, wide_y, f"{names[1]}_weights")
    same = (
        wide_x.shape == wide_y.shape
        and bool(xp.all(detached(wide_x) == detached(wide_y)))
        and bool(xp.all(detached(a) == detached(b)))
    )
    return Pair(
        x=wide_x, y=wide_y, a=a, b=b, xp=xp, dtype=dtype, origin=origin, scale=scale,
        uniform=x_uniform and y_uniform, same=same,
    )  # fmt: skip


def common_frame(xp: Namespace, x: Array, y: Array) -> tuple[Array, float]:
    """The offset to subtract, a column each, and the power of two to divide by.

    A column is shifted only where its offset exceeds its spread: then the subtraction is exact
    (Sterbenz), and an outlier can never cost the other rows their digits.
    """
    low = xp.minimum(xp.min(x, axis=0), xp.min(y, axis=0))
    high = xp.maximum(xp.max(x, axis=0), xp.max(y, axis=0))
    middle = low / 2 + high / 2
    shifted = xp.abs(middle) / 2 > high / 2 - low / 2  # halved: the spread itself may overflow
    origin = xp.where(shifted, middle, 0.0)
    largest = float(xp.max(xp.maximum(xp.abs(low - origin), xp.abs(high - origin))))
    return origin, power_of_two(largest)


def power_of_two(size: float) -> float:
    """The largest power of two that is no larger than ``size``; 1 for 0."""
    return 2.0 ** (math.frexp(size)[1] - 1) if size > 0 else 1.0


def divided(array: Array, scale: float) -> Array:
    """``array / scale`` for a power of two, in two steps: 1/scale itself may overflow."""
    half = 2.0 ** (math.frexp(scale)[1] // 2)
    return array / half / (scale / half)


def check_samples(value: Any, name: str, *, min_rows: int = 1) -> Array:
    """A finite real 2-D array of the caller's library, ``(rows, features)``."""
    array = _as_array(value, name)
    shape = tuple(array.shape)
    if len(shape) == 0:
        raise ValueError(f"{name} must hold samples, one a row; got a single number. Pass [{array.item()!r}]")
    if len(shape) > 2:
        raise ValueError(
            f"{name} must be (rows, features); got {len(shape)} axes, shape {shape}. "
            f"Flatten each sample: {name}.reshape(len({name}), -1)"
        )
    if 0 in shape:
        raise ValueError(f"{name} must not be empty; got shape {shape}")
    if shape[0] < min_rows:
        raise ValueError(
            f"{name} must have at least {min_rows} rows for this measure; got {shape[0]}. Draw more samples"
        )
    _finite(array, name, "drop or impute those rows")
    _exact(array, name)
    return array.reshape(-1, 1) if len(shape) == 1 else array


def check_weights(value: Any, samples: Array, name: str) -> tuple[Array, bool]:
    """Weights summing to 1, in the samples' library, and whether they are all equal."""
    xp, rows = namespace(samples), int(samples.shape[0])
    if value is None:
        return xp.full((rows,), 1.0 / rows, dtype=samples.dtype, device=_device(samples)), True
    array = _as_array(value, name)
    if is_torch(samples) and not is_torch(array):
        array = from_numpy(array.astype(np.float64), samples)
    elif is_torch(array) and not is_torch(samples):
        raise TypeError(
            f"{name} is a torch tensor but the samples are NumPy; pass both in one library, "
            f"for example {name}.detach().numpy()"
        )
    elif is_torch(array) and array.device != samples.device:
        raise ValueError(
            f"{name} must be on the samples' device, {device_name(samples)}; got {device_name(array)}. "
            f"Move it with .to({device_name(samples)!r})"
        )
    if tuple(array.shape) != (rows,):
        raise ValueError(
            f"{name} must be one number per row, shape ({rows},); got shape {tuple(array.shape)}"
        )
    _finite(array, name, "replace them")
    array, _ = widened(array)
    plain = detached(array)
    if bool(xp.any(plain < 0)):
        raise ValueError(f"{name} must not be negative; got a minimum of {float(xp.min(plain)):g}")
    largest = float(xp.max(plain))
    if largest == 0:
        raise ValueError(f"{name} must not all be zero: a sample needs some mass")
    array = array / largest
    return array / xp.sum(array), bool(xp.all(plain == plain[0]))


def check_cost(value: Any, name: str, shape: tuple[int, int]) -> Array:
    """A finite cost for every pair of rows, in float64."""
    array = _as_array(value, name)
    if tuple(array.shape) != shape:
        raise ValueError(
            f"{name} must be one number for each pair of rows, shape {shape}; got shape {tuple(array.shape)}"
        )
    _finite(array, name, "give a forbidden pair ten times the largest other cost")
    return widened(array)[0]


# ── probability vectors ─────────────────────────────────────────────────────────────────────


def check_pmfs(p: Any, q: Any) -> tuple[Array, Array, Namespace, Any]:
    """Two batches of probability vectors ``(..., k)``, their namespace and result dtype."""
    p, p_dtype = check_pmf(p, "p")
    q, q_dtype = check_pmf(q, "q")
    check_same_library(p, q, ("p", "q"))
    if p.shape[-1] != q.shape[-1]:
        raise ValueError(
            f"p and q must have the same number of outcomes on the last axis; got shapes "
            f"{tuple(p.shape)} and {tuple(q.shape)}. Pad the shorter with zeros, outcome by outcome"
        )
    try:
        np.broadcast_shapes(tuple(p.shape), tuple(q.shape))
    except ValueError:
        raise ValueError(
            f"the leading axes of p and q must broadcast; got shapes {tuple(p.shape)} and {tuple(q.shape)}"
        ) from None
    xp = namespace(p)
    return p, q, xp, p_dtype if p_dtype == q_dtype else xp.float64


def check_pmf(value: Any, name: str) -> tuple[Array, Any]:
    """Probabilities ``(..., k)`` in float64; integers are counts and are normalised."""
    array = _masses(value, name)
    if not is_floating(array):
        return check_masses(value, name)
    xp, single = namespace(array), str(array.dtype)
    # half precision: the rounding of the entries alone, 2⁻⁸ (bfloat16) or 2⁻¹¹ of the sum
    tolerance = 5e-3 if "bfloat16" in single else 1e-3 if "16" in single else 1e-5 if "32" in single else 1e-8
    array, dtype = widened(array)
    with np.errstate(over="ignore"):  # a sum beyond float64 is inf, and refused as such
        total = xp.sum(detached(array), axis=-1).reshape(-1)
    worst = float(total[int(xp.argmax(xp.abs(total - 1)))])
    if abs(worst - 1) > tolerance:
        raise ValueError(
            f"{name} must sum to 1 along its last axis; got a sum of {worst:.9g}. "
            f"Normalise it with divergences.pmf.normalize({name})"
        )
    return array, dtype


def check_masses(value: Any, name: str) -> tuple[Array, Any]:
    """Non-negative masses or counts ``(..., k)``, normalised along the last axis in float64."""
    array, dtype = widened(_masses(value, name))
    xp = namespace(array)
    largest = xp.max(detached(array), axis=-1, keepdims=True)
    if bool(xp.any(largest == 0)):
        raise ValueError(f"{name} is all zero along its last axis somewhere; some mass must be positive")
    array = array / largest  # first, so that the sum cannot overflow
    return array / xp.sum(array, axis=-1, keepdims=True), dtype


def _masses(value: Any, name: str) -> Array:
    array = _as_array(value, name)
    shape = tuple(array.shape)
    if len(shape) == 0 or 0 in shape:
        raise ValueError(f"{name} must hold at least one probability on its last axis; got shape {shape}")
    _finite(array, name, "a probability is a number")
    if is_floating(array) and bool(namespace(array).any(detached(array) < 0)):
        raise ValueError(f"{name} must not be negative; got a minimum of {float(detached(array).min()):g}")
    if not is_floating(array) and int(to_numpy(array).min()) < 0:
        raise ValueError(f"{name} holds counts and must not be negative; got {int(to_numpy(array).min())}")
    return array


# ── Gaussians ───────────────────────────────────────────────────────────────────────────────


def check_gaussian(mean: Any, cov: Any, name: str) -> tuple[Array, Array, Any]:
    """A mean ``(d,)`` and a symmetric positive semi-definite covariance ``(d, d)``.

    In one dimension plain numbers (mean, variance) are taken too.
    """
    mean, cov = _as_array(mean, f"{name}_mean"), _as_array(cov, f"{name}_cov")
    check_same_library(mean, cov, (f"{name}_mean", f"{name}_cov"))
    if len(mean.shape) == 0:
        mean = mean.reshape(1)
    if len(cov.shape) == 0:
        cov = cov.reshape(1, 1)
    d = int(mean.shape[0])
    if len(mean.shape) != 1 or d == 0 or tuple(cov.shape) != (d, d):
        raise ValueError(
            f"{name}_mean must have shape (d,) and {name}_cov shape (d, d); got "
            f"{tuple(mean.shape)} and {tuple(cov.shape)}. divergences.gaussian.fit(samples) returns both"
        )
    _finite(mean, f"{name}_mean", "fit it on finite samples")
    _finite(cov, f"{name}_cov", "fit it on finite samples")
    xp = namespace(cov)
    source = str(cov.dtype) if is_floating(cov) else "exact"
    tolerance = 1e-2 if "16" in source else 1e-4 if "32" in source else 1e-9
    (mean, mean_dtype), (cov, cov_dtype) = widened(mean), widened(cov)
    size = float(xp.max(xp.abs(detached(cov)))) or 1.0
    plain = detached(cov) / size  # in units of the largest entry, so that nothing overflows
    skew = float(xp.max(xp.abs(plain - plain.T)))
    if skew > tolerance:
        raise ValueError(
            f"{name}_cov must be symmetric; its entries differ from their mirror images by up to "
            f"{skew * size:.3g}. Pass ({name}_cov + {name}_cov.T) / 2 if that is rounding"
        )
    lowest = float(xp.min(xp.linalg.eigvalsh(plain)))
    if lowest < -d * tolerance:
        raise ValueError(
            f"{name}_cov must be positive semi-definite; its lowest eigenvalue is {lowest * size:.3g}. "
            "A covariance from divergences.gaussian.fit is"
        )
    return mean, cov / 2 + cov.T / 2, mean_dtype if mean_dtype == cov_dtype else xp.float64


@dataclass(frozen=True, slots=True)
class Gaussians:
    """Two checked Gaussians in float64, P = x and Q = y.

    Only the difference of the means matters to a distance. ``p_eps`` and ``q_eps`` are the rounding
    of the dtype that each covariance came in. ``result`` returns the caller's kind of scalar.
    """

    delta: Array  # x_mean − y_mean
    p: Array
    q: Array
    x_mean: Array
    y_mean: Array
    xp: Namespace
    dtype: Any
    p_eps: float
    q_eps: float

    @property
    def d(self) -> int:
        return int(self.delta.shape[0])

    @property
    def same(self) -> bool:
        xp = self.xp
        equal = xp.all(detached(self.p) == detached(self.q)) & xp.all(detached(self.delta) == 0)
        return bool(equal)

    def constant(self, value: float) -> Array:
        """``value``, joined to the inputs' gradient, which is 0 there."""
        parts = (self.delta, self.p, self.q)
        return value + sum(self.xp.sum(part - detached(part)) for part in parts) * 0.0

    def result(self, value: Array | None, scale: float = 1.0, degree: int = 0) -> Any:
        """``value * scale**degree`` in the caller's dtype; None stands for a divergence that is inf."""
        if value is None:
            return scalar(self.constant(math.inf), self.dtype)
        if not math.isfinite(float(detached(value))):  # finite in truth, but not in float64
            raise ValueError(
                "the result is beyond the range of float64: the Gaussians are too far apart to say how far"
            )
        mend = "Pass float64, or means and deviations in other units"
        return restored(value, scale, degree, self.dtype, mend)


def check_gaussians(x_mean: Any, x_cov: Any, y_mean: Any, y_cov: Any) -> Gaussians:
    """Check two Gaussians together: one library, one dimension, means that can be subtracted."""
    x_mean, p, x_dtype = check_gaussian(x_mean, x_cov, "x")
    y_mean, q, y_dtype = check_gaussian(y_mean, y_cov, "y")
    check_same_library(x_mean, y_mean, ("x_mean", "y_mean"))
    if x_mean.shape != y_mean.shape:
        raise ValueError(
            f"the two Gaussians must have the same dimension; got {x_mean.shape[0]} for x and "
            f"{y_mean.shape[0]} for y. Fit both on the same features"
        )
    xp = namespace(x_mean)
    with np.errstate(over="ignore"):
        delta = x_mean - y_mean
    if not bool(xp.all(xp.isfinite(detached(delta)))):
        raise ValueError("x_mean - y_mean is beyond the range of float64; divide means and deviations by 10")
    return Gaussians(
        delta=delta, p=p, q=q, x_mean=x_mean, y_mean=y_mean, xp=xp,
        dtype=x_dtype if x_dtype == y_dtype else xp.float64,
        p_eps=float(xp.finfo(x_dtype).eps), q_eps=float(xp.finfo(y_dtype).eps),
    )  # fmt: skip


# ── options ─────────────────────────────────────────────────────────────────────────────────


def check_positive(value: Any, name: str, *, minimum: float = 0.0, strict: bool = True) -> float:
    """A finite real number above (or, not strict, at least) ``minimum``."""
    try:
        if isinstance(value, (bool, np.bool_, str, bytes)):  # float() takes them
            raise TypeError
        number = float(detached(value))
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be a number; got {type(value).__name__} {value!r}") from None
    if not math.isfinite(number) or number < minimum or (strict and number == minimum):
        bound = f"above {minimum:g}" if strict else f"at least {minimum:g}"
        raise ValueError(f"{name} must be finite and {bound}; got {number:g}")
    return number


def check_integer(value: Any, name: str, *, minimum: int = 1, below: int | None = None, why: str = "") -> int:
    """An integer in ``[minimum, below)``; ``why`` says where the upper limit comes from."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer; got {type(value).__name__} {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}; got {number}")
    if below is not None and number >= below:
        raise ValueError(f"{name} must be below {below}{f' ({why})' if why else ''}; got {number}")
    return number


def check_option(value: Any, name: str, options: Iterable[str]) -> str:
    """One of a few words; the message suggests the nearest."""
    known = list(options)
    if isinstance(value, str) and value in known:
        return value
    import difflib  # only a misspelt option needs it

    close = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}; got {value!r}{hint}")


def check_rng(rng: Any) -> np.random.Generator:
    """A NumPy Generator from a seed, a Generator, or None (fresh entropy)."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or (isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0):
        return np.random.default_rng(rng)
    raise TypeError(f"rng must be None, a non-negative integer seed or a numpy.random.Generator; got {rng!r}")


KINDS = {"c": "complex numbers", "M": "datetimes", "m": "time differences", "V": "records"}


# ── what every array goes through ───────────────────────────────────────────────────────────


def _as_array(value: Any, name: str) -> Array:
    """A dense real NumPy array or torch tensor; every other kind is refused by name."""
    if is_torch(value):
        return _checked_tensor(value, name)
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must not be a masked array: the mask would be ignored. "
            f"Pass {name}[~mask] or {name}.compressed()"
        )
    if type(value).__module__.startswith("scipy.sparse"):
        raise TypeError(f"{name} must be dense; got a sparse {type(value).__name__}. Pass {name}.toarray()")
    if isinstance(value, (list, tuple)) and any(is_torch(item) for item in value):
        raise TypeError(f"{name} is a list of tensors; join it with torch.stack({name}) first")
    if value is None or isinstance(value, (str, bytes, dict, set)):
        raise TypeError(f"{name} must be an array of numbers; got {type(value).__name__}")
    try:
        array = np.asarray(value)
        if array.dtype.kind == "f" and array.dtype.itemsize > 8:
            with np.errstate(over="ignore"):  # long double beyond float64 is inf, and refused as such
                array = array.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} must be a rectangular array of numbers; NumPy says: {error}") from None
    if array.dtype.kind == "O" and type(value).__module__.startswith("pandas"):
        array = _plain_table(value, array)
    if array.dtype.kind == "O":
        raise TypeError(
            f"{name} must hold numbers; got dtype object (mixed types, missing values or rows of "
            f"unequal length). Convert it: np.asarray({name}, dtype=float)"
        )
    if array.dtype.kind not in "fiub":
        kind = KINDS.get(array.dtype.kind, "text")
        raise TypeError(
            f"{name} must hold real numbers; got {kind} (dtype {array.dtype}). Convert or drop them"
        )
    return array


def _plain_table(table: Any, array: np.ndarray) -> np.ndarray:
    """The numbers of a pandas object whose nullable columns NumPy sees as objects."""
    if all(isinstance(item, numbers.Real) for item in array.flat):
        return np.asarray(table, dtype=np.float64)
    return array


def _checked_tensor(value: Array, name: str) -> Array:
    if value.is_nested:
        raise TypeError(f"{name} must be rectangular; got a nested tensor. Give every row the same length")
    if value.is_meta:
        raise TypeError(f"{name} has no values: it is on the device 'meta'. Load it first")
    if value.is_floating_point() and value.dtype.itemsize < 2:
        raise TypeError(f"{name} must hold real numbers; got dtype {value.dtype}. Pass {name}.float()")
    if value.layout != sys.modules["torch"].strided:
        raise TypeError(f"{name} must be a dense tensor; got layout {value.layout}. Pass {name}.to_dense()")
    if value.is_complex():
        raise TypeError(f"{name} must hold real numbers; got dtype {value.dtype}. Pass its real part")
    if value.is_quantized:
        raise TypeError(f"{name} must not be quantized; pass {name}.dequantize()")
    return value


def _exact(array: Array, name: str) -> None:
    """Refuse integers that float64 cannot tell apart: their differences would be silently wrong."""
    if is_floating(array) or array.dtype.itemsize < 8:
        return
    wide = widened(array)[0]
    largest = float(namespace(wide).max(abs(wide)))
    if largest >= 2.0**53:
        kind = "double()" if is_torch(array) else "astype(float)"
        raise ValueError(
            f"{name} must hold integers below 2**53 in size; got {largest:.17g}. Subtract a common offset "
            f"first, or accept the rounding with {name}.{kind}"
        )


def _finite(array: Array, name: str, mend: str) -> None:
    xp = namespace(array)
    if not is_floating(array) or bool(xp.all(xp.isfinite(detached(array)))):
        return
    plain = to_numpy(detached(array)).astype(np.float64)
    bad = ~np.isfinite(plain)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    raise ValueError(
        f"{name} must be finite; got {plain[first]} at index {first[0] if len(first) == 1 else first} "
        f"({int(bad.sum())} such value{'s' if bad.sum() > 1 else ''}): {mend}"
    )


def check_same_library(x: Array, y: Array, names: tuple[str, str]) -> None:
    """Two arrays of one library, on one device."""
    if is_torch(x) != is_torch(y):
        tensor = names[0] if is_torch(x) else names[1]
        raise TypeError(
            f"{names[0]} and {names[1]} must come from one library; {tensor} is a torch tensor and the "
            f"other is NumPy. Convert one: torch.as_tensor(...) or {tensor}.detach().numpy()"
        )
    if is_torch(x) and x.device != y.device:
        raise ValueError(
            f"{names[0]} and {names[1]} must be on one device; got {device_name(x)} and {device_name(y)}. "
            f"Move one with .to({device_name(x)!r})"
        )


def _device(array: Array) -> Any:
    return array.device if is_torch(array) else None


def dtype_name(dtype: Any) -> str:
    """The dtype as a user writes it: ``"float32"``."""
    return str(dtype).removeprefix("torch.") if "torch" in str(dtype) else np.dtype(dtype).name
