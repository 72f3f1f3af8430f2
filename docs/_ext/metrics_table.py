"""``{metrics-table} samples``: the rows of METRICS with what each declares about itself, written at build."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from divergences import METRICS

HEAD = ("metric", "what it is", "scaled by c", "gradient", "interval", "cost", "source")


def cells(name: str) -> list[str]:
    row = METRICS[name]
    options = [key for key in row.keywords if not key.endswith("_weights")]
    told = f"{row.meaning[0].upper()}{row.meaning[1:]}."
    if options:
        told += " Options: " + ", ".join(f"`{key}`" for key in options) + "."
    if row.weighted:
        told += " Takes weights."
    scaled = "–" if row.degree is None else {0: "the same", 1: "c ×"}.get(row.degree, f"c^{row.degree:g} ×")
    return [
        f"{{py:obj}}`{name} <divergences.{name}>`", told, scaled,
        "yes" if row.differentiable else "no", row.interval or "–", row.cost, row.reference or "–",
    ]  # fmt: skip


class MetricsTable(SphinxDirective):
    """A Markdown table of the rows on "samples", "pmf" or "gaussian"."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        names = [name for name, row in METRICS.items() if row.on == self.arguments[0]]
        if not names:
            raise self.error(f"no metric is on {self.arguments[0]!r}")
        rows = [HEAD, ["---"] * len(HEAD), *map(cells, names)]
        escaped = (" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows)
        table = nodes.container(classes=["metrics"])
        table += self.parse_text_to_nodes("\n".join(f"| {row} |" for row in escaped))
        return [table]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("metrics-table", MetricsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
