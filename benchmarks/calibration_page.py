"""docs/calibration.md, from the saved JSON alone: ``python benchmarks/truth.py calibration page``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from matplotlib.lines import Line2D

from divergences._canvas import COLORS, canvas

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "calibration.md"
PICTURE = PAGE.parent / "calibration" / "coverage.png"
COVERED = HERE / "results" / "calibration_coverage.json"
SHADES = (*COLORS, "#3f8f4f")  # by n
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
        cells_of = [_covered(row[n]) if n in row else "" for n in sizes]
        lines.append(f"| `{metric}` | {distribution} | {d[4:]} | {' | '.join(cells_of)} |")
    whole = [row for each in found.values() for row in each.values()]
    inside = sum(_inside(row) for row in whole)
    said = min((row["warned"] / row["runs"] for row in whole if not _inside(row)), default=1.0)
    few = sum(row["runs"] < 1000 for row in whole)
    lines += [
        "",
        f"{inside} of {len(whole)} cells lie between 93 and 97 %, those of fewer runs to within twice their "
        f"error. In the others the estimate says so in "
        f"at least {100 * said:.0f} % of runs. {few} cells have fewer than 1,000 runs, as said beside them.",
    ]
    return "\n".join(lines)


def _inside(row: dict[str, Any]) -> bool:
    """Between 93 and 97 %; where runs are few, to within twice their error."""
    slack = 0.0 if row["runs"] >= 1000 else 2.0 * _error(row["coverage"], row["runs"])
    return bool(0.93 - slack <= row["coverage"] <= 0.97 + slack)


def _covered(row: dict[str, Any]) -> str:
    """Coverage, how often the estimate itself says that it is another, and the runs where they are few."""
    text = _percent(row["coverage"], row["runs"])
    if not _inside(row):
        text += f", says so in {100 * row['warned'] / row['runs']:.0f} %"
    return text if row["runs"] >= 1000 else f"{text} ({row['runs']} runs)"


def _measured(cells: Cells) -> Measured:
    """Cells of enough runs, by (metric, Q, d) and then n."""
    found: Measured = {}
    for cell, row in cells.items():
        metric, distribution, d, n = cell.split(" | ")
        if row["runs"] >= 100:
            found.setdefault((metric.split("(bandwidth")[0], distribution, d), {})[int(n[4:])] = row
    return found


def draw(found: Measured) -> None:
    """Coverage of each cell with twice its simulation error, metric by metric, against 95 %."""
    metrics = list(dict.fromkeys(metric for metric, _, _ in sorted(found)))
    sizes = sorted({n for row in found.values() for n in row})
    with canvas(len(metrics), columns=2, height=8.8) as (figure, axes):
        for axis, metric in zip(axes, metrics, strict=True):
            rows = sorted(
                (key for key in found if key[0] == metric), key=lambda key: (key[1], int(key[2][4:]))
            )
            axis.axvspan(93, 97, color="#dddddd", linewidth=0)
            axis.axvline(95, color="#888", linewidth=0.8)
            for k, key in enumerate(rows):
                for n, color, mark, lift in zip(sizes, SHADES, "o^s", (-0.2, 0.0, 0.2), strict=False):
                    if n in found[key]:
                        rate, runs = found[key][n]["coverage"], found[key][n]["runs"]
                        reach = 200 * _error(rate, runs)
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
            lowest = min(100 * found[key][n]["coverage"] for key in rows for n in found[key])
            axis.set_xlim(80 if lowest > 82 else 10 * (lowest // 10) - 5, 100)
            axis.set_title(metric, loc="left")
        handles = [
            Line2D([], [], color=color, linestyle="", marker=mark)
            for color, mark in zip(SHADES, "o^s", strict=True)
        ]
        texts = [f"n = {n:,}" for n in sizes]
        figure.legend(handles[: len(sizes)], texts, loc="outside upper left", ncols=3)
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
        shown = [_rejected(row) if row and row["runs"] else "" for row in rows]
        lines.append(f"| {method} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _rejected(row: dict[str, Any]) -> str:
    most = f" of {100 * row['attainable']:.1f}" if "attainable" in row else ""
    return _percent(row["rate"], row["runs"]) + most


def _percent(rate: float, runs: int) -> str:
    """With the simulation's own standard error."""
    return f"{100 * rate:.1f} ± {100 * _error(rate, runs):.1f}"


def _error(rate: float, runs: int) -> float:
    return math.sqrt(max(rate * (1 - rate), 0.25 / runs) / runs)


