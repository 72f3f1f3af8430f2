"""
Mode dropping, seen by precision and recall
===========================================

A model that loses one mode after another. KL(P‖Q), which punishes what is left out, and recall both notice;
precision and reverse KL, which look at what the model makes, hardly do.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import divergences as dv

warnings.simplefilter("ignore", dv.DivergenceWarning)  # a KL of 0 may be estimated below 0, and says so
rng = np.random.default_rng(0)
centres = 4 * np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(8) / 8])


def draw(modes, n=640):
    return centres[rng.integers(modes, size=n)] + rng.normal(scale=0.5, size=(n, 2))


x = draw(8)
kept = [8, 7, 6, 5, 4, 3, 2, 1]
models = [draw(k) for k in kept]
scores = [dv.precision_recall(x, y) for y in models]

figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
left.plot(kept, [s.recall for s in scores], "o-", label="recall")
left.plot(kept, [s.coverage for s in scores], "^-", label="coverage")
left.plot(kept, [s.precision for s in scores], "s--", label="precision")
left.set(xlabel="modes the model has", ylim=(0, 1.08))
right.plot(kept, [float(dv.kl(x, y)) for y in models], "o-", label="KL(P‖Q)")
right.plot(kept, [float(dv.reverse_kl(x, y)) for y in models], "s--", label="KL(Q‖P)")
right.plot(kept, [float(dv.energy(x, y)) for y in models], "^-", color="C2", label="energy")
right.set(xlabel="modes the model has")
for axis in (left, right):
    axis.invert_xaxis()
    axis.legend()
plt.show()

# %%
# Reverse KL of a model that has k of 8 modes is log(8/k), however different from the data it may look:

for k, y in zip(kept[::3], models[::3], strict=True):
    print(f"{k} modes: KL(Q‖P) {float(dv.reverse_kl(x, y)):.2f}, log(8/{k}) = {np.log(8 / k):.2f}")
