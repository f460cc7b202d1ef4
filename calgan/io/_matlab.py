"""MATLAB files of any version."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.io._build import chosen, needs
from calgan.io._fluorescence import build_from_raw
from calgan.io._named import read_named
from calgan.io._options import ReadOptions

_FALL = {"F", "Fneu", "iscell", "ops"}  # suite2p's Fall.mat


def recognises(path: Path) -> bool:
    """Tell a MATLAB file by its suffix."""
    return path.is_file() and path.suffix.lower() == ".mat"


def read(path: Path, options: ReadOptions) -> Recording:
    """Read the traces of a MATLAB file; a field of a struct is named as in MATLAB, ``s.dff``."""
    pymatreader = needs("pymatreader", "reading MATLAB files")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes and functions, which are not read
            held = pymatreader.read_mat(str(path))
    except (ImportError, MemoryError, PermissionError):
        raise
    except Exception as error:
        raise ValueError(f"{path} is damaged, or no MATLAB file.") from error
    if held.keys() >= _FALL and options.variable is None:
        return _read_fall(held, options)
    found = {name: value for name, value in _flat(held) if not name.startswith(("__", "#"))}
    return read_named(found, options)


def _flat(struct: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield names and values of a struct, and then those of the structs in it."""
    for name, value in struct.items():
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            value = np.array(value)
        if not isinstance(value, dict):
            yield prefix + name, value
    for name, value in struct.items():
        if isinstance(value, dict) and prefix.count(".") < 3:
            yield from _flat(value, f"{prefix}{name}.")


def _read_fall(held: dict[str, Any], options: ReadOptions) -> Recording:
    """Read the cells of suite2p as from its folder."""
    raw, neuropil = (np.atleast_2d(held[name]) for name in ("F", "Fneu"))
    accepted = np.asarray(held["iscell"]).reshape(len(raw), -1)[:, 0] > 0
    ops = held["ops"] if isinstance(held["ops"], dict) else {}
    rate = float(ops["fs"]) if "fs" in ops else None
    keep, options = chosen(len(raw), options, accepted=accepted, frame_rate=rate)
    stat, positions = held.get("stat"), None
    if isinstance(stat, list) and len(stat) == len(raw) and all("med" in roi for roi in stat):
        positions = np.array([roi["med"][1::-1] for roi in stat], dtype=float)[keep]
    return build_from_raw(
        raw[keep].T,
        options,
        neuropil=neuropil[keep].T,
        coefficient=float(ops.get("neucoeff", 0.7)),
        units="counts",
        roi_ids=keep,
        accepted=accepted[keep],
        positions=positions,
    )
