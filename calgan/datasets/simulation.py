"""Simulated recordings whose true spikes and parameters are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.signal import lfilter

from calgan.data.recording import Recording
from calgan.data.validation import as_seed, check_frame_rate, check_integer, rng_from
from calgan.generators.recordings import frames_in
from calgan.spikes.calcium_decay import burn_in_frames

# One seed serves three uses that must not share random numbers.
_PARAMETERS, _RECORDING, _WINDOWS = range(3)
# Windows simulated at a time, which bounds the memory of the burn-in frames.
_WINDOW_BATCH = 128


class SimulatedProcess:
    """A population that recordings and windows are drawn from."""

    frame_rate: float
    _units: ClassVar[str]

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def _known(self) -> dict[str, Any]:
        """Return what else the metadata of a recording hold."""
        return {}

    def _simulate(
        self, n: int, n_frames: int, seed: int, stream: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return traces and spike counts, (n, n_frames, N) each, of n independent segments."""
        raise NotImplementedError

    def sample_recording(
        self, duration: float, random_state: Any = None
    ) -> tuple[Recording, np.ndarray]:
        """Draw one recording.

        Parameters
        ----------
        duration : float
            Length (s).
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None draws anew each time.

        Returns
        -------
        recording : Recording
            Traces (T, N), with ``T = round(duration * frame_rate)``.
        spikes : ndarray of shape (T, N), float32
            True number of spikes in each frame.

        Raises
        ------
        TypeError
            If the duration is not a number.
        ValueError
            If the duration is not finite or holds no frame.
        """
        n_frames = frames_in(duration, self.frame_rate)
        traces, spikes = self._simulate(1, n_frames, as_seed(random_state), _RECORDING)
        metadata = {"source": f"calgan.datasets.{type(self).__name__}", **self._known()}
        return Recording(traces[0], self.frame_rate, units=self._units, metadata=metadata), spikes[
            0
        ]

    def sample_windows(
        self, n: int, window: int, random_state: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw independent windows, each as if cut from a recording of its own.

        Parameters
        ----------
        n : int
            Number of windows.
        window : int
            Frames a window.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draw; None draws anew each time.

        Returns
        -------
        windows : ndarray of shape (n, window, N), float32
            Traces.
        spikes : ndarray of shape (n, window, N), float32
            True number of spikes in each frame.

        Raises
        ------
        TypeError
            If `n` or `window` is not an integer.
        ValueError
            If `n` or `window` is below 1.
        """
        n, window = check_integer(n, "n"), check_integer(window, "window")
        return self._simulate(n, window, as_seed(random_state), _WINDOWS)


@dataclass(frozen=True, eq=False, repr=False)
class Process(SimulatedProcess):  # numpydoc ignore=PR02
    r"""A stationary population of neurons, simulated from slow drives to fluorescence.

    All parameters are fixed when the process is made (`make_process`), so that every recording
    and every window drawn from it shares one truth.

    K latent drives :math:`x_k(t)`, one an assembly, are independent Ornstein-Uhlenbeck processes
    of unit variance with time constants of seconds. Neuron i fires Poisson spikes at the rate

    .. math:: \lambda_i(t) = r_i \exp(w_i \cdot x(t) - |w_i|^2 / 2),

    whose mean over time is :math:`r_i`. A spike adds :math:`a_i` to its calcium, which decays
    exponentially, :math:`c_i(t) = \exp(-1 / (f \tau_i)) \, c_i(t - 1) + a_i s_i(t)`, and the
    trace is :math:`b_i + c_i(t)` plus white Gaussian noise of standard deviation
    :math:`\sigma_i`.

    Parameters
    ----------
    frame_rate : float
        Frames per second f (Hz).
    rates : ndarray of shape (N,)
        Mean firing rates r (Hz).
    loadings : ndarray of shape (N, K)
        Loadings w of the log rates on the drives.
    assemblies : ndarray of shape (N,), int
        The drive each neuron follows most.
    time_constants : ndarray of shape (K,)
        Time constants of the drives (s).
    decay_times : ndarray of shape (N,)
        Decay times of calcium, tau (s).
    amplitudes : ndarray of shape (N,)
        Calcium of one spike, a (dF/F).
    baselines : ndarray of shape (N,)
        Fluorescence at rest, b (dF/F).
    noise : ndarray of shape (N,)
        Standard deviation of the noise, sigma (dF/F).

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> process = make_process(n_neurons=20, random_state=0)
    >>> train, spikes = process.sample_recording(duration=60.0, random_state=1)
    >>> train
    Recording(600 frames x 20 neurons, 10 Hz, 60.0 s, dF/F)
    >>> windows, spikes = process.sample_windows(5, window=64, random_state=2)
    >>> windows.shape, spikes.shape
    ((5, 64, 20), (5, 64, 20))
    """

    frame_rate: float
    rates: np.ndarray
    loadings: np.ndarray
    assemblies: np.ndarray
    time_constants: np.ndarray
    decay_times: np.ndarray
    amplitudes: np.ndarray
    baselines: np.ndarray
    noise: np.ndarray

    _units: ClassVar[str] = "dF/F"

    @property
    def n_neurons(self) -> int:
        """Number of neurons N."""
        return len(self.rates)

    def _known(self) -> dict[str, Any]:
        return {"assemblies": self.assemblies}

    def _simulate(
        self, n: int, n_frames: int, seed: int, stream: int
    ) -> tuple[np.ndarray, np.ndarray]:
        rng = rng_from(seed, stream)
        traces = np.empty((n, n_frames, self.n_neurons), dtype=np.float32)
        spikes = np.empty_like(traces)
        for first in range(0, n, _WINDOW_BATCH):
            batch = slice(first, min(n, first + _WINDOW_BATCH))
            traces[batch], spikes[batch] = self._draw(batch.stop - first, n_frames, rng)
        return traces, spikes

    def _draw(
        self, n: int, n_frames: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        decay = np.exp(-1.0 / (self.frame_rate * self.decay_times))
        burn_in = burn_in_frames(decay)
        drives = self._draw_drives(n, burn_in + n_frames, rng)
        log_rates = drives @ self.loadings.T
        log_rates += np.log(self.rates) - 0.5 * np.sum(self.loadings**2, axis=1)
        spikes = rng.poisson(np.exp(log_rates) / self.frame_rate)
        traces = fluorescence(
            spikes,
            rng,
            decay=decay,
            amplitudes=self.amplitudes,
            baselines=self.baselines,
            noise=self.noise,
            burn_in=burn_in,
        )
        return traces, spikes[:, burn_in:].astype(np.float32)

    def _draw_drives(self, n: int, n_frames: int, rng: np.random.Generator) -> np.ndarray:
        """Return stationary Ornstein-Uhlenbeck drives at the frames, (n, n_frames, K)."""
        shocks = rng.standard_normal((n, n_frames, len(self.time_constants)))
        rho = np.exp(-1.0 / (self.frame_rate * self.time_constants))
        shocks[:, 1:] *= np.sqrt(1.0 - rho**2)  # frame 0 is drawn from the stationary law
        for k in range(len(rho)):
            shocks[:, :, k] = lfilter([1.0], [1.0, -rho[k]], shocks[:, :, k], axis=1)
        return shocks

    def __repr__(self) -> str:
        return (
            f"Process({self.n_neurons} neurons, {len(self.time_constants)} assemblies, "
            f"{self.frame_rate:g} Hz)"
        )


def make_process(
    n_neurons: int = 50, *, frame_rate: float = 10.0, random_state: Any = None
) -> Process:
    """Fix the parameters of a simulated population.

    They are drawn so that recordings look like those of a GCaMP indicator: sharp rises,
    exponential decays, neurons that differ from one another, and assemblies that are plain in
    the correlation matrix.

    ==================  ============================================================
    rates               lognormal, median 0.2 Hz, kept within 0.05 and 1 Hz
    assemblies          one for every 10 neurons, at least one
    loadings            own assembly 1 to 1.6; one neuron in four follows a second
                        assembly with half of that; all follow none of the others
    time constants      of the drives, 2 to 6 s
    decay times         of calcium, 0.4 to 1.2 s
    amplitudes          of one spike, lognormal, median 0.5 dF/F
    noise               standard deviation 0.04 to 0.12 dF/F
    baselines           -0.05 to 0.1 dF/F
    ==================  ============================================================

    Parameters
    ----------
    n_neurons : int, default=50
        Number of neurons N.
    frame_rate : float, default=10.0
        Frames per second (Hz).
    random_state : int, RandomState, Generator or None, default=None
        Seed of the parameters; draws from the process take seeds of their own.

    Returns
    -------
    Process
        The population, to draw recordings and windows from.

    Raises
    ------
    TypeError
        If `n_neurons` is not an integer, or `frame_rate` not a number.
    ValueError
        If either is not positive.

    Examples
    --------
    >>> from calgan.datasets import make_process
    >>> make_process(n_neurons=40, random_state=0)
    Process(40 neurons, 4 assemblies, 10 Hz)
    """
    n_neurons = check_integer(n_neurons, "n_neurons")
    frame_rate = check_frame_rate(frame_rate)
    rng = rng_from(random_state, _PARAMETERS)
    n_assemblies = max(1, n_neurons // 10)
    assemblies = rng.permutation(np.arange(n_neurons) % n_assemblies)
    strength = rng.uniform(1.0, 1.6, n_neurons)
    loadings = np.zeros((n_neurons, n_assemblies))
    loadings[np.arange(n_neurons), assemblies] = strength
    if n_assemblies > 1:
        second = (assemblies + rng.integers(1, n_assemblies, n_neurons)) % n_assemblies
        shared = rng.random(n_neurons) < 0.25
        loadings[shared, second[shared]] = 0.5 * strength[shared]
    return Process(
        frame_rate=frame_rate,
        rates=np.clip(rng.lognormal(math.log(0.2), 0.7, n_neurons), 0.05, 1.0),
        loadings=loadings,
        assemblies=assemblies,
        time_constants=rng.uniform(2.0, 6.0, n_assemblies),
        decay_times=rng.uniform(0.4, 1.2, n_neurons),
        amplitudes=rng.lognormal(math.log(0.5), 0.35, n_neurons),
        baselines=rng.uniform(-0.05, 0.1, n_neurons),
        noise=rng.uniform(0.04, 0.12, n_neurons),
    )


def make_recording(
    duration: float = 300.0,
    n_neurons: int = 50,
    *,
    frame_rate: float = 10.0,
    random_state: Any = None,
) -> tuple[Recording, np.ndarray]:
    """Simulate one recording of a population drawn for it.

    Parameters
    ----------
    duration : float, default=300.0
        Length (s).
    n_neurons : int, default=50
        Number of neurons N.
    frame_rate : float, default=10.0
        Frames per second (Hz).
    random_state : int, RandomState, Generator or None, default=None
        Seed of the parameters and of the draw.

    Returns
    -------
    recording : Recording
        Traces (T, N) in dF/F, with ``T = round(duration * frame_rate)``.
    spikes : ndarray of shape (T, N), float32
        True number of spikes in each frame.

    See Also
    --------
    make_process : The parameters, to draw more than one recording from.

    Examples
    --------
    >>> from calgan.datasets import make_recording
    >>> recording, spikes = make_recording(duration=60.0, n_neurons=10, random_state=0)
    >>> recording
    Recording(600 frames x 10 neurons, 10 Hz, 60.0 s, dF/F)
    """
    seed = as_seed(random_state)
    process = make_process(n_neurons, frame_rate=frame_rate, random_state=seed)
    return process.sample_recording(duration, random_state=seed)


def fluorescence(
    spikes: np.ndarray,
    rng: np.random.Generator,
    *,
    decay: np.ndarray,
    amplitudes: np.ndarray,
    baselines: np.ndarray,
    noise: np.ndarray,
    burn_in: int = 0,
) -> np.ndarray:
    """Turn spikes (n, burn_in + T, N) into traces (n, T, N): jumps, exponential decay, white noise.

    Parameters are arrays (N,), the decay that of a frame. Each segment starts without calcium.
    """
    n, n_frames, n_neurons = spikes.shape
    traces = np.empty((n, n_frames - burn_in, n_neurons), dtype=np.float32)
    for i in range(n_neurons):
        calcium = lfilter([amplitudes[i]], [1.0, -decay[i]], spikes[:, :, i], axis=1)
        traces[:, :, i] = baselines[i] + calcium[:, burn_in:]
    traces += noise.astype(np.float32) * rng.standard_normal(traces.shape, np.float32)
    return traces
