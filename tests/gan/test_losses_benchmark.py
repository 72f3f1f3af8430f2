"""benchmarks/losses.py: cells that are kept, budgets that are equal, medians and faults that are counted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # scripts import their parts by name; last, for tests have a truth too

from losses_parts import design, problems, results, runs, units, words  # noqa: E402

from gan import data, objectives, regularizers  # noqa: E402
from gan.recipes import Recipe  # noqa: E402


@pytest.fixture
def bench(tmp_path):
    return runs.Bench("smoke", str(tmp_path / "cells"))


SETTINGS = {"kind": "run", "data": "ring", "objective": "energy", "seed": 3}


# ── cells ───────────────────────────────────────────────────────────────────────────────────


def test_every_setting_is_in_the_key_and_its_order_is_not():
    key = units.key(SETTINGS)
    assert units.key(dict(reversed(SETTINGS.items()))) == key
    others = [{**SETTINGS, name: "other"} for name in SETTINGS]
    assert len({key, *map(units.key, others)}) == len(SETTINGS) + 1


def test_a_cell_is_done_once_and_a_damaged_one_again(tmp_path):
    store, calls = units.Store(tmp_path), []

    def work():
        calls.append(1)
        return {"value": float("inf")}

    assert store.once(SETTINGS, work) == store.once(SETTINGS, work) == {"value": "inf"}
    assert len(calls) == 1
    path = store.path(SETTINGS)
    path.write_text(path.read_text()[:20])  # what a full disk leaves
    assert store.get(SETTINGS) is None
    store.once(SETTINGS, work)
    assert len(calls) == 2
    assert [each["settings"] for each in store] == [SETTINGS]


def test_a_kill_while_writing_leaves_no_cell(tmp_path, monkeypatch):
    store = units.Store(tmp_path)

    def killed(*paths):
        raise KeyboardInterrupt

    monkeypatch.setattr(units.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        store.put(SETTINGS, {"value": 1.0})
    monkeypatch.undo()
    assert store.get(SETTINGS) is None
    assert list(store) == []


def test_an_interrupted_tier_goes_on_where_it_was(bench, monkeypatch):
    """The same cells are asked for again; those that are there are not trained."""
    done = []

    def counted(kind):
        def work(bench, settings):
            done.append(units.key(settings))
            return {
                "pace": 0.01,
                "iterations": 5,
                "cpu_seconds": 1.0,
                "score": float(len(done)),
                "values": {},
            }

        return work

    monkeypatch.setattr(runs, "KINDS", dict.fromkeys(runs.KINDS, counted("")))
    tried = bench.trials("ring", "energy")
    assert bench.run("ring", "energy", "cpu", 100) is None  # nothing chosen yet
    for cell in tried:
        runs.do(bench, cell)
    cells = [bench.run("ring", "energy", budget, seed) for budget in results.BUDGETS for seed in (100, 101)]
    runs.do(bench, cells[0])
    for cell in [*tried, *cells]:
        runs.do(bench, cell)
    assert len(done) == len(set(done)) == len(tried) + len(cells)


# ── what is equal ───────────────────────────────────────────────────────────────────────────


def test_data_sets_of_files_are_named_as_they_are_read(tmp_path):
    for name, images in (("mnist", "train-images-idx3-ubyte.gz"), ("fashion", "train-images-idx3-ubyte")):
        (tmp_path / name).mkdir()
        (tmp_path / name / images).touch()
        with pytest.raises(ValueError, match="needs"):  # it has looked there, and the other files are absent
            data.load(problems.text_of(name, str(tmp_path)))
    assert problems.text_of("ring", None) == "ring"


def test_every_objective_has_as_many_trials_and_all_of_them_differ():
    for name, what in design.DATA.items():
        for objective in design.OBJECTIVES:
            made = [
                design.recipe(what, objective, settings, 0) for settings in design.trials(what, objective, 4)
            ]
            assert len({json.dumps(recipe.to_dict()) for recipe in made}) == 4, (name, objective)
            assert {recipe.generator for recipe in made} == {what.recipe.generator}
            assert {recipe.batch for recipe in made} == {what.recipe.batch}
            for recipe in made:  # what is named can be made
                objectives.parse(recipe.objective)
                regularizers.parse(recipe.regularizer)


def test_gradient_budgets_count_both_players(bench, monkeypatch):
    chosen = {"settings": {"own": 1.0, "rate": 1e-3}, "pace": 0.01}
    monkeypatch.setattr(runs.Bench, "chosen", lambda self, name, objective: chosen)
    total = bench.gradients("ring")
    for objective, each in {"energy": 1, "non-saturating": 2, "wgan-gp": 6, "wgan (clipping)": 6}.items():
        recipe = bench.run("ring", objective, "gradients", 100)["recipe"]
        assert recipe["iterations"] == max(total // each, 2)
        assert design.gradients_a_step(Recipe.from_dict(recipe)) == each
    seconds = bench.run("ring", "wgan-gp", "cpu", 100)["recipe"]["iterations"] * chosen["pace"]
    assert seconds == pytest.approx(bench.cpu("ring"), abs=chosen["pace"])


def test_cpu_seconds_are_those_of_the_training_and_not_of_the_looks(bench, monkeypatch):
    clock = iter(range(0, 10_000))
    monkeypatch.setattr(runs.time, "process_time", lambda: float(next(clock)))
    problem = _problem()
    recipe = Recipe(data="ring(n=200)", objective="energy", generator="mlp(4)", batch=16, iterations=6)

    def look(model):
        for _ in range(100):
            runs.time.process_time()  # a long look
        return [0.0]

    trained = runs._train(recipe, problem, looks=3, look=look)
    assert trained.seconds < 20
    assert [row[1] for row in trained.curve] == [0, 2, 4, 6]
    assert all(row[0] < 20 for row in trained.curve)


def test_the_chosen_trial_is_the_best_of_those_that_did_not_fail(bench):
    first, second = bench.trials("ring", "hinge")
    bench.store.put(first, {"pace": 0.1, "score": None, "fault": "NaN"})
    assert bench.chosen("ring", "hinge") is None
    bench.store.put(second, {"pace": 0.2, "score": -3.0})
    assert bench.chosen("ring", "hinge")["settings"] == second["settings"]
    bench.store.put(second, {"pace": 0.2, "score": None, "fault": "NaN"})
    assert bench.chosen("ring", "hinge")["settings"] == first["settings"]


def test_settings_are_chosen_without_a_look_at_the_test_rows(monkeypatch):
    problem = _problem()
    drawn = problem.judged.train[:100]
    before = runs.criterion(problem, drawn)
    spoilt = _problem(test=np.full_like(problem.judged.test, 9.0))
    assert runs.criterion(spoilt, drawn) == before
    assert runs.judged(spoilt, drawn) != runs.judged(problem, drawn)


def _problem(test=None):
    from dataclasses import replace

    judged = data.load("ring(n=300)", seed=0)
    judged = replace(
        judged, validation=judged.validation[:100], test=judged.test[:100] if test is None else test[:100]
    )
    what = design.DATA["ring"]
    return problems.Problem("ring", what, judged, judged, problems.Frame.of(judged, "unit"), None)


# ── tables ──────────────────────────────────────────────────────────────────────────────────


def _one(values):
    """A data set's findings: {objective: energies, None for a failed run}."""

    def made(number, value):
        kept = {"settings": {"recipe": {"iterations": 7}}, "cpu_seconds": 1.0, "curve": []}
        return {**kept, **({"fault": "NaN"} if value is None else {"values": {"energy": value}})}

    found = {
        name: {"cpu": {str(k): made(k, value) for k, value in enumerate(row)}} for name, row in values.items()
    }
    return {"runs": found, "headline": "energy", "controls": None, "tuning": {}, "cpu": 1, "gradients": 1}


