"""The public ``transport``: its record against linear programming, its proof, its gradient, its refusals."""

from __future__ import annotations

import math

import numpy as np
import ot
import pytest
import torch

import divergences as dv
from divergences.transport import dispatch
from divergences.transport.problem import Problem

COSTS = {
    "euclidean": lambda x, y: np.linalg.norm(x[:, None] - y[None], axis=-1),
    "sqeuclidean": lambda x, y: np.sum((x[:, None] - y[None]) ** 2, axis=-1),
    "cityblock": lambda x, y: np.abs(x[:, None] - y[None]).sum(axis=-1),
}


@pytest.fixture
def problem(rng):
    x, y = rng.normal(size=(30, 2)), rng.normal(0.4, 1.3, size=(25, 2))
    return x, y, rng.random(30) + 0.05, rng.random(25) + 0.05


@pytest.fixture(params=["dense", "sparse"])
def either_way(request, monkeypatch):
    """Both families of solvers on the same small problems."""
    if request.param == "sparse":
        monkeypatch.setattr(dispatch, "SMALL", 0)
    return request.param


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("cost", COSTS)
def test_value_plan_and_potentials(problem, either_way, cost, p):
    x, y, a, b = problem
    answer = dv.transport(x, y, p=p, cost=cost, x_weights=a, y_weights=b)
    costs, wa, wb = COSTS[cost](x, y) ** p, a / a.sum(), b / b.sum()
    expected = ot.emd2(wa, wb, costs)
    assert answer.converged
    assert answer.cost == pytest.approx(expected, rel=1e-9)
    assert answer.distance == pytest.approx(expected ** (1 / p), rel=1e-9)
    plan = answer.plan.dense(30, 25)
    np.testing.assert_allclose(plan.sum(axis=1), wa, rtol=1e-12)
    np.testing.assert_allclose(plan.sum(axis=0), wb, rtol=1e-12)
    assert len(answer.plan.masses) <= 30 + 25 + 5  # sparse: a tree, and rounding
    u, v = answer.potentials
    assert np.all(u[:, None] + v[None, :] <= costs + 1e-12 * costs.max())
    assert answer.certificate.lower <= expected * (1 + 1e-12)
    assert answer.certificate.upper >= expected * (1 - 1e-12)
    assert answer.certificate.gap <= 1e-9 * expected


def test_a_matrix_and_a_function_of_your_own(problem):
    x, y, a, b = problem
    costs = COSTS["cityblock"](x, y)
    named = dv.transport(x, y, cost="cityblock", x_weights=a, y_weights=b)
    for cost in (costs, COSTS["cityblock"]):
        answer = dv.transport(x, y, cost=cost, x_weights=a, y_weights=b)
        assert answer.cost == pytest.approx(named.cost, rel=1e-12)
    lower = dv.transport(x, y, cost=costs - 10.0, x_weights=a, y_weights=b)  # any sign
    assert lower.cost == pytest.approx(named.cost - 10.0, rel=1e-9)
    with pytest.raises(ValueError, match="no values away from its rows"):
        lower.potential(x)


def test_the_potential_outlives_its_samples(rng):
    x, y, new = rng.normal(size=(3, 20, 2))
    for make in (np.copy, torch.as_tensor):
        one, other = make(x), make(y.copy())
        answer = dv.transport(one, other)
        before = np.asarray(answer.potential(make(new)))
        other *= 3.0
        np.testing.assert_array_equal(np.asarray(answer.potential(make(new))), before)


