"""The memorisation figure: are samples nearer to the training recording than to new data?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from calgan.data.random_windows import WindowSource
from calgan.metrics.memorisation import membership_auc, memorisation_ratios

_N_SAMPLES = 100
# The membership test takes more samples where that is cheap: few replay little of a long recording.
_MAX_MEMBERS = 500
_MAX_MEMBER_VALUES = 1_000_000_000
_MIN_BLOCKS = 3
# Segments of the training recording, every other one of which stands for samples.
_MAX_SEGMENTS = 20
# Bounds the spectra of the reference windows, which are compared at all shifts at once.
_MAX_REFERENCE_VALUES = 40_000_000


def covering_starts(starts: np.ndarray, max_shift: int) -> np.ndarray:
    """Return a few of `starts` such that each start is within `max_shift` frames of one of them.

    A replay of any training window then coincides with one of them, shifted.
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
    replay: Callable[[int], np.ndarray],
    rng: np.random.Generator,
    n_bootstrap: int,
) -> dict[str, Any]:
    """Compare the samples' distance to training windows with that to held-out windows.

    ``replay`` gives so many training windows, or all there are, in the place of samples. The
    result is `Evaluation.memorisation`.
    """
    max_shift = train.window // 8
    samples = synthetic
    if len(samples) > _N_SAMPLES:
        samples = samples[np.sort(rng.choice(len(samples), _N_SAMPLES, replace=False))]
    covering = covering_starts(train.starts, max_shift)
    most = max(20, _MAX_REFERENCE_VALUES // (train.window * train.n_neurons))
    reference = _windows(train, _evenly(covering, min(len(covering), most)))
    n_reference = len(reference)
    held_out = _windows(real, _evenly(real.starts, n_reference))
    ratios = memorisation_ratios(samples, reference, held_out, max_shift=max_shift)
    of_replay = memorisation_ratios(replay(_N_SAMPLES), reference, held_out, max_shift=max_shift)
    second = _second_held_out(real, reference, max_shift, rng)
    medians = np.median(
        ratios[rng.integers(len(ratios), size=(max(n_bootstrap, 1), len(ratios)))], axis=1
    )
    replay_value = float(np.median(of_replay))
    new = 1.0 if second is None else min(float(np.median(second[0])), 1.0)

    members = int(np.clip(_MAX_MEMBER_VALUES // reference.size, _N_SAMPLES, _MAX_MEMBERS))
    replayed = replay(min(members, len(synthetic)))
    members = len(replayed)

    def membership(windows: np.ndarray) -> float:
        return membership_auc(windows[:members], reference, held_out, max_shift=max_shift)

    return {
        "value": float(np.median(ratios)),
        "interval": tuple(np.quantile(medians, [0.025, 0.975]).tolist()) if n_bootstrap else None,
        "replay": replay_value,
        "second_held_out": None if second is None else float(np.median(second[0])),
        "second_held_out_interval": second and block_interval(*second, n_bootstrap, rng),
        "share_copied": float(np.mean(ratios < 0.5 * (replay_value + new))),
        "membership": {
            "value": membership(synthetic),
            "replay": membership(replayed),
            "drift": _membership_by_drift(train, held_out, members, max_shift, rng),
            "n_samples": members,
        },
        "n_samples": len(samples),
        "n_reference": n_reference,
        "max_shift": max_shift,
    }


def _second_held_out(
    real: WindowSource, reference: np.ndarray, max_shift: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Ratios of windows of either half of the held-out recording judged against the other half.

    With them the block of time that each of the windows is from. None if it is too short.
    """
    middle = real.starts[len(real.starts) // 2]
    early = np.flatnonzero(real.starts < middle - real.window // 2)
    late = np.flatnonzero(real.starts >= middle + real.window - real.window // 2)
    if len(early) == 0 or len(late) == 0:
        return None
    ratios, blocks = [], []
    for mine, other in ((early, late), (late, early)):
        picks = mine[rng.integers(len(mine), size=_N_SAMPLES // 2)]
        blocks.append(real.groups[picks])
        ratios.append(
            memorisation_ratios(
                _windows(real, real.starts[picks]),
                reference,
                _windows(real, _evenly(real.starts[other], len(reference))),
                max_shift=max_shift,
            )
        )
    return np.concatenate(ratios), np.concatenate(blocks)


def block_interval(
    values: np.ndarray, blocks: np.ndarray, n_bootstrap: int, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Return the 95 % interval of a median of windows of which blocks are resampled."""
    parts = [values[blocks == block] for block in np.unique(blocks)]
    if n_bootstrap == 0 or len(parts) < _MIN_BLOCKS:
        return None
    value = np.median(values)
    medians = [
        np.median(np.concatenate([parts[i] for i in rng.integers(len(parts), size=len(parts))]))
        for _ in range(n_bootstrap)
    ]
    low, high = np.quantile(medians, [0.025, 0.975])
    return (float(min(low, value)), float(max(high, value)))


def _membership_by_drift(
    train: WindowSource, held_out: np.ndarray, n: int, max_shift: int, rng: np.random.Generator
) -> float | None:
    """Membership test with real windows of every other training segment in place of samples.

    Those of the segments between are the windows to be told from held-out ones: of the same time,
    but not copied. What it finds beyond 0.5 is drift. None if the recording is too short.
    """
    first, end = train.starts[0], train.starts[-1] + train.window
    n_segments = min(_MAX_SEGMENTS, int(end - first) // (2 * train.window))
    if n_segments < 2:
        return None
    borders = np.linspace(first, end, n_segments + 1)
    segment = np.searchsorted(borders, train.starts, side="right") - 1
    inside = train.starts + train.window <= borders[segment + 1]
    sides = [train.starts[inside & (segment % 2 == side)] for side in (0, 1)]
    if min(map(len, sides)) == 0:
        return None
    areas = []
    for given, tested in (sides, sides[::-1]):
        picks = given[rng.integers(len(given), size=n)]
        tested = _evenly(tested, min(len(tested), len(held_out)))
        areas.append(
            membership_auc(
                _windows(train, picks), _windows(train, tested), held_out, max_shift=max_shift
            )
        )
    return float(np.mean(areas))


def _evenly(starts: np.ndarray, n: int) -> np.ndarray:
    """Return n of the starts, evenly spaced."""
    return np.asarray(starts[np.round(np.linspace(0, len(starts) - 1, n)).astype(int)])


def _windows(source: WindowSource, starts: np.ndarray) -> np.ndarray:
    """Return the windows (n, T, N) at these starts."""
    return np.asarray(source.frames[starts[:, None] + np.arange(source.window)])
