"""A worked example: four models of handwritten digits, judged by every usual measure.

The digits are scikit-learn's own (1797 images of 8 × 8), so nothing is fetched. Each model fails
in its own way, and each measure sees some failures and misses others; the sentences at the end
are read off the numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from divergences._record import Report, Row, best
from divergences.evaluate import evaluate

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["build", "comparison", "judge", "run", "words"]

MISSING_DIGIT = 4
REFERENCE, REAL, GAUSSIAN, PARZEN = "held-out digits", "other digits", "Gaussian", "Parzen"
MISSING = f"no {MISSING_DIGIT}s"
IMAGE_SHAPE = (8, 8)
SIGNIFICANT = 0.01
LEGEND = "↓ lower is better, ↑ higher is better, * the best of its row, unless it carries a warning"
INTRODUCTION = (
    "Handwritten digits in two halves. The held-out half is the reference; each model was made from the "
    "other half: those digits themselves, a Gaussian fitted to them, the same digits with noise (a Parzen "
    f"window), and the same digits without any {MISSING_DIGIT}."
)


# ── the samples ─────────────────────────────────────────────────────────────────────────────


def build(seed: int = 0) -> dict[str, np.ndarray]:
    """The reference and the four models, each (n, 64) with pixels about [0, 1]; the reference is first."""
    from divergences import gaussian

    (reference, _), (others, labels) = _halves(seed)
    rng = np.random.default_rng([seed, 1])
    mean, cov = gaussian.fit(others)
    return {
        REFERENCE: reference,
        REAL: others,
        GAUSSIAN: rng.multivariate_normal(mean, cov, size=len(others), method="eigh"),
        PARZEN: _parzen_samples(others, rng),
        MISSING: others[labels != MISSING_DIGIT],
    }


def _halves(seed: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Two halves of the digits, each images and labels, in an order drawn from the seed."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng([seed, 0]).permutation(len(images))
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    return (images[first] / 16, labels[first]), (images[second] / 16, labels[second])


def _parzen_samples(train: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Digits plus noise; how much noise explains held-out digits best is measured on a fifth of them."""
    from divergences.parzen import Parzen

    fifth = len(train) // 5
    bandwidth = Parzen.fit(train[fifth:], validation=train[:fifth]).bandwidth
    return np.asarray(Parzen(train, bandwidth).sample(len(train), rng=rng))


def judge(
    samples: Mapping[str, np.ndarray], seed: int = 0, metrics: Sequence[str] | None = None
) -> list[Report]:
    """A report for each model against the first entry."""
    (reference, x), *models = samples.items()
    return [
        evaluate(x, y, metrics, rng=seed, names=(reference, name), image_shape=IMAGE_SHAPE)
        for name, y in models
    ]


def run(
    *,
    seed: int = 0,
    html: str | None = None,
    json_file: str | None = None,
    metrics: Sequence[str] | None = None,
) -> list[Report]:
    """Build, judge, print the table and what it says; write the page and the JSON if asked for."""
    from rich.console import Console
    from rich.text import Text

    samples = build(seed)
    reports = judge(samples, seed, metrics)
    sentences = words(reports, _share_covered(samples, seed))
    if html is not None or json_file is not None:
        _write(reports, sentences, seed, html, json_file)
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(Text(INTRODUCTION))
    console.print(comparison(reports))
    console.print(
        Text("↓ lower is better, ↑ higher is better, * the best of its row, if it carries no warning\n")
    )
    console.print(_bullets(sentences))
    if html is not None:
        console.print(Text(f"\nPictures and every detail: {html}"), soft_wrap=True)
    return reports


def _write(
    reports: Sequence[Report], sentences: Sequence[str], seed: int, html: str | None, json_file: str | None
) -> None:
    from divergences.report.files import write_text
    from divergences.report.html import render

    if html is not None:
        title = "Four models of handwritten digits"
        write_text(html, render(reports, title=title, introduction=INTRODUCTION, words=sentences))
    if json_file is not None:
        everything = {
            "seed": seed,
            "introduction": INTRODUCTION,
            "words": list(sentences),
            "reports": [json.loads(report.to_json()) for report in reports],
        }
        write_text(json_file, json.dumps(everything, indent=2, ensure_ascii=False))


# ── the table ───────────────────────────────────────────────────────────────────────────────


