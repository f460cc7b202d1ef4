"""Features of whole windows, drawn in folds of contiguous time that share no frames.

These windows are drawn apart from those of the other statistics, as many in each fold on every
side. The features are those of `calgan.metrics.window_features`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calgan.data.random_windows import COVERAGE, WindowSource, pick_spread
from calgan.metrics import window_features

_MAX_FOLDS = 5
_CHUNK_VALUES = 2_000_000


@dataclass(frozen=True)
class FoldedWindows:
    """Features (U, F) of windows, and draws (D, k, m) of m of them in each of k folds.

    Each window has its block of time and the position of its first frame: two that are closer
    than a window have frames in common.
    """

    table: np.ndarray
    draws: np.ndarray
    blocks: np.ndarray
    position: np.ndarray

    @property
    def n_blocks(self) -> int:
        """Number of blocks of time."""
        return int(self.blocks.max()) + 1

    def draw(self, number: int) -> np.ndarray:
        """Return the windows (k, m) of a draw, the only one for all numbers if there is one."""
        return np.asarray(self.draws[number % len(self.draws)])


def count_folds(sources: Sequence[WindowSource], n: int) -> int:
    """Return the number of folds, each about two windows long or more; 1 where not even two fit."""
    fitting = min(source.n_independent for source in sources)
    n_folds = min(_MAX_FOLDS, max(fitting // 2, 2), n // 2)
    while n_folds > 1 and any(
        len(part) == 0 for source in sources for part in fold_starts(source, n_folds)
    ):
        n_folds -= 1
    return n_folds


def fold_starts(source: WindowSource, n_folds: int) -> list[np.ndarray]:
    """Return the positions in ``source.starts`` of windows inside equal segments of time.

    Windows that cross from one segment into the next are left out.
    """
    first, end = source.starts[0], source.starts[-1] + source.window
    borders = np.round(np.linspace(first, end, n_folds + 1)).astype(int)
    return [
        np.flatnonzero((source.starts >= low) & (source.starts + source.window <= high))
        for low, high in zip(borders[:-1], borders[1:], strict=True)
    ]


def fold_recording(
    source: WindowSource,
    n_draws: Mapping[str, int],
    shape: tuple[int, int],
    frame_rate: float,
    rng: np.random.Generator,
) -> dict[str, FoldedWindows]:
    """Draw windows of a recording at random starts in each fold, so many times for each name.

    ``shape`` is (k, m). In a fold every start is taken once before any is taken again.
    """
    n_folds, size = shape
    # Where windows hold each frame many times, further draws would be of the same windows.
    most = max(size, -(-COVERAGE * source.n_independent // n_folds))
    n_draws = {name: min(many, -(-most // size)) for name, many in n_draws.items()}
    n_kinds = sum(n_draws.values())
    picks = np.empty((n_kinds, n_folds, size), dtype=int)
    for fold, choices in enumerate(fold_starts(source, n_folds)):
        spread = choices[pick_spread(len(choices), min(most, n_kinds * size), rng)]
        picks[:, fold] = np.resize(rng.permutation(spread), (n_kinds, size))
    used, inverse = np.unique(picks, return_inverse=True)
    steps = np.arange(source.window)
    table = _features(
        lambda rows: source.frames[source.starts[used[rows], None] + steps],
        len(used),
        source.window * source.n_neurons,
        frame_rate,
    )
    blocks, position = source.groups[used], source.starts[used]
    inverse = inverse.reshape(picks.shape)
    draws = np.split(inverse, np.cumsum(list(n_draws.values()))[:-1])
    return {
        name: FoldedWindows(table, each, blocks, position)
        for name, each in zip(n_draws, draws, strict=True)
    }


def fold_shuffled(
    source: WindowSource, n_folds: int, size: int, frame_rate: float, rng: np.random.Generator
) -> FoldedWindows:
    """Draw windows in which each neuron comes from another window of the same fold, once."""
    rows = []
    for choices in fold_starts(source, n_folds):
        picked = source.starts[np.resize(rng.permutation(choices), size)]
        rows.append(rng.permuted(np.repeat(picked[:, None], source.n_neurons, axis=1), axis=0))
    starts = np.concatenate(rows)[:, None, :]
    neurons, steps = np.arange(source.n_neurons), np.arange(source.window)[:, None]
    table = _features(
        lambda part: source.frames[starts[part] + steps, neurons],
        len(starts),
        source.window * source.n_neurons,
        frame_rate,
    )
    index = np.arange(len(table))
    # Windows of one fold have frames of single neurons in common; with one fold, all would.
    position = (index // size if n_folds > 1 else index) * source.window
    return FoldedWindows(
        table, index.reshape(1, n_folds, size), np.zeros(len(table), int), position
    )


def fold_samples(
    samples: np.ndarray,
    shape: tuple[int, int, int],
    frame_rate: float,
    rng: np.random.Generator,
) -> FoldedWindows:
    """Deal independent windows out to folds, anew in every draw."""
    n_draws, n_folds, size = shape
    n = n_folds * size
    picks = np.stack([rng.permutation(len(samples))[:n] for _ in range(n_draws)])
    used, inverse = np.unique(picks, return_inverse=True)
    table = _features(lambda rows: samples[used[rows]], len(used), samples[0].size, frame_rate)
    index = np.arange(len(used))
    return FoldedWindows(
        table, inverse.reshape(shape), index * 24 // len(used), index * samples.shape[1]
    )


def _features(
    gather: Callable[[slice], np.ndarray], n: int, n_values: int, frame_rate: float
) -> np.ndarray:
    """Return the features of n windows that are gathered a chunk at a time."""
    size = max(1, _CHUNK_VALUES // n_values)
    chunks = (gather(slice(start, start + size)) for start in range(0, n, size))
    return np.concatenate([window_features(chunk, frame_rate)[0] for chunk in chunks])
