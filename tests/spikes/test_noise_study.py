"""What is inferred from noisy traces: curves known from theory, OASIS run by hand, and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from oasis.oasis_methods import oasisAR1
from scipy.signal import lfilter
from scipy.stats import pearsonr
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from calgan import OasisDeconvolver, Recording, datasets, noise_study
from calgan.spikes.noise_study import NoiseStudy

RATE = 10.0
LEVELS = np.array([4.0, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25])


class Linear:
    """A deconvolver whose output is a weighted sum of a few frames; it is never fitted."""

    def __init__(self, *weights):
        self.weights = weights or (1.0,)

    def transform(self, X):
        return lfilter(self.weights, [1.0], np.asarray(X), axis=0)


class Remembers(TransformerMixin, BaseEstimator):
    """Keeps what it is fitted on; its output is the trace."""

    fits = []  # of every clone

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        self.fits.append(np.array(X))
        return self

    def transform(self, X):
        return X


class TrainedElsewhere(Remembers):
    """Learns what holds for neurons of any number."""

    def fit(self, X, y=None):
        self.gain_ = 2.0
        return self

    def transform(self, X):
        return self.gain_ * np.asarray(X)


class Returns:
    """Gives what a function makes of the traces."""

    def __init__(self, function):
        self.transform = function


def white(n_frames, n_neurons, seed=0):
    return np.random.default_rng(seed).normal(size=(n_frames, n_neurons)).astype(np.float32)


def study_of(correlation, levels=LEVELS, truth=None):
    correlation = np.asarray(correlation, dtype=float)
    ids = np.arange(correlation.shape[1])
    return NoiseStudy("OASIS", np.asarray(levels, dtype=float), correlation, truth, 0.1, ids)


@pytest.fixture(scope="module")
def simulated():
    return datasets.make_recording(100.0, 12, frame_rate=RATE, random_state=0)


# --- curves that are known ----------------------------------------------------------------------


def test_traces_themselves_have_the_correlation_of_signal_and_sum():
    levels = 2.0 ** np.arange(2, -2.25, -0.25)
    study = noise_study(Linear(), Recording(white(4000, 30), RATE), levels, random_state=0)
    expected = levels / np.sqrt(1 + levels**2)
    assert_allclose(study.correlation, np.tile(expected[:, None], 30), atol=0.03)
    assert_allclose(study.mean, expected, atol=0.004)
    assert study.half_point == pytest.approx(1 / np.sqrt(3), rel=0.01)
    assert_allclose(study.half_points, 1 / np.sqrt(3), rtol=0.06)
    # r = s / sqrt(1 + s^2) falls most, per octave, at s = 1 / sqrt(2).
    top, bottom = study.steepest_octave
    assert top == pytest.approx(2 * bottom)
    assert np.sqrt(top * bottom) == pytest.approx(1 / np.sqrt(2), rel=0.2)
    assert study.falls.max() == pytest.approx(np.log(2) * 2 / 3**1.5, rel=0.05)


@pytest.mark.parametrize("decay", [0.3, 0.9])
def test_first_differences_lose_slow_signals_sooner(decay):
    traces = lfilter([1.0], [1.0, -decay], white(6000, 10), axis=0)
    study = noise_study(Linear(1.0, -1.0), traces, frame_rate=RATE, random_state=0)
    # Differences of the signal have 2 (1 - decay) times its variance, those of the noise twice.
    expected = 1 / np.sqrt(1 + 1 / ((1 - decay) * LEVELS**2))
    assert_allclose(study.correlation.mean(axis=1), expected, atol=0.015)


@pytest.mark.parametrize("n_frames", [2, 5])
def test_bins_average_the_noise_of_their_frames(n_frames):
    traces = np.repeat(white(2000, 10), n_frames, axis=0)
    width = n_frames / RATE
    study = noise_study(Linear(), Recording(traces, RATE), bin_width=width, random_state=0)
    expected = 1 / np.sqrt(1 + 1 / (n_frames * LEVELS**2))
    assert_allclose(study.correlation.mean(axis=1), expected, atol=0.015)
    assert study.bin_width == width


@pytest.mark.parametrize(("asked", "used"), [(None, 0.1), (0.01, 0.1), (0.26, 0.3), (0.5, 0.5)])
def test_the_bin_is_stated_in_whole_frames(asked, used):
    study = noise_study(Linear(), Recording(white(60, 2), RATE), [1.0], bin_width=asked)
    assert study.bin_width == pytest.approx(used)
    assert f"bins of {used:g} s" in repr(study)


def test_oasis_agrees_with_oasis_run_by_hand():
    rng = np.random.default_rng(4)
    g, threshold, n_repeats = np.exp(-1 / (RATE * 0.8)), 0.5, 12
    spikes = rng.random((3000, 5)) < 0.03
    traces = lfilter([1.0], [1.0, -g], spikes, axis=0) + 0.05 * rng.normal(size=spikes.shape)
    deconvolver = OasisDeconvolver(
        RATE, decay_time=0.8, threshold=threshold, threshold_unit="trace", output="amplitudes"
    ).fit(traces)
    study = noise_study(
        deconvolver, traces, spikes=spikes, n_repeats=n_repeats, random_state=1, verbose=0
    )

    def by_hand(trace, neuron):
        return oasisAR1(trace - deconvolver.baseline_[neuron], g, s_min=threshold)[1]

    expected, with_truth = np.zeros((8, 5)), np.zeros((9, 5))
    for neuron, trace in enumerate(traces.T):
        clean = by_hand(trace, neuron)
        with_truth[0, neuron] = pearsonr(spikes[:, neuron], clean).statistic
        for row, level in enumerate(LEVELS):
            for _ in range(n_repeats):
                noise = rng.normal(scale=np.std(trace) / level, size=len(trace))
                found = by_hand(trace + noise, neuron)
                expected[row, neuron] += pearsonr(clean, found).statistic / n_repeats
                with_truth[1 + row, neuron] += (
                    pearsonr(spikes[:, neuron], found).statistic / n_repeats
                )
    assert_allclose(study.correlation, expected, atol=0.05)
    assert_allclose(study.mean, expected.mean(axis=1), atol=0.02)
    assert_allclose(study.truth[0], with_truth[0], atol=1e-4)
    assert_allclose(study.truth.mean(axis=1), with_truth.mean(axis=1), atol=0.02)


def test_noise_is_uncorrelated_with_true_spikes():
    traces = white(5000, 20)
    spikes = (traces + white(5000, 20, seed=1) > 1).astype(float)
    study = noise_study(Linear(), traces, spikes=spikes, frame_rate=RATE, random_state=0)
    own = [pearsonr(s, x).statistic for s, x in zip(spikes.T, traces.T, strict=True)]
    assert_allclose(study.truth[0], own, atol=1e-6)
    attenuated = study.truth[0] * (LEVELS / np.sqrt(1 + LEVELS**2))[:, None]
    assert_allclose(study.truth[1:], attenuated, atol=0.04)


def test_less_noise_and_true_spikes_never_do_worse(simulated):
    recording, spikes = simulated
    study = noise_study(OasisDeconvolver(), recording, spikes=spikes, random_state=0)
    assert np.all(np.diff(study.mean) < 0)
    assert np.all(np.diff(study.truth.mean(axis=1)) < 0)
    assert np.all(study.correlation <= 1)


# --- what the numbers do not depend on ----------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.01, 1000), offset=st.floats(-10, 10))
def test_units_and_baseline_do_not_matter(scale, offset):
    traces = white(300, 3)
    first, second = (
        noise_study(Linear(), Recording(x, RATE), random_state=0)
        for x in (traces, scale * (traces + offset))
    )
    assert_allclose(first.correlation, second.correlation, atol=1e-4)


def test_a_neurons_noise_depends_on_its_id_alone(simulated):
    recording, _ = simulated
    deconvolver = OasisDeconvolver()
    whole = noise_study(deconvolver.fit(recording), recording, [1.0], random_state=3)
    part = recording.select([7, 2])
    some = noise_study(OasisDeconvolver().fit(part), part, [1.0], random_state=3)
    assert_allclose(some.correlation, whole.correlation[:, [7, 2]], atol=1e-6)
    assert_array_equal(some.roi_ids, [7, 2])
    twins = Recording(np.repeat(white(200, 1), 2, axis=1), RATE)
    first, second = noise_study(Linear(), twins, [1.0], random_state=3).correlation[0]
    assert first != second


def test_the_seed_decides_and_no_global_state_is_touched(simulated):
    recording, _ = simulated
    before = np.random.get_state()[1].tolist()

    def run(seed, levels=(1.0, 0.5)):
        return noise_study(Linear(), recording, levels, random_state=seed).correlation

    assert_array_equal(run(5), run(5))
    assert_array_equal(*(run(np.random.default_rng(0)) for _ in range(2)))
    assert np.all(run(5) != run(6))
    assert np.all(run(None) != run(None))
    assert_array_equal(run(5, (0.5, 1.0, 2.0))[1:], run(5))  # from the largest down, same noise
    assert np.random.get_state()[1].tolist() == before


def test_only_frames_of_segments_count():
    traces = white(1000, 4)
    cut = np.insert(traces, [405], np.full((50, 4), np.nan), axis=0)
    segments = [[0, 405], [455, 1050]]
    recording = Recording(cut, RATE, segments=segments)
    spikes = np.where(np.isnan(cut), np.nan, cut > 1)
    study = noise_study(Linear(), recording, spikes=spikes, bin_width=1.0, random_state=0)
    # Bins of 10 frames: 40 in the first segment, 59 in the second; none holds frames of both.
    kept = np.concatenate([traces[:400], traces[405:995]]).reshape(99, 10, 4).sum(axis=1)
    true = np.concatenate([traces[:400], traces[405:995]]) > 1
    true = true.reshape(99, 10, 4).sum(axis=1)
    expected = [pearsonr(x, y).statistic for x, y in zip(kept.T, true.T, strict=True)]
    assert_allclose(study.truth[0], expected, atol=1e-5)
    # A value outside the segments changes no noise.
    cut[410:440] = 1e6
    loud = noise_study(Linear(), Recording(cut, RATE, segments=segments), random_state=0)
    quiet = noise_study(Linear(), recording, random_state=0)
    assert_array_equal(loud.correlation, quiet.correlation)


# --- fitted or not ------------------------------------------------------------------------------


def test_what_is_not_fitted_is_fitted_on_each_noisy_recording():
    Remembers.fits.clear()
    deconvolver = Remembers()
    traces = white(2000, 3)
    noise_study(deconvolver, Recording(traces, RATE), [2.0, 0.5], n_repeats=2, random_state=0)
    assert not hasattr(deconvolver, "n_features_in_")
    assert_array_equal(Remembers.fits[0], traces)
    deviations = [fit.std(axis=0) / traces.std(axis=0) for fit in Remembers.fits[1:]]
    expected = np.sqrt(1 + 1 / np.array([2.0, 0.5, 2.0, 0.5]) ** 2)
    assert_allclose(deviations, np.tile(expected[:, None], 3), rtol=0.05)
    added = [fit - traces for fit in Remembers.fits[1:]]
    assert_allclose(added[1], 4 * added[0], atol=1e-5)  # one draw of the noise at all levels
    assert abs(np.corrcoef(added[0].ravel(), added[2].ravel())[0, 1]) < 0.1  # another draw


def test_what_is_fitted_is_used_as_it_is(simulated):
    recording, _ = simulated
    deconvolver = OasisDeconvolver().fit(recording)
    thresholds = deconvolver.threshold_.copy()
    fixed = noise_study(deconvolver, recording, [0.5], random_state=0)
    assert_array_equal(deconvolver.threshold_, thresholds)
    refitted = noise_study(OasisDeconvolver(), recording, [0.5], random_state=0)
    assert np.all(fixed.correlation != refitted.correlation)
    Remembers.fits.clear()
    noise_study(Remembers().fit(recording), recording, [0.5], random_state=0)
    assert len(Remembers.fits) == 1
    trained = TrainedElsewhere().fit(None)
    trained.fit = None  # it is not fitted again
    assert noise_study(trained, recording, [0.5]).correlation.shape == (1, 12)


def test_arrays_pipelines_and_recordings_of_spikes_are_welcome(simulated):
    recording, _ = simulated
    expected = noise_study(OasisDeconvolver(), recording, [1.0], random_state=0).correlation
    traces = np.asarray(recording.traces)
    for deconvolver in (OasisDeconvolver(), OasisDeconvolver(RATE)):
        study = noise_study(deconvolver, traces, [1.0], frame_rate=RATE, random_state=0)
        assert_array_equal(study.correlation, expected)
    fitted = OasisDeconvolver(RATE).fit(traces)
    assert noise_study(fitted, traces, [1.0]).bin_width == 0.1
    pipeline = make_pipeline(FunctionTransformer(), OasisDeconvolver())
    study = noise_study(pipeline, recording, [1.0], random_state=0)
    assert_array_equal(study.correlation, expected)
    assert study.deconvolver == "Pipeline"


# --- undefined and refused ----------------------------------------------------------------------


def test_neurons_without_a_correlation_are_named(simulated):
    recording, spikes = simulated
    traces, spikes = np.array(recording.traces), spikes.copy()
    traces[:, 2] = 0.3
    spikes[:, 4] = 0.0
    silent = Returns(lambda X: np.where(np.arange(12) == 5, 0.0, X))
    with pytest.warns(UserWarning, match="have no correlation") as caught:
        study = noise_study(silent, Recording(traces, RATE), spikes=spikes)
    (text,) = [str(each.message) for each in caught]
    assert "2 of 12 neurons (number 2, 5) have no correlation (NaN)" in text
    assert "1 of 12 neurons (number 4) have no correlation with true spikes (NaN)" in text
    assert_array_equal(np.flatnonzero(np.isnan(study.correlation).all(axis=0)), [2, 5])
    assert_array_equal(np.flatnonzero(np.isnan(study.truth).all(axis=0)), [4])
    assert np.isfinite(study.mean).all()
    assert_array_equal(np.isnan(study.half_points), np.isin(np.arange(12), [2, 5]))
    assert_allclose(study.truth[:, [2, 5]], 0.0)  # true spikes, of which nothing is found


def test_oasis_says_what_it_has_to_say_once(simulated):
    traces = np.array(simulated[0].traces)
    traces[:, 2] = 0.3
    with pytest.warns(UserWarning, match="are constant") as caught:
        noise_study(OasisDeconvolver(), Recording(traces, RATE), random_state=0)
    texts = [str(each.message) for each in caught]
    assert ["are constant" in text for text in texts] == [True, True]
    assert all("1 of 12 neurons (number 2)" in text for text in texts)


def test_what_noise_silences_counts_as_zero():
    traces = white(500, 2)
    loud = np.linalg.norm(traces) * 1.5
    study = noise_study(
        Returns(lambda X: X if np.linalg.norm(X) < loud else np.zeros(X.shape)),
        traces,
        [4.0, 0.5],
        frame_rate=RATE,
        random_state=0,
    )
    assert np.all(study.correlation[0] > 0.9)
    assert_array_equal(study.correlation[1], 0.0)


class CannotBeCloned(Linear):
    """Is no scikit-learn estimator."""

    def fit(self, X):
        return self


GOOD = {"deconvolver": Linear(), "recording": Recording(white(60, 4), RATE)}


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"deconvolver": 3}, TypeError, "must be an object with a transform .* got 3"),
        ({"deconvolver": OasisDeconvolver}, TypeError, r"such as OasisDeconvolver\(\), got <class"),
        ({"deconvolver": CannotBeCloned()}, TypeError, "CannotBeCloned that has a fit but no get_"),
        ({"recording": white(60, 4)}, ValueError, "noise_study needs a frame rate"),
        ({"recording": white(60, 4), "frame_rate": 0}, ValueError, "must be a positive, finite"),
        ({"frame_rate": 20.0}, ValueError, "frame_rate says 20 Hz and recording 10 Hz"),
        ({"deconvolver": OasisDeconvolver(5.0)}, ValueError, "recording says 10 Hz and deconvolv"),
        ({"recording": [white(60, 4)] * 2}, ValueError, "recording must be a recording of shape"),
        ({"recording": np.full((60, 4), np.nan)}, ValueError, "recording contains NaN or infinity"),
        ({"recording": Recording(np.ones((60, 4)), RATE)}, ValueError, "every trace of recording"),
        ({"levels": 1.0}, TypeError, "levels must be a list of signal-to-noise ratios, got 1.0"),
        ({"levels": "high"}, TypeError, "levels must be a list"),
        ({"levels": []}, ValueError, "at least one signal-to-noise ratio, each once"),
        ({"levels": [1.0, 1]}, ValueError, "each once"),
        ({"levels": [1.0, 0.0]}, ValueError, "each of levels must be .* at least 0.001, got 0.0"),
        ({"levels": [np.inf]}, ValueError, "each of levels must be a finite number"),
        ({"bin_width": 0}, ValueError, "bin_width must be a finite number above 0, got 0"),
        ({"bin_width": 2.5}, ValueError, "hold 2 bins of 2.5 s, too few to correlate"),
        ({"bin_width": 1e300}, ValueError, "hold 0 bins"),
        ({"n_repeats": 0}, ValueError, "n_repeats must be an integer of at least 1"),
        ({"n_repeats": 1.5}, TypeError, "n_repeats must be an integer"),
        ({"random_state": "x"}, TypeError, "random_state must be None"),
        ({"verbose": "loud"}, TypeError, "verbose must be None, 0 or 1"),
        ({"spikes": white(59, 4)}, ValueError, r"\(60, 4\), got shape \(59, 4\)"),
        ({"spikes": np.full((60, 4), np.nan)}, ValueError, "spikes contains NaN or infinity"),
        ({"spikes": "many"}, TypeError, "spikes must be an array of real numbers"),
        ({"spikes": Recording(white(60, 4), 20.0)}, ValueError, "10 Hz and spikes 20 Hz"),
        (
            {"spikes": Recording(white(60, 4), RATE, roi_ids=list("abcd"))},
            ValueError,
            "the roi_ids of spikes are not those of recording; select the same neurons",
        ),
    ],
)
def test_wrong_arguments_get_one_clear_sentence(arguments, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        noise_study(**{**GOOD, **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("infer", "sentence"),
    [
        (lambda X: np.asarray(X)[:-1], r"has shape \(59, 4\), but the traces have \(60, 4\)"),
        (lambda X: np.asarray(X)[:, 0], r"has shape \(60,\)"),
        (lambda X: np.asarray(X) * np.nan, "what Returns infers contains NaN or infinity"),
        (lambda X: np.zeros(X.shape), "infers nothing that varies from the recording as it is"),
        (lambda X: np.asarray(X) * 1j, "Complex data not supported: what Returns infers"),
    ],
    ids=["frames", "neurons", "nan", "constant", "complex"],
)
def test_what_is_inferred_has_to_be_a_number_a_frame_and_neuron(infer, sentence):
    with pytest.raises(ValueError, match=sentence):
        noise_study(Returns(infer), GOOD["recording"])


def test_nan_that_only_noise_brings_is_refused_too():
    quiet = np.abs(GOOD["recording"].traces).max()
    broken = Returns(lambda X: np.where(np.asarray(X) > 2 * quiet, np.nan, X))
    with pytest.raises(ValueError, match="what Returns infers contains NaN"):
        noise_study(broken, GOOD["recording"], random_state=0)


def test_a_bar_is_shown_where_it_is_asked_for(capsys):
    noise_study(Linear(), GOOD["recording"], [1.0], verbose=1)
    assert "noise_study: 100%" in capsys.readouterr().err
    noise_study(Linear(), GOOD["recording"], [1.0], verbose=0)
    assert capsys.readouterr().err == ""


# --- half points, intervals, steepest octaves ---------------------------------------------------


def test_half_points_lie_between_levels_on_a_logarithmic_axis():
    curves = np.array([[0.9, 0.9, 0.6], [0.7, 0.5, 0.4], [0.3, 0.4, 0.6], [0.1, 0.2, 0.1]])
    study = study_of(curves, [4.0, 2.0, 1.0, 0.5])
    # Of a curve that rises again, the first point from the largest level down.
    assert_allclose(study.half_points, [np.sqrt(2.0), 2.0, np.sqrt(8.0)])


def test_a_point_beyond_the_levels_is_nan():
    study = study_of([[0.9, 0.4, 0.5], [0.6, 0.2, 0.4]], [2.0, 1.0])
    assert_array_equal(study.half_points, [np.nan, np.nan, 2.0])
    never = study_of(np.full((2, 6), 0.9), [2.0, 1.0])
    assert np.isnan([never.half_point, *never.half_point_interval]).all()
    partly = study_of([[0.95] * 5, [0.3, 0.7, 0.4, 0.6, 0.45]], [2.0, 1.0])
    low, high = partly.half_point_interval
    assert np.isnan(low)  # some populations of these neurons stay above half
    assert high > partly.half_point > 1.0


@settings(max_examples=60, deadline=None)
@given(arrays(float, (5, 3), elements=st.floats(-0.2, 1.0)))
def test_the_half_point_is_where_the_interpolated_mean_is_half(curves):
    levels = np.array([3.0, 2.0, 1.0, 0.6, 0.3])
    study = study_of(curves, levels)
    fine = np.geomspace(0.3, 3.0, 400)
    mean = np.interp(np.log(fine), np.log(levels[::-1]), study.mean[::-1])
    if np.isnan(study.half_point):
        assert mean[-1] <= 0.5 or np.all(mean > 0.5 - 1e-9)
    else:
        at_half = np.interp(np.log(study.half_point), np.log(levels[::-1]), study.mean[::-1])
        assert at_half == pytest.approx(0.5, abs=1e-6)
        assert np.all(mean[fine > study.half_point * (1 + 1e-9)] > 0.5 - 1e-6)


def test_intervals_contain_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    octaves = np.log2(LEVELS)[:, None]

    def draw(n):
        return 1 / (1 + np.exp(-1.5 * (octaves - rng.normal(-0.7, 0.6, n))))

    truth = study_of(draw(200_000))
    true_half = float(2.0 ** np.interp(0.5, truth.correlation.mean(axis=1)[::-1], octaves[::-1, 0]))
    true_mean = truth.correlation.mean(axis=1)
    half, mean = [], []
    for _ in range(150):
        study = study_of(draw(20))
        low, high = study.half_point_interval
        half.append(low <= true_half <= high)
        below, above = study.mean_interval
        mean.append((below <= true_mean) & (true_mean <= above))
    assert 0.87 < np.mean(half) < 0.99
    assert 0.87 < np.mean(mean) < 0.99


def test_one_neuron_has_no_interval():
    study = study_of([[0.9], [0.6], [0.2]], [2.0, 1.0, 0.5])
    assert study.half_point == pytest.approx(2**-0.25)
    assert np.isnan(study.half_point_interval).all()
    assert np.isnan(study.mean_interval).all()


@pytest.mark.parametrize(
    ("levels", "mean", "octave", "falls"),
    [
        ([4, 2, 1, 0.5], [0.9, 0.8, 0.3, 0.2], (2, 1), [0.1, 0.5, 0.1]),
        ([4, 2, 1.4, 0.7, 0.5], [1, 0.9, 0.8, 0.2, 0.15], (1.4, 0.7), None),
        ([4, 1, 0.25], [0.9, 0.5, 0.4], None, [0.2, 0.05]),
        ([1.2, 1], [0.9, 0.5], (np.nan, np.nan), None),
        ([1], [0.9], (np.nan, np.nan), []),
    ],
)  # fmt: skip
def test_the_steepest_octave_is_found(levels, mean, octave, falls):
    study = study_of(np.tile(np.array(mean)[:, None], 3), levels)
    if octave is not None:
        assert_allclose(study.steepest_octave, octave)
    else:  # anywhere between 4 and 1
        assert 2 <= study.steepest_octave[0] <= 4
    if falls is not None:
        assert_allclose(study.falls, falls)


def test_a_frame_has_a_row_a_level_and_neuron():
    truth = np.array([[0.8, np.nan], [0.7, np.nan]])
    study = study_of([[0.9, np.nan]], [2.0], truth)
    frame = study.to_frame()
    assert frame.index.names == ["snr", "neuron"]
    assert frame.index.tolist() == [(np.inf, 0), (np.inf, 1), (2.0, 0), (2.0, 1)]
    assert_array_equal(frame["correlation"], [1.0, np.nan, 0.9, np.nan])
    assert_array_equal(frame["truth"], truth.ravel())
    assert list(study_of([[0.9, 0.3]], [2.0]).to_frame()) == ["correlation"]
