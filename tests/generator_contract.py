"""The contract of every generator, one function a promise (docs/architecture.rst)."""

from __future__ import annotations

import inspect
import io
import os
import pickle
import random
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import joblib
import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from calgan.generators.base import SamplingMixin

LONG = 10**7  # more steps than any test could wait for


@dataclass(frozen=True)
class Case:
    """A generator (or a pipeline that ends in one) and data that it fits on in no time."""

    make: Callable[[], Any]
    X: Any
    sample_shape: tuple[int, ...]
    prefix: str = ""  # of the generator's parameters, such as "generator__"
    short: dict[str, Any] = field(default_factory=lambda: {"max_iter": 3})

    def estimator(self, **params: Any) -> Any:
        params = {"random_state": 0, **self.short, **params}
        return self.make().set_params(**{self.prefix + k: v for k, v in params.items()})

    def fitted(self, **params: Any) -> Any:
        return self.estimator(**params).fit(self.X)

    @property
    def is_pipeline(self) -> bool:
        return bool(self.prefix)

    def core(self, estimator: Any) -> Any:
        """Return the generator itself."""
        return estimator[-1] if self.is_pipeline else estimator

    def has(self, *names: str) -> bool:
        return set(names) <= set(self.core(self.make()).get_params(deep=False))

    @property
    def is_iterative(self) -> bool:
        return self.has("max_iter")

    @property
    def scores(self) -> bool:
        return hasattr(self.core(self.make()), "score_samples")


def assert_same_draws(a: Any, b: Any, n_samples: int = 3) -> None:
    np.testing.assert_array_equal(
        a.sample(n_samples, random_state=5), b.sample(n_samples, random_state=5)
    )


# Construction and fitting


def check_constructor_only_assigns(case: Case) -> None:
    cls = type(case.core(case.make()))
    names = list(inspect.signature(cls).parameters)
    sentinels = {name: object() for name in names}  # no constructor may look at what it is given
    assert vars(cls(**sentinels)) == sentinels


def check_params_and_clone(case: Case) -> None:
    estimator = case.fitted()
    copy = clone(estimator)
    # Nested estimators are cloned too, and compare by what they are.
    assert str(case.core(copy).get_params()) == str(case.core(estimator).get_params())
    with np.testing.assert_raises(NotFittedError):
        copy.sample(1)
    assert_same_draws(copy.fit(case.X), estimator)


def check_fit_returns_self_and_keeps_params(case: Case) -> None:
    for random_state in (0, None):
        estimator = case.estimator(random_state=random_state)
        core = case.core(estimator)
        before, params = set(vars(core)), core.get_params()
        assert estimator.fit(case.X) is estimator
        assert case.core(estimator).get_params() == params
        learnt = set(vars(case.core(estimator))) - before
        wrong = [name for name in learnt if not name.endswith("_") and not name.startswith("_")]
        assert not wrong, f"fitted attributes end in an underscore, unlike {wrong}"
        assert core.n_features_in_ == case.sample_shape[1]


def check_input_is_not_modified(case: Case) -> None:
    X = np.array(case.X)
    kept = X.copy()
    estimator = case.estimator().fit(X)
    if case.scores:
        estimator.score_samples(X)
    np.testing.assert_array_equal(X, kept)


def check_fit_forgets_the_former_fit(case: Case) -> None:
    estimator = case.fitted()
    assert_same_draws(estimator.fit(case.X), case.fitted())
    if case.is_iterative:
        assert case.core(estimator).n_iter_ == case.core(case.fitted()).n_iter_


# Sampling


def check_samples_have_the_shape_and_type(case: Case) -> None:
    estimator = case.fitted()
    assert estimator.sample().shape == (1, *case.sample_shape)
    windows = estimator.sample(4)
    assert isinstance(windows, np.ndarray)
    assert windows.shape == (4, *case.sample_shape)
    assert windows.dtype == np.float32
    assert np.isfinite(windows).all()
    assert len(np.unique(windows, axis=0)) == 4, "samples are copies of one another"


