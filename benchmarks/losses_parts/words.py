"""What the tables show, in sentences made from the numbers: also where the favourite loses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from losses_parts.results import BUDGETS, CRITIC_MEASURES, apart, critic_table, ranked, summary

FAVOURITE = "relativistic + R1 R2"
USUAL = "non-saturating"
BUDGET = {"cpu": "equal CPU time", "gradients": "equal gradient evaluations"}


def short(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    return f"{value:.3g}" if digits is None else f"{value:,.{digits}f}"


def upper(text: str) -> str:
    """With a capital first letter, and the others as they are."""
    return text[:1].upper() + text[1:]


def of_data(name: str, one: dict[str, Any]) -> list[str]:
    """Who is first at each budget, who cannot be told apart from it, where favourite and usual are."""
    out = []
    measure = one["headline"]
    for budget in BUDGETS:
        table = summary(one, budget)
        if not table:
            continue
        order = ranked(table, measure)
        first = order[0]
        level = [other for other in order[1:] if not apart(table, measure, first, other)]
        runs = min(row["runs"] for row in table.values())
        said = f"{upper(BUDGET[budget])}, by {measure}: {first} is first ({_of(table, first, measure)})"
        if runs < 2:
            said += "; one seed says nothing of differences"
        elif level:
            said += f"; intervals that touch its own: {', '.join(level)}"
        else:
            said += "; no other interval touches its own"
        for other in (FAVOURITE, USUAL):
            if other in table and other != first:
                lost = runs >= 2 and apart(table, measure, first, other)
                verb = "loses here, at place" if lost and other == FAVOURITE else "is at place"
                place = f"{order.index(other) + 1} of {len(order)}"
                said += f"; {other} {verb} {place} ({_of(table, other, measure)})"
        out.append(said + ".")
        failed = {other: row["failed"] for other, row in table.items() if row["failed"]}
        if failed:
            told = "; ".join(
                f"{other} {count} of {table[other]['runs']} ({_why(one, other, budget)})"
                for other, count in failed.items()
            )
            out.append(f"Failed runs ({BUDGET[budget]}): {told}.")
    return [*out, *_spent(one), *_against_real(one)]


def _spent(one: dict[str, Any]) -> list[str]:
    """Where equal CPU time was not equal: iterations are fixed by the pace of the tuning run."""
    spent = {name: row["cpu_seconds"]["median"] for name, row in summary(one, "cpu").items()}
    if not spent or max(spent.values()) < 1.1 * min(spent.values()):
        return []
    least, most = min(spent, key=lambda name: spent[name]), max(spent, key=lambda name: spent[name])
    return [
        f"CPU time was not quite equal: {spent[least]:.1f} s ({least}) to {spent[most]:.1f} s ({most}) of "
        f"{one['cpu']:g}. The number of iterations follows from the pace of the tuning run, and on a shared "
        "machine the pace moves; mind it where places are near."
    ]


def _why(one: dict[str, Any], objective: str, budget: str) -> str:
    """What stopped the first failed run, without the advice."""
    faults = [run["fault"] for run in one["runs"][objective][budget].values() if "fault" in run]
    return str(faults[0]).split(";")[0].split(". ")[0][:120]


def _of(table: dict[str, Any], name: str, measure: str) -> str:
    value = table[name].get(measure)
    return "no run finished" if value is None or value["median"] is None else short(value["median"])


def _against_real(one: dict[str, Any]) -> list[str]:
    """How far the first is from fresh real data, and who beats real data (a trap, not a triumph)."""
    table = summary(one, "cpu")
    values, measure = (one["controls"] or {}).get("values", {}), one["headline"]
    # of files there are no fresh rows but those that a Parzen window is chosen by: the training rows then
    controls = {"real: fresh data": "Fresh real data", "memoriser: training rows": "Training rows"}
    control = next((name for name in controls if measure in values.get(name, {})), None)
    if not table or control is None:
        return []
    real = values[control]
    first = ranked(table, measure)[0]
    value = table[first].get(measure, {}).get("median")
    if value is None:
        return []
    beats = value > real[measure] if measure == "parzen" else value < real[measure]
    told = (
        " (above it: the trap of Parzen windows, no better samples)" if beats and measure == "parzen" else ""
    )
    score = f"{controls[control]} score {short(real[measure])}"
    return [f"{score} where the first objective scores {short(value)}{told}."]


def ranks(found: dict[str, Any]) -> tuple[dict[str, dict[Any, float]], list[tuple[str, str]]]:
    """Places of every objective on every data set and budget, and their means over data sets."""
    table: dict[str, dict[Any, float]] = {}
    columns = []
    for data, one in found["data"].items():
        for budget in BUDGETS:
            rows = summary(one, budget)
            if len(rows) < 2:
                continue
            columns.append((data, budget))
            for place, name in enumerate(ranked(rows, one["headline"]), 1):
                table.setdefault(name, {})[(data, budget)] = place
    for row in table.values():
        for budget in BUDGETS:
            places = [row[column] for column in columns if column[1] == budget and column in row]
            if places:
                row[f"mean {budget}"] = float(np.mean(places))
    last = float("inf")
    return dict(sorted(table.items(), key=lambda item: item[1].get("mean cpu", last))), columns


def design(found: dict[str, Any]) -> list[str]:
    out = []
    for name, one in found["data"].items():
        recipe = one["recipe"]
        space = "" if recipe["space"] == "data" else f", in the codes of one {recipe['space']} for all"
        out.append(
            f"{name}: generator {recipe['generator']} of {recipe['latent']} numbers, critic "
            f"{recipe['critic']}, batch {recipe['batch']}{space}; {one['cpu']:g} CPU seconds or "
            f"{one['gradients']:,} gradient evaluations; chosen by {one['criterion']} on validation rows, "
            f"ranked by {one['headline']}, {one['samples']:,} samples judged."
        )
    return out


def overall(found: dict[str, Any]) -> list[str]:
    table, columns = ranks(found)
    if not columns:
        return ["No data set has runs yet."]
    out = []
    for budget in BUDGETS:
        order = sorted(
            (name for name in table if f"mean {budget}" in table[name]),
            key=lambda name: table[name][f"mean {budget}"],
        )
        sets = [data for data, which in columns if which == budget]
        if not order:
            continue
        best = ", ".join(f"{name} ({table[name][f'mean {budget}']:.1f})" for name in order[:3])
        said = f"Mean place at {BUDGET[budget]} over {', '.join(sets)}: {best} lead"
        for other in (FAVOURITE, USUAL):
            if other in order[3:]:
                said += (
                    f"; {other} is at {table[other][f'mean {budget}']:.1f}, number {order.index(other) + 1}"
                )
        out.append(said + ".")
        firsts: dict[str, list[str]] = {}
        for data in sets:
            first = min(
                (name for name in table if (data, budget) in table[name]),
                key=lambda name: table[name][(data, budget)],
            )
            firsts.setdefault(first, []).append(data)
        told = "; ".join(f"{name} on {', '.join(where)}" for name, where in firsts.items())
        out.append(
            f"First by {BUDGET[budget]}: {told}."
            + (" No objective is first everywhere." if len(firsts) > 1 else "")
        )
    swaps = _swaps(table)
    return [*out, *swaps]


def _swaps(table: dict[str, dict[Any, float]]) -> list[str]:
    """Whom the kind of budget moves most."""
    moved = {
        name: row["mean gradients"] - row["mean cpu"] for name, row in table.items()
        if "mean gradients" in row and "mean cpu" in row
    }  # fmt: skip
    if not moved:
        return []
    up, down = min(moved, key=lambda name: moved[name]), max(moved, key=lambda name: moved[name])
    return [
        f"The kind of budget decides part of it: counted in gradients instead of CPU time {up} gains "
        f"{-moved[up]:.1f} places on average, {down} loses {moved[down]:.1f}."
    ]


def critics(found: dict[str, Any]) -> list[str]:
    out = []
    for name, row in critic_table(found).items():
        rank, late, ratio, slope = (row[key]["median"] for key in CRITIC_MEASURES)
        if rank is None:
            out.append(f"{name}: no run finished.")
        elif "clip" in name:
            out.append(
                f"{name}: the critic says {short(ratio)} of W1 (slope {short(slope)} where 1 is right), rank "
                f"correlation {rank:.2f} ({late:.2f} after a third of the run): its word is in a unit "
                f"of its own, set by the clip and the network."
            )
        elif name.startswith("wgan"):
            aim = "met" if rank >= 0.95 else "met only then" if late >= 0.95 else "missed"
            out.append(
                f"{name}: rank correlation {rank:.3f} all along, {late:.3f} after the first third, when the "
                f"critic has caught up (aim .95: {aim}); estimate {short(ratio)} of W1, slope {short(slope)}."
            )
        else:
            out.append(
                f"{name}: rank correlation {rank:.2f} ({late:.2f} after a third of the run); its "
                f"estimate is of "
                "another divergence than W1."
            )
    return out


def slopes(found: dict[str, Any]) -> list[str]:
    out = [
        "The generator of a non-saturating run on the digits is held at three ages while a fresh "
        "discriminator "
        "learns against it (Arjovsky & Bottou 2017, figures 2 and 3)."
    ]
    for run in sorted(found["slopes"], key=lambda run: run["iteration"]):
        fall = max(run["saturating"]) / max(run["saturating"][-1], 1e-300)
        change = run["non_saturating"][-1] / run["non_saturating"][0]
        out.append(
            f"Iteration {run['iteration']}: the gradient of log(1 − D) falls by a factor of "
            f"{fall:.3g} while D "
            f"learns (accuracy {100 * run['accuracy'][-1]:.1f} %), that of −log D becomes {change:.3g} times "
            "what it was."
        )
    return out
