"""A progress bar that stays out of the way: on stderr, on a terminal, and only when it takes long."""

from __future__ import annotations

import sys
import threading
from typing import Any

__all__ = ["Bar"]

PATIENCE = 2.0  # seconds before a bar appears unasked


class Bar:
    """A bar of ``total`` steps. ``show``: True at once, False never, None where it helps."""

    def __init__(self, total: int, show: bool | None) -> None:
        self._total = total
        self._show = show
        self._bar: Any = None
        self._task: Any = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Bar:
        if self._show is False or (self._show is None and not sys.stderr.isatty()):
            return self
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=self._total)
        if self._show:
            self._bar.start()
        else:
            # a timer, because the first metric may be the slow one
            self._timer = threading.Timer(PATIENCE, self._bar.start)
            self._timer.daemon = True
            self._timer.start()
        return self

    def label(self, text: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=text)

    def advance(self) -> None:
        if self._bar is not None:
            self._bar.advance(self._task)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()  # it may be starting the bar just now
        if self._bar is not None:
            self._bar.stop()
