"""Choices of the reader that formats share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ReadOptions:
    """Choices of `read_recording`, checked; None leaves the choice to the format."""

    name: str  # of the file or object, for messages
    format: str
    frame_rate: float | None = None  # Hz
    variable: str | None = None  # array in the file
    neurons: Any = None  # numbers, or a boolean mask
    cells: str = "accepted"  # or "all"
    dff: bool = True  # dF/F, where the file has raw fluorescence
