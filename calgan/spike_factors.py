"""Where a latent model of calcium traces starts: their spikes, and the factors that these share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, stats
from scipy.optimize import nnls

from calgan.calcium_fit import CalciumFit, fit_calcium, lone_events
from calgan.shrinkage import chance_errors, principal_factors, shrink_pairs, strongest_axes
from calgan.trace_noise import TraceNoise, autocovariance, fit_trace_noise

MOST_VARIANCE = 4.0
"""Most variance of a log rate that neurons share: beyond it bursts get fewer and larger."""
GROWTH = (0.03, 4.0)
"""Range of how amplitudes grow with the expected number of spikes."""
SPREADS = (0.03, 1.0)
"""Range of the relative standard deviation of the amplitudes of lone events."""

# Bins in which neurons are correlated: short beside calcium, long beside the jitter of inference.
_BIN_FRAMES = 8
_MOST_BLOCKS, _BINS_A_BLOCK = 16, 8  # that are taken to be independent
_LAGS = (0, 1, 2, 4, 8, 16, 32, 64)  # frames
_JITTERS = (0.0, 0.1, 0.2, 0.3)
_EARLY, _MOST_SIZE = 4, 3.0  # lags; of a factor, beside the usual one
_PULL, _LEAST_STRENGTH = 0.5, 0.02  # of weak factors, beside the strongest
_TINY = 1e-12
_MIN_SHARE = 0.005  # of a factor's variance, at each time scale
_LEAST_COVARIANCE, _MOST_COVARIANCE = -0.6, 20.0  # of rates relative to their means
# Rhythms stand out from frequencies that many cycles a window higher and lower.
_FEW_PIECES, _APART, _STANDS_OUT, _MOST_RHYTHM = 6, 2, 2.5, 1.0
# What neurons have of their own: seen where events of one neuron are no more mistaken for another.
_OWN_LAGS = (2, 3, 4, 6, 8)  # frames
_OWN_TIMES = (2.0, 30.0)  # frames
_N_OWN_TIMES = 100
_MOST_OWN = 1.5
_MOST_ALIKE = 0.95  # correlation of events
_FEW_ALONE, _DOUBT = 5, 10  # events
_GROWTH_ERROR = 0.08
_LEAST_PROBABILITY, _MOST_PROBABILITY = 3e-4, 0.5


@dataclass(frozen=True)
class SpikeFactors:
    """Calcium parameters of each neuron, and a log-Gaussian factor model of its spike rates.

    Attributes
    ----------
    calcium : CalciumFit
        Decay, rise, baseline and noise of each neuron.
    noise : TraceNoise
        What of the noise neurons share.
    probabilities : ndarray of shape (N,)
        Share of frames with an event.
    rates : ndarray of shape (N,)
        Mean number of spikes a frame, those included that coincide in one.
    amplitudes : ndarray of shape (N,)
        Amplitude of one spike.
    growth : ndarray of shape (N,)
        How amplitudes grow where several spikes are expected in a frame: 0 not at all, 1 as their
        number does, if they are Poisson.
    spread : ndarray of shape (N,)
        Relative standard deviation of the amplitudes of lone spikes.
    loadings : ndarray of shape (N, K, S)
        Loadings of each neuron's log rate on K factors at S time scales.
    private : ndarray of shape (N,)
        Scale of private noise: 1, and less for neurons whose events coincide with another's.
    own_variance : ndarray of shape (N,)
        Variance of what else changes in each neuron's log rate.
    own_time : float
        Its time constant (frames), as of `smooth_autocorrelation`.
    period : float
        Frames of a cycle of the strongest rhythm that neurons share; infinite without one.
    rhythm : ndarray of shape (N, 2)
        Loadings of the log rates on it and on a quarter of a cycle before it.
    """

    calcium: CalciumFit
    noise: TraceNoise
    probabilities: NDArray[np.float64]
    rates: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    growth: NDArray[np.float64]
    spread: NDArray[np.float64]
    loadings: NDArray[np.float64]
    private: NDArray[np.float64]
    own_variance: NDArray[np.float64]
    own_time: float
    period: float
    rhythm: NDArray[np.float64]


def smooth_autocorrelation(lags: ArrayLike, time_constants: ArrayLike) -> NDArray[np.float64]:
    """Return the autocorrelations of white noise after two exponential filters in a row.

    In continuous time that is a Matérn process of order 3/2 [1]_: it has a slope, unlike an
    Ornstein-Uhlenbeck process, so that high rates come and go over frames.

    Parameters
    ----------
    lags : array-like of int
        In frames.
    time_constants : array-like of float
        In frames, twice those of the filters; broadcast against `lags`. After one that is long
        beside a frame 0.41 is left (0.37 of an exponential), of short ones less.

    Returns
    -------
    ndarray of float64
        Of the shape that `lags` and `time_constants` are broadcast to.

    References
    ----------
    .. [1] Rasmussen, C. E., and Williams, C. K. I. (2006). Gaussian Processes for Machine Learning,
       section 4.2. MIT Press. https://doi.org/10.7551/mitpress/3206.001.0001

    Examples
    --------
    >>> from calgan.spike_factors import smooth_autocorrelation
    >>> smooth_autocorrelation([0, 1, 10, 30], 10.0).round(2)
    array([1.  , 0.98, 0.4 , 0.02])
    """
    lags = np.abs(np.asarray(lags))
    decay = np.exp(-2.0 / np.asarray(time_constants, dtype=np.float64))
    square = decay**2
    return np.asarray((1 + lags * (1 - square) / (1 + square)) * decay**lags)


def fit_spike_factors(
    stretches: Sequence[NDArray[np.float32]],
    frame_rate: float,
    n_factors: int,
    time_scales: Sequence[float],
) -> SpikeFactors:
    """Infer spikes and factorise the covariances of their rates.

    Spikes are taken for a Poisson process whose log rates are Gaussian [1]_: covariances of counts
    relative to their means are then those of the log rates, exponentiated, less 1. Factors come
    from covariances of counts in bins of 8 frames, shrunk by how large they are by chance (see
    :func:`~calgan.shrinkage.shrink_pairs`), their time scales from covariances of different
    neurons across frames. What a neuron's own autocovariance has beyond that is its own.
    Amplitudes are those of events that stand alone; what others have more tells how often spikes
    coincide.

    Parameters
    ----------
    stretches : sequence of ndarray of shape (t, N)
        Uninterrupted stretches of traces.
    frame_rate : float
        Frames per second (Hz).
    n_factors : int
        Number of factors K. No more are used than covariances determine (5 neurons: 2; 10: 6), so
        that others may have no loadings.
    time_scales : sequence of float
        Time constants of `smooth_autocorrelation`, in frames.

    Returns
    -------
    SpikeFactors

    References
    ----------
    .. [1] Krumin, M., and Shoham, S. (2009). Generation of spike trains with controlled auto- and
       cross-correlation functions. Neural Computation, 21(6), 1642-1664.
       https://doi.org/10.1162/neco.2009.08-08-847

    Examples
    --------
    >>> from calgan.datasets import make_recording
    >>> from calgan.spike_factors import fit_spike_factors
    >>> recording, _ = make_recording(120.0, n_neurons=5, random_state=0)
    >>> fit_spike_factors([recording.traces], 10.0, 2, [1.0, 10.0]).loadings.shape
    (5, 2, 2)
    """
    calcium = fit_calcium(stretches, frame_rate)
    events = [part.astype(np.float64) for part in calcium.events]
    n_frames = sum(map(len, events))
    mean = sum(part.sum(axis=0) for part in events) / n_frames
    n_events = sum(np.count_nonzero(part, axis=0) for part in events)
    scales = np.asarray(time_scales, dtype=np.float64)
    # A neuron without events is the size of its noise, and never correlated.
    relative = [part / np.where(mean > 0, mean, 1.0) - (mean > 0) for part in events]
    period, rhythm = _rhythm(relative, round(max(time_scales)))
    # What the rhythm explains is no factor's.
    covariance = _log_covariance(relative, n_factors) - rhythm @ rhythm.T
    axes = _principal_axes(covariance, n_factors)
    shares = _time_shares(relative, axes, scales, period, rhythm)
    own_variance, own_time = _own_changes(relative, axes, shares, scales, period, rhythm)
    lone_error = calcium.noise * np.sqrt(1 - calcium.decay**2)
    lone, spread = _lone_amplitudes(events, lone_error)
    probabilities = np.clip(n_events / n_frames, _LEAST_PROBABILITY, _MOST_PROBABILITY)
    variance = np.square(axes) @ shares.sum(axis=1) + own_variance + np.square(rhythm).sum(axis=1)
    rates = _rates_of(probabilities, np.minimum(variance, MOST_VARIANCE))
    # How much more there is than one lone event in each frame that has any, and would be if
    # every spike added as much as the first; 1 as long as the data have nothing to say.
    if_lone = lone * np.maximum(n_events / n_frames, _LEAST_PROBABILITY)
    more = np.divide(mean, if_lone, out=np.ones_like(mean), where=if_lone > 0) - 1
    expected = rates / probabilities - 1
    doubt = _GROWTH_ERROR**2
    growth = np.clip((more * expected + doubt) / (expected**2 + doubt), *GROWTH)
    in_events = np.where(mean > 0, mean, lone_error * probabilities)
    return SpikeFactors(
        calcium,
        fit_trace_noise(calcium.left),
        probabilities,
        rates,
        in_events / (probabilities + growth * (rates - probabilities)),
        growth,
        spread,
        axes[:, :, np.newaxis] * np.sqrt(shares),
        _private_noise(events),
        own_variance,
        own_time,
        period,
        rhythm,
    )


def _binned(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    bins = []
    for part in parts:
        n = len(part) // _BIN_FRAMES * _BIN_FRAMES
        bins.append(part[:n].reshape(-1, _BIN_FRAMES, part.shape[1]).mean(axis=1))
    return np.concatenate(bins)


def _log_covariance(relative: Sequence[NDArray[np.float64]], n_factors: int) -> NDArray[np.float64]:
    """Covariances (N, N) of log rates in bins, of what `n_factors` factors share."""
    counts = _binned(relative)
    n_neurons = counts.shape[1]
    # More factors than covariances determine (Ledermann's bound) would explain whatever there is.
    most = int(n_neurons + 0.5 - np.sqrt(2 * n_neurons + 0.25))
    n_factors = min(n_factors, max(most, 1), n_neurons - 1, len(counts) - 1)
    if n_factors < 1:
        return np.zeros((n_neurons, n_neurons))
    counts -= counts.mean(axis=0)
    spread = counts.std(axis=0)
    each = counts[:, np.newaxis]
    n_blocks = int(np.clip(len(counts) // _BINS_A_BLOCK, 2, _MOST_BLOCKS))
    covariance = shrink_pairs(
        counts.T @ counts / len(counts), *chance_errors(each, each, n_blocks), spread
    )
    units = np.where(spread > 0, spread, 1.0)
    loadings = units[:, np.newaxis] * principal_factors(
        covariance / np.outer(units, units), n_factors
    )
    shared = np.clip(loadings @ loadings.T, _LEAST_COVARIANCE, _MOST_COVARIANCE)
    return np.asarray(np.log1p(shared))


def _principal_axes(covariance: NDArray[np.float64], n_factors: int) -> NDArray[np.float64]:
    """Return loadings (N, K) on principal axes; missing axes are 0."""
    loadings = np.zeros((len(covariance), n_factors))
    k = min(n_factors, len(covariance))
    loadings[:, :k] = strongest_axes(covariance, k)
    total = np.square(loadings).sum(axis=1, keepdims=True)
    return loadings * np.sqrt(MOST_VARIANCE / np.maximum(total, MOST_VARIANCE))


def _time_shares(
    relative: Sequence[NDArray[np.float64]],
    axes: NDArray[np.float64],
    time_scales: NDArray[np.float64],
    period: float,
    rhythm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the variance of each factor at each time scale, (K, S), of 1 in the mean of a bin."""
    lags = [lag for lag in _LAGS if lag < max(map(len, relative))]
    sums = np.zeros((len(lags), axes.shape[1]))
    counts = np.zeros((len(lags), 1))
    for part in relative:
        for i, lag in enumerate(lags[: np.searchsorted(lags, len(part))]):
            early, late = part[: len(part) - lag], part[lag:]
            # Of different neurons: what a neuron shares with itself is more than that.
            own = (early * late).sum(axis=0) @ np.square(axes)
            sums[i] += ((early @ axes) * (late @ axes)).sum(axis=0) - own
            counts[i] += len(early)
    # What the rhythm explains is no factor's.
    cycles = np.asarray(lags)[:, np.newaxis] / period
    of_rhythm = np.square(axes.T @ rhythm) - np.square(axes).T @ np.square(rhythm)
    covariances = sums / counts - np.cos(2 * np.pi * cycles) * of_rhythm.sum(axis=1)
    # Their logarithm is that of the log rates of a typical pair, as large as its loadings are.
    size = np.maximum(_sum_of_pairs(axes, 2), 1e-12)
    typical = np.maximum(_sum_of_pairs(axes, 3) / size, 1e-3)
    log_rates = np.log1p(np.maximum(typical * covariances / size, _LEAST_COVARIANCE)) / typical
    strength = np.square(axes).sum(axis=0)
    strength /= max(float(strength.max()), _TINY)
    usual = log_rates @ strength / max(float(strength.sum()), _TINY)
    sizes = log_rates[:_EARLY].mean(axis=0) / max(usual[:_EARLY].mean(), _TINY)
    sizes = np.clip(sizes, 0.0, _MOST_SIZE)
    # Weak factors are mostly error: what is seen of the others is seen of them as well.
    pulls = np.sqrt(_PULL * (1 - strength) / np.maximum(strength, _LEAST_STRENGTH))
    errors, fits = (
        np.zeros(len(_JITTERS)),
        np.zeros((len(_JITTERS), len(strength), len(time_scales))),
    )
    for i, jitter in enumerate(_JITTERS):  # of spikes: a share of pairs is a frame off, either way
        at = np.abs(np.asarray(lags)[:, np.newaxis] + np.array([-1, 0, 1]))
        decays = smooth_autocorrelation(at[:, :, np.newaxis], time_scales)
        blurred = np.einsum("lks,k->ls", decays, [jitter, 1 - 2 * jitter, jitter])
        common, _ = nnls(blurred, usual)
        for k, pull in enumerate(pulls):
            rows = np.vstack([blurred, pull * np.eye(len(common))])
            wanted = np.append(log_rates[:, k], pull * sizes[k] * common)
            fits[i, k], _ = nnls(rows, wanted)
            missed = blurred @ fits[i, k] - log_rates[:, k]
            errors[i] += strength[k] * np.square(missed).sum()
    # By how likely the jitters are, were errors Gaussian: most are as good as each other.
    n_seen = len(lags) * max(float(strength.sum()), 1.0)
    trusted = (max(errors.min(), _TINY) / np.maximum(errors, _TINY)) ** (0.5 * n_seen)
    shares = np.einsum("j,jks->ks", trusted / trusted.sum(), fits)
    shares += _MIN_SHARE * shares.sum(axis=1, keepdims=True) + 1e-9
    shares /= shares.sum(axis=1, keepdims=True)
    # Means over bins vary less than frames do.
    apart = np.abs(np.subtract.outer(np.arange(_BIN_FRAMES), np.arange(_BIN_FRAMES)))
    left = np.array([smooth_autocorrelation(apart, scale).mean() for scale in time_scales])
    return np.asarray(shares / (shares @ left)[:, np.newaxis])


