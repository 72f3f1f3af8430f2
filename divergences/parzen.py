"""Parzen-window (Gaussian kernel) density estimates and the log-likelihoods read off them.

``parzen_log_likelihood`` is the score Goodfellow et al. 2014 report: the mean log density of test
data under a Gaussian window on model samples. It is a poor measure of sample quality (Theis, van
den Oord & Bethge 2016): k-means centroids beat real data. Print control rows beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from divergences._arrays import Array, detached, from_numpy, to_numpy
from divergences._inputs import (
    Pair,
    check_integer,
    check_option,
    check_pair,
    check_positive,
    check_proportion,
    check_rng,
    warn,
)
from divergences._moments import accumulated, scatter
from divergences._neighbor_search import nearest
from divergences._pairwise import (
    Steps,
    Wish,
    log_weights,
    paired_squared_distances,
    representatives,
    row_logsumexp,
    row_slices,
    rows_at,
    run,
    shares,
    squared_distances,
)
from divergences._rows import Rows
from divergences.registry import metric
from divergences.results import Estimate

__all__ = ["GOODFELLOW_GRID", "Parzen", "parzen_log_likelihood"]

# np.logspace(-1, 0, 10): the grid of the paper's script, for pixels in [0, 1]
GOODFELLOW_GRID: tuple[float, ...] = tuple(float(s) for s in np.logspace(-1, 0, 10))
VALIDATION_ROWS = 1000  # leave-one-out reads at most this many rows, Goodfellow's number


class Parzen:
    """A Gaussian window of width ``bandwidth`` on each row of ``y``: a density on R^d.

    p(x) = Σ_j b_j N(x; y_j, σ²I) (Parzen 1962), σ = ``bandwidth`` in the data's unit, b the
    weights (1/m each by default). ``Parzen.fit`` chooses σ by validation likelihood; then
    ``curve`` holds the (bandwidths, mean log densities) it looked at, else it is None.

    >>> window = Parzen([[0.0]], bandwidth=1.0)
    >>> round(float(window.log_density([[0.0]])[0]), 6)
    -0.918939
    """

    def __init__(self, y: Any, bandwidth: float, *, y_weights: Any = None) -> None:
        check_pair(y, y, y_weights, y_weights, names=("y", "y"), streams=True)
        self.y = y
        self.y_weights = y_weights
        self.bandwidth = check_positive(bandwidth, "bandwidth")
        self.curve: tuple[np.ndarray, np.ndarray] | None = None

    def __repr__(self) -> str:
        rows, d = np.shape(self.y)[0], math.prod(np.shape(self.y)[1:])
        return f"Parzen({rows} rows, {d} features, bandwidth={self.bandwidth:.6g})"

    @classmethod
    def fit(
        cls,
        y: Any,
        *,
        validation: Any = None,
        grid: str | Sequence[float] | None = None,
        y_weights: Any = None,
    ) -> Parzen:
        """Choose σ by the mean log density of ``validation`` rows, and return the window.

        ``validation=None``: leave-one-out on (at most 1,000 representative rows of) ``y`` itself.
        ``grid``: None searches finely over the whole range between nearest-neighbour distance
        and spread; "goodfellow" is logspace(−1, 0, 10), the published protocol (pixels in
        [0, 1], 1,000 validation images); or bandwidths of your own. A DivergenceWarning says so
        when the best lies at the edge of the grid.
        """
        held_out = validation is None
        x = y if held_out else validation
        pair = _with_mass_only(check_pair(x, y, None, y_weights, names=("validation", "y"), streams=True))
        if held_out and np.count_nonzero(to_numpy(pair.b)) < 2:
            raise ValueError(
                "y must have at least 2 rows with weight to choose a bandwidth; pass bandwidth= instead"
            )
        rows, own = _validation_rows(pair, held_out)
        if grid is None:
            widths, scores = _fine_search(pair, rows, own)
        else:
            widths = np.array([check_proportion(width, pair.scale) for width in _grid(grid)])
            scores = _mean_log_densities(pair, rows, own, widths)
        best = int(np.argmax(scores))
        if best in (0, len(widths) - 1) and len(widths) > 1:
            _warn_edge(widths * pair.scale, best, fine=grid is None)
        window = cls(y, float(widths[best] * pair.scale), y_weights=y_weights)
        window.curve = widths * pair.scale, scores - pair.d * math.log(pair.scale)
        return window

    def log_density(self, x: Any) -> Any:
        """log p(x_i) in nats, shape (n,), in x's library and dtype; differentiable in torch."""
        pair = check_pair(x, self.y, None, self.y_weights, streams=True)
        values = _log_density(pair, self.bandwidth)
        return values.astype(pair.dtype) if isinstance(values, np.ndarray) else values.to(pair.dtype)

    def score(self, x: Any, *, x_weights: Any = None) -> Estimate:
        """Mean log density of ``x`` in nats with its standard error over the rows of ``x``.

        The standard error is that of the published tables: of the test rows only, not of the
        model's samples or its training.
        """
        pair = check_pair(x, self.y, x_weights, self.y_weights, streams=True)
        values, a = to_numpy(_log_density(pair, self.bandwidth)), to_numpy(pair.a)
        mean = float(a @ values)
        squares = float(a @ a)
        if squares < 1.0:
            error = math.sqrt(float(a @ (values - mean) ** 2) * squares / (1.0 - squares))
        else:
            error = math.nan
        note = f"σ = {self.bandwidth:.6g}; ± is the standard error over the rows of x"
        return Estimate(mean, standard_error=error, notes=(note,), n=pair.n, m=pair.m, d=pair.d)

    def sample(self, n: int, *, rng: Any = None) -> np.ndarray:
        """``n`` draws from the density, (n, d), NumPy."""
        n, rng = check_integer(n, "n"), check_rng(rng)
        pair = check_pair(self.y, self.y, self.y_weights, self.y_weights, names=("y", "y"), streams=True)
        rows = rng.choice(pair.m, size=n, p=to_numpy(pair.b))
        centres = rows_at(pair.y, rows) * pair.scale + to_numpy(pair.origin)
        return centres + self.bandwidth * rng.normal(size=centres.shape)


