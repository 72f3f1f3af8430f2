"""Arrays: NumPy's .npy and .npz, torch's .pt and .pth. Nothing is ever unpickled."""

from __future__ import annotations

import importlib
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from divergences.readers.common import ReadError, Table, chosen, one_line

__all__ = ["read_npy", "read_npz", "read_torch"]

MAP_BYTES = 64 * 2**20  # a larger .npy is mapped, not loaded


def read_npy(path: Path, name: str, choice: str | None) -> Table:
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise ReadError(f"{name}: is not a .npy file")
    mode: Literal["r"] | None = "r" if path.stat().st_size > MAP_BYTES else None
    try:
        return Table(np.load(path, mmap_mode=mode, allow_pickle=False))
    except (ValueError, EOFError, SyntaxError) as error:
        raise ReadError(_numpy_complaint(name, error)) from None


def read_npz(path: Path, name: str, choice: str | None) -> Table:
    if not zipfile.is_zipfile(path):
        raise ReadError(f"{name}: is not a .npz archive, or is truncated")
    try:
        with np.load(path, allow_pickle=False) as archive:
            array = archive[chosen(archive, choice, name)]
    except ReadError:
        raise
    except (ValueError, EOFError, SyntaxError, zipfile.BadZipFile, zlib.error) as error:
        raise ReadError(_numpy_complaint(name, error)) from None
    if not isinstance(array, np.ndarray):
        raise ReadError(f"{name}: what it holds is not a NumPy array")
    return Table(array)


def _numpy_complaint(name: str, error: Exception) -> str:
    if "allow_pickle" in str(error) or "Python objects" in str(error):
        return f"{name}: holds pickled Python objects, which are never loaded; save plain numbers"
    return f"{name}: is damaged or truncated ({one_line(error)})"


def read_torch(path: Path, name: str, choice: str | None) -> Table:
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        raise ReadError(f"{name}: needs PyTorch to be read; pip install 'divergences[torch]'") from None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler met
        if "weights_only" in str(error):
            raise ReadError(f"{name}: holds Python objects, which are never loaded; save tensors") from None
        raise ReadError(f"{name}: is damaged or no file of torch.save ({one_line(error)})") from None
    if isinstance(found, Mapping):
        tensors = {str(key): value for key, value in found.items() if isinstance(value, torch.Tensor)}
        found = tensors[chosen(tensors, choice, name)]
    elif choice is not None:
        raise ReadError(f"{name}: holds no named tensors, so {choice!r} cannot be chosen")
    if not isinstance(found, torch.Tensor):
        raise ReadError(f"{name}: must hold a tensor or a dict of tensors; holds a {type(found).__name__}")
    if found.layout != torch.strided or found.is_quantized:
        raise ReadError(f"{name}: must hold a dense tensor that is not quantized")
    found = found.detach().resolve_conj().resolve_neg()
    try:
        return Table((found.float() if found.dtype == torch.bfloat16 else found).numpy())
    except TypeError as error:  # dtypes that NumPy does not have
        raise ReadError(f"{name}: {one_line(error)}") from None
