"""The site: ``make docs``. Nothing here needs a network, and a warning fails the build."""

from __future__ import annotations

import os
import re
import sys
import warnings
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE)]
# Examples run beside one another; each keeps to one thread and draws on no screen.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")

project = "divergences"
author = copyright = "The divergences authors"
version = release = installed("divergences")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    # ours
    "mathml",  # formulas that show without a network, a script or a font of their own
    "plain_docstrings",  # |X−Y| is a norm here, not a substitution
    "tables",
    "pictures",
]
exclude_patterns = ["_build", "_ext", "**/GALLERY_HEADER.rst", "examples/*", "theory/*", "figures/*"]

# ── Python ──────────────────────────────────────────────────────────────────────────────────
nitpicky = True  # a reference of ours that leads nowhere is an error
nitpick_ignore_regex = [("py:.*", r"(numpy|np|torch|nn|Tensor|collections|typing|pathlib|array_api)\b.*")]
add_module_names = False
autodoc_typehints = "none"  # arrays are Any on purpose; the docstring says what they are
autodoc_inherit_docstrings = False  # torch's are not ours
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "no-value": True}
autosummary_generate = True
autosummary_generate_overwrite = True
numpydoc_show_class_members = False
default_role = None
python_maximum_signature_line_length = 80

# ── Markdown ────────────────────────────────────────────────────────────────────────────────
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4  # links to a heading, as repository browsers have them
myst_url_schemes = ("http", "https", "mailto")

# ── gallery and theory: run at build ────────────────────────────────────────────────────────
sphinx_gallery_conf = {
    "examples_dirs": ["examples", "theory"],
    "gallery_dirs": ["auto_examples", "auto_theory"],
    "within_subsection_order": "FileNameSortKey",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "doc_module": ("divergences", "gan"),
    "backreferences_dir": "auto_examples/used_by",
    "reset_modules": ("matplotlib", "house.use_house_style"),
    "capture_repr": ("_repr_html_", "__repr__"),
    "ignore_repr_types": r"matplotlib|NoneType|tuple",
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 3600,  # times differ from one build to the next
    "write_computation_times": False,
    "image_scrapers": ("matplotlib",),
    "default_thumb_file": None,
    "parallel": True,  # as many as sphinx -j says
    "nested_sections": False,
    "inspect_global_variables": True,
    "show_signature": False,
    "promote_jupyter_magic": False,
}
warnings.filterwarnings("ignore", message=".*non-interactive.*", category=UserWarning)
warnings.filterwarnings("ignore", message="A worker stopped", category=UserWarning)  # loky restarts it

# ── looks ───────────────────────────────────────────────────────────────────────────────────
html_theme = "pydata_sphinx_theme"
html_title = "divergences"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
templates_path = ["_templates"]
html_theme_options = {
    "logo": {"text": "divergences"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {page: [] for page in ("index", "quickstart", "guide")}  # nothing beside them

# make linkcheck (needs a network; not part of CI)
linkcheck_timeout = 20
linkcheck_retries = 2


def without_absent_pages(app: Any, docname: str, source: list[str]) -> None:
    """Drop the patterns of a toctree that match nothing: those pages are written by longer measurements."""
    kept = (
        line
        for line in source[0].split("\n")
        if not re.fullmatch(r"[\w-]+\*", line) or any(HERE.glob(f"{line}.md"))
    )
    source[0] = "\n".join(kept)


def not_ours(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """What torch or scikit-learn put into a class of ours is documented by them."""
    home = (getattr(obj, "__module__", None) or "").split(".")[0]
    compiled = type(obj).__name__ == "builtin_function_or_method"
    return True if compiled or home in ("sklearn", "torch", "torchmetrics") else None


def setup(app: Any) -> None:
    app.connect("source-read", without_absent_pages)
    app.connect("autodoc-skip-member", not_ours)
