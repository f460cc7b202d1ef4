"""Displays of real against synthetic: scatters of neurons and of pairs, and matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from calgan import metrics
from calgan.plotting._distributions import plot_per_neuron
from calgan.plotting._similarity import (
    _pearson,
    correlation_order,
    plot_correlation_agreement,
    plot_correlation_matrices,
    plot_van_rossum_heatmaps,
)
from calgan.plotting._style import Groups, label_of, roi_names, spread_neurons, styled
from calgan.plotting.displays._base import ComparisonDisplay, place_panels
from calgan.plotting.displays._comparison import Comparison, check_neurons

_ALL = ("real", "synthetic", "train", "shuffled", "dichotomized_gaussian")
# Real beside real, so that the eye sees what to expect.
_MATRICES = ("real", "train", "synthetic", "shuffled", "dichotomized_gaussian")
_N_HEATMAP_WINDOWS = 50
_N_HEATMAP_NEURONS = 4

Array = NDArray[Any]


class RateScatterDisplay(ComparisonDisplay):
    """Mean firing rate of every neuron, synthetic against real, with the RMSE in Hz.

    Parameters
    ----------
    mean_rates : mapping of str to array-like of shape (N,)
        Mean firing rate of each neuron over all windows, in Hz; "real" is on the x axis.

    Attributes
    ----------
    rmse : dict of str to float
        Root mean square difference of each group's mean rates from the real ones, in Hz.
    ax_ : matplotlib Axes
        Where it was drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure that is part of.

    See Also
    --------
    calgan.plotting.plot_per_neuron : What draws it.
    FiringRateDisplay : The distributions of single neurons' rates over windows.

    Examples
    --------
    >>> from calgan.plotting import RateScatterDisplay
    >>> display = RateScatterDisplay({"real": [0.2, 0.6], "synthetic": [0.3, 0.5]}).plot()
    >>> round(display.rmse["synthetic"], 3)
    0.1
    """

    def __init__(self, mean_rates: Groups) -> None:
        self.mean_rates = mean_rates

    @classmethod
    def _of(cls, comparison: Comparison) -> Self:
        rate = comparison.frame_rate
        spikes = comparison.shown(comparison.spikes, "real", "synthetic", "train")
        return cls(
            {g: metrics.firing_rate(array, rate).mean(axis=0) for g, array in spikes.items()}
        )

    @property
    def rmse(self) -> dict[str, float]:
        """Root mean square difference of each group's mean rates from the real ones, in Hz."""
        rates = {group: np.asarray(values) for group, values in self.mean_rates.items()}
        return {
            group: float(np.sqrt(np.mean((values - rates["real"]) ** 2)))
            for group, values in rates.items()
            if group != "real"
        }

    @styled
    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw one point a neuron, and the line of equality.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; the axes of a new figure by default.

        Returns
        -------
        self : RateScatterDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        n_before = 0 if ax is None else len(ax.collections)  # the caller's own points
        drawn = plot_per_neuron(
            self.mean_rates, quantity="mean firing rate (Hz)", legend=False, ax=ax
        )
        mine = list(drawn.collections)[n_before:]
        for points, (group, rmse) in zip(mine, self.rmse.items(), strict=True):
            points.set_label(f"{label_of(group)}: RMSE {rmse:.2g} Hz")
        drawn.legend(loc="best", handletextpad=0.2)
        return self._drawn_on(drawn, ax)


class _PairScatterDisplay(ComparisonDisplay):
    """A number for every pair of neurons in each group against that in the real windows."""

    _symbol = "r"

    def __init__(self, matrices: Groups, *, of: str) -> None:
        self.matrices = matrices
        self.of = of

    @classmethod
    def _matrices(cls, comparison: Comparison, of: str) -> dict[str, Array]:
        comparison.need_pairs(cls.__name__)
        binned = comparison.shown(_values(comparison, of), *_ALL)
        return {group: metrics.correlation_matrix(array) for group, array in binned.items()}

    @property
    def r(self) -> dict[str, float]:
        """Pearson correlation over pairs of each group's values with the real ones."""
        real, others = self._pairs()
        return {group: _pearson(real, values) for group, values in others.items()}

    @property
    def rmse(self) -> dict[str, float]:
        """Root mean square difference over pairs of each group's values from the real ones."""
        real, others = self._pairs()
        return {g: float(np.sqrt(np.mean((values - real) ** 2))) for g, values in others.items()}

    def _pairs(self) -> tuple[Array, dict[str, Array]]:
        arrays = {group: np.asarray(matrix) for group, matrix in self.matrices.items()}
        pairs = np.triu_indices(len(arrays["real"]), 1)
        values = {group: array[pairs] for group, array in arrays.items()}
        return values.pop("real"), values

    @styled
    def plot(self, *, ax: Axes | None = None, figure: FigureBase | None = None) -> Self:
        """Draw one point a pair of neurons, a panel for each group but the real one.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes whose place in their figure the panels share.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw otherwise; a new figure by default.

        Returns
        -------
        self : Display
            The display, with ``axes_`` and ``figure_``.
        """
        place = plot_correlation_agreement(self.matrices, figure=place_panels(ax, figure))
        self._drawn_in(place, own=ax is None and figure is None)
        for panel in self.axes_:
            panel.set_xlabel(f"{self._symbol} of {self.of} ({label_of('real')})")
        self.axes_[0].set_ylabel(f"{self._symbol} of the same pair")
        return self


