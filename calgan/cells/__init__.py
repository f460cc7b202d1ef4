"""Cells in movies: motion correction, detection, and traces of what was found.

Public names are resolved on first use, so that importing this module loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import Any

_LAZY = {
    "CellDetector": "calgan.cells.estimator",
    "CoordConv2d": "calgan.cells.coordconv",
    "LaplacianOfGaussianDetector": "calgan.cells.blobs",
    "MotionCorrector": "calgan.cells.motion",
    "coordconv_cells": "calgan.cells.coordconv",
}

__all__ = [*_LAZY]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'calgan.cells' has no attribute {name!r}")
    globals()[name] = value = getattr(importlib.import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
