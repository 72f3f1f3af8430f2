"""Every check of user input, in one voice. Kernels never check.

``check_pair`` turns what a user brings into a ``Pair``; refusals are ``ValueError`` or
``TypeError`` that name the argument, what is required, what came, and how to mend it.
"""

from __future__ import annotations

from divergences._inputs.arrays import check_same_library
from divergences._inputs.frame import common_frame, divided, dtype_name, power_of_two, restored, scalar
from divergences._inputs.gaussians import Gaussians, check_gaussian, check_gaussians
from divergences._inputs.masses import check_masses, check_pmf, check_pmfs
from divergences._inputs.options import (
    check_confidence,
    check_integer,
    check_option,
    check_positive,
    check_rng,
)
from divergences._inputs.pair import Pair, check_pair
from divergences._inputs.samples import check_cost, check_proportion, check_samples, check_weights
from divergences._inputs.sources import check_rows, checked_blocks
from divergences._inputs.tables import as_plain, check_columns, plain_samples
from divergences._inputs.warning import DivergenceWarning, warn

__all__ = [
    "DivergenceWarning",
    "Gaussians",
    "Pair",
    "as_plain",
    "check_columns",
    "check_confidence",
    "check_cost",
    "check_gaussian",
    "check_gaussians",
    "check_integer",
    "check_masses",
    "check_option",
    "check_pair",
    "check_pmf",
    "check_pmfs",
    "check_positive",
    "check_proportion",
    "check_rng",
    "check_rows",
    "check_same_library",
    "check_samples",
    "check_weights",
    "checked_blocks",
    "common_frame",
    "divided",
    "dtype_name",
    "plain_samples",
    "power_of_two",
    "restored",
    "scalar",
    "warn",
]
