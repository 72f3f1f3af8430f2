"""Which modes of a known mixture the samples cover, and how well: the numbers of the mode-collapse papers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divergences._neighbor_search import nearest
from gan.data.base import Modes

__all__ = ["Coverage", "coverage", "reverse_kl_floor"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What ``coverage`` found in n samples.

    ``modes`` of ``of`` have a sample of high quality; ``high_quality`` is their share, in percent.
    ``reverse_kl`` is KL(histogram of the modes ‖ uniform) in nats, inf where no sample counts, and
    ``reverse_kl_floor`` what as many samples of the true distribution have on average. ``spread`` is the
    standard deviation within the modes over σ: below that of true samples, modes are narrowed.
    ``shares`` of the samples of high quality in each mode sum to 1.
    """

    modes: int
    of: int
    high_quality: float
    reverse_kl: float
    reverse_kl_floor: float
    spread: float
    n: int
    shares: tuple[float, ...]


def coverage(samples: np.ndarray, modes: Modes) -> Coverage:
    """Coverage of ``modes`` by ``samples`` (n, d), by the protocol of PacGAN (Lin et al. 2018, section 4.1).

    A sample is of high quality within ``modes.radius``·σ of the nearest centre, and counts for that mode.
    The spread is about each mode's own mean, over the modes with two samples or more.

    >>> found = coverage(np.array([[0.0], [0.1], [9.0]]), Modes(np.array([[0.0], [5.0]]), sigma=0.1))
    >>> found.modes, found.of, round(found.high_quality, 1), round(found.reverse_kl, 4)
    (1, 2, 66.7, 0.6931)
    """
    samples = np.asarray(samples, np.float64)
    centres = np.asarray(modes.centres, np.float64)
    if samples.ndim != 2 or samples.shape[1] != centres.shape[1] or len(samples) == 0:
        raise ValueError(
            f"samples must have shape (n, {centres.shape[1]}), as the centres of the modes do; "
            f"got {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise ValueError("samples must be finite; got NaN or inf")
    count = len(centres)
    mine = nearest(samples, centres, 1)[:, 0]
    good = np.linalg.norm(samples - centres[mine], axis=1) <= modes.radius * modes.sigma
    histogram = np.bincount(mine[good], minlength=count)
    shares = histogram / max(histogram.sum(), 1)
    there = shares[shares > 0]
    variances = [
        samples[good & (mine == mode)].var(axis=0, ddof=1).mean() for mode in np.flatnonzero(histogram > 1)
    ]
    return Coverage(
        modes=int((histogram > 0).sum()),
        of=count,
        high_quality=100 * float(good.mean()),
        reverse_kl=float((there * np.log(there * count)).sum()) if len(there) else float("inf"),
        reverse_kl_floor=reverse_kl_floor(count, int(histogram.sum())),
        spread=float(np.sqrt(np.mean(variances)) / modes.sigma) if variances else 0.0,
        n=len(samples),
        shares=tuple(shares.tolist()),
    )


def reverse_kl_floor(modes: int, n: int) -> float:
    """E KL(p̂ ‖ uniform), p̂ the histogram of ``n`` draws from ``modes`` equal modes; exact, in nats.

    No sampler is expected below it; about (modes − 1)/(2n) for large n (Miller 1955). inf for n = 0.

    >>> round(reverse_kl_floor(8, 2500), 4), round(reverse_kl_floor(25, 2500), 4)
    (0.0014, 0.0048)
    """
    from scipy.stats import binom

    if n == 0:
        return float("inf")
    # each count is binomial: E Σ (c/n) log(c/n · k) = k · E (c/n) log(c/n · k)
    c = np.arange(1, n + 1)
    return float(modes * (binom.pmf(c, n, 1 / modes) * (c / n) * np.log(c / n * modes)).sum())