def check_samples_are_in_the_units_of_the_data(case: Case) -> None:
    X = np.asarray(case.X)
    spread = X.max() - X.min()
    assert X.min() - spread < np.median(case.fitted().sample(20)) < X.max() + spread


def check_a_draw_does_not_depend_on_the_batch(case: Case) -> None:
    estimator = case.fitted()
    many = estimator.sample(7, random_state=3)
    spread = float(np.ptp(many))
    for n_samples in (1, 3, 5):
        few = estimator.sample(n_samples, random_state=3)
        np.testing.assert_allclose(many[:n_samples], few, rtol=1e-4, atol=1e-5 * spread)


def check_draws_are_reproducible(case: Case) -> None:
    estimator = case.fitted()
    first = estimator.sample(3)
    np.testing.assert_array_equal(estimator.sample(3), first)  # None: the estimator's own
    np.testing.assert_array_equal(
        estimator.sample(3, random_state=9), estimator.sample(3, random_state=9)
    )
    assert not np.allclose(estimator.sample(3, random_state=9), first)
    assert not np.allclose(estimator.sample(3, random_state=9), estimator.sample(3, random_state=8))


def check_same_seed_same_fit(case: Case) -> None:
    a, b = case.fitted(random_state=1), case.fitted(random_state=1)
    np.testing.assert_array_equal(a.sample(3), b.sample(3))
    assert_same_draws(a, b)
    if case.is_iterative:
        numbers = [
            [{k: v for k, v in row.items() if "time" not in k} for row in case.core(e).history_]
            for e in (a, b)
        ]
        np.testing.assert_equal(numbers[0], numbers[1])
    other = case.fitted(random_state=2)
    assert not np.allclose(a.sample(3), other.sample(3))


def check_unseeded_fits_differ_and_still_draw(case: Case) -> None:
    a, b = case.fitted(random_state=None), case.fitted(random_state=None)
    assert not np.allclose(a.sample(3), b.sample(3))
    assert_same_draws(a, a)


def check_global_random_state_is_left_alone(case: Case) -> None:
    numpy_state, torch_state = np.random.get_state(), torch.random.get_rng_state()

    def states() -> tuple[Any, ...]:
        torch_bytes = torch.random.get_rng_state().numpy().tobytes()
        return random.getstate(), str(np.random.get_state()), torch_bytes

    before = states()
    estimator = case.estimator()
    assert states() == before, "constructing"
    estimator.fit(case.X)
    assert states() == before, "fitting"
    draws = estimator.sample(3)
    if case.scores:
        estimator.score_samples(case.X)
    assert states() == before, "sampling"
    try:  # ... and nothing depends on it
        np.random.seed(99)
        torch.manual_seed(99)
        np.testing.assert_array_equal(case.fitted().sample(3), draws)
    finally:
        np.random.set_state(numpy_state)
        torch.random.set_rng_state(torch_state)


# Persistence


def check_pickle_draws_the_same(case: Case) -> None:
    estimator = case.fitted()
    reloaded = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(reloaded.sample(3), estimator.sample(3))
    assert_same_draws(reloaded, estimator)
    if case.scores:
        scores = estimator.score_samples(case.X)
        np.testing.assert_array_equal(reloaded.score_samples(case.X), scores)


def check_joblib_draws_the_same(case: Case) -> None:
    estimator = case.fitted()
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    buffer.seek(0)
    np.testing.assert_array_equal(joblib.load(buffer).sample(3), estimator.sample(3))


def check_saved_draws_the_same(case: Case) -> None:
    core = case.core(case.fitted())
    if not hasattr(core, "save"):  # a stand-in
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        core.save(path)
        reloaded = type(core).load(path)
        assert sorted(Path(folder).iterdir()) == [path], "temporary files are left behind"
        assert len(core.fingerprint_) == 64
        assert str(reloaded.get_params()) == str(core.get_params())
        assert vars(reloaded).keys() == vars(core).keys()
        for name in ("n_iter_", "history_", "fit_summary_", "fingerprint_", "trained_statistics_"):
            np.testing.assert_equal(getattr(reloaded, name, None), getattr(core, name, None))
        np.testing.assert_array_equal(reloaded.sample(3), core.sample(3))
        assert_same_draws(reloaded, core)
        path.write_bytes(b"no model")
        try:
            type(core).load(path)
        except ValueError as error:
            assert str(path) in str(error)
        else:
            raise AssertionError("a file that is no model was loaded")


