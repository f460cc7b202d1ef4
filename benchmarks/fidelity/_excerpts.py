"""The rows as tables of the documentation, which includes them as they are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import numpy as np

from benchmarks.fidelity._reading import (
    PUBLISHED,
    RATIOS,
    TRUTH_HEADS,
    Numbers,
    Rows,
    interval,
    label_of,
    latest,
    mean_of,
    of_baseline,
    of_control,
    of_recipe,
    order_of,
    pooled_ratio,
    values_of,
)
from benchmarks.fidelity._recipes import RECIPES
from benchmarks.fidelity._recordings import REAL, TRUTHS
from benchmarks.fidelity._rows import CONTROLS
from benchmarks.fidelity._truth import STATISTICS
from benchmarks.thesis_table import spread

RIVALRY = ("s1-0588", "zebrafish-f3")
"""Real recordings on which all recipes are compared; the others check the default alone."""

_HEAD = (
    "rates",
    "correlations",
    "van Rossum",
    "counts",
    "spectrum",
    "matrix r",
    "AUC",
    "AUC by shape",
    "memor.",
)
_VALUES = ("correlation_matrix_r", "classifier_auc", "shape_classifier_auc")


def _spread(values: list[float]) -> str:
    """Write the mean of values and their range, where it is one."""
    return spread(values, ".2f") if len(values) > 1 else mean_of(values)


def _statistics(numbers: Numbers) -> list[str]:
    """Return the cells of a generator or control on a real recording, but for memorisation."""
    cells = [_spread(numbers(name)) for name in PUBLISHED]
    return cells + [mean_of(numbers(name)) for name in (*RATIOS[3:], *_VALUES)]


def _judged(mine: Rows) -> list[str]:
    """Return the cells of a generator on a real recording."""
    return [*_statistics(of_recipe(mine)), mean_of(values_of(mine, "memorisation", "value"))]


def _control(controls: Rows, key: str) -> list[str]:
    """Return the cells of a control: ``"replay"`` or ``"shuffled"``."""
    replay = values_of(controls, "memorisation", "replay") if key == "replay" else []
    return [*_statistics(of_control(controls, key)), mean_of(replay) if replay else ""]


def _baseline(judged: Rows) -> list[str]:
    """Return the cells of the baseline: 1, and its interval, over the baseline."""
    cells = []
    for name in RATIOS:
        text = "1"
        ends = [
            np.asarray(row["statistics"][name]["baseline_interval"])
            / row["statistics"][name]["baseline"]
            for row in judged
            if row["statistics"][name].get("baseline_interval")
            and row["statistics"][name]["baseline"]
        ]
        if ends and name in PUBLISHED:
            low, high = np.mean(ends, axis=0)
            text += f" [{low:.2f}, {high:.2f}]"
        cells.append(text)
    cells += [mean_of(of_baseline(judged)(name)) for name in _VALUES]
    return [*cells, mean_of(values_of(judged, "memorisation", "second_held_out"))]


def _n_seeds(rows: Rows) -> str:
    return str(len({row["seed"] for row in rows}))


def _text(lines: Iterable[Iterable[str]]) -> str:
    """Write cells as text; brackets are never broken, whatever the width of a column."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(lines)
    return file.getvalue().replace(", ", ",\N{NO-BREAK SPACE}")


def _by_budget(rows: Rows, name: str, judged: str) -> list[Rows]:
    """Return the rows of a recipe that were judged, those of each budget by themselves."""
    mine = [row for row in rows if row["recipe"] == name and judged in row]
    budgets = sorted({row["budget"] for row in mine})
    return [[row for row in mine if row["budget"] == budget] for budget in budgets]


def _minutes(rows: Rows) -> str:
    """Write the CPU minutes that a training took; nothing where there was none."""
    taken = values_of(rows, "cpu_seconds")
    minutes = np.mean(taken) / 60 if taken else np.nan
    return "" if np.isnan(minutes) else f"{minutes:.1f}" if minutes < 10 else f"{minutes:.0f}"


