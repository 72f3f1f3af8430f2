"""Which points carry the distance, which parts of the reference a model leaves out, what is far off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergences._arrays import detached, from_numpy, to_numpy
from divergences._inputs import check_integer, check_pair, check_rng
from divergences._neighbor_search import nearest
from divergences._pairwise import paired_squared_distances
from divergences.inference.rows import row_of, seed_of
from divergences.inference.ustatistic import kernel_means
from divergences.kernels import pair_kernel
from divergences.transport.exact import transport

__all__ = [
    "Attribution",
    "Clusters",
    "attribution",
    "distances_out",
    "far_from_data",
    "p_values_out",
    "uncovered_clusters",
]


@dataclass(frozen=True)
class Attribution:
    """A value as a sum over rows: ``value`` = Σ ``x`` + Σ ``y``, up to its root for ``wasserstein``.

    ``x`` (n,) and ``y`` (m,) are each row's share. ``total`` is what they sum to, ``meaning`` what a large
    share says.
    """

    metric: str
    value: float
    total: float
    x: np.ndarray
    y: np.ndarray
    meaning: str

    def largest(self, count: int = 10, *, of: str = "y") -> np.ndarray:
        """The rows with the largest shares, largest first."""
        shares = {"x": self.x, "y": self.y}.get(of)
        if shares is None:
            raise ValueError(f"of must be 'x' or 'y'; got {of!r}")
        return np.argsort(-shares, kind="stable")[: check_integer(count, "count")]


def attribution(
    metric: Any, x: Any, y: Any, *, critic: Callable[[Any], Any] | None = None, **options: Any
) -> Attribution:
    """How much each row of x and of y adds to the distance between them: energy, MMD, Wasserstein, a critic.

    ``energy``, ``cramer``, ``squared_mmd`` and ``kid``: the witness function, by which the V-statistic is its
    mean over x less that over y (Gretton et al. 2012, §2.3; Lloyd & Ghahramani 2015). A large share in x is
    where the model puts too little, in y where it puts too much; shares may be negative. ``wasserstein``:
    half the cost of each row's part of the optimal plan, never negative; they sum to W_p^p.

    ``critic``: a trained one, that takes samples as they are given here to one number each, such as a
    GAN's with tensors. The shares are then its outputs less the middle of their two means, and sum to
    mean v(x) − mean v(y), which is the ``value`` too: of the dual of W1 if it is 1-Lipschitz. ``metric`` is
    what the critic is of, and only named.

    Raises ValueError for other metrics, for weights, and for a critic without one number for each row.

    >>> found = attribution("energy", [[0.0], [1.0], [2.0]], [[0.0], [1.0], [9.0]])
    >>> found.largest(1).tolist(), round(found.total - found.value, 12)
    ([2], 0.0)
    """
    row = row_of(metric, **options)
    if critic is not None:
        return _by_critic(critic, row.spec, x, y)
    if any(row.options.get(name) is not None for name in ("x_weights", "y_weights")):
        raise ValueError(
            "x_weights, y_weights: shares are of rows that weigh the same. Resample by weight first"
        )
    pair = check_pair(detached(x), detached(y), min_rows=2)
    if row.name == "wasserstein":
        return _by_plan(row.options.get("p", 1), row.spec, x, y)
    kernel = pair_kernel(row.name, pair, **row.options)
    if kernel is None:
        raise ValueError(
            f"{row.name} is not a sum over rows; energy, cramer, squared_mmd, kid and wasserstein are"
        )
    means = kernel_means(kernel, pair)
    unit = kernel.factor * pair.scale**kernel.degree
    shares = unit * (means.x_own - means.x_other) / pair.n, unit * (means.y_own - means.y_other) / pair.m
    return Attribution(
        metric=row.spec, value=float(detached(row(x, y))), total=float(shares[0].sum() + shares[1].sum()),
        x=shares[0], y=shares[1],
        meaning="in x: where the model puts too little; in y: where it puts too much",
    )  # fmt: skip


def _by_critic(critic: Callable[[Any], Any], spec: str, x: Any, y: Any) -> Attribution:
    outputs = []
    for name, side in (("x", x), ("y", y)):
        found = np.asarray(to_numpy(detached(critic(side))), dtype=np.float64)
        if found.size != len(side):
            raise ValueError(
                f"critic must return one number for each row; for {len(side)} rows of {name} it returned "
                f"an array of shape {found.shape}"
            )
        outputs.append(found.reshape(-1))
    value = float(outputs[0].mean() - outputs[1].mean())
    middle = 0.5 * float(outputs[0].mean() + outputs[1].mean())  # a constant is nobody's share
    shares = (outputs[0] - middle) / len(outputs[0]), (middle - outputs[1]) / len(outputs[1])
    return Attribution(
        metric=spec, value=value, total=float(shares[0].sum() + shares[1].sum()), x=shares[0], y=shares[1],
        meaning="what the critic takes for real in x, and for generated in y",
    )  # fmt: skip


def _by_plan(p: float, spec: str, x: Any, y: Any) -> Attribution:
    solved = transport(detached(x), detached(y), p=p)
    sides = [np.asarray(to_numpy(detached(side)), dtype=np.float64) for side in (x, y)]
    sides = [side.reshape(len(side), -1) for side in sides]
    plan = solved.plan
    lengths = np.sqrt(paired_squared_distances(sides[0][plan.rows], sides[1][plan.columns]))
    costs = 0.5 * plan.masses * lengths**p
    shares = [
        np.bincount(k, costs, minlength=len(side))
        for k, side in zip((plan.rows, plan.columns), sides, strict=True)
    ]
    return Attribution(
        metric=spec, value=float(detached(solved.distance)), total=float(sum(s.sum() for s in shares)),
        x=shares[0], y=shares[1], meaning="half the cost of the row's part of the optimal plan",
    )  # fmt: skip


@dataclass(frozen=True)
class Clusters:
    """Clusters of the reference, and how much of each sample falls in them.

    ``centres`` (k, d), in falling order of ``x_shares`` less ``y_shares``; ``p_values`` of the model having
    too little in a cluster, Holm-adjusted for the number of clusters; ``uncovered`` those below 0.05.
    ``x_labels`` and ``y_labels`` give the cluster of each row.
    """

    centres: np.ndarray
    x_shares: np.ndarray
    y_shares: np.ndarray
    p_values: np.ndarray
    x_labels: np.ndarray
    y_labels: np.ndarray
    seed: int | None = None

    @property
    def uncovered(self) -> np.ndarray:
        """The clusters that the model surely puts too little in."""
        return np.flatnonzero(self.p_values < 0.05)


def uncovered_clusters(x: Any, y: Any, *, clusters: int = 10, rng: Any = None) -> Clusters:
    """Which parts of the reference the model leaves out: shares of both samples in k-means clusters of x.

    The clusters are found on a random half of x, the shares are of the other half, for clusters fit
    their own rows better; then Fisher's exact test for each cluster, adjusted by Holm's method.

    Raises ValueError for more clusters than rows in half of x.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(400, 1)) + 9.0 * np.arange(400)[:, None] % 36.0
    >>> found = uncovered_clusters(z[:200], z[200:][z[200:, 0] < 20.0], clusters=4, rng=0)
    >>> found.uncovered, found.centres[0].round()
    (array([0]), array([27.]))
    """
    from scipy.stats import fisher_exact
    from sklearn.cluster import KMeans

    pair = check_pair(detached(x), detached(y), min_rows=4)
    half = pair.n // 2
    count = check_integer(clusters, "clusters", minimum=2, below=half + 1, why="each needs rows in half of x")
    seed = seed_of(rng)
    draws = check_rng(rng if seed is None else seed)
    sides = [np.asarray(to_numpy(side), dtype=np.float64) for side in (pair.x, pair.y)]
    order = draws.permutation(pair.n)
    model = KMeans(count, n_init=3, random_state=int(draws.integers(2**31))).fit(sides[0][order[:half]])
    labels = [model.predict(side) for side in sides]
    held = labels[0][order[half:]]
    counts = np.array([np.bincount(each, minlength=count) for each in (held, labels[1])])
    sizes = counts.sum(axis=1)
    p_values = np.array(
        [
            fisher_exact([[a, sizes[0] - a], [b, sizes[1] - b]], alternative="greater").pvalue
            for a, b in counts.T
        ]
    )
    shares = counts / sizes[:, None]
    place = np.argsort(shares[1] - shares[0], kind="stable")
    renamed = np.argsort(place)
    centres = model.cluster_centers_[place] * pair.scale + to_numpy(pair.origin)
    return Clusters(
        centres, shares[0][place], shares[1][place], _holm(p_values)[place], renamed[labels[0]],
        renamed[labels[1]], seed,
    )  # fmt: skip


def _holm(p_values: np.ndarray) -> np.ndarray:
    """Adjusted so that the chance of any false rejection stays below the level."""
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    found = np.empty(len(order))
    found[order] = np.minimum(stepped, 1.0)
    return found


def far_from_data(x: Any, y: Any, *, k: int = 1) -> np.ndarray:
    """How out of place each row of y is among x: a p-value in (0, 1] for each, (m,).

    The distance to the k-th nearest row of x is ranked among those of the rows of x to the others
    of x: (1 + how many of them are as far)/(n + 1), by which a row of the reference's own
    distribution falls below α with probability about α (conformal: Vovk et al. 2005). Small values are
    samples far from all data; 1/(n + 1) is the smallest.

    Raises ValueError for k ≥ n.

    >>> far_from_data([[0.0], [1.0], [2.0], [3.0]], [[1.5], [9.0]])
    array([1. , 0.2])
    """
    return p_values_out(*distances_out(x, y, k))


def distances_out(x: Any, y: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The distance from each row of x to its k-th nearest other row of x, and from each row of y to x's."""
    pair = check_pair(detached(x), detached(y), min_rows=2)
    k = check_integer(k, "k", below=pair.n, why="a row of x has n − 1 others")
    own = _kth_distance(pair.x, pair.x, k, exclude_self=True)
    return own, _kth_distance(pair.y, pair.x, k, exclude_self=False)


def p_values_out(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Each of ``others`` ranked among ``own``."""
    farther = len(own) - np.searchsorted(np.sort(own), others * (1.0 - 1e-12), side="left")
    found: np.ndarray = (1.0 + farther) / (len(own) + 1.0)
    return found


def _kth_distance(rows: Any, among: Any, k: int, *, exclude_self: bool) -> np.ndarray:
    columns = nearest(rows, among, k, exclude_self=exclude_self)[:, -1]
    there = among[from_numpy(columns, among)]
    return np.sqrt(to_numpy(paired_squared_distances(rows, there)))
