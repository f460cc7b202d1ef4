"""Statistics of calcium events at isolated spikes: amplitudes, rise and decay times."""

from __future__ import annotations

import numpy as np

from calgan.evaluation.statistics.definition import Context, Measure, StatisticInfo, Sums, Windows
from calgan.evaluation.statistics.distributions import (
    area_between,
    bins_of,
    distribution_functions,
    quantile_grid,
)
from calgan.metrics.events import (
    IsolatedEvents,
    event_frames,
    isolated_events,
    median_amplitudes,
)

# Events are few, and cheap to sort into bins.
_N_LEVELS = 255
# Events that are measured in one chunk of windows: more would not sharpen a distribution.
_MAX_EVENTS = 1000


class EventShapes(Measure):
    """Wasserstein-1 distances of the amplitudes, rise and decay times of isolated events."""

    of_spikes = True
    infos = (
        StatisticInfo(
            "event_amplitude_w1",
            "event amplitude (W1)",
            "trace",
            "Wasserstein-1 distance of the amplitudes of events at isolated spikes, as multiples "
            "of the neuron's real median.",
            needs="isolated events on both sides",
            unit="median",
            trained_by=("event_amplitude",),
        ),
        StatisticInfo(
            "event_rise_w1",
            "event rise time (W1)",
            "trace",
            "The same of the times from 10 to 90 % of the amplitude.",
            needs="isolated events on both sides",
            unit="s",
            trained_by=("event_rise",),
        ),
        StatisticInfo(
            "event_decay_w1",
            "event decay time (W1)",
            "trace",
            "The same of the times from the peak to half the amplitude.",
            needs="isolated events on both sides",
            unit="s",
            trained_by=("event_decay",),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.frame_rate = context.frame_rate
        self.frames = event_times(context.window, context.frame_rate)
        windows = context.windows
        real = isolated_events(windows.traces, windows.spike_times, *self.frames)
        self.medians = median_amplitudes(real, context.n_neurons)
        values = self._values(real)
        if values.shape[1] == 0:  # nothing to compare: every distance will be undefined
            values = np.zeros((3, 1))
        self.grids = quantile_grid(values.T, _N_LEVELS)

    @classmethod
    def exists(cls, context: Context) -> bool:
        _, lead, rise, tail = event_times(context.window, context.frame_rate)
        return context.window > lead + rise + tail

    def _values(self, events: IsolatedEvents) -> np.ndarray:
        """Relative amplitude, rise and decay (s) of the events of neurons with a real median."""
        known = np.isfinite(self.medians[events.neuron])
        return np.stack(
            [
                events.amplitude[known] / self.medians[events.neuron[known]],
                events.rise_frames[known] / self.frame_rate,
                events.decay_frames[known] / self.frame_rate,
            ]
        )

    def sums(self, windows: Windows) -> np.ndarray:
        events = isolated_events(
            windows.traces, windows.spike_times, *self.frames, most=_MAX_EVENTS
        )
        n_bins = self.grids.shape[1] + 1
        bins = bins_of(self._values(events), self.grids)
        return np.concatenate([np.bincount(each, minlength=n_bins) for each in bins])

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        n_bins = self.grids.shape[1] + 1
        p, q = real.split(3, n_bins), other.split(3, n_bins)
        area = area_between(distribution_functions(p), distribution_functions(q), self.grids)
        known = (p.sum(axis=-1) > 0) & (q.sum(axis=-1) > 0)
        return tuple(np.moveaxis(np.where(known, area, np.nan), -1, 0))


def event_times(window: int, frame_rate: float) -> tuple[int, int, int, int]:
    """Return the frames around an event: 1 s before and 2 s after, less in a short window."""
    seconds = window / frame_rate
    return event_frames(frame_rate, min(1.0, seconds / 8), min(2.0, seconds / 4))
