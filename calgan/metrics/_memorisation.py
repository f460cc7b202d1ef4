"""Are samples closer to the training windows than to held-out windows?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from calgan.data.validation import check_integer
from calgan.metrics._arrays import as_window_pair, as_windows
from calgan.metrics._population import pooled_moments

_BATCH_BYTES = 256 * 2**20


def _nearest(samples: np.ndarray, windows: np.ndarray, max_shift: int) -> np.ndarray:
    """Distance of each sample's central part to the nearest window at the best shift."""
    n, width, n_neurons = samples.shape
    centre = slice(max_shift, width - max_shift)
    template = np.zeros((n, width, n_neurons))
    template[:, centre] = samples[:, centre]
    own = np.einsum("mtn,mtn->m", template, template)

    # Energy of a window under the template, for every shift from -max_shift to max_shift.
    energy = np.zeros((len(windows), width + 1))
    np.cumsum(np.einsum("mtn,mtn->mt", windows, windows), axis=1, out=energy[:, 1:])
    span = width - 2 * max_shift
    energy = energy[:, span:] - energy[:, : energy.shape[1] - span]

    # All shifts at once: one matrix product per frequency. The template is 0 where a shift
    # would wrap around, so that the circular correlation is the plain one.
    a = fft.rfft(template, axis=1).transpose(1, 0, 2).conj()
    b = fft.rfft(windows, axis=1).transpose(1, 2, 0)
    nearest = np.empty(n)
    rows = max(1, _BATCH_BYTES // (16 * len(windows) * (len(a) + width)))
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        product = fft.irfft(a[:, part] @ b, n=width, axis=0)  # (shift, samples, windows)
        product = np.concatenate([product[width - max_shift :], product[: max_shift + 1]])
        squared = own[part, np.newaxis] + energy.T[:, np.newaxis] - 2.0 * product
        nearest[part] = np.sqrt(np.maximum(squared.min(axis=(0, 2)), 0.0))
    return nearest


def memorisation_ratios(
    samples: ArrayLike, train: ArrayLike, held_out: ArrayLike, *, max_shift: int | None = None
) -> np.ndarray:
    """Distance to the nearest training window over that to the nearest held-out window.

    Neurons are scaled by their mean and deviation over ``train``; distances are Euclidean over
    the sample's central ``T - 2 max_shift`` frames, at the best of all shifts up to
    ``max_shift`` frames either way.

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
    ratios : ndarray of shape (n,)
        About 1 for new samples, 0 for copies of training windows. 1 where both distances are 0.

    Raises
    ------
    ValueError
        If ``train`` and ``held_out`` differ in number, if all neurons are constant in
        ``train``, or if ``max_shift`` leaves no central frame.

    Notes
    -----
    Neurons that are constant in ``train`` are left out. A recording drifts, so that even a true
    new sample need not have ratio 1: read it beside the ratio of replayed training windows and
    that of a second set of held-out windows.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import memorisation_ratios
    >>> train, held_out, new = np.random.default_rng(0).normal(size=(3, 20, 32, 4))
    >>> bool(memorisation_ratios(train, train, held_out).max() < 1e-6)
    True
    >>> bool(abs(np.median(memorisation_ratios(new, train, held_out)) - 1) < 0.1)
    True
    """
    samples, train = as_window_pair(samples, train, ("samples", "train"), same_width=True)
    held_out = as_windows(held_out, "held_out")
    as_window_pair(samples[:1], held_out[:1], ("samples", "held_out"), same_width=True)
    if len(train) != len(held_out):
        raise ValueError(
            f"train has {len(train)} windows and held_out {len(held_out)}; pass as many of each, "
            "since the nearest of more windows is nearer by chance."
        )
    width = samples.shape[1]
    if max_shift is None:
        max_shift = width // 8
    max_shift = check_integer(max_shift, "max_shift", minimum=0)
    if 2 * max_shift >= width:
        raise ValueError(
            f"max_shift={max_shift} leaves no central part of windows of {width} frames; "
            f"use at most {(width - 1) // 2}."
        )
    mean, deviation = pooled_moments(train)
    varies = deviation > 0
    if not varies.any():
        raise ValueError("every neuron in train is constant, so distances have no scale.")

    def standardise(X: np.ndarray) -> np.ndarray:
        return (X[:, :, varies] - mean[varies]) / deviation[varies]

    samples = standardise(samples)
    to_train = _nearest(samples, standardise(train), max_shift)
    to_held_out = _nearest(samples, standardise(held_out), max_shift)
    ratios = np.ones(len(samples))
    np.divide(to_train, to_held_out, out=ratios, where=to_held_out > 0)
    ratios[(to_held_out == 0) & (to_train > 0)] = np.inf
    return ratios


def memorisation_ratio(
    samples: ArrayLike, train: ArrayLike, held_out: ArrayLike, *, max_shift: int | None = None
) -> float:
    """Median over samples of :func:`memorisation_ratios`.

    Parameters
    ----------
    samples : array-like of shape (n, T, N)
        Synthetic windows of traces.
    train : array-like of shape (K, T, N)
        Windows the model was fitted on.
    held_out : array-like of shape (K, T, N)
        Windows it never saw, as many as of ``train``.
    max_shift : int, default=None
        Largest shift in frames, ``T // 8`` if None.

    Returns
    -------
    float
        About 1 for a model that makes new samples, 0 for one that replays.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.metrics import memorisation_ratio
    >>> train, held_out = np.random.default_rng(0).normal(size=(2, 20, 32, 4))
    >>> round(memorisation_ratio(train, train, held_out), 6)
    0.0
    """
    return float(np.median(memorisation_ratios(samples, train, held_out, max_shift=max_shift)))
