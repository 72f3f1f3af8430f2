"""The samples that a command is given: read, held against one another, and named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from divergences._shell import complain, fail, refusals

if TYPE_CHECKING:
    from divergences.readers import Data

__all__ = ["read_all", "remark_on_scale", "short_names"]


def read_all(real: str, *others: str) -> list[Data]:
    """The reference and the others, which must be of its images and columns."""
    from divergences.readers import is_chosen, read

    if sum(name == "-" or name.startswith(("-:", "-[")) for name in (real, *others)) > 1:
        fail("standard input (-) can be read only once; put the other samples in files")
    with refusals():
        x, *rest = (read(name) for name in (real, *others))
        for other in rest:
            if x.image_shape and other.image_shape and x.image_shape != other.image_shape:
                raise ValueError(
                    f"{x.source} holds images of {_size(x.image_shape)}, {other.source} of "
                    f"{_size(other.image_shape)}; resize one of them"
                )
            if not (x.names and other.names) or x.names == other.names:
                continue
            if sorted(x.names) == sorted(other.names):
                raise ValueError(
                    f"{other.source} has the columns of {x.source} in another order; choose the same "
                    f"for both, as in {other.source}:{','.join(x.names)}"
                )
            # who names columns of both may well compare one with another
            if len(x.names) == len(other.names) and not (is_chosen(x.source) and is_chosen(other.source)):
                only = ", ".join(sorted({*x.names} ^ {*other.names})) or "repeated ones"
                raise ValueError(
                    f"{other.source} has other columns than {x.source} (in one of them only: {only}); choose "
                    f"columns of both, as in {other.source}:{other.names[0]}"
                )
    return [x, *rest]


def _size(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def remark_on_scale(x: Data, y: Data) -> None:
    """8-bit images beside a model's pixels in [0, 255] or [−1, 1]: right as asked, hardly as meant."""
    if not (x.image_shape or y.image_shape):
        return
    (low, high), (other_low, other_high) = ((float(a.array.min()), float(a.array.max())) for a in (x, y))
    span = max(high - low, 1e-300)
    if other_low < low - span / 4 or other_high > high + span / 4:
        complain(
            f"note: {x.source} lies in [{low:g}, {high:g}], {y.source} in [{other_low:g}, {other_high:g}]; "
            "are both on one scale?"
        )


def short_names(real: str, model: str) -> tuple[str, str]:
    """The ends of the two paths, from as few folders as tell them apart."""
    parts = Path(real).parts, Path(model).parts
    for count in range(1, max(map(len, parts)) + 1):
        short = tuple(str(Path(*each[-count:])) if each else "." for each in parts)
        if short[0] != short[1]:
            return short[0], short[1]
    return real, model
