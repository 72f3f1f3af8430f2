"""Looking into a run: is D optimal, does the generator get a gradient, is this an equilibrium?

Each function trains or takes a model and returns a record with numbers, arrays and a sentence (``str``);
``pictures`` draws it. ``gan diagnose`` does both from a shell.

=========================  ============================================================================
``optimal_critic``         a trained D against p/(p + q), its value against −log 4 + 2 JS
``value_along_training``   V + log 4 against 2 JS along a run on the line
``generator_gradients``    the gradient of log(1 − D) against −log D as D is trained to optimality
``lipschitz``              the critic's Lipschitz constant between a lower and a proved upper bound
``duality_gap``            what each player could gain alone: is this a Nash equilibrium?
``dirac``                  the Dirac-GAN under each update rule and regulariser, with eigenvalues
``four_panels``            Goodfellow's figure of D, data and generator from a run, and its film
=========================  ============================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan.diagnostics.equilibrium import DualityGap, duality_gap
    from gan.diagnostics.figure import FourPanels, four_panels
    from gan.diagnostics.games import Dirac, dirac
    from gan.diagnostics.gradients import GradientNorms, generator_gradients
    from gan.diagnostics.optimal import OptimalCritic, ValueCurve, optimal_critic, value_along_training
    from gan.diagnostics.slopes import Lipschitz, lipschitz

__all__ = [
    "Dirac",
    "DualityGap",
    "FourPanels",
    "GradientNorms",
    "Lipschitz",
    "OptimalCritic",
    "ValueCurve",
    "dirac",
    "duality_gap",
    "four_panels",
    "generator_gradients",
    "lipschitz",
    "optimal_critic",
    "value_along_training",
]

_HOMES = {
    "Dirac": "games",
    "DualityGap": "equilibrium",
    "FourPanels": "figure",
    "GradientNorms": "gradients",
    "Lipschitz": "slopes",
    "OptimalCritic": "optimal",
    "ValueCurve": "optimal",
    "dirac": "games",
    "duality_gap": "equilibrium",
    "four_panels": "figure",
    "generator_gradients": "gradients",
    "lipschitz": "slopes",
    "optimal_critic": "optimal",
    "value_along_training": "optimal",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gan.diagnostics' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"gan.diagnostics.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
