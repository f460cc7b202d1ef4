"""Decay, baseline and noise of each neuron, by how well few events explain its trace."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from calgan.data.recording import Recording
from calgan.spikes.oasis import OasisDeconvolver, infer_calcium

Floats = NDArray[np.float64]

# Candidates in rounds that close in: factors of the decay time, and by how many standard deviations
# of the noise the baseline is lowered (neurons that are seldom at rest have high percentiles).
_ROUNDS = (
    (np.geomspace(0.35, 1.6, 8), (0.0, 2.0, 4.0)),
    (np.geomspace(0.75, 1.33, 6), (0.0, 1.0)),
    (np.geomspace(0.9, 1.12, 5), (0.0,)),
)
_EVENT_COST = 3.0  # log likelihood that an event has to gain
THRESHOLD = 3.0  # smallest events, in standard errors of an isolated one
_MOST_RESIDUAL = 5.0  # standard deviations, beyond which residuals count no more: artefacts
_LEVELLINGS = 3
_MAX_FRAMES = 10_000  # that decay times are searched in
_LEAST_NOISE = 0.05  # of a trace's standard deviation
_ARTEFACTS = 3  # frames of a neuron
_BURN_IN_DECAYS = 8


class Calcium(NamedTuple):
    """Calcium parameters of each neuron (N,), its events and residuals, (t, N) a segment."""

    deconvolver: OasisDeconvolver
    decay: Floats
    baseline: Floats
    noise: Floats
    events: list[NDArray[np.float32]]
    residuals: list[NDArray[np.float32]]


def without_artefacts(parts: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Clip each neuron's traces at their fourth largest and smallest values.

    An artefact lasts for a frame, and may be any number of times as large as calcium.
    """
    whole = np.concatenate(parts)
    kth = min(_ARTEFACTS, (len(whole) - 1) // 2)
    low, high = np.partition(whole, [kth, len(whole) - 1 - kth], axis=0)[[kth, -1 - kth]]
    return [np.clip(part, low, high) for part in parts]


def fit_deconvolver(parts: Sequence[NDArray[np.float32]], frame_rate: float) -> OasisDeconvolver:
    """Fit OASIS to segments of one recording, without a word on constant neurons."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # constant neurons are the caller's to report
        recordings = [Recording(part, frame_rate) for part in parts]
        deconvolver: OasisDeconvolver = OasisDeconvolver().fit(recordings)
    return deconvolver


def fit_calcium(parts: Sequence[NDArray[np.float32]], frame_rate: float) -> Calcium:
    """Find the decay and the baseline with which few events explain each trace.

    They have the least |y - b - c|^2 / (2 sigma^2) + 3 n for n events that OASIS infers.
    `OasisDeconvolver` reads decay times from autocovariances, which bursts prolong, and baselines
    from percentiles, which neurons that are seldom silent raise.
    """
    deconvolver = fit_deconvolver(parts, frame_rate)
    some = _thinned(parts)
    spread = np.concatenate(some).std(axis=0, dtype=np.float64)
    known = spread > 0
    least = np.where(spread > 0, _LEAST_NOISE * spread, 1.0)
    # A denoised trace has next to no noise, and every ripple of it would be an event.
    lowest = THRESHOLD * least * np.sqrt(1 - deconvolver.decay_**2)
    finite = np.where(np.isfinite(deconvolver.threshold_), deconvolver.threshold_, 0.0)
    deconvolver.threshold_ = np.where(known, np.maximum(finite, lowest), np.inf)
    time, baseline = np.array(deconvolver.decay_time_), np.array(deconvolver.baseline_)
    noise = np.maximum(deconvolver.noise_, least)
    for factors, drops in _ROUNDS:
        best = np.full(len(time), np.inf)
        unit, first_time, first_baseline = noise, time, baseline
        for factor in factors:
            decay = np.exp(-1.0 / (frame_rate * factor * first_time))
            for drop in drops:
                level, _, events, residuals = explain(
                    some, decay, first_baseline - drop * unit, unit, THRESHOLD
                )
                left = sum(
                    np.minimum((part / unit) ** 2, _MOST_RESIDUAL**2).sum(axis=0)
                    for part in residuals
                )
                n_events = sum(np.count_nonzero(part, axis=0) for part in events)
                cost = 0.5 * left + _EVENT_COST * n_events
                better = known & (cost < best)
                best = np.where(better, cost, best)
                time = np.where(better, factor * first_time, time)
                baseline = np.where(better, level, baseline)
                found = unit * np.sqrt(left / sum(map(len, some)))
                noise = np.where(better, np.maximum(found, least), noise)
    decay = np.exp(-1.0 / (frame_rate * time))
    unit = np.where(known, noise, np.inf)
    baseline, _, events, residuals = explain(parts, decay, baseline, unit, THRESHOLD)
    noise = np.where(known, np.maximum(noise_of(residuals), least), 0.0)
    return Calcium(deconvolver, decay, baseline, noise, events, residuals)


def explain(
    parts: Sequence[NDArray[np.floating]],
    decay: Floats,
    baseline: Floats,
    noise: Floats,
    threshold: float,
) -> tuple[Floats, list[NDArray[np.float32]], list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Infer events, and bring baselines to the mean of what they leave, in turns.

    The threshold is in standard errors of an isolated event. Returns baselines (N,), and calcium,
    events and residuals of each segment. Residuals count as five standard deviations at most.
    """
    least = threshold * noise * np.sqrt(1 - decay**2)
    reach = (_MOST_RESIDUAL * noise).astype(np.float32)
    for _ in range(_LEVELLINGS):
        inferred = [
            infer_calcium(part, decay=decay, baseline=baseline, threshold=least) for part in parts
        ]
        level = baseline.astype(np.float32)
        left = [part - calcium - level for part, (calcium, _) in zip(parts, inferred, strict=True)]
        total = sum(np.clip(part, -reach, reach).sum(axis=0, dtype=np.float64) for part in left)
        baseline = baseline + total / sum(map(len, left))
    change = (baseline - level).astype(np.float32)
    return (
        baseline,
        [calcium for calcium, _ in inferred],
        [events for _, events in inferred],
        [part - change for part in left],
    )


def noise_of(residuals: Sequence[NDArray[np.floating]]) -> Floats:
    """Standard deviation (N,) of the middle half: a single artefact is no noise."""
    values = np.concatenate(residuals)
    usual = stats.iqr(values, axis=0, scale="normal")
    return np.asarray(np.minimum(usual, values.std(axis=0)), dtype=np.float64)


def _thinned(parts: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Return about `_MAX_FRAMES` frames: evenly spaced segments, or the middles of long ones."""
    n_frames = sum(map(len, parts))
    if n_frames <= _MAX_FRAMES:
        return list(parts)
    usual = n_frames / len(parts)
    n_kept = int(np.clip(round(_MAX_FRAMES / min(usual, 500)), 1, len(parts)))
    chosen = np.unique(np.linspace(0, len(parts) - 1, n_kept).round().astype(int))
    length = round(_MAX_FRAMES / len(chosen))
    kept = []
    for part in (parts[i] for i in chosen):
        first = max(len(part) - length, 0) // 2
        kept.append(part[first : first + length])
    return kept


def burn_in_frames(decay: Floats) -> int:
    """Count the frames after which calcium has forgotten that it started from zero."""
    frames = -_BURN_IN_DECAYS / math.log(float(np.max(decay)))
    return math.ceil(round(frames, 6))  # 8 decay times of 1 s at 10 Hz are 80 frames, not 81
