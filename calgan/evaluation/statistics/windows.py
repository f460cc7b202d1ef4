"""Statistics of whole windows: can they be told from held-out ones?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from calgan.data.validation import rng_from
from calgan.evaluation._threads import Threads
from calgan.evaluation.statistics.bootstrap import RESAMPLED, resampling_weights
from calgan.evaluation.statistics.definition import StatisticInfo, mean_over_known
from calgan.evaluation.statistics.distributions import (
    area_between,
    bins_of,
    distribution_functions,
    quantile_grid,
)
from calgan.evaluation.statistics.folds import FoldedWindows
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
    """Values of a group by statistic, their replicates (R,), and the classifier's scores.

    Scores (2, D, k, m) are log odds of being no held-out window, of held-out windows and of the
    group's, each by a classifier that did not see its fold. With 1 fold there are none.
    """

    values: dict[str, float]
    replicates: dict[str, np.ndarray]
    scores: np.ndarray | None


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
        # A replicate may hold no window of a fold, or of any.
        areas = wins / np.where(pairs > 0, pairs, 1.0)
        return mean_over_known(areas, pairs > 0)


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


class WindowComparison:
    """Held-out windows in folds, with which those of every group are compared.

    Scales come from the held-out windows and from the training windows, if there are any.
    """

    def __init__(
        self,
        real: FoldedWindows,
        train: FoldedWindows | None,
        *,
        n_neurons: int,
        window: int,
        n_bootstrap: int,
        seed: int,
    ) -> None:
        self.real, self.window, self.n_bootstrap, self.seed = real, window, n_bootstrap, seed
        self.n_folds = real.draws.shape[1]
        pooled = np.concatenate([side.table for side in (real, train) if side is not None])
        mean, deviation = pooled.mean(axis=0), pooled.std(axis=0)
        # A feature may vary by rounding only.
        self.varies = deviation > 1e-10 * np.maximum(np.abs(mean), deviation.max())
        self.mean, self.deviation = mean[self.varies], deviation[self.varies]
        if not self.varies.any():
            return
        # Features of single neurons come first; the shape of windows is in those pooled over them.
        of_neurons = (3 if n_neurons > 1 else 2) * n_neurons
        self.columns = {"classifier_auc": self.varies, "shape_classifier_auc": self.varies.copy()}
        self.columns["shape_classifier_auc"][:of_neurons] = False
        directions = rng_from(seed, 6).standard_normal((len(self.mean), _N_DIRECTIONS))
        directions /= np.linalg.norm(directions, axis=0)
        pooled = self._standardise(pooled)
        self.bandwidth = median_distance(Standardised(pooled)) or 1.0
        self.slices = _Slices(directions, pooled)
        self.features = self._standardise(real.table)
        self.bins = self.slices.bins(self.features)
        self.rows = [draw.ravel() for draw in real.draws]
        self.own = [
            self._within(self.features[rows], real.blocks[rows], real.position[rows])
            for rows in self.rows
        ]

    def _standardise(self, table: np.ndarray) -> np.ndarray:
        return np.asarray((table[:, self.varies] - self.mean) / self.deviation)

    def _within(self, features: np.ndarray, blocks: np.ndarray, position: np.ndarray) -> KernelSums:
        """Sum the kernel over pairs of windows that share no frames."""
        mine, side = _one_hot(blocks), Standardised(features)
        apart = np.abs(position[:, None] - position) >= self.window
        return kernel_sums(side, side, self.bandwidth, (mine, mine), apart)

    def compare(
        self, groups: Mapping[str, FoldedWindows], threads: Threads
    ) -> dict[str, TwoSample]:
        """Compare the windows of groups with the held-out ones, a draw at a time.

        Samples ("synthetic") and training windows ("train") have replicates. Empty where nothing
        varies among the real windows.
        """
        if not self.varies.any():
            return {}
        draws = [
            (windows, draw) for windows in groups.values() for draw in range(len(windows.draws))
        ]
        found = threads("whole windows", self._compare_draw, draws)
        return {
            name: self._judge(name, windows, list(islice(found, len(windows.draws))))
            for name, windows in groups.items()
        }

    def _compare_draw(
        self, other: FoldedWindows, draw: int
    ) -> tuple[dict[str, _Statistic], np.ndarray | None]:
        """Return the statistics of a draw as functions of block weights, and scores."""
        mine = draw % len(self.rows)
        rows, theirs = self.rows[mine], other.draw(draw).ravel()
        features = self._standardise(other.table[theirs])
        blocks, other_blocks = self.real.blocks[rows], other.blocks[theirs]
        own = self._within(features, other_blocks, other.position[theirs])
        cross = kernel_sums(
            Standardised(self.features[rows]),
            Standardised(features),
            self.bandwidth,
            (_one_hot(blocks), _one_hot(other_blocks)),
        )
        statistics: dict[str, _Statistic] = {
            "feature_mmd": partial(_discrepancy, self.own[mine], own, cross),
            "feature_sliced_w1": self.slices.compare(
                self.slices.counts(self.bins[rows], blocks),
                self.slices.counts(self.slices.bins(features), other_blocks),
            ),
        }
        scores = None
        for key, chosen in self.columns.items():
            if self.n_folds > 1 and chosen.any():
                found = _classify(self.real, other, draw, chosen)
                labels = self.real.blocks[self.real.draw(draw)], other.blocks[other.draw(draw)]
                statistics[key] = _ClassifierArea(found, labels)
                scores = found if key == "classifier_auc" else scores
        return statistics, scores

    def _judge(
        self,
        name: str,
        other: FoldedWindows,
        draws: list[tuple[dict[str, _Statistic], np.ndarray | None]],
    ) -> TwoSample:
        """Return means over draws, and replicates of samples and training windows."""
        ones = [np.ones((1, each.n_blocks)) for each in (self.real, other)]
        values = {
            info.name: float(np.mean([found[info.name](*ones)[0] for found, _ in draws]))
            if info.name in draws[0][0]
            else np.nan
            for info in INFOS
        }
        replicates: dict[str, np.ndarray] = {}
        n_bootstrap = self.n_bootstrap
        if n_bootstrap and name in RESAMPLED:
            streams = [rng_from(self.seed, 7, RESAMPLED.index(each)) for each in ("real", name)]
            mine, theirs = (
                resampling_weights(each.n_blocks, n_bootstrap, rng)
                for each, rng in zip((self.real, other), streams, strict=True)
            )
            replicates = {info.name: np.full(n_bootstrap, np.nan) for info in INFOS}
            for draw, (found, _) in enumerate(draws):
                # Replicate r resamples the blocks of draw r % D, as elsewhere.
                part = slice(draw, None, len(draws))
                for key, statistic in found.items():
                    replicates[key][part] = statistic(mine[part], theirs[part])
        scores = [each for _, each in draws if each is not None]
        return TwoSample(
            values, replicates, np.stack(scores, axis=1).astype(np.float32) if scores else None
        )


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
