"""Two checked samples in common coordinates: what every kernel is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from divergences._arrays import (
    Array,
    Namespace,
    carries_gradient,
    detached,
    from_numpy,
    is_torch,
    namespace,
    returned_dtype,
    widened,
)
from divergences._inputs.arrays import check_same_library
from divergences._inputs.frame import common_frame, divided, dtype_name, frame_between, restored
from divergences._inputs.samples import check_samples, check_weights
from divergences._inputs.sources import check_rows, equal_rows, extent, in_memory
from divergences._inputs.tables import check_columns
from divergences._rows import Rows

__all__ = ["Pair", "check_pair"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two checked samples, ready for a kernel.

    ``x`` (n, d) and ``y`` (m, d) are finite, in float64, in coordinates with a common offset and
    a common power-of-two scale taken out (``raw_x = x * scale + origin``), so that the largest number is
    within a factor 16 of 1 or 0. Where there was nothing to take out they may be the caller's own arrays:
    never write to them, and copy what outlives the call. ``a`` and ``b`` are their weights, always there,
    summing to 1. ``result`` undoes the scale and returns the caller's kind of scalar. ``same`` says the two
    weighted samples are identical row by row.
    A side is ``Rows``, to be read by blocks, only where ``check_pair`` was told ``streams=True``.
    """

    x: Array  # or Rows
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

    @property
    def single(self) -> bool:
        """Whether the result is float32: both sides came in it, or in torch's integers or half precision."""
        return dtype_name(self.dtype) == "float32"

    def zero(self) -> Array:
        """The value 0, joined to the inputs' gradient (which is 0 there)."""
        total = 0.0 * self.a[0]
        if carries_gradient(self.x, self.y, self.a, self.b):
            total = total + 0.0 * (self.x.sum() + self.y.sum() + self.a.sum() + self.b.sum())
        return total

    def loaded(self) -> Pair:
        """The pair with both sides in memory, for what cannot be done by blocks."""
        if not (isinstance(self.x, Rows) or isinstance(self.y, Rows)):
            return self
        x, y = (in_memory(side, name) for side, name in ((self.x, "x"), (self.y, "y")))
        return replace(self, x=x, y=y)

    def raw(self) -> tuple[Array, Array]:
        """Both sides in the caller's own coordinates; Rows stay Rows."""
        x, y = (
            side.framed(np.zeros(self.d), 1.0) if isinstance(side, Rows) else side * self.scale + self.origin
            for side in (self.x, self.y)
        )
        return x, y

    def result(self, value: Any, degree: float = 0) -> Any:
        """``value * scale**degree`` as a 0-d scalar of the caller's library and dtype.

        What the scale puts beyond the caller's dtype is refused, never returned as inf or 0.
        """
        value = value if is_torch(value) else from_numpy(value, self.x)
        mend = f"Divide x and y by {self.scale:.3g}: the value then comes out without that last factor"
        return restored(value, self.scale, degree, self.dtype, mend)


def check_pair(
    x: Any,
    y: Any,
    x_weights: Any = None,
    y_weights: Any = None,
    *,
    min_rows: int = 1,
    names: tuple[str, str] = ("x", "y"),
    streams: bool = False,
) -> Pair:
    """Check two samples and their weights together and put them in common coordinates.

    ``streams`` says that the caller reads rows by blocks: a row source too large to load (``_rows``)
    then stays where it is and is a side of the pair as ``Rows``. Otherwise it is loaded. Tables must have
    the same columns in one order.
    """
    check_columns(x, y, names)
    if streams:
        sources = [check_rows(v, name, min_rows=min_rows) for v, name in zip((x, y), names, strict=True)]
        if any(source is not None for source in sources):
            sides = [
                check_samples(v, name, min_rows=min_rows) if source is None else source
                for v, name, source in zip((x, y), names, sources, strict=True)
            ]
            return _streamed(sides[0], sides[1], x_weights, y_weights, names)
    x, y = check_samples(x, names[0], min_rows=min_rows), check_samples(y, names[1], min_rows=min_rows)
    _check_alike(x, y, names)
    xp = namespace(x)
    x_dtype, y_dtype = returned_dtype(x), returned_dtype(y)
    dtype = x_dtype if x_dtype == y_dtype else xp.float64
    if is_torch(x):
        x, y = widened(x)[0], widened(y)[0]
    origin, scale = common_frame(xp, detached(x), detached(y))
    wide_x, wide_y = _framed(x, origin, scale), _framed(y, origin, scale)
    a, x_uniform = check_weights(x_weights, wide_x, f"{names[0]}_weights")
    b, y_uniform = check_weights(y_weights, wide_y, f"{names[1]}_weights")
    same = (
        wide_x.shape == wide_y.shape
        and all(  # the first row tells most samples apart
            bool(xp.all(detached(wide_x)[part] == detached(wide_y)[part]))
            for part in (slice(0, 1), slice(1, None))
        )
        and bool(xp.all(detached(a) == detached(b)))
    )
    return Pair(
        x=wide_x, y=wide_y, a=a, b=b, xp=xp, dtype=dtype, origin=origin, scale=scale,
        uniform=x_uniform and y_uniform, same=same,
    )  # fmt: skip


