"""A data set made ready once a process: what the networks see, what is judged, and the way between."""

from __future__ import annotations

import base64
import functools
import time
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan import _checkpoint, data, training
from gan.data import Dataset
from gan.evaluation import likelihood
from gan.model import Frame
from losses_parts.design import DATA, Data

SHOWN = {"points": 400, "images": 12}


@dataclass(frozen=True, eq=False)
class Problem:
    """``seen`` is what training gets: the data, or the codes of its images by one autoencoder for all runs.

    ``judged`` is the data in their own units; ``decode`` brings samples there.
    """

    name: str
    data: Data
    seen: Dataset
    judged: Dataset
    frame: Frame
    outer: Frame | None
    autoencoder_seconds: float = 0.0

    def decode(self, samples: np.ndarray) -> np.ndarray:
        return samples if self.outer is None else self.outer.outside(torch.from_numpy(samples))


@functools.lru_cache(maxsize=2)
def load(name: str, folder: str | None, rows: int | None, kept: str, share: float = 1.0) -> Problem:
    """The problem of a data set, its held-out parts cut to ``rows``; ``kept`` is where its autoencoder lies.

    Rows are the same for every run (seed 0): seeds move the training alone, and no run's test rows are rows
    that settings were chosen by.
    """
    what = DATA[name]
    judged = data.load(text_of(name, folder), seed=0)
    if rows is not None:
        judged = replace(judged, validation=judged.validation[:rows], test=judged.test[:rows])
    if what.recipe.space == "data":
        frame = Frame.of(judged, what.recipe.scaling)
        return Problem(name, what, judged, judged, frame, None)
    outer, seconds = _autoencoder(what, judged, Path(kept), share)
    codes = {part: outer.inside(getattr(judged, part)).numpy() for part in ("train", "validation", "test")}
    seen = Dataset(f"codes of {name}", **codes)
    return Problem(name, what, seen, judged, Frame.of(seen, "none"), outer, seconds)


def text_of(name: str, folder: str | None) -> str:
    """The data set as ``gan.data.load`` reads it, with the place of its files."""
    what = DATA[name]
    return name if what.file is None else f"{name}({str(path_of(what, folder))!r})"


def path_of(what: Data, folder: str | None) -> Path | None:
    """Where the files of a data set are under ``folder``, or None: in a folder of its name, or just there."""
    if what.file is None or folder is None:
        return None
    own = Path(folder) / what.file
    if what.file == "cifar10":
        found = sorted(own.glob("*.np[yz]")) if own.is_dir() else []
        return found[0] if found else own if (own / "cifar-10-batches-bin").is_dir() else None
    for place in (own, Path(folder)):
        images = "train-images-idx3-ubyte"
        # Fashion-MNIST's files have the names of MNIST's: only a folder of its own name is taken for it
        if any((place / f"{images}{end}").exists() for end in ("", ".gz")) and (
            place == own or what.file == "mnist"
        ):
            return place
    return None


def _autoencoder(what: Data, judged: Dataset, folder: Path, share: float) -> tuple[Frame, float]:
    """Fitted once and kept: the losses are compared, not the autoencoders."""
    recipe = what.recipe
    if share < 1:
        recipe = recipe.but(space=recipe.space.replace("3000", str(max(int(3000 * share), 20))))
    name = "".join(sign if sign.isalnum() else "-" for sign in recipe.space)
    path = folder / f"{recipe.data}-{name}.pt"
    if not path.exists():
        start = time.process_time()
        frame = training.framed(recipe.but(seed=0), judged, progress=False)
        folder.mkdir(parents=True, exist_ok=True)
        _checkpoint.save(path, {"frame": frame.state_dict(), "seconds": time.process_time() - start})
    state = _checkpoint.load(path)
    return Frame.from_state(state["frame"]), float(state["seconds"])


def controls(problem: Problem, count: int) -> dict[str, np.ndarray]:
    """Samples no generator made: real, memorised, k-means, what decodes at best, and one Gaussian."""
    judged = problem.judged
    rng = np.random.default_rng(3)
    fresh = judged.validation if judged.draw is None else judged.draw(count, np.random.default_rng(77))
    found = {"real: fresh data": fresh[:count].astype(np.float32)}
    for name, rows in likelihood.controls(judged, count, frame=problem.outer):
        kind = name.split(" ", 1)[1]
        told = {"training rows": "memoriser: training rows", "k-means centroids": "k-means centroids"}
        found[told.get(kind, f"ceiling: {kind}")] = rows
    mean = problem.seen.train.mean(0)
    cov = np.cov(problem.seen.train[:20_000].T) + 1e-9 * np.eye(problem.seen.d)
    drawn = rng.multivariate_normal(mean, cov, size=count, method="cholesky").astype(np.float32)
    found["one Gaussian"] = problem.decode(drawn)
    return found


# ── samples in few characters, for the pictures ─────────────────────────────────────────────


def packed(samples: np.ndarray, problem: Problem) -> dict[str, Any]:
    """Some samples as text: images in 256 greys, points on a fine grid along two principal axes."""
    if problem.judged.image_shape is not None:
        rows = np.clip(samples[: SHOWN["images"]], 0, 1)
        return {"low": 0.0, "high": 1.0, **_text(np.round(rows * 255).astype(np.uint8))}
    points = plane(problem, samples[: SHOWN["points"]])
    low, high = (
        plane(problem, problem.judged.test[:2000]).min(),
        plane(problem, problem.judged.test[:2000]).max(),
    )
    low, high = low - 0.25 * (high - low), high + 0.25 * (high - low)
    whole = np.round(np.clip((points - low) / (high - low), 0, 1) * 65535).astype("<u2")
    return {"low": float(low), "high": float(high), **_text(whole)}


def plane(problem: Problem, rows: np.ndarray) -> np.ndarray:
    """Points in two dimensions: as they are, or along the principal axes of the test rows."""
    if rows.shape[1] == 2:
        return rows
    return (rows - problem.judged.test.mean(0)) @ _axes(problem)


@functools.lru_cache(maxsize=2)
def _axes(problem: Problem) -> np.ndarray:
    from sklearn.decomposition import PCA

    return PCA(2, random_state=0).fit(problem.judged.test[:2000]).components_.T


def _text(whole: np.ndarray) -> dict[str, Any]:
    coded = base64.b64encode(zlib.compress(whole.tobytes(), 9)).decode()
    return {"shape": list(whole.shape), "type": whole.dtype.str, "coded": coded}


def unpacked(kept: dict[str, Any]) -> np.ndarray:
    """What ``packed`` wrote, in its own range."""
    raw = zlib.decompress(base64.b64decode(kept["coded"]))
    whole = np.frombuffer(raw, kept["type"]).reshape(kept["shape"])
    top = float(np.iinfo(whole.dtype).max)
    return kept["low"] + whole / top * (kept["high"] - kept["low"])
