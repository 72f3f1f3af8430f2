"""Writing a report out: JSON that every reader takes, and files whole or not at all."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

__all__ = ["json_text", "write_text"]


def json_text(value: Any, indent: int | None = 2) -> str:
    """JSON has no inf and no nan: they become strings, which ``float`` reads back."""
    return json.dumps(_without_nonfinite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _without_nonfinite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nonfinite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` in UTF-8 to ``path``: a reader sees the old file or the new, never a part."""
    target = Path(path).resolve()  # a link keeps pointing where it did
    if target.exists() and not target.is_file():  # /dev/stdout and pipes cannot be replaced
        target.write_text(text, encoding="utf-8")
        return
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
