"""The headline chart: every statistic against its train-test baseline and controls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from calgan.metrics.groups import GROUPS
from calgan.plotting._display import EvaluationDisplay
from calgan.plotting.style import (
    COLORS,
    color_of,
    figure_legend,
    label_of,
    plain_log_ticks,
    resize,
)

_MARKERS = {"synthetic": "o", "shuffled": "D", "replay": "s", "dichotomized_gaussian": "^"}
_BAND = "#CFCFCF"
# Ratios beyond these lie at the edge of the chart: the others must stay readable.
_SMALLEST_RATIO, _LARGEST_RATIO = 0.1, 300.0


@dataclass(repr=False, eq=False)
class HeadlineDisplay(EvaluationDisplay):
    """Distance of every statistic over its train-test baseline, with the controls.

    Parameters
    ----------
    statistics : iterable of Statistic
        Rows of an evaluation. Rows without a baseline, with one of 0, or judged by a difference
        are left out. Where more is better, the distance is one minus the value.

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

    statistics: Iterable[Any]

    @classmethod
    def _of(cls, evaluation: Any) -> Self:
        return cls(evaluation.statistics)

    def _draw(self, figure: FigureBase) -> None:
        rows = [row for row in self.statistics if _finite(row.value) and _has_baseline(row)]
        if not rows:
            raise ValueError("No statistic has a train-test baseline: evaluate with train=.")
        groups = dict.fromkeys(row.group for row in rows)
        resize(figure, 9.0, 1.3 + 0.29 * (len(rows) + len(groups)))
        ax = figure.add_subplot()
        points: dict[str, list[tuple[float, float]]] = {"synthetic": []}
        spans: list[tuple[float, float, float]] = []
        ends: list[float] = []
        ticks: list[tuple[float, str]] = []
        y = 0.0
        for group in groups:
            _write(ax, y, GROUPS.get(group, str(group)).partition(":")[0])
            for row in (row for row in rows if row.group == group):
                y += 1.0
                if _finite(row.baseline_interval):
                    low, high = sorted(_ratio(row, end) for end in row.baseline_interval)
                    ax.barh(y, high - low, left=low, height=0.62, color=_BAND, zorder=1)
                    ends += [low, high]
                if _finite(row.ratio_interval):
                    spans.append((y, *row.ratio_interval))
                for name, value in {"synthetic": row.value, **(row.controls or {})}.items():
                    if _finite(value):
                        points.setdefault(name, []).append((_ratio(row, value), y))
                label = f"1 − {row.label}" if row.better == "higher" else row.label
                ticks.append((y, f"{label} †" if row.trained_on else label))
                ratio = _ratio(row, row.value)
                _write(ax, y, f"×{ratio:.2g}" if ratio < 100 else f"×{ratio:.0f}", right=True)
            y += 1.0
        shown = np.array([x for pairs in points.values() for x, _ in pairs] + ends)
        shown = shown[(shown >= _SMALLEST_RATIO) & (shown <= _LARGEST_RATIO)]
        left, right = min([0.6, *shown]) / 1.3, max([1.8, *shown]) * 1.3
        ax.set(xscale="log", xlim=(left, right))
        plain_log_ticks(ax.xaxis, left, right)
        ax.axvline(1.0, color="#333333", linewidth=1.2, zorder=2, label="train-test baseline")
        ax.barh([np.nan], [np.nan], color=_BAND, label="95 % interval of the baseline")
        for height, low, high in spans:
            color = COLORS["synthetic"]
            ax.hlines(height, max(low, left), high, color=color, linewidth=2.0, zorder=3)
        for position, (name, pairs) in enumerate(points.items()):
            x, heights = np.array(pairs).T
            ax.scatter(
                np.clip(x, left, right),
                heights,
                marker=_MARKERS.get(name, "v"),
                s=55 if name == "synthetic" else 28,
                color=color_of(name, position),
                zorder=5 if name == "synthetic" else 4,
                edgecolors="white",
                linewidths=0.6,
                label=label_of(name),
                clip_on=False,
            )
        ax.set_yticks([height for height, _ in ticks], [label for _, label in ticks])
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(y - 0.4, -0.6)
        ax.grid(axis="x", color="#E5E5E5", linewidth=0.7, zorder=0)
        ax.set_axisbelow(True)
        ax.set_xlabel("distance / train-test baseline  (1: as close as real data; less is better)")
        figure_legend(figure, ax)


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
