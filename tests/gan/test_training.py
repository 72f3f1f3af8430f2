"""The loop: hand-computed updates, bits that repeat, faults that stop, runs that go on."""

from __future__ import annotations

import copy
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from gan import _checkpoint, _optimizers, autoencoder, data, model, networks, regularizers
from gan._random import Batches, mixed, seeded
from gan.recipes import Recipe
from gan.training import TrainingFault, framed, train

ROOT = Path(__file__).resolve().parent.parent.parent


class Relativistic:
    """Relativistic pairing, small enough to be seen through."""

    needs_critic, fake_batches, critic_steps, regularizer = True, 1, 1, "r1r2(0.1)"

    def critic_loss(self, critic, real, fake):
        return softplus(critic(fake) - critic(real)).mean()

    def generator_loss(self, critic, real, fake):
        return softplus(critic(real) - critic(fake)).mean()

    def estimate(self, critic, real, fake):
        return math.log(2) - self.critic_loss(critic, real, fake)


class Bilinear(Relativistic):
    """D(x) = ψx against data at 0: the Wasserstein form of the Dirac-GAN."""

    def critic_loss(self, critic, real, fake):
        return critic(fake).mean() - critic(real).mean()

    def generator_loss(self, critic, real, fake):
        return -critic(fake).mean()

    def estimate(self, critic, real, fake):
        return critic(real).mean() - critic(fake).mean()


class MeanMatching:
    """Critic-free: squared distance of the means."""

    needs_critic, fake_batches, critic_steps, regularizer = False, 1, 1, None

    def generator_loss(self, critic, real, fake):
        assert critic is None
        return (real.mean(0) - fake.mean(0)).square().sum()

    def estimate(self, critic, real, fake):
        return self.generator_loss(critic, real, fake)


RING = data.load("ring(n=600)")
SMALL = Recipe(
    data="ring(n=600)", generator="mlp(16, batch_norm=True)", critic="mlp(16)", batch=32, iterations=60,
    regularizer="r1r2(0.1, final=0.01, every=2) + lecam(0.1)", schedule="cosine(final=0.1)",
)  # fmt: skip


def run(recipe=SMALL, objective=None, **options):
    settings = {"dataset": RING, "measure": None, "log_every": 10, "accelerator": "cpu", "tensorboard": False}
    return train(recipe, objective=objective or Relativistic(), **{**settings, **options})


def weights(network):
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def same_bits(one, other):
    pairs = [(one.generator, other.generator), (one.raw, other.raw), (one.critic, other.critic)]
    return all(torch.equal(weights(a), weights(b)) for a, b in pairs)


def curve(found):
    return [{k: v for k, v in line.items() if k != "seconds"} for line in found.history]


# ── the updates, by hand ────────────────────────────────────────────────────────────────────


class Point(nn.Module):
    """A generator with one weight: every sample is θ. A critic with one weight: D(x) = ψx."""

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor([[value]]))


class Dirac(Point):
    def forward(self, z):
        return self.value.expand(len(z), 1)


class Slope(Point):
    def forward(self, x):
        return x @ self.value


ORIGIN = data.Dataset("origin", *(np.zeros((20, 1), np.float32) for _ in range(3)))
THETA, PSI, LR = 1.0, 0.5, 0.1


def alternating(theta, psi):
    psi = psi - LR * theta
    return theta + LR * psi, psi


def simultaneous(theta, psi):
    return theta + LR * psi, psi - LR * theta


def extragradient(theta, psi):
    ahead = simultaneous(theta, psi)
    return theta + LR * ahead[1], psi - LR * ahead[0]


@pytest.mark.parametrize("rule", [alternating, simultaneous, extragradient])
def test_update_rules_on_the_dirac_gan(rule):
    sgd = f"sgd(lr={LR})"
    recipe = Recipe(
        update=rule.__name__, iterations=7, batch=4, latent=1, scaling="none", regularizer="none",
        generator_optimizer=sgd, critic_optimizer=sgd, ema=0,
    )  # fmt: skip
    found = run(recipe, Bilinear(), dataset=ORIGIN, generator=Dirac(THETA), critic=Slope(PSI))
    theta, psi = THETA, PSI
    for _ in range(7):
        theta, psi = rule(theta, psi)
    assert found.raw.value.item() == pytest.approx(theta, rel=1e-5)
    assert found.critic.value.item() == pytest.approx(psi, rel=1e-5)
    radius = math.hypot(theta, psi) / math.hypot(THETA, PSI)
    if rule is simultaneous:
        assert radius > 1.03, "simultaneous descent spirals outwards"
    if rule is extragradient:
        assert radius < 0.97, "extragradient spirals inwards"


