r"""
Sinkhorn divergence: from transport to MMD
==========================================

:math:`S_\varepsilon` is entropic transport with its bias taken off: 0 at P = Q, :math:`W_2^2` as ε → 0, and
for large ε the squared distance of the means (the MMD of the cost). In between it needs fewer rows than
:math:`W_2` does.
"""

import matplotlib.pyplot as plt
import numpy as np

import divergences as dv

rng = np.random.default_rng(0)
x, y = rng.normal(size=(100, 2)), rng.normal([1.0, 0.0], [1.5, 0.7], size=(100, 2))

exact = float(dv.wasserstein(x, y, p=2)) ** 2
means = float(((x.mean(0) - y.mean(0)) ** 2).sum())
epsilons = np.geomspace(0.1, 200, 11)
debiased = [float(dv.sinkhorn_divergence(x, y, epsilon=e)) for e in epsilons]

figure, axis = plt.subplots()
axis.plot(epsilons, debiased, "o-", label="$S_ε$, debiased")
axis.axhline(exact, color="0.25", linestyle="--", label="$W_2^2$, exact")
axis.axhline(means, color="0.25", linestyle=":", label="squared distance of the means")
axis.set(xscale="log", xlabel="ε, in the unit of the cost", ylabel="value")
axis.legend()
plt.show()

# %%
# Entropic transport alone charges x for being blurred even where x = y. The two self-terms take that off, so
# that nothing is left at equality:

own = float(dv.sinkhorn_divergence(x, x, epsilon=1.0))
print(f"S_ε(x, x) = {own:g}, as exact transport: {float(dv.transport(x, x, p=2).cost):g}")
