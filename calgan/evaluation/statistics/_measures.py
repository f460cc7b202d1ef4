"""The statistics of the report, each a function of sums over windows.

A statistic that is written as ``features`` (numbers of one window that may be added up) and
``compare`` (a function of two such sums) can be pooled over any windows: a bootstrap over blocks
of a recording then only re-weights the blocks' sums, and never looks at a trace again.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from scipy import fft

from calgan.evaluation.statistics._base import (
    Context,
    Measure,
    StatisticInfo,
    area_between,
    distribution_functions,
    quantile_grid,
)
from calgan.evaluation.statistics._events import EventShapes, InterSpikeIntervals
from calgan.metrics import (
    bin_frames_for,
    firing_rate,
    pairwise_correlation,
    population_count,
    power_spectrum,
    van_rossum_distance,
)
from calgan.metrics.divergence import histogram_counts, histogram_edges, smoothed_kl_from_counts
from calgan.metrics.population import population_count_edges

# Lags of the autocorrelation: at most this many, over at most this many seconds.
_MAX_LAGS = 24
_MAX_LAG_SECONDS = 5.0
# A variance below this share of the real one is rounding: the neuron counts as constant.
_CONSTANT = 1e-9


class FiringRates(Measure):
    """Per neuron, the divergence of its rates over windows; and the error of the mean rate."""

    infos = (
        StatisticInfo(
            "firing_rate_kl",
            "firing rate KL",
            "published",
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
        max_bins = max(2, min(30, context.n_windows // 20))
        self.edges = [histogram_edges(values, max_bins=max_bins) for values in rates.T]
        self.n_bins = max(len(edges) + 1 for edges in self.edges)
        sizes = np.array([len(edges) + 1 for edges in self.edges])
        # Neurons with equally many bins are compared together.
        self.same_size = [(size, np.flatnonzero(sizes == size)) for size in np.unique(sizes)]

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        rates = firing_rate(spikes, self.frame_rate)
        bins = np.stack(
            [
                np.searchsorted(edges, values, side="right")
                for edges, values in zip(self.edges, rates.T, strict=True)
            ],
            axis=1,
        )
        return (bins[:, :, None] == np.arange(self.n_bins)).reshape(len(rates), -1)

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        shape = (len(self.edges), self.n_bins)
        p, q = real.reshape(*real.shape[:-1], *shape), other.reshape(*other.shape[:-1], *shape)
        total = np.zeros(real.shape[:-1])
        for size, neurons in self.same_size:
            part = smoothed_kl_from_counts(p[..., neurons, :size], q[..., neurons, :size])
            total = total + part.sum(axis=-1)
        return (total / len(self.edges),)


class _PairHistogram(Measure):
    """Divergence of one histogram, pooled over windows and pairs of neurons."""

    edges: np.ndarray

    @abstractmethod
    def values(self, spikes: np.ndarray) -> np.ndarray:
        """Return the statistic, shape (m, P)."""

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        return histogram_counts(self.values(spikes), self.edges)

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        return (smoothed_kl_from_counts(real, other),)


class SpikeCorrelations(_PairHistogram):
    """Divergence of the pairwise correlations of spikes in half-second bins."""

    infos = (
        StatisticInfo(
            "correlation_kl",
            "spike correlation KL",
            "published",
            unit="nats",
            trained_by=("spike_correlation_matrix",),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.bin_frames = bin_frames_for(context.frame_rate)
        values = self.values(context.spikes)
        # A population too silent for any correlation has no range: three bins around 0.
        self.edges = histogram_edges(values if np.isfinite(values).any() else [0.0])

    def values(self, spikes: np.ndarray) -> np.ndarray:
        return pairwise_correlation(spikes, bin_frames=self.bin_frames)


class VanRossum(_PairHistogram):
    """Divergence of the pairwise van Rossum distances, time constant 1 s."""

    infos = (StatisticInfo("van_rossum_kl", "van Rossum distance KL", "published", unit="nats"),)

    def __init__(self, context: Context) -> None:
        self.frame_rate = context.frame_rate
        self.edges = histogram_edges(self.values(context.spikes))

    def values(self, spikes: np.ndarray) -> np.ndarray:
        return van_rossum_distance(spikes, self.frame_rate)


class PopulationCounts(_PairHistogram):
    """Divergence of the number of neurons that are active in a frame."""

    infos = (
        StatisticInfo(
            "population_count_kl",
            "population count KL",
            "population",
            unit="nats",
            trained_by=("population_count",),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.edges = population_count_edges(self.values(context.spikes))

    def values(self, spikes: np.ndarray) -> np.ndarray:
        return population_count(spikes)


class _PairMatrix(Measure):
    """Sums of products of pairs of neurons, upper triangle, behind the sums of each neuron."""

    rows: np.ndarray
    columns: np.ndarray
    n_neurons: int
    frames: int
    variance: np.ndarray

    def _set_pairs(self, n_neurons: int) -> None:
        self.n_neurons = n_neurons
        self.rows, self.columns = np.triu_indices(n_neurons)

    def _sums(self, values: np.ndarray) -> np.ndarray:
        products = values.transpose(0, 2, 1) @ values
        return np.concatenate([values.sum(axis=1), products[:, self.rows, self.columns]], axis=1)

    def _correlations(self, n: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """Correlations of the pairs i < j, 0 where a neuron is constant; shape (..., P)."""
        count = np.maximum(n, 1)[..., None] * self.frames
        mean = sums[..., : self.n_neurons] / count
        covariance = sums[..., self.n_neurons :] / count
        covariance = covariance - mean[..., self.rows] * mean[..., self.columns]
        diagonal = self.rows == self.columns
        variance = covariance[..., diagonal]
        varies = variance > _CONSTANT * self.variance
        scale = np.where(varies, 1.0 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
        upper = ~diagonal
        first, second = self.rows[upper], self.columns[upper]
        return np.clip(covariance[..., upper] * scale[..., first] * scale[..., second], -1.0, 1.0)


def _agreement(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson correlation and root mean square difference along the last axis."""
    rmse = np.sqrt(np.mean((a - b) ** 2, axis=-1))
    a = a - a.mean(axis=-1, keepdims=True)
    b = b - b.mean(axis=-1, keepdims=True)
    norm = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    # Below the rounding of its entries a matrix has no pattern to agree with.
    flat = (np.abs(a).max(axis=-1) < 1e-9) | (np.abs(b).max(axis=-1) < 1e-9)
    r = (a * b).sum(axis=-1) / np.where(flat | (norm == 0), 1.0, norm)
    return np.where(flat, 0.0, r), rmse