# Training


def check_history_has_a_row_a_step(case: Case) -> None:
    if not case.is_iterative:
        return
    core = case.core(case.fitted(max_iter=4))
    assert isinstance(core.n_iter_, int)
    assert 1 <= core.n_iter_ <= 4
    assert len(core.history_) >= 1
    steps = [row["step"] for row in core.history_]
    assert steps == sorted(set(steps))
    assert steps[-1] == core.n_iter_
    assert all(np.isscalar(value) for row in core.history_ for value in row.values())


def check_partial_fit_goes_on(case: Case) -> None:
    if case.is_pipeline or not hasattr(case.make(), "partial_fit"):
        return  # scikit-learn's pipelines have none, nor what is calibrated to all data at once
    estimator = case.estimator().partial_fit(case.X)
    done, rows = estimator.n_iter_, len(estimator.history_)
    assert done >= 1
    assert estimator.partial_fit(case.X) is estimator
    assert estimator.n_iter_ > done
    assert len(estimator.history_) > rows
    steps = [row["step"] for row in estimator.history_]
    assert steps == sorted(set(steps))
    again = case.estimator().partial_fit(case.X).partial_fit(case.X)
    assert_same_draws(again, estimator)


def check_warm_start_goes_on(case: Case) -> None:
    if not case.has("warm_start"):
        return
    estimator = case.fitted(warm_start=True)
    done, rows = case.core(estimator).n_iter_, len(case.core(estimator).history_)
    estimator.set_params(**{case.prefix + "max_iter": 2 * done}).fit(case.X)
    assert case.core(estimator).n_iter_ > done
    assert len(case.core(estimator).history_) > rows


def check_a_run_stopped_by_time_can_be_repeated(case: Case) -> None:
    if not case.has("max_time"):
        return
    stopped = case.fitted(max_iter=LONG, max_time=0.3)
    n_iter = case.core(stopped).n_iter_
    assert 1 <= n_iter < LONG
    assert_same_draws(case.fitted(max_iter=n_iter), stopped)


@contextmanager
def interrupt_after(seconds: float) -> Iterator[None]:
    """Press Ctrl-C once."""
    # A test worker ignores the signal unless told otherwise.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(seconds, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)


def check_ctrl_c_keeps_what_was_learnt(case: Case) -> None:
    if not case.is_iterative:
        return
    case.fitted()  # imports are done: the interrupt comes while it trains
    estimator = case.estimator(max_iter=LONG)
    with warnings.catch_warnings(), interrupt_after(4.0), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            estimator.fit(case.X)
        except KeyboardInterrupt:
            raise AssertionError("the interrupt got out of fit") from None
    assert 1 <= case.core(estimator).n_iter_ < LONG
    assert estimator.sample(2).shape == (2, *case.sample_shape)


class Slow:
    """An array that takes its time to be read."""

    def __init__(self, array: np.ndarray, when_read: Callable[[], None]) -> None:
        self.array, self.when_read = array, when_read

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        self.when_read()
        return np.array(self.array, dtype=dtype)


def check_max_time_counts_from_the_first_line(case: Case) -> None:
    if not case.has("max_time") or case.is_pipeline:
        return  # a pipeline's first step reads its data
    now = [0.0]

    def wait() -> None:
        now[0] += 1000.0

    def clock() -> float:
        return now[0]

    estimator = case.estimator(max_iter=3, max_time=500.0)
    with mock.patch("time.monotonic", clock):
        estimator.fit(Slow(np.asarray(case.X), wait))
    assert now[0] >= 1000.0
    assert estimator.n_iter_ == 1, "time was up when the windows had been read"


# The look at itself


