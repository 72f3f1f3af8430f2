"""A callback for Lightning, by either of its names, that judges a generator during training."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from divergences.integrations._missing import missing
from divergences.integrations.trackers import scalars
from divergences.integrations.training import Monitor

try:
    if "pytorch_lightning" in sys.modules or find_spec("lightning") is None:
        from pytorch_lightning import Callback  # the one that the caller's Trainer knows
    else:
        from lightning.pytorch import Callback
except ImportError as error:
    raise missing(error.name or "lightning", "lightning") from error

__all__ = ["EvaluateGenerator"]


class EvaluateGenerator(Callback):
    """Measure ``module.generator`` every ``monitor.every`` training batches, and log the values.

    ``monitor``: a ``divergences.integrations.training.Monitor``. ``generator``: the attribute of the
    LightningModule that holds it, or a function of the module that returns it. The values are known to
    other callbacks, as those of ``module.log`` are (``EarlyStopping(monitor="energy")``), and to the
    Trainer's loggers, under the names of ``scalars`` after the monitor's prefix. ``at_epoch_end`` counts
    epochs, not batches. Every process measures the same, by one seed, so none waits for another. Counting
    goes on after a checkpoint is loaded. As everywhere with ``Monitor``, weights come out the same with it
    and without.
    """

    def __init__(
        self, monitor: Monitor, *, generator: str | Callable[[Any], Any] = "generator",
        at_epoch_end: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.monitor, self.generator, self.at_epoch_end = monitor, generator, at_epoch_end
        self.count = 0

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any, **__: Any) -> None:
        """Count a batch."""
        if not self.at_epoch_end:
            self._count(pl_module)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Count an epoch."""
        if self.at_epoch_end:
            self._count(pl_module)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting where the checkpoint was."""
        self.count = state_dict["count"]

    def _count(self, module: Any) -> None:
        self.count += 1
        made = self.generator(module) if callable(self.generator) else getattr(module, self.generator)
        report = self.monitor(made, self.count)
        if report is not None:
            module.log_dict(scalars(report, self.monitor.prefix))
