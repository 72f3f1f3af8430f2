"""The log of a run: JSON lines, and TensorBoard where it is installed."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

from divergences.report.files import json_text, write_text

__all__ = ["Log"]


class Log:
    """Records of a run: kept in memory, and as lines of ``log.jsonl`` in a folder if there is one.

    Going on from iteration t, lines after t are cut off: they will be written again.
    """

    def __init__(self, folder: Path | None, history: list[dict[str, Any]], *, tensorboard: bool) -> None:
        self.history = list(history)
        self._file: Any = None
        self._board: Any = None
        if folder is None:
            return
        write_text(folder / "log.jsonl", "".join(map(_line, self.history)))
        self._file = (folder / "log.jsonl").open("a", encoding="utf-8")
        if tensorboard and importlib.util.find_spec("tensorboard") is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of its own dependencies
                from torch.utils.tensorboard import SummaryWriter

                last = self.history[-1]["iteration"] + 1 if self.history else None
                self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=last)

    def write(self, record: dict[str, Any]) -> None:
        self.history.append(record)
        if self._file is not None:
            self._file.write(_line(record))
            self._file.flush()
        if self._board is not None:
            for name, value in record.items():
                if name != "iteration":
                    self._board.add_scalar(name, value, record["iteration"])

    def close(self) -> None:
        for sink in (self._file, self._board):
            if sink is not None:
                sink.close()


def _line(record: dict[str, Any]) -> str:
    return json_text(record, indent=None) + "\n"
