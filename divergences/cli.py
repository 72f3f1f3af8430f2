"""The command line: ``divergences compare``, ``metrics``, ``laws`` and ``demo``.

No metric is named here; everything comes from METRICS. What the user can mend is one line on
stderr and exit code 2. Everything but typer and rich is imported on use, so help comes at once.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from divergences._shell import check_outputs, complain, fail, refusals
from divergences.commands.compare import compare

if TYPE_CHECKING:
    from divergences.registry import Metric

__all__ = ["app", "main"]

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
        complain("interrupted")
        code = 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        # a usage error: its class is click's or typer's own copy, by version; its method has never moved
        if not hasattr(error, "format_message"):
            raise
        complain(error.format_message())
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


app.command()(compare)


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
        str | None,
        typer.Option(metavar="SPACE", help="What a function takes: pmf, samples (if not said) or gaussian."),
    ] = None,
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
    from divergences.registry import Metric

    with refusals():
        found = resolve(target)
        row = isinstance(found, Metric)
        on = on if row else on or "samples"
        report = check(
            found, laws=law, claims=[word.strip() for word in claims.split(",") if word.strip()],
            on=on, examples=examples, degree=degree, library=library, dtype=dtype, rng=seed, progress=None,
        )  # fmt: skip
    typer.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False) if as_json else str(report))
    if not any(finding.status in ("held", "violated") for finding in report.findings):
        if row:
            fail(f"no law of {target} could be tried, so nothing is shown; take more --examples")
        others = " or ".join(f"--on {space}" for space in ("pmf", "samples", "gaussian") if space != on)
        fail(f"no law could be tried on {on}, so nothing is shown; what {target} takes is said by {others}")
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

    with refusals():
        check_outputs([json_file, html], inputs=[])
        run(seed=seed, html=html, json_file=json_file)
