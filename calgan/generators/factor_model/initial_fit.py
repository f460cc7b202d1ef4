"""The first fit: rates, amplitudes and factors from the moments of inferred events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from calgan.generators.factor_model.model import FactorModel, smooth_autocorrelation
from calgan.generators.factor_model.moments import (
    BIN_FRAMES,
    DENSE,
    Parts,
    binned,
    isolated,
    largest_eigenvectors,
    principal_factors,
    relative_events,
    shared_memory,
    standardised,
)
from calgan.spikes.calcium_decay import Calcium

Floats = NDArray[np.float64]

MOST_VARIANCE = 9.0  # of a log rate that neurons share: beyond it bursts get fewer and larger
_N_SCALES, _WHITE = 6, 0.15  # time scales; the first one is white
_LAGS = (0, 1, 2, 4, 8, 16, 32, 64)  # frames
_COVARIANCES = -0.6, 20.0  # of rates relative to their means
_JITTER = np.array([0.1, 0.8, 0.1])  # shares of spikes inferred a frame early, right, a frame late
_OWN_VARIANCE, _OWN_WINDOWS = 1e-3, 4.0  # of log rates, to begin with; time constant in windows
_PROBABILITIES = 3e-4, 0.5
GROWTH, _GROWTH_ERROR = (0.03, 4.0), 0.08
_FEW_EVENTS = 5
_N_NOISES, _MOST_SHARED_NOISE = 4, 0.6
_NOISE_LAGS = (0, 1, 2, 3, 4, 6, 8, 12, 16)  # frames
_NOISE_TIMES = np.geomspace(0.2, 50.0, 60)  # frames
_RATES = np.geomspace(1e-6, 1e4, 400)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(25)
_TINY = 1e-12


def initial_model(
    calcium: Calcium, n_factors: int, window: int, rng: np.random.Generator
) -> FactorModel:
    """Fit the model, with K factors up to a window long (frames), to inferred events."""
    events, n_neurons = calcium.events, len(calcium.decay)
    relative, mean = relative_events(events)
    times = np.append(_WHITE, np.geomspace(1.5, max(window, 3), _N_SCALES - 1))
    axes = _log_axes(relative, n_factors, rng)
    variances = _time_variances(relative, axes, times)
    total = np.maximum(variances.sum(axis=1), _TINY)
    loadings = limited(axes * np.sqrt(total), MOST_VARIANCE)
    amplitude, largest = _amplitudes(events, calcium)
    probability = sum(np.count_nonzero(part, axis=0) for part in events) / sum(map(len, events))
    probability = np.clip(probability, *_PROBABILITIES)
    rate = rates_of(probability, np.square(loadings).sum(axis=1) + _OWN_VARIANCE)
    # How much more calcium there is than that of one isolated event in each frame that has any.
    more, expected = mean / (amplitude * probability) - 1, rate / probability - 1
    growth = (more * expected + _GROWTH_ERROR**2) / (expected**2 + _GROWTH_ERROR**2)
    noise_loadings, noise_times = _shared_noise(calcium, rng)
    return FactorModel(
        times=times,
        shares=variances / total[:, np.newaxis],
        loadings=loadings,
        log_rate=np.log(rate),
        own_variance=np.full(n_neurons, _OWN_VARIANCE),
        own_time=np.array(_OWN_WINDOWS * window),
        log_amplitude=np.log(amplitude),
        growth=np.clip(growth, *GROWTH),
        largest=largest,
        decay=np.clip(calcium.decay, 0.05, 0.998),
        baseline=calcium.baseline,
        log_noise=np.log(np.maximum(calcium.noise, _TINY)),
        shared_noise=noise_loadings,
        noise_times=noise_times,
    )


def event_probabilities(log_rate: Floats, variance: Floats) -> Floats:
    """Share of frames with a spike (N,), of Poisson spikes with log-Gaussian rates."""
    return np.array([_fired(np.exp(r), v)[0] for r, v in zip(log_rate, variance, strict=True)])


def rates_of(probability: Floats, variance: Floats) -> Floats:
    """Mean rates (N,) that give frames a spike with these probabilities: the inverse of that."""
    pairs = zip(probability, variance, strict=True)
    return np.array([np.interp(p, _fired(_RATES, v), _RATES) for p, v in pairs])


def _fired(rate: NDArray, variance: float) -> Floats:
    relative = np.exp(np.sqrt(variance) * _NODES - 0.5 * variance)
    return np.asarray(-np.expm1(-np.outer(rate, relative)) @ (_WEIGHTS / _WEIGHTS.sum()))


def limited(loadings: Floats, most: float) -> Floats:
    """Loadings (N, K) that explain a variance of `most` at most."""
    total = np.square(loadings).sum(axis=1, keepdims=True)
    return np.asarray(loadings * np.sqrt(most / np.maximum(total, most)))


def _log_axes(relative: Parts, n_factors: int, rng: np.random.Generator) -> Floats:
    """Loadings (N, K) of log rates, from covariances of counts relative to their means.

    Of Poisson spikes with log-Gaussian rates these are the covariances of log rates, exponentiated,
    less 1 (Krumin and Shoham 2009, https://doi.org/10.1162/neco.2009.08-08-847).
    """
    z, spread = standardised(binned(relative))
    shared = spread[:, np.newaxis] * principal_factors(z, n_factors, rng)
    n, k = len(shared), min(n_factors, len(shared) - 1)
    axes = np.zeros(shared.shape)
    if k < 1 or not shared.any():
        return axes

    def times(v: Floats) -> Floats:  # a block of rows at a time: never N x N in memory
        rows = (shared[i : i + 500] @ shared.T for i in range(0, n, 500))
        return np.concatenate([np.log1p(np.clip(part, *_COVARIANCES)) @ v for part in rows])

    if n <= DENSE:
        values, vectors = np.linalg.eigh(times(np.eye(n)))
    else:
        values, vectors = largest_eigenvectors(times, n, k)
    axes[:, :k] = vectors[:, -k:] * np.sqrt(np.maximum(values[-k:], 0.0))
    return axes


def _time_variances(relative: Parts, axes: Floats, times: Floats) -> Floats:
    """Variance of each factor at each time scale (K, S), of 1 in the mean of a bin."""
    lags = [lag for lag in _LAGS if lag < max(map(len, relative))]

    def of_pairs(power: int) -> Floats:  # products of the loadings of different neurons
        powers = np.abs(axes) ** power
        return np.asarray(np.square(powers.sum(axis=0)) - np.square(powers).sum(axis=0))

    size = np.maximum(of_pairs(2), _TINY)
    typical = np.maximum(of_pairs(3) / size, 1e-3)
    covariances = shared_memory(relative, axes, lags) / size
    # The logarithm is that of the log rates of a typical pair.
    logs = np.log1p(np.maximum(typical * covariances, _COVARIANCES[0])) / typical
    strength = np.square(axes).sum(axis=0)
    strength = strength / max(float(strength.max()), _TINY)
    usual = logs @ strength / max(float(strength.sum()), _TINY)
    at = np.abs(np.asarray(lags)[:, np.newaxis] + np.array([-1, 0, 1]))
    decays = np.einsum("lks,k->ls", smooth_autocorrelation(at[..., np.newaxis], times), _JITTER)
    variances = np.empty((len(strength), len(times)))
    for k, weight in enumerate(strength):  # weak factors are mostly error
        variances[k], _ = nnls(decays, weight * logs[:, k] + (1 - weight) * usual)
    variances += 0.005 * variances.sum(axis=1, keepdims=True) + 1e-9
    # Means over bins vary less than frames do.
    frames = np.arange(BIN_FRAMES)
    apart = np.abs(np.subtract.outer(frames, frames))
    left = np.array([smooth_autocorrelation(apart, time).mean() for time in times])
    return np.asarray(variances / (variances @ left)[:, np.newaxis])


def _amplitudes(events: Parts, calcium: Calcium) -> tuple[Floats, Floats]:
    """Median amplitude of isolated events, and the largest of all events (N,).

    Neurons with few isolated events take the usual relation to the median of all of their events.
    """
    alone = [isolated(part) for part in events]
    error = np.maximum(calcium.noise * np.sqrt(1 - calcium.decay**2), _TINY)
    middle, largest, ratio = 3.5 * error, 7.0 * error, np.full(len(error), np.nan)
    for i in range(len(error)):
        every = np.sort(np.concatenate([part[part[:, i] > 0, i] for part in events]))
        single = np.concatenate([p[m[:, i], i] for p, m in zip(events, alone, strict=True)])
        if len(every):
            middle[i] = np.median(every)
            largest[i] = 1.2 * every[-min(3, len(every))]  # the two largest may be artefacts
        if len(single) >= _FEW_EVENTS:
            ratio[i] = min(np.median(single) / middle[i], 1.0)
    known = np.isfinite(ratio)
    ratio[~known] = np.median(ratio[known]) if known.any() else 1.0
    amplitude = middle * ratio
    return amplitude, np.maximum(largest, 2 * amplitude)


def _shared_noise(calcium: Calcium, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Loadings (N, J) and time constants (J,) of the noise that neurons share."""
    unit = np.where(calcium.noise > 0, calcium.noise, np.inf).astype(np.float32)
    parts = [np.clip(part / unit, -4.0, 4.0) for part in calcium.residuals]
    loadings = principal_factors(np.concatenate(parts).astype(np.float64), _N_NOISES, rng)
    loadings = limited(loadings, _MOST_SHARED_NOISE)
    lags = [lag for lag in _NOISE_LAGS if lag < max(map(len, parts))]
    decays = np.exp(-np.divide.outer(lags, _NOISE_TIMES))
    decays /= np.sqrt(np.square(decays).sum(axis=0))
    return loadings, _NOISE_TIMES[
        np.argmax(shared_memory(parts, loadings, lags).T @ decays, axis=1)
    ]
