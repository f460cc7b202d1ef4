"""The bundled recording is what it says, and the simulator has the truth it states."""

from __future__ import annotations

import pickle
from importlib import resources
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from calgan import datasets
from calgan.data.recording import Recording
from calgan.datasets import Process, make_process, make_recording


@pytest.fixture(scope="module")
def process() -> Process:
    return make_process(30, random_state=3)


def test_the_bundled_recording_is_as_described() -> None:
    recording = datasets.load_zebrafish_tectum()
    assert isinstance(recording, Recording)
    assert recording.shape == (1950, 143)
    assert recording.frame_rate == pytest.approx(2.1646)
    assert recording.units == "dF/F"
    assert recording.segments.tolist() == [[0, 1950]]
    assert recording == datasets.load_zebrafish_tectum()
    np.testing.assert_allclose(recording.traces[0, :3], [1.522, 1.0574, 0.1764])


def test_the_bundled_stimuli_are_as_described() -> None:
    metadata = datasets.load_zebrafish_tectum().metadata
    assert metadata["stimulus_frames"][:3].tolist() == [3, 45, 87]
    np.testing.assert_allclose(
        metadata["stimulus_onsets"], metadata["stimulus_frames"] / 2.1646, rtol=1e-6
    )
    kinds, counts = np.unique(metadata["stimulus_ids"], return_counts=True)
    assert kinds.tolist() == list(range(3, 12))
    assert set(counts.tolist()) == {5}


def test_the_notice_lies_beside_the_data() -> None:
    folder = resources.files("calgan.datasets") / "data"
    notice = (folder / "LICENSE.CILVA.txt").read_text(encoding="utf-8")
    assert "MIT License" in notice
    assert "Copyright (c) 2019 GoodhillLab" in notice
    assert "CILVA" in datasets.load_zebrafish_tectum().metadata["source"]
    assert "MIT" in datasets.load_zebrafish_tectum().metadata["licence"]


def test_make_recording() -> None:
    recording, spikes = make_recording(45.0, 12, frame_rate=20.0, random_state=0)
    assert recording.shape == spikes.shape == (900, 12)
    assert recording.frame_rate == 20.0
    assert recording.duration == 45.0
    assert recording.traces.dtype == spikes.dtype == np.float32
    assert spikes.min() == 0
    np.testing.assert_array_equal(spikes, np.round(spikes))


def test_same_seed_same_everything() -> None:
    a, b = (make_recording(20.0, 5, random_state=4) for _ in range(2))
    assert a[0] == b[0]
    np.testing.assert_array_equal(a[1], b[1])
    assert a[0] != make_recording(20.0, 5, random_state=5)[0]
    assert a[0] != make_recording(20.0, 5)[0]


def test_the_process_is_fixed_once(process: Process) -> None:
    again = make_process(30, random_state=3)
    for name in ("rates", "loadings", "decay_times", "amplitudes", "noise", "baselines"):
        np.testing.assert_array_equal(getattr(again, name), getattr(process, name))
    a, b = (p.sample_recording(20.0, random_state=0)[0] for p in (process, again))
    assert a == b
    assert process.sample_recording(20.0)[0] != process.sample_recording(20.0)[0]
    reloaded = pickle.loads(pickle.dumps(process))
    assert reloaded.sample_recording(20.0, random_state=0)[0] == a


def test_windows_have_a_seed_of_their_own(process: Process) -> None:
    a, b = (process.sample_windows(150, 40, random_state=1) for _ in range(2))
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])
    assert a[0].shape == a[1].shape == (150, 40, 30)
    assert len(np.unique(a[0][:, 0, 0])) == 150
    recording, _ = process.sample_recording(4.0, random_state=1)
    assert not np.array_equal(recording.traces, a[0][0])


def test_no_global_random_state_is_touched() -> None:
    before = str(np.random.get_state())
    make_recording(5.0, 3)
    assert str(np.random.get_state()) == before


def test_traces_are_the_spikes_calcium_and_noise(process: Process) -> None:
    recording, spikes = process.sample_recording(400.0, random_state=0)
    traces = recording.traces.astype(float) - process.baselines
    decay = np.exp(-1 / (process.frame_rate * process.decay_times))
    # One step of y - b = c + n, c = g c' + a s, leaves n - g n' and nothing of the calcium.
    left = traces[1:] - decay * traces[:-1] - process.amplitudes * spikes[1:]
    expected = process.noise * np.sqrt(1 + decay**2)
    np.testing.assert_allclose(left.std(axis=0), expected, rtol=0.08)
    assert np.all(np.abs(left.mean(axis=0)) < 5 * expected / np.sqrt(len(left)))


