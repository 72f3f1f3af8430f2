"""Constraints on the critic, and how they compose.

A GAN's theory asks for more of the critic than its loss: bounded slopes (Wasserstein), or damping without
which the game does not converge. Each constraint here acts in one of three places, and most in one only:

=============  =========================================================================================
``prepare``    once, before the optimiser is made: spectral normalisation
``constrain``  on the weights before every critic step: clipping
``penalty``    a term added to the critic's loss: gradient penalties, LeCam
=============  =========================================================================================

They compose: ``R1(0.1) + R2(0.1)`` applies both, ``.every(4)`` applies a penalty at every fourth step times
four (lazy), ``.annealed(1e-4)`` takes its weight there geometrically over the run. ``parse`` reads the same
from text: ``"r1r2(gamma=0.1, final=1e-4, every=4)"``, ``"clip(0.01) + lecam(0.3)"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan import _spec

__all__ = [
    "DRAGAN",
    "R1",
    "R1R2",
    "R2",
    "REGULARIZERS",
    "Clip",
    "Composed",
    "GradientPenalty",
    "LeCam",
    "Regularizer",
    "SpectralNorm",
    "input_gradients",
    "parse",
]

Critic = Callable[[Tensor], Tensor]


class Regularizer:
    """A constraint on the critic; each kind overrides the places it acts in.

    ``weight`` multiplies the penalty. A penalty is asked for at every critic step, and answers None at the
    steps a lazy one leaves out.
    """

    weight: float = 1.0

    def __init__(self) -> None:
        self._every = 1
        self._final: float | None = None

    def prepare(self, critic: nn.Module) -> None:
        """Change the network itself, before its optimiser is made."""

    def constrain(self, critic: nn.Module) -> None:
        """Change the weights, before every critic step."""

    def term(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor | None:
        """The penalty at weight one; None where the kind has none."""
        return None

    def penalty(
        self, critic: Critic, real: Tensor, fake: Tensor, *, step: int, progress: float
    ) -> Tensor | None:
        """The weighted penalty of critic step ``step``, ``progress`` (0 to 1) of the run done."""
        if step % self._every:
            return None
        value = self.term(critic, real, fake)
        return None if value is None else self.weight_at(progress) * self._every * value

    def weight_at(self, progress: float) -> float:
        """The weight when ``progress`` of the run is done."""
        if self._final is None:
            return self.weight
        return self.weight * (self._final / self.weight) ** min(max(progress, 0.0), 1.0)

    def every(self, steps: int) -> Regularizer:
        """Apply the penalty at every ``steps``-th critic step, times ``steps`` (lazy; Karras et al. 2020)."""
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise ValueError(f"every must be a whole number of critic steps, at least 1; got {steps!r}")
        self._every = steps
        return self

    def annealed(self, final: float) -> Regularizer:
        """Take the weight to ``final`` over the run, geometrically."""
        self._final = _positive("final", final)
        return self

    def state_dict(self) -> dict[str, Any]:
        """What it remembers from step to step; nothing, for most."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` gave."""

    def __add__(self, other: Regularizer) -> Composed:
        return Composed([self, other])


