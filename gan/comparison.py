"""Several objectives on the same data with the same networks and budget: medians over seeds, controls beside.

"Are GANs created equal?" (Lucic et al. 2018): with enough budget most losses reach the same, and seeds differ
more than losses do. So there is no best of several runs here: medians with intervals, faults counted.
"""

from __future__ import annotations

import contextlib
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from divergences._progress import Bar
from divergences.report.files import json_text, write_text
from gan import data, evaluation, objectives, training
from gan.data import Dataset
from gan.evaluation import judge, likelihood
from gan.model import Frame
from gan.recipes import Recipe, with_objective

__all__ = ["BETTER", "Comparison", "compare", "median_interval", "numbers"]

MEASURES = ("energy", "sliced_wasserstein", "precision_recall")
BETTER = {
    "modes": "higher", "high quality %": "higher", "reverse KL": "lower", "spread": "none",
    "energy": "lower", "sliced_wasserstein": "lower", "precision": "higher", "recall": "higher",
    "parzen": "higher",
}  # fmt: skip
FIRST, SECOND = 60, 100  # iterations of the two pilots: past the first 25, where WGAN takes 100 critic steps
RESAMPLES = 2000
KEPT = 2000  # samples kept for the picture


@dataclass(eq=False)
class Comparison:
    """What ``compare`` found. ``runs[objective][seed]`` holds ``values``, or ``fault`` with its iteration.

    ``controls[name]`` holds the same values of samples that no generator made; ``samples[objective]`` those
    of one finished run.
    """

    settings: dict[str, Any]
    runs: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    controls: dict[str, dict[str, float]] = field(default_factory=dict)
    iterations: dict[str, int] = field(default_factory=dict)
    samples: dict[str, np.ndarray] = field(default_factory=dict)

    def summary(self) -> dict[str, dict[str, Any]]:
        """For each objective: runs, faults, and the median and interval of each value over the others."""
        found = {}
        for objective, runs in self.runs.items():
            done = [run["values"] for run in runs.values() if "values" in run]
            names = list(dict.fromkeys(name for values in done for name in values))
            found[objective] = {
                "runs": len(runs),
                "failed": len(runs) - len(done),
                **{name: median_interval([values[name] for values in done]) for name in names},
                "cpu_seconds": median_interval([run["cpu_seconds"] for run in runs.values()]),
            }
        return found

    def to_dict(self) -> dict[str, Any]:
        return {
            "settings": self.settings, "iterations": self.iterations, "summary": self.summary(),
            "controls": self.controls, "runs": self.runs,
        }  # fmt: skip


def median_interval(values: Sequence[float], *, confidence: float = 0.95) -> dict[str, Any]:
    """The median, and its interval by the bootstrap over runs (percentiles); of one value, no interval.

    >>> median_interval([3.0])
    {'median': 3.0, 'low': None, 'high': None}
    """
    array = np.asarray(values, float)
    if len(array) < 2:
        return {"median": float(array[0]) if len(array) else None, "low": None, "high": None}
    drawn = np.random.default_rng(0).integers(len(array), size=(RESAMPLES, len(array)))
    low, high = np.quantile(
        np.median(array[drawn], axis=1), [(1 - confidence) / 2, (1 + confidence) / 2], method="nearest"
    )
    return {"median": float(np.median(array)), "low": float(low), "high": float(high)}


