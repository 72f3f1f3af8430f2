"""From cells to tables: medians with bootstrap intervals, faults, ranks, what a critic's word is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from rows.common import versions
from scipy.stats import spearmanr

from divergences.report.files import json_text, write_text
from gan.comparison import BETTER, median_interval, numbers
from losses_parts import design
from losses_parts.design import BUDGETS
from losses_parts.runs import Bench, critic_cells, gradient_cells

__all__ = ["collect", "summary", "write"]

SHOWN = ("generator", "critic", "latent", "space", "scaling", "batch", "schedule", "ema")


def collect(bench: Bench) -> dict[str, Any]:
    """Everything that was found for this tier, and what is still to be done."""
    found: dict[str, Any] = {"tier": bench.tier_name, "data": {}, "versions": versions()}
    for name in bench.tier.data:
        one = _data(bench, name)
        if one["controls"] is not None or one["tuning"]:
            found["data"][name] = one
    found["critics"] = [one for cell in critic_cells(bench) if (one := _kept(bench, cell))]
    found["slopes"] = [one for cell in gradient_cells(bench) if (one := _kept(bench, cell))]
    found["missing"] = missing(bench, found)
    found["objectives"] = {name: _described(name) for name in design.names(bench.tier)}
    found["rates"] = design.RATES
    return found


def _described(name: str) -> dict[str, Any]:
    """What an objective is, and what its own setting is tried at."""
    from gan import objectives

    one = design.OBJECTIVES[name]
    axis = {"objective": "its own option", "rate": "the learning rate, times"}.get(one.axis)
    if axis is None:
        penalty = one.regularizer or ""
        axis = "R1 + R2, times" if penalty == "recipe" else penalty.replace("({own:g})", "")
    recipe = design.recipe(design.DATA["ring"], name, {"own": one.own[0], "rate": design.RATES[0]}, 0)
    found = objectives.parse(recipe.objective)
    return {
        "spec": recipe.objective, "descends": found.divergence, "reference": found.reference, "axis": axis,
        "own": one.own, "gradients": design.gradients_a_step(recipe),
    }  # fmt: skip


def _kept(bench: Bench, cell: dict[str, Any] | None) -> dict[str, Any] | None:
    kept = None if cell is None else bench.store.get(cell)
    return None if kept is None else {"settings": cell, **numbers(kept)}


def _data(bench: Bench, name: str) -> dict[str, Any]:
    what, tier = design.DATA[name], bench.tier
    controls = bench.store.get(bench.controls(name))
    one: dict[str, Any] = {
        "cpu": bench.cpu(name), "gradients": bench.gradients(name), "headline": what.headline,
        "criterion": what.criterion, "samples": bench.samples(name),
        "recipe": {key: getattr(what.recipe, key) for key in SHOWN},
        "controls": None if controls is None else numbers(controls), "tuning": {}, "runs": {},
    }  # fmt: skip
    for objective in design.names(tier):
        tried = [_kept(bench, cell) for cell in bench.trials(name, objective)]
        if any(tried):
            one["tuning"][objective] = [
                {**trial, "settings": trial["settings"]["settings"]}
                for trial in tried if trial
            ]  # fmt: skip
        for budget in BUDGETS:
            for seed in tier.seeds:
                run = _kept(bench, bench.run(name, objective, budget, seed))
                if run is not None:
                    where = one["runs"].setdefault(objective, {}).setdefault(budget, {})
                    where[str(seed)] = run
    return one


def missing(bench: Bench, found: dict[str, Any]) -> list[str]:
    """What of the tier is not there, in sentences."""
    out = []
    tier, count = bench.tier, len(design.names(bench.tier))
    for name in tier.data:
        one = found["data"].get(name)
        if one is None:
            out.append(f"{name}: nothing yet (or its files were not at hand)")
            continue
        done = sum(len(seeds) for budgets in one["runs"].values() for seeds in budgets.values())
        whole = count * len(BUDGETS) * len(tier.seeds)
        if done < whole:
            out.append(f"{name}: {done} of {whole} runs")
    for kind, all_of in (("critics", critic_cells(bench)), ("slopes", gradient_cells(bench))):
        if len(found[kind]) < len(all_of):
            out.append(f"study of {kind}: {len(found[kind])} of {len(all_of)} runs")
    return out


# ── tables ──────────────────────────────────────────────────────────────────────────────────


def summary(one: dict[str, Any], budget: str) -> dict[str, dict[str, Any]]:
    """For each objective: runs, faults, medians with intervals over the runs that finished."""
    table = {}
    for objective, budgets in one["runs"].items():
        runs = list(budgets.get(budget, {}).values())
        if not runs:
            continue
        done = [run["values"] for run in runs if "values" in run]
        measures = list(dict.fromkeys(name for values in done for name in values))
        table[objective] = {
            "runs": len(runs),
            "failed": len(runs) - len(done),
            "iterations": runs[0]["settings"]["recipe"]["iterations"],
            "cpu_seconds": median_interval([run["cpu_seconds"] for run in runs]),
            **{
                name: median_interval([values[name] for values in done if name in values])
                for name in measures
            },
        }
    return table


def ranked(table: dict[str, dict[str, Any]], measure: str) -> list[str]:
    """Objectives from best to worst by the median; those without a finished run last."""
    sign = 1 if BETTER[measure] == "lower" else -1

    def place(name: str) -> tuple[float, float]:
        row = table[name]
        value = row.get(measure, {}).get("median")
        return (row["failed"] / row["runs"] >= 0.5, np.inf if value is None else sign * value)

    return sorted(table, key=place)


def apart(table: dict[str, dict[str, Any]], measure: str, first: str, second: str) -> bool:
    """Whether two intervals of the median do not touch."""
    one, other = (table[name].get(measure, {}) for name in (first, second))
    if None in (one.get("low"), other.get("low")):
        return False
    return bool(one["low"] > other["high"] or other["low"] > one["high"])


CRITIC_MEASURES = ("spearman", "late", "ratio", "slope")


def critic_table(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """For each critic: rank correlation of its word with exact W1 along runs, and how far off it is.

    ``late`` is that correlation after the first third of a run, when the critic has caught up with a
    generator that moves most at first. ``ratio`` is the median along a run of word over W1; ``slope`` the
    mean |∇D| between real and fake.
    """
    table: dict[str, dict[str, list[float]]] = {}
    for run in found["critics"]:
        row = table.setdefault(
            run["settings"]["objective"], {key: [] for key in (*CRITIC_MEASURES, "failed")}
        )
        # before the first step the critic has learned nothing yet
        curve = np.array(run["curve"], float).reshape(-1, 5)[1:]
        curve = curve[np.isfinite(curve).all(1)]
        row["failed"].append(float("fault" in run))
        if len(curve) < 5:
            continue
        _, _, said, true, slope = curve.T
        row["spearman"].append(float(spearmanr(said, true).statistic))
        third = len(curve) // 3
        row["late"].append(float(spearmanr(said[third:], true[third:]).statistic))
        row["ratio"].append(float(np.median(said / true)))
        row["slope"].append(float(np.median(slope)))
    return {
        name: {
            "runs": len(row["failed"]), "failed": int(sum(row["failed"])),
            **{key: median_interval(row[key]) for key in CRITIC_MEASURES},
        }
        for name, row in table.items()
    }  # fmt: skip


# ── files ───────────────────────────────────────────────────────────────────────────────────


def write(bench: Bench, out: Path, pages: Path) -> dict[str, Any]:
    """losses_TIER.json in ``out``, and in ``pages`` losses.md with its pictures and losses.html."""
    found = collect(bench)
    kept = _rounded(found)
    write_text(
        out / f"losses_{bench.tier_name}.json", json_text(kept, indent=None).replace('}, "', '},\n"') + "\n"
    )
    from losses_parts import page

    page.write(json.loads(json_text(kept)), pages)
    return found


def restore(bench: Bench, out: Path) -> int:
    """Cells from losses_TIER.json in ``out``, where their files are gone: how many there were."""
    path = out / f"losses_{bench.tier_name}.json"
    if not path.exists():
        return 0
    kept = json.loads(path.read_text(encoding="utf-8"))
    cells = [(one.pop("settings"), one) for one in [*kept["critics"], *kept["slopes"]]]
    for name, one in kept["data"].items():
        for objective, trials in one["tuning"].items():
            cells += [(bench.trial(name, objective, trial.pop("settings")), trial) for trial in trials]
        if one["controls"] is not None:
            cells.append((bench.controls(name), one["controls"]))
        for budgets in one["runs"].values():
            for seeds in budgets.values():
                cells += [(run.pop("settings"), run) for run in seeds.values()]
    gone = [(settings, found) for settings, found in cells if bench.store.get(settings) is None]
    for settings, found in gone:
        bench.store.put(settings, found)
    return len(gone)


def _rounded(value: Any) -> Any:
    """Six digits: enough for any table, and a small file; a pace is kept whole, budgets follow from it."""
    if isinstance(value, dict):
        return {key: item if key == "pace" else _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    if isinstance(value, float) and np.isfinite(value):
        return float(f"{value:.6g}")
    return value
