"""The evaluation's records as tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from divergences.report.tables import Table
from divergences.report.wording import number
from gan.evaluation.likelihood import TRAP, Score
from gan.evaluation.modes import Coverage
from gan.evaluation.neighbors import Neighbors

__all__ = ["coverage", "memory", "parzen"]


def parzen(scores: Sequence[Score]) -> Table:
    """The model's score first, then the controls, then the sentence without which none should be read."""
    first, *others = scores
    notes = [
        f"Mean log density of {first.n:,} test rows; ± is the standard error over them. σ is chosen on "
        "validation rows, for each line anew.",
        TRAP,
    ]
    notes += [f"{one.name}: {told}" for one in scores for told in one.warnings]
    real = next((one for one in others if "training" in one.name), None)
    if real is not None and first.value > real.value:
        notes.insert(1, f"The model scores {first.value - real.value:.3g} nats above real training data.")
    rows = [
        (one.name, f"{one.value:.2f}", f"± {one.standard_error:.2g}", f"{one.bandwidth:.4g}", f"{one.m:,}")
        for one in scores
    ]
    head = ("windows on", "nats", "", "σ", "windows")
    return Table("Parzen log-likelihood", head, tuple(rows), tuple(notes))


def coverage(found: Mapping[str, Coverage]) -> Table:
    """PacGAN's numbers, of the samples and of the truth."""
    rows = [
        (
            name, f"{one.modes} of {one.of}", f"{one.high_quality:.2f} %", number(round(one.reverse_kl, 5)),
            number(round(one.reverse_kl_floor, 5)), f"{one.spread:.3f}", f"{one.n:,}",
        )
        for name, one in found.items()
    ]  # fmt: skip
    notes = (
        "High quality: within the radius of a mode. Reverse KL: of the modes' histogram to the uniform one; "
        "its floor is what as many true samples have on average. Spread: standard deviation within modes "
        "over σ; below that of true samples, high quality is flattered by narrowed modes.",
    )
    head = ("", "modes", "high quality", "reverse KL", "its floor", "spread", "samples")
    return Table("Mode coverage", head, tuple(rows), notes)


def memory(found: Neighbors) -> str:
    """What the nearest training rows say about copying."""
    percent = 100 * found.closer
    if found.copies:
        told = f"{found.copies:,} samples are copies of training rows."
    elif percent > 75:
        told = (
            "They sit close to the training data: copies with small changes, or the middle of the data only."
        )
    elif percent < 25:
        told = "They lie off the data rather than on copies of it."
    else:
        told = "No sign of copying."
    return (
        f"Nearest training rows: a sample lies nearer to one than a held-out row does in {percent:.0f} % of "
        f"pairs (median distance {np.median(found.distances):.3g} against "
        f"{np.median(found.held_out_distances):.3g}; 50 % for new data). {told}"
    )
