"""The command line: ``divergences compare``, ``metrics``, ``laws`` and ``demo``.

No metric is named here; everything comes from METRICS. What the user can mend is one line on
stderr and exit code 2. Everything but typer and rich is imported on use, so help comes at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

if TYPE_CHECKING:
    from divergences.evaluate import Report, Row
    from divergences.inference import Comparison
    from divergences.readers import Data
    from divergences.registry import Metric
    from divergences.report.limits import Limit, Verdict

__all__ = ["app", "main"]

RANKED_BY = ["energy", "squared_mmd", "frechet"]  # by which several models are compared

app = typer.Typer(
    name="divergences", help="How far apart are two sets of samples, and how sure are you?",
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 no metric succeeded or a limit was broken, 2 refused."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an arrow that the terminal's encoding lacks is no reason to fail
            stream.reconfigure(errors="replace")
    try:
        command = typer.main.get_command(app)
        given = None if arguments is None else list(arguments)
        code = command.main(given, prog_name="divergences", standalone_mode=False)
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt):
        _complain("interrupted")
        code = 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        # a usage error: its class is click's or typer's own copy, by version; its method has never moved
        if not hasattr(error, "format_message"):
            raise
        _complain(error.format_message())
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"divergences {version('divergences')}")
        except PackageNotFoundError:
            typer.echo("divergences, not installed")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


# ── compare ─────────────────────────────────────────────────────────────────────────────────


@app.command()
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
    from divergences.evaluate import evaluate
    from divergences.report.limits import judged

    if json_file == "-" and markdown == "-":
        _fail("--json - and --markdown - would print into each other; name a file for one of them")
    if len(models) > 1:
        if validation:
            _fail("--validation is for one model; leave it out, or name one model")
        _rank(
            real, models, metric or (RANKED_BY if not fail_if else []), fail_if or [], confidence or 0.95,
            json_file, html, markdown, junit, seed, quiet,
        )  # fmt: skip
        return
    model = models[0]
    with _refusals():
        limits, chosen = _limited(metric or [], fail_if or [])
        outputs = [html, junit, *(None if name == "-" else name for name in (json_file, markdown))]
        _check_outputs(outputs, inputs=[real, model, validation])
    x, y, held_out = _read_all(real, model, validation)
    if not quiet:
        _remark_on_scale(x, y)
    names = _short_names(x.source, y.source)
    with _refusals(f" (x is {names[0]}, y is {names[1]})"):
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
            _complain(f"{verdict.subject}: {verdict.reason}")
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
    from divergences.readers import read
    from divergences.report.files import json_text, write_text
    from divergences.report.limits import judged

    if sum(name == "-" or name.startswith(("-:", "-[")) for name in (real, *models)) > 1:
        _fail("standard input (-) can be read only once; put the other samples in files")
    with _refusals():
        limits, chosen = _limited(metrics, conditions)
        outputs = [html, junit, *(None if name == "-" else name for name in (json_file, markdown))]
        _check_outputs(outputs, inputs=[real, *models])
        x, *others = (read(name) for name in (real, *models))
    names = [_short_names(real, name)[1] for name in models]
    if len(set(names)) < len(names):
        names = models
    if len(set(names)) < len(names):
        _fail(f"each model must be named once; got {', '.join(names)}")
    if not quiet:
        for y in others:
            _remark_on_scale(x, y)
    with _refusals():
        samples = {name: y.array for name, y in zip(names, others, strict=True)}
        found = compare_models(chosen, x.array, samples, confidence=confidence, rng=seed)
    rows = {name: _rows_of(found, name) for name in names}
    verdicts = [each for name in names for each in judged(limits, rows[name], name)]
    text = json_text({**found.to_dict(), **_told(verdicts)})
    reference = _short_names(models[0], real)[1]
    with _refusals():
        if json_file and json_file != "-":
            write_text(json_file, text + "\n")
        if html:
            found.html(html, reference=reference)
        if markdown and markdown != "-":
            found.markdown(markdown, reference=reference)
        if junit:
            _write_junit(
                junit, {name: list(own.values()) for name, own in rows.items()}, verdicts, real, seed
            )
    if markdown == "-":
        typer.echo(found.markdown(reference=reference), nl=False)
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


def _read_all(real: str, model: str, validation: str | None) -> tuple[Data, Data, Data | None]:
    from divergences.readers import read

    given = [name for name in (real, model, validation) if name is not None]
    if sum(name == "-" or name.startswith(("-:", "-[")) for name in given) > 1:
        _fail("standard input (-) can be read only once; put one of the samples in a file")
    with _refusals():
        x, y = read(real), read(model)
        held_out = None if validation is None else read(validation)
        for other in filter(None, [y, held_out]):
            if x.image_shape and other.image_shape and x.image_shape != other.image_shape:
                raise ValueError(
                    f"{x.source} holds images of {_size(x.image_shape)}, {other.source} of "
                    f"{_size(other.image_shape)}; resize one of them"
                )
            if x.names and other.names and x.names != other.names and sorted(x.names) == sorted(other.names):
                raise ValueError(
                    f"{other.source} has the columns of {x.source} in another order; choose the same "
                    f"for both, as in {other.source}:{','.join(x.names)}"
                )
    return x, y, held_out


def _size(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _remark_on_scale(x: Data, y: Data) -> None:
    """8-bit images beside a model's pixels in [0, 255] or [−1, 1]: right as asked, hardly as meant."""
    if not (x.image_shape or y.image_shape):
        return
    (low, high), (other_low, other_high) = ((float(a.array.min()), float(a.array.max())) for a in (x, y))
    span = max(high - low, 1e-300)
    if other_low < low - span / 4 or other_high > high + span / 4:
        _complain(
            f"note: {x.source} lies in [{low:g}, {high:g}], {y.source} in [{other_low:g}, {other_high:g}]; "
            "are both on one scale?"
        )


