"""Statistics of the times between spikes and of the shapes of events, as sums over windows."""

from __future__ import annotations

import numpy as np

from calgan.evaluation.statistics._base import (
    Context,
    Measure,
    StatisticInfo,
    area_between,
    distribution_functions,
    quantile_grid,
)
from calgan.metrics.events import IsolatedEvents, event_frames, isolated_events

# Lengths of intervals at which their distribution functions are compared.
_N_INTERVALS = 64


class InterSpikeIntervals(Measure):
    """Mean over neurons of the Wasserstein-1 distance of the intervals between their spikes.

    A neuron without an interval on the other side counts as one whose intervals last a window;
    neurons without real intervals are left out.
    """

    infos = (
        StatisticInfo(
            "isi_w1",
            "inter-spike intervals (W1)",
            "trace",
            unit="s",
            trained_by=("isi", "spike_memory"),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.frame_rate, self.n_neurons = context.frame_rate, context.n_neurons
        # Frames one by one where intervals are short, ever coarser steps where they are long.
        spaced = np.geomspace(1, context.window - 1, _N_INTERVALS)
        self.edges = np.unique(np.round(spaced).astype(int))

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        window, neuron, frame = np.nonzero(spikes.transpose(0, 2, 1) > 0)
        train = window * self.n_neurons + neuron
        same = np.diff(train) == 0
        bins = np.searchsorted(self.edges, np.diff(frame)[same])
        n_bins = len(self.edges)
        counts = np.bincount(
            train[1:][same] * n_bins + bins, minlength=len(spikes) * self.n_neurons * n_bins
        )
        return counts.reshape(len(spikes), -1)

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        shape = (self.n_neurons, len(self.edges))
        p, q = real.reshape(*real.shape[:-1], *shape), other.reshape(*other.shape[:-1], *shape)
        known = p.sum(axis=-1) > 0

        def functions(counts: np.ndarray) -> np.ndarray:
            total = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
            return np.asarray(np.cumsum(counts, axis=-1) / total)

        gap = np.abs(functions(p) - functions(q))
        # A whole number of frames apart, the functions are steps: exact where an edge is a frame.
        steps = np.diff(self.edges)
        area = (steps * gap[..., :-1] + 0.5 * (steps - 1) * np.diff(gap, axis=-1)).sum(axis=-1)
        area += gap[..., -1]
        total = np.where(known, area, 0.0).sum(axis=-1) / self.frame_rate
        n_known = known.sum(axis=-1)
        return (np.where(n_known > 0, total / np.maximum(n_known, 1), np.nan),)


class EventShapes(Measure):
    """Wasserstein-1 distances of the amplitudes, rise and decay times of isolated events."""

    infos = (
        StatisticInfo(
            "event_amplitude_w1",
            "event amplitude (W1)",
            "trace",
            unit="median",
            trained_by=("event_amplitude",),
        ),
        StatisticInfo(
            "event_rise_w1",
            "event rise time (W1)",
            "trace",
            unit="s",
            trained_by=("event_rise",),
        ),
        StatisticInfo(
            "event_decay_w1",
            "event decay time (W1)",
            "trace",
            unit="s",
            trained_by=("event_decay",),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.frame_rate = context.frame_rate
        self.frames = event_times(context.window, context.frame_rate)
        self.medians = np.full(context.n_neurons, np.nan)
        real = self._events(context.traces, context.spikes)
        for neuron in np.unique(real.neuron):
            self.medians[neuron] = np.median(real.amplitude[real.neuron == neuron])
        values = self._values(real)
        if values.shape[1] == 0:  # nothing to compare: every distance will be undefined
            values = np.zeros((3, 1))
        self.grids = quantile_grid(values.T)

    def _events(self, traces: np.ndarray, spikes: np.ndarray) -> IsolatedEvents:
        return isolated_events(traces, spikes, *self.frames)

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

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        events = self._events(traces, spikes)
        window = events.window[np.isfinite(self.medians[events.neuron])]
        n_bins = self.grids.shape[1] + 1
        counts = [
            np.bincount(
                window * n_bins + np.searchsorted(grid, values, side="right"),
                minlength=len(traces) * n_bins,
            ).reshape(len(traces), n_bins)
            for grid, values in zip(self.grids, self._values(events), strict=True)
        ]
        return np.concatenate(counts, axis=1)

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        n_bins = self.grids.shape[1] + 1
        p, q = (sums.reshape(*sums.shape[:-1], 3, n_bins) for sums in (real, other))
        area = area_between(distribution_functions(p), distribution_functions(q), self.grids)
        known = (p.sum(axis=-1) > 0) & (q.sum(axis=-1) > 0)
        return tuple(np.moveaxis(np.where(known, area, np.nan), -1, 0))


def event_times(width: int, frame_rate: float) -> tuple[int, int, int, int]:
    """Return the frames around an event: 1 s before and 2 s after, less in a short window."""
    seconds = width / frame_rate
    return event_frames(frame_rate, min(1.0, seconds / 8), min(2.0, seconds / 4))


def holds_events(width: int, frame_rate: float) -> bool:
    """Whether isolated events fit into windows of so many frames."""
    _, lead, rise, tail = event_times(width, frame_rate)
    return width > lead + rise + tail
