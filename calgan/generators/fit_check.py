"""Checks that all generators share: samples against the training windows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calgan.data.progress import progress
from calgan.data.windows import gather
from calgan.generators.monitor import spread
from calgan.spikes.oasis import OasisDeconvolver

# A neuron is mismatched outside these ranges, if chance does not explain it.
SD_RANGE = (0.7, 1.4)
RATE_RANGE = (0.5, 2.0)
_STANDARD_ERRORS = 4.0
_PSEUDO_COUNT = 0.5  # events
_INFERRED_NEURONS = 2000
_INFERRED_VALUES = 4_000_000
_VALUES = 32_000_000
_MIN_WINDOWS, _MAX_WINDOWS = 8, 200
_NAMED_NEURONS = 10


class FitWarning(UserWarning):
    r"""The samples of a fitted generator do not match its training windows.

    A neuron is mismatched if the ratio of its standard deviations (samples to training windows) is
    outside 0.7 to 1.4, or that of its inferred rates outside 0.5 to 2, and if the difference
    exceeds 4 standard errors. Standard deviations are pooled over windows and frames. One
    `OasisDeconvolver`, fitted on the training windows, infers the spikes of both; 0.5 is added to
    each count. Standard errors come from the variation between windows; that of a count is at least
    Poisson, so that the difference of two counts must exceed :math:`4 \sqrt{n_1 + n_2}`. Where no
    frame rate is known, no spikes are inferred and rates are not compared.

    Examples
    --------
    >>> import warnings
    >>> from calgan import FitWarning
    >>> warnings.simplefilter("ignore", FitWarning)
    """


def n_compared_windows(shape: tuple[int, ...]) -> int:
    """Return how many windows `check_fit` compares."""
    m, window, n_neurons = shape
    limit = min(
        _INFERRED_VALUES // (window * min(n_neurons, _INFERRED_NEURONS)),
        _VALUES // (window * n_neurons),
        _MAX_WINDOWS,
    )
    return min(m, max(_MIN_WINDOWS, limit))


def compare_with_training(
    windows: NDArray[np.float32],
    samples: NDArray[np.float32],
    frame_rate: float | None = None,
) -> dict[str, list[Any]]:
    """Compare each neuron in as many samples as training windows (M, T, N), see `FitWarning`.

    Lists as JSON can hold them, NaN where there is nothing to compare, as are rates without a frame
    rate (Hz); samples that are not finite
    have an "sd_ratio" of infinity. Of more than 2,000 neurons, 2,000 have a "rate_ratio".
    """
    windows, samples = np.asarray(windows), np.asarray(samples)
    if windows.ndim != 3 or windows.shape != samples.shape:
        raise ValueError(
            "windows and samples must have one shape (M, T, N) to be compared, got "
            f"{windows.shape} and {samples.shape}."
        )
    constant = np.ptp(windows, axis=(0, 1)) == 0
    finite = np.asarray(np.isfinite(samples).all(axis=(0, 1)))
    if not finite.all():
        samples = np.where(finite, samples, windows)
    variances = _window_variances(windows), _window_variances(samples)
    sd, sd_fake = (np.sqrt(each.mean(axis=0)) for each in variances)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd_ratio = np.where(constant, np.nan, sd_fake / sd)
    sd_ratio[~finite & ~constant] = np.inf
    wrong = _is_outside(sd_ratio, SD_RANGE) & (_sds_differ(*variances) | ~finite)

    n_neurons = windows.shape[2]
    chosen = spread(np.arange(n_neurons), _INFERRED_NEURONS)
    chosen = chosen[finite[chosen]]
    rate_ratio = np.full(n_neurons, np.nan)
    enough = windows.shape[0] * windows.shape[1] >= 4  # frames that the deconvolver needs
    if frame_rate is not None and enough and len(chosen):
        counts = _count_events(windows[..., chosen], samples[..., chosen], frame_rate)
        n_real, n_fake = (each.sum(axis=0) for each in counts)
        rate_ratio[chosen] = (n_fake + _PSEUDO_COUNT) / (n_real + _PSEUDO_COUNT)
        off = _is_outside(rate_ratio[chosen], RATE_RANGE)
        wrong[chosen] |= off & _counts_differ(*counts)
    return {
        "sd_ratio": sd_ratio.round(4).tolist(),
        "rate_ratio": rate_ratio.round(4).tolist(),
        "mismatched": np.flatnonzero(wrong & ~constant).tolist(),
    }


def warn_of_mismatch(summary: dict[str, list[Any]], name: str, *, stacklevel: int = 2) -> None:
    """Warn, at most once, of neurons whose samples do not match the training windows.

    If at least half of the neurons are mismatched, the warning is about the model as a whole.
    """
    wrong = summary.get("mismatched", [])
    if not wrong:
        return
    sd, rate = np.array(summary["sd_ratio"]), np.array(summary["rate_ratio"])
    varying = ~np.isnan(sd)
    n_varying = int(varying.sum())
    if 2 * len(wrong) < n_varying:
        names = ", ".join(map(str, wrong[:_NAMED_NEURONS]))
        names += ", ..." if len(wrong) > _NAMED_NEURONS else ""
        message = (
            f"The samples of {name} do not match {len(wrong)} of {n_varying} neurons (number "
            f"{names}): their standard deviation is not within {SD_RANGE[0]} to {SD_RANGE[1]} "
            f"times, or their inferred rate not within {RATE_RANGE[0]:g} to {RATE_RANGE[1]:g} "
            "times, that of the training windows; look at the traces of these neurons, and leave "
            "them out with Recording.select if they are faulty (fit_summary_ has the ratios)."
        )
    else:
        inferred = varying & ~np.isnan(rate)
        rates = f" and {np.median(rate[inferred]):.2g} for inferred rates" if inferred.any() else ""
        message = (
            f"The samples of {name} do not match the training windows in {len(wrong)} of "
            f"{n_varying} neurons: the median ratio of samples to training windows is "
            f"{np.median(sd[varying]):.2g} for standard deviations{rates}; train longer if it was "
            "stopped early, or use another generator (fit_summary_ has the ratios)."
        )
    warnings.warn(message, FitWarning, stacklevel=stacklevel)


def warn_of_constant(constant: NDArray[np.bool_], *, stacklevel: int = 2) -> None:
    """Warn of neurons that are constant in the training windows."""
    silent = np.flatnonzero(constant)
    if len(silent):
        names = ", ".join(map(str, silent[:5])) + (", ..." if len(silent) > 5 else "")
        warnings.warn(
            f"{len(silent)} of {len(constant)} features are constant in the training windows "
            f"(index {names}): silent neurons teach a generator nothing, so drop them, e.g. with "
            "Recording.select.",
            UserWarning,
            stacklevel=stacklevel,
        )


def check_fit(
    X: Any,
    draw: Callable[[int], NDArray[np.float32]],
    name: str,
    *,
    indices: NDArray[np.intp] | None = None,
    frame_rate: float | None = None,
    verbose: int | None = 0,
    warn: bool = True,
    stacklevel: int = 2,
) -> dict[str, list[Any]]:
    """Compare samples of a fitted generator with its training windows: the last phase of a fit."""
    if len(X.shape) != 3:
        return {}
    try:
        with progress(verbose, f"{name}: checking samples"):
            indices = np.arange(X.shape[0]) if indices is None else indices
            n_windows = n_compared_windows((len(indices), X.shape[1], X.shape[2]))
            windows = gather(X, spread(indices, n_windows))
            summary = compare_with_training(windows, draw(n_windows), frame_rate)
    except KeyboardInterrupt:
        warnings.warn(
            f"The check of the samples of {name} was interrupted: it is fitted, but fit_summary_ "
            "is empty.",
            UserWarning,
            stacklevel=stacklevel,
        )
        return {}
    if warn:
        warn_of_mismatch(summary, name, stacklevel=stacklevel + 1)
    return summary


def _window_variances(windows: NDArray[Any]) -> NDArray[np.float64]:
    """Return each window's mean square (M, N) about the mean of all windows."""
    mean = windows.mean(axis=(0, 1), dtype=np.float64)
    return np.stack([np.square(window - mean).mean(axis=0) for window in windows])


