"""zarr arrays and groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.io._build import needs
from calgan.io._named import FRAMES, is_plain, key, read_named, time_unit
from calgan.io._options import ReadOptions

_MARKS = (".zarray", ".zgroup", "zarr.json")


def recognises(path: Path) -> bool:
    """Tell a zarr folder by what marks it."""
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


def read(path: Path, options: ReadOptions) -> Recording:
    """Read the traces of an array or a group; of chosen neurons, nothing else is read."""
    arrays, attributes = arrays_in(path)
    return _read(arrays, attributes, options)


def arrays_in(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays of a folder, unread, those of a group by name, and plain attributes."""
    zarr = needs("zarr", "reading zarr")
    try:
        held = zarr.open(str(path), mode="r")
    except (PermissionError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"{path} is damaged, or no zarr array or group.") from error
    attributes = {name: value for name, value in dict(held.attrs).items() if is_plain(value)}
    if not hasattr(held, "arrays"):
        return {"traces": held}, attributes
    arrays: dict[str, Any] = {}
    groups = [("", held)]
    for prefix, group in groups:
        arrays |= {prefix + name: array for name, array in group.arrays()}
        groups += [(f"{prefix}{name}.", inner) for name, inner in group.groups()]
    return arrays, attributes


def _read(arrays: dict[str, Any], attributes: dict[str, Any], options: ReadOptions) -> Recording:
    """Read named arrays; their dimensions may have names."""
    turned = {name: _Turned(array) for name, array in arrays.items() if _neurons_first(array)}
    known = any(_dimensions(array) for array in arrays.values() if len(array.shape) == 2)
    for array in arrays.values():
        attributes |= {n: v for n, v in dict(array.attrs).items() if is_plain(v)}
    return read_named({**attributes, **arrays, **turned}, options, axes_known=known)


class _Turned:
    """An array in a file whose axes change places."""

    def __init__(self, array: Any) -> None:
        self._array, self.shape, self.dtype = array, tuple(array.shape[::-1]), array.dtype
        self.ndim, self.oindex = len(self.shape), self

    def __getitem__(self, index: Any) -> np.ndarray:
        frames, neurons = index if isinstance(index, tuple) else (index, slice(None))
        return np.asarray(self._array.oindex[neurons, frames]).T

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._array[:], dtype=dtype).T


def _dimensions(array: Any) -> tuple[str, ...]:
    """Return the names of an array's dimensions, as xarray writes them."""
    names = array.attrs.get("_ARRAY_DIMENSIONS") or getattr(array.metadata, "dimension_names", None)
    return tuple(map(str, names or ()))


def _neurons_first(array: Any) -> bool:
    names = _dimensions(array)
    return len(names) == 2 and (bool(time_unit(names[1])) or key(names[1]) in FRAMES)
