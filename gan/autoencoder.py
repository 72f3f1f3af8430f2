"""A denoising autoencoder whose codes are standardised, so that any objective can train among them.

Small networks make poor pixels and good codes: the generator then draws codes, and the decoder makes the
images. Codes come out of a batch normalisation without scale or shift, so each has mean 0 and variance 1.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from divergences._progress import Bar
from gan import _spec
from gan._random import Batches, reseed, seeded

__all__ = ["Autoencoder", "fit"]

CHUNK = 4096


class Autoencoder(nn.Module):
    """d → hidden widths → ``code`` standardised numbers → mirrored, sigmoid; pixels lie in [0, 1]."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.widths = widths
        self.code = widths[-1]
        encoder = _stack(widths)
        self.encoder = nn.Sequential(*encoder, nn.BatchNorm1d(self.code, affine=False))
        self.decoder = nn.Sequential(*_stack(widths[::-1]), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))

    @torch.no_grad()
    def codes(self, x: Tensor) -> Tensor:
        """Codes (n, code) of images (n, d), by the statistics kept."""
        where = next(self.parameters())
        return torch.cat([self.encoder(part.to(where.device)) for part in x.split(CHUNK)])

    @torch.no_grad()
    def images(self, codes: Tensor) -> Tensor:
        """Images (n, d) of codes (n, code)."""
        where = next(self.parameters())
        return self.decoder(codes.to(where.device, where.dtype))


def _stack(widths: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.1)]
    return layers[:-1]


@dataclass(frozen=True)
class Settings:
    """How an autoencoder is made and fitted; the values of the text ``"autoencoder(8, iterations=4000)"``."""

    code: int = 8
    hidden: tuple[int, ...] = (512, 256)
    iterations: int = 8000
    batch: int = 256
    lr: float = 2e-3
    noise: float = 0.2
    code_noise: float = 0.1


def settings(text: str) -> Settings:
    """What a text such as ``"autoencoder(8)"`` asks for."""
    return _spec.build(text, {"autoencoder": Settings}, "a space")


def fit(
    text: str, rows: Tensor, *, seed: int, device: torch.device, progress: bool | None = None
) -> Autoencoder:
    """The autoencoder a text names, such as ``"autoencoder(8)"``, fitted to ``rows`` (n, d) in [0, 1].

    Squared error summed over pixels, noise on pixels and codes, Adam with a cosine schedule. Afterwards
    the statistics of the codes are taken once more, over all rows without noise. The same seed gives the
    same bits on a processor.
    """
    how = settings(text)
    if rows.min() < 0 or rows.max() > 1:
        raise ValueError(
            "an autoencoder takes images with pixels in [0, 1]; these reach from "
            f"{rows.min():g} to {rows.max():g}; use space='data'"
        )
    with seeded(device, seed, 0):
        model = Autoencoder(rows.shape[1], *how.hidden, how.code).to(device)
    rows = rows.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=how.lr, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, how.iterations)
    batches = Batches(rows, min(how.batch, len(rows)), seed)
    with Bar(how.iterations, progress, "autoencoder") as bar, seeded(device, seed):
        for t in range(how.iterations):
            reseed(device, seed, t + 1)
            clean = batches(t)
            codes = model.encoder(clean + how.noise * torch.randn_like(clean))
            made = model.decoder(codes + how.code_noise * torch.randn_like(codes))
            loss = (made - clean).square().sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.advance()
    _standardise(model, rows)
    return model.eval()


@torch.no_grad()
def _standardise(model: Autoencoder, rows: Tensor) -> None:
    """The mean and variance of the codes of all rows, in place of running averages under noise."""
    *layers, norm = model.encoder
    raw = torch.cat([nn.Sequential(*layers)(part) for part in rows.split(CHUNK)]).double()
    norm.running_mean.copy_(raw.mean(0))
    norm.running_var.copy_(raw.var(0, unbiased=False))
