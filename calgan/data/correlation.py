"""Pearson's r of two arrays, column by column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def column_correlations(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Pearson's r (N,) of the columns of two arrays (T, N); NaN where either is constant."""
    defined = varies(first) & varies(second)
    x, y = (each - each.mean(axis=0) for each in (first.astype(float), second.astype(float)))
    norm = np.linalg.norm(x, axis=0) * np.linalg.norm(y, axis=0)
    r = np.einsum("tn,tn->n", x, y) / np.where(defined, norm, np.nan)
    return np.clip(r, -1.0, 1.0)


def varies(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which columns of an array are not constant: a deviation need not be exactly 0."""
    return np.asarray((values != values[:1]).any(axis=0))
