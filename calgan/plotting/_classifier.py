"""How well a classifier tells each group's windows from held-out ones."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from calgan.plotting._style import LINES, Groups, color_of, label_of, new_axes, read_groups, styled

_GRID = np.linspace(0.0, 1.0, 201)


@styled
def plot_roc(scores: Groups, *, legend: bool = True, ax: Axes | None = None) -> Axes:
    """ROC curves of a classifier of held-out windows against each group's.

    Parameters
    ----------
    scores : mapping of str to array-like of shape (2, ..., m)
        Scores of m held-out windows (first) and of m windows of the group, higher for what looks
        less like held-out; as in ``Evaluation.classifier_scores``. There is a curve for each index
        between, and their mean is drawn.
    legend : bool, default=True
        Whether to draw a legend, with the area under each curve.
    ax : matplotlib Axes, optional
        Where to draw; the axes of a new figure by default.

    Returns
    -------
    matplotlib Axes
        The axes with one curve a group and the diagonal, on which a guess lies.

    Raises
    ------
    ValueError
        If the first axis of an array does not hold two sides.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_roc
    >>> ax = plot_roc({"synthetic": np.array([[0.1, 0.2, 0.3], [0.2, 0.3, 0.4]])})
    >>> ax.get_legend_handles_labels()[1]
    ['synthetic (0.78)', 'guessing (0.50)']
    """
    ax = new_axes(ax)
    for position, (group, array) in enumerate(read_groups(scores, None, "scores").items()):
        if array.ndim < 2 or len(array) != 2:
            raise ValueError(
                f"scores[{group!r}] must hold two sides (2, ..., m), held-out windows and the "
                f"group's, got shape {array.shape}."
            )
        pairs = np.moveaxis(array.reshape(2, -1, array.shape[-1]), 1, 0)
        curves, areas = zip(*(_roc(real, other) for real, other in pairs), strict=True)
        ax.plot(
            _GRID,
            np.mean(curves, axis=0),
            color=color_of(group, position),
            linestyle=LINES.get(group, "-"),
            linewidth=2.2 if group == "synthetic" else 1.5,
            label=f"{label_of(group)} ({np.mean(areas):.2f})",
        )
    ax.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=1.0, zorder=0, label="guessing (0.50)")
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    ax.set_aspect("equal")
    ax.set_xlabel("held-out windows above the threshold")
    ax.set_ylabel("the group's windows above it")
    if legend:
        ax.legend(loc="best", title="area under the curve")
    return ax


def _roc(
    real: NDArray[np.floating], other: NDArray[np.floating]
) -> tuple[NDArray[np.float64], float]:
    """The curve at `_GRID`, and the area under it."""
    thresholds = np.unique(np.concatenate([real, other]))[::-1]
    below = [np.searchsorted(np.sort(side), thresholds, side="left") for side in (real, other)]
    x, y = (
        np.concatenate([[0.0], 1.0 - count / len(side)])
        for count, side in zip(below, (real, other), strict=True)
    )
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2.0))
    return np.interp(_GRID, x, y), area
