"""Two-sample statistics: can synthetic windows be told from real ones, training from held-out?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft
from scipy.stats import rankdata

from calgan.data.validation import (
    as_real_array,
    as_seed,
    check_frame_rate,
    check_integer,
    check_real,
    rng_from,
)
from calgan.metrics._arrays import as_window_pair, as_windows, batches
from calgan.metrics._memorisation import _nearest
from calgan.metrics._population import pooled_moments

_BATCH_BYTES = 128 * 2**20
# Real windows that the median heuristic looks at: half a million pairs settle a median.
_MEDIAN_WINDOWS = 1000
# A share of power below -60 dB counts as that much: its logarithm stays finite.
_POWER_FLOOR = 1e-6
_MAX_BANDS = 8
_MAX_LAGS = 6

Features = Callable[[np.ndarray], Any]


# --- features of a window ---------------------------------------------------------------------


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
        correlations: mean, deviation, and 5 % and 95 % quantile.
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
    _, width, n_neurons = windows.shape
    if width < 4:
        raise ValueError(
            f"windows have {width} frames; features need at least 4, so cut wider windows."
        )
    bands, lags = _bands(width), _lags(width)
    features = np.concatenate(
        [_batch_features(windows[rows], bands, lags) for rows in batches(windows)]
    )
    return features, _feature_names(bands, lags, n_neurons, frame_rate)


def _bands(width: int) -> list[tuple[float, float]]:
    """Octaves below half the frame rate, each with a frequency in it, in cycles per frame."""
    n_bands = min(_MAX_BANDS, int(np.log2(width)))
    edges = [0.5 / 2**octave for octave in range(n_bands)]
    return list(zip([*edges[1:], 0.0], edges, strict=True))


def _lags(width: int) -> list[int]:
    return [2**power for power in range(_MAX_LAGS) if 2**power <= width // 4]


def _feature_names(
    bands: list[tuple[float, float]], lags: list[int], n_neurons: int, frame_rate: float | None
) -> tuple[str, ...]:
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
    _, width, n_neurons = windows.shape
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
        *[np.einsum("mtn,mtn->m", z[:, lag:], z[:, :-lag]) / (width * n_neurons) for lag in lags],
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
        _ratio(np.sum(population[:, 1:] * population[:, :-1], axis=1) / width, spread**2),
        *_correlation_summaries(z).T,
    ]
    return np.column_stack([mean, deviation, coupling, *columns])


def _ratio(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Quotient, 0 where the scale is no more than the rounding of z-scores."""
    known = scale > 1e-12
    return np.where(known, values, 0.0) / np.where(known, scale, 1.0)


def _band_shares(z: np.ndarray, bands: list[tuple[float, float]]) -> Iterator[np.ndarray]:
    width = z.shape[1]
    spectrum = fft.rfft(z, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=2)
    if width % 2 == 0:
        power[:, -1] /= 2.0  # the Nyquist frequency has no mirror image
    power[:, 0] = 0.0
    total = power.sum(axis=1)
    frequencies = np.arange(power.shape[1]) / width
    for low, high in bands:
        share = power[:, (frequencies > low) & (frequencies <= high)].sum(axis=1)
        yield np.log10(np.maximum(_ratio(share, total), _POWER_FLOOR))


def _correlation_summaries(z: np.ndarray) -> np.ndarray:
    """Mean, deviation, 5 % and 95 % quantile of the correlations of each window's pairs."""
    pairs = np.triu_indices(z.shape[2], 1)
    result = np.empty((len(z), 4))
    for window, row in zip(z, result, strict=True):  # one by one: N may exceed T by far
        correlations = (window.T @ window)[pairs] / len(window)
        row[:2] = correlations.mean(), correlations.std()
        row[2:] = np.quantile(correlations, [0.05, 0.95])
    return result


def _apply_features(features: Features, windows: np.ndarray, name: str) -> np.ndarray:
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


