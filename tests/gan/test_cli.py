"""``gan train``: what it writes, how it goes on, what it refuses in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gan import _checkpoint, cli, data, model, recipes
from gan.recipes import RECIPES

ROOT = Path(__file__).resolve().parent.parent.parent
QUICK = ["--iterations", "20", "-q", "-s", "batch=16", "-s", "generator=mlp(8)", "-s", "critic=mlp(8)"]


@pytest.fixture
def points(tmp_path):
    """A file of the user's own: small, so that the report takes no time."""
    rows = np.random.default_rng(0).normal(size=(120, 2)).astype(np.float32)
    np.save(tmp_path / "mine.npy", rows)
    return str(tmp_path / "mine.npy")


def gan(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main([*map(str, arguments)])
    return left.value.code


def test_a_run_leaves_samples_curves_and_a_page(points, tmp_path, capsys):
    out = tmp_path / "out"
    assert gan("train", "--data", points, "--out", out, *QUICK, "--seed", 3) == 0
    assert {path.name for path in out.iterdir()} >= {
        "checkpoint.pt", "log.jsonl", "samples.npy", "samples.png", "samples.svg", "curves.png", "curves.svg",
        "recipe.json", "report.json", "report.html",
    }  # fmt: skip
    samples = np.load(out / "samples.npy")
    assert samples.shape == (10_000, 2)
    found = model.load(out / "checkpoint.pt")
    np.testing.assert_array_equal(samples, found.sample(10_000, rng=[3, 1]))
    recipe = json.loads((out / "recipe.json").read_text(encoding="utf-8"))
    assert (recipe["seed"], recipe["iterations"], recipe["critic"]) == (3, 20, "mlp(8)")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Training curves" in page
    assert "<script" not in page
    assert page.count("<figure>") >= 4
    assert (out / "samples.png").read_bytes()[:4] == b"\x89PNG"
    shown = capsys.readouterr()
    assert "energy" in shown.out
    assert shown.err == ""


def test_a_finished_run_can_be_asked_for_its_report_again(points, tmp_path):
    out = tmp_path / "out"
    assert gan("train", "--data", points, "--out", out, *QUICK) == 0
    first = (out / "samples.npy").read_bytes()
    (out / "report.html").unlink()
    assert gan("train", "--resume", "--out", out, "-q") == 0
    assert (out / "report.html").exists()
    assert (out / "samples.npy").read_bytes() == first


def test_a_resumed_log_goes_on_with_its_measure(points, tmp_path):
    out = tmp_path / "out"
    assert gan("train", "--data", points, "--out", out, *QUICK, "--measure", "cramer") == 0
    state = _checkpoint.load(out / "checkpoint.pt")
    state["recipe"]["iterations"] = 40
    _checkpoint.save(out / "checkpoint.pt", {k: v for k, v in state.items() if k != "format"})
    assert gan("train", "--resume", "--out", out, "-q") == 0
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[-1]["iteration"] == 40
    assert all("cramer" in line and "energy" not in line for line in (lines[0], lines[-1]))


def test_a_run_stopped_before_its_first_record_can_be_judged(points, tmp_path):
    out = tmp_path / "out"
    assert gan("train", "--data", points, "--out", out, *QUICK) == 0
    state = _checkpoint.load(out / "checkpoint.pt")
    _checkpoint.save(
        out / "checkpoint.pt", {**{k: v for k, v in state.items() if k != "format"}, "history": []}
    )
    assert gan("evaluate", out) == 0
    assert (out / "evaluation.html").exists()


def test_images_are_drawn_as_images(tmp_path):
    out = tmp_path / "out"
    changes = ["-s", "generator=mlp(16, output=sigmoid)"]
    assert gan("train", "--out", out, *QUICK, *changes, "--measure", "none") == 0
    assert model.load(out / "checkpoint.pt").recipe.data == "digits"
    assert "Two grids of images" in (out / "report.html").read_text(encoding="utf-8")


CRITIC_FREE = ("energy", "squared_mmd", "sliced_wasserstein")
ADVERSARIAL = (
    "minimax", "non-saturating", "lsgan", "hinge", "wgan", "wgan-gp", "cramer-gan", "mmd-gan", "relativistic",
    "f-gan(divergence='kl')",
)  # fmt: skip


@pytest.mark.parametrize("objective", [*ADVERSARIAL, *CRITIC_FREE])
def test_every_kind_of_objective_trains(objective, points):
    from gan.training import train

    base = RECIPES["points"].but(data=points, iterations=12, batch=32, generator="mlp(8)", critic="mlp(8)")
    recipe = recipes.with_objective(base, objective).but(critic_steps=2)
    found = train(recipe, measure=None, accelerator="cpu", log_every=6)
    assert [line["iteration"] for line in found.history] == [6, 12]
    assert np.isfinite(found.sample(10, rng=0)).all()
    assert (found.critic is None) == (objective in CRITIC_FREE)


def test_an_objective_brings_its_published_companions():
    ring = RECIPES["ring"]
    assert recipes.with_objective(ring, "relativistic") == ring
    wgan = recipes.with_objective(ring, "wgan")
    assert (wgan.regularizer, wgan.critic_steps) == (None, None)
    hinge = recipes.with_objective(ring, "hinge")
    assert hinge.regularizer == ring.regularizer, "it names none: the recipe's stays"
    assert recipes.with_objective(ring, "energy").regularizer == "none"
    assert recipes.with_objective(ring, "cramer-gan").critic.endswith("outputs=16)")
    assert recipes.with_objective(ring.but(critic="goodfellow"), "mmd-gan").critic == "goodfellow(outputs=16)"
    assert recipes.with_objective(ring.but(critic="mlp()"), "mmd-gan").critic == "mlp(outputs=16)"


def test_data_choose_their_recipe(points, tmp_path):
    assert recipes.for_data("ring(sigma=0.1)") == RECIPES["ring"].but(data="ring(sigma=0.1)")
    assert recipes.for_data(points) == RECIPES["points"].but(data=points)
    assert recipes.for_data("lines") == RECIPES["points"].but(data="lines")
    np.save(tmp_path / "images.npy", np.zeros((20, 28, 28), np.uint8))
    assert recipes.for_data(str(tmp_path / "images.npy")).generator.startswith("conv")
    assert recipes.named("grid") is RECIPES["grid"]


def test_every_recipe_can_be_built(shared_data):
    """Networks, regularizers, optimisers and objectives of each are known; its data are where it says."""
    from gan import _optimizers, networks, objectives, regularizers

    paths = {"mnist": "mnist", "fashion": "fashion", "cifar10": "cifar10/cifar10_lossless_subset4000.npz"}
    for name, recipe in RECIPES.items():
        text = recipe.data
        found = data.load(f"{text}('{shared_data / paths[text]}')" if text in paths else text)
        space = networks.Space(found.d, found.image_shape) if recipe.space == "data" else networks.Space(8)
        made = networks.generator(recipe.generator, recipe.latent, space)
        networks.critic(recipe.critic, space)
        objectives.parse(recipe.objective)
        regularizers.parse(recipe.regularizer)
        _optimizers.optimizer(recipe.generator_optimizer, made.parameters())
        _optimizers.rate(recipe.schedule, recipe.iterations)
        _optimizers.momentum(recipe.momentum)
        assert recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe, name


def test_a_fault_is_one_line_and_exit_code_1(points, tmp_path, capsys):
    out = tmp_path / "out"
    assert gan("train", "--data", points, "--out", out, *QUICK, "-s", "gradient_limit=1e-9") == 1
    told = capsys.readouterr().err
    assert told.startswith("gan: iteration 0: the critic's loss is")
    assert told.count("\n") == 1
    assert (out / "before-fault.pt").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "rong"], "unknown data set 'rong'; did you mean 'ring'?"),
        (["--data", "mnist"], "mnist is read from files you have"),
        (["--objective", "wgan_pg"], "unknown objective"),
        (["--recipe", "rnig"], "unknown recipe 'rnig'; did you mean 'ring'?"),
        (["-s", "bacth=3"], "a recipe has no field 'bacth'; did you mean 'batch'?"),
        (["-s", "batch"], "--set takes FIELD=VALUE"),
        (["--iterations", "0"], "iterations must be a whole number, at least 1; got 0"),
        (["--precision", "16"], "precision must be one of"),
        (["--resume"], "--resume needs --out"),
        (["--resume", "--out", "nowhere"], "no such checkpoint"),
        (["--resume", "--out", "nowhere", "--data", "grid"], "leave --data out"),
        (["--objectiv", "wgan"], "No such option"),
    ],
)
def test_refusals_are_one_line_and_exit_code_2(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert gan("train", "-q", *arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def trained(points, out, **changes):
    """A folder with a checkpoint, without the page that ``gan train`` writes."""
    from gan.training import train

    base = recipes.for_data(points).but(iterations=5, batch=16, generator="mlp(8)", critic="mlp(8)")
    return train(base.but(**changes), out=out, measure=None, accelerator="cpu")


def test_evaluate_judges_a_checkpoint_on_held_out_data(points, tmp_path, capsys):
    out = tmp_path / "out"
    trained(points, out, seed=3)
    assert gan("evaluate", out, "--samples", 200, "--seed", 9, "-q") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for part in (
        "energy",
        "Parzen log-likelihood",
        "96 training rows",
        "Nearest training rows",
        "evaluation.html",
    ):
        assert part in shown.out
    kept = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert (kept["seed"], kept["samples"], kept["modes"], kept["left_out"]) == (9, 200, None, {})
    page = (out / "evaluation.html").read_text(encoding="utf-8")
    assert "Ways through the latent space" in page
    assert "<script" not in page
    # held out by the run's own seed, whatever the evaluation's
    found = model.load(out / "checkpoint.pt")
    from gan import evaluation

    by_hand = evaluation.evaluate(found, data.load(points, seed=3), samples=200, seed=9, parts=["parzen"])
    assert kept["parzen"][0]["value"] == by_hand.parzen[0].value


def test_evaluate_prints_json_and_tells_what_does_not_apply(points, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained(points, "run")
    where = ["run/checkpoint.pt", "--out", "elsewhere", "--data", points]
    assert gan("evaluate", *where, "--json", "-p", "modes", "-p", "neighbors", "-q") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "elsewhere" / "evaluation.json").read_text(encoding="utf-8"))
    assert told["left_out"] == {"modes": "the modes of mine are not known"}
    assert (told["measures"], told["parzen"]) == (None, None)


def test_evaluate_has_the_ceiling_of_a_code_space(tmp_path, capsys):
    trained("digits", tmp_path, space="autoencoder(3, hidden=(16,), iterations=10)")
    assert gan("evaluate", tmp_path, "--samples", 300, "-p", "parzen", "-p", "interpolation", "-q") == 0
    told = capsys.readouterr().out
    assert [
        told.index(name) for name in ("300 training rows", "300 reconstructions", "239 k-means centroids")
    ]
    assert "<figure>" in (tmp_path / "evaluation.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such checkpoint"),
        (["."], "checkpoint.pt: no such checkpoint"),
        (["run", "-p", "parsen"], "unknown part 'parsen'; did you mean 'parzen'?"),
        (["run", "--data", "lines(n=100)"], "data must have the 1 features"),
        (["run", "--samples", "0"], "n must be a whole number of samples"),
        (["run", "--seed", "-1"], "seed must be a whole number"),
        (["run", "--data", "rong"], "did you mean 'ring'?"),
    ],
)
def test_evaluate_refuses_in_one_line(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained("gaussian(n=100)", "run")
    before = sorted(tmp_path.rglob("*"))
    assert gan("evaluate", *arguments, "-q") == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_in_use_is_not_taken(points, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("gan-mine", "gan-mine-2"):
        assert gan("train", "--data", points, *QUICK) == 0
        assert (tmp_path / name / "report.html").exists()
    assert gan("train", "--data", points, "--out", "gan-mine", *QUICK) == 2


def test_help_and_import_need_no_torch():
    code = (
        "import sys; import gan, gan.cli, gan.recipes, gan.data\n"
        "assert not {'torch', 'lightning_fabric', 'matplotlib'} & set(sys.modules), 'loaded too early'\n"
        "sys.modules['torch'] = None\n"
        "import divergences.cli\n"
        "gan.cli.main(['--help'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "train" in done.stdout
    code = (
        "import sys; sys.modules['torch'] = None; import gan.cli; gan.cli.main(['train', '--data', 'ring'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'divergences[gan]'" in done.stderr


def test_the_commands_in_the_readme_have_their_options():
    import shlex

    import typer

    group = typer.main.get_command(cli.app)
    lines = [
        line
        for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("gan ")
    ]
    told = [shlex.split(line, comments=True)[1:] for line in lines]
    assert {"train", "evaluate", "compare"} <= {words[0] for words in told}
    for name, *words in told:
        known = {option for parameter in group.commands[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known
