"""Pipelines that sample: back through the steps, for stock pipelines and searches too."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import sklearn.pipeline
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from stand_in import NoiseGenerator

import calgan
from calgan import (
    CalciumFactorModel,
    CalciumFlow,
    CalciumGAN,
    DichotomizedGaussianCalcium,
    FFTEncoder,
    MinMaxScaler,
    OasisDeconvolver,
    Pipeline,
    Recording,
    Windower,
    make_calcium_pipeline,
    sample,
)
from calgan.model_selection import BlockedKFold

WINDOW = 16

# A short recording and a few rounds are too little for every neuron to match.
pytestmark = pytest.mark.filterwarnings("ignore::calgan.FitWarning")


def make(kind: type = Pipeline, **steps: Any) -> Any:
    """Return a pipeline around the stand-in generator, with some steps replaced."""
    named = {
        "windower": Windower(WINDOW),
        "encoder": "passthrough",
        "scaler": MinMaxScaler(per_neuron=True),
        "generator": NoiseGenerator(max_iter=3, random_state=0),
    }
    return kind(list((named | steps).items()))


def by_hand(recording: Any, n_samples: int, encoder: Any = None) -> np.ndarray:
    """Sample without a pipeline."""
    windows = Windower(WINDOW).fit_transform(recording)
    if encoder is not None:
        windows = encoder.fit_transform(windows)
    scaler = MinMaxScaler(per_neuron=True).fit(windows)
    generator = NoiseGenerator(max_iter=3, random_state=0).fit(scaler.transform(windows))
    samples = scaler.inverse_transform(generator.sample(n_samples))
    return samples if encoder is None else encoder.inverse_transform(samples)


@pytest.mark.parametrize("kind", [Pipeline, sklearn.pipeline.Pipeline])
def test_sample_goes_back_through_the_steps(kind: type, traces: np.ndarray) -> None:
    counts = 1000 + 300 * traces
    model = make(kind).fit(counts)
    windows = sample(model, 4)
    assert windows.shape == (4, WINDOW, 5)
    assert windows.dtype == np.float32
    np.testing.assert_array_equal(windows, by_hand(counts, 4))
    assert 900 < windows.mean() < 1400


@pytest.mark.parametrize("layout", ["full", "packed"])
def test_sample_goes_back_through_an_encoder(layout: str, traces: np.ndarray) -> None:
    # The stand-in learns encoded windows (M, T, N, C) as well.
    model = make(encoder=FFTEncoder(layout)).fit(traces)
    windows = model.sample(3)
    assert windows.shape == (3, WINDOW, 5)
    np.testing.assert_array_equal(windows, by_hand(traces, 3, FFTEncoder(layout)))


def test_random_state_reaches_the_generator(traces: np.ndarray) -> None:
    model = make().fit(traces)
    np.testing.assert_array_equal(model.sample(2, random_state=7), sample(model, 2, random_state=7))
    assert not np.allclose(model.sample(2, random_state=7), model.sample(2, random_state=8))
    assert model.sample().shape == (1, WINDOW, 5)


@pytest.mark.parametrize("kind", ["array", "Recording", "segments", "recordings", "trials", "view"])
def test_it_fits_whatever_a_recording_may_be(kind: str, traces: np.ndarray) -> None:
    X: Any = {
        "array": traces,
        "Recording": Recording(traces, 10.0),
        "segments": [traces[:100], traces[100:]],
        "recordings": [Recording(traces[:100], 10.0), Recording(traces[100:], 10.0)],
        "trials": traces.reshape(4, 60, 5),
        "view": Windower(WINDOW).fit_transform(traces),
    }[kind]
    model = make().fit(X)
    assert model.sample(2).shape == (2, WINDOW, 5)
    n_borders = {"segments": 1, "recordings": 1, "trials": 3}.get(kind, 0)
    # No window crosses a border.
    assert len(model.score_samples(X)) == 240 - (n_borders + 1) * (WINDOW - 1)


def test_a_step_that_is_not_invertible_says_so(traces: np.ndarray) -> None:
    model = make(encoder=OasisDeconvolver(frame_rate=10.0))
    with pytest.warns(
        UserWarning, match=r"'encoder' \(OasisDeconvolver\) is not invertible"
    ) as said:
        model.fit(traces)
    assert len(said) == 1
    with pytest.raises(TypeError, match=r"'encoder' \(OasisDeconvolver\) is not invertible"):
        model.sample(2)
    assert model[-1].sample(2).shape == (2, WINDOW, 5)  # as the sentence advises


def test_a_function_without_an_inverse_is_not_taken_for_the_identity(traces: np.ndarray) -> None:
    model = make(encoder=FunctionTransformer(np.arcsinh))
    with pytest.warns(UserWarning, match=r"'encoder' \(FunctionTransformer\) is not invertible"):
        model.fit(traces)
    with pytest.raises(TypeError, match="not invertible"):
        model.sample(2)
    both = make(encoder=FunctionTransformer(np.arcsinh, inverse_func=np.sinh, check_inverse=False))
    assert np.isfinite(both.fit(traces).sample(2)).all()
    assert make(encoder=FunctionTransformer()).fit(traces).sample(2).shape == (2, WINDOW, 5)


class Untouched(NoiseGenerator):
    """A generator that must not be fitted."""

    def fit(self, X: Any, y: Any = None) -> Any:
        raise AssertionError("training has begun")


FRONT = sklearn.pipeline.make_pipeline(StandardScaler(), Windower(WINDOW))


@pytest.mark.parametrize(
    "steps",
    [
        [StandardScaler(), Windower(WINDOW), Untouched()],
        [Windower(WINDOW), StandardScaler(), Untouched()],
        [Windower(WINDOW), PCA(2), MinMaxScaler(), Untouched()],
        [FunctionTransformer(validate=True), Windower(WINDOW), Untouched()],
        [Windower(WINDOW), FeatureUnion([("scaler", MinMaxScaler())]), Untouched()],
        [FRONT, Untouched()],
        [Windower(WINDOW), Pipeline([("scaler", StandardScaler()), ("last", Untouched())])],
        [StandardScaler(), Windower(WINDOW), GridSearchCV(Untouched(), {})],
    ],
    ids=["before", "after", "shape", "function", "union", "nested", "nested last", "search"],
)
def test_a_step_that_takes_no_windows_is_refused_before_training(
    steps: list[Any], traces: np.ndarray
) -> None:
    model = Pipeline([(f"step{i}", step) for i, step in enumerate(steps)])
    with pytest.raises(TypeError, match="takes 2-D arrays and no windows") as refused:
        model.fit(traces)
    assert "MinMaxScaler" in str(refused.value)


def test_steps_of_a_search_that_take_no_windows_are_refused(traces: np.ndarray) -> None:
    search = GridSearchCV(
        make(),
        {"encoder": ["passthrough", StandardScaler()]},
        cv=BlockedKFold(2),
        scoring=negative_error,
        error_score="raise",
    )
    with pytest.raises(TypeError, match=r"'encoder' \(StandardScaler\) takes 2-D arrays"):
        search.fit(Windower(WINDOW).fit_transform(traces))


def test_a_stock_pipeline_with_a_step_that_takes_no_windows_does_not_sample(
    traces: np.ndarray,
) -> None:
    model = sklearn.pipeline.make_pipeline(StandardScaler(), Windower(WINDOW), NoiseGenerator())
    model.fit(traces)
    with pytest.raises(TypeError, match=r"'standardscaler' \(StandardScaler\) takes 2-D arrays"):
        sample(model, 2)


def test_a_pipeline_that_ends_in_no_generator_takes_any_step(traces: np.ndarray) -> None:
    assert Pipeline([("scaler", StandardScaler())]).fit_transform(traces).shape == traces.shape
    model = Pipeline([("windower", Windower(WINDOW)), ("spikes", OasisDeconvolver(10.0))])
    assert model.fit(traces).transform(traces).shape == (225, WINDOW, 5)


def test_nested_pipelines_are_undone_step_by_step(traces: np.ndarray) -> None:
    front = sklearn.pipeline.Pipeline(
        [("windower", Windower(WINDOW)), ("scaler", MinMaxScaler(per_neuron=True))]
    )
    back = Pipeline([("generator", NoiseGenerator(max_iter=3, random_state=0))])
    model = Pipeline([("front", front), ("skipped", None), ("back", back)]).fit(traces)
    np.testing.assert_array_equal(model.sample(3), by_hand(traces, 3))


def test_a_generator_alone_and_what_cannot_sample(traces: np.ndarray) -> None:
    generator = NoiseGenerator(random_state=0).fit(Windower(WINDOW).fit_transform(traces))
    np.testing.assert_array_equal(sample(generator, 2), generator.sample(2))
    with pytest.raises(TypeError, match="MinMaxScaler cannot sample: pass a fitted generator"):
        sample(MinMaxScaler())
    with pytest.raises(TypeError, match="GridSearchCV cannot sample"):
        sample(GridSearchCV(make(), {}))
    assert not hasattr(Pipeline([("scaler", MinMaxScaler())]), "sample")
    assert hasattr(make(), "sample")


def negative_error(estimator: Any, X: Any, y: Any = None) -> float:
    """Score a model by the mean of its samples."""
    return -abs(float(sample(estimator, 5).mean() - np.asarray(X).mean()))


@pytest.mark.parametrize("kind", [Pipeline, sklearn.pipeline.Pipeline])
@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_searches_run_over_windows(kind: type, n_jobs: int, traces: np.ndarray) -> None:
    view = Windower(WINDOW).fit_transform(traces)
    search = GridSearchCV(
        make(kind),
        {"generator__max_iter": [1, 4], "scaler__per_neuron": [True, False]},
        cv=BlockedKFold(3),
        scoring=negative_error,
        n_jobs=n_jobs,
        error_score="raise",
    ).fit(view)
    assert len(search.cv_results_["params"]) == 4
    windows = sample(search, 3)
    np.testing.assert_array_equal(windows, sample(search.best_estimator_, 3))
    assert windows.shape == (3, WINDOW, 5)


def test_searches_run_over_segments_and_encoders(traces: np.ndarray) -> None:
    segments = [traces[i : i + 60] for i in range(0, 240, 60)]
    search = GridSearchCV(
        make(),
        {"encoder": ["passthrough", FFTEncoder("packed")]},
        cv=BlockedKFold(2),
        scoring=negative_error,
        error_score="raise",
    ).fit(segments)
    assert sample(search, 2).shape == (2, WINDOW, 5)


def test_a_search_over_frames_is_refused(traces: np.ndarray) -> None:
    search = GridSearchCV(make(), {}, cv=BlockedKFold(2), scoring=negative_error)
    with pytest.raises(ValueError, match="cannot tell when the rows"):
        search.fit(traces)


def test_it_clones_and_pickles(traces: np.ndarray) -> None:
    model = make().fit(traces)
    assert type(clone(model)) is Pipeline
    reloaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(reloaded.sample(2), model.sample(2))
    assert type(model[:-1]) is Pipeline
    assert "NoiseGenerator" in repr(model)


# make_calcium_pipeline


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("factor_model", CalciumFactorModel),
        ("gan", CalciumGAN),
        ("flow", CalciumFlow),
        ("dichotomized_gaussian", DichotomizedGaussianCalcium),
    ],
)
def test_a_name_makes_a_pipeline_of_windower_and_generator(name: str, kind: type) -> None:
    model = make_calcium_pipeline(name, window=64, stride=5, frame_rate=2.16, random_state=3)
    assert isinstance(model, calgan.Pipeline)
    assert [step for step, _ in model.steps] == ["windower", "generator"]
    assert (model[0].window, model[0].stride) == (64, 5)
    assert type(model[-1]) is kind
    assert (model[-1].frame_rate, model[-1].random_state) == (2.16, 3)


def test_the_default_is_the_factor_model_at_every_start() -> None:
    model = make_calcium_pipeline(window=64, max_iter=7)
    assert isinstance(model[-1], CalciumFactorModel)
    assert model[-1].max_iter == 7
    assert model[0].stride == 1
    assert make_calcium_pipeline("gan", window=64, variant="2d")[-1].variant == "2d"


def test_an_estimator_is_cloned_and_given_the_parameters() -> None:
    gan = CalciumGAN(max_iter=5)
    model = make_calcium_pipeline(gan, window=64, random_state=3, batch_size=8)
    assert (model[-1].max_iter, model[-1].batch_size, model[-1].random_state) == (5, 8, 3)
    assert gan.get_params() == CalciumGAN(max_iter=5).get_params()
    assert make_calcium_pipeline(NoiseGenerator(), window=16)[-1].max_iter == 20


def test_make_calcium_pipeline_refuses_what_it_does_not_know() -> None:
    names = "'factor_model', 'gan', 'flow', 'dichotomized_gaussian' or an estimator, got '1d'"
    with pytest.raises(ValueError, match=f"generator must be {names}"):
        make_calcium_pipeline("1d", window=64)
    for wrong in (CalciumGAN, 3, ["gan"]):
        with pytest.raises(TypeError, match="or an unfitted estimator .an instance., got"):
            make_calcium_pipeline(wrong, window=64)
    with pytest.raises(TypeError, match="CalciumGAN has no parameter 'epochs', 'learn_fast'"):
        make_calcium_pipeline("gan", window=64, epochs=3, learn_fast=True)
    with pytest.raises(TypeError, match="NoiseGenerator has no parameter 'frame_rate'"):
        make_calcium_pipeline(NoiseGenerator(), window=64, frame_rate=10.0)


@pytest.mark.parametrize("name", ["factor_model", "gan", "flow", "dichotomized_gaussian"])
def test_a_calcium_pipeline_learns_and_samples_in_the_units_of_the_recording(
    name: str, traces: np.ndarray
) -> None:
    recording = Recording(1000 + 300 * traces, 10.0)
    short = {} if name == "dichotomized_gaussian" else {"max_iter": 2, "verbose": 0}
    model = make_calcium_pipeline(name, window=32, random_state=0, **short).fit(recording)
    windows = model.sample(3)
    assert windows.shape == (3, 32, 5)
    assert windows.dtype == np.float32
    assert 800 < windows.mean() < 1800
    np.testing.assert_array_equal(model[-1].sample(3), windows)
    assert model[-1].n_features_in_ == 5


def test_one_search_runs_over_generators(traces: np.ndarray) -> None:
    short = {"max_iter": 2, "verbose": 0, "random_state": 0}
    trained = short | {"batch_size": 4, "filters": 2, "validation_fraction": 0}
    generators = [CalciumFactorModel(**short), CalciumFlow(**trained), CalciumGAN(**trained)]
    view = Windower(32).fit_transform(Recording(1000 + 300 * traces, 10.0))
    search = GridSearchCV(
        make_calcium_pipeline(window=32),
        [{"generator": generators}, {"generator": generators[:1], "generator__max_iter": [1]}],
        cv=BlockedKFold(2),
        scoring=negative_error,
        error_score="raise",
    ).fit(view)
    tried = [params["generator"] for params in search.cv_results_["params"]]
    assert [type(generator) for generator in tried].count(CalciumFactorModel) == 2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_params_["generator"]
    assert type(search.best_estimator_[-1]) is type(best)
    assert not hasattr(best, "n_iter_")  # a candidate is cloned, not fitted
    assert 500 < sample(search, 20).mean() < 2500


def test_one_search_runs_over_the_variants(traces: np.ndarray) -> None:
    small = {"filters": 2, "max_iter": 2, "batch_size": 4, "verbose": 0, "random_state": 0}
    # The folds have fewer windows than the compact variant can hold some out of.
    model = make_calcium_pipeline("gan", window=32, validation_fraction=0, **small)
    variants = ["1d", "1d-no-shuffle", "2d", "2d-fft", "compact"]
    view = Windower(32).fit_transform(1000 + 300 * traces)
    search = GridSearchCV(
        model,
        {"generator__variant": variants},
        cv=BlockedKFold(2),
        scoring=negative_error,
        error_score="raise",
    ).fit(view)
    assert [params["generator__variant"] for params in search.cv_results_["params"]] == variants
    assert 500 < sample(search, 20).mean() < 2500
