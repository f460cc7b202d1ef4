"""The memorisation figure: are samples nearer to the training recording than to new data?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from calgan.data.random_windows import WindowSource
from calgan.evaluation.statistics.bootstrap import MIN_BLOCKS, resampling_weights
from calgan.metrics.memorisation import WindowScale, distance_ratios, nearest_distances

_N_SAMPLES = 100
# The membership test takes more samples where that is cheap: few replay little of a long recording.
_MAX_MEMBERS = 500
_MAX_MEMBER_VALUES = 1_000_000_000
_MIN_BLOCKS_OF_AREAS = 8  # of fewer, an interval of an area is too narrow
# Segments of the training recording, every other one of which stands for samples.
_MAX_SEGMENTS = 20
# Bounds the spectra of the reference windows, which are compared at all shifts at once.
_MAX_REFERENCE_VALUES = 40_000_000

Replicates = tuple[np.ndarray, np.ndarray]
"""How often each block of the training and of the held-out recording is taken, (R, G), (R, H)."""


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


@dataclass(frozen=True)
class _Drawn:
    """Scaled windows (n, T, N) of a recording, and the block (n,) that each is from."""

    windows: np.ndarray
    blocks: np.ndarray


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
    covering = covering_starts(train.starts, max_shift)
    most = max(20, _MAX_REFERENCE_VALUES // (train.window * train.n_neurons))
    starts = _evenly(covering, min(len(covering), most))
    scale = WindowScale(_windows(train, starts))

    def draw(source: WindowSource, starts: np.ndarray) -> _Drawn:
        blocks = source.groups[np.searchsorted(source.starts, starts)]
        return _Drawn(scale(_windows(source, starts)), blocks)

    reference = draw(train, starts)
    n_reference = len(starts)
    held_out = draw(real, _evenly(real.starts, n_reference))
    members = int(
        np.clip(_MAX_MEMBER_VALUES // max(1, reference.windows.size), _N_SAMPLES, _MAX_MEMBERS)
    )
    samples = scale(synthetic[:members])
    some = np.sort(rng.choice(len(samples), min(len(samples), _N_SAMPLES), replace=False))

    def ratios_of(windows: np.ndarray) -> np.ndarray:
        return distance_ratios(windows, reference.windows, held_out.windows, max_shift)

    ratios, of_replay = (
        ratios_of(samples[some]),
        float(np.median(ratios_of(scale(replay(len(some)))))),
    )
    second = _second_held_out(real, draw, reference, max_shift, rng)
    weights = _replicates(train.n_blocks, real.n_blocks, n_bootstrap, rng)
    drift = _by_drift(train, draw, held_out, len(samples), max_shift, weights, rng)
    of_new = [1.0, *([] if second is None else [float(np.median(second[0]))])]
    of_new += [] if drift is None else [drift.ratio]
    copied = ratios < 0.5 * (of_replay + min(of_new))
    again = rng.integers(len(ratios), size=(n_bootstrap, len(ratios)))
    replayed = draw(train, _standing(train.starts, len(samples), max_shift, rng)).windows
    found, of_replayed = (
        _area(windows, reference, held_out, max_shift, weights) for windows in (samples, replayed)
    )
    return {
        "value": float(np.median(ratios)),
        "interval": _interval(np.median(ratios[again], axis=1)),
        "replay": of_replay,
        "second_held_out": None if second is None else float(np.median(second[0])),
        "second_held_out_interval": second and block_interval(*second, n_bootstrap, rng),
        "drift": None if drift is None else drift.ratio,
        "share_copied": float(np.mean(copied)),
        "share_copied_interval": _interval(np.mean(copied[again], axis=1)),
        "membership": {
            "value": float(found[0]),
            "replay": float(of_replayed[0]),
            "drift": None if drift is None else float(drift.areas[0]),
            "beyond_drift_interval": drift and _interval((found - drift.areas)[1:]),
            "n_samples": len(samples),
        },
        "n_samples": len(ratios),
        "n_reference": n_reference,
        "max_shift": max_shift,
    }


def _second_held_out(
    real: WindowSource,
    draw: Callable[[WindowSource, np.ndarray], _Drawn],
    reference: _Drawn,
    max_shift: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Ratios of windows of either half of the held-out recording judged against the other half.

    With them the block of time that each of the windows is from. None if it is too short.
    """
    middle = real.starts[len(real.starts) // 2]
    early = real.starts[real.starts < middle - real.window // 2]
    late = real.starts[real.starts >= middle + real.window - real.window // 2]
    if len(early) == 0 or len(late) == 0:
        return None
    ratios, blocks = [], []
    for mine, other in ((early, late), (late, early)):
        picked = draw(real, mine[rng.integers(len(mine), size=_N_SAMPLES // 2)])
        against = draw(real, _evenly(other, len(reference.windows)))
        blocks.append(picked.blocks)
        ratios.append(
            distance_ratios(picked.windows, reference.windows, against.windows, max_shift)
        )
    return np.concatenate(ratios), np.concatenate(blocks)


def block_interval(
    values: np.ndarray, blocks: np.ndarray, n_bootstrap: int, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Return the 95 % interval of a median of windows of which blocks are resampled."""
    parts = [values[blocks == block] for block in np.unique(blocks)]
    if n_bootstrap == 0 or len(parts) < MIN_BLOCKS:
        return None
    value = np.median(values)
    medians = [
        np.median(np.concatenate([parts[i] for i in rng.integers(len(parts), size=len(parts))]))
        for _ in range(n_bootstrap)
    ]
    low, high = np.quantile(medians, [0.025, 0.975])
    return (float(min(low, value)), float(max(high, value)))


def _interval(replicates: np.ndarray) -> tuple[float, float] | None:
    """Return the 95 % interval of replicates, None without any."""
    defined = replicates[~np.isnan(replicates)]
    if len(defined) == 0:
        return None
    low, high = np.quantile(defined, [0.025, 0.975])
    return (float(low), float(high))


def _replicates(
    n_train: int, n_real: int, n_bootstrap: int, rng: np.random.Generator
) -> Replicates:
    """Return weights of blocks, first all equal; no others of recordings of too few blocks."""
    n_bootstrap = 0 if min(n_train, n_real) < _MIN_BLOCKS_OF_AREAS else n_bootstrap
    first, second = (
        np.concatenate([np.ones((1, n)), resampling_weights(n, n_bootstrap, rng)])
        for n in (n_train, n_real)
    )
    return first, second


def _area(
    samples: np.ndarray, near: _Drawn, far: _Drawn, max_shift: int, weights: Replicates
) -> np.ndarray:
    """Chance that one of `near` lies nearer to its nearest sample than one of `far`, (1 + R,)."""
    if samples.shape[2] == 0:
        return np.full(len(weights[0]), np.nan)
    a, b = (nearest_distances(each.windows, samples, max_shift) for each in (near, far))
    wins = (a[:, None] < b) + 0.5 * (a[:, None] == b)
    mine, theirs = weights[0][:, near.blocks], weights[1][:, far.blocks]
    pairs = mine.sum(axis=1) * theirs.sum(axis=1)
    won = np.einsum("ri,ri->r", mine, theirs @ wins.T)
    return np.where(pairs > 0, won / np.maximum(pairs, 1), np.nan)


@dataclass(frozen=True)
class _Drift:
    """The figure and the areas (1 + R,) of real windows of other training segments."""

    ratio: float
    areas: np.ndarray


def _by_drift(
    train: WindowSource,
    draw: Callable[[WindowSource, np.ndarray], _Drawn],
    held_out: _Drawn,
    n: int,
    max_shift: int,
    weights: Replicates,
    rng: np.random.Generator,
) -> _Drift | None:
    """Judge real windows of every other training segment in place of samples.

    Those of the segments between are the windows to be told from held-out ones: of the same time,
    but not copied. What is found is drift. None if the recording is too short.
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
    areas, ratios = [], []
    for given, tested in (sides, sides[::-1]):
        picks = draw(train, _standing(given, n, max_shift, rng)).windows
        windows = draw(train, _evenly(tested, min(len(tested), len(held_out.windows))))
        areas.append(_area(picks, windows, held_out, max_shift, weights))
        some = picks[rng.permutation(len(picks))[: _N_SAMPLES // 2]]
        against = held_out.windows[_evenly(np.arange(len(held_out.windows)), len(windows.windows))]
        ratios.append(distance_ratios(some, windows.windows, against, max_shift))
    return _Drift(float(np.median(np.concatenate(ratios))), np.mean(areas, axis=0))


def _standing(starts: np.ndarray, n: int, max_shift: int, rng: np.random.Generator) -> np.ndarray:
    """Starts of real windows that take the place of n samples; fewer if these hold every frame."""
    step = 2 * max_shift + 1
    jumps = np.flatnonzero(np.diff(starts) > 1)
    chosen = np.concatenate([np.arange(0, len(starts), step), jumps, jumps + 1, [len(starts) - 1]])
    chosen = np.unique(chosen)
    if len(chosen) < n and n * step >= 4 * len(starts):
        return np.asarray(starts[chosen])
    return np.asarray(starts[rng.integers(len(starts), size=n)])


def _evenly(starts: np.ndarray, n: int) -> np.ndarray:
    """Return n of the starts, evenly spaced."""
    return np.asarray(starts[np.round(np.linspace(0, len(starts) - 1, n)).astype(int)])


def _windows(source: WindowSource, starts: np.ndarray) -> np.ndarray:
    """Return the windows (n, T, N) at these starts."""
    return np.asarray(source.frames[starts[:, None] + np.arange(source.window)])
