"""Reports as one self-contained page: no script, nothing fetched, every user string escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from divergences import plots
from divergences._record import Report, Row, best
from divergences.report import wording
from divergences.report.panels import panels
from divergences.report.style import CSS
from divergences.report.tables import Table

__all__ = ["notebook", "page", "render"]

# Even if a string slipped through unescaped, the page may neither run nor fetch anything.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render(
    reports: Sequence[Report],
    *,
    title: str,
    introduction: str = "",
    words: Sequence[str] = (),
    tables: Sequence[Table] = (),
    pictures: Sequence[plots.Picture] = (),
) -> str:
    """The whole page. Several reports: a comparison of them on top, then a section for each.

    ``introduction`` is a paragraph under the title and ``words`` are sentences, one a bullet,
    that say what was found; both are plain text. ``tables`` and ``pictures`` of the caller's come next.
    """
    if not reports:
        raise ValueError("reports must hold at least one Report; got none")
    alone = len(reports) == 1
    labels = _labels(reports)
    headings = ["Measures"] if alone else labels
    return page(
        title, introduction, words, tables, pictures,
        "" if alone else _comparison(reports, labels), *map(_section, reports, headings),
        footer=_footer(reports),
    )  # fmt: skip


def page(
    title: str,
    introduction: str = "",
    words: Sequence[str] = (),
    tables: Sequence[Table] = (),
    pictures: Sequence[plots.Picture] = (),
    *sections: str,
    footer: str,
) -> str:
    """A page in the look of the reports; ``sections`` and ``footer`` are HTML, all else is plain text."""
    parts = [
        _paragraph(introduction),
        _bullets(words),
        *(table.html() for table in tables),
        _gallery(pictures),
        *sections,
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{CSS}</style>
</head>
<body>
<header><h1>{escape(title)}</h1></header>
<main>
{"".join(parts)}
</main>
<footer>{footer}</footer>
</body>
</html>
"""


def notebook(report: Report) -> str:
    """The table alone, in the notebook's own style."""
    head = "".join(f"<th>{name}</th>" for name in ("metric", "value", "", "better", "seconds", "notes"))
    body = "".join(
        f"<tr><td><code>{escape(row.metric)}</code></td><td>{escape(wording.outcome(row))}</td>"
        f"<td>{escape(wording.uncertainty(row))}</td><td>{wording.DIRECTIONS[row.better]}</td>"
        f"<td>{escape(wording.seconds(row.seconds))}</td><td style='text-align:left'>{_notes(row)}</td></tr>"
        for row in report.rows
    )
    caption = escape(wording.size(report))
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


# ── one report ──────────────────────────────────────────────────────────────────────────────


def _section(report: Report, heading: str) -> str:
    return f"""
<section>
<h2>{escape(heading)}</h2>
{_facts(report)}
{_table(report)}
</section>
{_panels(report)}
{_gallery(plots.pictures(report))}
"""


def _panels(report: Report) -> str:
    cards = "".join(panel.html() for panel in panels(report))
    return f'<div class="panels">{cards}</div>' if cards else ""


def _gallery(pictures: Sequence[plots.Picture]) -> str:
    drawings = "\n".join(map(_figure, pictures))
    return f'<div class="pictures">\n{drawings}\n</div>' if drawings else ""


