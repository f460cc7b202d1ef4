"""Statistics of traces: spectra, autocorrelations, marginal distributions, shapes of events."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft
from scipy.stats import wasserstein_distance

from calgan.data.validation import check_frame_rate, check_integer
from calgan.metrics._arrays import as_window_pair, as_windows, batches
from calgan.metrics.population import pooled_moments


def autocorrelation(X: ArrayLike, max_lag: int) -> np.ndarray:
    """Autocorrelation of each neuron within windows, pooled over them.

    Parameters
    ----------
    X : array-like of shape (M, T, N)
        Windows of traces or spikes. The mean is taken over all windows and frames.
    max_lag : int
        Largest lag in frames, from 0 to ``T - 1``.

    Returns
    -------
    correlations : ndarray of shape (N, max_lag + 1)
        Lags 0 to ``max_lag``; each lag is averaged over the pairs of frames it has. 1 at lag 0.
        NaN at every lag of a constant neuron.

    Raises
    ------
    TypeError, ValueError
        If `X` is not windows (M, T, N) of finite numbers, or `max_lag` no number of frames
        within them.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import autocorrelation
    >>> alternating = np.tile([1.0, -1.0], 8).reshape(1, 16, 1)
    >>> autocorrelation(alternating, 2).round(6)
    array([[ 1., -1.,  1.]])
    """
    X = as_windows(X)
    max_lag = check_integer(max_lag, "max_lag", minimum=0)
    n_windows, window, n_neurons = X.shape
    if max_lag >= window:
        raise ValueError(
            f"max_lag={max_lag} frames does not fit windows of {window} frames; "
            "use a smaller lag or longer windows."
        )
    mean, deviation = pooled_moments(X)
    padded = fft.next_fast_len(window + max_lag, real=True)
    sums = np.zeros((max_lag + 1, n_neurons))
    for rows in batches(X):
        spectrum = fft.rfft(X[rows] - mean, n=padded, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
        sums += fft.irfft(power, n=padded, axis=0)[: max_lag + 1]
    pairs = n_windows * (window - np.arange(max_lag + 1))
    variance = np.where(deviation > 0, deviation, np.nan) ** 2
    result = (sums / pairs[:, np.newaxis] / variance).T
    result[deviation > 0, 0] = 1.0
    return result


def power_spectrum(X: ArrayLike, frame_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Power spectral density of each neuron, averaged over windows.

    The periodogram of each window after its mean is removed; the zero frequency, then empty, is
    left out.

    Parameters
    ----------
    X : array-like of shape (M, T, N)
        Windows of traces; at least 2 frames.
    frame_rate : float
        Frames per second (Hz).

    Returns
    -------
    frequencies : ndarray of shape (F,)
        ``F = T // 2`` frequencies in Hz, from ``frame_rate / T`` up to half the frame rate.
    power : ndarray of shape (N, F)
        One-sided density, in squared units of ``X`` per Hz.

    Raises
    ------
    TypeError, ValueError
        If `X` is not windows (M, T, N) of finite numbers and of 2 frames at least, or
        `frame_rate` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import power_spectrum
    >>> t = np.arange(40) / 10.0
    >>> frequencies, power = power_spectrum(np.sin(2 * np.pi * 2.0 * t).reshape(1, 40, 1), 10.0)
    >>> float(frequencies[power[0].argmax()])
    2.0
    """
    X = as_windows(X)
    frame_rate = check_frame_rate(frame_rate)
    n_windows, window, n_neurons = X.shape
    if window < 2:
        raise ValueError("X has windows of 1 frame; a spectrum needs at least 2.")
    total = np.zeros((window // 2 + 1, n_neurons))
    for rows in batches(X):
        windows = X[rows].astype(np.float64)
        windows -= windows.mean(axis=1, keepdims=True)
        spectrum = fft.rfft(windows, axis=1)
        total += (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
    power = 2.0 * total[1:] / (n_windows * window * frame_rate)
    if window % 2 == 0:
        power[-1] /= 2.0  # the Nyquist frequency has no mirror image to fold in
    return np.arange(1, window // 2 + 1) * (frame_rate / window), power.T


def log_spectrum_error(real: ArrayLike, synthetic: ArrayLike) -> float:
    """Root mean square difference of log power spectra, in decibels.

    Parameters
    ----------
    real : array-like of shape (M, T, N)
        Real windows of traces.
    synthetic : array-like of shape (K, T, N)
        Synthetic windows, the same length and neurons.

    Returns
    -------
    float
        RMS over neurons and frequencies of ``10 log10(synthetic / real)``. Power below a
        millionth of a neuron's mean real power (-60 dB) counts as that much, on both sides, so
        that a flat synthetic trace scores badly rather than infinitely. Neurons that are
        constant in ``real`` are left out. NaN if all of them are.

    Raises
    ------
    TypeError, ValueError
        If an array is not windows (M, T, N) of finite numbers, or their frames or neurons differ.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import log_spectrum_error
    >>> X = np.random.default_rng(0).normal(size=(10, 32, 2))
    >>> round(log_spectrum_error(X, 10 * X), 6)
    20.0
    """
    real, synthetic = as_window_pair(real, synthetic, same_window=True)
    _, real_power = power_spectrum(real, 1.0)
    _, synthetic_power = power_spectrum(synthetic, 1.0)
    # A neuron that moves by rounding only has no spectrum to compare with.
    varies = (real != real[:, :1]).any(axis=(0, 1))
    if not varies.any():
        return float("nan")
    real_power, synthetic_power = real_power[varies], synthetic_power[varies]
    least = 1e-6 * real_power.mean(axis=1, keepdims=True)
    ratio = np.maximum(synthetic_power, least) / np.maximum(real_power, least)
    return float(np.sqrt(np.mean((10.0 * np.log10(ratio)) ** 2)))


def wasserstein_marginals(real: ArrayLike, synthetic: ArrayLike) -> np.ndarray:
    """Wasserstein-1 distance of each neuron's values, in real standard deviations.

    Parameters
    ----------
    real : array-like of shape (M, T, N)
        Real windows of traces.
    synthetic : array-like of shape (K, T, N)
        Synthetic windows of the same neurons.

    Returns
    -------
    distances : ndarray of shape (N,)
        Dimensionless. NaN for a neuron that is constant in ``real``.

    Raises
    ------
    TypeError, ValueError
        If an array is not windows (M, T, N) of finite numbers, or their neurons differ.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import wasserstein_marginals
    >>> X = np.random.default_rng(0).normal(size=(10, 32, 2))
    >>> wasserstein_marginals(X, X + X.std(axis=(0, 1))).round(6)
    array([1., 1.])
    """
    return _scaled_wasserstein(*as_window_pair(real, synthetic))


def wasserstein_increments(real: ArrayLike, synthetic: ArrayLike) -> np.ndarray:
    """Wasserstein-1 distance of each neuron's frame-to-frame changes, in their real deviations.

    Sharp rises and slow decays show in the increments: noise is symmetric, events are not.

    Parameters
    ----------
    real : array-like of shape (M, T, N)
        Real windows of traces; at least 2 frames.
    synthetic : array-like of shape (K, T, N)
        Synthetic windows of the same neurons; at least 2 frames.

    Returns
    -------
    distances : ndarray of shape (N,)
        Dimensionless. NaN for a neuron whose increments are constant in ``real``.

    Raises
    ------
    TypeError, ValueError
        If an array is not windows (M, T, N) of finite numbers and of 2 frames at least, or their
        neurons differ.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import wasserstein_increments
    >>> sawtooth = np.tile([3.0, 2.0, 1.0, 0.0], 8).reshape(1, 32, 1)
    >>> bool(wasserstein_increments(sawtooth, sawtooth[:, ::-1])[0] > 0.5)
    True
    """
    real, synthetic = as_window_pair(real, synthetic)
    if real.shape[1] < 2 or synthetic.shape[1] < 2:
        raise ValueError("increments need windows of at least 2 frames, got windows of 1.")
    real, synthetic = real.astype(np.float64, copy=False), synthetic.astype(np.float64, copy=False)
    return _scaled_wasserstein(np.diff(real, axis=1), np.diff(synthetic, axis=1))


def _scaled_wasserstein(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """Wasserstein-1 distance of each neuron's values in real deviations (N,)."""
    _, deviation = pooled_moments(real)
    result = np.full(real.shape[2], np.nan)
    for neuron in np.flatnonzero(deviation > 0):
        a, b = real[:, :, neuron].ravel(), synthetic[:, :, neuron].ravel()
        if a.size == b.size:
            # Samples of one size are matched in order of rank: no need for the general method.
            distance = np.abs(np.sort(a).astype(np.float64) - np.sort(b)).mean()
        else:
            distance = wasserstein_distance(a, b)
        result[neuron] = distance / deviation[neuron]
    return result
