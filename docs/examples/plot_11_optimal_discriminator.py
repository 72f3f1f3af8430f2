r"""
The optimal discriminator is p/(p + q)
======================================

A small network trained to tell two densities apart, against Goodfellow's proposition 1: :math:`D^* =
p/(p+q)`, with value :math:`-\log 4 + 2\,\mathrm{JS}(P, Q)`. On the line both are known exactly.
"""

import matplotlib.pyplot as plt

from gan.diagnostics import optimal_critic

short = optimal_critic("mixture", "gaussian(scale=1.5)", steps=20, rate=0.01, batch=512)
trained = optimal_critic("mixture", "gaussian(scale=1.5)", steps=600, rate=0.01, batch=512)
print(trained)

# %%

at = trained.position
figure, axis = plt.subplots(figsize=(5.6, 3.4))
axis.fill_between(at.x, at.p / at.width, alpha=0.25, color="C0", label="p")
axis.fill_between(at.x, at.q / at.width, alpha=0.25, color="C1", label="q")
axis.plot(at.x, at.p / (at.p + at.q), color="0.15", linestyle=":", linewidth=2.5, label="p/(p + q)")
axis.plot(at.x, short.position.discriminator, color="C3", linewidth=1, label="D after 20 steps")
axis.plot(at.x, at.discriminator, color="C2", label="D after 600 steps")
axis.set(xlim=(-5, 5), ylim=(0, 1.02), xlabel="x")
axis.legend(ncols=2)
plt.show()

# %%
# Every discriminator's value is a lower bound of the optimal one, hence of JS:

for name, found in [("20 steps", short), ("600 steps", trained)]:
    print(f"after {name:9s} value {found.value:.4f} of at most {found.bound:.4f}: {found.gap:.4f} short")
