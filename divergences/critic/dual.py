"""How a critic's outputs on real and fake samples become a lower bound on a divergence.

Every bound here is of one form, over outputs v of any critic,

    bound = E_P T(v) − E_Q S(v)        (Donsker–Varadhan: E_P T(v) − log E_Q e^{S(v)}),

so one record serves both uses: ``neural_dual`` maximises it to measure, a GAN descends it to train.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from divergences._arrays import Array, logsumexp, namespace, safe_log
from divergences._inputs import check_option
from divergences.fdivergence import FDIVERGENCES, FDivergence

__all__ = ["DUALS", "Dual", "as_dual", "variational"]


@dataclass(frozen=True, slots=True)
class Dual:
    """A lower bound on ``divergence`` from a critic's outputs on x (real) and y (fake).

    ``activation`` T is averaged over the real outputs, ``composite`` S over the fake ones. Any real
    outputs give a bound; with ``lipschitz`` only those of a 1-Lipschitz critic do. ``optimum`` maps
    log p/q to outputs that attain the divergence (None where there is no closed form). The expectation
    is the bound: an average over samples scatters around it, and that of ``log_mean`` is high by about
    its variance / 2 (Jensen).

    >>> import numpy as np
    >>> p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    >>> v = np.log(p / q)
    >>> round(float(DUALS["chi2"].bound(v, v, p, q)), 6)
    0.333333
    """

    name: str
    divergence: str
    activation: Callable[[Array], Array]
    composite: Callable[[Array], Array]
    reference: str
    log_mean: bool = False
    lipschitz: bool = False
    optimum: Callable[[Array], Array] | None = None

    @property
    def guarantee(self) -> str:
        """Which critics the bound holds for, in words."""
        return "every 1-Lipschitz critic" if self.lipschitz else "every critic"

    def bound(self, real: Array, fake: Array, a: Array | None = None, b: Array | None = None) -> Array:
        """The bound from outputs ``real`` (n,) and ``fake`` (m,); weights ``a``, ``b`` sum to 1."""
        value = _mean(self.activation(real), a)
        if not self.log_mean:
            return value - _mean(self.composite(fake), b)
        xp, inner = namespace(fake), self.composite(fake)
        if b is None:
            return value - (logsumexp(xp, inner) - math.log(inner.shape[0]))
        return value - logsumexp(xp, xp.where(b > 0, inner + safe_log(xp, b), -xp.inf))

    def standard_error(
        self, real: Array, fake: Array, a: Array | None = None, b: Array | None = None
    ) -> float:
        """Of ``bound`` for a fixed critic, by normal theory (the delta method where a log is taken)."""
        xp, inner = namespace(fake), self.composite(fake)
        if self.log_mean:
            inner = xp.exp(inner - xp.max(inner))
            inner = inner / _mean(inner, b)
        return math.sqrt(_variance_of_mean(self.activation(real), a) + _variance_of_mean(inner, b))


def _mean(values: Array, weights: Array | None) -> Array:
    xp = namespace(values)
    if weights is None:
        return xp.mean(values)
    return xp.sum(xp.where(weights > 0, weights * xp.where(weights > 0, values, 0.0), 0.0))


def _variance_of_mean(values: Array, weights: Array | None) -> float:
    xp = namespace(values)
    if weights is None:
        return float(xp.mean((values - xp.mean(values)) ** 2)) / max(1, values.shape[0] - 1)
    squares = xp.sum(weights**2 * (values - _mean(values, weights)) ** 2)
    return float(squares / max(1e-12, 1.0 - float(xp.sum(weights**2))))


# ── the bounds ──────────────────────────────────────────────────────────────────────────────


def variational(row: FDivergence) -> Dual:
    """D_f = sup E_P g(v) − E_Q f*(g(v)) for a row (Nguyen, Wainwright & Jordan 2010; f-GAN).

    For "js" this is the discriminator's bound itself, ½(V + log 4) with D = sigmoid(v) (Goodfellow
    et al. 2014, theorem 1).
    """
    if row.activation is None or row.composite is None:
        raise ValueError(
            f"FDivergence {row.name!r} has no variational bound: it needs activation= (f' of e^v) and "
            "conjugate= (or composite=, their composition)"
        )
    return Dual(
        row.name,
        row.name,
        row.activation,
        row.composite,
        "Nguyen, Wainwright & Jordan 2010, lemma 1; Nowozin, Cseke & Tomioka 2016, eq. 6",
        optimum=_signed_infinity if row.name == "tv" else _identity,
    )


def _identity(v: Array) -> Array:
    return v


def _signed_infinity(v: Array) -> Array:
    """What tanh takes to ±1: total variation's critic is a step."""
    xp = namespace(v)
    return xp.where(v > 0, xp.inf, xp.where(v < 0, -xp.inf, 0.0))


