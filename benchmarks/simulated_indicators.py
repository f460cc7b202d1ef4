"""Trains the networks inside the package on simulated cells: no recording has a licence for that.

Each cell has its own spike train, indicator, noise and microscope, drawn from the ranges in
`draw_cell`. These were set from published properties of indicators (rise and decay times,
supralinear response, saturation) and made wide; no parameter was fitted to a recording.

    python benchmarks/simulated_indicators.py --out calgan/spikes/network/simulated.calgan
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from calgan import Recording, SpikeInferenceNetwork
from calgan.data.resampling import resampled_counts, resampled_traces

FINE = 200.0  # Hz, of the simulation


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def ornstein_uhlenbeck(rng: np.random.Generator, n: int, time_constant: float) -> np.ndarray:
    """Draw a stationary process of unit variance at the fine rate."""
    decay = math.exp(-1.0 / (FINE * time_constant))
    shocks = rng.standard_normal(n) * math.sqrt(1.0 - decay**2)
    return lfilter([1.0], [1.0, -decay], shocks, zi=[decay * rng.standard_normal()])[0]


def draw_spikes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw counts at the fine rate: fluctuating rates, silence between episodes, bursts."""
    rate = log_uniform(rng, 0.05, 8.0)
    depth = rng.uniform(0.0, 1.8)
    log_rate = depth * ornstein_uhlenbeck(rng, n, log_uniform(rng, 0.1, 5.0))
    rates = np.exp(log_rate - 0.5 * depth**2)
    if rng.random() < 0.3:  # it fires in episodes
        active = ornstein_uhlenbeck(rng, n, log_uniform(rng, 0.5, 10.0)) > rng.uniform(-0.5, 1.0)
        rates *= active / max(active.mean(), 0.05)
    burst = rng.uniform(1.0, 3.0) if rng.random() < 0.5 else 1.0  # spikes of an event, in the mean
    events = np.flatnonzero(rng.random(n) < np.minimum(rates * rate / burst / FINE, 0.5))
    spikes = np.bincount(events, minlength=n).astype(np.float64)
    extra = rng.geometric(1.0 / burst, len(events)) - 1
    interval = rng.uniform(0.004, 0.02) * FINE
    for event, more in zip(events, extra, strict=True):
        at = event + np.rint(interval * np.arange(1, more + 1)).astype(int)
        np.add.at(spikes, at[at < n], 1.0)
    return spikes


def draw_fluorescence(rng: np.random.Generator, spikes: np.ndarray) -> np.ndarray:
    """Return what an indicator makes of spikes, without noise; one isolated spike is about 1."""
    n = len(spikes)
    rise, decay = log_uniform(rng, 0.003, 0.12), log_uniform(rng, 0.15, 2.5)
    rise = min(rise, 0.5 * decay)
    sizes = spikes * np.exp(rng.uniform(0.0, 0.4) * rng.standard_normal(n))
    calcium = lfilter([1.0], [1.0, -math.exp(-1.0 / (FINE * decay))], sizes)
    if rng.random() < 0.2:  # a second, slow component
        slow = lfilter([1.0], [1.0, -math.exp(-1.0 / (FINE * decay * 4.0))], sizes)
        calcium += rng.uniform(0.05, 0.3) * slow
    rising = math.exp(-1.0 / (FINE * rise))
    calcium = lfilter([1.0 - rising], [1.0, -rising], calcium)
    exponent = rng.uniform(1.0, 2.0) if rng.random() < 0.7 else 1.0
    half = log_uniform(rng, 3.0, 60.0)  # calcium of so many spikes is half of saturation
    powered = np.maximum(calcium, 0.0) ** exponent
    return powered * (half**exponent + 1.0) / (half**exponent + powered)


def draw_cell(rng: np.random.Generator, duration: float) -> tuple[Recording, np.ndarray]:
    """Draw a recording of one cell, and its counts (T, 1)."""
    n = int(duration * FINE)
    spikes = draw_spikes(rng, n)
    trace = draw_fluorescence(rng, spikes)
    # Drift, and neuropil: slow or as fast as calcium.
    if rng.random() < 0.6:
        trace += log_uniform(rng, 0.03, 0.6) * ornstein_uhlenbeck(rng, n, log_uniform(rng, 5, 60))
    if rng.random() < 0.6:
        neuropil = ornstein_uhlenbeck(rng, n, log_uniform(rng, 0.2, 2.0))
        trace += log_uniform(rng, 0.03, 0.6) * gaussian_filter1d(neuropil, 0.05 * FINE)
    rate = log_uniform(rng, 5.0, 100.0)
    trace, counts = (
        change(each, FINE, rate)
        for change, each in ((resampled_traces, trace), (resampled_counts, spikes))
    )
    noise = log_uniform(rng, 0.08, 1.5) * math.sqrt(rate / 30.0)
    shot = rng.uniform(0.0, 0.5)  # noise that grows with fluorescence
    sd = noise * np.sqrt(1.0 + shot * np.maximum(trace, 0.0))
    trace = trace + sd * rng.standard_normal(len(trace))
    if rng.random() < 0.3:  # smoothed by whoever processed it
        trace = gaussian_filter1d(trace, rng.uniform(0.4, 1.5))
    if rng.random() < 0.3:  # resampled to a higher rate, as in SpikeFinder
        trace, counts = resampled_traces(trace, rate, 100.0), resampled_counts(counts, rate, 100.0)
        rate = 100.0
    n_frames = min(len(trace), len(counts))
    return Recording(trace[:n_frames, np.newaxis], rate), counts[:n_frames, np.newaxis]


def main() -> None:
    """Simulate, train, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--duration", type=float, default=200.0, help="of a cell (s)")
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    began = time.monotonic()
    rngs = np.random.default_rng(arguments.seed).spawn(arguments.cells)
    cells = [draw_cell(rng, arguments.duration) for rng in rngs]
    recordings, spikes = map(list, zip(*cells, strict=True))
    network = SpikeInferenceNetwork(
        n_networks=arguments.networks, max_iter=arguments.steps, random_state=arguments.seed
    ).fit(recordings, spikes)
    network.save(arguments.out)
    losses = [row["loss"] for row in network.history_[-100:]]
    print(
        f"{arguments.cells} cells of {arguments.duration:g} s, {arguments.networks} networks of "
        f"{arguments.steps} steps: loss {np.mean(losses):.3f}, lag {network.lag_:.3f} s, "
        f"{time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
