"""Statistics of the population: counts of active neurons, correlations, dimensions."""

from __future__ import annotations

import numpy as np

from calgan.evaluation.statistics.definition import (
    CONSTANT,
    Context,
    Measure,
    StatisticInfo,
    Sums,
    Windows,
    mean_over_known,
)
from calgan.evaluation.statistics.spikes import PooledHistogram
from calgan.metrics import bin_frames_for, population_count
from calgan.metrics.population import population_count_edges

# Below the rounding of its entries a matrix has no pattern to agree with.
_ROUNDING = 1e-6


class PopulationCounts(PooledHistogram):
    """Divergence of the number of neurons that are active in a frame."""

    infos = (
        StatisticInfo(
            "population_count_kl",
            "population count KL",
            "population",
            "KL divergence of the distribution of the number of neurons that are active in the "
            "same frame.",
            needs="a real spike",
            unit="nats",
            trained_by=("population_count",),
        ),
    )

    def __init__(self, context: Context) -> None:
        self.edges = population_count_edges(self.values(context.windows))

    def values(self, windows: Windows) -> np.ndarray:
        return population_count(windows.spikes)


class _PairMatrix(Measure):
    """Sums of each neuron's values, then of products of pairs of neurons, upper triangle."""

    frames: int

    @classmethod
    def exists(cls, context: Context) -> bool:
        return context.n_neurons > 1

    def _set_pairs(self, values: np.ndarray) -> None:
        """Choose the pairs i <= j of the neurons of real values (m, t, N)."""
        self.n_neurons = values.shape[2]
        self.rows, self.columns = np.triu_indices(self.n_neurons)
        self.diagonal = self.rows == self.columns
        self.variance = values.var(axis=(0, 1), dtype=np.float64)

    def _products(self, values: np.ndarray) -> np.ndarray:
        """Return the sums of values (m, t, N)."""
        rows = values.reshape(-1, self.n_neurons)
        products = rows.T @ rows
        sums = rows.sum(axis=0, dtype=np.float64)
        return np.concatenate([sums, products[self.rows, self.columns]])

    def _covariance(self, sums: Sums) -> np.ndarray:
        """Covariance of the pairs i <= j, shape (..., P)."""
        count = np.maximum(sums.n, 1)[..., None] * self.frames
        mean = sums.values[..., : self.n_neurons] / count
        covariance = sums.values[..., self.n_neurons :] / count
        return np.asarray(covariance - mean[..., self.rows] * mean[..., self.columns])

    def _correlations(self, sums: Sums) -> tuple[np.ndarray, np.ndarray]:
        """Correlations of the pairs i < j, 0 where a neuron is constant, and which are not."""
        covariance = self._covariance(sums)
        variance = covariance[..., self.diagonal]
        varies = variance > CONSTANT * self.variance
        scale = np.where(varies, 1.0 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
        upper = ~self.diagonal
        first, second = self.rows[upper], self.columns[upper]
        scales = scale[..., first] * scale[..., second]
        return np.clip(covariance[..., upper] * scales, -1.0, 1.0), scales > 0

    def _agreement(self, real: Sums, other: Sums) -> tuple[np.ndarray, np.ndarray]:
        """Correlation and root mean square difference over pairs of neurons that vary in real."""
        a, known = self._correlations(real)
        b, _ = self._correlations(other)
        rmse = np.sqrt(mean_over_known((a - b) ** 2, known))
        a = np.where(known, a - mean_over_known(a, known)[..., None], 0.0)
        b = np.where(known, b - mean_over_known(b, known)[..., None], 0.0)
        norm = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
        # A matrix without a pattern agrees with none; a real one has nothing to agree with.
        defined = (np.abs(a).max(axis=-1) > _ROUNDING) & (known.sum(axis=-1) > 1)
        flat = np.abs(b).max(axis=-1) <= _ROUNDING
        r = (a * b).sum(axis=-1) / np.where(defined & ~flat, norm, np.inf)
        return np.where(defined, r, np.nan), rmse


class CorrelationMatrix(_PairMatrix):
    """Agreement of the correlation matrices of traces, and of their numbers of dimensions."""

    infos = (
        StatisticInfo(
            "correlation_matrix_r",
            "correlation matrix r",
            "population",
            "Pearson correlation, over all pairs of neurons, between the entries of the real and "
            "the other correlation matrix of the traces.",
            needs="three neurons that vary",
            better="higher",
            trained_by=("correlation_matrix", "covariance"),
        ),
        StatisticInfo(
            "correlation_matrix_rmse",
            "correlation matrix RMSE",
            "population",
            "Root mean square difference of the same entries.",
            needs="two neurons that vary",
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
        self._set_pairs(context.windows.paired)
        self.frames = context.window

    def sums(self, windows: Windows) -> np.ndarray:
        return self._products(windows.paired)

    def _dimensions(self, sums: Sums) -> np.ndarray:
        """Participation ratio, every neuron in its real deviation; NaN where nothing varies."""
        covariance = self._covariance(sums)
        trace = covariance[..., self.diagonal].sum(axis=-1)
        # An entry off the diagonal stands for the one on its other side, too.
        squares = (np.where(self.diagonal, 1.0, 2.0) * covariance**2).sum(axis=-1)
        varies = squares > CONSTANT**2
        ratio = np.clip(trace**2 / np.where(varies, squares, 1.0), 1.0, self.n_neurons)
        return np.where(varies, ratio, np.nan)

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        r, rmse = self._agreement(real, other)
        ratio = self._dimensions(other) / self._dimensions(real)
        return r, rmse, np.abs(10.0 * np.log10(ratio))


class SpikeCorrelationMatrix(_PairMatrix):
    """Agreement of the correlation matrices of spikes in half-second bins."""

    of_spikes = True
    infos = (
        StatisticInfo(
            "spike_correlation_matrix_r",
            "spike correlation matrix r",
            "population",
            "The agreement of the correlation matrices of the spikes in bins of about 0.5 s, in "
            "the same way.",
            needs="three neurons with real spikes",
            better="higher",
            trained_by=("spike_correlation_matrix",),
        ),
        StatisticInfo(
            "spike_correlation_matrix_rmse",
            "spike correlation matrix RMSE",
            "population",
            "Root mean square difference of the same entries.",
            needs="two neurons with real spikes",
            trained_by=("spike_correlation_matrix",),
        ),
    )

    @classmethod
    def exists(cls, context: Context) -> bool:
        bin_frames = bin_frames_for(context.frame_rate)
        return super().exists(context) and context.window >= 2 * bin_frames

    def __init__(self, context: Context) -> None:
        self.bin_frames = bin_frames_for(context.frame_rate)
        self.frames = context.window // self.bin_frames
        self._set_pairs(self._bin(context.windows.paired_spikes))

    def _bin(self, spikes: np.ndarray) -> np.ndarray:
        """Sum spikes in bins, shape (m, bins, N)."""
        used = spikes[:, : self.frames * self.bin_frames]
        shape = (len(spikes), self.frames, self.bin_frames, spikes.shape[2])
        return used.reshape(shape).sum(axis=2, dtype=np.float32)

    def sums(self, windows: Windows) -> np.ndarray:
        return self._products(self._bin(windows.paired_spikes))

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        return self._agreement(real, other)


class LaggedCorrelations(Measure):
    """Difference of the correlations of every neuron with every neuron one second later."""

    infos = (
        StatisticInfo(
            "lagged_correlation_rmse",
            "lagged correlation RMSE (1 s)",
            "population",
            "Root mean square difference of the correlations of each neuron with each neuron one "
            "second later.",
            needs="two neurons that vary",
            trained_by=("lagged_correlation", "lagged_correlation_matrix", "lagged_covariance"),
        ),
    )

    @classmethod
    def exists(cls, context: Context) -> bool:
        return context.n_neurons > 1

    def __init__(self, context: Context) -> None:
        self.window = context.window
        self.lag = min(max(1, round(context.frame_rate)), context.window - 1)
        self.n_neurons = context.windows.paired.shape[2]

    def sums(self, windows: Windows) -> np.ndarray:
        values, n_early = windows.paired, self.window - self.lag
        early = np.ascontiguousarray(values[:, :n_early]).reshape(-1, self.n_neurons)
        late = np.ascontiguousarray(values[:, self.lag :]).reshape(-1, self.n_neurons)
        of_frames = values.sum(axis=0, dtype=np.float64)
        sums = [
            of_frames.sum(axis=0),
            np.einsum("mtn,mtn->n", values, values),
            of_frames[:n_early].sum(axis=0),
            of_frames[self.lag :].sum(axis=0),
        ]
        return np.concatenate([*sums, (early.T @ late).ravel()])

    def _correlations(self, sums: Sums) -> tuple[np.ndarray, np.ndarray]:
        """Correlations (..., N, N), 0 where a neuron is constant, and the neurons that are not."""
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
        varies = variance > CONSTANT
        scale = np.where(varies, 1.0 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
        return covariance * scale[..., :, None] * scale[..., None, :], varies

    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        first, varies = self._correlations(real)
        second, _ = self._correlations(other)
        # A neuron with itself is the autocorrelation's business.
        pairs = ~np.eye(self.n_neurons, dtype=bool)
        known = (varies[..., :, None] & varies[..., None, :])[..., pairs]
        return (np.sqrt(mean_over_known((first - second)[..., pairs] ** 2, known)),)
