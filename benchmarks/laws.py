"""The laws at length: on every metric of ours, and on what the neighbouring libraries offer.

    python benchmarks/truth.py laws                      # the peers' scorecard, and docs/laws.md
    python benchmarks/truth.py laws --mutants            # the kill matrix of tests/mutants.py
    python benchmarks/truth.py laws --own --examples 1000 [--only NAME]… [--library torch] [--dtype float32]

The peers' adapters are in law_peers.py. A ValueError is a refusal, never a violation.
Violations are shrunk and kept with their reproducers and the versions they were seen with.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from law_peers import PEERS, Peer

import divergences  # noqa: F401  fills METRICS
from divergences.laws import LAWS, LawReport, check
from divergences.laws.check import judge
from divergences.laws.claims import trials
from divergences.laws.draw import draw

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "laws.md"
EXAMPLES = 300


def scorecard(examples: int, only: list[str]) -> Iterator[dict[str, Any]]:
    """Every peer in float64 and float32: what held, what was violated, with reproducers."""
    for peer in PEERS:
        if only and not any(word in f"{peer.package} {peer.name}" for word in only):
            continue
        for dtype in ("float64", "float32"):
            if (trouble := cannot_run(peer, dtype)) is not None:
                print(f"{peer.package} {peer.name}: {trouble}", flush=True)
                break
            start = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                report = check(peer.subject(dtype), examples=examples)
            row = {
                "package": peer.package,
                "version": version(peer.package),
                "function": peer.name,
                "dtype": dtype,
                "examples": examples,
                "cpu_seconds": time.process_time() - start,
                **summary(report),
            }
            told = {f["law"]: f["worst"] for f in row["violated"]}
            print(peer.package, peer.name, dtype, row["counts"], told, flush=True)
            yield row


def cannot_run(peer: Peer, dtype: str) -> str | None:
    """Why the adapter does not work here at all, on the plainest input; that is nobody's violation."""
    plain: dict[str, tuple[Any, ...]] = {
        "pmf": (np.array([0.5, 0.5]), np.array([0.25, 0.75])),
        "samples": (np.arange(16.0)[:, None], np.arange(16.0)[:, None] ** 1.5),
        "gaussian": (np.zeros(2), np.eye(2), np.ones(2), 2 * np.eye(2)),
    }
    try:
        float(peer.function(*(np.asarray(a, dtype) for a in plain[peer.on])))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def summary(report: LawReport) -> dict[str, Any]:
    """Counts, and the violations in full."""
    statuses = [f.status for f in report.findings]
    findings = report.to_dict()["findings"]
    return {
        "counts": {s: statuses.count(s) for s in dict.fromkeys(statuses)},
        "violated": [f for f in findings if f["status"] == "violated"],
        "vacuous": [f["law"] for f in findings if f["status"] == "vacuous"],
        "applied": {
            (
                f["law"]
                if not report.subject.count(".") or f["subject"] == report.subject
                else f"{f['subject']}: {f['law']}"
            ): f["applied"]
            for f in findings
            if f["status"] == "held"
        },
    }


# ── ours ────────────────────────────────────────────────────────────────────────────────────


def own(examples: int, only: list[str], library: str, dtype: str) -> Iterator[dict[str, Any]]:
    """Every row of METRICS at length."""
    for metric in trials():
        if only and not any(metric.spec.startswith(word) for word in only):
            continue
        start = time.process_time()
        report = check(metric, examples=examples, library=library, dtype=dtype)
        row = {
            "metric": metric.spec,
            "library": library,
            "dtype": dtype,
            "examples": examples,
            "cpu_seconds": time.process_time() - start,
            **summary(report),
        }
        told = [(f["law"], f["worst"]) for f in row["violated"]]
        print(metric.spec, row["counts"], told, row["vacuous"], flush=True)
        yield row


def kill_matrix() -> Iterator[dict[str, Any]]:
    """Every mutant of tests/mutants.py: the laws that tell it, of those it answers to."""
    import sys

    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from mutants import MUTANTS, NOT_THE_MISTAKE, SURVIVORS

    for mutant in MUTANTS:
        subject, rng = mutant.subject(), np.random.default_rng(0)
        rules = [law for law in LAWS.values() if law.applies_to(subject) and law.name not in NOT_THE_MISTAKE]
        killers: set[str] = set()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(20):
                case = draw(subject.on, rng, min_rows=subject.min_rows)
                subject.cache.clear()
                killers |= {
                    law.name for law in rules if law.name not in killers and judge(law, subject, case).broken
                }
        row = {"mutant": mutant.name, "laws": len(rules), "killers": sorted(killers)}
        if not killers:
            row["why"] = SURVIVORS[mutant.name]
        print(mutant.name, len(killers), "of", len(rules), flush=True)
        yield row


