"""Whatever wrong thing is passed, one sentence of calgan's own says what to do instead."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import calgan
from calgan import (
    CalciumFactorModel,
    CalciumGAN,
    DichotomizedGaussian,
    DichotomizedGaussianCalcium,
    FFTEncoder,
    MinMaxScaler,
    NeuronSorter,
    OasisDeconvolver,
    Recording,
    Windower,
    evaluate,
    make_calcium_pipeline,
    noise_study,
    sample,
)
from calgan.metrics import correlation_scorer
from calgan.model_selection import train_test_blocks

TEXT_TRIALS = np.array(["a", None], dtype=object)
NOT_TRACES: dict[str, Any] = {
    "None": None,
    "text": "traces.npy",
    "bytes": b"traces",
    "number": 5,
    "dict": {"traces": np.ones((100, 5))},
    "set": {1, 2},
    "function": len,
    "class": Windower,
    "ragged": [[1, 2], [3]],
    "empty list": [],
    "list of None": [None, None],
    "list of text": ["a", "b"],
    "texts": [["a", "b"], ["c", "d"]],
    "objects": TEXT_TRIALS,
    "complex": np.ones((100, 5)) * 1j,
    "infinite": np.full((100, 5), np.inf),
    "too large for float32": np.full((100, 5), 10**60, dtype=object),
    "too large for float64": [[10**400] * 5] * 100,
    "no frames": np.empty((0, 5)),
    "no neurons": np.ones((100, 0)),
    "no windows": np.empty((0, 32, 5)),
    "dates": np.zeros((100, 5), "datetime64[s]"),
    "fields": np.zeros(100, [("a", "f4")]),
    "masked": np.ma.masked_equal(np.ones((100, 5)), 1),
    "five axes": np.ones((2, 2, 2, 2, 2)),
}
TAKERS: dict[str, Callable[[Any], Any]] = {
    "Recording": lambda X: Recording(X, 10.0),
    "Windower": lambda X: Windower(32).fit(X),
    "MinMaxScaler": lambda X: MinMaxScaler().fit(X),
    "FFTEncoder": lambda X: FFTEncoder().fit(X),
    "NeuronSorter": lambda X: NeuronSorter().fit(X),
    "OasisDeconvolver": lambda X: OasisDeconvolver(10.0).fit(X),
    "CalciumFactorModel": lambda X: CalciumFactorModel(frame_rate=10.0).fit(X),
    "CalciumGAN": lambda X: CalciumGAN().fit(X),
    "DichotomizedGaussian": lambda X: DichotomizedGaussian().fit(X),
    "DichotomizedGaussianCalcium": lambda X: DichotomizedGaussianCalcium(10.0).fit(X),
    "pipeline": lambda X: make_calcium_pipeline(window=32, frame_rate=10.0).fit(X),
    "train_test_blocks": lambda X: train_test_blocks(X, test_size=0.3, gap=8),
    "evaluate": lambda X: evaluate(X, np.ones((5, 32, 5)), frame_rate=10.0),
    "noise_study": lambda X: noise_study(OasisDeconvolver(), X, frame_rate=10.0),
    "sample": sample,
}


def refusal(call: Callable[[], Any]) -> str:
    """The sentence of an error that calgan raises itself."""
    with pytest.raises((TypeError, ValueError)) as refused:
        call()
    frame = traceback.extract_tb(refused.value.__traceback__)[-1]
    root = str(calgan.__path__[0])
    assert frame.filename.startswith(root), f"{refused.value!r} was raised by {frame.filename}"
    text = str(refused.value)
    assert text.rstrip().endswith("."), text
    assert len(text) < 1000
    return text


@pytest.mark.filterwarnings("ignore:X has more neurons")
@pytest.mark.parametrize("X", NOT_TRACES.values(), ids=NOT_TRACES)
@pytest.mark.parametrize("take", TAKERS.values(), ids=TAKERS)
def test_what_holds_no_traces_is_refused(take: Callable[[Any], Any], X: Any) -> None:
    assert refusal(lambda: take(X))


@pytest.mark.parametrize(
    ("estimator", "parameter"),
    [
        (Windower(32), "window"),
        (Windower(32), "stride"),
        (MinMaxScaler(), "feature_range"),
        (MinMaxScaler(), "per_neuron"),
        (MinMaxScaler(), "clip"),
        (OasisDeconvolver(10.0), "decay_time"),
        (OasisDeconvolver(10.0), "threshold"),
        (OasisDeconvolver(10.0), "threshold_unit"),
        (OasisDeconvolver(10.0), "output"),
        (OasisDeconvolver(10.0), "frame_rate"),
        (NeuronSorter(), "method"),
        (FFTEncoder(), "layout"),
        (DichotomizedGaussian(), "marginals"),
        (DichotomizedGaussian(), "n_lags"),
        (CalciumFactorModel(frame_rate=10.0), "n_factors"),
        (CalciumFactorModel(frame_rate=10.0), "max_iter"),
        (CalciumFactorModel(frame_rate=10.0), "frame_rate"),
        (CalciumGAN(), "variant"),
        (CalciumGAN(), "device"),
        (CalciumGAN(), "precision"),
        (CalciumGAN(), "warm_start"),
        (CalciumGAN(), "batch_size"),
        (CalciumGAN(), "learning_rate"),
        (CalciumGAN(), "validation_fraction"),
        (CalciumGAN(), "settings"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
@pytest.mark.parametrize(
    "value", ["odd", -1, np.ones(3), [1, "a"], 1j, np.nan, object], ids=lambda v: type(v).__name__
)
def test_parameters_that_make_no_sense_are_refused(
    estimator: Any, parameter: str, value: Any
) -> None:
    estimator = type(estimator)(**estimator.get_params()).set_params(**{parameter: value})
    X = np.random.default_rng(0).normal(size=(10, 40, 3)) > 1
    assert parameter in refusal(lambda: estimator.fit(X.astype(float)))


def test_a_stride_beyond_all_frames_gives_the_first_window() -> None:
    assert Windower(32, stride=10**30).fit_transform(np.zeros((100, 3))).shape == (1, 32, 3)


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_numbers_that_no_float_holds_are_refused(value: int) -> None:
    X = np.zeros((100, 3))
    assert "decay_time" in refusal(lambda: OasisDeconvolver(10.0, decay_time=value).fit(X))
    assert "threshold" in refusal(lambda: OasisDeconvolver(10.0, threshold=value).fit(X))
    assert "frame_rate" in refusal(lambda: Recording(X, value))
    assert "learning_rate" in refusal(lambda: CalciumGAN(learning_rate=value).fit(X[None]))


@pytest.mark.parametrize("steps", ["a", 3, None, {}, [], np.ones(3)], ids=repr)
def test_a_pipeline_without_steps_is_refused(steps: Any) -> None:
    pipeline = calgan.Pipeline(steps)
    with pytest.raises((TypeError, ValueError)):
        pipeline.fit(np.zeros((100, 3)))


@pytest.mark.parametrize("X", [None, "a", [], {}, np.ones((5, 3)) * 1j], ids=repr)
def test_scorers_refuse_what_holds_no_windows(X: Any) -> None:
    windows = np.random.default_rng(0).normal(size=(20, 32, 3))
    model = DichotomizedGaussianCalcium(10.0, random_state=0).fit(windows)
    assert refusal(lambda: correlation_scorer(model, X))
