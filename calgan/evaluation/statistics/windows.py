"""Statistics of whole windows: can they be told from held-out ones?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from calgan.data.random_windows import WindowSource
from calgan.data.validation import rng_from
from calgan.evaluation._settings import Settings
from calgan.evaluation.statistics.bootstrap import resampling_weights
from calgan.evaluation.statistics.definition import StatisticInfo
from calgan.evaluation.statistics.distributions import (
    area_between,
    bins_of,
    distribution_functions,
    quantile_grid,
)
from calgan.evaluation.statistics.folds import (
    FoldedWindows,
    count_folds,
    fold_recording,
    fold_samples,
    fold_shuffled,
)
from calgan.metrics.two_sample import (
    KernelSums,
    Standardised,
    discrepancy,
    kernel_sums,
    make_classifier,
    median_distance,
    out_of_fold_scores,
)

_N_DIRECTIONS = 128
# A kernel of so many windows with as many is cheap; more would settle nothing.
_MAX_WINDOWS = 1000

INFOS = (
    StatisticInfo(
        "classifier_auc",
        "classifier AUC",
        "window",
        "Area under the ROC curve of a logistic regression that tells the group's windows from "
        "held-out ones by features of each window, cross-validated over segments of time that "
        "share no frames; judged by the difference to the baseline.",
        judged_by="difference",
        limits=(0.0, 1.0),
    ),
    StatisticInfo(
        "shape_classifier_auc",
        "classifier AUC, shape only",
        "window",
        "The same by the features that are pooled over neurons only: spectrum, skewness, "
        "autocorrelation, population activity and correlations, but no neuron's own level.",
        judged_by="difference",
        limits=(0.0, 1.0),
    ),
    StatisticInfo(
        "feature_mmd",
        "squared MMD of features",
        "window",
        "Squared maximum mean discrepancy of the features (Gaussian kernel, median bandwidth), "
        "without the pairs that share frames; its mean is 0 for equal distributions, so it is "
        "judged by the difference to the baseline.",
        trained_by=("mmd", "feature_mmd"),
        judged_by="difference",
        limits=(-np.inf, np.inf),
    ),
    StatisticInfo(
        "feature_sliced_w1",
        "sliced W1 of features",
        "window",
        "Wasserstein-1 distance of the features along random directions; mean over directions.",
        unit="sd",
        trained_by=("sliced_wasserstein", "feature_sliced_w1"),
    ),
)
"""Rows of the table, in its order."""

_Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TwoSample:
    """Values by group and statistic, their replicates (R,), and the classifier's scores by group.

    Scores (2, D, k, m) are log odds of being no held-out window, of held-out windows and of the
    group's, each by a classifier that did not see its fold. With 1 fold there is no classifier.
    """

    values: dict[str, dict[str, float]]
    replicates: dict[str, dict[str, np.ndarray]]
    scores: dict[str, np.ndarray]
    n_folds: int


def judge_windows(
    real: WindowSource,
    train: WindowSource | None,
    samples: Mapping[str, np.ndarray],
    settings: Settings,
) -> TwoSample | None:
    """Draw windows in folds and compare the held-out ones with every group.

    ``samples`` holds independent windows (M, T, N) by group: "synthetic" ones, dealt out anew in
    every draw, and controls. None where nothing varies among the real windows.
    """
    rate, controls = settings.frame_rate, settings.controls
    n = min(settings.n_windows, _MAX_WINDOWS)
    sources = [source for source in (real, train) if source is not None]
    n_folds = count_folds(sources, n)
    shape = (settings.n_splits, n_folds, n // n_folds)

    def stream(*numbers: int) -> np.random.Generator:
        # One for each group: no number depends on which controls there are.
        return rng_from(settings.seed, 5, *numbers)

    own = fold_recording(real, ("real",), shape, rate, stream(0))["real"]
    others: dict[str, FoldedWindows] = {}
    for name, windows in samples.items():
        is_control = name != "synthetic"
        dealt = (1 if is_control else shape[0], *shape[1:])
        others[name] = fold_samples(windows, dealt, rate, stream(1 + is_control))
    if train is not None:
        # Replays are drawn even if not asked for: scales are read from both.
        names = ("train", "replay")
        drawn = fold_recording(train, names, shape, rate, stream(3))
        others |= {name: drawn[name] for name in names if name == "train" or name in controls}
    if "shuffled" in controls:
        others["shuffled"] = fold_shuffled(sources[-1], *shape[1:], rate, stream(4))
    return compare_windows(
        own,
        others,
        n_neurons=real.n_neurons,
        window=real.window,
        resampled=[name for name in ("synthetic", "train") if name in others],
        n_bootstrap=settings.n_bootstrap,
        seed=settings.seed,
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


class _Slices:
    """Wasserstein-1 distance along random directions, for block weights; mean over directions."""

    def __init__(self, directions: np.ndarray, features: np.ndarray) -> None:
        self.directions = directions
        self.grid = quantile_grid(features @ directions)

    def bins(self, features: np.ndarray) -> np.ndarray:
        """Return the bin of each window along each direction, shape (U, L)."""
        return bins_of((features @ self.directions).T, self.grid).T

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
    """Compare held-out windows with those of each group, of which some are `resampled`.

    Scales come from "train", if it is there, and from `real`. None where nothing varies there.
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
    bandwidth = median_distance(Standardised(standardise(pooled))) or 1.0
    slices = _Slices(directions, standardise(pooled))

    def within(features: np.ndarray, windows: FoldedWindows, rows: np.ndarray) -> KernelSums:
        position, mine = windows.position[rows], _one_hot(windows.blocks[rows])
        apart = np.abs(position[:, None] - position) >= window
        side = Standardised(features[rows])
        return kernel_sums(side, side, bandwidth, (mine, mine), apart)

    x = standardise(real.table)
    x_bins = slices.bins(x)
    mine = [draw.ravel() for draw in real.draws]
    own = [within(x, real, rows) for rows in mine]

    result = TwoSample({}, {}, {}, n_folds)
    for name, other in others.items():
        y = standardise(other.table)
        y_bins = slices.bins(y)
        own_of_other: list[KernelSums] = []
        values = {info.name: np.full(n_draws, np.nan) for info in INFOS}
        repeated = {info.name: np.full(n_bootstrap, np.nan) for info in INFOS}
        scores = []
        for draw, rows in enumerate(mine):
            theirs = other.draw(draw).ravel()
            blocks, other_blocks = real.blocks[rows], other.blocks[theirs]
            if draw < len(other.draws):
                own_of_other.append(within(y, other, theirs))
            cross = kernel_sums(
                Standardised(x[rows]),
                Standardised(y[theirs]),
                bandwidth,
                (_one_hot(blocks), _one_hot(other_blocks)),
            )
            statistics: dict[str, _Statistic] = {
                "feature_mmd": partial(
                    _discrepancy, own[draw], own_of_other[draw % len(other.draws)], cross
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
    sides = [side.table[:, columns][side.draw(draw)] for side in (real, other)]
    n_folds, size, n_features = sides[0].shape
    X = np.concatenate([side.reshape(-1, n_features) for side in sides])
    fold = np.tile(np.repeat(np.arange(n_folds), size), 2)
    scores = out_of_fold_scores(
        X, np.repeat([0, 1], len(X) // 2), fold, make_classifier("logistic", 0)
    )
    return scores.reshape(2, n_folds, size)


def _discrepancy(
    own: KernelSums, theirs: KernelSums, cross: KernelSums, real: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Return the kernel's discrepancy for block weights."""
    return discrepancy(own, theirs, cross, (real, other))


def _one_hot(labels: np.ndarray, n: int | None = None) -> np.ndarray:
    """Return 1 for each row in its block (n, G)."""
    n = int(labels.max()) + 1 if n is None else n
    return np.asarray(labels[:, None] == np.arange(n), dtype=np.float64)
