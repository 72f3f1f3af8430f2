"""For scikit-learn: scorers of generative models, distances between data sets, a Parzen window to search.

scikit-learn comes with the package, so there is no extra to install.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from divergences._arrays import detached, to_numpy
from divergences._inputs import as_plain, check_integer, check_option, check_pair, check_positive
from divergences.evaluate import evaluate
from divergences.kernels import STATIONARY, distance_quantiles
from divergences.laws.claims import claims_of
from divergences.parzen import Parzen
from divergences.registry import Metric, complete, parse

try:
    from sklearn.utils.validation import validate_data
except ImportError as error:
    raise ImportError(
        "divergences.integrations.sklearn needs scikit-learn 1.6 or newer: pip install -U scikit-learn"
    ) from error

__all__ = ["ParzenDensity", "divergence_scorer", "pairwise_divergences"]


def divergence_scorer(
    metric: str | Metric = "energy",
    *,
    response: str = "sample",
    n_samples: int | None = None,
    random_state: int = 0,
    sign: int | None = None,
) -> Callable[..., float]:
    """A scorer (estimator, X, y) → float, higher is better, for ``scoring=`` wherever scikit-learn takes one.

    ``response="sample"``: between held-out X and ``estimator.sample(n_samples)``, as many as X has by
    default (``KernelDensity``, ``GaussianMixture``, ``ParzenDensity``); their own ``random_state`` is
    fixed where they take one. "predict": between targets y and predictions, as distributions. "transform":
    between y and ``estimator.transform(X)``, for maps from one domain into another. A distance comes with
    its sign turned; ``sign`` overrides what the registry says is better.

    >>> import numpy as np
    >>> from sklearn.mixture import GaussianMixture
    >>> x = np.random.default_rng(0).normal(size=(200, 1))
    >>> score = divergence_scorer("energy")
    >>> near, far = GaussianMixture(random_state=0).fit(x), GaussianMixture(random_state=0).fit(x + 5)
    >>> score(near, x) > score(far, x)
    True
    """
    row = complete(parse(metric))
    check_option(response, "response", ("sample", "predict", "transform"))
    if sign is None:
        if row.better == "none":
            raise ValueError(f"{row.name} is neither better lower nor higher; pass sign=1 or sign=-1")
        sign = 1 if row.better == "higher" else -1

    return _Scorer(row, response, n_samples, random_state, sign)


@dataclass(frozen=True)
class _Scorer:
    """What ``divergence_scorer`` returns: a class, so that a fitted search can be saved."""

    row: Metric
    response: str
    n_samples: int | None
    random_state: int
    sign: int

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        if self.response == "sample":
            number = len(X) if self.n_samples is None else self.n_samples
            real, fake = X, _sampled(estimator, number, self.random_state)
        elif y is None:
            raise ValueError(f"y must be given to compare it with what the model {self.response}s")
        else:
            real, fake = y, getattr(estimator, self.response)(X)
        return self.sign * _value(self.row, real, fake, self.random_state)


def _sampled(estimator: Any, n: int, random_state: int) -> Any:
    takes = inspect.signature(estimator.sample).parameters
    options = {"random_state": random_state} if "random_state" in takes else {}
    drawn = estimator.sample(n, **options)
    return drawn[0] if isinstance(drawn, tuple) else drawn  # a mixture adds the components


def _value(row: Metric, x: Any, y: Any, seed: int) -> float:
    """One number, drawn by one seed, as ``evaluate`` finds it."""
    rows = evaluate(x, y, row, rng=seed, progress=False).rows
    if len(rows) > 1:
        raise ValueError(f"metric must have one value; {row.name} has {len(rows)}")
    if rows[0].value is None:
        raise ValueError(f"{row.spec}: {rows[0].error}")
    return rows[0].value


def pairwise_divergences(
    samples: Sequence[Any] | Mapping[str, Any],
    others: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    metric: str | Metric = "energy",
    symmetrize: str | None = None,
    random_state: int = 0,
) -> np.ndarray:
    """D[i, j] = metric(samples[i], others[j]) between whole data sets: for ``metric="precomputed"``.

    ``samples``: k data sets (n_i, d), a sequence or a mapping. Without ``others`` the matrix is (k, k),
    its diagonal 0, and a symmetric metric is computed once a pair. ``symmetrize``: "mean" or "max" of both
    directions, for metrics such as ``kl`` that have a direction. ``squared_mmd`` without a bandwidth would
    be another kernel for every pair: the median heuristic is taken once, over all data sets together.

    Raises ValueError for a metric of several values or one where higher is closer, and where the distance of
    a pair is NaN or infinite, which no clustering takes.

    >>> sets = [[0.0, 1.0], [0.1, 1.1], [5.0, 6.0]]
    >>> pairwise_divergences(sets, metric="wasserstein").round(6).tolist()
    [[0.0, 0.1, 5.0], [0.1, 0.0, 4.9], [5.0, 4.9, 0.0]]
    """
    row = complete(parse(metric))
    if row.better != "lower":
        raise ValueError(f"metric must be a distance, lower is closer; {row.name} is none")
    if symmetrize is not None:
        check_option(symmetrize, "symmetrize", ("mean", "max"))
        if others is not None:
            raise ValueError("symmetrize is for one list of samples; leave others out")
    first = _listed(samples, "samples")
    second = first if others is None else _listed(others, "others")
    row = _with_one_kernel(row, [*first, *([] if others is None else second)])
    found = np.zeros((len(first), len(second)))
    both_ways = others is None and "symmetric" in claims_of(row)
    for i, x in enumerate(first):
        for j, y in enumerate(second):
            if others is None and (i == j or (both_ways and j < i)):
                continue
            found[i, j] = _value(row, x, y, random_state)
            if not np.isfinite(found[i, j]):
                raise ValueError(
                    f"{row.spec} between data sets {i} and {j} is {found[i, j]}, which cannot be clustered. "
                    "Use a metric that is finite, such as energy"
                )
    if both_ways:
        return found + found.T
    if symmetrize is None:
        return found
    return (found + found.T) / 2 if symmetrize == "mean" else np.maximum(found, found.T)


def _listed(samples: Any, name: str) -> list[Any]:
    listed = list(samples.values()) if isinstance(samples, Mapping) else list(samples)
    if len(listed) < 1:
        raise ValueError(f"{name} must hold at least one data set; got none")
    return [as_plain(each, f"{name}[{k}]") for k, each in enumerate(listed)]


def _with_one_kernel(row: Metric, samples: list[Any]) -> Metric:
    """The kernel's width fixed for all pairs, by the median heuristic over all rows."""
    chooses = row.name == "squared_mmd" and row.options.get("bandwidth", "median") == "median"
    if not chooses or row.options.get("kernel", "gaussian") not in STATIONARY:
        return row
    rows = [np.asarray(to_numpy(detached(each)), dtype=float).reshape(len(each), -1) for each in samples]
    pair = check_pair(rows[0], np.concatenate(rows[1:] or rows))
    return row.with_options(bandwidth=float(distance_quantiles(pair, [0.5])[0]) * pair.scale)


