"""Judging a generator while it trains: every k steps against held-out data, without a trace in the training.

``Monitor`` is for a plain loop; ``divergences.integrations.lightning`` hangs it on a Trainer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from divergences._arrays import detached, to_numpy, widened
from divergences._features import evaluating, extracted
from divergences._inputs import check_integer
from divergences._record import Report
from divergences.evaluate import evaluate
from divergences.integrations._missing import missing
from divergences.integrations.trackers import log
from divergences.registry import Metric, parse

try:
    import torch
except ImportError as error:
    raise missing("torch", "torch") from error

__all__ = ["Monitor", "undisturbed"]


class Monitor:
    """Measure a generator against held-out data: called with it and the step, every ``every`` steps.

    ``reference`` (n, d), or whatever ``features`` takes: real samples that are not trained on. ``latent``:
    the size of the noise, an int or a shape, drawn N(0, I) anew each time by the same ``seed``, so that
    values differ by the weights alone; or a function of (number, torch.Generator) that draws it, where a
    tuple, such as noise and labels, is given to the generator as several arguments. ``samples`` are made,
    as many as the reference has by default, ``batch_size`` at a time, in evaluation mode and without
    gradients. ``metrics``, ``features``, ``confidence``: as in ``evaluate``. ``to`` is a tracker that
    ``divergences.integrations.log`` takes, ``prefix`` goes before the names there. ``names`` are what
    reports call the two samples.

    Nothing of the training is touched: modes of modules, buffers and the generators of torch, NumPy and
    Python are afterwards what they were. ``history`` holds (step, Report).

    >>> generator = torch.nn.Linear(2, 2)
    >>> monitor = Monitor(torch.zeros(50, 2), latent=2, metrics="energy", every=10)
    >>> reports = [monitor(generator, step) for step in range(1, 21)]  # in the training loop
    >>> [step for step, report in monitor.history]
    [10, 20]
    """

    def __init__(
        self,
        reference: Any,
        *,
        latent: int | Sequence[int] | Callable[[int, torch.Generator], Any],
        metrics: str | Metric | Iterable[str | Metric] = "energy",
        every: int = 1000,
        samples: int | None = None,
        features: Callable[[Any], Any] | None = None,
        batch_size: int = 256,
        confidence: float | None = None,
        seed: int = 0,
        to: Any = None,
        prefix: str = "",
        names: tuple[str, str] = ("held out", "generated"),
    ) -> None:
        self.latent = latent if callable(latent) else _shape(latent)
        self.metrics = metrics if isinstance(metrics, (str, Metric)) else list(metrics)
        self.every = check_integer(every, "every", minimum=1)
        self.batch_size = check_integer(batch_size, "batch_size", minimum=1)
        self.features, self.confidence = features, confidence
        self.seed = check_integer(seed, "seed", minimum=0)
        self.to, self.prefix, self.names = to, prefix, names
        # features may take a loader, whose length is that of its batches: counted when they are made
        self.samples = None if samples is None else check_integer(samples, "samples", minimum=1)
        for metric in [self.metrics] if isinstance(self.metrics, (str, Metric)) else self.metrics:
            parse(metric)  # a slip should not wait for the first measurement
        self._reference = reference
        self._rows: np.ndarray | None = None
        self.history: list[tuple[int, Report]] = []

    def __call__(self, generator: Callable[[Any], Any], step: int) -> Report | None:
        """The Report, which is also in ``history``, where ``step`` is a multiple of ``every``; else None."""
        return self.measure(generator, step) if step % self.every == 0 else None

    def measure(self, generator: Callable[[Any], Any], step: int) -> Report:
        """Measure now."""
        with undisturbed(self.seed), evaluating(generator, self.features):
            if self._rows is None:  # features of the reference are made once
                self._rows = _numpy(self._featured(self._reference, "reference"))
            fake = _numpy(self._generated(generator, self.samples or len(self._rows)))
            report = evaluate(
                self._rows, fake, self.metrics, confidence=self.confidence, rng=self.seed,
                names=self.names, progress=False,
            )  # fmt: skip
        self.history.append((step, report))
        if self.to is not None:
            log(report, self.to, step=step, prefix=self.prefix)
        return report

    def _generated(self, generator: Callable[[Any], Any], number: int) -> Any:
        place = _place(generator)
        draws = torch.Generator().manual_seed(self.seed)  # on the CPU: one noise whatever the device
        parts = []
        for start in range(0, number, self.batch_size):
            count = min(self.batch_size, number - start)
            if callable(self.latent):
                noise = self.latent(count, draws)
            else:
                noise = torch.randn(count, *self.latent, generator=draws).to(**place)
            made = generator(*noise) if isinstance(noise, tuple) else generator(noise)
            parts.append(self._featured(made, "generated"))
        return torch.cat([torch.as_tensor(part) for part in parts])

    def _featured(self, samples: Any, name: str) -> Any:
        if self.features is None:
            return samples
        return extracted(self.features, samples, name, batch_size=self.batch_size)


@contextmanager
def undisturbed(seed: int) -> Iterator[None]:
    """Inside, the global generators start from ``seed``; outside, they go on as if nothing had been drawn."""
    cuda = torch.cuda
    devices = list(range(cuda.device_count())) if cuda.is_initialized() else []
    legacy, plain = np.random.get_state(), random.getstate()  # noqa: NPY002  others may draw from them
    try:
        with torch.random.fork_rng(devices=devices):
            for generator in (torch.default_generator, *(cuda.default_generators[k] for k in devices)):
                generator.manual_seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(plain)


def _shape(latent: Any) -> tuple[int, ...]:
    sides = (latent,) if isinstance(latent, int) else tuple(latent)
    return tuple(check_integer(side, "latent", minimum=1) for side in sides)


def _place(generator: Any) -> dict[str, Any]:
    """Where its weights are and of which dtype: those of the noise it takes."""
    parameters = generator.parameters() if isinstance(generator, torch.nn.Module) else iter(())
    own = next((weight for weight in parameters if weight.is_floating_point()), None)
    return {"device": "cpu"} if own is None else {"device": own.device, "dtype": own.dtype}


def _numpy(rows: Any) -> np.ndarray:
    array = to_numpy(detached(widened(rows)[0])) if torch.is_tensor(rows) else np.asarray(rows)
    return array.reshape(len(array), -1)  # images and the like, as the readers take them
