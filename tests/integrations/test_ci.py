"""``divergences compare`` as a step of a pipeline: limits, their exit code, JUnit's XML, markdown."""

from __future__ import annotations

import json
import math
from xml.etree import ElementTree

import numpy as np
import pytest

import divergences as dv
from divergences.cli import main
from divergences.registry import METRICS, Metric
from divergences.report import junit
from divergences.report.limits import judged, parsed


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a reference, a model near it and one far from it."""
    rng = np.random.default_rng(0)
    for name, shift in (("real", 0.0), ("near", 0.0), ("far", 2.0)):
        np.save(tmp_path / f"{name}.npy", shift + rng.normal(size=(60, 2)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["compare", *map(str, arguments)])
    out, err = capsys.readouterr()
    return caught.value.code, out, err


def value(folder, model):
    return float(dv.frechet(np.load(folder / "real.npy"), np.load(folder / f"{model}.npy")))


def test_a_limit_sets_the_exit_code_and_says_what_broke_it(folder, capsys):
    code, out, err = call(capsys, "real.npy", "near.npy", "--fail-if", "frechet>1")
    assert (code, err) == (0, "")
    assert "frechet" in out
    assert "energy" not in out, "a metric named only by a limit is computed, and no others"
    code, out, err = call(capsys, "real.npy", "far.npy", "--fail-if", "frechet>1", "--fail-if", "energy < 0")
    assert code == 1
    assert err == f"divergences: far.npy: frechet = {value(folder, 'far'):.6g}: fails (fail if > 1)\n"
    code, out, _ = call(capsys, "real.npy", "far.npy", "-m", "energy", "--fail-if", "frechet > 100")
    assert code == 0
    assert "energy" in out
    assert "frechet" in out


@pytest.mark.parametrize(
    ("sign", "below", "at", "above"),
    [(">", 0, 0, 1), (">=", 0, 1, 1), ("<", 1, 0, 0), ("<=", 1, 1, 0)],
)
def test_the_four_signs_at_and_beside_the_bound(sign, below, at, above):
    limit = parsed(f"energy {sign} 1.5")
    assert [limit.broken_by(v) for v in (1.4, 1.5, 1.6)] == [bool(below), bool(at), bool(above)]
    assert limit.broken_by(math.nan)


def test_nan_and_a_metric_that_fails_break_a_limit(folder, capsys, monkeypatch):
    def nothing(x, y):
        """Not a number."""
        return math.nan

    def fails(x, y):
        """Never a number."""
        raise RuntimeError("no luck")

    for function in (nothing, fails):
        name = function.__name__
        monkeypatch.setitem(METRICS, name, Metric(name, function, on="samples", meaning="nothing"))
    code, _, err = call(capsys, "real.npy", "near.npy", "-m", "energy", "--fail-if", "nothing<0")
    assert code == 1
    assert "nothing = nan: fails, as NaN always does" in err
    file = folder / "junit.xml"
    code, _, err = call(
        capsys, "real.npy", "near.npy", "-m", "energy", "--fail-if", "fails>1e300", "--junit", file
    )
    assert code == 1
    assert "fails: failed: RuntimeError: no luck" in err
    suite = ElementTree.parse(file).getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("frechet", "in quotes"),
        ("frechet=1", "one of > >= < <="),
        ("frechet>", "in quotes"),
        ("frechet>ten", "must end in a number"),
        ("frechet>nan", "must end in a number"),
        ("1<frechet<2", "in quotes"),
        ("freshet>1", "did you mean 'frechet'"),
        ("energy.recall>1", "energy has no value 'recall'"),
        ("precision_recall<0.5", "as in precision_recall.precision"),
        ("precision_recall.recal<0.5", "it has precision, recall, density, coverage, p_value"),
        ("renyi>1", "renyi needs alpha"),
    ],
)
def test_a_limit_that_is_none_is_bad_use_with_code_2(folder, capsys, condition, said):
    code, out, err = call(capsys, "real.npy", "near.npy", "--fail-if", condition)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_fields_options_and_p_values_can_be_limited(folder, capsys):
    code, out, _ = call(
        capsys, "real.npy", "far.npy", "-m", "squared_mmd(bandwidth=1.0)", "--json", "-",
        "--fail-if", "squared_mmd<100", "--fail-if", "precision_recall(k=3).recall>=2",
        "--fail-if", "classifier_two_sample.p_value<0.05",
    )  # fmt: skip
    assert code == 1
    found = json.loads(out)
    # the limit without options means the one squared_mmd that was asked for
    assert [row["metric"] for row in found["rows"]][:2] == [
        "squared_mmd(bandwidth=1.0)", "precision_recall(k=3).precision",
    ]  # fmt: skip
    assert [each["failed"] for each in found["limits"]] == [True, False, True]
    assert found["limits"][0]["fail_if"] == "squared_mmd(bandwidth=1.0) < 100"
    rows = {row["metric"]: row for row in found["rows"]}
    assert found["limits"][1]["value"] == rows["precision_recall(k=3).recall"]["value"]
    assert found["limits"][2]["value"] == rows["classifier_two_sample"]["p_value"]


def test_junit_holds_every_value_and_every_limit(folder, capsys):
    call(
        capsys, "real.npy", "far.npy", "-m", "energy", "--seed", 3, "--junit", "found.xml",
        "--markdown", "found.md", "--fail-if", "frechet>1", "--fail-if", "energy>100",
    )  # fmt: skip
    suite = ElementTree.parse(folder / "found.xml").getroot()[0]
    assert suite.get("name") == "real.npy and far.npy"
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "0", "skipped": "0",
    }  # fmt: skip
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert list(cases) == ["energy", "frechet", "fail if frechet > 1", "fail if energy > 100"]
    assert cases["fail if frechet > 1"].find("failure").get("message").startswith("frechet = ")
    assert cases["fail if energy > 100"].find("failure") is None
    assert cases["energy"].find("system-out").text.startswith("energy = ")
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert (properties["seed"], properties["reference"]) == ("3", "real.npy")
    table = (folder / "found.md").read_text(encoding="utf-8")
    assert "| energy |" in table
    assert "❌ `fail if frechet > 1`" in table
    assert "✅ `fail if energy > 100`" in table


def test_several_models_are_each_held_to_the_limits(folder, capsys):
    code, _, err = call(
        capsys, "real.npy", "near.npy", "far.npy", "--fail-if", "frechet>1", "--junit", "found.xml",
        "--json", "found.json", "--markdown", "found.md",
    )  # fmt: skip
    assert code == 1
    table = (folder / "found.md").read_text(encoding="utf-8")
    assert "✅ `fail if frechet > 1`: near.npy: frechet = " in table
    assert "❌ `fail if frechet > 1`: far.npy: frechet = " in table
    assert err.startswith("divergences: far.npy: frechet = ")
    assert err.count("\n") == 1
    suites = ElementTree.parse(folder / "found.xml").getroot()
    assert [(suite.get("name"), suite.get("failures")) for suite in suites] == [
        ("real.npy and near.npy", "0"), ("real.npy and far.npy", "1"),
    ]  # fmt: skip
    found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    assert [(each["subject"], each["failed"]) for each in found["limits"]] == [
        ("near.npy", False), ("far.npy", True),
    ]  # fmt: skip


def test_text_that_xml_cannot_hold_is_left_out():
    report = dv.evaluate([0.0, 1.0], [5.0, 6.0], ["energy"])
    verdicts = judged([parsed("energy>1")], {row.metric: row for row in report.rows}, "a\x00<b>\ud800&")
    text = junit.render({"a\x00<b>\ud800&": report.rows}, verdicts, reference='"r"')
    assert ElementTree.fromstring(text.encode())[0].get("name") == '"r" and a<b>&'


def test_two_outputs_cannot_both_be_printed(folder, capsys):
    code, _, err = call(capsys, "real.npy", "near.npy", "--json", "-", "--markdown", "-")
    assert code == 2
    assert "print into each other" in err
    code, _, err = call(capsys, "real.npy", "near.npy", "--junit", "-")
    assert code == 2