@metric(
    laws=(
        "parzen", "translation invariant", "rotation invariant if bandwidth != None", "order of rows",
        "weighted", "needs 3 rows", "chosen from the data if bandwidth == None",
    ),
    on="samples", degree=None, better="higher", cost="n*m", interval="test rows",
    meaning="mean log density of real rows under a Gaussian window on the model's; "
    "memorisers can beat real data",
    reference="Breuleux et al. 2011; Goodfellow et al. 2014",
)  # fmt: skip
def parzen_log_likelihood(
    x: Any,
    y: Any,
    *,
    bandwidth: float | None = None,
    validation: Any = None,
    grid: str | Sequence[float] | None = None,
    x_weights: Any = None,
    y_weights: Any = None,
) -> Any:
    """Mean log density of ``x`` under a Gaussian window on ``y``, in nats; higher is better.

    ``bandwidth`` is σ in the data's unit. None chooses it as ``Parzen.fit`` does, by the rows of
    ``validation`` (real data kept apart from x) or, without them, by leave-one-out on y; ``grid``
    is passed on: "goodfellow" is the published protocol. For the standard error use
    ``Parzen.fit(y, validation=...).score(x)``, which returns an Estimate. Samples too large to load (a
    memmap, an HDF5, Zarr or Dask array) are read by blocks.

    >>> round(float(parzen_log_likelihood([[0.0]], [[0.0]], bandwidth=1.0)), 6)
    -0.918939
    """
    pair = check_pair(x, y, x_weights, y_weights, streams=True)
    if bandwidth is None or grid is not None or validation is not None:
        window = parzen_window(y, bandwidth=bandwidth, validation=validation, grid=grid, y_weights=y_weights)
        bandwidth = window.bandwidth
    return pair.result(run(pair, _parzen_steps(pair, check_positive(bandwidth, "bandwidth"))))


