"""DichotomizedGaussianCalcium: spikes as inferred, traces as a calcium indicator makes them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from calgan import (
    DichotomizedGaussianCalcium,
    MinMaxScaler,
    OasisDeconvolver,
    Pipeline,
    Recording,
    Windower,
    datasets,
)
from calgan.data.windows import WindowView

WINDOW = 40


@pytest.fixture(scope="module")
def recording() -> Recording:
    return datasets.make_process(12, random_state=1).sample_recording(200.0, random_state=0)[0]


@pytest.fixture(scope="module")
def baseline(recording: Recording) -> DichotomizedGaussianCalcium:
    windows = Windower(WINDOW).fit_transform(recording)
    return DichotomizedGaussianCalcium(random_state=0).fit(windows)


def test_spikes_are_inferred_once_a_frame(
    recording: Recording, baseline: DichotomizedGaussianCalcium
) -> None:
    deconvolver = OasisDeconvolver(output="amplitudes").fit(recording)
    amplitudes = deconvolver.transform(recording).traces
    spikes = amplitudes > 0
    np.testing.assert_allclose(baseline.spike_model_.mean_, spikes.mean(axis=0), rtol=1e-12)
    wanted = np.cov(spikes.T, ddof=0)
    np.testing.assert_allclose(baseline.spike_model_.covariance_, wanted, atol=1e-12)
    np.testing.assert_allclose(
        baseline.amplitudes_, amplitudes.sum(axis=0) / spikes.sum(axis=0), rtol=1e-5
    )
    np.testing.assert_allclose(baseline.deconvolver_.decay_, deconvolver.decay_, rtol=1e-6)


def test_traces_are_calcium_of_the_spikes(baseline: DichotomizedGaussianCalcium) -> None:
    traces = baseline.sample(300).astype(float)
    spikes = baseline.sample_components(300).spikes
    assert set(np.unique(spikes)) == {0.0, 1.0}
    learnt = baseline.deconvolver_
    above = traces - learnt.baseline_
    left = above[:, 1:] - learnt.decay_ * above[:, :-1] - baseline.amplitudes_ * spikes[:, 1:]
    wanted = learnt.noise_ * np.sqrt(1 + learnt.decay_**2)
    np.testing.assert_allclose(left.std(axis=(0, 1)), wanted, rtol=0.05)
    assert np.all(np.abs(left.mean(axis=(0, 1))) < 5 * wanted / np.sqrt(left[..., 0].size))
    np.testing.assert_array_equal(
        baseline.sample_components(3, random_state=7).spikes,
        baseline.sample_components(9, random_state=7).spikes[:3],
    )


def test_windows_do_not_start_at_rest(baseline: DichotomizedGaussianCalcium) -> None:
    windows = baseline.sample(4000)
    first, last = windows[:, 0], windows[:, -1]
    error = np.sqrt((first.var(axis=0) + last.var(axis=0)) / 4000)
    assert np.all(np.abs(first.mean(axis=0) - last.mean(axis=0)) < 5 * error)
    np.testing.assert_allclose(first.std(axis=0), last.std(axis=0), rtol=0.2)


def test_rates_and_correlations_are_those_of_the_inferred_spikes(
    baseline: DichotomizedGaussianCalcium,
) -> None:
    model = baseline.spike_model_
    spikes = baseline.sample_components(4000).spikes.reshape(-1, 12)
    error = np.sqrt(model.mean_ / len(spikes))
    assert np.all(np.abs(spikes.mean(axis=0) - model.mean_) < 5 * error)
    scale = np.sqrt(np.diag(model.covariance_))
    wanted = model.covariance_ / np.outer(scale, scale)
    np.testing.assert_allclose(np.corrcoef(spikes.T), wanted, atol=model.max_deviation_ + 0.02)


def test_it_is_a_fair_baseline() -> None:
    """Levels and spreads of traces come near the recording's, the more so with lags."""
    for source, n_lags in (
        (datasets.load_zebrafish_tectum().select(slice(0, 50)), 5),
        (datasets.make_process(30, random_state=1).sample_recording(300.0, random_state=0)[0], 10),
    ):
        windows = Windower(64).fit_transform(source)
        real, spread = source.traces.mean(axis=0), source.traces.std(axis=0)
        ratio = {}
        for lags in (0, n_lags):
            model = DichotomizedGaussianCalcium(n_lags=lags, random_state=0).fit(windows)
            samples = model.sample(400).reshape(-1, source.n_neurons)
            assert np.median(np.abs(samples.mean(axis=0) - real) / spread) < 0.12
            assert ("spike_autocovariance" in model.trained_statistics_) == (lags > 0)
            ratio[lags] = np.median(samples.std(axis=0) / spread)
        assert 0.6 < ratio[0] < 0.8  # white spikes: no bursts
        assert 0.85 < ratio[n_lags] < 1.1


def test_a_pipeline_gives_the_units_of_the_recording(recording: Recording) -> None:
    counts = Recording(500 + 200 * recording.traces, recording.frame_rate)
    model = Pipeline(
        [
            ("windower", Windower(WINDOW)),
            ("scaler", MinMaxScaler(per_neuron=True)),
            ("generator", DichotomizedGaussianCalcium(random_state=0)),
        ]
    ).fit(counts)
    samples = model.sample(300)
    plain = DichotomizedGaussianCalcium(random_state=0)
    plain.fit(Windower(WINDOW).fit_transform(recording))
    # Scaling changes neither the spikes nor, back in its units, the traces.
    np.testing.assert_allclose(model[-1].spike_model_.mean_, plain.spike_model_.mean_, rtol=0.02)
    np.testing.assert_allclose(
        samples.mean(axis=(0, 1)), 500 + 200 * plain.sample(300).mean(axis=(0, 1)), rtol=0.01
    )


