"""A progress bar that stays out of the way: on stderr, on a terminal, and only when it takes long."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

__all__ = ["Bar"]

PATIENCE = 2.0  # seconds before a bar appears unasked

# The bars that are open, outermost first: rich allows one display, so inner bars are lines of the outer
# one's. Of the whole process, not of a thread: workers' bars belong to it too.
_open: list[Bar] = []


class Bar:
    """A bar of ``total`` steps. ``show``: True at once, False never, None on a terminal if it takes long.

    A bar opened while another is open becomes a line below it, and is as silent as that one.
    """

    def __init__(self, total: float, show: bool | None = None, label: str = "") -> None:
        self._total = total
        self._show = show
        self._label = label
        self._display: Any = None
        self._task: Any = None
        self._timer: threading.Timer | None = None
        self._outer: Bar | None = None
        self._since = 0.0

    def __enter__(self) -> Bar:
        self._outer = _open[-1] if _open else None
        _open.append(self)
        self._since = time.monotonic()
        if self._outer is not None:
            self._display = self._outer._display
            if self._display is not None:
                self._task = self._display.add_task(self._label, total=self._total, visible=False)
            return self
        if self._show is False or (self._show is None and not sys.stderr.isatty()):
            return self
        self._display = _display()
        self._task = self._display.add_task(self._label, total=self._total)
        if self._show:
            self._display.start()
        else:
            # a timer, because the first step may be the slow one
            self._timer = threading.Timer(PATIENCE, self._display.start)
            self._timer.daemon = True
            self._timer.start()
        return self

    def label(self, text: str) -> None:
        self._update(description=text)

    def advance(self, steps: float = 1) -> None:
        self._update(advance=steps)

    def reach(self, step: float) -> None:
        """Say that ``step`` of the total is done; it never goes back."""
        if self._display is not None:
            done = self._display.tasks[self._display.task_ids.index(self._task)].completed
            self._update(completed=max(step, done))

    def _update(self, **what: Any) -> None:
        if self._display is not None:
            if self._outer is not None and time.monotonic() - self._since > PATIENCE:
                what["visible"] = True
            self._display.update(self._task, **what)

    def __exit__(self, *_: object) -> None:
        _open.remove(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()  # it may be starting the bar just now
        if self._display is None:
            return
        if self._outer is not None:
            self._display.remove_task(self._task)
        else:
            self._display.stop()


def _display() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