class ParzenDensity(DensityMixin, BaseEstimator):
    """``divergences.Parzen`` as a scikit-learn estimator, with the methods of ``KernelDensity``.

    ``bandwidth``: the width σ of the Gaussian window, or "likelihood" to choose it in ``fit`` by
    leave-one-out likelihood. After ``fit``: ``bandwidth_``, ``window_`` (the ``Parzen``), ``n_features_in_``.
    Exact sums: for a tree's tolerances use ``KernelDensity``, whose values these are.

    >>> density = ParzenDensity(bandwidth=1.0).fit([[0.0]])
    >>> density.score_samples([[0.0]]).round(6).tolist()
    [-0.918939]
    """

    def __init__(self, bandwidth: float | str = 1.0) -> None:
        self.bandwidth = bandwidth

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> ParzenDensity:
        """Put a window on every row of X (n, d), with weights if given; ``y`` is ignored."""
        X = validate_data(self, X, dtype=np.float64)
        if isinstance(self.bandwidth, str):
            check_option(self.bandwidth, "bandwidth", ("likelihood",))
            self.window_ = Parzen.fit(X, y_weights=sample_weight)
        else:
            width = check_positive(self.bandwidth, "bandwidth")
            self.window_ = Parzen(X, width, y_weights=sample_weight)
        self.bandwidth_ = self.window_.bandwidth
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Log density of each row, (n,), in nats."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return np.asarray(self.window_.log_density(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Total log density of X in nats, as ``KernelDensity`` has it: what a search maximises."""
        return float(np.sum(self.score_samples(X)))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """``n_samples`` draws, (n_samples, d)."""
        check_is_fitted(self)
        n = check_integer(n_samples, "n_samples", minimum=1)
        seed = check_random_state(random_state).randint(2**31 - 1)
        return self.window_.sample(n, rng=int(seed))
