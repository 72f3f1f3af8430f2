"""Images and arrays from files the user has, checked against what those files are known to be.

Nothing is fetched. The published sets are recognised by their shapes and counts, and split as in the
papers. What was parsed once is kept under ``$XDG_CACHE_HOME/divergences`` as plain arrays.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from divergences.readers import located
from gan.data.base import Dataset, single

__all__ = ["array", "cifar10", "digits", "fashion", "mnist", "olivetti", "stacked_mnist", "tfd"]

Arrays = dict[str, np.ndarray]

RECORDS = 10_000  # in each file of CIFAR-10's binary version


def digits(*, seed: int = 0) -> Dataset:
    """scikit-learn's own handwritten digits: 1,797 images of 8 × 8, in 1,197 / 200 / 400 by the seed."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return _shuffled("digits", images / 16, seed, held_out=(200, 400), image_shape=(8, 8), labels=labels)


def mnist(path: str, *, seed: int = 0) -> Dataset:
    """MNIST from the folder of its four idx files: 50,000 / 10,000 / 10,000, in the order of the files.

    The split is Goodfellow's: he trains on the first 50,000, chooses on the next 10,000.
    """
    return _idx_set("mnist", path, mean=33.3184)


def fashion(path: str, *, seed: int = 0) -> Dataset:
    """Fashion-MNIST from the folder of its four idx files: 50,000 / 10,000 / 10,000, as for MNIST."""
    return _idx_set("fashion", path, mean=72.94)


def stacked_mnist(path: str, *, n: int = 50_000, seed: int = 0) -> Dataset:
    """Three random digits as the channels of one image: 1,000 modes (Metz et al. 2017, Lin et al. 2018).

    Each part is stacked from its own part of MNIST. ``labels["train"]`` is 100·first + 10·second + third.
    """
    base = mnist(path)
    parts: dict[str, np.ndarray] = {}
    labels: dict[str, np.ndarray] = {}
    for number, (part, count) in enumerate({"train": n, "validation": 10_000, "test": 10_000}.items()):
        images = getattr(base, part)
        chosen = np.random.default_rng([seed, number]).integers(len(images), size=(count, 3))
        stacked = images[chosen].reshape(count, 3, 784).transpose(0, 2, 1)
        parts[part] = np.ascontiguousarray(stacked).reshape(count, -1)
        labels[part] = base.labels[part][chosen].astype(np.int64) @ np.array([100, 10, 1])
    return Dataset("stacked-mnist", **parts, image_shape=(28, 28, 3), labels=labels)  # type: ignore[arg-type]


def cifar10(path: str, *, seed: int = 0) -> Dataset:
    """CIFAR-10 from the folder of its binary version, or any array of its images (n, 32, 32, 3), uint8.

    Binary version: 45,000 / 5,000 of the training files in their order, and the 10,000 of the test file.
    An array has no known order: it is shuffled by the seed, a tenth each to validation and test.
    """
    where = _existing(path, "CIFAR-10")
    if where.is_file():
        found = _reader_data(path)
        if found.image_shape != (32, 32, 3):
            raise ValueError(f"{path}: CIFAR-10 holds images of 32 × 32 × 3, this file {_shape(found)}")
        return _own("cifar10", path, single(found.array, f"{path}: the data"), seed, found.image_shape)
    folder = where / "cifar-10-batches-bin" if (where / "cifar-10-batches-bin").is_dir() else where
    names = [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]
    if (folder / "data_batch_1").exists() or (folder / "cifar-10-batches-py").exists():
        raise ValueError(
            f"{path}: this is CIFAR-10's Python version, which is pickled and so never loaded; "
            "take the binary version (cifar-10-batches-bin)"
        )
    files = _all_there(folder, names, "CIFAR-10")

    def make() -> Arrays:
        batches = []
        for file in files:
            raw = np.fromfile(file, np.uint8)
            if raw.size != RECORDS * 3073:
                raise ValueError(
                    f"{file}: must hold {RECORDS:,} records of 3,073 bytes, holds {raw.size} bytes"
                )
            batches.append(raw.reshape(RECORDS, 3073))
        both = np.concatenate(batches)
        images = both[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).reshape(len(both), -1)
        return {"images": images, "labels": both[:, 0]}

    kept = _cached("cifar10", files, make)
    images, labels = _unit(kept["images"]), kept["labels"]
    first, end = 9 * RECORDS // 2, 5 * RECORDS
    cuts = {"train": slice(first), "validation": slice(first, end), "test": slice(end, None)}
    return _cut("cifar10", images, labels, cuts, (32, 32, 3))


