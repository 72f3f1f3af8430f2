"""Parzen log-likelihood on MNIST's pixels along hours of training: the curve, and the score at its end.

    python benchmarks/mnist_curve.py PATH --recipe mnist-pixels --precision bf16-mixed --out FOLDER
    python benchmarks/mnist_curve.py PATH --recipe goodfellow --out FOLDER

PATH is the folder of the four idx files. The curve is the likelihood of the first 1,000 validation images
under windows at 10,000 fresh samples, σ the best of logspace(−1, 0, 10); the score is the protocol's, over
the 10,000 test images, when the training is over. FOLDER holds checkpoint and log: a run that was cut off
goes on from there. CPU seconds are of the whole process, added up over its parts, scores included.
Runs are kept in benchmarks/results/mnist_curve.json by recipe and seed.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rows.common import versions

from divergences.parzen import parzen_window
from gan import data, evaluation, training
from gan.data import Dataset
from gan.model import Model
from gan.recipes import RECIPES

RESULTS = Path(__file__).parent / "results" / "mnist_curve.json"
SAMPLES = 10_000
CHOOSE = 1000  # validation images, as in the protocol


class Curve:
    """Points of one run: iteration, CPU seconds until then, σ and the likelihood of the validation images."""

    def __init__(self, points: list[dict[str, float]], dataset: Dataset, every: int, keep: Any) -> None:
        self.points, self.validation, self.every, self.keep = points, dataset.validation[:CHOOSE], every, keep
        self.start, self.before = time.process_time(), 0.0
        self.begun = False

    def __call__(self, model: Model) -> None:
        if not self.begun:
            self.begin(model.iteration)
        elif model.iteration % self.every == 0:
            self.measure(model)

    def begin(self, iteration: int) -> None:
        """A run that goes on does so from its checkpoint, which may lie before or behind the last point."""
        self.begun = True
        if self.points:
            last = self.points[-1]
            self.before = last["cpu_seconds"] * iteration / last["iteration"]
        self.points[:] = [point for point in self.points if point["iteration"] <= iteration]

    def measure(self, model: Model) -> None:
        samples = model.sample(SAMPLES, rng=[model.recipe.seed, 1])
        window = parzen_window(samples, validation=self.validation, grid="goodfellow")
        found = {
            "iteration": model.iteration,
            "cpu_seconds": self.spent(),
            "bandwidth": window.bandwidth,
            "validation": window.score(self.validation).value,
        }
        self.points.append(found)
        print(json.dumps(found), flush=True)
        self.keep()

    def spent(self) -> float:
        return self.before + time.process_time() - self.start


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("path", help="the folder of MNIST's four files")
    parser.add_argument("--recipe", required=True, choices=sorted(RECIPES))
    parser.add_argument("--precision", default="32-true", help="of Lightning Fabric, such as bf16-mixed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=5000, help="iterations between points of the curve")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    arguments = parser.parse_args()
    recipe = RECIPES[arguments.recipe].but(seed=arguments.seed)
    dataset = data.load(f"mnist({arguments.path!r})")
    name = f"{arguments.recipe}, seed {arguments.seed}, {arguments.precision}"
    run = saved().get(name, {})
    if run.get("recipe") != recipe.to_dict():  # the points of another recipe are no part of this curve
        run = {"recipe": recipe.to_dict(), "precision": arguments.precision, "curve": []}

    def keep() -> None:
        # read anew: another run may have written its own
        text = json.dumps({**saved(), name: run, "versions": versions()}, indent=1, ensure_ascii=False)
        RESULTS.write_text(text + "\n", encoding="utf-8")

    curve = Curve(run["curve"], dataset, arguments.every, keep)
    model = training.train(
        recipe, dataset=dataset, measure=None, accelerator="cpu", precision=arguments.precision,
        out=arguments.out, resume=True, log_every=min(arguments.every, 500), tensorboard=False, watch=curve,
        progress=False,
    )  # fmt: skip
    run["cpu_seconds"] = curve.spent()
    run["score"] = asdict(evaluation.score("generated", model.sample(SAMPLES, rng=[recipe.seed, 2]), dataset))
    print(json.dumps(run["score"]), flush=True)
    keep()


def saved() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


if __name__ == "__main__":
    main()