def _short_names(real: str, model: str) -> tuple[str, str]:
    """The ends of the two paths, from as few folders as tell them apart."""
    parts = Path(real).parts, Path(model).parts
    for count in range(1, max(map(len, parts)) + 1):
        short = tuple(str(Path(*each[-count:])) if each else "." for each in parts)
        if short[0] != short[1]:
            return short[0], short[1]
    return real, model


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
    table = report.markdown() + "".join(
        f"\n{'❌' if each.failed else '✅'} `fail if {each.limit}`: {each.reason}\n" for each in verdicts
    )
    with _refusals():
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


# ── metrics ─────────────────────────────────────────────────────────────────────────────────


@app.command()
def metrics(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every field.")] = False,
) -> None:
    """List the metrics: what each takes, costs and means."""
    import divergences  # noqa: F401  fills METRICS
    from divergences.registry import METRICS

    rows = [_described(METRICS[name]) for name in sorted(METRICS, key=lambda name: ("." in name, name))]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    titles = ("metric", "takes", "cost", "better", "gradient", "weights")
    lines = [titles, *(_cells(row) for row in rows)]
    conventions = [str(row["convention"]).replace("``", "") for row in rows]  # no markup in a terminal
    widths = [max(len(line[k]) for line in lines) for k in range(len(titles))]
    console = Console(highlight=False, markup=False, emoji=False)
    for number, line in enumerate(lines):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        console.print(text, style="bold" if number == 0 else "cyan", soft_wrap=True)
        if number:
            options = ", ".join(map(str, rows[number - 1]["options"])) or "none"  # type: ignore[call-overload]
            for text in (conventions[number - 1], f"options: {options}"):
                for part in textwrap.wrap(text, min(console.width, 110) - 4):
                    console.print(f"    {part}", soft_wrap=True)
    console.print("\nOptions are given as in a call: -m 'name(option=value)'. All fields: --json")


def _described(metric: Metric) -> dict[str, object]:
    return {
        "name": metric.name,
        "takes": metric.on,
        "cost": metric.cost,
        "better": metric.better,
        "differentiable": metric.differentiable,
        "weights": metric.weighted,
        "convention": metric.convention,
        "meaning": metric.meaning,
        "options": [name for name in metric.keywords if name not in ("x_weights", "y_weights")],
        "reference": metric.reference,
    }


def _cells(row: dict[str, object]) -> tuple[str, ...]:
    flags = ("yes" if row[key] else "no" for key in ("differentiable", "weights"))
    return (*(str(row[key]) for key in ("name", "takes", "cost", "better")), *flags)


# ── laws ────────────────────────────────────────────────────────────────────────────────────


