"""The three published divergences: firing rate, correlation, van Rossum distance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from calgan.metrics._arrays import as_window_pair
from calgan.metrics._divergence import (
    histogram_edges,
    smoothed_kl,
    thesis_kl,
)
from calgan.metrics._spikes import (
    bin_frames_for,
    firing_rate,
    pairwise_correlation,
    van_rossum_distance,
)

_PROTOCOLS = ("blocked", "thesis")


def _check_request(
    real: ArrayLike, synthetic: ArrayLike, protocol: str, edges_from: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Validate the inputs that the three divergences share; the third array gives the edges."""
    if protocol not in _PROTOCOLS:
        raise ValueError(f"protocol must be 'blocked' or 'thesis', got {protocol!r}.")
    real, synthetic = as_window_pair(real, synthetic, ("real_spikes", "synthetic_spikes"))
    if protocol == "thesis" and edges_from is not None:
        raise ValueError(
            "edges_from does not go with protocol='thesis', whose bins span the pooled range "
            "of both samples; leave it None."
        )
    if edges_from is None:
        return real, synthetic, real
    _, reference = as_window_pair(real, edges_from, ("real_spikes", "edges_from"))
    return real, synthetic, reference


def _check_pairs_exist(real: np.ndarray) -> None:
    if real.shape[2] < 2:
        raise ValueError("real_spikes has one neuron; a statistic of pairs needs at least two.")


def _mean_over_windows(real: np.ndarray, synthetic: np.ndarray) -> float:
    """The published mean of one divergence per window, real window i against synthetic i."""
    if len(real) != len(synthetic):
        raise ValueError(
            f"protocol='thesis' compares window i with window i, but there are {len(real)} real "
            f"and {len(synthetic)} synthetic windows; pass as many of each."
        )
    values = np.array([thesis_kl(r, s) for r, s in zip(real, synthetic, strict=True)])
    defined = values[~np.isnan(values)]  # a window of silent neurons has no correlations
    return float(defined.mean()) if defined.size else float("nan")


def _pair_divergence(
    statistic: Callable[[np.ndarray], np.ndarray],
    real: np.ndarray,
    synthetic: np.ndarray,
    reference: np.ndarray,
    protocol: str,
) -> float:
    """Divergence of a statistic (M, P) of pairs: pooled, or window by window as published."""
    _check_pairs_exist(real)
    real_values, synthetic_values = statistic(real), statistic(synthetic)
    if protocol == "thesis":
        return _mean_over_windows(real_values, synthetic_values)
    edge_values = real_values if reference is real else statistic(reference)
    return smoothed_kl(real_values, synthetic_values, edges=histogram_edges(edge_values))


