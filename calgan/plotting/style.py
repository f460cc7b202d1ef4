"""What all figures share: colours, line styles, reading of groups, and two kinds of drawing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from calgan.data.validation import as_real_array, shown

# Okabe and Ito's palette, told apart by colour-blind readers.
COLORS: dict[str, str] = {
    "real": "#0072B2",
    "synthetic": "#D55E00",
    "train": "#6B6B6B",
    "shuffled": "#009E73",
    "replay": "#AA4499",
    "dichotomized_gaussian": "#E69F00",
}
LABELS: dict[str, str] = {
    "real": "real, held-out",
    "synthetic": "synthetic",
    "train": "real, training",
    "shuffled": "neuron-shuffled",
    "replay": "replay control",
    "dichotomized_gaussian": "dichotomized Gaussian",
}
LINES: dict[str, Any] = {
    "train": (0, (4, 1.5)),
    "shuffled": (0, (1, 1.2)),
    "dichotomized_gaussian": (0, (5, 1.2, 1, 1.2)),
}
_SPARE_COLORS = ("#56B4E9", "#CC79A7", "#882255", "#000000")
_MOST_VALUES = 1_000_000  # of a histogram: no eye sees more
_LARGEST_VALUE = 1e30  # in figures: squares and sums of such values are still finite
_LONGEST_LINE = 42  # letters of a name in a legend
_MARK_INCHES, _LETTER_INCHES = 0.55, 0.068  # room for an entry of a legend

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

Array = NDArray[Any]
Groups = Mapping[str, ArrayLike]


@contextmanager
def styled() -> Iterator[None]:
    """Draw with the library's style, whatever the user's rcParams are, and leave those alone."""
    with mpl.style.context(["default", _STYLE]):
        yield


def color_of(group: str, position: int = 0) -> str:
    """Colour of a group; one of the spare ones for an unknown group."""
    return COLORS.get(group, _SPARE_COLORS[position % len(_SPARE_COLORS)])


def label_of(group: str) -> str:
    """Name of a group in legends and titles."""
    return LABELS.get(group) or in_lines(group)


def in_lines(name: Any) -> str:
    """A name as a label, over several lines if it is long."""
    text = "\n".join(textwrap.wrap(plain(name), _LONGEST_LINE))
    return f" {text}" if text.startswith("_") else text  # matplotlib hides such labels


def line_of(group: str, position: int = 0) -> dict[str, Any]:
    """Colour, line style and label of a group's line."""
    return {
        "color": color_of(group, position),
        "linestyle": LINES.get(group, "-"),
        "label": label_of(group),
    }


def new_figure(width: float = 5.2, height: float = 3.4) -> Figure:
    """Empty figure (inches) with a constrained layout."""
    return Figure(figsize=(width, height), layout="constrained")


def resize(figure: FigureBase, width: float, height: float) -> None:
    """Set the size (inches) of a figure; a sub-figure keeps its own."""
    if isinstance(figure, Figure):
        figure.set_size_inches(width, height)


def panels(
    figure: FigureBase, n_rows: int, n_columns: int, *, sharex: Any = False, sharey: Any = False
) -> Array:
    """Grid of panels, (n_rows, n_columns); scales they share are drawn at its rim only."""
    axes = figure.subplots(n_rows, n_columns, sharex=sharex, sharey=sharey, squeeze=False)
    for ax in axes[:-1].flat if sharex else ():
        ax.xaxis.set_visible(False)
    for ax in axes[:, 1:].flat if sharey else ():
        ax.yaxis.set_visible(False)
    return np.asarray(axes)


