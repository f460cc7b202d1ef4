"""Distributions of one quantity in several groups."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from calgan.plotting._style import (
    LINES,
    Groups,
    color_of,
    label_of,
    new_axes,
    padded,
    read_groups,
    step_histogram,
    styled,
)


@styled
def plot_distribution(
    values: Groups,
    *,
    xlabel: str,
    edges: ArrayLike | None = None,
    max_bins: int = 40,
    log: bool = False,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Distribution of a quantity in each group, as densities on common bins.

    Parameters
    ----------
    values : mapping of str to array-like
        Values of each group, of any shape; NaN and infinite values are left out.
    xlabel : str
        Name of the quantity, with its unit.
    edges : array-like, optional
        Edges of the bins; by default equal bins over the range that holds the central 99.8 % of
        the values of every group. Values outside the edges are not drawn.
    max_bins : int, default=40
        Number of bins when `edges` is None.
    log : bool, default=False
        Whether the density has a logarithmic axis.
    legend : bool, default=True
        Whether to draw a legend.
    ax : matplotlib Axes, optional
        Where to draw; the axes of a new figure by default.

    Returns
    -------
    matplotlib Axes
        The axes with one histogram a group.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_distribution
    >>> ax = plot_distribution({"real": np.arange(10.0)}, xlabel="correlation (r)")
    >>> ax.get_xlabel()
    'correlation (r)'
    """
    arrays = {
        group: array[np.isfinite(array)].ravel()
        for group, array in read_groups(values, None, "values").items()
    }
    ax = new_axes(ax)
    filled = [array for array in arrays.values() if array.size]
    if edges is None:
        low, high = 0.0, 1.0
        if filled:
            low = float(min(np.percentile(array, 0.1) for array in filled))
            high = float(max(np.percentile(array, 99.9) for array in filled))
        if not high > low:
            low, high = low - 0.5, low + 0.5
        edges = np.linspace(low, high, max_bins + 1)
    bins = np.asarray(edges, dtype=float)
    for position, (group, array) in enumerate(arrays.items()):
        step_histogram(ax, array, bins, group, position)
    ax.set_xlim(bins[0], bins[-1])
    ax.set_xlabel(xlabel)
    ax.set_ylabel("probability density")
    if log and filled:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, None)
    if legend:
        ax.legend(loc="best")
    return ax


