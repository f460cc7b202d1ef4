"""Scores of inferred against true spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from calgan.data.correlation import column_correlations
from calgan.data.recording import Recording
from calgan.data.resampling import resampled_counts
from calgan.data.validation import (
    as_real_array,
    check_real,
    check_same_rois,
    common_frame_rate,
)
from calgan.metrics._arrays import as_windows
from calgan.metrics.spikes import van_rossum_distance
from calgan.metrics.two_sample import roc_area

_SPIKE = 0.5  # of a spike that a bin holds at least if it counts as one with spikes


def spike_inference_scores(
    true: ArrayLike | Recording,
    inferred: ArrayLike | Recording,
    frame_rate: float,
    *,
    bin_width: float,
) -> dict[str, np.ndarray]:
    r"""Scores of inferred spikes against the true ones, neuron by neuron.

    Both are summed in bins of one width. With true counts :math:`n_b` and inferred ones
    :math:`m_b` in bin b,

    .. math:: \text{bias} = \frac{\sum_b (m_b - n_b)}{\sum_b n_b}, \qquad
              \text{error} = \frac{\sum_b |m_b - n_b|}{\sum_b n_b}.

    Parameters
    ----------
    true : array-like or Recording of shape (T, N) or (M, T, N)
        Recorded spikes per frame.
    inferred : array-like or Recording of shape (T, N) or (M, T, N)
        Inferred spikes per frame, whole or expected numbers, of the same frames and neurons.
    frame_rate : float
        Frames per second (Hz).
    bin_width : float
        Width of a bin (s), at least a frame. Every score depends on it: state it beside them. It
        need not be a whole number of frames, as the spikes of a frame are spread evenly over it.

    Returns
    -------
    scores : dict of ndarray of shape (N,)
        ``"correlation"``: Pearson's r of the counts in bins. NaN if either is constant, as of a
        neuron without spikes; count that of an inference without spikes as 0 in a mean over
        neurons.

        ``"bias"`` and ``"error"``: dimensionless, 0 at best. A bias of 1 infers twice as many
        spikes as there are, of -1 none. NaN without true spikes.

        ``"auc"``: chance that a bin with a spike holds more inferred spikes than one without, ties
        counted half. A bin has a spike if it holds at least half of one. NaN if there are no bins
        of either kind.

        ``"van_rossum"``: van Rossum distance of the inferred from the true spikes, frame by frame
        and with a time constant of ``bin_width``, over that of no spikes from the true ones: 0 at
        best, 1 is no better than no spikes. NaN without true spikes.

    Raises
    ------
    TypeError, ValueError
        If an array is no recording or windows of finite numbers, if their shapes, ROI ids or
        segments differ, if true counts are negative, if `frame_rate` is not positive or not that
        of a Recording, if `bin_width` is shorter than a frame, or if there are fewer than two bins.

    Notes
    -----
    Bins start with each window, or each segment of a Recording, and are pooled. Frames left over
    at its end are dropped. The correlation is that of [1]_ and [2]_, bias and error are those of
    [3]_. Correlation and area do not change with the scale of what is inferred, so that they suit
    amplitudes in units of the traces, too. The others need numbers of spikes.

    References
    ----------
    .. [1] Theis, L., et al. (2016). Benchmarking spike rate inference in population calcium
       imaging. Neuron, 90(3), 471-482. https://doi.org/10.1016/j.neuron.2016.04.014
    .. [2] Berens, P., et al. (2018). Community-based benchmarking improves spike rate inference
       from two-photon calcium imaging data. PLOS Computational Biology, 14(5), e1006157.
       https://doi.org/10.1371/journal.pcbi.1006157
    .. [3] Rupprecht, P., et al. (2021). A database and deep learning toolbox for noise-optimized,
       generalized spike inference from calcium imaging. Nature Neuroscience, 24, 1324-1337.
       https://doi.org/10.1038/s41593-021-00895-5

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import spike_inference_scores
    >>> true = np.array([[0, 2, 0, 1, 0, 0]]).T
    >>> inferred = np.array([[0, 1, 1, 1, 0, 1]]).T
    >>> scores = spike_inference_scores(true, inferred, 10.0, bin_width=0.2)
    >>> {name: float(value[0].round(2)) for name, value in scores.items()}
    {'correlation': 0.0, 'bias': 0.33, 'error': 1.0, 'auc': 0.75, 'van_rossum': 0.55}
    """
    pairs, rate = _read(true, inferred, frame_rate)
    bin_width = check_real("bin_width", bin_width, above=0)
    if bin_width * rate < 1 - 1e-6:
        raise ValueError(
            f"bin_width={bin_width:g} s is shorter than a frame ({1 / rate:.3g} s at {rate:g} Hz); "
            "give bins of at least a frame, in seconds."
        )
    bins = np.concatenate([resampled_counts(pair, rate, 1.0 / bin_width) for pair in pairs])
    if len(bins) < 2:
        raise ValueError(
            f"bin_width={bin_width:g} s leaves {len(bins)} bins in true, which holds "
            f"{sum(map(len, pairs)) / rate:.3g} s; scores need at least two."
        )
    n, m = np.moveaxis(bins.astype(np.float64), -1, 0)  # (bins, N) each, true and inferred
    total = _defined(n.sum(axis=0))
    return {
        "correlation": column_correlations(n, m),
        "bias": (m - n).sum(axis=0) / total,
        "error": np.abs(m - n).sum(axis=0) / total,
        "auc": np.array([_auc(*neuron) for neuron in zip(n.T, m.T, strict=True)]),
        "van_rossum": _van_rossum(pairs, rate * bin_width),
    }


def _read(true: Any, inferred: Any, frame_rate: float) -> tuple[list[np.ndarray], float]:
    """Return each window or segment as (t, N, 2), true beside inferred, and the frame rate."""
    sides = {"true": true, "inferred": inferred}
    known = {name: X for name, X in sides.items() if isinstance(X, Recording)}
    rates = {"frame_rate": frame_rate, **{name: X.frame_rate for name, X in known.items()}}
    rate = common_frame_rate(rates, needed_by="spike_inference_scores")
    arrays = {name: as_real_array(X, name) for name, X in sides.items()}
    for name, array in arrays.items():
        if array.ndim not in (2, 3):
            raise ValueError(
                f"{name} must be a recording (T, N) or windows (M, T, N), got shape {array.shape}; "
                f"the spikes of one neuron are {name}[:, np.newaxis]."
            )
    if arrays["true"].shape != arrays["inferred"].shape:
        raise ValueError(
            f"true has shape {arrays['true'].shape} and inferred {arrays['inferred'].shape}; both "
            "must hold the same frames of the same neurons."
        )
    segments = [X.segments for X in known.values()]
    if len(known) == 2:
        ids = {name: X.roi_ids for name, X in known.items()}
        check_same_rois(ids["inferred"], ids["true"], name="inferred", of="true")
        if not np.array_equal(segments[0], segments[1]):
            raise ValueError("true and inferred differ in their segments; give both the same.")
    windows = [
        as_windows(_within(array, segments) if array.ndim == 2 else array, name)
        for name, array in arrays.items()
    ]
    if windows[0].min() < 0:
        raise ValueError(
            f"true must hold numbers of spikes, but its least value is {windows[0].min():g}; pass "
            "recorded spikes per frame."
        )
    both = np.stack(windows, axis=-1)
    if segments:
        return [both[0, start:stop] for start, stop in segments[0]], rate
    return list(both), rate


def _within(array: np.ndarray, segments: list[np.ndarray]) -> np.ndarray:
    """Return an array (T, N) as one window, frames outside segments, which may be NaN, at 0."""
    if not segments:
        return array[np.newaxis]
    kept = np.zeros_like(array)
    for start, stop in segments[0]:
        kept[start:stop] = array[start:stop]
    return kept[np.newaxis]


def _defined(total: np.ndarray) -> np.ndarray:
    """Return what is divided by, NaN for 0."""
    return np.where(total > 0, total, np.nan)


def _auc(n: np.ndarray, m: np.ndarray) -> float:
    """Area under the ROC curve of inferred counts m for bins with and without spikes."""
    spiking = n >= _SPIKE
    if spiking.all() or not spiking.any():
        return float("nan")
    return roc_area(m[spiking], m[~spiking])


def _van_rossum(pairs: list[np.ndarray], tau: float) -> np.ndarray:
    """Distance (N,) over that of no spikes; the time constant tau in frames."""
    squared = np.zeros((2, pairs[0].shape[1]))
    for pair in pairs:
        trains = np.concatenate([pair, np.zeros_like(pair[..., :1])], axis=-1)
        # Pairs are (true, inferred), (true, none) and (inferred, none).
        distances = van_rossum_distance(trains.transpose(1, 0, 2), tau)
        squared += distances[:, :2].T ** 2
    return np.asarray(np.sqrt(squared[0] / _defined(squared[1])))