def test_the_potential_is_a_critic(problem):
    x, y, *_ = problem
    answer = dv.transport(x, y)
    np.testing.assert_allclose(answer.potential(x), answer.potentials.x, atol=1e-12)
    rng = np.random.default_rng(1)
    new = rng.normal(size=(200, 2)) * 3
    values = answer.potential(new)
    steps = np.abs(values[:, None] - values[None, :])
    assert np.all(steps <= np.linalg.norm(new[:, None] - new[None], axis=-1) + 1e-12)  # 1-Lipschitz
    bound = values.mean() + answer.potentials.y.mean()
    assert bound <= dv.wasserstein(new, y) + 1e-12  # weak duality for new samples
    tensor = torch.tensor(new, requires_grad=True)
    answer.potential(tensor).sum().backward()
    norms = torch.linalg.norm(tensor.grad, dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    with pytest.raises(ValueError, match="x_new must have 2 features"):
        answer.potential(new[:, :1])


def test_units_survive_offset_and_scale(problem):
    x, y, *_ = problem
    answer = dv.transport(x, y, p=2)
    for scale in (2.0**200, 2.0**-200):
        moved = dv.transport(x * scale, y * scale, p=2)
        assert moved.cost == pytest.approx(answer.cost * scale**2, rel=1e-12)
        assert moved.certificate.upper == pytest.approx(answer.cost * scale**2, rel=1e-12)
        np.testing.assert_allclose(moved.potentials.x, answer.potentials.x * scale**2, rtol=1e-9)
    far = dv.transport(x + 1e8, y + 1e8, p=2)
    assert far.cost == pytest.approx(answer.cost, rel=1e-6)
    np.testing.assert_allclose(far.potential(x + 1e8), far.potentials.x, atol=1e-9)


def test_rows_without_mass_have_potentials_too(problem, either_way):
    x, y, a, b = problem
    a, b = a.copy(), b.copy()
    a[::2], b[1::2] = 0.0, 0.0
    answer = dv.transport(x, y, p=2, x_weights=a, y_weights=b)
    kept = dv.transport(x[1::2], y[::2], p=2, x_weights=a[1::2], y_weights=b[::2])
    assert answer.cost == pytest.approx(kept.cost, rel=1e-12)
    assert set(answer.plan.rows) <= set(range(1, 30, 2))
    u, v = answer.potentials
    assert np.all(u[:, None] + v[None, :] <= COSTS["sqeuclidean"](x, y) + 1e-11)


@pytest.mark.parametrize("cost", ["euclidean", "cityblock"])
@pytest.mark.parametrize("p", [1.0, 2.0, 2.5])
def test_gradients_in_points_and_weights(problem, cost, p):
    inputs = [torch.tensor(v[:6], requires_grad=True) for v in problem]

    def distance(x, y, a, b):
        return dv.transport(x, y, p=p, cost=cost, x_weights=a, y_weights=b).distance

    assert torch.autograd.gradcheck(distance, inputs, atol=1e-6, rtol=1e-4)


def test_the_gradient_in_a_cost_matrix_is_the_plan(problem):
    x, y, *_ = problem
    costs = torch.tensor(COSTS["euclidean"](x, y), requires_grad=True)
    answer = dv.transport(torch.tensor(x), torch.tensor(y), cost=costs)
    answer.cost.backward()
    np.testing.assert_allclose(costs.grad.numpy(), answer.plan.dense(30, 25), atol=1e-15)


def test_coinciding_points_have_finite_gradients(rng):
    x = torch.tensor(rng.normal(size=(8, 2)), requires_grad=True)
    dv.transport(x, x.detach()[:5], p=1).distance.backward()
    assert bool(torch.isfinite(x.grad).all())


def test_a_time_limit_leaves_valid_bounds(rng, monkeypatch):
    monkeypatch.setattr(dispatch, "SMALL", 0)
    x, y = rng.normal(size=(1500, 2)), rng.normal(0.5, 1.0, size=(1500, 2))
    exact = dv.transport(x, y, p=2)
    hurried = dv.transport(x, y, p=2, time_limit=1e-3)
    assert exact.converged
    assert hurried.certificate.lower <= exact.cost <= hurried.certificate.upper * (1 + 1e-12)
    assert hurried.converged == (hurried.certificate.gap <= 1e-9 * hurried.certificate.upper)
    assert hurried.cost == pytest.approx(hurried.certificate.upper, rel=1e-12)


def test_the_sparse_way_agrees_with_the_dense_one(rng, monkeypatch):
    for d in (2, 20):
        x, y = rng.normal(size=(300, d)), rng.normal(0.3, 1.1, size=(260, d))
        dense = dv.transport(x, y, p=2)
        with monkeypatch.context() as patch:
            patch.setattr(dispatch, "SMALL", 0)
            sparse = dv.transport(x, y, p=2)
        assert (dense.method, sparse.method) == ("network simplex", "column generation")
        assert sparse.cost == pytest.approx(dense.cost, rel=1e-9)


def test_an_unproved_answer_is_told_and_a_size_beyond_float64_refused(problem, monkeypatch):
    x, y, *_ = problem
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "_proved", lambda certificate, tolerance: False)
        with pytest.warns(dv.DivergenceWarning, match="stopped with a relative duality gap"):
            assert not dv.transport(x, y).converged
    with pytest.raises(ValueError, match="beyond the range of float64"):
        dv.transport(x * 1e200, y * 1e200, p=2)


def test_uniform_means_equal_masses():
    square = Problem(np.zeros((2, 1)), np.zeros((2, 1)), np.full(2, 0.5), np.full(2, 0.5))
    assert square.uniform
    assert not Problem(np.zeros((2, 1)), np.zeros((2, 1)), np.array([0.4, 0.6]), np.full(2, 0.5)).uniform


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 0.5}, "p must be finite and at least 1"),
        ({"cost": "manhattan"}, "cost must be one of"),
        ({"cost": np.ones((3, 3))}, r"cost must be one number for each pair of rows, shape \(30, 25\)"),
        ({"cost": np.full((30, 25), math.nan)}, "cost must be finite"),
        ({"cost": np.ones((30, 25)), "p": 2}, "raise your cost to the power 2 yourself"),
        ({"tolerance": 0.0}, "tolerance must be finite and above 0"),
        ({"time_limit": -1.0}, "time_limit must be finite and above 0"),
    ],
)
def test_refusals(problem, options, message):
    with pytest.raises(ValueError, match=message):
        dv.transport(problem[0], problem[1], **options)


def test_the_record_prints_in_a_line(rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 2))
    shown = repr(dv.transport(x, x + 1.0, p=2))
    assert shown.startswith("Transport(cost=2, distance=1.414213562, bounds=[")
    assert "converged, plan of 300 arcs, network simplex" in shown
    assert "array" not in shown
