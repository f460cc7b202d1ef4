"""Orders of neurons in which similar ones are neighbours, as a 2-D convolution needs it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist, squareform
from sklearn.utils.validation import check_is_fitted

from calgan.data.recording import Recording
from calgan.data.transformer import Transformer, map_frames
from calgan.data.validation import as_real_array, check_choice, is_lazy
from calgan.data.windows import iter_frames

_METHODS = ("correlation", "seriation", "position")
# Sums over frames in another order differ in the last digits, and must not decide between ties.
_DECIMALS = 10


def leaf_order(correlation: Any) -> np.ndarray:
    """Order neurons by the leaves of a tree: average linkage on 1 - correlation (N, N).

    Of the orders in which the tree can be drawn, this is the one with the largest sum of
    correlations between neighbours (Bar-Joseph et al. 2001). Neurons without correlations (NaN)
    go last.
    """
    matrix, defined = _check_correlation(correlation)
    if len(defined) < 3:
        return _with_the_rest_last(defined, len(matrix))
    distances = squareform(np.clip(1.0 - matrix[np.ix_(defined, defined)], 0, None), checks=False)
    turned = _turn(linkage(distances, "average"), -squareform(distances))
    return _with_the_rest_last(defined[turned], len(matrix))


def spectral_order(correlation: Any) -> np.ndarray:
    """Order neurons along the slowest mode of the graph of positive correlations (N, N).

    With S = max(correlation, 0) and D = sum_j S_ij, neurons are sorted by the eigenvector of the
    second largest eigenvalue of D^-1 S (Atkins et al. 1998; Ding and He 2004). Parts of the graph
    without a link follow one another by size; neurons without correlations (NaN) go last.
    """
    matrix, defined = _check_correlation(correlation)
    similarity = np.clip(matrix[np.ix_(defined, defined)], 0, None)
    _, labels = connected_components(similarity, directed=False)
    parts = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    parts.sort(key=len, reverse=True)  # stable: of one size, the smaller index comes first
    order = [defined[part[_slowest_mode(similarity[np.ix_(part, part)])]] for part in parts]
    joined = np.concatenate(order) if order else defined
    return _with_the_rest_last(joined, len(matrix))


def tour_order(positions: Any) -> np.ndarray:
    """Order neurons along a short path through their positions, (N, 2) or (N, 3).

    The path starts far out, goes to the nearest neuron not yet visited, and is then shortened by
    reversing parts of it as long as that helps (2-opt, Croes 1958). On neurons scattered at random
    the mean distance of neighbours is .79 and .77 times the root of the area a neuron (143 and
    1000 neurons); along a Hilbert curve it is .92 and .97.
    """
    points = as_real_array(positions, "positions")
    if points.ndim != 2 or points.shape[1] not in (2, 3) or len(points) == 0:
        raise ValueError(
            "positions must be one (x, y) or (x, y, z) for each neuron, of shape (N, 2) or (N, 3), "
            f"got shape {points.shape}."
        )
    if not np.isfinite(points).all():
        where = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(
            f"positions must be finite, but that of neuron {where} is {points[where].tolist()}; "
            "leave out neurons whose position is unknown."
        )
    distances = squareform(pdist(points.astype(np.float64)))
    return _one_direction(_shorten(distances, _nearest_neighbours(distances)))


class NeuronSorter(Transformer):
    """Reorder neurons so that similar ones are neighbours; the inverse is exact.

    The order of a recording's neurons is that of a segmentation program and means nothing, so a
    2-D convolution over frames and neurons has nothing to share between neighbours: the thesis
    names it as the likely reason why its 2-D networks did not do better [1]_. Views of windows are
    reordered lazily. ROI ids and positions follow their neurons.

    Parameters
    ----------
    method : {"correlation", "seriation", "position"}, default="correlation"
        - "correlation": leaves of a clustering by correlation, drawn so that neighbours are most
          alike [2]_.
        - "seriation": one gradual sequence by correlation, the slowest mode of the graph of
          positive correlations [3]_. For populations with a one-dimensional structure, such as a
          gradient or a travelling wave.
        - "position": a short path through the neurons' positions. Traces are not used.
    positions : array-like of shape (N, 2) or (N, 3), default=None
        Centres of the neurons for ``method="position"``. None takes ``metadata["positions"]`` of
        the `Recording` given to ``fit``; windows do not carry them.

    Attributes
    ----------
    order_ : ndarray of shape (N,), int
        Neuron ``order_[i]`` of the data becomes neuron i.
    n_features_in_ : int
        Number of neurons N.
    roi_ids_ : ndarray of shape (N,) or None
        ROI ids of the data seen by `fit`; data with other ids are refused. ``feature_names_in_``
        are the column names, if `fit` saw a data frame.

    Notes
    -----
    Correlations pool all frames of all windows, a frame as often as windows hold it, and the
    channels of encoded windows, each about its own mean. The mean of a trace dominates its Fourier
    coefficients, so sort before an `FFTEncoder` and not after. Constant neurons correlate with
    nothing and go last. Of encoded windows with more than 2**31 values, that many are taken, in
    windows that are spread evenly.

    References
    ----------
    .. [1] B. M. Li, "Synthesising Realistic Calcium Imaging Data of Neuronal Populations using
       Deep Generative Models", MScR thesis, University of Edinburgh, 2020.
    .. [2] Z. Bar-Joseph, D. K. Gifford and T. S. Jaakkola, "Fast optimal leaf ordering for
       hierarchical clustering", Bioinformatics 17 (suppl. 1), S22-S29, 2001.
       https://doi.org/10.1093/bioinformatics/17.suppl_1.S22
    .. [3] C. Ding and X. He, "Linearized cluster assignment via spectral ordering", ICML 2004.
       https://doi.org/10.1145/1015330.1015407

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import NeuronSorter
    >>> slow, fast = (np.sin(np.arange(100) * rate) for rate in (0.1, 1.0))
    >>> traces = np.stack([slow, fast, slow + 0.1 * fast, fast + 0.1 * slow], axis=1)
    >>> sorter = NeuronSorter().fit(traces)
    >>> sorter.order_
    array([0, 2, 3, 1])
    >>> back = sorter.inverse_transform(sorter.transform(traces))
    >>> np.array_equal(back, traces.astype(np.float32))
    True
    """

    def __init__(self, method: str = "correlation", *, positions: Any = None) -> None:
        self.method = method
        self.positions = positions

    def fit(self, X: Any, y: Any = None) -> NeuronSorter:
        """Learn the order of the neurons.

        Parameters
        ----------
        X : Recording, array-like (T, N), (M, T, N) or (M, T, N, C), list of trials, or WindowView
            A recording, trials, windows or encoded windows.
        y : None
            Ignored.

        Returns
        -------
        NeuronSorter
            The fitted transformer.

        Raises
        ------
        TypeError
            If X does not hold real numbers.
        ValueError
            If the method is unknown; if X has other dimensions, is empty, or holds NaN or infinity;
            if positions are needed and not known, or are not those of X's neurons.
        """
        check_choice(self.method, "method", _METHODS)
        read = self._read(X)
        if self.method == "position":
            order = tour_order(self._find_positions(read.positions, read.n_neurons))
        else:
            rule = leaf_order if self.method == "correlation" else spectral_order
            order = rule(_correlation(read.data, read.n_neurons))
        self.order_ = order
        self._learn(X, read)
        return self

    def transform(self, X: Any) -> Any:
        """Put the neurons in order.

        Parameters
        ----------
        X : Recording, array-like (T, N), (M, T, N) or (M, T, N, C), list of trials, or WindowView
            Data of the neurons seen by `fit`.

        Returns
        -------
        Recording, ndarray shaped like X, float32, list of these, or WindowView
            The same kind as X, lazy for a view, with its ids and positions in the new order.

        Raises
        ------
        ValueError
            If X does not have the neurons that `fit` saw.
        """
        return _reordered(self._check(X).data, self.order_)

    def inverse_transform(self, X: Any) -> Any:
        """Put the neurons back in the order of the recording, bit for bit.

        Parameters
        ----------
        X : Recording, array-like (T, N), (M, T, N) or (M, T, N, C), list of trials, or WindowView
            Data in the order of `transform`, such as a generator's samples.

        Returns
        -------
        Recording, ndarray shaped like X, float32, list of these, or WindowView
            The same kind as X, lazy for a view, with its ids and positions in the new order.

        Raises
        ------
        ValueError
            If X does not have the neurons that `fit` saw.
        """
        check_is_fitted(self)
        ids = None if self.roi_ids_ is None else self.roi_ids_[self.order_]
        return _reordered(self._check(X, roi_ids=ids).data, np.argsort(self.order_))

    def _find_positions(self, known: np.ndarray | None, n_neurons: int) -> np.ndarray:
        positions = known if self.positions is None else self.positions
        if positions is None:
            raise ValueError(
                "method='position' needs the neurons' positions: pass positions=..., of shape "
                "(N, 2), or fit on a Recording with metadata={'positions': ...}; windows do not "
                "carry them."
            )
        points = as_real_array(positions, "positions")
        if points.ndim == 2 and len(points) != n_neurons:
            raise ValueError(
                f"positions holds {len(points)} neurons, but X has {n_neurons}; pass the positions "
                "of the neurons in X, in their order."
            )
        return points


def _reordered(data: Any, order: np.ndarray) -> Any:
    """Return checked data with their neurons, ids and positions in another order."""
    if isinstance(data, list):
        return [_reordered(trial, order) for trial in data]
    if isinstance(data, Recording):
        return data.select(order)
    out = map_frames(data, partial(_take, order=order), getattr(data, "units", None))
    if is_lazy(data) and data.roi_ids is not None:
        return replace(out, roi_ids=data.roi_ids[order])
    return out


# At module level, so that a view mapped through it pickles.
def _take(X: np.ndarray, *, order: np.ndarray) -> np.ndarray:
    return np.take(X, order, axis=min(X.ndim - 1, 2))


def _correlation(data: Any, n_neurons: int) -> np.ndarray:
    """Return the correlations (N, N) over all frames, NaN for constant neurons."""
    n_channels = data.shape[3] if getattr(data, "ndim", 2) == 4 else 1
    covariance = np.zeros((n_neurons, n_neurons))
    spread = np.zeros(n_neurons)
    for channel in range(n_channels):
        origin, total, count = None, np.zeros(n_neurons), 0.0
        for piece, weights in iter_frames(data):
            frames = (piece[..., channel] if piece.ndim == 4 else piece).reshape(-1, n_neurons)
            # From the first frame, so that a constant neuron gives zeros and no rounding errors.
            origin = frames[0].astype(np.float64) if origin is None else origin
            values = frames - origin
            weighted = values if weights is None else values * weights[:, None]
            covariance += weighted.T @ values
            spread += np.einsum("tn,tn->n", weighted, values)
            total += weighted.sum(axis=0)
            count += len(frames) if weights is None else weights.sum()
        covariance -= np.outer(total, total) / count
    variance = np.diag(covariance).copy()
    variance[(spread == 0) | (variance <= 0)] = np.nan
    deviation = np.sqrt(variance)
    return np.clip(np.round(covariance / np.outer(deviation, deviation), _DECIMALS), -1.0, 1.0)


def _check_correlation(correlation: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix as float64, and the indices of the neurons that have correlations."""
    matrix = as_real_array(correlation, "correlation").astype(np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) == 0:
        raise ValueError(
            f"correlation must be a square matrix of shape (N, N), got shape {matrix.shape}."
        )
    defined = np.flatnonzero(np.isfinite(np.diag(matrix)))
    inner = matrix[np.ix_(defined, defined)]
    if not np.isfinite(inner).all():
        raise ValueError(
            "correlation holds NaN or infinity for neurons that have a correlation with "
            "themselves; set the whole row and column of a neuron without correlations to NaN."
        )
    if not np.allclose(inner, inner.T, atol=1e-6):
        raise ValueError("correlation must be symmetric.")
    return matrix, defined


