"""The demo: samples that repeat, sentences that follow the numbers, a page and a file."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import divergences  # noqa: F401  fills METRICS
from divergences import demo
from divergences.evaluate import Report, Row

MODELS = (demo.REAL, demo.GAUSSIAN, demo.PARZEN, demo.MISSING)
BETTER = {"precision_recall.precision": "higher", "precision_recall.recall": "higher",
          "parzen_log_likelihood": "higher"}  # fmt: skip


def reports(p_values=(0.5, 0.0, 0.0, 0.0), **values):
    """Reports with the given values, one for each model; a dot in a name is written __."""
    found = []
    for k, model in enumerate(MODELS):
        rows = tuple(row(key.replace("__", "."), each[k], p_values[k]) for key, each in values.items())
        empty = np.zeros((1, 64))
        found.append(
            Report(
                rows=rows, x=empty, y=empty, names=(demo.REFERENCE, model), n=1, m=1, d=64, seconds=0.0,
                seed=0, versions={}, created="2000-01-01T00:00:00+00:00",
            )
        )  # fmt: skip
    return found


def row(name, value, p_value):
    return Row(
        metric=name,
        value=value,
        status="failed" if value is None else "ok",
        meaning="",
        better=BETTER.get(name, "lower"),
        convention="",
        seconds=0.0,
        p_value=p_value if name == "classifier_two_sample" else None,
        error="no luck" if value is None else None,
    )


def sentence(start, covered=None, **values) -> str:
    found = [text for text in demo.words(reports(**values), covered or {}) if text.startswith(start)]
    assert len(found) == 1, found
    return found[0]


def test_samples_repeat_and_differ_as_described():
    first, again, other = demo.build(0), demo.build(0), demo.build(1)
    assert tuple(first) == (demo.REFERENCE, *MODELS)
    for name, samples in first.items():
        np.testing.assert_array_equal(samples, again[name])
        assert samples.shape[1] == 64
        assert not np.array_equal(samples, other[name])
    assert len(first[demo.REFERENCE]) == 898
    assert len(first[demo.REAL]) == len(first[demo.GAUSSIAN]) == len(first[demo.PARZEN]) == 899
    _, (others, labels) = demo._halves(0)
    np.testing.assert_array_equal(first[demo.REAL], others)
    assert len(first[demo.MISSING]) == 899 - (labels == demo.MISSING_DIGIT).sum()


def test_the_halves_share_no_digit():
    (first, _), (second, _) = demo._halves(0)
    assert len(np.unique(np.concatenate([first, second]), axis=0)) == 1797


def test_agreement_follows_the_numbers():
    assert "1 of 1 numbers put them first." in sentence("The other digits", energy=[1, 2, 3, 4])
    text = sentence("The other digits", energy=[1, 2, 3, 4], frechet=[2, 1, 3, 4])
    assert "1 of 2" in text
    assert "frechet (Gaussian)" in text


def test_a_lead_that_carries_a_warning_is_neither_counted_nor_starred():
    found = reports(energy=[1, 2, 3, 4], reverse_kl=[-8.46, 1, 2, 3])
    energy, reverse_kl = found[0].rows
    found[0] = replace(found[0], rows=(energy, replace(reverse_kl, warnings=("too few rows",))))
    text = demo.words(found, {})[0]
    assert "1 of 1 numbers put them first; not counted" in text
    assert text.endswith("because the value in the lead carries a warning: reverse_kl.")
    console = Console(file=io.StringIO(), width=100)
    console.print(demo.comparison(found))
    lines = {line.split()[0]: line for line in console.file.getvalue().splitlines() if line.strip()}
    assert ("*" in lines["energy"], "*" in lines["reverse_kl"]) == (True, False)


def test_the_classifier_is_read_by_its_p_values():
    text = sentence("A classifier", classifier_two_sample=[0.5, 0.9, 0.8, 0.7])
    assert "tells from the reference: Gaussian (0.90, p = 0), Parzen (0.80, p = 0) and no 4s" in text
    assert "it finds no difference in other digits (0.50, p = 0.5)" in text
    text = sentence("A classifier", p_values=(1, 1, 1, 1), classifier_two_sample=[0.5, 0.5, 0.5, 0.5])
    assert text.startswith("A classifier finds no difference in other digits")


def test_moments_are_judged_against_real_digits():
    values = {"classifier_two_sample": [0.5, 0.9, 0.8, 0.7]}
    assert "nearly right" in sentence("The Fréchet", frechet=[1, 1.5, 9, 3], **values)
    assert "nearly right" not in sentence("The Fréchet", frechet=[1, 4, 9, 3], **values)


def test_precision_and_recall_name_the_lowest():
    text = sentence(
        "Precision",
        precision_recall__precision=[0.9, 0.2, 0.3, 0.8],
        precision_recall__recall=[0.9, 1, 1, 0.4],
    )
    assert "lowest for Gaussian (0.20)" in text
    assert "lowest for no 4s (0.40), against 0.90 for real digits" in text


@pytest.mark.parametrize(("share", "verdict"), [(0.1, "coverage finds"), (0.9, "coverage hardly finds")])
def test_the_missing_digit(share, verdict):
    covered = {demo.REAL: 0.95, demo.MISSING: share, demo.PARZEN: 0.3}
    text = sentence("Of the 4s", covered, energy=[1, 2, 3, 4])
    assert verdict in text
    assert f"{share:.0%}" in text
    assert "(Parzen 30%)" in text


def test_likelihood_ranks():
    assert "it puts Gaussian and Parzen above real" in sentence("Parzen", parzen_log_likelihood=[1, 3, 2, 0])
    assert "real digits come first" in sentence("Parzen", parzen_log_likelihood=[4, 3, 2, 0])


def test_estimates_below_zero_and_failures_are_said():
    assert "kl of Parzen (-2)" in sentence("No divergence is below", kl=[1, 3, -2, 0])
    assert sentence("No value", energy=[1, None, 3, 4]) == "No value: energy (failed: no luck)."
    assert demo.words(reports(energy=[1, 1, 1, 1]), {}) == []


def test_run_prints_and_writes(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    page, data = Path("demo.html"), Path("demo.json")
    found = demo.run(seed=3, html=str(page), json_file=str(data), metrics=["energy", "precision_recall"])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for name in (*MODELS, "precision_recall.precision", "energy"):
        assert name in out
    text = page.read_text(encoding="utf-8")
    saved = json.loads(data.read_text(encoding="utf-8"))
    assert text.lstrip().startswith("<!doctype html>")
    assert saved["seed"] == 3
    assert [report["names"][1] for report in saved["reports"]] == list(MODELS)
    assert all(text in " ".join(out.split()) for text in (saved["introduction"], "Pictures"))
    # what anyone must find: real digits are nearest, and the class that was dropped is seen
    energies = [report["energy"].value for report in found]
    assert min(energies) == energies[0]
    assert any("coverage finds what was dropped" in text for text in saved["words"])
