"""A statistic of the report: its name, numbers of windows that can be added up, a comparison.

A statistic is written as ``features`` (numbers of one window that may be added up) and ``compare``
(a function of two such sums). A bootstrap over blocks of a recording then only re-weights the
blocks' sums, and never looks at a trace again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

# A variance below this share of the real one is rounding: the neuron counts as constant.
CONSTANT = 1e-9


@dataclass(frozen=True)
class StatisticInfo:
    """Key, label and group of a row of the table, its definition, and how it is read.

    ``trained_by`` names training objectives that push the statistic directly; it is judged by its
    difference to the baseline where the baseline may be 0, and then lies within ``limits``.
    """

    name: str
    label: str
    group: str
    definition: str
    better: str = "lower"
    unit: str = ""
    trained_by: tuple[str, ...] = ()
    judged_by: str = "ratio"
    limits: tuple[float, float] = (0.0, np.inf)


@dataclass(frozen=True)
class Context:
    """Real windows (m, T, N), held-out and training, from which bin edges and scales are read.

    ``rates`` (r, N) in Hz may come from more windows than these; ``n_windows`` is the number of
    windows on either side of a comparison.
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


class Sums(NamedTuple):
    """Numbers of windows (...) and sums of their features (..., K); leading axes: replicates."""

    n: np.ndarray
    values: np.ndarray

    def mean(self) -> np.ndarray:
        """Return the mean of the features over windows, (..., K)."""
        return np.asarray(self.values / np.maximum(self.n, 1)[..., None])

    def split(self, *shape: int) -> np.ndarray:
        """Return the sums of features that are an array of this shape, (..., *shape)."""
        return self.values.reshape(*self.values.shape[:-1], *shape)


class Measure(ABC):
    """One or more statistics that share their sums, made for a context."""

    infos: ClassVar[tuple[StatisticInfo, ...]]

    @classmethod
    def exists(cls, context: Context) -> bool:
        """Whether such windows have the statistic."""
        return True

    @abstractmethod
    def __init__(self, context: Context) -> None:
        """Read edges and scales from real windows."""

    @abstractmethod
    def features(self, traces: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        """Return one row of addable numbers a window, shape (m, K)."""

    @abstractmethod
    def compare(self, real: Sums, other: Sums) -> tuple[np.ndarray, ...]:
        """Return the statistics, one array (...) an info."""
