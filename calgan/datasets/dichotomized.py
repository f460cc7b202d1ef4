"""Simulated recordings of dichotomized-Gaussian spikes, whose moments are known exactly."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtri

from calgan.data.recording import ARBITRARY, Recording
from calgan.data.validation import (
    as_real_array,
    as_seed,
    check_frame_rate,
    check_integer,
    check_real,
    common_frame_rate,
    rng_from,
)
from calgan.datasets.simulation import SimulatedProcess, fluorescence
from calgan.generators.dichotomized_gaussian.latent import count_covariance
from calgan.generators.dichotomized_gaussian.model import DichotomizedGaussian
from calgan.generators.recordings import frames_in
from calgan.spikes.calcium_decay import burn_in_frames

# Uses of one seed that must not share random numbers; traces and spikes have one each.
_PARAMETERS = 0
_SPIKES, _NOISE = range(2)
_MAX_PROBABILITY = 0.5
_NEURONS_AN_ASSEMBLY = 10


@dataclass(frozen=True, eq=False, repr=False)
class DichotomizedGaussianProcess(SimulatedProcess):  # numpydoc ignore=PR02
    r"""A population whose spikes are a dichotomized Gaussian, seen through calcium.

    Made by `make_dichotomized_gaussian_process`; every recording and every window drawn from it
    shares one truth. Bins are independent in time. Neuron i spikes :math:`s_i(t)` times in frame t,
    its calcium is :math:`c_i(t) = g \, c_i(t - 1) + s_i(t)`, and the trace is :math:`c_i(t)` plus
    white Gaussian noise of standard deviation :math:`\sigma`.

    Parameters
    ----------
    frame_rate : float
        Frames per second (Hz).
    spike_model : DichotomizedGaussian
        The fitted model of the spikes.
    decay : float
        Factor g by which calcium decays in one frame.
    noise : float
        Standard deviation of the noise, sigma; a spike adds 1.
    mean : ndarray of shape (N,)
        Mean number of spikes in a frame.
    covariance : ndarray of shape (N, N)
        Covariance matrix of the spikes in a frame, as they are drawn: computed from the latent
        Gaussian, after any repair.

    Examples
    --------
    >>> from calgan.datasets import make_dichotomized_gaussian_process
    >>> process = make_dichotomized_gaussian_process(20, random_state=0)
    >>> recording, spikes = process.sample_recording(60.0, random_state=1)
    >>> recording
    Recording(1440 frames x 20 neurons, 24 Hz, 60.0 s, a.u.)
    >>> bool(abs(spikes.mean(axis=0) - process.mean).max() < 0.03)
    True
    """

    frame_rate: float
    spike_model: DichotomizedGaussian
    decay: float
    noise: float
    mean: np.ndarray
    covariance: np.ndarray

    _units: ClassVar[str] = ARBITRARY

    @property
    def n_neurons(self) -> int:
        """Number of neurons N."""
        return len(self.mean)

    @property
    def rates(self) -> np.ndarray:
        """Mean firing rates (Hz), (N,)."""
        return self.mean * self.frame_rate

    @property
    def correlation(self) -> np.ndarray:
        """Correlation matrix (N, N) of the spikes in a frame; 0 for neurons that never vary."""
        deviation = np.sqrt(np.diag(self.covariance))
        scale = np.where(deviation > 0, deviation, np.inf)
        correlation = self.covariance / np.outer(scale, scale)
        np.fill_diagonal(correlation, 1.0)
        return correlation

    def _simulate(
        self, n: int, n_frames: int, seed: int, stream: int
    ) -> tuple[np.ndarray, np.ndarray]:
        ones = np.ones(self.n_neurons)
        burn_in = burn_in_frames(self.decay * ones)
        traces = np.empty((n, n_frames, self.n_neurons), dtype=np.float32)
        spikes = np.empty_like(traces)
        noise = rng_from(seed, stream, _NOISE)
        batches = self.spike_model.iter_windows(
            n, burn_in + n_frames, rng_from(seed, stream, _SPIKES)
        )
        for first, batch in batches:
            which = slice(first, first + len(batch))
            spikes[which] = batch[:, burn_in:]
            traces[which] = fluorescence(
                batch,
                noise,
                decay=self.decay * ones,
                amplitudes=ones,
                baselines=0.0 * ones,
                noise=self.noise * ones,
                burn_in=burn_in,
            )
        return traces, spikes

    def __repr__(self) -> str:
        return f"DichotomizedGaussianProcess({self.n_neurons} neurons, {self.frame_rate:g} Hz)"


def make_dichotomized_gaussian_process(
    n_neurons: int = 102,
    *,
    spikes: Any = None,
    frame_rate: float = 24.0,
    decay: float = 0.95,
    noise: float = 0.3,
    random_state: Any = None,
) -> DichotomizedGaussianProcess:
    """Fix a population of dichotomized-Gaussian neurons, seen through calcium.

    The simulation of section 4.2 of the thesis [1]_: the defaults are its numbers of neurons,
    frame rate, decay and noise, and `spikes` takes the place of those it inferred from a recording.
    Without them the moments are drawn:

    ==================  ============================================================
    rates               lognormal, median 1 Hz, kept within 0.3 and 3 Hz, and at most
                        half a spike a frame
    assemblies          one for every 10 neurons, at least one
    latent correlation  of two neurons of one assembly 0.25 to 0.64 (the product of
                        their loadings, 0.5 to 0.8); of others 0
    ==================  ============================================================

    That makes the spikes of two neurons of one assembly correlated by about 0.05 to 0.35.

    Parameters
    ----------
    n_neurons : int, default=102
        Number of neurons N; not used if `spikes` are given.
    spikes : array-like of shape (T, N), default=None
        Spikes (0 and 1, or counts) a frame, whose marginals and covariances are aimed at. What
        they are in fact, after any repair, is in the result.
    frame_rate : float, default=24.0
        Frames per second (Hz).
    decay : float, default=0.95
        Factor by which calcium decays in one frame.
    noise : float, default=0.3
        Standard deviation of the noise; a spike adds 1.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the parameters; draws from the process take seeds of their own.

    Returns
    -------
    DichotomizedGaussianProcess
        The population, to draw recordings and windows from.

    Raises
    ------
    TypeError
        If `n_neurons` is not an integer, or `frame_rate` not a number.
    ValueError
        If a parameter is out of range, or `spikes` are not spikes.

    Warns
    -----
    UserWarning
        If no dichotomized Gaussian has the covariances of `spikes` exactly.

    References
    ----------
    .. [1] B. M. Li, "Synthesising Realistic Calcium Imaging Data of Neuronal Populations using
       Deep Generative Models", MScR thesis, University of Edinburgh, 2020.

    Examples
    --------
    >>> from calgan.datasets import make_dichotomized_gaussian_process
    >>> process = make_dichotomized_gaussian_process(random_state=0)
    >>> process
    DichotomizedGaussianProcess(102 neurons, 24 Hz)
    >>> process.rates.round(2)[:3]
    array([2.38, 0.58, 1.56])
    """
    n_neurons = check_integer(n_neurons, "n_neurons")
    frame_rate = check_frame_rate(frame_rate)
    decay = check_real("decay", decay, above=0, below=1)
    noise = check_real("noise", noise, least=0)
    model = DichotomizedGaussian()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if spikes is not None:
            n_axes = getattr(spikes, "ndim", None) or as_real_array(spikes, "spikes").ndim
            if n_axes != 2:
                raise ValueError(f"spikes must be (frames, neurons), got {n_axes} dimensions.")
            known = getattr(spikes, "frame_rate", None)
            common_frame_rate({"frame_rate": frame_rate, "spikes": known})
            model.fit(spikes)
        else:
            model.fit_moments(*_draw_moments(n_neurons, frame_rate, random_state))
    for warning in caught:
        warnings.warn(str(warning.message), warning.category, stacklevel=2)
    return DichotomizedGaussianProcess(
        frame_rate=frame_rate,
        spike_model=model,
        decay=decay,
        noise=noise,
        mean=model.mean_,
        covariance=count_covariance(model.thresholds_, model.latent_correlation_),
    )


def make_dichotomized_gaussian_recording(
    duration: float = 899.0,
    n_neurons: int = 102,
    *,
    spikes: Any = None,
    frame_rate: float = 24.0,
    decay: float = 0.95,
    noise: float = 0.3,
    random_state: Any = None,
) -> tuple[Recording, np.ndarray]:
    """Simulate one recording of dichotomized-Gaussian neurons, as the thesis did.

    Parameters
    ----------
    duration : float, default=899.0
        Length (s).
    n_neurons : int, default=102
        Number of neurons N; not used if `spikes` are given.
    spikes : array-like of shape (T, N), default=None
        Spikes a frame, whose marginals and covariances are aimed at; None draws these.
    frame_rate : float, default=24.0
        Frames per second (Hz).
    decay : float, default=0.95
        Factor by which calcium decays in one frame.
    noise : float, default=0.3
        Standard deviation of the noise; a spike adds 1.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the parameters and of the draw.

    Returns
    -------
    recording : Recording
        Traces (T, N), with ``T = round(duration * frame_rate)``.
    spikes : ndarray of shape (T, N), float32
        True number of spikes in each frame.

    See Also
    --------
    make_dichotomized_gaussian_process : The parameters, to draw more than one recording from.

    Examples
    --------
    >>> from calgan.datasets import make_dichotomized_gaussian_recording
    >>> recording, spikes = make_dichotomized_gaussian_recording(60.0, 10, random_state=0)
    >>> recording
    Recording(1440 frames x 10 neurons, 24 Hz, 60.0 s, a.u.)
    """
    frames_in(duration, check_frame_rate(frame_rate))  # before a fit that may take its time
    seed = as_seed(random_state)
    process = make_dichotomized_gaussian_process(
        n_neurons,
        spikes=spikes,
        frame_rate=frame_rate,
        decay=decay,
        noise=noise,
        random_state=seed,
    )
    return process.sample_recording(duration, random_state=seed)


def _draw_moments(
    n_neurons: int, frame_rate: float, random_state: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Draw means and a covariance matrix that a dichotomized Gaussian has."""
    rng = rng_from(random_state, _PARAMETERS)
    rates = np.clip(rng.lognormal(math.log(1.0), 0.6, n_neurons), 0.3, 3.0)
    mean = np.minimum(rates / frame_rate, _MAX_PROBABILITY)
    n_assemblies = max(1, n_neurons // _NEURONS_AN_ASSEMBLY)
    assemblies = rng.permutation(np.arange(n_neurons) % n_assemblies)
    loadings = rng.uniform(0.5, 0.8, n_neurons)
    latent = np.outer(loadings, loadings) * (assemblies[:, None] == assemblies)
    np.fill_diagonal(latent, 1.0)
    return mean, count_covariance(-ndtri(mean)[:, None], latent)
