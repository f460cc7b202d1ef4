"""Moments of spikes: what a dichotomized Gaussian takes over from data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.data.validation import as_real_array, check_recording, check_windows, is_lazy

_MAX_COUNT = 255
_BLOCK_VALUES = 1 << 20  # values that moments take in at a time


def read_spikes(X: Any) -> tuple[list[np.ndarray], int | None]:
    """Return arrays (m, t, N) of uninterrupted bins, and the frames of a window, if any."""
    if isinstance(X, Recording):
        return [part[None] for part in X.segment_traces()], None
    if not is_lazy(X):
        X = as_real_array(X, "spikes")
    if X.ndim > 2:
        windows = check_windows(X, name="spikes", estimator="DichotomizedGaussian", encoded=False)
        n_frames = windows.shape[1]
        if not is_lazy(windows):
            return [windows], n_frames
        if not windows.frame_wise:
            return [windows.gather()], n_frames
        return [run[None] for run in windows.covered_frames()], n_frames
    return [check_recording(X, name="spikes")[None]], None


def check_lags(n_lags: int, n_bins: int, name: str) -> None:
    """Raise an error unless `n_bins` in a row, the most that there are, hold all lags."""
    if n_bins <= n_lags:
        raise ValueError(
            f"{name} have {n_bins} bins in a row, too few for n_lags={n_lags}; pass at least "
            f"{n_lags + 1}, or take fewer lags."
        )


def check_counts(parts: list[np.ndarray], marginals: str) -> int:
    """Return the largest count, after a check that all are counts."""
    top = max(float(part.max()) for part in parts)
    low = min(float(part.min()) for part in parts)
    whole = all(np.array_equal(b, np.rint(b)) for part in parts for b in _blocks(part))
    if low < 0 or not whole:
        raise ValueError(
            "spikes must be 0 and 1 or whole counts, but some are "
            f"{'negative' if low < 0 else 'fractions'}; infer spikes from traces with "
            "OasisDeconvolver(output='events') first."
        )
    if marginals == "binary" and top > 1:
        raise ValueError(
            f"spikes go up to {top:g}, but marginals='binary' takes 0 and 1; use "
            "marginals='counts', or pass spikes > 0."
        )
    if top > _MAX_COUNT:
        raise ValueError(
            f"spikes go up to {top:g} a bin, and at most {_MAX_COUNT} are provided for; take "
            "shorter bins, or check that these are spikes and not fluorescence."
        )
    return int(top)


def _blocks(part: np.ndarray) -> Iterator[np.ndarray]:
    """Yield bins (t, N) of windows (m, t, N) as float64, a few at a time."""
    rows = part.reshape(-1, part.shape[2])
    step = max(1, _BLOCK_VALUES // part.shape[2])
    for first in range(0, len(rows), step):
        yield rows[first : first + step].astype(np.float64)


def moments(parts: list[np.ndarray], top: int) -> tuple[np.ndarray, np.ndarray]:
    """Return P(count > k), (N, top), and the covariance matrix of all bins."""
    n_neurons = parts[0].shape[2]
    n_bins = sum(part.shape[0] * part.shape[1] for part in parts)
    above, products = np.zeros((n_neurons, top)), np.zeros((n_neurons, n_neurons))
    for part in parts:
        for block in _blocks(part):
            products += block.T @ block
            for k in range(top):
                above[:, k] += np.count_nonzero(block > k, axis=0)
    mean = above.sum(axis=1) / n_bins
    return above / n_bins, products / n_bins - np.outer(mean, mean)


def autocovariance_of(parts: list[np.ndarray], mean: np.ndarray, n_lags: int) -> np.ndarray:
    """Mean over neurons of the autocovariance at lags 1 to n_lags, never across a border."""
    sums, pairs = np.zeros(n_lags), np.zeros(n_lags)
    for part in parts:
        for window in part:
            centred = window - mean
            for lag in range(1, min(n_lags, len(window) - 1) + 1):
                sums[lag - 1] += np.sum(centred[lag:] * centred[:-lag])
                pairs[lag - 1] += centred[lag:].size
    return sums / np.maximum(pairs, 1)
