"""How much nearer samples lie to the training recording than to new data."""

from __future__ import annotations

from typing import Any

import numpy as np

from calgan.evaluation._draws import WindowSource
from calgan.metrics import memorisation_ratios

_N_SAMPLES = 100
# Bounds the spectra of the reference windows, which are compared at all shifts at once.
_MAX_REFERENCE_VALUES = 40_000_000


def covering_starts(starts: np.ndarray, max_shift: int) -> np.ndarray:
    """Return a few of `starts` such that each start is within `max_shift` of one of them.

    A replay of any training window then coincides with one of them, shifted.

    Parameters
    ----------
    starts : ndarray of shape (S,)
        Frames at which windows can start, increasing.
    max_shift : int
        Largest shift in frames.

    Returns
    -------
    ndarray
    """
    chosen = []
    position = 0
    while position < len(starts):
        pick = starts[np.searchsorted(starts, starts[position] + max_shift, side="right") - 1]
        chosen.append(pick)
        position = int(np.searchsorted(starts, pick + max_shift, side="right"))
    return np.array(chosen)


def memorisation_figure(
    synthetic: np.ndarray,
    train: WindowSource,
    real: WindowSource,
    replay: np.ndarray,
    rng: np.random.Generator,
    n_bootstrap: int,
) -> dict[str, Any]:
    """Compare the samples' distance to training windows with that to held-out windows.

    Parameters
    ----------
    synthetic : ndarray of shape (n, T, N)
        Synthetic windows.
    train, real : WindowSource
        Training and held-out recording.
    replay : ndarray of shape (m, T, N)
        Training windows in the place of samples.
    rng : numpy.random.Generator
        Source of the choice of windows.
    n_bootstrap : int
        Resamplings of the samples behind the interval.

    Returns
    -------
    dict
        See `Evaluation.memorisation`.
    """
    max_shift = train.width // 8
    samples = synthetic
    if len(samples) > _N_SAMPLES:
        samples = samples[np.sort(rng.choice(len(samples), _N_SAMPLES, replace=False))]
    covering = covering_starts(train.starts, max_shift)
    most = max(20, _MAX_REFERENCE_VALUES // (train.width * train.n_neurons))
    reference = _windows(train, _evenly(covering, min(len(covering), most)))
    n_reference = len(reference)
    held_out = _windows(real, _evenly(real.starts, n_reference))
    ratios = memorisation_ratios(samples, reference, held_out, max_shift=max_shift)
    of_replay = memorisation_ratios(replay[:_N_SAMPLES], reference, held_out, max_shift=max_shift)
    second = _second_held_out(real, reference, max_shift, rng)
    medians = np.median(
        ratios[rng.integers(len(ratios), size=(max(n_bootstrap, 1), len(ratios)))], axis=1
    )
    replay_value = float(np.median(of_replay))
    new = 1.0 if second is None else min(second, 1.0)
    return {
        "value": float(np.median(ratios)),
        "interval": tuple(float(end) for end in np.quantile(medians, [0.025, 0.975])),
        "replay": replay_value,
        "second_held_out": second,
        "share_copied": float(np.mean(ratios < 0.5 * (replay_value + new))),
        "n_samples": len(samples),
        "n_reference": n_reference,
        "max_shift": max_shift,
    }


def _second_held_out(
    real: WindowSource, reference: np.ndarray, max_shift: int, rng: np.random.Generator
) -> float | None:
    """The figure of either half of the held-out recording, judged against the other half."""
    middle = real.starts[len(real.starts) // 2]
    early = real.starts[real.starts < middle - real.width // 2]
    late = real.starts[real.starts >= middle + real.width - real.width // 2]
    if len(early) == 0 or len(late) == 0:
        return None
    ratios = []
    for mine, other in ((early, late), (late, early)):
        picks = mine[rng.integers(len(mine), size=_N_SAMPLES // 2)]
        ratios.append(
            memorisation_ratios(
                _windows(real, picks),
                reference,
                _windows(real, _evenly(other, len(reference))),
                max_shift=max_shift,
            )
        )
    return float(np.median(np.concatenate(ratios)))


def _evenly(starts: np.ndarray, n: int) -> np.ndarray:
    return np.asarray(starts[np.round(np.linspace(0, len(starts) - 1, n)).astype(int)])


def _windows(source: WindowSource, starts: np.ndarray) -> np.ndarray:
    return np.asarray(source.frames[starts[:, None] + np.arange(source.width)])
