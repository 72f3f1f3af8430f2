"""Reports to experiment trackers: TensorBoard, MLflow and Weights & Biases, by one function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from divergences._arrays import detached
from divergences._record import Report
from divergences.inference import Comparison
from divergences.results import Estimate, TestResult

__all__ = ["log", "scalars"]

NAME = re.compile(r"[^\w.:/ -]+")  # MLflow's names, the strictest of the three


def scalars(found: Any, prefix: str = "") -> dict[str, float]:
    """The numbers in a Report, Comparison, Estimate, TestResult or mapping, by names every tracker takes.

    The value of ``metric`` is called so; what is known about it ``metric.lower``, ``.upper``,
    ``.standard_error``, ``.p_value``, ``.null_floor``, ``.extrapolated``. A Comparison has the model's name
    between. What failed or was left out has no number. ``prefix``, such as "test/", goes before all.

    >>> from divergences import evaluate
    >>> scalars(evaluate([0.0, 1.0], [5.0, 6.0], ["energy", "squared_mmd(bandwidth=1.0)"]), "test/")
    {'test/energy': 9.0, 'test/squared_mmd_bandwidth_1.0': 1.212889...}
    """
    if isinstance(found, Report):
        known = [(row.metric, _of_row(row)) for row in found.rows if row.value is not None]
    elif isinstance(found, Comparison):
        known = [(f"{each.metric}.{each.model}", {**_of(each.estimate), "rank": each.rank})
                 for each in found.standings]  # fmt: skip
    elif isinstance(found, (Estimate, TestResult)):
        known = [(found.metric or "value", _of(found))]
    elif isinstance(found, Mapping):
        known = [(str(name), {"": value}) for name, value in found.items()]
    else:
        raise TypeError(
            f"found must be a Report, Comparison, Estimate, TestResult or mapping of numbers; got "
            f"{type(found).__name__}"
        )
    return {
        prefix + _named(f"{name}.{part}" if part else name): float(detached(value))
        for name, parts in known
        for part, value in parts.items()
        if value is not None
    }


def log(found: Any, to: Any, *, step: int | None = None, prefix: str = "") -> dict[str, float]:
    """Write the numbers of ``scalars(found, prefix)`` to a tracker at ``step``, and return them.

    ``to``: a TensorBoard ``SummaryWriter``; the ``mlflow`` module, for the active run, or an
    ``(MlflowClient, run id)`` pair; a Weights & Biases run or the ``wandb`` module; a Lightning logger; or
    any function of (numbers, step). Raises TypeError for anything else.

    >>> from divergences import evaluate
    >>> report = evaluate([0.0, 1.0], [5.0, 6.0], "energy")
    >>> seen = []
    >>> log(report, lambda numbers, step: seen.append((step, numbers)), step=7)
    {'energy': 9.0}
    >>> seen
    [(7, {'energy': 9.0})]
    """
    numbers = scalars(found, prefix)
    if isinstance(to, tuple) and len(to) == 2 and hasattr(to[0], "log_metric"):
        client, run = to
        for name, value in numbers.items():
            client.log_metric(run, name, value, step=step)
    elif hasattr(to, "add_scalar"):
        for name, value in numbers.items():
            to.add_scalar(name, value, step)
    elif hasattr(to, "log_metrics"):  # mlflow and Lightning's loggers
        to.log_metrics(numbers, step=step)
    elif callable(getattr(to, "log", None)):
        to.log(numbers, step=step)
    elif callable(to):
        to(numbers, step)
    else:
        raise TypeError(
            "to must be a SummaryWriter, mlflow, a W&B run, a Lightning logger or a function of (numbers, "
            f"step); got {type(to).__name__}"
        )
    return numbers


def _of_row(row: Any) -> dict[str, Any]:
    ends = row.interval or (None, None)
    return {
        "": row.value, "lower": ends[0], "upper": ends[1], "standard_error": row.standard_error,
        "p_value": row.p_value, "null_floor": row.null_floor, "extrapolated": row.extrapolated,
    }  # fmt: skip


def _of(found: Estimate | TestResult) -> dict[str, Any]:
    if isinstance(found, TestResult):
        return {"": found.statistic, "p_value": found.p_value}
    interval = found.interval
    return {
        "": found.value, "lower": interval and interval.lower, "upper": interval and interval.upper,
        "standard_error": found.standard_error, "null_floor": found.null_floor,
        "extrapolated": found.extrapolated,
    }  # fmt: skip


def _named(text: str) -> str:
    """Without brackets and signs, which MLflow refuses: squared_mmd_bandwidth_1.0.lower.

    No name is a folder of another one ("energy", "energy/lower"), which its files cannot hold.
    """
    return re.sub(r"_+(?=[./]|$)", "", NAME.sub("_", text)).strip("_")
