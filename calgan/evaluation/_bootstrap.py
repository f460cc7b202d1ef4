"""Sums of windows by block, statistics of these sums, and their bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calgan.data.drawing import WindowBank
from calgan.evaluation.statistics._base import Measure

_CHUNK_VALUES = 3_000_000


@dataclass(frozen=True)
class BlockSums:
    """Sums of one measure's features over the windows of each draw and block.

    Attributes
    ----------
    n : ndarray of shape (D, G)
        Windows of each of D draws that lie in each of G blocks.
    sums : ndarray of shape (D, G, K)
        Sums of their features.
    """

    n: np.ndarray
    sums: np.ndarray

    def total(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers (D,) and sums (D, K) over all blocks."""
        return self.n.sum(axis=1), self.sums.sum(axis=1)

    def weighted(self, draw: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers (R,) and sums (R, K) of one draw for block weights (R, G)."""
        return weights @ self.n[draw], weights @ self.sums[draw]


def sum_by_block(
    bank: WindowBank, measures: Sequence[Measure], names: dict[str, bool]
) -> dict[str, list[BlockSums]]:
    """Sum every measure's features over the windows of every draw, a chunk of windows at a time.

    Parameters
    ----------
    bank : WindowBank
        Windows with their spikes.
    measures : sequence of Measure
        What is summed.
    names : dict of str to bool
        Which draws of the bank; True keeps the blocks apart, False adds them up.

    Returns
    -------
    dict of str to list of BlockSums
        One entry a measure.
    """
    weights = {
        name: np.stack([np.bincount(draw, minlength=bank.n_windows) for draw in bank.lists[name]])
        for name in names
    }
    n_neurons = bank.frames.shape[1]
    size = int(np.clip(_CHUNK_VALUES // (n_neurons * max(bank.window, n_neurons)), 1, 64))
    n_blocks = {name: bank.n_blocks if apart else 1 for name, apart in names.items()}
    counts = {name: np.zeros((len(weights[name]), n_blocks[name])) for name in names}
    sums: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for group in range(bank.n_blocks):
        for index in bank.chunks(group, size):
            traces, spikes = bank.traces(index), bank.spikes(index)
            for position, measure in enumerate(measures):
                features = measure.features(traces, spikes).astype(np.float64, copy=False)
                for name, apart in names.items():
                    if position == len(sums[name]):
                        shape = (*counts[name].shape, features.shape[1])
                        sums[name].append(np.zeros(shape))
                    block = group if apart else 0
                    sums[name][position][:, block] += weights[name][:, index] @ features
            for name, apart in names.items():
                counts[name][:, group if apart else 0] += weights[name][:, index].sum(axis=1)
    return {name: [BlockSums(counts[name], each) for each in sums[name]] for name in names}


def draw_values(measure: Measure, real: BlockSums, other: BlockSums) -> np.ndarray:
    """Return a measure's statistics for every draw, shape (statistics, D)."""
    return np.stack(
        [
            np.concatenate(values)
            for values in zip(
                *(
                    measure.compare(
                        real.n[draw].sum(keepdims=True),
                        real.sums[draw].sum(axis=0, keepdims=True),
                        other.n[draw].sum(keepdims=True),
                        other.sums[draw].sum(axis=0, keepdims=True),
                    )
                    for draw in range(len(real.n))
                ),
                strict=True,
            )
        ]
    )


def resampling_weights(n_blocks: int, n_replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often a bootstrap takes each block, shape (n_replicates, n_blocks)."""
    return rng.multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks), size=n_replicates)


def replicate_values(
    measure: Measure,
    real: BlockSums,
    other: BlockSums,
    real_weights: np.ndarray,
    other_weights: np.ndarray,
) -> np.ndarray:
    """Return a measure's statistics for every replicate, shape (statistics, R).

    Replicate r resamples the blocks of draw ``r % D``, so that the choice of windows is part of
    the spread.
    """
    n_replicates, n_draws = len(real_weights), len(real.n)
    result = np.empty((len(measure.infos), n_replicates))
    size = max(1, _CHUNK_VALUES * 4 // real.sums.shape[2])
    for draw in range(n_draws):
        mine = np.arange(draw, n_replicates, n_draws)
        for offset in range(0, len(mine), size):
            part = mine[offset : offset + size]
            result[:, part] = measure.compare(
                *real.weighted(draw, real_weights[part]),
                *other.weighted(draw, other_weights[part]),
            )
    return result


def centred_interval(
    value: float, replicates: np.ndarray, *, better: str = "lower"
) -> tuple[float, float]:
    """Return the 95 % interval of a bootstrap's spread around the estimate itself.

    Resampling repeats some blocks and leaves others out, which by itself raises a divergence and
    lowers a correlation; the replicates are therefore moved so that their median is the estimate:
    on a logarithmic scale for distances, on Fisher's z scale for correlations.

    Parameters
    ----------
    value : float
        The estimate.
    replicates : ndarray of shape (R,)
        The statistic of resampled blocks.
    better : {"lower", "higher"}
        "higher" for a correlation.

    Returns
    -------
    tuple of float
    """
    replicates = replicates[np.isfinite(replicates)]
    if len(replicates) == 0 or not np.isfinite(value):
        return (float("nan"), float("nan"))

    def spread(values: np.ndarray) -> np.ndarray:
        shifts: np.ndarray = np.quantile(values, [0.025, 0.975]) - np.median(values)
        return shifts

    if better == "higher":
        limit = 1.0 - 1e-9
        ends = np.tanh(
            np.arctanh(np.clip(value, -limit, limit))
            + spread(np.arctanh(np.clip(replicates, -limit, limit)))
        )
    elif value > 0 and replicates.min() > 0:
        ends = value * np.exp(spread(np.log(replicates)))
    else:
        ends = np.maximum(value + spread(replicates), 0.0)
    return (float(ends[0]), float(ends[1]))


def shifted_interval(
    value: float, replicates: np.ndarray, limits: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """Return the 95 % interval of a bootstrap's spread around an estimate of either sign.

    The replicates are moved so that their median is the estimate, as in `centred_interval`, and cut
    at `limits`.
    """
    replicates = replicates[np.isfinite(replicates)]
    if len(replicates) == 0 or not np.isfinite(value):
        return (float("nan"), float("nan"))
    spread = np.quantile(replicates, [0.025, 0.975]) - np.median(replicates)
    low, high = np.clip(value + spread, *limits)
    return (float(low), float(high))
