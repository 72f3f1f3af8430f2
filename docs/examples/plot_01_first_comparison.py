"""
First comparison and report
===========================

Two sets of points that look much alike: the same mean and the same variances, but the model has lost the
correlation. :func:`~divergences.evaluate` asks every measure at once.
"""

import matplotlib.pyplot as plt
import numpy as np

import divergences as dv

rng = np.random.default_rng(0)
reference = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=400)
model = rng.normal(size=(400, 2))

report = dv.evaluate(reference, model, names=("reference", "model"), rng=0)
print(report.text(width=96))

# %%
# The mean and the variance of each feature would have said "the same". Every row above looks at the joint
# distribution. ``report.html("report.html")`` writes the same with pictures, ``report.frame()`` gives a
# table, ``report["energy"].value`` a number.

figure, (left, right) = plt.subplots(1, 2, figsize=(5.6, 2.8))
for axis, samples, name, color in [(left, reference, "reference", "C0"), (right, model, "model", "C1")]:
    axis.scatter(*samples.T, s=5, color=color, alpha=0.6)
    axis.set(title=name, xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal")
plt.show()
