"""Memory and time of measures on a large file: 2,000,000 × 64 float32 against 20,000 rows.

    python benchmarks/streaming.py [--rows 2000000] [--json benchmarks/results/streaming.json]

Each measure runs in a process of its own. Pages of the mapped file count as resident but belong to the
system's file cache, so what is reported is the peak of what is anonymous: VmRSS − RssFile, sampled
every 5 ms, and the same before the measure began.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

MEASURES = {
    "frechet": "divergences.frechet(x, y)",
    "gaussian.fit": "divergences.gaussian.fit(x)",
    "pmf.histogram, 1 feature": "divergences.pmf.histogram(x[:, :1], y[:, :1])",
    "pmf.histogram, 3 features": "divergences.pmf.histogram(x[:, :3], y[:, :3])",
    "kl histogram, 2 features": "divergences.kl(x[:, :2], y[:, :2], estimator='histogram')",
    "parzen_log_likelihood, y on file": "divergences.parzen_log_likelihood(y[:1000], x, bandwidth=1.0)",
    "energy, a share of 1/1000": "partial.pair_sums(x, y, share=(500, 1000))",
    "squared_mmd, a share of 1/1000": (
        "partial.pair_sums(x, y, share=(500, 1000), kernel='gaussian', bandwidth=8.0)"
    ),
}


def anonymous() -> float:
    """MiB of this process that are no file's pages."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return (int(fields["VmRSS"].split()[0]) - int(fields["RssFile"].split()[0])) / 1024


def measured(code: str, folder: Path) -> dict[str, float]:
    import divergences
    from divergences import partial

    x, y = np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "y.npy")
    names = {"divergences": divergences, "partial": partial, "np": np}
    small = {"x": y[:100] + 1.0, "y": y[:200]}
    eval(code, {**names, **small})  # what is loaded and compiled on first use is not the measure's
    before, most, done = anonymous(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            most[0] = max(most[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, cpu = time.perf_counter(), time.process_time()
    eval(code, {**names, "x": x, "y": y})
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    done.set()
    watcher.join()
    return {"seconds": seconds, "cpu_seconds": cpu, "before_mib": before, "peak_mib": most[0]}


def written(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    x = np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.float32, shape=(rows, 64))
    for start in range(0, rows, 100_000):
        x[start : start + 100_000] = rng.normal(size=(min(100_000, rows - start), 64))
    x.flush()
    np.save(folder / "y.npy", rng.normal(0.1, 1.1, size=(20_000, 64)).astype(np.float32))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("MEASURE", "FOLDER"))
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(MEASURES[options.one[0]], Path(options.one[1]))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, options.rows)
        size = os.path.getsize(folder / "x.npy") / 2**20
        found = {}
        for measure in MEASURES:
            command = [sys.executable, __file__, "--one", measure, name]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            found[measure] = json.loads(answer.stdout)
            row = found[measure]
            print(
                f"{measure:34} {row['seconds']:8.2f} s   {row['peak_mib'] - row['before_mib']:7.1f} MiB more "
                f"than the {row['before_mib']:.0f} before; the file has {size:.0f}",
                flush=True,
            )
    if options.json:
        versions = {"python": platform.python_version(), "numpy": np.__version__}
        report = {"rows": options.rows, "file_mib": size, "versions": versions, "measures": found}
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