class Composed(Regularizer):
    """Several constraints, applied in order; their penalties add."""

    def __init__(self, parts: Sequence[Regularizer]) -> None:
        super().__init__()
        self.parts: list[Regularizer] = [
            inner for part in parts for inner in (part.parts if isinstance(part, Composed) else [part])
        ]

    def prepare(self, critic: nn.Module) -> None:
        for part in self.parts:
            part.prepare(critic)

    def constrain(self, critic: nn.Module) -> None:
        for part in self.parts:
            part.constrain(critic)

    def penalty(
        self, critic: Critic, real: Tensor, fake: Tensor, *, step: int, progress: float
    ) -> Tensor | None:
        terms = [part.penalty(critic, real, fake, step=step, progress=progress) for part in self.parts]
        there = [value for value in terms if value is not None]
        return torch.stack(there).sum() if there else None

    def every(self, steps: int) -> Composed:
        for part in self.parts:
            part.every(steps)
        return self

    def annealed(self, final: float) -> Composed:
        for part in self.parts:
            part.annealed(final)
        return self

    def state_dict(self) -> dict[str, Any]:
        return {str(number): part.state_dict() for number, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for number, part in enumerate(self.parts):
            part.load_state_dict(state[str(number)])


# ── the weights ─────────────────────────────────────────────────────────────────────────────


class Clip(Regularizer):
    """Every weight of the critic kept in [−c, c] (WGAN; Arjovsky et al. 2017, algorithm 1, c = 0.01).

    It bounds the slope, by a constant nobody knows, and wastes capacity: the critic tends to two slopes.
    """

    def __init__(self, limit: float = 0.01) -> None:
        super().__init__()
        self.limit = _positive("limit", limit)

    @torch.no_grad()
    def constrain(self, critic: nn.Module) -> None:
        torch._foreach_clamp_min_(weights := list(critic.parameters()), -self.limit)
        torch._foreach_clamp_max_(weights, self.limit)


class SpectralNorm(Regularizer):
    """Every linear and convolutional layer divided by its largest singular value (Miyato et al. 2018).

    PyTorch's own parametrisation, with one power iteration a forward pass.
    """

    def prepare(self, critic: nn.Module) -> None:
        from torch.nn.utils import parametrizations, parametrize

        kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)
        found = [layer for layer in critic.modules() if isinstance(layer, kinds)]
        if not found:
            raise ValueError("spectral normalisation needs a critic with linear or convolutional layers")
        for layer in found:
            if not parametrize.is_parametrized(layer, "weight"):
                parametrizations.spectral_norm(layer)


# ── the slopes ──────────────────────────────────────────────────────────────────────────────


def input_gradients(critic: Critic, points: Tensor, *, create_graph: bool = False) -> Tensor:
    """∇D at each point, ``(n, d…)``: the critic must not mix its samples.

    >>> input_gradients(lambda x: (x**2).sum(1), torch.tensor([[1.0, 2.0]]))
    tensor([[2., 4.]])
    """
    at = points.detach().requires_grad_(True)
    (slopes,) = torch.autograd.grad(critic(at).sum(), at, create_graph=create_graph)
    return slopes


