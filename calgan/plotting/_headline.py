"""The headline chart: every statistic against its train-test baseline and controls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calgan.metrics.groups import GROUPS
from calgan.plotting._style import (
    COLORS,
    color_of,
    figure_legend,
    label_of,
    new_figure,
    plain_log_ticks,
    styled,
)

_MARKERS = {"synthetic": "o", "shuffled": "D", "replay": "s", "dichotomized_gaussian": "^"}
_BAND = "#CFCFCF"
# Ratios beyond these lie at the edge of the chart: the others must stay readable.
_SMALLEST_RATIO, LARGEST_RATIO = 0.1, 300.0


@styled
def plot_headline(statistics: Iterable[Any], *, figure: Figure | None = None) -> Figure:
    """How far each statistic of the synthetic windows is from its baseline, with the controls.

    Parameters
    ----------
    statistics : iterable of Statistic
        Rows of ``Evaluation.statistics``: objects with the attributes
        ``label``, ``group``, ``value``, ``baseline``, ``baseline_interval``, ``ratio_interval``,
        ``controls``, ``trained_on`` and ``better``. Rows without a baseline, or with one of 0,
        and those that are judged by a difference are left out.
    figure : matplotlib Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Figure
        A line a statistic: its distance as a multiple of the baseline, on a logarithmic axis. The
        distance of a statistic of which more is better is one minus its value.

    Raises
    ------
    ValueError
        If no statistic has a baseline.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from calgan.plotting import plot_headline
    >>> row = SimpleNamespace(label="rate KL", group="published", value=0.4, baseline=0.2,
    ...     baseline_interval=(0.1, 0.3), ratio_interval=None, controls={"shuffled": 0.5},
    ...     trained_on=False, better="lower")
    >>> len(plot_headline([row]).axes)
    1
    """
    rows = [row for row in statistics if _finite(row.value) and _has_baseline(row)]
    if not rows:
        raise ValueError("No statistic has a baseline to compare with: evaluate with train=.")
    groups = dict.fromkeys(row.group for row in rows)
    if figure is None:
        figure = new_figure(9.0, 1.3 + 0.29 * (len(rows) + len(groups)))
    ax = figure.add_subplot()
    points: dict[str, list[tuple[float, float]]] = {"synthetic": []}
    spans: list[tuple[float, float, float]] = []
    ends: list[float] = []
    ticks: list[tuple[float, str]] = []
    y = 0.0
    for group in groups:
        _write_heading(ax, y, GROUPS.get(group, str(group)).partition(":")[0])
        for row in (row for row in rows if row.group == group):
            y += 1.0
            if _finite_pair(row.baseline_interval):
                low, high = sorted(_ratio(row, end) for end in row.baseline_interval)
                ax.barh(y, high - low, left=low, height=0.62, color=_BAND, zorder=1)
                ends += [low, high]
            if _finite_pair(row.ratio_interval):
                spans.append((y, *row.ratio_interval))
            points["synthetic"].append((_ratio(row, row.value), y))
            for name, value in (row.controls or {}).items():
                if _finite(value):
                    points.setdefault(name, []).append((_ratio(row, value), y))
            ticks.append((y, _row_label(row)))
            _write_ratio(ax, y, _ratio(row, row.value))
        y += 1.0
    shown = np.array([x for pairs in points.values() for x, _ in pairs] + ends)
    shown = shown[(shown >= _SMALLEST_RATIO) & (shown <= LARGEST_RATIO)]
    left = min([0.6, *shown]) / 1.3
    right = max([1.8, *shown]) * 1.3
    ax.set_xscale("log")
    ax.set_xlim(left, right)
    plain_log_ticks(ax.xaxis, left, right)
    ax.axvline(1.0, color="#333333", linewidth=1.2, zorder=2, label="train-test baseline")
    ax.barh([np.nan], [np.nan], color=_BAND, label="95 % interval of the baseline")
    for height, low, high in spans:
        ax.hlines(height, max(low, left), high, color=COLORS["synthetic"], linewidth=2.0, zorder=3)
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
    ax.set_xlabel("distance ÷ train-test baseline  (1: as close as real data gets; less is better)")
    figure_legend(figure, ax)
    return figure


def _finite(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


def _finite_pair(ends: Any) -> bool:
    return ends is not None and all(_finite(end) for end in ends)


def _distance(row: Any, value: float) -> float:
    return 1.0 - value if row.better == "higher" else value


def _has_baseline(row: Any) -> bool:
    if getattr(row, "judged_by", "ratio") != "ratio":
        return False
    return _finite(row.baseline) and _distance(row, row.baseline) > 0


def _ratio(row: Any, value: float) -> float:
    return _distance(row, value) / _distance(row, row.baseline)


def _row_label(row: Any) -> str:
    label = f"1 − {row.label}" if row.better == "higher" else row.label
    return f"{label} †" if row.trained_on else label


def _write_heading(ax: Axes, y: float, text: str) -> None:
    ax.annotate(
        text,
        (0.0, y),
        xycoords=ax.get_yaxis_transform(),
        xytext=(-6, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=9,
        fontweight="bold",
        color="#444444",
        annotation_clip=False,
    )


def _write_ratio(ax: Axes, y: float, ratio: float) -> None:
    ax.annotate(
        f"×{ratio:.2g}" if ratio < 100 else f"×{ratio:.0f}",
        (1.0, y),
        xycoords=ax.get_yaxis_transform(),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        color=COLORS["synthetic"],
        annotation_clip=False,
    )
