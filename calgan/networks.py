"""Generator and critic networks, as plain ``nn.Module`` classes.

All take and return windows as ``(M, T, N)``; the transpose to torch's channel-first layout happens
inside. No network draws random numbers: noise and phase shifts are arguments, so that one seed in
the training loop governs everything.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calgan.recipes import Recipe

LEAKY_SLOPE = 0.3
LAYER_NORM_EPS = 1e-3
_DECODER_SPEED = 5.0
MIN_STEPS = 8  # steps that must be left after the last strided layer


def strided_depth(n_frames: int, max_depth: int = 5) -> int:
    """Return how many stride-2 layers suit windows of ``n_frames`` frames.

    As many as leave at least 8 steps, and at most `max_depth`.

    Parameters
    ----------
    n_frames : int
        Window width T in frames.
    max_depth : int, default=5
        Number of strided layers at full size (the thesis uses 5).

    Returns
    -------
    depth : int
        Number of stride-2 layers.

    Raises
    ------
    ValueError
        If the window is shorter than 16 frames or cannot be halved that often.

    Examples
    --------
    >>> strided_depth(2048), strided_depth(64)
    (5, 3)
    """
    if n_frames < 2 * MIN_STEPS:
        raise ValueError(
            f"Windows of {n_frames} frames are too short for the network: use a window of at "
            f"least {2 * MIN_STEPS} frames."
        )
    depth = min(max_depth, int(math.log2(n_frames / MIN_STEPS)))
    step = 2**depth
    if n_frames % step:
        low = n_frames // step * step
        # The next width up may cross into one more halving; walk to the first that is valid.
        high = low + step
        while high % 2 ** min(max_depth, int(math.log2(high / MIN_STEPS))):
            high += step
        raise ValueError(
            f"A window of {n_frames} frames cannot be halved {depth} times by the network: use "
            f"a multiple of {step}, the nearest being {low} and {high} frames."
        )
    return depth


def phase_shuffle(x: Tensor, shift: int) -> Tensor:
    """Shift activations in time, filling the gap by reflection without repeating the edge.

    A shift of +1 turns ``1 2 ... 8 9`` into ``2 3 ... 9 8``.

    Parameters
    ----------
    x : Tensor of shape (..., L)
        Activations, time last.
    shift : int
        Steps to shift by, ``|shift| < L``.

    Returns
    -------
    Tensor of shape (..., L)

    References
    ----------
    Donahue, McAuley & Puckette, "Adversarial Audio Synthesis", ICLR 2019, arXiv:1802.04208.

    Examples
    --------
    >>> phase_shuffle(torch.arange(1, 6), 1)
    tensor([2, 3, 4, 5, 4])
    """
    if shift == 0:
        return x
    length = x.shape[-1]
    index = torch.arange(length, device=x.device) + shift
    last = length - 1
    index = last - (last - index.abs()).abs()
    return x.index_select(-1, index)


def _glorot_(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise convolutions and dense layers as Keras does: Glorot-uniform, zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def seeded_init(module: nn.Module, seed: int) -> None:
    """Initialise `module` in place from `seed`, without touching global random state."""
    _glorot_(module, torch.Generator().manual_seed(seed))


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of ``(M, C, L)`` at each time step."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_channels, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (M, C, L)."""
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


