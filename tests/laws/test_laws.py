"""The laws themselves, what measures them, and what reports them."""

from __future__ import annotations

import inspect
import json
import math
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest

import divergences as dv
from divergences import laws, pmf
from divergences.laws import LAWS, Subject, check, implied
from divergences.laws.check import judge
from divergences.laws.claims import metric_subjects, trials
from divergences.laws.draw import draw
from divergences.laws.measured import (
    Measured,
    at_most,
    both,
    equal,
    exactly_at_most,
    exp,
    log,
    power,
    sqrt,
)
from divergences.testing import law_test


def squared_gap(p, q):
    """Symmetric, zero only at equality, and no metric."""
    return float(((np.asarray(p) - np.asarray(q)) ** 2).sum())


# ── the table ───────────────────────────────────────────────────────────────────────────────


def test_there_are_at_least_a_hundred_laws_each_with_a_statement_and_a_source():
    assert len(LAWS) >= 100
    for name, law in LAWS.items():
        assert law.name == name
        assert len(law.statement) > 4
        assert law.source
        assert law.claims
        assert law.roles
    statements = {(law.on, law.statement) for law in LAWS.values()}
    assert len(statements) == len(LAWS)


@pytest.mark.parametrize("on", ["pmf", "samples", "gaussian"])
def test_a_law_reads_only_what_is_drawn(on):
    case = draw(on, np.random.default_rng(0), min_rows=2)
    for law in LAWS.values():
        if law.on == on:
            assert set(law.roles) <= set(case), law.name


def test_a_law_on_an_unknown_space_or_twice_is_refused():
    with pytest.raises(ValueError, match="on must be one of"):
        laws.law("…", source="…", on="graphs", claims="metric")
    with pytest.raises(ValueError, match="law 'symmetry' is already there"):

        @laws.law("…", source="…", on="samples", claims="metric")
        def symmetry(d, x, y):
            return None


def noisy(values):
    return zlib.crc32(b"".join(np.ascontiguousarray(v).tobytes() for v in values)) / 2.0**30


def saboteurs(function, part):
    """Ways to be wrong that no careful function shares."""
    calls = []

    def is_tensor(arrays):
        return not isinstance(arrays[0], np.ndarray)

    def plain(arrays):
        return [a.detach().numpy() if is_tensor(arrays) else a for a in arrays]

    def counted(v):
        calls.append(v)
        return v + len(calls)

    changes = {
        "noise": lambda v, a: v + noisy(plain(a)) + 0.1,
        "minus noise": lambda v, a: v - noisy(plain(a)) - 0.1,
        "doubled": lambda v, a: 2 * v + 1,
        "cut": lambda v, a: v / 3 - 0.2,
        "constant": lambda v, a: 0 * v + 7,
        "zero": lambda v, a: 0 * v,
        "infinite": lambda v, a: v + math.inf,
        "NaN": lambda v, a: v * math.nan,
        "a call counter": lambda v, a: counted(v),
        "tensors only": lambda v, a: v + 1 if is_tensor(a) else v,
        "half the gradient": lambda v, a: (v + v.detach()) / 2 if hasattr(v, "detach") else v,
    }
    for name, change in changes.items():

        def wrong(*arrays, change=change, **options):
            value = function(*arrays, **options)
            return change(getattr(value, part) if part else value, arrays)

        wrong.__signature__ = inspect.signature(getattr(function, "function", function))
        yield name, wrong


def can_fail(law):
    """Whether something wrong breaks the law on the drawn cases: if not, it says nothing."""
    for row in trials():
        if (
            row.name in ("sinkhorn_divergence", "max_sliced_wasserstein")
            and "sinkhorn" not in law.name
            and law.claims != ("max sliced",)
        ):
            continue
        for subject in metric_subjects(row, library="torch" if "gradient" in law.name else "numpy"):
            if not law.applies_to(subject):
                continue
            for _, wrong in saboteurs(row, subject.part):
                rng = np.random.default_rng(0)
                trial = replace(subject, function=wrong, part="", cache={})
                for _ in range(12):
                    trial.cache.clear()
                    if judge(law, trial, draw(law.on, rng, min_rows=subject.min_rows)).broken:
                        return True
    return False


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in LAWS if not name.startswith("sinkhorn")])
def test_a_law_can_fail(name):
    assert can_fail(LAWS[name])


