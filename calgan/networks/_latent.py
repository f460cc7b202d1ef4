"""A generator of calcium traces whose latent factors are Gaussian processes in time."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor, nn

from calgan._torch import to_numpy
from calgan.networks._layers import (
    MIN_STEPS,
    Standardiser,
    exponential_filter,
    inverse_softplus,
)
from calgan.spike_factors import GROWTH, MOST_VARIANCE, SPREADS
from calgan.trace_noise import N_SHARED, TraceNoise

_N_SCALES = 6
_WHITE = 0.15  # frames: nothing is left after one
_N_RHYTHMS = 2
_CONSTANTS_SPEED = 2.0
# The start knows these well, and a shorter decay would make up for errors in amplitudes.
_KNOWN, _KNOWN_SPEED = ("decay", "rise"), 0.2
_LEAST_OWN = 0.02  # of log rates, to start with: no gradient leads away from 0
_LEAST_OWN_NOISE = 0.1  # of its variance
_SOFTNESS = 0.2  # of the surrogate of a threshold, in units of log rates
_MOST_COUNTED = 3.0  # log of the expected spikes in a frame from where amplitudes grow no more
_PRIVATE = (0.25, 1.3)  # range of the private noise of a start
_LEAST_STANDING, _MOST_STANDING = 1e-4, 1.5  # variances of log rates
_NORMALISATION = (-0.3, 0.8)
_PER_WINDOW = 10  # time constants of the normalisation
_SKEWS = (0.01, 0.5)  # range of the skew of the noise of a start
_ALL_SKEWS = (1e-3, 2.0)  # and of any: what single precision can tell from 0, and can hold
_EULER = np.euler_gamma  # mean of a standard Gumbel variable
_GUMBEL_SPREAD = math.pi / math.sqrt(6)
_SHARES, _ALIKE = (0.1, 0.8), 0.7  # of Gumbel noise to start with, and where it has no rate


def latent_time_scales(n_frames: int) -> tuple[float, ...]:
    """Return the time constants (frames) of the factors for windows of `n_frames`.

    One is white; the others are evenly spaced on a logarithmic axis, up to a window.

    Parameters
    ----------
    n_frames : int
        Frames T of a window.

    Returns
    -------
    tuple of float

    Examples
    --------
    >>> [round(scale, 2) for scale in latent_time_scales(96)]
    [0.15, 1.5, 4.24, 12.0, 33.94, 96.0]
    """
    slow = np.geomspace(1.5, max(n_frames, 3), _N_SCALES - 1)
    return (_WHITE, *map(float, slow))


class LatentGenerator(nn.Module):
    """Gaussian factors at several time scales drive neurons, whose spikes are seen as calcium.

    K factors, each at S time scales, are smooth Gaussian processes (their autocorrelations are
    those of `calgan.spike_factors.smooth_autocorrelation`), which have no start and no end; two
    more wax and wane slowly about a rhythm, where the recording has one. (Calcium has a start: some
    frames before the window, where what came before is replaced by its mean. Where it decays slowly
    beside these frames, the first of a window vary too little.) A linear map and a small network of
    them, plus noise of its own, slow and standing, are the log rate of each neuron. The logarithm
    of the share of neurons that would fire, relative to the usual share and smoothed over a tenth
    of a window, is taken off all log rates, times a number that is learnt (divisive normalisation):
    where it is near 1, neurons take turns, and the population is as active at any time.

    There is an event in a frame where the log rate plus private noise is positive: Gumbel noise
    makes that spikes of a Poisson process, Gaussian noise a dichotomized Gaussian, and each neuron
    is somewhere between them; the less private noise, the more reliably high rates make events in
    a row. Amplitudes vary at random, and grow as much with the number of spikes that the rate lets
    expect as a neuron has learnt. Events decay and rise exponentially, and noise is added, with
    time constants, baseline and scale of each neuron. The noise is skewed, as that of few photons
    is: a shifted log-normal distribution, whose skewness is about three times what is learnt. Most
    of it is white and a neuron's own, but four noises that last for frames (autoregressive, of
    first order) are shared, as neuropil and movement are.

    Whether there is an event has no gradient; a logistic function of the excess stands in for it.

    Parameters
    ----------
    n_frames, n_neurons : int
        Shape (T, N) of a window.
    n_factors : int, default=8
        Number of factors K.
    hidden : int, default=64
        Width of the network that adds to the linear map.

    Examples
    --------
    >>> net = LatentGenerator(64, 10)
    >>> net(torch.zeros(2, net.noise_size)).shape
    torch.Size([2, 64, 10])
    """

    period: Tensor
    usual: Tensor
    shared_noise: Tensor
    shared_noise_time: Tensor

    def __init__(
        self, n_frames: int, n_neurons: int, *, n_factors: int = 8, hidden: int = 64
    ) -> None:
        super().__init__()
        if n_frames < 2 * MIN_STEPS:
            raise ValueError(
                f"Windows of {n_frames} frames are too short for the network: use a window of at "
                f"least {2 * MIN_STEPS} frames."
            )
        self.n_frames, self.n_neurons = n_frames, n_neurons
        # Calcium of events before the window, and the filters' way there.
        self.lead_in = min(max(n_frames // 2, 32), 128)
        length = n_frames + self.lead_in
        self.time_scales = latent_time_scales(n_frames)
        n_coloured = n_factors * len(self.time_scales)
        inputs = n_coloured + 2 * _N_RHYTHMS
        self.sizes = [
            n_coloured * (length + 1),  # smooth processes start from a value and a slope
            2 * _N_RHYTHMS * (length + 1),
            n_neurons * length,
            n_neurons * (length + 1),
            n_neurons * length,
            n_neurons * n_frames,
            n_neurons,
            N_SHARED * n_frames,
        ]
        self.noise_size = sum(self.sizes)
        scales = torch.tensor(self.time_scales).repeat(n_factors)
        self.log_time = nn.Parameter(scales.log())
        self.rhythm_time = nn.Parameter(torch.full((_N_RHYTHMS,), math.log(2.0 * n_frames)))
        self.register_buffer("period", torch.tensor(math.inf))
        self.register_buffer("usual", torch.tensor(0.0))  # logarithm of the share that fires
        self.normalisation = nn.Parameter(torch.zeros(1))
        self.linear = nn.Conv1d(inputs, n_neurons, 1)
        self.hidden = nn.ModuleList([nn.Conv1d(inputs, hidden, 1), nn.Conv1d(hidden, hidden, 1)])
        self.bend = nn.Conv1d(hidden, n_neurons, 1)

        def constant(value: float) -> nn.Parameter:
            return nn.Parameter(torch.full((n_neurons,), value))

        # Unconstrained: decays and shares pass through a sigmoid, scales through a softplus.
        self.private = constant(0.5)
        self.gumbel = constant(1.5)
        self.slow = constant(-2.0)
        self.slow_time = constant(math.log(10.0))
        self.standing = constant(-3.0)
        self.growth = constant(-0.7)
        self.spread = constant(-2.0)
        self.gain = constant(0.5)
        self.decay = constant(1.0)
        self.rise = constant(-4.0)
        self.baseline = constant(0.0)
        self.noise_scale = constant(-1.0)
        self.shot = constant(-4.0)
        self.skew = constant(-4.0)
        # In standard deviations of a neuron's own. Not trained: noise would explain what spikes do.
        self.register_buffer("shared_noise", torch.zeros(n_neurons, N_SHARED))
        self.register_buffer("shared_noise_time", torch.full((N_SHARED,), math.log(5.0)))
        self.units = Standardiser(n_neurons)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return what the optimiser trains; constants of neurons take longer steps.

        They live on a scale of one, where the steps of a convolution's weights lead nowhere. Decays
        and rises take the shortest steps, as the start knows them well.
        """
        weights: list[nn.Parameter] = []
        constants: list[nn.Parameter] = []
        known: list[nn.Parameter] = []
        for name, parameter in self.named_parameters():
            group = weights if "." in name else known if name in _KNOWN else constants
            group.append(parameter)
        return [
            {"params": weights, "lr": learning_rate},
            {"params": constants, "lr": _CONSTANTS_SPEED * learning_rate},
            {"params": known, "lr": _KNOWN_SPEED * learning_rate},
        ]

    @torch.no_grad()
    def start_from(
        self,
        *,
        decay: NDArray[np.float64],
        rise: NDArray[np.float64],
        baseline: NDArray[np.float64],
        noise: NDArray[np.float64],
        shared_noise: TraceNoise,
        amplitudes: NDArray[np.float64],
        probabilities: NDArray[np.float64],
        rates: NDArray[np.float64],
        growth: NDArray[np.float64],
        spread: NDArray[np.float64],
        loadings: NDArray[np.float64],
        private: NDArray[np.float64],
        own_variance: NDArray[np.float64],
        own_time: float,
        period: float,
        rhythm: NDArray[np.float64],
    ) -> None:
        """Start from a factor model of inferred spikes, in place.

        Parameters
        ----------
        decay, rise : ndarray of shape (N,)
            Factor by which calcium decays in one frame, and by which what is to come of an event.
        baseline, noise : ndarray of shape (N,)
            Fluorescence at rest and its noise, in units of the training windows; `units` must be
            set.
        shared_noise : TraceNoise
            What of the noise neurons share.
        amplitudes : ndarray of shape (N,)
            Of one spike, in units of the training windows.
        probabilities, rates : ndarray of shape (N,)
            Share of frames with an event, and mean number of spikes a frame.
        growth : ndarray of shape (N,)
            How amplitudes grow with the expected number of spikes in a frame, 1 as that does. The
            less they grow, the more Gaussian is the private noise.
        spread : ndarray of shape (N,)
            Relative standard deviation of amplitudes.
        loadings : ndarray of shape (N, K, S)
            Of the log rates.
        private : ndarray of shape (N,)
            Scale of the private noise; 1 makes rates those of a Poisson process.
        own_variance : ndarray of shape (N,)
            Variance of what else changes in the log rate of each neuron.
        own_time : float
            Time constant of that (frames).
        period : float
            Frames of a cycle of the rhythm; infinite without one.
        rhythm : ndarray of shape (N, 2)
            Loadings of the log rates on it and on a quarter of a cycle before it.
        """
        mean, scale = (to_numpy(part) for part in (self.units.mean, self.units.scale))
        scale = np.where(scale > 0, scale, 1.0)
        loadings = loadings.reshape(len(loadings), -1)
        others = np.zeros((len(loadings), 2 * (_N_RHYTHMS - 1)))
        loadings = np.concatenate([loadings, rhythm, others], axis=1)
        variance = np.square(loadings).sum(axis=1) + own_variance

        def fill(parameter: Tensor, values: Any, transform: Any = None) -> None:
            values = torch.as_tensor(np.asarray(values, dtype=np.float64)).expand(parameter.shape)
            parameter.copy_(values if transform is None else transform(values))

        fill(self.linear.weight, loadings[:, :, np.newaxis])
        fill(self.period, period)
        fill(self.usual, np.log(probabilities.mean()))
        fill(self.normalisation, 0.0)
        fill(self.standing, math.sqrt(_LEAST_STANDING), inverse_softplus)
        # The noise has mean 0, where Gumbel's own is Euler's constant.
        poisson = np.log(rates) - 0.5 * variance + _EULER
        binary = np.sqrt((private * _GUMBEL_SPREAD) ** 2 + variance) * ndtri(probabilities)
        # Rates are a Poisson process's where the noise has the scale of one.
        share = np.where(private < _ALIKE, _SHARES[0], np.clip(growth, *_SHARES))
        fill(cast(Tensor, self.linear.bias), share * poisson + (1 - share) * binary)
        fill(self.gumbel, share, torch.logit)
        fill(self.private, private, inverse_softplus)
        fill(self.slow, np.maximum(np.sqrt(own_variance), _LEAST_OWN), inverse_softplus)
        fill(self.slow_time, math.log(own_time))
        fill(self.growth, np.clip(growth, *GROWTH), inverse_softplus)
        fill(self.spread, np.clip(np.sqrt(np.log1p(spread**2)), *SPREADS), inverse_softplus)
        fill(self.gain, np.maximum(amplitudes / scale, 0.05), inverse_softplus)
        fill(self.decay, np.clip(decay, 0.05, 0.998), torch.logit)
        fill(self.rise, np.clip(rise, 0.01, 0.5), torch.logit)
        fill(self.baseline, (baseline - mean) / scale)
        fill(self.noise_scale, np.clip(noise / scale, 0.02, 1.0), inverse_softplus)
        fill(self.skew, _SKEWS[0], inverse_softplus)
        own = 1 - np.square(shared_noise.loadings).sum(axis=1, keepdims=True)
        own = np.sqrt(np.maximum(own, _LEAST_OWN_NOISE))
        fill(self.shared_noise, shared_noise.loadings / own)
        fill(self.shared_noise_time, np.log(shared_noise.time))
        nn.init.zeros_(self.bend.weight)
        nn.init.zeros_(cast(Tensor, self.bend.bias))

    @torch.no_grad()
    def adjust(
        self,
        *,
        log_rate: Tensor | float = 0.0,
        coupling: Tensor | float = 1.0,
        level: Tensor | float = 0.0,
        gain: Tensor | float = 1.0,
        growth: Tensor | float = 0.0,
        spread: Tensor | float = 0.0,
        private: Tensor | float = 1.0,
        standing: Tensor | float = 0.0,
        normalisation: Tensor | float = 1.0,
        scales: Tensor | float = 1.0,
        noise: Tensor | float = 1.0,
        skew: Tensor | float = 0.0,
        shared_noise: Tensor | float = 1.0,
    ) -> None:
        """Adjust a start by what its windows miss, in place.

        Each is a number or one a neuron, (N,), unless it says otherwise. Growth, spread, private
        noise, standing variance, normalisation and skew end in the ranges of a start.

        Parameters
        ----------
        log_rate : Tensor or float
            By about how much logarithms of mean rates are to rise.
        coupling : Tensor or float
            Factors for the loadings; mean rates stay about what they are. The variance that a
            neuron shares does not rise beyond 4, or what it was.
        level : Tensor or float
            By how much the traces are to rise (standardised units).
        gain : Tensor or float
            Factors for the amplitudes of spikes.
        growth : Tensor or float
            By how much amplitudes are to grow more with the expected number of spikes.
        spread : Tensor or float
            By how much the variance of logarithms of amplitudes is to rise.
        private : Tensor or float
            Factors for the private noise; mean rates stay about what they are.
        standing : Tensor or float
            By how much the variance of log rates from window to window is to rise; mean rates stay
            about what they are.
        normalisation : Tensor or float
            Factor, one number, for what slow changes of the population's activity are left.
        scales : Tensor or float
            Factors (S,) for the variance at each time scale; what the factors explain of a neuron
            in total stays, and so does its rhythm.
        noise : Tensor or float
            Factors for the noise of traces.
        skew : Tensor or float
            By how much the logarithm of the noise is to vary more, in standard deviations: a third
            of how much its skewness is to rise.
        shared_noise : Tensor or float
            Factors, one or (J,), for the variances of the noises that neurons share, relative to
            that of their own noise.
        """
        loadings, bias = self.linear.weight, cast(Tensor, self.linear.bias)
        at_scales = loadings[:, : len(self.log_time)].unflatten(1, (-1, len(self.time_scales)))
        explained = at_scales.square().sum(dim=(1, 2, 3), keepdim=True)
        scales = torch.as_tensor(scales, device=loadings.device).expand(len(self.time_scales))
        at_scales.mul_(scales.sqrt()[:, None])
        new = at_scales.square().sum(dim=(1, 2, 3), keepdim=True)
        at_scales.mul_((explained / new.clamp(min=1e-12)).sqrt())
        shared = loadings.square().sum(dim=(1, 2))
        most = shared.clamp(min=MOST_VARIANCE)
        coupling = torch.as_tensor(coupling, device=loadings.device)
        coupling = torch.minimum(coupling, (most / shared.clamp(min=1e-6)).sqrt())
        loadings.mul_(coupling[:, None, None])
        old = F.softplus(self.standing).square()
        new = (old + standing).clamp(_LEAST_STANDING, _MOST_STANDING)
        self.standing.copy_(inverse_softplus(new.sqrt()))
        # As for a Poisson process; where private noise is less, rates move by more.
        bias.add_(log_rate - 0.5 * (shared * (coupling.square() - 1) + new - old))

        variance = shared * coupling.square() + F.softplus(self.slow).square() + new
        old = F.softplus(self.private)
        new = (old * private).clamp(*_PRIVATE)
        self.private.copy_(inverse_softplus(new))
        # A threshold stays at the same quantile of all that varies.
        jitter = (_GUMBEL_SPREAD * torch.stack([new, old])).square()
        bias.mul_(((variance + jitter[0]) / (variance + jitter[1])).sqrt())

        self.gain.copy_(inverse_softplus(F.softplus(self.gain) * gain))
        self.growth.copy_(inverse_softplus((F.softplus(self.growth) + growth).clamp(*GROWTH)))
        variance = (F.softplus(self.spread).square() + spread).clamp(*(x**2 for x in SPREADS))
        self.spread.copy_(inverse_softplus(variance.sqrt()))
        self.baseline.add_(level)
        self.noise_scale.copy_(inverse_softplus(F.softplus(self.noise_scale) * noise))
        self.skew.copy_(inverse_softplus((F.softplus(self.skew) + skew).clamp(*_SKEWS)))
        self.shared_noise.mul_(torch.as_tensor(shared_noise).sqrt())
        left = (1 - self.normalisation) * normalisation
        self.normalisation.copy_((1 - left).clamp(*_NORMALISATION))

    def forward(self, noise: Tensor) -> Tensor:
        """Turn noise (M, noise_size) into windows (M, T, N) in the units of the training data."""
        return self.windows_and_spikes(noise)[0]

    def windows_and_spikes(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Turn noise into windows, and say which frames have spikes.

        Parameters
        ----------
        noise : Tensor of shape (M, noise_size)
            White Gaussian noise.

        Returns
        -------
        windows : Tensor of shape (M, T, N)
            In the units of the training data.
        fired : Tensor of shape (M, T, N)
            1 where there are spikes, otherwise 0; with the gradient of a soft threshold.
        """
        m, n = len(noise), self.n_neurons
        factors, rhythm, private, slow, jitter, measurement, standing, shared = noise.split(
            self.sizes, dim=1
        )
        x = _smooth(factors.view(m, len(self.log_time), -1), self.log_time)
        x = torch.cat([x, self._rhythms(rhythm.view(m, 2 * _N_RHYTHMS, -1))], dim=1)
        log_rate = self.linear(x)
        for layer in self.hidden:
            x = F.leaky_relu(layer(x), 0.2)
        own = _smooth(slow.view(m, n, -1), self.slow_time)
        log_rate = (log_rate + self.bend(x)).float() + F.softplus(self.slow)[:, None] * own
        log_rate = self._normalised(log_rate + (F.softplus(self.standing) * standing)[..., None])
        scale = F.softplus(self.private)[:, None]
        share = torch.sigmoid(self.gumbel)[:, None]
        gaussian = private.view(m, n, -1).float()
        gumbel = -torch.log(-torch.special.log_ndtr(gaussian)) - _EULER
        private = share * gumbel + (1 - share) * _GUMBEL_SPREAD * gaussian
        excess = log_rate + scale * private
        soft = torch.sigmoid(excess / _SOFTNESS)
        fired = (excess > 0).to(soft) + soft - soft.detach()
        # Poisson spikes in a frame that has any, beyond the first.
        rate = (log_rate / scale - _EULER).clamp(-8.0, _MOST_COUNTED).exp()
        further = rate / -torch.expm1(-rate) - 1
        spread = F.softplus(self.spread)[:, None]
        jitter = torch.exp(spread * jitter.view(m, n, -1) - 0.5 * spread.square())
        amplitude = F.softplus(self.gain)[:, None] * jitter
        events = fired * amplitude * (1 + F.softplus(self.growth)[:, None] * further)
        decay, rise = torch.sigmoid(self.decay), torch.sigmoid(self.rise)
        # What events of the same mean rate before the lead-in would have left over.
        before = events.mean(dim=-1, keepdim=True) * (decay / (1 - decay))[:, None]
        events = torch.cat([events[..., :1] + before, events[..., 1:]], dim=-1)
        calcium = exponential_filter(events, decay, rise) * (1 - rise)[:, None]
        calcium = calcium[..., self.lead_in :]
        # Photon noise: brighter frames are noisier.
        scale = F.softplus(self.noise_scale)[:, None] + F.softplus(self.shot)[:, None] * calcium
        measurement = self._measurement(measurement.view(m, n, -1), shared.view(m, N_SHARED, -1))
        measurement = _skewed(measurement, F.softplus(self.skew)[:, None])
        traces = self.baseline[:, None] + calcium + scale * measurement
        fired = fired[..., self.lead_in :].transpose(1, 2)
        return self.units.restore(traces.transpose(1, 2)), fired

    def _measurement(self, own: Tensor, shared: Tensor) -> Tensor:
        """Return Gaussian noise of variance 1, (M, N, T), from white noises: N, and J shared."""
        decay = torch.exp(-torch.exp(-self.shared_noise_time))
        left = torch.sqrt(-torch.expm1(-2 * torch.exp(-self.shared_noise_time)))[:, None]
        drive = torch.cat([shared[..., :1], left * shared[..., 1:]], dim=-1).float()
        lasting = self.shared_noise @ exponential_filter(drive, decay)
        return (own + lasting) / self._total_noise()

    def _total_noise(self) -> Tensor:
        """Return standard deviations (N, 1) of noise, of which a neuron's own has 1."""
        return (1 + self.shared_noise.square().sum(1, keepdim=True)).sqrt()

    def loadings_of_noise(self) -> Tensor:
        """Return loadings (N, J) on the noises that neurons share, in standard deviations."""
        return self.shared_noise / self._total_noise()

    def _normalised(self, log_rate: Tensor) -> Tensor:
        """Take off what slowly changes in the share of neurons that would fire, (M, N, L)."""
        rate = (log_rate / F.softplus(self.private)[:, None] - _EULER).clamp(-8.0, 3.0).exp()
        total = (-torch.expm1(-rate)).mean(1, keepdim=True).log() - self.usual
        keep = log_rate.new_tensor([math.exp(-_PER_WINDOW / self.n_frames)])
        total = torch.cat([total[..., :1], (1 - keep) * total[..., 1:]], dim=-1)
        return log_rate - self.normalisation * exponential_filter(total, keep)

    def _rhythms(self, white: Tensor) -> Tensor:
        """Return rhythms and what comes a quarter of a cycle before them, in turns, (M, 2 R, L)."""
        slow = _smooth(white, self.rhythm_time.repeat_interleave(2))
        phase = 2 * math.pi / self.period * torch.arange(slow.shape[2], device=white.device)
        sine, cosine, a, b = phase.sin(), phase.cos(), slow[:, ::2], slow[:, 1::2]
        return torch.stack([a * cosine + b * sine, b * cosine - a * sine], dim=2).flatten(1, 2)


def _skewed(white: Tensor, skew: Tensor) -> Tensor:
    """Give white noise a shifted log-normal distribution of the same mean 0 and variance 1."""
    skew = skew.clamp(*_ALL_SKEWS)
    return torch.expm1(skew * white - 0.5 * skew.square()) / torch.expm1(skew.square()).sqrt()


def _smooth(white: Tensor, log_time: Tensor) -> Tensor:
    """Turn white noise (M, C, L + 1) into stationary smooth processes (M, C, L) of variance 1.

    Two exponential filters in a row, each of half the time constant: autocorrelations are those of
    `calgan.spike_factors.smooth_autocorrelation`.
    """
    white, end = white.float().split([white.shape[2] - 1, 1], dim=2)
    decay = torch.exp(-2 * torch.exp(-log_time))
    left = -torch.expm1(-4 * torch.exp(-log_time))[:, None]  # 1 - decay^2
    drive = torch.cat([white[..., :1], left.sqrt() * white[..., 1:]], dim=-1)
    # The second filter does not start at rest, but where it is after any time, given the first.
    start = decay[:, None] * (decay[:, None] * white[..., :1] + end) / left
    steps = torch.arange(white.shape[2], device=white.device, dtype=white.dtype)
    smooth = exponential_filter(drive, decay, decay) + start * decay[:, None] ** steps
    return left / (2 - left).sqrt() * smooth