def _rivals(rows: Rows) -> str:
    """Compare all recipes on a recording: a line a recipe and budget."""
    lines: list[list[str]] = [["", "CPU min", "seeds", *_HEAD]]
    for name in order_of(rows):
        for mine in _by_budget(rows, name, "statistics"):
            lines.append([label_of(name), _minutes(mine), _n_seeds(mine), *_judged(mine)])
    controls = [row for row in rows if row["recipe"] == CONTROLS]
    if controls:
        for label, key in (("replay of training", "replay"), ("neurons shuffled", "shuffled")):
            lines.append([label, "", _n_seeds(controls), *_control(controls, key)])
    drawn = [row for row in controls if "independent" in row]
    if drawn:
        areas = [mean_of(values_of(drawn, "independent", name)) for name in _VALUES[1:]]
        blank = [""] * (len(_HEAD) - len(areas) - 1)
        lines.append(["independent, its features", "", _n_seeds(drawn), *blank, *areas, ""])
    judged = controls or [row for row in rows if "statistics" in row]
    lines.append(["train-test baseline", "", _n_seeds(judged), *_baseline(judged)])
    return _text(lines)


def _aside(rows: Rows) -> str:
    """Judge the default on the other recordings: two lines a recording."""
    default = next(iter(RECIPES))
    lines: list[list[str]] = [["", "CPU min", "seeds", *_HEAD]]
    for name, source in REAL.items():
        if name in RIVALRY:
            continue
        here = [row for row in rows if row["recording"] == name]
        label = source.label if source.unseen else f"{source.label} (bundled)"
        for mine in _by_budget(here, default, "statistics"):
            lines.append([label, _minutes(mine), _n_seeds(mine), *_judged(mine)])
            lines.append(["\N{EM SPACE}train-test baseline", "", "", *_baseline(mine)])
    return _text(lines)


def _truth(rows: Rows) -> str:
    """Judge recipes and controls by the truth of a process: a line each."""
    lines: list[list[str]] = [["", "CPU min", "seeds", *TRUTH_HEADS, "AUC", "memor."]]
    controls = [row for row in rows if row["recipe"] == CONTROLS]
    sides = [
        (label_of(name), mine)
        for name in order_of(rows)
        for mine in _by_budget(rows, name, "truth")
    ]
    for side, label in (
        ("training", "replay of training"),
        ("shuffled", "neurons shuffled"),
        ("fresh", "fresh windows"),
        ("levelled", "fresh, levels of training"),
    ):
        known = [row for row in controls if side in row["sides"]]
        sides.append((label, [row["sides"][side] | {"seed": row["seed"]} for row in known]))
    for label, mine in sides:
        if not mine:
            continue
        cells = [interval(values_of(mine, "truth", name, "ratio")) for name in STATISTICS]
        others = (("classifier", "value"), ("memorisation", "value"))
        cells += [mean_of(values_of(mine, *path)) for path in others]
        lines.append([label, _minutes(mine), _n_seeds(mine), *cells])
        if label in (recipe.label for recipe in RECIPES.values()):
            pooled = [f"{pooled_ratio(mine, name):.2f}" for name in STATISTICS]
            lines.append(["\N{EM SPACE}ratio of means", "", "", *pooled, "", ""])
    return _text(lines)


def excerpts(rows: Rows) -> dict[str, str]:
    """Return tables for the documentation, as comma-separated text by name.

    Parameters
    ----------
    rows : sequence of dict
        Rows of cells.

    Returns
    -------
    dict of str
        One for each recording of `RIVALRY`, each process of `TRUTHS`, and ``"aside"``; those
        without cells are left out.
    """
    rows = latest(rows)
    found = {}
    for name in (*RIVALRY, *TRUTHS):
        mine = [row for row in rows if row["recording"] == name]
        if any("statistics" in row or "truth" in row for row in mine):
            found[name] = _truth(mine) if name in TRUTHS else _rivals(mine)
    aside = _aside(rows)
    if aside.count("\n") > 1:  # more than its head
        found["aside"] = aside
    return found
