"""Recordings of one list that do not look like the same neurons in the same order."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata

# Noise levels of neurons rank alike in both halves of a recording, and in any two parts of the
# published recordings (correlation at least 0.47). Those of other neurons rank at random.
_MIN_NEURONS, _MIN_FRAMES, _MAX_FRAMES = 10, 200, 500  # frames of a half
_RELIABLE, _UNRELATED = 0.7, 0.3


def warn_of_other_neurons(parts: Mapping[str, np.ndarray]) -> None:
    """Warn if the noise of traces (T_i, N) ranks neurons in another way than in the first of them.

    Parts that are too short, and neurons that are too few or too alike, say nothing.
    """
    known: dict[str, np.ndarray] = {}
    if len(parts) < 2:
        return
    for label, traces in parts.items():
        if traces.shape[1] < _MIN_NEURONS or len(traces) < 2 * _MIN_FRAMES:
            continue
        middle = len(traces) // 2
        halves = np.stack([_noise(traces[:middle]), _noise(traces[middle:])])
        if _rank_correlation(*halves) > _RELIABLE:
            known[label] = halves.mean(axis=0)
    if len(known) < 2:
        return
    (first, levels), *others = known.items()
    for label, other in others:
        r = _rank_correlation(levels, other)
        if r < _UNRELATED:
            warnings.warn(
                f"{first} and {label} are taken to hold the same neurons in the same order, but "
                f"the noise of their neurons is unrelated (rank correlation {r:.2f}): give them "
                "roi_ids if neurons are missing or in another order, and fit one model to each if "
                "they are other neurons.",
                UserWarning,
                stacklevel=4,
            )
            return


def _noise(traces: np.ndarray) -> np.ndarray:
    """Return a robust size of the steps from frame to frame, (N,)."""
    steps = np.diff(np.asarray(traces[:_MAX_FRAMES], dtype=np.float64), axis=0)
    return np.median(np.abs(steps - np.median(steps, axis=0)), axis=0)


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
