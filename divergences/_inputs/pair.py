"""Two checked samples in common coordinates: what every kernel is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from divergences._arrays import (
    Array,
    Namespace,
    carries_gradient,
    detached,
    from_numpy,
    is_torch,
    namespace,
    widened,
)
from divergences._inputs.arrays import check_same_library
from divergences._inputs.frame import common_frame, divided, restored
from divergences._inputs.samples import check_samples, check_weights

__all__ = ["Pair", "check_pair"]


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
