import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import nnls
from scipy.signal import lfilter
from sklearn.base import clone

from calgan import OasisDeconvolver, Recording, Windower, datasets
from calgan.spikes.oasis import infer_calcium, infer_spikes, to_spike_trains


def simulate(n_frames, n_neurons, *, frame_rate, decay_time, noise, rate=0.2, seed=0):
    """Traces (T, N) of spikes with amplitude 1, exponential decays and white noise."""
    rng = np.random.default_rng(seed)
    decay = np.exp(-1.0 / (frame_rate * np.broadcast_to(decay_time, n_neurons)))
    spikes = rng.random((n_frames, n_neurons)) < rate / frame_rate
    spikes[0] = False
    calcium = np.zeros((n_frames, n_neurons))
    for t in range(1, n_frames):
        calcium[t] = decay * calcium[t - 1] + spikes[t]
    return calcium + noise * rng.normal(size=calcium.shape), spikes


@pytest.fixture(scope="module")
def traces():
    return simulate(2000, 4, frame_rate=10.0, decay_time=1.0, noise=0.15)[0]


# --- infer_spikes -----------------------------------------------------------------------------


def test_infer_spikes_without_threshold_is_non_negative_least_squares(traces):
    decay, trace = 0.9, traces[:120, 1] - 0.1
    lag = np.subtract.outer(np.arange(120), np.arange(120))
    response = np.where(lag >= 0, decay ** np.maximum(lag, 0), 0.0)
    expected, _ = nnls(response, trace)
    expected[0] = 0.0  # calcium before the first frame is no spike
    spikes = infer_spikes(traces[:120], decay=decay, baseline=0.1, threshold=0.0)
    assert_allclose(spikes[:, 1], expected, atol=1e-5)


def test_infer_spikes_are_zero_or_reach_the_threshold(traces):
    spikes = infer_spikes(traces, decay=0.9, threshold=0.4)
    assert spikes[spikes > 0].min() >= 0.4 * (1 - 1e-6)
    assert_array_equal(spikes[0], 0.0)


def test_infer_spikes_of_a_noise_free_trace_finds_time_and_amplitude():
    trace = np.zeros((50, 1))
    trace[10:, 0] += 2.0 * 0.95 ** np.arange(40)
    trace[30:, 0] += 0.7 * 0.95 ** np.arange(20)
    spikes = infer_spikes(trace, decay=0.95)[:, 0]
    assert_array_equal(np.flatnonzero(spikes), [10, 30])
    assert_allclose(spikes[[10, 30]], [2.0, 0.7], rtol=1e-6)


def test_infer_spikes_treats_every_trace_by_itself(traces):
    windows = traces[:400].reshape(2, 2, 100, 4)
    spikes = infer_spikes(windows, decay=[0.8, 0.85, 0.9, 0.95], threshold=0.4)
    assert spikes.shape == windows.shape
    assert spikes.dtype == np.float32
    alone = infer_spikes(windows[1, 0][:, [2]], decay=0.9, threshold=0.4)
    assert_array_equal(spikes[1, 0][:, [2]], alone)


def test_infer_spikes_takes_traces_below_zero():
    trace, spikes = simulate(1000, 1, frame_rate=10.0, decay_time=1.0, noise=0.02)
    inferred = infer_spikes(trace - 10.0, decay=np.exp(-0.1), baseline=-10.0, threshold=0.5)
    assert_array_equal(inferred > 0, spikes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decay": 1.0}, "decay must lie between 0 and 1"),
        ({"decay": [0.9, 0.9, 0.9]}, "decay must be a number or one for each of 4 neurons"),
        ({"decay": 0.9, "threshold": -1.0}, "threshold must not be negative"),
    ],
)
def test_infer_spikes_refuses_bad_parameters(traces, arguments, message):
    with pytest.raises(ValueError, match=message):
        infer_spikes(traces, **arguments)


def test_infer_spikes_refuses_bad_traces(traces):
    with pytest.raises(ValueError, match="one trace is trace"):
        infer_spikes(traces[:, 0], decay=0.9)
    with pytest.raises(ValueError, match="NaN or infinite"):
        infer_spikes([[0.0], [np.nan]], decay=0.9)


# --- infer_calcium ----------------------------------------------------------------------------