@styled
def plot_kl_histogram(
    divergences: Groups,
    *,
    xlabel: str = "KL divergence (nats)",
    of: str = "neurons",
    max_bins: int = 25,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Histogram of KL divergences, one a neuron or one a window, with each group's median.

    Parameters
    ----------
    divergences : mapping of str to array-like of shape (n,)
        Divergences from the held-out data of each group, in nats; "train" is the baseline.
    xlabel : str, default="KL divergence (nats)"
        Name of the quantity.
    of : str, default="neurons"
        What there is one divergence for: "neurons" or "windows".
    max_bins : int, default=25
        Largest number of bins; a quarter of the values of the largest group if that is fewer.
    legend : bool, default=True
        Whether to draw a legend.
    ax : matplotlib Axes, optional
        Where to draw; the axes of a new figure by default.

    Returns
    -------
    matplotlib Axes
        The axes with one histogram a group and a mark on top at its median.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_kl_histogram
    >>> ax = plot_kl_histogram({"synthetic": np.linspace(0.1, 1, 50)}, of="windows")
    >>> ax.get_ylabel()
    'number of windows'
    """
    arrays = {
        group: array[np.isfinite(array)].ravel()
        for group, array in read_groups(divergences, None, "divergences").items()
    }
    ax = new_axes(ax)
    filled = [array for array in arrays.values() if array.size]
    high = max((float(array.max()) for array in filled), default=1.0) or 1.0
    n_bins = int(np.clip(max((array.size for array in filled), default=0) // 4, 6, max_bins))
    bins = np.linspace(min([0.0, *(float(array.min()) for array in filled)]), high, n_bins + 1)
    for position, (group, array) in enumerate(arrays.items()):
        color = color_of(group, position)
        counts = np.histogram(array, bins=bins)[0]
        ax.stairs(counts, bins, fill=True, color=color, alpha=0.22, linewidth=0)
        ax.stairs(
            counts,
            bins,
            color=color,
            linewidth=1.6,
            linestyle=LINES.get(group, "-"),
            baseline=None,
            label=f"{label_of(group)}",
        )
        if array.size:
            ax.plot(
                np.median(array),
                1.03,
                marker="v",
                color=color,
                clip_on=False,
                markersize=6,
                transform=ax.get_xaxis_transform(),
            )
    ax.set_xlim(bins[0], bins[-1])
    ax.set_ylim(0, 1.15 * max(ax.dataLim.ymax, 1.0))
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    ax.set_xlabel(xlabel)
    ax.set_ylabel(f"number of {of}")
    if legend:
        ax.legend(loc="best")
    return ax


@styled
def plot_population_counts(
    counts: Groups,
    n_neurons: int,
    *,
    max_bins: int = 30,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Distribution over frames of the number of neurons that are active together.

    Parameters
    ----------
    counts : mapping of str to array-like of shape (M, T)
        Number of active neurons in each frame.
    n_neurons : int
        Number of neurons.
    max_bins : int, default=30
        Largest number of bins; counts are grouped when more different ones occur.
    legend : bool, default=True
        Whether to draw a legend.
    ax : matplotlib Axes, optional
        Where to draw; the axes of a new figure by default.

    Returns
    -------
    matplotlib Axes
        Share of the frames against the count, the share on a logarithmic axis.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_population_counts
    >>> counts = np.random.default_rng(0).binomial(20, 0.1, size=(10, 64))
    >>> plot_population_counts({"real": counts}, 20).get_yscale()
    'log'
    """
    arrays = read_groups(counts, None, "counts")
    ax = new_axes(ax)
    largest = max(int(array.max()) for array in arrays.values())
    width = -(-(largest + 1) // max_bins)
    edges = np.arange(0, largest + 1 + width, width) - 0.5
    edges = edges if len(edges) > 2 else np.array([-0.5, 0.5, 1.5])
    smallest = 1.0
    for position, (group, array) in enumerate(arrays.items()):
        share = np.histogram(array, bins=edges)[0] / array.size
        smallest = min(smallest, float(share[share > 0].min()))
        middle = (edges[:-1] + edges[1:]) / 2
        visible = np.where(share > 0, share, np.nan)
        ax.plot(
            middle,
            visible,
            color=color_of(group, position),
            linestyle=LINES.get(group, "-"),
            marker="o",
            markersize=3.2,
            linewidth=1.5,
            label=label_of(group),
        )
    ax.set_yscale("log")
    ax.set_ylim(smallest / 2, 1.5)
    ax.set_xlim(edges[0], edges[-1])
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.set_xlabel(f"active neurons in a frame (of {n_neurons})")
    ax.set_ylabel("share of frames" if width == 1 else f"share of frames (bins of {width})")
    if legend:
        ax.legend(loc="best")
    return ax


@styled
def plot_per_neuron(
    values: Groups,
    *,
    quantity: str,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """A number per neuron in the other groups against that in the first.

    Parameters
    ----------
    values : mapping of str to array-like of shape (N,)
        A number per neuron; the first group is the reference on the x axis.
    quantity : str
        Name of the number, with its unit.
    legend : bool, default=True
        Whether to draw a legend.
    ax : matplotlib Axes, optional
        Where to draw; the axes of a new figure by default.

    Returns
    -------
    matplotlib Axes
        Square axes with the line of equality.

    Examples
    --------
    >>> from calgan.plotting import plot_per_neuron
    >>> ax = plot_per_neuron({"real": [0.1, 0.2], "synthetic": [0.1, 0.3]}, quantity="rate (Hz)")
    >>> ax.get_xlabel()
    'real, held-out'
    """
    arrays = read_groups(values, 1, "values")
    ax = new_axes(ax)
    reference_name, *others = arrays
    reference = arrays[reference_name]
    pooled = np.concatenate(list(arrays.values()))
    pooled = pooled[np.isfinite(pooled)]
    low, high = (float(pooled.min()), float(pooled.max())) if pooled.size else (0.0, 1.0)
    low, high = padded(low, high)
    ax.plot([low, high], [low, high], color="#888888", linewidth=0.8)
    # The baseline lies behind, so that the synthetic neurons are never hidden by it.
    for position, group in enumerate(others):
        color = color_of(group, position)
        ax.scatter(
            reference,
            arrays[group],
            s=15,
            facecolors="none" if group == "train" else color,
            edgecolors=color if group == "train" else "white",
            linewidths=0.8 if group == "train" else 0.3,
            label=label_of(group),
            zorder=3 - 0.1 * position,
        )
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.set_title(quantity)
    ax.set_xlabel(label_of(reference_name))
    ax.set_ylabel(" or ".join(label_of(group) for group in others))
    if legend and others:
        ax.legend(loc="upper left", handletextpad=0.2, borderaxespad=0.2)
    return ax
