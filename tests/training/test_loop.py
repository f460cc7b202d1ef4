"""The training loop on a state without networks worth the name."""

from __future__ import annotations

import itertools
import logging

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from calgan.training import devices
from calgan.training.devices import make_fabric, resolve_precision
from calgan.training.loop import (
    TrainingState,
    final_weights,
    run_training,
    update_average,
)


def new_state() -> TrainingState:
    module = nn.Linear(1, 1)
    nn.init.zeros_(module.weight)
    return TrainingState(modules={"generator": module}, optimizers={}, averaged=module)


def step_of(state: TrainingState):
    def step(number: int) -> dict[str, float]:
        with torch.no_grad():
            state.averaged.weight += 1
        return {"loss": float(number)}

    return step


def test_steps_are_numbered_and_recorded() -> None:
    state = new_state()
    assert run_training(state, step_of(state), max_iter=3) == "max_iter"
    assert state.history == [{"step": i + 1, "loss": float(i)} for i in range(3)]


def test_max_time_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 1.0)
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    state = new_state()
    assert run_training(state, step_of(state), max_iter=100, max_time=5.0) == "max_time"
    assert state.step == 4


def test_ctrl_c_keeps_the_steps_taken() -> None:
    state = new_state()
    plain = step_of(state)

    def step(number: int) -> dict[str, float]:
        if number == 3:
            raise KeyboardInterrupt
        return plain(number)

    with pytest.warns(UserWarning, match="interrupted after 3 of 10 steps"):
        assert run_training(state, step, max_iter=10) == "interrupted"
    assert len(state.history) == state.step == 3


def test_a_second_ctrl_c_gives_up_the_last_check_only() -> None:
    state = new_state()

    def check() -> tuple[float, dict[str, float]]:
        raise KeyboardInterrupt

    run_training(state, step_of(state), max_iter=3, check=check, check_every=5)
    assert final_weights(state, check, 5)[0] == 3


@pytest.mark.parametrize("where", ["loss", "weight"])
def test_diverged_training_goes_back_to_the_last_good_state(where: str) -> None:
    state = new_state()
    plain = step_of(state)

    def step(number: int) -> dict[str, float]:
        row = plain(number)
        if number == 5:
            if where == "loss":
                return {"loss": float("nan")}
            with torch.no_grad():
                state.averaged.weight.fill_(float("inf"))
        return row

    with pytest.warns(
        ConvergenceWarning, match=r"diverged at step 6.*ended in the state of step 4"
    ):
        assert run_training(state, step, max_iter=10, check_every=2) == "diverged"
    assert len(state.history) == state.step == 4
    assert state.averaged.weight.item() == 4.0


def test_the_last_state_is_checked_too() -> None:
    state = new_state()
    scores = iter([2.0, 1.0])

    def check() -> tuple[float, dict[str, float]]:
        score = next(scores)
        return score, {"val_score": score}

    run_training(state, step_of(state), max_iter=3, check=check, check_every=2)
    step, kept = final_weights(state, check, 2)
    assert step == 3
    assert kept["weight"].item() == 3.0
    assert state.best_step == 2  # what a longer run would know
    assert state.history[-1]["val_score"] == 1.0


def test_the_best_state_is_returned() -> None:
    state = new_state()
    scores = iter([1.0, 2.0])

    def check() -> tuple[float, dict[str, float]]:
        return next(scores), {}

    run_training(state, step_of(state), max_iter=4, check=check, check_every=2)
    step, kept = final_weights(state, check, 2)
    assert (step, kept["weight"].item()) == (2, 2.0)


def test_progress_bar_is_shown_on_request_only(capsys: pytest.CaptureFixture[str]) -> None:
    for verbose in (0, None):
        state = new_state()
        run_training(state, step_of(state), max_iter=2, verbose=verbose)
    assert capsys.readouterr().err == ""
    state = new_state()
    run_training(state, step_of(state), max_iter=2, verbose=1, description="CalciumGAN")
    assert "CalciumGAN" in capsys.readouterr().err


def test_moving_average_by_hand() -> None:
    averaged, module = nn.Linear(1, 1), nn.Linear(1, 1)
    nn.init.zeros_(averaged.weight)
    nn.init.ones_(module.weight)
    update_average(averaged, module, 10_000, 0.75)
    assert averaged.weight.item() == 0.25
    update_average(averaged, module, 0, 0.75)  # early on the average follows faster: 1 / 10
    assert averaged.weight.item() == pytest.approx(0.25 + 0.9 * 0.75)