def test_infer_calcium_is_that_of_oasis(traces):
    from oasis.oasis_methods import oasisAR1

    decay, baseline = np.array([0.85, 0.9, 0.92, 0.95]), np.array([0.0, 0.1, -0.2, 3.0])
    threshold = np.array([0.0, 0.3, 0.55, 1.0])
    calcium, spikes = infer_calcium(
        traces + baseline, decay=decay, baseline=baseline, threshold=threshold
    )
    assert calcium.shape == spikes.shape == traces.shape
    assert calcium.dtype == spikes.dtype == np.float32
    for i in range(4):
        c, s = oasisAR1(traces[:, i].copy(), decay[i], s_min=threshold[i])
        assert_allclose(calcium[:, i], c, atol=1e-5)
        assert_allclose(spikes[:, i], s, atol=1e-5)


def test_infer_calcium_decays_between_its_spikes(traces):
    windows = traces[:400].reshape(2, 2, 100, 4)
    decay = np.array([0.8, 0.85, 0.9, 0.95])
    calcium, spikes = infer_calcium(windows, decay=decay, baseline=-0.1, threshold=0.4)
    assert_array_equal(spikes, infer_spikes(windows, decay=decay, baseline=-0.1, threshold=0.4))
    assert_allclose(
        calcium[..., 1:, :] - decay * calcium[..., :-1, :], spikes[..., 1:, :], atol=1e-5
    )
    alone = infer_calcium(windows[1, 0][:, [2]], decay=0.9, baseline=-0.1, threshold=0.4)
    assert_array_equal(calcium[1, 0][:, [2]], alone[0])


def test_neurons_with_an_infinite_threshold_have_neither_calcium_nor_spikes(traces):
    calcium, spikes = infer_calcium(traces, decay=0.9, threshold=[0.3, np.inf, 0.3, 0.3])
    assert_array_equal(calcium[:, 1], 0.0)
    assert_array_equal(spikes[:, 1], 0.0)
    assert (calcium[:, [0, 2, 3]].max(axis=0) > 0).all()


@pytest.mark.parametrize("n_neurons", [1, 3])
@pytest.mark.parametrize("infer", [infer_spikes, infer_calcium])
@pytest.mark.parametrize("order", ["C", "F"])
def test_traces_are_left_as_they_are(traces, infer, n_neurons, order):
    given = np.array(traces[:, :n_neurons], dtype=np.float64, order=order)
    before = given.copy()
    infer(given, decay=0.9, baseline=0.3, threshold=0.4)
    assert_array_equal(given, before)


