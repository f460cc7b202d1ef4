"""Pipelines that sample: back through the steps, for stock pipelines and searches too."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import sklearn.pipeline
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import FunctionTransformer
from stand_in import NoiseGenerator

import calgan
from calgan import (
    CalciumFactorModel,
    CalciumFlow,
    CalciumGAN,
    FFTEncoder,
    MinMaxScaler,
    OasisDeconvolver,
    Pipeline,
    Recording,
    Windower,
    make_calcium_pipeline,
    sample,
)
from calgan.generators.gan.compact import CalciumGenerator
from calgan.generators.gan.wavegan import WaveGANGenerator
from calgan.generators.gan.wavegan2d import WaveGAN2DGenerator
from calgan.model_selection import BlockedKFold
from calgan.pipeline import VARIANTS, variant_grid

WIDTH = 16

# A short recording and a few rounds are too little for every neuron to match.
pytestmark = pytest.mark.filterwarnings("ignore::calgan.FitWarning")


def make(kind: type = Pipeline, **steps: Any) -> Any:
    """Return a pipeline around the stand-in generator, with some steps replaced."""
    named = {
        "windower": Windower(WIDTH),
        "encoder": "passthrough",
        "scaler": MinMaxScaler(per_neuron=True),
        "generator": NoiseGenerator(max_iter=3, random_state=0),
    }
    return kind(list((named | steps).items()))


def by_hand(recording: Any, n_samples: int, encoder: Any = None) -> np.ndarray:
    """Sample without a pipeline."""
    windows = Windower(WIDTH).fit_transform(recording)
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
    assert windows.shape == (4, WIDTH, 5)
    assert windows.dtype == np.float32
    np.testing.assert_array_equal(windows, by_hand(counts, 4))
    assert 900 < windows.mean() < 1400


@pytest.mark.parametrize("layout", ["full", "packed"])
def test_sample_decodes(layout: str, traces: np.ndarray) -> None:
    # The stand-in learns encoded windows (M, T, N, C) as well.
    model = make(encoder=FFTEncoder(layout)).fit(traces)
    windows = model.sample(3)
    assert windows.shape == (3, WIDTH, 5)
    np.testing.assert_array_equal(windows, by_hand(traces, 3, FFTEncoder(layout)))


def test_random_state_reaches_the_generator(traces: np.ndarray) -> None:
    model = make().fit(traces)
    np.testing.assert_array_equal(model.sample(2, random_state=7), sample(model, 2, random_state=7))
    assert not np.allclose(model.sample(2, random_state=7), model.sample(2, random_state=8))
    assert model.sample().shape == (1, WIDTH, 5)


@pytest.mark.parametrize("kind", ["array", "Recording", "segments", "recordings", "trials", "view"])
def test_it_fits_whatever_a_recording_may_be(kind: str, traces: np.ndarray) -> None:
    X: Any = {
        "array": traces,
        "Recording": Recording(traces, 10.0),
        "segments": [traces[:100], traces[100:]],
        "recordings": [Recording(traces[:100], 10.0), Recording(traces[100:], 10.0)],
        "trials": traces.reshape(4, 60, 5),
        "view": Windower(WIDTH).fit_transform(traces),
    }[kind]
    model = make().fit(X)
    assert model.sample(2).shape == (2, WIDTH, 5)
    n_borders = {"segments": 1, "recordings": 1, "trials": 3}.get(kind, 0)
    # No window crosses a border.
    assert len(model.score_samples(X)) == 240 - (n_borders + 1) * (WIDTH - 1)


def test_a_step_that_is_not_invertible_says_so(traces: np.ndarray) -> None:
    deconvolver = OasisDeconvolver(frame_rate=10.0)
    model = make(encoder=deconvolver).fit(traces)
    with pytest.raises(TypeError, match=r"'encoder' \(OasisDeconvolver\) is not invertible"):
        model.sample(2)
    assert model[-1].sample(2).shape == (2, WIDTH, 5)  # as the sentence advises


def test_a_function_without_an_inverse_is_not_taken_for_the_identity(traces: np.ndarray) -> None:
    model = make(encoder=FunctionTransformer(np.arcsinh)).fit(traces)
    with pytest.raises(TypeError, match="not invertible"):
        model.sample(2)
    both = make(encoder=FunctionTransformer(np.arcsinh, inverse_func=np.sinh, check_inverse=False))
    assert np.isfinite(both.fit(traces).sample(2)).all()
    assert make(encoder=FunctionTransformer()).fit(traces).sample(2).shape == (2, WIDTH, 5)


def test_nested_pipelines_are_undone_step_by_step(traces: np.ndarray) -> None:
    front = sklearn.pipeline.Pipeline(
        [("windower", Windower(WIDTH)), ("scaler", MinMaxScaler(per_neuron=True))]
    )
    back = Pipeline([("generator", NoiseGenerator(max_iter=3, random_state=0))])
    model = Pipeline([("front", front), ("skipped", None), ("back", back)]).fit(traces)
    np.testing.assert_array_equal(model.sample(3), by_hand(traces, 3))


def test_a_generator_alone_and_what_cannot_sample(traces: np.ndarray) -> None:
    generator = NoiseGenerator(random_state=0).fit(Windower(WIDTH).fit_transform(traces))
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
    view = Windower(WIDTH).fit_transform(traces)
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
    assert windows.shape == (3, WIDTH, 5)


def test_searches_run_over_segments_and_encoders(traces: np.ndarray) -> None:
    segments = [traces[i : i + 60] for i in range(0, 240, 60)]
    search = GridSearchCV(
        make(),
        {"encoder": ["passthrough", FFTEncoder("packed")]},
        cv=BlockedKFold(2),
        scoring=negative_error,
        error_score="raise",
    ).fit(segments)
    assert sample(search, 2).shape == (2, WIDTH, 5)


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


def test_make_calcium_pipeline_has_the_named_steps() -> None:
    model = make_calcium_pipeline("1d", window=64, frame_rate=2.16, random_state=3, max_iter=7)
    assert isinstance(model, calgan.Pipeline)
    names = ["windower", "sorter", "encoder", "scaler", "generator"]
    assert [name for name, _ in model.steps] == names
    assert model["sorter"] == model["encoder"] == "passthrough"
    generator = model[-1]
    assert isinstance(generator, CalciumFactorModel)
    assert (generator.frame_rate, generator.random_state, generator.max_iter) == (2.16, 3, 7)
    windower = model["windower"]
    assert (windower.window, windower.stride) == (64, 1)
    assert make_calcium_pipeline(window=64, stride=5)["windower"].stride == 5
    model.set_params(encoder=FFTEncoder(), generator__max_iter=2)
    assert model[-1].max_iter == 2


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [
        (None, CalciumFactorModel),
        ("factor-model", CalciumFactorModel),
        ("flow", CalciumFlow),
        ("compact", CalciumGAN),
        ("relativistic", CalciumGAN),
        ("thesis", CalciumGAN),
    ],
)
def test_the_recipe_names_what_learns(recipe: str | None, kind: type) -> None:
    model = make_calcium_pipeline(
        window=64, recipe=recipe, frame_rate=5.0, random_state=4, max_iter=9
    )
    generator: Any = model[-1]
    assert type(generator) is kind
    if kind is CalciumGAN:
        assert generator.recipe == recipe
    assert (generator.frame_rate, generator.random_state, generator.max_iter) == (5.0, 4, 9)
    names = ["windower", "sorter", "encoder", "scaler", "generator"]
    assert [name for name, _ in model.steps] == names


def test_the_thesis_scales_by_one_global_range_and_the_factor_model_not_at_all() -> None:
    for recipe in ("flow", "compact", "relativistic"):
        assert make_calcium_pipeline(window=64, recipe=recipe)["scaler"].per_neuron
    assert not make_calcium_pipeline(window=64, recipe="thesis")["scaler"].per_neuron
    assert make_calcium_pipeline("2d", window=64)["scaler"].feature_range == (0.0, 1.0)
    for recipe in (None, "factor-model"):
        assert make_calcium_pipeline(window=64, recipe=recipe)["scaler"] == "passthrough"


def test_the_factor_model_of_a_pipeline_samples_in_the_units_of_the_recording(
    traces: np.ndarray,
) -> None:
    recording = Recording(1000 + 300 * traces, 10.0)
    model = make_calcium_pipeline(window=32, random_state=0, max_iter=1, verbose=0).fit(recording)
    np.testing.assert_array_equal(model[-1].sample(3), model.sample(3))
    assert model.sample_recording(60.0).frame_rate == 10.0


def test_make_calcium_pipeline_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="variant must be one of 1d, 1d-no-shuffle, .* got '3d'"):
        make_calcium_pipeline("3d", window=64)
    with pytest.raises(ValueError, match="variant must be one of"):
        variant_grid(["1d", "3d"])
    with pytest.raises(ValueError, match="variants is empty: name at least one of 1d, "):
        variant_grid([])
    known = "recipe must be one of factor-model, flow, thesis, compact, relativistic, got 'theses'"
    with pytest.raises(ValueError, match=known):
        make_calcium_pipeline("1d", window=64, recipe="theses")
    with pytest.raises(ValueError, match=r"recipe must be one of .* got \['flow'\]"):
        make_calcium_pipeline("1d", window=64, recipe=["flow"])
    with pytest.raises(ValueError, match="'2d' has architecture='wavegan2d', but .*='wavegan' was"):
        make_calcium_pipeline("2d", window=64, architecture="wavegan")
    with pytest.raises(ValueError, match="has phase_shuffle=0, but phase_shuffle=5 was given"):
        make_calcium_pipeline("1d-no-shuffle", window=64, phase_shuffle=5)
    make_calcium_pipeline("2d", window=64, architecture="wavegan2d")  # what it has anyway
    with pytest.raises(TypeError, match="CalciumGAN has no parameter 'epochs', 'learn_fast'"):
        make_calcium_pipeline(window=64, recipe="compact", epochs=3, learn_fast=True)


@pytest.mark.parametrize(
    ("recipe", "kind", "foreign"),
    [
        (None, "CalciumFactorModel", "filters"),
        ("factor-model", "CalciumFactorModel", "device"),
        ("flow", "CalciumFlow", "n_factors"),
        ("compact", "CalciumGAN", "n_factors"),
    ],
)
def test_parameters_are_those_of_what_the_recipe_makes(
    recipe: str | None, kind: str, foreign: str
) -> None:
    with pytest.raises(TypeError, match=f"{kind} has no parameter '{foreign}': .*another recipe"):
        make_calcium_pipeline(window=64, recipe=recipe, **{foreign: 4})


@pytest.mark.parametrize("recipe", ["factor-model", "flow"])
@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "1d"])
def test_what_is_no_calcium_gan_has_no_variants(recipe: str, variant: str) -> None:
    with pytest.raises(ValueError, match=f"variant '{variant}' .* recipe='{recipe}' does not have"):
        make_calcium_pipeline(variant, window=64, recipe=recipe)
    with pytest.raises(ValueError, match=f"recipe must be one of .* got '{recipe}'"):
        variant_grid(variant, recipe=recipe)


@pytest.mark.parametrize("recipe", [None, "flow", "relativistic"])
def test_a_calcium_pipeline_learns_and_samples(recipe: str | None, traces: np.ndarray) -> None:
    recording = Recording(1000 + 300 * traces, 10.0)
    short = {"max_iter": 2, "verbose": 0} | ({"batch_size": 4} if recipe else {})
    model = make_calcium_pipeline("1d", window=32, recipe=recipe, random_state=0, **short)
    windows = model.fit(recording).sample(3)
    assert windows.shape == (3, 32, 5)
    assert windows.dtype == np.float32
    assert 800 < windows.mean() < 1800
    assert model[-1].n_features_in_ == 5


def test_the_factor_model_refuses_an_encoder_that_is_set_later(traces: np.ndarray) -> None:
    model = make_calcium_pipeline(window=32, random_state=0, max_iter=1, verbose=0)
    model.set_params(encoder=FFTEncoder("packed"))
    with pytest.raises(ValueError, match="CalciumFactorModel takes windows of shape"):
        model.fit(Recording(traces, 10.0))


def test_one_search_runs_over_generators(traces: np.ndarray) -> None:
    factor_model = CalciumFactorModel(max_iter=2, verbose=0, random_state=0)
    short = {"max_iter": 2, "batch_size": 4, "verbose": 0, "random_state": 0}
    generators = [
        factor_model,
        CalciumFlow(channels=4, n_steps=2, validation_fraction=0, **short),
        CalciumGAN(filters=2, validation_fraction=0, **short),
    ]
    view = Windower(32).fit_transform(Recording(1000 + 300 * traces, 10.0))
    search = GridSearchCV(
        make_calcium_pipeline(window=32),
        [
            {"generator": generators, "scaler": [MinMaxScaler(per_neuron=True), "passthrough"]},
            {"generator": generators[:1], "generator__max_iter": [1]},
        ],
        cv=BlockedKFold(2),
        scoring=negative_error,
        error_score="raise",
    ).fit(view)
    tried = [params["generator"] for params in search.cv_results_["params"]]
    assert [type(generator) for generator in tried].count(CalciumFactorModel) == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_params_["generator"]
    assert type(search.best_estimator_[-1]) is type(best)
    assert not hasattr(best, "n_iter_")  # a candidate is cloned, not fitted
    assert sample(search, 2).shape == (2, 32, 5)
    assert 500 < sample(search, 20).mean() < 2500


# Variants

SMALL = {"filters": 2, "max_iter": 2, "batch_size": 4, "verbose": 0}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("recipe", ["thesis", "compact", "relativistic"])
def test_every_variant_learns_and_samples(variant: str, recipe: str, traces: np.ndarray) -> None:
    recording = Recording(1000 + 300 * traces, 10.0)
    model = make_calcium_pipeline(variant, window=32, recipe=recipe, random_state=0, **SMALL)
    windows = model.fit(recording).sample(3)
    assert windows.shape == (3, 32, 5)
    assert windows.dtype == np.float32
    assert np.isfinite(windows).all()
    kind = type(model[-1].generator_)
    if variant.startswith("2d"):
        assert kind is WaveGAN2DGenerator
        channels = 2 if "fft" in variant else 1
        assert model[-1].generator_.head.in_features == channels
    else:
        assert kind is (WaveGANGenerator if recipe == "thesis" else CalciumGenerator)
    if variant == "2d-sorted":
        assert sorted(model["sorter"].order_) == list(range(5))


def test_the_recipe_of_a_variant_is_the_published_one_unless_it_is_1d() -> None:
    for variant in VARIANTS:
        model = make_calcium_pipeline(variant, window=64)
        if variant == "1d":
            assert isinstance(model[-1], CalciumFactorModel)
        else:
            assert model[-1].recipe == "thesis"
    assert make_calcium_pipeline("1d-no-shuffle", window=64)[-1].phase_shuffle == 0
    assert make_calcium_pipeline("2d", window=64, phase_shuffle=3)[-1].phase_shuffle == 3


def test_a_grid_of_variants_makes_each_of_them_out_of_any_other() -> None:
    for recipe in ("thesis", "compact", "relativistic"):
        grid = variant_grid(recipe=recipe)
        for first in VARIANTS:
            for variant, params in zip(VARIANTS, grid, strict=True):
                model = make_calcium_pipeline(first, window=64, recipe=recipe)
                model.set_params(**{name: values[0] for name, values in params.items()})
                expected = make_calcium_pipeline(variant, window=64, recipe=recipe)
                assert repr(model.get_params()) == repr(expected.get_params())


def test_variants_do_not_share_their_steps() -> None:
    first, second = (make_calcium_pipeline("2d-fft", window=64) for _ in range(2))
    first.set_params(encoder__layout="packed")
    assert second["encoder"].layout == "full"


def test_one_search_runs_over_the_variants(traces: np.ndarray) -> None:
    # The folds have fewer windows than the compact recipe can hold some out of.
    model = make_calcium_pipeline(
        "1d", window=32, recipe="compact", random_state=0, validation_fraction=0, **SMALL
    )
    grid = variant_grid(["1d", "1d-no-shuffle", "2d", "2d-fft"]) + variant_grid(
        "1d", recipe="compact"
    )
    view = Windower(32).fit_transform(1000 + 300 * traces)
    search = GridSearchCV(
        model, grid, cv=BlockedKFold(2), scoring=negative_error, error_score="raise"
    ).fit(view)
    assert len(search.cv_results_["params"]) == 5
    assert sample(search, 2).shape == (2, 32, 5)
    assert 500 < sample(search, 20).mean() < 2500
