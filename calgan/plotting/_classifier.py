"""How well a classifier tells each group's windows from held-out ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from calgan.metrics.two_sample import roc_area
from calgan.plotting._display import EvaluationDisplay
from calgan.plotting.style import (
    Array,
    Groups,
    draw_distribution,
    label_of,
    line_of,
    read_groups,
    resize,
)

_GROUPS = ("synthetic", "train", "replay", "shuffled", "dichotomized_gaussian")
_GRID = np.linspace(0.0, 1.0, 201)


@dataclass(repr=False, eq=False)
class RocDisplay(EvaluationDisplay):
    """ROC curves of a classifier of held-out windows against each group's, and its scores.

    Parameters
    ----------
    scores : mapping of str to array-like of shape (2, ..., m)
        Scores of m held-out windows (first) and of m windows of the group, higher for what looks
        less like held-out; as in ``Evaluation.classifier_scores``. There is a curve for each index
        between, and their mean is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import RocDisplay
    >>> display = RocDisplay({"synthetic": np.array([[0.1, 0.2, 0.3], [0.2, 0.3, 0.4]])}).plot()
    >>> display.axes_[0].get_legend_handles_labels()[1]
    ['synthetic (0.78)', 'guessing (0.50)']
    """

    scores: Groups

    @classmethod
    def _of(cls, evaluation: Any) -> Self:
        scores = evaluation.classifier_scores
        if not scores:
            raise ValueError(
                "evaluation holds no classifier scores: its recordings are too short for one."
            )
        return cls({group: scores[group] for group in _GROUPS if group in scores})

    def _draw(self, figure: FigureBase) -> None:
        arrays = read_groups(self.scores, None, "scores", defined=True)
        for group, array in arrays.items():
            if array.ndim < 2 or len(array) != 2 or array.size == 0:
                raise ValueError(
                    f"scores[{group!r}] must hold two sides (2, ..., m), held-out windows and the "
                    f"group's, got shape {array.shape}."
                )
        sides = {group: arrays[group] for group in ("synthetic", "train") if group in arrays}
        resize(figure, 3.2 + 3.1 * len(sides), 3.9)
        axes = figure.subplots(1, 1 + len(sides), squeeze=False)[0]
        _draw_curves(axes[0], arrays)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        if not sides:
            return
        # The middle of all scores: outliers would leave the rest in one bin.
        pooled = np.concatenate([array.ravel() for array in sides.values()])
        low, high = np.percentile(pooled, [0.5, 99.5])
        edges = np.linspace(low, high if high > low else low + 1.0, 31)
        for ax, (group, array) in zip(axes[1:], sides.items(), strict=True):
            real, other = np.clip(array, edges[0], edges[-1])
            xlabel = "score (log odds of not being held-out)"
            draw_distribution(ax, {"real": real, group: other}, xlabel, edges=edges)


def _draw_curves(ax: Axes, scores: dict[str, Array]) -> None:
    """The mean curve of each group, with its area in the label, and the diagonal of a guess."""
    for position, (group, array) in enumerate(scores.items()):
        pairs = np.moveaxis(array.reshape(2, -1, array.shape[-1]), 1, 0)
        curves = [_roc_curve(real, other) for real, other in pairs]
        area = np.mean([roc_area(other, real) for real, other in pairs])
        line = line_of(group, position)
        line["label"] = f"{label_of(group)} ({area:.2f})"
        width = 2.2 if group == "synthetic" else 1.5
        ax.plot(_GRID, np.mean(curves, axis=0), linewidth=width, **line)
    ax.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=1.0, zorder=0, label="guessing (0.50)")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("held-out windows above the threshold")
    ax.set_ylabel("the group's windows above it")


def _roc_curve(real: Array, other: Array) -> Array:
    """The curve at `_GRID`."""
    thresholds = np.unique(np.concatenate([real, other]))[::-1]
    below = [np.searchsorted(np.sort(side), thresholds, side="left") for side in (real, other)]
    x, y = (
        np.concatenate([[0.0], 1.0 - count / len(side)])
        for count, side in zip(below, (real, other), strict=True)
    )
    return np.interp(_GRID, x, y)
