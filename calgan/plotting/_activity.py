"""Single windows: traces with spikes, heat maps, rasters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from calgan.data.recording import ARBITRARY
from calgan.data.validation import check_frame_rate, check_integer, check_text
from calgan.metrics.population import pooled_moments
from calgan.plotting._display import ComparisonDisplay
from calgan.plotting.compared_windows import (
    ComparedWindows,
    choose_neurons,
    pick_windows,
    read_order,
)
from calgan.plotting.style import (
    Array,
    Groups,
    color_of,
    label_of,
    padded,
    panels,
    plain,
    read_groups,
    resize,
    roi_names,
)

_SHOWN = ("real", "synthetic", "dichotomized_gaussian")
_N_TRACES = 6
_RASTER_CELLS = 400  # rows or columns of a raster that still are a pixel each


@dataclass(repr=False, eq=False)
class TracesDisplay(ComparisonDisplay):
    """Traces of the same neurons in a window of each group, with inferred spikes.

    Parameters
    ----------
    windows : mapping of str to array-like of shape (M, T, N)
        Windows of each group, in recording units; the first group is the real one.
    frame_rate : float
        Frames per second (Hz).
    spikes : mapping of str to array-like of shape (M, T, N), default=None
        Spikes of the same windows, drawn as ticks below the traces.
    roi_ids : sequence of length N, default=None
        Names of the neurons; their indices by default.
    units : str, default="a.u."
        Units of the traces.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import TracesDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> display = TracesDisplay.from_samples(test, synthetic, neurons=[0, 3], random_state=0)
    >>> display.axes_.size
    4
    """

    windows: Groups
    frame_rate: float
    _: KW_ONLY
    spikes: Groups | None = None
    roi_ids: Sequence[Any] | None = None
    units: str = ARBITRARY

    @classmethod
    def _of(cls, comparison: ComparedWindows) -> Self:
        return cls(
            comparison.of(comparison.windows, _SHOWN),
            comparison.frame_rate,
            spikes=comparison.of(comparison.spikes, _SHOWN),
            roi_ids=comparison.roi_ids,
            units=comparison.units,
        )

    def plot(
        self, *, neurons: Any = None, window: int | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw one window of each group: a row a neuron, a column a group.

        Parameters
        ----------
        neurons : int or sequence of int, default=None
            Which neurons; None takes up to six spread over the real activity.
        window : int, default=None
            Which window of each group; None takes the one with the median number of spikes.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        self : TracesDisplay
            The display, with ``figure_`` and its panels ``axes_``.

        Raises
        ------
        ValueError
            If a neuron or the window is out of range.
        """
        return self._plot(ax, neurons=neurons, window=window)

    def _draw(self, figure: FigureBase, *, neurons: Any, window: int | None) -> None:
        arrays = read_groups(self.windows, 3, "windows", defined=True)
        rate, units = check_frame_rate(self.frame_rate), check_text(self.units, "units", "dF/F")
        spikes = {}
        if self.spikes is not None:
            spikes = read_groups(self.spikes, 3, "spikes", defined=True)
            shapes, own = ({g: x.shape for g, x in each.items()} for each in (arrays, spikes))
            if shapes != own:
                raise ValueError(f"spikes must be of the windows {shapes}, but they are {own}.")
        names = roi_names(self.roi_ids, next(iter(arrays.values())).shape[2])
        first = next(iter(arrays))
        activity = (spikes[first].sum if spikes else arrays[first].std)(axis=(0, 1))
        rows = choose_neurons(neurons, activity, _N_TRACES)
        chosen = pick_windows(arrays, spikes, window)
        traces = {group: arrays[group][i] for group, i in chosen.items()}
        resize(figure, 9.0, 0.7 + 0.95 * len(rows))
        axes = panels(figure, len(rows), len(traces), sharex=True, sharey="row")
        for column, (group, array) in enumerate(traces.items()):
            seconds = np.arange(len(array)) / rate
            for ax, neuron in zip(axes[:, column], rows, strict=True):
                ax.plot(seconds, array[:, neuron], color=color_of(group), linewidth=1.1)
                if group in spikes:
                    times = seconds[spikes[group][chosen[group]][:, neuron] > 0]
                    place = ax.get_xaxis_transform()
                    ax.vlines(times, 0.01, 0.11, transform=place, color="#222222", lw=1.1)
                ax.set_xlim(0, len(array) / rate)
                ax.yaxis.set_major_locator(MaxNLocator(3))
            axes[0, column].set_title(label_of(group), color=color_of(group))
            axes[-1, column].set_xlabel("time in window (s)")
        for ax, neuron in zip(axes[:, 0], rows, strict=True):
            shown = np.concatenate([array[:, neuron] for array in traces.values()])
            low, high = padded(float(shown.min()), float(shown.max()))
            ax.set_ylim(low - 0.17 * (high - low) * bool(spikes), high)
            ax.set_ylabel(f"{names[neuron]}\n({plain(units)})")
        figure.align_ylabels(axes[:, 0])


