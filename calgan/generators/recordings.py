"""Recordings that generators draw: their length, their pieces, and where they are written."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from sklearn.utils import Bunch

import calgan
from calgan.data.files import replaced
from calgan.data.ordering import NeuronSorter
from calgan.data.recording import ARBITRARY, Recording
from calgan.data.validation import check_integer, shown

# What a generator or step may know of the recording that was learnt, in attributes.
ORIGIN = ("frame_rate", "roi_ids", "units", "positions", "fingerprint")
COMPONENTS = ("traces", "calcium", "spikes", "rates", "factors", "amplitudes")


def components_back(drawn: Bunch, steps: Iterable[Any]) -> Bunch:
    """Take components (..., T, N) back through MinMaxScalers and NeuronSorters, the last first."""
    drawn = Bunch(**drawn)
    for step in reversed(list(steps)):
        if isinstance(step, NeuronSorter):
            for name in set(COMPONENTS) - {"factors"}:
                if drawn[name] is not None:
                    drawn[name] = step.inverse_transform(drawn[name])
            continue
        drawn.traces = step.inverse_transform(drawn.traces)
        lo, hi = step.feature_range
        # Calcium has a zero of its own: it is scaled, and not shifted.
        per_unit = (step.data_max_ - step.data_min_) / (hi - lo)
        for name in ("calcium", "amplitudes"):
            if drawn[name] is not None:
                drawn[name] = (drawn[name] * per_unit).astype(np.float32)
    return drawn


def rechunk(pieces: Iterable[Bunch], chunk: int) -> Iterator[Bunch]:
    """Cut consecutive pieces of a recording anew, whatever their lengths."""
    held: list[Bunch] = []
    n_held = 0
    for piece in pieces:
        length, first = len(piece.traces), 0
        while first < length:
            last = min(length, first + chunk - n_held)
            held.append(_frames(piece, slice(first, last)))
            n_held += last - first
            first = last
            if n_held == chunk:
                yield _joined(held)
                held, n_held = [], 0
    if held:
        yield _joined(held)


def _frames(piece: Bunch, frames: slice) -> Bunch:
    return Bunch(
        **{name: None if piece.get(name) is None else piece[name][frames] for name in COMPONENTS}
    )


def _joined(pieces: list[Bunch]) -> Bunch:
    if len(pieces) == 1:
        return pieces[0]
    return Bunch(
        **{
            name: None if first is None else np.concatenate([piece[name] for piece in pieces])
            for name, first in pieces[0].items()
        }
    )


def count_frames(
    duration: Any,
    n_frames: Any,
    frame_rate: float | None,
    name: str,
    *,
    rate_needed: bool = False,
) -> list[int]:
    """Return the lengths of a recording's trials in frames, of durations (s) or of frames."""
    if (duration is None) == (n_frames is None):
        given = "neither" if duration is None else "both"
        raise ValueError(
            f"a recording's length is duration=... (seconds) or n_frames=..., got {given} of them."
        )
    if frame_rate is None and (rate_needed or n_frames is None):
        frames = "" if rate_needed else ", or give n_frames=... in place of duration"
        raise ValueError(
            f"{name} knows no frame rate, which a recording needs: fit it on a Recording or its "
            f"windows, or with frame_rate=... (Hz){frames}."
        )
    what, value = ("n_frames", n_frames) if duration is None else ("duration", duration)
    several = isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0
    values = list(value) if several else [value]
    if not values:
        raise ValueError(f"{what} is an empty list; give the length of one trial at least.")
    if n_frames is not None:
        return [check_integer(length, "n_frames") for length in values]
    return [frames_in(seconds, cast(float, frame_rate)) for seconds in values]


def frames_in(duration: Any, frame_rate: float) -> int:
    """Return the number of frames in a duration (s), which must hold one."""
    if isinstance(duration, (bool, np.bool_)) or not isinstance(duration, numbers.Real):
        raise TypeError(f"duration must be a number of seconds, got {shown(duration)}.")
    seconds = float(duration)
    if not math.isfinite(seconds) or round(seconds * frame_rate) < 1:
        raise ValueError(
            f"duration must be finite and hold at least one frame at {frame_rate:g} Hz, got "
            f"{seconds:g} s."
        )
    return round(seconds * frame_rate)


def write_recording(
    pieces: Iterable[Bunch],
    lengths: list[int],
    *,
    frame_rate: float,
    roi_ids: np.ndarray | None = None,
    units: str | None = None,
    positions: Any = None,
    fingerprint: str | None = None,
    generator: str,
    path: Path | None = None,
) -> Recording:
    """Put the pieces of a drawn recording together, in memory or in a file."""
    metadata: dict[str, Any] = {
        "synthetic": True,
        "generator": generator,
        "calgan_version": calgan.__version__,
    }
    if positions is not None:
        metadata["positions"] = positions
    if fingerprint is not None:
        metadata["model"] = fingerprint
    if path is None:
        components = _in_memory(pieces, sum(lengths))
        traces = components.pop("traces")
        metadata["components"] = components
    else:
        traces = _in_file(pieces, sum(lengths), path)
    stops = np.cumsum(lengths)
    with warnings.catch_warnings():
        # A short recording may well hold fewer frames than neurons.
        warnings.simplefilter("ignore", UserWarning)
        return Recording(
            traces,
            frame_rate,
            roi_ids=roi_ids,
            units=ARBITRARY if units is None else units,
            segments=np.column_stack([stops - lengths, stops]),
            metadata=metadata,
        )


def _in_memory(pieces: Iterable[Bunch], n_frames: int) -> Bunch:
    """Gather components (T, ...), read-only."""
    gathered: dict[str, np.ndarray | None] = {}
    first = 0
    for piece in pieces:
        frames = slice(first, first + len(piece.traces))
        for name in COMPONENTS:
            part = piece.get(name)
            if name not in gathered:
                shape = None if part is None else (n_frames, *part.shape[1:])
                gathered[name] = None if shape is None else np.empty(shape, part.dtype)
            if part is not None:
                gathered[name][frames] = part  # type: ignore[index]
        first = frames.stop
    for array in gathered.values():
        if array is not None:
            array.flags.writeable = False
    return Bunch(**gathered)


def _in_file(pieces: Iterable[Bunch], n_frames: int, path: Path) -> np.ndarray:
    """Write traces to a .npy file as they come; return its memory map."""
    # Written and not mapped: a full disk is then an error, and no crash.
    with replaced(path) as temporary, open(temporary, "wb") as file:
        for first, piece in enumerate(pieces):
            if first == 0:
                shape = (n_frames, piece.traces.shape[1])
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(piece.traces, dtype="<f4").data)
    return np.load(path, mmap_mode="r")
