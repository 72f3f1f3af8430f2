"""``{metrics-table} samples`` and ``{objectives-table}``: METRICS and OBJECTIVES as they are, at build."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from divergences import METRICS

HEAD = ("metric", "what it is", "scaled by c", "gradient", "interval", "cost", "source")

NEEDS_OPTION = {
    "parzen_log_likelihood": "parzen_log_likelihood(bandwidth=0.2)",
    "renyi": "renyi(alpha=0.5)",
    "f_divergence": "f_divergence(f='kl')",
}


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
        table = nodes.container(classes=["metrics"])
        table += self.parse_text_to_nodes(markdown(HEAD, map(cells, names)))
        return [table]


class ObjectivesTable(SphinxDirective):
    """A Markdown table of what can be trained with."""

    def run(self) -> list[nodes.Node]:
        from gan.objectives import OBJECTIVES, parse

        rows = []
        for name in (NEEDS_OPTION.get(name, name) for name in OBJECTIVES):
            row = parse(name)
            itself = row.descends in METRICS and not row.needs_critic
            descends = "the metric itself" if itself else row.descends
            critic = f"{row.critic_steps or 1} a step" if row.needs_critic else "none"
            rows.append([f"`{name}`", descends, critic, f"`{row.regularizer or 'none'}`", row.reference])
        head = ("objective", "what the generator descends", "critic", "regulariser", "source")
        return self.parse_text_to_nodes(markdown(head, rows))


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a | inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    escaped = (" | ".join((cell or "–").replace("|", r"\|") for cell in line) for line in lines)
    return "\n".join(f"| {line} |" for line in escaped)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("metrics-table", MetricsTable)
    app.add_directive("objectives-table", ObjectivesTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
