"""``{picture} module.function``: a figure drawn at build by a function of docs/figures, with its caption."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER = "_pictures"


class PictureDirective(SphinxDirective):
    """Draws once per build; the file lies in docs/_pictures, which git ignores."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        module, function = self.arguments[0].rsplit(".", 1)
        source = Path(self.env.srcdir, "figures", f"{module}.py")
        self.env.note_dependency(str(source))
        file = Path(self.env.srcdir, FOLDER, f"{module}-{function}.png")
        if not file.exists() or file.stat().st_mtime < source.stat().st_mtime:
            self.draw(module, function, file)
        if "alt" not in self.options:
            raise self.error("a picture needs :alt:, for those who cannot see it")
        figure = nodes.figure()
        figure += nodes.image(uri=f"/{FOLDER}/{file.name}", alt=self.options["alt"])
        caption = nodes.caption()
        caption += self.parse_inline(" ".join(self.content))[0]
        figure += caption
        return [figure]

    def draw(self, module: str, function: str, file: Path) -> None:
        import matplotlib as mpl
        from house import HOUSE

        file.parent.mkdir(exist_ok=True)
        with mpl.rc_context(HOUSE):
            figure = getattr(importlib.import_module(f"figures.{module}"), function)()
            figure.savefig(file)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("picture", PictureDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
