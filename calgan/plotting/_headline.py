"""The headline chart: every statistic against its train-test baseline and controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.patches import Patch

from calgan.data.validation import shown
from calgan.metrics.groups import GROUPS
from calgan.plotting._display import EvaluationDisplay
from calgan.plotting.style import (
    COLORS,
    color_of,
    figure_legend,
    in_lines,
    label_of,
    plain_log_ticks,
    resize,
)

_MARKERS = {"synthetic": "o", "shuffled": "D", "replay": "s", "dichotomized_gaussian": "^"}
# Populations side by side: neither colours nor shapes are those of controls.
_COLORS = ("#D55E00", "#332288", "#56B4E9", "#882255", "#000000", "#A6761D")
_SHAPES = ("o", "P", "v", "X", "<", ">")
_BAND = "#CFCFCF"
# Ratios beyond these lie at the edge of the chart: the others must stay readable.
_SMALLEST_RATIO, _LARGEST_RATIO = 0.1, 300.0
_HEADING = 0.29  # inches of a line of text


@dataclass(repr=False, eq=False)
class HeadlineDisplay(EvaluationDisplay):
    """Distance of every statistic over its train-test baseline, with the controls.

    Parameters
    ----------
    statistics : iterable of Statistic, or mapping of str to these
        Rows of an evaluation, or of several by the names of their generators; baselines
        and controls are then those of the first. Rows that are undefined, without a baseline, with
        one of 0, or judged by a difference are left out. Where more is better, the distance is one
        minus the value.

    See Also
    --------
    calgan.evaluate : Makes an evaluation.

    Examples
    --------
    >>> from calgan import evaluate
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import HeadlineDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> train, _ = process.sample_recording(60.0, random_state=1)
    >>> test, _ = process.sample_recording(60.0, random_state=2)
    >>> synthetic, _ = process.sample_windows(100, 32, random_state=3)
    >>> evaluation = evaluate(test, synthetic, train=train, random_state=0, n_bootstrap=0)
    >>> HeadlineDisplay.from_evaluation(evaluation).axes_.size
    1
    """

    statistics: Iterable[Any] | Mapping[str, Iterable[Any]]

    @classmethod
    def from_comparison(cls, comparison: Any, *, ax: Axes | None = None) -> Self:
        """Draw several generators side by side, a line and a marker each.

        Parameters
        ----------
        comparison : Comparison
            Evaluations of generators against the same real data, by name: its ``evaluations``.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        display : HeadlineDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If it is no comparison.
        ValueError
            If no statistic has a train-test baseline.
        """
        if not isinstance(getattr(comparison, "evaluations", None), Mapping):
            raise TypeError(
                f"comparison must be a result of calgan.compare, got {type(comparison).__name__}."
            )
        return cls({name: e.statistics for name, e in comparison.evaluations.items()}).plot(ax=ax)

    @classmethod
    def _of(cls, evaluation: Any) -> Self:
        return cls(evaluation.statistics)

    def _draw(self, figure: FigureBase) -> None:
        several = isinstance(self.statistics, Mapping)
        tables: Any = self.statistics if several else {"synthetic": self.statistics}
        rows = _usable(tables)
        if not rows:
            raise ValueError("No statistic has a train-test baseline: evaluate with train=.")
        groups = dict.fromkeys(each[0].group for each in rows)
        # Inches from the top. Of several generators each has a line, below that of the controls.
        height = 0.16 + 0.065 * len(tables) if several else _HEADING
        lines = height * (np.linspace(-0.33, 0.33, len(tables) + 1) if several else np.zeros(2))
        looks = _looks(tables) if several else {"synthetic": (COLORS["synthetic"], "o")}
        depth = height * len(rows) + _HEADING * len(groups)
        resize(figure, 9.0, 1.3 + depth)
        ax = figure.add_subplot()
        points: dict[tuple[bool, str], list[tuple[float, float]]] = {
            (True, name): [] for name in tables
        }
        spans: list[tuple[str, float, float, float]] = []
        ends: list[float] = []
        ticks: list[tuple[float, str]] = []
        y = 0.0
        for group in groups:
            _write(ax, y + _HEADING / 2, GROUPS.get(group, str(group)).partition(":")[0])
            y += _HEADING
            for each in (each for each in rows if each[0].group == group):
                middle, row = y + height / 2, each[0]
                y += height
                if _finite(row.baseline_interval):
                    low, high = sorted(_ratio(row, end) for end in row.baseline_interval)
                    share = 0.82 if several else 0.62
                    ax.barh(middle, high - low, left=low, height=share * height, color=_BAND)
                    ends += [low, high]
                for name, value in (row.controls or {}).items():
                    if _finite(value):
                        point = (_ratio(row, value), middle + lines[0])
                        points.setdefault((False, name), []).append(point)
                for name, at, own in zip(tables, middle + lines[1:], each[1:], strict=True):
                    if own is None:
                        continue
                    points[True, name].append((_ratio(own, own.value), at))
                    if _finite(own.ratio_interval):
                        spans.append((looks[name][0], at, *own.ratio_interval))
                label = f"1 − {row.label}" if row.better == "higher" else row.label
                trained_on = any(own.trained_on for own in each if own)
                ticks.append((middle, f"{label} †" if trained_on else label))
                if not several:
                    ratio = _ratio(row, row.value)
                    text = f"×{ratio:.2g}" if ratio < 100 else f"×{ratio:.0f}"
                    _write(ax, middle, text, right=True)
        shown = np.array([x for pairs in points.values() for x, _ in pairs] + ends)
        shown = shown[(shown >= _SMALLEST_RATIO) & (shown <= _LARGEST_RATIO)]
        left, right = min([0.6, *shown]) / 1.3, max([1.8, *shown]) * 1.3
        ax.set(xscale="log", xlim=(left, right), ylim=(depth, 0.0))
        plain_log_ticks(ax.xaxis, left, right)
        width = 1.4 if several else 2.0
        for color, at, low, high in spans:
            ax.hlines(at, max(low, left), high, color=color, linewidth=width, zorder=3)
        handles: list[Any] = []
        for position, ((is_population, name), pairs) in enumerate(points.items()):
            x, heights = np.array(pairs).reshape(-1, 2).T
            look = (color_of(name, position), _MARKERS.get(name, "v"))
            color, marker = looks[name] if is_population else look
            dots = ax.scatter(
                np.clip(x, left, right),
                heights,
                marker=marker,
                s=28 if not is_population else 36 if several else 55,
                color=color,
                zorder=5 if is_population else 4,
                edgecolors="white",
                linewidths=0.4 if several else 0.6,
                label=in_lines(name) if several and is_population else label_of(name),
                clip_on=False,
            )
            handles.append(dots)
        line = ax.axvline(1.0, color="#333333", linewidth=1.2, zorder=2)
        line.set_label("train-test baseline")
        handles.append(line)
        handles.append(Patch(color=_BAND, label="95 % interval of the baseline"))
        ax.set_yticks([height for height, _ in ticks], [label for _, label in ticks])
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x", color="#E5E5E5", linewidth=0.7, zorder=0)
        ax.set_axisbelow(True)
        ax.set_xlabel("distance / train-test baseline  (1: as close as real data; less is better)")
        figure_legend(figure, ax, handles)


def _usable(tables: Mapping[str, Iterable[Any]]) -> list[list[Any]]:
    """For each statistic its first row with a ratio, and then that of each population or None."""
    found: dict[str, dict[str, Any]] = {}
    for name, rows in tables.items():
        for row in rows if np.iterable(rows) else [rows]:
            if not hasattr(row, "judged_by"):
                raise TypeError(
                    f"statistics must be those of evaluations (evaluation.statistics), got "
                    f"{shown(row)}."
                )
            each = found.setdefault(row.name, {})
            if _finite(row.value) and _has_baseline(row):
                each[name] = row
    return [
        [next(iter(each.values())), *(each.get(name) for name in tables)]
        for each in found.values()
        if each
    ]


def _looks(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and shape of each population's marker; no two are alike."""
    n = len(_COLORS)
    return {name: (_COLORS[i % n], _SHAPES[(i + i // n) % n]) for i, name in enumerate(names)}


def _finite(values: Any) -> bool:
    """Whether there is a number, or a pair of numbers, and every one is finite."""
    return values is not None and bool(np.all(np.isfinite(values)))


def _distance(row: Any, value: float) -> float:
    """Distance from the real data: one minus the value where more is better."""
    return 1.0 - value if row.better == "higher" else value


def _has_baseline(row: Any) -> bool:
    """Whether the statistic can be divided by its baseline."""
    if row.judged_by != "ratio" or not _finite(row.baseline):
        return False
    return _distance(row, row.baseline) > 0


def _ratio(row: Any, value: float) -> float:
    """Distance of a value over that of the baseline."""
    return _distance(row, value) / _distance(row, row.baseline)


def _write(ax: Axes, y: float, text: str, *, right: bool = False) -> None:
    """A heading at the left of a line, or a ratio at its right."""
    ax.annotate(
        text,
        (float(right), y),
        xycoords=ax.get_yaxis_transform(),
        xytext=(8 if right else -6, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        va="center",
        fontsize=8.5 if right else 9,
        fontweight="normal" if right else "bold",
        color=COLORS["synthetic"] if right else "#444444",
        annotation_clip=False,
    )
