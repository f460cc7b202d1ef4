"""Frame rate and segments by the times of frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from calgan.io._build import say
from calgan.io._options import ReadOptions

_GAP = 1.75  # intervals between frames: longer ones are gaps
_OFF, _UNEVEN = 0.25, 0.01  # intervals that a frame may lie beside its place; share of others


def from_times(
    times: Any, n_frames: int, options: ReadOptions
) -> tuple[float | None, float, np.ndarray | None]:
    """Return rate (Hz), time of the first frame (s), and segments without gaps, by times (s).

    Times that go back, or are NaN, are gaps.
    """
    times = np.asarray(times[:n_frames], dtype=float)
    steps = np.diff(times)
    forward = steps[steps > 0]
    if len(forward) == 0:
        return None, 0.0, None
    interval = float(forward[forward < 3 * np.median(forward)].mean())  # times may be rounded
    whole = (steps > 0) & (steps < _GAP * interval)
    even = steps[whole]
    rate = float(f"{1 / even.mean():.6g}")
    beside = np.abs(np.cumsum(even - even.mean()))
    uneven = float((beside > _OFF * interval + _resolution(times)).mean())
    if uneven > _UNEVEN:
        say(
            f"{options.name}: the frames are not evenly spaced ({even.min():.3g} to "
            f"{even.max():.3g} s apart); their mean rate of {rate:g} Hz was taken."
        )
    gaps = np.flatnonzero(~whole) + 1
    t_start = float(times[0]) if np.isfinite(times[0]) else 0.0
    if len(gaps) == 0:
        return rate, t_start, None
    n_gaps = "a gap" if len(gaps) == 1 else f"{len(gaps)} gaps"
    say(f"{options.name}: the time stamps have {n_gaps}; segments end there.")
    edges = np.concatenate([[0], gaps, [len(times)]])
    return rate, t_start, np.column_stack([edges[:-1], edges[1:]])


def _resolution(times: np.ndarray) -> float:
    """Return the decimal place (s) that times are rounded to, 0 if to none."""
    for place in range(5):
        scaled = times[np.isfinite(times)] * 10.0**place
        if np.abs(scaled - np.rint(scaled)).max() < 1e-6:
            return float(10.0**-place)
    return 0.0


def on_frames(events: Any, times: Any, frame_rate: float) -> np.ndarray:
    """Return times (s) of events from the first frame, by the times of frames, gaps left out.

    An event then lies at the frame that it accompanied, as a recording counts frames alone.
    """
    events, times = np.asarray(events, dtype=float), np.asarray(times, dtype=float)
    known = np.isfinite(times)
    if not known.any():
        return events
    frames, times = np.flatnonzero(known) / frame_rate, np.maximum.accumulate(times[known])
    beside = np.minimum(events - times[0], 0) + np.maximum(events - times[-1], 0)
    return np.interp(events, times, frames) + beside


def rate_of(
    times: Any, options: ReadOptions, *, unit: float = 1.0
) -> tuple[float | None, np.ndarray | None]:
    """Return the rate (Hz) that times tell, and segments; times that go back are refused.

    `unit` is that of the times, in s.
    """
    times = np.asarray(times, dtype=float).ravel() * unit
    back = np.flatnonzero(~(np.diff(times) > 0))
    if len(back):
        frame = int(back[0]) + 1
        raise ValueError(
            f"{options.name}: the times of frames must increase, but that of frame {frame} "
            f"({times[frame]:g}) does not: sort the frames, or correct their times."
        )
    rate, _, segments = from_times(times, len(times), options)
    return rate, segments
