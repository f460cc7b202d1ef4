"""Moments of inferred events and residuals, for the initial fit and for the calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh

Floats = NDArray[np.float64]
Parts = Sequence[NDArray[Any]]  # segments, (t, N) each

BIN_FRAMES = 8  # short beside calcium, long beside the frames that inference misplaces events by
_WINSOR = 0.99, 0.995  # quantiles beyond which events, and bins, count no more: artefacts
_ISOLATED = 4  # frames without another event on either side
DENSE = 300  # neurons, up to which matrices are decomposed whole
_ROUNDS = 20
_TINY = 1e-12


def relative_events(events: Parts) -> tuple[list[NDArray[np.float32]], Floats]:
    """Amplitudes relative to each neuron's mean, less 1, of segments; and the means (N,)."""
    n_neurons = events[0].shape[1]
    most = np.zeros(n_neurons, dtype=np.float32)
    for i in range(n_neurons):
        sizes = np.concatenate([part[part[:, i] > 0, i] for part in events])
        most[i] = np.quantile(sizes, _WINSOR[0]) if len(sizes) else 0.0
    clipped = [np.minimum(part, most) for part in events]
    mean = sum(p.sum(axis=0, dtype=np.float64) for p in clipped) / sum(map(len, clipped))
    units = np.where(mean > 0, mean, 1.0).astype(np.float32)
    return [part / units - (mean > 0).astype(np.float32) for part in clipped], mean


