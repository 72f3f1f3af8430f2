"""Everything a model is judged by, in one call: held-out data and fresh noise, never the training's."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from divergences._progress import Bar
from divergences._record import Report
from divergences.plots import Picture
from divergences.report.tables import WIDTH, Table
from gan._spec import did_you_mean
from gan.data import Dataset
from gan.evaluation import likelihood, tables
from gan.evaluation.latent import interpolate
from gan.evaluation.likelihood import Score
from gan.evaluation.modes import Coverage, coverage
from gan.evaluation.neighbors import Neighbors, neighbors
from gan.model import Model

__all__ = ["PARTS", "Evaluation", "check", "evaluate", "measures"]

PARTS = ("measures", "parzen", "modes", "neighbors", "interpolation")
SAMPLES = 10_000  # what the Parzen score is published with
JUDGED = 2_000  # rows on each side of the measures that compare all pairs
MODES = 2_500  # what mode coverage is published with
STREAM = 2  # of random numbers from the seed: training's own samples are drawn from 0 and 1


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What ``evaluate`` found; a part that was not asked for, or does not apply, is None.

    ``left_out`` says of each part asked for by name why it is not there. ``coverage`` and ``parzen`` hold
    the model's row first, then the controls'. ``text``, ``to_dict`` and the tables and pictures of a page
    are the same in other dress.
    """

    title: str
    seed: int
    samples: np.ndarray
    report: Report | None = None
    parzen: tuple[Score, ...] | None = None
    coverage: dict[str, Coverage] | None = None
    neighbors: Neighbors | None = None
    pictures: tuple[Picture, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    def tables(self) -> list[Table]:
        """What stands beside the measures: Parzen scores and mode coverage, with their controls."""
        found = [] if self.coverage is None else [tables.coverage(self.coverage)]
        return found if self.parzen is None else [*found, tables.parzen(self.parzen)]

    def words(self) -> list[str]:
        """The rest in sentences."""
        told = [] if self.neighbors is None else [tables.memory(self.neighbors)]
        return [*told, *(f"{part}: left out, because {reason}." for part, reason in self.left_out)]

    def text(self, width: int | None = None) -> str:
        """Tables and sentences for a terminal."""
        parts = [] if self.report is None else [self.report.text(width)]
        told = [textwrap.fill(sentence, WIDTH) for sentence in self.words()]
        return "\n\n".join([*parts, *(table.text() for table in self.tables()), *told])

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers; the samples are left out."""
        found = self.neighbors
        return {
            "title": self.title,
            "seed": self.seed,
            "samples": len(self.samples),
            "measures": None if self.report is None else self.report.to_dict(),
            "parzen": None if self.parzen is None else [asdict(row) for row in self.parzen],
            "modes": None if self.coverage is None else {k: asdict(v) for k, v in self.coverage.items()},
            "neighbors": None if found is None else {
                "closer": found.closer,
                "copies": found.copies,
                "median_distance": float(np.median(found.distances)),
                "median_distance_held_out": float(np.median(found.held_out_distances)),
            },
            "left_out": dict(self.left_out),
        }  # fmt: skip

    def html(
        self, *, introduction: str = "", words: Sequence[str] = (), pictures: Sequence[Picture] = ()
    ) -> str:
        """One self-contained page; the caller's ``words`` and ``pictures`` come first."""
        from divergences.report.html import page, render

        told, shown = [*words, *self.words()], [*pictures, *self.pictures]
        if self.report is None:
            return page(self.title, introduction, told, self.tables(), shown, footer="")
        return render(
            [self.report], title=self.title, introduction=introduction, words=told, tables=self.tables(),
            pictures=shown,
        )  # fmt: skip


def evaluate(
    model: Model, dataset: Dataset, *, samples: int | np.ndarray = SAMPLES, seed: int = 0,
    parts: Sequence[str] | None = None, progress: bool | None = None,
) -> Evaluation:  # fmt: skip
    """Judge ``model`` on the test part of ``dataset``, with ``samples`` samples from noise it never saw.

    ``samples`` may be an array (n, d) of samples that were drawn from it already.

    ``parts``: of ``PARTS``; None takes all that apply. "measures" is ``divergences.evaluate`` on 2,000 rows,
    "parzen" the protocol of Goodfellow et al. 2014 with control rows, "modes" PacGAN's numbers on 2,500
    samples, "neighbors" the nearest training rows, "interpolation" ways through the latent space.
    Settings (the Parzen bandwidth) are chosen on the validation part. ``seed`` repeats the evaluation; its
    noise is another stream than any that training draws from. ValueError where the data do not fit.
    """
    chosen, left_out = _applying((parts,) if isinstance(parts, str) else parts, dataset)
    check(model, dataset)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a whole number, at least 0; got {seed!r}")
    drawn = samples if isinstance(samples, np.ndarray) else model.sample(samples, rng=[seed, STREAM])
    if not np.isfinite(drawn).all():
        raise ValueError("the generator makes NaN or infinite samples; train it again with lower rates")
    found: dict[str, Any] = {}
    pictures: list[Picture] = []
    with Bar(len(chosen), progress) as bar:
        for part in chosen:
            bar.label(part)
            if part == "measures":
                found["report"] = measures(drawn, dataset, seed=seed, progress=progress)
            elif part == "parzen":
                found["parzen"] = tuple(_parzen(model, drawn, dataset, seed))
            elif part == "modes":
                found["coverage"] = _coverage(drawn, dataset)
            elif part == "neighbors":
                some = drawn[:JUDGED]
                found["neighbors"] = neighbors(some, dataset.train, dataset.test[:JUDGED])
            pictures += _pictures(part, found, model, drawn, dataset, seed)
            bar.advance()
    title = f"{model.recipe.objective} on {dataset.name}"
    return Evaluation(title, seed, drawn, **found, pictures=tuple(pictures), left_out=tuple(left_out.items()))


def measures(
    samples: np.ndarray, dataset: Dataset, *, seed: int, metrics: Sequence[str] | None = None,
    progress: bool | None = None,
) -> Report:  # fmt: skip
    """``divergences.evaluate`` between the test part and samples: the numbers every report of a run shows."""
    from divergences.evaluate import evaluate

    held_out = dataset.test[:JUDGED]
    return evaluate(
        held_out, samples[: len(held_out)], metrics, validation=dataset.validation[:JUDGED], rng=seed,
        names=("held-out data", "generated"), image_shape=dataset.image_shape, progress=progress,
    )  # fmt: skip


def check(model: Model, dataset: Dataset) -> None:
    """Whether the model makes samples that can be compared with these data."""
    if dataset.d != model.frame.d:
        raise ValueError(
            f"data must have the {model.frame.d} features that the model was trained on; {dataset.name} has "
            f"{dataset.d}"
        )


# ── the parts ───────────────────────────────────────────────────────────────────────────────


def _applying(parts: Sequence[str] | None, dataset: Dataset) -> tuple[list[str], dict[str, str]]:
    """The parts that make sense, and why those asked for by name do not."""
    for part in parts or ():
        if part not in PARTS:
            raise ValueError(
                f"unknown part {part!r}{did_you_mean(part, PARTS)}; there are {', '.join(PARTS)}"
            )
    reasons = {} if dataset.modes is not None else {"modes": f"the modes of {dataset.name} are not known"}
    chosen = [part for part in PARTS if part in (parts or PARTS) and part not in reasons]
    return chosen, {part: why for part, why in reasons.items() if part in (parts or ())}


def _parzen(model: Model, drawn: np.ndarray, dataset: Dataset, seed: int) -> Iterator[Score]:
    yield likelihood.score("generated samples", drawn, dataset)
    for name, rows in likelihood.controls(dataset, len(drawn), frame=model.frame, seed=seed):
        yield likelihood.score(name, rows, dataset)


def _coverage(drawn: np.ndarray, dataset: Dataset) -> dict[str, Coverage]:
    known: Any = dataset.modes
    return {
        "generated samples": coverage(drawn[:MODES], known),
        "true samples": coverage(dataset.test[:MODES], known),
    }


def _pictures(
    part: str, found: dict[str, Any], model: Model, drawn: np.ndarray, dataset: Dataset, seed: int
) -> Iterator[Picture]:
    from gan.evaluation import pictures

    if part == "neighbors":
        yield pictures.nearest_rows(drawn, dataset.train, found["neighbors"], dataset.image_shape)
    elif part == "interpolation":
        paths = interpolate(model, rng=[seed, STREAM + 1])
        yield pictures.interpolations(paths, dataset.train, dataset.image_shape)
    elif part == "modes":
        yield pictures.modes(found["coverage"])
