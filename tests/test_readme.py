"""The README's example runs as it stands there, and the software can be cited."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calgan

ROOT = Path(__file__).parents[1]
README = ROOT / "README.rst"


def example(title: str) -> str:
    """Return the Python code below a title of the README."""
    rule = "-" * len(title)
    block = re.search(
        rf"{title}\n{rule}\n\n\.\. code-block:: python\n\n((?: {{4}}.*\n|\n)+)", README.read_text()
    )
    assert block is not None
    return re.sub(r"^ {4}", "", block[1], flags=re.MULTILINE)


def test_the_lines_for_own_data_read_files_of_these_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    h5py = pytest.importorskip("h5py")
    recording = calgan.Recording(np.random.default_rng(0).normal(size=(300, 3)), 10.0)
    calgan.write_recording(recording, tmp_path / "suite2p")
    calgan.write_recording(recording, tmp_path / "session.nwb")
    with h5py.File(tmp_path / "results.hdf5", "w") as file:
        file["estimates/F_dff"] = recording.traces.T
        file["estimates/b"] = np.ones((4, 1))
        file["params/data/fr"] = recording.frame_rate
    monkeypatch.chdir(tmp_path)
    lines = [line for line in example("Your own data").splitlines() if line.startswith("recording")]
    assert len(lines) == 3
    for line in lines:
        names: dict[str, Any] = {"read_recording": calgan.read_recording}
        exec(line, names)
        assert names["recording"] == recording


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::calgan.FitWarning")  # three rounds are few
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = example("In seven lines")
    assert len([line for line in code.splitlines() if line.strip()]) == 7, "as many as it promises"
    brief = functools.partial(calgan.make_calcium_pipeline, max_iter=3)
    monkeypatch.setattr(calgan, "make_calcium_pipeline", brief)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["synthetic"].shape == (100, 64, 143)
    assert "<html" in Path("report.html").read_text()


def test_the_citation_names_the_version_and_both_publications() -> None:
    text = (ROOT / "CITATION.cff").read_text()
    assert f"version: {calgan.__version__}\n" in text
    assert re.findall(r"^  - type: (\w+)$", text, re.MULTILINE) == ["thesis", "article"]
