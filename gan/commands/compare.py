"""``gan compare``: objectives side by side, the same networks and budget, medians over seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan import _shell

__all__ = ["compare"]


def compare(
    objectives: Annotated[
        str,
        typer.Option("--objectives", metavar="A,B,C", help="relativistic,wgan-gp,energy,…; required."),
    ],
    data: Annotated[str, typer.Option(metavar="DATA", help="As for gan train.")] = "digits",
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="Networks and rates; the data's own, by default.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(metavar="INT", help="Generator steps of every run; the recipe's by default.")
    ] = None,
    cpu_seconds: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Equal time for every run instead; the "
                                   "autoencoder's counts.")
    ] = None,
    seeds: Annotated[
        str, typer.Option(metavar="A,B,C", help="Seeds, or a range such as 0-4.")
    ] = "0,1,2",
    settings: Annotated[
        list[str] | None,
        typer.Option("-s", "--set", metavar="FIELD=VALUE", help="Any other field of the recipe; repeatable."),
    ] = None,
    samples: Annotated[int, typer.Option(metavar="INT", help="Samples each run is judged by.")] = 10_000,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where everything goes; runs in it are not done again."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of the table.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No bar, no line for each run.")] = False,
) -> None:  # fmt: skip
    """Train several objectives with the same networks and budget; print one table.

    Each objective is trained from every seed and judged on held-out data. The table holds medians over the
    seeds, counts runs that NaN stopped, and has control rows: training data, k-means centroids. The folder
    gets compare.json and compare.html with intervals, curves and samples. Interrupted: the same command
    with --out goes on where it was.

    Exit code: 0 if done, 2 if something was refused.
    """
    with _shell.refusals():
        from divergences.report.files import json_text, write_text
        from gan import comparison, comparison_page, recipes
        from gan import data as datasets

        base = recipes.named(recipe).but(data=data) if recipe else recipes.for_data(data)
        if iterations is not None and cpu_seconds is not None:
            raise ValueError("--iterations and --cpu-seconds are two budgets; give one of them")
        changes = _shell.settings(settings or [])
        base = base.but(**changes, **({} if iterations is None else {"iterations": iterations}))
        folder = out or _shell.free(f"gan-compare-{datasets.load(data).name}")
        found = comparison.compare(
            base, _split(objectives), _seeds(seeds), cpu_seconds=cpu_seconds, out=folder, samples=samples,
            progress=False if quiet else None, told=_silent if quiet or json else typer.echo,
        )  # fmt: skip
        write_text(folder / "compare.html", comparison_page.render(found, datasets.load(data)))
    if json:
        typer.echo(json_text(found.to_dict()))
        return
    typer.echo(comparison_page.table(found, intervals=False).text())
    typer.echo(f"\nthe page, with intervals, is {folder / 'compare.html'}")


def _silent(line: str) -> None:
    """Where no lines are wanted."""


def _split(text: str) -> list[str]:
    """Names between commas that stand outside brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip()]


def _seeds(text: str) -> list[int]:
    try:
        parts = [[int(end) for end in part.split("-")] for part in text.split(",")]
        found = [seed for part in parts for seed in range(part[0], part[-1] + 1)]
    except ValueError:
        found = []
    if not found:
        raise ValueError(f"seeds must read like 0,1,2 or 0-4; got {text!r}")
    return found
