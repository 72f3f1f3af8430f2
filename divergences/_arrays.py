"""The only file that knows NumPy from PyTorch.

Everything else is written once against an array-API namespace ``xp`` (from array-api-compat)
and the few helpers below, which fill the gaps of that standard or guard a gradient.
Torch is never imported here: if a caller hands us a tensor, it is already loaded.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import array_api_compat
import numpy as np

Array = Any  # a numpy.ndarray or a torch.Tensor: the libraries share no common base class
Namespace = Any

__all__ = [
    "Array",
    "Namespace",
    "array_device",
    "blockwise",
    "carries_gradient",
    "detached",
    "device_name",
    "differentiable",
    "envelope",
    "from_numpy",
    "is_floating",
    "is_torch",
    "logsumexp",
    "namespace",
    "returned_dtype",
    "safe_log",
    "safe_sqrt",
    "smallest",
    "to_numpy",
    "widened",
]


NEGLIGIBLE = -300.0  # an exponent this far below the largest adds nothing


def is_torch(value: object) -> bool:
    """Whether ``value`` is a torch tensor; never imports torch to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def namespace(array: Array) -> Namespace:
    """The array-API namespace of ``array`` (NumPy's or torch's)."""
    return array_api_compat.array_namespace(array)


def array_device(array: Array) -> Any:
    """The device of ``array``, as creation functions take it."""
    return array_api_compat.device(array)


def device_name(array: Array) -> str:
    """The device of ``array`` as text: ``"cpu"``, ``"cuda:0"``."""
    return str(array_api_compat.device(array))


def is_floating(array: Array) -> bool:
    """Whether the dtype is a real floating one."""
    if is_torch(array):
        return bool(array.is_floating_point())
    return bool(np.issubdtype(array.dtype, np.floating))


def widened(array: Array) -> tuple[Array, Any]:
    """The array in the precision we compute in, and the dtype its results are returned in.

    Sums are accumulated in float64 whatever came (a device without float64 keeps float32).
    float32 results stay float32; integers, bool and half precision return float64 in NumPy and
    float32 in torch, which is each library's own default float.
    """
    if is_torch(array):
        torch = sys.modules["torch"]
        computed = torch.float32 if array.device.type == "mps" else torch.float64
        return array.to(computed), returned_dtype(array)
    return np.asarray(array, dtype=np.float64), returned_dtype(array)


def returned_dtype(array: Array) -> Any:
    """The dtype that results of ``array`` are returned in: see ``widened``."""
    if is_torch(array):
        torch = sys.modules["torch"]
        return torch.float64 if array.dtype == torch.float64 else torch.float32
    single = array.dtype.newbyteorder("=") == np.float32  # big-endian float32 is float32 too
    return np.float32 if single else np.float64


def to_numpy(array: Array) -> np.ndarray:
    """The values as a NumPy array, cut from any autograd graph."""
    if not is_torch(array):
        return np.asarray(array)
    torch = sys.modules["torch"]
    plain = array.detach().cpu().resolve_neg()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()  # NumPy has no bfloat16


def from_numpy(values: Any, like: Array) -> Array:
    """``values`` in the library and on the device of ``like``; floats take its dtype too."""
    values = np.asarray(values)
    if not is_torch(like):
        return values
    torch = sys.modules["torch"]
    dtype = like.dtype if values.dtype.kind == "f" else None
    return torch.as_tensor(values, dtype=dtype, device=like.device)


def detached(array: Array) -> Array:
    """``array`` without its gradient history."""
    return array.detach() if is_torch(array) else array


