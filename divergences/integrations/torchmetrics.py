"""Any row of METRICS as a ``torchmetrics.Metric``: update, compute, reset, synchronised over processes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from divergences import gaussian
from divergences._arrays import widened
from divergences._features import extracted
from divergences._inputs import check_rng
from divergences.integrations._missing import missing
from divergences.registry import METRICS, Metric, complete, parse
from divergences.results import Estimate, TestResult

try:
    import torch
    import torchmetrics
    from torch import Tensor
    from torchmetrics.utilities import dim_zero_cat
except ImportError as error:
    if error.name not in (None, "torch", "torchmetrics"):
        raise  # what torchmetrics itself lacks, it says better
    raise missing(error.name or "torchmetrics", "torchmetrics") from error

__all__ = ["Divergence"]


class Divergence(torchmetrics.Metric):
    """How far apart are all real and all fake samples seen since the last reset: real first, as everywhere.

    ``metric``: a row of METRICS or its text, such as ``"squared_mmd(bandwidth=1.0)"``. What is kept between
    updates depends on what the metric takes: ``frechet`` and the ``gaussian`` rows keep the number, mean and
    scatter of each side, O(d²) however many rows come (Chan, Golub & LeVeque 1983, eq. 2.1); ``pmf`` rows
    take (b, k) counts, one-hot rows or probabilities and keep their sum, normalised in ``compute``;
    ``estimator='histogram'`` with edges as ``bins`` keeps the number of rows in each cell; all others keep
    the rows. ``features``: a callable or torch module that makes rows (b, d) of a batch, as in
    ``evaluate``. ``rng``: a seed, so that ``compute`` gives one answer however often and on whichever
    process it is called. ``kwargs`` are torchmetrics' own (``compute_on_cpu``, ``process_group``, ...).

    ``compute`` returns a 0-d tensor, or a dictionary of them where the metric has several values. Values
    carry no gradient: as a loss use the function itself. Raises ValueError for bad samples.

    >>> measured = Divergence("energy")
    >>> measured.update(real=torch.tensor([[0.0], [1.0]]), fake=torch.tensor([[5.0]]))
    >>> measured.update(fake=torch.tensor([[6.0]]))
    >>> measured.compute()
    tensor(9.)
    """

    full_state_update = False
    is_differentiable = False

    def __init__(
        self,
        metric: str | Metric = "energy",
        *,
        features: Callable[[Any], Any] | None = None,
        rng: int | None = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dist_sync_fn": gathered, **kwargs})
        self.row = complete(parse(metric))
        self.features = features
        if isinstance(rng, np.random.Generator):
            raise TypeError("rng must be a seed or None: a generator gives another answer at every compute")
        check_rng(rng)
        self.rng = rng
        self.edges = _edges(self.row)
        if self.edges is not None:
            _of_counts(self.row)  # refuses options that no histogram has
        # other states under other names: a MetricCollection lets metrics with equal states share them
        self.kind = "moments" if self.row.on == "gaussian" or self.row.name == "frechet" else self.row.on
        self.kind = self.kind if self.edges is None else "counts"
        for side in ("real", "fake"):
            self.add_state(f"{side}_{self.kind}", default=[], dist_reduce_fx="cat")

    @property
    def higher_is_better(self) -> bool | None:
        """What the registry says of the metric; None where neither is better in itself."""
        return {"lower": False, "higher": True}.get(self.row.better)

    def update(self, real: Any = None, fake: Any = None) -> None:
        """Take a batch of either side or of both: (b, d), or whatever ``features`` takes."""
        for side, batch in (("real", real), ("fake", fake)):
            if batch is not None:
                self._add(side, batch)

    def compute(self) -> Any:
        """The metric between all rows so far, of all processes."""
        real, fake = self._state("real"), self._state("fake")
        row = self.row if self.edges is None else _of_counts(self.row)
        options: dict[str, Any] = {}
        if "rng" in row.keywords and "rng" not in row.options:
            options["rng"] = np.random.default_rng(self.rng)
        if self.kind in ("pmf", "counts"):
            for side, counts in (("real", real), ("fake", fake)):
                if not float(counts.sum()) > 0:
                    raise ValueError(f"{side} must hold a count above 0; all of them are 0")
            value = row(real.sum(0) / real.sum(), fake.sum(0) / fake.sum(), **options)
        elif self.kind == "moments":
            ddof = 1 if row.name == "frechet" else 0
            function = gaussian.frechet if row.name == "frechet" else row
            value = function(*_fitted(real, ddof, "real"), *_fitted(fake, ddof, "fake"), **options)
        else:
            value = row(real, fake, **options)
        return self._told(value)

    def __repr__(self) -> str:
        return f"Divergence({self.row.spec})"

    # ── states ──────────────────────────────────────────────────────────────────────────────

    def _add(self, side: str, batch: Any) -> None:
        if self.features is not None:
            batch = extracted(self.features, batch, side, batch_size=max(len(batch), 1))
        rows = torch.as_tensor(batch, device=self.device).detach()
        rows = rows.reshape(-1, 1) if rows.ndim == 1 and self.kind != "pmf" else rows
        rows = rows.reshape(1, -1) if rows.ndim == 1 else rows
        if rows.ndim != 2:
            raise ValueError(
                f"{side} must be (rows, features); got shape {tuple(rows.shape)}. Flatten each sample, "
                f"{side}.reshape(len({side}), -1), or pass features="
            )
        if rows.numel() == 0:
            return
        kept: list[Tensor] = getattr(self, f"{side}_{self.kind}")
        if self.kind == "samples":
            if kept and kept[0].shape[1] != rows.shape[1]:
                raise ValueError(f"{side} must have as many columns in every batch; got {rows.shape[1]}")
            kept.append(rows)
            return
        wide = widened(rows)[0]
        if not bool(torch.isfinite(wide).all()):
            raise ValueError(f"{side} must be finite; a batch holds NaN or inf. Drop or impute those rows")
        if self.kind == "pmf":
            if bool((wide < 0).any()):
                raise ValueError(f"{side} must hold counts or probabilities, none below 0")
            new = wide.sum(0, keepdim=True)
        elif self.edges is not None:
            new = _counted(wide, self.edges, side)
        else:
            new = _moments(wide)
        if kept and kept[0].shape != new.shape:
            raise ValueError(f"{side} must have as many columns in every batch; got {rows.shape[1]}")
        merge = _merged if self.kind == "moments" else torch.sum
        kept[:] = [merge(torch.cat([*kept, new]), 0, keepdim=True) if kept else new]

    def _state(self, side: str) -> Tensor:
        state = getattr(self, f"{side}_{self.kind}")
        rows = dim_zero_cat(state) if len(state) else torch.empty(0)
        if rows.numel() == 0:
            raise ValueError(f"{side} has no rows yet; call update({side}=...) first")
        return rows

    def _told(self, value: Any) -> Any:
        if isinstance(value, Estimate):
            return self._told(value.value)
        if isinstance(value, TestResult):
            return {"statistic": self._told(value.statistic), "p_value": self._told(value.p_value)}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return {name: self._told(getattr(value, name)) for name in value._fields}
        return torch.as_tensor(value, device=self.device)


# ── counts of cells with given edges ────────────────────────────────────────────────────────


def _edges(row: Metric) -> list[np.ndarray] | None:
    """The edges of each axis, where a row counts cells that do not depend on the samples."""
    bins = row.options.get("bins")
    if row.options.get("estimator") != "histogram" or not isinstance(bins, (list, tuple, np.ndarray)):
        return None
    if len(bins) == 0:
        raise ValueError("bins must be increasing edges, at least two an axis; got none")
    found = [np.asarray(edges, dtype=float) for edges in ([bins] if np.ndim(bins[0]) == 0 else bins)]
    if any(edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all() for edges in found):
        raise ValueError("bins must be increasing edges, at least two an axis")
    return found


def _counted(rows: Tensor, edges: list[np.ndarray], side: str) -> Tensor:
    if rows.shape[1] != len(edges):
        raise ValueError(f"bins must give edges for each of the {rows.shape[1]} features; got {len(edges)}")
    plain = rows.cpu().numpy()
    for k, cuts in enumerate(edges):
        low, high = float(plain[:, k].min()), float(plain[:, k].max())
        if low < cuts[0] or high > cuts[-1]:
            raise ValueError(
                f"bins must cover the samples; feature {k} of {side} spans [{low:g}, {high:g}], beyond the "
                "given edges. Widen them, or clip the samples"
            )
    return rows.new_tensor(np.histogramdd(plain, bins=edges)[0].reshape(1, -1))


def _of_counts(row: Metric) -> Metric:
    """The same divergence between probability vectors."""
    options = {key: value for key, value in row.options.items() if key not in ("estimator", "bins")}
    return METRICS[f"pmf.{row.name}"].with_options(**options)


# ── moments: [number, mean (d,), scatter (d·d,)] as one row ─────────────────────────────────


def _moments(rows: Tensor) -> Tensor:
    mean = rows.mean(0)
    deviations = rows - mean
    return torch.cat([rows.new_tensor([len(rows)]), mean, (deviations.T @ deviations).flatten()])[None]


def _merged(packed: Tensor, _axis: int = 0, keepdim: bool = True) -> Tensor:
    """Rows of moments as one: the law of total covariance, from the first row's mean on."""
    total = packed[0]
    d = _features_of(packed)
    for other in packed[1:]:
        n, m = total[0], other[0]
        delta = other[1 : d + 1] - total[1 : d + 1]
        scatter = total[d + 1 :] + other[d + 1 :] + (n * m / (n + m)) * torch.outer(delta, delta).flatten()
        total = torch.cat([(n + m)[None], total[1 : d + 1] + delta * (m / (n + m)), scatter])
    return total[None]


