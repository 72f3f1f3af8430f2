"""Evidence too slow for the tests: convergence to closed forms, and the published Parzen protocol.

    python benchmarks/truth.py convergence              # N(0,1) against N(1,1), n = 1e2 … 1e5
    python benchmarks/truth.py parzen --data FOLDER     # FOLDER holds the four MNIST files
    python benchmarks/truth.py laws                     # the laws, on the peers or (--own) on ours
    python benchmarks/truth.py critics                  # W1 critics against known potentials
    python benchmarks/truth.py calibration coverage     # of intervals; level, power, speed: of tests
    python benchmarks/truth.py papers                   # published tables with our numbers beside

Each run saves JSON under benchmarks/results and prints a Markdown table. ``convergence`` also
rewrites docs/convergence.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import platform
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import divergences as dv

HERE = Path(__file__).parent
SIZES = (100, 1_000, 10_000, 100_000)
SEEDS = 10
PAIR_LIMIT = 10_000  # measures that visit n² pairs stop here: 1e10 pairs an estimate at the next size
FEW_SEEDS = 3  # for the Parzen estimator at that size: two bandwidth searches and 4e8 pairs each

# N(0,1) against N(1,1); √2, Φ and friends, to the digits printed in the docs
TRUTH = {
    "kl": 0.5,
    "reverse_kl": 0.5,
    "js": 0.1114215,
    "tv": math.erf(0.5 / math.sqrt(2)),
    "hellinger": math.sqrt(-math.expm1(-1 / 8)),
    "chi2": math.expm1(1.0),
    "renyi(alpha=0.5)": 0.25,
    "wasserstein": 1.0,
    "wasserstein(p=2)": 1.0,
    "sliced_wasserstein": 1.0,
    "energy": 0.5418066,
    "cramer": 0.2709033,
    "squared_mmd(bandwidth=1.0)": 2 / math.sqrt(3) * (1 - math.exp(-1 / 6)),
    "frechet": 1.0,
    "parzen_log_likelihood": -0.5 * math.log(2 * math.pi) - 1.0,
}
BY_ESTIMATOR = ("kl", "reverse_kl", "js", "tv", "hellinger", "chi2", "renyi(alpha=0.5)")
ESTIMATORS = ("knn", "histogram", "parzen", "classifier")
DEAR = ("gmmn", "gmmn-pixels", "stacked")  # of the published tables


def rows() -> list[tuple[str, str | None, float]]:
    """(metric, estimator, true value) for every line of the table."""
    out: list[tuple[str, str | None, float]] = []
    for spec, truth in TRUTH.items():
        chosen = ESTIMATORS if spec in BY_ESTIMATOR else (None,)
        out += [(spec, estimator, truth) for estimator in chosen]
    return out


def measure(spec: str, estimator: str | None, n: int, seed: int) -> float:
    """One estimate from n + n fresh samples."""
    rng = np.random.default_rng([seed, n])
    x, y = rng.normal(size=n), rng.normal(size=n) + 1.0
    metric = dv.parse(spec)
    options = {} if estimator is None else {"estimator": estimator}
    if "rng" in metric.keywords:
        options["rng"] = seed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dv.DivergenceWarning)  # small n is the point here
        return float(metric(x, y, **options))


def convergence(arguments: argparse.Namespace) -> None:
    """Mean and standard deviation of every estimator over seeds, at every size."""
    table = []
    for spec, estimator, truth in rows():
        known = earlier(spec, estimator) if arguments.only not in (None, estimator) else None
        if known is not None:
            table.append(known)
            continue
        line: dict[str, Any] = {"metric": spec, "estimator": estimator, "truth": truth, "sizes": {}}
        for n in SIZES:
            if (estimator == "parzen" or spec.startswith("parzen") or "mmd" in spec) and n > PAIR_LIMIT:
                continue
            seeds = FEW_SEEDS if estimator == "parzen" and n == PAIR_LIMIT else SEEDS
            start = time.process_time()
            values = [measure(spec, estimator, n, seed) for seed in range(seeds)]
            line["sizes"][str(n)] = {
                "mean": float(np.mean(values)),
                "sd": float(np.std(values, ddof=1)),
                "seeds": seeds,
                "cpu_seconds_each": (time.process_time() - start) / seeds,
            }
            print(spec, estimator, n, line["sizes"][str(n)], flush=True)
        table.append(line)
    result = {"versions": versions(), "seeds": SEEDS, "rows": table}
    save("convergence", result)
    page = HERE.parent / "docs" / "convergence.md"
    page.write_text(convergence_page(result), encoding="utf-8")


def earlier(spec: str, estimator: str | None) -> dict[str, Any] | None:
    """A line of the saved table."""
    path = HERE / "results" / "convergence.json"
    saved = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    fits = (row for row in saved if row["metric"] == spec and row["estimator"] == estimator)
    return next(fits, None)


def convergence_page(result: dict[str, Any]) -> str:
    """The docs page, from the saved JSON alone."""
    head = ["metric", "estimator", "truth", *(f"n = {n:,}" for n in SIZES)]
    lines = [
        "# Do the sample estimators converge?",
        "",
        "x ~ N(0, 1), y ~ N(1, 1), n samples each: the closed form, and the mean ± standard deviation of "
        f"the estimate over {result['seeds']} seeds. Written by `python benchmarks/truth.py convergence`; "
        "the numbers with their times are in `benchmarks/results/convergence.json`. The Parzen estimator "
        f"and MMD visit n² pairs and stop at n = {PAIR_LIMIT:,} (the former over {FEW_SEEDS} seeds there).",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for row in result["rows"]:
        cells = [f"`{row['metric']}`", row["estimator"] or "", f"{row['truth']:.7g}"]
        for n in SIZES:
            entry = row["sizes"].get(str(n))
            cells.append("" if entry is None else f"{entry['mean']:.4f} ± {entry['sd']:.4f}")
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "What to read off: every estimate of χ² is ruled by the few rows where q is smallest, and that by "
        "Parzen windows, whose tails end abruptly, does not converge at all at these sizes (a "
        "DivergenceWarning says that one row carries most of it); total variation is biased upward near "
        "P = Q because |p − q| has a kink there; the classifier's default log-odds are quadratic, which "
        "is exact for Gaussians and only then; the nearest-neighbour ratio form smooths over about √n "
        "neighbours and comes out a little low.",
        "",
        "Versions: " + ", ".join(f"{k} {v}" for k, v in result["versions"].items()) + ".",
        "",
    ]
    return "\n".join(lines)


def parzen(arguments: argparse.Namespace) -> None:
    """Goodfellow's protocol with real training images as the model: the control row of every table."""
    train, test = (
        read_images(Path(arguments.data) / f"{name}-images-idx3-ubyte.gz") for name in ("train", "t10k")
    )
    validation = train[50_000:51_000]
    subsets = {"train[0:10000]": np.arange(10_000), "train[10000:20000]": np.arange(10_000, 20_000)}
    for seed in range(3):
        chosen = np.random.default_rng(seed).choice(50_000, 10_000, replace=False)
        subsets[f"10,000 of train[0:50000], seed {seed}"] = chosen
    table = []
    for name, index in subsets.items():
        for grid in ("goodfellow", None):
            start = time.process_time()
            window = dv.Parzen.fit(train[index], validation=validation, grid=grid)
            score = window.score(test)
            table.append(
                {
                    "model": name,
                    "grid": grid or "fine search",
                    "bandwidth": window.bandwidth,
                    "mean": score.value,
                    "standard_error": score.standard_error,
                    "cpu_seconds": time.process_time() - start,
                }
            )
            print(table[-1], flush=True)
    save("parzen_mnist", {"versions": versions(), "published": "242.7 ± 2.1", "rows": table})


