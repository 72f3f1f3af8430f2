"""``check``: hold a function to its laws, and say what broke with the smallest example of it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergences._progress import Bar
from divergences.laws.draw import draw
from divergences.laws.law import LAWS, Law
from divergences.laws.shrink import shrunk
from divergences.laws.subject import SPACES, NotApplicable, Refused, Subject, implied
from divergences.registry import Metric

__all__ = ["Finding", "LawReport", "check", "subjects_of"]

WELL_BROKEN = 10.0  # tolerances: a shrunk example of a clear violation stays a clear one


@dataclass(frozen=True)
class Finding:
    """What became of one law.

    ``status``: "held"; "violated"; "not applicable" (the function lacks an option that the law
    needs, or refused every case: ``note`` says which); "vacuous": its precondition never held.
    ``worst``: the largest violation in tolerances, above 1 if violated. ``applied`` of
    ``examples`` cases met the precondition. ``case``: the shrunk counterexample; ``reproducer``: it
    as Python that can be run.
    """

    law: Law
    subject: str
    status: str
    worst: float
    applied: int
    examples: int
    refused: int
    note: str = ""
    case: Mapping[str, Any] | None = None
    reproducer: str = ""


@dataclass(frozen=True)
class LawReport:
    """One ``Finding`` a law, in ``findings``; ``print`` shows the table and every counterexample."""

    subject: str
    findings: tuple[Finding, ...]

    @property
    def violated(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.status == "violated")

    @property
    def ok(self) -> bool:
        """No law was violated."""
        return not self.violated

    def __getitem__(self, name: str) -> Finding:
        for finding in self.findings:
            if finding.law.name == name:
                return finding
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: numbers and texts only."""
        rows = [
            {
                "law": f.law.name, "subject": f.subject, "statement": f.law.statement, "source": f.law.source, "status": f.status,
                "worst": f.worst if math.isfinite(f.worst) else str(f.worst), "applied": f.applied,
                "examples": f.examples, "refused": f.refused, "note": f.note, "reproducer": f.reproducer,
            }
            for f in self.findings
        ]  # fmt: skip
        return {"subject": self.subject, "ok": self.ok, "findings": rows}

    def __str__(self) -> str:
        counts = {s: sum(f.status == s for f in self.findings) for s in STATUSES}
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no law applies"
        lines = [f"{self.subject}: {told}"]
        width = max((len(f.law.name) for f in self.findings), default=0)
        for f in sorted(self.findings, key=lambda f: STATUSES.index(f.status)):
            detail = f.note if f.status == "not applicable" else f"{f.applied}/{f.examples} examples"
            lines.append(f"  {f.status:14}  {f.law.name.ljust(width)}  {detail}")
        for f in self.violated:
            lines += ["", f"{f.law.name}: {f.law.statement}  ({f.law.source})", f.reproducer.rstrip()]
        return "\n".join(lines)


STATUSES = ("violated", "vacuous", "held", "not applicable")


def check(
    fn: Callable[..., Any] | Metric | Subject,
    laws: Iterable[str | Law] | None = None,
    *,
    claims: Iterable[str] = (),
    on: str | None = None,
    examples: int = 100,
    library: str = "numpy",
    dtype: str = "float64",
    degree: float | None = None,
    root: float = 1.0,
    accuracy: float = 0.0,
    min_rows: int = 1,
    rng: Any = 0,
    progress: bool | None = False,
) -> LawReport:
    """Hold ``fn`` to laws: those named in ``laws``, or all that follow from ``claims``.

    ``fn(x, y)`` is any function, a row of METRICS (which brings its claims) or a ``Subject``. ``on``
    says what it takes: "pmf" (p, q), "samples" (x, y), or "gaussian" (x_mean, x_cov, y_mean,
    y_cov). ``claims`` are words such as "metric", "f-divergence", "ipm", "translation invariant", "kl",
    "wasserstein"; an unknown one is an error that lists them. ``library``: "numpy" or "torch".
    ``degree``, ``root``, ``accuracy``, ``min_rows``: see ``Subject``.

    Returns a ``LawReport``: for each law held, violated, not applicable or vacuous (its
    precondition never held), and how often it was put to the test. A violation comes with its
    counterexample, shrunk and as runnable Python. Refusals (ValueError, TypeError) are no violations.

    >>> import numpy as np
    >>> from divergences import laws
    >>> gap = lambda p, q: np.sum((p - q) ** 2)
    >>> print(str(laws.check(gap, ["triangle inequality"], on="pmf", claims={"metric"}))[:30])
    <lambda>: 1 violated
      violat
    """
    if isinstance(examples, bool) or not isinstance(examples, int) or examples < 1:
        raise ValueError(f"examples must be a whole number, at least 1; got {examples!r}")
    subjects = subjects_of(
        fn, claims=claims, on=on, library=library, dtype=dtype, degree=degree, root=root, accuracy=accuracy,
        min_rows=min_rows,
    )  # fmt: skip
    named = None if laws is None else [laws] if isinstance(laws, (str, Law)) else list(laws)
    trials = [(subject, [_Tally(law) for law in _chosen(named, subject)]) for subject in subjects]
    with Bar(examples * len(trials), progress, subjects[0].name) as bar, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the function on trial: its values are judged, not its words
        for subject, tallies in trials:
            draws = np.random.default_rng(rng)
            for _ in range(examples):
                case = draw(subject.on, draws, dtype=subject.dtype, min_rows=subject.min_rows)
                subject.cache.clear()
                for tally in tallies:
                    tally.take(subject, case)
                bar.advance()
        findings = tuple(tally.finding(subject) for subject, tallies in trials for tally in tallies)
    name = subjects[0].name if len(subjects) == 1 else subjects[0].name.rsplit(".", 1)[0]
    return LawReport(name, findings)


