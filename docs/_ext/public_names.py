"""The role behind single backticks: a public name links to its page, anything else is code.

Docstrings name parameters, shapes and public names alike in single backticks. Only a name that
is in the reference, in full (``calgan.evaluate``) or by its last part if it is a class's or holds
an underscore, becomes a link; ``sample`` may as well be a parameter.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref


def reference_names(rst: str) -> list[str]:
    """Return the full names that the tables of the reference list."""
    names, module, in_table = [], "", False
    for line in rst.splitlines():
        words = line.split()
        if line.startswith(".. currentmodule:: "):
            module = words[2]
        elif line.startswith(".. autosummary::"):
            in_table = True
        elif in_table and words and not line.startswith("   "):
            in_table = False
        elif in_table and words and not words[0].startswith(":"):
            names.append(f"{module}.{words[0]}")
    return names


def _collect(app: Any) -> None:
    """Map the last part of each name of the reference to the whole."""
    names = reference_names((app.srcdir / "api.rst").read_text())
    app.reference_links = {name.rpartition(".")[2]: name for name in names}


def _target(app: Any, text: str) -> str | None:
    """Return the public name that a text between backticks means, if it is one."""
    module, _, last = text.rpartition(".")
    if module.startswith("calgan") or (not module and (last[:1].isupper() or "_" in last)):
        return app.reference_links.get(last)
    return None


def _role(app: Any):
    def role(name: str, rawtext: str, text: str, lineno: int, inliner: Any, *args: Any, **kw: Any):
        target = _target(app, text)
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
    target = app.reference_links.get(node["reftarget"].rpartition(".")[2])
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
