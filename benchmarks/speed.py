"""Speed and memory against other libraries: ratios measured in one run, CPU seconds, medians.

    python benchmarks/speed.py transport            # all rows, each in its own process
    python benchmarks/speed.py transport --only 5000-2-uniform-W2 --runs 3

Every measurement runs alone in a fresh process with one thread, so that its peak memory is its own;
compile time is spent on a small problem first and is not counted. Results are saved as JSON under
benchmarks/results, row by row: an interrupted run keeps what it has.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SAVED = HERE / "results" / "speed_transport.json"

# n, d, weights, p and the peers that can do it in the memory of an ordinary machine
ROWS: dict[str, tuple[int, int, str, int, tuple[str, ...]]] = {
    "5000-2-uniform-W2": (5_000, 2, "uniform", 2, ("pot",)),
    "5000-2-weighted-W2": (5_000, 2, "weighted", 2, ("pot",)),
    "5000-2-uniform-W1": (5_000, 2, "uniform", 1, ("pot",)),
    "5000-64-uniform-W2": (5_000, 64, "uniform", 2, ("pot", "scipy")),
    "5000-64-weighted-W2": (5_000, 64, "weighted", 2, ("pot",)),
    "10000-2-uniform-W2": (10_000, 2, "uniform", 2, ("pot",)),
    "10000-2-weighted-W2": (10_000, 2, "weighted", 2, ("pot",)),
    "10000-2-uniform-W1": (10_000, 2, "uniform", 1, ("pot",)),
    "10000-64-uniform-W2": (10_000, 64, "uniform", 2, ("scipy",)),
    "50000-2-uniform-W2": (50_000, 2, "uniform", 2, ()),
    "100000-2-uniform-W2": (100_000, 2, "uniform", 2, ()),
    "2000-2-clusters-W2": (2_000, 2, "clusters", 2, ("pot",)),
    "2000-64-clusters-W2": (2_000, 64, "clusters", 2, ("pot",)),
}


def problem(name: str, seed: int, size: int | None = None) -> tuple[np.ndarray, ...]:
    """x ~ N(0, I), y ~ 1.1·N(0, I) + 0.3; or 20 clusters of unequal mass on the two sides."""
    n, d, kind, _, _ = ROWS[name]
    n = size or n
    rng = np.random.default_rng(seed)
    if kind == "clusters":
        centres = 10.0 * rng.normal(size=(20, d))
        x, y = (centres[rng.choice(20, n, p=rng.dirichlet(np.ones(20)))] for _ in range(2))
        x, y = x + rng.normal(size=x.shape), y + rng.normal(size=y.shape)
    else:
        x, y = rng.normal(size=(n, d)), 1.1 * rng.normal(size=(n, d)) + 0.3
    if kind == "weighted":
        return x, y, rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, n)
    return x, y, np.ones(n), np.ones(n)


def ours(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, p: int) -> dict[str, float]:
    import divergences as dv

    answer = dv.transport(x, y, p=p, x_weights=a, y_weights=b)
    gap = answer.certificate.gap / answer.certificate.upper
    return {"cost": float(answer.cost), "gap": gap, "rounds": answer.rounds}


def pot(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, p: int) -> dict[str, float]:
    import ot

    metric = "sqeuclidean" if p == 2 else "euclidean"
    return {"cost": float(ot.emd2(a / a.sum(), b / b.sum(), ot.dist(x, y, metric), numItermax=10**9))}


def scipy(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, p: int) -> dict[str, float]:
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    costs = cdist(x, y, "sqeuclidean" if p == 2 else "euclidean")
    rows, columns = linear_sum_assignment(costs)
    return {"cost": float(costs[rows, columns].mean())}


SOLVERS: dict[str, Callable[..., dict[str, float]]] = {"ours": ours, "pot": pot, "scipy": scipy}


def measure(name: str, solver: str, seed: int) -> dict[str, Any]:
    """One solve in this process: CPU and wall seconds, and the peak above the data and imports."""
    p = ROWS[name][3]
    small = problem(name, seed, 1_200 if solver == "ours" else 50)
    SOLVERS[solver](*small, p)  # imports, compilation
    data = problem(name, seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = time.process_time(), time.perf_counter()
    found = SOLVERS[solver](*data, p)
    seconds = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**found, **seconds, "peak_mb": (after - before) / 1024}


def transport(arguments: argparse.Namespace) -> None:
    """Exact transport against POT's emd2 and SciPy's assignment (its distances counted)."""
    saved = json.loads(SAVED.read_text(encoding="utf-8")) if SAVED.exists() else {"rows": {}}
    saved["versions"] = versions()
    for name in [arguments.only] if arguments.only else ROWS:
        row: dict[str, Any] = {"seeds": arguments.runs}
        for solver in ("ours", *ROWS[name][4]):
            runs = [in_own_process(name, solver, seed) for seed in range(arguments.runs)]
            row[solver] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            if solver != "ours":
                row[f"{solver}_over_ours"] = row[solver]["cpu"] / row["ours"]["cpu"]
        saved["rows"][name] = row
        print(name, json.dumps(row), flush=True)
        SAVED.parent.mkdir(exist_ok=True)
        SAVED.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")


def in_own_process(name: str, solver: str, seed: int) -> dict[str, Any]:
    threads = {f"{k}_NUM_THREADS": "1" for k in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    command = [sys.executable, __file__, "one", name, solver, str(seed)]
    run = subprocess.run(command, env={**os.environ, **threads}, check=True, capture_output=True, text=True)
    return dict(json.loads(run.stdout))


def one(arguments: argparse.Namespace) -> None:
    """A single measurement, printed as JSON (what ``transport`` calls)."""
    print(json.dumps(measure(arguments.name, arguments.solver, arguments.seed)))


def versions() -> dict[str, str]:
    """What the numbers were computed with."""
    names = ("divergences", "numpy", "scipy", "POT", "numba")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    commands = parser.add_subparsers(required=True)
    rows = commands.add_parser("transport", help=(transport.__doc__ or "").split("\n")[0])
    rows.add_argument("--only", choices=ROWS)
    rows.add_argument("--runs", type=int, default=3)
    rows.set_defaults(run=transport)
    single = commands.add_parser("one")
    single.add_argument("name", choices=ROWS)
    single.add_argument("solver", choices=SOLVERS)
    single.add_argument("seed", type=int)
    single.set_defaults(run=one)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
