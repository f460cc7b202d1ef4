"""Arrays of Python objects in npy files, loaded without running code of the file."""

from __future__ import annotations

import collections
import pickle
from pathlib import Path
from typing import Any

import numpy as np


class _Inert:
    """Stands for any object that is not loaded."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """Encode bytes that an old pickle holds as text."""
    return text.encode("latin1")


# What makes arrays, scalars and plain containers; numpy 1 and 2 name their modules differently.
_NUMPY = {
    "ndarray": np.ndarray,
    "dtype": np.dtype,
    "_reconstruct": np.zeros(1).__reduce__()[0],
    "scalar": np.float64(0).__reduce__()[0],
    "_frombuffer": np.zeros(1).__reduce_ex__(5)[0],
}
_NUMPY_MODULES = {"numpy"} | {
    f"numpy.{core}.{part}" for core in ("core", "_core") for part in ("multiarray", "numeric")
}
_OTHERS = {
    ("_codecs", "encode"): _latin1,
    ("collections", "OrderedDict"): collections.OrderedDict,
    **{("builtins", kind.__name__): kind for kind in (set, frozenset, complex, bytearray, slice)},
}


class _Unpickler(pickle.Unpickler):
    """Makes arrays and plain values alone."""

    def find_class(self, module: str, name: str) -> Any:
        if module in _NUMPY_MODULES and name in _NUMPY:
            return _NUMPY[name]
        return _OTHERS.get((module, name), _Inert)


def load_plain(path: Path) -> np.ndarray:
    """Load an npy file; in an array of objects, those that are not plain values are left out."""
    with open(path, "rb") as file:
        return plain_array(file, path)


def plain_array(file: Any, path: Path) -> np.ndarray:
    """Load an open npy file as `load_plain` does; `path` is for messages."""
    try:
        version = np.lib.format.read_magic(file)
        header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        dtype = header(file)[2]
        if not dtype.hasobject:
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
        loaded = _Unpickler(file).load()
        if not isinstance(loaded, np.ndarray):
            raise ValueError("no array")
        return loaded
    except OSError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path} is damaged, or no npy file of numbers and plain values."
        ) from error
