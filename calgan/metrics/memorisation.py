"""Copies: the nearest training windows of samples, and the nearest samples of these windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from calgan.data.validation import check_integer
from calgan.metrics._arrays import as_window_pair
from calgan.metrics.population import pooled_moments
from calgan.metrics.two_sample import roc_area

_BATCH_BYTES = 64 * 2**20


def nearest_distances(samples: np.ndarray, windows: np.ndarray, max_shift: int) -> np.ndarray:
    """Distance of each sample's central part to the nearest window at the best shift."""
    n, window, n_neurons = samples.shape
    span = window - 2 * max_shift
    template = np.zeros(samples.shape, dtype=np.float32)
    template[:, max_shift : max_shift + span] = samples[:, max_shift : max_shift + span]
    # All shifts at once: one matrix product per frequency. The template is 0 where a shift would
    # wrap around, so that the circular correlation is the plain one.
    a = np.ascontiguousarray(fft.rfft(template, axis=1).transpose(1, 0, 2).conj())
    best = np.full(n, np.inf)
    which, shift = np.zeros(n, dtype=int), np.zeros(n, dtype=int)
    step = max(1, _BATCH_BYTES // (16 * window * (n + n_neurons)))
    for first in range(0, len(windows), step):
        part = windows[first : first + step].astype(np.float32, copy=False)
        b = np.ascontiguousarray(fft.rfft(part, axis=1).transpose(1, 2, 0))
        product = fft.irfft(a @ b, n=window, axis=0)  # (shift, samples, windows)
        product = np.concatenate([product[window - max_shift :], product[: max_shift + 1]])
        # Energy of a window under the template, for every shift from -max_shift to max_shift.
        energy = np.zeros((window + 1, len(part)))
        np.cumsum(np.einsum("mtn,mtn->tm", part, part, dtype=np.float64), axis=0, out=energy[1:])
        energy = energy[span:] - energy[: window + 1 - span]
        squared = energy[:, np.newaxis].astype(np.float32) - 2.0 * product
        squared = np.moveaxis(squared, 1, 0).reshape(n, -1)
        at = squared.argmin(axis=1)
        lowest = squared[np.arange(n), at]
        nearer = lowest < best
        best[nearer] = lowest[nearer]
        shift[nearer], found = np.divmod(at[nearer], len(part))
        which[nearer] = first + found
    # Single precision has found the place; the distance itself is a difference, not of large sums.
    centres = samples[:, max_shift : max_shift + span]
    return np.array(
        [
            np.linalg.norm(np.subtract(mine, windows[w, s : s + span], dtype=np.float64))
            for mine, w, s in zip(centres, which, shift, strict=True)
        ]
    )


def _standardised(
    samples: ArrayLike, train: ArrayLike, held_out: ArrayLike, max_shift: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Samples, training and held-out windows in the neurons' training deviations; the shift.

    Neurons that are constant in the training windows are left out, which may leave none.
    """
    samples, train = as_window_pair(samples, train, ("samples", "train"), same_window=True)
    samples, held_out = as_window_pair(samples, held_out, ("samples", "held_out"), same_window=True)
    window = samples.shape[1]
    max_shift = window // 8 if max_shift is None else max_shift
    max_shift = check_integer(max_shift, "max_shift", minimum=0)
    if 2 * max_shift >= window:
        raise ValueError(
            f"max_shift={max_shift} leaves no central part of windows of {window} frames; "
            f"use at most {(window - 1) // 2}."
        )
    scale = WindowScale(train)
    return scale(samples), scale(train), scale(held_out), max_shift


class WindowScale:
    """Brings windows (M, T, N) to the mean and deviation of the neurons that vary in others."""

    def __init__(self, windows: np.ndarray) -> None:
        mean, deviation = pooled_moments(windows)
        self.varies = deviation > 0
        self.mean, self.deviation = mean[self.varies], deviation[self.varies]

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Return the scaled windows, in single precision if they are."""
        kind = np.float32 if windows.dtype == np.float32 else np.float64
        windows = windows if self.varies.all() else windows[:, :, self.varies]
        scaled = np.subtract(windows, self.mean, dtype=kind)
        return np.asarray(np.divide(scaled, self.deviation, out=scaled, casting="same_kind"))


def memorisation_ratios(
    samples: ArrayLike, train: ArrayLike, held_out: ArrayLike, *, max_shift: int | None = None
) -> np.ndarray:
    """Ratio of each sample (n,), of which `memorisation_ratio` is the median; NaN without scale."""
    samples, train, held_out, max_shift = _standardised(samples, train, held_out, max_shift)
    if len(train) != len(held_out):
        raise ValueError(
            f"train has {len(train)} windows and held_out {len(held_out)}; pass as many of each, "
            "since the nearest of more windows is nearer by chance."
        )
    return distance_ratios(samples, train, held_out, max_shift)


def distance_ratios(
    samples: np.ndarray, train: np.ndarray, held_out: np.ndarray, max_shift: int
) -> np.ndarray:
    """Ratio of each sample (n,) for windows that share a scale; NaN without a neuron."""
    if samples.shape[2] == 0:
        return np.full(len(samples), np.nan)
    to_train = nearest_distances(samples, train, max_shift)
    to_held_out = nearest_distances(samples, held_out, max_shift)
    ratios = np.ones(len(samples))
    np.divide(to_train, to_held_out, out=ratios, where=to_held_out > 0)
    ratios[(to_held_out == 0) & (to_train > 0)] = np.inf
    return ratios


def memorisation_ratio(
    samples: ArrayLike, train: ArrayLike, held_out: ArrayLike, *, max_shift: int | None = None
) -> float:
    """Distance to the nearest training window over that to the nearest held-out window.

    Neurons are scaled by their mean and deviation over ``train``. Distances are Euclidean over
    the sample's central ``T - 2 max_shift`` frames, at the best of all shifts up to ``max_shift``
    frames either way. The result is the median over samples.

    Parameters
    ----------
    samples : array-like of shape (n, T, N)
        Synthetic windows of traces.
    train : array-like of shape (K, T, N)
        Windows the model was fitted on.
    held_out : array-like of shape (K, T, N)
        Windows it never saw, as many as of ``train``: of more windows, one is nearer by chance.
    max_shift : int, default=None
        Largest shift in frames, ``T // 8`` if None.

    Returns
    -------
    float
        About 1 for a model that makes new samples, 0 for one that replays training windows. NaN
        if all neurons are constant in ``train``, so that distances have no scale.

    Raises
    ------
    ValueError
        If ``train`` and ``held_out`` differ in number, or if ``max_shift`` leaves no central frame.

    Notes
    -----
    Neurons that are constant in ``train`` are left out. A recording drifts, so a true new sample
    need not have ratio 1: read it beside the ratio of replayed training windows and that of a
    second set of held-out windows.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import memorisation_ratio
    >>> train, held_out = np.random.default_rng(0).normal(size=(2, 20, 32, 4))
    >>> round(memorisation_ratio(train, train, held_out), 6)
    0.0
    """
    return float(np.median(memorisation_ratios(samples, train, held_out, max_shift=max_shift)))


def membership_auc(
    samples: ArrayLike, train: ArrayLike, held_out: ArrayLike, *, max_shift: int | None = None
) -> float:
    """Tell training windows from held-out ones by their distance to the nearest sample.

    A membership attack [1]_: where the samples tell which real windows the model was fitted on,
    they hold copies of them. It also finds the few windows that many samples repeat, which
    :func:`memorisation_ratio` does not.

    Parameters
    ----------
    samples : array-like of shape (n, T, N)
        Synthetic windows of traces.
    train : array-like of shape (K, T, N)
        Windows the model was fitted on.
    held_out : array-like of shape (L, T, N)
        Windows it never saw; ``L`` may differ from ``K``.
    max_shift : int, default=None
        Largest shift in frames either way, ``T // 8`` if None: the central ``T - 2 max_shift``
        frames of each real window are compared with the samples at the best shift.

    Returns
    -------
    float
        Chance that a random training window is nearer to its nearest sample than a random
        held-out window to its own, ties counted half. 0.5 where nothing leaks, 1 for a replay of
        all training windows; a replay of a share ``p`` of them gives about ``(1 + p) / 2``. NaN
        if all neurons are constant in ``train``, so that distances have no scale.

    Raises
    ------
    ValueError
        If ``max_shift`` leaves no central frame.

    Notes
    -----
    Neurons are scaled by their mean and deviation over ``train``; those constant there are left
    out. A recording drifts, so the samples of a good model, too, lie nearer to the time it was
    fitted on. Hold out blocks from among the training time, and read the figure beside that of a
    model that cannot copy, such as the dichotomized Gaussian, and beside that of a replay.

    References
    ----------
    .. [1] Hilprecht, B., Härterich, M., and Bernau, D. (2019). Monte Carlo and reconstruction
       membership inference attacks against generative models. Proceedings on Privacy Enhancing
       Technologies, 2019(4), 232-249. https://doi.org/10.2478/popets-2019-0067

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import membership_auc
    >>> train, held_out, new = np.random.default_rng(0).normal(size=(3, 30, 32, 4))
    >>> membership_auc(train, train, held_out)
    1.0
    >>> 0.3 < membership_auc(new, train, held_out) < 0.7
    True
    """
    samples, train, held_out, max_shift = _standardised(samples, train, held_out, max_shift)
    if samples.shape[2] == 0:
        return float("nan")
    to_train = nearest_distances(train, samples, max_shift)
    to_held_out = nearest_distances(held_out, samples, max_shift)
    return roc_area(-to_train, -to_held_out)