# ── verdicts ────────────────────────────────────────────────────────────────────────────────


def test_errors_are_carried_along():
    x, y = Measured(3.0, 0.1), Measured(2.0, 0.2)
    assert (x + y).error == pytest.approx(0.3)
    assert (x - y).error == pytest.approx(0.3)
    assert (x * y).error == pytest.approx(3 * 0.2 + 2 * 0.1 + 0.02)
    assert (x / y).error == pytest.approx((0.1 + 1.5 * 0.2) / 1.8)
    assert (1 / y).value == 0.5
    assert (np.float64(2) * x).value == 6.0
    assert sqrt(Measured(0.0, 1e-16)).error == pytest.approx(1e-8)
    assert sqrt(Measured(-1e-17, 1e-16)).value == 0
    assert sqrt(Measured(4.0, 1e-3)).error == pytest.approx(0.25e-3, rel=1e-3)
    assert log(Measured(2.0, 0.02)).error == pytest.approx(0.01, rel=0.02)
    assert exp(Measured(1.0, 1e-3)).error == pytest.approx(math.e * 1e-3, rel=1e-2)
    assert power(Measured(2.0, 0.0), 3).value == 8
    assert math.isnan(log(Measured(0.0, 1e-16)).value)
    assert log(0.0).value == -math.inf


def test_a_violation_is_counted_in_tolerances():
    assert at_most(Measured(1.0, 0.1), Measured(0.5, 0.1)) == pytest.approx(2.5)
    assert at_most(0.5, Measured(1.0, 0.1)) < 0
    assert equal(Measured(1.0, 0.25), 0.5) == pytest.approx(2.0)
    assert at_most(math.inf, 1.0) == math.inf
    assert at_most(math.inf, math.inf) == 0
    assert at_most(math.nan, 1.0) is None
    assert at_most(1.0, 0.5) == math.inf
    assert exactly_at_most(0.0, Measured(-1e-300, 1.0)) == math.inf
    assert both(None, 0.5, 2.0) == 2.0
    assert both(None, None) is None


def test_tolerances_follow_the_dtype_and_the_size():
    p = np.array([0.5, 0.5])
    wide, narrow = (Subject(pmf.tv, "pmf", dtype=dtype)(p, p[::-1]) for dtype in ("float64", "float32"))
    assert narrow.error / wide.error == pytest.approx(2.0**29)
    x = np.array([[0.0], [1.0]])
    near, far = (Subject(dv.energy, "samples", degree=1)(x, x + gap).error for gap in (1.0, 1000.0))
    assert 100 < far / near < 1001
    rooted = Subject(lambda p, q: 0.0, "pmf", root=2)(p, p)
    assert rooted.error == pytest.approx(math.sqrt(Subject(lambda p, q: 0.0, "pmf")(p, p).error))


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda p, q: math.nan, "violated"),
        (lambda p, q: "text", "violated"),
        (lambda p, q: [][1], "violated"),
        (lambda p, q: 0.0, "held"),
    ],
)
def test_nan_nonsense_and_crashes_are_violations(answer, status):
    report = check(answer, ["is a number"], on="pmf", claims={"symmetric"}, examples=3)
    assert report["pmf.is a number"].status == status


def test_a_refusal_is_no_violation():
    def picky(p, q):
        raise ValueError("p must have more outcomes")

    report = check(picky, ["symmetry"], on="pmf", claims={"symmetric"}, examples=4)
    finding = report["pmf.symmetry"]
    assert (finding.status, finding.refused, finding.applied) == ("not applicable", 4, 0)
    assert "more outcomes" in finding.note
    assert report.ok


