"""Mode coverage on the ring of 8, the grid of 25 (PacGAN's protocol) and VEEGAN's 1200-d set, seed by seed.

    python benchmarks/modes.py --recipes ring grid --seeds 100 101 102

Each run is added to benchmarks/results/modes.json when it is done; seeds that are there already are left
out, so an interrupted benchmark goes on where it was. 2,500 samples of the averaged generator: modes with a
sample within 3σ (√700·σ + 10σ in the 1200-d set), the share of such samples, reverse KL of the modes'
histogram to the uniform one with the value a perfect sampler would have, and the spread within modes
(standard deviation about each mode's mean, over σ; a Gaussian cut off at 3σ has 0.974).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rows.common import versions

from gan import data, training
from gan.data import Dataset
from gan.evaluation import coverage
from gan.recipes import RECIPES, Recipe

RESULTS = Path(__file__).parent / "results" / "modes.json"
SAMPLES = 2_500
FIELDS = ("modes", "high_quality", "reverse_kl", "spread", "cpu_minutes")


def covered(samples: np.ndarray, dataset: Dataset) -> dict[str, Any]:
    """The numbers of ``gan.evaluation.coverage`` but the histogram."""
    found = asdict(coverage(samples, dataset.modes))
    del found["shares"]
    return found


def run(recipe: Recipe) -> dict[str, Any]:
    """One training run and what its samples cover."""
    start = time.process_time()
    dataset = data.load(recipe.data, seed=recipe.seed)
    model = training.train(recipe, dataset=dataset, measure=None, accelerator="cpu")
    minutes = (time.process_time() - start) / 60
    weights = torch.cat([value.flatten() for value in model.generator.state_dict().values()])
    found = {
        average: covered(model.sample(SAMPLES, rng=[recipe.seed, 2], average=average), dataset)
        for average in (True, False)
    }
    return {
        **found[True],
        "last_weights": found[False],
        "true_samples": covered(dataset.test[:SAMPLES], dataset),
        "cpu_minutes": minutes,
        "weights_sha256": hashlib.sha256(weights.numpy().tobytes()).hexdigest(),
    }


def summary(name: str, runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Median, smallest and largest of each number, and how many runs meet the aim."""
    table: dict[str, Any] = {"runs": len(runs), "met": sum(meets(name, found) for found in runs.values())}
    for field in FIELDS:
        values = [found[field] for found in runs.values()]
        table[field] = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return table


def meets(name: str, found: dict[str, Any]) -> bool:
    """All modes; 95 % high quality, reverse KL at most .02, spread at least .85, four CPU-minutes.

    On the 1200-d subspace, whose modes nobody fills, 80 % high quality.
    """
    every = found["modes"] == found["true_samples"]["modes"]
    if name == "subspace":
        return bool(every and found["high_quality"] >= 80)
    return bool(
        every
        and found["high_quality"] >= 95
        and found["reverse_kl"] <= 0.02
        and found["spread"] >= 0.85
        and found["cpu_minutes"] <= 4
    )


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--recipes", nargs="+", default=["ring", "grid"], choices=sorted(RECIPES))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(100, 110)))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        for name in arguments.recipes:
            kept = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else {}
            recipe = RECIPES[name]
            entry = kept.setdefault(name, {})
            if entry.get("recipe") != recipe.to_dict():  # numbers of another recipe are no part of this table
                entry = kept[name] = {"recipe": recipe.to_dict(), "runs": {}}
            if str(seed) in entry["runs"]:
                continue
            entry["runs"][str(seed)] = found = run(recipe.but(seed=seed))
            entry["summary"] = summary(name, entry["runs"])
            kept["versions"] = versions()
            arguments.out.parent.mkdir(exist_ok=True)
            arguments.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            print(name, seed, json.dumps({field: found[field] for field in FIELDS}), flush=True)


if __name__ == "__main__":
    main()
