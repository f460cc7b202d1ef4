"""Thresholds on Gaussians: from latent correlations to covariances of counts, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.special import ndtr, owens_t

from calgan.data.validation import as_real_array

_CHUNK = 1 << 20  # pairs of thresholds handled at a time
# How close (as a correlation) to the ends of what is possible a covariance is taken as it is. Near
# the lower end many latent correlations give the same one; this picks one near zero.
_MARGIN = 1e-9
_ANGLE_TOLERANCE = 1e-14
_MAX_PARTIAL = 0.999  # of a latent process's partial autocorrelations
_CORNER = 1.0 - 1e-12  # where the derivative by the correlation is not yet infinite


def threshold_covariance(h: ArrayLike, k: ArrayLike, correlation: ArrayLike) -> np.ndarray:
    """Return P(U > h, V > k) - P(U > h) P(V > k) of standard Gaussians U, V; arrays broadcast.

    It is computed from Owen's T function in the quadrant where both probabilities are at most a
    half, so that small ones keep their digits. Infinite thresholds give 0.
    """
    h, k, rho = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (h, k, correlation)))
    if np.isnan(h).any() or np.isnan(k).any() or not (np.abs(rho) <= 1).all():
        raise ValueError("thresholds must not be NaN, and correlations lie within [-1, 1].")
    # Cov(-U > h) = -Cov(U > -h): thresholds of either sign are those of their absolute values.
    sign = np.where((h < 0) ^ (k < 0), -1.0, 1.0)
    a, b, rho = np.abs(h), np.abs(k), sign * rho
    s = np.sqrt((1.0 - rho) * (1.0 + rho))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slope_a = (np.where(a == b, 1.0, b / a) - rho) / s
        slope_b = (np.where(a == b, 1.0, a / b) - rho) / s
    # 0 / 0: two thresholds that are one, at correlation 1.
    slope_a, slope_b = np.nan_to_num(slope_a, posinf=np.inf), np.nan_to_num(slope_b, posinf=np.inf)
    p, q = ndtr(-a), ndtr(-b)
    joint = 0.5 * (p + q) - owens_t(a, slope_a) - owens_t(b, slope_b)
    # The identity is exact at 0, where rounding must not give a covariance.
    excess = np.where(np.isfinite(a) & np.isfinite(b) & (rho != 0), joint - p * q, 0.0)
    return sign * excess


def count_variance(thresholds: ArrayLike) -> np.ndarray:
    """Return the variances (N,) of the counts that thresholds (N, K) make of a latent Gaussian."""
    p = ndtr(-_check_thresholds(thresholds))
    # E[count^2] = sum over k of (2 k - 1) P(count >= k).
    return np.maximum(p @ (2.0 * np.arange(p.shape[1]) + 1.0) - p.sum(axis=1) ** 2, 0.0)


def count_covariance(thresholds: ArrayLike, latent_correlation: ArrayLike) -> np.ndarray:
    """Return the covariance (N, N) of the counts that thresholds (N, K) make of a latent Gaussian.

    Neuron i counts how many of its thresholds its latent variable exceeds; infinite ones never.
    """
    thresholds = _check_thresholds(thresholds)
    latent = _check_matrix(latent_correlation, "latent_correlation", thresholds)
    rows, columns = np.triu_indices(len(thresholds), k=1)
    angle = np.arcsin(np.clip(latent[rows, columns], -1.0, 1.0))
    covariance = np.zeros(latent.shape)
    covariance[rows, columns] = np.concatenate(
        [np.zeros(0)]
        + [
            pair_sums(h, k, group, angle[part])
            for part, h, k, group in _threshold_pairs(thresholds, rows, columns)
        ]
    )
    covariance += covariance.T
    covariance[np.diag_indices_from(covariance)] = count_variance(thresholds)
    return covariance


def latent_correlation(thresholds: ArrayLike, covariance: ArrayLike) -> tuple[np.ndarray, int]:
    """Return the latent correlations that give counts a covariance, and the number clipped.

    The covariance of two counts increases with the latent correlation, so there is one root a pair.
    The matrix need not be positive definite. Pairs whose covariance lies outside what counts with
    these thresholds can have (Frechet's bounds) have the nearest one that they can.
    """
    thresholds = _check_thresholds(thresholds)
    covariance = _check_matrix(covariance, "covariance", thresholds)
    rows, columns = np.triu_indices(len(thresholds), k=1)
    deviation = np.sqrt(count_variance(thresholds))
    scale = deviation[rows] * deviation[columns]
    result, n_clipped = np.eye(len(thresholds)), 0
    for part, h, k, group in _threshold_pairs(thresholds, rows, columns):
        wanted = covariance[rows[part], columns[part]]
        roots, clipped = solve_sums(h, k, group, wanted, scale[part])
        result[rows[part], columns[part]] = result[columns[part], rows[part]] = roots
        n_clipped += int(clipped.sum())
    return result, n_clipped


def nearest_correlation(
    matrix: ArrayLike, *, tol: float = 1e-8, max_iter: int = 2000
) -> np.ndarray:
    """Return the correlation matrix nearest to a symmetric matrix in the Frobenius norm.

    Alternating projections with Dykstra's correction, without which they would end in some common
    point and not in the nearest (Higham, IMA Journal of Numerical Analysis 22, 2002).
    """
    unit = check_symmetric(matrix, "matrix")
    correction = np.zeros_like(unit)
    for _ in range(max_iter):
        shifted = unit - correction
        semidefinite = _clip_eigenvalues(shifted)
        correction = semidefinite - shifted
        unit = semidefinite.copy()
        np.fill_diagonal(unit, 1.0)
        if np.linalg.norm(unit - semidefinite) <= tol * np.linalg.norm(unit):
            break
    return _unit_diagonal(_clip_eigenvalues(unit))


def nearest_count_correlation(
    thresholds: ArrayLike, covariance: ArrayLike, latent: ArrayLike, *, max_iter: int = 100
) -> np.ndarray:
    """Improve a latent correlation matrix until the counts' correlations are nearest to a target.

    The nearest latent correlations need not give the nearest counts: for sparse neurons -0.3 and -1
    give nearly the same covariance. This minimises the squared error of the counts' correlations by
    L-BFGS, over products of unit vectors.
    """
    thresholds = _check_thresholds(thresholds)
    covariance = _check_matrix(covariance, "covariance", thresholds)
    latent = _check_matrix(latent, "latent", thresholds)
    deviation = np.sqrt(count_variance(thresholds))
    varying = np.flatnonzero(deviation > 0)
    rows, columns = np.triu_indices(len(varying), k=1)
    thresholds, deviation = thresholds[varying], deviation[varying]
    scale = deviation[rows] * deviation[columns]
    wanted = covariance[np.ix_(varying, varying)][rows, columns] / scale

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        vectors = flat.reshape(len(varying), -1)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors / length
        angle = np.arcsin(np.clip((unit @ unit.T)[rows, columns], -_CORNER, _CORNER))
        error, slope = np.empty(len(rows)), np.empty(len(rows))
        for part, h, k, group in _threshold_pairs(thresholds, rows, columns):
            now, size = angle[part], scale[part]
            error[part] = pair_sums(h, k, group, now) / size - wanted[part]
            slope[part] = _slopes(h, k, group, now) / (np.cos(now) * size)
        gradient = np.zeros((len(varying), len(varying)))
        gradient[rows, columns] = error * slope
        ascent = (gradient + gradient.T) @ unit
        ascent -= unit * np.sum(ascent * unit, axis=1, keepdims=True)
        return 0.5 * float(error @ error), (ascent / length).ravel()

    result = latent.copy()
    if len(rows):
        root = square_root(latent[np.ix_(varying, varying)])
        found = minimize(
            loss, root.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": max_iter}
        )
        unit = found.x.reshape(root.shape)
        unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
        result[np.ix_(varying, varying)] = _unit_diagonal(unit @ unit.T)
    return result


def square_root(correlation: np.ndarray) -> np.ndarray:
    """Return A with A @ A.T a correlation matrix, and rows of length 1."""
    values, vectors = eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return root / np.linalg.norm(root, axis=1, keepdims=True)


# ---------------------------------------------------------------------- pairs of thresholds


def threshold_pairs_of(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flatten the pairs of finite thresholds of rows of a and b (P, K), and the row of each."""
    h, k = np.broadcast_arrays(a[:, :, None], b[:, None, :])
    finite = np.isfinite(h) & np.isfinite(k)
    return h[finite], k[finite], np.nonzero(finite)[0]


def _threshold_pairs(
    thresholds: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield parts of the pairs of neurons, with all their pairs of thresholds."""
    step = max(1, _CHUNK // thresholds.shape[1] ** 2)
    for first in range(0, len(rows), step):
        part = slice(first, min(len(rows), first + step))
        yield part, *threshold_pairs_of(thresholds[rows[part]], thresholds[columns[part]])


def pair_sums(h: np.ndarray, k: np.ndarray, group: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Sum the covariances of thresholds over each group, whose latent correlation is sin(angle)."""
    values = threshold_covariance(h, k, np.sin(angle)[group])
    return np.bincount(group, values, minlength=len(angle))


def _slopes(h: np.ndarray, k: np.ndarray, group: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Differentiate `pair_sums` by the angle."""
    rho, cosine = np.sin(angle)[group], np.cos(angle)[group]
    exponent = ((h - k) ** 2 + 2.0 * h * k * (1.0 - rho)) / (2.0 * cosine**2)
    return np.bincount(group, np.exp(-exponent) / (2.0 * np.pi), minlength=len(angle))


def solve_sums(
    h: np.ndarray, k: np.ndarray, group: np.ndarray, wanted: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the latent correlation of each group at which its covariances sum to `wanted`.

    `scale` (the product of two deviations) says what is small. Returns the correlations, and which
    of the wanted sums are out of reach.
    """
    n_groups = len(wanted)
    quarter = np.full(n_groups, 0.5 * np.pi)
    low, high = pair_sums(h, k, group, -quarter), pair_sums(h, k, group, quarter)
    margin = _MARGIN * scale
    clipped = (wanted < low - margin - 1e-12) | (wanted > high + margin + 1e-12)
    wanted = np.minimum(np.maximum(wanted, low + margin), high - margin)
    left, right = -quarter, quarter.copy()
    angle = np.zeros(n_groups)
    active = np.flatnonzero((scale > 0) & (wanted != 0))
    while len(active):
        position = np.full(n_groups, -1)
        position[active] = np.arange(len(active))
        mine = position[group] >= 0
        if not mine.all():  # what has converged is not computed again
            h, k, group = h[mine], k[mine], group[mine]
        index, now = position[group], angle[active]
        value = pair_sums(h, k, index, now) - wanted[active]
        slope = _slopes(h, k, index, now)
        above = value > 0
        right[active[above]] = now[above]
        left[active[~above]] = now[~above]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = now - value / slope
        inside = (step > left[active]) & (step < right[active])
        angle[active] = np.where(inside, step, 0.5 * (left[active] + right[active]))
        moved = np.abs(angle[active] - now)
        settled = (moved < _ANGLE_TOLERANCE) | (value == 0)
        angle[active[value == 0]] = now[value == 0]
        active = active[~settled]
    return np.sin(angle), clipped


# ---------------------------------------------------------------------- matrices and series


def check_symmetric(matrix: Any, name: str) -> np.ndarray:
    """Return a square, symmetric, finite matrix, or refuse it."""
    array = as_real_array(matrix, name).astype(np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.size == 0:
        raise ValueError(f"{name} must be a square matrix, got shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinity.")
    if not np.allclose(array, array.T, rtol=1e-5, atol=1e-8 * np.abs(array).max()):
        i, j = np.unravel_index(np.argmax(np.abs(array - array.T)), array.shape)
        raise ValueError(
            f"{name} must be symmetric, but entry ({i}, {j}) is {array[i, j]:.4g} and ({j}, {i}) "
            f"is {array[j, i]:.4g}."
        )
    return 0.5 * (array + array.T)


def _check_thresholds(thresholds: ArrayLike) -> np.ndarray:
    array = as_real_array(thresholds, "thresholds").astype(np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            "thresholds must have one row a neuron, and a column for each count, got shape "
            f"{array.shape}; write those of binary spikes as [[h_1], [h_2], ...]."
        )
    if np.isnan(array).any():
        raise ValueError("thresholds contains NaN; a count that is never reached has infinity.")
    return array


def _check_matrix(matrix: ArrayLike, name: str, thresholds: np.ndarray) -> np.ndarray:
    array = check_symmetric(matrix, name)
    if len(array) != len(thresholds):
        raise ValueError(
            f"{name} is for {len(array)} neurons, but the thresholds for {len(thresholds)}."
        )
    return array


def _clip_eigenvalues(matrix: np.ndarray) -> np.ndarray:
    """Project onto the positive semidefinite matrices."""
    values, vectors = eigh(matrix)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def _unit_diagonal(matrix: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diag(matrix))
    matrix = matrix / np.outer(scale, scale)
    np.fill_diagonal(matrix, 1.0)
    return 0.5 * (matrix + matrix.T)


def durbin_levinson(
    autocorrelation: np.ndarray,
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Find the best linear predictors from 0, 1, ... past values, by Durbin and Levinson.

    Partial autocorrelations of 1 or more, which no process has, are cut off. Returns the
    autocorrelations that are left, the predictors' weights (the latest value first) and the
    variances of their errors.
    """
    possible = autocorrelation.astype(np.float64).copy()
    predictors, variances = [np.zeros(0)], [1.0]
    for lag in range(len(possible)):
        weights, variance = predictors[-1], variances[-1]
        known = float(weights @ possible[:lag][::-1])
        partial = np.clip((possible[lag] - known) / variance, -_MAX_PARTIAL, _MAX_PARTIAL)
        possible[lag] = known + partial * variance
        predictors.append(np.append(weights - partial * weights[::-1], partial))
        variances.append(variance * (1.0 - partial**2))
    return possible, predictors, np.array(variances)
