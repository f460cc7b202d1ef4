"""Whether inferred spikes come too early or too late."""

from __future__ import annotations

import warnings
from statistics import median
from typing import NamedTuple

import numpy as np

_LONGEST, _SUSPICIOUS = 2.0, 0.25  # s
_LEAST_SPIKES = 10
# A shift counts if it brings the correlation to this, and so many times as high as without.
_LEAST_CORRELATION, _BETTER = 0.3, 1.5


class Lag(NamedTuple):
    """Lag (s) of inferred spikes; positive if they come late."""

    recording: int
    best: float
    is_suspicious: bool


def lag_between(inferred: np.ndarray, true: np.ndarray, rate: float, recording: int) -> Lag | None:
    """Return the lag at which inferred spikes (t,) fit best, None where there is nothing to fit."""
    most = min(round(_LONGEST * rate), len(true) // 4)
    x, y = inferred - inferred.mean(dtype=np.float64), true - true.mean(dtype=np.float64)
    norm = np.sqrt((x @ x) * (y @ y))
    if norm == 0 or true.sum() < _LEAST_SPIKES or most == 0:
        return None
    # Pairs in which the inferred frame is `lag` after the true one.
    fit = [
        float(x[max(0, lag) : len(x) + min(0, lag)] @ y[max(0, -lag) : len(y) - max(0, lag)])
        for lag in range(-most, most + 1)
    ]
    at = int(np.argmax(fit))
    better = fit[at] / norm > _LEAST_CORRELATION and fit[at] > _BETTER * fit[most]
    lag = (at - most) / rate
    return Lag(recording, lag, better and abs(lag) > _SUSPICIOUS)


def median_lag(lags: list[Lag | None]) -> float | None:
    """Return the median lag (s), and warn of recordings most of whose neurons have another one."""
    known = [lag for lag in lags if lag is not None]
    if not known:
        return None
    texts = []
    for recording in sorted({lag.recording for lag in known}):
        own = [lag for lag in known if lag.recording == recording]
        if sum(lag.is_suspicious for lag in own) > len(own) / 2:
            shift = median(lag.best for lag in own if lag.is_suspicious)
            side = "before" if shift > 0 else "after"
            texts.append(f"of recordings[{recording}] {abs(shift):.2g} s {side}")
    if texts:
        warnings.warn(
            f"true spikes lie earlier or later than those inferred from the traces: "
            f"{', '.join(texts)}. Align their clocks, or leave them out.",
            UserWarning,
            stacklevel=5,
        )
    return float(median(lag.best for lag in known))
