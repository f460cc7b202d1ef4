"""Indirect inference: what is inferred in simulated traces is brought to what is in real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from calgan.data.validation import rng_from
from calgan.generators.factor_model.initial_fit import (
    GROWTH,
    MOST_VARIANCE,
    event_probabilities,
    limited,
    rates_of,
)
from calgan.generators.factor_model.model import FactorModel, simulate, smooth_autocorrelation
from calgan.generators.factor_model.moments import (
    Parts,
    autocovariance,
    binned,
    isolated,
    shared_memory,
    standardised,
)
from calgan.spikes.calcium_decay import THRESHOLD, Calcium, noise_of
from calgan.spikes.oasis import infer_calcium

Floats = NDArray[np.float64]

_FULL_ROUNDS = 4  # after which steps get smaller, or the noise of the last round would stay
_MOST = 0.7  # that is made up for in a round
_FRAMES, _VALUES = (2_000, 30_000), 3_000_000  # simulated a round
_LAGS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # frames
_BLOCKS = 8  # of the recording, that errors are read from
_FEW = 5  # observations
_TINY = 1e-9


class Row(NamedTuple):
    """A parameter, the statistic that moves it, and how.

    In a round a parameter moves by `step` times what is missed of its statistic, within bounds
    (about its first value, if `relative`). A neuron whose statistic rests on n observations moves
    by what it misses itself with weight n / (n + doubt), and by the median neuron's otherwise.
    """

    parameter: str
    statistic: str
    step: float
    low: float
    high: float
    doubt: float = 0.0
    relative: bool = False


TABLE = (
    Row("log_probability", "event_rate", 0.7, -9.0, -0.4),
    Row("coupling", "shared_covariance", 0.5, -2.4, 1.6, doubt=300),
    Row("own_variance", "window_variance", 0.5, 0.001, 1.5, doubt=300),
    Row("log_amplitude", "isolated_amplitude", 0.7, -1.2, 0.4, doubt=30, relative=True),
    Row("growth", "size_of_events", 2.0, *GROWTH, doubt=300),
    Row("level", "residual_mean", 0.7, -np.inf, np.inf),
    Row("log_noise", "residual_size", 0.7, -0.4, 0.4, relative=True),
)
"""Parameters are fields of the model, and three more: the logarithm of the share of frames with
spikes; the logarithm of a factor for the variance that loadings explain; and by how much the
baseline is raised, in standard deviations of the noise."""

Statistics = dict[str, tuple[Floats, Floats]]


def calibrate(
    first: FactorModel, parts: Parts, calcium: Calcium, window: int, seed: int
) -> Iterator[tuple[FactorModel, dict[str, float]]]:
    """Yield a model and the statistics that it misses (medians over neurons), round after round."""
    measure = _Measure(first, calcium, window)
    target, relative = measure(parts)
    scales = _TimeScales(first, relative)
    values = _values_of(first)
    bounds = {
        row: np.add([[row.low], [row.high]], values[row.parameter] if row.relative else 0.0)
        for row in TABLE
    }
    # Runs as long as the recording, and segments as well: their statistics are then biased alike.
    n_frames = int(np.clip(sum(map(len, parts)), *_FRAMES))
    n_runs = int(np.clip(_VALUES // (n_frames * len(first.decay)), 1, -(-_FRAMES[1] // n_frames)))
    ends = np.cumsum([len(part) for part in parts])
    borders = [int(end) for end in ends if end < n_frames]
    candidate, number = first, 0
    while True:
        number += 1
        speed = min(1.0, _FULL_ROUNDS / number)
        found, relative = _measured(
            candidate, measure, n_frames, borders, [(seed, number, i) for i in range(n_runs)]
        )
        history = {}
        for row in TABLE:
            missed = _missed(row, target[row.statistic], found[row.statistic])
            history[row.statistic] = float(np.median(missed))
            moved = values[row.parameter] + row.step * speed * missed
            values[row.parameter] = np.clip(moved, *bounds[row])
        scales.update(candidate, relative, 0.7 * speed)
        candidate = _model_of(first, values, scales.factors, measure.noise)
        yield candidate, history


def _measured(
    model: FactorModel,
    measure: _Measure,
    n_frames: int,
    borders: list[int],
    seeds: list[tuple[int, ...]],
) -> tuple[Statistics, Parts]:
    """Return means of the statistics of simulated runs, and the relative events of each.

    Runs of `n_frames` are cut at `borders`. Where the population bursts, rates of a run vary; which
    share of spikes is inferred does not. So the rate is that share times the rate that the model
    has, which is known.
    """
    runs: list[Statistics] = []
    relative: list[NDArray[np.float32]] = []
    fired: Any = 0.0
    for seed in seeds:
        traces, first = np.empty((n_frames, len(model.decay)), dtype=np.float32), 0
        for chunk in simulate(model, n_frames, rng_from(*seed)):
            fired = fired + np.count_nonzero(chunk["spikes"], axis=0)
            traces[first : first + len(chunk["traces"])] = chunk["traces"]
            first += len(chunk["traces"])
        found, parts = measure(np.split(traces, borders))
        runs.append(found)
        relative += parts
    mean = {}
    for name in runs[0]:
        values, n = (np.array([run[name][i] for run in runs]) for i in range(2))
        # A run without observations has no value.
        weights = np.where(n.sum(axis=0) > 0, n, 1.0)
        mean[name] = (weights * values).sum(axis=0) / weights.sum(axis=0), n.mean(axis=0)
    n_inferred = np.sum([np.exp(run["event_rate"][0]) for run in runs], axis=0) * n_frames
    known = event_probabilities(model.log_rate, model.log_rate_variance)
    share = np.maximum(n_inferred, 0.5) / np.maximum(fired, 0.5)
    mean["event_rate"] = np.log(share * known), mean["event_rate"][1]
    return mean, relative


def _missed(row: Row, target: tuple[Floats, Floats], found: tuple[Floats, Floats]) -> Floats:
    """What is missed of a statistic, with single neurons trusted as far as they are known."""
    missed = np.clip(target[0] - found[0], -_MOST, _MOST)
    n = np.minimum(target[1], found[1])
    known = n >= _FEW
    usual = np.median(missed[known]) if known.any() else 0.0
    trust = n / np.maximum(n + row.doubt, _TINY)
    return np.asarray(trust * missed + (1 - trust) * usual)


class _Measure:
    """Statistics of traces, by events that are inferred alike in real and simulated ones.

    Each is (value, number of observations), arrays (N,) or (J,). Rates are those that
    `OasisDeconvolver` infers, by which samples are judged; all else is by the first fit's decays
    and baselines.
    """

    def __init__(self, first: FactorModel, calcium: Calcium, window: int) -> None:
        judge = calcium.deconvolver
        self.judge = {
            "decay": judge.decay_,
            "baseline": judge.baseline_,
            "threshold": judge.threshold_,
        }
        error = calcium.noise * np.sqrt(1 - calcium.decay**2)
        self.inference = {
            "decay": calcium.decay,
            "baseline": calcium.baseline,
            "threshold": np.where(error > 0, THRESHOLD * error, np.inf),
        }
        self.noise = np.where(calcium.noise > 0, calcium.noise, 1.0)
        self.loadings, self.window = first.loadings, window
        self.units: Floats | None = None  # of binned events: those of the first traces measured

    def __call__(self, parts: Parts) -> tuple[Statistics, Parts]:
        """Return statistics, and events relative to their means."""
        n_frames = sum(map(len, parts))
        judged = [infer_calcium(part, **self.judge)[1] for part in parts]
        n_judged = sum(np.count_nonzero(part, axis=0) for part in judged)
        del judged
        inferred = [infer_calcium(part, **self.inference) for part in parts]
        events = [part for _, part in inferred]
        baseline = self.inference["baseline"].astype(np.float32)
        residuals = [p - c - baseline for p, (c, _) in zip(parts, inferred, strict=True)]
        del inferred
        statistics: Statistics = {
            "event_rate": (np.log(np.maximum(n_judged, 0.5) / n_frames), n_judged + _FEW),
        }
        statistics |= self._of_isolated(events)
        power = autocovariance([part - baseline for part in parts], 0) / np.square(self.noise)
        size, n_alone = statistics["size_of_events"]
        statistics["size_of_events"] = (0.5 * (size + np.log(np.maximum(power, _TINY))), n_alone)
        statistics |= self._of_residuals(residuals, n_frames)
        del residuals
        n_events = sum(np.count_nonzero(part, axis=0) for part in events).astype(np.float64)
        rate = np.maximum(n_events, 0.5) / n_frames
        statistics["window_variance"] = self._of_windows(events, n_events, rate)
        relative = [(part > 0) / rate.astype(np.float32) - np.float32(1) for part in events]
        statistics["shared_covariance"] = self._shared_covariance(relative), n_events
        return statistics, relative

    def _of_isolated(self, events: Parts) -> Statistics:
        count, total, every = 0.0, 0.0, 0.0
        for part in events:
            alone = isolated(part)
            logs = np.log(np.where(alone, part, 1.0))
            count = count + alone.sum(axis=0)
            total = total + logs.sum(axis=0, dtype=np.float64)
            every = every + np.square(part).sum(axis=0, dtype=np.float64)
        n = np.asarray(count, dtype=np.float64)
        mean = total / np.maximum(n, 1)
        n_events = sum(np.count_nonzero(part, axis=0) for part in events)
        power = np.maximum(every / np.maximum(n_events, 1), _TINY * np.square(self.noise))
        return {
            "size_of_events": (np.log(power) - 2 * mean, n),
            "isolated_amplitude": (mean, n),
        }

    def _of_windows(self, events: Parts, n_events: Floats, rate: Floats) -> tuple[Floats, Floats]:
        """Variance of counts in windows, relative to their squared mean."""
        windows = binned([(part > 0) - rate.astype(np.float32) for part in events], self.window)
        variance = np.square(windows).mean(axis=0) / np.square(rate)
        return np.minimum(variance, 4.0), np.where(n_events >= _FEW, float(len(windows)), 0.0)

    def _of_residuals(self, residuals: Parts, n_frames: int) -> Statistics:
        n = np.full(len(self.noise), float(n_frames))
        scaled = [part / self.noise.astype(np.float32) for part in residuals]
        scaled = [np.clip(part, -5.0, 5.0, out=part) for part in scaled]
        mean = sum(part.sum(axis=0, dtype=np.float64) for part in scaled) / n_frames
        size = np.log(np.maximum(noise_of(residuals), _TINY * self.noise))
        return {
            "residual_mean": (mean, n),
            "residual_size": (size, n),
        }

    def _shared_covariance(self, relative: Parts) -> Floats:
        """Logarithm of covariances along those that are asked for, beside these."""
        z, spread = standardised(binned(relative))
        if self.units is None:
            self.units = np.where(spread > 0, spread, 1.0)
        z *= spread / self.units
        pattern = self.loadings / self.units[:, np.newaxis]
        own = np.square(pattern).sum(axis=1)
        seen = (z.T @ (z @ pattern) / len(z) * pattern).sum(axis=1)
        seen -= np.square(z).mean(axis=0) * own
        asked = ((pattern @ (pattern.T @ pattern)) * pattern).sum(axis=1) - np.square(own)
        asked = np.maximum(asked, 0.05 * asked.mean() + _TINY)
        return np.asarray(np.log(np.clip(seen / asked, 0.05, 20.0)))


class _TimeScales:
    """Factors (S,) for the variances at time scales, by how long shared activity lasts.

    Inference blurs in time what neurons share. Variances go as far from the first ones as the
    errors of the recording allow.
    """

    def __init__(self, first: FactorModel, relative: Parts) -> None:
        self.factors = np.ones(len(first.times))
        spread = np.sqrt(np.maximum(autocovariance(relative, 0), _TINY))
        self.axes = first.loadings / spread[:, np.newaxis]
        self.lags = [lag for lag in _LAGS if lag < max(map(len, relative))]
        self.seen = self._memory(relative)
        blocks = np.array(
            [self._memory([b]) for b in np.array_split(np.concatenate(relative), _BLOCKS)]
        )
        sizes = blocks @ self.seen / np.maximum(self.seen @ self.seen, _TINY)
        variance = np.square(blocks - np.outer(sizes, self.seen)).sum(axis=0) / (_BLOCKS - 1)
        self.error = np.sqrt((variance.mean() + variance) / _BLOCKS)  # a block tells little

    def _memory(self, relative: Parts) -> Floats:
        return np.asarray(shared_memory(relative, self.axes, self.lags).sum(axis=1))

    def update(self, model: FactorModel, relative: Parts, power: float) -> None:
        """Move the factors by what a model's simulated events miss."""
        found = self._memory(relative)
        at_scales = np.square(model.loadings).sum(axis=0) @ model.shares
        basis = smooth_autocorrelation(np.array(self.lags)[:, np.newaxis], model.times) * at_scales
        now = basis.sum(axis=1)
        if min(found @ self.seen, found @ now) <= 0:  # nothing is shared, as far as can be seen
            return
        # The shape alone is compared: the size is the coupling's.
        size, unit = (found @ found) / (found @ self.seen), (found @ now) / (now @ now)
        wanted = now + (size * self.seen - found) / unit
        error = np.maximum(self.error * size / unit, 0.01 * now[0])
        rows = np.vstack([basis / error[:, np.newaxis], np.diag(self.factors)])
        change, _ = nnls(rows, np.append(wanted / error, np.ones(len(self.factors))))
        self.factors = self.factors * np.clip(change, 1 / 3, 3.0) ** power


