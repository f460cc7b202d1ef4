"""Time between spikes, and shape of the calcium events around them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from calgan.data.validation import check_boolean, check_frame_rate, check_real
from calgan.metrics._arrays import as_windows

# Spikes this close (s) belong to one event; its peak comes at most this late (s) after them.
_BURST_TIME = 0.25
_RISE_TIME = 0.5
_BATCH_VALUES = 2_000_000


class EventShapes(NamedTuple):
    """Amplitude (units of the traces), rise and decay time (s) and neuron of each event."""

    amplitude: np.ndarray
    rise_time: np.ndarray
    decay_time: np.ndarray
    neuron: np.ndarray


# --- intervals --------------------------------------------------------------------------------


class SpikeTimes(NamedTuple):
    """Neuron, window and frame of each spike, neuron by neuron and window by window."""

    neuron: np.ndarray
    window: np.ndarray
    frame: np.ndarray


def spike_times(spikes: np.ndarray) -> SpikeTimes:
    """Return the frames of spikes (M, T, N) that hold one."""
    n_windows, n_frames, _ = spikes.shape
    active = np.ascontiguousarray((spikes > 0).transpose(2, 0, 1))
    train, frame = np.divmod(np.flatnonzero(active), n_frames)
    return SpikeTimes(train // n_windows, train % n_windows, frame)


def intervals_in_frames(times: SpikeTimes) -> tuple[np.ndarray, np.ndarray]:
    """Frames between successive spikes, and the neuron of each."""
    neuron, window, frame = times
    same = (np.diff(neuron) == 0) & (np.diff(window) == 0)
    return np.diff(frame)[same], neuron[1:][same]


def inter_spike_intervals(
    spikes: ArrayLike, frame_rate: float, *, per_neuron: bool = False
) -> np.ndarray | list[np.ndarray]:
    """Times between successive spikes of a neuron within a window.

    Parameters
    ----------
    spikes : array-like of shape (M, T, N)
        Spikes; a frame holds one spike where its value is above 0.
    frame_rate : float
        Frames per second (Hz).
    per_neuron : bool, default=False
        Give an array a neuron rather than one of all.

    Returns
    -------
    intervals : ndarray of shape (I,), or list of N such arrays
        Intervals in s, neuron by neuron, and window by window within a neuron. Empty where no
        window holds two spikes of a neuron.

    Raises
    ------
    TypeError, ValueError
        If `spikes` are not windows (M, T, N) of finite numbers, or `frame_rate` is not positive.

    Notes
    -----
    Windows censor long intervals: one of ``d`` frames is seen in a window of ``T`` frames with a
    chance of ``(T - d) / T``. Compare windows of one length, or weigh intervals by ``T / (T - d)``.

    Examples
    --------
    >>> from calgan.metrics import inter_spike_intervals
    >>> spikes = [[[1, 0], [0, 1], [1, 0], [0, 0], [0, 1], [1, 0]]]
    >>> inter_spike_intervals(spikes, frame_rate=2.0)
    array([1. , 1.5, 1.5])
    >>> inter_spike_intervals(spikes, frame_rate=2.0, per_neuron=True)[1]
    array([1.5])
    """
    spikes = as_windows(spikes, "spikes")
    frame_rate = check_frame_rate(frame_rate)
    per_neuron = check_boolean(per_neuron, "per_neuron")
    frames, neuron = intervals_in_frames(spike_times(spikes))
    intervals = frames / frame_rate
    if not per_neuron:
        return intervals
    return np.split(intervals, np.searchsorted(neuron, np.arange(1, spikes.shape[2])))


# --- shapes of events -------------------------------------------------------------------------


def event_shapes(
    traces: ArrayLike,
    spikes: ArrayLike,
    frame_rate: float,
    *,
    before: float = 1.0,
    after: float = 2.0,
) -> EventShapes:
    """Amplitude, rise time and decay time of the events of traces at isolated spikes.

    Spikes at most 0.25 s (or one frame) apart are one event. The baseline is the median of the
    trace over ``before`` seconds ahead of the first spike, the peak its maximum from there to
    0.5 s (at least one frame) after the last.

    Parameters
    ----------
    traces : array-like of shape (M, T, N)
        Windows of traces.
    spikes : array-like of shape (M, T, N)
        Spikes inferred from these traces; a frame holds one spike where its value is above 0.
    frame_rate : float
        Frames per second (Hz).
    before : float, default=1.0
        Time without a spike before an event, in s; at least two frames are used.
    after : float, default=2.0
        Time after the last possible peak that must hold no spike either, in s, and longest decay
        time that is told apart; at least two frames are used.

    Returns
    -------
    amplitude : ndarray of shape (E,)
        Peak minus baseline, in units of the traces, above 0: events at which the trace does not
        rise above its baseline are left out, as are those that cross the edge of a window.
    rise_time : ndarray of shape (E,)
        Time in s from 10 % to 90 % of the amplitude, before the peak.
    decay_time : ndarray of shape (E,)
        Time in s from the peak until half the amplitude is left; ``after`` (in whole frames) for
        an event that has not decayed by then.
    neuron : ndarray of shape (E,), int
        Neuron of each event; events are in its order.

    Raises
    ------
    ValueError
        If shapes differ, a time is not positive, or a window is too short for an event between
        its margins.

    Notes
    -----
    Times are interpolated between frames; no value is NaN. The maximum of a noisy trace lies above
    the event's own peak: infer the spikes of real and synthetic traces in the same way.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import event_shapes
    >>> trace, spikes = np.zeros((2, 1, 100, 1))
    >>> trace[0, 30:, 0] = 3.0 * 0.5 ** (np.arange(70) / 8)  # half-life 8 frames
    >>> spikes[0, 30] = 1
    >>> shapes = event_shapes(trace, spikes, frame_rate=10.0)
    >>> shapes.amplitude, shapes.decay_time
    (array([3.]), array([0.8]))
    """
    traces, spikes = as_windows(traces, "traces"), as_windows(spikes, "spikes")
    if traces.shape != spikes.shape:
        raise ValueError(
            f"traces have shape {traces.shape} and spikes {spikes.shape}; pass the spikes that "
            "were inferred from these traces."
        )
    frame_rate = check_frame_rate(frame_rate)
    before = check_real("before", before, above=0)
    after = check_real("after", after, above=0)
    window = traces.shape[1]
    gap, lead, rise, tail = event_frames(frame_rate, before, after)
    if window < lead + rise + tail + 1:
        raise ValueError(
            f"windows of {window} frames hold no isolated event, which takes "
            f"{lead + rise + tail + 1} frames; use longer windows or smaller before= and after=."
        )

    found = isolated_events(traces, spike_times(spikes), gap, lead, rise, tail)
    return EventShapes(
        found.amplitude,
        found.rise_frames / frame_rate,
        found.decay_frames / frame_rate,
        found.neuron,
    )


def event_frames(frame_rate: float, before: float, after: float) -> tuple[int, int, int, int]:
    """Frames that part two events, before an event, from its last spike to its peak, and after."""
    return (
        max(1, round(_BURST_TIME * frame_rate)),
        max(2, round(before * frame_rate)),
        max(1, round(_RISE_TIME * frame_rate)),
        max(2, round(after * frame_rate)),
    )


class IsolatedEvents(NamedTuple):
    """Amplitude, rise and decay (frames), neuron and window of each event, neuron by neuron."""

    amplitude: np.ndarray
    rise_frames: np.ndarray
    decay_frames: np.ndarray
    neuron: np.ndarray
    window: np.ndarray


def isolated_events(
    traces: np.ndarray,
    times: SpikeTimes,
    gap: int,
    lead: int,
    rise: int,
    tail: int,
    most: int | None = None,
) -> IsolatedEvents:
    """Measure events (M, T, N) at bursts without another spike on either side; times in frames.

    Of more than `most` events about so many, evenly spread, are measured.

    Spikes at most `gap` frames apart are one event; `lead` frames before it hold its baseline, it
    peaks at most `rise` frames after it, and has `tail` frames to decay.
    """
    neuron, window, first, last = _isolated(times, traces.shape, gap, lead, rise + tail)
    if most is not None and len(neuron) > most:
        chosen = np.linspace(0, len(neuron) - 1, most).astype(int)
        neuron, window, first, last = (x[chosen] for x in (neuron, window, first, last))
    shapes = np.empty((3, len(neuron)))
    # Bursts of one length have traces of one length: all of them are measured together.
    for length in np.unique(last - first):
        members = np.flatnonzero(last - first == length)
        n_frames = lead + int(length) + rise + tail + 1
        size = max(1, _BATCH_VALUES // n_frames)
        for part in np.split(members, range(size, len(members), size)):
            rows = (first[part] - lead)[:, np.newaxis] + np.arange(n_frames)
            cut = traces[window[part, np.newaxis], rows, neuron[part, np.newaxis]]
            shapes[:, part] = _measure(cut.astype(np.float64), lead, n_frames - tail, tail)
    up = shapes[0] > 0
    amplitude, rises, decays = shapes[:, up]
    return IsolatedEvents(amplitude, rises, decays, neuron[up], window[up])


def _isolated(
    times: SpikeTimes, shape: tuple[int, ...], gap: int, lead: int, tail: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Neuron, window, first and last frame of bursts that are clear on both sides."""
    n_windows, n_frames, _ = shape
    neuron, window, frame = times
    if len(frame) == 0:
        return neuron, window, frame, frame
    train = neuron * n_windows + window
    # Frames since the spike before, and frames to the one after; edges are judged below.
    step = np.where(np.diff(train) == 0, np.diff(frame), n_frames + lead + tail)
    breaks = np.flatnonzero(step > gap)
    first = np.concatenate([[0], breaks + 1]).astype(int)
    last = np.concatenate([breaks, [len(frame) - 1]]).astype(int)
    since = np.concatenate([[n_frames + lead + tail], step[breaks]])
    until = np.concatenate([step[breaks], [n_frames + lead + tail]])
    clear = (since > lead) & (until > tail)
    clear &= (frame[first] >= lead) & (frame[last] + tail < n_frames)
    first, last = first[clear], last[clear]
    return neuron[first], window[first], frame[first], frame[last]


