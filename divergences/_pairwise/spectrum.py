"""Log sums at many rates from one histogram of distances a row.

log Σ_j b_j exp(−r t_j) at every rate r needs only the measure that the columns put on t. It is kept as
eight moments in each of 32 bins an octave of t − min t. Taylor's remainder of exp(−r t) about a bin's
centre is below (r h)⁸/8! of the term, h = t/65 the half-width: 2e-13 where r t = 6, 8e-12 where it is
10. Beyond that a term is e⁻¹⁰ of the nearest one's, so that its error counts for less; the total is
right to 1e-10 as long as the weights are of one order of magnitude.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["Spectrum"]

FEWEST_RATES, FEWEST_SINGLE = 6, 40  # below, one sum after the other is as fast (in float32)
MOST_OCTAVES = 40
PER_OCTAVE, MOMENTS = 32, 8
SMALL, LARGE = 2.0**-6, 64.0  # rate · t below which all is one bin, and above which a term is nothing
EVEN_WEIGHTS = 1e3  # between the largest and the smallest


class Spectrum:
    """Bins for some rates, and the matrix that turns moments into sums."""

    def __init__(self, rates: np.ndarray) -> None:
        self.rates = rates
        self.low = 2.0 ** math.floor(math.log2(SMALL / rates.max()))
        octaves = math.ceil(math.log2(LARGE / rates.min() / self.low))
        self.high = self.low * 2.0**octaves
        steps = 1.0 + np.arange(PER_OCTAVE + 1) / PER_OCTAVE
        edges = self.low * 2.0 ** np.arange(octaves)[:, None] * steps
        left, right = np.append(0.0, edges[:, :-1]), np.append(self.low, edges[:, 1:])
        self.centres, half = (left + right) / 2, (right - left) / 2
        self.inverses = 1.0 / half
        # exp(−r (c + h v)) = e^(−rc) Σ_p (−rh)^p / p! · v^p
        steps = -rates[None, :] * half[:, None]
        terms = [np.exp(-rates[None, :] * self.centres[:, None])]
        for power in range(1, MOMENTS):
            terms.append(terms[-1] * steps / power)
        self.matrix = np.stack(terms, axis=1).reshape(-1, len(rates))

    @classmethod
    def suits(cls, rates: Sequence[float], log_b: np.ndarray, *, single: bool = False) -> bool:
        """Whether this is faster than one sum after the other, and right."""
        if (
            len(rates) < (FEWEST_SINGLE if single else FEWEST_RATES)
            or max(rates) / min(rates) * LARGE / SMALL > 2.0**MOST_OCTAVES
        ):
            return False
        finite = log_b[np.isfinite(log_b)]
        return bool(len(finite)) and float(finite.max() - finite.min()) < math.log(EVEN_WEIGHTS)

    def add(self, t: np.ndarray, logs: np.ndarray, tops: np.ndarray, totals: np.ndarray) -> None:
        """Add a tile of squared distances to the log sums (rates, rows), kept as total · exp(top)."""
        from divergences._pairwise.compiled import moments_tile

        largest = logs.max()
        if largest == -np.inf:
            return
        moments = np.zeros((len(t), len(self.centres), MOMENTS))
        lows = np.empty(len(t))
        moments_tile(
            t, np.exp(logs - largest), self.centres, self.inverses, self.low, self.high, moments, lows
        )
        sums = (moments.reshape(len(t), -1) @ self.matrix).T
        here = largest - self.rates[:, None] * lows[None, :]
        new = np.maximum(tops, here)
        with np.errstate(invalid="ignore"):  # −inf − −inf: nothing so far, and nothing here
            totals *= np.where(tops == -np.inf, 0.0, np.exp(np.maximum(tops - new, -700.0)))
            totals += np.where(here == -np.inf, 0.0, sums * np.exp(np.maximum(here - new, -700.0)))
        tops[:] = new
