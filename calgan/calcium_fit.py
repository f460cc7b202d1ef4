"""Calcium parameters of each neuron, by how well events explain the traces."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from calgan.deconvolution import OasisDeconvolver, infer_calcium
from calgan.recording import Recording

# Candidates in rounds that close in: factors of the decay time, standard deviations of the noise
# by which the baseline is lowered (where a neuron is seldom at rest, its low percentiles are not).
_ROUNDS = (
    (np.geomspace(0.35, 1.6, 9), (0.0, 2.0, 4.0)),
    (np.geomspace(0.7, 1.43, 7), (0.0, 1.0)),
    (np.geomspace(0.85, 1.18, 5), (0.0,)),
    (np.array([0.96, 1.0, 1.04]), (0.0,)),
)
# Chosen on simulated processes, sparse and dense: decay times within 3 and 7 % of the true ones.
_EVENT_COST = 3.0  # log likelihood that an event has to gain
_SEARCH_THRESHOLD, _THRESHOLD = 3.0, 3.5  # smallest events, in standard errors of a lone one
_LEVELLINGS = 3
_MAX_FRAMES, _LONG = 10_000, 500  # that decay times are searched in, and of a stretch at least
_LEAST_NOISE = 0.05  # of the noise to start with
_MAX_RISE = 0.45
_ALONE = 4  # frames without another event on either side


class CalciumFit(NamedTuple):
    """Calcium parameters of each neuron, and its events.

    Attributes
    ----------
    deconvolver : OasisDeconvolver
        Fitted to the traces: where the search started.
    decay : ndarray of shape (N,)
        Factor by which calcium decays in one frame.
    rise : ndarray of shape (N,)
        Share of an event that comes a frame later, and so on; 0 for steps.
    baseline, noise : ndarray of shape (N,)
        Fluorescence without calcium, and standard deviation of what events leave unexplained.
    threshold : ndarray of shape (N,)
        Least amplitude of an event; infinite for a neuron without any.
    events : list of ndarray of shape (t, N)
        Amplitudes of the events in each stretch, 0 without one.
    left : list of ndarray of shape (t, N)
        What baseline and events leave unexplained of each stretch.
    """

    deconvolver: OasisDeconvolver
    decay: NDArray[np.float64]
    rise: NDArray[np.float64]
    baseline: NDArray[np.float64]
    noise: NDArray[np.float64]
    threshold: NDArray[np.float64]
    events: list[NDArray[np.float64]]
    left: list[NDArray[np.float64]]


def fit_calcium(stretches: Sequence[NDArray[np.float32]], frame_rate: float) -> CalciumFit:
    r"""Fit decay, rise, baseline and noise of each neuron together with its events.

    `OasisDeconvolver` reads decay times from autocovariances, which bursts of spikes prolong, and
    baselines from percentiles, which neurons that are seldom silent raise. That is cheap, and the
    same for real and for synthetic data; a generator has to do better. Here, decay and baseline are
    those with which few events explain the trace: the least of
    :math:`\|y - b - c\|^2 / (2 \sigma^2) + 3 n` for n events, over candidates that close in on the
    best, with events inferred by OASIS [1]_ for each. Rises are read from third moments of
    innovations, in which noise cancels, and so do bursts, which look alike in reversed time.

    Parameters
    ----------
    stretches : sequence of ndarray of shape (t, N)
        Uninterrupted stretches of traces.
    frame_rate : float
        Frames per second (Hz).

    Returns
    -------
    CalciumFit
        Neurons that are constant keep what `OasisDeconvolver` says, and have no events.

    References
    ----------
    .. [1] Friedrich, J., Zhou, P., and Paninski, L. (2017). Fast online deconvolution of calcium
       imaging data. PLOS Computational Biology, 13(3), e1005423.
       https://doi.org/10.1371/journal.pcbi.1005423

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.calcium_fit import fit_calcium
    >>> from calgan.datasets import make_process
    >>> process = make_process(5, random_state=0)
    >>> recording, _ = process.sample_recording(300.0, random_state=0)
    >>> found = fit_calcium([recording.traces], recording.frame_rate)
    >>> bool(np.allclose(found.decay, np.exp(-0.1 / process.decay_times), atol=0.03))
    True
    """
    deconvolver = fit_deconvolver(stretches, frame_rate)
    known = np.isfinite(deconvolver.threshold_) & (deconvolver.noise_ > 0)
    decay, baseline, noise = (
        np.array(part, dtype=np.float64)
        for part in (deconvolver.decay_, deconvolver.baseline_, deconvolver.noise_)
    )
    search = _Search(_thinned(stretches), noise)
    time = np.array(deconvolver.decay_time_, dtype=np.float64)
    for factors, drops in _ROUNDS:
        search.forget()
        start, level = time, baseline
        for factor in factors:
            for drop in drops:
                search.consider(factor * start, level - drop * search.unit, frame_rate)
        time, baseline = search.time, search.baseline
    decay = np.where(known, np.exp(-1.0 / (frame_rate * time)), decay)
    level = np.where(known, baseline, deconvolver.baseline_)
    threshold = np.where(known, _THRESHOLD * search.noise * np.sqrt(1 - decay**2), np.inf)
    fitted = [np.asarray(part, dtype=np.float64) for part in stretches]
    level, calcium, events = _levelled(fitted, decay, level, threshold)
    left = [y - level - c for y, c in zip(fitted, calcium, strict=True)]
    all_left = np.concatenate(left)
    # Of the middle half: a single artefact is no noise.
    usual = stats.iqr(all_left, axis=0, scale="normal")
    noise = np.where(known, np.minimum(usual, all_left.std(axis=0)), noise)
    rise = _rises(fitted, decay)
    return CalciumFit(deconvolver, decay, rise, level, noise, threshold, events, left)


def fit_deconvolver(
    stretches: Sequence[NDArray[np.float32]], frame_rate: float
) -> OasisDeconvolver:
    """Fit OASIS to stretches of one recording, without a word on constant neurons.

    Parameters
    ----------
    stretches : sequence of ndarray of shape (t, N)
        Uninterrupted stretches of traces.
    frame_rate : float
        Frames per second (Hz).

    Returns
    -------
    OasisDeconvolver

    Examples
    --------
    >>> from calgan.calcium_fit import fit_deconvolver
    >>> from calgan.datasets import make_recording
    >>> recording, _ = make_recording(60.0, n_neurons=2, random_state=0)
    >>> fit_deconvolver([recording.traces], 10.0).decay_.shape
    (2,)
    """
    with warnings.catch_warnings():
        # Constant neurons are the caller's to report.
        warnings.simplefilter("ignore", UserWarning)
        recordings = [Recording(part, frame_rate) for part in stretches]
        deconvolver: OasisDeconvolver = OasisDeconvolver().fit(recordings)
    return deconvolver


def lone_events(events: ArrayLike) -> NDArray[np.bool_]:
    """Mark the events that no other one is within four frames of.

    Parameters
    ----------
    events : array-like of shape (..., T, N)
        Events, 0 without one.

    Returns
    -------
    ndarray of bool of shape (..., T, N)
        Nothing is marked within four frames of the ends, as what is beyond them is not known.

    Raises
    ------
    ValueError
        If there is no axis of neurons.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.calcium_fit import lone_events
    >>> events = np.zeros((20, 1))
    >>> events[[6, 12, 14]] = 1.0
    >>> np.flatnonzero(lone_events(events)).tolist()
    [6]
    """
    fired = np.asarray(events) > 0
    if fired.ndim < 2:
        raise ValueError(
            f"events must be (..., frames, neurons), got shape {fired.shape}; "
            "those of one neuron are events[:, np.newaxis]."
        )
    ends = [(0, 0)] * (fired.ndim - 2) + [(_ALONE + 1, _ALONE), (0, 0)]
    total = np.cumsum(np.pad(fired, ends), axis=-2, dtype=np.int32)
    near: NDArray[np.int32] = total[..., 2 * _ALONE + 1 :, :] - total[..., : -2 * _ALONE - 1, :]
    alone = fired & (near == 1)
    alone[..., :_ALONE, :] = alone[..., -_ALONE:, :] = False
    return np.asarray(alone)


class _Search:
    """The best candidates so far, for all neurons at once."""

    def __init__(self, stretches: list[NDArray[np.float64]], noise: NDArray[np.float64]) -> None:
        self.stretches, self.n_frames = stretches, sum(map(len, stretches))
        self.least = np.maximum(_LEAST_NOISE * noise, 1e-12)
        self.unit = self.noise = np.maximum(noise, self.least)
        self.cost = self.time = self.baseline = np.empty(0)

    def forget(self) -> None:
        """Start a round: costs are in units of the noise that the last one has found."""
        self.unit = self.noise
        self.cost = np.full(len(self.unit), np.inf)
        self.time = self.baseline = np.zeros(len(self.unit))

    def consider(
        self, time: NDArray[np.float64], baseline: NDArray[np.float64], frame_rate: float
    ) -> None:
        """Try a decay time (s) and a first baseline for each neuron; keep what is better."""
        decay = np.exp(-1.0 / (frame_rate * time))
        threshold = _SEARCH_THRESHOLD * self.unit * np.sqrt(1 - decay**2)
        baseline, calcium, events = _levelled(self.stretches, decay, baseline, threshold)
        left, n_events = np.zeros(len(decay)), np.zeros(len(decay))
        for y, c, s in zip(self.stretches, calcium, events, strict=True):
            left += np.square(y - baseline - c).sum(axis=0)
            n_events += np.count_nonzero(s, axis=0)
        cost = left / (2 * self.unit**2) + _EVENT_COST * n_events
        better = cost < self.cost
        found = np.maximum(np.sqrt(left / self.n_frames), self.least)
        self.cost = np.where(better, cost, self.cost)
        self.time = np.where(better, time, self.time)
        self.baseline = np.where(better, baseline, self.baseline)
        self.noise = np.where(better, found, self.noise)


def _levelled(
    stretches: Sequence[NDArray[np.float64]],
    decay: NDArray[np.float64],
    baseline: NDArray[np.float64],
    threshold: NDArray[np.float64],
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Infer events and bring baselines to the mean of what they leave, in turns."""
    n_frames = sum(map(len, stretches))
    for _ in range(_LEVELLINGS):
        inferred = [
            infer_calcium(part, decay=decay, baseline=baseline, threshold=threshold)
            for part in stretches
        ]
        left = [part - calcium for part, (calcium, _) in zip(stretches, inferred, strict=True)]
        baseline = sum(part.sum(axis=0) for part in left) / n_frames
    return baseline, [calcium for calcium, _ in inferred], [events for _, events in inferred]