def test_infer_calcium_refuses_what_infer_spikes_does(traces):
    with pytest.raises(ValueError, match="decay must lie between 0 and 1"):
        infer_calcium(traces, decay=1.0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        infer_calcium([[0.0], [np.nan]], decay=0.9)


# --- what fit learns --------------------------------------------------------------------------


@pytest.mark.parametrize("frame_rate", [2.2, 10.0, 30.0])
def test_fit_recovers_decay_noise_and_baseline(frame_rate):
    decay_time = np.array([0.5, 0.9, 1.4])
    X, _ = simulate(
        round(1500 * frame_rate), 3, frame_rate=frame_rate, decay_time=decay_time, noise=0.1
    )
    fitted = OasisDeconvolver(frame_rate).fit(X + 5.0)
    # Somewhat low by design: the running mean that removes drift takes a share of slow decays.
    assert (fitted.decay_time_ > 0.6 * decay_time).all()
    assert (fitted.decay_time_ < 1.1 * decay_time).all()
    assert_allclose(fitted.decay_, np.exp(-1 / (frame_rate * fitted.decay_time_)))
    # Somewhat high where spikes fill many frames: they move the median of the innovations up.
    assert_allclose(fitted.noise_, 0.1, rtol=0.25)
    assert_allclose(fitted.baseline_, 5.0, atol=0.1)
    expected = 3.0 * fitted.noise_ * np.sqrt(1 - fitted.decay_**2)
    assert_allclose(fitted.threshold_, expected)


def test_noise_is_not_mistaken_for_decays_at_a_low_frame_rate():
    # Half of the frames decay after an event: first differences see these decays as noise.
    X, _ = simulate(4000, 3, frame_rate=2.0, decay_time=1.0, noise=0.05, rate=0.5)
    fitted = OasisDeconvolver(2.0, decay_time=1.0).fit(X)
    differences = np.diff(X, axis=0)
    deviation = np.abs(differences - np.median(differences, axis=0))
    from_differences = 1.4826 * np.median(deviation, axis=0) / np.sqrt(2)
    assert (from_differences > 1.5 * fitted.noise_).all()
    assert_allclose(fitted.noise_, 0.05, rtol=0.6)


def test_events_find_the_true_spikes():
    X, spikes = simulate(6000, 5, frame_rate=10.0, decay_time=1.0, noise=0.15)
    events = OasisDeconvolver(10.0).fit_transform(X)
    assert set(np.unique(events)) == {0.0, 1.0}
    near = events + np.roll(events, 1, axis=0) + np.roll(events, -1, axis=0) > 0
    assert near[spikes].mean() > 0.95
    assert events.sum() < 1.2 * spikes.sum()


def test_noise_alone_gives_hardly_any_events():
    X = np.random.default_rng(0).normal(size=(5000, 6))
    events = OasisDeconvolver(10.0, decay_time=1.0).fit_transform(X)
    assert events.mean() * 10.0 < 0.02  # Hz


def test_neurons_without_a_visible_decay_take_the_median_of_the_others():
    X, _ = simulate(3000, 5, frame_rate=10.0, decay_time=0.8, noise=0.1)
    X[:, 4] = np.random.default_rng(1).normal(size=3000)
    # White noise is beyond chance once in a while by definition: this seed is not such a case.
    fitted = OasisDeconvolver(10.0).fit(X)
    assert fitted.decay_time_[4] == pytest.approx(np.median(fitted.decay_time_[:4]))


def test_decay_time_in_seconds_is_taken_as_it_is(traces):
    fitted = OasisDeconvolver(20.0, decay_time=0.5).fit(traces)
    assert_array_equal(fitted.decay_time_, np.full(4, 0.5))
    assert_allclose(fitted.decay_, np.exp(-0.1))


def test_thesis_constants_through_the_estimator(traces):
    decay_time = -1.0 / (24.0 * np.log(0.95))
    deconvolver = OasisDeconvolver(
        24.0, decay_time=decay_time, threshold=0.55, threshold_unit="trace", output="amplitudes"
    ).fit(traces)
    expected = infer_spikes(traces, decay=0.95, baseline=deconvolver.baseline_, threshold=0.55)
    assert_allclose(
        deconvolver.transform(traces.astype(np.float32)), expected, rtol=1e-4, atol=1e-4
    )


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-5, 5))
def test_events_do_not_depend_on_the_units_of_the_traces(scale, offset):
    X = simulate(400, 2, frame_rate=10.0, decay_time=1.0, noise=0.1)[0].astype(np.float32)
    moved = (X.astype(np.float64) * scale + offset * scale).astype(np.float32)
    plain, other = OasisDeconvolver(10.0).fit(X), OasisDeconvolver(10.0).fit(moved)
    assert_allclose(other.decay_time_, plain.decay_time_, rtol=1e-3)
    assert_allclose(other.noise_, plain.noise_ * scale, rtol=1e-3)
    # Float32 rounding may tip a spike that sits on the threshold.
    assert np.mean(plain.transform(X) != other.transform(moved)) < 0.005


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_neurons_are_independent_of_their_order(seed):
    X = simulate(400, 4, frame_rate=10.0, decay_time=1.0, noise=0.1)[0]
    order = np.random.default_rng(seed).permutation(4)
    events = OasisDeconvolver(10.0).fit_transform(X)
    assert_array_equal(OasisDeconvolver(10.0).fit_transform(X[:, order]), events[:, order])


def test_fit_is_deterministic_and_leaves_the_global_generator_alone(traces):
    before = np.random.get_state()[1].copy()
    first, second = OasisDeconvolver(10.0).fit(traces), OasisDeconvolver(10.0).fit(traces)
    assert_array_equal(first.threshold_, second.threshold_)
    assert_array_equal(first.decay_, second.decay_)
    assert_array_equal(np.random.get_state()[1], before)


# --- shapes of input and output ---------------------------------------------------------------


def test_every_form_of_a_recording_gives_the_same_spikes(traces):
    recording = Recording(traces, 10.0)
    deconvolver = OasisDeconvolver().fit(recording)
    events = deconvolver.transform(recording).traces
    assert events.shape == (2000, 4)
    assert events.dtype == np.float32
    assert deconvolver.frame_rate_ == 10.0
    assert deconvolver.n_features_in_ == 4
    assert_array_equal(deconvolver.transform(traces.astype(np.float32)), events)
    assert_array_equal(deconvolver.transform(traces.astype(np.float32).tolist()), events)
    as_list = deconvolver.transform([recording, recording[:300]])
    assert [part.shape for part in as_list] == [(2000, 4), (300, 4)]
    assert_array_equal(as_list[0].traces, events)


