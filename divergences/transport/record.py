"""The answer to a transport problem: value, plan, potentials, and the proof of how exact it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from divergences._arrays import Array
from divergences.results import Certificate

__all__ = ["Plan", "Potentials", "Transport"]


class Plan(NamedTuple):
    """A sparse coupling: ``masses[k]`` goes from row ``rows[k]`` of x to row ``columns[k]`` of y."""

    rows: np.ndarray
    columns: np.ndarray
    masses: np.ndarray

    def dense(self, n: int, m: int) -> np.ndarray:
        """The plan as an (n, m) array: for small problems."""
        out = np.zeros((n, m))
        np.add.at(out, (self.rows, self.columns), self.masses)
        return out


class Potentials(NamedTuple):
    """Feasible dual values, x_i: ``x[i]``, y_j: ``y[j]``; x_i + y_j ≤ c(x_i, y_j) for every pair."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Transport:
    """What ``transport`` found. ``cost`` is W_p^p, ``distance`` W_p; both differentiable in torch.

    ``certificate`` holds proved bounds on the optimal cost, evaluated in float64 on the caller's
    points: ``lower`` from the feasible ``potentials``, ``upper`` from the ``plan``, whose
    marginals are exact to rounding. ``converged`` says that the gap is within the tolerance
    asked for; if not (a time limit), the bounds still hold and ``cost`` is the upper one.
    """

    cost: Any
    distance: Any
    plan: Plan
    potentials: Potentials
    certificate: Certificate
    converged: bool
    rounds: int
    seconds: float
    method: str
    _extend: Callable[[Any], Array] | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        how = "converged" if self.converged else "not converged"
        return (
            f"Transport(cost={float(self.cost):.10g}, distance={float(self.distance):.10g}, "
            f"bounds=[{self.certificate.lower:.10g}, {self.certificate.upper:.10g}], {how}, "
            f"plan of {len(self.plan.masses):,} arcs, {self.method}, {self.seconds:.2g} s)"
        )

    def potential(self, x_new: Any) -> Any:
        """The x-side potential at new points, min_j c(x, y_j) − v_j: the dual as a critic.

        It equals ``potentials.x`` on x itself (where a row has mass), is 1-Lipschitz for p = 1,
        and E_P potential + Σ_j b_j v_j is a lower bound of the cost of any P against y.
        """
        if self._extend is None:
            raise ValueError(
                "the potential of a problem given by a cost matrix has no values away from its rows; "
                "give the cost by name or as a callable"
            )
        return self._extend(x_new)
