"""Reading and batching of the windows that every statistic takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from calgan.data.validation import as_real_array

_BATCH_BYTES = 32 * 2**20


def as_windows(X: ArrayLike, name: str = "X") -> np.ndarray:
    """Return ``X`` as an array of windows ``(M, T, N)``, refusing anything else."""
    windows = as_real_array(X, name)
    if windows.ndim != 3:
        raise ValueError(
            f"{name} must be windows (M, T, N), got shape {windows.shape}; "
            "a single window or recording is X[np.newaxis]."
        )
    if windows.size == 0:
        raise ValueError(
            f"{name} is empty, shape {windows.shape}; every axis of (M, T, N) needs an entry."
        )
    if windows.dtype.kind == "f":
        for rows in batches(windows):
            finite = np.abs(windows[rows]) <= np.finfo(np.float32).max
            if not finite.all():
                window, frame, neuron = np.argwhere(~finite)[0]
                value = windows[rows][window, frame, neuron]
                raise ValueError(
                    f"{name} holds NaN or infinite values (of float32), the first ({value:g}) in "
                    f"window {rows.start + window}, frame {frame}, neuron {neuron}; "
                    "remove or fill them first."
                )
    return windows


def as_window_pair(
    real: ArrayLike,
    synthetic: ArrayLike,
    names: tuple[str, str] = ("real", "synthetic"),
    *,
    same_window: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return two sets of windows over the same neurons (and frames if ``same_window``)."""
    first, second = as_windows(real, names[0]), as_windows(synthetic, names[1])
    if first.shape[2] != second.shape[2]:
        raise ValueError(
            f"{names[0]} has {first.shape[2]} neurons and {names[1]} has {second.shape[2]}; "
            "both must hold the same neurons in the same order."
        )
    if same_window and first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{names[0]} has windows of {first.shape[1]} frames and {names[1]} of "
            f"{second.shape[1]}; cut both to one length."
        )
    return first, second


def mean_of_defined(values: ArrayLike) -> float:
    """Mean of the values that are not NaN; NaN if there is none."""
    array = np.asarray(values, dtype=np.float64)
    defined = array[~np.isnan(array)]
    return float(defined.mean()) if defined.size else float("nan")


def batches(windows: np.ndarray) -> Iterator[slice]:
    """Slices of windows that are small enough to be worked on in float64."""
    size = max(1, _BATCH_BYTES // (8 * windows[0].size))
    for start in range(0, len(windows), size):
        yield slice(start, min(start + size, len(windows)))
