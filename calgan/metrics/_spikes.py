"""Firing rate, pairwise correlation and van Rossum distance of spikes on a frame grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import lfilter

from calgan.data.validation import check_frame_rate, check_integer
from calgan.metrics._arrays import as_window_pair, as_windows, batches


def bin_frames_for(frame_rate: float, seconds: float = 0.5) -> int:
    """Number of frames in a time bin, at least one.

    Parameters
    ----------
    frame_rate : float
        Frames per second (Hz).
    seconds : float, default=0.5
        Length of the bin in seconds; half a second is the published choice.

    Returns
    -------
    int
        Frames in a bin.

    Examples
    --------
    >>> from calgan.metrics import bin_frames_for
    >>> bin_frames_for(24.0), bin_frames_for(2.16), bin_frames_for(0.5)
    (12, 1, 1)
    """
    check_frame_rate(frame_rate)
    if not np.isfinite(seconds) or seconds <= 0:
        raise ValueError(f"seconds must be a positive number, got {seconds!r}.")
    return max(1, round(seconds * frame_rate))


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
        If ``bin_frames`` exceeds the width of a window.

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
    n_windows, width, n_neurons = spikes.shape
    n_bins = width // bin_frames
    if n_bins == 0:
        raise ValueError(
            f"bin_frames={bin_frames} is longer than a window of {width} frames; "
            "use shorter bins or wider windows."
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
        binned /= np.where(varies, norm, 1.0)[:, np.newaxis]
        gram = binned.transpose(0, 2, 1) @ binned
        correlations = np.clip(gram[:, first, second], -1.0, 1.0)
        correlations[~(varies[:, first] & varies[:, second])] = np.nan
        result[rows] = correlations
    return result


def _decay_per_frame(frame_rate: float, tau: float) -> float:
    frame_rate = check_frame_rate(frame_rate)
    if not np.isfinite(tau) or tau <= 0:
        raise ValueError(f"tau must be a positive number of seconds, got {tau!r}.")
    return float(np.exp(-1.0 / (frame_rate * tau)))


def _half_filtered(spikes: np.ndarray, decay: float) -> np.ndarray:
    """Causal exponential sum of ``spikes`` along axis -2, each frame's own spike counted half.

    With ``G = n' (F - n / 2)`` the full two-sided kernel sum is ``G + G'``: every pair of frames
    is met once from either side, and coincident spikes half from each.
    """
    return lfilter([1.0], [1.0, -decay], spikes, axis=-2) - 0.5 * spikes


def van_rossum_distance(spikes: ArrayLike, frame_rate: float, *, tau: float = 1.0) -> np.ndarray:
    r"""Van Rossum distance of every pair of neurons, window by window.

    With an exponential kernel the squared distance is

    .. math:: D_{ij}^2 = K_{ii} + K_{jj} - 2 K_{ij}, \qquad
              K_{ij} = \sum_{s \in i, t \in j} e^{-|s - t| / \tau}.

    On a frame grid a recursive filter gives these sums exactly, at a cost that is linear in time.
    A lone spike is at distance 1 from an empty train (elephant's normalisation; divide by
    :math:`\sqrt 2` for that of [1]_).

    Parameters
    ----------
    spikes : array-like of shape (M, T, N)
        Spikes (0/1 or counts) of ``M`` windows, ``T`` frames, ``N`` neurons.
    frame_rate : float
        Frames per second (Hz).
    tau : float, default=1.0
        Time constant of the kernel in seconds.

    Returns
    -------
    distances : ndarray of shape (M, P)
        ``P = N (N - 1) / 2`` pairs in the order of ``np.triu_indices(N, 1)``.

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
    spikes = as_windows(spikes, "spikes")
    decay = _decay_per_frame(frame_rate, tau)
    first, second = np.triu_indices(spikes.shape[2], 1)
    result = np.empty((len(spikes), len(first)))
    for rows in batches(spikes):
        trains = spikes[rows].astype(np.float64)
        half = trains.transpose(0, 2, 1) @ _half_filtered(trains, decay)
        kernel = half + half.transpose(0, 2, 1)
        own = np.diagonal(kernel, axis1=1, axis2=2)
        squared = own[:, first] + own[:, second] - 2.0 * kernel[:, first, second]
        result[rows] = np.sqrt(np.maximum(squared, 0.0))  # rounding may leave -1e-13
    return result


def van_rossum_cross(
    real: ArrayLike, synthetic: ArrayLike, frame_rate: float, *, tau: float = 1.0
) -> np.ndarray:
    """Van Rossum distance between every real and every synthetic window, neuron by neuron.

    Parameters
    ----------
    real : array-like of shape (M, T, N)
        Real spikes.
    synthetic : array-like of shape (K, T, N)
        Synthetic spikes, the same width and neurons.
    frame_rate : float
        Frames per second (Hz).
    tau : float, default=1.0
        Time constant of the kernel in seconds.

    Returns
    -------
    distances : ndarray of shape (N, M, K)
        Normalised as in :func:`van_rossum_distance`.

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
    real, synthetic = as_window_pair(real, synthetic, same_width=True)
    decay = _decay_per_frame(frame_rate, tau)
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
