"""Wrong usage and faulty files: an exit code and one sentence."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calgan

CONFIG = 'inputs = ["rec0.npz"]\noutput = "out"\n'
CONFIGS = {
    "typo": 'input = ["rec0.npz"]\n',
    "evaluate": f"{CONFIG}[evaluate]\nn_bootstrap = -1\n",
    "few": f"{CONFIG}[sample]\nwindows = 2\n",
    "file": f"{CONFIG}[sample]\nfile = 3\n",
    "window": f"{CONFIG}[model]\nwindow = 'many'\n",
    "odd.resolved": "seed = 3\n",
}
FAULTS = {
    "no such file": (["info", "nothing.nwb"], "There is no file or folder nothing.nwb."),
    "no model": (["sample", "rec0.npz", "-n", "2", "-o", "x.npz"], "rec0.npz is no calgan model"),
    "no folder": (["fit", "rec0.npz", "-o", "no/m.calgan"], "The folder no does not exist"),
    "parameter": (
        ["fit", "rec0.npz", "-o", "x.calgan", "--set", "n_factor=3"],
        "has no key 'n_factor': did you mean 'n_factors'?",
    ),
    "value": (
        ["fit", "rec0.npz", "-o", "x.calgan", "--set", "n_factors=many"],
        "n_factors must be an integer",
    ),
    "key": (["run", "typo.toml"], "typo.toml has no key 'input': did you mean 'inputs'?"),
    # What would be found after the fit is found before it.
    "evaluation": (["run", "evaluate.toml"], "n_bootstrap must be an integer of at least 0"),
    "few windows": (["run", "few.toml"], "windows must be an integer of at least 8"),
    "sample": (["run", "file.toml"], "file must be text such as 'synthetic.npz'"),
    "window": (["run", "window.toml"], "window must be an integer"),
    "empty": (["info", "empty.npz"], "empty.npz is damaged, or no npz file"),
    "cut": (["info", "cut.npz"], "cut.npz is damaged, or no npz file"),
    "a model": (["deconvolve", "model.calgan", "-o", "x.csv"], "model.calgan is a model"),
    "method": (
        ["deconvolve", "rec0.npz", "-o", "x.csv", "--method", "mlspike"],
        "there is no file",
    ),
    "another model": (
        ["deconvolve", "rec0.npz", "-o", "x.csv", "--method", "model.calgan"],
        "holds a Pipeline, not a SpikeInferenceNetwork",
    ),
    "two models": (["evaluate", "model.calgan", "model.calgan"], "model.calgan is a model"),
    "record": (["evaluate", "odd.calgan", "rec0.npz"], "odd.resolved.toml does not say what"),
    "no toml": (["run", "rec0.npz"], "rec0.npz is not a valid TOML file"),
    "format": (
        ["sample", "model.calgan", "--duration", "9", "-o", "x.docx"],
        "no format that calgan writes has the suffix '.docx'",
    ),
}


@pytest.mark.parametrize(("words", "sentence"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_sentence(run: Any, shared: Path, words: list[str], sentence: str) -> None:
    for name, text in CONFIGS.items():
        (shared / f"{name}.toml").write_text(text)
    (shared / "odd.calgan").write_bytes((shared / "model.calgan").read_bytes())
    (shared / "empty.npz").touch()
    (shared / "cut.npz").write_bytes((shared / "rec0.npz").read_bytes()[:2000])
    said = run(*words, "--quiet", code=1)
    assert said.stdout == ""
    (line,) = said.stderr.splitlines()
    assert line.startswith("calgan: ")
    assert sentence in line
    assert not {"x.calgan", "x.csv", "out"} & {path.name for path in shared.iterdir()}


def test_debug_shows_where(run: Any) -> None:
    assert "Traceback" in run("run", "rec0.npz", "--debug", code=1).stderr


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["fit", "-o", "x.calgan"],
        ["fit", "rec0.npz"],
        ["fit", "rec0.npz", "-o", ""],
        ["fit", "rec0.npz", "rec1.npz", "-o", "one.calgan"],
        ["fit", "rec0.npz", "-o", "x.calgan", "--generator", "vae"],
        ["fit", "rec0.npz", "-o", "x.calgan", "--set", "n_factors"],
        ["sample", "model.calgan", "-o", "x.npz"],
        ["sample", "model.calgan", "-o", "x.npz", "-n", "3", "--duration", "3"],
        ["run"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(run: Any, words: list[str]) -> None:
    said = run(*words, code=2)
    assert said.stderr.startswith("Usage: calgan")


def test_overwrite_replaces(run: Any, shared: Path, tmp_path: Path) -> None:
    (tmp_path / "w.npy").write_text("old")
    words = ("sample", "model.calgan", "-n", 2, "-o", tmp_path / "w.npy")
    assert "w.npy exists: take another name, or give --overwrite." in run(*words, code=1).stderr
    said = run(*words, "--overwrite", "--quiet")
    assert said.stderr == ""
    assert np.load(tmp_path / "w.npy").shape == (2, 32, 5)


def test_the_end_of_a_file_is_a_fault_and_no_interruption(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Any, **__: Any) -> None:
        raise EOFError("no data left")

    monkeypatch.setattr("calgan.read_recording", read)
    for words in (["info", "rec0.npz"], ["deconvolve", "rec0.npz", "-o", "x.csv"]):
        assert "calgan: EOFError: no data left" in run(*words, code=1).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_ended_writes_nothing_more(
    run: Any, shared: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def write(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr("numpy.savez", write)
    before = sorted(shared.iterdir())
    said = run("sample", "model.calgan", "-n", 2, "-o", "ended.npz", "--quiet", code=130)
    assert "calgan: interrupted; files that are complete stay" in said.stderr
    assert sorted(shared.iterdir()) == before


def test_held_out_frames_are_known_by_any_name_of_the_file(run: Any, tmp_path: Path) -> None:
    recording, _ = calgan.datasets.make_recording(60.0, n_neurons=4, random_state=0)
    path = calgan.write_recording(recording, tmp_path / "rec.npz")
    quick = ("--max-iter", 2, "--window", 32, "--seed", 0)
    run("fit", path, "-o", "m.calgan", "--without-artefacts", *quick, cwd=tmp_path)
    few = ("-n", 40, "--set", "n_splits=1", "--set", "n_bootstrap=20", "--set", "controls=[]")
    for name in ("rec.npz", "./rec.npz", path):
        said = run("evaluate", "m.calgan", name, *few, cwd=tmp_path)
        assert "180 frames" in said.stderr
    calgan.load(tmp_path / "m.calgan").set_params(generator__max_iter=1).fit(recording[:300]).save(
        tmp_path / "m.calgan"
    )
    said = run("evaluate", "m.calgan", "rec.npz", *few, cwd=tmp_path, code=1)
    assert "belongs to another model than m.calgan" in said.stderr


def test_the_file_of_a_sample_is_none_of_the_run(run: Any, tmp_path: Path) -> None:
    for name in ("windows.npz", "../x.npz"):
        (tmp_path / "run.toml").write_text(
            f'inputs = ["bundled:zebrafish_tectum"]\noutput = "o"\n[sample]\nfile = "{name}"\n'
        )
        said = run("run", "run.toml", cwd=tmp_path, code=1)
        assert "must be a plain name" in said.stderr
        assert not (tmp_path / "o").exists()
