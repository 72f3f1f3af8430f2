"""Reports to trackers: TensorBoard's and MLflow's files are read back; W&B offline where it is installed."""

from __future__ import annotations

import json
import math
import sys
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import divergences as dv
from divergences.integrations import log, scalars


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(0)
    return dv.evaluate(
        rng.normal(size=(40, 2)), rng.normal(0.5, 1.0, size=(30, 2)),
        ["energy", "squared_mmd(bandwidth=1.0)", "classifier_two_sample", "precision_recall(k=3)", "pmf.kl"],
        confidence=0.9, rng=0,
    )  # fmt: skip


def test_numbers_by_names_that_every_tracker_takes(report):
    numbers = scalars(report, "test/")
    row = report["energy"]
    assert numbers["test/energy"] == row.value
    assert (numbers["test/energy.lower"], numbers["test/energy.upper"]) == row.interval
    assert numbers["test/energy.null_floor"] == row.null_floor
    assert numbers["test/squared_mmd_bandwidth_1.0"] == report["squared_mmd"].value
    assert numbers["test/precision_recall_k_3.recall"] == report["precision_recall(k=3).recall"].value
    assert numbers["test/classifier_two_sample.p_value"] == report["classifier_two_sample"].p_value
    assert not any("pmf" in name for name in numbers), "a metric without a value has no number"
    estimate = dv.estimate("energy", [0.0, 1.0, 2.0, 4.0], [5.0, 6.0, 8.0, 9.0], halvings=0)
    assert scalars(estimate)["energy.upper"] == estimate.interval.upper
    tested = dv.two_sample_test("energy", [0.0, 1.0, 2.0], [4.0, 5.0, 6.0])
    assert scalars(tested) == {"energy": tested.statistic, "energy.p_value": tested.p_value}
    rng = np.random.default_rng(0)
    found = dv.compare_models("energy", rng.normal(size=(40, 2)), {
        "a b": rng.normal(size=(40, 2)), "c": 3 + rng.normal(size=(40, 2)),
    })  # fmt: skip
    assert (scalars(found)["energy.a b.rank"], scalars(found)["energy.c.rank"]) == (1.0, 2.0)
    assert scalars({"loss": 0.5}, "gan/") == {"gan/loss": 0.5}
    with pytest.raises(TypeError, match="found must be a Report"):
        scalars(0.5)


def test_tensorboard_reads_back_what_was_logged(report, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        numbers = [log(report, writer, step=step) for step in (10, 20)]
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == set(numbers[0]) == set(scalars(report))
    for name, value in numbers[0].items():
        found = events.Scalars(name)
        assert [each.step for each in found] == [10, 20]
        assert found[0].value == pytest.approx(value, rel=1e-6), name


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        module = import_module("mlflow")
        module.set_tracking_uri((tmp_path / "mlruns").as_uri())
        yield module
        while module.active_run() is not None:
            module.end_run()
    module.set_tracking_uri(None)


def test_mlflow_reads_back_what_was_logged(report, mlflow):
    with mlflow.start_run() as run:
        numbers = log(report, mlflow, step=3, prefix="held out/")
    client = mlflow.tracking.MlflowClient()
    assert client.get_run(run.info.run_id).data.metrics == numbers
    assert [each.step for each in client.get_metric_history(run.info.run_id, "held out/energy")] == [3]
    log({"energy": math.inf, "kl": math.nan}, (client, run.info.run_id), step=4)
    found = client.get_run(run.info.run_id).data.metrics
    assert found["energy"] == math.inf
    assert math.isnan(found["kl"])


def test_wandb_offline_keeps_what_was_logged(report, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = wandb.init(mode="offline", project="divergences", dir=str(tmp_path), settings={"console": "off"})
    numbers = log(report, run, step=5)
    log({"energy": 0.25}, run, step=6)  # W&B keeps a step once the next one begins
    assert run.step == 6
    run.finish()
    wandb.teardown()  # waits for the process that writes
    (file,) = (
        each for each in tmp_path.rglob("*.wandb") if not any(part.is_symlink() for part in each.parents)
    )
    written = file.read_bytes()
    assert all(name.encode() in written for name in numbers)
    assert repr(numbers["energy"]).encode() in written


def test_what_has_the_call_of_wandb_or_of_a_lightning_logger_is_called_so(report):
    class Run:  # wandb.Run.log(data, step=None)
        def log(self, data, step=None):
            self.seen = (dict(data), step)

    class Logger:  # lightning.pytorch.loggers.Logger.log_metrics(metrics, step=None)
        def log_metrics(self, metrics, step=None):
            self.seen = (dict(metrics), step)

    for to in (Run(), Logger()):
        assert log(report, to, step=5) == scalars(report)
        assert to.seen == (scalars(report), 5)
    with pytest.raises(TypeError, match="to must be a SummaryWriter, mlflow"):
        log(report, object())


# ── what is not installed ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("module", "hidden", "extra"),
    [
        ("torchmetrics", "torchmetrics", "torchmetrics"),
        ("lightning", "pytorch_lightning", "lightning"),
        ("training", "torch", "torch"),
    ],
)
def test_a_library_that_is_not_there_is_named_with_its_extra(module, hidden, extra, monkeypatch):
    name = f"divergences.integrations.{module}"
    with monkeypatch.context() as hiding:
        hiding.delitem(sys.modules, name, raising=False)
        hiding.setitem(sys.modules, hidden, None)
        with pytest.raises(ImportError, match=rf"needs {hidden}: pip install 'divergences\[{extra}\]'"):
            import_module(name)


def test_the_extras_named_exist():
    import tomllib

    root = Path(__file__).resolve().parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert {"torchmetrics", "lightning", "mlflow", "wandb", "tensorboard", "frames", "datasets"} <= set(
        extras
    )


def test_importing_the_package_of_integrations_loads_none_of_them():
    import subprocess

    code = (
        "import sys, json, divergences.integrations\n"
        "names = ['torch', 'torchmetrics', 'pytorch_lightning', 'mlflow', 'wandb', 'tensorboard']\n"
        "print(json.dumps([name for name in names if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
