"""Folders of suite2p, and folders like them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

import calgan
from calgan.data.recording import Recording
from calgan.io._build import as_pixels, chosen, from_note, noted, rebuilt, say
from calgan.io._fluorescence import build_from_raw
from calgan.io._options import ReadOptions
from calgan.io._pickles import load_plain

_MARK = "calgan.json"
_NEEDED = {"components", "frame_rate", "roi_ids", "segments", "units"}
_COMPONENT = "component_"  # files of what lies behind synthetic traces, (T, N) or (T, K)
_VARIABLES = {"F": "Fneu.npy", "F_chan2": "Fneu_chan2.npy"}  # traces, and their neuropil
# Later files win: suite2p 1.x has settings.npy and db.npy, and may leave ops.npy out.
_SETTINGS = ("ops.npy", "db.npy", "reg_outputs.npy", "settings.npy")


def recognises(path: Path) -> bool:
    """Tell F.npy, the folder that holds it, and the folders above."""
    return path.name == "F.npy" or bool(_planes(path))


def is_ours(path: Path) -> bool:
    """Tell a folder that calgan wrote, to which nothing was added."""
    ours = {_MARK, *(f"{name}.npy" for name in ("F", "Fneu", "spks", "iscell", "ops", "stat"))}
    added = [
        file
        for file in path.rglob("*")
        if file != path / "plane0"
        and file.name not in ours
        and not file.match(f"{_COMPONENT}*.npy")
    ]
    return (path / "plane0" / _MARK).is_file() and not added


def read(path: Path, options: ReadOptions) -> Recording:
    """Read one plane: F - 0.7 Fneu, as dF/F."""
    planes = [path.parent] if path.name == "F.npy" else _planes(path)
    if len(planes) != 1:
        if not planes:
            raise ValueError(f"{path} holds no F.npy, nor do plane folders in it.")
        names = ", ".join(plane.name for plane in planes)
        raise ValueError(
            f"{path} holds {len(planes)} sets of traces ({names}), which are read one at a time: "
            f"pass the folder of one, such as {planes[0]}."
        )
    folder, variable = planes[0], options.variable or "F"
    file = folder / f"{variable}.npy"
    if variable not in _VARIABLES or not file.is_file():
        known = [repr(name) for name in _VARIABLES if (folder / f"{name}.npy").is_file()]
        raise ValueError(f"variable must be {' or '.join(known)} in {folder}, got {variable!r}.")
    raw = _array(file, ndims=(2,))
    if (folder / _MARK).is_file():
        return _read_ours(folder, raw, options)
    settings = _settings(folder)
    n_rois, n_frames = raw.shape
    accepted = None
    if (folder / "iscell.npy").is_file():
        is_cell = _array(folder / "iscell.npy", n_rois=n_rois)
        accepted = is_cell.reshape(n_rois, -1)[:, 0] > 0
    else:
        say(f"{folder} has no iscell.npy, so all {n_rois} ROIs were taken for cells.")
    rate = _numbers(settings, "fs", float)  # of one plane
    known_rate = None if rate is None or rate[0] <= 0 else float(rate[0])
    keep, options = chosen(n_rois, options, accepted=accepted, frame_rate=known_rate)
    neuropil, file = None, folder / _VARIABLES[variable]
    if file.is_file():
        neuropil = _array(file, n_rois=n_rois, ndims=(2,))
        if neuropil.shape != raw.shape:
            raise ValueError(
                f"{folder}: {variable}.npy has shape {raw.shape}, but {file.name} "
                f"{neuropil.shape}: they belong to different runs."
            )
        neuropil = neuropil[keep].T
    else:
        say(f"{folder} has no {file.name}, so the traces were not corrected for neuropil.")
    coefficient = _numbers(settings, "neucoeff", float)
    if isinstance(settings.get("extraction"), dict):  # 1.x
        coefficient = _numbers(settings["extraction"], "neuropil_coefficient", float)
    red = None
    if (folder / "redcell.npy").is_file():
        red = _array(folder / "redcell.npy", n_rois=n_rois).reshape(n_rois, -1)[keep, 0] > 0
    flags = _numbers(settings, "badframes", bool)
    bad = () if flags is None or len(flags) != n_frames else np.flatnonzero(flags)
    if len(bad):
        say(
            f"suite2p calls {len(bad)} of {n_frames} frames in {folder} bad; they were kept, and "
            'metadata["bad_frames"] has their numbers.'
        )
    positions = _positions(folder, n_rois)
    return build_from_raw(
        raw[keep].T,
        options,
        neuropil=neuropil,
        coefficient=0.7 if coefficient is None else float(coefficient[0]),
        units="counts",
        roi_ids=keep,
        accepted=None if accepted is None else accepted[keep],
        positions=None if positions is None else positions[keep],
        segments=_segments(settings, n_frames, folder),
        redcell=red,
        bad_frames=bad if len(bad) else None,
        frames_per_file=_lengths(settings, "frames_per_file", n_frames),
    )


def write(recording: Recording, path: Path) -> None:
    """Write plane0 as suite2p does; F.npy holds the traces in their units."""
    folder = path / "plane0"
    folder.mkdir()
    n_frames, n_neurons = recording.shape
    metadata, placed = noted(recording, "a folder like suite2p's")
    components = {k: v for k, v in placed.get("components", {}).items() if v is not None}
    spikes = components.pop("spikes", placed.get("spikes"))
    F = np.ascontiguousarray(recording.traces.T)
    np.save(folder / "F.npy", F)
    np.save(folder / "Fneu.npy", np.zeros_like(F))
    if spikes is not None:
        np.save(folder / "spks.npy", np.ascontiguousarray(np.asarray(spikes, np.float32).T))
    for name, array in components.items():
        np.save(folder / f"{_COMPONENT}{name}.npy", array)
    accepted = placed.get("accepted", np.ones(n_neurons))
    np.save(folder / "iscell.npy", np.column_stack([accepted, np.ones(n_neurons)]))
    height, width = _write_positions(folder, placed.get("positions"), n_neurons)
    ops = {
        "fs": recording.frame_rate,
        "nframes": n_frames,
        "nplanes": 1,
        "nchannels": 1,
        "neucoeff": 0.7,
        "Ly": height,
        "Lx": width,
    }
    np.save(folder / "ops.npy", np.array(ops, dtype=object), allow_pickle=True)
    note = {
        "written_by": f"calgan {calgan.__version__}",
        **metadata,
        "components": sorted(components),
        "units": recording.units,
        "frame_rate": recording.frame_rate,
        "roi_ids": recording.roi_ids.tolist(),
        "segments": recording.segments.tolist(),
    }
    (folder / _MARK).write_text(json.dumps(note, indent=1, default=str), encoding="utf-8")


def _read_ours(folder: Path, raw: np.ndarray, options: ReadOptions) -> Recording:
    """Read what `write` wrote: the traces are final."""
    note = _note(folder / _MARK)
    metadata = from_note(note)
    metadata["accepted"] = _array(folder / "iscell.npy", n_rois=len(raw))[:, 0] > 0
    positions, spikes = _positions(folder, len(raw)), folder / "spks.npy"
    if positions is not None:
        metadata["positions"] = positions
    counts = _array(spikes, ndims=(2,)).T if spikes.is_file() else None
    if note["components"]:
        names = note["components"]
        arrays = {name: _array(folder / f"{_COMPONENT}{name}.npy") for name in names}
        metadata["components"] = Bunch(spikes=counts, **arrays)
    elif counts is not None:
        metadata["spikes"] = counts
    return rebuilt(
        options,
        traces=raw.T,
        frame_rate=note["frame_rate"],
        roi_ids=note["roi_ids"],
        units=note["units"],
        segments=note["segments"],
        metadata=metadata,
    )


def _note(path: Path) -> dict[str, Any]:
    """Return what calgan noted in a folder that it wrote."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        return {key: note[key] for key in note.keys() | _NEEDED}
    except (AttributeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged; without it the folder is read as suite2p's."
        ) from error


