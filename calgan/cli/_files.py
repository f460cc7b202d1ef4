"""Files that commands read and write, checked before any work."""

from __future__ import annotations

import hashlib
import inspect
import os
import platform
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import calgan
from calgan import datasets
from calgan.data.files import replaced
from calgan.data.recording import Recording
from calgan.data.validation import check_target

BUNDLED = "bundled:"
_CHUNK = 1 << 16  # frames hashed at a time
MODEL_SUFFIX = ".calgan"


def read(name: str, options: dict[str, Any] | None = None) -> Recording:
    """Read a recording from a file or folder, or the one that comes with calgan."""
    if is_model(name):
        raise ValueError(f"{name} is a model, where a recording is needed.")
    if not name.startswith(BUNDLED):
        return calgan.read_recording(name, **(options or {}))
    parameters = inspect.signature(calgan.read_recording).parameters
    given = [key for key, value in (options or {}).items() if value != parameters[key].default]
    if given:
        raise ValueError(f"{name} comes with calgan and needs no {', '.join(given)}: leave it out.")
    load = getattr(datasets, f"load_{name.removeprefix(BUNDLED)}", None)
    if load is None:
        known = [n.removeprefix("load_") for n in datasets.__all__ if n.startswith("load_")]
        raise ValueError(f"{name}: the recordings that come with calgan are {', '.join(known)}.")
    return load()


def name_of(source: str) -> str:
    """Return a name for what is made of a file."""
    path = Path(source.removeprefix(BUNDLED))
    generic = {"suite2p", "plane0"}  # folders of all recordings are called so
    parts = [part for part in (path if path.name else path.resolve()).parts if part not in generic]
    return Path(parts[-1]).stem if parts else path.stem


def names_of(sources: Sequence[str]) -> list[str]:
    """Return a name for each file; two that share one are refused."""
    names = [name_of(source) for source in sources]
    for name in names:
        if names.count(name) > 1:
            same = [source for source, each in zip(sources, names, strict=True) if each == name]
            raise ValueError(f"{' and '.join(same)} would both be called {name}: rename one.")
    return names


def is_model(name: str) -> bool:
    """Tell a model by its suffix, or its first bytes: the length of a JSON header, and a brace."""
    if name.endswith(MODEL_SUFFIX):
        return True
    if not os.path.isfile(name):
        return False
    with open(name, "rb") as file:
        return file.read(9)[8:] == b"{"


def load_windows(name: str) -> np.ndarray | None:
    """Return the windows (M, T, N) of a file of ``sample -n``, or None if it is none."""
    if not name.endswith((".npy", ".npz")) or not os.path.isfile(name):
        return None
    try:
        if name.endswith(".npy"):
            found = np.load(name, mmap_mode="r")
        else:
            with open(name, "rb") as file, np.load(file) as arrays:
                found = arrays["windows"] if "windows" in arrays.files else np.empty(0)
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile):
        return None  # what reads recordings says what is wrong
    return found if found.ndim == 3 else None


def check_new(*paths: Path | str, overwrite: bool) -> None:
    """Refuse files that cannot be written, or that exist and shall not be replaced."""
    for path in map(Path, paths):
        if path.is_dir() and not path.suffix:
            check_target(path / "file")  # a folder of files, as suite2p's
        else:
            check_target(path)
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists: take another name, or give --overwrite.")


def save_array(path: str | Path, **arrays: Any) -> None:
    """Write arrays as .npz, or the first of them as .npy."""
    with replaced(Path(path)) as temporary, open(temporary, "wb") as file:
        if Path(path).suffix == ".npy":
            np.save(file, next(iter(arrays.values())))
        else:
            np.savez(file, **arrays)


def traces_sha256(recording: Recording) -> str:
    """Return the SHA-256 of traces and segments, whatever file they came from."""
    digest = hashlib.sha256(np.ascontiguousarray(recording.segments, dtype="<i8").data)
    for first in range(0, recording.n_frames, _CHUNK):
        traces = recording.traces[first : first + _CHUNK]
        digest.update(np.ascontiguousarray(traces, dtype="<f4").data)
    return digest.hexdigest()


def origin(source: str, recording: Recording) -> dict[str, Any]:
    """Return what identifies a recording that was read."""
    known = {"source": source}
    if os.path.isfile(source):
        with open(source, "rb") as file:
            known["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return known | {"traces_sha256": traces_sha256(recording), "n_frames": recording.n_frames}


def versions() -> dict[str, str]:
    """Return the versions that numbers depend on, of what was loaded."""
    names = ("numpy", "scipy", "sklearn", "torch")
    loaded = {name: sys.modules[name].__version__ for name in names if name in sys.modules}
    return {"calgan": calgan.__version__, "python": platform.python_version(), **loaded}
