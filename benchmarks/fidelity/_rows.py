"""Which cells still lack a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

KEY = ("recipe", "recording", "seed", "budget")
CONTROLS = "controls"
"""The cell of what needs no model: baselines, replayed and shuffled windows, fresh windows."""

Cell = tuple[str, str, int, float]


def missing(
    wanted: Iterable[Cell], rows: Iterable[dict[str, Any]], fingerprint: str | None = None
) -> list[Cell]:
    """Return the cells that have no row.

    Parameters
    ----------
    wanted : iterable of tuple
        Keys of cells.
    rows : iterable of dict
        Rows that are there.
    fingerprint : str, default=None
        If given, only rows of this version of the code count.

    Returns
    -------
    list of tuple
    """
    done = {
        tuple(row[k] for k in KEY)
        for row in rows
        if fingerprint is None or row.get("code") == fingerprint
    }
    return [cell for cell in wanted if cell not in done]
