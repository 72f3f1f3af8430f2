"""METRICS, @metric and parse: what a text on the command line or in a list can and cannot name."""

from __future__ import annotations

import pytest

from divergences import registry
from divergences.registry import METRICS, Metric, metric, parse


def gap(x, y, *, p=1, scale=1.0, mode="fast", x_weights=None, y_weights=None):
    """The gap between two samples; a stand-in."""
    return ("gap", x, y, p, scale, mode)


def kl(p, q):
    """A stand-in on probability vectors."""
    return ("pmf.kl", p, q)


def kl_of_gaussians(x_mean, x_cov, y_mean, y_cov, *, jitter=0.0):
    return ("gaussian", x_mean, x_cov, y_mean, y_cov, jitter)


@pytest.fixture(autouse=True)
def table(monkeypatch):
    """A METRICS of our own, so that these tests know what is in it."""
    monkeypatch.setattr(registry, "METRICS", {})
    metric(on="samples", meaning="how far", laws=["symmetric"], degree=1)(gap)
    metric(on="pmf", meaning="how far", degree=None, cost="n")(kl)
    metric(on="gaussian", meaning="how far")(kl_of_gaussians)
    return registry.METRICS


def test_the_decorator_returns_the_function_unwrapped_and_fills_the_table(table):
    assert list(table) == ["gap", "pmf.kl", "gaussian.kl_of_gaussians"]
    assert table["gap"].function is gap
    assert table["gap"].laws == ("symmetric",)
    assert table["gap"].convention == "The gap between two samples; a stand-in."
    assert table["gaussian.kl_of_gaussians"].convention == ""


def test_keywords_are_what_follows_the_data(table):
    assert list(table["gap"].keywords) == ["p", "scale", "mode", "x_weights", "y_weights"]
    assert list(table["gaussian.kl_of_gaussians"].keywords) == ["jitter"]
    assert table["gap"].weighted
    assert not table["pmf.kl"].weighted


def test_a_row_is_called_like_its_function():
    assert parse("gap(p=2)")("x", "y") == ("gap", "x", "y", 2, 1.0, "fast")
    assert parse("gap(p=2)")("x", "y", p=3) == ("gap", "x", "y", 3, 1.0, "fast")
    assert parse("gaussian.kl_of_gaussians(jitter=0.5)")(1, 2, 3, 4) == ("gaussian", 1, 2, 3, 4, 0.5)


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("gap", "gap", {}),
        ("  gap\n", "gap", {}),
        ("gap()", "gap", {}),
        ("gap(p=2, scale=-1.5)", "gap", {"p": 2, "scale": -1.5}),
        ("gap(mode='slow')", "gap", {"mode": "slow"}),
        ("gap(p=None, scale=[1, 2], mode=True)", "gap", {"p": None, "scale": [1, 2], "mode": True}),
        ("pmf.kl", "pmf.kl", {}),
    ],
)
def test_parse(text, name, options):
    row = parse(text)
    assert (row.name, row.options) == (name, options)


@pytest.mark.parametrize("text", ["gap", "gap(p=2, mode='slow')", "gap(scale=0.1, p=(1, 2))", "pmf.kl"])
def test_spec_is_the_text_that_parses_to_the_row(text):
    row = parse(text)
    assert row.spec == text
    assert parse(row.spec) == row
    assert parse(row) is row
    hash(row)


