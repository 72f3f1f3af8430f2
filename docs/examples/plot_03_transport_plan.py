"""
An exact transport plan, with its certificate
=============================================

:func:`~divergences.transport` returns the plan, the dual potentials, and the proof: the value of the
potentials is a lower bound of the cost, that of the plan an upper one. Where they meet, both are optimal.
"""

import matplotlib.pyplot as plt
import numpy as np

import divergences as dv

rng = np.random.default_rng(3)
angle = rng.uniform(0, 2 * np.pi, 60)
x = np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(scale=0.08, size=(60, 2))
y = rng.normal(scale=0.25, size=(80, 2))

answer = dv.transport(x, y, p=2)
lower, upper, gap = answer.certificate.lower, answer.certificate.upper, answer.certificate.gap
print(f"W2² is at least {lower:.12f} and at most {upper:.12f}: known to {gap:.0e}")
print(f"W2 = {float(answer.distance):.6f}, by a plan of {len(answer.plan.masses)} arcs")

# %%
# 60 points go to 80, so masses are split: the thickness of a line is the mass that goes along it.

plan = answer.plan
figure, axis = plt.subplots(figsize=(4.6, 4.4))
for i, j, mass in zip(*plan, strict=True):
    axis.plot(*zip(x[i], y[j], strict=True), color="0.5", linewidth=120 * mass, alpha=0.6, zorder=1)
axis.scatter(*x.T, s=16, color="C0", label="x, 60 points", zorder=2)
axis.scatter(*y.T, s=16, color="C1", label="y, 80 points", zorder=2)
axis.set(aspect="equal")
axis.legend()
plt.show()

# %%
# In torch ``answer.cost`` is differentiable, by the envelope theorem: its gradient is that of the plan held
# still. With ``time_limit=`` the solver may stop early, and the bounds then say how far it came.