def test_a_list_of_segments_shorter_than_the_population_is_transformed_without_a_warning():
    X, _ = simulate(300, 20, frame_rate=10.0, decay_time=1.0, noise=0.1)
    deconvolver = OasisDeconvolver(10.0).fit(X)
    assert [part.shape for part in deconvolver.transform([X[:8], X[8:18]])] == [(8, 20), (10, 20)]


def test_segments_are_deconvolved_apart_and_gaps_hold_no_spikes(traces):
    recording = Recording(traces, 10.0, segments=[[0, 500], [700, 2000]])
    deconvolver = OasisDeconvolver().fit(recording)
    events = deconvolver.transform(recording).traces
    assert_array_equal(events[500:700], 0.0)
    assert_array_equal(events[700:], deconvolver.transform(traces[700:].astype(np.float32)))


def test_windows_are_deconvolved_one_by_one(traces):
    recording = Recording(traces, 10.0)
    view = Windower(100, stride=50).fit_transform(recording)
    deconvolver = OasisDeconvolver().fit(view)
    assert_array_equal(deconvolver.noise_, OasisDeconvolver().fit(recording).noise_)
    lazy, dense = deconvolver.transform(view), deconvolver.transform(np.asarray(view))
    assert lazy.shape == view.shape
    assert_array_equal(lazy, dense)
    assert_array_equal(lazy[3], deconvolver.transform(view[3]))


def test_fit_on_transformed_windows(traces):
    view = Windower(100, stride=100).fit_transform(Recording(traces, 10.0))
    mapped = view.map(np.negative).map(np.negative)
    assert_array_equal(
        OasisDeconvolver().fit(mapped).threshold_, OasisDeconvolver(10.0).fit(list(view)).threshold_
    )


def test_jobs_change_nothing(traces):
    windows = traces.reshape(20, 100, 4)
    windows = np.tile(windows, (15, 1, 1))
    deconvolver = OasisDeconvolver(10.0).fit(windows)
    alone = deconvolver.transform(windows)
    assert_array_equal(deconvolver.set_params(n_jobs=2).transform(windows), alone)


def test_clone_and_pickle(traces):
    deconvolver = OasisDeconvolver(10.0, threshold=2.5)
    assert clone(deconvolver).get_params() == deconvolver.get_params()
    deconvolver.fit(traces)
    restored = pickle.loads(pickle.dumps(deconvolver))
    assert_array_equal(restored.transform(traces), deconvolver.transform(traces))


def test_it_cannot_be_inverted():
    assert not hasattr(OasisDeconvolver(), "inverse_transform")


# --- neo --------------------------------------------------------------------------------------


def test_spike_trains_hold_the_times_of_the_frames(traces):
    deconvolver = OasisDeconvolver(10.0)
    events = deconvolver.fit_transform(traces)
    trains = deconvolver.to_spike_trains(events, t_start=3.0)
    assert len(trains) == 4
    for train, column in zip(trains, events.T, strict=True):
        assert_allclose(train.rescale("s").magnitude, 3.0 + np.flatnonzero(column) / 10.0)
        assert float(train.t_start) == 3.0
        assert float(train.t_stop) == pytest.approx(203.0)


def test_spike_trains_of_windows_are_lists_of_lists():
    spikes = np.zeros((2, 5, 3))
    spikes[1, 4, 2] = 1
    trains = to_spike_trains(spikes, 2.0)
    assert [len(window) for window in trains] == [3, 3]
    assert float(trains[1][2][0]) == 2.0
    with pytest.raises(ValueError, match="windows, frames, neurons"):
        to_spike_trains(spikes[0, 0], 2.0)


# --- errors -----------------------------------------------------------------------------------


def test_silent_neurons_give_no_spikes_and_one_warning(traces):
    X = traces.copy()
    X[:, 1] = 0.3
    with pytest.warns(UserWarning, match=r"1 of 4 neurons \(number \d\) are constant") as caught:
        deconvolver = OasisDeconvolver(10.0).fit(X)
    assert len(caught) == 1
    assert deconvolver.noise_[1] == 0
    assert deconvolver.transform(traces)[:, 1].sum() == 0
    assert deconvolver.transform(X)[:, 0].sum() > 0


