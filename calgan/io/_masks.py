"""Positions of neurons by their masks."""

from __future__ import annotations

import numpy as np


def centre_of_image(image: np.ndarray) -> np.ndarray:
    """Return the centre of mass of an image, in the order of its axes; NaN if it is empty."""
    image = np.maximum(np.nan_to_num(np.asarray(image, dtype=float)), 0.0)
    total = image.sum()
    if total == 0:
        return np.full(image.ndim, np.nan)
    axes = range(image.ndim)
    sums = [image.sum(axis=tuple(other for other in axes if other != axis)) for axis in axes]
    return np.array([np.arange(len(s)) @ s / total for s in sums])
