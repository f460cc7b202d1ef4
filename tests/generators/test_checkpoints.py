"""Trainings that are killed, go on from their checkpoint, and end as if nothing had happened."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gan_cases import contents, quick, set_of, weights
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import calgan
from calgan import CalciumFlow, CalciumGAN, make_calcium_pipeline
from calgan.data.windows import WindowView
from calgan.datasets import make_recording
from calgan.generators.gan.steps import AdversarialSteps
from calgan.metrics import correlation_scorer
from calgan.model_selection import BlockedKFold


class Killed(BaseException):
    """Nothing in a training catches it."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.ckpt"


@pytest.fixture
def before_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], None]], None]:
    """Call a function before each step, with the number of steps taken."""
    plain = AdversarialSteps.__call__

    def watch(watcher: Callable[[int], None]) -> None:
        def step(self: Any, number: int) -> dict[str, float]:
            watcher(number)
            return plain(self, number)

        monkeypatch.setattr(AdversarialSteps, "__call__", step)

    return watch


@pytest.fixture
def killed(before_step: Any) -> Callable[..., None]:
    """Fit a generator whose process is killed after some steps."""

    def killed(gan: Any, X: Any, steps: int, verb: str = "fit") -> None:
        def kill(number: int) -> None:
            if number == steps:
                raise Killed

        before_step(kill)
        with pytest.raises(Killed):
            getattr(gan, verb)(X)
        before_step(lambda number: None)

    return killed


def assert_same(one: Any, other: Any) -> None:
    """Compare weights, history, best state, moments and samples, bit for bit."""
    assert torch.equal(weights(one.generator_), weights(other.generator_))
    one_rows, other_rows = (json.dumps(each.history_, sort_keys=True) for each in (one, other))
    assert one_rows == other_rows  # NaN is NaN
    assert (one.n_iter_, one.best_iter_, one.stopped_) == (
        other.n_iter_,
        other.best_iter_,
        other.stopped_,
    )
    assert one.fit_summary_ == other.fit_summary_
    networks = [each._to_save()["networks"] for each in (one, other)]
    torch.testing.assert_close(*networks, rtol=0, atol=0)
    np.testing.assert_array_equal(one.sample(3), other.sample(3))


