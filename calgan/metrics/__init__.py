"""Statistics that compare recordings: spike statistics, divergences, populations, memorisation.

Pure functions of arrays. Spikes and traces are windows ``(M, T, N)``: windows, frames, neurons.
The scorers judge a generator's samples by these statistics, for scikit-learn's searches.
Found cells are compared with true ones. Importing this module never loads torch.
"""

from __future__ import annotations

from calgan.metrics.cells import DetectionScores, detection_scores
from calgan.metrics.divergence import smoothed_kl, thesis_kl
from calgan.metrics.events import (
    event_shapes,
    inter_spike_intervals,
)
from calgan.metrics.features import window_features
from calgan.metrics.memorisation import membership_auc, memorisation_ratio
from calgan.metrics.population import (
    correlation_matrix,
    correlation_matrix_agreement,
    lagged_correlation_matrix,
    participation_ratio,
    population_count,
    population_count_kl,
)
from calgan.metrics.scorers import (
    calcium_scorer,
    correlation_scorer,
    firing_rate_scorer,
    make_scorer,
    van_rossum_scorer,
)
from calgan.metrics.spike_inference import spike_inference_scores
from calgan.metrics.spikes import (
    bin_frames_for,
    correlation_kl,
    firing_rate,
    firing_rate_kl,
    pairwise_correlation,
    van_rossum_cross,
    van_rossum_distance,
    van_rossum_kl,
)
from calgan.metrics.traces import (
    autocorrelation,
    log_spectrum_error,
    power_spectrum,
    wasserstein_increments,
    wasserstein_marginals,
)
from calgan.metrics.two_sample import classifier_auc, mmd, sliced_wasserstein

__all__ = [
    "DetectionScores",
    "autocorrelation",
    "bin_frames_for",
    "calcium_scorer",
    "classifier_auc",
    "correlation_kl",
    "correlation_matrix",
    "correlation_matrix_agreement",
    "correlation_scorer",
    "detection_scores",
    "event_shapes",
    "firing_rate",
    "firing_rate_kl",
    "firing_rate_scorer",
    "inter_spike_intervals",
    "lagged_correlation_matrix",
    "log_spectrum_error",
    "make_scorer",
    "membership_auc",
    "memorisation_ratio",
    "mmd",
    "pairwise_correlation",
    "participation_ratio",
    "population_count",
    "population_count_kl",
    "power_spectrum",
    "sliced_wasserstein",
    "smoothed_kl",
    "spike_inference_scores",
    "thesis_kl",
    "van_rossum_cross",
    "van_rossum_distance",
    "van_rossum_kl",
    "van_rossum_scorer",
    "wasserstein_increments",
    "wasserstein_marginals",
    "window_features",
]
