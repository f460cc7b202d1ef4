"""A statistic of the report: its name, sums over windows that can be added up, a comparison.

A statistic is written as ``sums`` (numbers of some windows that may be added up) and ``compare``
(a function of two such sums). A bootstrap over blocks of a recording then only re-weights the
blocks' sums, and never looks at a trace again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from scipy import fft

from calgan.metrics import firing_rate
from calgan.metrics.events import SpikeTimes, spike_times

# A variance below this share of the real one is rounding: the neuron counts as constant.
CONSTANT = 1e-9
# Pairs of at most so many neurons, drawn at random, are compared: memory grows as their square.
MAX_PAIRED_NEURONS = 300


@dataclass(frozen=True)
class StatisticInfo:
    """Key, label and group of a row of the table, its definition, and how it is read.

    ``needs`` says without what it is undefined; ``trained_by`` names training objectives that push
    it directly. It is judged by its difference to the baseline where the baseline may be 0, and
    then lies within ``limits``.
    """

    name: str
    label: str
    group: str
    definition: str
    needs: str = "a neuron that varies"
    better: str = "lower"
    unit: str = ""
    trained_by: tuple[str, ...] = ()
    judged_by: str = "ratio"
    limits: tuple[float, float] = (0.0, np.inf)


class Windows:
    """Traces and spikes (m, T, N) of some windows, and what several statistics make of them."""

    def __init__(self, traces: np.ndarray, spikes: np.ndarray, context: Context) -> None:
        self.traces, self.spikes = traces, spikes
        self.scaled = (traces - context.mean) / context.deviation
        self._paired = context.paired

    @cached_property
    def power(self) -> np.ndarray:
        """Squared magnitudes of the scaled traces' Fourier transform, summed over windows."""
        spectrum = fft.rfft(self.scaled, axis=1)
        return np.asarray((spectrum.real**2 + spectrum.imag**2).sum(axis=0, dtype=np.float64))

    @cached_property
    def spike_times(self) -> SpikeTimes:
        """Neuron, window and frame of each spike."""
        return spike_times(self.spikes)

    @cached_property
    def paired(self) -> np.ndarray:
        """Scaled traces of the neurons whose pairs are used."""
        return self._of_pairs(self.scaled)

    @cached_property
    def paired_spikes(self) -> np.ndarray:
        """Spikes of the neurons whose pairs are used."""
        return self._of_pairs(self.spikes)

    def _of_pairs(self, values: np.ndarray) -> np.ndarray:
        if len(self._paired) == values.shape[2]:
            return values
        return np.ascontiguousarray(values[:, :, self._paired])


class Context:
    """Real windows, held-out and training, from which scales and bin edges are read.

    ``rates`` (r, N) in Hz may come from more windows than these; ``n_windows`` is the number of
    windows on either side of a comparison, ``paired`` the neurons whose pairs are used.
    """

    def __init__(
        self,
        traces: np.ndarray,
        spikes: np.ndarray,
        frame_rate: float,
        n_windows: int,
        rates: np.ndarray | None = None,
        paired: np.ndarray | None = None,
    ) -> None:
        _, self.window, self.n_neurons = traces.shape
        self.frame_rate, self.n_windows = frame_rate, n_windows
        self.rates = firing_rate(spikes, frame_rate) if rates is None else rates
        self.paired = np.arange(self.n_neurons) if paired is None else paired
        deviation = traces.std(axis=(0, 1), dtype=np.float64)
        self.mean = traces.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
        self.deviation = np.where(deviation > 0, deviation, 1.0).astype(np.float32)
        self.windows = self.read(traces, spikes)

    def read(self, traces: np.ndarray, spikes: np.ndarray) -> Windows:
        """Return windows on the scale of the real ones."""
        return Windows(traces, spikes, self)


class Sums(NamedTuple):
    """Numbers of windows (...) and sums over them (..., K); leading axes: replicates."""

    n: np.ndarray
    values: np.ndarray

    def mean(self) -> np.ndarray:
        """Return the mean over windows, (..., K)."""
        return np.asarray(self.values / np.maximum(self.n, 1)[..., None])

    def split(self, *shape: int) -> np.ndarray:
        """Return the sums as an array of this shape, (..., *shape)."""
        return self.values.reshape(*self.values.shape[:-1], *shape)


class Measure(ABC):
    """One or more statistics that share their sums, made for a context."""

    infos: ClassVar[tuple[StatisticInfo, ...]]
    #: Whether the statistics are undefined for a held-out recording without spikes.
    of_spikes: ClassVar[bool] = False

    @classmethod
    def exists(cls, context: Context) -> bool:
        """Whether such windows have the statistic."""
        return True

    @abstractmethod
    def __init__(self, context: Context) -> None:
        """Read edges from real windows."""

    @abstractmethod
    def sums(self, windows: Windows) -> np.ndarray:
        """Return the sums over windows, shape (K,)."""

    @abstractmethod
    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        """Return the statistics, one array (...) an info, NaN where undefined."""


def mean_over_known(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the mean of the known values along the last axis, NaN where none is known."""
    n_known = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(n_known > 0, total / np.maximum(n_known, 1), np.nan)
