"""Two-sample statistics: can synthetic windows be told from real ones?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from calgan.data.validation import as_seed, check_choice, check_integer, check_real, rng_from
from calgan.metrics._arrays import as_window_pair
from calgan.metrics.features import Features, feature_pair, window_features
from calgan.metrics.population import pooled_moments

_BATCH_BYTES = 128 * 2**20
# Real windows that the median heuristic looks at: half a million pairs settle a median.
_MEDIAN_WINDOWS = 1000


# --- a classifier -----------------------------------------------------------------------------


def roc_area(positive: np.ndarray, negative: np.ndarray) -> float:
    """Chance that a positive scores above a negative, ties counted half."""
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    n = len(positive)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * len(negative)))


def out_of_fold_scores(X: np.ndarray, y: np.ndarray, fold: np.ndarray, model: Any) -> np.ndarray:
    """Score each row (n,) by a classifier of standardised features fitted on the other folds."""
    from sklearn.preprocessing import StandardScaler  # heavy, and needed by this function only

    score = getattr(model, "decision_function", None)
    scores = np.empty(len(X))
    for k in np.unique(fold):
        test = fold == k
        scaler = StandardScaler().fit(X[~test])
        model.fit(scaler.transform(X[~test]), y[~test])
        tested = scaler.transform(X[test])
        scores[test] = score(tested) if score else model.predict_proba(tested)[:, 1]
    return scores


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
        Synthetic windows, the same length and neurons; preferably about as many.
    features : callable, default=window_features
        Function of windows ``(M, T, N)`` that returns an array ``(M, F)``, or a tuple that starts
        with one. It should treat every window by itself.
    classifier : {"logistic", "forest"}, default="logistic"
        Logistic regression (L2) on standardised features finds differences of their means. A
        random forest finds other differences too, but needs more windows.
    groups : array-like of shape (M,), or tuple of two such arrays, default=None
        Labels of the blocks of time of the real windows; windows of one block are never on both
        sides of a fold, and windows of different blocks must not overlap. A tuple gives labels to
        real and to synthetic windows, None for a side whose windows are independent.
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

    Notes
    -----
    A recording drifts, so a perfect model of the training recording, too, scores above 0.5 against
    held-out windows: compare with as many training windows in place of the samples. Overlapping
    windows need ``groups``, or near copies of the test windows are part of the fit.

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
    real, synthetic = as_window_pair(real, synthetic, same_window=True)
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
    first, second = feature_pair(features, real, synthetic)
    X = np.concatenate([first, second])
    y = np.repeat([0, 1], [len(first), len(second)])
    fold = np.concatenate(folds)
    score = out_of_fold_scores(X, y, fold, model)
    areas = [
        roc_area(score[(y == 1) & (fold == k)], score[(y == 0) & (fold == k)])
        for k in range(n_splits)
    ]
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
    if check_choice(name, "classifier", ("logistic", "forest")) == "logistic":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        200, min_samples_leaf=3, class_weight="balanced", random_state=seed
    )


# --- distances --------------------------------------------------------------------------------


class Standardised:
    """Windows flattened to rows and z-scored by column, a batch of rows at a time."""

    def __init__(
        self,
        windows: np.ndarray,
        mean: np.ndarray | float = 0.0,
        deviation: np.ndarray | float = 1.0,
    ) -> None:
        self.windows, self.mean, self.deviation = windows, mean, deviation
        self.size = windows[0].size
        # Both the rows and the kernel of rows with rows are to fit.
        n_rows = min(_BATCH_BYTES // (8 * max(1, self.size)), math.isqrt(_BATCH_BYTES // 8))
        self.n_rows = max(1, n_rows)

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        part = (self.windows[rows] - self.mean) / self.deviation
        return part.reshape(len(part), -1)

    def slices(self) -> Iterator[slice]:
        """Yield the batches."""
        for start in range(0, len(self), self.n_rows):
            yield slice(start, min(start + self.n_rows, len(self)))


def _standardised_pair(
    real: ArrayLike, synthetic: ArrayLike, features: Features | None
) -> tuple[Standardised, Standardised]:
    """Both sets in the real deviations, without what is constant in the real one."""
    x, y = as_window_pair(real, synthetic, same_window=True)
    if features is not None:
        x, y = (table[:, np.newaxis] for table in feature_pair(features, x, y))
    mean, deviation = pooled_moments(x)
    varies = deviation > 1e-10 * np.abs(mean)  # a feature may vary by rounding only
    if not varies.all():
        x, y = x[:, :, varies], y[:, :, varies]
    mean, deviation = mean[varies], deviation[varies]
    return Standardised(x, mean, deviation), Standardised(y, mean, deviation)


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared Euclidean distance of each row of ``a`` to each row of ``b``."""
    norms = np.einsum("ij,ij->i", a, a)[:, np.newaxis] + np.einsum("ij,ij->i", b, b)
    squared = norms - 2.0 * (a @ b.T)
    squared[squared < 1e-12 * norms] = 0.0  # equal windows, but for rounding
    return squared


