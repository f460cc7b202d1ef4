"""The figures as scikit-learn's displays: numbers that are computed once and drawn at will.

Each is made by ``from_estimator``, ``from_samples`` or ``from_evaluation``, holds what it shows,
and draws with ``plot``.
"""

from __future__ import annotations

from calgan.plotting.displays._activity import (
    FiringRateDisplay,
    RasterDisplay,
    TracesDisplay,
    WindowsDisplay,
)
from calgan.plotting.displays._distributions import (
    AutocorrelationDisplay,
    CorrelationDisplay,
    KLHistogramDisplay,
    PopulationCountDisplay,
    PowerSpectrumDisplay,
    VanRossumDisplay,
)
from calgan.plotting.displays._similarity import (
    CorrelationMatrixDisplay,
    CorrelationScatterDisplay,
    CovarianceScatterDisplay,
    RateScatterDisplay,
    VanRossumMatrixDisplay,
)
from calgan.plotting.displays._summary import HeadlineDisplay, TrainingDisplay

__all__ = [
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
]