def _feature_pair(
    features: Features, real: np.ndarray, synthetic: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    first = _apply_features(features, real, "real")
    second = _apply_features(features, synthetic, "synthetic")
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"features returned {first.shape[1]} columns for real and {second.shape[1]} for "
            "synthetic; it must return the same ones for both."
        )
    return first, second


# --- a classifier -----------------------------------------------------------------------------


def _auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Chance that a positive scores above a negative, ties counted half."""
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    n = len(positive)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * len(negative)))


def classifier_auc(
    real: ArrayLike,
    synthetic: ArrayLike,
    *,
    features: Features = window_features,
    classifier: Literal["logistic", "forest"] = "logistic",
    groups: ArrayLike | tuple[ArrayLike | None, ArrayLike | None] | None = None,
    n_splits: int = 5,
    random_state: Any = None,
) -> float:
    """Area under the ROC curve of a classifier that tells synthetic windows from real ones.

    A two-sample test by classification [1]_: cross-validated, on features of each window, so that
    what it finds generalises to windows that it was not fitted on.

    Parameters
    ----------
    real : array-like of shape (M, T, N)
        Real windows of traces.
    synthetic : array-like of shape (K, T, N)
        Synthetic windows, the same width and neurons; preferably about as many.
    features : callable, default=window_features
        Function of windows ``(M, T, N)`` that returns an array ``(M, F)``, or a tuple that starts
        with one. It should treat every window by itself.
    classifier : {"logistic", "forest"}, default="logistic"
        Logistic regression (L2) on standardised features, which finds differences of their means,
        or a random forest, which finds other differences too but needs more windows.
    groups : array-like of shape (M,), or tuple of two such arrays, default=None
        Labels of the blocks of time that the real windows lie in; windows of one block are never
        on both sides of a fold. A tuple gives labels to real and to synthetic windows, None for
        a side whose windows are independent. Windows of different blocks must not overlap: leave
        out those that cross from one block into the next.
    n_splits : int, default=5
        Number of folds, at most the number of windows (or blocks) of either side.
    random_state : int, None, numpy.random.RandomState or numpy.random.Generator, default=None
        Decides the folds of windows without groups, and the forest.

    Returns
    -------
    float
        Mean over folds of the area under the curve: 0.5 where the two cannot be told apart, 1
        where they always can. Chance puts it on either side of 0.5, copies of ``real`` below.

    Raises
    ------
    ValueError
        If a side has fewer windows or blocks than ``n_splits``, if ``groups`` do not fit, or if
        ``features`` returns something other than a finite array with one row a window.

    See Also
    --------
    window_features : The default features.
    mmd : A distance in the same spirit, without a fit.

    Notes
    -----
    A recording drifts: real windows of another time can be told from these as well, so that even
    a perfect model of the training recording scores above 0.5 against held-out windows. Compare
    the figure of samples with that of the training windows, in their place and number.

    Overlapping windows without ``groups`` make near copies of the test windows part of the fit:
    the figure then rises with the overlap, not with the difference.

    References
    ----------
    .. [1] Lopez-Paz, D., and Oquab, M. (2017). Revisiting classifier two-sample tests. ICLR.
       https://arxiv.org/abs/1610.06545

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import classifier_auc
    >>> rng = np.random.default_rng(0)
    >>> real = np.cumsum(rng.normal(size=(1000, 3)), axis=0)  # one recording: a random walk
    >>> start = np.arange(0, len(real) - 20 + 1, 5)
    >>> start = start[start % 100 <= 100 - 20]  # within one of ten blocks of 100 frames
    >>> windows = np.stack([real[first : first + 20] for first in start])
    >>> noise = rng.normal(size=(100, 20, 3))
    >>> classifier_auc(windows, noise, groups=start // 100, random_state=0) > 0.95
    True
    """
    from sklearn.preprocessing import StandardScaler  # heavy, and needed by this function only

    real, synthetic = as_window_pair(real, synthetic, same_width=True)
    n_splits = check_integer(n_splits, "n_splits", minimum=2)
    seed = as_seed(random_state)
    groups_of = groups if isinstance(groups, tuple) else (groups, None)
    if len(groups_of) != 2:
        raise ValueError(
            f"groups is a tuple of {len(groups_of)}; pass labels of the real windows, or a tuple "
            "(labels of real, labels of synthetic)."
        )
    folds = [
        _folds(len(windows), n_splits, labels, rng_from(seed, stream), name)
        for stream, (windows, labels, name) in enumerate(
            [(real, groups_of[0], "real"), (synthetic, groups_of[1], "synthetic")]
        )
    ]
    model = make_classifier(classifier, int(rng_from(seed, 2).integers(2**31)))
    first, second = _feature_pair(features, real, synthetic)
    X = np.concatenate([first, second])
    y = np.repeat([0, 1], [len(first), len(second)])
    fold = np.concatenate(folds)
    areas = []
    for k in range(n_splits):
        test = fold == k
        scaler = StandardScaler().fit(X[~test])
        model.fit(scaler.transform(X[~test]), y[~test])
        score = model.predict_proba(scaler.transform(X[test]))[:, 1]
        areas.append(_auc(score[y[test] == 1], score[y[test] == 0]))
    return float(np.mean(areas))


def _folds(n: int, n_splits: int, groups: Any, rng: np.random.Generator, name: str) -> np.ndarray:
    """Fold of each window: 0 to ``n_splits - 1``, blocks kept together."""
    if groups is None:
        if n < n_splits:
            raise ValueError(
                f"{name} has {n} windows, too few for {n_splits} folds; pass more windows or a "
                "smaller n_splits."
            )
        return rng.permutation(np.arange(n) % n_splits)
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(
            f"groups of {name} have shape {groups.shape}, but there are {n} windows; pass one "
            "label a window."
        )
    n_groups = len(np.unique(groups))
    if n_groups < n_splits:
        raise ValueError(
            f"groups of {name} hold {n_groups} blocks, too few for {n_splits} folds; cut the time "
            "into more blocks or pass a smaller n_splits."
        )
    from sklearn.model_selection import GroupKFold

    fold = np.empty(n, dtype=int)
    for k, (_, test) in enumerate(GroupKFold(n_splits).split(groups, groups=groups)):
        fold[test] = k
    return fold


def make_classifier(name: str, seed: int) -> Any:
    """Return an unfitted classifier of standardised features."""
    if name == "logistic":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
    if name == "forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            200, min_samples_leaf=3, class_weight="balanced", random_state=seed
        )
    raise ValueError(f"classifier must be 'logistic' or 'forest', got {name!r}.")


# --- distances --------------------------------------------------------------------------------


class _Standardised:
    """Flattened windows, z-scored neuron by neuron (or feature by feature) a batch at a time."""

    def __init__(self, windows: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> None:
        self.windows, self.mean, self.deviation = windows, mean, deviation
        self.size = windows[0].size
        # Both the rows and the kernel of rows with rows are to fit.
        self.n_rows = max(1, min(_BATCH_BYTES // (8 * self.size), math.isqrt(_BATCH_BYTES // 8)))

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        part = (self.windows[rows] - self.mean) / self.deviation
        return part.reshape(len(part), -1)

    def slices(self) -> Iterator[slice]:
        for start in range(0, len(self), self.n_rows):
            yield slice(start, min(start + self.n_rows, len(self)))


def _standardised_pair(
    real: ArrayLike, synthetic: ArrayLike, features: Features | None
) -> tuple[_Standardised, _Standardised]:
    """Both sets in the real deviations, without what is constant in the real one."""
    x, y = as_window_pair(real, synthetic, same_width=True)
    what = "neuron"
    if features is not None:
        x, y = (table[:, np.newaxis] for table in _feature_pair(features, x, y))
        what = "feature"
    mean, deviation = pooled_moments(x)
    varies = deviation > 1e-10 * np.abs(mean)  # a feature may vary by rounding only
    if not varies.any():
        raise ValueError(f"every {what} is constant in real, so distances have no scale.")
    if not varies.all():
        x, y = x[:, :, varies], y[:, :, varies]
    mean, deviation = mean[varies], deviation[varies]
    return _Standardised(x, mean, deviation), _Standardised(y, mean, deviation)


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared Euclidean distance of each row of ``a`` to each row of ``b``."""
    norms = np.einsum("ij,ij->i", a, a)[:, np.newaxis] + np.einsum("ij,ij->i", b, b)
    squared = norms - 2.0 * (a @ b.T)
    squared[squared < 1e-12 * norms] = 0.0  # equal windows, but for rounding
    return squared


def _median_distance(X: _Standardised) -> float:
    """Median distance between windows: at most `_MEDIAN_WINDOWS` of them, evenly spaced."""
    n = min(len(X), _MEDIAN_WINDOWS)
    chosen = np.linspace(0, len(X) - 1, n).round().astype(int)
    squared = np.empty((n, n))
    parts = [slice(start, start + X.n_rows) for start in range(0, n, X.n_rows)]
    for i, rows in enumerate(parts):
        a = X[chosen[rows]]
        for columns in parts[i:]:
            squared[rows, columns] = squared_distances(a, X[chosen[columns]])
    return float(np.median(np.sqrt(squared[np.triu_indices(n, 1)])))


def _mean_kernel(a: _Standardised, b: _Standardised, bandwidth: float) -> float:
    """Mean of the kernel over pairs, of different windows where ``a`` is ``b``."""
    total = 0.0
    for rows in a.slices():
        first = a[rows]
        for columns in b.slices():
            if a is b and columns.start < rows.start:
                continue  # the kernel is symmetric
            second = first if a is b and columns == rows else b[columns]
            kernel = np.exp(-squared_distances(first, second) / (2.0 * bandwidth**2))
            if a is not b:
                total += kernel.sum()
            elif second is first:
                total += kernel.sum() - np.trace(kernel)
            else:
                total += 2.0 * kernel.sum()
    return total / (len(a) * (len(a) - 1) if a is b else len(a) * len(b))


def mmd(
    real: ArrayLike,
    synthetic: ArrayLike,
    *,
    bandwidth: float | None = None,
    features: Features | None = None,
) -> float:
    r"""Unbiased squared maximum mean discrepancy with a Gaussian kernel.

    .. math:: \frac{1}{M (M - 1)} \sum_{i \ne j} k(x_i, x_j)
              + \frac{1}{K (K - 1)} \sum_{i \ne j} k(y_i, y_j)
              - \frac{2}{M K} \sum_{i, j} k(x_i, y_j), \qquad
              k(x, y) = e^{-\|x - y\|^2 / (2 \sigma^2)}

    over real windows x and synthetic windows y [1]_, each neuron in its deviations over ``real``.

    Parameters
    ----------
    real : array-like of shape (M, T, N)
        Real windows of traces; at least 2.
    synthetic : array-like of shape (K, T, N)
        Synthetic windows, the same width and neurons; at least 2.
    bandwidth : float, default=None
        The kernel's sigma, in the (dimensionless) distance of z-scored windows. If None, the
        median distance between real windows, of at most 1,000 that are evenly spaced: it is the
        same whatever ``real`` is compared with.
    features : callable, default=None
        Compare these features (see :func:`classifier_auc`), z-scored by ``real``, rather than the
        windows frame by frame.

    Returns
    -------
    float
        Between -2 and 2, dimensionless. Its expectation is 0 for equal distributions, so that
        it comes out negative about half of the time then.

    Raises
    ------
    ValueError
        If there are fewer than 2 windows on a side, everything is constant in ``real``, or the
        median heuristic gives 0.

    Notes
    -----
    What is constant in ``real`` is left out. Frame by frame, wide windows of many neurons are all
    about equally far apart, and the test has little power: pass ``features`` then. Unbiased for
    independent windows: overlapping ones are alike and raise it, on both sides of a comparison
    if both overlap as much. Memory is bounded: windows are standardised and compared in blocks.

    References
    ----------
    .. [1] Gretton, A., Borgwardt, K. M., Rasch, M. J., Schölkopf, B., and Smola, A. (2012). A
       kernel two-sample test. Journal of Machine Learning Research, 13, 723-773.
       https://jmlr.org/papers/v13/gretton12a.html

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import mmd, window_features
    >>> real, same, other = np.random.default_rng(0).normal(size=(3, 50, 16, 2))
    >>> abs(mmd(real, same)) < 0.01
    True
    >>> mmd(real, np.sort(other, axis=1), features=window_features) > 0.1
    True
    """
    if bandwidth is not None:
        bandwidth = check_real("bandwidth", bandwidth, above=0)
    x, y = _standardised_pair(real, synthetic, features)
    for windows, name in ((x, "real"), (y, "synthetic")):
        if len(windows) < 2:
            raise ValueError(f"{name} has one window; the unbiased estimate needs at least two.")
    if bandwidth is None:
        bandwidth = _median_distance(x)
        if bandwidth == 0:
            raise ValueError(
                "most pairs of real windows are identical, so their median distance is 0; pass "
                "bandwidth or distinct windows."
            )
    within = _mean_kernel(x, x, bandwidth) + _mean_kernel(y, y, bandwidth)
    return float(within - 2.0 * _mean_kernel(x, y, bandwidth))


def sliced_wasserstein(
    real: ArrayLike,
    synthetic: ArrayLike,
    *,
    n_projections: int = 128,
    features: Features | None = None,
    random_state: Any = None,
) -> float:
    """Wasserstein-1 distance of windows along random directions, averaged over directions.

    Windows are z-scored by the real mean and deviation of each neuron, flattened, and projected
    on directions drawn uniformly from the unit sphere [1]_ [2]_.

    Parameters
    ----------
    real : array-like of shape (M, T, N)
        Real windows of traces.
    synthetic : array-like of shape (K, T, N)
        Synthetic windows, the same width and neurons; ``K`` may differ from ``M``.
    n_projections : int, default=128
        Number of random directions.
    features : callable, default=None
        Compare these features (see :func:`classifier_auc`), z-scored by ``real``, rather than the
        windows frame by frame.
    random_state : int, None, numpy.random.RandomState or numpy.random.Generator, default=None
        Decides the directions; a number makes comparisons use the same ones.

    Returns
    -------
    float
        Dimensionless, at least 0: an offset of one real deviation in every frame and neuron
        gives about 0.8.

    Raises
    ------
    ValueError
        If everything is constant in ``real``.

    Notes
    -----
    What is constant in ``real`` is left out. Two finite sets from one distribution are some
    distance apart, the more the fewer they are: compare with the distance of as many held-out
    windows. A random direction mixes all frames and neurons, so that this statistic sees means
    and covariances well and the shape of single events hardly.

    References
    ----------
    .. [1] Rabin, J., Peyré, G., Delon, J., and Bernot, M. (2011). Wasserstein barycenter and its
       application to texture mixing. SSVM. https://doi.org/10.1007/978-3-642-24785-9_37
    .. [2] Bonneel, N., Rabin, J., Peyré, G., and Pfister, H. (2015). Sliced and Radon Wasserstein
       barycenters of measures. Journal of Mathematical Imaging and Vision, 51, 22-45.
       https://doi.org/10.1007/s10851-014-0506-3

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import sliced_wasserstein
    >>> real, same = np.random.default_rng(0).normal(size=(2, 100, 16, 2))
    >>> baseline = sliced_wasserstein(real, same, random_state=0)
    >>> sliced_wasserstein(real, 2 * same[:60], random_state=0) > 3 * baseline
    True
    """
    n_projections = check_integer(n_projections, "n_projections")
    rng = rng_from(random_state)
    x, y = _standardised_pair(real, synthetic, features)
    at_once = max(1, _BATCH_BYTES // (8 * x.size))
    total = 0.0
    for start in range(0, n_projections, at_once):
        directions = rng.standard_normal((min(at_once, n_projections - start), x.size))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        projected = [
            np.concatenate([windows[rows] @ directions.T for rows in windows.slices()])
            for windows in (x, y)
        ]
        total += _wasserstein_columns(*projected).sum()
    return float(total / n_projections)


def _wasserstein_columns(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Wasserstein-1 distance of each column of ``a`` (n, L) to that of ``b`` (m, L)."""
    a, b = np.sort(a, axis=0), np.sort(b, axis=0)
    n, m = len(a), len(b)
    # The quantile functions are steps at i / n and j / m: in whole units of 1 / (n m).
    steps = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)
    left = steps[:-1]
    return np.diff(steps) / (n * m) @ np.abs(a[left // m] - b[left // n])


# --- membership -------------------------------------------------------------------------------


def membership_auc(
    samples: ArrayLike, train: ArrayLike, held_out: ArrayLike, *, max_shift: int | None = None
) -> float:
    """Tell training windows from held-out ones by their distance to the nearest sample.

    A membership attack [1]_: where the samples let one find out which real windows the model was
    fitted on, they hold copies of them. :func:`memorisation_ratios` asks the converse, whether
    each sample is a copy; this one also finds the few windows that many samples repeat.

    Parameters
    ----------
    samples : array-like of shape (n, T, N)
        Synthetic windows of traces.
    train : array-like of shape (K, T, N)
        Windows the model was fitted on.
    held_out : array-like of shape (L, T, N)
        Windows it never saw; ``L`` may differ from ``K``.
    max_shift : int, default=None
        Largest shift in frames either way, ``T // 8`` if None: the central ``T - 2 max_shift``
        frames of each real window are compared with the samples at the best shift.

    Returns
    -------
    float
        Chance that a random training window is nearer to its nearest sample than a random
        held-out window to its own, ties counted half. 0.5 where nothing leaks, 1 for a replay of
        all training windows; a replay of a share ``p`` of them gives about ``(1 + p) / 2``.

    Raises
    ------
    ValueError
        If all neurons are constant in ``train``, or if ``max_shift`` leaves no central frame.

    See Also
    --------
    memorisation_ratio : Distance of samples to training and to held-out windows.

    Notes
    -----
    Neurons are scaled by their mean and deviation over ``train``; those constant there are left
    out. A recording drifts: samples of a good model, too, lie nearer to the time it was fitted
    on, and quiet windows are near to everything. Hold out blocks from among the training time
    rather than its end, and read the figure beside that of a model that cannot copy, such as the
    dichotomized Gaussian fitted on the same windows, and beside a replay's.

    References
    ----------
    .. [1] Hilprecht, B., Härterich, M., and Bernau, D. (2019). Monte Carlo and reconstruction
       membership inference attacks against generative models. Proceedings on Privacy Enhancing
       Technologies, 2019(4), 232-249. https://doi.org/10.2478/popets-2019-0067

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import membership_auc
    >>> train, held_out, new = np.random.default_rng(0).normal(size=(3, 30, 32, 4))
    >>> membership_auc(train, train, held_out)
    1.0
    >>> 0.3 < membership_auc(new, train, held_out) < 0.7
    True
    """
    names = ("samples", "train")
    samples, train = as_window_pair(samples, train, names, same_width=True)
    _, held_out = as_window_pair(samples, held_out, ("samples", "held_out"), same_width=True)
    width = samples.shape[1]
    max_shift = width // 8 if max_shift is None else max_shift
    max_shift = check_integer(max_shift, "max_shift", minimum=0)
    if 2 * max_shift >= width:
        raise ValueError(
            f"max_shift={max_shift} leaves no central part of windows of {width} frames; "
            f"use at most {(width - 1) // 2}."
        )
    mean, deviation = pooled_moments(train)
    varies = deviation > 0
    if not varies.any():
        raise ValueError("every neuron in train is constant, so distances have no scale.")

    def standardise(X: np.ndarray) -> np.ndarray:
        return (X[:, :, varies] - mean[varies]) / deviation[varies]

    samples = standardise(samples)
    to_train = _nearest(standardise(train), samples, max_shift)
    to_held_out = _nearest(standardise(held_out), samples, max_shift)
    return _auc(-to_train, -to_held_out)
