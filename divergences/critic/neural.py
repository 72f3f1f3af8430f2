"""The neural dual: a divergence measured by the critic that tells the two samples apart best.

A critic is trained on one half of the rows, early-stopped on part of that half, and valued on the other
half, which it never saw: its own training rows would flatter it. For W1 what it says can be proved:
the c-transform of its values over the held-out rows is feasible, whatever the critic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from divergences._arrays import device_name, is_torch, to_numpy
from divergences._inputs import (
    Pair,
    check_confidence,
    check_integer,
    check_option,
    check_pair,
    check_rng,
    warn,
)
from divergences._progress import Bar
from divergences.critic.dual import Dual, as_dual
from divergences.results import Certificate, Estimate, Interval
from divergences.transport.certificate import certify
from divergences.transport.dispatch import solve
from divergences.transport.pricing import c_transform
from divergences.transport.problem import Problem, Solution

__all__ = ["dual_value", "neural_dual"]

STEPS, BATCH = 1000, 512
FEWEST = 16  # rows a side: for training, stopping and valuing
EXACT_PAIRS = 10**7  # held-out pairs up to which the exact W1 is computed unasked: about two seconds
VALIDATION = 0.25  # of the training half: stops the training, and calibrates
PROVED = ("orthogonal", "funnels", "peaks", "potential")  # all for W1; the best on the rows set aside is kept
SURELY = 2.0  # standard errors by which a critic must beat the exact potential on the rows set aside
SCALES = 24  # evaluations of the concave search for the best multiple of a critic that is not 1-Lipschitz


def neural_dual(
    x: Any,
    y: Any,
    *,
    divergence: Any = "wasserstein",
    critic: str | Callable[[int], Any] | None = None,
    steps: int = STEPS,
    batch: int = BATCH,
    exact: bool | None = None,
    confidence: float = 0.95,
    x_weights: Any = None,
    y_weights: Any = None,
    rng: Any = None,
    progress: bool | None = None,
) -> Estimate:
    """Divergence as the best a trained critic can do: a lower bound in expectation, as an Estimate.

    ``x`` (n, d) and ``y`` (m, d), NumPy or torch, at least 16 rows each. ``divergence``: "wasserstein"
    (W1), the name of an f-divergence ("kl" by Donsker–Varadhan, "nwj" the variational bound for it, "js"
    the discriminator's, "pearson" and "neyman" both χ² without exponentials), an ``FDivergence``, or a
    ``Dual``. Random halves: one trains (a quarter of it stops and calibrates), the other gives ``value``
    and a normal ``interval`` for what this critic is worth on fresh samples. That is at most the
    divergence of the distributions, in expectation; it may come out below 0 where P = Q.

    ``critic``, for W1: None trains "orthogonal" (GroupSort between orthogonal layers; Anil et al. 2019),
    "funnels" (min_k |x − a_k| + b_k) and "peaks" (max_k b_k − |x − a_k|), takes "potential" beside them
    (the exact dual of at most 2,048 training rows a side, continued), all 1-Lipschitz by
    construction, and keeps the best; "gradient-penalty" and "clip" are what WGANs use, and no bounds.
    For f-divergences: None is a quadratic form plus a network. Or a function of your own, number of
    features -> torch.nn.Module.

    For W1 ``certificate`` bounds the exact W1 between the two held-out halves: ``lower`` is proved by the
    c-transform of the critic over them, ``upper`` is the exact value (``exact=True``, or unasked up to
    10⁷ pairs), else that of a feasible plan. The notes say how low the critic is. Training is the same for
    the same ``rng``, on one machine; torch's own generators are left alone.

    Where the critic tells the rows apart, a bound without a ceiling (KL, χ² and such) is held to what so many
    rows can show, and a warning says that the divergence may be far larger, or infinite.

    Source: Nguyen, Wainwright & Jordan 2010; Arjovsky, Chintala & Bottou 2017. Needs PyTorch.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(200, 2))
    >>> found = neural_dual(z[:100], z[100:] + 3.0, steps=60, rng=0)
    >>> found.certificate.lower <= found.certificate.upper, abs(found.value - 4.24) < 1
    (True, True)
    """
    from statistics import NormalDist

    dual = as_dual(divergence)
    steps = check_integer(steps, "steps")
    batch = check_integer(batch, "batch", minimum=2)
    level = check_confidence(confidence)
    seed = rng if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) else None
    generator = check_rng(rng)
    kinds = _kinds(critic, dual)
    pair = check_pair(x, y, x_weights, y_weights, min_rows=FEWEST)
    found = _measured(pair, dual, kinds, steps, batch, generator, progress)
    certificate, notes = None, [_says(found.best, dual, found.split)]
    if dual.lipschitz:
        certificate, more = _certified(found, exact, pair.scale)
        notes += more
    elif found.best.capped:
        rows = len(found.split.held[0]) + len(found.split.held[1])
        notes.append(_beyond(dual, found.value, rows))
    reach = NormalDist().inv_cdf(0.5 + level / 2) * found.error
    return Estimate(
        value=found.value,
        interval=Interval(found.value - reach, found.value + reach, level) if math.isfinite(reach) else None,
        standard_error=found.error,
        certificate=certificate,
        notes=tuple(notes),
        n=pair.n,
        m=pair.m,
        d=pair.d,
        seed=None if seed is None else int(seed),
    )


def dual_value(pair: Pair, divergence: Any, rng: Any) -> float:
    """``neural_dual(...).value`` of a checked pair, at its defaults."""
    dual = as_dual(divergence)
    return _measured(pair, dual, _kinds(None, dual), STEPS, BATCH, check_rng(rng), None).value


def _measured(
    pair: Pair,
    dual: Dual,
    kinds: dict[str, Any],
    steps: int,
    batch: int,
    rng: np.random.Generator,
    progress: bool | None,
) -> _Measured:
    split = _Split.of(pair, rng, affine=not dual.lipschitz)
    best = _best_critic(kinds, dual, split, steps, batch, rng, progress)
    real, fake = _outputs(best, dual, split)
    unit = split.unit * pair.scale if dual.lipschitz else 1.0
    value = float(dual.bound(real, fake, *split.held[2:])) * unit
    error = dual.standard_error(real, fake, *split.held[2:]) * unit
    if best.capped:
        warn(_beyond(dual, value, len(real) + len(fake)))
    return _Measured(best, split, fake, value, error)


def _beyond(dual: Dual, value: float, rows: int) -> str:
    return (
        f"the critic tells x and y apart so well that {rows} held-out rows cannot say by how much: "
        f"{dual.divergence} may be far larger than {value:.3g}, or infinite. Take 'wasserstein' or 'js'"
    )


# ── the parts ───────────────────────────────────────────────────────────────────────────────


def _torch_parts() -> tuple[Any, Any]:
    """The two modules that need PyTorch."""
    try:
        from divergences.critic import networks, training
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModuleNotFoundError(
            "a critic is trained with PyTorch, which is not installed: pip install divergences[torch]",
            name="torch",
        ) from error
    return networks, training


def _kinds(critic: Any, dual: Dual) -> dict[str, Any]:
    """The critics to train, by name."""
    networks, _ = _torch_parts()
    if callable(critic):
        return {"your critic": networks.custom(critic)}
    known = [name for name in networks.CRITICS if (name != "ratio") == dual.lipschitz]
    if critic is None:
        return {name: networks.CRITICS[name] for name in (PROVED if dual.lipschitz else known)}
    if not isinstance(critic, str):
        raise TypeError(
            f"critic must be a name or a function of the number of features; got {type(critic).__name__}. "
            "Wrap a module: critic=lambda d: module"
        )
    return {critic: networks.CRITICS[check_option(critic, "critic", known)]}


@dataclass(frozen=True, slots=True)
class _Split:
    """Train, validation and held-out rows in the critic's coordinates: (x, y, a, b) each."""

    train: Any
    valid: Any
    held: Any
    raw: tuple[np.ndarray, np.ndarray]  # the held-out rows in the pair's coordinates
    unit: float  # a distance of 1 there is this far here
    device: Any

    @classmethod
    def of(cls, pair: Pair, rng: np.random.Generator, *, affine: bool) -> _Split:
        """Halves at random. ``affine``: every feature to its own scale, which moves no f-divergence."""
        sides = [(to_numpy(s), to_numpy(w)) for s, w in ((pair.x, pair.a), (pair.y, pair.b))]
        parts: list[list[tuple[np.ndarray, np.ndarray]]] = []
        for name, (rows, weights) in zip("xy", sides, strict=True):
            order = rng.permutation(np.flatnonzero(weights > 0))
            if len(order) < FEWEST:
                raise ValueError(
                    f"{name}_weights must leave at least {FEWEST} rows, to train, stop and value on; got "
                    f"{len(order)}. Draw more samples"
                )
            half = len(order) // 2
            stop = max(2, round(VALIDATION * half))
            chosen = (order[stop:half], order[:stop], order[half:])
            parts.append([(rows[i], weights[i] / weights[i].sum()) for i in chosen])
        centre = 0.5 * (parts[0][0][0].mean(axis=0) + parts[1][0][0].mean(axis=0))
        spread = np.sqrt(0.5 * sum(((side[0][0] - centre) ** 2).mean(axis=0) for side in parts))
        spread = np.where(spread > 0, spread, 1.0)
        if not affine:
            spread = np.asarray(math.sqrt(float(np.mean(spread**2))))

        def sets(index: int) -> tuple[np.ndarray, ...]:
            (x, a), (y, b) = parts[0][index], parts[1][index]
            return (x - centre) / spread, (y - centre) / spread, a, b

        raw = (np.ascontiguousarray(parts[0][2][0]), np.ascontiguousarray(parts[1][2][0]))
        device = device_name(pair.x) if is_torch(pair.x) else None
        return cls(sets(0), sets(1), sets(2), raw, 1.0 if affine else float(spread), device)


