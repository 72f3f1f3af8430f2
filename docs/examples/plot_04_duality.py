r"""
Two pictures of one W1
======================

On the line :math:`W_1` is the area between the two distribution functions. By duality it is also the
largest :math:`\mathbb{E}_P f - \mathbb{E}_Q f` over functions of slope at most 1. Both from one solved
problem.
"""

import matplotlib.pyplot as plt
import numpy as np

import divergences as dv

rng = np.random.default_rng(1)
x = rng.normal(0.0, 1.0, 80)
y = np.concatenate([rng.normal(-1.5, 0.4, 40), rng.normal(2.5, 0.5, 40)])

answer = dv.transport(x, y)
grid = np.linspace(-4, 4, 801)
potential = answer.potential(grid)
slope = np.abs(np.diff(potential) / np.diff(grid)).max()
by_duality = answer.potential(x).mean() - answer.potential(y).mean()

print(f"area between the distribution functions  {float(dv.wasserstein(x, y)):.10f}")
print(f"E_P f − E_Q f for the optimal f           {by_duality:.10f}")
print(f"steepest slope of f                       {slope:.6f}")

# %%

figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(5.6, 4.4))
below_or_at = [np.searchsorted(np.sort(s), grid, side="right") / len(s) for s in (x, y)]
above.fill_between(grid, *below_or_at, color="0.85", step="post", label="area: W1")
above.step(grid, below_or_at[0], where="post", label="F, of x")
above.step(grid, below_or_at[1], where="post", label="G, of y", linestyle="--")
above.legend()
below.plot(grid, potential, color="C2", label="optimal f, slope ±1")
below.plot(x, np.full_like(x, potential.min() - 0.25), "|", color="C0")
below.plot(y, np.full_like(y, potential.min() - 0.55), "|", color="C1")
below.legend()
plt.show()

# %%
# The critic rises where x has more and falls where y has more. A WGAN trains a network to be this function.
