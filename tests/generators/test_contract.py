"""One contract for every generator, shown to catch generators that break it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import generator_contract as contract
import numpy as np
import pytest
import stand_in
from adapters import (
    LiftedCalciumFactorModel,
    LiftedCalciumGAN,
    LiftedDichotomizedGaussianCalcium,
)
from generator_contract import Case
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from calgan import (
    CalciumFactorModel,
    CalciumFlow,
    CalciumGAN,
    DichotomizedGaussianCalcium,
    MinMaxScaler,
    Pipeline,
    Recording,
    Windower,
    make_calcium_pipeline,
)

WINDOW, N_NEURONS = 32, 4

# What learns for a fraction of a second does not match the windows.
pytestmark = pytest.mark.filterwarnings("ignore::calgan.FitWarning")


def scaled_traces() -> np.ndarray:
    """Return a recording (260 frames, 4 neurons) within [0, 1], of decaying events."""
    rng = np.random.default_rng(2)
    traces = np.zeros((260, N_NEURONS))
    for frame in range(1, 260):
        traces[frame] = 0.8 * traces[frame - 1] + (rng.random(N_NEURONS) < 0.1)
    traces += 0.05 * rng.standard_normal(traces.shape)
    traces -= traces.min()
    return (traces / traces.max()).astype(np.float32)


RECORDING = Recording(scaled_traces(), 10.0)
WINDOWS = Windower(WINDOW, stride=3).fit_transform(RECORDING)
TINY = {"max_iter": 2, "batch_size": 4}

CASES = {
    "stand-in": Case(stand_in.NoiseGenerator, WINDOWS, (WINDOW, N_NEURONS)),
    "stand-in-recorder": Case(stand_in.NoiseRecorder, WINDOWS, (WINDOW, N_NEURONS)),
    "CalciumGAN-compact": Case(CalciumGAN, WINDOWS, (WINDOW, N_NEURONS), short=TINY),
    # Some checks pass arrays, which know no frame rate.
    "CalciumFactorModel": Case(
        lambda: CalciumFactorModel(frame_rate=10.0), WINDOWS, (WINDOW, N_NEURONS)
    ),
    "CalciumFlow": Case(
        lambda: CalciumFlow(filters=8, settings={"n_steps": 3}),
        WINDOWS,
        (WINDOW, N_NEURONS),
        short=TINY,
    ),
    "CalciumGAN-relativistic": Case(
        lambda: CalciumGAN("relativistic"), WINDOWS, (WINDOW, N_NEURONS), short=TINY
    ),
    "CalciumGAN-1d": Case(lambda: CalciumGAN("1d"), WINDOWS, (WINDOW, N_NEURONS), short=TINY),
    "CalciumGAN-2d-fft": Case(
        lambda: CalciumGAN("2d-fft", filters=2), WINDOWS, (WINDOW, N_NEURONS), short=TINY
    ),
    "pipeline-2d-sorted": Case(
        lambda: make_calcium_pipeline(
            "gan", variant="2d-sorted", window=WINDOW, frame_rate=10.0, filters=2
        ),
        250 + 40 * scaled_traces(),
        (WINDOW, N_NEURONS),
        prefix="generator__",
        short=TINY,
    ),
    "DichotomizedGaussianCalcium": Case(
        lambda: DichotomizedGaussianCalcium(frame_rate=10.0),
        WINDOWS,
        (WINDOW, N_NEURONS),
        short={},
    ),
    "DichotomizedGaussianCalcium-lags": Case(
        lambda: DichotomizedGaussianCalcium(frame_rate=10.0, n_lags=2),
        WINDOWS,
        (WINDOW, N_NEURONS),
        short={},
    ),
    "pipeline-DichotomizedGaussianCalcium": Case(
        lambda: Pipeline(
            [
                ("windower", Windower(WINDOW)),
                ("scaler", MinMaxScaler()),
                ("generator", DichotomizedGaussianCalcium(frame_rate=10.0)),
            ]
        ),
        250 + 40 * scaled_traces(),
        (WINDOW, N_NEURONS),
        prefix="generator__",
        short={},
    ),
    "pipeline": Case(
        lambda: make_calcium_pipeline(window=WINDOW, frame_rate=10.0),
        250 + 40 * scaled_traces(),  # in counts: samples must come back in these units
        (WINDOW, N_NEURONS),
        prefix="generator__",
    ),
}


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_contract(case: Case, check: Callable[[Case], None]) -> None:
    check(case)


@pytest.mark.parametrize("name", ["factor_model", "gan", "flow", "dichotomized_gaussian"])
def test_a_generator_knows_the_units_in_which_it_samples(name: str) -> None:
    traces = np.random.default_rng(0).normal(size=(200, 3))
    recording = Recording(traces, 10.0, units="counts", roi_ids=["a", "b", "c"])
    model = make_calcium_pipeline(name, window=WINDOW)
    if name in ("gan", "flow"):
        model.set_params(generator__max_iter=2, generator__validation_fraction=0)
    scaled = Pipeline([model.steps[0], ("scaler", MinMaxScaler()), model.steps[1]])
    for pipeline, units in ((model, "counts"), (scaled, "a.u.")):
        generator = pipeline.fit(recording)[-1]
        assert generator.units_ == units
        assert generator.roi_ids_.tolist() == ["a", "b", "c"]
        assert generator.frame_rate_ == 10.0


# Each broken generator, and the promise that it breaks.
BROKEN = {
    stand_in.ComputesInInit: contract.check_constructor_only_assigns,
    stand_in.ChangesItsParams: contract.check_fit_returns_self_and_keeps_params,
    stand_in.LeaksAttributes: contract.check_fit_returns_self_and_keeps_params,
    stand_in.ReturnsNothing: contract.check_fit_returns_self_and_keeps_params,
    stand_in.WritesToItsInput: contract.check_input_is_not_modified,
    stand_in.FitDoesNotStartAgain: contract.check_fit_forgets_the_former_fit,
    stand_in.SamplesDoublePrecision: contract.check_samples_have_the_shape_and_type,
    stand_in.Collapsed: contract.check_samples_have_the_shape_and_type,
    stand_in.SamplesInOtherUnits: contract.check_samples_are_in_the_units_of_the_data,
    stand_in.DrawDependsOnTheBatch: contract.check_a_draw_does_not_depend_on_the_batch,
    stand_in.DrawsInFramesFirst: contract.check_a_draw_does_not_depend_on_the_batch,
    stand_in.AdvancesWithEveryDraw: contract.check_draws_are_reproducible,
    stand_in.IgnoresTheSeedOfADraw: contract.check_draws_are_reproducible,
    stand_in.FitsAtRandom: contract.check_same_seed_same_fit,
    stand_in.UsesTheGlobalGenerator: contract.check_global_random_state_is_left_alone,
    stand_in.SeedsTheGlobalGenerator: contract.check_global_random_state_is_left_alone,
    stand_in.BuildsTorchLayers: contract.check_global_random_state_is_left_alone,
    stand_in.ForgetsItsSeedInAPickle: contract.check_pickle_draws_the_same,
    stand_in.HoldsALambda: contract.check_pickle_draws_the_same,
    stand_in.CountsNoSteps: contract.check_history_has_a_row_a_step,
    stand_in.KeepsNoHistory: contract.check_history_has_a_row_a_step,
    stand_in.PartialFitStartsAgain: contract.check_partial_fit_goes_on,
    stand_in.StopsByTimeElsewhere: contract.check_a_run_stopped_by_time_can_be_repeated,
    stand_in.CountsTimeFromItsFirstStep: contract.check_max_time_counts_from_the_first_line,
    stand_in.LosesWhatItLearntOnInterrupt: contract.check_ctrl_c_keeps_what_was_learnt,
    stand_in.NeverLooksAtItself: contract.check_samples_are_compared_with_the_windows,
    stand_in.LosesTheModelWhenItsCheckIsInterrupted: contract.check_ctrl_c_in_the_check_keeps_all,
    stand_in.NeverSaysAnything: contract.check_progress_is_shown_on_request,
    stand_in.AlwaysTalks: contract.check_progress_is_shown_on_request,
    stand_in.TakesRecordings: contract.check_a_recording_is_refused,
    stand_in.TakesAnyTarget: contract.check_y_is_refused,
    stand_in.TakesNaN: contract.check_nan_is_refused,
    stand_in.SamplesAnyNumber: contract.check_n_samples_is_a_positive_integer,
    stand_in.SamplesUnfitted: contract.check_unfitted_says_so,
    stand_in.ComponentsOfAnotherDraw: contract.check_components_belong_to_the_sample,
    stand_in.RecordingDependsOnTheChunk: contract.check_recordings_have_any_length,
    stand_in.DoesNotSayWhyNot: contract.check_what_is_not_there_is_one_sentence,
}
HONEST = {stand_in.NoiseGenerator, stand_in.NoiseRecorder}


@pytest.mark.parametrize(("broken", "check"), BROKEN.items(), ids=lambda each: each.__name__)
def test_contract_catches(broken: type, check: Callable[[Case], None]) -> None:
    case = Case(broken, np.asarray(WINDOWS), (WINDOW, N_NEURONS))
    with pytest.raises(Exception) as caught:
        check(case)
    # A failed assertion, or what cannot be pickled; nothing that the test itself got wrong.
    assert isinstance(caught.value, AssertionError) or "pickle" in str(caught.value)


def test_every_broken_generator_is_listed() -> None:
    defined = {
        value
        for value in vars(stand_in).values()
        if isinstance(value, type)
        and issubclass(value, stand_in.NoiseGenerator)
        and value not in HONEST
    }
    assert defined == set(BROKEN)


# scikit-learn's own checks, whose rows the adapter lifts to windows.


def expected_failed_checks(estimator: BaseEstimator) -> dict[str, str]:
    """Name the checks that a generator is right to fail, with the reason."""
    if isinstance(estimator, DichotomizedGaussianCalcium):
        return {}
    return {"check_fit2d_1sample": "one window cannot be learnt from, and the refusal says so"}


@parametrize_with_checks(
    [
        # They feed fewer windows than can be held out.
        LiftedCalciumGAN(max_iter=2, batch_size=4, frame_rate=10.0, validation_fraction=0),
        LiftedDichotomizedGaussianCalcium(frame_rate=10.0),
        LiftedCalciumFactorModel(max_iter=1, frame_rate=10.0),
    ],
    expected_failed_checks=expected_failed_checks,
)
def test_scikit_learn_checks(estimator: BaseEstimator, check: Callable[[Any], None]) -> None:
    check(estimator)