@dataclass(frozen=True, slots=True)
class _Trained:
    name: str
    kind: Any
    critic: Any
    score: float
    calibrate: Callable[[np.ndarray], np.ndarray] = np.asarray  # of its outputs
    capped: bool = False  # its outputs reach as far as so many rows can show


def _best_critic(
    kinds: dict[str, Any],
    dual: Dual,
    split: _Split,
    steps: int,
    batch: int,
    rng: np.random.Generator,
    progress: bool | None,
) -> _Trained:
    _, training = _torch_parts()
    found = []
    with Bar(steps * len(kinds), progress, "training a critic") as bar:
        for name, kind in kinds.items():
            critic, score = training.trained(
                kind, dual, split.train, split.valid, steps=steps, batch=batch,
                seed=int(rng.integers(2**62)), device=split.device, advance=bar.advance,
            )  # fmt: skip
            found.append(_Trained(name, kind, critic, score))
    best = max(found, key=lambda item: item.score)
    if dual.lipschitz:
        return _surely_best(best, found, dual, split)
    calibrate, capped = _calibration(dual, training, best.critic, split)
    return replace(best, calibrate=calibrate, capped=capped)


def _surely_best(best: _Trained, found: list[_Trained], dual: Dual, split: _Split) -> _Trained:
    """The highest score, unless the exact potential of the training rows is not surely worse.

    Few rows set aside choose at random between critics that are nearly as good; where there are rows enough
    for its dimension the exact potential is the better one.
    """
    exact = next((item for item in found if item.kind.solved), best)
    if best is exact:
        return best
    _, training = _torch_parts()
    x, y, a, b = split.valid
    real, fake = (
        training.outputs(best.critic, points, split.device)
        - training.outputs(exact.critic, points, split.device)
        for points in (x, y)
    )
    error = dual.standard_error(real, fake, a, b)
    return best if best.score - exact.score > SURELY * error else exact