def subjects_of(
    fn: Any, *, claims: Iterable[str] = (), on: str | None = None, **known: Any
) -> tuple[Subject, ...]:
    """``fn`` with what is known about it: a row of METRICS brings claims, degree, root and accuracy.

    One subject; for a row that returns several numbers, one for each.
    """
    if isinstance(fn, Subject):
        return (fn,)
    if isinstance(fn, Metric):
        from divergences.laws.claims import metric_subjects

        return metric_subjects(fn, library=known.get("library", "numpy"), dtype=known.get("dtype", "float64"))
    if not callable(fn):
        raise TypeError(f"fn must be a function or a row of METRICS; got {type(fn).__name__}")
    if on not in SPACES:
        raise ValueError(f"on must say what fn takes, one of {SPACES}; got {on!r}")
    claims = (claims,) if isinstance(claims, str) else tuple(claims)
    _known_claims(claims, on)
    for option, allowed in (("library", ("numpy", "torch")), ("dtype", ("float64", "float32"))):
        if known.get(option, allowed[0]) not in allowed:
            raise ValueError(f"{option} must be one of {allowed}, got {known[option]!r}")
    return (Subject(fn, on, implied(claims), name=getattr(fn, "__name__", repr(fn)), **known),)


def _known_claims(claims: Iterable[str], on: str) -> None:
    from divergences.laws.reference import PROVIDES

    laws = [law for law in LAWS.values() if law.on == on]
    read = {claim for law in laws for claim in law.claims}
    for claim in claims:
        follows = (
            implied({claim}) | {PROVIDES[claim][0].replace("_", " ")}
            if claim in PROVIDES
            else implied({claim})
        )
        if not follows & read:
            raise ValueError(
                f"no law on {on} follows from the claim {claim!r}; claims that have laws: {', '.join(sorted(read))}"
            )


def _chosen(laws: list[str | Law] | None, subject: Subject) -> list[Law]:
    if laws is None:
        chosen = [law for law in LAWS.values() if law.applies_to(subject)]
        if not chosen:
            raise ValueError("claims must name at least one property to test, or laws at least one law")
        return chosen
    chosen = []
    for law in laws:
        if isinstance(law, Law):
            chosen.append(law)
        elif law in LAWS:
            chosen.append(LAWS[law])
        elif f"{subject.on}.{law}" in LAWS:
            chosen.append(LAWS[f"{subject.on}.{law}"])
        else:
            import difflib

            near = difflib.get_close_matches(str(law), list(LAWS), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown law {law!r}{hint} laws.LAWS lists them all")
        if chosen[-1].on != subject.on:
            raise ValueError(f"the law {chosen[-1].name!r} is on {chosen[-1].on}, fn takes {subject.on}")
    return chosen


# ── one law over the examples ───────────────────────────────────────────────────────────────


class _Tally:
    def __init__(self, law: Law) -> None:
        self.law = law
        self.applied = self.examples = self.refused = 0
        self.worst = -math.inf
        self.case: dict[str, Any] | None = None
        self.note = ""
        self.out_of_reach = False

    def take(self, subject: Subject, case: dict[str, Any]) -> None:
        if self.out_of_reach:
            return
        self.examples += 1
        try:
            outcome = self.law.violation(subject, **case)
        except NotApplicable as missing:
            self.out_of_reach, self.note = True, str(missing)
            return
        except Refused as refusal:
            self.refused, self.note = self.refused + 1, str(refusal)
            return
        if outcome is not None:
            self.applied += 1
            if outcome > self.worst:
                self.worst, self.case = outcome, case

    def finding(self, subject: Subject) -> Finding:
        case, code = None, ""
        if self.worst > 1 and self.case is not None:
            from divergences.laws.reproduce import reproducer

            least = min(self.worst, WELL_BROKEN) if self.worst >= WELL_BROKEN else 1.0
            case = shrunk(
                self.case, subject.on, self.law.roles,
                lambda candidate: breaks(self.law, subject, candidate, least), subject.dtype,
            )  # fmt: skip
            code = reproducer(self.law, subject, case)
            status = "violated"
        elif self.out_of_reach or (self.refused and not self.applied):
            status = "not applicable"
        else:
            status = "held" if self.applied else "vacuous"
        return Finding(
            self.law,
            subject.name,
            status,
            self.worst,
            self.applied,
            self.examples,
            self.refused,
            self.note,
            case,
            code,
        )


def breaks(law: Law, subject: Subject, case: Mapping[str, Any], least: float = 1.0) -> bool:
    """Whether the law is broken on this case by more than ``least`` tolerances; never raises."""
    subject.cache.clear()
    try:
        outcome = law.violation(subject, **case)
    except (NotApplicable, Refused, ValueError, IndexError, ZeroDivisionError, np.linalg.LinAlgError):
        return False
    return outcome is not None and outcome > least
