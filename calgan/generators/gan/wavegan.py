"""The thesis's 1-D networks: convolutions over time, neurons as channels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calgan.training.layers import LEAKY_SLOPE, channel_norm, phase_shuffle, strided_depth


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
        Normalise over channels after each convolution. The channels of the last are the neurons:
        of one or two, which normalised would be constant or functions of one another, it keeps
        scale and shift alone.

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
            channel_norm(c, last=i == depth) if layer_norm else nn.Identity()
            for i, c in enumerate(channels[1:], 1)
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
