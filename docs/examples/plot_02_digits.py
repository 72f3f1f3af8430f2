"""
Energy distance between digits
==============================

Which handwritten digits lie near each other as *sets of images*? The energy distance between every two
classes of scikit-learn's 8 × 8 digits, as a table and as a map.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.manifold import MDS

import divergences as dv

images, labels = load_digits(return_X_y=True)
digits = [images[labels == k] / 16 for k in range(10)]
distances = np.array([[float(dv.energy(a, b)) for b in digits] for a in digits])

pairs = [(distances[i, j], i, j) for i in range(10) for j in range(i)]
for value, i, j in sorted(pairs)[:3] + sorted(pairs)[-3:]:
    print(f"{j} and {i}: {value:.3f}")

# %%
# The root of the energy distance is a metric (between distributions it is a distance in a Hilbert space),
# so the classes can be laid out in a plane that keeps those distances as well as a plane can.

figure, (table, plane) = plt.subplots(1, 2, figsize=(7, 3.2))
image = table.imshow(distances, cmap="Blues")
table.set(xticks=range(10), yticks=range(10), title="energy distance")
table.grid(False)
figure.colorbar(image, ax=table, shrink=0.8)

layout = MDS(metric="precomputed", n_init=4, init="random", random_state=0)
for k, (x, y) in enumerate(layout.fit_transform(np.sqrt(distances))):
    plane.text(x, y, str(k), fontsize=15, ha="center", va="center", color="C0")
plane.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal", title="its root, in a plane")
plt.show()
