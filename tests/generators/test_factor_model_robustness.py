"""CalciumFactorModel on recordings that break its assumptions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from calgan import CalciumFactorModel, OasisDeconvolver, Recording, Windower
from calgan.datasets import make_process, make_recording
from calgan.generators.fit_check import FitWarning
from calgan.spikes.oasis import infer_calcium

N_NEURONS = 24
PROCESS = make_process(N_NEURONS, random_state=3)


def fit(traces: np.ndarray, **params: Any) -> tuple[CalciumFactorModel, list[str]]:
    """Fit the model, and return it with what it warned of."""
    windows = Windower(128).fit_transform(Recording(traces, 10.0))
    model = CalciumFactorModel(random_state=0, verbose=0, **params)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(windows)
    assert sum(each.category is FitWarning for each in caught) <= 1
    # A sentence about neurons if, and only if, some are mismatched.
    said = any(each.category is FitWarning for each in caught)
    assert said == bool(model.fit_summary_["mismatched"])
    return model, [str(each.message) for each in caught]


class Clean:
    """A recording of 15 minutes and what is learnt from it."""

    def __init__(self) -> None:
        recording, self.spikes = PROCESS.sample_recording(900.0, random_state=0)
        self.traces = np.array(recording.traces)
        self.deconvolver = OasisDeconvolver(10.0).fit(self.traces)
        model, warned = fit(self.traces)
        assert not warned
        self.rates = self.inferred(model)

    def inferred(self, model: CalciumFactorModel) -> np.ndarray:
        samples = model.sample(1000, random_state=1)
        assert np.isfinite(samples).all()
        return self.deconvolver.transform(samples).mean(axis=(0, 1))


@pytest.fixture(scope="module")
def clean() -> Clean:
    return Clean()


def assert_others_learn(clean: Clean, model: CalciumFactorModel) -> None:
    ratio = clean.inferred(model)[1:] / clean.rates[1:]
    assert ratio.min() > 0.75
    assert ratio.max() < 1.33


# One neuron, or one frame, is unlike the others


@pytest.mark.slow
def test_a_jump_spoils_no_other_neuron(clean: Clean) -> None:
    traces = clean.traces.copy()
    traces[900:, 0] += 3
    model, _ = fit(traces)
    assert_others_learn(clean, model)
    assert set(model.fit_summary_["mismatched"]) <= {0}


@pytest.mark.slow
def test_a_large_jump_is_named(clean: Clean) -> None:
    traces = clean.traces.copy()
    traces[900:, 0] += 10
    model, warned = fit(traces)
    assert_others_learn(clean, model)
    assert model.fit_summary_["mismatched"] == [0]
    assert len(warned) == 1
    assert "do not match 1 of 24 neurons (number 0):" in warned[0]


@pytest.mark.slow
def test_a_ramp_spoils_no_other_neuron(clean: Clean) -> None:
    traces = clean.traces.copy()
    traces[:, 0] += np.linspace(0, 5, len(traces))
    model, _ = fit(traces)
    assert_others_learn(clean, model)
    assert set(model.fit_summary_["mismatched"]) <= {0}


@pytest.mark.slow
def test_an_artefact_spoils_nothing(clean: Clean) -> None:
    traces = clean.traces.copy()
    traces[900] = 50
    model, _ = fit(traces)
    assert_others_learn(clean, model)
    usual = np.delete(traces, 900, axis=0).std(axis=0)
    assert 0.8 < np.median(model.sample(1000, random_state=1).std(axis=(0, 1)) / usual) < 1.25


@pytest.mark.slow
def test_a_constant_neuron_stays_constant_and_the_others_learn(clean: Clean) -> None:
    traces = clean.traces.copy()
    traces[:, 0] = 1.0
    model, warned = fit(traces)
    assert_others_learn(clean, model)
    assert len(warned) == 1
    assert "1 of 24 features are constant in the training windows (index 0)" in warned[0]
    samples = model.sample_components(20, random_state=1)
    np.testing.assert_allclose(samples.traces[..., 0], 1.0, atol=1e-6)
    assert not samples.spikes[..., 0].any()


# Traces without noise


def assert_deviations_are_kept(traces: np.ndarray) -> None:
    model, _ = fit(traces)
    samples = model.sample(1000, random_state=1)
    ratio = samples.std(axis=(0, 1)) / traces.std(axis=0)
    assert 0.8 < np.median(ratio) < 1.25
    assert ratio.min() > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])  # of the second, sparse neurons once faded to ripples
def test_calcium_without_noise(seed: int) -> None:
    decay = np.exp(-1 / (10 * PROCESS.decay_times))
    _, spikes = PROCESS.sample_recording(900.0, random_state=seed)
    traces = np.stack(
        [
            lfilter([PROCESS.amplitudes[i]], [1.0, -decay[i]], spikes[:, i])
            for i in range(N_NEURONS)
        ],
        axis=1,
    )
    assert_deviations_are_kept(traces.astype(np.float32))


@pytest.mark.slow
def test_calcium_that_oasis_inferred(clean: Clean) -> None:
    oasis = clean.deconvolver
    calcium, _ = infer_calcium(
        clean.traces, decay=oasis.decay_, baseline=oasis.baseline_, threshold=oasis.threshold_
    )
    assert_deviations_are_kept(calcium)


# Few neurons, plain arrays, short windows, other units


@pytest.fixture(scope="module")
def six() -> Recording:
    recording, _ = make_recording(200.0, n_neurons=6, random_state=1)
    return recording


def quick(windows: Any, frame_rate: float | None = None) -> CalciumFactorModel:
    model = CalciumFactorModel(max_iter=4, frame_rate=frame_rate, random_state=0, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return model.fit(windows)


def assert_like(model: CalciumFactorModel, traces: np.ndarray) -> None:
    samples = model.sample(500, random_state=1)
    assert samples.shape[2] == traces.shape[1]
    ratio = samples.std(axis=(0, 1)) / traces.std(axis=0)
    assert np.all((ratio > 0.6) & (ratio < 1.67))
    assert np.all(
        np.abs(samples.mean(axis=(0, 1)) - traces.mean(axis=0)) < 0.3 * traces.std(axis=0)
    )


@pytest.mark.parametrize("n_neurons", [1, 2])
def test_few_neurons(six: Recording, n_neurons: int) -> None:
    traces = six.traces[:, :n_neurons]
    model = quick(Windower(64).fit_transform(Recording(traces, 10.0)))
    assert_like(model, traces)
    drawn = model.sample_components(500, random_state=1)
    assert drawn.factors.shape == (500, 64, 8)
    assert np.all(drawn.spikes.mean(axis=(0, 1)) > 0)


def test_windows_of_16_frames(six: Recording) -> None:
    model = quick(Windower(16).fit_transform(six))
    assert model.sample(2).shape == (2, 16, 6)
    assert_like(model, six.traces)


def test_windows_in_a_plain_array(six: Recording) -> None:
    # Windows that do not overlap: nothing says that they follow one another.
    windows = np.array(Windower(64, stride=64).fit_transform(six))
    model = quick(windows, frame_rate=10.0)
    assert model.frame_rate_ == 10.0
    assert_like(model, six.traces)
    with pytest.raises(ValueError, match="CalciumFactorModel needs a frame rate"):
        quick(windows)


@pytest.mark.parametrize("unit", [1e3, 1e6, 1e-6])
def test_units_are_arbitrary(six: Recording, unit: float) -> None:
    plain = quick(Windower(64).fit_transform(six)).sample_components(20, random_state=1)
    scaled = Recording(six.traces * np.float32(unit), 10.0)
    drawn = quick(Windower(64).fit_transform(scaled)).sample_components(20, random_state=1)
    np.testing.assert_array_equal(drawn.spikes, plain.spikes)
    for name in ("traces", "calcium", "amplitudes"):
        wanted = unit * plain[name].astype(np.float64)
        np.testing.assert_allclose(
            drawn[name], wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max(), err_msg=name
        )
