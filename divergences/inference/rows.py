"""What the functions of this package are called with: rows of METRICS, seeds, sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from divergences._inputs import check_rng
from divergences.registry import METRICS, Metric, complete, parse

__all__ = ["row_of", "seed_of", "sizes", "with_rng"]


def row_of(metric: str | Metric | Callable[..., Any], **options: Any) -> Metric:
    """The row on samples that a spec, a row or a metric's function stands for, with its options bound."""
    if callable(metric) and not isinstance(metric, Metric):
        name = getattr(metric, "__name__", "")
        if name not in METRICS or METRICS[name].function is not metric:
            raise ValueError(
                f"metric must be a row of METRICS; got the function {name or metric!r}, which is none. "
                "Enter yours with @divergences.metric(on='samples', meaning='…')"
            )
        metric = METRICS[name]
    row = complete(parse(metric).with_options(**options))
    if row.on != "samples":
        raise ValueError(f"metric must take samples; {row.name} takes no rows to draw anew. Call it directly")
    return row


def with_rng(row: Metric, rng: Any) -> Metric:
    """The row that draws from ``rng``, if it draws at all and no rng is bound already."""
    draws = "rng" in row.keywords and "rng" not in row.options
    return row.with_options(rng=rng) if draws else row


def seed_of(rng: Any) -> int | None:
    """The seed that repeats the run: the caller's own or a fresh one; a Generator has none."""
    generator = check_rng(rng)
    if rng is None:
        return int(generator.integers(2**32))
    return None if rng is generator else int(rng)


def sizes(x: Any, y: Any) -> dict[str, Any]:
    """n, m and d."""
    shape, other = (tuple(getattr(v, "shape", None) or np.shape(v)) for v in (x, y))
    return {"n": int(shape[0]), "m": int(other[0]), "d": int(shape[1]) if len(shape) > 1 else 1}
