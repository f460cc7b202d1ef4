"""Recordings and samples of known quality, and how the tests of `evaluate` judge them."""

from __future__ import annotations

import numpy as np

from calgan import evaluate

RATE, WINDOW, NEURONS = 10.0, 40, 8
CONTROLS = ("replay", "shuffled", "dichotomized_gaussian")
PUBLISHED = ("firing_rate_kl", "correlation_kl", "van_rossum_kl")
POPULATION = (
    "population_count_kl",
    "correlation_matrix_r",
    "correlation_matrix_rmse",
    "participation_ratio_error",
    "spike_correlation_matrix_r",
    "spike_correlation_matrix_rmse",
    "lagged_correlation_rmse",
)


OF_WINDOWS = ("classifier_auc", "shape_classifier_auc", "feature_mmd", "feature_sliced_w1")


def replayed(train, n=200, seed=0):
    starts = np.random.default_rng(seed).integers(train.n_frames - WINDOW + 1, size=n)
    return np.asarray(train.traces)[starts[:, None] + np.arange(WINDOW)]


def shuffled(windows, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([windows[rng.permutation(len(windows)), :, j] for j in range(NEURONS)], axis=2)


def judge(recordings, synthetic, **params):
    train, test = recordings
    params = {"random_state": 0, "n_splits": 2, "n_bootstrap": 60, **params}
    return evaluate(test, synthetic, train=train, **params)
