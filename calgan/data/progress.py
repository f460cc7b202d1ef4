"""One progress bar for every phase of long work."""

from __future__ import annotations

import numbers
from typing import Any

from tqdm.auto import tqdm

from calgan.data.validation import shown


def progress(
    verbose: int | None, description: str, total: int | None = None, **options: Any
) -> tqdm[Any]:
    """Return a bar, for ``with``: None shows it on a terminal only; no total shows the time."""
    if verbose is not None and not isinstance(verbose, numbers.Real):
        raise TypeError(f"verbose must be None, 0 or 1, got {shown(verbose)}.")
    hidden = None if verbose is None else verbose < 1
    if total is None:
        options["bar_format"] = "{desc} [{elapsed}]"
    return tqdm(total=total, desc=description, disable=hidden, **options)
