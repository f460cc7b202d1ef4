"""Activities of cells whose footprints are known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SPARSITY = 1.5  # standard deviations of a cell's noise that its activity must exceed
_NEAR = 1e-3  # relative overlap that is none
N_LAGS = 3  # frames over which activity lasts


def solve_activities(
    projections: NDArray[np.float64], overlaps: NDArray[np.float64], *, sparse: bool, n_sweeps: int
) -> NDArray[np.float64]:
    """Return non-negative activities (T, K) that reconstruct a movie, by coordinate descent.

    `projections` (T, K) are products of footprints and frames, `overlaps` (K, K) those of
    footprints with one another. `sparse` adds a penalty on activity, in units of its noise.
    """
    own = np.diag(overlaps)
    ridge = overlaps + 1e-2 * own.mean() * np.eye(len(own))
    activities = np.maximum(0, np.linalg.solve(ridge, projections.T)).T
    penalty = _SPARSITY * noise_of(projections) if sparse else np.zeros(len(own))
    relative = np.abs(overlaps) / np.sqrt(np.outer(own, own))
    near = [np.flatnonzero(row > _NEAR) for row in relative]
    for _ in range(n_sweeps):
        for k, others in enumerate(near):
            rest = projections[:, k] - activities[:, others] @ overlaps[others, k] - penalty[k]
            activities[:, k] = np.maximum(0, activities[:, k] + rest / own[k])
    return activities


def noise_of(traces: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the noise (K,) of traces (T, K), from the differences of successive frames."""
    steps = np.abs(np.diff(traces, axis=0))
    return np.asarray(1.4826 * np.median(steps, axis=0) / np.sqrt(2))


def smooth_power(traces: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean autocovariance (K,) over 1 to N_LAGS frames, in which noise has no part."""
    centred = traces - traces.mean(axis=0)
    power = np.zeros(centred.shape[1])
    for lag in range(1, N_LAGS + 1):
        power += np.einsum("tk,tk->k", centred[lag:], centred[:-lag]) / (len(centred) - lag)
    return power / N_LAGS
