"""CalciumFactorModel: components, known truth, what it holds on to, and what it refuses."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from calgan import (
    CalciumFactorModel,
    FFTEncoder,
    OasisDeconvolver,
    Pipeline,
    Recording,
    Windower,
)
from calgan.datasets import Process, make_process, make_recording
from calgan.generators.fit_check import FitWarning

WINDOW = 128
SIZES = {3: 24, 8: 30}  # neurons of the processes, by seed


class Fitted:
    """A model, what it was fitted on, and the truth behind that."""

    def __init__(self, seed: int) -> None:
        self.process: Process = make_process(SIZES[seed], random_state=seed)
        self.recording, self.spikes = self.process.sample_recording(900.0, random_state=0)
        self.windows = Windower(WINDOW).fit_transform(self.recording)
        self.model = CalciumFactorModel(random_state=0, verbose=0).fit(self.windows)
        self.deconvolver = OasisDeconvolver().fit(self.recording)
        # Neurons fire in bursts, so that mean rates of fewer windows are uncertain by 5 %.
        self.drawn = self.model.sample_components(2500, random_state=1)
        self.inferred = self.deconvolver.transform(self.drawn.traces)


@pytest.fixture(
    scope="module", params=[pytest.param(seed, marks=pytest.mark.slow) for seed in SIZES], ids=str
)
def fitted(request: pytest.FixtureRequest) -> Fitted:
    return Fitted(request.param)


def in_half_seconds(spikes: np.ndarray) -> np.ndarray:
    """Counts in bins (B, N) of five frames of windows (M, T, N)."""
    whole = spikes[:, : spikes.shape[1] // 5 * 5]
    return whole.reshape(-1, 5, spikes.shape[2]).sum(axis=1)


def median_correlation(a: np.ndarray, b: np.ndarray) -> float:
    pairs = zip(in_half_seconds(a).T, in_half_seconds(b).T, strict=True)
    return float(np.median([np.corrcoef(x, y)[0, 1] for x, y in pairs]))


# Components


def test_calcium_is_the_filter_of_the_amplitudes(fitted: Fitted) -> None:
    g = fitted.model.model_.decay
    assert np.all((g > 0) & (g < 1))
    recording = next(fitted.model.iter_recording(n_frames=10_000, chunk=10_000, random_state=1))
    for drawn in (fitted.drawn, recording):
        c, a = drawn.calcium[..., :40_000, :].astype(np.float64), drawn.amplitudes
        wanted = g * c[..., :-1, :] + a[..., 1:, :]
        np.testing.assert_allclose(c[..., 1:, :], wanted, atol=1e-6 * c.max())


def test_spikes_are_counts_that_add_calcium(fitted: Fitted) -> None:
    drawn = fitted.drawn
    np.testing.assert_array_equal(drawn.spikes, np.round(drawn.spikes))
    assert drawn.spikes.min() == 0
    assert drawn.spikes.max() > 1
    np.testing.assert_array_equal(drawn.amplitudes > 0, drawn.spikes > 0)
    assert drawn.amplitudes.min() == 0


def test_spikes_are_poisson_given_the_rates(fitted: Fitted) -> None:
    expected = fitted.drawn.rates.astype(np.float64) / fitted.recording.frame_rate
    left = fitted.drawn.spikes - expected
    total = expected.sum(axis=(0, 1))
    assert np.all(np.abs(left.sum(axis=(0, 1))) < 4.5 * np.sqrt(total))
    # The variance is the mean; a fourth moment of mu + 3 mu^2 gives the error of that.
    error = np.sqrt((expected + 2 * expected**2).sum(axis=(0, 1)))
    assert np.all(np.abs(np.square(left).sum(axis=(0, 1)) - total) < 4.5 * error)
    # Neither does a spike know of the one before.
    follow = (left[:, 1:] * left[:, :-1]).sum(axis=(0, 1))
    error = np.sqrt((expected[:, 1:] * expected[:, :-1]).sum(axis=(0, 1)))
    assert np.all(np.abs(follow) < 4.5 * error)


def test_what_calcium_leaves_is_the_noise(fitted: Fitted) -> None:
    drawn, parameters = fitted.drawn, fitted.model.model_
    noise = drawn.traces - drawn.calcium - parameters.baseline
    scale = np.exp(parameters.log_noise)
    np.testing.assert_allclose(noise.std(axis=(0, 1)), scale, rtol=0.02)
    assert np.all(np.abs(noise.mean(axis=(0, 1))) < 0.05 * scale)


def test_components_are_those_of_the_sample(fitted: Fitted) -> None:
    sample = fitted.model.sample(5, random_state=1)
    np.testing.assert_array_equal(sample, fitted.drawn.traces[:5])
    assert fitted.drawn.factors.shape == (*fitted.drawn.traces.shape[:2], 8)


def test_spikes_are_inferred_as_well_as_from_the_process(fitted: Fitted) -> None:
    windows, spikes = fitted.process.sample_windows(1000, WINDOW, random_state=0)
    # Of eight processes the samples reach .05 to .11 less.
    attainable = median_correlation(fitted.deconvolver.transform(windows), spikes)
    reached = median_correlation(fitted.inferred, fitted.drawn.spikes)
    assert attainable > 0.8
    assert abs(reached - attainable) < 0.15


# Known truth


def test_noise_is_found(fitted: Fitted) -> None:
    noise = np.exp(fitted.model.model_.log_noise)
    np.testing.assert_allclose(noise, fitted.process.noise, rtol=0.05)


def test_amplitudes_are_found(fitted: Fitted) -> None:
    ratio = np.exp(fitted.model.model_.log_amplitude) / fitted.process.amplitudes
    assert np.median(np.abs(ratio - 1)) < 0.1
    assert np.all(np.abs(ratio - 1) < 0.35)


def test_decay_times_are_found(fitted: Fitted) -> None:
    time = -1 / (fitted.recording.frame_rate * np.log(fitted.model.model_.decay))
    ratio = time / fitted.process.decay_times
    assert np.median(np.abs(ratio - 1)) < 0.1
    assert np.all(np.abs(ratio - 1) < 0.3)


def test_rates_are_found(fitted: Fitted) -> None:
    true = fitted.spikes.mean(axis=0) * fitted.recording.frame_rate
    rates = fitted.drawn.rates.mean(axis=(0, 1))
    assert abs(rates.mean() / true.mean() - 1) < 0.15
    assert np.corrcoef(np.log(rates), np.log(true))[0, 1] > 0.9


def test_inferred_rates_are_those_of_the_recording(fitted: Fitted) -> None:
    real = fitted.deconvolver.transform(np.asarray(fitted.windows))
    assert abs(fitted.inferred.mean() / real.mean() - 1) < 0.05


def test_samples_match_the_windows(fitted: Fitted) -> None:
    assert fitted.model.fit_summary_["mismatched"] == []
    ratio = fitted.drawn.traces.std(axis=(0, 1)) / fitted.recording.traces.std(axis=0)
    assert 0.8 < np.median(ratio) < 1.25


# A small model, for all else


@pytest.fixture(scope="module")
def small_recording() -> Recording:
    recording, _ = make_recording(120.0, n_neurons=4, random_state=2)
    return recording


@pytest.fixture(scope="module")
def small_windows(small_recording: Recording) -> Any:
    return Windower(32).fit_transform(small_recording)


def quick(**params: Any) -> CalciumFactorModel:
    return CalciumFactorModel(**{"max_iter": 3, "random_state": 0, "verbose": 0, **params})


@pytest.fixture(scope="module")
def small(small_windows: Any) -> CalciumFactorModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return quick().fit(small_windows)


may_not_match = pytest.mark.filterwarnings("ignore::calgan.FitWarning")


@may_not_match
def test_a_pipeline_draws_the_same(small: CalciumFactorModel, small_recording: Recording) -> None:
    pipeline = Pipeline([("windower", Windower(32)), ("generator", quick())]).fit(small_recording)
    drawn = pipeline.sample_components(3, random_state=1)
    for name, wanted in small.sample_components(3, random_state=1).items():
        np.testing.assert_array_equal(drawn[name], wanted, err_msg=name)
    synthetic = pipeline.sample_recording(20.0)
    assert synthetic.metadata["generator"] == "CalciumFactorModel"
    np.testing.assert_array_equal(synthetic.traces, small.sample_recording(20.0).traces)


@may_not_match
def test_time_is_up_after_a_round(small_windows: Any) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 1000.0
        return now[0]

    with mock.patch("time.monotonic", clock):
        model = quick(max_iter=50, max_time=500.0).fit(small_windows)
    assert model.n_iter_ == len(model.history_) == 1
    assert model.stopped_ == "max_time"
    np.testing.assert_array_equal(model.sample(3), quick(max_iter=1).fit(small_windows).sample(3))


@may_not_match
def test_time_that_is_left_is_used(small_windows: Any) -> None:
    with mock.patch("time.monotonic", return_value=0.0):
        model = quick(max_time=1e-3).fit(small_windows)
    assert (model.n_iter_, model.stopped_) == (3, "max_iter")


@may_not_match
def test_ctrl_c_keeps_the_rounds_that_were_taken(small_windows: Any) -> None:
    # The clock is read in the first line of fit and after each round.
    ctrl_c = mock.Mock(side_effect=[0.0, 0.0, KeyboardInterrupt])
    model = quick(max_iter=50, max_time=1e6)
    with (
        mock.patch("time.monotonic", ctrl_c),
        pytest.warns(UserWarning, match=r"interrupted after 2 of 50 rounds .* is kept\."),
    ):
        model.fit(small_windows)
    assert (model.n_iter_, model.stopped_) == (2, "interrupted")
    np.testing.assert_array_equal(model.sample(3), quick(max_iter=2).fit(small_windows).sample(3))


@pytest.mark.parametrize("failure", ["input", "calibration", "check"])
@may_not_match
def test_a_fit_that_fails_changes_nothing(small_windows: Any, failure: str) -> None:
    model = quick(max_iter=1).fit(small_windows)
    before, sample = set(vars(model)), model.sample(2, random_state=1)
    if failure == "input":
        with pytest.raises(ValueError, match="NaN"):
            model.fit(np.full((5, 32, 7), np.nan, dtype=np.float32))
    else:
        where = {
            "calibration": mock.patch("time.monotonic", side_effect=[0.0, MemoryError]),
            "check": mock.patch(
                "calgan.generators.fit_check.compare_with_training", side_effect=MemoryError
            ),
        }[failure]
        model.max_time = 1e6
        model.max_iter = 2
        with where, pytest.raises(MemoryError):
            model.set_params(frame_rate=10.0).fit(np.asarray(small_windows)[::20, :20, :3])
    assert set(vars(model)) == before
    assert (model.n_iter_, model.n_frames_in_, model.n_features_in_) == (1, 32, 4)
    np.testing.assert_array_equal(model.sample(2, random_state=1), sample)


def test_a_file_draws_the_same(small: CalciumFactorModel, tmp_path: Path) -> None:
    small.save(tmp_path / "model.safetensors")
    loaded = CalciumFactorModel.load(tmp_path / "model.safetensors")
    for name, wanted in small.sample_components(3).items():
        np.testing.assert_array_equal(loaded.sample_components(3)[name], wanted, err_msg=name)
    recording, wanted = loaded.sample_recording(30.0), small.sample_recording(30.0)
    np.testing.assert_array_equal(recording.traces, wanted.traces)
    assert recording.units == wanted.units == "dF/F"
    assert loaded.get_params() == small.get_params()
    for name in ("history_", "fit_summary_", "stopped_", "frame_rate_", "fingerprint_"):
        assert getattr(loaded, name) == getattr(small, name)


# Wrong input


@pytest.mark.parametrize(
    ("params", "cut", "sentence"),
    [
        ({"n_factors": 0}, np.s_[:], "n_factors must be an integer of at least 1, got 0."),
        ({"max_iter": 0}, np.s_[:], "max_iter must be an integer of at least 1, got 0."),
        ({"max_time": 0}, np.s_[:], "max_time must be"),
        ({}, np.s_[:, :8], "needs windows of at least 16 frames, got 8: use a longer window."),
        ({}, np.s_[:1], "needs at least 2 windows to learn from, got 1: use a shorter window"),
        ({"frame_rate": 0.0}, np.s_[:], "frame_rate must be"),
    ],
)
def test_wrong_input_is_refused(
    small_windows: Any, params: dict[str, Any], cut: Any, sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        quick(**params).fit(np.asarray(small_windows)[cut])
    assert re.fullmatch(r".*[^.]\.", str(caught.value))


def test_encoded_windows_are_refused(small_windows: Any) -> None:
    encoded = FFTEncoder().fit_transform(small_windows)
    assert encoded.ndim == 4
    with pytest.raises(ValueError, match=r"CalciumFactorModel"):
        quick().fit(encoded)


def test_a_frame_rate_that_contradicts_the_windows_is_refused(small_windows: Any) -> None:
    with pytest.raises(ValueError, match="frame_rate says 24 Hz and X 10 Hz"):
        quick(frame_rate=24.0).fit(small_windows)
