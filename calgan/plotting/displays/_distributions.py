"""Displays of distributions: pairs of neurons, population counts, divergences; and of dynamics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from numpy.typing import ArrayLike, NDArray

from calgan import metrics
from calgan.metrics.divergence import histogram_edges
from calgan.plotting._distributions import (
    plot_distribution,
    plot_kl_histogram,
    plot_population_counts,
)
from calgan.plotting._dynamics import plot_autocorrelation, plot_power_spectra
from calgan.plotting._style import Groups, figure_legend, new_figure, styled
from calgan.plotting.displays._base import ComparisonDisplay, place_panels
from calgan.plotting.displays._comparison import Comparison

_ALL = ("real", "synthetic", "train", "shuffled", "dichotomized_gaussian")
# Pairs a window from which a histogram of its own can be built.
_MIN_PAIRS = 45
_LONGEST_LAG = 20.0

Array = NDArray[Any]


class CorrelationDisplay(ComparisonDisplay):
    """Distribution of the spike correlations of pairs of neurons, over windows.

    Parameters
    ----------
    correlations : mapping of str to array-like of shape (M, P)
        Pearson correlation of each window and pair of neurons; NaN where a train is silent.
    bin_seconds : float
        Length of the bins that spikes were counted in, in seconds.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure that is part of.

    See Also
    --------
    CorrelationMatrixDisplay : Which neurons are correlated.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import CorrelationDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> CorrelationDisplay.from_samples(test, synthetic).correlations["synthetic"].shape
    (20, 10)
    """

    def __init__(self, correlations: Groups, bin_seconds: float) -> None:
        self.correlations = correlations
        self.bin_seconds = bin_seconds

    @classmethod
    def _of(cls, comparison: Comparison) -> Self:
        comparison.need_pairs(cls.__name__)
        bin_frames = comparison.bin_frames
        spikes = comparison.few(comparison.spikes, *_ALL)
        return cls(
            {
                group: metrics.pairwise_correlation(array, bin_frames=bin_frames)
                for group, array in spikes.items()
            },
            bin_frames / comparison.frame_rate,
        )

    def plot(self, *, log: bool = True, ax: Axes | None = None) -> Self:
        """Draw the densities of all groups.

        Parameters
        ----------
        log : bool, default=True
            Whether the density has a logarithmic axis.
        ax : matplotlib Axes, default=None
            Where to draw; the axes of a new figure by default.

        Returns
        -------
        self : CorrelationDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        drawn = plot_distribution(
            self.correlations,
            xlabel=f"correlation of a pair (bins of {self.bin_seconds:.2g} s)",
            log=log,
            ax=ax,
        )
        return self._drawn_on(drawn, ax)


class VanRossumDisplay(ComparisonDisplay):
    """Distribution of the van Rossum distances between the trains of pairs of neurons.

    Parameters
    ----------
    distances : mapping of str to array-like of shape (M, P)
        Van Rossum distance (exponential kernel, 1 s) of each window and pair of neurons.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure that is part of.

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

    def __init__(self, distances: Groups) -> None:
        self.distances = distances

    @classmethod
    def _of(cls, comparison: Comparison) -> Self:
        comparison.need_pairs(cls.__name__)
        spikes = comparison.few(comparison.spikes, *_ALL)
        rate = comparison.frame_rate
        return cls({g: metrics.van_rossum_distance(array, rate) for g, array in spikes.items()})

    def plot(self, *, log: bool = False, ax: Axes | None = None) -> Self:
        """Draw the densities of all groups.

        Parameters
        ----------
        log : bool, default=False
            Whether the density has a logarithmic axis.
        ax : matplotlib Axes, default=None
            Where to draw; the axes of a new figure by default.

        Returns
        -------
        self : VanRossumDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        drawn = plot_distribution(
            self.distances, xlabel="van Rossum distance of a pair (τ = 1 s)", log=log, ax=ax
        )
        return self._drawn_on(drawn, ax)


