"""Recordings from what a format's reader found."""

from __future__ import annotations

import importlib
import math
import sys
import warnings
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from calgan.data.ranges import check_ranges, finite_segments
from calgan.data.recording import Recording
from calgan.data.stored import as_stored, is_stored
from calgan.data.validation import check_neurons
from calgan.io._options import ReadOptions

_NAMED = 5  # neurons that a message names
# Metadata that files other than npz hold: as a note, or in a place of their own. Those read from
# a file that say where it was are not worth a word.
_NOTED = (
    *("synthetic", "generator", "model", "calgan_version"),
    *("processing", "indicator", "t_start"),
)
_EVENTS = ("trials", "stimulus_times")
_OTHER_TABLES = {"trials", "epochs", "invalid_times", "segments"}  # of an NWB file
_PLACED = ("positions", "accepted", "components", "spikes", "format", "source", "variable")


def needs(module: str, what: str, install: str = "'calgan[io]'") -> ModuleType:
    """Import an optional library, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = {"skimage": "scikit-image"}.get(root := module.split(".")[0], root)
        raise ImportError(f"{what} needs {package}: pip install {install}.") from error


def few(names: Any) -> str:
    """Return the first of many names as text."""
    names = [str(name) for name in names]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def say(message: str) -> None:
    """Warn the caller of `read_recording`, at the line outside calgan."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("calgan."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)


