"""Single windows and single neurons: traces, heat maps, rasters, rate histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from calgan.plotting._style import (
    Groups,
    color_of,
    figure_legend,
    label_of,
    new_figure,
    padded,
    read_groups,
    roi_names,
    spread_neurons,
    step_histogram,
    styled,
)


@styled
def plot_traces(
    traces: Groups,
    frame_rate: float,
    *,
    spikes: Groups | None = None,
    neurons: Sequence[int] | NDArray[np.intp] | None = None,
    roi_ids: Sequence[Any] | NDArray[Any] | None = None,
    units: str = "dF/F",
    figure: Figure | None = None,
) -> Figure:
    """Traces of the same neurons in one window of each group, side by side, with spike ticks.

    Parameters
    ----------
    traces : mapping of str to array-like of shape (T, N)
        One window of each group, in recording units; one column each.
    frame_rate : float
        Frames per second, in Hz.
    spikes : mapping of str to array-like of shape (T, N), optional
        Inferred spikes of the same windows, drawn as ticks below the traces.
    neurons : sequence of int, optional
        Which neurons, one row each; by default up to six spread over the standard deviations
        of the first group.
    roi_ids : sequence of length N, optional
        Names of the neurons; their indices by default.
    units : str, default="dF/F"
        Units of the traces.
    figure : matplotlib Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Figure
        One row a neuron, with one y scale a row.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_traces
    >>> rng = np.random.default_rng(0)
    >>> windows = {"real": rng.normal(size=(64, 3)), "synthetic": rng.normal(size=(64, 3))}
    >>> len(plot_traces(windows, frame_rate=10.0).axes)
    6
    """
    arrays = read_groups(traces, 2, "traces")
    events = {} if spikes is None else read_groups(spikes, 2, "spikes")
    first = next(iter(arrays.values()))
    rows = spread_neurons(first.std(axis=0), 6) if neurons is None else np.asarray(neurons)
    names = roi_names(roi_ids, first.shape[1])
    figure = new_figure(9.0, 0.7 + 0.95 * len(rows)) if figure is None else figure
    axes = figure.subplots(len(rows), len(arrays), sharex=True, sharey="row", squeeze=False)
    for column, (group, array) in enumerate(arrays.items()):
        seconds = np.arange(len(array)) / frame_rate
        for row, neuron in enumerate(rows):
            ax = axes[row, column]
            ax.plot(seconds, array[:, neuron], color=color_of(group), linewidth=1.1)
            if group in events:
                times = seconds[np.asarray(events[group])[:, neuron] > 0]
                ax.vlines(
                    times, 0.01, 0.11, transform=ax.get_xaxis_transform(), color="#222222", lw=1.1
                )
            ax.set_xlim(0, len(first) / frame_rate)
            ax.yaxis.set_major_locator(MaxNLocator(3))
        axes[0, column].set_title(label_of(group), color=color_of(group))
        axes[-1, column].set_xlabel("time in window (s)")
    for row, neuron in enumerate(rows):
        low = min(array[:, neuron].min() for array in arrays.values())
        high = max(array[:, neuron].max() for array in arrays.values())
        low, high = padded(float(low), float(high))
        axes[row, 0].set_ylim(low - 0.17 * (high - low) * bool(events), high)
        axes[row, 0].set_ylabel(f"{names[neuron]}\n({units})")
    figure.align_ylabels(axes[:, 0])
    return figure


@styled
def plot_windows(
    windows: Groups,
    frame_rate: float,
    *,
    scale: ArrayLike | None = None,
    order: Sequence[int] | NDArray[np.intp] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Whole windows as heat maps (neurons by time), one row a group, on one colour scale.

    Parameters
    ----------
    windows : mapping of str to array-like of shape (m, T, N)
        A few windows of each group; one panel each.
    frame_rate : float
        Frames per second, in Hz.
    scale : array-like of shape (M, T, N), optional
        Windows whose mean and standard deviation, neuron by neuron, set the colour scale; those
        of the first group by default.
    order : sequence of int, optional
        Order of the neurons from bottom to top, the same in all panels.
    figure : matplotlib Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Figure
        A grid of heat maps with one colour bar.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_windows
    >>> windows = np.random.default_rng(0).normal(size=(2, 16, 3))
    >>> len(plot_windows({"real": windows, "synthetic": windows}, frame_rate=10.0).axes)
    5
    """
    arrays = read_groups(windows, 3, "windows")
    first = next(iter(arrays.values()))
    n_columns = max(len(array) for array in arrays.values())
    reference = first if scale is None else np.asarray(scale)
    mean, deviation = reference.mean(axis=(0, 1)), reference.std(axis=(0, 1))
    deviation = np.where(deviation > 0, deviation, 1.0)
    standardised = {group: (array - mean) / deviation for group, array in arrays.items()}
    neurons = np.arange(first.shape[2]) if order is None else np.asarray(order)
    limit = max(float(np.percentile((reference - mean) / deviation, 99.5)), 1.0)
    figure = new_figure(9.0, 0.6 + 1.9 * len(arrays)) if figure is None else figure
    axes = figure.subplots(len(arrays), n_columns, sharex=True, sharey=True, squeeze=False)
    image = None
    for row, (group, array) in enumerate(standardised.items()):
        for column in range(n_columns):
            ax = axes[row, column]
            if column >= len(array):
                ax.set_visible(False)
                continue
            image = ax.imshow(
                array[column][:, neurons].T,
                aspect="auto",
                origin="lower",
                interpolation="nearest",
                cmap="magma",
                vmin=-1.0,
                vmax=limit,
                extent=(0, array.shape[1] / frame_rate, 0.5, array.shape[2] + 0.5),
            )
            ax.set_title(f"{label_of(group)} {column + 1}", color=color_of(group), fontsize=9)
            ax.yaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
            if row == len(arrays) - 1:
                ax.set_xlabel("time (s)")
        axes[row, 0].set_ylabel("neuron, sorted")
    assert image is not None
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=30, extend="both")
    bar.set_label("trace (s.d. of the neuron)")
    return figure


