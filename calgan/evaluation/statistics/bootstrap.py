"""Sums of windows by block, statistics of these sums, and their bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import joblib
import numpy as np

from calgan.data.random_windows import WindowBank
from calgan.evaluation.statistics.definition import Measure, Sums

_CHUNK_VALUES = 3_000_000


@dataclass(frozen=True)
class BlockSums:
    """Numbers of windows (D, G) in G blocks of D draws, and sums (D, G, K) of their features."""

    n: np.ndarray
    sums: np.ndarray

    def total(self, draw: int) -> Sums:
        """Return the sums of one draw over all blocks, with a leading axis of 1."""
        return Sums(self.n[draw].sum(keepdims=True), self.sums[draw].sum(axis=0, keepdims=True))

    def weighted(self, draw: int, weights: np.ndarray) -> Sums:
        """Return the sums of one draw for weights (R, G) of blocks."""
        return Sums(weights @ self.n[draw], weights @ self.sums[draw])


def sum_by_block(
    bank: WindowBank, measures: Sequence[Measure], names: dict[str, bool], n_jobs: int | None = None
) -> dict[str, list[BlockSums]]:
    """Sum every measure's features over the windows of every draw, a chunk of windows at a time.

    ``names`` says which draws of the bank, and whether blocks are kept apart (True) or added up.
    The result holds one entry a measure for each of them.
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
    chunks = [
        (group, index) for group in range(bank.n_blocks) for index in bank.chunks(group, size)
    ]

    def of_chunk(index: np.ndarray) -> list[list[np.ndarray]]:
        traces, spikes = bank.traces(index), bank.spikes(index)
        found = []
        for measure in measures:
            features = measure.features(traces, spikes).astype(np.float64, copy=False)
            found.append([weights[name][:, index] @ features for name in names])
        return found

    parallel = joblib.Parallel(n_jobs, require="sharedmem", return_as="generator")
    results = parallel(joblib.delayed(of_chunk)(index) for _, index in chunks)
    for (group, index), found in zip(chunks, results, strict=True):  # in order: sums are the same
        for i, (name, apart) in enumerate(names.items()):
            block = group if apart else 0
            counts[name][:, block] += weights[name][:, index].sum(axis=1)
            for position, each in enumerate(found):
                if position == len(sums[name]):
                    sums[name].append(np.zeros((*counts[name].shape, each[i].shape[1])))
                sums[name][position][:, block] += each[i]
    return {name: [BlockSums(counts[name], each) for each in sums[name]] for name in names}


def draw_values(measure: Measure, real: BlockSums, other: BlockSums) -> np.ndarray:
    """Return a measure's statistics for every draw, shape (statistics, D)."""
    draws = range(len(real.n))
    return np.concatenate(
        [np.stack(measure.compare(real.total(draw), other.total(draw))) for draw in draws], axis=1
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
                real.weighted(draw, real_weights[part]), other.weighted(draw, other_weights[part])
            )
    return result


def bootstrap_interval(
    value: float,
    replicates: np.ndarray,
    kind: str = "distance",
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float, float]:
    """Return the 95 % interval of a bootstrap's spread around the estimate itself.

    Resampling repeats some blocks and leaves others out, which by itself raises a divergence and
    lowers a correlation. The replicates (R,) are therefore moved so that their median is the
    estimate: on a logarithmic scale for a "distance", on Fisher's z scale for a "correlation", and
    as they are, within limits, for a "difference".
    """
    replicates = replicates[np.isfinite(replicates)]
    if len(replicates) == 0 or not np.isfinite(value):
        return (float("nan"), float("nan"))

    def spread(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.quantile(values, [0.025, 0.975]) - np.median(values))

    if kind == "correlation":
        limit = 1.0 - 1e-9
        ends = np.tanh(
            np.arctanh(np.clip(value, -limit, limit))
            + spread(np.arctanh(np.clip(replicates, -limit, limit)))
        )
    elif kind == "distance" and value > 0 and replicates.min() > 0:
        ends = value * np.exp(spread(np.log(replicates)))
    else:
        ends = np.clip(value + spread(replicates), *(limits if kind == "difference" else (0, None)))
    return (float(ends[0]), float(ends[1]))