def critics(arguments: argparse.Namespace) -> None:
    """The hard exam of W1 critics: every one's error in W1 and the cosine of its gradient."""
    from critics import critics as run  # needs torch

    run(arguments)


def papers(arguments: argparse.Namespace) -> None:
    """Published tables with our numbers beside: docs/papers.md."""
    from papers import papers as run  # needs torch

    run(arguments)


def laws(arguments: argparse.Namespace) -> None:
    """The laws at length, on the peers or on our own metrics: benchmarks/laws.py."""
    from laws import run

    run(arguments, versions())


def read_images(path: Path) -> np.ndarray:
    """An idx3 image file as rows of pixels in [0, 1]."""
    with gzip.open(path) as file:
        raw = np.frombuffer(file.read(), np.uint8, offset=16)
    return raw.reshape(-1, 784) / 255.0


def versions() -> dict[str, str]:
    """What the numbers were computed with."""
    names = ("divergences", "numpy", "scipy", "scikit-learn", "POT")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def save(name: str, result: dict[str, Any]) -> None:
    """benchmarks/results/NAME.json."""
    path = HERE / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"saved {path.relative_to(HERE.parent)}")


def main() -> None:
    from calibration import add_options, calibration

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    kinds: dict[str, Callable[[argparse.Namespace], None]] = {
        "convergence": convergence,
        "parzen": parzen,
        "critics": critics,
        "laws": laws,
        "calibration": calibration,
        "papers": papers,
    }
    for name, run in kinds.items():
        command = commands.add_parser(name, help=(run.__doc__ or "").split("\n")[0])
        command.set_defaults(run=run)
        if name == "convergence":
            command.add_argument(
                "--only", choices=ESTIMATORS, help="measure one estimator anew, keep the rest"
            )
        if name == "calibration":
            add_options(command)
        if name == "papers":
            command.add_argument("--data", help="folder of the MNIST idx.gz files")
            command.add_argument("--run", dest="dear", nargs="+", choices=DEAR, default=[])
            command.add_argument("--only", nargs="+", default=[], help="these tables anew")
        if name == "parzen":
            command.add_argument("--data", required=True, help="folder of the MNIST idx.gz files")
        if name == "critics":
            command.add_argument("--dimensions", type=int, nargs="+", default=[2, 16, 128])
            command.add_argument("--steps", type=int, default=2000)
            command.add_argument("--seeds", type=int, default=3)
            command.add_argument(
                "--only", choices=["duals", "w1", "samples"], help="a part: neural_dual, W1, sample rows"
            )
        if name == "laws":
            command.add_argument("--own", action="store_true", help="our metrics instead of the peers")
            command.add_argument("--mutants", action="store_true", help="which law tells which mistake")
            command.add_argument("--page", action="store_true", help="only write docs/laws.md anew")
            command.add_argument("--examples", type=int, default=300, help="cases for each law")
            command.add_argument("--only", action="append", default=[], help="only names that hold this")
            command.add_argument("--library", default="numpy", choices=("numpy", "torch"))
            command.add_argument("--dtype", default="float64", choices=("float64", "float32"))
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
