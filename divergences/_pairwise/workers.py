"""Blocks of rows over the workers that joblib has been told of; by default there is one, this thread.

``joblib.parallel_config`` decides: ``n_jobs=4`` for threads, ``backend="dask"`` for a cluster. The
blocks and the order in which their results are added do not depend on it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from divergences._progress import Bar

__all__ = ["shares_memory", "spread"]

PATIENCE = 3  # times that blocks are handed out again because a worker died


def spread(
    function: Callable[..., Any],
    parts: Sequence[Any],
    arguments: tuple[Any, ...],
    *,
    label: str | None = None,
) -> Iterator[Any]:
    """``function(part, *arguments)`` of each part, in their order.

    ``arguments`` are sent to each process once. Work that a worker takes with it when it dies is done
    again by the others. ``label`` shows a progress bar.
    """
    silent = contextlib.nullcontext(None)
    with silent if label is None else Bar(len(parts), label=label) as bar:
        for value in _results(function, parts, arguments):
            yield value
            if bar is not None:
                bar.advance()


def shares_memory() -> bool:
    """Whether the workers see this process's memory."""
    joblib = sys.modules.get("joblib")  # not loaded: nobody can have asked for workers
    if joblib is None:
        return True
    return bool(getattr(_backend(joblib), "supports_sharedmem", False)) or _jobs(joblib) == 1


def _backend(joblib: Any) -> Any:
    return joblib.parallel.get_active_backend(prefer="threads")[0]


def _jobs(joblib: Any) -> int:
    return int(joblib.effective_n_jobs(None))


def _results(function: Callable[..., Any], parts: Sequence[Any], arguments: tuple[Any, ...]) -> Iterator[Any]:
    joblib = sys.modules.get("joblib")
    if joblib is None or len(parts) == 1 or _jobs(joblib) == 1:
        yield from (function(part, *arguments) for part in parts)
        return
    backend = _backend(joblib)
    how = "generator" if getattr(backend, "supports_return_generator", False) else "list"
    done = 0
    for attempt in range(PATIENCE + 1):
        try:
            with _one_blas_thread(backend):
                tasks = (joblib.delayed(function)(part, *arguments) for part in parts[done:])
                # named again: told to prefer threads, joblib forgets an n_jobs that came without a backend
                workers = joblib.Parallel(n_jobs=_jobs(joblib), prefer="threads", return_as=how)
                for value in workers(tasks):
                    yield value
                    done += 1
            return
        except Exception as error:
            if attempt == PATIENCE or not _worker_died(error):
                raise


def _worker_died(error: Exception) -> bool:
    lost = (concurrent.futures.BrokenExecutor, concurrent.futures.CancelledError)
    return isinstance(error, lost) or type(error).__module__.split(".")[0] == "distributed"


def _one_blas_thread(backend: Any) -> Any:
    """Workers that are threads of ours would each start BLAS's own threads: too many for the cores."""
    if not getattr(backend, "supports_sharedmem", False):
        return contextlib.nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")
