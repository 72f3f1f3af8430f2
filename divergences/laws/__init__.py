"""Laws a divergence can be held to: ours, a peer's, or your own.

``LAWS`` holds them by name; ``check(fn, claims={"metric"}, on="pmf")`` holds a function to all that
follow from what it claims and shrinks what breaks one to the smallest counterexample.
``divergences.testing`` turns them into hypothesis tests.
"""

from __future__ import annotations

from divergences.laws import (  # noqa: F401  each fills LAWS
    agreement,
    estimators,
    gaussians,
    kernel_laws,
    pmf_general,
    pmf_named,
    samples_general,
    transport,
)
from divergences.laws.check import Finding, LawReport, check, subjects_of
from divergences.laws.claims import claims_of
from divergences.laws.law import LAWS, Law, law
from divergences.laws.resolve import resolve
from divergences.laws.subject import Subject, implied

__all__ = [
    "LAWS",
    "Finding",
    "Law",
    "LawReport",
    "Subject",
    "check",
    "claims_of",
    "implied",
    "law",
    "resolve",
    "subjects_of",
]
