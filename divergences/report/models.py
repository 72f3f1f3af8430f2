"""Several models against one reference, as a page: ranking, forest plots, every difference."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from divergences._canvas import Picture, quiet
from divergences._evidence_pictures import forest
from divergences.report.files import write_text
from divergences.report.html import page as html_page
from divergences.report.tables import Table, escaped
from divergences.report.wording import count

if TYPE_CHECKING:
    from divergences.inference.comparison import Comparison

__all__ = ["markdown", "page", "written"]


def page(found: Comparison, reference: str = "x") -> str:
    """The page of a comparison; ``reference`` is what it calls the reference's samples."""
    models = [each.model for each in found.ranked()]
    return html_page(
        f"Which of {len(models)} models is closest to {reference}?",
        _introduction(found, reference),
        _rankings(found),
        [_ranks(found)],
        [_forest(found, metric) for metric in found.metrics],
        *(
            table.html()
            for table in [*(_differences(found, metric) for metric in found.metrics), *_notes(found)]
        ),
        footer="" if found.seed is None else f"Seed {found.seed}.",
    )


def markdown(found: Comparison, reference: str = "x") -> str:
    """The same without pictures, as GitHub tables."""
    tables = [_ranks(found), *(_differences(found, metric) for metric in found.metrics), *_notes(found)]
    rankings = "\n".join(f"- {escaped(line)}" for line in _rankings(found))
    parts = [escaped(_introduction(found, reference)), rankings, *(table.markdown() for table in tables)]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def written(text: str, path: str | PathLike[str] | None) -> str:
    if path is not None:
        write_text(path, text)
    return text


def _introduction(found: Comparison, reference: str) -> str:
    return (
        f"{reference}: {count(found.n)} rows, {count(found.d)} features. Intervals of differences hold with "
        f"{100 * found.confidence:g} % confidence for all pairs of models and all metrics together; models "
        "joined by “=” cannot be told apart by these samples, “<” is surely closer."
    )


def _rankings(found: Comparison) -> list[str]:
    return [f"{metric}: {found.ranking(metric)}" for metric in found.metrics]


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
            cells += [f"{each.rank}", f"{value:.4g}" + ("" if error is None else f" ± {error:.2g}")]
        rows.append(tuple(cells))
    head = ["model", "rows", *(part for metric in found.metrics for part in ("rank", metric))]
    notes = (
        "A model ranks behind those that are surely closer, so ties share a rank. ± is one standard error.",
    )
    return Table("Ranks", tuple(head), tuple(rows), notes)


def _differences(found: Comparison, metric: str) -> Table:
    rows = tuple(
        (
            f"{each.first} − {each.second}", "tie" if each.closer is None else f"{each.closer} is closer",
            f"{each.value:.4g}", f"[{each.interval.lower:.4g}, {each.interval.upper:.4g}]",
            f"{each.p_value:.2g}",
        )
        for each in found.differences if each.metric == metric
    )  # fmt: skip
    head = ("difference", "", "value", "interval", "p")
    return Table(f"Differences by {metric}", head, rows, words=(0, 1))


def _notes(found: Comparison) -> list[Table]:
    rows = tuple((f"{k}.", note) for k, note in enumerate(found.notes, start=1))
    return [Table("Notes", ("", "what to know"), rows, words=(0, 1))] if rows else []


def _forest(found: Comparison, metric: str) -> Picture:
    with quiet():
        return forest(found, metric)
