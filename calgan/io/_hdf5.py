"""HDF5 files: telling them apart, and opening them."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calgan.io._build import needs

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Tell an HDF5 file by its first bytes; MATLAB puts 512 bytes of its own before them."""
    try:
        with open(path, "rb") as file:
            start = file.read(512 + len(_SIGNATURE))
    except OSError:
        return False
    return start.startswith(_SIGNATURE) or start[512:] == _SIGNATURE


def holds(path: Path, *names: str) -> bool:
    """Tell whether an HDF5 file has all these groups, arrays or attributes at its root."""
    if not is_hdf5(path) or importlib.util.find_spec("h5py") is None:
        return False
    try:
        with open_hdf5(path, "HDF5") as file:
            return all(name in file or name in file.attrs for name in names)
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def open_hdf5(path: Path, what: str) -> Iterator[Any]:
    """Open an HDF5 file for reading; what is damaged in it is said in a sentence."""
    h5py = needs("h5py", f"reading {what}")
    if not is_hdf5(path):
        raise ValueError(f"{path} is no HDF5 file, or is damaged.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except PermissionError:
        raise
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path} is damaged: {error}.") from error


def as_text(value: Any) -> str:
    """Return text that an HDF5 file holds as bytes or text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