def test_options_accumulate_and_leave_the_table_alone(table):
    row = parse("gap(p=2)").with_options(scale=3.0)
    assert row.options == {"p": 2, "scale": 3.0}
    assert row.spec == "gap(p=2, scale=3.0)"
    assert table["gap"].options == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gapp", "unknown metric 'gapp'; did you mean 'gap'.*'divergences metrics' lists them all"),
        ("pmf.kll", "did you mean 'pmf.kl'"),
        ("zebra", "unknown metric 'zebra'; 'divergences metrics'"),
        ("gap(sclae=1)", "gap has no option 'sclae'; did you mean 'scale'.*it takes p, scale, mode"),
        ("gap(x=1)", "gap has no option 'x'"),
        ("pmf.kl(p=1)", "pmf.kl has no option 'p'; it takes none"),
        ("gap(mode=slow)", "option mode=slow is not a plain value; did you mean mode='slow'"),
        ("gap(2)", r"given by name: gap\(option=value\)"),
        ("gap(*[1])", "given by name"),
        ("gap(**{'p': 1})", "'\\*\\*' is not understood"),
        ("gap(p=1, p=2)", "option p of gap is given twice"),
        ("gap(p={[]: 1})", r"option p=\{\[\]: 1\} is not a plain value"),
        ("gap(p=1+'a')", "is not a plain value"),
        ("gap(p=2", "cannot read the metric"),
        ("gap p=2", "cannot read the metric"),
        ("", "cannot read the metric"),
        ("gap\0", "cannot read the metric"),
        ("gap(p=" + "-" * 5_000 + "1)", "cannot read the metric"),  # RecursionError inside
        ("gap(p=" + "-" * 100_000 + "1)", "cannot read the metric"),  # MemoryError inside
        ("gap; gap", "cannot read the metric"),
        ("gap, gap", "unknown metric"),
        ("gap()()", "unknown metric"),
        ("[gap][0]", "unknown metric"),
        ("1", "unknown metric '1'"),
    ],
)
def test_a_text_that_names_no_metric_is_refused_with_the_nearest(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('pathlib').Path('{path}').touch()",
        "gap(p=__import__('pathlib').Path('{path}').touch())",
        "gap(p=[__import__('pathlib').Path('{path}').touch()])",
        "(lambda: open('{path}', 'w'))()",
        'gap(p=f\'{{open("{path}", "w")}}\')',
        "open('{path}', 'w')",
    ],
)
def test_nothing_in_the_text_is_executed(text, tmp_path):
    path = tmp_path / "written"
    with pytest.raises(ValueError, match="unknown metric|is not a plain value"):
        parse(text.format(path=path))
    assert not path.exists()


@pytest.mark.parametrize("spec", [None, 3, ["gap"], gap])
def test_a_metric_is_named_by_a_text(spec):
    with pytest.raises(TypeError, match="named by a string such as 'energy'"):
        parse(spec)


def test_one_name_means_one_function():
    def impostor(x, y):
        """Another module's function with a name that is taken."""

    impostor.__name__, impostor.__module__ = "gap", "elsewhere"
    with pytest.raises(ValueError, match=f"metric 'gap' is already defined in {__name__}"):
        metric(on="samples", meaning="how far")(impostor)
    metric(on="samples", meaning="how far, reloaded")(gap)  # the same module again: a reload


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"on": "images"}, "on must be one of"),
        ({"cost": "n^4"}, "cost must be one of"),
        ({"better": "bigger"}, "better must be"),
    ],
)
def test_a_declaration_is_checked(declared, message):
    with pytest.raises(ValueError, match=message):
        metric(**{"on": "samples", "meaning": "how far", **declared})


def test_the_real_table_is_filled_by_importing_the_package(monkeypatch):
    import divergences

    monkeypatch.undo()  # the table of this file
    assert divergences.METRICS is METRICS
    assert METRICS
    for name, row in METRICS.items():
        assert isinstance(row, Metric)
        assert row.name == name
        assert parse(name).function is row.function
        assert row.meaning, f"{name} does not say what its number tells"
        assert row.convention, f"{name} has no docstring"


def test_a_metric_that_lacks_an_option_says_which():
    from divergences.registry import complete

    def order(x, y, *, alpha):
        return alpha

    row = Metric(name="order", function=order, on="samples", meaning="")
    with pytest.raises(ValueError, match=r"order needs alpha: write order\(alpha=…\)"):
        complete(row)
    assert complete(row.with_options(alpha=2)).options == {"alpha": 2}