@styled
def plot_raster(
    spikes: Groups,
    frame_rate: float,
    *,
    order: Sequence[int] | NDArray[np.intp] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Spike rasters of one window of each group, with the rates over time and per neuron.

    Parameters
    ----------
    spikes : mapping of str to array-like of shape (T, N)
        Spikes of one window of each group; a frame counts as active when its value is positive.
    frame_rate : float
        Frames per second, in Hz.
    order : sequence of int, optional
        Order of the neurons from bottom to top, the same in all panels; by default that of the
        first group's rates.
    figure : matplotlib Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Figure
        A raster a group, with the mean rate of the neurons over time above it and the rate of
        each neuron at its right, on common scales.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_raster
    >>> spikes = np.random.default_rng(0).random((64, 5)) < 0.1
    >>> len(plot_raster({"real": spikes}, frame_rate=10.0).axes)
    3
    """
    arrays = {
        group: np.asarray(array) > 0 for group, array in read_groups(spikes, 2, "spikes").items()
    }
    first = next(iter(arrays.values()))
    n_frames, n_neurons = first.shape
    neurons = np.argsort(first.mean(axis=0), kind="stable") if order is None else np.asarray(order)
    top_limit = max(array.mean(axis=1).max() for array in arrays.values()) * frame_rate
    right_limit = max(array.mean(axis=0).max() for array in arrays.values()) * frame_rate
    figure = new_figure(4.5 * max(len(arrays), 1.2), 5.2) if figure is None else figure
    grid = figure.add_gridspec(
        2, 2 * len(arrays), width_ratios=(4, 1.1) * len(arrays), height_ratios=(1, 4)
    )
    for position, (group, array) in enumerate(arrays.items()):
        color = color_of(group)
        raster = figure.add_subplot(grid[1, 2 * position])
        top = figure.add_subplot(grid[0, 2 * position], sharex=raster)
        right = figure.add_subplot(grid[1, 2 * position + 1], sharey=raster)
        frames, rows = np.nonzero(array[:, neurons])
        middle = (frames + 0.5) / frame_rate
        raster.vlines(middle, rows + 0.55, rows + 1.45, color=color, linewidth=1.2)
        raster.set_xlim(0, n_frames / frame_rate)
        raster.set_ylim(0.3, n_neurons + 0.7)
        raster.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        raster.set_xlabel("time in window (s)")
        raster.set_ylabel("neuron, sorted")
        top.stairs(
            array.mean(axis=1) * frame_rate,
            np.arange(n_frames + 1) / frame_rate,
            fill=True,
            color=color,
        )
        top.set_ylim(0, 1.08 * top_limit or 1.0)
        top.set_ylabel("mean rate\n(Hz)")
        top.tick_params(labelbottom=False)
        top.yaxis.set_major_locator(MaxNLocator(3))
        top.set_title(label_of(group), color=color)
        right.barh(
            np.arange(1, n_neurons + 1),
            array.mean(axis=0)[neurons] * frame_rate,
            height=1.0,
            color=color,
        )
        right.set_xlim(0, 1.08 * right_limit or 1.0)
        right.set_xlabel("rate (Hz)")
        right.tick_params(labelleft=False)
        right.xaxis.set_major_locator(MaxNLocator(2))
    return figure


def _rate_edges(values: NDArray[Any], resolution: float | None, max_bins: int) -> NDArray[Any]:
    """Bin edges from 0 to the largest rate; whole numbers of `resolution` wide when given."""
    largest = float(values.max()) if values.size else 0.0
    if resolution is None:
        return np.linspace(0, largest or 1.0, max_bins + 1)
    n_levels = round(largest / resolution) + 1
    width = -(-n_levels // max_bins)
    n_bins = max(-(-n_levels // width), 2)
    return (np.arange(n_bins + 1) * width - 0.5) * resolution


@styled
def plot_rate_histograms(
    rates: Groups,
    *,
    neurons: Sequence[int] | NDArray[np.intp] | None = None,
    roi_ids: Sequence[Any] | NDArray[Any] | None = None,
    resolution: float | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Histograms over windows of the firing rate of single neurons, a panel each.

    Parameters
    ----------
    rates : mapping of str to array-like of shape (M, N)
        Firing rate of each window and neuron, in Hz; the number of windows may differ.
    neurons : sequence of int, optional
        Which neurons; by default up to twelve spread over the mean rates of the first group.
    roi_ids : sequence of length N, optional
        Names of the neurons; their indices by default.
    resolution : float, optional
        Smallest step between two rates in Hz, one over the duration of a window. Bins are then
        whole multiples of it, so that none of them is empty for lack of a possible value.
    figure : matplotlib Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Figure
        A grid of panels with a common y scale.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_rate_histograms
    >>> rates = np.random.default_rng(0).poisson(3.0, size=(40, 5)) / 10.0
    >>> len(plot_rate_histograms({"real": rates, "synthetic": rates}, resolution=0.1).axes)
    5
    """
    arrays = read_groups(rates, 2, "rates")
    first = next(iter(arrays.values()))
    chosen = spread_neurons(first.mean(axis=0), 12) if neurons is None else np.asarray(neurons)
    names = roi_names(roi_ids, first.shape[1])
    n_columns = 3 if len(chosen) in (5, 6) else min(4, len(chosen))
    n_rows = -(-len(chosen) // n_columns)
    if figure is None:
        figure = new_figure(max(2.25 * n_columns, 5.0), 0.8 + 1.6 * n_rows)
    axes = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
    for ax in axes.flat[len(chosen) :]:
        ax.remove()
    for position, neuron in enumerate(chosen):
        ax = axes.flat[position]
        pooled = np.concatenate([array[:, neuron] for array in arrays.values()])
        edges = _rate_edges(pooled, resolution, max_bins=14)
        for index, (group, array) in enumerate(arrays.items()):
            step_histogram(ax, array[:, neuron], edges, group, index, fraction=True)
        ax.set_title(names[neuron], fontsize=9)
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.set_xlim(edges[0], edges[-1])
        if position + n_columns >= len(chosen):
            ax.set_xlabel("firing rate (Hz)")
        if position % n_columns == 0:
            ax.set_ylabel("share of windows")
    axes[0, 0].set_ylim(0, None)
    figure_legend(figure, axes[0, 0])
    return figure
