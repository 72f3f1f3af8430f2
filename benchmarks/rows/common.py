"""One measurement: a problem, a solver, a fresh process, its CPU and wall seconds and its peak memory."""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Solver = Callable[..., dict[str, float]]


@dataclass(frozen=True)
class Row:
    """A piece of work. ``make(seed, size)`` gives its data (``size`` None: as large as the row says).

    A solver takes that data and returns what it found, numbers by name. ``ours`` is divided into each
    peer. A first call on data of ``warm`` rows pays for imports and compilation and is not counted.
    """

    make: Callable[[int, int | None], tuple[Any, ...]]
    ours: Solver
    peers: Mapping[str, Solver] = field(default_factory=dict)
    warm: int = 50
    threads: int = 1

    def solver(self, name: str) -> Solver:
        return self.ours if name == "ours" else self.peers[name]


def measure(row: Row, solver: str, seed: int) -> dict[str, float]:
    """One solve in this process: CPU and wall seconds, and the peak above the data and imports."""
    solve = row.solver(solver)
    solve(*row.make(seed, row.warm))
    data = row.make(seed, None)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = time.process_time(), time.perf_counter()
    found = solve(*data)
    seconds = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**found, **seconds, "peak_mb": (after - before) / 1024}


def compare(group: str, name: str, row: Row, runs: int, saved: Path) -> dict[str, Any]:
    """Ours and every peer that is installed, ``runs`` seeds each, medians; kept in ``saved`` at once."""
    kept = json.loads(saved.read_text(encoding="utf-8")) if saved.exists() else {"rows": {}}
    out: dict[str, Any] = {"seeds": runs, "threads": row.threads}
    for solver in ("ours", *row.peers):
        try:
            found = [in_own_process(group, name, solver, seed, row.threads) for seed in range(runs)]
        except ModuleNotFoundError as missing:
            if solver == "ours":
                raise
            print(f"{name}: {solver} is left out, {missing.name} is not installed", flush=True)
            continue
        out[solver] = {key: statistics.median(run[key] for run in found) for key in found[0]}
        if solver != "ours":
            out[f"{solver}_over_ours"] = out[solver]["cpu"] / out["ours"]["cpu"]
    kept["versions"], kept["rows"][name] = versions(), out
    saved.parent.mkdir(exist_ok=True)
    saved.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return out


def in_own_process(group: str, name: str, solver: str, seed: int, threads: int) -> dict[str, float]:
    limits = {f"{k}_NUM_THREADS": str(threads) for k in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    script = str(Path(__file__).parent.parent / "speed.py")
    command = [sys.executable, script, "one", group, name, solver, str(seed)]
    run = subprocess.run(command, env={**os.environ, **limits}, capture_output=True, text=True)
    if run.returncode:
        missing = re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", run.stderr)
        if missing:
            raise ModuleNotFoundError(missing[0], name=missing[1])
        raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}:\n{run.stderr}")
    return dict(json.loads(run.stdout.splitlines()[-1]))


def versions() -> dict[str, str]:
    """What the numbers were computed with."""
    found = {"python": platform.python_version(), "processor": processor()}
    for name in (
        "divergences",
        "numpy",
        "scipy",
        "POT",
        "numba",
        "scikit-learn",
        "torch",
        "geomloss",
        "prdc",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines) if value}
    vectors = [name for name in ("avx512f", "avx2") if name in found.get("flags", "").split()]
    return f"{found.get('model name', '?')}, {(vectors or ['no AVX2'])[0]}, {os.cpu_count()} cores"
