"""The compact networks: a generator with an explicit calcium decoder, and a small critic."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calgan.generators.gan.layers import Critic
from calgan.training.layers import Standardiser, strided_depth

_DECODER_SPEED = 5.0


def _inverse_softplus(value: Tensor) -> Tensor:
    """Return what softplus maps to `value`, which must be above 0."""
    return value + torch.log(-torch.expm1(-value))  # expm1(value) overflows


def exponential_filter(amplitudes: Tensor, decay: Tensor) -> Tensor:
    """Filter (M, N, L) by ``c_t = decay c_{t-1} + a_t`` from rest, decay (N,) in (0, 1).

    Computed through the FFT, because a recursion over frames is slow to differentiate.
    """
    length = amplitudes.shape[-1]
    steps = torch.arange(length, device=amplitudes.device, dtype=amplitudes.dtype)
    size = 2 * length  # padded, so that the end does not wrap around to the start
    response = torch.fft.rfft(decay[:, None] ** steps, n=size)
    spectrum = torch.fft.rfft(amplitudes, n=size) * response
    return torch.fft.irfft(spectrum, n=size)[..., :length]


class CalciumGenerator(nn.Module):
    """A compact generator that knows what calcium does: events, rise and decay, noise.

    A convolutional body turns noise on a coarse time grid into the drive of every neuron; the
    drive plus independent noise, rectified, gives events; events rise and decay exponentially, each
    neuron with its own time constants; measurement noise is added. Everything before the crop is
    equivariant in time, so windows are slices of a stationary process and no frame is special.
    """

    def __init__(
        self,
        n_frames: int,
        n_neurons: int,
        *,
        channels: int = 64,
        latent: int = 16,
        kernel_size: int = 5,
        max_depth: int = 3,
        decoder: bool = True,
    ) -> None:
        super().__init__()
        depth = strided_depth(n_frames, max_depth)
        stride = 2**depth
        # Frames generated before the window and cropped, so that it does not start at rest.
        self.lead_in = -(-min(max(n_frames // 2, 32), 128) // stride) * stride
        self.edge = stride  # one coarse step a side feeds the convolutions' borders
        self.n_neurons, self.latent, self.decoder = n_neurons, latent, decoder
        self.fine = 4  # noise channels that join the body at each finer resolution
        length = n_frames + self.lead_in
        coarse = length // stride + 2
        self.sizes = [
            latent,
            latent * coarse,
            *(self.fine * coarse * 2**k for k in range(1, depth + 1)),
            n_neurons * length,
            n_neurons * n_frames,
        ]
        self.noise_size = sum(self.sizes)
        self.inlet = nn.Conv1d(2 * latent, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Conv1d(channels + self.fine, channels, kernel_size, padding=kernel_size // 2)
            for _ in range(depth)
        )
        self.drive = nn.Conv1d(channels, n_neurons, 1)
        # Unconstrained: decays pass through a sigmoid, scales through a softplus.
        self.independent = nn.Parameter(torch.full((n_neurons,), 0.5))
        self.gain = nn.Parameter(torch.full((n_neurons,), 0.5))
        self.decay = nn.Parameter(torch.full((n_neurons,), 1.0))
        self.rise = nn.Parameter(torch.full((n_neurons,), -1.5))
        self.baseline = nn.Parameter(torch.zeros(n_neurons))
        self.noise_scale = nn.Parameter(torch.full((n_neurons,), -1.0))
        self.shot = nn.Parameter(torch.full((n_neurons,), -4.0))
        self.units = Standardiser(n_neurons)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return what the optimiser trains; the decoder's constants take longer steps.

        They live on a scale of one, where the steps of a convolution's weights lead nowhere.
        """
        names = ("independent", "gain", "decay", "rise", "baseline", "noise_scale", "shot")
        constants = [getattr(self, name) for name in names]
        ids = {id(p) for p in constants}
        weights = [p for p in self.parameters() if id(p) not in ids]
        return [{"params": weights}, {"params": constants, "lr": _DECODER_SPEED * learning_rate}]

    @torch.no_grad()
    def start_from(self, windows: Tensor) -> None:
        """Start noise, baseline and decay from real windows (m, T, N) in standardised units."""
        steps = (windows[:, 1:] - windows[:, :-1]).abs().flatten(0, 1)
        noise = 1.4826 * steps.median(dim=0).values / math.sqrt(2)
        self.noise_scale.copy_(_inverse_softplus(noise.clamp(0.05, 1.0)))
        if not self.decoder:
            return
        n_frames = windows.shape[1]
        # The noise adds to the variance alone, so lags of 1 and more show the decay.
        near, far = (
            (windows[:, : n_frames - lag] * windows[:, lag:]).mean(dim=(0, 1)) for lag in (1, 4)
        )
        decay = (far / near.clamp(min=1e-3)).clamp(0.05, 0.9) ** (1 / 3)
        self.decay.copy_(torch.logit(decay))
        # Two standard deviations of the independent noise below threshold: few, but large events.
        # Many small ones would have the same mean and variance, and training hardly leaves them.
        nn.init.constant_(cast(Tensor, self.drive.bias), -2.0)
        frames = windows.flatten(0, 1)
        self.baseline.copy_(frames.kthvalue(max(1, len(frames) // 5), dim=0).values)

    def forward(self, noise: Tensor) -> Tensor:
        """Turn noise (M, noise_size) into windows (M, T, N) in the units of the training data."""
        return self._generate(noise)[0]

    def components(self, noise: Tensor) -> dict[str, Tensor]:
        """Turn noise into windows and what they are made of, (M, T, N) each.

        "spikes" are the rectified drive, before the gain: events of any size on the drive's scale,
        and no counts. "amplitudes" are the events with their gain and "calcium" is what they rise
        and decay to, filtered by the decay and then smoothed by the rise; both are in the units of
        the training data.
        """
        if not self.decoder:
            raise ValueError("this network has no calcium decoder, and so no components.")
        traces, calcium, rectified = self._generate(noise)
        spikes = rectified[..., self.lead_in :].transpose(1, 2)
        return {
            "traces": traces,
            "calcium": calcium.transpose(1, 2) * self.units.scale,
            "spikes": spikes,
            "amplitudes": spikes * F.softplus(self.gain) * self.units.scale,
        }

    def _generate(self, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return windows (M, T, N), their calcium (M, N, T), and events before the gain (M, N, L).

        Calcium and events are in standardised units; events begin with the lead-in.
        """
        m = len(noise)
        state, coarse, *fine, independent, measurement = noise.split(self.sizes, dim=1)
        coarse = coarse.view(m, self.latent, -1)
        x = torch.cat([coarse, state[:, :, None].expand_as(coarse)], dim=1)
        x = F.leaky_relu(self.inlet(x), 0.2)
        for block, extra in zip(self.blocks, fine, strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="linear", align_corners=False)
            y = F.leaky_relu(block(torch.cat([x, extra.view(m, self.fine, -1)], dim=1)), 0.2)
            x = (x + y) * math.sqrt(0.5)
        drive = self.drive(x)[..., self.edge : -self.edge].float()
        drive = drive + F.softplus(self.independent)[:, None] * independent.view(
            m, self.n_neurons, -1
        )
        scale = F.softplus(self.noise_scale)[:, None]
        rectified = F.relu(drive)
        if self.decoder:
            events = F.softplus(self.gain)[:, None] * rectified
            rise = torch.sigmoid(self.rise)
            decay = torch.sigmoid(self.decay)[:, None]
            calcium = exponential_filter(events, decay[:, 0])
            # Calcium that events of the same mean before the lead-in would have left over.
            steps = torch.arange(1, events.shape[-1] + 1, device=events.device)
            before = events.mean(dim=-1, keepdim=True) / (1 - decay)
            calcium = calcium + before * decay**steps
            calcium = exponential_filter(calcium, rise) * (1 - rise)[:, None]
            calcium = calcium[..., self.lead_in :]
            # Photon noise: brighter frames are noisier.
            scale = scale + F.softplus(self.shot)[:, None] * calcium
        else:
            calcium = drive[..., self.lead_in :]
        traces = self.baseline[:, None] + calcium
        traces = traces + scale * measurement.view(m, self.n_neurons, -1)
        return self.units.restore(traces.transpose(1, 2)), calcium, rectified


class CompactCritic(Critic):
    """A small critic: neurons are mixed first, then strided convolutions run over time."""

    def __init__(
        self,
        n_frames: int,
        n_neurons: int,
        *,
        channels: int = 64,
        kernel_size: int = 5,
        max_depth: int = 3,
    ) -> None:
        super().__init__()
        depth = strided_depth(n_frames, max_depth)
        # The norm of a standardised window: what the values of a 1-Lipschitz critic grow with.
        self.value_scale = math.sqrt(n_frames * n_neurons)
        widths = [n_neurons] + [channels] * depth
        self.units = Standardiser(n_neurons)
        self.convs = nn.ModuleList(
            nn.Conv1d(a, b, kernel_size, stride=2, padding=kernel_size // 2)
            for a, b in itertools.pairwise(widths)
        )
        self.head = nn.Linear(channels * (n_frames // 2**depth), 1)

    def standardised(self, windows: Tensor) -> Tensor:
        """Return windows in the units that `judge` takes, in which every neuron counts alike."""
        return self.units.standardise(windows)

    def judge(self, windows: Tensor, shifts: Sequence[int] = ()) -> Tensor:
        """Score standardised windows (M, T, N)."""
        x = windows.transpose(1, 2)
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        return self.head(x.flatten(1)).squeeze(1).float()
