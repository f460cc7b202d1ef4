"""Statistics of the population: counts of active neurons, correlations, dimensions."""

from __future__ import annotations

import numpy as np

from calgan.evaluation.statistics.definition import CONSTANT, Context, Measure, StatisticInfo, Sums
from calgan.evaluation.statistics.spikes import PooledHistogram
from calgan.metrics import bin_frames_for, population_count
from calgan.metrics.population import population_count_edges


class PopulationCounts(PooledHistogram):
    """Divergence of the number of neurons that are active in a frame."""

    infos = (
        StatisticInfo(
            "population_count_kl",
            "population count KL",
            "population",
            "KL divergence of the distribution of the number of neurons that are active in the "
            "same frame.",
            unit="nats",
            trained_by=("population_count",),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.edges = population_count_edges(self.values(context.spikes))

    def values(self, spikes: np.ndarray) -> np.ndarray:
        return population_count(spikes)


class _PairMatrix(Measure):
    """Sums of each neuron's values, then of products of pairs of neurons, upper triangle."""

    n_neurons: int
    frames: int
    variance: np.ndarray

    @classmethod
    def exists(cls, context: Context) -> bool:
        return context.n_neurons > 1

    def _set_pairs(self, n_neurons: int) -> None:
        """Choose the pairs i <= j."""
        self.n_neurons = n_neurons
        self.rows, self.columns = np.triu_indices(n_neurons)
        self.diagonal = self.rows == self.columns

    def _products(self, values: np.ndarray) -> np.ndarray:
        """Return the features of values (m, t, N)."""
        products = values.transpose(0, 2, 1) @ values
        return np.concatenate([values.sum(axis=1), products[:, self.rows, self.columns]], axis=1)

    def _covariance(self, sums: Sums) -> np.ndarray:
        """Covariance of the pairs i <= j, shape (..., P)."""
        count = np.maximum(sums.n, 1)[..., None] * self.frames
        mean = sums.values[..., : self.n_neurons] / count
        covariance = sums.values[..., self.n_neurons :] / count
        return np.asarray(covariance - mean[..., self.rows] * mean[..., self.columns])

    def _correlations(self, sums: Sums) -> np.ndarray:
        """Correlations of the pairs i < j, 0 where a neuron is constant; shape (..., P)."""
        covariance = self._covariance(sums)
        variance = covariance[..., self.diagonal]
        varies = variance > CONSTANT * self.variance
        scale = np.where(varies, 1.0 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
        upper = ~self.diagonal
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
            "Pearson correlation, over all pairs of neurons, between the entries of the real and "
            "the other correlation matrix of the traces.",
            better="higher",
            trained_by=("correlation_matrix", "covariance"),
        ),
        StatisticInfo(
            "correlation_matrix_rmse",
            "correlation matrix RMSE",
            "population",
            "Root mean square difference of the same entries.",
            trained_by=("correlation_matrix", "covariance"),
        ),
        StatisticInfo(
            "participation_ratio_error",
            "participation ratio error",
            "population",
            "How much the effective number of dimensions of the traces (the participation ratio "
            "of the covariance, every neuron in its real standard deviation) differs, in "
            "decibels; judged by the difference to the baseline.",
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
        return self._products((traces - self.centre).astype(np.float64))

    def _dimensions(self, sums: Sums) -> np.ndarray:
        """Participation ratio, every neuron in its real deviation; 1 where nothing varies."""
        scale = np.where(self.variance > 0, 1.0 / np.sqrt(np.maximum(self.variance, 1e-300)), 0.0)
        covariance = self._covariance(sums) * scale[self.rows] * scale[self.columns]
        trace = covariance[..., self.diagonal].sum(axis=-1)
        # An entry off the diagonal stands for the one on its other side, too.
        squares = (np.where(self.diagonal, 1.0, 2.0) * covariance**2).sum(axis=-1)
        ratio = trace**2 / np.where(squares > 0, squares, 1.0)
        return np.where(squares > 0, np.clip(ratio, 1.0, self.n_neurons), 1.0)

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        r, rmse = _agreement(self._correlations(real), self._correlations(other))
        ratio = self._dimensions(other) / self._dimensions(real)
        return r, rmse, np.abs(10.0 * np.log10(ratio))


class SpikeCorrelationMatrix(_PairMatrix):
    """Agreement of the correlation matrices of spikes in half-second bins."""

    infos = (
        StatisticInfo(
            "spike_correlation_matrix_r",
            "spike correlation matrix r",
            "population",
            "The agreement of the correlation matrices of the spikes in bins of about 0.5 s, in "
            "the same way.",
            better="higher",
            trained_by=("spike_correlation_matrix",),
        ),
    )

    @classmethod
    def exists(cls, context: Context) -> bool:
        bin_frames = bin_frames_for(context.frame_rate)
        return super().exists(context) and context.window >= 2 * bin_frames

    def __init__(self, context: Context) -> None:
        self._set_pairs(context.n_neurons)
        self.bin_frames = bin_frames_for(context.frame_rate)
        self.frames = context.window // self.bin_frames
        self.variance = self._bin(context.spikes).var(axis=(0, 1))

    def _bin(self, spikes: np.ndarray) -> np.ndarray:
        """Sum spikes in bins, shape (m, bins, N)."""
        used = spikes[:, : self.frames * self.bin_frames]
        shape = (len(spikes), self.frames, self.bin_frames, spikes.shape[2])
        return used.reshape(shape).sum(axis=2, dtype=np.float64)

    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        return self._products(self._bin(spikes))

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        r, _ = _agreement(self._correlations(real), self._correlations(other))
        return (r,)


class LaggedCorrelations(Measure):
    """Difference of the correlations of every neuron with every neuron one second later."""

    infos = (
        StatisticInfo(
            "lagged_correlation_rmse",
            "lagged correlation RMSE (1 s)",
            "population",
            "Root mean square difference of the correlations of each neuron with each neuron one "
            "second later.",
            trained_by=("lagged_correlation", "lagged_correlation_matrix", "lagged_covariance"),
        ),
    )

    @classmethod
    def exists(cls, context: Context) -> bool:
        return context.n_neurons > 1

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

    def _correlations(self, sums: Sums) -> np.ndarray:
        """Correlations (..., N, N), 0 where a neuron is constant."""
        size = self.n_neurons
        n = np.maximum(sums.n, 1)[..., None]
        total, square, early, late, products = np.split(
            sums.values, size * np.arange(1, 5), axis=-1
        )
        mean = total / (n * self.window)
        variance = square / (n * self.window) - mean**2
        pairs = n * (self.window - self.lag)
        early, late, products = early / pairs, late / pairs, products / pairs
        covariance = products.reshape(*products.shape[:-1], size, size)
        # Sum of (x - mean)(y - mean), multiplied out: the mean is that of all frames.
        covariance = covariance - early[..., :, None] * mean[..., None, :]
        covariance += mean[..., :, None] * (mean - late)[..., None, :]
        varies = variance > CONSTANT * self.variance
        scale = np.where(varies, 1.0 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
        return np.asarray(covariance * scale[..., :, None] * scale[..., None, :])

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        difference = self._correlations(real) - self._correlations(other)
        # A neuron with itself is the autocorrelation's business.
        difference = difference[..., ~np.eye(self.n_neurons, dtype=bool)]
        return (np.sqrt(np.mean(difference**2, axis=-1)),)
