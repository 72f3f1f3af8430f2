"""
Which rows carry the distance?
==============================

One number says that something is off; :func:`~divergences.inference.attribution` says where. Shares of the
rows sum to the distance: large ones in x mark what the model leaves out, large ones in y what it makes too
much of.
"""

import matplotlib.pyplot as plt
import numpy as np

import divergences as dv
from divergences.inference import attribution, far_from_data, uncovered_clusters

rng = np.random.default_rng(0)
centres = np.array([[0, 0], [4, 0], [2, 3.5]])
x = np.concatenate([centre + rng.normal(scale=0.6, size=(100, 2)) for centre in centres])
y = np.concatenate([centre + rng.normal(scale=0.6, size=(148, 2)) for centre in centres[:2]])
y = np.concatenate(
    [y, [[7, 3], [7.4, 3.2], [6.8, 3.4], [7.1, 2.6]]]
)  # a mode lost, a few samples gone astray

found = attribution("energy", x, y)
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3), sharex=True, sharey=True)
limit = max(np.abs(found.x).max(), np.abs(found.y).max())
for axis, rows, shares, name in [(left, x, found.x, "x: left out"), (right, y, found.y, "y: too much")]:
    dots = axis.scatter(*rows.T, c=shares, cmap="coolwarm", vmin=-limit, vmax=limit, s=10)
    axis.set_title(name)
figure.colorbar(dots, ax=(left, right), label="share of the energy distance", shrink=0.9)
plt.show()

# %%
# The lost mode is red on the left. Two sharper questions have answers of their own: which clusters of the
# reference does the model not cover, and which of its samples are out of place, each with a p-value?

clusters = uncovered_clusters(x, y, clusters=3, rng=0)
print("uncovered:", clusters.centres[clusters.uncovered].round(1).tolist())
stray = far_from_data(x, y)
print("samples off the data (p < 0.01):", y[stray < 0.01].round(1).tolist())
print(f"energy {float(dv.energy(x, y)):.4f} = sum of shares {found.total:.4f}")
