"""The tables of docs/speed.md, written from the saved results between their markers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "speed.md"
MARKER = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write() -> list[str]:
    """Fill every ``<!-- table FAMILY --> … <!-- end -->``; the families that have results."""
    filled: list[str] = []

    def table(found: re.Match[str]) -> str:
        path = RESULTS / f"speed_{found[2]}.json"
        if not path.exists():
            return found[0]
        filled.append(found[2])
        return found[1] + "\n".join(lines(json.loads(path.read_text(encoding="utf-8")))) + "\n" + found[3]

    PAGE.write_text(MARKER.sub(table, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return filled


def lines(saved: dict[str, Any]) -> list[str]:
    """A Markdown table of one family, and the versions below it."""
    out = ["| work | ours, s | MB | gap | against |", "|---|---|---|---|---|"]
    for name, row in saved["rows"].items():
        ours = row["ours"]
        gap = f"{ours['gap']:.0e}" if "gap" in ours else ""
        peers = [key.removesuffix("_over_ours") for key in row if key.endswith("_over_ours")]
        against = "; ".join(
            f"{peer} {seconds(row[peer]['cpu'])} s, {row[peer]['peak_mb']:.0f} MB: "
            f"**{ratio(row[f'{peer}_over_ours'])}×**"
            for peer in peers
        )
        out.append(f"| {name} | {seconds(ours['cpu'])} | {ours['peak_mb']:.0f} | {gap} | {against} |")
    versions = ", ".join(f"{name} {version}" for name, version in saved.get("versions", {}).items())
    return [*out, "", f"{versions}."]


def ratio(value: float) -> str:
    """Two digits behind the point where one would hide what is lost."""
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def seconds(value: float) -> str:
    """Three digits, whatever the size."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
