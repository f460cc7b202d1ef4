"""Scorers: right sign, right order, at home in scikit-learn's searches."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from calgan import (
    DichotomizedGaussianCalcium,
    MinMaxScaler,
    OasisDeconvolver,
    Windower,
    make_calcium_pipeline,
    metrics,
)
from calgan.datasets import make_process
from calgan.metrics import (
    calcium_scorer,
    correlation_scorer,
    firing_rate_scorer,
    make_scorer,
    van_rossum_scorer,
)
from calgan.model_selection import BlockedKFold, search_table, thesis_split, train_test_blocks

RATE, WINDOW, NEURONS = 10.0, 40, 6
NAMES = {"firing_rate", "correlation", "van_rossum", "population_count", "correlation_matrix"}


@pytest.fixture(scope="module")
def process():
    return make_process(n_neurons=NEURONS, frame_rate=RATE, random_state=0)


@pytest.fixture(scope="module")
def recording(process):
    return process.sample_recording(200.0, random_state=1)[0]


@pytest.fixture(scope="module")
def windows(recording):
    return Windower(WINDOW, stride=4).fit_transform(recording)


class Truth(BaseEstimator):
    """Samples the true process, spoilt by noise and by shuffling neurons on request."""

    def __init__(self, process, noise=0.0, shuffle=False):
        self.process = process
        self.noise = noise
        self.shuffle = shuffle

    def fit(self, X, y=None):
        return self

    def sample(self, n_samples=1, *, random_state=None):
        draws, _ = self.process.sample_windows(n_samples, WINDOW, random_state=random_state)
        rng = np.random.default_rng(random_state)
        if self.shuffle:
            picks = rng.permuted(np.repeat(np.arange(n_samples)[:, None], NEURONS, axis=1), axis=0)
            draws = draws[picks[:, None], np.arange(WINDOW)[:, None], np.arange(NEURONS)]
        return (draws + self.noise * rng.normal(size=draws.shape)).astype(np.float32)


@pytest.mark.parametrize("statistic", sorted(NAMES))
def test_better_samples_score_higher(process, windows, statistic):
    scorer = make_scorer(statistic)
    good = scorer(Truth(process), windows)
    noisy = scorer(Truth(process, noise=2.0), windows)
    assert isinstance(good, float)
    assert good > noisy
    if statistic != "correlation_matrix":
        assert noisy < good <= 0.0


@pytest.mark.parametrize("statistic", ["population_count", "correlation_matrix"])
def test_population_statistics_tell_shuffled_neurons(process, windows, statistic):
    scorer = make_scorer(statistic)
    assert scorer(Truth(process), windows) > scorer(Truth(process, shuffle=True), windows)


def test_the_score_is_the_negated_divergence(process, windows):
    generator = Truth(process)
    deconvolver = OasisDeconvolver(RATE).fit(windows)
    synthetic = generator.sample(60, random_state=3)
    scorer = make_scorer("van_rossum", n_samples=60, deconvolver=deconvolver, random_state=3)
    small = windows[:60]
    expected = metrics.van_rossum_kl(
        deconvolver.transform(np.asarray(small)), deconvolver.transform(synthetic), RATE
    )
    assert scorer(generator, small) == pytest.approx(-expected)


def test_all_at_once_are_the_same_scores(process, windows):
    scores = calcium_scorer(Truth(process), windows)
    assert set(scores) == NAMES
    assert scores["firing_rate"] == firing_rate_scorer(Truth(process), windows)
    assert scores["correlation"] == correlation_scorer(Truth(process), windows)
    assert scores["van_rossum"] == van_rossum_scorer(Truth(process), windows)
    assert scores == calcium_scorer(Truth(process), windows)


@pytest.mark.parametrize("kind", ["array", "recording", "segments"])
def test_real_data_come_in_many_forms(process, recording, windows, kind):
    X = {
        "array": np.asarray(windows),
        "recording": recording,
        "segments": [np.asarray(recording.traces)[:900], np.asarray(recording.traces)[900:]],
    }[kind]
    scores = make_scorer(n_samples=100, frame_rate=RATE)(Truth(process), X)
    assert scores["correlation_matrix"] > 0.5


class Bank:
    """Samples the first of the same windows, as many as are asked for."""

    def __init__(self, process):
        self.windows = process.sample_windows(500, WINDOW, random_state=5)[0]

    def sample(self, n_samples=1, *, random_state=None):
        return self.windows[:n_samples]


@pytest.mark.parametrize(("cut", "n"), [(100, 122), (90, 112)], ids=["equal", "ragged"])
def test_segments_are_compared_by_their_windows_not_by_their_number(process, recording, cut, n):
    segments = [recording[:100], recording[100 : 100 + cut]]  # 61 + cut - 39 starts
    expected = make_scorer("van_rossum", n_samples=n)(Bank(process), segments)
    assert van_rossum_scorer(Bank(process), segments) == expected


def test_a_search_picks_the_better_generator(process, windows):
    search = GridSearchCV(
        Truth(process),
        {"noise": [2.0, 0.0]},
        scoring=make_scorer(n_samples=80),
        refit="van_rossum",
        cv=BlockedKFold(2),
        error_score="raise",
    ).fit(windows)
    assert search.best_params_ == {"noise": 0.0}
    assert {f"mean_test_{name}" for name in NAMES} <= set(search.cv_results_)
    assert np.isfinite(van_rossum_scorer(search, windows))


def test_cross_validation_takes_a_single_scorer(process, windows):
    scorer = make_scorer("correlation", n_samples=60)
    scores = cross_val_score(
        Truth(process), windows, scoring=scorer, cv=BlockedKFold(2), error_score="raise"
    )
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()


def test_an_unfitted_deconvolver_is_not_changed(process, windows):
    deconvolver = OasisDeconvolver(threshold=4.0)
    make_scorer("firing_rate", n_samples=50, deconvolver=deconvolver)(Truth(process), windows)
    assert not hasattr(deconvolver, "decay_")
    assert deconvolver.frame_rate is None


def test_scorers_pickle_and_say_what_they_are():
    for scorer in (van_rossum_scorer, calcium_scorer, make_scorer("correlation", frame_rate=24.0)):
        again = pickle.loads(pickle.dumps(scorer))
        assert again == scorer
        assert repr(again) == repr(scorer)
    assert "van_rossum" in repr(van_rossum_scorer)
    assert clone(calcium_scorer, safe=False) == calcium_scorer


def test_make_scorer_and_the_names_in_metrics():
    assert make_scorer("correlation") == metrics.correlation_scorer
    assert make_scorer() == metrics.calcium_scorer
    assert metrics.van_rossum_scorer is van_rossum_scorer
    assert metrics.calcium_scorer is calcium_scorer
    assert metrics.make_scorer is make_scorer


class Broken(Truth):
    def sample(self, n_samples=1, *, random_state=None):
        return super().sample(n_samples, random_state=random_state) * np.float32(np.nan)


def test_wrong_input_gets_one_clear_sentence(process, windows):
    generator = Truth(process)
    with pytest.raises(ValueError, match="statistic must be 'firing_rate', 'correlation'"):
        make_scorer("rate")
    with pytest.raises(TypeError, match="deconvolver must be an OasisDeconvolver.*no transform"):
        make_scorer(deconvolver="oasis")
    with pytest.raises(ValueError, match="the scorer needs a frame rate"):
        make_scorer("firing_rate")(generator, np.asarray(windows))
    with pytest.raises(ValueError, match="frame_rate must be a positive"):
        make_scorer("firing_rate", frame_rate=0.0)(generator, windows)
    with pytest.raises(ValueError, match="frame rates differ: frame_rate says 24 Hz and X 10 Hz"):
        make_scorer("firing_rate", frame_rate=24.0)(generator, windows)
    with pytest.raises(ValueError, match="X has 5 neurons, but the samples have 6"):
        make_scorer("firing_rate", frame_rate=RATE)(generator, np.zeros((20, WINDOW, 5)))
    with pytest.raises(ValueError, match="samples hold NaN.*diverged"):
        make_scorer("firing_rate")(Broken(process), windows)
    with pytest.raises(ValueError, match="n_samples"):
        make_scorer("firing_rate", n_samples=1)(generator, windows)
    with pytest.raises(ValueError, match="scaled or encoded"):
        make_scorer("firing_rate")(generator, windows.map(np.negative))
    with pytest.raises(TypeError, match="cannot sample"):
        make_scorer("firing_rate")(object(), windows)


# --- quiet folds ------------------------------------------------------------------------------


def quiet(recording, first, last, noise):
    """The recording with noise of this deviation alone in some of its frames."""
    traces = np.array(recording.traces)
    rng = np.random.default_rng(0)
    traces[first:last] = noise * rng.normal(size=(last - first, NEURONS))
    return Windower(WINDOW, stride=4).fit_transform(recording.with_traces(traces))


def test_silent_data_leave_scores_undefined_and_say_so(process, recording):
    windows = quiet(recording, 0, 2000, 0.0)
    with pytest.warns(UserWarning, match="score of firing_rate, correlation, van_rossum") as caught:
        scores = make_scorer(n_samples=60)(Truth(process), windows)
    assert len(caught) == 1
    assert np.isnan(list(scores.values())).all()


def test_a_neuron_that_is_silent_in_a_fold_leaves_the_other_scores(process, recording):
    traces = np.array(recording.traces)
    traces[:, 2] = 0.5
    windows = Windower(WINDOW, stride=4).fit_transform(recording.with_traces(traces))
    scores = make_scorer(n_samples=60)(Truth(process), windows)
    assert np.isfinite(list(scores.values())).all()


def test_one_neuron_has_no_scores_of_pairs(process, windows):
    class First(Truth):
        def sample(self, n_samples=1, *, random_state=None):
            return super().sample(n_samples, random_state=random_state)[:, :, :1]

    with pytest.warns(UserWarning, match="score of correlation, van_rossum, correlation_matrix is"):
        scores = make_scorer(n_samples=60, frame_rate=RATE)(
            First(process), np.asarray(windows)[:, :, :1]
        )
    assert np.isfinite([scores["firing_rate"], scores["population_count"]]).all()


@pytest.mark.filterwarnings("ignore:the score of")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_search_survives_a_silent_fold(process, recording):
    search = GridSearchCV(
        Truth(process),
        {"noise": [2.0, 0.0]},
        scoring=make_scorer(n_samples=60),
        refit="van_rossum",
        cv=BlockedKFold(3),
        error_score="raise",
    ).fit(quiet(recording, 1300, 2000, 0.0))
    folds = [search.cv_results_[f"split{k}_test_van_rossum"] for k in range(3)]
    assert np.isfinite(folds[:2]).all()
    assert np.isnan(folds[2]).all()
    # scikit-learn has no mean; the table judges by the folds that have a score.
    best = search_table(search).splitlines()[1]
    assert "noise=0" in best
    assert "failed" not in best


def test_a_search_survives_a_fold_of_noise(process, recording):
    search = GridSearchCV(
        Truth(process),
        {"noise": [2.0, 0.0]},
        scoring=make_scorer(n_samples=60),
        refit="firing_rate",
        cv=BlockedKFold(3),
        error_score="raise",
    ).fit(quiet(recording, 1300, 2000, 0.1))
    assert np.isfinite(search.best_score_)


@pytest.mark.parametrize("fitted", [True, False])
def test_a_deconvolver_of_ones_own_infers_the_spikes(process, windows, fitted):
    deconvolver = OasisDeconvolver(RATE, threshold=1e6)
    deconvolver = deconvolver.fit(windows) if fitted else deconvolver
    scorer = make_scorer("firing_rate", n_samples=60, deconvolver=deconvolver)
    with pytest.warns(UserWarning, match="score of firing_rate is NaN"):
        assert np.isnan(scorer(Truth(process), windows))  # no spike passes its threshold


def test_a_deconvolver_need_not_be_an_estimator(process, windows):
    class Threshold:
        def transform(self, X):
            return np.asarray(X) > 0.5

    scorer = make_scorer("firing_rate", n_samples=60, deconvolver=Threshold())
    assert scorer(Truth(process), windows) <= 0.0


# --- leaks ------------------------------------------------------------------------------------


def generator():
    return DichotomizedGaussianCalcium(n_lags=2, random_state=0)


FAST = make_scorer("firing_rate", n_samples=30)
LEAK = r"% of the test frames lie in windows that the generator was fitted on.*BlockedKFold"


@pytest.mark.parametrize(
    ("cv", "least"), [(KFold(5), 5.0), (KFold(5, shuffle=True, random_state=0), 99.0)]
)
def test_plain_folds_of_overlapping_windows_give_a_warning(windows, cv, least):
    with pytest.warns(UserWarning, match=LEAK) as caught:
        cross_val_score(generator(), windows, scoring=FAST, cv=cv, error_score="raise")
    shares = [float(str(warning.message).split(" %")[0]) for warning in caught]
    assert min(shares) >= least


def test_the_share_of_leaked_frames_is_that_of_the_training_windows(windows):
    train, test = windows[:200], windows[200:210]
    frames = np.arange(int(test.start[0]), int(test.start[-1]) + WINDOW)
    in_train = np.isin(frames, train.start[:, np.newaxis] + np.arange(WINDOW))
    with pytest.warns(UserWarning, match=f"{100 * in_train.mean():.3g} % of the test frames"):
        FAST(generator().fit(train), test)


def test_a_leak_shows_through_transformers_and_pickles(windows):
    pipeline = make_calcium_pipeline(generator(), window=WINDOW)
    pipeline.steps.insert(1, ("scaler", MinMaxScaler()))
    fitted, test = pickle.loads(pickle.dumps((pipeline.fit(windows[:300]), windows[290:])))
    with pytest.warns(UserWarning, match=LEAK):
        FAST(fitted, test)


def test_the_published_split_gives_a_warning(recording):
    train, test = thesis_split(recording, WINDOW, random_state=0)
    with pytest.warns(UserWarning, match=LEAK):
        FAST(generator().fit(train), test)


def test_splits_without_common_frames_give_no_warning(recording, windows):
    cross_val_score(generator(), windows, scoring=FAST, cv=BlockedKFold(3), error_score="raise")
    apart = Windower(WINDOW, stride=WINDOW).fit_transform(recording)
    cross_val_score(
        generator(), apart, scoring=FAST, cv=KFold(3, shuffle=True), error_score="raise"
    )
    train, test = train_test_blocks(recording, gap=WINDOW)
    pipeline = make_calcium_pipeline(generator(), window=WINDOW).fit(train)
    for X in (test, Windower(WINDOW).fit_transform(test)):
        assert np.isfinite(FAST(pipeline, X))


def test_segments_shorter_than_a_window_are_counted(process, recording):
    segments = [recording[:600], recording[600:630], recording[700:710]]
    with pytest.warns(UserWarning, match="2 of 3 segments of X are shorter than the window of 40"):
        FAST(Truth(process), segments)
