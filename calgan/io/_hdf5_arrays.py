"""HDF5 files with an array of traces, of no program's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.io._hdf5 import as_text, is_hdf5, open_hdf5
from calgan.io._named import is_plain, read_named
from calgan.io._options import ReadOptions


def recognises(path: Path) -> bool:
    """Tell any HDF5 file."""
    return path.is_file() and is_hdf5(path)


def read(path: Path, options: ReadOptions) -> Recording:
    """Read the traces among the arrays of a file; those of a group are named ``group.array``."""
    with open_hdf5(path, "HDF5") as file:
        arrays: dict[str, Any] = {}

        def visit(name: str, item: Any) -> None:
            is_array = getattr(item, "shape", None) is not None  # groups and empty ones have none
            if is_array and item.dtype.kind in "biuf":
                arrays[name.replace("/", ".")] = item

        file.visititems(visit)
        attributes: dict[str, Any] = {}
        for holder in (file, *arrays.values()):
            attributes |= {name: _plain(value) for name, value in holder.attrs.items()}
        plain = {name: value for name, value in attributes.items() if is_plain(value)}
        return read_named({**plain, **arrays}, options)


def _plain(value: Any) -> Any:
    return as_text(value) if isinstance(value, (bytes, np.bytes_)) else value
