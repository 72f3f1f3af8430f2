"""``check``: hold a function to its laws, and say what broke with the smallest example of it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from divergences._progress import Bar
from divergences.laws.draw import draw
from divergences.laws.law import LAWS, Law
from divergences.laws.shrink import shrunk
from divergences.laws.subject import SPACES, NotApplicable, Refused, Subject, implied
from divergences.registry import Metric

__all__ = ["Finding", "LawReport", "Verdict", "check", "chosen_laws", "judge", "subjects_of"]

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
                "law": f.law.name, "subject": f.subject, "statement": f.law.statement,
                "source": f.law.source, "status": f.status,
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
    >>> report = laws.check(gap, ["triangle inequality"], on="pmf", claims={"metric"})
    >>> report["pmf.triangle inequality"].case["r"]
    array([0.5, 0.5])
    """
    if isinstance(examples, bool) or not isinstance(examples, int) or examples < 1:
        raise ValueError(f"examples must be a whole number, at least 1; got {examples!r}")
    subjects = subjects_of(
        fn, claims=claims, on=on, library=library, dtype=dtype, degree=degree, root=root, accuracy=accuracy,
        min_rows=min_rows,
    )  # fmt: skip
    named: list[str | Law] | None = None
    if laws is not None:
        named = [laws] if isinstance(laws, (str, Law)) else list(laws)
    trials = [(subject, [_Tally(law) for law in chosen_laws(named, subject)]) for subject in subjects]
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
    for option, allowed in (("library", ("numpy", "torch")), ("dtype", ("float64", "float32"))):
        if known.get(option, allowed[0]) not in allowed:
            raise ValueError(f"{option} must be one of {allowed}, got {known[option]!r}")
    if isinstance(fn, Metric):
        brought = [name for name in ("claims", "on") if {"claims": claims, "on": on}[name]]
        own = {field.name: field.default for field in fields(Subject)}
        brought += [
            name for name in known if name not in ("library", "dtype") and known[name] != own.get(name)
        ]
        if brought:
            raise ValueError(
                f"{fn.name} is a row of METRICS and brings its own claims: leave {', '.join(brought)} out, "
                "or give its function"
            )
        from divergences.laws.claims import metric_subjects

        return metric_subjects(fn, library=known.get("library", "numpy"), dtype=known.get("dtype", "float64"))
    if not callable(fn):
        raise TypeError(f"fn must be a function or a row of METRICS; got {type(fn).__name__}")
    if on not in SPACES:
        raise ValueError(f"on must say what fn takes, one of {SPACES}; got {on!r}")
    claims = (claims,) if isinstance(claims, str) else tuple(claims)
    _known_claims(claims, on)
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
                f"no law on {on} follows from the claim {claim!r}; "
                f"claims that have laws: {', '.join(sorted(read))}"
            )


def chosen_laws(laws: list[str | Law] | None, subject: Subject) -> list[Law]:
    if laws is None:
        chosen = [law for law in LAWS.values() if law.applies_to(subject)]
        if not chosen:
            raise ValueError("claims must name at least one property to test, or laws at least one law")
        return chosen
    chosen = []
    for law in laws:
        if isinstance(law, Law):
            chosen.append(law)
        elif f"{subject.on}.{law}" in LAWS:
            chosen.append(LAWS[f"{subject.on}.{law}"])
        elif law in LAWS:
            chosen.append(LAWS[law])
        else:
            import difflib

            near = difflib.get_close_matches(str(law), list(LAWS), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown law {law!r}{hint}; laws.LAWS lists them all")
        if chosen[-1].on != subject.on:
            raise ValueError(f"the law {chosen[-1].name!r} is on {chosen[-1].on}, fn takes {subject.on}")
    return chosen


# ── one law over the examples ───────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Verdict:
    """One law on one case: its violation; or why it could not be put to the test."""

    law: Law
    subject: Subject
    case: Mapping[str, Any]
    outcome: float | None
    skipped: str = ""  # "not applicable" for good, "refused" this time
    note: str = ""

    @property
    def broken(self) -> bool:
        return self.outcome is not None and self.outcome > 1

    def shrunk(self) -> dict[str, Any]:
        """The smallest case found on which the law is still broken, clearly if it was clear."""
        worst = self.outcome or 0.0
        least = WELL_BROKEN if worst >= WELL_BROKEN else 1.0

        def breaks(candidate: Mapping[str, Any]) -> bool:
            self.subject.cache.clear()
            try:
                outcome = judge(self.law, self.subject, candidate).outcome
            except (ValueError, IndexError, ZeroDivisionError, np.linalg.LinAlgError):
                return False  # the law itself cannot read so small a case
            return outcome is not None and outcome > least

        return shrunk(dict(self.case), self.subject.on, self.law.roles, breaks, self.subject.dtype)

    def report(self) -> str:
        """What broke, as text and runnable Python."""
        from divergences.laws.reproduce import reproducer

        law = self.law
        code = reproducer(law, self.subject, self.shrunk())
        return f"{self.subject.name} breaks the law {law.name!r}: {law.statement} ({law.source})\n{code}"


def judge(law: Law, subject: Subject, case: Mapping[str, Any]) -> Verdict:
    """The law on this case; refusals and missing options are told, not raised."""
    try:
        return Verdict(law, subject, case, law.violation(subject, **case))
    except NotApplicable as missing:
        return Verdict(law, subject, case, None, "not applicable", str(missing))
    except Refused as refusal:
        return Verdict(law, subject, case, None, "refused", str(refusal))


class _Tally:
    def __init__(self, law: Law) -> None:
        self.law = law
        self.applied = self.examples = self.refused = 0
        self.worst: Verdict | None = None
        self.note = ""
        self.out_of_reach = False

    def take(self, subject: Subject, case: dict[str, Any]) -> None:
        if self.out_of_reach:
            return
        self.examples += 1
        verdict = judge(self.law, subject, case)
        self.out_of_reach = verdict.skipped == "not applicable"
        self.refused += verdict.skipped == "refused"
        self.note = verdict.note or self.note
        if verdict.outcome is not None:
            self.applied += 1
            if self.worst is None or self.worst.outcome is None or verdict.outcome > self.worst.outcome:
                self.worst = verdict

    def finding(self, subject: Subject) -> Finding:
        case, code = None, ""
        if self.worst is not None and self.worst.broken:
            from divergences.laws.reproduce import reproducer

            case = self.worst.shrunk()
            code = reproducer(self.law, subject, case)
            status = "violated"
        elif self.out_of_reach or (self.refused and not self.applied):
            status = "not applicable"
        else:
            status = "held" if self.applied else "vacuous"
        worst = -math.inf if self.worst is None or self.worst.outcome is None else self.worst.outcome
        return Finding(
            self.law,
            subject.name,
            status,
            worst,
            self.applied,
            self.examples,
            self.refused,
            self.note,
            case,
            code,
        )
