"""Uninterrupted segments of frames, read from a recording, arrays, or a list of trials."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from calgan.data._same_cells import warn_of_other_neurons
from calgan.data.recording import Recording
from calgan.data.validation import (
    as_trials,
    check_recording,
    common_frame_rate,
    is_lazy,
    warn_if_roi_first,
)


class Segments(NamedTuple):
    """Traces (T_i, N) of each segment, and what the input says of them (None: nothing)."""

    arrays: list[np.ndarray]
    frame_rate: float | None
    roi_ids: np.ndarray | None
    units: str | None


def as_segments(X: Any, *, name: str = "X", check_orientation: bool = True) -> Segments:
    """Read a Recording, an array (T, N) or (S, T, N), or a list of trials (T_i, N) as segments.

    Float32 arrays and memory maps are not copied. Bare arrays with more neurons than frames give
    a warning if `check_orientation`, as do trials without ids of what seem to be other neurons.
    """
    if isinstance(X, Segments):
        return X
    if isinstance(X, Recording):
        return Segments(X.segment_traces(), X.frame_rate, X.roi_ids, X.units)
    if is_lazy(X):
        raise ValueError(
            f"{name} holds windows already, but a recording is needed; pass the recording itself."
        )
    arrays: list[np.ndarray] = []
    recordings: dict[str, Recording] = {}
    parts = dict(_split(X, name))
    for label, part in parts.items():
        if isinstance(part, Recording):
            recordings[label] = part
            arrays.extend(part.segment_traces())
        else:
            arrays.append(check_recording(part, name=label, check_orientation=False))
    n_neurons = arrays[0].shape[1]
    for index, array in enumerate(arrays):
        if array.shape[1] != n_neurons:
            as_tall = len(arrays[0]) == len(array)
            turn = "; if it is ROI-first, pass the transpose of each" if as_tall else ""
            raise ValueError(
                f"the segments of {name} must hold the same neurons, but segment 0 has "
                f"{n_neurons} and segment {index} has {array.shape[1]}{turn}."
            )
    if check_orientation and not recordings:  # a Recording was checked when it was made
        warn_if_roi_first(sum(map(len, arrays)), n_neurons, name=name)
    default = np.arange(n_neurons)
    unnamed = all(np.array_equal(part.roi_ids, default) for part in recordings.values())
    if check_orientation and unnamed and len(parts) > 1:
        warn_of_other_neurons({label: _longest(part) for label, part in parts.items()})
    if not recordings:
        return Segments(arrays, None, None, None)
    rate = common_frame_rate({label: part.frame_rate for label, part in recordings.items()})
    first, *others = recordings.values()
    for other in others:
        if other.units != first.units:
            raise ValueError(
                f"the recordings in {name} must share their units, but one has {first.units} and "
                f"another {other.units}."
            )
        if not np.array_equal(other.roi_ids, first.roi_ids):
            raise ValueError(
                f"the recordings in {name} must share their roi_ids, but they differ; select the "
                "same neurons in the same order from each."
            )
    return Segments(arrays, rate, first.roi_ids, first.units)


def _longest(part: Any) -> np.ndarray:
    """Return the longest segment of a recording, or an array."""
    if isinstance(part, Recording):
        return max(part.segment_traces(), key=len)
    return check_recording(part, check_orientation=False, finite=False)


def is_list_of_trials(X: Any) -> bool:
    """Tell whether X is a list of recordings or of arrays (T_i, N)."""
    X = as_trials(X)
    return isinstance(X, (list, tuple)) and len(X) > 0 and _ndim(X[0]) == 2


def _split(X: Any, name: str) -> list[tuple[str, Any]]:
    """Return the (label, segment) pairs of an input that is not one Recording."""
    X = as_trials(X)
    if isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype == object:
        X = list(X)  # of what is refused below
    if not isinstance(X, (list, tuple)):
        ndim = np.ndim(X) if hasattr(X, "shape") else None
        if ndim == 3:
            if len(X) == 0:
                raise ValueError(f"{name} is empty: it holds no trial; pass at least one.")
            return [(f"{name}[{i}]", trial) for i, trial in enumerate(X)]
        if ndim is not None and ndim > 3:
            raise ValueError(
                f"{name} is {ndim}-D with shape {X.shape}; a recording is (frames, neurons), and "
                "trials of equal length are (trials, frames, neurons)."
            )
        return [(name, X)]
    if len(X) == 0:
        raise ValueError(f"{name} is an empty list; pass at least one segment of frames.")
    dims = {_ndim(part) for part in X}
    if dims == {2}:
        return [(f"{name}[{i}]", part) for i, part in enumerate(X)]
    if dims == {1}:  # rows of one recording, as nested lists
        return [(name, X)]
    shown = sorted("ragged" if dim is None else f"{dim}-D" for dim in dims)
    raise ValueError(
        f"{name} is a list of {len(X)} entries that are {', '.join(shown)}, but every segment must "
        "be 2-D (frames, neurons)."
    )


def _ndim(part: Any) -> int | None:
    if isinstance(part, Recording):
        return 2
    try:
        return int(np.ndim(part))
    except ValueError:  # ragged
        return None