def comparison(reports: Sequence[Report]) -> Table:
    """Metrics down, models across; an arrow for the better direction and a star on the best."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    grid.add_column("metric", overflow="fold")
    grid.add_column("", no_wrap=True)
    for report in reports:
        grid.add_column(report.names[1], justify="right")
    for metric in _metrics(reports):
        rows = _rows(reports, metric)
        first = _first(reports, metric)
        arrow = {"lower": "↓", "higher": "↑"}.get(next(row.better for row in rows.values()), "")
        cells = [_cell(rows.get(report.names[1]), report.names[1] in first) for report in reports]
        grid.add_row(Text(metric), arrow, *cells)
    return grid


def _cell(row: Row | None, first: bool) -> Text:
    from rich.text import Text

    if row is None or row.value is None:
        return Text("– " if row is None else f"{row.status} ")
    return Text(f"{row.value:.3g}{'*' if first else ' '}", style="bold green" if first else "")


def _bullets(sentences: Sequence[str]) -> Table:
    """The sentences with hanging bullets."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    for sentence in sentences:
        grid.add_row("•", Text(sentence))
    return grid


# ── reading the reports ─────────────────────────────────────────────────────────────────────


def _metrics(reports: Sequence[Report]) -> list[str]:
    return list(dict.fromkeys(row.metric for report in reports for row in report.rows))


def _rows(reports: Sequence[Report], metric: str) -> dict[str, Row]:
    """The row of a metric in each report that has it, by the model's name."""
    return {report.names[1]: row for report in reports for row in report.rows if row.metric == metric}


def _values(reports: Sequence[Report], metric: str) -> dict[str, float]:
    return {model: row.value for model, row in _rows(reports, metric).items() if row.value is not None}


def _first(reports: Sequence[Report], metric: str) -> set[str]:
    """The models with the best value of a metric, where that means something."""
    rows = _rows(reports, metric)
    first = best(rows.values())
    return {model for model, row in rows.items() if row in first}


def _share_covered(samples: Mapping[str, np.ndarray], seed: int) -> dict[str, float]:
    """The share of the reference's missing digits with a sample near, for each model.

    Near: within the distance to the digit's fifth neighbour among its own kind.
    """
    from divergences.neighbors import precision_recall

    (reference, labels), _ = _halves(seed)
    wanted = reference[labels == MISSING_DIGIT]
    models = list(samples)[1:]
    return {model: float(precision_recall(wanted, samples[model]).coverage) for model in models}


# ── the words ───────────────────────────────────────────────────────────────────────────────


def words(reports: Sequence[Report], covered: Mapping[str, float]) -> list[str]:
    """What the numbers tell, in sentences that follow from the numbers at hand.

    ``covered`` is the share of the missing digit that each model reaches.
    """
    found = [
        _about_agreement(reports),
        _about_the_classifier(reports),
        _about_moments(reports),
        _about_precision_and_recall(reports),
        _about_the_missing_digit(covered),
        _about_likelihood(reports),
        _about_estimates(reports),
        _about_failures(reports),
    ]
    return [sentence for sentence in found if sentence]


def _about_agreement(reports: Sequence[Report]) -> str:
    everything = {metric: _first(reports, metric) for metric in _metrics(reports)}
    winners = {metric: first for metric, first in everything.items() if first}
    fooled = {metric: first for metric, first in winners.items() if REAL not in first}
    warned = [metric for metric in everything if metric not in winners and _warned(reports, metric)]
    if not winners:
        return ""
    text = (
        f"The {REAL} are real, so their column is what no difference looks like at this sample size. "
        f"{len(winners) - len(fooled)} of {len(winners)} numbers put them first"
    )
    if fooled:
        astray = _listed(f"{metric} ({_listed(sorted(first))})" for metric, first in fooled.items())
        text += f"; the rest prefer a model: {astray}"
    if warned:
        text += f"; not counted, because the value in the lead carries a warning: {_listed(warned)}"
    return f"{text}."


def _warned(reports: Sequence[Report], metric: str) -> bool:
    """Whether a metric has no leader because of a warning."""
    rows = [replace(row, warnings=()) for row in _rows(reports, metric).values()]
    return bool(best(rows))