def _check_alike(x: Array | Rows, y: Array | Rows, names: tuple[str, str]) -> None:
    check_same_library(x, y, names)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same number of features (columns); got shapes "
            f"{tuple(x.shape)} and {tuple(y.shape)}. Transpose or select the columns of one of them"
        )


def _framed(side: Array, origin: Array, scale: float) -> Array:
    """``(side − origin) / scale``; what is NumPy's comes in any dtype and leaves in float64."""
    shifted = bool(namespace(origin).any(origin != 0))
    if is_torch(side):
        side = side - origin if shifted else side
        return side if scale == 1.0 else divided(side, scale)
    # Widened on the way, scaled in place: a pass over fresh memory costs as much as arithmetic. Row by
    # row in memory, so that no result hangs on how the caller's array lies
    moved = np.subtract(side, origin, dtype=np.float64, order="C") if shifted else None
    if scale == 1.0 and moved is None:
        # compiled loops take what is read-only for another type, and would be compiled anew for it
        return np.require(side, dtype=np.float64, requirements=["C", "A", "W", "E"])
    if scale == 1.0:
        return moved
    return divided(side if moved is None else moved, scale, out=moved)


def _streamed(
    x: Array | Rows, y: Array | Rows, x_weights: Any, y_weights: Any, names: tuple[str, str]
) -> Pair:
    """The pair where a side stays out of memory: one pass checks its values and finds the frame."""
    _check_alike(x, y, names)
    dtypes = [side.dtype if isinstance(side, Rows) else np.dtype(returned_dtype(side)) for side in (x, y)]
    # the weights first: they are in memory, and wrong ones should not cost a pass
    (a, x_uniform), (b, y_uniform) = (
        check_weights(weights, np.empty((side.shape[0], 0)), f"{name}_weights")
        for weights, side, name in zip((x_weights, y_weights), (x, y), names, strict=True)
    )
    twice = isinstance(x, Rows) and isinstance(y, Rows) and x.same_source(y)
    x_extent = extent(x, names[0])
    y_extent = x_extent if twice else extent(y, names[1])
    origin, scale = frame_between(
        np, np.minimum(x_extent[0], y_extent[0]), np.maximum(x_extent[1], y_extent[1])
    )
    origin = _coarse(origin)
    x, y = (
        side.framed(origin, scale) if isinstance(side, Rows) else _framed(side, origin, scale)
        for side in (x, y)
    )
    return Pair(
        x=x, y=y, a=a, b=b, xp=namespace(a), dtype=dtypes[0].type if dtypes[0] == dtypes[1] else np.float64,
        origin=origin, scale=scale, uniform=x_uniform and y_uniform,
        same=bool(np.array_equal(a, b)) and equal_rows(x, y),
    )  # fmt: skip


def _coarse(origin: np.ndarray) -> np.ndarray:
    """The origin to float32's digits where it has that range: float32 rows then stay float32, exactly."""
    with np.errstate(over="ignore"):
        single = origin.astype(np.float32).astype(np.float64)
    near = np.isfinite(single) & (np.abs(origin) > np.finfo(np.float32).tiny)
    return np.where(near, single, origin)