@app.command()
def laws(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A function, package.module:function, or a metric's spec.")
    ],
    claims: Annotated[
        str, typer.Option(metavar="WORDS", help="What it claims to be: metric, or 'f-divergence,symmetric'.")
    ] = "",
    on: Annotated[
        str, typer.Option(metavar="SPACE", help="What it takes: pmf, samples or gaussian.")
    ] = "samples",
    law: Annotated[
        list[str] | None, typer.Option("-l", "--law", metavar="NAME", help="Only this law; may be repeated.")
    ] = None,
    examples: Annotated[int, typer.Option(metavar="INT", min=1, help="Cases each law is tried on.")] = 100,
    degree: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="c times the samples is c^degree times the value."),
    ] = None,
    library: Annotated[str, typer.Option(metavar="NAME", help="numpy or torch.")] = "numpy",
    dtype: Annotated[str, typer.Option(metavar="NAME", help="float64 or float32.")] = "float64",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: Annotated[int, typer.Option(metavar="INT", min=0, help="Repeats a run exactly.")] = 0,
) -> None:
    """Hold a function to the laws of what it claims to be.

    A violation is shown with its smallest counterexample, as runnable Python.

    Exit code: 0 if every law held, 1 if one was violated, 2 if something was refused or none could be tried.
    """
    import divergences  # noqa: F401  fills METRICS
    from divergences.laws import check, resolve

    with _refusals():
        report = check(
            resolve(target), laws=law, claims=[word.strip() for word in claims.split(",") if word.strip()],
            on=on, examples=examples, degree=degree, library=library, dtype=dtype, rng=seed, progress=None,
        )  # fmt: skip
    typer.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False) if as_json else str(report))
    if not any(finding.status in ("held", "violated") for finding in report.findings):
        others = " or ".join(f"--on {space}" for space in ("pmf", "samples", "gaussian") if space != on)
        _fail(f"no law could be tried on {on}, so nothing is shown; what {target} takes is said by {others}")
    raise typer.Exit(0 if report.ok else 1)


# ── demo ────────────────────────────────────────────────────────────────────────────────────


@app.command()
def demo(
    html: Annotated[
        str, typer.Option(metavar="FILE", help="Where the HTML report goes.")
    ] = "demo-report.html",
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the reports as JSON.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="INT", min=0, help="Repeats a run exactly.")] = 0,
) -> None:
    """Judge four models of handwritten digits, in words too."""
    import divergences  # noqa: F401  fills METRICS
    from divergences.demo import run

    with _refusals():
        _check_outputs([json_file, html], inputs=[])
        run(seed=seed, html=html, json_file=json_file)


# ── refusals ────────────────────────────────────────────────────────────────────────────────


def _complain(text: str) -> None:
    """One line on stderr, whatever the message looked like."""
    sys.stderr.write(f"divergences: {' '.join(text.split())}\n")


def _fail(text: str) -> NoReturn:
    _complain(text)
    raise typer.Exit(2)


@contextlib.contextmanager
def _refusals(suffix: str = "") -> Iterator[None]:
    """What the user can mend becomes one line and exit code 2."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}{suffix}")
    except (ValueError, TypeError, ImportError) as error:
        _fail(f"{error}{suffix}")
    except MemoryError:
        _fail(f"not enough memory; take fewer rows, as in file.npy[0:10000]{suffix}")


def _check_outputs(outputs: Sequence[str | None], inputs: Sequence[str | None]) -> None:
    """Refuse, before any long work, what could not be written or would overwrite the samples."""
    seen: set[Path] = set()
    for name in outputs:
        if name is None:
            continue
        if name == "-":
            raise ValueError("only 'compare --json -' and '--markdown -' print their output; name a file")
        target = Path(name).resolve()
        if any(given and Path(given).exists() and target == Path(given).resolve() for given in inputs):
            raise ValueError(f"{name}: would overwrite the samples; name another file")
        if target in seen:
            raise ValueError(f"{name}: two outputs cannot share one file")
        seen.add(target)
        if target.is_dir():
            raise ValueError(f"{name}: is a folder; name a file in it")
        if not target.parent.is_dir():
            raise ValueError(f"{name}: there is no folder {target.parent}")
        if not target.exists() or target.is_file():  # /dev/stdout needs no file beside it
            try:
                tempfile.TemporaryFile(dir=target.parent).close()
            except OSError as error:
                raise ValueError(f"{name}: cannot be written ({error.strerror or error})") from None
