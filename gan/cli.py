"""The command line: ``gan train``, ``gan evaluate``, ``gan compare``, ``gan diagnose``.

Nothing is listed here by hand that a table elsewhere knows: data, objectives, networks and recipes are
named by text and looked up. What the user can mend is one line on stderr and exit code 2. Commands are
functions on ``app``, with their own files in ``commands``; torch is imported on use, so help comes at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from gan import _shell
from gan.commands.compare import compare
from gan.commands.diagnose import diagnose
from gan.commands.evaluate import evaluate

if TYPE_CHECKING:
    from gan.recipes import Recipe

__all__ = ["app", "main"]

app = typer.Typer(
    name="gan", help="Train generative models with the measures of divergences, judge them by the same.",
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 training stopped, 2 refused, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        command = typer.main.get_command(app)
        given = None if arguments is None else list(arguments)
        code = command.main(given, prog_name="gan", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        _shell.complain("interrupted; gan train goes on with --resume, gan compare with the same --out")
        code = 130
    except Exception as error:
        # a usage error: its class is click's or typer's own copy, by version; its method has never moved
        if not hasattr(error, "format_message"):
            raise
        _shell.complain(error.format_message())
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


app.command()(evaluate)
app.command()(compare)
app.command()(diagnose)


@app.callback(invoke_without_command=True)
def _start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def train(
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="digits, ring, grid, 'mnist(path)', …; or a path of yours."),
    ] = None,
    objective: Annotated[
        str | None, typer.Option(metavar="OBJECTIVE", help="non-saturating, wgan-gp, relativistic, energy, …")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="A recipe known to work: digits, ring, grid, …")
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Where everything goes; by default a new folder.")
    ] = None,
    iterations: Annotated[int | None, typer.Option(metavar="INT", help="How many generator steps.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="INT", help="Repeats a run, bit by bit on CPU.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("-s", "--set", metavar="FIELD=VALUE", help="Any other field of the recipe, such as "
                     "generator='mlp(64, 64)', critic_steps=5, update=extragradient; may be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    precision: Annotated[
        str | None, typer.Option(help="32-true (as without this option), 64-true, bf16-mixed or bf16-true.")
    ] = None,
    compile: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    measure: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="The metric watched on held-out data: energy; 'none' for none."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:  # fmt: skip
    """Train a generator; leave samples, curves, a checkpoint and an HTML report in a folder.

    Without options: handwritten digits, about a minute. Options change the recipe; the recipe is that
    named, or that of the data's name, or one for its kind. An interrupted run is continued by --resume
    with its --out alone, to the bit. Several processes: fabric run, with this program's file.

    Exit code: 0 if done, 1 if training was stopped by a fault, 2 if something was refused.
    """
    with _shell.refusals():
        from gan import training
        from gan.report import write

        changes = _shell.settings(settings or [])
        for name, value in (("iterations", iterations), ("seed", seed)):
            if value is not None:
                changes[name] = value
        if resume:
            given = {"--data": data, "--objective": objective, "--recipe": recipe}
            chosen, kept = _resumed(out, [name for name, value in given.items() if value is not None])
            precision, measure = precision or kept["precision"], measure or kept["measure"] or "none"
        else:
            chosen = _recipe(data, objective, recipe, changes.get("critic"))
        chosen = chosen.but(**changes)
        dataset = _shell.load(chosen)
        folder = Path(out) if out else _shell.free(f"gan-{dataset.name}")
        bar = False if quiet else None
        try:
            model = training.train(
                chosen, dataset=dataset, out=folder, resume=resume, accelerator=accelerator,
                precision=precision or "32-true", compile=compile, progress=bar,
                measure=None if measure == "none" else measure or "energy",
            )  # fmt: skip
        except training.TrainingFault as fault:
            _shell.complain(str(fault))
            raise typer.Exit(1) from None
        if not training.is_first_process():
            return
        report = write(model, dataset, folder, progress=bar)
    typer.echo(report.text())
    typer.echo(f"\nsamples, curves and checkpoint are in {folder}; open {folder / 'report.html'}")


# ── the recipe ──────────────────────────────────────────────────────────────────────────────


def _recipe(data: str | None, objective: str | None, name: str | None, critic: str | None = None) -> Recipe:
    """The recipe named, or that of the data, with the objective asked for and its companions."""
    from gan import recipes

    found = recipes.named(name) if name else recipes.for_data(data or "digits")
    if data:
        found = found.but(data=data)
    if critic is not None:
        found = found.but(critic=critic)
    return found if objective is None else recipes.with_objective(found, objective)


def _resumed(out: str | None, given: list[str]) -> tuple[Recipe, dict[str, Any]]:
    """The recipe in a folder's checkpoint, the precision it was trained at and the measure of its log."""
    from gan import _checkpoint
    from gan.recipes import Recipe

    if out is None:
        raise ValueError("--resume needs --out, the folder of the run to go on with")
    if given:
        raise ValueError(
            f"--resume goes on with the recipe of the run in {out}: leave {', '.join(given)} out"
        )
    state = _checkpoint.load(Path(out) / "checkpoint.pt")
    kept = {"precision": state.get("precision", "32-true"), "measure": state.get("measure", "energy")}
    return Recipe.from_dict(state["recipe"]), kept


if __name__ == "__main__":
    main()
