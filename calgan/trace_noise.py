"""What neurons have in common of what events leave unexplained, and how long it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from calgan.shrinkage import chance_errors, principal_factors, shrink_pairs

N_SHARED = 4
"""Noises that neurons share."""
MOST_NOISE = 4.0
"""Standard deviations beyond which there are artefacts, and events that were missed."""

_PIECE, _PIECES_A_BLOCK, _MOST_BLOCKS = 32, 4, 16  # frames, pieces
_ROUNDS = 5  # of the search for communalities
_LAGS = (0, 1, 2, 3, 4, 6, 8, 12, 16)  # frames
_TIMES = np.geomspace(0.2, 50.0, 100)  # frames
_LEAST = 1e-9  # of noise, beside the values
_MOST_SHARED = 0.6  # of the variance
_USUAL_TIME = 5.0  # frames, of what is not there


class TraceNoise(NamedTuple):
    """Noise of traces that neurons share.

    Attributes
    ----------
    loadings : ndarray of shape (N, J)
        Of each neuron on J = 4 noises, in standard deviations of its noise.
    time : ndarray of shape (J,)
        Time constants of these (frames).
    """

    loadings: NDArray[np.float64]
    time: NDArray[np.float64]


def fit_trace_noise(left: Sequence[NDArray[np.float64]]) -> TraceNoise:
    """Fit what neurons share of what events leave unexplained.

    Neuropil [1]_, movement and events too small to be told from noise are seen by many neurons at
    once, and for frames. Covariances of different neurons are shrunk by how large they are by
    chance (:func:`~calgan.shrinkage.shrink_pairs`) and factorised: four factors, that have 60 % of
    a neuron's noise at most. Each is taken for an autoregressive process of first order, with the
    time constant that explains covariances of different neurons at 0 to 16 frames best. Where
    events are inferred, what lasts longest is taken for calcium, so that time constants are rather
    too short.

    Parameters
    ----------
    left : sequence of ndarray of shape (t, N)
        Uninterrupted stretches of traces, less what events explain. Values beyond four standard
        deviations (of the middle half) count as four.

    Returns
    -------
    TraceNoise

    References
    ----------
    .. [1] Keemink, S. W., et al. (2018). FISSA: a neuropil decontamination toolbox for calcium
       imaging signals. Scientific Reports, 8, 3493. https://doi.org/10.1038/s41598-018-21640-2

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.trace_noise import fit_trace_noise
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.standard_normal((5000, 10)) + 0.5 * rng.standard_normal((5000, 1))
    >>> found = fit_trace_noise([noise])
    >>> float(np.square(found.loadings).sum(axis=1).mean().round(1))
    0.2
    """
    whole = np.concatenate(left)
    mean, spread = whole.mean(axis=0), whole.std(axis=0)
    # Of the middle half: a single artefact is no noise.
    spread = np.minimum(spread, stats.iqr(whole, axis=0, scale="normal"))
    units = np.where(spread > _LEAST * np.abs(whole).max(axis=0), spread, np.inf)
    parts = [np.clip((part - mean) / units, -MOST_NOISE, MOST_NOISE) for part in left]
    return TraceNoise(*_shared(parts))


def autocovariance(parts: Sequence[NDArray[np.floating]], lag: int) -> NDArray[np.float64]:
    """Return the autocovariance (N,) of stretches (t, N) of mean 0, at a lag in frames.

    Parameters
    ----------
    parts : sequence of ndarray of shape (t, N)
        At least one is longer than the lag.
    lag : int
        In frames.

    Returns
    -------
    ndarray of shape (N,)

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.trace_noise import autocovariance
    >>> autocovariance([np.array([[1.0], [-1.0], [1.0], [-1.0]])], 1)
    array([-1.])
    """
    parts = [part for part in parts if len(part) > lag]
    total = sum((part[lag:] * part[: len(part) - lag]).sum(axis=0) for part in parts)
    return np.asarray(total / sum(len(part) - lag for part in parts))


def _shared(
    parts: Sequence[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return loadings (N, J) and time constants (J,) of what neurons share."""
    n_neurons = parts[0].shape[1]
    none = np.zeros((n_neurons, N_SHARED)), np.full(N_SHARED, _USUAL_TIME)
    length = min(_PIECE, max(map(len, parts)))
    pieces = [part[: len(part) // length * length].reshape(-1, length, n_neurons) for part in parts]
    windows = np.concatenate(pieces)
    n_blocks = int(np.clip(len(windows) // _PIECES_A_BLOCK, 2, _MOST_BLOCKS))
    if n_neurons < 2 or len(windows) < n_blocks:
        return none
    flat = windows.reshape(-1, n_neurons)
    spread = flat.std(axis=0)
    covariance = shrink_pairs(
        flat.T @ flat / len(flat), *chance_errors(windows, windows, n_blocks), spread
    )
    shared = np.zeros((n_neurons, N_SHARED))
    k = min(N_SHARED, n_neurons - 1)
    shared[:, :k] = principal_factors(covariance, k, n_rounds=_ROUNDS)
    total = np.square(shared).sum(axis=1, keepdims=True)
    shared *= np.sqrt(_MOST_SHARED / np.maximum(total, _MOST_SHARED))
    lags = [lag for lag in _LAGS if lag < max(map(len, parts))]
    along = [part @ shared for part in parts]
    own = np.square(shared)
    # Of different neurons: what a neuron shares with itself is more than that.
    memory = [autocovariance(along, lag) - autocovariance(parts, lag) @ own for lag in lags]
    # Which time constant explains each, whatever its size.
    decays = np.exp(-np.divide.outer(lags, _TIMES))
    decays /= np.sqrt(np.square(decays).sum(axis=0))
    times = _TIMES[np.argmax(np.array(memory).T @ decays, axis=1)]
    return shared, np.where(own.sum(axis=0) > 0, times, _USUAL_TIME)
