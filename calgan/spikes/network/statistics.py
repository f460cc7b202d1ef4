"""Scale and statistics of a neuron's traces, by which a network finds its place among recordings.

The statistics do not depend on the unit and offset of the traces, and none of them needs spikes.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import NDArray

from calgan.data.resampling import resampled_traces

Floats = NDArray[np.float64]

GRID_RATE = 25.0  # Hz; networks work near it
_QUANTILES = (5.0, 25.0, 75.0, 95.0, 99.0)
_LAGS = (0.12, 0.25, 0.5, 1.0, 2.0, 4.0)  # s
_OCTAVES = 7  # of time scales, the first one frame of the grid
_LARGEST = 25.0  # standard deviations; an artefact is no larger to a network
# Values that set the scale: an artefact in one frame of a thousand does not.
_CLIPPED = (0.1, 99.9)
_BLOCK = 64  # neurons whose statistics are computed at once

NAMES = (
    "log noise",
    "log frame rate",
    "skewness",
    "log kurtosis",
    *(f"quantile {q:g} %" for q in _QUANTILES),
    *(f"autocorrelation at {lag:g} s" for lag in _LAGS),
    *(f"log power in octave {k}" for k in range(_OCTAVES)),
    "Hurst exponent",
)


def grid_rate_of(frame_rate: float) -> float:
    """Return the rate (Hz) nearest to 25 Hz that is a whole multiple or part of a frame rate."""
    if frame_rate > GRID_RATE:
        parts = frame_rate / GRID_RATE
        factors = [1.0 / max(1, math.floor(parts)), 1.0 / math.ceil(parts)]
    else:
        times = GRID_RATE / frame_rate
        factors = [float(math.floor(times)), float(math.ceil(times))]
    return min((frame_rate * f for f in factors), key=lambda rate: abs(math.log(rate / GRID_RATE)))


def on_grid(segment: np.ndarray, frame_rate: float) -> np.ndarray:
    """Return traces (t, ...) at the rate that networks work at; all frames are kept."""
    rate = grid_rate_of(frame_rate)
    return resampled_traces(segment, frame_rate, rate, math.ceil(len(segment) * rate / frame_rate))


def centre_and_scale(segments: list[np.ndarray]) -> tuple[Floats, Floats]:
    """Median and standard deviation of each neuron; constant ones have scale 0."""
    values = np.concatenate(segments).astype(np.float64)
    centre = np.median(values, axis=0)
    clipped = np.clip(values, *np.percentile(values, _CLIPPED, axis=0))
    rarely = np.ptp(clipped, axis=0) == 0  # it varies in what is clipped alone
    clipped[:, rarely] = values[:, rarely]
    scale = clipped.std(axis=0)
    scale[np.ptp(values, axis=0) == 0] = 0.0
    return centre, scale


def standardised(traces: np.ndarray, centre: Floats, scale: Floats) -> Floats:
    """Traces (..., N) in standard deviations from the median; artefacts are clipped."""
    return np.clip((traces - centre) / np.where(scale > 0, scale, 1.0), -_LARGEST, _LARGEST)


def noise_level(segments: list[np.ndarray], frame_rate: float) -> Floats:
    """Median absolute change from frame to frame, divided by the root of the frame rate."""
    changes = [np.abs(np.diff(segment, axis=0)) for segment in segments if len(segment) > 1]
    if not changes:
        return np.zeros(segments[0].shape[1])
    return np.median(np.concatenate(changes), axis=0) / math.sqrt(frame_rate)


def statistics_of(segments: list[np.ndarray], frame_rate: float) -> Floats:
    """Statistics (N, S) of standardised segments (t, N); NaN where they are too short."""
    rate, noise = grid_rate_of(frame_rate), noise_level(segments, frame_rate)
    fine = [on_grid(segment, frame_rate).astype(np.float64) for segment in segments]
    values = np.concatenate(fine)
    fine = [segment - values.mean(axis=0) for segment in fine]
    values = np.concatenate(fine)
    squares = values * values
    variance = np.maximum(squares.mean(axis=0), 1e-12)
    skewness = (squares * values).mean(axis=0) / variance**1.5
    kurtosis = (squares * squares).mean(axis=0) / variance**2
    by_lag = [_autocorrelation(fine, round(lag * rate), variance) for lag in _LAGS]
    powers = np.stack([_octave_power(fine, 2**k) / variance for k in range(_OCTAVES)])
    # Increments over a lag grow as its power: half the slope of their logarithmic variance.
    increments = [np.log(np.maximum(2.0 - 2.0 * each, 1e-6)) for each in by_lag]
    hurst = 0.5 * (increments[3] - increments[1]) / math.log(_LAGS[3] / _LAGS[1])
    rows = [
        np.log(noise + 1e-3),
        np.full(len(noise), math.log(frame_rate)),
        np.sign(skewness) * np.log1p(np.abs(skewness)),
        np.log(np.maximum(kurtosis, 1.0)),
        *np.arcsinh(np.percentile(values, _QUANTILES, axis=0)),
        *by_lag,
        *np.log(np.maximum(powers, 1e-4)),
        hurst,
    ]
    return np.stack(rows, axis=1)


def place_of(segments: list[np.ndarray], frame_rate: float) -> tuple[Floats, ...]:
    """Centre, scale (N,), statistics (N, S) and noise level (N,) of neurons of segments (t, N)."""
    found = []
    for first in range(0, segments[0].shape[1], _BLOCK):
        # In one order of memory, in which sums are the same.
        parts = [np.ascontiguousarray(part[:, first : first + _BLOCK]) for part in segments]
        centre, scale = centre_and_scale(parts)
        parts = [standardised(part, centre, scale) for part in parts]
        statistics, noise = statistics_of(parts, frame_rate), noise_level(parts, frame_rate)
        found.append((centre, scale, statistics, noise))
    return tuple(np.concatenate(each) for each in zip(*found, strict=True))


def _autocorrelation(segments: list[np.ndarray], lag: int, variance: Floats) -> Floats:
    """Autocorrelation of centred segments at a lag, in frames."""
    pairs = sum(max(0, len(segment) - lag) for segment in segments)
    if pairs == 0:
        return np.full(len(variance), np.nan)
    longer = [segment for segment in segments if len(segment) > lag]
    products = sum(
        (segment[lag:] * segment[: len(segment) - lag]).sum(axis=0) for segment in longer
    )
    return np.asarray(products) / pairs / variance


def _octave_power(segments: list[np.ndarray], n: int) -> Floats:
    """Mean squared difference of the means of `n` frames and of the next `n`."""
    total, count = np.zeros(segments[0].shape[1]), 0
    for segment in segments:
        if len(segment) >= 2 * n:
            sums = np.cumsum(np.concatenate([np.zeros_like(segment[:1]), segment]), axis=0)
            means = (sums[n:] - sums[:-n]) / n
            total += ((means[n:] - means[:-n]) ** 2).sum(axis=0)
            count += len(means) - n
    return total / count if count else np.full(len(total), np.nan)


def moments(table: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of statistics (C, S), of the cells that have them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no cell has it
        mean, sd = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    return np.nan_to_num(mean), np.nan_to_num(sd) + 1e-3
