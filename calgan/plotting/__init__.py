"""Figures that compare a real recording with synthetic windows.

Each figure is a class in the manner of scikit-learn's displays: it computes the numbers from a
fitted estimator, from samples or from an evaluation, keeps them, and draws them with ``plot``.

Groups ("real", "synthetic", "train", ...) keep one colour and one line style in all figures.
Nothing is shown, and no global matplotlib state (``rcParams``, backend, list of open figures) is
changed: save a figure with ``display.figure_.savefig``.
"""

from __future__ import annotations

from calgan.plotting._activity import RasterDisplay, TracesDisplay, WindowsDisplay
from calgan.plotting._cells import CellsDisplay
from calgan.plotting._classifier import RocDisplay
from calgan.plotting._correlations import (
    CorrelationDisplay,
    CorrelationMatrixDisplay,
    CorrelationScatterDisplay,
    CovarianceScatterDisplay,
)
from calgan.plotting._divergences import KLHistogramDisplay
from calgan.plotting._headline import HeadlineDisplay
from calgan.plotting._noise_study import NoiseStudyDisplay
from calgan.plotting._rates import FiringRateDisplay, PopulationCountDisplay, RateScatterDisplay
from calgan.plotting._search import SearchDisplay
from calgan.plotting._spectra import AutocorrelationDisplay, PowerSpectrumDisplay
from calgan.plotting._training import TrainingDisplay
from calgan.plotting._van_rossum import VanRossumDisplay, VanRossumMatrixDisplay

__all__ = [
    "AutocorrelationDisplay",
    "CellsDisplay",
    "CorrelationDisplay",
    "CorrelationMatrixDisplay",
    "CorrelationScatterDisplay",
    "CovarianceScatterDisplay",
    "FiringRateDisplay",
    "HeadlineDisplay",
    "KLHistogramDisplay",
    "NoiseStudyDisplay",
    "PopulationCountDisplay",
    "PowerSpectrumDisplay",
    "RasterDisplay",
    "RateScatterDisplay",
    "RocDisplay",
    "SearchDisplay",
    "TracesDisplay",
    "TrainingDisplay",
    "VanRossumDisplay",
    "VanRossumMatrixDisplay",
    "WindowsDisplay",
]
