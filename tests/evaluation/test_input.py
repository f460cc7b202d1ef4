"""Recordings in many forms, and input that is refused."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_cases import (
    CONTROLS,
    NEURONS,
    RATE,
    WINDOW,
    judge,
)

from calgan import Recording, Windower, evaluate
from calgan.datasets import make_process


@pytest.mark.parametrize("kind", ["segments", "trials", "view", "memmap"])
def test_recordings_come_in_many_forms(recordings, samples, kind, tmp_path):
    train, test = (np.asarray(recording.traces) for recording in recordings)
    if kind == "segments":
        train, test = [train[:1500], train[1500:]], [test[:200], test[200:900], test[900:]]
    elif kind == "trials":
        train, test = train.reshape(20, 200, -1), test.reshape(10, 200, -1)
    elif kind == "view":
        windower = Windower(WINDOW, stride=4)
        train, test = windower.fit_transform(recordings[0]), windower.transform(recordings[1])
    else:
        np.save(tmp_path / "train.npy", train)
        train = np.load(tmp_path / "train.npy", mmap_mode="r")
    evaluation = judge((train, test), samples[:100], frame_rate=RATE, n_splits=1, n_bootstrap=20)
    assert evaluation["correlation_matrix_r"].value > 0.5
    assert evaluation.memorisation["replay"] < 1e-4


def test_segments_shorter_than_a_window_are_counted(recordings, samples):
    train, test = (np.asarray(recording.traces) for recording in recordings)
    short = [test[:20], test[20:900], test[900:]]
    with pytest.warns(UserWarning, match="1 of 3 segments of real are shorter than the window"):
        judge((train, short), samples[:100], frame_rate=RATE, n_splits=1, n_bootstrap=0)


def test_one_neuron_has_no_pairs():
    process = make_process(n_neurons=1, frame_rate=RATE, random_state=0)
    train, _ = process.sample_recording(120.0, random_state=1)
    test, _ = process.sample_recording(60.0, random_state=2)
    synthetic, _ = process.sample_windows(100, WINDOW, random_state=3)
    evaluation = evaluate(test, synthetic, train=train, random_state=0, n_bootstrap=20)
    names = {s.name for s in evaluation.statistics}
    assert "firing_rate_kl" in names
    assert "correlation_matrix_r" not in names
    assert list(evaluation["firing_rate_kl"].controls) == list(CONTROLS)
    thesis = evaluate(test, synthetic, train=train, random_state=0, protocol="thesis")
    assert "correlation_kl" not in {s.name for s in thesis.statistics}


@pytest.mark.parametrize("protocol", ["blocked", "thesis"])
def test_windows_too_short_for_two_bins_have_no_spike_correlations(protocol, tmp_path):
    process = make_process(n_neurons=5, frame_rate=30.0, random_state=0)
    train, _ = process.sample_recording(60.0, random_state=1)
    test, _ = process.sample_recording(30.0, random_state=2)
    synthetic, _ = process.sample_windows(100, 12, random_state=3)
    evaluation = judge((train, test), synthetic, n_splits=1, n_bootstrap=0, protocol=protocol)
    names = {s.name for s in evaluation.statistics}
    assert not names & {"correlation_kl", "spike_correlation_matrix_r"}
    assert {"firing_rate_kl", "van_rossum_kl", "correlation_matrix_r"} <= names
    assert any("There are no spike correlations" in text for text in evaluation.conclusion)
    evaluation.to_html(tmp_path / "report.html")


def test_a_short_held_out_recording_has_no_intervals(recordings, samples):
    train, test = recordings
    evaluation = judge((train, test[: WINDOW + 10]), samples[:100], n_splits=1)
    assert evaluation["firing_rate_kl"].baseline_interval is None
    assert evaluation.memorisation["second_held_out"] is None
    assert "recording too short" in str(evaluation)
    assert any("There are no intervals" in text for text in evaluation.conclusion)


# Wrong input


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"synthetic": np.zeros((50, 40, 3))}, ValueError, "8 neurons and synthetic has 3"),
        ({"synthetic": np.zeros((40, 8))}, ValueError, "synthetic must be windows of shape"),
        ({"synthetic": np.zeros((5, 40, 8))}, ValueError, "synthetic holds 5 windows, too few"),
        ({"synthetic": np.zeros((50, 3, 8))}, ValueError, "windows of 3 frames"),
        ({"synthetic": np.full((50, 40, 8), np.nan)}, ValueError, "synthetic contains NaN"),
        ({"synthetic": np.zeros((50, 40, 8), complex)}, ValueError, "Complex data"),
        ({"synthetic": np.zeros((50, 2100, 8))}, ValueError, "longest segment of re"),
        ({"train": np.zeros((500, 3))}, ValueError, "train has 3 neurons and real has 8"),
        ({"train": np.zeros((30, 8))}, ValueError, "segment of train has only 30"),
        ({"train": "F.npy"}, TypeError, "train must be an array"),
        ({"frame_rate": -1.0}, ValueError, "frame_rate must be a positive"),
        ({"frame_rate": 24.0}, ValueError, "frame rates differ: frame_rate says 24 Hz and real"),
        ({"protocol": "shuffled"}, ValueError, "protocol must be 'blocked' or 'thesis'"),
        ({"n_windows": 3}, ValueError, "n_windows"),
        ({"n_splits": 0}, ValueError, "n_splits"),
        ({"n_bootstrap": 5}, ValueError, "too few for an interval"),
        ({"random_state": -1}, ValueError, "random_state must not be negative"),
    ],
)
def test_wrong_input_gets_one_clear_sentence(recordings, samples, change, error, match):
    train, test = recordings
    params = {"synthetic": samples, "train": train, **change}
    with pytest.raises(error, match=match) as caught:
        evaluate(test, **params)
    assert "\n" not in str(caught.value)


def test_no_frame_rate(recordings, samples):
    with pytest.raises(ValueError, match="needs a frame rate.*frame_rate="):
        evaluate(np.asarray(recordings[1].traces), samples)


def test_other_neurons_or_units_are_refused(recordings, samples):
    train, test = recordings
    other = Recording(np.asarray(train.traces), RATE, roi_ids=np.arange(NEURONS) + 1)
    with pytest.raises(ValueError, match="different roi_ids"):
        evaluate(test, samples, train=other)
    other = Recording(np.asarray(train.traces), RATE, units="counts")
    with pytest.raises(ValueError, match="train in counts"):
        evaluate(test, samples, train=other)


def test_transformed_windows_are_refused(recordings, samples):
    view = Windower(WINDOW).fit_transform(recordings[1]).map(np.negative)
    with pytest.raises(ValueError, match="scaled or encoded"):
        evaluate(view, samples)
    with pytest.raises(ValueError, match="windows of 30 frames"):
        evaluate(Windower(30).fit_transform(recordings[1]), samples)


def test_silence_in_both_recordings_is_no_overlap(recordings, samples):
    train, test = (np.array(recording.traces) for recording in recordings)
    train[500:1500] = test[500:1500] = 0.0
    evaluation = judge((train, test), samples[:100], frame_rate=RATE, n_splits=1, n_bootstrap=0)
    assert not any("not held out" in text for text in evaluation.conclusion)


def test_few_samples_warn(recordings, samples):
    with pytest.warns(UserWarning, match="below 100 histograms are coarse"):
        judge(recordings, samples[:30], n_splits=1, n_bootstrap=0)


@pytest.mark.parametrize(
    ("transform", "match"),
    [
        (lambda windows: windows[:, :3], "returned spikes of shape"),
        (lambda windows: windows * np.nan, "returned NaN"),
    ],
)
def test_a_deconvolver_must_return_a_number_for_each_value(recordings, samples, transform, match):
    deconvolver = type("Deconvolver", (), {"transform": lambda self, windows: transform(windows)})()
    with pytest.raises(ValueError, match=match):
        judge(recordings, samples[:100], deconvolver=deconvolver)


def test_samples_of_a_diverged_generator_are_refused(recordings, samples):
    diverged = samples[:100].copy()
    diverged[3, 4, 2] = 1e30
    with pytest.raises(ValueError, match="synthetic holds values of up to 1e\\+30.*diverged"):
        judge(recordings, diverged)


def test_a_warning_of_short_trials_points_to_the_caller(samples):
    trials = [np.random.default_rng(0).normal(size=(n, NEURONS)) for n in (600, 20)]
    with pytest.warns(UserWarning, match="1 of 2 segments of real are shorter") as caught:
        evaluate(trials, samples[:100], frame_rate=RATE, n_bootstrap=0, controls=())
    assert caught[0].filename == __file__
