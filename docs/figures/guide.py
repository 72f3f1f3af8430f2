"""The pictures of the decision guide: each function draws one, from numbers computed here."""

from __future__ import annotations

from typing import Any

import numpy as np
from house import THIRD, P, Q

import divergences as dv


def _figure(columns: int, height: float = 2.8) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0 if columns > 1 else 5.6, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def disjoint() -> Any:
    """A unit Gaussian and its shifted copy: what each measure says of the distance."""
    rng = np.random.default_rng(0)
    z, w = rng.normal(size=(2, 1000))
    shifts = np.linspace(0, 10, 21)
    figure, axis = _figure(1)
    curves = {
        "js, saturates at log 2": (dv.js, "s-", Q),
        "energy, grows": (dv.energy, "^-", THIRD),
        "wasserstein, is the shift": (dv.wasserstein, "o-", P),
    }
    for name, (metric, mark, color) in curves.items():
        values = [float(metric(z, w + shift)) for shift in shifts]
        axis.plot(shifts, values / np.max(values), mark, color=color, label=name, markersize=3)
    axis.set(xlabel="shift, in standard deviations", ylabel="share of its largest value here")
    axis.legend(loc="lower right")
    return figure


def outliers() -> Any:
    """One row in a hundred of the model goes astray."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 2)), rng.normal(size=(400, 2))
    x0, y0 = x.copy(), y.copy()
    far = np.geomspace(3, 300, 12)
    figure, axis = _figure(1)
    for name, color, mark in [
        ("frechet", Q, "s-"), ("wasserstein(p=2)", "#8a5fbf", "v-"), ("energy", THIRD, "^-"),
        ("squared_mmd(bandwidth=1.0, estimator='biased')", P, "o-"),
    ]:  # fmt: skip
        metric = dv.parse(name)
        values = []
        for distance in far:
            y0[:4] = [distance, 0]
            values.append(float(metric(x0, y0)))
        start = float(metric(x, y))
        axis.plot(
            far, np.array(values) / start, mark, color=color, label=name.replace(", estimator='biased'", "")
        )
    axis.set(
        xscale="log", yscale="log", xlabel="where 1 % of the model's rows lie", ylabel="times the clean value"
    )
    axis.legend(fontsize=7.5)
    return figure


def scale() -> Any:
    """Two features, one of them in a larger unit; only the small one is wrong."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300, 2))
    y[:, 0] += 1.0
    units = np.geomspace(1, 300, 11)
    figure, axis = _figure(1)

    def over_floor(metric: Any, unit: float, scale: Any) -> float:
        a, b = x * [1.0, unit], y * [1.0, unit]
        a, b = a / scale(a), b / scale(a)
        return float(metric(a[:150], b[:150])) / float(metric(a[:150], a[150:]))

    plain, own = (lambda rows: 1.0), (lambda rows: rows.std(0))
    for label, metric, color, mark, scale in [
        ("energy, each feature in its own unit", dv.energy, "0.45", "x-", own),
        ("energy", dv.energy, THIRD, "^-", plain),
        ("wasserstein", dv.wasserstein, P, "o-", plain),
    ]:
        axis.plot(units, [over_floor(metric, u, scale) for u in units], mark, color=color, label=label)
    axis.axhline(1, color="0.3", linestyle=":", linewidth=1)
    axis.set(xscale="log", yscale="log", xlabel="unit of the other feature", ylabel="value over its floor")
    axis.legend()
    return figure


def floor() -> Any:
    """Two samples of one distribution: what is left of each measure, by n and by d."""
    figure, (left, right) = _figure(2)
    rng = np.random.default_rng(0)
    metrics = {"wasserstein": (P, "o-"), "frechet": (Q, "s-"), "energy": (THIRD, "^-")}

    def relative(name: str, n: int, d: int) -> float:
        """Over the value at a shift by one standard deviation of every feature, both at 5 repetitions."""
        values = np.zeros(2)
        for _ in range(5):
            x, y = rng.normal(size=(2, n, d))
            values += [float(dv.METRICS[name](x, y)), float(dv.METRICS[name](x, y + 1.0))]
        return float(values[0] / values[1])

    sizes, dimensions = [50, 100, 200, 400, 800], [1, 2, 4, 8, 16, 32]
    for name, (color, mark) in metrics.items():
        left.plot(sizes, [relative(name, n, 8) for n in sizes], mark, color=color, label=name)
        right.plot(dimensions, [relative(name, 200, d) for d in dimensions], mark, color=color)
    left.set(xscale="log", yscale="log", xlabel="n, in 8 dimensions", ylabel="floor over signal")
    right.set(xscale="log", yscale="log", xlabel="d, with 200 rows")
    for axis, ticks in ((left, sizes), (right, dimensions)):
        axis.set_xticks(ticks, ticks)
        axis.minorticks_off()
    left.legend()
    return figure


def modes() -> Any:
    """A model that lacks one of two modes, one that adds a third, one that blurs both."""
    rng = np.random.default_rng(0)

    def draw(centres: list[float], width: float = 0.5, n: int = 600) -> np.ndarray:
        return np.resize(centres, n) + rng.normal(scale=width, size=n)

    x = draw([-3.0, 3.0])
    added, blurred = draw([-3.0, 3.0, 9.0]), draw([-3.0, 3.0], 1.5)
    models = {"drops a mode": draw([-3.0]), "adds a mode": added, "blurs": blurred}
    figure, axes = _figure(2, 3.0)
    names = {"kl": "KL(P‖Q)", "reverse_kl": "KL(Q‖P)"}
    places = np.arange(len(models))
    for k, (name, label) in enumerate(names.items()):
        values = [float(dv.METRICS[name](x, y)) for y in models.values()]
        axes[0].bar(places + 0.4 * k - 0.2, values, 0.38, color=(P, Q)[k], label=label)
    scores = [dv.precision_recall(x, y) for y in models.values()]
    for k, name in enumerate(["recall", "precision"]):
        values = [getattr(score, name) for score in scores]
        axes[1].bar(places + 0.4 * k - 0.2, values, 0.38, color=(P, Q)[k], label=name)
    for axis in axes:
        axis.set_xticks(places, models)
        axis.legend()
    axes[0].set_ylabel("nats")
    axes[1].set_ylim(0, 1.25)
    return figure
