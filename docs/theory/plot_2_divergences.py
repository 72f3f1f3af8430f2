r"""
2. Three ways to compare distributions
======================================

**By the ratio of densities**: f-divergences, for a convex f with f(1) = 0,

.. math:: D_f(P \| Q) = \int q(x)\, f\!\left(\frac{p(x)}{q(x)}\right) dx .

**By what a set of functions can tell**: integral probability metrics,

.. math:: D_{\mathcal F}(P, Q) = \sup_{f \in \mathcal F} \left( \mathbb{E}_{P} f - \mathbb{E}_{Q} f \right) ,

**By the work of moving mass**: optimal transport, over all couplings of P and Q,

.. math:: W_p^p(P, Q) = \min_{\pi \in \Pi(P, Q)} \mathbb{E}_{(x, y) \sim \pi} |x - y|^p .

All of the first kind that matter are one function of :math:`\log p/q`, so they can be had from probability
vectors:
"""

import matplotlib.pyplot as plt
import numpy as np

import divergences as dv
from divergences import pmf

p, q = [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]
for name in ("kl", "reverse_kl", "js", "tv", "hellinger", "chi2"):
    print(f"{name:11s} {float(getattr(pmf, name)(p, q)):.4f}")

# %%
# The first kind does not know that 3 is near 2: exchange the outcomes in both and nothing changes. The
# third does.
#
# Parallel lines
# --------------
#
# The example that moved the field (Arjovsky, Chintala & Bottou 2017): P is uniform on a segment, Q on the
# same segment θ to the right. For every θ ≠ 0 the two share no point, so KL is infinite, JS is log 2, total
# variation 1; and all are 0 at θ = 0. Only transport says how far it is: :math:`W_1 = |\theta|`.

heights = np.linspace(0, 1, 200)
thetas = np.linspace(-1, 1, 21)


def line(theta):
    return np.column_stack([np.full_like(heights, theta), heights])


w1 = [float(dv.wasserstein(line(0.0), line(t))) for t in thetas]
energy = [float(dv.energy(line(0.0), line(t))) for t in thetas]
cells = np.eye(21)  # all mass in one of 21 strips; that of P is the middle one
js = [float(pmf.js(cells[10], cell)) for cell in cells]
print(
    "W1 at θ = 0.5:", round(w1[15], 12), " JS:", round(js[15], 6), " KL:", float(pmf.kl(cells[10], cells[15]))
)

figure, axis = plt.subplots()
axis.plot(thetas, w1, "o-", markersize=3, label="W1")
axis.plot(thetas, energy, "^-", markersize=3, label="energy")
axis.plot(thetas, js, "s", markersize=4, label="JS")
axis.axhline(np.log(2), color="0.3", linestyle=":", linewidth=1)
axis.set(xlabel="θ")
axis.legend()
plt.show()

# %%
# The slope of a curve is what a model learns from. JS has slope 0 wherever it is defined. That is the whole
# case against it as a loss for distributions that do not overlap, and images do not.
#
# They are not unrelated
# ----------------------
#
# Inequalities run between all of them; the laws of this package try them on thousands of cases
# (:doc:`/laws`). Pinsker's, for one: :math:`2\,\mathrm{TV}^2 \le \mathrm{KL}`.

rng = np.random.default_rng(0)
pairs = rng.dirichlet(np.ones(4), size=(500, 2))
tv, kl = (np.array([float(f(*pair)) for pair in pairs]) for f in (pmf.tv, pmf.kl))
print("500 random pairs, smallest KL − 2 TV²:", f"{(kl - 2 * tv**2).min():.2e}")
