"""Kullback-Leibler divergences between histograms of a statistic."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from calgan.data.validation import as_real_array, check_integer

# Added to every count. A half (Jeffreys' prior) keeps an empty bin from deciding the divergence.
_PSEUDOCOUNT = 0.5
_MIN_VALUES_PER_BIN = 20


def _finite_values(values: ArrayLike, name: str) -> np.ndarray:
    """Return the values flat and without NaN; infinite ones are refused."""
    flat = as_real_array(values, name).astype(np.float64).ravel()
    flat = flat[~np.isnan(flat)]
    if np.isinf(flat).any():
        raise ValueError(f"{name} holds infinite values; only finite values can be binned.")
    return flat


def histogram_edges(real_values: ArrayLike, *, max_bins: int = 30) -> np.ndarray:
    """Inner edges of at most n / 20 equal bins over n real values; the two end bins are open.

    Three bins where the values are constant: below, at and above the constant.
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


def bins_for(n_values: int) -> int:
    """Most bins of a histogram of n values whose edges come from more values than these."""
    return max(2, min(30, n_values // _MIN_VALUES_PER_BIN))


def histogram_counts(values: ArrayLike, edges: ArrayLike) -> np.ndarray:
    """Counts (..., n_bins) along the last axis of values (..., n); NaN is dropped.

    A value on an edge belongs to the bin above.
    """
    inner = as_real_array(edges, "edges").astype(np.float64)
    if inner.ndim != 1 or inner.size == 0 or np.isnan(inner).any() or (np.diff(inner) <= 0).any():
        raise ValueError("edges must be a 1-D array of increasing inner bin edges.")
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
    """Smoothed divergence of histograms along the last axis, in nats; leading axes broadcast."""
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


def smoothed_kl(p: ArrayLike, q: ArrayLike, *, edges: ArrayLike | None = None) -> float:
    r"""Smoothed Kullback-Leibler divergence of two sets of values.

    .. math:: \sum_b P_b \ln \frac{P_b}{Q_b}, \qquad
              P_b = \frac{p_b + 1/2}{\sum_c (p_c + 1/2)},

    with the counts ``p_b`` of real values in bin ``b``, and ``Q`` likewise.

    Parameters
    ----------
    p : array-like
        Real values, any shape; NaN is dropped.
    q : array-like
        Synthetic values, any shape; NaN is dropped.
    edges : array-like of shape (n_bins - 1,), default=None
        Inner edges of the bins; the two end bins are open. None takes equal bins over the range of
        ``p``: at most 30, and at most a twentieth of the number of values.

    Returns
    -------
    float
        KL(p || q) in nats; never negative. NaN if ``p`` or ``q`` holds no value.

    Raises
    ------
    ValueError
        If a value is infinite, or the edges do not increase.

    Notes
    -----
    The divergence grows as samples shrink: compare only values taken with the same numbers of
    ``p`` and ``q`` on the same edges.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import smoothed_kl
    >>> rng = np.random.default_rng(0)
    >>> real, close, far = rng.normal(size=(3, 500)) + [[0], [0.1], [1.0]]
    >>> smoothed_kl(real, close) < smoothed_kl(real, far)
    True
    """
    p, q = _finite_values(p, "p"), _finite_values(q, "q")
    if p.size == 0 or q.size == 0:
        return float("nan")
    edges = histogram_edges(p) if edges is None else edges
    return float(smoothed_kl_from_counts(histogram_counts(p, edges), histogram_counts(q, edges)))


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
        KL(real || synthetic) in nats; NaN if either side holds no value.

    Raises
    ------
    TypeError, ValueError
        If values are not numbers or are infinite, or `bins` is not a positive integer.

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
