"""
Portraits of the Dirac-GAN
==========================

The smallest GAN there is: data at 0, one generated point at θ, a critic D(x) = ψx (Mescheder, Geiger &
Nowozin 2018). It shows in the plane which training converges. Arrows: where one step of the training loop
leads.
"""

import matplotlib.pyplot as plt

from gan.diagnostics import dirac

games = [
    {"update": "simultaneous"},
    {"update": "alternating"},
    {"update": "extragradient"},
    {"update": "alternating", "regularizer": "r1(1.0)"},
    {"objective": "wgan", "regularizer": "clip(1.0)"},
    {"objective": "wgan-gp", "regularizer": "gradient-penalty(1.0)"},
]
figure, axes = plt.subplots(2, 3, figsize=(7, 4.9), sharex=True, sharey=True)
for axis, game in zip(axes.flat, games, strict=True):
    found = dirac(steps=120, arrows=7, **game)
    axis.quiver(*found.grid.T, *found.arrows.T, color="0.6", angles="xy")
    axis.plot(*found.path.T, color="C0", linewidth=1)
    axis.plot(*found.path[0], "o", color="C1", markersize=5)
    axis.plot(0, 0, "+", color="0.1", markersize=9)
    how = found.update if found.regularizer == "none" else found.regularizer
    axis.set_title(f"{found.objective}, {how}:\n{found.verdict}", fontsize=8)
    axis.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal")
for axis in axes[-1]:
    axis.set_xlabel("θ")
for axis in axes[:, 0]:
    axis.set_ylabel("ψ")
plt.show()

# %%
# The verdicts are eigenvalues of one step at the equilibrium, not impressions:

print(dirac(update="alternating", regularizer="r1(1.0)"))
