"""The headline chart: every statistic against its floor and controls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from calgan.plotting._style import (
    COLORS,
    color_of,
    figure_legend,
    label_of,
    new_figure,
    padded,
    styled,
)

_GROUP_TITLES = {
    "published": "published statistics",
    "population": "population statistics",
    "trace": "trace statistics",
}
_MARKERS = {"synthetic": "o", "shuffled": "D", "memoriser": "s"}


def _finite(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


@styled
def plot_headline(
    statistics: Iterable[Any], *, figure: Figure | SubFigure | None = None
) -> Figure | SubFigure:
    """How far each statistic of the synthetic windows is from the floor, with the controls.

    Parameters
    ----------
    statistics : iterable of Statistic
        Rows of :attr:`calgan.evaluation.Evaluation.statistics`: objects with the attributes
        ``label``, ``group``, ``value``, ``floor``, ``floor_interval``, ``controls``,
        ``trained_on`` and ``better``; rows without a floor are left out.
    figure : matplotlib Figure or SubFigure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Figure or SubFigure
        Distances as multiples of their floor on a logarithmic axis and, below, the statistics
        for which more is better, on their own axis.

    Raises
    ------
    ValueError
        If no statistic has a floor.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from calgan.plotting import plot_headline
    >>> row = SimpleNamespace(label="rate KL", group="published", value=0.4, floor=0.2,
    ...     floor_interval=(0.1, 0.3), controls={"shuffled": 0.5}, trained_on=False,
    ...     better="lower")
    >>> len(plot_headline([row]).axes)
    1
    """
    usable = [row for row in statistics if _finite(row.value) and _finite(row.floor)]
    lower = [row for row in usable if row.better == "lower" and row.floor > 0]
    higher = [row for row in usable if row.better == "higher"]
    if not lower and not higher:
        raise ValueError("No statistic has a floor to compare with: evaluate with train=.")
    heights = [_n_lines(rows) for rows in (lower, higher) if rows]
    if figure is None:
        figure = new_figure(9.0, 1.0 + 0.3 * sum(heights) + 0.55 * len(heights))
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    remaining = list(axes)
    if lower:
        ax = remaining.pop(0)
        _draw_rows(ax, lower, relative=True)
        ax.set_xlabel("distance ÷ floor (1: as near as real training data; less is better)")
    if higher:
        ax = remaining.pop(0)
        _draw_rows(ax, higher, relative=False)
        ax.set_xlabel("agreement (1: perfect; more is better)")
    figure_legend(figure, axes[0])
    return figure


def _n_lines(rows: Sequence[Any]) -> int:
    return len(rows) + len({row.group for row in rows})


def _draw_rows(ax: Axes, rows: Sequence[Any], *, relative: bool) -> None:
    """One line a statistic: the floor's interval as a bar, the groups as marks."""
    drawn: list[tuple[str, float, float]] = []
    ticks: list[tuple[float, str]] = []
    y = 0.0
    for group in dict.fromkeys(row.group for row in rows):
        heading = y
        for row in (row for row in rows if row.group == group):
            y += 1.0
            unit = row.floor if relative else 1.0
            interval = getattr(row, "floor_interval", None)
            if interval is not None and all(_finite(end) for end in interval):
                low, high = interval[0] / unit, interval[1] / unit
                ax.barh(y, high - low, left=low, height=0.62, color="#CFCFCF", zorder=1)
                drawn += [("interval", low, y), ("interval", high, y)]
            drawn.append(("train", row.floor / unit, y))
            spread = getattr(row, "value_interval", None)
            if spread is not None and all(_finite(end) for end in spread):
                ends = [spread[0] / unit, spread[1] / unit]
                ax.hlines(y, *ends, color=COLORS["synthetic"], linewidth=2.0, zorder=3)
                drawn += [("interval", end, y) for end in ends]
            drawn.append(("synthetic", row.value / unit, y))
            for name, value in (row.controls or {}).items():
                if _finite(value):
                    drawn.append((name, value / unit, y))
            ticks.append((y, row.label + (" †" if row.trained_on else "")))
            shown = f"×{row.value / unit:.2g}" if relative else f"{row.value:.2f}"
            ax.annotate(
                shown,
                (1.0, y),
                xycoords=ax.get_yaxis_transform(),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
                color=COLORS["synthetic"],
                annotation_clip=False,
            )
        ax.annotate(
            _GROUP_TITLES.get(group, str(group)),
            (0.0, heading),
            fontsize=8.5,
            style="italic",
            xycoords=ax.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color="#555555",
        )
        y += 1.0
    values = np.array([value for _, value, _ in drawn])
    if relative:
        positive = values[values > 0]
        left, right = min(float(positive.min()), 0.7) / 1.25, max(float(positive.max()), 1.5) * 1.25
        ax.set_xscale("log")
        _set_ratio_ticks(ax, left, right)
    else:
        left, right = padded(min(float(values.min()), 0.0), max(float(values.max()), 1.0))
    ax.set_xlim(left, right)
    ax.barh([np.nan], [np.nan], color="#CFCFCF", label="floor, 95 % interval")
    names = dict.fromkeys(name for name, _, _ in drawn if name != "interval")
    for position, name in enumerate(("train", *(n for n in names if n != "train"))):
        points = [(value, height) for kind, value, height in drawn if kind == name]
        x, heights = np.array(points).T
        if name == "train":
            ax.scatter(
                x,
                heights,
                marker="|",
                s=130,
                color="#333333",
                linewidths=1.6,
                zorder=2,
                label="floor",
            )
            continue
        ax.scatter(
            np.clip(x, left, right),
            heights,
            marker=_MARKERS.get(name, "^"),
            s=52 if name == "synthetic" else 26,
            color=color_of(name, position),
            zorder=4,
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


def _set_ratio_ticks(ax: Axes, left: float, right: float) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, as plain numbers, and not too many of them."""
    decades = np.arange(np.floor(np.log10(left)), np.ceil(np.log10(right)) + 1)
    steps = (1.0, 2.0, 5.0) if right / left < 300 else (1.0,)
    candidates = [step * 10.0**decade for decade in decades for step in steps]
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in candidates if left < tick < right]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
