"""The reference lists every public name once, and its pages and the guide hang together."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import calgan
import calgan.generators

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = DOCS.parent / "examples"
# Names that stand in another module too: calgan.metrics offers the scorers of calgan.metrics.
MODULES = ["calgan"] + [
    f"calgan.{found.name}"
    for found in pkgutil.iter_modules(calgan.__path__)
    if not found.name.startswith("_")
]
MODULES += [
    found.name
    for found in pkgutil.walk_packages(calgan.generators.__path__, "calgan.generators.")
    if "._" not in found.name
]


def public_objects(module_name: str) -> dict[str, Any]:
    """Return the public names of a module: what it lists, or else what it defines."""
    module = importlib.import_module(module_name)
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module_name
    ]
    values = {name: getattr(module, name) for name in names if not name.startswith("__")}
    return {name: value for name, value in values.items() if not inspect.ismodule(value)}


def listed_in(text: str) -> list[str]:
    """Return the full names that a page's tables and hand-written entries hold."""
    names = re.findall(r"^\.\. py:data:: (\S+)$", text, flags=re.MULTILINE)
    module = ""
    for part in re.split(r"^(?=\.\. (?:currentmodule|autosummary)::)", text, flags=re.MULTILINE):
        if part.startswith(".. currentmodule:: "):
            module = part.split()[2]
        elif part.startswith(".. autosummary::"):
            table = re.match(r".*\n(?:(?: {3}.*)?\n|\Z)*", part)
            assert table is not None
            names += [f"{module}.{word}" for word in re.findall(r"^ {3}(\w+)$", table[0], re.M)]
    return names


def listed() -> list[str]:
    return [
        name
        for page in sorted((DOCS / "api").glob("*.rst"))
        for name in listed_in(page.read_text())
    ]


def resolve(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_the_reference(module: str) -> None:
    pages = {id(resolve(name)) for name in listed()}
    missing = [name for name, value in public_objects(module).items() if id(value) not in pages]
    assert not missing, f"add them to a table in docs/api: {module}.{missing}"


def test_the_reference_lists_nothing_else_and_nothing_twice() -> None:
    names = listed()
    public = {id(value) for module in MODULES for value in public_objects(module).values()}
    assert [name for name in names if id(resolve(name)) not in public] == []
    assert [key for key, count in Counter(id(resolve(n)) for n in names).items() if count > 1] == []


def test_tables_are_read_as_sphinx_reads_them() -> None:
    page = (
        "Title\n=====\n\n.. currentmodule:: a.b\n\n.. autosummary::\n   :toctree: ../generated\n\n"
        "   first\n   second\n\nText.\n\n   quoted\n\n.. py:data:: a.b.third\n\n   described\n"
    )
    assert sorted(listed_in(page)) == ["a.b.first", "a.b.second", "a.b.third"]


def test_every_gallery_example_of_a_chapter_exists() -> None:
    for page in DOCS.glob("*.rst"):
        for example in re.findall(r"sphx_glr_auto_examples_(\w+)\.py", page.read_text()):
            assert (EXAMPLES / f"{example}.py").exists(), f"{page.name} refers to {example}"


def test_every_command_that_the_chapters_quote_exists() -> None:
    for page in DOCS.glob("*.rst"):
        for script in re.findall(r"``python\s+((?:benchmarks|examples)/\w+\.py)", page.read_text()):
            assert (DOCS.parent / script).exists(), f"{page.name} quotes {script}"
        for file in re.findall(r"``((?:tests|benchmarks)/[\w/.]+\.(?:py|txt))", page.read_text()):
            assert (DOCS.parent / file).exists(), f"{page.name} names {file}"


def test_the_landing_page_has_the_example_of_the_readme_which_is_tested() -> None:
    block = re.compile(r"\.\. code-block:: python\n\n((?: {4}.*\n|\n)+)")
    pages = [(DOCS / "index.rst").read_text(), (DOCS.parent / "README.rst").read_text()]
    shown, tested = (block.search(page) for page in pages)
    assert shown is not None
    assert tested is not None
    assert shown[1].strip() == tested[1].strip()


def test_the_gallery_finds_figures_that_pyplot_does_not_know(tmp_path: Path) -> None:
    pytest.importorskip("sphinx_gallery")
    spec = importlib.util.spec_from_file_location("figures", DOCS / "_ext" / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    figures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figures)

    class Display:
        figure_ = Figure()

    axes = Figure().subplots()
    left = {
        "figure": Figure(),
        "axes": axes,
        "its figure": axes.figure,
        "display": Display(),
        "n": 1,
    }
    names = [tmp_path / f"{i}.png" for i in range(9)]
    block = {"example_globals": left, "image_path_iterator": map(str, names)}
    conf = {"src_dir": str(tmp_path)}
    figures.scrape(None, block, conf)
    assert [path.exists() for path in names[:4]] == [True, True, True, False]
    left["later"] = [Figure()]  # another block's: those shown before are not shown again
    figures.scrape(None, block, conf)
    assert [path.exists() for path in names[3:5]] == [True, False]
