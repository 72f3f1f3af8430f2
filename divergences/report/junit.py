"""A report in JUnit's XML, which every CI service shows: a test case a value, a failure a limit broken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from divergences._record import Row
from divergences.report import wording
from divergences.report.limits import Verdict

__all__ = ["render"]

UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def render(
    subjects: Mapping[str, Sequence[Row]],
    verdicts: Sequence[Verdict],
    *,
    reference: str,
    created: str | None = None,
    properties: Mapping[str, object] | None = None,
) -> str:
    """One suite a subject (a model); in it a case for each row, and one for each limit.

    A row that failed is an error, one left out is skipped, a limit broken is a failure.
    """
    root = ElementTree.Element("testsuites", name="divergences compare")
    for subject, rows in subjects.items():
        own = [verdict for verdict in verdicts if verdict.subject == subject]
        counts = {
            "tests": len(rows) + len(own),
            "failures": sum(verdict.failed for verdict in own),
            "errors": sum(row.status == "failed" for row in rows),
            "skipped": sum(row.status == "left out" for row in rows),
            "time": f"{sum(row.seconds for row in rows):.3f}",
        }
        suite = ElementTree.SubElement(
            root, "testsuite", {"name": _plain(f"{reference} and {subject}"), **_texts(counts)}
        )
        if created:
            suite.set("timestamp", created.removesuffix("+00:00"))
        _add_properties(suite, properties or {})
        for row in rows:
            _add_row(suite, row, subject)
        for verdict in own:
            _add_verdict(suite, verdict, subject)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _add_properties(suite: ElementTree.Element, properties: Mapping[str, object]) -> None:
    if properties:
        parent = ElementTree.SubElement(suite, "properties")
        for name, value in properties.items():
            ElementTree.SubElement(parent, "property", name=_plain(name), value=_plain(str(value)))


def _add_row(suite: ElementTree.Element, row: Row, subject: str) -> None:
    case = _case(suite, row.metric, subject, f"{row.seconds:.3f}")
    if row.status != "ok":
        kind = "error" if row.status == "failed" else "skipped"
        ElementTree.SubElement(case, kind, message=_plain(row.error or row.status))
        return
    told = " ".join(filter(None, [f"{row.metric} = {wording.outcome(row)}", wording.uncertainty(row)]))
    lines = [told, row.meaning, *(f"warning: {text}" for text in row.warnings)]
    ElementTree.SubElement(case, "system-out").text = _plain("\n".join(lines))


def _add_verdict(suite: ElementTree.Element, verdict: Verdict, subject: str) -> None:
    case = _case(suite, f"fail if {verdict.limit}", subject, "0.000")
    if verdict.failed:
        failure = ElementTree.SubElement(case, "failure", message=_plain(verdict.reason), type="limit")
        failure.text = _plain(f"{subject}: {verdict.reason}")
    else:
        ElementTree.SubElement(case, "system-out").text = _plain(verdict.reason)


def _case(suite: ElementTree.Element, name: str, subject: str, time: str) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", classname=_plain(f"divergences.{subject}"), name=_plain(name), time=time
    )


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _plain(text: str) -> str:
    """Without the characters that XML 1.0 has no way to write."""
    return UNWRITABLE.sub("", text)