def _calibration(
    dual: Dual, training: Any, critic: Any, split: _Split
) -> tuple[Callable[[np.ndarray], np.ndarray], bool]:
    """The scale and shift of the outputs whose bound is surely highest on the rows set aside, capped there.

    What a step (total variation) or a tail (χ²) asks of the outputs is not what training left; scale 0
    says that nothing is seen, and is worth exactly 0. The bound counts less its standard error, and outputs
    beyond what both sides reach are capped: else one row could be the whole estimate. A function of a
    critic is a critic, so the bound remains one. Where the critic tells these rows apart, no scale is too
    large for them, and one held-out row on the wrong side would cost without limit: outputs may lie as far
    apart as ``_widest`` says.
    """
    from scipy.optimize import minimize

    x, y, a, b = split.valid
    real, fake = (training.outputs(critic, points, split.device) for points in (x, y))

    low, high = sorted((max(real.min(), fake.min()), min(real.max(), fake.max())))
    widest, has_ceiling = _widest(dual, split)
    steepest = widest / max(high - low, 1e-300)

    def applied(values: np.ndarray, scale: float, shift: float) -> np.ndarray:
        return scale * np.clip(values, low, high) + shift

    def loss(parameters: np.ndarray) -> float:
        if abs(parameters[0]) > steepest:
            return math.inf
        with np.errstate(over="ignore", invalid="ignore"):
            on_real, on_fake = applied(real, *parameters), applied(fake, *parameters)
            value = float(dual.bound(on_real, on_fake, a, b))
            value -= dual.standard_error(on_real, on_fake, a, b)
        return -value if math.isfinite(value) else math.inf

    starts = [(0.0, 0.0)] + [
        tuple(minimize(loss, (scale, 0.0), method="Nelder-Mead", options={"maxiter": 200}).x)
        for scale in sorted({min(scale, steepest / 2.0) for scale in (1.0, 8.0)})
    ]
    scale, shift = min(starts, key=lambda start: loss(np.asarray(start)))
    capped = not has_ceiling and abs(scale) > 0.95 * steepest
    return lambda values: applied(values, float(scale), float(shift)), capped


