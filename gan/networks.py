"""Generators and critics: small networks for points, digits and images of 28 to 64 pixels.

Everything takes and gives flat samples, ``(n, d)``, as the measures do; convolutional networks know the
image's shape and fold it inside. A network is named by text, ``"mlp(64, 64)"``, read by ``generator`` and
``critic``, which are told the size of the noise and the space of the samples.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan import _spec

__all__ = [
    "CRITICS",
    "GENERATORS",
    "FourierFeatures",
    "Maxout",
    "Space",
    "critic",
    "generator",
]


@dataclass(frozen=True, slots=True)
class Space:
    """Where samples live: ``d`` numbers each, an image of ``image_shape`` (channels last) or not.

    ``marginals`` is the mean of each feature over the training data, from which Goodfellow's generator
    takes its output bias.
    """

    d: int
    image_shape: tuple[int, ...] | None = None
    marginals: Tensor | None = None

    @property
    def channels(self) -> int:
        return 1 if self.image_shape is None or len(self.image_shape) == 2 else self.image_shape[2]


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.2),
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}
OUTPUTS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}


# ── layers ──────────────────────────────────────────────────────────────────────────────────


class FourierFeatures(nn.Module):
    """(z, sin Wz, cos Wz) for fixed directions W: (n, d) → (n, d + 2·directions).

    Rows of W have uniform directions and lengths log-spaced from ``low`` to ``high``: the high ones let a
    small network make steep changes, which is what separate modes ask for (Tancik et al. 2020). In the
    plane, directions are the golden angle apart from a random first one, so that a few of any length
    look every way; in more dimensions they are independent.
    """

    W: Tensor

    def __init__(self, d: int, directions: int, low: float, high: float) -> None:
        super().__init__()
        if not 0 < low <= high < math.inf:
            raise ValueError(
                f"low and high must be frequencies with 0 < low <= high, got {low!r} and {high!r}"
            )
        rows = _circle(directions) if d == 2 else nn.functional.normalize(torch.randn(directions, d), dim=1)
        lengths = torch.logspace(math.log10(low), math.log10(high), directions)
        self.register_buffer("W", rows * lengths[:, None])
        self.width = d + 2 * directions

    def forward(self, z: Tensor) -> Tensor:
        angles = z @ self.W.T
        return torch.cat([z, angles.sin(), angles.cos()], dim=1)


def _circle(count: int) -> Tensor:
    """Unit vectors, opposite ones taken for one: any few in a row divide the half-circle about evenly."""
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    angles = math.pi * (torch.rand(()) + golden * torch.arange(count))
    return torch.stack([angles.cos(), angles.sin()], dim=1)


class Maxout(nn.Module):
    """The largest of ``pieces`` linear maps, for each of ``units`` outputs (Goodfellow et al. 2013)."""

    def __init__(self, inputs: int, units: int, pieces: int = 5) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, units * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


class Images(nn.Module):
    """Flat samples folded into (n, channels, height, width)."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.height, self.width = shape[:2]

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.height, self.width, -1)).movedim(3, 1)


class Rows(nn.Module):
    """(n, channels, height, width) flattened, channels last."""

    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(1, 3).flatten(1)


def _dense(
    widths: Sequence[int], activation: str, *, batch_norm: bool = False, init: str = "kaiming"
) -> list[nn.Module]:
    """Linear layers with the activation between them, none after the last."""
    layers: list[nn.Module] = []
    last = len(widths) - 2
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        linear = nn.Linear(inputs, outputs)
        if init == "kaiming":
            nn.init.kaiming_normal_(linear.weight, nonlinearity="linear" if number == last else "relu")
            nn.init.zeros_(linear.bias)
        elif init != "default":
            raise ValueError(f"init must be 'kaiming' or 'default' (PyTorch's own), got {init!r}")
        layers.append(linear)
        if number < last:
            layers += [nn.BatchNorm1d(outputs)] if batch_norm else []
            layers.append(_chosen(ACTIVATIONS, activation, "activation")())
    return layers


