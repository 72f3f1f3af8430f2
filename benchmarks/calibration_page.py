"""docs/calibration.md, from the saved JSON alone: ``python benchmarks/truth.py calibration page``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from divergences._canvas import COLORS, canvas, legend

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "calibration.md"
PICTURE = PAGE.parent / "calibration" / "coverage.png"
COVERED = HERE / "results" / "calibration_coverage.json"
Cells = dict[str, dict[str, Any]]
Measured = dict[tuple[str, str, str], dict[int, dict[str, Any]]]


def write() -> None:
    PAGE.write_text(text() + "\n", encoding="utf-8")
    draw(_measured(json.loads(COVERED.read_text(encoding="utf-8"))["cells"]))


def text() -> str:
    parts = [INTRODUCTION]
    for name, title, table in (
        ("coverage", COVERAGE, coverage),
        ("level", LEVELS, grid),
        ("power", POWER, grid),
        ("ladder", LADDER, ladder),
        ("speed", SPEED, speed),
    ):
        path = HERE / "results" / f"calibration_{name}.json"
        if path.exists():
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            parts += [title, table(cells)]
    return "\n\n".join(parts)


def coverage(cells: Cells) -> str:
    """A row for each metric, distribution and d, a column for each n."""
    found = _measured(cells)
    sizes = sorted({n for row in found.values() for n in row})
    lines = [
        f"| metric | Q | d | {' | '.join(f'n = {n}' for n in sizes)} |",
        f"|---|---|---|{'---|' * len(sizes)}",
    ]
    for (metric, distribution, d), row in sorted(found.items()):
        cells_of = [_percent(row[n]["coverage"], row[n]["runs"]) if n in row else "" for n in sizes]
        lines.append(f"| `{metric}` | {distribution} | {d[4:]} | {' | '.join(cells_of)} |")
    whole = [row for each in found.values() for row in each.values()]
    inside = sum(0.93 <= row["coverage"] <= 0.97 for row in whole)
    lines += ["", f"{inside} of {len(whole)} cells lie between 93 and 97 %."]
    return "\n".join(lines)


def _measured(cells: Cells) -> Measured:
    """Cells of enough runs, by (metric, Q, d) and then n."""
    found: Measured = {}
    for cell, row in cells.items():
        metric, distribution, d, n = cell.split(" | ")
        if row["runs"] >= 100:
            found.setdefault((metric.split("(")[0], distribution, d), {})[int(n[4:])] = row
    return found


def draw(found: Measured) -> None:
    """Coverage of each cell with twice its simulation error, metric by metric, against 95 %."""
    metrics = list(dict.fromkeys(metric for metric, _, _ in sorted(found)))
    sizes = sorted({n for row in found.values() for n in row})
    with canvas(len(metrics), columns=2, height=8.0) as (figure, axes):
        for axis, metric in zip(axes, metrics, strict=True):
            rows = sorted(
                (key for key in found if key[0] == metric), key=lambda key: (key[1], int(key[2][4:]))
            )
            axis.axvspan(93, 97, color="#dddddd", linewidth=0)
            axis.axvline(95, color="#888", linewidth=0.8)
            for k, key in enumerate(rows):
                for n, color, mark, lift in zip(sizes, COLORS, "o^s", (-0.13, 0.13, 0.3), strict=False):
                    if n in found[key]:
                        rate, runs = found[key][n]["coverage"], found[key][n]["runs"]
                        reach = 200 * math.sqrt(max(rate * (1 - rate), 0.25 / runs) / runs)
                        axis.errorbar(
                            100 * rate,
                            k + lift,
                            xerr=reach,
                            color=color,
                            marker=mark,
                            markersize=4,
                            linewidth=1,
                        )
            axis.set_yticks(range(len(rows)), [f"{q}, {d.replace(' ', '')}" for _, q, d in rows])
            axis.set_ylim(len(rows) - 0.5, -0.5)
            axis.set_xlim(80, 100)
            axis.set_xticks([80, 85, 90, 95, 100])
            axis.set_title(metric, loc="left")
        legend(figure, [f"n = {n}" for n in sizes], markers=True)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=130, facecolor="white")


def grid(cells: Cells) -> str:
    """Methods by problems."""
    cells = {cell: row for cell, row in cells.items() if row["runs"] >= 100}
    methods = list(dict.fromkeys(cell.split(" | ", 1)[0] for cell in cells))
    problems = list(dict.fromkeys(cell.split(" | ", 1)[1] for cell in cells))
    titles = [problem.replace(" | ", ", ") for problem in problems]
    lines = [f"| | {' | '.join(titles)} |", f"|---|{'---|' * len(problems)}"]
    for method in methods:
        rows = [cells.get(f"{method} | {problem}") for problem in problems]
        shown = [_percent(row["rate"], row["runs"]) if row and row["runs"] else "" for row in rows]
        lines.append(f"| {method} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _percent(rate: float, runs: int) -> str:
    """With the simulation's own standard error."""
    return f"{100 * rate:.1f} ± {100 * math.sqrt(max(rate * (1 - rate), 0.25 / runs) / runs):.1f}"


