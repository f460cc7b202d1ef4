"""Counts and traces at another frame rate, their integral kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from calgan.data.validation import as_real_array, check_frame_rate, check_integer

# Frames: an edge of a new frame that is this close to one of an old frame falls on it.
_SAME_EDGE = 1e-6


def resampled_counts(
    counts: ArrayLike, frame_rate: float, new_rate: float, n_frames: int | None = None
) -> np.ndarray:
    """Return counts (T, ...) per frame as counts (n_frames, ...) per frame of another rate.

    Frame k covers the time from k to (k + 1) / frame_rate, and its counts are spread evenly over
    it. None takes the new frames that end within the old ones; frames beyond those hold 0.
    """
    counts, edges = _read(counts, "counts", frame_rate, new_rate, n_frames)
    return _integrals(counts, edges).astype(np.float32)


def resampled_traces(
    traces: ArrayLike, frame_rate: float, new_rate: float, n_frames: int | None = None
) -> np.ndarray:
    """Return traces (T, ...) as traces (n_frames, ...) at another rate.

    A lower rate takes the mean over a new frame, a higher one interpolates between the centres of
    frames. None takes the new frames that end within the old ones; beyond, the last value is held.
    """
    traces, edges = _read(traces, "traces", frame_rate, new_rate, n_frames)
    n_old = len(traces)
    if new_rate <= frame_rate:
        widths = _per_frame(np.diff(edges), traces)
        means = _integrals(traces, edges) / np.where(widths > 0, widths, 1.0)
        means[widths.ravel() == 0] = traces[-1]
        return means.astype(np.float32)
    centres = (np.arange(len(edges) - 1) + 0.5) * frame_rate / new_rate - 0.5
    centres = np.clip(centres, 0, n_old - 1)
    first = np.minimum(centres.astype(np.intp), max(0, n_old - 2))
    second = np.minimum(first + 1, n_old - 1)
    share = _per_frame(centres - first, traces)
    return ((1.0 - share) * traces[first] + share * traces[second]).astype(np.float32)


def _read(
    values: ArrayLike, name: str, frame_rate: float, new_rate: float, n_frames: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values, and the edges (n_frames + 1,) of new frames in old frames."""
    values = as_real_array(values, name)
    if values.ndim == 0 or len(values) == 0:
        raise ValueError(
            f"{name} must be (frames, ...) with at least one frame, got shape {values.shape}."
        )
    frame_rate = check_frame_rate(frame_rate)
    new_rate = check_frame_rate(new_rate, name="new_rate")
    if n_frames is None:
        n_frames = int(len(values) * new_rate / frame_rate + _SAME_EDGE)
    else:
        n_frames = check_integer(n_frames, "n_frames", minimum=0)
    edges = np.arange(n_frames + 1) * frame_rate / new_rate
    near = np.rint(edges)
    edges = np.where(np.abs(edges - near) < _SAME_EDGE, near, edges)
    return values, np.minimum(edges, len(values))


def _integrals(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Sums (n, ...) in float64 of values between edges (n + 1,), which may cut a frame."""
    whole = edges.astype(np.intp)
    first, last = whole[:-1], whole[1:]
    # Sums of each frame's own values, and not differences of a running sum: nothing drifts, and
    # what is nowhere negative stays so. The row of zeros lets an edge lie at the end.
    padded = np.concatenate([values, np.zeros_like(values[:1])])
    sums = np.add.reduceat(padded, whole, axis=0, dtype=np.float64)[:-1]
    sums[first == last] = 0.0
    sums -= _per_frame(edges[:-1] - first, values) * padded[first]
    sums += _per_frame(edges[1:] - last, values) * padded[last]
    return sums


def _per_frame(factors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Factors (n,) in a shape that multiplies (n, ...)."""
    return factors.reshape(-1, *[1] * (values.ndim - 1))