def read_groups(
    groups: Groups,
    ndim: int | None,
    what: str,
    *,
    shared: int | None = -1,
    defined: bool = False,
    least: float = -np.inf,
) -> dict[str, Array]:
    """Read the groups as arrays of floats, not empty, of `ndim` axes and of one `shared` axis.

    Values may be undefined (NaN, infinite) unless `defined`. For `ndim` None any shape will do.
    """
    if not isinstance(groups, Mapping) or not groups:
        raise ValueError(
            f"{what} must be a non-empty mapping from group names to arrays, such as "
            f'{{"real": ..., "synthetic": ...}}; got {type(groups).__name__}.'
        )
    arrays = {}
    for name, values in groups.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"{what} must have names of groups as its keys, got {shown(name)}.")
        own = f"{what}[{shown(name)}]"
        array = as_real_array(values, own)
        array = arrays[name] = array if array.dtype.kind == "f" else array.astype(np.float64)
        if ndim is not None and array.ndim != ndim:
            raise ValueError(f"{own} must have {ndim} dimensions, got shape {array.shape}.")
        if ndim is not None and array.size == 0:
            raise ValueError(f"{own} is empty: its shape is {array.shape}.")
        good = (np.abs(array) <= _LARGEST_VALUE) & (array >= least)
        if not defined:
            good |= ~np.isfinite(array)
        if not good.all():
            index = tuple(map(int, np.argwhere(~good)[0]))
            bounds = "finite and not negative" if least == 0 else "finite"
            raise ValueError(
                f"{own} must hold numbers that are {bounds}, got {array[index]:g} at {index}."
            )
    if ndim is None or shared is None:
        return arrays
    sizes = {name: array.shape[shared] for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        axis = "last" if shared == -1 else "first"
        raise ValueError(f"All groups of {what} must share their {axis} axis, got {sizes}.")
    return arrays


def finite(groups: Groups, what: str) -> dict[str, Array]:
    """The finite values of each group, flattened."""
    arrays = read_groups(groups, None, what)
    return {group: array[np.isfinite(array)] for group, array in arrays.items()}


def plain(name: Any) -> str:
    """A name as it is: no dollar of it starts a formula."""
    return str(name).replace("$", r"\$")


def roi_names(roi_ids: Sequence[Any] | None, n_neurons: int) -> list[str]:
    """Titles of the neurons."""
    ids: Any = range(n_neurons) if roi_ids is None else roi_ids
    ids = [] if isinstance(ids, (str, bytes)) or not np.iterable(ids) else list(ids)
    if len(ids) != n_neurons:
        raise ValueError(
            f"roi_ids must be a list of {n_neurons} names, one a neuron, got {shown(roi_ids)}."
        )
    return [f"ROI {plain(roi)}" for roi in ids]


def padded(low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """Axis limits around [low, high] that are never of zero length."""
    span = high - low if high > low else max(abs(high), 1.0)
    return low - share * span, high + share * span


def limits_of(*arrays: Array) -> tuple[float, float]:
    """Axis limits around the finite values of all arrays."""
    pooled = np.concatenate([array[np.isfinite(array)] for array in arrays])
    return padded(float(pooled.min()), float(pooled.max())) if pooled.size else (0.0, 1.0)


def spread_neurons(activity: ArrayLike, n_neurons: int) -> NDArray[np.intp]:
    """Neurons spread evenly over the ranks of `activity` (N,), the most active first.

    Neurons of no activity are taken only when there are too few others.
    """
    values = np.asarray(activity, dtype=float)
    order = np.argsort(-values, kind="stable")
    n_active = int(np.sum(values > 0))
    if n_active >= n_neurons:
        order = order[:n_active]
    if len(order) <= n_neurons:
        return order
    return order[np.round(np.linspace(0, len(order) - 1, n_neurons)).astype(int)]


@styled()
def figure_legend(figure: Any, ax: Axes, handles: Sequence[Any] | None = None) -> None:
    """One legend for all panels of a figure or sub-figure, above them, in place of their own."""
    for panel in figure.axes:
        if (own := panel.get_legend()) is not None:
            own.remove()
    handles = ax.get_legend_handles_labels()[0] if handles is None else handles
    labels = [str(handle.get_label()) for handle in handles]
    letters = [max(map(len, label.split("\n"))) for label in labels]
    for n_columns in range(len(labels), 0, -1):  # the most that there is room for
        longest = [max(column) for column in np.array_split(letters, n_columns)]
        inches = sum(_MARK_INCHES + _LETTER_INCHES * n for n in longest)
        if inches <= figure.bbox.width / figure.dpi:
            break
    figure.legend(handles, labels, loc="outside upper center", ncols=n_columns)


def plain_log_ticks(axis: XAxis | YAxis, low: float, high: float) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, as plain numbers, and not too many of them."""
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = (1.0, 2.0, 5.0) if high / low < 5000 else (1.0,)
    candidates = [step * 10.0**decade for decade in decades for step in steps]
    axis.set_major_locator(FixedLocator([tick for tick in candidates if low <= tick <= high]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def log_scale(ax: Axes) -> None:
    """A logarithmic y axis of plain numbers: decades, and 2 and 5 times these where it is short."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 100 else (1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())


def say_undefined(ax: Axes) -> None:
    """Say that a panel is empty because there is no number."""
    ax.text(0.5, 0.5, "n/a", transform=ax.transAxes, ha="center", va="center", color="#888888")


def draw_steps(ax: Axes, heights: Array, edges: Array, group: str, position: int) -> None:
    """One group's histogram: the first group filled, the others as lines."""
    if position == 0:
        ax.stairs(heights, edges, fill=True, color=color_of(group), alpha=0.28, linewidth=0)
    ax.stairs(heights, edges, linewidth=1.6, baseline=None, **line_of(group, position))


def _sampled(values: Array) -> Array:
    """The values, or a million of them drawn at random."""
    if values.size <= _MOST_VALUES:
        return values
    return values.ravel()[np.random.default_rng(0).integers(values.size, size=_MOST_VALUES)]


@styled()
def draw_distribution(
    ax: Axes,
    values: Groups,
    xlabel: str,
    *,
    what: str = "values",
    edges: Array | None = None,
    max_bins: int = 40,
    log: bool = False,
) -> None:
    """Densities of the groups on common bins; by default these hold the central 99.8 % of each.

    A million values are drawn at random where there are more.
    """
    arrays = {group: _sampled(x) for group, x in read_groups(values, None, what).items()}
    arrays = finite(arrays, "values")
    filled = [array for array in arrays.values() if array.size]
    bins: dict[str, Any] = {"bins": edges}
    if edges is None:
        ends = [np.percentile(array, [0.1, 99.9]) for array in filled] or [np.array([0.0, 1.0])]
        low, high = float(np.min(ends)), float(np.max(ends))
        if not high > low:
            low, high = low - 0.5, low + 0.5
        edges = np.linspace(low, high, max_bins + 1)
        bins = {"bins": max_bins, "range": (low, high)}  # the same bins, found sooner
    for position, (group, array) in enumerate(arrays.items()):
        heights = np.histogram(array, **bins)[0] / (max(array.size, 1) * np.diff(edges))
        draw_steps(ax, heights, edges, group, position)
    ax.set(xlim=(edges[0], edges[-1]), xlabel=xlabel, ylabel="probability density")
    if log and filled:
        log_scale(ax)
    else:
        ax.set_ylim(0, None)
    if not filled:
        say_undefined(ax)
    ax.legend(loc="best")


@styled()
def draw_neurons(
    ax: Axes, values: Groups, quantity: str, unit: str, *, what: str = "values"
) -> None:
    """A number per neuron (N,) of the other groups against the first, with the RMSE."""
    arrays = read_groups(values, 1, what)
    reference_name, *others = arrays
    reference = arrays[reference_name]
    limits = limits_of(*arrays.values())
    ax.plot(limits, limits, color="#888888", linewidth=0.8)
    # Training data lie behind, so that they never hide synthetic neurons.
    for position, group in enumerate(others):
        color, hollow = color_of(group, position), group == "train"
        error = number(rms(arrays[group] - reference), ".2g")
        ax.scatter(
            reference,
            arrays[group],
            s=15,
            facecolors="none" if hollow else color,
            edgecolors=color if hollow else "white",
            linewidths=0.8 if hollow else 0.3,
            label=f"{label_of(group)}: RMSE {error} {unit}",
            zorder=3 - 0.1 * position,
        )
    ax.set(xlim=limits, ylim=limits, aspect="equal")
    # Points may lie anywhere: the legend stands between panel and title.
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), handletextpad=0.2, borderaxespad=0.2)
    ax.set_title(f"{quantity} ({unit})", pad=6 + 13 * len(others))
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlabel(label_of(reference_name))
    ax.set_ylabel(" or ".join(label_of(group) for group in others))


def rms(values: Array) -> float:
    """Root mean square of what is finite, NaN of nothing."""
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else float("nan")


def number(value: float, form: str) -> str:
    """A number as text, or that there is none."""
    return format(value, form) if np.isfinite(value) else "n/a"
