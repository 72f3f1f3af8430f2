"""Tables as samples (pandas, polars, Arrow, Hugging Face) and features made of samples by a callable."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest

import divergences as dv
from divergences import plots
from divergences._features import evaluating, extracted
from divergences.cli import main


def frame(library, array, columns=("u", "v")):
    """``array`` as a table of a library that may not be there."""
    module = pytest.importorskip(library)
    columns = list(columns)
    if library == "pandas":
        return module.DataFrame(array, columns=columns)
    if library == "polars":
        return module.DataFrame(array, schema=columns)
    parts = {name: array[:, k] for k, name in enumerate(columns)}
    return module.table(parts) if library == "pyarrow" else module.Dataset.from_dict(parts)


LIBRARIES = pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "datasets"])


@pytest.fixture
def both(rng):
    return rng.normal(size=(30, 2)), rng.normal(0.5, 1.0, size=(40, 2))


@LIBRARIES
def test_every_entry_takes_a_table_as_the_array_it_holds(library, both):
    x, y = both
    tables = frame(library, x), frame(library, y)
    for metric in ("energy", "frechet", "precision_recall", "parzen_log_likelihood", "js"):
        function = dv.METRICS[metric]
        assert function(*tables) == function(x, y), metric
    assert dv.energy(tables[0], y) == dv.energy(x, y), "a table and an array have no names to compare"
    assert dv.gaussian.fit(tables[0])[1].tolist() == dv.gaussian.fit(x)[1].tolist()
    assert dv.estimate("frechet", *tables, rng=0).to_dict() == dv.estimate("frechet", x, y, rng=0).to_dict()
    plain, told = (dv.two_sample_test("energy", *s, permutations=99, rng=0) for s in (both, tables))
    assert told.p_value == plain.p_value
    models = {"a": tables[1], "b": frame(library, y + 1)}
    assert dv.compare_models("energy", tables[0], models, rng=0).to_dict() == (
        dv.compare_models("energy", x, {"a": y, "b": y + 1}, rng=0).to_dict()
    )


REQUIRED = {"alpha": 0.5, "f": "js"}


@pytest.mark.filterwarnings("ignore::divergences._inputs.DivergenceWarning")
@pytest.mark.parametrize("name", [name for name, row in dv.METRICS.items() if row.on == "samples"])
def test_every_metric_takes_tables(name, both):
    row = dv.METRICS[name]
    row = row.with_options(**{key: REQUIRED[key] for key in row.keywords if key in REQUIRED})
    if "rng" in row.keywords:
        row = row.with_options(rng=0)
    x, y = both
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    plain = np.asarray(row(x, y))
    if np.ndim(plain) == 0 and not np.issubdtype(plain.dtype, np.number):  # a record
        plain = np.asarray(float(plain[()]))
    told = row(pandas.DataFrame(x, columns=["u", "v"]), polars.DataFrame(y, schema=["u", "v"]))
    told = np.asarray(float(told)) if np.ndim(plain) == 0 else np.asarray(told)
    np.testing.assert_array_equal(told, plain)


@LIBRARIES
def test_a_report_keeps_the_names_of_the_columns(library, both):
    x, y = both
    metrics = ["energy", "gaussian.kl", "squared_mmd"]
    report = dv.evaluate(frame(library, x), frame(library, y), metrics, rng=0)
    plain = dv.evaluate(x, y, metrics, rng=0)
    assert [row.value for row in report.rows] == [row.value for row in plain.rows]
    assert (report.columns, plain.columns) == (("u", "v"), None)
    assert report.to_dict()["columns"] == ["u", "v"]
    assert str(report).startswith("x: 30 rows, y: 40 rows, 2 features (u, v)")
    assert "(u, v)" in report.markdown()
    assert [plots._feature(each, 1) for each in (report, plain)] == ["v", "feature 1"]


@LIBRARIES
def test_columns_in_another_order_or_of_other_names_are_refused(library, both):
    x, y = both
    with pytest.raises(ValueError, match="columns in one order; got 'u', 'v' and 'v', 'u'. Pass y") as caught:
        dv.energy(frame(library, x), frame(library, y, "vu"))
    mend = str(caught.value).split("Pass ")[1]
    scope = {"x": frame(library, x), "y": frame(library, y[:, ::-1], "vu")}
    mended = eval(mend, {}, scope)  # what the message says can be typed
    assert dv.energy(scope["x"], mended) == dv.energy(x, y)
    with pytest.raises(ValueError, match="only x has 'v', only y has 'w'"):
        dv.evaluate(frame(library, x), frame(library, y, "uw"))
    models = {"a": frame(library, y), "b": frame(library, y, "uw")}
    with pytest.raises(ValueError, match=r"only models\['b'\] has 'w'"):
        dv.compare_models("energy", frame(library, x), models)
    with pytest.raises(ValueError, match="only y has 'w'"):
        dv.two_sample_test("energy", frame(library, x), frame(library, np.c_[y, y[:, :1]], "uvw"))


def test_columns_that_were_only_counted_have_no_names(both):
    pandas = pytest.importorskip("pandas")
    x, y = both
    counted = pandas.DataFrame(y)
    assert dv.energy(pandas.DataFrame(x, columns=["u", "v"]), counted) == dv.energy(x, y)
    assert dv.evaluate(counted, counted, "energy").columns is None


def test_what_is_no_table_of_numbers_is_named():
    pandas, polars = (pytest.importorskip(name) for name in ("pandas", "polars"))
    for table in (
        pandas.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
        polars.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
    ):
        with pytest.raises(TypeError, match="numbers in every column; 'b' holds others"):
            dv.energy(table, table)
    with pytest.raises(TypeError, match=r"Pass x\.collect\(\)"):
        dv.energy(polars.LazyFrame({"a": [1.0]}), [1.0])
    nullable = pandas.DataFrame({"a": pandas.array([1, None], dtype="Int64"), "b": [1.0, 2.0]})
    for missing in (nullable, polars.DataFrame({"a": [1.0, None]})):
        with pytest.raises(ValueError, match="x must be finite; got nan"):
            dv.energy(missing, missing)
    whole = pandas.DataFrame({"a": pandas.array([1, 2], dtype="Int64"), "b": [True, False]})
    assert dv.energy(whole, [[1.0, 1.0], [2.0, 0.0]]) == 0.0


def test_hugging_face_columns_of_vectors():
    datasets = pytest.importorskip("datasets")
    rows = np.arange(12.0).reshape(4, 3)
    table = datasets.Dataset.from_dict({"embedding": rows.tolist(), "length": [1.0, 2.0, 3.0, 4.0]})
    assert dv.energy(table["embedding"], rows) == 0.0, "a column"
    assert dv.energy(table, np.c_[rows, [1.0, 2.0, 3.0, 4.0]]) == 0.0, "the whole table, vectors side by side"
    assert dv.evaluate(table, table, "energy").columns == ("embedding", "length")
    with pytest.raises(TypeError, match=r"one split; got a DatasetDict. Pass x\['train'\]"):
        dv.energy(datasets.DatasetDict({"train": table}), rows)
    with pytest.raises(TypeError, match="column 'text' does not"):
        dv.energy(datasets.Dataset.from_dict({"text": ["a", "b"]}), rows)
    with pytest.raises(TypeError, match="IterableDataset"):
        dv.energy(table.to_iterable_dataset(), rows)
    report = dv.evaluate(
        datasets.Dataset.from_dict({"text": ["a", "bb", "ccc"]})["text"], ["dddd", "e"], "energy",
        features=lambda texts: np.array([[len(text)] for text in texts], dtype=float), batch_size=2,
    )  # fmt: skip
    assert report["energy"].value == dv.energy([1.0, 2.0, 3.0], [4.0, 1.0])


def test_the_command_line_keeps_the_header(tmp_path, capsys):
    for name in ("x", "y"):
        (tmp_path / f"{name}.csv").write_text("height,weight\n1,2\n3,5\n2,2\n", encoding="utf-8")
    files = [str(tmp_path / f"{name}.csv") for name in ("x", "y")]
    with pytest.raises(SystemExit):
        main(["compare", *files, "-m", "energy", "--json", "-"])
    assert json.loads(capsys.readouterr().out)["columns"] == ["height", "weight"]


# ── features ────────────────────────────────────────────────────────────────────────────────


def doubled(batch):
    """Twice the first column."""
    return 2.0 * np.asarray(batch)[:, 0]


def test_features_take_the_place_of_samples_on_both_sides(both):
    x, y = both
    report = dv.evaluate(x, y, ["energy", "parzen_log_likelihood"], features=doubled, batch_size=7,
                         validation=x, rng=0)  # fmt: skip
    plain = dv.evaluate(
        2 * x[:, 0], 2 * y[:, 0], ["energy", "parzen_log_likelihood"], validation=2 * x[:, 0], rng=0
    )
    assert [row.value for row in report.rows] == [row.value for row in plain.rows]
    assert (report.d, report.features, plain.features) == (1, "doubled", None)
    assert report.to_dict()["features"] == "doubled"
    assert "1 features by doubled" in str(report)
    models = {"a": y, "b": y + 1}
    found = dv.compare_models("energy", x, models, features=doubled, rng=0)
    assert found.to_dict() == dv.compare_models(
        "energy", 2 * x[:, 0], {name: 2 * each[:, 0] for name, each in models.items()}, rng=0
    ).to_dict()  # fmt: skip


def test_features_see_batches_of_what_was_given():
    seen = []

    def lengths(batch):
        seen.append(batch)
        return [[len(each)] for each in batch]

    rows = extracted(lengths, ["a", "bb", "ccc", "dddd", "e"], "x", batch_size=2)
    assert seen == [["a", "bb"], ["ccc", "dddd"], ["e"]]
    assert rows.tolist() == [[1], [2], [3], [4], [1]]
    assert extracted(lengths, iter([["a"], ["bb", "c"]]), "x").tolist() == [[1], [2], [1]], (
        "batches as they come"
    )
    shapes = []

    def means(batch):
        shapes.append(batch.shape)
        return batch.mean(axis=(1, 2))

    images = np.arange(5 * 2 * 2.0).reshape(5, 2, 2)
    assert extracted(means, images, "x", batch_size=3)[:, 0].tolist() == images.mean(axis=(1, 2)).tolist()
    assert shapes == [(3, 2, 2), (2, 2, 2)]


def test_a_frame_with_another_index_is_cut_by_place():
    pandas = pytest.importorskip("pandas")
    texts = pandas.Series(["a", "bb", "ccc"], index=[2.0, 0.0, 1.0])
    assert extracted(lambda batch: [[len(each)] for each in batch], texts, "x", batch_size=2).tolist() == [
        [1], [2], [3],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("features", "samples", "said"),
    [
        ("net", [1.0], "features must be a callable"),
        (lambda batch: (batch, batch), np.ones((3, 1)), "one array a batch; got tuple"),
        (lambda batch: {"pooled": batch}, np.ones((3, 1)), "one array a batch; got dict"),
        (lambda batch: np.ones((len(batch), 2, 2)), np.ones((3, 1)), "Pool or flatten"),
        (lambda batch: batch[:1], np.ones((3, 1)), "a row for each sample; got 1 for 2"),
        (lambda batch: np.ones((len(batch), len(batch))), np.ones((3, 1)), "answer alike for every batch"),
        (doubled, "text", "x must be samples; got str"),
        (doubled, None, "x must be samples; got NoneType"),
        (doubled, 3.0, "x must be rows or an iterable of batches"),
        (doubled, [], "x must not be empty"),
    ],
)
def test_features_that_answer_wrongly_are_refused(features, samples, said):
    with pytest.raises((TypeError, ValueError), match=said):
        extracted(features, samples, "x", batch_size=2)


@pytest.fixture
def network():
    """A small convolutional network with dropout and running statistics, from a fixed seed."""
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(4, 3),
        )  # fmt: skip


def test_a_network_is_asked_in_evaluation_mode_and_left_as_it_was(network, rng):
    torch = importlib.import_module("torch")
    network[1].eval()  # one part frozen, the rest in training
    modes = [part.training for part in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x, y = rng.normal(size=(9, 1, 6, 6)), rng.normal(size=(8, 1, 6, 6))
    report = dv.evaluate(x, y, "energy", features=network, batch_size=4)
    assert [part.training for part in network.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    network.eval()
    with torch.no_grad():
        want = [network(torch.as_tensor(side, dtype=torch.float32)) for side in (x, y)]
    assert report["energy"].value == pytest.approx(float(dv.energy(*want)), rel=1e-5)
    assert report.features == "Sequential"
    tensors = dv.evaluate(torch.as_tensor(x), torch.as_tensor(y), "energy", features=network, batch_size=4)
    assert tensors["energy"].value == report["energy"].value


def test_modes_come_back_after_an_error(network):
    network.train()
    with pytest.raises(ZeroDivisionError), evaluating(network):
        1 / network.training
    assert all(part.training for part in network.modules())
