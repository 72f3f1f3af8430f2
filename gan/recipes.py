"""Recipes: everything a training run is, in plain text and numbers, and the ones known to work.

``RECIPES["ring"]`` says what to train on what, for how long, by which rule. ``recipe.but(seed=1)`` changes
a field. The same recipe on the same machine with the same number of threads gives the same bits.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from gan._spec import did_you_mean

__all__ = ["RECIPES", "Recipe", "for_data", "named", "with_objective"]


TEXTS = (
    "data", "objective", "generator", "critic", "space", "generator_optimizer", "critic_optimizer",
    "schedule", "momentum", "regularizer",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """A training run. Texts are read by the module of their kind: networks, objectives, regularizers, data.

    ``latent`` numbers of noise, ``prior`` "normal", "uniform" on [−1, 1] or "unit-uniform" on [−√3, √3],
    which has variance 1. ``batch`` samples an iteration, over all processes. ``scaling``: "unit" trains on
    data shifted to mean 0 and divided by one number to variance 1, "feature" divides each feature by its
    own, "none" trains on the data as they are; samples always come out in the data's units. ``space``:
    "data", or "autoencoder(8)" to train in the code space of an autoencoder fitted first.

    ``critic_steps``: how many for each generator step, a number or a schedule such as "100 until 25, then 5"
    (of generator steps); None takes the objective's own. ``update``: "alternating" (Algorithm 1),
    "simultaneous" or "extragradient".
    Optimisers: "adam(lr=0.01, beta1=0.5, beta2=0.9)", "rmsprop(lr=5e-5)", "sgd(lr=0.1, momentum=0.5)".
    ``schedule`` multiplies both learning rates: "constant", "cosine(final=0.01)", "linear(final=0)",
    "exponential(rate=4e-6, floor=1e-6)"; ``momentum`` moves that of sgd: "0.5 to 0.7 in 125000".
    ``regularizer``: None takes the objective's published companion, "none" takes none.
    ``ema`` is the largest decay of the averaged generator, min(ema, (t+1)/(t+10)); 0 averages nothing.
    A gradient norm past ``gradient_limit`` stops the run, as NaN does. ``threads`` of the processor, 0 for
    as many as PyTorch finds; another number may give other bits.
    """

    data: str = "digits"
    objective: str = "relativistic"
    generator: str = "mlp(64, 64)"
    critic: str = "mlp(64, 64)"
    latent: int = 2
    prior: str = "normal"
    space: str = "data"
    scaling: str = "unit"
    batch: int = 256
    iterations: int = 1000
    critic_steps: int | str | None = None
    update: str = "alternating"
    generator_optimizer: str = "adam(lr=1e-3, beta1=0.5, beta2=0.9)"
    critic_optimizer: str = "adam(lr=1e-3, beta1=0.5, beta2=0.9)"
    schedule: str = "constant"
    momentum: str | None = None
    regularizer: str | None = None
    packing: int = 1
    ema: float = 0.999
    gradient_limit: float = 1e8
    seed: int = 0
    threads: int = 1

    def but(self, **changes: Any) -> Recipe:
        """The same recipe with some fields changed; an unknown field is an error."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise ValueError(
                    f"a recipe has no field {name!r}{did_you_mean(name, known)}; it has {', '.join(known)}"
                )
        return replace(self, **changes)

    @property
    def half_width(self) -> float | None:
        """Of the interval that a uniform prior fills; None for the normal one."""
        return {"uniform": 1.0, "unit-uniform": math.sqrt(3.0)}.get(self.prior)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        return cls().but(**values)

    def __post_init__(self) -> None:
        for name, least in {
            "latent": 1,
            "batch": 1,
            "iterations": 1,
            "packing": 1,
            "seed": 0,
            "threads": 0,
        }.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number, at least {least}; got {value!r}")
        for name, choices in {
            "prior": ("normal", "uniform", "unit-uniform"),
            "scaling": ("unit", "feature", "none"),
            "update": ("alternating", "simultaneous", "extragradient"),
        }.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}; got {getattr(self, name)!r}")
        for name in TEXTS:
            value = getattr(self, name)
            if not isinstance(value, str) and not (value is None and name in ("momentum", "regularizer")):
                hint = "; 'none' stands for none" if name == "regularizer" else ""
                raise ValueError(f"{name} is named by a text, got {value!r}{hint}")
        for name in ("ema", "gradient_limit"):
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), (int, float)):
                raise ValueError(f"{name} must be a number, got {getattr(self, name)!r}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be a decay in [0, 1), got {self.ema!r}")
        if not self.gradient_limit > 0:
            raise ValueError(f"gradient_limit must be a norm above 0, got {self.gradient_limit!r}")
        if self.batch % self.packing:
            raise ValueError(f"batch must be a multiple of packing; got {self.batch} and {self.packing}")


