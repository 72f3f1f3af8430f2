"""What is minimised: losses, each of which names the divergence it descends.

A GAN's loss is the dual of a divergence: the critic raises a lower bound on it (``divergences.critic.dual``
holds the bounds, and ``neural_dual`` measures with the same), the generator lowers it. Losses without a
critic are the measures of ``divergences`` themselves: the training descends the number the report prints.

Throughout, ``real`` is P and ``fake`` Q, ``critic`` returns raw outputs v of shape (n,) or (n, 1) (features
(n, k) for Cramér and MMD GANs), and D = sigmoid(v). ``estimate`` is never negative at the optimal critic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

import divergences as dv
from divergences.critic.dual import DUALS, Dual, variational
from divergences.fdivergence import as_fdivergence
from divergences.registry import complete
from gan import _spec

__all__ = [
    "MMDGAN",
    "OBJECTIVES",
    "CramerGAN",
    "DualObjective",
    "LikelihoodObjective",
    "Objective",
    "RelativisticPairing",
    "SampleObjective",
    "Value",
    "parse",
]

Critic = Callable[[Tensor], Tensor]
Fake = Any  # a tensor, or a tuple of ``fake_batches`` independent ones


@dataclass(frozen=True, slots=True)
class Value:
    """The critic's value (minus its loss) at its optimum: ``offset + slope · divergence``.

    >>> Value(-math.log(4), 2.0)(math.log(2))
    0.0
    """

    offset: float = 0.0
    slope: float = 1.0

    def __call__(self, divergence: float) -> float:
        return self.offset + self.slope * divergence


@dataclass(frozen=True)
class Objective:
    """A pair of losses, both to be minimised, and what is known of them.

    ``divergence``: what ``estimate`` estimates. ``descends``: what the generator's gradient descends when
    the critic is optimal. ``regularizer`` and ``critic_steps``: the companions it was published with, as
    ``gan.regularizers`` and the training loop read them. ``fake_batches``: how many independent batches of
    fake samples it takes. ``value_at_optimum``: how critic loss and divergence relate, where they do.
    """

    name: str
    divergence: str
    descends: str
    reference: str
    regularizer: str | None = None
    critic_steps: int | str = 1
    value_at_optimum: Value | None = None

    needs_critic: ClassVar[bool] = True
    needs_model: ClassVar[bool] = False
    fake_batches: ClassVar[int] = 1

    def critic_loss(self, critic: Critic, real: Tensor, fake: Fake) -> Tensor:
        """What the critic minimises."""
        raise TypeError(f"{self.name} has no critic: only its generator_loss is minimised")

    def generator_loss(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        """What the generator minimises; gradients flow through ``fake``."""
        raise NotImplementedError

    def estimate(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        """The divergence as this critic sees it, on these samples."""
        raise NotImplementedError

    def witness(self, critic: Critic, real: Tensor, fake: Fake) -> Critic:
        """The function of one sample whose slope a gradient penalty bounds; the critic, for most."""
        return critic


def _outputs(critic: Critic, samples: Tensor) -> Tensor:
    """(n,) outputs; a critic that returns features is refused."""
    out = critic(samples)
    if out.ndim == 2 and out.shape[1] == 1:
        out = out[:, 0]
    if out.ndim != 1 or len(out) != len(samples):
        raise ValueError(
            f"critic must return one number a sample, shape ({len(samples)},) or ({len(samples)}, 1); "
            f"got {tuple(out.shape)}. Only cramer-gan and mmd-gan take features"
        )
    return out


def _features(critic: Critic, samples: Tensor) -> Tensor:
    """(n, k) features; a critic with one output has one."""
    return critic(samples).reshape(len(samples), -1)


# ── a critic's dual ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class DualObjective(Objective):
    """A GAN whose critic raises ``dual``: its value is ``offset + slope · bound`` by ``value_at_optimum``.

    ``generator`` gives the generator's loss from the outputs on fake samples; the part of the value that
    only real samples enter has no gradient there, and is left out.

    >>> critic = lambda samples: samples[:, 0]
    >>> real, fake = torch.tensor([[2.0]]), torch.tensor([[-1.0]])
    >>> parse("wgan").critic_loss(critic, real, fake)
    tensor(-3.)
    """

    dual: Dual = DUALS["js"]
    generator: Callable[[Tensor], Tensor] = torch.mean

    def critic_loss(self, critic: Critic, real: Tensor, fake: Fake) -> Tensor:
        value = self.value_at_optimum or Value()
        return -(value.offset + value.slope * self.estimate(critic, real, fake))

    def generator_loss(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        return self.generator(_outputs(_there(critic, self.name), fake))

    def estimate(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        critic = _there(critic, self.name)
        bound: Tensor = self.dual.bound(_outputs(critic, real), _outputs(critic, fake))
        return bound


def _there(critic: Critic | None, name: str) -> Critic:
    if critic is None:
        raise TypeError(f"{name} needs a critic; got None")
    return critic


DISCRIMINATOR = Value(-math.log(4.0), 2.0)  # V(D*) = −log 4 + 2 JS (Goodfellow et al. 2014, theorem 1)


def _minimax() -> Objective:
    return DualObjective(
        "minimax", "js", "JS(P‖Q); the gradient vanishes where D is right",
        "Goodfellow et al. 2014, eq. 1",
        value_at_optimum=DISCRIMINATOR, dual=DUALS["js"], generator=lambda v: -softplus(v).mean(),
    )  # fmt: skip


def _non_saturating() -> Objective:
    return DualObjective(
        "non-saturating", "js", "KL(Q‖P) − 2 JS(P‖Q) (Arjovsky & Bottou 2017, theorem 2.5)",
        "Goodfellow et al. 2014, section 3",
        value_at_optimum=DISCRIMINATOR, dual=DUALS["js"], generator=lambda v: softplus(-v).mean(),
    )  # fmt: skip


def _lsgan(target: float = 0.0) -> Objective:
    """Least squares with labels 1 for real and −1 for fake; the generator aims at ``target``."""
    return DualObjective(
        "lsgan", "triangular", "half of ∫(p − q)²/(p + q), with the real part of the generator's loss",
        "Mao et al. 2017, eq. 2 and 8",
        value_at_optimum=Value(-1.0, 0.5), dual=DUALS["least-squares"],
        generator=lambda v: 0.5 * (v - target).square().mean(),
    )  # fmt: skip


def _hinge() -> Objective:
    return DualObjective(
        "hinge", "tv", "total variation",
        "Lim & Ye 2017, eq. 4 and 5; Miyato et al. 2018, eq. 16 and 17",
        value_at_optimum=Value(-2.0, 2.0), dual=DUALS["hinge"], generator=lambda v: -v.mean(),
    )  # fmt: skip


def _wasserstein(name: str, reference: str, regularizer: str, steps: int | str) -> Callable[[], Objective]:
    def make() -> Objective:
        return DualObjective(
            name, "wasserstein", "W1(P, Q), as far as the critic is 1-Lipschitz and optimal", reference,
            regularizer=regularizer, critic_steps=steps, value_at_optimum=Value(),
            dual=DUALS["wasserstein"], generator=lambda v: -v.mean(),
        )  # fmt: skip

    return make


# bounds of the same divergences whose outputs are no exponents: e^2v overflows in a few steps of a game
TRAINABLE = {"chi2": DUALS["pearson"], "neyman_chi2": DUALS["neyman"]}


def _f_gan(divergence: str = "kl", *, saturating: bool = True) -> Objective:
    """Any row of FDIVERGENCES; ``saturating=False`` raises E_Q g(v) instead (Nowozin et al. 2016, §3.2)."""
    row = as_fdivergence(divergence)
    dual = TRAINABLE.get(row.name) or variational(row)
    inner = dual.composite if saturating else dual.activation
    return DualObjective(
        f"f-gan(divergence={row.name!r})", row.name,
        row.name if saturating else f"not {row.name} itself, but with the same fixed point",
        "Nowozin, Cseke & Tomioka 2016, eq. 6",
        value_at_optimum=Value(), dual=dual, generator=lambda v: -inner(v).mean(),
    )  # fmt: skip


# ── pairs ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class RelativisticPairing(Objective):
    """E softplus(v(y) − v(x)) over pairs (x, y) of real and fake; the generator's with the roles exchanged.

    Over P ⊗ Q it is logistic regression of which of the pair is real, so v* = log p/q + const and the
    optimal value is −log 2 + JS(P⊗Q ‖ Q⊗P), which is 0 divergence iff P = Q. Fake number i is paired with
    real number i.
    """

    def critic_loss(self, critic: Critic, real: Tensor, fake: Fake) -> Tensor:
        return softplus(-self._gaps(critic, real, fake)).mean()

    def generator_loss(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        return softplus(self._gaps(_there(critic, self.name), real, fake)).mean()

    def estimate(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        return math.log(2.0) - self.critic_loss(_there(critic, self.name), real, fake)

    def _gaps(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        count = min(len(real), len(fake))
        return _outputs(critic, real[:count]) - _outputs(critic, fake[:count])


def _relativistic() -> Objective:
    return RelativisticPairing(
        "relativistic", "js of P⊗Q and Q⊗P", "the same with −log σ, as the non-saturating loss does for JS",
        "Jolicoeur-Martineau 2019, eq. 7 and 8; Huang et al. 2024 with R1 + R2",
        regularizer="r1r2", value_at_optimum=Value(-math.log(2.0), 1.0),
    )  # fmt: skip


# ── features ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class CramerGAN(Objective):
    """Energy distance between features h: E|h(x)−h(y)| + E|h(x)−h(y')| − E|h(y)−h(y')| for the generator.

    y and y' are independent fake batches (with one batch the last term is biased toward collapse). The
    critic raises the surrogate f(x) − f(y), f(·) = E|h(·) − h(y')| − |h(·)|, which stands in for the
    distance without a second real batch; it is bounded only by the gradient penalty on ``witness`` = f.
    """

    fake_batches: ClassVar[int] = 2

    def critic_loss(self, critic: Critic, real: Tensor, fake: Fake) -> Tensor:
        first, second = _two(fake)
        other = _features(critic, second)
        return (
            _witness(_features(critic, first), other).mean() - _witness(_features(critic, real), other).mean()
        )

    def generator_loss(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        critic = _there(critic, self.name)
        x, first, second = (_features(critic, part) for part in (real, *_two(fake)))
        return _mean_distance(x, first) + _mean_distance(x, second) - _mean_distance(first, second)

    def estimate(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        critic = _there(critic, self.name)
        y = torch.cat([_features(critic, part) for part in _two(fake)])
        value: Tensor = dv.energy(_features(critic, real), y)
        return value

    def witness(self, critic: Critic, real: Tensor, fake: Fake) -> Critic:
        other = _features(critic, _two(fake)[1])

        def f(samples: Tensor) -> Tensor:
            h = _features(critic, samples)
            # a penalty differentiates twice, which torch.cdist does not
            return _norm(h[:, None] - other).mean(1) - _norm(h)

        return f


def _two(fake: Fake) -> tuple[Tensor, Tensor]:
    if not (isinstance(fake, tuple) and len(fake) == 2):
        raise ValueError(
            "cramer-gan takes two independent batches of fake samples as a tuple (y, y'): with one, the "
            "distance within the fake samples is biased"
        )
    return fake


def _mean_distance(x: Tensor, y: Tensor) -> Tensor:
    return _distances(x, y).mean()


def _distances(x: Tensor, y: Tensor) -> Tensor:
    if x.dtype == torch.bfloat16:  # which torch.cdist does not take
        x, y = x.float(), y.float()
    # direct differences: the product form loses the digits of near points, and its root their gradient
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _witness(h: Tensor, other: Tensor) -> Tensor:
    """f(·) = E|h(·) − h(y')| − |h(·)| from features."""
    return _distances(h, other).mean(1) - _norm(h)


def _norm(steps: Tensor) -> Tensor:
    """|step|, with gradient 0 where it is 0."""
    squares = steps.square().sum(-1)
    positive = squares > 0
    return torch.where(positive, torch.where(positive, squares, 1.0).sqrt(), 0.0)


def _cramer_gan() -> Objective:
    return CramerGAN(
        "cramer-gan", "energy between features", "the energy distance between features of P and Q",
        "Bellemare et al. 2017, algorithm 1", regularizer="gradient-penalty", critic_steps=5,
    )  # fmt: skip


@dataclass(frozen=True)
class MMDGAN(Objective):
    """Squared MMD between features, raised by the critic and lowered by the generator.

    Unbiased, so below 0 half the time when P = Q. Bandwidths are of the features, and are summed over
    (their mean), as published: a single one loses its gradient wherever the features are.
    """

    bandwidths: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)

    def critic_loss(self, critic: Critic, real: Tensor, fake: Fake) -> Tensor:
        return -self.estimate(critic, real, fake)

    def generator_loss(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        return self.estimate(critic, real, fake)

    def estimate(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        critic = _there(critic, self.name)
        value: Tensor = dv.squared_mmd(
            _features(critic, real), _features(critic, fake), bandwidth=self.bandwidths
        )
        return value

    def witness(self, critic: Critic, real: Tensor, fake: Fake) -> Critic:
        """E k(h(·), h(x)) − E k(h(·), h(y)), as Bińkowski et al. 2018 penalise (section 4.1)."""
        on_real, on_fake = _features(critic, real), _features(critic, fake)

        def f(samples: Tensor) -> Tensor:
            h = _features(critic, samples)
            return self._kernel(h, on_real).mean(1) - self._kernel(h, on_fake).mean(1)

        return f

    def _kernel(self, h: Tensor, other: Tensor) -> Tensor:
        # a penalty differentiates twice: squares of differences, in plain torch
        squares = (h[:, None] - other).square().sum(2)
        return torch.stack([torch.exp(squares / (-2 * width**2)) for width in self.bandwidths]).mean(0)


def _mmd_gan() -> Objective:
    return MMDGAN(
        "mmd-gan", "squared_mmd between features", "the squared MMD between features of P and Q",
        "Li et al. 2017, eq. 4; Bińkowski et al. 2018",
        regularizer="gradient-penalty", critic_steps=5, value_at_optimum=Value(),
    )  # fmt: skip


# ── no critic ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class SampleObjective(Objective):
    """A measure of ``divergences`` as the loss: the very function the report calls, on minibatches.

    Where a larger value is better (a likelihood) the loss is its negative. A measure that draws (random
    projections) takes its seed from torch's generator, so a resumed run draws the same.

    >>> SampleObjective("energy").estimate(None, torch.zeros(1, 1), torch.ones(1, 1))
    tensor(2.)
    """

    metric: dv.Metric | None = None

    needs_critic: ClassVar[bool] = False

    def __init__(self, metric: str | dv.Metric) -> None:
        row = complete(_transport_row(metric) or dv.parse(metric))
        if row.on != "samples" or not row.differentiable:
            raise ValueError(
                f"{row.name} cannot be descended: it is not differentiable in samples. Such as can: "
                f"{', '.join(_descendable())}"
            )
        if row.name == "parzen_log_likelihood" and row.options.get("bandwidth") is None:
            raise ValueError(
                "parzen_log_likelihood needs a bandwidth to be an objective: chosen anew on every batch it "
                "would be another loss each time. Write parzen_log_likelihood(bandwidth=0.2)"
            )
        what = "the likelihood under windows on the fake samples" if row.better == "higher" else row.spec
        given = {"name": row.spec, "divergence": row.name, "descends": what, "reference": row.reference}
        for key, value in {**given, "metric": row, "value_at_optimum": None}.items():
            object.__setattr__(self, key, value)

    def generator_loss(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        value = self.estimate(critic, real, fake)
        return -value if self._row.better == "higher" else value

    def estimate(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        row = self._row
        draws = "rng" in row.keywords and row.options.get("rng") is None and row.name in DRAWS
        options = {"rng": int(torch.randint(2**62, ()))} if draws else {}
        value: Tensor = row(real.flatten(1), fake.flatten(1), **options)
        return value

    @property
    def _row(self) -> dv.Metric:
        if self.metric is None:
            raise TypeError("SampleObjective needs a metric")
        return self.metric


DRAWS = ("sliced_wasserstein", "max_sliced_wasserstein")


def _transport_cost(x: Any, y: Any, *, p: float = 2, cost: str = "euclidean") -> Any:
    """Optimal transport cost W_p^p between minibatches: smooth where W_p has a root."""
    return dv.transport(x, y, p=p, cost=cost).cost


TRANSPORT = dv.Metric(
    name="transport",
    function=_transport_cost,
    on="samples",
    meaning="the least cost of moving one minibatch onto the other",
    reference="Peyré & Cuturi 2019, ch. 9; Fatras et al. 2020",
)


def _transport_row(metric: str | dv.Metric) -> dv.Metric | None:
    if isinstance(metric, dv.Metric):
        return None
    spec = _spec.parse(metric, "an objective")
    if spec.name != "transport":
        return None
    if spec.values:
        raise ValueError(f"transport takes its options by name, such as transport(p=1); got {metric!r}")
    return TRANSPORT.with_options(**spec.options)


def _descendable() -> list[str]:
    rows = dv.METRICS.values()
    return ["transport", *(row.name for row in rows if row.on == "samples" and row.differentiable)]


# ── explicit models ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class LikelihoodObjective(Objective):
    """KL to or from a model with a density (``gan.models``); nothing for a generator without one.

    ``loss(model, real)``: "maximum-likelihood" is −E_P log q, that is KL(P‖Q) plus P's entropy.
    ``loss(model, log_p, count)``: "model-reverse-kl" is E_Q(log q − log p), KL(Q‖P) itself.
    """

    needs_critic: ClassVar[bool] = False
    needs_model: ClassVar[bool] = True

    def generator_loss(self, critic: Critic | None, real: Tensor, fake: Fake) -> Tensor:
        raise TypeError(
            f"{self.name} needs a model with a density, and a generator has none: fit one of gan.models with "
            "gan.models.fit, or train the generator on 'energy' or an adversarial objective"
        )

    estimate = generator_loss

    def loss(self, model: Any, target: Any, count: int = 256) -> Tensor:
        """The loss of ``model`` against samples, or against the log density of P."""
        if self.name == "maximum-likelihood":
            value: Tensor = -model.log_density(target).mean()
            return value
        samples, shares = model.reparameterised(count)
        value = (shares * (model.log_density(samples) - target(samples))).sum()
        return value


def _maximum_likelihood() -> Objective:
    return LikelihoodObjective(
        "maximum-likelihood", "kl", "KL(P‖Q): covers every mode of P", "Fisher 1922; Goodfellow 2016, eq. 4"
    )


def _model_reverse_kl() -> Objective:
    return LikelihoodObjective(
        "model-reverse-kl", "reverse_kl", "KL(Q‖P): prefers one mode of P to what lies between two",
        "Jordan et al. 1999; Goodfellow 2016, section 3.2",
    )  # fmt: skip


# ── from text ───────────────────────────────────────────────────────────────────────────────

ADVERSARIAL: dict[str, Callable[..., Objective]] = {
    "minimax": _minimax,
    "non-saturating": _non_saturating,
    "lsgan": _lsgan,
    "hinge": _hinge,
    "wgan": _wasserstein(
        "wgan", "Arjovsky, Chintala & Bottou 2017, algorithm 1", "clip", "100 until 25, then 5"
    ),
    "wgan-gp": _wasserstein("wgan-gp", "Gulrajani et al. 2017, eq. 3", "gradient-penalty", 5),
    "wgan-lp": _wasserstein("wgan-lp", "Petzka et al. 2018, eq. 8", "one-sided-gradient-penalty", 5),
    "cramer-gan": _cramer_gan,
    "mmd-gan": _mmd_gan,
    "f-gan": _f_gan,
    "relativistic": _relativistic,
}
EXPLICIT: dict[str, Callable[..., Objective]] = {
    "maximum-likelihood": _maximum_likelihood,
    "model-reverse-kl": _model_reverse_kl,
}


def _sample_objective(name: str) -> Callable[..., Objective]:
    def make(**options: Any) -> Objective:
        inner = ", ".join(f"{key}={value!r}" for key, value in options.items())
        return SampleObjective(f"{name}({inner})")

    return make


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    **ADVERSARIAL,
    **{name: _sample_objective(name) for name in _descendable()},
    **EXPLICIT,
}


def parse(text: str | Objective) -> Objective:
    """The objective a text names: "non-saturating", "f-gan(divergence=kl)", "squared_mmd(bandwidth=1.0)".

    >>> parse("f-gan(divergence=chi2)").divergence, parse("energy").needs_critic
    ('chi2', False)
    """
    if isinstance(text, Objective):
        return text
    name = _spec.parse(text, "an objective").name
    own = {**ADVERSARIAL, **EXPLICIT}
    if name in own:
        return _spec.build(text, own, "an objective")
    if name.replace("-", "_") not in OBJECTIVES:
        if name.replace("-", "_") in dv.METRICS:
            return SampleObjective(text)  # says why it cannot be descended
        raise ValueError(
            f"unknown objective {name!r}{_spec.did_you_mean(name, OBJECTIVES)}; there are "
            f"{', '.join(OBJECTIVES)}"
        )
    head, bracket, rest = text.partition("(")
    return SampleObjective(head.replace("-", "_") + bracket + rest)
