"""Firing rates, correlations and van Rossum distances of spikes, and their divergences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import lfilter

from calgan.data.validation import check_choice, check_frame_rate, check_integer
from calgan.metrics._arrays import as_window_pair, as_windows, batches, mean_of_defined
from calgan.metrics.divergence import smoothed_kl, thesis_kl


def bin_frames_for(frame_rate: float) -> int:
    """Number of frames in a bin of half a second, at least one.

    Parameters
    ----------
    frame_rate : float
        Frames per second (Hz).

    Returns
    -------
    int
        Frames in a bin.

    Raises
    ------
    TypeError, ValueError
        If `frame_rate` is not a positive number.

    Examples
    --------
    >>> from calgan.metrics import bin_frames_for
    >>> bin_frames_for(24.0), bin_frames_for(2.16), bin_frames_for(0.5)
    (12, 1, 1)
    """
    return max(1, round(0.5 * check_frame_rate(frame_rate)))


def firing_rate(spikes: ArrayLike, frame_rate: float) -> np.ndarray:
    """Mean firing rate of each neuron in each window.

    Parameters
    ----------
    spikes : array-like of shape (M, T, N)
        Spikes (0/1 or counts) of ``M`` windows, ``T`` frames, ``N`` neurons.
    frame_rate : float
        Frames per second (Hz).

    Returns
    -------
    rates : ndarray of shape (M, N)
        Spikes per second (Hz).

    Raises
    ------
    TypeError, ValueError
        If `spikes` are not windows (M, T, N) of finite numbers, or `frame_rate` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import firing_rate
    >>> spikes = np.zeros((1, 20, 2))
    >>> spikes[0, ::5, 1] = 1
    >>> firing_rate(spikes, frame_rate=10.0)
    array([[0., 2.]])
    """
    spikes = as_windows(spikes, "spikes")
    frame_rate = check_frame_rate(frame_rate)
    return spikes.sum(axis=1, dtype=np.float64) * (frame_rate / spikes.shape[1])


def pairwise_correlation(spikes: ArrayLike, *, bin_frames: int = 1) -> np.ndarray:
    """Pearson correlation of binned spikes for every pair of neurons, window by window.

    Parameters
    ----------
    spikes : array-like of shape (M, T, N)
        Spikes of ``M`` windows, ``T`` frames, ``N`` neurons.
    bin_frames : int, default=1
        Frames summed into a bin (see :func:`bin_frames_for`). Frames left over at the end of a
        window are dropped.

    Returns
    -------
    correlations : ndarray of shape (M, P)
        ``P = N (N - 1) / 2`` pairs in the order of ``np.triu_indices(N, 1)``. NaN where either
        train is constant (a silent neuron has no correlation).

    Raises
    ------
    ValueError
        If ``bin_frames`` exceeds the frames of a window.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import pairwise_correlation
    >>> spikes = np.zeros((1, 4, 3))
    >>> spikes[0, :2, 0] = spikes[0, :2, 1] = 1
    >>> pairwise_correlation(spikes)
    array([[ 1., nan, nan]])
    """
    spikes = as_windows(spikes, "spikes")
    bin_frames = check_integer(bin_frames, "bin_frames")
    n_windows, window, n_neurons = spikes.shape
    n_bins = window // bin_frames
    if n_bins == 0:
        raise ValueError(
            f"bin_frames={bin_frames} is longer than a window of {window} frames; "
            "use shorter bins or longer windows."
        )
    first, second = np.triu_indices(n_neurons, 1)
    result = np.empty((n_windows, len(first)))
    for rows in batches(spikes):
        binned = spikes[rows, : n_bins * bin_frames]
        binned = binned.reshape(-1, n_bins, bin_frames, n_neurons).sum(axis=2, dtype=np.float64)
        # Tested on the values themselves: a mean subtracted in floating point need not leave 0.
        varies = (binned != binned[:, :1]).any(axis=1)
        binned -= binned.mean(axis=1, keepdims=True)
        norm = np.sqrt(np.einsum("mtn,mtn->mn", binned, binned))
        binned /= np.where(varies, norm, np.nan)[:, np.newaxis]
        gram = (binned.transpose(0, 2, 1) @ binned).reshape(len(binned), -1)
        np.clip(gram.take(first * n_neurons + second, axis=1), -1.0, 1.0, out=result[rows])
    return result


def _decay_per_frame(frame_rate: float) -> float:
    """Factor by which an exponential with a time constant of 1 s decays in a frame."""
    return float(np.exp(-1.0 / check_frame_rate(frame_rate)))


def _half_filtered(spikes: np.ndarray, decay: float) -> np.ndarray:
    """Causal exponential sum of ``spikes`` along axis -2, each frame's own spike counted half.

    With ``G = n' (F - n / 2)`` the full two-sided kernel sum is ``G + G'``: every pair of frames
    is met once from either side, and coincident spikes half from each.
    """
    one, factors = np.ones(1, spikes.dtype), np.array([1.0, -decay], spikes.dtype)
    return lfilter(one, factors, spikes, axis=-2) - spikes.dtype.type(0.5) * spikes


def van_rossum_distance(spikes: ArrayLike, frame_rate: float) -> np.ndarray:
    r"""Van Rossum distance of every pair of neurons, window by window.

    With an exponential kernel the squared distance is

    .. math:: D_{ij}^2 = K_{ii} + K_{jj} - 2 K_{ij}, \qquad
              K_{ij} = \sum_{s \in i, t \in j} e^{-|s - t| / \tau}, \qquad \tau = 1 \text{ s}.

    On a frame grid a recursive filter gives these sums exactly, at a cost that is linear in time.
    A single spike is at distance 1 from an empty train (elephant's normalisation; divide by
    :math:`\sqrt 2` for that of [1]_).

    Parameters
    ----------
    spikes : array-like of shape (M, T, N)
        Spikes (0/1 or counts) of ``M`` windows, ``T`` frames, ``N`` neurons.
    frame_rate : float
        Frames per second (Hz).

    Returns
    -------
    distances : ndarray of shape (M, P)
        ``P = N (N - 1) / 2`` pairs in the order of ``np.triu_indices(N, 1)``.

    Raises
    ------
    TypeError, ValueError
        If `spikes` are not windows (M, T, N) of finite numbers, or `frame_rate` is not positive.

    References
    ----------
    .. [1] van Rossum, M. C. W. (2001). A novel spike distance. Neural Computation, 13(4),
       751-763. https://doi.org/10.1162/089976601300014321

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import van_rossum_distance
    >>> spikes = np.zeros((1, 10, 3))
    >>> spikes[0, 2, 0] = spikes[0, 2, 1] = 1
    >>> van_rossum_distance(spikes, frame_rate=10.0)
    array([[0., 1., 1.]])
    """
    return van_rossum_in(as_windows(spikes, "spikes"), frame_rate, np.float64)


def van_rossum_in(spikes: np.ndarray, frame_rate: float, precision: Any) -> np.ndarray:
    """Van Rossum distances (M, P) computed in single or in double precision."""
    decay, n_neurons = _decay_per_frame(frame_rate), spikes.shape[2]
    first, second = np.triu_indices(n_neurons, 1)
    result = np.empty((len(spikes), len(first)), dtype=precision)
    for rows in batches(spikes):
        trains = spikes[rows].astype(precision)
        half = trains.transpose(0, 2, 1) @ _half_filtered(trains, decay)
        flat = half.reshape(len(half), -1)
        own = np.diagonal(half, axis1=1, axis2=2)
        squared = own.take(first, axis=1)
        squared += own.take(second, axis=1)
        squared -= flat.take(first * n_neurons + second, axis=1)
        squared -= flat.take(second * n_neurons + first, axis=1)
        np.maximum(squared, 0.0, out=squared)  # rounding may leave -1e-13
        np.sqrt(2.0 * squared, out=result[rows])
    return result


def van_rossum_cross(real: ArrayLike, synthetic: ArrayLike, frame_rate: float) -> np.ndarray:
    """Van Rossum distance between every real and every synthetic window, neuron by neuron.

    Parameters
    ----------
    real : array-like of shape (M, T, N)
        Real spikes.
    synthetic : array-like of shape (K, T, N)
        Synthetic spikes, the same length and neurons.
    frame_rate : float
        Frames per second (Hz).

    Returns
    -------
    distances : ndarray of shape (N, M, K)
        Normalised as in :func:`van_rossum_distance`.

    Raises
    ------
    TypeError, ValueError
        If an array is not windows (M, T, N) of finite numbers, if their frames or neurons differ,
        or `frame_rate` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import van_rossum_cross
    >>> real = np.zeros((2, 10, 1))
    >>> real[1, 4] = 1
    >>> van_rossum_cross(real, real, frame_rate=10.0)
    array([[[0., 1.],
            [1., 0.]]])
    """
    real, synthetic = as_window_pair(real, synthetic, same_window=True)
    decay = _decay_per_frame(frame_rate)
    result = np.empty((real.shape[2], len(real), len(synthetic)))
    for neuron, distances in enumerate(result):
        rows = real[:, :, neuron].T.astype(np.float64)  # (T, M)
        columns = synthetic[:, :, neuron].T.astype(np.float64)
        half_rows, half_columns = _half_filtered(rows, decay), _half_filtered(columns, decay)
        own_rows = 2.0 * np.einsum("tm,tm->m", rows, half_rows)
        own_columns = 2.0 * np.einsum("tk,tk->k", columns, half_columns)
        cross = rows.T @ half_columns + half_rows.T @ columns
        squared = own_rows[:, np.newaxis] + own_columns - 2.0 * cross
        np.sqrt(np.maximum(squared, 0.0), out=distances)
    return result


def _check_request(
    real: ArrayLike, synthetic: ArrayLike, protocol: str
) -> tuple[np.ndarray, np.ndarray]:
    """Validate the inputs that the three divergences share."""
    check_choice(protocol, "protocol", ("blocked", "thesis"))
    return as_window_pair(real, synthetic, ("real_spikes", "synthetic_spikes"))


def _pair_divergence(
    statistic: Callable[[np.ndarray], np.ndarray],
    real: np.ndarray,
    synthetic: np.ndarray,
    protocol: str,
) -> float:
    """Divergence of a statistic (M, P) of pairs: pooled, or window by window as published."""
    real_values, synthetic_values = statistic(real), statistic(synthetic)
    if protocol == "blocked":
        return smoothed_kl(real_values, synthetic_values)
    if len(real) != len(synthetic):
        raise ValueError(
            f"protocol='thesis' compares window i with window i, but there are {len(real)} real "
            f"and {len(synthetic)} synthetic windows; pass as many of each."
        )
    pairs = zip(real_values, synthetic_values, strict=True)
    return mean_of_defined([thesis_kl(mine, theirs) for mine, theirs in pairs])


def firing_rate_kl(
    real_spikes: ArrayLike,
    synthetic_spikes: ArrayLike,
    frame_rate: float,
    *,
    protocol: str = "blocked",
) -> float:
    """Divergence of each neuron's firing rates over windows, averaged over neurons.

    Parameters
    ----------
    real_spikes : array-like of shape (M, T, N)
        Real spikes.
    synthetic_spikes : array-like of shape (K, T, N)
        Synthetic spikes of the same neurons.
    frame_rate : float
        Frames per second (Hz).
    protocol : {"blocked", "thesis"}, default="blocked"
        ``"blocked"`` is :func:`smoothed_kl` on bins from real data; ``"thesis"`` is
        :func:`thesis_kl`, as published.

    Returns
    -------
    float
        KL(real || synthetic) in nats, mean over neurons. Neurons that spike on neither side are
        left out. NaN if all of them are.

    Raises
    ------
    TypeError, ValueError
        If an array is not windows (M, T, N) of finite numbers, if their neurons differ, if
        `frame_rate` is not positive, or there is no such protocol.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import firing_rate_kl
    >>> rng = np.random.default_rng(0)
    >>> real = rng.random((200, 50, 3)) < 0.1
    >>> busy = rng.random((200, 50, 3)) < 0.2
    >>> firing_rate_kl(real, real, 10.0)
    0.0
    >>> firing_rate_kl(real, busy, 10.0) > 0.5
    True
    """
    real, synthetic = _check_request(real_spikes, synthetic_spikes, protocol)
    divergence = smoothed_kl if protocol == "blocked" else thesis_kl
    rates = zip(firing_rate(real, frame_rate).T, firing_rate(synthetic, frame_rate).T, strict=True)
    return mean_of_defined(
        [divergence(mine, theirs) for mine, theirs in rates if mine.any() or theirs.any()]
    )


def correlation_kl(
    real_spikes: ArrayLike,
    synthetic_spikes: ArrayLike,
    frame_rate: float,
    *,
    protocol: str = "blocked",
) -> float:
    """Divergence of the pairwise correlations of spikes in half-second bins.

    Parameters
    ----------
    real_spikes : array-like of shape (M, T, N)
        Real spikes.
    synthetic_spikes : array-like of shape (K, T, N)
        Synthetic spikes of the same neurons; ``K = M`` for the thesis protocol.
    frame_rate : float
        Frames per second (Hz).
    protocol : {"blocked", "thesis"}, default="blocked"
        ``"blocked"`` pools all windows and pairs into one :func:`smoothed_kl`; ``"thesis"``
        averages a :func:`thesis_kl` per window, as published.

    Returns
    -------
    float
        KL(real || synthetic) in nats. Pairs with a silent neuron have no correlation and are
        left out, so that a generator of mostly silent neurons is judged on the few others. Firing
        rates show what this hides. NaN if no pair is left on a side, and so of one neuron, or if a
        window does not hold two bins.

    Raises
    ------
    TypeError, ValueError
        If an array is not windows (M, T, N) of finite numbers, if their neurons (for the thesis
        protocol also their numbers) differ, if `frame_rate` is not positive, or there is no such
        protocol.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import correlation_kl
    >>> rng = np.random.default_rng(0)
    >>> together = np.repeat(rng.random((50, 80, 1)) < 0.2, 3, axis=2)
    >>> apart = rng.random((50, 80, 3)) < 0.2
    >>> correlation_kl(apart, together, 10.0) > correlation_kl(apart, apart, 10.0)
    True
    """
    real, synthetic = _check_request(real_spikes, synthetic_spikes, protocol)
    bin_frames = bin_frames_for(frame_rate)
    window = min(len(real[0]), len(synthetic[0]))
    if window < 2 * bin_frames:
        return float("nan")
    return _pair_divergence(
        lambda spikes: pairwise_correlation(spikes, bin_frames=bin_frames),
        real,
        synthetic,
        protocol,
    )


def van_rossum_kl(
    real_spikes: ArrayLike,
    synthetic_spikes: ArrayLike,
    frame_rate: float,
    *,
    protocol: str = "blocked",
) -> float:
    """Divergence of the pairwise van Rossum distances (time constant 1 s).

    Parameters
    ----------
    real_spikes : array-like of shape (M, T, N)
        Real spikes.
    synthetic_spikes : array-like of shape (K, T, N)
        Synthetic spikes of the same neurons; ``K = M`` for the thesis protocol.
    frame_rate : float
        Frames per second (Hz).
    protocol : {"blocked", "thesis"}, default="blocked"
        ``"blocked"`` pools all windows and pairs into one :func:`smoothed_kl`; ``"thesis"``
        averages a :func:`thesis_kl` per window, as published.

    Returns
    -------
    float
        KL(real || synthetic) in nats. NaN of one neuron, or if no neuron spikes on either side.

    Raises
    ------
    TypeError, ValueError
        If an array is not windows (M, T, N) of finite numbers, if their neurons (for the thesis
        protocol also their numbers) differ, if `frame_rate` is not positive, or there is no such
        protocol.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import van_rossum_kl
    >>> rng = np.random.default_rng(0)
    >>> real = rng.random((50, 40, 3)) < 0.1
    >>> van_rossum_kl(real, np.zeros_like(real), 10.0) > 1.0
    True
    """
    real, synthetic = _check_request(real_spikes, synthetic_spikes, protocol)
    if not (real.any() or synthetic.any()):
        return float("nan")
    return _pair_divergence(
        lambda spikes: van_rossum_distance(spikes, frame_rate),
        real,
        synthetic,
        protocol,
    )