def _features_of(packed: Tensor) -> int:
    return (math.isqrt(4 * packed.shape[1] - 3) - 1) // 2  # the length is 1 + d + d²


def _fitted(packed: Tensor, ddof: int, side: str) -> tuple[Tensor, Tensor]:
    (total,), d = _merged(packed), _features_of(packed)
    number = float(total[0])
    if number < 1 + ddof:
        raise ValueError(f"{side} must have at least {1 + ddof} rows; got {number:g}. Update with more")
    return total[1 : d + 1], total[d + 1 :].reshape(d, d) / (number - ddof)


# ── several processes ───────────────────────────────────────────────────────────────────────


def gathered(mine: Tensor, group: Any = None) -> list[Tensor]:
    """The rows of every process, in order of rank; one that has seen none adds none.

    torchmetrics' own takes it that all have as many axes and one dtype, which an empty state has not.
    """
    distributed = torch.distributed
    group = group or distributed.group.WORLD
    known: list[Any] = [None] * distributed.get_world_size(group)
    distributed.all_gather_object(known, (tuple(mine.shape), mine.dtype), group=group)
    full = [(shape, dtype) for shape, dtype in known if math.prod(shape)]
    if not full:
        return [mine]
    columns = {shape[1:] for shape, _ in full}
    if len(columns) > 1:
        raise ValueError(f"every process must see as many columns; got {sorted(map(tuple, columns))}")
    dtype = full[0][1]
    longest = max(math.prod(shape) for shape, _ in full)
    padded = torch.zeros(longest, dtype=dtype, device=mine.device)
    padded[: mine.numel()] = mine.flatten().to(dtype)
    parts = [torch.empty_like(padded) for _ in known]
    distributed.all_gather(parts, padded, group=group)
    return [
        part[: math.prod(shape)].reshape(shape)
        for part, (shape, _) in zip(parts, known, strict=True)
        if math.prod(shape)
    ]
