"""Statistics of the population as a whole: correlations, dimensions, population counts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from calgan.data.validation import check_integer
from calgan.metrics._arrays import as_window_pair, as_windows, batches
from calgan.metrics.divergence import smoothed_kl


class CorrelationAgreement(NamedTuple):
    """Pearson correlation and root mean square difference of two correlation matrices."""

    r: float
    rmse: float


def pooled_moments(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each neuron over all windows and frames.

    The deviation of a constant neuron is exactly 0, not a remainder of rounding.
    """
    n = X.shape[0] * X.shape[1]
    mean = X.sum(axis=(0, 1), dtype=np.float64) / n
    squares = np.zeros(X.shape[2])
    for rows in batches(X):
        centred = X[rows] - mean
        squares += np.einsum("mtn,mtn->n", centred, centred)
    varies = X.min(axis=(0, 1)) != X.max(axis=(0, 1))
    return mean, np.where(varies, np.sqrt(squares / n), 0.0)


def _pooled_correlation(X: np.ndarray, lag: int) -> np.ndarray:
    """Correlation (N, N) of neurons with neurons `lag` frames later; NaN for constant neurons."""
    mean, deviation = pooled_moments(X)
    covariance = np.zeros((X.shape[2], X.shape[2]))
    for rows in batches(X):
        centred = X[rows] - mean
        early = centred[:, : X.shape[1] - lag].reshape(-1, X.shape[2])
        late = centred[:, lag:].reshape(-1, X.shape[2])
        covariance += early.T @ late
    covariance /= X.shape[0] * (X.shape[1] - lag)
    scale = np.where(deviation > 0, deviation, np.nan)
    covariance /= scale[:, np.newaxis] * scale
    return covariance


