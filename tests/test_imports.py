"""Imports go downwards only, public modules load nothing heavy, and dependencies are declared."""

from __future__ import annotations

import ast
import importlib.metadata
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import calgan

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "calgan"

# Folders from the bottom up, as in docs/architecture.rst: each imports those before it only.
ORDER = [
    "data",
    "io",
    "training",
    "spikes",
    "metrics",
    "cells",
    "generators",
    "datasets",
    "model_selection",
    "plotting",
    "evaluation",
    "pipeline",
    "cli",
    "__main__",
]
HEIGHT = {name: height for height, name in enumerate(ORDER)}
# Families of generators know nothing of each other.
FAMILIES = {"factor_model", "gan", "flow", "dichotomized_gaussian"}
MAY_IMPORT_TORCH = (
    "training/",
    "spikes/network",
    "cells/",
    "generators/trained.py",
    "generators/gan/",
    "generators/flow/",
)
TORCH = {"torch", "lightning_fabric"}
PUBLIC = ["cells", "datasets", "evaluation", "io", "metrics", "model_selection"]
# What a user may import without loading torch, matplotlib or elephant.
LIGHT = [
    "calgan",
    *(f"calgan.{name}" for name in PUBLIC),
    "calgan.generators.dichotomized_gaussian.estimator",
    "calgan.generators.factor_model.estimator",
    "calgan.generators.gan.variants",
    "calgan.io.model_files.saving",
    "calgan.pipeline",
]
MOST_LINES = 600
MOST_FOLDERS, MOST_FILES = 12, 4

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    """Return the name that a file goes by in LAYERS ('' for calgan itself)."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each dotted name that a file imports, and whether the file does so when loaded."""
    tree = ast.parse(path.read_text())
    deferred = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            # `from calgan import recording` imports calgan.data.recording.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, node not in deferred


def test_every_folder_has_its_place_in_the_order() -> None:
    assert {module_of(path) for path in FILES} - {""} == set(ORDER)
    inside = {path for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert sum(path.is_dir() for path in inside) <= MOST_FOLDERS
    assert sum(path.suffix == ".py" for path in inside) <= MOST_FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path: Path) -> None:
    module = module_of(path)
    for name, _ in imports_of(path):
        imported = name.split(".")[1] if name.startswith("calgan.") else ""
        if imported not in HEIGHT or imported == module:
            continue  # a name of calgan/__init__ itself, or a neighbour in the same folder
        assert module, f"calgan/__init__ resolves its names lazily and must not import {name}"
        assert HEIGHT[imported] < HEIGHT[module], f"{module} imports {imported} from above"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_families_of_generators_do_not_import_each_other(path: Path) -> None:
    parts = path.relative_to(PACKAGE).parts
    family = parts[1] if parts[0] == "generators" and len(parts) > 2 else ""
    for name, _ in imports_of(path):
        found = re.match(r"calgan\.generators\.(\w+)", name)
        if family != "" or (parts[0] == "generators" and found):
            assert found is None or found[1] not in FAMILIES - {family}, f"{path} imports {name}"


def test_files_do_not_import_in_circles() -> None:
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES}
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    edges = {
        name: {
            next((m for m in (found, found.rpartition(".")[0]) if m in files), "")
            for found, _ in imports_of(path)
        }
        - {"", name, "calgan"}
        for name, path in files.items()
    }
    while leaves := {name for name, imported in edges.items() if not imported}:
        edges = {n: imported - leaves for n, imported in edges.items() if n not in leaves}
    assert not edges, f"these import one another: {edges}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_can_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_torch_stays_where_it_belongs(path: Path) -> None:
    uses = {name for name, _ in imports_of(path) if name.split(".")[0] in TORCH}
    assert not uses or str(path.relative_to(PACKAGE)).startswith(MAY_IMPORT_TORCH)


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    heavy = ["torch", "lightning_fabric", "matplotlib.pyplot", "elephant", "neo", "oasis"]
    code = (
        f"import sys, {module}\n"
        f"loaded = [name for name in {heavy} if name in sys.modules]\n"
        f"assert not loaded, loaded"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_the_default_fits_samples_and_is_saved_without_torch(tmp_path: Path) -> None:
    code = f"""
import sys
from calgan import load, make_calcium_pipeline
from calgan.datasets import make_recording

recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
model = make_calcium_pipeline(window=32, random_state=0, max_iter=1, verbose=0).fit(recording)
model.save({str(tmp_path / "model.calgan")!r})
loaded = load({str(tmp_path / "model.calgan")!r})
assert (loaded.sample(2) == model.sample(2)).all()
assert not {{"torch", "lightning_fabric"}} & set(sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_public_names_resolve() -> None:
    for name in calgan.__all__:
        assert getattr(calgan, name) is not None
    assert set(calgan.__all__) <= set(dir(calgan))
    with pytest.raises(AttributeError, match="module 'calgan' has no attribute 'nonsense'"):
        calgan.nonsense  # noqa: B018


def test_every_module_imports() -> None:
    for found in pkgutil.walk_packages(calgan.__path__, "calgan."):
        __import__(found.name)


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        re.match(r"[\w-]+", line)[0].lower().replace("_", "-") for line in project["dependencies"]
    }
    owners = importlib.metadata.packages_distributions()
    imported = {name.split(".")[0] for path in FILES for name, _ in imports_of(path)}
    third_party = imported - set(sys.stdlib_module_names) - {"calgan"}
    used = {owners[name][0].lower().replace("_", "-") for name in third_party}
    # Libraries of files are looked for only where a user reads or asks for such a thing.
    extras = project["optional-dependencies"]
    optional = {re.match(r"[\w-]+", line)[0] for line in extras["io"] + extras["movies"]}
    assert used - declared <= optional, "imported, but not in pyproject.toml"
    # elephant's statistics are the tests' oracle and users' next tool; see docs/architecture.
    assert declared - used <= {"elephant"}, "declared, but imported nowhere"
