"""The panel of estimators: scatter against fresh samples, whom it trusts, what it says of the others."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import divergences as dv
from divergences.inference import compare_estimators


def shifted(n: int, d: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(n, d))
    y[:, 0] += shift
    return x, y


@pytest.mark.parametrize("estimator", ["knn", "histogram"])
def test_the_scatter_is_that_of_fresh_samples(estimator: str) -> None:
    values, errors = [], []
    for seed in range(60):
        found = compare_estimators(*shifted(300, 1, 1.0, seed), estimators=[estimator], rng=seed)
        values.append(float(found))
        errors.append(found.estimates[estimator].standard_error)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values, ddof=1), rel=0.3)


def test_five_estimators_meet_on_the_line() -> None:
    x, y = shifted(800, 1, 1.0, 0)
    found = compare_estimators(x, y, rng=0)
    assert set(found.estimates) == {"knn", "histogram", "parzen", "classifier", "variational"}
    assert found.trusted == "histogram"
    assert not found.disagree
    assert "all agree within their errors" in found.notes
    for each in found.estimates.values():
        assert each.interval is not None
        assert each.interval.lower - 0.1 < 0.5 < each.interval.upper + 0.1
    knn = found.estimates["knn"]
    assert knn.value == pytest.approx(float(dv.kl(x, y)))
    assert float(found) == found.estimates["histogram"].value
    lines = str(found).splitlines()
    assert lines[0] == "kl by 5 estimators"
    assert sum(line.startswith("* ") for line in lines) == 1


def test_neighbours_that_come_out_low_are_not_trusted() -> None:
    """KL = 4.5 nats in four dimensions: neighbours give about 3."""
    found = compare_estimators(*shifted(1000, 4, 3.0, 0), estimators=["knn", "classifier"], rng=0)
    assert found.trusted == "classifier"
    assert found.disagree == ("knn",)
    assert any(note.startswith("knn lies below it") and "far apart" in note for note in found.notes)
    assert float(found) == pytest.approx(4.5, rel=0.25)


def test_in_few_dimensions_neighbours_are_trusted_beyond_eight_the_classifier() -> None:
    near = compare_estimators(*shifted(400, 3, 0.5, 1), estimators=["knn", "classifier"], rng=0)
    assert near.trusted == "knn"
    far = compare_estimators(*shifted(400, 9, 0.5, 1), estimators=["knn", "classifier"], rng=0)
    assert far.trusted == "classifier"
    alone = compare_estimators(*shifted(100, 9, 0.5, 1), estimators=["knn"], rng=0)
    assert alone.trusted == "knn"
    assert "is not at hand" in alone.notes[0]


def test_a_classifier_that_wants_more_rows_yields_to_the_bound_from_below() -> None:
    three = ["knn", "classifier", "variational"]
    found = compare_estimators(*shifted(400, 16, 0.5, 0), estimators=three, rng=0)
    assert found.trusted == "variational"
    assert float(found) < 0.125 + 2 * found.estimates["variational"].standard_error  # the true value
    assert "bound from below" in found.notes[0]


def test_atoms_are_counted_and_infinity_is_told() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(4, size=(2, 400))
    found = compare_estimators(x, y, estimators=["knn", "histogram"], rng=0)
    assert found.trusted == "histogram"
    assert "repeat others" in found.notes[0]
    beyond = compare_estimators(x + 1, y, estimators=["knn", "histogram"], rng=0)
    assert beyond.estimates["histogram"].value == math.inf
    assert beyond.trusted == "knn"
    assert beyond.disagree == ("histogram",)
    assert any("infinite" in note for note in beyond.notes)


def test_what_cannot_be_had_is_told_or_refused() -> None:
    x, y = shifted(64, 5, 1.0, 0)
    found = compare_estimators(x, y, "js", halvings=3, rng=0)
    assert "histogram" in found.refused
    assert "1 to 3 features" in found.refused["histogram"]
    assert "–" in str(found)
    with pytest.raises(ValueError, match="1 to 3 features"):
        compare_estimators(x, y, estimators=["histogram"])
    with pytest.raises(ValueError, match=r"estimators must be one of .*did you mean 'knn'"):
        compare_estimators(x, y, estimators=["knnn"])
    with pytest.raises(ValueError, match="divergence must be one of"):
        compare_estimators(x, y, "energy")
    with pytest.raises(ValueError, match="at least one"):
        compare_estimators(x, y, estimators=[])
    with pytest.raises(ValueError, match="confidence must be below 1"):
        compare_estimators(x, y, confidence=1.5)
    with pytest.raises(ValueError, match="32"):
        compare_estimators(x[:20], y)


def test_a_value_that_still_moves_is_called_rough() -> None:
    """P = Q: what is left of a value that is never negative falls with n."""
    found = compare_estimators(*shifted(400, 3, 0.0, 3), "js", estimators=["knn", "classifier"], rng=0)
    assert found.trusted == "knn"
    assert any("not settled" in note and "knn" in note for note in found.notes)
    assert any("rough" in note for note in found.notes)


def test_repeats_with_its_seed_in_either_library_and_as_json() -> None:
    x, y = shifted(100, 2, 1.0, 0)
    names = ["knn", "parzen", "classifier"]
    found = compare_estimators(x, y, estimators=names)
    seed = found.estimates["knn"].seed
    again = compare_estimators(torch.tensor(x), torch.tensor(y), estimators=names, rng=seed)
    assert again == found
    data = json.loads(json.dumps(found.to_dict()))
    assert data["trusted"] == found.trusted
    assert data["estimates"]["knn"]["value"] == found.estimates["knn"].value


def test_an_estimate_without_scatter_neither_agrees_nor_contradicts() -> None:
    from divergences.inference.estimators import _compared, _notes

    known = {
        "knn": dv.Estimate(1.0, standard_error=0.1),
        "histogram": dv.Estimate(5.0),
        "parzen": dv.Estimate(math.inf),
        "classifier": dv.Estimate(1.1, standard_error=0.1),
    }
    agree, disagree = _compared(known, "knn")
    assert (agree, disagree) == (("classifier",), ("parzen",))
    notes = _notes({k: v for k, v in known.items() if k != "parzen"}, (), "knn", "why", ())
    assert "without scatter, neither agreeing nor contradicting: histogram" in notes
    assert "all others agree within their errors" in notes
