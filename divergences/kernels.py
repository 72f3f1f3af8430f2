"""Energy distance, Cramér distance and maximum mean discrepancy: averages of a kernel over pairs.

All three are 2E k(X,Y) − E k(X,X') − E k(Y,Y') up to sign, visited in row blocks; in one
dimension energy and Cramér take O(n log n) by sorting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergences import _line
from divergences._arrays import Array, detached, namespace
from divergences._inputs import Pair, check_option, check_pair, check_positive, check_proportion, warn
from divergences._pairwise import (
    Distance,
    Gaussian,
    Laplace,
    Rational,
    Stationary,
    StationaryGrams,
    Steps,
    Wish,
    distance_matrix,
    gram_diagonal,
    gram_sums,
    representatives,
    run,
    shares,
)
from divergences.registry import metric

__all__ = ["PairKernel", "cramer", "distance_quantiles", "energy", "kid", "pair_kernel", "squared_mmd"]

LARGE_TERMS = 1e8  # of a kernel that is of order 1 on centred features of order 1
LOST_DIGITS = 1e-12  # a value this small a share of its terms is mostly their rounding
MEDIAN_ROWS = 2000  # the median bandwidth reads at most this many rows of the pooled sample,
MEDIAN_BLOCK = 256  # and has the distances of so many of them at a time


# ── energy ──────────────────────────────────────────────────────────────────────────────────


@metric(
    laws=("energy", "symmetric"),
    on="samples", degree=1, cost="n*m", interval="u-statistic",
    meaning="how much farther apart points of different sets are than points of the same set; "
    "0 only if P = Q",
    reference="Székely & Rizzo 2013",
)  # fmt: skip
def energy(x: Any, y: Any, *, x_weights: Any = None, y_weights: Any = None) -> Any:
    """Energy distance 2E|X−Y| − E|X−X'| − E|Y−Y'|, not rooted, in the data's unit, in [0, ∞).

    ``x`` (n, d) and ``y`` (m, d), NumPy or torch; Euclidean norm. The V-statistic: the exact
    energy distance between the two empirical distributions, exactly 0 for identical samples.
    SciPy's ``energy_distance`` is its root, GeomLoss's energy its half. At finite n it is
    positive even when P = Q, by about (1/n + 1/m) E|X−X'|.

    O(n log n) in one dimension, O(nmd) time and O(n) memory otherwise; samples too large to load (a
    memmap, an HDF5, Zarr or Dask array) are read by blocks. Differentiable in torch,
    with gradient 0 at coinciding points (Székely & Rizzo 2013, eq. 2).

    >>> float(energy([0.0], [1.0]))
    2.0
    """
    pair = check_pair(x, y, x_weights, y_weights, streams=True)
    return pair.result(_energy(pair), degree=1)


@metric(
    laws=("cramer", "symmetric"),
    on="samples", degree=1, cost="n*m", interval="u-statistic",
    meaning="half the energy distance; in 1-D the area between the squared CDF gap",
    reference="Bellemare et al. 2017; Székely 2003",
)  # fmt: skip
def cramer(x: Any, y: Any, *, x_weights: Any = None, y_weights: Any = None) -> Any:
    """Cramér distance ∫(F − G)² dt in 1-D, energy/2 in any dimension; not rooted, in [0, ∞).

    Its sample gradient is an unbiased estimate of the true gradient in the model's samples,
    which that of Wasserstein is not (Bellemare et al. 2017, Theorem 2).

    >>> float(cramer([0.0], [1.0]))
    1.0
    """
    pair = check_pair(x, y, x_weights, y_weights, streams=True)
    return pair.result(_energy(pair) / 2.0, degree=1)


def _energy(pair: Pair) -> Array:
    if pair.same:
        return pair.zero()
    if pair.d == 1:
        return _energy_by_sorting(pair.loaded())
    return run(pair, _energy_steps(pair))


@shares("energy")
def _energy_shared(pair: Pair) -> Steps:
    value = yield from _energy_steps(pair)
    return pair.result(value, degree=1)


@shares("cramer")
def _cramer_shared(pair: Pair) -> Steps:
    value = yield from _energy_steps(pair)
    return pair.result(value / 2.0, degree=1)


def _energy_steps(pair: Pair) -> Steps:
    found = yield Wish(across=[Distance()], within=[Distance()])
    value = 2.0 * found.across[0] - found.within_x[0] - found.within_y[0]
    return pair.xp.maximum(value, pair.xp.zeros_like(value))


def _energy_by_sorting(pair: Pair) -> Array:
    """2 ∫ (F − G)² over the gaps between pooled order statistics (Székely 2003)."""
    if _line.pays(pair, pair.n + pair.m):
        return 2.0 * _line.squared_area(pair)
    xp = pair.xp
    pooled = xp.concat([pair.x[:, 0], pair.y[:, 0]])
    order = xp.argsort(detached(pooled), stable=False)
    ordered = xp.take(pooled, order)
    difference = xp.cumulative_sum(xp.take(xp.concat([pair.a, -pair.b]), order))[:-1]
    return 2.0 * xp.sum(difference * difference * (ordered[1:] - ordered[:-1]))


# ── maximum mean discrepancy ────────────────────────────────────────────────────────────────


STATIONARY: dict[str, Callable[[float], Stationary]] = {
    "gaussian": lambda bandwidth: Gaussian(0.5 / bandwidth**2),
    "laplace": lambda bandwidth: Laplace(1.0 / bandwidth),
    "rational_quadratic": lambda bandwidth: Rational(0.5 / bandwidth**2),
}
KERNELS = (*STATIONARY, "polynomial", "linear")


@metric(
    laws=(
        "squared mmd", "symmetric", "order of rows", "weighted", "needs 2 rows if estimator == 'unbiased'",
        "squared ipm if estimator == 'biased' and "
        "(bandwidth != 'median' or kernel == 'linear' or kernel == 'polynomial')",
        "plug-in if estimator == 'biased' and "
        "(bandwidth != 'median' or kernel == 'linear' or kernel == 'polynomial')",
        "never negative if estimator == 'biased'", "identity if estimator == 'biased'",
        "isometry invariant if kernel != 'polynomial'", "rotation invariant",
        "scale invariant if bandwidth == 'median' and kernel != 'linear' and kernel != 'polynomial'",
        "polynomial kernel if kernel == 'linear' or kernel == 'polynomial'",
        "chosen from the data if bandwidth == 'median' and kernel != 'linear' and kernel != 'polynomial'",
    ),
    on="samples", degree=None, cost="n*m", interval="u-statistic",
    meaning="squared distance between the mean embeddings of the two sets; near 0, possibly below, if P = Q",
    reference="Gretton et al. 2012",
)  # fmt: skip
def squared_mmd(
    x: Any,
    y: Any,
    *,
    kernel: str | Callable[[Array, Array], Array] = "gaussian",
    bandwidth: float | str | Sequence[float] = "median",
    estimator: str = "unbiased",
    x_weights: Any = None,
    y_weights: Any = None,
) -> Any:
    """Squared maximum mean discrepancy E k(X,X') + E k(Y,Y') − 2E k(X,Y), squared, unit of k.

    ``kernel`` (r = |x − y|, Euclidean, σ = ``bandwidth`` in the data's unit):
    "gaussian" exp(−r²/(2σ²)); "laplace" exp(−r/σ); "rational_quadratic" 1/(1 + r²/(2σ²));
    "polynomial" (⟨x,y⟩/d + 1)³ and "linear" ⟨x,y⟩, which have no bandwidth; or a function
    ``k(X, Y) -> (len(X), len(Y))`` of your own, called on blocks of rows.
    ``bandwidth``: a number; several (the kernels' mean: a mixture, which is again a kernel); or
    "median", the median distance between distinct points of the pooled sample (of at most
    2,000 representative rows), taken as a constant by gradients.
    ``estimator``: "unbiased" leaves the diagonals out (Gretton et al. 2012, eq. 3: may be
    negative near P = Q, and is not 0 for identical samples); "biased" is the V-statistic
    (eq. 5: never negative, exactly 0 for identical samples).

    Differentiable in torch. Weights a: the unbiased diagonal correction is 1 − Σa².

    >>> x, y = [[0.0], [1.0]], [[5.0], [6.0]]
    >>> round(float(squared_mmd(x, y, bandwidth=1.0, estimator="biased")), 4)
    1.6064
    """
    check_option(estimator, "estimator", ("unbiased", "biased"))
    if not callable(kernel):
        check_option(kernel, "kernel", KERNELS)
    unbiased = estimator == "unbiased"
    pair = check_pair(x, y, x_weights, y_weights, min_rows=2 if unbiased else 1, streams=True)
    if kernel in STATIONARY:
        functions = _functions(str(kernel), bandwidth, pair)
        if pair.same and not unbiased:
            return pair.result(pair.zero())
        return pair.result(run(pair, _mmd_steps(pair, functions, unbiased)))
    if bandwidth != "median":
        raise ValueError(f"kernel {kernel!r} has no bandwidth; leave bandwidth out, got {bandwidth!r}")
    if kernel == "linear":  # translation invariant: use the centred coordinates, undo the scale
        return pair.result(_mmd_gram(pair, pair.x, pair.y, _linear, unbiased), degree=2)
    gram = _checked(kernel) if callable(kernel) else _polynomial
    return pair.result(_mmd_gram(pair, *pair.raw(), gram, unbiased))


@metric(
    laws=("kid", "symmetric", "order of rows", "rotation invariant", "weighted", "needs 2 rows"),
    on="samples", degree=None, cost="n*m", interval="u-statistic",
    meaning="the cubic-kernel MMD² of GAN papers, on features; unbiased, so comparable across sample sizes",
    reference="Bińkowski et al. 2018",
)  # fmt: skip
def kid(x: Any, y: Any, *, x_weights: Any = None, y_weights: Any = None) -> Any:
    """Kernel Inception distance: unbiased squared MMD with (⟨x,y⟩/d + 1)³, on feature vectors.

    All pairs are used; the mean over random blocks of other packages has the same expectation
    and more variance (Bińkowski et al. 2018, §4). May be negative when P = Q. Depends on the
    origin and scale of the features, as the published definition does.

    >>> float(kid([[0.0], [1.0]], [[0.0], [1.0]]))
    -3.5
    """
    return squared_mmd(x, y, kernel="polynomial", x_weights=x_weights, y_weights=y_weights)


def _checked(kernel: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """A kernel of the user's, whose answer is looked at."""

    def gram(x: Array, y: Array) -> Array:
        found, shape = kernel(x, y), (len(x), len(y))
        if tuple(getattr(found, "shape", ())) != shape:
            came = getattr(found, "shape", type(found).__name__)
            raise ValueError(
                f"kernel must return one number for each pair of rows, shape {shape}; got "
                f"{tuple(came) if not isinstance(came, str) else came}"
            )
        if bool(namespace(found).isnan(detached(found)).any()):
            raise ValueError("kernel returned NaN; it must be a finite number for every pair of rows")
        return found

    return gram


def _linear(x: Array, y: Array) -> Array:
    return x @ y.T


def _polynomial(x: Array, y: Array) -> Array:
    return (x @ y.T / x.shape[1] + 1.0) ** 3


def _bandwidths(bandwidth: Any, pair: Pair) -> list[float]:
    if isinstance(bandwidth, str):
        check_option(bandwidth, "bandwidth", ("median",))
        return [_median_distance(pair) * pair.scale]
    if np.ndim(bandwidth) == 0:
        return [check_positive(bandwidth, "bandwidth")]
    if len(bandwidth) == 0:
        raise ValueError("bandwidth must be a number, 'median' or a non-empty sequence of numbers")
    return [check_positive(width, "bandwidth") for width in bandwidth]


def _median_distance(pair: Pair) -> float:
    """Median distance between distinct rows of both samples that carry mass."""
    return float(distance_quantiles(pair, [0.5])[0])


def distance_quantiles(pair: Pair, shares: Sequence[float]) -> np.ndarray:
    """Quantiles of the distances between distinct rows of both samples, in the pair's coordinates.

    Free of which row belongs to which sample; 1 where all rows coincide.
    """
    rows, _ = representatives([(pair.x, pair.a), (pair.y, pair.b)], MEDIAN_ROWS)
    count = len(rows)
    distances, filled = np.empty(count * (count - 1) // 2), 0
    for start in range(0, count, MEDIAN_BLOCK):
        block = distance_matrix(rows[start : start + MEDIAN_BLOCK], rows[start:], 1.0)
        for k, row in enumerate(block, start=1):  # with the rows after its own: each pair once
            distances[filled : filled + len(row) - k] = row[k:]
            filled += len(row) - k
    distances = distances[distances > 0]
    return np.quantile(distances, shares, overwrite_input=True) if len(distances) else np.ones(len(shares))


def _functions(kernel: str, bandwidth: Any, pair: Pair) -> list[Stationary]:
    """The kernel at each bandwidth, in the pair's coordinates."""
    return [STATIONARY[kernel](check_proportion(width, pair.scale)) for width in _bandwidths(bandwidth, pair)]


@shares("squared_mmd")
def _mmd_shared(
    pair: Pair, kernel: Any = "gaussian", bandwidth: Any = "median", estimator: Any = "unbiased"
) -> Steps:
    if kernel not in STATIONARY or estimator not in ("unbiased", "biased"):
        raise NotImplementedError
    functions = _functions(str(kernel), bandwidth, pair)
    value = yield from _mmd_steps(pair, functions, estimator == "unbiased")
    return pair.result(value)


def _mmd_steps(pair: Pair, functions: Sequence[Stationary], unbiased: bool) -> Steps:
    found = yield Wish(across=functions, within=functions)
    across, within_x, within_y = (
        sum(parts[1:], start=parts[0]) / len(functions)
        for parts in (found.across, found.within_x, found.within_y)
    )
    if unbiased:  # every diagonal entry of a stationary kernel here is 1
        within_x = _off_diagonal(pair, within_x, pair.a, 1.0, "x_weights")
        within_y = _off_diagonal(pair, within_y, pair.b, 1.0, "y_weights")
    return _assembled(pair, within_x, within_y, across, unbiased)


def _mmd_gram(pair: Pair, x: Array, y: Array, gram: Callable[[Array, Array], Array], unbiased: bool) -> Array:
    if pair.same and not unbiased:
        return pair.zero()
    with np.errstate(over="ignore", invalid="ignore"):
        across = gram_sums(x, y, pair.a, pair.b, gram)
        within_x, within_y = gram_sums(x, x, pair.a, pair.a, gram), gram_sums(y, y, pair.b, pair.b, gram)
        if unbiased:
            within_x = _off_diagonal(pair, within_x, pair.a, gram_diagonal(x, gram), "x_weights")
            within_y = _off_diagonal(pair, within_y, pair.b, gram_diagonal(y, gram), "y_weights")
        value = _assembled(pair, within_x, within_y, across, unbiased)
    size = sum(abs(float(detached(part))) for part in (within_x, within_y, across))
    if size > LARGE_TERMS and gram is not _linear and abs(float(detached(value))) < LOST_DIGITS * size:
        warn(
            f"the value, {float(detached(value)):.3g}, is what is left of terms of {size:.3g}: rounding. The "
            "kernel takes inner products, so it depends on the origin: subtract a common mean from x and y"
        )
    if not math.isfinite(float(detached(value))):
        raise ValueError(
            f"the kernel overflows on features of size {pair.scale:.3g}: scale x and y down first "
            "(a polynomial kernel is meant for features of order 1)"
        )
    return value


def _off_diagonal(pair: Pair, total: Array, weights: Array, diagonal: Any, name: str) -> Array:
    """The mean over i ≠ j from the sum over all i, j."""
    squares = weights * weights
    rest = 1.0 - pair.xp.sum(squares)
    if float(detached(rest)) <= 1e-12:
        raise ValueError(
            f"estimator='unbiased' needs at least two rows with weight; {name} puts all of it on one. "
            "Use estimator='biased'"
        )
    return (total - pair.xp.sum(squares * diagonal)) / rest


def _assembled(pair: Pair, within_x: Array, within_y: Array, across: Array, unbiased: bool) -> Array:
    value = within_x + within_y - 2.0 * across
    return value if unbiased else pair.xp.maximum(value, pair.xp.zeros_like(value))


# ── by pairs ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class PairKernel:
    """A measure as factor · scale^degree · (mean k within x + mean k within y − 2 mean k across).

    ``grams`` gives the ``count`` kernels whose mean k is, in blocks; ``raw`` says that it wants the
    rows in the caller's coordinates; ``unbiased`` leaves i = j out of the means within.
    """

    grams: Callable[[Array, Array], Sequence[Array]]
    count: int
    unbiased: bool
    raw: bool = False
    factor: float = 1.0
    degree: float = 0.0


def pair_kernel(name: str, pair: Pair, **options: Any) -> PairKernel | None:
    """How the measure ``name`` with its options averages over pairs; None for one that does not."""
    if name in ("energy", "cramer"):
        factor = -1.0 if name == "energy" else -0.5
        return PairKernel(StationaryGrams((Distance(),)), 1, unbiased=False, factor=factor, degree=1.0)
    if name == "kid":
        return PairKernel(_AsGrams(_polynomial), 1, unbiased=True, raw=True)
    if name != "squared_mmd":
        return None
    kernel = options.get("kernel", "gaussian")
    unbiased = options.get("estimator", "unbiased") == "unbiased"
    if kernel in STATIONARY:
        functions = _functions(str(kernel), options.get("bandwidth", "median"), pair)
        return PairKernel(StationaryGrams(tuple(functions)), len(functions), unbiased)
    if kernel == "linear":
        return PairKernel(_AsGrams(_linear), 1, unbiased, degree=2.0)
    return PairKernel(_AsGrams(kernel if callable(kernel) else _polynomial), 1, unbiased, raw=True)


@dataclass(frozen=True)
class _AsGrams:
    kernel: Callable[[Array, Array], Array]

    def __call__(self, rows: Array, columns: Array) -> list[Array]:
        return [self.kernel(rows, columns)]