def _with_the_rest_last(order: np.ndarray, n_neurons: int) -> np.ndarray:
    rest = np.setdiff1d(np.arange(n_neurons), order)
    return np.concatenate([_one_direction(order), rest])


def _one_direction(order: np.ndarray) -> np.ndarray:
    return order[::-1].copy() if len(order) and order[0] > order[-1] else order


# scipy.cluster.hierarchy.optimal_leaf_ordering does not find the optimum (scipy issue 11227; of 200
# random trees of 7 leaves, it missed it for 108).
def _turn(tree: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Return the order of a tree's leaves with the largest sum of similarities of neighbours."""
    n = len(similarity)
    leaves = leaves_list(tree)  # in this order the leaves of each node are consecutive
    similarity = similarity[np.ix_(leaves, leaves)]
    first, size = np.empty(2 * n - 1, dtype=np.intp), np.ones(2 * n - 1, dtype=np.intp)
    first[leaves] = np.arange(n)
    children = tree[:, :2].astype(np.intp)

    def range_of(node: int) -> slice:
        return slice(first[node], first[node] + size[node])

    def halves(node: int) -> list[tuple[slice, slice]]:
        """Pair the leaves that can stand at one end of a node with those at the other."""
        if node < n:
            return [(range_of(node), range_of(node))]
        left, right = map(range_of, children[node - n])
        return [(left, right), (right, left)]

    # Dynamic programming: best[u, w] is the largest sum over the smallest node that holds u and w,
    # with these at its ends. Each pair has one such node, so that one matrix holds them all.
    best = np.zeros((n, n))
    for node, (left, right) in enumerate(children, start=n):
        first[node], size[node] = first[left], size[left] + size[right]
        to_right = np.empty((size[left], size[right]))  # from u at one end to k beyond the other
        for near, far in halves(left):
            rows = slice(near.start - first[left], near.stop - first[left])
            to_right[rows] = _max_plus(best[near, far], similarity[far, range_of(right)])
        for near, far in halves(right):
            columns = slice(near.start - first[right], near.stop - first[right])
            best[range_of(left), far] = _max_plus(to_right[:, columns], best[near, far])
        best[range_of(right), range_of(left)] = best[range_of(left), range_of(right)].T

    def far_end(node: int, leaf: int) -> slice:
        return next(far for near, far in halves(node) if near.start <= leaf < near.stop)

    left, right = map(range_of, children[-1])
    u, w = np.unravel_index(np.argmax(best[left, right]), best[left, right].shape)
    order: list[int] = []
    todo = [(2 * n - 2, left.start + int(u), right.start + int(w))]
    while todo:
        node, u, w = todo.pop()
        if node < n:
            order.append(u)
            continue
        a, b = map(int, children[node - n])
        if not first[a] <= u < first[a] + size[a]:
            a, b = b, a
        ends_a, ends_b = far_end(a, u), far_end(b, w)
        total = best[u, ends_a][:, None] + similarity[ends_a, ends_b] + best[ends_b, w]
        m, k = np.unravel_index(np.argmax(total), total.shape)
        todo += [(b, ends_b.start + int(k), w), (a, u, ends_a.start + int(m))]
    return leaves[order]


def _max_plus(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return max_j (A_ij + B_jk): a matrix product of sums and maxima."""
    if min(A.shape[0], B.shape[1]) > A.shape[1]:
        out = np.full((A.shape[0], B.shape[1]), -np.inf)
        for column, row in zip(A.T, B, strict=True):
            np.maximum(out, column[:, None] + row, out=out)
        return out
    if A.shape[0] < B.shape[1]:
        return np.stack([(row[:, None] + B).max(axis=0) for row in A])
    return np.stack([(A + column).max(axis=1) for column in B.T], axis=1)


def _slowest_mode(similarity: np.ndarray) -> np.ndarray:
    """Return the order along the second eigenvector of the random walk on a connected graph."""
    if len(similarity) < 3:
        return np.arange(len(similarity))
    root = np.sqrt(similarity.sum(axis=1))
    # D^-1/2 S D^-1/2 has the eigenvalues of D^-1 S, and is symmetric.
    _, vectors = np.linalg.eigh(similarity / np.outer(root, root))
    return _one_direction(np.argsort(vectors[:, -2] / root, kind="stable"))


def _nearest_neighbours(distances: np.ndarray) -> np.ndarray:
    here = int(np.argmax(distances.sum(axis=1)))
    left = np.ones(len(distances), dtype=bool)
    left[here] = False
    path = [here]
    while left.any():
        here = int(np.argmin(np.where(left, distances[here], np.inf)))
        left[here] = False
        path.append(here)
    return np.array(path)


def _shorten(distances: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Reverse parts of an open path as long as one of them makes it shorter."""
    path, n = path.copy(), len(path)
    tolerance = 1e-9 * float(distances.max(initial=0.0))  # rounding must not keep it going
    improved = True
    while improved:
        improved = False
        for first in range(n - 1):
            # Reversing path[first : last + 1] replaces the links at its two ends, if it has them.
            begin, ends, after = path[first], path[first + 1 :], path[first + 2 :]
            gain = np.zeros(len(ends))
            if first > 0:
                before = path[first - 1]
                gain += distances[before, begin] - distances[before, ends]
            gain[:-1] += distances[ends[:-1], after] - distances[begin, after]
            best = int(np.argmax(gain))
            if gain[best] > tolerance:
                part = slice(first, first + best + 2)
                path[part] = path[part][::-1].copy()
                improved = True
    return path