class CorrelationScatterDisplay(_PairScatterDisplay):
    """Correlation of every pair of neurons, synthetic against real.

    Parameters
    ----------
    matrices : mapping of str to array-like of shape (N, N)
        Correlation matrix of each group, pooled over windows and frames; "real" is on the x axis.
    of : {"traces", "spikes"}, default="traces"
        What is correlated: traces, or spikes in half-second bins. The constructors take it, too.

    Attributes
    ----------
    r : dict of str to float
        Pearson correlation over pairs of each group's correlations with the real ones.
    rmse : dict of str to float
        Their root mean square difference.
    axes_ : ndarray of Axes
        A panel a group, after `plot`.
    figure_ : matplotlib Figure
        The figure they are part of.

    See Also
    --------
    calgan.plotting.plot_correlation_agreement : What draws it.
    CorrelationMatrixDisplay : The matrices themselves.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import CorrelationScatterDisplay
    >>> process = make_process(n_neurons=6, random_state=0)
    >>> test, _ = process.sample_recording(120.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(50, 64, random_state=2)
    >>> display = CorrelationScatterDisplay.from_samples(test, synthetic, random_state=0)
    >>> display.r["synthetic"] > 0.5
    True
    """

    def __init__(self, matrices: Groups, *, of: str = "traces") -> None:
        super().__init__(matrices, of=of)

    @classmethod
    def _of(cls, comparison: Comparison, *, of: str = "traces") -> Self:
        return cls(cls._matrices(comparison, of), of=of)


class CovarianceScatterDisplay(_PairScatterDisplay):
    """Covariance of every pair of neurons, synthetic against real.

    Parameters
    ----------
    matrices : mapping of str to array-like of shape (N, N)
        Covariance matrix of each group, pooled over windows and frames; "real" is on the x axis.
    of : {"spikes", "traces"}, default="spikes"
        What varies together: spikes in half-second bins, or traces. The constructors take it, too.

    Attributes
    ----------
    r : dict of str to float
        Pearson correlation over pairs of each group's covariances with the real ones.
    rmse : dict of str to float
        Their root mean square difference, in squared spikes a bin or squared units of the traces.
    axes_ : ndarray of Axes
        A panel a group, after `plot`.
    figure_ : matplotlib Figure
        The figure they are part of.

    See Also
    --------
    CorrelationScatterDisplay : The same, free of the size of the fluctuations.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import CovarianceScatterDisplay
    >>> process = make_process(n_neurons=6, random_state=0)
    >>> test, _ = process.sample_recording(120.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(50, 64, random_state=2)
    >>> display = CovarianceScatterDisplay.from_samples(test, synthetic, of="traces")
    >>> display.matrices["real"].shape
    (6, 6)
    """

    _symbol = "covariance"

    def __init__(self, matrices: Groups, *, of: str = "spikes") -> None:
        super().__init__(matrices, of=of)

    @classmethod
    def _of(cls, comparison: Comparison, *, of: str = "spikes") -> Self:
        comparison.need_pairs(cls.__name__)
        values = comparison.shown(_values(comparison, of), *_ALL)
        return cls({group: _covariance(array) for group, array in values.items()}, of=of)


class CorrelationMatrixDisplay(ComparisonDisplay):
    """Correlation matrices side by side, the neurons in one order.

    Parameters
    ----------
    matrices : mapping of str to array-like of shape (N, N)
        Correlation matrix of each group, pooled over windows and frames.
    order : ndarray of shape (N,), default=None
        Order of the neurons in every panel; by default along the leading eigenvector of the first
        matrix (the constructors take the training one where there is one).

    Attributes
    ----------
    axes_ : ndarray of Axes
        A panel a group, after `plot`.
    figure_ : matplotlib Figure
        The figure they are part of.

    See Also
    --------
    calgan.plotting.plot_correlation_matrices : What draws it.
    CorrelationScatterDisplay : The same numbers, pair by pair.

    Notes
    -----
    The constructors take ``of="traces"`` (the default) or ``of="spikes"`` (in half-second bins).

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import CorrelationMatrixDisplay
    >>> process = make_process(n_neurons=6, random_state=0)
    >>> test, _ = process.sample_recording(120.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(50, 64, random_state=2)
    >>> CorrelationMatrixDisplay.from_samples(test, synthetic).axes_.size
    2
    """

    def __init__(self, matrices: Groups, *, order: NDArray[np.intp] | None = None) -> None:
        self.matrices = matrices
        self.order = order

    @classmethod
    def _of(cls, comparison: Comparison, *, of: str = "traces") -> Self:
        comparison.need_pairs(cls.__name__)
        values = comparison.shown(_values(comparison, of), *_MATRICES)
        matrices = {group: metrics.correlation_matrix(array) for group, array in values.items()}
        return cls(matrices, order=correlation_order(matrices.get("train", matrices["real"])))

    def plot(self, *, ax: Axes | None = None, figure: FigureBase | None = None) -> Self:
        """Draw the matrices on one colour scale.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes whose place in their figure the panels share.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw otherwise; a new figure by default.

        Returns
        -------
        self : CorrelationMatrixDisplay
            The display, with ``axes_`` and ``figure_``.
        """
        place = plot_correlation_matrices(
            self.matrices, order=self.order, figure=place_panels(ax, figure)
        )
        return self._drawn_in(place, own=ax is None and figure is None)


