"""Van Rossum distances: between neurons, and between the windows of one neuron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator

from calgan import metrics
from calgan.plotting._display import ComparisonDisplay
from calgan.plotting.compared_windows import ComparedWindows, choose_neurons
from calgan.plotting.style import (
    Groups,
    color_of,
    draw_distribution,
    label_of,
    panels,
    read_groups,
    resize,
    roi_names,
)

_N_WINDOWS, _N_NEURONS = 50, 4


@dataclass(repr=False, eq=False)
class VanRossumDisplay(ComparisonDisplay):
    """Distribution of the van Rossum distances between the trains of pairs of neurons.

    Parameters
    ----------
    distances : mapping of str to array-like of shape (M, P)
        Van Rossum distance (exponential kernel, 1 s) of each window and pair of neurons. The
        constructors keep to a million values a group, and to neurons drawn at random if need be.

    See Also
    --------
    VanRossumMatrixDisplay : Distances between real and synthetic trains of one neuron.
    calgan.metrics.van_rossum_distance : The distance, with its source.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import VanRossumDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> VanRossumDisplay.from_samples(test, synthetic).distances["real"].shape
    (20, 10)
    """

    distances: Groups
    _one_panel: ClassVar[bool] = True

    @classmethod
    def _of(cls, comparison: ComparedWindows) -> Self:
        return cls(comparison.pair_distances)

    def _draw(self, ax: Axes) -> None:
        xlabel = "van Rossum distance of a pair (τ = 1 s)"
        draw_distribution(ax, self.distances, xlabel, what="distances")


@dataclass(repr=False, eq=False)
class VanRossumMatrixDisplay(ComparisonDisplay):
    """Sorted heat maps of the van Rossum distances between real and other trains of one neuron.

    Parameters
    ----------
    distances : mapping of str to array-like of shape (N, M, K)
        For each group and neuron, the distances between M real windows and K windows of the group.
        The constructors take the first 50 windows of each.
    roi_ids : sequence of length N, default=None
        Names of the neurons; their indices by default.

    See Also
    --------
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

    distances: Groups
    _: KW_ONLY
    roi_ids: Sequence[Any] | None = None

    @classmethod
    def _of(cls, comparison: ComparedWindows) -> Self:
        rate, spikes = comparison.frame_rate, comparison.spikes
        real = spikes["real"][:_N_WINDOWS]
        distances = {
            group: metrics.van_rossum_cross(real, array[:_N_WINDOWS], rate)
            for group, array in comparison.of(spikes, ("synthetic", "train")).items()
        }
        return cls(distances, roi_ids=comparison.roi_ids)

    def plot(self, *, neurons: Any = None, ax: Axes | None = None) -> Self:
        """Draw the heat maps of some neurons: a row a group, a column a neuron.

        Rows and columns of each heat map are sorted by their mean distance, the smallest at the
        top left; a neuron has one colour scale.

        Parameters
        ----------
        neurons : int or sequence of int, default=None
            Which neurons; None takes up to four spread over the mean distances, which the most
            active neurons lead.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        self : VanRossumMatrixDisplay
            The display, with ``figure_`` and its panels ``axes_``.

        Raises
        ------
        ValueError
            If a neuron is out of range.
        """
        return self._plot(ax, neurons=neurons)

    def _draw(self, figure: FigureBase, *, neurons: Any) -> None:
        arrays = read_groups(self.distances, 3, "distances", shared=0, defined=True, least=0)
        first = next(iter(arrays.values()))
        chosen = choose_neurons(neurons, first.mean(axis=(1, 2)), _N_NEURONS)
        names = roi_names(self.roi_ids, len(first))
        resize(figure, max(2.25 * len(chosen), 3.0), 0.5 + 2.15 * len(arrays))
        axes = panels(figure, len(arrays), len(chosen), sharey="row")
        for column, neuron in zip(axes.T, chosen, strict=True):
            highest = max(float(array[neuron].max()) for array in arrays.values()) or 1.0
            for ax, (group, array) in zip(column, arrays.items(), strict=True):
                matrix = array[neuron]
                matrix = matrix[np.argsort(matrix.mean(axis=1), kind="stable")]
                matrix = matrix[:, np.argsort(matrix.mean(axis=0), kind="stable")]
                image = ax.imshow(
                    matrix,
                    cmap="viridis",
                    vmin=0.0,
                    vmax=highest,
                    interpolation="nearest",
                    extent=(0.5, matrix.shape[1] + 0.5, matrix.shape[0] + 0.5, 0.5),
                    aspect="auto",
                )
                ax.spines[["top", "right"]].set_visible(True)
                for axis in (ax.xaxis, ax.yaxis):
                    axis.set_major_locator(MaxNLocator(3, integer=True, min_n_ticks=1))
                ax.set_xlabel(f"{label_of(group)} (sorted)", color=color_of(group))
            column[0].set_title(names[neuron], fontsize=9)
            bar = figure.colorbar(image, ax=column, location="bottom", pad=0.02, aspect=18)
            bar.set_label("distance")
            bar.locator = MaxNLocator(3)
        for ax in axes[:, 0]:
            ax.set_ylabel("real, held-out (sorted)", color=color_of("real"))
