"""How far apart are two sets of samples, and how sure are you?

Reference first, model second: ``dv.energy(x, y)``. Samples are (n, d) and (m, d); top-level names
take samples, ``dv.pmf`` takes probability vectors, ``dv.gaussian`` takes means and covariances.
Everything runs on NumPy arrays and on torch tensors, where it is differentiable.
"""

from __future__ import annotations

from typing import Any

from divergences import gaussian, pmf
from divergences._inputs import DivergenceWarning
from divergences.classifier import classifier_two_sample
from divergences.critic.neural import neural_dual
from divergences.density_ratio import chi2, f_divergence, hellinger, js, kl, renyi, reverse_kl, tv
from divergences.evaluate import Report, evaluate
from divergences.fdivergence import FDivergence
from divergences.frechet import frechet
from divergences.inference import compare_models, estimate, two_sample_test
from divergences.kernels import cramer, energy, kid, squared_mmd
from divergences.neighbors import PrecisionRecall, precision_recall
from divergences.parzen import Parzen, parzen_log_likelihood
from divergences.registry import METRICS, Metric, metric, parse
from divergences.results import Certificate, Estimate, Interval, TestResult
from divergences.sinkhorn import sinkhorn_divergence
from divergences.transport.exact import transport
from divergences.transport.record import Transport
from divergences.wasserstein import max_sliced_wasserstein, sliced_wasserstein, wasserstein

__all__ = [
    "METRICS",
    "Certificate",
    "DivergenceWarning",
    "Estimate",
    "FDivergence",
    "Interval",
    "Metric",
    "Parzen",
    "PrecisionRecall",
    "Report",
    "TestResult",
    "Transport",
    "chi2",
    "classifier_two_sample",
    "compare_models",
    "cramer",
    "energy",
    "estimate",
    "evaluate",
    "f_divergence",
    "frechet",
    "gaussian",
    "hellinger",
    "js",
    "kid",
    "kl",
    "laws",
    "max_sliced_wasserstein",
    "metric",
    "neural_dual",
    "parse",
    "parzen_log_likelihood",
    "pmf",
    "precision_recall",
    "renyi",
    "reverse_kl",
    "sinkhorn_divergence",
    "sliced_wasserstein",
    "squared_mmd",
    "testing",
    "transport",
    "tv",
    "two_sample_test",
    "wasserstein",
]


def __getattr__(name: str) -> Any:
    if name in ("laws", "testing"):  # on first use: the one is for checking, the other needs hypothesis
        from importlib import import_module

        return import_module(f"divergences.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("divergences")
    raise AttributeError(f"module 'divergences' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