def test_k_critic_steps_come_before_each_generator_step():
    calls = []

    class Watched(Relativistic):
        def critic_loss(self, critic, real, fake):
            calls.append("d")
            assert not fake.requires_grad
            return super().critic_loss(critic, real, fake)

        def generator_loss(self, critic, real, fake):
            calls.append("g")
            assert fake.requires_grad
            assert not any(weight.requires_grad for weight in critic.parameters()), "the critic stands still"
            return super().generator_loss(critic, real, fake)

        def estimate(self, critic, real, fake):
            return torch.zeros(())

    recipe = SMALL.but(iterations=4, critic_steps="3 until 2, then 1")
    found = run(recipe, Watched())
    assert "".join(calls) == "dddg" * 2 + "dg" * 2
    assert all(weight.requires_grad for weight in found.critic.parameters())


@pytest.mark.parametrize("steps", [1, 3])
def test_the_loop_does_what_a_plain_loop_does(steps):
    """The same networks, samples and noise in plain PyTorch, step by step."""
    recipe = SMALL.but(
        generator="mlp(8)", iterations=5, critic_steps=steps, regularizer="none", schedule="constant", ema=0.9
    )
    with seeded(torch.device("cpu"), 7):
        generator = networks.generator("mlp(8)", 2, networks.Space(2))
        critic = networks.critic("mlp(8)", networks.Space(2))
    plain_g, plain_d, average = (copy.deepcopy(network) for network in (generator, critic, generator))
    found = run(recipe, generator=generator, critic=critic)
    optimizers = [torch.optim.Adam(n.parameters(), lr=1e-3, betas=(0.5, 0.9)) for n in (plain_g, plain_d)]
    rows = torch.from_numpy(((RING.train - found.frame.shift) / found.frame.scale).astype(np.float32))
    batches, drawn = Batches(rows, 32, recipe.seed), 0
    for t in range(5):
        torch.manual_seed(mixed(recipe.seed, 0, t))
        for _ in range(steps):
            real, drawn = batches(drawn), drawn + 1
            fake = plain_g(torch.randn(32, 2))
            loss = softplus(plain_d(fake.detach()) - plain_d(real)).mean()
            optimizers[1].zero_grad()
            loss.backward()
            optimizers[1].step()
        loss = softplus(plain_d(real) - plain_d(fake)).mean()
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        decay = min(0.9, (t + 1) / (t + 10))
        with torch.no_grad():
            for mean, now in zip(average.parameters(), plain_g.parameters(), strict=True):
                mean.copy_(decay * mean + (1 - decay) * now)
    for ours, plain in ((found.raw, plain_g), (found.critic, plain_d), (found.generator, average)):
        torch.testing.assert_close(weights(ours), weights(plain), rtol=1e-5, atol=1e-6)


def test_without_a_critic_the_generator_descends_the_metric():
    found = run(SMALL.but(iterations=300, generator="mlp(8)", schedule="constant"), MeanMatching())
    assert found.critic is None
    assert found.history[-1]["estimate"] < 0.1 * found.history[0]["estimate"]
    assert "critic_loss" not in found.history[0]


def test_a_packed_critic_judges_samples_side_by_side():
    class Watched(Relativistic):
        def critic_loss(self, critic, real, fake):
            assert real.shape == fake.shape == (8, 8)
            return super().critic_loss(critic, real, fake)

    found = run(SMALL.but(packing=4, iterations=3), Watched())
    assert found.critic(torch.zeros(2, 8)).shape == (2, 1)


