r"""
3. Duality: a divergence is a game
==================================

A convex f is the largest of the lines below it. With its conjugate :math:`f^*(u) = \sup_t (ut - f(t))`,

.. math:: D_f(P \| Q) = \sup_{T} \left( \mathbb{E}_P\, T - \mathbb{E}_Q\, f^*(T) \right),

over all functions T (Nguyen, Wainwright & Jordan 2010). Two things follow. *Any* T gives a lower bound that
only takes averages over samples: no density is needed. And the best is :math:`T = f'(p/q)`: whoever finds
it knows the ratio of the densities.
"""

import matplotlib.pyplot as plt
import numpy as np

import divergences as dv
from divergences import pmf
from divergences.fdivergence import FDIVERGENCES

p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
kl = FDIVERGENCES["kl"]
truth = float(pmf.kl(p, q))


def bound(T):
    return float(p @ T - q @ kl.conjugate(T))


best = kl.derivative(p / q)
rng = np.random.default_rng(0)
others = [bound(best + rng.normal(scale=0.5, size=3)) for _ in range(1000)]
print(
    f"KL {truth:.6f}; the bound at T = f'(p/q) {bound(best):.6f}; the best of 1000 others {max(others):.6f}"
)

# %%
# Transport has the same shape
# ----------------------------
#
# Kantorovich and Rubinstein:
#
# .. math:: W_1(P, Q) = \sup_{\|f\|_{L} \le 1} \left( \mathbb{E}_P f - \mathbb{E}_Q f \right) .
#
# Here the functions are held by their slope. Again any f of slope 1 gives a lower bound, and
# :func:`divergences.transport` returns the best one, as potentials.

x, y = rng.normal(size=(150, 2)), rng.normal([2.0, 0.0], 1.0, size=(150, 2))
answer = dv.transport(x, y)
directions = np.linspace(0, 2 * np.pi, 181)
planes = np.array([np.cos(directions), np.sin(directions)])
tilted = x.mean(0) @ planes - y.mean(0) @ planes
print(f"W1 {float(answer.cost):.6f}, potentials {answer.certificate.lower:.6f}, best plane {max(tilted):.6f}")

figure, axis = plt.subplots()
axis.plot(np.degrees(directions), tilted, label="E f − E f of a plane of slope 1")
axis.axhline(float(answer.cost), color="C1", linestyle="--", label="W1")
axis.set(xlabel="direction of the plane, degrees", xticks=range(0, 361, 90))
axis.legend()
plt.show()

# %%
# A network plays the function
# ----------------------------
#
# In many dimensions the supremum is sought by gradient ascent on a network, the *critic*.
# :func:`divergences.neural_dual` trains one on half of the rows and values it on the other half, so the
# number remains a lower bound in expectation; for W1 the certificate says what the critic missed.

found = dv.neural_dual(x, y, steps=150, rng=0)
print(f"critic {found.value:.3f}; exact W1 of the held-out halves {found.certificate.upper:.3f}")
x, y = rng.normal(size=(600, 2)), rng.normal([2.0, 0.0], 1.0, size=(600, 2))
found = dv.neural_dual(x, y, divergence="kl", steps=100, rng=0)
print(f"KL by a critic {found.value:.3f}; truth {0.5 * 2.0**2:.3f}")

# %%
# One idea, then, behind all that follows: **a divergence is the value of a game in which a critic tries to
# tell x from y.** Which critic is allowed, and what its outputs are worth, says which divergence.