def ladder(cells: Cells) -> str:
    lines = ["| models | metric | right | a false claim | runs |", "|---|---|---|---|---|"]
    for cell, row in cells.items():
        name, metric = cell.split(" | ", 1)
        right, false = (100 * row[key] / max(row["runs"], 1) for key in ("right", "false"))
        lines.append(f"| {name} | {metric} | {right:.1f} % | {false:.1f} % | {row['runs']} |")
    return "\n".join(lines)


def speed(cells: Cells) -> str:
    lines = ["| work | seconds | scaled to 999 permutations | MB |", "|---|---|---|---|"]
    for cell, row in cells.items():
        memory = f"{row['peak_mb']:.0f}" if "peak_mb" in row else ""
        scaled = f"{row['of_999']:.3g}" if "of_999" in row else ""
        lines.append(f"| {cell} | {row['seconds']:.3g} | {scaled} | {memory} |")
    return "\n".join(lines)


INTRODUCTION = """# Is 95 % 95 %?

Simulations of what `estimate`, `two_sample_test` and `compare_models` promise
(`benchmarks/calibration.py`; written by `python benchmarks/truth.py calibration page` from
`benchmarks/results/calibration_*.json`). ± is the standard error of the simulation."""

COVERAGE = """## Intervals

How many 95 % intervals of `estimate` hold the true value, in percent. P is N(0, I); Q is N(½e₁, I)
(shift), N(0, 1.5² I) (scale), Student's t with 3 degrees of freedom (heavy) or ½N(−1.5e₁, I) + ½N(1.5e₁,
I) (mixture); true values in closed form or by one-dimensional integrals. The t has no fourth moment,
which the theory of `frechet` asks for: no interval at 95 % is to be had there, and the estimate says "where
tails are heavy the interval is too short". Where P and Q are as near as the samples can tell, a
squared length has more room above than below, and intervals of `energy` and `squared_mmd` cover in up to
99 %; the estimate says "on the safe side". That of `wasserstein` (p = 1, on the line) is by its influence
function, with 0 let in unless permutations rule it out. What was tried for it and is worse, at n = 100: the
delete-a-group jackknife with its bias taken off (83 to 94 %), and the bootstrap of the directional derivative
with an estimated contact set (Fang & Santos 2019; 39 to 93 %). That of `wasserstein(p=2)` is the
delete-a-group jackknife's; t(3) lacks the moments it needs, and 100 rows are few: the estimate says "holds
only where P and Q are far apart for their spread and have light tails". `kid` of a t is infinite and left
out; `cramer` is half of `energy`.

Two intervals are given the samples. That of `sliced_wasserstein` is of its 128 random directions: 20 draws of
them for each of 50 pairs of samples, against 10,000 directions; on the line there is but one. That of
`parzen_log_likelihood` (σ = ½, of Q's rows) is of the test rows: 20 draws of them for each of 50 samples of
Q, against 100,000 rows.

![Coverage of 95 % intervals by metric, distribution and dimension](calibration/coverage.png)

The band is 93 to 97 %, bars are twice the simulation's error."""

LEVELS = """## Tests under P = Q

Rejections at 5 %, in percent; 199 permutations where there are permutations. On dice many relabellings
tie, and ties count against rejecting: "of" says in how many percent of relabellings a test that draws no
lots can reject at 5 %; `kolmogorov_smirnov`, SciPy's exact test of a maximum, takes few
values even without ties, so that it stays below 5 %."""

POWER = """## Tests where P and Q differ

Rejections at 5 %, in percent; 199 permutations. hyppo by its own choice between permutations and its χ²
approximation. MMDAgg as published has 20 kernels and 500 + 500 permutations. The bandwidths of "MMD, 10
bandwidths" have its range: its Gaussian is exp(−r²/λ²), so that σ = λ/√2. (With σ = λ the finest kernel is
too wide for blobs, and `min_p` finds them in 49.5 % of runs.)"""

LADDER = """## Rankings

`compare_models`, 300 rows a sample in 4 dimensions: how often every rung of a ladder is told from the next
(or equal models are given one rank), and how often any difference is claimed that is not there."""

SPEED = """## Speed

One thread; seconds and memory above that of a small test, in 10 dimensions. Memory grows by the labels, a
byte for each row of each relabelling; the matrix of all pairs at n = 5,000 would take 800 MB. hyppo is timed
with fewer permutations; each costs it as much as the next."""