def test_a_penalty_bounds_what_the_objective_names(monkeypatch):
    slopes = torch.tensor([3.0, 4.0])

    class Named(Relativistic):
        def witness(self, critic, real, fake):
            return lambda x: (x * slopes).sum(1)  # a slope of 5, whatever the critic

    seen = []

    class Watched(regularizers.GradientPenalty):
        def penalty(self, critic, real, fake, *, step, progress):
            seen.append((step, progress, self.term(critic, real, fake).item()))

    monkeypatch.setitem(regularizers.REGULARIZERS, "watched", Watched)
    run(SMALL.but(regularizer="watched", iterations=4, critic_steps=2), Named())
    assert [step for step, _, _ in seen] == list(range(8))
    assert [progress for _, progress, _ in seen[::2]] == [0, 0.25, 0.5, 0.75]
    assert [value for _, _, value in seen] == pytest.approx([16] * 8)


def test_an_objective_may_take_two_batches_of_fakes():
    class Paired(Relativistic):
        fake_batches = 2

        def critic_loss(self, critic, real, fake):
            first, second = fake
            assert not torch.equal(first, second)
            return super().critic_loss(critic, real, first) + super().critic_loss(critic, real, second)

        def generator_loss(self, critic, real, fake):
            return super().generator_loss(critic, real, fake[0])

    assert len(run(SMALL.but(iterations=20), Paired()).history) == 2


def test_rates_and_momenta_move_as_told():
    cosine = _optimizers.rate("cosine(final=0.01)", 100)
    assert [cosine(t) for t in (0, 50, 100)] == pytest.approx([1, 0.505, 0.01])
    assert _optimizers.rate("linear(final=0.5)", 10)(5) == pytest.approx(0.75)
    goodfellow = _optimizers.rate("exponential(rate=4e-6, floor=1e-5)", 10)
    assert goodfellow(1000) == pytest.approx(1.000004**-1000)
    assert goodfellow(10**8) == 1e-5
    rising = _optimizers.momentum("0.5 to 0.7 in 100")
    assert [rising(t) for t in (0, 50, 100, 200)] == pytest.approx([0.5, 0.6, 0.7, 0.7])
    wgan = _optimizers.critic_steps("100 until 25, then 5")
    assert [wgan(t) for t in (0, 24, 25, 10**6)] == [100, 100, 5, 5]
    found = run(SMALL.but(iterations=20))
    assert [line["rate"] for line in found.history] == pytest.approx(
        [0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * t / 20)) for t in (9, 19)]
    )


def test_goodfellows_schedule_reaches_the_optimizer():
    recipe = SMALL.but(
        iterations=3, generator_optimizer="sgd(lr=0.1, momentum=0.5)", momentum="0.5 to 0.7 in 2",
        critic_optimizer="rmsprop(lr=1e-3)", schedule="exponential(rate=0.5)", regularizer="clip(0.05)",
    )  # fmt: skip
    seen = []

    class Watched(Relativistic):
        def generator_loss(self, critic, real, fake):
            seen.append(max(weight.abs().max().item() for weight in critic.parameters()))
            return super().generator_loss(critic, real, fake)

    run(recipe, Watched())
    assert max(seen) < 0.06, "clipped before the step: one step past the limit at most"


# ── randomness ──────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    torch.manual_seed(1)
    one = run()
    torch.manual_seed(2)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    other = run(measure="energy")  # measuring changes nothing that follows
    assert same_bits(one, other)
    assert torch.equal(state, torch.get_rng_state()), "the caller's generator goes on as it was"
    assert torch.get_num_threads() == threads
    assert not same_bits(one, run(SMALL.but(seed=1)))
    np.testing.assert_array_equal(one.sample(5, rng=3), other.sample(5, rng=3))


def test_batches_are_shuffled_epochs_shared_between_processes():
    rows = torch.arange(10.0)[:, None]
    whole = Batches(rows, 4, seed=3)
    first, second, third = (whole(k).flatten().tolist() for k in range(3))
    assert len({*first, *second}) == 8, "an epoch repeats nothing"
    assert third != first
    assert Batches(rows, 4, seed=3)(2).flatten().tolist() == third, "any batch can be had without the earlier"
    halves = [Batches(rows, 4, seed=3, rank=rank, world=2)(0).flatten().tolist() for rank in (0, 1)]
    assert halves[0] + halves[1] == first
    with pytest.raises(ValueError, match="batch must be at most the 10 training samples, got 11"):
        Batches(rows, 11, seed=0)
    with pytest.raises(ValueError, match="a multiple of the 3 processes, got 4"):
        Batches(rows, 4, seed=0, world=3)