def noted(
    recording: Recording, format: str, *, events: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metadata for a file's note, and those that have a place of their own.

    Those of another kind, or of another shape than `Recording` wants, are lost with a word.
    """
    note = {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in recording.metadata.items()
        if key in _NOTED
    }
    places = (*_PLACED, *(_EVENTS if events else ()))
    placed = {k: v for k, v in recording.metadata.items() if k in places and _fits(k, v, recording)}
    lost = [key for key in recording.metadata if key not in (*note, *placed)]
    if lost:
        say(f"{format} has no place for these metadata, which npz keeps: {few(lost)}.")
    return note, placed


def _fits(key: str, value: Any, recording: Recording) -> bool:
    """Tell whether metadata have the shape that their place wants."""
    n_frames, n_neurons = recording.shape
    if key == "components":
        return isinstance(value, dict) and all(
            v is None or (np.ndim(v) == 2 and len(v) == n_frames) for v in value.values()
        )
    if key in _EVENTS:
        columns = value if isinstance(value, dict) else {}
        if key == "stimulus_times" and set(columns) & _OTHER_TABLES:
            return False
        lengths = {np.shape(each) for each in columns.values()}
        if key == "trials":  # a table
            return len(lengths) == 1 and {"start_time", "stop_time"} <= set(columns)
        return bool(columns) and all(len(shape) == 1 for shape in lengths)
    shapes: dict[str, list[tuple[int, ...]]] = {
        "positions": [(n_neurons, 2), (n_neurons, 3)],
        "accepted": [(n_neurons,)],
        "spikes": [recording.shape],
    }
    if key in shapes and np.shape(value) not in shapes[key]:
        return False
    return key != "positions" or bool(np.isfinite(np.asarray(value, dtype=float)).all())


def from_note(note: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a file's note."""
    return {key: note[key] for key in _NOTED if key in note}


def as_pixels(positions: Any) -> np.ndarray:
    """Return positions (N, 2 or 3) as whole pixels (x, y) from 0."""
    xy = np.asarray(positions, dtype=float)[:, :2]
    return np.rint(xy - np.minimum(xy.min(axis=0), 0.0)).astype(int)


def build(
    traces: Any,
    options: ReadOptions,
    *,
    frame_rate: float | None = None,
    units: str = "a.u.",
    roi_ids: Any = None,
    positions: Any = None,
    accepted: Any = None,
    segments: Any = None,
    axes_known: bool = True,
    **metadata: Any,
) -> Recording:
    """Make a recording of traces (T, N), NaN where nothing was recorded, and of what is known.

    `options` choose cells and neurons. If the axes are not known, the shorter one is the neurons'.
    None among the metadata is left out. Traces that are too large for memory stay in their file.
    """
    turned = not axes_known and np.ndim(traces) == 2 and traces.shape[1] > traces.shape[0]
    if (stored := as_stored(traces, turned=turned)) is None:
        traces = np.asarray(traces)
    if traces.ndim == 1:
        traces = traces[:, None]
    if traces.ndim != 2 or 0 in traces.shape:
        raise ValueError(
            f"{options.name} holds traces of shape {traces.shape}, but a recording is (frames, "
            "neurons)."
        )
    if turned:
        say(
            f"{options.name} has shape {traces.shape}, so the longer axis was taken for the frames "
            f"and the array transposed: {traces.shape[1]} frames of {traces.shape[0]} neurons."
        )
    traces = stored if stored is not None else traces.T if turned else traces
    n_neurons = traces.shape[1]
    columns = {"roi_ids": roi_ids, "positions": positions, "accepted": accepted}
    for name, value in columns.items():
        if value is not None and len(value) != n_neurons:
            raise ValueError(
                f"{options.name} has {n_neurons} traces, but {len(value)} {name}: it is damaged, "
                "or its parts belong to different runs."
            )
    keep = _kept(traces, options, accepted, roi_ids)
    # What is not kept is copied nowhere.
    picked = {k: None if v is None else np.asarray(v)[keep] for k, v in columns.items()}
    ids = picked.pop("roi_ids")
    if ids is None and len(keep) != n_neurons:
        ids = keep  # as they are numbered in the file
    known = {**metadata, **picked, "format": options.format, "source": options.name}
    spikes = known.get("spikes")
    if spikes is not None:
        known["spikes"] = np.asarray(spikes)[:, keep]
    if len(keep) < n_neurons or not _ordered(keep):
        traces = traces[:, keep] if stored is None else stored.part(neurons=keep)
    return Recording(
        traces,
        _rate(frame_rate, options),
        roi_ids=ids,
        units=units,
        segments=_without_nan(traces, segments, options, keep if ids is None else ids),
        metadata={key: value for key, value in known.items() if value is not None},
    )


def _ordered(keep: np.ndarray) -> bool:
    return bool((np.diff(keep) == 1).all())


def rebuilt(
    options: ReadOptions,
    *,
    traces: Any,
    frame_rate: float,
    roi_ids: Any,
    units: str,
    segments: Any,
    metadata: dict[str, Any],
) -> Recording:
    """Make a recording of what calgan wrote: all its neurons, whether accepted or not."""
    keep, known = chosen(len(roi_ids), options, accepted=None, frame_rate=frame_rate)
    recording = Recording(
        traces,
        known.frame_rate or frame_rate,
        roi_ids=roi_ids,
        units=units,
        segments=segments,
        metadata=metadata | {"format": options.format, "source": options.name},
    )
    return recording if options.neurons is None else recording.select(keep)


def chosen(
    n_neurons: int, options: ReadOptions, *, accepted: Any, frame_rate: float | None
) -> tuple[np.ndarray, ReadOptions]:
    """Return the numbers of the neurons to read, and the options for what is then read.

    A reader that does not read all traces calls this first. The options know the frame rate.
    """
    keep = _chosen(n_neurons, options, accepted)
    rate = _rate(frame_rate, options)
    return keep, replace(options, neurons=None, cells="all", frame_rate=rate)


def _kept(traces: Any, options: ReadOptions, accepted: Any, roi_ids: Any) -> np.ndarray:
    """Return the numbers of the neurons to keep: those chosen that have a value."""
    keep = _chosen(traces.shape[1], options, accepted)
    if traces.dtype.kind != "f" or options.neurons is not None:
        return keep
    if is_stored(traces):
        empty = (traces.finite()[1] == 0)[keep]
    else:
        empty = np.isnan(traces).all(axis=0)[keep]
    if empty.all():
        raise ValueError(f"{options.name}: no neuron has a value.")
    if empty.any():
        names = keep if roi_ids is None else np.asarray(roi_ids)[keep]
        say(f"{options.name}: neurons without any value were left out: {few(names[empty])}.")
    return keep[~empty]


def _chosen(n_neurons: int, options: ReadOptions, accepted: Any) -> np.ndarray:
    """Return the numbers of the neurons that the options choose."""
    if options.neurons is not None:
        return check_neurons(options.neurons, n_neurons, name=f"neurons, for {options.name},")
    if accepted is None or options.cells == "all":
        return np.arange(n_neurons)
    keep = np.flatnonzero(accepted)
    if len(keep) == 0:
        raise ValueError(
            f"{options.name} accepts none of its {n_neurons} ROIs as a cell: curate it, or read "
            "all with cells='all'."
        )
    return keep


def _rate(frame_rate: float | None, options: ReadOptions) -> float:
    return frame_rate_of(frame_rate, options.frame_rate, options.name, "read_recording")


def frame_rate_of(said: float | None, given: float | None, name: str, reader: str) -> float:
    """Return the rate (Hz) that was given to a reader, or else the one that the file says."""
    if given is None and said is None:
        raise ValueError(
            f"{name} does not say its frame rate: pass frame_rate=... (Hz) to {reader}."
        )
    if given is None:
        return float(said)  # type: ignore[arg-type]
    if said is not None and not math.isclose(given, float(said), rel_tol=0.01):
        say(f"{name} says {said:g} Hz; frame_rate={given:g} Hz was taken instead.")
    return given


def _n_values(traces: Any) -> np.ndarray:
    """Return how many values of each neuron are finite as float32."""
    if is_stored(traces):
        return traces.finite()[1]
    with np.errstate(over="ignore"):
        return np.isfinite(np.asarray(traces, dtype=np.float32)).sum(axis=0)


def _without_nan(traces: np.ndarray, segments: Any, options: ReadOptions, names: np.ndarray) -> Any:
    """Return the segments, cut where a neuron is NaN; `names` are those of the neurons."""
    try:
        ranges = check_ranges(segments, len(traces))
    except ValueError as error:
        raise ValueError(f"{options.name}: {error}") from error
    try:
        cut = finite_segments(traces, ranges)
    except ValueError as error:
        values = _n_values(traces)
        raise ValueError(
            f"{options.name}: no frame has a value of every neuron that float32 holds; leave out "
            f"neurons with few values, with neurons=[...], such as {names[values.argmin()]}, which "
            f"has {values.min()} in {len(traces)} frames."
        ) from error
    n_lost = int(np.diff(ranges).sum() - np.diff(cut).sum())
    if n_lost == 0:
        return segments
    left = "one segment is" if len(cut) == 1 else f"{len(cut)} segments are"
    missing = len(traces) - _n_values(traces)
    worst = names[missing.argmax()]
    say(
        f"{options.name}: {n_lost} of {len(traces)} frames hold NaN or infinity and belong to no "
        f"segment; {left} left. Neuron {worst} lacks most, {missing.max()} frames; read others "
        "with neurons=[...]."
    )
    return cut
