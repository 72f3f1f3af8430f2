"""How every picture of the site is drawn: the colours and lines of the reports, on a white ground."""

from __future__ import annotations

from typing import Any

from divergences._canvas import COLORS, INK, STYLE

P, Q = COLORS  # the reference and the model, in every picture
THIRD, FOURTH = "#2e8b57", "#8a5fbf"
HOUSE = {
    **STYLE,
    "axes.facecolor": "white",
    "axes.prop_cycle": f"cycler('color', ['{P}', '{Q}', '{THIRD}', '{FOURTH}', '#777777', '#b8860b'])",
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "figure.figsize": (5.6, 3.1),  # narrow enough to stay readable on a phone
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.4,
    "savefig.dpi": 150,
    "savefig.facecolor": "white",
}
__all__ = ["FOURTH", "HOUSE", "INK", "THIRD", "P", "Q", "use_house_style"]


def use_house_style(gallery_conf: Any = None, fname: Any = None) -> None:
    """Called before each example of the gallery; takes what sphinx-gallery passes."""
    import matplotlib as mpl

    mpl.rcParams.update(HOUSE)
