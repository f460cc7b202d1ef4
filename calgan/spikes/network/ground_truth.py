"""Traces with known spikes as networks learn them: at the grid's rate, also slower and noisier."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calgan.data.recording import Recording
from calgan.data.resampling import resampled_counts, resampled_traces
from calgan.data.validation import (
    as_real_array,
    check_recording,
    check_same_rois,
    common_frame_rate,
)
from calgan.spikes.network.simulation import simulated_cell
from calgan.spikes.network.statistics import (
    GRID_RATE,
    centre_and_scale,
    grid_rate_of,
    noise_level,
    on_grid,
    standardised,
    statistics_of,
)

Floats = NDArray[np.float32]

SLOWEST = 2.5  # Hz, of what networks learn
SIMULATED = -1  # in place of the number of a recording
_SHARE_SIMULATED, _DURATION = 0.35, 150.0  # of all windows; s
_LEAST_DURATION = 4.0  # s; shorter cells say little
_SHARE_SLOWED, _SHARE_NOISY = 0.7, 0.7
_SHARE_SHORT, _SHORTEST = 0.5, 8.0  # s
_ADDED_NOISE = (0.03, 0.7)  # standard deviations of a trace


@dataclass(frozen=True)
class Cell:
    """A neuron of the ground truth: its standardised segments and counts on the grid."""

    recording: int
    traces: list[Floats]  # (t,) each
    counts: list[Floats]
    statistics: NDArray[np.float64]
    rate: float  # Hz, of the grid
    duration: float  # s
    is_degraded: bool


@dataclass(frozen=True)
class Raw:
    """A neuron as it was given: segments (t,), counts in the same frames, and the frame rate."""

    recording: int
    traces: list[np.ndarray]
    counts: list[np.ndarray]
    frame_rate: float
    is_degraded: bool = False

    def on_grid(self) -> Cell | None:
        """Return the neuron as a network sees it, None if it is constant or too short."""
        segments = [segment[:, np.newaxis] for segment in self.traces]
        centre, scale = centre_and_scale(segments)
        duration = sum(map(len, segments)) / self.frame_rate
        if scale[0] == 0 or duration < _LEAST_DURATION:
            return None
        segments = [standardised(segment, centre, scale) for segment in segments]
        grid = grid_rate_of(self.frame_rate)
        traces = [on_grid(segment, self.frame_rate)[:, 0] for segment in segments]
        return Cell(
            self.recording,
            traces,
            [
                resampled_counts(counts, self.frame_rate, grid, len(trace))
                for counts, trace in zip(self.counts, traces, strict=True)
            ],
            statistics_of(segments, self.frame_rate)[0],
            grid,
            duration,
            self.is_degraded,
        )

    def degraded(self, rng: np.random.Generator) -> Raw:
        """Return the neuron at a lower frame rate, with more noise, or both, at random."""
        rate, sd = self.frame_rate, 0.0
        if rng.random() < _SHARE_SLOWED:
            fastest = min(self.frame_rate, 2 * GRID_RATE)
            rate = math.exp(rng.uniform(math.log(min(SLOWEST, fastest)), math.log(fastest)))
        if rng.random() < _SHARE_NOISY:
            sd = math.exp(rng.uniform(*np.log(_ADDED_NOISE)))
        return self.shortened(rng).changed(rate, sd, rng)

    def shortened(self, rng: np.random.Generator) -> Raw:
        """Return some of the recording, at random: statistics of short recordings vary more."""
        if rng.random() >= _SHARE_SHORT:
            return self
        n_frames = [len(each) for each in self.traces]
        longest = sum(n_frames)
        fewest = min(longest, int(_SHORTEST * self.frame_rate) + 1)
        keep = int(math.exp(rng.uniform(math.log(fewest), math.log(longest))))
        first = int(rng.integers(longest - keep + 1))
        edges = np.cumsum([0, *n_frames])
        cuts = [slice(max(0, first - start), max(0, first + keep - start)) for start in edges[:-1]]
        parts = [
            (traces[cut], counts[cut])
            for traces, counts, cut in zip(self.traces, self.counts, cuts, strict=True)
            if len(traces[cut])
        ]
        return dataclasses.replace(
            self, traces=[part[0] for part in parts], counts=[part[1] for part in parts]
        )

    def changed(self, rate: float, noise: float, rng: np.random.Generator) -> Raw:
        """Return the neuron at a frame rate, with noise in standard deviations of the trace."""
        pairs = list(zip(self.traces, self.counts, strict=True))
        if rate < self.frame_rate:
            pairs = [
                (
                    resampled_traces(traces, self.frame_rate, rate),
                    resampled_counts(counts, self.frame_rate, rate),
                )
                for traces, counts in pairs
            ]
        else:
            rate = self.frame_rate
        pairs = [pair for pair in pairs if len(pair[0])]
        if not pairs:
            return self
        sd = noise * np.concatenate([traces for traces, _ in pairs]).std()
        noisy = [traces + sd * rng.standard_normal(len(traces)) for traces, _ in pairs]
        return Raw(self.recording, noisy, [counts for _, counts in pairs], rate, is_degraded=True)

    def like(self, rate: float, noise: float, rng: np.random.Generator) -> Raw:
        """Return the neuron at a frame rate and noise level, where it can be had from this one."""
        slowed = self.changed(rate, 0.0, rng)
        segments = [segment[:, np.newaxis] for segment in slowed.traces]
        scale = centre_and_scale(segments)[1]
        if scale[0] == 0:
            return slowed
        own = noise_level([segment / scale for segment in segments], slowed.frame_rate)[0]
        # White noise of standard deviation s changes by .954 s from frame to frame in the median;
        # the added noise enlarges the standard deviation that levels are relative to.
        unit = 0.9539 / math.sqrt(slowed.frame_rate)
        missing = (noise**2 - own**2) / max(unit**2 - noise**2, 1e-9)
        return slowed.changed(rate, math.sqrt(np.clip(missing, 0.0, 4.0)), rng)


def read_ground_truth(recordings: Any, spikes: Any, frame_rate: float | None) -> list[Raw]:
    """Check recordings and their counts, and return their neurons one by one."""
    recordings, spikes = _as_list(recordings), _as_list(spikes)
    if len(recordings) != len(spikes):
        raise ValueError(
            f"there are {len(recordings)} recordings, but {len(spikes)} arrays of spikes; pass the "
            "spikes (T, N) of each recording, in the same order."
        )
    if not recordings:
        raise ValueError("recordings is empty; pass at least one recording with its spikes.")
    cells: list[Raw] = []
    for i, (recording, counts) in enumerate(zip(recordings, spikes, strict=True)):
        where = f"recordings[{i}]"
        if not isinstance(recording, Recording):
            rate = common_frame_rate(
                {"frame_rate": frame_rate}, needed_by=f"SpikeInferenceNetwork for {where}"
            )
            recording = Recording(check_recording(recording, name=where), rate)
        counts = _check_counts(counts, recording, f"spikes[{i}]")
        cells += [
            Raw(
                i,
                [np.asarray(part[:, neuron], np.float64) for part in recording.segment_traces()],
                [counts[start:stop, neuron] for start, stop in recording.segments],
                recording.frame_rate,
            )
            for neuron in range(recording.n_neurons)
        ]
    if not any(counts.sum() for cell in cells for counts in cell.counts):
        raise ValueError("spikes hold no spike at all: there is nothing to learn from.")
    return cells


def _as_list(values: Any) -> list[Any]:
    """Return a list of recordings, or of arrays (T, N); one of them becomes a list."""
    return list(values) if isinstance(values, (list, tuple)) else [values]


def _check_counts(counts: Any, recording: Recording, name: str) -> np.ndarray:
    """Return counts (T, N) of the recording's frames, finite and not negative in its segments."""
    if isinstance(counts, Recording):
        known = {name: counts.frame_rate, "its recording": recording.frame_rate}
        common_frame_rate(known)
        check_same_rois(counts.roi_ids, recording.roi_ids, name=name, of="its recording")
        counts = counts.traces
    array = as_real_array(counts, name).astype(np.float64)
    if array.ndim == 1 and recording.n_neurons == 1:
        array = array[:, np.newaxis]
    if array.shape != recording.shape:
        raise ValueError(
            f"{name} must hold the number of spikes in each frame, shaped like its recording "
            f"{recording.shape}, got {array.shape}; numpy.histogram makes counts of spike times."
        )
    for start, stop in recording.segments:
        bad = ~(np.isfinite(array[start:stop]) & (array[start:stop] >= 0))
        if bad.any():
            frame, neuron = np.argwhere(bad)[0]
            raise ValueError(
                f"{name} must hold counts of spikes, but frame {start + frame} of neuron {neuron} "
                f"has {array[start + frame, neuron]}; leave out frames without a known count."
            )
    return array