# ── going on ────────────────────────────────────────────────────────────────────────────────


class Interrupting(Relativistic):
    """Stops as Ctrl-C does, at the generator step of one iteration."""

    def __init__(self, at):
        self.left = at

    def generator_loss(self, critic, real, fake):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().generator_loss(critic, real, fake)


@pytest.mark.parametrize("update", ["alternating", "extragradient"])
def test_a_resumed_run_has_the_bits_of_an_unbroken_one(tmp_path, update):
    recipe = SMALL.but(update=update, critic_steps="2 until 5, then 1", critic="mlp(16, dropout=0.2)")
    unbroken = run(recipe, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(recipe, Interrupting(37 if update == "alternating" else 2 * 37), out=tmp_path / "broken")
    assert _checkpoint.load(tmp_path / "broken" / "checkpoint.pt")["iteration"] == 30
    resumed = run(recipe, out=tmp_path / "broken", resume=True)
    assert same_bits(unbroken, resumed)
    assert curve(unbroken) == curve(resumed)
    lines = (tmp_path / "broken" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [10, 20, 30, 40, 50, 60]
    again = run(recipe, out=tmp_path / "broken", resume=True)
    assert same_bits(unbroken, again), "a run that is done stays as it is"


def test_a_run_goes_on_at_its_own_precision_only(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(objective=Interrupting(25), out=tmp_path, precision="64-true")
    with pytest.raises(ValueError, match=r"precision \('64-true' there, '32-true' now\)"):
        run(out=tmp_path, resume=True)
    run(out=tmp_path, resume=True, precision="64-true")


@pytest.mark.parametrize("every", [2, 3, 4])
def test_a_lazy_penalty_is_in_the_steps_that_extragradient_keeps(monkeypatch, every):
    """Looks ahead do not count: else a penalty at every second step would be in them alone."""
    asked = []
    penalty = regularizers.Regularizer.penalty

    def noted(self, *networks, **where):
        found = penalty(self, *networks, **where)
        asked.append(found is not None)
        return found

    monkeypatch.setattr(regularizers.Regularizer, "penalty", noted)
    recipe = SMALL.but(update="extragradient", regularizer=f"r1r2(0.2, every={every})", iterations=12)
    train(recipe.but(critic_steps=1), dataset=RING, measure=None, accelerator="cpu")
    ahead, kept = asked[::2], asked[1::2]
    assert kept == ahead == [step % every == 0 for step in range(12)]


def test_a_bfloat16_generator_is_averaged_in_float32():
    """Steps of a thousandth are lost in bfloat16: the average would stay where it began."""
    recipe = SMALL.but(objective="energy", regularizer="none", iterations=300, ema=0.995)
    found = train(recipe, dataset=RING, measure=None, accelerator="cpu", precision="bf16-true")
    pairs = [*zip(found.generator.parameters(), found.raw.parameters(), strict=True)]
    assert {average.dtype for average, _ in pairs} == {torch.float32}
    assert {now.dtype for _, now in pairs} == {torch.bfloat16}
    first = train(recipe.but(iterations=1), dataset=RING, measure=None, accelerator="cpu")
    began = [*first.raw.parameters()]
    moved, left = (
        sum(
            float((average - other.float()).detach().square().sum())
            for (average, _), other in zip(pairs, to, strict=True)
        )
        for to in (began, [now for _, now in pairs])
    )
    assert left < moved / 4
    assert np.isfinite(found.sample(10, rng=0)).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"generator": "mpl(8)"}, {"critic": "mpl(8)"}, {"generator_optimizer": "adamm"},
        {"critic_optimizer": "sgdd"}, {"schedule": "cosin"}, {"regularizer": "r3"}, {"critic_steps": "x"},
        {"momentum": "fast"}, {"batch": 100_000},
    ],
)  # fmt: skip
def test_a_slip_does_not_cost_the_fit_of_an_autoencoder(monkeypatch, changes):
    def fit(*values, **options):
        raise AssertionError("fitted")

    monkeypatch.setattr(autoencoder, "fit", fit)
    recipe = Recipe(data="digits", space="autoencoder(4)", scaling="none", iterations=2)
    with pytest.raises(AssertionError, match="fitted"):
        train(recipe, measure=None)
    with pytest.raises(ValueError):  # noqa: PT011 (each has its own message, tested where it is made)
        train(recipe.but(**changes), measure=None)


