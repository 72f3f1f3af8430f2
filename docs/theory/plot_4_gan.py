r"""
4. GANs: minimise what the critic maximises
===========================================

Let the critic output a probability D(x) that x is real, and pay it the log-likelihood of being right:

.. math:: V(D, G) = \mathbb{E}_{x \sim P} \log D(x) + \mathbb{E}_{z} \log\left(1 - D(G(z))\right) .

For a generator that makes Q, the best discriminator and its value are (Goodfellow et al. 2014, proposition
1 and theorem 1)

.. math:: D^* = \frac{p}{p + q}, \qquad \max_D V = -\log 4 + 2\, \mathrm{JS}(P, Q) .

So the generator that minimises :math:`\max_D V` minimises the Jensen–Shannon divergence. Both, executed:
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import gan
from divergences import pmf

p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
D = p / (p + q)
print("V(D*)          ", p @ np.log(D) + q @ np.log(1 - D))
print("−log 4 + 2 JS  ", -np.log(4) + 2 * float(pmf.js(p, q)))

# %%
# Saturation
# ----------
#
# Let P = N(0, 1) and Q = N(θ, 1), and D the optimal one for that θ, held still. What gradient does the
# generator get in θ? From :math:`\log(1 - D)`, less and less as θ grows: D is sure, and its logarithm flat.
# From :math:`-\log D`, the *non-saturating* loss, more and more: in fact it descends
# :math:`\mathrm{KL}(Q\|P) - 2\,\mathrm{JS}(P, Q)` (Arjovsky & Bottou 2017, theorem 2.5). From W1: exactly
# 1.

z = torch.linspace(-6, 6, 4001, dtype=torch.float64)
weight = torch.exp(-(z**2) / 2)
weight = weight / weight.sum()


def gradients(theta):
    """Of both losses in θ, with D the optimum at this θ: log D/(1 − D) = (θ² − 2θx)/2."""
    shift = torch.tensor(theta, requires_grad=True, dtype=torch.float64)
    logit = (theta**2 - 2 * theta * (z + shift)) / 2
    saturating = weight @ torch.nn.functional.logsigmoid(-logit)
    non_saturating = -weight @ torch.nn.functional.logsigmoid(logit)
    losses = (saturating, non_saturating)
    return [abs(float(torch.autograd.grad(loss, shift, retain_graph=True)[0])) for loss in losses]


thetas = np.linspace(0.1, 8, 60)
both = np.array([gradients(t) for t in thetas])
figure, axis = plt.subplots()
axis.plot(thetas, both[:, 0], label="log(1 − D)")
axis.plot(thetas, both[:, 1], label="−log D")
axis.axhline(1, color="C2", label="W1")
axis.set(yscale="log", xlabel="θ, the distance between data and model", ylabel="|gradient|")
axis.legend()
plt.show()

# %%
# A game is not a descent
# -----------------------
#
# Two players with gradients of their own need not settle where the theory says. The smallest example is
# :doc:`the Dirac-GAN <../auto_examples/plot_13_dirac>`: plain steps go round in circles or outwards, a
# penalty on D's slope at the data makes them converge. A whole run on the line, from a real training loop,
# is in :doc:`/diagnostics`; a minimal one is three lines:

model = gan.train(gan.RECIPES["ring"].but(iterations=40, batch=128), progress=False)
print("after 40 iterations:", model.sample(3, rng=0).round(2).tolist())
