"""The formats, and the module that reads and writes each."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

from calgan.data.validation import check_choice

# In the order in which they are tried: a folder of one format may hold files of another.
# A module has `recognises(path)`, `read(path, options)` and, if it writes,
# `write(recording, path)`.
FORMATS = {
    "suite2p": "calgan.io._suite2p",
    "nwb": "calgan.io._nwb",
    "caiman": "calgan.io._caiman",
    "minian": "calgan.io._minian",
    "extract": "calgan.io._roiextractors",
    "cnmfe": "calgan.io._roiextractors",
    "inscopix": "calgan.io._roiextractors",
    "pynapple": "calgan.io._pynapple",
    "npz": "calgan.io._npz",
    "npy": "calgan.io._npy",
    "matlab": "calgan.io._matlab",
    "hdf5": "calgan.io._hdf5_arrays",
    "csv": "calgan.io._csv",
    "parquet": "calgan.io._parquet",
    "zarr": "calgan.io._zarr",
}
FOLDERS = {"suite2p", "minian", "zarr"}  # all others are files
VIDEOS = {".avi", ".mp4", ".mkv", ".mov", ".wmv"}
_MOVIES = {".tif", ".tiff", ".btf", *VIDEOS}
_WITHOUT_NAMES = {"pynapple", "npy", "csv", "parquet"}  # their traces have no name to choose by


def check_source(source: str | os.PathLike[str]) -> Path:
    """Return the path of a file or folder that can be read."""
    given = os.fsdecode(source)
    path = Path(given).expanduser()
    if not given or not path.exists():
        advice = "; download it first" if "://" in given else ""
        raise FileNotFoundError(f"There is no file or folder {given or repr(given)}{advice}.")
    if path.suffix == ".calgan":
        raise ValueError(f"{path} is a model, which calgan.load reads.")
    if not (path.is_file() or path.is_dir()):
        raise ValueError(f"{path} is neither a file nor a folder.")  # a pipe would wait
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{path} cannot be read: ask its owner for permission.")
    return path


def module_of(format: str) -> ModuleType:
    """Return the module of a format."""
    return importlib.import_module(FORMATS[check_choice(format, "format", FORMATS)])


def check_format(format: str, path: Path, variable: str | None) -> None:
    """Refuse a folder where a format is a file, and a variable where it has none."""
    if path.is_dir() and format not in FOLDERS:
        raise ValueError(f"{path} is a folder, but {format} is read from a file.")
    if variable is not None and format in _WITHOUT_NAMES:
        raise ValueError(
            f"{path} holds one set of traces, so variable={variable!r} chooses nothing: leave it "
            "out."
        )


def format_of(path: Path) -> str:
    """Return the format of a file or folder that exists."""
    for name in FORMATS:
        if module_of(name).recognises(path):
            return name
    files = path.iterdir() if path.is_dir() else [path]
    if any(file.suffix.lower() in _MOVIES for file in files):
        raise ValueError(f"{path} holds a movie and no traces: read it with calgan.read_movie.")
    kind = "The folder" if path.is_dir() else "The file"
    raise ValueError(
        f"{kind} {path} is of no format that calgan recognises ({', '.join(FORMATS)}): name its "
        "format with format=..., or load its traces yourself and give them to Recording(traces, "
        "frame_rate)."
    )
