"""Folders of Minian: one zarr a variable; roiextractors reads them only if they are a group."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.io._build import build, chosen, needs, say
from calgan.io._masks import centre_of_image
from calgan.io._options import ReadOptions
from calgan.io._times import from_times


def recognises(path: Path) -> bool:
    """Tell a folder with the footprints A.zarr and traces C.zarr."""
    return all((path / f"{name}.zarr").is_dir() for name in "AC")


def read(path: Path, options: ReadOptions) -> Recording:
    """Read C, with the residuals YrA if they were kept."""
    zarr = needs("zarr", "reading Minian")
    name = options.variable or "C"
    group, traces, dims = _variable(zarr, path, name)
    if traces is None or set(dims) != {"unit_id", "frame"}:
        there = ", ".join(sorted(file.stem for file in path.glob("*.zarr")))
        raise ValueError(
            f"{path} holds no traces {name!r} of units and frames; it has {there or 'none'}."
        )
    ids = np.asarray(group["unit_id"][:])
    n_frames = traces.shape[dims.index("frame")]
    segments, rate, t_start = None, None, 0.0
    times = _times(path, group)
    if times is not None:
        rate, t_start, segments = from_times(times, n_frames, options)
    keep, options = chosen(len(ids), options, accepted=None, frame_rate=rate)
    values = _values(traces, dims)
    processing = f"{name} of Minian."
    _, residuals, around = _variable(zarr, path, "YrA")
    if name == "C" and residuals is not None and residuals.size == traces.size:
        values = values + _values(residuals, around)
        processing = "C + YrA of Minian."
    elif name == "C":
        say(
            f"{path}: Minian keeps denoised traces alone, so samples of a model of them lack the "
            "noise of a recording; save its YrA as YrA.zarr to read both."
        )
    return build(
        values[:, keep],
        options,
        roi_ids=ids[keep],
        segments=segments,
        positions=_positions(zarr, path, ids[keep]),
        processing=processing,
        t_start=t_start or None,
    )


def _variable(zarr: Any, path: Path, name: str) -> tuple[Any, Any, list[str]]:
    """Return the group of a variable, its array and the names of its axes, or None."""
    if not (path / f"{name}.zarr").is_dir():
        return None, None, []
    try:
        group = zarr.open_group(str(path / f"{name}.zarr"), mode="r")
        array = group[name]
    except PermissionError:
        raise
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{path / name}.zarr is damaged: {error}.") from error
    dims = array.attrs.get("_ARRAY_DIMENSIONS") or getattr(
        getattr(array, "metadata", None), "dimension_names", None
    )
    return group, array, list(dims or ["unit_id", "frame"][: array.ndim])


def _values(array: Any, dims: list[str]) -> np.ndarray:
    """Read traces (T, N)."""
    values = np.asarray(array[:])
    return values if dims[0] == "frame" else values.T


def _times(path: Path, group: Any) -> np.ndarray | None:
    """Return the times of the frames (s) that the microscope wrote."""
    for folder in (path, path.parent):
        file = folder / "timeStamps.csv"
        if file.is_file():
            with open(file, newline="", encoding="utf-8") as lines:
                rows = list(csv.DictReader(lines))
            try:
                times = np.array([float(row["Time Stamp (ms)"]) for row in rows]) / 1000.0
                return times[np.asarray(group["frame"][:], dtype=int)]
            except (KeyError, IndexError, ValueError):
                return None
    return None


def _positions(zarr: Any, path: Path, ids: np.ndarray) -> np.ndarray | None:
    """Return the centres of mass (x, y) of footprints."""
    group, A, dims = _variable(zarr, path, "A")
    if A is None or dims != ["unit_id", "height", "width"]:
        return None
    rows = {unit: row for row, unit in enumerate(np.asarray(group["unit_id"][:]).tolist())}
    if not set(ids.tolist()) <= set(rows):
        return None
    centres = np.array([centre_of_image(np.asarray(A[rows[unit]])) for unit in ids.tolist()])
    return None if np.isnan(centres).any() else centres[:, ::-1]