def check_samples_are_compared_with_the_windows(case: Case) -> None:
    core = case.core(case.fitted())
    assert isinstance(getattr(core, "fit_summary_", None), dict), "there is no fit_summary_"
    if getattr(core, "n_channels_in_", None) is not None:
        assert core.fit_summary_ == {}  # encoded windows are no traces
        return
    assert set(core.fit_summary_) == {"sd_ratio", "rate_ratio", "mismatched"}
    n_neurons = case.sample_shape[1]
    for name in ("sd_ratio", "rate_ratio"):
        ratios = core.fit_summary_[name]
        assert isinstance(ratios, list)
        assert len(ratios) == n_neurons
        assert all(isinstance(ratio, float) for ratio in ratios)
    assert set(core.fit_summary_["mismatched"]) <= set(range(n_neurons))
    np.testing.assert_equal(pickle.loads(pickle.dumps(core)).fit_summary_, core.fit_summary_)
    np.testing.assert_equal(case.core(case.fitted()).fit_summary_, core.fit_summary_)


def check_ctrl_c_in_the_check_keeps_all(case: Case) -> None:
    whole, estimator = case.fitted(), case.estimator()
    if getattr(case.core(whole), "n_channels_in_", None) is not None:
        return
    compare = "calgan.generators.fit_check.compare_with_training"
    with warnings.catch_warnings(), mock.patch(compare, side_effect=KeyboardInterrupt):
        warnings.simplefilter("ignore")
        try:
            estimator.fit(case.X)
        except KeyboardInterrupt:
            raise AssertionError("the interrupt got out of fit") from None
    core = case.core(estimator)
    assert core.fit_summary_ == {}
    assert getattr(core, "stopped_", "interrupted") == "interrupted"
    assert_same_draws(estimator, whole)


def check_progress_is_shown_on_request(case: Case) -> None:
    if not case.is_iterative:
        return
    shown = {}
    for verbose in (0, 1):
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            case.fitted(verbose=verbose)
        shown[verbose] = out.getvalue()
    assert shown[0] == ""
    assert shown[1] != ""


# Wrong input


def check_a_recording_is_refused(case: Case) -> None:
    if case.is_pipeline:
        return  # a pipeline's windower takes recordings
    frames = np.asarray(case.X).reshape(-1, case.sample_shape[1])
    try:
        case.estimator().fit(frames)
    except ValueError as error:
        assert "Windower" in str(error)
        assert "make_calcium_pipeline" in str(error)
    else:
        raise AssertionError("a 2-D array was taken for windows")


def check_nan_is_refused(case: Case) -> None:
    for bad in (np.nan, np.inf):
        X = np.array(case.X)
        X[(2,) + (1,) * (X.ndim - 1)] = bad
        methods = [case.estimator().fit]
        if case.scores:
            methods.append(case.fitted().score_samples)
        for method in methods:
            try:
                method(X)
            except ValueError as error:
                assert "NaN" in str(error)
            else:
                raise AssertionError(f"{bad} was taken")


def check_y_is_refused(case: Case) -> None:
    methods = [case.estimator().fit]
    if not case.is_pipeline and hasattr(case.make(), "partial_fit"):
        methods.append(case.estimator().partial_fit)
    for method in methods:
        try:
            method(case.X, np.zeros(len(case.X)))
        except ValueError as error:
            assert "no use for y" in str(error)
        else:
            raise AssertionError("a y was taken")


def check_other_neurons_are_refused(case: Case) -> None:
    estimator = case.fitted()
    fewer = np.asarray(case.X)[..., :-1]
    methods = [estimator.score_samples] if case.scores else []
    if hasattr(estimator, "partial_fit"):
        methods.append(estimator.partial_fit)
    for method in methods:
        try:
            method(fewer)
        except ValueError as error:
            assert str(case.sample_shape[1]) in str(error)
        else:
            raise AssertionError("another number of neurons was taken")


def check_n_samples_is_a_positive_integer(case: Case) -> None:
    estimator = case.fitted()
    for wrong in (0, -1, 1.5, "3", None, True):
        try:
            estimator.sample(wrong)
        except (TypeError, ValueError) as error:
            assert "n_samples" in str(error)
        else:
            raise AssertionError(f"sample({wrong!r}) was taken")


