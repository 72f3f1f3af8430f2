"""The evidence in a report with a confidence, its forms, and the page of several models."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

import divergences as dv
from divergences import plots
from divergences._record import Report
from divergences.evaluate import evaluate
from divergences.inference import attribution, compare_models, evidence
from divergences.report.panels import panels

PLANTED = 6  # rows of y far from everything


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    """x has two modes, y the first of them and six rows where nothing is."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(160, 2)), rng.normal(size=(120, 2))
    x[80:, 0] += 8.0
    y[:PLANTED] += 30.0
    return x, y


@pytest.fixture(scope="module")
def report(samples) -> Report:
    return evaluate(
        *samples, ["energy", "squared_mmd", "wasserstein"], confidence=0.95, rng=0, names=("x", "y")
    )


def test_the_tests_are_those_of_two_sample_test(report, samples) -> None:
    tests = report.evidence.tests
    assert tests.p_value == 0.001  # (0 + 1)/(999 + 1)
    assert [part.metric for part in tests.components] == ["energy", "squared_mmd"]
    again = dv.two_sample_test(["energy", "squared_mmd"], *samples, rng=tests.seed)
    assert again.components[0].null_mean == tests.components[0].null_mean
    assert (report["energy"].p_value, report["wasserstein"].p_value) == (0.001, None)
    assert "wasserstein" in report.evidence.left_out["p-values"]


def test_planted_rows_and_the_missing_mode_are_found(report, samples) -> None:
    found, x = report.evidence, samples[0]
    assert set(found.strays.y_rows[:PLANTED]) == set(range(PLANTED))
    assert found.strays.share == pytest.approx(PLANTED / 120, abs=0.02)
    energy, plan = found.carriers
    assert energy.metric == "energy"
    assert set(plan.y_rows[:PLANTED]) == set(range(PLANTED))
    assert all(abs(samples[1][row, 0]) < 4.0 for row in energy.y_rows)  # of the mode that y has too much of
    assert all(x[row, 0] > 4.0 for row in energy.x_rows)  # of the mode that y lacks
    shares = attribution("energy", *samples)
    assert energy.y_shares[0] == pytest.approx(shares.y.max() / shares.total)
    assert energy.half < 0.4 * energy.rows
    short = [k for k, p in enumerate(found.regions.p_values) if p < 0.05]
    assert short
    assert all(x[found.regions.x_rows[k][0], 0] > 4.0 for k in short)


def test_a_report_comes_back_from_json(report) -> None:
    back = Report.from_dict(json.loads(report.to_json()))
    assert back == report
    assert back.text(width=120) == report.text(width=120)
    page = back.html()  # without samples: no picture of them, but those of the evidence's numbers
    assert "How sure" in page
    assert "could not be drawn" not in page
    assert "Common projection" not in page


def test_every_dress_shows_every_panel(report) -> None:
    titles = [panel.title for panel in panels(report)]
    assert titles == [
        "Is there a difference at all?", "Which rows carry energy", "Which rows carry wasserstein",
        "What is left out", "Far from all data", "Left out",
    ]  # fmt: skip
    for dress in (report.text(width=120), report.markdown(), report.html()):
        assert all(title in dress for title in titles)
    assert "x and y differ: p = 0.001" in report.text(width=120)
    assert "| energy |" in report.markdown()
    assert [picture.title for picture in plots.pictures(report)][:2] == [
        "How sure",
        "Which rows carry the distance",
    ]


def test_what_is_left_out_says_why(samples) -> None:
    x, y = samples
    found = evaluate(x, y, ["frechet"], confidence=0.9, rng=0).evidence
    assert found.tests is None
    assert found.carriers == ()
    assert "none of the measures permutes all at once" in found.left_out["tests"]
    assert "shares of rows are known of energy" in found.left_out["carriers"]
    assert "one of kl, reverse_kl" in found.left_out["estimators"]
    weighted = evaluate(x, y, ["energy"], confidence=0.9, rng=0, x_weights=np.arange(1.0, 161.0))
    assert "weigh the same" in weighted.evidence.left_out["all"]
    assert evaluate(x, y, ["energy"], rng=0).evidence is None


