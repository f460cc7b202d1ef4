"""Trainings of CalciumGAN that are resumed or fail, and files of its models."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from gan_cases import contents, quick, set_of, weights
from sklearn.exceptions import ConvergenceWarning

from calgan import (
    CalciumGAN,
    Recording,
    Windower,
)
from calgan.data.windows import WindowView
from calgan.generators.gan.steps import AdversarialSteps


@pytest.mark.parametrize("interruption", [2, 3])  # on and off the schedule of the checks
@pytest.mark.parametrize("variant", ["compact", "relativistic", "1d"])
def test_resuming_is_bit_for_bit_an_uninterrupted_run(
    windows: WindowView, tmp_path: Any, interruption: int, variant: str
) -> None:
    params = {"variant": variant, "validation_fraction": 0.1, "max_iter": 6}
    whole = quick(**params).fit(windows)
    part = quick(**params | {"max_iter": interruption}).fit(windows)
    part.save(tmp_path / "part.calgan")
    part = CalciumGAN.load(tmp_path / "part.calgan")
    set_of(part, max_iter=6, warm_start=True).fit(windows)
    assert torch.equal(weights(whole.generator_), weights(part.generator_))
    assert torch.equal(weights(whole.critic_), weights(part.critic_))
    assert whole.history_ == part.history_
    assert whole.best_iter_ == part.best_iter_


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filters": 8}, "filters changed from 4 to 8"),
        ({"noise_size": 3}, "noise_size changed from 16 to 3"),
        ({"variant": "1d"}, "network changed from 'compact' to 'wavegan'"),
    ],
)
def test_going_on_with_other_networks_is_refused(
    windows: WindowView, change: dict[str, Any], message: str
) -> None:
    gan = quick().fit(windows)
    before = gan.settings_
    for go_on in (set_of(gan, **change).partial_fit, set_of(gan, warm_start=True).fit):
        with pytest.raises(ValueError, match=message):
            go_on(windows)
    assert gan.settings_ == before
    set_of(gan, warm_start=False, variant="compact").fit(windows)


@pytest.mark.parametrize(
    "change", [{"learning_rate": 1e-5}, {"matching": 0}, {"n_critic": 2}, {"ema": 0}, {"ema": 0.5}]
)
@pytest.mark.parametrize("ema", [0, 0.9])
def test_the_other_settings_may_change_between_calls(
    windows: WindowView, change: dict[str, Any], ema: float
) -> None:
    gan = set_of(quick(ema=ema).fit(windows), warm_start=True, max_iter=6, **change).fit(windows)
    assert gan.n_iter_ == 6
    (value,) = change.values()
    assert getattr(gan.settings_, next(iter(change))) == value


def test_a_call_that_fails_leaves_the_former_state(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, gan = quick(max_iter=8).fit(windows), quick().fit(windows)
    with monkeypatch.context() as broken:
        # Fails when all steps are done.
        broken.setattr("calgan.generators.trained.final_weights", None)
        with pytest.raises(TypeError):
            set_of(gan, warm_start=True, max_iter=8).fit(windows)
    assert gan.n_iter_ == len(gan.history_) == 4
    gan.fit(windows)
    assert torch.equal(weights(whole.critic_), weights(gan.critic_))


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize(
    ("params", "data", "message"),
    [
        ({}, lambda X: X[:1], "at least 2 windows"),
        ({}, lambda X: np.where(X > 0.5, np.nan, X), "NaN"),
        ({"verbose": "loud"}, lambda X: X, "verbose must be an integer"),
        ({"ema": 2}, lambda X: X, "ema must be"),
        ({"frame_rate": -1}, lambda X: X, "frame_rate"),
        ({"device": "tpu"}, lambda X: X, "device must be"),
        # These two are refused by a warm start too, in other words.
        ({}, lambda X: np.tile(X, (1, 2, 1))[:, :34], "nearest being 32 and 36|fitted on windows"),
        ({"loss": "hinge"}, lambda X: X, "loss must be"),
    ],
)
def test_a_refused_refit_leaves_the_former_model(
    windows: WindowView, params: dict[str, Any], data: Any, message: str, warm_start: bool
) -> None:
    data_ = np.array(windows)
    gan = quick(variant="1d", validation_fraction=0.1, max_iter=2).fit(data_)
    before, draws = contents(gan), gan.sample(3)
    set_of(gan, warm_start=warm_start, max_iter=4, **params)
    with pytest.raises((ValueError, TypeError), match=message):
        gan.fit(data(data_))
    assert contents(gan) == before
    np.testing.assert_array_equal(gan.sample(3), draws)


def test_a_refused_first_fit_leaves_nothing(windows: WindowView) -> None:
    gan = quick(variant="1d")
    with pytest.raises(ValueError, match="nearest being 32 and 36"):
        gan.fit(np.tile(np.array(windows[:9]), (1, 2, 1))[:, :34])
    assert contents(gan) == {}


@pytest.mark.parametrize("verb", ["fit", "partial_fit"])
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("failing_call", [1, 3])
def test_an_error_in_training_leaves_the_former_model(
    windows: WindowView,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    warm_start: bool,
    failing_call: int,
) -> None:
    # 3 steps: a check off the schedule was made, which going on takes out of the history.
    gan = quick(max_iter=3, validation_fraction=0.1).fit(windows)
    history = gan.history_
    before, draws = contents(gan), gan.sample(3)
    calls = itertools.count(1)
    plain = AdversarialSteps.__call__

    def step(self: Any, number: int) -> dict[str, float]:
        if next(calls) == failing_call:
            raise MemoryError("no memory is left")
        return plain(self, number)

    set_of(gan, warm_start=warm_start, max_iter=9, learning_rate=0.1, n_critic=2)
    with monkeypatch.context() as broken:
        broken.setattr(AdversarialSteps, "__call__", step)
        with pytest.raises(MemoryError):
            getattr(gan, verb)(windows[:100])
    assert gan.history_ is history
    assert contents(gan) == before
    np.testing.assert_array_equal(gan.sample(3), draws)


def test_an_error_after_the_last_check_leaves_the_former_history(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = quick(max_iter=3, validation_fraction=0).fit(windows)
    before = contents(gan)
    set_of(gan, warm_start=True, validation_fraction=0.1)  # no step is left, but a check is
    with monkeypatch.context() as broken:
        broken.setattr("calgan.training.loop.TrainingState.checkpoint", None)
        with pytest.raises(TypeError):
            gan.fit(windows)
    assert contents(gan) == before


def test_a_refit_shares_nothing_with_the_former_model(windows: WindowView) -> None:
    gan = quick().fit(windows)
    gan.generator_.from_the_former_fit = gan.extra_ = True
    gan.fit(windows)
    assert not hasattr(gan, "extra_")
    assert not hasattr(gan.generator_, "from_the_former_fit")


@pytest.mark.parametrize(
    ("share", "n_windows", "message"),
    [
        (None, 40, "validation_fraction=0.1 .* of 40 windows it is too few .*raise it"),
        (0.9, 9, "leaves fewer than 2 to train on.*lower it"),
        (0.5, 16, None),
    ],
)
def test_a_split_that_cannot_be_made_says_so(
    windows: WindowView, share: float | None, n_windows: int, message: str | None
) -> None:
    data = np.array(windows[::10][:n_windows])
    gan = quick(validation_fraction=share, early_stopping=True, n_iter_no_change=1)
    if message is None:
        assert gan.fit(data).validation_baseline_
        return
    with pytest.warns(UserWarning, match=message) as caught:
        gan.fit(data)
    assert [w.filename for w in caught] == [__file__]  # once, and it points at the call of fit
    assert (gan.stopped_, gan.best_iter_, gan.validation_baseline_) == ("max_iter", 4, {})
    gan.partial_fit(data)  # it is not said again
    set_of(gan, validation_fraction=0).fit(data)


def test_windows_that_all_overlap_the_held_out_ones_say_so(windows: WindowView) -> None:
    view = Windower(32).fit_transform(Recording(np.array(windows[0]).repeat(2, axis=0)[:56], 10.0))
    with pytest.warns(UserWarning, match="do not overlap it.*shorter windows"):
        quick(validation_fraction=0.4).fit(view)


def test_a_split_that_is_lost_in_partial_fit_says_so(windows: WindowView) -> None:
    gan = quick().fit(windows)
    with pytest.warns(UserWarning, match="of 20 windows it is too few"):
        gan.partial_fit(windows[:20])
    assert gan.validation_baseline_ == {}


def test_constant_held_out_windows_are_nothing_to_compare_with(windows: WindowView) -> None:
    data = np.array(windows)
    data[-len(data) // 5 :] = 0.25
    with pytest.warns(UserWarning, match="held out to compare samples with, are constant"):
        gan = quick(max_iter=6, n_iter_no_change=2).fit(data)
    assert (gan.stopped_, gan.n_iter_, gan.validation_baseline_) == ("max_iter", 6, {})


def test_partial_fit_is_one_pass(windows: WindowView) -> None:
    gan = quick(batch_size=100).partial_fit(windows)
    assert gan.n_iter_ == math.ceil(len(windows) / 100)
    assert gan.partial_fit(windows).n_iter_ == 2 * math.ceil(len(windows) / 100)


def test_the_best_state_of_other_windows_is_forgotten(windows: WindowView) -> None:
    """A best score against other held-out windows would keep old weights for ever."""
    data = np.array(windows)
    gan = quick().fit(data)
    gan._checkpoint["best_score"] = -1.0  # out of reach
    same = copy.deepcopy(gan).partial_fit(data)
    assert same.best_iter_ == gan.best_iter_
    other = copy.deepcopy(gan).partial_fit(data[::-1])
    assert other.best_iter_ > gan.n_iter_
    assert other._checkpoint["best_score"] > 0


def test_a_refit_forgets_the_former_baseline(windows: WindowView) -> None:
    gan = quick().fit(windows)
    assert gan.validation_baseline_
    assert set_of(gan, validation_fraction=0).fit(windows).validation_baseline_ == {}


# ------------------------------------------------------------------ files


def test_a_model_file_states_what_it_holds(windows: WindowView, tmp_path: Any) -> None:
    gan = quick(frame_rate=10.0).fit(windows)
    gan.save(tmp_path / "model.calgan")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.calgan"]  # no temporary is left
    again = CalciumGAN.load(tmp_path / "model.calgan")
    assert again.get_params() == gan.get_params()
    assert again.settings_ == gan.settings_
    assert again.fingerprint_ == gan.fingerprint_
    assert again.history_ == gan.history_
    np.testing.assert_array_equal(again.sample(4), gan.sample(4))
    np.testing.assert_array_equal(again.score_samples(windows[:5]), gan.score_samples(windows[:5]))


def test_parameters_from_a_search_can_be_saved(windows: WindowView, tmp_path: Any) -> None:
    gan = quick(filters=np.int64(4), ema=np.float32(0.5), max_iter=np.int64(2)).fit(windows)
    gan.save(tmp_path / "model.calgan")
    assert CalciumGAN.load(tmp_path / "model.calgan").settings_ == gan.settings_


def test_a_model_without_a_step_can_be_saved(windows: WindowView, tmp_path: Any) -> None:
    with pytest.warns(ConvergenceWarning, match="diverged at step 1.*in the state of step 0"):
        gan = quick(learning_rate=1e30).fit(windows)
    assert (gan.n_iter_, gan.best_iter_, gan.history_) == (0, 0, [])
    gan.save(tmp_path / "model.calgan")
    again = CalciumGAN.load(tmp_path / "model.calgan")
    np.testing.assert_array_equal(again.sample(2), gan.sample(2))
    set_of(again, warm_start=True, learning_rate=None).fit(windows)
    assert torch.equal(weights(again.critic_), weights(quick().fit(windows).critic_))


def test_fingerprints_tell_data_apart(windows: WindowView) -> None:
    data = np.array(windows)
    same = quick(max_iter=1).fit(data).fingerprint_
    assert quick(max_iter=1, random_state=5).fit(data).fingerprint_ == same
    data[0, 0, 0] += 1
    assert quick(max_iter=1).fit(data).fingerprint_ != same
