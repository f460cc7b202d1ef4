"""Summary statistics of single windows, on which whole windows are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from calgan.data.validation import as_real_array, check_frame_rate, shown
from calgan.metrics._arrays import as_windows, batches

# A share of power below -60 dB counts as that much: its logarithm stays finite.
_LEAST_SHARE = 1e-6
_MAX_BANDS = 8
_MAX_LAGS = 6
# Of more neurons than these, pairs of evenly chosen ones.
_MAX_PAIRED_NEURONS = 300

Features = Callable[[np.ndarray], Any]


def window_features(
    windows: ArrayLike, frame_rate: float | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Summary statistics of each window: amplitudes, spectrum, shape, population, correlations.

    Each row depends on its own window alone. Traces are z-scored within the window for all but
    the means and deviations. A neuron that is constant in a window counts as 0 there.

    Parameters
    ----------
    windows : array-like of shape (M, T, N)
        Windows of traces; at least 4 frames.
    frame_rate : float, default=None
        Frames per second (Hz). Only the names depend on it: bands are in Hz and lags in s rather
        than in cycles per frame and frames.

    Returns
    -------
    features : ndarray of shape (M, F)
        For each neuron its mean and its standard deviation (units of the traces) and, of two
        neurons or more, its correlation with the sum of the others (population coupling [1]_).
        Pooled over neurons: log10 of the share of power in bands of an octave (at most 8, the
        lowest takes what is below; at least -6), mean and deviation of the skewness, and the mean
        autocorrelation at lags 1, 2, 4, ... up to ``T / 4``, at most 6 lags. Of the population
        mean: deviation, skewness, maximum and autocorrelation at one frame. Of the pairwise
        correlations: mean, deviation, and 5 % and 95 % quantile, of at most 300 neurons.
    names : tuple of str
        What each of the ``F`` columns holds.

    Raises
    ------
    ValueError
        If windows are shorter than 4 frames.

    References
    ----------
    .. [1] Okun, M., et al. (2015). Diverse coupling of neurons to populations in sensory cortex.
       Nature, 521, 511-515. https://doi.org/10.1038/nature14273

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import window_features
    >>> windows = np.random.default_rng(0).normal(size=(3, 16, 2)) + [0.0, 5.0]
    >>> features, names = window_features(windows, frame_rate=8.0)
    >>> features.shape == (3, len(names))
    True
    >>> names[:4]
    ('mean of neuron 0', 'mean of neuron 1', 'deviation of neuron 0', 'deviation of neuron 1')
    >>> names[6:8]
    ('log power at 2-4 Hz', 'log power at 1-2 Hz')
    """
    windows = as_windows(windows, "windows")
    if frame_rate is not None:
        frame_rate = check_frame_rate(frame_rate)
    _, window, n_neurons = windows.shape
    if window < 4:
        raise ValueError(
            f"windows have {window} frames; features need at least 4, so cut longer windows."
        )
    bands, lags = _bands(window), _lags(window)
    features = np.concatenate(
        [_batch_features(windows[rows], bands, lags) for rows in batches(windows)]
    )
    return features, _feature_names(bands, lags, n_neurons, frame_rate)


def _bands(window: int) -> list[tuple[float, float]]:
    """Octaves below half the frame rate, each with a frequency in it, in cycles per frame."""
    n_bands = min(_MAX_BANDS, int(np.log2(window)))
    edges = [0.5 / 2**octave for octave in range(n_bands)]
    return list(zip([*edges[1:], 0.0], edges, strict=True))


