"""What a data set is to this package: three parts, and what is known about where they came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Dataset", "Modes", "single"]

DIGITS = 1e-5  # of its size: what float32 keeps a hundred steps of


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

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            rows = np.asarray(getattr(self, part))
            if rows.ndim != 2 or 0 in rows.shape:
                raise ValueError(
                    f"{self.name}: {part} must be (n, d), at least one row and one feature; got shape "
                    f"{rows.shape}" + ("; of a single feature take rows[:, None]" if rows.ndim == 1 else "")
                )
            if rows.shape[1] != self.d:
                raise ValueError(
                    f"{self.name}: {part} must have the {self.d} features of train, has {rows.shape[1]}"
                )
            if self.image_shape and rows.dtype == np.uint8:
                raise ValueError(f"{self.name}: pixels must lie in [0, 1]; divide the bytes of {part} by 255")
            if rows.dtype != np.float32:
                rows = single(rows, f"{self.name}: {part}")
                object.__setattr__(self, part, rows)
            if not np.isfinite(rows).all():
                raise ValueError(f"{self.name}: {part} holds NaN or infinite values; remove those rows")

    @property
    def d(self) -> int:
        return int(np.asarray(self.train).shape[1])


def single(rows: np.ndarray, what: str) -> np.ndarray:
    """``rows`` in float32; refused where they differ only by digits that it does not have."""
    rows = np.asarray(rows)
    if rows.dtype.kind not in "fiub":
        raise ValueError(f"{what} must be numbers, got {rows.dtype}")
    made = rows.astype(np.float32)
    if rows.dtype.itemsize > 4 and len(rows):
        spread = rows.std(axis=0, dtype=np.float64)
        size = np.abs(rows).max(axis=0)
        # what varies by less than float64's own rounding is a constant
        beyond = (spread > 1e-13 * size) & (spread < DIGITS * size)
        if np.isfinite(rows).all() and beyond.any():
            raise ValueError(
                f"{what} is trained on in float32, which loses the differences between values of feature "
                f"{int(np.argmax(beyond))}, small beside their size; subtract its mean first"
            )
    return made
