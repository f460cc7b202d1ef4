"""Numbers as text, and as plain Python values."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

NAN = "n/a"
_LINE_WIDTH = 120


def wrap(text: str, head: str = "") -> list[str]:
    """Wrap a text into lines, the later ones indented below the end of its head."""
    indent = " " * len(head)
    return textwrap.wrap(text, _LINE_WIDTH, initial_indent=head, subsequent_indent=indent)


def show(value: float | None, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, or a dash for None."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return NAN if math.isnan(value) else "infinite"
    value = float(f"{value:.{digits - 1}e}")  # rounded first: 0.997 has its digits as 1.0
    if abs(value) < 1e-6:
        return f"{0.0:.{digits}f}"
    if abs(value) >= 1e5 or abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def show_interval(interval: Sequence[float] | None) -> str:
    """Return an interval in brackets with two significant digits, or nothing for None."""
    return "" if interval is None else f"[{show(interval[0], 2)}, {show(interval[1], 2)}]"


def plain(value: Any) -> Any:
    """Return numpy scalars, arrays, tuples and non-finite numbers as what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
