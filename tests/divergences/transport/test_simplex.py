"""The network simplex: its tree stays a tree in preorder, its optimum is the linear program's."""

from __future__ import annotations

import numpy as np
import pytest

from divergences.transport import dense
from divergences.transport.problem import Problem, arc_costs
from divergences.transport.simplex import LAST, NEXT, PARENT, POTENTIAL, PREVIOUS, SIZE, Basis


def problem(n: int, m: int, seed: int, *, weighted: bool = True) -> Problem:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + 0.5
    a, b = (rng.uniform(0.5, 1.5, k) if weighted else np.ones(k) for k in (n, m))
    return Problem(x, y, a / a.sum(), b / b.sum(), 2.0, "euclidean")


def pools(given: Problem, rng: np.random.Generator, parts: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Growing pools of arcs, each with those of the north-west-corner plan; the last one has all."""
    ends = np.cumsum(given.a)[:-1], np.cumsum(given.b)[:-1]
    middles = np.sort(np.concatenate([[0.0], *ends])) + 1e-9
    corner = np.searchsorted(ends[0], middles) * given.m + np.searchsorted(ends[1], middles)
    arcs = rng.permutation(given.n * given.m)
    kept = (arcs[: len(arcs) * k // parts] for k in range(1, parts + 1))
    return [np.divmod(np.union1d(corner, arcs), given.m) for arcs in kept]


def check_tree(basis: Basis) -> None:
    """Sizes, ring and last nodes are those of the tree that the parents make."""
    links, root = basis.links, basis.total
    ring = [root]
    while (node := int(links[NEXT, ring[-1]])) != root:
        assert len(ring) <= root
        ring.append(node)
    assert sorted(ring) == list(range(root + 1))
    place = {node: k for k, node in enumerate(ring)}
    below: dict[int, set[int]] = {node: {node} for node in ring}
    for node in reversed(ring[1:]):
        assert place[int(links[PARENT, node])] < place[node]
        below[int(links[PARENT, node])] |= below[node]
    for k, node in enumerate(ring):
        assert links[SIZE, node] == len(below[node])
        stretch = ring[k : k + len(below[node])]
        assert set(stretch) == below[node]
        assert links[LAST, node] == stretch[-1]
        assert links[PREVIOUS, node] == ring[k - 1]


@pytest.mark.parametrize(
    ("n", "m", "weighted"), [(60, 60, False), (60, 60, True), (40, 90, True), (90, 40, False), (1, 7, True)]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_tree_stays_one_and_ends_at_the_optimum(n: int, m: int, weighted: bool, seed: int) -> None:
    given = problem(n, m, seed, weighted=weighted)
    rng = np.random.default_rng(seed)
    grown = pools(given, rng, 5)
    rows, columns = grown[0]
    basis = Basis(given, rows, columns, np.zeros(n + m))
    check_tree(basis)
    for rows, columns in grown:
        costs = arc_costs(given, rows, columns)
        assert basis.improve(rows, columns, costs, 1e-14, None)
        check_tree(basis)
        u, v = basis.potentials()
        assert (costs - u[rows] - v[columns]).min() > -1e-12
    rows, columns, mass = basis.plan()
    np.testing.assert_allclose(np.bincount(rows, mass, n), given.a, rtol=1e-12)
    np.testing.assert_allclose(np.bincount(columns, mass, m), given.b, rtol=1e-12)
    found = float(mass @ arc_costs(given, rows, columns))
    u, v = basis.potentials()
    reference = dense.solve(given)
    best = float(reference.mass @ arc_costs(given, reference.rows, reference.columns))
    assert found == pytest.approx(best, rel=1e-12)
    assert given.a @ u + given.b @ v == pytest.approx(best, rel=1e-12)


def test_potentials_shifted_on_either_side_of_the_tree_agree_with_the_costs() -> None:
    """Only the smaller side of the tree is shifted at a pivot: along its arcs the costs must still be met."""
    given = problem(80, 80, 7)
    rows, columns = pools(given, np.random.default_rng(0), 1)[0]
    basis = Basis(given, rows, columns, np.zeros(160))
    basis.improve(rows, columns, arc_costs(given, rows, columns), 1e-14, None)
    nodes = np.flatnonzero(basis.links[PARENT, :-1] < basis.total)
    parents, potential = basis.links[PARENT, nodes], basis.values[POTENTIAL]
    ends = np.where(nodes < 80, nodes, parents), np.where(nodes < 80, parents, nodes) - 80
    np.testing.assert_allclose(potential[nodes] + potential[parents], arc_costs(given, *ends), atol=1e-12)