@dataclass(repr=False, eq=False)
class WindowsDisplay(ComparisonDisplay):
    """Whole windows of each group as heat maps of neurons by time.

    Parameters
    ----------
    windows : mapping of str to array-like of shape (M, T, N)
        Windows of each group, in recording units.
    frame_rate : float
        Frames per second (Hz).
    order : ndarray of shape (N,), default=None
        Order of the neurons; as they are by default. The constructors below sort them along the
        leading eigenvector of the real correlation matrix.
    scale : array-like of shape (K, T, N), default=None
        Windows whose mean and standard deviation, neuron by neuron, set the colour scale; those of
        the first group by default.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import WindowsDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> WindowsDisplay.from_samples(test, synthetic, n_shown=3).axes_.size
    6
    """

    windows: Groups
    frame_rate: float
    _: KW_ONLY
    order: ArrayLike | None = None
    scale: ArrayLike | None = None

    @classmethod
    def _of(cls, comparison: ComparedWindows) -> Self:
        windows = comparison.of(comparison.windows, _SHOWN)
        return cls(windows, comparison.frame_rate, order=comparison.order)

    def plot(self, *, n_shown: int = 4, ax: Axes | None = None) -> Self:
        """Draw the first windows of each group, a row a group, on one colour scale.

        Parameters
        ----------
        n_shown : int, default=4
            Most windows of each group.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        self : WindowsDisplay
            The display, with ``figure_`` and its panels ``axes_``.
        """
        return self._plot(ax, n_shown=check_integer(n_shown, "n_shown"))

    def _draw(self, figure: FigureBase, *, n_shown: int) -> None:
        arrays = read_groups(self.windows, 3, "windows", defined=True)
        rate = check_frame_rate(self.frame_rate)
        reference = next(iter(arrays.values()))
        if self.scale is not None:
            known = read_groups(
                {"windows": reference, "scale": self.scale}, 3, "display", defined=True
            )
            reference = known["scale"]
        mean, deviation = pooled_moments(reference)
        deviation = np.where(deviation > 0, deviation, 1.0)
        # A million values tell the end of the colour scale as well as all of them.
        frames = reference.reshape(-1, len(mean))[:: max(reference.size // 1_000_000, 1)]
        limit = max(float(np.percentile((frames - mean) / deviation, 99.5)), 1.0)
        order = np.arange(len(mean)) if self.order is None else read_order(self.order, len(mean))
        n_columns = min(max(map(len, arrays.values())), n_shown)
        resize(figure, 9.0, 0.6 + 1.9 * len(arrays))
        axes = panels(figure, len(arrays), n_columns, sharex=True, sharey=True)
        for row, (group, array) in zip(axes, arrays.items(), strict=True):
            for ax in row[len(array) :]:
                ax.set_visible(False)
            for number, (ax, window) in enumerate(zip(row, array, strict=False), start=1):
                image = ax.imshow(
                    ((window - mean) / deviation)[:, order].T,
                    aspect="auto",
                    origin="lower",
                    interpolation="nearest",
                    cmap="magma",
                    vmin=-1.0,
                    vmax=limit,
                    extent=(0, len(window) / rate, 0.5, len(mean) + 0.5),
                )
                ax.set_title(f"{label_of(group)} {number}", color=color_of(group), fontsize=8)
                ax.yaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
            row[0].set_ylabel("neuron, sorted")
        for ax in axes[-1]:
            ax.set_xlabel("time (s)")
        bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=30, extend="both")
        bar.set_label("trace (s.d. of the neuron)")


@dataclass(repr=False, eq=False)
class RasterDisplay(ComparisonDisplay):
    """Spike rasters of a real and a synthetic window, with rates over time and per neuron.

    Parameters
    ----------
    spikes : mapping of str to array-like of shape (M, T, N)
        Spikes of the windows of each group; the first group is the real one.
    frame_rate : float
        Frames per second (Hz).

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import RasterDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> RasterDisplay.from_samples(test, synthetic, random_state=0).axes_.size
    6
    """

    spikes: Groups
    frame_rate: float

    @classmethod
    def _of(cls, comparison: ComparedWindows) -> Self:
        return cls(comparison.of(comparison.spikes, _SHOWN[:2]), comparison.frame_rate)

    def plot(self, *, window: int | None = None, ax: Axes | None = None) -> Self:
        """Draw one window of each group, the neurons sorted by their mean rate over real windows.

        Parameters
        ----------
        window : int, default=None
            Which window of each group; None takes the one with the median number of spikes.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        self : RasterDisplay
            The display, with ``figure_`` and ``axes_``: raster, rates over time and rates of the
            neurons of each group.

        Raises
        ------
        ValueError
            If the window is out of range.
        """
        return self._plot(ax, window=window)

    def _draw(self, figure: FigureBase, *, window: int | None) -> None:
        spikes = read_groups(self.spikes, 3, "spikes", defined=True)
        rate = check_frame_rate(self.frame_rate)
        chosen = pick_windows(spikes, spikes, window)
        active = {group: spikes[group][i] > 0 for group, i in chosen.items()}
        rates = next(iter(spikes.values())).mean(axis=(0, 1))
        order, n_neurons = np.argsort(rates, kind="stable"), len(rates)
        highest = [
            max(float(array.mean(axis=axis).max()) for array in active.values()) * rate
            for axis in (1, 0)
        ]
        resize(figure, 4.5 * max(len(active), 1.2), 5.2)
        grid = figure.add_gridspec(
            2, 2 * len(active), width_ratios=(4, 1.1) * len(active), height_ratios=(1, 4)
        )
        for column, (group, array) in enumerate(active.items()):
            color, edges = color_of(group), np.arange(len(array) + 1) / rate
            raster = figure.add_subplot(grid[1, 2 * column])
            top = figure.add_subplot(grid[0, 2 * column], sharex=raster)
            right = figure.add_subplot(grid[1, 2 * column + 1], sharey=raster)
            raster.imshow(
                _pooled(array[:, order].T),
                aspect="auto",
                origin="lower",
                interpolation="nearest",
                cmap=ListedColormap(["white", color]),
                vmin=0,
                vmax=1,
                extent=(0, edges[-1], 0.5, n_neurons + 0.5),
            )
            raster.set(xlabel="time in window (s)", ylabel="neuron, sorted")
            raster.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
            top.stairs(array.mean(axis=1) * rate, edges, fill=True, color=color)
            top.set(ylim=(0, 1.08 * highest[0] or 1.0), ylabel="mean rate\n(Hz)")
            top.set_title(label_of(group), color=color)
            top.tick_params(labelbottom=False)
            top.yaxis.set_major_locator(MaxNLocator(3))
            in_window = array.mean(axis=0)[order] * rate
            rows = np.arange(n_neurons + 1) + 0.5
            right.stairs(in_window, rows, orientation="horizontal", fill=True, color=color)
            right.set(xlim=(0, 1.08 * highest[1] or 1.0), xlabel="rate (Hz)")
            right.tick_params(labelleft=False)
            right.xaxis.set_major_locator(MaxNLocator(2))


def _pooled(active: Array) -> Array:
    """Activity (rows, columns) in so few cells that no spike falls between two pixels."""
    for axis, size in enumerate(active.shape):
        step = -(-size // _RASTER_CELLS)
        active = np.logical_or.reduceat(active, np.arange(0, size, step), axis=axis)
    return active
