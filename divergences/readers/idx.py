"""MNIST's idx, plain or gzipped: a type, the sizes of the axes, then the numbers."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from divergences.readers.common import ReadError, Table, one_line

__all__ = ["looks_like_idx", "read_idx"]

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def looks_like_idx(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start[:2] == b"\x1f\x8b":
            with gzip.open(path) as file:
                start = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in IDX_TYPES and start[3] > 0


def read_idx(path: Path, name: str, choice: str | None) -> Table:
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ReadError(f"{name}: is damaged or truncated ({one_line(error)})") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES or content[3] == 0:
        raise ReadError(f"{name}: is not an idx file (its first bytes are {content[:4].hex(' ')})")
    dtype, axes = np.dtype(IDX_TYPES[content[2]]), content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise ReadError(f"{name}: is truncated within its header")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", axes, offset=4))
    expected = start + dtype.itemsize * math.prod(shape)
    if len(content) != expected:
        state = "truncated" if len(content) < expected else "damaged"
        raise ReadError(f"{name}: is {state}: shape {shape} takes {expected} bytes, it has {len(content)}")
    return Table(np.frombuffer(content, dtype, offset=start).reshape(shape))