def test_clean_traces_can_be_deconvolved_with_an_absolute_threshold():
    X, spikes = simulate(500, 2, frame_rate=10.0, decay_time=1.0, noise=0.0)
    with pytest.warns(UserWarning, match="2 of 2 neurons"):
        OasisDeconvolver(10.0, decay_time=1.0).fit(X)
    deconvolver = OasisDeconvolver(10.0, decay_time=1.0, threshold=0.5, threshold_unit="trace")
    assert_array_equal(deconvolver.fit_transform(X), spikes)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"frame_rate": None}, "needs a frame rate"),
        ({"frame_rate": 0.0}, "frame_rate must be a positive"),
        ({"frame_rate": -2.0}, "frame_rate must be a positive"),
        ({"frame_rate": 10.0, "threshold": -1.0}, "threshold must be"),
        ({"frame_rate": 10.0, "threshold_unit": "sd"}, "threshold_unit must be"),
        ({"frame_rate": 10.0, "output": "spikes"}, "output must be"),
        ({"frame_rate": 10.0, "decay_time": 0.0}, "decay_time must be"),
    ],
)
def test_bad_parameters_are_refused_by_fit(traces, parameters, message):
    with pytest.raises(ValueError, match=message):
        OasisDeconvolver(**parameters).fit(traces)


@pytest.mark.parametrize("parameter", ["threshold", "decay_time"])
def test_parameters_that_are_no_numbers_are_refused(traces, parameter):
    with pytest.raises(TypeError, match=f"{parameter} must be a number"):
        OasisDeconvolver(10.0, **{parameter: "3"}).fit(traces)


def test_a_frame_rate_other_than_that_of_the_data_is_refused(traces):
    with pytest.raises(ValueError, match="frame rates differ: frame_rate says 10 Hz and X 30 Hz"):
        OasisDeconvolver(10.0).fit(Recording(traces, 30.0))
    assert OasisDeconvolver(30.0).fit(Recording(traces, 30.0)).frame_rate_ == 30.0


def test_bad_data_are_refused(traces):
    deconvolver = OasisDeconvolver(10.0).fit(traces)
    with pytest.raises(ValueError, match="expecting 4 features"):
        deconvolver.transform(traces[:, :3])
    with pytest.raises(ValueError, match="NaN or infinity"):
        deconvolver.transform(np.full((10, 4), np.nan))
    with pytest.raises(ValueError, match="X says 30 Hz and the data of fit 10 Hz"):
        deconvolver.transform(Recording(traces, 30.0))
    with pytest.raises(ValueError, match="too few to learn from"):
        OasisDeconvolver(10.0).fit([[0.0], [1.0]])


@pytest.mark.parametrize("value", [1e5, -1e5])
def test_one_artefact_does_not_hide_the_noise(value):
    rng = np.random.default_rng(0)
    traces = lfilter([1.0], [1.0, -0.9], rng.random((3000, 2)) < 0.02, axis=0)
    traces += 0.08 * rng.normal(size=traces.shape)
    clean = OasisDeconvolver(10.0).fit(traces)
    traces[1000, 1] = value
    spoilt = OasisDeconvolver(10.0).fit(traces)
    np.testing.assert_allclose(spoilt.noise_, clean.noise_, rtol=0.02)
    np.testing.assert_allclose(spoilt.noise_, 0.08, rtol=0.1)


# --- traces that are not raw ------------------------------------------------------------------


def warnings_of(recording):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        deconvolver = OasisDeconvolver(getattr(recording, "frame_rate", 10.0)).fit(recording)
    return deconvolver, [str(warning.message) for warning in caught]


@pytest.fixture(scope="module", params=[2.0, 10.0, 30.0], ids="{:g} Hz".format)
def simulated(request):
    """Raw traces, and the calcium in them, of a process that all is known of."""
    process = datasets.make_process(12, frame_rate=request.param, random_state=3)
    recording, spikes = process.sample_recording(300.0, random_state=3)
    decay = np.exp(-1 / (request.param * process.decay_times))
    calcium = [lfilter([1.0], [1.0, -g], train) for g, train in zip(decay, spikes.T, strict=True)]
    calcium = process.baselines + process.amplitudes * np.transpose(calcium)
    return process, recording, calcium.astype(np.float32)