def _count_events(
    windows: NDArray[Any], samples: NDArray[Any], frame_rate: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the events in each window (M, N), inferred alike."""
    deconvolver = OasisDeconvolver(frame_rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant neurons are the caller's to report
        deconvolver.fit(windows)
    real, fake = (
        deconvolver.transform(each).sum(axis=1, dtype=np.float64) for each in (windows, samples)
    )
    return real, fake


def _mean_and_variance(
    figures: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of the figures of windows (M, N), and the variance of a mean of that many."""
    return figures.mean(axis=0), figures.var(axis=0, ddof=min(1, len(figures) - 1)) / len(figures)


def _sds_differ(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for which neurons the windows' mean squares (M, N) make different deviations."""
    (mean_a, variance_a), (mean_b, variance_b) = map(_mean_and_variance, (a, b))
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.nan_to_num(variance_a / mean_a) + np.nan_to_num(variance_b / mean_b)
    return np.abs(np.sqrt(mean_a) - np.sqrt(mean_b)) > _STANDARD_ERRORS * np.sqrt(squares) / 2


def _counts_differ(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for which neurons the windows' counts (M, N) differ in their sums."""
    (mean_a, variance_a), (mean_b, variance_b) = map(_mean_and_variance, (a, b))
    squares = np.maximum(variance_a, mean_a / len(a)) + np.maximum(variance_b, mean_b / len(b))
    return np.abs(mean_a - mean_b) > _STANDARD_ERRORS * np.sqrt(squares)


def _is_outside(ratio: NDArray[np.float64], within: tuple[float, float]) -> NDArray[np.bool_]:
    return (ratio < within[0]) | (ratio > within[1])  # NaN is not
