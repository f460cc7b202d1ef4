"""Statistics of held-out windows that a generator tracks while it trains."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calgan import metrics
from calgan.spikes.oasis import OasisDeconvolver

MIN_HELD_OUT = 8  # windows; fewer say nothing
_TINY = 0.01  # keeps a baseline that is nearly 0 from ruling the score


def spread(indices: NDArray[np.intp], limit: int) -> NDArray[np.intp]:
    """Return at most `limit` of the indices, evenly spread.

    Parameters
    ----------
    indices : ndarray of shape (n,)
        Indices, in order.
    limit : int
        Largest number to return.

    Returns
    -------
    ndarray of shape (min(n, limit),)

    Examples
    --------
    >>> import numpy as np
    >>> spread(np.arange(9), 3)
    array([0, 4, 8])
    """
    if len(indices) <= limit:
        return indices
    return indices[np.linspace(0, len(indices) - 1, limit).round().astype(int)]


def split_in_time(X: Any, fraction: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Hold out the last windows in time and drop those that share a frame with them.

    Parameters
    ----------
    X : WindowView or ndarray of shape (M, T, N)
        Windows; an array, which knows no starts, is taken as ordered in time, and nothing is
        dropped.
    fraction : float
        Share of the windows to hold out.

    Returns
    -------
    train, held_out : ndarray of int
        Indices of windows. `held_out` is empty when it would hold fewer than 8 windows or leave
        fewer than 2 to train on.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import Windower
    >>> view = Windower(10).fit_transform(np.zeros((100, 2)))
    >>> train, held_out = split_in_time(view, 0.2)
    >>> len(view), train.max(), held_out.min()
    (91, np.int64(63), np.int64(73))
    """
    m = X.shape[0]
    everything = np.arange(m)
    n_held = round(fraction * m)
    if n_held < MIN_HELD_OUT or m - n_held < 2:
        return everything, everything[:0]
    start, segment = getattr(X, "start", None), getattr(X, "segment", None)
    if start is None or segment is None:
        return everything[:-n_held], everything[-n_held:]
    order = np.lexsort((start, segment))
    held_out, rest = order[-n_held:], order[:-n_held]
    first = held_out[0]
    overlaps = (segment[rest] == segment[first]) & (start[rest] + X.window > start[first])
    train = np.sort(rest[~overlaps])
    if len(train) < 2:
        return everything, everything[:0]
    return train, np.sort(held_out)


class Tracker:
    """Compares windows with held-out real ones, each statistic beside its train-test baseline.

    Parameters
    ----------
    held_out : ndarray of shape (M, T, N)
        Held-out real windows.
    training : ndarray of shape (K, T, N)
        Real training windows: spike inference is fitted on them, and M of them give the baseline.
    frame_rate : float or None
        Frame rate in Hz; None tracks the statistics of traces only.

    Attributes
    ----------
    baseline : dict of str to float
        The statistics of as many training windows.

    Examples
    --------
    >>> import numpy as np
    >>> windows = np.random.default_rng(0).normal(size=(40, 16, 3)).astype(np.float32)
    >>> tracker = Tracker(windows[:10], windows[10:], frame_rate=None)
    >>> sorted(tracker.baseline)
    ['correlation_matrix_rmse', 'increment_w1', 'log_spectrum_error', 'marginal_w1']
    >>> tracker.compare(windows[:10])["marginal_w1"]
    0.0
    """

    def __init__(
        self,
        held_out: NDArray[np.float32],
        training: NDArray[np.float32],
        frame_rate: float | None,
    ) -> None:
        self.frame_rate = frame_rate
        # Neurons that are silent here have no scale to compare on.
        self.moving = np.ptp(held_out, axis=(0, 1)) > 0
        self.held_out = held_out[..., self.moving]
        self.deconvolver: OasisDeconvolver | None = None
        if frame_rate is not None and self.moving.any():
            training_part = training[..., self.moving]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # silent neurons are the caller's to report
                self.deconvolver = OasisDeconvolver(frame_rate).fit(training_part)
            self.spikes = self.deconvolver.transform(self.held_out)
        self.baseline = self.compare(training[spread(np.arange(len(training)), len(held_out))])

    def compare(self, windows: NDArray[np.float32]) -> dict[str, float]:
        """Return distances of windows (M, T, N) from the held-out ones; less is better."""
        if not self.moving.any():
            return {}
        real, windows = self.held_out, windows[..., self.moving]
        several = real.shape[2] > 1
        figures = {
            "marginal_w1": np.mean(metrics.wasserstein_marginals(real, windows)),
            "increment_w1": np.mean(metrics.wasserstein_increments(real, windows)),
            "log_spectrum_error": metrics.log_spectrum_error(real, windows),
        }
        if several:
            agreement = metrics.correlation_matrix_agreement(real, windows)
            figures["correlation_matrix_rmse"] = agreement.rmse
        if self.deconvolver is not None and self.frame_rate is not None:
            rate, a, b = self.frame_rate, self.spikes, self.deconvolver.transform(windows)
            figures["firing_rate_kl"] = metrics.firing_rate_kl(a, b, rate)
            bins = metrics.bin_frames_for(rate)
            # Short or quiet windows may hold no pair of trains that can be correlated.
            if (
                a.shape[1] >= 2 * bins
                and np.isfinite(metrics.pairwise_correlation(a, bin_frames=bins)).any()
            ):
                figures["correlation_kl"] = metrics.correlation_kl(a, b, rate)
            if several:
                figures["van_rossum_kl"] = metrics.van_rossum_kl(a, b, rate)
                figures["population_count_kl"] = metrics.population_count_kl(a, b)
        return {name: float(value) for name, value in figures.items()}

    def score(self, windows: NDArray[np.float32]) -> tuple[float, dict[str, float]]:
        """Return one score, lower is better, and the figures as a row of the history.

        The score is the mean over statistics of log(value / baseline), not rewarded below 0.
        """
        figures = self.compare(windows)
        logs = [math.log((figures[k] + _TINY) / (self.baseline[k] + _TINY)) for k in figures]
        score = float(np.mean(np.maximum(logs, 0.0))) if logs else math.inf
        return score, {"val_score": score, **{f"val_{k}": v for k, v in figures.items()}}
