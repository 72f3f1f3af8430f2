"""The picture of the front page and the README: three models of a ring, judged."""

from __future__ import annotations

from typing import Any

import numpy as np
from house import THIRD, P, Q

import divergences as dv


def three_models() -> Any:
    """Data and three models of it; the energy distance of each with its interval, and the floor."""
    from matplotlib.figure import Figure

    rng = np.random.default_rng(1)

    def ring(n: int, start: float, end: float, scale: float) -> np.ndarray:
        angle = rng.uniform(start, end, n)
        return np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(scale=scale, size=(n, 2))

    x = ring(1000, 0, 2 * np.pi, 0.1)
    models = {
        "drops a third": ring(1000, 0.6, 0.6 + 4 / 3 * np.pi, 0.1),
        "blurs": ring(1000, 0, 2 * np.pi, 0.5),
        "as good as data": ring(1000, 0, 2 * np.pi, 0.1),
    }
    figure = Figure(figsize=(7.0, 2.1), layout="constrained")
    columns = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.5])
    for axis, (name, y), color in zip(columns, models.items(), (Q, "#8a5fbf", THIRD), strict=False):
        axis.scatter(*x.T, s=3, color=P, alpha=0.35, linewidths=0)
        axis.scatter(*y.T, s=3, color=color, alpha=0.6, linewidths=0)
        axis.set(title=name, aspect="equal", xticks=[], yticks=[], xlim=(-1.9, 1.9), ylim=(-1.9, 1.9))
        axis.grid(False)
        axis.spines[:].set_visible(False)
        found = dv.estimate("energy", x, y, rng=0)
        place = list(models).index(name)
        right = columns[3]
        right.plot([found.interval.lower, found.interval.upper], [place] * 2, color=color, linewidth=2)
        right.plot(found.extrapolated, place, "o", color=color, markersize=4)
    right.axvline(found.null_floor, color="0.3", linestyle=":", linewidth=1)
    right.set(
        yticks=range(3), yticklabels=models, ylim=(2.6, -0.6), xlabel="energy distance", xlim=(-0.005, None)
    )
    return figure
