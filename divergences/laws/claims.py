"""What a row of METRICS claims, with its options: its ``laws`` read into a ``Subject``."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from divergences.laws.subject import Subject, implied
from divergences.registry import Metric

__all__ = ["claims_of", "metric_subjects"]

POLYNOMIAL = {"kid", "polynomial kernel"}

# What every metric promises on its space, beyond what it declares.
ALWAYS = {
    "pmf": ("batched", "both libraries"),
    "samples": ("a number", "both libraries", "blocks", "threads", "one axis"),
    "gaussian": ("both libraries",),
}
# Reasons why the gradient of a differentiable metric is not the derivative of its value.
NO_DERIVATIVE = {
    "piecewise constant", "chosen from the data", "a fit", "kinked at its maximum",
}  # fmt: skip


def claims_of(metric: Metric) -> frozenset[str]:
    """The claims of a row under the options it is called with, and what they imply.

    An entry of ``laws`` is a claim, or a claim with a condition on the options, a Python comparison:
    "ipm if p == 1", "never negative if estimator != 'knn'".

    >>> import divergences as dv
    >>> "ipm" in claims_of(dv.parse("wasserstein(p=1)")), "ipm" in claims_of(dv.parse("wasserstein(p=2)"))
    (True, False)
    """
    made = set(ALWAYS[metric.on])
    stated = set()
    for entry in metric.laws:
        claim, _, condition = entry.partition(" if ")
        stated.add(claim)
        if not condition or _met(ast.parse(condition, mode="eval").body, metric):
            made.add(claim)
    if metric.degree is not None and metric.on == "samples" and "homogeneous" not in stated:
        made.add("homogeneous")
    if metric.differentiable and not made & NO_DERIVATIVE:
        made.add("differentiable")
    return implied(made)


def _met(condition: ast.expr, metric: Metric) -> bool:
    """Whether a comparison of options with constants holds."""
    if isinstance(condition, ast.BoolOp):
        parts = [_met(part, metric) for part in condition.values]
        return all(parts) if isinstance(condition.op, ast.And) else any(parts)
    if isinstance(condition, ast.Compare) and isinstance(condition.left, ast.Name):
        equal = _value(metric, condition.left.id) == ast.literal_eval(condition.comparators[0])
        if isinstance(condition.ops[0], (ast.Eq, ast.NotEq)):
            return bool(equal) is isinstance(condition.ops[0], ast.Eq)
    raise ValueError(f"{metric.name}: cannot read the condition {ast.unparse(condition)!r} of a law")


def _value(metric: Metric, name: str) -> Any:
    if name not in metric.keywords:
        raise ValueError(f"{metric.name} has no option {name!r}, on which it lets a law depend")
    return metric.options.get(name, metric.keywords[name].default)


def metric_subjects(metric: Metric, *, library: str = "numpy", dtype: str = "float64") -> tuple[Subject, ...]:
    """A row of METRICS as functions on trial: one, or one for each number it returns."""
    claims = claims_of(metric)
    parts = next((claim.split()[1:] for claim in claims if claim.startswith("parts: ")), [""])
    return tuple(_subject(metric, claims, part, library, dtype) for part in parts)


def _subject(metric: Metric, claims: frozenset[str], part: str, library: str, dtype: str) -> Subject:
    root = 1.0
    if "p-th root" in claims:
        root = float(_value(metric, "p"))
    elif "square root" in claims:
        root = 2.0
    return Subject(
        metric, metric.on, implied({*claims, part} - {""}),
        name=f"{metric.spec}.{part}" if part else metric.spec,
        degree=metric.degree if "homogeneous" in claims or metric.on == "gaussian" else None, root=root,
        library=library, dtype=dtype, part=part,
        accuracy=float(_value(metric, "tolerance")) if "tolerance" in metric.keywords else 0.0,
        size=_polynomial_size if claims & POLYNOMIAL else None, min_rows=_fewest_rows(claims),
    )  # fmt: skip


def _fewest_rows(claims: frozenset[str]) -> int:
    counts = [
        int(claim.split()[1]) for claim in claims if claim.startswith("needs ") and claim.endswith(" rows")
    ]
    return max(counts, default=1)


def _polynomial_size(x: np.ndarray, y: np.ndarray) -> float:
    largest = max(float((s * s).sum(axis=1).max()) for s in (x, y))
    return (largest / x.shape[1] + 1.0) ** 3