def test_medians_are_over_the_runs_that_finished_and_failures_are_counted():
    table = results.summary(_one({"a": [3.0, 1.0, None, 2.0], "b": [None, None, 0.5, None]}), "cpu")
    assert (table["a"]["runs"], table["a"]["failed"], table["a"]["energy"]["median"]) == (4, 1, 2.0)
    assert (table["a"]["energy"]["low"], table["a"]["energy"]["high"]) == (1.0, 3.0)
    # b's one good run does not make it first
    assert results.ranked(table, "energy") == ["a", "b"]
    assert results.ranked(results.summary(_one({"a": [3.0], "b": [2.0]}), "cpu"), "energy") == ["b", "a"]


def test_the_favourite_is_said_to_lose_where_it_does():
    lost = _one({words.FAVOURITE: [3.0, 3.1, 3.2], "energy": [1.0, 1.1, 1.2]})
    assert f"{words.FAVOURITE} loses here, at place 2 of 2" in " ".join(words.of_data("ring", lost))
    level = _one({words.FAVOURITE: [3.0, 3.1, 1.0], "energy": [1.0, 1.1, 3.2]})
    told = " ".join(words.of_data("ring", level))
    assert "loses" not in told
    assert "intervals that touch" in told


def test_no_window_is_judged_by_the_rows_that_chose_it(bench):
    for name, drawn_anew in (("digits", False), ("ring", True)):
        values = runs._controls(bench, bench.controls(name))["values"]
        assert ("parzen" in values["real: fresh data"]) is drawn_anew
        assert "parzen" in values["memoriser: training rows"]
    one = _one({"energy": [3.0], "hinge": [2.0]})
    one["controls"] = {"values": {"real: fresh data": {}, "memoriser: training rows": {one["headline"]: 7.0}}}
    assert any(line.startswith("Training rows score 7") for line in words.of_data("ring", one))
    one["controls"]["values"]["real: fresh data"][one["headline"]] = 5.0
    assert any(line.startswith("Fresh real data score 5") for line in words.of_data("ring", one))


