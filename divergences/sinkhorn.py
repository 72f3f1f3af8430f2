"""Sinkhorn divergence: entropic optimal transport, debiased, in the log domain and in row blocks.

OT_ε(P, Q) = min_π ⟨π, C⟩ + ε·KL(π | a⊗b), C = |x − y|^p (Cuturi 2013), and
S_ε = OT_ε(x, y) − ½ OT_ε(x, x) − ½ OT_ε(y, y) (Feydy et al. 2019), which is never negative and
goes from W_p^p (ε → 0) to the energy distance or an MMD (ε → ∞). Unbalanced marginals after
Séjourné et al. 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from divergences._arrays import Array, array_device, carries_gradient, detached, envelope, namespace, safe_log
from divergences._inputs import Pair, check_integer, check_pair, check_positive, warn
from divergences._pairwise import row_logsumexp, weighted_sums
from divergences.registry import metric

__all__ = ["sinkhorn_divergence"]

DEFAULT_SHARE = 0.05  # of the mean cost: blurs neighbours, keeps the shape
SMALLEST_SHARE = 1e-9  # of the mean cost: below, exponents lose their digits
LARGEST_SHARE = 1e7  # above, the value is that of ε → ∞ to seven digits, and −ε log loses them
MEMORY = 6  # states that Anderson's acceleration combines


@metric(
    laws=(
        "sinkhorn", "symmetric", "homogeneous if epsilon == None and p == 2",
        "chosen from the data if epsilon == None",
    ),
    on="samples", degree=2, cost="n*m",
    meaning="optimal transport blurred at scale ε^(1/p), without the blur's bias; 0 only if P = Q",
    reference="Feydy et al. 2019",
)  # fmt: skip
def sinkhorn_divergence(
    x: Any,
    y: Any,
    *,
    p: float = 2,
    epsilon: float | None = None,
    unbalanced: float | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 2000,
    x_weights: Any = None,
    y_weights: Any = None,
) -> Any:
    """Debiased Sinkhorn divergence S_ε with cost |x − y|^p (no half), not rooted, in [0, ∞).

    ``epsilon`` is in the unit of the cost (data^p); None takes 5 % of the mean cost between x and
    y, which gradients treat as a constant. As ε → 0 it tends to W_p^p, as ε → ∞ to half the energy
    distance (p = 1) or |difference of means|² (p = 2). ``unbalanced`` = ρ relaxes both marginals by
    ρ·KL instead of fixing them: mass farther than about ρ^(1/p) away is left where it is.

    Iterates until the L1 error of the marginals is below ``tolerance``; a DivergenceWarning says
    so if ``max_iterations`` come first. O(nm) time an iteration, about 1/ε of them; memory O(n).
    GeomLoss's value with its default p = 2 is half of this (its cost is |x − y|²/2).

    Exact transport is cheaper than a small ε: at n = m = 2,000 in the plane ``transport`` takes about a
    fiftieth of the time of an ε whose value is within 1 % of it (``benchmarks/rows/line.py``). Prefer
    ``wasserstein`` as a metric, and this one as a smooth loss, or with an ε that is meant.
    Differentiable in torch in points and weights by the envelope theorem, gradient 0 at x = y.

    >>> round(float(sinkhorn_divergence([[0.0], [1.0]], [[2.0], [3.0]], epsilon=0.1)), 6)
    4.0
    """
    p = check_positive(p, "p", minimum=1.0, strict=False)
    check_positive(tolerance, "tolerance")
    limit = check_integer(max_iterations, "max_iterations")
    pair = check_pair(x, y, x_weights, y_weights)
    if pair.same:
        return pair.result(pair.zero(), degree=p)
    scale = math.exp(min(700.0, max(-700.0, p * math.log(pair.scale))))
    mean = _mean_cost(pair, p)
    if mean == 0:  # one point, however often
        return pair.result(pair.zero(), degree=p)
    epsilon = DEFAULT_SHARE * mean if epsilon is None else check_positive(epsilon, "epsilon") / scale
    if epsilon < SMALLEST_SHARE * mean:
        least = SMALLEST_SHARE * mean * scale
        raise ValueError(
            f"epsilon must be at least {SMALLEST_SHARE:g} of the mean cost, here {least:.3g}; so near 0 "
            "use wasserstein, which is exact"
        )
    epsilon = min(epsilon, LARGEST_SHARE * mean)
    reach = math.inf if unbalanced is None else check_positive(unbalanced, "unbalanced") / scale
    return pair.result(_divergence(pair, _Blur(p, epsilon, reach), mean, tolerance, limit), degree=p)


@dataclass(frozen=True, slots=True)
class _Blur:
    """The cost's power, the entropic ε and the marginal penalty ρ, in the pair's coordinates."""

    p: float
    epsilon: float
    reach: float

    @property
    def damping(self) -> float:
        return 1.0 / (1.0 + self.epsilon / self.reach)

    def softmin(self, x: Array, y: Array, b: Array, g: Array) -> Array:
        """−ε log Σ_j b_j exp((g_j − |x_i − y_j|^p)/ε) for each row of x (Peyré & Cuturi 2019, eq. 4.40)."""
        xp = namespace(x)
        logs = xp.where(b > 0, safe_log(xp, b) + g / self.epsilon, -xp.inf)
        power = None if self.p == 2 else self.p
        return -self.epsilon * row_logsumexp(x, y, logs, [1.0 / self.epsilon], power=power)[0]


def _mean_cost(pair: Pair, p: float) -> float:
    def cost(squared: Array) -> Array:
        return squared ** (p / 2)

    x, y, a, b = (detached(v) for v in (pair.x, pair.y, pair.a, pair.b))
    return float(weighted_sums(x, y, a, b, [cost])[0])


def _divergence(pair: Pair, blur: _Blur, mean: float, tolerance: float, limit: int) -> Array:
    x, y, a, b = (detached(v) for v in (pair.x, pair.y, pair.a, pair.b))
    start = max(mean, blur.epsilon)
    f, g = _potentials(x, y, a, b, blur, start, tolerance, limit)
    f_self = _self_potential(x, a, blur, start, tolerance, limit)
    g_self = _self_potential(y, b, blur, start, tolerance, limit)
    value = _dual(pair.xp, pair.a, f, blur) + _dual(pair.xp, pair.b, g, blur)
    value = value - _dual(pair.xp, pair.a, f_self, blur) - _dual(pair.xp, pair.b, g_self, blur)
    value = pair.xp.maximum(value, pair.xp.zeros_like(value))
    # points: the derivative of each softmin, weighted by the mass the plan gives that row
    value = value + _through(pair.x, y, a, b, f, g, blur) - _through(pair.x, x, a, a, f_self, f_self, blur)
    return value + _through(pair.y, x, b, a, g, f, blur) - _through(pair.y, y, b, b, g_self, g_self, blur)


def _dual(xp: Any, a: Array, f: Array, blur: _Blur) -> Array:
    """One marginal's share of the dual at its optimum, with its derivative in the weights.

    Fixed marginals: ⟨a, f⟩, derivative f. Relaxed ones: (ρ + ε/2)⟨a, 1 − e^(−f/ρ)⟩, which holds
    half of the entropic term −ε(|π| − 1), and whose derivative is (ρ + ε)(1 − e^(−f/ρ)).
    """
    if math.isinf(blur.reach):
        return envelope(xp.sum(detached(a) * f), [(a, f)])
    gone = -xp.expm1(-f / blur.reach)
    value = (blur.reach + blur.epsilon / 2.0) * xp.sum(detached(a) * gone)
    return envelope(value, [(a, (blur.reach + blur.epsilon) * gone)])


def _through(x: Array, y: Array, a: Array, b: Array, f: Array, g: Array, blur: _Blur) -> Any:
    """0 whose gradient in x is Σ_j π_ij ∂C_ij: the envelope theorem at fixed potentials."""
    if not carries_gradient(x):
        return 0.0
    xp = namespace(x)
    soft = blur.softmin(x, y, b, g)
    mass = a * xp.exp((f - detached(soft)) / blur.epsilon)
    return xp.sum(mass * (soft - detached(soft)))


# ── the iterations ──────────────────────────────────────────────────────────────────────────


def _potentials(
    x: Array, y: Array, a: Array, b: Array, blur: _Blur, start: float, tolerance: float, limit: int
) -> tuple[Array, Array]:
    """Alternating updates, ε lowered by halves from the mean cost (Schmitzer 2019)."""
    xp = namespace(x)
    f, g = xp.zeros_like(a), xp.zeros_like(b)
    for epsilon in _annealed(start, blur.epsilon):
        step = _Blur(blur.p, epsilon, blur.reach)
        f = step.damping * step.softmin(x, y, b, g)
        g = step.damping * step.softmin(y, x, a, f)

    def update(g: Array) -> tuple[Array, float]:
        f = blur.damping * blur.softmin(x, y, b, g)
        new = blur.damping * blur.softmin(y, x, a, f)
        return settled(new), _moved(xp, b, g, new, blur)

    def settled(g: Array) -> Array:
        # g + c with f − c is the same plan: left free, the accelerated steps let c grow without bound
        return g - xp.sum(b * g) if math.isinf(blur.reach) else g

    g, error = _iterate(xp, update, settled(g), tolerance, limit)
    _report(error, tolerance, limit)
    return blur.damping * blur.softmin(x, y, b, g), g


def _self_potential(x: Array, a: Array, blur: _Blur, start: float, tolerance: float, limit: int) -> Array:
    """The symmetric problem's one potential: averaged updates converge in a few steps."""
    xp = namespace(x)
    f = xp.zeros_like(a)
    for epsilon in _annealed(start, blur.epsilon):
        step = _Blur(blur.p, epsilon, blur.reach)
        f = 0.5 * (f + step.damping * step.softmin(x, x, a, f))

    def update(f: Array) -> tuple[Array, float]:
        new = blur.damping * blur.softmin(x, x, a, f)
        return 0.5 * (f + new), _moved(xp, a, f, new, blur)

    f, error = _iterate(xp, update, f, tolerance, limit)
    _report(error, tolerance, limit)
    return f


