"""Images: a folder of them, and what an array of three or four axes means as images."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from divergences.readers.common import ReadError, Table, one_line

__all__ = ["as_images", "read_images"]

IMAGES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
CHANNELS = (1, 3, 4)


def read_images(folder: Path, cuts: Sequence[slice]) -> Table:
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGES)
    except OSError as error:
        raise ReadError(f"{folder}: {error.strerror or error}") from None
    if not files:
        raise ReadError(f"{folder}: no images directly in it ({', '.join(IMAGES)})")
    stored = len(files)
    for cut in cuts:
        files = files[cut]
    if not files:
        raise ReadError(f"{folder}: no rows left of {stored}")
    first, kind = _read_image(files[0])
    array = np.empty((len(files), *first.shape), dtype=np.uint8)
    for k, file in enumerate(files):
        array[k], _ = _read_image(file, (files[0], kind))
    return Table(array)


def _read_image(file: Path, like: tuple[Path, str] | None = None) -> tuple[np.ndarray, str]:
    """The pixels and a text of their kind; an image of another kind than ``like`` is refused."""
    try:
        image_module = importlib.import_module("PIL.Image")
    except ImportError:
        raise ReadError(f"{file}: needs Pillow to be read; pip install pillow") from None
    try:
        with image_module.open(file) as image:
            if image.mode == "P":  # numbers in a palette are no colours
                image = image.convert("RGBA" if "transparency" in image.info else "RGB")
            elif image.mode == "1":
                image = image.convert("L")
            kind = f"{image.width}x{image.height} {image.mode}"
            if like is not None and kind != like[1]:
                raise ReadError(
                    f"{file.parent}: images must be of one size and mode; {like[0].name} is {like[1]}, "
                    f"{file.name} is {kind}"
                )
            if image.mode not in ("L", "RGB", "RGBA"):
                raise ReadError(f"{file}: mode {image.mode} is not taken; convert it to L, RGB or RGBA")
            return np.asarray(image), kind
    except ReadError:
        raise
    except Exception as error:  # each decoder of Pillow fails in its own way
        raise ReadError(f"{file}: is damaged or no image ({one_line(error)})") from None


def as_images(array: np.ndarray) -> tuple[np.ndarray, tuple[int, ...] | None]:
    """Channels last, bytes as [0, 1]; and the shape of one image where it is grey or RGB."""
    if array.ndim < 3:
        return array, None
    if array.ndim == 4 and array.shape[1] in CHANNELS and array.shape[3] not in CHANNELS:
        array = np.moveaxis(array, 1, 3)
    if array.dtype == np.uint8:
        array = array / 255.0
    shape = array.shape[1:]
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    return array, shape if len(shape) == 2 or (len(shape) == 3 and shape[2] == 3) else None
