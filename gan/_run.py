"""What the training loop moves: the players, their optimisers, the samples they see; and what is kept of it.

The loop itself is in ``gan.training``.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan import _checkpoint, _optimizers, autoencoder, data, networks, regularizers
from gan._random import Batches, seeded
from gan.model import Frame, Model, noise_on
from gan.recipes import Recipe

__all__ = ["Run", "framed", "threads"]

MEASURED = 1000  # samples on each side of a measurement


class Run:
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
        if frame is None and recipe.space != "data":
            _refuse_early(recipe, self.objective, self.dataset, generator, critic)
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
            if generator is None:
                _refuse_out_of_reach(recipe, self.generator, rows)
            self.critic = self._make_critic(space, critic)
        self.dtype = next(self.generator.parameters()).dtype
        text = recipe.regularizer
        self.regularizer_text = getattr(self.objective, "regularizer", None) if text is None else text
        self.regularizer = regularizers.parse(self.regularizer_text)
        if self.critic is not None:
            self.regularizer.prepare(self.critic)
        self.averaged = copy.deepcopy(self.generator).requires_grad_(False)
        if self.dtype == torch.bfloat16:
            self.averaged = self.averaged.float()  # an average moves by less than bfloat16's steps
        self._make_optimizers()
        self.batches = Batches(
            rows.to(self.device, self.dtype),
            recipe.batch,
            recipe.seed,
            rank=self.rank,
            world=fabric.world_size,
            packing=recipe.packing,
        )
        self.zero = torch.zeros((), device=self.device)
        self.iteration = self.critic_step = self.drawn = 0
        self.history: list[dict[str, Any]] = []
        self.measure: str | None = None  # of the log; kept so that a resumed one goes on with it
        self._before, self._started = 0.0, time.monotonic()
        self._latest: tuple[Any, Any] | None = None
        self._play_generator: Any = torch.compile(self.generator) if compile else self.generator
        self._play_critic: Any = torch.compile(self.critic) if compile and self.critic else self.critic
        if state is not None:
            self.take_up(state)

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
        if self._momentum and not any(isinstance(o.optimizer, torch.optim.SGD) for o in self.optimizers):
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
                self._bounded(real, fake), real, fake[0] if isinstance(fake, tuple) else fake,
                step=self.critic_step, progress=self.iteration / self.recipe.iterations,
            )  # fmt: skip
        whole = loss if penalty is None else loss + penalty
        self._latest = (real, fake)
        return loss.detach(), self._descend(whole, self.critic_weights)

    def _bounded(self, real: Tensor, fake: Any) -> Any:
        """The function whose slopes a penalty bounds: the critic, or what the objective makes of it."""
        witness = getattr(self.objective, "witness", None)
        return self.critic if witness is None else witness(self.critic, real, fake)

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
                if self._momentum is not None and isinstance(optimizer.optimizer, torch.optim.SGD):
                    group["momentum"] = self._momentum(self.iteration)

    @torch.no_grad()
    def average(self) -> None:
        """Move the averaged generator towards the present one; early on the average is short."""
        t = self.iteration
        decay = min(self.recipe.ema, (t + 1) / (t + 10)) if self.recipe.ema else 0.0
        averages, weights = zip(*self._averages, strict=True)
        if self.dtype == torch.bfloat16:
            weights = tuple(weight.float() for weight in weights)
        torch._foreach_lerp_(averages, weights, 1 - decay)

    # ── looking ──

    def record(self, means: dict[str, float]) -> dict[str, Any]:
        """A line of the log: means since the last one, and the objective's estimate on the last batch."""
        return {
            "iteration": self.iteration,
            "seconds": round(self.seconds, 3),
            "rate": self._rate(self.iteration - 1),
            **{name: mean for name, mean in means.items() if self.critic or "critic" not in name},
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
        from divergences.inference.rows import with_rng

        self._copy_buffers()
        held_out = self.dataset.validation
        # what compares all pairs in many dimensions takes longer than many iterations
        count = MEASURED if self.dataset.d <= 100 else MEASURED // 4
        # the same noise every time: the curve then moves with the generator alone
        samples = self.model().sample(count, rng=[self.recipe.seed, 0])
        drawn = with_rng(divergences.parse(metric), self.recipe.seed)
        return float(drawn(held_out[:count], samples))

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
            "measure": self.measure,
            "iteration": self.iteration, "critic_step": self.critic_step, "drawn": self.drawn,
            "seconds": self.seconds,
            "history": list(self.history),
        })  # fmt: skip

    def save(self, path: Path, snapshot: dict[str, Any]) -> None:
        if self.fabric.is_global_zero:
            _checkpoint.save(path, snapshot)

    def take_up(self, state: dict[str, Any]) -> None:
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
    with threads(recipe.threads):
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


def _refuse_early(
    recipe: Recipe, objective: Any, dataset: data.Dataset, generator: nn.Module | None,
    critic: nn.Module | None,
) -> None:  # fmt: skip
    """Make what the texts name once, on the side: a slip should not cost the fit of an autoencoder."""
    space = networks.Space(autoencoder.settings(recipe.space).code)
    weight = torch.zeros(1, requires_grad=True)
    with seeded(torch.device("cpu"), 0):
        if generator is None:
            networks.generator(recipe.generator, recipe.latent, space)
        if critic is None and objective.needs_critic:
            networks.critic(recipe.critic, space, packing=recipe.packing)
    regularizers.parse(recipe.regularizer)
    for text in (recipe.generator_optimizer, recipe.critic_optimizer):
        _optimizers.optimizer(text, [weight])
    _optimizers.rate(recipe.schedule, recipe.iterations)
    _optimizers.momentum(recipe.momentum)
    if recipe.critic_steps is not None:
        _optimizers.critic_steps(recipe.critic_steps)
    Batches(torch.empty(len(dataset.train), 0), recipe.batch, recipe.seed)


OUTPUTS = {nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0)}
BEYOND = 0.01  # of the data that a generator may be unable to make


def _refuse_out_of_reach(recipe: Recipe, generator: nn.Module, rows: Tensor) -> None:
    """A generator whose last layer ends before the data do would train, and never make them."""
    layers = [part for part in generator.modules() if not list(part.children())]
    moving = [part for part in layers if not isinstance(part, (nn.Identity, nn.Flatten, networks.Rows))]
    if not moving or type(moving[-1]) not in OUTPUTS:
        return
    low, high = OUTPUTS[type(moving[-1])]
    beyond = float(((rows < low) | (rows > high)).float().mean())
    if beyond > BEYOND:
        shown = "their codes" if recipe.space != "data" else f"the data with scaling={recipe.scaling!r}"
        raise ValueError(
            f"generator {recipe.generator!r} makes numbers in [{low:g}, {high:g}], and {100 * beyond:.0f} % "
            f"of {shown} lie outside; take output=linear, or scaling='none' for data that lie within"
        )


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
def threads(count: int) -> Iterator[None]:
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