def _sign(v: Array) -> Array:
    return namespace(v).sign(v)


def _half_tanh(v: Array) -> Array:
    return namespace(v).tanh(v / 2.0)


def _from_minus_two(v: Array) -> Array:
    """f* of Pearson's χ² at v: v²/4 + v from its least value on, −1 below."""
    xp = namespace(v)
    return xp.where(v > -2.0, v * v / 4.0 + v, -1.0)


DUALS: dict[str, Dual] = {
    **{name: variational(row) for name, row in FDIVERGENCES.items()},
    # never below the variational bound of the same critic (Poole et al. 2019, §2.2), which is "nwj"
    "kl": Dual(
        "kl", "kl", _identity, _identity,
        "Donsker & Varadhan 1983; Belghazi et al. 2018, eq. 5",
        log_mean=True, optimum=_identity,
    ),
    "nwj": variational(FDIVERGENCES["kl"]),
    # χ² and Neyman's with an output that is the ratio less one, doubled, where the rows above have its
    # logarithm: squares instead of exponentials, which a critic can be trained on against a generator
    "pearson": Dual(
        "pearson", "chi2", _identity, _from_minus_two,
        "Nowozin, Cseke & Tomioka 2016, table 2",
        optimum=lambda v: 2.0 * namespace(v).expm1(v),
    ),
    "neyman": Dual(
        "neyman", "neyman_chi2", lambda v: -_from_minus_two(-v), _identity,
        "Nowozin, Cseke & Tomioka 2016, table 2, with P and Q exchanged",
        optimum=lambda v: -2.0 * namespace(v).expm1(-v),
    ),
    "hinge": Dual(
        "hinge", "tv",
        lambda v: namespace(v).clip(v, None, 1.0) / 2.0, lambda v: namespace(v).clip(v, -1.0, None) / 2.0,
        "Lim & Ye 2017, eq. 4; Miyato et al. 2018, eq. 16",
        optimum=_sign,
    ),
    # labels 1 for real and −1 for fake
    "least-squares": Dual(
        "least-squares", "triangular",
        lambda v: v * (2.0 - v), lambda v: v * (2.0 + v),
        "Mao et al. 2017, eq. 2 and theorem 1",
        optimum=_half_tanh,
    ),
    "wasserstein": Dual(
        "wasserstein", "wasserstein", _identity, _identity,
        "Villani 2009, remark 6.5 (Kantorovich–Rubinstein)",
        lipschitz=True,
    ),
}  # fmt: skip


def as_dual(divergence: Any) -> Dual:
    """The bound that a name of DUALS, an FDivergence or a Dual stands for."""
    if isinstance(divergence, Dual):
        return divergence
    if isinstance(divergence, FDivergence):
        return variational(divergence)
    if not isinstance(divergence, str):
        raise TypeError(
            f"divergence must be a name, an FDivergence or a Dual; got {type(divergence).__name__}. "
            "Names are 'wasserstein' and those of the f-divergences"
        )
    return DUALS[check_option(divergence, "divergence", DUALS)]