# Relativistic pairing with R1 + R2 whose weight falls from 0.2 to 1e-4: a small constant weight gives the
# quality, but loses the weights of the modes (reverse KL .25 to .5). More of the run at small weights raises
# the quality further and costs in the weights. A longer average than 0.99 narrows the modes (spread .8).
_MODES = Recipe(
    objective="relativistic",
    generator="fourier(64, 64, directions=32, low=0.5, high=10.0)",
    critic="fourier(64, 64, directions=64, low=0.5, high=20.0)",
    latent=2,
    batch=1024,
    critic_steps=1,
    generator_optimizer="adam(lr=0.01, beta1=0.5, beta2=0.9)",
    critic_optimizer="adam(lr=0.01, beta1=0.5, beta2=0.9)",
    schedule="cosine(final=0.01)",
    regularizer="r1r2(0.2, final=1e-4, every=4)",
    ema=0.99,
)

# Weights of the modes are lost to the noise of small batches, and what keeps them even (a slower generator,
# larger last weights of R1 and R2) costs quality: with batches of 1,024 and the generator half as fast, ten
# seeds of the grid had quality 93.5 to 97.4 % and reverse KL .003 to .020. Batches of 2,048 leave room for a
# generator only a little slower than its critic. On one seed of the grid, which lacked quality (92.9 %), a
# critic of higher frequencies (30, not 20) gave 96 %, with a generator of higher ones (20) and smaller last
# weights 89 %; last weights of 3e-5, or a linear schedule, gave 97 % at two to four times the reverse KL.
# Single runs, and seeds differ by as much. Noise from a lattice did no better on the one seed tried.
_EVEN = _MODES.but(batch=2048, generator_optimizer="adam(lr=0.008, beta1=0.5, beta2=0.9)")

# Ten modes far apart in 1,200 dimensions. Noise in one dimension leaves few samples on the way between modes,
# and energy distance sees all modes from afar. Relativistic pairing reached 90 % high quality, and lost
# one mode of ten.
_SUBSPACE = Recipe(
    data="subspace", objective="energy", regularizer="none", latent=1, batch=128, iterations=3000,
    generator="fourier(128, 128, directions=64, low=0.5, high=30.0)", schedule="cosine(final=0.01)",
    generator_optimizer="adam(lr=0.01, beta1=0.5, beta2=0.9)", ema=0.99,
)  # fmt: skip

_ADAM = "adam(lr=3e-3, beta1=0.5, beta2=0.9)"

# About 40 seconds on one core; as near to held-out digits as other real digits are, by energy distance.
_DIGITS = Recipe(
    data="digits", generator="mlp(256, 256, output=sigmoid)", critic="mlp(256, 256)", latent=16,
    scaling="none", batch=256, iterations=4000, critic_steps=1, generator_optimizer=_ADAM,
    critic_optimizer=_ADAM, schedule="cosine(final=0.05)", regularizer="r1r2(1.0, final=0.1, every=4)",
)  # fmt: skip

# The code space of an autoencoder, where small networks are enough: four minutes on one core. Fourier
# features in critic and generator are worth 5 to 10 nats of Parzen likelihood at equal iterations
# (MNIST's validation images), a critic of twice the width hardly anything.
_CODES = Recipe(
    space="autoencoder(8, iterations=5000)", latent=16,
    generator="fourier(256, 256, directions=64, low=0.2, high=2.0)",
    critic="fourier(256, 256, directions=128, low=0.2, high=3.0)",
    batch=512, iterations=4500, critic_steps=1, regularizer="r1r2(0.3, final=0.003, every=4)",
    generator_optimizer="adam(lr=5e-3, beta1=0.5, beta2=0.9)",
    critic_optimizer="adam(lr=5e-3, beta1=0.5, beta2=0.9)", schedule="cosine(final=0.01)",
)  # fmt: skip

# MNIST without an autoencoder. Batch normalisation in a generator of two layers was worth 9 nats of Parzen
# likelihood (validation images) after 3,000 iterations, noise before the critic nothing; the third layer and
# the wider critic looked better in shorter runs, which differed in more than that.
_PIXELS = Recipe(
    data="mnist", generator="mlp(512, 512, 512, batch_norm=True, output=sigmoid)", critic="mlp(512, 512)",
    latent=10, scaling="none", batch=256, iterations=40_000, critic_steps=1,
    generator_optimizer="adam(lr=1e-3, beta1=0.0, beta2=0.9)",
    critic_optimizer="adam(lr=1e-3, beta1=0.0, beta2=0.9)", schedule="cosine(final=0.03)",
    regularizer="r1r2(0.2, final=0.02, every=8)", ema=0.9995,
)  # fmt: skip

