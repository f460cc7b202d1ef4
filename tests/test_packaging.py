"""The wheel installs and works in an empty environment."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: object, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",  # not the checkout, whose calgan would be imported instead
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_wheel_installs_and_imports_in_an_empty_environment(tmp_path: Path) -> None:
    # An sdist, and from it the wheel: what is missing from the one is missing from the other.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "empty", with_pip=False)
    python = tmp_path / "empty" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "-q", wheel)

    # With nothing beside it, as its names are resolved on first use ...
    shown = run(python, "-c", "import calgan; print(calgan.__file__, calgan.__version__)")
    assert shown.startswith(str(tmp_path))
    # ... and with its dependencies, lent by this environment to save their download.
    code = f"""
import calgan
for name in calgan.__all__:
    getattr(calgan, name)
recording = calgan.datasets.load_zebrafish_tectum()
assert recording.shape == (1950, 143), recording.shape
model = calgan.make_calcium_pipeline(window=64)
assert calgan.__file__.startswith({str(tmp_path)!r}), calgan.__file__
"""
    lent = sysconfig.get_path("purelib")
    run(python, "-c", code, PYTHONPATH=lent)

    files = run(python, "-c", "import importlib.metadata as m; print(*m.files('calgan'))")
    for needed in ("calgan/py.typed", "LICENSE.CILVA.txt", "licenses/LICENSE", "report.html"):
        assert needed in files, needed
    assert "tests/" not in files
