"""The 2-D networks of the thesis: convolutions over time and neurons."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calgan.generators.gan.layers import (
    LEAKY_SLOPE,
    ChannelAffine,
    PublishedCritic,
    channel_norm,
    phase_shuffle,
    phase_shuffle_back,
)
from calgan.training.layers import strided_depth

_CRITIC_STRIDE = 4
_MIN_CRITIC_STEPS = 2


def _images(windows: Tensor, n_channels: int) -> Tensor:
    """Turn windows (M, T, N C) into images (M, C, T, N)."""
    m, n_frames, n_features = windows.shape
    return windows.view(m, n_frames, n_features // n_channels, n_channels).permute(0, 3, 1, 2)


def _max_shift(n_steps: int, phase_shuffle: int) -> int:
    if 2 * phase_shuffle < n_steps:
        return phase_shuffle
    return n_steps // 8 if n_steps > 8 else 0


class SameConv(nn.Conv2d):
    """A convolution with 'same' padding as TensorFlow has it: what is odd is added at the end."""

    def __init__(
        self, before: int, after: int, kernel_size: int, *, length: int, shorter: int
    ) -> None:
        super().__init__(before, after, kernel_size, stride=(_CRITIC_STRIDE, 1))
        rows = max(0, (shorter - 1) * _CRITIC_STRIDE + kernel_size - length)
        columns = kernel_size - 1
        self.edges = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return images (M, C', H', W)."""
        weight = self.weight.contiguous(memory_format=torch.channels_last)
        return F.conv2d(F.pad(x, self.edges), weight, self.bias, self.stride)

    def back(self, gradient: Tensor, size: tuple[int, ...]) -> Tensor:
        """Return the gradient at the input, of height and width `size`, from that at the output."""
        weight = self.weight.contiguous(memory_format=torch.channels_last)
        whole = F.conv_transpose2d(gradient, weight, None, self.stride)
        left, _, top, _ = self.edges
        return whole[:, :, top : top + size[0], left : left + size[1]]


class WaveGAN2DGenerator(nn.Module):
    """The published 2-D generator (Table A.2): transposed convolutions over time and neurons.

    Its layers have 5, 3, 2 and 1 times `filters` channels, and the last has those of the windows.

    One deviation from the published program: after the last convolution it normalises over the
    channels, of which traces have one and Fourier coefficients two. Normalised, one channel is
    constant whatever the input, and two are functions of one another, so that such a network can
    learn nothing. That layer keeps its parameters, a scale and a shift a channel, and with them
    the published count, but does not normalise. The same goes for a layer of one channel, which
    ``filters=1`` has.
    """

    def __init__(
        self,
        n_frames: int,
        n_neurons: int,
        n_channels: int = 1,
        *,
        noise_size: int = 32,
        filters: int = 20,
        kernel_size: int = 8,
        max_depth: int = 5,
    ) -> None:
        super().__init__()
        depth = strided_depth(n_frames, min(max_depth, 5))
        self.noise_size = noise_size
        self.n_neurons = n_neurons
        # One layer doubles the neurons too; what an odd number of them has too much is cut off.
        self.start = (n_frames // 2**depth, -(-n_neurons // 2))
        self.dense = nn.Linear(noise_size, self.start[0] * self.start[1] * noise_size)
        widths = [5 * filters, 3 * filters, 2 * filters, filters, n_channels]
        channels = [noise_size, *widths[-depth:]]
        self.convs = nn.ModuleList(
            nn.ConvTranspose2d(
                a,
                b,
                kernel_size,
                stride=(2, 2 if i == depth // 2 else 1),
                padding=kernel_size // 2 - 1,
            )
            for i, (a, b) in enumerate(itertools.pairwise(channels))
        )
        self.norms = nn.ModuleList(
            [*(channel_norm(c) for c in channels[1:-1]), ChannelAffine(n_channels)]
        )
        self.head = nn.Linear(n_channels, n_channels)

    def forward(self, noise: Tensor) -> Tensor:
        """Turn noise (M, noise_size) into windows (M, T, N C) in [0, 1]."""
        x = F.leaky_relu(self.dense(noise), LEAKY_SLOPE)
        x = x.view(len(noise), *self.start, -1).permute(0, 3, 1, 2)
        conv: Any
        for conv, norm in zip(self.convs, self.norms, strict=True):
            steps, neurons = x.shape[2] * conv.stride[0], x.shape[3] * conv.stride[1]
            # 'Same' padding as Keras has it: an even kernel at stride 1 yields one row too many.
            x = conv(x)[:, :, :steps, :neurons]
            x = F.leaky_relu(norm(x), LEAKY_SLOPE)
        x = x[..., : self.n_neurons].permute(0, 2, 3, 1)
        return torch.sigmoid(self.head(x).float()).flatten(2)


class WaveGAN2DCritic(PublishedCritic):
    """The published 2-D critic (Table A.2): convolutions over time and neurons, strided in time.

    Layer i has ``i * filters`` channels. Phase shuffle shifts in time and across neurons. The text
    of the thesis says kernels of 8, but its program has 16, and so does the count of Table A.2.
    """

    def __init__(
        self,
        n_frames: int,
        n_neurons: int,
        n_channels: int = 1,
        *,
        filters: int = 20,
        kernel_size: int = 16,
        max_depth: int = 5,
        phase_shuffle: int = 10,
    ) -> None:
        super().__init__()
        self.n_channels = n_channels
        lengths = [n_frames]
        while len(lengths) <= max_depth and lengths[-1] >= _CRITIC_STRIDE * _MIN_CRITIC_STEPS:
            lengths.append(-(-lengths[-1] // _CRITIC_STRIDE))
        depth = len(lengths) - 1
        channels = [n_channels, *(filters * k for k in range(1, depth + 1))]
        self.convs = nn.ModuleList(
            SameConv(a, b, kernel_size, length=length, shorter=shorter)
            for (a, b), (length, shorter) in zip(
                itertools.pairwise(channels), itertools.pairwise(lengths), strict=True
            )
        )
        self.max_shifts = tuple(
            (_max_shift(length, phase_shuffle), min(phase_shuffle, n_neurons // 8))
            for length in lengths[1:-1]
        )
        self.head = nn.Linear(channels[-1] * lengths[-1] * n_neurons, 1)

    def draw_shifts(self, rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
        """Draw one phase shift in time and one across neurons a layer, for one call."""
        return tuple(
            (int(rng.integers(-m, m + 1)), int(rng.integers(-n, n + 1))) for m, n in self.max_shifts
        )

    def _to_images(self, windows: Tensor) -> Tensor:
        images = _images(windows, self.n_channels)
        return images.contiguous(memory_format=torch.channels_last)

    def _to_windows(self, images: Tensor) -> Tensor:
        return images.permute(0, 2, 3, 1).flatten(2)

    def _shift(self, x: Tensor, shift: tuple[int, int], *, back: bool = False) -> Tensor:
        shuffle = phase_shuffle_back if back else phase_shuffle
        return shuffle(shuffle(x, shift[0], dim=2), shift[1], dim=3)
