"""Parzen log-likelihood on MNIST by Goodfellow's protocol: generators in the code space of an autoencoder.

    python benchmarks/mnist_parzen.py PATH --recipes mnist mnist-sliced --seeds 100 101 102 103 104

PATH is the folder of the four idx files. Each seed fits its autoencoder once and trains every recipe in it;
the autoencoder's CPU seconds are counted for each. 10,000 fresh samples of the averaged generator are
scored: σ of logspace(−1, 0, 10) by the first 1,000 validation images, mean over the 10,000 test images, ± the
standard error over them. Controls: real training images, k-means centroids, reconstructions by the first
autoencoder. Recipes' settings were chosen on the validation images. Runs are added to
benchmarks/results/mnist_parzen.json when they are done; those that are there already are left out.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rows.common import versions

from gan import data, evaluation, training
from gan.comparison import median_interval
from gan.data import Dataset
from gan.model import Frame
from gan.recipes import RECIPES, Recipe

RESULTS = Path(__file__).parent / "results" / "mnist_parzen.json"
SAMPLES = 10_000
MINUTES = 5


def run(recipe: Recipe, dataset: Dataset, frame: Frame, fitting: float) -> dict[str, Any]:
    """One training in a fitted code space, and the score of its samples."""
    start = time.process_time()
    model = training.train(recipe, dataset=dataset, frame=frame, measure=None, accelerator="cpu")
    seconds = time.process_time() - start
    found = asdict(evaluation.score("generated", model.sample(SAMPLES, rng=[recipe.seed, 2]), dataset))
    return {
        **{key: found[key] for key in ("value", "standard_error", "bandwidth")},
        "autoencoder_cpu_seconds": fitting,
        "training_cpu_seconds": seconds,
        "cpu_seconds": fitting + seconds,
    }


def summary(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The median score with its bootstrap interval over seeds, and the time of the slowest."""
    return {
        "runs": len(runs),
        "score": median_interval([found["value"] for found in runs.values()]),
        "cpu_seconds": max(found["cpu_seconds"] for found in runs.values()),
        "within_five_cpu_minutes": sum(found["cpu_seconds"] <= 60 * MINUTES for found in runs.values()),
    }


def controls(dataset: Dataset, frame: Frame) -> list[dict[str, Any]]:
    return [
        asdict(evaluation.score(name, rows, dataset))
        for name, rows in evaluation.controls(dataset, SAMPLES, frame=frame)
    ]


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("path", help="the folder of MNIST's four files")
    parser.add_argument("--recipes", nargs="+", default=["mnist", "mnist-sliced"], choices=sorted(RECIPES))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(100, 105)))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    dataset = data.load(f"mnist({arguments.path!r})")
    spaces = {RECIPES[name].space for name in arguments.recipes}
    if len(spaces) > 1:
        parser.error("the recipes must share one code space")
    for seed in arguments.seeds:
        kept = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else {}
        for name in arguments.recipes:
            entry = kept.setdefault(name, {})
            # the numbers of another recipe are no part of this table
            if entry.get("recipe") != RECIPES[name].to_dict():
                kept[name] = {"recipe": RECIPES[name].to_dict(), "runs": {}}
        todo = [name for name in arguments.recipes if str(seed) not in kept[name]["runs"]]
        if not todo:
            continue
        start = time.process_time()
        frame = training.framed(RECIPES[todo[0]].but(seed=seed), dataset)
        fitting = time.process_time() - start
        for name in todo:
            entry = kept[name]
            entry["runs"][str(seed)] = run(RECIPES[name].but(seed=seed), dataset, frame, fitting)
            entry["summary"] = summary(entry["runs"])
            print(name, seed, json.dumps(entry["runs"][str(seed)]), flush=True)
            kept["versions"] = versions()
            arguments.out.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if "controls" not in kept:
            kept["controls"] = controls(dataset, frame)
            arguments.out.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