def _planes(path: Path) -> list[Path]:
    """Return the folders with an F.npy: this one, or those of planes in it."""
    if (path / "F.npy").is_file():
        return [path]
    for root in (path, path / "suite2p"):
        found = [file.parent for file in root.glob("plane*/F.npy")]
        found.sort(key=lambda plane: [int(n) for n in re.findall(r"\d+", plane.name)])
        combined = root / "combined"
        if (combined / "F.npy").is_file() and len(found) != 1:
            found.append(combined)
        if found:
            return found
    return []


def _array(path: Path, *, n_rois: int | None = None, ndims: tuple[int, ...] = (1, 2)) -> np.ndarray:
    """Map an array of numbers, one row a ROI."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # numpy raises many kinds
        raise ValueError(f"{path} is damaged, or no npy file of numbers.") from error
    if array.ndim not in ndims or array.dtype.kind not in "fiub":
        raise ValueError(
            f"{path} holds {array.dtype} of shape {array.shape}, but suite2p saves one row of "
            "numbers a ROI."
        )
    if n_rois is not None and len(array) != n_rois:
        raise ValueError(
            f"{path} has {len(array)} ROIs, but F.npy has {n_rois}: they belong to different runs."
        )
    return array


def _settings(folder: Path) -> dict[str, Any]:
    """Return what ops.npy and its successors say."""
    found: dict[str, Any] = {}
    for name in _SETTINGS:
        # db.npy and settings.npy may lie in the folder above the planes.
        for path in (folder.parent / name, folder / name):
            if path.is_file():
                held = load_plain(path)
                found |= held.item() if held.shape == () and isinstance(held.item(), dict) else {}
    return found


def _numbers(settings: dict[str, Any], key: str, dtype: type) -> np.ndarray | None:
    """Return one or more numbers of the settings, flat, if they are there."""
    try:
        found: np.ndarray = np.asarray(settings[key], dtype=dtype).ravel()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return found if len(found) and np.isfinite(found).all() else None


def _positions(folder: Path, n_rois: int) -> np.ndarray | None:
    """Return the medians of the ROIs as (x, y), pixels."""
    if not (folder / "stat.npy").is_file():
        return None
    stat = load_plain(folder / "stat.npy").ravel()
    if len(stat) != n_rois or not all(isinstance(roi, dict) and "med" in roi for roi in stat):
        return None
    try:
        return np.array([roi["med"][1::-1] for roi in stat], dtype=float).reshape(n_rois, 2)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'stat.npy'} is damaged: med is no position (y, x).") from error


def _lengths(settings: dict[str, Any], key: str, n_frames: int) -> np.ndarray | None:
    """Return the numbers of frames of several files or folders, if they add up."""
    lengths = _numbers(settings, key, int)
    if lengths is None or len(lengths) < 2 or lengths.min() < 1 or lengths.sum() != n_frames:
        return None
    return lengths


def _segments(settings: dict[str, Any], n_frames: int, folder: Path) -> np.ndarray | None:
    """Return segments: folders of movies, and movies of unequal length, are separate."""
    folders = _lengths(settings, "frames_per_folder", n_frames)
    files = _lengths(settings, "frames_per_file", n_frames)
    if files is not None and files.min() == 1:
        files = None  # one file a frame
    separate = files is not None and (files[:-1] != files[0]).any() | (files[-1] > files[0])
    if files is not None and not separate and (folders is None or len(folders) < len(files)):
        say(
            f"{folder} was made of {len(files)} files of {files[0]} frames, which were taken for "
            "an unbroken recording; if they are trials, give Recording their segments."
        )
    lengths = files if separate else folders
    if lengths is None:
        return None
    stops = np.cumsum(lengths)
    return np.column_stack([stops - lengths, stops])


def _write_positions(folder: Path, positions: Any, n_neurons: int) -> tuple[int, int]:
    """Write stat.npy where positions (x, y) are known; return height and width (pixels)."""
    if positions is None:
        return 1, 1
    xy, pixels = np.asarray(positions, dtype=float)[:, :2], as_pixels(positions)
    stat = np.empty(n_neurons, dtype=object)
    for neuron, ((x, y), (column, row)) in enumerate(zip(xy.tolist(), pixels, strict=True)):
        stat[neuron] = {
            "med": [y, x],
            "ypix": np.array([row]),
            "xpix": np.array([column]),
            "lam": np.ones(1, dtype=np.float32),
            "npix": 1,
            "radius": 1.0,
            "overlap": np.zeros(1, dtype=bool),
        }
    np.save(folder / "stat.npy", stat, allow_pickle=True)
    width, height = pixels.max(axis=0) + 1
    return int(height), int(width)