# Goodfellow et al. 2014 on MNIST as in mnist.yaml of his published code (github.com/goodfeli/adversarial):
# both players step on gradients from one point and one batch of samples; the discriminator's cost is half of
# ours, so its rate here is half of his. Not his: each player draws its own dropout masks, and momentum grows
# with the iteration, not with the epoch.
_GOODFELLOW = Recipe(
    data="mnist", objective="non-saturating", generator="goodfellow", critic="goodfellow", latent=100,
    prior="unit-uniform", scaling="none", batch=100, iterations=125_000, critic_steps=1,
    update="simultaneous",
    generator_optimizer="sgd(lr=0.1, momentum=0.5)", critic_optimizer="sgd(lr=0.05, momentum=0.5)",
    schedule="exponential(rate=4e-6, floor=1e-5)", momentum="0.5 to 0.7 in 125000", regularizer="none",
    ema=0.0, threads=0,
)  # fmt: skip

RECIPES: dict[str, Recipe] = {
    "digits": _DIGITS,
    "ring": _EVEN.but(
        data="ring",
        iterations=9_500,
        generator="fourier(64, 64, directions=32, low=0.5, high=12.0)",
        generator_optimizer="adam(lr=0.006, beta1=0.5, beta2=0.9)",
        regularizer="r1r2(0.2, final=1.5e-4, every=4)",
    ),
    # Noise on a square, not normal: of one seed, all else equal, 97.9 % high quality, not 93.3. Of trials on
    # seven seeds these settings had the best of both, 96.4 to 97.9 % and reverse KL .008 to .012 on five;
    # last weights of 1.5e-4 gave as little as 94.7 %, a rate of .008 with a critic of 30 KL up to .023.
    "grid": _EVEN.but(
        data="grid",
        prior="unit-uniform",
        iterations=11_000,
        generator="fourier(64, 64, directions=32, low=0.5, high=12.0)",
        generator_optimizer="adam(lr=0.007, beta1=0.5, beta2=0.9)",
    ),
    "subspace": _SUBSPACE,
    "points": _MODES.but(data="swiss-roll", iterations=4700),
    "mnist": _CODES.but(data="mnist"),
    # no critic: large batches on 64 lines at a time
    "mnist-sliced": _CODES.but(
        data="mnist",
        objective="sliced_wasserstein(n_projections=64)",
        regularizer="none",
        batch=4096,
        iterations=1200,
    ),
    "mnist-pixels": _PIXELS,
    "fashion": _CODES.but(data="fashion"),
    "goodfellow": _GOODFELLOW,
    "images": _DIGITS.but(
        data="cifar10",
        generator="conv(width=32)",
        critic="conv(width=32)",
        latent=64,
        batch=64,
        iterations=10_000,
        regularizer="r1r2(1.0, final=0.1, every=8)",
        threads=0,
        generator_optimizer="adam(lr=2e-4, beta1=0.0, beta2=0.99)",
        critic_optimizer="adam(lr=2e-4, beta1=0.0, beta2=0.99)",
    ),
}


def named(name: str) -> Recipe:
    """The recipe of that name; an unknown one is an error with a suggestion."""
    if name not in RECIPES:
        raise ValueError(
            f"unknown recipe {name!r}{did_you_mean(name, RECIPES)}; there are {', '.join(RECIPES)}"
        )
    return RECIPES[name]


def for_data(text: str) -> Recipe:
    """The recipe of the data's own name, or the one for its kind: images by size, points otherwise."""
    from gan import _spec, data

    if not data.is_path(text):
        name = _spec.parse(text, "a data set").name
        if name in RECIPES:
            return RECIPES[name].but(data=text)
    shape = data.load(text).image_shape
    kind = "points" if shape is None else "digits" if max(shape[:2]) <= 16 else "images"
    return RECIPES[kind].but(data=text)


def with_objective(recipe: Recipe, objective: str) -> Recipe:
    """``recipe`` on another objective, with that one's published companions where it has them.

    Its number of critic steps is its own; its regularizer too, and where it names none, the recipe's stays.
    """
    from gan import objectives

    found = objectives.parse(objective)
    if objective == recipe.objective:
        return recipe
    changes: dict[str, Any] = {"objective": objective, "critic_steps": None}
    if isinstance(found, (objectives.CramerGAN, objectives.MMDGAN)) and "outputs" not in recipe.critic:
        name, _, inside = recipe.critic.strip().removesuffix(")").partition("(")
        options = f"{inside}, outputs=16" if inside.strip() else "outputs=16"
        changes["critic"] = f"{name.strip()}({options})"  # they work on features
    if not found.needs_critic:
        changes["regularizer"] = "none"
    elif found.regularizer is not None:
        changes["regularizer"] = None
    return recipe.but(**changes)
