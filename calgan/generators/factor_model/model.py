"""The equations of the factor model, simulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
Single = NDArray[np.float32]

MOST_SPIKES = 20.0  # expected spikes in a frame
_PROCESSES = ("factors", "own", "noise")  # that have a state to start from
_CHUNK_VALUES = 4_000_000


@dataclass(frozen=True)
class FactorModel:
    """Parameters of N neurons, K factors at S time scales, and J shared noises.

    `CalciumFactorModel` has the equations. Calcium, baseline and noise are in units of the traces,
    times in frames, rates in spikes a frame.
    """

    times: Floats  # (S,) time constants of the factors
    shares: Floats  # (K, S) variance of each factor at each of them, 1 in total
    loadings: Floats  # (N, K)
    log_rate: Floats  # (N,) logarithm of the mean rate
    own_variance: Floats  # (N,) of the log rate, not shared
    own_time: Floats  # () its time constant
    log_amplitude: Floats  # (N,) logarithm of the calcium of one spike
    growth: Floats  # (N,) calcium of each further spike in a frame, beside the first
    largest: Floats  # (N,) calcium that a frame adds at most: the indicator saturates
    decay: Floats  # (N,) a frame
    baseline: Floats  # (N,)
    log_noise: Floats  # (N,) logarithm of the standard deviation of the noise
    shared_noise: Floats  # (N, J) loadings, in standard deviations of the noise
    noise_times: Floats  # (J,)

    @property
    def log_rate_variance(self) -> Floats:
        """Variance of each neuron's log rate, (N,)."""
        return np.asarray(np.square(self.loadings).sum(axis=1) + self.own_variance)

    @property
    def burn_in(self) -> int:
        """Frames until calcium has forgotten that it started from nothing: six decay times."""
        return int(np.clip(np.ceil(-6.0 / np.log(self.decay.max())), 8, 3000))


def smooth_autocorrelation(lags: ArrayLike, times: ArrayLike) -> Floats:
    """Return autocorrelations of white noise after two exponential filters of half of `times`.

    In continuous time that is a Matérn process of order 3/2: it has a slope, so that high rates
    come and go over frames. Lags and times are in frames, and are broadcast.
    """
    lags = np.abs(np.asarray(lags))
    decay = np.exp(-2.0 / np.asarray(times, dtype=np.float64))
    return np.asarray((1 + lags * (1 - decay**2) / (1 + decay**2)) * decay**lags)