def _chosen(known: dict[str, Any], name: str, what: str) -> Any:
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}; got {name!r}")
    return known[name]


def _uniform(network: nn.Module, width: float) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.uniform_(layer.weight, -width, width)
            nn.init.zeros_(layer.bias)


# ── generators ──────────────────────────────────────────────────────────────────────────────


def _mlp_generator(
    *hidden: int, activation: str = "relu", batch_norm: bool = False, output: str = "linear",
    init: str = "kaiming", latent: int, space: Space,
) -> nn.Module:  # fmt: skip
    layers = _dense([latent, *hidden, space.d], activation, batch_norm=batch_norm, init=init)
    return nn.Sequential(*layers, _chosen(OUTPUTS, output, "output")())


def _fourier_generator(
    *hidden: int, directions: int = 32, low: float = 0.5, high: float = 10.0, activation: str = "relu",
    output: str = "linear", latent: int, space: Space,
) -> nn.Module:  # fmt: skip
    features = FourierFeatures(latent, directions, low, high)
    layers = _dense([features.width, *hidden, space.d], activation)
    return nn.Sequential(features, *layers, _chosen(OUTPUTS, output, "output")())


def _goodfellow_generator(*, hidden: int = 1200, latent: int, space: Space) -> nn.Module:
    """Goodfellow et al. 2014, MNIST: z → 1200 ReLU → 1200 ReLU → sigmoid, weights U(±0.05)."""
    network = nn.Sequential(*_dense([latent, hidden, hidden, space.d], "relu"), nn.Sigmoid())
    _uniform(network, 0.05)
    if space.marginals is not None:
        share = space.marginals.clamp(1e-3, 1 - 1e-3)
        with torch.no_grad():
            network[-2].bias.copy_(torch.log(share / (1 - share)))
    return network


def _pacgan_generator(*, latent: int, space: Space) -> nn.Module:
    """Lin et al. 2018, 2-D experiments: z → 4 × 400 ReLU with batch normalisation → linear."""
    return nn.Sequential(*_dense([latent, 400, 400, 400, 400, space.d], "relu", batch_norm=True))


def _conv_generator(
    *, width: int = 32, output: str = "sigmoid", batch_norm: bool = True, latent: int, space: Space
) -> nn.Module:
    """A linear map to a small feature map, then doublings: nearest neighbours and a 3 × 3 convolution."""
    base, halvings = _pyramid(space)
    widths = [width * 2**power for power in reversed(range(halvings + 1))]
    first = widths[0] * math.prod(base)
    layers: list[nn.Module] = [nn.Linear(latent, first), nn.Unflatten(1, (widths[0], *base))]
    layers += [nn.BatchNorm2d(widths[0])] if batch_norm else []
    layers.append(nn.ReLU())
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1)]
        layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
        layers.append(nn.ReLU())
    layers += [nn.Conv2d(widths[-1], space.channels, 3, padding=1), _chosen(OUTPUTS, output, "output")()]
    return nn.Sequential(*layers, Rows())


def _pyramid(space: Space) -> tuple[tuple[int, int], int]:
    """The size from which doublings reach the image, at most 8 pixels a side, and how many they are."""
    if space.image_shape is None:
        raise ValueError(
            "a convolutional network needs images; this data has no image shape; use mlp or fourier"
        )
    height, width = space.image_shape[:2]
    halvings = 0
    while height % 2 == 0 and width % 2 == 0 and (max(height, width) > 8 or halvings == 0):
        height, width, halvings = height // 2, width // 2, halvings + 1
    if max(height, width) > 16 or halvings == 0:
        raise ValueError(
            "a convolutional network needs even sides that halve to at most 16 pixels, such as 28, 32, 48 or "
            f"64; got {space.image_shape[0]} × {space.image_shape[1]}; resize the images"
        )
    return (height, width), halvings


GENERATORS: dict[str, Callable[..., nn.Module]] = {
    "mlp": _mlp_generator,
    "fourier": _fourier_generator,
    "goodfellow": _goodfellow_generator,
    "pacgan": _pacgan_generator,
    "conv": _conv_generator,
}


