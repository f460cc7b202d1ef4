"""Statistics of each neuron's traces: values, increments, spectra, autocorrelations."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from scipy import fft

from calgan.evaluation.statistics.definition import CONSTANT, Context, Measure, StatisticInfo, Sums
from calgan.evaluation.statistics.distributions import (
    area_between,
    bins_of,
    distribution_functions,
    quantile_grid,
)
from calgan.metrics import power_spectrum

# Lags of the autocorrelation: at most this many, over at most this many seconds.
_MAX_LAGS = 24
_MAX_LAG_SECONDS = 5.0


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
        bins = bins_of(np.ascontiguousarray(values.transpose(2, 0, 1)), self.grid)
        bins += n_bins * np.arange(n_neurons)[:, None, None]
        bins += n_bins * n_neurons * np.arange(n_windows)[:, None]
        counts = np.bincount(bins.ravel(), minlength=n_windows * n_neurons * n_bins)
        centred = values - self.centre
        return np.concatenate(
            [centred.sum(axis=1), (centred**2).sum(axis=1), counts.reshape(n_windows, -1)], axis=1
        )

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        n_neurons, n_edges = self.grid.shape

        def counts(sums: Sums) -> np.ndarray:
            values = sums.values[..., 2 * n_neurons :]
            return values.reshape(*values.shape[:-1], n_neurons, n_edges + 1)

        p, q = distribution_functions(counts(real)), distribution_functions(counts(other))
        area = area_between(p, q, self.grid)
        count = np.maximum(counts(real).sum(axis=-1), 1)
        mean = real.values[..., :n_neurons] / count
        variance = real.values[..., n_neurons : 2 * n_neurons] / count - mean**2
        varies = variance > CONSTANT * self.variance
        distance = np.where(varies, area / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
        return (distance.sum(axis=-1) / np.maximum(varies.sum(axis=-1), 1),)


class Marginals(_Distribution):
    """Distance of the distributions of each neuron's values."""

    infos = (
        StatisticInfo(
            "marginal_w1",
            "trace values (W1)",
            "trace",
            "Wasserstein-1 distance of the distributions of a neuron's trace values, in standard "
            "deviations of the real trace; mean over neurons.",
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
            "The same for the changes from one frame to the next: the shape of events.",
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
            "Root mean square difference of the neurons' log power spectra.",
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
        return np.asarray(power.transpose(0, 2, 1).reshape(len(traces), -1))

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        p, q = (np.reshape(side.mean(), (*side.n.shape, *self.shape)) for side in (real, other))
        mean = p.mean(axis=-1, keepdims=True)
        varies = mean > CONSTANT * self.scale[:, None]
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
            "Root mean square difference of the neurons' autocorrelations, at lags of up to five "
            "seconds.",
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
        return np.stack([products, early, late], axis=1).reshape(len(values), -1)

    def _autocorrelation(self, sums: Sums) -> np.ndarray:
        """Autocorrelations (..., lags, N), 0 where a neuron is constant."""
        pairs = np.maximum(sums.n, 1)[..., None, None] * (self.window - self.lags)[:, None]
        parts = sums.split(3, len(self.lags), self.n_neurons)
        products, early, late = (parts[..., i, :, :] / pairs for i in range(3))
        mean = early[..., :1, :]  # at lag 0 that is the mean over all frames
        covariance = products - mean * (early + late) + mean**2
        variance = covariance[..., :1, :]
        varies = variance > CONSTANT * self.variance
        return np.where(varies, covariance[..., 1:, :] / np.where(varies, variance, 1.0), 0.0)

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        difference = self._autocorrelation(real) - self._autocorrelation(other)
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
            "How differently each neuron's mean varies from window to window, in decibels: large "
            "when samples are too much alike.",
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

    def _variance(self, sums: Sums) -> np.ndarray:
        """Variance over windows of each neuron's mean, (..., N)."""
        mean, square = np.split(sums.mean(), 2, axis=-1)
        return np.asarray(square - mean**2)

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        p, q = self._variance(real), self._variance(other)
        varies = p > CONSTANT * self.variance
        # 40 dB down, the windows of a neuron are all alike: no need to tell how much alike.
        lowest = np.where(varies, 1e-4 * p, 1.0)
        decibels = 10.0 * np.log10(np.maximum(q, lowest) / np.where(varies, p, 1.0))
        squares = np.where(varies, decibels**2, 0.0).sum(axis=-1)
        return (np.sqrt(squares / np.maximum(varies.sum(axis=-1), 1)),)
