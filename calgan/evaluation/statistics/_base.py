"""What a statistic of the report is: addable features of windows, and a function of two sums."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

# Quantiles of the real values on which distribution functions are compared, and the number of
# steps, each twice as long as the one before, by which their grid goes on beyond the real range.
_N_QUANTILES = 129
_N_BEYOND = 14


@dataclass(frozen=True)
class StatisticInfo:
    """What a statistic is called and how it is read.

    Attributes
    ----------
    name : str
        Key of the statistic.
    label : str
        Short name in the table.
    group : {"published", "population", "trace", "window"}
        Part of the table.
    better : {"lower", "higher"}
        Which way is closer to the real recording.
    unit : str
        Unit of the value; empty for a pure number.
    trained_by : tuple of str
        Names of training objectives that push this statistic directly.
    judged_by : {"ratio", "difference"}
        How the value is compared with the baseline: by a difference where the baseline may be 0.
    limits : tuple of float
        What a value judged by its difference lies between.
    """

    name: str
    label: str
    group: str
    better: str = "lower"
    unit: str = ""
    trained_by: tuple[str, ...] = ()
    judged_by: str = "ratio"
    limits: tuple[float, float] = (0.0, np.inf)


@dataclass(frozen=True)
class Context:
    """What every statistic is told of the real recording before it is computed.

    Attributes
    ----------
    traces, spikes : ndarray of shape (m, T, N)
        Real windows, held-out and training, from which bin edges and scales are read.
    frame_rate : float
        Frames per second (Hz).
    n_windows : int
        Windows that one comparison holds on either side.
    rates : ndarray of shape (r, N), default=None
        Firing rates (Hz) of real windows, of more than `spikes` holds where windows are long. None
        takes those of `spikes`.
    """

    traces: np.ndarray
    spikes: np.ndarray
    frame_rate: float
    n_windows: int
    rates: np.ndarray | None = None

    @property
    def window(self) -> int:
        """Frames a window."""
        return int(self.traces.shape[1])

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return int(self.traces.shape[2])


class Measure(ABC):
    """One or more statistics that share their sums.

    `features` maps m windows to m rows; `compare` maps sums of rows (leading axes are replicates)
    and the numbers of windows in them to one array a statistic, in the order of `infos`.
    """

    infos: ClassVar[tuple[StatisticInfo, ...]]

    @abstractmethod
    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        """Return one row of addable numbers a window, shape (m, K)."""

    @abstractmethod
    def compare(
        self, n_real: np.ndarray, real: np.ndarray, n_other: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Return the statistics of sums (..., K) over n (...) windows."""


def quantile_grid(values: np.ndarray) -> np.ndarray:
    """Return quantiles of each column of real values (n, P), and ever larger steps beyond them.

    On them distribution functions are compared; shape (P, E).
    """
    step = max(1, len(values) // 50_000)
    quantiles = np.quantile(values[::step], np.linspace(0, 1, _N_QUANTILES), axis=0).T
    span = np.maximum(quantiles[:, -1:] - quantiles[:, :1], 1e-6)
    beyond = 0.02 * span * 2.0 ** np.arange(_N_BEYOND)
    grid = [quantiles[:, :1] - beyond[:, ::-1], quantiles, quantiles[:, -1:] + beyond]
    return np.concatenate(grid, axis=1)


def distribution_functions(counts: np.ndarray) -> np.ndarray:
    """Return the shares of values up to each edge for counts (..., E + 1) between the edges."""
    total = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return np.asarray(np.cumsum(counts, axis=-1)[..., :-1] / total)


def area_between(p: np.ndarray, q: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the area between distribution functions (..., E) known at the edges of a grid."""
    gap = np.abs(p - q)
    return np.asarray((0.5 * (gap[..., 1:] + gap[..., :-1]) * np.diff(grid, axis=-1)).sum(axis=-1))
