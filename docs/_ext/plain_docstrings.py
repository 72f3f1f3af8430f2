"""Docstrings are plain sentences with ``code``: what reStructuredText takes for markup is kept as it is.

``2E|X−Y|`` is a norm and ``a_i*`` no footnote: |, * and _ are escaped outside of literals and examples.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

LITERAL = re.compile(r"(``.+?``|:\w+:`.+?`)", re.DOTALL)
ROLE = re.compile(r"`[^`]+`_")


def _escaped(text: str) -> str:
    parts = LITERAL.split(text)
    for k in range(0, len(parts), 2):  # between literals
        parts[k] = re.sub(r"(?<!\\)([|*])", r"\\\1", parts[k])
        parts[k] = re.sub(r"(?<=\w)_(?=\W|$)", r"\\_", parts[k])
    return "".join(parts)


def plain(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape paragraphs of prose; examples, indented blocks and tables stay as they are."""
    found: list[str] = []
    for paragraph in re.split(r"(\n\s*\n)", "\n".join(lines)):
        first = paragraph.lstrip("\n")
        code = first.lstrip().startswith((">>>", "==", "..")) or first.startswith("    ")
        found.append(paragraph if code else _escaped(paragraph))
    lines[:] = "".join(found).split("\n")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", plain, priority=900)  # after numpydoc
    return {"parallel_read_safe": True, "parallel_write_safe": True}
