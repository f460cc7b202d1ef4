"""What the table, the excerpts and the figure read from rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.fidelity._recipes import RECIPES
from benchmarks.fidelity._rows import CONTROLS, KEY

PUBLISHED = ("firing_rate_kl", "correlation_kl", "van_rossum_kl")
TRUTH_HEADS = ("rates", "correlation", "van Rossum", "spectrum", "pop. count")

RATIOS = (*PUBLISHED, "population_count_kl", "log_spectrum_error")
"""Statistics of real recordings that are given over their baseline; others are as they are."""

Rows = Sequence[dict[str, Any]]
Numbers = Callable[[str], list[float]]
"""From the name of a statistic to its numbers, one a seed."""


def latest(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a cell, the last that was written.

    Parameters
    ----------
    rows : iterable of dict
        All rows, in the order in which they were written.

    Returns
    -------
    list of dict
    """
    return list({tuple(row[k] for k in KEY): row for row in rows}.values())


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of values and its 95 % interval by Student's t.

    Parameters
    ----------
    values : sequence of float
        One value a seed.

    Returns
    -------
    mean, low, high : float
        The interval of a single value is undefined: NaN.
    """
    array = np.asarray(values, dtype=float)
    mean = float(array.mean())
    if len(array) < 2:
        return mean, float("nan"), float("nan")
    half = student.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return mean, mean - float(half), mean + float(half)


def interval(values: Sequence[float], form: str = ".2f") -> str:
    """Write the mean of values, one a seed, and its 95 % interval."""
    if not len(values):
        return "-"
    mean, low, high = mean_interval(values)
    text = f"{mean:{form}}"
    return text if np.isnan(low) else f"{text} [{low:{form}}, {high:{form}}]"


def values_of(rows: Rows, *path: str) -> list[float]:
    """Follow keys into every row and return the numbers that are there."""
    found = []
    for row in rows:
        value: Any = row
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            found.append(float(value))
    return found


def mean_of(values: Sequence[float], form: str = ".2f") -> str:
    """Write the mean of values; a dash where there are none."""
    return f"{np.mean(values):{form}}" if len(values) else "-"


def of_recipe(rows: Rows) -> Numbers:
    """Return how to read statistics of samples: ratios to the baseline, or values."""

    def numbers(name: str) -> list[float]:
        return values_of(rows, "statistics", name, "ratio" if name in RATIOS else "value")

    return numbers


def of_control(rows: Rows, key: str) -> Numbers:
    """Return how to read statistics of a control: ``"replay"`` or ``"shuffled"``."""

    def numbers(name: str) -> list[float]:
        values = values_of(rows, "statistics", name, key)
        if name not in RATIOS:
            return values
        baselines = values_of(rows, "statistics", name, "baseline")
        return [v / baseline for v, baseline in zip(values, baselines, strict=True) if baseline > 0]

    return numbers


def of_baseline(rows: Rows) -> Numbers:
    """Return how to read the baselines themselves."""
    return lambda name: values_of(rows, "statistics", name, "baseline")


def pooled_ratio(rows: Rows, name: str) -> float:
    """Return the ratio of mean distances to the truth, mean over seeds.

    A recording that is near its truth by luck weighs less in it than in the mean of ratios.
    """
    distances, ratios = (
        np.array(values_of(rows, "truth", name, key), dtype=float) for key in ("distance", "ratio")
    )
    return float(distances.sum() / (distances / ratios).sum())


def label_of(name: str) -> str:
    """Return what a reader calls a recipe."""
    return RECIPES[name].label if name in RECIPES else name


def order_of(rows: Rows) -> list[str]:
    """Return the recipes of rows in the order of `RECIPES`, without controls."""
    present = {row["recipe"] for row in rows}
    return [name for name in RECIPES if name in present] + sorted(
        present - set(RECIPES) - {CONTROLS}
    )