def _facts(report: Report) -> str:
    x, y = (escape(name) for name in report.names)
    facts = {
        "reference": f'<span class="x">{x}</span> {wording.count(report.n)} rows',
        "model": f'<span class="y">{y}</span> {wording.count(report.m)} rows',
        "features": wording.count(report.d),
        "date": f'<time datetime="{escape(report.created)}">{escape(report.created[:10])}</time>',
        "took": f"{wording.seconds(report.seconds)} s",
        "seed": str(report.seed),
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f'<dl class="facts">{items}</dl>'


def _table(report: Report) -> str:
    rows = "\n".join(map(_measure, report.rows, wording.meanings(report)))
    return f"""<table class="measures">
<thead><tr><th scope="col">metric</th><th scope="col" class="number">value</th>
<th scope="col">better</th><th scope="col">what it tells</th>
<th scope="col" class="number time">seconds</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>"""


def _measure(row: Row, meaning: str) -> str:
    convention = ""
    if meaning and row.convention:
        convention = f"<details><summary>convention</summary>{escape(row.convention)}</details>"
    return (
        f'<tr><th scope="row"><code>{escape(row.metric)}</code></th>'
        f'<td class="number">{_value(row)}</td>'
        f'<td class="better">{wording.DIRECTIONS[row.better]}</td>'
        f'<td class="told">{escape(meaning)}{_notes(row)}{convention}</td>'
        f'<td class="number time">{escape(wording.seconds(row.seconds))}</td></tr>'
    )


def _value(row: Row) -> str:
    kind = {"failed": "failed", "left out": "left"}.get(row.status, "")
    main = f'<b class="{kind}">{escape(wording.outcome(row))}</b>'
    return main + "".join(f"<small>{escape(extra)}</small>" for extra in wording.errors(row))


def _notes(row: Row) -> str:
    notes = "".join(f'<p class="note warned">⚠ {escape(text)}</p>' for text in row.warnings)
    notes += "".join(f'<p class="note left">{escape(text)}</p>' for text in row.notes)
    if row.error:
        kind = "failed" if row.status == "failed" else "left"
        notes += f'<p class="note {kind}">{escape(row.error)}</p>'
    return notes


def _figure(picture: plots.Picture) -> str:
    drawing = ""
    if picture.figure is not None:
        drawing = f'<img alt="{escape(picture.alt)}" src="{picture.uri()}">'
    return (
        f"<figure><h3>{escape(picture.title)}</h3>{drawing}"
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
    )


# ── several reports ─────────────────────────────────────────────────────────────────────────


def _labels(reports: Sequence[Report]) -> list[str]:
    """A heading for each report: the model's name, with more only where that is not enough."""
    models = [report.names[1] for report in reports]
    if len(set(models)) == len(models):
        return models
    pairs = [f"{report.names[0]} and {report.names[1]}" for report in reports]
    if len(set(pairs)) == len(pairs):
        return pairs
    return [f"{pair} ({number})" for number, pair in enumerate(pairs, start=1)]


def _comparison(reports: Sequence[Report], labels: Sequence[str]) -> str:
    metrics = list(dict.fromkeys(row.metric for report in reports for row in report.rows))
    head = "".join(f'<th scope="col" class="number">{escape(label)}</th>' for label in labels)
    body = []
    for name in metrics:
        rows = [next((row for row in report.rows if row.metric == name), None) for report in reports]
        first = best(rows)
        better = next(row.better for row in rows if row is not None)
        cells = "".join(_compared(row, row in first) for row in rows)
        body.append(
            f'<tr><th scope="row"><code>{escape(name)}</code></th>'
            f'<td class="better">{wording.DIRECTIONS[better]}</td>{cells}</tr>'
        )
    return f"""
<section>
<h2>Side by side</h2>
<div class="scroll"><table>
<thead><tr><th scope="col">metric</th><th scope="col">better</th>{head}</tr></thead>
<tbody>{"".join(body)}</tbody>
</table></div>
<p class="soft">The best value of each row is marked, unless it carries a warning. A lead within the sampling
error is not a lead.</p>
</section>
"""


def _compared(row: Row | None, first: bool) -> str:
    if row is None:
        return '<td class="number"><span class="left">–</span></td>'
    if first:
        return f'<td class="number"><b class="best">{escape(wording.outcome(row))}</b></td>'
    return f'<td class="number">{_value(row)}</td>'


# ── small pieces ────────────────────────────────────────────────────────────────────────────


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def _bullets(words: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in words)
    return f"<ul>{items}</ul>" if items else ""


def _footer(reports: Sequence[Report]) -> str:
    used = list(dict.fromkeys(wording.versions(report) for report in reports))
    return f"Computed with {escape('; '.join(used))}."