def test_mean_rates_are_as_stated() -> None:
    process = make_process(20, random_state=1)
    _, spikes = process.sample_windows(3000, 10, random_state=0)
    windows = spikes.sum(axis=1) / (10 / process.frame_rate)
    error = windows.mean(axis=0) - process.rates
    assert np.all(np.abs(error) < 5 * windows.std(axis=0) / np.sqrt(len(windows)))


@pytest.mark.parametrize("frame_rate", [2.0, 30.0])
def test_time_is_in_seconds_whatever_the_frame_rate(frame_rate: float) -> None:
    process = make_process(20, frame_rate=frame_rate, random_state=1)
    n_frames = round(8 * frame_rate)
    rng = np.random.default_rng(0)
    drives = process._draw_drives(4000, n_frames, rng)
    np.testing.assert_allclose(drives.std(axis=(0, 1)), 1, rtol=0.05)
    lag = round(2 * frame_rate)
    correlation = np.mean(drives[:, 0] * drives[:, lag], axis=0)
    np.testing.assert_allclose(correlation, np.exp(-2 / process.time_constants), atol=0.08)


def test_windows_are_stationary_and_those_of_a_recording() -> None:
    process = make_process(10, random_state=2)
    windows, _ = process.sample_windows(1500, 30, random_state=0)
    recording, _ = process.sample_recording(6000.0, random_state=0)
    apart = recording.traces[::200]  # 20 s apart: nearly independent
    for neuron in range(10):
        first, last = windows[:, 0, neuron], windows[:, -1, neuron]
        assert ks_2samp(first, last).pvalue > 1e-4
        assert ks_2samp(last, apart[:, neuron]).pvalue > 1e-4


def test_assemblies_show_in_the_correlations(process: Process) -> None:
    recording, _ = process.sample_recording(600.0, random_state=0)
    correlation = np.corrcoef(recording.traces.T)
    same = process.assemblies[:, None] == process.assemblies
    np.fill_diagonal(correlation, np.nan)
    assert np.nanmean(correlation[same]) > 0.2 > 0.05 > np.nanmean(correlation[~same])
    assert recording.metadata["assemblies"].tolist() == process.assemblies.tolist()


def test_neurons_differ_and_rise_faster_than_they_decay(process: Process) -> None:
    recording, _ = process.sample_recording(600.0, random_state=0)
    assert process.rates.min() >= 0.05
    assert process.rates.max() <= 1.0
    assert np.ptp(process.decay_times) > 0.4
    falls, rises = np.quantile(np.diff(recording.traces, axis=0), [0.001, 0.999], axis=0)
    assert np.median(rises / -falls) > 1.5


def test_one_neuron() -> None:
    process = make_process(1, random_state=0)
    assert process.sample_windows(2, 5, random_state=0)[0].shape == (2, 5, 1)
    assert repr(process) == "Process(1 neurons, 1 assemblies, 10 Hz)"


def test_a_process_cannot_be_changed(process: Process) -> None:
    with pytest.raises(AttributeError):
        process.frame_rate = 5.0  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        process.rates[0] = 5.0


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"n_neurons": 0}, ValueError, "n_neurons must be an integer of at least 1"),
        ({"n_neurons": 2.5}, TypeError, "n_neurons must be an integer"),
        ({"frame_rate": 0.0}, ValueError, "frame_rate must be a positive"),
        ({"frame_rate": -1.0}, ValueError, "frame_rate must be a positive"),
        ({"frame_rate": "10"}, TypeError, "frame_rate must be a number"),
        ({"random_state": "a"}, TypeError, "random_state must be None"),
        ({"duration": 0.0}, ValueError, "duration must be finite and hold at least one frame"),
        ({"duration": np.inf}, ValueError, "duration must be finite"),
        ({"duration": "10"}, TypeError, "duration must be a number of seconds"),
        ({"duration": True}, TypeError, "duration must be a number of seconds"),
    ],
)
def test_wrong_parameters_of_a_process_are_refused(
    kwargs: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        make_recording(**{"duration": 1.0, "n_neurons": 2, **kwargs})


def test_wrong_numbers_of_windows_are_refused(process: Process) -> None:
    with pytest.raises(ValueError, match="n must be an integer of at least 1"):
        process.sample_windows(0, 5)
    with pytest.raises(TypeError, match="window must be an integer"):
        process.sample_windows(1, 5.0)  # type: ignore[arg-type]
