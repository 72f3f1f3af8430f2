"""``gan compare``: what is equal for all, what is counted, what is not done twice, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gan import cli, comparison, comparison_page, data, evaluation, recipes, training
from gan.comparison import compare, median_interval
from gan.recipes import Recipe

QUICK = Recipe(
    data="ring(n=200)", generator="mlp(8)", critic="mlp(8)", batch=16, iterations=5, regularizer="none"
)
SAMPLES = 60


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """Held-out data of 10,000 rows would take longer to judge by than all trainings together."""
    load = data.load
    cut = {"validation": slice(80), "test": slice(80)}

    def small(text, *, seed=0):
        found = load(text, seed=seed)
        fields = {name: getattr(found, name) for name in found.__slots__}
        return data.Dataset(**{**fields, **{name: fields[name][rows] for name, rows in cut.items()}})

    monkeypatch.setattr(data, "load", small)


def test_every_run_is_the_recipe_on_another_objective():
    found = compare(QUICK, ["relativistic", "energy"], [3, 4], samples=SAMPLES, progress=False)
    assert {name: list(runs) for name, runs in found.runs.items()} == {
        "relativistic": ["3", "4"],
        "energy": ["3", "4"],
    }
    dataset = data.load(QUICK.data, seed=4)
    recipe = recipes.with_objective(QUICK.but(seed=4), "energy")
    by_hand = training.train(recipe, dataset=dataset, measure=None, accelerator="cpu").sample(
        SAMPLES, rng=[4, 2]
    )
    values = found.runs["energy"]["4"]["values"]
    assert values["parzen"] == evaluation.score("", by_hand, dataset).value
    modes = evaluation.coverage(by_hand, dataset.modes)
    assert (values["modes"], values["high quality %"]) == (modes.modes, modes.high_quality)
    assert values["energy"] == pytest.approx(
        comparison.judge.measures(by_hand, dataset, seed=4, metrics=["energy"])["energy"].value
    )
    assert list(found.controls) == [f"{SAMPLES} training rows", "40 k-means centroids"]
    assert found.runs["energy"]["4"]["iterations"] == 5


def test_runs_that_stop_are_counted_and_not_averaged(monkeypatch):
    train = training.train

    def sometimes(recipe, **options):
        if recipe.seed == 1 and recipe.objective == "hinge":
            return train(recipe.but(gradient_limit=1e-12), **options)
        return train(recipe, **options)

    monkeypatch.setattr(training, "train", sometimes)
    found = compare(QUICK, ["hinge", "energy"], [0, 1, 2], samples=SAMPLES, progress=False)
    row = found.summary()["hinge"]
    assert (row["runs"], row["failed"], found.summary()["energy"]["failed"]) == (3, 1, 0)
    done = [found.runs["hinge"][seed]["values"]["energy"] for seed in ("0", "2")]
    assert row["energy"]["median"] == pytest.approx(np.mean(done))
    assert "gradient has norm" in found.runs["hinge"]["1"]["fault"]
    page = comparison_page.render(found, data.load(QUICK.data))
    assert "hinge, seed 1: iteration 0" in page
    assert "2 of 3" in page


def test_the_curve_is_drawn_where_there_is_one():
    found = compare(QUICK.but(iterations=210), ["energy"], [0], samples=SAMPLES, progress=False)
    assert len(found.runs["energy"]["0"]["curve"]) == 3
    assert "Against time" in comparison_page.render(found, data.load(QUICK.data))


def test_an_objective_that_never_finishes_has_a_row_without_numbers():
    broken = QUICK.but(gradient_limit=1e-12)
    found = compare(broken, ["hinge"], [0], samples=SAMPLES, progress=False)
    (row,) = [line for line in comparison_page.table(found, intervals=False).rows if line[0] == "hinge"]
    assert row[2] == "0 of 1"
    assert row[3] == "–"


def test_a_finished_run_is_not_done_again(tmp_path, monkeypatch):
    first = compare(QUICK, ["energy"], [0, 1], out=tmp_path, samples=SAMPLES, progress=False)
    trained, train = [], training.train
    monkeypatch.setattr(
        training, "train", lambda recipe, **rest: trained.append(recipe.seed) or train(recipe, **rest)
    )
    again = compare(QUICK, ["energy"], [0, 1, 2], out=tmp_path, samples=SAMPLES, progress=False)
    assert trained == [2]
    assert {seed: again.runs["energy"][seed] for seed in ("0", "1")} == first.runs["energy"]
    assert again.controls == first.controls
    np.testing.assert_array_equal(again.samples["energy"], first.samples["energy"])
    with pytest.raises(ValueError, match=r"other settings: batch \(16 there, 32 now\)"):
        compare(QUICK.but(batch=32), ["energy"], [0], out=tmp_path, samples=SAMPLES)
    (tmp_path / "compare.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="is damaged, or was not written by gan compare"):
        compare(QUICK, ["energy"], [0], out=tmp_path, samples=SAMPLES)


def test_infinite_values_survive_the_file(tmp_path):
    far = QUICK.but(iterations=1, data="ring(n=200, radius=50.0)", scaling="none")
    first = compare(far, ["energy"], [0, 1], out=tmp_path, samples=SAMPLES, progress=False)
    assert first.runs["energy"]["0"]["values"]["reverse KL"] == np.inf
    again = compare(far, ["energy"], [0, 1], out=tmp_path, samples=SAMPLES, progress=False)
    assert again.summary() == first.summary()


def test_equal_time_gives_each_objective_its_own_iterations(monkeypatch):
    clock = {"now": 0.0}
    monkeypatch.setattr(comparison.time, "process_time", lambda: clock["now"])
    train = training.train

    def timed(recipe, **options):
        clock["now"] += 2.0 + recipe.iterations * (0.5 if recipe.objective == "energy" else 0.1)
        return train(recipe.but(iterations=2), **options)

    monkeypatch.setattr(training, "train", timed)
    found = compare(QUICK, ["energy", "hinge"], [0, 1], cpu_seconds=52.0, samples=SAMPLES, progress=False)
    # 2 s before the first iteration, then half a second and a tenth each
    assert found.iterations == {"energy": 100, "hinge": 500}
    assert found.summary()["energy"]["cpu_seconds"]["median"] == pytest.approx(52.0)
    assert found.summary()["hinge"]["cpu_seconds"]["median"] == pytest.approx(52.0)


def test_an_autoencoder_is_shared_and_its_time_counted(monkeypatch):
    monkeypatch.setattr(comparison.likelihood, "controls", lambda *a, **k: iter(()))
    coded = Recipe(
        data="digits", space="autoencoder(3, hidden=(16,), iterations=10)", generator="mlp(8)",
        critic="mlp(8)", batch=16, iterations=4,
    )  # fmt: skip
    fitted, framed, process_time = [], training.framed, comparison.time.process_time
    monkeypatch.setattr(comparison.time, "process_time", lambda: process_time() + 1000 * len(fitted))

    def slow(recipe, *rest, **more):
        fitted.append(recipe.seed)  # a thousand seconds go by
        return framed(recipe, *rest, **more)

    monkeypatch.setattr(training, "framed", slow)
    found = compare(coded, ["energy", "hinge"], [0, 1], samples=SAMPLES, progress=False)
    assert fitted == [0, 1]
    assert found.samples["energy"].shape == (SAMPLES, 64)
    for name in ("energy", "hinge"):
        assert all(1000 < run["cpu_seconds"] < 1100 for run in found.runs[name].values())
    with pytest.raises(ValueError, match="the autoencoder alone takes"):
        compare(coded, ["energy"], [0], cpu_seconds=1e-3, samples=SAMPLES, progress=False)


def test_the_median_and_its_interval():
    values = [1.0, 5.0, 2.0, 4.0, 3.0]
    found = median_interval(values)
    assert found["median"] == 3.0
    drawn = np.median(np.random.default_rng(5).choice(values, size=(20_000, 5)), axis=1)
    assert {found["low"], found["high"]} == set(np.quantile(drawn, [0.025, 0.975], method="nearest"))
    assert median_interval([]) == {"median": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ["enrgy"]}, "did you mean 'energy'"),
        ({"names": []}, "objectives must be one or more"),
        ({"names": ["energy", "energy"]}, "each once"),
        ({"seeds": []}, "seeds must be one or more"),
        ({"names": ["maximum-likelihood"]}, "needs a model with a density"),
        ({"cpu_seconds": 0.0}, "cpu_seconds must be above 0"),
    ],
)
def test_nothing_is_trained_where_something_is_refused(change, message, monkeypatch):
    monkeypatch.setattr(training, "train", None)
    arguments = {"names": ["energy"], "seeds": [0], **change}
    with pytest.raises(ValueError, match=message):
        compare(QUICK, arguments.pop("names"), arguments.pop("seeds"), **arguments)


# ── the command ─────────────────────────────────────────────────────────────────────────────


def gan(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main([*map(str, arguments)])
    return left.value.code


SMALL = [
    "--data",
    "ring(n=200)",
    "--iterations",
    "4",
    "--samples",
    SAMPLES,
    "-s",
    "batch=16",
    "-s",
    "threads=1",
]
SMALL += ["-s", "generator=mlp(8)", "-s", "critic=mlp(8)"]


def test_the_command_leaves_table_json_and_page(tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        gan("compare", *SMALL, "--objectives", "f-gan(divergence='kl'), wgan", "--seeds", "0-1", "--out", out)
        == 0
    )
    shown = capsys.readouterr()
    assert shown.err == ""
    for part in ("f-gan(divergence='kl'), seed 1: modes", "2 of 2", "k-means centroids", "Theis"):
        assert part in shown.out
    kept = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert kept["summary"]["wgan"]["runs"] == 2
    page = (out / "compare.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 2  # samples of each; a single measurement makes no curve
    assert "95 % bootstrap intervals" in page
    assert "<script" not in page
    # once more: nothing is trained, the table is the same
    assert (
        gan(
            "compare",
            *SMALL,
            "--objectives",
            "f-gan(divergence='kl'), wgan",
            "--seeds",
            "0-1",
            "--out",
            out,
            "--json",
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["summary"] == kept["summary"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objectives", "wgan,enrgy"], "did you mean 'energy'"),
        (["--objectives", ","], "objectives must be one or more"),
        (["--objectives", "wgan", "--seeds", "1-x"], "seeds must read like 0,1,2 or 0-4"),
        (["--objectives", "wgan", "--cpu-seconds", "3"], "two budgets; give one"),
        (["--objectives", "wgan", "-s", "bacth=3"], "did you mean 'batch'"),
        ([], "Missing option '--objectives'"),
    ],
)
def test_the_command_refuses_in_one_line(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert gan("compare", *SMALL, *arguments, "-q") == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
