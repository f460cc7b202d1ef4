"""Statistics of each neuron's traces: values, increments, spectra, autocorrelations."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from scipy import fft

from calgan.evaluation.statistics.definition import (
    CONSTANT,
    Context,
    Measure,
    StatisticInfo,
    Sums,
    Windows,
    mean_over_known,
)
from calgan.evaluation.statistics.distributions import (
    ColumnHistograms,
    area_between,
    distribution_functions,
)

# Lags of the autocorrelation: at most this many, over at most this many seconds.
_MAX_LAGS = 24
_MAX_LAG_SECONDS = 5.0


class _Distribution(Measure):
    """Mean over neurons of the Wasserstein-1 distance of values, in real standard deviations.

    The distance is the area between two distribution functions, here on a grid of quantiles of
    the real values that goes on, ever coarser, beyond their range.
    """

    def __init__(self, context: Context) -> None:
        values = self.values(context.windows.scaled)
        self.histograms = ColumnHistograms(values)
        self.deviation = values.std(axis=0, dtype=np.float64)

    @abstractmethod
    def values(self, scaled: np.ndarray) -> np.ndarray:
        """Return the values whose distribution is compared, shape (n, N)."""

    def sums(self, windows: Windows) -> np.ndarray:
        return self.histograms.counts(self.values(windows.scaled)).ravel()

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        shape = self.histograms.n_columns, self.histograms.n_bins
        p, q = (distribution_functions(side.split(*shape)) for side in (real, other))
        varies = self.deviation > np.sqrt(CONSTANT)
        distance = area_between(p, q, self.histograms.grid) / np.where(varies, self.deviation, 1.0)
        return (mean_over_known(distance, np.broadcast_to(varies, distance.shape)),)


class Marginals(_Distribution):
    """Distance of the distributions of each neuron's values."""

    infos = (
        StatisticInfo(
            "marginal_w1",
            "trace values (W1)",
            "trace",
            "Wasserstein-1 distance of the distributions of a neuron's trace values, in standard "
            "deviations of the real trace (held-out and training); mean over neurons. Taken on a "
            "grid of quantiles, about 1 % off at most.",
            unit="sd",
            trained_by=("marginals", "marginal", "moments", "quantiles"),
        ),
    )

    def values(self, scaled: np.ndarray) -> np.ndarray:
        return scaled.reshape(-1, scaled.shape[2])


class Increments(_Distribution):
    """Distance of the distributions of each neuron's frame-to-frame changes."""

    infos = (
        StatisticInfo(
            "increment_w1",
            "trace increments (W1)",
            "trace",
            "The same for the changes from one frame to the next: the shape of events. The grid is "
            "about 4 % off at most.",
            unit="sd",
            trained_by=("increments", "increment"),
        ),
    )

    def values(self, scaled: np.ndarray) -> np.ndarray:
        return np.diff(scaled, axis=1).reshape(-1, scaled.shape[2])


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
        self.window, self.n_neurons = context.window, context.n_neurons

    def sums(self, windows: Windows) -> np.ndarray:
        # The mean of a window is in the frequency that is left out.
        power = windows.power[1:].copy()
        power *= 2.0 / self.window
        if self.window % 2 == 0:
            power[-1] /= 2.0
        return power.T.ravel()

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        n_frequencies = self.window // 2
        p, q = (
            np.reshape(side.mean(), (*side.n.shape, self.n_neurons, n_frequencies))
            for side in (real, other)
        )
        mean = p.mean(axis=-1, keepdims=True)
        varies = mean > CONSTANT
        lowest = np.where(varies, 1e-6 * mean, 1.0)
        decibels = 10.0 * np.log10(np.maximum(q, lowest) / np.maximum(p, lowest))
        squares = (decibels**2).mean(axis=-1)
        return (np.sqrt(mean_over_known(squares, varies[..., 0])),)


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

    def sums(self, windows: Windows) -> np.ndarray:
        values, longest = windows.scaled, int(self.lags[-1])
        # The spectrum's products run on from the end of a window to its start: take these off.
        products = fft.irfft(windows.power, n=self.window, axis=0)[self.lags]
        first, last = values[:, :longest], values[:, self.window - longest :]
        for product, lag in zip(products[1:], self.lags[1:], strict=True):
            product -= np.einsum("mtn,mtn->n", first[:, :lag], last[:, longest - lag :])
        sums = np.zeros((self.window + 1, self.n_neurons))
        np.cumsum(values.sum(axis=0, dtype=np.float64), axis=0, out=sums[1:])
        early, late = sums[self.window - self.lags], sums[-1] - sums[self.lags]
        return np.stack([products, early, late]).ravel()

    def _autocorrelation(self, sums: Sums) -> tuple[np.ndarray, np.ndarray]:
        """Autocorrelations (..., lags, N), 0 where a neuron is constant, and which are not."""
        pairs = np.maximum(sums.n, 1)[..., None, None] * (self.window - self.lags)[:, None]
        parts = sums.split(3, len(self.lags), self.n_neurons)
        products, early, late = (parts[..., i, :, :] / pairs for i in range(3))
        mean = early[..., :1, :]  # at lag 0 that is the mean over all frames
        covariance = products - mean * (early + late) + mean**2
        variance = covariance[..., :1, :]
        varies = variance > CONSTANT
        found = np.where(varies, covariance[..., 1:, :] / np.where(varies, variance, 1.0), 0.0)
        return found, varies[..., 0, :]

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        first, varies = self._autocorrelation(real)
        second, _ = self._autocorrelation(other)
        squares = ((first - second) ** 2).mean(axis=-2)
        return (np.sqrt(mean_over_known(squares, varies)),)


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
        pass

    def sums(self, windows: Windows) -> np.ndarray:
        means = windows.scaled.mean(axis=1, dtype=np.float64)
        return np.concatenate([means.sum(axis=0), (means**2).sum(axis=0)])

    def _variance(self, sums: Sums) -> np.ndarray:
        """Variance over windows of each neuron's mean, (..., N)."""
        mean, square = np.split(sums.mean(), 2, axis=-1)
        return np.asarray(square - mean**2)

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        p, q = self._variance(real), self._variance(other)
        varies = p > CONSTANT
        # 40 dB down, the windows of a neuron are all alike: no need to tell how much alike.
        lowest = np.where(varies, 1e-4 * p, 1.0)
        decibels = 10.0 * np.log10(np.maximum(q, lowest) / np.where(varies, p, 1.0))
        return (np.sqrt(mean_over_known(decibels**2, varies)),)
