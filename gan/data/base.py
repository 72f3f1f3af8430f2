"""What a data set is to this package: three parts, and what is known about where they came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Dataset", "Modes"]


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """The modes of a mixture: ``centres`` (k, d), the standard deviation ``sigma`` of each, equal weights.

    A sample within ``radius`` sigmas of the nearest centre is of high quality: 3 by the rule of PacGAN.
    """

    centres: np.ndarray
    sigma: float
    radius: float = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Samples in three parts: to train on, to choose settings by, and to report on.

    Each part is float32, ``(n, d)``, in the data's own units. ``image_shape`` is (height, width) or
    (height, width, channels) where each row is such an image, flattened, with pixels in [0, 1].
    ``labels`` are the training labels, if any. ``modes`` and ``log_density`` (points (n, d) → nats)
    are there where the truth is known; ``draw(n, rng)`` then gives fresh samples of it.
    """

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    image_shape: tuple[int, ...] | None = None
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    modes: Modes | None = None
    log_density: Callable[[np.ndarray], np.ndarray] | None = None
    draw: Callable[[int, np.random.Generator], np.ndarray] | None = None

    @property
    def d(self) -> int:
        return int(self.train.shape[1])
