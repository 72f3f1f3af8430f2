"""Several models against one reference, as a page: ranking, forest plots, every difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from divergences._canvas import Picture, quiet
from divergences._evidence_pictures import forest
from divergences.report.html import page as html_page
from divergences.report.tables import Table
from divergences.report.wording import count, number

if TYPE_CHECKING:
    from divergences.inference.comparison import Comparison

__all__ = ["page"]


def page(found: Comparison, reference: str = "x") -> str:
    """The page of a comparison; ``reference`` is what it calls the reference's samples."""
    models = [each.model for each in found.ranked()]
    level = f"{100 * found.confidence:g} %"
    size = f"{reference}: {count(found.n)} rows, {count(found.d)} features."
    footer = f"{size} " + ("" if found.seed is None else f"Seed {found.seed}.")
    return html_page(
        f"Which of {len(models)} models is closest to {reference}?",
        f"{size} Intervals of differences hold with {level} confidence for all pairs of models and all "
        "metrics together; models joined by “=” cannot be told apart by these samples.",
        [f"{metric}: {found.ranking(metric)}" for metric in found.metrics],
        [_ranks(found), *(_differences(found, metric) for metric in found.metrics), *_notes(found)],
        [_forest(found, metric) for metric in found.metrics],
        footer=footer.strip(),
    )


def _ranks(found: Comparison) -> Table:
    """A row for each model, its rank and value by each metric."""
    by_metric = {metric: {each.model: each for each in found.ranked(metric)} for metric in found.metrics}
    rows = []
    for standing in found.ranked():
        cells = [standing.model, count(standing.estimate.m or 0)]
        for metric in found.metrics:
            each = by_metric[metric][standing.model]
            value = each.estimate.value if each.estimate.extrapolated is None else each.estimate.extrapolated
            error = each.estimate.standard_error
            cells += [f"{each.rank}", number(value) + ("" if error is None else f" ± {error:.2g}")]
        rows.append(tuple(cells))
    head = ["model", "rows", *(part for metric in found.metrics for part in ("rank", metric))]
    notes = (
        "A model ranks behind those that are surely closer, so ties share a rank. ± is one standard error.",
    )
    return Table("Ranks", tuple(head), tuple(rows), notes)


def _differences(found: Comparison, metric: str) -> Table:
    rows = tuple(
        (
            f"{each.first} − {each.second}", number(each.value),
            f"[{each.interval.lower:.4g}, {each.interval.upper:.4g}]", f"{each.p_value:.2g}",
            "tie" if each.closer is None else f"{each.closer} is closer",
        )
        for each in found.differences if each.metric == metric
    )  # fmt: skip
    head = ("difference", "value", "interval", "p", "")
    return Table(f"Differences by {metric}", head, rows, words=(0, 4))


def _notes(found: Comparison) -> list[Table]:
    rows = tuple((f"{number}.", note) for number, note in enumerate(found.notes, start=1))
    return [Table("Notes", ("", "what to know"), rows, words=(0, 1))] if rows else []


def _forest(found: Comparison, metric: str) -> Picture:
    with quiet():
        return forest(found, metric)
