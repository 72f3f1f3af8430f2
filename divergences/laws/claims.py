"""What a row of METRICS claims, with its options: its ``laws`` read into a ``Subject``."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from divergences.laws.subject import Subject, implied
from divergences.registry import METRICS, Metric, parse

__all__ = ["claims_of", "metric_subjects", "trials"]

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


# The options under which a metric is put on trial; a metric that is not named is tried as it is. Bare rows
# that require an option answer to the laws that state it: Rényi's monotonicity in α, for one.
VARIANTS = """
pmf.alpha
pmf.alpha(alpha=-1)
pmf.alpha(alpha=0.5)
pmf.alpha(alpha=3)
pmf.renyi
pmf.renyi(alpha=0)
pmf.renyi(alpha=0.5)
pmf.renyi(alpha=2)
pmf.renyi(alpha=1e999)
pmf.f_divergence(f='tv')
pmf.f_divergence(f='triangular')
gaussian.renyi
gaussian.renyi(alpha=0.5)
gaussian.renyi(alpha=2)
squared_mmd
squared_mmd(estimator='biased', bandwidth=1.0)
squared_mmd(kernel='laplace', bandwidth=2.0, estimator='biased')
squared_mmd(kernel='rational_quadratic', bandwidth=(0.5, 2.0), estimator='biased')
squared_mmd(kernel='polynomial', estimator='biased')
squared_mmd(kernel='linear', estimator='biased')
wasserstein(p=1)
wasserstein(p=2)
wasserstein(p=3)
sliced_wasserstein(rng=0, n_projections=16)
sliced_wasserstein(rng=0, n_projections=16, p=1)
max_sliced_wasserstein(rng=0, n_projections=16)
sinkhorn_divergence(tolerance=1e-10)
sinkhorn_divergence(epsilon=16.0, tolerance=1e-10)
parzen_log_likelihood
parzen_log_likelihood(bandwidth=0.5)
classifier_two_sample(rng=0)
kl
kl(estimator='histogram')
kl(estimator='parzen')
kl(estimator='classifier', folds=2, rng=0)
js
js(estimator='histogram')
js(estimator='parzen')
tv
tv(estimator='histogram')
renyi(alpha=2)
f_divergence(f='triangular')
"""


def trials() -> tuple[Metric, ...]:
    """Every row of METRICS, once for each set of options worth a trial."""
    named = [parse(line) for line in VARIANTS.split("\n") if line]
    covered = {metric.name for metric in named}
    return (*(row for name, row in METRICS.items() if name not in covered), *named)


def _fewest_rows(claims: frozenset[str]) -> int:
    counts = [
        int(claim.split()[1]) for claim in claims if claim.startswith("needs ") and claim.endswith(" rows")
    ]
    return max(counts, default=1)


def _polynomial_size(x: np.ndarray, y: np.ndarray) -> float:
    largest = max(float((s * s).sum(axis=1).max()) for s in (x, y))
    return (largest / x.shape[1] + 1.0) ** 3