def _widest(dual: Dual, split: _Split) -> tuple[float, bool]:
    """How far apart outputs may lie, and whether the bound has a ceiling all the same, as JS has log 2.

    n and m rows speak of ratios up to about n·m, and of no larger KL than their logarithm (McAllester &
    Stratos 2020). Under a ceiling twice that leaves no more than 1/(n·m) of it out.
    """
    with np.errstate(all="ignore"):
        near, far = (float(dual.bound(np.array([v]), np.array([-v]))) for v in (30.0, 60.0))
    has_ceiling = math.isfinite(far) and far - near < 1e-6
    ratios = math.log((len(split.held[0]) + 1.0) * (len(split.held[1]) + 1.0))
    return (2.0 if has_ceiling else 1.0) * ratios, has_ceiling


def _outputs(best: _Trained, dual: Dual, split: _Split) -> tuple[np.ndarray, np.ndarray]:
    """The critic's calibrated outputs on the held-out rows."""
    _, training = _torch_parts()
    x, y = split.held[:2]
    real, fake = (best.calibrate(training.outputs(best.critic, points, split.device)) for points in (x, y))
    if dual.lipschitz and best.kind.clip is not None:  # its unit is arbitrary: the steepest slope seen is 1
        slope = max(training.largest_slope(best.critic, points, split.device) for points in (x, y))
        real, fake = real / max(slope, 1e-12), fake / max(slope, 1e-12)
    return real, fake


@dataclass(frozen=True, slots=True)
class _Measured:
    """A trained critic, its outputs on the held-out y, and what it is worth there, in the data's unit."""

    best: _Trained
    split: _Split
    fake: np.ndarray
    value: float
    error: float


# ── W1: what can be proved ──────────────────────────────────────────────────────────────────


def _certified(found: _Measured, exact: bool | None, scale: float) -> tuple[Certificate, list[str]]:
    """Proved bounds on the W1 of the held-out rows, in the data's unit, and how low the critic is."""
    split, value = found.split, found.value
    a, b = split.held[2:]
    problem = Problem(split.raw[0], split.raw[1], a, b, p=1.0)
    v = -split.unit * found.fake
    if not found.best.kind.proved:
        v = _best_multiple(problem, v) * v
    none = np.zeros(0, dtype=np.int64)
    start = Solution(none, none, np.zeros(0), np.zeros(problem.n), v, rounds=0, converged=False)
    bounds = certify(problem, start)[0]
    if exact is None:
        exact = problem.n * problem.m <= EXACT_PAIRS
    rows = f"the {problem.n} + {problem.m} held-out rows"
    if not exact:
        lower, upper = bounds.lower * scale, bounds.upper * scale
        return Certificate(lower, upper), [
            f"W1 between {rows} is proved to be at least {lower:.6g}; exact=True would say how close that is"
        ]
    upper = solve(problem, tolerance=1e-9).certificate.upper
    lower, upper = min(bounds.lower, upper) * scale, upper * scale
    return Certificate(lower, upper), [
        f"the exact W1 between {rows} is {upper:.6g}: this critic is {_percent(value, upper)}, and its "
        f"c-transform, a proved lower bound of {lower:.6g}, is {_percent(lower, upper)}"
    ]


def _percent(value: float, exact: float) -> str:
    if exact <= 0:
        return "exact" if value == exact else f"off by {value - exact:.3g}"
    share = 100 * (value / exact - 1)
    return f"{abs(share):.2g} % {'low' if share <= 0 else 'high'}"


def _best_multiple(problem: Problem, v: np.ndarray) -> float:
    """The λ in [0, 2/spread of slopes] whose λv is worth most: Σ a u + Σ b λv is concave in λ."""

    def worth(multiple: float) -> float:
        return float(problem.a @ c_transform(problem, multiple * v) + multiple * (problem.b @ v))

    golden = (math.sqrt(5) - 1) / 2
    low, high = 0.0, 2.0
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = worth(left), worth(right)
    for _ in range(SCALES):
        if at_left >= at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = worth(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = worth(right)
    return left if at_left >= at_right else right


def _says(best: _Trained, dual: Dual, split: _Split) -> str:
    rows = f"trained on {len(split.train[0])} + {len(split.train[1])} rows, valued on others"
    if not dual.lipschitz:
        return f"critic '{best.name}', {rows}: a lower bound on {dual.divergence} in expectation"
    if best.kind.proved:
        return f"critic '{best.name}', {rows}: 1-Lipschitz by construction, so a lower bound in expectation"
    return f"critic '{best.name}', {rows}: its slope is not bounded by 1, so its value is no bound"
