"""Ranges of frames: segments of a recording, and how frames without a value cut them."""

from __future__ import annotations

from typing import Any

import numpy as np

from calgan.data.stored import StoredTraces
from calgan.data.validation import check_recording

_CHUNK_FRAMES = 8192  # a memory-mapped recording is never read whole


def finite_segments(traces: Any, segments: Any = None) -> np.ndarray:
    """Return the segments in which every neuron has a value: NaN and infinity are borders.

    Parameters
    ----------
    traces : array-like of shape (T, N)
        Traces, NaN where nothing was recorded.
    segments : array-like of shape (S, 2), default=None
        Frame ranges ``[start, stop)`` to cut; None means all frames.

    Returns
    -------
    ndarray of shape (S, 2), int
        Frame ranges without NaN. Borders of `segments` are kept.

    Raises
    ------
    ValueError
        If no frame has a value of every neuron, or the segments do not fit the traces.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import Recording
    >>> from calgan.io import finite_segments
    >>> traces = np.ones((600, 3))
    >>> traces[200:210, 1] = np.nan
    >>> finite_segments(traces).tolist()
    [[0, 200], [210, 600]]
    >>> Recording(traces, 10.0, segments=finite_segments(traces))
    Recording(600 frames x 3 neurons, 10 Hz, 60.0 s, dF/F, 2 segments)
    """
    array = check_recording(traces, name="traces", check_orientation=False, finite=False)
    good, n_values = array.finite() if isinstance(array, StoredTraces) else _finite(array)
    cut = cut_ranges(check_ranges(segments, len(array)), good)
    if len(cut) == 0:
        fewest = int(n_values.argmin())
        raise ValueError(
            "no frame has a value of every neuron; leave out some neurons first: neuron "
            f"{fewest} has the fewest values ({n_values[fewest]} of {len(array)} frames)."
        )
    return cut


def _finite(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which frames have a value of every neuron (T,), and the values of each (N,)."""
    good = np.empty(len(array), dtype=bool)
    n_values = np.zeros(array.shape[1], dtype=np.int64)
    for start in range(0, len(array), _CHUNK_FRAMES):
        finite = np.isfinite(array[start : start + _CHUNK_FRAMES])
        good[start : start + _CHUNK_FRAMES] = finite.all(axis=1)
        n_values += finite.sum(axis=0)
    return good, n_values


def cut_ranges(ranges: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return the parts of frame ranges (S, 2) in which `good` (T,) is True; there may be none."""
    parts = [np.empty((0, 2), dtype=np.int64)]
    for start, stop in ranges:
        edges = np.diff(np.concatenate([[0], good[start:stop].astype(np.int8), [0]]))
        parts.append(np.flatnonzero(edges).reshape(-1, 2) + start)
    return np.concatenate(parts)


def check_ranges(segments: Any, n_frames: int) -> np.ndarray:
    """Return segments as whole-number frame ranges (S, 2), in order and within `n_frames`."""
    if segments is None:
        return np.array([[0, n_frames]])
    try:
        ranges = np.asarray(segments)
    except ValueError as error:
        raise ValueError(
            "segments must be whole-number frame ranges [start, stop) of shape (S, 2), but its "
            "entries differ in length."
        ) from error
    if (
        ranges.ndim != 2
        or ranges.shape[1] != 2
        or len(ranges) == 0
        or ranges.dtype.kind not in "iu"
    ):
        raise ValueError(
            "segments must be whole-number frame ranges [start, stop) of shape (S, 2), got an "
            f"array of shape {ranges.shape} and dtype {ranges.dtype}."
        )
    ranges = ranges.astype(np.int64)
    bounds = ranges.ravel()
    if bounds[0] < 0 or bounds[-1] > n_frames or np.any(np.diff(bounds) < 0):
        raise ValueError(
            f"segments must be in order, without overlap and within the {n_frames} frames, got "
            f"{ranges.tolist()}."
        )
    if np.any(ranges[:, 0] == ranges[:, 1]):
        raise ValueError(f"segments must hold at least one frame each, got {ranges.tolist()}.")
    return ranges
