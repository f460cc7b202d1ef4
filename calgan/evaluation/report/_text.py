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
