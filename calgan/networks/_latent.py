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

_N_SCALES = 6
_CONSTANTS_SPEED = 2.0
_TAIL_POINTS = 64
# Where training starts: how far events of one neuron differ, how soon they saturate.
_SATURATION, _UNSATURATED, _OWN_SLOW = 0.1, 0.1, 0.07


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
    >>> [round(scale, 1) for scale in latent_time_scales(96)]
    [0.3, 1.5, 4.2, 12.0, 33.9, 96.0]
    """
    slow = np.geomspace(1.5, max(n_frames, 3), _N_SCALES - 1)
    return (0.3, *map(float, slow))


class LatentGenerator(nn.Module):
    """Gaussian factors at several time scales drive neurons, whose events are seen as calcium.

    K factors, each at S time scales, are Ornstein-Uhlenbeck processes, which have no start and
    no end. (Calcium has one: some frames before the window, where what came before is replaced
    by its mean. Where it decays slowly beside these frames, the first of a window vary too
    little.) A linear map and a small network of them, plus private noise (white and slow), are
    the drive of each neuron. Where it is positive there is an event, whose amplitude saturates
    with the drive, by a shape learnt for each neuron: from events that are all alike to such as
    are proportional to it. Events decay and rise exponentially, and noise is added, with time
    constants, baseline and scale of each neuron.

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
        inputs = n_factors * len(self.time_scales)
        self.sizes = [
            inputs * length,
            n_neurons * length,
            n_neurons * length,
            n_neurons * n_frames,
        ]
        self.noise_size = sum(self.sizes)
        scales = torch.tensor(self.time_scales).repeat(n_factors)
        self.log_time = nn.Parameter(scales.log())
        self.linear = nn.Conv1d(inputs, n_neurons, 1)
        self.hidden = nn.ModuleList([nn.Conv1d(inputs, hidden, 1), nn.Conv1d(hidden, hidden, 1)])
        self.bend = nn.Conv1d(hidden, n_neurons, 1)

        def constant(value: float) -> nn.Parameter:
            return nn.Parameter(torch.full((n_neurons,), value))

        # Unconstrained: decays and shares pass through a sigmoid, scales through a softplus.
        self.private = constant(0.5)
        self.slow = constant(-2.0)
        self.slow_time = constant(math.log(10.0))
        self.saturation = constant(-2.2)
        self.unsaturated = constant(-2.2)
        self.gain = constant(0.5)
        self.decay = constant(1.0)
        self.rise = constant(-4.0)
        self.baseline = constant(0.0)
        self.noise_scale = constant(-1.0)
        self.shot = constant(-4.0)
        self.units = Standardiser(n_neurons)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return what the optimiser trains; constants of neurons take longer steps.

        They live on a scale of one, where the steps of a convolution's weights lead nowhere.
        """
        constants = [p for name, p in self.named_parameters() if "." not in name]
        weights = [p for name, p in self.named_parameters() if "." in name]
        return [
            {"params": weights, "lr": learning_rate},
            {"params": constants, "lr": _CONSTANTS_SPEED * learning_rate},
        ]

    @torch.no_grad()
    def start_from(
        self,
        *,
        decay: NDArray[np.float64],
        baseline: NDArray[np.float64],
        noise: NDArray[np.float64],
        amplitudes: NDArray[np.float64],
        probabilities: NDArray[np.float64],
        loadings: NDArray[np.float64],
    ) -> None:
        """Start from a dichotomized Gaussian of inferred spikes, in place.

        Parameters
        ----------
        decay : ndarray of shape (N,)
            Factor by which calcium decays in one frame.
        baseline, noise, amplitudes : ndarray of shape (N,)
            In units of the training windows; `units` must be set.
        probabilities : ndarray of shape (N,)
            Probability of an event in a frame.
        loadings : ndarray of shape (N, K, S)
            Of a latent variable of variance 1.
        """
        mean, scale = (to_numpy(part) for part in (self.units.mean, self.units.scale))
        scale = np.where(scale > 0, scale, 1.0)
        shared = np.square(loadings).sum(axis=(1, 2))
        private = np.sqrt(np.maximum(1.0 - shared - _OWN_SLOW**2, 0.03))
        spread = np.sqrt(shared + private**2 + _OWN_SLOW**2)
        # Drives of events, at evenly spaced levels of the tail above the threshold.
        levels = (np.arange(_TAIL_POINTS) + 0.5) / _TAIL_POINTS
        tail = (
            ndtri(1 - probabilities[:, np.newaxis] * (1 - levels)) + ndtri(probabilities)[:, None]
        )
        drive = spread[:, np.newaxis] * tail
        saturated = (1 - _UNSATURATED) * drive / (drive + _SATURATION)
        mean_event = (saturated + _UNSATURATED * drive).mean(axis=1)

        def fill(parameter: Tensor, values: Any, transform: Any = None) -> None:
            values = torch.as_tensor(np.asarray(values, dtype=np.float64)).expand(parameter.shape)
            parameter.copy_(values if transform is None else transform(values))

        fill(self.linear.weight, loadings.reshape(len(loadings), -1, 1))
        fill(cast(Tensor, self.linear.bias), spread * ndtri(probabilities))
        fill(self.private, private, inverse_softplus)
        fill(self.slow, _OWN_SLOW, inverse_softplus)
        fill(self.saturation, _SATURATION, inverse_softplus)
        fill(self.unsaturated, _UNSATURATED, torch.logit)
        fill(self.gain, np.maximum(amplitudes / scale / mean_event, 0.05), inverse_softplus)
        fill(self.decay, np.clip(decay, 0.05, 0.998), torch.logit)
        fill(self.baseline, (baseline - mean) / scale)
        fill(self.noise_scale, np.clip(noise / scale, 0.02, 1.0), inverse_softplus)
        nn.init.zeros_(self.bend.weight)
        nn.init.zeros_(cast(Tensor, self.bend.bias))

    @torch.no_grad()
    def adjust(self, *, threshold: Tensor, coupling: Tensor, level: Tensor) -> None:
        """Adjust a start by which spikes, correlations and means are missed, in place.

        Parameters
        ----------
        threshold : Tensor of shape (N,)
            By how much the drive is to rise, in standard deviations of it.
        coupling : Tensor of shape (N,)
            Factors for the loadings; private noise makes up for the variance.
        level : Tensor of shape (N,)
            By how much the traces are to rise (standardised units).
        """
        loadings = self.linear.weight
        private, slow = F.softplus(self.private), F.softplus(self.slow)
        shared = loadings.square().sum(dim=(1, 2))
        total = shared + private.square() + slow.square()
        coupling = torch.minimum(coupling, (0.95 * total / shared.clamp(min=1e-6)).sqrt())
        loadings.mul_(coupling[:, None, None])
        rest = (total - shared * coupling.square() - slow.square()).clamp(min=0.03)
        self.private.copy_(inverse_softplus(rest.sqrt()))
        cast(Tensor, self.linear.bias).add_(threshold * total.sqrt())
        self.baseline.add_(level)

    def forward(self, noise: Tensor) -> Tensor:
        """Turn noise (M, noise_size) into windows (M, T, N) in the units of the training data."""
        m, n = len(noise), self.n_neurons
        factors, private, slow, measurement = noise.split(self.sizes, dim=1)
        x = _coloured(factors.view(m, len(self.log_time), -1), self.log_time)
        drive = self.linear(x)
        for layer in self.hidden:
            x = F.leaky_relu(layer(x), 0.2)
        drive = (drive + self.bend(x)).float()
        drive = drive + F.softplus(self.private)[:, None] * private.view(m, n, -1)
        own = _coloured(slow.view(m, n, -1), self.slow_time)
        drive = F.relu(drive + F.softplus(self.slow)[:, None] * own)
        share = torch.sigmoid(self.unsaturated)[:, None]
        saturated = drive / (drive + F.softplus(self.saturation)[:, None])
        events = F.softplus(self.gain)[:, None] * ((1 - share) * saturated + share * drive)
        decay, rise = torch.sigmoid(self.decay), torch.sigmoid(self.rise)
        # What events of the same mean rate before the lead-in would have left over.
        before = events.mean(dim=-1, keepdim=True) * (decay / (1 - decay))[:, None]
        events = torch.cat([events[..., :1] + before, events[..., 1:]], dim=-1)
        calcium = exponential_filter(events, decay, rise) * (1 - rise)[:, None]
        calcium = calcium[..., self.lead_in :]
        # Photon noise: brighter frames are noisier.
        scale = F.softplus(self.noise_scale)[:, None] + F.softplus(self.shot)[:, None] * calcium
        traces = self.baseline[:, None] + calcium + scale * measurement.view(m, n, -1)
        return self.units.restore(traces.transpose(1, 2))


def _coloured(white: Tensor, log_time: Tensor) -> Tensor:
    """Turn white noise (M, C, L) into stationary Ornstein-Uhlenbeck processes of variance 1."""
    decay = torch.exp(-torch.exp(-log_time))
    steps = (1 - decay.square()).sqrt()[:, None]
    white = torch.cat([white[..., :1], white[..., 1:] * steps], dim=-1)
    return exponential_filter(white.float(), decay)
