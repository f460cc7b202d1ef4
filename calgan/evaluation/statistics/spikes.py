"""Statistics of spikes: the three published divergences, mean rates, inter-spike intervals."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from calgan.evaluation.statistics.definition import (
    Context,
    Measure,
    StatisticInfo,
    Sums,
    Windows,
    mean_over_known,
)
from calgan.evaluation.statistics.distributions import equal_bin_counts
from calgan.metrics import bin_frames_for, firing_rate, pairwise_correlation
from calgan.metrics.divergence import bins_for, histogram_edges, smoothed_kl_from_counts
from calgan.metrics.events import intervals_in_frames
from calgan.metrics.spikes import van_rossum_in

# Lengths of intervals at which their distribution functions are compared.
_N_INTERVALS = 64


class FiringRates(Measure):
    """Divergence of each neuron's rates over windows."""

    of_spikes = True
    infos = (
        StatisticInfo(
            "firing_rate_kl",
            "firing rate KL",
            "published",
            "For each neuron, the KL divergence of the distribution over windows of its firing "
            "rate; mean over neurons that spike on either side.",
            needs="a real spike",
            unit="nats",
            trained_by=("firing_rate", "spike_rate"),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.frame_rate = context.frame_rate
        # The bins must suit the sample that is compared, not the larger one that spans the range.
        max_bins = bins_for(context.n_windows)
        edges = [histogram_edges(values, max_bins=max_bins) for values in context.rates.T]
        sizes = np.array([len(inner) + 1 for inner in edges])
        self.n_bins = int(sizes.max())
        self.edges = np.full((len(edges), self.n_bins - 1), np.inf)
        for row, inner in zip(self.edges, edges, strict=True):
            row[: len(inner)] = inner
        # Neurons with equally many bins are compared together.
        self.same_size = [(size, np.flatnonzero(sizes == size)) for size in np.unique(sizes)]

    def sums(self, windows: Windows) -> np.ndarray:
        rates = firing_rate(windows.spikes, self.frame_rate)
        bins = (rates[:, :, None] >= self.edges).sum(axis=2)
        bins += self.n_bins * np.arange(len(self.edges))
        counts = np.bincount(bins.ravel(), minlength=self.n_bins * len(self.edges))
        return np.concatenate([counts, rates.sum(axis=0)])

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        n_neurons = len(self.edges)
        p, q = (
            side.values[..., :-n_neurons].reshape(*side.n.shape, n_neurons, self.n_bins)
            for side in (real, other)
        )
        divergence = np.empty(p.shape[:-1])
        for size, neurons in self.same_size:
            divergence[..., neurons] = smoothed_kl_from_counts(
                p[..., neurons, :size], q[..., neurons, :size]
            )
        # Neurons that are silent on both sides have nothing to compare.
        spikes = real.values[..., -n_neurons:] + other.values[..., -n_neurons:]
        return (mean_over_known(divergence, spikes > 0),)


class PooledHistogram(Measure):
    """Divergence of one histogram, pooled over windows and pairs of neurons, or over frames."""

    of_spikes = True
    edges: np.ndarray

    @abstractmethod
    def values(self, windows: Windows) -> np.ndarray:
        """Return the values of the statistic, NaN where undefined, any shape."""

    def sums(self, windows: Windows) -> np.ndarray:
        return equal_bin_counts(self.values(windows), self.edges)

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        divergence = smoothed_kl_from_counts(real.values, other.values)
        known = (real.values.sum(axis=-1) > 0) & (other.values.sum(axis=-1) > 0)
        return (np.where(known, divergence, np.nan),)


class SpikeCorrelations(PooledHistogram):
    """Divergence of the pairwise correlations of spikes in half-second bins."""

    infos = (
        StatisticInfo(
            "correlation_kl",
            "spike correlation KL",
            "published",
            "KL divergence of the distribution of the Pearson correlations between the spike "
            "trains of two neurons (bins of about 0.5 s), pooled over windows and pairs.",
            needs="two neurons that spike in one window, on both sides",
            unit="nats",
            trained_by=("spike_correlation_matrix",),
        ),
    )

    @classmethod
    def exists(cls, context: Context) -> bool:
        return context.n_neurons > 1 and context.window >= 2 * bin_frames_for(context.frame_rate)

    def __init__(self, context: Context) -> None:
        self.bin_frames = bin_frames_for(context.frame_rate)
        values = self.values(context.windows)
        # A population too silent for any correlation has no range: three bins around 0.
        self.edges = histogram_edges(values if np.isfinite(values).any() else [0.0])

    def values(self, windows: Windows) -> np.ndarray:
        values = pairwise_correlation(windows.paired_spikes, bin_frames=self.bin_frames)
        return values[np.isfinite(values)]


class VanRossum(PooledHistogram):
    """Divergence of the pairwise van Rossum distances, time constant 1 s."""

    infos = (
        StatisticInfo(
            "van_rossum_kl",
            "van Rossum distance KL",
            "published",
            "KL divergence of the distribution of the van Rossum distances (exponential kernel, τ "
            "= 1 s) between the spike trains of two neurons, pooled over windows and pairs.",
            needs="a real spike",
            unit="nats",
        ),
    )

    @classmethod
    def exists(cls, context: Context) -> bool:
        return context.n_neurons > 1

    def __init__(self, context: Context) -> None:
        self.frame_rate = context.frame_rate
        self.edges = histogram_edges(self.values(context.windows))

    def values(self, windows: Windows) -> np.ndarray:
        return van_rossum_in(windows.paired_spikes, self.frame_rate, np.float32)


class MeanRates(Measure):
    """Root mean square error of the neurons' mean firing rates."""

    of_spikes = True
    infos = (
        StatisticInfo(
            "mean_rate_error",
            "mean firing rate RMSE",
            "trace",
            "Root mean square difference of the neurons' mean firing rates.",
            needs="a real spike",
            unit="Hz",
            trained_by=("firing_rate", "mean_rate", "spike_rate"),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.frame_rate = context.frame_rate

    def sums(self, windows: Windows) -> np.ndarray:
        return firing_rate(windows.spikes, self.frame_rate).sum(axis=0)

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        return (np.sqrt(np.mean((real.mean() - other.mean()) ** 2, axis=-1)),)


class InterSpikeIntervals(Measure):
    """Distances of the intervals between a neuron's spikes: distribution, mean and deviation.

    A neuron without an interval on the other side counts as one whose intervals last a window;
    neurons without real intervals are left out.
    """

    of_spikes = True
    infos = (
        StatisticInfo(
            "isi_w1",
            "inter-spike intervals (W1)",
            "trace",
            "Wasserstein-1 distance of the intervals between a neuron's spikes within windows; "
            "mean over neurons. A neuron that never spikes twice counts as one whose intervals "
            "last a window.",
            needs="a window with two real spikes of a neuron",
            unit="s",
            trained_by=("isi",),
        ),
        StatisticInfo(
            "isi_mean_rmse",
            "mean ISI RMSE",
            "trace",
            "Root mean square difference of the neurons' mean inter-spike intervals.",
            needs="a window with two real spikes of a neuron",
            unit="s",
            trained_by=("isi",),
        ),
        StatisticInfo(
            "isi_sd_rmse",
            "SD of ISI RMSE",
            "trace",
            "Root mean square difference of the standard deviations of the neurons' inter-spike "
            "intervals.",
            needs="a window with two real spikes of a neuron",
            unit="s",
            trained_by=("isi",),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.frame_rate, self.n_neurons = context.frame_rate, context.n_neurons
        self.window = context.window
        # Frames one by one where intervals are short, ever coarser steps where they are long.
        spaced = np.geomspace(1, context.window - 1, _N_INTERVALS)
        self.edges = np.unique(np.round(spaced).astype(int))

    def sums(self, windows: Windows) -> np.ndarray:
        frames, neuron = intervals_in_frames(windows.spike_times)
        n_bins = len(self.edges)
        bins = neuron * n_bins + np.searchsorted(self.edges, frames)
        counts = np.bincount(bins, minlength=self.n_neurons * n_bins)
        moments = [
            np.bincount(neuron, weights=frames.astype(float) ** power, minlength=self.n_neurons)
            for power in (1, 2)
        ]
        return np.concatenate([counts, *moments])

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        size = self.n_neurons * len(self.edges)
        shape = self.n_neurons, len(self.edges)
        p, q = (side.values[..., :size].reshape(*side.n.shape, *shape) for side in (real, other))
        known = p.sum(axis=-1) > 0

        def functions(counts: np.ndarray) -> np.ndarray:
            total = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
            return np.asarray(np.cumsum(counts, axis=-1) / total)

        gap = np.abs(functions(p) - functions(q))
        # A whole number of frames apart, the functions are steps: exact where an edge is a frame.
        steps = np.diff(self.edges)
        area = (steps * gap[..., :-1] + 0.5 * (steps - 1) * np.diff(gap, axis=-1)).sum(axis=-1)
        area += gap[..., -1]

        def moments(sums: Sums, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            n = counts.sum(axis=-1)
            total, squares = np.split(sums.values[..., size:], 2, axis=-1)
            mean = np.where(n > 0, total / np.maximum(n, 1), self.window)
            variance = np.where(n > 0, squares / np.maximum(n, 1), self.window**2) - mean**2
            return mean, np.sqrt(np.maximum(variance, 0.0))

        pairs = zip(moments(real, p), moments(other, q), strict=True)
        errors = [np.sqrt(mean_over_known((a - b) ** 2, known)) for a, b in pairs]
        found = [mean_over_known(area, known), *errors]
        return tuple(each / self.frame_rate for each in found)
