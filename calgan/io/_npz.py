"""calgan's own npz, and any npz with traces (T, N) and a frame rate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from calgan.data.recording import Recording
from calgan.io._build import build
from calgan.io._options import ReadOptions

_MARK = "calgan_recording"


def recognises(path: Path) -> bool:
    """Tell an npz file by its suffix."""
    return path.is_file() and path.suffix.lower() == ".npz"


def read(path: Path, options: ReadOptions) -> Recording:
    """Read the traces of an npz file; no pickle is loaded."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    known = json.loads(str(arrays.pop(_MARK, "{}")))
    metadata = known.get("metadata", {})
    components: dict[str, Any] = {}
    for name in [name for name in arrays if name.startswith(("metadata/", "components/"))]:
        place, _, key = name.partition("/")
        (components if place == "components" else metadata)[key] = arrays.pop(name)
    if components:
        metadata["components"] = Bunch(**components)
    metadata.pop("format", None)
    metadata.pop("source", None)
    return build(
        arrays["traces"],
        options,
        frame_rate=float(arrays["frame_rate"]),
        units=known.get("units", "a.u."),
        roi_ids=arrays.get("roi_ids"),
        segments=arrays.get("segments"),
        **metadata,
    )


def write(recording: Recording, path: Path) -> None:
    """Write a recording with its ids, segments and metadata."""
    arrays: dict[str, Any] = {
        "traces": recording.traces,
        "frame_rate": recording.frame_rate,
        "roi_ids": recording.roi_ids,
        "segments": recording.segments,
    }
    metadata = {}
    for key, value in recording.metadata.items():
        if key == "components":
            arrays |= {f"components/{k}": v for k, v in value.items() if v is not None}
        elif isinstance(value, np.ndarray) and value.dtype.kind != "O":
            arrays[f"metadata/{key}"] = value
        else:
            metadata[key] = value
    known = {"units": recording.units, "metadata": metadata}
    arrays[_MARK] = json.dumps(known)
    with open(path, "wb") as file:
        np.savez(file, **arrays)
