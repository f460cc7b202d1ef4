"""One row of an evaluation, and how its numbers are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NOT_AVAILABLE = "not available (pass train=)"

CONTROLS = {"replay": "replay", "shuffled": "shuffled", "dichotomized_gaussian": "DG"}
"""Controls, in the order of the table, and the heads of their columns."""


@dataclass(frozen=True)
class Statistic:
    """One statistic of synthetic windows against held-out windows, beside its yardsticks.

    Attributes
    ----------
    name : str
        Key, such as ``"correlation_kl"``.
    label : str
        Name in the table.
    group : {"published", "population", "trace", "window"}
        Part of the table.
    value : float
        Held-out against synthetic windows.
    value_interval : tuple of float or None
        95 % bootstrap interval of `value`.
    baseline : float or None
        Held-out against training windows: what another segment of the real recording scores.
        None without a training recording.
    baseline_interval : tuple of float or None
        95 % bootstrap interval of `baseline`.
    ratio : float or None
        `value` over `baseline`; for a statistic of which higher is better, ``1 - value`` over
        ``1 - baseline``. So 1 is as close as real data gets, and more is farther away. None for a
        statistic that is judged by its difference.
    ratio_interval : tuple of float or None
        95 % bootstrap interval of `ratio`.
    controls : dict
        The same statistic of held-out windows against replayed training windows
        (``"replay"``, None without a training recording), against windows whose neurons were
        shuffled (``"shuffled"``) and against windows of a dichotomized Gaussian
        (``"dichotomized_gaussian"``, None where it could not be fitted). One that `evaluate` was
        told to leave out is not in it.
    trained_on : bool
        Whether the model's objective holds this statistic, or one that determines it.
    better : {"lower", "higher"}
        Which way is closer to the real recording.
    unit : str
        Unit of the value; empty for a pure number.
    judged_by : {"ratio", "difference"}
        Whether the value is compared with the baseline by their ratio or, where the baseline may
        be next to nothing, by their difference.
    difference_interval : tuple of float or None
        95 % bootstrap interval of `difference`, of statistics that are judged by it.

    Examples
    --------
    >>> from calgan.evaluation import Statistic
    >>> row = Statistic(
    ...     "firing_rate_kl", "firing rate KL", "published", 0.5, None, 0.25, None, 2.0, None,
    ...     {"replay": 0.25, "shuffled": 0.25},
    ... )
    >>> row.difference
    0.25
    """

    name: str
    label: str
    group: str
    value: float
    value_interval: tuple[float, float] | None
    baseline: float | None
    baseline_interval: tuple[float, float] | None
    ratio: float | None
    ratio_interval: tuple[float, float] | None
    controls: dict[str, float | None]
    trained_on: bool = False
    better: str = "lower"
    unit: str = ""
    judged_by: str = "ratio"
    difference_interval: tuple[float, float] | None = None

    @property
    def difference(self) -> float | None:
        """`value` minus `baseline`: what the estimator adds to both is gone from it."""
        return None if self.baseline is None else self.value - self.baseline

    def excess(self, value: float) -> float:
        """Return how far `value` is from a perfect match: 1 - r where higher is better."""
        return 1.0 - value if self.better == "higher" else value

    def to_dict(self) -> dict[str, Any]:
        """Return the statistic as plain Python values."""
        return {
            "name": self.name,
            "label": self.label,
            "group": self.group,
            "value": plain(self.value),
            "value_interval": plain(self.value_interval),
            "baseline": plain(self.baseline),
            "baseline_interval": plain(self.baseline_interval),
            "difference": plain(self.difference),
            "difference_interval": plain(self.difference_interval),
            "ratio": plain(self.ratio),
            "ratio_interval": plain(self.ratio_interval),
            "controls": plain(self.controls),
            "trained_on": self.trained_on,
            "better": self.better,
            "unit": self.unit,
            "judged_by": self.judged_by,
        }


def show(value: float | None, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, or a dash for None."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else "infinite"
    value = float(f"{value:.{digits - 1}e}")  # rounded first: 0.997 has its digits as 1.0
    if abs(value) < 1e-6:
        return f"{0.0:.{digits}f}"
    if abs(value) >= 1e5 or abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def show_control(value: float | None) -> str:
    """Return a control's number, or "n/a" where there is none."""
    return "n/a" if value is None else show(value)


def show_ratio(value: float | None) -> str:
    """Return a ratio with two significant digits."""
    return show(value, 2)


def show_judged(statistic: Statistic) -> str:
    """Return the ratio, or a signed difference where that is what the statistic is judged by."""
    if statistic.judged_by != "difference" or statistic.difference is None:
        return show_ratio(statistic.ratio)
    text = show(statistic.difference, 2)
    return text if text.startswith("-") or not text[0].isdigit() else f"+{text}"


def judged_interval(statistic: Statistic) -> tuple[float, float] | None:
    """Return the interval of what the statistic is judged by."""
    if statistic.judged_by == "difference":
        return statistic.difference_interval
    return statistic.ratio_interval


def show_interval(interval: Sequence[float] | None, digits: int = 2) -> str:
    """Return an interval in brackets, or a dash for None."""
    if interval is None:
        return "-"
    return f"[{show(interval[0], digits)}, {show(interval[1], digits)}]"


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
