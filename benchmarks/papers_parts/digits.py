"""What takes minutes and MNIST's files: GMMN in a code space, and stacked MNIST with its classifier."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from divergences._progress import Bar
from gan import _checkpoint, data, evaluation, training
from gan.data import Dataset
from gan.evaluation import reverse_kl_floor
from gan.model import Frame
from gan.recipes import RECIPES, Recipe

SAMPLES, STACKED = 10_000, 26_000  # of the Parzen protocol; of stacked MNIST (Srivastava et al. 2017)

# Median distance of two codes is about 3.9 in 8 standardised dimensions: a mixture of widths about it.
GMMN = RECIPES["mnist"].but(
    objective="squared_mmd(bandwidth=(0.2, 0.4, 1.0, 2.0, 4.0))", regularizer="none", batch=512,
    iterations=2500,
)  # fmt: skip
# Two images are about 10 apart; ten numbers and these layers are the paper's.
GMMN_PIXELS = GMMN.but(
    objective="squared_mmd(bandwidth=(2.0, 5.0, 10.0, 20.0, 40.0))", space="data", scaling="none",
    generator="mlp(64, 256, 256, 1024, output=sigmoid)", latent=10, batch=500, iterations=1500,
    schedule="cosine(final=0.01)", generator_optimizer="adam(lr=3e-3, beta1=0.5, beta2=0.9)",
)  # fmt: skip
# Critics of 24 codes, three digits of eight: no Fourier features, which need more rows in more dimensions.
STACKED_RECIPE = Recipe(
    data="stacked-mnist", objective="relativistic", generator="mlp(256, 256)", critic="mlp(256, 256)",
    latent=32, scaling="none", batch=256, iterations=8000, critic_steps=1, schedule="cosine(final=0.01)",
    regularizer="r1r2(0.3, final=0.003, every=4)", generator_optimizer="adam(lr=2e-3, beta1=0.5, beta2=0.9)",
    critic_optimizer="adam(lr=2e-3, beta1=0.5, beta2=0.9)", ema=0.999,
)  # fmt: skip


# ── GMMN, in pixels and with an autoencoder (Li, Swersky & Zemel 2015) ──────────────────────


def gmmn(folder: str, seed: int, recipe: Recipe = GMMN) -> dict[str, Any]:
    """Squared MMD in pixels or in the code space of an autoencoder; the Parzen protocol on 10,000 samples."""
    dataset = data.load(f"mnist({folder!r})")
    start = time.process_time()
    recipe = recipe.but(seed=seed)
    frame = training.framed(recipe, dataset)
    model = training.train(recipe, dataset=dataset, frame=frame, measure=None, accelerator="cpu")
    seconds = time.process_time() - start
    score = evaluation.score("GMMN", model.sample(SAMPLES, rng=[seed, 2]), dataset)
    return {"value": score.value, "standard_error": score.standard_error, "cpu_seconds": seconds}


# ── stacked MNIST (Metz et al. 2017; Lin et al. 2018) ───────────────────────────────────────


class Classifier(nn.Module):
    """Digits of 28 × 28 pixels: two convolutions, two linear layers; over 99 % after three passes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10),
        )  # fmt: skip

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layers(rows.reshape(-1, 1, 28, 28))

    @torch.no_grad()
    def labels(self, rows: np.ndarray) -> np.ndarray:
        self.eval()
        parts = torch.from_numpy(np.ascontiguousarray(rows, np.float32)).split(2000)
        return torch.cat([self(part).argmax(1) for part in parts]).numpy()


