"""``divergences compare``: one model in full, or several ranked; limits, and the report in every form."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from divergences._shell import check_outputs, complain, fail, refusals
from divergences.commands.samples import read_all, remark_on_scale, short_names

if TYPE_CHECKING:
    from divergences.evaluate import Report, Row
    from divergences.inference import Comparison
    from divergences.registry import Metric
    from divergences.report.limits import Limit, Verdict

__all__ = ["compare"]

RANKED_BY = ["energy", "squared_mmd", "frechet"]  # by which several models are compared


def compare(
    real: Annotated[str, typer.Argument(metavar="REAL", help="The reference samples, x: a file, or - .")],
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL", help="The model's samples, y: a file, or - . Several models are "
                       "ranked against REAL."),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option("-m", "--metric", metavar="SPEC", help="A metric, such as 'squared_mmd(bandwidth=1.0)'; "
                     "may be repeated. Without it a set that covers moments, kernels, transport, densities, "
                     "a classifier and neighbours."),
    ] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON; - prints it.")
    ] = None,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the report as one HTML page, with pictures.")
    ] = None,
    markdown: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the table as markdown; - prints it.")
    ] = None,
    junit: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write JUnit's XML, which CI services show.")
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option("--fail-if", metavar="LIMIT", help="Exit with 1 if it is so, such as 'frechet>10' (also "
                     "< <= >=), or if the value is NaN or missing; may be repeated. Without -m only the "
                     "metrics named here are computed."),
    ] = None,
    validation: Annotated[
        str | None, typer.Option(metavar="FILE", help="Real samples held out, to tune metrics on.")
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(metavar="LEVEL", help="Intervals at this level, such as 0.95, and floors between halves "
                     "of REAL. Several models always have intervals, at 0.95."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="INT", min=0, help="Repeats a run exactly.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no remarks.")] = False,
) -> None:  # fmt: skip
    """Measure how far the samples in MODEL lie from those in REAL.

    Files: .npy; .npz, .pt, .pth (one array, or file.npz:key); .csv, .tsv, .parquet (numeric
    columns, or file.csv:a,b); .h5, .hdf5, .zarr (one array, or file.h5:name); MNIST's idx, also
    gzipped; a folder of images of one size; - for CSV from standard input. One row a sample. Rows
    are chosen by file.npy[0:1000].

    Images are flattened; 8-bit ones are divided by 255, into [0, 1]. Other numbers are taken as
    they are.

    Several models: energy, squared_mmd and frechet, or the metrics named, of each, their differences
    with intervals that hold for all pairs together, and ranks; --json, --html and --markdown take
    them too, and --fail-if holds for each of them.

    Exit code: 0 if at least one metric succeeded and no limit was broken, 1 otherwise, 2 if something
    was refused.
    """
    import divergences  # noqa: F401  fills METRICS
    from divergences.evaluate import SEVERAL, evaluate
    from divergences.report.limits import judged

    if json_file == "-" and markdown == "-":
        fail("--json - and --markdown - would print into each other; name a file for one of them")
    if len(models) > 1:
        if validation:
            fail("--validation is for one model; leave it out, or name one model")
        _rank(
            real, models, metric or (RANKED_BY if not fail_if else []), fail_if or [],
            0.95 if confidence is None else confidence,
            json_file, html, markdown, junit, seed, quiet,
        )  # fmt: skip
        return
    model = models[0]
    with refusals():
        limits, chosen = _limited(metric or [], fail_if or [])
        for limit in limits:
            if limit.field == "p_value" and confidence is None and limit.metric.name not in SEVERAL:
                raise ValueError(f"{limit}: p-values need --confidence, such as --confidence 0.95")
        outputs = [html, junit, *(None if name == "-" else name for name in (json_file, markdown))]
        check_outputs(outputs, inputs=[real, model, validation])
    x, y, *more = read_all(real, model, *([validation] if validation else []))
    held_out = more[0] if more else None
    if not quiet:
        remark_on_scale(x, y)
    names = short_names(x.source, y.source)
    with refusals(f" (x is {names[0]}, y is {names[1]})"):
        report = evaluate(
            x.array, y.array, chosen or None, validation=held_out.array if held_out else None, rng=seed,
            confidence=confidence,
            names=names, image_shape=x.image_shape or y.image_shape, progress=False if quiet else None,
        )  # fmt: skip
    report = replace(report, columns=x.names or y.names)
    verdicts = judged(limits, {row.metric: row for row in report.rows}, names[1])
    _deliver(report, verdicts, json_file, html, markdown, junit)
    _judge(verdicts)
    raise typer.Exit(0 if any(row.status == "ok" for row in report.rows) else 1)


def _limited(specs: list[str], conditions: list[str]) -> tuple[list[Limit], list[Metric]]:
    """The limits, and every metric that is asked for by itself or by a limit."""
    from divergences.registry import complete, parse
    from divergences.report.limits import metrics_of, parsed

    return metrics_of(map(parsed, conditions), [complete(parse(spec)) for spec in specs])


def _judge(verdicts: Sequence[Verdict]) -> None:
    """Name every limit that was broken, and exit with 1 if one was."""
    for verdict in verdicts:
        if verdict.failed:
            complain(f"{verdict.subject}: {verdict.reason}")
    if any(verdict.failed for verdict in verdicts):
        raise typer.Exit(1)


def _rank(
    real: str,
    models: list[str],
    metrics: list[str],
    conditions: list[str],
    confidence: float,
    json_file: str | None,
    html: str | None,
    markdown: str | None,
    junit: str | None,
    seed: int,
    quiet: bool,
) -> None:
    """Several models against one reference."""
    from divergences.inference import compare_models
    from divergences.report.files import json_text, write_text
    from divergences.report.limits import judged

    with refusals():
        limits, chosen = _limited(metrics, conditions)
        outputs = [html, junit, *(None if name == "-" else name for name in (json_file, markdown))]
        check_outputs(outputs, inputs=[real, *models])
        for limit in limits:
            if limit.field == "p_value":
                raise ValueError(f"{limit}: p-values are of one model, with --confidence; name one model")
    x, *others = read_all(real, *models)
    names = [short_names(real, name)[1] for name in models]
    if len(set(names)) < len(names):
        names = models
    if len(set(names)) < len(names):
        fail(f"each model must be named once; got {', '.join(names)}")
    if not quiet:
        for y in others:
            remark_on_scale(x, y)
    with refusals():
        samples = {name: y.array for name, y in zip(names, others, strict=True)}
        found = compare_models(chosen, x.array, samples, confidence=confidence, rng=seed)
    rows = {name: _rows_of(found, name) for name in names}
    verdicts = [each for name in names for each in judged(limits, rows[name], name)]
    text = json_text({**found.to_dict(), **_told(verdicts)})
    reference = short_names(models[0], real)[1]
    table = found.markdown(reference=reference) + _lines(verdicts)
    with refusals():
        if json_file and json_file != "-":
            write_text(json_file, text + "\n")
        if html:
            found.html(html, reference=reference)
        if markdown and markdown != "-":
            write_text(markdown, table)
        if junit:
            _write_junit(
                junit, {name: list(own.values()) for name, own in rows.items()}, verdicts, real, seed
            )
    if markdown == "-":
        typer.echo(table, nl=False)
    else:
        typer.echo(text if json_file == "-" else str(found))
    _judge(verdicts)


def _rows_of(found: Comparison, model: str) -> dict[str, Row]:
    """One model's values as the rows of a report, by metric."""
    from divergences._record import Row
    from divergences.registry import parse

    rows = {}
    for each in found.standings:
        if each.model == model:
            metric, estimate = parse(each.metric), each.estimate
            rows[each.metric] = Row(
                each.metric, estimate.value, "ok", metric.meaning, metric.better, metric.convention, 0.0,
                standard_error=estimate.standard_error,
            )  # fmt: skip
    return rows