def generator(text: str, latent: int, space: Space) -> nn.Module:
    """The generator a text names: (n, latent) → (n, d).

    >>> generator("mlp(64, 64)", 2, Space(5))(torch.zeros(3, 2)).shape
    torch.Size([3, 5])
    """
    return _spec.build(text, GENERATORS, "a generator", latent=latent, space=space)


# ── critics ─────────────────────────────────────────────────────────────────────────────────


def _mlp_critic(
    *hidden: int, activation: str = "leaky", dropout: float = 0.0, init: str = "kaiming", outputs: int = 1,
    space: Space,
) -> nn.Module:  # fmt: skip
    layers = _dense([space.d, *hidden, outputs], activation, init=init)
    if dropout:
        last = len(layers) - 1
        layers = [
            part for number, layer in enumerate(layers)
            for part in ([nn.Dropout(dropout), layer] if number == last else [layer])
        ]  # fmt: skip
    return nn.Sequential(*layers)


def _fourier_critic(
    *hidden: int, directions: int = 64, low: float = 0.5, high: float = 20.0, activation: str = "leaky",
    outputs: int = 1, space: Space,
) -> nn.Module:  # fmt: skip
    features = FourierFeatures(space.d, directions, low, high)
    return nn.Sequential(features, *_dense([features.width, *hidden, outputs], activation))


def _goodfellow_critic(
    *,
    units: int = 240,
    pieces: int = 5,
    input_dropout: float = 0.2,
    hidden_dropout: float = 0.5,
    space: Space,
) -> nn.Module:
    """Goodfellow et al. 2014, MNIST: maxout 240 × 5 twice, U(±0.005), dropout; returns the logit."""
    network = nn.Sequential(
        nn.Dropout(input_dropout),
        Maxout(space.d, units, pieces),
        nn.Dropout(hidden_dropout),
        Maxout(units, units, pieces),
        nn.Dropout(hidden_dropout),
        nn.Linear(units, 1),
    )
    _uniform(network, 0.005)
    return network


def _pacgan_critic(*, space: Space) -> nn.Module:
    """Lin et al. 2018, 2-D experiments: 3 × 200 maxout with 5 pieces → logit."""
    return nn.Sequential(Maxout(space.d, 200), Maxout(200, 200), Maxout(200, 200), nn.Linear(200, 1))


def _conv_critic(*, width: int = 32, outputs: int = 1, space: Space) -> nn.Module:
    """Convolutions of stride 2 with LeakyReLU, no normalisation: gradient penalties need none."""
    base, halvings = _pyramid(space)
    layers: list[nn.Module] = [Images(space.image_shape or ())]
    widths = [space.channels, *(width * 2**power for power in range(halvings))]
    for inputs, outputs_ in itertools.pairwise(widths):
        layers += [nn.Conv2d(inputs, outputs_, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    flat = widths[-1] * math.prod(base)
    return nn.Sequential(*layers, nn.Flatten(1), nn.Linear(flat, outputs))


CRITICS: dict[str, Callable[..., nn.Module]] = {
    "mlp": _mlp_critic,
    "fourier": _fourier_critic,
    "goodfellow": _goodfellow_critic,
    "pacgan": _pacgan_critic,
    "conv": _conv_critic,
}


def critic(text: str, space: Space, *, packing: int = 1) -> nn.Module:
    """The critic a text names: (n, d) → (n, 1); with ``packing`` m > 1 a sample is m of the data, (n, m·d).

    Packs side by side show what a generator that lost modes cannot hide (PacGAN; Lin et al. 2018).
    ``outputs=k`` gives (n, k), which the objectives on a critic's feature space take.

    >>> critic("fourier(64)", Space(2), packing=3)(torch.zeros(5, 6)).shape
    torch.Size([5, 1])
    """
    if packing > 1 and _spec.parse(text, "a critic").name == "conv":
        raise ValueError("packing lays flat samples side by side; the conv critic takes one image, use mlp")
    seen = space if packing == 1 else Space(space.d * packing)
    return _spec.build(text, CRITICS, "a critic", space=seen)