def isolated(events: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark events (t, N) that no other one is within four frames of; none near the ends."""
    fired = events > 0
    total = np.cumsum(np.pad(fired, [(_ISOLATED + 1, _ISOLATED), (0, 0)]), axis=0, dtype=np.int32)
    alone = fired & (total[2 * _ISOLATED + 1 :] - total[: -2 * _ISOLATED - 1] == 1)
    alone[:_ISOLATED] = alone[-_ISOLATED:] = False
    return np.asarray(alone)


def binned(parts: Parts, n: int = BIN_FRAMES) -> Floats:
    """Means (B, N) over bins of `n` frames; over whole segments, where all are shorter."""
    n = min(n, max(map(len, parts)))
    bins = [p[: len(p) // n * n].reshape(-1, n, p.shape[1]).mean(axis=1) for p in parts]
    return np.concatenate(bins).astype(np.float64)


def standardised(values: Floats) -> tuple[Floats, Floats]:
    """Values (B, N) of mean 0 and variance 1 without the largest, and their deviations (N,)."""
    values = np.minimum(values, np.quantile(values, _WINSOR[1], axis=0))
    values -= values.mean(axis=0)
    spread = values.std(axis=0)
    return values / np.where(spread > 0, spread, np.inf), spread


def autocovariance(parts: Parts, lag: int) -> Floats:
    """Autocovariance (N,) of segments of mean 0, at a lag in frames; 0 where all are shorter."""
    n_columns = parts[0].shape[1]
    parts = [part for part in parts if len(part) > lag]
    if not parts:
        return np.zeros(n_columns)
    total = sum(np.einsum("tn,tn->n", p[lag:], p[: len(p) - lag], dtype=np.float64) for p in parts)
    return np.asarray(total / sum(len(part) - lag for part in parts))


def shared_memory(parts: Parts, axes: Floats, lags: Sequence[int]) -> Floats:
    """Autocovariances (L, K) along axes (N, K) of what different neurons share."""
    along = [part @ axes.astype(part.dtype) for part in parts]
    own = np.square(axes)
    # What a neuron shares with itself is more than that.
    return np.array([autocovariance(along, lag) - autocovariance(parts, lag) @ own for lag in lags])


def principal_factors(z: Floats, n_factors: int, rng: np.random.Generator) -> Floats:
    """Loadings (N, K) of standardised values (B, N) on factors, with what is chance shrunk away.

    Principal axes with communalities in place of the diagonal are rotated (varimax), so that a
    neuron has few large loadings. Errors are those of neurons that are shifted in time, which share
    nothing; loadings become their posterior means (`_posterior_means`).
    """
    n_bins, n_neurons = z.shape
    # More than covariances determine (Ledermann's bound) would explain whatever there is.
    most = int(n_neurons + 0.5 - np.sqrt(2 * n_neurons + 0.25))
    k = min(n_factors, max(most, 1), n_neurons - 1, n_bins - 1)
    found = np.zeros((n_neurons, n_factors))
    if k < 1 or not z.any():
        return found
    own, loadings = np.square(z).mean(axis=0), np.zeros((n_neurons, k))
    for _ in range(_ROUNDS):
        communality = np.minimum(np.square(loadings).sum(axis=1), 1.0)
        variances, axes = _strongest_axes(z, communality - own, k)
        loadings = axes * np.sqrt(np.maximum(variances, 0.0))
    loadings = _varimax(loadings[:, loadings.any(axis=0)])
    k = loadings.shape[1]
    weights = loadings / np.maximum(1 - np.square(loadings).sum(axis=1), 0.1)[:, np.newaxis]
    scores = z @ weights @ np.linalg.inv(np.eye(k) + loadings.T @ weights)
    scores /= np.maximum(scores.std(axis=0), _TINY)
    chance = np.empty((n_neurons, k))
    for i in range(n_neurons):
        chance[i] = np.roll(z[:, i], int(rng.integers(n_bins))) @ scores / n_bins
    error = np.median(np.abs(chance), axis=0) / 0.6745  # of a Gaussian, one standard deviation
    found[:, :k] = _posterior_means(loadings, error)
    return found


def _strongest_axes(z: Floats, more: Floats, k: int) -> tuple[Floats, Floats]:
    """Largest k eigenvalues and vectors of the covariances of z, with more on the diagonal."""
    n = z.shape[1]
    if n <= DENSE:
        values, vectors = np.linalg.eigh(z.T @ z / len(z) + np.diag(more))
        return values[-k:], vectors[:, -k:]
    return largest_eigenvectors(lambda v: z.T @ (z @ v) / len(z) + more * v, n, k)


def largest_eigenvectors(
    times: Callable[[Floats], Floats], n: int, k: int
) -> tuple[Floats, Floats]:
    """Largest k eigenvalues and vectors of a symmetric matrix, known by its products."""
    operator = LinearOperator((n, n), matvec=times, dtype=np.float64)
    values, vectors = eigsh(operator, k, which="LA", v0=np.ones(n), tol=1e-4)
    return values, vectors


def _varimax(loadings: Floats) -> Floats:
    """Rotate loadings (N, K) so that each neuron has few large ones (Kaiser 1958)."""
    rotation = np.eye(loadings.shape[1])
    for _ in range(50):
        rotated = loadings @ rotation
        u, _, v = np.linalg.svd(
            loadings.T @ (rotated**3 - rotated * np.square(rotated).mean(axis=0))
        )
        rotation = u @ v
    return loadings @ rotation


def _posterior_means(values: Floats, error: Floats) -> Floats:
    """Posterior means of values (N, K) with Gaussian errors (K,).

    A share of each column is 0 and the others are Gaussian; share and variance are those under
    which the values are most likely (expectation maximisation).
    """
    variance = np.maximum(np.square(error), _TINY)
    share, slab = np.full(len(error), 0.5), np.square(values).mean(axis=0) + _TINY
    for _ in range(50):
        kept = slab / (slab + variance)
        evidence = np.minimum(0.5 * np.square(values) * kept / variance, 50.0)
        odds = share / (1 - share) * np.sqrt(1 - kept) * np.exp(evidence)
        seen = odds / (1 + odds)
        share = np.clip(seen.mean(axis=0), 0.01, 0.99)
        slab = (seen * (np.square(kept * values) + kept * variance)).sum(axis=0)
        slab = np.maximum(slab / np.maximum(seen.sum(axis=0), _TINY), _TINY)
    return np.asarray(np.where(seen > 0.5, kept * values, 0.0))