class WaveGANGenerator(nn.Module):
    """The 1-D CalciumGAN generator: transposed convolutions over time, neurons as channels.

    Parameters
    ----------
    n_frames, n_neurons : int
        Shape (T, N) of a window.
    noise_size : int, default=32
        Length of the noise vector.
    filters : int, default=64
        Channel unit; layer i of D has ``(D - i) * filters`` channels, the last has N.
    kernel_size : int, default=24
        Kernel in frames (even).
    max_depth : int, default=5
        Number of strided layers; fewer for short windows, see `strided_depth`.
    layer_norm : bool, default=True
        Normalise over channels after each convolution.

    References
    ----------
    Li, "Synthesising Realistic Calcium Imaging Data of Neuronal Populations using Deep Generative
    Models", MScR thesis, Edinburgh 2020, Table 3.1.

    Examples
    --------
    >>> net = WaveGANGenerator(2048, 102)
    >>> sum(p.numel() for p in net.parameters())
    4375740
    """

    def __init__(
        self,
        n_frames: int,
        n_neurons: int,
        *,
        noise_size: int = 32,
        filters: int = 64,
        kernel_size: int = 24,
        max_depth: int = 5,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()
        depth = strided_depth(n_frames, max_depth)
        self.noise_size = noise_size
        self.steps = n_frames // 2**depth
        self.dense = nn.Linear(noise_size, self.steps * noise_size)
        channels = [noise_size, *(filters * k for k in range(depth, 1, -1)), n_neurons]
        self.convs = nn.ModuleList(
            nn.ConvTranspose1d(a, b, kernel_size, stride=2, padding=kernel_size // 2 - 1)
            for a, b in itertools.pairwise(channels)
        )
        self.norms = nn.ModuleList(
            ChannelNorm(c) if layer_norm else nn.Identity() for c in channels[1:]
        )
        self.head = nn.Linear(n_neurons, n_neurons)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return what the optimiser trains: everything, at one step size."""
        return [{"params": list(self.parameters())}]

    def forward(self, noise: Tensor) -> Tensor:
        """Turn noise (M, noise_size) into windows (M, T, N) in [0, 1]."""
        x = F.leaky_relu(self.dense(noise), LEAKY_SLOPE)
        x = x.view(len(noise), self.steps, -1).transpose(1, 2)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.leaky_relu(norm(conv(x)), LEAKY_SLOPE)
        return torch.sigmoid(self.head(x.transpose(1, 2)).float())


class WaveGANCritic(nn.Module):
    """The 1-D CalciumGAN critic: strided convolutions over time with phase shuffle.

    Parameters
    ----------
    n_frames, n_neurons : int
        Shape (T, N) of a window.
    filters, kernel_size, max_depth : int
        As in `WaveGANGenerator`; layer i has ``i * filters`` channels.
    phase_shuffle : int, default=10
        Largest shift m; a layer of length L uses ``min(m, L // 8)``.

    References
    ----------
    Li, MScR thesis, Edinburgh 2020, Table 3.1.

    Examples
    --------
    >>> sum(p.numel() for p in WaveGANCritic(2048, 102).parameters())
    4110273
    """

    def __init__(
        self,
        n_frames: int,
        n_neurons: int,
        *,
        filters: int = 64,
        kernel_size: int = 24,
        max_depth: int = 5,
        phase_shuffle: int = 10,
    ) -> None:
        super().__init__()
        depth = strided_depth(n_frames, max_depth)
        self.value_scale = 1.0
        channels = [n_neurons, *(filters * k for k in range(1, depth + 1))]
        self.convs = nn.ModuleList(
            nn.Conv1d(a, b, kernel_size, stride=2, padding=kernel_size // 2 - 1)
            for a, b in itertools.pairwise(channels)
        )
        lengths = [n_frames // 2**k for k in range(1, depth)]
        self.max_shifts = tuple(min(phase_shuffle, length // 8) for length in lengths)
        self.head = nn.Linear(channels[-1] * (n_frames // 2**depth), 1)

    def draw_shifts(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Draw one phase shift a layer, for one call."""
        return tuple(int(rng.integers(-m, m + 1)) for m in self.max_shifts)

    def standardised(self, windows: Tensor) -> Tensor:
        """Return windows as they are: this critic works in the units of its data."""
        return windows

    def judge(self, windows: Tensor, shifts: Sequence[int] = ()) -> Tensor:
        """Score windows (M, T, N), as `forward` does."""
        return self(windows, shifts)

    def forward(self, windows: Tensor, shifts: Sequence[int] = ()) -> Tensor:
        """Score windows (M, T, N), higher is more real; `shifts` are phase shifts a layer."""
        x = windows.transpose(1, 2)
        for i, conv in enumerate(self.convs):
            x = F.leaky_relu(conv(x), LEAKY_SLOPE)
            if i < len(shifts):
                x = phase_shuffle(x, shifts[i])
        # Keras flattens (time, channels).
        return self.head(x.transpose(1, 2).flatten(1)).squeeze(1).float()


class Standardiser(nn.Module):
    """Location and scale of each feature of the training windows, kept as buffers.

    Features that never change have scale 0: they are generated as their constant.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    @classmethod
    def of(cls, windows: np.ndarray) -> Standardiser:
        """Return the location and scale of each feature of windows (M, T, N)."""
        units = cls(windows.shape[2])
        mean = windows.mean(axis=(0, 1), dtype=np.float64)
        scale = windows.std(axis=(0, 1), dtype=np.float64)
        scale[np.ptp(windows, axis=(0, 1)) == 0] = 0.0  # exactly, whatever the rounding
        units.set(torch.from_numpy(mean), torch.from_numpy(scale))
        return units

    def set(self, mean: Tensor, scale: Tensor) -> None:
        """Take mean and scale (N,) in place."""
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def standardise(self, windows: Tensor) -> Tensor:
        """Bring windows (M, T, N) to mean 0 and variance 1."""
        return (windows - self.mean) / torch.where(self.scale > 0, self.scale, 1.0)

    def restore(self, windows: Tensor) -> Tensor:
        """Undo `standardise`."""
        return windows * self.scale + self.mean


def exponential_filter(events: Tensor, decay: Tensor) -> Tensor:
    """Filter events by ``c_t = decay c_{t-1} + e_t``, started at rest.

    Computed through the FFT, because a recursion over frames is slow to differentiate.

    Parameters
    ----------
    events : Tensor of shape (M, N, L)
        Events, time last.
    decay : Tensor of shape (N,)
        Decay a frame, in (0, 1).

    Returns
    -------
    Tensor of shape (M, N, L)

    Examples
    --------
    >>> exponential_filter(torch.eye(3)[:1, None], torch.tensor([0.5]))
    tensor([[[1.0000, 0.5000, 0.2500]]])
    """
    length = events.shape[-1]
    steps = torch.arange(length, device=events.device, dtype=events.dtype)
    kernel = decay[:, None] ** steps
    size = 2 * length  # padded, so that the end does not wrap around to the start
    spectrum = torch.fft.rfft(events, n=size) * torch.fft.rfft(kernel, n=size)
    return torch.fft.irfft(spectrum, n=size)[..., :length]


def _inverse_softplus(value: Tensor) -> Tensor:
    return torch.log(torch.expm1(value))


class CalciumGenerator(nn.Module):
    """A compact generator that knows what calcium does: events, rise and decay, noise.

    A convolutional body turns noise on a coarse time grid into the drive of every neuron; the
    drive plus private noise, rectified, gives events; events rise and decay exponentially, each
    neuron with its own time constants; measurement noise is added. Everything before the crop is
    equivariant in time, so windows are slices of a stationary process and no frame is special.

    Parameters
    ----------
    n_frames, n_neurons : int
        Shape (T, N) of a window.
    channels : int, default=64
        Width of the body.
    latent : int, default=16
        Noise channels on the coarse grid (one step in 2**depth frames), and as many that are
        constant over the window.
    kernel_size : int, default=5
        Kernel of the body in frames (odd).
    max_depth : int, default=3
        Number of upsampling layers; fewer for short windows, see `strided_depth`.
    decoder : bool, default=True
        False leaves events and decay out, for windows that are no traces (an encoding).

    Examples
    --------
    >>> net = CalciumGenerator(64, 10)
    >>> net(torch.zeros(2, net.noise_size)).shape
    torch.Size([2, 64, 10])
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
        self.private = nn.Parameter(torch.full((n_neurons,), 0.5))
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
        names = ("private", "gain", "decay", "rise", "baseline", "noise_scale", "shot")
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
        # Two standard deviations of the private noise below threshold: few events, but large ones.
        # Many small ones would have the same mean and variance, and training hardly leaves them.
        nn.init.constant_(cast(Tensor, self.drive.bias), -2.0)
        frames = windows.flatten(0, 1)
        self.baseline.copy_(frames.kthvalue(max(1, len(frames) // 5), dim=0).values)

    def forward(self, noise: Tensor) -> Tensor:
        """Turn noise (M, noise_size) into windows (M, T, N) in the units of the training data."""
        m = len(noise)
        state, coarse, *fine, private, measurement = noise.split(self.sizes, dim=1)
        coarse = coarse.view(m, self.latent, -1)
        x = torch.cat([coarse, state[:, :, None].expand_as(coarse)], dim=1)
        x = F.leaky_relu(self.inlet(x), 0.2)
        for block, extra in zip(self.blocks, fine, strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="linear", align_corners=False)
            y = F.leaky_relu(block(torch.cat([x, extra.view(m, self.fine, -1)], dim=1)), 0.2)
            x = (x + y) * math.sqrt(0.5)
        drive = self.drive(x)[..., self.edge : -self.edge].float()
        drive = drive + F.softplus(self.private)[:, None] * private.view(m, self.n_neurons, -1)
        scale = F.softplus(self.noise_scale)[:, None]
        if self.decoder:
            events = F.softplus(self.gain)[:, None] * F.relu(drive)
            rise = torch.sigmoid(self.rise)
            decay = torch.sigmoid(self.decay)[:, None]
            calcium = exponential_filter(events, decay[:, 0])
            # What events of the same mean rate before the lead-in would have left over.
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
        return self.units.restore(traces.transpose(1, 2))


class CompactCritic(nn.Module):
    """A small critic: neurons are mixed first, then strided convolutions run over time.

    Parameters
    ----------
    n_frames, n_neurons : int
        Shape (T, N) of a window.
    channels, kernel_size, max_depth : int
        As in `CalciumGenerator`.

    Examples
    --------
    >>> CompactCritic(64, 10)(torch.zeros(2, 64, 10)).shape
    torch.Size([2])
    """

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

    def draw_shifts(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Draw nothing: this critic has no phase shuffle."""
        return ()

    def standardised(self, windows: Tensor) -> Tensor:
        """Return windows in the units that `judge` takes, in which every neuron counts alike."""
        return self.units.standardise(windows)

    def judge(self, windows: Tensor, shifts: Sequence[int] = ()) -> Tensor:
        """Score standardised windows (M, T, N)."""
        x = windows.transpose(1, 2)
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        return self.head(x.flatten(1)).squeeze(1).float()

    def forward(self, windows: Tensor, shifts: Sequence[int] = ()) -> Tensor:
        """Score windows (M, T, N); higher is more real."""
        return self.judge(self.standardised(windows), shifts)


def build_networks(
    settings: Recipe, n_frames: int, n_features: int, *, traces: bool = True
) -> tuple[nn.Module, nn.Module]:
    """Build generator and critic for windows of a shape, as a recipe wants them.

    Parameters
    ----------
    settings : Recipe
        Architecture and widths.
    n_frames, n_features : int
        Shape (T, N) of a window.
    traces : bool, default=True
        Whether windows are traces, or coefficients of an encoding.

    Returns
    -------
    generator, critic : torch.nn.Module

    Examples
    --------
    >>> from calgan.recipes import get_recipe
    >>> generator, critic = build_networks(get_recipe("compact"), 64, 10)
    """
    sizes: dict[str, Any] = {"kernel_size": settings.kernel_size, "max_depth": settings.max_depth}
    if settings.architecture == "wavegan":
        return (
            WaveGANGenerator(
                n_frames,
                n_features,
                noise_size=settings.noise_size,
                filters=settings.filters,
                **sizes,
            ),
            WaveGANCritic(
                n_frames,
                n_features,
                filters=settings.filters,
                phase_shuffle=settings.phase_shuffle,
                **sizes,
            ),
        )
    return (
        CalciumGenerator(
            n_frames,
            n_features,
            channels=settings.filters,
            latent=settings.noise_size,
            decoder=traces,
            **sizes,
        ),
        CompactCritic(n_frames, n_features, channels=settings.filters, **sizes),
    )
