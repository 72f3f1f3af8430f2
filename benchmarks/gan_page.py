"""docs/gan.md, written from the saved results of mnist_parzen.py and modes.py.

python benchmarks/gan_page.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "gan.md"


def main() -> None:
    parts = ["# What the recipes of gan reach", parzen(saved("mnist_parzen")), modes(saved("modes"))]
    PAGE.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")


def saved(name: str) -> dict[str, Any]:
    path = HERE / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def parzen(found: dict[str, Any]) -> str:
    """Scores by seed, their median, and the controls."""
    if not found:
        return ""
    lines = ["| recipe | objective | median | 95 % | by seed | CPU s, at most |", "|---|---|---|---|---|---|"]
    for name, entry in recipes(found):
        score, seconds = entry["summary"]["score"], entry["summary"]["cpu_seconds"]
        interval = "–" if score["low"] is None else f"{score['low']:.1f} to {score['high']:.1f}"
        by_seed = ", ".join(f"{run['value']:.1f}" for run in entry["runs"].values())
        lines.append(
            f"| `{name}` | {entry['recipe']['objective']} | **{score['median']:.1f}** "
            f"| {interval} | {by_seed} | {seconds:.0f} |"
        )
    lines += ["", "| windows on | nats | σ |", "|---|---|---|"]
    lines += [
        f"| {row['name']} | {row['value']:.1f} ± {row['standard_error']:.1f} | {row['bandwidth']:.3f} |"
        for row in found["controls"]
    ]
    return f"""## Parzen log-likelihood of MNIST

Protocol of Goodfellow et al. 2014: 10,000 samples, σ of logspace(−1, 0, 10) by the first 1,000 validation
images, mean over the 10,000 test images (`benchmarks/mnist_parzen.py`). Fresh seeds; settings were chosen on
validation images; CPU seconds include the autoencoder. Published: 225 ± 2 (Goodfellow et al. 2014), 282 ± 2
(GMMN with an autoencoder, Li et al. 2015), 340 ± 2 (adversarial autoencoder, Makhzani et al. 2016).

{chr(10).join(lines)}

All of it lies above real training images: a Parzen window rewards smooth images near the test data (Theis,
van den Oord & Bethge 2016), which is what a decoder of few codes makes. The reconstructions are the ceiling
of this road.

{versions(found)}"""


def modes(found: dict[str, Any]) -> str:
    """Coverage by recipe: medians and extremes."""
    if not found:
        return ""
    lines = [
        "| recipe | runs | modes | high quality % | reverse KL | floor | spread | true spread | CPU min |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in recipes(found):
        table, run = entry["summary"], next(iter(entry["runs"].values()))
        cells = [span(table[field], digits) for field, digits in FIELDS.items()]
        cells[3:3] = [f"{run['reverse_kl_floor']:.4f}"]
        cells[5:5] = [f"{run['true_samples']['spread']:.3f}"]
        lines.append(f"| `{name}` | {table['runs']} | {' | '.join(cells)} |")
    return f"""## Mode coverage

2,500 samples of the averaged generator (`benchmarks/modes.py`): median over the runs, smallest and largest in
brackets. High quality: within the radius of a mode (3σ; for the subspace √700·σ + 10σ). Spread: standard
deviation within modes over σ.

{chr(10).join(lines)}

{versions(found)}"""


FIELDS = {"modes": 0, "high_quality": 1, "reverse_kl": 4, "spread": 3, "cpu_minutes": 1}


def recipes(found: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, entry) for name, entry in found.items() if "recipe" in entry and entry["runs"]]


def span(value: dict[str, float], digits: int) -> str:
    return f"{value['median']:.{digits}f} [{value['min']:.{digits}f}, {value['max']:.{digits}f}]"


def versions(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found["versions"].items()) + "."


if __name__ == "__main__":
    main()
