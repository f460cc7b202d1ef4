"""Whole windows: folds that share no frames, and statistics against independent definitions."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_cases import CONTROLS, OF_WINDOWS, RATE, WINDOW, judge, replayed
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from sklearn.metrics import roc_auc_score

from calgan import Recording, metrics
from calgan.data.random_windows import read_source
from calgan.evaluation._threads import Threads
from calgan.evaluation.statistics.folds import (
    FoldedWindows,
    count_folds,
    fold_recording,
    fold_samples,
    fold_shuffled,
    fold_starts,
)
from calgan.evaluation.statistics.windows import WindowComparison
from calgan.model_selection import thesis_split


def source_of(lengths, window, n_neurons=2):
    frames = np.random.default_rng(0).normal(size=(sum(lengths), n_neurons)).astype(np.float32)
    ends = np.cumsum(lengths)
    segments = np.stack([ends - lengths, ends], axis=1)
    return read_source(Recording(frames, RATE, segments=segments), window, name="real")


# Folds


@pytest.mark.filterwarnings("ignore:.*shorter than the window:UserWarning")
@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    window=st.integers(2, 15),
    n_folds=st.integers(1, 5),
)
def test_no_frame_is_in_two_folds(lengths, window, n_folds):
    lengths[0] += window
    source = source_of(lengths, window)
    folds = fold_starts(source, n_folds)
    frames = [
        set((source.starts[part][:, None] + np.arange(window)).ravel().tolist()) for part in folds
    ]
    assert sum(map(len, frames)) == len(set().union(*frames))
    if n_folds == 1:
        assert len(folds[0]) == len(source.starts)


def test_folds_are_as_many_as_the_shorter_recording_allows():
    long, short = source_of([1000], 10), source_of([65], 10)
    assert count_folds([long], 500) == 5
    assert count_folds([long, short], 500) == 3  # six windows side by side, two a fold
    assert count_folds([long], 4) == 2
    assert count_folds([long, source_of([20], 10)], 500) == 2
    assert count_folds([long, source_of([19], 10)], 500) == 1


def test_every_side_has_as_many_windows_in_each_fold():
    source = source_of([300], 10)
    rng = np.random.default_rng(0)
    drawn = fold_recording(source, {"train": 3, "replay": 1}, (4, 10), RATE, rng)
    samples = rng.normal(size=(90, 10, 2))
    sides = [
        *drawn.values(),
        fold_samples(samples, (3, 4, 10), RATE, rng),
        fold_shuffled(source, 4, 10, RATE, rng),
    ]
    for side, n_draws in zip(sides, (3, 1, 3, 1), strict=True):
        assert side.draws.shape == (n_draws, 4, 10)
        assert len(side.table) == len(side.blocks) == len(side.position)
    borders = np.linspace(0, 300, 5)
    for side in drawn.values():
        first = side.position[side.draws]
        for fold in range(4):
            assert first[:, fold].min() >= borders[fold]
            assert first[:, fold].max() + 10 <= borders[fold + 1]
    # Three draws hold each frame about eight times; no window is drawn twice before all were.
    picked = drawn["train"].draws
    assert len(np.unique(picked)) == picked.size


def test_features_are_those_of_the_windows_drawn():
    source = source_of([120], 10)
    drawn = fold_recording(source, {"real": 1}, (2, 5), RATE, np.random.default_rng(0))["real"]
    windows = source.frames[drawn.position[:, None] + np.arange(10)]
    np.testing.assert_allclose(drawn.table, metrics.window_features(windows, RATE)[0], rtol=1e-10)


def test_shuffled_neurons_stay_in_their_fold():
    # Each neuron's trace counts frames: its mean says where a window's neuron comes from.
    frames = np.repeat(np.arange(400.0)[:, None], 3, axis=1)
    source = read_source(Recording(frames, RATE), 10, name="train")
    side = fold_shuffled(source, 4, 30, RATE, np.random.default_rng(0))
    of_neurons = side.table[:, :3] - 4.5  # the first features are the neurons' means
    for fold in range(4):
        starts = of_neurons[side.draws[0, fold]]
        assert starts.min() >= 100 * fold
        assert starts.max() + 10 <= 100 * (fold + 1)
        assert np.ptp(starts, axis=1).max() > 0


# The statistics


def folded(table, n_folds, apart=1000, n_blocks=None):
    n = len(table)
    blocks = np.arange(n) * (n_blocks or n_folds) // n
    return FoldedWindows(table, np.arange(n).reshape(1, n_folds, -1), blocks, np.arange(n) * apart)


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    real, train = rng.normal(size=(2, 60, 9))
    other = rng.normal(size=(60, 9)) * 1.3 + 0.4
    return real, train, other


def compare(real, others, n_bootstrap=0):
    comparison = WindowComparison(
        real, others.get("train"), n_neurons=2, window=10, n_bootstrap=n_bootstrap, seed=0
    )
    return comparison.compare(others, Threads(1, 0))


def test_the_area_is_that_of_scores_of_unseen_windows(tables):
    real, train, other = tables
    found = compare(folded(real, 3), {"synthetic": folded(other, 3), "train": folded(train, 3)})
    for name in ("synthetic", "train"):
        scores = found[name].scores
        assert scores.shape == (2, 1, 3, 20)
        areas = [
            roc_auc_score(np.repeat([0, 1], 20), scores[:, 0, fold].ravel()) for fold in range(3)
        ]
        assert found[name].values["classifier_auc"] == pytest.approx(np.mean(areas))
    assert found["synthetic"].values["classifier_auc"] > 0.7
    # Two neurons: the first six features are theirs, and the shape is in the other three.
    alike = other.copy()
    alike[:, 6:] = np.random.default_rng(1).normal(size=(60, 3))
    values = compare(folded(real, 3), {"synthetic": folded(alike, 3)})["synthetic"].values
    assert values["classifier_auc"] > 0.65
    assert values["shape_classifier_auc"] == pytest.approx(0.5, abs=0.15)


def test_a_classifier_never_sees_the_fold_it_scores():
    # Features that only name the window: a classifier that had seen it would know its side.
    table = np.eye(60)
    found = compare(folded(table[:30], 3), {"synthetic": folded(table[30:], 3)})
    assert found["synthetic"].values["classifier_auc"] == pytest.approx(0.5, abs=1e-6)


def test_kernel_and_slices_against_the_definitions(tables):
    real, train, other = tables
    found = compare(folded(real, 3), {"train": folded(train, 3), "synthetic": folded(other, 3)})
    pooled = np.concatenate([real, train])
    x, y, z = ((a - pooled.mean(axis=0)) / pooled.std(axis=0) for a in (real, other, pooled))
    pairs = np.linalg.norm(z[:, None] - z, axis=2)[np.triu_indices(len(z), 1)]
    bandwidth = np.median(pairs)

    def kernel(a, b):
        return np.exp(-np.sum((a[:, None] - b) ** 2, axis=2) / (2 * bandwidth**2))

    off = ~np.eye(60, dtype=bool)
    mmd = kernel(x, x)[off].mean() + kernel(y, y)[off].mean() - 2 * kernel(x, y).mean()
    assert found["synthetic"].values["feature_mmd"] == pytest.approx(mmd)
    # Along other directions, and many of them, the mean is much the same.
    directions = np.random.default_rng(5).normal(size=(2000, 9))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    sliced = np.mean([wasserstein_distance(x @ d, y @ d) for d in directions])
    assert found["synthetic"].values["feature_sliced_w1"] == pytest.approx(sliced, rel=0.1)


def test_pairs_that_share_frames_do_not_count(tables):
    real, _, other = tables
    starts = np.repeat(np.arange(60) * 1000, 2)
    second = np.arange(120) % 2

    def twice(table, position):
        draws = np.arange(120).reshape(1, 3, 40)
        blocks = np.repeat(np.arange(60) // 20, 2)
        return FoldedWindows(np.repeat(table, 2, axis=0), draws, blocks, position)

    def discrepancy(position):
        found = compare(twice(real, position), {"synthetic": twice(other, starts)})
        return found["synthetic"].values["feature_mmd"]

    once = compare(folded(real, 3), {"synthetic": folded(other, 3)})["synthetic"].values
    # The bandwidth is a median of pairs, which copies change a little.
    assert discrepancy(starts) == pytest.approx(once["feature_mmd"], abs=1e-3)
    assert discrepancy(starts + 9 * second) == discrepancy(starts)
    # Taken for other windows, copies raise the mean of their side.
    assert discrepancy(starts + 10 * second) > discrepancy(starts) + 2e-3


def test_unit_weights_are_the_estimate_and_replicates_spread_around_it(tables):
    real, train, other = tables
    sides = {"train": folded(train, 3, n_blocks=12), "synthetic": folded(other, 3, n_blocks=12)}
    found = compare(folded(real, 3, n_blocks=12), sides, n_bootstrap=200)
    for name in sides:
        for key in ("classifier_auc", "feature_mmd", "feature_sliced_w1"):
            spread = found[name].replicates[key]
            assert spread.shape == (200,)
            assert np.isfinite(spread).all()
            assert np.quantile(spread, 0.005) < found[name].values[key] + 0.05
            assert np.std(spread) > 0


def test_nothing_varies():
    flat = folded(np.ones((12, 9)), 2)
    assert compare(flat, {"synthetic": flat}) == {}


# In an evaluation


def test_what_the_rows_say_of_known_samples(of_truth, of_shuffled, of_collapse, of_replay):
    for evaluation in (of_truth, of_replay):
        for name in ("classifier_auc", "shape_classifier_auc"):
            assert evaluation[name].difference < 0.12, name
            assert 0.3 < evaluation[name].baseline < 0.7
    collapsed = of_collapse["classifier_auc"]
    assert collapsed.value > 0.95
    assert collapsed.difference_interval[0] > 0.05
    assert of_collapse["feature_mmd"].difference_interval[0] > 0.1
    assert of_collapse["feature_sliced_w1"].ratio > 2.0
    # Of eight neurons, four seconds say little about who fires with whom.
    for name in ("classifier_auc", "shape_classifier_auc"):
        mine = of_truth[name]
        assert mine.controls["shuffled"] > max(mine.value, mine.baseline) + 0.08
        assert of_shuffled[name].value > mine.value + 0.08
        assert mine.controls["dichotomized_gaussian"] > mine.value + 0.15
    assert of_truth["feature_mmd"].controls["shuffled"] > of_truth["feature_mmd"].baseline


def test_scores_are_kept_for_the_figure(of_truth):
    assert set(of_truth.classifier_scores) == {"synthetic", "train", *CONTROLS}
    n_folds = of_truth.meta["n_folds"]
    assert n_folds == 5
    for name, scores in of_truth.classifier_scores.items():
        n_draws = 1 if name in CONTROLS else 2
        assert scores.shape == (2, n_draws, n_folds, 200 // n_folds)
        areas = [
            roc_auc_score(np.repeat([0, 1], scores.shape[3]), scores[:, draw, fold].ravel())
            for draw in range(n_draws)
            for fold in range(n_folds)
        ]
        row = of_truth["classifier_auc"]
        value = {"synthetic": row.value, "train": row.baseline, **row.controls}[name]
        assert value == pytest.approx(np.mean(areas), abs=1e-6)


def test_without_folds_there_is_no_classifier(recordings, samples):
    train, test = recordings
    evaluation = judge((train, test[: 2 * WINDOW - 1]), samples[:100], n_splits=1)
    names = {s.name for s in evaluation.statistics if s.group == "window"}
    assert names == {"feature_mmd", "feature_sliced_w1"}
    assert evaluation.classifier_scores == {}
    assert any("There is no classifier" in text for text in evaluation.conclusion)


def test_a_replay_of_the_published_split_is_told_least(recordings, samples):
    train, test = thesis_split(recordings[0], WINDOW, n_test=120, random_state=0)
    evaluation = judge(
        (train, test), replayed(recordings[0]), protocol="thesis", n_splits=1, controls=()
    )
    assert tuple(s.name for s in evaluation.statistics if s.group == "window") == OF_WINDOWS
    assert evaluation["classifier_auc"].baseline < 0.65
