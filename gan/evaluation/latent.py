"""Ways through the latent space, along which a sample should change smoothly."""

from __future__ import annotations

import numpy as np
import torch

from gan.model import Model, noise

__all__ = ["interpolate", "ways"]


def ways(first: np.ndarray, last: np.ndarray, steps: int, *, on_sphere: bool) -> np.ndarray:
    """``steps`` points from each row of ``first`` (n, k) to the same of ``last``: (n, steps, k).

    ``on_sphere``: along the great circle, with the length moving geometrically (White 2016). A normal
    vector has length near √k, and the straight way passes where no noise ever lies.

    >>> ways(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 3, on_sphere=True)[0, 1].round(4)
    array([0.7071, 0.7071])
    """
    t = np.linspace(0, 1, steps)[None, :, None]
    first, last = first[:, None], last[:, None]
    straight = (1 - t) * first + t * last
    lengths = np.linalg.norm(first, axis=2, keepdims=True), np.linalg.norm(last, axis=2, keepdims=True)
    if not on_sphere or min(part.min() for part in lengths) == 0:
        return straight
    units = first / lengths[0], last / lengths[1]
    angle = np.arccos(np.clip((units[0] * units[1]).sum(2, keepdims=True), -1, 1))
    sine = np.sin(angle)
    bent = sine > 1e-6  # the same or the opposite direction: there is no one circle
    sine = np.where(bent, sine, 1.0)
    on_circle = (np.sin((1 - t) * angle) * units[0] + np.sin(t * angle) * units[1]) / sine
    return np.where(bent, on_circle * lengths[0] ** (1 - t) * lengths[1] ** t, straight)


def interpolate(
    model: Model, *, rows: int = 6, steps: int = 10, rng: int | list[int] | None = None
) -> np.ndarray:
    """Samples on the way between ``rows`` pairs of noise vectors: (rows, steps, d), in the data's units."""
    z = noise(2 * rows, model.recipe, np.random.default_rng(rng)).numpy()
    path = ways(z[:rows], z[rows:], steps, on_sphere=model.recipe.prior == "normal")
    flat = torch.from_numpy(path.reshape(rows * steps, -1).astype(np.float32))
    return model.decode(flat).reshape(rows, steps, -1)
