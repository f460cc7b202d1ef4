"""What each command writes and prints."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calgan
from calgan.model_selection import train_test_blocks

FEW = ("-n", 40, "--set", "n_splits=1", "--set", "n_bootstrap=20", "--set", "controls=[]")
FEW += ("--set", "n_jobs=1")


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    heavy = ["torch", "sklearn", "scipy", "matplotlib", "numpy", "pandas", "tqdm"]
    code = (
        "import runpy, sys; sys.argv = ['calgan', '--help']\n"
        "try: runpy.run_module('calgan', run_name='__main__')\n"  # python -m calgan
        f"finally: print([name for name in {heavy} if name in sys.modules])"
    )
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        seconds.append(time.perf_counter() - started)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"
    assert min(seconds) < 0.5


def test_every_command_explains_itself(installed: Any, run: Any, tmp_path: Path) -> None:
    said = installed("--help", cwd=tmp_path).stdout
    for command in ("info", "fit", "sample", "deconvolve", "evaluate", "report", "run"):
        assert f"\n  {command} " in said
    assert run("--version").stdout == f"calgan, version {calgan.__version__}\n"


def test_fit_knows_the_generators_of_the_library(run: Any) -> None:
    with pytest.raises(ValueError, match="generator must be") as error:
        calgan.make_calcium_pipeline("none", window=8)
    known = str(error.value).split("must be ")[1].split(" or ")[0]
    assert f"[{known.replace(', ', '|').replace(chr(39), '')}]" in run("fit", "--help").stdout


def test_info_says_what_files_hold(run: Any, shared: Path) -> None:
    files = ("rec0.npz", "model.calgan", "bundled:zebrafish_tectum")
    recording, model, bundled = json.loads(run("info", *files, "--json").stdout)
    assert recording["kind"] == "recording"
    assert (recording["n_frames"], recording["n_neurons"]) == (600, 5)
    assert recording["segments"] == [[0, 600]]
    assert recording["format"] == "npz"
    generator = calgan.load(shared / "model.calgan")[-1]
    assert model["generator"] == "CalciumFactorModel"
    assert (model["window"], model["n_iter"]) == (32, 2)
    assert model["fingerprint"] == generator.fingerprint_
    assert model["calgan_version"] == calgan.__version__
    assert bundled["units"] == "dF/F"
    text = run("info", "rec0.npz").stdout
    assert "frames            600" in text
    assert "frame rate        10 Hz" in text
    assert "trials" not in text
    text = run("info", "nothing.npz", "model.calgan", code=1).stdout  # one fault stops no other
    assert "iterations        2" in text


def test_artefacts_are_told_and_left_out_on_request(run: Any, tmp_path: Path) -> None:
    recording, _ = calgan.datasets.make_recording(30.0, n_neurons=4, random_state=0)
    traces = recording.traces.copy()
    traces[120, 1] = 1e5
    path = calgan.write_recording(recording.with_traces(traces), tmp_path / "jump.npz")
    assert "artefact frames   120\n" in run("info", path).stdout
    (facts,) = json.loads(run("info", path, path, "--json", "--without-artefacts").stdout)[:1]
    assert facts["segments"] == [[0, 120], [121, 300]]
    assert facts["artefact_frames"] == []


def test_sample_draws_what_the_model_draws(run: Any, shared: Path, tmp_path: Path) -> None:
    model = calgan.load(shared / "model.calgan")
    windows = model.sample(3, random_state=7)
    run("sample", "model.calgan", "-n", 3, "-o", tmp_path / "w.npz", "--seed", 7)
    with np.load(tmp_path / "w.npz") as file:
        np.testing.assert_array_equal(file["windows"], windows)
        assert file["frame_rate"] == 10.0
        assert file["synthetic"]
    run("sample", "model.calgan", "--duration", 30, "-o", tmp_path / "s.npz", "--seed", 7)
    sampled = calgan.read_recording(tmp_path / "s.npz")
    assert sampled == model.sample_recording(30.0, random_state=7)
    assert sampled.metadata["synthetic"] is True


def test_deconvolve_writes_events_with_ids_and_rate(run: Any, shared: Path, tmp_path: Path) -> None:
    recording = calgan.read_recording(shared / "rec0.npz")
    spikes = calgan.OasisDeconvolver(threshold=2.5).fit_transform(recording)
    for name in ("s.npz", "s.csv"):
        run("deconvolve", "rec0.npz", "-o", tmp_path / name, "--set", "threshold=2.5")
    assert calgan.read_recording(tmp_path / "s.npz") == spikes
    head, *rows = csv.reader((tmp_path / "s.csv").read_text().splitlines())
    assert head == ["time (s)", *(f"{number} (events)" for number in range(5))]
    table = np.array(rows, dtype=float)
    np.testing.assert_allclose(table[:, 0], recording.times, atol=1e-6)
    np.testing.assert_array_equal(table[:, 1:], spikes.traces)


def test_deconvolve_takes_networks_too(run: Any, shared: Path, tmp_path: Path) -> None:
    recording = calgan.read_recording(shared / "rec0.npz")
    network = calgan.SpikeInferenceNetwork(
        n_simulated=0, n_networks=1, max_iter=2, random_state=0, verbose=0
    )
    network.fit(recording, np.ones(recording.shape)).save(tmp_path / "mine.calgan")
    methods = {"network": calgan.SpikeInferenceNetwork().fit(recording)}
    methods[str(tmp_path / "mine.calgan")] = network
    for method, same in methods.items():
        run("deconvolve", "rec0.npz", "-o", tmp_path / "s.npz", "--method", method, "--overwrite")
        spikes = calgan.read_recording(tmp_path / "s.npz")
        assert spikes.units == "spikes"
        np.testing.assert_allclose(spikes.traces, same.transform(recording).traces, atol=1e-6)


def test_evaluate_takes_the_frames_that_fit_held_out(
    run: Any, shared: Path, tmp_path: Path
) -> None:
    said = run("evaluate", "model.calgan", "rec0.npz", *FEW, "--json", "-o", tmp_path / "e.json")
    found = json.loads(said.stdout)
    assert found == json.loads((tmp_path / "e.json").read_text())
    train, test = train_test_blocks(calgan.read_recording(shared / "rec0.npz"), gap=32)
    assert found["meta"]["n_train_frames"] == train.n_frames
    assert found["meta"]["n_real_frames"] == test.n_frames
    assert found["summary"]["sentence"]


def test_evaluate_finds_the_training_recording_of_another_one(run: Any) -> None:
    found = json.loads(run("evaluate", "model.calgan", "rec1.npz", *FEW, "--json").stdout)
    assert found["meta"]["n_real_frames"] == 600
    assert found["meta"]["n_train_frames"] == 600 - 180 - 32


def test_evaluate_says_that_all_frames_were_learnt(run: Any, shared: Path, tmp_path: Path) -> None:
    model = tmp_path / "all.calgan"
    run("fit", "rec0.npz", "-o", model, "--test-size", 0, "--max-iter", 1, "--window", 32)
    said = run("evaluate", model, "rec0.npz", *FEW)
    assert "was fitted on every frame of rec0.npz" in said.stderr
    assert "100 % of the held-out frames are in the training recording" in said.stdout


def test_evaluate_says_that_it_does_not_know_what_was_learnt(
    run: Any, shared: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.calgan").write_bytes((shared / "model.calgan").read_bytes())
    said = run("evaluate", tmp_path / "m.calgan", "rec0.npz", *FEW)
    assert "m.resolved.toml is missing" in said.stderr


def test_report_compares_two_files(run: Any, shared: Path, tmp_path: Path) -> None:
    windows = tmp_path / "w.npz"
    np.savez(windows, windows=calgan.load(shared / "model.calgan").sample(40, random_state=0))
    options = ("--set", "n_splits=1", "--set", "n_bootstrap=0", "--title", "Two files")
    said = run(
        "report", "rec1.npz", windows, "--train", "rec0.npz", *options, "-o", tmp_path / "r.html"
    )
    assert "copying" in said.stdout
    assert "Two files" in (tmp_path / "r.html").read_text()
    words = ("evaluate", "rec0.npz", "rec1.npz", "--window", 32, *FEW[2:])
    assert json.loads(run(*words, "--json").stdout)["n_windows"] == 600 // 32
    said = run(*words)
    assert "without a training recording: pass --train." in said.stdout
    assert "draws the same again" in said.stderr  # a seed


def test_run_does_all_of_its_example(
    installed: Any, run: Any, shared: Path, tmp_path: Path
) -> None:
    example = run("run", "--example").stdout
    files = [str(shared / "rec0.npz"), "nothing.npz"]  # a fault in one does not keep the other
    changes = {
        'inputs = ["bundled:zebrafish_tectum"]': f"inputs = {json.dumps(files)}",
        "window = 64": "window = 32",
        "max_time = 300.0": "max_iter = 1",
        "windows = 500": "windows = 40",
        "n_bootstrap = 200": "n_bootstrap = 0\nn_splits = 1\ncontrols = []",
    }
    for old, new in changes.items():
        assert old in example
        example = example.replace(old, new)
    (tmp_path / "run.toml").write_text(example)
    said = installed("run", "run.toml", code=1, cwd=tmp_path)
    assert "calgan: nothing: There is no file or folder nothing.npz." in said.stderr
    folder = tmp_path / "results" / "rec0"
    written = {"run.calgan", "run.resolved.toml", "synthetic.npz", "windows.npz"}
    written |= {"evaluation.json", "report.html"}
    assert {path.name for path in folder.iterdir()} == written
    assert str(Path("results", "rec0", "report.html")) in said.stdout
    resolved = tomllib.loads((folder / "run.resolved.toml").read_text())
    assert resolved["evaluate"]["protocol"] == "blocked"
    assert resolved["made"]["input"]["sha256"] == sha256(Path(files[0]).read_bytes()).hexdigest()
    assert calgan.read_recording(folder / "synthetic.npz").n_frames == 600
    assert json.loads((folder / "evaluation.json").read_text())["n_windows"] == 40
