"""Scores of found against true cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from calgan.data.correlation import column_correlations
from calgan.data.recording import Recording
from calgan.data.validation import as_real_array, check_finite, check_real


@dataclass(frozen=True, eq=False)
class DetectionScores:
    """Which found cell is which true one, and how well they agree, from `detection_scores`.

    Parameters
    ----------
    pairs : ndarray of shape (n, 2), int
        Numbers of a found cell and of the true one that it matches, in the order of found cells.
    n_found : int
        Number K of found cells.
    n_true : int
        Number N of true cells.
    distances : ndarray of shape (n,) or None
        Distance of each pair (pixels), of centres.
    overlaps : ndarray of shape (n,) or None
        Intersection over union of each pair, of masks.

    Attributes
    ----------
    precision : float
        Share of the found cells that have a true one, n / K; 0 if none was found.
    recall : float
        Share of the true cells that were found, n / N; 0 if there is none.
    f1 : float
        Harmonic mean of both, 2 n / (K + N); 0 without cells.

    Examples
    --------
    >>> from calgan.metrics import detection_scores
    >>> scores = detection_scores([[9, 5], [30, 8]], [[10, 5]], max_distance=3)
    >>> scores.pairs, scores.distances
    (array([[0, 0]]), array([1.]))
    >>> scores.precision, scores.recall
    (0.5, 1.0)
    """

    pairs: np.ndarray
    n_found: int
    n_true: int
    distances: np.ndarray | None = None
    overlaps: np.ndarray | None = None

    @property
    def precision(self) -> float:
        """Share of the found cells that have a true one; 0 if none was found."""
        return len(self.pairs) / max(1, self.n_found)

    @property
    def recall(self) -> float:
        """Share of the true cells that were found; 0 if there is none."""
        return len(self.pairs) / max(1, self.n_true)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 without cells."""
        return 2 * len(self.pairs) / max(1, self.n_found + self.n_true)

    def trace_correlations(
        self, found: ArrayLike | Recording, true: ArrayLike | Recording
    ) -> np.ndarray:
        """Correlate the traces of each pair.

        Parameters
        ----------
        found : array-like or Recording of shape (T, K)
            Traces of the found cells.
        true : array-like or Recording of shape (T, N)
            Traces of the true cells, of the same frames.

        Returns
        -------
        correlations : ndarray of shape (n,)
            Pearson's r of each pair, over the frames that are in the segments of both. NaN if
            either trace is constant.

        Raises
        ------
        TypeError, ValueError
            If traces are no finite numbers, if they have other numbers of cells than found or true
            ones, or if their frames differ or are fewer than two.
        """
        sides = {"found": (found, self.n_found), "true": (true, self.n_true)}
        traces = {name: _check_traces(X, name, n) for name, (X, n) in sides.items()}
        first, second = traces.values()
        if len(first) != len(second):
            raise ValueError(
                f"found has {len(first)} frames and true {len(second)}; give traces of the same "
                "frames."
            )
        inside = np.ones(len(first), dtype=bool)
        for X in (found, true):
            if isinstance(X, Recording):
                inside &= _inside(X)
        if inside.sum() < 2:
            raise ValueError(
                f"found and true share {inside.sum()} frames; correlations need at least two."
            )
        for name, values in traces.items():
            traces[name] = values[inside][:, self.pairs[:, 0 if name == "found" else 1]]
            check_finite(traces[name], name, axes=("frame", "pair"))
        return column_correlations(traces["found"], traces["true"])


