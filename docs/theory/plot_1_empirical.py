r"""
1. Samples are a distribution
=============================

All we ever have of P is n rows. They are themselves a distribution, with mass 1/n on each row:

.. math:: \hat P_n = \frac{1}{n} \sum_{i=1}^{n} \delta_{x_i} .

Its expectations are averages, its distribution function a staircase. Everything in this package is a
function of two such distributions :math:`\hat P_n` (the reference, x) and :math:`\hat Q_m` (the model, y).
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

import divergences as dv

grid = np.linspace(-3.5, 3.5, 500)
figure, axes = plt.subplots(1, 3, figsize=(7, 2.4), sharey=True)
for axis, n in zip(axes, [5, 50, 500], strict=True):
    x = np.sort(np.random.default_rng(n).normal(size=n))
    axis.plot(grid, norm.cdf(grid), color="0.3", linestyle=":")
    axis.step(np.r_[-3.5, x, 3.5], np.r_[0, np.arange(1, n + 1) / n, 1], where="post")
    axis.set_title(f"n = {n}")
plt.show()

# %%
# A plug-in value is right about the wrong distribution
# -----------------------------------------------------
#
# Putting :math:`\hat P_n` in the place of P costs something: two samples of the *same* distribution are not
# at distance 0. On the line :math:`W_1(\hat P_n, \hat P'_n)` falls like :math:`n^{-1/2}`; in d dimensions
# like :math:`n^{-1/d}` (Dudley 1969), which is hardly at all. The energy distance falls like 1/n in any
# dimension.


def at_equality(metric, n, d):
    rng = np.random.default_rng([n, d])
    pairs = [(rng.normal(size=(n, d)), rng.normal(size=(n, d))) for _ in range(3)]
    return np.mean([float(metric(x, y)) for x, y in pairs])


sizes = np.array([25, 50, 100, 200, 400])
figure, axes = plt.subplots(1, 2, figsize=(7, 2.9))
for axis, (name, metric) in zip(axes, [("W1", dv.wasserstein), ("energy", dv.energy)], strict=True):
    for d, mark in [(1, "o-"), (4, "s-"), (16, "^-")]:
        values = [at_equality(metric, n, d) for n in sizes]
        slope = np.polyfit(np.log(sizes), np.log(values), 1)[0]
        axis.plot(sizes, values, mark, label=f"d = {d}: falls like n^{slope:.2f}")
    axis.set(xscale="log", yscale="log", xlabel="n", title=f"{name} between two samples of one P")
    axis.legend()
plt.show()

# %%
# So a number without its *floor* says little, which is why :func:`divergences.estimate` measures it. And
# :math:`\mathrm{KL}(\hat P_n \| \hat Q_m)` between two sets without a common row is infinite whatever P and
# Q are: f-divergences need densities, and samples give them only through an estimator (neighbours, a
# histogram, windows, a classifier). That is the ``estimator=`` of :func:`divergences.kl`.

x, y = [0.0, 1.0, 2.0], [0.5, 1.5]
union = np.union1d(x, y)
p, q = (np.isin(union, rows) / len(rows) for rows in (x, y))
print("both as masses on their union:", p.round(2), q.round(2), "KL:", float(dv.pmf.kl(p, q)))
