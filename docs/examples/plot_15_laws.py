"""
Try a distance of your own against the laws
===========================================

You wrote a distance and believe it is a metric, scales like a length, ignores a common shift.
``divergences.laws`` tries such claims on hundreds of nasty cases and shrinks what it finds.
"""

import matplotlib.pyplot as plt
import numpy as np

import divergences as dv
from divergences import laws


def gap_of_medians(x, y):
    """How far apart the medians of the two samples are."""
    return np.abs(np.median(x, axis=0) - np.median(y, axis=0)).sum()


report = laws.check(gap_of_medians, claims={"metric", "translation invariant"}, on="samples", rng=0)
print(report)

# %%
# Everything a metric asks for holds but one thing: 0 must mean "equal", and different samples may share a
# median. That counts: a model trained to this distance could have any spread. The witness that was found,
# drawn:

spread = np.linspace(0.2, 4, 40)
rng = np.random.default_rng(0)
x = rng.normal(size=401)
figure, axis = plt.subplots()
x -= np.median(x)
axis.plot(spread, [gap_of_medians(x, s * x) for s in spread], label="gap of medians")
axis.plot(spread, [float(dv.wasserstein(x, s * x)) for s in spread], "--", label="W1, which is a metric")
axis.set(xlabel="y is x, this many times as wide", ylabel="distance")
axis.legend()
plt.show()

# %%
# From a shell: ``divergences laws my_module:gap_of_medians --claims metric``; in a test suite: ``test_it =
# divergences.testing.law_test(gap_of_medians, claims={"metric"})``. More in :doc:`/laws`.
