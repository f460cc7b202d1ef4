"""Memorisation: a replay, new windows, and what says which of them samples are like."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_cases import (
    judge,
    replayed,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from calgan.evaluation._memorisation import covering_starts


def test_memorisation_tells_a_replay_from_new_windows(of_truth, of_replay):
    assert of_replay.memorisation["value"] < 1e-4
    assert of_replay.memorisation["share_copied"] == 1.0
    assert any("The model memorises" in text for text in of_replay.conclusion)
    for evaluation in (of_truth, of_replay):
        assert evaluation.memorisation["replay"] < 1e-4
        assert evaluation.memorisation["second_held_out"] == pytest.approx(1.0, abs=0.15)
    assert of_truth.memorisation["value"] == pytest.approx(1.0, abs=0.1)
    low, high = of_truth.memorisation["interval"]
    assert low <= of_truth.memorisation["value"] <= high
    assert any("No sign of memorising" in text for text in of_truth.conclusion)


def test_noise_on_a_replay_does_not_hide_it(recordings):
    windows = replayed(recordings[0])
    noise = np.random.default_rng(0).normal(size=windows.shape)
    evaluation = judge(recordings, windows + 0.3 * windows.std(axis=(0, 1)) * noise)
    assert any("The model memorises" in text for text in evaluation.conclusion)


def test_held_out_frames_in_train_are_reported(recordings, samples):
    train, _ = recordings
    with pytest.warns(UserWarning, match="100 % of the frames of real occur in train"):
        evaluation = judge((train, train[:1000]), samples[:100], n_splits=1, n_bootstrap=0)
    assert any("it is not held out" in text for text in evaluation.conclusion)
    assert any("cannot be judged" in text for text in evaluation.conclusion)


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=5), max_shift=st.integers(0, 6))
def test_reference_windows_cover_every_start(lengths, max_shift):
    starts = np.concatenate([100 * i + np.arange(length) for i, length in enumerate(lengths)])
    chosen = covering_starts(starts, max_shift)
    assert set(chosen) <= set(starts)
    distance = np.abs(starts[:, None] - chosen).min(axis=1)
    assert distance.max() <= max_shift
