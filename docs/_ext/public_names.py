"""The role behind single backticks: a public name links to its page, anything else is code.

Docstrings name parameters, shapes and public names alike in single backticks. Only a name that
is in the reference, in full (``calgan.evaluate``) or by its last part if it is a class's or holds
an underscore, becomes a link; ``sample`` may as well be a parameter.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref

import calgan


def reference_names(rst: str) -> list[str]:
    """Return the full names that a page of the reference lists, in tables or by hand."""
    names, module, in_table = [], "", False
    for line in rst.splitlines():
        words = line.split()
        if line.startswith(".. currentmodule:: "):
            module = words[2]
        elif line.startswith(".. py:data:: "):
            names.append(words[2])
        elif line.startswith(".. autosummary::"):
            in_table = True
        elif in_table and line.strip():
            if not line.startswith("   "):
                in_table = False
            elif not words[0].startswith(":"):
                names.append(f"{module}.{words[0]}")
    return names


def public_objects() -> dict[str, Any]:
    """Return every public object by its full names: calgan's own and those of its modules."""
    found = {f"calgan.{name}": getattr(calgan, name) for name in calgan.__all__}
    for info in pkgutil.walk_packages(calgan.__path__, "calgan."):
        if any(part.startswith("_") for part in info.name.split(".")):
            continue
        module = importlib.import_module(info.name)
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", "") == info.name
        ]
        found.update({f"{info.name}.{name}": getattr(module, name) for name in names})
    return {
        name: value
        for name, value in found.items()
        if not inspect.ismodule(value) and name != "calgan.__version__"
    }


def _collect(app: Any) -> None:
    """Map what may stand between backticks to the name under which the reference has it."""
    pages = sorted((app.srcdir / "api").glob("*.rst"))
    listed = [name for page in pages for name in reference_names(page.read_text())]
    objects = public_objects()
    by_object = {id(objects[name]): name for name in listed if name in objects}
    links = {name: name for name in listed}
    for name, value in objects.items():
        if id(value) in by_object:
            links.setdefault(name, by_object[id(value)])
    app.reference_links = {name.rpartition(".")[2]: name for name in listed} | links
    for name in listed:
        short = name.rpartition(".")[2]
        if short[0].isupper() or "_" in short:
            links.setdefault(short, name)
    app.public_links = links


def _role(app: Any):
    def role(name: str, rawtext: str, text: str, lineno: int, inliner: Any, *args: Any, **kw: Any):
        target = app.public_links.get(text)
        code = nodes.literal(rawtext, text, classes=["xref", "py"] if target else [])
        if target is None:
            return [code], []
        env = inliner.document.settings.env
        node = pending_xref(
            rawtext,
            code,
            refdomain="py",
            reftype="obj",
            reftarget=target,
            refexplicit=True,
            refdoc=env.docname,
            refwarn=True,
        )
        return [node], []

    return role


def _resolve(app: Any, env: Any, node: pending_xref, contnode: Any) -> Any:
    """Find a public name from wherever a docstring refers to it, as in "See Also"."""
    target = app.reference_links.get(node["reftarget"])
    if node["refdomain"] != "py" or target is None:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)


def _skip(app: Any, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what scikit-learn and torch document themselves."""
    owner = getattr(member, "__module__", None) or ""
    return True if owner.split(".")[0] in ("sklearn", "torch") else None


def setup(app: Any) -> dict[str, bool]:
    """Register the role and collect the names before pages are read."""
    app.connect("autodoc-skip-member", _skip)
    app.connect("missing-reference", _resolve)
    app.connect("builder-inited", _collect)
    app.add_role("public", _role(app))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