def check_unfitted_says_so(case: Case) -> None:
    for method in ("sample", "score_samples") if case.scores else ("sample",):
        args = [case.X] if method == "score_samples" else []
        try:
            getattr(case.estimator(), method)(*args)
        except NotFittedError:
            continue
        raise AssertionError(f"{method} before fit")


def check_score_samples_is_one_number_a_window(case: Case) -> None:
    if not case.scores:
        return
    scores = case.fitted().score_samples(case.X)
    assert scores.ndim == 1
    assert np.isfinite(scores).all()
    if not case.is_pipeline:
        assert len(scores) == len(case.X)


# What lies behind a draw, and recordings


def check_components_belong_to_the_sample(case: Case) -> None:
    estimator = case.fitted()
    if not hasattr(estimator, "sample_components"):
        return
    drawn = estimator.sample_components(5, random_state=3)
    assert list(drawn) == ["traces", "calcium", "spikes", "rates", "factors", "amplitudes"]
    np.testing.assert_array_equal(drawn.traces, estimator.sample(5, random_state=3))
    spread = float(np.ptp(drawn.traces))
    few = estimator.sample_components(2, random_state=3)
    for name, array in drawn.items():
        if array is None:
            continue
        expected = (5, *case.sample_shape) if name != "factors" else (5, case.sample_shape[0])
        assert array.shape[: len(expected)] == expected, name
        np.testing.assert_allclose(array[:2], few[name], rtol=1e-4, atol=1e-5 * spread)
    assert drawn.spikes.min() >= 0
    assert drawn.amplitudes.min() >= 0
    # Above the baseline, and without noise: what is left of a trace varies less than the trace.
    left = drawn.traces - drawn.calcium
    assert np.mean(left.std(axis=(0, 1))) <= np.mean(drawn.traces.std(axis=(0, 1)))


def check_recordings_have_any_length(case: Case) -> None:
    estimator = case.fitted()
    if not hasattr(estimator, "sample_recording"):
        return
    n_frames = 3 * case.sample_shape[0] + 1
    recording = estimator.sample_recording(n_frames=n_frames, random_state=3)
    assert recording.shape == (n_frames, case.sample_shape[1])
    assert recording.traces.dtype == np.float32
    assert np.isfinite(recording.traces).all()
    assert recording.metadata["synthetic"] is True
    fingerprint = getattr(case.core(estimator), "fingerprint_", None)
    assert recording.metadata.get("model") == fingerprint
    assert recording == estimator.sample_recording(n_frames=n_frames, random_state=3)
    pieces = list(estimator.iter_recording(n_frames=n_frames, chunk=7, random_state=3))
    assert [len(piece.traces) for piece in pieces[:-1]] == [7] * (len(pieces) - 1)
    joined = np.concatenate([piece.traces for piece in pieces])
    np.testing.assert_array_equal(joined, recording.traces)
    longer = estimator.sample_recording(recording.duration * 2, random_state=3)
    assert longer.n_frames == 2 * n_frames
    X = np.asarray(case.X)
    spread = X.max() - X.min()
    assert X.min() - spread < np.median(longer.traces) < X.max() + spread


def check_what_is_not_there_is_one_sentence(case: Case) -> None:
    estimator = case.fitted()
    core = case.core(estimator)
    for method in ("sample_components", "iter_recording", "sample_recording"):
        assert hasattr(core, method) == hasattr(estimator, method)
        if hasattr(estimator, method):
            continue
        try:
            getattr(estimator, method)(3)
        except AttributeError as error:
            sentence = str(error)
            assert type(core).__name__ in sentence
            assert "\n" not in sentence
        else:
            raise AssertionError(f"{method} is there and is not there")


def check_the_way_to_a_score_is_shown(case: Case) -> None:
    estimator = case.make()
    if not isinstance(case.core(estimator), SamplingMixin):
        return
    assert not hasattr(estimator, "score")
    try:
        estimator.score(case.X)
    except AttributeError as error:
        assert "calgan.metrics.correlation_scorer" in str(error)


CHECKS = [
    value
    for name, value in list(vars(sys.modules[__name__]).items())
    if name.startswith("check_") and inspect.isfunction(value)
]