def test_a_law_whose_precondition_never_holds_is_reported_as_vacuous():
    name = "never met"

    def never_met(d, p, q):
        return None

    law = laws.Law("pmf." + name, "nothing", "nobody", "pmf", ("metric",), never_met)
    report = check(pmf.tv, [law], on="pmf", claims={"metric"}, examples=5)
    assert report.findings[0].status == "vacuous"
    assert "vacuous" in str(report)
    assert "0/5 examples" in str(report)


def test_what_the_function_does_not_offer_is_not_applicable():
    report = check(
        lambda x, y: float(dv.wasserstein(x, y)), on="samples", claims={"wasserstein"}, degree=1, examples=5
    )
    assert report["weights are repetition"].status == "not applicable"
    assert report["weights are repetition"].note == "needs weights"
    assert report["w2 splits off the means"].status == "vacuous"
    assert report.ok


# ── check ───────────────────────────────────────────────────────────────────────────────────


def test_the_counterexample_is_shrunk_and_runs():
    finding = check(squared_gap, on="pmf", claims={"metric"})["pmf.triangle inequality"]
    assert finding.status == "violated"
    assert all(value.shape == (2,) for value in finding.case.values())
    assert sorted(np.ravel(list(finding.case.values())).tolist()) == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    code = finding.reproducer.replace(f"from {__name__} import squared_gap as fn", "")
    scope = {"fn": squared_gap}
    exec(code, scope)
    case = {role: scope[role] for role in "pqr"}
    assert finding.law.violation(scope["subject"], **case) == pytest.approx(1.87e13, rel=0.1)


def test_a_row_of_the_table_is_reproduced_by_its_spec():
    row = dv.parse("wasserstein(p=2)").with_options()
    subject = replace(metric_subjects(row)[0], claims=implied({"ipm"}))
    finding = check(subject, ["common part cancels"])["common part cancels"]
    assert finding.status == "violated"
    scope = {}
    exec(finding.reproducer, scope)
    assert "divergences.parse('wasserstein(p=2)')" in finding.reproducer
    assert len(finding.case["x"]) <= 2


@pytest.mark.parametrize("on", ["samples", "gaussian"])
def test_shrinking_on_every_space(on):
    function = (
        (lambda x, y: float(x.sum() - y.sum()))
        if on == "samples"
        else (lambda m, s, n, t: float(s.sum() - t.sum()))
    )
    finding = check(function, ["symmetry"], on=on, claims={"symmetric"}, degree=1).findings[0]
    assert finding.status == "violated"
    assert sum(np.size(value) for value in finding.case.values()) <= 4
    assert "fn(" in finding.reproducer


def test_the_same_seed_gives_the_same_report():
    reports = [
        check(squared_gap, on="pmf", claims={"metric"}, examples=20, rng=3).to_dict() for _ in range(2)
    ]
    assert reports[0] == reports[1]
    json.dumps(reports[0], allow_nan=False)


