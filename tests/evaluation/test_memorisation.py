"""Memorisation: a replay, new windows, and what says which of them samples are like."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_cases import (
    RATE,
    judge,
    replayed,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from calgan.evaluation._memorisation import block_interval, covering_starts


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
    assert evaluation.memorisation["interval"] is None
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


def test_membership_tells_a_replay_from_new_windows(of_truth, of_replay):
    for evaluation in (of_truth, of_replay):
        found = evaluation.memorisation["membership"]
        assert found["n_samples"] == 200
        assert found["replay"] > 0.65
        assert found["drift"] == pytest.approx(0.5, abs=0.15)  # the process does not drift
    mine, copy = (e.memorisation["membership"]["value"] for e in (of_truth, of_replay))
    assert mine == pytest.approx(0.5, abs=0.15)
    assert copy > mine + 0.1
    said = {
        name: next(text for text in evaluation.conclusion if "Which real windows" in text)
        for name, evaluation in (("truth", of_truth), ("replay", of_replay))
    }
    assert said["truth"].endswith("no more than drift explains.")
    assert "more than drift explains: look for" in said["replay"]


def test_membership_finds_drift_in_real_windows(recordings, samples):
    # The held-out recording lies elsewhere: every training window is nearer to its like.
    train, test = (np.array(recording.traces) for recording in recordings)
    slow = np.sin(np.arange(8))
    evaluation = judge(
        (train, test + slow), samples, frame_rate=RATE, n_splits=1, n_bootstrap=0, controls=()
    )
    assert evaluation.memorisation["membership"]["drift"] > 0.95


def test_the_second_held_out_segment_has_an_interval(of_truth, recordings, samples):
    low, high = of_truth.memorisation["second_held_out_interval"]
    assert low <= of_truth.memorisation["second_held_out"] <= high
    assert 0.0 < high - low < 0.3
    none = judge(recordings, samples[:100], n_splits=1, n_bootstrap=0, controls=())
    assert none.memorisation["second_held_out_interval"] is None
    # The value does not hang on the bootstrap.
    assert none.memorisation["second_held_out"] == pytest.approx(1.0, abs=0.15)


def test_a_median_of_blocks_varies_with_the_blocks():
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(8), 20)
    apart = blocks / 8 + 0.001 * rng.normal(size=160)
    alike = rng.permutation(apart)
    wide, narrow = (
        np.ptp(block_interval(values, blocks, 300, np.random.default_rng(1)))
        for values in (apart, alike)
    )
    assert wide > 2 * narrow
    assert block_interval(apart[:40], blocks[:40], 300, rng) is None