class VanRossumMatrixDisplay(ComparisonDisplay):
    """Sorted heat maps of the van Rossum distances between real and other trains of one neuron.

    Parameters
    ----------
    distances : mapping of str to array-like of shape (N, M, K)
        For each group and neuron, the distances between M real windows and K windows of the group.
        The constructors take the first 50 windows of each.
    roi_ids : sequence of length N, default=None
        Names of the neurons; their indices by default.

    Attributes
    ----------
    axes_ : ndarray of Axes
        The heat maps, row by row (a row a group, a column a neuron), after `plot`.
    figure_ : matplotlib Figure
        The figure they are part of.

    See Also
    --------
    calgan.plotting.plot_van_rossum_heatmaps : What draws them.
    calgan.metrics.van_rossum_cross : The distances.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import VanRossumMatrixDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(60, 64, random_state=2)
    >>> display = VanRossumMatrixDisplay.from_samples(test, synthetic, neurons=[1, 2])
    >>> display.distances["synthetic"].shape
    (5, 50, 50)
    """

    def __init__(self, distances: Groups, *, roi_ids: Sequence[Any] | None = None) -> None:
        self.distances = distances
        self.roi_ids = roi_ids

    @classmethod
    def _of(cls, comparison: Comparison) -> Self:
        spikes = comparison.shown(comparison.spikes, "synthetic", "train")
        real = comparison.spikes["real"][:_N_HEATMAP_WINDOWS]
        return cls(
            {
                group: metrics.van_rossum_cross(
                    real, array[:_N_HEATMAP_WINDOWS], comparison.frame_rate
                )
                for group, array in spikes.items()
            },
            roi_ids=comparison.roi_ids,
        )

    def plot(
        self, *, neurons: Any = None, ax: Axes | None = None, figure: FigureBase | None = None
    ) -> Self:
        """Draw the heat maps of some neurons.

        Parameters
        ----------
        neurons : int or sequence of int, default=None
            Which neurons; None takes up to four spread over the mean distances, which the most
            active neurons lead.
        ax : matplotlib Axes, default=None
            Axes whose place in their figure the panels share.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw otherwise; a new figure by default.

        Returns
        -------
        self : VanRossumMatrixDisplay
            The display, with ``axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            If a neuron is out of range.
        """
        arrays = {group: np.asarray(array) for group, array in self.distances.items()}
        first = next(iter(arrays.values()))
        chosen = check_neurons(neurons, len(first))
        if chosen is None:
            chosen = spread_neurons(first.mean(axis=(1, 2)), _N_HEATMAP_NEURONS)
        names = roi_names(self.roi_ids, len(first))
        place = plot_van_rossum_heatmaps(
            {group: array[chosen] for group, array in arrays.items()},
            names=[names[neuron] for neuron in chosen],
            figure=place_panels(ax, figure),
        )
        return self._drawn_in(place, own=ax is None and figure is None)


def _covariance(values: Array) -> Array:
    """Covariances (N, N) of (M, T, N) over windows and frames, window by window in float64."""
    mean = values.mean(axis=(0, 1), dtype=np.float64)
    total = np.zeros((len(mean), len(mean)))
    for window in values:
        centred = window - mean
        total += centred.T @ centred
    return total / max(values.shape[0] * values.shape[1] - 1, 1)


def _values(comparison: Comparison, of: str) -> dict[str, Array]:
    """Traces, or spikes counted in half-second bins, (M, T or bins, N)."""
    if of == "traces":
        return comparison.windows
    if of != "spikes":
        raise ValueError(f"of must be 'traces' or 'spikes', got {of!r}.")
    size = comparison.bin_frames
    n_bins = comparison.window // size
    return {
        group: array[:, : n_bins * size]
        .reshape(len(array), n_bins, size, comparison.n_neurons)
        .sum(axis=2)
        for group, array in comparison.spikes.items()
    }