def _sum_of_pairs(axes: NDArray[np.float64], power: int) -> NDArray[np.float64]:
    """Sum of powers of products of the loadings of different neurons, for each factor."""
    powers = np.abs(axes) ** power
    return np.asarray(np.square(powers.sum(axis=0)) - np.square(powers).sum(axis=0))


def _rhythm(
    relative: Sequence[NDArray[np.float64]], n_frames: int
) -> tuple[float, NDArray[np.float64]]:
    """Return period and loadings (N, 2) of the strongest rhythm, if it stands out."""
    n_neurons = relative[0].shape[1]
    none = np.inf, np.zeros((n_neurons, 2))
    pieces = [
        part[first : first + n_frames]
        for part in relative
        for first in range(0, len(part) - n_frames + 1, max(1, n_frames // 2))
    ]
    if len(pieces) < _FEW_PIECES or n_neurons < 2:
        return none
    taper = np.hanning(n_frames + 1)[:-1]
    taper /= np.sqrt(np.square(taper).sum())
    spread = np.sqrt(np.mean([np.square(piece).mean(axis=0) for piece in pieces], axis=0))
    weights = 1 / np.where(spread > 0, spread, np.inf)
    # Four times as many frequencies as are independent, to read the period from.
    common = [fft.rfft(taper * ((p - p.mean(axis=0)) @ weights), 4 * n_frames) for p in pieces]
    power = np.mean(np.abs(common) ** 2, axis=0)
    apart = 4 * _APART
    candidates = np.arange(4 + apart, len(power) // 2 - apart)
    if len(candidates) == 0:
        return none
    around = 0.5 * (power[candidates - apart] + power[candidates + apart])
    best = int(np.argmax(power[candidates] / np.maximum(around, 1e-12)))
    if power[candidates[best]] <= _STANDS_OUT * around[best]:
        return none
    at = int(candidates[best])

    frames = np.arange(n_frames)

    def cross(k: int) -> NDArray[np.complex128]:
        wave = taper * np.exp(-2j * np.pi * k * frames / (4 * n_frames))
        found = np.array([wave @ (piece - piece.mean(axis=0)) for piece in pieces])
        return np.asarray(found.T @ found.conj() / len(pieces))

    excess = cross(at) - 0.5 * (cross(at - apart) + cross(at + apart))
    strengths, patterns = np.linalg.eigh(excess)
    # A rhythm of variance v has v / 2 times the square of the taper's sum for its power.
    counted = taper.sum() ** 2
    pattern = patterns[:, -1] * np.sqrt(max(strengths[-1], 0.0) * 2 / counted)
    rhythm = np.column_stack([pattern.real, pattern.imag])
    total = np.square(rhythm).sum(axis=1, keepdims=True)
    return 4 * n_frames / at, rhythm * np.sqrt(_MOST_RHYTHM / np.maximum(total, _MOST_RHYTHM))


def _private_noise(events: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Scale of private noise (N,), by how far events coincide with those of the closest neuron."""
    some = (np.concatenate(events) > 0).astype(np.float64)
    n_events = some.sum(axis=0)
    fired = some - some.mean(axis=0)
    spread = np.sqrt(np.square(fired).mean(axis=0))
    fired /= np.where(spread > 0, spread, np.inf)
    # Few events coincide by chance.
    together = some.T @ some
    correlation = fired.T @ fired / len(fired) * together / (together + _DOUBT)
    np.fill_diagonal(correlation, 0.0)
    most = np.where(n_events > 0, correlation.max(axis=1), 0.0)
    return np.asarray(np.minimum(1.0, np.sqrt(2 * (1 - np.clip(most, 0.0, _MOST_ALIKE)))))


def _own_changes(
    relative: Sequence[NDArray[np.float64]],
    axes: NDArray[np.float64],
    shares: NDArray[np.float64],
    time_scales: NDArray[np.float64],
    period: float,
    rhythm: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Return the variance (N,) and the time constant of what factors do not explain."""
    lags = np.array([lag for lag in _OWN_LAGS if lag < max(map(len, relative))])
    if len(lags) < 2:
        return np.zeros(len(axes)), _OWN_TIMES[0]
    left = []
    for lag in lags:
        covariance = autocovariance(relative, lag)
        shared = np.square(axes) @ (shares * smooth_autocorrelation(lag, time_scales)).sum(axis=1)
        shared += np.square(rhythm).sum(axis=1) * np.cos(2 * np.pi * lag / period)
        left.append(np.log1p(np.maximum(covariance, _LEAST_COVARIANCE)) - shared)
    # The time constant is that of the median neuron.
    usual = np.maximum(np.median(left, axis=1), 1e-3)
    early, late = slice(None, len(lags) // 2), slice(-(len(lags) // 2), None)
    times = np.geomspace(*_OWN_TIMES, _N_OWN_TIMES)
    left_over = smooth_autocorrelation(lags, times[:, np.newaxis])
    # Less is left over of it late, the shorter it lasts.
    ratios = left_over[:, late].mean(axis=1) / left_over[:, early].mean(axis=1)
    time = float(np.interp(usual[late].mean() / usual[early].mean(), ratios, times))
    decay = smooth_autocorrelation(lags, time)
    size = np.clip(np.transpose(left), -1.0, 3.0) @ decay / (decay @ decay)
    # Half of it is that of the median neuron: single ones have few spikes.
    return np.clip(0.5 * max(np.median(size), 0.0) + 0.5 * size, 0.0, _MOST_OWN), time


def _lone_amplitudes(
    events: Sequence[NDArray[np.float64]], error: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median (N,) and relative spread (N,) of amplitudes of events that stand alone.

    Neurons with few of them take the usual relation to all of their events. Events near the ends of
    a stretch are never alone. `error` is how much of the spread is noise, in units of amplitudes.
    """
    n_neurons = len(error)
    mean, weight = np.zeros(n_neurons), np.zeros(n_neurons)
    alone = [lone_events(part) for part in events]
    ratio, variance = np.ones(n_neurons), np.full(n_neurons, SPREADS[0] ** 2)
    for neuron in range(n_neurons):
        lone, every = [], []
        for part, marked in zip(events, alone, strict=True):
            every.append(part[part[:, neuron] > 0, neuron])
            lone.append(part[marked[:, neuron], neuron])
        by_itself, all_events = np.concatenate(lone), np.concatenate(every)
        if len(all_events):
            mean[neuron] = all_events.mean()
        if len(by_itself) >= _FEW_ALONE:
            middle = np.median(by_itself)
            weight[neuron] = len(by_itself) / (len(by_itself) + _DOUBT)
            ratio[neuron] = min(middle / mean[neuron], 1.0)
            own = stats.iqr(by_itself, scale="normal") ** 2 - error[neuron] ** 2
            variance[neuron] = max(own, 0.0) / middle**2
    known = weight > 0
    if known.any():
        ratio = weight * ratio + (1 - weight) * np.median(ratio[known])
        variance = weight * variance + (1 - weight) * np.median(variance[known])
    return np.where(mean > 0, mean * ratio, error), np.clip(np.sqrt(variance), *SPREADS)


def _rates_of(
    probabilities: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean rates of Poisson spikes that give a frame any with these probabilities.

    `variance` is that of the Gaussian log rates.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    weights = weights / weights.sum()
    grid = np.geomspace(_LEAST_PROBABILITY / 2, 20.0, 400)
    found = np.empty(len(probabilities))
    for neuron, (probability, v) in enumerate(zip(probabilities, variance, strict=True)):
        relative = np.exp(np.sqrt(v) * nodes - 0.5 * v)
        fired = -np.expm1(-np.outer(grid, relative)) @ weights
        found[neuron] = np.interp(probability, fired, grid)
    return found
