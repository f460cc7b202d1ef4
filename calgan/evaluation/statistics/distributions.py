"""Histograms, and distribution functions on a grid, whose distances can be taken for counts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.special import expit

# Quantiles of the real values on which distribution functions are compared, ever closer towards
# the tails, and steps, each twice as long as the one before, by which their grid goes on beyond.
_N_LEVELS = 45
_N_BEYOND = 12
# Equal cells, by which values find their bin, between the outer quantiles (at .016 and .984).
_N_CELLS = 2048
_N_OUTER = 9


def quantile_grid(values: np.ndarray, n_levels: int = _N_LEVELS) -> np.ndarray:
    """Return quantiles of each column of real values (n, P), and ever larger steps beyond them.

    On them distribution functions are compared; shape (P, E).
    """
    step = max(1, len(values) // 20_000)
    levels = np.concatenate([[0.0], expit(np.linspace(-6.5, 6.5, n_levels)), [1.0]])
    quantiles = np.quantile(values[::step], levels, axis=0).T
    span = np.maximum(quantiles[:, -1:] - quantiles[:, :1], 1e-6)
    beyond = 0.02 * span * 2.0 ** np.arange(_N_BEYOND)
    grid = [quantiles[:, :1] - beyond[:, ::-1], quantiles, quantiles[:, -1:] + beyond]
    return np.concatenate(grid, axis=1)


def bins_of(columns: np.ndarray, edges: Iterable[np.ndarray]) -> np.ndarray:
    """Return the bin of each value of each column (P, n) between the edges of that column."""
    pairs = zip(edges, columns, strict=True)
    return np.stack([np.searchsorted(inner, values, side="right") for inner, values in pairs])


class ColumnHistograms:
    """Histograms of the columns (n, P) of values on a quantile grid of each, by table.

    The grid's edges between the outer quantiles are moved to the nearest of equal cells, so that
    the cell of a value tells its bin.
    """

    def __init__(self, real_values: np.ndarray) -> None:
        grid = quantile_grid(real_values)
        first = _N_BEYOND + _N_OUTER
        inner = slice(first, grid.shape[1] - first)
        low, high = grid[:, first], grid[:, grid.shape[1] - first - 1]
        width = np.maximum((high - low) / _N_CELLS, 1e-9 * np.maximum(np.abs(low), 1e-3))
        cells = np.round((grid[:, inner] - low[:, None]) / width[:, None])
        grid[:, inner] = low[:, None] + width[:, None] * cells
        grid[:, inner.stop :] = np.maximum(grid[:, inner.stop :], grid[:, inner.stop - 1, None])
        self.grid = grid
        self.n_columns, self.n_bins = len(grid), grid.shape[1] + 1
        # Cell 0 holds what lies below the cells, the last one what lies above.
        self._low = (low - width).astype(np.float32)
        self._scale = (1.0 / width).astype(np.float32)
        steps = np.arange(_N_CELLS + 2) - 1
        table = first + np.stack([np.searchsorted(c, steps, side="right") for c in cells])
        offsets = self.n_bins * np.arange(self.n_columns)
        self._offsets = offsets.astype(np.int32)
        self._table = (table + offsets[:, None]).astype(np.int32).ravel()
        self._cells = ((_N_CELLS + 2) * np.arange(self.n_columns)).astype(np.int32)
        self._lower, self._upper = grid[:, :first], grid[:, inner.stop :]
        self._n_upper = inner.stop

    def counts(self, values: np.ndarray) -> np.ndarray:
        """Return the number of values (n, P) in each bin, shape (P, E + 1)."""
        position = values - self._low
        position *= self._scale
        np.clip(position, 0, _N_CELLS + 1, out=position)
        cells = position.astype(np.int32)
        # One comparison finds both ends: as an unsigned number, -1 is the largest.
        outside = np.flatnonzero((cells - 1).view(np.uint32) >= _N_CELLS)
        cells += self._cells
        bins = self._table.take(cells.ravel())
        column, value = outside % self.n_columns, values.ravel()[outside]
        below = (value[:, None] >= self._lower[column]).sum(axis=1)
        above = self._n_upper + (value[:, None] >= self._upper[column]).sum(axis=1)
        is_below = position.ravel()[outside] < 1
        bins[outside] = np.where(is_below, below, above) + self._offsets[column]
        counts = np.bincount(bins, minlength=self.n_columns * self.n_bins)
        return counts.reshape(self.n_columns, self.n_bins).astype(np.float32)


def equal_bin_counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Count values in the bins between equally spaced edges, of which the end bins are open."""
    if len(edges) < 3:
        bins = np.searchsorted(edges, values.ravel(), side="right")
        return np.bincount(bins, minlength=len(edges) + 1).astype(np.float64)
    width = (edges[-1] - edges[0]) / (len(edges) - 1)
    position = values * (1.0 / width)
    position += 1.0 - edges[0] / width
    np.clip(position, 0.0, len(edges), out=position)
    bins = np.bincount(position.astype(np.intp).ravel(), minlength=len(edges) + 1)
    return bins.astype(np.float64)


def distribution_functions(counts: np.ndarray) -> np.ndarray:
    """Return the shares of values up to each edge for counts (..., E + 1) between the edges."""
    total = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return np.asarray(np.cumsum(counts, axis=-1)[..., :-1] / total)


def area_between(p: np.ndarray, q: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the area between distribution functions (..., E) known at the edges of a grid."""
    gap = np.abs(p - q)
    return np.asarray((0.5 * (gap[..., 1:] + gap[..., :-1]) * np.diff(grid, axis=-1)).sum(axis=-1))