def carries_gradient(*arrays: Array) -> bool:
    """Whether a result computed from ``arrays`` now would be differentiable."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.is_grad_enabled():
        return False
    return any(is_torch(a) and a.requires_grad for a in arrays)


def blockwise(function: Callable[..., Array], *arrays: Array) -> Array:
    """Call ``function(*arrays)``; under autograd its intermediates are recomputed, not stored."""
    if not carries_gradient(*arrays):
        return function(*arrays)
    from torch.utils.checkpoint import checkpoint

    return checkpoint(function, *arrays, use_reentrant=False, preserve_rng_state=False)


def differentiable(
    values: Callable[..., Sequence[np.ndarray]],
    slopes: Callable[..., Sequence[np.ndarray | None]],
    plain: Callable[..., Sequence[Array]],
    *tensors: Array | None,
) -> tuple[Array, ...]:
    """``values(*arrays)``, computed in NumPy, as tensors with a gradient.

    ``slopes(upstream, found, needed, *arrays)`` gives the gradient by each array, where ``needed``, from that
    by each value. ``plain(*tensors)`` gives the same values by differentiable operations; it is called
    only where gradients are to be differentiated again.
    """
    found: tuple[Array, ...] = _compiled_function().apply(values, slopes, plain, *tensors)
    return found


@functools.cache
def _compiled_function() -> Any:
    torch = sys.modules["torch"]
    base: Any = torch.autograd.Function

    class Compiled(base):
        @staticmethod
        def forward(ctx: Any, values: Any, slopes: Any, plain: Any, *tensors: Any) -> Any:
            like = next(tensor for tensor in tensors if tensor is not None)
            found = values(*map(_given, tensors))
            ctx.save_for_backward(*tensors)
            ctx.slopes, ctx.plain, ctx.found = slopes, plain, found
            return tuple(from_numpy(value, like) for value in found)

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            tensors, needed = ctx.saved_tensors, ctx.needs_input_grad[3:]
            if torch.is_grad_enabled():  # create_graph=True
                wanted = [tensor for tensor, wish in zip(tensors, needed, strict=True) if wish]
                again = ctx.plain(*tensors)
                pairs = [(v, g) for v, g in zip(again, upstream, strict=True) if v.requires_grad]
                outputs, weights = zip(*pairs, strict=True)
                by = iter(torch.autograd.grad(outputs, wanted, weights, create_graph=True, allow_unused=True))
                return (None, None, None, *(next(by) if wish else None for wish in needed))
            by = ctx.slopes([to_numpy(g) for g in upstream], ctx.found, needed, *map(_given, tensors))
            like = next(tensor for tensor in tensors if tensor is not None)
            return (None, None, None, *(None if g is None else from_numpy(g, like) for g in by))

    return Compiled


def _given(tensor: Array | None) -> np.ndarray | None:
    return None if tensor is None else to_numpy(tensor)


def safe_log(xp: Namespace, value: Array) -> Array:
    """log where ``value > 0`` and 0 elsewhere: masked before the log, so gradients stay finite."""
    positive = value > 0
    return xp.where(positive, xp.log(xp.where(positive, value, 1.0)), 0.0)


def safe_sqrt(xp: Namespace, value: Array) -> Array:
    """sqrt where ``value > 0`` and 0 elsewhere, with gradient 0 (a subgradient) at 0."""
    positive = value > 0
    return xp.where(positive, xp.sqrt(xp.where(positive, value, 1.0)), 0.0)


def logsumexp(xp: Namespace, value: Array, axis: int = -1) -> Array:
    """log Σ exp along ``axis``; −inf rows stay −inf without a NaN."""
    top = xp.max(detached(value), axis=axis, keepdims=True)
    empty = xp.squeeze(top == -xp.inf, axis=axis)
    finite_top = xp.where(top == -xp.inf, 0.0, top)
    shifted = value - finite_top
    # e^−300 of the largest term changes no digit, and exp is several times slower as it underflows
    total = xp.sum(xp.exp(xp.clip(shifted, NEGLIGIBLE, None)), axis=axis)
    return xp.where(empty, -xp.inf, xp.log(total)) + xp.squeeze(finite_top, axis=axis)


def smallest(array: Array, k: int) -> tuple[Array, Array]:
    """The ``k`` smallest entries of each row, ascending, and their columns."""
    if is_torch(array):
        torch = sys.modules["torch"]
        values, columns = torch.topk(array, k, dim=-1, largest=False, sorted=True)
        return values, columns
    if k < array.shape[-1]:
        columns = np.argpartition(array, k - 1, axis=-1)[:, :k]
    else:
        columns = np.broadcast_to(np.arange(k), (len(array), k))
    values = np.take_along_axis(array, columns, axis=-1)
    order = np.argsort(values, axis=-1, kind="stable")
    return np.take_along_axis(values, order, -1), np.take_along_axis(columns, order, -1)


def envelope(value: Array, parts: Sequence[tuple[Array, Array]]) -> Array:
    """``value`` as a constant whose gradient in each ``tensor`` is the given one.

    The envelope theorem: at the optimum of an inner problem only the explicit dependence on the
    data counts, so an exact solver needs no derivative of its own. First order only.
    """
    value = detached(value)
    for tensor, gradient in parts:
        if carries_gradient(tensor):
            value = value + ((tensor - tensor.detach()) * detached(gradient)).sum()
    return value
