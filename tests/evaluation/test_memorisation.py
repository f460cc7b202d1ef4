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

from calgan.data.random_windows import read_source
from calgan.datasets import make_process
from calgan.evaluation._copying import copying_sentences, copying_status
from calgan.evaluation._memorisation import block_interval, covering_starts, memorisation_figure


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
    assert ": more than drift explains, so that" in said["replay"]


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


# --- the verdict ------------------------------------------------------------------------------


def copying(kind, n_neurons, seed, drift=0.0, n_bootstrap=100):
    """The memorisation figure of samples of a kind, n of them, of a simulated recording."""
    window, n = 40, 100
    process = make_process(n_neurons=n_neurons, frame_rate=RATE, random_state=seed)
    train = np.array(process.sample_recording(120.0, random_state=100 + seed)[0].traces)
    test = np.array(process.sample_recording(60.0, random_state=200 + seed)[0].traces)
    test += drift * np.sin(1 + np.arange(n_neurons, dtype=np.float32))
    rng = np.random.default_rng(seed)

    def replay(m):
        starts = rng.integers(len(train) - window + 1, size=m)
        return train[starts[:, None] + np.arange(window)]

    new = process.sample_windows(n, window, random_state=300 + seed)[0].astype(np.float32)
    samples = {
        "new": new,
        "half": np.concatenate([new[: n // 2], replay(n // 2)]),
        "replay": replay(n),
        "few": np.repeat(replay(5), n // 5, axis=0),
    }[kind]
    sources = (read_source(X, window, name="X") for X in (train, test))
    return memorisation_figure(samples, *sources, replay, np.random.default_rng(seed), n_bootstrap)


@pytest.mark.parametrize("n_neurons", [1, 10])
def test_new_samples_are_never_called_copies_and_replays_always(n_neurons):
    said = {
        kind: [copying_status(copying(kind, n_neurons, seed), 0.0) for seed in range(6)]
        for kind in ("new", "half", "replay", "few")
    }
    assert said["new"] == ["new"] * 6
    assert said["replay"] == said["few"] == ["copies"] * 6
    assert set(said["half"]) <= {"leans", "copies"}


@pytest.mark.parametrize("drift", [0.3, 3.0])
def test_drift_is_not_taken_for_copies_nor_hides_them(drift):
    for seed in range(3):
        found = copying("new", 10, seed, drift)
        assert found["value"] < 0.8  # far from the time that is held out
        assert found["drift"] == pytest.approx(found["value"], rel=0.4)
        assert copying_status(found, 0.0) == "new"
        assert copying_status(copying("replay", 10, seed, drift), 0.0) == "copies"


@pytest.mark.parametrize("kind", ["new", "half", "replay", "few"])
def test_the_sentences_on_copying_do_not_contradict_each_other(kind):
    for seed in range(3):
        found = copying(kind, 1, seed)
        status, (first, second) = copying_status(found, 0.0), copying_sentences(found, 0.0)
        starts = {"copies": "The model memorises", "leans": "The samples lean", "new": "No sign"}
        assert first.startswith(starts[status])
        assert ("repeat training windows" in second) <= (status != "new")
        assert ("no more than drift" in second) <= (status != "copies")


def test_without_intervals_the_figures_themselves_decide():
    for kind, status in (("new", "new"), ("replay", "copies")):
        found = copying(kind, 10, 0, n_bootstrap=0)
        assert found["interval"] is found["membership"]["beyond_drift_interval"] is None
        assert copying_status(found, 0.0) == status


def test_recordings_of_one_window_only_tell_replays():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(2, 40, 3)).astype(np.float32)
    sources = (read_source(X, 40, name="X") for X in (train, test))
    train_source, test_source = sources
    for samples, status in ((np.stack([train] * 20), "copies"), (None, "not told")):
        samples = rng.normal(size=(20, 40, 3)).astype(np.float32) if samples is None else samples
        found = memorisation_figure(
            samples, train_source, test_source, lambda n: np.stack([train] * n),
            np.random.default_rng(0), 20,
        )  # fmt: skip
        assert found["second_held_out"] is found["drift"] is None
        assert copying_status(found, 0.0) == status


def test_copies_cannot_be_told_of_constant_neurons_or_shared_frames():
    constant = np.ones((400, 2), dtype=np.float32)
    source = read_source(constant, 40, name="X")
    windows = np.ones((20, 40, 2), dtype=np.float32)
    found = memorisation_figure(
        windows, source, source, lambda n: windows[:n], np.random.default_rng(0), 20
    )
    assert np.isnan(found["value"])
    assert copying_status(found, 0.0) == "not told"
    assert "cannot be told" in copying_sentences(found, 0.0)[0]
    assert copying_status(copying("replay", 1, 0), 0.5) == "not told"
    assert copying_status(None, 0.0) == "not told"
