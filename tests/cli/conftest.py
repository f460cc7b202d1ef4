"""The command line: as it is installed, or in this process, which is quicker."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import calgan
from calgan.cli import main
from calgan.datasets import make_recording

SCRIPT = Path(sys.executable).with_name("calgan")
COMMAND = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "calgan"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(calgan.__file__).parents[1])}

Said = subprocess.CompletedProcess[str]
QUICK = ("--max-iter", "2", "--window", "32", "--seed", "0")


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen[str]]:
    """Start the installed command, in the folder given, and do not wait for it."""

    def start(*words: object, cwd: Path) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        options: dict[str, Any] = {"stdout": pipe, "stderr": pipe, "text": True}
        return subprocess.Popen([*COMMAND, *map(str, words)], cwd=cwd, env=ENVIRONMENT, **options)

    return start


@pytest.fixture(scope="session")
def installed(start: Any) -> Callable[..., Said]:
    """Run the installed command, in the folder given, and expect an exit code."""

    def installed(*words: object, cwd: Path, code: int = 0) -> Said:
        process = start(*words, cwd=cwd)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, out + err
        return Said(words, code, out, err)

    return installed


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, installed: Any) -> Path:
    """Return a folder with two recordings and a model of the first."""
    folder = tmp_path_factory.mktemp("cli")
    for number in range(2):
        recording, _ = make_recording(60.0, n_neurons=5, random_state=number)
        calgan.write_recording(recording, folder / f"rec{number}.npz")
    assert installed("fit", "rec0.npz", "-o", "model.calgan", *QUICK, cwd=folder).stdout == (
        "model.calgan\n"
    )
    return folder


@pytest.fixture
def run(
    shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run a command in this process and the shared folder, and expect an exit code."""

    def run(*words: object, code: int = 0, cwd: Path = shared) -> Said:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["calgan", *map(str, words)])
        with warnings.catch_warnings(action="default"), pytest.raises(SystemExit) as end:
            main()  # in which warnings are lines on stderr
        out, err = capsys.readouterr()
        assert end.value.code == code, out + err
        return Said(words, code, out, err)

    return run
