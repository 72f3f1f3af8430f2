"""The records that travel with a value: how they read, and that they become plain JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from divergences.results import Certificate, Estimate, Interval, TestResult


def test_an_estimate_becomes_plain_numbers_with_the_gap_of_its_certificate():
    estimate = Estimate(
        np.float32(0.5),
        interval=Interval(np.float64(0.25), 0.75, confidence=0.9),
        certificate=Certificate(np.float32(0.25), np.float64(1.0)),
        notes=("biased",),
        n=np.int64(3),
        seed=2**70,
    )
    assert estimate.to_dict() == {
        "value": 0.5,
        "interval": {"lower": 0.25, "upper": 0.75, "confidence": 0.9},
        "standard_error": None,
        "certificate": {"lower": 0.25, "upper": 1.0, "gap": 0.75},
        "null_floor": None,
        "notes": ["biased"],
        "n": 3,
        "m": None,
        "d": None,
        "seed": 2**70,
        "bias": None,
        "extrapolated": None,
        "method": None,
        "metric": None,
        "convention": None,
        "warnings": [],
    }
    assert Estimate.from_dict(json.loads(json.dumps(estimate.to_dict()))) == estimate
    assert json.loads(json.dumps(estimate.to_dict())) == estimate.to_dict()
    assert type(estimate.to_dict()["value"]) is float
    assert type(estimate.to_dict()["n"]) is int


def test_a_tensor_in_a_graph_becomes_a_number():
    value = torch.tensor(2.0, requires_grad=True) * 2
    assert Estimate(value).to_dict()["value"] == 4.0


def test_a_test_becomes_plain_numbers():
    result = TestResult(np.float32(0.5), np.float64(0.25), 0, 1, notes=("few",), n=4, m=5)
    assert result.to_dict() == {
        "statistic": 0.5, "p_value": 0.25, "null_mean": 0, "null_standard_deviation": 1,
        "notes": ["few"], "n": 4, "m": 5, "metric": None, "method": None, "permutations": None,
        "seed": None, "adjusted_p_value": None, "components": [],
    }  # fmt: skip
    json.dumps(result.to_dict())


def test_a_test_comes_back_from_json():
    part = TestResult(0.5, 0.25, 0.0, 1.0, metric="energy", adjusted_p_value=0.5)
    result = TestResult(2.0, 0.25, 0.0, 1.0, notes=("few",), n=4, m=5, seed=2, components=(part, part))
    assert TestResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    with pytest.raises(ValueError, match="has no field 'statistics'"):
        TestResult.from_dict({"statistics": 1.0})


def test_how_they_read():
    assert str(Estimate(1.5, Interval(1, 2), 0.25)) == "1.5 ± 0.25 [1, 2] (95 %)"
    assert str(Estimate(1.5)) == "1.5"
    floored = Estimate(1.5, null_floor=0.25, bias=0.125, extrapolated=1.375)
    assert str(floored) == "1.5; without bias 1.375; floor 0.25"
    assert str(TestResult(0.7, 0.04, 0.5, 0.1)) == "0.7 (p = 0.04; null 0.5 ± 0.1)"
    assert (float(Estimate(1.5)), float(TestResult(0.7, 0.04, 0.5, 0.1))) == (1.5, 0.7)
    assert (1.0 in Interval(1, 2), 2.5 in Interval(1, 2)) == (True, False)
    assert Certificate(1.0, 1.5).gap == pytest.approx(0.5)
