"""Sums over windows by block, statistics of these sums, and their bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calgan.data.random_windows import WindowBank
from calgan.evaluation._threads import Threads
from calgan.evaluation.statistics.definition import Context, Measure, Sums

# Traces, and entries of what statistics make of them, that a thread works on at a time.
_CHUNK_VALUES = 400_000
_REPLICATE_VALUES = 4_000_000
MIN_BLOCKS = 3  # of fewer, there are no intervals

RESAMPLED = ("real", "synthetic", "train")
"""Groups whose blocks are resampled."""


@dataclass(frozen=True)
class BlockSums:
    """Numbers of windows (D, G) in G blocks of D draws, and their sums (D, G, K)."""

    n: np.ndarray
    sums: np.ndarray

    def total(self, draw: int) -> Sums:
        """Return the sums of one draw over all blocks, with a leading axis of 1."""
        draw %= len(self.n)
        return Sums(
            self.n[draw].sum(keepdims=True),
            self.sums[draw].sum(axis=0, keepdims=True, dtype=np.float64),
        )

    def weighted(self, draw: int, weights: np.ndarray) -> Sums:
        """Return the sums of one draw for weights (R, G) of blocks."""
        draw %= len(self.n)
        weights = weights.astype(self.sums.dtype)
        return Sums(weights @ self.n[draw], weights @ self.sums[draw])


def sum_by_block(
    banks: Mapping[str, WindowBank],
    measures: Sequence[Measure],
    context: Context,
    threads: Threads,
) -> dict[str, list[BlockSums]]:
    """Sum over the windows of every draw of every bank, a chunk of windows at a time.

    The result holds one entry a measure for each name of a draw. Blocks are kept apart if they are
    resampled, and added up otherwise.
    """
    counts, sums = {}, {}
    for bank in banks.values():
        for name, draws in bank.lists.items():
            counts[name] = np.zeros((len(draws), bank.n_blocks if name in RESAMPLED else 1))
            sums[name] = [np.zeros(0)] * len(measures)
    chunks = [(bank, *chunk) for bank in banks.values() for chunk in bank.chunks(_CHUNK_VALUES)]

    def of_chunk(bank: WindowBank, index: np.ndarray) -> list[np.ndarray]:
        windows = context.read(bank.traces(index), bank.spikes(index))
        return [measure.sums(windows) for measure in measures]

    found = threads("statistics", of_chunk, [(bank, index) for bank, _, index, _ in chunks])
    for (_, group, index, held), of_measures in zip(chunks, found, strict=True):
        for name, weights in held.items():
            block = group if name in RESAMPLED else 0
            counts[name][:, block] += weights * len(index)
            for position, each in enumerate(of_measures):
                if sums[name][position].ndim == 1:
                    shape = (*counts[name].shape, len(each))
                    dtype = np.result_type(each.dtype, np.float32)
                    sums[name][position] = np.zeros(shape, dtype)
                for draw in np.flatnonzero(weights):
                    sums[name][position][draw, block] += weights[draw] * each
    return {
        name: [BlockSums(counts[name], each) for each in of_measures]
        for name, of_measures in sums.items()
    }


def draw_values(measure: Measure, real: BlockSums, other: BlockSums) -> np.ndarray:
    """Return a measure's statistics for every draw, shape (statistics, D)."""
    draws = range(max(len(real.n), len(other.n)))
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
    n_replicates, n_draws = len(real_weights), max(len(real.n), len(other.n))
    result = np.empty((len(measure.infos), n_replicates))
    size = max(1, _REPLICATE_VALUES // real.sums.shape[2])
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
) -> tuple[float, float] | None:
    """Return the 95 % interval of a bootstrap's spread around the estimate itself.

    Resampling repeats some blocks and leaves others out, which by itself raises a divergence and
    lowers a correlation. The replicates (R,) are therefore moved so that their median is the
    estimate: on a logarithmic scale for a "distance", on Fisher's z scale for a "correlation", and
    as they are, within limits, for a "difference". None where nothing is known.
    """
    replicates = replicates[np.isfinite(replicates)]
    if len(replicates) == 0 or not np.isfinite(value):
        return None

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
