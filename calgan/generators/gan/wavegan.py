"""The 1-D networks of the thesis: convolutions over time, neurons as channels."""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calgan.generators.gan.layers import (
    LEAKY_SLOPE,
    PublishedCritic,
    channel_norm,
    phase_shuffle,
    phase_shuffle_back,
)
from calgan.training.layers import strided_depth


def as_rows(x: Tensor) -> Tensor:
    """Turn (M, C, T) into images (M, C, 1, T) whose channels lie side by side in memory."""
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


class RowConv(nn.Conv1d):
    """A convolution over time of rows (M, C, 1, T), which is faster than one of (M, C, T)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return rows (M, C', 1, T')."""
        padding = (0, int(self.padding[0]))
        return F.conv2d(x, as_rows(self.weight), self.bias, (1, *self.stride), padding)

    def back(self, gradient: Tensor, size: tuple[int, ...]) -> Tensor:
        """Return the gradient at the input, twice as long, from that at the output."""
        padding = (0, int(self.padding[0]))
        return F.conv_transpose2d(gradient, as_rows(self.weight), None, (1, *self.stride), padding)


class RowConvTranspose(nn.ConvTranspose1d):
    """A transposed convolution over time of rows (M, C, 1, T)."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Return rows (M, C', 1, T')."""
        padding = (0, int(self.padding[0]))
        return F.conv_transpose2d(x, as_rows(self.weight), self.bias, (1, *self.stride), padding)


class WaveGANGenerator(nn.Module):
    """The published 1-D generator (Table 3.1): transposed convolutions over time.

    Layer i of D has ``(D - i) * filters`` channels, and the last has the N neurons.
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
    ) -> None:
        super().__init__()
        depth = strided_depth(n_frames, max_depth)
        self.noise_size = noise_size
        self.steps = n_frames // 2**depth
        self.dense = nn.Linear(noise_size, self.steps * noise_size)
        channels = [noise_size, *(filters * k for k in range(depth, 1, -1)), n_neurons]
        self.convs = nn.ModuleList(
            RowConvTranspose(a, b, kernel_size, stride=2, padding=kernel_size // 2 - 1)
            for a, b in itertools.pairwise(channels)
        )
        self.norms = nn.ModuleList(
            channel_norm(c, last=i == depth) for i, c in enumerate(channels[1:], 1)
        )
        self.head = nn.Linear(n_neurons, n_neurons)

    def forward(self, noise: Tensor) -> Tensor:
        """Turn noise (M, noise_size) into windows (M, T, N) in [0, 1]."""
        x = F.leaky_relu(self.dense(noise), LEAKY_SLOPE)
        x = as_rows(x.view(len(noise), self.steps, -1).transpose(1, 2))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.leaky_relu(norm(conv(x)), LEAKY_SLOPE)
        return torch.sigmoid(self.head(x[:, :, 0].transpose(1, 2)).float())


class WaveGANCritic(PublishedCritic):
    """The published 1-D critic (Table 3.1): strided convolutions over time, with phase shuffle.

    Layer i has ``i * filters`` channels. A layer of length L is shifted by at most ``L // 8``.
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
        channels = [n_neurons, *(filters * k for k in range(1, depth + 1))]
        self.convs = nn.ModuleList(
            RowConv(a, b, kernel_size, stride=2, padding=kernel_size // 2 - 1)
            for a, b in itertools.pairwise(channels)
        )
        lengths = [n_frames // 2**k for k in range(1, depth)]
        self.max_shifts = tuple(min(phase_shuffle, length // 8) for length in lengths)
        self.head = nn.Linear(channels[-1] * (n_frames // 2**depth), 1)

    def draw_shifts(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Draw one phase shift a layer, for one call."""
        return tuple(int(rng.integers(-m, m + 1)) for m in self.max_shifts)

    def _to_images(self, windows: Tensor) -> Tensor:
        return as_rows(windows.transpose(1, 2))

    def _to_windows(self, images: Tensor) -> Tensor:
        return images[:, :, 0].transpose(1, 2)

    def _shift(self, x: Tensor, shift: int, *, back: bool = False) -> Tensor:
        return (phase_shuffle_back if back else phase_shuffle)(x, shift)
