"""One small JSON file for each cell, named by its settings: what is there is never done again.

A file is written beside and moved into place, so a kill leaves a whole one or none. Two processes that do
the same cell write the same settings; the later one stays.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from divergences.report.files import json_text

__all__ = ["Store", "key"]

DESIGN = 1  # raised when what a cell does changes without its settings showing it


def key(settings: dict[str, Any]) -> str:
    """A readable head and a digest of all settings.

    >>> key({"kind": "run", "data": "ring", "seed": 3})[:9]
    'run-ring-'
    """
    text = json.dumps({"design": DESIGN, **settings}, sort_keys=True)
    head = "-".join(str(settings[name]) for name in ("kind", "data", "objective") if name in settings)
    readable = re.sub(r"[^a-z0-9]+", "-", head.lower()).strip("-")
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Store:
    """A folder of cells."""

    folder: Path

    def path(self, settings: dict[str, Any]) -> Path:
        return self.folder / f"{key(settings)}.json"

    def get(self, settings: dict[str, Any]) -> dict[str, Any] | None:
        """What the cell found, or None; a damaged file counts as none."""
        try:
            kept = json.loads(self.path(settings).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return kept["found"] if kept.get("settings") == _plain(settings) else None

    def put(self, settings: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(settings)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(json_text({"settings": settings, "found": found}) + "\n", encoding="utf-8")
        os.replace(beside, path)
        kept = self.get(settings)
        if kept is None:
            raise OSError(f"{path} was written and cannot be read back")
        return kept

    def once(self, settings: dict[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What the cell found, working it out if nobody has."""
        kept = self.get(settings)
        return self.put(settings, work()) if kept is None else kept

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Every whole cell, settings and findings."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                yield json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                continue


def _plain(settings: dict[str, Any]) -> Any:
    return json.loads(json.dumps(settings))
