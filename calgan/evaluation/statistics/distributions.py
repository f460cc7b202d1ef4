"""Distribution functions on a grid, whose distances can be taken for sums of counts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# Quantiles of the real values on which distribution functions are compared, and the number of
# steps, each twice as long as the one before, by which their grid goes on beyond the real range.
_N_QUANTILES = 129
_N_BEYOND = 14


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


def bins_of(columns: np.ndarray, edges: Iterable[np.ndarray]) -> np.ndarray:
    """Return the bin of each value of each column (P, n) between the edges of that column."""
    pairs = zip(edges, columns, strict=True)
    return np.stack([np.searchsorted(inner, values, side="right") for inner, values in pairs])


def distribution_functions(counts: np.ndarray) -> np.ndarray:
    """Return the shares of values up to each edge for counts (..., E + 1) between the edges."""
    total = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return np.asarray(np.cumsum(counts, axis=-1)[..., :-1] / total)


def area_between(p: np.ndarray, q: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the area between distribution functions (..., E) known at the edges of a grid."""
    gap = np.abs(p - q)
    return np.asarray((0.5 * (gap[..., 1:] + gap[..., :-1]) * np.diff(grid, axis=-1)).sum(axis=-1))