def _thinned(stretches: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float64]]:
    """Return about `_MAX_FRAMES` frames: evenly spaced stretches, or the middles of long ones."""
    n_frames = sum(map(len, stretches))
    if n_frames > _MAX_FRAMES:
        usual = n_frames / len(stretches)
        n_kept = max(1, min(len(stretches), round(_MAX_FRAMES / min(usual, _LONG))))
        chosen = np.unique(np.linspace(0, len(stretches) - 1, n_kept).round().astype(int))
        stretches = [stretches[i] for i in chosen]
    share = _MAX_FRAMES / max(sum(map(len, stretches)), _MAX_FRAMES)
    kept = []
    for part in stretches:
        n = min(len(part), max(_LONG, round(share * len(part))))
        first = (len(part) - n) // 2
        kept.append(np.asarray(part[first : first + n], dtype=np.float64))
    return kept


def _rises(
    stretches: Sequence[NDArray[np.float64]], decay: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the rise of each neuron, half of it that of the median neuron."""
    cubes, after, before = np.zeros((3, len(decay)))
    for part in stretches:
        if len(part) < 3:
            continue
        steps = part[1:] - decay * part[:-1]
        steps -= steps.mean(axis=0)
        cubes += (steps**3).sum(axis=0)
        after += (steps[:-1] ** 2 * steps[1:]).sum(axis=0)
        before += (steps[:-1] * steps[1:] ** 2).sum(axis=0)
    # Of a rise r they are r and r^2, of bursts they are equal.
    skewed = cubes > 0
    difference = np.where(skewed, after - before, 0.0) / np.where(skewed, cubes, 1.0)
    difference = np.clip(difference, 0.0, _MAX_RISE * (1 - _MAX_RISE))
    rise = (1 - np.sqrt(1 - 4 * difference)) / 2
    return np.asarray(0.5 * np.median(rise) + 0.5 * rise)