class Simulation:
    """Runs of a model that are simulated side by side; `advance` goes on where it ended.

    Each kind of random number has a stream of its own, drawn run by run and frame by frame: a run
    does not depend on how it is cut into chunks, nor the first runs on how many follow.
    """

    def __init__(self, model: FactorModel, rng: np.random.Generator) -> None:
        names = [*_PROCESSES, "spikes", *(f"start of {p}" for p in _PROCESSES)]
        self.model, self.streams = model, dict(zip(names, rng.spawn(len(names)), strict=True))
        self.restart(1)

    def restart(self, n_runs: int) -> None:
        """Start other runs."""
        self.n_runs, self.states = n_runs, dict[str, Any]()

    def advance(self, n_frames: int) -> dict[str, Single]:
        """Return the next frames of all runs, arrays (n_runs, n_frames, N or K)."""
        m = self.model
        (n_neurons, k), s = m.loadings.shape, len(m.times)
        at_scales = self._smooth("factors", np.tile(m.times, k), n_frames)
        at_scales *= np.sqrt(m.shares).astype(np.float32).ravel()
        factors = at_scales.reshape(self.n_runs, n_frames, k, s).sum(axis=3)
        log_rates = factors @ m.loadings.T.astype(np.float32)
        own = self._smooth("own", np.full(n_neurons, m.own_time), n_frames)
        own *= np.sqrt(m.own_variance).astype(np.float32)
        log_rates += own
        log_rates += (m.log_rate - 0.5 * m.log_rate_variance).astype(np.float32)
        rates = np.exp(np.minimum(log_rates, np.log(MOST_SPIKES), out=log_rates), out=log_rates)
        spikes = _poisson(rates, self.streams["spikes"])
        amplitudes = self._amplitudes(spikes)
        calcium = self._calcium(amplitudes)
        traces = self._noise(n_frames)
        traces *= np.exp(m.log_noise).astype(np.float32)
        traces += m.baseline.astype(np.float32)
        traces += calcium
        return {
            "traces": traces,
            "calcium": calcium,
            "amplitudes": amplitudes,
            "spikes": spikes,
            "rates": rates,
            "factors": factors,
        }

    def _smooth(self, name: str, times: Floats, n_frames: int) -> Single:
        """Continue stationary processes of variance 1 with these time constants, (n, t, C)."""
        decay = np.exp(-2.0 / times)
        if name not in self.states:  # from what two frames before the first are, given each other
            last, rho = self._started(name, 2, len(times)), smooth_autocorrelation(1, times)
            last[:, 1] = rho * last[:, 0] + np.sqrt(1 - rho**2) * last[:, 1]
            state = [2 * decay * last[:, 0] - decay**2 * last[:, 1], -(decay**2) * last[:, 0]]
            self.states[name] = np.stack(state, axis=1)
        drive = self.streams[name].standard_normal((self.n_runs, n_frames, len(times)), np.float32)
        drive *= np.sqrt((1 - decay**2) ** 3 / (1 + decay**2)).astype(np.float32)
        state, out = self.states[name], np.empty_like(drive)
        for d in np.unique(decay):
            which = decay == d
            which = slice(None) if which.all() else which
            a = [1.0, -2 * d, d * d]
            out[..., which], state[..., which] = _filtered(drive[..., which], a, state[..., which])
        return out

    def _amplitudes(self, spikes: Single) -> Single:
        """Calcium that the spikes of each frame add."""
        m, fired = self.model, np.nonzero(spikes)
        neuron = fired[-1]
        one = np.exp(m.log_amplitude[neuron])
        several = one * (1 + m.growth[neuron] * (spikes[fired] - 1))
        amplitudes = np.zeros_like(spikes)
        amplitudes[fired] = np.minimum(several, m.largest[neuron])
        return amplitudes

    def _calcium(self, amplitudes: Single) -> Single:
        m, calcium = self.model, np.empty_like(amplitudes)
        n_neurons = amplitudes.shape[2]
        state = self.states.setdefault("calcium", np.zeros((self.n_runs, 1, n_neurons)))
        for i, g in enumerate(m.decay):
            calcium[..., i], state[..., i] = _filtered(amplitudes[..., i], [1.0, -g], state[..., i])
        return calcium

    def _noise(self, n_frames: int) -> Single:
        """Continue noise of variance 1, a part of it shared and autoregressive of first order."""
        m, (n_neurons, j) = self.model, self.model.shared_noise.shape
        shape = (self.n_runs, n_frames, n_neurons + j)
        drive = self.streams["noise"].standard_normal(shape, np.float32)
        noise, shared = drive[..., :n_neurons], drive[..., n_neurons:]
        decay = np.exp(-1.0 / m.noise_times)
        if "noise" not in self.states:
            self.states["noise"] = decay * self._started("noise", 1, j)
        state = self.states["noise"]
        for i, d in enumerate(decay):
            white = np.sqrt(1 - d * d) * shared[..., i]
            shared[..., i], state[..., i] = _filtered(white, [1.0, -d], state[..., i])
        noise = noise * np.sqrt(1 - np.square(m.shared_noise).sum(axis=1)).astype(np.float32)
        noise += shared @ m.shared_noise.T.astype(np.float32)
        return noise

    def _started(self, name: str, n: int, n_processes: int) -> Floats:
        """White noise (n_runs, n, C) that the states of a process are started from."""
        return self.streams[f"start of {name}"].standard_normal((self.n_runs, n, n_processes))


def _filtered(x: NDArray[Any], a: list[float], state: Floats) -> tuple[Floats, Floats]:
    return lfilter([1.0], a, x, axis=1, zi=state)


def _poisson(rates: Single, rng: np.random.Generator) -> Single:
    """Draw Poisson counts by inversion: one random number each, so that chunks agree."""
    levels, rates = rng.random(rates.shape, np.float32), rates.astype(np.float32)
    counts = np.zeros_like(rates)
    fired = np.flatnonzero(levels.ravel() > np.exp(-rates.ravel()))
    level, rate = levels.ravel()[fired], rates.ravel()[fired].astype(np.float64)
    term = np.exp(-rate)
    total, n = term.copy(), 0
    while len(fired) and n < 4 * MOST_SPIKES:  # single precision may never get to a level near 1
        n += 1
        counts.flat[fired] = n
        term *= rate / n
        total += term
        more = level > total
        fired, level, rate = fired[more], level[more], rate[more]
        term, total = term[more], total[more]
    return counts


def simulate(
    model: FactorModel, n_frames: int, rng: np.random.Generator
) -> Iterator[dict[str, Single]]:
    """Yield one run of a model in chunks, arrays (t, N or K)."""
    chunk = int(np.clip(_CHUNK_VALUES // len(model.decay), 64, 4096))
    run = Simulation(model, rng)
    run.advance(model.burn_in)
    for first in range(0, n_frames, chunk):
        yield {name: part[0] for name, part in run.advance(min(chunk, n_frames - first)).items()}