# Settings and refusals


def test_a_deconvolver_may_be_given(recording: Recording) -> None:
    windows = Windower(WINDOW).fit_transform(recording)
    given = OasisDeconvolver(threshold=9.0, decay_time=0.8)
    model = DichotomizedGaussianCalcium(deconvolver=given, random_state=0).fit(windows)
    assert given.output == "events"
    assert not hasattr(given, "decay_")
    assert model.deconvolver_.threshold == 9.0
    np.testing.assert_allclose(model.deconvolver_.decay_time_, 0.8)
    lower = DichotomizedGaussianCalcium(random_state=0).fit(windows)
    assert model.spike_model_.mean_.sum() < 0.9 * lower.spike_model_.mean_.sum()


def test_the_frame_rate_is_that_of_the_windows_a_parameter_or_the_deconvolver(
    recording: Recording,
) -> None:
    view = Windower(WINDOW).fit_transform(recording)
    array = np.asarray(view[::WINDOW])
    assert DichotomizedGaussianCalcium().fit(view).frame_rate_ == 10.0
    assert DichotomizedGaussianCalcium(frame_rate=20.0).fit(array).frame_rate_ == 20.0
    given = OasisDeconvolver(frame_rate=5.0)
    assert DichotomizedGaussianCalcium(deconvolver=given).fit(array).frame_rate_ == 5.0
    with pytest.raises(ValueError, match="needs a frame rate"):
        DichotomizedGaussianCalcium().fit(array)
    with pytest.raises(ValueError, match="frame rates differ: frame_rate says 20 Hz and X 10"):
        DichotomizedGaussianCalcium(frame_rate=20.0).fit(view)
    with pytest.raises(ValueError, match="frame rates differ: X says 10 Hz and deconvolver"):
        DichotomizedGaussianCalcium(deconvolver=given).fit(view)


def test_constant_neurons_stay_so(recording: Recording) -> None:
    traces = recording.traces.copy()
    traces[:, 3] = 0.25
    view = Windower(WINDOW).fit_transform(Recording(traces, 10.0))
    with pytest.warns(UserWarning, match=r"1 of 12 neurons \(number \d+\) are constant") as caught:
        model = DichotomizedGaussianCalcium(random_state=0).fit(view)
    assert caught[0].filename == __file__
    samples = model.sample(3)
    np.testing.assert_allclose(samples[..., 3], 0.25)
    assert np.isfinite(samples).all()
    assert model.amplitudes_[3] == 0


def test_only_large_repairs_are_worth_a_warning(recording: Recording) -> None:
    short = WindowView(
        segments=(np.ascontiguousarray(recording.traces[:80]),),
        segment=np.zeros(1, dtype=int),
        start=np.zeros(1, dtype=int),
        window=80,
        frame_rate=10.0,
    )
    with pytest.warns(UserWarning, match="differ from those wanted by at most") as caught:
        model = DichotomizedGaussianCalcium(random_state=0).fit(short)
    assert caught[0].filename == __file__
    assert model.spike_model_.max_deviation_ > 0.1
    whole = datasets.load_zebrafish_tectum().select(slice(0, 60))  # silently: warnings are errors
    model = DichotomizedGaussianCalcium().fit(Windower(64).fit_transform(whole))
    assert model.spike_model_.repaired_
    assert model.spike_model_.max_deviation_ < 0.1


def test_encoded_windows_and_too_many_lags_are_refused(recording: Recording) -> None:
    view = Windower(WINDOW).fit_transform(recording)
    with pytest.raises(ValueError, match="DichotomizedGaussianCalcium takes windows of shape"):
        DichotomizedGaussianCalcium(frame_rate=10.0).fit(np.zeros((3, 8, 2, 2)))
    array = np.asarray(view[:3])
    with pytest.raises(ValueError, match="too few for n_lags=40"):
        DichotomizedGaussianCalcium(frame_rate=10.0, n_lags=40).fit(array)


def test_wrong_input_is_refused_before_deconvolution(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*args: object, **kwargs: object) -> None:
        raise AssertionError("deconvolved in vain")

    monkeypatch.setattr(OasisDeconvolver, "fit", fit)
    view = Windower(WINDOW).fit_transform(recording)
    array = np.asarray(view[:3])
    with pytest.raises(ValueError, match="n_lags must be an integer of at least 0"):
        DichotomizedGaussianCalcium(n_lags=-1).fit(view)
    with pytest.raises(ValueError, match="the windows have 40 bins in a row, too few"):
        DichotomizedGaussianCalcium(frame_rate=10.0, n_lags=WINDOW).fit(array)
    for wrong in ("oasis", OasisDeconvolver):
        with pytest.raises(TypeError, match="deconvolver must be an OasisDeconvolver"):
            DichotomizedGaussianCalcium(deconvolver=wrong).fit(view)


def test_lags_may_be_more_than_a_window_of_a_long_segment(recording: Recording) -> None:
    model = DichotomizedGaussianCalcium(n_lags=15, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so many lags may be repaired
        model.fit(Windower(10).fit_transform(recording))
    assert model.sample(2).shape == (2, 10, 12)


def test_windows_with_fewer_frames_than_neurons_are_no_mistake(recording: Recording) -> None:
    windows = np.asarray(Windower(10, stride=10).fit_transform(recording))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        DichotomizedGaussianCalcium(10.0).fit(windows)
    assert not [each for each in caught if "ROI-first" in str(each.message)]