@pytest.mark.parametrize(("measure", "message"), [("nope", "nope"), ("precision_recall", "gives several")])
def test_what_cannot_be_watched_is_refused_before_the_run(tmp_path, measure, message):
    with pytest.raises(ValueError, match=message):
        train(SMALL, dataset=RING, measure=measure, out=tmp_path / "run", accelerator="cpu")
    assert not (tmp_path / "run").exists()


def test_a_random_measure_gives_the_same_curve_twice():
    recipe = SMALL.but(objective="energy", regularizer="none", iterations=20)
    first, second = (
        [line["sliced_wasserstein"] for line in train(
            recipe, dataset=RING, measure="sliced_wasserstein", log_every=10, accelerator="cpu"
        ).history if "sliced_wasserstein" in line]
        for _ in range(2)
    )  # fmt: skip
    assert first == second
    assert len(first) == 2


@pytest.mark.parametrize("generator", ["mlp(8, output=sigmoid)", "mlp(8, output=tanh)", "conv", "goodfellow"])
def test_a_generator_that_cannot_make_the_data_is_refused(generator):
    recipe = Recipe(data="digits", generator=generator, iterations=1)
    with pytest.raises(
        ValueError, match=r"% of the data with scaling='unit' lie outside; take output=linear"
    ):
        train(recipe, measure=None)
    if "tanh" not in generator:
        train(recipe.but(scaling="none"), measure=None)
    train(recipe.but(generator="mlp(8, activation=tanh)"), measure=None)


def test_a_run_of_networks_of_its_own_is_loaded_with_such_again(tmp_path):
    def own():
        return nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 2)), nn.Linear(2, 1)

    generator, critic = own()
    run(SMALL.but(iterations=10), out=tmp_path, generator=generator, critic=critic)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(ValueError, match=r"its generator is not the recipe's.*gan.load\(path, generator="):
        model.load(path)
    generator, critic = own()
    found = model.load(path, generator=generator, critic=critic)
    assert found.sample(np.int64(5), rng=0).shape == (5, 2)
    with pytest.raises(ValueError, match="its critic is not"):
        model.load(path, generator=generator)


@pytest.mark.parametrize("update", ["simultaneous", "extragradient"])
def test_every_update_trains_without_a_critic(update):
    recipe = SMALL.but(update=update, objective="energy", regularizer="none", iterations=200)
    found = train(recipe, dataset=RING, measure=None, log_every=10, accelerator="cpu")
    assert found.critic is None
    assert found.history[-1]["generator_loss"] < found.history[0]["generator_loss"]


