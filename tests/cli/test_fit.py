"""``calgan fit``: the model that Python fits, a record of it, and what was learnt at Ctrl-C."""

from __future__ import annotations

import signal
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calgan
from calgan.model_selection import train_test_blocks

pytestmark = pytest.mark.filterwarnings("ignore::calgan.FitWarning")


def test_the_model_is_that_of_python_on_all_but_the_held_out_end(shared: Path) -> None:
    train, _ = train_test_blocks(calgan.read_recording(shared / "rec0.npz"), gap=32)
    model = calgan.make_calcium_pipeline(window=32, max_iter=2, random_state=0).fit(train)
    np.testing.assert_array_equal(calgan.load(shared / "model.calgan").sample(3), model.sample(3))


def test_the_record_says_what_was_done_and_repeats_it(run: Any, shared: Path) -> None:
    record = tomllib.loads((shared / "model.resolved.toml").read_text())
    assert record["inputs"] == ["rec0.npz"]
    assert (record["seed"], record["test_size"]) == (0, 0.3)
    assert record["model"]["n_factors"] == calgan.CalciumFactorModel().n_factors
    assert record["made"]["versions"]["calgan"] == calgan.__version__
    assert record["made"]["fit"]["held_out_frames"] == [420, 600]
    run("fit", "--config", "model.resolved.toml", "-o", "again.calgan")
    assert (shared / "again.calgan").read_bytes() == (shared / "model.calgan").read_bytes()


def test_any_text_and_list_comes_back_from_the_record(
    run: Any, shared: Path, tmp_path: Path
) -> None:
    odd = tmp_path / 'ein "Name" = [ü] \x7f.npz'
    odd.write_bytes((shared / "rec0.npz").read_bytes())
    options = ("--max-iter", 1, "--set", "settings={betas = [0.5, 0.9]}", "--set", "batch_size=4")
    said = run("fit", odd, "-o", "m.calgan", "--generator", "gan", *options, cwd=tmp_path)
    assert "CalciumGAN" in said.stderr
    record = tomllib.loads((tmp_path / "m.resolved.toml").read_text())
    assert record["inputs"] == [str(odd)]
    assert record["model"]["settings"] == {"betas": [0.5, 0.9]}
    assert record["made"]["settings"]["batch_size"] == 4
    # A network makes windows of one length.
    words = ("sample", "m.calgan", "--duration", 9, "-o", "s.npz")
    assert "no recordings: draw windows with -n." in run(*words, code=1, cwd=tmp_path).stderr


def test_several_recordings_give_a_model_each(installed: Any, shared: Path, tmp_path: Path) -> None:
    recording, _ = calgan.datasets.make_recording(24.0, n_neurons=3, random_state=0)
    calgan.write_recording(recording, tmp_path / "short.npz")
    files = [shared / "rec0.npz", shared / "nothing.npz", "short.npz"]
    options = ("--max-iter", 1, "--jobs", 2)
    words = ("fit", *files, "-o", "fits/{name}/model.calgan", *options)
    said = installed(*words, code=1, cwd=tmp_path)
    # A fault in one does not keep the others.
    assert f"calgan: nothing: There is no file or folder {files[1]}." in said.stderr
    assert "in windows of 24 frames (2.4 s); the last 72 frames are held out" in said.stderr
    shapes = {
        name: calgan.load(tmp_path / "fits" / name / "model.calgan").sample(1).shape
        for name in ("rec0", "short")
    }
    assert shapes == {"rec0": (1, 56, 5), "short": (1, 24, 3)}