def tfd(path: str, *, fold: int = 0, seed: int = 0) -> Dataset:
    """The Toronto Face Database from its TFD_48x48.mat: 48 × 48 grey faces, in parts by ``fold`` 0 to 4.

    Training is on the unlabelled faces and the fold's training part, as for the Parzen scores; the fold's
    validation and test parts are held out. The database is not public.
    """
    file = _existing(path, "TFD")
    if file.is_dir():
        (file,) = _all_there(file, ["TFD_48x48.mat"], "TFD")
    if fold not in range(5):
        raise ValueError(f"fold must be 0, 1, 2, 3 or 4; got {fold!r}")

    def make() -> Arrays:
        found = _matlab(file, "images", "folds", "labs_ex")
        images, folds = found["images"], found["folds"]
        if images.ndim != 3 or images.shape[1:] != (48, 48) or images.dtype != np.uint8:
            raise ValueError(f"{file}: images must be (n, 48, 48) bytes, are {images.shape} {images.dtype}")
        if folds.shape != (len(images), 5) or not set(np.unique(folds)) <= {0, 1, 2, 3}:
            raise ValueError(f"{file}: folds must be (n, 5) of 0 to 3, are {folds.shape}")
        labels = found["labs_ex"].reshape(-1).astype(np.int16)
        return {"images": images.reshape(len(images), -1), "folds": folds, "labels": labels}

    kept = _cached("tfd", [file], make)
    part = kept["folds"][:, fold]
    rows = {"train": part <= 1, "validation": part == 2, "test": part == 3}
    for name, chosen in rows.items():
        if not chosen.any():
            raise ValueError(f"{file}: fold {fold} has no {name} faces")
    return _cut("tfd", _unit(kept["images"]), kept["labels"], rows, (48, 48))


def olivetti(path: str, *, seed: int = 0) -> Dataset:
    """The Olivetti faces from olivettifaces.mat: 400 images of 64 × 64, 320 / 40 / 40 by the seed."""
    file = _existing(path, "Olivetti")
    if file.is_dir():
        (file,) = _all_there(file, ["olivettifaces.mat"], "Olivetti")

    def make() -> Arrays:
        faces = _matlab(file, "faces")["faces"]
        if faces.shape != (4096, 400):
            raise ValueError(f"{file}: faces must be (4096, 400), are {faces.shape}")
        # columns are images, stored column by column
        return {"images": faces.T.reshape(400, 64, 64).transpose(0, 2, 1).reshape(400, -1).astype(np.uint8)}

    images = _unit(_cached("olivetti", [file], make)["images"])
    return _shuffled("olivetti", images, seed, (40, 40), (64, 64), np.repeat(np.arange(40), 10))


def array(path: str, *, seed: int = 0) -> Dataset:
    """Any samples the command line can read: an array, a table, an idx file, a folder of images of one size.

    Shuffled by the seed; a tenth each to validation and test. 8-bit images become [0, 1], others must be so.
    """
    where = _existing(located(path), "the data")

    def make() -> Arrays:
        found = _reader_data(path)
        rows = single(found.array, f"{path}: the data")
        return {"array": rows, "shape": np.array(found.image_shape or (), int)}

    # tables and arrays are read as fast as the cache
    files = sorted(file for file in where.rglob("*") if file.is_file()) if where.is_dir() else []
    kept = _cached("array", files, make, choice=str(path)) if files else make()
    return _own(where.stem, path, kept["array"], seed, tuple(kept["shape"].tolist()) or None)


# ── what they share ─────────────────────────────────────────────────────────────────────────


