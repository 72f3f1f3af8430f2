"""Is 95 % 95 %? Coverage of the intervals of ``estimate``, level and power of ``two_sample_test``.

    python benchmarks/truth.py calibration coverage [--n 100 500] [--runs 1000] [--seconds 500]
    python benchmarks/truth.py calibration level | power | ladder | speed | page

What the intervals are simulated on, and the true values: calibration_cells.py. Runs are added to what is
saved until there are ``--runs`` of a cell or the time is up; each has a seed of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from calibration_cells import Sampler, covered, gaussian, given, student
from scipy.stats import rankdata

import divergences as dv
from divergences._inputs import check_pair
from divergences.inference.splits import draw_splits
from divergences.inference.statistics import Pooled, split_statistics
from divergences.registry import METRICS

HERE = Path(__file__).parent
LEVEL = 0.05
FEW_PERMUTATIONS = 50  # of hyppo, which takes as long for each
NONE_YET = {"runs": 0, "held": 0, "truth_below": 0, "truth_above": 0, "warned": 0}
BLOCK = 20  # estimates for one draw of samples, where these are given
SAID = ("too short", "on the safe side", "holds only where")  # by which an estimate says: not 95 %


# ── intervals ───────────────────────────────────────────────────────────────────────────────


def coverage(arguments: argparse.Namespace) -> None:
    """Coverage of 95 % intervals."""
    saved, kept = opened("calibration_coverage.json")
    stop = time.perf_counter() + arguments.seconds
    for cell, metric, p, q, n, truth in covered(arguments.n):
        if not wanted(cell, arguments):
            continue
        row = kept["cells"].setdefault(cell, {"truth": truth, **NONE_YET})
        while row["runs"] < arguments.runs and time.perf_counter() < stop:
            rng = seeded(cell, row["runs"])
            count(row, dv.estimate(metric, p.draw(rng, n), q.draw(rng, n), halvings=0, rng=rng), truth)
        report(cell, row)
        save(saved, kept)
    for cell, draw in given(arguments.n):
        if not wanted(cell, arguments):
            continue
        row = kept["cells"].setdefault(cell, dict(NONE_YET))
        while row["runs"] < arguments.runs and time.perf_counter() < stop:
            truth, estimate = draw(seeded(cell, row["runs"]))
            for run in range(row["runs"], row["runs"] + BLOCK):
                count(row, estimate(seeded(f"{cell}, given", run)), truth)
        report(cell, row)
        save(saved, kept)


def count(row: dict[str, Any], found: dv.Estimate, truth: float) -> None:
    """Add one estimate to a cell."""
    assert found.interval is not None
    row["runs"] += 1
    row["held"] += truth in found.interval
    row["truth_below"] += truth < found.interval.lower
    row["truth_above"] += truth > found.interval.upper
    row["warned"] += any(word in note for note in found.notes for word in SAID)


def report(cell: str, row: dict[str, Any]) -> None:
    row["coverage"] = row["held"] / max(row["runs"], 1)
    print(f"{cell:66s} {row['runs']:5d} {row['coverage']:.3f}", flush=True)


# ── tests ───────────────────────────────────────────────────────────────────────────────────


def ours(metric: Any, **options: Any) -> Callable[..., float]:
    def run(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
        return dv.two_sample_test(metric, x, y, permutations=199, rng=rng, **options).p_value

    return run


def hyppo_p_value(name: str) -> Callable[..., float]:
    """Its own choice between the χ² approximation and permutations."""

    def run(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
        import hyppo.ksample

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(getattr(hyppo.ksample, name)().test(x, y, reps=199, auto=True)[1])

    return run


def published_mmdagg(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """MMDAgg as published (Schrab et al. 2023, algorithm 1): 0 if it rejects.

    Ten Laplace and ten Gaussian kernels, bandwidths evenly spaced from half the 5 % quantile of the
    distances to twice the 95 % quantile; permutations, B₁ = B₂ = 500 and 50 steps of bisection.
    """
    z, n = np.concatenate([x, y]), len(x)
    total = len(z)
    kernels = []
    for norm, function in ((1, lambda r: np.exp(-r)), (2, lambda r: np.exp(-(r**2)))):
        r = np.linalg.norm(z[:, None] - z[None, :], ord=norm, axis=-1)
        lengths = np.sort(r[np.triu_indices(total, 1)])
        low, high = lengths[int(0.05 * len(lengths))] / 2, lengths[int(0.95 * len(lengths))] * 2
        for width in np.linspace(low, high, 10):
            k = function(r / width)
            np.fill_diagonal(k, 0.0)
            kernels.append(k)
    signs = np.empty((1001, total))
    labels = np.repeat([1.0 / n, -1.0 / (total - n)], [n, total - n])
    signs[0] = labels
    for b in range(1, 1001):
        signs[b] = rng.permutation(labels)
    statistics = np.array([np.einsum("bi,bi->b", signs @ k, signs) for k in kernels])
    first, second = np.sort(statistics[:, :501], axis=1), statistics[:, 501:]
    low, high = 0.0, float(len(kernels))
    for _ in range(50):
        u = 0.5 * (low + high)
        rank = np.ceil(501 * (1.0 - np.minimum(u / len(kernels), 1.0))).astype(int)
        thresholds = first[:, max(rank - 1, 0)]
        if np.mean((second > thresholds[:, None]).any(axis=0)) <= LEVEL:
            low = u
        else:
            high = u
    rank = int(np.ceil(501 * (1.0 - low / len(kernels))))
    return 0.0 if (statistics[:, 0] > first[:, max(rank - 1, 0)]).any() else 1.0


METHODS: dict[str, Callable[..., float]] = {
    "energy": ours("energy"),
    "MMD, median bandwidth": ours("squared_mmd"),
    "MMD, 10 bandwidths, min_p": ours("squared_mmd", bandwidths=10),
    "MMD, 10 bandwidths, harmonic": ours("squared_mmd", bandwidths=10, combine="harmonic"),
    "MMD, 10 bandwidths, max": ours("squared_mmd", bandwidths=10, combine="max"),
    "MMD, 10 Gaussian and 10 Laplace, min_p": ours(
        ["squared_mmd", "squared_mmd(kernel='laplace')"], bandwidths=10
    ),
    "MMDAgg, as published": published_mmdagg,
    "hyppo Energy": hyppo_p_value("Energy"),
    "hyppo MMD": hyppo_p_value("MMD"),
}
LEVELLED = {
    **{name: METHODS[name] for name in list(METHODS)[:5]},
    "energy, paired": ours("energy", groups="paired"),
    "wasserstein": ours("wasserstein"),
    "frechet": ours("frechet"),
    "kolmogorov_smirnov": ours("kolmogorov_smirnov"),
    "classifier_two_sample": ours("classifier_two_sample"),
}


def blobs(rng: np.random.Generator, n: int, correlation: float) -> np.ndarray:
    """Nine Gaussians on a grid of side 10, each with this correlation (Gretton et al. 2012)."""
    centres = 10.0 * rng.integers(0, 3, size=(n, 2))
    z = rng.normal(size=(n, 2))
    z[:, 1] = correlation * z[:, 0] + math.sqrt(1.0 - correlation**2) * z[:, 1]
    return centres + z


def perturbed(rng: np.random.Generator, n: int, bumps: int) -> np.ndarray:
    """A uniform with that many bumps up and down, as high as densities may be (Schrab et al. 2023, §5.4)."""
    found = np.empty(0)
    while len(found) < n:
        z, height = rng.random(4 * n), rng.random(4 * n)
        place = z * bumps % 1.0
        u = np.where(place < 0.5, 4.0 * place - 1.0, 4.0 * place - 3.0)
        with np.errstate(divide="ignore", under="ignore"):
            bump = np.where(np.abs(u) < 1, np.exp(1.0 - 1.0 / np.maximum(1.0 - u**2, 1e-300)), 0.0)
        density = 1.0 + np.where(place < 0.5, bump, -bump)
        found = np.concatenate([found, z[height * 2.0 < density]])
    return found[:n, None]


def problems() -> dict[str, tuple[Sampler, Sampler, int]]:
    """(P, Q, n) of each alternative."""
    return {
        "mean, d = 2": (gaussian(2).draw, gaussian(2, 0.5).draw, 60),
        "mean, d = 16": (gaussian(16).draw, gaussian(16, 0.7).draw, 60),
        "variance, d = 2": (gaussian(2).draw, gaussian(2, 0.0, 1.4).draw, 60),
        "variance, d = 16": (gaussian(16).draw, gaussian(16, 0.0, 1.15).draw, 60),
        "heavy tail, d = 2": (gaussian(2).draw, student(2, 3).draw, 100),
        "blobs": (lambda r, n: blobs(r, n, 0.0), lambda r, n: blobs(r, n, 0.8), 200),
        "1 bump": (lambda r, n: r.random((n, 1)), lambda r, n: perturbed(r, n, 1), 40),
        "2 bumps": (lambda r, n: r.random((n, 1)), lambda r, n: perturbed(r, n, 2), 80),
        "4 bumps": (lambda r, n: r.random((n, 1)), lambda r, n: perturbed(r, n, 4), 150),
    }


def level(arguments: argparse.Namespace) -> None:
    """Rejections at 5 % where P = Q."""
    nulls: dict[str, Sampler] = {
        "normal": lambda r, n: r.normal(size=(n, 1)),
        "t(2), d = 4": lambda r, n: r.standard_t(2, size=(n, 4)),
        "dice": lambda r, n: r.integers(1, 7, size=(n, 1)).astype(float),
    }
    cells = {
        f"{method} | {name} | n = {n}": (run, sampler, sampler, n)
        for method, run in LEVELLED.items()
        for name, sampler in nulls.items()
        for n in (20, 50)
        if not ("d = " in name and method in ("wasserstein", "kolmogorov_smirnov"))
        and not (n == 50 and method == "frechet")
    }
    rejections("calibration_level.json", cells, arguments)
    saved, kept = opened("calibration_level.json")
    for cell, (_, p, q, n) in cells.items():
        metric, name, _ = cell.split(" | ")
        if name == "dice" and metric in ("energy", "wasserstein") and wanted(cell, arguments):
            shares = [
                attainable(metric, p(rng, n), q(rng, n), rng)
                for rng in (seeded(f"{name} | n = {n}", run) for run in range(arguments.runs))
            ]
            kept["cells"][cell]["attainable"] = float(np.mean(shares))
    save(saved, kept)


def attainable(metric: str, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """How many relabellings are rejected at 5 %: less than 5 where many tie with the 5 % quantile."""
    splits = draw_splits(len(x), len(y), 1999, None, rng)
    values, sizes = split_statistics([METRICS[metric]], Pooled.of(check_pair(x, y), x, y), splits.chosen, 0)
    far = values[0].round(round(-math.log10(1e-12 * sizes[0])))
    return float(np.mean(rankdata(-far, method="max") <= LEVEL * len(far)))


def power(arguments: argparse.Namespace) -> None:
    """Rejections at 5 % on the usual alternatives, ours and the peers'."""
    cells = {
        f"{method} | {name} | n = {n}": (run, p, q, n)
        for name, (p, q, n) in problems().items()
        for method, run in METHODS.items()
    }
    rejections("calibration_power.json", cells, arguments)