def compare(
    base: Recipe, names: Sequence[str], seeds: Sequence[int], *, cpu_seconds: float | None = None,
    out: Path | None = None, samples: int = judge.SAMPLES, progress: bool | None = None,
    told: Callable[[str], None] = lambda text: None,
) -> Comparison:  # fmt: skip
    """Train ``base`` on each of the objectives ``names`` from each seed; judge every run on held-out data.

    Each objective brings its published companions (``recipes.with_objective``); all else is the same. The
    budget is ``base.iterations`` generator steps, or as many as fit into ``cpu_seconds``, by two short
    pilots. An autoencoder is fitted once a seed and its time counted for every objective. A run that stops
    at NaN or makes NaN is counted as failed. ``out``: a folder for ``compare.json``, written after every run;
    runs that it already holds are not done again. ``told`` is called with a line for each run.
    """
    _check(names, seeds, cpu_seconds)
    settings = _settings(base, cpu_seconds, samples)
    found = _taken_up(out, settings)
    todo = [(seed, name) for seed in seeds for name in names if str(seed) not in found.runs.get(name, {})]
    with Bar(len(todo), progress) as bar:
        for seed in dict.fromkeys(seed for seed, _ in todo):
            dataset = data.load(base.data, seed=seed)
            started = time.process_time()
            frame = training.framed(base.but(seed=seed), dataset, progress=progress)
            frame_seconds = time.process_time() - started
            if not found.controls:
                found.controls = _controls(dataset, frame, samples, seed)
            for name in (name for where, name in todo if where == seed):
                bar.label(f"{name}, seed {seed}")
                recipe = _within_budget(
                    with_objective(base.but(seed=seed), name), dataset, frame, found.iterations, cpu_seconds,
                    frame_seconds,
                )  # fmt: skip
                run, drawn = _run(recipe, dataset, frame, samples, progress)
                run["cpu_seconds"] += frame_seconds
                found.runs.setdefault(name, {})[str(seed)] = run
                if drawn is not None:
                    found.samples.setdefault(name, drawn[:KEPT])
                _save(out, found)
                told(f"{name}, seed {seed}: {run.get('fault') or _line(run['values'])}")
                bar.advance()
    _save(out, found)
    return found


# ── one run ─────────────────────────────────────────────────────────────────────────────────


def _run(
    recipe: Recipe, dataset: Dataset, frame: Frame, samples: int, progress: bool | None
) -> tuple[dict[str, Any], np.ndarray | None]:
    started = time.process_time()
    known: dict[str, Any] = {
        "iterations": recipe.iterations,
        "regularizer": recipe.regularizer,
        "critic": recipe.critic,
    }
    try:
        model = training.train(
            recipe, dataset=dataset, frame=frame, accelerator="cpu", tensorboard=False, progress=progress
        )
    except training.TrainingFault as fault:
        seconds = time.process_time() - started
        return {**known, "cpu_seconds": seconds, "fault": str(fault), "iteration": fault.iteration}, None
    known["cpu_seconds"] = time.process_time() - started
    known["curve"] = [[line["seconds"], line["energy"]] for line in model.history if "energy" in line]
    drawn = model.sample(samples, rng=[recipe.seed, judge.STREAM])
    if not np.isfinite(drawn).all():
        return {**known, "fault": "the generator makes NaN", "iteration": model.iteration}, None
    return {**known, "values": _values(drawn, dataset, recipe.seed)}, drawn


def _values(drawn: np.ndarray, dataset: Dataset, seed: int) -> dict[str, float]:
    """The numbers of a row: against the test part, settings by the validation part."""
    found: dict[str, float] = {}
    if dataset.modes is not None:
        modes = evaluation.coverage(drawn[: judge.MODES], dataset.modes)
        found = {
            "modes": modes.modes, "high quality %": modes.high_quality, "reverse KL": modes.reverse_kl,
            "spread": modes.spread,
        }  # fmt: skip
    report = judge.measures(drawn, dataset, seed=seed, metrics=MEASURES, progress=False)
    for row in report.rows:
        name = row.metric.removeprefix("precision_recall.")
        if name in BETTER and row.value is not None:
            found[name] = row.value
    return {**found, "parzen": likelihood.score("", drawn, dataset).value}


def _controls(dataset: Dataset, frame: Frame, samples: int, seed: int) -> dict[str, dict[str, float]]:
    return {
        name: _values(rows, dataset, seed)
        for name, rows in likelihood.controls(dataset, samples, frame=frame, seed=seed)
    }


# ── the budget ──────────────────────────────────────────────────────────────────────────────


