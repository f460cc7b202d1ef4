"""Where a latent model of calcium traces starts: their spikes, and the factors that these share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from calgan.deconvolution import OasisDeconvolver
from calgan.dichotomized_gaussian import DichotomizedGaussian
from calgan.recording import Recording

# Bins in which neurons are correlated: short beside calcium, long beside the jitter of inference.
_BIN_FRAMES = 8
_LAGS = (0, 1, 2, 4, 8, 16, 32, 64)  # frames
_AXIS_STEPS = 30
_MAX_SHARED = 0.92  # share of a neuron's latent variance that factors may explain
_MIN_SHARE = 0.005  # of a factor's variance, at each time scale


@dataclass(frozen=True)
class SpikeFactors:
    """Calcium parameters of each neuron and a latent Gaussian factor model of its spikes.

    Attributes
    ----------
    deconvolver : OasisDeconvolver
        Fitted to the traces: decay, baseline, noise and threshold of each neuron.
    amplitudes : ndarray of shape (N,)
        Mean amplitude of a neuron's inferred spikes; 0 without spikes.
    probabilities : ndarray of shape (N,)
        Share of frames with a spike, within 0.0003 and 0.4.
    loadings : ndarray of shape (N, K, S)
        Loadings of each neuron's latent variable, of variance 1, on K factors at S time scales.
    """

    deconvolver: OasisDeconvolver
    amplitudes: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    loadings: NDArray[np.float64]


def fit_spike_factors(
    stretches: Sequence[NDArray[np.float32]],
    frame_rate: float,
    n_factors: int,
    time_scales: Sequence[float],
) -> SpikeFactors:
    """Infer spikes with OASIS and factorise their latent correlations.

    A frame holds a spike where a Gaussian variable exceeds a threshold, as in the dichotomized
    Gaussian [1]_. The correlations of these variables are those that give the spikes their
    covariances in bins of 8 frames; principal axes of them are the factors, and covariances across
    frames tell at which time scales each factor changes.

    Parameters
    ----------
    stretches : sequence of ndarray of shape (t, N)
        Uninterrupted stretches of traces.
    frame_rate : float
        Frames per second (Hz).
    n_factors : int
        Number of factors K.
    time_scales : sequence of float
        Time constants of exponential autocorrelations, in frames.

    Returns
    -------
    SpikeFactors

    References
    ----------
    .. [1] Macke, J. H., et al. (2009). Generating spike trains with specified correlation
       coefficients. Neural Computation, 21(2), 397-423.
       https://doi.org/10.1162/neco.2008.02-08-713

    Examples
    --------
    >>> from calgan.datasets import make_recording
    >>> from calgan.spike_factors import fit_spike_factors
    >>> recording, _ = make_recording(120.0, n_neurons=5, random_state=0)
    >>> fit_spike_factors([recording.traces], 10.0, 2, [1.0, 10.0]).loadings.shape
    (5, 2, 2)
    """
    with warnings.catch_warnings():
        # Constant neurons are the caller's to report, and this is only where training starts.
        warnings.simplefilter("ignore", UserWarning)
        recordings = [Recording(stretch, frame_rate) for stretch in stretches]
        deconvolver = OasisDeconvolver(output="amplitudes").fit(recordings)
        inferred = deconvolver.transform(recordings)
        deconvolver.set_params(output="events")
        spikes = [(part > 0).astype(np.float64) for part in inferred]
        n_frames = sum(map(len, spikes))
        n_spikes = np.sum([part.sum(axis=0) for part in spikes], axis=0)
        total = np.sum([part.sum(axis=0, dtype=np.float64) for part in inferred], axis=0)
        probabilities = np.clip(n_spikes / n_frames, 3e-4, 0.4)
        correlation = _latent_correlation(spikes, probabilities)
    axes = _principal_axes(correlation, n_factors)
    shares = _time_shares(spikes, axes, np.asarray(time_scales, dtype=np.float64))
    return SpikeFactors(
        deconvolver,
        total / np.maximum(n_spikes, 1),
        probabilities,
        axes[:, :, np.newaxis] * np.sqrt(shares),
    )


def _latent_correlation(
    spikes: Sequence[NDArray[np.float64]], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlations of the Gaussian variables behind spikes, from their covariance in bins."""
    n_neurons = len(probabilities)
    bins = []
    for part in spikes:
        n = len(part) // _BIN_FRAMES * _BIN_FRAMES
        bins.append(part[:n].reshape(-1, _BIN_FRAMES, n_neurons).sum(axis=1))
    counts = np.concatenate(bins)
    if n_neurons == 1 or len(counts) < 2:
        return np.eye(n_neurons)
    covariance = np.cov(counts, rowvar=False) / _BIN_FRAMES**2
    np.fill_diagonal(covariance, probabilities * (1 - probabilities))
    model = DichotomizedGaussian("binary").fit_moments(probabilities, covariance)
    return np.array(model.latent_correlation_)


def _principal_axes(correlation: NDArray[np.float64], n_factors: int) -> NDArray[np.float64]:
    """Return loadings (N, K) by principal-axis factoring; missing axes are 0."""
    n_neurons = len(correlation)
    loadings = np.zeros((n_neurons, n_factors))
    k = min(n_factors, n_neurons)
    if n_neurons == 1:
        return loadings
    others = correlation - np.diag(np.diag(correlation))
    shared = np.clip(np.abs(others).max(axis=1), 0.05, 0.95)
    for _ in range(_AXIS_STEPS):
        variances, directions = np.linalg.eigh(others + np.diag(shared))
        loadings[:, :k] = directions[:, -k:] * np.sqrt(np.maximum(variances[-k:], 0.0))
        shared = np.clip(np.square(loadings).sum(axis=1), 0.02, 0.9)
    total = np.square(loadings).sum(axis=1, keepdims=True)
    return loadings * np.sqrt(_MAX_SHARED / np.maximum(total, _MAX_SHARED))


def _time_shares(
    spikes: Sequence[NDArray[np.float64]],
    axes: NDArray[np.float64],
    time_scales: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return what part of each factor's variance changes at each time scale, (K, S)."""
    lags = [lag for lag in _LAGS if lag < max(map(len, spikes))]
    frames = np.concatenate(spikes)
    mean, spread = frames.mean(axis=0), np.maximum(frames.std(axis=0), 1e-3)
    sums = np.zeros((len(lags), axes.shape[1]))
    counts = np.zeros((len(lags), 1))
    for part in spikes:
        centred = (part - mean) / spread
        for i, lag in enumerate(lags[: np.searchsorted(lags, len(part))]):
            early, late = centred[: len(centred) - lag], centred[lag:]
            # Of different neurons: what a neuron shares with itself are refractory times, bursts.
            own = (early * late).sum(axis=0) @ np.square(axes)
            sums[i] += ((early @ axes) * (late @ axes)).sum(axis=0) - own
            counts[i] += len(early)
    covariances = sums / counts
    decays = np.exp(-np.asarray(lags)[:, np.newaxis] / time_scales)
    shares = np.array([nnls(decays, values)[0] for values in np.transpose(covariances)])
    shares += _MIN_SHARE * shares.sum(axis=1, keepdims=True) + 1e-9
    return shares / shares.sum(axis=1, keepdims=True)
