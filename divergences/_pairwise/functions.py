"""Functions of distance that measures sum over pairs, in one form for NumPy, torch and the compiled loops.

Each is called with squared distances and returns the values; ``code`` and ``rate`` tell the compiled
loops which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from divergences._arrays import Array, carries_gradient, namespace, safe_sqrt

__all__ = ["Distance", "Gaussian", "Laplace", "Power", "Rational", "Stationary", "euclidean"]

CLAMP = -700.0  # exponents below: exp is many times slower where its results underflow, and they add nothing


def euclidean(squared: Array) -> Array:
    """Distances from squared distances, with gradient 0 where they vanish."""
    if carries_gradient(squared):
        return safe_sqrt(namespace(squared), squared)
    return namespace(squared).sqrt(squared)


def _exp(exponents: Array) -> Array:
    xp = namespace(exponents)
    return xp.exp(xp.clip(exponents, CLAMP, None))


@dataclass(frozen=True)
class Stationary:
    """f(‖x − y‖²) with one positive ``rate``."""

    rate: float
    code: ClassVar[int]

    def __call__(self, squared: Array) -> Array:
        raise NotImplementedError


@dataclass(frozen=True)
class Distance(Stationary):
    """‖x − y‖."""

    rate: float = 1.0
    code: ClassVar[int] = 0

    def __call__(self, squared: Array) -> Array:
        return euclidean(squared)


@dataclass(frozen=True)
class Gaussian(Stationary):
    """exp(−rate ‖x − y‖²)."""

    code: ClassVar[int] = 1

    def __call__(self, squared: Array) -> Array:
        return _exp(-self.rate * squared)


@dataclass(frozen=True)
class Laplace(Stationary):
    """exp(−rate ‖x − y‖)."""

    code: ClassVar[int] = 2

    def __call__(self, squared: Array) -> Array:
        return _exp(-self.rate * euclidean(squared))


@dataclass(frozen=True)
class Rational(Stationary):
    """1 / (1 + rate ‖x − y‖²)."""

    code: ClassVar[int] = 3

    def __call__(self, squared: Array) -> Array:
        return 1.0 / (1.0 + self.rate * squared)


@dataclass(frozen=True)
class Power(Stationary):
    """‖x − y‖^(2 rate)."""

    code: ClassVar[int] = 4

    def __call__(self, squared: Array) -> Array:
        if not carries_gradient(squared):
            return squared**self.rate
        xp, positive = namespace(squared), squared > 0  # gradient 0 where rows coincide
        return xp.where(positive, xp.where(positive, squared, 1.0) ** self.rate, 0.0)