def _annealed(start: float, end: float) -> list[float]:
    steps = max(0, math.ceil(math.log2(start / end)))
    return [start * 0.5**k for k in range(steps)]


def _iterate(
    xp: Any, update: Callable[[Array], tuple[Array, float]], state: Array, tolerance: float, limit: int
) -> tuple[Array, float]:
    """Repeat to the tolerance with Anderson's acceleration (Walker & Ni 2011).

    The next state combines the last few so that their residuals cancel best. Plain iterations are
    linear at a rate that tends to 1 as ε falls; where a combination makes the error larger, the
    memory is dropped and plain steps go on from the best state.
    """
    error, best_error, best = math.inf, math.inf, state
    states: list[Array] = []
    residuals: list[Array] = []
    for _ in range(limit):
        new, error = update(state)
        if error <= tolerance:
            return new, error
        if error > 10.0 * best_error:
            states, residuals, state, best_error = [], [], best, math.inf
            continue
        if error < best_error:
            best_error, best = error, new
        states, residuals = [*states[-MEMORY:], state], [*residuals[-MEMORY:], new - state]
        state = new if len(states) < 3 else _combined(xp, states, residuals)
    return best, best_error


def _combined(xp: Any, states: list[Array], residuals: list[Array]) -> Array:
    steps = xp.stack([s - states[-1] for s in states[:-1]])
    turns = xp.stack([r - residuals[-1] for r in residuals[:-1]])
    gram = turns @ turns.T
    ridge = 1e-12 * xp.max(xp.abs(gram)) + 1e-300
    gram = gram + ridge * xp.eye(gram.shape[0], dtype=gram.dtype, device=array_device(gram))
    weights = xp.linalg.solve(gram, (turns @ residuals[-1])[:, None])[:, 0]
    return states[-1] + residuals[-1] - weights @ (steps + turns)


def _moved(xp: Any, a: Array, old: Array, new: Array, blur: _Blur) -> float:
    """The L1 marginal error before the update: Σ a |1 − exp((old − new)/(ε·damping))|."""
    exponent = xp.clip((old - new) / (blur.epsilon * blur.damping), -50.0, 50.0)
    return float(xp.sum(a * xp.abs(xp.expm1(exponent))))


def _report(error: float, tolerance: float, limit: int) -> None:
    if not error <= tolerance:
        warn(
            f"Sinkhorn stopped after {limit} iterations with a marginal error of {error:.2g}, above the "
            f"tolerance {tolerance:g}: ε is small for these samples. Raise epsilon or max_iterations, or use "
            "wasserstein, which is exact"
        )
