"""``gan evaluate``: what a checkpoint is worth, on data and noise its training never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan import _shell

__all__ = ["evaluate"]


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or the folder of a run that holds one.")],
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="In place of the recipe's: its files may have moved."),
    ] = None,
    samples: Annotated[
        int, typer.Option(metavar="INT", help="Samples to draw; Parzen scores are published with 10,000.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(metavar="INT", help="Of the noise, a stream training never uses.")] = 0,
    part: Annotated[
        list[str] | None,
        typer.Option("-p", "--part", metavar="NAME", help="Only measures, parzen, modes, neighbors or "
                     "interpolation; may be repeated. All that apply, by default."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For the page; the checkpoint's, by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:  # fmt: skip
    """Judge a trained generator; print tables, leave evaluation.html and evaluation.json.

    Everything is measured on the test part of the data, with settings chosen on the validation part and
    fresh noise. Parzen scores stand beside their controls: training rows, k-means centroids, and
    reconstructions where the run has an autoencoder.

    Exit code: 0 if done, 2 if something was refused.
    """
    with _shell.refusals():
        from divergences.report.files import json_text
        from gan import evaluation, model, report

        file = checkpoint / "checkpoint.pt" if checkpoint.is_dir() else checkpoint
        found = model.load(file)
        recipe = found.recipe if data is None else found.recipe.but(data=data)
        # the split is by the run's own seed: another would put training rows among the held-out ones
        judged = evaluation.evaluate(
            found, _shell.load(recipe), samples=samples, seed=seed, parts=part or None,
            progress=False if quiet else None,
        )  # fmt: skip
        folder = file.parent if out is None else out
        folder.mkdir(parents=True, exist_ok=True)
        report.write_evaluation(judged, found, folder)
        typer.echo(json_text(judged.to_dict()) if json else judged.text())
    if not json:
        typer.echo(f"\nthe page is {folder / 'evaluation.html'}")
