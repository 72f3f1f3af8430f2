"""Distributions on finite supports as samples with repeated rows: a mean over a sample is the expectation."""

from __future__ import annotations

import math

import numpy as np
import torch

ROWS = 400  # of a sample: masses are multiples of 1/400


def finite(rng, k=7):
    """Random p and q on k points: (p, q, sample of P, sample of Q) with exactly those masses."""
    counts = [1 + rng.multinomial(ROWS - k, rng.dirichlet(np.ones(k))) for _ in range(2)]
    samples = [torch.from_numpy(np.repeat(np.arange(k), c)).double()[:, None] for c in counts]
    return counts[0] / ROWS, counts[1] / ROWS, *samples


def table(values):
    """A critic that is a free table of outputs."""
    values = torch.as_tensor(values, dtype=torch.float64)
    return lambda samples: values[samples[:, 0].long()]


def generator_gradient(objective, p, logits):
    """The gradient in Q's logits of the generator's loss, the critic optimal and held fixed."""
    q = torch.softmax(logits, 0)
    log_ratio = torch.log(torch.as_tensor(p) / q).detach()
    v = torch.as_tensor(objective.dual.optimum(log_ratio))
    # a fake batch of one row a point; their mean weighted by q is what sampling would give
    one = torch.zeros(1, 1)
    outputs = [objective.generator_loss(lambda s, at=at: at.expand(len(s)), None, one) for at in v]
    return torch.autograd.grad((q * torch.stack(outputs)).sum(), logits)[0].numpy()


def divergence_gradient(function, logits):
    """The gradient in Q's logits of a function of q."""
    return torch.autograd.grad(function(torch.softmax(logits, 0)), logits)[0].numpy()


def binomial(m, theta):
    """The masses of 0 … m."""
    k = np.arange(m + 1)
    return np.array([math.comb(m, i) for i in k]) * theta**k * (1 - theta) ** (m - k)


def gradient_in_theta(measure, share, theta):
    """Of a measure between a sample of Bernoullis, ``share`` of them 1, and Bernoulli(θ) itself."""
    at = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    points = torch.tensor([0.0, 1.0], dtype=torch.float64)
    real = torch.tensor([1 - share, share], dtype=torch.float64)
    value = measure(points, points, x_weights=real, y_weights=torch.stack([1 - at, at]))
    (gradient,) = torch.autograd.grad(value, at)
    return float(gradient)


def expected_gradient(measure, m, theta_star, theta):
    """Its mean over samples of size m from Bernoulli(θ*), by enumeration."""
    masses, shares = binomial(m, theta_star), np.arange(m + 1) / m
    return sum(
        mass * gradient_in_theta(measure, share, theta) for mass, share in zip(masses, shares, strict=True)
    )