class GradientPenalty(Regularizer):
    """λ·E(|∇D(x)| − 1)² at points x between paired real and fake (WGAN-GP; Gulrajani et al. 2017).

    ``sided="one"``: λ·E max(0, |∇D| − 1)² (Petzka et al. 2018). ``centre`` is the slope aimed at; at 0 the
    penalty is ½λ·E|∇D|² (Mescheder et al. 2018). ``at``: "between" real and fake, "real", "fake", "both"
    (the sum over the two), or "around" the real (DRAGAN: real + ½·sd·U[0, 1]; Kodali et al. 2017).
    """

    def __init__(
        self, weight: float = 10.0, *, at: str = "between", centre: float = 1.0, sided: str = "two"
    ) -> None:
        super().__init__()
        self.weight = _positive("weight", weight)
        if at not in POINTS:
            raise ValueError(f"at must be one of {', '.join(POINTS)}; got {at!r}")
        if sided not in ("one", "two"):
            raise ValueError(f"sided must be 'one' or 'two', got {sided!r}")
        if not (isinstance(centre, (int, float)) and 0 <= centre < math.inf):
            raise ValueError(f"centre must be a slope of at least 0, got {centre!r}")
        self.at, self.centre, self.sided = at, centre, sided

    def term(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        if self.at == "both" and (self.centre != 0 or len(real) != len(fake)):
            return self._term(critic, real.detach()) + self._term(critic, fake.detach().to(real.dtype))
        # of as many real as fake points, centred at 0, the sum over the two is twice the mean over both
        twice = 2 if self.at == "both" else 1
        return self._term(critic, POINTS[self.at](real.detach(), fake.detach())) * twice

    def _term(self, critic: Critic, points: Tensor) -> Tensor:
        slopes = input_gradients(critic, points, create_graph=True).flatten(1)
        squares = slopes.square().sum(1)
        if self.centre == 0:
            return 0.5 * squares.mean()
        # the root has no slope at 0, where an untrained or dead critic may be
        excess = torch.sqrt(squares + 1e-12) - self.centre
        return (excess.clamp_min(0.0) if self.sided == "one" else excess).square().mean()


def _between(real: Tensor, fake: Tensor) -> Tensor:
    count = min(len(real), len(fake))
    share = torch.rand(count, *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    return torch.lerp(real[:count], fake[:count].to(real.dtype), share)


def _around(real: Tensor, fake: Tensor) -> Tensor:
    return real + 0.5 * real.std() * torch.rand_like(real)


POINTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "between": _between,
    "real": lambda real, fake: real,
    "fake": lambda real, fake: fake,
    "both": lambda real, fake: torch.cat([real, fake.to(real.dtype)]),
    "around": _around,
}


def R1(gamma: float = 10.0) -> GradientPenalty:
    """½γ·E|∇D|² at the real samples (Mescheder et al. 2018, equation 9)."""
    return GradientPenalty(gamma, at="real", centre=0.0)


def R2(gamma: float = 10.0) -> GradientPenalty:
    """½γ·E|∇D|² at the generated samples (Mescheder et al. 2018, equation 10)."""
    return GradientPenalty(gamma, at="fake", centre=0.0)


def R1R2(gamma: float = 10.0) -> GradientPenalty:
    """R1 + R2 at one γ from one forward pass (Huang et al. 2024)."""
    return GradientPenalty(gamma, at="both", centre=0.0)


def DRAGAN(weight: float = 10.0) -> GradientPenalty:
    """λ·E(|∇D| − 1)² around the real samples (Kodali et al. 2017)."""
    return GradientPenalty(weight, at="around")


# ── the outputs ─────────────────────────────────────────────────────────────────────────────


class LeCam(Regularizer):
    """λ·(E(D(real) − ᾱ_fake)² + E(D(fake) − ᾱ_real)²), ᾱ running means of D (Tseng et al. 2021, equation 5).

    For little data: it holds the critic's outputs near each other.
    """

    def __init__(self, weight: float = 0.3, *, decay: float = 0.99) -> None:
        super().__init__()
        self.weight = _positive("weight", weight)
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay!r}")
        self.decay = decay
        self._anchors: Tensor | None = None  # running means of D(real), D(fake)
        self._in_a_step = False

    def term(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        on_real, on_fake = critic(real), critic(fake.detach())
        now = torch.stack([on_real.detach().mean(), on_fake.detach().mean()])
        before = now if self._anchors is None else self._anchors.to(now)
        anchors = torch.lerp(now, before, self.decay)
        if self._in_a_step:
            self._anchors = anchors
        return (on_real - anchors[1]).square().mean() + (on_fake - anchors[0]).square().mean()

    def penalty(
        self, critic: Critic, real: Tensor, fake: Tensor, *, step: int, progress: float
    ) -> Tensor | None:
        self._in_a_step = True  # ``term`` alone is a look, which moves nothing
        try:
            return super().penalty(critic, real, fake, step=step, progress=progress)
        finally:
            self._in_a_step = False

    def state_dict(self) -> dict[str, Any]:
        return {"anchors": self._anchors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._anchors = state["anchors"]


# ── from text ───────────────────────────────────────────────────────────────────────────────


def _lazy(make: Callable[..., Regularizer]) -> Callable[..., Regularizer]:
    """``make(weight)`` with the options every penalty has in text."""

    def made(gamma: float | None = None, *, final: float | None = None, every: int = 1) -> Regularizer:
        found = (make() if gamma is None else make(gamma)).every(every)
        return found if final is None else found.annealed(final)

    return made


REGULARIZERS: dict[str, Callable[..., Regularizer]] = {
    "clip": Clip,
    "spectral-norm": SpectralNorm,
    "gradient-penalty": _lazy(GradientPenalty),
    "one-sided-gradient-penalty": _lazy(lambda *weight: GradientPenalty(*weight, sided="one")),
    "r1": _lazy(R1),
    "r2": _lazy(R2),
    "r1r2": _lazy(R1R2),
    "dragan": _lazy(DRAGAN),
    "lecam": _lazy(LeCam),
}


def parse(text: str | None) -> Regularizer:
    """The constraint a text names; "none", empty or None is no constraint, " + " composes.

    >>> parse("r1r2(gamma=0.1, final=1e-4, every=4)").weight_at(0.5)
    0.0031622776601683794
    """
    if text is None or text.strip() in ("", "none"):
        return Regularizer()
    parts = [_spec.build(part, REGULARIZERS, "a regularizer") for part in _split(text)]
    return parts[0] if len(parts) == 1 else Composed(parts)


def _split(text: str) -> list[str]:
    """The parts between plus signs that stand outside brackets (1e+2 is a number)."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "+" and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _positive(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
    return float(value)