def detection_scores(
    found: ArrayLike,
    truth: ArrayLike,
    *,
    max_distance: float | None = None,
    min_overlap: float | None = None,
) -> DetectionScores:
    r"""Match found with true cells, one to one, and count matches, misses and extra cells.

    Of all matchings with the largest number of pairs, it is the one with the smallest sum of
    distances, or with the largest sum of overlaps. With n pairs of K found and N true cells,

    .. math:: \text{precision} = \frac{n}{K}, \qquad \text{recall} = \frac{n}{N}, \qquad
              F_1 = \frac{2 n}{K + N}.

    Parameters
    ----------
    found : array-like of shape (K, 2) or (K, H, W)
        Centres of the found cells, (x, y) in pixels, or their masks.
    truth : array-like of shape (N, 2) or (N, H, W)
        Those of the true cells.
    max_distance : float, default=None
        Largest distance of a pair (pixels). It takes centres.
    min_overlap : float, default=None
        Smallest overlap of a pair, above 0 and at most 1: pixels in both masks over pixels in
        either. It takes masks, whose pixels are those above 0.

    Returns
    -------
    DetectionScores
        Pairs and scores.

    Raises
    ------
    TypeError, ValueError
        If cells are no finite numbers of a shape above, if the masks of both have other pixels, if
        not exactly one of `max_distance` and `min_overlap` is given, or if it is out of range.

    See Also
    --------
    calgan.plotting.CellsDisplay : Draws found, missed and extra cells.

    Notes
    -----
    A ratio without a denominator is 0: precision if no cell was found, recall if none is true, and
    F1 if neither. Every score depends on the limit: state it beside them. The matching is found
    by the algorithm of [1]_.

    References
    ----------
    .. [1] Crouse, D. F. (2016). On implementing 2D rectangular assignment algorithms. IEEE
       Transactions on Aerospace and Electronic Systems, 52(4), 1679-1696.
       https://doi.org/10.1109/TAES.2016.140952

    Examples
    --------
    >>> from calgan.metrics import detection_scores
    >>> found = [[10, 10], [31, 20], [60, 60]]
    >>> scores = detection_scores(found, [[30, 20], [11, 10]], max_distance=5)
    >>> scores.pairs.tolist()
    [[0, 1], [1, 0]]
    >>> round(scores.precision, 2), scores.recall, scores.f1
    (0.67, 1.0, 0.8)
    """
    if (max_distance is None) == (min_overlap is None):
        given = "neither was" if max_distance is None else "both were"
        raise ValueError(
            "detection_scores takes either max_distance (pixels), for centres, or min_overlap, for "
            f"masks, but {given} given."
        )
    if max_distance is not None:
        limit = check_real("max_distance", max_distance, above=0)
        first, second = _check_centres(found, "found"), _check_centres(truth, "truth")
        distances = cdist(first, second)
        pairs = _best_pairs(-distances / limit, distances <= limit)
        return DetectionScores(pairs, len(first), len(second), distances=distances[tuple(pairs.T)])
    limit = check_real("min_overlap", min_overlap, above=0)
    if limit > 1:
        raise ValueError(f"min_overlap must be at most 1, got {limit:g}.")
    first, second = _check_masks(found, "found"), _check_masks(truth, "truth")
    overlaps = _overlaps(first, second)
    pairs = _best_pairs(overlaps, overlaps >= limit)
    return DetectionScores(pairs, len(first), len(second), overlaps=overlaps[tuple(pairs.T)])


def _best_pairs(gains: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return pairs (n, 2), as many as are allowed, with the largest sum of gains in [-1, 1]."""
    # Another pair is worth more than all gains together.
    worth = np.where(allowed, gains + 2.0 * min(gains.shape) + 1.0, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    pairs = np.stack([rows, columns], axis=1)
    return np.asarray(pairs[allowed[rows, columns]])


def _overlaps(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union (K, N) of masks; 0 where both are empty."""
    if found.size and truth.size and found.shape[1:] != truth.shape[1:]:
        raise ValueError(
            f"the masks of found have {found.shape[1]} x {found.shape[2]} pixels and those of "
            f"truth {truth.shape[1]} x {truth.shape[2]}; give masks of the same movie."
        )
    if not (len(found) and len(truth)):
        return np.empty((len(found), len(truth)))
    first, second = (
        csr_array((masks > 0).reshape(len(masks), -1), dtype=np.int64) for masks in (found, truth)
    )
    both = (first @ second.T).toarray()
    either = np.add.outer(first.sum(axis=1), second.sum(axis=1)) - both
    return np.asarray(both / np.maximum(1, either))


def _check_centres(X: Any, name: str) -> np.ndarray:
    """Return centres (K, 2), finite; what has no value is no cell."""
    array = as_real_array(X, name)
    if array.shape == (0,):
        array = array.reshape(0, 2)
    if array.ndim != 2 or array.shape[1] != 2:
        hint = "; masks take min_overlap instead" if array.ndim == 3 else ""
        raise ValueError(
            f"{name} must hold centres of shape (cells, 2), as max_distance takes, got shape "
            f"{array.shape}{hint}."
        )
    array = array.astype(np.float64)
    check_finite(array, name, axes=("cell", "axis"), advice="leave out those cells")
    return array


def _check_masks(X: Any, name: str) -> np.ndarray:
    """Return masks (K, H, W), finite."""
    array = as_real_array(X, name)
    if array.shape == (0,):
        array = array.reshape(0, 0, 0)
    if array.ndim != 3:
        hint = "; centres take max_distance instead" if array.ndim == 2 else ""
        raise ValueError(
            f"{name} must hold masks of shape (cells, rows, columns), as min_overlap takes, got "
            f"shape {array.shape}{hint}."
        )
    check_finite(array, name, axes=("cell", "row", "column"), advice="set those pixels to 0")
    return array


def _check_traces(X: Any, name: str, n_cells: int) -> np.ndarray:
    array = as_real_array(X, name)
    if array.ndim != 2 or array.shape[1] != n_cells:
        raise ValueError(
            f"{name} must have the shape (frames, {n_cells}), one column for each cell of the "
            f"matching, got shape {array.shape}."
        )
    return array


def _inside(recording: Recording) -> np.ndarray:
    """Tell which frames (T,) are in the segments."""
    inside = np.zeros(recording.n_frames, dtype=bool)
    for start, stop in recording.segments:
        inside[start:stop] = True
    return inside
