"""Every row of METRICS against all the laws that its claims bring, in both libraries and precisions."""

from __future__ import annotations

import pytest

import divergences as dv
from divergences.laws import LAWS, check
from divergences.laws.claims import claims_of, metric_subjects, trials

EXAMPLES = 50
ELSEWHERE = 2  # of torch and float32: the arithmetic is the same code
# A fit, a search or an iteration each time: one of torch and float32.
SLOW = {
    "sinkhorn_divergence", "max_sliced_wasserstein", "classifier_two_sample", "wasserstein",
    "precision_recall", "squared_mmd", "parzen_log_likelihood", "reverse_kl", "js", "tv", "hellinger",
    "chi2", "renyi", "f_divergence",
}  # fmt: skip
SLOW_ESTIMATORS = {"parzen", "classifier"}
rows = pytest.mark.parametrize("row", trials(), ids=lambda row: row.spec)


def slow(row: dv.Metric) -> bool:
    return row.name in SLOW or row.options.get("estimator") in SLOW_ESTIMATORS


@rows
def test_every_law_holds(row):
    report = check(row, examples=EXAMPLES)
    assert report.ok, str(report)
    # and every one was put to the test
    assert [f.law.name for f in report.findings if f.status == "vacuous"] == []


@pytest.mark.parametrize(
    ("library", "dtype"), [("torch", "float64"), ("torch", "float32"), ("numpy", "float32")]
)
@rows
def test_every_law_holds_elsewhere(row, library, dtype):
    report = check(
        row,
        library=library,
        dtype=dtype,
        examples=1 if slow(row) else ELSEWHERE,
    )
    assert report.ok, str(report)


def test_every_row_is_tried_and_held_to_something():
    tried = {row.name for row in trials()}
    assert tried == set(dv.METRICS)
    for row in trials():
        for subject in metric_subjects(row):
            assert sum(law.applies_to(subject) for law in LAWS.values()) >= 5, row.spec


def test_every_declared_claim_is_read():
    known = {"square root", "p-th root", "homogeneous"}
    for name, row in dv.METRICS.items():
        for entry in row.laws:
            claim = entry.partition(" if ")[0]
            if claim in known or claim.startswith(("needs ", "parts: ")):
                continue
            from divergences.laws.claims import NO_DERIVATIVE, POLYNOMIAL
            from divergences.laws.reference import PROVIDES
            from divergences.laws.subject import IMPLIES

            read = {c for law in LAWS.values() for c in law.claims}
            assert claim in read | set(IMPLIES) | set(PROVIDES) | NO_DERIVATIVE | POLYNOMIAL, (
                f"{name}: {claim}"
            )


def test_conditions_on_options():
    assert "ipm" in claims_of(dv.parse("wasserstein(p=1)"))
    assert "ipm" not in claims_of(dv.parse("wasserstein(p=2)"))
    assert "squared ipm" in claims_of(dv.parse("squared_mmd(estimator='biased', bandwidth=1.0)"))
    assert "squared ipm" not in claims_of(dv.parse("squared_mmd(estimator='biased')"))
    assert "differentiable" not in claims_of(dv.parse("js(estimator='histogram')"))
    wrong = dv.Metric(
        name="gap", function=lambda x, y: 0.0, on="samples", meaning="", laws=("ipm if p == 1",)
    )
    with pytest.raises(ValueError, match="gap has no option 'p'"):
        claims_of(wrong)
    odd = dv.Metric(
        name="gap", function=lambda x, y, *, p=1: 0.0, on="samples", meaning="", laws=("ipm if p",)
    )
    with pytest.raises(ValueError, match="cannot read the condition 'p'"):
        claims_of(odd)
