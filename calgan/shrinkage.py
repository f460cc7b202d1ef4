"""Empirical Bayes for what pairs of neurons have in common: errors make most of small values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_N_LEVELS = 150  # of the prior
_CLOSEST = 0.02  # levels, in errors
_N_STEPS = 100
_DOUBT = 5.0  # pairs
_MOST_PAIRS = 20_000  # that the prior is fitted to, and that are held at a time
_FEW_SHIFTS, _ENOUGH = 3, 1000  # and how many neurons and shifts are enough together
_TINY = 1e-12


def chance_errors(
    early: NDArray[np.floating], late: NDArray[np.floating], n_blocks: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how large covariances of neurons are by chance, from what is blocks apart in time.

    One neuron's values are taken beside those of another one, a number of blocks later (after the
    last block comes the first): they have nothing in common, and the memory that each of them has.

    Parameters
    ----------
    early, late : ndarray of shape (M, t, N)
        What products are means of: windows in the order of time.
    n_blocks : int
        Blocks of windows that are independent of each other; 2 to M.

    Returns
    -------
    error, order_error : ndarray of shape (N, N)
        Mean squares of the mean of both orders, and of half their difference, in squared units of
        the covariances. The diagonal says nothing.

    Raises
    ------
    ValueError
        If there are fewer than 2 blocks, or more than windows.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.shrinkage import chance_errors
    >>> white = np.random.default_rng(0).standard_normal((50, 8, 3))
    >>> error, order_error = chance_errors(white, white, 10)
    >>> bool(0.5 / 400 < error.mean() < 2 / 400), bool(order_error.max() < 1e-9)
    (True, True)
    """
    if not 2 <= n_blocks <= len(early):
        raise ValueError(
            f"n_blocks must be 2 to {len(early)}, the number of windows, got {n_blocks}."
        )
    n = early.shape[2]
    early, late = (part - part.mean((0, 1)) for part in (early, late))
    first, second = (part.reshape(-1, n) for part in (early, late))
    errors = [np.zeros((n, n)) for _ in range(2)]
    # Errors are smoothed over pairs: where these are many, few shifts will do. Half a recording
    # later is the furthest: more is less, with the two neurons exchanged.
    furthest = n_blocks // 2
    blocks = np.linspace(1, furthest, min(furthest, max(_FEW_SHIFTS, _ENOUGH // n))).round()
    shifts = {round(float(block) * len(early) / n_blocks) for block in blocks}
    for shift in shifts:
        one = first.T @ np.roll(late, shift, axis=0).reshape(-1, n) / len(first)
        other = second.T @ np.roll(early, shift, axis=0).reshape(-1, n) / len(first)
        for total, part in zip(errors, (one + other, one - other), strict=True):
            square = np.square(0.5 * part) / len(shifts)
            total += 0.5 * (square + square.T)
    return errors[0], errors[1]


def shrink_pairs(
    value: NDArray[np.floating],
    error: NDArray[np.float64],
    order_error: NDArray[np.float64],
    scale: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Shrink covariances of different neurons to their posterior means.

    Values are taken in units of both neurons' scales. A pair has the mean of all, a share of each
    neuron, and something of its own. How shares vary is read from them; what pairs have of their
    own has the distribution that makes what is seen most likely, of whatever shape [1]_: where
    most pairs have nothing in common and a few much, the former lose what they seem to have and
    the latter keep it. (A Gaussian distribution counts for five more pairs, so that few pairs do
    not make up a shape; fewer than four neurons have no shares, and what two have stays.) What
    differs between both orders of a pair is shrunk in the same way.

    Parameters
    ----------
    value : ndarray of shape (N, N)
        Covariances, the first neuron before the second; the diagonal is returned as it is.
    error : ndarray of shape (N, N)
        Variance of the mean of both orders, were the two neurons unrelated.
    order_error : ndarray of shape (N, N)
        Variance of half the difference of both orders, likewise; 0 where they are the same.
    scale : ndarray of shape (N,)
        Standard deviations of the neurons. Pairs of a neuron that has none are returned as they
        are.

    Returns
    -------
    ndarray of shape (N, N)

    References
    ----------
    .. [1] Jiang, W., and Zhang, C.-H. (2009). General maximum likelihood empirical Bayes
       estimation of normal means. The Annals of Statistics, 37(4), 1647-1684.
       https://doi.org/10.1214/08-AOS638

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.shrinkage import shrink_pairs
    >>> rng = np.random.default_rng(0)
    >>> truth = np.kron(np.eye(4), np.full((5, 5), 0.5))
    >>> noise = np.triu(0.1 * rng.standard_normal((20, 20)), 1)
    >>> error = np.full((20, 20), 0.01)
    >>> found = shrink_pairs(truth + noise + noise.T, error, 0 * error, np.ones(20))
    >>> others = ~np.eye(20, dtype=bool)
    >>> round(float(np.abs(noise + noise.T)[others].mean()), 3)
    0.085
    >>> round(float(np.abs(found - truth)[others].mean()), 3)
    0.024
    """
    found = np.array(value, dtype=np.float64)
    known = np.flatnonzero(scale > 0)
    n = len(known)
    if n < 2:
        return found
    units = np.outer(scale[known], scale[known])
    inner = np.ix_(known, known)
    ordered = found[inner] / units
    pairs = np.triu_indices(n, 1)
    alike, apart = 0.5 * (ordered + ordered.T), 0.5 * (ordered - ordered.T)
    usual, n_fitted = _usual(alike)
    # What is fitted to values takes its share of their errors along.
    left = 1 - n_fitted / len(pairs[0])
    variance = left * _usual_errors(error[inner] / units**2)[pairs]
    alike[pairs] = usual[pairs] + _posterior_means((alike - usual)[pairs], variance)
    apart[pairs] = _posterior_means(
        apart[pairs], _usual_errors(order_error[inner] / units**2)[pairs], both_signs=True
    )
    ordered[pairs] = (alike + apart)[pairs]
    ordered.T[pairs] = (alike - apart)[pairs]
    found[inner] = np.where(np.eye(n, dtype=bool), found[inner], units * ordered)
    return found


def principal_factors(
    correlation: NDArray[np.float64], n_factors: int, *, n_rounds: int = 50
) -> NDArray[np.float64]:
    """Return loadings on factors whose products are near what is off a matrix's diagonal.

    Principal axes with communalities, no more than 1, in place of the diagonal, in rounds. Where
    there is next to nothing off the diagonal, these grow without an end: fewer rounds then leave
    them small, and factors of many neurons are found in a few.

    Parameters
    ----------
    correlation : ndarray of shape (N, N)
        A correlation matrix; its diagonal is not looked at.
    n_factors : int
        Number of factors K, at most N.
    n_rounds : int, default=50
        Rounds of the search for communalities.

    Returns
    -------
    ndarray of shape (N, K)
        The strongest last.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.shrinkage import principal_factors
    >>> principal_factors(np.full((4, 4), 0.25), 1).round(2).ravel().tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    inner = correlation.copy()
    np.fill_diagonal(inner, 0.0)
    loadings = np.zeros((len(inner), n_factors))
    for _ in range(n_rounds):
        own = np.minimum(np.square(loadings).sum(axis=1), 1.0)
        loadings = strongest_axes(inner + np.diag(own), n_factors)
    return loadings


def strongest_axes(matrix: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Return the strongest principal axes of a matrix, each as long as the root of its variance.

    Parameters
    ----------
    matrix : ndarray of shape (N, N)
        Symmetric.
    k : int
        How many, at most N.

    Returns
    -------
    ndarray of shape (N, k)
        The strongest last; of negative variances nothing is left.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.shrinkage import strongest_axes
    >>> np.abs(strongest_axes(np.diag([4.0, 1.0]), 1)).tolist()
    [[2.0], [0.0]]
    """
    n = len(matrix)
    variances, directions = np.linalg.eigh(matrix)
    return np.asarray(directions[:, n - k :] * np.sqrt(np.maximum(variances[n - k :], 0.0)))


def _usual(value: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return what pairs (N, N) usually have, and how many numbers were fitted for it."""
    n = len(value)
    others = ~np.eye(n, dtype=bool)
    mean = value[others].mean()
    if n < 4:  # or shares would explain whatever there is
        return np.full((n, n), mean), 1.0
    shares = np.where(others, value - mean, 0.0).sum(axis=1) / (n - 2)
    own = (value - mean - shares[:, np.newaxis] - shares)[others]
    n_pairs = n * (n - 1) // 2
    # The variance of shares that are all the same.
    made_up = np.square(own).mean() * n_pairs / (n_pairs - n) / (n - 2)
    trusted = max(1 - made_up / max(float(shares.var(ddof=1)), _TINY), 0.0)
    shares = trusted * shares
    return mean + shares[:, np.newaxis] + shares, 1 + trusted * (n - 1)


def _usual_errors(variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth variances (N, N): each is made a product of one number of either neuron."""
    n = len(variance)
    others = ~np.eye(n, dtype=bool)
    size = float(variance[others].mean())
    if n < 4 or size <= 0:
        return np.full((n, n), size)
    logs = np.log(np.maximum(0.5 * (variance + variance.T), 1e-6 * size))
    mean = logs[others].mean()
    shares = np.where(others, logs - mean, 0.0).sum(axis=1) / (n - 2)
    smooth = np.exp(shares[:, np.newaxis] + shares)
    return np.asarray(smooth * size / smooth[others].mean())


def _posterior_means(
    values: NDArray[np.float64], variance: NDArray[np.float64], *, both_signs: bool = False
) -> NDArray[np.float64]:
    """Return posterior means (K,) of values that have Gaussian errors.

    The prior is that under which the values are most likely, on a grid, as a mixture of Gaussian
    distributions as wide as its levels are apart; with `both_signs` it is symmetric.
    """
    low, high = float(values.min()), float(values.max())
    if both_signs:
        low, high = min(low, -high), max(high, -low)
    if high - low <= _TINY or variance.max() <= 0:
        return values
    # Close to each other where errors are as large as values, and where there are values.
    unit = float(np.sqrt(np.median(variance[variance > 0])))
    ends = np.arcsinh(low / unit), np.arcsinh(high / unit)
    at_values = np.quantile(
        np.concatenate([values, -values]) if both_signs else values,
        np.linspace(0, 1, _N_LEVELS - _N_LEVELS // 2),
    )
    levels = np.append(unit * np.sinh(np.linspace(*ends, _N_LEVELS // 2)), at_values)
    levels.sort()
    if both_signs:
        levels = 0.5 * (levels - levels[::-1])
    apart = np.maximum(np.gradient(levels), _CLOSEST * unit)
    width = np.square(apart)

    def likelihoods(x: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        v = v[:, np.newaxis] + width
        return np.asarray(np.exp(-0.5 * (x[:, np.newaxis] - levels) ** 2 / v) / np.sqrt(v))

    some = slice(None, None, -(-len(values) // _MOST_PAIRS))
    fitted = likelihoods(values[some], variance[some])
    if both_signs:
        fitted = np.concatenate([fitted, fitted[:, ::-1]])
    # Few pairs say little about a shape: a Gaussian distribution counts for some more of them.
    narrow = min(float(apart.min()), (high - low) / _N_LEVELS)
    true = max(float((np.square(values) - variance).mean()), 0.0) + 0.25 * narrow**2
    usual = apart * np.exp(-0.5 * np.square(levels) / true)
    usual *= _DOUBT / usual.sum()
    prior = np.full(_N_LEVELS, 1 / _N_LEVELS)
    for _ in range(_N_STEPS):  # expectation maximisation
        prior = prior * ((1 / (fitted @ prior)) @ fitted) + usual
        if len(values) > _MOST_PAIRS:  # what others have is possible as well
            prior += 1 / _N_LEVELS
        prior /= prior.sum()
    found = np.empty_like(values)
    for start in range(0, len(values), _MOST_PAIRS):
        part = slice(start, start + _MOST_PAIRS)
        x, v = values[part], variance[part]
        weights = likelihoods(x, v) * prior
        # Within a level there is as much doubt as levels are apart.
        kept = width / (width + v[:, np.newaxis])
        within = levels + (x[:, np.newaxis] - levels) * kept
        found[part] = (weights * within).sum(axis=1) / weights.sum(axis=1)
    return found