def _within_budget(
    recipe: Recipe, dataset: Dataset, frame: Frame, known: dict[str, int], cpu_seconds: float | None,
    spent: float,
) -> Recipe:  # fmt: skip
    """The recipe with as many iterations as fit: measured once for each objective, the same for all seeds."""
    if cpu_seconds is None:
        return recipe
    if recipe.objective not in known:
        left = cpu_seconds - spent
        if left <= 0:
            raise ValueError(
                f"cpu_seconds must leave time to train: the autoencoder alone takes {spent:.0f} s of "
                f"{cpu_seconds:g}"
            )
        _pilot(recipe.but(iterations=1), dataset, frame)  # pays for imports and compilation
        first, second = (_pilot(recipe.but(iterations=count), dataset, frame) for count in (FIRST, SECOND))
        # an iteration's time; not far below the mean, however the clock jumped between the two
        each = max((second - first) / (SECOND - FIRST), 0.1 * second / SECOND, 1e-6)
        known[recipe.objective] = max(int((left - max(first - FIRST * each, 0.0)) / each), 1)
    return recipe.but(iterations=known[recipe.objective])


def _pilot(recipe: Recipe, dataset: Dataset, frame: Frame) -> float:
    """CPU seconds of a short run; how it ends is of no matter."""

    started = time.process_time()
    with contextlib.suppress(training.TrainingFault):
        training.train(recipe, dataset=dataset, frame=frame, measure=None, accelerator="cpu", progress=False)
    return time.process_time() - started


# ── what is kept ────────────────────────────────────────────────────────────────────────────


def _check(names: Sequence[str], seeds: Sequence[int], cpu_seconds: float | None) -> None:
    """Everything that can be refused before hours are spent."""
    for what, values in (("objectives", names), ("seeds", seeds)):
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{what} must be one or more, each once; got {list(values)}")
    for name in names:
        if objectives.parse(name).needs_model:
            raise ValueError(
                f"{name} needs a model with a density (gan.models); generators are compared here"
            )
    if cpu_seconds is not None and not 0 < cpu_seconds < float("inf"):
        raise ValueError(f"cpu_seconds must be above 0 and finite; got {cpu_seconds!r}")


def _settings(base: Recipe, cpu_seconds: float | None, samples: int) -> dict[str, Any]:
    recipe = {key: value for key, value in base.to_dict().items() if key not in ("seed", "objective")}
    if cpu_seconds is not None:
        del recipe["iterations"]
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    return {"recipe": recipe, "cpu_seconds": cpu_seconds, "samples": samples, "versions": versions}


def _taken_up(out: Path | None, settings: dict[str, Any]) -> Comparison:
    """The comparison in a folder, which must be of the same settings, or a new one."""
    file = None if out is None else out / "compare.json"
    if file is None or not file.exists():
        return Comparison(settings)
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        there = {**kept["settings"]["recipe"], **{k: kept["settings"][k] for k in ("cpu_seconds", "samples")}}
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{file}: is damaged, or was not written by gan compare; name another folder"
        ) from None
    now = {**settings["recipe"], **{k: settings[k] for k in ("cpu_seconds", "samples")}}
    other = [key for key in {**there, **now} if there.get(key) != now.get(key)]
    if other:
        said = ", ".join(f"{key} ({there.get(key)!r} there, {now.get(key)!r} now)" for key in other)
        raise ValueError(f"{file}: holds a comparison of other settings: {said}; name another folder")
    samples = {path.stem: np.load(path) for path in sorted((file.parent / "samples").glob("*.npy"))}
    names = {_file_name(name): name for name in kept["runs"]}
    return Comparison(
        settings, numbers(kept["runs"]), numbers(kept["controls"]), kept["iterations"],
        {names[stem]: rows for stem, rows in samples.items() if stem in names},
    )  # fmt: skip


def numbers(value: Any) -> Any:
    """What was read from JSON, with the numbers that JSON cannot hold: those were written as text.

    >>> numbers({"a": ["inf", 1]})
    {'a': [inf, 1]}
    """
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return float(value) if value in ("inf", "-inf", "nan") else value


def _save(out: Path | None, found: Comparison) -> None:
    if out is None:
        return
    (out / "samples").mkdir(parents=True, exist_ok=True)
    for name, rows in found.samples.items():
        file = out / "samples" / f"{_file_name(name)}.npy"
        if not file.exists():
            np.save(file, rows)
    write_text(out / "compare.json", json_text(found.to_dict()))


def _file_name(objective: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in objective)


def _line(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())
