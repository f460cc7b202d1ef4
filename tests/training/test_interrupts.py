"""Ctrl-C between whole steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from gan_cases import quick, set_of, weights

from calgan import Windower
from calgan.data.windows import WindowView
from calgan.datasets import make_recording
from calgan.generators.gan.steps import AdversarialSteps
from calgan.training.interrupts import uninterrupted, whole_steps

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Expect the handlers that were in force, whatever a test does."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    after = [signal.getsignal(number) for number in SIGNALS]
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)
    assert after == before


@pytest.fixture(scope="module")
def windows() -> WindowView:
    recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
    return Windower(32).fit_transform(recording)


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def in_whole_steps(*calls: Callable[[], Any] | None) -> list[int]:
    """Call functions one after another as whole steps are; None is the end of a step."""
    done: list[int] = []
    try:
        with whole_steps() as between:
            for number, call in enumerate(calls):
                (between if call is None else call)()
                done.append(number)
    except KeyboardInterrupt:
        return done
    pytest.fail("there was no interrupt")


def test_the_first_waits_for_the_end_of_the_step() -> None:
    work = int
    assert in_whole_steps(work, None, ctrl_c, work, None, work) == [0, 1, 2, 3]


def test_the_second_does_not_wait() -> None:
    assert in_whole_steps(ctrl_c, int, ctrl_c, int) == [0, 1]


def test_one_that_nobody_asked_for_is_raised_at_the_end() -> None:
    assert in_whole_steps(ctrl_c, int) == [0, 1]


def test_an_error_goes_before_an_interrupt() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        in_whole_steps(ctrl_c, lambda: int("wrong"))


def test_other_handlers_are_called_at_once() -> None:
    """What they do is theirs to decide; a KeyboardInterrupt alone waits."""
    heard: list[int] = []

    def hear(number: int, frame: Any) -> None:
        heard.append(number)

    former = signal.signal(signal.SIGINT, hear)
    try:
        with whole_steps() as between:
            for times in (1, 2, 3):
                ctrl_c()
                assert len(heard) == times
                between()
        assert signal.getsignal(signal.SIGINT) is hear
    finally:
        signal.signal(signal.SIGINT, former)

    def end(number: int, frame: Any) -> None:
        raise SystemExit(3)

    former = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(SystemExit), whole_steps():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, former)


def test_a_signal_that_is_ignored_stays_so() -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with whole_steps() as between:
            ctrl_c()
            between()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)


def test_a_handler_of_another_program_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    # Python knows handlers that were set in C as None, and cannot set them again.
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    monkeypatch.setattr(signal, "signal", lambda number, handler: pytest.fail("it was replaced"))
    with uninterrupted(), whole_steps() as between:
        between()


def test_other_threads_work_as_ever() -> None:
    done = []

    def work() -> None:
        with whole_steps() as between, uninterrupted():
            between()
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.getsignal(signal.SIGINT)]


@pytest.mark.parametrize("at", [1, 2, 5])  # within a step, and at a check
def test_ctrl_c_in_the_middle_of_a_step_changes_nothing(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Between the updates of the critic and of the generator, of all moments."""
    plain = AdversarialSteps.descend

    def descend(self: Any, name: str, *arguments: Any) -> None:
        plain(self, name, *arguments)
        if name == "critic" and self.state.step == at:
            ctrl_c()

    gan = quick(max_iter=7, validation_fraction=0.1)
    with monkeypatch.context() as patch:
        patch.setattr(AdversarialSteps, "descend", descend)
        with pytest.warns(UserWarning, match=f"interrupted after {at + 1} of 7 steps") as said:
            gan.fit(windows)
    assert [w.filename for w in said] == [__file__]
    assert (gan.n_iter_, gan.stopped_) == (at + 1, "interrupted")
    set_of(gan, warm_start=True).fit(windows)
    whole = quick(max_iter=7, validation_fraction=0.1).fit(windows)
    for name in ("generator_", "critic_"):
        assert torch.equal(weights(getattr(gan, name)), weights(getattr(whole, name)))
    assert gan.history_ == whole.history_


def test_a_second_one_ends_at_once_and_leaves_the_checkpoint_whole(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    plain = AdversarialSteps.descend

    def descend(self: Any, name: str, *arguments: Any) -> None:
        plain(self, name, *arguments)
        if name == "critic" and self.state.step == 3:
            ctrl_c()
            ctrl_c()

    files = {"checkpoint": tmp_path / "run.ckpt", "checkpoint_every": 0}
    with monkeypatch.context() as patch:
        patch.setattr(AdversarialSteps, "descend", descend)
        with pytest.warns(UserWarning, match="interrupted after 3 of 7 steps"):
            half = quick(max_iter=7, **files).fit(windows)
    gan, whole = quick(max_iter=7, **files).fit(windows), quick(max_iter=7).fit(windows)
    assert half.n_iter_ == 3
    assert torch.equal(weights(gan.critic_), weights(whole.critic_))
    assert gan.history_ == whole.history_