def test_a_critic_is_ranked_by_exact_w1():
    true = np.linspace(2, 1, 10)
    curve = [[float(k), k, 0.5 * w, w, 0.4] for k, w in enumerate(true)]
    run = {"settings": {"objective": "wgan-gp λ=10"}, "curve": curve}
    row = results.critic_table({"critics": [run, run]})["wgan-gp λ=10"]
    assert row["spearman"]["median"] == pytest.approx(1.0)
    assert row["ratio"]["median"] == pytest.approx(0.5)
    falling = [[k, i, -said, w, slope] for k, i, said, w, slope in curve]
    other = {"settings": {"objective": "x"}, "curve": falling}
    assert results.critic_table({"critics": [other]})["x"]["spearman"]["median"] == pytest.approx(-1.0)


def test_samples_survive_their_packing():
    problem = _problem()
    points = problem.judged.test[:50]
    kept = json.loads(json.dumps(problems.packed(points, problem)))
    np.testing.assert_allclose(problems.unpacked(kept), points, atol=1e-4)


# ── the whole ───────────────────────────────────────────────────────────────────────────────


def test_cells_become_pages(bench, tmp_path, monkeypatch):
    """A trial, a run of each budget and a look at a critic, from training to both pages."""
    monkeypatch.setattr(runs.Bench, "problem", lambda self, name: _problem())
    monkeypatch.setattr(runs, "CRITIC_LOOKS", 6)
    monkeypatch.setattr(runs, "CRITIC_RUN", runs.CRITIC_RUN.but(batch=32, iterations=12))
    for cell in [*bench.trials("ring", "energy"), bench.controls("ring"), runs.critic_cells(bench)[0]]:
        runs.do(bench, cell)
    for budget in results.BUDGETS:
        runs.do(bench, bench.run("ring", "energy", budget, 100))
    results.write(bench, tmp_path, tmp_path)
    text = (tmp_path / "losses.md").read_text()
    assert "ring: 2 of 68 runs" in text
    assert "| energy | 1 of 1 |" in text
    assert "memoriser: training rows" in text
    page = (tmp_path / "losses" / "index.html").read_text()
    assert "<script>" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    # the one file that is kept gives all cells back, and the runs that follow from the trials are the same
    before = {each["settings"]["kind"]: units.key(each["settings"]) for each in bench.store}
    for path in bench.store.folder.glob("*.json"):
        path.unlink()
    assert results.restore(bench, tmp_path) == 6
    assert {each["settings"]["kind"]: units.key(each["settings"]) for each in bench.store} == before
    assert bench.store.get(bench.run("ring", "energy", "cpu", 100))
    kept = json.loads((tmp_path / "losses_smoke.json").read_text())
    assert kept["data"]["ring"]["runs"]["energy"]["cpu"]["100"]["values"]["modes"] >= 0
    assert kept["versions"]["torch"]