def _measure(
    traces: np.ndarray, lead: int, n_search: int, tail: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Amplitude, rise and decay (frames) of events (E, L) that start at frame ``lead``.

    Events that do not rise above their baseline come out with an amplitude of 0 or less, and
    meaningless times.
    """
    events, frames = np.arange(len(traces)), np.arange(traces.shape[1])
    baseline = np.median(traces[:, :lead], axis=1)
    peak = lead + np.argmax(traces[:, lead:n_search], axis=1)
    amplitude = traces[events, peak] - baseline
    relative = traces - baseline[:, np.newaxis]
    relative /= np.where(amplitude > 0, amplitude, 1.0)[:, np.newaxis]

    def last_crossing(level: float, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # The median before the event is 0: some frame there is below any positive level.
        below = (relative < level) & (frames < until[:, np.newaxis])
        at = np.where(below, frames, 0).max(axis=1)
        low, high = relative[events, at], relative[events, at + 1]
        step = high - low
        return at + (level - low) / np.where(step == 0, 1.0, step), at

    high, below = last_crossing(0.9, peak)
    low, _ = last_crossing(0.1, below + 1)

    after = frames >= peak[:, np.newaxis]
    decayed = after & (frames <= (peak + tail)[:, np.newaxis]) & (relative <= 0.5)
    has_decayed = decayed.any(axis=1)
    k = np.where(has_decayed, np.argmax(decayed, axis=1), peak + 1)
    above, under = relative[events, k - 1], relative[events, k]
    drop = np.where(has_decayed, above - under, 1.0)
    decay = np.where(
        has_decayed, k - 1 - peak + (above - 0.5) / np.where(drop == 0, 1.0, drop), tail
    )
    return amplitude, high - low, decay


def median_amplitudes(events: EventShapes | IsolatedEvents, n_neurons: int) -> np.ndarray:
    """Median amplitude of each neuron's events (N,), NaN of a neuron without any."""
    medians = np.full(n_neurons, np.nan)
    for neuron in np.unique(events.neuron):
        medians[neuron] = np.median(events.amplitude[events.neuron == neuron])
    return medians
