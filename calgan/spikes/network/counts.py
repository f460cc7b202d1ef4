"""Whole spikes from expected ones."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_MEMORY = 1.0  # s, time constant with which expected spikes are forgotten


def whole_counts(expected: NDArray[np.float32], frame_rate: float) -> NDArray[np.float32]:
    """Return whole spikes (t, ...) of a segment from expected ones.

    Expected spikes add up, and are forgotten with a time constant of 1 s. A spike is set where they
    reach one half, and is taken from the sum.
    """
    memory = math.exp(-1.0 / (frame_rate * _MEMORY))
    counts = np.zeros_like(expected)
    total = np.zeros(expected.shape[1:], np.float64)
    for frame, more in enumerate(expected):
        total = total * memory + more
        counts[frame] = np.maximum(np.ceil(total - 0.5), 0.0)
        total -= counts[frame]
    return counts