def test_a_log_that_ran_ahead_of_the_checkpoint_is_cut_back(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        run(objective=Interrupting(25), out=tmp_path)
    older = checkpoint.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        run(objective=Interrupting(25), out=tmp_path, resume=True)
    checkpoint.write_bytes(older)  # as when a kill comes between two checkpoints
    found = run(out=tmp_path, resume=True)
    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == found.history
    assert [line["iteration"] for line in found.history] == [10, 20, 30, 40, 50, 60]


KILLED = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
import test_training as t
t.run(t.SMALL.but(iterations=100_000), out={out!r}, checkpoint_seconds=0.0)
"""


def test_kill_9_in_mid_training(tmp_path):
    out = tmp_path / "run"
    code = KILLED.format(root=str(ROOT), tests=str(Path(__file__).parent), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if (out / "log.jsonl").exists() and len((out / "log.jsonl").read_bytes().splitlines()) > 20:
                break
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.wait()
    kept = _checkpoint.load(out / "checkpoint.pt")
    stop = kept["iteration"] + 30
    # the rates depend on the length of the run: the same length, cut short by an interruption
    recipe = SMALL.but(iterations=100_000)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, Interrupting(stop - kept["iteration"] + 1), out=out, resume=True)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, Interrupting(stop + 1), out=tmp_path / "whole")
    killed, whole = (_checkpoint.load(folder / "checkpoint.pt") for folder in (out, tmp_path / "whole"))
    assert killed["iteration"] == whole["iteration"] == stop
    for name in ("generator", "average", "critic"):
        for key, value in whole[name].items():
            assert torch.equal(killed[name][key], value), (name, key)
    seconds = {"seconds"}
    assert [{k: v for k, v in line.items() if k not in seconds} for line in killed["history"]] == [
        {k: v for k, v in line.items() if k not in seconds} for line in whole["history"]
    ]


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    run(SMALL.but(iterations=10), out=tmp_path)
    with pytest.raises(ValueError, match="holds a run already; go on with it"):
        run(SMALL.but(iterations=10), out=tmp_path)
    with pytest.raises(ValueError, match="holds a run of another recipe: batch .32 there, 16 now."):
        run(SMALL.but(iterations=10, batch=16), out=tmp_path, resume=True)
    with pytest.raises(ValueError, match="resume=True needs out"):
        run(resume=True)


def test_checkpoints_that_are_none(tmp_path):
    with pytest.raises(ValueError, match="no such checkpoint"):
        model.load(tmp_path / "missing.pt")
    (tmp_path / "bad.pt").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="is damaged, or no checkpoint of gan train"):
        model.load(tmp_path / "bad.pt")
    torch.save({"format": 99}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="no checkpoint of this version .format 1, got 99."):
        model.load(tmp_path / "other.pt")


def test_a_loaded_model_draws_the_same_samples(tmp_path):
    found = run(SMALL.but(regularizer="spectral-norm", packing=2), out=tmp_path)
    loaded = model.load(tmp_path / "checkpoint.pt")
    np.testing.assert_array_equal(found.sample(50, rng=1), loaded.sample(50, rng=1))
    np.testing.assert_array_equal(
        found.sample(50, rng=1, average=False), loaded.sample(50, rng=1, average=False)
    )
    assert loaded.history == found.history
    packs = torch.randn(3, 4)  # of two points each
    found.critic.eval()
    torch.testing.assert_close(loaded.critic(packs), found.critic(packs))
    with pytest.raises(ValueError, match="n must be a whole number of samples"):
        loaded.sample(0)


# ── faults ──────────────────────────────────────────────────────────────────────────────────


class Breaking(Relativistic):
    def __init__(self, at, factor):
        self.left, self.factor = at, factor

    def generator_loss(self, critic, real, fake):
        self.left -= 1
        loss = super().generator_loss(critic, real, fake)
        return loss * self.factor if self.left < 0 else loss


@pytest.mark.parametrize(
    ("factor", "told"), [(math.nan, "loss is nan"), (math.inf, "loss is inf"), (1e12, "gradient has norm")]
)
def test_a_fault_stops_with_a_message_and_a_checkpoint_from_before(tmp_path, factor, told):
    with pytest.raises(TrainingFault, match=r"iteration 25: the generator's loss is .*; stopped") as caught:
        run(objective=Breaking(25, factor), out=tmp_path)
    fault = caught.value
    assert told in str(fault)
    assert fault.iteration == 25
    assert fault.checkpoint == tmp_path / "before-fault.pt"
    before = model.load(fault.checkpoint)
    assert before.iteration == 20
    good = run(SMALL.but(iterations=60), Interrupting(10**9))  # the same run without the fault
    assert np.isfinite(before.sample(20, rng=0)).all()
    np.testing.assert_array_equal(fault.model.sample(20, rng=0), before.sample(20, rng=0))
    assert curve(good)[:2] == [{k: v for k, v in line.items() if k != "seconds"} for line in before.history]


def test_a_loss_that_is_nan_without_a_gradient_is_found():
    class Silent(Relativistic):
        def critic_loss(self, critic, real, fake):
            return super().critic_loss(critic, real, fake) + math.nan

    with pytest.raises(TrainingFault, match="iteration 0: the critic's loss is nan"):
        run(objective=Silent())


# ── log, precision, processes, spaces ───────────────────────────────────────────────────────


def test_the_log_measures_held_out_data_and_feeds_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    found = run(SMALL.but(iterations=200), out=tmp_path, measure="energy", tensorboard=True)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == found.history
    assert sum("energy" in line for line in lines) == 20
    assert {"iteration", "seconds", "rate", "critic_loss", "generator_loss", "estimate"} <= set(lines[0])
    assert any((tmp_path / "tensorboard").iterdir())


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_precisions(precision):
    found = run(SMALL.but(iterations=20), precision=precision)
    wanted = torch.float64 if precision == "64-true" else torch.float32
    assert {weight.dtype for weight in found.raw.parameters()} == {wanted}
    assert np.isfinite(found.sample(10, rng=0)).all()
    with pytest.raises(ValueError, match="precision must be one of 32-true"):
        run(precision="16-mixed")


TWO = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
sys.path[:0] = [{root!r}, {tests!r}]
import torch
import test_training as t
recipe = t.SMALL.but(generator="mlp(16)", regularizer="r1r2(0.1, every=2)", iterations=20)
found = t.run(recipe, out={out!r}, accelerator="auto")
total = t.weights(found.raw).sum().item(), t.weights(found.critic).sum().item()
total += t.two_points(accelerator="auto")
rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
with open(os.path.join({out!r}, f"rank{{rank}}.json"), "w") as file:
    json.dump([world, *total], file)
# a process that leaves while another still listens to it can abort it
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


def two_points(**options):
    """θ and ψ after a few steps without noise: the gradients of half batches average to that of the whole."""
    rows = np.linspace(-1, 3, 40, dtype=np.float32)[:, None]
    recipe = Recipe(
        iterations=9, batch=8, latent=1, scaling="none", regularizer="none", critic_steps=2,
        generator_optimizer="sgd(lr=0.1)", critic_optimizer="sgd(lr=0.1)",
    )  # fmt: skip
    found = run(
        recipe, Bilinear(), dataset=data.Dataset("line", rows, rows, rows),
        generator=Dirac(THETA), critic=Slope(PSI), **options,
    )  # fmt: skip
    return found.raw.value.item(), found.critic.value.item()


def test_two_processes_train_one_model(tmp_path):
    script, out = tmp_path / "two.py", tmp_path / "out"
    script.write_text(
        TWO.format(root=str(ROOT), tests=str(Path(__file__).parent), out=str(out)), encoding="utf-8"
    )
    command = [sys.executable, "-m", "lightning_fabric.cli", "--accelerator=cpu", "--devices=2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    one, other = (json.loads((out / f"rank{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1))
    assert one[0] == 2
    assert one == other, "both processes hold the same weights"
    assert one[3:] == pytest.approx(two_points(), rel=1e-5), "and do what one process does"
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [10, 20], "one process writes"


def test_an_autoencoder_standardises_its_codes():
    digits = data.load("digits")
    rows = torch.from_numpy(digits.train)
    device = torch.device("cpu")
    text = "autoencoder(6, (32,), iterations=300, batch=64)"
    code = autoencoder.fit(text, rows, seed=0, device=device)
    codes = code.codes(rows)
    assert codes.shape == (1197, 6)
    torch.testing.assert_close(codes.mean(0), torch.zeros(6), atol=1e-4, rtol=0)
    torch.testing.assert_close(codes.std(0), torch.ones(6), atol=2e-3, rtol=0)
    error = (code.images(codes) - rows).square().sum(1).mean()
    assert error < 0.5 * (rows - rows.mean(0)).square().sum(1).mean(), "codes tell more than the mean image"
    again = autoencoder.fit(text, rows, seed=0, device=device)
    assert torch.equal(weights(code), weights(again))
    with pytest.raises(ValueError, match="takes images with pixels in .0, 1."):
        autoencoder.fit(text, rows * 255, seed=0, device=device)


def test_training_in_code_space_gives_images(tmp_path):
    digits = data.load("digits")
    recipe = SMALL.but(space="autoencoder(6, (32,), iterations=100)", generator="mlp(16)", data="digits")
    found = run(recipe, dataset=digits, out=tmp_path, measure="energy")
    samples = found.sample(20, rng=0)
    assert samples.shape == (20, 64)
    assert 0 <= samples.min() < samples.max() <= 1
    np.testing.assert_array_equal(samples, model.load(tmp_path / "checkpoint.pt").sample(20, rng=0))
    assert found.critic(torch.zeros(3, 6)).shape == (3, 1), "the critic judges codes"


def test_scaling_is_undone_on_the_way_out():
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(300, 2)) * [1.0, 50.0] + [100.0, -7.0]).astype(np.float32)
    shifted = data.Dataset("shifted", rows, rows[:50], rows[:50])
    for scaling, spread in (("unit", None), ("feature", 1.0), ("none", None)):
        frame = model.Frame.of(shifted, scaling)
        inside = frame.inside(rows)
        np.testing.assert_allclose(frame.outside(inside), rows, rtol=1e-4, atol=1e-3)
        if scaling != "none":
            assert abs(inside.mean(0)).max() < 1e-4
            assert inside.square().mean().item() == pytest.approx(1, rel=1e-3)
        if spread:
            torch.testing.assert_close(inside.std(0, unbiased=False), torch.ones(2), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bach": 3}, "a recipe has no field 'bach'; did you mean 'batch'?"),
        ({"batch": 0}, "batch must be a whole number, at least 1; got 0"),
        ({"update": "sequential"}, "update must be one of alternating, simultaneous, extragradient"),
        ({"ema": 1.0}, "ema must be a decay in [0, 1), got 1.0"),
        ({"ema": "abc"}, "ema must be a number, got 'abc'"),
        ({"momentum": "0.5 to 0.7 in 10"}, "moves that of sgd"),
        (
            {"momentum": "0.5 to 0.7 in 10", "generator_optimizer": "rmsprop", "critic_optimizer": "rmsprop"},
            "moves that of sgd",
        ),
        ({"momentum": 0.5}, "momentum is named by a text, got 0.5"),
        ({"regularizer": 0}, "regularizer is named by a text, got 0; 'none' stands for none"),
        ({"schedule": "linear(final=-1)"}, "final must be a finite number of at least 0, got -1"),
        ({"schedule": "cosine(final=x)"}, "final must be a finite number of at least 0, got 'x'"),
        ({"packing": 3}, "batch must be a multiple of packing"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean 'cosine'?"),
        ({"momentum": "0.5"}, "momentum must read like"),
        ({"critic_steps": 0}, "critic_steps must be a number of at least 1 or read like"),
        ({"critic_steps": "5 until 3"}, "critic_steps must be a number of at least 1 or read like"),
        ({"generator_optimizer": "adamw"}, "unknown optimizer 'adamw'; did you mean 'adam'?"),
        ({"batch": 601}, "batch must be at most the 600 training samples"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the message follows
        run(SMALL.but(**changes))
    assert message in str(caught.value)


def test_a_frame_fitted_before_gives_the_same_run():
    recipe = Recipe(
        space="autoencoder(3, hidden=(16,), iterations=20)",
        generator="mlp(8)",
        critic="mlp(8)",
        iterations=6,
        batch=32,
    )
    dataset = data.load("digits")
    frame = framed(recipe, dataset)
    shared = train(recipe, dataset=dataset, frame=frame, measure=None, accelerator="cpu")
    alone = train(recipe, dataset=dataset, measure=None, accelerator="cpu")
    np.testing.assert_array_equal(shared.sample(20, rng=0), alone.sample(20, rng=0))


def test_watching_sees_every_record_and_changes_nothing():
    seen = []

    def watch(model):
        torch.rand(7)  # reading random numbers in between is allowed
        seen.append((model.iteration, model.sample(3, rng=0, average=False)))

    watched = train(SMALL, dataset=RING, measure=None, log_every=5, watch=watch, accelerator="cpu")
    plain = train(SMALL, dataset=RING, measure=None, log_every=5, accelerator="cpu")
    assert [at for at, _ in seen] == [0, *(line["iteration"] for line in plain.history)]
    np.testing.assert_array_equal(watched.sample(20, rng=0), plain.sample(20, rng=0))
    np.testing.assert_array_equal(seen[-1][1], plain.sample(3, rng=0, average=False))
    assert not np.array_equal(seen[0][1], seen[-1][1])
