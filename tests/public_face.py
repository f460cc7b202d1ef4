"""The public names: what calgan and its seven public modules list in ``__all__``."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

MODULES = [
    "calgan",
    "calgan.cells",
    "calgan.datasets",
    "calgan.evaluation",
    "calgan.io",
    "calgan.metrics",
    "calgan.model_selection",
    "calgan.plotting",
]


def public_objects() -> dict[str, Any]:
    """Return each public object once, by its full name; the shortest one if it has several."""
    found: dict[int, tuple[str, Any]] = {}
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            value = getattr(module, name)
            if not inspect.ismodule(value) and not name.startswith("__"):
                found.setdefault(id(value), (f"{module_name}.{name}", value))
    return dict(found.values())