def parzen_window(
    y: Any,
    *,
    bandwidth: float | None = None,
    validation: Any = None,
    grid: str | Sequence[float] | None = None,
    y_weights: Any = None,
    **_of_x: Any,
) -> Parzen:
    """The window that ``parzen_log_likelihood`` scores x under, from its own options."""
    if bandwidth is None:
        return Parzen.fit(y, validation=validation, grid=grid, y_weights=y_weights)
    if grid is not None or validation is not None:
        extra = "validation" if grid is None else "grid"
        raise ValueError(f"{extra} chooses the bandwidth; pass bandwidth or {extra}, not both")
    return Parzen(y, bandwidth, y_weights=y_weights)


# ── log densities ───────────────────────────────────────────────────────────────────────────


def _log_density(pair: Pair, bandwidth: float) -> Array:
    """log p(x_i) in the caller's unit: the pair's coordinates are scaled, the density is not."""
    return run(pair, _log_density_steps(pair, bandwidth))


@shares("parzen_log_likelihood")
def _parzen_shared(pair: Pair, bandwidth: Any = None, **_choice: Any) -> Steps:
    if bandwidth is None:  # its choice has samples of its own
        raise NotImplementedError
    value = yield from _parzen_steps(pair, check_positive(bandwidth, "bandwidth"))
    return pair.result(value)


def _parzen_steps(pair: Pair, bandwidth: float) -> Steps:
    values = yield from _log_density_steps(pair, bandwidth)
    return pair.xp.sum(pair.a * values)


def _log_density_steps(pair: Pair, bandwidth: float) -> Steps:
    width = check_proportion(bandwidth, pair.scale)
    found = yield Wish(log_sums=[0.5 / width**2])
    return found.log_sums[0] - _log_normaliser(pair.d, bandwidth)


def _log_normaliser(d: int, width: float) -> float:
    return d * (math.log(width) + 0.5 * math.log(2.0 * math.pi))


# ── choosing the bandwidth ──────────────────────────────────────────────────────────────────


def _with_mass_only(pair: Pair) -> Pair:
    """The pair without the rows of y that weigh nothing: they have no say in the bandwidth.

    Of Rows they are passed over where they would have one.
    """
    kept = np.flatnonzero(to_numpy(pair.b) > 0)
    if len(kept) == pair.m or isinstance(pair.y, Rows):
        return pair
    rows = from_numpy(kept, pair.y)
    return replace(pair, y=pair.y[rows], b=pair.b[rows])


def _validation_rows(pair: Pair, held_out: bool) -> tuple[Array, Array | None]:
    """The rows to score and, for leave-one-out, the column each may not use."""
    if not held_out:
        return detached(pair.x), None
    rows, (own,) = representatives([(pair.y, pair.b)], VALIDATION_ROWS)
    return from_numpy(rows, pair.y), from_numpy(own, pair.y)


def _mean_log_densities(pair: Pair, rows: Array, own: Array | None, widths: np.ndarray) -> np.ndarray:
    """Mean log density of the validation rows at each width, in the pair's coordinates."""
    logs = log_weights(detached(pair.b))
    rates = [0.5 / float(w) ** 2 for w in widths]
    values = to_numpy(row_logsumexp(rows, detached(pair.y), logs, rates, own=own, single=pair.single))
    b = np.ones(values.shape[1])
    if own is not None:  # the other weights sum to 1 − b_i
        b = to_numpy(pair.b)[to_numpy(own)]
        values = values - np.log1p(-b)[None, :]
    normalisers = np.array([_log_normaliser(pair.d, float(w)) for w in widths])
    return values @ (b / b.sum()) - normalisers


