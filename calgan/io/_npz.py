"""calgan's own npz, and any npz with traces and a frame rate."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from calgan.data.recording import Recording
from calgan.io._build import few, rebuilt, say
from calgan.io._named import read_named
from calgan.io._options import ReadOptions

MARK = "calgan_recording"
_KIND = "__kind__"  # marks what JSON has no word for


def recognises(path: Path) -> bool:
    """Tell an npz file by its suffix."""
    return path.is_file() and path.suffix.lower() == ".npz"


def read(path: Path, options: ReadOptions) -> Recording:
    """Read the traces of an npz file; no pickle is loaded."""
    with opened(path) as file:
        arrays = {name: Member(file, name, path) for name in file.namelist() if _is_npy(name)}
        arrays = {name.removesuffix(".npy"): array for name, array in arrays.items()}
        if MARK in arrays and options.variable is None:
            return _read_ours({n: np.asarray(a) for n, a in arrays.items()}, options)
        variable = options.variable
        objects = [name for name, array in arrays.items() if array.dtype.hasobject]
        if variable in objects or (objects and len(objects) == len(arrays)):
            raise ValueError(
                f"{path}: the array {variable or objects[0]!r} holds Python objects, which are not "
                "loaded because they can run code: save it as an array of numbers."
            )
        if objects:
            say(f"{path}: arrays of Python objects were not loaded: {few(objects)}.")
        return read_named({n: a for n, a in arrays.items() if n not in objects}, options)


def write(recording: Recording, path: Path) -> None:
    """Write a recording with its ids, segments and metadata."""
    arrays: dict[str, Any] = {
        "traces": recording.traces,
        "frame_rate": recording.frame_rate,
        "roi_ids": recording.roi_ids,
        "segments": recording.segments,
    }
    metadata, lost = {}, []
    for name, value in recording.metadata.items():
        held: dict[str, np.ndarray] = {}
        try:
            metadata[str(name)] = _encode(value, f"metadata/{name}", held)
            arrays |= held
        except (TypeError, RecursionError):
            lost.append(name)
    if lost:
        say(
            f"metadata that npz cannot hold were not written: {few(lost)}; keep numbers, text, "
            "arrays, and lists and dicts of them."
        )
    arrays[MARK] = json.dumps({"units": recording.units, "metadata": metadata})
    with open(path, "wb") as file:
        np.savez(file, **arrays)


class Member:
    """An array of an npz file that is read when it is needed."""

    def __init__(self, file: zipfile.ZipFile, name: str, path: Path) -> None:
        self._file, self._name, self._path = file, name, path
        self.shape: tuple[int, ...]
        self.dtype: np.dtype[Any]
        with sound(self._file, self._name, self._path) as member:
            version = np.lib.format.read_magic(member)
            header = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                header = np.lib.format.read_array_header_2_0
            self.shape, _, self.dtype = header(member)
            held = self._file.getinfo(self._name).file_size
            promised = math.prod(self.shape) * self.dtype.itemsize
            if min(self.shape, default=0) < 0 or (promised > held and not self.dtype.hasobject):
                raise ValueError("the header promises more values than there are")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        with sound(self._file, self._name, self._path) as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
        return array if dtype is None else array.astype(dtype)


@contextmanager
def sound(file: zipfile.ZipFile, name: str, path: Path) -> Iterator[Any]:
    """Open a member of a zip file, and say so if it is damaged."""
    try:
        with file.open(name) as member:
            yield member
    except (MemoryError, OSError):
        raise
    except Exception as error:
        raise ValueError(f"{path} is damaged: {name} cannot be read.") from error


def opened(path: Path) -> zipfile.ZipFile:
    """Open an npz file."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is damaged, or no npz file: save it again.") from error


def _is_npy(name: str) -> bool:
    return name.endswith(".npy")


def _read_ours(arrays: dict[str, np.ndarray], options: ReadOptions) -> Recording:
    """Read what `write` wrote: all neurons, whether accepted or not."""
    try:
        known = json.loads(str(arrays[MARK]))
        metadata = {name: _decode(value, arrays) for name, value in known["metadata"].items()}
        traces, rate = arrays["traces"], float(arrays["frame_rate"])
        units, ids, segments = known["units"], arrays["roi_ids"], arrays["segments"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{options.name} is damaged: {error}.") from error
    return rebuilt(
        options,
        traces=traces,
        frame_rate=rate,
        roi_ids=ids,
        units=units,
        segments=segments,
        metadata=metadata,
    )


def _encode(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return a value for JSON; arrays go to `arrays` under their place."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item() if value.dtype.kind in "biufU" else _refuse(value)
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            return (
                _encode(value.tolist(), place, arrays)
                if value.dtype.kind == "O"
                else _refuse(value)
            )
        arrays[place] = value
        return {_KIND: "array", "of": place}
    if isinstance(value, Mapping):
        kind = "Bunch" if isinstance(value, Bunch) else "dict"
        pairs = [
            [_encode(k, place, arrays), _encode(v, f"{place}/{i}", arrays)]
            for i, (k, v) in enumerate(value.items())
        ]
        if any(not isinstance(k, str | int | float | dict) for k, _ in pairs):
            _refuse(value)
        return {_KIND: kind, "of": pairs}
    if isinstance(value, list | tuple):
        parts = [_encode(v, f"{place}/{i}", arrays) for i, v in enumerate(value)]
        return parts if isinstance(value, list) else {_KIND: "tuple", "of": parts}
    return _refuse(value)


def _refuse(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} is no plain value")


def _decode(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_decode(part, arrays) for part in value]
    if not isinstance(value, dict):
        return value
    kind, held = value[_KIND], value["of"]
    if kind == "array":
        return arrays[held]
    if kind == "tuple":
        return tuple(_decode(part, arrays) for part in held)
    pairs = {_decode(k, arrays): _decode(v, arrays) for k, v in held}
    return Bunch(**pairs) if kind == "Bunch" else pairs