def test_torch_and_float32():
    def naive(p, q):
        return (p * (p / q).log()).nansum() if hasattr(p, "log") else None

    report = check(
        naive, ["never negative"], on="pmf", claims={"kl"}, library="torch", dtype="float32", examples=60
    )
    assert not report.ok
    assert "dtype='float32'" in report.findings[0].reproducer
    assert check(pmf.kl, on="pmf", claims={"kl"}, library="torch", examples=5).ok


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"claims": {"metrc"}, "on": "pmf"},
            "no law on pmf follows from the claim 'metrc'.*claims that have laws",
        ),
        ({"claims": {"metric"}}, "on must say what fn takes"),
        ({"claims": {"metric"}, "on": "pmf", "laws": ["symetry"]}, "unknown law 'symetry'; did you mean"),
        (
            {"claims": {"metric"}, "on": "pmf", "laws": ["w2 splits off the means"]},
            "is on samples, fn takes pmf",
        ),
        ({"claims": (), "on": "pmf"}, "claims must name at least one property"),
        ({"claims": {"metric"}, "on": "pmf", "examples": 0}, "examples must be a whole number"),
        ({"claims": {"metric"}, "on": "pmf", "library": "jax"}, "library must be one of"),
        ({"claims": {"metric"}, "on": "pmf", "dtype": "float16"}, "dtype must be one of"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        check(squared_gap, **arguments)
    with pytest.raises(TypeError, match="fn must be a function"):
        check("squared_gap", on="pmf", claims={"metric"})


def test_the_laws_need_no_hypothesis():
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import divergences\n"
        "from divergences import laws, pmf\n"
        "assert laws.check(pmf.tv, on='pmf', claims={'tv'}, examples=2).ok\n"
        "assert 'testing' in dir(divergences)\n"
        "try: divergences.testing\n"
        "except ImportError as error: assert 'divergences[laws]' in str(error)\n"
        "else: raise SystemExit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ── the command ─────────────────────────────────────────────────────────────────────────────


def run(*arguments):
    from typer.testing import CliRunner

    from divergences.cli import app

    return CliRunner().invoke(app, ["laws", *arguments])


def test_the_command_exits_with_one_on_a_violation(tmp_path, monkeypatch):
    (tmp_path / "my_distances.py").write_text(inspect.getsource(squared_gap).replace("np.", "numpy.").replace(
        "def ", "import numpy\n\n\ndef ", 1))  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    broken = run("my_distances:squared_gap", "--on", "pmf", "--claims", "metric", "--examples", "30")
    assert broken.exit_code == 1
    assert "pmf.triangle inequality: D(P, Q) ≤" in broken.output
    assert "from my_distances import squared_gap as fn" in broken.output
    held = run(
        "my_distances:squared_gap",
        "--on",
        "pmf",
        "--claims",
        "symmetric, identity",
        "--examples",
        "5",
        "--json",
    )
    assert held.exit_code == 0
    assert json.loads(held.output)["ok"] is True


def test_the_command_takes_a_metric_by_its_spec():
    assert run("pmf.tv", "--examples", "3").exit_code == 0
    assert run("wasserstein(p=2)", "--examples", "2", "-l", "symmetry").output.startswith(
        "wasserstein(p=2): 1 held"
    )


def test_the_command_does_not_call_nothing_tried_a_success():
    """A function of pmfs refuses every pair of samples: no law is shown to hold."""
    found = run("divergences.pmf:js_distance", "--claims", "metric", "--examples", "2")
    assert found.exit_code == 2
    assert "no law could be tried on samples" in found.output
    assert "--on pmf" in found.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere:fn",), "cannot import 'nowhere'"),
        (("math:hypo",), "math has no 'hypo'"),
        (("math:pi",), "math:pi is not a function"),
        (("enrgy",), "did you mean 'energy'"),
        (("math:hypot", "--claims", "metrc"), "no law on samples follows from the claim 'metrc'"),
    ],
)
def test_the_command_refuses_what_it_cannot_find(arguments, message):
    answer = run(*arguments)
    assert answer.exit_code == 2
    assert message in answer.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"library": "jax"}, "library must be one of"),
        ({"dtype": "float16"}, "dtype must be one of"),
        ({"claims": {"metric"}}, "brings its own claims: leave claims out"),
        ({"on": "pmf"}, "leave on out"),
        ({"degree": 3}, "leave degree out"),
        ({"laws": ["zzz"]}, "unknown law 'zzz'; laws.LAWS lists them all"),
    ],
)
def test_a_row_takes_no_word_that_it_does_not_know(options, message):
    with pytest.raises(ValueError, match=message):
        laws.check(dv.METRICS["energy"], **{"laws": ["symmetry"], **options}, examples=2)


def test_one_law_may_be_named_alone():
    found = law_test(lambda p, q: abs(p - q).sum() / 2, claims={"tv"}, on="pmf", laws="symmetry", examples=5)
    found("pmf.symmetry")
