"""One training loop, read from top to bottom: Algorithm 1 of Goodfellow et al. (2014) and its descendants.

``train`` builds what a recipe names and runs it: the loop is here, what it moves in ``gan._run``. Lightning
Fabric gives devices, precision and processes: ``fabric run`` takes the same script to several machines.
Everything random is a function of the seed and the iteration (``gan._random``), so a run resumed from its
checkpoint has the bits of an unbroken one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divergences._progress import Bar
from gan import data
from gan._log import Log
from gan._random import reseed, seeded
from gan._run import Run, framed, threads
from gan.model import Frame, Model
from gan.recipes import Recipe

__all__ = ["TrainingFault", "framed", "is_first_process", "train"]

SEEN = ("critic_loss", "critic_norm", "generator_loss", "generator_norm")  # what an update gives
PRECISIONS = ("32-true", "64-true", "bf16-mixed", "bf16-true")


class TrainingFault(RuntimeError):
    """A loss or gradient went wrong. ``model`` is from before that, as is the file ``checkpoint``, if any."""

    def __init__(self, message: str, iteration: int, model: Model, checkpoint: Path | None) -> None:
        super().__init__(message)
        self.iteration, self.model, self.checkpoint = iteration, model, checkpoint


def train(
    recipe: Recipe, *, dataset: data.Dataset | None = None, objective: Any = None,
    generator: nn.Module | None = None, critic: nn.Module | None = None, frame: Frame | None = None,
    out: str | os.PathLike[str] | None = None, resume: bool = False, measure: str | None = "energy",
    log_every: int = 100, checkpoint_seconds: float = 30.0, accelerator: str = "auto",
    precision: str = "32-true", compile: bool = False, tensorboard: bool = True,
    progress: bool | None = None, fabric: Any = None, watch: Callable[[Model], object] | None = None,
) -> Model:  # fmt: skip
    """Train what ``recipe`` names; the generator, its average, the critic and the log, as a ``Model``.

    ``dataset``, ``objective``, ``generator`` and ``critic`` take the place of what the recipe's text names
    (a run with networks of its own is resumed with the same ones given). ``frame`` is what ``framed`` gave
    for this recipe and data: runs that differ in their objective may share an autoencoder. ``out`` is a
    folder for ``checkpoint.pt`` (written every ``checkpoint_seconds``), ``log.jsonl`` and TensorBoard's
    files; ``resume`` goes on from the checkpoint there, or starts where there is none. Every ``log_every``
    iterations the log gets a record and losses and gradients are looked at: NaN or a norm above
    ``recipe.gradient_limit`` raises ``TrainingFault`` and leaves ``before-fault.pt``. ``measure`` is a metric
    between averaged samples and held-out data, taken about 20 times. ``compile`` runs the networks through
    torch.compile. ``fabric`` is a Fabric of your own in place of ``accelerator`` and ``precision``. ``watch``
    is called with the model, as it then is, before the first iteration and at every record.

    >>> from gan.recipes import Recipe
    >>> recipe = Recipe(data="ring(n=500)", objective="energy", iterations=3, batch=64)
    >>> train(recipe, measure=None).sample(5, rng=0).shape
    (5, 2)
    """
    _refuse_several(measure)
    fabric = _fabric(accelerator, precision) if fabric is None else fabric
    # of several processes the first one looks: by the time another does, that one may have written
    folder = _folder(out, resume) if fabric.is_global_zero or out is None else Path(out)
    with threads(recipe.threads), seeded(fabric.device, recipe.seed):
        run = Run(
            recipe, fabric, dataset, objective, generator, critic, frame, compile, progress, folder, resume
        )
        run.measure = measure
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        log = Log(folder if fabric.is_global_zero else None, run.history, tensorboard=tensorboard)
        try:
            _loop(run, log, folder, measure, log_every, checkpoint_seconds, progress, watch)
        finally:
            log.close()
    return run.model()


# ── the loop ────────────────────────────────────────────────────────────────────────────────


def _loop(
    run: Run, log: Log, folder: Path | None, measure: str | None, log_every: int,
    checkpoint_seconds: float, progress: bool | None, watch: Callable[[Model], object] | None,
) -> None:  # fmt: skip
    recipe = run.recipe
    step = UPDATES[recipe.update]
    good, saved = run.snapshot(), time.monotonic()
    window: list[Tensor] = []  # losses and norms of the iterations since the last look
    measure_every = max(recipe.iterations // 20 // log_every, 1) * log_every
    if watch:
        watch(run.model())
    with Bar(recipe.iterations, progress, "training") as bar:
        bar.reach(run.iteration)
        try:
            while run.iteration < recipe.iterations:
                reseed(run.device, recipe.seed, run.rank, run.iteration)
                run.set_rates()
                window.append(step(run))
                run.average()
                run.iteration += 1
                bar.advance()
                last = run.iteration == recipe.iterations
                if run.iteration % log_every and not last:
                    continue
                # the one look at the device's numbers in many iterations
                seen = run.fabric.all_reduce(torch.stack(window), reduce_op="mean").tolist()
                _stop_at_faults(run, seen, good, folder)
                window.clear()
                record = run.record(dict(zip(SEEN, np.mean(seen, axis=0).tolist(), strict=True)))
                if measure and (last or run.iteration % measure_every == 0):
                    record[measure] = run.measured(measure)
                log.write(record)
                bar.label(_label(record, measure))
                run.share_buffers()
                run.history = log.history
                if watch:
                    watch(run.model())
                good = run.snapshot()
                if folder and (last or time.monotonic() - saved > checkpoint_seconds):
                    run.save(folder / "checkpoint.pt", good)
                    saved = time.monotonic()
        except KeyboardInterrupt:
            if folder:
                run.save(folder / "checkpoint.pt", good)
            raise


def alternating(run: Run) -> Tensor:
    """Algorithm 1: k critic steps, then one generator step against the critic they gave."""
    critic_loss = critic_norm = run.zero
    real, fake = run.real(), None
    steps = run.critic_steps(run.iteration)
    for number in range(steps):
        real = run.real() if number else real
        # the last critic step and the generator's share their samples: one forward pass for both
        fake = run.fake(with_graph=number == steps - 1)
        critic_loss, critic_norm = run.critic_gradient(real, fake)
        run.step_critic()
    fake = run.fake(with_graph=True) if fake is None else fake
    generator_loss, generator_norm = run.generator_gradient(real, fake)
    run.step_generator()
    return torch.stack([critic_loss, critic_norm, generator_loss, generator_norm])


def simultaneous(run: Run) -> Tensor:
    """Both gradients at the same point, then both steps; further critic steps come before."""
    for _ in range(run.critic_steps(run.iteration) - 1):
        run.critic_gradient(run.real(), run.fake(with_graph=False))
        run.step_critic()
    losses = _both_gradients(run)
    run.step_critic()
    run.step_generator()
    return losses


def extragradient(run: Run) -> Tensor:
    """A step ahead, then the step from where one stood with the gradients found there (Gidel et al. 2019).

    Both steps move the optimisers' own averages, as in their algorithm 4 (ExtraAdam).
    """
    for _ in range(run.critic_steps(run.iteration) - 1):
        run.critic_gradient(run.real(), run.fake(with_graph=False))
        run.step_critic()
    # what is come back to must be within the constraint: the gradients constrain the point ahead only
    if run.critic is not None:
        run.regularizer.constrain(run.critic)
    weights = [*run.generator_weights, *run.critic_weights]
    before, counted = [weight.detach().clone() for weight in weights], run.critic_step
    _both_gradients(run)
    run.step_critic()
    run.step_generator()
    # the step ahead does not count: else a lazy penalty of an even number would be in such steps alone
    run.critic_step = counted
    losses = _both_gradients(run)
    with torch.no_grad():
        torch._foreach_copy_(weights, before)
    run.step_critic()
    run.step_generator()
    return losses


def _both_gradients(run: Run) -> Tensor:
    real, fake = run.real(), run.fake(with_graph=True)
    critic_loss = critic_norm = run.zero
    if run.critic is not None:
        critic_loss, critic_norm = run.critic_gradient(real, fake)
    generator_loss, generator_norm = run.generator_gradient(real, fake)
    return torch.stack([critic_loss, critic_norm, generator_loss, generator_norm])


UPDATES = {"alternating": alternating, "simultaneous": simultaneous, "extragradient": extragradient}


# ── small pieces ────────────────────────────────────────────────────────────────────────────


def _stop_at_faults(run: Run, seen: list[list[float]], good: dict[str, Any], folder: Path | None) -> None:
    """Stop at the first loss or gradient that is not finite or too steep; ``good`` is from before it."""
    first = run.iteration - len(seen)
    limit = run.recipe.gradient_limit
    for number, (critic_loss, critic_norm, generator_loss, generator_norm) in enumerate(seen):
        for who, loss, norm in (
            ("critic", critic_loss, critic_norm), ("generator", generator_loss, generator_norm),
        ):  # fmt: skip
            if norm <= limit:
                continue
            what = f"the {who}'s loss is {loss:g} and its gradient has norm {norm:g} (limit {limit:g})"
            where = folder / "before-fault.pt" if folder else None
            if where:
                run.save(where, good)
            run.take_up(good)
            raise TrainingFault(
                f"iteration {first + number}: {what}; stopped. "
                + (f"The state of iteration {good['iteration']} is in {where}. " if where else "")
                + "Lower rates, a stronger regularizer or float64 (precision='64-true') may help",
                first + number, run.model(), where,
            )  # fmt: skip


def _refuse_several(measure: str | None) -> None:
    """A curve is drawn through single numbers; a slip in the name should not cost a part of the run."""
    from divergences import parse
    from divergences.evaluate import SEVERAL

    if measure is not None and parse(measure).name in SEVERAL:
        raise ValueError(f"measure must be one number, and {measure!r} gives several; take another, or None")


def _fabric(accelerator: str, precision: str) -> Any:
    from lightning_fabric import Fabric

    if precision not in PRECISIONS:
        raise ValueError(
            f"precision must be one of {', '.join(PRECISIONS)} (no 16-mixed: scaled losses hide what the "
            f"guard looks for); got {precision!r}"
        )
    # under `fabric run` its own options count; else one device, which is what small networks need
    launched = os.environ.get("LT_CLI_USED") == "1"
    devices: Any = "auto" if launched else 1
    try:
        fabric = Fabric(accelerator=accelerator, devices=devices, precision=precision)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"accelerator {accelerator!r} cannot be used here: {error}") from None
    if not launched:
        fabric.launch()
    return fabric


def is_first_process() -> bool:
    """Whether this is the one of several processes that writes and prints; True for a run of one."""
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0


def _folder(out: str | os.PathLike[str] | None, resume: bool) -> Path | None:
    if out is None:
        if resume:
            raise ValueError("resume=True needs out, the folder of the run to go on with")
        return None
    folder = Path(out)
    if not resume and (folder / "checkpoint.pt").exists():
        raise ValueError(f"{folder}: holds a run already; go on with it (resume) or name another folder")
    return folder


def _label(record: dict[str, Any], measure: str | None) -> str:
    text = f"training  estimate {record['estimate']:.3g}"
    return f"{text}  {measure} {record[measure]:.3g}" if measure in record else text