@pytest.mark.parametrize(
    ("files", "number"),
    [(["rec0.npz"], signal.SIGINT), (["rec0.npz", "rec1.npz"], signal.SIGTERM)],
    ids=["one, Ctrl-C", "two, ended by a cluster"],
)
def test_an_interrupted_fit_keeps_what_was_learnt(
    start: Any, run: Any, shared: Path, tmp_path: Path, files: list[str], number: signal.Signals
) -> None:
    paths = [shared / file for file in files]
    output = tmp_path / ("rec0.calgan" if len(files) == 1 else "")
    words = ("fit", *paths, "-o", output, "--max-iter", 1_000_000, "--jobs", len(files))
    process = start(*words, cwd=tmp_path)
    for _ in range(2 * len(files)):  # lines on what is read, and what is fitted
        process.stderr.readline()
    time.sleep(2)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.count("interrupted: what was learnt is saved in") == len(files)
    for file in files:
        model = calgan.load((tmp_path / file).with_suffix(".calgan"))
        assert model[-1].stopped_ == "interrupted"
        assert model[-1].n_iter_ > 0
    # The record repeats what was learnt.
    run("fit", "--config", "rec0.resolved.toml", "-o", "again.calgan", cwd=tmp_path)
    again, model = (calgan.load(tmp_path / f"{name}.calgan") for name in ("again", "rec0"))
    assert again[-1].n_iter_ == model[-1].n_iter_
    np.testing.assert_array_equal(again.sample(3), model.sample(3))


def test_a_folder_takes_models_by_the_names_of_the_recordings(run: Any, tmp_path: Path) -> None:
    for folder in ("new/", "new"):  # the second is there then
        options = ("--max-iter", 1, "--window", 32, "--overwrite")
        said = run("fit", "rec0.npz", "-o", f"{tmp_path}/{folder}", *options)
        assert said.stdout == f"{tmp_path / 'new' / 'rec0.calgan'}\n"


NETWORK = (
    *("--generator", "flow", "--window", 32, "--max-iter", 60, "--set", "filters=4"),
    *("--set", "checkpoint_every=0", "--resume"),
)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_the_same_command_goes_on_with_a_network(
    start: Any, run: Any, shared: Path, tmp_path: Path, number: signal.Signals
) -> None:
    words = ("fit", shared / "rec0.npz", *NETWORK, "-o")
    process = start(*words, "part.calgan", cwd=tmp_path)
    for _ in range(600):
        time.sleep(0.05)
        if (tmp_path / "part.checkpoint").exists():
            break
    time.sleep(0.3)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -9), err
    assert ("The same command goes on." in err) == (number == signal.SIGINT)
    seed = calgan.load(tmp_path / "part.checkpoint").seed_  # none was given
    said = run(*words, "part.calgan", cwd=tmp_path)
    assert "going on from step" in said.stderr
    record = tomllib.loads((tmp_path / "part.resolved.toml").read_text())
    assert (record["seed"], record["made"]["fit"]["stopped"]) == (seed, "max_iter")
    assert "checkpoint" not in record["model"]
    run(*words, "whole.calgan", "--seed", seed, cwd=tmp_path)
    part, whole = (calgan.load(tmp_path / f"{name}.calgan") for name in ("part", "whole"))
    assert part[-1].history_ == whole[-1].history_
    np.testing.assert_array_equal(part.sample(3), whole.sample(3))
    written = (tmp_path / "part.calgan").read_bytes()
    run(*words, "part.calgan", cwd=tmp_path)  # all is done
    assert (tmp_path / "part.calgan").read_bytes() == written
    other = run(*words, "part.calgan", "--set", "batch_size=8", code=1, cwd=tmp_path)
    assert "is the checkpoint of another training: batch_size was 32" in other.stderr


def test_what_cannot_be_resumed_is_refused(run: Any, tmp_path: Path) -> None:
    words = ("fit", "rec0.npz", "-o", tmp_path / "m.calgan")
    said = run(*words, "--resume", code=2)
    assert "--resume is for gan and flow: a factor_model takes seconds." in said.stderr
    said = run(*words, "--generator", "gan", "--set", "checkpoint=c", code=1)
    assert "has no key 'checkpoint'" in said.stderr
    words = ("fit", "rec0.npz", "rec1.npz", "-o", tmp_path, "--generator", "gan")
    said = run(*words, "--set", "log=history.csv", code=1)
    assert "log names one file, and there are several inputs" in said.stderr
