"""Statistics that compare recordings: spike statistics, divergences, populations, memorisation.

Pure functions of arrays. Spikes and traces are windows ``(M, T, N)``: windows, frames, neurons.
The scorers judge a generator's samples by these statistics, for scikit-learn's searches.
Importing this module never loads torch.
"""

from __future__ import annotations

from calgan.metrics._divergence import (
    debiased_kl,
    histogram_counts,
    histogram_edges,
    smoothed_kl,
    smoothed_kl_from_counts,
    thesis_kl,
)
from calgan.metrics._events import (
    event_shapes,
    event_wasserstein,
    inter_spike_intervals,
    isi_wasserstein,
)
from calgan.metrics._memorisation import memorisation_ratio, memorisation_ratios
from calgan.metrics._population import (
    correlation_matrix,
    correlation_matrix_agreement,
    lagged_correlation_matrix,
    participation_ratio,
    population_count,
    population_count_edges,
    population_count_kl,
)
from calgan.metrics._scorers import (
    MultiScorer,
    SpikeScorer,
    calcium_scorer,
    correlation_scorer,
    firing_rate_scorer,
    make_scorer,
    van_rossum_scorer,
)
from calgan.metrics._spike_divergence import correlation_kl, firing_rate_kl, van_rossum_kl
from calgan.metrics._spikes import (
    bin_frames_for,
    firing_rate,
    pairwise_correlation,
    van_rossum_cross,
    van_rossum_distance,
)
from calgan.metrics._traces import (
    autocorrelation,
    kurtosis,
    log_spectrum_error,
    power_spectrum,
    skewness,
    wasserstein_increments,
    wasserstein_marginals,
)
from calgan.metrics._two_sample import (
    classifier_auc,
    membership_auc,
    mmd,
    sliced_wasserstein,
    window_features,
)

__all__ = [
    "MultiScorer",
    "SpikeScorer",
    "autocorrelation",
    "bin_frames_for",
    "calcium_scorer",
    "classifier_auc",
    "correlation_kl",
    "correlation_matrix",
    "correlation_matrix_agreement",
    "correlation_scorer",
    "debiased_kl",
    "event_shapes",
    "event_wasserstein",
    "firing_rate",
    "firing_rate_kl",
    "firing_rate_scorer",
    "histogram_counts",
    "histogram_edges",
    "inter_spike_intervals",
    "isi_wasserstein",
    "kurtosis",
    "lagged_correlation_matrix",
    "log_spectrum_error",
    "make_scorer",
    "membership_auc",
    "memorisation_ratio",
    "memorisation_ratios",
    "mmd",
    "pairwise_correlation",
    "participation_ratio",
    "population_count",
    "population_count_edges",
    "population_count_kl",
    "power_spectrum",
    "skewness",
    "sliced_wasserstein",
    "smoothed_kl",
    "smoothed_kl_from_counts",
    "thesis_kl",
    "van_rossum_cross",
    "van_rossum_distance",
    "van_rossum_kl",
    "van_rossum_scorer",
    "wasserstein_increments",
    "wasserstein_marginals",
    "window_features",
]