def test_raw_traces_give_no_warning(simulated):
    _, recording, _ = simulated
    assert warnings_of(recording)[1] == []
    counts = np.round(200 * recording.traces)  # whole numbers share values, and are not clipped
    assert warnings_of(Recording(counts, recording.frame_rate))[1] == []


def test_a_real_recording_gives_no_warning():
    assert warnings_of(datasets.load_zebrafish_tectum())[1] == []


def test_denoised_traces_are_named_and_give_no_spikes(simulated):
    _, recording, calcium = simulated
    traces = np.array(recording.traces)
    traces[:, [2, 5]] = calcium[:, [2, 5]]
    deconvolver, (text,) = warnings_of(Recording(traces, recording.frame_rate))
    assert text.startswith("2 of 12 neurons (number 2, 5) are denoised")
    assert "C + YrA" in text
    assert np.flatnonzero(deconvolver.noise_ == 0).tolist() == [2, 5]
    assert np.flatnonzero(np.isinf(deconvolver.threshold_)).tolist() == [2, 5]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OasisDeconvolver(threshold=0.3, threshold_unit="trace").fit(
            Recording(traces, recording.frame_rate)
        )


@pytest.mark.parametrize("share", [50, 70])
def test_rectified_traces_are_named_and_keep_their_noise(simulated, share):
    process, recording, _ = simulated
    traces = np.array(recording.traces)
    traces[:, :6] = np.maximum(traces[:, :6], np.percentile(traces[:, :6], share, axis=0))
    deconvolver, (text,) = warnings_of(Recording(traces, recording.frame_rate))
    assert text.startswith("6 of 12 neurons (number 0, 1, 2, 3, 4, 5) are rectified")
    ratio = np.median(deconvolver.noise_[:6] / process.noise[:6])
    assert 0.6 < ratio < 1.6  # 0.2 to 0.5 if the values at the floor were taken


def test_saturated_traces_are_named(simulated):
    _, recording, _ = simulated
    traces = np.array(recording.traces)
    traces[:, 4] = np.minimum(traces[:, 4], np.percentile(traces[:, 4], 99))
    deconvolver, (text,) = warnings_of(Recording(traces, recording.frame_rate))
    assert text.startswith("1 of 12 neurons (number 4) are saturated")
    assert np.isfinite(deconvolver.threshold_).all()


def test_kinds_of_traces_are_told_apart_in_one_warning(simulated):
    _, recording, calcium = simulated
    traces = np.array(recording.traces)
    traces[:, 0] = 3.0
    traces[:, 1] = calcium[:, 1]
    traces[:, 2] = np.maximum(traces[:, 2], np.median(traces[:, 2]))
    traces[:, 3] = np.minimum(traces[:, 3], np.percentile(traces[:, 3], 99))
    _, (text,) = warnings_of(Recording(traces, recording.frame_rate))
    kinds = ("constant", "denoised", "rectified", "saturated")
    for number, kind in enumerate(kinds):
        assert f"1 of 12 neurons (number {number}) are {kind}" in text


def test_only_some_of_many_neurons_are_named():
    _, (text,) = warnings_of(np.ones((50, 40)))
    assert text.startswith("40 of 40 neurons (number 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...) are const")


@pytest.mark.parametrize(
    ("decay_time", "message"),
    [
        (1e-6, r"decay_time=1e-06 s is much shorter than a frame \(0.1 s at 10 Hz\)"),
        (900.0, r"decay_time=900 s is longer than X \(200 s at 10 Hz\)"),
        (-1.0, "decay_time must be a positive number of seconds"),
        (np.nan, "decay_time must be a positive number of seconds"),
        (np.inf, "decay_time must be a positive number of seconds"),
    ],
)
def test_a_decay_time_that_no_frame_shows_is_refused_by_fit(traces, decay_time, message):
    deconvolver = OasisDeconvolver(10.0, decay_time=decay_time)
    with pytest.raises(ValueError, match=message):
        deconvolver.fit(traces)
    assert not hasattr(deconvolver, "decay_")


@pytest.mark.parametrize("decay_time", ["0.5", [0.5, 0.6], np.ones(4), True, 1j])
def test_a_decay_time_that_is_no_number_is_refused_by_fit(traces, decay_time):
    with pytest.raises(TypeError, match="decay_time must be a number of seconds"):
        OasisDeconvolver(10.0, decay_time=decay_time).fit(traces)
