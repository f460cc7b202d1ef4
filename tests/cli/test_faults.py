"""Wrong usage and faulty files: an exit code and one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
    "no toml": (["run", "rec0.npz"], "rec0.npz is no TOML"),
    "format": (
        ["sample", "model.calgan", "--duration", "9", "-o", "x.docx"],
        "no format that calgan writes has the suffix '.docx'",
    ),
}


@pytest.mark.parametrize(("words", "sentence"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_sentence(run: Any, shared: Path, words: list[str], sentence: str) -> None:
    (shared / "typo.toml").write_text('input = ["rec0.npz"]\n')
    said = run(*words, "--quiet", code=1)
    assert said.stdout == ""
    (line,) = said.stderr.splitlines()
    assert line.startswith("calgan: ")
    assert sentence in line
    assert not (shared / "x.calgan").exists()


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
