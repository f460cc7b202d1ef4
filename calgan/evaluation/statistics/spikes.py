"""Statistics of spikes: the three published divergences, mean rates, inter-spike intervals."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from calgan.evaluation.statistics.definition import Context, Measure, StatisticInfo, Sums
from calgan.evaluation.statistics.distributions import bins_of
from calgan.metrics import bin_frames_for, firing_rate, pairwise_correlation, van_rossum_distance
from calgan.metrics.divergence import (
    bins_for,
    histogram_counts,
    histogram_edges,
    smoothed_kl_from_counts,
)
from calgan.metrics.events import intervals_in_frames

# Lengths of intervals at which their distribution functions are compared.
_N_INTERVALS = 64


class FiringRates(Measure):
    """Divergence of each neuron's rates over windows."""

    infos = (
        StatisticInfo(
            "firing_rate_kl",
            "firing rate KL",
            "published",
            "For each neuron, the KL divergence of the distribution over windows of its firing "
            "rate; mean over neurons.",
            unit="nats",
            trained_by=("firing_rate", "spike_rate"),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.frame_rate = context.frame_rate
        rates = context.rates
        if rates is None:
            rates = firing_rate(context.spikes, context.frame_rate)
        # The bins must suit the sample that is compared, not the larger one that spans the range.
        max_bins = bins_for(context.n_windows)
        self.edges = [histogram_edges(values, max_bins=max_bins) for values in rates.T]
        self.n_bins = max(len(edges) + 1 for edges in self.edges)
        sizes = np.array([len(edges) + 1 for edges in self.edges])
        # Neurons with equally many bins are compared together.
        self.same_size = [(size, np.flatnonzero(sizes == size)) for size in np.unique(sizes)]

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        rates = firing_rate(spikes, self.frame_rate)
        bins = bins_of(rates.T, self.edges).T
        return (bins[:, :, None] == np.arange(self.n_bins)).reshape(len(rates), -1)

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        shape = len(self.edges), self.n_bins
        p, q = real.split(*shape), other.split(*shape)
        total = np.zeros(real.n.shape)
        for size, neurons in self.same_size:
            part = smoothed_kl_from_counts(p[..., neurons, :size], q[..., neurons, :size])
            total = total + part.sum(axis=-1)
        return (total / len(self.edges),)


class PooledHistogram(Measure):
    """Divergence of one histogram, pooled over windows and pairs of neurons."""

    edges: np.ndarray

    @abstractmethod
    def values(self, spikes: np.ndarray) -> np.ndarray:
        """Return the statistic, shape (m, P)."""

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        return histogram_counts(self.values(spikes), self.edges)

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        return (smoothed_kl_from_counts(real.values, other.values),)


class SpikeCorrelations(PooledHistogram):
    """Divergence of the pairwise correlations of spikes in half-second bins."""

    infos = (
        StatisticInfo(
            "correlation_kl",
            "spike correlation KL",
            "published",
            "KL divergence of the distribution of the Pearson correlations between the spike "
            "trains of two neurons (bins of about 0.5 s), pooled over windows and pairs.",
            unit="nats",
            trained_by=("spike_correlation_matrix",),
        ),
    )

    @classmethod
    def exists(cls, context: Context) -> bool:
        return context.n_neurons > 1 and context.window >= 2 * bin_frames_for(context.frame_rate)

    def __init__(self, context: Context) -> None:
        self.bin_frames = bin_frames_for(context.frame_rate)
        values = self.values(context.spikes)
        # A population too silent for any correlation has no range: three bins around 0.
        self.edges = histogram_edges(values if np.isfinite(values).any() else [0.0])

    def values(self, spikes: np.ndarray) -> np.ndarray:
        return pairwise_correlation(spikes, bin_frames=self.bin_frames)


class VanRossum(PooledHistogram):
    """Divergence of the pairwise van Rossum distances, time constant 1 s."""

    infos = (
        StatisticInfo(
            "van_rossum_kl",
            "van Rossum distance KL",
            "published",
            "KL divergence of the distribution of the van Rossum distances (exponential kernel, τ "
            "= 1 s) between the spike trains of two neurons, pooled over windows and pairs.",
            unit="nats",
        ),
    )

    @classmethod
    def exists(cls, context: Context) -> bool:
        return context.n_neurons > 1

    def __init__(self, context: Context) -> None:
        self.frame_rate = context.frame_rate
        self.edges = histogram_edges(self.values(context.spikes))

    def values(self, spikes: np.ndarray) -> np.ndarray:
        return van_rossum_distance(spikes, self.frame_rate)


class MeanRates(Measure):
    """Root mean square error of the neurons' mean firing rates."""

    infos = (
        StatisticInfo(
            "mean_rate_error",
            "mean firing rate RMSE",
            "trace",
            "Root mean square difference of the neurons' mean firing rates.",
            unit="Hz",
            trained_by=("firing_rate", "mean_rate", "spike_rate"),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.frame_rate = context.frame_rate

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        return firing_rate(spikes, self.frame_rate)

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        return (np.sqrt(np.mean((real.mean() - other.mean()) ** 2, axis=-1)),)


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
            "Wasserstein-1 distance of the intervals between a neuron's spikes within windows; "
            "mean over neurons. A neuron that never spikes twice counts as one whose intervals "
            "last a window.",
            unit="s",
            trained_by=("isi",),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.frame_rate, self.n_neurons = context.frame_rate, context.n_neurons
        # Frames one by one where intervals are short, ever coarser steps where they are long.
        spaced = np.geomspace(1, context.window - 1, _N_INTERVALS)
        self.edges = np.unique(np.round(spaced).astype(int))

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        frames, neuron, window = intervals_in_frames(spikes)
        n_bins = len(self.edges)
        bins = (window * self.n_neurons + neuron) * n_bins + np.searchsorted(self.edges, frames)
        counts = np.bincount(bins, minlength=len(spikes) * self.n_neurons * n_bins)
        return counts.reshape(len(spikes), -1)

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        shape = self.n_neurons, len(self.edges)
        p, q = real.split(*shape), other.split(*shape)
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
