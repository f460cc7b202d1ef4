"""The reference lists every public name once, and the pages of the guide hang together."""

from __future__ import annotations

import importlib.util
import re
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from public_face import public_objects

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [page for page in sorted(DOCS.glob("*.rst")) if page.stem != "sg_execution_times"]
PLAIN = [ROOT / name for name in ("README.rst", "CHANGELOG.rst", "CONTRIBUTING.rst")]
MOST_NAMES = 112
MOST_WORDS = 14_400  # a budget: a page that grows takes words from another
WIDEST_CODE = 88


def extension(name: str) -> ModuleType:
    """Load one of Sphinx's extensions in docs/_ext."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference_names(rst: str) -> list[str]:
    pytest.importorskip("sphinx")
    return extension("public_names").reference_names(rst)


def test_the_public_face_is_small() -> None:
    assert len(public_objects()) <= MOST_NAMES


def test_the_reference_lists_every_public_name_once_and_nothing_else() -> None:
    assert sorted(reference_names((DOCS / "api.rst").read_text())) == sorted(public_objects())


def test_the_tables_of_the_reference_are_read_as_sphinx_reads_them() -> None:
    page = (
        "Title\n=====\n\n.. currentmodule:: a.b\n\n.. autosummary::\n   :toctree: generated\n\n"
        "   first\n   second\n\nText.\n\n   quoted\n"
    )
    assert reference_names(page) == ["a.b.first", "a.b.second"]


def test_every_page_is_in_a_table_of_contents() -> None:
    listed = {
        word
        for page in ("index", "user_guide")
        for word in re.findall(r"^   (\w+)$", (DOCS / f"{page}.rst").read_text(), re.MULTILINE)
    }
    assert {page.stem for page in PAGES} - {"index"} <= listed


def test_the_documentation_stays_short() -> None:
    assert sum(len(page.read_text().split()) for page in [*PAGES, *PLAIN]) <= MOST_WORDS
    assert len((ROOT / "README.rst").read_text().splitlines()) <= 120


@pytest.mark.parametrize("page", [*PAGES, *PLAIN], ids=lambda page: page.name)
def test_code_fits_the_page(page: Path) -> None:
    text = page.read_text()
    blocks = re.findall(r"^(?:\.\. code-block::.*|.*::)\n\n((?: +.*\n|\n)+)", text, re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"^>>> .*|^\.\.\. .*", text, re.MULTILINE)
    assert [line for line in lines if len(line) > WIDEST_CODE] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_that_is_not_executed_compiles_and_imports_what_exists(page: Path) -> None:
    for block in re.findall(r"code-block:: python\n\n((?: {4}.*\n|\n)+)", page.read_text()):
        code = textwrap.dedent(block)
        compile(code, page.name, "exec")
        for line in re.findall(r"^from calgan.*", code, re.MULTILINE):
            exec(line, {})


def test_every_example_and_figure_of_a_page_exists() -> None:
    for page in PAGES:
        text = page.read_text()
        for example in re.findall(r"sphx_glr_auto_examples_(\w+)\.py", text):
            assert (ROOT / "examples" / f"{example}.py").exists(), f"{page.name}: {example}"
        for image in re.findall(r"\.\. (?:figure|image):: (\S+)", text):
            assert (DOCS / image).exists(), f"{page.name}: {image}"


def test_every_file_that_the_pages_name_exists() -> None:
    folders = "benchmarks|examples|tests|calgan|docs(?!/_build)"
    for page in [*PAGES, *PLAIN]:
        for words in re.findall(r"``([^`]+)``", page.read_text()):
            for file in re.findall(rf"\b(?:{folders})/[\w/.-]+\.\w+", words):
                assert (ROOT / file).exists(), f"{page.name} names {file}"


def test_the_files_of_the_architecture_exist() -> None:
    text = (DOCS / "architecture.rst").read_text()
    for file in re.findall(r"``((?:\w+/)+\w+\.py)``", text):
        assert (ROOT / "calgan" / file).exists() or (ROOT / file).exists(), file


def test_the_landing_page_has_the_examples_of_the_readme_which_are_tested() -> None:
    block = re.compile(r"\.\. code-block:: python\n\n((?: {4}.*\n|\n)+)")
    pages = [(DOCS / "index.rst").read_text(), (ROOT / "README.rst").read_text()]
    shown, tested = ([each.strip() for each in block.findall(page)] for page in pages)
    assert len(tested) == 2
    assert shown == tested


def test_the_gallery_finds_figures_that_pyplot_does_not_know(tmp_path: Path) -> None:
    pytest.importorskip("sphinx_gallery")
    figures = extension("figures")

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


def test_the_gallery_leaves_figures_of_pyplot_to_its_other_scraper(tmp_path: Path) -> None:
    pytest.importorskip("sphinx_gallery")
    figures = extension("figures")
    left = {"figure": pyplot.figure()}
    names = [tmp_path / f"{i}.png" for i in range(2)]
    block = {"example_globals": left, "image_path_iterator": map(str, names)}
    figures.scrape(None, block, {"src_dir": str(tmp_path)})
    pyplot.close(left["figure"])  # as the other one does; the variable lives on
    figures.scrape(None, block, {"src_dir": str(tmp_path)})
    assert not any(path.exists() for path in names)