def _fine_search(pair: Pair, rows: Array, own: Array | None) -> tuple[np.ndarray, np.ndarray]:
    """16 widths over the whole sensible range, then two zooms about the best (to about 1 %)."""
    low, high = _sensible_range(pair, rows, own)
    widths = np.geomspace(low, high, 16)
    scores = _mean_log_densities(pair, rows, own, widths)
    for _ in range(2):
        best = int(np.argmax(scores))
        around = np.geomspace(widths[max(best - 1, 0)], widths[min(best + 1, len(widths) - 1)], 8)[1:-1]
        widths = np.concatenate([widths, around])
        scores = np.concatenate([scores, _mean_log_densities(pair, rows, own, around)])
        order = np.argsort(widths)
        widths, scores = widths[order], scores[order]
    return widths, scores


def _sensible_range(pair: Pair, rows: Array, own: Array | None) -> tuple[float, float]:
    """From a third of the typical nearest distance per √d to twice the spread per √d."""
    if isinstance(pair.y, Rows) or isinstance(rows, Rows):
        if isinstance(rows, Rows):  # a typical gap is wanted, which some of them show
            rows, _ = representatives([(pair.x, pair.a)], VALIDATION_ROWS)
        gaps, mean, spread = _streamed_range(pair, rows, own)
    else:
        y = to_numpy(pair.y)
        rows = to_numpy(rows)
        found = nearest(rows, y, 1 if own is None else 2)[:, -1]
        gaps = np.sqrt(paired_squared_distances(rows, y[found]))
        mean = y.mean(axis=0)
        spread = math.sqrt(float(np.mean(np.sum((y - mean) ** 2, axis=1))))
    far = math.sqrt(float(np.mean(np.sum((rows - mean) ** 2, axis=1))))
    high = 2.0 * max(spread, far) / math.sqrt(pair.d) or 1.0
    positive = gaps[gaps > 0]
    low = float(np.quantile(positive, 0.1)) / 3.0 / math.sqrt(pair.d) if len(positive) else high * 1e-3
    return min(low, high / 10.0), high


def _streamed_range(pair: Pair, rows: np.ndarray, own: Array | None) -> tuple[np.ndarray, np.ndarray, float]:
    """Distances to the nearest other row of y with weight, and y's mean and spread, in one pass over y."""
    weighs, closest = to_numpy(pair.b) > 0, np.full(len(rows), np.inf)

    def passed() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for part, block in pair.y.blocks() if isinstance(pair.y, Rows) else [(slice(0, pair.m), pair.y)]:
            block, here = np.asarray(block, dtype=np.float64), weighs[part]
            for some in row_slices(len(rows), len(block)):
                squared = squared_distances(rows[some], block)
                squared[:, ~here] = np.inf
                if own is not None:
                    mine = to_numpy(own)[some] - part.start
                    inside = np.flatnonzero((mine >= 0) & (mine < len(block)))
                    squared[inside, mine[inside]] = np.inf
                closest[some] = np.minimum(closest[some], squared.min(axis=1))
            yield block[here], np.ones(int(here.sum()))

    found = accumulated((some for some in passed() if len(some[0])), scatter, degree=2)
    spread = found.scale * math.sqrt(float(np.trace(found.second)) / found.weight)
    return np.sqrt(closest), found.origin + found.scale * found.mean, spread


def _grid(grid: str | Sequence[float]) -> np.ndarray:
    if isinstance(grid, str):
        check_option(grid, "grid", ("goodfellow",))
        return np.array(GOODFELLOW_GRID)
    if np.ndim(grid) != 1 or len(grid) == 0:
        raise ValueError("grid must be 'goodfellow' or a non-empty sequence of bandwidths")
    return np.unique([check_positive(width, "grid") for width in grid])


def _warn_edge(widths: np.ndarray, best: int, *, fine: bool) -> None:
    side = "smallest" if best == 0 else "largest"
    advice = (
        "y holds duplicates, or too few rows for a window: the likelihood grows without bound"
        if fine
        else "extend the grid beyond it, or leave grid out for a search"
    )
    warn(f"the best bandwidth {widths[best]:.4g} is the {side} of the grid: {advice}")
