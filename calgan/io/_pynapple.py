"""npz files of pynapple, a TsdFrame or Tsd each."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.io._build import build, few, say
from calgan.io._named import is_plain
from calgan.io._npz import Member, opened, sound
from calgan.io._options import ReadOptions
from calgan.io._pickles import plain_array
from calgan.io._times import rate_of

_TYPES = ("TsdFrame", "Tsd")
_OWN = ("units", "frame_rate", "x", "y", "z", "accepted", "format", "source", "t_start")


def recognises(path: Path) -> bool:
    """Tell an npz file of pynapple by the names of its arrays."""
    if not path.is_file() or path.suffix.lower() != ".npz":
        return False
    try:
        with zipfile.ZipFile(path) as file:
            return {"t.npy", "d.npy", "start.npy", "end.npy"} <= set(file.namelist())
    except (OSError, zipfile.BadZipFile, ValueError):
        return False


def read(path: Path, options: ReadOptions) -> Recording:
    """Read a TsdFrame or Tsd; the borders of its epochs, and gaps in them, end segments."""
    with opened(path) as file:
        arrays = {n: np.asarray(Member(file, f"{n}.npy", path)) for n in ("t", "d", "start", "end")}
        held = {}
        for name in {"columns", "_metadata"} & {n.removesuffix(".npy") for n in file.namelist()}:
            with sound(file, f"{name}.npy", path) as member:
                held[name] = plain_array(member, path)
    info = held["_metadata"].item() if "_metadata" in held else {}
    columns = held.get("columns")
    return read_frame(
        arrays["t"],
        arrays["d"],
        options,
        epochs=np.column_stack([arrays["start"], arrays["end"]]),
        columns=None if columns is None else columns.tolist(),
        info={name: np.asarray(value) for name, value in dict(info).items()},
    )


def read_frame(
    t: np.ndarray,
    d: np.ndarray,
    options: ReadOptions,
    *,
    epochs: np.ndarray,
    columns: list[Any] | None,
    info: dict[str, np.ndarray],
) -> Recording:
    """Make a recording of times (s), data, epochs and what is known of each column."""
    d = d[:, None] if d.ndim == 1 else d
    if d.ndim != 2 or len(t) == 0:
        raise ValueError(f"{options.name} holds data of shape {d.shape}, and no TsdFrame or Tsd.")
    epoch = np.searchsorted(epochs[:, 0], t, side="right")
    lengths = np.unique(epoch, return_counts=True)[1]
    borders = np.concatenate([[0], np.cumsum(lengths)])
    inside = [t[a:b] - t[a] for a, b in zip(borders[:-1], borders[1:], strict=True)]
    rate = _one(info, "frame_rate")
    segments = []
    for times, first in zip(inside, borders, strict=False):
        found, parts = rate_of(times, options) if len(times) > 1 else (None, None)
        rate = rate or found
        parts = np.array([[0, len(times)]]) if parts is None else parts
        segments.append(parts + first)
    ranges = np.concatenate(segments)
    if rate is not None or options.frame_rate is not None:
        d, ranges = with_gaps(d, ranges, t, options.frame_rate or float(rate))
    axes = [info[name] for name in ("x", "y", "z") if name in info]
    known = {str(name): _one(info, name) for name in info if name not in _OWN}
    return build(
        d,
        options,
        frame_rate=rate,
        units=_one(info, "units") or "a.u.",
        roi_ids=columns,
        segments=ranges,
        positions=np.column_stack(axes).astype(float) if len(axes) > 1 else None,
        accepted=info.get("accepted"),
        t_start=float(t[0]) or None,
        **known,
    )


def with_gaps(
    traces: np.ndarray, segments: np.ndarray, t: np.ndarray, frame_rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return traces with NaN for the frames between segments, so that frames keep their times."""
    starts = np.rint((t[segments[:, 0]] - t[0]) * frame_rate).astype(np.int64)
    lengths = segments[:, 1] - segments[:, 0]
    stops = starts + lengths
    if (starts[1:] < stops[:-1]).any() or stops[-1] == len(traces) or stops[-1] > 10 * len(traces):
        return traces, segments  # without gaps, or mostly gaps
    out = np.full((stops[-1], traces.shape[1]), np.nan, dtype=np.float32)
    for (first, last), start, stop in zip(segments, starts, stops, strict=True):
        out[start:stop] = traces[first:last]
    return out, np.column_stack([starts, stops])


def parts(recording: Recording) -> dict[str, Any]:
    """Return times (s), data, epochs and the known of each column of a recording's segments."""
    t_start = float(recording.metadata.get("t_start", 0.0))
    t = t_start + recording.times
    n_neurons = recording.n_neurons
    info: dict[str, Any] = {
        "units": np.full(n_neurons, recording.units),
        "frame_rate": np.full(n_neurons, recording.frame_rate),
    }
    for name, value in recording.metadata.items():
        if name == "positions" and np.ndim(value) == 2:
            info |= dict(zip("xyz", np.asarray(value, dtype=float).T, strict=False))
        elif name == "accepted" or (is_plain(value) and name.isidentifier() and name not in _OWN):
            info[name] = np.broadcast_to(value, n_neurons)
    segments = recording.segments
    inside = np.concatenate([np.arange(start, stop) for start, stop in segments])
    return {
        "t": t[inside],
        "d": recording.traces[inside],
        "columns": recording.roi_ids,
        "epochs": np.column_stack([t[segments[:, 0]], t[segments[:, 1] - 1]]),
        "info": info,
    }


def write(recording: Recording, path: Path) -> None:
    """Write a TsdFrame of the frames in segments; units and origin are metadata of its columns."""
    held = parts(recording)
    lost = [key for key in recording.metadata if key not in (*_OWN, *held["info"], "positions")]
    if lost:
        say(f"pynapple's npz holds no {few(lost)} of the metadata: calgan's npz does.")
    with open(path, "wb") as file:
        np.savez(
            file,
            t=held["t"],
            d=held["d"],
            columns=held["columns"],
            start=held["epochs"][:, 0],
            end=held["epochs"][:, 1],
            type=np.array(["TsdFrame"]),
            _metadata=np.array(held["info"], dtype=object),
        )


def _one(info: dict[str, np.ndarray], name: str) -> Any:
    """Return the value that all columns share."""
    values = set(np.asarray(info.get(name, [])).tolist())
    return values.pop() if len(values) == 1 else None
