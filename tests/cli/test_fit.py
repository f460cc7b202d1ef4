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
