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
    """Return at most `limit` of the indices, evenly spread."""
    if len(indices) <= limit:
        return indices
    return indices[np.linspace(0, len(indices) - 1, limit).round().astype(int)]


def split_in_time(X: Any, fraction: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Hold out the last windows in time and drop those that share a frame with them."""
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


def warn_of_no_tracking(name: str, fraction: float, n_windows: int, n_held_out: int) -> None:
    """Warn that too few windows can be held out, and say why."""
    if n_held_out:
        why = f"the last {n_held_out} windows, held out to compare samples with, are constant"
        remedy = "choose another validation_fraction"
    elif round(fraction * n_windows) < MIN_HELD_OUT:
        why = f"of {n_windows} windows it is too few to compare with ({MIN_HELD_OUT} at least)"
        remedy = "cut more windows (a smaller stride), raise it"
    else:
        why = f"of {n_windows} windows it leaves fewer than 2 to train on that do not overlap it"
        remedy = "use a longer recording or shorter windows, lower it"
    warnings.warn(
        f"validation_fraction={fraction:g} has no effect, since {why}: {name} "
        f"tracks nothing, does not stop early and keeps its last state; {remedy}, or set it to "
        "0 to train on all windows without this warning.",
        UserWarning,
        stacklevel=4,
    )


class Tracker:
    """Compares windows with held-out real ones, each statistic beside its train-test baseline."""

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
        baseline = self.compare(training[spread(np.arange(len(training)), len(held_out))])
        self.baseline = {name: value for name, value in baseline.items() if math.isfinite(value)}

    def compare(self, windows: NDArray[np.float32]) -> dict[str, float]:
        """Return distances of windows (M, T, N) from the held-out ones, NaN of what they lack."""
        if not self.moving.any():
            return {}
        real, windows = self.held_out, windows[..., self.moving]
        figures = {
            "marginal_w1": np.mean(metrics.wasserstein_marginals(real, windows)),
            "increment_w1": np.mean(metrics.wasserstein_increments(real, windows)),
            "log_spectrum_error": metrics.log_spectrum_error(real, windows),
            "correlation_matrix_rmse": metrics.correlation_matrix_agreement(real, windows).rmse,
        }
        if self.deconvolver is not None and self.frame_rate is not None:
            rate, a, b = self.frame_rate, self.spikes, self.deconvolver.transform(windows)
            figures["firing_rate_kl"] = metrics.firing_rate_kl(a, b, rate)
            figures["correlation_kl"] = metrics.correlation_kl(a, b, rate)
            figures["van_rossum_kl"] = metrics.van_rossum_kl(a, b, rate)
            if real.shape[2] > 1:
                figures["population_count_kl"] = metrics.population_count_kl(a, b)
        return {name: float(value) for name, value in figures.items()}

    def score(self, windows: NDArray[np.float32]) -> tuple[float, dict[str, float]]:
        """Return one score, lower is better, and the figures as a row of the history.

        The score is the mean over statistics of log(value / baseline), not rewarded below 0.
        """
        found = self.compare(windows)
        figures = {name: found[name] for name in self.baseline}
        # Spikes of silent samples have no statistics: those of their traces speak for themselves.
        logs = [
            math.log((value + _TINY) / (self.baseline[name] + _TINY))
            for name, value in figures.items()
            if math.isfinite(value)
        ]
        score = float(np.mean(np.maximum(logs, 0.0))) if logs else math.inf
        return score, {"val_score": score, **{f"val_{k}": v for k, v in figures.items()}}
