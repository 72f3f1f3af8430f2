"""What stands behind a report, as tables: tests, the rows that carry the distance, agreement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from divergences.report.tables import Table
from divergences.report.wording import number

if TYPE_CHECKING:
    from divergences._record import Report
    from divergences.inference.estimators import Estimators
    from divergences.inference.evidence import Carriers, Evidence, Regions, Strays
    from divergences.results import TestResult

__all__ = ["panels"]

LEVEL = 0.05
WHAT = {
    "tests": "permutation tests",
    "p-values": "p-values",
    "carriers": "rows that carry the distance",
    "regions": "parts of the reference left out",
    "strays": "rows far from the data",
    "estimators": "agreement of estimators",
    "all": "tests, carriers and agreement",
}


def panels(report: Report, most: int = 12) -> list[Table]:
    """A table for each part of the evidence, with at most ``most`` rows of samples; none without evidence."""
    found = report.evidence
    return [] if found is None else list(_tables(found, report.names, most))


def _tables(found: Evidence, names: tuple[str, str], most: int) -> Iterator[Table]:
    if found.tests is not None:
        yield _tests(found.tests, names)
    for each in found.carriers:
        yield _carriers(each, names, most)
    if found.regions is not None:
        yield _regions(found.regions, names)
    if found.strays is not None:
        yield _strays(found.strays, names, most)
    if found.estimators is not None:
        yield _estimators(found.estimators)
    if found.left_out:
        rows = tuple((WHAT.get(name, name), reason) for name, reason in found.left_out.items())
        yield Table("Left out", ("what", "why"), rows, words=(0, 1))


def _tests(test: TestResult, names: tuple[str, str]) -> Table:
    parts = test.components or (test,)
    rows = tuple(
        (
            part.metric or "",
            number(part.statistic),
            f"{part.null_mean:.3g} ± {part.null_standard_deviation:.2g}",
            _p(part.p_value),
            "" if part.adjusted_p_value is None else _p(part.adjusted_p_value),
        )
        for part in parts
    )
    told = "differ" if test.p_value <= LEVEL else "cannot be told apart by these samples"
    notes = [f"{names[0]} and {names[1]} {told}: p = {_p(test.p_value)}, {test.method}."]
    if test.components:
        notes.append("That is of the smallest p-value; adjusted ones stand up to there being several.")
    notes += [f"{_begun(note)}." for note in test.notes if note.startswith("on ")]
    head = ("measure", "value", "if they were equal", "p", "adjusted p")
    return Table("Is there a difference at all?", head, rows, tuple(notes))


def _carriers(found: Carriers, names: tuple[str, str], most: int) -> Table:
    count = min(most, max(len(found.x_rows), len(found.y_rows)))
    sides = ((found.x_rows, found.x_shares), (found.y_rows, found.y_shares))
    rows = tuple(
        (
            str(k + 1),
            *(
                cell
                for places, shares in sides
                for cell in ((f"{places[k]}", _share(shares[k])) if k < len(places) else ("", ""))
            ),
        )
        for k in range(count)
    )
    head = ("", f"row of {names[0]}", "share", f"row of {names[1]}", "share")
    meaning = _begun(found.meaning).replace("in x", f"In {names[0]}").replace("in y", f"in {names[1]}")
    meaning = meaning.replace("In x", f"In {names[0]}").replace("the model", names[1])
    notes = (
        f"{meaning}. Shares are of {number(found.total)}; rows are counted from 0.",
        f"Half of what {names[1]} adds lies in {found.half:,} of {found.rows:,} rows"
        + ("; were all alike it would be half of them." if found.half < 0.4 * found.rows else "."),
    )
    return Table(f"Which rows carry {found.metric}", head, rows, notes)


def _regions(found: Regions, names: tuple[str, str]) -> Table:
    rows = tuple(
        (str(k), _share(mine), _share(theirs), _p(p), str(near[0]), "left out" if p < LEVEL else "")
        for k, (mine, theirs, p, near) in enumerate(
            zip(found.x_shares, found.y_shares, found.p_values, found.x_rows, strict=True)
        )
    )
    short = sum(p < LEVEL for p in found.p_values)
    told = f"{names[1]} surely puts too little in {short} of {len(rows)} clusters" if short else (
        f"No cluster of {names[0]} is surely short of rows of {names[1]}"
    )  # fmt: skip
    notes = (
        f"{told}. k-means on one half of {found.rows:,} rows of {names[0]}, shares by the other half, "
        "Fisher's exact test adjusted for their number.",
    )
    head = ("cluster", f"of {names[0]}", f"of {names[1]}", "p", "typical row", "")
    return Table("What is left out", head, rows, notes, words=(0, 5))


def _strays(found: Strays, names: tuple[str, str], most: int) -> Table:
    rows = tuple((str(place), _p(p)) for place, p in zip(found.y_rows, found.p_values, strict=True))[:most]
    notes = (
        f"{_share(found.share)} of {found.rows:,} rows of {names[1]} are as far from {names[0]} as "
        f"{_share(found.level)} of the rows of {names[0]} are from one another.",
    )
    return Table("Far from all data", (f"row of {names[1]}", "p"), rows, notes)


def _estimators(found: Estimators) -> Table:
    rows = []
    for name, each in found.estimates.items():
        told = "trusted" if name == found.trusted else "agrees" if name in found.agree else "contradicts it"
        interval = each.interval
        span = "" if interval is None else f"[{interval.lower:.4g}, {interval.upper:.4g}]"
        rows.append((name, number(each.value), span, told))
    rows += [(name, "–", "", "left out") for name in found.refused]
    names = tuple(found.estimates)
    notes = tuple(f"{note if note.startswith(names) else _begun(note)}." for note in found.notes)
    notes += tuple(f"No {name}: {reason}." for name, reason in found.refused.items())
    head = ("estimator", "value", "interval of its scatter", "")
    return Table(f"Do estimators of {found.divergence} agree?", head, tuple(rows), notes, words=(0, 3))


def _p(value: float) -> str:
    return f"{value:.2g}"


def _share(value: float) -> str:
    return f"{100 * value:.2g} %"


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