def rejections(file: str, cells: dict[str, Any], arguments: argparse.Namespace) -> None:
    saved, kept = opened(file)
    stop = time.perf_counter() + arguments.seconds
    for cell, (run, p, q, n) in cells.items():
        if not wanted(cell, arguments):
            continue
        row = kept["cells"].setdefault(cell, {"runs": 0, "rejected": 0})
        while row["runs"] < arguments.runs and time.perf_counter() < stop:
            rng = seeded(cell.split(" | ", 1)[1], row["runs"])  # every method meets the same samples
            x, y = p(rng, n), q(rng, n)
            row["runs"] += 1
            row["rejected"] += run(x, y, rng) <= LEVEL
        row["rate"] = row["rejected"] / max(row["runs"], 1)
        save(saved, kept)
        print(f"{cell:56s} {row['runs']:5d} {row['rate']:.3f}", flush=True)


def ladder(arguments: argparse.Namespace) -> None:
    """How often ``compare_models`` ranks a known ladder rightly, and calls equal models equal."""
    saved, kept = opened("calibration_ladder.json")
    stop = time.perf_counter() + arguments.seconds
    d, n = 4, 300

    def noise(*scales: float) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
        return lambda rng: {str(s): rng.normal(size=(n, d)) + s * rng.normal(size=(n, d)) for s in scales}

    def modes(rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {str(k): four_modes(rng, n, d, k) for k in (4, 3, 2, 1)}

    ladders: dict[str, tuple[Sampler, Callable[..., dict[str, np.ndarray]], list[int]]] = {
        "noise 0, 0.7, 1.2, 2": (lambda r, k: r.normal(size=(k, d)), noise(0.0, 0.7, 1.2, 2.0), [1, 2, 3, 4]),
        "noise 0, 1, 2, 4": (lambda r, k: r.normal(size=(k, d)), noise(0.0, 1.0, 2.0, 4.0), [1, 2, 3, 4]),
        "4, 3, 2, 1 of 4 modes": (lambda r, k: four_modes(r, k, d, 4), modes, [1, 2, 3, 4]),
        "two equal, P = Q": (
            lambda r, k: r.normal(size=(k, d)), lambda r: {k: r.normal(size=(n, d)) for k in "ab"}, [1, 1],
        ),
        "two equal, off by ½": (
            lambda r, k: r.normal(size=(k, d)),
            lambda r: {k: 0.5 + r.normal(size=(n, d)) for k in "ab"}, [1, 1],
        ),
        "five equal, off by ½": (
            lambda r, k: r.normal(size=(k, d)),
            lambda r: {k: 0.5 + r.normal(size=(n, d)) for k in "abcde"}, [1] * 5,
        ),
    }  # fmt: skip
    for name, (reference, make, ranks) in ladders.items():
        for metric in ("energy", "squared_mmd", "frechet"):
            cell = f"{name} | {metric}"
            if not wanted(cell, arguments):
                continue
            row = kept["cells"].setdefault(cell, {"runs": 0, "right": 0, "false": 0})
            while row["runs"] < arguments.runs and time.perf_counter() < stop:
                rng = seeded(name, row["runs"])
                x, models = reference(rng, n), make(rng)
                found = dv.compare_models(metric, x, models, rng=rng)
                row["runs"] += 1
                row["right"] += list(found.ranks().values()) == ranks
                true = dict(zip(models, ranks, strict=True))
                told = [
                    (true[e.first], true[e.second], true[e.closer]) for e in found.differences if e.closer
                ]
                row["false"] += any(a == b or closer != min(a, b) for a, b, closer in told)
            save(saved, kept)
            print(f"{cell:40s} {row['runs']:5d} {row['right'] / max(row['runs'], 1):.3f}", flush=True)


def four_modes(rng: np.random.Generator, n: int, d: int, kept: int) -> np.ndarray:
    """Four Gaussians, 6 apart, or the first few of them."""
    z = rng.normal(size=(n, d))
    mode = rng.integers(0, kept, size=n)
    z[:, 0] += 6.0 * (mode % 2)
    z[:, 1] += 6.0 * (mode // 2)
    return z


def page(arguments: argparse.Namespace) -> None:
    """docs/calibration.md from what is saved."""
    from calibration_page import write

    write()


def speed(arguments: argparse.Namespace) -> None:
    """999 permutations at n = 200, ours and hyppo's permutation tests, and memory from n = 1,250 on."""
    saved, kept = opened("calibration_speed.json")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 10)), rng.normal(size=(200, 10))
    dv.two_sample_test("energy", x, y, rng=0)
    for metric in ("energy", "squared_mmd"):
        times = []
        for seed in range(20):
            start = time.perf_counter()
            dv.two_sample_test(metric, x, y, rng=seed)
            times.append(time.perf_counter() - start)
        kept["cells"][f"ours {metric}, n = 200, 999 permutations"] = {"seconds": float(np.median(times))}
    alone = get_context("spawn")  # a peak is of a whole process
    for n in (1250, 2500, 5000, 10_000):
        with ProcessPoolExecutor(1, mp_context=alone) as pool:
            seconds, peak = pool.submit(large, n).result()
        kept["cells"][f"ours energy and squared_mmd, n = {n}, 999 permutations"] = {
            "seconds": seconds,
            "peak_mb": peak,
            "labels_mb": 1e-6 * 1000 * 2 * n,
            "whole_matrix_mb": 8e-6 * (2 * n) ** 2,
        }
        save(saved, kept)
    try:
        import hyppo.ksample
    except ImportError:
        return
    for name in ("Energy", "MMD"):
        test = getattr(hyppo.ksample, name)().test
        test(x, y, reps=1, auto=False, workers=1)  # compiles
        start = time.perf_counter()
        test(x, y, reps=FEW_PERMUTATIONS, auto=False, workers=1)
        seconds = time.perf_counter() - start
        kept["cells"][f"hyppo {name}, n = 200, {FEW_PERMUTATIONS} permutations"] = {
            "seconds": seconds,
            "of_999": seconds * 999 / FEW_PERMUTATIONS,
        }
        save(saved, kept)
    print(json.dumps(kept["cells"], indent=1))


