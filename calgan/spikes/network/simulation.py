"""Simulated cells to learn from: spike trains, indicators, noise and microscopes of many kinds.

The ranges were set from published properties of indicators (rise and decay times, supralinear
response, saturation) and made wide. No parameter was fitted to a recording.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from calgan.data.resampling import resampled_counts, resampled_traces

Floats = NDArray[np.float64]

_FINE = 200.0  # Hz, of the simulation


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _slow_process(rng: np.random.Generator, n: int, time_constant: float) -> Floats:
    """Draw a stationary process of unit variance at the fine rate."""
    decay = math.exp(-1.0 / (_FINE * time_constant))
    shocks = rng.standard_normal(n) * math.sqrt(1.0 - decay**2)
    return lfilter([1.0], [1.0, -decay], shocks, zi=[decay * rng.standard_normal()])[0]


def _draw_spikes(rng: np.random.Generator, n: int) -> Floats:
    """Draw counts at the fine rate: fluctuating rates, silence between episodes, bursts."""
    rate = _log_uniform(rng, 0.05, 8.0)
    depth = rng.uniform(0.0, 1.8)
    log_rate = depth * _slow_process(rng, n, _log_uniform(rng, 0.1, 5.0))
    rates = np.exp(log_rate - 0.5 * depth**2)
    if rng.random() < 0.3:  # it fires in episodes
        active = _slow_process(rng, n, _log_uniform(rng, 0.5, 10.0)) > rng.uniform(-0.5, 1.0)
        rates *= active / max(active.mean(), 0.05)
    burst = rng.uniform(1.0, 3.0) if rng.random() < 0.5 else 1.0  # spikes of an event, in the mean
    events = np.flatnonzero(rng.random(n) < np.minimum(rates * rate / burst / _FINE, 0.5))
    spikes = np.bincount(events, minlength=n).astype(np.float64)
    extra = rng.geometric(1.0 / burst, len(events)) - 1
    interval = rng.uniform(0.004, 0.02) * _FINE
    for event, more in zip(events, extra, strict=True):
        at = event + np.rint(interval * np.arange(1, more + 1)).astype(int)
        np.add.at(spikes, at[at < n], 1.0)
    return spikes


def _draw_fluorescence(rng: np.random.Generator, spikes: Floats) -> Floats:
    """Return what an indicator makes of spikes, without noise; one isolated spike is about 1."""
    n = len(spikes)
    rise, decay = _log_uniform(rng, 0.003, 0.12), _log_uniform(rng, 0.15, 2.5)
    rise = min(rise, 0.5 * decay)
    sizes = spikes * np.exp(rng.uniform(0.0, 0.4) * rng.standard_normal(n))
    calcium = lfilter([1.0], [1.0, -math.exp(-1.0 / (_FINE * decay))], sizes)
    if rng.random() < 0.2:  # a second, slow component
        slow = lfilter([1.0], [1.0, -math.exp(-1.0 / (_FINE * decay * 4.0))], sizes)
        calcium += rng.uniform(0.05, 0.3) * slow
    rising = math.exp(-1.0 / (_FINE * rise))
    calcium = lfilter([1.0 - rising], [1.0, -rising], calcium)
    exponent = rng.uniform(1.0, 2.0) if rng.random() < 0.7 else 1.0
    half = _log_uniform(rng, 3.0, 60.0)  # calcium of so many spikes is half of saturation
    powered = np.maximum(calcium, 0.0) ** exponent
    return powered * (half**exponent + 1.0) / (half**exponent + powered)


def simulated_cell(rng: np.random.Generator, duration: float) -> tuple[Floats, Floats, float]:
    """Draw a trace (T,), its counts of spikes (T,) and its frame rate (Hz)."""
    n = int(duration * _FINE)
    spikes = _draw_spikes(rng, n)
    trace = _draw_fluorescence(rng, spikes)
    # Drift, and neuropil: slow, or as fast as calcium.
    if rng.random() < 0.6:
        trace += _log_uniform(rng, 0.03, 0.6) * _slow_process(rng, n, _log_uniform(rng, 5.0, 60.0))
    if rng.random() < 0.6:
        neuropil = _slow_process(rng, n, _log_uniform(rng, 0.2, 2.0))
        trace += _log_uniform(rng, 0.03, 0.6) * gaussian_filter1d(neuropil, 0.05 * _FINE)
    rate = _log_uniform(rng, 5.0, 100.0)
    trace, counts = resampled_traces(trace, _FINE, rate), resampled_counts(spikes, _FINE, rate)
    sd = _log_uniform(rng, 0.04, 1.5) * math.sqrt(rate / 30.0)
    shot = rng.uniform(0.0, 0.5)  # noise that grows with fluorescence
    noise = np.sqrt(1.0 + shot * np.maximum(trace, 0.0)) * rng.standard_normal(len(trace))
    trace = trace + sd * noise
    if rng.random() < 0.3:  # smoothed by whoever processed it
        trace = gaussian_filter1d(trace, rng.uniform(0.4, 1.5))
    if rng.random() < 0.3:  # resampled to a higher rate, as in SpikeFinder
        trace, counts = resampled_traces(trace, rate, 100.0), resampled_counts(counts, rate, 100.0)
        rate = 100.0
    return trace.astype(np.float64), counts.astype(np.float64), rate