def _idx_set(name: str, path: str, mean: float) -> Dataset:
    title = {"mnist": "MNIST", "fashion": "Fashion-MNIST"}[name]
    folder = _existing(path, title)
    counts = {"train": 60_000, "t10k": 10_000}
    names = [f"{part}-{kind}" for part in counts for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    files = _all_there(folder, names, title, endings=("", ".gz"))

    def make() -> Arrays:
        from divergences.readers.idx import read_idx

        read = [read_idx(file, str(file), None).array for file in files]
        for file, found, count in zip(files, read, (60_000, 60_000, 10_000, 10_000), strict=True):
            expected = (count, 28, 28) if "images" in file.name else (count,)
            if found.shape != expected:
                raise ValueError(f"{file}: {title} has shape {expected} there, this file {found.shape}")
        if abs(read[0].mean() - mean) > 0.01:
            raise ValueError(
                f"{files[0]}: {title}'s training pixels have mean {mean}, these {read[0].mean():.4f}; "
                "is this another data set? any idx file is taken by --data 'array(…)'"
            )
        images, labels = np.concatenate(read[::2]), np.concatenate(read[1::2])
        return {"images": images.reshape(len(images), -1), "labels": labels}

    kept = _cached(name, files, make)
    cuts = {"train": slice(50_000), "validation": slice(50_000, 60_000), "test": slice(60_000, None)}
    return _cut(name, _unit(kept["images"]), kept["labels"], cuts, (28, 28))


def _unit(bytes_: np.ndarray) -> np.ndarray:
    return np.asarray(bytes_, np.float32) / np.float32(255)


def _cut(
    name: str, images: np.ndarray, labels: np.ndarray, rows: dict[str, Any], image_shape: tuple[int, ...]
) -> Dataset:
    return Dataset(
        name, images[rows["train"]], images[rows["validation"]], images[rows["test"]],
        image_shape=image_shape, labels={part: labels[chosen] for part, chosen in rows.items()},
    )  # fmt: skip


def _own(
    name: str, path: str, rows: np.ndarray, seed: int, image_shape: tuple[int, ...] | None
) -> Dataset:  # fmt: skip
    """Rows of an order nobody knows: shuffled, a tenth each to validation and test."""
    if len(rows) < 10:
        raise ValueError(f"{path}: at least 10 samples are needed to hold some out, it has {len(rows)}")
    if not np.isfinite(rows).all():
        raise ValueError(f"{path}: holds NaN or infinite values; remove those rows")
    low, high = float(rows.min()), float(rows.max())
    if image_shape and not (low >= 0.0 and high <= 1.0):
        raise ValueError(
            f"{path}: pixels that are not 8-bit must lie in [0, 1], these in [{low:g}, {high:g}]. "
            "Divide by 255, or take (pixels + 1)/2 of pixels in [-1, 1]"
        )
    tenth = len(rows) // 10
    return _shuffled(name, rows, seed, (tenth, tenth), image_shape)


def _shuffled(
    name: str, rows: np.ndarray, seed: int, held_out: tuple[int, int],
    image_shape: tuple[int, ...] | None, labels: np.ndarray | None = None,
) -> Dataset:  # fmt: skip
    order = np.random.default_rng([seed, len(rows)]).permutation(len(rows))
    first = len(rows) - sum(held_out)
    cuts = dict(
        zip(("train", "validation", "test"), np.split(order, [first, first + held_out[0]]), strict=True)
    )
    parts = {part: np.ascontiguousarray(rows[cut], np.float32) for part, cut in cuts.items()}
    known = {} if labels is None else {part: labels[cut] for part, cut in cuts.items()}
    return Dataset(name, **parts, image_shape=image_shape, labels=known)  # type: ignore[arg-type]


def _existing(path: str | os.PathLike[str], title: str) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must name {title}'s files, got {type(path).__name__}")
    where = Path(path).expanduser()
    if not where.exists():
        raise ValueError(f"{path}: no such file or folder; give the path of {title}'s files")
    return where


def _all_there(folder: Path, names: Sequence[str], title: str, endings: Sequence[str] = ("",)) -> list[Path]:
    found = []
    for name in names:
        candidates = [folder / (name + ending) for ending in endings]
        there = [file for file in candidates if file.is_file()]
        if not there:
            raise ValueError(f"{folder}: {title} needs {' or '.join(file.name for file in candidates)} in it")
        found.append(there[0])
    return found


def _reader_data(path: str) -> Any:
    from divergences.readers import read

    return read(path)


def _shape(found: Any) -> str:
    return " × ".join(map(str, found.image_shape or (found.array.shape[1],)))


def _matlab(file: Path, *names: str) -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    try:
        found = loadmat(file)
    except Exception as error:  # its reader fails in many ways
        raise ValueError(f"{file}: cannot be read as a MATLAB file ({error})") from None
    for name in names:
        if name not in found:
            raise ValueError(f"{file}: has no variable {name!r}")
    return {name: np.asarray(found[name]) for name in names}


# ── the cache ───────────────────────────────────────────────────────────────────────────────

FORMAT = "2"  # to be raised when what is kept changes


def _cached(name: str, files: Sequence[Path], make: Callable[[], Arrays], choice: str = "") -> Arrays:
    """What ``make`` gives, kept on disk until a file changes; a cache that fails costs only time.

    ``choice`` is what of the files is read, where that is not all of them.
    """
    stamps = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(repr((FORMAT, name, choice, stamps)).encode()).hexdigest()[:24]
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    target = Path(base) / "divergences" / f"{name}-{key}.npz"
    # a damaged or foreign file is made anew
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError), np.load(target) as archive:
        return {part: archive[part] for part in archive.files}
    made = make()
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as file:
                np.savez(file, **made)  # type: ignore[arg-type]
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    return made
