"""Rows of METRICS as torchmetrics: values, states that merge, processes, collections, checkpoints."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchmetrics

import divergences as dv
from divergences.integrations.torchmetrics import Divergence
from divergences.registry import parse

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def both():
    draws = torch.Generator().manual_seed(0)
    mixed = torch.tensor([[1.0, 0.3, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 0.2]], dtype=torch.float64)
    x = torch.randn(60, 3, generator=draws, dtype=torch.float64) @ mixed
    y = torch.randn(45, 3, generator=draws, dtype=torch.float64) + 0.5
    return x, y


def fed(metric, x, y, sizes=(7, 20, 1, 5, 12)):
    """The metric after x and y came in uneven batches, sides by turns."""
    for rows, side in ((x, "real"), (y, "fake")):
        start = 0
        for size in (*sizes, len(rows)):
            metric.update(**{side: rows[start : start + size]})
            start += size
    return metric


@pytest.mark.parametrize(
    "spec",
    ["energy", "squared_mmd(bandwidth=1.0)", "wasserstein", "sliced_wasserstein(n_projections=9)", "kl",
     "js(estimator='histogram', bins=2)", "parzen_log_likelihood(bandwidth=0.5)", "frechet"],
)  # fmt: skip
def test_batches_give_the_value_of_the_whole(spec, both):
    x, y = both
    row = dv.parse(spec)
    options = {"rng": np.random.default_rng(0)} if "rng" in row.keywords else {}
    metric = fed(Divergence(spec), x, y)
    value = metric.compute()
    assert value.ndim == 0
    assert float(value) == pytest.approx(float(row(x, y, **options)), rel=1e-9)
    assert metric.higher_is_better is (spec.startswith("parzen"))
    metric.reset()
    with pytest.raises(ValueError, match="real has no rows yet"), pytest.warns(UserWarning, match="compute"):
        metric.compute()


REQUIRED = {"alpha": 0.5, "f": "js"}


@pytest.mark.filterwarnings("ignore::divergences._inputs.DivergenceWarning")
@pytest.mark.parametrize("name", dv.METRICS)
def test_any_row_is_a_metric(name):
    """One dimension, where every row has a value; the numbers are judged above and below."""
    row = dv.METRICS[name]
    row = row.with_options(**{key: REQUIRED[key] for key in row.keywords if key in REQUIRED})
    draws = torch.Generator().manual_seed(0)
    x, y = torch.rand(24, 1, generator=draws), 0.3 + torch.rand(20, 1, generator=draws)
    if row.on == "pmf":
        x, y = torch.cat([x, 1 - x], 1), torch.cat([y, 2 - y], 1)
    metric = fed(Divergence(row), x, y, sizes=(5, 9))
    value = metric.compute()
    numbers = list(value.values()) if isinstance(value, dict) else [value]
    assert all(torch.isfinite(each) and each.ndim == 0 for each in numbers)
    assert pickle.loads(pickle.dumps(metric)).compute() == value


@pytest.mark.parametrize("spec", ["gaussian.kl", "gaussian.wasserstein", "gaussian.renyi(alpha=0.5)"])
def test_gaussian_rows_keep_moments_only(spec, both):
    x, y = both
    metric = fed(Divergence(spec), x, y)
    want = dv.parse(spec)(*dv.gaussian.fit(x), *dv.gaussian.fit(y))
    assert float(metric.compute()) == pytest.approx(float(want), rel=1e-9)
    assert [len(state) for state in metric.metric_state.values()] == [1, 1]
    assert metric.metric_state["real_moments"][0].shape == (1, 1 + 3 + 9)


def test_an_offset_costs_the_moments_no_digits(both):
    x, y = both
    far = fed(Divergence("frechet"), x + 2.0**20, y + 2.0**20).compute()
    assert float(far) == pytest.approx(float(dv.frechet(x, y)), rel=1e-8)
    single = fed(Divergence("frechet"), x.float(), y.float()).compute()
    assert float(single) == pytest.approx(float(dv.frechet(x.float(), y.float())), rel=1e-6)


def test_pmf_rows_add_counts_and_probabilities():
    counts = torch.tensor([[1, 0, 3], [2, 2, 0]]), torch.tensor([[4, 1, 1]])
    metric = Divergence("pmf.js")
    metric.update(real=counts[0][:1], fake=counts[1])
    metric.update(real=counts[0][1:])
    p, q = np.array([3, 2, 3]) / 8, np.array([4, 1, 1]) / 6
    assert float(metric.compute()) == pytest.approx(float(dv.pmf.js(p, q)), rel=1e-12)
    soft = Divergence("pmf.tv")
    soft.update(real=torch.tensor([[0.5, 0.5], [1.0, 0.0]]), fake=torch.tensor([0.0, 1.0]))
    assert float(soft.compute()) == pytest.approx(0.75)
    with pytest.raises(ValueError, match="none below 0"):
        soft.update(real=torch.tensor([[-0.5, 1.5]]))


RATIO = ["kl", "reverse_kl", "js", "tv", "hellinger", "chi2", "renyi(alpha=0.5)", "f_divergence(f='js')"]


@pytest.mark.filterwarnings("ignore::divergences._inputs.DivergenceWarning")
@pytest.mark.parametrize("name", RATIO)
def test_histograms_with_given_edges_keep_counts_only(name, both):
    x, y = (side[:, :2].clamp(-1.9, 1.9) for side in both)
    row = dv.parse(name).with_options(estimator="histogram", bins=[[-2.0, -1.0, 0.5, 2.0], [-2, 0, 2]])
    metric = fed(Divergence(row), x, y)
    assert float(metric.compute()) == pytest.approx(float(row(x, y)), rel=1e-12)
    assert metric.real_counts[0].shape == (1, 6)
    assert metric.real_counts[0].sum() == len(x)
    with pytest.raises(ValueError, match=r"feature 1 of fake spans \[3, 3\], beyond the given edges"):
        metric.update(fake=torch.tensor([[0.0, 3.0]]))
    with pytest.raises(ValueError, match="each of the 1 features; got 2"):
        metric.update(fake=torch.tensor([[0.0]]))


def test_several_values_come_as_a_dictionary(both):
    found = fed(Divergence("precision_recall"), *both).compute()
    want = dv.precision_recall(*both)._asdict()
    assert {name: float(value) for name, value in found.items()} == {k: float(v) for k, v in want.items()}
    tested = fed(Divergence("classifier_two_sample", rng=3), *both)
    assert set(tested.compute()) == {"statistic", "p_value"}
    again = fed(Divergence("classifier_two_sample", rng=3), *both)
    assert tested.compute() == again.compute()


def test_what_is_drawn_is_drawn_by_the_seed(both):
    one, other, third = (
        fed(Divergence("sliced_wasserstein(n_projections=3)", rng=seed), *both) for seed in (1, 1, 2)
    )
    first = one.compute()
    one._computed = None  # torchmetrics keeps a value: let it be computed anew
    assert first == one.compute() == other.compute() != third.compute()
    with pytest.raises(TypeError, match="rng must be a seed"):
        Divergence("energy", rng=np.random.default_rng(0))


@pytest.mark.parametrize("spec", ["energy", "frechet", "pmf.js"])
def test_forward_gives_the_batch_and_keeps_the_whole(spec, both):
    x, y = (side.abs() for side in both)
    whole, metric = fed(Divergence(spec), x, y).compute(), Divergence(spec)
    first = metric(x[:20], y[:20])
    assert float(first) == pytest.approx(float(fed(Divergence(spec), x[:20], y[:20]).compute()), rel=1e-12)
    metric(x[20:], y[20:])
    assert float(metric.compute()) == pytest.approx(float(whole), rel=1e-9)


@pytest.mark.parametrize("spec", ["energy", "frechet"])
def test_pickle_clone_checkpoint_and_merge(spec, both):
    x, y = both
    metric = fed(Divergence(spec), x, y)
    want = float(metric.compute())
    for other in (pickle.loads(pickle.dumps(metric)), metric.clone(), copy.deepcopy(metric)):
        assert float(other.compute()) == want
        other.update(real=x + 1)
        assert float(other.compute()) != want
    assert float(metric.compute()) == want, "copies share nothing"
    metric.persistent(True)
    loaded = Divergence(spec)
    loaded.persistent(True)
    loaded.load_state_dict(metric.state_dict())
    loaded._update_count = 1
    assert float(loaded.compute()) == want
    one, two = Divergence(spec), Divergence(spec)
    one.update(x[:11], y[:40])
    two.update(x[11:], y[40:])
    one.merge_state(two)
    assert float(one.compute()) == pytest.approx(want, rel=1e-9)


def test_a_collection_shares_what_is_the_same(both):
    x, y = both
    specs = {"energy": "energy", "mmd": "squared_mmd(bandwidth=1.0)", "frechet": "frechet",
             "recall": "precision_recall"}  # fmt: skip
    together = torchmetrics.MetricCollection({name: Divergence(spec) for name, spec in specs.items()})
    for rows in (slice(0, 20), slice(20, 60)):
        together.update(real=x[rows], fake=y[rows])
    found = together.compute()
    assert sorted(map(sorted, together.compute_groups.values())) == [["energy", "mmd", "recall"], ["frechet"]]
    assert float(found["energy"]) == float(dv.energy(x, y))
    assert float(found["mmd"]) == float(dv.squared_mmd(x, y, bandwidth=1.0))
    assert float(found["frechet"]) == pytest.approx(float(dv.frechet(x, y)), rel=1e-9)
    assert float(found["recall"]) == float(dv.precision_recall(x, y).recall)
    together.reset()
    assert together["energy"].real_samples == []


def test_features_and_images(both):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.9), torch.nn.Linear(4, 2))
    images = torch.rand(30, 1, 2, 2), torch.rand(20, 1, 2, 2)
    metric = Divergence("energy", features=network)
    metric.update(*images)
    assert network.training, "left in the mode it was in"
    network.eval().requires_grad_(False)
    assert float(metric.compute()) == pytest.approx(float(dv.energy(*map(network, images))), rel=1e-6)
    assert not metric.real_samples[0].requires_grad
    with pytest.raises(ValueError, match=r"real must be \(rows, features\); got shape \(30, 1, 2, 2\)"):
        Divergence("energy").update(images[0])


def test_wrong_batches_are_refused(both):
    x, _ = both
    metric = Divergence("frechet")
    metric.update(real=x)
    with pytest.raises(ValueError, match="as many columns in every batch; got 2"):
        metric.update(real=x[:, :2])
    with pytest.raises(ValueError, match="fake must be finite"):
        metric.update(fake=torch.tensor([[float("nan")] * 3]))
    metric.update(fake=x[:1])
    metric.update(fake=x[:0])
    with pytest.raises(ValueError, match="fake must have at least 2 rows; got 1"):
        metric.compute()
    with pytest.raises(ValueError, match="did you mean 'energy'"):
        Divergence("enrgy")
    with pytest.raises(ValueError, match="renyi needs alpha"):
        Divergence("renyi")


TWO = """
import json, sys, warnings
warnings.simplefilter("ignore")
rank, file, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
import torch
from torch import distributed
from divergences.integrations.torchmetrics import Divergence
distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
draws = torch.Generator().manual_seed(0)
x, y = torch.randn(50, 3, generator=draws), torch.randn(40, 3, generator=draws) + 0.5
mine = (slice(0, 18), slice(0, 33)) if rank == 0 else (slice(18, 50), slice(33, 40))
found = {}
for spec in ("energy", "frechet", "sliced_wasserstein(n_projections=5)", "gaussian.hellinger"):
    metric = Divergence(spec)
    metric.update(x[mine[0]], y[mine[1]])
    found[spec] = [float(metric.compute())]
    metric.update(x[:5] + 1)  # each goes on with its own state, and is asked again
    found[spec].append(float(metric.compute()))