def median_distance(X: Standardised) -> float:
    """Median distance between rows: at most `_MEDIAN_WINDOWS` of them, evenly spaced."""
    n = min(len(X), _MEDIAN_WINDOWS)
    chosen = np.linspace(0, len(X) - 1, n).round().astype(int)
    squared = np.empty((n, n))
    parts = [slice(start, start + X.n_rows) for start in range(0, n, X.n_rows)]
    for i, rows in enumerate(parts):
        a = X[chosen[rows]]
        for columns in parts[i:]:
            squared[rows, columns] = _squared_distances(a, X[chosen[columns]])
    return float(np.median(np.sqrt(squared[np.triu_indices(n, 1)])))


KernelSums = tuple[np.ndarray, np.ndarray]
"""Sums of a kernel over pairs of rows, and numbers of pairs, by pairs of blocks (G, H)."""


def kernel_sums(
    a: Standardised,
    b: Standardised,
    bandwidth: float,
    blocks: tuple[np.ndarray, np.ndarray] | None = None,
    apart: np.ndarray | None = None,
) -> KernelSums:
    """Sum the Gaussian kernel over pairs of rows, those that are not `apart` (n, m) left out.

    ``blocks`` holds 1 for each row in its block, (n, G) and (m, H); None is one block a side.
    """
    mine, theirs = blocks or (np.ones((len(a), 1)), np.ones((len(b), 1)))
    total = np.zeros((mine.shape[1], theirs.shape[1]))
    for rows in a.slices():
        first = a[rows]
        for columns in b.slices():
            if a is b and columns.start < rows.start:
                continue  # the kernel is symmetric
            second = first if a is b and columns == rows else b[columns]
            kernel = np.exp(_squared_distances(first, second) / (-2.0 * bandwidth**2))
            if apart is not None:
                kernel = np.where(apart[rows, columns], kernel, 0.0)
            part = mine[rows].T @ kernel @ theirs[columns]
            total += part if a is not b or second is first else part + part.T
    if apart is not None:
        return total, mine.T @ apart @ theirs
    return total, np.outer(mine.sum(axis=0), theirs.sum(axis=0))


def discrepancy(
    own: KernelSums, theirs: KernelSums, cross: KernelSums, weights: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Unbiased squared maximum mean discrepancy (R,) for weights (R, G) and (R, H) of blocks."""

    def mean(sums: KernelSums, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        total, pairs = (
            np.einsum("rg,gh,rh->r", a[:, : len(x)], x, b[:, : x.shape[1]], optimize=True)
            for x in sums
        )
        return np.where(pairs > 0, total / np.where(pairs > 0, pairs, 1.0), np.nan)

    real, other = weights
    return np.asarray(
        mean(own, real, real) + mean(theirs, other, other) - 2.0 * mean(cross, real, other)
    )


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
        Synthetic windows, the same length and neurons; at least 2.
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
        it comes out negative about half of the time then. NaN if everything is constant in
        ``real``, or if most of its windows are identical, so that the median distance is 0.

    Raises
    ------
    ValueError
        If there are fewer than 2 windows on a side.

    Notes
    -----
    What is constant in ``real`` is left out. Frame by frame, long windows of many neurons are all
    about equally far apart, and the test has little power: pass ``features`` then. The estimate is
    unbiased for independent windows; overlapping ones raise it.

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
    if x.size and bandwidth is None:
        bandwidth = median_distance(x)
    if x.size == 0 or not bandwidth:
        return float("nan")
    own, theirs = (
        kernel_sums(side, side, bandwidth, apart=~np.eye(len(side), dtype=bool)) for side in (x, y)
    )
    cross = kernel_sums(x, y, bandwidth)
    one = np.ones((1, 1))
    return float(discrepancy(own, theirs, cross, (one, one))[0])


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
    on directions drawn uniformly from the unit sphere [1]_.

    Parameters
    ----------
    real : array-like of shape (M, T, N)
        Real windows of traces.
    synthetic : array-like of shape (K, T, N)
        Synthetic windows, the same length and neurons; ``K`` may differ from ``M``.
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
        gives about 0.8. NaN if everything is constant in ``real``.

    Raises
    ------
    TypeError, ValueError
        If an array is not windows (M, T, N) of finite numbers, if their frames or neurons differ,
        or `n_projections` is not a positive integer.

    Notes
    -----
    What is constant in ``real`` is left out. Two finite sets from one distribution are some
    distance apart, the more the fewer they are: compare with as many held-out windows. A random
    direction mixes frames and neurons: means and covariances show well, single events hardly.

    References
    ----------
    .. [1] Bonneel, N., Rabin, J., Peyré, G., and Pfister, H. (2015). Sliced and Radon Wasserstein
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
    if x.size == 0:
        return float("nan")
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