def large(n: int) -> tuple[float, float]:
    """Seconds of 999 permutations of n rows a side, and MB by which the process's peak rises."""
    import resource

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, n, 10))
    dv.two_sample_test(["energy", "squared_mmd"], x[:200], y[:200], rng=0)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    dv.two_sample_test(["energy", "squared_mmd"], x, y, rng=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return time.perf_counter() - start, peak / 1024


# ── files ───────────────────────────────────────────────────────────────────────────────────


def opened(name: str) -> tuple[Path, dict[str, Any]]:
    path = HERE / "results" / name
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"cells": {}}
    kept["versions"] = {}
    for package in ("numpy", "scipy", "scikit-learn", "hyppo"):
        try:
            kept["versions"][package] = version(package)
        except PackageNotFoundError:
            kept["versions"][package] = None
    return path, kept


def save(path: Path, kept: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def seeded(cell: str, run: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(cell.encode()), run])


def wanted(cell: str, arguments: argparse.Namespace) -> bool:
    return all(part in cell for part in arguments.only)


KINDS = {
    "coverage": coverage,
    "level": level,
    "power": power,
    "ladder": ladder,
    "speed": speed,
    "page": page,
}


def calibration(arguments: argparse.Namespace) -> None:
    """Coverage of intervals, level and power of tests."""
    warnings.simplefilter("ignore", dv.DivergenceWarning)
    KINDS[arguments.kind](arguments)


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("kind", choices=list(KINDS))
    command.add_argument("--n", type=int, nargs="+", default=[100, 500], help="sizes of both samples")
    command.add_argument("--runs", type=int, default=1000, help="simulations of each cell")
    command.add_argument("--seconds", type=float, default=math.inf, help="stop after these")
    command.add_argument("--only", action="append", default=[], help="only cells that hold all of these")
