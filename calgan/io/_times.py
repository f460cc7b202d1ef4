"""Frame rate and segments by the times of frames."""

from __future__ import annotations

import numpy as np

from calgan.io._build import say
from calgan.io._options import ReadOptions

_GAP = 1.5  # median intervals between frames
_JITTER = 0.1  # of an interval


def from_times(
    times: np.ndarray, n_frames: int, options: ReadOptions
) -> tuple[float | None, float, np.ndarray | None]:
    """Return rate (Hz), time of the first frame (s), and segments without gaps, by times (s)."""
    times = np.asarray(times[:n_frames], dtype=float)
    steps = np.diff(times)
    median = float(np.nanmedian(steps)) if np.isfinite(steps).any() else 0.0
    if median <= 0:
        return None, 0.0, None
    whole = (steps > 0) & (steps < _GAP * median)
    mean = float(steps[whole].mean())
    uneven = float((np.abs(steps[whole] / mean - 1.0) > _JITTER).mean())
    if uneven > 0.01:
        say(
            f"{options.name}: {uneven:.0%} of the intervals between frames differ from their mean, "
            f"{1e3 * mean:.4g} ms, by more than {_JITTER:.0%}; the frame rate is {1 / mean:.4g} Hz."
        )
    gaps = np.flatnonzero(~whole) + 1
    t_start = float(times[0]) if np.isfinite(times[0]) else 0.0
    if len(gaps) == 0:
        return 1 / mean, t_start, None
    say(f"{options.name}: the time stamps have {len(gaps)} gaps, which became borders of segments.")
    edges = np.concatenate([[0], gaps, [n_frames]])
    return 1 / mean, t_start, np.column_stack([edges[:-1], edges[1:]])
