"""Training of one network on the windows of a bank of cells."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calgan.data.validation import rng_from
from calgan.spikes.network.convolutions import SpikeNetwork
from calgan.spikes.network.ground_truth import Cell
from calgan.training.loop import TrainingState, run_training

_WINDOW, _BATCH = 512, 32  # steps of the grid, windows
_WARM_UP = 0.1  # share of the steps in which the step size rises
_CLIP_NORM, _WEIGHT_DECAY = 1.0, 1e-3
_JITTER = 0.1  # of standardised statistics: neighbours of a recording are like it
# Power of a cell's mean square in the unit of its loss: at 0, cells that fire much decide; at 1,
# all count alike.
_EVENNESS, _LEAST_POWER = 0.5, 0.02
_CHECK_EVERY = 50


@dataclass(frozen=True)
class Schedule:
    """Length of a training, and its largest step size."""

    max_iter: int
    learning_rate: float
    max_time: float | None
    verbose: int | None

    def share(self, part: int, parts: int, spent: float) -> Schedule:
        """Return the schedule of one of several trainings that share the time that is left."""
        limit = self.max_time
        if limit is not None:
            limit = spent + max(0.0, limit - spent) * part / parts
        return dataclasses.replace(self, max_time=limit)


class Windows:
    """Random windows of cells, each cell as often as its weight says."""

    def __init__(
        self, bank: list[Cell], statistics: NDArray[np.float32], weights: NDArray[np.float64]
    ) -> None:
        self.bank, self.statistics = bank, statistics
        self.weights = weights / weights.sum()
        squares = [[np.sum(part * part) for part in cell.counts] for cell in bank]
        power = np.array([np.sum(each) for each in squares])
        power /= np.array([sum(map(len, cell.counts)) for cell in bank])
        # Mean square of the spikes of a cell: part of the unit of its loss.
        mean = max(float(self.weights @ power), 1e-6)
        relative = np.maximum(power / mean, _LEAST_POWER)
        self.units = (mean * relative**_EVENNESS).astype(np.float32)

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return traces, counts and weights of errors (m, t), and statistics (m, S)."""
        chosen = rng.choice(len(self.bank), _BATCH, p=self.weights)
        values = np.zeros((3, _BATCH, _WINDOW), np.float32)
        for row, index in enumerate(chosen):
            cell = self.bank[index]
            lengths = np.array([len(part) for part in cell.traces], np.float64)
            part = rng.choice(len(lengths), p=lengths / lengths.sum())
            trace = cell.traces[part]
            start = int(rng.integers(max(1, len(trace) - _WINDOW + 1)))
            stop = min(len(trace), start + _WINDOW)
            values[0, row, : stop - start] = trace[start:stop]
            values[1, row, : stop - start] = cell.counts[part][start:stop]
            values[2, row, : stop - start] = 1.0 / self.units[index]
        statistics = self.statistics[chosen]
        jitter = rng.standard_normal(statistics.shape, np.float32)
        values[2] /= np.count_nonzero(values[2])
        traces, counts, weights = torch.from_numpy(values)
        return traces, counts, weights, torch.from_numpy(statistics + np.float32(_JITTER) * jitter)


def train_network(
    network: SpikeNetwork,
    windows: Windows,
    schedule: Schedule,
    seed: tuple[int, ...],
    *,
    device: torch.device,
    started: float,
    description: str,
) -> tuple[list[dict[str, Any]], str]:
    """Train a network in place; return a row of history a step, and why it stopped."""
    network.to(device).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), schedule.learning_rate, weight_decay=_WEIGHT_DECAY
    )
    state = TrainingState({"network": network}, {"network": optimizer}, averaged=network)

    def step(number: int) -> dict[str, float]:
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate * step_size(number, schedule.max_iter)
        drawn = windows.draw(rng_from(*seed, number))
        traces, counts, weights, statistics = (each.to(device) for each in drawn)
        missed = network(traces, statistics if network.place is not None else None) - counts
        loss = (weights * missed.square()).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP_NORM)
        optimizer.step()
        return {"loss": float(loss.detach())}

    stopped = run_training(
        state,
        step,
        max_iter=schedule.max_iter,
        max_time=schedule.max_time,
        started=started,
        check_every=_CHECK_EVERY,
        verbose=schedule.verbose,
        description=description,
        resumable=False,
    )
    network.to("cpu").eval()
    return state.history, stopped


def step_size(number: int, n_steps: int) -> float:
    """Share of the largest step size: a linear rise, then half a cosine down to 0."""
    done = (number + 1) / n_steps
    if done <= _WARM_UP:
        return done / _WARM_UP
    return 0.5 * (1.0 + math.cos(math.pi * (done - _WARM_UP) / (1.0 - _WARM_UP)))