def _values_of(model: FactorModel) -> dict[str, Floats]:
    """What `TABLE` moves."""
    return {
        "log_probability": np.log(event_probabilities(model.log_rate, model.log_rate_variance)),
        "coupling": np.zeros(len(model.decay)),
        "own_variance": model.own_variance,
        "log_amplitude": model.log_amplitude,
        "growth": model.growth,
        "level": np.zeros(len(model.decay)),
        "log_noise": model.log_noise,
    }


def _model_of(
    first: FactorModel, values: dict[str, Floats], scales: Floats, noise: Floats
) -> FactorModel:
    """Return the first model with other values."""
    loadings = first.loadings * np.exp(0.5 * values["coupling"])[:, np.newaxis]
    loadings = limited(loadings, MOST_VARIANCE)
    shares = first.shares * scales
    variance = np.square(loadings).sum(axis=1) + values["own_variance"]
    return replace(
        first,
        shares=shares / np.maximum(shares.sum(axis=1, keepdims=True), _TINY),
        loadings=loadings,
        log_rate=np.log(rates_of(np.exp(values["log_probability"]), variance)),
        own_variance=values["own_variance"],
        log_amplitude=values["log_amplitude"],
        growth=values["growth"],
        baseline=first.baseline + noise * values["level"],
        log_noise=values["log_noise"],
    )
