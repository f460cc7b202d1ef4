"""Displays of single windows and single neurons: traces, heat maps, rasters, firing rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from calgan import metrics
from calgan.data.validation import check_integer
from calgan.plotting._activity import (
    plot_raster,
    plot_rate_histograms,
    plot_traces,
    plot_windows,
)
from calgan.plotting._similarity import correlation_order
from calgan.plotting._style import Groups, spread_neurons
from calgan.plotting.displays._base import ComparisonDisplay, place_panels
from calgan.plotting.displays._comparison import Comparison, check_neurons, pick_windows

_N_TRACES = 6


class TracesDisplay(ComparisonDisplay):
    """Traces of the same neurons in a real and a synthetic window, with inferred spikes.

    Parameters
    ----------
    windows : mapping of str to array-like of shape (M, T, N)
        Windows of each group, in recording units.
    frame_rate : float
        Frames per second (Hz).
    spikes : mapping of str to array-like of shape (M, T, N), default=None
        Spikes of the same windows, drawn as ticks below the traces.
    roi_ids : sequence of length N, default=None
        Names of the neurons; their indices by default.
    units : str, default="a.u."
        Units of the traces.

    Attributes
    ----------
    axes_ : ndarray of Axes
        The panels, row by row (a row a neuron, a column a group), after `plot`.
    figure_ : matplotlib Figure
        The figure they are part of.

    See Also
    --------
    calgan.plotting.plot_traces : What draws them.

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

    def __init__(
        self,
        windows: Groups,
        frame_rate: float,
        *,
        spikes: Groups | None = None,
        roi_ids: Sequence[Any] | None = None,
        units: str = "a.u.",
    ) -> None:
        self.windows = windows
        self.frame_rate = frame_rate
        self.spikes = spikes
        self.roi_ids = roi_ids
        self.units = units

    @classmethod
    def _of(cls, comparison: Comparison) -> Self:
        groups = ("real", "synthetic")
        return cls(
            comparison.shown(comparison.windows, *groups),
            comparison.frame_rate,
            spikes=comparison.shown(comparison.spikes, *groups),
            roi_ids=comparison.roi_ids,
            units=comparison.units,
        )

    def plot(
        self,
        *,
        neurons: Any = None,
        window: int | None = None,
        ax: Axes | None = None,
        figure: FigureBase | None = None,
    ) -> Self:
        """Draw one window of each group.

        Parameters
        ----------
        neurons : int or sequence of int, default=None
            Which neurons, a row each; None takes up to six spread over the real activity.
        window : int, default=None
            Which window of each group; None takes the one with the median number of spikes.
        ax : matplotlib Axes, default=None
            Axes whose place in their figure the panels share.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw otherwise; a new figure by default.

        Returns
        -------
        self : TracesDisplay
            The display, with ``axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            If a neuron or the window is out of range.
        """
        real = np.asarray(self.windows["real"])
        rows = check_neurons(neurons, real.shape[2])
        if rows is None:
            activity = real.std(axis=(0, 1))
            if self.spikes is not None:
                activity = np.asarray(self.spikes["real"]).sum(axis=(0, 1))
            rows = spread_neurons(activity, _N_TRACES)
        shown = pick_windows(self.windows, self.spikes, window)
        spikes = None
        if self.spikes is not None:
            spikes = {group: np.asarray(self.spikes[group])[i] for group, i in shown.items()}
        place = plot_traces(
            {group: np.asarray(self.windows[group])[i] for group, i in shown.items()},
            self.frame_rate,
            spikes=spikes,
            neurons=rows,
            roi_ids=self.roi_ids,
            units=self.units,
            figure=place_panels(ax, figure),
        )
        return self._drawn_in(place, own=ax is None and figure is None)


