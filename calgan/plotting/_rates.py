"""Firing rates: distributions over windows, means of all neurons, active neurons per frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator

from calgan import metrics
from calgan.data.validation import check_integer, check_real
from calgan.plotting._display import ComparisonDisplay
from calgan.plotting.compared_windows import WITH_CONTROLS, ComparedWindows, choose_neurons
from calgan.plotting.style import (
    Array,
    Groups,
    draw_neurons,
    draw_steps,
    figure_legend,
    line_of,
    log_scale,
    panels,
    read_groups,
    resize,
    rms,
    roi_names,
)

_N_NEURONS = 12
_MAX_RATE_BINS, _MAX_COUNT_BINS = 14, 30


@dataclass(repr=False, eq=False)
class FiringRateDisplay(ComparisonDisplay):
    """Distribution over windows of the firing rate of single neurons.

    Parameters
    ----------
    rates : mapping of str to array-like of shape (M, N)
        Firing rate of each window and neuron, in Hz; the first group is the real one.
    resolution : float, default=None
        Smallest step between two rates in Hz, one over the duration of a window. Bins are then
        whole multiples of it, so that none is empty for lack of a possible value.
    roi_ids : sequence of length N, default=None
        Names of the neurons; their indices by default.

    See Also
    --------
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

    rates: Groups
    _: KW_ONLY
    resolution: float | None = None
    roi_ids: Sequence[Any] | None = None

    @classmethod
    def _of(cls, comparison: ComparedWindows) -> Self:
        return cls(
            comparison.rates,
            resolution=comparison.frame_rate / comparison.window,
            roi_ids=comparison.roi_ids,
        )

    def plot(self, *, neurons: Any = None, ax: Axes | None = None) -> Self:
        """Draw a histogram for each of some neurons.

        Parameters
        ----------
        neurons : int or sequence of int, default=None
            Which neurons; None takes up to twelve spread over the real mean rates.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        self : FiringRateDisplay
            The display, with ``figure_`` and its panels ``axes_``.

        Raises
        ------
        ValueError
            If a neuron is out of range.
        """
        return self._plot(ax, neurons=neurons)

    def _draw(self, figure: FigureBase, *, neurons: Any) -> None:
        arrays = read_groups(self.rates, 2, "rates", defined=True, least=0)
        first = next(iter(arrays.values()))
        chosen = choose_neurons(neurons, first.mean(axis=0), _N_NEURONS)
        names = roi_names(self.roi_ids, first.shape[1])
        n_columns = 3 if len(chosen) in (5, 6) else min(4, len(chosen))
        n_rows = -(-len(chosen) // n_columns)
        resize(figure, max(2.25 * n_columns, 5.0), 0.8 + 1.6 * n_rows)
        axes = panels(figure, n_rows, n_columns, sharey=True)
        for ax in axes.flat[len(chosen) :]:
            ax.remove()
        for ax, neuron in zip(axes.flat, chosen, strict=False):
            edges = self._edges(max(float(array[:, neuron].max()) for array in arrays.values()))
            for position, (group, array) in enumerate(arrays.items()):
                counts = np.histogram(array[:, neuron], bins=edges)[0]
                draw_steps(ax, counts / len(array), edges, group, position)
            ax.set_title(names[neuron], fontsize=9)
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.set_xlim(edges[0], edges[-1])
        for ax in axes.flat[max(len(chosen) - n_columns, 0) : len(chosen)]:
            ax.set_xlabel("firing rate (Hz)")
        for ax in axes[:, 0]:
            ax.set_ylabel("share of windows")
        axes[0, 0].set_ylim(0, None)
        figure_legend(figure, axes[0, 0])

    def _edges(self, largest: float) -> Array:
        """Bin edges from 0 to the largest rate; whole numbers of `resolution` wide when given."""
        if self.resolution is None:
            return np.linspace(0, largest or 1.0, _MAX_RATE_BINS + 1)
        resolution = check_real("resolution", self.resolution, above=0)
        n_levels = round(largest / resolution) + 1
        width = -(-n_levels // _MAX_RATE_BINS)
        n_bins = max(-(-n_levels // width), 2)
        return np.asarray((np.arange(n_bins + 1) * width - 0.5) * resolution)


@dataclass(repr=False, eq=False)
class RateScatterDisplay(ComparisonDisplay):
    """Mean firing rate of every neuron, synthetic against real, with the RMSE in Hz.

    Parameters
    ----------
    mean_rates : mapping of str to array-like of shape (N,)
        Mean firing rate of each neuron over all windows, in Hz; "real" is on the x axis.

    See Also
    --------
    FiringRateDisplay : The distributions of single neurons' rates over windows.

    Examples
    --------
    >>> from calgan.plotting import RateScatterDisplay
    >>> display = RateScatterDisplay({"real": [0.2, 0.6], "synthetic": [0.3, 0.5]}).plot()
    >>> round(display.rmse["synthetic"], 3)
    0.1
    """

    mean_rates: Groups
    _one_panel: ClassVar[bool] = True

    @classmethod
    def _of(cls, comparison: ComparedWindows) -> Self:
        return cls({group: rates.mean(axis=0) for group, rates in comparison.rates.items()})

    @property
    def rmse(self) -> dict[str, float]:
        """Root mean square difference of each group's mean rates from the real ones, in Hz."""
        rates = read_groups(self.mean_rates, 1, "mean_rates")
        if "real" not in rates:
            raise ValueError('mean_rates must hold "real".')
        real = rates.pop("real")
        return {group: rms(values - real) for group, values in rates.items()}

    def _draw(self, ax: Axes) -> None:
        draw_neurons(ax, self.mean_rates, "mean firing rate", "Hz", what="mean_rates")


@dataclass(repr=False, eq=False)
class PopulationCountDisplay(ComparisonDisplay):
    """Distribution over frames of the number of neurons that are active together.

    Parameters
    ----------
    counts : mapping of str to array-like of shape (M, T)
        Number of active neurons in each frame.
    n_neurons : int
        Number of neurons.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import PopulationCountDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> PopulationCountDisplay.from_samples(test, synthetic).counts["real"].shape
    (20, 64)
    """

    counts: Groups
    n_neurons: int
    _one_panel: ClassVar[bool] = True

    @classmethod
    def _of(cls, comparison: ComparedWindows) -> Self:
        spikes = comparison.of(comparison.spikes, WITH_CONTROLS)
        counts = {group: metrics.population_count(array) for group, array in spikes.items()}
        return cls(counts, comparison.n_neurons)

    def _draw(self, ax: Axes) -> None:
        arrays = read_groups(self.counts, 2, "counts", shared=None, defined=True, least=0)
        n_neurons = check_integer(self.n_neurons, "n_neurons")
        largest = max(int(array.max()) for array in arrays.values())
        if largest > n_neurons:
            raise ValueError(f"counts hold {largest}, but n_neurons={n_neurons}.")
        width = -(-(largest + 1) // _MAX_COUNT_BINS)
        edges = np.arange(0, max(largest + 1 + width, 3 * width), width) - 0.5
        smallest = 1.0
        for position, (group, array) in enumerate(arrays.items()):
            share = np.histogram(array, bins=edges)[0] / array.size
            smallest = min(smallest, float(share[share > 0].min()))
            ax.plot(
                (edges[:-1] + edges[1:]) / 2,
                np.where(share > 0, share, np.nan),
                marker="o",
                markersize=3.2,
                linewidth=1.5,
                **line_of(group, position),
            )
        ax.set(ylim=(smallest / 2, 1.5), xlim=(edges[0], edges[-1]))
        log_scale(ax)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        ax.set_xlabel(f"active neurons in a frame (of {n_neurons})")
        ax.set_ylabel("share of frames" if width == 1 else f"share of frames (bins of {width})")
        ax.legend(loc="best")