def _about_the_classifier(reports: Sequence[Report]) -> str:
    seen: list[str] = []
    unseen: list[str] = []
    for model, row in _rows(reports, "classifier_two_sample").items():
        if row.value is not None and row.p_value is not None:
            told = f"{model} ({row.value:.2f}, p = {row.p_value:.2g})"
            (seen if row.p_value < SIGNIFICANT else unseen).append(told)
    parts = []
    if seen:
        parts.append(f"A classifier tells from the reference: {_listed(seen)}")
    if unseen:
        parts.append(f"{'it' if seen else 'A classifier'} finds no difference in {_listed(unseen)}")
    return "; ".join(parts) + ". The number is its accuracy, one half is guessing." if parts else ""


def _about_moments(reports: Sequence[Report]) -> str:
    """Fréchet sees a mean and a covariance, and the Gaussian has both right."""
    frechet = _values(reports, "frechet")
    classifier = _rows(reports, "classifier_two_sample").get(GAUSSIAN)
    if not {REAL, GAUSSIAN, MISSING} <= frechet.keys() or frechet[REAL] <= 0:
        return ""
    gaussian, missing = (frechet[model] / frechet[REAL] for model in (GAUSSIAN, MISSING))
    text = (
        f"The Fréchet distance of the {GAUSSIAN} is {gaussian:.2f} times that of real digits, of the set "
        f"with {MISSING} {missing:.2f} times: it reads means and covariances only"
    )
    seen = classifier is not None and classifier.p_value is not None and classifier.p_value < SIGNIFICANT
    if gaussian < missing and seen:
        text += ", and those the Gaussian has nearly right however its images look"
    return text + "."


def _about_precision_and_recall(reports: Sequence[Report]) -> str:
    precision, recall = (_values(reports, f"precision_recall.{side}") for side in ("precision", "recall"))
    if not precision or not recall:
        return ""
    least, fewest = min(precision, key=precision.__getitem__), min(recall, key=recall.__getitem__)
    text = (
        f"Precision asks whether each sample looks real, lowest for {least} ({precision[least]:.2f}); "
        f"recall asks whether all that is real is reached, lowest for {fewest} ({recall[fewest]:.2f})"
    )
    if REAL in recall and fewest != REAL:
        text += f", against {recall[REAL]:.2f} for real digits"
    return text + "."


def _about_the_missing_digit(covered: Mapping[str, float]) -> str:
    if not {REAL, MISSING} <= covered.keys():
        return ""
    text = (
        f"Of the {MISSING_DIGIT}s in the reference, {covered[MISSING]:.0%} have a sample near them in the "
        f"set with {MISSING}, {covered[REAL]:.0%} in the {REAL}"
    )
    others = [f"{model} {share:.0%}" for model, share in covered.items() if model not in (REAL, MISSING)]
    if others:
        text += f" ({', '.join(others)})"
    found = covered[MISSING] < covered[REAL] / 2
    verdict = "finds" if found else "hardly finds"
    return f"{text}: asked digit by digit, coverage {verdict} what was dropped."


def _about_likelihood(reports: Sequence[Report]) -> str:
    values = _values(reports, "parzen_log_likelihood")
    if REAL not in values or len(values) < 2:
        return ""
    order = sorted(values, key=values.__getitem__, reverse=True)
    above = order[: order.index(REAL)]
    ranking = ", ".join(f"{model} ({values[model]:.4g})" for model in order)
    moral = (
        f"it puts {_listed(above)} above real digits, so a high value is no proof of good samples"
        if above
        else "real digits come first here, which it does not promise"
    )
    return f"Parzen log-likelihood, in nats, ranks {ranking}: {moral} (Theis, van den Oord & Bethge 2016)."


def _about_estimates(reports: Sequence[Report]) -> str:
    """An f-divergence is never negative: an estimate that is shows the size of its own error."""
    below = [
        f"{name} of {model} ({value:.3g})"
        for name in ("kl", "reverse_kl", "js")
        for model, value in _values(reports, name).items()
        if value < 0
    ]
    if not below:
        return ""
    return (
        f"No divergence is below zero, yet the estimate is for {_listed(below)}: in {reports[0].d} "
        f"dimensions {reports[0].n} samples hardly make a density, so read these rows with care."
    )


def _about_failures(reports: Sequence[Report]) -> str:
    rows = [row for report in reports for row in report.rows if row.status != "ok"]
    lost = dict.fromkeys(f"{row.metric} ({row.status}: {row.error})" for row in rows)
    return f"No value: {_listed(lost)}." if lost else ""


def _listed(parts: Iterable[str]) -> str:
    """The parts as in a sentence: "a, b and c"."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