def test_the_loss_scale_of_float16_is_resumed() -> None:
    def with_scale(scale: float) -> TrainingState:
        state = new_state()
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        state.precision = MixedPrecision("16-mixed", "cpu", scaler)
        return state

    checkpoint = with_scale(256.0).checkpoint()
    other = with_scale(65536.0)
    other.resume(checkpoint, [])
    assert other.precision.state_dict()["scale"] == 256.0
    plain = new_state()  # the precision may be changed between two fits
    plain.precision = make_fabric("cpu").strategy.precision
    plain.resume(checkpoint, [])
    assert plain.checkpoint()["loss_scale"] == {}
    other.resume(plain.checkpoint(), [])
    assert other.precision.state_dict()["scale"] == 256.0


def test_fabric_announces_nothing(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("lightning_fabric.utilities.rank_zero")
    logger.addHandler(caplog.handler)  # whether it propagates or not
    try:
        with caplog.at_level(logging.INFO, logger.name):
            make_fabric("cpu", "bf16-mixed")
            assert not caplog.records
            assert logger.level == logging.INFO
            Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
            assert caplog.records  # else there would be nothing to keep it from
    finally:
        logger.removeHandler(caplog.handler)


@pytest.mark.parametrize(
    ("device", "has_bfloat16", "expected"),
    [("cuda", False, "16-mixed"), ("cpu", True, "bf16-mixed"), ("cpu", False, "32-true")],
)
def test_what_mixed_precision_stands_for(
    device: str, has_bfloat16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    capabilities = {"avx2": True, "avx512_bf16": has_bfloat16}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert resolve_precision(device, "mixed") == expected
    for precision in set(devices.PRECISIONS) - {"mixed"}:
        assert resolve_precision(device, precision) == precision
    if device == "cpu":
        assert type(make_fabric("cpu", "mixed").strategy.precision).__name__ == (
            "MixedPrecision" if has_bfloat16 else "Precision"
        )


def test_time_counts_from_the_moment_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    for started, steps in ((98.0, 10), (50.0, 1)):  # one step is taken, however late it is
        state = new_state()
        run_training(state, step_of(state), max_iter=10, max_time=5.0, started=started)
        assert state.step == steps


def losses_of(state: TrainingState, losses: list[float], name: str = "loss"):
    plain = step_of(state)

    def step(number: int) -> dict[str, float]:
        plain(number)
        return {name: losses[number]}

    return step


def test_a_loss_that_ends_far_above_its_beginning_has_diverged() -> None:
    losses = [2.0] * 20 + [1.0] * 20 + [20.0] * 20
    state = new_state()
    with pytest.warns(ConvergenceWarning, match=r"step 60: its loss ended far.*state of step 40"):
        stopped = run_training(state, losses_of(state, losses), max_iter=60, check_every=10)
    # At step 50 the median of 20 losses is 10.5 already, above 5 times 2.
    assert stopped == "diverged"
    assert len(state.history) == state.step == 40
    assert state.averaged.weight.item() == 40.0


@pytest.mark.parametrize(
    "losses",
    [
        [2.0] * 20 + [99.0] * 20 + [2.0] * 20,  # it came back
        [2.0] * 30 + [9.0] * 30,  # not far above
        [2.0] * 59 + [99.0],  # one step
        [-2.0] * 30 + [9.0] * 30,  # no scale to compare on
        [2.0] * 5 + [99.0] * 30,  # too short to tell
    ],
    ids=["came back", "not far", "one step", "negative", "short"],
)
def test_a_loss_that_does_not_end_far_above_has_not_diverged(losses: list[float]) -> None:
    state = new_state()
    n = len(losses)
    assert run_training(state, losses_of(state, losses), max_iter=n, check_every=10) == "max_iter"
    assert state.step == n


def test_losses_of_adversaries_are_no_sign_of_divergence() -> None:
    state = new_state()
    step = losses_of(state, [2.0] * 30 + [99.0] * 30, "critic_loss")
    assert run_training(state, step, max_iter=60) == "max_iter"


def test_the_best_state_is_not_one_with_a_risen_loss() -> None:
    state = new_state()
    scores = iter([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])

    def check() -> tuple[float, dict[str, float]]:
        return next(scores), {}

    step = losses_of(state, [2.0] * 40 + [99.0] * 20)
    with pytest.warns(ConvergenceWarning, match="diverged at step 60"):
        run_training(state, step, max_iter=60, check=check, check_every=10)
    assert final_weights(state, check, 10)[0] == state.best_step == state.step == 40