def _lags(window: int) -> list[int]:
    """Lags in frames: powers of 2 up to a quarter of a window."""
    return [2**power for power in range(_MAX_LAGS) if 2**power <= window // 4]


def _feature_names(
    bands: list[tuple[float, float]], lags: list[int], n_neurons: int, frame_rate: float | None
) -> tuple[str, ...]:
    """Name the columns in the order of `_batch_features`."""
    of_neurons = ["mean", "deviation"] + ["coupling"] * (n_neurons > 1)
    names = [f"{what} of neuron {neuron}" for what in of_neurons for neuron in range(n_neurons)]
    rate, unit = (1.0, "cycles/frame") if frame_rate is None else (frame_rate, "Hz")
    names += [f"log power at {low * rate:g}-{high * rate:g} {unit}" for low, high in bands]
    names += ["mean of skewness", "deviation of skewness"]
    for lag in lags:
        at = f"{lag} frames" if frame_rate is None else f"{lag / frame_rate:g} s"
        names.append(f"autocorrelation at {at}")
    if n_neurons > 1:
        names += [f"{what} of the population mean" for what in ("deviation", "skewness", "maximum")]
        names.append("autocorrelation of the population mean")
        quantiles = ("5 % quantile", "95 % quantile")
        names += [f"{what} of correlations" for what in ("mean", "deviation", *quantiles)]
    return tuple(names)


def _batch_features(
    windows: np.ndarray, bands: list[tuple[float, float]], lags: list[int]
) -> np.ndarray:
    """Features (M, F) of windows that are few enough to be worked on in float64."""
    _, window, n_neurons = windows.shape
    # Tested on the values themselves: a mean subtracted in floating point need not leave 0.
    varies = (windows != windows[:, :1]).any(axis=1)
    z = windows.astype(np.float64)
    mean = z.mean(axis=1)
    z -= mean[:, np.newaxis]
    deviation = np.where(varies, np.sqrt(np.mean(z**2, axis=1)), 0.0)
    z /= np.where(deviation > 0, deviation, np.inf)[:, np.newaxis]

    skewness = np.mean(z * z * z, axis=1)  # a power is many times slower
    columns = [
        *_band_shares(z, bands),
        skewness.mean(axis=1),
        skewness.std(axis=1),
        *[np.einsum("mtn,mtn->m", z[:, lag:], z[:, :-lag]) / (window * n_neurons) for lag in lags],
    ]
    if n_neurons == 1:
        return np.column_stack([mean, deviation, *columns])

    total = z.sum(axis=2)
    others = total[:, :, np.newaxis] - z
    coupling = _ratio(np.mean(z * others, axis=1), np.sqrt(np.mean(others**2, axis=1)))
    population = total / n_neurons
    spread = np.sqrt(np.mean(population**2, axis=1))
    columns += [
        spread,
        _ratio(np.mean(population**3, axis=1), spread**3),
        population.max(axis=1),
        _ratio(np.sum(population[:, 1:] * population[:, :-1], axis=1) / window, spread**2),
        *_correlation_summaries(z).T,
    ]
    return np.column_stack([mean, deviation, coupling, *columns])


def _ratio(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Quotient, 0 where the scale is no more than the rounding of z-scores."""
    known = scale > 1e-12
    return np.where(known, values, 0.0) / np.where(known, scale, 1.0)


def _band_shares(z: np.ndarray, bands: list[tuple[float, float]]) -> Iterator[np.ndarray]:
    """Yield log10 of the share of power in each band, pooled over neurons."""
    window = z.shape[1]
    spectrum = fft.rfft(z, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=2)
    if window % 2 == 0:
        power[:, -1] /= 2.0  # the Nyquist frequency has no mirror image
    power[:, 0] = 0.0
    total = power.sum(axis=1)
    frequencies = np.arange(power.shape[1]) / window
    for low, high in bands:
        share = power[:, (frequencies > low) & (frequencies <= high)].sum(axis=1)
        yield np.log10(np.maximum(_ratio(share, total), _LEAST_SHARE))


def _correlation_summaries(z: np.ndarray) -> np.ndarray:
    """Mean, deviation, 5 % and 95 % quantile of the correlations of each window's pairs."""
    if z.shape[2] > _MAX_PAIRED_NEURONS:
        chosen = np.linspace(0, z.shape[2] - 1, _MAX_PAIRED_NEURONS).round().astype(int)
        z = np.ascontiguousarray(z[:, :, chosen])
    pairs = np.triu_indices(z.shape[2], 1)
    places = np.array([0.05, 0.95]) * (len(pairs[0]) - 1)
    low = places.astype(int)
    high, share = np.minimum(low + 1, len(pairs[0]) - 1), places - low
    result = np.empty((len(z), 4))
    for window, row in zip(z, result, strict=True):  # one by one: N may exceed T by far
        correlations = (window.T @ window)[pairs] / len(window)
        row[:2] = correlations.mean(), correlations.std()
        correlations.partition([*low, *high])  # several times faster than np.quantile
        row[2:] = (1.0 - share) * correlations[low] + share * correlations[high]
    return result


def _apply_features(features: Features, windows: np.ndarray, name: str) -> np.ndarray:
    """Return finite features (M, F) of windows, without their names."""
    if not callable(features):
        raise TypeError(f"features must be a function of windows, got {shown(features)}.")
    result = features(windows)
    if isinstance(result, tuple):  # as window_features gives them: with names
        result = result[0]
    result = as_real_array(result, f"the features of {name}")
    if result.ndim != 2 or len(result) != len(windows) or result.shape[1] == 0:
        raise ValueError(
            f"features must return an array of shape ({len(windows)}, F), one row a window, "
            f"but it returned shape {result.shape} for {name}."
        )
    if not np.isfinite(result).all():
        row, column = np.argwhere(~np.isfinite(result))[0]
        raise ValueError(
            f"features returned NaN or infinity for {name}, the first for window {row} in "
            f"column {column}; return finite numbers."
        )
    return result.astype(np.float64)


def feature_pair(
    features: Features, real: np.ndarray, synthetic: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of both sides, whose columns must agree."""
    first = _apply_features(features, real, "real")
    second = _apply_features(features, synthetic, "synthetic")
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"features returned {first.shape[1]} columns for real and {second.shape[1]} for "
            "synthetic; it must return the same ones for both."
        )
    return first, second
