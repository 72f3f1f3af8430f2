"""evaluate and Report: what each kind of result and each accident becomes, and every dress of it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from divergences import plots
from divergences._inputs import DivergenceWarning
from divergences._record import best
from divergences.evaluate import DEFAULT_METRICS, Report, Row, evaluate
from divergences.inference import estimate
from divergences.registry import METRICS, metric
from divergences.report import files, html, text, wording
from divergences.results import Estimate, TestResult

ROOT = Path(__file__).resolve().parents[2]


class Pairs(NamedTuple):
    first: float
    second: float


@pytest.fixture
def toys() -> Iterator[None]:
    """A few metrics that behave in every way a metric can; gone after the test."""
    before = dict(METRICS)

    @metric(on="samples", meaning="difference of means")
    def toy_shift(x, y, *, scale=1.0, x_weights=None, y_weights=None):
        """Mean of y minus mean of x, in furlongs."""
        return scale * (np.average(y, weights=y_weights) - np.average(x, weights=x_weights))

    @metric(on="samples", meaning="always fails")
    def toy_failing(x, y):
        raise RuntimeError("no such luck\nat all")

    @metric(on="samples", meaning="always warns")
    def toy_warning(x, y):
        for _ in range(3):
            warnings.warn("too few rows: bring more", DivergenceWarning, stacklevel=2)
        warnings.warn("overflow met", RuntimeWarning, stacklevel=2)
        return np.float32(-0.0)

    @metric(on="samples", meaning="two values", better="higher")
    def toy_pairs(x, y, *, k=1):
        return Pairs(0.25, math.inf)

    @metric(on="samples", meaning="a random number")
    def toy_random(x, y, *, rng=None):
        return rng.random() if rng is not None else 0.0

    @metric(on="samples", meaning="a test")
    def toy_test(x, y):
        return TestResult(0.7, 0.04, 0.5, 0.1, notes=("few permutations",))

    @metric(on="samples", meaning="an estimate", better="none")
    def toy_estimate(x, y):
        return Estimate(1.5, standard_error=0.25, notes=("biased upwards",))

    @metric(on="samples", meaning="takes a validation set")
    def toy_validated(x, y, *, validation=None):
        return -1.0 if validation is None else len(validation)

    @metric(on="samples", meaning="not a number each")
    def toy_array(x, y):
        return np.zeros(3)

    yield
    METRICS.clear()
    METRICS.update(before)


@pytest.fixture
def report(toys, samples) -> Report:
    x, y = samples
    return evaluate(
        x,
        y,
        ["toy_shift(scale=2.0)", "toy_failing", "toy_warning", "toy_pairs", "toy_test", "toy_estimate"],
        rng=3,
        names=("real", "model"),
    )


# ── rows ────────────────────────────────────────────────────────────────────────────────────


def test_a_scalar_becomes_a_row(report, samples):
    row = report["toy_shift(scale=2.0)"]
    assert row.value == pytest.approx(2 * (samples[1].mean() - samples[0].mean()))
    assert (row.status, row.meaning, row.better) == ("ok", "difference of means", "lower")
    assert row.convention == "Mean of y minus mean of x, in furlongs."
    assert row.seconds >= 0
    assert row is report["toy_shift"]  # options may be left out where one row fits


def test_a_failure_is_a_row_that_says_why(report):
    row = report["toy_failing"]
    assert (row.value, row.status) == (None, "failed")
    assert row.error == "RuntimeError: no such luck at all"


def test_warnings_are_recorded_once_and_others_named(report):
    assert report["toy_warning"].warnings == ("too few rows: bring more", "RuntimeWarning: overflow met")


def test_several_values_become_several_rows(report):
    assert report["toy_pairs.first"].value == 0.25
    assert report["toy_pairs.second"].value == math.inf
    assert report["toy_pairs.first"].better == "higher"


def test_tests_and_estimates_keep_what_they_know(report):
    tested, estimated = report["toy_test"], report["toy_estimate"]
    assert (tested.value, tested.p_value, tested.notes) == (0.7, 0.04, ("few permutations",))
    assert (estimated.value, estimated.standard_error) == (1.5, 0.25)
    assert (estimated.notes, estimated.warnings) == (("biased upwards",), ())


def test_field_docstrings_become_meanings(toys, samples):
    class Described(NamedTuple):
        share: float

    Described.share.__doc__ = "the share of rows"

    @metric(on="samples", meaning="a record")
    def toy_described(x, y):
        return Described(0.5)

    assert evaluate(*samples, "toy_described")["toy_described.share"].meaning == "the share of rows"


def test_precision_and_recall_tell_four_things(samples):
    rows = evaluate(*samples, "precision_recall").rows
    assert len({row.meaning for row in rows}) == 4
    assert all(row.meaning and row.meaning != METRICS["precision_recall"].meaning for row in rows)


def test_an_array_is_not_a_value(toys, samples):
    assert "shape (3,)" in evaluate(*samples, ["toy_array"])["toy_array"].error


def test_interruption_is_not_swallowed(toys, samples):
    @metric(on="samples", meaning="interrupted")
    def toy_interrupted(x, y):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(*samples, ["toy_interrupted"])


def test_an_unknown_row_is_named_with_what_there_is(report):
    with pytest.raises(KeyError, match=r"no such row.*toy_failing"):
        report["toy_falling"]


# ── what metrics are given ──────────────────────────────────────────────────────────────────


def test_the_seed_repeats_a_run_and_metrics_draw_apart(toys, samples):
    alone = evaluate(*samples, ["toy_random"], rng=5)
    beside = evaluate(*samples, ["toy_pairs", "toy_random"], rng=5)
    fresh = evaluate(*samples, ["toy_random"])
    assert alone.seed == 5
    assert alone["toy_random"].value == beside["toy_random"].value
    again = evaluate(*samples, ["toy_random"], rng=fresh.seed)
    assert again["toy_random"].value == fresh["toy_random"].value
    drawn = [evaluate(*samples, ["toy_random"], rng=np.random.default_rng(1)).seed for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_a_bound_generator_is_left_alone(toys, samples):
    assert evaluate(*samples, ["toy_random(rng=None)"])["toy_random"].value == 0.0


def test_weights_reach_those_that_take_them(toys, samples):
    x, y = samples
    weights = np.arange(len(x), dtype=float)
    report = evaluate(x[:, 0], y[:, 0], ["toy_shift", "toy_test"], x_weights=weights)
    expected = y[:, 0].mean() - np.average(x[:, 0], weights=weights)
    assert report["toy_shift"].value == pytest.approx(expected)
    assert report["toy_test"].status == "left out"
    assert "takes no weights" in report["toy_test"].error


def test_validation_reaches_those_that_take_it(toys, samples):
    x, y = samples
    assert evaluate(x, y, ["toy_validated"])["toy_validated"].value == -1
    assert evaluate(x, y, ["toy_validated"], validation=x[:7])["toy_validated"].value == 7


def test_tensors_are_taken(toys, samples):
    torch = pytest.importorskip("torch")
    x, y = (torch.tensor(sample, requires_grad=True) for sample in samples)
    report = evaluate(x, y, ["toy_pairs", "energy"])
    assert report["energy"].value == pytest.approx(evaluate(*samples, ["energy"])["energy"].value)
    assert isinstance(report.x, np.ndarray)
    assert "torch" in report.versions


def test_probability_vector_metrics_are_pointed_elsewhere(samples):
    row = evaluate(*samples, ["pmf.kl"])["pmf.kl"]
    assert row.status == "left out"
    assert "kl(estimator='histogram')" in row.error


@pytest.mark.parametrize("weighted", [False, True])
def test_gaussian_metrics_are_given_the_fitted_moments(samples, weighted):
    from divergences import gaussian

    x, y = samples
    weights = np.linspace(1, 2, len(x)) if weighted else None
    row = evaluate(x, y, ["gaussian.kl"], x_weights=weights)["gaussian.kl"]
    fitted = gaussian.fit(x, weights=weights)
    assert row.value == pytest.approx(float(gaussian.kl(*fitted, *gaussian.fit(y))))


# ── refusals ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros((5, 2))}, "same number of features"),
        ({"x": np.full((5, 3), np.nan)}, "x must be finite"),
        ({"metrics": ["enrgy"]}, "did you mean 'energy'"),
        ({"metrics": []}, "at least one metric"),
        ({"names": "xy"}, "names must be two strings"),
        ({"image_shape": (2, 2)}, "image_shape must be"),
        ({"image_shape": (3,)}, "image_shape must be"),
        ({"validation": np.zeros((4, 2))}, "validation and x must have the same number of features"),
        ({"x_weights": [1.0]}, "x_weights must be one number per row"),
    ],
)
def test_bad_input_is_an_exception_not_a_row(samples, change, message):
    arguments = {"x": samples[0], "y": samples[1], "metrics": ["energy"], **change}
    with pytest.raises(ValueError, match=message):
        evaluate(arguments.pop("x"), arguments.pop("y"), arguments.pop("metrics"), **arguments)


# ── the usual set ───────────────────────────────────────────────────────────────────────────


def test_the_usual_set_exists():
    assert set(DEFAULT_METRICS) <= set(METRICS)


def test_the_usual_set_runs(rng):
    x, y = rng.normal(size=(150, 3)), rng.normal(0.5, 1.0, size=(120, 3))
    report = evaluate(x, y, validation=rng.normal(size=(80, 3)), rng=0)
    assert [row.metric for row in report.rows if row.status != "ok"] == []
    names = list(dict.fromkeys(row.metric.split(".")[0] for row in report.rows))
    assert names == list(DEFAULT_METRICS)
    assert {row.better for row in report.rows if row.metric.startswith("precision_recall")} == {"higher"}


@pytest.mark.parametrize(("d", "estimator"), [(1, "histogram"), (3, "histogram"), (4, "classifier")])
def test_the_usual_set_under_weights_uses_estimators_that_take_them(monkeypatch, rng, d, estimator):
    monkeypatch.setattr(sys.modules["divergences.evaluate"], "DEFAULT_METRICS", ("kl", "reverse_kl", "js"))
    x, y = rng.normal(size=(150, d)), rng.normal(0.5, 1.0, size=(120, d))
    report = evaluate(x, y, y_weights=np.linspace(1, 2, len(y)), rng=0)
    specs = [f"{name}(estimator='{estimator}')" for name in ("kl", "reverse_kl", "js")]
    assert [(row.metric, row.status) for row in report.rows] == [(spec, "ok") for spec in specs]
    assert report["kl"] is report.rows[0]
    asked = evaluate(x, y, specs, y_weights=np.linspace(1, 2, len(y)), rng=0)
    assert [row.value for row in asked.rows] == [row.value for row in report.rows]
    assert [row.metric for row in evaluate(x, y, rng=0).rows] == ["kl", "reverse_kl", "js"]
    assert evaluate(x, y, "kl", y_weights=np.ones(len(y)))["kl"].status == "failed"  # as asked, or not at all


def test_large_exact_transport_is_left_out_unless_asked_for(monkeypatch, samples):
    module = sys.modules["divergences.evaluate"]  # the package's own name for it is the function
    monkeypatch.setattr(module, "EXACT_TRANSPORT_PAIRS", 100)
    monkeypatch.setattr(module, "DEFAULT_METRICS", ("wasserstein",))
    row = evaluate(*samples)["wasserstein"]
    assert row.status == "left out"
    assert "40 × 50 pairs" in row.error
    assert "metrics=['wasserstein']" in row.error
    assert evaluate(*samples, ["wasserstein"])["wasserstein"].status == "ok"
    assert evaluate(samples[0][:, 0], samples[1][:, 0])["wasserstein"].status == "ok"  # sorting is cheap


# ── in every dress ──────────────────────────────────────────────────────────────────────────


def test_json_is_valid_and_reads_back(report, tmp_path):
    path = tmp_path / "report.json"
    written = report.to_json(path)
    assert path.read_text(encoding="utf-8") == written

    def refuse(constant):
        raise AssertionError(constant)

    read = json.loads(written, parse_constant=refuse)
    rows = {row["metric"]: row for row in read["rows"]}
    assert rows["toy_pairs.second"]["value"] == "inf"
    assert rows["toy_failing"]["value"] is None
    assert read["names"] == ["real", "model"]
    assert (read["n"], read["m"], read["d"], read["seed"]) == (40, 50, 3, 3)
    back = [
        Row(**{**row, "warnings": tuple(row["warnings"]), "notes": tuple(row["notes"])})
        for row in report.to_dict()["rows"]
    ]
    assert tuple(back) == report.rows
    assert "x" not in read


def test_frame_has_a_line_a_row(report):
    pandas = pytest.importorskip("pandas")
    frame = report.frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["metric"]) == [row.metric for row in report.rows]


def test_frame_without_pandas_says_what_to_do(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        report.frame()


def test_text_shows_values_directions_and_notes(report):
    shown = str(report)
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 140
    assert "↑ higher" in shown
    assert "p = 0.04" in shown
    assert "± 0.25" in shown
    assert "RuntimeError: no such luck at all" in shown
    assert shown.count("too few rows: bring more") == 1
    assert "\x1b[31m" in report.text(color=True)
    assert all(len(line) <= 60 for line in report.text(60).splitlines())


def test_markdown_is_a_table_that_user_strings_cannot_break(toys, samples):
    report = evaluate(*samples, ["toy_shift", "toy_failing"], names=("a|b", "<script>"))
    lines = report.markdown().splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 4
    assert {line.count("|") for line in table} == {6}
    assert "<script>" not in report.markdown()


def test_html_holds_the_rows_and_nothing_of_the_users_markup(toys, samples, tmp_path):
    hostile = '<script>alert("x")</script>'
    report = evaluate(*samples, ["toy_shift", "toy_failing", "toy_warning"], names=(hostile, "$y$ & co"))
    page = report.html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "no such luck at all" in page
    assert "too few rows: bring more" in page
    assert "http:" not in page.replace("http://www.w3.org", "")
    assert "<script" not in report._repr_html_()
    assert "<img" not in report._repr_html_()


def test_several_reports_are_compared(toys, samples):
    x, y = samples
    far = evaluate(x, y + 3, ["toy_shift", "toy_failing"], names=("real", "far"))
    near = evaluate(x, y, ["toy_shift", "toy_failing", "toy_test"], names=("real", "near"))
    page = html.render([far, near], title="Two", introduction="One & two", words=["Near is nearer."])
    assert "One &amp; two" in page
    assert "<li>Near is nearer.</li>" in page
    assert page.count('class="best"') == 1
    assert f'<b class="best">{wording.number(near["toy_shift"].value)}</b>' in page
    assert page.index("Side by side") < page.index("<h2>far</h2>") < page.index("<h2>near</h2>")
    with pytest.raises(ValueError, match="at least one Report"):
        html.render([], title="None")


def a_row(value, *notes, better="lower"):
    return Row("m", value, "failed" if value is None else "ok", "", better, "", 0.0, warnings=notes)


@pytest.mark.parametrize(
    ("rows", "winners"),
    [
        ([a_row(1.0), a_row(2.0), a_row(1.0)], [0, 2]),
        ([a_row(1.0, better="higher"), a_row(2.0, better="higher")], [1]),
        ([a_row(1.0), None, a_row(None), a_row(2.0), a_row(math.nan)], [0]),
        ([a_row(-8.46, "too few rows"), a_row(0.1), a_row(0.2)], []),  # neither it nor the next
        ([a_row(0.1, "too few rows"), a_row(0.1), a_row(0.2)], []),
        (
            [a_row(0.1), a_row(0.2, "too few rows")],
            [0],
        ),  # the lead stands
        ([a_row(1.0), a_row(1.0)], []),
        ([a_row(1.0), None], []),
        ([a_row(1.0, better="none"), a_row(2.0, better="none")], []),
        ([], []),
    ],
)
def test_the_best_of_several(rows, winners):
    assert [id(row) for row in best(rows)] == [id(rows[k]) for k in winners]


def test_a_value_that_carries_a_warning_is_not_marked(samples):
    x, y = samples
    reports = [replace(evaluate(x, y, "energy"), rows=(row,)) for row in (a_row(-8.46, "few"), a_row(0.1))]
    page = html.render(reports, title="Two")
    assert "-8.46" in page
    assert 'class="best"' not in page
    reports[0] = replace(reports[0], rows=(a_row(-8.46),))
    assert '<b class="best">-8.46</b>' in html.render(reports, title="Two")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-0.0, "0"),
        (1.23456789, "1.23457"),
        (-1e-12, "-1e-12"),
        (math.inf, "inf"),
        (math.nan, "nan"),
        (1e6, "1e+06"),
    ],
)
def test_numbers_have_six_digits_and_no_negative_zero(value, shown):
    assert wording.number(value) == shown


def test_the_same_name_twice_is_told_apart():
    def named(*pair):
        return type("R", (), {"names": pair})()

    assert html._labels([named("x", "a"), named("x", "b")]) == ["a", "b"]
    assert html._labels([named("p", "a"), named("q", "a")]) == ["p and a", "q and a"]
    assert html._labels([named("p", "a")] * 2) == ["p and a (1)", "p and a (2)"]


# ── files and loading ───────────────────────────────────────────────────────────────────────


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    files.write_text(path, "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_a_link_keeps_pointing_where_it_did(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    files.write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_nothing_heavy_is_loaded_before_it_is_needed():
    code = (
        "import sys, divergences.evaluate, divergences.plots, divergences.report.html\n"
        "import divergences.report.text\n"
        "print([m for m in ('torch', 'matplotlib', 'pandas', 'rich', 'sklearn', 'ot') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.strip() == "[]"


def test_progress_is_silent_unless_asked_for(toys, samples, capsys):
    evaluate(*samples, ["toy_pairs"])
    evaluate(*samples, ["toy_pairs"], progress=False)
    assert capsys.readouterr() == ("", "")
    evaluate(*samples, ["toy_pairs"], progress=True)
    assert capsys.readouterr().out == ""


# ── pictures ────────────────────────────────────────────────────────────────────────────────


def _titles(report: Report) -> list[str]:
    return [picture.title for picture in plots.pictures(report)]


def test_pictures_fit_the_samples(toys, rng):
    one = evaluate(rng.normal(size=50), rng.normal(size=40), ["toy_pairs"])
    many = evaluate(rng.random((50, 27)), rng.random((40, 27)), ["toy_pairs"], image_shape=(3, 3, 3))
    assert _titles(one) == ["Distribution", "Nearest neighbours", "Parzen window width"]
    assert _titles(many)[:3] == ["Samples", "Common projection", "Features that differ most"]
    for report in (one, many):
        for picture in plots.pictures(report):
            assert picture.figure is not None, picture.caption
            assert picture.alt
    # no dates and no random names: the same report gives the same file
    assert [p.svg() for p in plots.pictures(one)] == [p.svg() for p in plots.pictures(one)]


def test_constant_and_repeated_data_can_be_drawn(toys):
    same = np.ones((30, 4))
    report = evaluate(same, same, ["toy_pairs"], image_shape=(2, 2))
    drawn = {picture.title: picture for picture in plots.pictures(report)}
    for title in ("Samples", "Common projection", "Features that differ most", "Nearest neighbours"):
        assert drawn[title].figure is not None, drawn[title].caption
    assert "30 of the 30 drawn rows of y are exact copies" in drawn["Nearest neighbours"].caption


def test_a_single_reference_row_has_no_neighbour(toys):
    report = evaluate([[1.0, 2.0]], [[1.0, 2.0], [2.0, 3.0]], ["toy_pairs"])
    picture = next(p for p in plots.pictures(report) if p.title == "Nearest neighbours")
    assert picture.figure is None
    assert "single row" in picture.caption


def test_weighted_rows_without_mass_are_not_drawn(toys):
    y = np.repeat([[0.0, 0.0], [5.0, 5.0]], 20, axis=0)
    report = evaluate(y + 1, y, ["toy_shift"], y_weights=np.repeat([1.0, 0.0], 20))
    assert plots._drawn(report)[1].max() == 0


def test_large_samples_are_thinned_and_say_so(toys, rng, monkeypatch):
    monkeypatch.setattr(plots, "POINTS", 30)
    report = evaluate(rng.normal(size=(60, 3)), rng.normal(size=(50, 3)), ["toy_pairs"])
    monkeypatch.setattr(plots._drawn, "__defaults__", (30,))
    assert "Drawn from 30 of 60 rows of x and 30 of 50 rows of y." in plots.projection(report).caption


def test_a_picture_that_fails_says_so(report, monkeypatch):
    monkeypatch.setattr(plots, "nearest", lambda *_, **__: 1 / 0)
    picture = next(p for p in plots.pictures(report) if p.title == "Nearest neighbours")
    assert picture.figure is None
    assert "ZeroDivisionError" in picture.caption
    assert "ZeroDivisionError" in html.render([report], title="t")


def test_the_users_plot_settings_are_left_alone(report):
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.pictures(report)[0].svg()
    assert dict(matplotlib.rcParams) == before


def test_the_text_module_does_not_print(report, capsys):
    text.table(report)
    assert capsys.readouterr().out == ""


def test_confidence_adds_intervals_floors_and_values_without_bias(samples) -> None:
    x, y = samples
    specs = [
        "energy",
        "frechet",
        "kl",
        "sliced_wasserstein",
        "precision_recall(k=3)",
        "classifier_two_sample",
    ]
    plain, sure = evaluate(x, y, specs, rng=3), evaluate(x, y, specs, rng=3, confidence=0.9)
    assert [row.value for row in sure.rows] == [row.value for row in plain.rows]
    assert all(row.interval is None and row.null_floor is None for row in plain.rows)
    found = estimate("energy", x, y, confidence=0.9)
    assert sure["energy"].interval == (found.interval.lower, found.interval.upper)
    assert sure["energy"].extrapolated == pytest.approx(found.extrapolated)
    assert sure["kl"].interval is None
    assert {name for name in specs[:4] if sure[name].null_floor is None} == set()
    assert sure["classifier_two_sample"].p_value is not None
    assert sure.confidence == 0.9
    written = json.loads(sure.to_json())
    assert written["confidence"] == 0.9
    assert written["rows"][0]["interval"] == list(sure["energy"].interval)
    for shown in (sure.text(width=130), sure.markdown(), sure.html()):
        assert "floor" in shown
        assert "without bias" in shown
    drawn = plots.pictures(sure)[0]
    assert drawn.title == "How sure"
    assert "90 % interval" in drawn.caption
    labels = [axis.get_yticklabels()[0].get_text() for axis in drawn.figure.axes]
    assert labels == specs[:4]
    assert plots.pictures(plain)[0].title != "How sure"
    with pytest.raises(ValueError, match="confidence must be below 1"):
        evaluate(x, y, "energy", confidence=95)