def merged(
    name: str, rows: list[dict[str, Any]], keys: tuple[str, ...], versions: dict[str, str]
) -> dict[str, Any]:
    """The saved rows with these in place of the same ones of an earlier run; saved again."""
    path = RESULTS / f"{name}.json"
    saved = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    new = {tuple(row[k] for k in keys) for row in rows}
    kept = [row for row in saved if tuple(row[k] for k in keys) not in new]
    result = {
        "versions": versions,
        "laws": len(LAWS),
        "rows": sorted([*kept, *rows], key=lambda r: [str(r[k]) for k in keys]),
    }
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return result


def run(arguments: argparse.Namespace, versions: dict[str, str]) -> None:
    """The command ``truth.py laws``: every row is saved as soon as it is there."""
    jobs: list[tuple[str, tuple[str, ...], Iterator[dict[str, Any]]]] = []
    if arguments.mutants:
        jobs.append(("laws_mutants", ("mutant",), kill_matrix()))
    elif arguments.own:
        rows = own(arguments.examples, arguments.only, arguments.library, arguments.dtype)
        jobs.append(("laws_own", ("metric", "library", "dtype"), rows))
    elif not arguments.page:
        rows = scorecard(arguments.examples, arguments.only)
        jobs.append(("laws_peers", ("package", "function", "dtype"), rows))
    for name, keys, rows in jobs:
        for row in rows:
            merged(name, [row], keys, versions)
    write_page()


# ── the page ────────────────────────────────────────────────────────────────────────────────

START, END = "<!-- tables: written by benchmarks/truth.py laws -->", "<!-- end of tables -->"


def write_page() -> None:
    """The tables of docs/laws.md, from LAWS and the saved JSON; the prose around them stays."""
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(START)
    tail = rest.split(END)[1]
    PAGE.write_text(
        head + START + "\n" + "\n".join([*card_lines(), *own_lines(), *law_lines()]) + END + tail,
        encoding="utf-8",
    )


def _saved(name: str) -> list[dict[str, Any]]:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []


def _told(worst: Any) -> str:
    return "∞" if not isinstance(worst, (int, float)) or math.isinf(worst) else f"{worst:.2g}"


def card_lines() -> list[str]:
    lines = [
        "",
        "## Scorecard of released libraries",
        "",
        "Observed, not judged: thin adapters in `benchmarks/law_peers.py` undo each convention, and every "
        "violation is in `benchmarks/results/laws_peers.json` with its smallest reproducer. In brackets: "
        "the worst case in tolerances, ∞ where the value was NaN or the law allows none.",
        "",
        "| library | function | dtype | held | violated: law (by how many tolerances) |",
        "|---|---|---|---|---|",
    ]
    for row in _saved("laws_peers"):
        broken = "; ".join(f"{f['law']} ({_told(f['worst'])})" for f in row["violated"]) or "none"
        lines.append(
            f"| {row['package']} {row['version']} | `{row['function']}` | {row['dtype']} "
            f"| {row['counts'].get('held', 0)} | {broken} |"
        )
    return lines


def own_lines() -> list[str]:
    lines = [
        "",
        "## Ours",
        "",
        "| metric | library, dtype | examples | held | violated |",
        "|---|---|---|---|---|",
    ]
    for row in _saved("laws_own"):
        broken = "; ".join(f"{f['law']} ({_told(f['worst'])})" for f in row["violated"]) or "none"
        lines.append(
            f"| `{row['metric']}` | {row['library']}, {row['dtype']} | {row['examples']} "
            f"| {row['counts'].get('held', 0)} | {broken} |"
        )
    return lines


def law_lines() -> list[str]:
    lines = [
        "",
        f"## The {len(LAWS)} laws",
        "",
        "| law | statement | source | claims held to it |",
        "|---|---|---|---|",
    ]
    for law in LAWS.values():
        claims = ", ".join(law.claims) if len(law.claims) < 7 else ", ".join(law.claims[:6]) + " …"
        cells = (law.name, law.statement, law.source, claims)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]