def test_saved_states_lie_no_further_apart_than_the_interval(
    windows: WindowView, file: Path, before_step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, found = 0.0, []

    def watch(number: int) -> None:
        nonlocal now
        found.append(calgan.load(file).n_iter_)
        now += 1.0  # each step takes a second

    monkeypatch.setattr("time.monotonic", lambda: now)
    before_step(watch)
    quick(max_iter=8, checkpoint=file, checkpoint_every=3).fit(windows)
    assert found == [0, 0, 0, 3, 3, 3, 6, 6]
    assert calgan.load(file).n_iter_ == 8


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize(("family", "every"), [("gan", 0.0), ("flow", 0.02)])
def test_a_training_that_is_killed_again_and_again_ends_as_one_that_is_not(
    tmp_path: Path, family: str, every: float
) -> None:
    script = Path(__file__).with_name("killed_trainings.py")
    words = [sys.executable, script, tmp_path, family, 10, every, 0]
    environment = {**os.environ, "PYTHONPATH": str(Path(calgan.__file__).parents[1])}
    run = subprocess.run(list(map(str, words)), capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["unlike"] == found["rerun_unlike"] == []
    assert found["left"] == ["done.json", "run.ckpt", "run.csv"]  # no temporary file
    for each in found["killed"]:
        assert each["saved"] <= each["logged"]
        if every == 0:
            assert each["saved"] >= each["logged"] - 1


@pytest.mark.parametrize("steps", [0, 2, 3])  # at a check and beside one
@pytest.mark.parametrize("variant", ["compact", "1d"])
def test_fit_takes_up_what_was_killed(
    windows: WindowView, file: Path, killed: Any, variant: str, steps: int
) -> None:
    params = {"variant": variant, "validation_fraction": 0.1, "max_iter": 5, "max_time": 1e6}
    gan = quick(**params, checkpoint=file, checkpoint_every=0)
    killed(gan, windows, steps)
    part = calgan.load(file)
    assert (part.n_iter_, part.stopped_, len(part.history_)) == (steps, "checkpoint", steps)
    assert part.sample(3).shape == (3, 32, 4)
    assert_same(gan.fit(windows), quick(**params).fit(windows))


def test_a_note_says_where_it_goes_on(
    windows: WindowView, file: Path, killed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    gan = quick(checkpoint=file, checkpoint_every=0, verbose=1)
    killed(gan, windows, 3)
    assert "going on" not in capsys.readouterr().err
    gan.fit(windows)
    said = capsys.readouterr().err
    assert f"CalciumGAN (compact): going on from step 3 in {file}" in said
    set_of(gan, verbose=0).fit(windows)
    assert capsys.readouterr().err == ""


def test_what_is_done_is_returned_and_not_done_again(
    windows: WindowView, file: Path, before_step: Any
) -> None:
    first = quick(max_iter=5, checkpoint=file).fit(windows)  # the last check is off the schedule
    written = file.read_bytes()
    before_step(lambda number: pytest.fail("a step is taken"))
    assert_same(quick(max_iter=5, checkpoint=file).fit(windows), first)
    assert file.read_bytes() == written


@pytest.mark.parametrize("stopped", ["max_time", "early stopping", "diverged"])
def test_a_training_that_ended_for_another_reason_is_not_gone_on_with(
    windows: WindowView, file: Path, before_step: Any, monkeypatch: pytest.MonkeyPatch, stopped: str
) -> None:
    seconds = itertools.count()
    params: dict[str, Any] = {"max_iter": 50, "checkpoint": file}
    if stopped == "max_time":
        monkeypatch.setattr("time.monotonic", lambda: float(next(seconds)))
        params |= {"max_time": 20}
    elif stopped == "early stopping":
        params |= {"n_iter_no_change": 2, "learning_rate": 1e-12, "validation_fraction": 0.1}
    else:
        params |= {"learning_rate": 1e30}
    has_diverged = stopped == "diverged"
    with pytest.warns(ConvergenceWarning) if has_diverged else nullcontext():
        first = quick(**params).fit(windows)
    assert first.stopped_ == stopped
    before_step(lambda number: pytest.fail("a step is taken"))
    with (
        pytest.warns(ConvergenceWarning, match="diverged at step 0, and is not gone on with")
        if has_diverged
        else nullcontext()
    ):
        again = quick(**params).fit(windows)
    assert_same(again, first)
    if stopped == "max_time":  # a longer limit goes on
        before_step(lambda number: None)
        assert quick(**params | {"max_time": 40}).fit(windows).n_iter_ > first.n_iter_


def test_the_seed_is_that_of_the_file_if_none_is_given(
    windows: WindowView, file: Path, killed: Any
) -> None:
    gan = quick(checkpoint=file, checkpoint_every=0, random_state=None)
    killed(gan, windows, 2)
    seed = calgan.load(file).seed_
    gan.fit(windows)
    assert gan.seed_ == seed
    assert_same(gan.set_params(random_state=seed), quick(random_state=seed).fit(windows))


def test_more_steps_go_on_as_if_all_had_been_asked_for(windows: WindowView, file: Path) -> None:
    quick(max_iter=3, checkpoint=file).fit(windows)
    more = quick(max_iter=6, checkpoint=file).fit(windows)
    assert_same(more, quick(max_iter=6).fit(windows))


def test_ctrl_c_leaves_a_checkpoint_to_go_on_from(
    windows: WindowView, file: Path, before_step: Any
) -> None:
    def interrupt(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    gan = quick(max_iter=6, checkpoint=file)
    before_step(interrupt)
    with pytest.warns(UserWarning, match="interrupted after 2 of 6 steps"):
        gan.fit(windows)
    before_step(lambda number: None)
    assert_same(quick(max_iter=6, checkpoint=file).fit(windows), quick(max_iter=6).fit(windows))


# ------------------------------------------------------------------ files of others


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.1}, "learning_rate was 0.002, and is 0.1"),
        ({"ema": 0.5}, "ema was 0.998, and is 0.5"),
        ({"variant": "relativistic"}, "name was 'compact', and is 'relativistic'"),
        ({"random_state": 1}, "random_state was 0, and is 1"),
        ({"precision": "bf16-mixed"}, "precision was '32-true', and is 'bf16-mixed'"),
        ({"frame_rate": 10.5}, "frame_rate was 10.0, and is 10.5"),
        ({"max_iter": 2}, "it has taken 4 steps, and max_iter is 2"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    windows: WindowView, file: Path, change: dict[str, Any], message: str
) -> None:
    data = np.array(windows)
    quick(checkpoint=file, frame_rate=10.0).fit(data)
    written = file.read_bytes()
    other = set_of(quick(checkpoint=file, frame_rate=10.0), **change)
    with pytest.raises(ValueError, match=message) as error:
        other.fit(data)
    assert str(error.value).startswith(f"{file} is the checkpoint of another training: ")
    assert str(error.value).endswith("give checkpoint another name, or delete the file.")
    assert file.read_bytes() == written
    assert contents(other) == {}


def test_a_checkpoint_of_other_windows_is_refused(windows: WindowView, file: Path) -> None:
    quick(checkpoint=file).fit(windows)
    data = np.array(windows)
    with pytest.raises(ValueError, match="windows' shape was \\(32, 4, None\\), and is \\(16, 4"):
        quick(checkpoint=file).fit(data[:, :16])
    data[3, 2, 1] += 1
    with pytest.raises(ValueError, match="its windows have fingerprint .*, and these "):
        quick(checkpoint=file, frame_rate=10.0).fit(data)


def test_a_file_that_is_no_checkpoint_is_refused(windows: WindowView, file: Path) -> None:
    gan = quick(checkpoint=file)
    file.write_text("my only copy")
    with pytest.raises(ValueError, match="is no calgan model.*give checkpoint another name"):
        gan.fit(windows)
    assert file.read_text() == "my only copy"
    file.unlink()
    CalciumFlow(max_iter=1, filters=4, random_state=0).fit(windows).save(file)
    with pytest.raises(ValueError, match="holds a CalciumFlow, not a CalciumGAN: give checkpoint"):
        gan.fit(windows)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ValueError, match="is damaged"):
        gan.fit(windows)


@pytest.mark.parametrize(
    ("name", "error"),
    [("nowhere/run.ckpt", FileNotFoundError), (".", IsADirectoryError), (3, TypeError)],
)
def test_a_file_that_cannot_be_written_is_an_error_at_once(
    windows: WindowView, tmp_path: Path, before_step: Any, name: Any, error: type[Exception]
) -> None:
    before_step(lambda number: pytest.fail("a step is taken"))
    with pytest.raises(error):
        quick(checkpoint=name if name == 3 else tmp_path / name).fit(windows)
    with pytest.raises(ValueError, match="checkpoint_every must be"):
        quick(checkpoint_every=-1).fit(windows)


def test_a_full_disk_is_an_error_at_the_start(
    windows: WindowView, file: Path, before_step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_step(lambda number: pytest.fail("a step is taken"))
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(OSError, match="No space left") as error:
        quick(checkpoint=file).fit(windows)
    assert error.value.filename == str(file)
    assert list(file.parent.iterdir()) == []


def _no_space(*arguments: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


# ------------------------------------------------------------------ trouble on the way


def test_a_disk_that_fills_up_ends_no_training(
    windows: WindowView, file: Path, before_step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(number: int) -> None:
        if number == 3:
            monkeypatch.setattr(os, "fsync", _no_space)

    before_step(fill)
    gan = quick(max_iter=7, checkpoint=file, checkpoint_every=0)
    with pytest.warns(
        UserWarning, match="not written at step 4: No space left.* of step 3"
    ) as said:
        gan.fit(windows)
    assert [(w.filename, w.category) for w in said] == [(__file__, UserWarning)]  # once
    assert calgan.load(file).n_iter_ == 3
    assert [path.name for path in file.parent.iterdir()] == ["run.ckpt"]
    monkeypatch.undo()
    assert_same(gan, quick(max_iter=7).fit(windows))
    assert_same(quick(max_iter=7, checkpoint=file).fit(windows), gan)


def test_a_folder_that_vanishes_ends_no_training(
    windows: WindowView, tmp_path: Path, before_step: Any
) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    before_step(lambda number: shutil.rmtree(folder) if number == 3 else None)
    gan = quick(checkpoint=folder / "run.ckpt", checkpoint_every=0, log=folder / "run.csv")
    with pytest.warns(UserWarning, match="Training goes on") as said:
        gan.fit(windows)
    texts = sorted(str(w.message) for w in said)
    assert [w.filename for w in said] == [__file__] * 2
    assert "was not written at step 4: The folder" in texts[0]
    assert "the file is not there" in texts[0]
    assert "history is no longer written to" in texts[1]
    assert gan.n_iter_ == 4


def test_two_trainings_do_not_mix_in_one_file(
    windows: WindowView, file: Path, before_step: Any
) -> None:
    other = quick(random_state=1).fit(windows)

    def replace(number: int) -> None:
        if number == 2:
            other.save(file)

    before_step(replace)
    gan = quick(checkpoint=file, checkpoint_every=0)
    with pytest.warns(UserWarning, match="at step 3: another process replaced it") as said:
        gan.fit(windows)
    assert len(said) == 1
    assert calgan.load(file).seed_ == 1


# ------------------------------------------------------------------ going on in memory


def test_warm_start_goes_on_from_memory_and_writes_the_file(
    windows: WindowView, file: Path, before_step: Any
) -> None:
    gan = quick(max_iter=3, warm_start=True, checkpoint=file).fit(windows)
    set_of(gan, max_iter=5, learning_rate=1e-3).fit(windows)  # which may be changed
    assert calgan.load(file).n_iter_ == 5
    assert calgan.load(file).settings_.learning_rate == 1e-3
    taken: list[int] = []
    before_step(taken.append)
    set_of(gan, max_iter=6).fit(windows)
    assert taken == [5]


def test_a_script_of_warm_starts_is_run_again_after_a_crash(
    windows: WindowView, file: Path, killed: Any
) -> None:
    def script(gan: CalciumGAN) -> CalciumGAN:
        for steps in (2, 4, 6):
            set_of(gan, max_iter=steps).fit(windows)
        return gan

    params = {"warm_start": True, "checkpoint": file, "checkpoint_every": 0}
    gan = quick(max_iter=2, **params).fit(windows)
    killed(set_of(gan, max_iter=4), windows, 3)
    assert_same(script(quick(**params)), script(quick(warm_start=True)))


def test_fine_tuning_is_taken_up_where_it_was_killed(
    windows: WindowView, file: Path, tmp_path: Path, killed: Any
) -> None:
    quick(max_iter=3).fit(windows).save(tmp_path / "before")

    def script() -> CalciumGAN:
        gan = CalciumGAN.load(tmp_path / "before")
        params = {"warm_start": True, "max_iter": 7, "learning_rate": 1e-3}
        return set_of(gan, **params)

    killed(set_of(script(), checkpoint=file, checkpoint_every=0), windows, 5)
    again = set_of(script(), checkpoint=file).fit(windows)
    assert_same(again, script().fit(windows))
    elsewhere = quick(max_iter=3, random_state=5).fit(windows)
    with pytest.raises(ValueError, match="seed_ was 0, and is 5"):
        set_of(elsewhere, warm_start=True, max_iter=7, checkpoint=file).fit(windows)


def test_partial_fit_goes_on_from_memory_alone(windows: WindowView, file: Path) -> None:
    parts = windows[:100], windows[100:200]
    gan, plain = quick(checkpoint=file, batch_size=50), quick(batch_size=50)
    for part in parts:
        gan.partial_fit(part)
        plain.partial_fit(part)
        assert calgan.load(file).n_iter_ == gan.n_iter_
    with pytest.raises(ValueError, match="does not know: partial_fit goes on from calgan.load"):
        quick(checkpoint=file, batch_size=50).partial_fit(parts[0])
    again = calgan.load(file).set_params(checkpoint=file)
    assert_same(again.partial_fit(parts[0]), plain.partial_fit(parts[0]))


# ------------------------------------------------------------------ with the rest of the library


def test_a_search_is_refused_in_one_sentence(windows: WindowView, file: Path) -> None:
    search = GridSearchCV(
        make_calcium_pipeline("gan", window=32, checkpoint=file),
        {"generator__variant": ["compact", "relativistic"]},
        scoring=correlation_scorer,
        cv=BlockedKFold(2),
    )
    recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
    with pytest.raises(ValueError, match=r"CalciumGAN\(checkpoint=.*would all write to that file"):
        search.fit(recording)
    with pytest.raises(ValueError, match=r"CalciumGAN\(log="):
        clone(quick(log="history.csv"))
    assert clone(quick()).get_params() == quick().get_params()
    assert not file.exists()


def test_a_pipeline_takes_up_its_checkpoint(file: Path, killed: Any) -> None:
    recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
    small = {"window": 32, "max_iter": 5, "filters": 4, "random_state": 0}
    files = {"checkpoint": file, "checkpoint_every": 0}
    killed(make_calcium_pipeline("gan", **small, **files), recording, 3)
    model = make_calcium_pipeline("gan", **small, **files).fit(recording)
    whole = make_calcium_pipeline("gan", **small).fit(recording)
    assert_same(model[-1], whole[-1])
    given = make_calcium_pipeline(CalciumGAN(max_iter=5, filters=4, **files), window=32)
    assert (given[-1].checkpoint, given[-1].checkpoint_every) == (file, 0)


def test_a_saved_model_does_not_know_where_it_was_trained(windows: WindowView, file: Path) -> None:
    gan = quick(checkpoint=file, checkpoint_every=5.0).fit(windows)
    gan.save(file.with_name("model"))
    for each in (calgan.load(file.with_name("model")), calgan.load(file)):
        assert (each.checkpoint, each.checkpoint_every) == (None, 300.0)
    assert str(file).encode() not in file.read_bytes()
