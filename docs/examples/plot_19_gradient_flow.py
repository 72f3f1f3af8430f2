"""
What a loss does to points: gradient flows
==========================================

Move 150 points down the gradient of a distance to a target. The same start, the same target, four losses:
what a generator would be told by each. All four are plain calls on torch tensors.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import divergences as dv

rng = np.random.default_rng(0)
angle = rng.uniform(0, 2 * np.pi, 150)
circle = 1.5 * np.column_stack([np.cos(angle), np.sin(angle)])
target = torch.tensor(circle + rng.normal(scale=0.1, size=(150, 2)))
start = torch.tensor(rng.normal([4.0, 0.0], 0.25, size=(150, 2)))

losses = {  # and a step size, per row
    "energy": (dv.energy, 0.2),
    "Sinkhorn, ε = 0.1": (lambda x, y: dv.sinkhorn_divergence(x, y, epsilon=0.1, tolerance=1e-3), 0.1),
    "MMD, σ = 0.3": (lambda x, y: dv.squared_mmd(x, y, bandwidth=0.3), 0.1),
    "W2²": (lambda x, y: dv.transport(x, y, p=2).cost, 0.1),
}
figure, axes = plt.subplots(2, 2, figsize=(6.4, 4.2), sharex=True, sharey=True)
for axis, (name, (loss, rate)) in zip(axes.flat, losses.items(), strict=True):
    points = start.clone().requires_grad_()
    path = [start]
    for _ in range(40):
        (gradient,) = torch.autograd.grad(loss(target, points), points)
        points = (points - rate * len(points) * gradient).detach().requires_grad_()
        path.append(points.detach())
    for way in torch.stack(path)[:, ::6].permute(1, 2, 0):
        axis.plot(*way, color="0.75", linewidth=0.6)
    axis.scatter(*target.T, s=5, color="C0")
    axis.scatter(*points.detach().T, s=5, color="C1")
    left = float(dv.wasserstein(target, points.detach()))
    axis.set_title(f"{name}: W1 left {left:.2f}", fontsize=9)
    axis.set(aspect="equal", xlim=(-2.2, 5.2), ylim=(-2.2, 2.2))
plt.show()

# %%
# A narrow kernel does not see a target many bandwidths away: the only force is that of the points on one
# another. Energy and transport pull from any distance, transport hardest where it is farthest.