class WindowsDisplay(ComparisonDisplay):
    """Whole real and synthetic windows as heat maps of neurons by time.

    Parameters
    ----------
    windows : mapping of str to array-like of shape (M, T, N)
        Windows of each group, in recording units.
    frame_rate : float
        Frames per second (Hz).
    order : ndarray of shape (N,), default=None
        Order of the neurons; as they are by default. The constructors below sort them along the
        leading eigenvector of the real correlation matrix.

    Attributes
    ----------
    axes_ : ndarray of Axes
        The heat maps, row by row (a row a group), after `plot`.
    figure_ : matplotlib Figure
        The figure they are part of.

    See Also
    --------
    calgan.plotting.plot_windows : What draws them.

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

    def __init__(
        self,
        windows: Groups,
        frame_rate: float,
        *,
        order: NDArray[np.intp] | None = None,
    ) -> None:
        self.windows = windows
        self.frame_rate = frame_rate
        self.order = order

    @classmethod
    def _of(cls, comparison: Comparison) -> Self:
        windows = comparison.windows
        real = metrics.correlation_matrix(windows.get("train", windows["real"]))
        return cls(
            comparison.shown(windows, "real", "synthetic"),
            comparison.frame_rate,
            order=correlation_order(real),
        )

    def plot(
        self, *, n_shown: int = 4, ax: Axes | None = None, figure: FigureBase | None = None
    ) -> Self:
        """Draw the first windows of each group.

        Parameters
        ----------
        n_shown : int, default=4
            Most windows of each group.
        ax : matplotlib Axes, default=None
            Axes whose place in their figure the panels share.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw otherwise; a new figure by default.

        Returns
        -------
        self : WindowsDisplay
            The display, with ``axes_`` and ``figure_``.
        """
        n_shown = check_integer(n_shown, "n_shown")
        place = plot_windows(
            {group: np.asarray(windows)[:n_shown] for group, windows in self.windows.items()},
            self.frame_rate,
            scale=self.windows["real"],
            order=self.order,
            figure=place_panels(ax, figure),
        )
        return self._drawn_in(place, own=ax is None and figure is None)


class RasterDisplay(ComparisonDisplay):
    """Spike rasters of a real and a synthetic window, with rates over time and per neuron.

    Parameters
    ----------
    spikes : mapping of str to array-like of shape (M, T, N)
        Spikes of the windows of each group.
    frame_rate : float
        Frames per second (Hz).

    Attributes
    ----------
    axes_ : ndarray of Axes
        Raster, rates over time and rates of the neurons of each group, after `plot`.
    figure_ : matplotlib Figure
        The figure they are part of.

    See Also
    --------
    calgan.plotting.plot_raster : What draws them.

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

    def __init__(self, spikes: Groups, frame_rate: float) -> None:
        self.spikes = spikes
        self.frame_rate = frame_rate

    @classmethod
    def _of(cls, comparison: Comparison) -> Self:
        spikes = comparison.shown(comparison.spikes, "real", "synthetic")
        return cls(spikes, comparison.frame_rate)

    def plot(
        self,
        *,
        window: int | None = None,
        ax: Axes | None = None,
        figure: FigureBase | None = None,
    ) -> Self:
        """Draw one window of each group, the neurons sorted by their mean rate over real windows.

        Parameters
        ----------
        window : int, default=None
            Which window of each group; None takes the one with the median number of spikes.
        ax : matplotlib Axes, default=None
            Axes whose place in their figure the panels share.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw otherwise; a new figure by default.

        Returns
        -------
        self : RasterDisplay
            The display, with ``axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            If the window is out of range.
        """
        shown = pick_windows(self.spikes, self.spikes, window)
        rates = np.asarray(self.spikes["real"]).mean(axis=(0, 1))
        place = plot_raster(
            {group: np.asarray(self.spikes[group])[i] for group, i in shown.items()},
            self.frame_rate,
            order=np.argsort(rates, kind="stable"),
            figure=place_panels(ax, figure),
        )
        return self._drawn_in(place, own=ax is None and figure is None)


class FiringRateDisplay(ComparisonDisplay):
    """Distribution over windows of the firing rate of single neurons.

    Parameters
    ----------
    rates : mapping of str to array-like of shape (M, N)
        Firing rate of each window and neuron, in Hz.
    resolution : float, default=None
        Smallest step between two rates in Hz, one over the duration of a window.
    roi_ids : sequence of length N, default=None
        Names of the neurons; their indices by default.

    Attributes
    ----------
    axes_ : ndarray of Axes
        A panel a neuron, after `plot`.
    figure_ : matplotlib Figure
        The figure they are part of.

    See Also
    --------
    calgan.plotting.plot_rate_histograms : What draws them.
    RateScatterDisplay : The mean rates of all neurons.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import FiringRateDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> display = FiringRateDisplay.from_samples(test, synthetic, neurons=2)
    >>> display.rates["synthetic"].shape, display.axes_[0].get_title()
    ((20, 5), 'ROI 2')
    """

    def __init__(
        self,
        rates: Groups,
        *,
        resolution: float | None = None,
        roi_ids: Sequence[Any] | None = None,
    ) -> None:
        self.rates = rates
        self.resolution = resolution
        self.roi_ids = roi_ids

    @classmethod
    def _of(cls, comparison: Comparison) -> Self:
        rate = comparison.frame_rate
        spikes = comparison.shown(comparison.spikes, "real", "synthetic", "train")
        return cls(
            {group: metrics.firing_rate(array, rate) for group, array in spikes.items()},
            resolution=rate / comparison.window,
            roi_ids=comparison.roi_ids,
        )

    def plot(
        self, *, neurons: Any = None, ax: Axes | None = None, figure: FigureBase | None = None
    ) -> Self:
        """Draw a histogram for each of some neurons.

        Parameters
        ----------
        neurons : int or sequence of int, default=None
            Which neurons; None takes up to twelve spread over the real mean rates.
        ax : matplotlib Axes, default=None
            Axes whose place in their figure the panels share.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw otherwise; a new figure by default.

        Returns
        -------
        self : FiringRateDisplay
            The display, with ``axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            If a neuron is out of range.
        """
        place = plot_rate_histograms(
            self.rates,
            neurons=check_neurons(neurons, np.shape(self.rates["real"])[1]),
            roi_ids=self.roi_ids,
            resolution=self.resolution,
            figure=place_panels(ax, figure),
        )
        return self._drawn_in(place, own=ax is None and figure is None)
