r"""
The family of f-divergences
===========================

:math:`D_f(P \| Q) = \int q\, f(p/q)`, for one convex f with f(1) = 0 each. Where f is steep says which
errors a divergence minds: f at large ratios is the price of what the model *leaves out*, f near 0 the price
of what it *adds*.
"""

import matplotlib.pyplot as plt
import numpy as np

from divergences import FDivergence, pmf
from divergences.fdivergence import FDIVERGENCES

names = ["kl", "reverse_kl", "js", "tv", "squared_hellinger", "chi2"]
ratio = np.geomspace(0.02, 4, 300)

figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.2))
for name in names:
    left.plot(ratio, FDIVERGENCES[name].f(ratio), label=name)
left.set(xlabel="p/q", ylabel="f(p/q)", ylim=(-0.1, 3), title="the function")

cells = np.linspace(-10, 14, 4001)
standard = np.exp(-(cells**2) / 2)
shifts = np.linspace(0.05, 3.5, 60)
for name in names:
    values = [
        float(pmf.f_divergence(standard / standard.sum(), q / q.sum(), name))
        for q in (np.exp(-((cells - shift) ** 2) / 2) for shift in shifts)
    ]
    right.plot(shifts, values)
right.set(xlabel="shift of a unit Gaussian", ylim=(0, 3), title="the value")
figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# JS, total variation and Hellinger are bounded: once the two are apart they hardly change, so their
# gradient is of no help there. KL and χ² grow on, without bound. One of your own is one line:

quartic = FDivergence("quartic", lambda t: (t - 1) ** 4)
print(float(pmf.f_divergence([0.5, 0.5], [0.25, 0.75], quartic)))