class CorrelationMatrix(_PairMatrix):
    """Agreement of the correlation matrices of traces, and of their numbers of dimensions."""

    infos = (
        StatisticInfo(
            "correlation_matrix_r",
            "correlation matrix r",
            "population",
            better="higher",
            trained_by=("correlation_matrix", "covariance"),
        ),
        StatisticInfo(
            "correlation_matrix_rmse",
            "correlation matrix RMSE",
            "population",
            trained_by=("correlation_matrix", "covariance"),
        ),
        StatisticInfo(
            "participation_ratio_error",
            "participation ratio error",
            "population",
            unit="dB",
            trained_by=("correlation_matrix", "covariance", "participation_ratio"),
            judged_by="difference",
        ),
    )

    def __init__(self, context: Context) -> None:
        self._set_pairs(context.n_neurons)
        self.frames = context.window
        self.centre = context.traces.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
        self.variance = context.traces.var(axis=(0, 1), dtype=np.float64)

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        return self._sums((traces - self.centre).astype(np.float64))

    def _dimensions(self, n: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """Participation ratio, every neuron in its real deviation; 1 where nothing varies."""
        count = np.maximum(n, 1)[..., None] * self.frames
        mean = sums[..., : self.n_neurons] / count
        covariance = sums[..., self.n_neurons :] / count
        covariance = covariance - mean[..., self.rows] * mean[..., self.columns]
        scale = np.where(self.variance > 0, 1.0 / np.sqrt(np.maximum(self.variance, 1e-300)), 0.0)
        covariance = covariance * scale[self.rows] * scale[self.columns]
        diagonal = self.rows == self.columns
        trace = covariance[..., diagonal].sum(axis=-1)
        # An entry off the diagonal stands for the one on its other side, too.
        squares = (np.where(diagonal, 1.0, 2.0) * covariance**2).sum(axis=-1)
        ratio = trace**2 / np.where(squares > 0, squares, 1.0)
        return np.where(squares > 0, np.clip(ratio, 1.0, self.n_neurons), 1.0)

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        r, rmse = _agreement(self._correlations(n_real, real), self._correlations(n_other, other))
        ratio = self._dimensions(n_other, other) / self._dimensions(n_real, real)
        return r, rmse, np.abs(10.0 * np.log10(ratio))


class SpikeCorrelationMatrix(_PairMatrix):
    """Agreement of the correlation matrices of spikes in half-second bins."""

    infos = (
        StatisticInfo(
            "spike_correlation_matrix_r",
            "spike correlation matrix r",
            "population",
            better="higher",
            trained_by=("spike_correlation_matrix",),
        ),
    )

    def __init__(self, context: Context) -> None:
        self._set_pairs(context.n_neurons)
        self.bin_frames = bin_frames_for(context.frame_rate)
        self.frames = context.window // self.bin_frames
        self.variance = self._bin(context.spikes).var(axis=(0, 1))

    def _bin(self, spikes: np.ndarray) -> np.ndarray:
        used = spikes[:, : self.frames * self.bin_frames]
        shape = (len(spikes), self.frames, self.bin_frames, spikes.shape[2])
        return used.reshape(shape).sum(axis=2, dtype=np.float64)

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        return self._sums(self._bin(spikes))

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        r, _ = _agreement(self._correlations(n_real, real), self._correlations(n_other, other))
        return (r,)


class LaggedCorrelations(Measure):
    """Difference of the correlations of every neuron with every neuron one second later."""

    infos = (
        StatisticInfo(
            "lagged_correlation_rmse",
            "lagged correlation RMSE (1 s)",
            "population",
            trained_by=("lagged_correlation", "lagged_correlation_matrix", "lagged_covariance"),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.lag = min(max(1, round(context.frame_rate)), context.window - 1)
        self.window = context.window
        self.n_neurons = context.n_neurons
        self.centre = context.traces.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
        self.variance = context.traces.var(axis=(0, 1), dtype=np.float64)

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        values = (traces - self.centre).astype(np.float64)
        early, late = values[:, : self.window - self.lag], values[:, self.lag :]
        products = early.transpose(0, 2, 1) @ late
        return np.concatenate(
            [
                values.sum(axis=1),
                (values**2).sum(axis=1),
                early.sum(axis=1),
                late.sum(axis=1),
                products.reshape(len(values), -1),
            ],
            axis=1,
        )

    def _correlations(self, n: np.ndarray, sums: np.ndarray) -> np.ndarray:
        size = self.n_neurons
        n = np.maximum(n, 1)[..., None]
        mean, square = sums[..., :size] / (n * self.window), sums[..., size : 2 * size]
        variance = square / (n * self.window) - mean**2
        pairs = n * (self.window - self.lag)
        early = sums[..., 2 * size : 3 * size] / pairs
        late = sums[..., 3 * size : 4 * size] / pairs
        products = sums[..., 4 * size :] / pairs
        covariance = products.reshape(*products.shape[:-1], size, size)
        # Sum of (x - mean)(y - mean), multiplied out: the mean is that of all frames.
        covariance = covariance - early[..., :, None] * mean[..., None, :]
        covariance += mean[..., :, None] * (mean - late)[..., None, :]
        varies = variance > _CONSTANT * self.variance
        scale = np.where(varies, 1.0 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
        result: np.ndarray = covariance * scale[..., :, None] * scale[..., None, :]
        return result

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        difference = self._correlations(n_real, real) - self._correlations(n_other, other)
        if self.n_neurons > 1:  # a neuron with itself is the autocorrelation's business
            difference = difference[..., ~np.eye(self.n_neurons, dtype=bool)]
        else:
            difference = difference[..., 0]
        return (np.sqrt(np.mean(difference**2, axis=-1)),)


class _Distribution(Measure):
    """Mean over neurons of the Wasserstein-1 distance of values, in real standard deviations.

    The distance is the area between two distribution functions, here on a grid of quantiles of
    the real values that goes on, ever coarser, beyond their range.
    """

    def __init__(self, context: Context) -> None:
        values = self.values(context.traces)
        flat = values.reshape(-1, values.shape[2])
        self.grid = quantile_grid(flat).astype(np.float32)
        self.centre = flat.mean(axis=0, dtype=np.float64)
        self.variance = flat.var(axis=0, dtype=np.float64)

    @abstractmethod
    def values(self, traces: np.ndarray) -> np.ndarray:
        """Return the values whose distribution is compared, shape (m, t, N)."""

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        values = self.values(traces)
        n_windows, _, n_neurons = values.shape
        n_bins = self.grid.shape[1] + 1
        bins = np.empty((n_neurons, *values.shape[:2]), dtype=np.int64)
        for neuron, trace in enumerate(np.ascontiguousarray(values.transpose(2, 0, 1))):
            bins[neuron] = np.searchsorted(self.grid[neuron], trace, side="right")
        bins += n_bins * np.arange(n_neurons)[:, None, None]
        bins += n_bins * n_neurons * np.arange(n_windows)[:, None]
        counts = np.bincount(bins.ravel(), minlength=n_windows * n_neurons * n_bins)
        centred = values - self.centre
        return np.concatenate(
            [centred.sum(axis=1), (centred**2).sum(axis=1), counts.reshape(n_windows, -1)], axis=1
        )

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        n_neurons, n_edges = self.grid.shape

        def counts(sums: np.ndarray) -> np.ndarray:
            return sums[..., 2 * n_neurons :].reshape(*sums.shape[:-1], n_neurons, n_edges + 1)

        p, q = distribution_functions(counts(real)), distribution_functions(counts(other))
        area = area_between(p, q, self.grid)
        count = np.maximum(counts(real).sum(axis=-1), 1)
        mean = real[..., :n_neurons] / count
        variance = real[..., n_neurons : 2 * n_neurons] / count - mean**2
        varies = variance > _CONSTANT * self.variance
        distance = np.where(varies, area / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
        return (distance.sum(axis=-1) / np.maximum(varies.sum(axis=-1), 1),)


class Marginals(_Distribution):
    """Distance of the distributions of each neuron's values."""

    infos = (
        StatisticInfo(
            "marginal_w1",
            "trace values (W1)",
            "trace",
            unit="sd",
            trained_by=("marginals", "marginal", "moments", "quantiles"),
        ),
    )

    def values(self, traces: np.ndarray) -> np.ndarray:
        return traces


class Increments(_Distribution):
    """Distance of the distributions of each neuron's frame-to-frame changes."""

    infos = (
        StatisticInfo(
            "increment_w1",
            "trace increments (W1)",
            "trace",
            unit="sd",
            trained_by=("increments", "increment"),
        ),
    )

    def values(self, traces: np.ndarray) -> np.ndarray:
        return np.diff(traces, axis=1)


class LogSpectrum(Measure):
    """Difference of the logarithms of each neuron's mean power spectrum."""

    infos = (
        StatisticInfo(
            "log_spectrum_error",
            "power spectrum error",
            "trace",
            unit="dB",
            trained_by=("power_spectrum", "log_spectrum", "spectrum"),
        ),
    )

    def __init__(self, context: Context) -> None:
        _, power = power_spectrum(context.traces, 1.0)
        self.scale = power.mean(axis=1)
        self.shape = power.shape

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        values = traces.astype(np.float64)
        values -= values.mean(axis=1, keepdims=True)
        spectrum = fft.rfft(values, axis=1)[:, 1:]
        power = (spectrum.real**2 + spectrum.imag**2) * (2.0 / traces.shape[1])
        if traces.shape[1] % 2 == 0:
            power[:, -1] /= 2.0
        result: np.ndarray = power.transpose(0, 2, 1).reshape(len(traces), -1)
        return result

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        p = (real / np.maximum(n_real, 1)[..., None]).reshape(*real.shape[:-1], *self.shape)
        q = (other / np.maximum(n_other, 1)[..., None]).reshape(*other.shape[:-1], *self.shape)
        mean = p.mean(axis=-1, keepdims=True)
        varies = mean > _CONSTANT * self.scale[:, None]
        lowest = np.where(varies, 1e-6 * mean, 1.0)
        decibels = 10.0 * np.log10(np.maximum(q, lowest) / np.maximum(p, lowest))
        squares = np.where(varies, decibels**2, 0.0).sum(axis=(-1, -2))
        return (np.sqrt(squares / np.maximum(varies.sum(axis=(-1, -2)) * self.shape[1], 1)),)


class Autocorrelation(Measure):
    """Difference of each neuron's autocorrelation at lags up to five seconds."""

    infos = (
        StatisticInfo(
            "autocorrelation_rmse",
            "autocorrelation RMSE",
            "trace",
            trained_by=("autocorrelation", "power_spectrum", "log_spectrum", "spectrum"),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.window, self.n_neurons = context.window, context.n_neurons
        longest = max(1, min(round(_MAX_LAG_SECONDS * context.frame_rate), context.window // 2))
        spaced = np.linspace(1, longest, min(longest, _MAX_LAGS))
        self.lags = np.unique(np.concatenate([[0], np.round(spaced).astype(int)]))
        self.centre = context.traces.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
        self.variance = context.traces.var(axis=(0, 1), dtype=np.float64)

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        values = (traces - self.centre).astype(np.float64)
        length = fft.next_fast_len(self.window + int(self.lags[-1]), real=True)
        spectrum = fft.rfft(values, n=length, axis=1)
        products = fft.irfft(spectrum.real**2 + spectrum.imag**2, n=length, axis=1)[:, self.lags]
        sums = np.zeros((len(values), self.window + 1, self.n_neurons))
        np.cumsum(values, axis=1, out=sums[:, 1:])
        early = sums[:, self.window - self.lags]
        late = sums[:, -1:] - sums[:, self.lags]
        result: np.ndarray = np.stack([products, early, late], axis=1).reshape(len(values), -1)
        return result

    def _autocorrelation(self, n: np.ndarray, sums: np.ndarray) -> np.ndarray:
        sums = sums.reshape(*sums.shape[:-1], 3, len(self.lags), self.n_neurons)
        pairs = np.maximum(n, 1)[..., None, None] * (self.window - self.lags)[:, None]
        products = sums[..., 0, :, :] / pairs
        early, late = sums[..., 1, :, :] / pairs, sums[..., 2, :, :] / pairs
        mean = early[..., :1, :]  # at lag 0 that is the mean over all frames
        covariance = products - mean * (early + late) + mean**2
        variance = covariance[..., :1, :]
        varies = variance > _CONSTANT * self.variance
        result: np.ndarray = np.where(
            varies, covariance[..., 1:, :] / np.where(varies, variance, 1.0), 0.0
        )
        return result

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        difference = self._autocorrelation(n_real, real) - self._autocorrelation(n_other, other)
        return (np.sqrt(np.mean(difference**2, axis=(-1, -2))),)


class WindowVariability(Measure):
    """Difference of how much each neuron's mean varies from window to window.

    A generator that draws the same plausible window again and again shows here.
    """

    infos = (
        StatisticInfo(
            "window_variability_error",
            "window variability",
            "trace",
            unit="dB",
            trained_by=("window_variability",),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.centre = context.traces.mean(axis=(0, 1), dtype=np.float64)
        self.variance = context.traces.var(axis=(0, 1), dtype=np.float64)

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        means = traces.mean(axis=1, dtype=np.float64) - self.centre
        return np.concatenate([means, means**2], axis=1)

    def _variance(self, n: np.ndarray, sums: np.ndarray) -> np.ndarray:
        size = len(self.centre)
        n = np.maximum(n, 1)[..., None]
        return np.asarray(sums[..., size:] / n - (sums[..., :size] / n) ** 2)

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        p, q = self._variance(n_real, real), self._variance(n_other, other)
        varies = p > _CONSTANT * self.variance
        # 40 dB down, the windows of a neuron are all alike: no need to tell how much alike.
        lowest = np.where(varies, 1e-4 * p, 1.0)
        decibels = 10.0 * np.log10(np.maximum(q, lowest) / np.where(varies, p, 1.0))
        squares = np.where(varies, decibels**2, 0.0).sum(axis=-1)
        return (np.sqrt(squares / np.maximum(varies.sum(axis=-1), 1)),)


class MeanRates(Measure):
    """Root mean square error of the neurons' mean firing rates."""

    infos = (
        StatisticInfo(
            "mean_rate_error",
            "mean firing rate RMSE",
            "trace",
            unit="Hz",
            trained_by=("firing_rate", "mean_rate", "spike_rate"),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.frame_rate = context.frame_rate

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        return firing_rate(spikes, self.frame_rate)

    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        p = real / np.maximum(n_real, 1)[..., None]
        q = other / np.maximum(n_other, 1)[..., None]
        return (np.sqrt(np.mean((p - q) ** 2, axis=-1)),)


PUBLISHED: tuple[type[Measure], ...] = (FiringRates, SpikeCorrelations, VanRossum)
"""The three published divergences."""

POPULATION: tuple[type[Measure], ...] = (
    PopulationCounts,
    CorrelationMatrix,
    SpikeCorrelationMatrix,
    LaggedCorrelations,
)
"""What neurons do together."""

TRACE: tuple[type[Measure], ...] = (
    MeanRates,
    Marginals,
    Increments,
    LogSpectrum,
    Autocorrelation,
    WindowVariability,
    InterSpikeIntervals,
    EventShapes,
)
"""What each neuron does on its own."""

NEEDS_PAIRS: frozenset[type[Measure]] = frozenset(
    {SpikeCorrelations, VanRossum, CorrelationMatrix, SpikeCorrelationMatrix, LaggedCorrelations}
)
"""Measures that a recording of one neuron does not have."""

NEEDS_BINS: frozenset[type[Measure]] = frozenset({SpikeCorrelations, SpikeCorrelationMatrix})
"""Measures that windows shorter than two bins of half a second do not have."""