def test_the_work_is_bounded_by_rows(samples, monkeypatch) -> None:
    monkeypatch.setattr(evidence, "ROWS", 100)
    monkeypatch.setattr(evidence, "FEW_ROWS", 50)
    found = evaluate(*samples, ["energy", "wasserstein"], confidence=0.95, rng=1).evidence
    assert (found.tests.n, found.tests.m) == (100, 100)
    assert found.tests.notes[-1] == "on 100 of 160 rows of x and 100 of 120 rows of y, drawn at random"
    assert [each.rows for each in found.carriers] == [100, 50]
    assert max(found.carriers[0].x_rows) > 100  # places in the whole sample
    assert samples[1][list(found.strays.y_rows[:3])].min() > 20.0


def test_estimators_are_compared_where_one_is_asked_for(samples, monkeypatch) -> None:
    x, y = samples
    few = functools.partial(evidence.compare_estimators, estimators=["knn", "histogram"])
    monkeypatch.setattr(evidence, "compare_estimators", few)
    found = evaluate(x, y[PLANTED:], ["js"], confidence=0.95, rng=0)
    panel = found.evidence.estimators
    assert panel.divergence == "js"
    assert set(panel.estimates) == {"knn", "histogram"}
    back = Report.from_dict(json.loads(found.to_json()))
    assert back.evidence == found.evidence
    assert "Do estimators of js agree?" in found.text()
    titles = [picture.title for picture in plots.pictures(found)]
    assert "Estimators of js" in titles


def test_rows_that_are_images_are_shown_as_such() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 12)), rng.random((50, 12))
    y[:3] = 5.0
    report = evaluate(x, y, ["energy"], confidence=0.95, rng=0, image_shape=(3, 4))
    drawn = next(each for each in plots.pictures(report) if each.title == "Which rows carry the distance")
    assert "strips of images" in drawn.alt.lower()
    assert drawn.figure.axes[1].images[0].get_array().shape == (4, 12 * 5)  # twelve tiles and their gaps
    assert drawn.svg().startswith("<svg")


# ── several models ──────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ladder():
    z = np.random.default_rng(0).normal(size=(4, 150, 2))
    return compare_models(["energy", "frechet"], z[0], {"a": z[1], "<b>": z[2], "far": z[3] + 2.0}, rng=0)


def test_models_that_tie_are_shown_as_ties(ladder) -> None:
    assert ladder.ranking("energy") in ("a = <b> < far", "<b> = a < far")
    assert [each.rank for each in ladder.ranked("energy")] == [1, 1, 3]
    page = ladder.html(reference="real")
    assert "Which of 3 models is closest to real?" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page.replace("<b class", "")
    assert page.count("<figure>") == 2
    assert "tie" in page
    text = ladder.markdown(reference="real")
    assert "| a − &lt;b&gt; | tie |" in text
    assert "far |" in text


def test_a_forest_has_every_interval_and_the_floor(ladder) -> None:
    drawn = plots.forest(ladder, "energy")
    left, right = drawn.figure.axes
    assert [label.get_text()[0] for label in left.get_yticklabels()] == ["1", "1", "3"]
    floor = ladder.standings[0].estimate.null_floor
    assert floor > 0.0
    assert any(list(line.get_xdata()) == [floor, floor] for line in left.lines)
    gap = ladder.difference("far", ladder.ranked()[0].model)
    assert any(list(line.get_xdata()) == [gap.interval.lower, gap.interval.upper] for line in right.lines)


def test_a_comparison_writes_itself(ladder, tmp_path) -> None:
    ladder.html(tmp_path / "page.html")
    ladder.markdown(tmp_path / "table.md")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == ladder.html()
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == ladder.markdown()
    assert type(ladder).from_dict(json.loads(json.dumps(ladder.to_dict()))) == ladder


def test_the_command_writes_the_page_of_several_models(tmp_path, capsys) -> None:
    from divergences.cli import main

    rng = np.random.default_rng(0)
    files = [tmp_path / f"{name}.npy" for name in ("real", "near", "far")]
    for k, file in enumerate(files):
        np.save(file, rng.normal(size=(60, 2)) + (3.0 if k == 2 else 0.0))
    page, table = tmp_path / "page.html", tmp_path / "table.md"
    with pytest.raises(SystemExit) as left:
        main(["compare", *map(str, files), "-m", "energy", "--html", str(page), "--markdown", str(table)])
    assert left.value.code == 0
    assert "energy: near.npy < far.npy" in capsys.readouterr().out
    assert "closest to real.npy" in page.read_text(encoding="utf-8")
    assert "near.npy is closer" in table.read_text(encoding="utf-8")
