"""Figures that compare a real recording with synthetic windows.

The ``Display`` classes follow scikit-learn's: they compute what a figure shows from a fitted
estimator, from samples or from an evaluation, hold it, and draw it.

Every function takes plain arrays, in a mapping from the name of a group ("real", "synthetic",
"train", "shuffled", ...) to its values, and returns the matplotlib ``Axes`` or ``Figure`` it drew
on.

Groups keep one colour and one line style in all figures. Nothing is shown, no global
matplotlib state (``rcParams``, backend, list of open figures) is changed: a figure that was not
handed in is a bare :class:`matplotlib.figure.Figure`, to be saved with ``figure.savefig``.
"""

from __future__ import annotations

from calgan.plotting._activity import plot_raster, plot_rate_histograms, plot_traces, plot_windows
from calgan.plotting._classifier import plot_roc
from calgan.plotting._distributions import (
    plot_distribution,
    plot_kl_histogram,
    plot_per_neuron,
    plot_population_counts,
)
from calgan.plotting._dynamics import plot_autocorrelation, plot_power_spectra
from calgan.plotting._headline import plot_headline
from calgan.plotting._search import plot_search_results
from calgan.plotting._similarity import (
    correlation_order,
    plot_correlation_agreement,
    plot_correlation_matrices,
    plot_van_rossum_heatmaps,
)
from calgan.plotting._style import COLORS, LABELS, spread_neurons
from calgan.plotting._training import plot_training_curves
from calgan.plotting.displays import (
    AutocorrelationDisplay,
    CorrelationDisplay,
    CorrelationMatrixDisplay,
    CorrelationScatterDisplay,
    CovarianceScatterDisplay,
    FiringRateDisplay,
    HeadlineDisplay,
    KLHistogramDisplay,
    PopulationCountDisplay,
    PowerSpectrumDisplay,
    RasterDisplay,
    RateScatterDisplay,
    TracesDisplay,
    TrainingDisplay,
    VanRossumDisplay,
    VanRossumMatrixDisplay,
    WindowsDisplay,
)

__all__ = [
    "COLORS",
    "LABELS",
    "AutocorrelationDisplay",
    "CorrelationDisplay",
    "CorrelationMatrixDisplay",
    "CorrelationScatterDisplay",
    "CovarianceScatterDisplay",
    "FiringRateDisplay",
    "HeadlineDisplay",
    "KLHistogramDisplay",
    "PopulationCountDisplay",
    "PowerSpectrumDisplay",
    "RasterDisplay",
    "RateScatterDisplay",
    "TracesDisplay",
    "TrainingDisplay",
    "VanRossumDisplay",
    "VanRossumMatrixDisplay",
    "WindowsDisplay",
    "correlation_order",
    "plot_autocorrelation",
    "plot_correlation_agreement",
    "plot_correlation_matrices",
    "plot_distribution",
    "plot_headline",
    "plot_kl_histogram",
    "plot_per_neuron",
    "plot_population_counts",
    "plot_power_spectra",
    "plot_raster",
    "plot_rate_histograms",
    "plot_roc",
    "plot_search_results",
    "plot_traces",
    "plot_training_curves",
    "plot_van_rossum_heatmaps",
    "plot_windows",
    "spread_neurons",
]
