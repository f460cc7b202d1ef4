"""Can whole windows be told from held-out ones? A classifier, a kernel, and slices, with blocks.

Everything here reads features of single windows (`calgan.metrics.window_features`). The windows are
drawn apart from those of the other statistics: in folds of contiguous time, so that no frame is on
both sides of a fold, and as many in each fold on every side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calgan.data.drawing import WindowSource
from calgan.data.validation import rng_from
from calgan.evaluation._bootstrap import resampling_weights
from calgan.evaluation.statistics._base import (
    StatisticInfo,
    area_between,
    distribution_functions,
    quantile_grid,
)
from calgan.metrics import window_features
from calgan.metrics.two_sample import _squared_distances, make_classifier

_MAX_FOLDS = 5
_N_DIRECTIONS = 128
# A kernel of so many windows with as many is cheap; more would settle nothing.
_MAX_WINDOWS = 1000
_CHUNK_VALUES = 2_000_000
# Pairs of windows behind the bandwidth of the kernel: their median is settled by fewer.
_MEDIAN_WINDOWS = 1000

INFOS = (
    StatisticInfo(
        "classifier_auc", "classifier AUC", "window", judged_by="difference", limits=(0.0, 1.0)
    ),
    StatisticInfo(
        "shape_classifier_auc",
        "classifier AUC, shape only",
        "window",
        judged_by="difference",
        limits=(0.0, 1.0),
    ),
    StatisticInfo(
        "feature_mmd",
        "squared MMD of features",
        "window",
        trained_by=("mmd", "feature_mmd"),
        judged_by="difference",
        limits=(-np.inf, np.inf),
    ),
    StatisticInfo(
        "feature_sliced_w1",
        "sliced W1 of features",
        "window",
        unit="sd",
        trained_by=("sliced_wasserstein", "feature_sliced_w1"),
    ),
)
"""Rows of the table, in its order."""

_Sums = tuple[np.ndarray, np.ndarray]
_Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FoldedWindows:
    """Features of windows in folds that share no frames.

    Attributes
    ----------
    table : ndarray of shape (U, F)
        Features of the distinct windows.
    draws : ndarray of shape (D, k, m)
        Rows of the table: m windows in each of k folds, D times.
    blocks : ndarray of shape (U,)
        The contiguous block of time that each window belongs to.
    position : ndarray of shape (U,)
        First frame of each window: closer than a window means frames in common.
    """

    table: np.ndarray
    draws: np.ndarray
    blocks: np.ndarray
    position: np.ndarray

    @property
    def n_blocks(self) -> int:
        """Number of blocks of time."""
        return int(self.blocks.max()) + 1

    def draw(self, number: int) -> np.ndarray:
        """Return the windows (k, m) of a draw, the only one for all numbers if there is one."""
        return np.asarray(self.draws[number % len(self.draws)])


@dataclass(frozen=True)
class TwoSample:
    """Values of the rows by group, and what a bootstrap over blocks makes of them.

    Attributes
    ----------
    values : dict of str to dict of str to float
        Mean over draws by group and statistic. NaN where there is none.
    replicates : dict of str to dict of str to ndarray of shape (R,)
        The same of resampled blocks; empty without a bootstrap.
    scores : dict of str to ndarray of shape (2, D, k, m)
        What the classifier makes of held-out windows and of the group's, each by a classifier that
        did not see its fold: log odds of being no held-out window.
    n_folds : int
        Number of folds k; 1 where the recordings are too short for a classifier.
    """

    values: dict[str, dict[str, float]]
    replicates: dict[str, dict[str, np.ndarray]]
    scores: dict[str, np.ndarray]
    n_folds: int


def judge_windows(
    real: WindowSource,
    train: WindowSource | None,
    samples: Mapping[str, np.ndarray],
    *,
    n: int,
    n_draws: int,
    frame_rate: float,
    controls: Sequence[str],
    n_bootstrap: int,
    seed: int,
) -> TwoSample | None:
    """Draw windows in folds and compare the held-out ones with every group.

    Parameters
    ----------
    real, train : WindowSource
        Held-out and training recording.
    samples : mapping of str to ndarray of shape (M, T, N)
        Independent windows: "synthetic", dealt out anew in every draw, and controls.
    n : int
        Most windows on either side.
    n_draws : int
        Draws of windows that are averaged.
    frame_rate : float
        Frames per second (Hz).
    controls : sequence of str
        Controls asked for.
    n_bootstrap : int
        Resamplings of blocks; 0 for none.
    seed : int
        Seed of the evaluation.

    Returns
    -------
    TwoSample or None
        None where nothing varies among the real windows.
    """
    n = min(n, _MAX_WINDOWS)
    sources = [source for source in (real, train) if source is not None]
    n_folds = count_folds(sources, n)
    shape = (n_draws, n_folds, n // n_folds)
    # A stream of its own for each group: no number depends on which controls there are.
    own = fold_recording(real, ("real",), shape, frame_rate, rng_from(seed, 5, 0))["real"]
    others: dict[str, FoldedWindows] = {}
    for name, windows in samples.items():
        rng = rng_from(seed, 5, 1 + (name != "synthetic"))
        draws = n_draws if name == "synthetic" else 1
        others[name] = fold_samples(windows, (draws, *shape[1:]), frame_rate, rng)
    if train is not None:
        # The replay is drawn even if it was not asked for: scales are read from both.
        names = ("train", "replay")
        drawn = fold_recording(train, names, shape, frame_rate, rng_from(seed, 5, 3))
        others |= {name: drawn[name] for name in names if name == "train" or name in controls}
    if "shuffled" in controls:
        rng = rng_from(seed, 5, 4)
        others["shuffled"] = fold_shuffled(sources[-1], *shape[1:], frame_rate, rng)
    return compare_windows(
        own,
        others,
        n_neurons=real.n_neurons,
        window=real.window,
        resampled=[name for name in ("synthetic", "train") if name in others],
        n_bootstrap=n_bootstrap,
        seed=seed,
    )


def count_folds(sources: Sequence[WindowSource], n: int) -> int:
    """Return into how many folds the recordings go, each about two windows long or more.

    1 where even two are not to be had.
    """
    fitting = min(source.n_independent for source in sources)
    n_folds = min(_MAX_FOLDS, max(fitting // 2, 2), n // 2)
    while n_folds > 1 and any(
        len(part) == 0 for source in sources for part in fold_starts(source, n_folds)
    ):
        n_folds -= 1
    return n_folds


def fold_starts(source: WindowSource, n_folds: int) -> list[np.ndarray]:
    """Split a recording into equal segments of time and return the windows inside of each.

    Returns
    -------
    list of ndarray
        Positions in ``source.starts``. No frame belongs to windows of two folds: those that cross
        from one segment into the next are left out.
    """
    first, end = source.starts[0], source.starts[-1] + source.window
    borders = np.round(np.linspace(first, end, n_folds + 1)).astype(int)
    return [
        np.flatnonzero((source.starts >= low) & (source.starts + source.window <= high))
        for low, high in zip(borders[:-1], borders[1:], strict=True)
    ]


def fold_recording(
    source: WindowSource,
    names: Sequence[str],
    shape: tuple[int, int, int],
    frame_rate: float,
    rng: np.random.Generator,
) -> dict[str, FoldedWindows]:
    """Draw windows of a recording at random starts in each fold, for each of `names`.

    Parameters
    ----------
    source : WindowSource
        The recording.
    names : sequence of str
        What each kind of draw is called. Later names take, as long as there are any, the starts
        that earlier ones left over.
    shape : tuple of int
        Draws, folds and windows a fold.
    frame_rate : float
        Frames per second (Hz).
    rng : numpy.random.Generator
        Source of the starts.
    """
    n_draws, n_folds, size = shape
    starts = fold_starts(source, n_folds)
    picks = np.empty((len(names), n_draws, n_folds, size), dtype=int)
    for draw in range(n_draws):
        for fold, choices in enumerate(starts):
            order = rng.permutation(choices)
            for kind in range(len(names)):
                # Once each as long as there are enough of them, then once more.
                picks[kind, draw, fold] = np.resize(np.roll(order, -kind * size), size)
    used, inverse = np.unique(picks, return_inverse=True)
    steps = np.arange(source.window)
    table = _features(
        lambda rows: source.frames[source.starts[used[rows], None] + steps],
        len(used),
        source.window * source.n_neurons,
        frame_rate,
    )
    blocks, position = source.groups[used], source.starts[used]
    inverse = inverse.reshape(picks.shape)
    return {
        name: FoldedWindows(table, inverse[kind], blocks, position)
        for kind, name in enumerate(names)
    }


def fold_shuffled(
    source: WindowSource, n_folds: int, size: int, frame_rate: float, rng: np.random.Generator
) -> FoldedWindows:
    """Draw windows in which each neuron comes from another window of the same fold, once."""
    rows = []
    for choices in fold_starts(source, n_folds):
        picked = source.starts[np.resize(rng.permutation(choices), size)]
        rows.append(rng.permuted(np.repeat(picked[:, None], source.n_neurons, axis=1), axis=0))
    starts = np.concatenate(rows)[:, None, :]
    neurons, steps = np.arange(source.n_neurons), np.arange(source.window)[:, None]
    table = _features(
        lambda part: source.frames[starts[part] + steps, neurons],
        len(starts),
        source.window * source.n_neurons,
        frame_rate,
    )
    index = np.arange(len(table))
    # Windows of one fold have frames of single neurons in common; with one fold, all would.
    position = (index // size if n_folds > 1 else index) * source.window
    return FoldedWindows(
        table, index.reshape(1, n_folds, size), np.zeros(len(table), int), position
    )


def fold_samples(
    samples: np.ndarray,
    shape: tuple[int, int, int],
    frame_rate: float,
    rng: np.random.Generator,
) -> FoldedWindows:
    """Deal independent windows out to folds, anew in every draw."""
    n_draws, n_folds, size = shape
    n = n_folds * size
    picks = np.stack([rng.permutation(len(samples))[:n] for _ in range(n_draws)])
    used, inverse = np.unique(picks, return_inverse=True)
    table = _features(lambda rows: samples[used[rows]], len(used), samples[0].size, frame_rate)
    index = np.arange(len(used))
    return FoldedWindows(
        table, inverse.reshape(shape), index * 24 // len(used), index * samples.shape[1]
    )


def _features(
    gather: Callable[[slice], np.ndarray], n: int, n_values: int, frame_rate: float
) -> np.ndarray:
    size = max(1, _CHUNK_VALUES // n_values)
    return np.concatenate(
        [
            window_features(gather(slice(start, start + size)), frame_rate)[0]
            for start in range(0, n, size)
        ]
    )


class _ClassifierArea:
    """Area under the ROC curve of given scores, for block weights; mean over folds."""

    def __init__(self, scores: np.ndarray, blocks: tuple[np.ndarray, np.ndarray]) -> None:
        n_blocks = [int(each.max()) + 1 for each in blocks]
        n_folds = scores.shape[1]
        self.wins = np.empty((n_folds, *n_blocks))
        self.n_real, self.n_other = (np.empty((n_folds, n)) for n in n_blocks)
        for fold in range(n_folds):
            real, other = (each[fold] for each in scores)
            # How often a window of a block of theirs scores above one of a block of ours.
            above = (other > real[:, None]) + 0.5 * (other == real[:, None])
            mine, theirs = (_one_hot(b[fold], n) for b, n in zip(blocks, n_blocks, strict=True))
            self.wins[fold] = mine.T @ above @ theirs
            self.n_real[fold], self.n_other[fold] = mine.sum(axis=0), theirs.sum(axis=0)

    def __call__(self, real: np.ndarray, other: np.ndarray) -> np.ndarray:
        real, other = (
            weights[:, : n.shape[1]] for weights, n in ((real, self.n_real), (other, self.n_other))
        )
        wins = np.einsum("rg,fgh,rh->rf", real, self.wins, other, optimize=True)
        pairs = (real @ self.n_real.T) * (other @ self.n_other.T)
        # A replicate may hold no window of a fold.
        areas = np.where(pairs > 0, wins / np.where(pairs > 0, pairs, 1.0), np.nan)
        known = np.maximum((pairs > 0).sum(axis=1), 1)
        return np.asarray(np.nansum(areas, axis=1) / known)


class _KernelDiscrepancy:
    """Unbiased squared maximum mean discrepancy, for block weights.

    Pairs of windows of one side that have frames in common are left out of its mean.
    """

    def __init__(self, bandwidth: float, window: int) -> None:
        self.bandwidth, self.window = bandwidth, window

    def _kernel(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(_squared_distances(a, b) / (-2.0 * self.bandwidth**2)))

    def within(self, features: np.ndarray, position: np.ndarray, block: np.ndarray) -> _Sums:
        """Kernel of windows of one side and the number of pairs, by pairs of blocks."""
        apart = np.abs(position[:, None] - position) >= self.window
        mine = _one_hot(block, int(block.max()) + 1)
        kernel = np.where(apart, self._kernel(features, features), 0.0)
        return mine.T @ kernel @ mine, mine.T @ apart @ mine

    def between(
        self, a: np.ndarray, block_a: np.ndarray, b: np.ndarray, block_b: np.ndarray
    ) -> _Sums:
        """Kernel of windows of either side and the number of pairs, by pairs of blocks."""
        mine, theirs = (_one_hot(each, int(each.max()) + 1) for each in (block_a, block_b))
        sums = mine.T @ self._kernel(a, b) @ theirs
        return sums, np.outer(mine.sum(axis=0), theirs.sum(axis=0))

    @staticmethod
    def compare(own: _Sums, theirs: _Sums, cross: _Sums) -> _Statistic:
        """Return the discrepancy as a function of block weights."""

        def mean(sums: _Sums, a: np.ndarray, b: np.ndarray) -> np.ndarray:
            total, pairs = (
                np.einsum("rg,gh,rh->r", a[:, : len(x)], x, b[:, : x.shape[1]], optimize=True)
                for x in sums
            )
            return np.where(pairs > 0, total / np.where(pairs > 0, pairs, 1.0), np.nan)

        def statistic(real: np.ndarray, other: np.ndarray) -> np.ndarray:
            return (
                mean(own, real, real) + mean(theirs, other, other) - 2.0 * mean(cross, real, other)
            )

        return statistic


class _Slices:
    """Wasserstein-1 distance along random directions, for block weights; mean over directions."""

    def __init__(self, directions: np.ndarray, features: np.ndarray) -> None:
        self.directions = directions
        self.grid = quantile_grid(features @ directions)

    def bins(self, features: np.ndarray) -> np.ndarray:
        """Return the bin of each window along each direction, shape (U, L)."""
        projected = (features @ self.directions).T
        return np.stack(
            [np.searchsorted(g, p, side="right") for g, p in zip(self.grid, projected, strict=True)]
        ).T

    def counts(self, bins: np.ndarray, block: np.ndarray) -> np.ndarray:
        """Count windows by block, direction and bin, shape (G, L, E + 1)."""
        n_directions, n_bins = len(self.grid), self.grid.shape[1] + 1
        flat = (block[:, None] * n_directions + np.arange(n_directions)) * n_bins + bins
        shape = (int(block.max()) + 1, n_directions, n_bins)
        counts = np.bincount(flat.ravel(), minlength=int(np.prod(shape)))
        return counts.reshape(shape).astype(np.float64)

    def compare(self, real: np.ndarray, other: np.ndarray) -> _Statistic:
        """Return the distance as a function of block weights."""

        def functions(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
            return distribution_functions(np.tensordot(weights[:, : len(counts)], counts, axes=1))

        def statistic(real_weights: np.ndarray, other_weights: np.ndarray) -> np.ndarray:
            p, q = functions(real, real_weights), functions(other, other_weights)
            return area_between(p, q, self.grid).mean(axis=-1)

        return statistic


def compare_windows(
    real: FoldedWindows,
    others: Mapping[str, FoldedWindows],
    *,
    n_neurons: int,
    window: int,
    resampled: Sequence[str],
    n_bootstrap: int,
    seed: int,
) -> TwoSample | None:
    """Compare held-out windows with those of each group.

    Parameters
    ----------
    real : FoldedWindows
        Held-out windows.
    others : mapping of str to FoldedWindows
        Windows of the groups; scales come from "train", if it is there, and from `real`.
    n_neurons, window : int
        Neurons, and frames, of a window.
    resampled : sequence of str
        Groups that have replicates.
    n_bootstrap : int
        Resamplings of blocks; 0 for none.
    seed : int
        Seed of the random directions and of the bootstrap.

    Returns
    -------
    TwoSample or None
        None where nothing varies among the real windows.
    """
    n_draws, n_folds, _ = real.draws.shape
    pooled = np.concatenate([real.table, *(o.table for n, o in others.items() if n == "train")])
    mean, deviation = pooled.mean(axis=0), pooled.std(axis=0)
    varies = deviation > 1e-10 * np.abs(mean)  # a feature may vary by rounding only
    if not varies.any():
        return None

    def standardise(table: np.ndarray) -> np.ndarray:
        return np.asarray((table[:, varies] - mean[varies]) / deviation[varies])

    # Features of single neurons come first; the shape of windows is in those pooled over them.
    of_neurons = (3 if n_neurons > 1 else 2) * n_neurons
    columns = {"classifier_auc": varies, "shape_classifier_auc": varies.copy()}
    columns["shape_classifier_auc"][:of_neurons] = False
    rng = rng_from(seed, 6)
    weights = {
        name: resampling_weights(windows.n_blocks, n_bootstrap, rng)
        for name, windows in {"real": real, **others}.items()
        if name == "real" or name in resampled
    }
    directions = rng.standard_normal((int(varies.sum()), _N_DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    kernel = _KernelDiscrepancy(_median_distance(standardise(pooled)), window)
    slices = _Slices(directions, standardise(pooled))
    x = standardise(real.table)
    x_bins = slices.bins(x)
    mine = [draw.ravel() for draw in real.draws]
    own = [kernel.within(x[rows], real.position[rows], real.blocks[rows]) for rows in mine]

    result = TwoSample({}, {}, {}, n_folds)
    for name, other in others.items():
        y = standardise(other.table)
        y_bins = slices.bins(y)
        own_of_other: list[_Sums] = []
        values = {info.name: np.full(n_draws, np.nan) for info in INFOS}
        repeated = {info.name: np.full(n_bootstrap, np.nan) for info in INFOS}
        scores = []
        for draw, rows in enumerate(mine):
            theirs = other.draw(draw).ravel()
            blocks, other_blocks = real.blocks[rows], other.blocks[theirs]
            if draw < len(other.draws):
                own_of_other.append(kernel.within(y[theirs], other.position[theirs], other_blocks))
            statistics: dict[str, _Statistic] = {
                "feature_mmd": kernel.compare(
                    own[draw],
                    own_of_other[draw % len(other.draws)],
                    kernel.between(x[rows], blocks, y[theirs], other_blocks),
                ),
                "feature_sliced_w1": slices.compare(
                    slices.counts(x_bins[rows], blocks), slices.counts(y_bins[theirs], other_blocks)
                ),
            }
            for key, chosen in columns.items():
                if n_folds > 1 and chosen.any():
                    found = _classify(real, other, draw, chosen)
                    labels = real.blocks[real.draw(draw)], other.blocks[other.draw(draw)]
                    statistics[key] = _ClassifierArea(found, labels)
                    if key == "classifier_auc":
                        scores.append(found)
            for key, statistic in statistics.items():
                ones = (np.ones((1, each.n_blocks)) for each in (real, other))
                values[key][draw] = statistic(*ones)[0]
                if name in weights:
                    # Replicate r resamples the blocks of draw r % D, as elsewhere.
                    part = slice(draw, None, n_draws)
                    repeated[key][part] = statistic(weights["real"][part], weights[name][part])
        result.values[name] = {key: float(each.mean()) for key, each in values.items()}
        if name in weights and n_bootstrap:
            result.replicates[name] = repeated
        if scores:
            result.scores[name] = np.stack(scores, axis=1).astype(np.float32)
    return result


def _classify(
    real: FoldedWindows, other: FoldedWindows, draw: int, columns: np.ndarray
) -> np.ndarray:
    """Score the windows of each fold by a classifier fitted on the other folds, (2, k, m)."""
    from sklearn.preprocessing import StandardScaler  # heavy

    sides = [side.table[:, columns][side.draw(draw)] for side in (real, other)]
    n_folds, size = sides[0].shape[:2]
    model = make_classifier("logistic", 0)
    scores = np.empty((2, n_folds, size))
    for fold in range(n_folds):
        rest = np.arange(n_folds) != fold
        X = np.concatenate([side[rest].reshape(-1, side.shape[2]) for side in sides])
        scaler = StandardScaler().fit(X)
        model.fit(scaler.transform(X), np.repeat([0, 1], len(X) // 2))
        for side, score in zip(sides, scores, strict=True):
            score[fold] = model.decision_function(scaler.transform(side[fold]))
    return scores


def _one_hot(labels: np.ndarray, n: int) -> np.ndarray:
    return np.asarray(labels[:, None] == np.arange(n), dtype=np.float64)


def _median_distance(features: np.ndarray) -> float:
    n = min(len(features), _MEDIAN_WINDOWS)
    chosen = features[np.linspace(0, len(features) - 1, n).round().astype(int)]
    median = float(np.median(np.sqrt(_squared_distances(chosen, chosen)[np.triu_indices(n, 1)])))
    return median if median > 0 else 1.0
