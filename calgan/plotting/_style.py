"""What all figures share: colours, line styles, and the reading of groups of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

#: Colour of each group (Okabe and Ito's palette, told apart by colour-blind readers).
COLORS: dict[str, str] = {
    "real": "#0072B2",
    "synthetic": "#D55E00",
    "train": "#6B6B6B",
    "shuffled": "#009E73",
    "replay": "#AA4499",
    "dichotomized_gaussian": "#E69F00",
}
#: What the legends call each group.
LABELS: dict[str, str] = {
    "real": "real, held-out",
    "synthetic": "synthetic",
    "train": "real, training",
    "shuffled": "neuron-shuffled",
    "replay": "replay",
    "dichotomized_gaussian": "dichotomized Gaussian",
}
LINES: dict[str, Any] = {
    "train": (0, (4, 1.5)),
    "shuffled": (0, (1, 1.2)),
    "dichotomized_gaussian": (0, (5, 1.2, 1, 1.2)),
}
_SPARE_COLORS = ("#56B4E9", "#CC79A7", "#882255", "#000000")

# Room for one entry of a legend.
_LEGEND_INCHES = 1.45

_STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": "#444444",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "axes.labelcolor": "#222222",
    "axes.titleweight": "bold",
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.unicode_minus": True,
}

_P = ParamSpec("_P")
_R = TypeVar("_R")
Groups = Mapping[str, ArrayLike]


def styled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Draw with the library's style, whatever the user's rcParams are, and leave those alone."""

    @wraps(function)
    def draw(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with mpl.style.context(["default", _STYLE]):
            return function(*args, **kwargs)

    return draw


def color_of(name: str, position: int = 0) -> str:
    return COLORS.get(name, _SPARE_COLORS[position % len(_SPARE_COLORS)])


def label_of(name: str) -> str:
    return LABELS.get(name, name)


def new_figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def new_axes(ax: Axes | None) -> Axes:
    return new_figure(5.2, 3.4).add_subplot() if ax is None else ax


def read_groups(groups: Groups, ndim: int | None, what: str) -> dict[str, NDArray[Any]]:
    """The groups as arrays, all of `ndim` dimensions and (but for 1-D) of one last axis."""
    if not isinstance(groups, Mapping) or not groups:
        raise ValueError(
            f"{what} must be a non-empty mapping from group names to arrays, such as "
            f'{{"real": ..., "synthetic": ...}}; got {type(groups).__name__}.'
        )
    arrays = {name: np.asarray(values) for name, values in groups.items()}
    for name, array in arrays.items():
        if ndim is not None and array.ndim != ndim:
            raise ValueError(
                f"{what}[{name!r}] must have {ndim} dimensions, got shape {array.shape}."
            )
    if ndim is not None and ndim > 1:
        sizes = {name: array.shape[-1] for name, array in arrays.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"All groups of {what} must share their last axis, got {sizes}.")
    return arrays


def roi_names(roi_ids: Sequence[Any] | NDArray[Any] | None, n_neurons: int) -> list[str]:
    ids = range(n_neurons) if roi_ids is None else roi_ids
    return [f"ROI {roi}" for roi in ids]


def padded(low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """Axis limits around [low, high] that are never of zero width."""
    span = high - low if high > low else max(abs(high), 1.0)
    return low - share * span, high + share * span


def spread_neurons(activity: ArrayLike, n_neurons: int) -> NDArray[np.intp]:
    """Indices of neurons spread evenly over the ranks of `activity`, the most active first.

    Parameters
    ----------
    activity : array-like of shape (N,)
        A number per neuron, such as its mean firing rate. Neurons of no activity are taken only
        when there are too few others.
    n_neurons : int
        How many to choose; all of them are returned when there are fewer.

    Returns
    -------
    ndarray of shape (min(n_neurons, N),)
        Indices of the chosen neurons, the most active first.

    Examples
    --------
    >>> from calgan.plotting import spread_neurons
    >>> spread_neurons([0.0, 0.1, 0.5, 0.3, 0.2], 3).tolist()
    [2, 4, 1]
    """
    values = np.asarray(activity, dtype=float)
    order = np.argsort(-values, kind="stable")
    n_active = int(np.sum(values > 0))
    if n_active >= n_neurons:
        order = order[:n_active]
    if len(order) <= n_neurons:
        return order
    return order[np.round(np.linspace(0, len(order) - 1, n_neurons)).astype(int)]


def figure_legend(figure: Figure, ax: Axes) -> None:
    """One legend for all panels, above them."""
    handles, labels = ax.get_legend_handles_labels()
    fits = max(1, int(figure.bbox.width / figure.dpi / _LEGEND_INCHES))
    n_rows = max(1, -(-len(labels) // fits))
    figure.legend(handles, labels, loc="outside upper center", ncols=-(-len(labels) // n_rows))


def step_histogram(
    ax: Axes,
    values: NDArray[Any],
    edges: NDArray[Any],
    group: str,
    position: int,
    *,
    fraction: bool = False,
) -> None:
    """One group's histogram: the first group filled, the others as lines."""
    counts = np.histogram(values, bins=edges)[0].astype(float)
    total = max(values.size, 1)
    heights = counts / total if fraction else counts / (total * np.diff(edges))
    color = color_of(group, position)
    if position == 0:
        ax.stairs(heights, edges, fill=True, color=color, alpha=0.28, linewidth=0)
    ax.stairs(
        heights,
        edges,
        color=color,
        linewidth=1.6,
        linestyle=LINES.get(group, "-"),
        label=label_of(group),
        baseline=None,
    )


def plain_log_ticks(axis: XAxis | YAxis, low: float, high: float) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, as plain numbers, and not too many of them."""
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = (1.0, 2.0, 5.0) if high / low < 5000 else (1.0,)
    candidates = [step * 10.0**decade for decade in decades for step in steps]
    axis.set_major_locator(FixedLocator([tick for tick in candidates if low <= tick <= high]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