def firing_rate_kl(
    real_spikes: ArrayLike,
    synthetic_spikes: ArrayLike,
    frame_rate: float,
    *,
    protocol: str = "blocked",
    edges_from: ArrayLike | None = None,
) -> float:
    """Divergence of each neuron's firing rates over windows, averaged over neurons.

    Parameters
    ----------
    real_spikes : array-like of shape (M, T, N)
        Real spikes.
    synthetic_spikes : array-like of shape (K, T, N)
        Synthetic spikes of the same neurons.
    frame_rate : float
        Frames per second (Hz).
    protocol : {"blocked", "thesis"}, default="blocked"
        ``"blocked"`` is :func:`smoothed_kl` on bins from real data; ``"thesis"`` is
        :func:`thesis_kl`, as published.
    edges_from : array-like of shape (L, T, N), default=None
        Real spikes from which the bin edges are read, ``real_spikes`` by default. Pass the
        same array (held-out and training windows joined) to every comparison of a report.
        Blocked protocol only.

    Returns
    -------
    float
        KL(real || synthetic) in nats, mean over the ``N`` neurons.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import firing_rate_kl
    >>> rng = np.random.default_rng(0)
    >>> real = rng.random((200, 50, 3)) < 0.1
    >>> busy = rng.random((200, 50, 3)) < 0.2
    >>> firing_rate_kl(real, real, 10.0)
    0.0
    >>> firing_rate_kl(real, busy, 10.0) > 0.5
    True
    """
    real, synthetic, reference = _check_request(real_spikes, synthetic_spikes, protocol, edges_from)
    real_rates, synthetic_rates = firing_rate(real, frame_rate), firing_rate(synthetic, frame_rate)
    if protocol == "thesis":
        values = [thesis_kl(r, s) for r, s in zip(real_rates.T, synthetic_rates.T, strict=True)]
        return float(np.mean(values))
    edge_rates = real_rates if reference is real else firing_rate(reference, frame_rate)
    # The bins must suit the sample that is compared, not the larger one that spans the range.
    max_bins = max(2, min(30, len(real) // 20))
    values = [
        smoothed_kl(r, s, edges=histogram_edges(e, max_bins=max_bins))
        for r, s, e in zip(real_rates.T, synthetic_rates.T, edge_rates.T, strict=True)
    ]
    return float(np.mean(values))


def correlation_kl(
    real_spikes: ArrayLike,
    synthetic_spikes: ArrayLike,
    frame_rate: float,
    *,
    protocol: str = "blocked",
    edges_from: ArrayLike | None = None,
) -> float:
    """Divergence of the pairwise correlations of spikes in half-second bins.

    Parameters
    ----------
    real_spikes : array-like of shape (M, T, N)
        Real spikes.
    synthetic_spikes : array-like of shape (K, T, N)
        Synthetic spikes of the same neurons; ``K = M`` for the thesis protocol.
    frame_rate : float
        Frames per second (Hz).
    protocol : {"blocked", "thesis"}, default="blocked"
        ``"blocked"`` pools all windows and pairs into one :func:`smoothed_kl`; ``"thesis"``
        averages a :func:`thesis_kl` per window, as published.
    edges_from : array-like of shape (L, T, N), default=None
        Real spikes from which the bin edges are read, ``real_spikes`` by default. Blocked
        protocol only.

    Returns
    -------
    float
        KL(real || synthetic) in nats. Pairs with a silent neuron have no correlation and are
        left out, so that a generator of mostly silent neurons is judged on the few others (on
        none: as uniform over the bins). Firing rates show what this hides.

    Raises
    ------
    ValueError
        If a window does not hold two bins.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import correlation_kl
    >>> rng = np.random.default_rng(0)
    >>> together = np.repeat(rng.random((50, 80, 1)) < 0.2, 3, axis=2)
    >>> apart = rng.random((50, 80, 3)) < 0.2
    >>> correlation_kl(apart, together, 10.0) > correlation_kl(apart, apart, 10.0)
    True
    """
    real, synthetic, reference = _check_request(real_spikes, synthetic_spikes, protocol, edges_from)
    bin_frames = bin_frames_for(frame_rate)
    width = min(len(real[0]), len(synthetic[0]))
    if width < 2 * bin_frames:
        raise ValueError(
            f"windows of {width} frames do not hold two bins of half a second ({bin_frames} frames "
            "each), so that spikes have no correlation; use wider windows."
        )
    return _pair_divergence(
        lambda spikes: pairwise_correlation(spikes, bin_frames=bin_frames),
        real,
        synthetic,
        reference,
        protocol,
    )


def van_rossum_kl(
    real_spikes: ArrayLike,
    synthetic_spikes: ArrayLike,
    frame_rate: float,
    *,
    protocol: str = "blocked",
    edges_from: ArrayLike | None = None,
) -> float:
    """Divergence of the pairwise van Rossum distances (time constant 1 s).

    Parameters
    ----------
    real_spikes : array-like of shape (M, T, N)
        Real spikes.
    synthetic_spikes : array-like of shape (K, T, N)
        Synthetic spikes of the same neurons; ``K = M`` for the thesis protocol.
    frame_rate : float
        Frames per second (Hz).
    protocol : {"blocked", "thesis"}, default="blocked"
        ``"blocked"`` pools all windows and pairs into one :func:`smoothed_kl`; ``"thesis"``
        averages a :func:`thesis_kl` per window, as published.
    edges_from : array-like of shape (L, T, N), default=None
        Real spikes from which the bin edges are read, ``real_spikes`` by default. Blocked
        protocol only.

    Returns
    -------
    float
        KL(real || synthetic) in nats.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import van_rossum_kl
    >>> rng = np.random.default_rng(0)
    >>> real = rng.random((50, 40, 3)) < 0.1
    >>> van_rossum_kl(real, np.zeros_like(real), 10.0) > 1.0
    True
    """
    real, synthetic, reference = _check_request(real_spikes, synthetic_spikes, protocol, edges_from)
    return _pair_divergence(
        lambda spikes: van_rossum_distance(spikes, frame_rate),
        real,
        synthetic,
        reference,
        protocol,
    )