def _told(verdicts: Sequence[Verdict]) -> dict[str, object]:
    return {"limits": [verdict.to_dict() for verdict in verdicts]} if verdicts else {}


def _lines(verdicts: Sequence[Verdict]) -> str:
    """The limits below a markdown table."""
    return "".join(
        f"\n{'❌' if each.failed else '✅'} `fail if {each.limit}`: {each.subject}: {each.reason}\n"
        for each in verdicts
    )


def _write_junit(
    path: str, subjects: dict[str, list[Row]], verdicts: Sequence[Verdict], reference: str, seed: int
) -> None:
    from importlib.metadata import PackageNotFoundError, version

    from divergences.report import junit
    from divergences.report.files import write_text

    properties: dict[str, object] = {"reference": reference, "seed": seed}
    with contextlib.suppress(PackageNotFoundError):
        properties["divergences"] = version("divergences")
    write_text(path, junit.render(subjects, verdicts, reference=reference, properties=properties))


def _deliver(
    report: Report,
    verdicts: Sequence[Verdict],
    json_file: str | None,
    html: str | None,
    markdown: str | None,
    junit: str | None,
) -> None:
    """Files first: a report that is printed has been saved."""
    from divergences.report.files import json_text, write_text

    record = json_text({**report.to_dict(), **_told(verdicts)})
    table = report.markdown() + _lines(verdicts)
    with refusals():
        if html:
            report.html(html)
        if json_file and json_file != "-":
            write_text(json_file, record)
        if markdown and markdown != "-":
            write_text(markdown, table)
        if junit:
            subjects = {report.names[1]: list(report.rows)}
            _write_junit(junit, subjects, verdicts, report.names[0], report.seed)
    if json_file == "-":
        typer.echo(record)
    elif markdown == "-":
        typer.echo(table, nl=False)
    else:
        console = Console()
        width = min(console.width, 160)
        typer.echo(report.text(width=width, color=console.color_system is not None))