counts = Divergence("pmf.js")
counts.update(torch.tensor([1 + rank, 2]), torch.tensor([3, 3 - rank]))
found["pmf.js"] = [float(counts.compute())]
for spec in ("energy", "frechet"):  # one process has seen nothing yet of one side
    metric = Divergence(spec)
    metric.update(x[mine[0]], y if rank else None)
    found["lonely " + spec] = [float(metric.compute())]
with open(f"{out}/rank{rank}.json", "w") as handle:
    json.dump(found, handle)
distributed.barrier()  # a process that leaves while another still listens to it can abort it
distributed.destroy_process_group()
"""


def test_two_processes_see_all_rows(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO, encoding="utf-8")
    running = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(tmp_path / "meeting"), str(tmp_path)], cwd=ROOT,
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    errors = [each.communicate(timeout=240)[1] for each in running]
    assert [each.returncode for each in running] == [0, 0], errors
    one, other = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert one == other, "every process has the same answer"
    draws = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 3, generator=draws), torch.randn(40, 3, generator=draws) + 0.5
    more = torch.cat([x, x[:5] + 1, x[:5] + 1])
    for spec in ("energy", "frechet", "sliced_wasserstein(n_projections=5)"):
        row = dv.parse(spec)
        options = {"rng": np.random.default_rng(0)} if "rng" in row.keywords else {}
        assert one[spec][0] == pytest.approx(float(row(x, y, **options)), rel=1e-6), spec
        options = {"rng": np.random.default_rng(0)} if "rng" in row.keywords else {}
        assert one[spec][1] == pytest.approx(float(row(more, y, **options)), rel=1e-6), spec
    fits = *dv.gaussian.fit(x.double()), *dv.gaussian.fit(y.double())
    assert one["gaussian.hellinger"][0] == pytest.approx(float(dv.gaussian.hellinger(*fits)), rel=1e-9)
    assert one["pmf.js"][0] == pytest.approx(
        float(dv.pmf.js(np.array([3, 4]) / 7, np.array([6, 5]) / 11)), rel=1e-9
    )
    assert one["lonely energy"][0] == pytest.approx(float(dv.energy(x, y)), rel=1e-6)
    assert one["lonely frechet"][0] == pytest.approx(float(dv.frechet(x, y)), rel=1e-6)


def test_counts_edges_and_columns_that_cannot_be_are_refused():
    counts = Divergence("pmf.kl")
    counts.update(real=torch.zeros(2, 3), fake=torch.ones(2, 3))
    with pytest.raises(ValueError, match="real must hold a count above 0"):
        counts.compute()
    for bins, message in (
        ([], "got none"),
        ([1.0, 0.0], "must be increasing edges"),
        ([1.0], "at least two"),
    ):
        with pytest.raises(ValueError, match=message):
            Divergence(parse("js").with_options(estimator="histogram", bins=bins))
    with pytest.raises(ValueError, match="no option 'k'"):
        Divergence(parse("kl").with_options(estimator="histogram", bins=[0.0, 1.0], k=3))
    rows = Divergence("energy")
    rows.update(real=torch.zeros(2, 2))
    with pytest.raises(ValueError, match="as many columns in every batch; got 3"):
        rows.update(real=torch.zeros(2, 3))
