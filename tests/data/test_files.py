"""Files that are replaced once the new one is complete, and what killed processes leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calgan.data.files import replaced

WRITES = """
import sys
from pathlib import Path
from calgan.data.files import replaced
with replaced(Path("model")) as temporary:
    Path(temporary).write_text("half")
    print(temporary, flush=True)
    sys.stdin.readline()
"""


def write(path: Path, text: str) -> None:
    with replaced(path) as temporary:
        Path(temporary).write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_former_file_is_there_until_the_new_one_is(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write(path, "old")

    def fail() -> None:
        with replaced(path) as temporary:
            Path(temporary).write_text("half")
            assert path.read_text() == "old"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", WRITES]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=pipe, stdout=pipe, text=True
    ) as process:
        left = process.stdout.readline().strip()
        with replaced(tmp_path / "model") as own:  # and one of this process
            write(tmp_path / "model", "new")
            assert names(tmp_path) == sorted([left, Path(own).name, "model"])
        process.kill()
    assert left in names(tmp_path)
    write(tmp_path / "other", "new")  # another target's are left alone
    assert left in names(tmp_path)
    write(tmp_path / "model", "newer")
    assert names(tmp_path) == ["model", "other"]


@pytest.mark.skipif(os.name != "posix", reason="ages alone count elsewhere")
def test_a_container_that_was_started_again_has_the_same_numbers(tmp_path: Path) -> None:
    with replaced(tmp_path / "model") as temporary:
        name = Path(temporary).name
    left = tmp_path / f"{name[:-8]}00000000"  # of this process's number, but not written by it
    left.touch()
    write(tmp_path / "model", "new")
    assert names(tmp_path) == ["model"]


def test_files_of_other_machines_go_when_they_are_old(tmp_path: Path) -> None:
    """On a cluster, a run is taken up on another node."""
    new, old = tmp_path / ".model.000000-1-00000000", tmp_path / ".model.000000-1-00000001"
    alike = tmp_path / ".model.000000-1-0000000g"
    for file in (new, old, alike):
        file.touch()
    for file in (old, alike):
        os.utime(file, (0, time.time() - 4000))
    write(tmp_path / "model", "new")
    assert names(tmp_path) == sorted([new.name, alike.name, "model"])