class PopulationCountDisplay(ComparisonDisplay):
    """Distribution over frames of the number of neurons that are active together.

    Parameters
    ----------
    counts : mapping of str to array-like of shape (M, T)
        Number of active neurons in each frame.
    n_neurons : int
        Number of neurons.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure that is part of.

    See Also
    --------
    calgan.plotting.plot_population_counts : What draws it.

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

    def __init__(self, counts: Groups, n_neurons: int) -> None:
        self.counts = counts
        self.n_neurons = n_neurons

    @classmethod
    def _of(cls, comparison: Comparison) -> Self:
        spikes = comparison.shown(comparison.spikes, *_ALL)
        counts = {group: metrics.population_count(array) for group, array in spikes.items()}
        return cls(counts, comparison.n_neurons)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw the share of frames against the count.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; the axes of a new figure by default.

        Returns
        -------
        self : PopulationCountDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        return self._drawn_on(plot_population_counts(self.counts, self.n_neurons, ax=ax), ax)


class KLHistogramDisplay(ComparisonDisplay):
    """Histograms of the divergences of the published statistics, by neuron and by window.

    The firing rates have one divergence a neuron, over windows; correlations and van Rossum
    distances have one a window, over pairs of neurons (real window i against window i of the
    group).

    Parameters
    ----------
    divergences : dict of dict of ndarray
        For each statistic ("firing_rate", "correlation", "van_rossum") the divergences of each
        group from the real windows, in nats. "train" is the baseline.

    Attributes
    ----------
    axes_ : ndarray of Axes
        A panel a statistic, after `plot`.
    ax_ : matplotlib Axes
        The panel, if a single statistic was drawn.
    figure_ : matplotlib Figure
        The figure they are part of.

    See Also
    --------
    calgan.plotting.plot_kl_histogram : What draws a panel.

    Notes
    -----
    The constructors take ``protocol="blocked"`` (smoothed divergences on bins from real data; the
    default) or ``"thesis"`` (the published estimator, see `calgan.metrics.thesis_kl`; spikes are
    inferred as ever). Divergences of single windows need at least 45 pairs of neurons and are left
    out where there are fewer.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import KLHistogramDisplay
    >>> process = make_process(n_neurons=10, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(60, 64, random_state=2)
    >>> display = KLHistogramDisplay.from_samples(test, synthetic, random_state=0)
    >>> {name: groups["synthetic"].shape for name, groups in display.divergences.items()}
    {'firing_rate': (10,), 'correlation': (60,), 'van_rossum': (60,)}
    """

    def __init__(self, divergences: Mapping[str, Groups]) -> None:
        self.divergences = divergences

    @classmethod
    def _of(cls, comparison: Comparison, *, protocol: str = "blocked") -> Self:
        if protocol not in ("blocked", "thesis"):
            raise ValueError(f"protocol must be 'blocked' or 'thesis', got {protocol!r}.")
        rate, bin_frames = comparison.frame_rate, comparison.bin_frames
        groups = ("real", "synthetic", "train")
        spikes = comparison.shown(comparison.spikes, *groups)
        rates = {group: metrics.firing_rate(array, rate).T for group, array in spikes.items()}
        n_windows = rates["real"].shape[1]
        divergences = {
            "firing_rate": _row_divergences(
                rates, protocol, max_bins=max(2, min(30, n_windows // 20)), pooled=False
            )
        }
        n_pairs = comparison.n_neurons * (comparison.n_neurons - 1) // 2
        if n_pairs >= _MIN_PAIRS:
            few = comparison.few(comparison.spikes, *groups)
            n_windows = min(len(array) for array in few.values())
            statistics: dict[str, Callable[[Array], Array]] = {
                "correlation": lambda x: metrics.pairwise_correlation(x, bin_frames=bin_frames),
                "van_rossum": lambda x: metrics.van_rossum_distance(x, rate),
            }
            for name, statistic in statistics.items():
                values = {group: statistic(array[:n_windows]) for group, array in few.items()}
                divergences[name] = _row_divergences(
                    values, protocol, max_bins=max(2, min(30, n_pairs // 20)), pooled=True
                )
        return cls(divergences)

    @styled
    def plot(
        self,
        *,
        statistic: str | None = None,
        ax: Axes | None = None,
        figure: FigureBase | None = None,
    ) -> Self:
        """Draw one statistic, or a panel for each.

        Parameters
        ----------
        statistic : {"firing_rate", "correlation", "van_rossum"}, default=None
            Which one; None draws all there are.
        ax : matplotlib Axes, default=None
            Where to draw a single statistic; of several, axes whose place the panels share.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw several panels; a new figure by default.

        Returns
        -------
        self : KLHistogramDisplay
            The display, with ``axes_`` (and ``ax_`` of one statistic) and ``figure_``.

        Raises
        ------
        ValueError
            If there are no divergences of this statistic.
        """
        if statistic is not None and statistic not in self.divergences:
            raise ValueError(
                f"there are no divergences of statistic={statistic!r}, only of "
                f"{', '.join(map(repr, self.divergences))}; those of single windows need at least "
                f"{_MIN_PAIRS} pairs of neurons."
            )
        if statistic is not None and figure is None:
            drawn = plot_kl_histogram(**self._panel(statistic), ax=ax)
            self._drawn_in(drawn.figure, own=ax is None)
            self.axes_ = np.array([drawn], dtype=object)
            self.ax_ = drawn
            return self
        names = list(self.divergences) if statistic is None else [statistic]
        place: Any = place_panels(ax, figure)
        if place is None:
            place = new_figure(max(3.0 * len(names), 4.5), 3.2)
        panels = place.subplots(1, len(names), squeeze=False)[0]
        for panel, name in zip(panels, names, strict=True):
            plot_kl_histogram(**self._panel(name), legend=False, ax=panel)
        figure_legend(place, panels[0])
        return self._drawn_in(place, own=ax is None and figure is None)

    def _panel(self, statistic: str) -> dict[str, Any]:
        name = {"firing_rate": "firing rate", "van_rossum": "van Rossum distance"}
        return {
            "divergences": self.divergences[statistic],
            "xlabel": f"KL of {name.get(statistic, statistic)} (nats)",
            "of": "neurons" if statistic == "firing_rate" else "windows",
        }


def _row_divergences(
    values: dict[str, Array], protocol: str, *, max_bins: int, pooled: bool
) -> dict[str, Array]:
    """Divergence of each row of the real values from the same row of each other group.

    Bins come from the real values of all rows (`pooled`) or of the row alone.
    """
    real = values["real"]
    others = {group: rows for group, rows in values.items() if group != "real"}
    if protocol == "thesis":
        return {
            group: np.array([metrics.thesis_kl(p, q) for p, q in zip(real, rows, strict=True)])
            for group, rows in others.items()
        }
    pool = [rows for group, rows in values.items() if group in ("real", "train")]

    def edges(row: slice) -> Array | None:
        parts = np.concatenate([rows[row].ravel() for rows in pool])
        parts = parts[~np.isnan(parts)]
        return histogram_edges(parts, max_bins=max_bins) if parts.size else None

    common = edges(slice(None)) if pooled else None
    result: dict[str, list[float]] = {group: [] for group in others}
    for i in range(len(real)):
        inner = common if pooled else edges(slice(i, i + 1))
        for group, rows in others.items():
            p, q = real[i][~np.isnan(real[i])], rows[i][~np.isnan(rows[i])]
            # A window of silent neurons has no correlations, and so no divergence.
            if inner is None or not p.size or not q.size:
                result[group].append(np.nan)
            else:
                result[group].append(metrics.smoothed_kl(p, q, edges=inner))
    return {group: np.array(found) for group, found in result.items()}


class PowerSpectrumDisplay(ComparisonDisplay):
    """Power spectra of the traces, median over neurons with quartiles.

    Parameters
    ----------
    spectra : mapping of str to tuple of ndarray
        For each group the frequencies in Hz, (F,), and the power, (N, F).
    units : str, default="a.u."
        Units of the traces.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure that is part of.

    See Also
    --------
    calgan.plotting.plot_power_spectra : What draws it.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import PowerSpectrumDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> PowerSpectrumDisplay.from_samples(test, synthetic).spectra["real"][1].shape
    (5, 32)
    """

    def __init__(
        self, spectra: Mapping[str, tuple[ArrayLike, ArrayLike]], *, units: str = "a.u."
    ) -> None:
        self.spectra = spectra
        self.units = units

    @classmethod
    def _of(cls, comparison: Comparison) -> Self:
        windows = comparison.shown(comparison.windows, "real", "synthetic", "train")
        rate = comparison.frame_rate
        spectra = {group: metrics.power_spectrum(array, rate) for group, array in windows.items()}
        return cls(spectra, units=comparison.units)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw power against frequency, on logarithmic axes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; the axes of a new figure by default.

        Returns
        -------
        self : PowerSpectrumDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        return self._drawn_on(plot_power_spectra(self.spectra, units=self.units, ax=ax), ax)


class AutocorrelationDisplay(ComparisonDisplay):
    """Autocorrelation of the traces against lag, median over neurons with quartiles.

    Parameters
    ----------
    autocorrelations : mapping of str to array-like of shape (N, L + 1)
        Autocorrelation at lags 0 ... L frames.
    frame_rate : float
        Frames per second (Hz).

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure that is part of.

    See Also
    --------
    calgan.plotting.plot_autocorrelation : What draws it.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> from calgan.plotting import AutocorrelationDisplay
    >>> process = make_process(n_neurons=5, random_state=0)
    >>> test, _ = process.sample_recording(60.0, random_state=1)
    >>> synthetic, _ = process.sample_windows(20, 64, random_state=2)
    >>> AutocorrelationDisplay.from_samples(test, synthetic).autocorrelations["real"].shape
    (5, 33)
    """

    def __init__(self, autocorrelations: Groups, frame_rate: float) -> None:
        self.autocorrelations = autocorrelations
        self.frame_rate = frame_rate

    @classmethod
    def _of(cls, comparison: Comparison) -> Self:
        windows = comparison.shown(comparison.windows, "real", "synthetic", "train")
        rate = comparison.frame_rate
        max_lag = max(min(comparison.window // 2, round(_LONGEST_LAG * rate)), 1)
        return cls(
            {g: metrics.autocorrelation(array, max_lag) for g, array in windows.items()}, rate
        )

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw the autocorrelation against the lag in seconds.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; the axes of a new figure by default.

        Returns
        -------
        self : AutocorrelationDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        drawn = plot_autocorrelation(self.autocorrelations, self.frame_rate, ax=ax)
        return self._drawn_on(drawn, ax)
