"""Kullback-Leibler divergences between histograms of a statistic."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from calgan.data.validation import check_integer

# Added to every count. A half (Jeffreys' prior) keeps an empty bin from deciding the divergence.
_PSEUDOCOUNT = 0.5
_MIN_VALUES_PER_BIN = 20


def _finite_values(values: ArrayLike, name: str) -> np.ndarray:
    flat = np.asarray(values, dtype=np.float64).ravel()
    flat = flat[~np.isnan(flat)]
    if np.isinf(flat).any():
        raise ValueError(f"{name} holds infinite values; only finite values can be binned.")
    return flat


def _check_edges(edges: ArrayLike) -> np.ndarray:
    inner = np.asarray(edges, dtype=np.float64)
    if inner.ndim != 1 or inner.size == 0 or np.isnan(inner).any() or (np.diff(inner) <= 0).any():
        raise ValueError(
            "edges must be a 1-D array of increasing inner bin edges, as histogram_edges returns."
        )
    return inner


def histogram_edges(real_values: ArrayLike, *, max_bins: int = 30) -> np.ndarray:
    """Inner edges of equal bins over the range of real values; the two end bins are open.

    Edges come from real values alone, so that two models are judged on the same bins, and there
    are at most ``n / 20`` bins, so that a histogram of ``n`` values is not mostly empty.

    Parameters
    ----------
    real_values : array-like
        Values of a statistic on real data, any shape; NaN is dropped.
    max_bins : int, default=30
        Most bins to use.

    Returns
    -------
    edges : ndarray of shape (n_bins - 1,)
        Inner edges, increasing. Two bins where there are fewer than 60 values; three where they
        are constant: below, at and above the constant.

    Raises
    ------
    ValueError
        If no value is left after NaN is dropped.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import histogram_edges
    >>> histogram_edges(np.linspace(0, 1, 80))
    array([0.25, 0.5 , 0.75])
    """
    max_bins = check_integer(max_bins, "max_bins", minimum=2)
    values = _finite_values(real_values, "real_values")
    if values.size == 0:
        raise ValueError(
            "real_values holds no value but NaN, so there is no range to bin; "
            "check that the real neurons spike."
        )
    low, high = values.min(), values.max()
    slack = 1e-9 * max(abs(low), abs(high), 1e-9)
    if high - low <= slack:
        return np.array([low - slack, high + slack])
    n_bins = max(2, min(max_bins, values.size // _MIN_VALUES_PER_BIN))
    return np.linspace(low, high, n_bins + 1)[1:-1]


def histogram_counts(values: ArrayLike, edges: ArrayLike) -> np.ndarray:
    """Counts per bin along the last axis, the end bins open.

    Parameters
    ----------
    values : array-like of shape (..., n)
        Values of a statistic; NaN is dropped.
    edges : array-like of shape (n_bins - 1,)
        Inner edges, from :func:`histogram_edges`. A value on an edge belongs to the bin above.

    Returns
    -------
    counts : ndarray of shape (..., n_bins), int64
        Values in each bin.

    Examples
    --------
    >>> from calgan.metrics import histogram_counts
    >>> histogram_counts([-5.0, 0.2, 0.5, 9.0], [0.0, 0.5])
    array([1, 1, 2])
    """
    inner = _check_edges(edges)
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 0:
        raise ValueError("values must have at least one axis; pass a list of values.")
    n_bins = len(inner) + 1
    rows = values.reshape(math.prod(values.shape[:-1]), values.shape[-1])
    counts = np.empty((len(rows), n_bins), dtype=np.int64)
    for row, row_counts in zip(rows, counts, strict=True):
        bins = np.searchsorted(inner, row[~np.isnan(row)], side="right")
        row_counts[:] = np.bincount(bins, minlength=n_bins)
    return counts.reshape(*values.shape[:-1], n_bins)


def smoothed_kl_from_counts(p_counts: ArrayLike, q_counts: ArrayLike) -> np.ndarray:
    r"""Smoothed Kullback-Leibler divergence of histograms along the last axis.

    .. math:: \sum_b P_b \ln \frac{P_b}{Q_b}, \qquad
              P_b = \frac{p_b + 1/2}{\sum_c (p_c + 1/2)},

    and ``Q`` likewise.

    Parameters
    ----------
    p_counts, q_counts : array-like of shape (..., n_bins)
        Counts of the real and of the synthetic values; leading axes broadcast.

    Returns
    -------
    divergence : ndarray of shape (...)
        In nats; never negative.

    Examples
    --------
    >>> from calgan.metrics import smoothed_kl_from_counts
    >>> float(smoothed_kl_from_counts([8, 2], [8, 2]))
    0.0
    """
    p = np.asarray(p_counts, dtype=np.float64)
    q = np.asarray(q_counts, dtype=np.float64)
    if p.ndim == 0 or q.ndim == 0 or p.shape[-1] != q.shape[-1]:
        raise ValueError(
            f"p_counts and q_counts must have the same bins on their last axis, got shapes "
            f"{p.shape} and {q.shape}."
        )
    if not ((p >= 0).all() and (q >= 0).all()):
        raise ValueError("p_counts and q_counts must be counts: none negative, none NaN.")
    p = p + _PSEUDOCOUNT
    q = q + _PSEUDOCOUNT
    p /= p.sum(axis=-1, keepdims=True)
    q /= q.sum(axis=-1, keepdims=True)
    return np.maximum((p * np.log(p / q)).sum(axis=-1), 0.0)


def smoothed_kl(p: ArrayLike, q: ArrayLike, *, edges: ArrayLike) -> float:
    """Smoothed Kullback-Leibler divergence of two sets of values on given bins.

    Parameters
    ----------
    p : array-like
        Real values, any shape; NaN is dropped.
    q : array-like
        Synthetic values, any shape; NaN is dropped.
    edges : array-like of shape (n_bins - 1,)
        Inner edges, from :func:`histogram_edges`.

    Returns
    -------
    float
        KL(p || q) in nats, 0.5 added to every count; see :func:`smoothed_kl_from_counts`.

    Notes
    -----
    The divergence grows as samples shrink: compare only values taken with the same numbers of
    ``p`` and ``q`` on the same edges, or see :func:`debiased_kl`. A ``q`` without any value
    counts as uniform over the bins.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import histogram_edges, smoothed_kl
    >>> rng = np.random.default_rng(0)
    >>> real, close, far = rng.normal(size=(3, 500)) + [[0], [0.1], [1.0]]
    >>> edges = histogram_edges(real)
    >>> bool(smoothed_kl(real, close, edges=edges) < smoothed_kl(real, far, edges=edges))
    True
    """
    p_counts = histogram_counts(_finite_values(p, "p"), edges)
    q_counts = histogram_counts(_finite_values(q, "q"), edges)
    return float(smoothed_kl_from_counts(p_counts, q_counts))


def debiased_kl(p: ArrayLike, q: ArrayLike, *, edges: ArrayLike) -> float:
    """Smoothed divergence minus what two samples of one distribution are expected to score.

    The expectation is the mean smoothed divergence over 200 random re-divisions of the pooled
    histogram into samples of the two sizes (multivariate hypergeometric draws from a fixed
    seed, so the result is deterministic).

    Parameters
    ----------
    p, q : array-like
        Real and synthetic values, any shape; NaN is dropped.
    edges : array-like of shape (n_bins - 1,)
        Inner edges, from :func:`histogram_edges`.

    Returns
    -------
    float
        In nats; about 0 for equal distributions, and then negative half of the time.

    Notes
    -----
    Values are taken as independent. Pairs of neurons and overlapping windows are not, so that
    the bias of such statistics is removed in part only: read differences, never ratios.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import debiased_kl, histogram_edges
    >>> real, synthetic = np.random.default_rng(0).normal(size=(2, 60))
    >>> bool(abs(debiased_kl(real, synthetic, edges=histogram_edges(real))) < 0.05)
    True
    """
    p_counts = histogram_counts(_finite_values(p, "p"), edges)
    q_counts = histogram_counts(_finite_values(q, "q"), edges)
    pooled = p_counts + q_counts
    draws = np.random.default_rng(0).multivariate_hypergeometric(
        pooled, int(p_counts.sum()), size=200, method="marginals"
    )
    expected = smoothed_kl_from_counts(draws, pooled - draws).mean()
    return float(smoothed_kl_from_counts(p_counts, q_counts) - expected)


def thesis_kl(real: ArrayLike, synthetic: ArrayLike, *, bins: int = 30) -> float:
    """Kullback-Leibler divergence as published, for comparison with the published table only.

    Equal right-closed bins over the pooled range (the lowest edge lowered by 0.1 % of it),
    counts divided by the number of values, zeros replaced by 1e-10 and not renormalised.

    Parameters
    ----------
    real, synthetic : array-like
        Values of a statistic, any shape; NaN is dropped.
    bins : int, default=30
        Number of bins.

    Returns
    -------
    float
        KL(real || synthetic) in nats; NaN where either side has no value.

    Notes
    -----
    The 1e-10 decides the result for small samples: two samples of 64 from one Gaussian score
    about 2. Use :func:`smoothed_kl` for anything but the comparison.

    References
    ----------
    .. [1] Li, B. M. (2020). Synthesising realistic calcium imaging data of neuronal populations
       using deep generative models. MScR thesis, University of Edinburgh.

    Examples
    --------
    >>> from calgan.metrics import thesis_kl
    >>> thesis_kl([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0])
    0.0
    """
    bins = check_integer(bins, "bins")
    real = _finite_values(real, "real")
    synthetic = _finite_values(synthetic, "synthetic")
    if real.size == 0 or synthetic.size == 0:
        return float("nan")
    low = min(real.min(), synthetic.min())
    high = max(real.max(), synthetic.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # equal up to rounding: one bin
        return 0.0
    edges = np.linspace(low, high, bins + 1)
    edges[0] -= 0.001 * (high - low)

    def frequencies(values: np.ndarray) -> np.ndarray:
        index = np.searchsorted(edges, values, side="left") - 1
        share = np.bincount(index, minlength=bins) / values.size
        return np.where(share == 0.0, 1e-10, share)

    p, q = frequencies(real), frequencies(synthetic)
    return float(np.sum(p * np.log(p / q)))
