"""
Interval and floor: is this number noise?
=========================================

A distance between two finite samples is above zero even if both come from the same distribution. So
:func:`~divergences.estimate` gives two more numbers: an interval for the true value, and the *floor*, which
is what the same measure makes of two halves of the reference.
"""

import matplotlib.pyplot as plt
import numpy as np

import divergences as dv

found = dv.estimate(
    "energy",
    np.random.default_rng(0).normal(size=(200, 4)),
    np.random.default_rng(1).normal(0.15, 1.0, size=(200, 4)),
    rng=0,
)
print(found)

# %%
# The same model, judged with more and more rows. Below a few hundred the interval reaches down to 0: the
# sample is too small to say that the model is off at all. The interval closes on the true value.

sizes = [50, 100, 200, 400, 800, 1600]
values, lower, upper, floor = [], [], [], []
for n in sizes:
    rng = np.random.default_rng(n)
    one = dv.estimate("energy", rng.normal(size=(n, 4)), rng.normal(0.15, 1.0, size=(n, 4)), rng=0)
    values.append(one.value)
    lower.append(one.interval.lower)
    upper.append(one.interval.upper)
    floor.append(one.null_floor)

figure, axis = plt.subplots()
axis.fill_between(sizes, lower, upper, alpha=0.2, label="95 % interval of the true value")
axis.plot(sizes, values, "o-", label="energy, as computed")
axis.plot(sizes, floor, "s--", color="C1", label="floor: two halves of the reference")
axis.set(xscale="log", xlabel="rows on each side", ylabel="energy distance", xticks=sizes, xticklabels=sizes)
axis.minorticks_off()
axis.legend()
plt.show()
