"""Monitors of a generator in training: what they find, and that the training does not notice them."""

from __future__ import annotations

import copy
import random
import warnings

import numpy as np
import pytest
import torch

import divergences as dv
from divergences.integrations.training import Monitor, undisturbed


def generator():
    """With everything that a mode or a random number could change."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.3),
            torch.nn.Linear(8, 2),
        )  # fmt: skip


@pytest.fixture
def held_out():
    return torch.randn(80, 2, generator=torch.Generator().manual_seed(5)) + 1.0


def trained(steps, monitor=None):
    """Weights after a few steps of fitting the mean, and the draws that follow."""
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    net = generator()
    net[1].eval()  # a part that is frozen in its mode
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in range(1, steps + 1):
        noise = torch.randn(16, 3) * np.random.uniform(0.9, 1.1) * random.uniform(0.9, 1.1)  # noqa: NPY002
        loss = (net(noise).mean(0) - 1.0).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if monitor is not None:
            monitor(net, step)
    modes = [part.training for part in net.modules()]
    draws = torch.rand(1).item(), np.random.rand(), random.random()  # noqa: NPY002
    return net.state_dict(), draws, modes


def test_weights_are_the_same_bits_with_and_without(held_out):
    def disturbing(batch):
        """Features that draw from every global generator."""
        return batch + 0.1 * torch.rand(1) + np.random.rand() + random.random()  # noqa: NPY002

    monitor = Monitor(held_out, latent=3, every=2, metrics=["energy", "frechet"], features=disturbing)
    plain, with_monitor = trained(10), trained(10, monitor)
    assert [step for step, _ in monitor.history] == [2, 4, 6, 8, 10]
    assert plain[0].keys() == with_monitor[0].keys()
    for name, weight in plain[0].items():
        assert torch.equal(weight, with_monitor[0][name]), name
    assert plain[1:] == with_monitor[1:]


def test_the_value_is_that_of_evaluation_mode_and_fixed_noise(held_out):
    net = generator()
    monitor = Monitor(held_out, latent=3, samples=50, every=1, seed=7, batch_size=32)
    found = [monitor(net, step)["energy"].value for step in (1, 2)]
    assert found[0] == found[1], "the same noise each time: values differ by the weights alone"
    draws = torch.Generator().manual_seed(7)
    with torch.no_grad():
        fake = copy.deepcopy(net).eval()(torch.cat([torch.randn(n, 3, generator=draws) for n in (32, 18)]))
    assert found[0] == pytest.approx(float(dv.energy(held_out, fake)), rel=1e-6)
    other = Monitor(held_out, latent=3, samples=50, every=1, seed=8)(net, 1)
    assert other["energy"].value != found[0]
    assert (other.names, other.seed, other.m) == (("held out", "generated"), 8, 50)


def test_it_is_called_every_k_steps_and_tells_a_tracker(held_out):
    seen = []
    monitor = Monitor(
        held_out, latent=3, every=3, prefix="gan/", to=lambda numbers, step: seen.append((step, numbers))
    )
    assert [step for step in range(1, 8) if monitor(generator(), step) is not None] == [3, 6]
    assert [step for step, _ in seen] == [3, 6]
    assert seen[0][1] == {"gan/energy": monitor.history[0][1]["energy"].value}


def test_noise_of_ones_own_conditions_and_images(held_out):
    class Conditional(torch.nn.Module):
        def forward(self, noise, label):
            return (noise + label[:, None]).reshape(-1, 1, 1, 2)  # an image of one line

    def draw(number, draws):
        return torch.randn(number, 2, generator=draws), torch.randint(0, 2, (number,), generator=draws)

    report = Monitor(held_out.reshape(-1, 1, 1, 2), latent=draw, every=1)(Conditional(), 1)
    assert (report.n, report.m, report.d) == (80, 80, 2)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 1))
    by_features = Monitor(held_out.reshape(-1, 1, 1, 2), latent=draw, every=1, features=network)
    assert by_features(Conditional(), 1).d == 1
    assert network.training
    shaped = Monitor(held_out.reshape(-1, 1, 1, 2), latent=(1, 1, 2), every=1)
    assert shaped(torch.nn.Identity(), 1).d == 2


def test_the_generators_come_back_after_an_error():
    torch.manual_seed(3)
    state, legacy, plain = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    with pytest.raises(ZeroDivisionError), undisturbed(0):
        torch.rand(3).sum() / 0 * (1 / 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == legacy).all()  # noqa: NPY002
    assert random.getstate() == plain


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"latent": 0}, "latent must be"),
        ({"latent": 3, "every": 0}, "every must be"),
        ({"latent": 3, "samples": 0}, "samples must be"),
        ({"latent": 3, "seed": -1}, "seed must be"),
    ],
)
def test_bad_settings_are_refused_at_once(held_out, options, said):
    with pytest.raises(ValueError, match=said):
        Monitor(held_out, **options)


# ── Lightning ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def lightning():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        import pytorch_lightning
    return pytorch_lightning


def fitted(lightning, tmp_path, callbacks=(), epochs=2, resume=None):
    """The weights of a small module after a few batches, and its Trainer."""

    class Fit(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.generator = generator()

        def training_step(self, batch, number):
            noise = torch.randn(8, 3)
            return (self.generator(noise).mean(0) - batch[0].mean(0)).square().sum()

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=0.01)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers, and its dependencies'
        lightning.seed_everything(2, verbose=False)
        module = Fit()
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(24, 2)), batch_size=8)
        trainer = lightning.Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, devices=1,
            enable_progress_bar=False, enable_model_summary=False, callbacks=list(callbacks),
            default_root_dir=tmp_path,
        )  # fmt: skip
        trainer.fit(module, loader, ckpt_path=resume)
        after = torch.rand(1).item()
    return module.state_dict(), after, trainer


def test_lightning_measures_logs_and_does_not_notice(lightning, tmp_path, held_out):
    from divergences.integrations.lightning import EvaluateGenerator

    monitor = Monitor(held_out, latent=3, every=2, metrics=["energy", "frechet"], prefix="held_out/")
    plain = fitted(lightning, tmp_path)
    watched = fitted(lightning, tmp_path, [EvaluateGenerator(monitor)])
    assert [step for step, _ in monitor.history] == [2, 4, 6]
    for name, weight in plain[0].items():
        assert torch.equal(weight, watched[0][name]), name
    assert plain[1] == watched[1]
    last = monitor.history[-1][1]
    logged = watched[2].callback_metrics
    assert float(logged["held_out/energy"]) == pytest.approx(last["energy"].value, rel=1e-6)
    assert float(logged["held_out/frechet"]) == pytest.approx(last["frechet"].value, rel=1e-6)


def test_lightning_by_epochs_with_early_stopping_and_a_checkpoint(lightning, tmp_path, held_out):
    from divergences.integrations.lightning import EvaluateGenerator

    monitor = Monitor(held_out, latent=3, every=1)
    evaluation = EvaluateGenerator(monitor, generator=lambda module: module.generator, at_epoch_end=True)
    stop = lightning.callbacks.EarlyStopping("energy", stopping_threshold=1e9, check_on_train_epoch_end=True)
    _, _, trainer = fitted(lightning, tmp_path, [evaluation, stop], epochs=5)
    assert trainer.current_epoch == 1, "stopped after the first value below the threshold"
    assert [step for step, _ in monitor.history] == [1]
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    again = Monitor(held_out, latent=3, every=1)
    goes_on = EvaluateGenerator(again, generator=lambda module: module.generator, at_epoch_end=True)
    fitted(lightning, tmp_path, [goes_on], epochs=3, resume=tmp_path / "one.ckpt")
    assert [step for step, _ in again.history] == [2, 3]


def test_as_many_samples_as_the_reference_has_rows_whatever_holds_it():
    rows = torch.randn(512, 2)
    loader = torch.utils.data.DataLoader(rows, batch_size=128)
    monitor = Monitor(loader, latent=2, features=lambda batch: batch, every=1)
    assert monitor(torch.nn.Linear(2, 2), 1).m == 512
    assert monitor.history[0][1].n == 512


def test_a_slip_in_a_metric_does_not_wait_for_the_first_measurement():
    with pytest.raises(ValueError, match="enrgy"):
        Monitor(torch.zeros(50, 2), latent=2, metrics="enrgy")
    with pytest.raises(ValueError, match="enrgy"):
        Monitor(torch.zeros(50, 2), latent=2, metrics=["energy", "enrgy"])


def test_generators_and_references_in_half_precision():
    rows, plain = torch.randn(50, 2), torch.nn.Linear(2, 2)
    whole = Monitor(rows, latent=2, every=1)(plain, 1).rows[0].value
    for reference in (rows, rows.bfloat16()):
        found = Monitor(reference, latent=2, every=1)(copy.deepcopy(plain).bfloat16(), 1)
        assert found.rows[0].value == pytest.approx(whole, rel=0.2)
        with torch.autocast("cpu", torch.bfloat16):
            found = Monitor(reference, latent=2, every=1)(plain, 1)
        assert found.rows[0].value == pytest.approx(whole, rel=0.2)