def without_unlearnable(cells: list[Raw]) -> list[Raw]:
    """Return the neurons that vary and are long enough, and warn of the others."""
    kept = [cell for cell in cells if cell.on_grid() is not None]
    if not kept:
        raise ValueError(
            "no neuron of the recordings can be learnt from: their traces are constant, or shorter "
            f"than {_LEAST_DURATION:g} s."
        )
    if len(kept) < len(cells):
        whole, left = (Counter(cell.recording for cell in each) for each in (cells, kept))
        named = [f"{n - left[k]} of recordings[{k}]" for k, n in whole.items() if left[k] < n]
        warnings.warn(
            "neurons whose traces are constant, or shorter than "
            f"{_LEAST_DURATION:g} s, are left out: {', '.join(named)}.",
            UserWarning,
            stacklevel=4,
        )
    return kept


def make_bank(cells: list[Raw], n_variants: int, rng: np.random.Generator) -> list[Cell]:
    """Return the neurons on the grid, each also in degraded variants."""
    bank = []
    for cell in cells:
        variants = [cell, *(cell.degraded(rng) for _ in range(n_variants))]
        bank += [found for each in variants if (found := each.on_grid()) is not None]
    return bank


def simulated(n_cells: int, rng: np.random.Generator) -> list[Cell]:
    """Return simulated cells on the grid."""
    bank = []
    for each in rng.spawn(n_cells):
        trace, counts, rate = simulated_cell(each, _DURATION)
        cell = Raw(SIMULATED, [trace], [counts], rate, is_degraded=True).on_grid()
        bank += [cell] if cell is not None else []
    return bank


def weights_of(bank: list[Cell]) -> NDArray[np.float64]:
    """Return how often to draw a cell: a recording as often as the root of its duration.

    Simulated cells have a fixed share in all.
    """
    duration = np.array([cell.duration for cell in bank])
    recording = np.array([cell.recording for cell in bank])
    is_simulated = recording == SIMULATED
    total = np.bincount(recording[~is_simulated], duration[~is_simulated])
    weights = np.zeros(len(bank))
    weights[~is_simulated] = duration[~is_simulated] / np.sqrt(total[recording[~is_simulated]])
    if is_simulated.any():
        odds = _SHARE_SIMULATED / (1.0 - _SHARE_SIMULATED)
        weights[is_simulated] = odds * weights.sum() / is_simulated.sum()
    return weights