def correlation_matrix(X: ArrayLike) -> np.ndarray:
    """Pearson correlation of every pair of neurons, pooled over windows and frames.

    Parameters
    ----------
    X : array-like of shape (M, T, N)
        Windows of traces or spikes. Means and deviations are taken over all ``M T`` frames, so
        that slow changes between windows count.

    Returns
    -------
    correlations : ndarray of shape (N, N)
        Ones on the diagonal; NaN in the row and the column of a constant neuron.

    Raises
    ------
    TypeError, ValueError
        If `X` is not windows (M, T, N) of finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import correlation_matrix
    >>> x = np.random.default_rng(0).normal(size=(5, 20, 1))
    >>> correlation_matrix(np.concatenate([x, -x], axis=2)).round(6)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    correlations = np.clip(_pooled_correlation(as_windows(X), 0), -1.0, 1.0)
    np.fill_diagonal(correlations, np.where(np.isnan(np.diag(correlations)), np.nan, 1.0))
    return correlations


def lagged_correlation_matrix(X: ArrayLike, lag: int) -> np.ndarray:
    """Correlation of every neuron with every neuron ``lag`` frames later, within windows.

    Parameters
    ----------
    X : array-like of shape (M, T, N)
        Windows of traces or spikes.
    lag : int
        Frames, from 0 to ``T - 1``.

    Returns
    -------
    correlations : ndarray of shape (N, N)
        Entry ``(i, j)`` relates neuron ``i`` at frame ``t`` to neuron ``j`` at frame
        ``t + lag``; NaN if either is constant. Scaled by the variances of all frames: lag 0 is
        :func:`correlation_matrix`.

    Raises
    ------
    TypeError, ValueError
        If `X` is not windows (M, T, N) of finite numbers, or `lag` no number of frames within
        them.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import lagged_correlation_matrix
    >>> x = np.random.default_rng(0).normal(size=(20, 101))
    >>> X = np.stack([x[:, 1:], x[:, :-1]], axis=2)  # the second neuron is one frame late
    >>> lagged_correlation_matrix(X, 1)[0, 1].round(1)
    np.float64(1.0)
    """
    X = as_windows(X)
    lag = check_integer(lag, "lag", minimum=0)
    if lag >= X.shape[1]:
        raise ValueError(
            f"lag={lag} frames does not fit windows of {X.shape[1]} frames; "
            "use a smaller lag or longer windows."
        )
    return _pooled_correlation(X, lag)


def correlation_matrix_agreement(real: ArrayLike, synthetic: ArrayLike) -> CorrelationAgreement:
    """Agreement of the correlation matrices of real and synthetic windows over pairs.

    Parameters
    ----------
    real : array-like of shape (M, T, N)
        Real windows of traces or spikes.
    synthetic : array-like of shape (K, T, N)
        Synthetic windows of the same neurons.

    Returns
    -------
    r : float
        Pearson correlation of the entries of the ``N (N - 1) / 2`` pairs. NaN of fewer than three
        neurons, or if all real entries are equal; 0 if all synthetic ones are.
    rmse : float
        Root mean square difference of these entries. NaN of fewer than two neurons.

    Raises
    ------
    TypeError, ValueError
        If an array is not windows (M, T, N) of finite numbers, or their neurons differ.

    Notes
    -----
    Neurons that are constant in ``real`` are left out. Those that are constant in ``synthetic``
    alone count as uncorrelated: a collapsed generator is judged, and judged badly.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import correlation_matrix_agreement
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(10, 50, 4)) @ rng.normal(size=(4, 4))
    >>> r, rmse = correlation_matrix_agreement(X, X)
    >>> round(r, 6), rmse
    (1.0, 0.0)
    """
    real, synthetic = as_window_pair(real, synthetic)
    pairs = np.triu_indices(real.shape[2], 1)
    a, b = correlation_matrix(real)[pairs], correlation_matrix(synthetic)[pairs]
    a, b = a[~np.isnan(a)], np.nan_to_num(b[~np.isnan(a)])
    if a.size == 0:
        return CorrelationAgreement(float("nan"), float("nan"))
    rmse = float(np.sqrt(np.mean((a - b) ** 2)))
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    # Below rounding of the entries, the spread of a matrix carries no pattern to agree with.
    if np.abs(a).max() <= 1e-12:
        return CorrelationAgreement(float("nan"), rmse)
    return CorrelationAgreement(float(a @ b / norm) if np.abs(b).max() > 1e-12 else 0.0, rmse)


def participation_ratio(windows: ArrayLike) -> float:
    r"""Effective number of dimensions of the population's activity.

    .. math:: \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2}
              = \frac{(\mathrm{tr}\, C)^2}{\mathrm{tr}\, C^2}

    with the eigenvalues of the covariance of neurons, pooled over windows and frames [1]_.

    Parameters
    ----------
    windows : array-like of shape (M, T, N)
        Windows of traces or spikes. The covariance is in their units: neurons that vary more
        count more, so divide by their (real) deviations to let all count alike.

    Returns
    -------
    float
        From 1 (all neurons in proportion) to ``N`` (uncorrelated neurons of equal variance). NaN
        if every neuron is constant.

    Raises
    ------
    TypeError, ValueError
        If `windows` are not windows (M, T, N) of finite numbers.

    Notes
    -----
    Few samples lower it: ``n`` independent samples of Gaussian activity with ratio ``D`` leave
    about ``D n / (D + n)``, and a trace holds far fewer independent samples than frames. Compare
    equal numbers of windows.

    References
    ----------
    .. [1] Gao, P., Trautmann, E., Yu, B., Santhanam, G., Ryu, S., Shenoy, K., and Ganguli, S.
       (2017). A theory of multineuronal dimensionality, dynamics and measurement. bioRxiv.
       https://doi.org/10.1101/214262

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import participation_ratio
    >>> X = np.random.default_rng(0).normal(size=(50, 100, 8))
    >>> round(participation_ratio(X), 1)
    8.0
    >>> round(participation_ratio(X[:, :, :1] * [1.0, 2.0, -1.0]), 6)
    1.0
    """
    windows = as_windows(windows, "windows")
    n_neurons = windows.shape[2]
    mean, deviation = pooled_moments(windows)
    varies = deviation > 0
    if not varies.any():
        return float("nan")
    # In units of the largest deviation, squares of squares neither overflow nor vanish.
    scale = deviation.max()
    total = np.zeros((n_neurons, n_neurons))
    for window in windows:
        centred = np.where(varies, (window - mean) / scale, 0.0)
        total += centred.T @ centred
    return float(np.clip(np.trace(total) ** 2 / np.sum(total**2), 1.0, n_neurons))


def population_count(spikes: ArrayLike) -> np.ndarray:
    """Number of active neurons in each frame.

    Parameters
    ----------
    spikes : array-like of shape (M, T, N)
        Spikes; a neuron is active in a frame where its value is above 0.

    Returns
    -------
    counts : ndarray of shape (M, T), int64
        From 0 to ``N``.

    Raises
    ------
    TypeError, ValueError
        If `spikes` are not windows (M, T, N) of finite numbers.

    Examples
    --------
    >>> from calgan.metrics import population_count
    >>> population_count([[[0, 1, 1], [0, 0, 0]]])
    array([[2, 0]])
    """
    return np.count_nonzero(as_windows(spikes, "spikes") > 0, axis=2)


def population_count_edges(real_counts: ArrayLike, *, max_bins: int = 30) -> np.ndarray:
    """Inner bin edges halfway between integers, each bin of as many integers; at least two edges.

    A constant count is kept apart from fewer and from more.
    """
    counts = np.asarray(real_counts)
    if counts.size == 0 or counts.dtype.kind not in "iu":
        raise ValueError("real_counts must be integers, as population_count returns them.")
    max_bins = check_integer(max_bins, "max_bins", minimum=2)
    low, high = int(counts.min()), int(counts.max())
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    step = -(-(high - low + 1) // max_bins)
    return np.arange(low + step, high + 1, step) - 0.5


def population_count_kl(real_spikes: ArrayLike, synthetic_spikes: ArrayLike) -> float:
    """Divergence of the number of active neurons per frame.

    Parameters
    ----------
    real_spikes : array-like of shape (M, T, N)
        Real spikes.
    synthetic_spikes : array-like of shape (K, T, N)
        Synthetic spikes of the same neurons.

    Returns
    -------
    float
        Smoothed KL(real || synthetic) in nats, pooled over windows and frames. NaN if no neuron
        spikes on either side.

    Raises
    ------
    TypeError, ValueError
        If an array is not windows (M, T, N) of finite numbers, or their neurons differ.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import population_count_kl
    >>> rng = np.random.default_rng(0)
    >>> together = np.repeat(rng.random((20, 50, 1)) < 0.2, 5, axis=2)
    >>> apart = rng.random((20, 50, 5)) < 0.2
    >>> population_count_kl(together, apart) > 0.5
    True
    """
    names = ("real_spikes", "synthetic_spikes")
    real, synthetic = as_window_pair(real_spikes, synthetic_spikes, names)
    counts, others = population_count(real), population_count(synthetic)
    if not (counts.any() or others.any()):
        return float("nan")
    return smoothed_kl(counts, others, edges=population_count_edges(counts))
