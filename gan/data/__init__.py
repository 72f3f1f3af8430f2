"""Data sets, each named by text: ``load("ring")``, ``load("mnist(path)")``, or a path of your own.

Synthetic ones (``synthetic``) have a known truth; the others (``files``) come from scikit-learn or from files
the user has, checked against what those files are known to be. Nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable

from divergences.readers import located
from gan import _spec
from gan.data import files, synthetic
from gan.data.base import Dataset, Modes

__all__ = ["DATA", "Dataset", "Modes", "is_path", "load"]

DATA: dict[str, Callable[..., Dataset]] = {
    "digits": files.digits,
    "ring": synthetic.ring,
    "grid": synthetic.grid,
    "swiss-roll": synthetic.swiss_roll,
    "gaussian": synthetic.gaussian,
    "mixture": synthetic.mixture,
    "lines": synthetic.lines,
    "subspace": synthetic.subspace,
    "mnist": files.mnist,
    "fashion": files.fashion,
    "stacked-mnist": files.stacked_mnist,
    "cifar10": files.cifar10,
    "tfd": files.tfd,
    "olivetti": files.olivetti,
    "array": files.array,
}


SUFFIXES = (
    ".npy", ".npz", ".csv", ".tsv", ".parquet", ".pt", ".pth", ".idx", ".gz", ".h5", ".hdf5", ".zarr"
)  # fmt: skip


def load(text: str, *, seed: int = 0) -> Dataset:
    """The data set a text names: ``"ring"``, ``"grid(sigma=0.1)"``, ``"mnist('…')"``, or a path of your own.

    ``seed`` draws synthetic samples and shuffles files without an order of their own; a ``seed=`` in the
    text comes first. What exists as a file or folder and is no known name is read as ``array(path)``.

    >>> load("ring(n=500)").train.shape
    (500, 2)
    """
    if is_path(text):
        return files.array(text, seed=seed)
    spec = _spec.parse(text, "a data set")
    if "seed" in spec.options:
        return _spec.build(text, DATA, "a data set")
    # named files take their path as the one value
    if spec.name in ("mnist", "fashion", "stacked-mnist", "cifar10", "tfd", "olivetti") and not (
        spec.values or "path" in spec.options
    ):
        raise ValueError(f"{spec.name} is read from files you have: write {spec.name}('path/to/its/folder')")
    known = {name: _with_seed(make, seed) for name, make in DATA.items()} if spec.name in DATA else DATA
    return _spec.build(text, known, "a data set")


def _with_seed(make: Callable[..., Dataset], seed: int) -> Callable[..., Dataset]:
    """``make`` whose default seed is ``seed``, its signature kept for the errors."""
    import functools
    import inspect

    @functools.wraps(make)
    def made(*values: object, **options: object) -> Dataset:
        return make(*values, **{"seed": seed, **options})

    made.__signature__ = inspect.signature(make)  # type: ignore[attr-defined]
    return made


def is_path(text: str) -> bool:
    """Whether a text names a file or folder of the user's, and not a data set known here."""
    if not isinstance(text, str):
        return False
    bare = text.split("(")[0].strip().replace("_", "-")
    if bare in DATA and "/" not in text.split("(")[0]:
        return False
    where = located(text)
    return "/" in text.split("(")[0] or where.suffix.lower() in SUFFIXES or where.exists()
