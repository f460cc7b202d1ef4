"""Sentences of the report that do not depend on the numbers."""

from __future__ import annotations

#: What each group of windows is, in the colour key.
ROLES = {
    "real": "windows of the held-out part of the recording, at random starts",
    "synthetic": "windows sampled from the model",
    "train": "windows of the part the model was fitted on; against the held-out windows they give "
    "the train-test baseline",
    "replay": "other training windows replayed, as a model that only copies would do",
    "shuffled": "real windows in which each neuron comes from another window: neurons as real, "
    "their co-ordination destroyed",
    "dichotomized_gaussian": "windows of a simple model: spikes that keep the neurons' rates, "
    "their correlations within a frame, and on average how they go on for up to 2 s, and nothing "
    "else, turned into traces with each neuron's decay, amplitude and noise",
}

#: How each statistic is defined, by name.
DEFINITIONS = {
    "firing_rate_kl": "For each neuron, the KL divergence of the distribution over windows of its "
    "firing rate; mean over neurons.",
    "correlation_kl": "KL divergence of the distribution of the Pearson correlations between the "
    "spike trains of two neurons (bins of about 0.5 s), pooled over windows and pairs.",
    "van_rossum_kl": "KL divergence of the distribution of the van Rossum distances (exponential "
    "kernel, τ = 1 s) between the spike trains of two neurons, pooled over windows and pairs.",
    "population_count_kl": "KL divergence of the distribution of the number of neurons that are "
    "active in the same frame.",
    "correlation_matrix_r": "Pearson correlation, over all pairs of neurons, between the entries "
    "of the real and the other correlation matrix of the traces.",
    "correlation_matrix_rmse": "Root mean square difference of the same entries.",
    "participation_ratio_error": "How much the effective number of dimensions of the traces (the "
    "participation ratio of the covariance, every neuron in its real standard deviation) differs, "
    "in decibels; judged by the difference to the baseline.",
    "spike_correlation_matrix_r": "The agreement of the correlation matrices of the spikes in bins "
    "of about 0.5 s, in the same way.",
    "lagged_correlation_rmse": "Root mean square difference of the correlations of each neuron "
    "with each neuron one second later.",
    "mean_rate_error": "Root mean square difference of the neurons' mean firing rates.",
    "marginal_w1": "Wasserstein-1 distance of the distributions of a neuron's trace values, in "
    "standard deviations of the real trace; mean over neurons.",
    "increment_w1": "The same for the changes from one frame to the next: the shape of events.",
    "log_spectrum_error": "Root mean square difference of the neurons' log power spectra.",
    "autocorrelation_rmse": "Root mean square difference of the neurons' autocorrelations, at lags "
    "of up to five seconds.",
    "window_variability_error": "How differently each neuron's mean varies from window to window, "
    "in decibels: large when samples are too much alike.",
    "isi_w1": "Wasserstein-1 distance of the intervals between a neuron's spikes within windows; "
    "mean over neurons. A neuron that never spikes twice counts as one whose intervals last a "
    "window.",
    "event_amplitude_w1": "Wasserstein-1 distance of the amplitudes of events at isolated spikes, "
    "as multiples of the neuron's real median.",
    "event_rise_w1": "The same of the times from 10 to 90 % of the amplitude.",
    "event_decay_w1": "The same of the times from the peak to half the amplitude.",
    "classifier_auc": "Area under the ROC curve of a logistic regression that tells the group's "
    "windows from held-out ones by features of each window, cross-validated over segments of time "
    "that share no frames; judged by the difference to the baseline.",
    "shape_classifier_auc": "The same by the features that are pooled over neurons only: spectrum, "
    "skewness, autocorrelation, population activity and correlations, but no neuron's own level.",
    "feature_mmd": "Squared maximum mean discrepancy of the features (Gaussian kernel, median "
    "bandwidth), without the pairs that share frames; its mean is 0 for equal distributions, so "
    "that it is judged by the difference to the baseline.",
    "feature_sliced_w1": "Wasserstein-1 distance of the features along random directions; mean "
    "over directions.",
}

BLOCKED = (
    "Spikes of all groups were inferred in the same way, window by window: OASIS with decay, "
    "baseline, noise and threshold of each neuron fitted once on real data and then "
    "frozen. Divergences are KL(held-out || group), in nats, on bins laid over the pooled real "
    "values with open end bins, 0.5 added to every count. Each group contributes the same number "
    "of windows, at random starts, because such divergences depend on how many there are; values "
    "are means over repeated draws. Intervals are 95 % intervals of a bootstrap over contiguous "
    "blocks of the recording: neighbouring windows overlap and are no independent observations."
)

THESIS = (
    "This evaluation followed the protocol of the original publication, for comparison with its "
    "table only: OASIS with one decay for all neurons and divergences over 30 bins of the pooled "
    "range in which empty bins count as 1e-10, those of correlations and van Rossum distances "
    "taken window by window and averaged. Its values depend on the number of windows and reward "
    "memorising; the figures use calgan's own estimators."
)

BASELINE = (
    "The train-test baseline is the statistic between held-out and training windows of the real "
    "recording: what a generator that is as good as more of the same recording would score. It is "
    "not zero, because recordings are short and drift. The ratio divides the synthetic value by "
    "the baseline (1 - r by 1 - r where more is better); one is as good as real data. A statistic "
    "whose baseline may be next to nothing is judged by the difference instead, written with a "
    "sign; zero or less is as good as real data."
)

MEMORISATION = (
    "For each synthetic window, the distance to its nearest training window is divided by the "
    "distance to its nearest held-out window, out of equally many. A model that copies scores near "
    "the replayed training windows; one that generalises scores near new real windows, or near 1 "
    "where those are not available."
)

MEMBERSHIP = (
    "The membership test asks the converse: are the windows that the model was trained on nearer "
    "to their nearest synthetic window than held-out windows are to theirs? The area under the "
    "curve is 0.5 where they are not and 1 where they always are. A recording drifts, so that "
    "samples of a good model, too, resemble the time it was fitted on: compare with what real "
    "windows of other segments of the training recording, which are no copies of the windows "
    "tested, score."
)