def classifier(dataset: Dataset, kept: Path, *, passes: int = 4) -> tuple[Classifier, float]:
    """Trained on the training digits, shifted at random by up to 2 pixels; its test accuracy."""
    torch.manual_seed(0)
    model = Classifier()
    if kept.exists():
        model.load_state_dict(_checkpoint.load(kept)["weights"])
    else:
        rows, labels = torch.from_numpy(dataset.train), torch.from_numpy(dataset.labels["train"]).long()
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
        steps = passes * (len(rows) // 128)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        with Bar(steps, None, "classifier") as bar:
            model.train()
            for _ in range(passes):
                for chosen in torch.randperm(len(rows)).split(128)[: len(rows) // 128]:
                    down, right = (int(step) for step in torch.randint(-2, 3, (2,)))
                    images = rows[chosen].reshape(-1, 28, 28).roll((down, right), (1, 2))
                    optimizer.zero_grad()
                    functional.cross_entropy(model(images), labels[chosen]).backward()
                    optimizer.step()
                    schedule.step()
                    bar.advance()
        _checkpoint.save(kept, {"weights": model.state_dict()})
    return model, float((model.labels(dataset.test) == dataset.labels["test"]).mean())


@dataclass(frozen=True)
class Count:
    """Modes among n samples, and KL of their histogram to the uniform one, with a perfect sampler's mean."""

    modes: int
    kl: float
    floor: float
    n: int


def count(model: Classifier, rows: np.ndarray) -> Count:
    """``rows`` (n, 2352): three digits as the last axis of 28 × 28 × 3 pixels, each labelled by itself."""
    channels = rows.reshape(len(rows), 784, 3)
    label = sum(10**k * model.labels(channels[:, :, 2 - k]).astype(int) for k in range(3))
    shares = np.bincount(np.asarray(label), minlength=1000) / len(rows)
    there = shares[shares > 0]
    kl = float((there * np.log(1000 * there)).sum())
    return Count(int((shares > 0).sum()), kl, reverse_kl_floor(1000, len(rows)), len(rows))


def stacked(folder: str, seed: int, kept: Path) -> dict[str, Any]:
    """Relativistic pairing among the codes of three digits, decoded and counted; real stacks beside."""
    single = data.load(f"mnist({folder!r})")
    judge, accuracy = classifier(single, kept / "digit-classifier.pt")
    stacks = data.load(f"stacked-mnist({folder!r})", seed=seed)
    start = time.process_time()
    # one digit's autoencoder serves all three channels
    digit = training.framed(RECIPES["mnist"].but(seed=seed), single)

    def codes(rows: np.ndarray) -> np.ndarray:
        each = [digit.inside(np.ascontiguousarray(rows.reshape(-1, 784, 3)[:, :, k])) for k in range(3)]
        return torch.cat(each, 1).numpy()

    seen = Dataset("codes", codes(stacks.train), codes(stacks.validation), codes(stacks.test))
    recipe = STACKED_RECIPE.but(seed=seed)
    model = training.train(
        recipe, dataset=seen, frame=Frame.of(seen, "none"), measure=None, accelerator="cpu"
    )
    seconds = time.process_time() - start
    drawn = model.sample(STACKED, rng=[seed, 2])
    images = np.stack([digit.outside(torch.from_numpy(part)) for part in np.split(drawn, 3, axis=1)], axis=2)
    real = data.load(f"stacked-mnist({folder!r}, n={STACKED})", seed=seed + 1)
    even = _even(single, STACKED, seed)
    return {
        "generated": _plain(count(judge, images)), "real": _plain(count(judge, real.train)),
        "perfect": _plain(count(judge, even)), "accuracy": accuracy, "cpu_seconds": seconds,
    }  # fmt: skip


def _even(single: Dataset, n: int, seed: int) -> np.ndarray:
    """Real test digits stacked with every triple of labels as likely: a perfect sampler's rows."""
    rng = np.random.default_rng([seed, 5])
    labels = single.labels["test"]
    by_digit = [np.flatnonzero(labels == digit) for digit in range(10)]
    drawn = rng.integers(10, size=(n, 3))
    rows = [single.test[[rng.choice(by_digit[digit]) for digit in drawn[:, k]]] for k in range(3)]
    return np.stack(rows, axis=2)


def _plain(found: Count) -> dict[str, float]:
    return {"modes": found.modes, "kl": found.kl, "floor": found.floor, "n": found.n}
