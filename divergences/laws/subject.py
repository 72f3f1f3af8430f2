"""The function on trial: how it is called, what it claims, and what rounding error it is allowed."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divergences._arrays import Array
from divergences.laws.measured import Measured
from divergences.registry import Metric

__all__ = ["SPACES", "Crashed", "NotApplicable", "Refused", "Subject", "Undefined", "implied"]

SPACES = ("pmf", "samples", "gaussian")
EPS = {"float64": 2.0**-52, "float32": 2.0**-23}

# claim: what whoever makes it also claims
IMPLIES: dict[str, tuple[str, ...]] = {
    "metric": ("symmetric", "identity", "never negative", "definite"),
    "root is a metric": ("symmetric", "identity", "never negative", "definite"),
    "f-divergence": ("data processing", "jointly convex", "relabelling", "identity", "never negative"),
    "ipm": ("jointly convex", "symmetric", "identity", "never negative"),
    "squared ipm": ("jointly convex", "symmetric", "identity", "never negative"),
    "plug-in": ("order of rows",),
    "similarity invariant": ("translation invariant", "scale invariant", "rotation invariant"),
    "isometry invariant": ("translation invariant", "rotation invariant"),
    "rotation invariant": ("order of features",),
    "kl": ("f-divergence", "definite"),
    "reverse kl": ("f-divergence", "definite"),
    "js": ("f-divergence", "definite", "root is a metric"),
    "js distance": ("metric", "relabelling"),
    "tv": ("f-divergence", "metric"),
    "hellinger": ("metric", "relabelling", "data processing"),
    "chi2": ("f-divergence", "definite"),
    "neyman chi2": ("f-divergence", "definite"),
    "jeffreys": ("f-divergence", "definite", "symmetric"),
    "triangular": ("f-divergence", "definite", "root is a metric"),
    "alpha": ("f-divergence", "definite"),
    "renyi": ("relabelling", "data processing", "identity", "never negative"),
    "wasserstein": ("metric", "plug-in", "isometry invariant"),
    "sliced wasserstein": ("metric", "plug-in", "translation invariant"),
    "energy": ("squared ipm", "root is a metric", "plug-in", "isometry invariant"),
    "cramer": ("squared ipm", "root is a metric", "plug-in", "isometry invariant"),
    "sinkhorn": ("symmetric", "identity", "definite", "never negative", "plug-in", "isometry invariant"),
    "gaussian kl": ("affine invariant", "identity", "never negative", "definite"),
    "gaussian renyi": ("affine invariant", "identity", "never negative"),
    "gaussian hellinger": ("affine invariant", "metric"),
    "gaussian js": ("affine invariant", "symmetric", "identity", "never negative", "definite"),
    "gaussian wasserstein": ("metric",),
    "gaussian frechet": ("root is a metric",),
}


def implied(claims: Iterable[str]) -> frozenset[str]:
    """The claims and everything that follows from them."""
    out: set[str] = set()
    ahead = list(claims)
    while ahead:
        claim = ahead.pop()
        if claim not in out:
            out.add(claim)
            ahead += IMPLIES.get(claim, ())
    return frozenset(out)


class NotApplicable(Exception):
    """The law needs something that the function does not offer: an option, weights, torch."""


class Refused(Exception):
    """The function raised ValueError or TypeError, as it should on input it does not take."""


class Undefined(Exception):
    """The function returned NaN, or nothing that is a number."""


class Crashed(Exception):
    """The function raised something that is no refusal."""


@dataclass(frozen=True)
class Subject:
    """A function with what is known about it.

    ``on``: what it takes. ``pmf``: (p, q), vectors that sum to 1. ``samples``: (x, y), (n, d) and
    (m, d). ``gaussian``: (x_mean, x_cov, y_mean, y_cov). ``claims``: what its author says of it.
    ``degree``: scaling the data by c multiplies the value by c**degree; None if no such law holds.
    ``root``: the value is the root-th root of a sum (2 for W2, Hellinger): near 0 its rounding error is
    the root of the sum's. ``accuracy``: what an iterative function promises, relative; 0 for a
    closed form. A UserWarning from an iterative one counts as a refusal: it says that it stopped short.
    ``library`` and ``dtype``: what it is called with. ``size``: the typical magnitude of the terms it
    sums, a function of the arrays, where that is not the data's diameter**degree. ``min_rows``: the
    fewest rows it takes. ``part``: the attribute to judge, of an answer that has several. ``options``
    are passed on every call.
    """

    function: Callable[..., Any]
    on: str
    claims: frozenset[str] = frozenset()
    name: str = ""
    degree: float | None = None
    root: float = 1.0
    accuracy: float = 0.0
    library: str = "numpy"
    dtype: str = "float64"
    size: Callable[..., float] | None = None
    min_rows: int = 1
    part: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    cache: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def eps(self) -> float:
        """The unit of rounding error: of the dtype, or of the solver if that is coarser."""
        return max(EPS[self.dtype], self.accuracy)

    def takes(self, option: str) -> bool:
        """Whether the function has a parameter of this name."""
        if isinstance(self.function, Metric):
            return option in self.function.keywords
        try:
            parameters = inspect.signature(self.function).parameters
        except (TypeError, ValueError):
            return False
        return option in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    def __call__(self, *arrays: Array, **options: Any) -> Measured:
        """The value with its allowed error; evaluated once for the same arguments."""
        self._offered(options)
        key = (*(_key(a) for a in arrays), *sorted((k, _key(v)) for k, v in options.items()))
        if key not in self.cache:
            self.cache[key] = self._evaluated(arrays, options)
        answer = self.cache[key]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _offered(self, options: Iterable[str]) -> None:
        for option in options:
            if not self.takes(option):
                what = "weights" if option.endswith("_weights") else f"an option {option}"
                raise NotApplicable(f"needs {what}")

    def _evaluated(self, arrays: tuple[Array, ...], options: Mapping[str, Any]) -> Measured | Exception:
        try:
            value = self.raw(*arrays, **options)
        except (Refused, Crashed) as error:
            return error
        try:
            number = float(value)
        except (TypeError, ValueError):
            return Undefined(f"returned {value!r:.60}")
        if math.isnan(number):
            return Undefined("returned NaN")
        rounded = [np.asarray(a, dtype=self.dtype).astype(np.float64) for a in arrays]
        return Measured(number, self.allowed_error(number, rounded))

    def raw(self, *arrays: Array, **options: Any) -> Any:
        """The function's own answer to arrays of the library and dtype on trial."""
        given = {k: self.array(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        try:
            answer = self._answer([self.array(a) for a in arrays], {**self.options, **given})
            return getattr(answer, self.part) if self.part else answer
        except (ValueError, TypeError) as error:
            raise Refused(f"{type(error).__name__}: {error}") from error
        except Exception as error:
            raise Crashed(f"{type(error).__name__}: {error}") from error

    def _answer(self, arrays: list[Any], options: dict[str, Any]) -> Any:
        if not self.accuracy:
            return self.function(*arrays, **options)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            answer = self.function(*arrays, **options)
        for warning in told:
            if issubclass(warning.category, UserWarning):  # it says itself that it did not get there
                raise ValueError(f"warned: {warning.message}")
        return answer

    def array(self, values: Any) -> Any:
        """``values`` in the library and dtype on trial: read-only where the library can."""
        array = np.array(values, dtype=self.dtype)
        if self.library == "torch":
            import torch

            return torch.from_numpy(array)
        array.flags.writeable = False
        return array

    # ── the error model ─────────────────────────────────────────────────────────────────────

    def allowed_error(self, value: float, arrays: list[np.ndarray]) -> float:
        """The rounding error a careful evaluation may have: terms × eps × (value + size of the terms).

        Summation of N terms, each computed with a few roundings and d operations, is off by at
        most about (N + d + few) eps Σ|terms| (Higham 2002, §4.2). A root turns an error δ of the
        sum s into δ/(r s^(1−1/r)), at most δ^(1/r).
        """
        if not math.isfinite(value):
            return 0.0
        roundings, size = getattr(self, f"_{self.on}_terms")(arrays)
        if self.on == "gaussian":
            relative = min(1.0, self._conditioned(roundings * self.eps, arrays))
        else:
            relative = roundings * self.eps
        r = self.root
        delta = relative * (abs(value) ** r + size**r)
        if r == 1 or delta == 0:
            return delta
        return min(delta ** (1 / r), delta / (r * abs(value) ** (r - 1)) if value else math.inf)

    def _pmf_terms(self, arrays: list[np.ndarray]) -> tuple[float, float]:
        roundings = 4.0 * (arrays[0].shape[-1] + 8)
        if (
            "alpha" in self.claims
        ):  # a power taken through a logarithm is off by as many ulps as that is large
            roundings += 2.0 * sum(float(-np.log(a[a > 0].min())) for a in arrays)
        return roundings, 1.0

    def _samples_terms(self, arrays: list[np.ndarray]) -> tuple[float, float]:
        x, y = (a.reshape(len(a), -1) for a in arrays[:2])
        roundings = 4.0 * (len(x) * len(y) + len(x) + len(y) + x.shape[1] + 8)
        if self.size is not None:
            return roundings, self.size(x, y)
        if not self.degree:
            return roundings, float(x.shape[1])
        low = np.minimum(x.min(axis=0), y.min(axis=0))
        high = np.maximum(x.max(axis=0), y.max(axis=0))
        return roundings, float(np.linalg.norm(high - low)) ** self.degree

    def _gaussian_terms(self, arrays: list[np.ndarray]) -> tuple[float, float]:
        d = arrays[0].size
        if not self.degree:
            return 8.0 * d * (d + 8), float(d)
        spread = float(np.trace(arrays[1]) + np.trace(arrays[3]) + np.sum((arrays[0] - arrays[2]) ** 2))
        return 8.0 * d * (d + 8), spread ** (self.degree / 2)

    def _conditioned(self, relative: float, arrays: list[np.ndarray]) -> float:
        """A relative error after what a covariance's condition number does to it.

        Likelihoods solve with the covariance: × cond. The Bures term is Hölder-½ at singular
        covariances and Lipschitz away from them: min(√δ, δ √cond).
        """
        condition = max(_condition(arrays[1]), _condition(arrays[3]))
        if not self.degree:
            return relative * condition
        return min(math.sqrt(relative), relative * math.sqrt(condition))


def _condition(cov: np.ndarray) -> float:
    """The ratio of the largest eigenvalue to the smallest that is not 0; inf if it has one that is."""
    values = np.linalg.eigvalsh(cov)
    top = float(values[-1])
    if top <= 0 or values[0] <= 1e-12 * top:
        return math.inf
    return top / float(values[0])


def _key(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.shape, value.tobytes())
    return value if isinstance(value, (int, float, str, type(None))) else id(value)