def ladder(cells: Cells) -> str:
    lines = ["| models | metric | right | a false claim | runs |", "|---|---|---|---|---|"]
    for cell, row in cells.items():
        name, metric = cell.split(" | ", 1)
        right, false = (100 * row[key] / max(row["runs"], 1) for key in ("right", "false"))
        lines.append(f"| {name} | {metric} | {right:.1f} % | {false:.1f} % | {row['runs']} |")
    return "\n".join(lines)


def speed(cells: Cells) -> str:
    lines = ["| work | seconds | MB |", "|---|---|---|"]
    for cell, row in cells.items():
        memory = f"{row['peak_mb']:.0f}" if "peak_mb" in row else ""
        lines.append(f"| {cell} | {row['seconds']:.3g} | {memory} |")
    return "\n".join(lines)


INTRODUCTION = """# Is 95 % 95 %?

Simulations of what `estimate`, `two_sample_test` and `compare_models` promise
(`benchmarks/calibration.py`; written by `python benchmarks/truth.py calibration page` from
`benchmarks/results/calibration_*.json`). ± is the standard error of the simulation."""

COVERAGE = """## Intervals

How many 95 % intervals of `estimate` hold the true value, in percent. P is N(0, I); Q is N(½e₁, I)
(shift), N(0, 1.5² I) (scale), Student's t with 3 degrees of freedom (heavy) or ½N(−1.5e₁, I) + ½N(1.5e₁,
I) (mixture); true values in closed form or by one-dimensional integrals. The t has no fourth moment,
which the theory of `frechet` asks for: the estimate says "the interval is too short" there (in 84 to 97
% of runs at n = 100). That of `wasserstein` is rough wherever the distance is not many times its floor,
and always says so.

![Coverage of 95 % intervals by metric, distribution and dimension](calibration/coverage.png)

The band is 93 to 97 %, bars are twice the simulation's error."""

LEVELS = """## Tests under P = Q

Rejections at 5 %, in percent; 199 permutations where there are permutations. On dice many relabellings
tie, and ties count against rejecting; `kolmogorov_smirnov` takes few values even without ties."""

POWER = """## Tests where P and Q differ

Rejections at 5 %, in percent; 199 permutations. hyppo by its own choice between permutations and its χ²
approximation. MMDAgg as published has 20 kernels and 500 + 500 permutations; it is ahead on blobs alone."""

LADDER = """## Rankings

`compare_models`, 300 rows a sample in 4 dimensions: how often every rung of a ladder is told from the next
(or equal models are given one rank), and how often any difference is claimed that is not there."""

SPEED = """## Speed

One thread; seconds and memory above the data, in 10 dimensions. The matrix of all pairs at n = 5,000 would
take 800 MB. hyppo, timed earlier: 53 s (energy) and 70 s (MMD) for 1,000 permutations at n = 200."""
