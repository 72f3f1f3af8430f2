"""The command line: what it prints, its exit codes, and refusals of one line that leave no file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import divergences
from divergences.cli import app, main
from divergences.registry import METRICS, Metric
from divergences.report import wording

ROOT = Path(__file__).resolve().parents[2]
QUICK = ["-m", "energy", "-m", "squared_mmd(bandwidth=1.0)"]


def fails(x, y):
    """Never a number."""
    raise RuntimeError("no luck\ntoday")


@pytest.fixture
def pair(tmp_path):
    """Two files of samples."""
    rng = np.random.default_rng(0)
    names = []
    for name in ("real.npy", "model.npy"):
        np.save(tmp_path / name, rng.normal(size=(30, 3)))
        names.append(str(tmp_path / name))
    return names


@pytest.fixture
def failing(monkeypatch):
    """A metric that fails."""
    monkeypatch.setitem(METRICS, "fails", Metric("fails", fails, on="samples", meaning="nothing"))


def call(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``divergences ARGUMENTS``."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return caught.value.code, out, err


def refused(capsys, *arguments: object) -> str:
    """The one line of a refusal: exit code 2, nothing on stdout."""
    code, out, err = call(capsys, *arguments)
    assert code == 2, err
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("divergences: ")
    assert "Traceback" not in err
    return err


# ── compare ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def several(tmp_path):
    """A reference and three models, the last far off."""
    rng = np.random.default_rng(0)
    names = []
    for name, shift in (("real", 0.0), ("a", 0.0), ("b", 0.1), ("c", 3.0)):
        np.save(tmp_path / f"{name}.npy", shift + rng.normal(size=(60, 2)))
        names.append(str(tmp_path / f"{name}.npy"))
    return names


def test_several_models_are_ranked(capsys, several, tmp_path):
    code, out, err = call(capsys, "compare", *several, "-m", "energy", "-m", "frechet")
    assert (code, err) == (0, "")
    assert out.startswith("energy: ")
    assert out.splitlines()[0].endswith(" < c.npy")
    assert "\nfrechet: " in out
    file = tmp_path / "found.json"
    assert call(capsys, "compare", *several, "--json", file, "--confidence", 0.9)[0] == 0
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["confidence"] == 0.9
    assert {each["metric"] for each in written["standings"]} >= {"energy", "frechet"}
    code, out, _ = call(capsys, "compare", *several, "-m", "energy", "--json", "-")
    assert [each["rank"] for each in json.loads(out)["standings"]] == [1, 1, 3]
    assert "for one model" in refused(capsys, "compare", *several, "--validation", several[1])
    assert "named once" in refused(capsys, "compare", several[0], several[1], several[1])
    assert "pmf.kl" in refused(capsys, "compare", *several, "-m", "pmf.kl")
    assert "confidence must be below 1" in refused(capsys, "compare", *several, "--confidence", 95)


def test_confidence_shows_intervals_and_floors(capsys, several):
    code, out, _ = call(capsys, "compare", *several[:2], "-m", "energy", "--confidence", 0.95)
    assert code == 0
    assert "floor" in out
    code, out, _ = call(capsys, "compare", *several[:2], "-m", "energy", "--confidence", 0.9, "--json", "-")
    row = json.loads(out)["rows"][0]
    assert row["interval"][0] <= max(row["extrapolated"], 0.0) <= row["interval"][1]


def test_compare_prints_a_table(capsys, pair):
    code, out, err = call(capsys, "compare", *pair, *QUICK)
    assert code == 0
    assert err == ""
    assert "real.npy: 30 rows, model.npy: 30 rows, 3 features" in out
    assert "energy" in out
    assert "squared_mmd(bandwidth=1.0)" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_compare_writes_json_and_html(capsys, pair, tmp_path):
    files = tmp_path / "out.json", tmp_path / "out.html"
    code, out, _ = call(capsys, "compare", *pair, *QUICK, "--json", files[0], "--html", files[1])
    assert code == 0
    assert "energy" in out
    report = json.loads(files[0].read_text(encoding="utf-8"))
    assert [row["metric"] for row in report["rows"]] == ["energy", "squared_mmd(bandwidth=1.0)"]
    assert report["names"] == ["real.npy", "model.npy"]
    assert report["seed"] == 0
    assert files[1].read_text(encoding="utf-8").lstrip().startswith("<!doctype html>")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.npy", "out.html", "out.json", "real.npy"]


def test_json_and_markdown_on_standard_output(capsys, pair):
    code, out, _ = call(capsys, "compare", *pair, *QUICK, "--json", "-")
    assert code == 0
    assert len(json.loads(out)["rows"]) == 2
    code, out, _ = call(capsys, "compare", *pair, *QUICK, "--markdown", "-")
    assert code == 0
    assert "| metric | value |" in out


def test_real_is_x_and_model_is_y(capsys, pair):
    values = []
    for files in (pair, pair[::-1]):
        spec = "parzen_log_likelihood(bandwidth=0.5)"
        _, out, _ = call(capsys, "compare", *files, "-m", spec, "--json", "-")
        values.append(json.loads(out)["rows"][0]["value"])
    from divergences.parzen import parzen_log_likelihood

    real, model = (np.load(name) for name in pair)
    assert values == [parzen_log_likelihood(real, model, bandwidth=0.5),
                      parzen_log_likelihood(model, real, bandwidth=0.5)]  # fmt: skip


@pytest.mark.parametrize(
    ("real", "model", "names"),
    [
        ("data/real.npy", "runs/model.npy", ["real.npy", "model.npy"]),
        ("one/digits.npy", "two/digits.npy", ["one/digits.npy", "two/digits.npy"]),
        ("one/digits.npy", "one/digits.npy", ["one/digits.npy", "one/digits.npy"]),
        ("one/digits.npy[:3]", "one/digits.npy[3:]", ["digits.npy[:3]", "digits.npy[3:]"]),
    ],
)
def test_names_are_as_short_as_tells_them_apart(capsys, tmp_path, monkeypatch, real, model, names):
    monkeypatch.chdir(tmp_path)
    for file in (real.split("[")[0], model.split("[")[0]):
        Path(file).parent.mkdir(exist_ok=True)
        np.save(file, np.arange(12.0).reshape(6, 2))
    _, out, _ = call(capsys, "compare", real, model, "-m", "energy", "--json", "-")
    assert json.loads(out)["names"] == names


def test_a_seed_repeats_a_run(capsys, pair):
    def value(*more):
        _, out, _ = call(capsys, "compare", *pair, "-m", "sliced_wasserstein", "--json", "-", *more)
        return json.loads(out)["rows"][0]["value"]

    assert value() == value("--seed", 0)
    assert value("--seed", 7) == value("--seed", 7) != value()


def test_slices_images_and_validation(capsys, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    name = str(tmp_path / "images.npy")
    code, out, err = call(
        capsys, "compare", f"{name}[0:20]", f"{name}[20:]", "-m", "parzen_log_likelihood", "-m", "energy",
        "--validation", f"{name}[:10]", "--json", "-",
    )  # fmt: skip
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["n"], report["m"], report["image_shape"]) == (20, 20, [4, 4])
    assert all(row["status"] == "ok" for row in report["rows"])


def test_a_failed_metric_leaves_a_row(capsys, pair, failing, tmp_path):
    target = tmp_path / "out.json"
    code, out, _ = call(capsys, "compare", *pair, "-m", "fails", "-m", "energy", "--json", target)
    assert code == 0
    assert "failed" in out
    assert "no luck today" in out
    code, out, _ = call(capsys, "compare", *pair, "-m", "fails", "--json", target)
    assert code == 1
    assert "no luck today" in out
    assert target.exists()


def test_pixels_on_another_scale_are_remarked_on(capsys, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "real.npy", rng.integers(0, 256, (20, 4, 4), dtype=np.uint8))
    np.save(tmp_path / "model.npy", rng.uniform(-1, 1, (20, 16)))
    files = [tmp_path / "real.npy", tmp_path / "model.npy"]
    code, _, err = call(capsys, "compare", *files, "-m", "energy")
    assert code == 0
    assert "are both on one scale?" in err
    assert call(capsys, "compare", *files, "-m", "energy", "--quiet")[2] == ""


# ── refusals ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["-m", "energi"], "unknown metric 'energi'; did you mean 'energy'?"),
        (["-m", "squared_mmd(bandwith=1)"], "did you mean 'bandwidth'?"),
        (["-m", "energy("], "cannot read the metric"),
        (["--frobnicate"], "No such option"),
        (["--seed", "one"], "--seed"),
        (["--seed", "-1"], "--seed"),
        (["--json", "nowhere/out.json"], "there is no folder"),
        (["--html", "."], "is a folder"),
        (["--html", "-"], "name a file"),
        (["--json", "a.json", "--html", "./a.json"], "two outputs cannot share one file"),
        (["--validation", "nothing.npy"], "nothing.npy: no such file"),
        (["--json", "out.json", "--validation", "nothing.npy"], "nothing.npy: no such file"),
        (["third.npy"], "third.npy: no such file"),
    ],
)
def test_refusals(capsys, pair, tmp_path, monkeypatch, more, complaint):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert complaint in refused(capsys, "compare", *pair, *more)
    assert sorted(tmp_path.rglob("*")) == before


def test_specs_are_read_before_files_and_files_before_work(capsys, pair, failing):
    assert "unknown metric" in refused(capsys, "compare", "missing.npy", pair[1], "-m", "energi")
    assert "missing.npy: no such file" in refused(capsys, "compare", pair[0], "missing.npy", "-m", "fails")


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.full((5, 3), np.nan), "finite"),
        (np.zeros((5, 4)), "same number of features"),
        (np.zeros((0, 3)), "no samples in it"),
        (np.zeros((5, 3), complex), "must be real numbers"),
    ],
)
def test_samples_that_are_refused(capsys, pair, tmp_path, array, complaint):
    np.save(pair[1], array)
    text = refused(capsys, "compare", *pair, "-m", "energy", "--json", tmp_path / "out.json")
    assert complaint in text
    assert "model.npy" in text
    assert not (tmp_path / "out.json").exists()


def test_samples_are_never_overwritten(capsys, pair):
    before = Path(pair[0]).read_bytes()
    text = refused(capsys, "compare", *pair, "-m", "energy", "--json", pair[0])
    assert "would overwrite the samples" in text
    assert Path(pair[0]).read_bytes() == before


def test_images_of_two_shapes(capsys, tmp_path):
    for name, shape in (("a.npy", (9, 2, 8)), ("b.npy", (9, 4, 4))):
        np.save(tmp_path / name, np.zeros(shape, np.uint8))
    text = refused(capsys, "compare", tmp_path / "a.npy", tmp_path / "b.npy", "-m", "energy")
    assert "holds images of 2 × 8" in text


def test_columns_in_another_order(capsys, tmp_path):
    (tmp_path / "a.csv").write_text("u,v\n1,2\n3,4\n")
    (tmp_path / "b.csv").write_text("v,u\n1,2\n3,4\n")
    text = refused(capsys, "compare", tmp_path / "a.csv", tmp_path / "b.csv", "-m", "energy")
    assert "another order" in text
    assert call(capsys, "compare", tmp_path / "a.csv", f"{tmp_path / 'b.csv'}:u,v", "-m", "energy")[0] == 0


def test_standard_input_once(capsys):
    assert "read only once" in refused(capsys, "compare", "-m", "energy", "--", "-", "-[0:5]")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written(capsys, pair, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    text = refused(capsys, "compare", *pair, "-m", "energy", "--json", closed / "out.json")
    assert "cannot be written" in text


def test_usage(capsys):
    assert "No such command 'compre'" in refused(capsys, "compre")
    assert "Missing argument 'MODEL'" in refused(capsys, "compare", "a.npy")
    code, out, _ = call(capsys)
    assert code == 0
    assert "compare" in out


# ── metrics, version, the process ───────────────────────────────────────────────────────────


def test_metrics_lists_every_metric(failing):
    outcome = CliRunner().invoke(app, ["metrics"])
    assert outcome.exit_code == 0
    lines = outcome.output.splitlines()
    for name in METRICS:
        assert any(line.split()[:1] == [name] for line in lines), name
    assert max(map(len, lines)) <= 80
    assert "Never a number." in outcome.output


def test_metrics_as_json(capsys):
    code, out, _ = call(capsys, "metrics", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert rows.keys() == METRICS.keys()
    assert rows["energy"]["takes"] == "samples"
    assert rows["energy"]["weights"] is True


def test_version(capsys):
    code, out, _ = call(capsys, "--version")
    assert code == 0
    assert out.startswith("divergences")


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "80"} | options.pop("env", {})
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "divergences", *arguments],
        capture_output=True, encoding="utf-8", env=environment, check=False, **options,
    )  # fmt: skip


def test_exit_codes_of_the_process(pair, tmp_path):
    done = run("compare", *pair, *QUICK, "--json", str(tmp_path / "out.json"))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out.json").exists()
    done = run("compare", pair[0], "missing.npy")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "divergences: missing.npy: no such file\n")
    done = run("compare", "-m", "energy", "--", pair[0], "-:b,a[0:2]", input="a,b\n1,2\n3,4\n")
    assert done.returncode == 2
    assert "number of features" in done.stderr


def test_a_pipe_into_the_process(pair):
    done = run("compare", pair[0], "-", "-m", "energy", input="a,b,c\n1,2,3\n3,4,5\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "-: 2 rows" in done.stdout


def test_a_terminal_without_arrows(pair):
    done = run("compare", *pair, "-m", "energy", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")


def test_help_comes_at_once():
    started = time.perf_counter()
    code = "import sys, divergences.cli; print({'torch', 'pandas', 'sklearn'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.strip() == "set()"
    assert run("--help").returncode == 0
    assert time.perf_counter() - started < 10  # two starts, on a machine that may be busy


# ── what several models and one share ───────────────────────────────────────────────────────


@pytest.mark.parametrize("source", ["real.npy[0:20]", "real.npz:rows", "real.csv:a,b", "real.csv:a,b[0:20]"])
@pytest.mark.parametrize("option", ["--json", "--html", "--markdown", "--junit"])
def test_no_output_overwrites_samples_however_they_are_named(capsys, tmp_path, monkeypatch, source, option):
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(30, 2))
    np.save("real.npy", rows)
    np.savez("real.npz", rows=rows)
    np.savetxt("real.csv", rows, delimiter=",", header="a,b", comments="")
    file = source.split("[")[0].split(":")[0]
    before = Path(file).read_bytes()
    for models in (["real.npy"], ["real.npy", "real.npz"]):
        assert "would overwrite the samples" in refused(
            capsys, "compare", source, *models, "-m", "energy", option, file, "-q"
        )
    assert Path(file).read_bytes() == before


def test_columns_and_images_are_held_together_for_every_model(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(30, 2))
    for name, header in (("real", "a,b"), ("other", "b,a"), ("more", "a,c"), ("same", "a,b")):
        np.savetxt(f"{name}.csv", rows, delimiter=",", header=header, comments="")
    for models in (["other.csv"], ["same.csv", "other.csv"]):
        assert "has the columns of real.csv in another order" in refused(
            capsys, "compare", "real.csv", *models
        )
    for models in (["more.csv"], ["same.csv", "more.csv"]):
        said = refused(capsys, "compare", "real.csv", *models)
        assert "more.csv has other columns than real.csv (in one of them only: b, c)" in said
    # who names columns on both sides means it
    assert call(capsys, "compare", "real.csv:b", "more.csv:c", "-m", "energy", "-q")[0] == 0
    for name, shape in (("one", (20, 4, 4)), ("two", (20, 2, 8)), ("three", (20, 4, 4))):
        np.save(f"{name}.npy", np.zeros(shape, np.uint8))
    assert "holds images of 4 × 4, two.npy of 2 × 8" in refused(
        capsys, "compare", "one.npy", "three.npy", "two.npy"
    )


def test_a_level_of_zero_is_refused_for_one_model_and_for_several(capsys, pair):
    for models in (pair[1:], [pair[1], pair[0]]):
        said = refused(capsys, "compare", pair[0], *models, "-m", "energy", "--confidence", "0", "-q")
        assert "confidence must be" in said


def test_limits_on_p_values_that_nobody_computes_are_refused(capsys, pair):
    condition = ["--fail-if", "energy.p_value<0.01", "-q"]
    assert "p-values need --confidence" in refused(capsys, "compare", *pair, *condition)
    assert "p-values are of one model" in refused(capsys, "compare", *pair, pair[0], *condition)
    code, _, err = call(capsys, "compare", *pair, *condition, "--confidence", "0.95")
    assert code == 0, err


@pytest.mark.parametrize("width", [60, 70, 80, 90, 100, 120])
def test_no_number_of_a_report_is_cut(width, rng):
    """Rich cuts what does not fit without a sign of it: the column of times is given up before that."""
    x, y = rng.normal(size=(60, 2)), rng.normal(size=(50, 2)) + 0.3
    report = divergences.evaluate(x, y, confidence=0.95, rng=0)
    text = report.text(width=width)
    assert max(map(len, text.splitlines()[:30])) <= width
    header = next(line for line in text.splitlines() if "metric" in line)
    assert header.rstrip().endswith(("better", "seconds", "what it tells")), header
    squeezed = "".join(text.split())
    for row in report.rows:
        if row.value is not None:
            assert "".join(wording.outcome(row).split()) in squeezed, row.metric
