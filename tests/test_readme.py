"""The README's example runs as it stands there, and the software can be cited."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest

import calgan

ROOT = Path(__file__).parents[1]
README = ROOT / "README.rst"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::calgan.FitWarning")  # three rounds are few
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    title = "In seven lines\n--------------\n\n"
    block = re.search(
        rf"{title}\.\. code-block:: python\n\n((?: {{4}}.*\n|\n)+)", README.read_text()
    )
    assert block is not None
    code = re.sub(r"^ {4}", "", block[1], flags=re.MULTILINE)
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
