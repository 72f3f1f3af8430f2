"""One training loop, read from top to bottom: Algorithm 1 of Goodfellow et al. (2014) and its descendants.

``train`` builds what a recipe names and runs it. Lightning Fabric gives devices, precision and processes:
``fabric run`` takes the same script to several machines. Everything random is a function of the seed
and the iteration (``_random``), so a run resumed from its checkpoint has the bits of an unbroken one.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divergences._progress import Bar
from gan import _checkpoint, _optimizers, autoencoder, data, networks, regularizers
from gan._log import Log
from gan._random import Batches, reseed, seeded
from gan.model import Frame, Model, noise_on
from gan.recipes import Recipe

__all__ = ["TrainingFault", "framed", "is_first_process", "train"]

MEASURED = 1000  # samples on each side of a measurement
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
    fabric = _fabric(accelerator, precision) if fabric is None else fabric
    # of several processes the first one looks: by the time another does, that one may have written
    folder = _folder(out, resume) if fabric.is_global_zero or out is None else Path(out)
    with _threads(recipe.threads), seeded(fabric.device, recipe.seed):
        run = _Run(
            recipe, fabric, dataset, objective, generator, critic, frame, compile, progress, folder, resume
        )
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
    run: _Run, log: Log, folder: Path | None, measure: str | None, log_every: int,
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
                run.check(run.fabric.all_reduce(torch.stack(window), reduce_op="mean").tolist(), good, folder)
                window.clear()
                record = run.record()
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


def alternating(run: _Run) -> Tensor:
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


def simultaneous(run: _Run) -> Tensor:
    """Both gradients at the same point, then both steps; further critic steps come before."""
    for _ in range(run.critic_steps(run.iteration) - 1):
        run.critic_gradient(run.real(), run.fake(with_graph=False))
        run.step_critic()
    losses = _both_gradients(run)
    run.step_critic()
    run.step_generator()
    return losses


def extragradient(run: _Run) -> Tensor:
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
    before = [weight.detach().clone() for weight in weights]
    _both_gradients(run)
    run.step_critic()
    run.step_generator()
    losses = _both_gradients(run)
    with torch.no_grad():
        torch._foreach_copy_(weights, before)
    run.step_critic()
    run.step_generator()
    return losses


def _both_gradients(run: _Run) -> Tensor:
    real, fake = run.real(), run.fake(with_graph=True)
    critic_loss = critic_norm = run.zero
    if run.critic is not None:
        critic_loss, critic_norm = run.critic_gradient(real, fake)
    generator_loss, generator_norm = run.generator_gradient(real, fake)
    return torch.stack([critic_loss, critic_norm, generator_loss, generator_norm])


UPDATES = {"alternating": alternating, "simultaneous": simultaneous, "extragradient": extragradient}


# ── what the loop moves ─────────────────────────────────────────────────────────────────────


class _Run:
    """The players, their optimisers and everything else that changes while training."""

    def __init__(
        self, recipe: Recipe, fabric: Any, dataset: data.Dataset | None, objective: Any,
        generator: nn.Module | None, critic: nn.Module | None, frame: Frame | None, compile: bool,
        progress: bool | None, folder: Path | None, resume: bool,
    ) -> None:  # fmt: skip
        self.recipe, self.fabric = recipe, fabric
        self.device, self.rank = fabric.device, fabric.global_rank
        self.objective = _objective(recipe) if objective is None else objective
        self.dataset = data.load(recipe.data, seed=recipe.seed) if dataset is None else dataset
        state = _resumable(folder, recipe, _precision(fabric)) if resume else None
        if state is not None:
            frame = Frame.from_state(state["frame"])
        self.frame = framed(recipe, self.dataset, self.device, progress) if frame is None else frame
        if self.frame.autoencoder is not None:
            self.frame.autoencoder.to(self.device)
        rows = self.frame.inside(self.dataset.train)
        space = self.frame.space(rows.mean(0) if self.frame.autoencoder is None else None)
        with fabric.init_module():
            made = (
                networks.generator(recipe.generator, recipe.latent, space) if generator is None else generator
            )
            self.generator = made.to(self.device)
            self.critic = self._make_critic(space, critic)
        self.dtype = next(self.generator.parameters()).dtype
        text = recipe.regularizer
        self.regularizer_text = getattr(self.objective, "regularizer", None) if text is None else text
        self.regularizer = regularizers.parse(self.regularizer_text)
        if self.critic is not None:
            self.regularizer.prepare(self.critic)
        self.averaged = copy.deepcopy(self.generator).requires_grad_(False)
        self._make_optimizers()
        self.batches = Batches(
            rows.to(self.device, self.dtype),
            recipe.batch,
            recipe.seed,
            rank=self.rank,
            world=fabric.world_size,
        )
        self.zero = torch.zeros((), device=self.device)
        self.iteration = self.critic_step = self.drawn = 0
        self.history: list[dict[str, Any]] = []
        self._before, self._started = 0.0, time.monotonic()
        self._latest: tuple[Any, Any] | None = None
        self._play_generator: Any = torch.compile(self.generator) if compile else self.generator
        self._play_critic: Any = torch.compile(self.critic) if compile and self.critic else self.critic
        if state is not None:
            self._take_up(state)

    def _make_critic(self, space: networks.Space, given: nn.Module | None) -> nn.Module | None:
        if not self.objective.needs_critic:
            return None
        if given is None:
            given = networks.critic(self.recipe.critic, space, packing=self.recipe.packing)
        return given.to(self.device)

    def _make_optimizers(self) -> None:
        recipe = self.recipe
        self.generator_weights = [w for w in self.generator.parameters() if w.requires_grad]
        self.critic_weights = [w for w in self.critic.parameters() if w.requires_grad] if self.critic else []
        made = [_optimizers.optimizer(recipe.generator_optimizer, self.generator_weights)]
        if self.critic is not None:
            made.append(_optimizers.optimizer(recipe.critic_optimizer, self.critic_weights))
        self.optimizers = [self.fabric.setup_optimizers(one) for one in made]
        self._rate = _optimizers.rate(recipe.schedule, recipe.iterations)
        self._momentum = _optimizers.momentum(recipe.momentum)
        if self._momentum and not any(
            "momentum" in group for o in self.optimizers for group in o.param_groups
        ):
            raise ValueError(
                f"momentum ({recipe.momentum!r}) moves that of sgd; the optimizers are "
                f"{recipe.generator_optimizer} and {recipe.critic_optimizer}"
            )
        steps = recipe.critic_steps
        steps = getattr(self.objective, "critic_steps", 1) if steps is None else steps
        self.critic_steps = _optimizers.critic_steps(steps) if self.critic else lambda t: 0
        self._averages = [*zip(self.averaged.parameters(), self.generator.parameters(), strict=True)]

    # ── samples ──

    def real(self) -> Tensor:
        self.drawn += 1
        return self._packed(self.batches(self.drawn - 1))

    def fake(self, *, with_graph: bool) -> Any:
        """A batch of samples, or a tuple of them where the objective takes several."""
        count = getattr(self.objective, "fake_batches", 1)
        size = self.batches.share.stop - self.batches.share.start
        with torch.set_grad_enabled(with_graph), self.fabric.autocast():
            batches = tuple(self._packed(self._play_generator(self._noise(size))) for _ in range(count))
        return batches if count > 1 else batches[0]

    def _packed(self, samples: Tensor) -> Tensor:
        """Samples side by side, where the critic judges several at a time."""
        count = self.recipe.packing if self.critic is not None else 1
        return samples if count == 1 else samples.reshape(len(samples) // count, -1)

    def _noise(self, size: int) -> Tensor:
        return noise_on(self.device, self.dtype, size, self.recipe)

    # ── gradients and steps ──

    def critic_gradient(self, real: Tensor, fake: Any) -> tuple[Tensor, Tensor]:
        """Gradients of the critic's loss on its weights; the loss and their norm, still on the device."""
        fake = tuple(part.detach() for part in fake) if isinstance(fake, tuple) else fake.detach()
        self.regularizer.constrain(self.critic)
        with self.fabric.autocast():
            loss = self.objective.critic_loss(self._play_critic, real, fake)
            penalty = self.regularizer.penalty(
                self._bounded(fake), real, fake[0] if isinstance(fake, tuple) else fake,
                step=self.critic_step, progress=self.iteration / self.recipe.iterations,
            )  # fmt: skip
        whole = loss if penalty is None else loss + penalty
        self._latest = (real, fake)
        return loss.detach(), self._descend(whole, self.critic_weights)

    def _bounded(self, fake: Any) -> Any:
        """The function whose slopes a penalty bounds: the critic, or what the objective makes of it."""
        witness = getattr(self.objective, "witness", None)
        return self.critic if witness is None else witness(self.critic, fake)

    def generator_gradient(self, real: Tensor, fake: Any) -> tuple[Tensor, Tensor]:
        """The same for the generator, through a critic that stands still."""
        for weight in self.critic_weights:
            weight.requires_grad_(False)
        with self.fabric.autocast():
            loss = self.objective.generator_loss(self._play_critic, real, fake)
        norm = self._descend(loss, self.generator_weights)
        for weight in self.critic_weights:
            weight.requires_grad_(True)
        if self.critic is None:
            detached = tuple(part.detach() for part in fake) if isinstance(fake, tuple) else fake.detach()
            self._latest = (real, detached)
        return loss.detach(), norm

    def _descend(self, loss: Tensor, weights: list[Tensor]) -> Tensor:
        for weight in weights:
            weight.grad = None
        self.fabric.backward(loss)
        if self.fabric.world_size > 1:
            _average_gradients(self.fabric, weights)
        norms = torch._foreach_norm([weight.grad for weight in weights if weight.grad is not None])
        # 0 · loss is NaN for a loss that is not finite, whatever its gradients are
        return torch.linalg.vector_norm(torch.stack(norms)) + 0 * loss.detach()

    def step_generator(self) -> None:
        self.optimizers[0].step()

    def step_critic(self) -> None:
        if self.critic is not None:
            self.optimizers[1].step()
            self.critic_step += 1

    def set_rates(self) -> None:
        factor = self._rate(self.iteration)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["first_lr"] * factor
                if self._momentum is not None and "momentum" in group:
                    group["momentum"] = self._momentum(self.iteration)

    @torch.no_grad()
    def average(self) -> None:
        """Move the averaged generator towards the present one; early on the average is short."""
        t = self.iteration
        decay = min(self.recipe.ema, (t + 1) / (t + 10)) if self.recipe.ema else 0.0
        averages, weights = zip(*self._averages, strict=True)
        torch._foreach_lerp_(averages, weights, 1 - decay)

    # ── looking ──

    def check(self, window: list[list[float]], good: dict[str, Any], folder: Path | None) -> None:
        """Stop at the first loss or gradient that is not finite or too steep; ``good`` is from before it."""
        first = self.iteration - len(window)
        limit = self.recipe.gradient_limit
        for number, (critic_loss, critic_norm, generator_loss, generator_norm) in enumerate(window):
            for who, loss, norm in (
                ("critic", critic_loss, critic_norm), ("generator", generator_loss, generator_norm),
            ):  # fmt: skip
                if norm <= limit:
                    continue
                what = f"the {who}'s loss is {loss:g} and its gradient has norm {norm:g} (limit {limit:g})"
                where = folder / "before-fault.pt" if folder else None
                if where:
                    self.save(where, good)
                self._take_up(good)
                raise TrainingFault(
                    f"iteration {first + number}: {what}; stopped. "
                    + (f"The state of iteration {good['iteration']} is in {where}. " if where else "")
                    + "Lower rates, a stronger regularizer or float64 (precision='64-true') may help",
                    first + number, self.model(), where,
                )  # fmt: skip
        means = np.mean(window, axis=0)
        names = ("critic_loss", "critic_norm", "generator_loss", "generator_norm")
        self._means = {name: float(value) for name, value in zip(names, means, strict=True)}

    def record(self) -> dict[str, Any]:
        """A line of the log: means since the last one, and the objective's estimate on the last batch."""
        means = self._means if self.critic else {k: v for k, v in self._means.items() if "critic" not in k}
        return {
            "iteration": self.iteration,
            "seconds": round(self.seconds, 3),
            "rate": self._rate(self.iteration - 1),
            **means,
            "estimate": self._estimate(),
        }

    def _estimate(self) -> float:
        real, fake = self._latest  # type: ignore[misc]
        with torch.no_grad(), self.fabric.autocast():
            value = self.objective.estimate(self.critic, real, fake)
        return float(self.fabric.all_reduce(value.detach().float(), reduce_op="mean"))

    def measured(self, metric: str) -> float:
        """A metric between held-out data and samples of the averaged generator."""
        import divergences

        self._copy_buffers()
        held_out = self.dataset.validation
        # what compares all pairs in many dimensions takes longer than many iterations
        count = MEASURED if self.dataset.d <= 100 else MEASURED // 4
        # the same noise every time: the curve then moves with the generator alone
        samples = self.model().sample(count, rng=[self.recipe.seed, 0])
        return float(divergences.parse(metric)(held_out[:count], samples))

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._started

    def model(self) -> Model:
        self._copy_buffers()
        return Model(
            self.recipe, self.frame, self.averaged, self.generator, self.critic, self.iteration, self.history
        )

    def _copy_buffers(self) -> None:
        """Running statistics are averages already: the averaged generator takes the present ones."""
        for mine, now in zip(self.averaged.buffers(), self.generator.buffers(), strict=True):
            mine.copy_(now)

    def share_buffers(self) -> None:
        """Running statistics of several processes become one, so that a checkpoint speaks for all."""
        if self.fabric.world_size > 1:
            for network in filter(None, (self.generator, self.critic)):
                for buffer in network.buffers():
                    if buffer.is_floating_point():
                        buffer.copy_(self.fabric.all_reduce(buffer, reduce_op="mean"))

    # ── keeping ──

    def snapshot(self) -> dict[str, Any]:
        """A copy of everything that the next iterations depend on."""
        self._copy_buffers()
        return _cloned({
            "recipe": self.recipe.to_dict(),
            "precision": _precision(self.fabric),
            "frame": self.frame.state_dict(),
            "generator": self.generator.state_dict(),
            "average": self.averaged.state_dict(),
            "critic": None if self.critic is None else self.critic.state_dict(),
            "optimizers": [optimizer.optimizer.state_dict() for optimizer in self.optimizers],
            "regularizer": self.regularizer.state_dict(),
            "regularizer_text": self.regularizer_text,
            "iteration": self.iteration, "critic_step": self.critic_step, "drawn": self.drawn,
            "seconds": self.seconds,
            "history": list(self.history),
        })  # fmt: skip

    def save(self, path: Path, snapshot: dict[str, Any]) -> None:
        if self.fabric.is_global_zero:
            _checkpoint.save(path, snapshot)

    def _take_up(self, state: dict[str, Any]) -> None:
        self.generator.load_state_dict(state["generator"])
        self.averaged.load_state_dict(state["average"])
        if self.critic is not None:
            self.critic.load_state_dict(state["critic"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.optimizer.load_state_dict(kept)
        self.regularizer.load_state_dict(state["regularizer"])
        self.iteration, self.critic_step, self.drawn = (
            state[name] for name in ("iteration", "critic_step", "drawn")
        )
        self.history = list(state["history"])
        self._before, self._started = state["seconds"], time.monotonic()


def framed(recipe: Recipe, dataset: data.Dataset, device: Any = "cpu", progress: bool | None = None) -> Frame:
    """What lies between the data and the networks: a scaling, or the recipe's autoencoder, fitted here."""
    if recipe.space == "data":
        return Frame.of(dataset, recipe.scaling)
    rows = torch.from_numpy(dataset.train)
    with _threads(recipe.threads):
        code = autoencoder.fit(
            recipe.space, rows, seed=recipe.seed, device=torch.device(device), progress=progress
        )
    return Frame.of(dataset, "none", code)


# ── small pieces ────────────────────────────────────────────────────────────────────────────


def _objective(recipe: Recipe) -> Any:
    from gan import objectives

    found = objectives.parse(recipe.objective)
    if found.needs_model:
        raise ValueError(
            f"{found.name} needs a model with a density (gan.models); this loop trains generators"
        )
    return found


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
    fabric = Fabric(accelerator=accelerator, devices=devices, precision=precision)
    if not launched:
        fabric.launch()
    return fabric


def is_first_process() -> bool:
    """Whether this is the one of several processes that writes and prints; True for a run of one."""
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0


def _average_gradients(fabric: Any, weights: Iterable[Tensor]) -> None:
    """Mean over the processes, in one message.

    By hand and not by DistributedDataParallel, whose hooks expect one forward pass for each backward
    pass; here the generator's step goes through the critic, and penalties differentiate twice.
    """
    weights = list(weights)
    for weight in weights:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    flat = fabric.all_reduce(torch.cat([weight.grad.flatten() for weight in weights]), reduce_op="mean")
    parts = flat.split([weight.numel() for weight in weights])
    for weight, part in zip(weights, parts, strict=True):
        weight.grad = part.view_as(weight)


def _folder(out: str | os.PathLike[str] | None, resume: bool) -> Path | None:
    if out is None:
        if resume:
            raise ValueError("resume=True needs out, the folder of the run to go on with")
        return None
    folder = Path(out)
    if not resume and (folder / "checkpoint.pt").exists():
        raise ValueError(f"{folder}: holds a run already; go on with it (resume) or name another folder")
    return folder


def _precision(fabric: Any) -> str:
    return str(fabric.strategy.precision.precision)


def _resumable(folder: Path | None, recipe: Recipe, precision: str) -> dict[str, Any] | None:
    """The checkpoint to go on from, if there is one; it must be of the same recipe at the same precision."""
    if folder is None or not (folder / "checkpoint.pt").exists():
        return None
    state = _checkpoint.load(folder / "checkpoint.pt")
    kept = {**state["recipe"], "precision": state.get("precision", precision)}
    asked = {**recipe.to_dict(), "precision": precision}
    other = [name for name in asked if kept.get(name) != asked[name]]
    if other:
        told = ", ".join(f"{name} ({kept.get(name)!r} there, {asked[name]!r} now)" for name in other)
        raise ValueError(f"{folder}: holds a run of another recipe: {told}; name another folder")
    return state


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if count:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)


def _cloned(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {key: _cloned(value) for key, value in state.items()}
    return [_cloned(value) for value in state] if isinstance(state, list) else state


def _label(record: dict[str, Any], measure: str | None) -> str:
    text = f"training  estimate {record['estimate']:.3g}"
    return f"{text}  {measure} {record[measure]:.3g}" if measure in record else text
