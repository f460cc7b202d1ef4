"""Public names have numpydoc's sections and an example; private ones have a line or two."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from numpydoc.validate import validate
from public_face import public_objects

PACKAGE = Path(__file__).parents[1] / "calgan"
# numpydoc's codes: a docstring, its summary, parameters as in the signature, what is returned.
CODES = {"GL03", "GL08", "SS01", "SS02", "PR01", "PR02", "PR03", "PR04", "PR07", "RT01", "YD01"}
EXAMPLE = "EX01"  # the examples of methods may stand in their class
# What functions return and nobody builds: their attributes are documented instead.
RECORDS = {"calgan.Evaluation", "calgan.evaluation.Statistic"}


def public_methods(cls: type) -> Iterator[tuple[str, str]]:
    """Yield name and place of the methods that a public class has from calgan, inherited or not."""
    functions = inspect.getmembers(cls, inspect.isfunction)
    for name, function in functions + inspect.getmembers(cls, inspect.ismethod):  # of the class
        if not name.startswith("_") and function.__module__.startswith("calgan"):
            yield name, f"{function.__module__}.{function.__qualname__}"


def documented() -> Iterator[tuple[str, bool]]:
    """Yield the full name of each public class, function and method, and whether it is a method."""
    for name, value in public_objects().items():
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, False
        if inspect.isclass(value):
            for method, _ in public_methods(value):
                yield f"{name}.{method}", True


@pytest.mark.parametrize(("name", "is_method"), sorted(set(documented())))
def test_public_docstring(name: str, is_method: bool) -> None:
    wanted = CODES if is_method else CODES | {EXAMPLE}
    if name in RECORDS or name.rpartition(".")[0] in RECORDS:
        wanted = wanted - {"PR01", "RT01", EXAMPLE}
    result = validate(name)
    if "Yields\n" in result["docstring"]:
        wanted = wanted - {"RT01"}
    assert not [(code, text) for code, text in result["errors"] if code in wanted]


def places() -> set[str]:
    """Return where the public classes, functions and methods are defined."""
    found = set()
    for value in public_objects().values():
        if inspect.isclass(value):
            # Bases are read as part of their classes.
            found |= {f"{base.__module__}.{base.__qualname__}" for base in value.__mro__}
            found |= {place for _, place in public_methods(value)}
            constructors = inspect.getmembers(value, inspect.ismethod)
            found |= {f"{each.__module__}.{each.__qualname__}" for _, each in constructors}
        elif inspect.isfunction(value):
            found.add(f"{value.__module__}.{value.__qualname__}")
    return found


def docstrings(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Yield the full name and docstring of each class and function of a file."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            yield f"{name}.{child.name}", ast.get_docstring(child) or ""
            yield from docstrings(child, f"{name}.{child.name}")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_private_docstrings_have_no_sections(path: Path) -> None:
    module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    public = places()
    long = [
        name
        for name, text in docstrings(ast.parse(path.read_text()), module.removesuffix(".__init__"))
        if "\n---" in text and name not in public
    ]
    assert not long, "a line or two are enough for what is private"
